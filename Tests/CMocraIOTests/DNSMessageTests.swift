// Host names as DNS takes them, and answers of DNS servers: right, wrong, cut at every byte, and at random.
import CMocraIO
import TestSupport
import Testing

/// What an answer was read as.
private struct Reading: Equatable {
    var result: Int32
    var ttl: UInt32 = 0
    var isNoName = false
    var addresses: [String] = []

    static let failed = Reading(result: MOCRA_ERR_DNS_FAILED.rawValue)

    static func found(_ addresses: [String], ttl: UInt32) -> Reading {
        Reading(result: MOCRA_OK, ttl: ttl, addresses: addresses)
    }

    static func none(ttl: UInt32, isNoName: Bool) -> Reading {
        Reading(result: MOCRA_ERR_DNS_NAME.rawValue, ttl: ttl, isNoName: isNoName)
    }
}

private let typeA = DNSMessage.typeA
private let typeAAAA = DNSMessage.typeAAAA

@Suite struct DNSMessageTests {
    private let memory = GuardedBytes(capacity: 65_536)

    private func read(bytes: [UInt8], _ name: String = "a.test", type: UInt16 = typeA) -> Reading {
        var answer = mocra_dns_answer()
        let result = unsafe memory.with(bytes, .beforeGuard) { data, count in
            unsafe mocra_dns_answer_parse(data, count, name, name.utf8.count, type, &answer)
        }
        guard result == MOCRA_OK || result == MOCRA_ERR_DNS_NAME.rawValue else {
            return Reading(result: result)
        }
        var list = mocra_addresses()
        unsafe mocra_address_set_order(&answer.addresses, true, &list)
        return Reading(
            result: result, ttl: answer.ttl_s, isNoName: answer.no_name, addresses: texts(of: list))
    }

    private func read(
        answers: [DNSRecord], type: UInt16 = typeA, _ change: (inout DNSMessage) -> Void = { _ in }
    ) -> Reading {
        var message = DNSMessage(id: 7, name: "a.test", type: type)
        message.answers = answers
        change(&message)
        return read(bytes: message.encoded, type: type)
    }

    // MARK: Names

    @Test(arguments: [
        ("a.test", "a.test"), ("A.Test.", "a.test"), ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_dmarc.a_b.test", "_dmarc.a_b.test"), ("1.2.3.4.test", "1.2.3.4.test"), ("localhost", "localhost"),
        ("-a-.test", "-a-.test"), ("0xg.0xg", "0xg.0xg"), ("1a", "1a"),
        (String(repeating: "a", count: 63) + ".test", String(repeating: "a", count: 63) + ".test"),
    ])
    func isName(text: String, expected: String) {
        #expect(name(Array(text.utf8)) == expected)
    }

    @Test(arguments: [
        "", ".", "..", "a..b", ".a", "a.b..", "127.1", "0x7f.1", "0x7f.0x1", "a.1", "a.0x", "2130706433",
        "0x",
        "a b", "a\u{0}b", "a/b", "a:b", "a@b", "a\\.b", "ü.test", "a*b", "%61", "[::1]", "1.2.3.4",
        "1.2.3.4.",
        String(repeating: "a", count: 64) + ".test", String(repeating: "a.", count: 128),
    ])
    func isNoName(text: String) {
        #expect(name(Array(text.utf8)) == nil)
    }

    @Test("253 bytes are a name, 254 are not")
    func longest() {
        let longest = String(repeating: "abcdefg.", count: 31) + "abcde"
        #expect(longest.utf8.count == 253)
        #expect(name(Array(longest.utf8)) == longest)
        #expect(name(Array((longest + ".").utf8)) == longest)
        #expect(name(Array((longest + "f").utf8)) == nil)
    }

    @Test(arguments: [
        ("localhost", true), ("a.localhost", true), ("a.b.localhost", true), ("notlocalhost", false),
        ("localhost.test", false), ("ocalhost", false),
    ])
    func isLocal(text: String, expected: Bool) {
        #expect(unsafe mocra_dns_name_is_local(text, text.utf8.count) == expected)
    }

