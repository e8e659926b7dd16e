// What a redirect leads to, and what may travel there.
// Must not know of the frontier: the target goes back to it as a request like any other.

import MocraFastPath

/// The rules of a redirect. Source: RFC 9110 §15.4, RFC 9110 §10.2.2; Fetch Standard, "HTTP-redirect fetch".
enum Redirects {
    /// The statuses that name another place for the same thing.
    static let statuses: Set<Int> = [301, 302, 303, 307, 308]

    /// The URL that a Location field names, relative to the URL that answered; nil when it is none to fetch.
    static func target(of location: String, from url: WebURL) -> WebURL? {
        do {
            return try WebURL(location, base: url).withoutCredentials.canonicalized()
        } catch {
            // A broken or foreign Location makes the answer a page with its status, not a failure of the
            // crawl.
            return nil
        }
    }

    /// The request that goes to `target` for an answer with `status` to `pending`.
    ///
    /// 307 and 308 keep method and body; the others turn all but HEAD into a GET without a body.
    /// Credentials and cookies do not leave the origin they were given for.
    static func follow(_ pending: PendingRequest, status: Int, to target: WebURL) -> PendingRequest {
        var next = pending
        next.redirectChain.append(pending.request.url)
        next.request.url = target
        // What may be fetched twice was the first request; a loop of such would have no end.
        next.request.dontFilter = false
        if status != 307, status != 308, pending.request.method != "HEAD" {
            next.request.method = "GET"
            next.request.body = []
            next.request.headers.removeAll { $0.name.lowercased().hasPrefix("content-") }
        }
        if target.origin != pending.request.url.origin {
            next.request.headers.removeAll { isBoundToOrigin($0.name) }
        }
        return next
    }

    /// Whether a header field is meant for one origin alone.
    static func isBoundToOrigin(_ name: String) -> Bool {
        switch name.lowercased() {
        case "authorization", "proxy-authorization", "cookie", "host", "origin", "referer": true
        default: false
        }
    }
}
