// `mocra crawl`: flags to a configuration, a run of the site module, progress, summary, exit code.
import ArgumentParser
internal import Dispatch
internal import Glibc
internal import MocraEngine
internal import MocraFastPath

struct CrawlCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crawl",
        abstract: "Crawls sites and writes one JSON line for each fetched URL.",
        discussion: """
            Follows every link of the start URLs' hosts, obeys robots.txt, and waits a second between two \
            requests to a host. Ctrl-C finishes what runs and prints the summary; a second one stops at once.

            Example: mocra crawl https://docs.example.org/ -o pages.jsonl --depth 3 --delay 250
            Example: mocra crawl --from urls.txt -o - | jq -r .title
            """)

    @Argument(help: ArgumentHelp("Where to begin.", valueName: "url"))
    var urls: [String] = []
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Where items go: a JSON Lines file, which is begun anew, or - for standard output.",
            valueName: "file"))
    var output = "-"
    @Option(
        help: ArgumentHelp(
            "Read more start URLs from a file, one a line; - for standard input.", valueName: "file"))
    var from: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Follow links at most so many steps from a start.", valueName: "steps"))
    var depth: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Fetch at most so many URLs (redirects too).", valueName: "count"))
    var maxPages: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Begin nothing after so long: 90, 90s, 5m, 2h.", valueName: "time")
    )
    var maxTime: String?
    @Option(
        help: ArgumentHelp(
            "Also crawl this host, or all below *.example.org. Repeatable.", valueName: "pattern"))
    var allowHost: [String] = []
    @Option(
        name: .long, parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Send this field, as 'Name: value'. Repeatable.", valueName: "field"))
    var header: [String] = []
    @Option(
        help: ArgumentHelp(
            "The User-Agent field; its first word is looked up in robots.txt.", valueName: "text"))
    var userAgent: String?
    @Option(
        help: ArgumentHelp(
            "PEM file with the certificate authorities to trust instead of the system's.", valueName: "file"))
    var caFile: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Milliseconds between two requests to a host (default: 1000).", valueName: "ms"))
    var delay: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Fetches of one host at a time (default: 1).", valueName: "count"))
    var concurrency: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Ring loops, each a thread (default: one a core).", valueName: "count"))
    var loops: String?
    @Option(help: ArgumentHelp("obey or ignore robots.txt (default: obey).", valueName: "mode"))
    var robots: String?
    @Flag(help: "Also connect to loopback, private and other special addresses.")
    var allowPrivate = false
    @Flag(help: "Say nothing unless something is wrong.")
    var quiet = false
    @Flag(help: "Print the summary as one JSON object on standard output; needs -o FILE.")
    var json = false

    func run() async throws {
        let starts = try StartList.read(urls: urls, from: from)
        guard !starts.isEmpty else {
            throw Ending(Ending.wrongUse, "no URL to crawl: name one, or a list with --from FILE")
        }
        if json && output == "-" {
            throw Ending(
                Ending.wrongUse, "--json prints on standard output, where the items go: give -o FILE")
        }
        let engine: Engine
        let sink: JSONLinesSink
        let options = RunOptions(maxTimeMs: try maxTimeMs())
        try checkOutput()
        do {
            let configuration = try engineConfiguration()
            engine = try Engine(configuration: configuration)
            try engine.register(
                SiteModule(starts: starts, allowedHosts: try allowedHosts(), headers: try headers()))
            sink = try JSONLinesSink(path: output, capacity: configuration.channel.capacity)
            try engine.add(sink)
        } catch let error as EngineError {
            throw Ending(Ending.wrongUse, error.description)
        } catch let error as SinkError {
            throw Ending(error.exitCode, error.description)
        }
        try await run(engine, options)
    }

    private func run(_ engine: Engine, _ options: RunOptions) async throws {
        let isQuiet = quiet
        let signals = Signals { count in
            switch count {
            case 1:
                if !isQuiet {
                    Terminal.printError("\nstopping: what runs is finished; again to stop at once")
                }
                engine.stop()
            case 2:
                engine.cancel()
                // A reader that takes nothing could hold the last items for ever.
                DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(2)) { _exit(Ending.forced) }
            default:
                _exit(Ending.forced)
            }
        }
        defer { withExtendedLifetime(signals) {} }
        let progress =
            quiet ? nil : ProgressReport(engine, isLive: Terminal.isInteractive && !itemsGoToTerminal)
        let summary: RunSummary
        do throws(EngineError) {
            summary = try await engine.run(options)
        } catch {
            await progress?.end()
            throw Ending(error.exitCode, error.description)
        }
        await progress?.end()
        report(summary)
        let code = summary.exitCode
        if code != Ending.done { throw Ending(code) }
    }

    private var itemsGoToTerminal: Bool { output == "-" && isatty(STDOUT_FILENO) == 1 }

    private func report(_ summary: RunSummary) {
        var shown = summary
        for index in shown.progress.notices.indices where shown.progress.notices[index].kind == "blocked" {
            shown.progress.notices[index].message += "; --allow-private permits it"
        }
        if json { print(shown.json()) }
        if !quiet {
            Terminal.printError(shown.text())
        } else if shown.exitCode == Ending.failed {
            for notice in shown.notices {
                let place = notice.url.isEmpty ? "" : "\(notice.url): "
                Terminal.printError("mocra: \(place)\(notice.kind): \(notice.message)")
            }
        }
    }

    // MARK: Flags

    /// Formats are known by their suffix; those of later versions are refused rather than filled with
    /// another.
    private func checkOutput() throws {
        let known = [".csv", ".gz", ".zst", ".warc"]
        if let suffix = known.first(where: output.lowercased().hasSuffix) {
            throw Ending(
                Ending.wrongUse,
                "-o \(output): \(suffix) is not available in this version; give a .jsonl file")
        }
    }

    private func engineConfiguration() throws -> EngineConfiguration {
        var configuration = EngineConfiguration()
        let values: [(flag: String, key: String, value: String?)] = [
            ("--depth", "frontier.max_depth", depth),
            ("--max-pages", "frontier.max_pages", maxPages),
            ("--user-agent", "download_config.user_agent", userAgent),
            ("--ca-file", "download_config.ca_file", caFile),
            ("--delay", "politeness.delay_ms", delay),
            ("--concurrency", "politeness.per_host_concurrency", concurrency),
            ("--loops", "node.io_threads", loops),
            ("--robots", "politeness.robots", robots),
            ("--allow-private", "download_config.address_policy", allowPrivate ? "any" : nil),
        ]
        for (flag, key, value) in values {
            guard let value else { continue }
            do throws(ConfigurationError) {
                try configuration.set(key, value)
            } catch {
                throw Ending(
                    Ending.wrongUse, "\(flag): found \(value.debugDescription), accepted: \(error.accepted)")
            }
        }
        // A host may be given as many connections as it may be fetched from at a time.
        let perHost = configuration.politeness.perHostConcurrency
        configuration.download.fetch.poolPerHost = max(configuration.download.fetch.poolPerHost, perHost)
        return configuration
    }

    private func allowedHosts() throws -> [HostPattern] {
        try allowHost.map { text in
            do throws(HostPatternError) {
                return try HostPattern(text)
            } catch {
                throw Ending(Ending.wrongUse, "--allow-host: \(error)")
            }
        }
    }

    private func headers() throws -> [HTTPField] {
        try header.map { line in
            do throws(FetchError) {
                let field = try HTTPField(line: line)
                if field.name.lowercased() == "user-agent" {
                    // Its first word decides which rules of robots.txt count, so there is one way to give it.
                    throw FetchError(
                        kind: .config, code: "ARGUMENT", message: "\(line): give it with --user-agent",
                        isRetryable: false)
                }
                return field
            } catch {
                throw Ending(Ending.wrongUse, "--header: \(error.message)")
            }
        }
    }

    private func maxTimeMs() throws -> Int? {
        guard let maxTime else { return nil }
        let units: [(Substring, Int)] = [
            ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("", 1_000),
        ]
        let digits = maxTime.prefix { $0.isASCII && $0.isNumber }
        let suffix = maxTime.dropFirst(digits.count)
        guard let number = Int(digits), number > 0, let unit = units.first(where: { $0.0 == suffix })?.1,
            number <= 366 * 86_400_000 / unit
        else {
            throw Ending(
                Ending.wrongUse,
                "--max-time: found \(maxTime.debugDescription), accepted: more than 0, with ms, s, m or h"
            )
        }
        return number * unit
    }
}

extension RunSummary {
    /// What the run's end is to a script.
    var exitCode: Int32 {
        switch outcome {
        // Not one page: whoever relies on the output must know.
        case .completed: statusClasses[2] == 0 ? Ending.failed : Ending.done
        case .limited: Ending.limited
        case .stopped: Ending.interrupted
        case .cancelled: Ending.forced
        }
    }
}

extension SinkError {
    var exitCode: Int32 {
        switch self {
        case .diskFull: Ending.disk
        case .cannotOpen, .closedPipe, .stalled, .cannotWrite, .closed: Ending.failed
        }
    }
}

extension EngineError {
    var exitCode: Int32 {
        switch self {
        case .sink(let error): error.exitCode
        case .fetcher(let error): error.isWrongUse ? Ending.wrongUse : Ending.failed
        case .configuration, .module: Ending.wrongUse
        case .noModules, .ledger, .alreadyRun: Ending.failed
        }
    }
}

extension FetchError {
    /// Whether what was asked for cannot be, whatever the network does.
    var isWrongUse: Bool { kind == .config && code != "RING_UNAVAILABLE" }
}
