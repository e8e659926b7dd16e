// Response bodies: the three framings, chunk syntax and its bounds, split at every point and at random. It
// must not know of heads.
import CMocraIO
import TestSupport
import Testing

/// One body and what it must come to.
struct BodyCase: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let framing: BodyFraming
    let expected: BodyOutcome

    var testDescription: String { name }

    static func whole(
        _ name: String, _ framing: BodyFraming, _ text: String, payload: String, rest: String = ""
    ) -> BodyCase {
        let expected = BodyOutcome(
            status: "OK", payload: latin1(payload), consumed: latin1(text).count, end: "OK")
        return BodyCase(name: name, bytes: latin1(text + rest), framing: framing, expected: expected)
    }

    static func cut(
        _ name: String, _ framing: BodyFraming, _ text: String, payload: String, end: String = "BODY_SHORT"
    ) -> BodyCase {
        let expected = BodyOutcome(
            status: "MORE", payload: latin1(payload), consumed: latin1(text).count, end: end)
        return BodyCase(name: name, bytes: latin1(text), framing: framing, expected: expected)
    }

    /// A chunked body that is refused after `payload`.
    static func refuses(
        _ text: String, payload: String = "", error: String = "CHUNK_SYNTAX", name: String? = nil
    ) -> BodyCase {
        let expected = BodyOutcome(status: error, payload: latin1(payload))
        return BodyCase(
            name: name ?? text.debugDescription, bytes: latin1(text), framing: .chunked, expected: expected)
    }
}

@Suite("HTTP/1 bodies")
struct HTTP1BodyTests {
    static let extensionMax = Int(MOCRA_HTTP1_CHUNK_LINE_BYTES_MAX)
    static let trailersMax = Int(MOCRA_HTTP1_TRAILER_BYTES_MAX)

    static let accepted: [BodyCase] = [
        .whole("none", .none, "", payload: "", rest: "HTTP/1.1 200 OK\r\n"),
        .whole("length 0", .length(0), "", payload: "", rest: "x"),
        .whole("length", .length(5), "hello", payload: "hello", rest: "\r\n"),
        .cut("length, cut short", .length(6), "hello", payload: "hello"),
        .cut("a length beyond memory", .length(UInt64(Int64.max)), "hello", payload: "hello"),
        .cut("until the end", .close, "any\r\n0\r\n\r\nbytes", payload: "any\r\n0\r\n\r\nbytes", end: "OK"),
        .cut("until the end, empty", .close, "", payload: "", end: "OK"),
        .whole("no chunk", .chunked, "0\r\n\r\n", payload: "", rest: "x"),
        .whole("chunks", .chunked, "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", payload: "hello world"),
        .whole(
            "chunk data like framing", .chunked, "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", payload: "0\r\n\r\n\r\n"),
        .whole(
            "hex sizes", .chunked, "a\r\n0123456789\r\n0B\r\n0123456789a\r\n000\r\n\r\n",
            payload: "01234567890123456789a"),
        .whole("16 digits", .chunked, "0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", payload: "x"),
        .whole(
            "extensions", .chunked, "1;a\r\nx\r\n1 \t;a=\"b;\";c=\u{e9}\r\ny\r\n0;z\r\n\r\n", payload: "xy"),
        .whole("white space behind the size", .chunked, "1 \r\nx\r\n0\t \r\n\r\n", payload: "x"),
        .whole("trailers", .chunked, "0\r\nDigest: a\r\n\tfolded\r\nB: c\r\n\r\n", payload: "", rest: "\r\n"),
        .cut("the largest size", .chunked, "ffffffffffffffff\r\nabc", payload: "abc"),
        .cut("cut in a chunk", .chunked, "5\r\nhel", payload: "hel"),
        .cut("cut before the last line", .chunked, "5\r\nhello\r\n0\r\n", payload: "hello"),
        .cut("cut in the trailers", .chunked, "0\r\nA: b", payload: ""),
        .whole(
            "the longest chunk line", .chunked,
            "1;" + String(repeating: "e", count: extensionMax - 4) + "\r\nx\r\n0\r\n\r\n", payload: "x"),
        .whole(
            "the longest trailers", .chunked,
            "0\r\n" + String(repeating: "t", count: trailersMax - 4) + "\r\n\r\n", payload: ""),
    ]

