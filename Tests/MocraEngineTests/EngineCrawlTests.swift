// Whole crawls of a web in memory with the site module: what is reached, what is written, what is refused.

import MocraFastPath
import Testing

@testable import MocraEngine

@Suite("Engine: crawling", .timeLimit(.minutes(10)))
struct EngineCrawlTests {
    /// `hosts` hosts of `pages` pages, each linking to the next two of its host and to one of the next host.
    private func web(hosts: Int, pages: Int) -> (site: FakeSite, urls: [String]) {
        let site = FakeSite()
        var urls: [String] = []
        for host in 0..<hosts {
            for page in 0..<pages {
                let url = "http://h\(host).test/\(page)"
                urls.append(url)
                site.set(
                    url,
                    .page([
                        "/\((page + 1) % pages)", "/\((page + 2) % pages)#part",
                        "http://h\((host + 1) % hosts).test/\((page + 7) % pages)", "mailto:a@b.test",
                        "http://elsewhere.test/\(page)",
                    ]))
            }
        }
        return (site, urls.sorted())
    }

    @Test(arguments: [1, 2, 4]) func `every page is reached once, with any number of lanes`(lanes: Int)
        async throws
    {
        let (site, urls) = web(hosts: 9, pages: 40)
        let crawled = try await crawl(site, from: ["http://h0.test/0"], lanes: lanes, allow: ["*.test"]) {
            // Only the nine hosts answer; the others of *.test give 404 pages.
            $0.politeness.robots = .ignore
        }
        #expect(crawled.urls.filter { !$0.contains("elsewhere") } == urls)
        #expect(Set(site.urls).count == site.urls.count, "a page was fetched twice")
        let ledger = crawled.summary.ledger
        #expect(ledger.isBalanced && ledger.queued == 0 && ledger.leased == 0)
        #expect(ledger.done == crawled.items.count && ledger.done == site.urls.count)
        #expect(crawled.summary.pages == ledger.done)
        #expect(crawled.summary.outcome == .completed)
        #expect(crawled.summary.statusClasses[2] == urls.count)
        #expect(crawled.summary.statusClasses[4] == 40)
    }

    @Test(arguments: [1, 2, 4]) func `the scope is the hosts of the starts`(lanes: Int) async throws {
        let (site, urls) = web(hosts: 3, pages: 10)
        let crawled = try await crawl(site, from: ["http://h0.test/0", "http://h1.test/0"], lanes: lanes)
        #expect(crawled.urls == urls.filter { !$0.hasPrefix("http://h2") })
        #expect(crawled.summary.skips == [.scope: 20])
        #expect(site.visits.allSatisfy { $0.host != "elsewhere.test" && $0.host != "h2.test" })
    }

