// What a node makes of a response: items, requests, inputs for other nodes, an end.
// Must not know where any of it goes. Items are written as JSON here, so that none travels in an existential
// box.

/// What came of one response.
///
/// Built by calls on a variable, or by one of the static functions where there is one thing to say:
/// `return .items(quotes)`.
public struct NodeOutput: Sendable {
    /// An input for a node, not yet matched with it.
    struct Dispatch: Sendable {
        /// Nil for the node that comes next in the workflow.
        var node: NodeKey?
        var input: any Codable & Sendable
    }

    private(set) var items = ItemBatch()
    private(set) var requests: [Request] = []
    private(set) var dispatches: [Dispatch] = []
    private(set) var isFinished = false
    private(set) var stopsRun = false

    /// Nothing.
    public init() {}

    // MARK: Building

    /// Adds an item that writes itself.
    public mutating func emit(_ item: some JSONRepresentable) {
        items.append(item)
    }

    /// Adds any encodable item, through Foundation's encoder.
    ///
    /// Errors: `JSONEncodingError` when it has no JSON form.
    @_disfavoredOverload
    public mutating func emit(_ item: some Encodable) throws(JSONEncodingError) {
        items.append(try EncodedJSON(item))
    }

    /// Adds a page to fetch, one step deeper. Its `node`, or this one if that is nil, gets the response.
    public mutating func follow(_ request: Request) {
        requests.append(request)
    }

    /// Adds pages to fetch, one step deeper.
    public mutating func follow(contentsOf more: some Sequence<Request>) {
        requests.append(contentsOf: more)
    }

    /// Starts the node of that type with `input`.
    public mutating func next<N: Node>(_ node: N.Type, _ input: N.Input) {
        dispatches.append(Dispatch(node: N.key, input: input))
    }

    /// Starts the node with that key. An input of another type than the node's is an error of kind
    /// `generate`.
    public mutating func next(_ node: NodeKey, _ input: some Codable & Sendable) {
        dispatches.append(Dispatch(node: node, input: input))
    }

    /// Starts the node that comes next in the workflow.
    public mutating func next(_ input: some Codable & Sendable) {
        dispatches.append(Dispatch(node: nil, input: input))
    }

    /// Ends this branch: the items count, requests and inputs of this output are dropped.
    public mutating func finish() { isFinished = true }

    /// Ends the run: the items count, what is being fetched is finished, and nothing else is started.
    public mutating func stop() { stopsRun = true }

    // MARK: One thing

    /// Items that write themselves.
    public static func items(_ items: some Sequence<some JSONRepresentable>) -> NodeOutput {
        var output = NodeOutput()
        for item in items { output.emit(item) }
        return output
    }

    /// Pages to fetch.
    public static func requests(_ requests: some Sequence<Request>) -> NodeOutput {
        var output = NodeOutput()
        output.follow(contentsOf: requests)
        return output
    }

    /// An input for the node of that type.
    public static func next<N: Node>(_ node: N.Type, _ input: N.Input) -> NodeOutput {
        var output = NodeOutput()
        output.next(node, input)
        return output
    }

    /// An input for the node with that key.
    public static func next(_ node: NodeKey, _ input: some Codable & Sendable) -> NodeOutput {
        var output = NodeOutput()
        output.next(node, input)
        return output
    }

    /// The end of this branch.
    public static var finish: NodeOutput {
        var output = NodeOutput()
        output.finish()
        return output
    }

    /// The end of the run.
    public static var stop: NodeOutput {
        var output = NodeOutput()
        output.stop()
        return output
    }
}
