// Deadlines by identifier against a plain model, and addresses against tables.
import CMocraIO
import Testing

@Suite struct TimersTests {
    /// 100,000 random sets, clears and expiries: everything fires once, at its deadline, never before.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func firesLikeAModel(seed: UInt64) {
        var timers = unsafe mocra_timers()
        unsafe mocra_timers_init(&timers)
        defer { unsafe mocra_timers_free(&timers) }
        #expect(unsafe mocra_timers_reserve(&timers, 64) == 0)
        var random = SplitMix(state: seed)
        var model: [UInt32: UInt64] = [:]
        var now: UInt64 = 0
        for _ in 0..<100_000 {
            let identifier = UInt32(random.next() % 64)
            switch random.next() % 4 {
            case 0, 1:
                let deadline = now + random.next() % 1000
                unsafe mocra_timers_set(&timers, identifier, deadline)
                model[identifier] = deadline
            case 2:
                unsafe mocra_timers_clear(&timers, identifier)
                model[identifier] = nil
            default:
                now += random.next() % 50
                #expect(unsafe mocra_timers_next(&timers) <= model.values.min() ?? .max)
                var fired: Set<UInt32> = []
                while true {
                    let expired = unsafe mocra_timers_expire(&timers, now)
                    if expired == .max { break }
                    #expect(fired.insert(expired).inserted)
                }
                let due = Set(model.filter { $0.value <= now }.keys)
                #expect(fired == due)
                for identifier in due { model[identifier] = nil }
            }
        }
    }
}

@Suite struct AddressTests {
    static let notPublic = [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
        "198.51.100.1",
        "203.0.113.7", "224.0.0.1", "255.255.255.255", "::", "::1", "[::1]", "fc00::1", "fd12::1", "fe80::1",
        "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1",
        "2001:db8::1", "3fff::1", "100::1",
    ]
    static let publicOnes = [
        "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1", "223.255.255.255", "2606:4700::1111", "[2a00:1450::1]", "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::",
    ]

    @Test(arguments: notPublic) func isNotPublic(_ text: String) throws {
        #expect(try !isPublic(text))
    }

    @Test(arguments: publicOnes) func isPublicAddress(_ text: String) throws {
        #expect(try isPublic(text))
    }

    @Test(arguments: [
        "", "[]", "1.2.3", "1.2.3.4.5", "localhost", "[1.2.3.4", "1.2.3.256", "::g",
        String(repeating: "1", count: 300),
    ])
    func isNoAddress(_ text: String) {
        var address = mocra_address()
        #expect(unsafe !mocra_address_parse(Array(text.utf8), text.utf8.count, &address))
    }

    private func isPublic(_ text: String) throws -> Bool {
        var address = mocra_address()
        try #require(unsafe mocra_address_parse(Array(text.utf8), text.utf8.count, &address))
        return unsafe mocra_address_is_public(&address)
    }
}
