// A writer of JSON text into one growable buffer of bytes, for items and summaries on the hot path.
// Must not know of Foundation, of files, or of the types that are written.

/// Writes JSON (RFC 8259) as UTF-8 bytes, without white space.
///
/// Shape: calls nest as the text does. `beginObject`, then `key` and one value in turns, then `endObject`;
/// `field` is key and value in one. Commas and colons come by themselves. Several values at the top may
/// follow one another when `endLine` stands between them (JSON Lines).
///
/// Errors: a text that does not balance is a programmer's error and traps at `endLine` or at the wrong `end`.
///
/// Complexity: linear in the text; it allocates only when the buffer grows.
public struct JSONWriter: Sendable {
    /// What has been written.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false
    /// One bit an open level, the innermost lowest: 1 for an object. 64 levels are enough for any item.
    private var openObjects: UInt64 = 0
    private var depth = 0

    /// Levels of objects and arrays inside one another.
    public static let depthMax = 64

    /// An empty writer with room for `capacity` bytes.
    public init(capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    /// Forgets everything written and every open object and array.
    public mutating func removeAll(keepingCapacity: Bool) {
        bytes.removeAll(keepingCapacity: keepingCapacity)
        needsComma = false
        openObjects = 0
        depth = 0
    }

    // MARK: Structure

    /// Opens an object.
    public mutating func beginObject() { begin(UInt8(ascii: "{"), isObject: true) }

    /// Closes the innermost object.
    public mutating func endObject() { end(UInt8(ascii: "}"), isObject: true) }

    /// Opens an array.
    public mutating func beginArray() { begin(UInt8(ascii: "["), isObject: false) }

    /// Closes the innermost array.
    public mutating func endArray() { end(UInt8(ascii: "]"), isObject: false) }

    /// Writes a member's name; one value must follow.
    public mutating func key(_ name: String) {
        precondition(depth > 0 && openObjects & 1 == 1, "a JSON key outside an object")
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Ends a line of JSON Lines after one whole value.
    public mutating func endLine() {
        precondition(depth == 0, "a line of JSON with an open object or array")
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    // MARK: Values

    /// Writes `null`.
    public mutating func null() { literal("null") }

    /// Writes `true` or `false`.
    public mutating func bool(_ value: Bool) { literal(value ? "true" : "false") }

    /// Writes a signed number.
    public mutating func int(_ value: Int) {
        separate()
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        appendDecimal(UInt64(value.magnitude))
    }

    /// Writes an unsigned number. Above 2^53 many readers round it (RFC 8259 section 6).
    public mutating func uint(_ value: UInt64) {
        separate()
        appendDecimal(value)
    }

    /// Writes the shortest text that reads back as the same number; JSON has no NaN and no infinity, so those
    /// become `null`.
    public mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        separate()
        bytes.append(contentsOf: value.description.utf8)
    }

    /// Writes a string.
    public mutating func string(_ value: String) {
        separate()
        var value = value
        value.withUTF8 { unsafe appendQuoted($0, isValid: true) }
    }

    /// Writes bytes as a string; whatever is not well-formed UTF-8 becomes U+FFFD, as the Unicode Standard's
    /// "substitution of maximal subparts" does it.
    public mutating func string(utf8 value: Span<UInt8>) {
        separate()
        unsafe value.withUnsafeBufferPointer { unsafe appendQuoted($0, isValid: false) }
    }

    /// Writes bytes that are one JSON value already, such as an encoder's output. They are not checked.
    public mutating func raw(_ value: Span<UInt8>) {
        precondition(!value.isEmpty, "an empty JSON value")
        separate()
        unsafe value.withUnsafeBufferPointer { unsafe bytes.append(contentsOf: $0) }
    }

    /// Writes whatever writes itself.
    public mutating func value(_ value: some JSONRepresentable) { value.writeJSON(to: &self) }

    // MARK: Members

    /// Writes a member with a string.
    public mutating func field(_ name: String, _ value: String) {
        key(name)
        string(value)
    }

    /// Writes a member with a string, or `null`.
    public mutating func field(_ name: String, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    /// Writes a member with a signed number.
    public mutating func field(_ name: String, _ value: Int) {
        key(name)
        int(value)
    }

    /// Writes a member with an unsigned number.
    public mutating func field(_ name: String, _ value: UInt64) {
        key(name)
        uint(value)
    }

    /// Writes a member with a number.
    public mutating func field(_ name: String, _ value: Double) {
        key(name)
        double(value)
    }

    /// Writes a member with a truth value.
    public mutating func field(_ name: String, _ value: Bool) {
        key(name)
        bool(value)
    }

    /// Writes a member with an array of strings.
    public mutating func field(_ name: String, _ values: [String]) {
        key(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }

    /// Writes a member with whatever writes itself.
    public mutating func field(_ name: String, _ value: some JSONRepresentable) {
        key(name)
        value.writeJSON(to: &self)
    }

    // MARK: Helpers

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func begin(_ bracket: UInt8, isObject: Bool) {
        precondition(depth < Self.depthMax, "JSON nested too deeply")
        separate()
        bytes.append(bracket)
        needsComma = false
        depth += 1
        openObjects = openObjects << 1 | (isObject ? 1 : 0)
    }

    private mutating func end(_ bracket: UInt8, isObject: Bool) {
        precondition(depth > 0 && (openObjects & 1 == 1) == isObject, "a JSON end without its begin")
        bytes.append(bracket)
        needsComma = true
        depth -= 1
        openObjects >>= 1
    }

    private mutating func literal(_ text: StaticString) {
        separate()
        unsafe bytes.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func appendDecimal(_ value: UInt64) {
        guard value >= 10 else { return bytes.append(UInt8(ascii: "0") + UInt8(value)) }
        var digits = 0
        var rest = value
        while rest > 0 {
            digits += 1
            rest /= 10
        }
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: digits))
        rest = value
        for place in stride(from: start + digits - 1, through: start, by: -1) {
            bytes[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    /// Runs of bytes that need no care are copied whole; `isValid` says that the UTF-8 was checked before.
    private mutating func appendQuoted(_ text: UnsafeBufferPointer<UInt8>, isValid: Bool) {
        bytes.append(UInt8(ascii: "\""))
        var runStart = 0
        var position = 0
        while true {
            position = unsafe Self.skipPlain(text, from: position)
            guard position < text.count else { break }
            let byte = unsafe text[position]
            if byte < 0x80 {
                unsafe bytes.append(contentsOf: text[runStart..<position])
                appendEscape(byte)
                position += 1
                runStart = position
                continue
            }
            let length = unsafe Self.sequenceLength(text, at: position)
            if !isValid, length < 0 {
                unsafe bytes.append(contentsOf: text[runStart..<position])
                bytes += [0xEF, 0xBF, 0xBD]
                position += -length
                runStart = position
            } else if unsafe length == 3 && Self.isLineSeparator(text, at: position) {
                unsafe bytes.append(contentsOf: text[runStart..<position])
                unsafe appendUnicodeEscape(0x2000 | UInt16(text[position + 2] & 0x3F))
                position += 3
                runStart = position
            } else {
                position += length
            }
        }
        unsafe bytes.append(contentsOf: text[runStart...])
        bytes.append(UInt8(ascii: "\""))
    }

    /// The next byte that is not printable ASCII or must be escaped, eight bytes a step.
    private static func skipPlain(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var position = start
        if let address = text.baseAddress {
            while position + 8 <= text.count {
                let word = unsafe UnsafeRawPointer(address + position).loadUnaligned(as: UInt64.self)
                // A byte's high bit ends up set where it was set, or where a subtraction borrowed. A borrow
                // may also mark the byte above a real hit, never one below it, so a clean word is clean for
                // sure.
                let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
                let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
                let hits = (word &- ones &* 0x20) | (quote &- ones) | (backslash &- ones) | word
                guard hits & highs == 0 else { break }
                position += 8
            }
        }
        while unsafe position < text.count && isPlain(text[position]) { position += 1 }
        return position
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// U+2028 and U+2029, which older JavaScript takes for line ends inside a string: E2 80 A8, E2 80 A9.
    private static func isLineSeparator(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> Bool {
        unsafe text[position] == 0xE2 && text[position + 1] == 0x80 && text[position + 2] & 0xFE == 0xA8
    }

    /// The length of the well-formed sequence that begins here with a byte over 0x7F, or minus the number of
    /// bytes that one U+FFFD stands for (Unicode Standard, table 3-7 and section 3.9, U+FFFD substitution).
    private static func sequenceLength(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
        let lead = unsafe text[position]
        var second: ClosedRange<UInt8> = 0x80...0xBF
        let length: Int
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if lead == 0xE0 { second = 0xA0...0xBF }
            if lead == 0xED { second = 0x80...0x9F }
        case 0xF0...0xF4:
            length = 4
            if lead == 0xF0 { second = 0x90...0xBF }
            if lead == 0xF4 { second = 0x80...0x8F }
        default: return -1
        }
        guard unsafe position + 1 < text.count && second.contains(text[position + 1]) else { return -1 }
        for index in 2..<max(length, 2) {
            guard unsafe position + index < text.count && text[position + index] & 0xC0 == 0x80 else {
                return -index
            }
        }
        return length
    }

    private mutating func appendEscape(_ byte: UInt8) {
        let short: UInt8? =
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): byte
            case 0x08: UInt8(ascii: "b")
            case 0x09: UInt8(ascii: "t")
            case 0x0A: UInt8(ascii: "n")
            case 0x0C: UInt8(ascii: "f")
            case 0x0D: UInt8(ascii: "r")
            default: nil
            }
        guard let short else { return appendUnicodeEscape(UInt16(byte)) }
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(short)
    }

    private mutating func appendUnicodeEscape(_ unit: UInt16) {
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(UInt8(ascii: "u"))
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
