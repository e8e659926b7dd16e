// How a run ended.

/// What ended a run.
public enum RunOutcome: Sendable, Hashable {
    /// A limit on a run.
    public enum Limit: String, Sendable, Hashable {
        case maxPages = "max_pages"
        case maxTime = "max_time"
    }

    /// Every discovered URL was dealt with.
    case completed
    /// A limit was reached, so URLs were left or refused.
    case limited(Limit)
    /// `Engine.stop`, or a module that asked for it: what ran was finished, the rest is left.
    case stopped
    /// `Engine.cancel`, or the cancellation of the task that ran the engine: what ran was broken off.
    case cancelled
}

extension RunOutcome: CustomStringConvertible {
    /// One word or two, for the summary.
    public var description: String {
        switch self {
        case .completed: "completed"
        case .limited(let limit): "limited by \(limit.rawValue)"
        case .stopped: "stopped"
        case .cancelled: "cancelled"
        }
    }
}
