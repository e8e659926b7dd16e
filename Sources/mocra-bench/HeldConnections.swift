// Idle connections held open, and the memory that each of them takes.
internal import Glibc
internal import MocraFastPath

struct HeldConnections {
    /// The memory is that of the connections beyond the first ones, which also touch the receive buffers and
    /// the loop's tables.
    private static let firstConnections = 256

    /// Opens the connections by as many fetches at once, and measures when all were answered.
    /// - Units: bytes of resident memory (statm of proc(5)).
    static func measure(_ plan: FetchPlan) async throws -> HeldResult {
        var configuration = plan.configuration
        configuration.receiveBuffers = 256
        let fetcher = try await plan.open(configuration)
        let loop = fetcher.loops[0]
        let prepared = try loop.prepare(plan.request)
        let first = min(firstConnections, plan.connections / 2)
        var failed = 0
        var firstError: String?
        var resident: [Int] = []
        for count in [first, plan.connections] {
            let wave = await FetchWave.run(count, of: prepared, on: loop)
            failed += wave.failed
            firstError = firstError ?? wave.firstError
            resident.append(try residentBytes())
        }
        let idle = await loop.statistics()?.connectionsIdle ?? 0
        await fetcher.shutdown()
        return HeldResult(
            wanted: plan.connections, held: idle, beyond: plan.connections - first, failed: failed,
            isSecure: plan.target.isSecure, residentBefore: resident[0], residentAfter: resident[1],
            firstError: firstError)
    }

    private static func residentBytes() throws -> Int {
        let file = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        let text = unsafe withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { memory in
            let count = unsafe read(file, memory.baseAddress, memory.count)
            return unsafe String(decoding: memory.prefix(max(count, 0)), as: UTF8.self)
        }
        let words = text.split(separator: " ")
        guard words.count > 1, let pages = Int(words[1]) else {
            throw BenchFailure("/proc/self/statm could not be read: is /proc mounted?")
        }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}

struct HeldResult {
    var wanted: Int
    var held: Int
    /// Connections between the two measurements.
    var beyond: Int
    var failed: Int
    var isSecure: Bool
    var residentBefore: Int
    var residentAfter: Int
    var firstError: String?

    var isWhole: Bool { failed == 0 && held == wanted }

    private var bytesPerConnection: Int { (residentAfter - residentBefore) / max(beyond, 1) }

    var text: String {
        var lines = [
            "connections     \(held) of \(wanted) held idle, \(isSecure ? "TLS" : "plain")",
            "memory          \(bytesPerConnection) bytes each"
                + " (resident \(residentBefore) before the last \(beyond), \(residentAfter) after)",
            "failed          \(failed)",
        ]
        if let firstError { lines.append("first error     \(firstError)") }
        return lines.joined(separator: "\n")
    }

    var json: String {
        let fields: [(String, String)] = [
            ("mode", "\"idle\""), ("connections", "\(wanted)"), ("connections_held", "\(held)"),
            ("secure", "\(isSecure)"), ("failed", "\(failed)"),
            ("resident_bytes_before", "\(residentBefore)"), ("resident_bytes_after", "\(residentAfter)"),
            ("bytes_per_connection", "\(bytesPerConnection)"),
        ]
        return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }
}
