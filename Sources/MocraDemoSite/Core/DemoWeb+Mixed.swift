// The catalogue of the scenario `mixed`: which special pages exist and where. Each family stands once in the
// web, spread over the sites that carry special pages, except the robots pages, which every one of these
// sites has.

extension DemoWeb {
    mutating func addMixed() {
        let carriers = carriers
        let site = { (family: Int) in carriers[family % carriers.count] }
        addLinkForms(at: site(0))
        addLinkElements(at: site(0))
        addRedirects(at: site(1), other: site(2))
        addErrors(at: site(2))
        addTimings(at: site(3))
        addCodings(at: site(4))
        addFiles(at: site(5))
        addCalendar(at: site(6))
        for carrier in carriers { addRobotsPages(at: carrier) }
        for site in roles.indices where roles[site] == .crawlDelay {
            let secret = DemoURL(site, "/private/secret.html")
            add(secret, .page(PageContent(title: "Private"), .whole))
            addHubLink(Link(secret, .relative), at: site)
        }
    }

    /// A page without links, to be reached through exactly one link.
    private mutating func leaf(_ site: Int, _ target: String, title: String = "A leaf") -> DemoURL {
        let url = DemoURL(site, target)
        add(url, .page(PageContent(title: title), .whole))
        return url
    }

    // MARK: - Links

    private mutating func addLinkForms(at site: Int) {
        var links: [Link] = [
            Link(leaf(site, "/links/absolute.html"), .absolute),
            Link(leaf(site, "/links/upper-scheme.html"), .upperScheme),
            Link(leaf(site, "/links/protocol-relative.html"), .protocolRelative),
            Link(leaf(site, "/links/path-absolute.html"), .pathAbsolute),
            Link(leaf(site, "/links/relative.html"), .relative),
            Link(leaf(site, "/links/fragment.html"), .fragment),
            Link(leaf(site, "/links/dot-segments.html"), .dotSegments),
            Link(leaf(site, "/links/caf%C3%A9.html"), .lowerPercent),
            Link(leaf(site, "/links/na%C3%AFve.html"), .rawCharacters),
            Link(leaf(site, "/links/two%20words.html"), .rawCharacters),
            Link(leaf(site, "/links/padded.html"), .padded),
            Link(leaf(site, "/links/empty-query.html"), .emptyQuery),
            // The order of a query's parts has a meaning: these are two URLs.
            Link(leaf(site, "/links/query.html?a=1&b=2"), .relative),
            Link(leaf(site, "/links/query.html?b=2&a=1"), .relative),
            Link(leaf(site, "/links/query.html?q=a%20b"), .rawCharacters),
            Link(leaf(site, "/links/query.html?next=http://127.0.0.1/%23x"), .pathAbsolute),
        ]
        links.append(Link(leaf(site, "/hub/links.html?part=2"), .queryOnly))
        // The same page again, spelled otherwise.
        let twice = leaf(site, "/links/twice.html")
        links += [.relative, .relative, .absolute, .fragment, .emptyQuery, .dotSegments].map {
            Link(twice, $0)
        }
        addHub(
            DemoURL(site, "/hub/links.html"),
            PageContent(
                title: "Links in every spelling", links: links,
                decoys: Decoy.otherSchemes + Decoy.malformed
                    + [Decoy.comment("links"), Decoy.script("links"), Decoy.image("links")],
                headDecoys: [Decoy.styleSheet("links")]))

        let deep = [leaf(site, "/links/base/deep/one.html"), leaf(site, "/links/base/two.html")]
        addHub(
            DemoURL(site, "/hub/base.html"),
            PageContent(title: "Links from a base", links: deep.map { Link($0) }, base: "/links/base/deep/"))
    }

    private mutating func addLinkElements(at site: Int) {
        for element in LinkElement.allCases where element != .frame && element != .refresh {
            let target = leaf(site, "/links/by-\(element).html")
            addHub(
                DemoURL(site, "/hub/element-\(element).html"),
                PageContent(title: "A link by \(element)", links: [Link(target, .relative, element)]))
        }
        let refreshed = leaf(site, "/links/by-refresh.html")
        addHub(
            DemoURL(site, "/hub/element-refresh.html"),
            PageContent(title: "A link by refresh", links: [Link(refreshed, .pathAbsolute, .refresh)]))
        let frames = ["left", "right"].map { leaf(site, "/links/frame-\($0).html") }
        addHub(
            DemoURL(site, "/hub/element-frame.html"),
            PageContent(
                title: "Frames", links: frames.map { Link($0, .relative, .frame) }, layout: .frameset))
    }

