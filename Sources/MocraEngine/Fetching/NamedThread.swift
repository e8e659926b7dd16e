// A thread with a name that runs an actor's jobs, for work that may take long or block.
// Must not know what the work is.

import Glibc

/// A serial executor on a thread of its own.
///
/// Ownership: the thread keeps the object until `stop`; jobs that come after it are the programmer's error.
///
/// Unchecked: `jobs` and `isStopping` are guarded by `mutex`; `thread` is written once, before the
/// initialiser returns, and read by the thread itself only after it took `mutex`, which the initialiser held
/// meanwhile.
@safe final class NamedThread: SerialExecutor, @unchecked Sendable {
    private enum Job {
        case actor(UnownedJob)
        case closure(@Sendable () -> Void)
    }

    let name: String
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var thread = pthread_t()
    private var jobs: [Job] = []
    private var isStopping = false

    /// Starts the thread. `name` is cut to the 15 bytes that the kernel keeps.
    init(name: String) {
        self.name = String(decoding: name.utf8.prefix(15), as: UTF8.self)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(condition, nil)
        unsafe pthread_mutex_lock(mutex)
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<NamedThread>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        precondition(
            result == 0, "a thread could not be started: the limit of threads is reached (ulimit -u)")
        pthread_detach(thread)
        unsafe pthread_mutex_unlock(mutex)
    }

    deinit {
        unsafe pthread_cond_destroy(condition)
        unsafe pthread_mutex_destroy(mutex)
        unsafe condition.deallocate()
        unsafe mutex.deallocate()
    }

    /// Ends the thread once the jobs that are there have run. From any thread.
    func stop() {
        unsafe pthread_mutex_lock(mutex)
        isStopping = true
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    /// Runs a closure on the thread, in turn. From any thread.
    func post(_ closure: @escaping @Sendable () -> Void) {
        push(.closure(closure))
    }

    func enqueue(_ job: consuming ExecutorJob) {
        push(.actor(UnownedJob(job)))
    }

    func checkIsolated() {
        precondition(isCurrent, "not on the thread \(name)")
    }

    func isIsolatingCurrentContext() -> Bool? { isCurrent }

    private var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    private func push(_ job: Job) {
        unsafe pthread_mutex_lock(mutex)
        jobs.append(job)
        // Whoever takes jobs takes all, so only the first of a batch has to wake.
        if jobs.count == 1 { unsafe pthread_cond_signal(condition) }
        unsafe pthread_mutex_unlock(mutex)
    }

    private func run() {
        setName()
        while true {
            unsafe pthread_mutex_lock(mutex)
            while jobs.isEmpty, !isStopping { unsafe pthread_cond_wait(condition, mutex) }
            let batch = jobs
            jobs.removeAll()
            let ends = batch.isEmpty
            unsafe pthread_mutex_unlock(mutex)
            if ends { return }
            for job in batch {
                switch job {
                case .actor(let job): unsafe job.runSynchronously(on: asUnownedSerialExecutor())
                case .closure(let closure): closure()
                }
            }
        }
    }

    /// Names the calling thread, as `top` and a debugger show it. A kernel that refuses costs only the name.
    private func setName() {
        let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = unsafe write(descriptor, name, name.utf8.count)
        close(descriptor)
    }
}
