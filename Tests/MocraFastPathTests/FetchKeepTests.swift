// How long connections are kept, and where they come from.
import MocraFastPath
import TestSupport
import Testing

@Suite("Kept connections", .needsRing, .timeLimit(.minutes(10)))
struct FetchKeepTests {
    private func answer(_ keepAlive: String) -> Script {
        .response(headers: [("Keep-Alive", keepAlive)], body: [65])
    }

    @Test("Past their maximum age they are not used again")
    func age() async throws {
        let origin = try ScriptedOrigin { _ in [.pause(ms: 3)] + .html("ok") }
        try await withFetcher { configuration in
            configuration.poolMaxAgeMs = 1
        } _: { fetcher in
            for _ in 0..<3 {
                let timing = try await fetcher.get(origin.url("/")).timing
                #expect(!timing.reusedConnection)
            }
            #expect(origin.counts.accepted == 3)
        }
    }

    @Test("Idle ones end with their age")
    func idleAge() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { configuration in
            configuration.poolMaxAgeMs = 1_500
        } _: { fetcher in
            _ = try await fetcher.get(origin.url("/"))
            #expect(origin.counts.accepted == 1)
            #expect(try await eventually { origin.counts.open == 0 })
            #expect(try await fetcher.get(origin.url("/")).timing.reusedConnection == false)
        }
    }

    @Test("A server's max is counted", arguments: [("max=0", 4), ("timeout=100, max=1", 2), ("Max=3", 1)])
    func uses(hint: String, connections: Int) async throws {
        let origin = try ScriptedOrigin { _ in answer(hint) }
        try await withFetcher { fetcher in
            for _ in 0..<4 { _ = try await fetcher.get(origin.url("/")) }
            #expect(origin.counts.accepted == connections)
        }
    }

    @Test("A server's timeout ends an idle connection before the server does")
    func timeout() async throws {
        let origin = try ScriptedOrigin { _ in answer("timeout=1") }
        try await withFetcher { fetcher in
            _ = try await fetcher.get(origin.url("/"))
            #expect(try await eventually { origin.counts.open == 0 })
        }
    }

    @Test(
        "What is no hint changes nothing",
        arguments: [
            "", "timeout", "timeout=", "timeout=x, max=y", "max=99999999999999999999", "foo=1", ",,,",
        ])
    func noHint(hint: String) async throws {
        let origin = try ScriptedOrigin { _ in answer(hint) }
        try await withFetcher { fetcher in
            for _ in 0..<4 { _ = try await fetcher.get(origin.url("/")) }
            #expect(origin.counts.accepted == 1)
        }
    }

    @Test("They come from bindAddress, to addresses of its family")
    func bindAddress() async throws {
        let nginx = try await onThread {
            try NginxServer([NginxSite(.directives("return 200 $remote_addr;"))])
        }
        try await withFetcher { configuration in
            configuration.bindAddress = "127.0.0.9"
        } _: { fetcher in
            let fetched = try await fetcher.get(nginx.url() + "/")
            #expect(fetched.text == "127.0.0.9")
            #expect(try await fetcher.failure("http://[::1]:1/")?.code == "CONNECT_UNREACHABLE")
        }
        var configuration = FetchConfiguration()
        configuration.bindAddress = "eth0"
        let error = #expect(throws: FetchError.self) { _ = try Fetcher(configuration) }
        #expect(error?.message.contains("neither IPv4 nor IPv6") == true)
    }
}
