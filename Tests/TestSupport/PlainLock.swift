// The lock of the tests: one that ThreadSanitizer understands, which Swift's Mutex on Linux is not.
import Foundation

/// A value behind a lock.
///
/// Guard of `@unchecked Sendable`: the value is reached through the lock alone.
public final class PlainLock<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    public init(_ value: Value) {
        self.value = value
    }

    public func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
