// MessagePack beside Python's libraries for it: each reads what the other writes, on random trees.

import Foundation
import MocraFastPath
import TestSupport
import Testing

@Suite("MessagePack beside Python's libraries")
struct MessagePackPeerTests {
    private static let python = TestData.packageRoot + "/.build/python/bin/python3"
    private static let script = TestData.packageRoot + "/Tests/MocraFastPathTests/support/msgpack_peer.py"
    private static let libraries = ["msgpack", "ormsgpack"]

    @Test("what they write is read, and written again as the same bytes", arguments: libraries)
    func theirs(library: String) async throws {
        let seed = UInt32.random(in: 0 ... .max)
        let made = try await run(Self.python, [Self.script, library, "make", "\(seed)", "500"])
        try #require(made.ending == .exited(0), "\(made.standardError)")
        let trees = made.standardOutput.split(separator: "\n").map(bytes)
        #expect(trees.count == 500)
        for (index, tree) in trees.enumerated() {
            var reader = MessagePackReader(tree.span)
            let value = try reader.readValue()
            try reader.finish()
            #expect(encoded { $0.write(value) } == tree, "seed \(seed), tree \(index)")
        }
    }

    @Test("what we write is read, and written again as the same bytes", arguments: libraries)
    func ours(library: String) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        let trees = (0..<500).map { _ in
            let value = pythonic(randomValue(&random, depth: 4), library)
            return encoded { $0.write(value) }
        }
        let input = trees.map { hexadecimal($0) + "\n" }.joined()
        let echoed = try await run(Self.python, [Self.script, library, "echo"], input: .text(input))
        try #require(echoed.ending == .exited(0), "\(echoed.standardError)")
        let back = echoed.standardOutput.split(separator: "\n").map(bytes)
        #expect(back.count == trees.count)
        for (index, (tree, back)) in zip(trees, back).enumerated() {
            #expect(back == tree, "seed \(seed), tree \(index)")
        }
    }

    /// What Python can tell apart: one width of floats, each key once. ormsgpack writes no timestamps.
    private func pythonic(_ value: MessagePackValue, _ library: String) -> MessagePackValue {
        switch value {
        case .timestamp(let moment) where library == "ormsgpack": return .integer(moment.seconds)
        case .float(let number): return .double(Double(number))
        case .array(let values): return .array(values.map { pythonic($0, library) })
        case .map(let pairs):
            var seen: Set<MessagePackValue> = []
            return .map(
                pairs.enumerated().compactMap { index, pair in
                    let key: MessagePackValue
                    if case .string = pair.key { key = pair.key } else { key = .integer(Int64(index)) }
                    guard seen.insert(key).inserted else { return nil }
                    return MessagePackValue.Pair(key, pythonic(pair.value, library))
                })
        default: return value
        }
    }

    private func bytes(_ line: Substring) -> [UInt8] {
        let digits = Array(line.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)
        }
    }

    private func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
