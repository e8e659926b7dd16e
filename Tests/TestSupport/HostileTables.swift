// The table of hostile and broken servers: time, endings, heads, framing, chunks, codings, other protocols.
// It must not know any client.

/// Every behaviour, by what is wrong.
public enum HostileTables {
    private static let head = "HTTP/1.1 200 OK\r\n"
    private static let chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
    private static let length9 = head + "Content-Length: 9\r\n\r\n"
    private static let ok = head + "Content-Length: 2\r\n\r\nok"
    private static let evil = head + "Content-Length: 4\r\n\r\nevil"
    private static let endless = 1 << 40

    /// All of them. Blocks the first time, while bodies are compressed.
    public static var all: [HostileBehaviour] {
        time + requests + resets + closes + heads + otherProtocols + framing + chunks + behind + interim
            + bodies
            + codings
            + secure
    }

    /// Slow servers, and servers that stop.
    public static let time: [HostileBehaviour] = [
        .taken(
            "drips, byte by byte", "ok", reused: true, .dripping(Array(ok.utf8), pieceBytes: 1, pauseMs: 2)),
        .taken(
            "drips in chunks", "abc", reused: true, .chunked(["a", "b", "c"], pauseMs: 30)),
        HostileBehaviour(
            name: "drips for ever", answer: dripEndlessly,
            outcome: .error(kind: "timeout_total", code: "TOTAL_TIMEOUT"), totalMs: 700),
        .stalls("stalls before the head", "timeout_first_byte", "FIRST_BYTE_TIMEOUT", []),
        .stalls("stalls in the status line", "timeout_idle", "IDLE_TIMEOUT", [.text("HTTP/1.1 2")]),
        .stalls("stalls in the headers", "timeout_idle", "IDLE_TIMEOUT", [.text(head + "Content-")]),
        .stalls("stalls before the body", "timeout_idle", "IDLE_TIMEOUT", [.text(length9)]),
        .stalls("stalls in the body", "timeout_idle", "IDLE_TIMEOUT", [.text(length9 + "hel")]),
        .stalls("stalls in a chunk size", "timeout_idle", "IDLE_TIMEOUT", [.text(chunked + "5")]),
        .stalls("stalls in a chunk", "timeout_idle", "IDLE_TIMEOUT", [.text(chunked + "5\r\nhel")]),
        .stalls("stalls in a trailer", "timeout_idle", "IDLE_TIMEOUT", [.text(chunked + "0\r\nA: ")]),
        .stalls(
            "stalls after an interim response", "timeout_idle", "IDLE_TIMEOUT",
            [.text("HTTP/1.1 100 Continue\r\n\r\n")]),
        .stalls("stalls in a body up to the end", "timeout_idle", "IDLE_TIMEOUT", [.text(head + "\r\nhel")]),
        .secure("stalls before its ServerHello", "timeout_connect", "TLS_TIMEOUT", isTimed: true, [.hold]),
        .secure(
            "stalls in its ServerHello", "timeout_connect", "TLS_TIMEOUT", isTimed: true,
            [.send([0x16, 3, 3, 0, 100, 2, 0]), .hold]),
    ]

    private static var dripEndlessly: Script {
        var steps: [ScriptStep] = [.text(head + "Content-Length: 1000\r\n\r\n")]
        for _ in 0..<1_000 { steps += [.pause(ms: 20), .text("x")] }
        return Script(steps)
    }

    /// Servers that do not read the request, which is larger than the kernel's buffers.
    public static let requests: [HostileBehaviour] = [
        large("answers before it has read the request", .body("ok", reused: false), [.text(ok)]),
        large("resets while the request comes", .error(kind: "reset", code: nil), [.pause(ms: 20), .reset]),
        large("closes while the request comes", .error(kind: "reset", code: nil), [.pause(ms: 20), .close]),
        large(
            "never reads the request", .error(kind: "timeout_first_byte", code: "FIRST_BYTE_TIMEOUT"),
            [.pause(ms: 3_000)], isTimed: true),
    ]

