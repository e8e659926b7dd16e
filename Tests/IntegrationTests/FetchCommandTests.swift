// `mocra fetch`: one request through the real core, and what it shows.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("mocra fetch", .sharesMachine)
struct FetchCommandTests {
    private static let page = "<title>A page</title><a href=\"/one\">1</a><a href=\"two?x=1\">2</a>\n"

    private func origin() throws -> ScriptedOrigin {
        try ScriptedOrigin { request in
            switch request.target {
            case "/gzip":
                .response(
                    headers: [("Content-Type", "text/html"), ("Content-Encoding", "gzip")],
                    body: gzipped(Self.page))
            case "/chunked": .chunked(["first ", "second"])
            case "/missing": .html("not here\n", status: 404)
            case "/moved": .redirect(to: "/page")
            case "/bytes": .response(headers: [("Content-Type", "image/x")], body: Array(0...255))
            default: .html(Self.page, headers: [("X-Answer", "forty-two")])
            }
        }
    }

    @Test("writes the body to standard output, decoded")
    func body() async throws {
        let origin = try origin()
        for (path, wanted) in [("/page", Self.page), ("/gzip", Self.page), ("/chunked", "first second")] {
            let result = try await Mocra.run(["fetch", origin.url(path), "--allow-private", "--show", "body"])
            expectEnded(result, ExitCode.done)
            #expect(result.standardOutput == wanted, "\(path)")
        }
    }

    @Test("writes bytes as they came")
    func bytesAreKept() async throws {
        let origin = try origin()
        let directory = try TemporaryDirectory()
        let path = try directory.write("out", "")
        let result = try await Mocra.run(
            ["fetch", origin.url("/bytes"), "--allow-private", "--show", "body"], output: .path(path))
        expectEnded(result, ExitCode.done)
        #expect(try readBytes(path) == Array(0...255))
    }

    @Test("shows headers, links or timing")
    func otherViews() async throws {
        let origin = try origin()
        for (view, mentions) in [
            ("headers", ["200", "x-answer: forty-two", "content-type: text/html"]),
            ("links", [origin.url("/one"), origin.url("/two?x=1")]),
            ("timing", ["connect", "first", "total"]),
        ] {
            let result = try await Mocra.run([
                "fetch", origin.url("/page"), "--allow-private", "--show", view,
            ])
            expectEnded(result, ExitCode.done)
            for mention in mentions {
                #expect(
                    result.standardOutput.lowercased().contains(mention), "\(view): \(result.standardOutput)")
            }
        }
    }

    @Test("shows what TLS agreed on, and writes its secrets to SSLKEYLOGFILE, for the owner only")
    func secrets() async throws {
        let certificates = try await onThread { try TestCertificates.shared() }
        let site = NginxSite(
            .directives("location / { return 200 welcome; }"),
            certificate: try await onThread { try certificates.certificate() })
        let nginx = try await onThread { try NginxServer([site]) }
        let directory = try TemporaryDirectory()
        let path = directory.file("keys.log")
        let fetch = ["fetch", nginx.url() + "/", "--allow-private", "--ca-file", certificates.caPath]
        for _ in 0..<2 {
            let result = try await run(
                try Mocra.binary(), fetch + ["--show", "timing"], environment: ["SSLKEYLOGFILE": path])
            expectEnded(result, ExitCode.done)
            #expect(result.standardOutput.contains("TLS 1.3, TLS_"), "\(result.standardOutput)")
        }
        let lines = try readText(path).split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("CLIENT_TRAFFIC_SECRET_0 ") } == 2)
        #expect(lines.allSatisfy { $0.split(separator: " ").count == 3 })
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let refused = try await run(
            try Mocra.binary(), fetch, environment: ["SSLKEYLOGFILE": directory.path + "/none/keys.log"])
        #expect(refused.exitCode != 0 && refused.standardError.contains("SSLKEYLOGFILE"))
    }

    @Test("asks for HTTP/2, or for HTTP/1.1 alone")
    func protocols() async throws {
        let certificates = try await onThread { try TestCertificates.shared() }
        let certificate = try await onThread { try certificates.certificate() }
        let source = NginxSite.Source.directives("location / { return 200 welcome; }")
        let nginx = try await onThread {
            try NginxServer([
                NginxSite(source, certificate: certificate, http2: true),
                NginxSite(source, certificate: certificate),
            ])
        }
        func fetch(_ site: Int, _ options: String...) async throws -> ProcessResult {
            try await Mocra.run(
                ["fetch", nginx.url(site) + "/", "--allow-private", "--ca-file", certificates.caPath]
                    + options)
        }
        let second = try await fetch(0, "--http2", "--show", "body", "--show", "timing")
        expectEnded(second, ExitCode.done)
        #expect(second.standardOutput.hasPrefix("welcome") && second.standardOutput.contains("HTTP/2, TLS"))
        let first = try await fetch(0, "--http1", "--show", "timing")
        #expect(first.standardOutput.contains("HTTP/1.1, TLS"))
        let refused = try await fetch(1, "--http2")
        #expect(refused.exitCode == 1 && refused.standardError.contains("--http2 asks for HTTP/2"))
        let both = try await fetch(0, "--http1", "--http2")
        #expect(both.exitCode == 2 && both.standardOutput.isEmpty)
    }

    @Test("sends the method, the fields and the body that were asked for")
    func requestIsSent() async throws {
        let origin = try origin()
        let result = try await Mocra.run([
            "fetch", origin.url("/page?q=1"), "--allow-private", "-X", "PUT", "-H", "X-One: 1", "-H",
            "Content-Type: text/plain", "-d", "some data",
        ])
        expectEnded(result, ExitCode.done)
        let request = try #require(origin.requests.first)
        #expect(request.method == "PUT")
        #expect(request.target == "/page?q=1")
        #expect(request.header("x-one") == "1")
        #expect(request.header("content-type") == "text/plain")
        #expect(request.header("content-length") == "9")
        #expect(request.body == Array("some data".utf8))
        #expect(request.header("user-agent")?.hasPrefix("mocra/") == true)
        #expect(origin.requests.count == 1, "fetch asks for nothing else")
    }

    @Test(
        "says the status of an answer that is no success",
        arguments: [("/missing", "404"), ("/moved", "302")])
    func otherStatus(path: String, status: String) async throws {
        let origin = try origin()
        let result = try await Mocra.run(["fetch", origin.url(path), "--allow-private", "--show", "headers"])
        expectEnded(result, ExitCode.done)
        #expect(result.standardOutput.contains(status))
    }

    private func gzipped(_ text: String) -> [UInt8] {
        // A fixed answer: without the gzip command there is no test.
        try! Gzip.compress(Array(text.utf8))
    }
}
