// What the options of `mocra crawl` do to requests and to what is written.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Options of crawl", .sharesMachine)
struct CrawlOptionsTests {
    @Test("--from reads a file or standard input")
    func startsFromList() async throws {
        let origin = try ScriptedOrigin { .html("<title>\($0.target)</title>") }
        let directory = try TemporaryDirectory()
        let text =
            "\(origin.url("/a"))\n\n  \(origin.url("/b"))  \r\n\(origin.url("/a"))\n\(origin.url("/c"))"
        let list = try directory.write("list.txt", text)
        let common = ["--allow-private", "--delay", "0", "--robots", "ignore", "--quiet", "-o", "-"]
        for (from, input) in [(list, RunningProcess.Input.null), ("-", .text(text))] {
            let result = try await Mocra.run(["crawl", "--from", from] + common, input: input)
            expectEnded(result, ExitCode.done)
            let urls = try Mocra.items(result.standardOutput).map(\.url)
            #expect(urls.sorted() == ["/a", "/b", "/c"].map { origin.url($0) })
        }
        #expect(origin.requests.count == 6)
    }

    @Test("-o - writes items and nothing else to standard output")
    func onlyItemsOnStandardOutput() async throws {
        let origin = try linkedPages(20)
        let result = try await Mocra.run([
            "crawl", origin.url("/"), "--allow-private", "--delay", "0", "-o", "-",
        ])
        expectEnded(result, ExitCode.done)
        #expect(try Mocra.items(result.standardOutput).count == 21)
        for line in result.standardOutput.split(separator: "\n") {
            #expect(line.hasPrefix("{\"") && line.hasSuffix("}"))
        }
        #expect(result.standardError.contains("21"), "the summary counts pages: \(result.standardError)")
    }

    @Test("--quiet says nothing when nothing is wrong")
    func quietIsQuiet() async throws {
        let origin = try linkedPages(5)
        let run = try await Mocra.crawl([origin.url("/")], ["--quiet"])
        expectEnded(run.process, ExitCode.done)
        #expect(run.process.standardError == "")
        #expect(run.process.standardOutput == "")
    }

    @Test("--json prints the summary as one JSON object")
    func summaryAsJSON() async throws {
        let origin = try linkedPages(5)
        let run = try await Mocra.crawl([origin.url("/")], ["--json"])
        expectEnded(run.process, ExitCode.done)
        let object = try JSONSerialization.jsonObject(with: Data(run.process.standardOutput.utf8))
        let summary = try #require(object as? [String: Any])
        #expect(summary["pages"] as? Int == 6)
        let ledger = try #require(summary["ledger"] as? [String: Any])
        let count = { (name: String) in ledger[name] as? Int ?? -1 }
        #expect(count("discovered") >= 6)
        let ended = count("done") + count("queued") + count("leased") + count("filtered") + count("dead")
        #expect(count("discovered") == ended, "\(ledger)")
    }

    @Test("--header and --user-agent go out with every request, robots.txt included")
    func headersAreSent() async throws {
        let origin = try linkedPages(3)
        let run = try await Mocra.crawl(
            [origin.url("/")],
            [
                "--header", "X-Test: one two", "--header", "Accept-Language: de", "--user-agent", "probe/9",
                "--quiet",
            ])
        expectEnded(run.process, ExitCode.done)
        #expect(origin.requests.count == 5)
        for request in origin.requests {
            #expect(request.header("user-agent") == "probe/9")
            if request.target != "/robots.txt" {
                #expect(request.header("x-test") == "one two")
                #expect(request.header("accept-language") == "de")
            }
            #expect(request.header("host") == "127.0.0.1:\(origin.port)")
        }
    }

    @Test("--concurrency bounds the connections to a host", arguments: [1, 3])
    func concurrencyIsBounded(concurrency: Int) async throws {
        let start = (0..<30).map { "<a href=\"/page/\($0)\">\($0)</a>" }.joined()
        let origin = try ScriptedOrigin { request in
            request.target == "/" ? .html(start) : [.pause(ms: 20)] + .html("<title>slow</title>")
        }
        let run = try await Mocra.crawl(
            [origin.url("/")], ["--loops", "2", "--robots", "ignore", "--quiet"], concurrency: concurrency)
        expectEnded(run.process, ExitCode.done)
        #expect(run.pages.count == 31)
        #expect(origin.counts.openMax <= concurrency)
    }

