// What a demo site is started with, and the ranges that are accepted.
// Values only: nothing here opens a socket or a file.

/// Which web the demo site serves.
public enum Scenario: String, CaseIterable, Sendable, Codable {
    /// HTML pages with plain `a` links only; every page of every site is reachable, robots.txt allows all.
    /// The reachable set has exactly `pages` members.
    case plain
    /// Everything that a crawl must cope with and that ends: all kinds of links, decoys, redirects, errors
    /// that heal or stay, slow and dripping pages, codings and framings, robots rules, a calendar of thirty
    /// days.
    case mixed
    /// `mixed`, and endless spaces of URLs: a calendar, session ids in paths, repeating segments, pagination.
    /// A crawl of it ends only by a limit.
    case traps
    /// `plain`, and answers that break HTTP. A crawl reports each as a failure and reaches all other pages.
    case hostile
}

/// Times of the demo site.
///
/// Units: in the names. Shorter times make tests quick without changing what is served.
public struct DemoTiming: Sendable, Equatable {
    /// How long the slow page waits before its first byte.
    public var slowFirstByteMs: Int
    /// How long the body of the dripping page takes.
    public var dripTotalMs: Int
    /// `Crawl-delay` of the site that has one.
    public var crawlDelaySeconds: Int
    /// `Retry-After` of the page that answers 429.
    public var retryAfterSeconds: Int

    /// The times as documented: 1.5 s, 2 s, 1 s, 1 s.
    public init(
        slowFirstByteMs: Int = 1500, dripTotalMs: Int = 2000, crawlDelaySeconds: Int = 1,
        retryAfterSeconds: Int = 1
    ) {
        self.slowFirstByteMs = slowFirstByteMs
        self.dripTotalMs = dripTotalMs
        self.crawlDelaySeconds = crawlDelaySeconds
        self.retryAfterSeconds = retryAfterSeconds
    }
}

/// What a demo site is started with. Equal configurations serve equal bytes, apart from port numbers.
public struct DemoSiteConfiguration: Sendable, Equatable {
    /// The port of all hosts; 0 takes one that is free on all of them.
    public var port: Int
    /// Hosts are 127.0.0.1 … 127.0.0.`hosts`, 1 to 250.
    public var hosts: Int
    /// Further sites on 127.0.0.1, each on a port of its own (`port` + 1 …, or any free one), 0 to 16.
    public var extraPorts: Int
    /// HTML pages over all sites, index pages included, special pages and orphans not: from the number of
    /// sites to 10 million.
    public var pages: Int
    /// Decides sizes, texts and links.
    public var seed: UInt64
    public var scenario: Scenario
    /// Requests are also written to this file, a JSON object a line. An existing file is replaced.
    public var logPath: String?
    /// Threads that serve, 1 to 64.
    public var threads: Int
    public var timing: DemoTiming

    /// The defaults serve 400 pages of `mixed` on eight hosts and one extra port.
    public init(
        port: Int = 0, hosts: Int = 8, pages: Int = 400, seed: UInt64 = 1, scenario: Scenario = .mixed,
        logPath: String? = nil, extraPorts: Int = 1, threads: Int = 1, timing: DemoTiming = DemoTiming()
    ) {
        self.port = port
        self.hosts = hosts
        self.pages = pages
        self.seed = seed
        self.scenario = scenario
        self.logPath = logPath
        self.extraPorts = extraPorts
        self.threads = threads
        self.timing = timing
    }

    /// The first value that is out of its range, in words.
    func problem() -> String? {
        let checks: [(name: String, value: Int, range: ClosedRange<Int>)] = [
            ("port", port, 0...65_535),
            ("hosts", hosts, 1...250),
            ("extra ports", extraPorts, 0...16),
            ("pages", pages, 1...10_000_000),
            ("threads", threads, 1...64),
            ("slow first byte (ms)", timing.slowFirstByteMs, 0...600_000),
            ("drip time (ms)", timing.dripTotalMs, 0...600_000),
            ("crawl delay (s)", timing.crawlDelaySeconds, 0...3600),
            ("retry after (s)", timing.retryAfterSeconds, 0...3600),
        ]
        for check in checks where !check.range.contains(check.value) {
            return "\(check.name) is \(check.value), but must be "
                + "\(check.range.lowerBound) to \(check.range.upperBound)"
        }
        if pages < hosts + extraPorts {
            return
                "pages is \(pages), but \(hosts + extraPorts) sites (\(hosts) hosts, "
                + "\(extraPorts) extra ports) need an index page each; ask for more pages or fewer hosts"
        }
        return nil
    }
}

/// Why a demo site did not start.
public enum DemoSiteError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalidConfiguration(String)
    case portTaken(host: String, port: Int)
    case noPermission(host: String, port: Int)
    /// The address is not one of this machine's (127.0.0.0/8 is loopback as a whole on Linux only).
    case addressUnavailable(host: String)
    /// No port was free on all hosts after many tries.
    case noFreePort(hosts: Int)
    case logFile(path: String, reason: String)
    case system(operation: String, reason: String)

    /// One line: what, where, what to do.
    public var description: String {
        switch self {
        case .invalidConfiguration(let problem):
            "demo site: \(problem)"
        case .portTaken(let host, let port):
            "demo site: port \(port) is taken on \(host); choose another, or 0 for a free one"
        case .noPermission(let host, let port):
            "demo site: no permission to listen on \(host):\(port); "
                + "choose a port from 1024 on, or 0 for a free one"
        case .addressUnavailable(let host):
            "demo site: \(host) is not a loopback address of this machine; ask for fewer hosts"
        case .noFreePort(let hosts):
            "demo site: found no port that is free on all \(hosts) hosts; name one, or ask for fewer hosts"
        case .logFile(let path, let reason):
            "demo site: cannot write the log file \(path): \(reason); choose another path"
        case .system(let operation, let reason):
            "demo site: \(operation) failed: \(reason)"
        }
    }
}
