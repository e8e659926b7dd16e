// Real documentation, served by a real nginx: what mocra finds is what an independent script finds.
// The script (support/reachable.py) shares no code with mocra.
import Foundation
import TestSupport
import Testing

@Suite("A crawl of real documentation", .serialized, .sharesMachine)
struct DocumentationTests {
    struct Site: Sendable, CustomTestStringConvertible {
        var package: String
        var folder: String
        var start: String
        /// Less than this means that the package, the server or the script is broken.
        var pagesMin: Int
        var testDescription: String { package }
    }

    static let sites = [
        Site(
            package: "python3-doc", folder: "/usr/share/doc/python3/html", start: "/index.html", pagesMin: 400
        ),
        Site(package: "sqlite3-doc", folder: "/usr/share/doc/sqlite3", start: "/index.html", pagesMin: 400),
    ]

    @Test("finds exactly the reachable pages", arguments: sites, [false, true])
    func reachablePages(site: Site, isSecure: Bool) async throws {
        guard FileManager.default.fileExists(atPath: site.folder + site.start) else {
            throw TestSupportError(
                "\(site.folder) is missing: run scripts/bootstrap --test (package \(site.package))")
        }
        let (nginx, caPath) = try await onThread {
            let certificates = try TestCertificates.shared()
            let certificate = isSecure ? try certificates.certificate() : nil
            // The secure one also compresses, so that both ways of a body are seen.
            let nginx = try NginxServer([
                NginxSite(.folder(site.folder), certificate: certificate, gzip: isSecure)
            ])
            return (nginx, certificates.caPath)
        }
        let start = nginx.url() + site.start
        let wanted = try await reachable(start, caPath: isSecure ? caPath : nil)
        #expect(wanted.count >= site.pagesMin)
        let requestsBefore = try nginx.accessLog().count

        let run = try await Mocra.crawl(
            [start], ["--quiet", "--loops", "2"] + (isSecure ? ["--ca-file", caPath] : []), withinMs: 300_000)
        expectEnded(run.process, ExitCode.done)
        #expect(run.process.standardError == "")
        expectSame(run.pages, wanted, "pages")
        #expect(Set(run.items.map(\.url)).count == run.items.count, "one item a URL")
        #expect(run.items.allSatisfy { $0.error == nil }, "\(run.items.filter { $0.error != nil }.prefix(3))")

        let log = try nginx.accessLog().dropFirst(requestsBefore)
        let counts = Dictionary(log.map { ($0.target, 1) }, uniquingKeysWith: +)
        let repeated = counts.filter { $0.value > 1 }.keys.sorted()
        #expect(repeated.isEmpty, "asked for more than once: \(repeated.prefix(10))")
        #expect(log.allSatisfy { $0.userAgent.hasPrefix("mocra/") })
        let connections = Set(log.map(\.connection)).count
        #expect(connections < 64, "connections are used again: \(connections) for \(log.count) requests")
    }

    private func reachable(_ start: String, caPath: String?) async throws -> Set<String> {
        let script = TestData.packageRoot + "/Tests/IntegrationTests/support/reachable.py"
        let result = try await run(
            "/usr/bin/python3", [script, start, "--json"] + (caPath.map { ["--ca", $0] } ?? []),
            withinMs: 300_000)
        guard result.exitCode == 0 else {
            let hint =
                result.standardError.contains("lxml")
                ? "run scripts/bootstrap --test (package python3-lxml)" : ""
            throw TestSupportError("\(script) failed: \(result.standardError)\(hint)")
        }
        struct Answer: Decodable { var urls: [String] }
        return Set(try JSONDecoder().decode(Answer.self, from: Data(result.standardOutput.utf8)).urls)
    }
}
