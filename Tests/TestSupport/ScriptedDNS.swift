// A DNS server on loopback, over UDP and TCP, that answers exactly as a script says and records its
// questions.
internal import CSystemCalls
import Foundation
import Glibc

/// What a server does with one question.
public indirect enum DNSReply: Sendable {
    /// Those of the addresses that are of the type asked for; without any, an answer that has none.
    case addresses([String], ttl: UInt32 = 60)
    /// These records, whatever was asked.
    case records([DNSRecord])
    /// No such name, with the lifetime that a zone gives to that; nil: without.
    case noName(ttl: UInt32? = nil)
    /// A failure by its number: 2 for a server failure, 5 for a refusal.
    case code(UInt16)
    /// Nothing.
    case silence
    case after(milliseconds: Int, DNSReply)
    /// Over UDP only that there is more, over TCP the answer.
    case cut(DNSReply)
    /// With something wrong in it.
    case message(DNSMessage)
    case bytes([UInt8])
    /// One after the other.
    case several([DNSReply])
}

/// A server in this process, on a thread of its own.
///
/// Isolation: the answering closure runs on the server's thread and must not block.
public final class ScriptedDNS: Sendable {
    final class Record: Sendable {
        let questions = PlainLock<[DNSQuestion]>([])
        let isStopping = PlainLock(false)
    }

    /// The port on 127.0.0.1, the same for UDP and TCP.
    public let port: UInt16
    private let wakeWrite: Int32
    private let record = Record()
    private let finished = DispatchSemaphore(value: 0)