    private static func large(
        _ name: String, _ outcome: HostileBehaviour.Outcome, _ steps: Script, isTimed: Bool = false
    ) -> HostileBehaviour {
        let start = [.stopReading, .awaitBytes] + steps + [.pause(ms: 300), .startReading, .hold]
        return HostileBehaviour(
            name: name, method: "POST", requestBytes: 16 << 20, start: start, answer: [.close],
            outcome: outcome, isTimed: isTimed)
    }

    /// Connections that are broken off, in every phase.
    public static let resets: [HostileBehaviour] =
        [
            HostileBehaviour(
                name: "resets at once", start: [.reset], answer: [.reset],
                outcome: .errorOfKinds(["connect", "reset"])),
            .fails("resets after the request", "reset", "RESET", [.reset]),
            reset("in the status line", "HTTP/1.1 2"), reset("in the headers", head + "Content-"),
            reset("before the body", length9), reset("in the body", length9 + "hel"),
            reset("in a chunk size", chunked + "5"), reset("in a chunk", chunked + "5\r\nhel"),
            reset("before the last chunk", chunked + "5\r\nhello\r\n"),
            reset("in a trailer", chunked + "0\r\nA: b\r\n"),
            reset("in a body up to the end", head + "\r\nhel"),
        ]

    private static func reset(_ phase: String, _ text: String) -> HostileBehaviour {
        .fails("resets " + phase, "reset", "RESET", [.text(text), .pause(ms: 20), .reset])
    }

    /// Connections that end in good order, but too early.
    public static let closes: [HostileBehaviour] =
        [
            HostileBehaviour(
                name: "closes at once", start: [.close], answer: [.close],
                outcome: .errorOfKinds(["connect", "reset"])),
            .fails("closes after the request", "reset", "CLOSED_EARLY", [.close]),
            .fails("half-closes before the answer", "reset", "CLOSED_EARLY", [.shutdownWrite, .hold]),
            close("in the status line", "HTTP/1.1 2"), close("in the headers", head + "Content-"),
            close("in the body: the length was a lie", length9 + "hel"),
            close("in a chunk size", chunked + "5"), close("in a chunk", chunked + "5\r\nhel"),
            close("without the last chunk", chunked + "5\r\nhello\r\n"),
            close("in a trailer", chunked + "0\r\nA: b\r\n"),
            .taken("half-closes after the answer", "ok", reused: false, [.text(ok), .shutdownWrite, .hold]),
            .taken(
                "half-closes after a body up to the end", "hel", reused: false,
                [.text(head + "\r\nhel"), .shutdownWrite, .hold]),
            .taken("closes after the answer, unannounced", "ok", reused: false, [.text(ok), .close]),
        ]

    private static func close(_ phase: String, _ text: String) -> HostileBehaviour {
        .fails("closes " + phase, "reset", "BODY_SHORT", [.text(text), .close])
    }

