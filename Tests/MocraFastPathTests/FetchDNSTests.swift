// Names on the way to a fetch: lifetimes, servers that fail, names that are given, and who waits for whom.
import MocraFastPath
import TestSupport
import Testing

/// Runs `body` with a fetcher that asks these servers alone.
func withDNS(
    _ servers: [String], _ change: (inout FetchConfiguration) -> Void = { _ in },
    _ body: (Fetcher) async throws -> Void
) async throws {
    try await withFetcher { configuration in
        configuration.dnsServers = servers
        // Whether this machine has a route to IPv6 must not decide what is asked.
        configuration.addressFamilies = .both
        configuration.connectTimeoutMs = 20_000
        configuration.dnsTimeoutMs = 5_000
        change(&configuration)
    } _: { fetcher async throws in
        try await body(fetcher)
    }
}

/// The answer "ok" of an origin that closes the connection with it.
let closingScript = Script.response(headers: [("Connection", "close")], body: Array("ok".utf8))

@Suite("Names", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchDNSTests {
    /// An origin that closes each connection, so that each fetch needs an address.
    private func origin() throws -> ScriptedOrigin {
        try ScriptedOrigin { _ in closingScript }
    }

    // MARK: Lifetimes

    @Test("An answer is asked for once, by both families, and kept for its time")
    func cached() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { _ in .addresses(["127.0.0.1"]) }
        try await withDNS([server.address]) { fetcher async throws in
            for _ in 0..<3 { #expect(try await fetcher.get("http://a.test:\(origin.port)/").text == "ok") }
            #expect(try await fetcher.get("http://A.test.:\(origin.port)/").text == "ok")
            #expect(Set(server.questions.map(\.type)) == [DNSMessage.typeA, DNSMessage.typeAAAA])
            #expect(server.count("a.test") == 2)
            #expect(origin.counts.accepted == 4)
        }
    }

    @Test("After its time it is asked for again; with a TTL of 0 each time")
    func expires() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { .addresses(["127.0.0.1"], ttl: $0.name == "zero.test" ? 0 : 1) }
        try await withDNS([server.address]) {
            $0.addressFamilies = .ipv4
        } _: { fetcher async throws in
            for _ in 0..<3 { _ = try await fetcher.get("http://zero.test:\(origin.port)/") }
            #expect(server.count("zero.test") == 3)
            #expect(
                try await eventually {
                    _ = try await fetcher.get("http://one.test:\(origin.port)/")
                    return server.count("one.test") >= 2
                })
        }
    }

    @Test("Many who want one name cost one look-up")
    func shared() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { _ in .after(milliseconds: 100, .addresses(["127.0.0.1"], ttl: 0)) }
        try await withDNS([server.address]) {
            $0.poolPerHost = 100
        } _: { fetcher async throws in
            let url = "http://a.test:\(origin.port)/"
            try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<100 { group.addTask { try await fetcher.get(url).text } }
                for try await text in group { #expect(text == "ok") }
            }
            #expect(server.count("a.test") == 2)
        }
    }

    @Test("That a name does not exist is kept as long as its zone says", arguments: [60, 0] as [UInt32])
    func negative(ttl: UInt32) async throws {
        let server = try ScriptedDNS { _ in .noName(ttl: ttl) }
        try await withDNS([server.address]) {
            $0.addressFamilies = .ipv4
        } _: { fetcher async throws in
            for _ in 0..<3 {
                let error = try await fetcher.failure("http://a.test/")
                #expect(error?.code == "DNS_NAME" && error?.isRetryable == false)
            }
            #expect(server.count("a.test") == (ttl == 0 ? 3 : 1))
        }
    }

    @Test("A name without addresses")
    func noAddresses() async throws {
        let server = try ScriptedDNS { _ in .addresses([]) }
        try await withDNS([server.address]) { fetcher async throws in
            #expect(try await fetcher.failure("http://a.test/")?.code == "DNS_NAME")
            #expect(try await fetcher.failure("http://a.test/")?.code == "DNS_NAME")
            #expect(server.count("a.test") == 2)
        }
    }

    // MARK: Families

    @Test("IPv4 does not wait for IPv6 that is never answered, nor fails with it")
    func slowIPv6() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { $0.isIPv6 ? .silence : .addresses(["127.0.0.1"]) }
        try await withDNS([server.address]) {
            $0.dnsTimeoutMs = 15_000
        } _: { fetcher async throws in
            let took = try await elapsedMs { () async throws in
                #expect(try await fetcher.get("http://a.test:\(origin.port)/").text == "ok")
            }
            #expect((49...10_000).contains(took))
        }
        let failing = try ScriptedDNS { $0.isIPv6 ? .code(2) : .addresses(["127.0.0.1"]) }
        try await withDNS([failing.address]) { fetcher async throws in
            #expect(try await fetcher.get("http://a.test:\(origin.port)/").text == "ok")
        }
    }

    @Test("One family alone is asked for where that is wanted", arguments: [AddressFamilies.ipv4, .ipv6])
    func oneFamily(families: AddressFamilies) async throws {
        let server = try ScriptedDNS { _ in .noName() }
        try await withDNS([server.address]) {
            $0.addressFamilies = families
        } _: { fetcher async throws in
            _ = try await fetcher.failure("http://a.test/")
            #expect(server.questions.map(\.isIPv6) == [families == .ipv6])
        }
    }

    // MARK: Servers

    @Test("A server that fails or refuses hands over to the next", arguments: [1, 2, 4, 5] as [UInt16])
    func failover(code: UInt16) async throws {
        let origin = try origin()
        let bad = try ScriptedDNS { _ in .code(code) }
        let good = try ScriptedDNS { _ in .addresses(["127.0.0.1"]) }
        try await withDNS([bad.address, good.address]) { fetcher async throws in
            #expect(try await fetcher.get("http://a.test:\(origin.port)/").text == "ok")
            #expect(bad.count("a.test") > 0 && good.count("a.test") > 0)
        }
        try await withDNS([bad.address]) {
            $0.dnsTries = 2
        } _: { fetcher async throws in
            #expect(try await fetcher.failure("http://a.test:\(origin.port)/")?.code == "DNS_FAILED")
        }
    }

    @Test("A server that is not there hands over at once")
    func refusedServer() async throws {
        let origin = try origin()
        let refused = try RefusedPort()
        let good = try ScriptedDNS { _ in .addresses(["127.0.0.1"]) }
        try await withDNS(["127.0.0.1:\(refused.port)", good.address]) {
            $0.dnsTimeoutMs = 15_000
        } _: {
            fetcher in
            let took = try await elapsedMs { () async throws in
                #expect(try await fetcher.get("http://a.test:\(origin.port)/").text == "ok")
            }
            #expect(took < 14_000)
        }
        try await withDNS(["127.0.0.1:\(refused.port)"]) { fetcher async throws in
            #expect(try await fetcher.failure("http://a.test/")?.code == "DNS_FAILED")
        }
    }

    @Test("A server that is silent is asked last after it was found out")
    func deadServer() async throws {
        let origin = try origin()
        let dead = try ScriptedDNS { _ in .silence }
        let good = try ScriptedDNS { _ in .addresses(["127.0.0.1"]) }
        try await withDNS([dead.address, good.address]) {
            $0.dnsTimeoutMs = 300
        } _: { fetcher async throws in
            for index in 0..<20 {
                #expect(try await fetcher.get("http://h\(index).test:\(origin.port)/").text == "ok")
            }
            // Two questions find it out; others only look whether it is back.
            #expect(dead.questions.count < 20, "\(dead.questions.count)")
            // The question for IPv6 is dropped where the one for IPv4 was answered long before.
            #expect((20...40).contains(good.questions.count))
        }
    }

    @Test("Silence ends in DNS_TIMEOUT, after the tries that were asked for")
    func silence() async throws {
        let server = try ScriptedDNS { _ in .silence }
        try await withDNS([server.address]) { configuration in
            configuration.dnsTimeoutMs = 100
            configuration.dnsTries = 3
        } _: { fetcher async throws in
            let error = try await fetcher.failure("http://a.test/")
            #expect(error?.code == "DNS_TIMEOUT" && error?.isRetryable == true)
            #expect(server.count("a.test") == 6)
        }
    }

    @Test("The connect timeout ends a look-up; an answer too late is dropped and harms nobody")
    func late() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { question in
            question.name == "late.test"
                ? .after(milliseconds: 700, .addresses(["127.0.0.1"])) : .addresses(["127.0.0.1"])
        }
        try await withDNS([server.address]) {
            $0.connectTimeoutMs = 200
        } _: { fetcher async throws in
            #expect(try await fetcher.failure("http://late.test:\(origin.port)/")?.code == "DNS_TIMEOUT")
        }
        try await withDNS([server.address]) { configuration in
            configuration.dnsTimeoutMs = 100
            configuration.dnsTries = 1
        } _: { fetcher async throws in
            #expect(try await fetcher.failure("http://late.test:\(origin.port)/")?.code == "DNS_TIMEOUT")
            for index in 0..<20 {
                #expect(try await fetcher.get("http://h\(index).test:\(origin.port)/").text == "ok")
            }
        }
    }

    // MARK: Many

    @Test("A zone that never answers keeps no other name waiting")
    func tarpit() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { question in
            question.name.hasSuffix("tarpit.test") ? .silence : .addresses(["127.0.0.1"])
        }
        try await withDNS([server.address]) {
            $0.dnsTimeoutMs = 15_000
        } _: { fetcher async throws in
            let tarpit = Task {
                await withTaskGroup(of: Void.self) { group in
                    for index in 0..<2_000 {
                        group.addTask { _ = try? await fetcher.get("http://h\(index).tarpit.test/") }
                    }
                }
            }
            #expect(try await eventually { server.questions.count >= 128 })
            let took = try await elapsedMs { () async throws in
                #expect(try await fetcher.get("http://good.test:\(origin.port)/").text == "ok")
            }
            #expect(took < 14_000)
            // 64 look-ups of one zone are under way, two questions each.
            #expect(server.questions.count { $0.name.hasSuffix("tarpit.test") } == 128)
            tarpit.cancel()
            await tarpit.value
        }
    }

    @Test("10,000 names at once take two sockets")
    func tenThousand() async throws {
        let server = try ScriptedDNS { _ in .noName(ttl: 60) }
        try await withDNS([server.address]) { configuration in
            // Of so many datagrams some may be lost on a busy machine.
            configuration.dnsTimeoutMs = 3_000
            configuration.dnsTries = 8
            configuration.connectTimeoutMs = 100_000
            configuration.timeoutMs = 100_000
        } _: { fetcher async throws in
            let failed = await withTaskGroup(of: String.self) { group in
                for index in 0..<10_000 {
                    group.addTask {
                        do {
                            _ = try await fetcher.get("http://h\(index).z\(index % 100).test/")
                            return "answered"
                        } catch {
                            return (error as? FetchError)?.code ?? "\(error)"
                        }
                    }
                }
                var counts: [String: Int] = [:]
                for await code in group { counts[code, default: 0] += 1 }
                return counts
            }
            #expect(failed == ["DNS_NAME": 10_000])
            #expect(Set(server.questions.map(\.name)).count == 10_000)
            // The socket is closed whenever nothing is under way, and opened again at another port.
            #expect(Set(server.questions.map(\.clientPort)).count < 100)
        }
    }

    @Test("Cancelled while it waits, a fetch leaves nothing behind")
    func cancelled() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { question in
            question.name.hasPrefix("silent") ? .silence : .addresses(["127.0.0.1"])
        }
        try await withDNS([server.address]) {
            $0.dnsTimeoutMs = 15_000
        } _: { fetcher async throws in
            let tasks = (0..<500).map { index in
                Task { try await fetcher.get("http://silent\(index % 200).test/") }
            }
            #expect(try await eventually { server.questions.count >= 100 })
            for task in tasks { task.cancel() }
            for task in tasks {
                let result = await task.result
                #expect(throws: FetchError.self) { try result.get() }
            }
            #expect(try await fetcher.get("http://a.other:\(origin.port)/").text == "ok")
        }
    }

    // MARK: Given names

    @Test("Given addresses win over everything and cost no question")
    func given() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { _ in .noName() }
        try await withDNS([server.address]) { configuration in
            configuration.resolve = [
                "a.test:\(origin.port):127.0.0.1", "10.1.2.3:*:127.0.0.1",
                "localhost:\(origin.port):10.0.0.1",
            ]
            configuration.connectTimeoutMs = 500
        } _: { fetcher async throws in
            #expect(try await fetcher.get("http://A.test:\(origin.port)/").text == "ok")
            #expect(try await fetcher.get("http://10.1.2.3:\(origin.port)/").text == "ok")
            #expect(origin.requests.first?.header("host") == "a.test:\(origin.port)")
            #expect(try await fetcher.failure("http://localhost:\(origin.port)/") != nil)
            #expect(server.questions.isEmpty)
            #expect(try await fetcher.failure("http://a.test:\(origin.port + 1)/")?.code == "DNS_NAME")
        }
    }

    @Test("The hosts file is read, and again when it changes")
    func hostsFile() async throws {
        let origin = try origin()
        let server = try ScriptedDNS { _ in .noName(ttl: 0) }
        let folder = try TemporaryDirectory()
        let path = try folder.write("hosts", "127.0.0.1 first.test\n")
        try await withDNS([server.address]) {
            $0.hostsFile = path
        } _: { fetcher async throws in
            #expect(try await fetcher.get("http://first.test:\(origin.port)/").text == "ok")
            #expect(try await fetcher.failure("http://second.test:\(origin.port)/")?.code == "DNS_NAME")
            try folder.write("hosts", "127.0.0.1 second.test # now\n")
            #expect(
                try await eventually {
                    (try? await fetcher.get("http://second.test:\(origin.port)/").text) == "ok"
                })
            #expect(try await fetcher.failure("http://first.test:\(origin.port)/")?.code == "DNS_NAME")
            #expect(try await eventually { server.count("first.test") == 2 })
        }
    }

    @Test("Names below localhost are this machine", arguments: ["localhost", "a.localhost", "LOCALHOST."])
    func local(name: String) async throws {
        let origin = try origin()
        let server = try ScriptedDNS { _ in .addresses(["192.0.2.1"]) }
        try await withDNS([server.address]) { fetcher async throws in
            #expect(try await fetcher.get("http://\(name):\(origin.port)/").text == "ok")
            #expect(server.questions.isEmpty)
        }
    }

    // MARK: Settings

    @Test("Wrong settings are told when the fetcher is made, with the entry and the way out")
    func settings() throws {
        let cases: [(String, (inout FetchConfiguration) -> Void)] = [
            (
                "dnsServers: the DNS server \"dns.test\" is no address",
                { $0.dnsServers = ["1.1.1.1", "dns.test"] }
            ),
            ("resolve: the given address \"a.test:80\" is not of the form", { $0.resolve = ["a.test:80"] }),
            ("dnsTimeoutMs is 0", { $0.dnsTimeoutMs = 0 }),
            ("dnsTries is 100", { $0.dnsTries = 100 }),
            ("dnsCacheMax is -1", { $0.dnsCacheMax = -1 }),
            (
                "the hosts file \"/no/such/file\" could not be read: No such",
                { $0.hostsFile = "/no/such/file" }
            ),
            ("the hosts file \"/\" could not be read", { $0.hostsFile = "/" }),
        ]
        for (expected, change) in cases {
            var configuration = FetchConfiguration()
            change(&configuration)
            let error = #expect(throws: FetchError.self) { _ = try Fetcher(configuration) }
            #expect(
                error?.kind == .config && error?.message.contains(expected) == true,
                "\(String(describing: error))")
        }
    }
}
