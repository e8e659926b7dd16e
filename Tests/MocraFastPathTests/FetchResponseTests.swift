// Whole answers in every framing and coding that HTTP/1.1 has, as the fetcher hands them over.
import MocraFastPath
import TestSupport
import Testing

@Suite("Fetched responses", .needsRing, .timeLimit(.minutes(10)))
struct FetchResponseTests {
    @Test("with a length, in chunks, or up to the end of the connection")
    func framings() async throws {
        let origin = try ScriptedOrigin([
            "/length": .html("with a length"),
            "/empty": .html(""),
            "/chunked": .chunked(["in ", "three ", "chunks"]),
            "/slow-chunks": .chunked(["a", "b", "c"], pauseMs: 10),
            "/chunk-extension": [
                .send(Script.head(200, [("Transfer-Encoding", "chunked")])),
                .text("3;name=value\r\none\r\n3 ; q=\"x;y\"\r\ntwo\r\n0\r\nX-Trailer: yes\r\n\r\n"),
            ],
            "/close": .closeDelimited("up to the end"),
            "/http10": [.text("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold"), .close],
            "/no-reason": [.text("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")],
        ])
        try await withFetcher { fetcher in
            for (path, body) in [
                ("/length", "with a length"), ("/empty", ""), ("/chunked", "in three chunks"),
                ("/slow-chunks", "abc"), ("/chunk-extension", "onetwo"), ("/close", "up to the end"),
                ("/http10", "old"), ("/no-reason", "ok"),
            ] {
                let fetched = try await fetcher.get(origin.url(path))
                #expect(fetched.status == 200, "\(path)")
                #expect(fetched.text == body, "\(path)")
                #expect(fetched.bodyBytes == body.utf8.count, "\(path)")
                #expect(fetched.wireBytes > fetched.bodyBytes, "\(path)")
                #expect(!fetched.isTruncated, "\(path)")
            }
        }
    }

    @Test("carry their fields in order, names without regard to case")
    func fields() async throws {
        let origin = try ScriptedOrigin([
            "/": .response(
                headers: [
                    ("X-One", "1"), ("Set-Cookie", "a=b"), ("set-cookie", "c=d"), ("X-Space", "  in  "),
                ],
                body: Array("x".utf8))
        ])
        try await withFetcher { fetcher in
            let response = try await fetcher.fetch(FetchRequest(try WebURL(origin.url("/"))))
            #expect(response.header("x-one") == "1")
            #expect(response.header("set-cookie") == "a=b")
            #expect(response.header("x-space") == "in")
            #expect(response.header("x-none") == nil)
            let fetched = Fetched(response)
            let cookies = fetched.fields.filter { $0.name.lowercased() == "set-cookie" }.map(\.value)
            #expect(cookies == ["a=b", "c=d"])
            response.release()
        }
    }

