// One ring loop: a thread with its own io_uring, connections, buffers and jobs. The turn is: completions in,
// their waiters resumed, jobs run (bounded), everything submitted once.
internal import CMocraIO
internal import Dispatch
internal import Glibc
internal import Synchronization

/// One ring loop.
/// - Isolation: every member may be used from any thread unless it says otherwise.
///
/// Guard of `@unchecked Sendable`: `state` is touched only on the loop's thread.
public final class RingLoop: @unchecked Sendable {
    public let index: Int
    /// For `Task(executorPreference: loop.taskExecutor)`.
    public let taskExecutor: RingTaskExecutor
    /// For actors that live on this loop.
    public let serialExecutor: RingSerialExecutor
    let queue: LoopQueue
    let configuration: FetchConfiguration
    let writer: RequestWriter
    var state = LoopState()
    private let stopsAt = Guarded<[CheckedContinuation<Void, Never>]?>([])

    /// What only the loop's thread touches.
    @safe struct LoopState {
        var loop: OpaquePointer?
        var table = FetchTable()
        var timers = LoopTimers()
        var batches: [UInt32: FetchBatchRunner] = [:]
        var lastBatch: UInt32 = 0
        var streams: [UInt64: LoopStream] = [:]
        var lastStream: UInt32 = 0
        var uploads: [UInt64: Upload] = [:]
        var fetchesInFlight = 0
        var leases = 0
        var isStopping = false
    }

    /// How many jobs run in one turn before the ring is looked at again.
    private static let jobsPerTurn = 512
    private static let completionsPerTurn = 256

    init(index: Int, configuration: FetchConfiguration) throws(FetchError) {
        self.index = index
        self.configuration = configuration
        writer = try RequestWriter(
            userAgent: configuration.userAgent, acceptEncoding: configuration.acceptEncoding)
        queue = LoopQueue()
        taskExecutor = RingTaskExecutor(queue: queue)
        serialExecutor = RingSerialExecutor(queue: queue)
        if let fault = configuration.fault { throw .configuration(fault) }
        if let error = startThread() { throw error }
    }

    /// Whether the caller runs on the loop's thread.
    public var isCurrent: Bool { queue.isCurrent }

    /// Runs `job` on the loop, after what is queued already. Wakes a sleeping loop once a batch.
    public func post(_ job: @escaping @Sendable () -> Void) {
        queue.push(.closure(job))
    }

    /// Runs `action` on the loop at `when`, or as soon after it as the loop gets there; not at all when the
    /// loop is shut down before.
    /// - Isolation: on the loop's thread only.
    public func schedule(at when: LoopInstant, _ action: @escaping @Sendable () -> Void) -> LoopTimer {
        precondition(isCurrent, "timers are made on the loop's thread")
        return state.timers.add(at: when, action)
    }

    /// Forgets a timer. No effect when it has fired.
    /// - Isolation: on the loop's thread only.
    public func cancel(_ timer: LoopTimer) {
        precondition(isCurrent, "timers are cancelled on the loop's thread")
        state.timers.cancel(timer)
    }

    /// Gives a fetch slot back.
    func release(_ token: UInt64) {
        if isCurrent {
            finishRelease(token)
        } else {
            queue.mail(.release(token))
        }
    }

    private func finishRelease(_ token: UInt64) {
        state.leases -= 1
        unsafe mocra_fetch_release(state.loop, token)
    }

    // MARK: The thread

