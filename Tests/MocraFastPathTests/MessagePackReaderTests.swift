// Hostile input for the MessagePack reader: cut, lying, deep, not UTF-8, random.

import MocraFastPath
import TestSupport
import Testing

private func error<Value>(
    _ input: [UInt8], limits: MessagePackLimits = MessagePackLimits(),
    _ read: (inout MessagePackReader) throws(MessagePackError) -> Value
) -> MessagePackError? {
    var reader = MessagePackReader(input.span, limits: limits)
    let before = reader.offset
    do {
        _ = try read(&reader)
        return nil
    } catch {
        // Whoever catches the error may read the value in another way.
        #expect(reader.offset == before)
        return error
    }
}

private func tree(_ input: [UInt8], limits: MessagePackLimits = MessagePackLimits()) -> MessagePackError? {
    error(input, limits: limits) { (reader) throws(MessagePackError) in try reader.readValue() }
}

private func skipped(_ input: [UInt8]) -> MessagePackError? {
    error(input) { (reader) throws(MessagePackError) in try reader.skip() }
}

@Suite("MessagePack: reading what is hostile")
struct MessagePackReaderTests {
    @Test(
        "a value that is cut anywhere is truncated, and one that is not reads back",
        arguments: 0..<60 as Range<UInt64>)
    func everyCut(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let value = randomValue(&random, depth: 4)
        let whole = encoded { $0.write(value) }
        var reader = MessagePackReader(whole.span)
        let readBack = try reader.readValue()
        #expect(readBack == value)
        try reader.finish()
        // Of long values the first cuts, and some behind.
        let cuts =
            whole.count <= 600
            ? Array(0..<whole.count)
            : Array(0..<200) + (0..<200).map { _ in Int.random(in: 200..<whole.count, using: &random) }
        for cut in cuts {
            let part = Array(whole[..<cut])
            #expect(tree(part)?.kind == .truncated, "seed \(seed), cut at \(cut)")
            #expect(skipped(part)?.kind == .truncated, "seed \(seed), cut at \(cut)")
        }
    }

