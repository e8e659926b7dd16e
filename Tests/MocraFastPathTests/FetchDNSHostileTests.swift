// DNS servers that lie: each answer ends in addresses, a typed error or the next server, never in a hang, and
// never in a connection that the address policy forbids.
import MocraFastPath
import TestSupport
import Testing

@Suite("Hostile DNS", .needsRing, .timeLimit(.minutes(10)))
struct FetchDNSHostileTests {
    private func origin() throws -> ScriptedOrigin {
        try ScriptedOrigin { _ in closingScript }
    }

    /// The code of the error that a fetch ends with when the server answers so; nil for a response.
    private func outcome(
        _ origin: ScriptedOrigin, timeoutMs: Int = 200, _ reply: @escaping @Sendable (DNSQuestion) -> DNSReply
    ) async throws -> String? {
        let server = try ScriptedDNS(reply)
        let code = Locked<String?>(nil)
        try await withDNS([server.address]) { configuration in
            configuration.dnsTimeoutMs = timeoutMs
            configuration.dnsTries = 2
        } _: { fetcher async throws in
            do {
                _ = try await fetcher.get("http://a.test:\(origin.port)/")
            } catch let error as FetchError {
                #expect(error.kind == .dns)
                code.set(error.code)
            }
        }
        return code.value
    }