    /// Chunks of one byte with 840 bytes of extension each: 81 of them bring more than 64 KiB too many.
    private static func excess(_ chunks: Int) -> String {
        String(repeating: "1;" + String(repeating: "e", count: 840) + "\r\nx\r\n", count: chunks)
    }

    static let refused: [BodyCase] = [
        .refuses("\r\n"), .refuses("x\r\n"), .refuses(" 5\r\n"), .refuses("-5\r\n"), .refuses("+5\r\n"),
        .refuses("0x5\r\n"), .refuses("5g\r\n"), .refuses(";a\r\n"), .refuses("5,5\r\n"),
        .refuses("\u{b5}\r\n"),
        .refuses("5 5\r\n"), .refuses("5 x\r\n"), .refuses("\0\r\n"), .refuses("5\0\r\n"),
        .refuses("5;\0\r\n"),
        .refuses("5;a\u{7f}\r\n"), .refuses("5;a\rb\r\n"), .refuses("5\r5\r\n"), .refuses("5\r\r\n"),
        .refuses("00000000000000005\r\nhello"), .refuses("10000000000000000\r\n"), .refuses("@\r\n"),
        .refuses("G\r\n"), .refuses("`\r\n"), .refuses("/\r\n"), .refuses(":\r\n"),
        // LF alone is no line end here.
        .refuses("5\nhello\n0\n\n"), .refuses("5;a\nhello"), .refuses("5 \nhello"), .refuses("0\n\n"),
        .refuses("0\r\n\n"), .refuses("0\r\nA: b\n\r\n"), .refuses("0\r\nA: b\r\n\n"),
        .refuses("5\r\nhello\n0\r\n\r\n", payload: "hello"),
        .refuses("5\r\nhello0\r\n\r\n", payload: "hello"),
        .refuses("5\r\nhello\r0\r\n\r\n", payload: "hello"),
        .refuses("5\r\nhello!\r\n0\r\n\r\n", payload: "hello"),
        .refuses("5\r\nhello\r\n\r\n0\r\n\r\n", payload: "hello"), .refuses("0\r\nA: \0\r\n\r\n"),
        .refuses("0\r\nA: b\rc\r\n\r\n"), .refuses("0\r\n\rA: b\r\n\r\n"), .refuses("0\r\n\u{1}\r\n"),
        .refuses(
            "1;" + String(repeating: "e", count: extensionMax - 3) + "\r\nx",
            name: "a chunk line one too long"),
        .refuses(
            "1" + String(repeating: " ", count: 2000),
            name: "padding without end"),
        .refuses(
            excess(81), payload: String(repeating: "x", count: 80), name: "long extensions of tiny chunks"),
        .refuses(
            "0\r\n" + String(repeating: "t", count: trailersMax - 3) + "\r\n\r\n", error: "TRAILER_TOO_LARGE",
            name: "trailers one too long"),
        .refuses(
            "1;" + String(repeating: "e", count: extensionMax - 1), name: "an extension one too long so far"),
        .refuses(
            "0\r\n" + String(repeating: "t", count: trailersMax + 1), error: "TRAILER_TOO_LARGE",
            name: "a trailer one too long so far"),
        .refuses(
            "0\r\n" + String(repeating: "A: b\r\n", count: 2000), error: "TRAILER_TOO_LARGE",
            name: "trailers without end"),
    ]

    @Test("bodies at every split", arguments: accepted + refused)
    func splits(_ example: BodyCase) {
        let reader = BodyReader(capacity: 128 << 10)
        var random = SeededRandom(seed: 3)
        let bytes = example.bytes
        for placement in GuardedBytes.Placement.allCases {
            let whole = bytes.isEmpty ? [] : [bytes.count]
            #expect(reader.read(bytes, example.framing, pieces: whole, placement) == example.expected)
            let singly = Array(repeating: 1, count: bytes.count)
            #expect(reader.read(bytes, example.framing, pieces: singly, placement) == example.expected)
            // In two pieces: at every point of short bodies, at some of long ones.
            let step = bytes.count > 20_000 ? 4_999 : bytes.count > 500 ? 97 : 1
            for first in stride(from: 1, to: max(bytes.count, 1), by: step) {
                let pieces = [first, bytes.count - first]
                let outcome = reader.read(bytes, example.framing, pieces: pieces, placement)
                #expect(outcome == example.expected, "\(pieces)")
            }
            for most in [2, 3, 7, 100] {
                let pieces = random.splits(of: bytes.count, most: most)
                let outcome = reader.read(bytes, example.framing, pieces: pieces, placement)
                #expect(outcome == example.expected, "\(pieces)")
            }
        }
    }

