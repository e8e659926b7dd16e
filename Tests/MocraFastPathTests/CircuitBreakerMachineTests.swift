// The circuit breaker's rules, with virtual time; then random histories against what it promises.

import MocraFastPath
import TestSupport
import Testing

private typealias Breaker = CircuitBreakerMachine

private func at(_ ms: Int) -> LoopInstant { LoopInstant(nanoseconds: 0).advanced(byMs: ms) }

extension CircuitBreakerMachine {
    fileprivate mutating func pass(at now: LoopInstant) throws -> Ticket {
        guard case .pass(let ticket) = admit(at: now) else { throw TestSupportError("refused") }
        return ticket
    }

    fileprivate mutating func call(_ outcome: Outcome, at now: LoopInstant) throws {
        ended(try pass(at: now), outcome, at: now)
    }
}

@Suite("Circuit breaker")
struct CircuitBreakerMachineTests {
    private let quick = Breaker.Configuration(
        window: 10, failuresMin: 3, failureRate: 0.5, openMs: 100, openMsMax: 350, probesMax: 2)

    @Test("opens at enough failures that are often enough")
    func opens() throws {
        var breaker = Breaker(quick)
        // Two of two are too few.
        for _ in 0..<2 { try breaker.call(.failure, at: at(0)) }
        #expect(breaker.state == .closed)
        // Three of seven are too seldom.
        for _ in 0..<4 { try breaker.call(.success, at: at(0)) }
        try breaker.call(.failure, at: at(0))
        #expect(breaker.state == .closed)
        // What says nothing changes nothing.
        try breaker.call(.unknown, at: at(0))
        #expect(breaker.state == .closed)
        try breaker.call(.failure, at: at(7))
        #expect(breaker.state == .open(until: at(107)))
        #expect(breaker.admit(at: at(106)) == .refuse(until: at(107)))
    }

    @Test("failures that the window has left behind are forgotten")
    func window() throws {
        var breaker = Breaker(quick)
        for _ in 0..<2 { try breaker.call(.failure, at: at(0)) }
        for _ in 0..<10 { try breaker.call(.success, at: at(0)) }
        for _ in 0..<4 { try breaker.call(.failure, at: at(0)) }
        #expect(breaker.state == .closed)
        try breaker.call(.failure, at: at(0))
        #expect(breaker.state == .open(until: at(100)))
    }

    @Test("half open, a few probes pass; as many successes close it")
    func closes() throws {
        var breaker = Breaker(quick)
        for _ in 0..<3 { try breaker.call(.failure, at: at(0)) }
        let first = try breaker.pass(at: at(100))
        let second = try breaker.pass(at: at(100))
        #expect(breaker.admit(at: at(100)) == .refuse(until: nil))
        breaker.ended(first, .success, at: at(110))
        #expect(breaker.admit(at: at(110)) == .refuse(until: nil))
        // A probe that was cancelled gives its place to another.
        breaker.ended(second, .unknown, at: at(110))
        breaker.ended(try breaker.pass(at: at(110)), .success, at: at(120))
        #expect(breaker.state == .closed)
        // It starts anew: neither the old failures nor the long wait count.
        for _ in 0..<2 { try breaker.call(.failure, at: at(130)) }
        #expect(breaker.state == .closed)
        try breaker.call(.failure, at: at(130))
        #expect(breaker.state == .open(until: at(230)))
    }

    @Test("each time in a row it stays open twice as long, up to the limit")
    func backsOff() throws {
        var breaker = Breaker(quick)
        for _ in 0..<3 { try breaker.call(.failure, at: at(0)) }
        var now = 0
        for waitMs in [100, 200, 350, 350] {
            #expect(breaker.state == .open(until: at(now + waitMs)))
            now += waitMs
            try breaker.call(.failure, at: at(now))
        }
        var patient = Breaker(Breaker.Configuration(failuresMin: 1, openMs: .max, openMsMax: .max))
        try patient.call(.failure, at: at(0))
        #expect(patient.admit(at: at(1 << 40)) != .refuse(until: nil))
    }

    @Test("calls of an earlier state count for nothing")
    func lateEnds() throws {
        var breaker = Breaker(quick)
        let early = try breaker.pass(at: at(0))
        let other = try breaker.pass(at: at(0))
        for _ in 0..<3 { try breaker.call(.failure, at: at(0)) }
        breaker.ended(early, .success, at: at(50))
        #expect(breaker.state == .open(until: at(100)))
        _ = try breaker.pass(at: at(100))
        breaker.ended(other, .failure, at: at(101))
        #expect(breaker.state == .halfOpen(probes: 1, successes: 0))
    }

    @Test(
        "whatever happens, probes are bounded and no call waits for ever", arguments: 0..<20 as Range<UInt64>)
    func promises(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let probesMax = Int.random(in: 1...4, using: &random)
        var breaker = Breaker(
            Breaker.Configuration(
                window: Int.random(in: 3...64, using: &random), failuresMin: 3, openMs: 10, openMsMax: 80,
                probesMax: probesMax))
        var open: [Breaker.Ticket] = []
        var nowMs = 0
        for step in 0..<20_000 {
            nowMs += Int.random(in: 0..<3, using: &random)
            // The target fails for long stretches.
            let fails = Int.random(in: 0..<100, using: &random) < (step / 500 % 2 == 0 ? 5 : 90)
            if open.count < 8, Bool.random(using: &random) {
                switch breaker.admit(at: at(nowMs)) {
                case .pass(let ticket): open.append(ticket)
                case .refuse(until: let until?): #expect(until > at(nowMs) && until <= at(nowMs + 80))
                case .refuse(until: nil):
                    guard case .halfOpen(let probes, let successes) = breaker.state else {
                        Issue.record("seed \(seed), step \(step): refused without a reason")
                        return
                    }
                    // One of them ends some time.
                    #expect(probes > 0 && probes + successes == probesMax && open.count >= probes)
                }
            } else if let index = open.indices.randomElement(using: &random) {
                let outcome: Breaker.Outcome =
                    Int.random(in: 0..<10, using: &random) == 0 ? .unknown : fails ? .failure : .success
                breaker.ended(open.remove(at: index), outcome, at: at(nowMs))
            }
            if case .halfOpen(let probes, let successes) = breaker.state {
                #expect(probes >= 0 && successes >= 0 && probes + successes <= probesMax)
            }
        }
    }
}