    public init(_ answer: @escaping @Sendable (DNSQuestion) -> DNSReply) throws {
        let (listener, datagrams, port) = try Self.bindBoth()
        self.port = port
        var pipeEnds: [Int32] = [0, 0]
        guard unsafe pipe(&pipeEnds) == 0 else { throw TestSupportError("no pipe: \(errorText(errno))") }
        for descriptor in pipeEnds { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        wakeWrite = pipeEnds[1]
        let loop = ScriptedDNSLoop(
            listener: listener, datagrams: datagrams, wake: pipeEnds[0], record: record, answer: answer)
        Thread.detachNewThread { [finished] in
            loop.serve()
            finished.signal()
        }
    }

    deinit { stop() }

    /// As the settings of a resolver want it.
    public var address: String { "127.0.0.1:\(port)" }

    /// Every question so far.
    public var questions: [DNSQuestion] { record.questions.withLock { $0 } }

    /// How often a name was asked for, by any type and transport.
    public func count(_ name: String) -> Int { questions.count { $0.name == name } }

    /// Closes every socket and joins the thread. A second call does nothing.
    public func stop() {
        let isFirst = record.isStopping.withLock { stopping in
            defer { stopping = true }
            return !stopping
        }
        guard isFirst else { return }
        var byte: UInt8 = 1
        _ = unsafe write(wakeWrite, &byte, 1)
        finished.wait()
        close(wakeWrite)
    }

    private static func bindBoth() throws -> (listener: Int32, datagrams: Int32, port: UInt16) {
        for _ in 0..<100 {
            let port = try FreePort.next()
            let listener = try newSocket()
            let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            let datagrams = socket(AF_INET, type | Int32(SOCK_NONBLOCK.rawValue), 0)
            var room: Int32 = 4 << 20
            // Thousands of questions may come before the thread runs; the kernel may grant less.
            unsafe setsockopt(
                datagrams, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
            if bindSocket(listener, address: "127.0.0.1", port: port), listen(listener, 512) == 0,
                bindSocket(datagrams, address: "127.0.0.1", port: port)
            {
                return (listener, datagrams, port)
            }
            close(listener)
            close(datagrams)
        }
        throw TestSupportError("no port on 127.0.0.1 is free for both UDP and TCP")
    }
}

/// The server's thread.
private final class ScriptedDNSLoop: @unchecked Sendable {  // Confined to its thread once `serve` runs.
    private enum Peer {
        case datagram(sockaddr_in)
        case stream(Int32)
    }

    private let listener: Int32
    private let datagrams: Int32
    private let wake: Int32
    private let record: ScriptedDNS.Record
    private let answer: @Sendable (DNSQuestion) -> DNSReply
    private var streams: [Int32: [UInt8]] = [:]
    private var later: [(at: UInt64, bytes: [UInt8], peer: Peer)] = []

    init(
        listener: Int32, datagrams: Int32, wake: Int32, record: ScriptedDNS.Record,
        answer: @escaping @Sendable (DNSQuestion) -> DNSReply
    ) {
        self.listener = listener
        self.datagrams = datagrams
        self.wake = wake
        self.record = record
        self.answer = answer
    }

    func serve() {
        while true {
            let open = Array(streams.keys)
            var descriptors = ([wake, datagrams, listener] + open).map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            _ = unsafe poll(&descriptors, nfds_t(descriptors.count), timeoutMs())
            if descriptors[0].revents != 0 { break }
            if descriptors[1].revents != 0 { receiveDatagrams() }
            if descriptors[2].revents != 0 { acceptAll() }
            for (stream, entry) in zip(open, descriptors.dropFirst(3)) where entry.revents != 0 {
                receiveStream(stream)
            }
            sendDue()
        }
        for descriptor in [listener, datagrams, wake] + Array(streams.keys) { close(descriptor) }
    }

    private func timeoutMs() -> Int32 {
        guard let next = later.map(\.at).min() else { return -1 }
        let now = monotonicNanoseconds()
        return next <= now ? 0 : Int32(clamping: (next - now + 999_999) / 1_000_000)
    }

    private func receiveDatagrams() {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe recvfrom(datagrams, &buffer, buffer.count, 0, $0, &length)
                }
            }
            guard count >= 0 else { return }
            take(Array(buffer[..<count]), from: .datagram(peer), port: UInt16(bigEndian: peer.sin_port))
        }
    }

    private func acceptAll() {
        while true {
            let stream = mocra_accept(listener)
            guard stream >= 0 else { return }
            streams[stream] = []
        }
    }

    private func receiveStream(_ stream: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(stream, &buffer, buffer.count, 0)
        guard count > 0 else {
            streams[stream] = nil
            close(stream)
            return
        }
        var input = (streams[stream] ?? []) + buffer[..<count]
        while input.count >= 2 {
            let size = Int(input[0]) << 8 | Int(input[1])
            guard input.count >= size + 2 else { break }
            take(Array(input[2..<(size + 2)]), from: .stream(stream), port: 0)
            input.removeFirst(size + 2)
        }
        streams[stream] = input
    }

    private func take(_ bytes: [UInt8], from peer: Peer, port: UInt16) {
        var isOverTCP = false
        if case .stream = peer { isOverTCP = true }
        guard let question = DNSQuestion(bytes, isOverTCP: isOverTCP, clientPort: port) else { return }
        record.questions.withLock { $0.append(question) }
        perform(answer(question), for: question, peer: peer, at: 0)
    }

    private func perform(_ reply: DNSReply, for question: DNSQuestion, peer: Peer, at time: UInt64) {
        var message = question.reply
        switch reply {
        case .addresses(let texts, let ttl):
            message.answers = texts.map { .address(question.name, $0, ttl: ttl) }
                .filter { $0.type == question.type }
        case .records(let records):
            message.answers = records
        case .noName(let ttl):
            message.code = 3
            if let ttl { message.authorities = [.authority("test", ttl: ttl, minimum: ttl)] }
        case .code(let code):
            message.code = code
        case .silence:
            return
        case .after(let milliseconds, let reply):
            let start = time == 0 ? monotonicNanoseconds() : time
            let end = start + UInt64(milliseconds) * 1_000_000
            return perform(reply, for: question, peer: peer, at: end)
        case .cut(let reply):
            if question.isOverTCP { return perform(reply, for: question, peer: peer, at: time) }
            message.isTruncated = true
        case .message(let other):
            message = other
        case .bytes(let bytes):
            return send(bytes, to: peer, at: time)
        case .several(let replies):
            for reply in replies { perform(reply, for: question, peer: peer, at: time) }
            return
        }
        send(message.encoded, to: peer, at: time)
    }

    private func send(_ bytes: [UInt8], to peer: Peer, at time: UInt64) {
        guard time <= monotonicNanoseconds() else {
            later.append((time, bytes, peer))
            return
        }
        switch peer {
        case .datagram(let address):
            var address = address
            _ = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe sendto(
                        datagrams, bytes, bytes.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .stream(let stream):
            guard streams[stream] != nil else { return }
            let framed = DNSMessage.bytes(UInt16(bytes.count)) + bytes
            _ = unsafe Glibc.send(stream, framed, framed.count, Int32(MSG_NOSIGNAL))
        }
    }

    private func sendDue() {
        let now = monotonicNanoseconds()
        let due = later.filter { $0.at <= now }.sorted { $0.at < $1.at }
        later.removeAll { $0.at <= now }
        for item in due { send(item.bytes, to: item.peer, at: 0) }
    }
}
