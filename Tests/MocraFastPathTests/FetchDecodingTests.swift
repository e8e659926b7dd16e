// Coded answers end to end: every coding and rows of them in every framing, from a scripted origin and from
// nginx; limits, bombs and damage, after which the next fetch is whole and no buffer is missing.
import MocraFastPath
import TestSupport
import Testing

@Suite("Coded responses", .needsRing, .timeLimit(.minutes(10)))
struct FetchDecodingTests {
    /// Not so even that it shrinks like a bomb.
    private static let plain = Array((0..<20_000).map { "\($0 &* 7_919 % 10_007) " }.joined().utf8)

    /// Each `Content-Encoding` and the body in it.
    private static func samples(_ plain: [UInt8]) async throws -> [(name: String, body: [UInt8])] {
        try await onThread {
            let br = try Brotli.compress(plain)
            let gzip = try Gzip.compress(plain)
            let zstd = try Zstandard.compress(plain)
            return [
                ("gzip", gzip), ("x-gzip", gzip), ("br", br), ("Zstd", zstd),
                ("deflate", try Gzip.deflate(plain)),
                ("gzip, br", try Brotli.compress(gzip)), ("br,identity,gzip", try Gzip.compress(br)),
                ("zstd, deflate, br", try Brotli.compress(try Gzip.deflate(zstd))),
                ("gzip, gzip", try Gzip.compress(gzip)),
            ]
        }
    }

    private static func chunk(_ bytes: some Collection<UInt8>) -> [UInt8] {
        Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + Array("\r\n".utf8)
    }

