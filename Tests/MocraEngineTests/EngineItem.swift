// The site module's items as the engine's tests read them back, and a crawl in one call.

import Foundation
import MocraFastPath

@testable import MocraEngine

/// A line of the output.
struct CrawledItem: Decodable, Equatable {
    var url: String
    var redirectChain: [String]
    var status: Int?
    var depth: Int
    var parent: String?
    var contentType: String?
    var bytes: Int?
    var wireBytes: Int?
    var title: String?
    var links: Int?
    var location: String?
    var error: String?
    var message: String?
    var fetchMs: Int
    var fetchedAt: String
}

/// A finished crawl.
struct Crawled {
    var summary: RunSummary
    var items: [CrawledItem]

    var urls: [String] { items.map(\.url).sorted() }

    func item(_ url: String) -> CrawledItem? { items.first { $0.url == url } }
}

/// A configuration for tests: no delay unless a test wants one.
func quickConfiguration(_ change: (inout EngineConfiguration) -> Void = { _ in }) -> EngineConfiguration {
    var configuration = EngineConfiguration()
    configuration.politeness.delayMs = 0
    configuration.politeness.perHostConcurrency = 4
    configuration.crawler.requestMaxRetries = 0
    configuration.node.parserThreads = 1
    change(&configuration)
    return configuration
}

/// Crawls the site with the site module.
func crawl(
    _ site: FakeSite, from starts: [String], lanes: Int = 1, allow: [String] = [], headers: [HTTPField] = [],
    options: RunOptions = RunOptions(), _ change: (inout EngineConfiguration) -> Void = { _ in }
) async throws -> Crawled {
    let engine = try Engine(configuration: quickConfiguration(change))
    try engine.register(
        SiteModule(
            starts: try starts.map { try WebURL($0) }, allowedHosts: try allow.map { try HostPattern($0) },
            headers: headers))
    let sink = KeepingSink()
    try engine.add(sink)
    let summary = try await engine.run(options, downloader: FakeDownloader(site, lanes: lanes))
    precondition(sink.isClosed, "the run left a sink open")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let items = try sink.lines.map { try decoder.decode(CrawledItem.self, from: Data($0.utf8)) }
    return Crawled(summary: summary, items: items)
}
