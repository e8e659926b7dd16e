// What the tests of MessagePack share: a growing buffer, and random trees.

import MocraFastPath
import TestSupport

/// What `write` writes, in a buffer that is as large as it has to be.
func encoded(_ write: (inout MessagePackWriter) -> Void) -> [UInt8] {
    var none: [UInt8] = []
    var measure = MessagePackWriter(none.mutableSpan)
    write(&measure)
    var buffer = [UInt8](repeating: 0, count: measure.count)
    var writer = MessagePackWriter(buffer.mutableSpan)
    write(&writer)
    precondition(writer.count == buffer.count, "the second time it was another length")
    return buffer
}

func copied(_ bytes: Span<UInt8>) -> [UInt8] {
    unsafe bytes.withUnsafeBufferPointer { unsafe Array($0) }
}

/// The lengths at which the encoding changes, and their neighbours, smaller ones more often.
func randomLength(_ random: inout SeededRandom) -> Int {
    switch Int.random(in: 0..<20, using: &random) {
    case 0: [255, 256, 257, 65_535, 65_536].randomElement(using: &random)!
    case 1..<4: [15, 16, 17, 31, 32, 33].randomElement(using: &random)!
    default: Int.random(in: 0..<12, using: &random)
    }
}

func randomText(_ random: inout SeededRandom) -> String {
    let alphabet: [Character] = ["a", "Z", "\n", "é", "ж", "漢", "🍺", "\u{10ffff}", "\u{0}"]
    return String((0..<randomLength(&random)).map { _ in alphabet.randomElement(using: &random)! })
}

func randomBytes(_ random: inout SeededRandom) -> [UInt8] {
    (0..<randomLength(&random)).map { _ in UInt8.random(in: 0...255, using: &random) }
}

/// Any value, with at most `depth` arrays and maps within each other.
func randomValue(_ random: inout SeededRandom, depth: Int) -> MessagePackValue {
    // Every width is as likely as the others.
    let shift = UInt64.random(in: 0..<64, using: &random)
    switch Int.random(in: 0..<(depth > 0 ? 14 : 10), using: &random) {
    case 0: return .nil
    case 1: return .boolean(Bool.random(using: &random))
    case 2: return MessagePackValue(UInt64.random(in: 0...(.max), using: &random) >> shift)
    case 3: return MessagePackValue(Int64.random(in: .min...(-1), using: &random) >> shift)
    case 4: return .float(Float(bitPattern: UInt32.random(in: 0..<0x7f80_0000, using: &random)))
    case 5: return .double(Double(bitPattern: UInt64.random(in: 0..<0x7ff0_0000_0000_0000, using: &random)))
    case 6: return .string(randomText(&random))
    case 7: return .binary(randomBytes(&random))
    case 8: return .extension(Int8.random(in: 0...127, using: &random), randomBytes(&random))
    case 9:
        let seconds = Int64.random(in: .min...(.max), using: &random) >> shift
        let nanoseconds =
            Bool.random(using: &random) ? 0 : UInt32.random(in: 0..<1_000_000_000, using: &random)
        return .timestamp(MessagePackTimestamp(seconds: seconds, nanoseconds: nanoseconds))
    case 10, 11:
        return .array(randomElements(&random, depth) { randomValue(&$0, depth: depth - 1) })
    default:
        return .map(
            randomElements(&random, depth) {
                MessagePackValue.Pair(randomValue(&$0, depth: 0), randomValue(&$0, depth: depth - 1))
            })
    }
}

/// Many elements at the deepest level only, so that trees stay small.
private func randomElements<Element>(
    _ random: inout SeededRandom, _ depth: Int, _ make: (inout SeededRandom) -> Element
) -> [Element] {
    let count = depth == 1 ? min(randomLength(&random), 300) : Int.random(in: 0..<5, using: &random)
    return (0..<count).map { _ in make(&random) }
}
