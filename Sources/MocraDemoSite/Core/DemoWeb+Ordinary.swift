// The ordinary pages: a tree by number on each site, with links across, computed when asked for.
// Also the sitemaps, which name these pages and the orphans.

extension DemoWeb {
    /// Page n > 0 hangs below page (n - 1) / fanOut, so every page is reachable from its index.
    private static let fanOut = 4
    private static let pagesPerFolder = 16
    /// The largest number of URLs that a sitemap may hold (sitemaps.org protocol).
    private static let sitemapURLsMax = 50_000

    package func ordinaryURL(_ site: Int, _ number: Int) -> DemoURL {
        DemoURL(site, number == 0 ? "/" : "/docs/\(number / Self.pagesPerFolder)/\(number).html")
    }

    /// The number of the ordinary page at this URL.
    package func ordinaryNumber(_ url: DemoURL) -> Int? {
        if url.target == "/" { return 0 }
        guard url.target.hasPrefix("/docs/"), url.target.hasSuffix(".html") else { return nil }
        let parts = url.target.dropFirst(6).dropLast(5).split(
            separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let number = Int(parts[1]), number > 0, number < pageCounts[url.site] else {
            return nil
        }
        // Only the one spelling that links use; "+7" or "007" are other URLs.
        return ordinaryURL(url.site, number) == url ? number : nil
    }

    func ordinaryPage(at url: DemoURL) -> PageContent? {
        guard let number = ordinaryNumber(url) else { return nil }
        var random = SplitMix64(seed: seed, UInt64(url.site), UInt64(number))
        let title = Self.title(authorities[url.site].host, number)
        // Sizes spread evenly over the powers of two, as sizes on the web do: 1 to 40 KiB of text.
        let scale = 1024 << random.below(5)
        let fillerBytes = scale + random.below(scale * 3 / 2)
        var page = PageContent(title: title, fillerBytes: fillerBytes)
        addTreeLinks(to: &page, number, url, &random)
        if number == 0 { addIndexLinks(to: &page, url) }
        if scenario == .mixed || scenario == .traps { addDecoys(to: &page, number, &random) }
        return page
    }

    private func addTreeLinks(
        to page: inout PageContent, _ number: Int, _ url: DemoURL, _ random: inout SplitMix64
    ) {
        let count = pageCounts[url.site]
        let firstChild = number * Self.fanOut + 1
        for child in firstChild..<max(firstChild, min(firstChild + Self.fanOut, count)) {
            page.links.append(link(to: ordinaryURL(url.site, child), &random))
        }
        // Across the site, twice to the same page, and to another site.
        let across = ordinaryURL(url.site, random.below(count))
        page.links.append(link(to: across, &random))
        page.links.append(link(to: across, &random))
        let otherSite = random.below(authorities.count)
        page.links.append(link(to: ordinaryURL(otherSite, random.below(pageCounts[otherSite])), &random))
    }

    private func addIndexLinks(to page: inout PageContent, _ url: DemoURL) {
        for site in authorities.indices where site != url.site {
            page.links.append(Link(DemoURL(site, "/"), .absolute))
        }
        page.links += hubs[url.site]
    }

    private func link(to target: DemoURL, _ random: inout SplitMix64) -> Link {
        let forms: [HrefForm]
        var element = LinkElement.anchor
        switch scenario {
        case .plain, .hostile:
            forms = [.relative, .relative, .pathAbsolute, .absolute]
        case .mixed, .traps:
            forms = [
                .relative, .relative, .relative, .pathAbsolute, .absolute, .fragment, .dotSegments, .padded,
                .protocolRelative, .upperScheme,
            ]
            let elements: [LinkElement] = [.nofollow, .area, .iframe, .next, .previous]
            let draw = random.below(20)
            if draw < elements.count { element = elements[draw] }
        }
        return Link(target, forms[random.below(forms.count)], element)
    }

    private func addDecoys(to page: inout PageContent, _ number: Int, _ random: inout SplitMix64) {
        let name = "page-\(number)"
        if random.below(3) == 0 { page.decoys.append(Decoy.comment(name)) }
        if random.below(3) == 0 { page.decoys.append(Decoy.script(name)) }
        if random.below(3) == 0 { page.decoys.append(Decoy.image(name)) }
        if random.below(3) == 0 { page.headDecoys.append(Decoy.styleSheet(name)) }
        if random.below(3) == 0 { page.decoys += Decoy.otherSchemes }
        if random.below(6) == 0 { page.decoys += Decoy.malformed }
    }

    private static func title(_ host: String, _ number: Int) -> String {
        if number == 0 { return "Index of \(host)" }
        let names = ["Page", "Página", "Страница", "第頁", "Seite „Größe“", "Page <b> & \"more\"", "\u{1F578}"]
        return "\(names[number % names.count]) \(number) of \(host)"
    }

    // MARK: - Sitemap

    func sitemapResponse(_ site: Int) -> PlannedResponse {
        var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        text += "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n"
        let ordinary = min(pageCounts[site], Self.sitemapURLsMax - orphans[site].count)
        let listed = orphans[site] + (0..<ordinary).map { ordinaryURL(site, $0) }
        for url in listed {
            text += "<url><loc>\(PageRenderer.escaped(absolute(url)))</loc></url>\n"
        }
        text += "</urlset>\n"
        return PlannedResponse(
            status: 200, fields: [HeaderField("Content-Type", "application/xml; charset=utf-8")],
            body: Array(text.utf8))
    }
}
