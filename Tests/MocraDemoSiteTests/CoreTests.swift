// The pure core without any socket: chance, compression, spelling of links, robots rules, determinism.
import Foundation
import MocraDemoSite
import Testing

@Suite struct CoreTests {
    static func web(
        _ scenario: Scenario, seed: UInt64 = 1, pages: Int = 120, hosts: Int = 8, extraPorts: Int = 1,
        port: Int = 8080
    ) -> DemoWeb {
        let authorities =
            (1...hosts).map { Authority(host: "127.0.0.\($0)", port: port) }
            + (0..<extraPorts).map { Authority(host: "127.0.0.1", port: port + 1 + $0) }
        return DemoWeb(scenario: scenario, seed: seed, pages: pages, authorities: authorities, hosts: hosts)
    }

    /// Every planned URL with its bytes; for the first three tries where their number counts.
    static func bytes(_ web: DemoWeb) -> [String: [WireStep]] {
        let ordinary = web.authorities.indices.flatMap { site in
            (0..<web.pageCounts[site]).map { web.ordinaryURL(site, $0) }
                + ["/robots.txt", "/sitemap.xml", "/nothing"].map { DemoURL(site, $0) }
        }
        let client = ClientTraits(acceptsGzip: true, acceptsDeflate: true)
        var all: [String: [WireStep]] = [:]
        for url in ordinary + Array(web.special.keys) {
            for attempt in 1...(web.countsAttempts(url) ? 3 : 1) {
                all["\(url.site) \(url.target) \(attempt)"] = web.plan(url, attempt: attempt).wireSteps(
                    client)
            }
        }
        return all
    }

    // MARK: - Chance and compression

    /// The first numbers for the seed 1234567, as published with the reference implementation.
    @Test func splitMixGivesTheReferenceNumbers() {
        var random = SplitMix64(seed: 1_234_567)
        let numbers = [random.next(), random.next(), random.next()]
        #expect(numbers == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
    }

    @Test func crcIsThatOfTheStandardsCheckValue() {
        #expect(Compression.crc32(Array("123456789".utf8)) == 0xCBF4_3926)
    }

    private static let gzipTool = "/usr/bin/gzip"

