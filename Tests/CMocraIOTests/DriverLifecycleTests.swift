// One table for io_uring, its fallbacks and epoll: cancelling, waiting, polling, many sockets, numbers of
// descriptors that come back, and a kernel that refuses io_uring.
import CMocraIO
import Glibc
import TestSupport
import Testing

/// One after the other: a ring's work for its thread may interrupt the wait of another driver there.
@Suite("A driver's operations", .serialized, .timeLimit(.minutes(10)))
struct DriverLifecycleTests {
    static let receive = MOCRA_OPERATION_RECEIVE
    static let send = MOCRA_OPERATION_SEND
    static let connect = MOCRA_OPERATION_CONNECT
    static let poll = MOCRA_OPERATION_POLL

    // MARK: Cancelling

    /// Each operation that waits is cancelled before or after it reached the kernel, and completes once.
    @Test("what waits is cancelled once", arguments: DriverChoice.allCases, [false, true])
    func cancelWaiting(choice: DriverChoice, submitted: Bool) throws {
        let driver = try Driver(choice)
        let full = try FullBacklogPort()
        let pair = try TCPPair()
        let blocked = try TCPPair()
        let connecting = Listener.socket()
        defer { close(connecting) }
        // The sending socket is full, so that one more send waits.
        let filler = [UInt8](repeating: 1, count: 1 << 20)
        while unsafe Glibc.send(blocked.near, filler, filler.count, noSignal) > 0 {}
        driver.connect(0, fd: connecting, port: full.port)
        driver.receive(1, fd: pair.near)
        driver.send(2, fd: blocked.near, filler)
        driver.poll(0, fd: pair.near, POLLIN)
        if submitted { #expect(driver.quietTurns().isEmpty) }
        driver.cancel(0, Self.connect)
        driver.cancel(1, Self.receive)
        driver.cancel(2, Self.send)
        driver.cancel(0, Self.poll)
        var events = driver.events(count: 4)
        events += driver.quietTurns()
        #expect(events.results(Self.connect, slot: 0) == [-ECANCELED])
        #expect(events.results(Self.receive, slot: 1) == [-ECANCELED])
        #expect(events.results(Self.send, slot: 2) == [-ECANCELED])
        #expect(events.results(Self.poll, slot: 0) == [-ECANCELED])
        #expect(events.allSatisfy { !$0.more })
        // Bytes that come later belong to nobody.
        pair.write([1])
        #expect(driver.quietTurns().isEmpty)
    }

    @Test("what was faster keeps its result, and completes once", arguments: DriverChoice.allCases)
    func cancelFinished(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        driver.receive(0, fd: pair.near)
        driver.send(0, fd: pair.near, [1, 2, 3])
        driver.wait(ms: 5)
        pair.write([4])
        pair.closeFar()
        driver.wait(ms: 50)
        driver.cancel(0, Self.send)
        driver.cancel(0, Self.receive)
        var events = driver.events { events in
            events.contains { $0.operation == Self.send.rawValue }
                && events.contains { $0.operation == Self.receive.rawValue && !$0.more }
        }
        events += driver.quietTurns()
        #expect(events.results(Self.send) == [3])
        #expect(events.of(Self.receive).filter { !$0.more }.count == 1)
        // Nothing is left to cancel.
        driver.cancel(0, Self.send)
        driver.cancel(0, Self.receive)
        driver.cancel(7, Self.connect, generation: 3)
        #expect(driver.quietTurns().isEmpty)
        #expect(driver.buffersFree == 64)
    }

    @Test(
        "a receive that is cancelled with bytes at hand leaves no buffer behind",
        arguments: DriverChoice.allCases)
    func cancelReadable(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        driver.receive(0, fd: pair.near)
        #expect(driver.quietTurns().isEmpty)
        pair.write([UInt8](repeating: 9, count: 200_000))
        driver.wait(ms: 1_000)
        driver.cancel(0, Self.receive)
        let events = driver.events { events in events.contains { !$0.more } } + driver.quietTurns()
        #expect(events.of(Self.receive).filter { !$0.more }.count == 1)
        #expect(driver.buffersFree == 64)
    }

    // MARK: Waiting

    @Test("a wait ends with its time", arguments: DriverChoice.allCases)
    func timeouts(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        for least in [1, 8] as [UInt32] {
            // A signal may end a wait early, but not every one.
            let waitedMs = (0..<5).map { _ in
                let start = monotonicNanoseconds()
                driver.wait(least, ms: 30)
                return (monotonicNanoseconds() - start) / 1_000_000
            }
            #expect(waitedMs.contains { $0 >= 29 } && waitedMs.allSatisfy { $0 < 20_000 }, "\(waitedMs) ms")
            #expect(driver.reap().isEmpty)
        }
        let start = monotonicNanoseconds()
        for _ in 0..<100 { driver.wait(ms: 0) }
        #expect(monotonicNanoseconds() - start < 20_000_000_000)
    }

    @Test("another thread wakes a wait without limit, again and again", arguments: DriverChoice.allCases)
    func wakes(choice: DriverChoice) async throws {
        let stops = PlainLock(false)
        let address = PlainLock<UInt?>(nil)
        async let waking: Void = onThread {
            while !stops.withLock({ $0 }) {
                if let target = address.withLock({ $0 }) {
                    unsafe mocra_driver_wake(OpaquePointer(bitPattern: target))
                }
                _ = Glibc.poll(nil, 0, 1)
            }
        }
        let driver = try await onThread {
            let driver = try Driver(choice)
            // A wake-up before the wait is not lost.
            driver.wake()
            driver.wait(ms: .max)
            #expect(driver.reap().isEmpty && driver.wakes == 1)
            address.withLock { unsafe $0 = UInt(bitPattern: driver.pointer) }
            for _ in 0..<20 {
                let before = driver.wakes
                driver.wait(ms: .max)
                #expect(driver.reap().isEmpty && driver.wakes > before)
            }
            stops.withLock { $0 = true }
            return KeptDriver(driver: driver)
        }
        try await waking
        withExtendedLifetime(driver) {}
    }

    // MARK: Polling

    @Test("polls descriptors of others, once an order", arguments: DriverChoice.allCases)
    func polls(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        driver.poll(3, 1, fd: pair.near, POLLIN)
        #expect(driver.quietTurns().isEmpty)
        pair.write([1])
        let readable = driver.events(count: 1)
        #expect(readable.first?.generation == 1)
        #expect((readable.results(Self.poll, slot: 3).first ?? 0) & POLLIN != 0)
        #expect(driver.quietTurns().isEmpty)
        // What is there already completes at once; with another wish under another generation.
        driver.poll(3, 1, fd: pair.near, POLLIN)
        #expect((driver.events(count: 1).results(Self.poll, slot: 3).first ?? 0) & POLLIN != 0)
        driver.poll(3, 2, fd: pair.near, POLLPRI)
        driver.cancel(3, Self.poll, generation: 2)
        driver.poll(3, 3, fd: pair.near, POLLOUT)
        let events = driver.events(count: 2) + driver.quietTurns()
        #expect(events.filter { $0.generation == 2 }.map(\.result) == [-ECANCELED])
        let writable = events.filter { $0.generation == 3 }.map(\.result)
        #expect(writable.count == 1 && (writable.first ?? 0) & POLLOUT != 0)
    }

    @Test("a descriptor that is none is an error, not a hang", arguments: DriverChoice.allCases)
    func badDescriptor(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        // Beyond every limit, so that no test beside this one opens it.
        let fd: Int32 = 1 << 30
        driver.poll(0, fd: fd, POLLIN)
        driver.send(1, fd: fd, [1])
        let events = driver.events(count: 2)
        #expect(events.results(Self.poll) == [-EBADF])
        #expect(events.results(Self.send, slot: 1) == [-EBADF])
    }

    // MARK: Many

    /// More operations than the submission queue has entries, and more completions than the completion queue.
    @Test("thousands of sockets with everything at once", arguments: DriverChoice.allCases)
    func thousands(choice: DriverChoice) throws {
        try Self.raiseDescriptorLimit()
        let count: UInt32 = 2_500
        let driver = try Driver(choice, buffers: 1024)
        var sockets: [Int32] = []
        defer { for fd in sockets { close(fd) } }
        for _ in 0..<count {
            var pair: [Int32] = [-1, -1]
            let type =
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
            try #require(unsafe socketpair(AF_UNIX, type, 0, &pair) == 0)
            sockets += pair
        }
        for (slot, fd) in sockets.enumerated() {
            driver.receive(UInt32(slot), fd: fd)
            driver.send(UInt32(slot), fd: fd, [UInt8(truncatingIfNeeded: slot), 1, 2])
        }
        var all: [DriverEvent] = []
        var got = 0
        var sent = 0
        driver.turns {
            let events = driver.reap()
            got += events.reduce(0) { $0 + $1.bytes.count }
            for event in events where event.result == -ENOBUFS {
                driver.receive(event.slot, fd: sockets[Int(event.slot)])
            }
            all += events
            sent += events.count { $0.operation == Self.send.rawValue }
            return sent == sockets.count && got == 3 * sockets.count
        }
        #expect(all.filter { $0.operation == Self.send.rawValue }.allSatisfy { $0.result == 3 })
        var received: [UInt32: [UInt8]] = [:]
        for event in all where !event.bytes.isEmpty { received[event.slot, default: []] += event.bytes }
        for slot in 0..<UInt32(sockets.count) {
            try #require(received[slot] == [UInt8(truncatingIfNeeded: slot ^ 1), 1, 2])
        }
        for slot in 0..<UInt32(sockets.count) { driver.cancel(slot, Self.receive) }
        let ends = driver.events(withinMs: 60_000) { $0.count >= sockets.count } + driver.quietTurns()
        #expect(ends.count == sockets.count)
        #expect(ends.allSatisfy { $0.result == -ECANCELED && !$0.more })
        #expect(driver.buffersFree == 1024)
    }

    /// A slot and a descriptor's number are used again at once; what happened to the old socket is told to
    /// nobody.
    @Test("a number that comes back is another socket", arguments: DriverChoice.allCases)
    func reusedDescriptor(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        for generation in 0..<50 as Range<UInt32> {
            let pair = try TCPPair()
            driver.receive(5, generation, fd: pair.near)
            driver.wait(ms: 0)
            driver.cancel(5, Self.receive, generation: generation)
            let ends = driver.events { events in events.contains { !$0.more } }
            #expect(ends.map(\.generation) == [generation])
            // The last edge of the old socket, which nobody has looked at when it is closed.
            pair.write([UInt8](repeating: 1, count: 10))
            pair.closeNear()
            let next = try TCPPair()
            driver.receive(5, generation + 1_000, fd: next.near)
            next.write([2])
            let events = driver.events { !$0.bytes(slot: 5).isEmpty }
            #expect(events.allSatisfy { $0.generation == generation + 1_000 })
            #expect(events.bytes(slot: 5) == [2])
            driver.cancel(5, Self.receive, generation: generation + 1_000)
            _ = driver.events { events in events.contains { !$0.more } }
        }
    }

    @Test("is destroyed with operations under way", arguments: DriverChoice.allCases)
    func destroyed(choice: DriverChoice) throws {
        let pair = try TCPPair()
        do {
            let driver = try Driver(choice)
            driver.receive(0, fd: pair.near)
            driver.poll(0, fd: pair.near, POLLIN)
            pair.write([UInt8](repeating: 1, count: 100_000))
            driver.wait(ms: 1)
        }
        // The socket is the caller's, still.
        #expect(unsafe Glibc.send(pair.near, [1], 1, 0) == 1)
    }

    private static func raiseDescriptorLimit() throws {
        var limit = rlimit()
        let which = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
        try #require(unsafe getrlimit(which, &limit) == 0)
        limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, 16_384))
        try #require(unsafe setrlimit(which, &limit) == 0 && limit.rlim_cur >= 8_192)
    }
}

/// Keeps a driver until nobody wakes it any more.
///
/// Guard of `@unchecked Sendable`: it is only let go, after the thread that used it has ended.
private struct KeptDriver: @unchecked Sendable {
    let driver: Driver
}
