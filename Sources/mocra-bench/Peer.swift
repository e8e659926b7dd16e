// The clients that mocra is compared with: how each is started and what it prints.
import ArgumentParser
internal import MocraFastPath

/// One turn of one client.
struct PeerTurn {
    var requests: Int
    var errors: Int
    var seconds: Double
    /// Of the whole process, from its start.
    var cpuUs: Double

    var cpuUsPerRequest: Double { cpuUs / Double(max(requests, 1)) }
    var requestsPerSecond: Double { seconds > 0 ? Double(requests) / seconds : 0 }
}

enum Peer: String, CaseIterable {
    case wrk, h2load, curl

    /// Debian's package that brings it, or what it is compiled with.
    var package: String {
        switch self {
        case .wrk: "wrk"
        case .h2load: "nghttp2-client"
        case .curl: "libcurl4-openssl-dev"
        }
    }

    func speaks(http2: Bool) -> Bool { self != .wrk || !http2 }

    /// The program and its arguments. None of them verifies certificates, and of them only curl decodes.
    func command(_ program: String, _ plan: FetchPlan, seconds: Int) -> [String] {
        let url = plan.target.description
        let encoding = plan.gzip ? "gzip" : "identity"
        switch self {
        case .wrk:
            return [
                program, "-t1", "-c\(plan.connections)", "-d\(seconds)s", "-H",
                "Accept-Encoding: \(encoding)", url,
            ]
        case .h2load:
            return [program, "-t1", "-c\(plan.connections)", "-m\(plan.streams)", "-D\(seconds)"]
                + (plan.version == .http2 ? [] : ["--h1"]) + ["-H", "accept-encoding: \(encoding)", url]
        case .curl:
            return [program, url, "\(plan.connections)", "\(seconds)", encoding]
                + (plan.version == .http2 ? ["http2", "\(plan.streams)"] : [])
        }
    }

    /// What a run printed; nil when it is not what is known.
    func read(_ run: ChildProcess, seconds: Int) -> PeerTurn? {
        let text = run.output
        switch self {
        case .wrk:
            guard let requests = text.number(before: " requests in ") else { return nil }
            var errors = text.number(after: "Non-2xx or 3xx responses: ") ?? 0
            for kind in ["Socket errors: connect ", ", read ", ", write ", ", timeout "] {
                errors += text.number(after: kind) ?? 0
            }
            return PeerTurn(
                requests: Int(requests), errors: Int(errors), seconds: Double(seconds), cpuUs: run.cpuUs)
        case .h2load:
            guard let requests = text.number(before: " succeeded"),
                let failed = text.number(before: " failed")
            else { return nil }
            return PeerTurn(
                requests: Int(requests), errors: Int(failed), seconds: Double(seconds), cpuUs: run.cpuUs)
        case .curl:
            guard let requests = text.number(after: "\"requests\": "),
                let errors = text.number(after: "\"errors\": ")
            else { return nil }
            return PeerTurn(
                requests: Int(requests), errors: Int(errors), seconds: Double(seconds), cpuUs: run.cpuUs)
        }
    }
}

extension String {
    /// The number that stands right behind the first `mark`.
    func number(after mark: String) -> Double? {
        guard let range = firstRange(of: mark) else { return nil }
        return Double(self[range.upperBound...].prefix { $0.isNumber || $0 == "." })
    }

    /// The number that stands right before the first `mark`.
    func number(before mark: String) -> Double? {
        guard let range = firstRange(of: mark) else { return nil }
        let digits = self[..<range.lowerBound].reversed().prefix { $0.isNumber || $0 == "." }
        return Double(String(digits.reversed()))
    }
}
