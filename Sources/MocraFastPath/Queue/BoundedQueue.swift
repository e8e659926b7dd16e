// The queue between two stages: bounded by count, so that a full stage slows the one before it.
// Must not know what travels through it. State and its rules: BoundedQueue+State.swift.

#if !MOCRA_THREAD_SANITIZER
public import Synchronization
#endif

/// Why an element was not taken.
public enum QueueClosed: Error, Sendable, Equatable {
    /// The queue takes nothing any more.
    case closed
    /// The sending task was cancelled while it waited for room.
    case cancelled
}

extension QueueClosed: CustomStringConvertible {
    public var description: String {
        switch self {
        case .closed: "the queue is closed: nothing more can be sent to it"
        case .cancelled: "the wait for room in the queue was cancelled: the element was not sent"
        }
    }
}

/// What a queue has seen since it was made.
public struct QueueStatistics: Sendable, Equatable {
    /// The most elements that ever were in the queue.
    public var depthMax = 0
    /// Elements taken from senders.
    public var sentCount = 0
    /// Elements given to receivers.
    public var receivedCount = 0
    /// Sends that had to wait for room.
    public var sendWaitCount = 0
    /// Receives that had to wait for an element.
    public var receiveWaitCount = 0

    /// All at nought.
    @inlinable
    public init() {}
}

/// A first-in first-out queue of at most `capacity` elements, for many senders and many receivers.
///
/// Shape: a ring of `capacity` slots, allocated once. An element goes straight to a receiver that waits.
///
/// Ownership: an element is at every moment the sender's, the queue's or the receiver's, whatever is
/// cancelled or closed meanwhile. The last reference destroys what was never received.
///
/// Isolation: any thread and any executor; one lock, held for moves of elements only. Waiting tasks are
/// resumed after it is released. Senders that wait are served in the order of their arrival, and so are
/// receivers.
///
/// Complexity: O(1) an element. A call that need not wait makes no continuation and no allocation; one that
/// waits makes one continuation.
public final class BoundedQueue<Element: ~Copyable & Sendable>: Sendable {
    /// How many elements the queue holds at most.
    public let capacity: Int

    @usableFromInline let state: Guarded<State>

    /// An empty, open queue. `capacity` is at least 1.
    @inlinable
    public init(capacity: Int) {
        self.capacity = capacity
        state = Guarded(State(capacity: capacity))
    }

    /// How many elements are in the queue now.
    @inlinable public var count: Int { state.withLock { $0.ring.count } }

    @inlinable public var isClosed: Bool { state.withLock { $0.isClosed } }

    @inlinable public var statistics: QueueStatistics { state.withLock { $0.statistics } }

    // MARK: Sending

    /// Sends the element if there is room; else, or when the queue is closed, hands it back.
    @inlinable
    public func trySend(_ element: consuming Element) -> Element? {
        var slot: Element? = consume element
        let woken = state.withLock { state in
            state.push(&slot)
            return state.settle()
        }
        woken.resumeAll()
        return slot
    }

    /// Sends the element, waiting while the queue is full.
    ///
    /// Errors: `QueueClosed`; the element then was not sent. A caller that cannot copy it uses `offer`.
    @inlinable
    public func send(_ element: consuming Element) async throws(QueueClosed) {
        var slot: Element? = consume element
        switch await deliver(&slot) {
        case .served: return
        case .cancelled: throw .cancelled
        case .closed, .starting, .waiting: throw .closed
        }
    }

    /// As `send`, but hands the element back when the queue closed or the task was cancelled.
    @inlinable
    public func offer(_ element: consuming Element) async -> Element? {
        var slot: Element? = consume element
        _ = await deliver(&slot)
        return slot
    }

    /// Moves the element out of `slot` and into the queue; what could not be sent is in `slot` again.
    @inlinable
    func deliver(_ slot: inout Element?) async -> QueueWaiter<Element>.Phase {
        let woken = state.withLock { state in
            state.push(&slot)
            return state.settle()
        }
        woken.resumeAll()
        guard let element = slot.take() else { return .served }
        let waiter = QueueWaiter(sending: element)
        await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                state.withLock { unsafe $0.wait(sending: waiter, continuation) }.resumeAll()
            }
        } onCancel: {
            state.withLock { $0.cancel(sending: waiter) }.resumeAll()
        }
        return state.withLock { _ in
            slot = waiter.element.take()
            return waiter.phase
        }
    }

    // MARK: Receiving

    /// Takes the oldest element; nil when there is none now.
    @inlinable
    public func tryReceive() -> Element? {
        var element: Element?
        let woken = state.withLock { state in
            element = state.pop()
            return state.settle()
        }
        woken.resumeAll()
        return element
    }

    /// Takes the oldest element, waiting while the queue is empty and open.
    ///
    /// Nil when the queue is closed and drained, or when the task was cancelled while it waited.
    @inlinable
    public func receive() async -> Element? {
        if let element = tryReceive() { return element }
        let waiter = QueueWaiter<Element>(receiving: 1)
        await wait(receiving: waiter)
        return state.withLock { _ in waiter.element.take() }
    }

    /// Moves elements into `ring` until it is full or the queue empty, waiting while there is none at all.
    ///
    /// Gives how many were moved: none only when the queue is closed and drained, when the task was cancelled
    /// while it waited, or when `ring` is full.
    @inlinable
    public func receiveBatch(into ring: inout RingBuffer<Element>) async -> Int {
        let room = ring.capacity - ring.count
        if room == 0 { return 0 }
        let taken = move(into: &ring)
        if taken > 0 { return taken }
        let waiter = QueueWaiter<Element>(receiving: room)
        await wait(receiving: waiter)
        state.withLock { _ in
            waiter.drain { element in
                let refused = ring.pushLast(element)
                precondition(refused == nil, "a batch is never larger than the room it was asked for")
            }
        }
        return room - (ring.capacity - ring.count)
    }

    @inlinable
    func move(into ring: inout RingBuffer<Element>) -> Int {
        let before = ring.count
        let woken = state.withLock { state in
            while !ring.isFull, let element = state.pop() {
                let refused = ring.pushLast(element)
                precondition(refused == nil, "there was room a moment ago")
            }
            return state.settle()
        }
        woken.resumeAll()
        return ring.count - before
    }

    @inlinable
    func wait(receiving waiter: QueueWaiter<Element>) async {
        await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                state.withLock { unsafe $0.wait(receiving: waiter, continuation) }.resumeAll()
            }
        } onCancel: {
            state.withLock { $0.cancel(receiving: waiter) }.resumeAll()
        }
    }

    // MARK: Closing

    /// Takes no more elements: senders fail, receivers get what is left and then nil. Closing twice is fine.
    @inlinable
    public func close() {
        state.withLock { $0.close() }.resumeAll()
    }
}
