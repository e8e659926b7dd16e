// A task that waits at a bounded queue, and the list that keeps such tasks in order.
// Knows nothing of when a wait begins or ends: BoundedQueue decides that under its lock.

/// One wait of one sender or receiver.
///
/// Unchecked: the queue's lock guards every field, but for `continuation` and the links of a waiter that
/// `QueueWaiterList.resumeAll` is about to resume: between lock and resumption nobody else reaches those.
@safe
@usableFromInline
final class QueueWaiter<Element: ~Copyable & Sendable>: @unchecked Sendable {
    @usableFromInline
    enum Phase {
        /// Not in a list yet.
        case starting
        case waiting
        /// A sender's element was taken, or a receiver was given what it waited for.
        case served
        case closed
        case cancelled
    }

    @usableFromInline var phase = Phase.starting
    /// What a sender brings or a receiver of one element gets.
    @usableFromInline var element: Element?
    /// What a receiver of several gets.
    @usableFromInline var batch: RingBuffer<Element>?
    /// How many elements a receiver takes at most.
    @usableFromInline let countMax: Int

    @usableFromInline var continuation: UnsafeContinuation<Void, Never>?
    @usableFromInline var next: QueueWaiter?
    @usableFromInline unowned var previous: QueueWaiter?

    @inlinable
    init(sending element: consuming Element) {
        self.element = consume element
        countMax = 0
    }

    @inlinable
    init(receiving countMax: Int) {
        element = nil
        self.countMax = countMax
    }

    /// Gives away what the receiver got, in order.
    @inlinable
    func drain(_ body: (consuming Element) -> Void) {
        if let element = element.take() { body(element) }
        guard var batch = batch.take() else { return }
        while let element = batch.popFirst() { body(element) }
    }

    /// Keeps the continuation that ends the wait; it is resumed exactly once, by `QueueWaiterList.resumeAll`.
    @inlinable
    func prepare(_ continuation: UnsafeContinuation<Void, Never>) {
        unsafe self.continuation = unsafe continuation
    }
}

/// Waiters in the order of their arrival, linked through themselves: no allocation, and removal in O(1).
@usableFromInline
struct QueueWaiterList<Element: ~Copyable & Sendable>: ~Copyable, Sendable {
    @usableFromInline var head: QueueWaiter<Element>?
    @usableFromInline var tail: QueueWaiter<Element>?

    @inlinable
    init() {}

    @inlinable
    init(_ waiter: QueueWaiter<Element>) {
        append(waiter)
    }

    @inlinable
    mutating func append(_ waiter: QueueWaiter<Element>) {
        waiter.previous = tail
        if let tail { tail.next = waiter } else { head = waiter }
        tail = waiter
    }

    @inlinable
    mutating func remove(_ waiter: QueueWaiter<Element>) {
        let next = waiter.next
        let previous = waiter.previous
        if let previous { previous.next = next } else { head = next }
        if let next { next.previous = previous } else { tail = previous }
        waiter.next = nil
        waiter.previous = nil
    }

    @inlinable
    mutating func popFirst() -> QueueWaiter<Element>? {
        guard let waiter = head else { return nil }
        remove(waiter)
        return waiter
    }

    /// Resumes every waiter of the list, in order. Called without the lock.
    @inlinable
    consuming func resumeAll() {
        while let waiter = popFirst() {
            guard let continuation = unsafe waiter.continuation else { continue }
            unsafe waiter.continuation = nil
            unsafe continuation.resume()
        }
    }
}
