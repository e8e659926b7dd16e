// One table of behaviours for io_uring, each of its fallbacks, and epoll.
import CMocraIO
import Glibc
import TestSupport
import Testing

@Suite("A driver", .timeLimit(.minutes(10)))
struct DriverTests {
    static let receive = MOCRA_OPERATION_RECEIVE
    static let send = MOCRA_OPERATION_SEND
    static let connect = MOCRA_OPERATION_CONNECT
    static let poll = MOCRA_OPERATION_POLL

    @Test("says what it is, and why it is not io_uring", arguments: DriverChoice.allCases)
    func kind(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        #expect((driver.kind == MOCRA_DRIVER_RING) == driver.reason.isEmpty)
        if choice == .epoll { #expect(driver.kind == MOCRA_DRIVER_EPOLL) }
        let isMultishot = driver.features.multishot_receive
        #expect(!isMultishot || [.ring, .transient, .withoutDeferredTaskRun].contains(choice))
        #expect(driver.features.buffer_ring == isMultishot)
        #expect(!driver.features.defer_taskrun || choice != .withoutDeferredTaskRun)
    }

    // MARK: Connecting

    @Test("connects, and is told of a refusal", arguments: DriverChoice.allCases)
    func connecting(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let listener = try Listener()
        let refused = try RefusedPort()
        let sockets = [Listener.socket(), Listener.socket()]
        defer { for fd in sockets { close(fd) } }
        driver.connect(0, fd: sockets[0], port: listener.port)
        driver.connect(1, fd: sockets[1], port: refused.port)
        let events = driver.events(count: 2)
        #expect(events.results(Self.connect, slot: 0) == [0])
        #expect(events.results(Self.connect, slot: 1) == [-ECONNREFUSED])
        // What was connected works.
        let far = try listener.accept()
        defer { close(far) }
        driver.receive(0, fd: sockets[0])
        driver.send(0, fd: sockets[0], Array("ping".utf8))
        #expect(unsafe Glibc.send(far, "pong", 4, 0) == 4)
        let exchanged = driver.events(count: 2)
        #expect(exchanged.results(Self.send) == [4])
        #expect(exchanged.bytes() == Array("pong".utf8))
    }

    // MARK: Sending

    @Test("sends what is larger than any socket buffer in pieces", arguments: DriverChoice.allCases)
    func largeSend(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        let bytes = pattern(8_000_000)
        var sent = 0
        var got: [UInt8] = []
        driver.send(0, fd: pair.near, bytes)
        driver.turns {
            for event in driver.reap().of(Self.send) where event.result > 0 {
                sent += Int(event.result)
                if sent < bytes.count { driver.send(0, fd: pair.near, Array(bytes[sent...])) }
            }
            got += pair.read()
            return got.count >= bytes.count && sent >= bytes.count
        }
        #expect(sent == bytes.count)
        let isSame = got == bytes
        #expect(isSame)
    }

    @Test("a send to a peer that is gone fails, and the receive ends", arguments: DriverChoice.allCases)
    func sendToClosed(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        driver.receive(0, fd: pair.near)
        #expect(driver.quietTurns().isEmpty)
        pair.resetFar()
        let ended = driver.events(count: 1)
        #expect(ended.results(Self.receive) == [-ECONNRESET])
        #expect(ended.first?.more == false)
        driver.send(0, fd: pair.near, [1])
        #expect(driver.events(count: 1).results(Self.send) == [-EPIPE])
    }

    @Test(
        "of a reset, whoever the kernel tells it, comes word before the plain end that others see",
        arguments: DriverChoice.allCases)
    func resetOrder(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        pair.resetFar()
        var arrival = pollfd(fd: pair.near, events: 0, revents: 0)
        try #require(unsafe Glibc.poll(&arrival, 1, 10_000) == 1)
        // Both start in one turn, on a socket that knows of the reset already: the kernel tells it once.
        driver.receive(0, fd: pair.near)
        driver.send(0, fd: pair.near, [1])
        let results = driver.events(count: 2).map(\.result)
        #expect(results.first == -ECONNRESET, "\(results)")
        #expect(results == [-ECONNRESET, -EPIPE] || results == [-ECONNRESET, 0], "\(results)")
    }

    @Test("completions that are never all handed out find room, however many there were")
    func backlog() throws {
        let driver = try Driver(.ring)
        let pair = try TCPPair()
        pair.write([1])
        // More than fit into the ring, each ready at once, and each begun again as soon as it is told.
        let slots: UInt32 = 3_000
        for slot in 0..<slots { driver.poll(slot, fd: pair.near, POLLIN) }
        var told = 0
        // As many as the queue of completions has places.
        while told < 1_200_000 {
            driver.wait(ms: 10_000)
            let events = driver.reap(max: 1_200)
            try #require(!events.isEmpty)
            for event in events { driver.poll(event.slot, fd: pair.near, POLLIN) }
            told += events.count
        }
    }

    // MARK: Receiving

    @Test("receives pieces of every size in order", arguments: DriverChoice.allCases)
    func pieces(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        driver.receive(0, fd: pair.near)
        var written: [UInt8] = []
        var got: [UInt8] = []
        for size in [1, 10, 4_096, 65_535, 65_536, 65_537, 131_072, 300_000, 1] {
            let piece = pattern(size)
            var left = piece[...]
            let target = written.count + size
            driver.turns {
                if !left.isEmpty { left = left.dropFirst(max(0, pair.write(Array(left)))) }
                got += driver.reap().bytes()
                return got.count >= target
            }
            written += piece
            #expect(got.count == target)
        }
        let isSame = got == written
        #expect(isSame)
        #expect(driver.buffersFree == 64)
    }

    @Test("a stream that ended before it was read is read to its end", arguments: DriverChoice.allCases)
    func endAtOnce(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        let bytes = [UInt8](repeating: 7, count: 100_000)
        #expect(pair.write(bytes) == bytes.count)
        pair.closeFar()
        driver.receive(0, fd: pair.near)
        let events = driver.events { $0.last?.result == 0 }
        let isSame = events.bytes() == bytes
        #expect(isSame && events.last?.more == false)
        #expect(driver.quietTurns().isEmpty)
    }

    @Test("after the peer's end it still sends", arguments: DriverChoice.allCases)
    func halfClose(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        driver.receive(0, fd: pair.near)
        pair.write(Array("bye".utf8))
        shutdown(pair.far, Int32(SHUT_WR))
        let events = driver.events { $0.last?.result == 0 }
        #expect(events.bytes() == Array("bye".utf8))
        driver.send(0, fd: pair.near, Array("still here".utf8))
        #expect(driver.events(count: 1).results(Self.send) == [10])
        #expect(waitUntil { pair.read() == Array("still here".utf8) })
    }

    /// A read stops at urgent data, so a short one does not mean that nothing is left.
    @Test("urgent data hides nothing that comes after it", arguments: DriverChoice.allCases)
    func urgentData(choice: DriverChoice) throws {
        let driver = try Driver(choice)
        let pair = try TCPPair()
        pair.write(Array("before".utf8))
        pair.write(Array("!".utf8), flags: Int32(MSG_OOB))
        pair.write(Array("after".utf8))
        driver.receive(0, fd: pair.near)
        let events = driver.events { $0.bytes().count >= 11 }
        #expect(events.bytes() == Array("beforeafter".utf8))
    }

    @Test(
        "without a free buffer it says so, and goes on once one came back", arguments: DriverChoice.allCases)
    func buffersExhausted(choice: DriverChoice) throws {
        let driver = try Driver(choice, buffers: 2)
        let pair = try TCPPair()
        driver.keepsBuffers = true
        driver.receive(0, fd: pair.near)
        let bytes = pattern(600_000)
        var left = bytes[...]
        var got: [UInt8] = []
        var shortages = 0
        driver.turns {
            if !left.isEmpty { left = left.dropFirst(max(0, pair.write(Array(left)))) }
            let events = driver.reap()
            got += events.bytes()
            if events.results(Self.receive).contains(-ENOBUFS) {
                shortages += 1
                #expect(driver.buffersFree == 0)
                #expect(driver.kept.count == 2)
                driver.giveBack()
                #expect(driver.buffersFree == 2)
                driver.receive(0, fd: pair.near)
            }
            return got.count >= bytes.count
        }
        let isSame = got == bytes
        #expect(isSame)
        #expect(shortages > 0)
    }

    @Test("a sender that never stops does not hold up the others", arguments: DriverChoice.allCases)
    func fairness(choice: DriverChoice) async throws {
        let fast = try TCPPair()
        let far = fast.far
        let near = fast.near
        let stops = PlainLock(false)
        async let writing: Void = onThread {
            let bytes = [UInt8](repeating: 1, count: 1 << 16)
            while !stops.withLock({ $0 }) {
                var space = pollfd(fd: far, events: Int16(POLLOUT), revents: 0)
                _ = unsafe Glibc.poll(&space, 1, 10)
                _ = unsafe Glibc.send(far, bytes, bytes.count, noSignal)
            }
        }
        try await onThread {
            defer { stops.withLock { $0 = true } }
            let driver = try Driver(choice)
            let slow = try TCPPair()
            driver.receive(0, fd: near)
            driver.receive(1, fd: slow.near)
            _ = driver.events { $0.bytes(slot: 0).count > 1 << 20 }
            for _ in 0..<20 {
                slow.write([2])
                // What the fast one is given before the slow one has its turn is bounded.
                let events = driver.events { !$0.bytes(slot: 1).isEmpty }
                #expect(events.of(Self.receive, slot: 1).count == 1)
                #expect(events.of(Self.receive, slot: 0).count <= 256)
            }
        }
        try await writing
        withExtendedLifetime(fast) {}
    }
}
