// Items as JSON Lines: a queue that loops fill, and the one thread that writes it to the file or pipe.
// Must not know the file's system calls: JSONLinesFile has them.

import MocraFastPath
import Synchronization

/// Writes each item as one line of JSON.
///
/// Shape: loops put batches into a bounded queue; a thread takes them out, in order, and writes. A disk or a
/// reader that is slow fills the queue, and then the loops' workers wait.
public final class JSONLinesSink: Sink {
    /// The path as given; `-` is standard output.
    public let path: String
    private let queue: BoundedQueue<ItemBatch>
    private let writer: Writer
    private let writing: Task<Void, Never>

    /// Opens the output. A file is created if it is missing; unless `appending`, the first item replaces what
    /// it held.
    ///
    /// - Parameter capacity: Batches in the queue; one batch has the items of one page.
    ///
    /// Errors: `SinkError.cannotOpen`.
    public init(path: String, appending: Bool = false, capacity: Int = 1_024) throws(SinkError) {
        let file = try JSONLinesFile(path: path, appending: appending)
        let queue = BoundedQueue<ItemBatch>(capacity: capacity)
        let writer = Writer(file)
        self.path = path
        self.queue = queue
        self.writer = writer
        writing = Task.detached { await writer.run(queue) }
    }

    /// Standard output.
    ///
    /// Errors: `SinkError.cannotOpen` when it is closed.
    public static func standardOutput(capacity: Int = 1_024) throws(SinkError) -> JSONLinesSink {
        try JSONLinesSink(path: "-", capacity: capacity)
    }

    public func write(_ items: ItemBatch) async throws(SinkError) {
        guard !items.isEmpty else { return }
        do {
            try await queue.send(items)
        } catch {
            // Closed by a failed write, by `close`, or because the run was cancelled while it waited for
            // room.
            throw writer.failure ?? .closed(path: path)
        }
    }

    public func close() async throws(SinkError) {
        queue.close()
        await writing.value
        if let failure = writer.failure { throw failure }
    }
}

/// The thread's side.
private actor Writer {
    private nonisolated let thread: NamedThread
    private nonisolated let failed = Mutex<SinkError?>(nil)
    private let file: JSONLinesFile

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }
    nonisolated var failure: SinkError? { failed.withLock { $0 } }

    init(_ file: JSONLinesFile) {
        self.file = file
        thread = NamedThread(name: "mocra-sink")
    }

    /// Writes what the queue gives until it is closed and empty, or until a write fails.
    func run(_ queue: BoundedQueue<ItemBatch>) async {
        defer { thread.stop() }
        do throws(SinkError) {
            while true {
                let batches = await queue.receiveBatch(max: 64)
                if batches.isEmpty { break }
                for batch in batches { try file.write(batch.lines) }
                // Whoever watches the output sees an item as soon as nothing else is to be written.
                if queue.count == 0 { try file.flush() }
            }
            try file.close()
        } catch {
            failed.withLock { $0 = error }
            // Senders that wait, and all later ones, learn of it from the closed queue.
            queue.close()
            do {
                try file.close()
            } catch {
                // The first failure is the one to report; closing only gives the descriptor back.
            }
        }
    }
}