    @Test(
        .enabled(if: FileManager.default.isExecutableFile(atPath: gzipTool), "gzip is not installed"),
        arguments: [
            0, 1, 2, 3, 4, 257, 258, 259, 260, 32_767, 32_768, 32_769, 100_000,
        ])
    func gzipReadsWhatWeCompress(_ size: Int) throws {
        var random = SplitMix64(seed: UInt64(size))
        let texts: [[UInt8]] = [
            Array(repeating: 0x41, count: size),
            (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) },
            (0..<size).map { _ in UInt8(97 + random.below(3)) },
            (0..<size).map { UInt8(truncatingIfNeeded: $0 / 300) },
        ]
        for text in texts {
            #expect(try Self.gunzip(Compression.gzip(text)) == text)
            // The zlib wrapping around the same stream: two bytes before it, the Adler sum after it.
            let zlib = Compression.zlib(text)
            let stream = Compression.gzip(text).dropFirst(10).dropLast(8)
            #expect(zlib.dropFirst(2).dropLast(4).elementsEqual(stream))
            #expect((Int(zlib[0]) * 256 + Int(zlib[1])) % 31 == 0)
        }
    }

    /// RFC 1950's Adler sum of a text whose value is widely published.
    @Test func theAdlerSumIsRight() {
        #expect(Array(Compression.zlib(Array("Wikipedia".utf8)).suffix(4)) == [0x11, 0xE6, 0x03, 0x98])
    }

    private static func gunzip(_ bytes: [UInt8]) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            // A folder that stays behind in the system's temporary place does no harm.
            try? FileManager.default.removeItem(at: folder)
        }
        let input = folder.appendingPathComponent("input.gz")
        let output = folder.appendingPathComponent("output")
        try Data(bytes).write(to: input)
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: gzipTool)
        process.arguments = ["-dc"]
        process.standardInput = try FileHandle(forReadingFrom: input)
        process.standardOutput = try FileHandle(forWritingTo: output)
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return Array(try Data(contentsOf: output))
    }

    // MARK: - Links

    @Test(arguments: [
        ("/a/b/c.html", "/a/b/d.html", "d.html"), ("/a/b/c.html", "/a/x/d.html", "../x/d.html"),
        ("/a/b/c.html", "/", "../../"), ("/a/b/c.html", "/a/b/", "./"), ("/", "/x", "x"),
        ("/a/b/c.html", "/a/b/c.html?q=1", "c.html?q=1"), ("/x", "/y/z?u=/v/w", "y/z?u=/v/w"),
    ])
    func relativeLinks(_ page: String, _ target: String, _ expected: String) {
        let authorities = [Authority(host: "127.0.0.1", port: 80)]
        #expect(Href.text(.relative, DemoURL(0, target), from: DemoURL(0, page), authorities) == expected)
    }

    @Test(arguments: HrefForm.allCases)
    func everySpellingMeansItsTarget(_ form: HrefForm) throws {
        let authorities = (1...2).map { Authority(host: "127.0.0.\($0)", port: 8080) }
        let pages = ["/", "/a/b/c.html", "/a/caf%C3%A9/"]
        let targets = [
            "/", "/a/b/d.html", "/a/caf%C3%A9/x.html", "/two%20words?q=%C3%BC&r=1", "/a/b/c.html?x=2",
        ]
        for (page, target, site) in pages.flatMap({ page in
            targets.flatMap { target in [0, 1].map { (page, target, $0) } }
        }) where form != .emptyQuery || !target.contains("?") {
            let base = DemoURL(0, page)
            let text = Href.text(form, DemoURL(site, target), from: base, authorities)
            let baseURL = try #require(PlainURL("http://127.0.0.1:8080" + page, base: nil))
            let resolved = PlainURL(text, base: baseURL)
            #expect(resolved?.text == "http://127.0.0.\(site + 1):8080\(target)", "\(text) on \(page)")
        }
    }

    // MARK: - Robots

    @Test(arguments: [
        (DemoRobots.standard, "/private/secret.html", false), (.standard, "/private/open/inside.html", true),
        (.standard, "/private/openness.html", true), (.standard, "/private/ope", false),
        (.standard, "/reports/a.secret", false), (.standard, "/reports/a.secret.html", true),
        (.standard, "/reports/a.secret?x=1", true), (.standard, "/verboten-%C3%BC/x", false),
        (.standard, "/verboten-%C3%BD/x", true), (.standard, "/", true), (.ownGroup, "/", true),
        (.ownGroup, "/private/a", false), (.ownGroup, "/mocra-only/a", false),
        (.ownGroup, "/second-group/a", false),
        (.missing, "/private/secret.html", true), (.failing, "/", false), (.failing, "/robots.txt", true),
        (.open, "/private/secret.html", true), (.otherPort, "/private/secret.html", true),
        (.otherPort, "/port-private/x", false),
    ])
    func robotsDecide(_ robots: DemoRobots, _ target: String, _ expected: Bool) {
        #expect(robots.allows(target, product: "mocra") == expected)
        #expect(robots.allows(target, product: "MOCRA") == expected)
        // The same rules, read from the text by other code.
        var response = PlainResponse(status: robots.status)
        response.body = Array(robots.text(sitemap: "http://127.0.0.1/sitemap.xml").utf8)
        #expect(PlainRobots(response).allows(target) == expected)
    }

    @Test func otherCrawlersAreShutOutOfTheSiteWithAnOwnGroup() {
        #expect(!DemoRobots.ownGroup.allows("/", product: "othercrawler"))
        #expect(!DemoRobots.ownGroup.allows("/", product: "unheard-of"))
        #expect(!DemoRobots.ownGroup.allows("/", product: "mocrabot"))
        #expect(DemoRobots.crawlDelay(3).crawlDelaySeconds(for: "mocra") == 3)
    }

    // MARK: - Determinism

    @Test(arguments: Scenario.allCases)
    func equalConfigurationsGiveEqualBytes(_ scenario: Scenario) {
        #expect(Self.bytes(Self.web(scenario)) == Self.bytes(Self.web(scenario)))
        #expect(Self.bytes(Self.web(scenario)) != Self.bytes(Self.web(scenario, seed: 2)))
    }

    /// A port of another length must change nothing but itself.
    @Test(arguments: Scenario.allCases)
    func thePortChangesNothingElse(_ scenario: Scenario) {
        let short = Self.web(scenario, port: 80)
        let long = Self.web(scenario, port: 60_080)
        for number in 0..<short.pageCounts[0] {
            let texts = [short, long].map { web in
                String(decoding: web.plan(web.ordinaryURL(0, number)).body, as: UTF8.self)
                    .replacingOccurrences(of: ":60080/", with: ":80/").replacingOccurrences(
                        of: ":60081/", with: ":81/")
            }
            #expect(texts[0] == texts[1])
        }
    }

    @Test func ordinaryPagesVaryInSize() {
        let web = Self.web(.mixed, pages: 400)
        let sizes = (1..<web.pageCounts[0]).map { web.plan(web.ordinaryURL(0, $0)).body.count }
        #expect(sizes.allSatisfy { (1024...45_000).contains($0) })
        #expect(sizes.contains { $0 < 6000 } && sizes.contains { $0 > 20_000 })
    }

    @Test(arguments: [
        "/docs/0/007.html", "/docs/0/+7.html", "/docs/1/7.html", "/docs/0/-1.html", "/docs/0/0.html",
        "/docs/0/99999999999999999999.html", "/docs//1.html", "/docs/0/1.html/", "/docs/", "/docs/0/1/1.html",
        "*", "",
    ])
    func otherSpellingsOfPagesDoNotExist(_ target: String) {
        #expect(Self.web(.mixed).plan(DemoURL(0, target)).status == 404)
    }

    @Test func trapsGoOnForever() throws {
        let web = Self.web(.traps)
        for prefix in web.trapURLPrefixes {
            let hub = try #require(web.special[DemoURL(prefix.site, "/hub/traps.html")])
            guard case .page(let page, _) = hub else { continue }
            var url = try #require(page.links.map(\.target).first { $0.target.hasPrefix(prefix.target) })
            var seen: Set<DemoURL> = []
            for _ in 0..<200 {
                #expect(seen.insert(url).inserted)
                #expect(web.plan(url).status == 200)
                guard case .page(let next, _)? = web.resource(at: url) else { break }
                url = try #require(next.links.map(\.target).last { $0.target.hasPrefix(prefix.target) })
            }
            #expect(seen.count == 200)
        }
        #expect(
            web.plan(DemoURL(web.trapURLPrefixes[0].site, "/trap/calendar/9223372036854775807")).status == 404
        )
    }
}
