// The table of errors: every code has a name, a text and a kind of the project's list. It must not know who
// returns them.
import CMocraIO
import Testing

@Suite("error table")
struct ErrorTableTests {
    private struct Row {
        let code: Int32
        let name: String
        let kind: String
        let text: String
        let isRetryable: Bool

        init(_ code: Int32) {
            self.code = code
            name = unsafe String(cString: mocra_error_name(code))
            kind = unsafe String(cString: mocra_error_kind(code))
            text = unsafe String(cString: mocra_error_text(code))
            isRetryable = mocra_error_retryable(code)
        }
    }

    /// Every code that has a name.
    private let rows = (1...200).map { Row(-$0) }.filter { $0.name != "UNKNOWN" }

    @Test("names and texts are there once each, and well formed")
    func distinct() {
        #expect(rows.count >= 40)
        #expect(Set(rows.map(\.name)).count == rows.count)
        #expect(Set(rows.map(\.text)).count == rows.count)
        for row in rows {
            #expect(row.name.allSatisfy { $0.isUppercase || $0.isNumber || $0 == "_" }, "\(row.name)")
            #expect(row.text.count > 8 && row.text.last != "." && row.text != "unknown error", "\(row.name)")
        }
    }

    @Test("kinds are those of the project's list")
    func kinds() {
        let kinds: Set = [
            "dns", "connect", "tls", "reset", "timeout_connect", "timeout_first_byte", "timeout_idle",
            "timeout_total", "protocol", "decode", "bomb", "too_large", "blocked", "cancelled", "config",
            "internal", "proxy", "slow",
        ]
        for row in rows {
            #expect(kinds.contains(row.kind), "\(row.name): \(row.kind)")
        }
        #expect(Set(rows.map(\.kind)) == kinds)
    }

    @Test(
        "what callers rely on",
        arguments: [
            (MOCRA_ERR_NOT_HTTP, "NOT_HTTP", "protocol", false),
            (MOCRA_ERR_FRAMING_AMBIGUOUS, "FRAMING_AMBIGUOUS", "protocol", false),
            (MOCRA_ERR_CHUNK_SYNTAX, "CHUNK_SYNTAX", "protocol", false),
            (MOCRA_ERR_BODY_SHORT, "BODY_SHORT", "reset", true),
            (MOCRA_ERR_DECODE, "DECODE", "decode", false),
            (MOCRA_ERR_BOMB, "BOMB", "bomb", false),
            (MOCRA_ERR_TOO_LARGE, "TOO_LARGE", "too_large", false),
            (MOCRA_ERR_DNS_NAME, "DNS_NAME", "dns", false),
            (MOCRA_ERR_DNS_TIMEOUT, "DNS_TIMEOUT", "dns", true),
            (MOCRA_ERR_TLS_UNTRUSTED, "TLS_UNTRUSTED", "tls", false),
            (MOCRA_ERR_IDLE_TIMEOUT, "IDLE_TIMEOUT", "timeout_idle", true),
            (MOCRA_ERR_CANCELLED, "CANCELLED", "cancelled", false),
        ])
    func known(_ error: mocra_error, _ name: String, _ kind: String, _ isRetryable: Bool) {
        let row = Row(error.rawValue)
        #expect(row.code < 0)
        #expect(row.name == name)
        #expect(row.kind == kind)
        #expect(row.isRetryable == isRetryable)
    }

    @Test("other numbers are answered too", arguments: [0, 1, 42, -9, -1000, Int32.min, Int32.max])
    func unknown(_ code: Int32) {
        let row = Row(code)
        #expect(row.name == "UNKNOWN")
        #expect(row.kind == "internal")
        #expect(row.text == "unknown error")
        #expect(!row.isRetryable)
    }
}
