// Everything that can be configured, as one typed value with the defaults.
// Must not know where a value came from: flags, files and the environment all use `set`.

public import MocraFastPath

/// The configuration of an engine: one value a section, one property a key.
///
/// `EngineConfiguration.keys` declares each key with its unit, default and range; `validate` and `set` go by
/// that.
public struct EngineConfiguration: Sendable, Equatable {
    public var node = NodeConfiguration()
    public var download = DownloadConfiguration()
    public var politeness = PolitenessConfiguration()
    public var frontier = FrontierConfiguration()
    public var crawler = CrawlerConfiguration()
    public var channel = ChannelConfiguration()

    /// The built-in defaults.
    public init() {}
}

/// Section `node`.
public struct NodeConfiguration: Sendable, Equatable {
    /// Ring loops; 0 for one a core.
    public var ioThreads = 0
    /// Threads for large pages; 0 for one a core.
    public var parserThreads = 0

    public init() {}
}

/// Section `download_config`.
public struct DownloadConfiguration: Sendable, Equatable {
    /// What the fetch core is given. Its `userAgent` is empty until a person sets one: `effectiveUserAgent`
    /// counts.
    public var fetch: FetchConfiguration
    /// Redirects in a row before a URL ends with `redirect_loop`.
    public var maxRedirects = 10
    /// A URL or address under which the crawl's operator is reached; part of the default user agent.
    public var contact: String?

    public init() {
        fetch = FetchConfiguration()
        fetch.userAgent = ""
    }

    /// The product token that robots.txt groups are looked up by, unless the user agent begins with another.
    static let productToken = "mocra"

    /// `user_agent`, or the built-in one with the contact.
    public var effectiveUserAgent: String {
        if !fetch.userAgent.isEmpty { return fetch.userAgent }
        let product = "\(Self.productToken)/\(Engine.version)"
        return contact.map { "\(product) (+\($0))" } ?? product
    }
}

/// Whether robots.txt counts.
public enum RobotsMode: String, Sendable, CaseIterable {
    case obey
    case ignore
}

/// Section `politeness`. Delay and concurrency are a host name's; robots.txt is an origin's.
public struct PolitenessConfiguration: Sendable, Equatable {
    public var robots = RobotsMode.obey
    /// How long a robots.txt is believed. Units: milliseconds.
    public var robotsTtlMs = 86_400_000
    /// Between two requests to a host. Units: milliseconds.
    public var delayMs = 1_000
    /// Fetches of a host at a time.
    public var perHostConcurrency = 1
    /// A longer Crawl-delay counts as this one. Units: milliseconds.
    public var crawlDelayMaxMs = 60_000

    public init() {}
}

/// Section `frontier`.
public struct FrontierConfiguration: Sendable, Equatable {
    /// Steps from a start; nil for no limit.
    public var maxDepth: Int?
    /// URLs fetched in a run; nil for no limit.
    public var maxPages: Int?
    /// URLs fetched of one host in a run; nil for no limit.
    public var maxPagesPerHost: Int?
    /// Bytes of a URL.
    public var maxURLLength = 2_048

    public init() {}
}

/// Section `crawler`.
public struct CrawlerConfiguration: Sendable, Equatable {
    /// Bounds the retries that the table of error kinds allows.
    public var requestMaxRetries = 3

    public init() {}
}

/// Section `channel_config`.
public struct ChannelConfiguration: Sendable, Equatable {
    /// Messages a queue holds before whoever fills it has to wait.
    public var capacity = 1_024

    public init() {}
}