    @Test("in every coding and rows of them, with every framing and in any pieces")
    func framings() async throws {
        let samples = try await Self.samples(Self.plain)
        let origin = try ScriptedOrigin { request in
            let parts = request.target.split(separator: "/")
            guard parts.count == 2, let number = Int(parts[1]) else { return .html("?") }
            let (name, body) = samples[number]
            let coding = ("Content-Encoding", name)
            let head = Script.head(200, [coding, ("Content-Length", "\(body.count)")])
            let chunkedHead = Script.head(200, [coding, ("Transfer-Encoding", "chunked")])
            let third = body.count / 3
            switch parts[0] {
            case "length": return .response(headers: [coding], body: body)
            case "chunked": return [.send(chunkedHead + Self.chunk(body) + Self.chunk([]))]
            case "chunks":
                let pieces = stride(from: 0, to: body.count, by: 97).map {
                    Self.chunk(body[$0..<min($0 + 97, body.count)])
                }
                return [.send(chunkedHead + pieces.joined() + Self.chunk([]))]
            case "halves":
                return [.send(head + body[..<third]), .pause(ms: 2), .send(Array(body[third...]))]
            case "dripping": return .dripping(head + body, pieceBytes: 701, pauseMs: 0)
            case "lines":
                let lines = name.split(separator: ",").map {
                    ("Content-Encoding", String($0.drop { $0 == " " }))
                }
                return .response(headers: lines, body: body)
            default: return [.send(Script.head(200, [coding, ("Connection", "close")]) + body), .close]
            }
        }
        try await withFetcher { fetcher in
            for framing in ["length", "chunked", "chunks", "halves", "dripping", "lines", "close"] {
                for (number, sample) in samples.enumerated() {
                    let fetched = try await fetcher.get(origin.url("/\(framing)/\(number)"))
                    #expect(fetched.body == Self.plain, "\(sample.name), \(framing)")
                    #expect(fetched.bodyBytes == Self.plain.count && !fetched.isTruncated)
                    #expect(fetched.wireBytes > sample.body.count)
                }
            }
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.fetches == 0 && statistics.buffersLeased == 0)
        }
    }

    @Test("of nginx, packed on the way and before")
    func nginx() async throws {
        let directory = try TemporaryDirectory()
        let plain = Self.plain
        try await onThread {
            try directory.write("page.txt", plain)
            try directory.write("page.br", try Brotli.compress(plain))
            try directory.write("page.gz", try Gzip.compress(plain))
        }
        let packed = """
            root \(directory.path);
            location = /page.br { default_type text/plain; add_header Content-Encoding br; }
            location = /page.gz { default_type text/plain; add_header Content-Encoding gzip; }
            """
        let nginx = try await onThread {
            try NginxServer([
                NginxSite(.folder(directory.path), gzip: true), NginxSite(.directives(packed)),
            ])
        }
        try await withFetcher { fetcher in
            for _ in 0..<3 {
                for url in [nginx.url(0) + "/page.txt", nginx.url(1) + "/page.br", nginx.url(1) + "/page.gz"]
                {
                    let fetched = try await fetcher.get(url)
                    #expect(fetched.body == plain, "\(url)")
                    #expect(fetched.wireBytes < plain.count, "\(url) came unpacked")
                }
            }
        }
    }

    @Test("with a fault or a bomb in them, end as such and spoil nothing")
    func faults() async throws {
        let samples = try await Self.samples(Self.plain)
        let zeros = Zstandard.zeros(blocks: 240)
        let (bomb, brBomb, nested) = try await onThread {
            let zeros = [UInt8](repeating: 0, count: 30 << 20)
            let gzip = try Gzip.compress(zeros)
            return (gzip, try Brotli.compress(zeros, quality: 2), try Gzip.compress(gzip))
        }
        var cases: [(name: String, body: [UInt8], code: String)] = [
            ("gzip", bomb, "BOMB"), ("br", brBomb, "BOMB"), ("zstd", zeros, "BOMB"),
            ("gzip, gzip", nested, "BOMB"), ("zstd", Zstandard.zeros(blocks: 3, windowLog: 24), "DECODE"),
            ("gzip, banana", bomb, "DECODE_UNKNOWN"), ("compress", bomb, "DECODE_UNKNOWN"),
            ("gzip,gzip,gzip,gzip,gzip", bomb, "DECODE_UNKNOWN"),
        ]
        for (name, body) in samples {
            cases.append((name, Array(body.dropLast(30)), "DECODE"))
            cases.append((name, Self.plain, "DECODE"))
        }
        let scripts = cases
        let origin = try ScriptedOrigin { request in
            guard let number = Int(request.target.dropFirst()) else {
                return .response(headers: [("Content-Encoding", "gzip")], body: samples[0].body)
            }
            return .response(
                headers: [("Content-Encoding", scripts[number].name)], body: scripts[number].body)
        }
        try await withFetcher { fetcher in
            for (number, example) in cases.enumerated() {
                let error = try await fetcher.failure(origin.url("/\(number)"))
                #expect(error?.code == example.code, "\(number): \(example.name)")
                #expect(try await fetcher.get(origin.url("/good")).body == Self.plain)
            }
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.fetches == 0 && statistics.buffersLeased == 0)
        }
    }

    @Test("are cut at the limit, flagged, and the next fetch is whole")
    func limit() async throws {
        let samples = try await Self.samples(Self.plain)
        let origin = try ScriptedOrigin { request in
            guard let number = Int(request.target.dropFirst(2)) else { return .html("small") }
            let (name, body) = samples[number]
            if request.target.hasPrefix("/l") {
                return .response(headers: [("Content-Encoding", name)], body: body)
            }
            let head = Script.head(200, [("Content-Encoding", name), ("Transfer-Encoding", "chunked")])
            return [.send(head + Self.chunk(body) + Self.chunk([]))]
        }
        let limit = 5_000
        try await withFetcher { configuration in
            configuration.maxResponseSizeBytes = limit
        } _: { fetcher in
            for number in samples.indices {
                for framing in ["l", "c"] {
                    let fetched = try await fetcher.get(origin.url("/\(framing)\(number)"))
                    #expect(fetched.isTruncated && fetched.body == Array(Self.plain.prefix(limit)))
                    let small = try await fetcher.get(origin.url("/small"))
                    #expect(small.text == "small" && !small.isTruncated)
                }
            }
        }
    }

    @Test("are asked for as configured")
    func acceptEncoding() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        for (configured, sent) in [
            (nil, "gzip, deflate, br, zstd"), ("zstd;q=1, br", "zstd;q=1, br"), ("", nil),
        ] {
            try await withFetcher { configuration in
                if let configured { configuration.acceptEncoding = configured }
            } _: { fetcher in
                _ = try await fetcher.get(origin.url("/"))
                #expect(origin.requests.last?.header("accept-encoding") == sent)
                // With a field given the written ones go one by one.
                _ = try await fetcher.get(origin.url("/"), headers: [HTTPField("Accept", "text/plain")])
                #expect(origin.requests.last?.header("accept-encoding") == sent)
                _ = try await fetcher.get(origin.url("/"), headers: [HTTPField("Accept-Encoding", "br")])
                #expect(origin.requests.last?.header("accept-encoding") == "br")
            }
        }
        var configuration = FetchConfiguration()
        configuration.acceptEncoding = "gzip\r\nX-Evil: 1"
        #expect(throws: FetchError.self) { try Fetcher(configuration) }
    }
}
