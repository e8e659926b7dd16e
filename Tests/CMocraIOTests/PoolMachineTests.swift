// The pool machine: what each call decides, and its bounds under a long random history.
import CMocraIO
import Testing

@Suite struct PoolMachineTests {
    /// The machine with Swift's types around it.
    @safe final class Pool {
        private let pool: OpaquePointer

        init(connections: UInt32, perOrigin: UInt32) throws {
            unsafe pool = try #require(unsafe mocra_pool_create(connections, perOrigin))
        }

        deinit {
            unsafe mocra_pool_destroy(pool)
        }

        func acquire(_ host: String, fetch: UInt32, fresh: Bool = false) -> mocra_pool_decision {
            var origin: UInt32 = 0
            var decision = mocra_pool_decision()
            let key = Array(host.utf8)
            #expect(unsafe mocra_pool_origin(pool, key, key.count, &origin) == 0)
            #expect(unsafe mocra_pool_acquire(pool, origin, fetch, fresh, &decision) == 0)
            return decision
        }

        /// Acquires and opens the connection that the pool asks for.
        func open(_ host: String, fetch: UInt32, as connection: UInt32) {
            let decision = acquire(host, fetch: fetch)
            #expect(decision.action == UInt8(MOCRA_POOL_CONNECT.rawValue))
            bind(decision, connection)
        }

        func bind(_ decision: mocra_pool_decision, _ connection: UInt32) {
            #expect(unsafe mocra_pool_bind(pool, decision.origin, connection) == 0)
        }

        func release(_ connection: UInt32, now: UInt64 = 0) -> mocra_pool_decision {
            var decision = mocra_pool_decision()
            unsafe mocra_pool_release(pool, connection, now, &decision)
            return decision
        }

        func closed(_ connection: UInt32) -> mocra_pool_decision {
            var decision = mocra_pool_decision()
            unsafe mocra_pool_closed(pool, connection, &decision)
            return decision
        }

        func abandon(_ failed: mocra_pool_decision) -> mocra_pool_decision {
            var decision = mocra_pool_decision()
            unsafe mocra_pool_abandon(pool, failed.origin, &decision)
            return decision
        }

        func share(_ connection: UInt32, streams: UInt32) {
            unsafe mocra_pool_share(pool, connection, streams)
        }

        func takeWaiting(_ connection: UInt32) -> UInt32 { unsafe mocra_pool_take_waiting(pool, connection) }
        func postpone(_ failed: mocra_pool_decision) -> mocra_pool_decision {
            var decision = mocra_pool_decision()
            #expect(unsafe mocra_pool_postpone(pool, failed.origin, failed.fetch, &decision) == 0)
            return decision
        }

        func grow() -> mocra_pool_decision {
            var decision = mocra_pool_decision()
            unsafe mocra_pool_grow(pool, &decision)
            return decision
        }

        func limit(_ host: String, _ most: UInt32) {
            var origin: UInt32 = 0
            let key = Array(host.utf8)
            #expect(unsafe mocra_pool_origin(pool, key, key.count, &origin) == 0)
            unsafe mocra_pool_set_limit(pool, origin, most)
        }

        func waitsForDescriptors(_ fetch: UInt32 = .max) -> Bool {
            unsafe mocra_pool_waits_for_descriptors(pool, fetch)
        }
        var isShort: Bool { unsafe mocra_pool_is_short(pool) }
        func cancel(_ fetch: UInt32) -> Bool { unsafe mocra_pool_cancel(pool, fetch) }
        func oldestIdle(before: UInt64) -> UInt32 { unsafe mocra_pool_oldest_idle(pool, before) }
        var connections: UInt32 { unsafe mocra_pool_connections(pool) }
        var idle: UInt32 { unsafe mocra_pool_idle(pool) }
        var waiting: UInt32 { unsafe mocra_pool_waiting(pool) }
        var origins: UInt32 { unsafe mocra_pool_origins(pool) }
    }

