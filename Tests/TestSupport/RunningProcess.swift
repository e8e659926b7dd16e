// Child processes: started with posix_spawn, output kept in files so that no pipe can fill up and block,
// waited for with a deadline, ended by their own process identifier. It must not know which programs it runs.
import Foundation
public import Glibc

/// A child process. It is killed when the last reference goes away, and when this process dies.
///
/// Ownership: the process is reaped here and nowhere else, so a signal never reaches a stranger's process.
public final class RunningProcess: Sendable {
    /// What the child reads.
    public enum Input: Sendable {
        /// Nothing.
        case null
        /// A text, from a file.
        case text(String)
        /// A descriptor that the caller owns.
        case descriptor(Int32)
    }

    /// Where the child writes.
    public enum Output: Sendable {
        /// To a file that ``RunningProcess/standardOutput`` or ``RunningProcess/standardError`` reads.
        case captured
        /// To an existing path, such as `/dev/full`.
        case path(String)
        /// To a descriptor that the caller owns.
        case descriptor(Int32)
    }

    /// How the child ended.
    public enum Ending: Sendable, Equatable {
        /// By `exit`, with this code.
        case exited(Int32)
        /// By this signal.
        case signalled(Int32)
    }

    /// The child's identifier; another process may get it after the end of this one.
    public let pid: pid_t
    /// The program and its arguments, for messages.
    public let commandLine: String

    private let directory: TemporaryDirectory
    private let ending = PlainLock<Ending?>(nil)

    /// Starts a program.
    ///
    /// `environment` is added to that of this process; a value of nil removes a name.
    public init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String?] = [:],
        input: Input = .null, output: Output = .captured,
        errors: Output = .captured
    ) throws {
        guard unsafe access(executable, X_OK) == 0 else {
            throw TestSupportError("\(executable) is no program that can be started: \(errorText(errno))")
        }
        directory = try TemporaryDirectory(prefix: "mocra-process")
        commandLine = ([executable] + arguments).joined(separator: " ")
        var plan = SpawnPlan(
            arguments: [executable] + arguments, environment: mergedEnvironment(environment))
        switch input {
        case .null: plan.files[0] = .path("/dev/null")
        case .text(let text): plan.files[0] = .path(try directory.write("stdin", text))
        case .descriptor(let descriptor): plan.files[0] = .descriptor(descriptor)
        }
        for (number, target, name) in [(1, output, "stdout"), (2, errors, "stderr")] {
            switch target {
            case .captured: plan.files[number] = .path(try directory.write(name, ""))
            case .path(let path): plan.files[number] = .path(path)
            case .descriptor(let descriptor): plan.files[number] = .descriptor(descriptor)
            }
        }
        pid = try Spawner.shared.spawn(plan)
    }

    deinit {
        kill(SIGKILL)
        // A killed process ends unless it hangs in the kernel; then the system reaps it after this process.
        _ = wait(withinMs: 5_000)
    }

    /// What was written to standard output so far; empty unless it is captured.
    public var standardOutput: String { text("stdout") }

    /// What was written to standard error so far; empty unless it is captured.
    public var standardError: String { text("stderr") }

    /// Whether the process has not ended yet.
    public var isRunning: Bool { reap() == nil }

    /// Sends a signal, unless the process has ended.
    public func kill(_ signal: Int32) {
        ending.withLock { ending in
            if ending == nil { _ = Glibc.kill(pid, signal) }
        }
    }

    /// Blocks until the process has ended; nil when the deadline passes first.
    public func wait(withinMs deadlineMs: Int) -> Ending? {
        var found: Ending?
        _ = waitUntil(withinMs: deadlineMs) {
            found = reap()
            return found != nil
        }
        return found
    }

    /// Suspends until the process has ended; nil when the deadline passes first.
    public func ended(withinMs deadlineMs: Int) async throws -> Ending? {
        _ = try await eventually(withinMs: deadlineMs) { self.reap() != nil }
        return reap()
    }

    /// Asks the process to end, and kills it when it has not ended in time. Blocks.
    @discardableResult
    public func terminate(graceMs: Int = 5_000) -> Ending? {
        kill(SIGTERM)
        if let ending = wait(withinMs: graceMs) { return ending }
        kill(SIGKILL)
        return wait(withinMs: 5_000)
    }

    /// The ending, when there is one: asks the system without blocking.
    private func reap() -> Ending? {
        ending.withLock { ending in
            guard ending == nil else { return ending }
            var status: Int32 = 0
            var result: pid_t
            repeat {
                result = unsafe waitpid(pid, &status, WNOHANG)
            } while result < 0 && errno == EINTR
            guard result == pid else { return nil }
            let signal = status & 0x7f
            ending = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
            return ending
        }
    }

    private func text(_ name: String) -> String {
        do {
            return try readText(directory.file(name))
        } catch {
            // There is no such file when the output goes elsewhere.
            return ""
        }
    }
}

/// What a program that ran to its end left behind.
public struct ProcessResult: Sendable {
    /// How it ended.
    public var ending: RunningProcess.Ending
    /// What it wrote to standard output.
    public var standardOutput: String
    /// What it wrote to standard error.
    public var standardError: String
    /// Wall time in milliseconds.
    public var durationMs: Int

    /// The exit code; nil after a signal.
    public var exitCode: Int32? {
        if case .exited(let code) = ending { code } else { nil }
    }
}

/// Runs a program to its end, and fails when that takes longer than the deadline.
public func run(
    _ executable: String, _ arguments: [String] = [], environment: [String: String?] = [:],
    input: RunningProcess.Input = .null, output: RunningProcess.Output = .captured,
    errors: RunningProcess.Output = .captured,
    withinMs deadlineMs: Int = 60_000
) async throws -> ProcessResult {
    let start = monotonicNanoseconds()
    let process = try RunningProcess(
        executable, arguments, environment: environment, input: input,
        output: output, errors: errors)
    return try result(
        of: process, try await process.ended(withinMs: deadlineMs), start: start, deadlineMs: deadlineMs)
}

/// As ``run(_:_:environment:input:output:errors:withinMs:)``, for callers that may block.
func runBlocking(
    _ executable: String, _ arguments: [String], input: RunningProcess.Input = .null,
    withinMs deadlineMs: Int = 60_000
) throws -> ProcessResult {
    let start = monotonicNanoseconds()
    let process = try RunningProcess(
        executable, arguments, input: input)
    return try result(
        of: process, process.wait(withinMs: deadlineMs), start: start, deadlineMs: deadlineMs)
}

private func result(
    of process: RunningProcess, _ ending: RunningProcess.Ending?, start: UInt64, deadlineMs: Int
) throws -> ProcessResult {
    guard let ending else {
        process.kill(SIGKILL)
        throw TestSupportError(
            """
            not ended after \(deadlineMs) ms: \(process.commandLine)
            standard output: \(process.standardOutput.suffix(2_000))
            standard error: \(process.standardError.suffix(2_000))
            """)
    }
    return ProcessResult(
        ending: ending, standardOutput: process.standardOutput, standardError: process.standardError,
        durationMs: Int((monotonicNanoseconds() - start) / 1_000_000))
}

private func mergedEnvironment(_ changes: [String: String?]) -> [String] {
    var environment = ProcessInfo.processInfo.environment
    for (name, value) in changes { environment[name] = value }
    return environment.map { "\($0.key)=\($0.value)" }
}
