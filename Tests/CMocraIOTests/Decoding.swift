// Drives the C decoder. It must not know of connections.
import CMocraIO
import TestSupport
import Testing

/// What came of an encoded body.
struct Decoded: Equatable, Sendable, CustomStringConvertible {
    /// `OK` or the name of the error.
    var status: String
    var bytes: [UInt8]

    var description: String { "\(status) with \(bytes.count) bytes" }
}

/// Calls the C decoder with inputs between guard pages.
///
/// Isolation: one thread.
struct Decoding {
    /// How the decoder may go about it; the outcome must be the same.
    enum Way: CaseIterable {
        case streamed
        case gathered
        case gatheredToLength
    }

    var codings: [mocra_coding]
    var decodedMax = 1 << 24
    var ratioMax: UInt32 = 200
    var way = Way.streamed
    /// False: the body was cut by whoever received it.
    var whole = true

    private let guarded = GuardedBytes(capacity: 1 << 20)
    private let decoders = Decoders()

    init(
        _ codings: mocra_coding..., decodedMax: Int = 1 << 24, ratioMax: UInt32 = 200,
        way: Way = .streamed
    ) {
        self.init(row: codings, decodedMax: decodedMax, ratioMax: ratioMax, way: way)
    }

    /// `row`: in the order they were applied.
    init(row: [mocra_coding], decodedMax: Int = 1 << 24, ratioMax: UInt32 = 200, way: Way = .streamed) {
        codings = row.isEmpty ? [MOCRA_CODING_GZIP] : row
        self.decodedMax = decodedMax
        self.ratioMax = ratioMax
        self.way = way
    }

    /// Feeds `bytes` in pieces (whole when nil), then finishes. The output has room for `room` bytes at
    /// first.
    func decode(_ bytes: [UInt8], pieces: [Int]? = nil, room: Int = 0) -> Decoded {
        var created: OpaquePointer?
        let coding = codings.reversed().reduce(0) { $0 << MOCRA_CODING_BITS | $1.rawValue }
        var options = mocra_decoder_options(
            coding: coding, ratio_max: ratioMax, decoded_max: decodedMax,
            expected: way == .gatheredToLength ? UInt64(bytes.count) : 0, gather: way != .streamed)
        let creation = unsafe mocra_decoder_create(decoders.pointer, &options, &created)
        guard creation == MOCRA_OK, let decoder = unsafe created else {
            return Decoded(status: name(creation), bytes: [])
        }
        defer { unsafe mocra_decoder_destroy(decoder) }
        var out = unsafe mocra_bytes()
        defer { unsafe mocra_bytes_free(&out) }
        var status = unsafe mocra_bytes_reserve(&out, room)
        var at = 0
        for piece in pieces ?? [bytes.count] where status == MOCRA_OK {
            status = unsafe guarded.with(bytes[at..<at + piece], .beforeGuard) { data, length in
                unsafe mocra_decoder_feed(decoder, data, length, &out)
            }
            at += piece
        }
        let finish = unsafe mocra_decoder_finish(decoder, whole, &out)
        #expect(status == MOCRA_OK || finish == status, "an error must stay")
        let decoded = unsafe Array(UnsafeBufferPointer(start: out.data, count: out.length))
        return Decoded(status: name(finish), bytes: decoded)
    }

    /// Whole, byte by byte, in two at every `step` bytes of a short body, and in random pieces.
    func expectAtEverySplit(_ bytes: [UInt8], _ expected: Decoded, step: Int = 1) {
        let count = bytes.count
        var random = SeededRandom(seed: 5)
        #expect(decode(bytes) == expected, "\(way)")
        #expect(decode(bytes, pieces: Array(repeating: 1, count: count)) == expected, "\(way)")
        for first in stride(from: 0, through: count, by: count > 1000 ? 37 : step) {
            #expect(decode(bytes, pieces: [first, count - first]) == expected, "\(way), in two at \(first)")
        }
        for most in [2, 5, 300] {
            let pieces = random.splits(of: count, most: most)
            #expect(decode(bytes, pieces: pieces) == expected, "\(way), \(pieces)")
        }
    }

    private func name(_ status: Int32) -> String {
        status == MOCRA_OK ? "OK" : unsafe String(cString: mocra_error_name(status))
    }
}

/// What decoders keep between bodies.
@safe private final class Decoders {
    let pointer: OpaquePointer

    init() {
        var made: OpaquePointer?
        guard unsafe mocra_decoders_create(&made) == MOCRA_OK, let made = unsafe made else {
            preconditionFailure("out of memory")
        }
        unsafe pointer = made
    }

    deinit { unsafe mocra_decoders_destroy(pointer) }
}
