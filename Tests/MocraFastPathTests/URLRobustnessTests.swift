// Random and mangled bytes against WebURL: it ends, never traps, and accepts its own output unchanged.

import MocraFastPath
import TestSupport
import Testing

@Suite("WebURL against hostile bytes")
struct URLRobustnessTests {
    private static let alphabet =
        Array("hHtTpPsS:/\\?#@[].%%2eEfF0189x:-_~ \t\n\r\"<>`'{}|^é\u{7F}\u{0}~aZ".utf8) + [0xFF, 0xC3, 0xE2]
    private static let seeds: [String] = [
        "http://user:pass@example.org:8080/a/b/../c?d=e#f", "https://[2001:db8::1]:443/%2e%2e/x", "//h/p",
        "../../x?y",
        "http://0x7f.1/", "http://[::ffff:1.2.3.4]/", "https:a/b",
    ]

    @Test(arguments: [UInt64(1), 2, 3, 4]) func neverTrapsAndIsIdempotent(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let base = try WebURL("https://u:p@base.example:8443/x/y/z?q#f")
        var accepted = 0
        for round in 0..<20_000 {
            var bytes: [UInt8]
            switch round % 3 {
            case 0:
                bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: .min ... .max, using: &random)
                }
            case 1:
                bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    Self.alphabet.randomElement(using: &random) ?? 0
                }
            default:
                bytes = Array((Self.seeds.randomElement(using: &random) ?? "").utf8)
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let at = Int.random(in: 0..<bytes.count, using: &random)
                    let byte = Self.alphabet.randomElement(using: &random) ?? 0
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: bytes[at] = byte
                    case 1: bytes.insert(byte, at: at)
                    default: if bytes.count > 1 { bytes.remove(at: at) }
                    }
                }
            }
            for base in [nil, base] {
                // A refusal is fine.
                guard let url = try? WebURL(utf8: bytes.span, base: base) else { continue }
                accepted += 1
                let again = try WebURL(url.href)
                guard again.href == url.href, again.host == url.host, again.path == url.path,
                    again.query == url.query, again.fragment == url.fragment, again.port == url.port,
                    again.username == url.username, again.password == url.password,
                    url.href.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
                else {
                    Issue.record("\(bytes) → \(url.href.debugDescription) → \(again.href.debugDescription)")
                    return
                }
                let canonical = url.canonicalized()
                #expect(try WebURL(canonical.href) == canonical)
            }
        }
        #expect(accepted > 5_000, "seed \(seed): \(accepted) accepted")
    }

    @Test func everyTruncationEnds() throws {
        for seed in Self.seeds {
            let bytes = Array(seed.utf8)
            for count in 0...bytes.count {
                _ = try? WebURL(utf8: bytes.span.extracting(0..<count))  // Only that it ends is asked here.
            }
        }
    }

    @Test(arguments: ["/", "\\", "@", ":", "%", ".", "[", "?", "#", "../", "%2e/", "0.", "::", "\t", "é"])
    func longRunsEndQuickly(_ piece: String) {
        let filler = String(repeating: piece, count: 60_000 / piece.utf8.count)
        for prefix in ["", "http://", "http://h", "http://h/", "http://[", "http://h/?", "http://a@"] {
            _ = try? WebURL(prefix + filler)  // Only that it ends is asked here.
        }
    }
}
