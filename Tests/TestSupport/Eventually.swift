// Waiting for conditions, and blocking work kept off the cooperative thread pool.
// It must not know what is waited for.
import Foundation
import Glibc

/// What went wrong in a helper of the tests, in words that name the cause and the way out.
public struct TestSupportError: Error, Sendable, CustomStringConvertible {
    /// One or more lines for a person.
    public var description: String

    /// Wraps a message.
    public init(_ description: String) {
        self.description = description
    }
}

/// Nanoseconds on CLOCK_MONOTONIC.
public func monotonicNanoseconds() -> UInt64 {
    DispatchTime.now().uptimeNanoseconds
}

/// Blocks the calling thread until `condition` holds or the deadline passes; says whether it held.
///
/// Isolation: blocks, so an asynchronous test uses ``eventually(withinMs:_:)``.
public func waitUntil(withinMs deadlineMs: Int = 10_000, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = monotonicNanoseconds() + UInt64(deadlineMs) * 1_000_000
    while true {
        if try condition() { return true }
        if monotonicNanoseconds() >= end { return false }
        // No descriptor: poll is only the interval between two looks at the condition.
        _ = poll(nil, 0, 2)
    }
}

/// Suspends until `condition` holds or the deadline passes; says whether it held. The deadline is long, since
/// under a sanitizer the tasks that make the condition true may wait for a thread.
public func eventually(
    withinMs deadlineMs: Int = 60_000, _ condition: @Sendable () async throws -> Bool
) async throws -> Bool {
    let end = monotonicNanoseconds() + UInt64(deadlineMs) * 1_000_000
    while true {
        if try await condition() { return true }
        if monotonicNanoseconds() >= end { return false }
        // tidy: allow sleep because this is the interval between two looks at the condition.
        try await Task.sleep(nanoseconds: 2_000_000)
    }
}

/// Runs work that blocks on a thread of its own, so that it holds no thread of the cooperative pool.
///
/// Two cores mean two pool threads: two tests that block there would stop every other test of the process.
public func onThread<Value: Sendable>(
    _ work: @escaping @Sendable () throws -> Value
) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try work() })
        }
    }
}

/// What `read` gives once that has `count` elements, or at the deadline whatever there is. A server writes
/// the line of a request when its answer is on its way already.
public func settled<Entry: Sendable>(
    _ count: Int, _ read: @escaping @Sendable () throws -> [Entry]
) async throws -> [Entry] {
    try await onThread {
        var entries: [Entry] = []
        _ = try waitUntil {
            entries = try read()
            return entries.count >= count
        }
        return entries
    }
}