    @Test(
        "random bytes end in a value or an error, and skipping agrees with reading",
        arguments: 0..<20 as Range<UInt64>)
    func randomInput(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            let input = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            var reading = MessagePackReader(input.span)
            var skipping = MessagePackReader(input.span)
            let value = try? reading.readValue()
            let passed: Void? = try? skipping.skip()
            guard let value else { continue }
            #expect(passed != nil && skipping.offset == reading.offset, "seed \(seed): \(input)")
            // What it means is kept by writing it again, in the smallest encoding.
            let again = encoded { $0.write(value) }
            #expect(again.count <= reading.offset, "seed \(seed): \(input)")
            var rereading = MessagePackReader(again.span)
            let second = try rereading.readValue()
            let reread = encoded { $0.write(second) }
            #expect(reread == again, "seed \(seed): \(input)")
        }
    }

    @Test(
        "lengths and counts that the input cannot hold are refused",
        arguments: [
            [0xd9, 0xff], [0xda, 0xff, 0xff], [0xdb, 0xff, 0xff, 0xff, 0xff], [0xc4, 0x01],
            [0xc6, 0xff, 0xff, 0xff, 0xff],
            [0xdd, 0xff, 0xff, 0xff, 0xff], [0xdf, 0xff, 0xff, 0xff, 0xff], [0xdf, 0x80, 0, 0, 0, 0],
            [0x81, 0x01],
            [0x92, 0x01], [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01], [0xc7, 0x05], [0xd4], [0xd8, 0x01],
            [0xcf, 0, 0, 0, 0, 0, 0, 0],
            [0xca, 0, 0, 0], [0xdc], [0xdc, 0], [],
        ] as [[UInt8]])
    func lies(input: [UInt8]) {
        #expect(tree(input)?.kind == .truncated)
        #expect(skipped(input)?.kind == .truncated)
    }

    @Test("counts that multiply are passed over in no more steps than there are bytes")
    func multiplied() {
        // Arrays of 65,535 arrays of 65,535 arrays …, in 3 MiB.
        let bomb = (0..<(1 << 20)).flatMap { _ in [0xdc, 0xff, 0xff] as [UInt8] }
        let error = skipped(bomb)
        #expect(error?.kind == .truncated)
        // Where more is announced than there is left, long before its end.
        #expect((error?.offset ?? .max) < 1_000)
    }

    @Test("depth ends at the limit, and no depth matters to skipping")
    func depth() {
        let limits = MessagePackLimits(depthMax: 10)
        func nested(_ depth: Int, _ marker: UInt8) -> [UInt8] {
            marker == 0x91
                ? [UInt8](repeating: marker, count: depth) + [0xc0]
                : (0..<depth).flatMap { _ in [0x81, 0x01] as [UInt8] } + [0xc0]
        }
        for marker: UInt8 in [0x91, 0x81] {
            #expect(tree(nested(10, marker), limits: limits) == nil)
            #expect(tree(nested(11, marker), limits: limits)?.kind == .tooDeep)
            #expect(tree(nested(128, marker)) == nil)
            #expect(tree(nested(1_000_000, marker))?.kind == .tooDeep)
            #expect(skipped(nested(1_000_000, marker)) == nil)
        }
    }

    @Test("lengths and counts over the limits are told apart from lies")
    func limits() {
        let limits = MessagePackLimits(lengthBytesMax: 3, countMax: 2)
        #expect(tree([0xa3, 0x61, 0x61, 0x61], limits: limits) == nil)
        #expect(tree([0xa4, 0x61, 0x61, 0x61, 0x61], limits: limits)?.kind == .tooLong)
        #expect(tree([0xc4, 4, 0, 0, 0, 0], limits: limits)?.kind == .tooLong)
        #expect(tree([0xd6, 5, 0, 0, 0, 0], limits: limits)?.kind == .tooLong)
        #expect(tree([0x92, 1, 1], limits: limits) == nil)
        #expect(tree([0x93, 1, 1, 1], limits: limits)?.kind == .tooMany)
        #expect(tree([0x83, 1, 1, 1, 1, 1, 1], limits: limits)?.kind == .tooMany)
    }

    @Test("an error has the offset of the value that is at fault")
    func offsets() {
        #expect(tree([0x93, 0x01, 0x92, 0xc1, 0x01, 0x01]) == MessagePackError(.reserved, at: 3))
        #expect(tree([0x92, 0xa1, 0x61, 0xa2, 0xc3, 0x28]) == MessagePackError(.invalidUTF8, at: 3))
        #expect(skipped([0x92, 0x01, 0xc1]) == MessagePackError(.reserved, at: 2))
        let wrong = error([0xa1, 0x61]) { (reader) throws(MessagePackError) in
            try reader.readInteger(as: Int.self)
        }
        #expect(wrong == MessagePackError(.mismatch(expected: .integer, found: .string), at: 0))
        let reserved = error([0xc1]) { (reader) throws(MessagePackError) in try reader.readMapHeader() }
        #expect(reserved == MessagePackError(.reserved, at: 0))
        let rest = [0x01, 0x02] as [UInt8]
        var reader = MessagePackReader(rest.span)
        _ = try? reader.readInteger(as: Int.self)
        do {
            try reader.finish()
            Issue.record("something is left")
        } catch {
            #expect(error == MessagePackError(.trailingBytes, at: 1))
        }
    }

    @Test("every kind of value is refused where another is wanted")
    func mismatches() {
        let samples: [(MessagePackKind, [UInt8])] = [
            (.nil, [0xc0]), (.boolean, [0xc3]), (.integer, [0x05]),
            (.float, [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]),
            (.string, [0xa0]), (.binary, [0xc4, 0]), (.array, [0x90]), (.map, [0x80]),
            (.extension, [0xd4, 5, 0]),
        ]
        for (found, input) in samples {
            let errors: [(MessagePackKind, MessagePackError?)] = [
                (.nil, error(input) { (reader) throws(MessagePackError) in try reader.readNil() }),
                (.boolean, error(input) { (reader) throws(MessagePackError) in try reader.readBool() }),
                (.string, error(input) { (reader) throws(MessagePackError) in try reader.readString() }),
                (
                    .binary,
                    error(input) { (reader) throws(MessagePackError) in copied(try reader.readBinary()) }
                ),
                (.array, error(input) { (reader) throws(MessagePackError) in try reader.readArrayHeader() }),
                (.map, error(input) { (reader) throws(MessagePackError) in try reader.readMapHeader() }),
                (
                    .extension,
                    error(input) { (reader) throws(MessagePackError) in try reader.peekExtension().type }
                ),
            ]
            for (expected, error) in errors {
                let wanted =
                    expected == found
                    ? nil : MessagePackError(.mismatch(expected: expected, found: found), at: 0)
                #expect(error == wanted)
            }
        }
    }

    @Test("numbers fit their type or are out of range")
    func ranges() {
        func read<Value: FixedWidthInteger>(_ value: MessagePackValue, _ type: Value.Type) -> Value? {
            let input = encoded { $0.write(value) }
            var reader = MessagePackReader(input.span)
            do throws(MessagePackError) {
                return try reader.readInteger(as: type)
            } catch {
                #expect(error == MessagePackError(.outOfRange, at: 0))
                return nil
            }
        }
        #expect(read(.integer(255), UInt8.self) == 255 && read(.integer(256), UInt8.self) == nil)
        #expect(read(.integer(-1), UInt64.self) == nil && read(.integer(-129), Int8.self) == nil)
        #expect(read(.integer(127), Int8.self) == 127 && read(.integer(128), Int8.self) == nil)
        #expect(read(.unsigned(.max), UInt64.self) == .max && read(.unsigned(.max), Int64.self) == nil)
        #expect(read(.double(3), Int.self) == 3 && read(.double(3.5), Int.self) == nil)
        #expect(read(.double(.nan), Int.self) == nil && read(.double(.infinity), Int.self) == nil)
        #expect(
            read(.double(1e19), Int.self) == nil
                && read(.double(1e19), UInt64.self) == 10_000_000_000_000_000_000)
    }

    @Test("doubles take integers that they can hold")
    func doubles() {
        for (value, expected) in [
            (.integer(-7), -7), (.float(0.5), 0.5), (.unsigned(1 << 63), 0x1p63),
            (.integer((1 << 53) + 1), nil),
        ] as [(MessagePackValue, Double?)] {
            let input = encoded { $0.write(value) }
            var reader = MessagePackReader(input.span)
            #expect((try? reader.readDouble()) == expected)
        }
    }

    @Test(
        "timestamps that do not exist are refused",
        arguments: [
            [0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],  // 2³⁰ − 1 nanoseconds
            [0xc7, 12, 0xff, 0x3b, 0x9a, 0xca, 0x00, 0, 0, 0, 0, 0, 0, 0, 0],  // 10⁹
            [0xd4, 0xff, 0], [0xd5, 0xff, 0, 0], [0xc7, 0, 0xff],
            [0xc7, 11, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]])
    func timestamps(input: [UInt8]) {
        #expect(tree(input) == MessagePackError(.invalidTimestamp, at: 0))
        #expect(skipped(input) == nil)
    }

    @Test("an extension of an unknown type passes through")
    func unknownExtension() throws {
        let input: [UInt8] = [0xc7, 3, 0x9c, 1, 2, 3]
        var reader = MessagePackReader(input.span)
        let (type, count) = try reader.peekExtension()
        #expect(type == -100 && count == 3)
        let data = copied(try reader.readExtensionBytes())
        #expect(data == [1, 2, 3])
        #expect(tree(input) == nil)
    }
}

