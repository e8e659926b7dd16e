// `mocra-bench fetch` as its users run it: arguments, the JSON that perf/ reads, peers that are not there.
// Figures are not judged here: they are measured by perf/, on a machine that does nothing else.
import Foundation
import TestSupport
import Testing

/// What `mocra-bench fetch --json` prints.
private struct BenchFigures: Decodable {
    struct Latency: Decodable {
        var p50: Double
        var p99: Double
    }

    var mode: String
    var connections: Int
    var streams: Int
    var connectionsOpen: Int
    var driver: String
    var requests: Int
    var requestsPerSecond: Double
    var cpuUserUsPerRequest: Double
    var cpuSystemUsPerRequest: Double
    var latencyUs: Latency
    var bytes: Int
    var errors: Int
}

/// What `mocra-bench fetch --idle N --json` prints.
private struct HeldFigures: Decodable {
    var connections: Int
    var connectionsHeld: Int
    var secure: Bool
    var failed: Int
    var residentBytesBefore: Int
    var residentBytesAfter: Int
    var bytesPerConnection: Int
}

/// What `mocra-bench fetch --against … --json` prints.
private struct ComparisonFigures: Decodable {
    struct Peer: Decodable {
        var name: String
        var cpuUsPerRequest: Double
        var ratio: Double
        var ratioLow: Double
        var ratioHigh: Double
    }

    var rounds: Int
    var cpuUsPerRequest: Double
    var peers: [Peer]
}

@Suite("mocra-bench fetch", .sharesMachine, .timeLimit(.minutes(5)))
struct BenchCommandTests {
    private static let text = String(repeating: "Some words of a page. ", count: 100)

    /// nginx with HTTP/1.1 as site 0, TLS as 1, TLS with HTTP/2 as 2, gzip as 3.
    private final class Server: Sendable {
        let nginx: NginxServer
        let caPath: String
        private let directory: TemporaryDirectory

        init() throws {
            let certificates = try TestCertificates.shared()
            caPath = certificates.caPath
            directory = try TemporaryDirectory(prefix: "mocra-bench-site")
            try directory.write("page.html", BenchCommandTests.text)
            let source = NginxSite.Source.folder(directory.path)
            let certificate = try certificates.certificate()
            nginx = try NginxServer([
                NginxSite(source), NginxSite(source, certificate: certificate),
                NginxSite(source, certificate: certificate, http2: true), NginxSite(source, gzip: true),
            ])
        }

        func url(_ site: Int) -> String { nginx.url(site) + "/page.html" }

        /// Requests of each connection to a site.
        func requestsByConnection(_ site: Int) throws -> [Int: Int] {
            try nginx.accessLog().filter { $0.port == nginx.ports[site] }
                .reduce(into: [:]) { $0[$1.connection, default: 0] += 1 }
        }
    }

    private func bench(
        _ arguments: [String], environment: [String: String?] = [:]
    ) async throws -> ProcessResult {
        let program = (try Mocra.binary() as NSString).deletingLastPathComponent + "/mocra-bench"
        return try await TestSupport.run(
            program, ["fetch"] + arguments, environment: environment, withinMs: 240_000)
    }

