// The nodes of a module in their order, with their types erased.
// Must not know how a node is run; validation is in CompiledModule.

/// The steps of a module, one after the other.
///
/// ```swift
/// Workflow { List(); Detail() }
/// ```
/// The run starts with the first node. `NodeOutput.next(_:)` without a key leads to the one that follows.
public struct Workflow: Sendable {
    let nodes: [ErasedNode]

    public init(@WorkflowBuilder _ nodes: () -> [ErasedNode]) {
        self.nodes = nodes()
    }

    init(nodes: [ErasedNode]) {
        self.nodes = nodes
    }
}

/// Collects the nodes between the braces of a `Workflow`.
@resultBuilder
public enum WorkflowBuilder {
    public static func buildExpression(_ node: some Node) -> ErasedNode { ErasedNode(node) }
    public static func buildBlock(_ nodes: ErasedNode...) -> [ErasedNode] { nodes }
}

/// A node behind functions instead of a type.
///
/// One closure each, made when the workflow is; a page then costs a call and no box.
public struct ErasedNode: Sendable {
    let key: NodeKey
    let inputType: String
    let takesNoInput: Bool
    let generate: @Sendable (any Codable & Sendable, GenerateContext) async throws -> [Request]
    let parse: @Sendable (borrowing Response, ParseContext) async throws -> NodeOutput
    let handleStatus: @Sendable (borrowing Response, ParseContext) async throws -> NodeOutput
    let handleFailure: @Sendable (FetchFailure, Request, ParseContext) async throws -> NodeOutput

    init<N: Node>(_ node: N) {
        key = N.key
        inputType = String(describing: N.Input.self)
        takesNoInput = N.Input.self == NoInput.self
        generate = { input, context in
            guard let typed = input as? N.Input else {
                throw NodeInputError(
                    node: N.key, found: String(describing: type(of: input)),
                    accepted: String(describing: N.Input.self))
            }
            return try await node.generate(typed, context)
        }
        parse = { response, context in try await node.parse(response, context) }
        handleStatus = { response, context in try await node.handleStatus(response, context) }
        handleFailure = { failure, request, context in
            try await node.handleFailure(failure, of: request, context)
        }
    }
}

/// A node was given an input of another type than its own.
struct NodeInputError: Error, CustomStringConvertible {
    var node: NodeKey
    var found: String
    var accepted: String

    var description: String {
        "node \"\(node)\" takes an input of type \(accepted), not \(found):"
            + " pass that type to next(\"\(node)\", …)"
    }
}
