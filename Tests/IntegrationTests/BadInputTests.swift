// Hosts, servers and certificates that are wrong: alone they give one clear line and the right exit code, in
// a crawl they give an item each and the rest goes on.
import Foundation
import Glibc
import TestSupport
import Testing

/// Everything that answers wrongly, in one place, and what a crawl must call it.
private final class BadOrigins: Sendable {
    struct Case: Sendable {
        var name: String
        var url: String
        var kind: String
    }

    let origin: ScriptedOrigin
    let cases: [Case]
    let goodPages: Set<String>
    let caPath: String
    private let refused: RefusedPort
    private let nginx: NginxServer

    init() throws {
        let certificates = try TestCertificates.shared()
        caPath = certificates.caPath
        refused = try RefusedPort()
        let ok = "location / { default_type text/html; return 200 '<title>secure</title>'; }"
        nginx = try NginxServer([
            NginxSite(.directives(ok), certificate: try certificates.certificate()),
            NginxSite(.directives(ok), certificate: try certificates.selfSigned()),
            NginxSite(
                .directives(ok), certificate: try certificates.certificate(for: ["127.0.0.1"], .expired)),
            NginxSite(
                .directives(ok), certificate: try certificates.certificate(for: ["127.0.0.1"], .notYetValid)),
            NginxSite(.directives(ok), certificate: try certificates.certificate(for: ["other.test"])),
            NginxSite(.directives(ok)),
        ])
        let scripts = try Self.scripts()
        // The start page is made of all addresses, and those need the port of the server that serves it.
        let page = Locked("")
        let origin = try ScriptedOrigin { request in
            request.target == "/" ? .html(page.value) : scripts[request.target] ?? .html("", status: 404)
        }
        self.origin = origin
        let kinds = [
            "/bad-chunk": "protocol", "/bomb": "bomb", "/corrupt-gzip": "decode", "/endless": "protocol",
            "/garbage": "protocol", "/reset": "reset", "/short": "reset", "/closes": "reset",
        ]
        var cases = scripts.keys.sorted().compactMap { path in
            kinds[path].map { Case(name: path, url: origin.url(path), kind: $0) }
        }
        cases += [
            Case(name: "no such host", url: "http://no-such-host.invalid/", kind: "dns"),
            Case(name: "refused", url: "http://127.0.0.1:\(refused.port)/", kind: "connect"),
            Case(name: "TLS without TLS", url: "https://127.0.0.1:\(nginx.ports[5])/", kind: "tls"),
            Case(name: "self-signed", url: nginx.url(1) + "/", kind: "tls"),
            Case(name: "expired", url: nginx.url(2) + "/", kind: "tls"),
            Case(name: "not yet valid", url: nginx.url(3) + "/", kind: "tls"),
            Case(name: "another name", url: nginx.url(4) + "/", kind: "tls"),
        ]
        self.cases = cases
        goodPages = [origin.url("/"), origin.url("/good"), nginx.url(0) + "/"]
        let odd = [
            "ftp://127.0.0.1/file", "mailto:someone@example.org", "javascript:void(0)", "http://[::1",
            "http://exa mple/", "http://127.0.0.1:99999/", "data:text/html,x", "",
        ]
        let links = cases.map(\.url) + odd + goodPages.sorted()
        page.set("<title>start</title>" + links.map { "<a href=\"\($0)\">link</a>\n" }.joined())
    }

    private static func scripts() throws -> [String: Script] {
        let zeros = [UInt8](repeating: 0, count: 20 << 20)
        let gzip = [("Content-Type", "text/html"), ("Content-Encoding", "gzip")]
        var corrupt = try Gzip.compress(Array(String(repeating: "some text ", count: 400).utf8))
        for at in corrupt.count / 2..<corrupt.count { corrupt[at] ^= 0x5a }
        return [
            "/good": .html("<title>good</title>"),
            "/bad-chunk": .badChunk,
            "/bomb": .response(headers: gzip, body: try Gzip.compress(zeros)),
            "/corrupt-gzip": .response(headers: gzip, body: corrupt),
            "/endless": .endlessHeaders(),
            "/garbage": .garbage,
            "/reset": [.reset],
            "/closes": [.close],
            "/short": .truncated("<title>short</title>", promised: 5_000),
        ]
    }

