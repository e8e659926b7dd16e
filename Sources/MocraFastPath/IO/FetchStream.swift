// A response whose body is read while it arrives. The loop puts pieces into a mailbox of the stream; what its
// reader holds or has not read yet counts against a window of 256 KiB, after which the server has to wait.
internal import CMocraIO
internal import Synchronization

/// A response whose body is read piece by piece.
/// - Ownership: dropping it ends the fetch, at whatever point.
/// - Isolation: any task; one reader at a time.
public struct FetchStream: ~Copyable, Sendable {
    /// The status code.
    public let status: Int
    /// In the order in which they came.
    public let headers: [HTTPField]
    /// Came over HTTP/2.
    public let isHTTP2: Bool
    /// The phases up to the head; `totalUs` is 0 unless the whole body came with it.
    public let timing: FetchTiming
    /// What the connection's handshake agreed on; nil without TLS.
    public let tls: FetchTLS?
    private let mailbox: StreamMailbox

    init(_ mailbox: StreamMailbox, head: StreamMailbox.Head) {
        self.mailbox = mailbox
        status = head.status
        headers = head.headers
        isHTTP2 = head.isHTTP2
        timing = head.timing
        tls = head.tls
    }

    /// The value of the first field with this name, which is given in lower case.
    public borrowing func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }?.value
    }

    /// The next piece of the decoded body; nil once it is whole, or cut at its limit (`isTruncated`).
    /// - Errors: `FetchError`, when the body could not be read to its end, as soon as that is known;
    ///   `.cancelled` with the task.
    public mutating func next() async throws(FetchError) -> BodyPiece? {
        guard let piece = try await mailbox.nextPiece() else { return nil }
        return piece.leased()
    }

    /// How the body ended, once `next` returned nil: whether it was cut at its limit.
    public borrowing func isTruncated() -> Bool { mailbox.isTruncated }

    deinit { mailbox.abandon() }
}

/// A piece of a body, in the buffer in which it was received.
/// - Ownership: holds the buffer until it is destroyed; on any thread.
public struct BodyPiece: ~Copyable, Sendable {
    private let piece: RawPiece

    fileprivate init(_ piece: RawPiece) { self.piece = piece }

    /// In bytes, above 0.
    public var count: Int { piece.count }

    /// Reads the bytes in place.
    public borrowing func withBytes<R, E: Error>(_ read: (RawSpan) throws(E) -> R) throws(E) -> R {
        let bytes = unsafe UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: piece.address), count: piece.count)
        return try read(unsafe RawSpan(_unsafeBytes: bytes))
    }

    /// The bytes as an array.
    public borrowing func copy() -> [UInt8] {
        withBytes { span in unsafe span.withUnsafeBytes { unsafe Array($0) } }
    }

    deinit { piece.giveBack() }
}

/// A piece as integers, given back once: by `BodyPiece`, or by the mailbox that nobody reads any more.
struct RawPiece: Sendable {
    let loop: RingLoop
    let address: UInt
    let count: Int
    let token: UInt64
    let buffer: UInt32

    func leased() -> BodyPiece { BodyPiece(self) }

    func giveBack() {
        if loop.isCurrent {
            loop.finishRelease(self)
        } else {
            loop.post { loop.finishRelease(self) }
        }
    }
}

/// What a stream and its loop share.
final class StreamMailbox: Sendable {
    struct Head: Sendable {
        var status = 0
        var headers: [HTTPField] = []
        var isHTTP2 = false
        var timing = FetchTiming()
        var tls: FetchTLS?
    }

    /// Guard of `@unchecked Sendable`: resumed once, by whoever took it out of the guarded state.
    @safe private struct Waiter: @unchecked Sendable {
        let continuation: UnsafeContinuation<Void, Never>
    }

    private struct State: Sendable {
        var head: Head?
        var pieces: [RawPiece] = []
        /// How the fetch ended: nil error means whole.
        var isOver = false
        var error: FetchError?
        var isTruncated = false
        var isAbandoned = false
        /// Before it was started, it is not any more.
        var isCancelled = false
        var tag: UInt64?
        var waiter: Waiter?
    }

    private let loop: RingLoop
    private let state = Guarded(State())

    init(loop: RingLoop) { self.loop = loop }

    var isTruncated: Bool { state.withLock { $0.isTruncated } }

    // MARK: The reader's side

    func head() async throws(FetchError) -> Head {
        while true {
            let (head, error, isOver) = state.withLock { ($0.head, $0.error, $0.isOver) }
            if let head { return head }
            if let error { throw error }
            guard !isOver else {
                throw FetchError(
                    kind: .internal, code: "STREAM", message: "the answer ended without a head",
                    isRetryable: false)
            }
            await waitUntil { $0.head != nil || $0.isOver }
        }
    }

    func nextPiece() async throws(FetchError) -> RawPiece? {
        while true {
            let (piece, isOver, error): (RawPiece?, Bool, FetchError?) = state.withLock { state in
                if !state.pieces.isEmpty { return (state.pieces.removeFirst(), false, nil) }
                return (nil, state.isOver, state.error)
            }
            if let piece { return piece }
            if let error { throw error }
            if isOver { return nil }
            await waitUntil { !$0.pieces.isEmpty || $0.isOver }
        }
    }

    /// Returns when `isThere` may hold. A cancelled task waits for the end of its fetch, which comes at once.
    private func waitUntil(_ isThere: @Sendable (State) -> Bool) async {
        await withTaskCancellationHandler {
            unsafe await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
                let hasNews = state.withLock { state in
                    precondition(state.waiter == nil, "a stream has one reader at a time")
                    if isThere(state) { return true }
                    unsafe state.waiter = Waiter(continuation: continuation)
                    return false
                }
                if hasNews { unsafe continuation.resume() }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Through the mailbox even on the loop's own thread: behind the start, which may be there still.
    private func cancel() {
        state.withLock { $0.isCancelled = true }
        loop.queue.mail(.closure { [self] in loop.cancelStream(self) })
    }

    /// The reader is gone.
    func abandon() {
        let pieces = state.withLock { state in
            state.isAbandoned = true
            defer { state.pieces = [] }
            return state.pieces
        }
        for piece in pieces { piece.giveBack() }
        if !state.withLock({ $0.isOver }) { cancel() }
    }

    // MARK: The loop's side

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    var tag: UInt64? {
        get { state.withLock { $0.tag } }
        set { state.withLock { $0.tag = newValue } }
    }

    func headArrived(_ head: Head) { tell { $0.head = head } }

    func arrived(_ pieces: [RawPiece]) {
        let (isAbandoned, waiter) = state.withLock { state in
            if !state.isAbandoned { state.pieces += pieces }
            return (state.isAbandoned, state.waiter.take())
        }
        if isAbandoned { for piece in pieces { piece.giveBack() } }
        if let waiter { unsafe waiter.continuation.resume() }
    }

    func ended(_ error: FetchError?, isTruncated: Bool) {
        // Of a body that is not whole nothing is handed out any more.
        let dropped = state.withLock { state in
            guard error != nil else { return [RawPiece]() }
            defer { state.pieces = [] }
            return state.pieces
        }
        for piece in dropped { piece.giveBack() }
        tell { state in
            state.isOver = true
            state.error = error
            state.isTruncated = isTruncated
            state.tag = nil
        }
    }

    private func tell(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            return state.waiter.take()
        }
        if let waiter { unsafe waiter.continuation.resume() }
    }
}
