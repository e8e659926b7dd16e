// Writes MessagePack into memory of the caller, without allocating.
// Knows nothing of Codable or of envelopes; that counts are right is up to its caller.

/// Writes values one after the other into a span, each in its smallest encoding.
///
/// A buffer that is too small is no error until `finish()`: nothing is written behind its end, `count` goes
/// on counting, and `finish()` says how much would have been needed.
///
/// ```swift
/// var buffer = [UInt8](repeating: 0, count: 64)
/// var span = buffer.mutableSpan
/// var writer = MessagePackWriter(span)
/// writer.writeMapHeader(count: 1)
/// writer.write("page")
/// writer.write(7)
/// let length = try writer.finish()   // 7
/// ```
///
/// Ownership: borrows the caller's memory for as long as it lives.
///
/// Source: msgpack/spec.md.
@safe
public struct MessagePackWriter: ~Copyable, ~Escapable {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let capacity: Int
    /// How many bytes the values so far take, whether the buffer held them or not.
    @inlinable public var count: Int { used }
    @usableFromInline var used = 0

    /// Writes to the start of `output`.
    @inlinable
    @_lifetime(copy output)
    public init(_ output: consuming MutableSpan<UInt8>) {
        capacity = output.count
        // An empty span has no address; nothing is written to this one.
        unsafe base = output.withUnsafeMutableBufferPointer {
            unsafe UnsafeMutableRawPointer($0.baseAddress ?? UnsafeMutablePointer(bitPattern: 1)!)
        }
    }

    /// How many bytes were written. `noRoom`, with how many would have been, when the buffer was too small.
    @inlinable
    public func finish() throws(MessagePackError) -> Int {
        guard count <= capacity else { throw MessagePackError(.noRoom, at: count) }
        return count
    }

    // MARK: Scalars

    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeNil() {
        put(MessagePackMarker.nil)
    }

    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ value: Bool) {
        put(value ? MessagePackMarker.true : MessagePackMarker.false)
    }

    /// - Precondition: 64 bits, with or without a sign, can hold it.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ value: some FixedWidthInteger) {
        if value >= 0 {
            writeUnsigned(UInt64(value))
        } else {
            writeNegative(Int64(value))
        }
    }

    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ value: Float) {
        put(MessagePackMarker.float32, value.bitPattern)
    }

    /// As 64 bits, also where 32 would do: what was a `Double` stays one.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ value: Double) {
        put(MessagePackMarker.float64, value.bitPattern)
    }

    // MARK: Bytes

    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ value: String) {
        let written: Void? = unsafe value.utf8.withContiguousStorageIfAvailable {
            unsafe writeString(Span(_unsafeElements: $0))
        }
        guard written == nil else { return }
        // Only a string of another runtime is not contiguous.
        var value = value
        value.withUTF8 { unsafe writeString(Span(_unsafeElements: $0)) }
    }

    /// A string that is UTF-8 already, which is not checked.
    /// - Precondition: less than 4 GiB.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeString(_ utf8: Span<UInt8>) {
        writeStringHeader(byteCount: utf8.count)
        append(utf8)
    }

    /// - Precondition: less than 4 GiB.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeBinary(_ bytes: Span<UInt8>) {
        writeBinaryHeader(byteCount: bytes.count)
        append(bytes)
    }

    /// Application data with its type; negative types are the format's own.
    /// - Precondition: less than 4 GiB.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeExtension(type: Int8, _ bytes: Span<UInt8>) {
        writeExtensionHeader(type: type, byteCount: bytes.count)
        append(bytes)
    }

    @inlinable
    @_lifetime(self: copy self)
    public mutating func write(_ value: MessagePackTimestamp) {
        let type = MessagePackTimestamp.extensionType
        if value.seconds >> 34 != 0 {
            writeExtensionHeader(type: type, byteCount: 12)
            append(bigEndian: value.nanoseconds)
            append(bigEndian: UInt64(bitPattern: value.seconds))
        } else if value.nanoseconds != 0 || value.seconds > UInt32.max {
            writeExtensionHeader(type: type, byteCount: 8)
            append(bigEndian: UInt64(value.nanoseconds) << 34 | UInt64(value.seconds))
        } else {
            writeExtensionHeader(type: type, byteCount: 4)
            append(bigEndian: UInt32(value.seconds))
        }
    }

    // MARK: Headers

    /// As many values follow.
    /// - Precondition: `count` is 0 to 2³² − 1, as for the other headers.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeArrayHeader(count: Int) {
        if count < 16 {
            put(MessagePackMarker.arrayMin | UInt8(count))
        } else if count <= UInt16.max {
            put(MessagePackMarker.array16, UInt16(count))
        } else {
            put(MessagePackMarker.array32, UInt32(count))
        }
    }

    /// As many pairs follow, each a key and its value.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeMapHeader(count: Int) {
        if count < 16 {
            put(MessagePackMarker.mapMin | UInt8(count))
        } else if count <= UInt16.max {
            put(MessagePackMarker.map16, UInt16(count))
        } else {
            put(MessagePackMarker.map32, UInt32(count))
        }
    }

    /// As many bytes of UTF-8 follow, by `append`.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeStringHeader(byteCount: Int) {
        if byteCount < 32 {
            put(MessagePackMarker.stringMin | UInt8(byteCount))
        } else if byteCount <= UInt8.max {
            put(MessagePackMarker.string8, UInt8(byteCount))
        } else if byteCount <= UInt16.max {
            put(MessagePackMarker.string16, UInt16(byteCount))
        } else {
            put(MessagePackMarker.string32, UInt32(byteCount))
        }
    }

    /// As many bytes follow, by `append`.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeBinaryHeader(byteCount: Int) {
        if byteCount <= UInt8.max {
            put(MessagePackMarker.binary8, UInt8(byteCount))
        } else if byteCount <= UInt16.max {
            put(MessagePackMarker.binary16, UInt16(byteCount))
        } else {
            put(MessagePackMarker.binary32, UInt32(byteCount))
        }
    }

    /// As many bytes follow, by `append`.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func writeExtensionHeader(type: Int8, byteCount: Int) {
        switch byteCount {
        case 1: put(MessagePackMarker.fixedExtension1)
        case 2: put(MessagePackMarker.fixedExtension2)
        case 4: put(MessagePackMarker.fixedExtension4)
        case 8: put(MessagePackMarker.fixedExtension8)
        case 16: put(MessagePackMarker.fixedExtension16)
        case ...Int(UInt8.max): put(MessagePackMarker.extension8, UInt8(byteCount))
        case ...Int(UInt16.max): put(MessagePackMarker.extension16, UInt16(byteCount))
        default: put(MessagePackMarker.extension32, UInt32(byteCount))
        }
        put(UInt8(bitPattern: type))
    }

    /// The bytes as they are: what a header announced, or values that are MessagePack already.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func append(_ bytes: Span<UInt8>) {
        let length = bytes.count
        if length > 0, capacity - used >= length {
            unsafe bytes.withUnsafeBufferPointer {
                unsafe (base + used).copyMemory(from: UnsafeRawPointer($0.baseAddress!), byteCount: length)
            }
        }
        used += length
    }
}

