// What one HTML page says about itself and about other pages, and the bounds within which that is found out.
// Must not know of any parser, of the frontier or of sinks.
public import MocraFastPath

/// What a crawl needs from one HTML page.
///
/// Shape: links in document order, repeats included, every one absolute and http or https.
public struct PageFacts: Sendable {
    /// The text of the first `title` element outside SVG, white space collapsed; nil when it is missing or
    /// blank.
    public var title: String?
    /// The links of the page.
    public var links: [PageLink]
    /// The serialised URL of the first `link rel=canonical` that parses.
    public var canonical: String?
    /// What relative links were resolved against: the first `base[href]`, or the document's own URL.
    public var baseURL: WebURL
    /// References that are not among `links`: not http or https, not a URL, or too long.
    public var skippedLinks: Int
    /// True when a limit ended the extraction, so that links may be missing.
    public var isTruncated: Bool

    /// The facts of a page; without arguments, of one that says nothing.
    public init(
        title: String? = nil, links: [PageLink] = [], canonical: String? = nil, baseURL: WebURL,
        skippedLinks: Int = 0, isTruncated: Bool = false
    ) {
        self.title = title
        self.links = links
        self.canonical = canonical
        self.baseURL = baseURL
        self.skippedLinks = skippedLinks
        self.isTruncated = isTruncated
    }
}

/// One reference from a page to a URL.
public struct PageLink: Sendable, Equatable {
    /// The element that made the reference.
    public enum Kind: String, Sendable, CaseIterable {
        case a
        case area
        case iframe
        case frame
        /// `link` with `rel` next or prev.
        case link
        /// `meta http-equiv=refresh` with a URL.
        case metaRefresh
    }

    /// Where the reference points, fragment included.
    public var url: WebURL
    /// The element that made it.
    public var kind: Kind
    /// True when the element's own `rel` names `nofollow`.
    public var nofollow: Bool

    /// A reference to `url`.
    public init(url: WebURL, kind: Kind, nofollow: Bool = false) {
        self.url = url
        self.kind = kind
        self.nofollow = nofollow
    }
}

/// Bounds on what one page may cost. Past one of them the facts found so far are returned, marked as
/// truncated.
public struct ExtractionLimits: Sendable {
    /// Links kept of one page.
    public var linksMax: Int
    /// Bytes of the kept links' URLs together. A long base with many short links multiplies, so a bound on
    /// the page's size alone would not bound memory.
    public var linkBytesMax: Int
    /// Open elements inside one another.
    public var depthMax: Int
    /// Bytes of the title, cut at a character's border.
    public var titleBytesMax: Int
    /// Processor time of the parsing thread for one page, in milliseconds.
    public var cpuTimeMs: Int

    /// Bounds that pages for people stay far below.
    public init(
        linksMax: Int = 100_000, linkBytesMax: Int = 32 << 20, depthMax: Int = 10_000,
        titleBytesMax: Int = 1_024, cpuTimeMs: Int = 2_000
    ) {
        precondition(linksMax >= 0 && linkBytesMax >= 0 && titleBytesMax >= 0, "a limit below nought")
        precondition(depthMax > 0 && cpuTimeMs > 0, "a limit that no page keeps to")
        self.linksMax = linksMax
        self.linkBytesMax = linkBytesMax
        self.depthMax = depthMax
        self.titleBytesMax = titleBytesMax
        self.cpuTimeMs = cpuTimeMs
    }
}
