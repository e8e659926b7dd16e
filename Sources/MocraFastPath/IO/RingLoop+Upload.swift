// Content that is made while it is sent: a task on the loop asks for it, piece by piece, as there is room.
internal import CMocraIO

extension RingLoop {
    /// Pushes the content of a fetch that was just started.
    func startUpload(_ content: FetchContent, token: UInt64) {
        let upload = Upload()
        state.uploads[token] = upload
        upload.task = Task(executorPreference: taskExecutor) { [self] in
            var left = content.length
            do {
                var isLast = false
                while !isLast, !upload.isOver {
                    let piece = try await content.next()
                    isLast = piece == nil
                    let bytes = piece ?? []
                    if let expected = left {
                        left = expected - bytes.count
                        if expected < bytes.count || isLast && expected > 0 { throw WrongLength() }
                    }
                    if await !push(bytes, isLast: isLast, upload, token: token) { return }
                }
            } catch {
                fail(upload, token: token, error)
            }
        }
    }

    /// False when the fetch is over.
    private func push(_ bytes: [UInt8], isLast: Bool, _ upload: Upload, token: UInt64) async -> Bool {
        precondition(isCurrent, "content is pushed on the loop's thread")
        guard !upload.isOver else { return false }
        let result = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe mocra_fetch_push(state.loop, token, buffer.baseAddress, buffer.count, isLast)
        }
        if result == MOCRA_MORE { await upload.room() }
        return !upload.isOver
    }

    private func fail(_ upload: Upload, token: UInt64, _ error: any Error) {
        guard !upload.isOver else { return }
        upload.error = FetchError(
            kind: .internal, code: "CONTENT", message: "the request's content could not be made: \(error)",
            isRetryable: false)
        unsafe mocra_fetch_cancel(state.loop, token)
    }

    /// The fetch is over.
    /// - Returns: why its content could not be made, if that ended it.
    @discardableResult
    func endUpload(_ token: UInt64) -> FetchError? {
        guard !state.uploads.isEmpty, let upload = state.uploads.removeValue(forKey: token) else {
            return nil
        }
        upload.isOver = true
        upload.task?.cancel()
        upload.goOn()
        return upload.error
    }
}

private struct WrongLength: Error, CustomStringConvertible {
    var description: String { "it has another length than it was said to have" }
}

/// The content of one fetch.
///
/// Guard of `@unchecked Sendable`: touched only on the loop's thread.
@safe final class Upload: @unchecked Sendable {
    var isOver = false
    var error: FetchError?
    /// Asks for the content; cancelled when the fetch is over.
    var task: Task<Void, Never>?
    private var waiter: UnsafeContinuation<Void, Never>?

    /// Returns when there is room, or the fetch is over.
    func room() async {
        unsafe await withUnsafeContinuation { unsafe waiter = $0 }
    }

    func goOn() {
        unsafe waiter.take()?.resume()
    }
}
