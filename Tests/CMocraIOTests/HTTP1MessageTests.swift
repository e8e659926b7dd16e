// Whole messages, section by section of RFC 9112 (and RFC 9110 where it shows a response): head and body
// together, at every cut and byte by byte, before and behind a guard page. It must not know of connections.
import CMocraIO
import Testing

/// One message and what it must come to.
struct MessageCase: Sendable, CustomTestStringConvertible {
    /// What came of head and body.
    enum Outcome: Equatable, Sendable {
        /// Status, framing, the body, and whether the connection may be used again.
        case whole(Int, mocra_framing, String, keepAlive: Bool)
        /// The body goes on until the connection ends.
        case open(Int, String)
        case more
        case failed(String)
    }

    let section: String
    let text: String
    var method = "GET"
    /// What follows the message and must not be taken.
    var rest = ""
    let expected: Outcome

    var testDescription: String { "\(section): \(text.debugDescription.prefix(80))" }
}

@Suite("HTTP/1 messages of the RFCs")
struct HTTP1MessageTests {
    @Test("at every cut and byte by byte, between guard pages", arguments: MessageTables.all)
    func message(_ example: MessageCase) {
        let bytes = latin1(example.text)
        let all = bytes + latin1(example.rest)
        for placement in GuardedBytes.Placement.allCases {
            #expect(read(all, example, placement: placement) == example.expected)
            let singly = Array(repeating: 1, count: all.count)
            #expect(read(all, example, pieces: singly, placement: placement) == example.expected)
            for cut in 0..<bytes.count {
                let part = read(Array(bytes[..<cut]), example, placement: placement)
                #expect(isPartOf(part, example.expected), "the first \(cut) bytes: \(part)")
                let pieces = [cut, all.count - cut].filter { $0 > 0 }
                let split = read(all, example, pieces: pieces, placement: placement)
                #expect(split == example.expected, "split at \(cut)")
            }
        }
    }

    /// Whether the start of a message may come to this when the whole comes to that.
    private func isPartOf(_ part: MessageCase.Outcome, _ whole: MessageCase.Outcome) -> Bool {
        switch (part, whole) {
        case (.more, _): true
        case (.failed, .failed): part == whole
        case (.open(let status, let body), .open(let wholeStatus, let wholeBody)):
            status == wholeStatus && wholeBody.utf8.starts(with: body.utf8)
        default: false
        }
    }

    /// Passes interim responses over, as a client does, and reads the final one with its body.
    private func read(
        _ bytes: [UInt8], _ example: MessageCase, pieces: [Int]? = nil, placement: GuardedBytes.Placement
    ) -> MessageCase.Outcome {
        let pieces = pieces ?? [bytes.count]
        let parser = HeadParser()
        defer { #expect(parser.violations == []) }
        var start = 0
        while true {
            let isHead = example.method == "HEAD"
            let outcome = parser.drip(
                Array(bytes[start...]), pieces: later(pieces, than: start), headRequest: isHead, placement)
            guard case .head(let head) = outcome else {
                if case .failed(let name) = outcome { return .failed(name) }
                return .more
            }
            start += head.headBytes
            if head.status >= 200 { return body(head, bytes, start, pieces, placement) }
        }
    }

    private func body(
        _ head: ParsedHead, _ bytes: [UInt8], _ start: Int, _ pieces: [Int],
        _ placement: GuardedBytes.Placement
    ) -> MessageCase.Outcome {
        let framing: BodyFraming =
            switch head.framing {
            case MOCRA_FRAMING_LENGTH: .length(head.contentLength)
            case MOCRA_FRAMING_CHUNKED: .chunked
            case MOCRA_FRAMING_CLOSE: .close
            default: .none
            }
        let left = Array(bytes[start...])
        let outcome = BodyReader().read(left, framing, pieces: later(pieces, than: start), placement)
        #expect(outcome.violations == [])
        let text = String(String.UnicodeScalarView(outcome.payload.map { Unicode.Scalar($0) }))
        switch outcome.status {
        case "OK": return .whole(head.status, head.framing, text, keepAlive: head.keepAlive)
        case "MORE": return head.framing == MOCRA_FRAMING_CLOSE ? .open(head.status, text) : .more
        default: return .failed(outcome.status)
        }
    }

    /// The pieces without their first `count` bytes.
    private func later(_ pieces: [Int], than count: Int) -> [Int] {
        var skip = count
        return pieces.compactMap { piece in
            let dropped = min(piece, skip)
            skip -= dropped
            return piece > dropped ? piece - dropped : nil
        }
    }
}

/// The messages.
enum MessageTables {
    static let all = examples + lengths + folds + spaces + versions + chunks + codings

