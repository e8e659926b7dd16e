// Something about a run that a person should hear of by name, not only in a count.

/// What happened to a URL that a person named, to a module, or how the run fetches.
public struct RunNotice: Sendable, Equatable {
    /// The most that a run keeps.
    static let countMax = 20

    public var url: String
    /// An `ErrorKind`, a `SkipReason`, `status`, or `driver`.
    public var kind: String
    /// One line: what went wrong, and what to do where that is known.
    public var message: String

    public init(url: String, kind: String, message: String) {
        self.url = url
        self.kind = kind
        self.message = message
    }
}
