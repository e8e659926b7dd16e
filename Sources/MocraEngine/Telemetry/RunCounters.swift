// The numbers of a run, counted by each lane for itself and added up when someone asks.
// Must not know how they are shown.

/// How many answers there were, by the first digit of their status.
public struct StatusClasses: Sendable, Equatable {
    /// Index 0 is for statuses outside 100 to 599.
    private var counts: [6 of Int] = .init(repeating: 0)

    public init() {}

    /// The count of class 1 to 5, or 0 for anything else.
    public subscript(statusClass: Int) -> Int {
        get { counts[statusClass] }
        set { counts[statusClass] = newValue }
    }

    mutating func count(status: Int) {
        let statusClass = status / 100
        counts[(1...5).contains(statusClass) ? statusClass : 0] += 1
    }

    /// Name and count of each class that occurred: `2xx`, …, and `other`.
    public var named: [(name: String, count: Int)] {
        (1...5).map { ("\($0)xx", counts[$0]) }.filter { $0.1 > 0 }
            + (counts[0] > 0 ? [("other", counts[0])] : [])
    }

    public static func == (left: StatusClasses, right: StatusClasses) -> Bool {
        (0..<6).allSatisfy { left.counts[$0] == right.counts[$0] }
    }
}

/// How fast a host answered.
public struct HostTiming: Sendable, Equatable {
    public var host: String
    /// Answers.
    public var fetches: Int
    /// Units: milliseconds, from the start of a fetch to the end of its body.
    public var meanMs: Int
    public var maxMs: Int

    public init(host: String, fetches: Int, meanMs: Int, maxMs: Int) {
        self.host = host
        self.fetches = fetches
        self.meanMs = meanMs
        self.maxMs = maxMs
    }
}

/// The numbers that only grow.
public struct RunCounters: Sendable, Equatable {
    /// URLs that were answered: each once, whatever its status and however often it was tried.
    public var pages = 0
    /// Fetches begun, retries and robots.txt included.
    public var requests = 0
    public var retries = 0
    /// Items handed to the sinks.
    public var items = 0
    /// Decoded bytes of the pages.
    public var bytes = 0
    /// Bytes of the pages as received, heads included.
    public var wireBytes = 0
    public var statusClasses = StatusClasses()
    /// URLs that ended with a failure, by its kind.
    public var errors: [ErrorKind: Int] = [:]

    public init() {}

    static func + (left: RunCounters, right: RunCounters) -> RunCounters {
        var sum = left
        sum.pages += right.pages
        sum.requests += right.requests
        sum.retries += right.retries
        sum.items += right.items
        sum.bytes += right.bytes
        sum.wireBytes += right.wireBytes
        for index in 0..<6 { sum.statusClasses[index] += right.statusClasses[index] }
        sum.errors.merge(right.errors) { $0 + $1 }
        return sum
    }
}

/// A moment of a run: what a progress line shows.
public struct RunProgress: Sendable, Equatable {
    /// Since the run began. Units: milliseconds.
    public var elapsedMs = 0
    public var counters = RunCounters()
    public var ledger = LedgerCounts()
    /// URLs refused, by reason.
    public var skips: [SkipReason: Int] = [:]
    /// Fetches that run, those of robots.txt included.
    public var inFlight = 0
    /// Hosts that were seen within the scope.
    public var hosts = 0
    /// The slowest first, by their mean.
    public var slowestHosts: [HostTiming] = []
    public var notices: [RunNotice] = []
    /// Notices beyond those that are kept.
    public var noticesLeftOut = 0

    /// The most hosts that `slowestHosts` lists.
    static let slowestHostsMax = 5

    public init() {}

    /// Pages a second since the run began.
    public var pagesPerSecond: Double {
        elapsedMs > 0 ? Double(counters.pages) * 1_000 / Double(elapsedMs) : 0
    }

    /// Adds what another lane counted.
    mutating func add(_ other: RunProgress) {
        counters = counters + other.counters
        ledger = ledger + other.ledger
        skips.merge(other.skips) { $0 + $1 }
        inFlight += other.inFlight
        hosts += other.hosts
        slowestHosts = Self.slowest(slowestHosts + other.slowestHosts)
        let all = notices + other.notices
        notices = Array(all.prefix(RunNotice.countMax))
        noticesLeftOut += other.noticesLeftOut + all.count - notices.count
    }

    static func slowest(_ hosts: [HostTiming]) -> [HostTiming] {
        Array(hosts.sorted { ($0.meanMs, $1.host) > ($1.meanMs, $0.host) }.prefix(slowestHostsMax))
    }
}
