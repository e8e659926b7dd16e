// Any MessagePack value as a tree: for tools, and for data whose form is not known beforehand.

/// A value with all that is in it.
///
/// Two values are equal when they are of one case and Swift takes what they hold for equal: `integer(1)` is
/// not `float(1)`, and no NaN is equal to itself.
public enum MessagePackValue: Sendable, Hashable {
    case `nil`
    case boolean(Bool)
    /// Every integer but those over `Int64.max`, which are `unsigned`.
    case integer(Int64)
    case unsigned(UInt64)
    case float(Float)
    case double(Double)
    case string(String)
    case binary([UInt8])
    case array([MessagePackValue])
    /// In the order of the input. The reader refuses no key and takes the same one twice.
    case map([Pair])
    case timestamp(MessagePackTimestamp)
    /// With its application's type.
    case `extension`(Int8, [UInt8])

    /// A key and its value.
    public struct Pair: Sendable, Hashable {
        public let key: MessagePackValue
        public let value: MessagePackValue

        public init(_ key: MessagePackValue, _ value: MessagePackValue) {
            self.key = key
            self.value = value
        }
    }

    /// An integer; `unsigned` only where it is over `Int64.max`.
    /// - Precondition: 64 bits, with or without a sign, can hold it.
    public init(_ number: some FixedWidthInteger) {
        self = Int64(exactly: number).map(MessagePackValue.integer) ?? .unsigned(UInt64(number))
    }
}

extension MessagePackReader {
    /// The next value with all that is in it.
    ///
    /// An extension of type −1 without a timestamp's form is an error. Recursion goes as deep as
    /// `MessagePackLimits.depthMax`, and memory to some seventy times the input.
    @_lifetime(self: copy self)
    public mutating func readValue() throws(MessagePackError) -> MessagePackValue {
        let start = position
        do throws(MessagePackError) {
            return try readValue(depth: 0)
        } catch {
            position = start
            throw error
        }
    }

    @_lifetime(self: copy self)
    private mutating func readValue(depth: Int) throws(MessagePackError) -> MessagePackValue {
        let found = try marker()
        switch MessagePackKind(marker: found) {
        case .nil:
            position += 1
            return .nil
        case .boolean: return .boolean(try readBool())
        case .integer:
            if found == MessagePackMarker.unsigned64 {
                return MessagePackValue(try readInteger(as: UInt64.self))
            }
            return .integer(try readInteger(as: Int64.self))
        case .float:
            let single = found == MessagePackMarker.float32
            let number = try readDouble()
            return single ? .float(Float(number)) : .double(number)
        case .string: return .string(try readString())
        case .binary: return .binary(Array(copying: try readBinary()))
        case .array, .map: return try readContainer(found, depth: depth + 1)
        case .extension:
            let type = try peekExtension().type
            if type == MessagePackTimestamp.extensionType { return .timestamp(try readTimestamp()) }
            return .extension(type, Array(copying: try readExtensionBytes()))
        case .reserved: throw MessagePackError(.reserved, at: position)
        }
    }

    @_lifetime(self: copy self)
    private mutating func readContainer(
        _ marker: UInt8, depth: Int
    ) throws(MessagePackError) -> MessagePackValue {
        guard depth <= limits.depthMax else { throw MessagePackError(.tooDeep, at: position) }
        if MessagePackKind(marker: marker) == .array {
            var values: [MessagePackValue] = []
            for _ in 0..<(try readArrayHeader()) { values.append(try readValue(depth: depth)) }
            return .array(values)
        }
        var pairs: [MessagePackValue.Pair] = []
        for _ in 0..<(try readMapHeader()) {
            let key = try readValue(depth: depth)
            pairs.append(MessagePackValue.Pair(key, try readValue(depth: depth)))
        }
        return .map(pairs)
    }
}

extension MessagePackWriter {
    /// The value with all that is in it. Recursion goes as deep as the tree.
    @_lifetime(self: copy self)
    public mutating func write(_ value: MessagePackValue) {
        switch value {
        case .nil: writeNil()
        case .boolean(let flag): write(flag)
        case .integer(let number): write(number)
        case .unsigned(let number): write(number)
        case .float(let number): write(number)
        case .double(let number): write(number)
        case .string(let text): write(text)
        case .binary(let bytes): writeBinary(bytes.span)
        case .timestamp(let moment): write(moment)
        case .extension(let type, let bytes): writeExtension(type: type, bytes.span)
        case .array(let values):
            writeArrayHeader(count: values.count)
            for value in values { write(value) }
        case .map(let pairs):
            writeMapHeader(count: pairs.count)
            for pair in pairs {
                write(pair.key)
                write(pair.value)
            }
        }
    }
}

extension [UInt8] {
    /// A copy of the bytes.
    init(copying bytes: Span<UInt8>) {
        self = unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
    }
}
