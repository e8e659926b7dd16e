// Fetches of a loop: the streamed form. The head comes first, then pieces as they arrive, then the end.
internal import CMocraIO

extension RingLoop {
    /// Marks the tags of streams; those of awaited fetches and of batches have it clear.
    static let streamBit: UInt64 = 1 << 62

    /// Starts a fetch and returns when its head is there; the body is read with `next`. Redirects are not
    /// followed. The body is cut at the request's `bodyBytesMax` or at `maxResponseSizeBytes`. Of it at most
    /// 256 KiB wait for their reader, then the server has to.
    /// - Errors: `FetchError`; `.cancelled` when the task was cancelled.
    public func stream(_ request: FetchRequest) async throws(FetchError) -> FetchStream {
        let mailbox = StreamMailbox(loop: self)
        if isCurrent {
            startStream(request, mailbox)
        } else {
            post { [self] in startStream(request, mailbox) }
        }
        do {
            return FetchStream(mailbox, head: try await mailbox.head())
        } catch {
            mailbox.abandon()
            throw error
        }
    }

    private func startStream(_ request: FetchRequest, _ mailbox: StreamMailbox) {
        guard !state.isStopping, !mailbox.isCancelled else {
            let code = state.isStopping ? MOCRA_ERR_CLOSED : MOCRA_ERR_CANCELLED
            mailbox.ended(FetchError(code: code.rawValue), isTruncated: false)
            return
        }
        state.lastStream &+= 1
        let tag = Self.streamBit | UInt64(state.lastStream)
        do throws(FetchError) {
            let token = try submit(request, tag: tag, notifies: false, streams: true)
            state.streams[tag] = LoopStream(token: token, mailbox: mailbox)
            state.fetchesInFlight += 1
            mailbox.tag = tag
        } catch {
            mailbox.ended(error, isTruncated: false)
        }
    }

    /// Ends the fetch of a stream that nobody reads any more. No effect when it is over.
    func cancelStream(_ mailbox: StreamMailbox) {
        guard let tag = mailbox.tag, let stream = state.streams[tag] else { return }
        unsafe mocra_fetch_cancel(state.loop, stream.token)
    }

    func completeStream(_ completion: mocra_completion) {
        guard let stream = state.streams[completion.tag] else {
            preconditionFailure("a stream that nobody reads has news")
        }
        switch completion.error {
        case MOCRA_HEAD:
            // A fetch that failed since has no head any more; its end follows.
            if let head = head(completion) { stream.mailbox.headArrived(head) }
        case MOCRA_PIECES:
            stream.mailbox.arrived(takePieces(completion.token))
        default:
            stream.mailbox.arrived(takePieces(completion.token))
            state.fetchesInFlight -= 1
            state.streams[completion.tag] = nil
            let response = unsafe mocra_fetch_response(state.loop, completion.token)
            let isTruncated = unsafe (response?.pointee.flags ?? 0) & UInt32(MOCRA_RESPONSE_TRUNCATED) != 0
            let failed = endUpload(completion.token)
            let error =
                completion.error == 0
                ? nil : unsafe failed ?? FetchError(code: completion.error, detail: reasonText(response))
            unsafe mocra_fetch_release(state.loop, completion.token)
            stream.mailbox.ended(error, isTruncated: isTruncated)
        }
    }

    private func head(_ completion: mocra_completion) -> StreamMailbox.Head? {
        var head = StreamMailbox.Head(status: Int(completion.status))
        guard let response = unsafe mocra_fetch_response(state.loop, completion.token),
            let parsed = unsafe response.pointee.head, let data = unsafe response.pointee.head_data
        else { return nil }
        unsafe head.isHTTP2 = response.pointee.flags & UInt32(MOCRA_RESPONSE_HTTP2) != 0
        head.timing = unsafe FetchTiming(response)
        head.tls = unsafe FetchTLS(response)
        for index in 0..<Int32(unsafe parsed.pointee.header_count) {
            let (name, value) = unsafe ResponseLease.field(parsed, data, index)
            head.headers.append(HTTPField(name, value))
        }
        return head
    }

    private func takePieces(_ token: UInt64) -> [RawPiece] {
        var pieces: [RawPiece] = []
        var piece = unsafe mocra_piece()
        while unsafe mocra_fetch_take_piece(state.loop, token, &piece) {
            state.leases += 1
            unsafe pieces.append(
                RawPiece(
                    loop: self, address: UInt(bitPattern: piece.data), count: Int(piece.length),
                    token: piece.token, buffer: piece.buffer))
        }
        return pieces
    }

    func finishRelease(_ piece: RawPiece) {
        state.leases -= 1
        var raw = unsafe mocra_piece(
            data: UnsafePointer(bitPattern: piece.address), length: UInt64(piece.count), token: piece.token,
            buffer: piece.buffer)
        unsafe mocra_piece_release(state.loop, &raw)
    }
}

/// A stream that runs on a loop.
struct LoopStream {
    let token: UInt64
    let mailbox: StreamMailbox
}
