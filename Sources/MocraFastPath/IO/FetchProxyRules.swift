// Which URL goes through which proxy, and what the environment says about it.
internal import Glibc

/// The proxies of a fetcher.
public struct FetchProxyRules: Sendable, Hashable {
    /// For http URLs.
    public var http: FetchProxy?
    /// For https URLs.
    public var https: FetchProxy?
    /// Hosts that are reached without a proxy.
    public var exceptions = FetchProxyExceptions("")

    /// A proxy for each scheme, nil for none, but for the hosts of `exceptions` (`no_proxy`).
    public init(http: FetchProxy? = nil, https: FetchProxy? = nil, exceptions: String = "") {
        self.http = http
        self.https = https
        self.exceptions = FetchProxyExceptions(exceptions)
    }

    /// One proxy for every URL.
    /// One proxy for http and https, but for the hosts of `exceptions` (`no_proxy`).
    public init(_ proxy: FetchProxy, exceptions: String = "") {
        self.init(http: proxy, https: proxy, exceptions: exceptions)
    }

    /// The proxy for a URL; nil: none.
    public func proxy(for url: WebURL) -> FetchProxy? {
        guard let proxy = url.isSecure ? https : http else { return nil }
        return exceptions.contains(host: url.host, port: url.effectivePort) ? nil : proxy
    }

    var isEmpty: Bool { http == nil && https == nil }
}

extension FetchProxy {
    /// The proxies that the environment names: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, each
    /// also in capitals; the small letters win. `HTTP_PROXY` is ignored where `REQUEST_METHOD` is set: in a
    /// CGI program it is a header of the request. Nil when none is named.
    /// - Errors: `.config`, with the variable's name.
    public static func fromEnvironment(
        _ value: (String) -> String? = environmentValue
    ) throws(FetchError) -> FetchProxyRules? {
        let isCGI = value("REQUEST_METHOD") != nil
        let all = try proxy(in: ["all_proxy", "ALL_PROXY"], value)
        var rules = FetchProxyRules()
        rules.http = try proxy(in: isCGI ? ["http_proxy"] : ["http_proxy", "HTTP_PROXY"], value) ?? all
        rules.https = try proxy(in: ["https_proxy", "HTTPS_PROXY"], value) ?? all
        guard !rules.isEmpty else { return nil }
        rules.exceptions = FetchProxyExceptions(value("no_proxy") ?? value("NO_PROXY") ?? "")
        return rules
    }

    /// A variable of this process's environment.
    public static func environmentValue(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    private static func proxy(
        in names: [String], _ value: (String) -> String?
    ) throws(FetchError) -> FetchProxy? {
        for name in names {
            guard let text = value(name), !text.isEmpty else { continue }
            do throws(FetchError) {
                return try FetchProxy(text)
            } catch {
                throw .configuration("\(name): \(error.message)")
            }
        }
        return nil
    }
}

/// The hosts of `no_proxy`, by curl's rules: names separated by commas or spaces, each matching itself and
/// what lies below it, with or without a dot in front; `*` alone for every host; addresses, and ranges of
/// them as `10.0.0.0/8`; an entry with a port matches that port only.
public struct FetchProxyExceptions: Sendable, Hashable {
    private struct Entry: Hashable {
        var name: String
        var port: UInt16?
        var range: AddressRange?
    }

    private var entries: [Entry] = []
    private var isEveryHost = false

    /// Reads the list; an entry that is none of the above excepts nothing.
    public init(_ text: String) {
        let words = text.split { $0 == "," || $0 == " " || $0 == "\t" }.map { $0.lowercased() }
        isEveryHost = words == ["*"]
        entries = isEveryHost ? [] : words.compactMap(Self.entry)
    }

    private static func entry(_ word: String) -> Entry? {
        if let range = AddressRange(word) { return Entry(name: "", port: nil, range: range) }
        var name = word[...]
        var port: UInt16?
        if let colon = name.lastIndex(of: ":") {
            guard let number = UInt16(name[name.index(after: colon)...]) else { return nil }
            port = number
            name = name[..<colon]
            if let range = AddressRange(name) { return Entry(name: "", port: port, range: range) }
        }
        if name.hasPrefix("*.") { name = name.dropFirst() }
        if name.hasPrefix(".") { name = name.dropFirst() }
        if name.hasSuffix(".") { name = name.dropLast() }
        return name.isEmpty ? nil : Entry(name: String(name), port: port, range: nil)
    }

    /// Whether the host, as it stands in a URL, is excepted.
    public func contains(host: some StringProtocol, port: UInt16) -> Bool {
        if isEveryHost { return true }
        guard !entries.isEmpty else { return false }
        var name = host.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        let address = AddressRange(name)
        return entries.contains { entry in
            guard entry.port == nil || entry.port == port else { return false }
            if let range = entry.range { return address.map(range.contains) ?? false }
            return address == nil && (name == entry.name || name.hasSuffix("." + entry.name))
        }
    }
}

/// A block of addresses of one family.
struct AddressRange: Sendable, Hashable {
    private let bytes: [UInt8]
    private let bits: Int

    /// An address, IPv6 with or without brackets, or one with `/bits`.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var literal = String(parts[0])
        if literal.hasPrefix("["), literal.hasSuffix("]") { literal = String(literal.dropFirst().dropLast()) }
        var memory = [UInt8](repeating: 0, count: 16)
        if unsafe inet_pton(AF_INET, literal, &memory) == 1 {
            bytes = Array(memory.prefix(4))
        } else if unsafe inet_pton(AF_INET6, literal, &memory) == 1 {
            bytes = memory
        } else {
            return nil
        }
        guard parts.count == 2 else {
            bits = bytes.count * 8
            return
        }
        guard let number = Int(parts[1]), (0...bytes.count * 8).contains(number) else { return nil }
        bits = number
    }

    func contains(_ other: AddressRange) -> Bool {
        guard other.bytes.count == bytes.count, other.bits >= bits else { return false }
        let whole = bits / 8
        guard bytes[..<whole] == other.bytes[..<whole] else { return false }
        guard bits % 8 > 0 else { return true }
        let mask = UInt8(truncatingIfNeeded: 0xff00 >> (bits % 8))
        return bytes[whole] & mask == other.bytes[whole] & mask
    }
}
