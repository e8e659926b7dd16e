// One lane of a run: its frontier, the workers that do what the frontier says, and their life cycle.
// What a worker does with a page is in CrawlLane+Pages, with robots.txt in +Robots, with requests in
// +Requests.

import MocraFastPath

/// The frontier of a lane's hosts and the workers that serve it, all on the lane's thread.
///
/// A worker is a task that lives as long as the run: it takes what is next, does it, and parks when there is
/// nothing. There is no task a request and no lock; other lanes send messages.
actor CrawlLane<Lane: DownloadLane> {
    /// What another lane has for this one.
    enum Message: Sendable {
        case candidates([FrontierCandidate<PendingRequest>])
        case ticket(RobotsTicket, notBefore: LoopInstant)
        case robotsKnown(RobotsOutcome, home: WebURL)
    }

    /// What a worker does next.
    enum Job {
        case generate(Generation)
        case page(RequestID)
        case fail(RequestID, FetchFailure)
        case robots(RobotsTicket)
    }

    /// An input for a node, to be turned into requests.
    struct Generation: Sendable {
        var moduleIndex: Int
        var nodeIndex: Int
        var input: any Codable & Sendable
        var depth: Int
        var parent: WebURL?
        var retries = 0
    }

    @safe struct ParkedWorker {
        let continuation: UnsafeContinuation<Void, Never>

        func resume() { unsafe continuation.resume() }
    }

    nonisolated let lane: Lane
    let index: Int
    let context: RunContext
    let extractors = ExtractorPool()
    var peers: [CrawlLane] = []

    var frontier: FrontierMachine<PendingRequest>
    var random: RandomSource
    var counters = RunCounters()
    var inFlight = 0
    var notices: [RunNotice] = []
    var noticesLeftOut = 0
    /// Answers by the frontier's host index.
    var hostFetches: [HostFetches] = []

    private var generations: [Generation] = []
    private var alarm: (at: LoopInstant, handle: Lane.Alarm)?
    private var workers: [Task<Void, Never>] = []
    private var working = 0
    private var parked: [ParkedWorker] = []
    private var isStopping = false
    private var isClosing = false

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe lane.executor }

    init(_ lane: Lane, index: Int, context: RunContext) {
        self.lane = lane
        self.index = index
        self.context = context
        frontier = FrontierMachine(context.frontierLimits)
        random = RandomSource(seed: context.seed &+ UInt64(index))
    }

    // MARK: Life cycle

    /// Tells the lane of the others. Before anything else.
    func connect(_ peers: [CrawlLane]) {
        self.peers = peers
    }

    /// Starts the first node of a module. The generation counts as outstanding already.
    func start(_ generation: Generation) {
        generations.append(generation)
        pump()
    }

    /// Begins nothing more. From any thread.
    nonisolated func requestStop() {
        lane.post {
            self.assumeIsolated { $0.stop() }
        }
    }

    /// A module wants the run to end: this lane begins nothing more from now on, the others soon.
    func stopRun() {
        _ = context.coordinator.noteStop(.asked)
        stop()
        for peer in peers where peer !== self { peer.requestStop() }
    }

    private func stop() {
        guard !isStopping else { return }
        isStopping = true
        context.coordinator.laneStopped()
    }

    /// Ends the workers, breaking off what they still do, and returns when none is left.
    ///
    /// After a run that completed or drained they do nothing that matters: no URL is outstanding, or none
    /// active.
    func close() async {
        stop()
        isClosing = true
        for worker in workers { worker.cancel() }
        if let alarm { lane.cancelAlarm(alarm.handle) }
        alarm = nil
        let waiting = parked
        parked = []
        for worker in waiting { worker.resume() }
        for worker in workers { await worker.value }
        workers = []
        peers = []
    }

    // MARK: Workers

    /// Wakes a worker if there is something to do. After every event that may have brought work.
    func pump() {
        guard !isStopping, hasWork() else { return }
        if let worker = parked.popLast() {
            worker.resume()
        } else if working == workers.count, workers.count < context.workersMax {
            // Counted as working from now on, so that one event makes one worker.
            working += 1
            workers.append(Task { await self.work() })
        }
    }

    private func hasWork() -> Bool {
        if !generations.isEmpty { return true }
        guard let readyAt = frontier.readyAt else { return false }
        if readyAt <= LoopInstant.now() { return true }
        setAlarm(at: readyAt)
        return false
    }

    private func work() async {
        while true {
            if let job = nextJob() {
                // More than one thing may have become ready at once.
                pump()
                await perform(job)
                context.coordinator.ended()
                continue
            }
            if isClosing { break }
            working -= 1
            unsafe await withUnsafeContinuation {
                unsafe parked.append(ParkedWorker(continuation: unsafe $0))
            }
            working += 1
        }
        working -= 1
    }

    /// The next thing to do, counted as active; nil when there is nothing now.
    private func nextJob() -> Job? {
        guard !isStopping else { return nil }
        let job = chooseJob()
        if job != nil { context.coordinator.began() }
        return job
    }

    private func chooseJob() -> Job? {
        if let generation = generations.popLast() { return .generate(generation) }
        while true {
            let now = LoopInstant.now()
            switch frontier.next(at: now) {
            case .fetch(let id):
                if frontier.entry(id).starts == 1 {
                    switch context.coordinator.takePage() {
                    case .granted: break
                    case .grantedLast: announceUsedBudget()
                    case .refused:
                        frontier.fetchEnded(id, sentAt: nil)
                        frontier.refuse(id, .budget)
                        context.coordinator.removeOutstanding(1)
                        refuseUnstarted()
                        continue
                    }
                }
                return .page(id)
            case .fetchRobots(let ticket):
                return .robots(ticket)
            case .skip(let id, let reason):
                skip(id, reason)
            case .fail(let id, let failure):
                return .fail(id, failure)
            case .wait(let instant):
                setAlarm(at: instant)
                return nil
            case .idle:
                return nil
            }
        }
    }

    private func perform(_ job: Job) async {
        switch job {
        case .generate(let generation): await generate(generation)
        case .page(let id): await crawl(id)
        case .fail(let id, let failure): await end(id, failure, fetchMs: 0)
        case .robots(let ticket): await fetchRobots(ticket)
        }
    }

    // MARK: Alarms

    /// One alarm a lane, for the first host that becomes ready.
    private func setAlarm(at instant: LoopInstant) {
        if let alarm {
            guard instant < alarm.at else { return }
            lane.cancelAlarm(alarm.handle)
        }
        let handle = lane.setAlarm(at: instant) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.alarmRang() }
        }
        alarm = (instant, handle)
    }

    private func alarmRang() {
        alarm = nil
        pump()
    }

    /// Starts a generation again after a pause.
    func retry(_ generation: Generation, afterMs: Int) {
        _ = lane.setAlarm(at: LoopInstant.now().advanced(byMs: afterMs)) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.start(generation) }
        }
    }

    // MARK: The page budget

    private func announceUsedBudget() {
        refuseUnstarted()
        for peer in peers where peer !== self {
            context.coordinator.began()
            peer.lane.post {
                peer.assumeIsolated { $0.refuseUnstarted() }
                peer.context.coordinator.ended()
            }
        }
    }

    private func refuseUnstarted() {
        context.coordinator.removeOutstanding(frontier.refuseUnstarted(.budget))
    }

    // MARK: Messages

    /// Takes what another lane sent. The sender counted it as active.
    private func receive(_ message: Message) {
        switch message {
        case .candidates(let candidates):
            context.coordinator.removeOutstanding(candidates.count - admit(candidates))
        case .ticket(let ticket, let notBefore):
            frontier.enqueue(ticket, notBefore: notBefore)
        case .robotsKnown(let outcome, let home):
            frontier.robotsKnown(outcome, of: home, at: LoopInstant.now())
        }
        pump()
    }

    /// Sends to a lane, or takes it at once when that is this one.
    ///
    /// Never waits: a frontier takes whatever is found, so two lanes cannot wait for each other. What bounds
    /// the mailbox is that each worker sends the links of one page and then fetches again.
    func send(_ message: Message, to peer: CrawlLane) {
        guard peer !== self else { return receive(message) }
        context.coordinator.began()
        peer.lane.post {
            peer.assumeIsolated { $0.receive(message) }
            peer.context.coordinator.ended()
        }
    }

    /// The lane that has the URL's host.
    func owner(of url: WebURL) -> CrawlLane {
        peers[RunContext.lane(of: url, count: peers.count)]
    }
}
