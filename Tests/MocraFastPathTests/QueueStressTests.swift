// Four producers and four consumers on one small queue: every element arrives once, in its producer's order.

import MocraFastPath
import Testing

@Suite("Bounded queue under load", .timeLimit(.minutes(10)))
struct QueueStressTests {
    private static let producers = 4
    private static let perProducer = 20_000

    private struct Message: Sendable {
        let producer: Int
        let number: Int
    }

    /// How the two sides call the queue: one by one, in batches, or by attempts that yield between.
    enum Style: CaseIterable, Sendable { case single, batch, attempts }

    @Test(arguments: Style.allCases, Style.allCases)
    func fourByFour(_ sending: Style, _ receiving: Style) async throws {
        let queue = BoundedQueue<Message>(capacity: 7)
        let sums = try await withThrowingTaskGroup(of: [Int].self) { group in
            for _ in 0..<4 {
                group.addTask { try await Self.consume(queue, receiving) }
            }
            try await withThrowingTaskGroup(of: Void.self) { senders in
                for producer in 0..<Self.producers {
                    senders.addTask { try await Self.produce(queue, producer, sending) }
                }
                try await senders.waitForAll()
            }
            queue.close()
            return try await group.reduce(into: [Int](repeating: 0, count: Self.producers)) { sums, part in
                for producer in sums.indices { sums[producer] += part[producer] }
            }
        }
        let expected = Self.perProducer * (Self.perProducer - 1) / 2
        #expect(sums == [Int](repeating: expected, count: Self.producers))
        let statistics = queue.statistics
        #expect(statistics.sentCount == Self.producers * Self.perProducer)
        #expect(statistics.receivedCount == statistics.sentCount)
        #expect(statistics.depthMax <= 7 && statistics.depthMax > 0)
        #expect(queue.count == 0)
    }

    private static func produce(_ queue: BoundedQueue<Message>, _ producer: Int, _ style: Style) async throws
    {
        switch style {
        case .single:
            for number in 0..<perProducer {
                try await queue.send(Message(producer: producer, number: number))
            }
        case .batch:
            for start in stride(from: 0, to: perProducer, by: 16) {
                var batch = (start..<min(start + 16, perProducer)).map {
                    Message(producer: producer, number: $0)
                }
                try await queue.send(contentsOf: &batch)
            }
        case .attempts:
            for number in 0..<perProducer {
                var message: Message? = Message(producer: producer, number: number)
                while let next = message {
                    message = queue.trySend(next)
                    if message != nil { await Task.yield() }
                }
            }
        }
    }

    /// The sum a producer; the numbers of one producer must reach one consumer in rising order.
    private static func consume(_ queue: BoundedQueue<Message>, _ style: Style) async throws -> [Int] {
        var sums = [Int](repeating: 0, count: producers)
        var last = [Int](repeating: -1, count: producers)
        while true {
            let batch: [Message]
            switch style {
            case .single:
                batch = await queue.receive().map { [$0] } ?? []
            case .batch:
                batch = await queue.receiveBatch(max: 5)
            case .attempts:
                batch = queue.tryReceive().map { [$0] } ?? []
                if batch.isEmpty {
                    if queue.isClosed, queue.count == 0 { return sums }
                    await Task.yield()
                    continue
                }
            }
            if batch.isEmpty { return sums }
            for message in batch {
                #expect(message.number > last[message.producer])
                last[message.producer] = message.number
                sums[message.producer] += message.number
            }
        }
    }
}
