// The first bytes of MessagePack values, and how the reader and the decoder name and bound them.
// Knows nothing of envelopes, of Codable or of where bytes come from.

/// The first byte of a value.
///
/// Source: msgpack/spec.md, "Formats".
@usableFromInline
enum MessagePackMarker {
    @usableFromInline static let positiveMax: UInt8 = 0x7f
    @usableFromInline static let mapMin: UInt8 = 0x80
    @usableFromInline static let mapMax: UInt8 = 0x8f
    @usableFromInline static let arrayMin: UInt8 = 0x90
    @usableFromInline static let arrayMax: UInt8 = 0x9f
    @usableFromInline static let stringMin: UInt8 = 0xa0
    @usableFromInline static let stringMax: UInt8 = 0xbf
    @usableFromInline static let `nil`: UInt8 = 0xc0
    @usableFromInline static let reserved: UInt8 = 0xc1
    @usableFromInline static let `false`: UInt8 = 0xc2
    @usableFromInline static let `true`: UInt8 = 0xc3
    @usableFromInline static let binary8: UInt8 = 0xc4
    @usableFromInline static let binary16: UInt8 = 0xc5
    @usableFromInline static let binary32: UInt8 = 0xc6
    @usableFromInline static let extension8: UInt8 = 0xc7
    @usableFromInline static let extension16: UInt8 = 0xc8
    @usableFromInline static let extension32: UInt8 = 0xc9
    @usableFromInline static let float32: UInt8 = 0xca
    @usableFromInline static let float64: UInt8 = 0xcb
    @usableFromInline static let unsigned8: UInt8 = 0xcc
    @usableFromInline static let unsigned16: UInt8 = 0xcd
    @usableFromInline static let unsigned32: UInt8 = 0xce
    @usableFromInline static let unsigned64: UInt8 = 0xcf
    @usableFromInline static let signed8: UInt8 = 0xd0
    @usableFromInline static let signed16: UInt8 = 0xd1
    @usableFromInline static let signed32: UInt8 = 0xd2
    @usableFromInline static let signed64: UInt8 = 0xd3
    @usableFromInline static let fixedExtension1: UInt8 = 0xd4
    @usableFromInline static let fixedExtension2: UInt8 = 0xd5
    @usableFromInline static let fixedExtension4: UInt8 = 0xd6
    @usableFromInline static let fixedExtension8: UInt8 = 0xd7
    @usableFromInline static let fixedExtension16: UInt8 = 0xd8
    @usableFromInline static let string8: UInt8 = 0xd9
    @usableFromInline static let string16: UInt8 = 0xda
    @usableFromInline static let string32: UInt8 = 0xdb
    @usableFromInline static let array16: UInt8 = 0xdc
    @usableFromInline static let array32: UInt8 = 0xdd
    @usableFromInline static let map16: UInt8 = 0xde
    @usableFromInline static let map32: UInt8 = 0xdf
    @usableFromInline static let negativeMin: UInt8 = 0xe0
}

/// What kind of value stands next in the input.
public enum MessagePackKind: Sendable, Equatable {
    case `nil`
    case boolean
    case integer
    /// 32 or 64 bits.
    case float
    case string
    case binary
    case array
    case map
    /// With its application's type; a timestamp has −1.
    case `extension`
    /// 0xc1, which no writer may use.
    case reserved

    @inlinable
    init(marker: UInt8) {
        switch marker {
        case ...MessagePackMarker.positiveMax, MessagePackMarker.negativeMin...: self = .integer
        case ...MessagePackMarker.mapMax: self = .map
        case ...MessagePackMarker.arrayMax: self = .array
        case ...MessagePackMarker.stringMax: self = .string
        case MessagePackMarker.nil: self = .nil
        case MessagePackMarker.reserved: self = .reserved
        case MessagePackMarker.false, MessagePackMarker.true: self = .boolean
        case ...MessagePackMarker.binary32: self = .binary
        case ...MessagePackMarker.extension32: self = .extension
        case ...MessagePackMarker.float64: self = .float
        case ...MessagePackMarker.signed64: self = .integer
        case ...MessagePackMarker.fixedExtension16: self = .extension
        case ...MessagePackMarker.string32: self = .string
        case ...MessagePackMarker.array32: self = .array
        default: self = .map
        }
    }
}

/// What a reader accepts from input that nobody vouches for.
///
/// Memory is bounded by the input's own size in any case: a length or count that the rest of the input cannot
/// hold is refused before anything is made for it.
public struct MessagePackLimits: Sendable, Equatable {
    /// Arrays and maps within each other.
    public var depthMax: Int
    /// Of one string, binary or extension.
    public var lengthBytesMax: Int
    /// Elements of one array, pairs of one map.
    public var countMax: Int

    @inlinable
    public init(depthMax: Int = 128, lengthBytesMax: Int = Int(UInt32.max), countMax: Int = Int(UInt32.max)) {
        precondition(depthMax > 0 && lengthBytesMax >= 0 && countMax >= 0, "limits are not negative")
        self.depthMax = depthMax
        self.lengthBytesMax = lengthBytesMax
        self.countMax = countMax
    }
}
