// The batch interface: a closure runs on the loop once a turn, takes what finished and submits more. No task,
// no continuation and no closure a fetch.
internal import CMocraIO

/// A request written once, to be sent many times.
public struct PreparedFetch: Sendable {
    let request: FetchRequest
    let bytes: [UInt8]
    let host: [UInt8]
    let route: FetchRoute?
}

/// A finished fetch of a batch.
public struct FetchBatchCompletion: ~Copyable, Sendable {
    /// As given to `submit`.
    public let tag: UInt32
    /// Why the fetch failed, or nil.
    public let error: FetchError?
    /// 0 when the fetch failed.
    public let status: Int
    /// Head and body as they came over HTTP.
    public let wireBytes: Int
    // Not public itself: the optimizer of Swift 6.3 fails on a public setter whose type has a deinit inside.
    private var response: FetchResponse?

    init(tag: UInt32, error: FetchError) {
        self.tag = tag
        self.error = error
        status = 0
        wireBytes = 0
        response = nil
    }

    init(tag: UInt32, response: consuming FetchResponse) {
        self.tag = tag
        error = nil
        status = response.status
        wireBytes = response.wireBytes
        self.response = consume response
    }

    /// The response; nil when the fetch failed or it was taken before. What is not taken is released with
    /// this value.
    public mutating func takeResponse() -> FetchResponse? {
        response.take()
    }
}

/// What the closure of `RingLoop.runBatch` works with. Valid inside the closure only.
public struct FetchBatch: ~Copyable {
    private let runner: FetchBatchRunner

    init(_ runner: FetchBatchRunner) {
        self.runner = runner
    }

    /// Fetches that were submitted and not taken with `next`.
    public var inFlight: Int { runner.inFlight }

    /// Starts a fetch.
    /// - Errors: when the loop has no slot left or is shutting down.
    public mutating func submit(_ prepared: borrowing PreparedFetch, tag: UInt32) throws(FetchError) {
        try runner.submit(prepared, tag: tag)
    }

    /// The next finished fetch of this turn, in the order of finishing.
    public mutating func next() -> FetchBatchCompletion? {
        runner.next()
    }
}

/// The state of one running batch; used on the loop's thread only.
@safe final class FetchBatchRunner {
    static let tagBit: UInt64 = 1 << 63

    private let loop: RingLoop
    private let identifier: UInt32
    private let step: (inout FetchBatch) -> Void
    private var finished: [mocra_completion] = []
    private var position = 0
    private(set) var inFlight = 0
    private(set) var isReady = true
    let done: UnsafeContinuation<Void, Never>

    init(
        loop: RingLoop, identifier: UInt32, step: @escaping (inout FetchBatch) -> Void,
        done: UnsafeContinuation<Void, Never>
    ) {
        self.loop = loop
        self.identifier = identifier
        self.step = step
        unsafe self.done = done
    }

    func submit(_ prepared: PreparedFetch, tag: UInt32) throws(FetchError) {
        if loop.state.isStopping { throw FetchError(code: MOCRA_ERR_CLOSED.rawValue) }
        var token: UInt64 = 0
        var memory: UnsafeMutablePointer<UInt8>?
        let begun = unsafe mocra_fetch_begin(loop.state.loop, UInt32(prepared.bytes.count), &token, &memory)
        guard begun == 0, let memory = unsafe memory else { throw FetchError(code: begun) }
        unsafe prepared.bytes.withUnsafeBufferPointer { bytes in
            guard let source = bytes.baseAddress else { return }
            unsafe memory.update(from: source, count: bytes.count)
        }
        // Bit 63 says batch, then 31 bits which one, then the caller's tag.
        var options = unsafe loop.fetchOptions(
            prepared.request, tag: Self.tagBit | UInt64(identifier) << 32 | UInt64(tag))
        unsafe prepared.host.withUnsafeBufferPointer { host in
            unsafe options.host = host.baseAddress
            unsafe options.host_length = UInt32(host.count)
            unsafe loop.begin(token, prepared.bytes.count, &options, prepared.route)
        }
        loop.state.fetchesInFlight += 1
        inFlight += 1
    }

