// A step of a workflow, as an author writes it: input to requests, responses to output.
// Must not know of the frontier, of sinks, or of the engine that runs it.

/// The input of a workflow's first node.
public struct NoInput: Codable, Sendable, Hashable {
    public init() {}
}

/// One step of a module: turns an input into requests, and each response into an output.
///
/// Isolation: the functions run on a loop of the engine, or on a parser thread for a large page. They must
/// not block; what waits, waits with `await`. Values of a node are shared by all threads, so a node is
/// `Sendable`.
///
/// Errors: what they throw costs the page one retry (kind `parse` or `generate`), then its place.
public protocol Node: Sendable {
    /// What `generate` needs. `NoInput` for the first node of a workflow.
    associatedtype Input: Codable & Sendable

    /// The node's name in its module. Stable: what is queued refers to it.
    static var key: NodeKey { get }

    /// The requests for an input.
    func generate(_ input: Input, _ context: GenerateContext) async throws -> [Request]

    /// Reads an answer with a status of 200 to 299.
    func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput

    /// Hears of every other final answer: a redirect (whose target the engine follows by itself), or a status
    /// that is left after the retries. Does nothing unless a node has its own.
    func handleStatus(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput

    /// Hears of a request that ended without an answer, after its retries. Does nothing unless a node has its
    /// own.
    func handleFailure(
        _ failure: FetchFailure, of request: Request, _ context: ParseContext
    ) async throws -> NodeOutput
}

extension Node {
    public func handleStatus(
        _ response: borrowing Response, _ context: ParseContext
    ) async throws -> NodeOutput {
        NodeOutput()
    }

    public func handleFailure(
        _ failure: FetchFailure, of request: Request, _ context: ParseContext
    ) async throws -> NodeOutput {
        NodeOutput()
    }
}
