// The connections behind the fetches: used again, bounded, thrown away when they are no good any more.
import MocraFastPath
import TestSupport
import Testing

@Suite("Connections of a fetcher", .needsRing, .timeLimit(.minutes(10)))
struct FetchConnectionTests {
    @Test("are used again")
    func reuse() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { fetcher in
            let first = try await fetcher.get(origin.url("/"))
            #expect(!first.timing.reusedConnection)
            for _ in 0..<20 {
                let timing = try await fetcher.get(origin.url("/")).timing
                #expect(timing.reusedConnection)
                #expect(timing.connectUs == 0)
                #expect(timing.totalUs >= timing.firstByteUs)
            }
            #expect(origin.counts.accepted == 1)
        }
        #expect(try await eventually { origin.counts.open == 0 })
    }

    @Test(
        "are not used again after an answer that forbids it",
        arguments: [
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nconnection: foo, Close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
            // What comes after the answer belongs to no request.
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ])
    func noReuse(answer: String) async throws {
        let origin = try ScriptedOrigin { _ in [.text(answer)] }
        try await withFetcher { fetcher in
            for _ in 0..<3 {
                let fetched = try await fetcher.get(origin.url("/"))
                #expect(fetched.text == "ok")
            }
            #expect(origin.counts.accepted == 3)
        }
    }

    @Test("that the server closed while they were idle cost no fetch")
    func staleConnections() async throws {
        let origin = try ScriptedOrigin { request in
            // Without a word about it, every connection ends after its first answer.
            .html("\(request.connection)") + [.close]
        }
        try await withFetcher { fetcher in
            for _ in 0..<50 {
                let fetched = try await fetcher.get(origin.url("/"))
                #expect(fetched.status == 200)
            }
            #expect(origin.requests.count >= 50)
        }
    }

    @Test("that break when they are used again are replaced once, for a request that may be repeated")
    func resetOnReuse() async throws {
        let origin = try ScriptedOrigin { request in
            request.indexOnConnection == 0 ? .html("first") : [.reset]
        }
        try await withFetcher { fetcher in
            for _ in 0..<20 { #expect(try await fetcher.get(origin.url("/")).text == "first") }
            do {
                // A POST may have had its effect: it is not sent twice.
                _ = try await fetcher.get(origin.url("/"), method: "POST", body: [1])
                let posts = origin.requests.count { $0.method == "POST" }
                #expect(posts == 1)
            } catch let error as FetchError {
                #expect(error.kind == .reset)
                #expect(origin.requests.count { $0.method == "POST" } == 1)
            }
        }
    }

    @Test("to one origin stay within poolPerHost", arguments: [1, 2, 5])
    func perHostBound(bound: Int) async throws {
        let origin = try ScriptedOrigin { _ in [.pause(ms: 10)] + .html("ok") }
        try await withFetcher { configuration in
            configuration.poolPerHost = bound
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<30 {
                    group.addTask { try await fetcher.get(origin.url("/\(number)")).status }
                }
                for try await status in group { #expect(status == 200) }
            }
            #expect(origin.counts.openMax == bound)
            #expect(Set(origin.requests.map(\.target)).count == 30)
        }
    }

    @Test("to all origins stay within poolSize: idle ones make room")
    func totalBound() async throws {
        let origins = try (1...6).map { try ScriptedOrigin(address: "127.0.0.\($0)") { _ in .html("ok") } }
        try await withFetcher { configuration in
            configuration.poolSize = 2
        } _: { fetcher in
            for _ in 0..<3 {
                for origin in origins { #expect(try await fetcher.get(origin.url("/")).status == 200) }
            }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<30 {
                    let origin = origins[number % origins.count]
                    group.addTask { try await fetcher.get(origin.url("/")).status }
                }
                for try await status in group { #expect(status == 200) }
            }
            #expect(try await eventually { origins.reduce(0) { $0 + $1.counts.open } <= 2 })
        }
    }

    @Test("that are idle for poolIdleMs are closed")
    func idleLimit() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { configuration in
            configuration.poolIdleMs = 100
        } _: { fetcher in
            _ = try await fetcher.get(origin.url("/"))
            #expect(try await eventually(withinMs: 5_000) { origin.counts.open == 0 })
            #expect(try await fetcher.get(origin.url("/")).status == 200)
        }
    }

    @Test("wait for no response that is held")
    func heldResponses() async throws {
        let origin = try ScriptedOrigin { request in .html(request.target) }
        try await withFetcher { configuration in
            // Fewer buffers than responses that are held at once.
            configuration.receiveBuffers = 16
        } _: { fetcher in
            try await withThrowingTaskGroup(of: String.self) { group in
                let held = Locked(0)
                for number in 0..<100 {
                    group.addTask {
                        let response = try await fetcher.fetch(
                            FetchRequest(try WebURL(origin.url("/\(number)"))))
                        held.update { $0 += 1 }
                        // Nobody lets go before all have theirs.
                        #expect(try await eventually(withinMs: 15_000) { held.value == 100 })
                        return Fetched(response).text
                    }
                }
                var texts: Set<String> = []
                for try await text in group { texts.insert(text) }
                #expect(texts == Set((0..<100).map { "/\($0)" }))
            }
        }
    }
}
