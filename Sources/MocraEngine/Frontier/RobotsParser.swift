// Reads the lines of a robots.txt into the rules for one crawler (RFC 9309 §2.2).
// Must not know how rules are matched beyond handing them over in normal form.

/// One reading of one file, for one product token.
///
/// Two sets of rules are kept side by side, those of the groups that name the crawler and those of `*`:
/// groups of one name are merged over the whole file (§2.2.1), and the first set wins as soon as it was
/// named at all.
struct RobotsParser {
    /// §2.5 asks for at least 500 KiB.
    static let bytesMax = 500 * 1024
    /// What a longer delay is read as: eleven days, beyond any that a crawl would keep.
    static let crawlDelaySecondsMax: Int64 = 1_000_000

    private struct Collected {
        var isNamed = false
        var rules: [RobotsRules.Rule] = []
        var patterns: [UInt8] = []
        var crawlDelay: Duration?
    }

    private enum Field { case userAgent, allow, disallow, crawlDelay, sitemap }

    /// In lower case.
    private let productToken: [UInt8]
    private var named = Collected()
    private var anyone = Collected()
    private var sitemaps: [String] = []
    private var seenSitemaps: Set<String> = []
    /// Whom the group being read addresses.
    private var addressesNamed = false
    private var addressesAnyone = false
    /// Whether the group has had a rule, so that the next user-agent line opens another.
    private var hasRules = false

    init(productToken: String) {
        self.productToken = productToken.utf8.prefix { Self.isTokenByte($0) }.map { Self.lowercased($0) }
    }

    mutating func parse(_ bytes: Span<UInt8>) -> RobotsRules {
        if let text = Self.transcodedFromUTF16(bytes) {
            readLines(text.span, isCut: bytes.count > Self.bytesMax)
        } else {
            let hasMark = bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
            let isCut = bytes.count > Self.bytesMax
            readLines(bytes.extracting((hasMark ? 3 : 0)..<min(bytes.count, Self.bytesMax)), isCut: isCut)
        }
        var chosen = named.isNamed ? named : anyone
        chosen.rules.sort { left, right in
            left.specificity == right.specificity
                ? left.isAllowed && !right.isAllowed : left.specificity > right.specificity
        }
        return RobotsRules(
            rules: chosen.rules, patterns: chosen.patterns, crawlDelay: chosen.crawlDelay, sitemaps: sitemaps)
    }

    /// RFC 9309 knows UTF-8 only; a file whose mark says that it is UTF-16 is read as such all the same.
    private static func transcodedFromUTF16(_ bytes: Span<UInt8>) -> [UInt8]? {
        guard bytes.count >= 2 else { return nil }
        let isLittleEndian = bytes[0] == 0xFF && bytes[1] == 0xFE
        guard isLittleEndian || (bytes[0] == 0xFE && bytes[1] == 0xFF) else { return nil }
        var units: [UInt16] = []
        let end = min(bytes.count, bytesMax)
        units.reserveCapacity(end / 2)
        var index = 2
        while index + 1 < end {
            let first = UInt16(bytes[index])
            let second = UInt16(bytes[index + 1])
            units.append(isLittleEndian ? second << 8 | first : first << 8 | second)
            index += 2
        }
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }

    // MARK: Lines

    /// CR, LF and CRLF each end a line; the empty line that CRLF leaves means nothing.
    private mutating func readLines(_ text: Span<UInt8>, isCut: Bool) {
        var start = 0
        for index in text.indices where text[index] == 0x0A || text[index] == 0x0D {
            readLine(text.extracting(start..<index))
            start = index + 1
        }
        // A line cut short at the limit could say more than its author did (`Disallow: /` of `/x`).
        if !isCut { readLine(text.extracting(start..<text.count)) }
    }

    private mutating func readLine(_ line: Span<UInt8>) {
        var end = 0
        while end < line.count, line[end] != UInt8(ascii: "#") { end += 1 }
        let range = Self.trimmed(line, 0..<end)
        guard !range.isEmpty else { return }
        var colon = range.lowerBound
        while colon < range.upperBound, line[colon] != UInt8(ascii: ":") { colon += 1 }
        if colon < range.upperBound,
            let field = Self.field(line, Self.trimmed(line, range.lowerBound..<colon))
        {
            read(field, line.extracting(Self.trimmed(line, (colon + 1)..<range.upperBound)))
        } else {
            readWithoutColon(line, range)
        }
    }

    /// `Disallow /path` and `User-agent name`: the colon is forgotten, the meaning plain, obeying cheap.
    private mutating func readWithoutColon(_ line: Span<UInt8>, _ range: Range<Int>) {
        var space = range.lowerBound
        while space < range.upperBound, !Self.isBlank(line[space]) { space += 1 }
        guard let field = Self.field(line, range.lowerBound..<space) else { return }
        let value = line.extracting(Self.trimmed(line, space..<range.upperBound))
        for index in value.indices where Self.isBlank(value[index]) { return }
        guard !value.isEmpty else { return }
        switch field {
        case .userAgent:
            read(field, value)
        case .allow, .disallow:
            if value[0] == UInt8(ascii: "/") || value[0] == UInt8(ascii: "*") { read(field, value) }
        case .crawlDelay, .sitemap:
            break
        }
    }

