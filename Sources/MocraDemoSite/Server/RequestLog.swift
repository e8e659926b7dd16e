// Every request that the server answered, in memory up to a bound, and in a file when one was asked for.
// Times are handed in; it knows no clock and no HTTP.
import Glibc
import Synchronization

/// One request as the server saw it.
///
/// Units: `nanoseconds` since the server started, on the monotonic clock, when the last piece of its head
/// reached the kernel.
public struct DemoRequest: Sendable, Equatable {
    public var nanoseconds: UInt64
    public var method: String
    public var host: String
    public var port: Int
    /// With the query, as received.
    public var path: String
    /// 0 when the answer was no HTTP.
    public var status: Int
    /// Counted by URL, from 1; always 1 where the number of the try makes no difference.
    public var attempt: Int
    public var userAgent: String

    package init(
        nanoseconds: UInt64, method: String, host: String, port: Int, path: String, status: Int, attempt: Int,
        userAgent: String
    ) {
        self.nanoseconds = nanoseconds
        self.method = method
        self.host = host
        self.port = port
        self.path = path
        self.status = status
        self.attempt = attempt
        self.userAgent = userAgent
    }

    /// A JSON object in one line.
    func json() -> String {
        "{\"t_ns\":\(nanoseconds),\"method\":\(JSONText.quoted(method)),\"host\":\(JSONText.quoted(host)),"
            + "\"port\":\(port),\"path\":\(JSONText.quoted(path)),\"status\":\(status),"
            + "\"attempt\":\(attempt),"
            + "\"user_agent\":\(JSONText.quoted(userAgent))}"
    }
}

enum JSONText {
    /// RFC 8259 section 7. What came off the wire may hold any character, but Swift made it valid Unicode.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// Isolation: safe from every thread; one lock guards all of it.
package final class RequestLog: Sendable {
    package static let requestsMax = 1_000_000
    private static let fileBufferBytes = 32_768

    private struct State {
        var requests: [DemoRequest] = []
        var dropped = 0
        var fileBuffer: [UInt8] = []
        /// -1 without a file, and after the first failed write.
        var descriptor: CInt
        var fileError: String?
    }

    private let capacity: Int
    private let state: Mutex<State>

    package init(path: String?, capacity: Int = RequestLog.requestsMax) throws(DemoSiteError) {
        self.capacity = capacity
        var descriptor: CInt = -1
        if let path {
            descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else {
                throw .logFile(path: path, reason: LoopbackListener.errorText(errno))
            }
        }
        state = Mutex(State(descriptor: descriptor))
    }

    package func append(_ request: DemoRequest) {
        state.withLock { state in
            if state.requests.count < capacity {
                state.requests.append(request)
            } else {
                state.dropped += 1
            }
            guard state.descriptor >= 0 else { return }
            state.fileBuffer += (request.json() + "\n").utf8
            if state.fileBuffer.count >= Self.fileBufferBytes { Self.flush(&state) }
        }
    }

    /// What is kept, and how many requests came after the log was full.
    package func snapshot() -> (requests: [DemoRequest], dropped: Int) {
        state.withLock { ($0.requests, $0.dropped) }
    }

    func clear() {
        state.withLock {
            $0.requests = []
            $0.dropped = 0
        }
    }

    /// `{"dropped": 0, "requests": […]}`, and `log_file_error` when the file could not be written.
    package func json() -> [UInt8] {
        let (requests, dropped, fileError) = state.withLock { state in
            Self.flush(&state)
            return (state.requests, state.dropped, state.fileError)
        }
        var bytes = Array("{\"dropped\":\(dropped),".utf8)
        if let fileError { bytes += "\"log_file_error\":\(JSONText.quoted(fileError)),".utf8 }
        bytes += "\"requests\":[".utf8
        for (place, request) in requests.enumerated() {
            bytes += (place == 0 ? "\n" : ",\n").utf8
            bytes += request.json().utf8
        }
        bytes += "\n]}\n".utf8
        return bytes
    }

    /// Writes what is buffered and closes the file. Further requests are kept in memory only.
    package func close() {
        state.withLock { state in
            Self.flush(&state)
            guard state.descriptor >= 0 else { return }
            if Glibc.close(state.descriptor) != 0 { state.fileError = LoopbackListener.errorText(errno) }
            state.descriptor = -1
        }
    }

    /// The file is a help beside the log in memory: when its disk is full the site serves on and says so in
    /// the log.
    private static func flush(_ state: inout State) {
        guard state.descriptor >= 0, !state.fileBuffer.isEmpty else { return }
        var start = 0
        while start < state.fileBuffer.count {
            let written = unsafe state.fileBuffer[start...].withUnsafeBytes { buffer in
                unsafe write(state.descriptor, buffer.baseAddress, buffer.count)
            }
            if written < 0 && errno == EINTR { continue }
            if written <= 0 {
                state.fileError = LoopbackListener.errorText(errno)
                _ = Glibc.close(state.descriptor)
                state.descriptor = -1
                break
            }
            start += written
        }
        state.fileBuffer.removeAll(keepingCapacity: true)
    }
}
