// The retry table, Retry-After and HTTP dates, the verdict after a fetch, and host patterns: pure functions.

import MocraFastPath
import Testing

@testable import MocraEngine

@Suite("Retries")
struct FrontierRetryTests {
    private let generous = RetryPolicy(requestMaxRetries: 100)

    @Test(arguments: ErrorKind.allCases) func `each kind is tried as often as the table says`(kind: ErrorKind)
    {
        let expected: [ErrorKind: Int] = [
            .dns: 3, .connect: 3, .reset: 3, .timeoutConnect: 3, .timeoutFirstByte: 3, .timeoutIdle: 3,
            .timeoutTotal: 3, .slow: 3, .tls: 1, .http429: 5, .http503: 5, .http5xx: 3, .proxy: 3, .parse: 1,
            .generate: 1, .middleware: 1, .hang: 1,
        ]
        var retries = 0
        while generous.decide(kind, retriesSoFar: retries, random: 0) != .giveUp { retries += 1 }
        #expect(retries == expected[kind, default: 0])
        #expect(generous.decide(kind, isRetryable: false, retriesSoFar: 0, random: 0) == .giveUp)
        let none = RetryPolicy(requestMaxRetries: 0)
        #expect(none.decide(kind, retriesSoFar: 0, random: 0) == .giveUp)
    }

    @Test func `the configuration and the request bound the table, neither extends it`() {
        let two = RetryPolicy(requestMaxRetries: 2)
        #expect(two.decide(.http503, retriesSoFar: 1, random: 0) != .giveUp)
        #expect(two.decide(.http503, retriesSoFar: 2, random: 0) == .giveUp)
        #expect(generous.decide(.connect, retriesSoFar: 1, requestLimit: 1, random: 0) == .giveUp)
        #expect(generous.decide(.connect, retriesSoFar: 3, requestLimit: 50, random: 0) == .giveUp)
    }

    @Test func `backoff is exponential, capped, and fully jittered`() {
        let backoff = RetryPolicy.Backoff.exponential(baseMs: 2_000, maxMs: 300_000)
        let ceilings = [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
        for (retry, ceiling) in ceilings.enumerated() {
            #expect(RetryPolicy.waitMs(backoff, retry: retry, random: .max) == ceiling)
            #expect(RetryPolicy.waitMs(backoff, retry: retry, random: 0) == 0)
        }
        #expect(RetryPolicy.waitMs(backoff, retry: 1_000_000, random: .max) == 300_000)
        var random = RandomSource(seed: 7)
        let waits = (0..<2_000).map { _ in RetryPolicy.waitMs(backoff, retry: 0, random: random.next()) }
        #expect(waits.allSatisfy { (0...2_000).contains($0) })
        let mean = waits.reduce(0, +) / waits.count
        #expect((950...1_050).contains(mean), "not evenly spread: \(mean)")
        var again = RandomSource(seed: 7)
        #expect(waits == (0..<2_000).map { _ in RetryPolicy.waitMs(backoff, retry: 0, random: again.next()) })
    }

    // MARK: Retry-After

    private let now = WallClockInstant(milliseconds: 784_111_777_000)

    @Test(arguments: [
        ("120", 120_000), (" 5 ", 5_000), ("0", 0), ("999999999999999999999", 3_600_000),
        ("86400", 3_600_000),
        ("Sun, 06 Nov 1994 08:49:47 GMT", 10_000), ("Sunday, 06-Nov-94 08:50:37 GMT", 60_000),
        ("Sun Nov  6 08:49:38 1994", 1_000), ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("Mon, 07 Nov 1994 08:49:37 GMT", 3_600_000),
    ]) func `seconds and all three forms of a date`(field: String, expected: Int) {
        #expect(now.description == "1994-11-06T08:49:37.000Z")
        #expect(RetryAfter.waitMs(field, now: now) == expected)
    }

    @Test(arguments: [
        "", " ", "-1", "1.5", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 25:00:00 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 1994", ",", "a, b, c, d, e", "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT", "١٢",
    ]) func `anything else is no wait`(field: String) {
        #expect(RetryAfter.waitMs(field, now: now) == nil)
    }

    @Test func `the calendar agrees with itself in both directions`() {
        #expect(WallClockInstant(milliseconds: 0).description == "1970-01-01T00:00:00.000Z")
        #expect(WallClockInstant(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
        #expect(WallClockInstant(milliseconds: 951_782_400_000).description == "2000-02-29T00:00:00.000Z")
        #expect(WallClockInstant(milliseconds: 4_107_542_399_999).description == "2100-02-28T23:59:59.999Z")
        var previous = CivilDate(daysSince1970: -800_000)
        for day in Int64(-799_999)...80_000 {
            let date = CivilDate(daysSince1970: day)
            guard date.daysSince1970 == day, date.day == previous.day + 1 || date.day == 1 else {
                Issue.record("day \(day)")
                return
            }
            previous = date
        }
    }

    // MARK: The verdict

    private let policy = AnswerPolicy(retryPolicy: RetryPolicy(requestMaxRetries: 3), maxRedirects: 2)

    private func verdict(
        _ status: Int, to target: String? = nil, retryAfterMs: Int? = nil, redirects: Int = 0,
        retries: Int = 0
    ) throws -> AnswerPolicy.Verdict {
        policy.verdict(
            status: status, redirectTarget: try target.map { try WebURL($0) }, retryAfterMs: retryAfterMs,
            AnswerPolicy.Progress(redirects: redirects, retries: retries), random: .max)
    }

    @Test func `an answer's status decides`() throws {
        #expect(try verdict(200) == .parse)
        #expect(try verdict(204) == .parse)
        #expect(try verdict(304) == .status)
        #expect(try verdict(301) == .status, "a redirect without a target is a page with its status")
        #expect(try verdict(404) == .status)
        #expect(try verdict(301, to: "http://b.test/") == .redirect(try WebURL("http://b.test/")))
        #expect(
            try verdict(301, to: "http://b.test/", redirects: 1) == .redirect(try WebURL("http://b.test/")))
        guard case .fail(let failure) = try verdict(301, to: "http://b.test/", redirects: 2) else {
            Issue.record("the third redirect was followed")
            return
        }
        #expect(failure.kind == .redirectLoop)
        #expect(try verdict(500) == .retry(afterMs: 5_000, blocksHost: false))
        #expect(try verdict(500, retries: 3) == .status)
        #expect(try verdict(429) == .retry(afterMs: 5_000, blocksHost: true))
        #expect(try verdict(503, retryAfterMs: 100) == .retry(afterMs: 100, blocksHost: true))
        #expect(try verdict(429, retries: 3) == .status)
    }

