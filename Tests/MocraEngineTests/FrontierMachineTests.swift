// The frontier under virtual time: order, delay, concurrency, robots, budgets and the ledger, one rule a
// test.

import MocraFastPath
import Testing

@testable import MocraEngine

/// A frontier with a clock that a test turns, and short names for its events.
struct VirtualFrontier {
    var machine: FrontierMachine<String>
    var now = LoopInstant(nanoseconds: 1_000_000_000)

    init(_ change: (inout FrontierLimits) -> Void = { _ in }) {
        var limits = FrontierLimits()
        limits.obeysRobots = false
        change(&limits)
        machine = FrontierMachine(limits)
    }

    @discardableResult
    mutating func discover(
        _ text: String, depth: Int = 0, priority: Int = 0, scope: CrawlScope = .any, dontFilter: Bool = false
    ) throws -> FrontierAdmission {
        let url = try WebURL(text)
        return machine.discover(
            FrontierCandidate(
                url: url, identity: dontFilter ? nil : url.fingerprint, depth: depth, priority: priority,
                scope: scope, payload: text))
    }

    mutating func next() -> FrontierAction { machine.next(at: now) }

    /// The next action, which must be a fetch: gives identifier and URL.
    mutating func fetch() throws -> (id: RequestID, url: String) {
        let action = next()
        guard case .fetch(let id) = action else { throw Unexpected(action: action) }
        return (id, machine.entry(id).url.href)
    }

    /// Fetches and finishes at once; gives the URL.
    mutating func crawl() throws -> String {
        let (id, url) = try fetch()
        machine.fetchEnded(id, sentAt: nil)
        machine.finish(id)
        return url
    }

    /// The next action, which must be a robots.txt fetch.
    mutating func robots() throws -> RobotsTicket {
        let action = next()
        guard case .fetchRobots(let ticket) = action else { throw Unexpected(action: action) }
        return ticket
    }

    /// Fetches a robots.txt and lets `outcome` come of it.
    mutating func robots(_ outcome: RobotsOutcome) throws {
        let ticket = try robots()
        machine.robotsFetchEnded(ticket, sentAt: nil)
        machine.robotsKnown(outcome, of: ticket.home, at: now)
    }

    mutating func advance(ms: Int) { now = now.advanced(byMs: ms) }

    func isWaiting(_ action: FrontierAction, ms: Int) -> Bool {
        action == .wait(until: now.advanced(byMs: ms))
    }
}

struct Unexpected: Error, CustomStringConvertible {
    var action: FrontierAction
    var description: String { "unexpected \(action)" }
}

@Suite("Frontier machine")
struct FrontierMachineTests {
    @Test func `a URL is discovered once`() throws {
        var frontier = VirtualFrontier()
        #expect(try frontier.discover("http://a.test/1") == .queued)
        #expect(try frontier.discover("http://a.test/1") == .duplicate)
        _ = try frontier.crawl()
        #expect(try frontier.discover("http://a.test/1") == .duplicate)
        #expect(try frontier.discover("http://a.test/1", dontFilter: true) == .queued)
        #expect(frontier.machine.ledger.discovered == 2)
        #expect(frontier.machine.ledger.duplicates == 2)
        #expect(frontier.machine.ledger.isBalanced)
    }

    @Test func `a host is fetched breadth first, then in the order of discovery, priority before both`()
        throws
    {
        var frontier = VirtualFrontier { $0.delayMs = 0 }
        try frontier.discover("http://a.test/deep", depth: 2)
        try frontier.discover("http://a.test/first", depth: 1)
        try frontier.discover("http://a.test/second", depth: 1)
        try frontier.discover("http://a.test/urgent", depth: 9, priority: 1)
        let order = try (0..<4).map { _ in try frontier.crawl() }
        #expect(order == ["urgent", "first", "second", "deep"].map { "http://a.test/\($0)" })
        #expect(frontier.next() == .idle)
    }

    @Test func `the delay lies between starts`() throws {
        var frontier = VirtualFrontier { $0.perHostConcurrency = 2 }
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test/2")
        let (first, _) = try frontier.fetch()
        frontier.machine.requestLeft(first, at: frontier.now)
        #expect(frontier.isWaiting(frontier.next(), ms: 1_000))
        frontier.advance(ms: 999)
        #expect(frontier.isWaiting(frontier.next(), ms: 1))
        frontier.advance(ms: 1)
        // The first is still running: concurrency allows two.
        _ = try frontier.fetch()
        frontier.machine.fetchEnded(first, sentAt: nil)
    }

