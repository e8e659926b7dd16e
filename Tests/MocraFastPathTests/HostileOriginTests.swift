// Every hostile behaviour, alone and all at once: the stated outcome in time, a good host fetched beside it,
// and nothing left behind. What the behaviours are stands in TestSupport's HostileTables.
import MocraFastPath
import TestSupport
import Testing

/// How a body is read.
private enum Reading: String, CaseIterable, Sendable {
    case whole
    case inPieces
}

/// What came of a fetch.
private struct Observed: Sendable {
    var kind: String?
    var code: String?
    var status = 0
    var text = ""
    var isTruncated = false
    var tookMs = 0

    static func of(
        _ behaviour: HostileBehaviour, _ url: String, _ fetcher: Fetcher, _ reading: Reading
    ) async throws -> Observed {
        var observed = Observed()
        var request = FetchRequest(
            try WebURL(url), method: behaviour.method, body: behaviour.requestBody)
        request.timeoutMs = behaviour.totalMs
        observed.tookMs = try await elapsedMs {
            do {
                var body: [UInt8] = []
                switch reading {
                case .whole:
                    let fetched = Fetched(try await fetcher.fetch(request))
                    (observed.status, observed.isTruncated) = (fetched.status, fetched.isTruncated)
                    body = fetched.body
                case .inPieces:
                    var stream = try await fetcher.stream(request)
                    while let piece = try await stream.next() { body += piece.copy() }
                    (observed.status, observed.isTruncated) = (stream.status, stream.isTruncated())
                }
                observed.text =
                    observed.isTruncated ? "\(body.count) bytes" : String(decoding: body, as: UTF8.self)
            } catch let error as FetchError {
                observed.kind = error.kind.rawValue
                observed.code = error.code
                #expect(!error.message.contains("\n") && error.message.utf8.count < 600, "\(behaviour)")
            }
        }
        return observed
    }

    func check(
        _ behaviour: HostileBehaviour, _ reading: Reading, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let inPieces = reading == .inPieces ? behaviour.outcomeInPieces : nil
        let fits =
            switch inPieces ?? behaviour.outcome {
            case .error(let wantedKind, let wantedCode):
                kind == wantedKind && (wantedCode == nil || code == wantedCode)
            case .errorOfKinds(let kinds): kinds.contains(kind ?? "")
            case .body(let body, _): status == 200 && text == body && !isTruncated
            case .empty(let wanted, _): status == wanted && text.isEmpty && !isTruncated
            case .cut: isTruncated && text == "\(HostileBehaviour.bodyBytesMax) bytes"
            case .bodyOrError(let body, let wantedKind): kind == wantedKind || (status == 200 && text == body)
            }
        #expect(fits, "\(behaviour): \(self)", sourceLocation: sourceLocation)
    }
}

