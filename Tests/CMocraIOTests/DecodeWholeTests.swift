// Whole gzip and zlib bodies, which libdeflate decodes: one outcome however a body is decoded, be it sound,
// damaged, cut, too large or a bomb.
import CMocraIO
import Testing

@Suite("decoding in one go")
struct DecodeWholeTests {
    private static let page = DecodeRow.page
    private static let gzip = DecodeRow.gzip
    private static let words = latin1("a few words")

    /// Streamed, gathered with and without a known length: one outcome.
    private func expectOneOutcome(
        _ coding: mocra_coding, _ bytes: [UInt8], decodedMax: Int = 1 << 24, ratioMax: UInt32 = 200,
        _ comment: Comment
    ) -> Decoded {
        let ways = Decoding.Way.allCases.map {
            Decoding(coding, decodedMax: decodedMax, ratioMax: ratioMax, way: $0)
        }
        let outcome = ways[0].decode(bytes)
        for decoding in ways.dropFirst() {
            #expect(decoding.decode(bytes) == outcome, comment)
            let third = bytes.count / 3
            #expect(
                decoding.decode(bytes, pieces: [third, third, bytes.count - 2 * third]) == outcome, comment)
        }
        return outcome
    }

    @Test("comes to what the stream comes to, whatever is damaged, cut or limited")
    func sameOutcome() {
        let oddHeader: [UInt8] = latin1("\u{4}\0abcdname\0comment\0")
        let bodies: [(mocra_coding, [UInt8])] = [
            (MOCRA_CODING_GZIP, Self.gzip), (MOCRA_CODING_DEFLATE, DecodeRow.zlib),
            (MOCRA_CODING_DEFLATE, Deflate.deflatedPage),
            (MOCRA_CODING_GZIP, Deflate.gzip(Deflate.stored(Self.words), of: Self.words) + Self.gzip),
            (MOCRA_CODING_GZIP, Self.gzip + latin1("garbage that is no size")),
            (
                MOCRA_CODING_GZIP,
                Deflate.gzip(Deflate.stored(Self.words), of: Self.words, flags: 0x1c, extra: oddHeader)
            ),
        ]
        for (coding, bytes) in bodies {
            for at in bytes.indices {
                for bit in [at % 8, 7 - at % 3] {
                    var damaged = bytes
                    damaged[at] ^= 1 << bit
                    _ = expectOneOutcome(coding, damaged, "byte \(at), bit \(bit)")
                }
                _ = expectOneOutcome(coding, Array(bytes[..<at]), "cut at \(at)")
            }
            for max in [0, 1, 11, 12, 100, Self.page.count - 1, Self.page.count, Self.page.count + 11] {
                _ = expectOneOutcome(coding, bytes, decodedMax: max, "limit \(max)")
            }
        }
    }

    @Test("whatever a gzip member says of its size")
    func sizes() {
        let zeros = Array(repeating: 0 as UInt8, count: 1 + 258 * 400)
        let large = Deflate.gzip(Deflate.zeros(matches: 400), of: zeros)
        #expect(expectOneOutcome(MOCRA_CODING_GZIP, large, "true").bytes == zeros)
        for size in [0, 1, 1_024, zeros.count - 1, zeros.count + 1, 1 << 24, 0xffff_ffff] as [Int] {
            let lie = Array(large.dropLast(4)) + Deflate.littleEndian(UInt32(size))
            #expect(expectOneOutcome(MOCRA_CODING_GZIP, lie, "\(size)").status == "DECODE")
            // Behind the end the same bytes are garbage, and mislead only the guess.
            let outcome = expectOneOutcome(
                MOCRA_CODING_GZIP, large + Deflate.littleEndian(UInt32(size)), "\(size)")
            #expect(outcome == Decoded(status: "OK", bytes: zeros))
        }
        let small = Deflate.gzip(Deflate.stored(Self.words), of: Self.words)
        let members = large + small + large + small
        let outcome = expectOneOutcome(MOCRA_CODING_GZIP, members, ratioMax: 1_000, "members")
        #expect(outcome == Decoded(status: "OK", bytes: zeros + Self.words + zeros + Self.words))
    }

    @Test("a header checksum counts")
    func headerChecksum() {
        let header: [UInt8] = [0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 3]
        let checksum = Deflate.littleEndian(Deflate.crc32(header)).prefix(2)
        let rest =
            Deflate.stored(Self.words) + Deflate.littleEndian(Deflate.crc32(Self.words))
            + Deflate.littleEndian(11)
        let sound = expectOneOutcome(MOCRA_CODING_GZIP, header + checksum + rest, "sound")
        #expect(sound == Decoded(status: "OK", bytes: Self.words))
        let damaged = header + checksum.map { $0 ^ 1 } + rest
        #expect(expectOneOutcome(MOCRA_CODING_GZIP, damaged, "damaged").status == "DECODE")
    }

    @Test("a bomb is one in either way, and so is a body at the edge of it")
    func bombs() {
        for matches in [4_064, 4_065] {
            let plain = Array(repeating: 0 as UInt8, count: 1 + 258 * matches)
            let bytes = Deflate.gzip(Deflate.zeros(matches: matches), of: plain)
            let edge = UInt32(plain.count / bytes.count)
            for ratio in [1, edge - 1, edge, edge + 1] {
                let outcome = expectOneOutcome(MOCRA_CODING_GZIP, bytes, ratioMax: ratio, "\(ratio)")
                let isBomb = plain.count >= 1 << 20 && plain.count > bytes.count * Int(ratio)
                #expect(outcome.status == (isBomb ? "BOMB" : "OK"), "\(matches), \(ratio)")
            }
        }
    }

    @Test("a body that is too large to be held is streamed")
    func large() {
        let held = Int(MOCRA_DECODE_GATHER_BYTES_MAX)
        for count in [held - 100, held, held + 40_000] {
            let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
            let bytes = Deflate.gzip(Deflate.stored(plain), of: plain)
            for way in Decoding.Way.allCases {
                for size in [1_000, 16_384, bytes.count] {
                    let pieces = stride(from: 0, to: bytes.count, by: size).map {
                        min(size, bytes.count - $0)
                    }
                    let outcome = Decoding(MOCRA_CODING_GZIP, way: way).decode(bytes, pieces: pieces)
                    #expect(outcome == Decoded(status: "OK", bytes: plain), "\(count) in \(size), \(way)")
                }
            }
        }
    }

    @Test("output goes behind what is there")
    func appends() {
        for way in Decoding.Way.allCases {
            let outcome = Decoding(MOCRA_CODING_GZIP, way: way).decode(Self.gzip, room: Self.page.count)
            #expect(outcome == Decoded(status: "OK", bytes: Self.page))
        }
    }
}
