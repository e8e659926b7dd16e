// The JSON Lines file against full disks, closed and slow pipes, wrong paths and many writers.
import Foundation
import Glibc
import MocraEngine
import TestSupport
import Testing

@Suite struct SinksJSONLinesFileTests {
    private static let ignoresBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    init() { _ = Self.ignoresBrokenPipes }

    private func contents(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }

    /// A named pipe with its reader open, so that opening it for writing does not wait.
    private func pipe() throws -> (reader: Int32, path: String, directory: TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        let path = directory.file("pipe")
        try #require(unsafe mkfifo(path, 0o600) == 0)
        let reader = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        try #require(reader >= 0)
        _ = fcntl(reader, F_SETFL, 0)
        return (reader, path, directory)
    }

    private func lines(_ numbers: some Sequence<Int>) -> [UInt8] {
        Array(numbers.map { "{\"n\":\($0)}\n" }.joined().utf8)
    }

    @Test func writesAppendsAndEmpties() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("items.jsonl")
        let file = try JSONLinesFile(path: path)
        try file.write(lines(1...2))
        #expect(try contents(path) == "")
        try file.flush()
        #expect(try contents(path) == "{\"n\":1}\n{\"n\":2}\n")
        try file.write(Array("no end".utf8))
        try file.write([])
        try file.close()
        try file.close()
        #expect(try contents(path) == "{\"n\":1}\n{\"n\":2}\nno end\n")
        #expect(throws: SinkError.closed(path: path)) { try file.write(lines(3...3)) }
        let more = try JSONLinesFile(path: path, appending: true)
        try more.write(lines(4...4))
        try more.close()
        #expect(try contents(path).hasSuffix("no end\n{\"n\":4}\n"))
        try JSONLinesFile(path: path).close()
        #expect(try contents(path) == "")
    }

    @Test func flushesAtItsSize() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("items.jsonl")
        let file = try JSONLinesFile(path: path, bufferBytes: 64)
        for number in 0..<100 { try file.write(lines(number...number)) }
        let early = try contents(path)
        #expect(early.count > 700 && early.hasSuffix("\n"))
        try file.close()
        #expect(try contents(path) == String(decoding: lines(0..<100), as: UTF8.self))
    }

    @Test func fullDisk() throws {
        let file = try JSONLinesFile(path: "/dev/full")
        try file.write(lines(0..<10))
        #expect(throws: SinkError.diskFull(path: "/dev/full")) { try file.flush() }
        #expect(throws: SinkError.diskFull(path: "/dev/full")) { try file.write(lines(0..<10)) }
        #expect(throws: SinkError.diskFull(path: "/dev/full")) { try file.close() }
    }

    @Test func lastLinesOnAFullDiskAreReportedByClose() throws {
        let file = try JSONLinesFile(path: "/dev/full")
        try file.write(lines(0..<10))
        #expect(throws: SinkError.diskFull(path: "/dev/full")) { try file.close() }
    }

    @Test func closedPipe() throws {
        let (reader, path, directory) = try pipe()
        let file = try JSONLinesFile(path: path, bufferBytes: 16)
        try file.write(lines(1...1))
        close(reader)
        #expect(throws: SinkError.closedPipe(path: path)) { try file.write(lines(0..<10)) }
        #expect(throws: SinkError.closedPipe(path: path)) { try file.close() }
        withExtendedLifetime(directory) {}
    }

    @Test(arguments: [nil, 60_000])
    func slowReaderOfAFullPipe(_ stallTimeoutMs: Int?) async throws {
        let (reader, path, directory) = try pipe()
        let file = try JSONLinesFile(path: path, bufferBytes: 1_000, stallTimeoutMs: stallTimeoutMs)
        makeNonBlocking(path)
        // A reader that takes little at a time keeps the pipe full nearly always.
        async let received = onThread { Self.readToEnd(reader, blockBytes: 777) }
        let written = try await onThread {
            let result = Result {
                for start in stride(from: 0, to: 20_000, by: 100) {
                    try file.write(lines(start..<start + 100))
                }
            }
            // Closed also after a failure, or the reader would never come to an end.
            return result.flatMap { Result { try file.close() } }.mapError { error in
                _ = Result { try file.close() }
                return error
            }
        }
        try written.get()
        #expect(try await received == lines(0..<20_000))
        withExtendedLifetime(directory) {}
    }

    private static func readToEnd(_ reader: Int32, blockBytes: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: blockBytes)
        while true {
            let count = unsafe read(reader, &block, block.count)
            guard count > 0 else { break }
            bytes += block[..<count]
        }
        close(reader)
        return bytes
    }

    /// Sets O_NONBLOCK on this process's writing descriptors of the pipe.
    private func makeNonBlocking(_ path: String) {
        var wanted = stat()
        #expect(unsafe stat(path, &wanted) == 0)
        var changed = 0
        for descriptor in 3..<Int32(1_024) {
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0, status.st_ino == wanted.st_ino,
                status.st_dev == wanted.st_dev
            else { continue }
            let flags = fcntl(descriptor, F_GETFL)
            guard flags & O_ACCMODE == O_WRONLY else { continue }
            #expect(fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0)
            changed += 1
        }
        #expect(changed == 1)
    }

    @Test func stalledReader() throws {
        let (reader, path, directory) = try pipe()
        defer { close(reader) }
        let file = try JSONLinesFile(path: path, bufferBytes: 1_000, stallTimeoutMs: 50)
        let error = #expect(throws: SinkError.self) {
            for start in stride(from: 0, to: 1_000_000, by: 100) {
                try file.write(lines(start..<start + 100))
            }
        }
        #expect(error == .stalled(path: path, timeoutMs: 50))
        withExtendedLifetime(directory) {}
    }

    @Test func cutsAPartOfALineFromAFullFile() throws {
        // A limit on the size of files stands for a full disk: the write stops in the middle of a line, and
        // the next one fails. The limit holds for the whole process for that moment, so it is a large one.
        let directory = try TemporaryDirectory()
        let path = directory.file("items.jsonl")
        let limitBytes = (32 << 20) + 3
        let file = try JSONLinesFile(path: path, bufferBytes: 1 << 20)
        var old = rlimit()
        try #require(unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old) == 0)
        let handler = signal(SIGXFSZ, SIG_IGN)
        var limited = old
        limited.rlim_cur = rlim_t(limitBytes)
        try #require(unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limited) == 0)
        defer {
            _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &old)
            _ = signal(SIGXFSZ, handler)
        }
        let line = Array((String(repeating: "x", count: 99) + "\n").utf8)
        let batch = (0..<1_000).flatMap { _ in line }
        let error = #expect(throws: SinkError.self) {
            for _ in 0..<1_000 { try file.write(batch) }
        }
        #expect(error == .diskFull(path: path))
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(size % 100 == 0 && size <= limitBytes && size > limitBytes - 100)
    }

    @Test(arguments: [
        ("/no/such/directory/x.jsonl", "its directory does not exist"), ("/", "it is a directory"),
        ("/usr", "it is a directory"), ("/dev/null/x.jsonl", ""),
        ("a\0b", "a path cannot contain a NUL byte"), ("", ""),
    ])
    func cannotOpen(_ path: String, _ reason: String) throws {
        let error = try #require(throws: SinkError.self) { try JSONLinesFile(path: path) }
        guard case .cannotOpen(path, let found) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(reason.isEmpty || found == reason)
        #expect(!found.isEmpty)
    }

    @Test func writersNeverInterleave() async throws {
        let (reader, path, directory) = try pipe()
        let file = try JSONLinesFile(path: path, bufferBytes: 300)
        async let received = onThread { Self.readToEnd(reader, blockBytes: 65_536) }
        let writers = 8, batches = 500
        let failures = await withTaskGroup(of: (any Error)?.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    do {
                        try await onThread { try Self.writeBatches(batches, of: writer, to: file) }
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            return await group.reduce(into: []) { list, error in if let error { list.append(error) } }
        }
        #expect(failures.isEmpty, "\(failures)")
        try file.close()
        let lines = String(decoding: try await received, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == writers * batches * 2)
        var next = [Int](repeating: 0, count: writers)
        for (index, line) in lines.enumerated() {
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            let writer = try #require(Int(words[0])), batch = try #require(Int(words[1]))
            #expect(words[2] == String(repeating: "\(writer)", count: batch % 97))
            // Both lines of a call stand together, and a writer's calls in their order.
            if index % 2 == 0 {
                #expect(batch == next[writer])
                next[writer] += 1
            } else {
                #expect(line == lines[index - 1])
            }
        }
        withExtendedLifetime(directory) {}
    }

    private static func writeBatches(_ count: Int, of writer: Int, to file: JSONLinesFile) throws {
        for batch in 0..<count {
            let line = "\(writer) \(batch) " + String(repeating: "\(writer)", count: batch % 97) + "\n"
            try file.write(Array((line + line).utf8))
            if batch % 50 == 0 { try file.flush() }
        }
    }

    @Test func everyErrorIsOneLine() {
        let path = "/data/a\nb\u{1B}[2J.jsonl"
        let errors: [SinkError] = [
            .cannotOpen(path: path, reason: "r"), .closedPipe(path: path), .diskFull(path: path),
            .stalled(path: path, timeoutMs: 5), .cannotWrite(path: path, reason: "r"), .closed(path: path),
        ]
        for error in errors {
            let text = error.description
            #expect(!text.contains("\n") && !text.contains("\u{1B}"))
            #expect(text.contains("/data/a"))
        }
        #expect(SinkError.closedPipe(path: "-").description.contains("standard output"))
    }
}
