// A request as HTTP/1.1 bytes (RFC 9112 §3), written straight into the loop's memory.

/// Writes requests. Knows the fields that every request of a fetcher carries.
struct RequestWriter: Sendable {
    /// `User-Agent`, `Accept` and `Accept-Encoding`, ready to copy.
    private let usual: [UInt8]
    private let userAgent: String
    /// The whole line, or nothing.
    private let acceptEncoding: String

    /// An empty `acceptEncoding` is not sent.
    init(userAgent: String, acceptEncoding: String) throws(FetchError) {
        guard Self.isValue(userAgent) else {
            throw .configuration("the user agent contains control characters: \(userAgent.debugDescription)")
        }
        guard Self.isValue(acceptEncoding) else {
            throw .configuration(
                "the accepted encodings contain control characters: \(acceptEncoding.debugDescription)")
        }
        self.userAgent = userAgent
        self.acceptEncoding = acceptEncoding.isEmpty ? "" : "Accept-Encoding: \(acceptEncoding)\r\n"
        usual = Array("User-Agent: \(userAgent)\r\nAccept: */*\r\n\(self.acceptEncoding)".utf8)
    }

    /// The bytes of `request`, at most; what `write` needs.
    func capacity(for request: FetchRequest, through route: FetchRoute? = nil) -> Int {
        var size = request.method.utf8.count + request.url.requestTarget.utf8.count + usual.count + 64
        size += request.url.host.utf8.count + 16
        if request.expectsContinue { size += Self.expect.utf8.count }
        if let route, route.isForward {
            size += request.url.host.utf8.count + 64 + 2 * route.proxy.text.count
        }
        for field in request.headers { size += field.name.utf8.count + field.value.utf8.count + 4 }
        return size + request.body.count
    }

    private static let expect = "Expect: 100-continue\r\n"

    /// Writes `request` and returns how many bytes it took, and how many of them are its head.
    /// - Errors: `.config` when a field or the method could smuggle a second request.
    func write(
        _ request: FetchRequest, through route: FetchRoute? = nil,
        into memory: UnsafeMutableBufferPointer<UInt8>
    ) throws(FetchError) -> (count: Int, head: Int) {
        guard Self.isToken(request.method) else {
            throw .configuration("the method \(request.method.debugDescription) is not a token")
        }
        guard request.content == nil || request.body.isEmpty else {
            throw .configuration("a request has its content in `body` or in `content`, not in both")
        }
        guard request.content?.length ?? 0 >= 0 else {
            throw .configuration("the length of a request's content is not negative")
        }
        var output = unsafe Output(memory: memory)
        output.append(request.method)
        output.append(" ")
        let forward = route.flatMap { $0.isForward ? $0.proxy : nil }
        if forward != nil { writeOrigin(request.url, into: &output) }
        output.append(request.url.requestTarget)
        output.append(" HTTP/1.1\r\n")
        var given = Given()
        for field in request.headers {
            guard field.isValid else {
                // The value may be a secret.
                throw .configuration(
                    "the header \(field.name.debugDescription) is not valid: its name is no token, or its"
                        + " value has control characters")
            }
            guard given.note(field, bodyBytes: request.contentLength) else {
                throw .configuration(
                    "the header \(field.name) contradicts the framing with its value, or is not for an origin"
                )
            }
        }
        if !given.host {
            output.append("Host: ")
            output.append(request.url.host)
            if let port = request.url.port { output.append(":\(port)") }
            output.append("\r\n")
        }
        writeUsual(given, into: &output)
        if let forward { writeAuthorization(forward, into: &output) }
        for field in request.headers {
            output.append(field.name)
            output.append(": ")
            output.append(field.value)
            output.append("\r\n")
        }
        // A method that usually has content says so even when there is none (RFC 9110 §8.6).
        let expectsContent = request.method == "POST" || request.method == "PUT" || request.method == "PATCH"
        if let length = request.contentLength {
            if !given.contentLength, length > 0 || request.content != nil || expectsContent {
                output.append("Content-Length: \(length)\r\n")
            }
        } else {
            output.append("Transfer-Encoding: chunked\r\n")
        }
        if request.expectsContinue { output.append(Self.expect) }
        output.append("\r\n")
        let head = output.count
        output.append(request.body)
        return (output.count, head)
    }

