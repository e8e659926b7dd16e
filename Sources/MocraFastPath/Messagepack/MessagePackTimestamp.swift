// The format's own extension: a moment, in 4, 8 or 12 bytes.

/// A moment: seconds since 1970-01-01 00:00:00 UTC, without leap seconds, and nanoseconds on top of them.
///
/// Shape: written as an extension of type −1, in the shortest of its three forms (32, 64 and 96 bits).
///
/// Source: msgpack/spec.md, "Timestamp extension type".
public struct MessagePackTimestamp: Sendable, Hashable {
    public let seconds: Int64
    /// 0 to 999,999,999; counts forward before 1970 too.
    public let nanoseconds: UInt32

    /// `nanoseconds` is under a thousand million.
    @inlinable
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
        precondition(nanoseconds < 1_000_000_000, "nanoseconds are less than a second")
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// The type of the extension.
    public static let extensionType: Int8 = -1
}

extension MessagePackTimestamp: Comparable {
    @inlinable
    public static func < (left: MessagePackTimestamp, right: MessagePackTimestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
}

extension MessagePackTimestamp: Codable {
    private enum CodingKeys: CodingKey { case seconds, nanoseconds }

    /// From what other formats than MessagePack have for it: an object with `seconds` and `nanoseconds`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let nanoseconds = try container.decode(UInt32.self, forKey: .nanoseconds)
        guard nanoseconds < 1_000_000_000 else {
            throw DecodingError.dataCorruptedError(
                forKey: .nanoseconds, in: container, debugDescription: "nanoseconds are less than a second")
        }
        self.init(seconds: try container.decode(Int64.self, forKey: .seconds), nanoseconds: nanoseconds)
    }
}
