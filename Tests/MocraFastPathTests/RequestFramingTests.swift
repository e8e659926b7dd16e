// What may not go out as one request, names and passwords in URLs, and work that comes after the end.
import MocraFastPath
import TestSupport
import Testing

@Suite("Requests", .needsRing)
struct RequestFramingTests {
    @Test(
        "that could be read as two, or as another one, are refused",
        arguments: [
            HTTPField("Transfer-Encoding", "chunked"), HTTPField("content-length", "0"),
            HTTPField("Content-Length", "3, 3"), HTTPField("X", "a\r\nB: c"), HTTPField("X Y", "z"),
            HTTPField("", "z"), HTTPField("X", "a\0b"),
        ])
    func smuggling(field: HTTPField) async throws {
        try await withFetcher { fetcher in
            let url = try WebURL("http://127.0.0.1:1/")
            let request = FetchRequest(url, method: "POST", headers: [field], body: Array("abc".utf8))
            let error = await #expect(throws: FetchError.self) { try await fetcher.fetch(request).status }
            #expect(error?.kind == .config)
        }
    }

    @Test("with two Host fields are refused, with one it is the one that goes out")
    func host() async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { fetcher in
            let url = try WebURL(origin.url("/"))
            let twice = [HTTPField("Host", "a.test"), HTTPField("host", "b.test")]
            await #expect(throws: FetchError.self) {
                try await fetcher.fetch(FetchRequest(url, headers: twice)).status
            }
            _ = try await fetcher.get(origin.url("/"), headers: [HTTPField("Host", "a.test")])
            #expect(origin.requests.map { $0.header("host") } == ["a.test"])
        }
    }

    @Test("have a time limit that is brought into its range", arguments: [Int.max, 86_400_001])
    func hugeTimeout(timeoutMs: Int) async throws {
        let origin = try ScriptedOrigin { _ in .html("ok") }
        try await withFetcher { fetcher in
            #expect(try await fetcher.get(origin.url("/"), timeoutMs: timeoutMs).status == 200)
            let none = try await fetcher.failure(origin.url("/"), timeoutMs: .min)
            #expect(none?.kind == .timeoutTotal)
        }
    }

    @Test(
        "go to a URL without the name and password in it",
        arguments: [
            ("http://me:secret@a.test:81/p?q#f", "http://a.test:81/p?q#f"),
            ("https://me@a.test/", "https://a.test/"), ("http://a.test/@", "http://a.test/@"),
            ("http://:x@[::1]/", "http://[::1]/"),
        ])
    func withoutCredentials(text: String, bare: String) throws {
        let full = try WebURL(text)
        let url = full.withoutCredentials
        let wanted = try WebURL(bare)
        #expect(url == wanted && !url.hasCredentials)
        #expect(url.host == wanted.host && url.port == wanted.port && url.fragment == wanted.fragment)
        #expect(url.requestTarget == wanted.requestTarget)
        #expect(full.hasCredentials == (text != bare))
    }

    /// Lives on a loop, also when that is gone.
    private actor Resident {
        private let loop: RingLoop
        private var count = 0

        nonisolated var unownedExecutor: UnownedSerialExecutor {
            unsafe loop.serialExecutor.asUnownedSerialExecutor()
        }

        init(_ loop: RingLoop) { self.loop = loop }

        func visit() -> Int {
            count += 1
            return count
        }
    }

    @Test("and work that come after the end of their loop are answered, one at a time")
    func afterTheEnd() async throws {
        let fetcher = try Fetcher(anyAddress())
        let loop = fetcher.loops[0]
        let resident = Resident(loop)
        #expect(await resident.visit() == 1)
        await fetcher.shutdown()
        #expect(await resident.visit() == 2)
        let count = Locked(0)
        for _ in 0..<100 {
            loop.post { resident.assumeIsolated { _ in count.set(count.value + 1) } }
        }
        #expect(try await eventually { count.value == 100 })
        let late = try await fetcher.failure("http://127.0.0.1:1/")
        #expect(late?.code == "CLOSED")
    }
}