    func finish(_ completion: mocra_completion) {
        finished.append(completion)
        isReady = true
    }

    func next() -> FetchBatchCompletion? {
        guard position < finished.count else { return nil }
        let completion = finished[position]
        position += 1
        inFlight -= 1
        let tag = UInt32(truncatingIfNeeded: completion.tag)
        let response = unsafe mocra_fetch_response(loop.state.loop, completion.token)
        if completion.error != 0 {
            let error = unsafe FetchError(code: completion.error, detail: loop.reasonText(response))
            loop.release(completion.token)
            return FetchBatchCompletion(tag: tag, error: error)
        }
        guard let response = unsafe response else { return nil }
        let lease = unsafe ResponseLease(loop: loop, token: completion.token, response: response)
        return FetchBatchCompletion(
            tag: tag, response: FetchResponse(lease, status: Int(completion.status)))
    }

    /// Runs the closure on what finished. True when the batch is over.
    func turn() -> Bool {
        isReady = false
        var batch = FetchBatch(self)
        step(&batch)
        while let rest = next() { _ = consume rest }
        finished.removeAll(keepingCapacity: true)
        position = 0
        return inFlight == 0
    }
}

extension RingLoop {
    /// Writes a request once for many submissions.
    /// - Errors: `.config` when a field is not valid.
    public func prepare(_ request: FetchRequest) throws(FetchError) -> PreparedFetch {
        let route = route(of: request)
        let capacity = writer.capacity(for: request, through: route)
        guard UInt32(exactly: capacity) != nil else {
            throw .configuration("a request of 4 GiB or more is too large")
        }
        guard request.content == nil, !request.expectsContinue else {
            throw .configuration("a prepared request carries its content in `body`, sent at once")
        }
        var failure: FetchError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) {
            memory, count in
            do throws(FetchError) {
                count = unsafe try writer.write(request, through: route, into: memory).count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return PreparedFetch(request: request, bytes: bytes, host: Array(request.url.host.utf8), route: route)
    }

    /// Runs `step` on the loop: once at the start, then in every turn in which fetches of this batch
    /// finished, until none is in flight after a step. What a step does not take with `next` is released.
    /// - Isolation: `step` runs on the loop's thread and must not block.
    public func runBatch(_ step: @escaping @Sendable (inout FetchBatch) -> Void) async {
        await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let done = unsafe BatchContinuation(continuation)
            queue.push(.closure { [self] in unsafe beginBatch(step, done.continuation) })
        }
    }

    private func beginBatch(
        _ step: @escaping @Sendable (inout FetchBatch) -> Void, _ done: UnsafeContinuation<Void, Never>
    ) {
        state.lastBatch = (state.lastBatch + 1) & 0x7fff_ffff
        let runner = unsafe FetchBatchRunner(loop: self, identifier: state.lastBatch, step: step, done: done)
        state.batches[state.lastBatch] = runner
        turnBatch(state.lastBatch, runner)
    }

    func completeInBatch(_ completion: mocra_completion) {
        let identifier = UInt32((completion.tag & ~FetchBatchRunner.tagBit) >> 32)
        guard let runner = state.batches[identifier] else {
            preconditionFailure("a fetch finished whose batch is gone")
        }
        runner.finish(completion)
    }

    func runBatches() {
        if state.batches.isEmpty { return }
        for (identifier, runner) in state.batches where runner.isReady { turnBatch(identifier, runner) }
    }

    private func turnBatch(_ identifier: UInt32, _ runner: FetchBatchRunner) {
        guard runner.turn() else { return }
        state.batches[identifier] = nil
        unsafe runner.done.resume()
    }
}

/// A continuation on its way to the loop's thread; it is resumed there once.
///
/// Guard of `@unchecked Sendable`: handed over, never shared.
@safe private struct BatchContinuation: @unchecked Sendable {
    let continuation: UnsafeContinuation<Void, Never>

    init(_ continuation: UnsafeContinuation<Void, Never>) {
        unsafe self.continuation = continuation
    }
}
