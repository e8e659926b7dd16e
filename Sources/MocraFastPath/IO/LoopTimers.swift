// Timers of the Swift side of a loop: few, and rarely cancelled.

/// Names a timer of `RingLoop.schedule`.
public struct LoopTimer: Sendable, Hashable {
    let identifier: UInt64
}

/// A binary heap by time. Pure: time is an argument.
struct LoopTimers {
    private struct Entry {
        var when: LoopInstant
        var identifier: UInt64
    }

    private var heap: [Entry] = []
    private var actions: [UInt64: @Sendable () -> Void] = [:]
    private var lastIdentifier: UInt64 = 0

    mutating func add(at when: LoopInstant, _ action: @escaping @Sendable () -> Void) -> LoopTimer {
        lastIdentifier += 1
        actions[lastIdentifier] = action
        heap.append(Entry(when: when, identifier: lastIdentifier))
        siftUp(heap.count - 1)
        return LoopTimer(identifier: lastIdentifier)
    }

    /// Its place in the heap goes when its time comes.
    mutating func cancel(_ timer: LoopTimer) {
        actions[timer.identifier] = nil
    }

    /// When to look again.
    mutating func next() -> LoopInstant? {
        while let first = heap.first, actions[first.identifier] == nil { removeFirst() }
        return heap.first?.when
    }

    /// The next action that is due.
    mutating func expire(at now: LoopInstant) -> (@Sendable () -> Void)? {
        while let first = heap.first, first.when <= now {
            removeFirst()
            if let action = actions.removeValue(forKey: first.identifier) { return action }
        }
        return nil
    }

    private mutating func siftUp(_ start: Int) {
        var index = start
        while index > 0, heap[index].when < heap[(index - 1) / 2].when {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func removeFirst() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var smallest = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < heap.count && heap[child].when < heap[smallest].when {
                smallest = child
            }
            if smallest == index { return }
            heap.swapAt(index, smallest)
            index = smallest
        }
    }
}
