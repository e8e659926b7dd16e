// robots.txt in the frontier, under virtual time, and what its answers mean (RFC 9309 §2.3.1).

import MocraFastPath
import Testing

@testable import MocraEngine

@Suite("robots.txt in the frontier")
struct FrontierRobotsTests {
    private func frontier(_ change: (inout FrontierLimits) -> Void = { _ in }) -> VirtualFrontier {
        VirtualFrontier {
            $0.obeysRobots = true
            change(&$0)
        }
    }

    private func rules(_ text: String) -> RobotsOutcome {
        .rules(RobotsRules.parse(text.utf8.span, productToken: "mocra"))
    }

    @Test func `one fetch of robots.txt goes first, and counts for the delay`() throws {
        var frontier = frontier { $0.perHostConcurrency = 4 }
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test/2")
        let ticket = try frontier.robots()
        #expect(ticket.url.href == "http://a.test/robots.txt")
        #expect(frontier.next() == .idle, "the URLs wait for the rules")
        frontier.advance(ms: 300)
        frontier.machine.robotsFetchEnded(ticket, sentAt: nil)
        frontier.machine.robotsKnown(.allowAll, of: ticket.home, at: frontier.now)
        #expect(frontier.isWaiting(frontier.next(), ms: 700))
        frontier.advance(ms: 700)
        #expect(try frontier.crawl() == "http://a.test/1")
        frontier.advance(ms: 1_000)
        #expect(try frontier.crawl() == "http://a.test/2")
    }

    @Test func `each scheme and port has its own rules, under one delay`() throws {
        var frontier = frontier()
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test:81/1")
        try frontier.discover("https://a.test/1")
        var fetched: Set<String> = []
        for round in 1...3 {
            let ticket = try frontier.robots()
            fetched.insert(ticket.url.href)
            frontier.machine.robotsFetchEnded(ticket, sentAt: nil)
            frontier.machine.robotsKnown(.disallowAll, of: ticket.home, at: frontier.now)
            // What is refused altogether needs no fetch, so it does not wait for the host's turn.
            let action = frontier.next()
            guard case .skip(let id, .robots) = action else { throw Unexpected(action: action) }
            frontier.machine.refuse(id, .robots)
            guard round < 3 else { break }
            #expect(frontier.isWaiting(frontier.next(), ms: 1_000))
            frontier.advance(ms: 1_000)
        }
        #expect(frontier.next() == .idle)
        #expect(
            fetched == [
                "http://a.test/robots.txt", "http://a.test:81/robots.txt", "https://a.test/robots.txt",
            ])
    }

    @Test func `rules refuse, and a Crawl-delay lengthens the delay up to its cap`() throws {
        var frontier = frontier { $0.crawlDelayMaxMs = 5_000 }
        for url in ["http://a.test/1", "http://a.test/no/1", "http://a.test/2"] { try frontier.discover(url) }
        try frontier.robots(rules("User-agent: *\nDisallow: /no/\nCrawl-delay: 3600\n"))
        #expect(frontier.isWaiting(frontier.next(), ms: 5_000))
        frontier.advance(ms: 5_000)
        #expect(try frontier.crawl() == "http://a.test/1")
        frontier.advance(ms: 5_000)
        let action = frontier.next()
        guard case .skip(let id, .robots) = action else { throw Unexpected(action: action) }
        frontier.machine.refuse(id, .robots)
        #expect(try frontier.crawl() == "http://a.test/2")
        #expect(frontier.machine.ledger.filtered == 1)
    }

    @Test func `a Crawl-delay shorter than the configured delay changes nothing`() throws {
        var frontier = frontier()
        try frontier.discover("http://a.test/1")
        try frontier.robots(rules("User-agent: *\nCrawl-delay: 0.1\n"))
        #expect(frontier.isWaiting(frontier.next(), ms: 1_000))
    }

    @Test func `without a connection the host's URLs end with the same failure`() throws {
        var frontier = frontier()
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://a.test/2")
        let failure = FetchFailure(kind: .connect, message: "refused", isRetryable: true)
        try frontier.robots(.failed(failure))
        for _ in 0..<2 {
            let action = frontier.next()
            guard case .fail(let id, failure) = action else { throw Unexpected(action: action) }
            frontier.machine.finish(id)
        }
        try frontier.discover("http://a.test/3")
        guard case .fail = frontier.next() else { throw Unexpected(action: frontier.next()) }
        #expect(frontier.machine.ledger.done == 2)
    }

    @Test func `rules expire, a failure sooner than rules`() throws {
        var frontier = frontier { $0.delayMs = 0 }
        try frontier.discover("http://a.test/1")
        try frontier.robots(.allowAll)
        _ = try frontier.crawl()
        frontier.advance(ms: 86_399_999)
        try frontier.discover("http://a.test/2")
        #expect(try frontier.crawl() == "http://a.test/2")
        frontier.advance(ms: 1)
        try frontier.discover("http://a.test/3")
        try frontier.robots(.disallowAll)
        guard case .skip(let id, .robots) = frontier.next() else { throw Unexpected(action: frontier.next()) }
        frontier.machine.refuse(id, .robots)
        frontier.advance(ms: FrontierLimits.robotsFailureTtlMs)
        try frontier.discover("http://a.test/4")
        #expect(try frontier.robots().url.href == "http://a.test/robots.txt")
    }

    @Test func `a hop to another host waits for that host's delay`() throws {
        var frontier = frontier()
        try frontier.discover("http://a.test/1")
        try frontier.discover("http://b.test/1")
        let first = try frontier.robots()
        try frontier.robots(.allowAll)
        var hop = first
        hop.url = try WebURL("http://b.test/robots.txt")
        hop.redirects = 1
        frontier.machine.robotsFetchEnded(first, sentAt: nil)
        frontier.machine.enqueue(hop, notBefore: frontier.now)
        #expect(frontier.isWaiting(frontier.next(), ms: 1_000))
        frontier.advance(ms: 1_000)
        #expect(try frontier.robots() == hop)
        frontier.machine.robotsFetchEnded(hop, sentAt: nil)
        frontier.machine.robotsKnown(.allowAll, of: hop.home, at: frontier.now)
        #expect(try frontier.crawl() == "http://a.test/1")
    }
}

