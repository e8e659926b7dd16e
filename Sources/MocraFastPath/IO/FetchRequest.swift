// What is asked of a server. How it becomes bytes is in RequestWriter.swift.

/// One header field.
public struct HTTPField: Sendable, Hashable {
    /// In any case, which means nothing over HTTP (RFC 9110 §5.1) but does for `==`.
    public var name: String
    /// What stands behind the colon.
    public var value: String

    /// A field of this name and value.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    /// Reads `Name: value` as a person writes it; white space around the value is dropped.
    /// - Errors: `.config` when it is no field, or could smuggle a second one.
    public init(line: String) throws(FetchError) {
        guard let colon = line.firstIndex(of: ":") else {
            throw .configuration("a header field without a colon: give it as 'Name: value'")
        }
        let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        let end = value.lastIndex { $0 != " " && $0 != "\t" }.map(value.index(after:)) ?? value.startIndex
        self.init(String(line[..<colon]), String(value[..<end]))
        guard isValid else {
            // The value may be a secret.
            throw .configuration(
                "the header field \(name.debugDescription) is none: its name is no token, or its value has"
                    + " control characters")
        }
    }

    var isValid: Bool { RequestWriter.isToken(name) && RequestWriter.isValue(value) }
}

/// Content of a request that is made while it is sent.
public struct FetchContent: Sendable {
    /// In bytes; nil: not known before, so it goes in chunks over HTTP/1.1.
    public var length: Int?
    /// The next piece; nil at the end. Runs on the loop, one call after the other, and is asked when there is
    /// room: some 128 KiB are held at most. An error ends the fetch.
    public var next: @Sendable () async throws -> [UInt8]?

    /// Content of this length, by these pieces.
    public init(length: Int? = nil, next: @escaping @Sendable () async throws -> [UInt8]?) {
        self.length = length
        self.next = next
    }
}

/// One request.
public struct FetchRequest: Sendable {
    /// Of scheme http or https.
    public var url: WebURL
    /// A token in upper case, for example `GET`.
    public var method: String
    /// Sent beside Host, User-Agent, Accept, Accept-Encoding and Content-Length, which the fetcher writes
    /// unless they are given here.
    public var headers: [HTTPField]
    /// Content in one piece; empty: none.
    public var body: [UInt8]
    /// Content that is made while it is sent, in the place of `body`. Such a request is sent
    /// once, over HTTP/2 as well: over a pooled connection that turns out dead it fails.
    public var content: FetchContent?
    /// Asks the server whether it wants the content before it is sent, and waits a second for the answer
    /// (RFC 9110 §10.1.1; over HTTP/2 it is sent at once).
    public var expectsContinue = false
    /// For the whole fetch; nil: the configuration's.
    public var timeoutMs: Int?
    /// Decoded bytes at which the body is cut; nil: the configuration's `maxResponseSizeBytes`.
    public var bodyBytesMax: Int?
    /// Whether an idempotent request is sent again, once and at once, when the pooled connection that it went
    /// over turns out to have been closed (RFC 9112 §9.3.1), and any request that an HTTP/2 server turned
    /// away unread (RFC 9113 §8.7).
    public var resendsOverFreshConnection = true
    /// Which proxy it goes through, if any.
    public var proxy = FetchProxyChoice.asConfigured

    public init(_ url: WebURL, method: String = "GET", headers: [HTTPField] = [], body: [UInt8] = []) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
    }
}
