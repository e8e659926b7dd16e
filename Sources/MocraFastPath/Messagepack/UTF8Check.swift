// Whether bytes are UTF-8: sixteen at a time, from comparisons alone.

/// Whether the bytes are UTF-8 without surrogates and overlong forms (RFC 3629, section 4).
///
/// Complexity: O(n). ASCII is passed over eight bytes at a time, the rest sixteen at a time.
@usableFromInline
func isUTF8(_ bytes: Span<UInt8>) -> Bool {
    unsafe bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return true }
        let count = buffer.count
        let start = unsafe firstNonASCII(base, count)
        guard start < count else { return true }
        guard count - start >= 64 else { return unsafe isUTF8Slowly(base, start, count) }
        return unsafe isUTF8InBlocks(base, start, count)
    }
}

/// The offset of the first byte that is not ASCII, or less than eight before it; `count` if there is none.
private func firstNonASCII(_ base: UnsafeRawPointer, _ count: Int) -> Int {
    let high: UInt64 = 0x8080_8080_8080_8080
    guard count >= 8 else {
        var offset = 0
        while offset < count, unsafe base.load(fromByteOffset: offset, as: UInt8.self) < 0x80 { offset += 1 }
        return offset
    }
    var offset = 0
    while offset <= count - 8 {
        if unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & high != 0 { return offset }
        offset += 8
    }
    // The last eight, some of them for the second time.
    return unsafe base.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self) & high == 0 ? count : offset
}

/// Byte by byte from `start`, where a character begins.
private func isUTF8Slowly(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
    let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
    var offset = start
    while offset < end {
        let lead = unsafe bytes[offset]
        offset += 1
        if lead < 0x80 { continue }
        // The first byte behind the lead has the range that keeps out overlong forms, surrogates and what is
        // beyond U+10FFFF.
        let (more, low, high): (Int, UInt8, UInt8)
        switch lead {
        case 0xc2...0xdf: (more, low, high) = (1, 0x80, 0xbf)
        case 0xe0: (more, low, high) = (2, 0xa0, 0xbf)
        case 0xed: (more, low, high) = (2, 0x80, 0x9f)
        case 0xe1...0xef: (more, low, high) = (2, 0x80, 0xbf)
        case 0xf0: (more, low, high) = (3, 0x90, 0xbf)
        case 0xf1...0xf3: (more, low, high) = (3, 0x80, 0xbf)
        case 0xf4: (more, low, high) = (3, 0x80, 0x8f)
        default: return false
        }
        guard end - offset >= more, case low...high = unsafe bytes[offset] else { return false }
        for next in (offset + 1)..<(offset + max(more, 1)) where unsafe bytes[next] & 0xc0 != 0x80 {
            return false
        }
        offset += more
    }
    return true
}

/// Each byte is compared with the three before it: what they demand of it is what it has to be.
private func isUTF8InBlocks(_ base: UnsafeRawPointer, _ start: Int, _ end: Int) -> Bool {
    typealias Block = SIMD16<UInt8>
    // The first block needs three bytes before it, and they must end a character.
    var first = start
    if first < 3 {
        first = 3
        while first < 7, unsafe base.load(fromByteOffset: first, as: UInt8.self) & 0xc0 == 0x80 { first += 1 }
        guard unsafe isUTF8Slowly(base, 0, first) else { return false }
    }
    var offset = first
    while offset <= end - 16 {
        let block = unsafe base.loadUnaligned(fromByteOffset: offset, as: Block.self)
        let before1 = unsafe base.loadUnaligned(fromByteOffset: offset - 1, as: Block.self)
        let before2 = unsafe base.loadUnaligned(fromByteOffset: offset - 2, as: Block.self)
        let before3 = unsafe base.loadUnaligned(fromByteOffset: offset - 3, as: Block.self)
        let continues = (block & 0xc0) .== 0x80
        let hasTo = (before1 .>= 0xc0) .| (before2 .>= 0xe0) .| (before3 .>= 0xf0)
        let overlong =
            (block .== 0xc0) .| (block .== 0xc1) .| ((before1 .== 0xe0) .& (block .< 0xa0))
            .| ((before1 .== 0xf0) .& (block .< 0x90))
        let beyond =
            ((before1 .== 0xed) .& (block .> 0x9f)) .| ((before1 .== 0xf4) .& (block .> 0x8f))
            .| (block .>= 0xf5)
        if any((continues .^ hasTo) .| overlong .| beyond) { return false }
        offset += 16
    }
    // Back to where the character begins that the last block may have cut.
    while offset > first, unsafe base.load(fromByteOffset: offset - 1, as: UInt8.self) & 0xc0 == 0x80 {
        offset -= 1
    }
    if offset > first, unsafe base.load(fromByteOffset: offset - 1, as: UInt8.self) >= 0xc0 { offset -= 1 }
    return unsafe isUTF8Slowly(base, offset, end)
}