    @Test func `a failure's kind decides`() {
        func verdict(_ kind: ErrorKind, isRetryable: Bool = true, localRetries: Int = 0)
            -> AnswerPolicy.Verdict
        {
            policy.verdict(
                FetchFailure(kind: kind, message: "", isRetryable: isRetryable),
                AnswerPolicy.Progress(localRetries: localRetries), random: .max)
        }
        #expect(verdict(.blocked) == .skip(.blocked))
        #expect(verdict(.connect) == .retry(afterMs: 2_000, blocksHost: false))
        #expect(verdict(.tls) == .retry(afterMs: 30_000, blocksHost: false))
        guard case .fail = verdict(.tls, isRetryable: false), case .fail = verdict(.protocol),
            case .fail = verdict(.internal, isRetryable: false),
            case .fail = verdict(.internal, localRetries: AnswerPolicy.localRetriesMax)
        else {
            Issue.record("a failure that cannot be helped was retried")
            return
        }
        #expect(verdict(.internal) == .retryLocally(afterMs: 1_000))
    }

    // MARK: Redirects

    private func pending(_ url: String) throws -> PendingRequest {
        var request = try Request(url)
        request.method = "POST"
        request.body = [1]
        request.headers = [
            HTTPField("Content-Type", "x"), HTTPField("Authorization", "x"), HTTPField("Cookie", "x"),
            HTTPField("Accept", "x"),
        ]
        return PendingRequest(request: request, moduleIndex: 0, nodeIndex: 0)
    }

    @Test(arguments: [301, 302, 303, 307, 308]) func `method, body and credentials across a redirect`(
        status: Int
    ) throws {
        let pending = try pending("http://a.test/")
        let keeps = status >= 307
        let same = Redirects.follow(pending, status: status, to: try WebURL("http://a.test/b"))
        #expect(same.request.method == (keeps ? "POST" : "GET"))
        #expect(same.request.body == (keeps ? [1] : []))
        #expect(
            same.request.headers.map(\.name) == (keeps ? ["Content-Type"] : []) + [
                "Authorization", "Cookie", "Accept",
            ])
        #expect(same.redirectChain.map(\.href) == ["http://a.test/"])
        for other in ["http://b.test/", "https://a.test/", "http://a.test:81/"] {
            let away = Redirects.follow(pending, status: status, to: try WebURL(other))
            #expect(
                away.request.headers.map(\.name) == (keeps ? ["Content-Type"] : []) + ["Accept"], "\(other)")
        }
    }

    @Test func `a Location is resolved, and what is no URL to fetch is no target`() throws {
        let base = try WebURL("http://a.test/dir/page?q#f")
        #expect(Redirects.target(of: "other#part", from: base)?.href == "http://a.test/dir/other")
        #expect(Redirects.target(of: "//b.test", from: base)?.href == "http://b.test/")
        #expect(Redirects.target(of: "ftp://b.test/", from: base) == nil)
        #expect(Redirects.target(of: "http://", from: base) == nil)
    }

    // MARK: Scope

    @Test func `host patterns`() throws {
        #expect(try HostPattern("Example.ORG").matches("example.org"))
        #expect(try !HostPattern("example.org").matches("www.example.org"))
        #expect(try HostPattern("*.example.org").matches("a.b.example.org"))
        #expect(try !HostPattern("*.example.org").matches("example.org"))
        #expect(try !HostPattern("*.example.org").matches("notexample.org"))
        #expect(try HostPattern("*").matches("anything"))
        #expect(try HostPattern("127.0.0.1").matches("127.0.0.1"))
        #expect(try HostPattern("[::1]").matches("[::1]"))
        #expect(try HostPattern("*.example.org").description == "*.example.org")
        for text in [
            "", "*.", "http://a.test", "a.test/", "a.test:80", "a.test:8080", "a*.test", "*.*.test", "a b",
            "u@a.test",
        ] {
            #expect(throws: HostPatternError(found: text)) { try HostPattern(text) }
        }
    }
}
