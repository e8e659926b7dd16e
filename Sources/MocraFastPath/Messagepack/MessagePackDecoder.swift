// Any Decodable value from MessagePack. Containers are read when they are asked for, by their place in it.

/// Decodes values of any `Decodable` type.
///
/// Shape: what `MessagePackEncoder` writes, in any encoding of the format; unknown keys are passed over, and
/// keys may be integers where the `CodingKey` has one.
///
/// Complexity: the input's length times the depth to which it is read. For what must be fast, read the type
/// by hand with `MessagePackReader`.
public struct MessagePackDecoder: Sendable {
    public var limits: MessagePackLimits
    /// For the values' own use.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    public init(limits: MessagePackLimits = MessagePackLimits()) {
        self.limits = limits
    }

    /// The value that `input` holds, and nothing behind it.
    ///
    /// Errors: `DecodingError`; where the bytes are at fault, with a `MessagePackError` that has the offset.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self, from input: [UInt8]) throws -> Value
    {
        let source = DecodingSource(bytes: input, limits: limits, userInfo: userInfo)
        try source.read(at: 0, []) { (reader) throws(MessagePackError) in
            try reader.skip()
            try reader.finish()
        }
        return try ValueDecoder(source: source, offset: 0, depth: 0, codingPath: []).decode(type)
    }

    /// The same, of a copy of `input`.
    public func decode<Value: Decodable>(
        _ type: Value.Type = Value.self, from input: Span<UInt8>
    ) throws -> Value {
        try decode(type, from: Array(copying: input))
    }
}

/// The input, which is whole: every value in it ends within it.
private final class DecodingSource: Sendable {
    let bytes: [UInt8]
    let limits: MessagePackLimits
    let userInfo: [CodingUserInfoKey: any Sendable]

    init(bytes: [UInt8], limits: MessagePackLimits, userInfo: [CodingUserInfoKey: any Sendable]) {
        self.bytes = bytes
        self.limits = limits
        self.userInfo = userInfo
    }

    /// Reads at a place; the reader's errors become those of Codable.
    func read<Result>(
        at offset: Int, _ path: [any CodingKey], as type: Any.Type = Any.self,
        _ body: (inout MessagePackReader) throws(MessagePackError) -> Result
    ) throws -> Result {
        let bytes = bytes
        var reader = MessagePackReader(bytes.span, limits: limits)
        reader.position = offset
        do throws(MessagePackError) {
            return try body(&reader)
        } catch {
            let context = DecodingError.Context(
                codingPath: path, debugDescription: error.description, underlyingError: error)
            switch error.kind {
            case .mismatch(_, .nil): throw DecodingError.valueNotFound(type, context)
            case .mismatch: throw DecodingError.typeMismatch(type, context)
            default: throw DecodingError.dataCorrupted(context)
            }
        }
    }
}

private struct ValueDecoder: Decoder {
    let source: DecodingSource
    let offset: Int
    let depth: Int
    let codingPath: [any CodingKey]

