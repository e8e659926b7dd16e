// A page's bytes in any encoding of the web, turned into well-formed UTF-8 without NUL bytes.
// Must not know how the encoding was found or what the text means.
import Glibc

/// Decoding that never fails: what is not a character becomes U+FFFD.
///
/// The parser behind it stops at a NUL byte and loses the rest of a page at a byte that its own converters do
/// not know; both are common enough on the web that every page passes here first.
enum TextDecoder {
    /// True when the bytes can be parsed as they are: well-formed UTF-8 without NUL.
    static func isCleanUTF8(_ bytes: Span<UInt8>) -> Bool {
        let hasNull = unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let address = buffer.baseAddress else { return false }
            return unsafe memchr(address, 0, buffer.count) != nil
        }
        // Where the text is malformed has no use here: all of it is decoded again.
        return !hasNull && (try? UTF8Span(validating: bytes)) != nil
    }

    /// The text as well-formed UTF-8 without NUL.
    ///
    /// Complexity: linear. The result is at most three times as long as the input, but for iconv's wider
    /// characters.
    static func decode(_ bytes: Span<UInt8>, from encoding: CharacterEncoding) -> [UInt8] {
        var text =
            switch encoding {
            case .utf8: repairedUTF8(bytes)
            case .utf16LittleEndian: decodeUTF16(bytes, highByte: 1)
            case .utf16BigEndian: decodeUTF16(bytes, highByte: 0)
            case .windows1252: decodeWindows1252(bytes)
            // Nearly all of these agree with ASCII, so links survive on a system without iconv's modules.
            case .iconv(let name): decodeWithIconv(bytes, name: name) ?? repairedUTF8(bytes)
            }
        replaceNulls(in: &text)
        return text
    }

    private static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    private static func repairedUTF8(_ bytes: Span<UInt8>) -> [UInt8] {
        unsafe bytes.withUnsafeBufferPointer { unsafe Array(String(decoding: $0, as: UTF8.self).utf8) }
    }

    private static func replaceNulls(in text: inout [UInt8]) {
        guard let first = text.firstIndex(of: 0) else { return }
        var result = Array(text[..<first])
        result.reserveCapacity(text.count + 16)
        for byte in text[first...] {
            if byte == 0 { result += replacement } else { result.append(byte) }
        }
        text = result
    }

    /// `highByte` is the place of the more significant byte within a unit. A last single byte is dropped into
    /// one replacement character, as is an unpaired surrogate.
    private static func decodeUTF16(_ bytes: Span<UInt8>, highByte: Int) -> [UInt8] {
        var units: [UInt16] = []
        units.reserveCapacity(bytes.count / 2 + 1)
        var position = 0
        while position + 1 < bytes.count {
            units.append(UInt16(bytes[position + highByte]) << 8 | UInt16(bytes[position + 1 - highByte]))
            position += 2
        }
        if position < bytes.count { units.append(0xFFFD) }
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }

    private static func decodeWindows1252(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count + bytes.count / 8)
        for index in bytes.indices {
            let byte = bytes[index]
            switch byte {
            case 0..<0x80:
                text.append(byte)
            case 0x80..<0xA0:
                text += Character(Unicode.Scalar(windows1252Upper[Int(byte) - 0x80]) ?? "\u{FFFD}").utf8
            default:
                text.append(0xC0 | byte >> 6)
                text.append(0x80 | byte & 0x3F)
            }
        }
        return text
    }

    /// Encoding Standard, index windows-1252, bytes 0x80 to 0x9F.
    private static let windows1252Upper: [UInt16] = [
        0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
        0x0152,
        0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC,
        0x2122,
        0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178,
    ]

    /// Nil when this system's iconv does not know the name.
    private static func decodeWithIconv(_ bytes: Span<UInt8>, name: String) -> [UInt8]? {
        guard let descriptor = unsafe iconv_open("UTF-8", name), Int(bitPattern: descriptor) != -1 else {
            return nil
        }
        defer { unsafe iconv_close(descriptor) }
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count + bytes.count / 2)
        unsafe bytes.withUnsafeBufferPointer { input in
            unsafe run(descriptor, over: input, into: &text)
        }
        return text
    }

    /// Converts in rounds of one output block; a byte that cannot be converted is stepped over, so each round
    /// either consumes input or ends.
    private static func run(
        _ descriptor: iconv_t, over input: UnsafeBufferPointer<UInt8>, into text: inout [UInt8]
    ) {
        // iconv's signature is not const, but it only moves the pointer.
        var next = unsafe UnsafeMutableRawPointer(mutating: input.baseAddress)?
            .assumingMemoryBound(to: CChar.self)
        var remaining = input.count
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 16_384) { block in
            while remaining > 0 {
                var output = block.baseAddress
                var room = block.count
                let before = remaining
                let result = unsafe iconv(descriptor, &next, &remaining, &output, &room)
                let failure = errno
                unsafe text.append(contentsOf: UnsafeRawBufferPointer(block)[..<(block.count - room)])
                guard result == -1 else { break }
                if failure == E2BIG, remaining < before || room < block.count { continue }
                text += replacement
                // EINVAL is a character cut off by the end: nothing follows it.
                guard failure == EILSEQ else { break }
                unsafe next = next?.advanced(by: 1)
                remaining -= 1
            }
        }
    }
}
