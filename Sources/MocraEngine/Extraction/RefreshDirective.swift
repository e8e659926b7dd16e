// The content attribute of `meta http-equiv=refresh`.
// Must not know of elements, base URLs or when a browser would really move on.

/// Where the URL stands in a refresh directive.
///
/// Source: HTML Standard, section 4.2.5.3, "shared declarative refresh steps".
enum RefreshDirective {
    /// The range of the URL's bytes within `content`; nil when the directive is malformed or has no URL (the
    /// page then reloads itself, which leads nowhere new).
    static func urlRange(in content: Span<UInt8>) -> Range<Int>? {
        var position = content.skippingWhitespace(from: 0)
        let timeStart = position
        while position < content.count, ASCII.isDigit(content[position]) { position += 1 }
        if position == timeStart {
            guard position < content.count, content[position] == UInt8(ascii: ".") else { return nil }
        }
        while position < content.count,
            ASCII.isDigit(content[position]) || content[position] == UInt8(ascii: ".")
        {
            position += 1
        }
        guard position < content.count else { return nil }
        guard isSeparator(content[position]) || ASCII.isWhitespace(content[position]) else { return nil }
        position = content.skippingWhitespace(from: position)
        if position < content.count, isSeparator(content[position]) { position += 1 }
        position = content.skippingWhitespace(from: position)
        guard position < content.count else { return nil }
        let range = afterName(in: content, from: position)
        return range.isEmpty ? nil : range
    }

    private static func isSeparator(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ";") || byte == UInt8(ascii: ",")
    }

    /// Steps past `url =` and quotes. Whatever begins like the name and then differs is the URL itself.
    private static func afterName(in content: Span<UInt8>, from start: Int) -> Range<Int> {
        var position = start
        if ASCII.lowercased(content[start]) == UInt8(ascii: "u") {
            guard content.hasPrefix(ignoringCase: "url", at: start) else { return start..<content.count }
            position = content.skippingWhitespace(from: start + 3)
            guard position < content.count, content[position] == UInt8(ascii: "=") else {
                return start..<content.count
            }
            position = content.skippingWhitespace(from: position + 1)
        }
        guard position < content.count else { return position..<position }
        let quote = content[position]
        guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            return position..<content.count
        }
        position += 1
        var end = position
        while end < content.count, content[end] != quote { end += 1 }
        return position..<end
    }
}
