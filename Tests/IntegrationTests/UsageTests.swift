// What a person can get wrong on the command line, and outputs that cannot be written.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Wrong use", .sharesMachine)
struct UsageTests {
    @Test(
        "is refused with 2 and a line that names it",
        arguments: [
            ["crawl"],
            ["crawl", "--no-such-option", "http://127.0.0.1/"],
            ["crawl", "http://[::1", "-o", "-"],
            ["crawl", "http://exa mple/", "-o", "-"],
            ["crawl", "not a url", "-o", "-"],
            ["crawl", "ftp://127.0.0.1/", "-o", "-"],
            ["crawl", "http://127.0.0.1:99999/", "-o", "-"],
            ["crawl", "http://127.0.0.1/", "--depth", "deep"],
            ["crawl", "http://127.0.0.1/", "--depth", "-1"],
            ["crawl", "http://127.0.0.1/", "--max-pages", "many"],
            ["crawl", "http://127.0.0.1/", "--max-time", "5 parsecs"],
            ["crawl", "http://127.0.0.1/", "--delay", "-5"],
            ["crawl", "http://127.0.0.1/", "--concurrency", "0"],
            ["crawl", "http://127.0.0.1/", "--loops", "99999"],
            ["crawl", "http://127.0.0.1/", "--robots", "maybe"],
            ["crawl", "http://127.0.0.1/", "--header", "no colon here"],
            ["crawl", "http://127.0.0.1/", "--header", "Na me: value"],
            ["crawl", "http://127.0.0.1/", "--header", "Name: a\r\nb: c"],
            ["crawl", "http://127.0.0.1/", "--header", "User-Agent: probe"],
            ["crawl", "http://127.0.0.1/", "-o", "items.csv"],
            ["crawl", "http://127.0.0.1/", "--allow-host", "http://example.org/"],
            ["crawl", "http://127.0.0.1/", "--ca-file", "/nonexistent/ca.pem"],
            ["crawl", "--from", "/nonexistent/list.txt"],
            ["fetch"],
            ["fetch", "ftp://127.0.0.1/"],
            ["fetch", "http://127.0.0.1/", "--show", "everything"],
            ["fetch", "http://127.0.0.1/", "-X", "GET IT"],
            ["fetch", "http://127.0.0.1/", "-H", "no colon here"],
            ["demo-site", "--port", "70000"],
            ["demo-site", "--scenario", "nightmare"],
            ["demo-site", "--hosts", "0"],
            ["no-such-command"],
        ])
    func isRefused(arguments: [String]) async throws {
        let result = try await Mocra.run(arguments, withinMs: 20_000)
        expectEnded(result, ExitCode.wrongUse)
        #expect(result.standardOutput == "")
        // What was wrong is what stands last, or the command itself where something is missing.
        let wrong =
            arguments.first { $0 == "--no-such-option" } ?? arguments.last { $0 != "-o" && $0 != "-" }!
        // A header field may be a secret: its option is named, and its name where it has one.
        let isField = arguments.contains("--header") || arguments.contains("-H")
        let mention =
            isField && !wrong.hasPrefix("User-Agent")
            ? "header field"
            : arguments.count == 1 && arguments != ["no-such-command"] ? "url" : visible(wrong)
        expectOneClearLine(result, mentions: [mention])
    }

    @Test("Help of every command has an example and ends with 0", arguments: ["crawl", "fetch", "demo-site"])
    func helpHasExample(command: String) async throws {
        let result = try await Mocra.run([command, "--help"])
        expectEnded(result, ExitCode.done)
        #expect(result.standardError == "")
        #expect(result.standardOutput.contains("mocra \(command)"))
    }

    @Test("A list of nothing but malformed lines is wrong use")
    func nothingButMalformedLines() async throws {
        let directory = try TemporaryDirectory()
        let list = try directory.write("list.txt", "\nhttp://[broken\nftp://127.0.0.1/\n")
        let result = try await Mocra.run(["crawl", "--from", list, "-o", "/dev/null"])
        expectEnded(result, ExitCode.wrongUse)
        expectOneClearLine(result, mentions: ["http://[broken", "2"])
    }

    @Test("A wrong call leaves the output file as it was")
    func outputIsKept() async throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("items.jsonl", "precious\n")
        for wrong in [["--max-time", "0"], ["--ca-file", "/nonexistent/ca.pem"], ["--loops", "x"]] {
            let result = try await Mocra.run(["crawl", "http://127.0.0.1:1/", "-o", file] + wrong)
            expectEnded(result, ExitCode.wrongUse)
            #expect(try readText(file) == "precious\n", "\(wrong)")
        }
    }

    @Test("A malformed line of --from is named with its number, and the rest goes on")
    func malformedLine() async throws {
        let origin = try ScriptedOrigin(["/": .html("<title>good</title>")])
        let directory = try TemporaryDirectory()
        let list = try directory.write("list.txt", "\(origin.url("/"))\n\nhttp://[broken\n")
        let result = try await Mocra.run([
            "crawl", "--from", list, "--allow-private", "--delay", "0", "-o", "/dev/null",
        ])
        expectEnded(result, ExitCode.done)
        let named = result.standardError.split(separator: "\n").filter { $0.contains("http://[broken") }
        #expect(named.count == 1 && named[0].contains("line 3"), "\(result.standardError)")
        #expect(origin.requests.contains { $0.target == "/" })
    }

    /// As the text reads in a message, where line ends must not break the line.
    private func visible(_ text: String) -> String {
        String(text.prefix { !$0.isNewline })
    }
}

