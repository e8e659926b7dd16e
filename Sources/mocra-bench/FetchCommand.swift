// `mocra-bench fetch`: one URL, a fixed number of connections, a fixed time, the whole fetch path.
import ArgumentParser
internal import Glibc
internal import MocraFastPath

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Fetches one URL over and over.",
        discussion: """
            Prints requests a second, CPU time a request (of this process), latency percentiles, bytes, \
            errors and heap allocations a request. Pin server and client to different cores (taskset) for \
            figures that compare: what --against starts runs where this process runs.

            Examples:
              mocra-bench fetch --url http://127.0.0.1:8080/1k.html --connections 64 --seconds 5
              mocra-bench fetch --url https://127.0.0.1:8443/ --http2 --connections 4 --streams 16 \
            --ca-file ca.pem
              mocra-bench fetch --url http://127.0.0.1:8080/ --idle 10000
              taskset -c 1 mocra-bench fetch --url http://127.0.0.1:8080/ --against wrk,h2load,curl
            """)

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case batch, async
    }

    @Option(help: "The URL to fetch; http or https.")
    var url: String
    @Option(help: "Connections, each with --streams requests under way.")
    var connections = 64
    @Option(help: "Requests at once on each connection; more than one needs --http2.")
    var streams = 1
    @Flag(help: "HTTP/1.1 only, whatever the server offers.")
    var http1 = false
    @Flag(help: "HTTP/2; an error if the server does not speak it.")
    var http2 = false
    @Flag(help: "Ask for gzip and decode it; an error if it does not come. Without: unpacked answers.")
    var gzip = false
    @Option(help: "Hold this many idle connections instead, and print the memory that each takes.")
    var idle: Int?
    @Option(
        help:
            "Like --connections, all opened first; fails if a fetch fails or fewer stand at the end."
    )
    var active: Int?
    @Option(help: "How long to measure.")
    var seconds = 5.0
    @Option(help: "How long to run before measuring.")
    var warmup = 0.5
    @Option(help: "batch: the batch interface. async: one task a request under way, `try await fetch`.")
    var mode = Mode.batch
    @Option(help: "PEM file with the certificate authorities to trust for https.")
    var caFile: String?
    @Option(
        help: "Other clients to run in turn with this one, by name: wrk, h2load, curl, separated by commas.")
    var against: String?
    @Option(help: "How many turns each client has with --against.")
    var rounds = 9
    @Option(help: "The folder of this package that curl_multi.c is in.")
    var peerFolder = "perf/peers"
    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        let ranges: [(String, Int, ClosedRange<Int>)] = [
            ("connections", connections, 1...60_000), ("streams", streams, 1...10_000),
            ("idle", idle ?? 2, 2...60_000), ("active", active ?? 1, 1...60_000),
            ("rounds", rounds, 1...1000),
        ]
        for (name, value, range) in ranges where !range.contains(value) {
            throw ValidationError(
                "--\(name) is \(value); accepted are \(range.lowerBound) to \(range.upperBound).")
        }
        guard seconds > 0, seconds <= 3600 else {
            throw ValidationError("--seconds is \(seconds); accepted are more than 0, up to 3600.")
        }
        guard warmup >= 0, warmup <= 60 else {
            throw ValidationError("--warmup is \(warmup); accepted are 0 to 60.")
        }
        let inFlight = (idle ?? active ?? connections).multipliedReportingOverflow(by: streams)
        guard !inFlight.overflow, inFlight.partialValue <= 60_000 else {
            throw ValidationError("--connections times --streams may be 60000 at most.")
        }
        let conflicts = [
            (http1 && http2, "--http1 and --http2 exclude each other."),
            (streams > 1 && !http2, "--streams above 1 needs --http2."),
            (idle != nil && active != nil, "--idle and --active exclude each other."),
            (idle != nil && streams > 1, "--idle has one request a connection: leave --streams out."),
            (
                against != nil && (idle != nil || active != nil),
                "--against compares requests: leave --idle and --active out."
            ),
        ]
        for (isConflict, text) in conflicts where isConflict { throw ValidationError(text) }
        for peer in try peers() where !peer.speaks(http2: http2) {
            throw ValidationError("\(peer.rawValue) does not speak HTTP/2: leave it out of --against.")
        }
    }

    private func peers() throws -> [Peer] {
        guard let against else { return [] }
        return try against.split(separator: ",", omittingEmptySubsequences: false).map { name in
            guard let peer = Peer(rawValue: String(name)) else {
                let known = Peer.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--against \"\(name)\" is no client that is known; there are \(known).")
            }
            return peer
        }
    }

    private func plan() throws -> FetchPlan {
        do {
            return FetchPlan(
                target: try WebURL(url), connections: idle ?? active ?? connections, streams: streams,
                version: http1 ? .http1 : http2 ? .http2 : nil, gzip: gzip, caFile: caFile)
        } catch {
            throw BenchFailure("--url \(url): \(error)", isWrongUse: true)
        }
    }

    func run() async throws {
        let plan = try plan()
        Self.raiseDescriptorLimit()
        let peers = try peers()
        if !peers.isEmpty {
            let comparison = try Comparison(
                plan: plan, mode: mode.rawValue, seconds: seconds, peers: peers, peerFolder: peerFolder)
            let result = try comparison.run(rounds: rounds)
            print(json ? result.json : result.text)
        } else if idle != nil {
            let result = try await HeldConnections.measure(plan)
            print(json ? result.json : result.text)
            if !result.isWhole { throw ExitCode(1) }
        } else {
            let result = try await measure(plan)
            print(json ? result.json(mode: mode.rawValue, plan: plan) : result.text)
            if result.requests == 0 { throw ExitCode(1) }
            if active != nil, result.errors > 0 || result.connectionsOpen < plan.connections {
                throw ExitCode(1)
            }
        }
    }

    private func measure(_ plan: FetchPlan) async throws -> FetchResult {
        let fetcher = try await plan.open(plan.configuration)
        let loop = fetcher.loops[0]
        // All connections stand before the clock starts.
        let first =
            active == nil
            ? nil : await FetchWave.run(plan.inFlight, of: try loop.prepare(plan.request), on: loop)
        let bench = FetchBench(
            loop: loop, request: plan.request, inFlight: plan.inFlight, warmup: warmup, seconds: seconds)
        var result: FetchResult
        switch mode {
        case .batch: result = try await bench.runBatch()
        case .async: result = await bench.runAsync()
        }
        if let first {
            result.errors += first.failed
            result.firstError = first.firstError ?? result.firstError
        }
        if let statistics = await loop.statistics() {
            result.connectionsOpen = statistics.connections
            result.driver = statistics.driver.rawValue
        }
        await fetcher.shutdown()
        return result
    }

    /// A connection is a descriptor; what is allowed beyond the usual limit is taken.
    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        // A refusal leaves the usual limit, which the first connection beyond it will tell of.
        unsafe setrlimit(resource, &limit)
    }
}
