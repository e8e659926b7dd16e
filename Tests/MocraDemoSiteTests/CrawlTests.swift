// The truth against a real crawl: what the server publishes is what an independent crawler finds.
import MocraDemoSite
import TestSupport
import Testing

@Suite(.serialized) struct CrawlTests {
    private static let quick = DemoTiming(
        slowFirstByteMs: 20, dripTotalMs: 40, crawlDelaySeconds: 1, retryAfterSeconds: 0)

    private func start(_ scenario: Scenario, hosts: Int = 8, pages: Int = 120) async throws -> DemoSite {
        try await DemoSite.start(
            DemoSiteConfiguration(hosts: hosts, pages: pages, scenario: scenario, timing: Self.quick))
    }

    private func scope(_ truth: DemoTruth) -> Set<String> {
        Set(truth.startURLs.map { String($0.dropFirst(7).dropLast()) })
    }

    /// On a thread of its own: the crawler blocks.
    private func crawl(_ starts: [String], _ truth: DemoTruth) async throws -> PlainCrawler.Findings {
        let scope = scope(truth)
        return try await onThread { try PlainCrawler.crawl(starts, scope: scope) }
    }

    private func check(_ found: PlainCrawler.Findings, _ truth: DemoTruth) {
        #expect(found.reachable == Set(truth.reachable), "\(found.broken)")
        #expect(
            found.redirects == Dictionary(uniqueKeysWithValues: truth.redirects.map { ($0.url, $0.location) })
        )
        #expect(found.errors == Dictionary(uniqueKeysWithValues: truth.errors.map { ($0.url, $0.status) }))
        #expect(found.heals == Dictionary(uniqueKeysWithValues: truth.heals.map { ($0.url, $0.after) }))
        #expect(found.nonHTML == Set(truth.nonHTML))
        #expect(found.disallowed == Set(truth.disallowed))
    }

    @Test(arguments: [Scenario.plain, .mixed], [1, 2, 8])
    func aCorrectCrawlReachesExactlyTheTruth(_ scenario: Scenario, _ hosts: Int) async throws {
        let site = try await start(scenario, hosts: hosts)
        let truth = site.truth
        try await check(crawl(truth.startURLs, truth), truth)
        checkLog(site)
        await site.shutdown()
    }

    @Test func theFirstIndexAloneLeadsEverywhere() async throws {
        let site = try await start(.mixed)
        try await check(crawl([site.startURL], site.truth), site.truth)
        await site.shutdown()
    }

    @Test func aHostileSiteIsReachedBesideItsBrokenAnswers() async throws {
        let site = try await start(.hostile)
        let truth = site.truth
        let found = try await crawl(truth.startURLs, truth)
        // This client neither limits headers nor decodes codings, so it takes three of the answers for good
        // ones.
        let unnoticed = truth.broken.filter {
            ["endless-header", "two-lengths", "bad-gzip"].contains($0.kind)
        }
        #expect(found.reachable.subtracting(unnoticed.map(\.url)) == Set(truth.reachable))
        #expect(Set(found.broken.keys).union(unnoticed.map(\.url)) == Set(truth.broken.map(\.url)))
        #expect(truth.broken.count == 9)
        await site.shutdown()
    }

    /// The server's own log shows that the crawler kept to the rules, and would show it if it had not.
    private func checkLog(_ site: DemoSite) {
        let requested = site.requestLog.map { "http://\($0.host):\($0.port)\($0.path)" }
        let truth = site.truth
        let avoided = Set(truth.disallowed + truth.sitemapOnly + truth.beyondRedirectLimit)
        #expect(requested.filter { avoided.contains($0) }.isEmpty)
        #expect(requested.filter { url in truth.forbidden.contains { url.hasPrefix($0) } }.isEmpty)
        #expect(Set(truth.reachable).isSubset(of: Set(requested)))
        #expect(site.requestLog.allSatisfy { $0.userAgent == "mocra/0 (test)" })
        #expect(site.requestsDropped == 0)
    }

    @Test func aCrawlerThatIgnoresRulesIsSeen() async throws {
        let site = try await start(.mixed)
        let forbidden = site.truth.forbidden[0] + "x.html"
        for url in [site.truth.disallowed[0], forbidden] {
            let url = try #require(PlainURL(url, base: nil))
            #expect(try PlainHTTPClient.get(url.host, url.port, url.target).status == 200)
        }
        let requested = site.requestLog.map { "http://\($0.host):\($0.port)\($0.path)" }
        #expect(requested == [site.truth.disallowed[0], forbidden])
        await site.shutdown()
    }
}
