// Content decoding: both codings and their variants, bounds, truncation, damage; split at every point and at
// random. It must not know of connections.
import CMocraIO
import Testing

/// A body that decodes to `plain`.
struct DecodeCase: Sendable, CustomTestStringConvertible {
    let name: String
    let coding: mocra_coding
    let bytes: [UInt8]
    let plain: [UInt8]

    var testDescription: String { name }
}

@Suite("content decoding")
struct DecodeTests {
    private static let page = Deflate.page
    private static let gzipPage = Deflate.gzip(Deflate.deflatedPage, of: page)
    private static let words = latin1("a few words")
    private static let gzipWords = Deflate.gzip(Deflate.stored(words), of: words)
    private static let oddHeader: [UInt8] = latin1("\u{4}\0abcdname\0comment\0")

    static let sound: [DecodeCase] = [
        DecodeCase(name: "gzip", coding: MOCRA_CODING_GZIP, bytes: gzipPage, plain: page),
        DecodeCase(
            name: "gzip, stored blocks", coding: MOCRA_CODING_GZIP,
            bytes: Deflate.gzip(Deflate.stored(page, block: 1000), of: page), plain: page),
        DecodeCase(
            name: "gzip with all header fields", coding: MOCRA_CODING_GZIP,
            bytes: Deflate.gzip(Deflate.deflatedPage, of: page, flags: 0x1c, extra: oddHeader), plain: page),
        DecodeCase(
            name: "gzip of nothing", coding: MOCRA_CODING_GZIP, bytes: Deflate.gzip([3, 0], of: []), plain: []
        ),
        DecodeCase(
            name: "three gzip members", coding: MOCRA_CODING_GZIP,
            bytes: gzipWords + Deflate.gzip([3, 0], of: []) + gzipPage, plain: words + page),
        DecodeCase(
            name: "gzip, then zeros", coding: MOCRA_CODING_GZIP,
            bytes: gzipWords + Array(repeating: 0, count: 40) + gzipWords, plain: words),
        DecodeCase(
            name: "gzip, then half a magic number", coding: MOCRA_CODING_GZIP,
            bytes: gzipWords + [0x1f, 0x1f, 0x8b, 8], plain: words),
        DecodeCase(
            name: "gzip, then one byte of a magic number", coding: MOCRA_CODING_GZIP,
            bytes: gzipWords + [0x1f], plain: words),
        DecodeCase(name: "no bytes, gzip", coding: MOCRA_CODING_GZIP, bytes: [], plain: []),
        DecodeCase(name: "no bytes, deflate", coding: MOCRA_CODING_DEFLATE, bytes: [], plain: []),
        DecodeCase(
            name: "zlib", coding: MOCRA_CODING_DEFLATE, bytes: Deflate.zlib(Deflate.deflatedPage, of: page),
            plain: page),
        DecodeCase(
            name: "zlib, another level", coding: MOCRA_CODING_DEFLATE,
            bytes: Deflate.zlib(Deflate.deflatedPage, of: page, header: [0x78, 0xda]), plain: page),
        DecodeCase(
            name: "zlib, small window", coding: MOCRA_CODING_DEFLATE,
            bytes: Deflate.zlib(Deflate.stored(words), of: words, header: [0x18, 0x19]), plain: words),
        DecodeCase(
            name: "zlib, then garbage", coding: MOCRA_CODING_DEFLATE,
            bytes: Deflate.zlib(Deflate.stored(words), of: words) + latin1("<!-- cached -->"), plain: words),
        DecodeCase(name: "raw", coding: MOCRA_CODING_DEFLATE, bytes: Deflate.deflatedPage, plain: page),
        DecodeCase(
            name: "raw, stored blocks", coding: MOCRA_CODING_DEFLATE, bytes: Deflate.stored(page, block: 999),
            plain: page),
        DecodeCase(
            name: "raw, with padding bits like a zlib header's", coding: MOCRA_CODING_DEFLATE,
            bytes: [0x78, 5, 0, 0xfa, 0xff] + latin1("hello") + Deflate.stored(words),
            plain: latin1("hello") + words),
        DecodeCase(name: "raw, nothing", coding: MOCRA_CODING_DEFLATE, bytes: [3, 0], plain: []),
        DecodeCase(
            name: "raw, then garbage", coding: MOCRA_CODING_DEFLATE,
            bytes: Deflate.stored(words) + [0x78, 0x9c, 1], plain: words),
    ]

    @Test("sound bodies at every split", arguments: sound)
    func splits(_ example: DecodeCase) {
        let expected = Decoded(status: "OK", bytes: example.plain)
        for way in Decoding.Way.allCases {
            Decoding(example.coding, way: way).expectAtEverySplit(example.bytes, expected)
        }
    }

