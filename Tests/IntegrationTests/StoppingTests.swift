// How a crawl ends before its work is done: by signals, by limits, and what is left behind then.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Stopping a crawl", .sharesMachine)
struct StoppingTests {
    /// A start page, a page that takes its time, and pages that wait behind a delay.
    private func slowOrigin() throws -> ScriptedOrigin {
        let start = "<title>start</title>" + (0..<50).map { "<a href=\"/page/\($0)\">\($0)</a>" }.joined()
        return try ScriptedOrigin { request in
            switch request.target {
            case "/": .html(start)
            case "/page/1": [.pause(ms: 1_500)] + .html("<title>slow</title>")
            case "/hang": [.hold]
            case let path where path.hasPrefix("/page/"): .html("<title>\(path)</title>")
            default: .html("", status: 404)
            }
        }
    }

    private func arguments(_ url: String, _ file: String, delayMs: Int) -> [String] {
        ["crawl", url, "--allow-private", "-o", file, "--delay", "\(delayMs)", "--concurrency", "4"]
    }

    @Test(
        "SIGINT or SIGTERM drains: what runs is finished, what waits is not begun",
        arguments: [SIGINT, SIGTERM])
    func signalDrains(signal: Int32) async throws {
        let origin = try slowOrigin()
        let directory = try TemporaryDirectory()
        let file = directory.file("items.jsonl")
        let process = try Mocra.start(arguments(origin.url("/"), file, delayMs: 100))
        #expect(try await eventually { origin.requests.contains { $0.target == "/page/1" } })
        process.kill(signal)
        #expect(try await process.ended(withinMs: 20_000) == .exited(ExitCode.interrupted))
        let text = try readText(file)
        #expect(text.hasSuffix("\n"))
        let items = try Mocra.items(text)
        #expect(items.contains { $0.url == origin.url("/page/1") && $0.status == 200 }, "it was under way")
        #expect(items.count < 40)
        let fetched = origin.requests.map(\.target).filter { $0 != "/robots.txt" }
        #expect(Set(items.map { String($0.url.dropFirst(origin.url("").count)) }) == Set(fetched))
        #expect(process.standardError.contains("pages"), "the summary: \(process.standardError)")
    }

    @Test("A second SIGINT stops at once")
    func secondSignalForces() async throws {
        let origin = try slowOrigin()
        let directory = try TemporaryDirectory()
        let file = directory.file("items.jsonl")
        let process = try Mocra.start(arguments(origin.url("/hang"), file, delayMs: 0))
        #expect(try await eventually { origin.requests.contains { $0.target == "/hang" } })
        let before = process.standardError
        process.kill(SIGINT)
        // Two signals that come together count as one: the second one waits for the answer to the first.
        #expect(try await eventually { process.standardError != before })
        #expect(process.isRunning)
        let start = monotonicNanoseconds()
        process.kill(SIGINT)
        #expect(try await process.ended(withinMs: 20_000) == .exited(ExitCode.forced))
        #expect(monotonicNanoseconds() - start < 3_000_000_000)
        if FileManager.default.fileExists(atPath: file) {
            let text = try readText(file)
            #expect(text.isEmpty || text.hasSuffix("\n"))
        }
    }

    @Test("--max-pages gives exactly that many pages, with any number of loops", arguments: [1, 2, 4])
    func pageLimit(loops: Int) async throws {
        let origin = try linkedPages(200)
        let run = try await Mocra.crawl(
            [origin.url("/")], ["--max-pages", "37", "--loops", "\(loops)", "--quiet"])
        expectEnded(run.process, ExitCode.limited)
        #expect(run.items.count == 37)
        #expect(run.pages.count == 37)
        #expect(origin.requests.count { $0.target != "/robots.txt" } == 37)
    }

    @Test("--max-pages that is never reached limits nothing")
    func pageLimitAboveAll() async throws {
        let origin = try linkedPages(10)
        let run = try await Mocra.crawl([origin.url("/")], ["--max-pages", "500", "--quiet"])
        expectEnded(run.process, ExitCode.done)
        #expect(run.pages.count == 11)
    }

    @Test("--max-time ends a crawl that would take longer")
    func timeLimit() async throws {
        let origin = try linkedPages(500)
        let run = try await Mocra.crawl([origin.url("/")], ["--max-time", "2s", "--quiet"], delayMs: 100)
        expectEnded(run.process, ExitCode.limited)
        #expect((1_900..<15_000).contains(run.process.durationMs))
        #expect((5..<100).contains(run.pages.count), "\(run.pages.count)")
    }

    @Test("--depth fetches nothing deeper", arguments: [0, 1, 3])
    func depthLimit(depth: Int) async throws {
        let origin = try ScriptedOrigin { request in
            guard let number = Int(request.target.dropFirst()) else { return .html("", status: 404) }
            // Each page also links back and to itself, which makes nothing deeper.
            return .html("<a href=\"/\(number + 1)\">on</a><a href=/0>back</a><a href=/\(number)>self</a>")
        }
        let run = try await Mocra.crawl([origin.url("/0")], ["--depth", "\(depth)", "--quiet"])
        expectEnded(run.process, ExitCode.done)
        #expect(run.pages == Set((0...depth).map { origin.url("/\($0)") }))
        for item in run.items {
            #expect(item.url == origin.url("/\(item.depth ?? -1)"))
        }
    }
}
