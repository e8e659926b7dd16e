// Ten thousand random events: after each of them the ledger balances and no host was asked too early or too
// often.

import MocraFastPath
import Testing

@testable import MocraEngine

/// Drives a frontier with random events and keeps its own, simpler account of what is allowed.
private struct RandomDrive {
    var frontier: VirtualFrontier
    var random: RandomSource
    let delayMs: Int
    let concurrency: Int
    /// Start of the last fetch, fetches running, and end of a Retry-After, a host.
    var lastStart: [String: LoopInstant] = [:]
    var running: [String: Int] = [:]
    var blockedUntil: [String: LoopInstant] = [:]
    var fetching: [RequestID] = []
    var parsing: [RequestID] = []
    var tickets: [RobotsTicket] = []
    var faults: [String] = []

    init(seed: UInt64) {
        random = RandomSource(seed: seed)
        let delayMs = [0, 10, 250][Int(random.next() % 3)]
        let concurrency = 1 + Int(random.next() % 3)
        self.delayMs = delayMs
        self.concurrency = concurrency
        frontier = VirtualFrontier {
            $0.obeysRobots = true
            $0.delayMs = delayMs
            $0.perHostConcurrency = concurrency
            $0.maxDepth = 6
            $0.maxPagesPerHost = 400
            $0.robotsTtlMs = 60_000
        }
    }

    mutating func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    mutating func step() throws {
        switch below(10) {
        case 0..<3: try discover()
        case 3..<6: take()
        case 6: endFetch()
        case 7: endParse()
        case 8: endRobots()
        default: frontier.advance(ms: below(400))
        }
        check()
    }

    private mutating func discover() throws {
        let host = "h\(below(8)).test"
        let port = below(4) == 0 ? ":81" : ""
        try frontier.discover(
            "http://\(host)\(port)/\(below(600))", depth: below(8), priority: below(20) == 0 ? 1 : 0,
            dontFilter: below(50) == 0)
    }

    private mutating func take() {
        switch frontier.next() {
        case .fetch(let id):
            started(String(frontier.machine.entry(id).url.host))
            fetching.append(id)
            if below(2) == 0 { frontier.machine.requestLeft(id, at: frontier.now) }
        case .fetchRobots(let ticket):
            started(String(ticket.url.host))
            tickets.append(ticket)
        case .skip(let id, let reason): frontier.machine.refuse(id, reason)
        case .fail(let id, _): frontier.machine.finish(id)
        case .wait(let instant):
            if instant <= frontier.now { faults.append("told to wait for the past") }
            if below(3) == 0 { frontier.now = instant }
        case .idle: break
        }
    }

    private mutating func started(_ host: String) {
        let now = frontier.now
        if let last = lastStart[host], now < last.advanced(byMs: delayMs) {
            faults.append("\(host) too early")
        }
        if let until = blockedUntil[host], now < until { faults.append("\(host) during its Retry-After") }
        lastStart[host] = now
        running[host, default: 0] += 1
        if running[host, default: 0] > concurrency { faults.append("\(host) too often at a time") }
    }

    private mutating func ended(_ host: String) { running[host, default: 0] -= 1 }

    private mutating func endFetch() {
        guard !fetching.isEmpty else { return }
        let id = fetching.remove(at: below(fetching.count))
        let url = frontier.machine.entry(id).url
        frontier.machine.fetchEnded(id, sentAt: nil)
        ended(String(url.host))
        let later = frontier.now.advanced(byMs: below(3_000))
        switch below(6) {
        case 0: frontier.machine.retry(id, notBefore: later, after: below(2) == 0 ? .target : .machine)
        case 1:
            frontier.machine.block(hostOf: url, until: later)
            let known = blockedUntil[String(url.host)] ?? later
            blockedUntil[String(url.host)] = max(known, later)
            frontier.machine.retry(id, notBefore: later)
        case 2: frontier.machine.putBack(id)
        default: parsing.append(id)
        }
    }

    private mutating func endParse() {
        guard !parsing.isEmpty else { return }
        let id = parsing.remove(at: below(parsing.count))
        switch below(8) {
        case 0: frontier.machine.bury(id)
        case 1: frontier.machine.refuse(id, .blocked)
        default: frontier.machine.finish(id)
        }
    }

    private mutating func endRobots() {
        guard !tickets.isEmpty else { return }
        let ticket = tickets.remove(at: below(tickets.count))
        frontier.machine.robotsFetchEnded(ticket, sentAt: nil)
        ended(String(ticket.url.host))
        switch below(6) {
        case 0:
            var hop = ticket
            hop.redirects += 1
            frontier.machine.enqueue(hop, notBefore: frontier.now.advanced(byMs: below(100)))
        case 1: frontier.machine.robotsKnown(.disallowAll, of: ticket.home, at: frontier.now)
        case 2:
            let failure = FetchFailure(kind: .reset, message: "", isRetryable: true)
            frontier.machine.robotsKnown(.failed(failure), of: ticket.home, at: frontier.now)
        default: frontier.machine.robotsKnown(.allowAll, of: ticket.home, at: frontier.now)
        }
    }

    private mutating func check() {
        let ledger = frontier.machine.ledger
        if !ledger.isBalanced { faults.append("unbalanced: \(ledger)") }
        if ledger.queued + ledger.leased != frontier.machine.requestsHeld { faults.append("held: \(ledger)") }
        if ledger.leased != fetching.count + parsing.count { faults.append("leased: \(ledger)") }
        if frontier.machine.skips.values.reduce(0, +) != ledger.filtered { faults.append("skips: \(ledger)") }
    }

    /// Lets everything come to its end.
    mutating func finish() throws {
        var turns = 0
        while frontier.machine.requestsHeld > 0 || !tickets.isEmpty, turns < 1_000_000 {
            turns += 1
            take()
            while !fetching.isEmpty {
                let id = fetching.removeLast()
                ended(String(frontier.machine.entry(id).url.host))
                frontier.machine.fetchEnded(id, sentAt: nil)
                parsing.append(id)
            }
            while let id = parsing.popLast() { frontier.machine.finish(id) }
            while let ticket = tickets.popLast() {
                frontier.machine.robotsFetchEnded(ticket, sentAt: nil)
                ended(String(ticket.url.host))
                frontier.machine.robotsKnown(.allowAll, of: ticket.home, at: frontier.now)
            }
            check()
            if !faults.isEmpty { return }
            if turns.isMultiple(of: 8) { frontier.advance(ms: 50) }
        }
    }
}

@Suite("Frontier machine, random events")
struct FrontierRandomTests {
    @Test(arguments: 1...20) func `the ledger balances and no host is asked before its time`(round: Int)
        throws
    {
        // One seed is fixed, so that a failure of the others is not the only one there is to look at.
        let seed = round == 1 ? 1 : UInt64.random(in: .min ... .max)
        var drive = RandomDrive(seed: seed)
        for event in 0..<10_000 {
            try drive.step()
            if let fault = drive.faults.first {
                Issue.record("seed \(seed), event \(event): \(fault)")
                return
            }
        }
        try drive.finish()
        #expect(drive.faults.isEmpty, "seed \(seed)")
        #expect(drive.frontier.machine.requestsHeld == 0, "seed \(seed): something was never offered")
        let ledger = drive.frontier.machine.ledger
        #expect(ledger.queued == 0 && ledger.leased == 0 && ledger.isBalanced, "seed \(seed)")
        #expect(ledger.done > 300, "seed \(seed): hardly anything was fetched, so hardly anything was tested")
    }
}