@Suite("MessagePack: writing")
struct MessagePackWriterTests {
    @Test(
        "a buffer that is too small is left as it is behind its end, and its size is told",
        arguments: 0..<50 as Range<UInt64>)
    func noRoom(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let value = randomValue(&random, depth: 2)
        let whole = encoded { $0.write(value) }
        for room in Set([0, 1, whole.count / 2, whole.count - 1]) where room < whole.count {
            var buffer = [UInt8](repeating: 0xaa, count: whole.count + 16)
            var span = buffer.mutableSpan
            var writer = MessagePackWriter(span._mutatingExtracting(first: room))
            writer.write(value)
            do {
                _ = try writer.finish()
                Issue.record("seed \(seed): \(room) bytes are enough for \(whole.count)")
            } catch {
                #expect(error == MessagePackError(.noRoom, at: whole.count))
            }
            #expect(buffer[room...].allSatisfy { $0 == 0xaa }, "seed \(seed), \(room)")
        }
    }

    @Test("the width of a number is the smallest")
    func widths() {
        let widths: [(Int64, Int)] = [
            (0, 1), (127, 1), (128, 2), (255, 2), (256, 3), (65_535, 3), (65_536, 5), (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
            (.max, 9), (-1, 1), (-32, 1), (-33, 2), (-128, 2), (-129, 3), (-32_768, 3), (-32_769, 5),
            (-0x8000_0000, 5),
            (-0x8000_0001, 9), (.min, 9),
        ]
        for (number, width) in widths {
            let bytes = encoded { $0.write(number) }
            #expect(bytes.count == width, "\(number)")
            var reader = MessagePackReader(bytes.span)
            #expect((try? reader.readInteger(as: Int64.self)) == number)
        }
        #expect(encoded { $0.write(UInt8(200)) } == [0xcc, 200])
    }
}

@Suite("UTF-8")
struct UTF8CheckTests {
    private func isTaken(_ bytes: [UInt8]) -> Bool {
        let input = encoded { $0.writeString(bytes.span) }
        var reader = MessagePackReader(input.span)
        return (try? reader.readStringBytes()) != nil
    }

