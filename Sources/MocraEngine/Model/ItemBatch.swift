// Items on their way to the sinks, as lines of JSON.
// Must not know of files or queues.

/// Some items, each one line of JSON with its line feed.
public struct ItemBatch: Sendable {
    private var writer = JSONWriter()
    /// How many items there are.
    public private(set) var count = 0

    public init() {}

    /// The lines.
    public var lines: [UInt8] { writer.bytes }

    public var isEmpty: Bool { count == 0 }

    /// Complexity: O(size of the item's text), amortised.
    public mutating func append(_ item: some JSONRepresentable) {
        writer.value(item)
        writer.endLine()
        count += 1
    }
}
