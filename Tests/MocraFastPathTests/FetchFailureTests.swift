// What goes wrong between a request and its whole answer: deadlines, limits, broken and hostile answers.
// Every case ends in a typed error, in time; none in a hang.
import MocraFastPath
import TestSupport
import Testing

@Suite("Failed fetches", .needsRing, .timeLimit(.minutes(10)))
struct FetchFailureTests {
    // MARK: - Connecting

    @Test("A refused connection is a connect error")
    func refused() async throws {
        let port = try RefusedPort()
        try await withFetcher { fetcher in
            let error = try await fetcher.failure("http://127.0.0.1:\(port.port)/")
            #expect(error?.kind == .connect && error?.code == "CONNECT_REFUSED")
            #expect(error?.isRetryable == true)
            #expect(error?.message.isEmpty == false && error?.message.contains("\n") == false)
        }
    }

    @Test("A name that does not exist is a dns error")
    func unresolvable() async throws {
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 3_000
        } _: { fetcher in
            let error = try await fetcher.failure("http://no-such-host.invalid/")
            // Without a resolver the name cannot be resolved, with one it does not exist: dns either way.
            #expect(error?.kind == .dns || error?.kind == .timeoutConnect, "\(String(describing: error))")
        }
    }

    @Test("localhost is found without a resolver")
    func localhost() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { fetcher in
            let fetched = try await fetcher.get("http://localhost:\(origin.port)/")
            #expect(fetched.text == "ok")
            #expect(origin.requests.first?.header("host") == "localhost:\(origin.port)")
        }
    }

    @Test(
        "A private address is refused before anything is sent",
        arguments: ["127.0.0.1", "localhost", "[::1]", "0"])
    func blocked(host: String) async throws {
        let origin = try ScriptedOrigin { _ in .html("secret") }
        try await withFetcher { configuration in
            configuration.addressPolicy = .publicOnly
        } _: { fetcher in
            let error = try await fetcher.failure("http://\(host):\(origin.port)/")
            #expect(error?.kind == .blocked && error?.isRetryable == false)
            #expect(origin.counts.accepted == 0)
        }
    }

    // MARK: - Deadlines

    /// Whether something that ends by a deadline took about as long as it says: never less.
    private func expectDeadline(
        _ deadlineMs: Int, _ took: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect((deadlineMs - 1...deadlineMs + 10_000).contains(took), sourceLocation: sourceLocation)
    }

    @Test("connecting")
    func connectDeadline() async throws {
        let port = try FullBacklogPort()
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 300
        } _: { fetcher in
            let took = try await elapsedMs {
                let error = try await fetcher.failure("http://127.0.0.1:\(port.port)/")
                #expect(error?.kind == .timeoutConnect)
            }
            expectDeadline(300, took)
        }
    }

    @Test("TLS handshake")
    func handshakeDeadline() async throws {
        let origin = try ScriptedOrigin(onConnect: { _ in [.hold] }, answer: { _ in [.hold] })
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 300
        } _: { fetcher in
            let took = try await elapsedMs {
                let error = try await fetcher.failure("https://127.0.0.1:\(origin.port)/")
                #expect(error?.kind == .timeoutConnect)
            }
            expectDeadline(300, took)
        }
    }

    @Test("first byte")
    func firstByteDeadline() async throws {
        let origin = try ScriptedOrigin { _ in [.hold] }
        try await withFetcher { configuration in
            configuration.firstByteTimeoutMs = 200
        } _: { fetcher in
            let took = try await elapsedMs {
                let error = try await fetcher.failure(origin.url("/"))
                #expect(error?.kind == .timeoutFirstByte)
            }
            expectDeadline(200, took)
        }
        #expect(try await eventually { origin.counts.open == 0 })
    }

    @Test(
        "idle, inside the head or the body",
        arguments: ["HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"])
    func idleDeadline(start: String) async throws {
        let origin = try ScriptedOrigin { _ in [.text(start), .hold] }
        try await withFetcher { configuration in
            configuration.idleTimeoutMs = 200
        } _: { fetcher in
            let took = try await elapsedMs {
                let error = try await fetcher.failure(origin.url("/"))
                #expect(error?.kind == .timeoutIdle)
            }
            expectDeadline(200, took)
        }
    }

    @Test("total, though bytes keep coming")
    func totalDeadline() async throws {
        let body = [UInt8](repeating: 1, count: 1_000)
        let origin = try ScriptedOrigin { _ in
            .dripping(Script.head(200, [("Content-Length", "1000")]) + body, pieceBytes: 1, pauseMs: 10)
        }
        try await withFetcher { configuration in
            configuration.idleTimeoutMs = 5_000
        } _: { fetcher in
            let took = try await elapsedMs {
                let error = try await fetcher.failure(origin.url("/"), timeoutMs: 400)
                #expect(error?.kind == .timeoutTotal)
            }
            expectDeadline(400, took)
        }
    }

    @Test("A slow answer within its deadlines is whole")
    func slowButInTime() async throws {
        let origin = try ScriptedOrigin { _ in
            .dripping(
                Script.head(200, [("Content-Length", "40")]) + [UInt8](repeating: 65, count: 40),
                pieceBytes: 3, pauseMs: 15)
        }
        try await withFetcher { configuration in
            configuration.idleTimeoutMs = 1_000
            configuration.firstByteTimeoutMs = 1_000
        } _: { fetcher in
            let fetched = try await fetcher.get(origin.url("/"))
            #expect(fetched.body.count == 40)
        }
    }

    // MARK: - Broken answers

    @Test(
        "Answers that are no HTTP, or whose framing is wrong, are protocol errors",
        arguments: [
            "SSH-2.0-OpenSSH_9\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 99 Low\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0x10\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: banana\r\n\r\nhello",
        ])
    func protocolErrors(answer: String) async throws {
        let origin = try ScriptedOrigin { _ in [.text(answer), .close] }
        try await withFetcher { fetcher in
            let error = try await fetcher.failure(origin.url("/"))
            #expect(error?.kind == .protocol, "\(String(describing: error))")
            #expect(error?.isRetryable == false)
        }
    }

    @Test("A head beyond the limit ends the fetch early", arguments: [1_024, 65_536])
    func headLimit(limit: Int) async throws {
        let filler = String(repeating: "x", count: 400)
        let fields = { (bytes: Int) in (0..<bytes / 410).map { ("X-\($0)", filler) } }
        let origin = try ScriptedOrigin([
            "/within": .response(headers: fields(limit / 2), body: Array("ok".utf8)),
            "/beyond": .response(headers: fields(limit * 2), body: Array("ok".utf8)),
            "/endless": .endlessHeaders(bytesMax: 256 << 20),
            "/one-line": [
                .text("HTTP/1.1 200 OK\r\nX: "),
                .sendRepeatedly(Array("yyyyyyyyyyyyyyyy".utf8), bytesMax: 256 << 20),
            ],
        ])
        try await withFetcher { configuration in
            configuration.maxHeaderSizeBytes = limit
        } _: { fetcher in
            #expect(try await fetcher.get(origin.url("/within")).text == "ok")
            for path in ["/beyond", "/endless", "/one-line"] {
                let error = try await fetcher.failure(origin.url(path))
                #expect(error?.kind == .protocol, "\(path): \(String(describing: error))")
            }
        }
    }

    @Test("Corrupt, cut and unknown codings are decode errors, bombs are bombs")
    func codings() async throws {
        let plain = Array(String(repeating: "some text ", count: 2_000).utf8)
        let (gzip, bomb) = try await onThread {
            (try Gzip.compress(plain), try Gzip.compress([UInt8](repeating: 0, count: 30 << 20)))
        }
        func coded(_ body: [UInt8], _ name: String = "gzip") -> Script {
            .response(headers: [("Content-Encoding", name)], body: body)
        }
        var corrupt = gzip
        corrupt[corrupt.count / 2] ^= 0xff
        var checksum = gzip
        checksum[checksum.count - 6] ^= 0xff
        let origin = try ScriptedOrigin([
            "/corrupt": coded(corrupt), "/checksum": coded(checksum), "/cut": coded(Array(gzip.dropLast(20))),
            "/not-gzip": coded(plain), "/unknown": coded(plain, "banana"), "/bomb": coded(bomb),
            "/good": coded(gzip),
        ])
        try await withFetcher { fetcher in
            for (path, kind) in [
                ("/corrupt", FetchErrorKind.decode), ("/checksum", .decode), ("/cut", .decode),
                ("/not-gzip", .decode),
                ("/unknown", .decode), ("/bomb", .bomb),
            ] {
                let error = try await fetcher.failure(origin.url(path))
                #expect(error?.kind == kind, "\(path): \(String(describing: error))")
                #expect(error?.isRetryable == false, "\(path)")
                let good = try await fetcher.get(origin.url("/good"))
                #expect(good.body == plain, "after \(path)")
            }
        }
    }

    @Test("Connections that end too early are reset errors, which may be tried again")
    func earlyEnds() async throws {
        let origin = try ScriptedOrigin([
            "/close": [.close],
            "/reset": [.reset],
            "/head-close": [.text("HTTP/1.1 200 OK\r\nContent-"), .close],
            "/body-close": .truncated("hello", promised: 10),
            "/chunk-close": [.text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), .close],
            "/last-chunk-close": [
                .text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), .close,
            ],
            "/body-reset": [
                .text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"), .pause(ms: 30), .reset,
            ],
            "/close-delimited-reset": [
                .text("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhel"), .pause(ms: 30), .reset,
            ],
        ])
        try await withFetcher { fetcher in
            for path in [
                "/close", "/reset", "/head-close", "/body-close", "/chunk-close", "/last-chunk-close",
                "/body-reset",
                "/close-delimited-reset",
            ] {
                let error = try await fetcher.failure(origin.url(path))
                #expect(error?.kind == .reset, "\(path): \(String(describing: error))")
                #expect(error?.isRetryable == true, "\(path)")
            }
        }
    }

    // MARK: - Every byte

    private static let answers: [(name: String, text: String, body: String)] = [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"
        ),
        ("interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
    ]

    @Test("An answer that ends after any of its bytes is an error", arguments: 0..<3)
    func cutAtEveryByte(which: Int) async throws {
        let (name, text, body) = Self.answers[which]
        let bytes = Array(text.utf8)
        let origin = try ScriptedOrigin { request in
            [.send(Array(bytes.prefix(Int(request.target.dropFirst()) ?? 0))), .close]
        }
        try await withFetcher { fetcher in
            for length in 0..<bytes.count {
                let error = try await fetcher.failure(origin.url("/\(length)"))
                #expect(error?.kind == .reset, "\(name) cut at \(length): \(String(describing: error))")
            }
            let whole = try await fetcher.get(origin.url("/\(bytes.count)"))
            #expect(whole.text == body)
        }
    }

    @Test("An answer in two pieces, split at any byte, is whole", arguments: 0..<3)
    func splitAtEveryByte(which: Int) async throws {
        let (name, text, body) = Self.answers[which]
        let bytes = Array(text.utf8)
        let origin = try ScriptedOrigin { request in
            let at = Int(request.target.dropFirst()) ?? 0
            return [.send(Array(bytes[..<at])), .pause(ms: 2), .send(Array(bytes[at...]))]
        }
        try await withFetcher { fetcher in
            for at in 1..<bytes.count {
                let fetched = try await fetcher.get(origin.url("/\(at)"))
                #expect(fetched.text == body, "\(name) split at \(at)")
            }
            #expect(origin.counts.accepted == 1)
        }
    }

    @Test("Random answers end in an error or an answer")
    func randomAnswers() async throws {
        // A fixed seed: the same bytes in every run.
        let origin = try ScriptedOrigin { request in
            let index = Int(request.target.dropFirst()) ?? 0
            var random = UInt64(index) &* 0x9e37_79b9_7f4a_7c15 &+ 1
            func next() -> UInt64 {
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                return random
            }
            var bytes = Array(Self.answers[index % 3].text.utf8)
            for _ in 0..<(1 + next() % 4) {
                bytes[Int(next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: next())
            }
            return [.send(bytes), .close]
        }
        try await withFetcher { configuration in
            configuration.idleTimeoutMs = 2_000
        } _: { fetcher in
            var answers = 0
            for index in 0..<600 {
                do {
                    _ = try await fetcher.get(origin.url("/\(index)"))
                    answers += 1
                } catch let error as FetchError {
                    #expect([.reset, .protocol, .decode].contains(error.kind), "\(index): \(error.code)")
                }
            }
            #expect(answers > 0 && answers < 600)
        }
    }
}
