// Content-Type: its grammar as far as a crawl needs it, and the guess that stands in where it is missing.
// Must not know of responses or of parsers.

/// A media type with the one parameter that matters here.
///
/// Source: RFC 9110 section 8.3, and the MIME Sniffing Standard for leniency and for `sniffsAsHTML`.
public struct ContentType: Sendable, Equatable {
    /// Type and subtype in lower case, without parameters: `text/html`.
    public var essence: String
    /// The first `charset` parameter, as it was written, without quotes; nil when missing or empty.
    public var charset: String?

    /// A media type; the essence must be in lower case.
    public init(essence: String, charset: String? = nil) {
        self.essence = essence
        self.charset = charset
    }

    /// True for the media types whose pages are searched for links.
    public var isHTML: Bool { essence == "text/html" || essence == "application/xhtml+xml" }

    /// Reads a Content-Type field.
    ///
    /// Errors: nil when there is no `type/subtype` of token characters in front, as with an empty field.
    public static func parse(_ field: String) -> ContentType? {
        var field = field
        return field.withUTF8 { buffer in
            let bytes = unsafe buffer.span
            let start = bytes.skippingWhitespace(from: 0)
            var end = start
            while end < bytes.count, bytes[end] != semicolon, bytes[end] != comma { end += 1 }
            let parametersStart = end
            while end > start, ASCII.isWhitespace(bytes[end - 1]) { end -= 1 }
            guard let essence = essence(of: bytes.extracting(start..<end)) else { return nil }
            return ContentType(essence: essence, charset: charset(in: bytes, from: parametersStart))
        }
    }

    /// True when a body without Content-Type begins as HTML does: the HTML rows of the MIME Sniffing
    /// Standard's table (section 7.1), after a UTF-8 byte order mark and white space.
    public static func sniffsAsHTML(_ body: RawSpan) -> Bool {
        unsafe body.withUnsafeBytes { unsafe sniffsAsHTML(Span(_unsafeBytes: $0)) }
    }

    /// True when a body without Content-Type begins as HTML does.
    static func sniffsAsHTML(_ bytes: Span<UInt8>) -> Bool {
        let hasMark = bytes.count >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF
        let start = bytes.skippingWhitespace(from: hasMark ? 3 : 0)
        if bytes.hasPrefix(ignoringCase: "<!--", at: start) { return true }
        let openings: [StaticString] = [
            "<!doctype html", "<html", "<head", "<script", "<iframe", "<h1", "<div", "<font", "<table", "<a",
            "<style", "<title", "<b", "<body", "<br", "<p",
        ]
        return openings.contains { opening in
            let end = start + opening.utf8CodeUnitCount
            guard end < bytes.count, bytes.hasPrefix(ignoringCase: opening, at: start) else { return false }
            return bytes[end] == greaterThan || ASCII.isWhitespace(bytes[end])
        }
    }

    private static let semicolon = UInt8(ascii: ";"), comma = UInt8(ascii: ",")
    private static let greaterThan = UInt8(ascii: ">"), equals = UInt8(ascii: "="), quote = UInt8(ascii: "\"")

    /// `type/subtype` in lower case, or nil when it is not two tokens around one slash.
    private static func essence(of bytes: Span<UInt8>) -> String? {
        var slashes = 0
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        for index in bytes.indices {
            let byte = bytes[index]
            if byte == UInt8(ascii: "/") {
                guard index > 0, index + 1 < bytes.count else { return nil }
                slashes += 1
            } else if !isToken(byte) {
                return nil
            }
            text.append(ASCII.lowercased(byte))
        }
        return slashes == 1 ? String(decoding: text, as: UTF8.self) : nil
    }

    /// RFC 9110 section 5.6.2, `tchar`.
    private static func isToken(_ byte: UInt8) -> Bool {
        if ASCII.isLetter(byte) || ASCII.isDigit(byte) { return true }
        return switch byte {
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// The first charset parameter. Parameters are separated by semicolons outside quoted strings.
    private static func charset(in bytes: Span<UInt8>, from start: Int) -> String? {
        var position = start
        while position < bytes.count, bytes[position] == semicolon {
            position = bytes.skippingWhitespace(from: position + 1)
            let nameStart = position
            while position < bytes.count, bytes[position] != semicolon, bytes[position] != equals {
                position += 1
            }
            guard position < bytes.count, bytes[position] == equals else { continue }
            let isCharset = bytes.extracting(nameStart..<position).containsToken("charset")
            position += 1
            let value = parameterValue(in: bytes, at: &position)
            if isCharset, let value { return value }
        }
        return nil
    }

    /// The value at `position`, which is left at the next semicolon or the end; nil when it is empty.
    private static func parameterValue(in bytes: Span<UInt8>, at position: inout Int) -> String? {
        var text: [UInt8] = []
        position = bytes.skippingWhitespace(from: position)
        if position < bytes.count, bytes[position] == quote {
            position += 1
            while position < bytes.count, bytes[position] != quote {
                // RFC 9110 section 5.6.4, quoted-pair.
                if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
                text.append(bytes[position])
                position += 1
            }
            while position < bytes.count, bytes[position] != semicolon { position += 1 }
        } else {
            while position < bytes.count, bytes[position] != semicolon {
                text.append(bytes[position])
                position += 1
            }
            while let last = text.last, ASCII.isWhitespace(last) { text.removeLast() }
        }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }
}
