// Where a thing of the demo web lives, and the many ways a page may write a link to it.
// A link keeps its target beside its spelling, so the truth never depends on parsing what was written.

/// One site: an address and a port. robots.txt belongs to a site, politeness delays to its host.
package struct Authority: Hashable, Sendable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var text: String { "\(host):\(port)" }
}

/// A canonical place: the site's index and the path with its query, as a correct crawler writes them
/// (no fragment, no dot segments, upper-case percent escapes, no empty query).
package struct DemoURL: Hashable, Sendable {
    package var site: Int
    package var target: String

    package init(_ site: Int, _ target: String) {
        self.site = site
        self.target = target
    }

    /// The target without its query.
    package var path: Substring {
        target.prefix { $0 != "?" }
    }
}

/// How a link's address is spelled. All spellings of one target must lead a crawler to the same canonical
/// URL.
package enum HrefForm: Sendable, CaseIterable {
    /// `http://host:port/path`
    case absolute
    /// `HTTP://host:port/path`: the scheme is case-insensitive (RFC 3986 section 3.1).
    case upperScheme
    /// `//host:port/path`
    case protocolRelative
    /// `/path`
    case pathAbsolute
    /// `../other/page.html`, from the page's own folder or its `base`.
    case relative
    /// `/path#part`: the same document, so the same URL to fetch.
    case fragment
    /// `/x/../path` and `/./path`
    case dotSegments
    /// `%c3%a9` for `%C3%A9` (RFC 3986 section 6.2.2.1).
    case lowerPercent
    /// Raw characters where the canonical form has escapes; the URL Standard escapes them as UTF-8.
    case rawCharacters
    /// White space around the address, which the URL Standard removes.
    case padded
    /// `/path?`: an empty query, dropped by canonicalisation.
    case emptyQuery
    /// `?query`: the page's own path with another query.
    case queryOnly
}

/// The element that carries a link. Every one of them is to be followed, `rel=nofollow` included: it is a
/// hint to search engines about reputation, not a rule for access.
package enum LinkElement: Sendable, CaseIterable {
    case anchor, nofollow, area, iframe, frame, next, previous, refresh
}

package struct Link: Sendable, Hashable {
    package var target: DemoURL
    package var form: HrefForm
    package var element: LinkElement

    package init(_ target: DemoURL, _ form: HrefForm = .relative, _ element: LinkElement = .anchor) {
        self.target = target
        self.form = form
        self.element = element
    }
}

package enum Href {
    /// The spelling of `target` in `form`, as seen from `base` (the page, or what its `base` element names).
    /// A relative form towards another site falls back to the protocol-relative one.
    package static func text(
        _ form: HrefForm, _ target: DemoURL, from base: DemoURL, _ authorities: [Authority]
    ) -> String {
        let authority = authorities[target.site].text
        let sameSite = base.site == target.site
        let local = sameSite ? "" : "//" + authority
        switch form {
        case .absolute: return "http://" + authority + target.target
        case .upperScheme: return "HTTP://" + authority + target.target
        case .protocolRelative: return "//" + authority + target.target
        case .pathAbsolute: return local + target.target
        case .relative: return sameSite ? relative(target.target, from: base) : local + target.target
        case .fragment: return local + target.target + "#part-2"
        case .dotSegments: return local + "/unused/../." + target.target
        case .lowerPercent: return local + lowerCasedEscapes(target.target)
        case .rawCharacters: return local + unescaped(target.target)
        case .padded: return "\n  " + local + target.target + " \t"
        case .emptyQuery: return local + target.target + "?"
        case .queryOnly:
            guard sameSite, target.path == base.path else { return local + target.target }
            return String(target.target.dropFirst(target.path.count))
        }
    }

    /// RFC 3986 section 4.2: steps up with `..`, then down. `./` keeps the folder itself from being empty.
    private static func relative(_ target: String, from base: DemoURL) -> String {
        let path = target.prefix { $0 != "?" }
        let query = target.dropFirst(path.count)
        let from = folders(of: base.path)
        let to = folders(of: path)
        let common = zip(from, to).prefix { $0 == $1 }.count
        let up = String(repeating: "../", count: from.count - common)
        let down = to[common...].map { $0 + "/" }.joined()
        let name = path[path.index(after: path.lastIndex(of: "/") ?? path.startIndex)...]
        let text = up + down + name
        return (text.isEmpty ? "./" : text) + query
    }

    private static func folders(of path: Substring) -> [Substring] {
        Array(path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().dropLast())
    }

    private static func lowerCasedEscapes(_ target: String) -> String {
        var text = ""
        var escapeDigits = 0
        for character in target {
            text += escapeDigits > 0 ? character.lowercased() : String(character)
            escapeDigits = character == "%" ? 2 : max(0, escapeDigits - 1)
        }
        return text
    }

    private static func unescaped(_ target: String) -> String {
        var bytes: [UInt8] = []
        let source = Array(target.utf8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let byte = UInt8(String(decoding: source[index + 1...index + 2], as: UTF8.self), radix: 16)
            {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
