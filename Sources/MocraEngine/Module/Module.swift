// A crawler, as an author hands it to the engine: name, options, header fields, workflow.
// Must not know how it is run.

public import MocraFastPath

/// A named, versioned crawler with a workflow of nodes.
public protocol Module: Sendable {
    /// 1 to 63 of `a-z`, `0-9`, `_` and `-`; unique in an engine.
    static var name: String { get }
    static var version: Int { get }
    var options: ModuleOptions { get }
    /// Header fields for every request, beside those of the request itself, which win.
    ///
    /// Credentials and cookies among them (`Authorization`, `Cookie`) go only to the origins of the requests
    /// that the first node generates.
    var headers: [HTTPField] { get }
    var workflow: Workflow { get }
}

extension Module {
    public static var version: Int { 1 }
    public var options: ModuleOptions { ModuleOptions() }
    public var headers: [HTTPField] { [] }
}

/// What a module asks of the engine for all its requests.
public struct ModuleOptions: Sendable {
    /// The hosts that the module may visit. Nil: a spider stays on the hosts that it starts on, a module's
    /// nodes may go anywhere.
    public var scope: CrawlScope?
    /// The total timeout of a fetch; nil for the configuration's.
    public var timeout: Duration?
    /// Added to the priority of each request.
    public var priority: Int

    /// Everything has a default.
    public init(scope: CrawlScope? = nil, timeout: Duration? = nil, priority: Int = 0) {
        self.scope = scope
        self.timeout = timeout
        self.priority = priority
    }
}
