// br, zstd and codings in a row: sound, cut, mislabelled, too large, and bombs of each kind and nested.
import CMocraIO
import TestSupport
import Testing

/// One encoding of `DecodeRow.page`.
struct RowSample: Sendable {
    let name: String
    let row: [mocra_coding]
    let bytes: [UInt8]
    var plain = DecodeRow.page
}

enum DecodeRow {
    static let page = Deflate.page
    static let gzip = Deflate.gzip(Deflate.deflatedPage, of: page)
    static let zlib = Deflate.zlib(Deflate.deflatedPage, of: page)

    static func gzipped(_ bytes: [UInt8]) -> [UInt8] { Deflate.gzip(Deflate.stored(bytes), of: bytes) }

    static let single: [(String, mocra_coding)] = [
        ("gzip", MOCRA_CODING_GZIP), ("deflate", MOCRA_CODING_DEFLATE), ("br", MOCRA_CODING_BROTLI),
        ("zstd", MOCRA_CODING_ZSTD),
    ]

    static func encode(_ bytes: [UInt8], _ coding: mocra_coding) throws -> [UInt8] {
        switch coding {
        case MOCRA_CODING_GZIP: try Gzip.compress(bytes)
        case MOCRA_CODING_DEFLATE: try Gzip.deflate(bytes)
        case MOCRA_CODING_BROTLI: try Brotli.compress(bytes)
        default: try Zstandard.compress(bytes)
        }
    }

    static func encode(_ bytes: [UInt8], row: [mocra_coding]) throws -> [UInt8] {
        try row.reduce(bytes) { try encode($0, $1) }
    }

    static func sound() throws -> [RowSample] {
        let br = try Brotli.compress(page)
        let zstd = try Zstandard.compress(page)
        let words = latin1("a few words")
        let skippable: [UInt8] = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]
        var samples = [
            RowSample(name: "br, then garbage", row: [MOCRA_CODING_BROTLI], bytes: br + latin1("<!-- -->")),
            RowSample(
                name: "two zstd frames", row: [MOCRA_CODING_ZSTD],
                bytes: zstd + (try Zstandard.compress(words)), plain: page + words),
            RowSample(
                name: "zstd between skippable frames", row: [MOCRA_CODING_ZSTD],
                bytes: skippable + zstd + skippable + skippable),
            RowSample(
                name: "zstd, then garbage", row: [MOCRA_CODING_ZSTD], bytes: zstd + latin1("\0 garbage")),
            RowSample(
                name: "zstd, then most of a magic number", row: [MOCRA_CODING_ZSTD],
                bytes: zstd + [0x28, 0xb5, 0x2f, 0x28]),
            RowSample(name: "zstd, then half of one", row: [MOCRA_CODING_ZSTD], bytes: zstd + [0x28, 0xb5]),
            RowSample(
                name: "zstd, then half of a skippable one", row: [MOCRA_CODING_ZSTD],
                bytes: zstd + [0x50, 0x2a]),
            RowSample(
                name: "gzip of gzip and garbage", row: [MOCRA_CODING_GZIP, MOCRA_CODING_GZIP],
                bytes: gzipped(gzip + latin1("garbage")) + gzipped(latin1("more"))),
        ]
        for (name, coding) in single {
            samples.append(RowSample(name: "no bytes, \(name)", row: [coding], bytes: [], plain: []))
            samples.append(
                RowSample(name: "\(name) of nothing", row: [coding], bytes: try encode([], coding), plain: [])
            )
        }
        let rows = single.map { [$0.1] } + single.flatMap { a in single.map { b in [a.1, b.1] } }
        for row in rows + [single.map(\.1), single.map(\.1).reversed()] {
            samples.append(
                RowSample(name: "\(row.map(\.rawValue))", row: row, bytes: try encode(page, row: row)))
        }
        return samples
    }
}

@Suite("codings in a row")
struct DecodeRowTests {
    @Test("sound bodies at every split")
    func splits() throws {
        for sample in try DecodeRow.sound() {
            // Rows are never gathered, so one way will do.
            let ways: [Decoding.Way] = sample.row.count == 1 ? [.streamed, .gatheredToLength] : [.streamed]
            for way in ways {
                let decoding = Decoding(row: sample.row, way: way)
                let expected = Decoded(status: "OK", bytes: sample.plain)
                #expect(decoding.decode(sample.bytes) == expected, "\(sample.name)")
                decoding.expectAtEverySplit(
                    sample.bytes, expected, step: sample.row.count == 1 ? 1 : 11)
            }
        }
    }

