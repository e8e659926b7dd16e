// The account of every URL that a run discovered.
// Must not know how a URL moves from one column to the next: that is FrontierMachine's.

/// Where every discovered URL of a run is: in exactly one of five places.
///
/// A URL is discovered once, by its canonical form; finding it again is a duplicate and is counted apart.
public struct LedgerCounts: Sendable, Equatable {
    /// URLs that were found for the first time.
    public var discovered = 0
    /// Fetched, answered or failed for good: nothing more is to be done.
    public var done = 0
    /// Waiting in the frontier.
    public var queued = 0
    /// Being fetched or parsed.
    public var leased = 0
    /// Refused with a `SkipReason`.
    public var filtered = 0
    /// Given up because a module could not deal with the page.
    public var dead = 0
    /// Times that a URL was found again. No part of the balance.
    public var duplicates = 0

    /// An empty ledger.
    public init() {}

    /// Whether discovered = done + queued + leased + filtered + dead. Anything else is a bug.
    public var isBalanced: Bool {
        discovered == done + queued + leased + filtered + dead
    }

    /// The sum of two ledgers, which balances when both do.
    public static func + (left: LedgerCounts, right: LedgerCounts) -> LedgerCounts {
        var sum = left
        sum.discovered += right.discovered
        sum.done += right.done
        sum.queued += right.queued
        sum.leased += right.leased
        sum.filtered += right.filtered
        sum.dead += right.dead
        sum.duplicates += right.duplicates
        return sum
    }
}

extension LedgerCounts: CustomStringConvertible {
    /// One line, columns in the order of the balance.
    public var description: String {
        "discovered \(discovered) = done \(done) + queued \(queued) + leased \(leased)"
            + " + filtered \(filtered) + dead \(dead)"
    }
}
