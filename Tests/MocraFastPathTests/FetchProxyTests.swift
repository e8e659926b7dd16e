// Fetches through real proxies: tinyproxy, squid and microsocks, with and without a password, to plain and
// TLS origins.
import MocraFastPath
import TestSupport
import Testing

/// Servers behind the proxies, and who they are.
private final class Behind: Sendable {
    let origin: ScriptedOrigin
    let nginx: NginxServer
    let caPath: String

    init() throws {
        let certificates = try TestCertificates.shared()
        caPath = certificates.caPath
        origin = try ScriptedOrigin { .html("page of \($0.header("host") ?? "nobody")") }
        nginx = try NginxServer([
            NginxSite(.proxy(port: origin.port), certificate: try certificates.certificate())
        ])
    }
}

@Suite("Proxies", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchProxyTests {
    struct Way: Sendable, CustomTestStringConvertible {
        var program: ProxyServer.Program
        var scheme: String
        var username: String?

        var testDescription: String {
            "\(program.rawValue) by \(scheme)\(username == nil ? "" : " as a user")"
        }

        func proxy(_ port: UInt16, password: String = "a secret") throws -> FetchProxy {
            let user =
                username.map { "\($0):\(password.split(separator: " ").joined(separator: "%20"))@" } ?? ""
            return try FetchProxy("\(scheme)://\(user)127.0.0.1:\(port)")
        }

        var server: ProxyServer {
            get throws { try ProxyServer(program, username: username, password: "a secret") }
        }
    }

    private static func ways(_ username: String?) -> [Way] {
        [
            Way(program: .squid, scheme: "http", username: username),
            Way(program: .microsocks, scheme: "socks5", username: username),
            Way(program: .microsocks, scheme: "socks5h", username: username),
        ]
    }

    // tinyproxy's configuration cannot hold a password with a space.
    static let all =
        [Way(program: .tinyproxy, scheme: "http")] + ways(nil) + ways("someone")
        + [Way(program: .tinyproxy, scheme: "http", username: "someone")]

    private func start(_ way: Way) async throws -> (Behind, ProxyServer, FetchProxy) {
        let password = way.program == .tinyproxy ? "secret" : "a secret"
        let (behind, server) = try await onThread {
            (
                try Behind(),
                try ProxyServer(way.program, username: way.username, password: password)
            )
        }
        return (behind, server, try way.proxy(server.port, password: password))
    }

    @Test("carry plain and TLS fetches, over connections that are used again", arguments: all)
    func carry(way: Way) async throws {
        let (behind, server, proxy) = try await start(way)
        try await withFetcher { configuration in
            configuration.proxy = FetchProxyRules(proxy)
            configuration.caFile = behind.caPath
        } _: { fetcher in
            for host in ["127.0.0.1", "localhost"] {
                let plain = try await fetcher.get("http://\(host):\(behind.origin.port)/")
                #expect(plain.text == "page of \(host):\(behind.origin.port)")
                let secure = try await fetcher.get("https://\(host):\(behind.nginx.ports[0])/")
                #expect(secure.status == 200 && secure.timing.proxyUs > 0 && secure.timing.tlsUs > 0)
                let again = try await fetcher.get("https://\(host):\(behind.nginx.ports[0])/")
                #expect(again.timing.reusedConnection && again.timing.proxyUs == 0)
            }
            for request in behind.origin.requests {
                #expect(request.header("proxy-authorization") == nil)
                #expect(!request.head.contains("c29tZW9uZ"))
            }
            // No address of the origin is connected to by ourselves.
            #expect(try connectionCount(toPort: behind.origin.port) == 0)
        }
        server.stop()
    }

    @Test("refuse a wrong password, and none", arguments: all.filter { $0.username != nil })
    func wrongPassword(way: Way) async throws {
        let (behind, server, _) = try await start(way)
        let none = try FetchProxy("\(way.scheme)://127.0.0.1:\(server.port)")
        try await withFetcher { fetcher in
            for proxy in [try way.proxy(server.port, password: "wrong"), none] {
                // tinyproxy answers a wrong password in absolute form with 401, as an origin would.
                let plain = way.program == .tinyproxy ? [] : ["http://127.0.0.1:\(behind.origin.port)/"]
                for url in plain + [behind.nginx.url()] {
                    var request = FetchRequest(try WebURL(url))
                    request.proxy = .through(proxy)
                    let error = await #expect(throws: FetchError.self) {
                        _ = try await fetcher.fetch(request).status
                    }
                    #expect(error?.kind == .proxy && error?.isRetryable == true)
                    // microsocks closes the connection of a client that offers no password.
                    #expect(error?.code == "PROXY_AUTH" || error?.code == "PROXY_PROTOCOL", "\(url)")
                    #expect(error?.message.contains("secret") == false)
                }
            }
            #expect(behind.origin.counts.accepted == 0)
        }
    }

    @Test("say when the origin cannot be reached", arguments: ways(nil))
    func originDown(way: Way) async throws {
        let (behind, server, proxy) = try await start(way)
        let closed = try RefusedPort()
        try await withFetcher { configuration in
            configuration.proxy = FetchProxyRules(proxy)
        } _: { fetcher in
            let error = try await fetcher.failure("https://127.0.0.1:\(closed.port)/")
            #expect(error?.code == "PROXY_REFUSED", "\(String(describing: error))")
        }
        server.stop()
        _ = behind
    }

    @Test("that are down are proxy errors", arguments: ["http", "socks5", "socks5h"])
    func down(scheme: String) async throws {
        let closed = try RefusedPort()
        let full = try FullBacklogPort()
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 400
        } _: { fetcher in
            for (place, code) in [
                ("127.0.0.1:\(closed.port)", "PROXY_CONNECT"), ("127.0.0.1:\(full.port)", "PROXY_TIMEOUT"),
            ] {
                var request = FetchRequest(try WebURL("https://127.0.0.1/"))
                request.proxy = .through(try FetchProxy("\(scheme)://\(place)"))
                let error = await #expect(throws: FetchError.self) {
                    _ = try await fetcher.fetch(request).status
                }
                #expect(error?.code == code && error?.kind == .proxy && error?.isRetryable == true)
            }
        }
    }

    @Test("are passed by for excepted hosts and for requests that want none")
    func exceptions() async throws {
        let origin = try ScriptedOrigin { _ in .html("direct") }
        let proxy = try ScriptedOrigin { _ in .html("by proxy") }
        try await withFetcher { configuration in
            configuration.proxy = FetchProxyRules(
                try! FetchProxy("127.0.0.1:\(proxy.port)"), exceptions: "localhost")
        } _: { fetcher in
            #expect(try await fetcher.get(origin.url("/")).text == "by proxy")
            #expect(try await fetcher.get("http://localhost:\(origin.port)/").text == "direct")
            var request = FetchRequest(try WebURL(origin.url("/")))
            request.proxy = .direct
            #expect(Fetched(try await fetcher.fetch(request)).text == "direct")
        }
    }
}
