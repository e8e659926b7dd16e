// The address policy at the edges of every range, and the order and number of addresses.
import CMocraIO
import Testing

/// A prefix, what its first and last address are, and what lies beside it.
struct SpecialRange: Sendable, CustomTestStringConvertible {
    var prefix: String
    var isPublic: Bool
    /// Of the addresses just before and just behind the range; nil where there is none.
    var before: Bool?
    var behind: Bool?

    init(_ prefix: String, isPublic: Bool = false, before: Bool? = true, behind: Bool? = true) {
        self.prefix = prefix
        self.isPublic = isPublic
        self.before = before
        self.behind = behind
    }

    var testDescription: String { prefix }

    /// First and last address as bytes.
    func bounds() throws -> (first: [UInt8], last: [UInt8]) {
        let parts = prefix.split(separator: "/")
        let first = try bytes(of: String(parts[0]))
        let bits = try #require(Int(parts[1]))
        let last = first.indices.map { index in
            let kept = min(8, max(0, bits - index * 8))
            return first[index] | UInt8(0xff >> kept)
        }
        return (first, last)
    }
}

private func bytes(of text: String) throws -> [UInt8] {
    var address = mocra_address()
    try #require(unsafe mocra_address_parse(Array(text.utf8), text.utf8.count, &address), "\(text)")
    var set = mocra_address_set()
    unsafe mocra_address_set_add(&set, &address)
    let isIPv4 = set.v4_count == 1
    return unsafe withUnsafeBytes(of: &set) { set in
        let start = isIPv4 ? 2 : 2 + 4 * Int(MOCRA_ADDRESSES_MAX)
        return unsafe Array(set[start..<(start + (isIPv4 ? 4 : 16))])
    }
}

private func isPublic(_ bytes: [UInt8]) throws -> Bool {
    let text =
        bytes.count == 4
        ? bytes.map(String.init).joined(separator: ".")
        : stride(from: 0, to: 16, by: 2).map { at in
            String(UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]), radix: 16)
        }.joined(separator: ":")
    var address = mocra_address()
    try #require(unsafe mocra_address_parse(Array(text.utf8), text.utf8.count, &address), "\(text)")
    return unsafe mocra_address_is_public(&address)
}

/// The address one further, or one nearer; nil beyond the end.
private func neighbour(_ bytes: [UInt8], down: Bool) -> [UInt8]? {
    var bytes = bytes
    for index in bytes.indices.reversed() {
        let (value, overflow) =
            down ? bytes[index].subtractingReportingOverflow(1) : bytes[index].addingReportingOverflow(1)
        bytes[index] = value
        if !overflow { return bytes }
    }
    return nil
}

@Suite struct AddressRangeTests {
    static let ranges4 = [
        SpecialRange("0.0.0.0/8", before: nil),
        SpecialRange("10.0.0.0/8"),
        SpecialRange("100.64.0.0/10"),
        SpecialRange("127.0.0.0/8"),
        SpecialRange("169.254.0.0/16"),
        SpecialRange("172.16.0.0/12"),
        SpecialRange("192.0.0.0/24"),
        SpecialRange("192.0.0.8/32", before: false),
        SpecialRange("192.0.0.9/32", isPublic: true, before: false),
        SpecialRange("192.0.0.10/32", isPublic: true, behind: false),
        SpecialRange("192.0.0.170/31", before: false, behind: false),
        SpecialRange("192.0.2.0/24"),
        SpecialRange("192.31.196.0/24", isPublic: true),
        SpecialRange("192.52.193.0/24", isPublic: true),
        SpecialRange("192.88.99.0/24"),
        SpecialRange("192.168.0.0/16"),
        SpecialRange("192.175.48.0/24", isPublic: true),
        SpecialRange("198.18.0.0/15"),
        SpecialRange("198.51.100.0/24"),
        SpecialRange("203.0.113.0/24"),
        SpecialRange("224.0.0.0/4", behind: false),
        SpecialRange("240.0.0.0/4", before: false, behind: nil),
        SpecialRange("255.255.255.255/32", before: false, behind: nil),
    ]
    static let ranges6 = [
        SpecialRange("::/128", before: nil, behind: false),
        SpecialRange("::1/128", before: false, behind: false),
        SpecialRange("::/96", before: nil, behind: false),  // IPv4-compatible
        SpecialRange("::808:808/128", before: false, behind: false),
        SpecialRange("::ffff:10.0.0.0/104"),
        SpecialRange("::ffff:127.0.0.0/104"),
        SpecialRange("::ffff:169.254.0.0/112"),
        SpecialRange("::ffff:8.8.8.8/128", isPublic: true),
        SpecialRange("64:ff9b::7f00:0/104"),
        SpecialRange("64:ff9b::c0a8:0/112"),
        SpecialRange("64:ff9b::808:808/128", isPublic: true),
        SpecialRange("64:ff9b:1::/48", before: false, behind: false),
        SpecialRange("100::/64", before: false, behind: false),
        SpecialRange("100:0:0:1::/64", before: false, behind: false),
        SpecialRange("1000::/4", before: false, behind: true),
        SpecialRange("2001::/32", behind: false),
        SpecialRange("2001:1::1/128", isPublic: true, before: false),
        SpecialRange("2001:1::2/128", isPublic: true),
        SpecialRange("2001:1::3/128", isPublic: true, behind: false),
        SpecialRange("2001:2::/48", before: false, behind: false),
        SpecialRange("2001:3::/32", isPublic: true, before: false, behind: false),
        SpecialRange("2001:4:112::/48", isPublic: true, before: false, behind: false),
        SpecialRange("2001:10::/28", before: false, behind: false),
        SpecialRange("2001:20::/28", before: false, behind: false),
        SpecialRange("2001:30::/28", before: false, behind: false),
        SpecialRange("2001:1ff::/32", before: false),
        SpecialRange("2001:db8::/32"),
        SpecialRange("2002:a00::/24"),
        SpecialRange("2002:7f00::/24"),
        SpecialRange("2002:c0a8::/32"),
        SpecialRange("2002:808:808::/48", isPublic: true),
        SpecialRange("2620:4f:8000::/48", isPublic: true),
        SpecialRange("3fff::/20"),
        SpecialRange("4000::/3", behind: false),
        SpecialRange("5f00::/16", before: false, behind: false),
        SpecialRange("fc00::/7", before: false, behind: false),
        SpecialRange("fe80::/10", before: false, behind: false),
        SpecialRange("fec0::/10", before: false, behind: false),
        SpecialRange("ff00::/8", before: false, behind: nil),
    ]

