// Reads MessagePack where it lies, without copying or allocating.
// Knows nothing of Codable or of envelopes.

/// Reads values one after the other from a span.
///
/// Strings and binaries come as spans of the input. A copy of a reader is a place to come back to. After an
/// error the reader stands where the value begins, and says nothing about what follows.
///
/// ```swift
/// var reader = MessagePackReader(bytes.span)
/// for _ in 0..<(try reader.readMapHeader()) {
///     let key = try reader.readString()
///     if key == "page" { page = try reader.readInteger(as: Int.self) } else { try reader.skip() }
/// }
/// try reader.finish()
/// ```
///
/// Ownership: borrows the input; so does every span that it gives out.
///
/// Errors: any input ends in values or in a `MessagePackError`, in time linear in its length.
///
/// Source: msgpack/spec.md.
public struct MessagePackReader: ~Escapable {
    @usableFromInline let input: Span<UInt8>
    /// Bytes before the next value.
    @inlinable public var offset: Int { position }
    @usableFromInline var position = 0
    public let limits: MessagePackLimits

    @inlinable
    @_lifetime(copy input)
    public init(_ input: Span<UInt8>, limits: MessagePackLimits = MessagePackLimits()) {
        self.input = input
        self.limits = limits
    }

    /// Whether nothing is left.
    @inlinable public var isAtEnd: Bool { position == input.count }

    /// `trailingBytes` unless nothing is left.
    @inlinable
    public func finish() throws(MessagePackError) {
        guard isAtEnd else { throw MessagePackError(.trailingBytes, at: position) }
    }

    /// What stands next; nothing is read.
    @inlinable
    public func peek() throws(MessagePackError) -> MessagePackKind {
        MessagePackKind(marker: try marker())
    }

    // MARK: Scalars

    @inlinable
    @_lifetime(self: copy self)
    public mutating func readNil() throws(MessagePackError) {
        let found = try marker()
        guard found == MessagePackMarker.nil else { throw mismatch(.nil, found) }
        position += 1
    }