    @Test("a chunked body that is cut anywhere is short", arguments: accepted)
    func truncated(_ example: BodyCase) {
        guard case .chunked = example.framing, example.expected.status == "OK" else { return }
        let reader = BodyReader()
        for count in 0..<example.expected.consumed {
            let outcome = reader.read(
                Array(example.bytes[..<count]), .chunked, pieces: count > 0 ? [count] : [])
            #expect(outcome.status == "MORE" && outcome.end == "BODY_SHORT", "\(count) bytes: \(outcome)")
            #expect(example.expected.payload.starts(with: outcome.payload))
            #expect(outcome.violations == [])
        }
    }

    @Test("random bodies are put together exactly, whatever the splits")
    func reassembly() {
        var random = SeededRandom(seed: 0x6368_756e_6b73)
        let reader = BodyReader(capacity: 65536)
        for _ in 0..<400 {
            let payload = (0..<Int.random(in: 0...3000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let rest = latin1(Bool.random(using: &random) ? "HTTP/1.1 200 OK\r\n" : "")
            var wire: [UInt8] = []
            var at = 0
            for size in random.splits(of: payload.count, most: Int.random(in: 1...900, using: &random)) {
                let digits = String(size, radix: 16, uppercase: Bool.random(using: &random))
                let zeros = String(repeating: "0", count: Int.random(in: 0...3, using: &random))
                let tail = ["", ";a=b", " ", "\t;\"q\""].randomElement(using: &random) ?? ""
                wire += latin1(zeros + digits + tail + "\r\n") + payload[at..<at + size] + [13, 10]
                at += size
            }
            wire += latin1(["0\r\n\r\n", "00;x\r\nA: b\r\nC: d\r\n\r\n"].randomElement(using: &random) ?? "")
            let pieces = random.splits(
                of: wire.count + rest.count, most: Int.random(in: 1...2000, using: &random))
            let outcome = reader.read(wire + rest, .chunked, pieces: pieces)
            #expect(
                outcome == BodyOutcome(status: "OK", payload: payload, consumed: wire.count, end: "OK"))

            let plain = random.splits(of: payload.count + rest.count, most: 500)
            let length = reader.read(payload + rest, .length(UInt64(payload.count)), pieces: plain)
            #expect(
                length == BodyOutcome(status: "OK", payload: payload, consumed: payload.count, end: "OK"))
        }
    }

    @Test("random damage to chunked bodies: splits never change the outcome")
    func mutations() {
        var random = SeededRandom(seed: 77)
        let reader = BodyReader()
        let telling = latin1("\r\n0a;\0 \u{80}:")
        let seeds = (Self.accepted + Self.refused).map(\.bytes).filter { $0.count < 200 && !$0.isEmpty }
        var counts: [String: Int] = [:]
        for _ in 0..<5000 {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                let byte = telling[Int.random(in: 0..<telling.count, using: &random)]
                if Bool.random(using: &random) {
                    bytes[at] = byte
                } else {
                    bytes.insert(byte, at: at)
                }
            }
            let whole = reader.read(bytes, .chunked, pieces: [bytes.count], .behindGuard)
            let pieces = random.splits(of: bytes.count, most: 6)
            #expect(reader.read(bytes, .chunked, pieces: pieces) == whole, "\(bytes) in \(pieces)")
            #expect(whole.violations == [])
            counts[whole.status, default: 0] += 1
        }
        for status in ["OK", "MORE", "CHUNK_SYNTAX"] {
            #expect(counts[status, default: 0] > 50, "\(counts)")
        }
    }
}
