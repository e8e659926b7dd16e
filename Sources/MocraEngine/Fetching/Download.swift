// One answer as a downloader hands it over: a lease on received buffers, or bytes that it owns.
// Must not know of modules, of redirects or of retries.

public import MocraFastPath

/// An answer whose bytes are owned here: what a downloader beside the built-in one, a cache or a test makes.
public struct OwnedAnswer: Sendable {
    public var status: Int
    public var headers: [HTTPField]
    /// The decoded body.
    public var body: [UInt8]
    /// Head and body as they were received.
    public var wireBytes: Int
    /// Whether the body was cut at the size limit.
    public var isTruncated = false
    public var timing = DownloadTiming()

    public init(status: Int, headers: [HTTPField] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
        self.wireBytes = body.count
    }
}

/// How long the phases of a fetch took.
///
/// Units: microseconds. A phase that did not happen, as on a reused connection, took 0.
public struct DownloadTiming: Sendable, Equatable {
    public var dnsUs = 0
    public var connectUs = 0
    public var tlsUs = 0
    /// From the sent request to the first byte of the answer.
    public var firstByteUs = 0
    /// From the start until the last byte; 0 when it was not measured.
    public var totalUs = 0

    public init() {}

    init(_ timing: FetchTiming) {
        dnsUs = timing.dnsUs
        connectUs = timing.connectUs
        tlsUs = timing.tlsUs
        firstByteUs = timing.firstByteUs
        totalUs = timing.totalUs
    }

    /// A moment at which the request had left for sure, of a fetch that is known to be over at `end`; nil
    /// when the downloader did not measure.
    ///
    /// Reckoned from the end backwards: what the thread spent elsewhere makes it later than the truth, never
    /// earlier, so a delay that counts from it is not undercut.
    func requestLeft(before end: LoopInstant) -> LoopInstant? {
        guard totalUs > 0 else { return nil }
        // Each of the four is cut to whole microseconds, which may make the difference four too many.
        let sinceUs = max(0, totalUs - dnsUs - connectUs - tlsUs - 4)
        let since = UInt64(sinceUs) * 1_000
        return LoopInstant(nanoseconds: end.nanoseconds - min(end.nanoseconds, since))
    }
}

/// One answer, of whichever origin.
///
/// Ownership: owns the received buffers, if it is a lease, until it is destroyed.
public struct Download: ~Copyable, Sendable {
    private enum Content: ~Copyable, Sendable {
        case lease(FetchResponse)
        case owned(OwnedAnswer)
    }

    private let content: Content
    public let status: Int
    public let timing: DownloadTiming
    public let wireBytes: Int
    public let bodyBytes: Int
    public let isTruncated: Bool

    /// Takes over a lease of the fetch core.
    public init(_ response: consuming FetchResponse) {
        status = response.status
        timing = DownloadTiming(response.timing)
        wireBytes = response.wireBytes
        bodyBytes = response.bodyBytes
        isTruncated = response.isTruncated
        content = .lease(response)
    }

    /// An answer made of bytes.
    public init(_ answer: OwnedAnswer) {
        status = answer.status
        timing = answer.timing
        wireBytes = answer.wireBytes
        bodyBytes = answer.body.count
        isTruncated = answer.isTruncated
        content = .owned(answer)
    }

    /// The first field of that name, nil when there is none. Give the name in lower case.
    public borrowing func header(_ name: String) -> String? {
        switch content {
        case .lease(let response): return response.header(name)
        case .owned(let answer):
            return answer.headers.first { $0.name.lowercased() == name }?.value
        }
    }

    /// Calls `visit` with name and value of each field, in the order received.
    public borrowing func forEachHeader(_ visit: (String, String) -> Void) {
        switch content {
        case .lease(let response): response.forEachHeader(visit)
        case .owned(let answer):
            for field in answer.headers { visit(field.name, field.value) }
        }
    }

    /// Lends the decoded body. Complexity: O(1), or one copy when the body spans several buffers.
    public borrowing func withBody<Result, Failure: Error>(
        _ read: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch content {
        case .lease(let response): return try response.withBody(read)
        case .owned(let answer): return try unsafe read(answer.body.span.bytes)
        }
    }
}
