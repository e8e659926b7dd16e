// When a host may be asked again: delay, concurrency, Crawl-delay and Retry-After as a pure value.
// Must not know what is asked, nor a clock.

import MocraFastPath

/// What one host is owed.
///
/// The delay lies between the moments at which two requests leave. A request leaves when its connection
/// stands and its thread gets to it, which may be long after its fetch began; so where there is a delay, no
/// other fetch begins before the driver has told that it left, or that the fetch is over.
struct HostPoliteness: Sendable, Equatable {
    /// The configured delay. Units: milliseconds.
    let delayMs: Int
    /// Fetches at a time.
    let concurrency: Int
    /// The delay that robots.txt asks for, already capped. Units: milliseconds.
    private(set) var crawlDelayMs = 0
    /// Fetches that run.
    private(set) var active = 0
    /// Of them, those whose request is not known to have left.
    private var unsent = 0
    private var lastStart: LoopInstant?
    private var blockedUntil = LoopInstant(nanoseconds: 0)

    init(delayMs: Int, concurrency: Int) {
        precondition(delayMs >= 0 && concurrency > 0)
        self.delayMs = delayMs
        self.concurrency = concurrency
    }

    /// Whether only an event can make room for another fetch.
    var isFull: Bool { active >= concurrency || (isPaced && unsent > 0) }

    /// Whether requests have to keep a distance.
    var isPaced: Bool { delayMs > 0 || crawlDelayMs > 0 }

    /// The earliest moment at which a fetch may start, if the host is not full.
    var nextStart: LoopInstant {
        guard let lastStart else { return blockedUntil }
        return max(lastStart.advanced(byMs: max(delayMs, crawlDelayMs)), blockedUntil)
    }

    func allowsStart(at now: LoopInstant) -> Bool { !isFull && now >= nextStart }

    mutating func started(at now: LoopInstant) {
        precondition(allowsStart(at: now), "a fetch before its time")
        active += 1
        unsent += 1
        lastStart = now
    }

    /// The request of a fetch left, for the first time or again over another connection.
    mutating func left(at now: LoopInstant, isFirst: Bool) {
        if isFirst { unsent -= 1 }
        precondition(unsent >= 0, "more requests left than fetches started")
        if let last = lastStart { lastStart = max(last, now) }
    }

    /// A fetch is over; its request left at `sentAt` or before, or at its start if that is nil. `hadLeft`:
    /// that was told already.
    mutating func ended(sentAt: LoopInstant?, hadLeft: Bool) {
        precondition(active > 0, "more fetches ended than started")
        active -= 1
        if !hadLeft { unsent -= 1 }
        if let sentAt, let last = lastStart { lastStart = max(last, sentAt) }
    }

    /// Nothing starts before `instant`. An earlier moment than the one already set changes nothing.
    mutating func block(until instant: LoopInstant) {
        blockedUntil = max(blockedUntil, instant)
    }

    /// The longest Crawl-delay that any of the host's robots.txt files asked for counts.
    mutating func crawlDelay(ms: Int) {
        crawlDelayMs = max(crawlDelayMs, ms)
    }
}
