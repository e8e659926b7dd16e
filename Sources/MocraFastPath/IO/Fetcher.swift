// The client as a service sees it: a number of loops behind one fetch function.

/// Fetches over HTTP/1.1 and HTTP/2, plain or TLS, on one or more loops.
///
/// It owns one thread a loop and nothing else; `shutdown()` ends them. Several fetchers live beside each
/// other in one process.
public final class Fetcher: Sendable {
    /// One a thread, in no order that means anything.
    public let loops: [RingLoop]

    /// Opens the loops.
    /// - Errors: `.config` when a value is out of range, or a file that it names is not readable.
    public init(_ configuration: FetchConfiguration, loops count: Int = 1) throws(FetchError) {
        guard (1...1024).contains(count) else {
            throw .configuration("\(count) loops were asked for, accepted are 1 to 1024")
        }
        var loops: [RingLoop] = []
        for index in 0..<count {
            do {
                loops.append(try RingLoop(index: index, configuration: configuration))
            } catch {
                for loop in loops { loop.requestStop() }
                throw error
            }
        }
        self.loops = loops
    }

    /// Fetches one response, on the loop that the caller runs on, else on the one that the URL's host belongs
    /// to. Redirects are not followed.
    /// - Errors: `FetchError`; `.cancelled` when the task was cancelled, at whatever point.
    public func fetch(_ request: FetchRequest) async throws(FetchError) -> FetchResponse {
        for loop in loops where loop.isCurrent { return try await loop.fetch(request) }
        return try await loop(forHost: request.url.host).fetch(request)
    }

    /// Starts a fetch whose body is read while it arrives; see `RingLoop.stream`.
    /// - Errors: `FetchError`; `.cancelled` when the task was cancelled, at whatever point.
    public func stream(_ request: FetchRequest) async throws(FetchError) -> FetchStream {
        for loop in loops where loop.isCurrent { return try await loop.stream(request) }
        return try await loop(forHost: request.url.host).stream(request)
    }

    /// The loop that serves a host.
    public func loop(forHost host: some StringProtocol) -> RingLoop {
        // FNV-1a: the same host goes to the same loop in every run.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in host.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return loops[Int((hash >> 32) % UInt64(loops.count))]
    }

    /// Cancels what runs, waits until every response, stream and piece was released, and closes every
    /// descriptor and thread.
    /// - Isolation: not from a task that still holds a response of this fetcher, which would wait for itself.
    public func shutdown() async {
        for loop in loops { loop.requestStop() }
        for loop in loops { await loop.shutdown() }
    }
}
