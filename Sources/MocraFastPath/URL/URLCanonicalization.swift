// The rules by which a crawl takes two URLs for one, beyond what the URL Standard's serialiser already does.
// Must not know which rules a configuration chose, nor what a fingerprint is for.

/// What to make equal before URLs are compared; the names are those of `frontier.canonicalize`.
public struct URLCanonicalization: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Drops the fragment, which no server ever sees.
    public static let fragment = URLCanonicalization(rawValue: 1 << 0)
    /// Drops a port that is the scheme's own. The parser has done so already: a URL never shows one.
    public static let defaultPort = URLCanonicalization(rawValue: 1 << 1)
    /// Resolves `.` and `..` in the path. The parser has done so already, percent-encoded ones included.
    public static let dotSegments = URLCanonicalization(rawValue: 1 << 2)
    /// Writes percent-encoded bytes with upper-case digits (RFC 3986 §6.2.2.1): `%2f` becomes `%2F`.
    public static let percentCase = URLCanonicalization(rawValue: 1 << 3)
    /// Drops the question mark of an empty query.
    public static let emptyQuery = URLCanonicalization(rawValue: 1 << 4)

    /// All five.
    public static let `default`: URLCanonicalization = [
        .fragment, .defaultPort, .dotSegments, .percentCase, .emptyQuery,
    ]
}

extension WebURL {
    /// The URL after `rules`; itself, without an allocation, when they change nothing.
    ///
    /// Idempotent. The result is again in the serialised form of the URL Standard.
    ///
    /// Complexity: O(n).
    public func canonicalized(_ rules: URLCanonicalization = .default) -> WebURL {
        let length = href.utf8.count
        let dropsFragment = rules.contains(.fragment) && Int(layout.queryEnd) < length
        let dropsQuestionMark = rules.contains(.emptyQuery) && layout.queryEnd == layout.pathEnd + 1
        let end = dropsFragment ? Int(layout.queryEnd) : length
        let raisesCase = rules.contains(.percentCase) && Self.hasLowerCaseTriplet(href.utf8.span, end)
        guard dropsFragment || dropsQuestionMark || raisesCase else { return self }

        var layout = layout
        // The only byte that ever goes from the middle is the question mark; what is cut is cut at the end.
        let removed = dropsQuestionMark ? Int(layout.pathEnd) : nil
        if dropsQuestionMark { layout.queryEnd = layout.pathEnd }
        let capacity = end - (dropsQuestionMark ? 1 : 0)
        let source = href
        let result = unsafe String(unsafeUninitializedCapacity: capacity) { buffer in
            var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
            Self.copy(source.utf8.span, end, without: removed, raisingCase: raisesCase, to: &output)
            return unsafe output.finalize(for: buffer)
        }
        return WebURL(href: result, layout: layout)
    }

    private static func hasLowerCaseTriplet(_ bytes: Span<UInt8>, _ end: Int) -> Bool {
        var index = 0
        while index + 2 < end {
            if bytes[index] == UInt8(ascii: "%"), let first = bytes[index + 1].hexDigitValue,
                let second = bytes[index + 2].hexDigitValue
            {
                if bytes[index + 1] != .upperHexDigit(first) || bytes[index + 2] != .upperHexDigit(second) {
                    return true
                }
                index += 3
            } else {
                index += 1
            }
        }
        return false
    }

    private static func copy(
        _ bytes: Span<UInt8>, _ end: Int, without removed: Int?, raisingCase: Bool,
        to output: inout OutputSpan<UInt8>
    ) {
        var index = 0
        while index < end {
            if raisingCase, index + 2 < end, bytes[index] == UInt8(ascii: "%"),
                let first = bytes[index + 1].hexDigitValue, let second = bytes[index + 2].hexDigitValue
            {
                output.appendPercentEncoded(first << 4 | second)
                index += 3
            } else {
                if index != removed { output.append(bytes[index]) }
                index += 1
            }
        }
    }
}
