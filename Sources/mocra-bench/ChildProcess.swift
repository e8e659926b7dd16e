// Runs another program to its end: what it wrote, how it ended, and the CPU time of its process and threads.
internal import Glibc

struct ChildProcess {
    /// Both of its outputs.
    var output: String
    /// The exit code, or 128 and the signal that ended it.
    var code: Int
    /// User and system time.
    var cpuUs: Double

    /// Where in PATH the program is, or nil.
    static func find(_ program: String) -> String? {
        guard let path = unsafe getenv("PATH") else { return nil }
        return unsafe String(cString: path).split(separator: ":").map { "\($0)/\(program)" }
            .first { unsafe access($0, X_OK) == 0 }
    }

    /// Blocks until the program has ended.
    static func run(_ arguments: [String]) throws -> ChildProcess {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else {
            throw BenchFailure("a pipe could not be opened: \(errorText(errno))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let started = spawn(arguments, output: ends[1])
        close(ends[1])
        defer { close(ends[0]) }
        guard let pid = started.pid else {
            throw BenchFailure("\(arguments[0]) could not be started: \(errorText(started.error))")
        }
        let output = readAll(ends[0])
        var status: Int32 = 0
        var usage = rusage()
        while unsafe wait4(pid, &status, 0, &usage) < 0 {
            guard errno == EINTR else { throw BenchFailure("waiting for a child: \(errorText(errno))") }
        }
        let signal = Int(status & 0x7f)
        let cpu = [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) * 1e6 + Double($0.tv_usec) }
        return ChildProcess(
            output: output, code: signal == 0 ? Int(status >> 8) & 0xff : 128 + signal, cpuUs: cpu[0] + cpu[1]
        )
    }

    private static func spawn(_ arguments: [String], output: Int32) -> (pid: pid_t?, error: Int32) {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        var strings: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) }
        unsafe strings.append(nil)
        defer { unsafe strings.forEach { unsafe free($0) } }
        var pid: pid_t = 0
        let error = unsafe posix_spawnp(&pid, arguments[0], &actions, nil, strings, environ)
        return error == 0 ? (pid, 0) : (nil, error)
    }

    private static func readAll(_ file: Int32) -> String {
        var bytes: [UInt8] = []
        while true {
            let piece = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { memory, count in
                var got = 0
                repeat {
                    got = unsafe read(file, memory.baseAddress, memory.count)
                } while got < 0 && errno == EINTR
                count = max(got, 0)
            }
            if piece.isEmpty { break }
            bytes += piece
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func errorText(_ error: Int32) -> String {
        unsafe String(cString: strerror(error))
    }
}
