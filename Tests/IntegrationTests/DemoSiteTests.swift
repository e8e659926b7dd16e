// The demo site's truth against what a crawl of it found, and against the site's own log.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("A crawl of the demo site", .sharesMachine)
struct DemoSiteTests {
    @Test("reaches exactly the truth and asks for nothing else", arguments: [1, 2, 4])
    func truthIsReached(loops: Int) async throws {
        let site = try await DemoSiteProcess(hosts: 5, pages: 120, seed: loops)
        let truth = try await site.truth()
        let run = try await Mocra.crawl(
            truth.startUrls, ["--loops", "\(loops)", "--quiet"], withinMs: 240_000)
        expectEnded(run.process, ExitCode.done)
        #expect(run.process.standardError == "")
        expectSame(run.pages, Set(truth.reachable), "pages")
        expectItems(run, truth)
        expectLog(try await site.log(), truth)
    }

    @Test("can be read from its log, which has when requests arrived, however late they were read")
    func logHasArrivals() async throws {
        let site = try await DemoSiteProcess(hosts: 1, pages: 5, scenario: "plain")
        let possible = try await site.hold(("/first", "/second"))
        let log = try await site.log()
        try #require(log.map(\.path).sorted() == ["/first", "/second"])
        let arrivals = Dictionary(uniqueKeysWithValues: log.map { ($0.path, $0.tNs) })
        let interval = Int64(arrivals["/second"] ?? 0) - Int64(arrivals["/first"] ?? 0)
        // The stamps are taken on another clock than the log's, and the two are read one after the other.
        let slack: Int64 = 1_000_000
        #expect(
            interval >= Int64(possible.lowerBound) - slack && interval <= Int64(possible.upperBound) + slack,
            "\(interval) ns in the log, \(possible) ns on the wire")
    }

    @Test("of answers that break HTTP reports each and reaches the rest")
    func hostileSite() async throws {
        let site = try await DemoSiteProcess(hosts: 3, pages: 60, scenario: "hostile")
        let truth = try await site.truth()
        #expect(!truth.broken.isEmpty)
        let run = try await Mocra.crawl(truth.startUrls, ["--quiet"], withinMs: 240_000)
        expectEnded(run.process, ExitCode.done)
        expectSame(run.pages, Set(truth.reachable), "pages")
        for broken in truth.broken {
            let item = run.item(broken.url)
            #expect(item?.error != nil, "\(broken.kind) at \(broken.url)")
            #expect(item?.message?.isEmpty == false, "\(broken.kind) at \(broken.url)")
        }
        expectLog(try await site.log(), truth)
    }

    @Test("with endless spaces of URLs ends at its page limit")
    func trapsEndByLimit() async throws {
        let site = try await DemoSiteProcess(hosts: 3, pages: 60, scenario: "traps")
        let truth = try await site.truth()
        #expect(!truth.traps.isEmpty)
        let run = try await Mocra.crawl(
            truth.startUrls, ["--quiet", "--max-pages", "400"], withinMs: 240_000)
        expectEnded(run.process, ExitCode.limited)
        expectLog(try await site.log(), truth)
    }

    @Test("is the same for the same seed")
    func sameSeedSamePages() async throws {
        let first = try await DemoSiteProcess(hosts: 2, pages: 30, seed: 7, scenario: "plain")
        let second = try await DemoSiteProcess(hosts: 2, pages: 30, seed: 7, scenario: "plain")
        var paths: [Set<String>] = []
        for site in [first, second] {
            let truth = try await site.truth()
            let run = try await Mocra.crawl(truth.startUrls, ["--quiet"])
            expectEnded(run.process, ExitCode.done)
            #expect(run.pages.count == 30)
            let titles = run.items.compactMap { item in
                URL(string: item.url).map { "\($0.host() ?? "") \($0.path()) \(item.title ?? "")" }
            }
            paths.append(Set(titles))
        }
        #expect(paths[0] == paths[1])
    }

    @Test("serves until a signal ends it", arguments: [SIGTERM, SIGINT])
    func siteEndsBySignal(signal: Int32) async throws {
        let site = try await DemoSiteProcess(hosts: 2, pages: 20, scenario: "plain")
        #expect(try await site.truth().reachable.count == 20)
        #expect(try await site.stop(signal) == .exited(ExitCode.done))
    }

    // MARK: - What is expected

    private func expectItems(_ run: CrawlRun, _ truth: PublishedTruth) {
        #expect(Set(run.items.map(\.url)).count == run.items.count, "one item a URL")
        let items = Dictionary(run.items.map { ($0.url, $0) }, uniquingKeysWith: { first, _ in first })
        for redirect in truth.redirects {
            let item = items[redirect.url]
            #expect(item?.status == redirect.status, "\(redirect.url)")
            #expect(item?.location == redirect.location, "\(redirect.url)")
        }
        for failure in truth.errors {
            #expect(items[failure.url]?.status == failure.status, "\(failure.url)")
        }
        for url in truth.nonHtml {
            #expect(items[url]?.status == 200, "\(url)")
            #expect(items[url]?.isPage == false, "\(url)")
        }
        for url in truth.disallowed + truth.beyondRedirectLimit + truth.sitemapOnly {
            #expect(items[url] == nil, "\(url)")
        }
        for item in run.items where item.isPage {
            let bytes = item.bytes ?? -1
            // One page is empty on purpose.
            #expect(item.title?.isEmpty == false || bytes == 0, "\(item.url)")
            #expect(bytes >= 0 && (item.wireBytes ?? 0) > 0, "\(item.url)")
            #expect(item.fetchMs.map { $0 >= 0 } == true && item.fetchedAt?.isEmpty == false, "\(item.url)")
            let isStart = truth.startUrls.contains(item.url)
            #expect((item.depth == 0) == isStart, "\(item.url)")
            #expect((item.parent == nil) == isStart, "\(item.url)")
        }
    }

    private func expectLog(_ log: [PublishedLog.Entry], _ truth: PublishedTruth) {
        let asked = Set(log.map(\.url))
        for url in truth.disallowed + truth.beyondRedirectLimit + truth.sitemapOnly {
            #expect(!asked.contains(url), "asked for \(url)")
        }
        for prefix in truth.forbidden {
            let found = asked.filter { $0.hasPrefix(prefix) }
            #expect(found.isEmpty, "asked for \(found), forbidden is \(prefix)")
        }
        #expect(log.allSatisfy { $0.userAgent.hasPrefix("mocra/") && $0.method == "GET" })
        let counts = Dictionary(log.map { ($0.url, 1) }, uniquingKeysWith: +)
        let mayRepeat = Set(truth.heals.map(\.url) + truth.errors.map(\.url) + truth.broken.map(\.url))
        for (url, count) in counts where !mayRepeat.contains(url) {
            // A robots.txt that fails is tried again like a page.
            let countMax = url.hasSuffix("/robots.txt") ? 4 : 1
            #expect(count <= countMax, "\(url) was asked for \(count) times")
        }
        for heal in truth.heals {
            #expect(counts[heal.url] == heal.after + 1, "\(heal.url)")
        }
        // Four tries, each sent twice when a connection that was used before turns out to be dead; five and
        // more for 429 and 503.
        for (url, count) in counts { #expect(count <= 8, "\(url)") }
    }
}

/// Compares sets and names what is missing and what is too much.
func expectSame(
    _ found: Set<String>, _ wanted: Set<String>, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(!wanted.isEmpty, "nothing to compare with", sourceLocation: sourceLocation)
    let missing = wanted.subtracting(found).sorted()
    let extra = found.subtracting(wanted).sorted()
    #expect(
        missing.isEmpty, "\(missing.count) of \(wanted.count) \(what) missing: \(missing.prefix(10))",
        sourceLocation: sourceLocation)
    #expect(
        extra.isEmpty, "\(extra.count) \(what) too much: \(extra.prefix(10))", sourceLocation: sourceLocation)
}
