// How often something may happen, by several keys at once: rules without a clock.
// Must not know what a key stands for.

/// Token buckets, one a key; what goes ahead takes a token of each of its keys, or of none.
///
/// A bucket is kept as one number, the time at which it will be full again: a key that has not been used for
/// long needs no memory.
///
/// Complexity: O(keys of a request) a call, O(all keys) once in as many new keys.
///
/// Source: the virtual scheduling form of the generic cell rate algorithm, ITU-T I.371, annex A.
public struct RateLimitMachine<Key: Hashable & Sendable>: Sendable {
    /// How often, and how many at once after a rest.
    public struct Limit: Sendable, Equatable {
        let intervalNs: UInt64
        /// How far ahead of its time a request may be.
        let toleranceNs: UInt64

        /// `perSecond` is above 0; `burst` is 1 or more, and 1 spaces requests evenly.
        public init(perSecond: Double, burst: Int = 1) {
            precondition(perSecond > 0 && burst > 0, "a limit lets something through")
            // Not more often than once a nanosecond, not more seldom than once in 31 years.
            let interval = min(max((1e9 / perSecond).rounded(), 1), 1e18)
            intervalNs = UInt64(interval)
            let (tolerance, overflow) = intervalNs.multipliedReportingOverflow(by: UInt64(burst - 1))
            toleranceNs = overflow ? .max : tolerance
        }
    }

    /// What becomes of a request.
    public enum Decision: Sendable, Equatable {
        case go
        /// Not before then; another may be first, so ask again.
        case wait(until: LoopInstant)
    }

    /// For keys without a limit of their own; nil: these are not limited.
    public var defaultLimit: Limit?
    private var limits: [Key: Limit] = [:]
    /// When the next request would be on time.
    private var due: [Key: UInt64] = [:]
    private var sweepAt = 64

    public init(defaultLimit: Limit? = nil) {
        self.defaultLimit = defaultLimit
    }

    /// Keys whose buckets are remembered.
    public var keysHeld: Int { due.count }

    /// A limit for one key; nil: the default one. What was taken stays taken.
    public mutating func setLimit(_ limit: Limit?, for key: Key) {
        limits[key] = limit
    }

    /// Takes a token of each key, if all have one. A key that is named twice counts once.
    public mutating func acquire(_ keys: some Collection<Key>, at now: LoopInstant) -> Decision {
        var earliest: UInt64 = 0
        for key in keys {
            guard let limit = limits[key] ?? defaultLimit, let next = due[key] else { continue }
            earliest = max(earliest, next > limit.toleranceNs ? next - limit.toleranceNs : 0)
        }
        guard now.nanoseconds >= earliest else { return .wait(until: LoopInstant(nanoseconds: earliest)) }
        var seen: Set<Key> = []
        for key in keys {
            guard let limit = limits[key] ?? defaultLimit else { continue }
            guard keys.count == 1 || seen.insert(key).inserted else { continue }
            let start = max(due[key] ?? 0, now.nanoseconds)
            let (next, overflow) = start.addingReportingOverflow(limit.intervalNs)
            due[key] = overflow ? .max : next
        }
        if due.count >= sweepAt { sweep(now) }
        return .go
    }

    /// Forgets full buckets. The next sweep comes when there are twice as many as are left.
    private mutating func sweep(_ now: LoopInstant) {
        due = due.filter { $0.value > now.nanoseconds }
        sweepAt = max(64, due.count * 2)
    }
}
