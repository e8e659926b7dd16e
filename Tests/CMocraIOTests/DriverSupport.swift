// What the tests of the drivers share: each driver and fallback as a value, a driver that is used as the loop
// uses it, and pairs of sockets. It must not know what is tested.
import CMocraIO
import CSystemCalls
import Glibc
import TestSupport
import Testing

/// A broken connection is an error, not a signal.
let noSignal = Int32(MSG_NOSIGNAL)

/// What is left unused: every driver and every fallback of io_uring.
enum DriverChoice: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case ring = ""
    case withoutMultishot = "multishot"
    case withoutBufferRing = "buffer_ring"
    case withoutDeferredTaskRun = "defer_taskrun"
    case epoll = "all"
    /// Nothing is left unused, but bytes are received to be read once.
    case transient = "transient"

    var disabled: String { self == .transient ? "" : rawValue }
    var receiveKind: mocra_receive_kind {
        self == .transient ? MOCRA_RECEIVE_TRANSIENT : MOCRA_RECEIVE_STEADY
    }

    var testDescription: String {
        switch self {
        case .ring: "io_uring"
        case .transient: "io_uring, bytes to be read once"
        default: "without \(rawValue)"
        }
    }
}

struct DriverEvent: Equatable {
    var operation: UInt32
    var slot: UInt32
    var generation: UInt32
    var result: Int32
    var more = false
    var bytes: [UInt8] = []
}

/// A driver, used from the thread that made it. Like the loop it arms a receive again that came to no end.
@safe final class Driver {
    let pointer: OpaquePointer
    /// Buffers are kept instead of given back.
    var keepsBuffers = false
    var kept: [UInt16] = []
    private(set) var wakes = 0
    private let receiveKind: mocra_receive_kind
    private var receiving: [UInt32: (generation: UInt32, fd: Int32)] = [:]
    private var memory: [UnsafeMutablePointer<UInt8>] = unsafe []

    init(_ choice: DriverChoice, buffers: UInt32 = 64) throws {
        receiveKind = choice.receiveKind
        var reason = [CChar](repeating: 0, count: 256)
        var made: OpaquePointer?
        let result = unsafe mocra_driver_create_without(
            choice.disabled, buffers, &made, &reason, reason.count)
        try #require(result == 0)
        unsafe pointer = try #require(unsafe made)
    }

    deinit {
        unsafe mocra_driver_destroy(pointer)
        while let block = unsafe memory.popLast() { unsafe block.deallocate() }
    }

    var kind: mocra_driver_kind { unsafe mocra_driver_used_kind(pointer) }
    var reason: String { unsafe String(cString: mocra_driver_reason(pointer)) }
    var features: mocra_driver_features { unsafe mocra_driver_used_features(pointer) }
    var buffersFree: UInt32 { unsafe mocra_driver_buffers_free(pointer) }

    private func owner(_ slot: UInt32, _ generation: UInt32) -> mocra_driver_owner {
        mocra_driver_owner(slot: slot, generation: generation)
    }