    func url(_ name: String) -> String {
        cases.first { $0.name == name }!.url
    }
}

@Suite("Bad input from the network", .sharesMachine)
struct BadInputTests {
    @Test("gives an item each in a crawl that goes on")
    func crawlGoesOn() async throws {
        let bad = try await onThread { try BadOrigins() }
        let run = try await Mocra.crawl(
            [bad.origin.url("/")],
            ["--quiet", "--ca-file", bad.caPath, "--allow-host", "no-such-host.invalid"])
        expectEnded(run.process, ExitCode.done)
        expectSame(run.pages, bad.goodPages, "good pages")
        for wanted in bad.cases {
            let item = run.item(wanted.url)
            #expect(item?.error == wanted.kind, "\(wanted.name): \(item?.message ?? "no message")")
            #expect(item?.message?.isEmpty == false, "\(wanted.name)")
            #expect(item?.message?.contains("\n") == false, "\(wanted.name)")
        }
        #expect(run.items.count == bad.goodPages.count + bad.cases.count)
    }

    @Test(
        "as the only start ends with 1 and one clear line",
        arguments: [
            ("no such host", "no-such-host.invalid"), ("refused", "refused"), ("self-signed", "certificate"),
            ("expired", "expired"), ("another name", "certificate"), ("/garbage", "HTTP"),
            ("/reset", "reset"),
            ("/short", "127.0.0.1"), ("/endless", "header"), ("/bomb", "127.0.0.1"),
        ])
    func onlyStartFails(name: String, mention: String) async throws {
        let bad = try await onThread { try BadOrigins() }
        let url = bad.url(name)
        let crawl = try await Mocra.crawl([url], ["--quiet", "--ca-file", bad.caPath])
        expectEnded(crawl.process, ExitCode.failed)
        expectOneClearLine(crawl.process, mentions: [url, mention])
        #expect(crawl.items.allSatisfy { $0.url == url && $0.error != nil })

        let fetch = try await Mocra.run(["fetch", url, "--allow-private", "--ca-file", bad.caPath])
        expectEnded(fetch, ExitCode.failed)
        expectOneClearLine(fetch, mentions: [mention])
        #expect(fetch.standardOutput == "")
    }

    @Test(
        "is a private address, unless --allow-private",
        arguments: ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"])
    func privateAddressIsRefused(host: String) async throws {
        let origin = try ScriptedOrigin(["/": .html("<title>private</title>")])
        let url = "http://\(host):\(origin.port)/"
        for arguments in [["crawl", url, "--quiet", "-o", "/dev/null"], ["fetch", url]] {
            let result = try await Mocra.run(arguments)
            expectEnded(result, ExitCode.failed)
            expectOneClearLine(result, mentions: ["--allow-private"])
        }
        #expect(origin.counts.accepted == 0, "nothing connects to a refused address")
    }

    @Test("is a redirect that never ends, or ends nowhere")
    func redirectsToNowhere() async throws {
        let refused = try RefusedPort()
        let origin = try ScriptedOrigin { request in
            switch request.target {
            case "/":
                .html(
                    ["loop", "no-location", "bad", "out"].map { "<a href=/\($0)>\($0)</a>" }.joined()
                )
            case "/loop": .redirect(to: "/loop")
            case "/no-location": .response(302)
            case "/bad": .redirect(to: "http://[::1")
            case "/out": .redirect(to: "http://127.0.0.1:\(refused.port)/gone")
            default: .html("", status: 404)
            }
        }
        let run = try await Mocra.crawl([origin.url("/")], ["--quiet"])
        expectEnded(run.process, ExitCode.done)
        #expect(run.pages == [origin.url("/")])
        for path in ["/loop", "/no-location", "/bad", "/out"] {
            #expect(run.item(origin.url(path))?.status == 302, "\(path)")
        }
        #expect(run.item("http://127.0.0.1:\(refused.port)/gone")?.error == "connect")
        #expect(origin.requests.count { $0.target == "/loop" } == 1)
    }
}