    // MARK: - Redirects

    private mutating func addRedirects(at site: Int, other: Int) {
        var links: [Link] = []
        func url(_ name: String) -> DemoURL { DemoURL(site, "/redirect/" + name) }
        func hop(_ web: inout DemoWeb, _ name: String, _ status: Int, _ target: DemoURL, _ form: HrefForm)
            -> DemoURL
        {
            web.add(url(name), .redirect(status: status, target: target, form: form))
            return url(name)
        }
        for status in [301, 302, 303, 307, 308] {
            let target = leaf(site, "/redirect/to/\(status).html", title: "After \(status)")
            links.append(Link(hop(&self, "\(status)", status, target, .absolute)))
        }
        for form in [HrefForm.relative, .pathAbsolute, .protocolRelative, .dotSegments, .fragment] {
            let target = leaf(site, "/redirect/to/\(form).html")
            links.append(Link(hop(&self, "location-\(form)", 302, target, form)))
        }
        links.append(
            Link(hop(&self, "other-host", 301, leaf(other, "/redirect-arrival/from-other.html"), .absolute)))
        links.append(Link(hop(&self, "to-index", 302, DemoURL(other, "/"), .absolute)))
        links.append(
            Link(hop(&self, "to-missing", 302, DemoURL(site, "/redirect/to/missing.html"), .relative)))
        links.append(Link(hop(&self, "to-private", 302, DemoURL(0, "/private/redirected.html"), .absolute)))
        add(DemoURL(0, "/private/redirected.html"), .page(PageContent(title: "Private"), .whole))

        links.append(Link(hop(&self, "chain/1", 301, url("chain/2"), .relative)))
        _ = hop(&self, "chain/2", 302, url("chain/3"), .absolute)
        _ = hop(&self, "chain/3", 307, leaf(site, "/redirect/to/chain.html"), .pathAbsolute)

        links.append(Link(hop(&self, "loop/a", 302, url("loop/b"), .relative)))
        _ = hop(&self, "loop/b", 302, url("loop/a"), .relative)
        links.append(Link(hop(&self, "self", 301, url("self"), .absolute)))

        // Longer than any crawler follows; what lies behind it is not reachable.
        links.append(Link(url("long/1")))
        for number in 1...15 {
            let next = number < 15 ? url("long/\(number + 1)") : leaf(site, "/redirect/to/long.html")
            _ = hop(&self, "long/\(number)", 302, next, .pathAbsolute)
        }
        addHub(DemoURL(site, "/hub/redirects.html"), PageContent(title: "Redirects", links: links))
    }

    // MARK: - Errors

    private mutating func addErrors(at site: Int) {
        var links: [Link] = []
        for status in [403, 404, 410] {
            let url = DemoURL(site, "/errors/\(status).html")
            add(url, .status(status))
            links.append(Link(url))
        }
        let retryAfter = timing.retryAfterSeconds
        let healing: [(name: String, status: Int, retryAfter: Int?, failures: Int)] = [
            ("heals-after-1", 500, nil, 1),
            ("heals-after-2", 500, nil, 2),
            ("unavailable", 503, nil, 1),
            ("too-many", 429, retryAfter, 1),
        ]
        for fault in healing {
            let behind = leaf(site, "/errors/behind-\(fault.name).html")
            let page = PageContent(title: "Healed", links: [Link(behind)])
            let url = DemoURL(site, "/errors/\(fault.name).html")
            add(
                url,
                .failing(
                    status: fault.status, retryAfterSeconds: fault.retryAfter, failures: fault.failures,
                    then: page))
            links.append(Link(url))
        }
        let never = DemoURL(site, "/errors/never-heals.html")
        add(never, .failing(status: 500, retryAfterSeconds: nil, failures: .max, then: nil))
        links.append(Link(never))
        addHub(DemoURL(site, "/hub/errors.html"), PageContent(title: "Errors", links: links))
    }

    // MARK: - Time, codings, types

    /// A page with this delivery and a leaf that only it links to.
    private mutating func delivered(
        _ site: Int, _ name: String, _ delivery: Delivery, fillerBytes: Int = 8192, title: String? = nil,
        charset: PageContent.Charset = .utf8
    ) -> Link {
        let behind = leaf(site, "/served/behind-\(name).html")
        let url = DemoURL(site, "/served/\(name).html")
        let page = PageContent(
            title: title ?? "Served \(name)", links: [Link(behind)], fillerBytes: fillerBytes,
            charset: charset)
        add(url, .page(page, delivery))
        return Link(url)
    }