    @Test(
        "what the standard library takes for UTF-8, and nothing else, is UTF-8",
        arguments: 0..<40 as Range<UInt64>)
    func oracle(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            // Text of any script, long enough for all ways through the check, then broken or cut.
            var text: [UInt8] = []
            let length = Int.random(in: 0..<200, using: &random)
            let isASCII = Bool.random(using: &random)
            while text.count < length {
                let top: UInt32 =
                    isASCII && Int.random(in: 0..<50, using: &random) > 0
                    ? 0x7f
                    : [0x7f, 0x7ff, 0xffff, 0x10ffff].randomElement(using: &random)!
                guard let scalar = Unicode.Scalar(UInt32.random(in: 0...top, using: &random)) else {
                    continue
                }
                text.append(contentsOf: Array(String(scalar).utf8))
            }
            for _ in 0..<Int.random(in: 0..<3, using: &random) where !text.isEmpty {
                let index = Int.random(in: 0..<text.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: text[index] = UInt8.random(in: 0...255, using: &random)
                case 1: text.remove(at: index)
                default: text.removeLast(min(text.count, 2))
                }
            }
            #expect(
                isTaken(text) == (String(validating: text, as: UTF8.self) != nil), "seed \(seed): \(text)")
        }
    }

    @Test("each sequence at each place of a block: overlong, surrogate, beyond, cut, alone")
    func everyPlace() {
        let sequences: [[UInt8]] = [
            [0xc0, 0x80], [0xc1, 0xbf], [0xe0, 0x9f, 0xbf], [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf],
            [0xf0, 0x8f, 0xbf, 0xbf],
            [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xff], [0xfe], [0x80], [0xbf], [0xc2],
            [0xe1, 0x80],
            [0xf1, 0x80, 0x80], [0xc2, 0x41], [0xe1, 0x80, 0x41], [0xf1, 0x80, 0x80, 0x41],
            [0xc2, 0x80, 0x80],
            [0xc2, 0x80], [0xdf, 0xbf], [0xe0, 0xa0, 0x80], [0xed, 0x9f, 0xbf], [0xee, 0x80, 0x80],
            [0xef, 0xbf, 0xbf],
            [0xf0, 0x90, 0x80, 0x80], [0xf4, 0x8f, 0xbf, 0xbf],
        ]
        for filler: [UInt8] in [[0x61], [0xc3, 0xa9], [0xf0, 0x9f, 0x8d, 0xba]] {
            for before in [0, 1, 2, 3, 5, 13, 14, 15, 16, 17, 40] {
                for after in [0, 1, 15, 64] {
                    for sequence in sequences {
                        let text =
                            Array(repeatElement(filler, count: before).joined()) + sequence
                            + Array(repeatElement(filler, count: after).joined())
                        let expected = String(validating: text, as: UTF8.self) != nil
                        #expect(
                            isTaken(text) == expected,
                            "\(sequence) behind \(before), before \(after) of \(filler)")
                    }
                }
            }
        }
    }
}
