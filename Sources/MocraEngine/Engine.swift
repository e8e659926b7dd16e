// The one file that knows all parts of a crawl and wires them: configuration, modules, lanes, sinks.
// What the parts do is theirs; nothing is decided here but the order in which they start and end.

import MocraFastPath
import Synchronization

/// A crawl engine: register modules, add sinks, run once.
///
/// ```swift
/// let engine = try Engine(configuration: configuration)
/// try engine.register(SiteModule(starts: [url]))
/// try engine.add(JSONLinesSink(path: "items.jsonl"))
/// let summary = try await engine.run()
/// ```
/// Isolation: every function may be called from any thread.
public final class Engine: Sendable {
    /// The version of mocra.
    public static let version = "0.1.0"

    /// How a running engine is reached from outside.
    private struct Running: Sendable {
        let coordinator: RunCoordinator
        let startedAt: LoopInstant
        let stopLanes: @Sendable () -> Void
        let report: @Sendable () async -> RunProgress
    }

    private struct State {
        var modules: [CompiledModule] = []
        var sinks: [any Sink] = []
        var isBegun = false
        var running: Running?
        /// Set when the run was over, for whoever asks afterwards.
        var last = RunProgress()
        /// What was asked for before the lanes stood.
        var earlyStop = false
        var earlyCancel = false
    }

    public let configuration: EngineConfiguration
    private let state = Mutex(State())

    /// An engine with that configuration.
    ///
    /// Errors: `EngineError.configuration` with every fault.
    public init(configuration: EngineConfiguration = EngineConfiguration()) throws(EngineError) {
        let errors = configuration.validate()
        guard errors.isEmpty else { throw .configuration(errors) }
        self.configuration = configuration
    }

    // MARK: Before the run

    /// Adds a module, which is checked.
    ///
    /// Errors: `EngineError.module`; `alreadyRun` once the run began.
    public func register<M: Module>(_ module: M) throws(EngineError) {
        let compiled: CompiledModule
        do {
            compiled = try CompiledModule(module)
        } catch {
            throw .module(error)
        }
        try change { state throws(EngineError) in
            guard !state.modules.contains(where: { $0.name == compiled.name }) else {
                throw .module(.duplicateName(compiled.name))
            }
            state.modules.append(compiled)
        }
    }

    /// Adds a spider as a module.
    ///
    /// Errors: as for a module.
    public func register<S: Spider>(_ spider: S) throws(EngineError) {
        try register(SpiderModule(spider: spider))
    }

    /// Adds a sink. Every item goes to every sink; the run closes them.
    ///
    /// Errors: `alreadyRun` once the run began.
    public func add(_ sink: any Sink) throws(EngineError) {
        try change { state in state.sinks.append(sink) }
    }

    private func change(_ body: (inout State) throws(EngineError) -> Void) throws(EngineError) {
        try state.withLock { state throws(EngineError) in
            guard !state.isBegun else { throw .alreadyRun }
            try body(&state)
        }
    }

    // MARK: The run

    /// Crawls until nothing is left, a limit is reached, or the run is stopped.
    ///
    /// Errors: `EngineError`; the sinks are closed once the run has begun, so a start that fails leaves them
    /// as they were. Cancelling the calling task cancels the run,
    /// which then returns with the outcome `cancelled`.
    public func run(_ options: RunOptions = RunOptions()) async throws(EngineError) -> RunSummary {
        let downloader: RingDownloader
        do {
            var fetch = configuration.download.fetch
            fetch.userAgent = configuration.download.effectiveUserAgent
            downloader = try RingDownloader(fetch, loops: Self.threads(configuration.node.ioThreads))
        } catch {
            throw .fetcher(error)
        }
        return try await run(options, downloader: downloader)
    }

    /// As `run(_:)`, with a downloader of the author's own, which the run shuts down.
    ///
    /// Errors: as for `run(_:)`.
    public func run<D: Downloader>(
        _ options: RunOptions = RunOptions(), downloader: D
    ) async throws(EngineError) -> RunSummary {
        let (modules, sinks): ([CompiledModule], [any Sink])
        do throws(EngineError) {
            (modules, sinks) = try begin()
        } catch {
            await downloader.shutdown()
            throw error
        }
        let context = context(options, modules, sinks, laneCount: downloader.lanes.count)
        let lanes = downloader.lanes.enumerated().map { CrawlLane($1, index: $0, context: context) }
        let startedAt = LoopInstant.now()
        await start(lanes, context, startedAt)

        let end = await withTaskCancellationHandler {
            let timer = stopTimer(options)
            defer { timer?.cancel() }
            return await context.coordinator.waitForEnd()
        } onCancel: {
            cancel()
        }

        // Workers end first, since they use everything else; sinks only then, so that no item comes too late.
        for lane in lanes { lane.requestStop() }
        for lane in lanes { await lane.close() }
        var failure = end.failure
        for sink in sinks {
            do throws(SinkError) {
                try await sink.close()
            } catch {
                failure = failure ?? .sink(error)
            }
        }
        var progress = await Self.report(lanes, startedAt)
        var isRight = true
        for lane in lanes where await !lane.isLedgerRight() { isRight = false }
        if let notice = await downloader.notice() { progress.notices.insert(notice, at: 0) }
        await downloader.shutdown()
        context.parserPool.stop()
        progress.inFlight = 0
        finish(progress)
        if let failure { throw failure }
        guard isRight else { throw .ledger(progress.ledger) }
        return RunSummary(run: context.run, outcome: outcome(end, context, progress), progress: progress)
    }

