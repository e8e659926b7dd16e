// mocra-bench: the benchmarks as a user runs them. Arguments and output; what is measured is in the other
// files.
import ArgumentParser
internal import Glibc

struct MocraBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mocra-bench",
        abstract: "Measures mocra on this machine.",
        discussion: "Example: mocra-bench fetch --url http://127.0.0.1:8080/ --connections 64 --seconds 5",
        subcommands: [FetchCommand.self])
}

/// A command ended in a way that the user must know of; the text is the message.
struct BenchFailure: Error, CustomStringConvertible {
    var description: String
    var isWrongUse: Bool

    init(_ description: String, isWrongUse: Bool = false) {
        self.description = description
        self.isWrongUse = isWrongUse
    }
}

@main
enum Main {
    static func main() async {
        do {
            var command = try MocraBench.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            end(error)
        }
    }

    /// One line, and the codes of `mocra`: 1 failed, 2 wrong use.
    private static func end(_ error: any Error) -> Never {
        var text = "mocra-bench: \(MocraBench.message(for: error).replacing("\n", with: " "))\n"
        var code: Int32 = MocraBench.exitCode(for: error) == .validationFailure ? 2 : 1
        switch error {
        case let failure as BenchFailure:
            text = "mocra-bench: \(failure.description)\n"
            if failure.isWrongUse { code = 2 }
        case let ended as ArgumentParser.ExitCode:
            exit(ended.rawValue)
        default:
            if MocraBench.exitCode(for: error) == .success {
                print(MocraBench.fullMessage(for: error))
                exit(0)
            }
        }
        text.withUTF8 { memory in
            // What cannot be written here has no other place to go.
            _ = unsafe write(STDERR_FILENO, memory.baseAddress, memory.count)
        }
        exit(code)
    }
}
