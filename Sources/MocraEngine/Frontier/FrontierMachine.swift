// The frontier of one lane: seen-set, ledger and the hosts in the order of their time.
// Pure: must not know a clock, a socket or a task. Time is an argument, what is to be done is the answer.

import MocraFastPath

/// What a frontier holds itself to.
struct FrontierLimits: Sendable, Equatable {
    var maxDepth: Int?
    var maxPagesPerHost: Int?
    var maxURLLength = 2_048
    var delayMs = 1_000
    var perHostConcurrency = 1
    var crawlDelayMaxMs = 60_000
    var obeysRobots = true
    var robotsTtlMs = 86_400_000

    /// How long it is believed that a robots.txt cannot be had, if that is less than `robotsTtlMs`.
    static let robotsFailureTtlMs = 600_000
}

/// A URL that was found, on its way into a frontier.
struct FrontierCandidate<Payload: Sendable>: Sendable {
    /// The URL in canonical form, without a fragment.
    var url: WebURL
    /// What it is known by in the seen-set; nil to fetch it even if it was seen.
    var identity: URLFingerprint?
    var depth: Int
    var priority: Int
    var scope: CrawlScope
    var payload: Payload
}

/// What became of a candidate.
enum FrontierAdmission: Sendable, Equatable {
    case queued
    /// Known already, or in a queue with a smaller depth from now on.
    case duplicate
    case filtered(SkipReason)
}

/// What is to be done next.
enum FrontierAction: Sendable, Equatable {
    /// Fetch this request, which is leased and takes one of its host's places.
    case fetch(RequestID)
    /// Fetch this robots.txt, which takes one of its host's places.
    case fetchRobots(RobotsTicket)
    /// Refuse this request, which is leased, for this reason.
    case skip(RequestID, SkipReason)
    /// End this request, which is leased, with this failure.
    case fail(RequestID, FetchFailure)
    /// Nothing before this moment, unless an event comes first.
    case wait(until: LoopInstant)
    /// Nothing until an event comes.
    case idle
}

/// Whose fault made a retry necessary; each is counted apart.
enum RetryCause: Sendable, Equatable {
    case target
    case machine
    case module
}

/// Hosts, queues and the ledger. `Payload` travels along unread.
struct FrontierMachine<Payload: Sendable>: Sendable {
    /// In the seen-set: where a URL is. Everything below is the slot of a queued or leased request.
    private enum Seen {
        static var settled: UInt32 { .max }
        /// Refused for its depth: to be taken after all when a shorter way to it is found.
        static var tooDeep: UInt32 { .max - 1 }
    }

    let limits: FrontierLimits
    private(set) var ledger = LedgerCounts()
    /// How many URLs were refused, by reason. The sum is the ledger's `filtered`.
    private(set) var skips: [SkipReason: Int] = [:]
    private(set) var hosts: [HostMachine] = []
    private var hostIndices: [Substring: Int] = [:]
    private var table = RequestTable<Payload>()
    private var ready = ReadyHosts()
    private var seen: [URLFingerprint: UInt32] = [:]
    private var sequence: UInt64 = 0
    /// Set when the page budget of the run is used up.
    private var closedFor: SkipReason?

    init(_ limits: FrontierLimits) {
        self.limits = limits
    }

    // MARK: Finding URLs

    /// A URL was found. Complexity: O(1) for a known one, O(log n) for a new one.
    mutating func discover(_ candidate: FrontierCandidate<Payload>) -> FrontierAdmission {
        if let identity = candidate.identity, let place = seen[identity] {
            return discoverAgain(candidate, place)
        }
        ledger.discovered += 1
        return admit(candidate)
    }

    private mutating func discoverAgain(
        _ candidate: FrontierCandidate<Payload>, _ place: UInt32
    ) -> FrontierAdmission {
        if place == Seen.tooDeep, candidate.depth <= limits.maxDepth ?? .max {
            ledger.filtered -= 1
            skips[.depth, default: 0] -= 1
            return admit(candidate)
        }
        ledger.duplicates += 1
        if place < Seen.tooDeep {
            let id = table.id(at: place)
            let entry = table[id]
            if !entry.isLeased, entry.starts == 0, candidate.depth < entry.depth {
                // A shorter way: depth limits and the order of the queue are to follow the shortest known
                // one.
                _ = table.remove(id)
                ledger.queued -= 1
                enqueue(candidate)
            }
        }
        return .duplicate
    }

