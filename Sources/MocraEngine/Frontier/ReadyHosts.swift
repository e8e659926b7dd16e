// The hosts that have something to fetch, ordered by when they may be asked next.
// Must not know why a host has to wait.

import MocraFastPath

/// A heap of hosts by time, in which a host's time can be changed.
///
/// Among hosts of the same time the one whose time was set first comes first, so hosts without a delay take
/// turns.
struct ReadyHosts: Sendable {
    private struct Place: Sendable {
        var at: LoopInstant
        var order: UInt64
        var host: Int

        func isBefore(_ other: Place) -> Bool {
            at != other.at ? at < other.at : order < other.order
        }
    }

    private static let absent: Int32 = -1

    private var heap: [Place] = []
    /// Each host's index in `heap`.
    private var positions: [Int32] = []
    private var orders: UInt64 = 0

    /// The host that comes first. Complexity: O(1).
    var first: (host: Int, at: LoopInstant)? {
        heap.first.map { ($0.host, $0.at) }
    }

    /// Sets a host's time, or takes it out with nil. Complexity: O(log n).
    mutating func set(_ host: Int, at instant: LoopInstant?) {
        while positions.count <= host { positions.append(Self.absent) }
        let position = Int(positions[host])
        guard let instant else {
            if position >= 0 { remove(position) }
            return
        }
        if position >= 0, heap[position].at == instant { return }
        orders += 1
        let place = Place(at: instant, order: orders, host: host)
        if position >= 0 {
            heap[position] = place
            sink(rise(position))
        } else {
            heap.append(place)
            positions[host] = Int32(heap.count - 1)
            _ = rise(heap.count - 1)
        }
    }

    /// Puts a host behind all others of the same time. Complexity: O(log n).
    mutating func yield(_ host: Int) {
        guard host < positions.count, positions[host] >= 0 else { return }
        let position = Int(positions[host])
        orders += 1
        heap[position].order = orders
        sink(position)
    }

    private mutating func remove(_ position: Int) {
        positions[heap[position].host] = Self.absent
        let last = heap.removeLast()
        guard position < heap.count else { return }
        heap[position] = last
        positions[last.host] = Int32(position)
        sink(rise(position))
    }

    private mutating func rise(_ start: Int) -> Int {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index].isBefore(heap[parent]) else { break }
            swap(index, parent)
            index = parent
        }
        return index
    }

    private mutating func sink(_ start: Int) {
        var index = start
        while true {
            var smallest = index
            let left = 2 * index + 1
            let right = left + 1
            if left < heap.count, heap[left].isBefore(heap[smallest]) { smallest = left }
            if right < heap.count, heap[right].isBefore(heap[smallest]) { smallest = right }
            guard smallest != index else { break }
            swap(index, smallest)
            index = smallest
        }
    }

    private mutating func swap(_ left: Int, _ right: Int) {
        heap.swapAt(left, right)
        positions[heap[left].host] = Int32(left)
        positions[heap[right].host] = Int32(right)
    }
}
