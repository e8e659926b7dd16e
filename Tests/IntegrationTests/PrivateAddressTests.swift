// A public site that leads a crawl to private addresses, in a network namespace made for it: nothing there
// leaves the machine, and an address that is public is still one to the crawl.
import Foundation
import TestSupport
import Testing

@Suite("Private addresses", .sharesMachine)
struct PrivateAddressTests {
    /// What support/public_host.py prints.
    private struct Report: Decodable {
        var exitCode: Int32
        var summary: String
        var items: [CrawlItem]
        var asked: [String]
        var askedInside: [String]
    }

    private static let namespace = ["--net", "--map-root-user"]

    /// Whether a network namespace may be made: as root, or where users may make namespaces.
    @Sendable private static func mayMakeNamespace() async throws -> Bool {
        try await run("/usr/bin/unshare", namespace + ["true"]).exitCode == 0
    }

    @Test(
        "are not asked for anything, whoever links or redirects to them",
        .enabled("the kernel refuses a network namespace: run as root", mayMakeNamespace))
    func redirects() async throws {
        let script = TestData.packageRoot + "/Tests/IntegrationTests/support/public_host.py"
        let result = try await run(
            "/usr/bin/unshare",
            Self.namespace + ["/usr/bin/python3", "-I", script, try Mocra.binary()],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        try #require(result.exitCode == 0, "\(result.standardError)")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let report = try decoder.decode(Report.self, from: Data(result.standardOutput.utf8))
        #expect(report.exitCode == ExitCode.done)
        #expect(report.askedInside == [])
        let astray = ["/inside", "/loopback", "/mapped", "/number", "/unspecified", "/metadata"]
        #expect(Set(report.asked) == Set(astray + ["/robots.txt", "/", "/fine", "/page"]))
        // The redirects themselves are items, what they point to is none, and the summary says why.
        #expect(report.items.count == astray.count + 3)
        #expect(report.items.allSatisfy { $0.url.hasPrefix("http://5.5.5.5:") && $0.error == nil })
        #expect(report.summary.contains("blocked 5"), "\(report.summary)")
    }
}
