// The file or pipe behind the JSON Lines sink: whole lines in, system calls out.
// Must not know what the lines say.
import Glibc
import Synchronization

/// Appends whole lines to a file, a pipe or standard output.
///
/// Lines collect in a buffer that is written when it is large enough, at `flush` and at `close`. A slow
/// reader holds the writers up (backpressure): nothing is dropped.
///
/// A failure is final: the same error comes back from every later call, and lines that did not reach the
/// system are lost with it. A regular file that ran full is cut back to its last whole line where the system
/// allows.
///
/// Isolation: any thread; a call may block for as long as the disk or the reader takes, so not on a ring
/// loop.
/// Ownership: owns its descriptor, except standard output, which `close` leaves open.
public final class JSONLinesFile: Sendable {
    /// The path as given; `-` is standard output.
    public let path: String
    /// Bytes that collect before they are written.
    public let bufferBytes: Int
    /// How long the reader of a pipe may take nothing; nil waits for ever.
    public let stallTimeoutMs: Int?

    private struct State {
        var descriptor: Int32
        var pending: [UInt8] = []
        /// Bytes of the regular file that end with a whole line.
        var wholeBytes: off_t
        /// Nothing of what the file held before is left, or it is to be kept.
        var isReplaced: Bool
        var failure: SinkError?
    }

    private let state: Mutex<State>
    private let isRegular: Bool
    /// A pipe that polls as writable takes this much without blocking (POSIX, PIPE_BUF).
    private static let pipeBytes = 4_096

