// BoundedQueue: order, backpressure, cancellation, closing, and what its counters say.
// Whether a task waits is seen in the queue's own counters, never assumed from time passing.

import MocraFastPath
import Synchronization
import TestSupport
import Testing

/// An element that cannot be copied and counts its end.
struct Parcel: ~Copyable, Sendable {
    let number: Int
    private let ended: Counter

    init(_ number: Int, _ ended: Counter) {
        self.number = number
        self.ended = ended
    }

    deinit { ended.add() }
}

/// A count that several tasks share.
final class Counter: Sendable {
    private let value = Atomic<Int>(0)
    var count: Int { value.load(ordering: .acquiring) }
    func add() { value.add(1, ordering: .acquiringAndReleasing) }
}

/// What each receiver got, by the receiver's number.
final class Takings: Sendable {
    private let value = PlainLock<[Int: Int]>([:])
    var all: [Int: Int] { value.withLock { $0 } }
    func note(_ receiver: Int, _ element: Int?) { value.withLock { $0[receiver] = element } }
}

/// The number of what was handed back or taken, which a macro cannot look at itself; nil for nothing.
func numberOf(_ parcel: consuming Parcel?) -> Int? {
    guard let parcel else { return nil }
    return parcel.number
}

extension BoundedQueue where Element: ~Copyable {
    func hasWaits(senders: Int = 0, receivers: Int = 0) async throws -> Bool {
        try await eventually {
            self.statistics.sendWaitCount >= senders && self.statistics.receiveWaitCount >= receivers
        }
    }
}

@Suite("Ring buffer")
struct RingBufferTests {
    @Test func keepsOrderAroundItsEnd() {
        var ring = RingBuffer<Int>(capacity: 3)
        var expected = 0
        var pushed = 0
        for round in 0..<50 {
            while pushed - expected < 1 + round % 3 {
                #expect(ring.pushLast(pushed) == nil)
                pushed += 1
            }
            let count = ring.count
            #expect(count == pushed - expected)
            #expect(ring.popFirst() == expected)
            expected += 1
        }
    }

    @Test func handsBackWhatDoesNotFitAndEndsWhatIsLeft() {
        let ended = Counter()
        do {
            var ring = RingBuffer<Parcel>(capacity: 2)
            #expect(numberOf(ring.pushLast(Parcel(1, ended))) == nil)
            #expect(numberOf(ring.pushLast(Parcel(2, ended))) == nil)
            #expect(numberOf(ring.pushLast(Parcel(3, ended))) == 3)
            #expect(numberOf(ring.popFirst()) == 1)
            #expect(numberOf(ring.pushLast(Parcel(4, ended))) == nil)
            #expect(ended.count == 2)
        }
        #expect(ended.count == 4)
    }
}

@Suite("Bounded queue", .timeLimit(.minutes(10)))
struct QueueTests {
    @Test func keepsOrder() async throws {
        let queue = BoundedQueue<Int>(capacity: 4)
        async let received: [Int] = {
            var all: [Int] = []
            while let element = await queue.receive() { all.append(element) }
            return all
        }()
        for number in 0..<1_000 { try await queue.send(number) }
        queue.close()
        #expect(await received == Array(0..<1_000))
        #expect(queue.statistics.sentCount == 1_000 && queue.statistics.receivedCount == 1_000)
    }

    @Test func handsBackWhenFull() async {
        let queue = BoundedQueue<Int>(capacity: 2)
        #expect(queue.trySend(1) == nil && queue.trySend(2) == nil)
        #expect(queue.trySend(3) == 3)
        #expect(queue.count == 2 && queue.capacity == 2)
        #expect(queue.tryReceive() == 1)
        #expect(queue.trySend(3) == nil)
        #expect(await queue.receive() == 2)
        #expect(queue.tryReceive() == 3 && queue.tryReceive() == nil)
        #expect(queue.statistics.depthMax == 2)
        #expect(queue.statistics.sendWaitCount == 0 && queue.statistics.receiveWaitCount == 0)
    }

