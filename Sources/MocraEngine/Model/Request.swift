// What a module asks the engine to fetch.
// Must not know of the frontier's bookkeeping: depth, attempts and the redirect chain are PendingRequest's.

public import MocraFastPath

/// A page to fetch, as a module asks for it.
///
/// A string literal makes a GET request: `let start: [Request] = ["https://example.org/"]`.
public struct Request: Sendable {
    /// What to fetch. Its fragment is dropped, since no server sees one.
    public var url: WebURL
    public var method = "GET"
    /// Header fields beside those that the engine writes; one given here wins.
    public var headers: [HTTPField] = []
    public var body: [UInt8] = []
    /// The author's own notes, handed back with the response.
    public var meta: [String: String] = [:]
    /// Higher goes first within its host; beside that, order is by depth and then by discovery.
    public var priority = 0
    /// The total timeout of one fetch; nil for the module's or the configuration's.
    /// Units: milliseconds.
    public var timeoutMs: Int?
    /// Fetch even if the URL was seen before in this run.
    public var dontFilter = false
    /// At most so many retries, where the table of error kinds allows more; nil for the configuration's.
    public var maxRetries: Int?
    /// The node whose `parse` gets the response; nil for the node that asks.
    public var node: NodeKey?

    /// A GET request.
    public init(_ url: WebURL) {
        self.url = url
    }

    /// A GET request for the URL that `text` spells.
    ///
    /// Errors: `URLError` when it is not an http or https URL.
    public init(_ text: String, base: WebURL? = nil) throws(URLError) {
        self.init(try WebURL(text, base: base))
    }
}

extension Request: ExpressibleByStringLiteral {
    /// A GET request for a URL written in the source. A literal that is no URL is the programmer's error and
    /// traps.
    public init(stringLiteral value: String) {
        do {
            self.init(try WebURL(value))
        } catch {
            preconditionFailure("the literal \"\(value)\" is not a URL: \(error)")
        }
    }
}

extension Request {
    /// What makes two requests the same one within a run: the URL for a GET, method and body besides
    /// otherwise.
    ///
    /// `namespace` keeps the modules of one engine apart. Complexity: O(length of URL and body).
    func identity(namespace: Int) -> URLFingerprint {
        var fingerprint = url.fingerprint
        if method != "GET" || !body.isEmpty {
            let other = URLFingerprint((Array(method.utf8) + [0] + body).span)
            fingerprint = URLFingerprint(
                high: fingerprint.high ^ other.high, low: fingerprint.low &+ other.low)
        }
        // An odd constant makes the product a bijection, so different modules never cancel out.
        let salt = UInt64(truncatingIfNeeded: namespace) &* 0x9E37_79B9_7F4A_7C15
        return URLFingerprint(high: fingerprint.high ^ salt, low: fingerprint.low)
    }
}
