// The item of the site module: what is worth knowing about one fetched URL.
// Must not know how it was fetched.

import MocraFastPath

/// One fetched URL.
///
/// Shape: `url`, `redirect_chain`, `depth` and `parent` always; of an answer `status`, `content_type`,
/// `bytes` (decoded), `wire_bytes`, `title`, `links`, `fetch_ms`, `fetched_at`, and `location` for a
/// redirect; of a failure `error` (an error kind), `message`, `fetch_ms` and `fetched_at`; `truncated` when a
/// body was cut.
struct SiteItem: JSONRepresentable {
    private struct Answer: Sendable {
        var status: Int
        var contentType: String?
        var bytes: Int
        var wireBytes: Int
        var isTruncated: Bool
        var title: String?
        var links: Int
        var location: String?
    }

    private let url: String
    private let redirectChain: [String]
    private let depth: Int
    private let parent: String?
    private let answer: Answer?
    private let failure: FetchFailure?
    private let fetchMs: Int
    private let fetchedAt: WallClockInstant

    init(_ response: borrowing Response, title: String?, links: Int = 0, location: String? = nil) {
        url = response.url.href
        redirectChain = response.redirectChain.map(\.href)
        depth = response.depth
        parent = response.parent?.href
        answer = Answer(
            status: response.status, contentType: response.header("content-type"), bytes: response.bodyBytes,
            wireBytes: response.wireBytes, isTruncated: response.isTruncated, title: title, links: links,
            location: location)
        failure = response.failure
        fetchMs = response.fetchMs
        fetchedAt = response.fetchedAt
    }

    init(_ failure: FetchFailure, of request: Request, _ context: ParseContext) {
        url = request.url.href
        redirectChain = context.redirectChain.map(\.href)
        depth = context.depth
        parent = context.parent?.href
        answer = nil
        self.failure = failure
        fetchMs = context.fetchMs
        fetchedAt = context.at
    }

    func writeJSON(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("url", url)
        writer.field("redirect_chain", redirectChain)
        if let answer { writer.field("status", answer.status) }
        writer.field("depth", depth)
        writer.field("parent", parent)
        if let answer { write(answer, to: &writer) }
        if let failure {
            writer.field("error", failure.kind.rawValue)
            writer.field("message", failure.message)
        }
        writer.field("fetch_ms", fetchMs)
        writer.field("fetched_at", fetchedAt.description)
        writer.endObject()
    }

    private func write(_ answer: Answer, to writer: inout JSONWriter) {
        writer.field("content_type", answer.contentType)
        writer.field("bytes", answer.bytes)
        writer.field("wire_bytes", answer.wireBytes)
        if answer.isTruncated { writer.field("truncated", true) }
        writer.field("title", answer.title)
        writer.field("links", answer.links)
        if let location = answer.location { writer.field("location", location) }
    }
}
