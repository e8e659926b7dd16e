// What the tests of the fetcher share: a fetcher that is shut down, responses as plain values, a kernel
// check. It must not know what is tested.
import MocraFastPath
import TestSupport
import Testing

/// Whether this kernel lets us use io_uring. A container's seccomp profile, or the administrator, may forbid
/// it.
enum RingSupport {
    static let reason = "io_uring is switched off here: kernel.io_uring_disabled, or a seccomp profile"

    static let isAvailable: Bool = {
        do throws(FetchError) {
            let fetcher = try Fetcher(FetchConfiguration())
            Task { await fetcher.shutdown() }
            return true
        } catch {
            return error.code != "RING_UNAVAILABLE"
        }
    }()
}

extension Trait where Self == ConditionTrait {
    /// Skips, with the reason, where there is no io_uring.
    static var needsRing: Self { .enabled(if: RingSupport.isAvailable, "\(RingSupport.reason)") }
}

/// A response whose buffers were given back.
struct Fetched: Sendable {
    var status: Int
    var fields: [HTTPField] = []
    var body: [UInt8]
    var isTruncated: Bool
    var wireBytes: Int
    var bodyBytes: Int
    var timing: FetchTiming
    var isHTTP2: Bool
    var tls: FetchTLS?

    var text: String { String(decoding: body, as: UTF8.self) }

    init(_ response: borrowing FetchResponse) {
        status = response.status
        isTruncated = response.isTruncated
        wireBytes = response.wireBytes
        bodyBytes = response.bodyBytes
        timing = response.timing
        isHTTP2 = response.isHTTP2
        tls = response.tls
        body = response.withBody { span in unsafe span.withUnsafeBytes { unsafe Array($0) } }
        var fields: [HTTPField] = []
        response.forEachHeader { fields.append(HTTPField($0, $1)) }
        self.fields = fields
    }
}

extension Fetcher {
    /// Fetches a URL and gives the buffers back.
    func get(
        _ url: String, method: String = "GET", headers: [HTTPField] = [], body: [UInt8] = [],
        timeoutMs: Int? = nil
    ) async throws -> Fetched {
        var request = FetchRequest(try WebURL(url), method: method, headers: headers, body: body)
        request.timeoutMs = timeoutMs
        let response = try await fetch(request)
        return Fetched(response)
    }

    /// The error that a fetch ends with; a response is an issue.
    func failure(
        _ url: String, method: String = "GET", timeoutMs: Int? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> FetchError? {
        do {
            let fetched = try await get(url, method: method, timeoutMs: timeoutMs)
            Issue.record(
                "\(url) gave \(fetched.status) and \(fetched.body.count) bytes",
                sourceLocation: sourceLocation)
            return nil
        } catch let error as FetchError {
            return error
        }
    }
}

/// Runs `body` with a fetcher that may reach loopback, and shuts it down.
func withFetcher(
    loops: Int = 1, _ change: (inout FetchConfiguration) -> Void = { _ in },
    _ body: (Fetcher) async throws -> Void
) async throws {
    var configuration = FetchConfiguration()
    configuration.addressPolicy = .any
    // A test that is wrong should end before its time limit does.
    configuration.timeoutMs = 20_000
    change(&configuration)
    let fetcher = try Fetcher(configuration, loops: loops)
    do {
        try await body(fetcher)
    } catch {
        await fetcher.shutdown()
        throw error
    }
    await fetcher.shutdown()
}

/// Milliseconds that an operation took.
func elapsedMs(_ operation: () async throws -> Void) async rethrows -> Int {
    let start = monotonicNanoseconds()
    try await operation()
    return Int((monotonicNanoseconds() - start) / 1_000_000)
}
