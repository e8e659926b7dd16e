// What a loop holds at a moment, for operators and for tests that look for leaks.
internal import CMocraIO

/// What a loop's sockets are driven by.
public enum LoopDriver: String, Sendable, Equatable {
    case ioUring = "io_uring"
    /// Where io_uring is refused, as in most containers: slower by some tenths.
    case epoll
}

/// The state of one loop.
public struct LoopStatistics: Sendable, Equatable {
    /// Fetches begun whose response was not released.
    public var fetches = 0
    /// Open, opening or closing.
    public var connections = 0
    /// Of these, kept for another fetch.
    public var connectionsIdle = 0
    /// Receive buffers, 64 KiB each.
    public var buffersTotal = 0
    /// Receive and plaintext buffers that responses hold.
    public var buffersLeased = 0
    /// Bodies that were copied beyond kernel, TLS and decoder.
    public var bodyCopies = 0
    /// Of streamed bodies under way: bytes that arrived and were not given back by their readers.
    public var streamBytes = 0
    /// Receives that found no buffer and had to wait.
    public var bufferShortages = 0
    /// How the loop talks to the kernel.
    public var driver = LoopDriver.ioUring
    /// Why the driver is not io_uring, and what to do about it; nil when it is.
    public var driverReason: String?
    /// TLS handshakes with the server's certificate.
    public var tlsHandshakesFull = 0
    /// TLS handshakes that resumed the session of an earlier connection.
    public var tlsHandshakesResumed = 0
    /// Receives without TLS are armed once and complete often (Linux 6.0).
    public var usesMultishotReceive = false
    /// Completions are worked off when the loop asks for them (Linux 6.1).
    public var usesDeferredTaskRun = false

    public init() {}
}

extension RingLoop {
    /// The loop's state; nil once it was shut down.
    public func statistics() async -> LoopStatistics? {
        await withCheckedContinuation { continuation in
            queue.push(
                .closure { [self] in
                    continuation.resume(returning: readStatistics())
                })
        }
    }

    private func readStatistics() -> LoopStatistics? {
        // Late work runs elsewhere, when there is no loop any more.
        guard queue.isCurrent, let loop = unsafe state.loop else { return nil }
        var read = mocra_loop_statistics()
        unsafe mocra_loop_read_statistics(loop, &read)
        var statistics = LoopStatistics()
        statistics.fetches = Int(read.fetches)
        statistics.connections = Int(read.connections)
        statistics.connectionsIdle = Int(read.connections_idle)
        statistics.buffersTotal = Int(read.buffers_total)
        statistics.buffersLeased = Int(read.buffers_leased)
        statistics.bodyCopies = Int(read.body_copies)
        statistics.streamBytes = Int(read.stream_bytes)
        statistics.bufferShortages = Int(read.buffer_shortages)
        statistics.driver = read.io_uring ? .ioUring : .epoll
        if !read.io_uring, let reason = unsafe mocra_loop_driver_reason(loop) {
            statistics.driverReason = unsafe String(cString: reason)
        }
        statistics.tlsHandshakesFull = Int(read.tls_handshakes_full)
        statistics.tlsHandshakesResumed = Int(read.tls_handshakes_resumed)
        statistics.usesMultishotReceive = read.multishot_receive
        statistics.usesDeferredTaskRun = read.defer_taskrun
        return statistics
    }
}