    private func name(_ bytes: [UInt8]) -> String? {
        var out = [CChar](repeating: 1, count: Int(MOCRA_DNS_NAME_MAX) + 1)
        let length = unsafe mocra_dns_name(bytes, bytes.count, &out)
        guard length > 0 else { return nil }
        #expect(out[length] == 0)
        return String(decoding: out[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: Right answers

    @Test func readsAddresses() {
        #expect(
            read(answers: [
                .address("a.test", "192.0.2.1", ttl: 300), .address("A.TEST", "192.0.2.2", ttl: 20),
            ])
                == .found(["192.0.2.1", "192.0.2.2"], ttl: 20))
        #expect(
            read(answers: [.address("a.test", "2001:db8::1", ttl: 5)], type: typeAAAA)
                == .found(["2001:db8::1"], ttl: 5))
        #expect(read(answers: [.address("a.test", "192.0.2.1", ttl: 0)]) == .found(["192.0.2.1"], ttl: 0))
    }

    @Test("A TTL is at most a day; with its top bit set it is 0 (RFC 2181 §8)")
    func extremeLifetimes() {
        #expect(read(answers: [.address("a.test", "192.0.2.1", ttl: 0x7fff_ffff)]).ttl == MOCRA_DNS_TTL_MAX_S)
        #expect(read(answers: [.address("a.test", "192.0.2.1", ttl: 0x8000_0000)]).ttl == 0)
    }

    @Test func followsAliases() {
        let chain: [DNSRecord] = [
            .alias("a.test", "b.test", ttl: 100), .alias("b.test", "c.test", ttl: 9),
            .address("c.test", "192.0.2.1", ttl: 50),
        ]
        #expect(read(answers: chain) == .found(["192.0.2.1"], ttl: 9))
        #expect(read(answers: chain.reversed()) == .found(["192.0.2.1"], ttl: 9), "in any order")
    }

    @Test("16 aliases are followed, not one more")
    func longChain() {
        func chain(_ length: Int) -> [DNSRecord] {
            let names = ["a.test"] + (0..<length).map { "c\($0).test" }
            return zip(names, names.dropFirst()).map { .alias($0, $1) } + [
                .address(names[length], "192.0.2.1")
            ]
        }
        #expect(read(answers: chain(16)) == .found(["192.0.2.1"], ttl: 60))
        #expect(read(answers: chain(17)) == .failed)
    }

    @Test("Of hundreds of addresses the first are kept")
    func many() {
        let records = (0..<400).map { DNSRecord.address("a.test", "10.0.\($0 / 200).\($0 % 200)") }
        #expect(read(answers: records) == .found((0..<8).map { "10.0.0.\($0)" }, ttl: 60))
        let later = (0..<600).map { DNSRecord.address("b.test", "10.0.\($0 / 200).\($0 % 200)") }
        #expect(
            read(answers: later + [.address("a.test", "192.0.2.1")]).addresses == [],
            "what stands behind 512 others")
    }

    @Test func readsNegativeAnswers() {
        #expect(read(answers: []) == .none(ttl: MOCRA_DNS_NEGATIVE_TTL_S, isNoName: false))
        #expect(read(answers: []) { $0.code = 3 } == .none(ttl: MOCRA_DNS_NEGATIVE_TTL_S, isNoName: true))
        for (ttl, minimum, expected) in [(60, 20, 20), (20, 60, 20), (0, 60, 0), (90_000, 90_000, 900)] {
            let reading = read(answers: []) {
                $0.code = 3
                $0.authorities = [.authority("test", ttl: UInt32(ttl), minimum: UInt32(minimum))]
            }
            #expect(reading == .none(ttl: UInt32(expected), isNoName: true))
        }
        let alias = read(answers: [.alias("a.test", "b.test")]) {
            $0.authorities = [.authority("test", ttl: 40, minimum: 50)]
        }
        #expect(alias == .none(ttl: 40, isNoName: false))
    }

    // MARK: Wrong answers

    @Test("Records of another name, type or class are not ours")
    func foreign() {
        var other = DNSRecord.address("a.test", "192.0.2.1")
        other.type = 99
        let none = Reading.none(ttl: MOCRA_DNS_NEGATIVE_TTL_S, isNoName: false)
        #expect(read(answers: [.address("b.test", "192.0.2.1")]) == none)
        #expect(read(answers: [.address("xa.test", "192.0.2.1")]) == none)
        #expect(read(answers: [.address("a.test", "2001:db8::1")]) == none)
        #expect(read(answers: [other]) == none)
    }

