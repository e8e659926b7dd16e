// Messages of DNS (RFC 1035) as a server of the tests writes them, right or wrong.
// It must not know sockets.
import Glibc

/// A resource record: who has it, its type, its lifetime and its bytes as they stand in the message.
public struct DNSRecord: Sendable {
    public var owner: String
    public var type: UInt16
    public var ttl: UInt32
    public var data: [UInt8]

    public init(owner: String, type: UInt16, ttl: UInt32, data: [UInt8]) {
        self.owner = owner
        self.type = type
        self.ttl = ttl
        self.data = data
    }

    /// An address record of the family of the text.
    public static func address(_ owner: String, _ text: String, ttl: UInt32 = 60) -> DNSRecord {
        var bytes = [UInt8](repeating: 0, count: 16)
        if unsafe inet_pton(AF_INET, text, &bytes) == 1 {
            return DNSRecord(owner: owner, type: DNSMessage.typeA, ttl: ttl, data: Array(bytes.prefix(4)))
        }
        precondition(unsafe inet_pton(AF_INET6, text, &bytes) == 1, "\(text) is no address")
        return DNSRecord(owner: owner, type: DNSMessage.typeAAAA, ttl: ttl, data: bytes)
    }

    public static func alias(_ owner: String, _ target: String, ttl: UInt32 = 60) -> DNSRecord {
        DNSRecord(owner: owner, type: 5, ttl: ttl, data: DNSMessage.name(target))
    }

    /// The record that says how long a negative answer lives.
    public static func authority(_ zone: String, ttl: UInt32, minimum: UInt32) -> DNSRecord {
        var data = DNSMessage.name("ns." + zone) + DNSMessage.name("admin." + zone)
        for number in [1, 7_200, 3_600, 86_400, minimum] { data += DNSMessage.bytes(number) }
        return DNSRecord(owner: zone, type: 6, ttl: ttl, data: data)
    }
}

/// An answer, field by field.
public struct DNSMessage: Sendable {
    public static let typeA: UInt16 = 1
    public static let typeAAAA: UInt16 = 28

    public var id: UInt16
    public var name: String
    public var type: UInt16
    public var code: UInt16 = 0
    public var isTruncated = false
    public var answers: [DNSRecord] = []
    public var authorities: [DNSRecord] = []

    public init(id: UInt16, name: String, type: UInt16) {
        self.id = id
        self.name = name
        self.type = type
    }

    public var encoded: [UInt8] {
        var out = Self.bytes(id) + Self.bytes(0x8180 | (isTruncated ? 0x0200 : 0) | code)
        out += Self.bytes(UInt16(1)) + Self.bytes(UInt16(answers.count))
        out += Self.bytes(UInt16(authorities.count)) + Self.bytes(UInt16(0))
        out += Self.name(name) + Self.bytes(type) + Self.bytes(UInt16(1))
        for record in answers + authorities {
            out += Self.name(record.owner) + Self.bytes(record.type) + Self.bytes(UInt16(1))
            out += Self.bytes(record.ttl) + Self.bytes(UInt16(record.data.count)) + record.data
        }
        return out
    }

    /// A name as labels, each behind its length.
    public static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    public static func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        unsafe withUnsafeBytes(of: number.bigEndian) { unsafe Array($0) }
    }
}

/// A question that a server was asked.
public struct DNSQuestion: Sendable {
    public var id: UInt16
    public var name: String
    public var type: UInt16
    public var isOverTCP: Bool
    /// The port that it came from.
    public var clientPort: UInt16

    public var isIPv6: Bool { type == DNSMessage.typeAAAA }

    /// An answer without records.
    public var reply: DNSMessage { DNSMessage(id: id, name: name, type: type) }

    /// The one question of a message; nil when it has none.
    init?(_ bytes: [UInt8], isOverTCP: Bool, clientPort: UInt16) {
        guard bytes.count >= 17 else { return nil }
        func number(_ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
        var labels: [String] = []
        var at = 12
        while bytes[at] != 0 {
            let end = at + 1 + Int(bytes[at])
            guard bytes[at] < 64, end + 5 <= bytes.count else { return nil }
            labels.append(String(decoding: bytes[(at + 1)..<end], as: UTF8.self))
            at = end
        }
        guard at + 5 <= bytes.count else { return nil }
        id = number(0)
        name = labels.joined(separator: ".")
        type = number(at + 1)
        self.isOverTCP = isOverTCP
        self.clientPort = clientPort
    }
}