    private mutating func read(_ field: Field, _ value: Span<UInt8>) {
        switch field {
        case .userAgent:
            if hasRules {
                (addressesNamed, addressesAnyone, hasRules) = (false, false, false)
            }
            if isProductToken(value) {
                addressesNamed = true
                named.isNamed = true
            } else if Self.isAnyone(value) {
                addressesAnyone = true
            }
        case .allow, .disallow:
            hasRules = true
            if addressesNamed { Self.add(value, isAllowed: field == .allow, to: &named) }
            if addressesAnyone { Self.add(value, isAllowed: field == .allow, to: &anyone) }
        case .crawlDelay:
            // Not a rule of the RFC: it neither ends the list of user agents nor reaches those named later.
            guard let delay = Self.delay(value) else { return }
            if addressesNamed { named.crawlDelay = max(named.crawlDelay ?? .zero, delay) }
            if addressesAnyone { anyone.crawlDelay = max(anyone.crawlDelay ?? .zero, delay) }
        case .sitemap:
            guard !value.isEmpty else { return }
            let text = unsafe value.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
            if seenSitemaps.insert(text).inserted { sitemaps.append(text) }
        }
    }

    // MARK: Values

    /// An empty path is no rule (§2.2.2), and one that starts with neither `/` nor `*` can match nothing.
    private static func add(_ value: Span<UInt8>, isAllowed: Bool, to collected: inout Collected) {
        guard !value.isEmpty, value[0] == UInt8(ascii: "/") || value[0] == UInt8(ascii: "*") else { return }
        let isAnchored = value[value.count - 1] == UInt8(ascii: "$")
        let pattern = isAnchored ? value.extracting(0..<(value.count - 1)) : value
        let start = collected.patterns.count
        RobotsPath.appendNormalForm(of: pattern, isPattern: true, to: &collected.patterns)
        collected.rules.append(
            RobotsRules.Rule(
                start: UInt32(start), end: UInt32(collected.patterns.count), isAllowed: isAllowed,
                isAnchored: isAnchored))
    }

    /// Whether the value starts with the product token as a whole word, in any case (§2.2.1).
    ///
    /// A version or words after it (`name/1.0`) do not matter; `name-images` is another crawler.
    private func isProductToken(_ value: Span<UInt8>) -> Bool {
        guard !productToken.isEmpty, value.count >= productToken.count else { return false }
        for index in productToken.indices where Self.lowercased(value[index]) != productToken[index] {
            return false
        }
        return value.count == productToken.count || !Self.isTokenByte(value[productToken.count])
    }

    private static func isAnyone(_ value: Span<UInt8>) -> Bool {
        !value.isEmpty && value[0] == UInt8(ascii: "*") && (value.count == 1 || isBlank(value[1]))
    }

    /// Seconds with an optional fraction; nil for anything else, a sign included.
    private static func delay(_ value: Span<UInt8>) -> Duration? {
        var seconds: Int64 = 0
        var milliseconds: Int64 = 0
        var weight: Int64 = 100
        var digits = 0
        var isFraction = false
        for index in value.indices {
            let byte = value[index]
            if byte == UInt8(ascii: "."), !isFraction {
                isFraction = true
                continue
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            let digit = Int64(byte - UInt8(ascii: "0"))
            digits += 1
            if isFraction {
                milliseconds += digit * weight
                weight /= 10
            } else {
                seconds = min(seconds * 10 + digit, crawlDelaySecondsMax)
            }
        }
        return digits == 0 ? nil : .milliseconds(seconds * 1000 + milliseconds)
    }

    /// The field's name in any case; for the two that matter most also the misspellings seen in the wild.
    private static func field(_ line: Span<UInt8>, _ range: Range<Int>) -> Field? {
        guard range.count >= 5, range.count <= 11 else { return nil }
        var name = ""
        for index in range { name.unicodeScalars.append(Unicode.Scalar(lowercased(line[index]))) }
        return switch name {
        case "user-agent", "useragent", "user agent": .userAgent
        case "disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw", "desallow": .disallow
        case "allow": .allow
        case "crawl-delay": .crawlDelay
        case "sitemap": .sitemap
        default: nil
        }
    }

    // MARK: Bytes

    private static func trimmed(_ line: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, isBlank(line[start]) { start += 1 }
        while end > start, isBlank(line[end - 1]) { end -= 1 }
        return start..<end
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func lowercased(_ byte: UInt8) -> UInt8 {
        byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }

    /// The characters that a name may have; digits and dots besides those of §2.2.1, since names have them.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch lowercased(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default:
            false
        }
    }
}
