// An HTTP server on loopback that does exactly what a script says, however wrong, and records what it was
// asked. The life of the server and what tests see of it; ScriptedConnection.swift has one connection's
// steps.
internal import CSystemCalls
import Foundation
import Glibc

/// A server in this process, on a thread of its own, for answers that no proper server gives.
///
/// Isolation: the answering closures run on the server's thread and must not block.
public final class ScriptedOrigin: Sendable {
    /// Numbers about connections.
    public struct Counts: Sendable, Equatable {
        /// Connections accepted since the start.
        public var accepted = 0
        /// Connections open now.
        public var open = 0
        /// The most connections that were open at one time.
        public var openMax = 0
        /// Connections that the peer closed or broke off while a script was under way.
        public var abandoned = 0
    }

    /// What the server's thread writes and tests read.
    final class Record: Sendable {
        struct State: Sendable {
            var requests: [RecordedRequest] = []
            var counts = Counts()
            var isStopping = false
        }

        let state = PlainLock(State())
    }

    /// The port that is listened on.
    public let port: UInt16
    /// The address that is listened on.
    public let address: String

    private let listener: Int32
    private let wakeRead: Int32
    private let wakeWrite: Int32
    private let record = Record()
    private let finished = DispatchSemaphore(value: 0)

    /// Starts a server that answers each request with what `answer` returns.
    ///
    /// `onConnect` may return a script for a connection's start, before any request is read, by the
    /// connection's number from 0.
    public init(
        address: String = "127.0.0.1", port: UInt16 = 0,
        onConnect: @escaping @Sendable (Int) -> Script? = { _ in nil },
        answer: @escaping @Sendable (RecordedRequest) -> Script
    ) throws {
        self.address = address
        listener = try newSocket()
        guard bindSocket(listener, address: address, port: port), listen(listener, 4_096) == 0 else {
            close(listener)
            throw TestSupportError("could not listen on \(address): \(errorText(errno))")
        }
        // Connections take this over from the listener, so that their first bytes are stamped, too.
        stampArrivals(listener)
        self.port = localPort(listener)
        var pipeEnds: [Int32] = [0, 0]
        guard unsafe pipe(&pipeEnds) == 0 else { throw TestSupportError("no pipe: \(errorText(errno))") }
        for descriptor in pipeEnds { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        wakeRead = pipeEnds[0]
        wakeWrite = pipeEnds[1]
        let loop = ScriptedLoop(
            listener: listener, wake: wakeRead, record: record, onConnect: onConnect, answer: answer)
        // The thread holds the loop, not this object: so the last reference may go away and stop it.
        Thread.detachNewThread { [finished] in
            loop.serve()
            finished.signal()
        }
    }

    /// Starts a server that answers by path; other paths get 404.
    public convenience init(address: String = "127.0.0.1", _ scripts: [String: Script]) throws {
        try self.init(address: address) { request in
            scripts[request.target] ?? .html("no script for \(request.target)", status: 404)
        }
    }

    deinit { stop() }

    /// The URL of a path on this server.
    public func url(_ path: String = "/") -> String { "http://\(address):\(port)\(path)" }

    /// Every whole request so far.
    public var requests: [RecordedRequest] { record.state.withLock { $0.requests } }

    /// Numbers about connections.
    public var counts: Counts { record.state.withLock { $0.counts } }

    /// Closes every connection and joins the thread. A second call does nothing.
    public func stop() {
        let isFirst = record.state.withLock { state in
            defer { state.isStopping = true }
            return !state.isStopping
        }
        guard isFirst else { return }
        var byte: UInt8 = 1
        _ = unsafe write(wakeWrite, &byte, 1)
        finished.wait()
        for descriptor in [listener, wakeRead, wakeWrite] { close(descriptor) }
    }
}

/// The server's thread: accepts, polls, and steps the connections.
final class ScriptedLoop: @unchecked Sendable {  // Confined to the server's thread once `serve` runs.
    private let listener: Int32
    private let wake: Int32
    private let record: ScriptedOrigin.Record
    private let onConnect: @Sendable (Int) -> Script?
    private let answer: @Sendable (RecordedRequest) -> Script
    private var connections: [ScriptedConnection] = []
    private var acceptedCount = 0
    private var requestCount = 0

    init(
        listener: Int32, wake: Int32, record: ScriptedOrigin.Record,
        onConnect: @escaping @Sendable (Int) -> Script?,
        answer: @escaping @Sendable (RecordedRequest) -> Script
    ) {
        self.listener = listener
        self.wake = wake
        self.record = record
        self.onConnect = onConnect
        self.answer = answer
    }

    func serve() {
        while true {
            var descriptors = [
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
                pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
            ]
            for connection in connections {
                descriptors.append(pollfd(fd: connection.descriptor, events: connection.events, revents: 0))
            }
            _ = unsafe poll(&descriptors, nfds_t(descriptors.count), timeoutMs())
            if descriptors[0].revents != 0 { break }
            for (connection, entry) in zip(connections, descriptors.dropFirst(2)) {
                connection.noteReadiness(entry.revents)
            }
            if descriptors[1].revents != 0 { acceptAll() }
            stepAll()
        }
        for connection in connections { connection.close(.inOrder) }
    }

    private func timeoutMs() -> Int32 {
        guard let next = connections.compactMap(\.wakeAt).min() else { return -1 }
        let now = monotonicNanoseconds()
        return next <= now ? 0 : Int32(clamping: (next - now + 999_999) / 1_000_000)
    }

    private func acceptAll() {
        while true {
            let descriptor = mocra_accept(listener)
            guard descriptor >= 0 else { return }
            var on: Int32 = 1
            // Pieces must reach the peer as they are sent.
            unsafe setsockopt(
                descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
            let connection = ScriptedConnection(descriptor, number: acceptedCount)
            acceptedCount += 1
            connections.append(connection)
            record.state.withLock { state in
                state.counts.accepted += 1
                state.counts.open += 1
                state.counts.openMax = max(state.counts.openMax, state.counts.open)
            }
            if let script = onConnect(connection.number) { connection.play(script) }
        }
    }

    private func stepAll() {
        // A request on one connection can be what a script on another one waits for.
        var before = -1
        while before != requestCount {
            before = requestCount
            for connection in connections where !connection.isClosed {
                connection.step(requestCount: requestCount) { [self] request in
                    var request = request
                    request.index = requestCount
                    requestCount += 1
                    record.state.withLock { $0.requests.append(request) }
                    return answer(request)
                }
            }
        }
        let closed = connections.filter(\.isClosed)
        guard !closed.isEmpty else { return }
        connections.removeAll(where: \.isClosed)
        record.state.withLock { state in
            state.counts.open -= closed.count
            state.counts.abandoned += closed.count { $0.wasAbandoned }
        }
    }
}
