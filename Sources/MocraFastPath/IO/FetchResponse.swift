// A response as a lease on the loop's buffers. Only `ResponseLease` has a deinit.
internal import CMocraIO

/// How long the phases of a fetch took.
/// - Units: microseconds; 0 for a phase that did not happen (a pooled connection has no connect).
public struct FetchTiming: Sendable, Equatable {
    /// From the start to the host's addresses.
    public var dnsUs = 0
    /// From the addresses to a new connection: a wait for a place in the pool and attempts that failed are in
    /// it.
    public var connectUs = 0
    /// From the connection to the proxy to the tunnel through it.
    public var proxyUs = 0
    /// The TLS handshake.
    public var tlsUs = 0
    /// From the sent request to the first byte of the answer.
    public var firstByteUs = 0
    /// From the start to the last byte; 0 while a body is still to come.
    public var totalUs = 0
    /// Over a connection that was opened for another fetch.
    public var reusedConnection = false

    /// Nothing happened yet.
    public init() {}

    init(_ response: UnsafePointer<mocra_response>) {
        let started = unsafe response.pointee.started_ns
        let resolved = unsafe response.pointee.resolved_ns
        let connected = unsafe response.pointee.connected_ns
        let proxied = unsafe response.pointee.proxied_ns
        dnsUs = Self.microseconds(from: started, to: resolved)
        connectUs = Self.microseconds(from: resolved, to: connected)
        proxyUs = Self.microseconds(from: connected, to: proxied)
        tlsUs = unsafe Self.microseconds(from: max(connected, proxied), to: response.pointee.secured_ns)
        firstByteUs = unsafe Self.microseconds(
            from: response.pointee.requested_ns, to: response.pointee.first_byte_ns)
        totalUs = unsafe Self.microseconds(from: started, to: response.pointee.finished_ns)
        reusedConnection = unsafe response.pointee.flags & UInt32(MOCRA_RESPONSE_REUSED) != 0
    }

    private static func microseconds(from start: UInt64, to end: UInt64) -> Int {
        start == 0 || end < start ? 0 : Int((end - start) / 1000)
    }
}

/// What a connection's TLS handshake agreed on.
public struct FetchTLS: Sendable, Equatable {
    /// "1.2" or "1.3".
    public var version: String
    /// By its name in IANA's registry, for example `TLS_AES_256_GCM_SHA384`.
    public var cipher: String
    /// With the session of an earlier connection, without certificates.
    public var isResumed: Bool
}

extension FetchTLS {
    /// Nil for a response that did not come over TLS.
    init?(_ response: UnsafePointer<mocra_response>) {
        let version = unsafe response.pointee.tls_version
        guard version != 0 else { return nil }
        self.init(
            version: version == 0x0304 ? "1.3" : "1.2",
            cipher: unsafe response.pointee.tls_cipher.map { unsafe String(cString: $0) } ?? "",
            isResumed: unsafe response.pointee.flags & UInt32(MOCRA_RESPONSE_TLS_RESUMED) != 0)
    }
}

/// A finished response.
/// - Ownership: owns the fetch slot and the receive buffers that head and body lie in, until it is released
///   or destroyed; hold it briefly, since buffers are bounded. It may be used and released on any thread.
public struct FetchResponse: ~Copyable, Sendable {
    /// The status code, 200 to 999.
    public let status: Int
    /// Head and body as they came over HTTP.
    public let wireBytes: Int
    /// Decoded.
    public let bodyBytes: Int
    /// The body was cut at `maxResponseSizeBytes`, or its end was not authenticated by TLS.
    public let isTruncated: Bool
    /// Came over HTTP/2.
    public let isHTTP2: Bool
    private let lease: ResponseLease

    init(_ lease: consuming ResponseLease, status: Int) {
        let response = unsafe lease.response.pointee
        self.status = status
        wireBytes = unsafe Int(response.wire_bytes)
        bodyBytes = unsafe Int(response.body_bytes)
        isTruncated = unsafe response.flags & UInt32(MOCRA_RESPONSE_TRUNCATED) != 0
        isHTTP2 = unsafe response.flags & UInt32(MOCRA_RESPONSE_HTTP2) != 0
        self.lease = lease
    }

