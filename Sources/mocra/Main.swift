// The mocra command: arguments, signals, exit codes. What it does is in MocraEngine and MocraFastPath.
import ArgumentParser
internal import Glibc
internal import MocraEngine

struct Mocra: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mocra",
        abstract: "Crawls and collects the web.",
        discussion: """
            Example: mocra crawl https://example.org/ -o pages.jsonl

            Exit codes: 0 done, 1 failed, 2 wrong use, 4 stopped by a limit, 5 disk, 11 interrupted \
            (drained), 13 forced.
            """,
        version: "mocra \(Engine.version)",
        subcommands: [CrawlCommand.self, FetchCommand.self, DemoSiteCommand.self])
}

@main
enum Main {
    static func main() async {
        // A reader that goes away is an error to report, not a signal to die of.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try Mocra.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            end(error)
        }
    }

    /// Says what went wrong in one line, and ends with the code that belongs to it.
    private static func end(_ error: any Error) -> Never {
        switch error {
        case let ending as Ending:
            if let message = ending.message { Terminal.printError("mocra: \(message)") }
            exit(ending.code)
        case let code as ArgumentParser.ExitCode:
            exit(code.rawValue)
        default:
            break
        }
        let code = Mocra.exitCode(for: error)
        if code == .success {
            // Help and version are what was asked for.
            print(Mocra.fullMessage(for: error))
            exit(Ending.done)
        }
        Terminal.printError("mocra: \(Mocra.message(for: error).replacing("\n", with: " "))")
        Terminal.printError("See --help for what is accepted.")
        exit(code == .validationFailure ? Ending.wrongUse : Ending.failed)
    }
}

/// How a command ends when it is not simply done.
struct Ending: Error {
    static let done: Int32 = 0
    static let failed: Int32 = 1
    static let wrongUse: Int32 = 2
    static let limited: Int32 = 4
    static let disk: Int32 = 5
    static let interrupted: Int32 = 11
    static let forced: Int32 = 13

    var code: Int32
    var message: String?

    init(_ code: Int32, _ message: String? = nil) {
        self.code = code
        self.message = message
    }
}