    @Test("Right answers in unusual form")
    func unusual() async throws {
        let origin = try origin()
        let chain: [DNSRecord] = [
            .alias("a.test", "b.test"), .alias("b.test", "c.test"), .address("c.test", "127.0.0.1"),
        ]
        #expect(
            try await outcome(origin, timeoutMs: 15_000) { $0.isIPv6 ? .addresses([]) : .records(chain) }
                == nil)
        // Too long for UDP: cut there, whole over TCP.
        #expect(try await outcome(origin, timeoutMs: 15_000) { _ in .cut(.addresses(["127.0.0.1"])) } == nil)
        let many = ["127.0.0.1"] + (0..<400).map { "127.0.\($0 / 200).\(1 + $0 % 200)" }
        #expect(try await outcome(origin, timeoutMs: 15_000) { _ in .cut(.addresses(many)) } == nil)
        #expect(
            try await outcome(origin, timeoutMs: 15_000) { _ in .addresses(["127.0.0.1"], ttl: .max) } == nil)
        #expect(
            try await outcome(origin, timeoutMs: 15_000) { _ in
                .several([.addresses(["127.0.0.1"]), .noName(ttl: 1)])
            } == nil)
    }

    @Test("An answer that was cut and is never whole")
    func cutForever() async throws {
        let origin = try origin()
        #expect(try await outcome(origin) { _ in .cut(.silence) } == "DNS_TIMEOUT")
        // More than 512 bytes over UDP makes the resolver ask over TCP as well.
        let many = (0..<100).map { "127.0.0.\($0)" }
        #expect(
            try await outcome(origin, timeoutMs: 15_000) {
                $0.isOverTCP ? .addresses(["127.0.0.1"]) : .addresses(many)
            } == nil)
    }

    @Test("An answer with another number, or to another question, is passed over; the right one counts")
    func foreign() async throws {
        let origin = try origin()
        #expect(
            try await outcome(origin) { question in
                var number = question.reply
                number.id &+= 1
                number.answers = [.address("a.test", "192.0.2.1")]
                var name = question.reply
                name.name = "b.test"
                name.answers = [.address("b.test", "192.0.2.1")]
                var type = question.reply
                type.type = 15
                return .several([
                    .message(number), .message(name), .message(type),
                    .after(milliseconds: 50, .addresses(["127.0.0.1"])),
                ])
            } == nil)
        #expect(
            try await outcome(origin) { question in
                var number = question.reply
                number.id &+= 1
                return .message(number)
            } == "DNS_TIMEOUT")
    }

    @Test("Records for another name count for nothing")
    func unrelated() async throws {
        let origin = try origin()
        #expect(try await outcome(origin) { _ in .records([.address("b.test", "127.0.0.1")]) } == "DNS_NAME")
    }

    @Test("Aliases in a circle or without end")
    func circles() async throws {
        let origin = try origin()
        let circle: [DNSRecord] = [.alias("a.test", "b.test"), .alias("b.test", "a.test")]
        #expect(try await outcome(origin) { _ in .records(circle) } == "DNS_FAILED")
        let names = ["a.test"] + (0..<20).map { "\($0)x.test" }
        let chain = zip(names, names.dropFirst()).map { DNSRecord.alias($0, $1) }
        #expect(
            try await outcome(origin) { _ in .records(chain + [.address(names[20], "127.0.0.1")]) }
                == "DNS_FAILED")
    }

    @Test("Garbage behind a right number and question fails; other garbage is as good as silence")
    func garbage() async throws {
        let origin = try origin()
        #expect(
            try await outcome(origin) { question in
                var bytes = question.reply.encoded
                bytes[7] = 9  // answers that do not come
                return .bytes(bytes + [0xc0, 0xff, 1, 2, 3])
            } == "DNS_FAILED")
        #expect(
            try await outcome(origin) { question in
                var bytes = question.reply.encoded
                bytes[7] = 1
                // An owner that points at itself.
                return .bytes(bytes + [0xc0, UInt8(bytes.count), 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 1])
            } == "DNS_FAILED")
        for bytes in [[], [1], [UInt8](repeating: 0xff, count: 300), [UInt8](repeating: 0, count: 12)]
            as [[UInt8]]
        {
            #expect(try await outcome(origin) { _ in .bytes(bytes) } == "DNS_TIMEOUT")
        }
        #expect(origin.counts.accepted == 0)
    }

    @Test(
        "A name with a private address is refused before anything is sent",
        arguments: [
            "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
            "fd00::1",
        ])
    func privateAddress(address: String) async throws {
        let origin = try origin()
        let server = try ScriptedDNS { _ in .addresses([address]) }
        try await withDNS([server.address]) {
            $0.addressPolicy = .publicOnly
        } _: { fetcher async throws in
            let error = try await fetcher.failure("http://a.test:\(origin.port)/")
            #expect(error?.code == "ADDRESS_BLOCKED" && error?.isRetryable == false)
            #expect(origin.counts.accepted == 0)
        }
    }

    @Test("Given names and the hosts file do not go around the policy")
    func givenPrivate() async throws {
        let origin = try origin()
        let folder = try TemporaryDirectory()
        let path = try folder.write("hosts", "127.0.0.1 file.test\n")
        try await withDNS([]) { configuration in
            configuration.addressPolicy = .publicOnly
            configuration.hostsFile = path
            configuration.resolve = ["given.test:*:127.0.0.1"]
        } _: { fetcher async throws in
            for name in ["file.test", "given.test", "a.localhost"] {
                #expect(
                    try await fetcher.failure("http://\(name):\(origin.port)/")?.code == "ADDRESS_BLOCKED")
            }
            #expect(origin.counts.accepted == 0)
        }
    }

    @Test("Rebinding: what was public for one fetch is judged anew for the next, and never connected")
    func rebinding() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { question in
            if question.name == "clock.test" { return .after(milliseconds: 900, .noName(ttl: 0)) }
            return .after(milliseconds: 300, .addresses(["192.31.196.1"], ttl: 0))
        }
        let rebound = try ScriptedDNS { _ in .addresses(["127.0.0.1"], ttl: 0) }
        try await withDNS([server.address, rebound.address]) { configuration in
            configuration.addressPolicy = .publicOnly
            configuration.addressFamilies = .ipv4
        } _: { fetcher async throws in
            // The public address comes when its fetch is over, so that nothing leaves this machine.
            #expect(try await fetcher.failure("http://a.test:\(origin.port)/", timeoutMs: 100) != nil)
            #expect(try await fetcher.failure("http://clock.test/")?.code == "DNS_NAME")
            #expect(server.count("a.test") == 1)
            server.stop()
            for _ in 0..<3 {
                let error = try await fetcher.failure("http://a.test:\(origin.port)/")
                #expect(error?.code == "ADDRESS_BLOCKED")
            }
            #expect(rebound.count("a.test") == 3)
            #expect(origin.counts.accepted == 0)
        }
    }
}
