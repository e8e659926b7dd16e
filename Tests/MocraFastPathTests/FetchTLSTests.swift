// TLS against a real nginx and against servers that only pretend.
import MocraFastPath
import TestSupport
import Testing

@Suite("TLS", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchTLSTests {
    /// nginx with one port for each certificate, over one origin.
    private final class Servers: Sendable {
        let origin: ScriptedOrigin
        let nginx: NginxServer
        let caPath: String
        var good: String { nginx.url(0) }
        var selfSigned: String { nginx.url(1) }
        var expired: String { nginx.url(2) }
        var notYetValid: String { nginx.url(3) }
        var otherName: String { nginx.url(4) }
        var wildcardPort: UInt16 { nginx.ports[5] }

        init() throws {
            let certificates = try TestCertificates.shared()
            caPath = certificates.caPath
            let large = [UInt8](repeating: 7, count: 3 << 20)
            let gzip = try Gzip.compress(Array("compressed".utf8))
            origin = try ScriptedOrigin([
                "/": .html("secret page"),
                "/large": .response(body: large),
                "/chunked": .chunked(["a", "b", "c"], pauseMs: 3),
                "/gzip": .response(headers: [("Content-Encoding", "gzip")], body: gzip),
                "/short": .truncated("hello", promised: 100_000),
                "/hang": [.hold],
            ])
            let source = NginxSite.Source.proxy(port: origin.port)
            nginx = try NginxServer([
                NginxSite(source, certificate: try certificates.certificate()),
                NginxSite(source, certificate: try certificates.selfSigned()),
                NginxSite(source, certificate: try certificates.certificate(for: ["127.0.0.1"], .expired)),
                NginxSite(
                    source, certificate: try certificates.certificate(for: ["127.0.0.1"], .notYetValid)),
                NginxSite(
                    source, certificate: try certificates.certificate(for: ["other.test", "127.0.0.2"])),
                NginxSite(source, certificate: try certificates.certificate(for: ["localhost"])),
            ])
        }
    }

    @Test("with a trusted certificate: every kind of body, one connection")
    func trusted() async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher { configuration in
            configuration.caFile = servers.caPath
        } _: { fetcher in
            let first = try await fetcher.get(servers.good + "/")
            #expect(first.text == "secret page")
            #expect(first.timing.tlsUs > 0 && !first.timing.reusedConnection)
            let large = try await fetcher.get(servers.good + "/large")
            #expect(large.body.count == 3 << 20 && large.body.allSatisfy { $0 == 7 })
            let chunked = try await fetcher.get(servers.good + "/chunked")
            #expect(chunked.text == "abc")
            let gzip = try await fetcher.get(servers.good + "/gzip")
            #expect(gzip.text == "compressed")
            for _ in 0..<10 {
                let again = try await fetcher.get(servers.good + "/")
                #expect(again.timing.reusedConnection && again.timing.tlsUs == 0)
            }
            let byName = try await fetcher.get("https://localhost:\(servers.wildcardPort)/")
            #expect(byName.text == "secret page")
        }
        let log = try servers.nginx.accessLog().filter { $0.port == Int(servers.nginx.ports[0]) }
        #expect(Set(log.map(\.connection)).count == 1)
    }

    @Test("needs no more than one receive buffer, whoever else wants it", arguments: [1, 2, 16])
    func fewBuffers(count: Int) async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher { configuration in
            configuration.caFile = servers.caPath
            configuration.receiveBuffers = count
            configuration.poolPerHost = 8
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        // Plain ones beside them: their buffers are offered to the kernel.
                        let origin = number % 3 == 0 ? servers.origin.url() : servers.good + "/"
                        let fetched = try await fetcher.get(origin + (number % 3 == 1 ? "large" : ""))
                        #expect(fetched.body.count == (number % 3 == 1 ? 3 << 20 : "secret page".utf8.count))
                    }
                }
                try await group.waitForAll()
            }
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.fetches == 0 && statistics.buffersLeased == 0)
        }
    }

    @Test("hundreds of servers that never shake hands hold up nobody else for long")
    func silentServers() async throws {
        let servers = try await onThread { try Servers() }
        let silent = try ScriptedOrigin(onConnect: { _ in [.hold] }, answer: { _ in [.close] })
        try await withFetcher { configuration in
            configuration.caFile = servers.caPath
            configuration.connectTimeoutMs = 120_000
            configuration.timeoutMs = 120_000
            configuration.poolPerHost = 600
        } _: { fetcher in
            // More than are under way at once on one loop.
            let request = FetchRequest(try WebURL("https://127.0.0.1:\(silent.port)/"))
            let stuck = (0..<600).map { _ in Task { try? await fetcher.fetch(request).status } }
            #expect(try await eventually(withinMs: 30_000) { silent.counts.open == 600 })
            let tookMs = try await elapsedMs {
                let fetched = try await fetcher.get(servers.good + "/")
                #expect(fetched.text == "secret page")
            }
            #expect(tookMs < 60_000)
            // Those that wait for their turn are given up like the others.
            for task in stuck { task.cancel() }
            for task in stuck { #expect(await task.value == nil) }
            #expect(try await eventually(withinMs: 20_000) { silent.counts.open == 0 })
            let isAtRest = try await eventually(withinMs: 20_000) {
                guard let now = await fetcher.loops[0].statistics() else { return false }
                return now.fetches == 0 && now.connections == 1 && now.buffersLeased == 0
            }
            #expect(isAtRest)
        }
    }

    @Test("a server that speaks before its handshake began is refused, waiting or not")
    func earlySpeech() async throws {
        let silent = try ScriptedOrigin(onConnect: { _ in [.hold] }, answer: { _ in [.close] })
        let early = try ScriptedOrigin(
            address: "127.0.0.2", onConnect: { _ in [.text("220 ready\r\n"), .hold] },
            answer: { _ in [.close] })
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 120_000
            configuration.poolPerHost = 600
        } _: { fetcher in
            let request = FetchRequest(try WebURL("https://127.0.0.1:\(silent.port)/"))
            let stuck = (0..<600).map { _ in Task { try? await fetcher.fetch(request).status } }
            #expect(try await eventually(withinMs: 30_000) { silent.counts.open == 600 })
            let error = try await fetcher.failure("https://127.0.0.2:\(early.port)/")
            #expect(error?.code == "TLS_PROTOCOL", "\(String(describing: error))")
            for task in stuck { task.cancel() }
            for task in stuck { #expect(await task.value == nil) }
        }
    }

    @Test("refuses what cannot be verified, and sends no request")
    func refused() async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher { configuration in
            configuration.caFile = servers.caPath
        } _: { fetcher in
            for (url, code) in [
                (servers.selfSigned, "TLS_UNTRUSTED"), (servers.expired, "TLS_EXPIRED"),
                (servers.notYetValid, "TLS_EXPIRED"), (servers.otherName, "TLS_NAME"),
                ("https://localhost:\(servers.nginx.ports[4])", "TLS_NAME"),
            ] {
                let error = try await fetcher.failure(url + "/")
                #expect(error?.kind == .tls && error?.code == code, "\(url): \(String(describing: error))")
                #expect(error?.isRetryable == false, "\(url)")
                #expect(error?.message.contains("\n") == false, "\(url)")
            }
        }
        #expect(servers.origin.requests.isEmpty)
        #expect(try servers.nginx.accessLog().isEmpty)
    }

    @Test("does not trust the tests' authority without being told to")
    func systemStore() async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher { fetcher in
            let error = try await fetcher.failure(servers.good + "/")
            #expect(error?.kind == .tls && error?.code == "TLS_UNTRUSTED")
        }
    }

    @Test("verifies nothing when it is told to")
    func withoutVerification() async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher { configuration in
            configuration.verifyTLS = false
        } _: { fetcher in
            for url in [servers.good, servers.selfSigned, servers.expired, servers.otherName] {
                let fetched = try await fetcher.get(url + "/")
                #expect(fetched.text == "secret page", "\(url)")
            }
        }
    }

    @Test("A CA file that is missing or holds no certificate is refused at the start")
    func badAuthorityFile() async throws {
        let directory = try TemporaryDirectory()
        let paths = [
            directory.file("missing.pem"), try directory.write("text.pem", "no certificate\n"),
            directory.path,
        ]
        for path in paths {
            var configuration = FetchConfiguration()
            configuration.caFile = path
            let error = #expect(throws: FetchError.self) { _ = try Fetcher(configuration) }
            #expect(error?.kind == .config && error?.code == "TLS_CA_FILE", "\(String(describing: error))")
            #expect(error?.message.contains(path) == true, "\(error?.message ?? "")")
        }
    }

    @Test("Servers that speak no TLS, or stop in the middle, are tls or reset errors")
    func noTLS() async throws {
        let starts: [Script] = [
            [.text("HTTP/1.1 400 Bad Request\r\n\r\n"), .close],
            [.pause(ms: 10), .close],
            [.pause(ms: 10), .reset],
            // A record head that promises a handshake of 16 KiB, then nothing like it.
            [.send([0x16, 3, 3, 0x40, 0] + [UInt8](repeating: 0xaa, count: 20_000)), .close],
        ]
        let origins = try starts.map { start in
            try ScriptedOrigin(onConnect: { _ in start }, answer: { _ in [.close] })
        }
        try await withFetcher { fetcher in
            for origin in origins {
                let error = try await fetcher.failure("https://127.0.0.1:\(origin.port)/")
                #expect(error?.kind == .tls || error?.kind == .reset, "\(String(describing: error))")
            }
        }
    }

    @Test("A body cut short, and deadlines, are what they are without TLS")
    func failuresInside() async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher { configuration in
            configuration.caFile = servers.caPath
            configuration.firstByteTimeoutMs = 300
        } _: { fetcher in
            let short = try await fetcher.failure(servers.good + "/short")
            #expect(short?.kind == .reset, "\(String(describing: short))")
            let hang = try await fetcher.failure(servers.good + "/hang")
            #expect(hang?.kind == .timeoutFirstByte)
            let after = try await fetcher.get(servers.good + "/")
            #expect(after.text == "secret page")
        }
    }

    @Test("100 fetches at once, on two loops")
    func manyAtOnce() async throws {
        let servers = try await onThread { try Servers() }
        try await withFetcher(loops: 2) { configuration in
            configuration.caFile = servers.caPath
            configuration.poolPerHost = 20
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<100 {
                    let path = number % 10 == 0 ? "/large" : "/"
                    group.addTask { try await fetcher.get(servers.good + path).body.count }
                }
                var bytes = 0
                for try await count in group { bytes += count }
                #expect(bytes == 10 * (3 << 20) + 90 * "secret page".utf8.count)
            }
        }
    }
}
