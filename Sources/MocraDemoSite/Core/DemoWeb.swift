// The pure core: a synthetic web as a function of (scenario, seed, size, sites). Given a site, a target and
// the number of the try, it plans the answer. It knows no socket, no clock and no counter; the server around
// it has those.

package struct DemoWeb: Sendable {
    /// What a site is for. Rules for crawlers differ by role.
    package enum Role: Sendable, Equatable {
        case open, standard, ownGroup, robotsMissing, robotsFailing, crawlDelay, otherPort
    }

    /// The product token that the truth is computed for.
    package static let product = "mocra"
    package static let redirectsMax = 10
    package static let retriesMax = 3
    /// A site that is slow or closed to crawlers by its role has few pages, so that a crawl of the default
    /// web stays short.
    private static let pagesOfCappedSite = 6

    package let scenario: Scenario
    package let seed: UInt64
    package let authorities: [Authority]
    package let timing: DemoTiming
    package let roles: [Role]
    /// Ordinary pages by site, the index included.
    package let pageCounts: [Int]
    /// Everything that is not an ordinary page.
    package private(set) var special: [DemoURL: Resource] = [:]
    /// Special pages that a site's index links to.
    package private(set) var hubs: [[Link]]
    /// By site: pages that only its sitemap names.
    package private(set) var orphans: [[DemoURL]]

    /// - Parameters:
    ///   - hosts: how many of the first `authorities` are hosts of their own; the rest are further ports.
    /// - Complexity: O(sites); ordinary pages are computed when asked for.
    package init(
        scenario: Scenario, seed: UInt64, pages: Int, authorities: [Authority], hosts: Int,
        timing: DemoTiming = DemoTiming()
    ) {
        precondition(
            !authorities.isEmpty && hosts >= 1 && hosts <= authorities.count, "a web has a first host")
        precondition(pages >= authorities.count, "every site has an index page")
        self.scenario = scenario
        self.seed = seed
        self.authorities = authorities
        self.timing = timing
        roles = authorities.indices.map { Self.role(of: $0, hosts: hosts, scenario) }
        pageCounts = Self.spread(pages, over: roles)
        hubs = Array(repeating: [], count: authorities.count)
        orphans = Array(repeating: [], count: authorities.count)
        addOrphans()
        switch scenario {
        case .plain: break
        case .mixed: addMixed()
        case .traps:
            addMixed()
            addTraps()
        case .hostile: addBroken()
        }
    }

    private static func role(of site: Int, hosts: Int, _ scenario: Scenario) -> Role {
        switch scenario {
        case .plain, .hostile: return .open
        case .mixed, .traps: break
        }
        if site >= hosts { return .otherPort }
        let roles: [Role] = [.standard, .ownGroup, .robotsMissing, .robotsFailing, .crawlDelay]
        return site < roles.count ? roles[site] : .standard
    }

    /// Capped sites get their few pages, the others share the rest evenly. The first site is never capped.
    private static func spread(_ pages: Int, over roles: [Role]) -> [Int] {
        let capped = roles.indices.filter { isCapped(roles[$0]) }
        let others = roles.indices.filter { !isCapped(roles[$0]) }
        var counts = Array(repeating: 0, count: roles.count)
        for site in capped { counts[site] = min(pagesOfCappedSite, pages / roles.count) }
        let rest = pages - counts.reduce(0, +)
        for (place, site) in others.enumerated() {
            counts[site] = rest / others.count + (place < rest % others.count ? 1 : 0)
        }
        return counts
    }

    private static func isCapped(_ role: Role) -> Bool {
        switch role {
        case .robotsFailing, .crawlDelay: true
        case .open, .standard, .ownGroup, .robotsMissing, .otherPort: false
        }
    }

    // MARK: - Queries

    package var startURLs: [DemoURL] { authorities.indices.map { DemoURL($0, "/") } }

    /// Sites that carry special pages, in the order in which they get them.
    package var carriers: [Int] { authorities.indices.filter { !Self.isCapped(roles[$0]) } }

    package func absolute(_ url: DemoURL) -> String {
        "http://" + authorities[url.site].text + url.target
    }

    package func robots(of site: Int) -> DemoRobots {
        switch roles[site] {
        case .open: .open
        case .standard: .standard
        case .ownGroup: .ownGroup
        case .robotsMissing: .missing
        case .robotsFailing: .failing
        case .crawlDelay: .crawlDelay(timing.crawlDelaySeconds)
        case .otherPort: .otherPort
        }
    }

    package func resource(at url: DemoURL) -> Resource? {
        if let found = special[url] { return found }
        if let page = ordinaryPage(at: url) { return .page(page, .whole) }
        if let page = trapPage(at: url) { return .page(page, .whole) }
        if Decoy.forbiddenPrefixes.contains(where: url.target.hasPrefix) {
            return .page(PageContent(title: "You should not be here", fillerBytes: 256), .whole)
        }
        return nil
    }

    /// Whether answers at this URL depend on the number of the try.
    package func countsAttempts(_ url: DemoURL) -> Bool {
        if case .failing = special[url] { return true }
        return false
    }

    /// The target as its resource is known: an empty query means no query.
    package static func canonicalTarget(_ target: String) -> String {
        target.hasSuffix("?") ? String(target.dropLast()) : target
    }

    // MARK: - Plan

    /// The answer to one request.
    ///
    /// - Parameters:
    ///   - attempt: counted by URL, from 1.
    package func plan(_ url: DemoURL, attempt: Int = 1) -> PlannedResponse {
        let url = DemoURL(url.site, Self.canonicalTarget(url.target))
        if url.target == "/robots.txt" { return robotsResponse(url.site) }
        if url.target == "/sitemap.xml" { return sitemapResponse(url.site) }
        switch resource(at: url) {
        case nil: return errorPage(404, url)
        case .page(let page, let delivery)?: return pageResponse(page, delivery, url)
        case .redirect(let status, let target, let form)?: return redirectResponse(status, target, form, url)
        case .failing(let status, let retryAfter, let failures, let page)?:
            if attempt > failures, let page { return pageResponse(page, .whole, url) }
            var response = errorPage(status, url)
            if let retryAfter { response.fields.append(HeaderField("Retry-After", String(retryAfter))) }
            return response
        case .status(let status)?: return errorPage(status, url)
        case .file(let contentType, let bytes)?:
            return PlannedResponse(
                status: 200, fields: [HeaderField("Content-Type", contentType)], body: bytes)
        case .broken(let breakage)?:
            var response = errorPage(200, url)
            response.breakage = breakage
            return response
        }
    }

    private func pageResponse(_ page: PageContent, _ delivery: Delivery, _ url: DemoURL) -> PlannedResponse {
        let type =
            switch page.charset {
            case .utf8: "text/html; charset=utf-8"
            case .latin1Header: "text/html; charset=ISO-8859-1"
            case .latin1Meta: "text/html"
            }
        return PlannedResponse(
            status: 200, fields: [HeaderField("Content-Type", type)],
            body: PageRenderer.render(page, at: url, authorities, seed: seed), delivery: delivery,
            timing: timing)
    }

    private func redirectResponse(
        _ status: Int, _ target: DemoURL, _ form: HrefForm, _ url: DemoURL
    ) -> PlannedResponse {
        let location = Href.text(form, target, from: url, authorities)
        let page = PageContent(title: "Moved", links: [Link(target, form)], fillerBytes: 0)
        return PlannedResponse(
            status: status,
            fields: [
                HeaderField("Content-Type", "text/html; charset=utf-8"), HeaderField("Location", location),
            ],
            body: PageRenderer.render(page, at: url, authorities, seed: seed))
    }

    /// Without links: what stands on an error page is not part of the reachable web.
    private func errorPage(_ status: Int, _ url: DemoURL) -> PlannedResponse {
        let page = PageContent(title: "\(status) \(PlannedResponse.reason(status))", fillerBytes: 512)
        return PlannedResponse(
            status: status, fields: [HeaderField("Content-Type", "text/html; charset=utf-8")],
            body: PageRenderer.render(page, at: url, authorities, seed: seed))
    }

    private func robotsResponse(_ site: Int) -> PlannedResponse {
        let robots = robots(of: site)
        guard robots.status == 200 else {
            return .text(robots.status, "\(robots.status) \(PlannedResponse.reason(robots.status))")
        }
        return PlannedResponse(
            status: 200, fields: [HeaderField("Content-Type", "text/plain; charset=utf-8")],
            body: Array(robots.text(sitemap: absolute(DemoURL(site, "/sitemap.xml"))).utf8))
    }

    // MARK: - Building

    /// Puts a resource at a place that is free; two of them at one place would be a mistake in the catalogue.
    mutating func add(_ url: DemoURL, _ resource: Resource) {
        precondition(special[url] == nil, "\(url.target) is planned twice")
        special[url] = resource
    }

    /// Adds a page that the index of its site links to.
    mutating func addHub(_ url: DemoURL, _ page: PageContent, _ delivery: Delivery = .whole) {
        add(url, .page(page, delivery))
        hubs[url.site].append(Link(url, .pathAbsolute))
    }

    mutating func addHubLink(_ link: Link, at site: Int) {
        hubs[site].append(link)
    }

    private mutating func addOrphans() {
        for site in carriers {
            for number in 1...3 {
                let url = DemoURL(site, "/orphans/\(number).html")
                add(
                    url,
                    .page(PageContent(title: "Orphan \(number)", links: [Link(DemoURL(site, "/"))]), .whole))
                orphans[site].append(url)
            }
        }
    }
}
