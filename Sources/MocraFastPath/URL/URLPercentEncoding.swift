// Percent-encode sets of the URL Standard and the byte tests that its states share.
// Pure functions on bytes: knows nothing of URLs' parts.

/// A set of ASCII bytes in two words, so that a test is a shift and a mask.
struct ASCIISet: Sendable, Equatable {
    private(set) var low: UInt64 = 0
    private(set) var high: UInt64 = 0

    init(_ members: StaticString) {
        for index in 0..<members.utf8CodeUnitCount {
            insert(unsafe members.utf8Start[index])
        }
    }

    mutating func insert(_ byte: UInt8) {
        precondition(byte < 0x80, "an ASCIISet holds ASCII only")
        if byte < 64 {
            low |= 1 << UInt64(byte)
        } else {
            high |= 1 << UInt64(byte - 64)
        }
    }

    /// Whether the byte is a member; bytes from 0x80 never are.
    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        let word = byte & 0x40 == 0 ? low : high
        return (word &>> UInt64(byte & 0x3F)) & 1 != 0 && byte < 0x80
    }

    /// Whether the byte is a member or outside ASCII: the question of every percent-encode set.
    @inline(__always)
    func containsOrIsNotASCII(_ byte: UInt8) -> Bool {
        let word = byte & 0x40 == 0 ? low : high
        return (word &>> UInt64(byte & 0x3F)) & 1 != 0 || byte >= 0x80
    }

    func adding(_ members: StaticString) -> ASCIISet {
        var result = self
        let other = ASCIISet(members)
        result.low |= other.low
        result.high |= other.high
        return result
    }
}

/// Source: URL Standard §1.3 (percent-encode sets) and §3.1 (host code points).
extension ASCIISet {
    /// C0 controls and DEL. Bytes from 0x80 belong to every percent-encode set and are tested apart.
    static let control: ASCIISet = {
        var set = ASCIISet("\u{7F}")
        for byte in UInt8(0)..<0x20 { set.insert(byte) }
        return set
    }()
    static let fragment = control.adding(" \"<>`")
    static let specialQuery = control.adding(" \"#<>'")
    static let path = control.adding(" \"#<>?^`{}")
    static let userinfo = path.adding("/:;=@[\\]|")

    /// What ends a run of plain bytes in a path: the bytes to encode, the separators and the terminators.
    static let pathBreak = path.adding("/\\")
    /// What may not stand in a domain after percent-decoding, `%` among them.
    static let forbiddenDomain = control.adding(" #/:<>?@[\\]^|%")
}

extension UInt8 {
    @inline(__always)
    var isASCIILetter: Bool { (self | 0x20) &- UInt8(ascii: "a") < 26 }

    @inline(__always)
    var isASCIIDigit: Bool { self &- UInt8(ascii: "0") < 10 }

    @inline(__always)
    var lowercasedASCII: UInt8 { self &- UInt8(ascii: "A") < 26 ? self | 0x20 : self }

    /// The value of a hexadecimal digit.
    @inline(__always)
    var hexDigitValue: UInt8? {
        if isASCIIDigit { return self &- UInt8(ascii: "0") }
        let letter = (self | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? letter + 10 : nil
    }

    /// A solidus or, in the schemes that this library knows, a reverse solidus.
    @inline(__always)
    var isURLSlash: Bool { self == UInt8(ascii: "/") || self == UInt8(ascii: "\\") }

    /// The digit for a value below 16, in upper case as the URL Standard writes it.
    @inline(__always)
    static func upperHexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
}

extension OutputSpan<UInt8> {
    @inline(__always)
    mutating func appendPercentEncoded(_ byte: UInt8) {
        append(UInt8(ascii: "%"))
        append(.upperHexDigit(byte >> 4))
        append(.upperHexDigit(byte & 0x0F))
    }

    /// Appends the bytes of `range`, those of `set` and all outside ASCII percent-encoded.
    @inline(__always)
    mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>, encoding set: ASCIISet) {
        for index in range {
            let byte = bytes[index]
            if set.containsOrIsNotASCII(byte) {
                appendPercentEncoded(byte)
            } else {
                append(byte)
            }
        }
    }

    /// Appends the bytes of `range` as they are.
    @inline(__always)
    mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        for index in range { append(bytes[index]) }
    }

    mutating func append(_ text: StaticString) {
        for index in 0..<text.utf8CodeUnitCount { append(unsafe text.utf8Start[index]) }
    }
}

/// The bytes of `range` with each `%` and two hexadecimal digits replaced by the byte that they spell.
func percentDecoded(_ bytes: Span<UInt8>, _ range: Range<Int>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
        let byte = bytes[index]
        if byte == UInt8(ascii: "%"), index + 2 < range.upperBound,
            let first = bytes[index + 1].hexDigitValue, let second = bytes[index + 2].hexDigitValue
        {
            result.append(first << 4 | second)
            index += 3
        } else {
            result.append(byte)
            index += 1
        }
    }
    return result
}
