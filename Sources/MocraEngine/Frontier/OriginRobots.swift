// What is known about an origin's robots.txt, and the errand that fetches it.
// Must not know robots.txt's grammar (RobotsRules has it) nor how a fetch is done.

import MocraFastPath

/// One fetch of a robots.txt, or of a hop on the way to it.
///
/// A redirect may lead to another host. The ticket then waits in that host's queue like a page, since its
/// delay holds for this fetch too; what came of it goes back to the origin of `home`.
struct RobotsTicket: Sendable, Equatable {
    /// `/robots.txt` of the origin that the rules are for.
    var home: WebURL
    /// What to fetch now.
    var url: WebURL
    var redirects = 0
    var retries = 0
    /// Retries for faults of this machine.
    var localRetries = 0

    init(origin: String) {
        do {
            home = try WebURL(origin + "/robots.txt")
        } catch {
            preconditionFailure("the origin of a URL is no URL: \(error)")
        }
        url = home
    }
}

/// What came of fetching a robots.txt.
enum RobotsOutcome: Sendable {
    case rules(RobotsRules)
    case allowAll
    case disallowAll
    /// No answer could be had, so the origin's URLs end with the same failure.
    case failed(FetchFailure)
}

/// What an origin's robots.txt lets through at some moment.
enum RobotsKnowledge: Sendable {
    case unknown
    case fetching
    case known(RobotsOutcome, until: LoopInstant)
}

/// One scheme, host and port: its robots.txt, and its URLs in the order in which they go.
struct OriginQueue: Sendable {
    /// `scheme://host:port`, the port only where it is not the scheme's own.
    let origin: String
    var robots: RobotsKnowledge
    var queue = MinHeap<QueueRecord>()
}

/// A URL's place in its origin's queue: by priority, then by depth (breadth first), then as discovered.
///
/// A record whose identifier is stale is passed over, so that nothing has to be looked for inside a heap.
struct QueueRecord: Sendable, Comparable {
    var priority: Int
    var depth: Int
    var sequence: UInt64
    var id: RequestID

    static func < (left: QueueRecord, right: QueueRecord) -> Bool {
        if left.priority != right.priority { return left.priority > right.priority }
        if left.depth != right.depth { return left.depth < right.depth }
        return left.sequence < right.sequence
    }
}

/// A URL that waits for its own moment, after a failure.
struct DelayedRecord: Sendable, Comparable {
    var notBefore: LoopInstant
    var record: QueueRecord
    var origin: Int

    static func < (left: DelayedRecord, right: DelayedRecord) -> Bool {
        left.notBefore != right.notBefore ? left.notBefore < right.notBefore : left.record < right.record
    }
}