    /// Refuses or queues a URL that is counted as discovered.
    private mutating func admit(_ candidate: FrontierCandidate<Payload>) -> FrontierAdmission {
        if let reason = refusal(of: candidate) {
            if let identity = candidate.identity {
                seen[identity] = reason == .depth ? Seen.tooDeep : Seen.settled
            }
            countSkip(reason)
            return .filtered(reason)
        }
        enqueue(candidate)
        return .queued
    }

    private func refusal(of candidate: FrontierCandidate<Payload>) -> SkipReason? {
        if candidate.url.href.utf8.count > limits.maxURLLength { return .trap }
        if !candidate.scope.allows(candidate.url.host) { return .scope }
        if let maxDepth = limits.maxDepth, candidate.depth > maxDepth { return .depth }
        return closedFor
    }

    private mutating func enqueue(_ candidate: FrontierCandidate<Payload>) {
        let host = hostIndex(of: candidate.url)
        let origin = hosts[host].originIndex(of: candidate.url)
        let id = table.insert(
            RequestEntry(
                url: candidate.url, identity: candidate.identity, depth: candidate.depth,
                priority: candidate.priority, host: host, origin: origin, payload: candidate.payload))
        if let identity = candidate.identity { seen[identity] = id.slot }
        ledger.queued += 1
        hosts[host].enqueue(record(id), origin: origin)
        reschedule(host)
    }

    // MARK: What next

    /// The next thing to do at `now`. Called again until it says to wait.
    mutating func next(at now: LoopInstant) -> FrontierAction {
        while let (host, at) = ready.first {
            guard at <= now else { return .wait(until: at) }
            let step = hosts[host].next(at: now, table)
            reschedule(host)
            ready.yield(host)
            switch step {
            case .fetch(let id):
                table[id].starts += 1
                table[id].startedAt = now
                lease(id)
                return .fetch(id)
            case .fetchRobots(let ticket):
                return .fetchRobots(ticket)
            case .skip(let id, let reason):
                lease(id)
                return .skip(id, reason)
            case .fail(let id, let failure):
                lease(id)
                return .fail(id, failure)
            case nil:
                continue
            }
        }
        return .idle
    }

    /// When `next` has something to do; nil when only an event can bring it. Complexity: O(1).
    var readyAt: LoopInstant? { ready.first?.at }

    // MARK: A leased request

    /// The request of the running fetch left at `now`: over the first connection, or again over another.
    mutating func requestLeft(_ id: RequestID, at now: LoopInstant) {
        guard table.contains(id), table[id].startedAt != nil else { return }
        let host = table[id].host
        hosts[host].politeness.left(at: now, isFirst: !table[id].hasLeft)
        table[id].hasLeft = true
        reschedule(host)
    }

    /// Whether the requests of a request's host keep a distance, so that `requestLeft` is worth telling.
    func isPaced(_ id: RequestID) -> Bool { hosts[table[id].host].politeness.isPaced }

    /// The fetch of `id` is over, so its host's place is free. Its request left at `sentAt` or before; nil
    /// when none left after the start.
    mutating func fetchEnded(_ id: RequestID, sentAt: LoopInstant?) {
        precondition(table[id].startedAt != nil, "no fetch runs for this request")
        table[id].startedAt = nil
        let host = table[id].host
        hosts[host].politeness.ended(sentAt: sentAt, hadLeft: table[id].hasLeft)
        table[id].hasLeft = false
        reschedule(host)
    }

    /// Everything about a leased request is done.
    mutating func finish(_ id: RequestID) {
        _ = settleLeased(id)
        ledger.done += 1
    }

    /// A leased request was given up for a module's fault.
    mutating func bury(_ id: RequestID) {
        _ = settleLeased(id)
        ledger.dead += 1
    }

    /// A leased request turned out to be one that may not be fetched.
    mutating func refuse(_ id: RequestID, _ reason: SkipReason) {
        _ = settleLeased(id)
        countSkip(reason)
    }

    /// A leased request waits for another try.
    mutating func retry(_ id: RequestID, notBefore: LoopInstant, after cause: RetryCause = .target) {
        switch cause {
        case .target: table[id].retries += 1
        case .machine: table[id].localRetries += 1
        case .module: table[id].moduleRetries += 1
        }
        unlease(id)
        let entry = table[id]
        hosts[entry.host].enqueue(record(id), origin: entry.origin, notBefore: notBefore)
        reschedule(entry.host)
    }

    /// A leased request goes back to its queue as if it had not been leased.
    mutating func putBack(_ id: RequestID) {
        unlease(id)
        let entry = table[id]
        hosts[entry.host].enqueue(record(id), origin: entry.origin)
        reschedule(entry.host)
    }

