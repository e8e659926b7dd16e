// The one queue of a loop: jobs of both executors, closures posted from anywhere, tokens given back by other
// threads. On the loop's own thread it is a plain ring; from elsewhere it is a mailbox that wakes a sleeping
// loop once a batch.
internal import CMocraIO
internal import Dispatch
internal import Synchronization

/// One thing to do on the loop's thread.
enum LoopWork {
    case taskJob(UnownedJob)
    case serialJob(UnownedJob)
    case closure(@Sendable () -> Void)
    case release(UInt64)
    case cancel(UInt64)
}

/// Guard of `@unchecked Sendable`: `local` is touched only on the loop's thread (`isCurrent`), the rest is
/// behind `mailbox`, atomic or constant.
final class LoopQueue: @unchecked Sendable {
    private struct Mailbox {
        var work: [LoopWork] = []
        var isClosed = false
        /// The loop's address; a wake-up goes there. Nil before it runs and after it ended.
        var loop: UInt?
    }

    private let mailbox = Guarded(Mailbox())
    /// The loop is about to wait and has not been woken since.
    private let isSleeping = Atomic<Bool>(false)
    private let hasMail = Atomic<Bool>(false)
    var local = WorkRing()
    private var taken: [LoopWork] = []
    /// Where jobs run that come after the loop ended, so that no task is left hanging.
    private let afterwards = DispatchQueue(label: "mocra.loop.afterwards")

    /// Whether the caller runs on the loop's thread.
    var isCurrent: Bool {
        unsafe mocra_thread_current() == UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque())
    }

    func adoptThread() {
        unsafe mocra_thread_set_current(UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()))
    }

    func open(loop: OpaquePointer) {
        mailbox.withLock { $0.loop = UInt(bitPattern: loop) }
    }

    /// After this nothing reaches the loop any more.
    /// - Returns: what was still in the mailbox.
    func close() -> [LoopWork] {
        mailbox.withLock { box in
            box.isClosed = true
            box.loop = nil
            defer { box.work = [] }
            return box.work
        }
    }

    func push(_ work: LoopWork) {
        if isCurrent {
            local.append(work)
        } else {
            mail(work)
        }
    }

    /// Into the mailbox even from the loop's own thread: handled after what runs now.
    func mail(_ work: LoopWork) {
        let isClosed = mailbox.withLock { box in
            if box.isClosed { return true }
            box.work.append(work)
            hasMail.store(true, ordering: .sequentiallyConsistent)
            if isSleeping.load(ordering: .sequentiallyConsistent),
                isSleeping.exchange(false, ordering: .sequentiallyConsistent), let loop = box.loop
            {
                // Under the lock, so that the loop cannot be gone.
                unsafe mocra_loop_wake(OpaquePointer(bitPattern: loop))
            }
            return false
        }
        if isClosed { runAfterwards(work) }
    }

    /// Says that the loop is about to wait.
    /// - Returns: false when there is mail, so that it must not.
    func fallAsleep() -> Bool {
        isSleeping.store(true, ordering: .sequentiallyConsistent)
        if hasMail.load(ordering: .sequentiallyConsistent) {
            isSleeping.store(false, ordering: .sequentiallyConsistent)
            return false
        }
        return true
    }

    func wakeUp() {
        isSleeping.store(false, ordering: .relaxed)
    }

    /// Moves the mail to the local ring.
    func collectMail() {
        guard hasMail.load(ordering: .relaxed) else { return }
        mailbox.withLock { box in
            swap(&box.work, &taken)
            hasMail.store(false, ordering: .sequentiallyConsistent)
        }
        for work in taken { local.append(work) }
        taken.removeAll(keepingCapacity: true)
    }

    private func runAfterwards(_ work: LoopWork) {
        if case .release = work { return }
        if case .cancel = work { return }
        afterwards.async { [self] in
            // What was isolated to the loop still is: this queue runs one piece of work at a time.
            adoptThread()
            defer { mocra_thread_set_current(nil) }
            runLate(work)
            while let next = local.popFirst() { runLate(next) }
        }
    }

    private func runLate(_ work: LoopWork) {
        switch work {
        case .taskJob(let job):
            // The reference that the job runs with does not keep the executor.
            let executor = RingTaskExecutor(queue: self)
            withExtendedLifetime(executor) {
                unsafe job.runSynchronously(on: executor.asUnownedTaskExecutor())
            }
        case .serialJob(let job):
            let executor = RingSerialExecutor(queue: self)
            withExtendedLifetime(executor) {
                unsafe job.runSynchronously(on: executor.asUnownedSerialExecutor())
            }
        case .closure(let closure): closure()
        case .release, .cancel: break
        }
    }
}

/// A growing ring of work, first in, first out.
struct WorkRing {
    private var storage: [LoopWork?] = Array(repeating: nil, count: 64)
    private var head = 0
    private(set) var count = 0

    mutating func append(_ work: LoopWork) {
        if count == storage.count { grow() }
        storage[(head + count) & (storage.count - 1)] = work
        count += 1
    }

    mutating func popFirst() -> LoopWork? {
        guard count > 0 else { return nil }
        let work = storage[head].take()
        head = (head + 1) & (storage.count - 1)
        count -= 1
        return work
    }

    private mutating func grow() {
        var grown: [LoopWork?] = []
        grown.reserveCapacity(storage.count * 2)
        for index in 0..<count { grown.append(storage[(head + index) & (storage.count - 1)]) }
        grown.append(contentsOf: repeatElement(nil, count: storage.count * 2 - count))
        storage = grown
        head = 0
    }
}