    /// Starts the thread, which opens the ring itself: a ring belongs to the thread that opened it.
    private func startThread() -> FetchError? {
        let opened = OpenResult()
        let body = ThreadBody { [self] in
            queue.adoptThread()
            let error = open()
            opened.set(error)
            if error == nil { run() }
        }
        var thread = pthread_t()
        let argument = unsafe Unmanaged.passRetained(body).toOpaque()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument)
        if result != 0 {
            unsafe Unmanaged<ThreadBody>.fromOpaque(argument).release()
            return FetchError(
                kind: .internal, code: "THREAD", message: "a thread could not be started (error \(result))",
                isRetryable: true)
        }
        pthread_detach(thread)
        return opened.wait()
    }

    private func open() -> FetchError? {
        name(thread: "mocra-loop-\(index)")
        var options = unsafe mocra_loop_options(
            receive_buffers: UInt32(configuration.receiveBuffers),
            connections_max: UInt32(configuration.poolSize),
            connections_per_origin_max: UInt32(configuration.poolPerHost),
            streams_per_connection_max: UInt32(configuration.http2StreamsPerConnection),
            fetches_max: 1 << 16,
            header_bytes_max: UInt32(configuration.maxHeaderSizeBytes),
            ratio_max: UInt32(configuration.maxDecompressionRatio),
            body_bytes_max: UInt64(configuration.maxResponseSizeBytes),
            pool_idle_ns: UInt64(configuration.poolIdleMs) * 1_000_000,
            verify_tls: configuration.verifyTLS,
            public_addresses_only: configuration.addressPolicy == .publicOnly,
            ca_file: nil, crl_file: nil, client_cert: nil, client_key: nil,
            tls_version_min: configuration.tlsMinVersion.number,
            dns_servers: nil,
            dns_given: nil,
            hosts_file: nil,
            dns_cache_max: UInt32(configuration.dnsCacheMax),
            dns_timeout_ms: UInt32(configuration.dnsTimeoutMs),
            dns_tries: UInt32(configuration.dnsTries),
            dns_families: Self.families(configuration.addressFamilies),
            pool_max_age_ns: UInt64(configuration.poolMaxAgeMs) * 1_000_000,
            bind_address: nil)
        var texts = CTexts()
        unsafe options.ca_file = unsafe texts.keep(configuration.caFile)
        unsafe options.crl_file = unsafe texts.keep(configuration.crlFile)
        unsafe options.client_cert = unsafe texts.keep(configuration.clientCert)
        unsafe options.client_key = unsafe texts.keep(configuration.clientKey)
        unsafe options.dns_servers = unsafe texts.keep(configuration.dnsServersText)
        unsafe options.dns_given = unsafe texts.keep(configuration.resolveText)
        unsafe options.hosts_file = unsafe texts.keep(configuration.hostsFile)
        unsafe options.bind_address = unsafe texts.keep(configuration.bindAddress)
        var reason = [CChar](repeating: 0, count: Int(MOCRA_REASON_BYTES))
        var loop: OpaquePointer?
        let result = unsafe mocra_loop_create(&options, &loop, &reason)
        texts.free()
        guard result == 0, let loop = unsafe loop else {
            let end = reason.firstIndex(of: 0) ?? reason.endIndex
            let text = String(decoding: reason[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return FetchError(code: result, detail: text)
        }
        unsafe state.loop = loop
        unsafe queue.open(loop: loop)
        return nil
    }

    private static func families(_ families: AddressFamilies) -> mocra_families {
        switch families {
        case .automatic: MOCRA_FAMILIES_PROBED
        case .ipv4: MOCRA_FAMILIES_V4
        case .ipv6: MOCRA_FAMILIES_V6
        case .both: MOCRA_FAMILIES_BOTH
        }
    }

    private func name(thread: String) {
        unsafe mocra_thread_set_name(thread)
    }

    private func run() {
        var completions = [mocra_completion](repeating: mocra_completion(), count: Self.completionsPerTurn)
        while true {
            queue.collectMail()
            runJobs()
            if state.isStopping && isIdle { break }
            let timeout = turnTimeout()
            let count = unsafe mocra_loop_turn(state.loop, timeout, &completions, UInt32(completions.count))
            queue.wakeUp()
            for position in 0..<Int(count) { complete(completions[position]) }
            runBatches()
            while let action = state.timers.expire(at: now) { action() }
        }
        finish()
    }

    /// The time at the last turn.
    /// - Isolation: on the loop's thread only.
    var now: LoopInstant { LoopInstant(nanoseconds: unsafe mocra_loop_now(state.loop)) }

    private var isIdle: Bool { state.fetchesInFlight == 0 && state.leases == 0 && queue.local.count == 0 }

    /// How long the ring may wait: not at all while there is something to do.
    private func turnTimeout() -> UInt64 {
        guard queue.local.count == 0, !state.isStopping || state.fetchesInFlight + state.leases > 0 else {
            return 0
        }
        var timeout = UInt64.max
        if let next = state.timers.next() {
            let current = LoopInstant.now()
            if next <= current { return 0 }
            timeout = next.nanoseconds - current.nanoseconds
        }
        return queue.fallAsleep() ? timeout : 0
    }

    private func runJobs() {
        var left = Self.jobsPerTurn
        while left > 0, let work = queue.local.popFirst() {
            left -= 1
            switch work {
            case .taskJob(let job): unsafe job.runSynchronously(on: taskExecutor.asUnownedTaskExecutor())
            case .serialJob(let job):
                unsafe job.runSynchronously(on: serialExecutor.asUnownedSerialExecutor())
            case .closure(let closure): closure()
            case .release(let token): finishRelease(token)
            case .cancel(let tag): cancelFetch(tag: tag)
            }
        }
    }

    private func finish() {
        let late = queue.close()
        unsafe mocra_loop_destroy(state.loop)
        unsafe state.loop = nil
        mocra_thread_set_current(nil)
        // What came between the last look and the close runs where late work runs.
        for work in late { queue.mail(work) }
        let waiting = stopsAt.withLock { waiting in
            defer { waiting = nil }
            return waiting ?? []
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Cancels what runs; the thread ends once every response was released.
    func requestStop() {
        queue.mail(
            .closure { [self] in
                guard !state.isStopping else { return }
                state.isStopping = true
                unsafe mocra_loop_cancel_all(state.loop)
            })
    }

    /// Stops the loop and waits until its thread has closed everything.
    func shutdown() async {
        requestStop()
        await withCheckedContinuation { continuation in
            let isOver = stopsAt.withLock { waiting in
                waiting?.append(continuation)
                return waiting == nil
            }
            if isOver { continuation.resume() }
        }
    }
}

/// The closure that a thread runs.
private final class ThreadBody {
    let run: () -> Void

    init(_ run: @escaping () -> Void) {
        self.run = run
    }
}

/// Waits, blocking, for the thread to say whether its ring is open: a matter of microseconds, once a loop.
private final class OpenResult: Sendable {
    private let done = DispatchSemaphore(value: 0)
    private let error = Guarded<FetchError?>(nil)

    func set(_ value: FetchError?) {
        error.withLock { $0 = value }
        done.signal()
    }

    func wait() -> FetchError? {
        done.wait()
        return error.withLock { $0 }
    }
}
