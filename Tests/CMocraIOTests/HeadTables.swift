// The table of heads that are accepted or refused, with what they must come to. It must not call the parser.
import CMocraIO

/// A text that stops being a possible status line after `bytesNeeded` bytes.
struct EarlyCase: Sendable {
    let text: String
    let bytesNeeded: Int
}

enum HeadTables {
    static let accepted: [HeadCase] = plain + connections + lengths + bodiless + codings
    static let refused: [HeadCase] =
        notHTTP.map { .refuses("NOT_HTTP", $0.text + "\r\n\r\n") } + syntax + framing + transfers

    private static func length(_ length: UInt64, _ headers: [[String]]) -> ParsedHead {
        ParsedHead(
            framing: MOCRA_FRAMING_LENGTH, contentLength: length, keepAlive: true, headers: headers)
    }

    private static let plain: [HeadCase] = [
        .accepts(
            "as nginx answers",
            "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Fri, 21 Nov 2025 02:29:11 GMT\r\n"
                + "Content-Type: text/html\r\nContent-Length: 1024\r\nConnection: keep-alive\r\n\r\n",
            length(
                1024,
                [
                    ["Server", "nginx/1.22.1"], ["Date", "Fri, 21 Nov 2025 02:29:11 GMT"],
                    ["Content-Type", "text/html"], ["Content-Length", "1024"],
                    ["Connection", "keep-alive"],
                ])),
        .accepts("no header", "HTTP/1.1 200 OK\r\n\r\n", ParsedHead()),
        .accepts("no reason, with its space", "HTTP/1.1 200 \r\n\r\n", ParsedHead(reason: "")),
        .accepts("no reason and no space", "HTTP/1.1 200\r\n\r\n", ParsedHead(reason: "")),
        .accepts("no reason, LF alone", "HTTP/1.1 200\n\n", ParsedHead(reason: "")),
        .accepts(
            "LF alone", "HTTP/1.0 200 OK\nA: b\n\n", ParsedHead(minorVersion: 0, headers: [["A", "b"]])),
        .accepts("mixed line ends", "HTTP/1.1 200 OK\nA: b\r\n\n", ParsedHead(headers: [["A", "b"]])),
        .accepts(
            "mixed line ends, the other way", "HTTP/1.1 200 OK\r\nA:b\n\r\n",
            ParsedHead(headers: [["A", "b"]])),
        .accepts("one empty line before", "\r\nHTTP/1.1 200 OK\r\n\r\n", ParsedHead()),
        .accepts("two empty lines before", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ParsedHead()),
        .accepts("two bare empty lines before", "\n\nHTTP/1.1 200 OK\n\n", ParsedHead()),
        .accepts("status 999", "HTTP/1.1 999 !\r\n\r\n", ParsedHead(status: 999, reason: "!")),
        .accepts(
            "obs-text and tabs", "HTTP/1.1 404 n\u{e9}ant\t!\r\nA: \u{80}\t\u{ff}\r\n\r\n",
            ParsedHead(status: 404, reason: "n\u{e9}ant\t!", headers: [["A", "\u{80}\t\u{ff}"]])),
        .accepts(
            "white space around values", "HTTP/1.1 200 OK\r\nA:b\r\nC:  \t d e \t \r\nF:\r\nG: \t\r\n\r\n",
            ParsedHead(headers: [["A", "b"], ["C", "d e"], ["F", ""], ["G", ""]])),
        .accepts(
            "colons in a value", "HTTP/1.1 200 OK\r\nA: :b:\r\n\r\n", ParsedHead(headers: [["A", ":b:"]])),
        .accepts(
            "a fold stays in its value", "HTTP/1.1 200 OK\r\nA: b\r\n c\n\td \r\nE: f\r\n\r\n",
            ParsedHead(headers: [["A", "b\r\n c\n\td"], ["E", "f"]], folded: true)),
        .accepts(
            "white space lines fold too", "HTTP/1.1 200 OK\r\nA: \r\n b\r\n \r\n\t\r\n\r\n",
            ParsedHead(headers: [["A", "b"]], folded: true)),
        .accepts(
            "a fold of nothing", "HTTP/1.1 200 OK\r\nA:\r\n \r\n\r\n",
            ParsedHead(headers: [["A", ""]], folded: true)),
        .accepts(
            "white space before a colon", "HTTP/1.1 200 OK\r\nA : b\r\nC \t:d\r\n\r\n",
            ParsedHead(headers: [["A", "b"], ["C", "d"]])),
        .accepts("a minor version to come", "HTTP/1.9 200 OK\r\n\r\n", ParsedHead()),
        .accepts(
            "bytes behind the head", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\r\n\r\n\0\r",
            ParsedHead(headers: [["A", "b"]], headBytes: 25)),
        .accepts(
            "longer than any block",
            "HTTP/1.1 200 OK\r\n" + String(repeating: "N", count: 300) + ": "
                + String(repeating: "v", count: 700) + "\r\n\r\n",
            ParsedHead(headers: [[String(repeating: "N", count: 300), String(repeating: "v", count: 700)]])),
    ]

