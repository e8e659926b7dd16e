// The two façades that Swift concurrency sees of a loop. They are two objects because one that is both
// executors costs three jobs an await instead of one.

/// Runs tasks with a preference for a loop on the loop's thread.
public final class RingTaskExecutor: TaskExecutor {
    private let queue: LoopQueue

    init(queue: LoopQueue) {
        self.queue = queue
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        queue.push(.taskJob(UnownedJob(job)))
    }
}

/// Runs actors on the loop's thread: `nonisolated var unownedExecutor` returns
/// `loop.serialExecutor.asUnownedSerialExecutor()`.
public final class RingSerialExecutor: SerialExecutor {
    private let queue: LoopQueue

    init(queue: LoopQueue) {
        self.queue = queue
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        queue.push(.serialJob(UnownedJob(job)))
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }

    public func isIsolatingCurrentContext() -> Bool? {
        queue.isCurrent
    }

    public func checkIsolated() {
        precondition(queue.isCurrent, "called outside the ring loop's thread")
    }
}
