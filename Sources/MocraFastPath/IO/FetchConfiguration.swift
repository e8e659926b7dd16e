// How a Fetcher behaves; set once when it is made.
internal import CMocraIO

/// Which addresses may be connected to.
public enum AddressPolicy: String, Sendable {
    /// Only globally reachable addresses: no loopback, private, link-local or other special ranges.
    case publicOnly = "public"
    case any
}

/// Which kinds of addresses names are looked up for.
public enum AddressFamilies: String, Sendable {
    /// Those that this machine has a route for.
    case automatic
    case ipv4, ipv6, both
}

/// The oldest version of TLS that is spoken.
public enum TLSVersion: String, Sendable {
    case v12 = "1.2"
    case v13 = "1.3"

    /// Its number on the wire.
    var number: UInt16 { self == .v12 ? 0x0303 : 0x0304 }
}

/// The settings of a fetcher: section `download_config` of the configuration, the parts that exist.
/// - Units: in the name.
public struct FetchConfiguration: Sendable, Equatable {
    /// For the whole fetch.
    public var timeoutMs = 30_000
    /// For looking up names, then once more for all of connecting: every address, the proxy, TLS.
    public var connectTimeoutMs = 5_000
    /// From the sent request to the first byte of the answer.
    public var firstByteTimeoutMs = 15_000
    /// Between two pieces of an answer.
    public var idleTimeoutMs = 10_000
    /// The least that an answer must bring, averaged from its first byte on, after a second of grace; nil: no
    /// minimum.
    public var minRateBytesPerS: Int?
    /// Connections a loop.
    public var poolSize = 1024
    /// Connections a loop and origin (scheme, host, port).
    public var poolPerHost = 8
    /// How long an unused connection is kept open.
    public var poolIdleMs = 60_000
    /// An older connection is closed instead of pooled; 0: no limit.
    public var poolMaxAgeMs = 600_000
    /// Whether HTTP/2 is offered to https servers.
    public var http2 = true
    /// Fetches at once over one HTTP/2 connection; the server may allow fewer.
    public var http2StreamsPerConnection = 100
    /// Decoded; a longer body is cut and flagged.
    public var maxResponseSizeBytes = 10 << 20
    /// A head, with its status line, may have so many bytes.
    public var maxHeaderSizeBytes = 64 << 10
    /// Decoded ÷ received bytes.
    public var maxDecompressionRatio = 200
    /// `Accept-Encoding` of every request that brings none; empty: not sent. An answer is decoded whether its
    /// coding was asked for or not.
    public var acceptEncoding = "gzip, deflate, br, zstd"
    /// `User-Agent` of every request that brings none.
    public var userAgent = "mocra/0.1.0"
    /// Whether a server's certificate is checked: its chain, its time, its name.
    public var verifyTLS = true
    /// PEM file with the certificate authorities to trust instead of the system's.
    public var caFile: String?
    /// PEM file with revocation lists. Refuses what they revoke, leaf or intermediate; an issuer without a
    /// list in the file is not checked, and one whose list is out of date is refused.
    public var crlFile: String?
    /// PEM file with a certificate and its chain, shown to every server that asks for one.
    public var clientCert: String?
    /// PEM file with its key, without a password.
    public var clientKey: String?
    /// Servers that only speak an older version are an error.
    public var tlsMinVersion = TLSVersion.v12
    /// Which addresses are connected to, whatever name or redirect leads there.
    public var addressPolicy = AddressPolicy.publicOnly
    /// DNS servers as `address` or `address:port`, an IPv6 address with a port in brackets; empty: those of
    /// /etc/resolv.conf. At most 8, asked in this order; one that does not answer is asked last for a while.
    public var dnsServers: [String] = []
    /// Names whose addresses a loop keeps for as long as their servers allow; the one not asked for longest
    /// goes first. 0: none.
    public var dnsCacheMax = 100_000
    /// For each attempt at a server.
    public var dnsTimeoutMs = 2_000
    /// Attempts at each server.
    public var dnsTries = 2
    /// Addresses that win over everything, each as `host:port:address[,address…]`; port `*` is any.
    public var resolve: [String] = []
    /// Read instead of /etc/hosts, and again when it changes.
    public var hostsFile: String?
    /// Which addresses of a host are asked for.
    public var addressFamilies = AddressFamilies.automatic
    /// Where connections come from, an IPv4 or IPv6 address of this machine; nil: the system chooses. Hosts
    /// are then reached by addresses of this family only.
    public var bindAddress: String?
    /// For requests that do not choose themselves; nil: none.
    public var proxy: FetchProxyRules?
    /// Of 64 KiB each, a loop.
    public var receiveBuffers = 512

