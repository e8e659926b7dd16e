// Threads for pages that are too large to be parsed on a loop.
// Must not know what parsing is.

import Synchronization

/// Parses large pages away from the loops, one page a thread at a time.
final class ParserPool: Sendable {
    /// A page with a longer body is parsed here: at some 5 ns a byte it would hold up a loop for over a
    /// millisecond, beside which the two hops (43 µs each on a sleeping thread) are little.
    static let bodyBytesMin = 256 << 10

    private let threads: [ParserThread]
    private let turn = Atomic<Int>(0)

    init(threads count: Int) {
        precondition(count > 0)
        threads = (0..<count).map { ParserThread(name: "mocra-parse-\($0)") }
    }

    /// Runs `body` with the response on one of the threads. Ownership: the response ends there.
    func run(
        _ response: consuming Response,
        _ body: @Sendable (borrowing Response) async throws -> NodeOutput
    ) async throws -> NodeOutput {
        let index = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return try await threads[Int(UInt(bitPattern: index) % UInt(threads.count))].run(response, body)
    }

    /// Ends the threads. Nothing may be running.
    func stop() {
        for thread in threads { thread.stop() }
    }
}

/// One thread of the pool, with an extractor of its own.
private actor ParserThread {
    private nonisolated let thread: NamedThread
    private let extractors = ExtractorPool()

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    init(name: String) {
        thread = NamedThread(name: name)
    }

    func run(
        _ response: consuming Response,
        _ body: @Sendable (borrowing Response) async throws -> NodeOutput
    ) async throws -> NodeOutput {
        var response = response
        response.extractors = extractors
        return try await body(response)
    }

    nonisolated func stop() { thread.stop() }
}
