// Response heads: what is accepted and refused, at every cut, in drips, and after random damage. It must not
// know of bodies.
import CMocraIO
import TestSupport
import Testing

/// One head and what it must come to.
struct HeadCase: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let headRequest: Bool
    let expected: HeadOutcome

    var testDescription: String { name }

    /// A head that is accepted. `head.headBytes` is filled in here: all of `text` unless told otherwise.
    static func accepts(
        _ name: String, _ text: String, _ head: ParsedHead, headRequest: Bool = false
    ) -> HeadCase {
        var head = head
        let bytes = latin1(text)
        head.headBytes = head.headBytes == 0 ? bytes.count : head.headBytes
        return HeadCase(name: name, bytes: bytes, headRequest: headRequest, expected: .head(head))
    }

    static func refuses(
        _ error: String, _ text: String, headRequest: Bool = false, name: String? = nil
    ) -> HeadCase {
        let name = name ?? "\(error): \(text.debugDescription)"
        return HeadCase(name: name, bytes: latin1(text), headRequest: headRequest, expected: .failed(error))
    }
}

@Suite("HTTP/1 heads")
struct HTTP1HeadTests {
    @Test("accepted, also at every cut and in drips", arguments: HeadTables.accepted)
    func accepted(_ example: HeadCase) {
        check(example)
    }

    @Test("refused, never early unless it is the same error", arguments: HeadTables.refused)
    func refused(_ example: HeadCase) {
        check(example)
    }

    @Test("what is no status line is refused at the first byte that tells", arguments: HeadTables.notHTTP)
    func refusedAtOnce(_ example: EarlyCase) {
        let parser = HeadParser()
        let bytes = latin1(example.text)
        for placement in GuardedBytes.Placement.allCases {
            for count in 0...bytes.count {
                let outcome = parser.parse(bytes[..<count], placement)
                #expect(outcome == (count < example.bytesNeeded ? .more : .failed("NOT_HTTP")), "\(count)")
            }
        }
        #expect(parser.violations == [])
    }

    @Test("128 headers are accepted and 129 refused")
    func headerCount() {
        for (count, fits) in [(127, true), (128, true), (129, false), (1000, false)] {
            let lines = (0..<count).map { "X-\($0): \($0)\r\n" }
            let parser = HeadParser()
            let bytes = latin1("HTTP/1.1 200 OK\r\n" + lines.joined() + "\r\n")
            guard case .head(let head) = parser.parse(bytes) else {
                #expect(!fits && parser.parse(bytes) == .failed("HEADER_TOO_MANY"))
                continue
            }
            #expect(fits && head.headers.count == count)
            #expect(head.headers.last == ["X-\(count - 1)", "\(count - 1)"])
            #expect(parser.violations == [])
        }
    }

    @Test("every byte value in a value, a name and a reason phrase")
    func everyByte() {
        let parser = HeadParser()
        let tokens = Set("!#$%&'*+-.^_`|~0123456789".utf8)
        for byte in UInt8.min...UInt8.max {
            let isText = byte == 9 || (byte >= 32 && byte != 127)
            let isLetter = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a && byte < 0x80
            let isToken = tokens.contains(byte) || isLetter
            let ends = byte == 10
            let value = latin1("HTTP/1.1 200 OK\r\nA: b") + [byte] + latin1("c:\r\n\r\n")
            #expect(parser.parse(value).isFailure == !(isText || ends), "value \(byte)")
            let name = latin1("HTTP/1.1 200 OK\r\nA") + [byte] + latin1("b:\r\n\r\n")
            let nameFits = isToken || byte == UInt8(ascii: ":")
            #expect(parser.parse(name).isFailure == !nameFits, "name \(byte)")
            let reason = latin1("HTTP/1.1 200 O") + [byte] + latin1("K:\r\n\r\n")
            #expect(parser.parse(reason).isFailure == !(isText || ends), "reason \(byte)")
        }
        #expect(parser.violations == [])
    }

    @Test("random damage: every way of giving the same bytes gives the same answer")
    func mutations() {
        var random = SeededRandom(seed: 0x6d6f_6372_6131)
        let parser = HeadParser()
        let seeds = (HeadTables.accepted + HeadTables.refused).map(\.bytes).filter { $0.count < 600 }
        var counts: [String: Int] = [:]
        for _ in 0..<4000 {
            let bytes = mutate(seeds[Int.random(in: 0..<seeds.count, using: &random)], &random)
            let headRequest = Bool.random(using: &random)
            let whole = parser.parse(bytes, headRequest: headRequest)
            let behind = parser.parse(bytes, headRequest: headRequest, .behindGuard)
            #expect(behind == whole, "\(bytes)")
            let pieces = random.splits(of: bytes.count, most: Int.random(in: 1...40, using: &random))
            let dripped = parser.drip(bytes, pieces: pieces, headRequest: headRequest)
            #expect(dripped == whole, "\(bytes) in \(pieces)")
            if case .failed(let name) = whole {
                counts[name, default: 0] += 1
            } else {
                counts[whole == .more ? "MORE" : "OK", default: 0] += 1
            }
        }
        #expect(parser.violations == [])
        // The damage must reach every kind of answer, or it tests nothing.
        for name in ["OK", "MORE", "NOT_HTTP", "HEADER_SYNTAX", "FRAMING_AMBIGUOUS", "TRANSFER_ENCODING"] {
            #expect(counts[name, default: 0] > 20, "\(name): \(counts)")
        }
    }