    @Test("a body cut anywhere gives what was decoded, and an error")
    func truncated() {
        let bodies: [(mocra_coding, [UInt8])] = [
            (MOCRA_CODING_GZIP, Self.gzipPage),
            (MOCRA_CODING_DEFLATE, Deflate.zlib(Deflate.deflatedPage, of: Self.page)),
            (MOCRA_CODING_DEFLATE, Deflate.deflatedPage),
            (MOCRA_CODING_DEFLATE, Deflate.stored(Self.page, block: 512)),
        ]
        for (coding, bytes) in bodies {
            let decoding = Decoding(coding)
            for count in 1..<bytes.count {
                let outcome = decoding.decode(Array(bytes[..<count]))
                #expect(outcome.status == "DECODE", "\(coding) cut at \(count)")
                #expect(Self.page.starts(with: outcome.bytes))
            }
            let almost = decoding.decode(Array(bytes.dropLast()))
            #expect(almost.bytes.count > 3000)
        }
    }

    @Test("a second gzip member that is cut or corrupt is an error")
    func secondMember() {
        let decoding = Decoding()
        let first = Self.gzipWords
        for count in 2..<first.count {
            let outcome = decoding.decode(first + first[..<count])
            #expect(outcome.status == "DECODE", "second member of \(count) bytes")
            #expect(outcome.bytes.starts(with: Self.words))
        }
    }

