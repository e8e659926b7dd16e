// What the lanes of a run share: how much is outstanding, and how the run ends.
// Must not know of hosts or pages; a lane tells it numbers.

import Synchronization

/// The few numbers that all lanes of a run touch, and the gate that its end opens.
///
/// A run ends by itself when nothing is outstanding: every URL, and every generation of requests, counts as
/// one from before it is put anywhere until it is dealt with. A stopped run ends when every lane has stopped
/// starting things and nothing is active: running work, or messages between lanes.
final class RunCoordinator: Sendable {
    /// What opened the gate.
    enum End: Sendable {
        case completed
        case drained
        case cancelled
        case failed(EngineError)
    }

    /// Why lanes were told to stop.
    enum StopCause: Sendable, Equatable {
        case asked
        case maxTime
    }

    private struct Gate {
        var end: End?
        var waiter: CheckedContinuation<End, Never>?
        var stopCause: StopCause?
        var startOrigins: [Set<String>]
    }

    private let laneCount: Int
    private let outstanding = Atomic<Int>(0)
    private let active = Atomic<Int>(0)
    private let lanesStopped = Atomic<Int>(0)
    /// Pages that may still be begun.
    private let pagesLeft: Atomic<Int>
    private let gate: Mutex<Gate>

    init(laneCount: Int, moduleCount: Int, pagesMax: Int?) {
        self.laneCount = laneCount
        pagesLeft = Atomic(pagesMax ?? .max)
        gate = Mutex(Gate(startOrigins: Array(repeating: [], count: moduleCount)))
    }

    // MARK: Outstanding work

    /// So many URLs or generations more. Before anyone else can deal with them.
    func addOutstanding(_ count: Int) {
        outstanding.wrappingAdd(count, ordering: .relaxed)
    }

    /// So many were dealt with.
    func removeOutstanding(_ count: Int) {
        guard count > 0 else { return }
        let left = outstanding.wrappingSubtract(count, ordering: .acquiringAndReleasing).newValue
        precondition(left >= 0, "more URLs were dealt with than found")
        if left == 0 { end(.completed) }
    }

    /// A worker begins something, or a message leaves for another lane.
    func began() {
        active.wrappingAdd(1, ordering: .relaxed)
    }

    func ended() {
        let left = active.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
        if left == 0 { endIfDrained() }
    }

    /// A lane will begin nothing more. Once a lane.
    func laneStopped() {
        lanesStopped.wrappingAdd(1, ordering: .acquiringAndReleasing)
        endIfDrained()
    }

    private func endIfDrained() {
        // In this order: once all lanes have stopped, only what is active can make more of it.
        guard lanesStopped.load(ordering: .acquiring) == laneCount, active.load(ordering: .acquiring) == 0
        else {
            return
        }
        end(.drained)
    }

    // MARK: The page budget

    /// What became of the wish to begin a page.
    enum PageGrant: Sendable, Equatable {
        case granted
        /// The last one.
        case grantedLast
        case refused
    }

    func takePage() -> PageGrant {
        let left = pagesLeft.wrappingSubtract(1, ordering: .relaxed).newValue
        if left > 0 { return .granted }
        if left == 0 { return .grantedLast }
        // Back to nought, so that it never wraps; a moment below nought refuses others rightly.
        pagesLeft.wrappingAdd(1, ordering: .relaxed)
        return .refused
    }

    var isPageBudgetUsed: Bool { pagesLeft.load(ordering: .relaxed) <= 0 }

    // MARK: The end

    /// The first cause of a stop counts. False when there was one already.
    func noteStop(_ cause: StopCause) -> Bool {
        gate.withLock { gate in
            guard gate.stopCause == nil else { return false }
            gate.stopCause = cause
            return true
        }
    }

    var stopCause: StopCause? { gate.withLock { $0.stopCause } }

    /// Opens the gate; the first end counts.
    func end(_ end: End) {
        let waiter = gate.withLock { gate -> CheckedContinuation<End, Never>? in
            guard gate.end == nil else { return nil }
            gate.end = end
            defer { gate.waiter = nil }
            return gate.waiter
        }
        waiter?.resume(returning: end)
    }

    /// Waits for the end. Once.
    func waitForEnd() async -> End {
        await withCheckedContinuation { continuation in
            let known = gate.withLock { gate -> End? in
                if gate.end == nil { gate.waiter = continuation }
                return gate.end
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    // MARK: Origins that a module's credentials are for

    func addStartOrigins(_ origins: Set<String>, module: Int) {
        gate.withLock { $0.startOrigins[module].formUnion(origins) }
    }

    func isStartOrigin(_ origin: String, module: Int) -> Bool {
        gate.withLock { $0.startOrigins[module].contains(origin) }
    }
}
