// What a scripted origin does on a connection: bytes, pauses and rude endings, and ready-made answers.
// It must not know sockets.

/// One thing an origin does.
public enum ScriptStep: Sendable {
    /// Sends bytes, as fast as the peer takes them.
    case send([UInt8])
    /// Sends the same bytes again and again until this many were sent or the peer is gone.
    case sendRepeatedly([UInt8], bytesMax: Int)
    /// Does nothing for a while.
    case pause(ms: Int)
    /// Does nothing until this many requests have come to the origin.
    case awaitRequests(Int)
    /// Does nothing until the peer closes the connection.
    case hold
    /// Does nothing until some byte of the peer's is there, and leaves it there.
    case awaitBytes
    /// Reads nothing from now on, so that the peer's bytes fill the kernel's buffers.
    case stopReading
    /// Reads again.
    case startReading
    /// Sends the end of the stream, and goes on reading.
    case shutdownWrite
    /// Closes the connection in good order.
    case close
    /// Breaks the connection off: the peer sees a reset.
    case reset

    /// Sends a text.
    public static func text(_ text: String) -> ScriptStep { .send(Array(text.utf8)) }
}

/// The steps of one answer. When they are through and the connection is open, the next request is read from
/// it.
public struct Script: Sendable, ExpressibleByArrayLiteral {
    /// What is done, in order.
    public var steps: [ScriptStep]

    /// A script of these steps.
    public init(_ steps: [ScriptStep]) { self.steps = steps }
    /// A script of these steps.
    public init(arrayLiteral elements: ScriptStep...) { steps = elements }

    /// One script after another.
    public static func + (first: Script, second: Script) -> Script { Script(first.steps + second.steps) }

    /// A whole response with `Content-Length`.
    public static func response(
        _ status: Int = 200, headers: [(String, String)] = [], body: [UInt8] = []
    ) -> Script {
        [.send(head(status, headers + [("Content-Length", "\(body.count)")]) + body)]
    }

    /// A page with `Content-Length`.
    public static func html(_ text: String, status: Int = 200, headers: [(String, String)] = []) -> Script {
        let type = ("Content-Type", "text/html; charset=utf-8")
        return response(status, headers: [type] + headers, body: Array(text.utf8))
    }

    /// A response in chunks (RFC 9112, section 7.1).
    public static func chunked(
        _ chunks: [String], headers: [(String, String)] = [("Content-Type", "text/html")], pauseMs: Int = 0
    ) -> Script {
        var steps: [ScriptStep] = [.send(head(200, headers + [("Transfer-Encoding", "chunked")]))]
        for chunk in chunks {
            if pauseMs > 0 { steps.append(.pause(ms: pauseMs)) }
            steps.append(.text(String(chunk.utf8.count, radix: 16) + "\r\n" + chunk + "\r\n"))
        }
        steps.append(.text("0\r\n\r\n"))
        return Script(steps)
    }

    /// A response whose body ends with the connection.
    public static func closeDelimited(
        _ body: String, headers: [(String, String)] = [("Content-Type", "text/html")]
    ) -> Script {
        [.send(head(200, headers + [("Connection", "close")]) + Array(body.utf8)), .close]
    }

    /// A response whose connection ends before the promised body does.
    public static func truncated(_ body: String, promised: Int) -> Script {
        [
            .send(head(200, [("Content-Type", "text/html"), ("Content-Length", "\(promised)")])),
            .text(body), .close,
        ]
    }

    /// A head that goes on and on, up to a bound.
    public static func endlessHeaders(bytesMax: Int = 64 << 20) -> Script {
        [
            .text("HTTP/1.1 200 OK\r\n"),
            .sendRepeatedly(
                Array("X-Filler: 0123456789012345678901234567890123456789\r\n".utf8), bytesMax: bytesMax),
            .close,
        ]
    }

    /// Bytes that are no HTTP.
    public static let garbage: Script = [
        .send([0, 1, 2, 0xff, 0xfe] + Array("SSH-2.0-what\r\n\r\n".utf8)), .close,
    ]

    /// Chunks whose second size is no number.
    public static let badChunk: Script = [
        .send(head(200, [("Transfer-Encoding", "chunked")])), .text("5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n"),
    ]

    /// A response that comes piece by piece, with a pause before each piece.
    public static func dripping(_ whole: [UInt8], pieceBytes: Int, pauseMs: Int) -> Script {
        var steps: [ScriptStep] = []
        var at = 0
        while at < whole.count {
            let end = min(at + pieceBytes, whole.count)
            steps += [.pause(ms: pauseMs), .send(Array(whole[at..<end]))]
            at = end
        }
        return Script(steps)
    }

    /// A redirect.
    public static func redirect(_ status: Int = 302, to location: String) -> Script {
        response(status, headers: [("Location", location)])
    }

    /// The head of a response, with the empty line.
    public static func head(_ status: Int, _ headers: [(String, String)]) -> [UInt8] {
        let fields = headers.map { "\($0.0): \($0.1)\r\n" }.joined()
        return Array("HTTP/1.1 \(status) \(reason(status))\r\n\(fields)\r\n".utf8)
    }

    private static func reason(_ status: Int) -> String {
        let known = [
            200: "OK", 204: "No Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
            404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error",
            503: "Service Unavailable",
        ]
        return known[status] ?? "Status"
    }
}

/// A request as it came to a scripted origin.
public struct RecordedRequest: Sendable {
    /// The connection's number in this origin, from 0.
    public var connection: Int
    /// The request's number on its connection, from 0.
    public var indexOnConnection: Int
    /// The request's number in this origin, from 0.
    public var index: Int
    /// The request line and the fields, with the empty line.
    public var head: String
    /// The body, when there was a `Content-Length`.
    public var body: [UInt8]
    /// When the kernel received the request's first bytes, in nanoseconds since 1970: on loopback the moment
    /// at which the client sent them, however late the server's thread gets to read them.
    public var arrivedAtNanoseconds: UInt64

    /// The method.
    public var method: String { part(0) }
    /// The request target: path and query.
    public var target: String { part(1) }

    /// The value of the first field of that name.
    public func header(_ name: String) -> String? {
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            if line[..<colon].lowercased() == name.lowercased() {
                return line[line.index(after: colon)...].drop { $0 == " " }.description
            }
        }
        return nil
    }

    private var lines: [Substring] { head.split(separator: "\r\n") }

    private func part(_ index: Int) -> String {
        let parts = (lines.first ?? "").split(separator: " ")
        return index < parts.count ? String(parts[index]) : ""
    }
}
