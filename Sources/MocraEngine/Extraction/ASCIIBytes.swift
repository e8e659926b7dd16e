// ASCII comparison and trimming on borrowed bytes, as HTML's and MIME's grammars need it.
// Must not know what the bytes mean.

/// Predicates and folding of single ASCII bytes.
enum ASCII {
    /// Tab, line feed, form feed, carriage return, space (Infra Standard, "ASCII whitespace").
    @inline(__always)
    static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D || byte == 0x0C
    }

    @inline(__always)
    static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

extension Span<UInt8> {
    /// True when the bytes from `start` begin with `pattern`, which is lower-case ASCII, letter case ignored.
    func hasPrefix(ignoringCase pattern: StaticString, at start: Int = 0) -> Bool {
        let length = pattern.utf8CodeUnitCount
        guard start >= 0, count - start >= length else { return false }
        for index in 0..<length {
            let expected = unsafe pattern.utf8Start[index]
            guard ASCII.lowercased(self[start + index]) == expected else { return false }
        }
        return true
    }

    /// True when the bytes are `pattern`, which is lower-case ASCII, letter case ignored.
    func equals(ignoringCase pattern: StaticString) -> Bool {
        count == pattern.utf8CodeUnitCount && hasPrefix(ignoringCase: pattern)
    }

    /// True when one of the words between ASCII white space is `token`, which is lower-case ASCII, letter
    /// case ignored.
    func containsToken(_ token: StaticString) -> Bool {
        var start = 0
        while start < count {
            if ASCII.isWhitespace(self[start]) {
                start += 1
                continue
            }
            var end = start + 1
            while end < count, !ASCII.isWhitespace(self[end]) { end += 1 }
            if end - start == token.utf8CodeUnitCount, hasPrefix(ignoringCase: token, at: start) {
                return true
            }
            start = end
        }
        return false
    }

    /// The first position from `start` whose byte is not ASCII white space; `count` when there is none.
    func skippingWhitespace(from start: Int) -> Int {
        var position = start
        while position < count, ASCII.isWhitespace(self[position]) { position += 1 }
        return position
    }
}
