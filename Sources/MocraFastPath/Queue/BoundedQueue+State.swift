// What a bounded queue's lock guards: the ring, who waits, and the rules that keep the two in step.
// Must not resume anybody: each event gives the waiters whose wait it ended, to be resumed unlocked.

extension BoundedQueue where Element: ~Copyable {
    /// Invariants between two events, restored by `settle`:
    /// - senders wait only while the ring is full and the queue open;
    /// - receivers wait only while the ring is empty and the queue open.
    ///
    /// Hence nobody sleeps over work that is there, and nobody overtakes one who waits.
    @usableFromInline
    struct State: ~Copyable, Sendable {
        @usableFromInline var ring: RingBuffer<Element>
        @usableFromInline var isClosed = false
        @usableFromInline var statistics = QueueStatistics()
        @usableFromInline var senders = QueueWaiterList<Element>()
        @usableFromInline var receivers = QueueWaiterList<Element>()

        @inlinable
        init(capacity: Int) {
            ring = RingBuffer(capacity: capacity)
        }

        // MARK: Moves

        /// Takes the element out of `slot` if the queue is open and has room. `settle` is due afterwards.
        @inlinable
        mutating func push(_ slot: inout Element?) {
            if isClosed || ring.isFull { return }
            guard let element = slot.take() else { return }
            append(element)
        }

        /// Takes the oldest element for a receiver that asks. `settle` is due afterwards.
        @inlinable
        mutating func pop() -> Element? {
            guard let element = ring.popFirst() else { return nil }
            statistics.receivedCount += 1
            return element
        }

        // MARK: Events

        /// A sender found no room and waits from now on, unless something changed since it looked.
        @inlinable
        mutating func wait(
            sending waiter: QueueWaiter<Element>, _ continuation: UnsafeContinuation<Void, Never>
        ) -> QueueWaiterList<Element> {
            unsafe waiter.prepare(continuation)
            if waiter.phase == .cancelled { return QueueWaiterList(waiter) }
            waiter.phase = .waiting
            statistics.sendWaitCount += 1
            senders.append(waiter)
            return settle()
        }

        /// A receiver found nothing and waits from now on, unless something changed since it looked.
        @inlinable
        mutating func wait(
            receiving waiter: QueueWaiter<Element>, _ continuation: UnsafeContinuation<Void, Never>
        ) -> QueueWaiterList<Element> {
            unsafe waiter.prepare(continuation)
            if waiter.phase == .cancelled { return QueueWaiterList(waiter) }
            waiter.phase = .waiting
            statistics.receiveWaitCount += 1
            receivers.append(waiter)
            return settle()
        }

        /// A waiting sender's task was cancelled. Before the wait began that is noted, after its end ignored.
        @inlinable
        mutating func cancel(sending waiter: QueueWaiter<Element>) -> QueueWaiterList<Element> {
            switch waiter.phase {
            case .starting:
                waiter.phase = .cancelled
                return QueueWaiterList()
            case .waiting:
                senders.remove(waiter)
                waiter.phase = .cancelled
                return QueueWaiterList(waiter)
            case .served, .closed, .cancelled:
                return QueueWaiterList()
            }
        }

        /// A waiting receiver's task was cancelled. What it was given already it keeps.
        @inlinable
        mutating func cancel(receiving waiter: QueueWaiter<Element>) -> QueueWaiterList<Element> {
            switch waiter.phase {
            case .starting:
                waiter.phase = .cancelled
                return QueueWaiterList()
            case .waiting:
                receivers.remove(waiter)
                waiter.phase = .cancelled
                return QueueWaiterList(waiter)
            case .served, .closed, .cancelled:
                return QueueWaiterList()
            }
        }

        @inlinable
        mutating func close() -> QueueWaiterList<Element> {
            isClosed = true
            return settle()
        }

        /// Restores the invariants after any event, and gives those whose wait that ended.
        @inlinable
        mutating func settle() -> QueueWaiterList<Element> {
            var woken = QueueWaiterList<Element>()
            while true {
                if !ring.isEmpty, let waiter = receivers.popFirst() {
                    serve(waiter)
                    end(waiter, .served, &woken)
                } else if !ring.isFull, !isClosed, let waiter = senders.popFirst() {
                    if let element = waiter.element.take() { append(element) }
                    end(waiter, .served, &woken)
                } else if isClosed, let waiter = senders.popFirst() ?? receivers.popFirst() {
                    end(waiter, .closed, &woken)
                } else {
                    return woken
                }
            }
        }

        // MARK: Helpers

        @inlinable
        mutating func append(_ element: consuming Element) {
            let refused = ring.pushLast(element)
            precondition(refused == nil, "an element is appended only where there is room")
            statistics.sentCount += 1
            statistics.depthMax = max(statistics.depthMax, ring.count)
        }

        /// Gives a waiting receiver all that it asked for, as far as it is there: one wake-up a batch.
        @inlinable
        mutating func serve(_ waiter: QueueWaiter<Element>) {
            guard waiter.countMax > 1 else {
                waiter.element = pop()
                return
            }
            var batch = RingBuffer<Element>(capacity: min(waiter.countMax, ring.count))
            while !batch.isFull, let element = pop() {
                let refused = batch.pushLast(element)
                precondition(refused == nil, "a ring that is not full takes an element")
            }
            waiter.batch = consume batch
        }

        @inlinable
        func end(
            _ waiter: QueueWaiter<Element>, _ phase: QueueWaiter<Element>.Phase,
            _ woken: inout QueueWaiterList<Element>
        ) {
            waiter.phase = phase
            woken.append(waiter)
        }
    }
}