@Suite("Hostile origins", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct HostileOriginTests {
    /// Short for what ends by a deadline, long for what must not.
    private static let shortMs = 1_000

    private static func configure(_ configuration: inout FetchConfiguration, isTimed: Bool) {
        let deadlineMs = isTimed ? shortMs : 30_000
        configuration.connectTimeoutMs = deadlineMs
        configuration.firstByteTimeoutMs = deadlineMs
        configuration.idleTimeoutMs = deadlineMs
        configuration.timeoutMs = 40_000
        configuration.maxResponseSizeBytes = HostileBehaviour.bodyBytesMax
        configuration.maxDecompressionRatio = 30
        configuration.receiveBuffers = 64
        configuration.poolPerHost = 4
    }

    /// Fetches a well-behaved host again and again while `hostile` is true; how often it did.
    private static func fetchGood(_ origin: ScriptedOrigin, _ fetcher: Fetcher, while hostile: Locked<Bool>)
        async throws -> Int
    {
        var count = 0
        repeat {
            let fetched = try await fetcher.get(origin.url("/\(count)"))
            #expect(fetched.text == "/\(count)")
            count += 1
            await Task.yield()
        } while hostile.value
        return count
    }

    /// Nothing is held any more but the pooled connections to the good host, and one to each origin that
    /// may be asked again.
    private static func expectNothingLeft(
        _ fetcher: Fetcher, _ pairs: [(HostileBehaviour, ScriptedOrigin)], good: ScriptedOrigin
    ) async throws {
        let loop = fetcher.loops[0]
        for (behaviour, origin) in pairs {
            let left = behaviour.leavesConnection ? 1 : 0
            let isGone = try await eventually(withinMs: 20_000) { origin.counts.open <= left }
            #expect(isGone, "\(behaviour): connections to it stay open: \(origin.counts)")
        }
        let reusable = pairs.count { $0.0.leavesConnection }
        let isClean = try await eventually(withinMs: 20_000) {
            guard let now = await loop.statistics() else { return false }
            return now.fetches == 0 && now.buffersLeased == 0 && now.connections == now.connectionsIdle
                && now.connections <= 4 + reusable
        }
        let now = await loop.statistics()
        #expect(isClean, "\(String(describing: now))")
        #expect(good.counts.abandoned == 0)
    }

    @Test("There are more than 100 behaviours, each with a name of its own")
    func table() async throws {
        let names = try await onThread { HostileTables.all.map(\.name) }
        #expect(names.count > 100 && Set(names).count == names.count, "\(names.count)")
    }

    @Test(
        "one by one: the stated outcome, a good host beside it, nothing left",
        arguments: HostileTables.all.filter { !$0.isTimed })
    func alone(_ behaviour: HostileBehaviour) async throws {
        try await Self.run([behaviour], .whole, isTimed: false)
    }

    @Test(
        "those that stop, beside each other, end by the deadline of their phase", arguments: Reading.allCases)
    fileprivate func stalls(_ reading: Reading) async throws {
        let stalls = HostileTables.all.filter(\.isTimed)
        try await Self.run(stalls, reading, isTimed: true)
    }

    @Test("all that end by themselves at once, on one loop", arguments: Reading.allCases)
    fileprivate func together(_ reading: Reading) async throws {
        try await Self.run(HostileTables.all.filter { !$0.isTimed }, reading, isTimed: false)
    }

    private static func run(
        _ behaviours: [HostileBehaviour], _ reading: Reading, isTimed: Bool
    ) async throws {
        let pairs = try behaviours.map { ($0, try $0.origin()) }
        let good = try ScriptedOrigin(address: "127.0.0.2") { [.pause(ms: 2)] + .html($0.target) }
        try await withFetcher {
            configure(&$0, isTimed: isTimed)
        } _: { fetcher in
            let isRunning = Locked(true)
            async let goodFetches = fetchGood(good, fetcher, while: isRunning)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (behaviour, origin) in pairs {
                    let scheme = behaviour.isSecure ? "https" : "http"
                    let url = "\(scheme)://127.0.0.1:\(origin.port)/"
                    group.addTask {
                        let observed = try await Observed.of(behaviour, url, fetcher, reading)
                        observed.check(behaviour, reading)
                        let earliestMs = behaviour.totalMs ?? (behaviour.isTimed ? shortMs : 0)
                        #expect(
                            (earliestMs - 1...earliestMs + 20_000).contains(observed.tookMs), "\(behaviour)")
                    }
                }
                try await group.waitForAll()
            }
            isRunning.set(false)
            #expect(try await goodFetches > 0)
            try await expectNothingLeft(fetcher, pairs, good: good)
            if !isTimed, behaviours.count == 1 { try await expectReuse(behaviours[0], pairs[0].1, fetcher) }
        }
        for (behaviour, origin) in pairs {
            let isGone = try await eventually(withinMs: 20_000) { origin.counts.open == 0 }
            #expect(isGone, "\(behaviour)")
        }
    }

    /// Whether a second fetch comes over the first one's connection.
    private static func expectReuse(
        _ behaviour: HostileBehaviour, _ origin: ScriptedOrigin, _ fetcher: Fetcher
    )
        async throws
    {
        guard let isReused = behaviour.isReused else { return }
        let again = try await fetcher.get(
            origin.url("/again"), method: behaviour.method, body: behaviour.requestBody)
        #expect(again.timing.reusedConnection == isReused, "\(behaviour)")
        #expect(origin.counts.accepted == (isReused ? 1 : 2), "\(behaviour)")
    }

    @Test("Certificates that are expired, not yet valid, self-signed, or for another name, beside a good one")
    func certificates() async throws {
        let page = NginxSite.Source.directives("location / { return 200 'secret'; }")
        let (nginx, caPath) = try await onThread {
            let made = try TestCertificates.shared()
            let names = ["127.0.0.1"]
            let sites = [
                try made.certificate(), try made.certificate(for: names, .expired),
                try made.certificate(for: names, .notYetValid), try made.selfSigned(),
                try made.certificate(for: ["other.test"]),
            ].map { NginxSite(page, certificate: $0) }
            return (try NginxServer(sites), made.caPath)
        }
        try await withFetcher { configuration in
            Self.configure(&configuration, isTimed: false)
            configuration.caFile = caPath
        } _: { fetcher in
            let codes = ["TLS_EXPIRED", "TLS_EXPIRED", "TLS_UNTRUSTED", "TLS_NAME"]
            for (site, code) in zip(1..., codes) {
                async let good = fetcher.get(nginx.url(0) + "/")
                let error = try await fetcher.failure(nginx.url(site) + "/")
                #expect(error?.kind == .tls && error?.code == code, "\(String(describing: error))")
                #expect(try await good.text == "secret")
            }
            let loop = fetcher.loops[0]
            let isClean = try await eventually(withinMs: 20_000) {
                guard let now = await loop.statistics() else { return false }
                return now.fetches == 0 && now.buffersLeased == 0 && now.connections == now.connectionsIdle
            }
            let now = await loop.statistics()
            #expect(isClean, "\(String(describing: now))")
        }
    }
}

extension HostileBehaviour {
    /// Whether the connection may be used again; nil when no answer is taken.
    fileprivate var isReused: Bool? {
        switch outcome {
        case .body(_, let reused), .empty(_, let reused): reused
        case .error, .errorOfKinds, .cut, .bodyOrError: nil
        }
    }

    fileprivate var requestBody: [UInt8] { [UInt8](repeating: 1, count: requestBytes) }

    fileprivate var leavesConnection: Bool {
        if case .bodyOrError = outcome { true } else { isReused ?? false }
    }
}