    @Test func `while a request has not left, none follows it, however long the delay is over`() throws {
        var frontier = VirtualFrontier { $0.perHostConcurrency = 2 }
        for page in 1...3 { try frontier.discover("http://a.test/\(page)") }
        let (first, _) = try frontier.fetch()
        frontier.advance(ms: 5_000)
        #expect(frontier.next() == .idle)
        frontier.machine.requestLeft(first, at: frontier.now)
        #expect(frontier.isWaiting(frontier.next(), ms: 1_000))
        // Sent again over another connection, it left later.
        frontier.advance(ms: 400)
        frontier.machine.requestLeft(first, at: frontier.now)
        #expect(frontier.isWaiting(frontier.next(), ms: 1_000))
        frontier.advance(ms: 1_000)
        let (second, _) = try frontier.fetch()
        frontier.advance(ms: 2_000)
        // The end of a fetch says that its request left, too, or never will.
        frontier.machine.fetchEnded(second, sentAt: nil)
        _ = try frontier.fetch()
        // What is told of a request whose fetch is over changes nothing.
        frontier.machine.requestLeft(second, at: frontier.now)
        #expect(frontier.next() == .idle)
    }

    @Test func `the delay counts from when the request left, not from when its connection was begun`() throws
    {
        var frontier = VirtualFrontier()
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test/2")
        let (first, _) = try frontier.fetch()
        let sentAt = frontier.now.advanced(byMs: 300)
        frontier.advance(ms: 400)
        frontier.machine.fetchEnded(first, sentAt: sentAt)
        #expect(frontier.isWaiting(frontier.next(), ms: 900))
    }

    @Test func `no more fetches at a time than a host allows`() throws {
        var frontier = VirtualFrontier {
            $0.delayMs = 0
            $0.perHostConcurrency = 2
        }
        for page in 1...3 { try frontier.discover("http://a.test/\(page)") }
        let (first, _) = try frontier.fetch()
        _ = try frontier.fetch()
        #expect(frontier.next() == .idle)
        frontier.machine.fetchEnded(first, sentAt: nil)
        _ = try frontier.fetch()
        // The first holds no place any more, though it is still being parsed.
        #expect(frontier.machine.ledger.leased == 3)
    }

    @Test func `hosts without a delay take turns`() throws {
        var frontier = VirtualFrontier { $0.delayMs = 0 }
        for page in 1...2 {
            for host in ["a", "b", "c"] { try frontier.discover("http://\(host).test/\(page)") }
        }
        let hosts = try (0..<6).map { _ in try frontier.crawl().dropFirst(7).prefix(1) }
        #expect(hosts == ["a", "b", "c", "a", "b", "c"])
    }

    @Test func `Retry-After holds up the host's whole queue, and no other host's`() throws {
        var frontier = VirtualFrontier { $0.delayMs = 10 }
        for url in ["http://a.test/1", "http://a.test/2", "http://b.test/1"] { try frontier.discover(url) }
        let (id, url) = try frontier.fetch()
        frontier.machine.fetchEnded(id, sentAt: nil)
        let until = frontier.now.advanced(byMs: 5_000)
        frontier.machine.block(hostOf: try WebURL(url), until: until)
        frontier.machine.retry(id, notBefore: until)
        #expect(try frontier.crawl() == "http://b.test/1")
        #expect(frontier.isWaiting(frontier.next(), ms: 5_000))
        frontier.advance(ms: 5_000)
        #expect(try frontier.crawl() == "http://a.test/2")
        frontier.advance(ms: 10)
        #expect(try frontier.crawl() == "http://a.test/1")
        #expect(frontier.machine.ledger.done == 3)
    }

    @Test func `a retry waits for its moment while others of its host go on`() throws {
        var frontier = VirtualFrontier { $0.delayMs = 100 }
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test/2")
        let (id, _) = try frontier.fetch()
        frontier.machine.fetchEnded(id, sentAt: nil)
        frontier.machine.retry(id, notBefore: frontier.now.advanced(byMs: 700))
        frontier.advance(ms: 100)
        #expect(try frontier.crawl() == "http://a.test/2")
        #expect(frontier.isWaiting(frontier.next(), ms: 600))
        frontier.advance(ms: 600)
        let (again, _) = try frontier.fetch()
        #expect(again == id)
        #expect(frontier.machine.entry(id).retries == 1)
        #expect(frontier.machine.entry(id).starts == 2)
    }

    // MARK: Refusals

