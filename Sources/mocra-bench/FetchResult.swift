// The figures of one run, for people and for programs.
internal import CAllocationCount

struct FetchResult {
    var requests: Int
    var errors: Int
    var bytes: Int
    var used: (seconds: Double, userUs: Double, systemUs: Double, allocations: UInt64)
    /// p50, p90, p99, p99.9.
    var percentilesUs: [Double]
    var firstError: String?
    /// When the time was over.
    var connectionsOpen = 0
    /// What drove the sockets: io_uring or epoll.
    var driver = ""

    private var divisor: Double { Double(max(requests, 1)) }
    private var perSecond: Double { used.seconds > 0 ? Double(requests) / used.seconds : 0 }
    private var userUs: Double { used.userUs / divisor }
    private var systemUs: Double { used.systemUs / divisor }
    private var allocations: Double? {
        mocra_allocation_count_available() ? Double(used.allocations) / divisor : nil
    }

    var text: String {
        var lines = [
            "requests        \(requests) in \(Self.round(used.seconds, 2)) s,"
                + " \(Self.round(perSecond, 0)) a second",
            "CPU a request   \(Self.round(userUs + systemUs, 2)) µs"
                + " (user \(Self.round(userUs, 2)), system \(Self.round(systemUs, 2)))",
            "latency         p50 \(us(0)), p90 \(us(1)), p99 \(us(2)), p99.9 \(us(3))",
            "received        \(bytes) bytes",
            "allocations     \(allocations.map { "\(Self.round($0, 3)) a request" } ?? "not counted")",
            "connections     \(connectionsOpen) open, by \(driver)",
            "errors          \(errors)",
        ]
        if let firstError { lines.append("first error     \(firstError)") }
        return lines.joined(separator: "\n")
    }

    func json(mode: String, plan: FetchPlan) -> String {
        let fields: [(String, String)] = [
            ("mode", "\"\(mode)\""),
            ("connections", "\(plan.connections)"),
            ("streams", "\(plan.streams)"),
            ("connections_open", "\(connectionsOpen)"),
            ("driver", "\"\(driver)\""),
            ("requests", "\(requests)"),
            ("seconds", Self.round(used.seconds, 4)),
            ("requests_per_second", Self.round(perSecond, 1)),
            ("cpu_user_us_per_request", Self.round(userUs, 4)),
            ("cpu_system_us_per_request", Self.round(systemUs, 4)),
            (
                "latency_us",
                "{\"p50\":\(value(0)),\"p90\":\(value(1)),\"p99\":\(value(2)),\"p99_9\":\(value(3))}"
            ),
            ("bytes", "\(bytes)"),
            ("errors", "\(errors)"),
            ("allocations_per_request", allocations.map { Self.round($0, 4) } ?? "null"),
        ]
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    private func value(_ index: Int) -> String { Self.round(percentilesUs[index], 1) }
    private func us(_ index: Int) -> String { value(index) + " µs" }

    static func round(_ value: Double, _ digits: Int) -> String {
        let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
        let scaled = (value * scale).rounded() / scale
        return digits == 0 ? "\(Int(scaled))" : "\(scaled)"
    }
}
