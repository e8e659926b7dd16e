// `mocra demo-site` as a process, its truth and its log as it publishes them over HTTP.
// It must not know the demo site's module: what is read here is what everybody can read.
import Foundation
import Glibc
import TestSupport
import Testing

/// `/_truth.json`, as far as the tests look at it.
struct PublishedTruth: Decodable, Sendable {
    struct Redirect: Decodable, Sendable {
        var url: String
        var location: String
        var status: Int
    }

    struct Failure: Decodable, Sendable {
        var url: String
        var status: Int
    }

    struct Broken: Decodable, Sendable {
        var url: String
        var kind: String
    }

    struct Heal: Decodable, Sendable {
        var url: String
        var after: Int
    }

    var startUrls: [String]
    var reachable: [String]
    var redirects: [Redirect]
    var errors: [Failure]
    var heals: [Heal]
    var disallowed: [String]
    var sitemapOnly: [String]
    var traps: [String]
    var forbidden: [String]
    var nonHtml: [String]
    var crawlDelay: [String: Double]
    var broken: [Broken]
    var beyondRedirectLimit: [String]
}

/// `/_log.json`.
struct PublishedLog: Decodable, Sendable {
    struct Entry: Decodable, Sendable {
        var tNs: UInt64
        var method: String
        var host: String
        var port: Int
        var path: String
        var status: Int
        var attempt: Int
        var userAgent: String

        var url: String { "http://\(host):\(port)\(path)" }
        var isRobots: Bool { path == "/robots.txt" }
        /// A question of the tests to the site itself.
        var isOwn: Bool { path.hasPrefix("/_") }
    }

    var dropped: Int
    var requests: [Entry]
}

/// A running demo site.
final class DemoSiteProcess: Sendable {
    let startURL: String
    private let process: RunningProcess

    /// Starts it on a free port and waits for its first line.
    init(hosts: Int = 4, pages: Int = 120, seed: Int = 1, scenario: String = "mixed") async throws {
        process = try Mocra.start([
            "demo-site", "--port", "0", "--hosts", "\(hosts)", "--pages", "\(pages)", "--seed", "\(seed)",
            "--scenario", scenario,
        ])
        let process = process
        let isUp = try await eventually(withinMs: 20_000) {
            process.standardOutput.contains("\n") || !process.isRunning
        }
        guard isUp, process.isRunning, let line = process.standardOutput.split(separator: "\n").first else {
            throw TestSupportError(
                "the demo site does not start:\n\(process.standardOutput)\(process.standardError)")
        }
        startURL = String(line)
    }

    func truth() async throws -> PublishedTruth { try await get("_truth.json") }

    /// The requests of the crawl: without those of the tests.
    func log() async throws -> [PublishedLog.Entry] {
        let log: PublishedLog = try await get("_log.json")
        #expect(log.dropped == 0)
        return log.requests.filter { !$0.isOwn }
    }

    /// Stops the site with SIGSTOP, sends it two requests 100 ms apart, and lets it go on.
    ///
    /// Result: the least and the most time in ns that can lie between their arrivals.
    func hold(_ paths: (String, String)) async throws -> ClosedRange<UInt64> {
        let program = """
            import os, signal, socket, sys, time
            site, host, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
            clock = time.monotonic_ns
            def ask(path):
                connection = socket.create_connection((host, port), 20)
                before = clock()
                connection.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
                return connection, before, clock()
            os.kill(site, signal.SIGSTOP)
            try:
                first, before_first, after_first = ask(sys.argv[4])
                time.sleep(0.1)
                second, before_second, after_second = ask(sys.argv[5])
            finally:
                os.kill(site, signal.SIGCONT)
            for connection in first, second:
                assert connection.recv(1 << 16)
            print(before_second - after_first, after_second - before_first)
            """
        let url = try #require(URL(string: startURL))
        let arguments = [
            "\(process.pid)", try #require(url.host()), "\(try #require(url.port))", paths.0, paths.1,
        ]
        let answer = try await run("/usr/bin/python3", ["-I", "-c", program] + arguments)
        let bounds = answer.standardOutput.split { $0.isWhitespace }.compactMap { UInt64($0) }
        try #require(answer.exitCode == 0 && bounds.count == 2, "\(answer.standardError)")
        return bounds[0]...bounds[1]
    }

    /// How it ends when it is asked to.
    func stop(_ signal: Int32 = SIGTERM) async throws -> RunningProcess.Ending? {
        process.kill(signal)
        return try await process.ended(withinMs: 10_000)
    }

    private func get<Answer: Decodable & Sendable>(_ path: String) async throws -> Answer {
        // Python, not ours: what is tested must not be what tests.
        let program =
            "import sys, urllib.request as r; "
            + "sys.stdout.buffer.write(r.urlopen(sys.argv[1], timeout=20).read())"
        let answer = try await run("/usr/bin/python3", ["-I", "-c", program, startURL + path])
        guard answer.exitCode == 0 else {
            throw TestSupportError("no /\(path): \(answer.standardError)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: Data(answer.standardOutput.utf8))
    }
}