    private static let connections: [HeadCase] = [
        connection(1, "close", keepAlive: false), connection(1, "keep-alive", keepAlive: true),
        connection(1, "Keep-Alive, CLOSE", keepAlive: false), connection(1, "closed", keepAlive: true),
        connection(1, "", keepAlive: true), connection(1, " , ,\tclose\t,", keepAlive: false),
        connection(1, "close, x", keepAlive: false),
        connection(0, "close", keepAlive: false), connection(0, "Keep-Alive", keepAlive: true),
        connection(0, "x, keep-alive", keepAlive: true), connection(0, "keep-alive, close", keepAlive: false),
        connection(0, "x", keepAlive: false),
        .accepts(
            "two Connection fields",
            "HTTP/1.1 200 OK\r\nConnection: x\r\nconnection: close\r\nContent-Length: 0\r\n\r\n",
            ParsedHead(
                framing: MOCRA_FRAMING_NONE, keepAlive: false,
                headers: [["Connection", "x"], ["connection", "close"], ["Content-Length", "0"]])),
        .accepts(
            "until the end is never kept alive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n",
            ParsedHead(headers: [["Connection", "keep-alive"]])),
    ]

    private static func connection(_ minor: Int, _ value: String, keepAlive: Bool) -> HeadCase {
        let trimmed = value.drop { $0 == " " }
        return .accepts(
            "Connection \(value.debugDescription) in 1.\(minor)",
            "HTTP/1.\(minor) 200 OK\r\nContent-Length: 1\r\nConnection: \(value)\r\n\r\n",
            ParsedHead(
                minorVersion: minor, framing: MOCRA_FRAMING_LENGTH, contentLength: 1, keepAlive: keepAlive,
                headers: [["Content-Length", "1"], ["Connection", String(trimmed)]]))
    }

