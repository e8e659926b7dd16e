// The basic URL parser of the URL Standard (§4.4) for http and https, from bytes to a serialised WebURL.
// Writes the serialisation as it reads; must not know what a URL is parsed for. Hosts: URLHostParser.swift.

/// One parse: the layout found so far, and where each state's output goes.
///
/// The Standard's states become functions on ranges of the input, since a special URL's parts can be cut
/// out by their delimiters. Each returns the position at which the next state starts.
struct URLParser {
    var layout = WebURL.Layout()

    /// Trims, repairs and cleans the input where it needs it, then runs the states over it.
    static func parse(_ bytes: Span<UInt8>, base: WebURL?) throws(URLError) -> WebURL {
        guard bytes.count <= WebURL.lengthBytesMax else { throw .tooLong }
        let input = bytes.extracting(trimmedRange(bytes))
        let (hasTabOrNewline, isASCII) = survey(input)
        if !isASCII, !isWellFormed(input) {
            // Repaired before anything is taken out, since a tab between two bytes does not join them.
            let repaired = Array(decodedWithReplacement(input).utf8)
            guard repaired.count <= WebURL.lengthBytesMax else { throw .tooLong }
            return try run(withoutTabsAndNewlines(repaired.span).span, base: base)
        }
        if hasTabOrNewline {
            return try run(withoutTabsAndNewlines(input).span, base: base)
        }
        return try run(input, base: base)
    }

    private static func run(_ input: Span<UInt8>, base: WebURL?) throws(URLError) -> WebURL {
        // Each byte becomes at most three; the rest covers a scheme, slashes and an IPv4 address spelt out.
        let capacity = 3 * input.count + (base?.href.utf8.count ?? 0) + 64
        var parser = URLParser()
        let href: String = try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) {
            (buffer: UnsafeMutableBufferPointer<UInt8>) throws(URLError) -> String in
            var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
            try parser.parse(input, base: base, into: &output)
            guard output.count <= WebURL.lengthBytesMax else { throw .tooLong }
            // All that the states write is ASCII, so no validation is due.
            return unsafe String(copying: UTF8Span(unchecked: output.span, isKnownASCII: true))
        }
        return WebURL(href: href, layout: parser.layout)
    }
}

// MARK: - Preparing the input

extension URLParser {
    /// The input without C0 controls and spaces at its ends.
    private static func trimmedRange(_ bytes: Span<UInt8>) -> Range<Int> {
        var start = 0
        var end = bytes.count
        while start < end, bytes[start] <= 0x20 { start += 1 }
        while end > start, bytes[end - 1] <= 0x20 { end -= 1 }
        return start..<end
    }

    private static func survey(_ bytes: Span<UInt8>) -> (hasTabOrNewline: Bool, isASCII: Bool) {
        var found: UInt8 = 0
        var all: UInt8 = 0
        for index in bytes.indices {
            let byte = bytes[index]
            all |= byte
            // Without branches, so that the compiler can make vectors of it.
            found |= (byte == 0x09 ? 1 : 0) | (byte == 0x0A ? 1 : 0) | (byte == 0x0D ? 1 : 0)
        }
        return (found != 0, all < 0x80)
    }

    private static func withoutTabsAndNewlines(_ bytes: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for index in bytes.indices {
            let byte = bytes[index]
            if byte != 0x09, byte != 0x0A, byte != 0x0D { result.append(byte) }
        }
        return result
    }

    static func isWellFormed(_ bytes: Span<UInt8>) -> Bool {
        do {
            _ = try UTF8Span(validating: bytes)
            return true
        } catch {
            return false
        }
    }

    static func decodedWithReplacement(_ bytes: Span<UInt8>) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// The bytes of `range` for an error, cut to 256.
    static func excerpt(_ bytes: Span<UInt8>, _ range: Range<Int>) -> String {
        decodedWithReplacement(
            bytes.extracting(range.lowerBound..<min(range.upperBound, range.lowerBound + 256)))
    }
}

// MARK: - The states

extension URLParser {
    private mutating func parse(
        _ input: Span<UInt8>, base: WebURL?, into output: inout OutputSpan<UInt8>
    ) throws(URLError) {
        guard let colon = Self.schemeEnd(input) else {
            guard let base else { throw input.isEmpty ? .empty : .missingScheme }
            return try parseRelative(input, from: 0, base: base, into: &output)
        }
        switch Self.scheme(input, colon) {
        case .http: layout.isSecure = false
        case .https: layout.isSecure = true
        case .other: throw .unsupportedScheme(Self.excerpt(input, 0..<colon).lowercased())
        }
        // `http:path` is relative to a base of the same scheme, and a sloppy `http://path` for all others.
        if let base, base.isSecure == layout.isSecure {
            try parseRelative(input, from: colon + 1, base: base, into: &output)
        } else {
            try parseAbsolute(input, from: colon + 1, into: &output)
        }
    }

