// What a fetch can fail with. The codes and texts come from CMocraIO's one table.
internal import CMocraIO

/// The error kinds that a fetch can end with; the same names appear in metrics, policy, dead letters and
/// logs.
public enum FetchErrorKind: String, Sendable, CaseIterable {
    case dns, connect, reset
    case timeoutConnect = "timeout_connect"
    case timeoutFirstByte = "timeout_first_byte"
    case timeoutIdle = "timeout_idle"
    case timeoutTotal = "timeout_total"
    case slow
    case tls
    case `protocol`
    case decode
    case tooLarge = "too_large"
    case proxy
    case bomb, blocked, cancelled, config
    case `internal`
}

/// Why a fetch failed.
public struct FetchError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What policies, metrics and dead letters go by.
    public var kind: FetchErrorKind
    /// The row of the error table, for example `TLS_EXPIRED`.
    public var code: String
    /// One line for a person.
    public var message: String
    /// Whether the same request may succeed when it is tried again.
    public var isRetryable: Bool

    public init(kind: FetchErrorKind, code: String, message: String, isRetryable: Bool) {
        self.kind = kind
        self.code = code
        self.message = message
        self.isRetryable = isRetryable
    }

    public var description: String { message }

    /// From a negative code of mocra_error.h, with what is known beyond it.
    init(code: Int32, detail: String = "") {
        let text = unsafe String(cString: mocra_error_text(code))
        self.init(
            kind: FetchErrorKind(rawValue: unsafe String(cString: mocra_error_kind(code))) ?? .internal,
            code: unsafe String(cString: mocra_error_name(code)),
            message: detail.isEmpty ? text : "\(text): \(detail)",
            isRetryable: mocra_error_retryable(code))
    }

    static func configuration(_ message: String) -> FetchError {
        FetchError(kind: .config, code: "ARGUMENT", message: message, isRetryable: false)
    }
}
