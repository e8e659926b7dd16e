// Modules in a running engine: nodes with typed input, modules that throw, large pages, events of a page.

import Foundation
import MocraFastPath
import TestSupport
import Testing

@testable import MocraEngine

private struct Failed: Error, CustomStringConvertible {
    var description: String { "no price on the page" }
}

/// Two nodes: a list whose pages lead to details by number.
private struct Catalogue: Module {
    static let name = "catalogue"
    static let version = 3
    var workflow: Workflow {
        Workflow {
            List()
            Detail()
        }
    }

    struct List: Node {
        static let key: NodeKey = "list"

        func generate(_ input: NoInput, _ context: GenerateContext) async throws -> [Request] {
            ["http://shop.test/list"]
        }

        func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
            var output = NodeOutput()
            for number in response.text().split(separator: " ") {
                output.next(Detail.self, Detail.Input(id: Int(number) ?? 0))
            }
            output.next(Detail.Input(id: 9))
            output.next("detail", Detail.Input(id: 10))
            output.next("detail", "a text")
            output.next("nowhere", NoInput())
            return output
        }
    }

    struct Detail: Node {
        struct Input: Codable, Sendable { let id: Int }
        static let key: NodeKey = "detail"

        func generate(_ input: Input, _ context: GenerateContext) async throws -> [Request] {
            var request = try Request("http://shop.test/item/\(input.id)")
            request.meta["id"] = String(input.id)
            return [request]
        }

        func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
            .items(["\(response.meta["id"] ?? "?") at depth \(response.depth) by \(context.node)"])
        }
    }
}

/// A module made of closures, for a test each.
private struct Probe: Module {
    static let name = "probe"
    var start: [Request]
    var page: @Sendable (borrowing Response) async throws -> NodeOutput
    var other: @Sendable (Int) throws -> NodeOutput = { _ in NodeOutput() }
    var workflow: Workflow { Workflow { ProbeNode(probe: self) } }
}

private struct ProbeNode: Node {
    static let key: NodeKey = "probe"
    let probe: Probe

    func generate(_ input: NoInput, _ context: GenerateContext) async throws -> [Request] { probe.start }

    func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
        try await probe.page(response)
    }

    func handleStatus(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
        try probe.other(response.status)
    }

    func handleFailure(
        _ failure: FetchFailure, of request: Request, _ context: ParseContext
    ) async throws -> NodeOutput {
        throw Failed()
    }
}

@Suite("Engine: modules", .timeLimit(.minutes(10)))
struct EngineModuleTests {
    private func run(
        _ module: some Module, _ site: FakeSite, lanes: Int = 1
    ) async throws -> (summary: RunSummary, lines: [String]) {
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(module)
        let sink = KeepingSink()
        try engine.add(sink)
        let summary = try await engine.run(downloader: FakeDownloader(site, lanes: lanes))
        return (summary, sink.lines)
    }

    private func request(_ url: String, maxRetries: Int? = 0) throws -> Request {
        var request = try Request(url)
        request.maxRetries = maxRetries
        return request
    }

    @Test(arguments: [1, 2]) func `a node starts another with typed input`(lanes: Int) async throws {
        let site = FakeSite(["http://shop.test/list": .text("7 8")])
        for id in 7...10 { site.set("http://shop.test/item/\(id)", .page()) }
        let (summary, lines) = try await run(Catalogue(), site, lanes: lanes)
        #expect(lines.sorted() == [10, 7, 8, 9].map { "\"\($0) at depth 1 by detail\"" })
        // The input of the wrong type and the node that is not there are errors of their own.
        #expect(summary.errors == [.generate: 2])
        let messages = summary.notices.map(\.message).joined(separator: "\n")
        #expect(messages.contains("takes an input of type Input, not String"))
        #expect(messages.contains("has no node \"nowhere\""))
        #expect(summary.ledger.isBalanced && summary.ledger.done == 5)
    }

    @Test func `a page whose module throws is dead, and the others go on`() async throws {
        let site = FakeSite(["http://a.test/": .page(), "http://a.test/bad": .page()])
        let module = Probe(start: [try request("http://a.test/"), try request("http://a.test/bad")]) {
            response in
            if response.url.path == "/bad" { throw Failed() }
            return .items(["fine"])
        }
        let (summary, lines) = try await run(module, site, lanes: 2)
        #expect(lines == ["\"fine\""])
        #expect(summary.ledger.dead == 1 && summary.ledger.done == 1 && summary.ledger.isBalanced)
        #expect(summary.errors == [.parse: 1])
        let notice = try #require(summary.notices.first)
        #expect(notice.url == "http://a.test/bad" && notice.message.contains("no price on the page"))
    }

    @Test func `hooks that throw bury their page too`() async throws {
        let site = FakeSite(["http://a.test/gone": .status(410), "http://a.test/reset": .failure(.protocol)])
        let module = Probe(
            start: [try request("http://a.test/gone"), try request("http://a.test/reset")],
            page: { _ in NodeOutput() }, other: { _ in throw Failed() })
        let (summary, _) = try await run(module, site)
        #expect(summary.ledger.dead == 2 && summary.errors[.parse] == 2)
    }