    /// The colon that ends a scheme at the start of the input.
    private static func schemeEnd(_ input: Span<UInt8>) -> Int? {
        guard !input.isEmpty, input[0].isASCIILetter else { return nil }
        var index = 1
        while index < input.count {
            let byte = input[index]
            if byte == UInt8(ascii: ":") { return index }
            guard
                byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "+")
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            else { return nil }
            index += 1
        }
        return nil
    }

    private enum Scheme { case http, https, other }

    private static func scheme(_ input: Span<UInt8>, _ colon: Int) -> Scheme {
        guard colon == 4 || colon == 5,
            input[0] | 0x20 == UInt8(ascii: "h"), input[1] | 0x20 == UInt8(ascii: "t"),
            input[2] | 0x20 == UInt8(ascii: "t"), input[3] | 0x20 == UInt8(ascii: "p")
        else { return .other }
        if colon == 4 { return .http }
        return input[4] | 0x20 == UInt8(ascii: "s") ? .https : .other
    }

    /// Special authority slashes, special authority ignore slashes, and all that follows.
    private mutating func parseAbsolute(
        _ input: Span<UInt8>, from start: Int, into output: inout OutputSpan<UInt8>
    ) throws(URLError) {
        var position = start
        while position < input.count, input[position].isURLSlash { position += 1 }
        output.append(layout.isSecure ? "https://" : "http://")
        position = try parseAuthority(input, from: position, into: &output)
        layout.pathStart = UInt32(output.count)
        position = parsePath(input, from: position, into: &output)
        parseQueryAndFragment(input, from: position, into: &output)
    }

    /// Relative and relative slash.
    private mutating func parseRelative(
        _ input: Span<UInt8>, from start: Int, base: WebURL, into output: inout OutputSpan<UInt8>
    ) throws(URLError) {
        let first: UInt8? = start < input.count ? input[start] : nil
        if let first, first.isURLSlash, start + 1 < input.count, input[start + 1].isURLSlash {
            layout.isSecure = base.isSecure
            return try parseAbsolute(input, from: start, into: &output)
        }
        layout = base.layout
        let source = base.href.utf8.span
        switch first {
        case nil, UInt8(ascii: "#"):
            output.append(source, 0..<Int(base.layout.queryEnd))
            parseFragment(input, from: start, into: &output)
        case UInt8(ascii: "?"):
            output.append(source, 0..<Int(base.layout.pathEnd))
            parseQueryAndFragment(input, from: start, into: &output)
        case .some(let byte):
            let pathStart = Int(base.layout.pathStart)
            var kept = pathStart
            if !byte.isURLSlash {
                // The base's path without its last segment; the slash before it is written by `parsePath`.
                kept = Int(base.layout.pathEnd)
                repeat { kept -= 1 } while source[kept] != UInt8(ascii: "/")
            }
            output.append(source, 0..<kept)
            let position = parsePath(input, from: start, into: &output)
            parseQueryAndFragment(input, from: position, into: &output)
        }
    }

    /// Authority, host and port.
    private mutating func parseAuthority(
        _ input: Span<UInt8>, from start: Int, into output: inout OutputSpan<UInt8>
    ) throws(URLError) -> Int {
        var end = start
        var at: Int?
        while end < input.count {
            let byte = input[end]
            if byte.isURLSlash || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") { break }
            if byte == UInt8(ascii: "@") { at = end }
            end += 1
        }
        layout.usernameEnd = UInt32(output.count)
        var hostStart = start
        if let at {
            parseCredentials(input, start..<at, into: &output)
            hostStart = at + 1
        }
        layout.hostStart = UInt32(output.count)

        var colon: Int?
        var insideBrackets = false
        var index = hostStart
        while index < end {
            switch input[index] {
            case UInt8(ascii: "["): insideBrackets = true
            case UInt8(ascii: "]"): insideBrackets = false
            case UInt8(ascii: ":") where !insideBrackets: colon = index
            default: break
            }
            if colon != nil { break }
            index += 1
        }
        try Self.parseHost(input, hostStart..<(colon ?? end), into: &output)
        layout.hostEnd = UInt32(output.count)
        if let colon { try parsePort(input, (colon + 1)..<end, into: &output) }
        return end
    }

    private mutating func parseCredentials(
        _ input: Span<UInt8>, _ range: Range<Int>, into output: inout OutputSpan<UInt8>
    ) {
        let set = ASCIISet.userinfo
        var colon = range.lowerBound
        while colon < range.upperBound, input[colon] != UInt8(ascii: ":") { colon += 1 }
        output.append(input, range.lowerBound..<colon, encoding: set)
        layout.usernameEnd = UInt32(output.count)
        let hasPassword = colon + 1 < range.upperBound
        if hasPassword {
            output.append(UInt8(ascii: ":"))
            output.append(input, (colon + 1)..<range.upperBound, encoding: set)
        }
        if hasPassword || colon > range.lowerBound { output.append(UInt8(ascii: "@")) }
    }

    private mutating func parsePort(
        _ input: Span<UInt8>, _ range: Range<Int>, into output: inout OutputSpan<UInt8>
    ) throws(URLError) {
        guard !range.isEmpty else { return }
        var value: UInt32 = 0
        for index in range {
            guard input[index].isASCIIDigit else { throw .invalidPort(Self.excerpt(input, range)) }
            value = value * 10 + UInt32(input[index] - UInt8(ascii: "0"))
            guard value <= 65_535 else { throw .invalidPort(Self.excerpt(input, range)) }
        }
        guard value != (layout.isSecure ? 443 : 80) else { return }
        layout.port = UInt16(value)
        output.append(UInt8(ascii: ":"))
        output.appendDecimal(value)
    }

    /// Path start and path. Writes a leading slash in any case.
    private mutating func parsePath(
        _ input: Span<UInt8>, from start: Int, into output: inout OutputSpan<UInt8>
    ) -> Int {
        let pathStart = Int(layout.pathStart)
        let breaks = ASCIISet.pathBreak
        var position = start
        if position < input.count, input[position].isURLSlash { position += 1 }
        while true {
            let segmentStart = position
            let written = output.count
            output.append(UInt8(ascii: "/"))
            var isLast = true
            segment: while position < input.count {
                let byte = input[position]
                if breaks.containsOrIsNotASCII(byte) {
                    switch byte {
                    case UInt8(ascii: "/"), UInt8(ascii: "\\"):
                        isLast = false
                        break segment
                    case UInt8(ascii: "?"), UInt8(ascii: "#"):
                        break segment
                    default:
                        output.appendPercentEncoded(byte)
                    }
                } else {
                    output.append(byte)
                }
                position += 1
            }
            let dots = Self.dotCount(input, segmentStart..<position)
            if dots > 0 {
                output.removeLast(output.count - written)
                if dots == 2 { Self.removeLastSegment(&output, pathStart) }
                if isLast { output.append(UInt8(ascii: "/")) }
            }
            if isLast { return position }
            position += 1
        }
    }

    /// 1 for a single-dot segment, 2 for a double-dot segment, percent-encoded dots included; else 0.
    @inline(__always)
    private static func dotCount(_ input: Span<UInt8>, _ range: Range<Int>) -> Int {
        guard let first = range.first, range.count <= 6,
            input[first] == UInt8(ascii: ".") || input[first] == UInt8(ascii: "%")
        else { return 0 }
        return dotCountOfShort(input, range)
    }

    private static func dotCountOfShort(_ input: Span<UInt8>, _ range: Range<Int>) -> Int {
        var index = range.lowerBound
        var dots = 0
        while index < range.upperBound {
            if input[index] == UInt8(ascii: ".") {
                index += 1
            } else if index + 2 < range.upperBound, input[index] == UInt8(ascii: "%"),
                input[index + 1] == UInt8(ascii: "2"), input[index + 2] | 0x20 == UInt8(ascii: "e")
            {
                index += 3
            } else {
                return 0
            }
            dots += 1
        }
        return dots <= 2 ? dots : 0
    }

    /// Takes the last slash and what follows it from the path; nothing from an empty path.
    private static func removeLastSegment(_ output: inout OutputSpan<UInt8>, _ pathStart: Int) {
        while output.count > pathStart {
            if output.removeLast() == UInt8(ascii: "/") { return }
        }
    }

    private mutating func parseQueryAndFragment(
        _ input: Span<UInt8>, from start: Int, into output: inout OutputSpan<UInt8>
    ) {
        layout.pathEnd = UInt32(output.count)
        var position = start
        if position < input.count, input[position] == UInt8(ascii: "?") {
            while position < input.count, input[position] != UInt8(ascii: "#") { position += 1 }
            output.append(UInt8(ascii: "?"))
            output.append(input, (start + 1)..<position, encoding: .specialQuery)
        }
        layout.queryEnd = UInt32(output.count)
        parseFragment(input, from: position, into: &output)
    }

    private func parseFragment(
        _ input: Span<UInt8>, from start: Int, into output: inout OutputSpan<UInt8>
    ) {
        guard start < input.count else { return }
        output.append(UInt8(ascii: "#"))
        output.append(input, (start + 1)..<input.count, encoding: .fragment)
    }
}

extension OutputSpan<UInt8> {
    mutating func appendDecimal(_ value: UInt32) {
        var divisor: UInt32 = 1
        while value / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
}
