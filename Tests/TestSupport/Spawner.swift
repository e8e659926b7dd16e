// The system call that starts a child, on one thread that never ends.
// It must not know what the child is for, and never waits for it.
internal import CSystemCalls
import Foundation
import Glibc

/// What to start, with which files and environment.
struct SpawnPlan: Sendable {
    enum File: Sendable {
        case path(String)
        case descriptor(Int32)
    }

    var arguments: [String]
    var environment: [String]
    var files: [Int: File] = [:]
}

/// Starts children from one thread that lives as long as the process.
///
/// A child must not outlive a test process that crashed. The kernel sends a parent death signal for that,
/// when the *thread* that started the child ends: so it must be one that never does. `setpriv` sets the
/// signal and replaces itself by the program; where it is missing, children start without that protection.
final class Spawner: @unchecked Sendable {  // `jobs` is guarded by the lock of `condition`.
    static let shared = Spawner()

    private let condition = NSCondition()
    private var jobs: [@Sendable () -> Void] = []
    private let wrapper = "/usr/bin/setpriv"
    private let hasWrapper: Bool

    private init() {
        hasWrapper = unsafe access(wrapper, X_OK) == 0
        Thread.detachNewThread { [self] in serve() }
    }

    /// Blocks until the child runs, or could not be started.
    func spawn(_ plan: SpawnPlan) throws -> pid_t {
        var plan = plan
        if hasWrapper { plan.arguments = [wrapper, "--pdeathsig", "TERM", "--"] + plan.arguments }
        let outcome = Outcome()
        let final = plan
        condition.lock()
        jobs.append { outcome.set(Result { try start(final) }) }
        condition.signal()
        condition.unlock()
        return try outcome.wait().get()
    }

    private func serve() {
        while true {
            condition.lock()
            while jobs.isEmpty { condition.wait() }
            let job = jobs.removeFirst()
            condition.unlock()
            job()
        }
    }
}

private final class Outcome: @unchecked Sendable {  // `result` is guarded by the lock of `condition`.
    private let condition = NSCondition()
    private var result: Result<pid_t, any Error>?

    func set(_ result: Result<pid_t, any Error>) {
        condition.lock()
        self.result = result
        condition.signal()
        condition.unlock()
    }

    func wait() -> Result<pid_t, any Error> {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result { return result }
            condition.wait()
        }
    }
}

private func start(_ plan: SpawnPlan) throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (number, file) in plan.files.sorted(by: { $0.key < $1.key }) {
        switch file {
        case .path(let path):
            let flags = number == 0 ? O_RDONLY : O_WRONLY | O_APPEND
            unsafe posix_spawn_file_actions_addopen(&actions, Int32(number), path, flags, 0)
        case .descriptor(let descriptor):
            unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
        }
    }
    // A listening socket or a connection of a test must not stay open in a child, were it opened this moment:
    // NIO accepts without close-on-exec.
    let closing = unsafe mocra_spawn_close_from(&actions, 3)
    guard closing == 0 else { throw TestSupportError("posix_spawn: \(errorText(closing))") }

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // The child starts as from a shell: nothing ignored (above all SIGPIPE), nothing blocked, own group.
    var none = sigset_t()
    unsafe sigemptyset(&none)
    var all = sigset_t()
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    unsafe posix_spawnattr_setflags(&attributes, Int16(flags))

    var pid: pid_t = 0
    let error = unsafe withCStrings(plan.arguments) { arguments in
        unsafe withCStrings(plan.environment) { environment in
            unsafe posix_spawn(&pid, plan.arguments[0], &actions, &attributes, arguments, environment)
        }
    }
    guard error == 0 else {
        throw TestSupportError(
            "could not start \(plan.arguments.joined(separator: " ")): \(errorText(error))")
    }
    return pid
}

/// The strings as a list of C strings that ends with a null pointer, alive during the call.
private func withCStrings<Value>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Value
) -> Value {
    var pointers: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers)
}