    private mutating func addTimings(at site: Int) {
        let links = [delivered(site, "slow", .slow), delivered(site, "drip", .drip)]
        addHub(DemoURL(site, "/hub/timings.html"), PageContent(title: "Slow pages", links: links))
    }

    private mutating func addCodings(at site: Int) {
        var links = [
            delivered(site, "chunked", .chunked), delivered(site, "close-delimited", .closeDelimited),
            delivered(site, "http10", .http10), delivered(site, "gzip", .gzip),
            delivered(site, "gzip-chunked", .gzipChunked), delivered(site, "deflate", .deflate),
            delivered(site, "large", .whole, fillerBytes: 1 << 20),
            delivered(site, "large-gzip", .gzip, fillerBytes: 256 << 10),
            delivered(site, "latin1", .whole, title: "Größe, déjà vu", charset: .latin1Header),
            delivered(site, "latin1-meta", .whole, title: "Größe, déjà vu", charset: .latin1Meta),
            delivered(site, "unicode", .whole, title: "網路 · Сеть · \u{1F578} · שלום"),
        ]
        // A path is escaped as UTF-8 whatever the page's encoding is (URL Standard, path state).
        let umlaut = leaf(site, "/served/gr%C3%B6%C3%9Fe.html")
        let pointing = DemoURL(site, "/served/latin1-link.html")
        add(
            pointing,
            .page(
                PageContent(title: "Größe", links: [Link(umlaut, .rawCharacters)], charset: .latin1Header),
                .whole))
        links.append(Link(pointing))
        let empty = DemoURL(site, "/served/empty.html")
        add(empty, .page(PageContent(title: "", layout: .empty), .whole))
        links.append(Link(empty))
        addHub(DemoURL(site, "/hub/codings.html"), PageContent(title: "Codings and framings", links: links))
    }

    private mutating func addFiles(at site: Int) {
        let bait = "<a href=\"\(Decoy.typePrefix)page.html\">not a link</a>"
        let files: [(name: String, type: String, bytes: [UInt8])] = [
            ("picture.png", "image/png", DemoFiles.picture()),
            (
                "data.json", "application/json",
                Array("{\"markup\": \"\(PageRenderer.escaped(bait))\", \"n\": 1}".utf8)
            ),
            ("notes.txt", "text/plain; charset=utf-8", Array("Notes. \(bait)\n".utf8)),
        ]
        var links: [Link] = []
        for file in files {
            let url = DemoURL(site, "/files/" + file.name)
            add(url, .file(contentType: file.type, file.bytes))
            links.append(Link(url))
        }
        addHub(DemoURL(site, "/hub/files.html"), PageContent(title: "Files", links: links))
    }

    /// Thirty days, each with a link to the day before and after: a trap that ends.
    private mutating func addCalendar(at site: Int) {
        let days = (1...30).map { DemoURL(site, "/calendar/2024-06-\($0 < 10 ? "0" : "")\($0).html") }
        for (place, day) in days.enumerated() {
            var links: [Link] = []
            if place > 0 { links.append(Link(days[place - 1], .relative, .previous)) }
            if place + 1 < days.count { links.append(Link(days[place + 1], .relative, .next)) }
            add(day, .page(PageContent(title: "Day \(place + 1)", links: links), .whole))
        }
        addHubLink(Link(days[0], .relative), at: site)
    }

    // MARK: - Robots

    private mutating func addRobotsPages(at site: Int) {
        let targets: [(target: String, form: HrefForm)] = [
            ("/private/secret.html", .relative),
            ("/private/open/inside.html", .relative),
            ("/private/openness.html", .absolute),
            ("/reports/2024.secret", .relative),
            ("/reports/2024.secret.html", .relative),
            ("/reports/2024.secret?x=1", .relative),
            ("/verboten-%C3%BC/page.html", .lowerPercent),
            ("/mocra-only/page.html", .relative),
            ("/second-group/page.html", .relative),
            ("/port-private/page.html", .relative),
        ]
        var links: [Link] = []
        for (target, form) in targets {
            links.append(Link(leaf(site, target, title: "Ruled by robots.txt"), form))
        }
        addHub(DemoURL(site, "/hub/robots.html"), PageContent(title: "Rules for crawlers", links: links))
    }

    // MARK: - Hostile

    mutating func addBroken() {
        let site = carriers[carriers.count - 1]
        var links: [Link] = []
        for breakage in Breakage.allCases {
            let url = DemoURL(site, "/broken/\(breakage.rawValue).html")
            add(url, .broken(breakage))
            links.append(Link(url))
        }
        addHub(DemoURL(site, "/hub/broken.html"), PageContent(title: "Broken answers", links: links))
    }
}
