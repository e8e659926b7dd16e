// Response bodies put together from pieces, around the C state machine. It must not know what a correct
// answer is.
import CMocraIO

/// How a body begins.
enum BodyFraming: Sendable {
    case none
    case length(UInt64)
    case chunked
    case close
}

/// What came of a body.
struct BodyOutcome: Equatable, Sendable {
    /// `OK`, `MORE` or the name of an error: the last answer.
    var status: String
    var payload: [UInt8] = []
    /// Bytes that belong to the body and its framing; 0 after an error.
    var consumed = 0
    /// The answer to the end of the connection.
    var end = "BODY_SHORT"
    /// What did not hold.
    var violations: [String] = []
}

/// Calls the C state machine with inputs between guard pages.
///
/// Isolation: one thread.
struct BodyReader {
    private let guarded: GuardedBytes

    init(capacity: Int = 16384) {
        guarded = GuardedBytes(capacity: capacity)
    }

    /// Gives `bytes` in pieces. What a step leaves is given again with the next piece.
    func read(
        _ bytes: [UInt8], _ framing: BodyFraming, pieces: [Int],
        _ placement: GuardedBytes.Placement = .beforeGuard
    ) -> BodyOutcome {
        var body = begin(framing)
        var outcome = BodyOutcome(status: "MORE")
        var at = 0
        var given = 0
        // With no piece at all one step is taken nevertheless: a body may be whole before its first byte.
        for piece in pieces.isEmpty ? [0] : pieces {
            given += piece
            repeat {
                let left = given - at
                let step = step(&body, bytes[at..<given], placement, &outcome)
                at += step
                if outcome.status == "MORE" && left > 0 && step == 0 {
                    outcome.violations.append("a step took nothing of \(left) bytes")
                    return outcome
                }
            } while outcome.status == "MORE" && at < given
            if outcome.status != "MORE" {
                break
            }
        }
        let failed = outcome.status != "OK" && outcome.status != "MORE"
        outcome.consumed = failed ? 0 : at
        outcome.end = name(unsafe mocra_http1_body_eof(&body))
        checkSticks(&body, &outcome)
        return outcome
    }

    private func begin(_ framing: BodyFraming) -> mocra_http1_body {
        var head = mocra_http1_head()
        let kind: mocra_framing
        switch framing {
        case .none:
            kind = MOCRA_FRAMING_NONE
        case .length(let length):
            kind = MOCRA_FRAMING_LENGTH
            head.content_length = length
        case .chunked:
            kind = MOCRA_FRAMING_CHUNKED
        case .close:
            kind = MOCRA_FRAMING_CLOSE
        }
        head.framing = UInt8(kind.rawValue)
        var body = mocra_http1_body()
        unsafe mocra_http1_body_init(&body, &head)
        return body
    }

    /// One step. Returns the bytes that are done with.
    private func step(
        _ body: inout mocra_http1_body, _ bytes: ArraySlice<UInt8>, _ placement: GuardedBytes.Placement,
        _ outcome: inout BodyOutcome
    ) -> Int {
        unsafe guarded.with(bytes, placement) { data, length in
            var piece = mocra_http1_piece(offset: .max, length: .max, consumed: .max)
            let status = unsafe mocra_http1_body_step(&body, data, length, &piece)
            outcome.status = name(status)
            if status < 0 {
                if piece.offset != .max || piece.length != .max || piece.consumed != .max {
                    outcome.violations.append("the piece was written although the step failed")
                }
                return 0
            }
            guard piece.consumed <= length, piece.offset <= piece.consumed,
                piece.length <= piece.consumed - piece.offset
            else {
                outcome.violations.append("\(piece) of \(length) bytes")
                return 0
            }
            unsafe outcome.payload += UnsafeBufferPointer(start: data + piece.offset, count: piece.length)
            return piece.consumed
        }
    }

    /// After the end, and after an error, more bytes change nothing.
    private func checkSticks(_ body: inout mocra_http1_body, _ outcome: inout BodyOutcome) {
        guard outcome.status != "MORE" else { return }
        var later = BodyOutcome(status: "")
        let taken = step(&body, [0x30, 0x0d, 0x0a], .beforeGuard, &later)
        if later.status != outcome.status || taken != 0 || !later.payload.isEmpty {
            outcome.violations.append("\(later.status) after \(outcome.status), \(taken) bytes taken")
        }
    }

    private func name(_ status: Int32) -> String {
        switch status {
        case MOCRA_OK: "OK"
        case MOCRA_MORE: "MORE"
        default: unsafe String(cString: mocra_error_name(status))
        }
    }
}
