// Endless spaces of URLs for the scenario `traps`, computed from the URL itself: every page of one leads to
// further pages of the same.

extension DemoWeb {
    package static let trapPrefixes = [
        "/trap/calendar/", "/trap/session/", "/trap/repeat/", "/trap/pages?page=",
    ]

    /// The site that carries the traps.
    private var trapSite: Int { carriers[carriers.count - 1] }

    package var trapURLPrefixes: [DemoURL] {
        scenario == .traps ? Self.trapPrefixes.map { DemoURL(trapSite, $0) } : []
    }

    package func isTrap(_ url: DemoURL) -> Bool {
        scenario == .traps && url.site == trapSite && Self.trapPrefixes.contains(where: url.target.hasPrefix)
    }

    mutating func addTraps() {
        let site = trapSite
        let links = [
            Link(DemoURL(site, "/trap/calendar/1")),
            Link(DemoURL(site, "/trap/session/0000000000000001/home.html")),
            Link(DemoURL(site, "/trap/repeat/again/")),
            Link(DemoURL(site, "/trap/pages?page=1")),
        ]
        addHub(DemoURL(site, "/hub/traps.html"), PageContent(title: "Without an end", links: links))
    }

    func trapPage(at url: DemoURL) -> PageContent? {
        guard isTrap(url) else { return nil }
        let parts = url.path.split(separator: "/")
        var links = [Link(DemoURL(url.site, "/"))]
        if url.target.hasPrefix("/trap/calendar/"), let day = Self.number(url.target.dropFirst(15)) {
            links += [1, 7, 30].map { Link(DemoURL(url.site, "/trap/calendar/\(day + $0)")) }
        } else if url.target.hasPrefix("/trap/pages?page="), let page = Self.number(url.target.dropFirst(17))
        {
            links.append(Link(DemoURL(url.site, "/trap/pages?page=\(page + 1)"), .queryOnly))
        } else if url.target.hasPrefix("/trap/session/"), parts.count == 4 {
            for room in ["home.html", "help.html", "list.html"] {
                let hash = PageRenderer.stableHash("\(seed)\(url.target)\(room)")
                links.append(Link(DemoURL(url.site, "/trap/session/\(Self.sixteenDigits(hash))/\(room)")))
            }
        } else if url.target.hasPrefix("/trap/repeat/"), url.target.hasSuffix("/") {
            links.append(Link(DemoURL(url.site, url.target + "again/")))
        } else {
            return nil
        }
        return PageContent(title: "Further \(url.target)", links: links, fillerBytes: 2048)
    }

    /// A positive number that may still grow without overflow.
    private static func number(_ digits: Substring) -> Int? {
        guard let number = Int(digits), number > 0, number < Int.max / 2 else { return nil }
        return number
    }

    private static func sixteenDigits(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