    /// How long its phases took.
    public var timing: FetchTiming { unsafe FetchTiming(lease.response) }

    /// What the connection's handshake agreed on; nil without TLS.
    public var tls: FetchTLS? { unsafe FetchTLS(lease.response) }

    /// The value of the first field with this name (in lower case), bytes beyond ASCII taken as UTF-8 and
    /// repaired.
    public borrowing func header(_ name: String) -> String? {
        guard let head = unsafe lease.response.pointee.head,
            let data = unsafe lease.response.pointee.head_data
        else { return nil }
        let index = unsafe mocra_http1_find(head, data, name, name.utf8.count)
        guard index >= 0 else { return nil }
        return lease.field(Int(index)).1
    }

    /// Visits the fields in the order in which they came.
    public borrowing func forEachHeader(_ visit: (String, String) -> Void) {
        guard let head = unsafe lease.response.pointee.head else { return }
        for index in 0..<Int(unsafe head.pointee.header_count) {
            let (name, value) = lease.field(index)
            visit(name, value)
        }
    }

    /// Reads the decoded body as one run of bytes, in place; copied once when it lies in several buffers.
    public borrowing func withBody<R, E: Error>(_ read: (RawSpan) throws(E) -> R) throws(E) -> R {
        let count = Int(unsafe lease.response.pointee.segment_count)
        if count == 0 { return try read(RawSpan()) }
        if count == 1, let segment = unsafe lease.response.pointee.segments {
            let bytes = unsafe UnsafeRawBufferPointer(
                start: segment.pointee.data, count: Int(segment.pointee.length))
            return try read(unsafe RawSpan(_unsafeBytes: bytes))
        }
        let joined = bodyCopy()
        return try read(unsafe joined.span.bytes)
    }

    /// The decoded body as an array.
    public borrowing func bodyCopy() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: bodyBytes) { memory, count in
            for index in 0..<Int(unsafe lease.response.pointee.segment_count) {
                guard let segment = unsafe lease.response.pointee.segments?[index] else { break }
                let length = unsafe Int(segment.length)
                guard let target = memory.baseAddress, let source = unsafe segment.data else { break }
                unsafe (target + count).initialize(from: source, count: length)
                count += length
            }
        }
    }

    /// The same as letting it go out of scope.
    public consuming func release() {}
}

/// One fetch slot, given back once.
struct ResponseLease: ~Copyable, Sendable {
    private let loop: RingLoop
    private let token: UInt64
    private let address: UInt

    init(loop: RingLoop, token: UInt64, response: UnsafePointer<mocra_response>) {
        self.loop = loop
        self.token = token
        address = UInt(bitPattern: response)
    }

    var response: UnsafePointer<mocra_response> {
        // The loop keeps the response in place until the token is given back, which only `deinit` does.
        unsafe UnsafePointer(bitPattern: address)!
    }

    func field(_ index: Int) -> (String, String) {
        guard let head = unsafe response.pointee.head, let data = unsafe response.pointee.head_data else {
            return ("", "")
        }
        return unsafe Self.field(head, data, Int32(index))
    }

    static func field(
        _ head: UnsafePointer<mocra_http1_head>, _ data: UnsafePointer<UInt8>, _ index: Int32
    ) -> (String, String) {
        let header = unsafe mocra_header_at(head, index)
        let value = unsafe text(data, header.value)
        let isFolded = unsafe head.pointee.folded
        return unsafe (text(data, header.name), isFolded ? unfolded(value) : value)
    }

    /// The line ends of a folded value as spaces (RFC 9112 §5.2).
    private static func unfolded(_ value: String) -> String {
        String(decoding: value.utf8.map { $0 == 13 || $0 == 10 ? 32 : $0 }, as: UTF8.self)
    }

    private static func text(_ data: UnsafePointer<UInt8>, _ span: mocra_span) -> String {
        let bytes = unsafe UnsafeBufferPointer(start: data + Int(span.offset), count: Int(span.length))
        return unsafe String(decoding: bytes, as: UTF8.self)
    }

    deinit {
        loop.release(token)
    }
}
