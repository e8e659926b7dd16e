// Machines are pure: no clock, no socket, no file, no randomness of their own. Time and chance arrive as
// input. Allocation is neither a clock nor I/O: a machine may allocate (a failing allocator is one of its
// test inputs).

enum MachineChecks {
    static let rule = "machine"

    /// Swift files under Sources named `…Machine….swift`, C files named `…_machine.c` or `…_machine.h`.
    static func isMachine(_ source: SourceText) -> Bool {
        guard source.isIn("Sources") else { return false }
        switch source.language {
        case .swift: return source.name.contains("Machine")
        case .c: return source.name.hasSuffix("_machine.c") || source.name.hasSuffix("_machine.h")
        case .script: return false
        }
    }

    static func check(_ source: SourceText) -> [Violation] {
        guard isMachine(source) else { return [] }
        return source.violations(rule, in: source.code) { line in
            source.language == .swift ? swiftFault(line) : cFault(line)
        } + forbiddenIncludes(source)
    }

    private static let swiftModules: Set = [
        "Foundation", "FoundationEssentials", "FoundationNetworking", "Glibc", "Musl", "Dispatch", "CMocraIO",
    ]
    private static let swiftTypes: Set = [
        "ContinuousClock", "SuspendingClock", "DispatchTime", "DispatchQueue", "DispatchSource",
        "ProcessInfo",
        "FileManager", "FileHandle", "Task", "Thread", "SystemRandomNumberGenerator", "Clock",
        "CheckedContinuation", "UnsafeContinuation",
    ]
    private static let calls: Set = [
        "Date", "time", "clock", "clock_gettime", "gettimeofday", "socket", "connect", "accept", "bind",
        "listen",
        "read", "write", "readv", "writev", "recv", "recvfrom", "recvmsg", "send", "sendto", "sendmsg",
        "open",
        "openat", "close", "fsync", "poll", "epoll_wait", "select", "ioctl", "sleep", "usleep", "nanosleep",
        "print", "printf", "fprintf", "puts", "fopen", "fread", "fwrite", "getenv", "rand", "random",
        "arc4random",
        "getrandom", "pthread_create", "pthread_mutex_lock",
    ]

    static func swiftFault(_ line: String) -> String? {
        if let module = ArrowChecks.importedModule(line), swiftModules.contains(module) {
            return "a machine does not import \(module)"
        }
        for identifier in line.identifiers {
            if swiftTypes.contains(identifier.name) {
                return "a machine does not use \(identifier.name)"
            }
            if calls.contains(identifier.name), identifier.isFreeCall {
                return "a machine does not call \(identifier.name)"
            }
            let isChance = identifier.name == "random" || identifier.name == "randomElement"
            if identifier.name == "shuffled" || identifier.name == "shuffle" || isChance,
                identifier.before == "."
            {
                return "chance arrives as input, not by \(identifier.name)"
            }
        }
        return nil
    }

    static func cFault(_ line: String) -> String? {
        for identifier in line.identifiers where identifier.isFreeCall && calls.contains(identifier.name) {
            return "a machine does not call \(identifier.name)"
        }
        return nil
    }

    private static let headers = [
        "sys/", "netinet/", "arpa/", "linux/", "openssl/", "unistd.h", "fcntl.h", "time.h", "poll.h",
        "stdio.h",
        "pthread.h", "netdb.h", "liburing", "ares",
    ]

    private static func forbiddenIncludes(_ source: SourceText) -> [Violation] {
        guard source.language == .c else { return [] }
        return source.violations(rule, in: source.lines) { line in
            guard let header = ArrowChecks.includedHeader(line) else { return nil }
            return headers.contains { header.hasPrefix($0) } ? "a machine does not include <\(header)>" : nil
        }
    }
}
