// A value behind a lock, for tests and the closures of their servers.

/// A value that several threads read and write.
public final class Locked<Value: Sendable>: Sendable {
    private let mutex: PlainLock<Value>

    /// Holds a first value.
    public init(_ value: Value) { mutex = PlainLock(value) }

    /// The value now.
    public var value: Value { mutex.withLock { $0 } }

    /// Changes the value in place.
    public func update(_ change: (inout Value) -> Void) {
        mutex.withLock { value in
            var copy = value
            change(&copy)
            value = copy
        }
    }

    /// Replaces the value.
    public func set(_ value: Value) { mutex.withLock { $0 = value } }
}