    // MARK: Hosts

    /// Nothing of the URL's host starts before `instant` (Retry-After).
    mutating func block(hostOf url: WebURL, until instant: LoopInstant) {
        let host = hostIndex(of: url)
        hosts[host].politeness.block(until: instant)
        reschedule(host)
    }

    /// A robots.txt is to be fetched, or fetched again, from the host of `ticket.url`.
    mutating func enqueue(_ ticket: RobotsTicket, notBefore: LoopInstant) {
        let host = hostIndex(of: ticket.url)
        hosts[host].enqueue(ticket, notBefore: notBefore)
        reschedule(host)
    }

    /// The fetch of a robots.txt is over, so its host's place is free; `sentAt` as for a page.
    mutating func robotsFetchEnded(_ ticket: RobotsTicket, sentAt: LoopInstant?) {
        let host = hostIndex(of: ticket.url)
        hosts[host].politeness.ended(sentAt: sentAt, hadLeft: false)
        reschedule(host)
    }

    /// It is known what the robots.txt at `home` lets through.
    mutating func robotsKnown(_ outcome: RobotsOutcome, of home: WebURL, at now: LoopInstant) {
        let host = hostIndex(of: home)
        var ttlMs = limits.robotsTtlMs
        switch outcome {
        case .rules(let rules):
            if let delay = rules.crawlDelay {
                hosts[host].politeness.crawlDelay(
                    ms: min(delay.millisecondsRoundedUp, limits.crawlDelayMaxMs))
            }
        case .allowAll: break
        case .disallowAll, .failed: ttlMs = min(ttlMs, FrontierLimits.robotsFailureTtlMs)
        }
        hosts[host].robotsKnown(outcome, of: home, until: now.advanced(byMs: ttlMs))
        reschedule(host)
    }

    // MARK: The end of a budget

    /// Refuses every request that was never started, now and from now on. Returns how many there were.
    ///
    /// Complexity: O(requests held).
    mutating func refuseUnstarted(_ reason: SkipReason) -> Int {
        closedFor = reason
        var refused = 0
        for id in table.ids where !table[id].isLeased && table[id].starts == 0 {
            _ = settle(id)
            ledger.queued -= 1
            countSkip(reason)
            refused += 1
        }
        for host in hosts.indices { reschedule(host) }
        return refused
    }

    // MARK: Queries

    /// A queued or leased request.
    func entry(_ id: RequestID) -> RequestEntry<Payload> { table[id] }

    /// Requests held, counted by looking: must be the ledger's `queued` + `leased`.
    var requestsHeld: Int { table.count }

    /// The index under which the URL's host is kept; made when it is new.
    mutating func hostIndex(of url: WebURL) -> Int {
        if let known = hostIndices[url.host] { return known }
        let name = String(url.host)
        hosts.append(
            HostMachine(
                name: name,
                politeness: HostPoliteness(delayMs: limits.delayMs, concurrency: limits.perHostConcurrency),
                pagesMax: limits.maxPagesPerHost, obeysRobots: limits.obeysRobots))
        hostIndices[name[...]] = hosts.count - 1
        return hosts.count - 1
    }

    // MARK: Helpers

    private mutating func reschedule(_ host: Int) {
        ready.set(host, at: hosts[host].readyAt(table))
    }

    private mutating func record(_ id: RequestID) -> QueueRecord {
        sequence += 1
        let entry = table[id]
        return QueueRecord(priority: entry.priority, depth: entry.depth, sequence: sequence, id: id)
    }

    private mutating func lease(_ id: RequestID) {
        table[id].isLeased = true
        ledger.queued -= 1
        ledger.leased += 1
    }

    private mutating func unlease(_ id: RequestID) {
        precondition(
            table[id].isLeased && table[id].startedAt == nil, "a request was put back while it is fetched")
        table[id].isLeased = false
        ledger.leased -= 1
        ledger.queued += 1
    }

    private mutating func settleLeased(_ id: RequestID) -> RequestEntry<Payload> {
        precondition(
            table[id].isLeased && table[id].startedAt == nil, "a request was settled while it is fetched")
        ledger.leased -= 1
        return settle(id)
    }

    /// Takes a request out, leaving its mark in the seen-set.
    private mutating func settle(_ id: RequestID) -> RequestEntry<Payload> {
        let entry = table.remove(id)
        if let identity = entry.identity { seen[identity] = Seen.settled }
        return entry
    }

    private mutating func countSkip(_ reason: SkipReason) {
        ledger.filtered += 1
        skips[reason, default: 0] += 1
    }
}