    /// The producer counts what it got rid of; it stands still at the capacity until something is taken.
    @Test func aFullQueueHoldsItsProducer() async throws {
        let queue = BoundedQueue<Int>(capacity: 3)
        let sent = Counter()
        let end = 50
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for number in 0..<end {
                    try await queue.send(number)
                    sent.add()
                }
                queue.close()
            }
            for number in 0..<end {
                // The sender waits with the element after the three in the queue, or has sent its last.
                let waits = min(number + 1, end - 3)
                #expect(try await queue.hasWaits(senders: waits))
                #expect(sent.count <= number + 3)
                #expect(queue.count <= 3)
                #expect(await queue.receive() == number)
            }
            #expect(await queue.receive() == nil)
            try await group.waitForAll()
        }
        #expect(sent.count == end)
        #expect(queue.statistics.depthMax == 3)
        #expect(queue.statistics.sendWaitCount == end - 3)
    }

    @Test func waitingSendersAreServedInOrder() async throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        try await queue.send(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...5 {
                group.addTask { try await queue.send(number) }
                #expect(try await queue.hasWaits(senders: number))
            }
            #expect(queue.trySend(99) == 99, "nobody overtakes one who waits")
            for number in 0...5 { #expect(await queue.receive() == number) }
            try await group.waitForAll()
        }
    }

    @Test func waitingReceiversAreServedInOrder() async throws {
        let queue = BoundedQueue<Int>(capacity: 4)
        let takings = Takings()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for receiver in 0..<4 {
                group.addTask {
                    takings.note(receiver, await queue.receive())
                }
                #expect(try await queue.hasWaits(receivers: receiver + 1))
            }
            #expect(queue.trySend(contentsOf: 0..<4) == 4)
            try await group.waitForAll()
        }
        #expect(takings.all == [0: 0, 1: 1, 2: 2, 3: 3])
    }

    // MARK: Cancellation

    @Test func aCancelledSenderKeepsItsElement() async throws {
        let ended = Counter()
        let queue = BoundedQueue<Parcel>(capacity: 1)
        #expect(numberOf(queue.trySend(Parcel(0, ended))) == nil)
        let waiting = Task {
            await numberOf(queue.offer(Parcel(1, ended)))
        }
        #expect(try await queue.hasWaits(senders: 1))
        let second = Task { try await queue.send(Parcel(2, ended)) }
        #expect(try await queue.hasWaits(senders: 2))
        waiting.cancel()
        #expect(await waiting.value == 1)
        #expect(await numberOf(queue.receive()) == 0)
        try await second.value
        #expect(await numberOf(queue.receive()) == 2)
        #expect(queue.count == 0)
    }

    @Test func cancellationIsAnErrorOfItsOwn() async throws {
        let queue = BoundedQueue<Int>(capacity: 1)
        try await queue.send(0)
        let waiting = Task { () -> QueueClosed? in
            do throws(QueueClosed) {
                try await queue.send(1)
                return nil
            } catch {
                return error
            }
        }
        #expect(try await queue.hasWaits(senders: 1))
        waiting.cancel()
        #expect(await waiting.value == .cancelled)
        #expect(queue.tryReceive() == 0 && queue.tryReceive() == nil)
    }

    @Test func aCancelledReceiverLosesNothing() async throws {
        let queue = BoundedQueue<Int>(capacity: 4)
        let first = Task { await queue.receive() }
        #expect(try await queue.hasWaits(receivers: 1))
        let batch = Task { await queue.receiveBatch(max: 8) }
        #expect(try await queue.hasWaits(receivers: 2))
        let last = Task { await queue.receive() }
        #expect(try await queue.hasWaits(receivers: 3))
        first.cancel()
        batch.cancel()
        #expect(await first.value == nil)
        #expect(await batch.value == [])
        try await queue.send(7)
        #expect(await last.value == 7)
    }

    @Test func aCancelledTaskTakesWhatIsThere() async throws {
        let queue = BoundedQueue<Int>(capacity: 2)
        try await queue.send(1)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            let first = await queue.receive()
            let second = await queue.receive()
            let refused = await queue.offer(2)
            return (first, second, refused)
        }
        task.cancel()
        let (first, second, refused) = await task.value
        #expect(first == 1 && second == nil && refused == nil)
        #expect(queue.tryReceive() == 2)
    }

    /// Cancels at whatever moment it happens to be; every element is received, refused or left, once.
    @Test func racesOfCancellationLoseNothing() async throws {
        let queue = BoundedQueue<Int>(capacity: 2)
        var seen: [Int] = []
        for round in 0..<2_000 {
            let sender = Task { await queue.offer(round) }
            let receiver = Task { await queue.receive() }
            if round % 3 == 0 { await Task.yield() }
            if round % 2 == 0 { receiver.cancel() } else { sender.cancel() }
            if round % 5 == 0 { sender.cancel() }
            // A receiver that is not cancelled waits for the sender's element, which may have been refused.
            let refused = await sender.value
            if refused != nil { receiver.cancel() }
            let received = await receiver.value
            seen += [refused, received].compactMap { $0 }
            while let left = queue.tryReceive() { seen.append(left) }
        }
        #expect(seen.sorted() == Array(0..<2_000))
    }

    // MARK: Closing

    @Test func closingFailsSendersAndDrainsReceivers() async throws {
        let queue = BoundedQueue<Int>(capacity: 2)
        #expect(queue.trySend(contentsOf: [1, 2, 3]) == 2)
        let waiting = Task { await queue.offer(3) }
        #expect(try await queue.hasWaits(senders: 1))
        queue.close()
        queue.close()
        #expect(queue.isClosed)
        #expect(await waiting.value == 3, "a waiting sender gets its element back")
        #expect(queue.trySend(4) == 4)
        await #expect(throws: QueueClosed.closed) { try await queue.send(4) }
        var rest = [4, 5]
        await #expect(throws: QueueClosed.closed) { try await queue.send(contentsOf: &rest) }
        #expect(rest == [4, 5])
        #expect(await queue.receive() == 1)
        #expect(await queue.receiveBatch(max: 9) == [2])
        #expect(await queue.receive() == nil)
        #expect(await queue.receiveBatch(max: 9) == [])
        #expect(QueueClosed.closed.description != QueueClosed.cancelled.description)
    }

    @Test func closingWakesEveryReceiver() async throws {
        let queue = BoundedQueue<Int>(capacity: 2)
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<6 {
                group.addTask {
                    index % 2 == 0 ? await queue.receive() == nil : await queue.receiveBatch(max: 3).isEmpty
                }
            }
            let waits = try? await queue.hasWaits(receivers: 6)  // Nothing cancels this test's own task.
            #expect(waits == true)
            queue.close()
            for await isEnd in group { #expect(isEnd) }
        }
    }

    @Test func whatIsLeftEndsWithTheQueue() async throws {
        let ended = Counter()
        do {
            let queue = BoundedQueue<Parcel>(capacity: 4)
            for number in 0..<3 { #expect(numberOf(queue.trySend(Parcel(number, ended))) == nil) }
            queue.close()
            await #expect(throws: QueueClosed.closed) { try await queue.send(Parcel(3, ended)) }
            #expect(ended.count == 1)
        }
        #expect(ended.count == 4)
    }

    // MARK: Batches

    @Test func aBatchWakesOneReceiverOnce() async throws {
        let queue = BoundedQueue<Int>(capacity: 16)
        let first = Task { await queue.receiveBatch(max: 10) }
        #expect(try await queue.hasWaits(receivers: 1))
        let second = Task { await queue.receiveBatch(max: 10) }
        #expect(try await queue.hasWaits(receivers: 2))
        #expect(queue.trySend(contentsOf: 0..<10) == 10)
        #expect(await first.value == Array(0..<10))
        #expect(queue.count == 0)
        #expect(queue.trySend(10) == nil)
        #expect(await second.value == [10])
        #expect(queue.statistics.receiveWaitCount == 2, "neither had to wait twice")
    }

    @Test func aBatchAdmitsTheSendersThatWait() async throws {
        let queue = BoundedQueue<Int>(capacity: 2)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<5 {
                group.addTask { try await queue.send(number) }
                #expect(try await eventually { queue.count + queue.statistics.sendWaitCount == number + 1 })
            }
            #expect(await queue.receiveBatch(max: 2) == [0, 1])
            #expect(queue.tryReceiveBatch(max: 99) == [2, 3])
            #expect(await queue.receiveBatch(max: 1) == [4])
            #expect(await queue.receiveBatch(max: 0) == [])
            try await group.waitForAll()
        }
    }

    @Test func batchesLargerThanTheQueueGoThrough() async throws {
        let queue = BoundedQueue<Int>(capacity: 3)
        let sender = Task {
            var elements = Array(0..<100)
            try await queue.send(contentsOf: &elements)
            queue.close()
            return elements.count
        }
        var received: [Int] = []
        while true {
            let batch = await queue.receiveBatch(max: 8)
            if batch.isEmpty { break }
            received += batch
        }
        #expect(received == Array(0..<100))
        #expect(try await sender.value == 0)
    }

    @Test func elementsThatCannotBeCopiedComeInBatches() async throws {
        let ended = Counter()
        let queue = BoundedQueue<Parcel>(capacity: 3)
        let receiver = Task {
            var ring = RingBuffer<Parcel>(capacity: 2)
            var numbers: [Int] = []
            while await queue.receiveBatch(into: &ring) > 0 {
                while let parcel = ring.popFirst() { numbers.append(parcel.number) }
            }
            return numbers
        }
        #expect(try await queue.hasWaits(receivers: 1))
        for number in 0..<20 { try await queue.send(Parcel(number, ended)) }
        queue.close()
        #expect(await receiver.value == Array(0..<20))
        #expect(ended.count == 20)
        var single = RingBuffer<Parcel>(capacity: 1)
        #expect(await queue.receiveBatch(into: &single) == 0)
    }
}