    /// Lets what runs finish and begins nothing more; `run` then returns. What is left stays queued in the
    /// ledger.
    public func stop() {
        stop(.asked)
    }

    /// Breaks off what runs; `run` then returns.
    public func cancel() {
        let running = state.withLock { state in
            if state.running == nil { state.earlyCancel = true }
            return state.running
        }
        running?.coordinator.end(.cancelled)
    }

    /// How far the run is; all nought before it began. Complexity: one visit of each lane, O(hosts).
    public func progress() async -> RunProgress {
        let (running, last) = state.withLock { ($0.running, $0.last) }
        guard let running else { return last }
        return await running.report()
    }

    // MARK: Wiring

    private func begin() throws(EngineError) -> ([CompiledModule], [any Sink]) {
        try state.withLock { state throws(EngineError) in
            guard !state.isBegun else { throw .alreadyRun }
            guard !state.modules.isEmpty else { throw .noModules }
            state.isBegun = true
            return (state.modules, state.sinks)
        }
    }

    private func context(
        _ options: RunOptions, _ modules: [CompiledModule], _ sinks: [any Sink], laneCount: Int
    ) -> RunContext {
        precondition(laneCount > 0, "a downloader needs a lane")
        var system = SystemRandomNumberGenerator()
        let retryPolicy = RetryPolicy(requestMaxRetries: configuration.crawler.requestMaxRetries)
        let frontier = configuration.frontier
        let politeness = configuration.politeness
        return RunContext(
            run: RunIdentifier(using: &system), modules: modules,
            frontierLimits: FrontierLimits(
                maxDepth: frontier.maxDepth, maxPagesPerHost: frontier.maxPagesPerHost,
                maxURLLength: frontier.maxURLLength, delayMs: politeness.delayMs,
                perHostConcurrency: politeness.perHostConcurrency,
                crawlDelayMaxMs: politeness.crawlDelayMaxMs,
                obeysRobots: politeness.robots == .obey, robotsTtlMs: politeness.robotsTtlMs),
            answerPolicy: AnswerPolicy(
                retryPolicy: retryPolicy, maxRedirects: configuration.download.maxRedirects),
            productToken: RunContext.productToken(of: configuration.download.effectiveUserAgent),
            sinks: sinks,
            coordinator: RunCoordinator(
                laneCount: laneCount, moduleCount: modules.count, pagesMax: frontier.maxPages),
            parserPool: ParserPool(threads: Self.threads(configuration.node.parserThreads)),
            workersMax: min(configuration.download.fetch.poolSize, RunContext.workersLimit),
            seed: options.seed ?? system.next())
    }

    /// Makes the lanes known to one another, then gives each module its start.
    private func start<Lane>(
        _ lanes: [CrawlLane<Lane>], _ context: RunContext, _ startedAt: LoopInstant
    ) async {
        for lane in lanes { await lane.connect(lanes) }
        let running = Running(
            coordinator: context.coordinator, startedAt: startedAt,
            stopLanes: { for lane in lanes { lane.requestStop() } },
            report: { await Self.report(lanes, startedAt) })
        // All starts are outstanding before the first of them can be dealt with.
        context.coordinator.addOutstanding(context.modules.count)
        let (stops, cancels) = state.withLock { state in
            state.running = running
            return (state.earlyStop, state.earlyCancel)
        }
        if cancels { return cancel() }
        if stops { return stop() }
        for index in context.modules.indices {
            await lanes[index % lanes.count].start(
                CrawlLane<Lane>.Generation(moduleIndex: index, nodeIndex: 0, input: NoInput(), depth: 0))
        }
    }

    private func finish(_ progress: RunProgress) {
        state.withLock { state in
            state.running = nil
            state.last = progress
        }
    }

    private func stop(_ cause: RunCoordinator.StopCause) {
        let running = state.withLock { state in
            if state.running == nil { state.earlyStop = true }
            return state.running
        }
        guard let running else { return }
        // Asked for again, it is passed on again: the first call may have come before all lanes stood.
        _ = running.coordinator.noteStop(cause)
        running.stopLanes()
    }

    private func stopTimer(_ options: RunOptions) -> Task<Void, Never>? {
        guard let maxTimeMs = options.maxTimeMs else { return nil }
        return Task {
            do {
                try await Task.sleep(for: .milliseconds(maxTimeMs))
            } catch {
                // Cancelled: the run ended before its time.
                return
            }
            self.stop(.maxTime)
        }
    }

    private static func report<Lane>(
        _ lanes: [CrawlLane<Lane>], _ startedAt: LoopInstant
    ) async -> RunProgress {
        var progress = RunProgress()
        for lane in lanes { progress.add(await lane.report()) }
        progress.elapsedMs = startedAt.milliseconds(to: .now())
        return progress
    }

    private func outcome(
        _ end: RunCoordinator.End, _ context: RunContext, _ progress: RunProgress
    ) -> RunOutcome {
        switch end {
        case .cancelled, .failed: return .cancelled
        case .drained:
            return context.coordinator.stopCause == .maxTime ? .limited(.maxTime) : .stopped
        case .completed:
            let refusesPages = context.coordinator.isPageBudgetUsed && progress.skips[.budget, default: 0] > 0
            return refusesPages ? .limited(.maxPages) : .completed
        }
    }

    /// A number of threads, 0 standing for one a core.
    private static func threads(_ configured: Int) -> Int {
        configured > 0 ? configured : max(1, ProcessorCount.available)
    }
}

extension RunCoordinator.End {
    fileprivate var failure: EngineError? {
        switch self {
        case .failed(let error): error
        case .completed, .drained, .cancelled: nil
        }
    }
}
