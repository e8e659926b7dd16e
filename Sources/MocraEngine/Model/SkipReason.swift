// Why a discovered URL is not fetched, though nothing went wrong.
// Must not know who decides: scope, robots and budgets each have their own file.

/// Why a URL was refused. A refusal is counted under its reason and is no error.
public enum SkipReason: String, Sendable, Hashable, CaseIterable {
    /// The host is not among those that the crawl may visit.
    case scope
    /// The host's robots.txt disallows the path, or it could not be had because the server failed.
    case robots
    /// The URL is deeper than `frontier.max_depth`.
    case depth
    /// `frontier.max_pages` or `frontier.max_pages_per_host` is used up.
    case budget
    /// The URL is longer than `frontier.max_url_length`, as those that a crawler trap makes are.
    case trap
    /// The address is not public, and `download_config.address_policy` refuses such.
    case blocked
}
