// mocra-bench and its peers in turn, on one URL, each as a process of its own: ratios of CPU time a request.
internal import Glibc
internal import MocraFastPath

struct Comparison {
    private let plan: FetchPlan
    private let seconds: Int
    private let own: [String]
    private let peers: [(peer: Peer, program: String)]
    private let compiled: CompiledPeer?

    /// Looks for all programs before any of them runs.
    init(plan: FetchPlan, mode: String, seconds: Double, peers: [Peer], peerFolder: String) throws {
        self.plan = plan
        // wrk and h2load know whole seconds only.
        self.seconds = max(1, Int(seconds.rounded()))
        own = Self.ownCommand(plan, mode: mode, seconds: self.seconds)
        var compiled: CompiledPeer?
        var found: [(Peer, String)] = []
        for peer in peers {
            if peer == .curl {
                let curl = try CompiledPeer(peerFolder)
                compiled = curl
                found.append((peer, curl.program))
            } else if let program = ChildProcess.find(peer.rawValue) {
                found.append((peer, program))
            } else {
                throw BenchFailure("\(peer.rawValue) is missing: install Debian's package \(peer.package)")
            }
        }
        self.peers = found
        self.compiled = compiled
    }

    private static func ownCommand(_ plan: FetchPlan, mode: String, seconds: Int) -> [String] {
        // Without a warm-up every request that the process's time pays for is counted, as for the others.
        var own = [
            "/proc/self/exe", "fetch", "--url", plan.target.description, "--connections",
            "\(plan.connections)", "--streams", "\(plan.streams)", "--warmup", "0", "--seconds", "\(seconds)",
            "--mode", mode, "--json",
        ]
        if let version = plan.version { own.append("--\(version.rawValue)") }
        if plan.gzip { own.append("--gzip") }
        if let caFile = plan.caFile { own += ["--ca-file", caFile] }
        return own
    }

    func run(rounds: Int) throws -> ComparisonResult {
        var result = ComparisonResult(plan: plan, rounds: rounds, peers: peers.map { ($0.peer, []) })
        for _ in 0..<rounds {
            result.mocra.append(try ownTurn())
            for index in peers.indices { result.peers[index].turns.append(try turn(peers[index])) }
        }
        return result
    }

    private func ownTurn() throws -> PeerTurn {
        let run = try ChildProcess.run(own)
        guard run.code == 0, let requests = run.output.number(after: "\"requests\":"), requests > 0,
            let errors = run.output.number(after: "\"errors\":"), errors == 0
        else { throw Self.failure("mocra-bench", run) }
        return PeerTurn(requests: Int(requests), errors: 0, seconds: Double(seconds), cpuUs: run.cpuUs)
    }

    private func turn(_ client: (peer: Peer, program: String)) throws -> PeerTurn {
        let command = client.peer.command(client.program, plan, seconds: seconds)
        let run = try ChildProcess.run(command)
        guard run.code == 0, let turn = client.peer.read(run, seconds: seconds), turn.requests > 0,
            turn.errors == 0
        else { throw Self.failure(command.joined(separator: " "), run) }
        return turn
    }

    private static func failure(_ command: String, _ run: ChildProcess) -> BenchFailure {
        BenchFailure(
            "\(command) ended with \(run.code), or had failed requests, which is no comparison: \(run.output)"
        )
    }
}

/// perf/peers/curl_multi.c, compiled into a folder that goes away with this value.
private final class CompiledPeer {
    let program: String
    private let folder: String

    init(_ sources: String) throws {
        let source = "\(sources)/curl_multi.c"
        guard unsafe access(source, R_OK) == 0 else {
            throw BenchFailure("there is no \(source): run from the package's folder, or give --peer-folder")
        }
        guard let compiler = ChildProcess.find("cc") else {
            throw BenchFailure("cc is missing, which compiles \(source): install Debian's package gcc")
        }
        var name = Array("\(Self.temporary)/mocra-peer-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&name) != nil else {
            throw BenchFailure(
                "a folder in \(Self.temporary) could not be made: \(ChildProcess.errorText(errno))")
        }
        folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        program = "\(folder)/curl_multi"
        let run = try ChildProcess.run([compiler, "-std=gnu17", "-O2", source, "-lcurl", "-o", program])
        guard run.code == 0 else {
            let isMissing = run.output.contains("curl/curl.h") || run.output.contains("-lcurl")
            throw BenchFailure(
                isMissing
                    ? "libcurl is missing: install Debian's package \(Peer.curl.package)"
                    : "\(source) could not be compiled: \(run.output)")
        }
    }

    private static var temporary: String {
        unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? "/tmp"
    }

    deinit {
        unsafe unlink(program)
        unsafe rmdir(folder)
    }
}

struct ComparisonResult {
    let plan: FetchPlan
    let rounds: Int
    var mocra: [PeerTurn] = []
    var peers: [(peer: Peer, turns: [PeerTurn])]

    init(plan: FetchPlan, rounds: Int, peers: [(Peer, [PeerTurn])]) {
        self.plan = plan
        self.rounds = rounds
        self.peers = peers.map { (peer: $0.0, turns: $0.1) }
    }

    /// mocra's CPU time a request divided by the peer's in the same round: median, lowest, highest.
    private func ratios(_ turns: [PeerTurn]) -> (median: Double, low: Double, high: Double) {
        let all = zip(mocra, turns).map { $0.cpuUsPerRequest / $1.cpuUsPerRequest }.sorted()
        return (Self.median(all), all.first ?? 0, all.last ?? 0)
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        if sorted.isEmpty { return 0 }
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    private static func cpu(_ turns: [PeerTurn]) -> String {
        FetchResult.round(median(turns.map(\.cpuUsPerRequest)), 2)
    }

    private static func rate(_ turns: [PeerTurn]) -> String {
        FetchResult.round(median(turns.map(\.requestsPerSecond)), 0)
    }

    var text: String {
        var lines = ["mocra           \(Self.cpu(mocra)) µs CPU a request, \(Self.rate(mocra)) a second"]
        for (peer, turns) in peers {
            let ratio = ratios(turns)
            let name = peer.rawValue + String(repeating: " ", count: 16 - peer.rawValue.count)
            lines.append(
                "\(name)\(Self.cpu(turns)) µs CPU a request, \(Self.rate(turns)) a second; mocra takes"
                    + " \(FetchResult.round(ratio.median, 3)) of it"
                    + " (\(FetchResult.round(ratio.low, 3)) to \(FetchResult.round(ratio.high, 3)))")
        }
        lines.append("\(rounds) rounds in turn; median, and the lowest and highest ratio of a round")
        return lines.joined(separator: "\n")
    }

    var json: String {
        let rows = peers.map { peer, turns in
            let ratio = ratios(turns)
            return "{\"name\":\"\(peer.rawValue)\",\"cpu_us_per_request\":\(Self.cpu(turns))"
                + ",\"requests_per_second\":\(Self.rate(turns))"
                + ",\"ratio\":\(FetchResult.round(ratio.median, 4))"
                + ",\"ratio_low\":\(FetchResult.round(ratio.low, 4))"
                + ",\"ratio_high\":\(FetchResult.round(ratio.high, 4))}"
        }
        return "{\"connections\":\(plan.connections),\"streams\":\(plan.streams),\"rounds\":\(rounds)"
            + ",\"cpu_us_per_request\":\(Self.cpu(mocra)),\"requests_per_second\":\(Self.rate(mocra))"
            + ",\"peers\":[" + rows.joined(separator: ",") + "]}"
    }
}
