// The server over real sockets: framings, codings, pauses, counters, control places, bad requests, start and
// end.
import Foundation
import MocraDemoSite
import Testing

@Suite(.serialized) struct ServerTests {
    private func start(
        _ scenario: Scenario = .mixed, timing: DemoTiming = DemoTiming(), logPath: String? = nil,
        port: Int = 0
    ) async throws -> DemoSite {
        try await DemoSite.start(
            DemoSiteConfiguration(
                port: port, hosts: 1, pages: 10, scenario: scenario, logPath: logPath, extraPorts: 0,
                timing: timing))
    }

    private func get(
        _ site: DemoSite, _ target: String, method: String = "GET", _ fields: [String] = []
    ) throws -> PlainResponse {
        try PlainHTTPClient.get("127.0.0.1", site.port, target, method: method, fields: fields)
    }

    private func exchange(_ site: DemoSite, _ text: String) throws -> String {
        String(
            decoding: try PlainHTTPClient.exchange("127.0.0.1", site.port, Array(text.utf8)).bytes,
            as: UTF8.self)
    }

    // MARK: - Delivery

    @Test(arguments: [
        ("gzip", "gzip"), ("gzip-chunked", "gzip"), ("deflate", "deflate"), ("large-gzip", "gzip"),
    ])
    func codingsAreSentToThoseWhoAcceptThem(_ name: String, _ coding: String) async throws {
        let site = try await start()
        let target = "/served/\(name).html"
        let plain = try get(site, target)
        #expect(plain.field("content-encoding") == nil)
        #expect(String(decoding: plain.body, as: UTF8.self).hasSuffix("</html>\n"))
        let coded = try get(site, target, ["Accept-Encoding: br, \(coding)"])
        #expect(coded.field("content-encoding") == coding && coded.field("vary") == "Accept-Encoding")
        #expect(
            coded.body == (coding == "gzip" ? Compression.gzip(plain.body) : Compression.zlib(plain.body)))
        #expect(coded.body.count < plain.body.count)
        #expect(
            try get(site, target, ["Accept-Encoding: \(coding);q=0, br"]).field("content-encoding") == nil)
        await site.shutdown()
    }

    @Test func framings() async throws {
        let site = try await start()
        let chunked = try get(site, "/served/chunked.html")
        #expect(chunked.field("transfer-encoding") == "chunked" && chunked.field("content-length") == nil)
        #expect(chunked.body.count >= 8192)
        let closing = try get(site, "/served/close-delimited.html")
        #expect(closing.field("transfer-encoding") == nil && closing.field("content-length") == nil)
        #expect(closing.head.hasPrefix("HTTP/1.1 200") && closing.body.count >= 8192)
        let old = try get(site, "/served/http10.html")
        #expect(
            old.head.hasPrefix("HTTP/1.0 200") && old.field("content-length") == nil && old.body.count >= 8192
        )
        #expect(try get(site, "/served/large.html").body.count >= 1 << 20)
        #expect(try get(site, "/served/empty.html").field("content-length") == "0")
        let latin1 = try get(site, "/served/latin1.html")
        #expect(latin1.field("content-type") == "text/html; charset=ISO-8859-1" && latin1.body.contains(0xF6))
        #expect(try get(site, "/files/picture.png").body.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        await site.shutdown()
    }

    @Test func slowAndDrippingPagesTakeTheirTime() async throws {
        let site = try await start(timing: DemoTiming(slowFirstByteMs: 120, dripTotalMs: 200))
        let slow = try get(site, "/served/slow.html")
        #expect(try #require(slow.arrivals.first).ms >= 119)
        let drip = try get(site, "/served/drip.html")
        #expect(try #require(drip.arrivals.last).ms >= 199)
        #expect(drip.arrivals.count >= 5)
        let half = try #require(drip.arrivals.first { $0.bytes > drip.body.count / 2 })
        #expect(half.ms >= 80)
        await site.shutdown()
    }

    @Test func faultsHealAfterTheirNumberOfTries() async throws {
        let site = try await start(timing: DemoTiming(retryAfterSeconds: 7))
        let expected: [String: [Int]] = [
            "heals-after-1": [500, 200, 200], "heals-after-2": [500, 500, 200],
            "unavailable": [503, 200, 200],
            "too-many": [429, 200, 200], "never-heals": [500, 500, 500], "404": [404, 404, 404],
            "410": [410, 410, 410],
        ]
        for _ in 1...2 {
            for (name, statuses) in expected {
                #expect(
                    try (1...3).map { _ in try get(site, "/errors/\(name).html").status } == statuses,
                    "\(name)")
            }
            #expect(try get(site, "/_reset", method: "POST").status == 200)
        }
        #expect(try get(site, "/errors/too-many.html").field("retry-after") == "7")
        #expect(try get(site, "/errors/unavailable.html").field("retry-after") == nil)
        site.resetAttempts()
        #expect(try get(site, "/errors/too-many.html").status == 429)
        await site.shutdown()
    }

    @Test(arguments: Breakage.allCases)
    func brokenAnswersAreBroken(_ breakage: Breakage) async throws {
        let site = try await start(.hostile)
        let target = "/broken/\(breakage.rawValue).html"
        switch breakage {
        case .truncated, .reset, .silent, .badChunk, .shortChunks, .garbage:
            #expect(throws: ClientError.self) { try get(site, target) }
        case .endlessHeader: #expect(try get(site, target).head.utf8.count > 1 << 20)
        case .twoLengths:
            #expect(try get(site, target).head.lowercased().split(separator: "content-length:").count == 3)
        case .badGzip:
            let response = try get(site, target)
            #expect(
                response.field("content-encoding") == "gzip" && !response.body.starts(with: [0x1F, 0x8B]))
        }
        #expect(try get(site, "/").status == 200)
        await site.shutdown()
    }

    // MARK: - Requests

    @Test func badRequestsAreRefused() async throws {
        let site = try await start()
        #expect(try get(site, "/", method: "POST").status == 405)
        let head = try exchange(
            site, "HEAD / HTTP/1.1\r\nHost: 127.0.0.1:\(site.port)\r\nConnection: close\r\n\r\n")
        #expect(head.hasPrefix("HTTP/1.1 200") && head.hasSuffix("\r\n\r\n"))
        #expect(try exchange(site, "GET / HTTP/1.0\r\n\r\n").hasPrefix("HTTP/1.1 400"))
        #expect(
            try exchange(site, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").hasPrefix(
                "HTTP/1.1 421"))
        #expect(try exchange(site, "this is no request\r\n\r\n").hasPrefix("HTTP/1.1 400"))
        #expect(try get(site, "/unknown?x=1").status == 404)
        // The site is alive after all of it.
        #expect(try get(site, "/?").status == 200)
        await site.shutdown()
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        let site = try await start(timing: DemoTiming(slowFirstByteMs: 30))
        let host = "Host: 127.0.0.1:\(site.port)\r\n"
        let targets =
            ["/errors/404.html", "/served/slow.html"] + Array(repeating: "/errors/410.html", count: 500)
        let requests = targets.map { "GET \($0) HTTP/1.1\r\n\(host)\r\n" }.joined()
        let last = "GET /errors/403.html HTTP/1.1\r\n\(host)Connection: close\r\n\r\n"
        let answers = try exchange(site, requests + last)
        let statuses = answers.split(separator: "HTTP/1.1 ").map { Int($0.prefix(3)) }
        #expect(statuses == [404, 200] + Array(repeating: 410, count: 500) + [403])
        await site.shutdown()
    }

    // MARK: - Control

    private struct LogFile: Decodable {
        struct Entry: Decodable, Equatable {
            var nanoseconds: UInt64
            var host: String
            var port: Int
            var path: String
            var status: Int
            var userAgent: String

            enum CodingKeys: String, CodingKey {
                case nanoseconds = "t_ns"
                case host, port, path, status
                case userAgent = "user_agent"
            }
        }
        var dropped: Int
        var requests: [Entry]
    }

    @Test func theTruthAndTheLogArePublished() async throws {
        let logPath = FileManager.default.temporaryDirectory.appendingPathComponent(
            "demo-\(UUID().uuidString).jsonl"
        ).path
        let site = try await start(logPath: logPath)
        let truth = try JSONDecoder().decode(DemoTruth.self, from: Data(try get(site, "/_truth.json").body))
        #expect(truth == site.truth && truth.startURLs == [site.startURL])
        _ = try get(site, "/?a=\"b\"", ["User-Agent: second"])
        _ = try get(site, "/errors/404.html")
        let log = try JSONDecoder().decode(LogFile.self, from: Data(try get(site, "/_log.json").body))
        #expect(log.dropped == 0)
        #expect(log.requests.map(\.path) == ["/?a=\"b\"", "/errors/404.html"])
        #expect(log.requests.map(\.status) == [404, 404])
        #expect(log.requests.allSatisfy { $0.host == "127.0.0.1" && $0.port == site.port })
        #expect(
            log.requests[0].nanoseconds < log.requests[1].nanoseconds
                && log.requests[0].userAgent == "mocra/0 (test)")
        #expect(try get(site, "/_reset", method: "GET").status == 405)
        #expect(try get(site, "/_reset?log", method: "POST").status == 200)
        #expect(site.requestLog.isEmpty)
        await site.shutdown()
        let lines = try String(contentsOfFile: logPath, encoding: .utf8).split(separator: "\n")
        #expect(
            try lines.map { try JSONDecoder().decode(LogFile.Entry.self, from: Data($0.utf8)) }
                == log.requests)
        try FileManager.default.removeItem(atPath: logPath)
    }

    @Test func theControlPlacesAreOnTheFirstHostOnly() async throws {
        let site = try await DemoSite.start(DemoSiteConfiguration(hosts: 2, pages: 10, scenario: .plain))
        for target in ["/_truth.json", "/_log.json"] {
            #expect(try PlainHTTPClient.get("127.0.0.2", site.port, target).status == 404)
            #expect(try PlainHTTPClient.get("127.0.0.1", site.port, target).status == 200)
        }
        await site.shutdown()
    }

    @Test func theLogIsBounded() throws {
        let log = try RequestLog(path: nil, capacity: 3)
        for number in 1...5 {
            log.append(
                DemoRequest(
                    nanoseconds: UInt64(number), method: "GET", host: "127.0.0.1", port: 80, path: "/\u{1}\\",
                    status: 200, attempt: 1, userAgent: ""))
        }
        #expect(log.snapshot().requests.map(\.nanoseconds) == [1, 2, 3] && log.snapshot().dropped == 2)
        #expect(String(decoding: log.json(), as: UTF8.self).contains("\"path\":\"/\\u0001\\\\\""))
    }

    @Test func aLogFileOnAFullDiskIsReported() async throws {
        let site = try await start(logPath: "/dev/full")
        #expect(try get(site, "/").status == 200)
        let log = String(decoding: try get(site, "/_log.json").body, as: UTF8.self)
        #expect(
            log.contains("\"log_file_error\":\"No space left on device\"") && log.contains("\"path\":\"/\""))
        await site.shutdown()
    }

    // MARK: - Start and end

    @Test func aTakenPortIsAnErrorAndIsFreeAfterTheEnd() async throws {
        let site = try await start()
        let taken = DemoSiteError.portTaken(host: "127.0.0.1", port: site.port)
        await #expect(throws: taken) { try await start(port: site.port) }
        #expect(
            taken.description
                == "demo site: port \(site.port) is taken on 127.0.0.1; choose another, or 0 for a free one")
        await site.shutdown()
        await site.shutdown()
        #expect(throws: ClientError.self) { try get(site, "/") }
        let again = try await start(port: site.port)
        #expect(again.port == site.port)
        await again.shutdown()
    }

    @Test func aPortTakenOnALaterHostLeavesNothingOpen() async throws {
        let (descriptor, port) = try PlainHTTPClient.occupy("127.0.0.3")
        let wide = DemoSiteConfiguration(port: port, hosts: 4, pages: 10, extraPorts: 0)
        await #expect(throws: DemoSiteError.portTaken(host: "127.0.0.3", port: port)) {
            try await DemoSite.start(wide)
        }
        for host in ["127.0.0.1", "127.0.0.2", "127.0.0.4"] {
            #expect(throws: ClientError.self) { try PlainHTTPClient.get(host, port, "/") }
        }
        PlainHTTPClient.release(descriptor)
        let works = try await DemoSite.start(wide)
        #expect(works.hosts == ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"] && works.port == port)
        await works.shutdown()
    }

    @Test(arguments: [
        DemoSiteConfiguration(port: 70_000), DemoSiteConfiguration(port: -1), DemoSiteConfiguration(hosts: 0),
        DemoSiteConfiguration(hosts: 251, pages: 1000), DemoSiteConfiguration(pages: 0),
        DemoSiteConfiguration(pages: 8),
        DemoSiteConfiguration(extraPorts: 17), DemoSiteConfiguration(threads: 0),
        DemoSiteConfiguration(timing: DemoTiming(slowFirstByteMs: -1)),
    ])
    func badNumbersAreRefused(_ configuration: DemoSiteConfiguration) async {
        let error = await #expect(throws: DemoSiteError.self) { try await DemoSite.start(configuration) }
        guard case .invalidConfiguration(let problem)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(problem.contains("must be") || problem.contains("need an index page"))
    }

    @Test func aLogFileThatCannotBeWrittenIsRefused() async {
        let error = await #expect(throws: DemoSiteError.self) {
            try await start(logPath: "/nowhere/log.jsonl")
        }
        #expect(error == .logFile(path: "/nowhere/log.jsonl", reason: "No such file or directory"))
    }

    @Test func aShutdownEndsAnswersThatAreUnderWay() async throws {
        let site = try await start(timing: DemoTiming(slowFirstByteMs: 600_000))
        let port = site.port
        let client = Task.detached { try PlainHTTPClient.get("127.0.0.1", port, "/served/slow.html") }
        while site.requestLog.isEmpty { await Task.yield() }
        await site.shutdown()
        await #expect(throws: ClientError.self) { try await client.value }
    }
}