    private func figures<Figures: Decodable>(
        _ type: Figures.Type, _ result: ProcessResult
    ) throws -> Figures {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            return try decoder.decode(type, from: Data(result.standardOutput.utf8))
        } catch {
            throw TestSupportError(
                "no \(type): \(result.standardOutput)\n\(result.standardError)\n\(error)")
        }
    }

    @Test(
        "Wrong use is refused with 2 and a line that names it",
        arguments: [
            ([], "url"),
            (["--url", "ftp://127.0.0.1/"], "ftp://127.0.0.1/"),
            (["--url", "http://127.0.0.1/", "--connections", "0"], "--connections is 0"),
            (["--url", "http://127.0.0.1/", "--connections", "many"], "many"),
            (["--url", "http://127.0.0.1/", "--streams", "0", "--http2"], "--streams is 0"),
            (["--url", "http://127.0.0.1/", "--streams", "2"], "--http2"),
            (["--url", "http://127.0.0.1/", "--http1", "--http2"], "--http1 and --http2"),
            (["--url", "http://127.0.0.1/", "--connections", "7000", "--streams", "9", "--http2"], "60000"),
            (["--url", "http://127.0.0.1/", "--idle", "1"], "--idle is 1"),
            (["--url", "http://127.0.0.1/", "--idle", "9", "--active", "9"], "--idle and --active"),
            (["--url", "http://127.0.0.1/", "--idle", "9", "--streams", "2", "--http2"], "--streams"),
            (["--url", "http://127.0.0.1/", "--active=-3"], "--active is -3"),
            (["--url", "http://127.0.0.1/", "--seconds", "0"], "--seconds is 0"),
            (["--url", "http://127.0.0.1/", "--warmup", "61"], "--warmup is 61"),
            (["--url", "http://127.0.0.1/", "--mode", "turbo"], "turbo"),
            (["--url", "http://127.0.0.1/", "--against", "wget"], "wget"),
            (["--url", "http://127.0.0.1/", "--against", "wrk,"], "no client"),
            (["--url", "https://127.0.0.1/", "--against", "wrk", "--http2"], "wrk"),
            (["--url", "http://127.0.0.1/", "--against", "wrk", "--rounds", "0"], "--rounds is 0"),
            (["--url", "http://127.0.0.1/", "--against", "wrk", "--idle", "9"], "--against"),
            (["--url", "https://127.0.0.1/", "--ca-file", "/nonexistent/ca.pem"], "/nonexistent/ca.pem"),
        ])
    func isRefused(arguments: [String], mention: String) async throws {
        let result = try await bench(arguments)
        expectEnded(result, ExitCode.wrongUse)
        #expect(result.standardOutput == "")
        expectOneClearLine(result, mentions: [mention])
    }

    @Test("Help has examples and ends with 0")
    func helpHasExamples() async throws {
        let result = try await bench(["--help"])
        expectEnded(result, ExitCode.done)
        #expect(result.standardOutput.contains("mocra-bench fetch --url http"))
        for option in ["--http2", "--streams", "--gzip", "--idle", "--active", "--against", "--rounds"] {
            #expect(result.standardOutput.contains(option))
        }
    }

    @Test("Each mode keeps the connections busy that were asked for", arguments: ["batch", "async"])
    func keepsConnectionsBusy(mode: String) async throws {
        let server = try Server()
        let result = try await bench([
            "--url", server.url(0), "--connections", "5", "--seconds", "0.5", "--warmup", "0", "--mode", mode,
            "--json",
        ])
        expectEnded(result, ExitCode.done)
        let found = try figures(BenchFigures.self, result)
        #expect(found.mode == mode)
        #expect(found.connections == 5)
        #expect(found.connectionsOpen == 5)
        #expect(found.errors == 0)
        #expect(found.requests > 0 && found.requestsPerSecond > 0)
        #expect(found.cpuUserUsPerRequest + found.cpuSystemUsPerRequest > 0)
        #expect(found.latencyUs.p50 > 0 && found.latencyUs.p50 <= found.latencyUs.p99)
        #expect(found.bytes > found.requests * Self.text.utf8.count)
        // Nothing is asked for that is not counted, but for the first request and those that were under way
        // when the time was over.
        let asked = try server.requestsByConnection(0)
        #expect(asked.count == 5)
        #expect(asked.values.reduce(0, +) <= found.requests + 1 + 5)
    }

    @Test("The driver that was asked for is the one that is named")
    func namesDriver() async throws {
        let server = try Server()
        let result = try await bench(
            ["--url", server.url(0), "--connections", "2", "--seconds", "0.2", "--json"],
            environment: ["MOCRA_RING_DISABLE": "all"])
        expectEnded(result, ExitCode.done)
        #expect(try figures(BenchFigures.self, result).driver == "epoll")
    }

    @Test("HTTP/2 has as many streams on as many connections as asked for")
    func speaksHTTP2() async throws {
        let server = try Server()
        let result = try await bench([
            "--url", server.url(2), "--ca-file", server.caPath, "--http2", "--connections", "3", "--streams",
            "4", "--seconds", "0.5", "--json",
        ])
        expectEnded(result, ExitCode.done)
        let found = try figures(BenchFigures.self, result)
        #expect(found.connections == 3 && found.streams == 4)
        #expect(found.connectionsOpen == 3)
        #expect(found.errors == 0 && found.requests > 0)
        #expect(try server.requestsByConnection(2).count == 3)
        #expect(try server.nginx.accessLog().allSatisfy { $0.request.hasSuffix("HTTP/2.0") })
    }

    @Test("--http1 keeps to HTTP/1.1 where HTTP/2 is offered")
    func keepsToHTTP1() async throws {
        let server = try Server()
        let result = try await bench([
            "--url", server.url(2), "--ca-file", server.caPath, "--http1", "--connections", "2", "--seconds",
            "0.2",
        ])
        expectEnded(result, ExitCode.done)
        #expect(try server.nginx.accessLog().allSatisfy { $0.request.hasSuffix("HTTP/1.1") })
    }

    @Test("What the server does not do is said before anything is measured")
    func missingAbilities() async throws {
        let server = try Server()
        let cases = [
            (["--url", server.url(1), "--ca-file", server.caPath, "--http2"], "HTTP/2"),
            (["--url", server.url(0), "--gzip"], "gzip"),
            (["--url", server.nginx.url(0) + "/missing"], "404"),
            (["--url", "http://127.0.0.1:\(try FreePort.next())/"], "127.0.0.1"),
        ]
        for (arguments, mention) in cases {
            let result = try await bench(arguments)
            expectEnded(result, ExitCode.failed)
            #expect(result.standardOutput == "")
            expectOneClearLine(result, mentions: [mention])
        }
    }

    @Test("--gzip asks for gzip, and counts what came over the wire")
    func gzip() async throws {
        let server = try Server()
        let result = try await bench(["--url", server.url(3), "--gzip", "--seconds", "0.3", "--json"])
        expectEnded(result, ExitCode.done)
        let found = try figures(BenchFigures.self, result)
        #expect(found.errors == 0 && found.requests > 0)
        // The text is one sentence many times: packed it is a small part.
        #expect(found.bytes < found.requests * Self.text.utf8.count / 2)
    }

    @Test("--idle holds connections, plain and over TLS, and says what each takes", arguments: [0, 1])
    func holdsIdle(site: Int) async throws {
        let server = try Server()
        let result = try await bench([
            "--url", server.url(site), "--ca-file", server.caPath, "--idle", "300", "--json",
        ])
        expectEnded(result, ExitCode.done)
        let found = try figures(HeldFigures.self, result)
        #expect(found.connections == 300 && found.connectionsHeld == 300 && found.failed == 0)
        #expect(found.secure == (site == 1))
        #expect(found.residentBytesAfter >= found.residentBytesBefore)
        let beyond = 300 - 150
        #expect(
            found.bytesPerConnection == (found.residentBytesAfter - found.residentBytesBefore) / beyond)
        #expect(try server.requestsByConnection(site).count == 300)
    }

    @Test("--active ends with 0 when every fetch went well on its own connection")
    func keepsActive() async throws {
        let server = try Server()
        let result = try await bench([
            "--url", server.url(0), "--active", "200", "--seconds", "0.5", "--json",
        ])
        expectEnded(result, ExitCode.done)
        let found = try figures(BenchFigures.self, result)
        #expect(found.connections == 200 && found.connectionsOpen == 200 && found.errors == 0)
        #expect(try server.requestsByConnection(0).count == 200)
    }

    @Test("--active ends with 1 when fetches fail, and counts them")
    func countsFailures() async throws {
        // One request is answered; after every other one the connection is closed.
        let answered = PlainLock(0)
        let origin = try ScriptedOrigin { _ in
            let isFirst = answered.withLock { count in
                count += 1
                return count == 1
            }
            return isFirst ? .html("first") : [.close]
        }
        let result = try await bench([
            "--url", origin.url("/"), "--active", "4", "--seconds", "0.3", "--warmup", "0", "--json",
        ])
        #expect(result.exitCode == ExitCode.failed)
        #expect(try figures(BenchFigures.self, result).errors > 0)
    }

    @Test(
        "A peer that is not installed is named with its package",
        arguments: [
            ("wrk", "wrk"), ("h2load", "nghttp2-client"), ("curl", "gcc"),
        ])
    func namesMissingPeer(peer: String, package: String) async throws {
        let server = try Server()
        let result = try await bench(
            [
                "--url", server.url(0), "--against", peer, "--peer-folder",
                TestData.packageRoot + "/perf/peers",
            ], environment: ["PATH": "/nonexistent"])
        expectEnded(result, ExitCode.failed)
        expectOneClearLine(result, mentions: [peer, package])
    }

    @Test("A folder without the peer's source is named")
    func namesMissingSource() async throws {
        let result = try await bench([
            "--url", "http://127.0.0.1/", "--against", "curl", "--peer-folder", "/nonexistent",
        ])
        expectEnded(result, ExitCode.failed)
        expectOneClearLine(result, mentions: ["/nonexistent/curl_multi.c", "--peer-folder"])
    }

    @Test("--against runs every peer in every round, and prints the ratios")
    func compares() async throws {
        let server = try Server()
        let peers = ["wrk", "h2load", "curl"]
        let result = try await bench([
            "--url", server.url(0), "--connections", "3", "--seconds", "1", "--rounds", "2", "--against",
            peers.joined(separator: ","), "--peer-folder", TestData.packageRoot + "/perf/peers", "--json",
        ])
        expectEnded(result, ExitCode.done)
        let found = try figures(ComparisonFigures.self, result)
        #expect(found.rounds == 2 && found.cpuUsPerRequest > 0)
        #expect(found.peers.map(\.name) == peers)
        for peer in found.peers {
            #expect(peer.cpuUsPerRequest > 0, "\(peer)")
            #expect(
                peer.ratioLow > 0 && peer.ratioLow <= peer.ratio && peer.ratio <= peer.ratioHigh, "\(peer)")
        }
        // Two rounds of four clients with three connections each, and the first request of two of them.
        #expect(try server.requestsByConnection(0).count == 2 * 4 * 3)
    }
}
