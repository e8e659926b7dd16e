// SIGINT and SIGTERM as events. The handlers run on a queue of their own, never in signal context.
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Calls back for each SIGINT or SIGTERM with how many there have been.
final class Signals: Sendable {
    private let sources: Mutex<[any DispatchSourceSignal]>

    init(_ received: @escaping @Sendable (Int) -> Void) {
        let counter = Counter()
        let queue = DispatchQueue(label: "mocra.signals")
        let made = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { received(counter.next()) }
            source.resume()
            return source
        }
        sources = Mutex(made)
    }

    private final class Counter: Sendable {
        private let count = Atomic<Int>(0)

        func next() -> Int {
            count.add(1, ordering: .relaxed).newValue
        }
    }
}
