// The truth against the plan it was computed from, without sockets.
import MocraDemoSite
import Testing

@Suite struct TruthTests {
    private struct Size: Sendable, CustomTestStringConvertible {
        var scenario: Scenario
        var hosts: Int
        var pages: Int
        var testDescription: String { "\(scenario) on \(hosts) hosts, \(pages) pages" }
    }

    private static let sizes = Scenario.allCases.flatMap { scenario in
        [(1, 2), (1, 50), (2, 3), (4, 40), (8, 160), (30, 31)].map {
            Size(scenario: scenario, hosts: $0.0, pages: $0.1)
        }
    }

    private static func place(_ url: String, in web: DemoWeb) -> DemoURL? {
        let rest = url.dropFirst(7)
        guard let slash = rest.firstIndex(of: "/"),
            let site = web.authorities.firstIndex(where: { $0.text == rest[..<slash] })
        else { return nil }
        return DemoURL(site, String(rest[slash...]))
    }

    @Test(arguments: sizes)
    private func everyURLIsWhatTheTruthSays(_ size: Size) throws {
        let web = CoreTests.web(size.scenario, pages: size.pages, hosts: size.hosts)
        let truth = TruthWalk.truth(of: web)
        let heals = Dictionary(uniqueKeysWithValues: truth.heals.map { ($0.url, $0.after) })
        for url in truth.reachable + truth.sitemapOnly {
            let place = try #require(Self.place(url, in: web))
            let after = heals[url] ?? 0
            let plan = web.plan(place, attempt: after + 1)
            #expect(plan.status == 200 && plan.isHTML && plan.breakage == nil, "\(url)")
            for attempt in 1..<(after + 1) {
                #expect(web.plan(place, attempt: attempt).status >= 429, "\(url)")
            }
        }
        for redirect in truth.redirects {
            let place = try #require(Self.place(redirect.url, in: web))
            let plan = web.plan(place)
            let location = try #require(plan.fields.first { $0.name == "Location" })
            #expect(plan.status == redirect.status && (300..<400).contains(plan.status))
            #expect(
                PlainURL(location.value, base: PlainURL(redirect.url, base: nil))?.text == redirect.location)
        }
        for error in truth.errors {
            let place = try #require(Self.place(error.url, in: web))
            #expect((1...4).allSatisfy { web.plan(place, attempt: $0).status == error.status })
        }
        for url in truth.nonHTML {
            let plan = web.plan(try #require(Self.place(url, in: web)))
            #expect(plan.status == 200 && !plan.isHTML)
        }
    }

    @Test(arguments: sizes)
    private func everyLinkIsClassifiedOnce(_ size: Size) throws {
        let web = CoreTests.web(size.scenario, pages: size.pages, hosts: size.hosts)
        let truth = TruthWalk.truth(of: web)
        let lists = [
            truth.reachable, truth.redirects.map(\.url), truth.errors.map(\.url), truth.disallowed,
            truth.sitemapOnly,
            truth.nonHTML, truth.broken.map(\.url), truth.beyondRedirectLimit,
        ]
        let classified = Set(lists.joined())
        #expect(classified.count == lists.map(\.count).reduce(0, +))
        for url in truth.reachable {
            let place = try #require(Self.place(url, in: web))
            let html = String(decoding: web.plan(place, attempt: 4).body, as: UTF8.self)
            if html.isEmpty || html.contains("iso-8859-1") { continue }
            for link in PlainPage.links(in: html, at: try #require(PlainURL(url, base: nil))) {
                // One of the links is written in ISO-8859-1 and checked by the crawl instead.
                let isKnown =
                    classified.contains(link.text) || truth.traps.contains { link.text.hasPrefix($0) }
                    || link.path.contains("%EF%BF%BD")
                #expect(isKnown, "\(link.text) on \(url)")
                #expect(
                    !truth.sitemapOnly.contains(link.text) && !truth.beyondRedirectLimit.contains(link.text))
                #expect(!truth.forbidden.contains { link.text.hasPrefix($0) })
            }
        }
    }

    @Test(arguments: [(1, 2), (3, 300), (8, 400)])
    func aPlainWebIsReachableAsAWhole(_ hosts: Int, _ pages: Int) {
        let truth = TruthWalk.truth(of: CoreTests.web(.plain, pages: pages, hosts: hosts))
        #expect(truth.reachable.count == pages)
        #expect(
            truth.redirects.isEmpty && truth.errors.isEmpty && truth.disallowed.isEmpty && truth.traps.isEmpty
        )
    }

    @Test func theMixedWebHasAllThereIs() {
        let truth = TruthWalk.truth(of: CoreTests.web(.mixed, pages: 400))
        #expect(truth.crawlDelay == ["127.0.0.5": 1])
        #expect(truth.heals.map(\.after).sorted() == [1, 1, 1, 2])
        #expect(Set(truth.errors.map(\.status)) == [403, 404, 410, 500])
        #expect(Set(truth.redirects.map(\.status)) == [301, 302, 303, 307, 308])
        #expect(
            truth.redirects.filter { $0.url.contains("/redirect/long/") }.count == DemoWeb.redirectsMax + 1)
        #expect(truth.beyondRedirectLimit.count == 5)
        #expect(truth.nonHTML.count == 3 && truth.sitemapOnly.count == 21 && truth.traps.isEmpty)
        #expect(truth.startURLs.count == 9)
        // The site whose robots.txt fails gives nothing at all, not even as an orphan.
        let closed = (truth.reachable + truth.sitemapOnly + truth.redirects.map(\.url)).filter {
            $0.hasPrefix("http://127.0.0.4:")
        }
        #expect(closed.isEmpty)
        #expect(truth.disallowed.contains("http://127.0.0.4:8080/"))
        // The same path is private on one port and open on another, and on the site without rules.
        #expect(truth.disallowed.contains("http://127.0.0.1:8080/private/secret.html"))
        #expect(truth.reachable.contains("http://127.0.0.1:8081/private/secret.html"))
        #expect(truth.reachable.contains("http://127.0.0.3:8080/private/secret.html"))
    }

    @Test func trapsAddNothingToTheReachableSetButTheirHub() {
        let mixed = TruthWalk.truth(of: CoreTests.web(.mixed))
        let traps = TruthWalk.truth(of: CoreTests.web(.traps))
        #expect(traps.traps.count == 4)
        #expect(Set(traps.reachable).subtracting(mixed.reachable).count == 1)
        #expect(Set(mixed.reachable).isSubset(of: Set(traps.reachable)))
    }
}
