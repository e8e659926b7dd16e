// One host of the frontier: what waits for it, and what may go next.
// Pure: must not know a clock or a socket. When it may go is HostPoliteness's, how many hosts there are the
// frontier's.

import MocraFastPath

/// The queue of one host: events in, at most one step out at a time.
struct HostMachine: Sendable {
    /// What the host does next.
    enum Step: Sendable, Equatable {
        /// Fetch a page. The host's place is taken.
        case fetch(RequestID)
        /// Fetch a robots.txt or a hop to one. The host's place is taken.
        case fetchRobots(RobotsTicket)
        /// Refuse a page.
        case skip(RequestID, SkipReason)
        /// End a page with the failure that its origin's robots.txt met.
        case fail(RequestID, FetchFailure)
    }

    let name: String
    var politeness: HostPoliteness
    private(set) var origins: [OriginQueue] = []
    private var delayed = MinHeap<DelayedRecord>()
    private var tickets: [(ticket: RobotsTicket, notBefore: LoopInstant)] = []
    private var pagesStarted = 0
    private let pagesMax: Int
    private let obeysRobots: Bool

    init(name: String, politeness: HostPoliteness, pagesMax: Int?, obeysRobots: Bool) {
        self.name = name
        self.politeness = politeness
        self.pagesMax = pagesMax ?? .max
        self.obeysRobots = obeysRobots
    }

    // MARK: Events

    /// The index of the URL's origin, made when it is new. Complexity: O(number of the host's origins).
    mutating func originIndex(of url: WebURL) -> Int {
        let origin = url.origin
        if let known = origins.firstIndex(where: { $0.origin == origin }) { return known }
        origins.append(OriginQueue(origin: origin, robots: .unknown))
        return origins.count - 1
    }

    mutating func enqueue(_ record: QueueRecord, origin: Int) {
        origins[origin].queue.insert(record)
    }

    mutating func enqueue(_ record: QueueRecord, origin: Int, notBefore: LoopInstant) {
        delayed.insert(DelayedRecord(notBefore: notBefore, record: record, origin: origin))
    }

    mutating func enqueue(_ ticket: RobotsTicket, notBefore: LoopInstant) {
        tickets.append((ticket, notBefore))
    }

    mutating func robotsKnown(_ outcome: RobotsOutcome, of home: WebURL, until: LoopInstant) {
        origins[originIndex(of: home)].robots = .known(outcome, until: until)
    }

    /// The next step at `now`; nil when there is none yet. Not to be called before `readyAt`.
    mutating func next<Payload>(at now: LoopInstant, _ table: RequestTable<Payload>) -> Step? {
        while let first = delayed.first, first.notBefore <= now || !table.contains(first.record.id) {
            _ = delayed.removeFirst()
            origins[first.origin].queue.insert(first.record)
        }
        if politeness.allowsStart(at: now), let due = tickets.firstIndex(where: { $0.notBefore <= now }) {
            politeness.started(at: now)
            return .fetchRobots(tickets.remove(at: due).ticket)
        }
        guard let index = bestOrigin(table), let record = origins[index].queue.first else { return nil }
        let entry = table[record.id]
        if entry.starts == 0, pagesStarted >= pagesMax {
            _ = origins[index].queue.removeFirst()
            return .skip(record.id, .budget)
        }
        return decide(entry, record.id, origin: index, at: now)
    }

    /// What robots.txt makes of the first URL of an origin.
    private mutating func decide<Payload>(
        _ entry: RequestEntry<Payload>, _ id: RequestID, origin index: Int, at now: LoopInstant
    ) -> Step? {
        guard obeysRobots else { return start(entry, id, origin: index, at: now) }
        switch origins[index].robots {
        case .known(let outcome, let until) where now < until:
            switch outcome {
            case .allowAll:
                return start(entry, id, origin: index, at: now)
            case .rules(let rules):
                if rules.allows(entry.url.requestTarget) {
                    return start(entry, id, origin: index, at: now)
                }
                _ = origins[index].queue.removeFirst()
                return .skip(id, .robots)
            case .disallowAll:
                _ = origins[index].queue.removeFirst()
                return .skip(id, .robots)
            case .failed(let failure):
                _ = origins[index].queue.removeFirst()
                return .fail(id, failure)
            }
        case .unknown, .known:
            // What has expired counts as unknown from now on, for `readyAt` too.
            origins[index].robots = .unknown
            guard politeness.allowsStart(at: now) else { return nil }
            origins[index].robots = .fetching
            politeness.started(at: now)
            return .fetchRobots(RobotsTicket(origin: origins[index].origin))
        case .fetching:
            preconditionFailure("an origin that waits for robots.txt was chosen")
        }
    }

    private mutating func start<Payload>(
        _ entry: RequestEntry<Payload>, _ id: RequestID, origin: Int, at now: LoopInstant
    ) -> Step? {
        guard politeness.allowsStart(at: now) else { return nil }
        _ = origins[origin].queue.removeFirst()
        politeness.started(at: now)
        if entry.starts == 0 { pagesStarted += 1 }
        return .fetch(id)
    }

    // MARK: Queries

    /// The earliest moment at which `next` may have a step; nil when only an event can bring one.
    ///
    /// Mutating since records of settled requests are dropped on the way.
    mutating func readyAt<Payload>(_ table: RequestTable<Payload>) -> LoopInstant? {
        let best = bestOrigin(table)
        if let best, endsWithoutFetch(best) { return LoopInstant(nanoseconds: 0) }
        guard !politeness.isFull else { return nil }
        var workAt: LoopInstant?
        if best != nil {
            workAt = LoopInstant(nanoseconds: 0)
        } else {
            while let first = delayed.first, !table.contains(first.record.id) { _ = delayed.removeFirst() }
            workAt = delayed.first?.notBefore
            for ticket in tickets { workAt = min(workAt ?? ticket.notBefore, ticket.notBefore) }
        }
        return workAt.map { max($0, politeness.nextStart) }
    }

    /// Whether an origin's URLs end without a fetch, so that they need not wait for the host's turn.
    private func endsWithoutFetch(_ origin: Int) -> Bool {
        guard obeysRobots, case .known(let outcome, _) = origins[origin].robots else { return false }
        switch outcome {
        case .failed, .disallowAll: return true
        case .allowAll, .rules: return false
        }
    }

    /// The origin whose first URL goes before those of the others, among origins that do not wait for
    /// robots.txt.
    private mutating func bestOrigin<Payload>(_ table: RequestTable<Payload>) -> Int? {
        var best: (index: Int, record: QueueRecord)?
        for index in origins.indices {
            if obeysRobots, case .fetching = origins[index].robots { continue }
            while let first = origins[index].queue.first, !table.contains(first.id) {
                _ = origins[index].queue.removeFirst()
            }
            guard let first = origins[index].queue.first else { continue }
            if let known = best, known.record < first { continue }
            best = (index, first)
        }
        return best?.index
    }
}
