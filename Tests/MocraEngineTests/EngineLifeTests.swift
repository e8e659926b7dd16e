// How runs begin and end: limits, stop, cancel, failing sinks, modules that throw.

import MocraFastPath
import Synchronization
import TestSupport
import Testing

@testable import MocraEngine

/// A site without end: every page links to the next two.
private struct Endless: Spider {
    static let name = "endless"
    var start: [Request] { ["http://a.test/1"] }
    var options: ModuleOptions { ModuleOptions(scope: .any) }
    let parsed: Locked<Int>

    func parse(_ page: borrowing Response, into output: inout Output<String>) throws {
        parsed.set(parsed.value + 1)
        output.emit(page.url.href)
        let number = page.url.path.dropFirst()
        for digit in ["0", "1"] { output.follow(try Request("http://a\(digit).test/\(number)\(digit)")) }
    }
}

/// A web in which every URL that the spider finds is a page, to more depth than a test waits for.
private final class EndlessDownloader: Downloader {
    let site = FakeSite()
    let inner: FakeDownloader

    init(lanes: Int) {
        var paths = ["1"]
        for _ in 0..<11 {
            for host in ["a", "a0", "a1"] {
                for path in paths { site.set("http://\(host).test/\(path)", .page()) }
            }
            paths = paths.flatMap { [$0 + "0", $0 + "1"] }
        }
        inner = FakeDownloader(site, lanes: lanes)
    }

    var lanes: [FakeLane] { inner.lanes }
    func shutdown() async { await inner.shutdown() }
}

@Suite("Engine: beginning and end", .timeLimit(.minutes(10)))
struct EngineLifeTests {
    private func endless(
        lanes: Int, options: RunOptions = RunOptions(),
        _ change: (inout EngineConfiguration) -> Void = { _ in },
        meanwhile: @Sendable @escaping (Engine, Locked<Int>) async throws -> Void = { _, _ in }
    ) async throws -> (summary: RunSummary, site: FakeSite) {
        let engine = try Engine(
            configuration: quickConfiguration { configuration in
                configuration.politeness.robots = .ignore
                change(&configuration)
            })
        let parsed = Locked(0)
        try engine.register(Endless(parsed: parsed))
        let downloader = EndlessDownloader(lanes: lanes)
        let other = Task { try await meanwhile(engine, parsed) }
        let summary = try await engine.run(options, downloader: downloader)
        try await other.value
        return (summary, downloader.site)
    }

    @Test(arguments: [1, 2, 4]) func `max_pages is met exactly`(lanes: Int) async throws {
        let (summary, site) = try await endless(lanes: lanes) { $0.frontier.maxPages = 57 }
        #expect(site.visits.count == 57)
        #expect(summary.pages == 57 && summary.outcome == .limited(.maxPages))
        #expect(summary.ledger.done == 57 && summary.ledger.queued == 0 && summary.ledger.isBalanced)
        #expect(summary.skips[.budget, default: 0] == summary.ledger.filtered)
    }

    @Test func `max_pages ends a crawl whose hosts all wait`() async throws {
        let begin = LoopInstant.now()
        let (summary, _) = try await endless(lanes: 2) {
            $0.frontier.maxPages = 3
            $0.politeness.delayMs = 3_600_000
        }
        #expect(summary.pages == 3 && summary.outcome == .limited(.maxPages))
        #expect(begin.milliseconds(to: .now()) < 60_000)
    }

    @Test func `a budget that suffices is no limit`() async throws {
        let site = FakeSite(["http://a.test/": .page(["/1"])])
        let crawled = try await crawl(site, from: ["http://a.test/"]) { $0.frontier.maxPages = 2 }
        #expect(crawled.summary.outcome == .completed && crawled.items.count == 2)
    }

    @Test(arguments: [1, 3]) func `stop drains`(lanes: Int) async throws {
        let (summary, site) = try await endless(
            lanes: lanes,
            meanwhile: { (engine, parsed) async throws in
                #expect(try await eventually { parsed.value > 20 })
                engine.stop()
                engine.stop()
            })
        #expect(summary.outcome == .stopped)
        #expect(summary.ledger.leased == 0 && summary.ledger.queued > 0 && summary.ledger.isBalanced)
        #expect(summary.pages == site.visits.count, "what was begun was not finished")
        #expect(summary.items == summary.pages)
    }

    @Test func `max_time stops`() async throws {
        let site = FakeSite(["http://a.test/": .page((0..<500).map { "/\($0)" })])
        let crawled = try await crawl(site, from: ["http://a.test/"], options: RunOptions(maxTimeMs: 150)) {
            $0.politeness.delayMs = 20
        }
        #expect(crawled.summary.outcome == .limited(.maxTime))
        #expect(crawled.summary.ledger.queued > 0 && crawled.summary.ledger.leased == 0)
    }

