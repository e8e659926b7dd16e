// What one robots.txt says to one crawler (RFC 9309): may this path be fetched, how slowly, which sitemaps.
// Must not know how the file was fetched, nor when it expires. Reading a file: RobotsParser.swift.

/// The rules of a robots.txt for one product token.
///
/// Shape: one array of pattern bytes and one of small records, longest pattern first, so that the first match
/// decides. A file of the usual size costs a few hundred bytes.
///
/// Source: RFC 9309. What to assume when there is no file is the caller's: `allowAll` for a 4xx answer,
/// `disallowAll` for a server that cannot be reached or answers 5xx (§2.3.1).
public struct RobotsRules: Sendable, Equatable {
    /// A rule's pattern as a range of `patterns`, in normal form, without the `$` that anchors it.
    struct Rule: Sendable, Equatable {
        var start: UInt32
        var end: UInt32
        var isAllowed: Bool
        var isAnchored: Bool

        /// The octets that decide which rule is the most specific (§2.2.2), the `$` among them.
        var specificity: UInt32 { end - start + (isAnchored ? 1 : 0) }
    }

    /// Longest first; of equally long ones those that allow first.
    let rules: [Rule]
    let patterns: [UInt8]

    /// The delay that the file asks for between two fetches, unbounded by any configuration.
    ///
    /// Not in RFC 9309, yet widely written. At most `RobotsParser.crawlDelaySecondsMax`.
    public let crawlDelay: Duration?

    /// The sitemaps that the file names for all crawlers, as written, without repeats.
    ///
    /// Some are relative: resolve them against the URL of the robots.txt.
    public let sitemaps: [String]

    init(rules: [Rule], patterns: [UInt8], crawlDelay: Duration?, sitemaps: [String]) {
        self.rules = rules
        self.patterns = patterns
        self.crawlDelay = crawlDelay
        self.sitemaps = sitemaps
    }

    /// Everything may be fetched.
    public static let allowAll = RobotsRules(rules: [], patterns: [], crawlDelay: nil, sitemaps: [])

    /// Nothing may be fetched but the robots.txt itself.
    public static let disallowAll = RobotsRules(
        rules: [Rule(start: 0, end: 1, isAllowed: false, isAnchored: false)],
        patterns: [UInt8(ascii: "/")], crawlDelay: nil, sitemaps: [])

    /// Reads the file for the crawler called `productToken`; a version after it (`name/1.2`) is ignored.
    ///
    /// Whatever the bytes, the result is some set of rules: lines that mean nothing are passed over, and what
    /// lies beyond 500 KiB is not read (§2.5).
    ///
    /// Complexity: O(n + r log r) for n bytes and r rules.
    public static func parse(_ bytes: Span<UInt8>, productToken: String) -> RobotsRules {
        var parser = RobotsParser(productToken: productToken)
        return parser.parse(bytes)
    }

    /// Whether `requestTarget` (path and query, as sent) may be fetched.
    public func allows(_ requestTarget: some StringProtocol) -> Bool {
        var target = String(requestTarget)
        target.makeContiguousUTF8()
        return allows(target.utf8.span)
    }

    /// Whether `requestTarget` (path and query, as sent) may be fetched.
    ///
    /// Complexity: O(rules) for those without a wildcard; a wildcard adds at most one scan of the target.
    /// No allocation, unless the target has percent-encoded or reserved bytes to bring to normal form.
    public func allows(_ requestTarget: Span<UInt8>) -> Bool {
        if rules.isEmpty { return true }
        if RobotsPath.needsNormalForm(requestTarget) {
            var normal: [UInt8] = []
            RobotsPath.appendNormalForm(of: requestTarget, isPattern: false, to: &normal)
            return decides(normal.span)
        }
        return requestTarget.isEmpty ? decides([UInt8(ascii: "/")].span) : decides(requestTarget)
    }

    private func decides(_ target: Span<UInt8>) -> Bool {
        // §2.2.2: "The /robots.txt URI is implicitly allowed."
        if RobotsPath.isRobotsFile(target) { return true }
        let bytes = patterns.span
        for rule in rules {
            let pattern = bytes.extracting(Int(rule.start)..<Int(rule.end))
            if RobotsPath.matches(pattern, isAnchored: rule.isAnchored, target) { return rule.isAllowed }
        }
        return true
    }
}

/// Paths and patterns in the form in which they are compared (RFC 9309 §2.2.2, §2.2.3).
///
/// In normal form unreserved characters stand for themselves, everything outside ASCII and everything that no
/// URI may hold is percent-encoded with upper-case digits; a `*` or `$` that means itself is `%2A` or `%24`.
/// Reserved characters differ from their encoded form in the path; in the query the two are the same, as
/// in the RFC's table.
enum RobotsPath {
    private static let star = UInt8(ascii: "*")
    private static let dollar = UInt8(ascii: "$")
    private static let percent = UInt8(ascii: "%")

    /// Whether the target is not in normal form already.
    static func needsNormalForm(_ target: Span<UInt8>) -> Bool {
        for index in target.indices {
            let byte = target[index]
            if byte == percent || byte == star || byte == dollar || !isPlain(byte) { return true }
        }
        return false
    }

