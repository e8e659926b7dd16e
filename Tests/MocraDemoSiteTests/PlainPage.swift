// URLs, links and robots rules as the tests' own crawler understands them, from the received bytes alone.
// Written apart from the site, which knows its links as data and never parses them.

/// An http URL in canonical form, or nothing.
struct PlainURL: Hashable {
    var host: String
    var port: Int
    var path: String
    var query: String?

    var target: String { path + (query.map { "?" + $0 } ?? "") }
    var text: String { "http://\(host):\(port)\(target)" }

    init?(_ reference: String, base: PlainURL?) {
        var rest = reference.trimmed()[...]
        if let hash = rest.firstIndex(of: "#") { rest = rest[..<hash] }
        if let colon = rest.firstIndex(of: ":"), rest[..<colon].allSatisfy({ $0.isLetter }),
            colon > rest.startIndex
        {
            guard rest[..<colon].lowercased() == "http" else { return nil }
            rest = rest[rest.index(after: colon)...]
            guard rest.hasPrefix("//") else { return nil }
        }
        var path: Substring = ""
        if rest.hasPrefix("//") {
            let authority = rest.dropFirst(2).prefix { $0 != "/" && $0 != "?" }
            let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty, let port = UInt16(parts[1]) else { return nil }
            (host, self.port) = (parts[0].lowercased(), Int(port))
            path = rest.dropFirst(2 + authority.count)
            if !path.hasPrefix("/") { path = "/" + path }
        } else {
            guard let base else { return nil }
            (host, self.port) = (base.host, base.port)
            if rest.isEmpty {
                path = base.target[...]
            } else if rest.hasPrefix("/") {
                path = rest
            } else if rest.hasPrefix("?") {
                path = base.path + rest
            } else {
                path = base.path[...(base.path.lastIndex(of: "/") ?? base.path.startIndex)] + rest
            }
        }
        let mark = path.firstIndex(of: "?") ?? path.endIndex
        self.path = Self.withoutDots(Self.escaped(path[..<mark]))
        let query = path[mark...].dropFirst()
        self.query = query.isEmpty ? nil : Self.escaped(query)
    }

    private static func withoutDots(_ path: String) -> String {
        var kept: [Substring] = []
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        for (place, segment) in segments.enumerated() {
            let isLast = place == segments.count - 1
            switch segment {
            case ".": if isLast { kept.append("") }
            case "..":
                _ = kept.popLast()
                if isLast { kept.append("") }
            default: kept.append(segment)
            }
        }
        return "/" + kept.joined(separator: "/")
    }

    private static func escaped(_ text: Substring) -> String {
        var result = ""
        var digitsLeft = 0
        for byte in text.utf8 {
            if digitsLeft > 0 {
                result += String(UnicodeScalar(byte)).uppercased()
                digitsLeft -= 1
            } else if byte <= 0x20 || byte >= 0x7F {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            } else {
                result += String(UnicodeScalar(byte))
                if byte == UInt8(ascii: "%") { digitsLeft = 2 }
            }
        }
        return result
    }
}

extension String {
    func trimmed() -> String {
        let space: Set<Character> = [" ", "\t", "\n", "\r", "\r\n"]
        let start = self.drop { space.contains($0) }
        let kept = start.reversed().drop { space.contains($0) }
        return String(kept.reversed())
    }
}

/// Finds the links of a page by a scan for tags.
enum PlainPage {
    static func text(_ response: PlainResponse) -> String {
        let type = response.field("content-type")?.lowercased() ?? ""
        let utf8 = String(decoding: response.body, as: UTF8.self)
        guard type.contains("iso-8859-1") || utf8.contains("<meta charset=\"iso-8859-1\">") else {
            return utf8
        }
        var text = ""
        for byte in response.body { text.unicodeScalars.append(UnicodeScalar(byte)) }
        return text
    }

    static func links(in html: String, at url: PlainURL) -> [PlainURL] {
        var base = url
        var links: [PlainURL] = []
        for tag in tags(html) {
            var reference: String?
            switch tag.name {
            case "base":
                if let href = tag.attributes["href"], let url = PlainURL(href, base: url) { base = url }
            case "a", "area": reference = tag.attributes["href"]
            case "iframe", "frame": reference = tag.attributes["src"]
            case "link":
                if ["next", "prev"].contains(tag.attributes["rel"]) { reference = tag.attributes["href"] }
            case "meta":
                if tag.attributes["http-equiv"] == "refresh", let content = tag.attributes["content"],
                    let mark = content.firstIndex(of: "=")
                {
                    reference = String(content[content.index(after: mark)...])
                }
            default: break
            }
            if let reference, let link = PlainURL(reference, base: base) { links.append(link) }
        }
        return links
    }

