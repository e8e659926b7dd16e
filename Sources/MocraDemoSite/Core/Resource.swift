// What the demo web holds at one URL, and how its bytes are to be handed over. No bytes yet, no socket.

package enum Resource: Sendable {
    case page(PageContent, Delivery)
    /// Answers with `status` and a Location that spells `target` in `form`.
    case redirect(status: Int, target: DemoURL, form: HrefForm)
    /// Answers `status` to the first `failures` tries, counted by URL, and with the page after them.
    /// Without a page it never heals.
    case failing(status: Int, retryAfterSeconds: Int?, failures: Int, then: PageContent?)
    /// An error that stays.
    case status(Int)
    case file(contentType: String, [UInt8])
    /// An answer that breaks HTTP; a crawler reports it as a failure and goes on.
    case broken(Breakage)
}

package enum Delivery: Sendable, CaseIterable {
    /// One write with a Content-Length.
    case whole
    /// `Transfer-Encoding: chunked` with chunks of uneven size (RFC 9112 section 7.1).
    case chunked
    /// HTTP/1.1 without a length: the end of the connection ends the body (RFC 9112 section 6.3).
    case closeDelimited
    /// An HTTP/1.0 server's answer, closed after the body.
    case http10
    /// gzip with a length, when the client accepts it.
    case gzip
    case gzipChunked
    /// The zlib wrapping, when the client accepts `deflate`.
    case deflate
    /// Nothing for a while, then everything.
    case slow
    /// A few bytes at a time.
    case drip
}

package enum Breakage: String, Sendable, CaseIterable {
    /// The connection ends before Content-Length is reached.
    case truncated
    /// The same, by a reset.
    case reset
    /// The connection ends before any byte.
    case silent
    /// A chunk size that is no number.
    case badChunk = "bad-chunk"
    /// The connection ends inside a chunked body.
    case shortChunks = "short-chunks"
    /// Bytes that are not HTTP.
    case garbage
    /// A header section that is larger than any limit.
    case endlessHeader = "endless-header"
    /// Two Content-Length fields that differ (RFC 9112 section 6.3 calls it unrecoverable).
    case twoLengths = "two-lengths"
    /// Content-Encoding: gzip with a body that is none.
    case badGzip = "bad-gzip"
}

package struct HeaderField: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// How the driver hands bytes to the socket, in this order.
package enum WireStep: Sendable, Equatable {
    case bytes([UInt8])
    case pause(ms: Int)
    case close
    case reset
}

/// What a client said that shapes the bytes of an answer.
package struct ClientTraits: Sendable, Equatable {
    package var acceptsGzip: Bool
    package var acceptsDeflate: Bool
    package var isHead: Bool
    package var keepsAlive: Bool

    package init(
        acceptsGzip: Bool = false, acceptsDeflate: Bool = false, isHead: Bool = false, keepsAlive: Bool = true
    ) {
        self.acceptsGzip = acceptsGzip
        self.acceptsDeflate = acceptsDeflate
        self.isHead = isHead
        self.keepsAlive = keepsAlive
    }
}
