// What is known of a demo web: which URLs a correct crawl reaches, and what it meets elsewhere.
// Values only; TruthWalk computes them.

/// The truth of a demo site, for a crawler whose product token is `mocra`, that starts at all of `startURLs`,
/// stays on their sites, obeys robots.txt, follows ten redirects and retries three times.
///
/// Shape: lists are sorted and without repeats; URLs are absolute and canonical. No URL is in two of
/// `reachable`, `redirects`, `errors`, `disallowed`, `sitemapOnly`, `nonHTML`, `broken` and
/// `beyondRedirectLimit`.
public struct DemoTruth: Sendable, Codable, Equatable {
    /// One redirecting URL that the crawl requests.
    public struct Redirect: Sendable, Codable, Equatable {
        public var url: String
        /// The absolute, canonical form of the Location field.
        public var location: String
        public var status: Int
    }

    /// A URL whose last answer, after all retries, is an error.
    public struct Failure: Sendable, Codable, Equatable {
        public var url: String
        public var status: Int
    }

    /// A URL that answers well after `after` failures. It is in `reachable`, too.
    public struct Heal: Sendable, Codable, Equatable {
        public var url: String
        public var after: Int
    }

    /// A URL whose answer breaks HTTP, and how. The crawl must report it as a failure and go on.
    public struct Broken: Sendable, Codable, Equatable {
        public var url: String
        public var kind: String
    }

    public var startURLs: [String]
    /// Every URL that answers 200 with HTML, after redirects and retries.
    public var reachable: [String]
    public var redirects: [Redirect]
    public var errors: [Failure]
    public var heals: [Heal]
    /// Linked, or a redirect's target, but forbidden by robots.txt: must not be requested.
    public var disallowed: [String]
    /// Named by a sitemap only: reached if, and only if, the crawl reads sitemaps.
    public var sitemapOnly: [String]
    /// Prefixes of endless spaces of URLs, which `reachable` leaves out.
    public var traps: [String]
    /// Prefixes that must never be requested: found in comments, in scripts, in files that are not HTML, or
    /// as images and style sheets.
    public var forbidden: [String]
    /// Linked URLs that answer 200 with something else than HTML.
    public var nonHTML: [String]
    /// `Crawl-delay` in seconds by host.
    public var crawlDelay: [String: Int]
    public var broken: [Broken]
    /// What lies behind more than ten redirects: must not be reached.
    public var beyondRedirectLimit: [String]

    private enum CodingKeys: String, CodingKey {
        case startURLs = "start_urls"
        case reachable, redirects, errors, heals, disallowed
        case sitemapOnly = "sitemap_only"
        case traps, forbidden
        case nonHTML = "non_html"
        case crawlDelay = "crawl_delay"
        case broken
        case beyondRedirectLimit = "beyond_redirect_limit"
    }
}