    func connect(_ slot: UInt32, _ generation: UInt32 = 0, fd: Int32, port: UInt16) {
        let block = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 8)
        let address = unsafe block.bindMemory(to: sockaddr_in.self, capacity: 1)
        unsafe address.initialize(to: sockaddr_in())
        unsafe address.pointee.sin_family = sa_family_t(AF_INET)
        unsafe address.pointee.sin_port = port.bigEndian
        unsafe address.pointee.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        unsafe memory.append(block.assumingMemoryBound(to: UInt8.self))
        unsafe mocra_driver_connect(
            pointer, owner(slot, generation), fd, block.assumingMemoryBound(to: sockaddr.self), 16)
    }

    func receive(_ slot: UInt32, _ generation: UInt32 = 0, fd: Int32) {
        receiving[slot] = (generation, fd)
        unsafe mocra_driver_receive(pointer, owner(slot, generation), fd, receiveKind)
    }

    func send(_ slot: UInt32, _ generation: UInt32 = 0, fd: Int32, _ bytes: [UInt8]) {
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        unsafe block.initialize(from: bytes, count: bytes.count)
        unsafe memory.append(block)
        unsafe mocra_driver_send(pointer, owner(slot, generation), fd, block, bytes.count)
    }

    func poll(_ slot: UInt32, _ generation: UInt32 = 0, fd: Int32, _ events: Int32) {
        unsafe mocra_driver_poll(pointer, owner(slot, generation), fd, Int16(events))
    }

    func cancel(_ slot: UInt32, _ operation: mocra_operation, generation: UInt32 = 0) {
        if operation == MOCRA_OPERATION_RECEIVE { receiving[slot] = nil }
        unsafe mocra_driver_cancel(pointer, owner(slot, generation), operation)
    }

    func wait(_ least: UInt32 = 1, ms: UInt64) {
        unsafe mocra_driver_wait(pointer, least, ms == .max ? .max : ms * 1_000_000)
    }

    func wake() { unsafe mocra_driver_wake(pointer) }

    func giveBack() {
        for buffer in kept { unsafe mocra_driver_return_buffer(pointer, buffer) }
        kept = []
    }

    /// What completed, without wake-ups and what only cancels.
    func reap(max: UInt32 = 256) -> [DriverEvent] {
        var events = [mocra_driver_event](repeating: mocra_driver_event(), count: Int(max))
        let count = unsafe mocra_driver_reap(pointer, &events, max)
        return events[..<Int(count)].compactMap(take)
    }

    private func take(_ event: mocra_driver_event) -> DriverEvent? {
        let operation = UInt32(event.operation)
        var taken = DriverEvent(
            operation: operation, slot: event.owner.slot, generation: event.owner.generation,
            result: event.result, more: event.more)
        if event.has_buffer {
            let start = unsafe mocra_driver_buffer(pointer, event.buffer)
            unsafe taken.bytes = Array(UnsafeBufferPointer(start: start, count: Int(event.result)))
            kept.append(event.buffer)
            if !keepsBuffers { giveBack() }
        }
        switch operation {
        case MOCRA_OPERATION_WAKE.rawValue:
            wakes += 1
            return nil
        case MOCRA_OPERATION_CANCEL.rawValue:
            return nil
        case MOCRA_OPERATION_RECEIVE.rawValue:
            let ended = event.result == 0 || (event.result < 0 && event.result != -EAGAIN)
            if !event.more, !ended, let armed = receiving[taken.slot], armed.generation == taken.generation {
                receive(taken.slot, taken.generation, fd: armed.fd)
                taken.more = true
            }
            return event.result == -EAGAIN ? nil : taken
        default:
            return taken
        }
    }

    /// Turns until `done` holds for what came so far, or the time is over; returns what came.
    func events(withinMs: Int = 20_000, until done: ([DriverEvent]) throws -> Bool) rethrows -> [DriverEvent]
    {
        var all: [DriverEvent] = []
        let end = monotonicNanoseconds() + UInt64(withinMs) * 1_000_000
        while try !done(all), monotonicNanoseconds() < end {
            wait(ms: 5)
            all += reap()
        }
        return all
    }

    /// Turns until `done` holds, or the time is over. `done` reaps by itself.
    func turns(withinMs: Int = 60_000, until done: () throws -> Bool) rethrows {
        let end = monotonicNanoseconds() + UInt64(withinMs) * 1_000_000
        while try !done(), monotonicNanoseconds() < end { wait(ms: 1) }
    }

    func events(count: Int) -> [DriverEvent] { events { $0.count >= count } }

    /// Some turns in which nothing is expected.
    func quietTurns() -> [DriverEvent] {
        var all: [DriverEvent] = []
        for _ in 0..<4 {
            wait(ms: 5)
            all += reap()
        }
        return all
    }
}

extension [DriverEvent] {
    func of(_ operation: mocra_operation, slot: UInt32 = 0) -> [DriverEvent] {
        filter { $0.operation == operation.rawValue && $0.slot == slot }
    }

    func results(_ operation: mocra_operation, slot: UInt32 = 0) -> [Int32] {
        of(operation, slot: slot).map(\.result)
    }

    func bytes(slot: UInt32 = 0) -> [UInt8] { of(MOCRA_OPERATION_RECEIVE, slot: slot).flatMap(\.bytes) }
}

/// Two connected TCP sockets on loopback, non-blocking, closed at the end.
final class TCPPair {
    private(set) var near: Int32
    private(set) var far: Int32

    init() throws {
        let listener = try Listener()
        near = Listener.socket()
        try #require(listener.connect(near))
        far = try listener.accept()
    }

    deinit {
        closeNear()
        closeFar()
    }

    func closeNear() {
        if near >= 0 { close(near) }
        near = -1
    }

    func closeFar() {
        if far >= 0 { close(far) }
        far = -1
    }

    /// Closes the far end with a reset.
    func resetFar() {
        var now = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(far, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        closeFar()
    }

    /// Writes at the far end; what the socket takes.
    @discardableResult
    func write(_ bytes: [UInt8], flags: Int32 = 0) -> Int {
        unsafe Glibc.send(far, bytes, bytes.count, flags | noSignal)
    }

    /// Reads at the far end what is there.
    func read() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = unsafe Glibc.recv(far, &bytes, bytes.count, 0)
        return Array(bytes[..<max(count, 0)])
    }
}

/// A listening socket on a free port of loopback.
final class Listener {
    let fd: Int32
    let port: UInt16

    init() throws {
        let fd = Self.socket()
        self.fd = fd
        var address = Self.address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(fd, $0, length) == 0 && listen(fd, 4096) == 0 && getsockname(fd, $0, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        try #require(result)
    }

    deinit { close(fd) }

    static func socket() -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        return Glibc.socket(AF_INET, type, 0)
    }

    private static func address(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    func connect(_ fd: Int32) -> Bool {
        var address = Self.address(port)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(fd, $0, 16) == 0 || errno == EINPROGRESS
            }
        }
    }

    func accept() throws -> Int32 {
        var accepted: Int32 = -1
        let isThere = waitUntil {
            accepted = mocra_accept(fd)
            return accepted >= 0
        }
        try #require(isThere)
        return accepted
    }
}

/// Bytes in which a lost, doubled or moved piece shows.
func pattern(_ count: Int) -> [UInt8] {
    let period = Array((0..<65_537).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += period.prefix(count - bytes.count) }
    return bytes
}
