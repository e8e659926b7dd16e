// Real and made-up robots.txt files: each is read without fault, and those with a plain meaning mean it.

import Foundation
import MocraEngine
import TestSupport
import Testing

@Suite(
    "robots.txt files", .enabled(if: TestData.directory("robots") != nil, "the robots test data is absent"))
struct RobotsFilesTests {
    private func rules(_ file: String, for token: String) throws -> RobotsRules {
        let directory = try #require(TestData.directory("robots"))
        let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/" + file))
        return RobotsRules.parse([UInt8](data).span, productToken: token)
    }

    @Test func everyFileIsRead() throws {
        let directory = try #require(TestData.directory("robots"))
        let files = try FileManager.default.contentsOfDirectory(atPath: directory).filter {
            $0.hasSuffix(".txt")
        }
        for file in files {
            for token in ["mocra", "bot1", "mybot", "*", ""] {
                let parsed = try rules(file, for: token)
                _ = parsed.allows("/a/b?c=d")
                #expect(parsed.allows("/robots.txt"), "\(file)")
            }
        }
        #expect(files.count >= 24)
    }

    /// File, product token, targets that it allows, targets that it forbids.
    @Test(arguments: [
        (
            "rfc9309-example-simple-robots.txt", "foobot", ["/example/page.html", "/example/allowed.gif"],
            ["/", "/x.gif"]
        ),
        ("rfc9309-example-simple-robots.txt", "bazbot", ["/", "/x.gif"], ["/example/page.html"]),
        ("rfc9309-example-simple-robots.txt", "quxbot", ["/", "/x.gif", "/example/"], []),
        ("rfc9309-example-simple-robots.txt", "any", ["/", "/publications/x.gif"], ["/x.gif", "/example/"]),
        ("rfc9309-example-rule-group-merging.txt", "examplebot", ["/"], ["/foo", "/bar", "/baz"]),
        ("rfc9309-example-rule-group-merging.txt", "bazbot", ["/foo", "/bar"], ["/baz"]),
        ("rfc9309-example-rule-group-merging.txt", "any", ["/baz"], ["/foo", "/bar"]),
        (
            "rfc9309-example-longest-match-robots.txt", "foobot", ["/example/page/"],
            ["/example/page/disallowed.gif"]
        ),
        ("merge-rules.txt", "wget", ["/foo/bar", "/ckh/bar", "/"], ["/tmp/bar"]),
        ("merge-rules.txt", "curl", [], ["/", "/foo/bar"]),
        ("merge-rules.txt", "any", ["/ckh/bar", "/"], ["/foo/bar", "/tmp/bar"]),
        ("precedence-of-rules.txt", "wget", ["/foo", "/foo/x", "/index.html"], ["/", "/bar"]),
        (
            "precedence-of-rules.txt", "testy", ["/foo/bar", "/foo/bar/x", "/"],
            ["/foo", "/foo/bax", "/foo/x"]
        ),
        ("many-user-agents.txt", "wget", [], ["/", "/x"]),
        ("many-user-agents.txt", "OutfoxBot", [], ["/"]),
        ("many-user-agents.txt", "mocra", ["/", "/x"], ["/translate/x", "/bot-trap/", "/ylang/el/forum/"]),
        (
            "wildcards.txt", "googlebot", ["/rss/people", "/"],
            ["/rss/people/x/reviews", "/gp/pdp/rss/x/y/reviews", "/a/gcrnsts"]
        ),
        (
            "wildcards.txt", "googlebot", ["/gp/wishlist/universal-x", "/wishlist/get-button"],
            ["/gp/wishlist/", "/wishlist/x"]
        ),
        ("wildcards.txt", "etaospider", [], ["/", "/x"]),
        (
            "wildcards.txt", "mocra", ["/", "/rss/people/x/reviews"],
            ["/gp/registry/wishlist/x/reserve", "/gp/cart?x"]
        ),
        (
            "malformed-path.txt", "mocra", ["/wiki/", "/wiki/Wikipedia_talk%3AMediation_Committee/"],
            ["/wiki/Wikipedia_talk:Mediation_Committee/", "/wiki/Wikipedia_talk%3Mediation_Committee/"]
        ),
        ("robots-with-utf8-bom.txt", "mocra", ["/"], ["/login.aspx", "/a/output/print", "/profile"]),
        ("robots-with-utf16le-bom.txt", "mocra", ["/"], ["/login.aspx", "/a/output/print", "/profile"]),
        ("robots-with-utf16be-bom.txt", "googlebot", ["/"], ["/login.aspx", "/a/output/print", "/profile"]),
        ("format-errors-robots.txt", "bot1", ["/x"], ["/whitespace-before-colon/", "/no-colon/"]),
        ("format-errors-robots.txt", "bot2", ["/x"], ["/no-colon-useragent/"]),
        ("format-errors-robots.txt", "bot3", ["/whitespace-before-colon"], ["/x"]),
        ("directive-typos-robots.txt", "bot1", ["/x"], ["/desallow/", "/dissalow/"]),
        ("directive-typos-robots.txt", "bot2", ["/dissalow/"], ["/useragent/"]),
        ("directive-typos-robots.txt", "bot4", ["/useragent/"], ["/useragent-no-colon/"]),
        ("extension-robots.txt", "mybot", ["/", "/secret/"], ["/private/"]),
        ("extension-robots.txt", "otherbot", ["/private/"], ["/admin/"]),
        ("extensions-group-merging.txt", "mybot", ["/"], ["/private/"]),
        ("extensions-group-merging.txt", "yourbot", ["/"], ["/private/", "/login/"]),
        ("extensions-group-merging.txt", "any", ["/llms.txt"], ["/", "/private/"]),
        ("extended-standard-robots.txt", "bot3", ["/", "/x"], []),
        ("relative-sitemap-robots.txt", "any", ["/"], ["/cache/", "/files/x"]),
        ("www.flot.com-robots.txt", "any", ["/"], ["/bitrix/", "/img/x"]),
        ("twitter.com-robots.txt", "googlebot", ["/a"], ["/a?b", "/u/with_friends"]),
    ])
    func means(_ file: String, _ token: String, _ allowed: [String], _ forbidden: [String]) throws {
        let parsed = try rules(file, for: token)
        for target in allowed { #expect(parsed.allows(target), "\(target)") }
        for target in forbidden { #expect(!parsed.allows(target), "\(target)") }
    }

    /// A delay holds for the user agents named up to its line, and for the rest of their groups' merger.
    @Test(
        arguments: [
            ("crawl-delay-group-merging.txt", "mybot", 10), ("crawl-delay-group-merging.txt", "yourbot", nil),
            ("crawl-delay-group-merging.txt", "any", 30), ("dos-line-endings.txt", "any", 1),
            ("astore.amazon.com-robots.txt", "any", 5), ("twitter.com-robots.txt", "slurp", 1),
            ("twitter.com-robots.txt", "msnbot", 10), ("twitter.com-robots.txt", "googlebot", nil),
        ] as [(String, String, Int?)])
    func delays(_ file: String, _ token: String, _ seconds: Int?) throws {
        #expect(try rules(file, for: token).crawlDelay == seconds.map { .seconds($0) })
    }

    @Test func crawlDelayDoesNotDisturbRules() throws {
        #expect(try !rules("crawl-delay-group-merging.txt", for: "mybot").allows("/private/"))
        #expect(try rules("crawl-delay-group-merging.txt", for: "mybot").allows("/login/"))
        #expect(try !rules("crawl-delay-group-merging.txt", for: "yourbot").allows("/login/"))
        #expect(try rules("crawl-delay-group-merging.txt", for: "any").allows("/private/"))
    }

    @Test(arguments: [
        (
            "sitemap-robots.txt",
            ["http://domain.com/sitemap.xml", "http://domain.com/dir/MixedCased-sitemap.xml"]
        ),
        ("sitemap-robots-dedup.txt", ["http://example.org/sitemap.xml"]),
        ("relative-sitemap-robots.txt", ["/sitemap.xml"]), ("extension-robots.txt", ["/sitemap.xml"]),
        ("format-errors-robots.txt", ["/sitemap.xml"]), ("merge-rules.txt", []),
        ("robots-with-utf16le-bom.txt", ["http://www.newsweek.com/sitemap_index.xml"]),
        ("www.flot.com-robots.txt", ["http://flot.com/sitemap_index.xml"]),
    ])
    func sitemaps(_ file: String, _ expected: [String]) throws {
        #expect(try rules(file, for: "any").sitemaps == expected)
        #expect(try rules(file, for: "googlebot").sitemaps == expected)
    }

    @Test func wildcardsFileNamesItsSitemaps() throws {
        #expect(try rules("wildcards.txt", for: "any").sitemaps.count == 8)
    }
}