    @Test("a body cut anywhere gives what was decoded, and an error")
    func truncated() throws {
        let rows =
            DecodeRow.single.map { [$0.1] } + [
                [MOCRA_CODING_GZIP, MOCRA_CODING_BROTLI], [MOCRA_CODING_ZSTD, MOCRA_CODING_DEFLATE],
            ]
        for row in rows {
            let bytes = try DecodeRow.encode(DecodeRow.page, row: row)
            for way in Decoding.Way.allCases {
                var decoding = Decoding(row: row, way: way)
                for count in 1..<bytes.count {
                    let cut = Array(bytes[..<count])
                    decoding.whole = true
                    let outcome = decoding.decode(cut)
                    #expect(outcome.status == "DECODE", "\(row) cut at \(count), \(way)")
                    #expect(DecodeRow.page.starts(with: outcome.bytes))
                    // Cut by its receiver it is what it is.
                    decoding.whole = false
                    #expect(decoding.decode(cut) == Decoded(status: "OK", bytes: outcome.bytes))
                }
            }
        }
    }

    @Test("a wrong label is an error")
    func labels() throws {
        for (name, coding) in DecodeRow.single {
            let bytes = try DecodeRow.encode(DecodeRow.page, coding)
            for (label, other) in DecodeRow.single where other != coding {
                for way in Decoding.Way.allCases {
                    let outcome = Decoding(other, way: way).decode(bytes)
                    #expect(outcome.status == "DECODE", "\(name) labelled \(label)")
                }
            }
            let plain = Decoding(coding).decode(latin1("<!DOCTYPE html><title>not encoded</title>"))
            #expect(plain.status == "DECODE", "\(name)")
            // The order of a row counts, and its length.
            #expect(Decoding(coding, coding).decode(bytes).status == "DECODE", "\(name) once, not twice")
        }
        let row = try DecodeRow.encode(DecodeRow.page, row: [MOCRA_CODING_BROTLI, MOCRA_CODING_ZSTD])
        #expect(Decoding(MOCRA_CODING_ZSTD, MOCRA_CODING_BROTLI).decode(row).status == "DECODE")
    }

    @Test("damage never gives another outcome than an error, or the page")
    func corrupt() throws {
        for row in [[MOCRA_CODING_ZSTD], [MOCRA_CODING_GZIP, MOCRA_CODING_BROTLI]] {
            let bytes = try DecodeRow.encode(DecodeRow.page, row: row)
            let decoding = Decoding(row: row)
            var errors = 0
            for at in 0..<bytes.count {
                for bit in [0, 3, 7] as [UInt8] {
                    var damaged = bytes
                    damaged[at] ^= 1 << bit
                    let outcome = decoding.decode(damaged, pieces: [at, bytes.count - at])
                    let harmless = outcome == Decoded(status: "OK", bytes: DecodeRow.page)
                    #expect(harmless || outcome.status == "DECODE", "\(row), byte \(at), bit \(bit)")
                    errors += harmless ? 0 : 1
                }
            }
            #expect(errors > bytes.count * 2)
        }
    }

    @Test("output is cut exactly at the limit")
    func limit() throws {
        let plain = DecodeRow.page
        let rows =
            DecodeRow.single.map { [$0.1] } + [
                [MOCRA_CODING_ZSTD, MOCRA_CODING_GZIP],
                [MOCRA_CODING_GZIP, MOCRA_CODING_DEFLATE, MOCRA_CODING_BROTLI],
            ]
        for row in rows {
            let bytes = try DecodeRow.encode(plain, row: row)
            for way in Decoding.Way.allCases {
                for max in [0, 1, 255, 256, 257, 3000, plain.count - 1] {
                    for pieces in [[bytes.count], Array(repeating: 1, count: bytes.count)] {
                        let outcome = Decoding(row: row, decodedMax: max, way: way).decode(
                            bytes, pieces: pieces)
                        let cut = Decoded(status: "TOO_LARGE", bytes: Array(plain[..<max]))
                        #expect(outcome == cut, "\(row), \(max), \(way)")
                    }
                }
                for max in [plain.count, plain.count + 1] {
                    let outcome = Decoding(row: row, decodedMax: max, way: way).decode(bytes)
                    #expect(outcome == Decoded(status: "OK", bytes: plain), "\(row), \(max), \(way)")
                }
            }
        }
    }

