// When what a connection reads reached the kernel. The thread that reads may be late by some time, and a log
// that is to show the distances a crawler kept must not be. It knows no HTTP.
import Glibc
import NIOCore
import Synchronization

/// The receive buffers of one connection, and when the bytes of the last one had arrived.
///
/// NIO asks for the size of a buffer just before it reads into it; that is the moment to ask the kernel for
/// the arrival of the bytes that are first in the queue, since a plain read does not tell it.
///
/// Isolation: NIO calls it on the connection's event loop only, while the socket is open.
/// Source: socket(7) on SO_TIMESTAMPNS, recvmsg(2) on MSG_PEEK.
final class ArrivalClock: RecvByteBufferAllocator {
    private static let bufferBytes = 4_096
    /// SO_TIMESTAMPNS, and the control message of the same name. Its times are of the machine's word size.
    private static let option: CInt = 35
    /// A stamp that is older says that somebody set the clock.
    private static let ageMax: UInt64 = 3_600_000_000_000

    private let socket: NIOBSDSocket.Handle
    /// Nanoseconds of NIO's clock.
    private let last: Atomic<UInt64>

    init(_ socket: NIOBSDSocket.Handle) {
        self.socket = socket
        last = Atomic(NIODeadline.now().uptimeNanoseconds)
    }

    /// Has the kernel stamp what arrives on the connections of a listening socket, also before they are
    /// accepted.
    ///
    /// Where that fails, the log has the times at which requests were read.
    static func stampArrivals(_ listener: CInt) {
        var on: CInt = 1
        _ = unsafe setsockopt(listener, SOL_SOCKET, option, &on, socklen_t(MemoryLayout<CInt>.size))
    }

    /// When the first of the bytes that were read last had arrived.
    var arrivedAt: NIODeadline {
        .uptimeNanoseconds(last.load(ordering: .relaxed))
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: Self.bufferBytes)
    }

    func nextBufferSize() -> Int? {
        note()
        return Self.bufferBytes
    }

    func record(actualReadBytes: Int) -> Bool {
        false
    }

    private func note() {
        let now = NIODeadline.now().uptimeNanoseconds
        var wall = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &wall)
        guard let stamp = firstStamp() else { return last.store(now, ordering: .relaxed) }
        // Both clocks were read at the same moment, so what lies between stamp and now is the same on each.
        let age = Self.nanoseconds(wall).subtractingReportingOverflow(stamp)
        let isSound = !age.overflow && age.partialValue < min(Self.ageMax, now)
        last.store(isSound ? now - age.partialValue : now, ordering: .relaxed)
    }

    /// When the first byte that waits to be read had arrived, since 1970; nil if there is none or no stamp.
    private func firstStamp() -> UInt64? {
        var byte: UInt8 = 0
        // The head of a control message (length, level, type) and a timespec: 16 bytes each.
        var control = (cmsghdr(), timespec())
        return unsafe withUnsafeMutablePointer(to: &byte) { byte in
            var part = unsafe iovec(iov_base: byte, iov_len: 1)
            return unsafe withUnsafeMutablePointer(to: &part) { part in
                unsafe withUnsafeMutablePointer(to: &control) { control in
                    var message = unsafe msghdr()
                    unsafe message.msg_iov = unsafe part
                    unsafe message.msg_iovlen = 1
                    unsafe message.msg_control = UnsafeMutableRawPointer(control)
                    unsafe message.msg_controllen = MemoryLayout<(cmsghdr, timespec)>.size
                    let count = unsafe recvmsg(socket, &message, CInt(MSG_PEEK | MSG_DONTWAIT))
                    guard count > 0, unsafe message.msg_controllen >= MemoryLayout<cmsghdr>.size,
                        unsafe control.pointee.0.cmsg_level == SOL_SOCKET,
                        unsafe control.pointee.0.cmsg_type == Self.option
                    else { return nil }
                    return unsafe Self.nanoseconds(control.pointee.1)
                }
            }
        }
    }

    private static func nanoseconds(_ time: timespec) -> UInt64 {
        UInt64(max(0, time.tv_sec)) * 1_000_000_000 + UInt64(max(0, time.tv_nsec))
    }
}
