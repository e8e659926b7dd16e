// The short way to a module: one node, started from a list of requests.
// Must not know of workflows beyond the one node that it becomes.

public import MocraFastPath

/// A crawler of one step: where to start, and what to make of a page.
///
/// ```swift
/// struct Titles: Spider {
///     static let name = "titles"
///     struct Item: Codable, Sendable { let title: String }
///     var start: [Request] { ["https://example.org/"] }
///     func parse(_ page: borrowing Response, into output: inout Output<Item>) throws {
///         if let title = page.title { try output.emit(Item(title: title)) }
///         output.follow(page.links())
///     }
/// }
/// ```
public protocol Spider: Sendable {
    associatedtype Item: Sendable

    /// 1 to 63 of `a-z`, `0-9`, `_` and `-`.
    static var name: String { get }
    static var version: Int { get }
    /// Unless its `scope` says otherwise, pages are fetched from the hosts of `start` only.
    var options: ModuleOptions { get }
    /// Header fields for every request, beside those of the request itself.
    var headers: [HTTPField] { get }
    var start: [Request] { get }

    /// Reads an answer with a status of 200 to 299.
    func parse(_ page: borrowing Response, into output: inout Output<Item>) throws
}

extension Spider {
    public static var version: Int { 1 }
    public var options: ModuleOptions { ModuleOptions() }
    public var headers: [HTTPField] { [] }
}

/// What a spider makes of a page: items of one type, and pages to fetch.
public struct Output<Item: Sendable>: Sendable {
    var output = NodeOutput()

    init() {}

    /// Adds a page to fetch, one step deeper.
    public mutating func follow(_ request: Request) { output.follow(request) }

    /// Adds pages to fetch, one step deeper.
    public mutating func follow(_ links: [PageLink]) {
        for link in links { output.follow(Request(link.url)) }
    }

    /// Ends this branch: the items count, the requests of this output are dropped.
    public mutating func finish() { output.finish() }

    /// Ends the run: the items count, what is being fetched is finished, and nothing else is started.
    public mutating func stop() { output.stop() }
}

extension Output where Item: JSONRepresentable {
    /// Adds an item.
    public mutating func emit(_ item: Item) { output.emit(item) }
}

extension Output where Item: Encodable {
    /// Adds an item, through Foundation's encoder.
    ///
    /// Errors: `JSONEncodingError` when it has no JSON form.
    @_disfavoredOverload
    public mutating func emit(_ item: Item) throws(JSONEncodingError) { try output.emit(item) }
}

/// A spider as a module.
struct SpiderModule<S: Spider>: Module {
    let spider: S

    static var name: String { S.name }
    static var version: Int { S.version }
    var options: ModuleOptions {
        var options = spider.options
        // Pages link to the whole web; a spider goes there only if it says so.
        options.scope = options.scope ?? CrawlScope(spider.start.map { HostPattern(hostOf: $0.url) })
        return options
    }
    var headers: [HTTPField] { spider.headers }
    var workflow: Workflow { Workflow { SpiderNode(spider: spider) } }
}

struct SpiderNode<S: Spider>: Node {
    let spider: S

    static var key: NodeKey { "page" }

    func generate(_ input: NoInput, _ context: GenerateContext) async throws -> [Request] {
        spider.start
    }

    func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
        var output = Output<S.Item>()
        try spider.parse(response, into: &output)
        return output.output
    }
}
