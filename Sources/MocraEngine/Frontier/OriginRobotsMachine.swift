// What an answer to a robots.txt request means: RFC 9309 §2.3.1 as a pure function.
// Must not know robots.txt's grammar, a clock or a socket.

import MocraFastPath

/// Steps of the errand that a `RobotsTicket` stands for.
struct OriginRobotsMachine: Sendable {
    /// How a fetch of the ticket's URL ended.
    enum Answer: Sendable, Equatable {
        /// An answer; `location` where it redirects, `retryAfterMs` where it asks to wait.
        case status(Int, location: WebURL?, retryAfterMs: Int?)
        case failed(FetchFailure)
    }

    /// What to do next.
    enum Step: Sendable, Equatable {
        /// Read the body: it has the rules.
        case readRules
        case allowAll
        case disallowAll
        /// The origin's URLs end with this failure.
        case failed(FetchFailure)
        /// Fetch this ticket after so long; where `blocksHost`, nothing else of the host goes before it.
        case fetch(RobotsTicket, afterMs: Int, blocksHost: Bool)
    }

    /// RFC 9309 §2.3.1.2: at least five consecutive redirects are followed.
    static let redirectsMax = 5

    let retryPolicy: RetryPolicy

    /// - Parameter random: Evenly distributed over all values; decides how long a retry waits.
    func step(_ ticket: RobotsTicket, _ answer: Answer, random: UInt64) -> Step {
        switch answer {
        case .status(200..<300, _, _):
            return .readRules
        case .status(_, .some(let location), _):
            // More hops than that: the file counts as unavailable, which lets everything through.
            guard ticket.redirects < Self.redirectsMax else { return .allowAll }
            var next = ticket
            next.url = location
            next.redirects += 1
            return .fetch(next, afterMs: 0, blocksHost: false)
        case .status(let status, nil, let retryAfterMs):
            guard let kind = ErrorKind(status: status) else {
                // 1xx never gets here; a redirect without a target names no file, so there is none.
                return .allowAll
            }
            let decision = retryPolicy.decide(kind, retriesSoFar: ticket.retries, random: random)
            if case .retry(let afterMs) = decision {
                let waitsForHost = kind == .http429 || kind == .http503
                return .fetch(
                    again(ticket), afterMs: waitsForHost ? retryAfterMs ?? afterMs : afterMs,
                    blocksHost: waitsForHost)
            }
            // §2.3.1.3: unavailable (4xx) lets everything through; §2.3.1.4: unreachable (5xx) nothing.
            return status < 500 ? .allowAll : .disallowAll
        case .failed(let failure):
            if failure.kind == .internal, failure.isRetryable,
                ticket.localRetries < AnswerPolicy.localRetriesMax
            {
                var next = ticket
                next.localRetries += 1
                return .fetch(next, afterMs: AnswerPolicy.localRetryMs, blocksHost: false)
            }
            let decision = retryPolicy.decide(
                failure.kind, isRetryable: failure.isRetryable, retriesSoFar: ticket.retries, random: random)
            if case .retry(let afterMs) = decision {
                return .fetch(again(ticket), afterMs: afterMs, blocksHost: false)
            }
            switch failure.kind {
            case .decode, .bomb, .tooLarge:
                // The server is there, but its rules cannot be read: the same as when it answers with a
                // fault.
                return .disallowAll
            default:
                return .failed(failure)
            }
        }
    }

    private func again(_ ticket: RobotsTicket) -> RobotsTicket {
        var next = ticket
        next.retries += 1
        return next
    }
}
