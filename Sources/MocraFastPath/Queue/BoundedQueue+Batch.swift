// Batches of copyable elements through a bounded queue: one lock and at most one wake-up a receiver for many.
// Only conveniences: everything that decides is in BoundedQueue+State.swift.

#if !MOCRA_THREAD_SANITIZER
public import Synchronization
#endif

extension BoundedQueue {
    /// Takes up to `max` elements, waiting while the queue is empty and open.
    ///
    /// Empty only when the queue is closed and drained, when the task was cancelled while it waited, or when
    /// `max` is below 1.
    @inlinable
    public func receiveBatch(max: Int) async -> [Element] {
        guard max > 0 else { return [] }
        let batch = tryReceiveBatch(max: max)
        if !batch.isEmpty { return batch }
        let waiter = QueueWaiter<Element>(receiving: max)
        await wait(receiving: waiter)
        var elements: [Element] = []
        state.withLock { _ in waiter.drain { elements.append($0) } }
        return elements
    }

    /// Takes up to `max` elements; none when there are none now.
    @inlinable
    public func tryReceiveBatch(max: Int) -> [Element] {
        var elements: [Element] = []
        let woken = state.withLock { state in
            elements.reserveCapacity(min(max, state.ring.count))
            while elements.count < max, let element = state.pop() { elements.append(element) }
            return state.settle()
        }
        woken.resumeAll()
        return elements
    }

    /// Sends as many of the first elements as there is room for, and gives how many that were.
    ///
    /// None when the queue is closed. A receiver that waits for a batch is woken once, with all of it.
    @inlinable
    public func trySend(contentsOf elements: some Collection<Element>) -> Int {
        var sent = 0
        var index = elements.startIndex
        let woken = state.withLock { state in
            while index != elements.endIndex {
                var slot: Element? = elements[index]
                state.push(&slot)
                if slot != nil { break }
                elements.formIndex(after: &index)
                sent += 1
            }
            return state.settle()
        }
        woken.resumeAll()
        return sent
    }

    /// Sends the elements in order, waiting for room as often as it takes; other senders may come in between.
    ///
    /// Errors: `QueueClosed`; `elements` then holds those that were not sent, as it is empty on success.
    @inlinable
    public func send(contentsOf elements: inout [Element]) async throws(QueueClosed) {
        var sent = 0
        defer { elements.removeFirst(sent) }
        while true {
            sent += trySend(contentsOf: elements[sent...])
            if sent == elements.count { return }
            try await send(elements[sent])
            sent += 1
        }
    }
}
