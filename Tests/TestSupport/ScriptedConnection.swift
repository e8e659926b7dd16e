// One connection of a scripted origin: reads requests, performs a script's steps without blocking.
// It must not know other connections.
import Glibc

/// One accepted connection. Used only on its server's thread.
final class ScriptedConnection {
    enum Ending {
        case inOrder
        case reset
    }

    /// More input than this without a whole request closes the connection.
    private static let inputBytesMax = 64 << 20

    let descriptor: Int32
    let number: Int
    /// When a pause ends, in nanoseconds of CLOCK_MONOTONIC.
    private(set) var wakeAt: UInt64?
    private(set) var isClosed = false
    private(set) var wasAbandoned = false

    private var input: [UInt8] = []
    /// When the first bytes of `input` reached the kernel.
    private var arrivedAt: UInt64 = 0
    private var requestsRead = 0
    private var steps: ArraySlice<ScriptStep> = []
    private var sentOfStep = 0
    private var wantsToWrite = false
    private var peerHasEnded = false
    private var isDeaf = false
    private var awaitsBytes = false

    init(_ descriptor: Int32, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    var events: Int16 {
        (peerHasEnded || (isDeaf && !awaitsBytes) ? 0 : Int16(POLLIN)) | (wantsToWrite ? Int16(POLLOUT) : 0)
    }

    /// Begins a script; the one before must be through.
    func play(_ script: Script) {
        steps = script.steps[...]
        sentOfStep = 0
    }

    /// Takes what `poll` said: reads what is there, notices the peer's end.
    func noteReadiness(_ readiness: Int16) {
        if readiness & Int16(POLLIN) != 0, !isDeaf { readAll() }
        if !isClosed, readiness & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 { abandon() }
    }

    /// Performs what can be done now. `answer` gives the script for a whole request.
    func step(requestCount: Int, answer: (RecordedRequest) -> Script) {
        var requestCount = requestCount
        while !isClosed {
            guard let next = steps.first else {
                if let request = takeRequest() {
                    requestCount += 1
                    play(answer(request))
                    continue
                }
                if peerHasEnded { close(.inOrder) }
                return
            }
            guard perform(next, requestCount: requestCount) else { return }
            guard !isClosed else { return }
            steps = steps.dropFirst()
            sentOfStep = 0
        }
    }

    func close(_ ending: Ending) {
        guard !isClosed else { return }
        isClosed = true
        wakeAt = nil
        if ending == .reset {
            var value = linger(l_onoff: 1, l_linger: 0)
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_LINGER, &value, socklen_t(MemoryLayout<linger>.size))
        }
        Glibc.close(descriptor)
    }

    /// Whether the step is through; false means that it waits for time, the peer or the kernel.
    private func perform(_ step: ScriptStep, requestCount: Int) -> Bool {
        switch step {
        case .send(let bytes):
            return send(bytes, total: bytes.count)
        case .sendRepeatedly(let bytes, let bytesMax):
            return send(bytes, total: bytes.isEmpty ? 0 : bytesMax)
        case .pause(let milliseconds):
            let now = monotonicNanoseconds()
            guard let end = wakeAt else {
                wakeAt = now + UInt64(milliseconds) * 1_000_000
                return false
            }
            guard now >= end else { return false }
            wakeAt = nil
        case .awaitRequests(let count):
            if peerHasEnded { abandon() }
            return requestCount >= count
        case .hold:
            if peerHasEnded { abandon() }
            return false
        case .awaitBytes:
            var byte: UInt8 = 0
            awaitsBytes = unsafe recv(descriptor, &byte, 1, Int32(MSG_PEEK)) < 0
            return !awaitsBytes
        case .stopReading:
            isDeaf = true
        case .startReading:
            isDeaf = false
        case .shutdownWrite:
            shutdown(descriptor, Int32(SHUT_WR))
        case .close:
            close(.inOrder)
        case .reset:
            close(.reset)
        }
        return true
    }

    /// Sends up to `total` bytes by repeating `bytes`; whether all of them went out.
    private func send(_ bytes: [UInt8], total: Int) -> Bool {
        wantsToWrite = false
        while sentOfStep < total {
            let offset = sentOfStep % bytes.count
            let length = min(bytes.count - offset, total - sentOfStep)
            let sent = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(descriptor, buffer.baseAddress! + offset, length, Int32(MSG_NOSIGNAL))
            }
            if sent >= 0 {
                sentOfStep += sent
            } else if errno == EAGAIN {
                wantsToWrite = true
                return false
            } else if errno != EINTR {
                abandon()
                return false
            }
        }
        return true
    }

    private func abandon() {
        // The end of a connection that rests between two requests is nobody's fault.
        wasAbandoned = !steps.isEmpty
        close(.inOrder)
    }

    private func readAll() {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let (count, arrival) = receive(descriptor, &buffer)
            if count > 0 {
                if input.isEmpty { arrivedAt = arrival }
                input += buffer[..<count]
                if input.count > Self.inputBytesMax { return close(.reset) }
            } else if count == 0 {
                peerHasEnded = true
                return
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                return abandon()
            }
        }
    }

    /// The next whole request of the input, with its body.
    private func takeRequest() -> RecordedRequest? {
        guard let headEnd = headLength() else { return nil }
        var request = RecordedRequest(
            connection: number, indexOnConnection: requestsRead, index: 0,
            head: String(decoding: input[..<headEnd], as: UTF8.self), body: [],
            arrivedAtNanoseconds: arrivedAt)
        let bodyLength = request.header("content-length").flatMap { Int($0) } ?? 0
        guard bodyLength >= 0, input.count - headEnd >= bodyLength else { return nil }
        request.body = Array(input[headEnd..<headEnd + bodyLength])
        input.removeFirst(headEnd + bodyLength)
        requestsRead += 1
        return request
    }

    private func headLength() -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard input.count >= mark.count else { return nil }
        for start in 0...(input.count - mark.count) where input[start] == 13 {
            if input[start..<start + mark.count].elementsEqual(mark) { return start + mark.count }
        }
        return nil
    }
}
