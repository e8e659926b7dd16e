// What an answer or a failure means for its URL: parse, redirect, try again, or end.
// Pure: must not know a clock, a socket or a module.

import MocraFastPath

/// The decision after a fetch.
struct AnswerPolicy: Sendable, Equatable {
    /// What is to be done about a URL that was fetched.
    enum Verdict: Sendable, Equatable {
        /// Parse the page.
        case parse
        /// An answer that is no page: the module's `handleStatus` gets it.
        case status
        /// The same, and the target goes to the frontier.
        case redirect(WebURL)
        /// End the URL with this failure.
        case fail(FetchFailure)
        /// Refuse the URL with this reason.
        case skip(SkipReason)
        /// Try again after so long; where `blocksHost`, the host's whole queue waits so long.
        case retry(afterMs: Int, blocksHost: Bool)
        /// Try again after so long, at no cost: this machine was at fault.
        case retryLocally(afterMs: Int)
    }

    /// Where a URL stands when its fetch ends.
    struct Progress: Sendable, Equatable {
        /// URLs that redirected to this one.
        var redirects = 0
        var retries = 0
        var localRetries = 0
        /// The request's own bound on retries.
        var retriesMax: Int?
    }

    /// How long a URL waits after a fault of this machine, and how often it may.
    static let localRetryMs = 1_000
    static let localRetriesMax = 60

    var retryPolicy: RetryPolicy
    /// `download_config.max_redirects`.
    var maxRedirects: Int

    /// After an answer.
    func verdict(
        status: Int, redirectTarget: WebURL?, retryAfterMs: Int?, _ progress: Progress, random: UInt64
    ) -> Verdict {
        if let target = redirectTarget {
            guard progress.redirects < maxRedirects else {
                return .fail(
                    FetchFailure(
                        kind: .redirectLoop,
                        message:
                            "more than \(maxRedirects) redirects in a row: the site may redirect in a circle,"
                            + " or raise download_config.max_redirects", isRetryable: false))
            }
            return .redirect(target)
        }
        if (200..<300).contains(status) { return .parse }
        guard let kind = ErrorKind(status: status) else { return .status }
        let decision = retryPolicy.decide(
            kind, retriesSoFar: progress.retries, requestLimit: progress.retriesMax, random: random)
        guard case .retry(let afterMs) = decision else { return .status }
        let waitsForHost = kind == .http429 || kind == .http503
        return .retry(afterMs: waitsForHost ? retryAfterMs ?? afterMs : afterMs, blocksHost: waitsForHost)
    }

    /// After a fetch without an answer. A cancelled one is not judged: its request goes back.
    func verdict(_ failure: FetchFailure, _ progress: Progress, random: UInt64) -> Verdict {
        if failure.kind == .blocked { return .skip(.blocked) }
        if failure.kind == .internal, failure.isRetryable {
            return progress.localRetries < Self.localRetriesMax
                ? .retryLocally(afterMs: Self.localRetryMs) : .fail(failure)
        }
        let decision = retryPolicy.decide(
            failure.kind, isRetryable: failure.isRetryable, retriesSoFar: progress.retries,
            requestLimit: progress.retriesMax, random: random)
        guard case .retry(let afterMs) = decision else { return .fail(failure) }
        return .retry(afterMs: afterMs, blocksHost: false)
    }
}