    /// Heads that are too large, malformed, or just odd.
    public static let heads: [HostileBehaviour] = [
        .fails("endless headers", "protocol", "HEADER_TOO_LARGE", .endlessHeaders(bytesMax: endless)),
        .fails(
            "one header without end", "protocol", "HEADER_TOO_LARGE", flood(head + "X: ", "yyyyyyyy")),
        .fails("a name without end", "protocol", "HEADER_TOO_LARGE", flood(head, "NNNNNNNNNNNNNNNN")),
        .fails(
            "a fold without end", "protocol", "HEADER_TOO_LARGE", flood(head + "X:", "\r\n yyyyyyyyyyyyy")),
        .fails("a reason without end", "protocol", "HEADER_TOO_LARGE", flood("HTTP/1.1 200 ", "because ")),
        .fails("one header of 60 KiB and one of 8", "protocol", "HEADER_TOO_LARGE", twoLargeHeaders),
        .fails(
            "100,000 headers", "protocol", "HEADER_TOO_LARGE",
            [.text(head + (0..<100_000).map { "X-\($0): \($0)\r\n" }.joined() + "\r\n"), .hold]),
        .refused("129 headers", "HEADER_TOO_MANY", head + String(repeating: "A: b\r\n", count: 129) + "\r\n"),
        .refused("empty lines without end", "NOT_HTTP", String(repeating: "\r\n", count: 20_000)),
        .refused("NUL in a value", "HEADER_SYNTAX", head + "A: b\0c\r\n\r\n"),
        .refused("NUL in a name", "HEADER_SYNTAX", head + "A\0: b\r\n\r\n"),
        .refused("an escape in a value", "HEADER_SYNTAX", head + "A: \u{1b}[2J\r\n\r\n"),
        .refused("a control byte in the reason", "NOT_HTTP", "HTTP/1.1 200 O\u{1}K\r\n\r\n"),
        .refused("CR alone", "HEADER_SYNTAX", head + "A: b\rContent-Length: 2\r\n\r\nok"),
        .refused("no name", "HEADER_SYNTAX", head + ": b\r\n\r\n"),
        .refused("no colon", "HEADER_SYNTAX", head + "A\r\n\r\n"),
        .refused("white space before the first header", "HEADER_SYNTAX", head + " A: b\r\n\r\n"),
        .refused(
            "white space before a length's colon", "HEADER_SYNTAX", head + "Content-Length : 2\r\n\r\nok"),
        .refused("a folded length", "HEADER_SYNTAX", head + "Content-Length:\r\n 2\r\n\r\nok"),
        .taken(
            "white space before a colon, and folds", "ok", reused: true,
            [.text(head + "A : b\r\n c\r\nContent-Length: 2\r\n\r\nok")]),
        .taken("LF alone", "ok", reused: true, [.text("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")]),
        .taken("no reason", "ok", reused: true, [.text("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok")]),
    ]

    private static func flood(_ start: String, _ more: String) -> Script {
        [.text(start), .sendRepeatedly(Array(more.utf8), bytesMax: endless)]
    }

    private static let twoLargeHeaders: Script = [
        .text(head + "A: " + String(repeating: "a", count: 60 << 10) + "\r\nB: "),
        .text(String(repeating: "b", count: 8 << 10) + "\r\n\r\n"), .hold,
    ]

    /// Servers of other protocols.
    public static let otherProtocols: [HostileBehaviour] = [
        .refused("SSH", "NOT_HTTP", "SSH-2.0-OpenSSH_9.2p1\r\n"),
        .refused("SMTP", "NOT_HTTP", "220 mail.example ESMTP\r\n"),
        .refused("HTTP/0.9", "NOT_HTTP", "<html>old</html>"),
        .refused("HTTP/2 SETTINGS", "NOT_HTTP", "\0\0\0\u{4}\0\0\0\0\0"),
        .refused("HTTP/2 in words", "NOT_HTTP", "HTTP/2 200 OK\r\n\r\n"),
        .refused("SHOUTcast", "NOT_HTTP", "ICY 200 OK\r\n\r\n"),
        .refused("a status of two digits", "NOT_HTTP", "HTTP/1.1 99 Low\r\n\r\n"),
        .refused("two spaces in the status line", "NOT_HTTP", "HTTP/1.1  200 OK\r\n\r\n"),
        .fails("a TLS alert", "protocol", "NOT_HTTP", [.send([0x15, 3, 1, 0, 2, 2, 40]), .close]),
        .fails("binary", "protocol", "NOT_HTTP", [.send([0, 0xff, 0xfe, 0x80, 13, 10, 13, 10]), .hold]),
    ]

