// Delays between the requests to one host: as they left the crawler, and as the demo site's log has them.
import Foundation
import TestSupport
import Testing

@Suite("Politeness", .serialized, .needsMachineAlone)
struct PolitenessTests {
    /// Between the moment that the crawler goes by and the moment in which its request is with the kernel lie
    /// some microseconds of its own work. That is all that may be missing from a delay.
    private static let toleranceMs = 2.0

    @Test(
        "Requests to a host leave no sooner than --delay after the one before",
        arguments: [(loops: 1, concurrency: 1), (loops: 2, concurrency: 1), (loops: 2, concurrency: 4)])
    func delayOnTheWire(loops: Int, concurrency: Int) async throws {
        // The kernel stamps what arrives, and on loopback that is when it was sent: how soon this process
        // gets to read it does not matter.
        let origins = try ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map { address in
            try ScriptedOrigin(address: address) { request in
                request.target.hasPrefix("/page/") || request.target == "/"
                    ? .html((0..<20).map { "<a href=\"/page/\($0)\">\($0)</a>" }.joined())
                    : .html("", status: 404)
            }
        }
        let run = try await Mocra.crawl(
            origins.map { $0.url("/") }, ["--loops", "\(loops)", "--quiet"], delayMs: 100,
            concurrency: concurrency)
        expectEnded(run.process, ExitCode.done)
        #expect(run.pages.count == 63)
        for origin in origins {
            let requests = origin.requests.sorted { $0.arrivedAtNanoseconds < $1.arrivedAtNanoseconds }
            #expect(requests.count == 22)
            #expect(requests.allSatisfy { $0.arrivedAtNanoseconds > 0 })
            for (first, second) in zip(requests, requests.dropFirst()) {
                let intervalMs = Double(second.arrivedAtNanoseconds - first.arrivedAtNanoseconds) / 1e6
                #expect(
                    intervalMs >= 100 - Self.toleranceMs,
                    "\(origin.address) \(first.target) and \(second.target): \(intervalMs) ms apart")
            }
        }
        // Three hosts side by side: 22 requests each take 2.1 s. One after the other they would take 6.3.
        #expect(run.process.durationMs < 5_000)
    }

    @Test("The demo site's log has no interval below --delay")
    func delayInTheLog() async throws {
        let site = try await DemoSiteProcess(hosts: 3, pages: 45, seed: 3, scenario: "plain")
        let truth = try await site.truth()
        let run = try await Mocra.crawl(
            truth.startUrls, ["--loops", "2", "--quiet"], delayMs: 100, concurrency: 4)
        expectEnded(run.process, ExitCode.done)
        expectSame(run.pages, Set(truth.reachable), "pages")
        let log = try await site.log()
        #expect(log.count >= 45)
        expectKept(log) { _ in 100 }
    }

    @Test("The demo site's log has no interval below a robots.txt's Crawl-delay")
    func crawlDelayInTheLog() async throws {
        let site = try await DemoSiteProcess(hosts: 5, pages: 30, seed: 5, scenario: "mixed")
        let truth = try await site.truth()
        let slow = truth.crawlDelay
        #expect(!slow.isEmpty, "the site has a host with a Crawl-delay")
        // Other hosts are of no interest here: a crawl from the slow host's start stays on it.
        let starts = truth.startUrls.filter { start in slow.keys.contains { start.contains("//\($0):") } }
        let run = try await Mocra.crawl(starts, ["--quiet"], concurrency: 4)
        expectEnded(run.process, ExitCode.done)
        // The rule is known only after robots.txt, so the interval that follows it is not bound by it.
        let log = try await site.log().filter { !$0.isRobots }
        #expect(log.count { slow[$0.host] != nil } >= 3)
        expectKept(log) { (slow[$0] ?? 0) * 1_000 }
    }

    /// No interval between the requests to one host is shorter than tolerated.
    private func expectKept(_ log: [PublishedLog.Entry], delayMs: (String) -> Double) {
        for (host, entries) in Dictionary(grouping: log, by: \.host) {
            let sorted = entries.sorted { $0.tNs < $1.tNs }
            for (first, second) in zip(sorted, sorted.dropFirst()) {
                let intervalMs = Double(second.tNs - first.tNs) / 1e6
                let wantedMs = delayMs(host)
                #expect(
                    intervalMs >= wantedMs - Self.toleranceMs,
                    "\(first.url) and \(second.url): \(intervalMs) ms apart, want \(wantedMs)")
            }
        }
    }
}
