// Requests with content: whole, asked for first, and made while it is sent; over HTTP/1.1, TLS and HTTP/2.
import Foundation
import MocraFastPath
import TestSupport
import Testing

@Suite("Request content", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchContentTests {
    /// How a request travels.
    enum Way: Int, CaseIterable, Sendable { case plain, tls, http2 }

    /// nginx in front of an origin that echoes, and once more with a small limit.
    private final class Servers: Sendable {
        let echo: ScriptedOrigin
        let nginx: NginxServer
        let caPath: String

        init() throws {
            let certificates = try TestCertificates.shared()
            caPath = certificates.caPath
            echo = try ScriptedOrigin { .response(body: $0.body) }
            let site = NginxSite.Source.directives(
                """
                client_max_body_size 0;
                location / {
                    proxy_pass http://127.0.0.1:\(echo.port);
                    proxy_http_version 1.1;
                }
                location /limited { client_max_body_size 1k; proxy_pass http://127.0.0.1:\(echo.port); }
                """)
            let certificate = try certificates.certificate()
            nginx = try NginxServer([
                NginxSite(site), NginxSite(site, certificate: certificate),
                NginxSite(site, certificate: certificate, http2: true),
            ])
        }

        func request(_ way: Way, _ path: String, _ change: (inout FetchRequest) -> Void) throws
            -> FetchRequest
        {
            var request = FetchRequest(try WebURL(nginx.url(way.rawValue) + path), method: "POST")
            change(&request)
            return request
        }
    }

    private static let shared = Task { try await onThread { try Servers() } }

    private func with(_ body: (Fetcher, Servers) async throws -> Void) async throws {
        let servers = try await Self.shared.value
        try await withFetcher {
            $0.caFile = servers.caPath
        } _: { fetcher in
            try await body(fetcher, servers)
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.fetches == 0 && statistics.buffersLeased == 0)
        }
    }

    /// Pieces of content of odd sizes, `count` bytes in all.
    private static func pieces(of content: [UInt8], length: Int?) -> FetchContent {
        let position = Locked(0)
        return FetchContent(length: length) {
            let start = position.value
            guard start < content.count else { return nil }
            let end = min(content.count, start + 1 + (start &* 7919) % 70_000)
            position.set(end)
            // Sometimes it takes a moment.
            if start % 3 == 0 { await Task.yield() }
            return Array(content[start..<end])
        }
    }

    private static let content = (0..<1_500_000).map { UInt8(truncatingIfNeeded: $0 >> 8 &+ $0) }

    @Test("content made while it is sent arrives whole", arguments: Way.allCases, [true, false])
    func streamed(_ way: Way, isLengthKnown: Bool) async throws {
        try await with { fetcher, servers in
            for _ in 0..<2 {
                let request = try servers.request(way, "/") {
                    $0.content = Self.pieces(
                        of: Self.content, length: isLengthKnown ? Self.content.count : nil)
                }
                let response = Fetched(try await fetcher.fetch(request))
                #expect(response.status == 200 && response.isHTTP2 == (way == .http2))
                #expect(response.body == Self.content)
            }
            let next = try await fetcher.get(servers.nginx.url(way.rawValue) + "/", method: "POST", body: [1])
            #expect(next.body == [1] && next.timing.reusedConnection)
        }
    }

    @Test("no content at all, and content in two places", arguments: Way.allCases)
    func edges(_ way: Way) async throws {
        try await with { fetcher, servers in
            let empty = try servers.request(way, "/") { $0.content = FetchContent { nil } }
            #expect(Fetched(try await fetcher.fetch(empty)).body.isEmpty)
            let both = try servers.request(way, "/") {
                $0.body = [1]
                $0.content = FetchContent { nil }
            }
            do {
                _ = try await fetcher.fetch(both).status
                Issue.record("a request has its content in one place")
            } catch let error as FetchError {
                #expect(error.kind == .config)
            }
        }
    }

    @Test("content that fails, or has another length than it said, ends the fetch", arguments: Way.allCases)
    func failing(_ way: Way) async throws {
        struct Broken: Error {}
        try await with { fetcher, servers in
            let broken = try servers.request(way, "/") { $0.content = FetchContent { throw Broken() } }
            let short = try servers.request(way, "/") {
                $0.content = Self.pieces(of: [1, 2, 3], length: 4)
            }
            for request in [broken, short] {
                do {
                    _ = try await fetcher.fetch(request).status
                    Issue.record("there is no such content")
                } catch let error as FetchError {
                    #expect(error.code == "CONTENT" && !error.isRetryable, "\(error)")
                }
            }
        }
    }

    @Test("a cancelled upload ends", arguments: Way.allCases)
    func cancelled(_ way: Way) async throws {
        try await with { fetcher, servers in
            let asked = Locked(0)
            let request = try servers.request(way, "/") {
                $0.content = FetchContent {
                    asked.update { $0 += 1 }
                    return [UInt8](repeating: 1, count: 10_000)
                }
            }
            let task = Task { try await fetcher.fetch(request).status }
            #expect(try await eventually { asked.value > 200 })
            task.cancel()
            await #expect(throws: FetchError.self) { try await task.value }
        }
    }

    @Test("whoever makes the content is cancelled when the fetch is over", arguments: Way.allCases)
    func endsItsMaker(_ way: Way) async throws {
        try await with { fetcher, servers in
            let ended = Locked(false)
            var request = try servers.request(way, "/") {
                $0.content = FetchContent {
                    defer { ended.set(true) }
                    // tidy: allow sleep because it stands for a maker that has nothing to give for long.
                    try await Task.sleep(for: .seconds(600))
                    return nil
                }
            }
            request.timeoutMs = 300
            do {
                _ = try await fetcher.fetch(request).status
                Issue.record("there was no content to answer to")
            } catch {
                #expect((error as? FetchError)?.kind == .timeoutTotal)
            }
            #expect(try await eventually { ended.value })
        }
    }

    @Test("the time-out for an answer begins when the content is there", arguments: Way.allCases)
    func longUpload(_ way: Way) async throws {
        let servers = try await Self.shared.value
        try await withFetcher {
            $0.caFile = servers.caPath
            $0.firstByteTimeoutMs = 1_000
        } _: { fetcher in
            let sent = Locked(0)
            let request = try servers.request(way, "/") {
                $0.content = FetchContent {
                    guard sent.value < 6 else { return nil }
                    sent.update { $0 += 1 }
                    // tidy: allow sleep because the upload is to take longer than the time-out.
                    try await Task.sleep(for: .milliseconds(300))
                    return [UInt8(sent.value)]
                }
            }
            let response = Fetched(try await fetcher.fetch(request))
            #expect(response.body == [1, 2, 3, 4, 5, 6])
        }
    }

    @Test("the server is asked before content is sent, and may refuse it", arguments: Way.allCases)
    func expects(_ way: Way) async throws {
        try await with { fetcher, servers in
            let accepted = try servers.request(way, "/") {
                $0.body = Self.content
                $0.expectsContinue = true
            }
            // nginx says 100 Continue at once; without it each of these would take a second.
            var quickestMs = Int.max
            for _ in 0..<8 where quickestMs >= 950 {
                let took = try await elapsedMs {
                    let response = Fetched(try await fetcher.fetch(accepted))
                    #expect(response.body == Self.content)
                }
                quickestMs = min(quickestMs, took)
            }
            #expect(quickestMs < 950 || way == .http2, "\(quickestMs) ms")
            let refused = try servers.request(way, "/limited") {
                $0.body = Self.content
                $0.expectsContinue = true
            }
            let response = Fetched(try await fetcher.fetch(refused))
            #expect(response.status == 413)
        }
    }

    @Test("a server that never says 100 Continue gets the content after a second")
    func silent() async throws {
        try await with { fetcher, servers in
            var request = FetchRequest(try WebURL(servers.echo.url("/")), method: "POST")
            request.body = Array("after a while".utf8)
            request.expectsContinue = true
            let took = try await elapsedMs {
                let response = Fetched(try await fetcher.fetch(request))
                #expect(response.text == "after a while")
            }
            #expect(took >= 990)
        }
    }
}