    @Test("without a body: HEAD, 204, 304; the connection goes on")
    func withoutBody() async throws {
        let origin = try ScriptedOrigin { request in
            switch request.target {
            case "/204": [.text("HTTP/1.1 204 No Content\r\n\r\n")]
            case "/304": [.text("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: \"x\"\r\n\r\n")]
            case "/head": [.text("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")]
            case "/head-chunked": [.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
            default: .html("after")
            }
        }
        try await withFetcher { fetcher in
            for (method, path, status) in [
                ("GET", "/204", 204), ("GET", "/304", 304), ("HEAD", "/head", 200),
                ("HEAD", "/head-chunked", 200),
            ] {
                let fetched = try await fetcher.get(origin.url(path), method: method)
                #expect(fetched.status == status && fetched.body.isEmpty, "\(path)")
                #expect(try await fetcher.get(origin.url("/after")).text == "after", "\(path)")
            }
            #expect(origin.counts.accepted == 1)
        }
    }

    @Test("after interim responses (RFC 9110, section 15.2)")
    func interimResponses() async throws {
        let interim =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
        let origin = try ScriptedOrigin([
            "/": [.text(interim)] + .html("final"),
            "/slow": [.text(interim), .pause(ms: 20)] + .html("final"),
        ])
        try await withFetcher { fetcher in
            for path in ["/", "/slow", "/"] {
                let fetched = try await fetcher.get(origin.url(path))
                #expect(fetched.status == 200 && fetched.text == "final")
                #expect(!fetched.fields.contains { $0.name.lowercased() == "link" })
            }
            #expect(origin.counts.accepted == 1)
        }
    }

    @Test("in gzip and deflate, decoded, with either framing")
    func codings() async throws {
        // Not so even that it shrinks like a bomb.
        let plain = Array((0..<20_000).map { "\($0 &* 7_919 % 10_007) " }.joined().utf8)
        let (gzip, zlib, raw) = try await onThread {
            (try Gzip.compress(plain), try Gzip.deflate(plain), try Gzip.rawDeflate(plain))
        }
        func coded(_ name: String, _ body: [UInt8]) -> Script {
            .response(headers: [("Content-Encoding", name)], body: body)
        }
        let origin = try ScriptedOrigin([
            "/gzip": coded("gzip", gzip),
            "/upper": coded("GZIP", gzip),
            "/deflate": coded("deflate", zlib),
            "/raw-deflate": coded("deflate", raw),
            "/identity": coded("identity", plain),
            "/close": [
                .send(Script.head(200, [("Content-Encoding", "gzip"), ("Connection", "close")])), .send(gzip),
                .close,
            ],
            "/dripping": .dripping(
                Script.head(200, [("Content-Encoding", "gzip"), ("Content-Length", "\(gzip.count)")]) + gzip,
                pieceBytes: 17, pauseMs: 0),
            "/empty": coded("gzip", []),
        ])
        try await withFetcher { fetcher in
            for path in ["/gzip", "/upper", "/deflate", "/raw-deflate", "/identity", "/close", "/dripping"] {
                let fetched = try await fetcher.get(origin.url(path))
                #expect(fetched.body == plain, "\(path)")
            }
            #expect(try await fetcher.get(origin.url("/empty")).body.isEmpty)
            let accepted = try #require(origin.requests.first?.header("accept-encoding"))
            #expect(accepted.contains("gzip") && accepted.contains("deflate"))
        }
    }

    @Test("of every length around the sizes of buffers")
    func lengths() async throws {
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        let lengths = [
            1, 2, 4_095, 4_096, 4_097, 65_534, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 200_000,
        ]
        let origin = try ScriptedOrigin { request in
            .response(body: Array(bytes.prefix(Int(request.target.dropFirst()) ?? 0)))
        }
        try await withFetcher { fetcher in
            for length in lengths {
                let fetched = try await fetcher.get(origin.url("/\(length)"))
                #expect(fetched.body == Array(bytes.prefix(length)), "\(length)")
            }
        }
    }

    @Test(
        "cut at the body limit are flagged, and the next fetch is whole",
        arguments: ["length", "chunked", "gzip"])
    func bodyLimit(framing: String) async throws {
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: 5_000)
        let compressed = try await onThread { try Gzip.compress(body) }
        let large: Script =
            switch framing {
            case "length": .response(body: body)
            case "chunked": .chunked([String(decoding: body, as: UTF8.self)])
            default: .response(headers: [("Content-Encoding", "gzip")], body: compressed)
            }
        let origin = try ScriptedOrigin(["/large": large, "/small": .html("small")])
        try await withFetcher { configuration in
            configuration.maxResponseSizeBytes = 1_000
            configuration.maxDecompressionRatio = 1_000
        } _: { fetcher in
            for _ in 0..<3 {
                let fetched = try await fetcher.get(origin.url("/large"))
                #expect(fetched.isTruncated)
                #expect(fetched.body == Array(body.prefix(1_000)))
                let small = try await fetcher.get(origin.url("/small"))
                #expect(small.text == "small" && !small.isTruncated)
            }
        }
    }

    @Test("to a request with method, fields and body as given")
    func requests() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { configuration in
            configuration.userAgent = "probe/1"
        } _: { fetcher in
            _ = try await fetcher.get(
                origin.url("/path?query=1#fragment"), method: "POST",
                headers: [HTTPField("X-One", "two"), HTTPField("Accept", "text/plain")],
                body: Array("data".utf8))
            let request = try #require(origin.requests.first)
            #expect(request.method == "POST")
            #expect(request.target == "/path?query=1")
            #expect(request.header("host") == "127.0.0.1:\(origin.port)")
            #expect(request.header("user-agent") == "probe/1")
            #expect(request.header("x-one") == "two")
            #expect(request.header("accept") == "text/plain")
            #expect(request.header("content-length") == "4")
            #expect(request.body == Array("data".utf8))
            #expect(request.head.components("accept:").count == 1, "a given field replaces the written one")
        }
    }

    @Test("are refused for requests that would smuggle a second one")
    func hostileFields() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { fetcher in
            for (method, field) in [
                ("GET", HTTPField("X", "a\r\nY: b")), ("GET", HTTPField("X\r\nY", "a")),
                ("GET", HTTPField("X", "a\nb")),
                ("GET", HTTPField("", "a")), ("GET", HTTPField("X Y", "a")), ("GET", HTTPField("X", "a\0b")),
                ("GET / HTTP/1.1\r\nX: y\r\n\r\nGET", HTTPField("X", "a")), ("", HTTPField("X", "a")),
            ] {
                do {
                    _ = try await fetcher.get(origin.url("/"), method: method, headers: [field])
                    Issue.record("sent \(method.debugDescription) \(field)")
                } catch let error as FetchError {
                    #expect(error.kind == .config || error.kind == .internal, "\(error)")
                }
            }
            #expect(origin.requests.isEmpty)
        }
    }
}

extension String {
    /// The lines that start with a text, in lower case.
    fileprivate func components(_ prefix: String) -> [Substring] {
        lowercased().split(separator: "\r\n").filter { $0.hasPrefix(prefix) }
    }
}
