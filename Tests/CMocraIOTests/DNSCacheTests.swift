// The cache of names against a plain model, its bounds and lifetimes; servers and which of them is asked.
import CMocraIO
import Testing

private let second: UInt64 = 1_000_000_000

/// A cache that is freed with this object.
@safe private final class Cache {
    private let cache: OpaquePointer

    init(_ namesMax: UInt32) throws {
        unsafe cache = try #require(unsafe mocra_dns_cache_create(namesMax, 42))
    }

    deinit { unsafe mocra_dns_cache_destroy(cache) }

    var count: UInt32 { unsafe mocra_dns_cache_count(cache) }

    func put(
        _ name: String, _ texts: [String] = ["192.0.2.1"], error: Int32 = MOCRA_OK, until expires: UInt64
    ) throws {
        var set = try addressSet(texts)
        unsafe mocra_dns_cache_put(cache, name, name.utf8.count, error, &set, expires)
    }

    func add(_ name: String, _ texts: [String], at now: UInt64) throws {
        var set = try addressSet(texts)
        unsafe mocra_dns_cache_add(cache, name, name.utf8.count, now, &set)
    }

    func get(_ name: String, at now: UInt64) -> (Int32, [String]) {
        var set = mocra_address_set()
        let result = unsafe mocra_dns_cache_get(cache, name, name.utf8.count, now, &set)
        var list = mocra_addresses()
        unsafe mocra_address_set_order(&set, true, &list)
        return (result, result == MOCRA_OK ? texts(of: list) : [])
    }
}

@Suite struct DNSCacheTests {
    @Test("An answer lives until its time, an error likewise")
    func lifetime() throws {
        let cache = try Cache(10)
        try cache.put("a.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2"], until: 5 * second)
        try cache.put("b.test", error: Int32(MOCRA_ERR_DNS_NAME.rawValue), until: 3 * second)
        #expect(cache.get("a.test", at: 4 * second).1 == ["2001:db8::1", "192.0.2.1", "192.0.2.2"])
        #expect(cache.get("b.test", at: 2 * second).0 == MOCRA_ERR_DNS_NAME.rawValue)
        #expect(cache.get("b.test", at: 3 * second).0 == MOCRA_MORE)
        #expect(cache.get("a.test", at: 5 * second).0 == MOCRA_MORE)
        #expect(cache.count == 0)
    }

    @Test("Late addresses join what is known, and prolong nothing")
    func addition() throws {
        let cache = try Cache(10)
        try cache.put("a.test", ["192.0.2.1"], until: 5 * second)
        let late = ["2001:db8::1"]
        try cache.add("a.test", late, at: second)
        #expect(cache.get("a.test", at: second).1 == ["2001:db8::1", "192.0.2.1"])
        try cache.add("none.test", late, at: second)
        #expect(cache.get("none.test", at: second).0 == MOCRA_MORE)
        #expect(cache.get("a.test", at: 5 * second).0 == MOCRA_MORE)
        try cache.add("a.test", late, at: 5 * second)
        #expect(cache.get("a.test", at: 5 * second).0 == MOCRA_MORE)
    }

    @Test("A cache without room keeps nothing")
    func noRoom() throws {
        let cache = try Cache(0)
        try cache.put("a.test", until: 5 * second)
        #expect(cache.get("a.test", at: 0).0 == MOCRA_MORE)
    }

    @Test("The one asked for longest ago goes first, as in a model", arguments: [1, 2, 3] as [UInt64])
    func eviction(seed: UInt64) throws {
        let namesMax = 50
        var random = SplitMix(state: seed)
        var model: [(name: String, expires: UInt64)] = []  // the last used at the end
        let cache = try Cache(UInt32(namesMax))
        for step in 0..<20_000 {
            let now = UInt64(step)
            let name = "host\(random.next() % 120).test"
            if random.next() % 3 == 0 {
                let expires = now + 1 + random.next() % 5_000
                try cache.put(name, until: expires)
                model.removeAll { $0.name == name }
                if model.count == namesMax { model.removeFirst() }
                model.append((name, expires))
            } else {
                let index = model.firstIndex { $0.name == name }
                let isKnown = index.map { model[$0].expires > now } ?? false
                #expect(cache.get(name, at: now).0 == (isKnown ? MOCRA_OK : MOCRA_MORE))
                if let index {
                    let item = model.remove(at: index)
                    if isKnown { model.append(item) }
                }
            }
            #expect(cache.count == UInt32(model.count))
        }
    }

    @Test("100,000 names are found again, and the bound holds beyond them")
    func many() throws {
        let cache = try Cache(100_000)
        for index in 0..<110_000 { try cache.put("host\(index).test", until: second) }
        #expect(cache.count == 100_000)
        #expect(cache.get("host9999.test", at: 0).0 == MOCRA_MORE)
        for index in stride(from: 10_000, to: 110_000, by: 97) {
            #expect(cache.get("host\(index).test", at: 0).0 == MOCRA_OK)
        }
    }
}

