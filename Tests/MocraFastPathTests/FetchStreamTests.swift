// Bodies read while they arrive, over HTTP/1.1 and HTTP/2, from a real nginx: order, backpressure, ends.
import Foundation
import MocraFastPath
import TestSupport
import Testing

@Suite("Streamed bodies", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchStreamTests {
    /// nginx with one large file, plain and as HTTP/2, and a scripted origin.
    private final class Server: Sendable {
        static let size = 24 << 20
        let directory: TemporaryDirectory
        let nginx: NginxServer
        let origin: ScriptedOrigin
        let caPath: String

        init() throws {
            let certificates = try TestCertificates.shared()
            caPath = certificates.caPath
            directory = try TemporaryDirectory(prefix: "mocra-stream")
            try FileManager.default.createDirectory(
                atPath: directory.file("www"), withIntermediateDirectories: true)
            try Data(Self.content).write(to: URL(fileURLWithPath: directory.file("www/large")))
            try Data("small".utf8).write(to: URL(fileURLWithPath: directory.file("www/small")))
            nginx = try NginxServer([
                NginxSite(.folder(directory.file("www"))),
                NginxSite(
                    .folder(directory.file("www")), certificate: try certificates.certificate(), http2: true),
            ])
            let text = [UInt8]((0..<600_000).map { UInt8(truncatingIfNeeded: $0 / 251) })
            let gzip = try Gzip.compress(text)
            origin = try ScriptedOrigin([
                "/gzip": .response(headers: [("Content-Encoding", "gzip")], body: gzip),
                "/short": .truncated("hello", promised: 100_000),
                "/chunked": .chunked(["a", "b", "c"], pauseMs: 5),
                "/drip": .chunked((0..<200).map { "\($0)" }, pauseMs: 100),
            ])
        }

        static let content = [UInt8]((0..<size).map { UInt8(truncatingIfNeeded: $0 >> 12 &+ $0) })

        func url(http2: Bool, _ path: String) -> String { nginx.url(http2 ? 1 : 0) + path }
    }

    /// Made once: writing and serving the large file takes a moment.
    private static let shared = Task { try await onThread { try Server() } }

    private func server() async throws -> Server { try await Self.shared.value }

    /// Reads to the end; `between` runs after each piece.
    private func read(
        _ stream: consuming FetchStream, between: (Int) async throws -> Void = { _ in }
    ) async throws -> [UInt8] {
        var body: [UInt8] = []
        while let piece = try await stream.next() {
            body += piece.copy()
            try await between(body.count)
        }
        return body
    }

    @Test("a large body arrives whole and in order", arguments: [false, true])
    func whole(http2: Bool) async throws {
        let server = try await server()
        try await withFetcher {
            $0.caFile = server.caPath
            $0.maxResponseSizeBytes = 100 << 20
        } _: { fetcher in
            let request = FetchRequest(try WebURL(server.url(http2: http2, "/large")))
            let stream = try await fetcher.stream(request)
            #expect(stream.status == 200 && stream.isHTTP2 == http2)
            #expect(stream.header("content-length") == "\(Server.size)")
            let timing = stream.timing
            #expect(timing.connectUs > 0 && timing.firstByteUs > 0 && timing.totalUs == 0)
            #expect(stream.tls?.version == (http2 ? "1.3" : nil))
            let body = try await read(stream)
            #expect(body == Server.content)
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.fetches == 0 && statistics.buffersLeased == 0)
            // The connection goes on.
            let next = try await fetcher.get(server.url(http2: http2, "/small"))
            #expect(next.text == "small" && next.timing.reusedConnection)
        }
    }

    @Test("a reader that does not read makes the server wait, and nobody else", arguments: [false, true])
    func backpressure(http2: Bool) async throws {
        let server = try await server()
        try await withFetcher {
            $0.caFile = server.caPath
            $0.maxResponseSizeBytes = 100 << 20
            // A slow reader is not a slow server.
            $0.idleTimeoutMs = 2_000
            $0.minRateBytesPerS = 1_000_000
            $0.timeoutMs = 60_000
        } _: { fetcher in
            let request = FetchRequest(try WebURL(server.url(http2: http2, "/large")))
            var stream = try await fetcher.stream(request)
            var kept: [BodyPieceBox] = []
            var total = 0
            while total < 200_000, let piece = try await stream.next() {
                total += piece.count
                kept.append(BodyPieceBox(piece))
            }
            // What lies with us is bounded while others are served, past the idle time-out.
            let start = monotonicNanoseconds()
            var most = 0
            while monotonicNanoseconds() - start < 2_500_000_000 {
                let other = try await fetcher.get(server.url(http2: http2, "/small"))
                #expect(other.text == "small")
                let statistics = try #require(await fetcher.loops[0].statistics())
                most = max(most, statistics.streamBytes)
            }
            // A window of 256 KiB, and what a few receives bring before they stop.
            #expect(most >= 256 << 10 && most <= 1 << 20, "\(most) bytes were held")
            kept.removeAll()
            let rest = try await read(stream)
            #expect(total + rest.count == Server.size)
            #expect(rest.elementsEqual(Server.content[total...]))
        }
    }

    /// A class around a piece, so that an array can hold it.
    private final class BodyPieceBox {
        let piece: BodyPiece
        init(_ piece: consuming BodyPiece) { self.piece = piece }
    }

    @Test("dropped and cancelled streams give everything back", arguments: [false, true])
    func ends(http2: Bool) async throws {
        let server = try await server()
        try await withFetcher {
            $0.caFile = server.caPath
            $0.maxResponseSizeBytes = 100 << 20
        } _: { fetcher in
            let url = try WebURL(server.url(http2: http2, "/large"))
            for _ in 0..<10 {
                var stream = try await fetcher.stream(FetchRequest(url))
                let count = try await stream.next()?.count ?? 0
                #expect(count > 0)
            }
            let pieces = Locked(0)
            let task = Task {
                var stream = try await fetcher.stream(FetchRequest(url))
                while try await stream.next() != nil { pieces.update { $0 += 1 } }
            }
            #expect(try await eventually { pieces.value > 3 })
            task.cancel()
            _ = await task.result
            let isClean = try await eventually {
                let statistics = await fetcher.loops[0].statistics()
                return statistics?.fetches == 0 && statistics?.buffersLeased == 0
            }
            #expect(isClean)
        }
    }

    @Test("decoded, chunked, cut and broken bodies")
    func kinds() async throws {
        let server = try await server()
        try await withFetcher {
            $0.maxResponseSizeBytes = 600_000
        } _: { fetcher in
            func stream(_ path: String) async throws -> FetchStream {
                try await fetcher.stream(FetchRequest(try WebURL(server.origin.url(path))))
            }
            let decoded = try await read(try await stream("/gzip"))
            #expect(decoded == [UInt8]((0..<600_000).map { UInt8(truncatingIfNeeded: $0 / 251) }))
            #expect(try await read(try await stream("/chunked")) == Array("abc".utf8))
            do {
                _ = try await read(try await stream("/short"))
                Issue.record("a body that is too short has no end")
            } catch let error as FetchError {
                #expect(error.code == "BODY_SHORT")
            }
            var cut = try await fetcher.stream(
                FetchRequest(try WebURL(server.url(http2: false, "/large"))))
            var count = 0
            while let piece = try await cut.next() { count += piece.count }
            #expect(count == 600_000 && cut.isTruncated())
            do {
                _ = try await stream("/none-such-host").status
                _ = try await fetcher.stream(FetchRequest(try WebURL("http://127.0.0.1:1/")))
                Issue.record("nobody listens there")
            } catch let error as FetchError {
                #expect(error.kind == .connect)
            }
        }
    }

    @Test("answers without a body end at once", arguments: [false, true])
    func withoutBody(http2: Bool) async throws {
        let certificates = try await onThread { try TestCertificates.shared() }
        let nginx = try await onThread {
            let site = NginxSite.Source.directives(
                """
                location /204 { return 204; }
                location /304 { return 304; }
                location /302 { return 302 /; }
                location /200 { return 200; }
                location / { return 200 body; }
                """)
            return try NginxServer([
                NginxSite(site),
                NginxSite(site, certificate: try certificates.certificate(), http2: true),
            ])
        }
        try await withFetcher {
            $0.caFile = certificates.caPath
        } _: { fetcher in
            for (method, path, status) in [
                ("GET", "/204", 204), ("GET", "/304", 304), ("GET", "/200", 200), ("HEAD", "/", 200),
                ("HEAD", "/302", 302),
            ] {
                let url = try WebURL(nginx.url(http2 ? 1 : 0) + path)
                let stream = try await fetcher.stream(FetchRequest(url, method: method))
                #expect(stream.status == status && !stream.headers.isEmpty && stream.isHTTP2 == http2)
                #expect(try await read(stream).isEmpty)
            }
        }
    }

    @Test("a head that is an error is thrown, a folded field is one line")
    func heads() async throws {
        let origin = try ScriptedOrigin([
            "/coding": .response(headers: [("Content-Encoding", "banana")], body: [1]),
            "/folded": [.text("HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\nContent-Length: 0\r\n\r\n")],
        ])
        try await withFetcher { fetcher in
            do {
                _ = try await fetcher.stream(FetchRequest(try WebURL(origin.url("/coding")))).status
                Issue.record("nobody can decode that")
            } catch let error as FetchError {
                #expect(error.code == "DECODE_UNKNOWN")
            }
            let folded = try await fetcher.stream(FetchRequest(try WebURL(origin.url("/folded"))))
            #expect(folded.header("x-a") == "one   two")
        }
    }

    @Test("a stream that is cancelled on its loop before it starts sends nothing")
    func cancelledEarly() async throws {
        let origin = try ScriptedOrigin { _ in [.hold] }
        try await withFetcher { fetcher in
            let loop = fetcher.loops[0]
            let url = try WebURL(origin.url("/"))
            let took = try await elapsedMs {
                let task = Task { try await loop.stream(FetchRequest(url)).status }
                loop.post { task.cancel() }
                do {
                    _ = try await task.value
                    Issue.record("nothing was answered")
                } catch let error as FetchError {
                    #expect(error.kind == .cancelled)
                }
            }
            #expect(took < 10_000)
        }
    }

    @Test("a request's own limit counts before the configuration's")
    func ownLimit() async throws {
        let server = try await server()
        try await withFetcher { fetcher in
            var request = FetchRequest(try WebURL(server.url(http2: false, "/large")))
            request.bodyBytesMax = 20 << 20
            let long = Fetched(try await fetcher.fetch(request))
            #expect(long.body.count == 20 << 20 && long.isTruncated)
            request.bodyBytesMax = 10
            let short = Fetched(try await fetcher.fetch(request))
            #expect(short.body == Array(Server.content[..<10]) && short.isTruncated)
        }
    }

    @Test("an answer below the minimum rate is given up, a fast one is not")
    func minimumRate() async throws {
        let server = try await server()
        try await withFetcher {
            $0.minRateBytesPerS = 10_000
        } _: { fetcher in
            let error = try await fetcher.failure(server.origin.url("/drip"))
            #expect(error?.kind == .slow && error?.code == "SLOW")
            #expect(try await fetcher.get(server.origin.url("/gzip")).body.count == 600_000)
        }
    }
}
