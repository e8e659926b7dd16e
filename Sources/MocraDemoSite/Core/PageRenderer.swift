// Turns PageContent into the bytes of an HTML document. Deterministic: the filler comes from the given seed.

package struct PageRenderer {
    private let authorities: [Authority]
    private let url: DemoURL
    private let base: DemoURL
    private var random: SplitMix64
    private var bytes: [UInt8] = []

    package static func render(
        _ page: PageContent, at url: DemoURL, _ authorities: [Authority], seed: UInt64
    ) -> [UInt8] {
        guard page.layout != .empty else { return [] }
        var renderer = PageRenderer(
            authorities: authorities, url: url, base: DemoURL(url.site, page.base ?? url.target),
            random: SplitMix64(seed: seed, UInt64(url.site), stableHash(url.target)))
        renderer.document(page)
        return page.charset == .utf8 ? renderer.bytes : latin1(renderer.bytes)
    }

    /// FNV-1a: Swift's own hashing differs from one process to the next.
    package static func stableHash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    private init(authorities: [Authority], url: DemoURL, base: DemoURL, random: SplitMix64) {
        self.authorities = authorities
        self.url = url
        self.base = base
        self.random = random
    }

    private mutating func document(_ page: PageContent) {
        bytes.reserveCapacity(page.fillerBytes + 512)
        write("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n")
        switch page.charset {
        case .utf8: write("<meta charset=\"utf-8\">\n")
        case .latin1Meta: write("<meta charset=\"iso-8859-1\">\n")
        case .latin1Header: break
        }
        write("<title>\(Self.escaped(page.title))</title>\n")
        if let base = page.base { write("<base href=\"\(Self.escaped(base))\">\n") }
        for decoy in page.headDecoys { write(decoy + "\n") }
        for link in page.links where Self.belongsToHead(link.element) { write(markup(link)) }
        write("</head>\n")
        if page.layout == .frameset {
            write("<frameset cols=\"50%,50%\">\n")
            for link in page.links where !Self.belongsToHead(link.element) { write(markup(link)) }
            write("</frameset>\n</html>\n")
            return
        }
        body(page)
    }

    /// The filler is spread before the links, so that large pages have links to their very end. Its size does
    /// not depend on the markup, since that varies with the number of digits of a port.
    private mutating func body(_ page: PageContent) {
        write("<body>\n<h1>\(Self.escaped(page.title))</h1>\n")
        let pieces =
            page.links.filter { !Self.belongsToHead($0.element) }.map(markup) + page.decoys.map { $0 + "\n" }
        if pieces.isEmpty { filler(page.fillerBytes) }
        for piece in pieces {
            filler(page.fillerBytes / pieces.count)
            write(piece)
        }
        write("</body>\n</html>\n")
    }

    private func markup(_ link: Link) -> String {
        let href = Self.escaped(Href.text(link.form, link.target, from: base, authorities))
        switch link.element {
        case .anchor: return "<p>See <a href=\"\(href)\">this page</a>.</p>\n"
        case .nofollow: return "<p>See <a rel=\"nofollow\" href=\"\(href)\">this page</a>.</p>\n"
        case .area: return "<map name=\"m\"><area shape=\"default\" alt=\"map\" href=\"\(href)\"></map>\n"
        case .iframe: return "<iframe src=\"\(href)\"></iframe>\n"
        case .frame: return "<frame src=\"\(href)\">\n"
        case .next: return "<link rel=\"next\" href=\"\(href)\">\n"
        case .previous: return "<link rel=\"prev\" href=\"\(href)\">\n"
        case .refresh: return "<meta http-equiv=\"refresh\" content=\"30; url=\(href)\">\n"
        }
    }

    private static func belongsToHead(_ element: LinkElement) -> Bool {
        switch element {
        case .next, .previous, .refresh: true
        case .anchor, .nofollow, .area, .iframe, .frame: false
        }
    }

    private mutating func filler(_ byteCount: Int) {
        let end = bytes.count + byteCount
        while bytes.count < end {
            write("<p>")
            for _ in 0..<40 where bytes.count < end {
                write(Self.words[random.below(Self.words.count)])
            }
            write("</p>\n")
        }
    }

    private mutating func write(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    package static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }

    /// Characters that ISO-8859-1 lacks become a question mark; the pages that use it have none.
    private static func latin1(_ utf8: [UInt8]) -> [UInt8] {
        String(decoding: utf8, as: UTF8.self).unicodeScalars.map {
            UInt8(exactly: $0.value) ?? UInt8(ascii: "?")
        }
    }

    private static let words: [String] = [
        "harbour", "lantern", "copper", "meadow", "signal", "winter", "ladder", "engine", "garden", "thread",
        "marble", "window", "kettle", "compass", "feather", "anchor", "bridge", "candle", "drawer", "ember",
        "fabric", "gravel", "hollow", "island", "jacket", "kernel", "ledger", "mirror", "needle", "orchard",
        "pebble", "quarry", "ribbon", "saddle", "timber", "valley", "walnut", "yellow", "zephyr", "and",
        "of", "under", "beside", "without", "the", "a", "slow", "bright", "narrow", "quiet",
    ].map { $0 + " " }
}
