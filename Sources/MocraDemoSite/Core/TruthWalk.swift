// Computes the truth of a demo web by walking its plan: links are followed as data, nothing is rendered,
// parsed or fetched. The rules are those that DemoTruth names.

package struct TruthWalk {
    private let web: DemoWeb
    private let robots: [DemoRobots]
    private var queue: [(url: DemoURL, redirects: Int)] = []
    private var seen: Set<DemoURL> = []
    private var reachable: [DemoURL] = []
    private var redirects: [DemoTruth.Redirect] = []
    private var errors: [DemoTruth.Failure] = []
    private var heals: [DemoTruth.Heal] = []
    private var disallowed: [DemoURL] = []
    private var nonHTML: [DemoURL] = []
    private var broken: [DemoTruth.Broken] = []
    private var beyondLimit: [DemoURL] = []

    /// - Complexity: O(pages + links).
    package static func truth(of web: DemoWeb) -> DemoTruth {
        var walk = TruthWalk(web: web)
        for start in web.startURLs { walk.discover(start, redirects: 0) }
        var next = 0
        while next < walk.queue.count {
            let (url, redirects) = walk.queue[next]
            next += 1
            walk.visit(url, redirects)
        }
        return walk.result()
    }

    private init(web: DemoWeb) {
        self.web = web
        robots = web.authorities.indices.map(web.robots)
    }

    private mutating func discover(_ url: DemoURL, redirects: Int) {
        guard seen.insert(url).inserted, !web.isTrap(url) else { return }
        guard isAllowed(url) else {
            disallowed.append(url)
            return
        }
        queue.append((url, redirects))
    }

    private func isAllowed(_ url: DemoURL) -> Bool {
        robots[url.site].allows(url.target, product: DemoWeb.product)
    }

    private mutating func visit(_ url: DemoURL, _ redirectsSoFar: Int) {
        let address = web.absolute(url)
        switch web.resource(at: url) {
        case nil:
            errors.append(DemoTruth.Failure(url: address, status: 404))
        case .page(let page, _)?:
            reach(url, page)
        case .redirect(let status, let target, _)?:
            redirects.append(.init(url: address, location: web.absolute(target), status: status))
            if redirectsSoFar < DemoWeb.redirectsMax {
                discover(target, redirects: redirectsSoFar + 1)
            } else {
                leaveOut(from: target)
            }
        case .failing(let status, _, let failures, let page)?:
            if let page, failures <= DemoWeb.retriesMax {
                heals.append(DemoTruth.Heal(url: address, after: failures))
                reach(url, page)
            } else {
                errors.append(DemoTruth.Failure(url: address, status: status))
            }
        case .status(let status)?:
            errors.append(DemoTruth.Failure(url: address, status: status))
        case .file?:
            nonHTML.append(url)
        case .broken(let breakage)?:
            broken.append(DemoTruth.Broken(url: address, kind: breakage.rawValue))
        }
    }

    private mutating func reach(_ url: DemoURL, _ page: PageContent) {
        reachable.append(url)
        for link in page.links { discover(link.target, redirects: 0) }
    }

    /// The catalogue links to nothing of a chain but its start, so nothing else leads here.
    private mutating func leaveOut(from first: DemoURL) {
        var url = first
        while seen.insert(url).inserted {
            beyondLimit.append(url)
            guard case .redirect(_, let target, _)? = web.resource(at: url) else { return }
            url = target
        }
    }

    private func result() -> DemoTruth {
        let orphans = web.orphans.joined().filter { isAllowed($0) && !seen.contains($0) }
        let forbidden = web.authorities.indices.flatMap { site in
            Decoy.forbiddenPrefixes.map { DemoURL(site, $0) }
        }
        var delays: [String: Int] = [:]
        for site in web.authorities.indices {
            delays[web.authorities[site].host] =
                robots[site].crawlDelaySeconds(for: DemoWeb.product) ?? delays[web.authorities[site].host]
        }
        return DemoTruth(
            startURLs: web.startURLs.map(web.absolute), reachable: sorted(reachable),
            redirects: redirects.sorted { $0.url < $1.url }, errors: errors.sorted { $0.url < $1.url },
            heals: heals.sorted { $0.url < $1.url }, disallowed: sorted(disallowed),
            sitemapOnly: sorted(orphans),
            traps: sorted(web.trapURLPrefixes), forbidden: sorted(forbidden), nonHTML: sorted(nonHTML),
            crawlDelay: delays, broken: broken.sorted { $0.url < $1.url },
            beyondRedirectLimit: sorted(beyondLimit))
    }

    private func sorted(_ urls: [DemoURL]) -> [String] {
        urls.map(web.absolute).sorted()
    }
}