    private static let lengths: [HeadCase] =
        [
            ("0", 0), ("1", 1), ("007", 7), ("5, 5", 5), ("5,05 ,\t5", 5),
            ("9223372036854775807", UInt64(Int64.max)),
        ].map { (value: String, bytes: UInt64) in
            var head = length(bytes, [["content-LENGTH", value]])
            head.framing = bytes == 0 ? MOCRA_FRAMING_NONE : MOCRA_FRAMING_LENGTH
            return .accepts("length \(value)", "HTTP/1.1 200 OK\r\ncontent-LENGTH: \(value)\r\n\r\n", head)
        } + [
            .accepts(
                "the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                length(5, [["Content-Length", "5"], ["Content-Length", "5"]])),
            .accepts(
                "chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\tChunked \r\n\r\n",
                ParsedHead(
                    framing: MOCRA_FRAMING_CHUNKED, keepAlive: true,
                    headers: [["Transfer-Encoding", "Chunked"]])),
        ]

    private static let bodiless: [HeadCase] = [
        bodiless("200 OK", ["Content-Length", "5"], headRequest: true, keepAlive: true),
        bodiless("200 OK", ["Transfer-Encoding", "chunked"], headRequest: true, keepAlive: true),
        bodiless("200 OK", ["A", "b"], headRequest: true, keepAlive: true),
        bodiless("304 Not Modified", ["Content-Length", "5"], keepAlive: true),
        bodiless("304 Not Modified", ["Transfer-Encoding", "chunked"], keepAlive: true),
        bodiless("204 No Content", ["Content-Length", "0"], keepAlive: true),
        bodiless("204 No Content", ["A", "b"], keepAlive: true),
        bodiless("204 No Content", ["Content-Length", "5"], keepAlive: false),
        bodiless("204 No Content", ["Transfer-Encoding", "chunked"], keepAlive: false),
        bodiless("100 Continue", ["A", "b"], keepAlive: true),
        bodiless("103 Early Hints", ["Link", "</s.css>; rel=preload"], keepAlive: true),
        bodiless("101 Switching Protocols", ["Upgrade", "websocket"], keepAlive: false),
        bodiless("204 No Content", ["Connection", "close"], keepAlive: false),
    ]

    private static func bodiless(
        _ line: String, _ header: [String], headRequest: Bool = false, keepAlive: Bool
    ) -> HeadCase {
        let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
        return .accepts(
            "no body: \(line), \(header[0]): \(header[1])\(headRequest ? ", HEAD" : "")",
            "HTTP/1.1 \(line)\r\n\(header[0]): \(header[1])\r\n\r\n",
            ParsedHead(
                status: Int(parts[0]) ?? 0, reason: parts[1], framing: MOCRA_FRAMING_NONE,
                keepAlive: keepAlive, headers: [header]),
            headRequest: headRequest)
    }

    private static let codings: [HeadCase] =
        [
            ("gzip", MOCRA_CODING_GZIP), ("X-GZip", MOCRA_CODING_GZIP), ("deflate", MOCRA_CODING_DEFLATE),
            ("identity", MOCRA_CODING_IDENTITY), ("", MOCRA_CODING_IDENTITY), ("br", MOCRA_CODING_BROTLI),
            ("BR", MOCRA_CODING_BROTLI), ("Zstd", MOCRA_CODING_ZSTD), ("compress", MOCRA_CODING_UNKNOWN),
            ("gzip, gzip", mocra_coding(rawValue: 0x11)), ("deflate,br", mocra_coding(rawValue: 0x42)),
            ("gzip, br, zstd,identity ,deflate", mocra_coding(rawValue: 0x2541)),
            ("gzip,gzip,gzip,gzip,gzip", MOCRA_CODING_UNKNOWN), ("gzip, no, br", MOCRA_CODING_UNKNOWN),
            ("no,gzip", MOCRA_CODING_UNKNOWN), ("zstandard", MOCRA_CODING_UNKNOWN),
            ("identity, gzip,", MOCRA_CODING_GZIP), ("gzip;q=1", MOCRA_CODING_UNKNOWN),
            ("gzi", MOCRA_CODING_UNKNOWN), ("gzipp", MOCRA_CODING_UNKNOWN),
        ].map { (value: String, coding: mocra_coding) in
            .accepts(
                "Content-Encoding \(value.debugDescription)",
                "HTTP/1.1 200 OK\r\nContent-Encoding: \(value)\r\n\r\n",
                ParsedHead(coding: coding, headers: [["Content-Encoding", value]]))
        } + [
            .accepts(
                "Content-Encoding in two lines",
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nA: b\r\ncontent-encoding: br, zstd\r\n\r\n",
                ParsedHead(
                    coding: mocra_coding(rawValue: 0x541),
                    headers: [["Content-Encoding", "gzip"], ["A", "b"], ["content-encoding", "br, zstd"]]))
        ]

    /// Refused as soon as `bytesNeeded` bytes are there.
    static let notHTTP: [EarlyCase] = [
        EarlyCase(text: "SSH-2.0-OpenSSH_9.2", bytesNeeded: 1),
        EarlyCase(text: "\u{16}\u{3}\u{3}\0\u{7a}", bytesNeeded: 1),
        EarlyCase(text: "\0", bytesNeeded: 1),
        EarlyCase(text: " HTTP/1.1 200 OK", bytesNeeded: 1),
        EarlyCase(text: "http/1.1 200 OK", bytesNeeded: 1),
        EarlyCase(text: "HTTQ/1.1 200 OK", bytesNeeded: 4),
        EarlyCase(text: "HTTP/2 200", bytesNeeded: 6),
        EarlyCase(text: "HTTP/1.x 200 OK", bytesNeeded: 8),
        EarlyCase(text: "HTTP/1/1 200 OK", bytesNeeded: 7),
        EarlyCase(text: "HTTP/1.10 200 OK", bytesNeeded: 9),
        EarlyCase(text: "HTTP/1.1\t200 OK", bytesNeeded: 9),
        EarlyCase(text: "HTTP/1.1\r\n", bytesNeeded: 9),
        EarlyCase(text: "HTTP/1.1  200 OK", bytesNeeded: 10),
        EarlyCase(text: "HTTP/1.1 099 OK", bytesNeeded: 10),
        EarlyCase(text: "HTTP/1.1 2x0 OK", bytesNeeded: 11),
        EarlyCase(text: "HTTP/1.1 20 OK", bytesNeeded: 12),
        EarlyCase(text: "HTTP/1.1 -20 OK", bytesNeeded: 10),
        EarlyCase(text: "HTTP/1.1 2000 OK", bytesNeeded: 13),
        EarlyCase(text: "HTTP/1.1 200\tOK", bytesNeeded: 13),
        EarlyCase(text: "HTTP/1.1 200\rOK", bytesNeeded: 14),
        EarlyCase(text: "HTTP/1.1 200 O\0K", bytesNeeded: 15),
        EarlyCase(text: "HTTP/1.1 200 OK\rA: b", bytesNeeded: 17),
        EarlyCase(text: "\rHTTP/1.1 200 OK", bytesNeeded: 2),
        EarlyCase(text: "\r\n\r\n\r\nHTTP/1.1 200 OK", bytesNeeded: 5),
        EarlyCase(text: "\n\n\nHTTP/1.1 200 OK", bytesNeeded: 3),
        EarlyCase(text: "\r\n\rHTTP/1.1 200 OK", bytesNeeded: 4),
    ]

    private static let syntax: [HeadCase] = [
        "Connection : a\r\n", "Content-Length\t: 5\r\n", "content-encoding : gzip\r\n",
        "Transfer-Encoding \t: chunked\r\n", "A b: c\r\n", "A :\r\n b\0\r\n", "A \r\n: b\r\n", "A ; b\r\n",
        ": b\r\n", ":\r\n", "A\r\n", "A\r\nB: c\r\n", "A=b\r\n",
        " A: b\r\n", "\tA: b\r\n", " \r\nA: b\r\n", "A: b\rc\r\n", "A: b\r\r\n", "A: \0\r\n",
        "A: b\u{7f}\r\n",
        "A: \u{1b}[0m\r\n", "\u{e9}: b\r\n", "A\0: b\r\n", "A: b\r\n c\r d\r\n", "A: b\r\n c\0\r\n",
        "(A): b\r\n", "A/B: c\r\n", "A\r: b\r\n", "\rA: b\r\n", "A: b\r\n:\r\n",
        // Folds in what decides on framing, connection and coding.
        "Content-Length:\r\n 5\r\n", "Content-Length: 5\r\n \r\n", "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\n\t\r\n", "Connection: keep-alive,\r\n close\r\n",
        "Content-Encoding: gzip\r\n ,br\r\n",
    ].map { .refuses("HEADER_SYNTAX", "HTTP/1.1 200 OK\r\n\($0)\r\n") }

    private static let framing: [HeadCase] = [
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n", "Content-Length: \r\n",
        "Content-Length: -1\r\n", "Content-Length: +1\r\n", "Content-Length: 1 2\r\n",
        "Content-Length: 0x10\r\n", "Content-Length: 5,\r\n", "Content-Length: ,5\r\n",
        "Content-Length: 5,,5\r\n", "Content-Length: 5;\r\n", "Content-Length: 1.0\r\n",
        "Content-Length: \"5\"\r\n", "Content-Length: 1e3\r\n", "Content-Length: \u{b2}\r\n",
        "Content-Length: 9223372036854775808\r\n", "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999999999\r\n", "Content-Length: 5\r\nContent-Length: x\r\n",
        "Content-Length: x\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ].flatMap { (lines: String) -> [HeadCase] in
        [
            .refuses("FRAMING_AMBIGUOUS", "HTTP/1.1 200 OK\r\n\(lines)\r\n"),
            .refuses(
                "FRAMING_AMBIGUOUS", "HTTP/1.1 200 OK\r\n\(lines)\r\n", headRequest: true,
                name: "FRAMING_AMBIGUOUS, HEAD: \(lines.debugDescription)"),
            .refuses("FRAMING_AMBIGUOUS", "HTTP/1.0 304 \r\n\(lines)\r\n"),
        ]
    }

    private static let transfers: [HeadCase] =
        [
            "identity", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked",
            "chunked;q=1", "",
            "chunke", "chunked,", "\u{b}chunked", "chunked\r\nTransfer-Encoding: chunked",
            "identity\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding:",
        ].map { value in
            // A vertical tab is no white space, and not allowed at all.
            let error = value.hasPrefix("\u{b}") ? "HEADER_SYNTAX" : "TRANSFER_ENCODING"
            return .refuses(error, "HTTP/1.1 200 OK\r\nTransfer-Encoding: \(value)\r\n\r\n")
        } + [
            .refuses("TRANSFER_ENCODING", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        ]
}