    @Test("--robots ignore fetches what robots.txt forbids; obey does not", arguments: [true, false])
    func robotsMode(obeys: Bool) async throws {
        let origin = try ScriptedOrigin([
            "/robots.txt": .response(
                headers: [("Content-Type", "text/plain")],
                body: Array("User-agent: *\nDisallow: /private\n".utf8)),
            "/": .html("<a href=/private/page>private</a><a href=/public>public</a>"),
            "/private/page": .html("<title>private</title>"),
            "/public": .html("<title>public</title>"),
        ])
        let run = try await Mocra.crawl(
            [origin.url("/")], ["--robots", obeys ? "obey" : "ignore", "--quiet"])
        expectEnded(run.process, ExitCode.done)
        let wanted = obeys ? ["/", "/public"] : ["/", "/public", "/private/page"]
        #expect(run.pages == Set(wanted.map { origin.url($0) }))
        let asked = Set(origin.requests.map(\.target))
        #expect(asked == Set(wanted + (obeys ? ["/robots.txt"] : [])))
    }

    @Test("--allow-host widens the scope; without it other hosts are left alone", arguments: [true, false])
    func scopeIsByHost(isWide: Bool) async throws {
        let other = try ScriptedOrigin(address: "127.0.0.2", ["/": .html("<title>other</title>")])
        let start = "<a href=\"\(other.url("/"))\">other</a>"
        let origin = try ScriptedOrigin(["/": .html(start)])
        let options = isWide ? ["--allow-host", "127.0.0.2"] : []
        let run = try await Mocra.crawl([origin.url("/")], options + ["--quiet"])
        expectEnded(run.process, ExitCode.done)
        #expect(run.pages == Set([origin.url("/")] + (isWide ? [other.url("/")] : [])))
        #expect(other.counts.accepted == (isWide ? other.counts.accepted : 0))
        #expect(other.requests.contains { $0.target == "/" } == isWide)
    }

    @Test("A page with 10,000 links is followed whole, with bounded threads and descriptors")
    func tenThousandLinks() async throws {
        let origin = try linkedPages(10_000)
        let directory = try TemporaryDirectory()
        let file = directory.file("items.jsonl")
        let process = try Mocra.start([
            "crawl", origin.url("/"), "--allow-private", "--delay", "0", "--concurrency", "8", "--loops", "2",
            "--quiet", "-o", file,
        ])
        let threadsMax = Locked(0)
        let descriptorsMax = Locked(0)
        // On a thread of its own, since a task may wait for its turn until the crawl is over.
        let hasEnded = try await onThread {
            waitUntil(withinMs: 180_000) {
                guard process.isRunning else { return true }
                // A process that ends while it is looked at has no such folders any more.
                if let threads = try? threadCount(of: process.pid),
                    let open = try? descriptorCount(of: process.pid)
                {
                    threadsMax.set(max(threadsMax.value, threads))
                    descriptorsMax.set(max(descriptorsMax.value, open))
                }
                return false
            }
        }
        #expect(hasEnded)
        #expect(try await process.ended(withinMs: 1_000) == .exited(ExitCode.done))
        let items = try Mocra.items(try readText(file))
        #expect(items.count == 10_001)
        #expect(items.first?.links == 10_000)
        #expect(Set(items.map(\.url)).count == 10_001)
        #expect((2..<40).contains(threadsMax.value), "\(threadsMax.value) threads")
        #expect((3..<100).contains(descriptorsMax.value), "\(descriptorsMax.value) descriptors")
    }

    @Test("A redirect's target carries the chain, and is fetched once for two redirects")
    func redirectChain() async throws {
        let origin = try ScriptedOrigin([
            "/": .html("<a href=/one>1</a><a href=/two>2</a>"),
            "/one": .redirect(301, to: "/middle"),
            "/middle": .redirect(302, to: "/end"),
            "/two": .redirect(307, to: "/end"),
            "/end": .html("<title>end</title>"),
        ])
        let run = try await Mocra.crawl([origin.url("/")], ["--quiet"])
        expectEnded(run.process, ExitCode.done)
        #expect(origin.requests.count { $0.target == "/end" } == 1)
        #expect(run.item(origin.url("/one"))?.location == origin.url("/middle"))
        #expect(run.item(origin.url("/middle"))?.location == origin.url("/end"))
        #expect(run.item(origin.url("/middle"))?.redirectChain == [origin.url("/one")])
        let chain = run.item(origin.url("/end"))?.redirectChain ?? []
        #expect(chain == [origin.url("/one"), origin.url("/middle")] || chain == [origin.url("/two")])
    }
}
