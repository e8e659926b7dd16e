// When to leave a failing target alone, and how to find out that it works again: rules without a clock.
// Must not know what is called or what counts as a failure.

/// A circuit breaker.
///
/// Closed, it lets all calls pass and looks at how the last `window` of them ended. Once at least
/// `failuresMin` of these failed, and `failureRate` of them or more, it opens and refuses calls for a while,
/// each time in a row twice as long. Then, half open, it lets `probesMax` calls pass at once: as many
/// successes close it, one failure opens it again.
///
/// A call that was let pass before the breaker changed its state says nothing about the state after: its end
/// counts for nothing.
///
/// Source: M. Nygard, "Release It!", chapter "Circuit Breaker"; the doubling is that of exponential backoff.
public struct CircuitBreakerMachine: Sendable, Equatable {
    public struct Configuration: Sendable, Equatable {
        /// How many of the last calls are looked at, 1 to 64.
        public var window: Int
        /// Fewer failures never open it, at least 1 and at most `window`.
        public var failuresMin: Int
        /// Failures ÷ calls looked at, above 0 and at most 1.
        public var failureRate: Double
        /// How long it is open the first time.
        public var openMs: Int
        /// How long at most.
        public var openMsMax: Int
        /// Calls at once while half open, and successes that close it.
        public var probesMax: Int

        public init(
            window: Int = 20, failuresMin: Int = 5, failureRate: Double = 0.5, openMs: Int = 5_000,
            openMsMax: Int = 300_000, probesMax: Int = 1
        ) {
            precondition((1...64).contains(window) && (1...window).contains(failuresMin))
            precondition(failureRate > 0 && failureRate <= 1)
            precondition(openMs > 0 && openMsMax >= openMs && probesMax > 0)
            self.window = window
            self.failuresMin = failuresMin
            self.failureRate = failureRate
            self.openMs = openMs
            self.openMsMax = openMsMax
            self.probesMax = probesMax
        }
    }

    /// What becomes of a call.
    public enum Admission: Sendable, Equatable {
        /// Make it, and tell how it ended: `ended(_:_:at:)`, exactly once.
        case pass(Ticket)
        /// Do not make it. Ask again then, or, while probes are under way (nil), when one of them has ended.
        case refuse(until: LoopInstant?)
    }

    /// A call that was let pass.
    public struct Ticket: Sendable, Hashable {
        let epoch: UInt64
    }

    /// How a call ended.
    public enum Outcome: Sendable {
        case success
        case failure
        /// It was not made, or was cancelled: says nothing about the target.
        case unknown
    }

    public enum State: Sendable, Equatable {
        case closed
        case `open`(until: LoopInstant)
        /// With so many calls under way, and so many that succeeded.
        case halfOpen(probes: Int, successes: Int)
    }

    public let configuration: Configuration
    public private(set) var state = State.closed
    /// Counts changes of the state.
    private var epoch: UInt64 = 0
    /// How often it opened since it was closed.
    private var openings = 0
    /// The last outcomes, the latest in bit 0; 1 is a failure.
    private var failures: UInt64 = 0
    private var outcomes = 0

    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
    }

    /// A call is about to be made.
    public mutating func admit(at now: LoopInstant) -> Admission {
        switch state {
        case .closed:
            return .pass(Ticket(epoch: epoch))
        case .open(let until):
            guard now >= until else { return .refuse(until: until) }
            move(to: .halfOpen(probes: 1, successes: 0))
            return .pass(Ticket(epoch: epoch))
        case .halfOpen(let probes, let successes):
            guard probes + successes < configuration.probesMax else { return .refuse(until: nil) }
            state = .halfOpen(probes: probes + 1, successes: successes)
            return .pass(Ticket(epoch: epoch))
        }
    }

    /// A call that was let pass has ended.
    public mutating func ended(_ ticket: Ticket, _ outcome: Outcome, at now: LoopInstant) {
        guard ticket.epoch == epoch else { return }
        switch (state, outcome) {
        case (.closed, .unknown), (.open, _):
            // Open, a ticket of this epoch does not exist.
            return
        case (.closed, .success):
            note(failure: false)
        case (.closed, .failure):
            note(failure: true)
            if isFailing { trip(at: now) }
        case (.halfOpen, .failure):
            trip(at: now)
        case (.halfOpen(let probes, let successes), .unknown):
            state = .halfOpen(probes: probes - 1, successes: successes)
        case (.halfOpen(let probes, let successes), .success):
            if successes + 1 == configuration.probesMax {
                openings = 0
                move(to: .closed)
            } else {
                state = .halfOpen(probes: probes - 1, successes: successes + 1)
            }
        }
    }

    private var isFailing: Bool {
        let failed = failures.nonzeroBitCount
        return failed >= configuration.failuresMin
            && Double(failed) >= configuration.failureRate * Double(outcomes)
    }

    private mutating func note(failure: Bool) {
        let mask = UInt64.max >> UInt64(64 - configuration.window)
        failures = (failures << 1 | (failure ? 1 : 0)) & mask
        outcomes = min(outcomes + 1, configuration.window)
    }

    private mutating func trip(at now: LoopInstant) {
        // Thirty doublings are beyond any limit.
        let (doubled, overflow) = configuration.openMs.multipliedReportingOverflow(by: 1 << min(openings, 30))
        let waitMs = overflow ? configuration.openMsMax : min(doubled, configuration.openMsMax)
        openings += 1
        move(to: .open(until: now.advanced(byMs: waitMs)))
    }

    private mutating func move(to next: State) {
        state = next
        epoch += 1
        failures = 0
        outcomes = 0
    }
}