    var userInfo: [CodingUserInfoKey: Any] { source.userInfo }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if type == [UInt8].self, try kind() == .binary {
            let bytes = try source.read(at: offset, codingPath, as: type) {
                (reader) throws(MessagePackError) in
                return Array(copying: try reader.readBinary())
            }
            if let bytes = bytes as? Value { return bytes }
        }
        if type == MessagePackTimestamp.self {
            let moment = try source.read(at: offset, codingPath, as: type) {
                (reader) throws(MessagePackError) in
                return try reader.readTimestamp()
            }
            if let moment = moment as? Value { return moment }
        }
        return try Value(from: self)
    }

    func kind() throws -> MessagePackKind {
        try source.read(at: offset, codingPath) { (reader) throws(MessagePackError) in try reader.peek() }
    }

    func isNil() -> Bool {
        source.bytes[offset] == MessagePackMarker.nil
    }

    func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
        try source.read(at: offset, codingPath, as: type) { (reader) throws(MessagePackError) in
            return try reader.readInteger(as: type)
        }
    }

    func double() throws -> Double {
        try source.read(at: offset, codingPath, as: Double.self) { (reader) throws(MessagePackError) in
            return try reader.readDouble()
        }
    }

    /// Rounded, as a literal would be.
    func float() throws -> Float {
        try source.read(at: offset, codingPath, as: Float.self) { (reader) throws(MessagePackError) in
            let number = try reader.readDouble()
            let value = Float(number)
            guard value.isFinite || !number.isFinite else { throw MessagePackError(.outOfRange, at: offset) }
            return value
        }
    }

    func boolean() throws -> Bool {
        try source.read(at: offset, codingPath, as: Bool.self) { (reader) throws(MessagePackError) in
            return try reader.readBool()
        }
    }

    func string() throws -> String {
        try source.read(at: offset, codingPath, as: String.self) { (reader) throws(MessagePackError) in
            return try reader.readString()
        }
    }

    func inner(_ offset: Int, _ key: any CodingKey) -> ValueDecoder {
        ValueDecoder(source: source, offset: offset, depth: depth + 1, codingPath: codingPath + [key])
    }

    /// The places of a container's values: of an array's elements, of a map's keys and values in turn.
    func places(
        of type: Any.Type, _ read: (inout MessagePackReader) throws(MessagePackError) -> Int
    ) throws -> [Int] {
        try source.read(at: offset, codingPath, as: type) { (reader) throws(MessagePackError) in
            guard depth < source.limits.depthMax else { throw MessagePackError(.tooDeep, at: offset) }
            let count = try read(&reader)
            var places: [Int] = []
            places.reserveCapacity(count)
            for _ in 0..<count {
                places.append(reader.offset)
                try reader.skip()
            }
            return places
        }
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        let places = try places(of: [String: Any].self) { (reader) throws(MessagePackError) in
            try reader.readMapHeader() * 2
        }
        return KeyedDecodingContainer(try KeyedContainer<Key>(decoder: self, places: places))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let places = try places(of: [Any].self) { (reader) throws(MessagePackError) in
            try reader.readArrayHeader()
        }
        return UnkeyedContainer(decoder: self, places: places)
    }

    func singleValueContainer() -> any SingleValueDecodingContainer {
        SingleContainer(decoder: self)
    }
}

/// A key of a map as it stands there. Strings go by their bytes: Swift takes more of them for equal.
private enum MapKey: Hashable {
    case text([UInt8])
    case integer(Int)
}

