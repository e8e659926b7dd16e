// The stable name of a node within its module.
// Must not know what a node does.

/// Names a node within its module. Stable across builds, since what is queued refers to it.
///
/// Shape: 1 to 63 of `a-z`, `0-9`, `_` and `-`; checked when the module is registered.
public struct NodeKey: Sendable, Hashable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
    public var name: String

    public init(_ name: String) { self.name = name }
    public init(stringLiteral value: String) { self.init(value) }

    public var description: String { name }
}
