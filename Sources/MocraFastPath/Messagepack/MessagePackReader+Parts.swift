// What reading values is made of: markers, words, lengths, each checked against the end of the input.

/// A number as it stands in the input.
@usableFromInline
enum MessagePackNumber {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
}

extension Span<UInt8> {
    /// - Precondition: the word lies within the span.
    @unsafe
    @inlinable
    func bigEndian<Word: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Word.Type) -> Word {
        Word(bigEndian: unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: type))
    }
}

extension MessagePackReader {
    @inlinable
    func marker() throws(MessagePackError) -> UInt8 {
        guard position < input.count else { throw MessagePackError(.truncated, at: position) }
        return unsafe input[unchecked: position]
    }

    /// The word behind the marker.
    @inlinable
    func word<Word: FixedWidthInteger & BitwiseCopyable>(_ type: Word.Type) throws(MessagePackError) -> Word {
        guard input.count - position > MemoryLayout<Word>.size else {
            throw MessagePackError(.truncated, at: position)
        }
        return unsafe input.bigEndian(at: position + 1, as: type)
    }

    @inlinable
    func mismatch(_ expected: MessagePackKind, _ marker: UInt8) -> MessagePackError {
        let found = MessagePackKind(marker: marker)
        return MessagePackError(
            found == .reserved ? .reserved : .mismatch(expected: expected, found: found), at: position)
    }

    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    mutating func take(header: Int, length: Int) throws(MessagePackError) -> Span<UInt8> {
        guard length <= limits.lengthBytesMax else { throw MessagePackError(.tooLong, at: position) }
        guard length <= input.count - position - header else {
            throw MessagePackError(.truncated, at: position)
        }
        let first = position + header
        position = first + length
        return unsafe input.extracting(unchecked: first..<position)
    }

    /// Enters an array or map with `count` elements that take `each` bytes at least.
    @inlinable
    @_lifetime(self: copy self)
    mutating func enter(header: Int, count: Int, each: Int) throws(MessagePackError) -> Int {
        guard count <= limits.countMax else { throw MessagePackError(.tooMany, at: position) }
        guard count * each <= input.count - position - header else {
            throw MessagePackError(.truncated, at: position)
        }
        position += header
        return count
    }

    /// A string that is not known to be UTF-8.
    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    mutating func readUncheckedStringBytes() throws(MessagePackError) -> Span<UInt8> {
        let found = try marker()
        switch found {
        case MessagePackMarker.stringMin...MessagePackMarker.stringMax:
            return try take(header: 1, length: Int(found & 0x1f))
        case MessagePackMarker.string8: return try take(header: 2, length: Int(try word(UInt8.self)))
        case MessagePackMarker.string16: return try take(header: 3, length: Int(try word(UInt16.self)))
        case MessagePackMarker.string32: return try take(header: 5, length: Int(try word(UInt32.self)))
        default: throw mismatch(.string, found)
        }
    }

    /// - Parameter expected: what the caller asked for, for the error.
    @usableFromInline
    @_lifetime(self: copy self)
    mutating func readNumber(
        _ found: UInt8, _ expected: MessagePackKind = .integer
    ) throws(MessagePackError) -> MessagePackNumber {
        let number: MessagePackNumber
        var size = 0
        switch found {
        case ...MessagePackMarker.positiveMax: number = .unsigned(UInt64(found))
        case MessagePackMarker.negativeMin...: number = .signed(Int64(Int8(bitPattern: found)))
        case MessagePackMarker.unsigned8: (number, size) = (.unsigned(UInt64(try word(UInt8.self))), 1)
        case MessagePackMarker.unsigned16: (number, size) = (.unsigned(UInt64(try word(UInt16.self))), 2)
        case MessagePackMarker.unsigned32: (number, size) = (.unsigned(UInt64(try word(UInt32.self))), 4)
        case MessagePackMarker.unsigned64: (number, size) = (.unsigned(try word(UInt64.self)), 8)
        case MessagePackMarker.signed8: (number, size) = (.signed(Int64(try word(Int8.self))), 1)
        case MessagePackMarker.signed16: (number, size) = (.signed(Int64(try word(Int16.self))), 2)
        case MessagePackMarker.signed32: (number, size) = (.signed(Int64(try word(Int32.self))), 4)
        case MessagePackMarker.signed64: (number, size) = (.signed(try word(Int64.self)), 8)
        case MessagePackMarker.float32:
            (number, size) = (.float(Double(Float(bitPattern: try word(UInt32.self)))), 4)
        case MessagePackMarker.float64:
            (number, size) = (.float(Double(bitPattern: try word(UInt64.self))), 8)
        default: throw mismatch(expected, found)
        }
        position += 1 + size
        return number
    }

    /// The bytes before an extension's data, its type among them, and the length of the data. The header is
    /// within the input.
    @inlinable
    func extensionHeader() throws(MessagePackError) -> (header: Int, length: Int) {
        let found = try marker()
        let header: Int
        let length: Int
        switch found {
        case MessagePackMarker.fixedExtension1...MessagePackMarker.fixedExtension16:
            (header, length) = (2, 1 << Int(found - MessagePackMarker.fixedExtension1))
        case MessagePackMarker.extension8: (header, length) = (3, Int(try word(UInt8.self)))
        case MessagePackMarker.extension16: (header, length) = (4, Int(try word(UInt16.self)))
        case MessagePackMarker.extension32: (header, length) = (6, Int(try word(UInt32.self)))
        default: throw mismatch(.extension, found)
        }
        guard header <= input.count - position else { throw MessagePackError(.truncated, at: position) }
        return (header, length)
    }

    /// Passes over one value; of an array or map over its header only. How many values are in it.
    @_lifetime(self: copy self)
    mutating func skipOne() throws(MessagePackError) -> Int {
        let found = try marker()
        switch MessagePackKind(marker: found) {
        case .nil, .boolean: position += 1
        case .integer, .float: _ = try readNumber(found)
        case .string: _ = try readUncheckedStringBytes()
        case .binary: _ = try readBinary()
        case .extension: _ = try readExtensionBytes()
        case .array: return try readArrayHeader()
        case .map: return try readMapHeader() * 2
        case .reserved: throw MessagePackError(.reserved, at: position)
        }
        return 0
    }
}
