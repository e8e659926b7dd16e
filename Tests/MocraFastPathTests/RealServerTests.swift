// Servers that the web runs on: nginx, Apache httpd, HAProxy and Python's http.server, each with its own
// habits of framing, compression and connections. Hostile servers are in HostileOriginTests.
import Foundation
import MocraFastPath
import TestSupport
import Testing

/// Files that every server gets.
private final class Site: Sendable {
    static let text = (0..<200_000).map { "\($0 &* 7_919 % 10_007) " }.joined()
    static let largeBytes = 50 << 20

    let directory: TemporaryDirectory
    var path: String { directory.path }

    init() throws {
        directory = try TemporaryDirectory(prefix: "mocra-site")
        try directory.write("index.html", "<title>front</title>")
        try directory.write("text.txt", Self.text)
        try directory.write("large.bin", [UInt8](repeating: 7, count: Self.largeBytes))
    }
}

@Suite("Real servers", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct RealServerTests {
    // MARK: - What every server must give

    /// Whole, empty, missing and conditional answers; `posts`: the body comes back from `/echo`.
    private func expectBasics(_ url: String, _ fetcher: Fetcher, posts: Bool) async throws {
        let front = try await fetcher.get(url + "/")
        #expect(front.status == 200 && front.text == "<title>front</title>")
        let head = try await fetcher.get(url + "/text.txt", method: "HEAD")
        #expect(head.status == 200 && head.body.isEmpty)
        #expect(
            head.field("content-length") == "\(Site.text.utf8.count)" || head.field("content-encoding") != nil
        )
        let text = try await fetcher.get(url + "/text.txt")
        #expect(text.status == 200 && text.text == Site.text && !text.isTruncated)
        let missing = try await fetcher.get(url + "/missing")
        #expect(missing.status == 404 && !missing.body.isEmpty)
        let modified = try #require(text.field("last-modified"))
        let again = try await fetcher.get(
            url + "/text.txt", headers: [HTTPField("If-Modified-Since", modified)])
        #expect(again.status == 304 && again.body.isEmpty)
        if posts {
            let sent = Array(String(repeating: "posted ", count: 3_000).utf8)
            let echo = try await fetcher.get(url + "/echo", method: "POST", body: sent)
            #expect([200, 201].contains(echo.status) && echo.body == sent)
        }
        let after = try await fetcher.get(url + "/")
        #expect(after.text == "<title>front</title>")
    }

    /// Ranges and entity tags, of servers that know them.
    private func expectConditions(_ url: String, _ fetcher: Fetcher) async throws {
        let part = try await fetcher.get(
            url + "/large.bin", headers: [HTTPField("Range", "bytes=100-199")])
        #expect(part.status == 206 && part.body == [UInt8](repeating: 7, count: 100))
        #expect(part.field("content-range") == "bytes 100-199/\(Site.largeBytes)")
        let beyond = try await fetcher.get(
            url + "/large.bin", headers: [HTTPField("Range", "bytes=\(Site.largeBytes)-")])
        #expect(beyond.status == 416)
        let tag = try #require(part.field("etag"))
        let same = try await fetcher.get(url + "/large.bin", headers: [HTTPField("If-None-Match", tag)])
        #expect(same.status == 304 && same.body.isEmpty && same.field("etag") == tag)
    }

    /// 50 MiB: cut at a limit of 1 MiB, and whole.
    private func expectLargeBody(_ url: String, caFile: String? = nil) async throws {
        for limit in [1 << 20, Site.largeBytes] {
            try await withFetcher { configuration in
                configuration.maxResponseSizeBytes = limit
                configuration.caFile = caFile
                configuration.timeoutMs = 60_000
                configuration.receiveBuffers = 64
            } _: { fetcher in
                let large = try await fetcher.get(url + "/large.bin")
                #expect(large.body.count == limit && large.isTruncated == (limit < Site.largeBytes))
                #expect(large.body == [UInt8](repeating: 7, count: limit))
                let after = try await fetcher.get(url + "/")
                #expect(after.text == "<title>front</title>")
                let loop = fetcher.loops[0]
                #expect(try await eventually { await loop.statistics()?.buffersLeased == 0 })
            }
        }
    }

    // MARK: - Apache

    @Test("Apache httpd: plain, compressed in chunks, and over TLS")
    func apache() async throws {
        let (site, server, caPath) = try await onThread {
            let made = try TestCertificates.shared()
            let site = try Site()
            let sites = [
                ApacheSite(site.path), ApacheSite(site.path, deflate: true),
                ApacheSite(site.path, certificate: try made.certificate(), deflate: true),
            ]
            return (site, try ApacheServer(sites), made.caPath)
        }
        try await withFetcher {
            $0.caFile = caPath
        } _: { fetcher in
            for index in 0..<3 {
                let url = server.url(index)
                try await expectBasics(url, fetcher, posts: true)
                try await expectConditions(url, fetcher)
                let text = try await fetcher.get(url + "/text.txt")
                #expect((text.field("content-encoding") == "gzip") == (index > 0))
                #expect((text.field("transfer-encoding") == "chunked") == (index > 0))
                #expect((text.wireBytes < text.bodyBytes) == (index > 0))
            }
        }
        for port in server.ports {
            // One connection for all: the answers were read to their ends and no further. Apache's threads
            // write their lines in any order.
            let before = try await settled(11) {
                try server.accessLog().filter { $0.port == Int(port) }.map(\.requestsBefore)
            }
            #expect(before.count > 10 && before.count { $0 == 0 } == 1, "\(before)")
        }
        try await expectLargeBody(server.url(0))
        try await expectLargeBody(server.url(2), caFile: caPath)
        withExtendedLifetime(site) {}
    }

    @Test("Apache closes connections after three requests, and idle ones after a second: no fetch fails")
    func apacheKeepAlive() async throws {
        let (site, server) = try await onThread {
            let site = try Site()
            let sites = [
                ApacheSite(site.path, keepAliveRequestsMax: 2), ApacheSite(site.path, keepAliveSeconds: 1),
            ]
            return (site, try ApacheServer(sites))
        }
        try await withFetcher { fetcher in
            var reused = 0
            for _ in 0..<20 {
                let fetched = try await fetcher.get(server.url(0) + "/")
                #expect(fetched.status == 200)
                reused += fetched.timing.reusedConnection ? 1 : 0
            }
            #expect(reused == 13)
            for round in 0..<2 {
                #expect(
                    try await fetcher.get(server.url(1) + "/").timing.reusedConnection == false, "\(round)")
                #expect(try await fetcher.get(server.url(1) + "/").timing.reusedConnection, "\(round)")
                // The end of the connection is noticed while it rests.
                #expect(try await eventually { try connectionCount(toPort: server.ports[1]) == 0 })
            }
        }
        // Apache's threads write their lines in any order.
        let before = try await settled(20) {
            try server.accessLog().filter { $0.port == Int(server.ports[0]) }.map(\.requestsBefore)
        }
        #expect(before.sorted() == (0..<20).map { $0 % 3 }.sorted())
        withExtendedLifetime(site) {}
    }

    // MARK: - nginx

    @Test("nginx: plain, compressed in chunks, and over TLS; with limits on its connections")
    func nginx() async throws {
        let (site, server, caPath) = try await onThread {
            let made = try TestCertificates.shared()
            let site = try Site()
            let limited = "root \(site.path); keepalive_requests 2; keepalive_timeout 1s;"
            let folder = NginxSite.Source.folder(site.path)
            let sites = [
                NginxSite(folder), NginxSite(folder, gzip: true),
                NginxSite(folder, certificate: try made.certificate(), gzip: true),
                NginxSite(.directives(limited)),
            ]
            return (site, try NginxServer(sites), made.caPath)
        }
        try await withFetcher {
            $0.caFile = caPath
        } _: { fetcher in
            for index in 0..<3 {
                let url = server.url(index)
                try await expectBasics(url, fetcher, posts: false)
                try await expectConditions(url, fetcher)
                let text = try await fetcher.get(url + "/text.txt")
                #expect((text.field("transfer-encoding") == "chunked") == (index > 0))
            }
            for _ in 0..<10 { #expect(try await fetcher.get(server.url(3) + "/index.html").status == 200) }
            #expect(try await eventually { try connectionCount(toPort: server.ports[3]) == 0 })
            #expect(try await fetcher.get(server.url(3) + "/index.html").status == 200)
        }
        let places = try await settled(11) {
            try server.accessLog().filter { $0.port == Int(server.ports[3]) }.map(\.connectionRequests)
        }
        #expect(places == (0..<10).map { $0 % 2 + 1 } + [1])
        try await expectLargeBody(server.url(0))
        withExtendedLifetime(site) {}
    }

    // MARK: - Python

    @Test("Python's http.server, by either version of HTTP", arguments: PythonServer.Version.allCases)
    func python(version: PythonServer.Version) async throws {
        let (site, server) = try await onThread {
            let site = try Site()
            return (site, try PythonServer(site.path, version: version))
        }
        let isKept = version == .http11
        try await withFetcher { fetcher in
            try await expectBasics(server.url, fetcher, posts: true)
            let unbounded = try await fetcher.get(server.url + "/unbounded")
            #expect(unbounded.text == (0..<1_000).map { "line \($0)\n" }.joined())
            let first = try await fetcher.get(server.url + "/")
            #expect(!first.timing.reusedConnection, "the body before ended with its connection")
            #expect(try await fetcher.get(server.url + "/").timing.reusedConnection == isKept)
        }
        try await expectLargeBody(server.url)
        withExtendedLifetime(site) {}
    }

    // MARK: - HAProxy

    @Test("HAProxy in front of nginx: connections to both sides are shared, answers come through whole")
    func haproxy() async throws {
        let (site, nginx, proxy) = try await onThread {
            let site = try Site()
            let nginx = try NginxServer([NginxSite(.folder(site.path), gzip: true)])
            return (site, nginx, try HAProxyServer([HAProxySite(server: nginx.ports[0])]))
        }
        try await withFetcher {
            $0.poolPerHost = 20
        } _: { fetcher in
            try await expectBasics(proxy.url(), fetcher, posts: false)
            try await expectConditions(proxy.url(), fetcher)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<100 {
                    group.addTask { try await fetcher.get(proxy.url() + "/text.txt").text == Site.text }
                }
                for try await isWhole in group { #expect(isWhole) }
            }
        }
        try await expectLargeBody(proxy.url())
        withExtendedLifetime((site, nginx)) {}
    }

    @Test("HAProxy closes resting connections just when they are used again: no fetch fails")
    func staleConnections() async throws {
        // Both the server behind and the clock: its answers take as long as a connection may rest, or about.
        let origin = try ScriptedOrigin { request in
            request.target == "/clock" ? [.pause(ms: 8 + request.index % 5)] + .html("") : .html("fresh")
        }
        let proxy = try await onThread {
            try HAProxyServer([
                HAProxySite(server: origin.port, directives: ["timeout http-keep-alive 10ms"])
            ])
        }
        try await withFetcher { fetcher in
            var reused = 0
            for _ in 0..<100 {
                let fetched = try await fetcher.get(proxy.url() + "/")
                #expect(fetched.text == "fresh")
                reused += fetched.timing.reusedConnection ? 1 : 0
                _ = try await fetcher.get(origin.url("/clock"))
            }
            #expect(reused < 100, "no connection was closed")
        }
    }

    @Test("HAProxy's own answers: 503, 400, 408, a close without a word, and silence")
    func haproxyRefuses() async throws {
        let refused = try RefusedPort()
        let server = refused.port
        let proxy = try await onThread {
            try HAProxyServer([
                HAProxySite(server: server),
                HAProxySite(
                    server: server,
                    directives: [
                        "http-request deny deny_status 408 if { path /late }", "http-request reject",
                    ]),
                HAProxySite(server: server, directives: ["http-request silent-drop"]),
            ])
        }
        try await withFetcher {
            $0.firstByteTimeoutMs = 2_000
        } _: { fetcher in
            let gone = try await fetcher.get(proxy.url(0) + "/")
            #expect(gone.status == 503 && gone.text.contains("No server is available"))
            let large = HTTPField("X-Large", String(repeating: "x", count: 40_000))
            let bad = try await fetcher.get(proxy.url(0) + "/", headers: [large])
            #expect(bad.status == 400 && bad.text.contains("invalid request"))
            let late = try await fetcher.get(proxy.url(1) + "/late")
            #expect(late.status == 408 && late.text.contains("Request Time-out"))
            let closed = try await fetcher.failure(proxy.url(1) + "/")
            #expect(closed?.kind == .reset && closed?.isRetryable == true, "\(String(describing: closed))")
            let silent = try await fetcher.failure(proxy.url(2) + "/")
            #expect(silent?.kind == .timeoutFirstByte, "\(String(describing: silent))")
            #expect(try await fetcher.get(proxy.url(0) + "/").status == 503)
            let loop = fetcher.loops[0]
            #expect(try await eventually { await loop.statistics()?.buffersLeased == 0 })
        }
        withExtendedLifetime(refused) {}
    }

    @Test("A request with a large body asks for nothing first: no Expect is sent (RFC 9110, section 10.1.1)")
    func expectIsNotSent() async throws {
        let origin = try ScriptedOrigin { .html("\($0.body.count)") }
        try await withFetcher { fetcher in
            let body = [UInt8](repeating: 1, count: 3 << 20)
            let fetched = try await fetcher.get(origin.url("/"), method: "POST", body: body)
            #expect(fetched.text == "\(3 << 20)")
            #expect(origin.requests.first?.header("expect") == nil)
        }
    }
}

extension Fetched {
    /// The value of the first field of that name.
    fileprivate func field(_ name: String) -> String? {
        fields.first { $0.name.lowercased() == name }?.value
    }
}
