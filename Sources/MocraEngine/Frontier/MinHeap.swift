// A binary heap, smallest element first.
// Must not know what it orders.

/// A queue that gives back its smallest element first.
struct MinHeap<Element: Comparable & Sendable>: Sendable {
    private var elements: [Element] = []

    init() {}

    var count: Int { elements.count }

    /// The smallest element. Complexity: O(1).
    var first: Element? { elements.first }

    /// Complexity: O(log n).
    mutating func insert(_ element: Element) {
        elements.append(element)
        var index = elements.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard elements[index] < elements[parent] else { break }
            elements.swapAt(index, parent)
            index = parent
        }
    }

    /// Complexity: O(log n).
    mutating func removeFirst() -> Element? {
        guard let first = elements.first else { return nil }
        let last = elements.removeLast()
        guard !elements.isEmpty else { return first }
        elements[0] = last
        var index = 0
        while true {
            var smallest = index
            let left = 2 * index + 1
            let right = left + 1
            if left < elements.count, elements[left] < elements[smallest] { smallest = left }
            if right < elements.count, elements[right] < elements[smallest] { smallest = right }
            guard smallest != index else { break }
            elements.swapAt(index, smallest)
            index = smallest
        }
        return first
    }
}
