// A proxy that fetches go through, as a person writes it. Which fetch takes which one is in
// FetchProxyRules.swift; what is said to it is in CMocraIO.
internal import CMocraIO

/// An HTTP or SOCKS5 proxy.
///
/// The address policy holds through a proxy too: a name is looked up and checked here, and the proxy is given
/// the address that was checked. Names are handed on to a trusted proxy only, or when any address is allowed.
/// Plain http goes through an HTTP proxy in absolute form when the name may be handed on (or the host is an
/// address), else through a CONNECT tunnel, since a proxy looks up the name in an absolute form itself (RFC
/// 9112 §3.2.2); the proxy must then permit CONNECT to that port. The proxy's own address is not checked.
public struct FetchProxy: Sendable, Hashable {
    /// What is spoken with the proxy.
    public enum Kind: String, Sendable, CaseIterable {
        /// An HTTP proxy; https goes through a CONNECT tunnel.
        case http
        /// SOCKS5; names are looked up here.
        case socks5
        /// SOCKS5; the proxy looks up the names, if it is trusted or every address is allowed.
        case socks5h
    }

    /// What is spoken with it.
    public let kind: Kind
    /// A name or an address, IPv6 in brackets.
    public let host: String
    /// Above 0.
    public let port: UInt16
    /// Nil when the proxy is asked without one.
    public let username: String?
    /// Empty without a user name.
    public let password: String
    /// Whether the proxy may look up names although what it finds is not checked.
    public var isTrusted: Bool

    /// Host, user name and password in a row, as CMocraIO takes them.
    let text: [UInt8]

    /// The longest user name, password and host, in bytes (RFC 1929).
    private static let fieldBytesMax = 255
    /// Where a proxy listens when its URL does not say: what curl takes.
    private static let defaultPort: UInt16 = 1080

    /// Reads `[http|socks5|socks5h://][user[:password]@]host[:port]`; without a scheme it is an HTTP proxy,
    /// without a port 1080. User name and password are percent-decoded.
    /// - Errors: `.config`, without the password.
    public init(_ url: String, isTrusted: Bool = false) throws(FetchError) {
        var rest = url[...]
        var kind = Kind.http
        if let border = Self.range(of: "://", in: url) {
            let scheme = url[..<border.lowerBound].lowercased()
            guard let known = scheme == "socks" ? .socks5 : Kind(rawValue: scheme) else {
                throw .configuration("a proxy's URL begins with http://, socks5:// or socks5h://")
            }
            kind = known
            rest = url[border.upperBound...]
        }
        var credentials: (String, String)?
        if let at = rest.lastIndex(of: "@") {
            credentials = try Self.credentials(rest[..<at], kind)
            rest = rest[rest.index(after: at)...]
        }
        if let slash = rest.firstIndex(where: { "/\\?#".contains($0) }) {
            guard rest[slash...] == "/" else {
                throw .configuration("the URL of a proxy has no path: give scheme, host and port only")
            }
            rest = rest[..<slash]
        }
        let place = try Self.place(rest)
        self.kind = kind
        self.isTrusted = isTrusted
        host = String(place.host)
        port = Self.names(port: rest) ? place.effectivePort : Self.defaultPort
        username = credentials?.0
        password = credentials?.1 ?? ""
        guard host.utf8.count <= Self.fieldBytesMax, port > 0 else {
            throw .configuration("the host of a proxy is too long, or its port is 0")
        }
        text = Array(host.utf8) + Array((username ?? "").utf8) + Array(password.utf8)
    }

    private static func range(of mark: String, in text: String) -> Range<String.Index>? {
        var start = text.startIndex
        while start < text.endIndex {
            if text[start...].hasPrefix(mark) {
                return start..<text.index(start, offsetBy: mark.count)
            }
            start = text.index(after: start)
        }
        return nil
    }

    private static func credentials(_ part: Substring, _ kind: Kind) throws(FetchError) -> (String, String) {
        let colon = part.firstIndex(of: ":")
        let encodedName = part[..<(colon ?? part.endIndex)]
        let encodedPassword = colon.map { part[part.index(after: $0)...] } ?? ""
        guard let name = decoded(encodedName), let password = decoded(encodedPassword),
            name.utf8.count <= fieldBytesMax, password.utf8.count <= fieldBytesMax, !name.isEmpty
        else {
            throw .configuration(
                "the user name or password of the proxy is empty, longer than \(fieldBytesMax) bytes or not"
                    + " percent-encoded text")
        }
        guard kind != .http || !name.utf8.contains(UInt8(ascii: ":")) else {
            throw .configuration("the user name of an HTTP proxy cannot contain a colon (RFC 7617)")
        }
        return (name, password)
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2,
                rest.prefix(2).allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The host and port, parsed as those of a URL.
    private static func place(_ text: Substring) throws(FetchError) -> WebURL {
        do throws(URLError) {
            return try WebURL("http://\(text)/")
        } catch {
            // What stands there may be a password in the wrong place.
            throw .configuration("there is no host and port of a proxy where they belong: \(error)")
        }
    }

    /// Whether the text ends with a port: one that equals the scheme's default is not in the parsed URL.
    private static func names(port text: Substring) -> Bool {
        guard let colon = text.lastIndex(of: ":") else { return false }
        let digits = text[text.index(after: colon)...]
        return !digits.isEmpty && digits.allSatisfy { $0.isASCII && $0.isNumber }
    }
}

extension FetchProxy: CustomStringConvertible {
    /// The proxy's URL without user name and password.
    public var description: String { "\(kind.rawValue)://\(host):\(port)" }
}

/// Which proxy a request goes through.
public enum FetchProxyChoice: Sendable, Hashable {
    /// What the fetcher's configuration says.
    case asConfigured
    /// None.
    case direct
    case through(FetchProxy)
}

/// How one request goes through a proxy.
struct FetchRoute: Sendable {
    let proxy: FetchProxy
    /// The request is written in absolute form.
    let isForward: Bool
    private let resolves: Bool

    init(_ proxy: FetchProxy, to url: WebURL, _ policy: AddressPolicy) {
        self.proxy = proxy
        resolves = proxy.isTrusted || policy == .any
        isForward = proxy.kind == .http && !url.isSecure && (resolves || Self.isAddress(url.host))
    }

    private static func isAddress(_ host: Substring) -> Bool {
        var address = mocra_address()
        let bytes = Array(host.utf8)
        return unsafe mocra_address_parse(bytes, bytes.count, &address)
    }

    /// The route as CMocraIO takes it, valid during the call.
    func withOptions<R>(_ body: (UnsafePointer<mocra_proxy_options>) -> R) -> R {
        let type =
            proxy.kind != .http
            ? MOCRA_PROXY_SOCKS5 : isForward ? MOCRA_PROXY_FORWARD : MOCRA_PROXY_CONNECT
        return unsafe proxy.text.withUnsafeBufferPointer { text in
            var options = unsafe mocra_proxy_options(
                type: UInt8(type.rawValue), resolves: resolves && proxy.kind != .socks5,
                credentials: proxy.username != nil, port: proxy.port, text: text.baseAddress,
                host_length: UInt32(proxy.host.utf8.count),
                username_length: UInt32(proxy.username?.utf8.count ?? 0),
                password_length: UInt32(proxy.password.utf8.count))
            return unsafe withUnsafePointer(to: &options) { unsafe body($0) }
        }
    }
}
