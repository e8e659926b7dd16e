// mocra against Apache httpd, HAProxy in front of nginx, and Python's http.server: the command sees of them
// what a person does. How connections behave is tested below, in MocraFastPathTests.
import Foundation
import Glibc
import TestSupport
import Testing

/// The same small site behind every server.
private final class Servers: Sendable {
    static let pages = 40

    let directory: TemporaryDirectory
    let urls: [(name: String, url: String, posts: Bool)]
    let caPath: String
    private let apache: ApacheServer
    private let nginx: NginxServer
    private let haproxy: HAProxyServer
    private let python: [PythonServer]

    init() throws {
        directory = try TemporaryDirectory(prefix: "mocra-pages")
        let folder = directory.path
        for number in 0..<Self.pages {
            // A tree: each page links to two more.
            let links = [2 * number + 1, 2 * number + 2].filter { $0 < Self.pages }
                .map { "<a href=\"/\($0).html\">\($0)</a>" }
            let filler = String(repeating: "words of page \(number) ", count: number * 40)
            try directory.write(
                number == 0 ? "index.html" : "\(number).html",
                "<title>page \(number)</title>\(links.joined())<p>\(filler)")
        }
        let made = try TestCertificates.shared()
        caPath = made.caPath
        let sites = [
            ApacheSite(folder, deflate: true, keepAliveRequestsMax: 2),
            ApacheSite(folder, certificate: try made.certificate(), deflate: true),
        ]
        apache = try ApacheServer(sites)
        nginx = try NginxServer([
            NginxSite(.folder(folder), gzip: true),
            NginxSite(.folder(folder), certificate: try made.certificate(), gzip: true, http2: true),
        ])
        haproxy = try HAProxyServer([HAProxySite(server: nginx.ports[0])])
        python = try PythonServer.Version.allCases.map { try PythonServer(folder, version: $0) }
        urls = [
            ("Apache", apache.url(0), true), ("Apache over TLS", apache.url(1), true),
            ("nginx", nginx.url(0), false), ("nginx that also speaks HTTP/2", nginx.url(1), false),
            ("HAProxy", haproxy.url(), false), ("Python, HTTP/1.0", python[0].url, true),
            ("Python, HTTP/1.1", python[1].url, true),
        ]
    }
}

@Suite("Real servers", .sharesMachine)
struct RealServerTests {
    @Test("answer mocra fetch: a page, HEAD, nothing there, not modified, and a posted body")
    func fetch() async throws {
        let servers = try await onThread { try Servers() }
        for (name, url, posts) in servers.urls {
            func fetch(_ path: String, _ options: String...) async throws -> String {
                let result = try await Mocra.run(
                    ["fetch", url + path, "--allow-private", "--ca-file", servers.caPath] + options)
                expectEnded(result, ExitCode.done)
                return result.standardOutput
            }
            #expect(try await fetch("/").contains("<title>page 0</title>"), "\(name)")
            let page = try await fetch("/39.html", "--show", "body")
            #expect(page == (try readText(servers.directory.file("39.html"))), "\(name)")
            let head = try await fetch("/39.html", "-X", "HEAD", "--show", "headers")
            #expect(head.contains("200"), "\(name): \(head)")
            let missing = try await fetch("/missing", "--show", "headers")
            #expect(missing.contains("404"), "\(name): \(missing)")
            let modified = try #require(
                head.split(separator: "\n").first { $0.lowercased().hasPrefix("last-modified: ") })
            let since = "If-Modified-Since: " + modified.dropFirst("last-modified: ".utf8.count)
            let same = try await fetch(
                "/39.html", "-H", since.trimmingCharacters(in: .whitespaces), "--show", "headers")
            #expect(same.contains("304"), "\(name): \(same)")
            if posts {
                #expect(try await fetch("/echo", "-d", "what was sent") == "what was sent", "\(name)")
            }
        }
    }

    @Test("are crawled whole")
    func crawl() async throws {
        let servers = try await onThread { try Servers() }
        for (name, url, _) in servers.urls {
            let run = try await Mocra.crawl([url + "/"], ["--quiet", "--ca-file", servers.caPath])
            expectEnded(run.process, ExitCode.done)
            let wanted = (1..<Servers.pages).map { "\(url)/\($0).html" } + [url + "/"]
            #expect(run.pages == Set(wanted), "\(name)")
            #expect(run.items.allSatisfy { $0.title?.hasPrefix("page ") == true }, "\(name)")
        }
    }
}