    @Test func `a module that does not throw twice gets its page again`() async throws {
        let site = FakeSite(["http://a.test/": .page()])
        let tries = Locked(0)
        let module = Probe(start: [try request("http://a.test/", maxRetries: nil)]) { _ in
            tries.set(tries.value + 1)
            if tries.value == 1 { throw Failed() }
            return .items(["second"])
        }
        let engine = try Engine(configuration: quickConfiguration { $0.crawler.requestMaxRetries = 1 })
        try engine.register(module)
        let sink = KeepingSink()
        try engine.add(sink)
        let begin = LoopInstant.now()
        let summary = try await engine.run(downloader: FakeDownloader(site))
        #expect(sink.lines == ["\"second\""] && summary.retries == 1 && summary.ledger.done == 1)
        #expect(begin.milliseconds(to: .now()) >= 5_000, "the table says five seconds")
        #expect(site.count("http://a.test/") == 2)
    }

    @Test func `a large page is parsed away from the loop, a small one on it`() async throws {
        let large = [UInt8](repeating: UInt8(ascii: " "), count: ParserPool.bodyBytesMin)
        let site = FakeSite([
            "http://a.test/large": FakeAnswer(
                body: Array("<title>Large</title><a href=/x>x</a>".utf8) + large),
            "http://a.test/small": .page(title: "Small"),
        ])
        let module = Probe(start: ["http://a.test/large", "http://a.test/small"]) { response in
            let thread = try readText("/proc/thread-self/comm").split(separator: "\n").first ?? ""
            return .items(["\(response.title ?? "") on \(thread) with \(response.links().count)"])
        }
        let (_, lines) = try await run(module, site)
        #expect(lines.sorted() == ["\"Large on mocra-parse-0 with 1\"", "\"Small on fake-lane-0 with 0\""])
    }

    @Test func `finish drops what follows, stop ends the run`() async throws {
        let site = FakeSite(["http://a.test/": .page(), "http://a.test/stop": .page()])
        let finishing = Probe(start: ["http://a.test/"]) { _ in
            var output = NodeOutput.requests(["http://a.test/stop"])
            output.emit("kept")
            output.finish()
            return output
        }
        let (finished, lines) = try await run(finishing, site)
        #expect(lines == ["\"kept\""] && finished.ledger.discovered == 1 && finished.outcome == .completed)

        let stopping = Probe(start: ["http://a.test/stop"]) { _ in
            var output = NodeOutput.stop
            output.follow("http://a.test/")
            return output
        }
        let (stopped, _) = try await run(stopping, site, lanes: 2)
        #expect(stopped.outcome == .stopped && stopped.ledger.queued == 1 && stopped.ledger.done == 1)
    }

    @Test(arguments: [nil, ["*"], ["a.test", "b.test"], ["b.test"]] as [[String]?])
    func `a spider's Codable items are written as they encode, of the hosts in its scope`(
        scope: [String]?
    ) async throws {
        struct Titles: Spider {
            static let name = "titles"
            let options: ModuleOptions
            struct Item: Codable, Sendable {
                let title: String
                let number: Double
            }
            var start: [Request] { ["http://a.test/"] }
            func parse(_ page: borrowing Response, into output: inout Output<Item>) throws {
                try output.emit(Item(title: page.title ?? "", number: 1.5))
                output.follow(page.links())
            }
        }
        let site = FakeSite([
            "http://a.test/": .page(["/b", "http://b.test/"], title: "A"),
            "http://a.test/b": .page(title: "B"),
            "http://b.test/": .page(title: "C"),
        ])
        let engine = try Engine(configuration: quickConfiguration())
        let hosts = try scope.map { CrawlScope(try $0.map { try HostPattern($0) }) }
        try engine.register(Titles(options: ModuleOptions(scope: hosts)))
        let sink = KeepingSink()
        try engine.add(sink)
        _ = try await engine.run(downloader: FakeDownloader(site, lanes: 2))
        // Without a scope it stays where it started.
        let titles =
            switch scope {
            case nil: ["A", "B"]
            case ["b.test"]?: []
            default: ["A", "B", "C"]
            }
        #expect(sink.lines.sorted() == titles.map { "{\"number\":1.5,\"title\":\"\($0)\"}" })
    }

    @Test func `two modules see the same page, each once`() async throws {
        let site = FakeSite(["http://a.test/": .page(["/"])])
        let engine = try Engine(configuration: quickConfiguration())
        try engine.register(Probe(start: ["http://a.test/"]) { _ in .items(["probe"]) })
        try engine.register(SiteModule(starts: [try WebURL("http://a.test/")]))
        let sink = KeepingSink()
        try engine.add(sink)
        _ = try await engine.run(downloader: FakeDownloader(site, lanes: 2))
        #expect(sink.lines.count == 2 && site.count("http://a.test/") == 2)
    }
}
