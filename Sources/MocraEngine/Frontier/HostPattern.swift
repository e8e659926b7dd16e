// Which hosts a crawl may visit.
// Must not know of paths, of robots or of addresses: scope is by host name alone.

public import MocraFastPath

/// Why a text is no host pattern.
public struct HostPatternError: Error, Sendable, Equatable, CustomStringConvertible {
    public var found: String
    public var description: String {
        "\"\(found)\" is not a host pattern: give a host name such as example.org, or *.example.org for every"
            + " host below it"
    }
}

/// A host name, or all names below one.
///
/// `example.org` is that host alone; `*.example.org` every name that ends in `.example.org`, at any depth,
/// and not `example.org` itself; `*` every host.
public struct HostPattern: Sendable, Hashable, CustomStringConvertible {
    /// The host, or what a host's name ends with, from its dot on.
    let name: String
    let isWildcard: Bool

    /// Reads a pattern.
    ///
    /// Errors: `HostPatternError` for anything with a scheme, port, path, or an asterisk elsewhere.
    public init(_ text: String) throws(HostPatternError) {
        if text == "*" {
            name = ""
            isWildcard = true
            return
        }
        let isWildcard = text.hasPrefix("*.")
        let host = isWildcard ? text.dropFirst(2) : text[...]
        // The URL parser knows what a host is, and writes it as URLs will have it.
        guard !host.isEmpty, !host.contains(where: { "*/?#@\\ ".contains($0) }) else {
            throw HostPatternError(found: text)
        }
        do {
            let url = try WebURL("http://\(host)/")
            guard url.port == nil, !isWildcard || !url.host.hasPrefix("["), !host.hasSuffix(":"),
                host.hasPrefix("[") || !host.hasSuffix(":80")
            else { throw HostPatternError(found: text) }
            name = isWildcard ? "." + url.host : String(url.host)
            self.isWildcard = isWildcard
        } catch let error as HostPatternError {
            throw error
        } catch {
            throw HostPatternError(found: text)
        }
    }

    /// The host of `url` alone.
    public init(hostOf url: WebURL) {
        name = String(url.host)
        isWildcard = false
    }

    /// Whether `host`, as a URL has it, fits.
    public func matches(_ host: Substring) -> Bool {
        isWildcard ? host.hasSuffix(name) && host.utf8.count > name.utf8.count : host == name
    }

    public var description: String { isWildcard ? "*" + name : name }
}

/// The hosts that a module may visit.
public struct CrawlScope: Sendable, Equatable {
    private var hosts: Set<Substring> = []
    private var wildcards: [HostPattern] = []
    private var allowsAll: Bool

    /// Every host.
    public static let any = CrawlScope(allowsAll: true)

    private init(allowsAll: Bool) {
        self.allowsAll = allowsAll
    }

    /// The hosts that fit one of `patterns`.
    public init(_ patterns: [HostPattern]) {
        allowsAll = false
        for pattern in patterns {
            if pattern.isWildcard {
                if !wildcards.contains(pattern) { wildcards.append(pattern) }
            } else {
                hosts.insert(pattern.name[...])
            }
        }
    }

    /// Complexity: O(1), and O(number of wildcards) for a host that is not listed.
    public func allows(_ host: Substring) -> Bool {
        allowsAll || hosts.contains(host) || wildcards.contains { $0.matches(host) }
    }
}
