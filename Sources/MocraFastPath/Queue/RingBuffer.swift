// A first-in first-out buffer of fixed capacity in one allocation, for elements that need not be copyable.
// Must not know of threads: whoever shares one guards it.

/// A ring of at most `capacity` elements; a push on a full ring hands the element back.
///
/// Shape: one allocation of `capacity` slots, made once and never moved.
///
/// Ownership: owns its elements and destroys those that are left with itself.
@safe
public struct RingBuffer<Element: ~Copyable>: ~Copyable {
    @usableFromInline let slots: UnsafeMutablePointer<Element>
    @usableFromInline var first = 0
    @usableFromInline var filled = 0

    /// How many elements fit.
    public let capacity: Int
    /// How many elements are in the ring.
    @inlinable public var count: Int { filled }

    /// An empty ring. `capacity` is at least 1.
    @inlinable
    public init(capacity: Int) {
        precondition(capacity > 0, "a ring holds at least one element")
        self.capacity = capacity
        unsafe slots = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
    }

    @inlinable
    deinit {
        for offset in 0..<count {
            unsafe (slots + slot(offset)).deinitialize(count: 1)
        }
        unsafe slots.deallocate()
    }

    @inlinable public var isEmpty: Bool { count == 0 }
    @inlinable public var isFull: Bool { count == capacity }

    /// Appends the element, or hands it back when the ring is full. Complexity: O(1).
    @inlinable
    public mutating func pushLast(_ element: consuming Element) -> Element? {
        if isFull { return element }
        unsafe (slots + slot(count)).initialize(to: element)
        filled += 1
        return nil
    }

    /// Takes the oldest element. Complexity: O(1).
    @inlinable
    public mutating func popFirst() -> Element? {
        if isEmpty { return nil }
        let element = unsafe (slots + first).move()
        first = slot(1)
        filled -= 1
        return element
    }

    @inlinable
    func slot(_ offset: Int) -> Int {
        let index = first + offset
        return index < capacity ? index : index - capacity
    }
}

// The ring owns its slots alone, so it goes where its elements may go.
extension RingBuffer: @unchecked Sendable where Element: Sendable & ~Copyable {}
