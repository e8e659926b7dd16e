// Finds the encoding that a page declares in its first bytes.
// Must not know how to decode, nor of the HTML parser that runs afterwards.

/// HTML's "prescan a byte stream to determine its encoding" (HTML Standard, section 13.2.3.2), with the XML
/// declaration that XHTML pages open with.
package struct EncodingPrescan: ~Escapable {
    /// Bytes that are searched. The standard's authors must keep within 1,024; pages with a long first
    /// comment or style do not, and four times that still costs nothing beside the parse.
    package static let bytesMax = 4_096

    private let bytes: Span<UInt8>
    private var position = 0

    /// The encoding that the bytes declare, or nil when they declare none that is known.
    package static func encoding(of bytes: Span<UInt8>) -> CharacterEncoding? {
        var scan = EncodingPrescan(bytes.extracting(first: bytesMax))
        return scan.run()
    }

    @_lifetime(copy bytes)
    private init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
    }

    private mutating func run() -> CharacterEncoding? {
        if let encoding = xmlDeclaration() { return encoding }
        while position < bytes.count {
            if byte(at: position) != lessThan {
                position += 1
            } else if bytes.hasPrefix(ignoringCase: "<!--", at: position) {
                // The two hyphens that open a comment may be the ones that close it.
                position += 2
                while position < bytes.count, !bytes.hasPrefix(ignoringCase: "-->", at: position) {
                    position += 1
                }
            } else if startsMeta(at: position) {
                position += 5
                if let encoding = metaEncoding() { return encoding }
            } else if startsTag(at: position) {
                skipTagName()
                while nextAttribute() != nil {}
            } else if startsBogusComment(at: position) {
                while position < bytes.count, byte(at: position) != greaterThan { position += 1 }
            } else {
                position += 1
            }
        }
        return nil
    }

    /// `<?xml … encoding="…"`. A page read as bytes cannot be in UTF-16 when this is found.
    private func xmlDeclaration() -> CharacterEncoding? {
        guard bytes.hasPrefix(ignoringCase: "<?xml", at: 0) else { return nil }
        var index = 5
        while index < bytes.count, byte(at: index) != greaterThan {
            guard bytes.hasPrefix(ignoringCase: "encoding", at: index) else {
                index += 1
                continue
            }
            index = bytes.skippingWhitespace(from: index + 8)
            guard byte(at: index) == equals else { return nil }
            index = bytes.skippingWhitespace(from: index + 1)
            guard let quote = byte(at: index), quote == doubleQuote || quote == singleQuote else {
                return nil
            }
            return Self.declared(Self.text(bytes, from: index + 1, until: quote))
        }
        return nil
    }

    /// The encoding of one `meta`, whose attributes begin at `position`.
    private mutating func metaEncoding() -> CharacterEncoding? {
        var hasPragma = false
        var needsPragma: Bool?
        var label: String?
        var seen: Set<String> = []
        while let attribute = nextAttribute() {
            guard seen.insert(attribute.name).inserted else { continue }
            switch attribute.name {
            case "http-equiv":
                hasPragma = hasPragma || attribute.value == "content-type"
            case "content" where needsPragma == nil:
                let value = Array(attribute.value.utf8)
                if let found = Self.charset(inContent: value.span) {
                    label = found
                    needsPragma = true
                }
            case "charset":
                label = attribute.value
                needsPragma = false
            default:
                break
            }
        }
        // A tag that the bytes end in is not a declaration.
        guard position < bytes.count else { return nil }
        guard let needsPragma, let label, hasPragma || !needsPragma else { return nil }
        return Self.declared(label)
    }

    /// "Algorithm for extracting a character encoding from a meta element".
    private static func charset(inContent value: Span<UInt8>) -> String? {
        var index = 0
        while index < value.count {
            guard value.hasPrefix(ignoringCase: "charset", at: index) else {
                index += 1
                continue
            }
            index = value.skippingWhitespace(from: index + 7)
            guard index < value.count, value[index] == UInt8(ascii: "=") else { continue }
            index = value.skippingWhitespace(from: index + 1)
            guard index < value.count else { return nil }
            if value[index] == UInt8(ascii: "\"") || value[index] == UInt8(ascii: "'") {
                return text(value, from: index + 1, until: value[index])
            }
            let start = index
            while index < value.count, !ASCII.isWhitespace(value[index]), value[index] != UInt8(ascii: ";") {
                index += 1
            }
            return unquoted(value.extracting(start..<index))
        }
        return nil
    }

    /// The text up to the quote, or nil when it never comes.
    private static func text(_ bytes: Span<UInt8>, from start: Int, until quote: UInt8) -> String? {
        var end = start
        while end < bytes.count, bytes[end] != quote { end += 1 }
        return end < bytes.count ? unquoted(bytes.extracting(start..<end)) : nil
    }

    private static func unquoted(_ bytes: Span<UInt8>) -> String {
        unsafe bytes.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// A declaration that could be read byte by byte is not in UTF-16, whatever it says.
    private static func declared(_ label: String?) -> CharacterEncoding? {
        guard let label, let encoding = CharacterEncoding(label: label) else { return nil }
        return encoding == .utf16LittleEndian || encoding == .utf16BigEndian ? .utf8 : encoding
    }

    /// "Get an attribute", section 13.2.3.2: names and values in lower case; nil at the tag's end.
    private mutating func nextAttribute() -> (name: String, value: String)? {
        while let byte = byte(at: position), ASCII.isWhitespace(byte) || byte == slash { position += 1 }
        guard let first = byte(at: position), first != greaterThan else { return nil }
        var name: [UInt8] = []
        while let byte = byte(at: position) {
            if byte == equals, !name.isEmpty { break }
            if ASCII.isWhitespace(byte) || byte == slash || byte == greaterThan { break }
            name.append(ASCII.lowercased(byte))
            position += 1
        }
        let nameText = String(decoding: name, as: UTF8.self)
        let afterName = bytes.skippingWhitespace(from: position)
        guard byte(at: afterName) == equals else {
            return (nameText, "")
        }
        position = bytes.skippingWhitespace(from: afterName + 1)
        return (nameText, attributeValue())
    }

    private mutating func attributeValue() -> String {
        var value: [UInt8] = []
        if let quote = byte(at: position), quote == doubleQuote || quote == singleQuote {
            position += 1
            while let byte = byte(at: position), byte != quote {
                value.append(ASCII.lowercased(byte))
                position += 1
            }
            position += 1
        } else {
            while let byte = byte(at: position), !ASCII.isWhitespace(byte), byte != greaterThan {
                value.append(ASCII.lowercased(byte))
                position += 1
            }
        }
        return String(decoding: value, as: UTF8.self)
    }

    private func byte(at index: Int) -> UInt8? { index < bytes.count ? bytes[index] : nil }

    private func startsMeta(at index: Int) -> Bool {
        guard bytes.hasPrefix(ignoringCase: "<meta", at: index), let next = byte(at: index + 5) else {
            return false
        }
        return ASCII.isWhitespace(next) || next == slash
    }

    private mutating func skipTagName() {
        while let byte = byte(at: position), !ASCII.isWhitespace(byte), byte != greaterThan { position += 1 }
    }

    private func startsTag(at index: Int) -> Bool {
        guard let second = byte(at: index + 1) else { return false }
        if ASCII.isLetter(second) { return true }
        return second == slash && (byte(at: index + 2).map(ASCII.isLetter) ?? false)
    }

    private func startsBogusComment(at index: Int) -> Bool {
        guard let second = byte(at: index + 1) else { return false }
        return second == exclamation || second == slash || second == question
    }

    private var lessThan: UInt8 { UInt8(ascii: "<") }
    private var greaterThan: UInt8 { UInt8(ascii: ">") }
    private var slash: UInt8 { UInt8(ascii: "/") }
    private var equals: UInt8 { UInt8(ascii: "=") }
    private var exclamation: UInt8 { UInt8(ascii: "!") }
    private var question: UInt8 { UInt8(ascii: "?") }
    private var doubleQuote: UInt8 { UInt8(ascii: "\"") }
    private var singleQuote: UInt8 { UInt8(ascii: "'") }
}