    @Test("bombs of each kind, and nested")
    func bombs() throws {
        let zeros = Array(repeating: 0 as UInt8, count: 8 << 20)
        let zstd = Zstandard.zeros(blocks: 64)
        let br = try Brotli.compress(zeros, quality: 2)
        let gzip = try Gzip.compress(zeros)
        let bombs: [(row: [mocra_coding], bytes: [UInt8])] = [
            ([MOCRA_CODING_ZSTD], zstd), ([MOCRA_CODING_BROTLI], br), ([MOCRA_CODING_GZIP], gzip),
            ([MOCRA_CODING_DEFLATE], Array(gzip.dropFirst(10))),
            ([MOCRA_CODING_GZIP, MOCRA_CODING_GZIP], try Gzip.compress(gzip)),
            ([MOCRA_CODING_ZSTD, MOCRA_CODING_BROTLI], try Brotli.compress(zstd)),
            ([MOCRA_CODING_BROTLI, MOCRA_CODING_ZSTD], try Zstandard.compress(br)),
            (
                [MOCRA_CODING_GZIP, MOCRA_CODING_ZSTD, MOCRA_CODING_BROTLI, MOCRA_CODING_GZIP],
                try DecodeRow.encode(gzip, row: [MOCRA_CODING_ZSTD, MOCRA_CODING_BROTLI, MOCRA_CODING_GZIP])
            ),
            // The outer codings say nothing against it: the inner one alone expands too much.
            ([MOCRA_CODING_GZIP, MOCRA_CODING_GZIP], DecodeRow.gzipped(gzip)),
        ]
        for (row, bytes) in bombs {
            for way in Decoding.Way.allCases {
                for pieces in [[bytes.count], Array(repeating: 1, count: bytes.count)]
                where bytes.count < 50_000 {
                    let outcome = Decoding(row: row, decodedMax: 10 << 20, way: way).decode(
                        bytes, pieces: pieces)
                    #expect(outcome.status == "BOMB", "\(row) of \(bytes.count) bytes, \(way)")
                    let allowed = max(1 << 20, bytes.count * 200) + 2 * 65_536
                    #expect(outcome.bytes.count <= allowed && outcome.bytes.allSatisfy { $0 == 0 }, "\(row)")
                }
            }
            // The same body is no bomb where the ratio allows it.
            let allowed = Decoding(row: row, decodedMax: 32 << 20, ratioMax: 1_000_000).decode(bytes)
            #expect(allowed == Decoded(status: "OK", bytes: zeros), "\(row)")
            let limited = Decoding(row: row, decodedMax: 100_000, ratioMax: 1_000_000).decode(bytes)
            #expect(limited == Decoded(status: "TOO_LARGE", bytes: Array(zeros[..<100_000])), "\(row)")
        }
    }

    @Test("the ratio holds for the whole row, where each coding keeps it")
    func ratioOfTheRow() throws {
        // Text that shrinks some 300 times, and what is left again.
        let line = latin1("a line that comes again and again\n")
        let plain = Array(repeatElement(line, count: 2_000_000 / line.count).joined())
        let row = [MOCRA_CODING_GZIP, MOCRA_CODING_BROTLI]
        let once = try Gzip.compress(plain)
        let twice = try Brotli.compress(once)
        let each = UInt32(max(plain.count / once.count, once.count / twice.count) + 1)
        try #require(plain.count / twice.count > Int(each), "the second coding gained nothing")
        #expect(Decoding(row: row, ratioMax: each).decode(twice).status == "BOMB")
        let ratio = UInt32(plain.count / twice.count + 1)
        #expect(Decoding(row: row, ratioMax: ratio).decode(twice) == Decoded(status: "OK", bytes: plain))
    }

    @Test("what lies between two codings is bounded, too")
    func between() throws {
        let nothing = Deflate.gzip([3, 0], of: [])
        let members = Array(repeatElement(nothing, count: 2_000_000 / nothing.count).joined())
        let bytes = try Gzip.compress(members)
        let row = [MOCRA_CODING_GZIP, MOCRA_CODING_GZIP]
        let bounded = Decoding(row: row, decodedMax: 1_000, ratioMax: 100_000)
        #expect(bounded.decode(bytes) == Decoded(status: "BOMB", bytes: []))
        let roomy = Decoding(row: row, decodedMax: 1_000_000, ratioMax: 100_000)
        #expect(roomy.decode(bytes) == Decoded(status: "OK", bytes: []))
    }

    @Test("zstd with a window up to 8 MiB (RFC 9659)")
    func window() {
        for log in [10, 17, 23] as [UInt8] {
            let outcome = Decoding(MOCRA_CODING_ZSTD, ratioMax: 100_000).decode(
                Zstandard.zeros(blocks: 3, windowLog: log))
            let fits = log >= 17
            // A block may not be larger than the window (RFC 8878 §3.1.1.2.4).
            #expect(outcome.status == (fits ? "OK" : "DECODE") && outcome.bytes.count == (fits ? 3 << 17 : 0))
        }
        for log in [24, 27, 31, 41] as [UInt8] {
            let outcome = Decoding(MOCRA_CODING_ZSTD, ratioMax: 100_000).decode(
                Zstandard.zeros(blocks: 3, windowLog: log))
            #expect(outcome == Decoded(status: "DECODE", bytes: []), "2^\(log)")
        }
    }
}
