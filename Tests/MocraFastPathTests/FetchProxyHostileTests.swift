// Proxies that do not do what they should, and what a proxy is told: scripted, on loopback.
import MocraFastPath
import TestSupport
import Testing

@Suite("Scripted proxies", .needsRing, .timeLimit(.minutes(10)))
struct FetchProxyHostileTests {
    private func error(
        _ fetcher: Fetcher, _ url: String, _ proxy: String, isTrusted: Bool = false
    ) async throws -> FetchError? {
        var request = FetchRequest(try WebURL(url))
        request.proxy = .through(try FetchProxy(proxy, isTrusted: isTrusted))
        do {
            let response = try await fetcher.fetch(request)
            Issue.record("\(url) gave \(response.status)")
            return nil
        } catch {
            return error
        }
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        var name: String
        var script: Script
        var code: String
        var testDescription: String { name }
    }

    static let connectFaults: [Fault] = [
        Fault(name: "close", script: [.close], code: "PROXY_PROTOCOL"),
        Fault(name: "reset", script: [.reset], code: "PROXY_PROTOCOL"),
        Fault(name: "half an answer", script: [.text("HTTP/1.1 200 O"), .close], code: "PROXY_PROTOCOL"),
        Fault(name: "garbage", script: .garbage, code: "PROXY_PROTOCOL"),
        Fault(name: "407", script: .response(407), code: "PROXY_AUTH"),
        Fault(name: "502", script: .html("no", status: 502), code: "PROXY_REFUSED"),
        Fault(name: "endless fields", script: .endlessHeaders(bytesMax: 64 << 20), code: "PROXY_PROTOCOL"),
        Fault(
            name: "endless interim answers",
            script: [.sendRepeatedly(Array("HTTP/1.1 100 Go on\r\n\r\n".utf8), bytesMax: 64 << 20)],
            code: "PROXY_PROTOCOL"),
        Fault(
            name: "bytes behind", script: [.text("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), .hold],
            code: "PROXY_PROTOCOL"),
        Fault(name: "silence", script: [.hold], code: "PROXY_TIMEOUT"),
        Fault(
            name: "a drip",
            script: .dripping(Array("HTTP/1.1 200 OK\r\n\r\n".utf8), pieceBytes: 1, pauseMs: 400),
            code: "PROXY_TIMEOUT"),
        Fault(
            name: "a tunnel to nowhere", script: [.text("HTTP/1.1 200 OK\r\n\r\n"), .hold],
            code: "TLS_TIMEOUT"),
        Fault(
            name: "a tunnel that ends", script: [.text("HTTP/1.1 200 OK\r\n\r\n"), .pause(ms: 30), .close],
            code: "TLS_PROTOCOL"),
    ]

    @Test("A CONNECT that goes wrong is an error in time", arguments: connectFaults)
    func connect(fault: Fault) async throws {
        let proxy = try ScriptedOrigin { _ in fault.script }
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 1_500
        } _: { fetcher in
            let error = try await error(fetcher, "https://127.0.0.1/", "http://127.0.0.1:\(proxy.port)")
            #expect(error?.code == fault.code, "\(String(describing: error))")
            #expect(proxy.requests.first?.method == "CONNECT")
        }
        #expect(try await eventually { proxy.counts.open == 0 })
    }

    static let socksFaults: [Fault] = [
        Fault(name: "close", script: [.close], code: "PROXY_PROTOCOL"),
        Fault(name: "reset", script: [.pause(ms: 20), .reset], code: "PROXY_PROTOCOL"),
        Fault(name: "half an answer", script: [.send([5]), .close], code: "PROXY_PROTOCOL"),
        Fault(name: "HTTP", script: .garbage, code: "PROXY_PROTOCOL"),
        Fault(name: "no method", script: [.send([5, 255]), .hold], code: "PROXY_AUTH"),
        Fault(name: "silence", script: [.hold], code: "PROXY_TIMEOUT"),
        Fault(name: "silence after the method", script: [.send([5, 0]), .hold], code: "PROXY_TIMEOUT"),
        Fault(
            name: "refusal", script: [.send([5, 0]), .pause(ms: 300), .send([5, 4, 0, 1]), .hold],
            code: "PROXY_REFUSED"),
        Fault(
            name: "endless", script: [.sendRepeatedly([5, 0, 0, 3], bytesMax: 64 << 20)],
            code: "PROXY_PROTOCOL"),
    ]

    @Test("A SOCKS5 negotiation that goes wrong is an error in time", arguments: socksFaults)
    func socks(fault: Fault) async throws {
        let proxy = try ScriptedOrigin(onConnect: { _ in fault.script }, answer: { _ in [.close] })
        try await withFetcher { configuration in
            configuration.connectTimeoutMs = 1_500
        } _: { fetcher in
            let error = try await error(fetcher, "http://127.0.0.1/", "socks5h://127.0.0.1:\(proxy.port)")
            #expect(error?.code == fault.code, "\(String(describing: error))")
        }
        #expect(try await eventually { proxy.counts.open == 0 })
    }

    @Test("A fetch that is cancelled during the negotiation leaves nothing behind")
    func cancelled() async throws {
        let proxy = try ScriptedOrigin { _ in [.hold] }
        try await withFetcher { fetcher in
            let task = Task { try await error(fetcher, "https://127.0.0.1/", "127.0.0.1:\(proxy.port)") }
            #expect(try await eventually { proxy.requests.count == 1 })
            task.cancel()
            let failure = try await task.value
            #expect(failure?.kind == .cancelled)
            #expect(try await eventually { proxy.counts.open == 0 })
            let statistics = await fetcher.loops[0].statistics()
            #expect(statistics?.connections == 0 && statistics?.fetches == 0)
        }
    }

    // MARK: What the proxy is told

    @Test("An HTTP proxy gets the absolute form and its own credentials, and serves many origins")
    func forward() async throws {
        let proxy = try ScriptedOrigin {
            .html("\($0.target) for \($0.header("proxy-authorization") ?? "all")")
        }
        let authority = "127.0.0.1:\(proxy.port)"
        try await withFetcher { configuration in
            configuration.poolPerHost = 1
        } _: { fetcher in
            for (url, user, credentials) in [
                ("http://one.test/a?b", "", "all"), ("http://two.test:81/", "", "all"),
                ("http://one.test/", "me:pass@", "Basic bWU6cGFzcw=="), ("http://[::1]:8/", "", "all"),
            ] {
                var request = FetchRequest(try WebURL(url))
                request.proxy = .through(try FetchProxy(user + authority))
                let fetched = Fetched(try await fetcher.fetch(request))
                #expect(fetched.text == "\(url) for \(credentials)")
            }
            #expect(proxy.counts.accepted == 2)
            // The limit of an origin is not that of a proxy.
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        do {
                            var request = FetchRequest(try WebURL("http://one.test/\(number)"))
                            request.proxy = .through(try FetchProxy(authority))
                            #expect(try await fetcher.fetch(request).status == 200)
                        } catch {
                            Issue.record(error)
                        }
                    }
                }
            }
        }
        #expect(proxy.requests.first?.header("host") == "one.test")
    }

    @Test("A 407 of a forward proxy is an error, of an origin an answer")
    func authenticationRequired() async throws {
        let server = try ScriptedOrigin { _ in .response(407) }
        try await withFetcher { fetcher in
            #expect(try await fetcher.get(server.url("/")).status == 407)
            let error = try await error(fetcher, "http://one.test/", "127.0.0.1:\(server.port)")
            #expect(error?.code == "PROXY_AUTH")
        }
    }

    @Test("A request cannot bring credentials for a proxy")
    func smuggledCredentials() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { fetcher in
            let field = HTTPField("Proxy-Authorization", "Basic eA==")
            let error = await #expect(throws: FetchError.self) {
                _ = try await fetcher.get(origin.url("/"), headers: [field])
            }
            #expect(error?.kind == .config)
            #expect(origin.counts.accepted == 0)
        }
    }

    @Test("An origin's credentials are for the tunnel's end")
    func originCredentials() async throws {
        let proxy = try ScriptedOrigin { request in
            request.method == "CONNECT" ? [.text("HTTP/1.1 200 OK\r\n\r\n")] : .html(request.target)
        }
        try await withFetcher { configuration in
            configuration.addressPolicy = .publicOnly
        } _: { fetcher in
            // Untrusted, and an address that may be connected to: the name is not handed on.
            var request = FetchRequest(
                try WebURL("http://8.8.4.4/x"), headers: [HTTPField("Authorization", "s")])
            request.proxy = .through(try FetchProxy("me:pass@127.0.0.1:\(proxy.port)"))
            #expect(Fetched(try await fetcher.fetch(request)).text == "http://8.8.4.4/x")
            let failed = try await error(fetcher, "https://8.8.4.4/", "me:pass@127.0.0.1:\(proxy.port)")
            #expect(failed != nil)
        }
        let connect = proxy.requests.first { $0.method == "CONNECT" }
        #expect(connect?.target == "8.8.4.4:443" && connect?.header("authorization") == nil)
        #expect(connect?.header("proxy-authorization") == "Basic bWU6cGFzcw==")
    }

    // MARK: Address policy

    @Test(
        "Private addresses are refused before a proxy hears of them, trusted or not",
        arguments: ["http", "https"], ["127.0.0.1", "[::1]", "10.0.0.1", "localhost"])
    func blocked(scheme: String, host: String) async throws {
        let proxy = try ScriptedOrigin { _ in .html("secret") }
        try await withFetcher { configuration in
            configuration.addressPolicy = .publicOnly
        } _: { fetcher in
            for kind in ["http", "socks5", "socks5h"] {
                let place = "\(kind)://127.0.0.1:\(proxy.port)"
                // A trusted proxy looks up names itself, so that only addresses are refused here.
                for isTrusted in host == "localhost" ? [false] : [false, true] {
                    let error = try await error(fetcher, "\(scheme)://\(host)/", place, isTrusted: isTrusted)
                    #expect(error?.kind == .blocked, "\(place): \(String(describing: error))")
                }
            }
            #expect(proxy.counts.accepted == 0)
        }
    }

    @Test("A trusted proxy is given the name")
    func trusted() async throws {
        let proxy = try ScriptedOrigin { request in
            request.method == "CONNECT" ? .response(403) : .html(request.target)
        }
        try await withFetcher { configuration in
            configuration.addressPolicy = .publicOnly
        } _: { fetcher in
            var request = FetchRequest(try WebURL("http://name.invalid/"))
            request.proxy = .through(try FetchProxy("127.0.0.1:\(proxy.port)", isTrusted: true))
            #expect(Fetched(try await fetcher.fetch(request)).text == "http://name.invalid/")
            let error = try await error(
                fetcher, "https://name.invalid/", "127.0.0.1:\(proxy.port)", isTrusted: true)
            #expect(error?.code == "PROXY_REFUSED" && error?.message.contains("403") == true)
        }
        #expect(proxy.requests.last?.target == "name.invalid:443")
    }
}
