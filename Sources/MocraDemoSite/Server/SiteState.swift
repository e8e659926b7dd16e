// What all connections of a demo site share: the web, the counters of tries, the log, and answers ready to
// send. It turns a request into wire steps; it owns no socket and does no waiting.
import FoundationEssentials
import NIOCore
import Synchronization

/// One request, as far as the answer depends on it.
struct SiteRequest {
    var method: String
    var target: String
    var hostField: String?
    var userAgent: String
    var client: ClientTraits
    /// When it reached the kernel: neither reading nor answering it may blur the distances that a crawler
    /// kept.
    var arrivedAt: NIODeadline
}

/// How to answer: bytes that are ready, or steps.
enum SiteAnswer {
    case ready(ByteBuffer)
    case steps([WireStep])
}

/// Isolation: safe from every event loop; each mutable part is behind its own lock.
final class SiteState: Sendable {
    private struct CacheKey: Hashable {
        var url: DemoURL
        var acceptsGzip: Bool
        var acceptsDeflate: Bool
    }

    private struct Cache {
        var answers: [CacheKey: (status: Int, bytes: ByteBuffer)] = [:]
        var bytes = 0
    }

    private static let cacheBytesMax = 64 << 20
    private static let truthPath = "/_truth.json"
    private static let logPath = "/_log.json"
    private static let resetPath = "/_reset"

    let web: DemoWeb
    let truth: DemoTruth
    let log: RequestLog
    private let startedAt: NIODeadline
    private let attempts = Mutex<[DemoURL: Int]>([:])
    private let cache = Mutex(Cache())
    private let truthJSON = Mutex<[UInt8]?>(nil)

    init(web: DemoWeb, log: RequestLog) {
        self.web = web
        self.log = log
        truth = TruthWalk.truth(of: web)
        startedAt = NIODeadline.now()
    }

    // MARK: - Answering

    func answer(_ request: SiteRequest, site: Int) -> SiteAnswer {
        if site == 0, let answer = controlAnswer(request) {
            return .steps(answer.wireSteps(request.client))
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return refuse(request, site, .text(405, "use GET or HEAD", [HeaderField("Allow", "GET, HEAD")]))
        }
        // RFC 9112 section 3.2: a request without Host is bad; one for another site went the wrong way.
        guard let host = request.hostField else {
            return refuse(request, site, .text(400, "the Host field is missing"))
        }
        guard host == web.authorities[site].text else {
            return refuse(request, site, .text(421, "this is \(web.authorities[site].text)"))
        }
        let url = DemoURL(site, DemoWeb.canonicalTarget(request.target))
        let key = CacheKey(
            url: url, acceptsGzip: request.client.acceptsGzip, acceptsDeflate: request.client.acceptsDeflate)
        let isPlain = request.client.keepsAlive && !request.client.isHead
        if isPlain, let hit = cache.withLock({ $0.answers[key] }) {
            record(request, site, hit.status, attempt: 1)
            return .ready(hit.bytes)
        }
        let counts = web.countsAttempts(url)
        let attempt = counts ? nextAttempt(url) : 1
        let plan = web.plan(url, attempt: attempt)
        record(
            request, site, plan.breakage == .garbage || plan.breakage == .silent ? 0 : plan.status,
            attempt: attempt)
        let steps = plan.wireSteps(request.client)
        // URLs that do not exist are without number; they must not take the place of pages.
        if isPlain, !counts, plan.status != 404, plan.isImmediate, steps.count == 1,
            case .bytes(let bytes) = steps[0]
        {
            return .ready(remember(key, plan.status, bytes))
        }
        return .steps(steps)
    }

    func resetAttempts() {
        attempts.withLock { $0 = [:] }
    }

    private func refuse(_ request: SiteRequest, _ site: Int, _ response: PlannedResponse) -> SiteAnswer {
        record(request, site, response.status, attempt: 1)
        return .steps(response.wireSteps(request.client))
    }

    private func nextAttempt(_ url: DemoURL) -> Int {
        attempts.withLock { attempts in
            attempts[url, default: 0] += 1
            return attempts[url, default: 1]
        }
    }

    /// A full cache keeps what it has; the rest is rendered again at each request.
    private func remember(_ key: CacheKey, _ status: Int, _ bytes: [UInt8]) -> ByteBuffer {
        let buffer = ByteBuffer(bytes: bytes)
        let cost = bytes.count + key.url.target.utf8.count
        cache.withLock { cache in
            guard cache.bytes + cost <= Self.cacheBytesMax, cache.answers[key] == nil else { return }
            cache.answers[key] = (status, buffer)
            cache.bytes += cost
        }
        return buffer
    }

    private func record(_ request: SiteRequest, _ site: Int, _ status: Int, attempt: Int) {
        let authority = web.authorities[site]
        let elapsed = (request.arrivedAt - startedAt).nanoseconds
        log.append(
            DemoRequest(
                nanoseconds: UInt64(max(0, elapsed)), method: request.method, host: authority.host,
                port: authority.port, path: request.target, status: status, attempt: attempt,
                userAgent: request.userAgent))
    }

    // MARK: - Control

    /// The places for testers. They are not linked, not logged, and answer on the first site only.
    private func controlAnswer(_ request: SiteRequest) -> PlannedResponse? {
        let json = HeaderField("Content-Type", "application/json")
        let isRead = request.method == "GET" || request.method == "HEAD"
        switch request.target {
        case Self.truthPath where isRead:
            return PlannedResponse(status: 200, fields: [json], body: encodedTruth())
        case Self.logPath where isRead:
            return PlannedResponse(status: 200, fields: [json], body: log.json())
        case Self.resetPath where request.method == "POST":
            resetAttempts()
            return .text(200, "the counters of tries are reset")
        case Self.resetPath + "?log" where request.method == "POST":
            resetAttempts()
            log.clear()
            return .text(200, "the counters of tries are reset, the log is empty")
        case Self.resetPath, Self.resetPath + "?log":
            return .text(405, "use POST", [HeaderField("Allow", "POST")])
        default:
            return nil
        }
    }

    private func encodedTruth() -> [UInt8] {
        truthJSON.withLock { cached in
            if let cached { return cached }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            do {
                let bytes = Array(try encoder.encode(truth)) + [UInt8(ascii: "\n")]
                cached = bytes
                return bytes
            } catch {
                // Strings, numbers, arrays and dictionaries always have a JSON form.
                preconditionFailure("the truth has no JSON form: \(error)")
            }
        }
    }
}
