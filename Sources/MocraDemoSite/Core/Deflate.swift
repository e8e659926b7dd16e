// DEFLATE (RFC 1951) with fixed Huffman codes and one-candidate matching, in gzip (RFC 1952) and zlib (RFC
// 1950) wrappings. Made here, so that the bytes of a compressed page do not depend on which zlib a machine
// has. It knows bytes only: nothing of pages, HTTP or files.

package enum Compression {
    /// One gzip member without name or time, so that equal input gives equal output.
    package static func gzip(_ input: [UInt8]) -> [UInt8] {
        var output: [UInt8] = [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0, 0xFF]
        output += deflate(input)
        appendLittleEndian(crc32(input), to: &output)
        appendLittleEndian(UInt32(truncatingIfNeeded: input.count), to: &output)
        return output
    }

    /// The `deflate` content coding of RFC 9110 section 8.4.1.2: DEFLATE inside the zlib wrapping.
    package static func zlib(_ input: [UInt8]) -> [UInt8] {
        var output: [UInt8] = [0x78, 0x01]
        output += deflate(input)
        let sum = adler32(input)
        for shift in [24, 16, 8, 0] as [UInt32] {
            output.append(UInt8(truncatingIfNeeded: sum >> shift))
        }
        return output
    }

    package static func crc32(_ input: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in input {
            crc = crcTable[Int((crc ^ UInt32(byte)) & 0xFF)] ^ (crc >> 8)
        }
        return crc ^ 0xFFFF_FFFF
    }

    private static func adler32(_ input: [UInt8]) -> UInt32 {
        var low: UInt32 = 1
        var high: UInt32 = 0
        for byte in input {
            low = (low + UInt32(byte)) % 65_521
            high = (high + low) % 65_521
        }
        return high << 16 | low
    }

    private static func appendLittleEndian(_ value: UInt32, to output: inout [UInt8]) {
        for shift in [0, 8, 16, 24] as [UInt32] {
            output.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    private static let crcTable: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1
        }
    }

    // RFC 1951 section 3.2.5: the first length (distance) of each code and its count of extra bits.
    private static let lengthBases = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163,
        195,
        227, 258,
    ]
    private static let lengthExtraBits = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBases = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
        4097, 6145, 8193, 12_289, 16_385, 24_577,
    ]
    private static let windowBytes = 32_768
    private static let matchBytesMax = 258

    /// One final block with fixed codes. A match looks at the last place with the same three bytes, no
    /// further.
    private static func deflate(_ input: [UInt8]) -> [UInt8] {
        var writer = BitWriter()
        writer.append(1, count: 1)
        writer.append(1, count: 2)
        var lastPlace = [Int32](repeating: -1, count: 1 << 15)
        var position = 0
        while position < input.count {
            guard position + 2 < input.count else {
                writer.appendFixedCode(Int(input[position]))
                position += 1
                continue
            }
            let key =
                (Int(input[position]) &* 0x9E5 ^ Int(input[position + 1]) &* 0x1F35
                    ^ Int(input[position + 2]) &* 0x61) & 0x7FFF
            let candidate = Int(lastPlace[key])
            lastPlace[key] = Int32(truncatingIfNeeded: position)
            let length = matchLength(input, candidate, position)
            if length >= 3 {
                appendMatch(length: length, distance: position - candidate, to: &writer)
                position += length
            } else {
                writer.appendFixedCode(Int(input[position]))
                position += 1
            }
        }
        writer.appendFixedCode(256)
        return writer.finish()
    }

    private static func matchLength(_ input: [UInt8], _ candidate: Int, _ position: Int) -> Int {
        guard candidate >= 0, position - candidate <= windowBytes else { return 0 }
        let limit = min(matchBytesMax, input.count - position)
        var length = 0
        while length < limit, input[candidate + length] == input[position + length] {
            length += 1
        }
        return length
    }

    private static func appendMatch(length: Int, distance: Int, to writer: inout BitWriter) {
        // Length 258 has a code of its own, which the search from the end finds first.
        let lengthCode = lengthBases.lastIndex { $0 <= length } ?? 0
        writer.appendFixedCode(257 + lengthCode)
        writer.append(UInt32(length - lengthBases[lengthCode]), count: lengthExtraBits[lengthCode])
        let distanceCode = distanceBases.lastIndex { $0 <= distance } ?? 0
        writer.appendReversed(UInt32(distanceCode), count: 5)
        let extraBits = distanceCode < 4 ? 0 : distanceCode / 2 - 1
        writer.append(UInt32(distance - distanceBases[distanceCode]), count: extraBits)
    }

    private struct BitWriter {
        private var bytes: [UInt8] = []
        private var pending: UInt64 = 0
        private var pendingBits = 0

        mutating func append(_ value: UInt32, count: Int) {
            pending |= UInt64(value) << UInt64(pendingBits)
            pendingBits += count
            while pendingBits >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: pending))
                pending >>= 8
                pendingBits -= 8
            }
        }

        /// Huffman codes go in with their most significant bit first (RFC 1951 section 3.1.1).
        mutating func appendReversed(_ code: UInt32, count: Int) {
            var reversed: UInt32 = 0
            for bit in 0..<count where code >> UInt32(bit) & 1 == 1 {
                reversed |= 1 << UInt32(count - 1 - bit)
            }
            append(reversed, count: count)
        }

        /// RFC 1951 section 3.2.6: the fixed literal and length codes.
        mutating func appendFixedCode(_ symbol: Int) {
            switch symbol {
            case ..<144: appendReversed(UInt32(0x30 + symbol), count: 8)
            case ..<256: appendReversed(UInt32(0x190 + symbol - 144), count: 9)
            case ..<280: appendReversed(UInt32(symbol - 256), count: 7)
            default: appendReversed(UInt32(0xC0 + symbol - 280), count: 8)
            }
        }

        mutating func finish() -> [UInt8] {
            if pendingBits > 0 {
                bytes.append(UInt8(truncatingIfNeeded: pending))
                pending = 0
                pendingBits = 0
            }
            return bytes
        }
    }
}