    public init() {}

    /// What is out of range, or nil.
    var fault: String? {
        let ranges: [(String, Int, ClosedRange<Int>)] = [
            ("timeoutMs", timeoutMs, 1...86_400_000),
            ("connectTimeoutMs", connectTimeoutMs, 1...86_400_000),
            ("firstByteTimeoutMs", firstByteTimeoutMs, 1...86_400_000),
            ("idleTimeoutMs", idleTimeoutMs, 1...86_400_000),
            ("minRateBytesPerS", minRateBytesPerS ?? 1, 1...(1 << 40)),
            ("poolSize", poolSize, 1...1_000_000),
            ("poolPerHost", poolPerHost, 1...1_000_000),
            ("poolIdleMs", poolIdleMs, 0...86_400_000),
            ("poolMaxAgeMs", poolMaxAgeMs, 0...86_400_000),
            ("http2StreamsPerConnection", http2StreamsPerConnection, 1...10_000),
            ("maxResponseSizeBytes", maxResponseSizeBytes, 1...(1 << 40)),
            ("maxHeaderSizeBytes", maxHeaderSizeBytes, 256...(16 << 20)),
            ("maxDecompressionRatio", maxDecompressionRatio, 1...1_000_000),
            ("receiveBuffers", receiveBuffers, 1...32_768),
            ("dnsCacheMax", dnsCacheMax, 0...10_000_000),
            ("dnsTimeoutMs", dnsTimeoutMs, 10...60_000),
            ("dnsTries", dnsTries, 1...8),
        ]
        if (clientCert == nil) != (clientKey == nil) {
            let missing = clientCert == nil ? "clientCert" : "clientKey"
            return "clientCert and clientKey are given together: \(missing) is missing"
        }
        for (name, path) in [
            ("caFile", caFile), ("crlFile", crlFile), ("clientCert", clientCert), ("clientKey", clientKey),
        ] where path?.isEmpty == true || path?.utf8.contains(0) == true {
            return "\(name) is no path of a file"
        }
        for (name, value, range) in ranges where !range.contains(value) {
            return "\(name) is \(value), accepted are \(range.lowerBound) to \(range.upperBound)"
        }
        if let bindAddress, bindAddress.contains("/") || AddressRange(bindAddress) == nil {
            return "bindAddress is \(bindAddress.debugDescription), which is neither IPv4 nor IPv6"
        }
        return dnsFault
    }

    /// The servers and given addresses as the C core takes them; checked here so that a wrong entry is told
    /// with the name of its setting.
    private var dnsFault: String? {
        var reason = [CChar](repeating: 0, count: Int(MOCRA_REASON_BYTES))
        var servers = mocra_dns_servers()
        if unsafe mocra_dns_servers_parse(dnsServersText, &servers, &reason) != MOCRA_OK {
            return "dnsServers: \(text(of: reason))"
        }
        var given: OpaquePointer?
        if unsafe mocra_hosts_parse_given(resolveText, &given, &reason) != MOCRA_OK {
            return "resolve: \(text(of: reason))"
        }
        unsafe mocra_hosts_destroy(given)
        return nil
    }

    var dnsServersText: String { dnsServers.joined(separator: "\n") }
    var resolveText: String { resolve.joined(separator: "\n") }
}

private func text(of reason: [CChar]) -> String {
    String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
