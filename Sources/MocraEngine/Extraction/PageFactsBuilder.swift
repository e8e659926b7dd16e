// HTML's rules for which elements refer to a URL and how the base and title of a page are chosen.
// Fed by a parser, element by element; must not know which parser, nor anything of encodings.
import MocraFastPath

/// Collects what a parser reports of one page, and resolves it when the page is over.
///
/// References are kept as written until then, since a `base` also governs the links before it.
///
/// Shape: one arena of bytes for all references, so that a page of thousands of links costs a few allocations
/// until they are resolved.
struct PageFactsBuilder {
    private struct Reference {
        var kind: PageLink.Kind
        var nofollow: Bool
        var start: Int
        var end: Int
    }

    private let limits: ExtractionLimits
    private var arena: [UInt8] = []
    private var references: [Reference] = []
    private var skippedLinks = 0
    private(set) var isTruncated = false
    private var baseHref: [UInt8]?
    private var canonicals: [Range<Int>] = []
    private var title: [UInt8] = []
    private var titleState = TitleState.awaited
    private var titleNeedsSpace = false

    private enum TitleState { case awaited, open, done }

    /// Canonical links that are tried, so that a page of nothing else stays cheap.
    private static let canonicalsMax = 8

    init(limits: ExtractionLimits) {
        self.limits = limits
    }

    // MARK: What the parser reports

    /// An element whose URL attribute alone decides: `a`, `area` with `href`; `iframe`, `frame` with `src`.
    mutating func reference(_ kind: PageLink.Kind, to url: Span<UInt8>, rel: Span<UInt8>?) {
        // An empty src shows about:blank (HTML Standard, section 7.3.2.1); an empty href is the page itself.
        if url.isEmpty, kind == .iframe || kind == .frame { return }
        append(kind, url, nofollow: rel?.containsToken("nofollow") ?? false)
    }

    /// A `link` element. "previous" is an old name of "prev" (HTML Standard, section 4.6.7.16).
    mutating func link(rel: Span<UInt8>, href: Span<UInt8>) {
        guard !href.isEmpty else { return }
        if rel.containsToken("canonical"), canonicals.count < Self.canonicalsMax, fits(href) {
            canonicals.append(store(href))
        }
        if rel.containsToken("next") || rel.containsToken("prev") || rel.containsToken("previous") {
            append(.link, href, nofollow: rel.containsToken("nofollow"))
        }
    }

    /// A `meta` element with both attributes.
    mutating func meta(httpEquiv: Span<UInt8>, content: Span<UInt8>) {
        guard httpEquiv.equals(ignoringCase: "refresh") else { return }
        guard let range = RefreshDirective.urlRange(in: content) else { return }
        append(.metaRefresh, content.extracting(range), nofollow: false)
    }

    /// A `base` element with `href`. The first one decides, even when it turns out not to parse.
    mutating func base(href: Span<UInt8>) {
        guard baseHref == nil else { return }
        baseHref = []
        if fits(href) { baseHref = Self.copy(href) }
    }

    /// The start of a `title` element outside SVG.
    mutating func titleOpened() {
        if titleState == .awaited { titleState = .open }
    }

    /// Text inside the title; ignored elsewhere.
    mutating func text(_ bytes: Span<UInt8>) {
        guard titleState == .open else { return }
        for index in bytes.indices {
            let byte = bytes[index]
            if ASCII.isWhitespace(byte) {
                titleNeedsSpace = !title.isEmpty
                continue
            }
            // One byte more than allowed shows finish() that there is something to cut.
            guard title.count <= limits.titleBytesMax else { return }
            if titleNeedsSpace { title.append(UInt8(ascii: " ")) }
            titleNeedsSpace = false
            title.append(byte)
        }
    }

    /// The end of a `title` element outside SVG.
    mutating func titleClosed() {
        if titleState == .open { titleState = .done }
    }

    /// True while the text of the title is wanted.
    var isTitleOpen: Bool { titleState == .open }

    /// The parser gave up before the page's end.
    mutating func markTruncated() { isTruncated = true }

    // MARK: Result

    /// Resolves everything against the page's base URL.
    consuming func finish(documentURL: WebURL) -> PageFacts {
        var base = documentURL
        if let baseHref, !baseHref.isEmpty, let url = try? WebURL(utf8: baseHref.span, base: documentURL) {
            base = url  // One that does not parse leaves the document's URL (HTML Standard, section 2.4.2).
        }
        var facts = PageFacts(baseURL: base)
        facts.links.reserveCapacity(references.count)
        facts.skippedLinks = skippedLinks
        facts.isTruncated = isTruncated
        var linkBytes = 0
        let bytes = arena.span
        for reference in references {
            // Why a reference is no http URL is of no use to a crawl; how many there are is.
            guard let url = try? WebURL(utf8: bytes.extracting(reference.start..<reference.end), base: base)
            else {
                facts.skippedLinks += 1
                continue
            }
            linkBytes += url.href.utf8.count
            guard linkBytes <= limits.linkBytesMax else {
                facts.isTruncated = true
                break
            }
            facts.links.append(PageLink(url: url, kind: reference.kind, nofollow: reference.nofollow))
        }
        for range in canonicals where facts.canonical == nil {
            facts.canonical = (try? WebURL(utf8: bytes.extracting(range), base: base))?.href  // As above.
        }
        facts.title = boundedTitle()
        return facts
    }

    /// The title cut to its bound where a character begins.
    private func boundedTitle() -> String? {
        var end = min(title.count, limits.titleBytesMax)
        while end > 0, end < title.count, title[end] & 0xC0 == 0x80 { end -= 1 }
        while end > 0, title[end - 1] == UInt8(ascii: " ") { end -= 1 }
        return end == 0 ? nil : String(decoding: title[..<end], as: UTF8.self)
    }

    private mutating func append(_ kind: PageLink.Kind, _ url: Span<UInt8>, nofollow: Bool) {
        guard fits(url) else {
            skippedLinks += 1
            return
        }
        guard references.count < limits.linksMax else {
            isTruncated = true
            return
        }
        let range = store(url)
        references.append(
            Reference(kind: kind, nofollow: nofollow, start: range.lowerBound, end: range.upperBound))
    }

    private func fits(_ url: Span<UInt8>) -> Bool { url.count <= WebURL.lengthBytesMax }

    private mutating func store(_ bytes: Span<UInt8>) -> Range<Int> {
        let start = arena.count
        unsafe bytes.withUnsafeBufferPointer { unsafe arena.append(contentsOf: $0) }
        return start..<arena.count
    }

    private static func copy(_ bytes: Span<UInt8>) -> [UInt8] {
        unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
    }
}