@Suite("Answers to a robots.txt request")
struct FrontierRobotsAnswerTests {
    private let machine = OriginRobotsMachine(retryPolicy: RetryPolicy(requestMaxRetries: 3))
    private let ticket = RobotsTicket(origin: "http://a.test")

    private func step(_ status: Int, retries: Int = 0, retryAfterMs: Int? = nil) -> OriginRobotsMachine.Step {
        var ticket = ticket
        ticket.retries = retries
        return machine.step(ticket, .status(status, location: nil, retryAfterMs: retryAfterMs), random: .max)
    }

    @Test func `success is read, absence allows, a server fault disallows after its retries`() {
        #expect(step(200) == .readRules)
        #expect(step(404) == .allowAll)
        #expect(step(403) == .allowAll)
        #expect(step(410) == .allowAll)
        #expect(step(304) == .allowAll)
        var again = ticket
        again.retries = 1
        #expect(step(500) == .fetch(again, afterMs: 5_000, blocksHost: false))
        #expect(step(500, retries: 3) == .disallowAll)
        #expect(step(503, retries: 3) == .disallowAll)
        #expect(step(429, retries: 3) == .allowAll)
        #expect(step(503, retryAfterMs: 7_000) == .fetch(again, afterMs: 7_000, blocksHost: true))
    }

    @Test func `five redirects are followed, the sixth is not`() throws {
        let target = try WebURL("http://b.test/robots.txt")
        var hop = ticket
        hop.redirects = 4
        guard
            case .fetch(let next, 0, false) = machine.step(
                hop, .status(301, location: target, retryAfterMs: nil), random: 0)
        else {
            Issue.record("the fifth redirect was not followed")
            return
        }
        #expect(next.redirects == 5)
        #expect(next.url == target)
        #expect(next.home == ticket.home)
        #expect(machine.step(next, .status(301, location: target, retryAfterMs: nil), random: 0) == .allowAll)
    }

    @Test func `a failure is retried, then becomes that of the URLs; an unreadable answer disallows`() {
        let connect = FetchFailure(kind: .connect, message: "refused", isRetryable: true)
        var last = ticket
        last.retries = 3
        guard case .fetch(_, let afterMs, false) = machine.step(ticket, .failed(connect), random: .max) else {
            Issue.record("no retry")
            return
        }
        #expect(afterMs == 2_000)
        #expect(machine.step(last, .failed(connect), random: 0) == .failed(connect))
        let name = FetchFailure(kind: .dns, message: "no such host", isRetryable: false)
        #expect(machine.step(ticket, .failed(name), random: 0) == .failed(name))
        let decode = FetchFailure(kind: .decode, message: "corrupt", isRetryable: false)
        #expect(machine.step(ticket, .failed(decode), random: 0) == .disallowAll)
        let local = FetchFailure(kind: .internal, message: "busy", isRetryable: true)
        guard
            case .fetch(let again, AnswerPolicy.localRetryMs, false) = machine.step(
                last, .failed(local), random: 0)
        else {
            Issue.record("a fault of this machine was not retried")
            return
        }
        #expect(again.retries == 3)
    }
}
