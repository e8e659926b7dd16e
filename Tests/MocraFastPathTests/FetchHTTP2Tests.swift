// HTTP/2 against a real nginx: streams, bodies both ways, limits, a server that goes away.
import Foundation
import MocraFastPath
import TestSupport
import Testing

@Suite("HTTP/2", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchHTTP2Tests {
    /// 3 MiB in which each block of 256 bytes has a value of its own. Made once: instrumented, that takes
    /// longer than a server may be silent.
    private static let large = (0..<12_288).flatMap {
        [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 256)
    }

    /// nginx with HTTP/2 in front of a scripted origin.
    private final class Server: Sendable {
        let origin: ScriptedOrigin
        let nginx: NginxServer
        let caPath: String
        var url: String { nginx.url(0) }

        init(directives: String = "") throws {
            let certificates = try TestCertificates.shared()
            caPath = certificates.caPath
            let large = FetchHTTP2Tests.large
            origin = try ScriptedOrigin { request in
                switch request.target {
                case "/large": .response(body: large)
                case "/echo": .response(body: request.body)
                case "/gzip":
                    .response(
                        headers: [("Content-Encoding", "gzip")],
                        body: (try? Gzip.compress(Array("compressed".utf8))) ?? [])
                case "/empty": .response(204)
                case "/hang": [.hold]
                default: .html("page \(request.target)")
                }
            }
            nginx = try NginxServer([
                NginxSite(
                    .directives(
                        """
                        \(directives)
                        location / {
                            proxy_pass http://127.0.0.1:\(origin.port);
                            proxy_http_version 1.1;
                        }
                        """),
                    certificate: try certificates.certificate(), http2: true)
            ])
        }
    }

    @Test("every kind of answer, over one connection")
    func answers() async throws {
        let server = try await onThread { try Server() }
        try await withFetcher {
            $0.caFile = server.caPath
        } _: { fetcher in
            let first = try await fetcher.get(server.url + "/a")
            #expect(first.isHTTP2 && first.status == 200 && first.text == "page /a")
            #expect(first.timing.tlsUs > 0 && first.timing.firstByteUs > 0 && !first.timing.reusedConnection)
            #expect(first.fields.contains(HTTPField("content-type", "text/html; charset=utf-8")))
            let large = try await fetcher.get(server.url + "/large")
            #expect(large.isHTTP2 && large.timing.reusedConnection)
            #expect(large.body == Self.large)
            #expect(try await fetcher.get(server.url + "/gzip").text == "compressed")
            #expect(try await fetcher.get(server.url + "/empty").status == 204)
            let head = try await fetcher.get(server.url + "/a", method: "HEAD")
            #expect(head.status == 200 && head.body.isEmpty)
            // Larger than the window that the server opens at first.
            let content = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let echoed = try await fetcher.get(server.url + "/echo", method: "POST", body: content)
            #expect(echoed.body == content)
        }
        let log = try await settled(6) { try server.nginx.accessLog() }
        #expect(log.count == 6 && Set(log.map(\.connection)).count == 1)
        #expect(log.allSatisfy { $0.request.hasSuffix("HTTP/2.0") })
    }

    @Test("hundreds of fetches at once share the connections that there are")
    func multiplexes() async throws {
        let server = try await onThread { try Server() }
        try await withFetcher {
            $0.caFile = server.caPath
            $0.poolPerHost = 2
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<400 {
                    group.addTask {
                        let fetched = try await fetcher.get(server.url + "/\(number)")
                        #expect(fetched.isHTTP2 && fetched.text == "page /\(number)")
                    }
                }
                try await group.waitForAll()
            }
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.connections <= 2 && statistics.fetches == 0 && statistics.buffersLeased == 0)
        }
        let log = try await settled(400) { try server.nginx.accessLog() }
        #expect(log.count == 400 && Set(log.map(\.connection)).count <= 2)
    }

    @Test("HTTP/1.1 where HTTP/2 is not offered or not wanted")
    func fallsBack() async throws {
        let server = try await onThread { try Server() }
        try await withFetcher {
            $0.caFile = server.caPath
            $0.http2 = false
        } _: { fetcher in
            let fetched = try await fetcher.get(server.url + "/a")
            #expect(!fetched.isHTTP2 && fetched.text == "page /a")
        }
    }

    @Test("cancelled and timed-out streams leave the connection to the others")
    func endsStreams() async throws {
        let server = try await onThread { try Server() }
        try await withFetcher {
            $0.caFile = server.caPath
            $0.poolPerHost = 1
        } _: { fetcher in
            let hanging = Task { try await fetcher.get(server.url + "/hang") }
            #expect(try await eventually { server.origin.requests.contains { $0.target == "/hang" } })
            let late = try await fetcher.failure(server.url + "/hang", timeoutMs: 200)
            #expect(late?.kind == .timeoutTotal)
            #expect(try await fetcher.get(server.url + "/b").text == "page /b")
            hanging.cancel()
            await #expect(throws: FetchError.self) { try await hanging.value }
            #expect(try await fetcher.get(server.url + "/c").text == "page /c")
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.connections == 1 && statistics.fetches == 0)
        }
    }

    @Test("a server that says goodbye after some requests loses none")
    func goesAway() async throws {
        let server = try await onThread { try Server(directives: "keepalive_requests 5;") }
        try await withFetcher {
            $0.caFile = server.caPath
            $0.poolPerHost = 2
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<60 {
                    group.addTask {
                        let fetched = try await fetcher.get(server.url + "/\(number)")
                        #expect(fetched.text == "page /\(number)")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a body is cut at its limit and the connection goes on")
    func cuts() async throws {
        let server = try await onThread { try Server() }
        try await withFetcher {
            $0.caFile = server.caPath
            $0.maxResponseSizeBytes = 100_000
            $0.poolPerHost = 1
        } _: { fetcher in
            let cut = try await fetcher.get(server.url + "/large")
            #expect(cut.isTruncated && cut.body.count == 100_000)
            let next = try await fetcher.get(server.url + "/a")
            #expect(next.text == "page /a" && next.timing.reusedConnection)
        }
    }

    @Test("the server's limit of streams is kept")
    func keepsTheServersLimit() async throws {
        let server = try await onThread { try Server(directives: "http2_max_concurrent_streams 3;") }
        try await withFetcher {
            $0.caFile = server.caPath
            $0.poolPerHost = 1
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<50 {
                    group.addTask { _ = try await fetcher.get(server.url + "/\(number)") }
                }
                try await group.waitForAll()
            }
        }
        let log = try await settled(50) { try server.nginx.accessLog() }
        #expect(log.count == 50 && log.allSatisfy { $0.status == 200 })
    }
}
