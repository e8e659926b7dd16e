// Hosts files and given addresses: what is taken, what is passed over, what is refused and how that is said.
import CMocraIO
import Testing

/// Names with addresses, freed with this object.
@safe private final class Hosts {
    private let hosts: OpaquePointer

    /// A hosts file.
    init(_ text: String) throws {
        var parsed: OpaquePointer?
        #expect(unsafe mocra_hosts_parse(Array(text.utf8), text.utf8.count, &parsed) == MOCRA_OK)
        unsafe hosts = try #require(unsafe parsed)
    }

    /// Given addresses; nil, with the reason, when the text is refused.
    init?(given text: String, reason: inout String) {
        var parsed: OpaquePointer?
        var bytes = [CChar](repeating: 0, count: Int(MOCRA_HOSTS_REASON_BYTES))
        let result = unsafe mocra_hosts_parse_given(text, &parsed, &bytes)
        reason = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard result == MOCRA_OK, let parsed = unsafe parsed else { return nil }
        unsafe hosts = parsed
    }

    deinit { unsafe mocra_hosts_destroy(hosts) }

    var count: UInt32 { unsafe mocra_hosts_count(hosts) }

    func find(_ name: String, port: UInt16 = 80) -> [String] {
        var found = mocra_addresses()
        return unsafe mocra_hosts_find(hosts, name, name.utf8.count, port, &found) ? texts(of: found) : []
    }
}

@Suite struct DNSHostsTests {
    @Test func readsAFile() throws {
        let text = """
            # a comment
            127.0.0.1\tlocalhost  Alias.Test.
              192.0.2.1 two.test # two.test other.test
            2001:db8::1 two.test\r
            192.0.2.2
            nonsense name.test
            192.0.2.3 bad!name good.test
            192.0.2.300 over.test
            fe80::1%eth0 scoped.test

            192.0.2.4 last.test
            """
        let hosts = try Hosts(text)
        #expect(hosts.find("localhost") == ["127.0.0.1"])
        #expect(hosts.find("alias.test") == ["127.0.0.1"])
        #expect(hosts.find("two.test") == ["192.0.2.1", "2001:db8::1"])
        #expect(hosts.find("good.test") == ["192.0.2.3"])
        #expect(hosts.find("last.test") == ["192.0.2.4"])
        for name in ["other.test", "name.test", "over.test", "scoped.test", "a comment", ""] {
            #expect(hosts.find(name) == [])
        }
        #expect(hosts.count == 6)
    }

    @Test("One name keeps its first addresses; many names are all found")
    func bounds() throws {
        let lines = (0..<300).map {
            "192.0.2.\($0 % 256) one.test\n10.\($0 / 256).\($0 % 256).1 h\($0).test\n"
        }
        let hosts = try Hosts(lines.joined())
        #expect(hosts.find("one.test") == (0..<8).map { "192.0.2.\($0)" })
        for index in 0..<300 {
            #expect(hosts.find("h\(index).test") == ["10.\(index / 256).\(index % 256).1"])
        }
    }

    @Test("More names than the bound are refused whole")
    func tooMany() {
        let line = "192.0.2.1" + String(repeating: " a.b", count: 1_024) + "\n"
        let text = String(repeating: line, count: 257)
        var hosts: OpaquePointer?
        let result = unsafe mocra_hosts_parse(Array(text.utf8), text.utf8.count, &hosts)
        #expect(unsafe result == MOCRA_ERR_TOO_LARGE.rawValue && hosts == nil)
    }

    @Test func readsGivenAddresses() throws {
        var reason = ""
        let given = Hosts(
            given:
                """
                Example.test:443:192.0.2.1,[2001:db8::1],2001:db8::2
                  example.test:*:192.0.2.9\u{20}
                192.0.2.5:80:127.0.0.1

                [2001:DB8::5]:80:127.0.0.2
                """, reason: &reason)
        let hosts = try #require(given, "\(reason)")
        #expect(
            hosts.find("example.test", port: 443) == [
                "192.0.2.1", "2001:db8::1", "2001:db8::2", "192.0.2.9",
            ])
        #expect(hosts.find("example.test", port: 80) == ["192.0.2.9"])
        #expect(hosts.find("192.0.2.5", port: 80) == ["127.0.0.1"])
        #expect(hosts.find("192.0.2.5", port: 81) == [])
        #expect(hosts.find("2001:db8::5", port: 80) == ["127.0.0.2"])
    }

    @Test(
        "A wrong entry is refused, and named",
        arguments: [
            "example.test", "example.test:443", ":", "::", "[", "[::1", "[::1]", "a:1", "example.test:443:",
            "example.test:0:192.0.2.1", "example.test:65536:192.0.2.1", "example.test:x:192.0.2.1",
            "example.test:443:192.0.2.1,", "example.test:443:other.test", "bad!name:443:192.0.2.1",
            "127.1:443:192.0.2.1", ":443:192.0.2.1", "good.test:1:192.0.2.1\nbad",
        ])
    func refusesGiven(text: String) {
        var reason = ""
        #expect(Hosts(given: text, reason: &reason) == nil)
        let entry = text.split(separator: "\n").last ?? ""
        #expect(reason.hasPrefix("the given address \"\(entry)\" "), "\(reason)")
    }

    @Test("What is left of an entry when it is cut anywhere never crashes", arguments: [true, false])
    func cut(isGiven: Bool) throws {
        let text =
            isGiven ? "[2001:db8::5]:80:[::1],127.0.0.1\na.test:*:::1" : "::1 a.test b.test # c\n1.2.3.4 d"
        let memory = GuardedBytes()
        for length in 0...text.utf8.count {
            let part = String(decoding: Array(text.utf8)[..<length], as: UTF8.self)
            if isGiven {
                var reason = ""
                _ = Hosts(given: part, reason: &reason)
            } else {
                unsafe memory.with(Array(part.utf8), .beforeGuard) { bytes, count in
                    var hosts: OpaquePointer?
                    #expect(unsafe mocra_hosts_parse(bytes, count, &hosts) == MOCRA_OK)
                    unsafe mocra_hosts_destroy(hosts)
                }
            }
        }
    }
}