@Suite("Output that fails", .sharesMachine)
struct OutputFailureTests {
    @Test("because it cannot be opened ends with 1 before anything is fetched")
    func cannotBeOpened() async throws {
        let origin = try ScriptedOrigin(["/": .html("<title>good</title>")])
        let directory = try TemporaryDirectory()
        for path in [directory.path, directory.file("missing/items.jsonl")] {
            let result = try await Mocra.run([
                "crawl", origin.url("/"), "--allow-private", "--quiet", "-o", path,
            ])
            expectEnded(result, ExitCode.failed)
            expectOneClearLine(result, mentions: [path])
        }
        #expect(origin.requests.isEmpty)
    }

    @Test("because the disk is full ends with 5")
    func diskIsFull() async throws {
        let origin = try ScriptedOrigin(["/": .html("<title>good</title>")])
        let result = try await Mocra.run(
            ["crawl", origin.url("/"), "--allow-private", "--delay", "0", "--quiet", "-o", "/dev/full"])
        expectEnded(result, ExitCode.disk)
        expectOneClearLine(result, mentions: ["/dev/full"])
    }

    @Test("because standard output is full ends with 5")
    func standardOutputIsFull() async throws {
        let origin = try ScriptedOrigin(["/": .html("<title>good</title>")])
        let result = try await Mocra.run(
            ["crawl", origin.url("/"), "--allow-private", "--delay", "0", "--quiet", "-o", "-"],
            output: .path("/dev/full"))
        expectEnded(result, ExitCode.disk)
        expectOneClearLine(result, mentions: ["standard output"])
    }

    @Test("A slow reader of a pipe loses nothing")
    func slowReader() async throws {
        let pages = 2_000
        let origin = try linkedPages(pages)
        let pipe = try SmallPipe(capacity: 4_096)
        let process = try Mocra.start(
            [
                "crawl", origin.url("/"), "--allow-private", "--delay", "0", "--concurrency", "8", "--quiet",
                "-o", "-",
            ],
            output: .descriptor(pipe.writeEnd))
        pipe.closeWriteEnd()
        // Nobody reads before the writer has come to a stand: half a second without a byte more.
        let fill = Locked(0)
        #expect(try await eventually { pipe.fill() > 0 })
        while try await eventually(withinMs: 500, { pipe.fill() != fill.value }) { fill.set(pipe.fill()) }
        #expect(process.isRunning)
        let text = try await onThread { pipe.readToEnd() }
        #expect(try await process.ended(withinMs: 60_000) == .exited(ExitCode.done))
        let items = try Mocra.items(text)
        #expect(items.count == pages + 1)
        #expect(Set(items.map(\.url)).count == pages + 1)
        #expect(process.standardError == "")
    }

    @Test("A reader that goes away ends the crawl with 1 and a line, not with a signal")
    func closedReader() async throws {
        // Many more than all queues hold, since the crawl goes on while this test looks at the pipe.
        let pages = 20_000
        let origin = try linkedPages(pages)
        let pipe = try SmallPipe(capacity: 4_096)
        let process = try Mocra.start(
            [
                "crawl", origin.url("/"), "--allow-private", "--delay", "0", "--concurrency", "8", "--quiet",
                "-o", "-",
            ],
            output: .descriptor(pipe.writeEnd))
        pipe.closeWriteEnd()
        #expect(try await eventually { pipe.fill() > 0 })
        pipe.closeReadEnd()
        #expect(try await process.ended(withinMs: 60_000) == .exited(ExitCode.failed))
        let lines = process.standardError.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].contains("standard output"), "\(process.standardError)")
        #expect(origin.requests.count < pages, "the crawl goes no further")
    }
}

/// A start page with links to that many pages.
func linkedPages(_ count: Int) throws -> ScriptedOrigin {
    let start = "<title>start</title>" + (0..<count).map { "<a href=\"/page/\($0)\">\($0)</a>\n" }.joined()
    return try ScriptedOrigin { request in
        if request.target == "/" { return .html(start) }
        return request.target.hasPrefix("/page/")
            ? .html("<title>\(request.target)</title>") : .html("", status: 404)
    }
}

/// A pipe with a small capacity. Used by one test and the thread that reads for it.
final class SmallPipe: Sendable {
    let readEnd: Int32
    let writeEnd: Int32
    private let open = Locked<Set<Int32>>([])

    init(capacity: Int32) throws {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw TestSupportError("no pipe: \(errno)") }
        for descriptor in ends { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        readEnd = ends[0]
        writeEnd = ends[1]
        open.set([readEnd, writeEnd])
        // F_SETPIPE_SZ of fcntl(2), which Swift's Glibc does not name.
        guard fcntl(writeEnd, 1_031, capacity) >= 0 else { throw TestSupportError("no small pipe: \(errno)") }
    }

    deinit {
        closeReadEnd()
        closeWriteEnd()
    }

    /// Bytes that wait in the pipe.
    func fill() -> Int {
        var count: Int32 = 0
        _ = unsafe ioctl(readEnd, UInt(FIONREAD), &count)
        return Int(count)
    }

    func readToEnd() -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while true {
            let count = unsafe read(readEnd, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }

    func closeReadEnd() { close(readEnd) }

    func closeWriteEnd() { close(writeEnd) }

    private func close(_ descriptor: Int32) {
        guard open.value.contains(descriptor) else { return }
        open.set(open.value.subtracting([descriptor]))
        _ = Glibc.close(descriptor)
    }
}
