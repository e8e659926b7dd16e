// The scanning primitives: every path this machine has against the plain meaning, at every offset and
// length. It must not know of messages.
import CMocraIO
import TestSupport
import Testing

@Suite("HTTP/1 scanning")
struct HTTP1ScanTests {
    /// What each primitive means, stated without regard to speed.
    private enum Meaning {
        static func headEnd(_ bytes: [UInt8]) -> Int {
            for end in stride(from: 2, through: bytes.count, by: 1) where bytes[end - 1] == 10 {
                let isAfterLine = bytes[end - 2] == 10
                let isAfterCRLF = end >= 3 && bytes[end - 2] == 13 && bytes[end - 3] == 10
                if isAfterLine || isAfterCRLF {
                    return end
                }
            }
            return 0
        }

        static func text(_ bytes: [UInt8]) -> Int {
            bytes.firstIndex { ($0 < 32 && $0 != 9) || $0 == 127 } ?? bytes.count
        }

        static func token(_ bytes: [UInt8]) -> Int {
            let tokens = Set(
                "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
            return bytes.firstIndex { !tokens.contains($0) } ?? bytes.count
        }
    }

    private static let paths: [mocra_scan_path] = (0...mocra_scan_best().rawValue).map {
        mocra_scan_path(rawValue: $0)
    }

    @Test("x86-64 never scans byte by byte")
    func best() {
        #if arch(x86_64)
        #expect(mocra_scan_best() != MOCRA_SCAN_SCALAR)
        #else
        #expect(mocra_scan_best() == MOCRA_SCAN_SCALAR)
        #endif
    }

    @Test("all paths agree at every length 0…200 and offset 0…31, at both guards")
    func everyOffsetAndLength() {
        var random = SeededRandom(seed: 0x7363_616e)
        let guarded = GuardedBytes()
        for length in 0...200 {
            for offset in 0..<32 {
                for kind in Kind.allCases {
                    let bytes = kind.bytes(length, &random)
                    compare(bytes, guarded, .behindGuard, offset)
                    if offset == 0 {
                        compare(bytes, guarded, .beforeGuard, 0)
                    }
                }
            }
        }
    }

    @Test("every byte value at every place of a block is told apart")
    func everyByte() {
        let guarded = GuardedBytes()
        for byte in UInt8.min...UInt8.max {
            for place in 0..<40 {
                var bytes = Array(repeating: UInt8(ascii: "a"), count: 40)
                bytes[place] = byte
                compare(bytes, guarded, .beforeGuard, 0)
            }
        }
    }

    @Test("an empty line at every place, whole and almost whole")
    func everyEmptyLine() {
        let guarded = GuardedBytes()
        let patterns = [
            "\n\n", "\n\r\n", "\r\n\r\n", "\n\r", "\r\n\r", "\n \n", "\r\r\n", "\n\r\r\n", "\r\n",
        ]
        for pattern in patterns.map(latin1) {
            for place in 0..<120 {
                for behind in [0, 1, 15, 40] {
                    let before = Array(repeating: UInt8(ascii: "x"), count: place)
                    let bytes = before + pattern + Array(repeating: UInt8(ascii: "y"), count: behind)
                    compare(bytes, guarded, .beforeGuard, 0)
                    compare(bytes, guarded, .behindGuard, 0)
                }
            }
        }
    }

    private enum Kind: CaseIterable {
        case anything
        case lineEnds
        case text
        case tokens

        func bytes(_ length: Int, _ random: inout SeededRandom) -> [UInt8] {
            let alphabet: [UInt8] =
                switch self {
                case .anything: Array(0...255)
                case .lineEnds: latin1("\r\nxy")
                case .text: latin1("abc \t\u{80}\u{ff}~!")
                case .tokens: latin1("ABCxyz019-_~!")
                }
            var bytes = (0..<length).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            // One byte that ends a scan, mostly late in an input that would run to its end.
            if self == .text || self == .tokens, length > 0, Bool.random(using: &random) {
                let enders: [UInt8] = [0, 10, 13, 31, 127, 58, 32, 128]
                bytes[Int.random(in: length / 2..<length, using: &random)] =
                    enders[Int.random(in: 0..<enders.count, using: &random)]
            }
            return bytes
        }
    }

    private func compare(
        _ bytes: [UInt8], _ guarded: GuardedBytes, _ placement: GuardedBytes.Placement, _ offset: Int
    ) {
        let expected = [Meaning.headEnd(bytes), Meaning.text(bytes), Meaning.token(bytes)]
        unsafe guarded.with(bytes, placement, offset: offset) { data, length in
            for path in Self.paths {
                let found = unsafe [
                    mocra_scan_head_end(path, data, length), mocra_scan_text(path, data, length),
                    mocra_scan_token(path, data, length),
                ]
                if found != expected {
                    Issue.record(
                        "path \(path.rawValue), offset \(offset): \(found), not \(expected): \(bytes)")
                }
            }
        }
    }
}
