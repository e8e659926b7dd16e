// An http or https URL, parsed and serialised as the URL Standard says, and what a fetch asks of it.
// Must not know of sockets, of crawling, or of Foundation's URL.

/// An absolute http or https URL in the serialised form of the WHATWG URL Standard.
///
/// Shape: one native string, all ASCII, and the borders of its parts as offsets; a part is a substring.
/// Equality and hashing are those of `href`.
///
/// Complexity: parsing is linear, with one allocation for the result when the input is well-formed UTF-8
/// without tabs or line breaks.
///
/// Source: URL Standard (url.spec.whatwg.org), for the special schemes `http` and `https`.
public struct WebURL: Sendable {
    /// The longest text that is parsed and the longest URL that results, in bytes (64 KiB).
    public static let lengthBytesMax = 65_536

    /// The serialised URL: ASCII, with its fragment.
    public let href: String
    /// Where the parts of `href` begin and end.
    let layout: Layout

    /// Offsets into `href`, in bytes.
    ///
    /// In `https://user:secret@host:8080/path?query#fragment` `usernameEnd` is the colon after `user`,
    /// `hostStart` the `h` of `host`, `hostEnd` the colon after it, `pathStart` the slash, `pathEnd` the
    /// question mark and `queryEnd` the number sign. A part that is absent has a width of nought.
    struct Layout: Sendable {
        var isSecure = false
        var port: UInt16 = 0
        var usernameEnd: UInt32 = 0
        var hostStart: UInt32 = 0
        var hostEnd: UInt32 = 0
        var pathStart: UInt32 = 0
        var pathEnd: UInt32 = 0
        var queryEnd: UInt32 = 0

        var usernameStart: Int { isSecure ? 8 : 7 }
    }

    init(href: String, layout: Layout) {
        self.href = href
        self.layout = layout
    }

    /// Parses `string`, resolved against `base` when it is relative.
    ///
    /// Errors: `URLError`; whatever the text, parsing ends and nothing traps.
    public init(_ string: String, base: WebURL? = nil) throws(URLError) {
        var string = string
        // A bridged or otherwise foreign string is copied into native storage once, so that it has a span.
        string.makeContiguousUTF8()
        try self.init(utf8: string.utf8.span, base: base)
    }

    /// Parses the UTF-8 text `bytes`, resolved against `base` when it is relative.
    ///
    /// Ill-formed UTF-8 is read as the Encoding Standard decodes it, with U+FFFD for each broken sequence.
    ///
    /// Errors: `URLError`; whatever the bytes, parsing ends and nothing traps.
    public init(utf8 bytes: Span<UInt8>, base: WebURL? = nil) throws(URLError) {
        self = try URLParser.parse(bytes, base: base)
    }
}

extension WebURL: Hashable {
    public static func == (left: WebURL, right: WebURL) -> Bool { left.href == right.href }
    public func hash(into hasher: inout Hasher) { hasher.combine(href) }
}

extension WebURL: CustomStringConvertible {
    /// `href`, credentials included.
    public var description: String { href }
}

extension WebURL {
    /// The URL without user name and password; itself when it has none.
    public var withoutCredentials: WebURL {
        guard hasCredentials else { return self }
        var bare = layout
        let removed = layout.hostStart - UInt32(layout.usernameStart)
        bare.usernameEnd = UInt32(layout.usernameStart)
        bare.hostStart -= removed
        bare.hostEnd -= removed
        bare.pathStart -= removed
        bare.pathEnd -= removed
        bare.queryEnd -= removed
        let start = href.utf8.index(href.startIndex, offsetBy: layout.usernameStart)
        let host = href.utf8.index(href.startIndex, offsetBy: Int(layout.hostStart))
        return WebURL(href: String(href[..<start] + href[host...]), layout: bare)
    }

    /// Whether the URL has a user name or a password.
    public var hasCredentials: Bool { Int(layout.hostStart) > layout.usernameStart }

    /// Whether the scheme is https.
    public var isSecure: Bool { layout.isSecure }

    /// `http` or `https`.
    public var scheme: Substring { part(0, isSecure ? 5 : 4) }

    /// The user name, percent-encoded; empty when there is none.
    public var username: Substring { part(layout.usernameStart, Int(layout.usernameEnd)) }

    /// The password, percent-encoded; empty when there is none.
    public var password: Substring {
        // `user@host` has one byte between the two borders, `user:secret@host` the colon and the `@` besides.
        let start = Int(layout.usernameEnd) + 1
        let end = Int(layout.hostStart) - 1
        return start < end ? part(start, end) : part(end, end)
    }

    /// The host as serialised: a name in lower case, an IPv4 address, or an IPv6 address in brackets.
    public var host: Substring { part(Int(layout.hostStart), Int(layout.hostEnd)) }

    /// The port that the URL states, unless it is the scheme's own.
    public var port: UInt16? { layout.hostEnd == layout.pathStart ? nil : layout.port }

    /// The port to connect to: the stated one, else 443 for https and 80 for http.
    public var effectivePort: UInt16 { port ?? (isSecure ? 443 : 80) }

    /// `host` or `host:port`, as in the Host header (RFC 9110 §7.2): without credentials.
    public var authority: String { String(part(Int(layout.hostStart), Int(layout.pathStart))) }

    /// `scheme://host` or `scheme://host:port`: without credentials.
    public var origin: String { (isSecure ? "https://" : "http://") + authority }

    /// The path, percent-encoded, from its leading slash on; never empty.
    public var path: Substring { part(Int(layout.pathStart), Int(layout.pathEnd)) }

    /// The query without its question mark; nil when there is none, empty when there is only the mark.
    public var query: Substring? {
        layout.queryEnd > layout.pathEnd ? part(Int(layout.pathEnd) + 1, Int(layout.queryEnd)) : nil
    }

    /// The fragment without its number sign; nil when there is none, empty when there is only the sign.
    public var fragment: Substring? {
        let end = href.utf8.count
        return Int(layout.queryEnd) < end ? part(Int(layout.queryEnd) + 1, end) : nil
    }

    /// `path` or `path?query`: the request target in origin form (RFC 9112 §3.2.1).
    public var requestTarget: Substring { part(Int(layout.pathStart), Int(layout.queryEnd)) }

    /// The fingerprint of `href`. Complexity: O(n), no allocation.
    public var fingerprint: URLFingerprint { URLFingerprint(href.utf8.span) }

    /// Complexity: O(1), since `href` is native UTF-8.
    private func part(_ start: Int, _ end: Int) -> Substring {
        let utf8 = href.utf8
        let from = utf8.index(utf8.startIndex, offsetBy: start)
        let to = utf8.index(from, offsetBy: end - start)
        return href[from..<to]
    }
}
