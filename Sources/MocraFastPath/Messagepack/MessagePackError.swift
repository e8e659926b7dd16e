// Why bytes are not the MessagePack that a reader wanted, and where.

/// What is wrong with the input, or with the buffer of a writer.
public struct MessagePackError: Error, Sendable, Equatable {
    /// The fault.
    public enum Kind: Sendable, Equatable {
        /// The input ends inside a value, or a length or count is more than the rest of it can hold.
        case truncated
        /// Another kind of value stands there.
        case mismatch(expected: MessagePackKind, found: MessagePackKind)
        /// A number that the wanted type cannot hold.
        case outOfRange
        /// A string that is not UTF-8 (RFC 3629).
        case invalidUTF8
        /// 0xc1, which the format does not use.
        case reserved
        /// An extension of another type than a timestamp's, or with a length or nanoseconds that none has.
        case invalidTimestamp
        /// More arrays and maps within each other than `MessagePackLimits.depthMax`.
        case tooDeep
        /// A string, binary or extension over `MessagePackLimits.lengthBytesMax`.
        case tooLong
        /// An array or map over `MessagePackLimits.countMax`.
        case tooMany
        /// A map has the same key twice.
        case duplicateKey
        /// Something stands behind the last value.
        case trailingBytes
        /// A writer's buffer is too small; `offset` is the size that it needs.
        case noRoom
    }

    public let kind: Kind
    /// Bytes before the value that is at fault.
    public let offset: Int

    public init(_ kind: Kind, at offset: Int) {
        self.kind = kind
        self.offset = offset
    }
}

extension MessagePackError: CustomStringConvertible {
    /// One line for a person: what is wrong, and where.
    public var description: String {
        if kind == .noRoom { return "MessagePack needs a buffer of \(offset) bytes" }
        let what =
            switch kind {
            case .truncated: "the input ends inside the value"
            case .mismatch(let expected, let found): "\(expected) was expected, \(found) found"
            case .outOfRange: "the number does not fit the type that was asked for"
            case .invalidUTF8: "the string is not UTF-8"
            case .reserved: "0xc1 starts no value"
            case .invalidTimestamp:
                "the extension is no timestamp, by its type, its length or its nanoseconds"
            case .tooDeep: "arrays and maps are nested deeper than the limit"
            case .tooLong: "the value is longer than the limit"
            case .tooMany: "the array or map has more elements than the limit"
            case .duplicateKey: "the map has this key twice"
            case .trailingBytes: "something stands behind the last value"
            case .noRoom: "the buffer is too small"
            }
        return "MessagePack, byte \(offset): \(what)"
    }
}
