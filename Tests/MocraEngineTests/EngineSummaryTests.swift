// The summary and the progress line as pure functions of numbers.

import Foundation
import MocraFastPath
import Testing

@testable import MocraEngine

@Suite("Summary and progress")
struct EngineSummaryTests {
    private var summary: RunSummary {
        var progress = RunProgress()
        progress.elapsedMs = 65_000
        progress.counters.pages = 12_345
        progress.counters.requests = 12_400
        progress.counters.retries = 7
        progress.counters.items = 12_350
        progress.counters.bytes = 5 << 20
        progress.counters.wireBytes = 1_500
        for status in [200, 200, 301, 404, 999] { progress.counters.statusClasses.count(status: status) }
        progress.counters.errors = [.dns: 2, .connect: 3, .bomb: 2]
        progress.skips = [.scope: 9, .depth: 0]
        progress.ledger.discovered = 20
        progress.ledger.done = 11
        progress.ledger.filtered = 9
        progress.slowestHosts = [HostTiming(host: "a.test", fetches: 2, meanMs: 30, maxMs: 50)]
        progress.notices = [RunNotice(url: "http://a.test/\u{1B}[2J", kind: "dns", message: "no such host")]
        return RunSummary(
            run: RunIdentifier(high: 1, low: 2), outcome: .limited(.maxPages), progress: progress)
    }

    @Test func `the summary for a person`() {
        #expect(
            summary.text() == """
                limited by max_pages: 12,345 pages, 5.0 MiB in 1:05, 189.9 pages/s
                status   2xx 2, 3xx 1, 4xx 1, other 1
                fetches  12,400 (7 retries), 1.5 KiB received, 12,350 items
                slowest  a.test 30 ms (most 50)
                errors   connect 3, bomb 2, dns 2
                skipped  scope 9
                ledger   discovered 20 = done 11 + queued 0 + leased 0 + filtered 9 + dead 0, duplicates 0
                note     http://a.test/\\u{1b}[2J: dns: no such host
                """)
    }

    @Test func `the summary for a program is one JSON object on a line`() throws {
        let text = summary.json()
        #expect(!text.contains("\n"))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["outcome"] as? String == "limited" && object["limit"] as? String == "max_pages")
        #expect(object["pages"] as? Int == 12_345)
        #expect((object["errors"] as? [String: Int]) == ["connect": 3, "bomb": 2, "dns": 2])
        #expect((object["ledger"] as? [String: Int])?["discovered"] == 20)
        #expect((object["slowest_hosts"] as? [[String: Any]])?.first?["host"] as? String == "a.test")
    }

    @Test func `a progress line has whole parts only, and the rate of the time since the last`() {
        var later = summary.progress
        var before = later
        before.elapsedMs = 63_000
        before.counters.pages = 12_305
        later.inFlight = 4
        later.ledger.queued = 1_000
        #expect(
            ProgressLine.plain(later, previous: before)
                == "1:05, 12,345 pages, 20.0/s, 1,000 queued, 4 in flight, 5.0 MiB,"
                + " 2xx 2 3xx 1 4xx 1 other 1, 7 errors, 9 skipped, 7 retries")
        #expect(ProgressLine.terminal(later, previous: before, columns: 30) == "1:05  12,345 pages  20.0/s")
        #expect(ProgressLine.terminal(later, previous: nil, columns: 3) == "")
        #expect(
            ProgressLine.plain(RunProgress(), previous: nil)
                == "0 ms, 0 pages, 0.0/s, 0 queued, 0 in flight, 0 B")
    }

    @Test func `numbers as a person reads them`() {
        #expect([0, 999, 1_000, -1_234_567].map(HumanText.count) == ["0", "999", "1,000", "-1,234,567"])
        #expect(
            [0, 1_023, 1_024, 1_536, 3 << 30, 5 << 40].map(HumanText.bytes)
                == ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "3.0 GiB", "5.0 TiB"])
        #expect(
            [0, 999, 1_000, 59_949, 60_000, 3_661_000].map(HumanText.duration(ms:))
                == ["0 ms", "999 ms", "1.0 s", "59.9 s", "1:00", "1:01:01"])
        #expect(HumanText.decimal(-0.04) == "0.0" && HumanText.decimal(.infinity) == "-")
    }

    @Test func `lanes add up`() {
        var sum = RunProgress()
        for mean in 1...9 {
            var lane = summary.progress
            lane.slowestHosts = [HostTiming(host: "h\(mean)", fetches: 1, meanMs: mean, maxMs: mean)]
            sum.add(lane)
        }
        #expect(sum.counters.pages == 9 * 12_345 && sum.counters.statusClasses[2] == 18)
        #expect(sum.slowestHosts.map(\.meanMs) == [9, 8, 7, 6, 5])
        #expect(sum.counters.errors[.connect] == 27 && sum.ledger.discovered == 180)
        #expect(sum.notices.count == 9)
    }
}
