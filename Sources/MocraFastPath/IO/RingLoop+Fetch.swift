// Fetches of a loop: the awaited form. One continuation a fetch, resumed on the loop's thread.
internal import CMocraIO
internal import Glibc

extension RingLoop {
    /// Fetches one response; redirects are not followed.
    ///
    /// Called on the loop (an actor on its serial executor, a task that prefers it) it costs no hop; from
    /// elsewhere it goes through the loop's mailbox.
    ///
    /// `requested` is called on the loop's thread when the request has been handed to the kernel: after the
    /// connection stands, before any answer, again when the request is sent again over another connection,
    /// and not at all when the fetch fails before.
    /// - Errors: `FetchError`; `.cancelled` when the task was cancelled, at whatever point.
    /// - Ownership: the response holds buffers of the loop until it is released.
    public func fetch(
        _ request: FetchRequest, requested: (@Sendable () -> Void)? = nil
    ) async throws(FetchError) -> FetchResponse {
        let ticket = FetchTicket(queue: queue, requested: requested)
        await withTaskCancellationHandler {
            unsafe await withUnsafeContinuation { (continuation: FetchContinuation) in
                if isCurrent {
                    unsafe start(request, ticket, continuation)
                } else {
                    let boxed = unsafe SendableContinuation(continuation)
                    queue.mail(.closure { [self] in unsafe start(request, ticket, boxed.continuation) })
                }
            }
        } onCancel: {
            ticket.cancel()
        }
        switch ticket.takeOutcome() {
        case .failed(let error):
            throw error
        case .response(let token, let status, let address):
            // The slot is held by this token since its completion was polled; its response stays where it is.
            let response = unsafe UnsafePointer<mocra_response>(bitPattern: address)!
            return unsafe FetchResponse(
                ResponseLease(loop: self, token: token, response: response), status: status)
        }
    }

    private func start(_ request: FetchRequest, _ ticket: FetchTicket, _ continuation: FetchContinuation) {
        let tag = unsafe state.table.insert(continuation, ticket)
        let failure: FetchError
        if state.isStopping {
            failure = FetchError(code: MOCRA_ERR_CLOSED.rawValue)
        } else if !ticket.begin(tag: tag) {
            failure = FetchError(code: MOCRA_ERR_CANCELLED.rawValue)
        } else {
            do {
                let token = try submit(request, tag: tag, notifies: ticket.requested != nil)
                state.table.started(tag, token: token)
                state.fetchesInFlight += 1
                return
            } catch {
                failure = error
            }
        }
        finish(tag, .failed(failure))
    }

    /// Tells the task that waits for the tag how its fetch ended.
    private func finish(_ tag: UInt64, _ outcome: FetchTicket.Outcome) {
        guard let (waiting, ticket) = unsafe state.table.remove(tag) else {
            preconditionFailure("a fetch finished that nobody waits for")
        }
        ticket.finish(outcome)
        unsafe waiting.resume()
    }

    /// Writes the request into a slot of the loop and starts it.
    func submit(
        _ request: FetchRequest, tag: UInt64, notifies: Bool, streams: Bool = false
    ) throws(FetchError) -> UInt64 {
        var token: UInt64 = 0
        var memory: UnsafeMutablePointer<UInt8>?
        let route = route(of: request)
        let capacity = writer.capacity(for: request, through: route)
        guard let size = UInt32(exactly: capacity) else {
            throw .configuration("a request of \(capacity) bytes is too large: 4 GiB at most")
        }
        let begun = unsafe mocra_fetch_begin(state.loop, size, &token, &memory)
        guard begun == 0 else { throw FetchError(code: begun) }
        let length: (count: Int, head: Int)
        do {
            length = unsafe try writer.write(
                request, through: route,
                into: UnsafeMutableBufferPointer(start: memory, count: capacity))
        } catch {
            unsafe mocra_fetch_release(state.loop, token)
            throw error
        }
        var options = unsafe fetchOptions(request, tag: tag)
        unsafe options.notify_requested = notifies
        unsafe options.stream_body = streams
        if request.expectsContinue, request.contentLength != 0 {
            unsafe options.expect_bytes = UInt32(length.head)
        }
        if let content = request.content {
            unsafe options.stream_content = true
            unsafe options.content_chunked = content.length == nil
        }
        var host = request.url.host
        host.withUTF8 { bytes in
            unsafe options.host = bytes.baseAddress
            unsafe options.host_length = UInt32(bytes.count)
            unsafe begin(token, length.count, &options, route)
        }
        if let content = request.content { startUpload(content, token: token) }
        return token
    }