    private let use = UInt8(MOCRA_POOL_USE.rawValue)
    private let connect = UInt8(MOCRA_POOL_CONNECT.rawValue)
    private let wait = UInt8(MOCRA_POOL_WAIT.rawValue)
    private let nothing = UInt8(MOCRA_POOL_NOTHING.rawValue)
    private let none = UInt32.max

    @Test func aSharedConnectionServesAsManyAsItMay() throws {
        let pool = try Pool(connections: 8, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        #expect(pool.acquire("a", fetch: 2).action == wait)
        #expect(pool.acquire("a", fetch: 3).action == wait)
        #expect(pool.acquire("a", fetch: 4).action == wait)
        pool.share(1, streams: 3)
        #expect(pool.takeWaiting(1) == 2)
        #expect(pool.takeWaiting(1) == 3)
        #expect(pool.takeWaiting(1) == none)
        #expect(pool.waiting == 1 && pool.idle == 0)
        // A stream that ends makes room for the one that waits.
        let next = pool.release(1)
        #expect(next.action == use && next.fetch == 4)
        #expect(pool.release(1).action == nothing)
        let fifth = pool.acquire("a", fetch: 5)
        #expect(fifth.action == use && fifth.connection == 1)
        for _ in 0..<3 { #expect(pool.release(1, now: 7).action == nothing) }
        #expect(pool.idle == 1 && pool.oldestIdle(before: 7) == 1)
        #expect(pool.closed(1).action == nothing)
        #expect(pool.idle == 0 && pool.connections == 0 && pool.origins == 0)
    }

    @Test func aSharedConnectionThatIsRetiredTakesNoMore() throws {
        let pool = try Pool(connections: 8, perOrigin: 2)
        pool.open("a", fetch: 1, as: 1)
        pool.share(1, streams: 10)
        #expect(pool.acquire("a", fetch: 2).connection == 1)
        pool.share(1, streams: 0)
        let third = pool.acquire("a", fetch: 3)
        #expect(third.action == connect)
        pool.bind(third, 2)
        #expect(pool.acquire("a", fetch: 4).action == wait)
        #expect(pool.release(1).action == nothing)
        #expect(pool.takeWaiting(1) == none)
        // Its end makes a place for another.
        let freed = pool.closed(1)
        #expect(freed.action == connect && freed.fetch == 4)
    }

    @Test func aBusySharedConnectionIsNotEvictedForAnotherOrigin() throws {
        let pool = try Pool(connections: 1, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        pool.share(1, streams: 2)
        #expect(pool.acquire("a", fetch: 2).action == use)
        #expect(pool.acquire("b", fetch: 3).action == wait)
        #expect(pool.release(1).action == nothing)
        let last = pool.release(1)
        #expect(last.action == connect && last.fetch == 3 && last.evict == 1)
    }

    @Test func reusesTheConnectionUsedLast() throws {
        let pool = try Pool(connections: 8, perOrigin: 8)
        pool.open("a", fetch: 1, as: 1)
        pool.open("a", fetch: 2, as: 2)
        #expect(pool.release(1, now: 10).action == nothing)
        #expect(pool.release(2, now: 20).action == nothing)
        let first = pool.acquire("a", fetch: 3)
        #expect(first.action == use && first.connection == 2)
        let second = pool.acquire("a", fetch: 4)
        #expect(second.action == use && second.connection == 1)
    }

    @Test func holdsTheLimitOfAnOriginAndServesInOrder() throws {
        let pool = try Pool(connections: 8, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        #expect(pool.acquire("a", fetch: 2).action == wait)
        #expect(pool.acquire("a", fetch: 3).action == wait)
        pool.open("b", fetch: 4, as: 2)
        let next = pool.release(1)
        #expect(next.action == use && next.fetch == 2 && next.connection == 1)
        let last = pool.closed(1)
        #expect(last.action == connect && last.fetch == 3)
        #expect(pool.waiting == 0)
    }

    @Test func evictsTheConnectionIdleLongestForAnotherOrigin() throws {
        let pool = try Pool(connections: 2, perOrigin: 2)
        pool.open("a", fetch: 1, as: 1)
        pool.open("b", fetch: 2, as: 2)
        _ = pool.release(2, now: 10)
        _ = pool.release(1, now: 20)
        let decision = pool.acquire("c", fetch: 3)
        #expect(decision.action == connect && decision.evict == 2)
        #expect(pool.connections == 2)
    }

    @Test func aFreshConnectionTakesThePlaceOfAnIdleOne() throws {
        let pool = try Pool(connections: 2, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        _ = pool.release(1, now: 10)
        let full = pool.acquire("a", fetch: 2, fresh: true)
        #expect(full.action == connect && full.evict == 1)
        pool.bind(full, 2)
        #expect(pool.connections == 1 && pool.origins == 1)
        let roomy = try Pool(connections: 2, perOrigin: 2)
        roomy.open("a", fetch: 1, as: 1)
        _ = roomy.release(1, now: 10)
        let beside = roomy.acquire("a", fetch: 2, fresh: true)
        #expect(beside.action == connect && beside.evict == none)
    }

    @Test func aFreedPlaceGoesToTheOriginThatWaitsForOne() throws {
        let pool = try Pool(connections: 1, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        #expect(pool.acquire("b", fetch: 2).action == wait)
        let decision = pool.release(1)
        #expect(decision.action == connect && decision.fetch == 2 && decision.evict == 1)
        pool.bind(decision, 2)
        #expect(pool.connections == 1)
        #expect(pool.origins == 1)
    }

    @Test func aPlaceThatCouldNotBeOpenedGoesToTheNext() throws {
        let pool = try Pool(connections: 4, perOrigin: 1)
        let failed = pool.acquire("a", fetch: 1)
        #expect(pool.acquire("a", fetch: 2).action == wait)
        let decision = pool.abandon(failed)
        #expect(decision.action == connect && decision.fetch == 2)
        #expect(pool.abandon(decision).action == nothing)
        #expect(pool.connections == 0 && pool.origins == 0)
    }

    @Test func anOriginMayHaveALimitOfItsOwn() throws {
        let pool = try Pool(connections: 3, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        pool.limit("a", 3)
        pool.open("a", fetch: 2, as: 2)
        pool.open("a", fetch: 3, as: 3)
        #expect(pool.acquire("a", fetch: 4).action == wait)
    }

    // MARK: Without descriptors

    @Test func whoFindsNoDescriptorWaitsBeforeTheOthers() throws {
        let pool = try Pool(connections: 8, perOrigin: 4)
        pool.open("a", fetch: 1, as: 1)
        let unlucky = pool.acquire("b", fetch: 2)
        #expect(unlucky.action == connect)
        let waits = pool.postpone(unlucky)
        #expect(waits.action == wait && waits.fetch == 2 && waits.evict == none)
        #expect(pool.isShort && pool.waitsForDescriptors() && pool.waitsForDescriptors(2))
        // Others wait behind it, though the limits would let them connect.
        #expect(pool.acquire("b", fetch: 3).action == wait)
        #expect(pool.acquire("c", fetch: 4).action == wait)
        #expect(!pool.waitsForDescriptors(1))
        // Its descriptor is not free when the pool hears of it, but when it is closed.
        #expect(pool.closed(1).action == nothing)
        let first = pool.grow()
        #expect(first.action == connect && first.fetch == 2)
        pool.bind(first, 1)
        let second = pool.grow()
        #expect(second.action == connect && second.fetch == 4)
        #expect(pool.grow().fetch == 3)
        #expect(!pool.waitsForDescriptors())
        for _ in 0..<8 { #expect(pool.grow().action == nothing) }
        #expect(!pool.isShort)
    }

    @Test func anIdleConnectionGivesItsDescriptor() throws {
        let pool = try Pool(connections: 8, perOrigin: 4)
        pool.open("a", fetch: 1, as: 1)
        _ = pool.release(1, now: 10)
        let decision = pool.postpone(pool.acquire("b", fetch: 2))
        #expect(decision.action == wait && decision.evict == 1)
        #expect(pool.connections == 0)
        let now = pool.grow()
        #expect(now.action == connect && now.fetch == 2)
        pool.bind(now, 2)
        // One that is released meanwhile goes to who waits, not to the pool.
        #expect(pool.acquire("c", fetch: 3).action == wait)
        let released = pool.release(2, now: 20)
        #expect(released.action == nothing && released.evict == 2)
        #expect(pool.grow().fetch == 3)
    }

    @Test func anOriginInNeedKeepsItsOwnConnection() throws {
        let pool = try Pool(connections: 8, perOrigin: 4)
        pool.open("a", fetch: 1, as: 1)
        _ = pool.postpone(pool.acquire("a", fetch: 2))
        let released = pool.release(1, now: 5)
        #expect(released.action == use && released.fetch == 2 && released.connection == 1)
        #expect(!pool.waitsForDescriptors())
    }

    @Test func aNewcomerEvictsAnIdleOneAndWaitsForItsDescriptor() throws {
        let pool = try Pool(connections: 8, perOrigin: 4)
        pool.open("a", fetch: 1, as: 1)
        _ = pool.postpone(pool.acquire("b", fetch: 2))
        #expect(pool.cancel(2))
        _ = pool.release(1, now: 5)
        let newcomer = pool.acquire("c", fetch: 3)
        #expect(newcomer.action == wait && newcomer.evict == 1)
        #expect(pool.grow().fetch == 3)
    }

    @Test func whoGivesUpIsNotServed() throws {
        let pool = try Pool(connections: 4, perOrigin: 1)
        pool.open("a", fetch: 1, as: 1)
        #expect(pool.acquire("a", fetch: 2).action == wait)
        #expect(pool.acquire("a", fetch: 3).action == wait)
        #expect(pool.cancel(2))
        #expect(!pool.cancel(2))
        #expect(pool.release(1).fetch == 3)
    }

    @Test func namesWhatIsIdleTooLong() throws {
        let pool = try Pool(connections: 4, perOrigin: 4)
        pool.open("a", fetch: 1, as: 1)
        pool.open("a", fetch: 2, as: 2)
        _ = pool.release(1, now: 10)
        _ = pool.release(2, now: 20)
        #expect(pool.oldestIdle(before: 9) == none)
        #expect(pool.oldestIdle(before: 10) == 1)
        #expect(pool.closed(1).action == nothing)
        #expect(pool.oldestIdle(before: 19) == none)
        #expect(pool.oldestIdle(before: 20) == 2)
    }

    /// 30,000 random calls against a plain model: limits hold, nobody waits beside a free place, nothing
    /// leaks.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func holdsItsBoundsUnderARandomHistory(seed: UInt64) throws {
        var history = RandomHistory(
            pool: try Pool(connections: 6, perOrigin: 2), seed: seed, connectionsMax: 6, perOriginMax: 2)
        for _ in 0..<30_000 { history.step() }
        history.drain()
        #expect(history.pool.connections == 0 && history.pool.origins == 0 && history.pool.waiting == 0)
    }
}

/// Drives a pool at random and keeps a model of what must be true.
private struct RandomHistory {
    let pool: PoolMachineTests.Pool
    var random: SplitMix
    let connectionsMax: Int
    let perOriginMax: Int
    var active: [UInt32: String] = [:]
    var idle: [UInt32: String] = [:]
    var waiting: [UInt32: String] = [:]
    var nextFetch: UInt32 = 0
    var freeFetches: [UInt32] = []
    var freeConnections: [UInt32] = Array(0..<16)
    var now: UInt64 = 0

    init(pool: PoolMachineTests.Pool, seed: UInt64, connectionsMax: Int, perOriginMax: Int) {
        self.pool = pool
        random = SplitMix(state: seed)
        self.connectionsMax = connectionsMax
        self.perOriginMax = perOriginMax
    }

    mutating func step() {
        now += 1
        switch random.next() % 5 {
        case 0, 1: acquire()
        case 2: finish()
        case 3: close()
        default: cancel()
        }
        check()
    }

    mutating func drain() {
        for fetch in waiting.keys.sorted() { #expect(pool.cancel(fetch)) }
        waiting = [:]
        for connection in active.keys.sorted() + idle.keys.sorted() { _ = pool.closed(connection) }
    }

    private mutating func acquire() {
        guard waiting.count < 50 else { return }
        let host = "host\(random.next() % 9)"
        let fetch = freeFetches.popLast() ?? nextFetch
        if fetch == nextFetch { nextFetch += 1 }
        let decision = pool.acquire(host, fetch: fetch, fresh: random.next() % 4 == 0)
        if decision.action == UInt8(MOCRA_POOL_WAIT.rawValue) {
            waiting[fetch] = host
        } else {
            apply(decision, host: host)
        }
    }

    private mutating func finish() {
        guard let connection = active.keys.sorted().randomElement(using: &random) else { return }
        let host = active.removeValue(forKey: connection)
        let decision = pool.release(connection, now: now)
        if decision.action == UInt8(MOCRA_POOL_NOTHING.rawValue) { idle[connection] = host }
        if decision.evict == connection { freeConnections.append(connection) }
        apply(decision, host: waiting.removeValue(forKey: decision.fetch))
    }

    private mutating func close() {
        let all = active.keys.sorted() + idle.keys.sorted()
        guard let connection = all.randomElement(using: &random) else { return }
        active[connection] = nil
        idle[connection] = nil
        freeConnections.append(connection)
        let decision = pool.closed(connection)
        apply(decision, host: waiting.removeValue(forKey: decision.fetch))
    }

    private mutating func cancel() {
        guard let fetch = waiting.keys.sorted().randomElement(using: &random) else { return }
        waiting[fetch] = nil
        freeFetches.append(fetch)
        #expect(pool.cancel(fetch))
    }

    private mutating func apply(_ decision: mocra_pool_decision, host: String?) {
        if decision.evict != .max, idle.removeValue(forKey: decision.evict) != nil {
            freeConnections.append(decision.evict)
        }
        guard decision.action != UInt8(MOCRA_POOL_NOTHING.rawValue) else { return }
        guard let host else {
            Issue.record("the pool served a fetch that does not wait")
            return
        }
        freeFetches.append(decision.fetch)
        if decision.action == UInt8(MOCRA_POOL_USE.rawValue) {
            if let previous = idle.removeValue(forKey: decision.connection) { #expect(previous == host) }
            active[decision.connection] = host
        } else {
            let connection = freeConnections.removeLast()
            pool.bind(decision, connection)
            active[connection] = host
        }
    }

    private func check() {
        #expect(pool.connections == UInt32(active.count + idle.count))
        #expect(pool.connections <= UInt32(connectionsMax))
        #expect(pool.idle == UInt32(idle.count) && pool.waiting == UInt32(waiting.count))
        var perHost: [String: Int] = [:]
        for host in active.values { perHost[host, default: 0] += 1 }
        for host in idle.values { perHost[host, default: 0] += 1 }
        #expect(perHost.values.allSatisfy { $0 <= perOriginMax })
        for host in waiting.values {
            // Who waits does so because its origin or the loop is full of connections that work.
            #expect(!idle.values.contains(host))
            #expect(perHost[host, default: 0] == perOriginMax || active.count + idle.count == connectionsMax)
        }
    }
}

/// Steele, Lea and Flood's SplitMix64: small, and the same on every machine.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
