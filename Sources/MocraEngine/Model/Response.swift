// What a module sees of an answer: status, header fields, body, and what the page says about itself.
// Must not know of the frontier or of sinks. The bytes belong to Download.

public import MocraFastPath
import Synchronization

/// An answer, lent to a node's `parse`.
///
/// Ownership: holds the received buffers until it is destroyed, which is when `parse` returns; take out what
/// is to be kept.
public struct Response: ~Copyable, Sendable {
    /// The request that this answers, with `meta`.
    public let request: Request
    /// The steps from a start: 0 for a start, its page's depth + 1 for a link, the same for a redirect's
    /// target.
    public let depth: Int
    /// The page that had the link; nil for a start.
    public let parent: WebURL?
    /// The URLs that redirected to this one, the first one first.
    public let redirectChain: [WebURL]
    /// How long the fetch took from its start to the end of the body.
    /// Units: milliseconds.
    public let fetchMs: Int
    /// When the answer was whole.
    public let fetchedAt: WallClockInstant
    /// Why its URL ends with an error although it was answered (`redirect_loop`); nil otherwise.
    public internal(set) var failure: FetchFailure?

    private let download: Download
    private let facts = FactsMemory()
    /// Those of the thread on which the response is parsed.
    var extractors: ExtractorPool

    init(
        _ download: consuming Download, pending: PendingRequest, depth: Int, fetchMs: Int,
        fetchedAt: WallClockInstant, extractors: ExtractorPool
    ) {
        request = pending.request
        parent = pending.parent
        redirectChain = pending.redirectChain
        self.depth = depth
        self.fetchMs = fetchMs
        self.fetchedAt = fetchedAt
        self.download = download
        self.extractors = extractors
    }
}

extension Response {
    /// The URL that was fetched, without its fragment.
    public var url: WebURL { request.url }
    public var meta: [String: String] { request.meta }
    public var status: Int { download.status }
    /// Decoded bytes.
    public var bodyBytes: Int { download.bodyBytes }
    /// Head and body as they were received.
    public var wireBytes: Int { download.wireBytes }
    /// Whether the body was cut at `download_config.max_response_size`.
    public var isTruncated: Bool { download.isTruncated }
    public var timing: DownloadTiming { download.timing }
    public var isSuccess: Bool { (200..<300).contains(status) }

    /// The first field of that name, nil when there is none. Give the name in lower case.
    public borrowing func header(_ name: String) -> String? {
        download.header(name)
    }

    /// Calls `visit` with name and value of each field, in the order received.
    public borrowing func forEachHeader(_ visit: (String, String) -> Void) {
        download.forEachHeader(visit)
    }

    /// Lends the decoded body. Complexity: O(1), or one copy when the body spans several buffers.
    public borrowing func withBody<Result, Failure: Error>(
        _ read: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try download.withBody(read)
    }

    /// The media type as the server named it; nil when it did not, or in no way that can be read.
    public var contentType: ContentType? {
        header("content-type").flatMap(ContentType.parse)
    }

    /// Whether the body is HTML: by its media type, or by its first bytes when the server names none.
    public var isHTML: Bool {
        if let contentType { return contentType.isHTML }
        return withBody { ContentType.sniffsAsHTML($0) }
    }

    /// Where a redirect points: an answer with status 301, 302, 303, 307 or 308 and a Location field that is
    /// an http or https URL. Nil for everything else.
    ///
    /// Source: RFC 9110 §15.4. A fragment of the request is not handed on, since none is ever sent.
    public var redirectTarget: WebURL? {
        guard Redirects.statuses.contains(status), let location = header("location") else { return nil }
        return Redirects.target(of: location, from: url)
    }

    /// Title, links and base of an HTML page; without links for any other.
    ///
    /// Complexity: one pass over the body, the first time; then O(1).
    public var page: PageFacts {
        facts.value {
            guard isHTML else { return PageFacts(baseURL: url) }
            let charset = contentType?.charset
            return extractors.use { extractor in
                withBody { body in
                    extractor.extract(body, documentURL: url, charset: charset, limits: ExtractionLimits())
                }
            }
        }
    }

    /// The page's title; nil when it has none or is not HTML.
    public var title: String? { page.title }

    /// The page's links in document order, absolute, repeats included.
    public func links() -> [PageLink] { page.links }

    /// The body decoded as UTF-8, ill-formed bytes as U+FFFD. Complexity: O(n), one allocation.
    public borrowing func text() -> String {
        withBody { body in
            unsafe body.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        }
    }
}

/// Remembers the facts of a page, so that title and links cost one pass together.
private final class FactsMemory: Sendable {
    private let memory = Mutex<PageFacts?>(nil)

    /// Not under the lock while it computes: a second caller at the same time computes the same once more.
    func value(_ compute: () -> PageFacts) -> PageFacts {
        if let known = memory.withLock({ $0 }) { return known }
        let fresh = compute()
        memory.withLock { $0 = fresh }
        return fresh
    }
}
