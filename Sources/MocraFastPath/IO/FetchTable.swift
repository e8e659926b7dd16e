// Who waits for which fetch: a slot a fetch, with a generation, so that a late cancellation hits nobody else.
internal import Synchronization

typealias FetchContinuation = UnsafeContinuation<Void, Never>

/// What a fetch's task and the loop share, from the call to its return.
///
/// Guard of `@unchecked Sendable`: `state` is atomic; `outcome` is written by the loop before it stores
/// `finished` (releasing), and read by the task after it loaded that (acquiring).
final class FetchTicket: @unchecked Sendable {
    /// How the fetch ended.
    enum Outcome {
        /// The slot to lease, its status, and the address of the response, which the slot keeps in place.
        case response(token: UInt64, status: Int, address: UInt)
        case failed(FetchError)
    }

    // Above every tag: the top bit of a tag is never set.
    private static let notBegun = UInt64.max
    private static let cancelledEarly = UInt64.max - 1
    private static let finished = UInt64.max - 2

    /// The tag while the fetch runs.
    private let state = Atomic<UInt64>(notBegun)
    private var outcome: Outcome?
    private let queue: LoopQueue
    /// Called on the loop's thread when the request has left.
    let requested: (@Sendable () -> Void)?

    init(queue: LoopQueue, requested: (@Sendable () -> Void)?) {
        self.queue = queue
        self.requested = requested
    }

    /// The loop takes the fetch on. False when it was cancelled before.
    func begin(tag: UInt64) -> Bool {
        state.compareExchange(expected: Self.notBegun, desired: tag, ordering: .acquiringAndReleasing)
            .exchanged
    }

    /// Any thread, at any time.
    func cancel() {
        let (exchanged, current) = state.compareExchange(
            expected: Self.notBegun, desired: Self.cancelledEarly, ordering: .acquiringAndReleasing)
        if !exchanged && current < Self.finished { queue.mail(.cancel(current)) }
    }

    /// The loop is done with the fetch. Before its task is resumed.
    func finish(_ outcome: Outcome) {
        self.outcome = outcome
        state.store(Self.finished, ordering: .releasing)
    }

    /// After the task was resumed.
    func takeOutcome() -> Outcome {
        precondition(state.load(ordering: .acquiring) == Self.finished, "a fetch was resumed before it ended")
        guard let outcome else { preconditionFailure("a fetch ended without an outcome") }
        return outcome
    }
}

/// Used on the loop's thread only.
struct FetchTable {
    @safe private struct Slot {
        var generation: UInt32 = 0
        var token: UInt64?
        var continuation: FetchContinuation?
        var ticket: FetchTicket?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    /// Takes a slot. The tag travels through the loop and comes back with the completion. Its top bit is
    /// never set.
    mutating func insert(_ continuation: FetchContinuation, _ ticket: FetchTicket) -> UInt64 {
        if free.isEmpty {
            free.append(UInt32(slots.count))
            slots.append(Slot())
        }
        let index = Int(free.removeLast())
        unsafe slots[index].continuation = continuation
        slots[index].ticket = ticket
        return UInt64(slots[index].generation) << 32 | UInt64(index)
    }

    mutating func started(_ tag: UInt64, token: UInt64) {
        slots[Int(UInt32(truncatingIfNeeded: tag))].token = token
    }

    /// The running fetch with this tag, if it has not finished.
    func token(_ tag: UInt64) -> UInt64? {
        let index = Int(UInt32(truncatingIfNeeded: tag))
        guard index < slots.count, slots[index].generation == UInt32(tag >> 32) else { return nil }
        return slots[index].token
    }

    /// The ticket of the running fetch with this tag.
    func ticket(_ tag: UInt64) -> FetchTicket? {
        let index = Int(UInt32(truncatingIfNeeded: tag))
        guard index < slots.count, slots[index].generation == UInt32(tag >> 32) else { return nil }
        return slots[index].ticket
    }

    /// Who waits for the tag; the slot is free afterwards.
    mutating func remove(_ tag: UInt64) -> (FetchContinuation, FetchTicket)? {
        let index = Int(UInt32(truncatingIfNeeded: tag))
        guard slots[index].generation == UInt32(tag >> 32) else { return nil }
        guard let continuation = unsafe slots[index].continuation.take(),
            let ticket = slots[index].ticket.take()
        else { return nil }
        slots[index].token = nil
        slots[index].generation = (slots[index].generation &+ 1) & 0x3fff_ffff
        free.append(UInt32(index))
        return unsafe (continuation, ticket)
    }
}
