// What is known about a URL that ended without an answer.
// Must not know what a module does with it.

public import MocraFastPath

/// Why a URL ended without an answer that could be parsed, after its retries.
public struct FetchFailure: Error, Sendable, Equatable {
    public var kind: ErrorKind
    /// One line for a person: what went wrong, and what to do where that is known.
    public var message: String
    /// Whether the same request may succeed later.
    public var isRetryable: Bool

    public init(kind: ErrorKind, message: String, isRetryable: Bool) {
        self.kind = kind
        self.message = message
        self.isRetryable = isRetryable
    }

    public init(_ error: FetchError) {
        self.init(kind: ErrorKind(error.kind), message: error.message, isRetryable: error.isRetryable)
    }
}
