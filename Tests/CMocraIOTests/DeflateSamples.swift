// Deflate streams made here, by an encoder that shares nothing with zlib, and one that zlib made. It must
// not know the decoder.
import FoundationEssentials

/// Encoders just good enough to feed a decoder.
enum Deflate {
    /// Stored blocks (RFC 1951 §3.2.4) of at most `block` bytes.
    static func stored(_ bytes: [UInt8], block: Int = 65535) -> [UInt8] {
        var out: [UInt8] = []
        var at = 0
        repeat {
            let size = min(block, bytes.count - at)
            let isLast: UInt8 = at + size == bytes.count ? 1 : 0
            let length = UInt16(size)
            out += [isLast, UInt8(length & 0xff), UInt8(length >> 8)]
            out += [UInt8(~length & 0xff), UInt8(~length >> 8)]
            out += bytes[at..<at + size]
            at += size
        } while at < bytes.count
        return out
    }

    /// `1 + 258 × matches` zero bytes in one block with fixed codes (RFC 1951 §3.2.6): 159 bytes out of one.
    static func zeros(matches: Int) -> [UInt8] {
        var bits = BitWriter()
        bits.write(0b011, 3)
        bits.writeCode(0b0011_0000, 8)
        for _ in 0..<matches {
            bits.writeCode(0b1100_0101, 8)
            bits.writeCode(0, 5)
        }
        bits.writeCode(0, 7)
        return bits.bytes
    }

    /// RFC 1952, one member.
    static func gzip(_ deflated: [UInt8], of plain: [UInt8], flags: UInt8 = 0, extra: [UInt8] = []) -> [UInt8]
    {
        [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3] + extra + deflated
            + littleEndian(crc32(plain)) + littleEndian(UInt32(truncatingIfNeeded: plain.count))
    }

    /// RFC 1950.
    static func zlib(_ deflated: [UInt8], of plain: [UInt8], header: [UInt8] = [0x78, 0x01]) -> [UInt8] {
        header + deflated + littleEndian(adler32(plain)).reversed()
    }

    /// A page of links, and what zlib at level 9 makes of it (with codes of its own).
    static let page: [UInt8] = (0..<60).flatMap { index in
        let number = index * 7919 % 1000
        return Array(
            "<li><a href=\"/page/\(index)\">Page number \(number) of the list</a> \u{e9}t\u{e9}</li>\n".utf8)
    }
    static let deflatedPage: [UInt8] = {
        guard let data = Data(base64Encoded: pageBase64, options: .ignoreUnknownCharacters) else {
            preconditionFailure("the sample is not base64")
        }
        return Array(data)
    }()

    private static let pageBase64 = """
        ldfLacNAFIXhfaoY3IDmvuYBimpICwrIscF54ChFuQ43Fm/nBAJn5ZV+EHzI586X8zKv6XTdjs+H6Wt926Z8WF4ev+nj5/11
        u6acPo9pP23pcv7e52ld0v2232/z9Hjyaf77uIyPd+lkQMdAs0YGbAzUqGTAx0CphQzEGIgeZKBAQJwM1DHgZmSgjQELJQN9
        DGgVFhJAlE5TBIuSWYsCGJW1KICxO4tRQGMrrEYBjrWxHAU81sx6FABZlAUpIDKcFSlA0gtLUoGkNZakAknt9OcRSQprUsGk
        GGtSwWSwJBVI9sqSVCDZOktSgWQTlqQCyWosSQWSJViSBiSjsiQNSHpjSRqQ9Ez/ZQNJU5akAUl11qSBSSmsSUOTLEkDkixI
        A5BdWZDW8RVYkA4ga2FBuuD+YkG64gBjQbrhAqNHpOMEY0F64AZjQXrBEcaK9IojjDXpYFKENelg0liSASR7sCRDcISxJENx
        hLEkA++azJIMPGyUPmzwsnGWZBQcYSzJwI9kY0kGHjeZJRl43ei/Jn8B
        """

    private struct BitWriter {
        private(set) var bytes: [UInt8] = []
        private var used = 8

        /// Lowest bit first, as everything but codes is written.
        mutating func write(_ value: UInt32, _ count: Int) {
            for bit in 0..<count {
                if used == 8 {
                    bytes.append(0)
                    used = 0
                }
                bytes[bytes.count - 1] |= UInt8(value >> UInt32(bit) & 1) << UInt8(used)
                used += 1
            }
        }

        /// Highest bit first.
        mutating func writeCode(_ code: UInt32, _ count: Int) {
            for bit in (0..<count).reversed() {
                write(code >> UInt32(bit) & 1, 1)
            }
        }
    }

    static func littleEndian(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }

    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(0xffff_ffff as UInt32) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xedb8_8320 : 0) }
        }
    }

    private static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var low: UInt32 = 1
        var high: UInt32 = 0
        for byte in bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        return high << 16 | low
    }
}
