// MessagePack from any Encodable value. Containers gather their bytes and are put together at the end,
// because a header says how many elements there are and Codable does not tell before.

/// Encodes values of any `Encodable` type.
///
/// Shape: structures, and dictionaries by String or Int, become maps with strings as keys (also where a
/// `CodingKey` has an integer), enumerations what the compiler makes of them, `[UInt8]` a binary,
/// `MessagePackTimestamp` a timestamp. A key that a value encodes twice stands there twice, which the decoder
/// refuses.
///
/// For what must be fast, write the type by hand with `MessagePackWriter`.
public struct MessagePackEncoder: Sendable {
    /// For the values' own use; no part of the output.
    public var userInfo: [CodingUserInfoKey: any Sendable] = [:]

    public init() {}

    /// Errors: `EncodingError`, and what the value's own `encode(to:)` throws.
    public func encode(_ value: some Encodable) throws -> [UInt8] {
        let storage = EncodingStorage()
        try storage.encode(value, ValueEncoder(storage: storage, codingPath: [], userInfo: userInfo))
        guard storage.shape != .nothing else {
            throw EncodingError.invalidValue(
                value, EncodingError.Context(codingPath: [], debugDescription: "the value encodes nothing"))
        }
        var output: [UInt8] = []
        storage.flush(into: &output)
        return output
    }
}

/// What one container holds: bytes, and other containers between them.
private final class EncodingStorage {
    enum Shape { case nothing, single, array, map }

    private(set) var shape = Shape.nothing
    private var bytes: [UInt8] = []
    private(set) var count = 0
    private var inner: [(offset: Int, storage: EncodingStorage)] = []

    /// Codable lets a value ask for its container more than once, as long as it is of one kind.
    func begin(_ wanted: Shape) {
        precondition(shape == .nothing || shape == wanted, "a value encodes into one kind of container")
        shape = wanted
    }

    func countElement() {
        count += 1
    }

    func put(_ write: (inout MessagePackWriter) -> Void) {
        // The longest scalar is a timestamp of 15 bytes.
        var scratch: [16 of UInt8] = [16 of UInt8](repeating: 0)
        var writer = MessagePackWriter(scratch.mutableSpan)
        write(&writer)
        let length = writer.count
        for index in 0..<length { bytes.append(scratch[index]) }
    }

    func put(_ text: String) {
        put { $0.writeStringHeader(byteCount: text.utf8.count) }
        bytes.append(contentsOf: text.utf8)
    }

    func put(_ binary: [UInt8]) {
        put { $0.writeBinaryHeader(byteCount: binary.count) }
        bytes.append(contentsOf: binary)
    }

    func put(_ storage: EncodingStorage) {
        inner.append((bytes.count, storage))
    }

    func encode<Value: Encodable>(_ value: Value, _ encoder: @autoclosure () -> ValueEncoder) throws {
        if Value.self == [UInt8].self, let binary = value as? [UInt8] {
            if shape == .nothing { shape = .single }
            put(binary)
        } else if Value.self == MessagePackTimestamp.self, let moment = value as? MessagePackTimestamp {
            if shape == .nothing { shape = .single }
            put { $0.write(moment) }
        } else {
            try value.encode(to: encoder())
        }
    }

    /// Header, bytes and what belongs between them. A container that nothing was put into is nil.
    func flush(into output: inout [UInt8]) {
        switch shape {
        case .nothing: output.append(MessagePackMarker.nil)
        case .single: break
        case .array: Self.header(&output) { $0.writeArrayHeader(count: count) }
        case .map: Self.header(&output) { $0.writeMapHeader(count: count) }
        }
        var done = 0
        for (offset, storage) in inner {
            output.append(contentsOf: bytes[done..<offset])
            storage.flush(into: &output)
            done = offset
        }
        output.append(contentsOf: bytes[done...])
    }

    private static func header(_ output: inout [UInt8], _ write: (inout MessagePackWriter) -> Void) {
        let storage = EncodingStorage()
        storage.put(write)
        output.append(contentsOf: storage.bytes)
    }
}

private struct ValueEncoder: Encoder {
    let storage: EncodingStorage
    let codingPath: [any CodingKey]
    let sendableInfo: [CodingUserInfoKey: any Sendable]

    var userInfo: [CodingUserInfoKey: Any] { sendableInfo }