    @Test("Aliases in a circle, or to what is no host name")
    func circles() {
        #expect(read(answers: [.alias("a.test", "a.test")]) == .failed)
        #expect(read(answers: [.alias("a.test", "b.test"), .alias("b.test", "a.test")]) == .failed)
        #expect(read(answers: [.alias("a.test", "b c.test")]) == .failed)
        #expect(read(answers: [DNSRecord(owner: "a.test", type: 5, ttl: 1, data: [])]) == .failed)
        #expect(read(answers: [DNSRecord(owner: "a.test", type: 5, ttl: 1, data: [0])]) == .failed)
        #expect(read(answers: [DNSRecord(owner: "a.test", type: 5, ttl: 1, data: [1, 98, 0, 0])]) == .failed)
    }

    @Test("Another question, a failure, no answer at all, addresses of the wrong size")
    func wrong() {
        let good: [DNSRecord] = [.address("a.test", "192.0.2.1")]
        #expect(read(answers: good) { $0.name = "b.test" } == .failed)
        #expect(read(answers: good) { $0.name = "a.test.b" } == .failed)
        #expect(read(answers: good) { $0.type = 28 } == .failed)
        for code in [1, 2, 4, 5, 15] as [UInt16] {
            #expect(read(answers: good) { $0.code = code } == .failed)
        }
        #expect(read(answers: good) { $0.code = 3 } == .failed, "addresses of a name that does not exist")
        for size in [0, 3, 5, 16] {
            let data = [UInt8](repeating: 1, count: size)
            #expect(read(answers: [DNSRecord(owner: "a.test", type: typeA, ttl: 1, data: data)]) == .failed)
        }
        var message = DNSMessage(id: 7, name: "a.test", type: typeA).encoded
        message[2] &= 0x7f
        #expect(read(bytes: message) == .failed, "a question")
        #expect(read(bytes: []) == .failed)
    }

    @Test(
        "Pointers that point forward, at themselves or at each other end the reading",
        arguments: [
            [0xc0, 0xff], [0xc0, 24], [0xc0, 26], [0xff, 0xff], [1, 97, 0xc0, 24], [0x80], [0x40, 1],
        ]
            as [[UInt8]])
    func pointers(owner: [UInt8]) {
        // The header and the question for a.test take 24 bytes, so the first record's owner stands at 24.
        var bytes = DNSMessage(id: 7, name: "a.test", type: typeA).encoded
        #expect(bytes.count == 24)
        bytes[7] = 2
        let rest: [UInt8] = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]
        #expect(read(bytes: bytes + owner + rest + [0xc0, 24] + rest) == .failed)
        #expect(
            read(bytes: bytes + [0xc0, 12] + rest + [0xc0, 12] + rest) == .found(["192.0.2.1"], ttl: 60))
    }

    @Test("Cut anywhere, an answer is no answer")
    func cut() {
        var message = DNSMessage(id: 7, name: "a.test", type: typeA)
        message.answers = [.alias("a.test", "b.test"), .address("b.test", "192.0.2.1")]
        let whole = message.encoded
        for length in 0..<whole.count { #expect(read(bytes: Array(whole[..<length])) == .failed) }
        message.answers = []
        message.authorities = [.authority("test", ttl: 40, minimum: 50)]
        let negative = message.encoded
        for length in 0..<negative.count { #expect(read(bytes: Array(negative[..<length])) == .failed) }
    }

    @Test("Bytes changed at random give an answer or an error", arguments: [1, 2, 3, 4] as [UInt64])
    func random(seed: UInt64) {
        var message = DNSMessage(id: 7, name: "a.test", type: typeA)
        message.answers = [.alias("a.test", "b.test"), .address("b.test", "192.0.2.1")]
        message.authorities = [.authority("test", ttl: 40, minimum: 50)]
        let whole = message.encoded
        var random = SplitMix(state: seed)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<(1 + random.next() % 4) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            let reading = read(bytes: bytes)
            #expect(reading.addresses.count <= 8 && reading.ttl <= MOCRA_DNS_TTL_MAX_S)
        }
    }
}
