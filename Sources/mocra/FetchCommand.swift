// `mocra fetch`: one request through the real fetch core, shown as asked.
import ArgumentParser
internal import Glibc
internal import MocraEngine
internal import MocraFastPath

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Fetches one URL, once, and shows what came.",
        discussion: """
            Redirects are not followed and robots.txt is not asked.

            Examples:
              mocra fetch https://example.org/ --show headers --show timing
              mocra fetch https://example.org/ --http2 --resolve example.org:443:192.0.2.7
              mocra fetch https://example.org/ --proxy socks5h://user:password@proxy.example.org
            """)

    enum View: String, ExpressibleByArgument, CaseIterable {
        case headers, body, links, timing
    }

    @Argument(help: ArgumentHelp("What to fetch.", valueName: "url"))
    var url: String
    @Option(
        name: .customShort("H"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Send this header field, as 'Name: value'. Repeatable.", valueName: "field"))
    var header: [String] = []
    @Option(
        name: .customShort("X"),
        help: ArgumentHelp("The method (default: GET, or POST with -d).", valueName: "method"))
    var method: String?
    @Option(
        name: .customShort("d"), parsing: .unconditional,
        help: ArgumentHelp("Send this text as the request's body.", valueName: "text"))
    var data: String?
    @Option(
        help: ArgumentHelp("headers, body (the default), links or timing. Repeatable.", valueName: "what"))
    var show: [View] = []
    @Option(
        help: ArgumentHelp(
            "PEM file with the certificate authorities to trust instead of the system's.", valueName: "file"))
    var caFile: String?
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Take this address for a host and port, whatever DNS says; port * is any. Repeatable.",
            valueName: "host:port:address"))
    var resolve: [String] = []
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Ask this DNS server, as address or address:port, instead of the system's. Repeatable.",
            valueName: "server"))
    var dnsServer: [String] = []
    @Option(
        help: ArgumentHelp(
            "Go through this proxy: [http|socks5|socks5h://][user:password@]host[:port]. Without it the"
                + " environment's http_proxy, https_proxy, all_proxy and no_proxy count.",
            valueName: "url"))
    var proxy: String?
    @Flag(help: "Fail unless the answer comes over HTTP/2, which is offered to every https server.")
    var http2 = false
    @Flag(name: .customLong("http1"), help: "Do not offer HTTP/2.")
    var http1 = false
    @Flag(help: "Also connect to loopback, private and other special addresses.")
    var allowPrivate = false

    func validate() throws {
        guard !http1 || !http2 else { throw ValidationError("--http1 and --http2 exclude each other") }
    }

    func run() async throws {
        let request = try fetchRequest()
        guard !http2 || request.url.isSecure else {
            throw Ending(
                Ending.wrongUse, "--http2 takes an https URL: HTTP/2 is agreed on in the TLS handshake")
        }
        var configuration = FetchConfiguration()
        configuration.caFile = caFile
        configuration.resolve = resolve
        configuration.dnsServers = dnsServer
        configuration.addressPolicy = allowPrivate ? .any : .publicOnly
        configuration.proxy = try proxyRules()
        configuration.http2 = !http1
        let output: [UInt8]
        do throws(FetchError) {
            let fetcher = try Fetcher(configuration)
            output = try await fetch(request, with: fetcher)
            await fetcher.shutdown()
        } catch {
            throw Ending(error.isWrongUse ? Ending.wrongUse : Ending.failed, Self.message(request.url, error))
        }
        try StandardOutput.write(output)
    }

    private static func message(_ url: WebURL, _ error: FetchError) -> String {
        let hint = error.kind == .blocked ? "; --allow-private permits it" : ""
        return error.isWrongUse
            ? error.message : "\(url.href): \(error.kind.rawValue): \(error.message)\(hint)"
    }

    private func fetch(_ request: FetchRequest, with fetcher: Fetcher) async throws(FetchError) -> [UInt8] {
        let response: FetchResponse
        do {
            response = try await fetcher.fetch(request)
        } catch {
            await fetcher.shutdown()
            throw error
        }
        guard response.isHTTP2 || !http2 else {
            throw FetchError(
                kind: .protocol, code: "HTTP2_PROTOCOL",
                message: "the answer came over HTTP/1.1, and --http2 asks for HTTP/2", isRetryable: false)
        }
        var output: [UInt8] = []
        for view in show.isEmpty ? [.body] : show {
            switch view {
            case .headers: output += Self.headers(response).utf8
            case .body: output += response.bodyCopy()
            case .links: output += Self.links(response, request.url).utf8
            case .timing: output += Self.timing(response).utf8
            }
        }
        return output
    }

    private func proxyRules() throws -> FetchProxyRules? {
        do throws(FetchError) {
            guard let proxy else { return try FetchProxy.fromEnvironment() }
            return FetchProxyRules(try FetchProxy(proxy))
        } catch {
            throw Ending(Ending.wrongUse, proxy == nil ? error.message : "--proxy: \(error.message)")
        }
    }

    private func fetchRequest() throws -> FetchRequest {
        let target: WebURL
        do throws(URLError) {
            target = try WebURL(url)
        } catch {
            throw Ending(Ending.wrongUse, "\(url.debugDescription): \(error)")
        }
        guard !target.hasCredentials else {
            throw Ending(
                Ending.wrongUse,
                "\(target.withoutCredentials.href): a name and password in a URL are not sent;"
                    + " give -H 'Authorization: …'")
        }
        let fields = try header.map { line in
            do throws(FetchError) {
                return try HTTPField(line: line)
            } catch {
                throw Ending(Ending.wrongUse, "-H: \(error.message)")
            }
        }
        return FetchRequest(
            target, method: method ?? (data == nil ? "GET" : "POST"), headers: fields,
            body: Array((data ?? "").utf8))
    }

    // MARK: Views

    private static func headers(_ response: borrowing FetchResponse) -> String {
        var text = "\(response.status)\n"
        response.forEachHeader { name, value in text += "\(name): \(value)\n" }
        return text
    }

    private static func links(_ response: borrowing FetchResponse, _ url: WebURL) -> String {
        let charset = response.header("content-type").flatMap(ContentType.parse)?.charset
        let facts = response.withBody { body in
            LibXMLExtractor().extract(body, documentURL: url, charset: charset, limits: ExtractionLimits())
        }
        return facts.links.map { $0.url.href + "\n" }.joined()
    }

    private static func timing(_ response: borrowing FetchResponse) -> String {
        let timing = response.timing
        let rows: [(String, Int)] = [
            ("dns", timing.dnsUs), ("connect", timing.connectUs), ("proxy", timing.proxyUs),
            ("tls", timing.tlsUs),
            ("first byte", timing.firstByteUs), ("total", timing.totalUs),
        ]
        let width = 12
        return rows.map { name, microseconds in
            name + String(repeating: " ", count: width - name.count) + "\(microseconds) µs\n"
        }.joined() + "received    \(response.wireBytes) bytes, \(response.bodyBytes) decoded\n"
            + "protocol    \(response.isHTTP2 ? "HTTP/2" : "HTTP/1.1")"
            + (response.tls.map { ", TLS \($0.version), \($0.cipher)" } ?? "") + "\n"
    }
}

/// Bytes to standard output, all or an error.
enum StandardOutput {
    static func write(_ bytes: [UInt8]) throws(Ending) {
        var position = 0
        while position < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { memory in
                unsafe Glibc.write(STDOUT_FILENO, memory.baseAddress! + position, bytes.count - position)
            }
            if written >= 0 {
                position += written
            } else if errno != EINTR {
                let code = errno == ENOSPC ? Ending.disk : Ending.failed
                throw Ending(code, unsafe "standard output: \(String(cString: strerror(errno)))")
            }
        }
    }
}
