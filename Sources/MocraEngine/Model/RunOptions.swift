// What one run is told beside the configuration.

/// Options of one run.
public struct RunOptions: Sendable, Equatable {
    /// The run is stopped after so long, as by `Engine.stop`; nil for no limit.
    /// Units: milliseconds.
    public var maxTimeMs: Int?
    /// Where chance (the jitter of retries) starts from; nil for a new one each run.
    public var seed: UInt64?

    public init(maxTimeMs: Int? = nil, seed: UInt64? = nil) {
        self.maxTimeMs = maxTimeMs
        self.seed = seed
    }
}