    @Test("finding a header ignores case and gives the first")
    func find() {
        let bytes = latin1("HTTP/1.1 200 OK\r\nLocation: /a\r\nX^: 1\r\nLOCATION: /b\r\n\r\n")
        func index(_ name: String) -> Int32 {
            unsafe withUnsafeTemporaryAllocation(of: mocra_http1_head.self, capacity: 1) { head in
                let start = head.baseAddress!
                let status = unsafe mocra_http1_parse_head(bytes, bytes.count, 0, false, start)
                #expect(status == MOCRA_OK)
                return unsafe mocra_http1_find(start, bytes, name, name.utf8.count)
            }
        }
        #expect(index("location") == 0)
        #expect(index("x^") == 1)
        #expect(index("x~") == -1)
        #expect(index("locatio") == -1)
        #expect(index("locations") == -1)
        #expect(index("") == -1)
    }

    @Test("a head that drips in is looked at once: pages seen before may be out of reach")
    func dripCost() {
        let lines = String(repeating: "X-Padding: \(String(repeating: "p", count: 1000))\r\n", count: 64)
        let bytes = latin1("HTTP/1.1 200 OK\r\n" + lines + "\r\n")
        let guarded = GuardedBytes(capacity: bytes.count)
        unsafe guarded.with(bytes, .behindGuard) { data, length in
            unsafe withUnsafeTemporaryAllocation(of: mocra_http1_head.self, capacity: 1) { head in
                let start = head.baseAddress!
                for count in 1..<length {
                    // The status line may be read again, so the first page stays.
                    let seen = (count - 4) / guarded.pageBytes
                    guarded.protectPages(1..<max(1, seen))
                    let status = unsafe mocra_http1_parse_head(data, count, count - 1, false, start)
                    guard status == MOCRA_MORE else {
                        Issue.record("answer \(status) after \(count) bytes")
                        return
                    }
                }
                guarded.unprotectPages()
                let status = unsafe mocra_http1_parse_head(data, length, length - 1, false, start)
                #expect(status == MOCRA_OK)
                #expect(unsafe Int(start.pointee.head_bytes) == length)
            }
        }
    }

    /// The whole, every prefix, byte by byte, and in random pieces; before and behind a guard page.
    private func check(_ example: HeadCase) {
        let parser = HeadParser()
        var random = SeededRandom(seed: 17)
        let bytes = example.bytes
        let isHEAD = example.headRequest
        for placement in GuardedBytes.Placement.allCases {
            #expect(parser.parse(bytes, headRequest: isHEAD, placement) == example.expected)
            var refusedBefore = false
            for count in 0..<bytes.count {
                let outcome = parser.parse(bytes[..<count], headRequest: isHEAD, placement)
                if case .head(let head) = example.expected, count >= head.headBytes {
                    #expect(outcome == example.expected, "the first \(count) bytes")
                } else if refusedBefore || outcome.isFailure {
                    #expect(outcome == example.expected, "the first \(count) bytes")
                    refusedBefore = true
                } else {
                    #expect(outcome == .more, "the first \(count) bytes")
                }
            }
            let singly = Array(repeating: 1, count: bytes.count)
            let dripped = parser.drip(bytes, pieces: singly, headRequest: isHEAD, placement)
            #expect(dripped == example.expected)
            for most in [2, 3, 5, 40] {
                let pieces = random.splits(of: bytes.count, most: most)
                let outcome = parser.drip(bytes, pieces: pieces, headRequest: isHEAD, placement)
                #expect(outcome == example.expected, "\(pieces)")
            }
        }
        #expect(parser.violations == [])
    }

    /// One to four random edits.
    private func mutate(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        let telling = latin1("\r\n\0 \t:,;05a\u{7f}\u{80}\u{ff}")
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let byte = telling[Int.random(in: 0..<telling.count, using: &random)]
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                bytes.insert(byte, at: at)
            case 1 where at < bytes.count:
                bytes[at] = byte
            case 2 where at < bytes.count:
                bytes.remove(at: at)
            case 3 where at < bytes.count:
                let end = min(bytes.count, at + Int.random(in: 1...30, using: &random))
                bytes.insert(contentsOf: bytes[at..<end], at: at)
            default:
                bytes.removeSubrange(max(0, bytes.count - Int.random(in: 0...3, using: &random))...)
            }
        }
        return bytes
    }
}