    /// The front of an absolute form (RFC 9112 §3.2.2).
    private func writeOrigin(_ url: WebURL, into output: inout Output) {
        output.append("http://")
        output.append(url.host)
        if let port = url.port { output.append(":\(port)") }
    }

    private func writeAuthorization(_ proxy: FetchProxy, into output: inout Output) {
        guard let username = proxy.username else { return }
        output.append("Proxy-Authorization: Basic ")
        output.append(Self.base64(Array("\(username):\(proxy.password)".utf8)))
        output.append("\r\n")
    }

    /// RFC 4648 §4.
    static func base64(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = (0..<3).reduce(0) { $0 << 8 | ($1 < group.count ? Int(group[start + $1]) : 0) }
            for position in 0..<4 {
                let digit = digits[bits >> (18 - 6 * position) & 63]
                text.append(position <= group.count ? digit : UInt8(ascii: "="))
            }
        }
        return text
    }

    private func writeUsual(_ given: Given, into output: inout Output) {
        if !given.userAgent && !given.accept && !given.acceptEncoding {
            output.append(usual)
            return
        }
        if !given.userAgent { output.append("User-Agent: \(userAgent)\r\n") }
        if !given.accept { output.append("Accept: */*\r\n") }
        if !given.acceptEncoding { output.append(acceptEncoding) }
    }

    /// RFC 9110 §5.6.2.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    return true
                default:
                    return "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// RFC 9110 §5.5: no control characters but the tab.
    static func isValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }
}

extension FetchRequest {
    /// Of `body` or `content`; nil when that is not known.
    var contentLength: Int? {
        content.map(\.length) ?? body.count
    }
}

/// Which of the usual fields a request brings itself.
private struct Given {
    var host = false
    var userAgent = false
    var accept = false
    var acceptEncoding = false
    var contentLength = false

    /// False for a field that would make the request mean another one: a second Host or Content-Length, a
    /// wrong length, or a transfer coding, which is never applied (RFC 9112 §3.2, §6.3).
    mutating func note(_ field: HTTPField, bodyBytes: Int?) -> Bool {
        switch field.name.lowercased() {
        case "host":
            defer { host = true }
            return !host
        case "content-length":
            defer { contentLength = true }
            return !contentLength && bodyBytes.map { field.value == String($0) } ?? false
        case "transfer-encoding", "expect":
            return false
        case "proxy-authorization":
            // It would reach an origin; the proxy's URL says who we are.
            return false
        case "accept": accept = true
        case "user-agent": userAgent = true
        case "accept-encoding": acceptEncoding = true
        default: break
        }
        return true
    }
}

/// Appends to memory that is large enough; running over it is a programmer's error.
@safe private struct Output {
    let memory: UnsafeMutableBufferPointer<UInt8>
    var count = 0

    init(memory: UnsafeMutableBufferPointer<UInt8>) {
        unsafe self.memory = memory
    }

    mutating func append(_ text: some StringProtocol) {
        let copied: Void? = text.utf8.withContiguousStorageIfAvailable { bytes in
            unsafe copy(bytes)
        }
        if copied == nil { append(Array(text.utf8)) }
    }

    mutating func append(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBufferPointer { unsafe copy($0) }
    }

    private mutating func copy(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe precondition(bytes.count <= memory.count - count)
        guard let source = bytes.baseAddress, let target = unsafe memory.baseAddress else { return }
        unsafe (target + count).update(from: source, count: bytes.count)
        count += bytes.count
    }
}
