// IPv4 sockets on loopback for the helpers of the tests, and ports that are free, refused or full.
// It must not know any protocol above TCP.
import Foundation
import Glibc

/// Ports on loopback for servers that must be told their port.
public enum FreePort {
    private static let given = PlainLock<Set<UInt16>>([])

    /// A port that was free a moment ago, and that this process has not handed out before.
    ///
    /// Source: below the range of `ip_local_port_range`. A port that `bind` chooses lies in that range, where
    /// an outgoing connection of a test beside this one can take it between the look and the use.
    public static func next(address: String = "127.0.0.1") throws -> UInt16 {
        for _ in 0..<1_000 {
            let port = UInt16.random(in: 10_240..<32_768)
            guard given.withLock({ $0.insert(port).inserted }) else { continue }
            let descriptor = try newSocket()
            defer { close(descriptor) }
            if bindSocket(descriptor, address: address, port: port) { return port }
        }
        throw TestSupportError("no free port on \(address) below 32768 in 1,000 tries")
    }
}

/// A port where every connection is refused, as long as this value lives: bound, so that nobody else gets it,
/// but not listening.
public final class RefusedPort: Sendable {
    /// The port on 127.0.0.1.
    public let port: UInt16
    private let descriptor: Int32

    /// Takes the port.
    public init() throws {
        descriptor = try newSocket()
        guard bindSocket(descriptor, address: "127.0.0.1", port: 0) else {
            close(descriptor)
            throw TestSupportError("could not bind a port on 127.0.0.1: \(errorText(errno))")
        }
        port = localPort(descriptor)
    }

    deinit { close(descriptor) }
}

/// A port where connection attempts hang: it listens, its queue is full, and nobody accepts.
///
/// Source: Linux drops a SYN when the accept queue is longer than the backlog, so `connect` waits.
public final class FullBacklogPort: Sendable {
    /// The port on 127.0.0.1.
    public let port: UInt16
    private let listener: Int32
    private let fillers: [Int32]

    /// Listens and fills the queue.
    public init() throws {
        listener = try newSocket()
        guard bindSocket(listener, address: "127.0.0.1", port: 0), listen(listener, 0) == 0 else {
            close(listener)
            throw TestSupportError("could not listen on 127.0.0.1: \(errorText(errno))")
        }
        port = localPort(listener)
        var fillers: [Int32] = []
        var isFull = false
        while !isFull, fillers.count < 64 {
            let descriptor = try newSocket()
            fillers.append(descriptor)
            _ = connectSocket(descriptor, address: "127.0.0.1", port: port)
            // On loopback a connection that is not there at once is not going to be.
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            isFull = unsafe poll(&waiting, 1, 50) == 0
        }
        self.fillers = fillers
        guard isFull else {
            throw TestSupportError(
                "the queue of port \(port) took \(fillers.count) connections and is not full")
        }
    }

    deinit {
        for descriptor in fillers { close(descriptor) }
        close(listener)
    }
}

/// A non-blocking stream socket that no child inherits.
func newSocket() throws -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_INET, type, 0)
    guard descriptor >= 0 else { throw TestSupportError("no socket: \(errorText(errno))") }
    return descriptor
}

func bindSocket(_ descriptor: Int32, address: String, port: UInt16) -> Bool {
    unsafe withAddress(address, port) { unsafe bind(descriptor, $0, $1) == 0 }
}

/// Whether the connection is there or on its way.
func connectSocket(_ descriptor: Int32, address: String, port: UInt16) -> Bool {
    unsafe withAddress(address, port) { unsafe connect(descriptor, $0, $1) == 0 || errno == EINPROGRESS }
}

func localPort(_ descriptor: Int32) -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe getsockname(descriptor, $0, &length)
        }
    }
    precondition(result == 0, "a bound socket has a name")
    return UInt16(bigEndian: address.sin_port)
}

/// SO_TIMESTAMPNS of socket(7) in its 64-bit form, and the control message of the same name.
private let timestampOption: Int32 = 35

/// Has the kernel stamp what arrives on a connection.
func stampArrivals(_ descriptor: Int32) {
    var on: Int32 = 1
    unsafe setsockopt(descriptor, SOL_SOCKET, timestampOption, &on, socklen_t(MemoryLayout<Int32>.size))
}

/// Receives what is there: how much, as `recv` says it, and when it arrived in nanoseconds since 1970 (0 if
/// unknown).
///
/// Source: recvmsg(2), cmsg(3). TCP reports the arrival of the last bytes that it hands over.
func receive(_ descriptor: Int32, _ buffer: inout [UInt8]) -> (count: Int, arrivedAtNanoseconds: UInt64) {
    // The head of a control message (length, level, type) and a timespec: 16 bytes each.
    var control = [UInt64](repeating: 0, count: 8)
    return unsafe buffer.withUnsafeMutableBytes { bytes in
        unsafe control.withUnsafeMutableBytes { control in
            var part = unsafe iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
            return unsafe withUnsafeMutablePointer(to: &part) { part in
                var message = unsafe msghdr()
                unsafe message.msg_iov = unsafe part
                unsafe message.msg_iovlen = 1
                unsafe message.msg_control = control.baseAddress
                unsafe message.msg_controllen = control.count
                let count = unsafe recvmsg(descriptor, &message, 0)
                let head = unsafe control.loadUnaligned(as: cmsghdr.self)
                guard count > 0, unsafe message.msg_controllen >= 32, head.cmsg_level == SOL_SOCKET,
                    head.cmsg_type == timestampOption
                else { return (count, 0) }
                let time = unsafe control.loadUnaligned(fromByteOffset: 16, as: timespec.self)
                return (count, UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
            }
        }
    }
}

/// Whether something listens on the port.
func answers(address: String, port: UInt16) throws -> Bool {
    let descriptor = try newSocket()
    defer { close(descriptor) }
    guard connectSocket(descriptor, address: address, port: port) else { return false }
    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    guard unsafe poll(&waiting, 1, 1_000) == 1 else { return false }
    return waiting.revents & Int16(POLLERR | POLLHUP) == 0
}

private func withAddress<Value>(
    _ text: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
) -> Value {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    let parsed = unsafe inet_pton(AF_INET, text, &address.sin_addr)
    precondition(parsed == 1, "\(text) is no IPv4 address")
    return unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
}