    @Test(arguments: ranges4 + ranges6)
    func edges(_ range: SpecialRange) throws {
        let (first, last) = try range.bounds()
        #expect(try isPublic(first) == range.isPublic, "the first address")
        #expect(try isPublic(last) == range.isPublic, "the last address")
        let before = try neighbour(first, down: true).map(isPublic)
        #expect(before == range.before, "the address before")
        let behind = try neighbour(last, down: false).map(isPublic)
        #expect(behind == range.behind, "the address behind")
    }

    @Test(
        "What other parsers take for an address is none",
        arguments: [
            "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "010.0.0.1", "127.0.0.1.",
            "127.0.0.1\u{0}.example", "[127.0.0.1]", "fe80::1%lo", "[::1%25lo]", " 127.0.0.1", "127.0.0.1 ",
            "[::1", "::1]", "1.2.3.4/32", "１２７.0.0.1",
        ])
    func isNoAddress(_ text: String) {
        var address = mocra_address()
        #expect(unsafe !mocra_address_parse(Array(text.utf8), text.utf8.count, &address))
    }

    @Test(
        "Families take turns, and each keeps its share",
        arguments: [
            (v4: 0, v6: 0, isV6First: true, order: ""),
            (v4: 1, v6: 1, isV6First: true, order: "64"),
            (v4: 1, v6: 1, isV6First: false, order: "46"),
            (v4: 3, v6: 1, isV6First: true, order: "6444"),
            (v4: 1, v6: 3, isV6First: false, order: "4666"),
            (v4: 8, v6: 8, isV6First: true, order: "64646464"),
            (v4: 8, v6: 2, isV6First: false, order: "46464444"),
            (v4: 0, v6: 8, isV6First: false, order: "66666666"),
            (v4: 200, v6: 200, isV6First: true, order: "64646464"),
        ])
    func order(v4: Int, v6: Int, isV6First: Bool, order: String) throws {
        var set = mocra_address_set()
        for index in 0..<max(v4, v6) {
            for text in [index < v4 ? "198.51.100.\(index)" : nil, index < v6 ? "2001:db8::\(index)" : nil] {
                guard let text else { continue }
                var address = mocra_address()
                try #require(unsafe mocra_address_parse(Array(text.utf8), text.utf8.count, &address))
                // Twice: the same address counts once.
                unsafe mocra_address_set_add(&set, &address)
                unsafe mocra_address_set_add(&set, &address)
            }
        }
        var out = mocra_addresses()
        unsafe mocra_address_set_order(&set, isV6First, &out)
        let texts = texts(of: out)
        #expect(texts.map { $0.contains(":") ? "6" : "4" }.joined() == order)
        #expect(Set(texts).count == texts.count)
    }
}

/// The addresses as text, in their order.
func texts(of addresses: mocra_addresses) -> [String] {
    var list = addresses.list
    return unsafe withUnsafePointer(to: &list) { pointer in
        unsafe pointer.withMemoryRebound(to: mocra_address.self, capacity: Int(MOCRA_ADDRESSES_MAX)) {
            first in
            (0..<Int(addresses.count)).map { index in
                var text = [CChar](repeating: 0, count: 64)
                unsafe mocra_address_print(first + index, &text, text.count)
                return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
        }
    }
}
