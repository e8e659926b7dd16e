// Runs the built mocra as its users do, and reads what it wrote.
// It must not know the library behind the command: files, pipes, exit codes and signals only.
import Foundation
import Glibc
import TestSupport
import Testing

/// The exit codes that the command line promises.
enum ExitCode {
    static let done: Int32 = 0
    static let failed: Int32 = 1
    static let wrongUse: Int32 = 2
    static let limited: Int32 = 4
    static let disk: Int32 = 5
    static let interrupted: Int32 = 11
    static let forced: Int32 = 13
}

/// One line of a crawl's output.
struct CrawlItem: Decodable, Sendable {
    var url: String
    var redirectChain: [String]?
    var status: Int?
    var depth: Int?
    var parent: String?
    var contentType: String?
    var bytes: Int?
    var wireBytes: Int?
    var title: String?
    var links: Int?
    var fetchMs: Double?
    var fetchedAt: String?
    var location: String?
    var error: String?
    var message: String?

    /// Whether it is a page of HTML that was fetched well.
    var isPage: Bool {
        guard let status, 200..<300 ~= status, error == nil else { return false }
        let type = contentType?.lowercased() ?? ""
        return type.hasPrefix("text/html") || type.hasPrefix("application/xhtml+xml")
    }
}

/// A crawl that has ended, with its items.
struct CrawlRun: Sendable {
    var process: ProcessResult
    var items: [CrawlItem]

    /// The URLs of the pages, each once however often it came.
    var pages: Set<String> { Set(items.filter(\.isPage).map(\.url)) }

    /// The only item of a URL; a second one is an issue.
    func item(_ url: String, sourceLocation: SourceLocation = #_sourceLocation) -> CrawlItem? {
        let found = items.filter { $0.url == url }
        #expect(found.count == 1, "items of \(url)\n\(process.standardError)", sourceLocation: sourceLocation)
        return found.first
    }
}

enum Mocra {
    /// The binary: `MOCRA_BINARY`, else beside these tests, else what was built last here.
    static func binary() throws -> String {
        if let path = ProcessInfo.processInfo.environment["MOCRA_BINARY"] {
            guard FileManager.default.isExecutableFile(atPath: path) else {
                throw TestSupportError(
                    "MOCRA_BINARY is \(path), which is no program: unset it or build mocra there")
            }
            return path
        }
        let own = (try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString)
            .deletingLastPathComponent
        let build = TestData.packageRoot + "/.build"
        let candidates = [own, build + "/debug", build + "/release"].map { $0 + "/mocra" }
        guard let path = candidates.first(where: FileManager.default.isExecutableFile) else {
            throw TestSupportError(
                "no mocra to test: run swift build --product mocra, or set MOCRA_BINARY; looked for "
                    + candidates.joined(separator: ", "))
        }
        return path
    }

    /// Runs mocra to its end.
    static func run(
        _ arguments: [String], environment: [String: String?] = [:], input: RunningProcess.Input = .null,
        output: RunningProcess.Output = .captured, withinMs deadlineMs: Int = 60_000
    ) async throws -> ProcessResult {
        try await TestSupport.run(
            try binary(), arguments, environment: environment, input: input, output: output,
            withinMs: deadlineMs)
    }

    /// Starts mocra and leaves it running.
    static func start(
        _ arguments: [String], input: RunningProcess.Input = .null, output: RunningProcess.Output = .captured
    ) throws -> RunningProcess {
        try RunningProcess(try binary(), arguments, input: input, output: output)
    }

    /// Crawls on loopback without politeness delay, and reads the items.
    static func crawl(
        _ urls: [String], _ options: [String] = [], delayMs: Int = 0, concurrency: Int = 8,
        withinMs deadlineMs: Int = 120_000
    ) async throws -> CrawlRun {
        let directory = try TemporaryDirectory(prefix: "mocra-crawl")
        let file = directory.file("items.jsonl")
        let result = try await run(
            ["crawl"] + urls + [
                "-o", file, "--allow-private", "--delay", "\(delayMs)", "--concurrency", "\(concurrency)",
            ] + options, withinMs: deadlineMs)
        let text = FileManager.default.fileExists(atPath: file) ? try readText(file) : ""
        return CrawlRun(process: result, items: try items(text))
    }

    /// The items of JSON Lines; a line that is no item throws, with the line in the message.
    static func items(_ text: String) throws -> [CrawlItem] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try text.split(separator: "\n").map { line in
            do {
                return try decoder.decode(CrawlItem.self, from: Data(line.utf8))
            } catch {
                throw TestSupportError("no item: \(line)\n\(error)")
            }
        }
    }
}

/// Checks that a program ended by itself with a code, and without the marks of a crash.
func expectEnded(
    _ result: ProcessResult, _ code: Int32, sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(
        result.ending == .exited(code), "standard error: \(result.standardError)",
        sourceLocation: sourceLocation)
    for mark in ["Fatal error", "Sanitizer", "Segmentation", "*** ", "precondition"] {
        #expect(!result.standardError.contains(mark), sourceLocation: sourceLocation)
    }
}

/// Checks that a person reads one line that says what went wrong and where.
///
/// Usage hints may follow it: they start with another word than the message.
func expectOneClearLine(
    _ result: ProcessResult, mentions words: [String], sourceLocation: SourceLocation = #_sourceLocation
) {
    let lines = result.standardError.split(separator: "\n").map(String.init)
    let clear = lines.filter { line in words.allSatisfy { line.lowercased().contains($0.lowercased()) } }
    #expect(
        clear.count == 1, "want one line with \(words) in: \(result.standardError)",
        sourceLocation: sourceLocation)
    #expect(lines.count <= 5, "\(result.standardError)", sourceLocation: sourceLocation)
    #expect(lines.allSatisfy { $0.utf8.count <= 600 }, sourceLocation: sourceLocation)
}