    @Test(arguments: [1, 2]) func `cancel breaks off what hangs`(lanes: Int) async throws {
        var hanging = FakeAnswer.page()
        hanging.hangs = true
        let site = FakeSite([
            "http://a.test/": .page(["/h1", "/h2"]), "http://a.test/h1": hanging, "http://a.test/h2": hanging,
            "http://b.test/robots.txt": hanging,
        ])
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/"), try WebURL("http://b.test/")]))
        let run = Task { try await engine.run(downloader: FakeDownloader(site, lanes: lanes)) }
        #expect(try await eventually { site.urls.count == 5 })
        #expect(try await eventually { await engine.progress().inFlight == 3 })
        engine.cancel()
        let summary = try await run.value
        #expect(summary.outcome == .cancelled)
        // The three that hung, and the page of the host whose robots.txt never came, are as if never begun.
        #expect(summary.ledger.queued == 3 && summary.ledger.leased == 0 && summary.ledger.done == 1)
        #expect(summary.ledger.isBalanced)
    }

    @Test func `cancelling the task cancels the run`() async throws {
        var hanging = FakeAnswer.page()
        hanging.hangs = true
        let site = FakeSite(["http://a.test/": hanging])
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/")]))
        let run = Task { try await engine.run(downloader: FakeDownloader(site)) }
        #expect(try await eventually { site.count("http://a.test/") == 1 })
        run.cancel()
        #expect(try await run.value.outcome == .cancelled)
    }

    @Test func `a stop before the run is kept`() async throws {
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/")]))
        engine.stop()
        let site = FakeSite()
        let summary = try await engine.run(downloader: FakeDownloader(site, lanes: 2))
        #expect(summary.outcome == .stopped && site.visits.isEmpty)
    }

    @Test func `an engine runs once, and not without a module`() async throws {
        let engine = try Engine(configuration: quickConfiguration())
        await #expect(throws: EngineError.noModules) {
            try await engine.run(downloader: FakeDownloader(FakeSite()))
        }
        try engine.register(SiteModule(starts: []))
        let summary = try await engine.run(downloader: FakeDownloader(FakeSite()))
        #expect(summary.outcome == .completed && summary.ledger == LedgerCounts())
        await #expect(throws: EngineError.alreadyRun) {
            try await engine.run(downloader: FakeDownloader(FakeSite()))
        }
        #expect(throws: EngineError.alreadyRun) { try engine.register(SiteModule(starts: [])) }
        #expect(throws: EngineError.alreadyRun) { try engine.add(KeepingSink()) }
    }

    // MARK: Sinks

    @Test(arguments: [1, 2]) func `a sink that fails ends the run with its error`(lanes: Int) async throws {
        let failure = SinkError.diskFull(path: "items.jsonl")
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/")]))
        try engine.add(KeepingSink(failure: failure))
        let site = FakeSite(["http://a.test/": .page(["/1", "/2"])])
        await #expect(throws: EngineError.sink(failure)) {
            try await engine.run(downloader: FakeDownloader(site, lanes: lanes))
        }
        let progress = await engine.progress()
        #expect(progress.ledger.done == 0 && progress.ledger.isBalanced)
    }

    @Test func `a full disk ends the run with an error that names the file`() async throws {
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/")]))
        try engine.add(JSONLinesSink(path: "/dev/full"))
        let site = FakeSite(["http://a.test/": .page(["/1", "/2"])])
        await #expect(throws: EngineError.sink(.diskFull(path: "/dev/full"))) {
            try await engine.run(downloader: FakeDownloader(site))
        }
    }

    @Test func `a file gets every item, though the queue holds two`() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("items.jsonl")
        let site = FakeSite(["http://a.test/": .page((0..<300).map { "/\($0)" })])
        let engine = try Engine(configuration: quickConfiguration { $0.politeness.perHostConcurrency = 64 })
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/")]))
        try engine.add(JSONLinesSink(path: path, capacity: 2))
        let summary = try await engine.run(downloader: FakeDownloader(site, lanes: 2))
        let lines = try readText(path).split(separator: "\n")
        #expect(lines.count == 301 && summary.items == 301)
        #expect(lines.allSatisfy { $0.hasPrefix("{\"url\":\"http://a.test/") && $0.hasSuffix("Z\"}") })
    }

    // MARK: Politeness, in real time

    @Test(arguments: [1, 2, 4]) func `the delay between two requests to a host is never undercut`(lanes: Int)
        async throws
    {
        let site = FakeSite()
        var starts: [String] = []
        for host in ["a", "b", "c"] {
            starts.append("http://\(host).test/")
            site.set("http://\(host).test/", .page((0..<6).map { "/\($0)" } + ["http://\(host).test:81/"]))
            site.set("http://\(host).test/3", .redirect(302, "/4"))
        }
        let crawled = try await crawl(site, from: starts, lanes: lanes) {
            $0.politeness.delayMs = 25
            $0.politeness.perHostConcurrency = 1
        }
        #expect(crawled.items.count == 24)
        for host in ["a.test", "b.test", "c.test"] {
            let times = site.visits.filter { $0.host == host }.map(\.at)
            #expect(times.count == 10, "eight pages and two robots.txt")
            for (earlier, later) in zip(times, times.dropFirst()) {
                #expect(later >= earlier.advanced(byMs: 25))
            }
        }
    }
}