private struct KeyedContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
    private let decoder: ValueDecoder
    /// Of the values.
    private let places: [MapKey: Int]

    init(decoder: ValueDecoder, places all: [Int]) throws {
        self.decoder = decoder
        var places: [MapKey: Int] = [:]
        places.reserveCapacity(all.count / 2)
        for index in stride(from: 0, to: all.count, by: 2) {
            try decoder.source.read(at: all[index], decoder.codingPath) { (reader) throws(MessagePackError) in
                let key: MapKey
                switch try reader.peek() {
                case .string: key = .text(Array(copying: try reader.readStringBytes()))
                case .integer:
                    do throws(MessagePackError) {
                        key = .integer(try reader.readInteger(as: Int.self))
                    } catch {
                        // Larger ones are no Int, which is all that a CodingKey can have.
                        guard error.kind == .outOfRange else { throw error }
                        return
                    }
                // No CodingKey can stand for it.
                default: return
                }
                guard places.updateValue(all[index + 1], forKey: key) == nil else {
                    throw MessagePackError(.duplicateKey, at: all[index])
                }
            }
        }
        self.places = places
    }

    var codingPath: [any CodingKey] { decoder.codingPath }

    var allKeys: [Key] {
        places.keys.compactMap { key in
            switch key {
            case .text(let bytes): Key(stringValue: String(decoding: bytes, as: UTF8.self))
            case .integer(let number): Key(intValue: number)
            }
        }
    }

    func contains(_ key: Key) -> Bool { place(key) != nil }

    private func place(_ key: any CodingKey) -> Int? {
        if let place = places[.text(Array(key.stringValue.utf8))] { return place }
        guard let number = key.intValue ?? Int(key.stringValue) else { return nil }
        return places[.integer(number)]
    }

    private func value(_ key: any CodingKey) throws -> ValueDecoder {
        guard let place = place(key) else {
            throw DecodingError.keyNotFound(
                key,
                DecodingError.Context(
                    codingPath: codingPath,
                    debugDescription: "the map at byte \(decoder.offset) has no key \(key.stringValue)"))
        }
        return decoder.inner(place, key)
    }

    func decodeNil(forKey key: Key) throws -> Bool { try value(key).isNil() }
    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool { try value(key).boolean() }
    func decode(_ type: String.Type, forKey key: Key) throws -> String { try value(key).string() }
    func decode(_ type: Double.Type, forKey key: Key) throws -> Double { try value(key).double() }
    func decode(_ type: Float.Type, forKey key: Key) throws -> Float { try value(key).float() }
    func decode(_ type: Int.Type, forKey key: Key) throws -> Int { try value(key).integer(type) }
    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 { try value(key).integer(type) }
    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 { try value(key).integer(type) }
    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 { try value(key).integer(type) }
    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 { try value(key).integer(type) }
    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt { try value(key).integer(type) }
    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 { try value(key).integer(type) }
    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 { try value(key).integer(type) }
    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 { try value(key).integer(type) }
    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 { try value(key).integer(type) }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try value(key).decode(type)
    }

    func nestedContainer<Inner: CodingKey>(
        keyedBy type: Inner.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<Inner> {
        try value(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try value(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder { try value(SuperKey()) }
    func superDecoder(forKey key: Key) throws -> any Decoder { try value(key) }
}

private struct UnkeyedContainer: UnkeyedDecodingContainer {
    private let decoder: ValueDecoder
    private let places: [Int]
    private(set) var currentIndex = 0

    init(decoder: ValueDecoder, places: [Int]) {
        self.decoder = decoder
        self.places = places
    }

    var codingPath: [any CodingKey] { decoder.codingPath }
    var count: Int? { places.count }
    var isAtEnd: Bool { currentIndex == places.count }

    /// Reads the next element; the place moves on only if that works.
    private mutating func next<Value>(
        _ type: Value.Type, _ read: (ValueDecoder) throws -> Value
    ) throws -> Value {
        let key = IndexKey(index: currentIndex)
        guard !isAtEnd else {
            throw DecodingError.valueNotFound(
                type,
                DecodingError.Context(
                    codingPath: codingPath + [key],
                    debugDescription: "the array at byte \(decoder.offset) has \(places.count) elements"))
        }
        let value = try read(decoder.inner(places[currentIndex], key))
        currentIndex += 1
        return value
    }

    mutating func decodeNil() throws -> Bool {
        // Moves on for nil only.
        if !isAtEnd, decoder.source.bytes[places[currentIndex]] != MessagePackMarker.nil { return false }
        return try next(Bool.self) { _ in true }
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool { try next(type) { try $0.boolean() } }
    mutating func decode(_ type: String.Type) throws -> String { try next(type) { try $0.string() } }
    mutating func decode(_ type: Double.Type) throws -> Double { try next(type) { try $0.double() } }
    mutating func decode(_ type: Float.Type) throws -> Float { try next(type) { try $0.float() } }
    mutating func decode(_ type: Int.Type) throws -> Int { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: Int8.Type) throws -> Int8 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: Int16.Type) throws -> Int16 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: Int32.Type) throws -> Int32 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: Int64.Type) throws -> Int64 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: UInt.Type) throws -> UInt { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: UInt8.Type) throws -> UInt8 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: UInt16.Type) throws -> UInt16 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: UInt32.Type) throws -> UInt32 { try next(type) { try $0.integer(type) } }
    mutating func decode(_ type: UInt64.Type) throws -> UInt64 { try next(type) { try $0.integer(type) } }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try next(type) { try $0.decode(type) }
    }

    mutating func nestedContainer<Inner: CodingKey>(
        keyedBy type: Inner.Type
    ) throws -> KeyedDecodingContainer<Inner> {
        try next(KeyedDecodingContainer<Inner>.self) { try $0.container(keyedBy: type) }
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        try next((any UnkeyedDecodingContainer).self) { try $0.unkeyedContainer() }
    }

    mutating func superDecoder() throws -> any Decoder {
        try next((any Decoder).self) { $0 }
    }
}

private struct SingleContainer: SingleValueDecodingContainer {
    let decoder: ValueDecoder

    var codingPath: [any CodingKey] { decoder.codingPath }

    func decodeNil() -> Bool { decoder.isNil() }
    func decode(_ type: Bool.Type) throws -> Bool { try decoder.boolean() }
    func decode(_ type: String.Type) throws -> String { try decoder.string() }
    func decode(_ type: Double.Type) throws -> Double { try decoder.double() }
    func decode(_ type: Float.Type) throws -> Float { try decoder.float() }
    func decode(_ type: Int.Type) throws -> Int { try decoder.integer(type) }
    func decode(_ type: Int8.Type) throws -> Int8 { try decoder.integer(type) }
    func decode(_ type: Int16.Type) throws -> Int16 { try decoder.integer(type) }
    func decode(_ type: Int32.Type) throws -> Int32 { try decoder.integer(type) }
    func decode(_ type: Int64.Type) throws -> Int64 { try decoder.integer(type) }
    func decode(_ type: UInt.Type) throws -> UInt { try decoder.integer(type) }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.integer(type) }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.integer(type) }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.integer(type) }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.integer(type) }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try decoder.decode(type) }
}