    /// Start tags, without those in comments and scripts.
    static func tags(_ html: String) -> [(name: String, attributes: [String: String])] {
        var found: [(name: String, attributes: [String: String])] = []
        var parts = html.split(separator: "<", omittingEmptySubsequences: false).dropFirst()
        while let part = parts.popFirst() {
            if part.hasPrefix("!--") {
                var comment = part
                while !comment.contains("-->"), let next = parts.popFirst() { comment = next }
                continue
            }
            let inside = part.prefix { $0 != ">" }
            let name = inside.prefix { $0.isLetter || $0.isNumber }.lowercased()
            if name == "script" {
                while let next = parts.popFirst(), !next.hasPrefix("/script") {}
                continue
            }
            found.append((name, attributes(inside.dropFirst(name.count))))
        }
        return found
    }

    /// The site quotes every value, and a quote is never part of one.
    private static func attributes(_ text: Substring) -> [String: String] {
        var result: [String: String] = [:]
        let pieces = text.split(separator: "\"", omittingEmptySubsequences: false)
        for place in stride(from: 0, to: pieces.count - 1, by: 2) {
            let name = String(pieces[place]).trimmed().dropLast()
            result[String(name)] = unescaped(pieces[place + 1])
        }
        return result
    }

    static func unescaped(_ text: Substring) -> String {
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
        return entities.reduce(String(text)) { text, entity in
            text.split(separator: entity.0, omittingEmptySubsequences: false).joined(separator: entity.1)
        }
    }
}

/// robots.txt as received (RFC 9309).
struct PlainRobots {
    private var rules: [(isAllow: Bool, pattern: [UInt8])] = []
    private var isClosed = false

    init(_ response: PlainResponse) {
        if response.status >= 500 { isClosed = true }
        guard response.status == 200 else { return }
        var own: [(Bool, [UInt8])] = []
        var general: [(Bool, [UInt8])] = []
        var hasOwn = false
        var agents: [String] = []
        var isReadingAgents = false
        for line in String(decoding: response.body, as: UTF8.self).split(separator: "\n") {
            let parts = line.prefix { $0 != "#" }.split(separator: ":", maxSplits: 1).map {
                String($0).trimmed()
            }
            guard parts.count == 2 else { continue }
            switch parts[0].lowercased() {
            case "user-agent":
                if !isReadingAgents { agents = [] }
                isReadingAgents = true
                agents.append(parts[1].lowercased())
                if agents.contains("mocra") { hasOwn = true }
            case "allow", "disallow":
                isReadingAgents = false
                let bytes = parts[1].utf8.flatMap {
                    $0 < 0x80 ? [$0] : Array(("%" + String($0, radix: 16, uppercase: true)).utf8)
                }
                let rule = (parts[0].lowercased() == "allow", bytes)
                if agents.contains("mocra") { own.append(rule) }
                if agents.contains("*") { general.append(rule) }
            default: break
            }
        }
        rules = hasOwn ? own : general
    }

    func allows(_ target: String) -> Bool {
        if isClosed { return target == "/robots.txt" }
        let matching = rules.filter { Self.matches($0.pattern, Array(target.utf8)) }
        let longest = matching.map(\.pattern.count).max() ?? 0
        let best = matching.filter { $0.pattern.count == longest }
        return best.isEmpty || best.contains { $0.isAllow }
    }

    /// The set of places in the pattern that fit what was read so far.
    private static func matches(_ pattern: [UInt8], _ target: [UInt8]) -> Bool {
        let isAnchored = pattern.last == UInt8(ascii: "$")
        let body = isAnchored ? Array(pattern.dropLast()) : pattern
        func closure(_ places: Set<Int>) -> Set<Int> {
            var all = places
            for place in places {
                var next = place
                while next < body.count, body[next] == UInt8(ascii: "*") {
                    next += 1
                    all.insert(next)
                }
            }
            return all
        }
        var places = closure([0])
        for byte in target {
            if !isAnchored && places.contains(body.count) { return true }
            var next: Set<Int> = []
            for place in places where place < body.count {
                if body[place] == UInt8(ascii: "*") { next.insert(place) }
                if body[place] == byte { next.insert(place + 1) }
            }
            places = closure(next)
        }
        return places.contains(body.count)
    }
}