// MARK: Integers and what carries them

extension MessagePackWriter {
    @inlinable
    @_lifetime(self: copy self)
    mutating func writeUnsigned(_ value: UInt64) {
        if value <= MessagePackMarker.positiveMax {
            put(UInt8(truncatingIfNeeded: value))
        } else if value <= UInt8.max {
            put(MessagePackMarker.unsigned8, UInt8(truncatingIfNeeded: value))
        } else if value <= UInt16.max {
            put(MessagePackMarker.unsigned16, UInt16(truncatingIfNeeded: value))
        } else if value <= UInt32.max {
            put(MessagePackMarker.unsigned32, UInt32(truncatingIfNeeded: value))
        } else {
            put(MessagePackMarker.unsigned64, value)
        }
    }

    @inlinable
    @_lifetime(self: copy self)
    mutating func writeNegative(_ value: Int64) {
        if value >= -32 {
            put(UInt8(truncatingIfNeeded: value))
        } else if value >= Int8.min {
            put(MessagePackMarker.signed8, UInt8(truncatingIfNeeded: value))
        } else if value >= Int16.min {
            put(MessagePackMarker.signed16, UInt16(truncatingIfNeeded: value))
        } else if value >= Int32.min {
            put(MessagePackMarker.signed32, UInt32(truncatingIfNeeded: value))
        } else {
            put(MessagePackMarker.signed64, UInt64(bitPattern: value))
        }
    }

    @inlinable
    @_lifetime(self: copy self)
    mutating func put(_ byte: UInt8) {
        if used < capacity { unsafe base.storeBytes(of: byte, toByteOffset: used, as: UInt8.self) }
        used += 1
    }

    @inlinable
    @_lifetime(self: copy self)
    mutating func put<Word: FixedWidthInteger & BitwiseCopyable>(_ marker: UInt8, _ word: Word) {
        let length = 1 + MemoryLayout<Word>.size
        if capacity - used >= length {
            unsafe base.storeBytes(of: marker, toByteOffset: used, as: UInt8.self)
            unsafe base.storeBytes(of: word.bigEndian, toByteOffset: used + 1, as: Word.self)
        }
        used += length
    }

    @inlinable
    @_lifetime(self: copy self)
    mutating func append<Word: FixedWidthInteger & BitwiseCopyable>(bigEndian word: Word) {
        let length = MemoryLayout<Word>.size
        if capacity - used >= length {
            unsafe base.storeBytes(of: word.bigEndian, toByteOffset: used, as: Word.self)
        }
        used += length
    }
}