    @Test("damage is an error wherever a checksum or the format can tell")
    func corrupt() {
        let bodies: [(mocra_coding, [UInt8], sound: Set<Int>)] = [
            // MTIME, XFL and OS may hold anything. So may the sample's last deflated byte above its lowest
            // bit.
            (MOCRA_CODING_GZIP, Self.gzipPage, [4, 5, 6, 7, 8, 9, 411]),
            (MOCRA_CODING_DEFLATE, Deflate.zlib(Deflate.deflatedPage, of: Self.page), [403]),
        ]
        for (coding, bytes, sound) in bodies {
            let decoding = Decoding(coding)
            for at in 0..<bytes.count {
                for bit in [1, 4, 7] as [UInt8] {
                    var damaged = bytes
                    damaged[at] ^= 1 << bit
                    let outcome = decoding.decode(damaged, pieces: [at, bytes.count - at])
                    #expect(
                        outcome.status == (sound.contains(at) ? "OK" : "DECODE"), "byte \(at), bit \(bit)")
                }
            }
        }
        for text in [
            "<!DOCTYPE html><title>not encoded at all</title>", "\u{78}", "\0\0\0\0\0\0\0\0",
            "\u{78}\u{bb}abcd",
        ] {
            #expect(Decoding().decode(latin1(text)).status == "DECODE")
            #expect(Decoding(MOCRA_CODING_DEFLATE).decode(latin1(text)).status == "DECODE")
        }
    }

    @Test("output is cut exactly at the limit")
    func limit() {
        let bodies: [(mocra_coding, [UInt8])] = [
            (MOCRA_CODING_GZIP, Self.gzipPage), (MOCRA_CODING_DEFLATE, Deflate.deflatedPage),
            (MOCRA_CODING_GZIP, Self.gzipWords + Deflate.gzip(Deflate.stored(Self.page), of: Self.page)),
        ]
        for (coding, bytes) in bodies {
            let plain = Decoding(coding).decode(bytes).bytes
            for max in [0, 1, 10, 11, 12, 255, 256, 257, 3000, plain.count - 1] {
                for pieces in [[bytes.count], Array(repeating: 1, count: bytes.count)] {
                    let outcome = Decoding(coding, decodedMax: max).decode(bytes, pieces: pieces)
                    #expect(outcome == Decoded(status: "TOO_LARGE", bytes: Array(plain[..<max])), "\(max)")
                }
            }
            for max in [plain.count, plain.count + 1] {
                let outcome = Decoding(coding, decodedMax: max).decode(bytes)
                #expect(outcome == Decoded(status: "OK", bytes: plain), "\(max)")
            }
        }
        let nothing = Decoding(decodedMax: 0).decode(Deflate.gzip([3, 0], of: []))
        #expect(nothing == Decoded(status: "OK", bytes: []))
    }

    @Test("a bomb is stopped soon after the ratio is passed")
    func bomb() {
        // 5 MB out of 33 KB: 159 to 1.
        let deflated = Deflate.zeros(matches: 20_000)
        let plainCount = 1 + 258 * 20_000
        for ratio in [1, 10, 100, 158] as [UInt32] {
            for size in [1, 100, 4096, deflated.count] {
                let decoding = Decoding(MOCRA_CODING_DEFLATE, ratioMax: ratio)
                let count = deflated.count
                let pieces = stride(from: 0, to: count, by: size).map { min(size, count - $0) }
                let outcome = decoding.decode(deflated, pieces: pieces)
                #expect(outcome.status == "BOMB", "ratio \(ratio), pieces of \(size)")
                // It stops within one step of where the bytes given so far allow it.
                #expect(outcome.bytes.count >= 1 << 20)
                let given = min(((1 << 20) / 159 / size + 1) * size, deflated.count)
                let allowed = max(1 << 20, given * Int(ratio)) + 2 * 65536
                #expect(size < 4096 || outcome.bytes.count <= allowed, "\(outcome)")
            }
        }
        for ratio in [160, 1000, UInt32.max] {
            let outcome = Decoding(MOCRA_CODING_DEFLATE, ratioMax: ratio).decode(deflated)
            #expect(outcome == Decoded(status: "OK", bytes: Array(repeating: 0, count: plainCount)))
        }
        // The limit is what stops it when the ratio allows more.
        let limited = Decoding(MOCRA_CODING_DEFLATE, decodedMax: 1_000_000, ratioMax: 1000).decode(deflated)
        #expect(limited.status == "TOO_LARGE" && limited.bytes.count == 1_000_000)
    }

    @Test("below 1 MiB the ratio does not count")
    func smallRatio() {
        let below = Deflate.zeros(matches: 4_064)
        #expect(1 + 258 * 4_064 < 1 << 20)
        #expect(Decoding(MOCRA_CODING_DEFLATE, ratioMax: 1).decode(below).status == "OK")
        let above = Deflate.zeros(matches: 4_065)
        #expect(Decoding(MOCRA_CODING_DEFLATE, ratioMax: 1).decode(above).status == "BOMB")
    }

    @Test("the output's room may end anywhere")
    func room() {
        // The last byte of this stream holds the end of its last match and the end of its block, so nothing
        // that comes later makes up for output that was left inside zlib.
        let deflated = Deflate.zeros(matches: 14)
        let plain = Array(repeating: 0 as UInt8, count: 1 + 258 * 14)
        for room in 256...plain.count + 1 {
            for pieces in [[deflated.count], Array(repeating: 1, count: deflated.count)] {
                let outcome = Decoding(MOCRA_CODING_DEFLATE).decode(deflated, pieces: pieces, room: room)
                #expect(outcome == Decoded(status: "OK", bytes: plain), "room for \(room)")
            }
        }
    }

    @Test("only codings that it knows")
    func arguments() {
        for coding in [MOCRA_CODING_IDENTITY, MOCRA_CODING_UNKNOWN, mocra_coding(rawValue: 77)] {
            #expect(Decoding(coding).decode([]).status == "ARGUMENT")
        }
        #expect(Decoding(MOCRA_CODING_GZIP, MOCRA_CODING_UNKNOWN).decode([]).status == "ARGUMENT")
        #expect(Decoding(MOCRA_CODING_IDENTITY, MOCRA_CODING_GZIP).decode([]).status == "ARGUMENT")
        let tooMany = Decoding(row: Array(repeating: MOCRA_CODING_GZIP, count: 5))
        #expect(tooMany.decode([]).status == "ARGUMENT")
        mocra_decoder_destroy(nil)
    }

    @Test("byte arrays grow, and stay as they were when there is no memory")
    func byteArray() {
        var bytes = unsafe mocra_bytes()
        defer { unsafe mocra_bytes_free(&bytes) }
        var expected: [UInt8] = []
        #expect(unsafe mocra_bytes_append(&bytes, nil, 0) == MOCRA_OK)
        for size in [1, 255, 1, 1000, 0, 5000] {
            let piece = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 31 + size) }
            #expect(unsafe mocra_bytes_append(&bytes, piece, size) == MOCRA_OK)
            expected += piece
            #expect(unsafe bytes.capacity >= bytes.length && bytes.capacity <= max(256, 3 * expected.count))
        }
        let held = unsafe (bytes.data, bytes.length, bytes.capacity)
        for extra in [Int.max, Int.max - 100] {
            #expect(unsafe mocra_bytes_reserve(&bytes, extra) == MOCRA_ERR_MEMORY.rawValue)
        }
        #expect(unsafe bytes.data == held.0 && bytes.length == held.1 && bytes.capacity == held.2)
        #expect(unsafe Array(UnsafeBufferPointer(start: bytes.data, count: bytes.length)) == expected)
    }
}
