// The lock of this module. ThreadSanitizer does not see the hand-over inside Swift's own Mutex on Linux (6.3:
// a counter behind one is reported as a race), but it sees pthread's; a build for it uses that one.
#if MOCRA_THREAD_SANITIZER
internal import Glibc

/// A value behind a pthread mutex, with the face of `Mutex`.
///
/// Guard of `@unchecked Sendable`: the value is reached through the mutex alone.
@usableFromInline
@safe struct Guarded<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    @usableFromInline
    init(_ initial: consuming sending Value) {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        unsafe value = .allocate(capacity: 1)
        unsafe value.initialize(to: initial)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
    }

    @usableFromInline
    borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try unsafe body(&value.pointee)
    }
}
#else
public import Synchronization

@usableFromInline
typealias Guarded<Value: ~Copyable> = Mutex<Value>
#endif