/// The addresses of a list, by family.
func addressSet(_ texts: [String]) throws -> mocra_address_set {
    var set = mocra_address_set()
    for text in texts {
        var address = mocra_address()
        try #require(unsafe mocra_address_parse(Array(text.utf8), text.utf8.count, &address), "\(text)")
        unsafe mocra_address_set_add(&set, &address)
    }
    return set
}

@Suite struct DNSServersTests {
    private func parse(_ text: String) -> (servers: mocra_dns_servers, result: Int32, reason: String) {
        var servers = mocra_dns_servers()
        var reason = [CChar](repeating: 0, count: Int(MOCRA_DNS_SERVERS_REASON_BYTES))
        let result = unsafe mocra_dns_servers_parse(text, &servers, &reason)
        let text = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return (servers, result, String(decoding: text, as: UTF8.self))
    }

    @Test(arguments: [
        ("", 0), (" , \n", 0), ("192.0.2.53", 1),
        ("192.0.2.53:5353,[2001:db8::53]:5353 2001:db8::53\n::1", 4),
    ])
    func parses(text: String, count: UInt32) {
        let parsed = parse(text)
        #expect(parsed.result == MOCRA_OK && parsed.servers.count == count)
    }

    @Test(arguments: [
        "dns.example", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:65536", "192.0.2.53:5x", "[2001:db8::53",
        "[2001:db8::53]5353", "192.0.2", "[]", ":53", "1.1.1.1,nonsense",
        "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9",
        String(repeating: "9", count: 5_000),
    ])
    func refuses(text: String) {
        let parsed = parse(text)
        #expect(parsed.result == MOCRA_ERR_DNS_SETTINGS.rawValue && parsed.servers.count == 0)
        #expect(parsed.reason.hasPrefix("the DNS server \""))
    }

    @Test("A dead server is asked last, then tried by one question at a time")
    func health() {
        var servers = parse("192.0.2.1 192.0.2.2").servers
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, 0) == 0)
        #expect(unsafe mocra_dns_servers_pick(&servers, 1, 0) == 1)
        #expect(unsafe mocra_dns_servers_pick(&servers, 3, 0) == UInt32(MOCRA_DNS_SERVERS_MAX))
        unsafe mocra_dns_servers_note(&servers, 0, false, 0)
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, 0) == 0, "once is no pattern")
        unsafe mocra_dns_servers_note(&servers, 0, false, 0)
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, 1) == 1)
        #expect(unsafe mocra_dns_servers_pick(&servers, 2, 1) == 0, "better a dead one than none")
        // Questions that were under way fail, too, and change nothing.
        for _ in 0..<100 { unsafe mocra_dns_servers_note(&servers, 0, false, 1) }
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, second - 1) == 1)
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, second) == 0, "one question tries it")
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, second) == 1, "the next one does not")
        unsafe mocra_dns_servers_note(&servers, 0, false, 2 * second)
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, 4 * second - 1) == 1, "the pause has doubled")
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, 4 * second) == 0)
        unsafe mocra_dns_servers_note(&servers, 0, true, 4 * second)
        for _ in 0..<3 { #expect(unsafe mocra_dns_servers_pick(&servers, 0, 4 * second) == 0) }
    }

    @Test("The pause has a bound")
    func pause() {
        var servers = parse("192.0.2.1 192.0.2.2").servers
        var now: UInt64 = 0
        for _ in 0..<100 {
            unsafe mocra_dns_servers_note(&servers, 0, false, now)
            now += UInt64(MOCRA_DNS_DOWN_MAX_NS)
        }
        #expect(unsafe mocra_dns_servers_pick(&servers, 0, now) == 0)
    }
}
