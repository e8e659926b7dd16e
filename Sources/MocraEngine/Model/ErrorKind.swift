// The one list of what can go wrong with a URL, a module or a part of the node, and how each kind is named.
// Must not know what is done about a kind: that is RetryPolicy's.

public import MocraFastPath

/// A kind of failure, under the name that metrics, policy, logs and items share.
///
/// Shape: a closed list; the raw value is the name that people and programs read.
public enum ErrorKind: String, Sendable, Hashable, CaseIterable {
    case dns
    case connect
    case reset
    case timeoutConnect = "timeout_connect"
    case timeoutFirstByte = "timeout_first_byte"
    case timeoutIdle = "timeout_idle"
    case timeoutTotal = "timeout_total"
    case slow
    case tls
    case `protocol`
    case decode
    case tooLarge = "too_large"
    case bomb
    case http429 = "http_429"
    case http503 = "http_503"
    case http5xx = "http_5xx"
    case http4xx = "http_4xx"
    case redirectLoop = "redirect_loop"
    case proxy
    case blocked
    case robots
    case scope
    case budget
    case trap
    case duplicate
    case parse
    case generate
    case middleware
    case poison
    case hang
    case sink
    case store
    case queue
    case raft
    case diskFull = "disk_full"
    case config
    case rateLimited = "rate_limited"
    case cancelled
    case `internal`

    /// The kind under which the engine counts a failed fetch.
    public init(_ kind: FetchErrorKind) {
        self =
            switch kind {
            case .dns: .dns
            case .connect: .connect
            case .reset: .reset
            case .timeoutConnect: .timeoutConnect
            case .timeoutFirstByte: .timeoutFirstByte
            case .timeoutIdle: .timeoutIdle
            case .slow: .slow
            case .timeoutTotal: .timeoutTotal
            case .tls: .tls
            case .protocol: .protocol
            case .decode: .decode
            case .tooLarge: .tooLarge
            case .bomb: .bomb
            case .proxy: .proxy
            case .blocked: .blocked
            case .cancelled: .cancelled
            case .config: .config
            case .internal: .internal
            }
    }

    /// The kind of an answer's status; nil for every other one, which is no error.
    public init?(status: Int) {
        switch status {
        case 429: self = .http429
        case 503: self = .http503
        case 500..<600: self = .http5xx
        case 400..<500: self = .http4xx
        default: return nil
        }
    }
}
