// Rate limits with virtual time: the rate, the burst, several keys, and memory.

import MocraFastPath
import TestSupport
import Testing

private typealias Limits = RateLimitMachine<String>

private func at(_ ms: Int) -> LoopInstant { LoopInstant(nanoseconds: 0).advanced(byMs: ms) }

@Suite("Rate limits")
struct RateLimitMachineTests {
    @Test("requests are spaced by the rate")
    func rate() {
        var limits = Limits(defaultLimit: .init(perSecond: 10))
        #expect(limits.acquire(["a"], at: at(1_000)) == .go)
        #expect(limits.acquire(["a"], at: at(1_000)) == .wait(until: at(1_100)))
        #expect(limits.acquire(["a"], at: at(1_099)) == .wait(until: at(1_100)))
        #expect(limits.acquire(["b"], at: at(1_099)) == .go)
        #expect(limits.acquire(["a"], at: at(1_100)) == .go)
        // A late one does not make the next one early.
        #expect(limits.acquire(["a"], at: at(1_250)) == .go)
        #expect(limits.acquire(["a"], at: at(1_300)) == .wait(until: at(1_350)))
    }

    @Test("after a rest a burst goes ahead, and no more than that")
    func burst() {
        var limits = Limits(defaultLimit: .init(perSecond: 10, burst: 3))
        for _ in 0..<3 { #expect(limits.acquire(["a"], at: at(0)) == .go) }
        #expect(limits.acquire(["a"], at: at(0)) == .wait(until: at(100)))
        #expect(limits.acquire(["a"], at: at(100)) == .go)
        #expect(limits.acquire(["a"], at: at(199)) == .wait(until: at(200)))
        // Rest enough for three; a longer one is no more.
        for _ in 0..<3 { #expect(limits.acquire(["a"], at: at(60_000)) == .go) }
        #expect(limits.acquire(["a"], at: at(60_000)) == .wait(until: at(60_100)))
    }

    @Test("all keys or none")
    func severalKeys() {
        var limits = Limits()
        limits.setLimit(.init(perSecond: 1), for: "account")
        limits.setLimit(.init(perSecond: 100), for: "site")
        #expect(limits.acquire(["account", "site", "free"], at: at(0)) == .go)
        // The account's wait is the longer one, and costs the site nothing.
        #expect(limits.acquire(["account", "site"], at: at(10)) == .wait(until: at(1_000)))
        #expect(limits.acquire(["site"], at: at(10)) == .go)
        #expect(limits.acquire(["free", "free"], at: at(10)) == .go)
        #expect(limits.acquire([], at: at(10)) == .go)
        // Twice the same key is one token.
        #expect(limits.acquire(["site", "site"], at: at(20)) == .go)
        #expect(limits.acquire(["site"], at: at(30)) == .go)
        limits.setLimit(nil, for: "account")
        #expect(limits.acquire(["account"], at: at(40)) == .go)
    }

    @Test("limits at both ends of what numbers can hold")
    func extremes() {
        var limits = Limits()
        limits.setLimit(.init(perSecond: 1e-300, burst: .max), for: "seldom")
        limits.setLimit(.init(perSecond: .infinity), for: "often")
        for _ in 0..<100 { #expect(limits.acquire(["seldom"], at: at(0)) == .go) }
        #expect(limits.acquire(["often"], at: at(1)) == .go)
        #expect(limits.acquire(["often"], at: at(2)) == .go)
        #expect(limits.acquire(["seldom", "often"], at: LoopInstant(nanoseconds: .max)) == .go)
    }

    @Test("keys that rest take no memory")
    func memory() {
        var limits = RateLimitMachine<Int>(defaultLimit: .init(perSecond: 1_000))
        for key in 0..<100_000 {
            #expect(limits.acquire([key], at: at(key)) == .go)
            #expect(limits.keysHeld <= 64)
        }
    }

    @Test(
        "no span of time holds more than its rate and one burst; whoever waits goes then",
        arguments: 0..<10 as Range<UInt64>)
    func promises(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let perSecond = Double(Int.random(in: 1...200, using: &random))
        let burst = Int.random(in: 1...8, using: &random)
        var limits = Limits(defaultLimit: .init(perSecond: perSecond, burst: burst))
        var times: [String: [Int]] = ["a": [], "b": []]
        var nowMs = 0
        for _ in 0..<20_000 {
            nowMs += Int.random(in: 0..<8, using: &random)
            let keys = [["a"], ["b"], ["a", "b"]].randomElement(using: &random)!
            switch limits.acquire(keys, at: at(nowMs)) {
            case .go: for key in keys { times[key]?.append(nowMs) }
            case .wait(let until):
                #expect(until > at(nowMs), "seed \(seed)")
                guard Int.random(in: 0..<4, using: &random) == 0 else { continue }
                #expect(limits.acquire(keys, at: until) == .go, "seed \(seed)")
                nowMs = Int((until.nanoseconds + 999_999) / 1_000_000)
                for key in keys { times[key]?.append(nowMs) }
            }
        }
        for (key, times) in times {
            #expect(times.count > 100)
            for first in stride(from: 0, to: times.count, by: 7) {
                for last in first..<min(first + 50, times.count) {
                    // Each time is rounded up to a millisecond.
                    let seconds = Double(times[last] - times[first] + 1) / 1_000
                    #expect(
                        Double(last - first + 1) <= Double(burst) + seconds * perSecond + 1e-6,
                        "seed \(seed), \(key)")
                }
            }
        }
    }
}