    private static func ok(_ section: String, _ text: String, _ body: String, rest: String = "")
        -> MessageCase
    {
        let isChunked = text.lowercased().contains("transfer-encoding")
        let framing =
            isChunked ? MOCRA_FRAMING_CHUNKED : body.isEmpty ? MOCRA_FRAMING_NONE : MOCRA_FRAMING_LENGTH
        return MessageCase(
            section: section, text: text, rest: rest,
            expected: .whole(200, framing, body, keepAlive: true))
    }

    private static func bad(_ section: String, _ error: String, _ text: String) -> MessageCase {
        MessageCase(section: section, text: text, expected: .failed(error))
    }

    private static let next = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    private static let examples: [MessageCase] = [
        ok(
            "RFC 9110 §3.9",
            "HTTP/1.1 200 OK\r\nDate: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\n"
                + "Last-Modified: Wed, 22 Jul 2009 19:15:56 GMT\r\nETag: \"34aa387-d-1568eb00\"\r\n"
                + "Accept-Ranges: bytes\r\nContent-Length: 51\r\nVary: Accept-Encoding\r\n"
                + "Content-Type: text/plain\r\n\r\nHello World! My content includes a trailing CRLF.\r\n",
            "Hello World! My content includes a trailing CRLF.\r\n", rest: next),
        ok(
            "RFC 9110 §10.1.1, 100 before the answer",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ok(
            "RFC 9110 §15.2, interim responses with fields",
            "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 102 \r\n\r\n"
                + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        MessageCase(
            section: "RFC 9110 §15.3.7, a part",
            text: "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 21010-21014/47022\r\n"
                + "Content-Length: 5\r\nContent-Type: image/gif\r\n\r\nGIF\0a", rest: next,
            expected: .whole(206, MOCRA_FRAMING_LENGTH, "GIF\0a", keepAlive: true)),
        MessageCase(
            section: "RFC 9110 §15.5.17, no such range",
            text: "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */47022\r\n"
                + "Content-Length: 0\r\n\r\n", rest: next,
            expected: .whole(416, MOCRA_FRAMING_NONE, "", keepAlive: true)),
        MessageCase(
            section: "RFC 9110 §11.6.1, a challenge",
            text:
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"simple\", Newauth realm=\"a\","
                + " type=1, title=\"Login to \\\"apps\\\"\"\r\nContent-Length: 1\r\n\r\nn",
            expected: .whole(401, MOCRA_FRAMING_LENGTH, "n", keepAlive: true)),
        MessageCase(
            section: "§6.3 rule 1, HEAD", text: "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
            method: "HEAD", rest: next, expected: .whole(200, MOCRA_FRAMING_NONE, "", keepAlive: true)),
        MessageCase(
            section: "§6.3 rule 1, HEAD in chunks",
            text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", method: "HEAD", rest: next,
            expected: .whole(200, MOCRA_FRAMING_NONE, "", keepAlive: true)),
        MessageCase(
            section: "§6.3 rule 1, 204", text: "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", rest: next,
            expected: .whole(204, MOCRA_FRAMING_NONE, "", keepAlive: true)),
        MessageCase(
            section: "§6.3 rule 1, 304",
            text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: W/\"1\"\r\n\r\n", rest: next,
            expected: .whole(304, MOCRA_FRAMING_NONE, "", keepAlive: true)),
        MessageCase(
            section: "RFC 9110 §15.3.6, 205 is framed as any", text: "HTTP/1.1 205 Reset Content\r\n\r\n",
            expected: .open(205, "")),
        MessageCase(
            section: "§6.3 rule 8, until the end",
            text: "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nany\r\n\r\nbytes",
            expected: .open(200, "any\r\n\r\nbytes")),
        MessageCase(
            section: "§9.6, close",
            text: "HTTP/1.1 200 OK\r\nConnection: te, CLOSE\r\nContent-Length: 2\r\n\r\nok",
            expected: .whole(200, MOCRA_FRAMING_LENGTH, "ok", keepAlive: false)),
        ok(
            "§9.3, Proxy-Connection says nothing",
            "HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 2\r\n\r\nok", "ok"),
    ]

    private static let lengths: [MessageCase] = [
        bad("§6.3 rule 3", "FRAMING_AMBIGUOUS", head("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n")),
        bad("§6.3 rule 3", "FRAMING_AMBIGUOUS", head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")),
        bad("§6.3 rule 4", "TRANSFER_ENCODING", head("Transfer-Encoding: chunked, identity\r\n")),
        bad("§6.1", "TRANSFER_ENCODING", head("Transfer-Encoding: gzip, chunked\r\n")),
        bad("§6.1", "TRANSFER_ENCODING", head("Transfer-Encoding: chunked, chunked\r\n")),
        bad("§6.1", "TRANSFER_ENCODING", head("Transfer-Encoding: xchunked\r\n")),
        bad("§6.1", "TRANSFER_ENCODING", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        bad("§6.3 rule 5", "FRAMING_AMBIGUOUS", head("Content-Length: 3\r\nContent-Length: 4\r\n")),
        bad("§6.3 rule 5", "FRAMING_AMBIGUOUS", head("Content-Length: 3, 4\r\n")),
        bad("§6.3 rule 5", "FRAMING_AMBIGUOUS", head("Content-Length: +3\r\n")),
        bad("§6.3 rule 5", "FRAMING_AMBIGUOUS", head("Content-Length: 0x3\r\n")),
        bad("§6.3 rule 5", "FRAMING_AMBIGUOUS", head("Content-Length: 18446744073709551619\r\n")),
        ok("RFC 9110 §8.6", head("Content-Length: 3, 3\r\n") + "abc", "abc", rest: next),
        ok("RFC 9110 §8.6", head("Content-Length: 3\r\nContent-Length: 3\r\n") + "abc", "abc", rest: next),
    ]

    private static let folds: [MessageCase] = [
        ok("§5.2, a fold", head("A: b\r\n c\r\nContent-Length: 2\r\n") + "ok", "ok"),
        ok(
            "§5.2, a fold hides no framing",
            head("A: b\r\n Content-Length: 9\r\nContent-Length: 2\r\n") + "ok", "ok"),
        bad("§5.2, of a length", "HEADER_SYNTAX", head("Content-Length:\r\n 2\r\n")),
        bad("§5.2, of a transfer coding", "HEADER_SYNTAX", head("Transfer-Encoding: chunked\r\n ,\r\n")),
        bad("§2.2, white space before the first field", "HEADER_SYNTAX", head(" A: b\r\n")),
        ok("§2.2, LF alone", "HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nok", "ok"),
        bad("§2.2, CR alone", "HEADER_SYNTAX", head("A: b\rContent-Length: 2\r\n")),
        bad("§2.2, CR alone in the status line", "NOT_HTTP", "HTTP/1.1 200 O\rK\r\n\r\n"),
    ]

    private static let spaces: [MessageCase] = [
        ok("§5.1, before the colon", head("Server : x\r\nA\t : b\r\nContent-Length: 2\r\n") + "ok", "ok"),
        bad("§5.1, before the colon of a length", "HEADER_SYNTAX", head("Content-Length : 2\r\n")),
        bad("§5.1, before that of a coding", "HEADER_SYNTAX", head("Transfer-Encoding\t: chunked\r\n")),
        bad("§5.1, before that of Connection", "HEADER_SYNTAX", head("Connection : close\r\n")),
        bad("§5.1, in a name", "HEADER_SYNTAX", head("Content Length: 2\r\n")),
        bad("§5.1, no name", "HEADER_SYNTAX", head(": 2\r\n")),
        ok("§5.1, around a value", head("A:\t \r\nContent-Length: \t2 \t\r\n") + "ok", "ok"),
        bad("RFC 9110 §5.5, NUL", "HEADER_SYNTAX", head("A: b\0c\r\n")),
        bad("RFC 9110 §5.5, NUL in a name", "HEADER_SYNTAX", head("A\0: b\r\n")),
        ok("RFC 9110 §5.5, obs-text", head("A: \u{80}\u{ff}\r\nContent-Length: 2\r\n") + "ok", "ok"),
    ]

    private static let versions: [MessageCase] = [
        ok("RFC 9110 §2.5, a later minor version", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        bad("§2.3, another major version", "NOT_HTTP", "HTTP/2.0 200 OK\r\n\r\n"),
        bad("§2.3, case matters", "NOT_HTTP", "Http/1.1 200 OK\r\n\r\n"),
        bad("HTTP/0.9", "NOT_HTTP", "<html>old</html>"),
        bad("RFC 9113 §3.4, the other side's preface", "NOT_HTTP", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        bad("RFC 9113 §6.5, SETTINGS", "NOT_HTTP", "\0\0\0\u{4}\0\0\0\0\0"),
        ok("§4, no reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", "ok"),
        ok("§4, no reason and no space", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok"),
        bad("§4, two spaces", "NOT_HTTP", "HTTP/1.1  200 OK\r\n\r\n"),
        bad("§4, four digits", "NOT_HTTP", "HTTP/1.1 2000 OK\r\n\r\n"),
        ok("§2.2, an empty line before", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        bad("§2.2, three of them", "NOT_HTTP", "\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
        MessageCase(
            section: "§9.3, HTTP/1.0 closes", text: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            expected: .whole(200, MOCRA_FRAMING_LENGTH, "ok", keepAlive: false)),
        MessageCase(
            section: "§9.3, HTTP/1.0 that does not",
            text: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok",
            expected: .whole(200, MOCRA_FRAMING_LENGTH, "ok", keepAlive: true)),
    ]

    private static let chunks: [MessageCase] = [
        ok(
            "§7.1", chunked("4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n"),
            "Wikipedia in \r\nchunks.", rest: next),
        ok(
            "§7.1.1, extensions", chunked("5;a=1 ; b=\"x;\\\"y\"\r\nhello\r\n0;end\r\n\r\n"), "hello",
            rest: next),
        ok(
            "§7.1.2, trailers are dropped",
            chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\nExpires: never\r\n\r\n"), "hello", rest: next),
        ok("§7.1, leading zeros", chunked("0005\r\nhello\r\n00\r\n\r\n"), "hello", rest: next),
        bad("§7.1, too many zeros", "CHUNK_SYNTAX", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n")),
        bad(
            "§7.1, beyond 64 bits", "CHUNK_SYNTAX", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n")),
        bad("§7.1, no size", "CHUNK_SYNTAX", chunked("\r\nhello\r\n0\r\n\r\n")),
        bad("§7.1, no line end after the data", "CHUNK_SYNTAX", chunked("5\r\nhello0\r\n\r\n")),
        bad("§7.1, LF alone after a size", "CHUNK_SYNTAX", chunked("5\nhello\r\n0\r\n\r\n")),
        bad("§7.1, LF alone after the data", "CHUNK_SYNTAX", chunked("5\r\nhello\n0\r\n\r\n")),
        bad("§7.1, a sign", "CHUNK_SYNTAX", chunked("-5\r\nhello\r\n0\r\n\r\n")),
        MessageCase(
            section: "§7.1, no last chunk", text: chunked("5\r\nhello\r\n"), expected: .more),
    ]

    private static let codings: [MessageCase] = [
        ok("§6.1, names ignore case", head("TRANSFER-encoding: ChunkeD\r\n") + "1\r\nx\r\n0\r\n\r\n", "x"),
        bad("§6.1, unknown", "TRANSFER_ENCODING", head("Transfer-Encoding: identity\r\n")),
        bad(
            "§6.1, twice", "TRANSFER_ENCODING",
            head("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n")),
    ]

    private static func head(_ fields: String) -> String { "HTTP/1.1 200 OK\r\n\(fields)\r\n" }
    private static func chunked(_ body: String) -> String { head("Transfer-Encoding: chunked\r\n") + body }
}
