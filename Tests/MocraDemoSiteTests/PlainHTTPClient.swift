// A tiny blocking HTTP/1.1 client over POSIX sockets for these tests: one request a connection.
// It shares no code with the site, so that a mistake there is not repeated here.
import Glibc

struct ClientError: Error, CustomStringConvertible {
    var description: String
}

struct PlainResponse {
    var status = 0
    var head = ""
    /// After the framing is taken off; content codings stay.
    var body: [UInt8] = []
    /// When bytes came, in milliseconds since the request was sent, and how many in all at that time.
    var arrivals: [(ms: Int, bytes: Int)] = []

    func field(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == name.lowercased()
            else {
                continue
            }
            return String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return nil
    }
}

enum PlainHTTPClient {
    /// Sends one request with `Connection: close` unless told otherwise, and reads to the end of the
    /// connection.
    static func get(
        _ host: String, _ port: Int, _ target: String, method: String = "GET", fields: [String] = [],
        userAgent: String = "mocra/0 (test)"
    ) throws -> PlainResponse {
        let lines =
            [
                "\(method) \(target) HTTP/1.1", "Host: \(host):\(port)", "User-Agent: \(userAgent)",
                "Connection: close",
            ]
            + fields
        return try parse(exchange(host, port, Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)))
    }

    /// All bytes that come back for `bytes`, with their times.
    static func exchange(
        _ host: String, _ port: Int, _ bytes: [UInt8]
    ) throws -> (bytes: [UInt8], arrivals: [(ms: Int, bytes: Int)]) {
        let descriptor = try connect(host, port)
        defer { close(descriptor) }
        let started = ContinuousClock.now
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes { buffer in
                unsafe send(descriptor, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw ClientError(description: "send: errno \(errno)") }
            sent += count
        }
        var received: [UInt8] = []
        var arrivals: [(ms: Int, bytes: Int)] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
            }
            if count == 0 { return (received, arrivals) }
            // Work that the kernel does for a ring of this process interrupts a call that has a time limit.
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                throw ClientError(description: "recv: errno \(errno) after \(received.count) bytes")
            }
            received += buffer[..<count]
            let elapsed = ContinuousClock.now - started
            arrivals.append((Int(elapsed / .milliseconds(1)), received.count))
        }
    }

    private static func connect(_ host: String, _ port: Int) throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ClientError(description: "socket: errno \(errno)") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        let isReady =
            unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1
            && setsockopt(
                descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size)) == 0
        let isConnected =
            unsafe isReady
            && withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
        guard isConnected else {
            let code = errno
            close(descriptor)
            throw ClientError(description: "connect \(host):\(port): errno \(code)")
        }
        return descriptor
    }

    /// Listens on a free port of `host` and answers nothing.
    static func occupy(_ host: String) throws -> (descriptor: CInt, port: Int) {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.sin_family = sa_family_t(AF_INET)
        let isListening =
            unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1
            && withUnsafeMutablePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(descriptor, $0, length) == 0 && listen(descriptor, 1) == 0
                        && getsockname(descriptor, $0, &length) == 0
                }
            }
        guard isListening else { throw ClientError(description: "listen on \(host): errno \(errno)") }
        return (descriptor, Int(in_port_t(bigEndian: address.sin_port)))
    }

    static func release(_ descriptor: CInt) {
        close(descriptor)
    }

    static func parse(_ answer: (bytes: [UInt8], arrivals: [(ms: Int, bytes: Int)])) throws -> PlainResponse {
        let end = Array("\r\n\r\n".utf8)
        guard let headEnd = answer.bytes.indices.first(where: { answer.bytes[$0...].starts(with: end) })
        else {
            throw ClientError(description: "no head in \(answer.bytes.count) bytes")
        }
        var response = PlainResponse(
            head: String(decoding: answer.bytes[..<headEnd], as: UTF8.self), arrivals: answer.arrivals)
        let words = response.head.prefix { $0 != "\r\n" }.split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw ClientError(description: "bad status line")
        }
        response.status = status
        let rest = answer.bytes[(headEnd + 4)...]
        if response.field("transfer-encoding") == "chunked" {
            response.body = try unchunked(rest)
        } else if let text = response.field("content-length") {
            guard let length = Int(text), rest.count == length else {
                throw ClientError(description: "Content-Length \(text), but \(rest.count) bytes came")
            }
            response.body = Array(rest)
        } else {
            response.body = Array(rest)
        }
        return response
    }

    private static func unchunked(_ bytes: ArraySlice<UInt8>) throws -> [UInt8] {
        var body: [UInt8] = []
        var rest = bytes
        while let lineEnd = rest.firstIndex(of: 13) {
            let line = String(decoding: rest[rest.startIndex..<lineEnd], as: UTF8.self)
            guard let size = Int(line.prefix { $0 != ";" }, radix: 16), rest.endIndex - lineEnd >= size + 4
            else {
                throw ClientError(description: "bad chunk \(line)")
            }
            let start = lineEnd + 2
            if size == 0 {
                guard Array(rest[start...]) == [13, 10] else {
                    throw ClientError(description: "bytes after the end")
                }
                return body
            }
            body += rest[start..<start + size]
            rest = rest[(start + size + 2)...]
        }
        throw ClientError(description: "the last chunk is missing")
    }
}
