// One answer of the demo web, complete and pure: status, fields, body, delivery, and from these the wire
// bytes. It reads no clock (there is no Date field, so that equal requests get equal bytes) and no socket.

package struct PlannedResponse: Sendable, Equatable {
    package var status: Int
    package var fields: [HeaderField]
    /// As it is before any content coding.
    package var body: [UInt8]
    package var delivery: Delivery
    /// Set for answers that break HTTP: what is sent instead of the rest.
    package var breakage: Breakage?
    package var timing: DemoTiming

    package init(
        status: Int, fields: [HeaderField] = [], body: [UInt8] = [], delivery: Delivery = .whole,
        breakage: Breakage? = nil, timing: DemoTiming = DemoTiming()
    ) {
        self.status = status
        self.fields = fields
        self.body = body
        self.delivery = delivery
        self.breakage = breakage
        self.timing = timing
    }

    /// A short answer for people.
    package static func text(_ status: Int, _ line: String, _ fields: [HeaderField] = []) -> PlannedResponse {
        PlannedResponse(
            status: status, fields: [HeaderField("Content-Type", "text/plain; charset=utf-8")] + fields,
            body: Array((line + "\n").utf8))
    }

    package var isHTML: Bool {
        fields.contains { $0.name == "Content-Type" && $0.value.hasPrefix("text/html") }
    }

    /// Whether the same bytes may be sent again at once from a cache.
    package var isImmediate: Bool {
        switch delivery {
        case .slow, .drip: false
        case .whole, .chunked, .closeDelimited, .http10, .gzip, .gzipChunked, .deflate: breakage == nil
        }
    }

    // MARK: - Wire

    /// The steps that put this answer on a connection. The last one is `close` or `reset` exactly when the
    /// connection must end after it.
    package func wireSteps(_ client: ClientTraits) -> [WireStep] {
        if let breakage { return brokenSteps(breakage) }
        let coding = contentCoding(client)
        let payload: [UInt8] =
            switch coding {
            case "gzip": Compression.gzip(body)
            case "deflate": Compression.zlib(body)
            default: body
            }
        let isChunked = delivery == .chunked || delivery == .gzipChunked
        let isUnframed = delivery == .closeDelimited || delivery == .http10
        let closes = isUnframed || !client.keepsAlive

        var extra: [HeaderField] = []
        if hasCodedDelivery { extra.append(HeaderField("Vary", "Accept-Encoding")) }
        if let coding { extra.append(HeaderField("Content-Encoding", coding)) }
        if isChunked {
            extra.append(HeaderField("Transfer-Encoding", "chunked"))
        } else if !isUnframed {
            extra.append(HeaderField("Content-Length", String(payload.count)))
        }
        if closes && delivery != .http10 { extra.append(HeaderField("Connection", "close")) }

        let head = head(version: delivery == .http10 ? "1.0" : "1.1", extra)
        var steps: [WireStep] = []
        if client.isHead {
            steps = [.bytes(head)]
        } else if delivery == .drip {
            steps = dripSteps(head: head, payload)
        } else {
            if delivery == .slow { steps.append(.pause(ms: timing.slowFirstByteMs)) }
            steps.append(.bytes(head + (isChunked ? Self.chunks(payload) : payload)))
        }
        if closes { steps.append(.close) }
        return steps
    }

    private var hasCodedDelivery: Bool {
        delivery == .gzip || delivery == .gzipChunked || delivery == .deflate
    }

    private func contentCoding(_ client: ClientTraits) -> String? {
        switch delivery {
        case .gzip, .gzipChunked: client.acceptsGzip ? "gzip" : nil
        case .deflate: client.acceptsDeflate ? "deflate" : nil
        case .whole, .chunked, .closeDelimited, .http10, .slow, .drip: nil
        }
    }

    private func head(version: String = "1.1", _ extra: [HeaderField]) -> [UInt8] {
        var text = "HTTP/\(version) \(status) \(Self.reason(status))\r\nServer: mocra-demo-site\r\n"
        for field in fields + extra {
            text += "\(field.name): \(field.value)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    /// The head at once, the body in equal pieces with a pause before each.
    private func dripSteps(head: [UInt8], _ payload: [UInt8]) -> [WireStep] {
        var steps: [WireStep] = [.bytes(head)]
        let pieceBytes = max(1, (payload.count + Self.dripPieces - 1) / Self.dripPieces)
        for start in stride(from: 0, to: payload.count, by: pieceBytes) {
            steps.append(.pause(ms: timing.dripTotalMs / Self.dripPieces))
            steps.append(.bytes(Array(payload[start..<min(start + pieceBytes, payload.count)])))
        }
        return steps
    }

    private static let dripPieces = 20

    /// Chunk sizes cycle through small, odd and large, the first with an extension (RFC 9112 section 7.1.1).
    private static func chunks(_ payload: [UInt8]) -> [UInt8] {
        let sizes = [1, 7, 512, 4_096, 3]
        var output: [UInt8] = []
        var start = 0
        var turn = 0
        while start < payload.count {
            let end = min(start + sizes[turn % sizes.count], payload.count)
            output += String(end - start, radix: 16, uppercase: turn % 2 == 1).utf8
            output += (turn == 0 ? ";note=first\r\n" : "\r\n").utf8
            output += payload[start..<end]
            output += "\r\n".utf8
            start = end
            turn += 1
        }
        return output + Array("0\r\n\r\n".utf8)
    }

    private func brokenSteps(_ breakage: Breakage) -> [WireStep] {
        let html = HeaderField("Content-Type", "text/html; charset=utf-8")
        let length = HeaderField("Content-Length", String(body.count))
        let chunked = HeaderField("Transfer-Encoding", "chunked")
        let half = Array(body.prefix(body.count / 2))
        let head = { (extra: [HeaderField]) in self.head([html] + extra) }
        switch breakage {
        case .truncated: return [.bytes(head([length]) + half), .close]
        case .reset: return [.bytes(head([length]) + half), .reset]
        case .silent: return [.close]
        case .badChunk:
            return [.bytes(head([chunked]) + Array("7\r\n<html>\n\r\nzebra\r\n".utf8) + half), .close]
        case .shortChunks: return [.bytes(head([chunked]) + Array("ffff\r\n".utf8) + half), .close]
        case .garbage: return [.bytes(Array("\u{1}\u{2}220 this is another protocol\r\n\r\n".utf8)), .close]
        case .endlessHeader:
            let line = HeaderField("X-Filler", String(repeating: "x", count: 1000))
            return [.bytes(head(Array(repeating: line, count: 2048))), .close]
        case .twoLengths:
            let other = HeaderField("Content-Length", String(body.count / 2))
            return [.bytes(head([length, other]) + body), .close]
        case .badGzip:
            return [.bytes(head([HeaderField("Content-Encoding", "gzip"), length]) + body), .close]
        }
    }

    package static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 410: "Gone"
        case 421: "Misdirected Request"
        case 429: "Too Many Requests"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
        default: "Status"
        }
    }
}
