// `mocra demo-site`: the synthetic web on loopback until a signal ends it.
public import ArgumentParser
internal import Glibc
public import MocraDemoSite

struct DemoSiteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo-site",
        abstract: "Serves a synthetic web on loopback that knows what a correct crawl reaches.",
        discussion: """
            Hosts are 127.0.0.1, 127.0.0.2, … on one port. The first line on standard output is the start \
            URL; /_truth.json there says what a crawl must reach, /_log.json what was asked for.

            Example: mocra demo-site --port 8080 --hosts 4 --pages 1000
            """)

    @Option(parsing: .unconditional, help: "The port of all hosts; 0 takes a free one.")
    var port = 0
    @Option(parsing: .unconditional, help: "How many hosts, from 127.0.0.1 on.")
    var hosts = 8
    @Option(parsing: .unconditional, help: "HTML pages over all hosts.")
    var pages = 400
    @Option(help: "Decides sizes, texts and links; the same seed gives the same web.")
    var seed: UInt64 = 1
    @Option(
        help: "plain, mixed (everything that ends), traps (endless spaces too) or hostile (broken answers).")
    var scenario = Scenario.mixed

    func run() async throws {
        let ended = AsyncStream.makeStream(of: Void.self)
        let signals = Signals { _ in ended.continuation.finish() }
        defer { withExtendedLifetime(signals) {} }
        let site: DemoSite
        do throws(DemoSiteError) {
            site = try await DemoSite.start(
                DemoSiteConfiguration(port: port, hosts: hosts, pages: pages, seed: seed, scenario: scenario))
        } catch {
            var code = Ending.failed
            if case .invalidConfiguration = error { code = Ending.wrongUse }
            throw Ending(code, error.description)
        }
        // Not through a buffer: whoever started the site waits for this line.
        try StandardOutput.write(Array("\(site.startURL)\n".utf8))
        Terminal.printError("\(site.hosts.count) hosts on port \(site.port); Ctrl-C ends it")
        for await _ in ended.stream {}
        await site.shutdown()
    }
}

extension Scenario: ExpressibleByArgument {}