    /// Bodies whose end is a matter of opinion.
    public static let framing: [HostileBehaviour] = [
        .refused("length and chunks", "FRAMING_AMBIGUOUS", both),
        .refused("two lengths", "FRAMING_AMBIGUOUS", two),
        .refused("a list of lengths", "FRAMING_AMBIGUOUS", head + "Content-Length: 2, 3\r\n\r\nok!"),
        .refused("a negative length", "FRAMING_AMBIGUOUS", head + "Content-Length: -2\r\n\r\nok"),
        .refused("a signed length", "FRAMING_AMBIGUOUS", head + "Content-Length: +2\r\n\r\nok"),
        .refused("a hexadecimal length", "FRAMING_AMBIGUOUS", head + "Content-Length: 0x2\r\n\r\nok"),
        .refused(
            "a length beyond 64 bits", "FRAMING_AMBIGUOUS",
            head + "Content-Length: 18446744073709551618\r\n\r\nok"),
        .refused("gzip and chunks", "TRANSFER_ENCODING", head + "Transfer-Encoding: gzip, chunked\r\n\r\n"),
        .refused("an unknown coding", "TRANSFER_ENCODING", head + "Transfer-Encoding: xchunked\r\n\r\n"),
        .refused(
            "chunks by HTTP/1.0", "TRANSFER_ENCODING", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        .taken(
            "the same length twice", "ok", reused: true, [.text(head + "Content-Length: 2, 2\r\n\r\nok")]),
    ]

    private static let both =
        head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    private static let two = head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"

    /// Chunks that are none.
    public static let chunks: [HostileBehaviour] = [
        .refused("a chunk size that is no number", "CHUNK_SYNTAX", chunked + "zz\r\nhello\r\n0\r\n\r\n"),
        .refused("a negative chunk size", "CHUNK_SYNTAX", chunked + "-2\r\nok\r\n0\r\n\r\n"),
        .refused("a chunk size beyond 64 bits", "CHUNK_SYNTAX", chunked + "10000000000000002\r\nok\r\n"),
        .refused("no line end behind a chunk", "CHUNK_SYNTAX", chunked + "2\r\nok0\r\n\r\n"),
        .refused("LF alone behind a chunk size", "CHUNK_SYNTAX", chunked + "2\nok\r\n0\r\n\r\n"),
        .refused("NUL in an extension", "CHUNK_SYNTAX", chunked + "2;a\0\r\nok\r\n0\r\n\r\n"),
        .refused("NUL in a trailer", "CHUNK_SYNTAX", chunked + "2\r\nok\r\n0\r\nA: \0\r\n\r\n"),
        .fails("zeros without end", "protocol", "CHUNK_SYNTAX", flood(chunked, "0000000000000000")),
        .fails("an extension without end", "protocol", "CHUNK_SYNTAX", flood(chunked + "2;", "a=b;a=b;a=b;")),
        .fails(
            "extensions without end", "protocol", "CHUNK_SYNTAX",
            flood(chunked, "1;" + String(repeating: "e", count: 900) + "\r\nx\r\n")),
        .fails("trailers without end", "protocol", "TRAILER_TOO_LARGE", flood(chunked + "0\r\n", "A: b\r\n")),
        .taken(
            "trailers that lie", "ok", reused: true,
            [.text(chunked + "2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n")]),
    ]

    /// More than was asked for.
    public static let behind: [HostileBehaviour] = [
        .taken("two answers", "ok", reused: false, [.text(ok + evil)]),
        .taken(
            "garbage behind the answer: its length lied", "ok", reused: false, [.text(ok + " and more")]),
        .taken(
            "garbage behind the last chunk", "ok", reused: false,
            [.text(chunked + "2\r\nok\r\n0\r\n\r\n\r\n")]),
        HostileBehaviour(
            name: "a second answer later, unasked for", answer: [.text(ok), .pause(ms: 20), .text(evil)],
            outcome: .body("ok", reused: false), poisonsNext: true),
        HostileBehaviour(
            name: "an answer before the request", start: [.text(ok)], answer: [.hold],
            outcome: .bodyOrError("ok", kind: "protocol")),
        HostileBehaviour(
            name: "a body in answer to HEAD", method: "HEAD", answer: [.text(ok)],
            outcome: .empty(200, reused: false)),
        HostileBehaviour(
            name: "a body with 204",
            answer: [.text("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok")],
            outcome: .empty(204, reused: false)),
        HostileBehaviour(
            name: "a body with 304",
            answer: [.text("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok")],
            outcome: .empty(304, reused: false)),
    ]

    /// Interim responses.
    public static let interim: [HostileBehaviour] = [
        .refused(
            "101, a protocol that was not asked for", "NOT_HTTP", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        .refused(
            "17 interim responses", "NOT_HTTP", String(repeating: "HTTP/1.1 100 Go\r\n\r\n", count: 17)),
        .fails(
            "interim responses without end", "protocol", "NOT_HTTP",
            flood("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
        .refused("a body with 103", "NOT_HTTP", "HTTP/1.1 103 \r\nContent-Length: 2\r\n\r\nok" + ok),
        .taken(
            "16 interim responses", "ok", reused: true,
            [.text(String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 16) + ok)]),
    ]

    /// Bodies without end.
    public static let bodies: [HostileBehaviour] = [
        HostileBehaviour(
            name: "a body up to the end that has none", answer: flood(head + "\r\n", "more "), outcome: .cut),
        HostileBehaviour(
            name: "a terabyte, as promised",
            answer: flood(head + "Content-Length: \(endless)\r\n\r\n", "more "),
            outcome: .cut),
        HostileBehaviour(
            name: "chunks without end",
            answer: flood(chunked, "400\r\n" + String(repeating: "x", count: 1 << 10) + "\r\n"), outcome: .cut
        ),
    ]

    /// Content codings; further ones have tests of their own.
    public static let codings: [HostileBehaviour] = {
        let plain = Array((0..<2_000).map { "\($0) " }.joined().utf8)
        guard let gzip = compressed(plain), let bomb = compressed([UInt8](repeating: 0, count: 16 << 20))
        else {
            return []
        }
        var corrupt = gzip
        corrupt[corrupt.count / 2] ^= 0xff
        let text = String(decoding: plain, as: UTF8.self)
        return [
            .fails("a bomb", "bomb", "BOMB", coded("gzip", bomb)),
            // What came of it up to the limit of a body is not yet above the ratio. Pieces are measured one
            // by one, and one of them is.
            HostileBehaviour(
                name: "bombs without end",
                answer: [
                    .send(Script.head(200, [("Content-Encoding", "gzip")])),
                    .sendRepeatedly(bomb, bytesMax: endless),
                ], outcome: .cut, outcomeInPieces: .error(kind: "bomb", code: "BOMB")),
            .fails("corrupt gzip", "decode", "DECODE", coded("gzip", corrupt)),
            .fails("gzip that is cut", "decode", "DECODE", coded("gzip", Array(gzip.dropLast(20)))),
            .fails("text that is called gzip", "decode", "DECODE", coded("gzip", plain)),
            .fails("gzip that is called deflate", "decode", "DECODE", coded("deflate", gzip)),
            .fails("a coding that nobody knows", "decode", "DECODE_UNKNOWN", coded("banana", plain)),
            .taken("garbage behind gzip", text, reused: true, coded("gzip", gzip + Array("garbage".utf8))),
        ]
    }()

    private static func coded(_ name: String, _ body: [UInt8]) -> Script {
        .response(headers: [("Content-Encoding", name)], body: body)
    }

    /// Nil without the gzip command; then the table is short, which its tests notice.
    private static func compressed(_ bytes: [UInt8]) -> [UInt8]? { try? Gzip.compress(bytes) }

    /// What is no TLS.
    public static let secure: [HostileBehaviour] = [
        .secure(
            "HTTP on an https port", "tls", "TLS_PROTOCOL",
            [.text("HTTP/1.1 400 Bad Request\r\n\r\n"), .hold]),
        .secure(
            "a fatal alert", "tls", "TLS_PROTOCOL",
            [.pause(ms: 20), .send([0x15, 3, 3, 0, 2, 2, 40]), .hold]),
        .secure(
            "garbage in a handshake record", "tls", "TLS_PROTOCOL",
            [.send([0x16, 3, 3, 0x40, 0] + [UInt8](repeating: 0xaa, count: 16_384)), .hold]),
        .secure("records without end", "tls", "TLS_PROTOCOL", flood("", "\u{16}\u{3}\u{3}\0\u{1}\u{2}")),
        .secure("closes in the handshake", "tls", nil, [.pause(ms: 20), .shutdownWrite, .hold]),
        HostileBehaviour(
            name: "resets in the handshake", isSecure: true, start: [.pause(ms: 20), .reset],
            answer: [.close],
            outcome: .errorOfKinds(["connect", "reset"])),
    ]
}