    @Test func `an item tells what is to be known of a page`() async throws {
        let site = FakeSite([
            "http://a.test/": .page(["/x", "/y", "/x"], title: "Start"), "http://a.test/x": .text("x"),
        ])
        let crawled = try await crawl(site, from: ["http://a.test/#top"])
        let start = try #require(crawled.item("http://a.test/"))
        #expect(start.status == 200 && start.depth == 0 && start.parent == nil && start.redirectChain == [])
        #expect(start.title == "Start" && start.links == 3 && start.contentType == "text/html")
        #expect(start.bytes == start.wireBytes && start.bytes ?? 0 > 50)
        #expect(
            start.fetchedAt.count == 24 && start.fetchedAt.hasPrefix("20")
                && start.fetchedAt.hasSuffix("Z"))
        let text = try #require(crawled.item("http://a.test/x"))
        #expect(text.depth == 1 && text.parent == "http://a.test/" && text.links == 0 && text.title == nil)
        let missing = try #require(crawled.item("http://a.test/y"))
        #expect(missing.status == 404 && missing.error == nil)
        #expect(crawled.items.count == 3)
    }

    // MARK: Redirects

    @Test func `a redirect is an item, and its target is fetched once with the chain`() async throws {
        let site = FakeSite([
            "http://a.test/": .page(["/one", "/two"]), "http://a.test/one": .redirect(301, "/mid"),
            "http://a.test/two": .redirect(302, "/mid"), "http://a.test/mid": .redirect(307, "end#part"),
            "http://a.test/end": .page(["/after"]), "http://a.test/after": .page(),
        ])
        let crawled = try await crawl(site, from: ["http://a.test/"]) { $0.politeness.perHostConcurrency = 1 }
        #expect(crawled.item("http://a.test/one")?.location == "http://a.test/mid")
        #expect(crawled.item("http://a.test/two")?.location == "http://a.test/mid")
        let end = try #require(crawled.item("http://a.test/end"))
        #expect(end.redirectChain == ["http://a.test/one", "http://a.test/mid"])
        #expect(end.depth == 1 && end.parent == "http://a.test/")
        #expect(crawled.item("http://a.test/after")?.depth == 2)
        #expect(site.count("http://a.test/mid") == 1 && site.count("http://a.test/end") == 1)
    }

    @Test func `a circle of redirects ends, a chain too long is an error`() async throws {
        let site = FakeSite([
            "http://a.test/": .page(["/r0", "/c"]), "http://a.test/c": .redirect(302, "/c"),
        ])
        for hop in 0..<9 { site.set("http://a.test/r\(hop)", .redirect(302, "/r\(hop + 1)")) }
        let crawled = try await crawl(site, from: ["http://a.test/"]) { $0.download.maxRedirects = 3 }
        #expect(crawled.item("http://a.test/c")?.location == "http://a.test/c")
        #expect(crawled.item("http://a.test/r2")?.location == "http://a.test/r3")
        let last = try #require(crawled.item("http://a.test/r3"))
        #expect(last.error == "redirect_loop" && last.redirectChain.count == 3)
        // It was answered, so it has its status, and where it led.
        #expect(last.status == 302 && last.location == "http://a.test/r4")
        #expect(crawled.item("http://a.test/r4") == nil)
        #expect(crawled.summary.errors == [.redirectLoop: 1])
    }

    @Test func `credentials stay with the origin they are for`() async throws {
        let site = FakeSite([
            "http://a.test/": .page(["/in", "http://b.test/x", "/away"]), "http://a.test/in": .page(),
            "http://b.test/x": .page(), "http://a.test/away": .redirect(302, "http://b.test/y"),
            "http://b.test/y": .page(),
        ])
        let headers = [HTTPField("Authorization", "secret"), HTTPField("X-Crawl", "yes")]
        _ = try await crawl(site, from: ["http://a.test/"], lanes: 2, allow: ["b.test"], headers: headers)
        for visit in site.visits where !visit.url.hasSuffix("robots.txt") {
            let names = visit.request.headers.map(\.name)
            #expect(names.contains("X-Crawl"), "\(visit.url)")
            #expect(names.contains("Authorization") == (visit.host == "a.test"), "\(visit.url)")
        }
        #expect(site.count("http://b.test/y") == 1)
    }

    @Test func `a start that redirects out of the scope is told by name`() async throws {
        let site = FakeSite(["http://a.test/": .redirect(301, "http://www.a.test/")])
        let crawled = try await crawl(site, from: ["http://a.test/"], lanes: 2)
        let notice = try #require(crawled.summary.notices.first)
        #expect(crawled.summary.notices.count == 1)
        #expect(notice.url == "http://a.test/" && notice.kind == "scope")
        #expect(notice.message.contains("www.a.test"))
    }

    // MARK: Failures and retries

    @Test func `failures are items with their kind, and the crawl goes on`() async throws {
        let site = FakeSite([
            "http://a.test/": .page(["/reset", "/tls", "/ok"]),
            "http://a.test/reset": .failure(.reset, isRetryable: true),
            "http://a.test/tls": .failure(.tls), "http://a.test/ok": .page(),
        ])
        let crawled = try await crawl(site, from: ["http://a.test/"])
        let reset = try #require(crawled.item("http://a.test/reset"))
        #expect(reset.error == "reset" && reset.message == "the fake reset" && reset.status == nil)
        #expect(crawled.item("http://a.test/tls")?.error == "tls")
        #expect(crawled.item("http://a.test/ok")?.status == 200)
        #expect(crawled.summary.errors == [.reset: 1, .tls: 1])
        #expect(crawled.summary.ledger.done == 4)
    }

    @Test func `a 503 with Retry-After is tried again after that, and nothing of its host before`()
        async throws
    {
        let site = FakeSite(["http://a.test/": .page(["/busy", "/other"]), "http://a.test/other": .page()])
        site.set("http://a.test/busy", .status(503, [HTTPField("Retry-After", "1")]), .page(title: "well"))
        let crawled = try await crawl(site, from: ["http://a.test/"], lanes: 2) {
            $0.crawler.requestMaxRetries = 1
            $0.politeness.perHostConcurrency = 1
        }
        #expect(crawled.item("http://a.test/busy")?.title == "well")
        #expect(crawled.items.count == 3 && crawled.summary.retries == 1)
        let visits = site.visits
        let busy = try #require(visits.firstIndex { $0.url == "http://a.test/busy" })
        for visit in visits[(busy + 1)...] {
            #expect(visit.at >= visits[busy].at.advanced(byMs: 1_000), "\(visit.url) during Retry-After")
        }
        #expect(visits.count == busy + 3)
    }

    @Test func `a status left after the retries is an item with it`() async throws {
        let site = FakeSite(["http://a.test/": .page(["/500"]), "http://a.test/500": .status(500)])
        let crawled = try await crawl(site, from: ["http://a.test/"])
        #expect(crawled.item("http://a.test/500")?.status == 500)
        #expect(crawled.item("http://a.test/500")?.error == nil)
        #expect(crawled.summary.statusClasses[5] == 1)
    }

    @Test func `a blocked address is skipped and told, not an error`() async throws {
        let site = FakeSite(["http://a.test/robots.txt": .failure(.blocked)])
        let crawled = try await crawl(site, from: ["http://a.test/"])
        #expect(crawled.items.isEmpty)
        #expect(crawled.summary.skips == [.blocked: 1] && crawled.summary.errors.isEmpty)
        #expect(crawled.summary.notices.map(\.kind) == ["blocked"])
        #expect(crawled.summary.text().contains("address_policy"))
    }

    // MARK: robots.txt

    @Test func `robots_txt is fetched once an origin and obeyed`() async throws {
        let site = FakeSite([
            "http://a.test/": .page(["/no/1", "/yes", "http://a.test:81/no/2"]),
            "http://a.test/robots.txt": .text(
                "User-agent: mocra\nDisallow: /no/\n\nUser-agent: *\nDisallow: /\n"),
            "http://a.test/yes": .page(), "http://a.test:81/no/2": .page(),
        ])
        let crawled = try await crawl(site, from: ["http://a.test/"], lanes: 2)
        #expect(crawled.urls == ["http://a.test/", "http://a.test/yes", "http://a.test:81/no/2"])
        #expect(crawled.summary.skips == [.robots: 1])
        #expect(site.count("http://a.test/robots.txt") == 1 && site.count("http://a.test:81/robots.txt") == 1)
        #expect(site.count("http://a.test/no/1") == 0)
    }

    @Test func `a robots_txt that fails refuses, one that cannot be had ends the pages with its failure`()
        async throws
    {
        let site = FakeSite([
            "http://a.test/robots.txt": .status(500), "http://a.test/": .page(),
            "http://b.test/robots.txt": .failure(.connect, isRetryable: true), "http://b.test/": .page(),
        ])
        let crawled = try await crawl(
            site, from: ["http://a.test/", "http://b.test/", "http://b.test/2"], lanes: 2)
        #expect(crawled.summary.skips == [.robots: 1])
        #expect(crawled.summary.errors == [.connect: 2])
        #expect(crawled.urls == ["http://b.test/", "http://b.test/2"])
        #expect(crawled.items.allSatisfy { $0.error == "connect" && $0.message == "the fake connect" })
        #expect(site.urls.sorted() == ["http://a.test/robots.txt", "http://b.test/robots.txt"])
    }

    @Test(arguments: [1, 4]) func `a robots_txt may redirect to a host of another lane`(lanes: Int)
        async throws
    {
        let site = FakeSite(["http://z.test/rules": .text("User-agent: *\nDisallow: /no\n")])
        var starts: [String] = []
        for host in 0..<8 {
            site.set("http://h\(host).test/robots.txt", .redirect(302, "http://z.test/rules"))
            site.set("http://h\(host).test/yes", .page(["/no"]))
            starts.append("http://h\(host).test/yes")
        }
        let crawled = try await crawl(site, from: starts, lanes: lanes)
        #expect(crawled.urls == starts)
        #expect(crawled.summary.skips == [.robots: 8])
        #expect(site.count("http://z.test/rules") == 8)
    }
}
