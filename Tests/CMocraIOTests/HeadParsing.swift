// Response heads as values that compare, around the C parser. It must not know what a correct answer is.
import CMocraIO
import Glibc

/// What a parsed head says, its spans read out.
struct ParsedHead: Equatable, Sendable {
    var status = 200
    var reason = "OK"
    var minorVersion = 1
    var framing = MOCRA_FRAMING_CLOSE
    var contentLength: UInt64 = 0
    var coding = MOCRA_CODING_IDENTITY
    var keepAlive = false
    var headers: [[String]] = []
    /// Bytes of the head; everything behind it belongs to the body.
    var headBytes = 0
    var folded = false
}

enum HeadOutcome: Equatable, Sendable {
    case head(ParsedHead)
    case more
    /// The name of the error.
    case failed(String)

    var isFailure: Bool {
        if case .failed = self { true } else { false }
    }
}

/// Calls the C parser with inputs between guard pages, and checks what must hold for every call.
///
/// Ownership: frees its memory. Isolation: one thread.
@safe final class HeadParser {
    private let guarded: GuardedBytes
    private let out: UnsafeMutablePointer<mocra_http1_head>
    private let untouched: UnsafeMutablePointer<mocra_http1_head>
    /// What did not hold, as text.
    private(set) var violations: [String] = []

    init(capacity: Int = 16384) {
        guarded = GuardedBytes(capacity: capacity)
        unsafe out = .allocate(capacity: 1)
        unsafe untouched = .allocate(capacity: 1)
        unsafe memset(untouched, 0xa5, MemoryLayout<mocra_http1_head>.size)
    }

    deinit {
        unsafe out.deallocate()
        unsafe untouched.deallocate()
    }

    func parse(
        _ bytes: some Collection<UInt8>, scanned: Int = 0, headRequest: Bool = false,
        _ placement: GuardedBytes.Placement = .beforeGuard
    ) -> HeadOutcome {
        let size = MemoryLayout<mocra_http1_head>.size
        unsafe memcpy(out, untouched, size)
        return unsafe guarded.with(bytes, placement) { data, length in
            let status = unsafe mocra_http1_parse_head(data, length, scanned, headRequest, out)
            if status == MOCRA_OK {
                return .head(unsafe read(UnsafeBufferPointer(start: data, count: length)))
            }
            if unsafe memcmp(out, untouched, size) != 0 {
                violations.append("the head was written although the answer was \(status)")
            }
            return status == MOCRA_MORE ? .more : .failed(unsafe String(cString: mocra_error_name(status)))
        }
    }

    /// Gives the bytes in pieces, telling each time how many were seen before.
    func drip(
        _ bytes: [UInt8], pieces: [Int], headRequest: Bool = false,
        _ placement: GuardedBytes.Placement = .beforeGuard
    ) -> HeadOutcome {
        var given = 0
        for piece in pieces {
            let scanned = given
            given += piece
            let outcome = parse(bytes[..<given], scanned: scanned, headRequest: headRequest, placement)
            if outcome != .more {
                return outcome
            }
        }
        return .more
    }

    private func read(_ data: UnsafeBufferPointer<UInt8>) -> ParsedHead {
        let head = unsafe out.pointee
        var parsed = ParsedHead()
        parsed.headBytes = Int(head.head_bytes)
        parsed.status = Int(head.status)
        parsed.minorVersion = Int(head.minor_version)
        parsed.framing = mocra_framing(rawValue: UInt32(head.framing))
        parsed.contentLength = head.content_length
        parsed.coding = mocra_coding(rawValue: UInt32(head.coding))
        parsed.keepAlive = head.keep_alive
        parsed.folded = head.folded
        parsed.reason = unsafe text(head.reason, data, parsed.headBytes)
        parsed.headers = unsafe withUnsafeBytes(of: head.headers) { raw in
            let headers = unsafe raw.bindMemory(to: mocra_header.self)
            return unsafe headers.prefix(Int(head.header_count)).map { header in
                unsafe [
                    text(header.name, data, parsed.headBytes), text(header.value, data, parsed.headBytes),
                ]
            }
        }
        return parsed
    }

    /// One character a byte, so that no two spans with different bytes compare equal.
    private func text(_ span: mocra_span, _ data: UnsafeBufferPointer<UInt8>, _ headBytes: Int) -> String {
        let start = Int(span.offset)
        let end = start + Int(span.length)
        guard end <= headBytes, headBytes <= data.count else {
            violations.append("span \(start)..<\(end) of a head of \(headBytes) bytes")
            return ""
        }
        var scalars = String.UnicodeScalarView()
        for index in start..<end {
            scalars.append(Unicode.Scalar(unsafe data[index]))
        }
        return String(scalars)
    }
}

/// The bytes of a text whose characters are all below U+0100, one each.
func latin1(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { scalar in
        guard let byte = UInt8(exactly: scalar.value) else {
            preconditionFailure("\(scalar) has no single byte")
        }
        return byte
    }
}