    /// Whether nil stood next; if so, it is read.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readNilIfPresent() throws(MessagePackError) -> Bool {
        guard try marker() == MessagePackMarker.nil else { return false }
        position += 1
        return true
    }

    @inlinable
    @_lifetime(self: copy self)
    public mutating func readBool() throws(MessagePackError) -> Bool {
        let found = try marker()
        guard found == MessagePackMarker.true || found == MessagePackMarker.false else {
            throw mismatch(.boolean, found)
        }
        position += 1
        return found == MessagePackMarker.true
    }

    /// Any encoding of the number will do, one as a float too. `outOfRange` if `Value` cannot hold it.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readInteger<Value: FixedWidthInteger>(
        as type: Value.Type = Value.self
    ) throws(MessagePackError) -> Value {
        let found = try marker()
        if found <= MessagePackMarker.positiveMax {
            position += 1
            return Value(truncatingIfNeeded: found)
        }
        let start = position
        let value: Value? =
            switch try readNumber(found) {
            case .unsigned(let number): Value(exactly: number)
            case .signed(let number): Value(exactly: number)
            case .float(let number): Value(exactly: number)
            }
        guard let value else {
            position = start
            throw MessagePackError(.outOfRange, at: start)
        }
        return value
    }

    /// Any encoding of the number will do. `outOfRange` for an integer that a `Double` cannot hold exactly.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readDouble() throws(MessagePackError) -> Double {
        let start = position
        let value: Double? =
            switch try readNumber(try marker(), .float) {
            case .unsigned(let number): Double(exactly: number)
            case .signed(let number): Double(exactly: number)
            case .float(let number): number
            }
        guard let value else {
            position = start
            throw MessagePackError(.outOfRange, at: start)
        }
        return value
    }

    // MARK: Bytes

    /// A string's UTF-8, checked.
    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func readStringBytes() throws(MessagePackError) -> Span<UInt8> {
        let start = position
        let bytes = try readUncheckedStringBytes()
        guard isUTF8(bytes) else {
            position = start
            throw MessagePackError(.invalidUTF8, at: start)
        }
        return bytes
    }

    @inlinable
    @_lifetime(self: copy self)
    public mutating func readString() throws(MessagePackError) -> String {
        let bytes = try readStringBytes()
        return unsafe bytes.withUnsafeBufferPointer { buffer in
            // Checked above; this checks again, which costs less than what allocating does.
            unsafe String(decoding: buffer, as: UTF8.self)
        }
    }

    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func readBinary() throws(MessagePackError) -> Span<UInt8> {
        let found = try marker()
        switch found {
        case MessagePackMarker.binary8: return try take(header: 2, length: Int(try word(UInt8.self)))
        case MessagePackMarker.binary16: return try take(header: 3, length: Int(try word(UInt16.self)))
        case MessagePackMarker.binary32: return try take(header: 5, length: Int(try word(UInt32.self)))
        default: throw mismatch(.binary, found)
        }
    }

    /// An extension's type and how many bytes it has, which `readExtensionBytes` reads.
    @inlinable
    public func peekExtension() throws(MessagePackError) -> (type: Int8, byteCount: Int) {
        let (header, length) = try extensionHeader()
        return (Int8(bitPattern: unsafe input[unchecked: position + header - 1]), length)
    }

    /// The bytes of an extension, whose type `peekExtension` tells.
    @inlinable
    @_lifetime(copy self)
    @_lifetime(self: copy self)
    public mutating func readExtensionBytes() throws(MessagePackError) -> Span<UInt8> {
        let (header, length) = try extensionHeader()
        return try take(header: header, length: length)
    }

    /// Any of the three forms.
    @_lifetime(self: copy self)
    public mutating func readTimestamp() throws(MessagePackError) -> MessagePackTimestamp {
        let start = position
        guard try peekExtension().type == MessagePackTimestamp.extensionType else {
            throw MessagePackError(.invalidTimestamp, at: start)
        }
        let bytes = try readExtensionBytes()
        var seconds: Int64 = 0
        var nanoseconds: UInt64 = 0
        switch bytes.count {
        case 4:
            seconds = Int64(unsafe bytes.bigEndian(at: 0, as: UInt32.self))
        case 8:
            let both = unsafe bytes.bigEndian(at: 0, as: UInt64.self)
            nanoseconds = both >> 34
            seconds = Int64(both & (1 << 34 - 1))
        case 12:
            nanoseconds = UInt64(unsafe bytes.bigEndian(at: 0, as: UInt32.self))
            seconds = Int64(bitPattern: unsafe bytes.bigEndian(at: 4, as: UInt64.self))
        default:
            nanoseconds = .max
        }
        guard nanoseconds < 1_000_000_000 else {
            position = start
            throw MessagePackError(.invalidTimestamp, at: start)
        }
        return MessagePackTimestamp(seconds: seconds, nanoseconds: UInt32(nanoseconds))
    }

    // MARK: Arrays, maps and what is not wanted

    /// How many values follow.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readArrayHeader() throws(MessagePackError) -> Int {
        let found = try marker()
        switch found {
        case MessagePackMarker.arrayMin...MessagePackMarker.arrayMax:
            return try enter(header: 1, count: Int(found & 0x0f), each: 1)
        case MessagePackMarker.array16:
            return try enter(header: 3, count: Int(try word(UInt16.self)), each: 1)
        case MessagePackMarker.array32:
            return try enter(header: 5, count: Int(try word(UInt32.self)), each: 1)
        default: throw mismatch(.array, found)
        }
    }

    /// How many pairs follow, each a key and its value.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func readMapHeader() throws(MessagePackError) -> Int {
        let found = try marker()
        switch found {
        case MessagePackMarker.mapMin...MessagePackMarker.mapMax:
            return try enter(header: 1, count: Int(found & 0x0f), each: 2)
        case MessagePackMarker.map16:
            return try enter(header: 3, count: Int(try word(UInt16.self)), each: 2)
        case MessagePackMarker.map32:
            return try enter(header: 5, count: Int(try word(UInt32.self)), each: 2)
        default: throw mismatch(.map, found)
        }
    }

    /// Passes over the next value with all that is in it. Strings are not checked, depth does not count.
    @_lifetime(self: copy self)
    public mutating func skip() throws(MessagePackError) {
        let start = position
        // Each value to come takes a byte at least, so that this stays below the length of the input.
        var left = 1
        do throws(MessagePackError) {
            while left > 0 {
                left += try skipOne() - 1
                if left > input.count - position { throw MessagePackError(.truncated, at: position) }
            }
        } catch {
            position = start
            throw error
        }
    }
}