    /// Opens the output. A file is created if it is missing; unless `appending`, what it holds is replaced by
    /// the first write, or by a close without one, so that a start that fails leaves it as it was.
    ///
    /// Errors: `SinkError.cannotOpen`, for a directory too.
    public init(
        path: String, appending: Bool = false, bufferBytes: Int = 256 << 10, stallTimeoutMs: Int? = nil
    ) throws(SinkError) {
        precondition(bufferBytes > 0 && stallTimeoutMs ?? 1 > 0)
        var descriptor = STDOUT_FILENO
        if path != "-" {
            guard !path.utf8.contains(0) else {
                throw .cannotOpen(path: path, reason: "a path cannot contain a NUL byte")
            }
            let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND
            repeat { descriptor = unsafe open(path, flags, 0o666) } while descriptor < 0 && errno == EINTR
            guard descriptor >= 0 else { throw .cannotOpen(path: path, reason: Self.reason(errno)) }
        }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            let failure = errno
            if path != "-" { _ = Glibc.close(descriptor) }
            throw .cannotOpen(path: path, reason: Self.reason(failure))
        }
        self.path = path
        self.bufferBytes = bufferBytes
        self.stallTimeoutMs = stallTimeoutMs
        // Standard output may be a file that others write to as well: never cut that.
        isRegular = status.st_mode & S_IFMT == S_IFREG && path != "-"
        state = Mutex(
            State(
                descriptor: descriptor, wholeBytes: isRegular ? status.st_size : 0,
                isReplaced: appending || !isRegular))
    }

    deinit {
        // Whoever wants to know whether the last lines arrived calls close(); this only frees the descriptor.
        let descriptor = state.withLock { $0.descriptor }
        if descriptor >= 0, path != "-" { _ = Glibc.close(descriptor) }
    }

    /// Appends lines. They stay together and in order; a last line without its end gets one.
    ///
    /// Errors: as the system reports them, perhaps for lines of an earlier call.
    public func write(_ lines: [UInt8]) throws(SinkError) {
        guard let last = lines.last else { return }
        try state.withLock { state throws(SinkError) in
            if let failure = state.failure { throw failure }
            state.pending += lines
            if last != UInt8(ascii: "\n") { state.pending.append(UInt8(ascii: "\n")) }
            if state.pending.count >= bufferBytes { try drain(&state) }
        }
    }

    /// Writes everything that has collected.
    public func flush() throws(SinkError) {
        try state.withLock { state throws(SinkError) in
            if let failure = state.failure { throw failure }
            try drain(&state)
        }
    }

    /// Writes what has collected and closes; the second call does nothing.
    ///
    /// Errors: also those that a network file system only reports now. The descriptor is closed in any case.
    public func close() throws(SinkError) {
        try state.withLock { state throws(SinkError) in
            guard state.descriptor >= 0 else { return }
            var failure = state.failure
            if failure == nil {
                do throws(SinkError) {
                    try replace(&state)
                    try drain(&state)
                } catch {
                    failure = error
                }
            }
            let descriptor = state.descriptor
            state.descriptor = -1
            state.failure = failure ?? .closed(path: path)
            // Linux closes the descriptor even when it says EINTR (close(2)), so there is no second try.
            if path != "-", Glibc.close(descriptor) != 0, errno != EINTR, failure == nil {
                failure = Self.error(errno, path: path)
            }
            if let failure { throw failure }
        }
    }

    // MARK: System calls

    /// Empties a file that is to be written anew, once.
    private func replace(_ state: inout State) throws(SinkError) {
        guard !state.isReplaced else { return }
        guard ftruncate(state.descriptor, 0) == 0 else {
            let failure = Self.error(errno, path: path)
            state.failure = failure
            state.pending = []
            throw failure
        }
        state.isReplaced = true
        state.wholeBytes = 0
    }

    private func drain(_ state: inout State) throws(SinkError) {
        let total = state.pending.count
        guard total > 0 else { return }
        try replace(&state)
        var written = 0
        do throws(SinkError) {
            try writeAll(state.pending.span, to: state.descriptor, written: &written)
        } catch {
            state.failure = error
            cutPartialLine(state, written: written)
            state.pending = []
            throw error
        }
        state.wholeBytes += off_t(total)
        state.pending.removeAll(keepingCapacity: true)
    }

    /// After a failure part of a line may stand at the file's end. Should cutting it fail as well, the first
    /// error is still the one to tell. A file that somebody else appended to is left alone.
    private func cutPartialLine(_ state: State, written: Int) {
        var status = stat()
        guard isRegular, written > 0, unsafe fstat(state.descriptor, &status) == 0 else { return }
        guard status.st_size == state.wholeBytes + off_t(written) else { return }
        let whole = state.pending[..<written].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        _ = ftruncate(state.descriptor, state.wholeBytes + off_t(whole))
    }

    private func writeAll(
        _ bytes: Span<UInt8>, to descriptor: Int32, written position: inout Int
    ) throws(SinkError) {
        while position < bytes.count {
            var room = bytes.count - position
            if stallTimeoutMs != nil, !isRegular {
                // A large write would block inside the call, where nothing counts the time.
                try waitUntilWritable(descriptor)
                room = min(room, Self.pipeBytes)
            }
            let part = bytes.extracting(position..<(position + room))
            let written = unsafe part.withUnsafeBufferPointer {
                unsafe Glibc.write(descriptor, $0.baseAddress, room)
            }
            if written > 0 {
                position += written
            } else if written == 0 {
                // Not said to happen for more than nought bytes; a loop must not depend on that.
                throw .cannotWrite(path: path, reason: "the system took no bytes")
            } else if errno == EAGAIN {
                try waitUntilWritable(descriptor)
            } else if errno != EINTR {
                throw Self.error(errno, path: path)
            }
        }
    }

    /// Returns when a write will not fail with EAGAIN; a reader that has gone counts, the write then says so.
    private func waitUntilWritable(_ descriptor: Int32) throws(SinkError) {
        let start = ContinuousClock.now
        while true {
            var timeoutMs: Int32 = -1
            if let stallTimeoutMs {
                let elapsed = start.duration(to: .now) / .milliseconds(1)
                timeoutMs = Int32(clamping: Int(max(0, Double(stallTimeoutMs) - elapsed).rounded(.up)))
            }
            var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let ready = unsafe poll(&entry, 1, timeoutMs)
            if ready > 0 { return }
            if ready == 0, let stallTimeoutMs { throw .stalled(path: path, timeoutMs: stallTimeoutMs) }
            if ready < 0, errno != EINTR { throw Self.error(errno, path: path) }
        }
    }

    private static func error(_ code: Int32, path: String) -> SinkError {
        switch code {
        case EPIPE: .closedPipe(path: path)
        case ENOSPC, EDQUOT, EFBIG: .diskFull(path: path)
        default: .cannotWrite(path: path, reason: reason(code))
        }
    }

    /// The system's words for an error, by the thread-safe call.
    private static func reason(_ code: Int32) -> String {
        switch code {
        case EISDIR: return "it is a directory"
        case ENOENT: return "its directory does not exist"
        default: break
        }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let address = buffer.baseAddress, unsafe strerror_r(code, address, buffer.count) == 0 else {
                return "error \(code)"
            }
            return unsafe String(cString: address)
        }
    }
}