    /// The proxy that the request goes through; nil: none.
    func route(of request: FetchRequest) -> FetchRoute? {
        let proxy: FetchProxy?
        switch request.proxy {
        case .asConfigured: proxy = configuration.proxy?.proxy(for: request.url)
        case .direct: proxy = nil
        case .through(let chosen): proxy = chosen
        }
        return proxy.map { FetchRoute($0, to: request.url, configuration.addressPolicy) }
    }

    /// Starts a fetch whose request was written.
    func begin(_ token: UInt64, _ length: Int, _ options: inout mocra_fetch_options, _ route: FetchRoute?) {
        guard let route else {
            unsafe mocra_fetch_start(state.loop, token, UInt32(length), &options)
            return
        }
        unsafe route.withOptions { proxy in
            unsafe options.proxy = unsafe proxy
            unsafe mocra_fetch_start(state.loop, token, UInt32(length), &options)
        }
    }

    func fetchOptions(_ request: FetchRequest, tag: UInt64) -> mocra_fetch_options {
        // A day, as in the configuration: more is no limit, and less than nothing is none left.
        let totalMs = min(max(request.timeoutMs ?? configuration.timeoutMs, 0), 86_400_000)
        return unsafe mocra_fetch_options(
            host: nil, host_length: 0, port: request.url.effectivePort, secure: request.url.isSecure,
            head: request.method == "HEAD",
            repeatable: request.resendsOverFreshConnection && Self.isIdempotent(request.method), tag: tag,
            total_ns: UInt64(totalMs) * 1_000_000,
            connect_ns: UInt64(configuration.connectTimeoutMs) * 1_000_000,
            first_byte_ns: UInt64(configuration.firstByteTimeoutMs) * 1_000_000,
            idle_ns: UInt64(configuration.idleTimeoutMs) * 1_000_000, notify_requested: false,
            http2: configuration.http2, resends: request.resendsOverFreshConnection, stream_body: false,
            stream_content: false, content_chunked: false,
            expect_bytes: 0, body_bytes_max: UInt64(max(request.bodyBytesMax ?? 0, 0)),
            min_bytes_per_s: UInt64(configuration.minRateBytesPerS ?? 0), proxy: nil)
    }

    /// RFC 9110 §9.2.2.
    private static func isIdempotent(_ method: String) -> Bool {
        switch method {
        case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE": true
        default: false
        }
    }

    /// A fetch finished: whoever waits for it is resumed.
    func complete(_ completion: mocra_completion) {
        let tag = completion.tag
        if completion.error == MOCRA_REQUESTED {
            state.table.ticket(tag)?.requested?()
            return
        }
        if completion.error == MOCRA_ROOM {
            state.uploads[completion.token]?.goOn()
            return
        }
        if tag & (FetchBatchRunner.tagBit | Self.streamBit) == Self.streamBit {
            completeStream(completion)
            return
        }
        state.fetchesInFlight -= 1
        state.leases += 1
        if tag & FetchBatchRunner.tagBit != 0 {
            completeInBatch(completion)
            return
        }
        let response = unsafe mocra_fetch_response(state.loop, completion.token)
        if completion.error != 0 {
            let failed = endUpload(completion.token)
            let error = unsafe failed ?? FetchError(code: completion.error, detail: reasonText(response))
            release(completion.token)
            finish(tag, .failed(error))
        } else {
            endUpload(completion.token)
            finish(
                tag,
                .response(
                    token: completion.token, status: Int(completion.status),
                    address: UInt(bitPattern: response)))
        }
    }

    func reasonText(_ response: UnsafePointer<mocra_response>?) -> String {
        guard let response = unsafe response else { return "" }
        return unsafe withUnsafePointer(to: response.pointee.reason) { reason in
            unsafe String(cString: UnsafeRawPointer(reason).assumingMemoryBound(to: CChar.self))
        }
    }

    /// A cancellation that came through the mailbox.
    func cancelFetch(tag: UInt64) {
        guard let token = state.table.token(tag) else { return }
        unsafe mocra_fetch_cancel(state.loop, token)
    }
}

/// A continuation on its way to the loop's thread; it is resumed there once.
///
/// Guard of `@unchecked Sendable`: handed over, never shared.
@safe private struct SendableContinuation: @unchecked Sendable {
    let continuation: FetchContinuation

    init(_ continuation: FetchContinuation) {
        unsafe self.continuation = continuation
    }
}