    @Test func `scope, length and depth refuse with their reason`() throws {
        var frontier = VirtualFrontier {
            $0.maxDepth = 2
            $0.maxURLLength = 40
        }
        let scope = CrawlScope([try HostPattern("a.test"), try HostPattern("*.a.test")])
        #expect(try frontier.discover("http://a.test/", scope: scope) == .queued)
        #expect(try frontier.discover("http://x.y.a.test/", scope: scope) == .queued)
        #expect(try frontier.discover("http://b.test/", scope: scope) == .filtered(.scope))
        #expect(try frontier.discover("http://ba.test/", scope: scope) == .filtered(.scope))
        #expect(try frontier.discover("http://a.test/3", depth: 3, scope: scope) == .filtered(.depth))
        let long = "http://a.test/" + String(repeating: "x", count: 27)
        #expect(try frontier.discover(long, scope: scope) == .filtered(.trap))
        #expect(try frontier.discover("http://b.test/", scope: scope) == .duplicate)
        #expect(frontier.machine.skips == [.scope: 2, .depth: 1, .trap: 1])
        #expect(frontier.machine.ledger.isBalanced)
    }

    @Test func `a URL refused for its depth is taken when a shorter way is found`() throws {
        var frontier = VirtualFrontier { $0.maxDepth = 2 }
        #expect(try frontier.discover("http://a.test/x", depth: 3) == .filtered(.depth))
        #expect(try frontier.discover("http://a.test/x", depth: 4) == .duplicate)
        #expect(try frontier.discover("http://a.test/x", depth: 2) == .queued)
        #expect(frontier.machine.ledger.discovered == 1)
        #expect(frontier.machine.ledger.filtered == 0)
        #expect(frontier.machine.ledger.isBalanced)
    }

    @Test func `a queued URL takes the smaller depth of a shorter way`() throws {
        var frontier = VirtualFrontier { $0.delayMs = 0 }
        try frontier.discover("http://a.test/far", depth: 5)
        try frontier.discover("http://a.test/mid", depth: 3)
        #expect(try frontier.discover("http://a.test/far", depth: 1) == .duplicate)
        let (id, url) = try frontier.fetch()
        #expect(url == "http://a.test/far")
        #expect(frontier.machine.entry(id).depth == 1)
        frontier.machine.fetchEnded(id, sentAt: nil)
        #expect(try frontier.discover("http://a.test/far", depth: 0) == .duplicate)
        #expect(frontier.machine.entry(id).depth == 1, "a leased URL keeps its depth")
        #expect(frontier.machine.ledger.discovered == 2)
        #expect(frontier.machine.requestsHeld == 2)
    }

    @Test func `a host's page budget refuses what was not begun`() throws {
        var frontier = VirtualFrontier {
            $0.delayMs = 0
            $0.maxPagesPerHost = 1
        }
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test/2")
        let (id, _) = try frontier.fetch()
        frontier.machine.fetchEnded(id, sentAt: nil)
        frontier.machine.retry(id, notBefore: frontier.now)
        // The retry is no new page.
        let action = frontier.next()
        guard case .skip(let skipped, .budget) = action else { throw Unexpected(action: action) }
        frontier.machine.refuse(skipped, .budget)
        #expect(try frontier.fetch().id == id)
    }

    @Test func `the end of the run's budget leaves what was begun`() throws {
        var frontier = VirtualFrontier { $0.delayMs = 0 }
        for page in 1...3 { try frontier.discover("http://a.test/\(page)") }
        let (id, _) = try frontier.fetch()
        frontier.machine.fetchEnded(id, sentAt: nil)
        frontier.machine.retry(id, notBefore: frontier.now)
        #expect(frontier.machine.refuseUnstarted(.budget) == 2)
        #expect(try frontier.discover("http://a.test/4") == .filtered(.budget))
        #expect(try frontier.crawl() == "http://a.test/1")
        #expect(frontier.next() == .idle)
        #expect(frontier.machine.ledger.filtered == 3)
        #expect(frontier.machine.ledger.isBalanced)
    }

    @Test func `what was put back is fetched again`() throws {
        var frontier = VirtualFrontier { $0.delayMs = 0 }
        try frontier.discover("http://a.test/1")
        let (id, _) = try frontier.fetch()
        frontier.machine.fetchEnded(id, sentAt: nil)
        frontier.machine.putBack(id)
        #expect(frontier.machine.ledger.queued == 1)
        #expect(try frontier.fetch().id == id)
        frontier.machine.fetchEnded(id, sentAt: nil)
        frontier.machine.bury(id)
        #expect(frontier.machine.ledger.dead == 1)
        #expect(frontier.machine.requestsHeld == 0)
    }
}