    init(
        storage: EncodingStorage, codingPath: [any CodingKey], userInfo: [CodingUserInfoKey: any Sendable]
    ) {
        self.storage = storage
        self.codingPath = codingPath
        sendableInfo = userInfo
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        storage.begin(.map)
        return KeyedEncodingContainer(KeyedContainer<Key>(encoder: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        storage.begin(.array)
        return UnkeyedContainer(encoder: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer {
        SingleContainer(encoder: self)
    }

    /// For a value within this one: with a storage of its own, at the place reached in this one.
    func inner(_ key: any CodingKey) -> ValueEncoder {
        let place = EncodingStorage()
        storage.put(place)
        return ValueEncoder(storage: place, codingPath: codingPath + [key], userInfo: sendableInfo)
    }
}

private struct KeyedContainer<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let encoder: ValueEncoder

    var codingPath: [any CodingKey] { encoder.codingPath }

    private func put(_ key: any CodingKey) -> EncodingStorage {
        encoder.storage.countElement()
        encoder.storage.put(key.stringValue)
        return encoder.storage
    }

    func encodeNil(forKey key: Key) { put(key).put { $0.writeNil() } }
    func encode(_ value: Bool, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: String, forKey key: Key) { put(key).put(value) }
    func encode(_ value: Double, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: Float, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: Int, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: Int8, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: Int16, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: Int32, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: Int64, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: UInt, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: UInt8, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: UInt16, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: UInt32, forKey key: Key) { put(key).put { $0.write(value) } }
    func encode(_ value: UInt64, forKey key: Key) { put(key).put { $0.write(value) } }

    func encode(_ value: some Encodable, forKey key: Key) throws {
        try put(key).encode(value, encoder.inner(key))
    }

    func nestedContainer<Inner: CodingKey>(
        keyedBy type: Inner.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Inner> {
        _ = put(key)
        return encoder.inner(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        _ = put(key)
        return encoder.inner(key).unkeyedContainer()
    }

    func superEncoder() -> any Encoder {
        _ = put(SuperKey())
        return encoder.inner(SuperKey())
    }

    func superEncoder(forKey key: Key) -> any Encoder {
        _ = put(key)
        return encoder.inner(key)
    }
}

private struct UnkeyedContainer: UnkeyedEncodingContainer {
    let encoder: ValueEncoder

    var codingPath: [any CodingKey] { encoder.codingPath }
    var count: Int { encoder.storage.count }

    private func next() -> EncodingStorage {
        encoder.storage.countElement()
        return encoder.storage
    }

    private var key: IndexKey { IndexKey(index: count - 1) }

    mutating func encodeNil() { next().put { $0.writeNil() } }
    mutating func encode(_ value: Bool) { next().put { $0.write(value) } }
    mutating func encode(_ value: String) { next().put(value) }
    mutating func encode(_ value: Double) { next().put { $0.write(value) } }
    mutating func encode(_ value: Float) { next().put { $0.write(value) } }
    mutating func encode(_ value: Int) { next().put { $0.write(value) } }
    mutating func encode(_ value: Int8) { next().put { $0.write(value) } }
    mutating func encode(_ value: Int16) { next().put { $0.write(value) } }
    mutating func encode(_ value: Int32) { next().put { $0.write(value) } }
    mutating func encode(_ value: Int64) { next().put { $0.write(value) } }
    mutating func encode(_ value: UInt) { next().put { $0.write(value) } }
    mutating func encode(_ value: UInt8) { next().put { $0.write(value) } }
    mutating func encode(_ value: UInt16) { next().put { $0.write(value) } }
    mutating func encode(_ value: UInt32) { next().put { $0.write(value) } }
    mutating func encode(_ value: UInt64) { next().put { $0.write(value) } }

    mutating func encode(_ value: some Encodable) throws {
        try next().encode(value, encoder.inner(key))
    }

    mutating func nestedContainer<Inner: CodingKey>(
        keyedBy type: Inner.Type
    ) -> KeyedEncodingContainer<Inner> {
        _ = next()
        return encoder.inner(key).container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        _ = next()
        return encoder.inner(key).unkeyedContainer()
    }

    mutating func superEncoder() -> any Encoder {
        _ = next()
        return encoder.inner(key)
    }
}

private struct SingleContainer: SingleValueEncodingContainer {
    let encoder: ValueEncoder

    var codingPath: [any CodingKey] { encoder.codingPath }

    private func only() -> EncodingStorage {
        precondition(
            encoder.storage.shape == .nothing, "a value encodes once into its single value container")
        encoder.storage.begin(.single)
        return encoder.storage
    }

    func encodeNil() { only().put { $0.writeNil() } }
    func encode(_ value: Bool) { only().put { $0.write(value) } }
    func encode(_ value: String) { only().put(value) }
    func encode(_ value: Double) { only().put { $0.write(value) } }
    func encode(_ value: Float) { only().put { $0.write(value) } }
    func encode(_ value: Int) { only().put { $0.write(value) } }
    func encode(_ value: Int8) { only().put { $0.write(value) } }
    func encode(_ value: Int16) { only().put { $0.write(value) } }
    func encode(_ value: Int32) { only().put { $0.write(value) } }
    func encode(_ value: Int64) { only().put { $0.write(value) } }
    func encode(_ value: UInt) { only().put { $0.write(value) } }
    func encode(_ value: UInt8) { only().put { $0.write(value) } }
    func encode(_ value: UInt16) { only().put { $0.write(value) } }
    func encode(_ value: UInt32) { only().put { $0.write(value) } }
    func encode(_ value: UInt64) { only().put { $0.write(value) } }

    func encode(_ value: some Encodable) throws {
        precondition(
            encoder.storage.shape == .nothing, "a value encodes once into its single value container")
        // Into the same storage: what stands for this value stands for the one that it wraps.
        try encoder.storage.encode(value, encoder)
    }
}