    /// Appends the normal form. In a pattern `*` keeps its meaning, and runs of it become one.
    static func appendNormalForm(of text: Span<UInt8>, isPattern: Bool, to result: inout [UInt8]) {
        var index = 0
        var isQuery = false
        let start = result.count
        while index < text.count {
            let byte = text[index]
            if byte == percent, index + 2 < text.count,
                let high = hexDigit(text[index + 1]), let low = hexDigit(text[index + 2])
            {
                let decoded = high << 4 | low
                if isUnreserved(decoded) || (isQuery && isInterchangeableInQuery(decoded)) {
                    result.append(decoded)
                } else {
                    appendEncoded(decoded, to: &result)
                }
                index += 3
                continue
            }
            if byte == star, isPattern {
                if result.count == start || result.last != star { result.append(star) }
            } else if byte == star || byte == dollar || byte == percent || !isPlain(byte) {
                appendEncoded(byte, to: &result)
            } else {
                if byte == UInt8(ascii: "?") { isQuery = true }
                result.append(byte)
            }
            index += 1
        }
    }

    /// Whether the pattern matches the target from its start on, to its end when anchored.
    ///
    /// Each piece between two `*` is searched once, after the one before it: the earliest place for a piece
    /// leaves the most room for the rest, so nothing is ever tried again.
    static func matches(_ pattern: Span<UInt8>, isAnchored: Bool, _ target: Span<UInt8>) -> Bool {
        var position = 0
        while position < pattern.count, pattern[position] != star {
            guard position < target.count, pattern[position] == target[position] else { return false }
            position += 1
        }
        if position == pattern.count { return !isAnchored || position == target.count }
        var reached = position
        while true {
            let pieceStart = position + 1
            position = pieceStart
            while position < pattern.count, pattern[position] != star { position += 1 }
            let piece = pattern.extracting(pieceStart..<position)
            if position == pattern.count, isAnchored {
                let start = target.count - piece.count
                return start >= reached && isEqual(piece, target.extracting(start..<target.count))
            }
            guard let found = firstIndex(of: piece, in: target, from: reached) else { return false }
            if position == pattern.count { return true }
            reached = found + piece.count
        }
    }

    static func isRobotsFile(_ target: Span<UInt8>) -> Bool {
        let name: StaticString = "/robots.txt"
        guard target.count == name.utf8CodeUnitCount else { return false }
        for index in target.indices where unsafe target[index] != name.utf8Start[index] { return false }
        return true
    }

    // MARK: Bytes

    private static func isEqual(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        for index in left.indices where left[index] != right[index] { return false }
        return true
    }

    /// The first place of the piece at or after `start`.
    ///
    /// Short pieces are compared place by place; long ones by Knuth, Morris and Pratt's algorithm, so that no
    /// file can make the search worse than linear in the target times `directLengthMax`.
    private static func firstIndex(of piece: Span<UInt8>, in target: Span<UInt8>, from start: Int) -> Int? {
        guard piece.count > directLengthMax else {
            var index = start
            while index + piece.count <= target.count {
                var length = 0
                while length < piece.count, piece[length] == target[index + length] { length += 1 }
                if length == piece.count { return index }
                index += 1
            }
            return nil
        }
        guard start + piece.count <= target.count else { return nil }
        let borders = borders(of: piece)
        var length = 0
        for index in start..<target.count {
            while length > 0, piece[length] != target[index] { length = Int(borders[length - 1]) }
            if piece[length] == target[index] { length += 1 }
            if length == piece.count { return index + 1 - length }
        }
        return nil
    }

    private static let directLengthMax = 32

    /// For each prefix of the piece the length of its longest proper prefix that is also its suffix.
    private static func borders(of piece: Span<UInt8>) -> [UInt32] {
        var borders = [UInt32](repeating: 0, count: piece.count)
        var length = 0
        for index in 1..<piece.count {
            while length > 0, piece[length] != piece[index] { length = Int(borders[length - 1]) }
            if piece[length] == piece[index] { length += 1 }
            borders[index] = UInt32(length)
        }
        return borders
    }

    private static func appendEncoded(_ byte: UInt8, to result: inout [UInt8]) {
        func digit(_ value: UInt8) -> UInt8 {
            value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
        }
        result.append(percent)
        result.append(digit(byte >> 4))
        result.append(digit(byte & 0x0F))
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// RFC 3986 §2.3.
    @inline(__always)
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default:
            false
        }
    }

    /// Unreserved or reserved (RFC 3986 §2.2), so that it may stand in a URI as it is.
    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "&")...UInt8(ascii: "/"),
            UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "@"),
            UInt8(ascii: "["), UInt8(ascii: "]"):
            true
        default:
            isUnreserved(byte)
        }
    }

    /// Reserved characters that delimit nothing in a query, so that writers encode them or not.
    private static func isInterchangeableInQuery(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "["), UInt8(ascii: "]"),
            UInt8(ascii: "@"), UInt8(ascii: "!"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"),
            UInt8(ascii: ","):
            true
        default:
            false
        }
    }
}
