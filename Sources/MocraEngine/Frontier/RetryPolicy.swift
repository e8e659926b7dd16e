// Which failures are tried again, how often and after how long: the table of error kinds as a pure function.
// Must not know a clock, a source of chance or the frontier; the random number is an argument.

/// The retry table.
///
/// What a retry may not undercut comes from the frontier besides: the host's delay and its Retry-After.
struct RetryPolicy: Sendable, Equatable {
    /// How long to wait before a retry.
    enum Backoff: Sendable, Equatable {
        /// Up to `baseMs` · 2ⁿ before retry n (from 0), at most `maxMs`, with full jitter: evenly between 0
        /// and that.
        case exponential(baseMs: Int, maxMs: Int)
        case fixed(ms: Int)
    }

    /// A line of the table.
    struct Row: Sendable, Equatable {
        var retries: Int
        var backoff: Backoff
    }

    /// What to do about a failure.
    enum Decision: Sendable, Equatable {
        case retry(afterMs: Int)
        case giveUp
    }

    /// `crawler.request_max_retries`: bounds every row of the table.
    var requestMaxRetries: Int

    /// The line for `kind`.
    static func row(_ kind: ErrorKind) -> Row {
        switch kind {
        case .dns, .connect, .reset, .timeoutConnect, .timeoutFirstByte, .timeoutIdle, .timeoutTotal, .slow:
            Row(retries: 3, backoff: .exponential(baseMs: 2_000, maxMs: 300_000))
        case .tls:
            Row(retries: 1, backoff: .fixed(ms: 30_000))
        case .http429, .http503:
            Row(retries: 5, backoff: .exponential(baseMs: 5_000, maxMs: 600_000))
        case .http5xx:
            Row(retries: 3, backoff: .exponential(baseMs: 5_000, maxMs: 600_000))
        case .proxy:
            Row(retries: 3, backoff: .fixed(ms: 0))
        case .parse, .generate, .middleware:
            Row(retries: 1, backoff: .fixed(ms: 5_000))
        case .hang:
            Row(retries: 1, backoff: .fixed(ms: 30_000))
        case .protocol, .decode, .tooLarge, .bomb, .http4xx, .redirectLoop, .blocked, .robots, .scope,
            .budget,
            .trap, .duplicate, .poison, .config, .rateLimited, .cancelled, .internal, .sink, .store, .queue,
            .raft, .diskFull:
            // Sink, store and queue are waited for by their own parts; they cost no URL a retry.
            Row(retries: 0, backoff: .fixed(ms: 0))
        }
    }

    /// Whether to try again after a failure of `kind`.
    ///
    /// - Parameters:
    ///   - isRetryable: False where the failure itself says that a repeat cannot help (no such name, a
    /// certificate
    ///     that does not verify).
    ///   - retriesSoFar: How often this request was tried again already.
    ///   - requestLimit: The request's own `maxRetries`.
    ///   - random: Evenly distributed over all values.
    func decide(
        _ kind: ErrorKind, isRetryable: Bool = true, retriesSoFar: Int, requestLimit: Int? = nil,
        random: UInt64
    ) -> Decision {
        let row = Self.row(kind)
        let limit = min(row.retries, requestMaxRetries, requestLimit ?? .max)
        guard isRetryable, retriesSoFar < limit else { return .giveUp }
        return .retry(afterMs: Self.waitMs(row.backoff, retry: retriesSoFar, random: random))
    }

    /// How long to wait before retry number `retry`, counted from 0.
    static func waitMs(_ backoff: Backoff, retry: Int, random: UInt64) -> Int {
        switch backoff {
        case .fixed(let ms):
            return ms
        case .exponential(let baseMs, let maxMs):
            // 2²⁰ times any base of the table is past every maximum.
            let ceilingMs = min(baseMs << min(retry, 20), maxMs)
            return Int(random.multipliedFullWidth(by: UInt64(ceilingMs) + 1).high)
        }
    }
}
