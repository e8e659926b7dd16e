// RobotsRules against RFC 9309: its examples, its matching rules, and files that mean harm.

import MocraEngine
import Testing

private func rules(_ text: String, for token: String = "mybot") -> RobotsRules {
    RobotsRules.parse(text.utf8.span, productToken: token)
}

@Suite("robots.txt rules")
struct RobotsRulesTests {
    // MARK: §5 and §2.2.1, the examples

    private static let simple = """
        User-Agent: *
        Disallow: *.gif$
        Disallow: /example/
        Allow: /publications/

        User-Agent: foobot
        Disallow:/
        Allow:/example/page.html
        Allow:/example/allowed.gif

        User-Agent: barbot
        User-Agent: bazbot
        Disallow: /example/page.html

        User-Agent: quxbot
        """

    @Test(arguments: [
        ("foobot", "/example/page.html", true), ("foobot", "/example/allowed.gif", true),
        ("foobot", "/", false),
        ("foobot", "/publications/", false), ("barbot", "/example/page.html", false),
        ("bazbot", "/x.gif", true),
        ("BAZBOT", "/example/page.html", false), ("quxbot", "/example/page.html", true),
        ("quxbot", "/a.gif", true),
        ("other", "/example/page.html", false), ("other", "/a/b.gif", false), ("other", "/a/b.gif?x", true),
        ("other", "/publications/b.gif", true), ("other", "/publications/", true),
        ("foobot/2.1 (+http://x/)", "/", false), ("foobo", "/example/page.html", false),
    ])
    func simpleExample(_ token: String, _ target: String, _ expected: Bool) {
        #expect(rules(Self.simple, for: token).allows(target) == expected)
    }

    @Test func longestMatchExample() {
        let parsed = rules("User-Agent: mybot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif")
        #expect(!parsed.allows("/example/page/disallowed.gif"))
        #expect(parsed.allows("/example/page/allowed.gif"))
    }

    @Test func groupsOfOneNameAreMerged() {
        let text =
            "user-agent: mybot\ndisallow: /foo\ndisallow: /bar\n\nuser-agent: other\ndisallow: /baz\n\n"
            + "user-agent: MyBot\ndisallow: /qux"
        let parsed = rules(text)
        #expect(["/foo", "/bar", "/qux"].allSatisfy { !parsed.allows($0) })
        #expect(parsed.allows("/baz"))
        #expect(!rules("user-agent: *\ndisallow: /a\nuser-agent: *\ndisallow: /b").allows("/a"))
    }

    // MARK: §2.2.2, matching

    @Test(arguments: [
        // Rule, target, whether the rule matches. The first six are the RFC's table.
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", true),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", true),
        ("/foo/bar?baz=https%3a%2f%2ffoo.bar", "/foo/bar?baz=https://foo.bar", true),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", true),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", true),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", true),
        ("/foo/bar/baz", "/foo/bar/%62%61%7a", true),
        ("/a%2Fb", "/a/b", false), ("/a/b", "/a%2fb", false), ("/a%2fb", "/a%2Fb", true),
        ("/a%7Eb", "/a~b", true), ("/a b", "/a%20b", true),
        ("/a\"<>^`{|}", "/a%22%3C%3E%5E%60%7B%7C%7D", true),
        ("/it's", "/it's", true), ("/?it's", "/?it%27s", true), ("/a%", "/a%25", true),
        ("/a%zz", "/a%zz", true),
        // Special characters that mean themselves.
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", true),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-x.html", false),
        ("/path/foo-%24", "/path/foo-$", true), ("/path/foo-%24", "/path/foo-", false),
        ("/a$b", "/a$b", true), ("/a$b", "/a", false), ("/a$b$", "/a$b", true), ("/a$b$", "/a$bc", false),
        // Wildcards and anchors.
        ("/", "/anything?at=all", true), ("/fish", "/fish", true), ("/fish", "/fishheads/yummy.html", true),
        ("/fish", "/Fish.asp", false), ("/fish", "/catfish", false), ("/fish*", "/fish.html", true),
        ("/fish/", "/fish", false), ("/fish/", "/fish/?id=1", true), ("/*.php", "/folder/any.php.file", true),
        ("/*.php", "/", false), ("/*.php", "/windows.PHP", false), ("/*.php$", "/a.php", true),
        ("/*.php$", "/a.php?x", false), ("/*.php$", "/a.php5.php", true),
        ("/fish*.php", "/fishheads/x.php?y", true),
        ("/*/b/*/d", "/a/b/c/d/e", true), ("/*/b/*/d", "/a/b/d", false), ("/a*a$", "/a", false),
        ("/a*a$", "/aa", true),
        ("/*ab*abc$", "/abababc", true), ("/$", "/", true), ("/$", "/a", false), ("*", "/x", true),
        ("*$", "/x", true),
        ("*/x", "/a/x", true), ("/**/x", "/a/x", true), ("/*$", "/abc", true), ("/a*", "/a", true),
        ("/aab", "/aaab", false), ("*aab", "/aaab", true),
        (
            "*0123456789012345678901234567890123456789x",
            "/01234567890123456789012345678901234567890123456789x", true
        ),
        (
            "*0123456789012345678901234567890123456789x",
            "/01234567890123456789012345678901234567890123456789", false
        ),
        ("*abababababababababababababababababababab!", "/ababababababababababababababababababababab!", true),
        // What starts with neither a slash nor a star is no path.
        ("fish", "/fish", false), ("http://h/fish", "/fish", false),
    ])
    func matching(_ pattern: String, _ target: String, _ matches: Bool) {
        #expect(rules("User-agent: *\nDisallow: \(pattern)").allows(target) == !matches)
    }

    @Test(arguments: [
        ("Allow: /p\nDisallow: /", "/page", true),
        ("Allow: /folder\nDisallow: /folder", "/folder/page", true),
        ("Disallow: /folder\nAllow: /folder", "/folder/page", true),
        ("Allow: /page\nDisallow: /*.htm", "/page.htm", false),
        ("Allow: /page\nDisallow: /*.ph", "/page.php5", true), ("Allow: /$\nDisallow: /", "/", true),
        ("Allow: /$\nDisallow: /", "/page.htm", false), ("Disallow:\nDisallow: /x", "/y", true),
        ("Allow:\nDisallow: /x", "/x", false), ("Disallow: /\nAllow: /%E3%83%84", "/ツ", true),
    ])
    func precedence(_ lines: String, _ target: String, _ expected: Bool) {
        #expect(rules("User-agent: mybot\n" + lines).allows(target) == expected)
    }

    @Test func theRobotsFileIsAlwaysAllowed() {
        #expect(RobotsRules.disallowAll.allows("/robots.txt"))
        #expect(!RobotsRules.disallowAll.allows("/robots.txt.bak"))
        #expect(!RobotsRules.disallowAll.allows("/") && !RobotsRules.disallowAll.allows(""))
        #expect(!RobotsRules.disallowAll.allows("/a%20*?b"))
        #expect(RobotsRules.allowAll.allows("/") && RobotsRules.allowAll.allows(""))
        #expect(rules("User-agent: *\nDisallow: /robots.txt").allows("/robots.txt"))
        #expect(rules("").allows("/x") && rules("") == .allowAll)
        let allowsBytes = rules("User-agent: *\nDisallow: /s").allows("/secret".utf8.span)
        #expect(!allowsBytes)
    }

    // MARK: Lines and groups

    @Test(arguments: ["\n", "\r\n", "\r", "\n\n", "\n\t \n"]) func lineEnds(_ end: String) {
        let lines = [
            "User-agent: mybot  # us", " \tDISALLOW :\t/a # not b", "Sitemap: https://h/s.xml", "Allow: /a/b",
        ]
        let parsed = rules(lines.joined(separator: end))
        #expect(!parsed.allows("/a") && parsed.allows("/a/b") && parsed.allows("/b"))
        #expect(parsed.sitemaps == ["https://h/s.xml"])
    }

    @Test func otherRecordsDoNotEndAGroup() {
        let text =
            "User-agent: mybot\nSitemap: /s.xml\nFoo: bar\n\nCrawl-delay: 2\nUser-agent: yourbot\nnonsense\n"
            + "Disallow: /x\nHost: h\nDisallow: /y\nUser-agent: third\nDisallow: /z"
        for token in ["mybot", "yourbot"] {
            let parsed = rules(text, for: token)
            #expect(!parsed.allows("/x") && !parsed.allows("/y") && parsed.allows("/z"), "\(token)")
        }
        #expect(rules(text, for: "third").allows("/x"))
        #expect(
            rules("Disallow: /\nUser-agent: other\nDisallow: /").allows("/"), "rules of no group mean nothing"
        )
    }

    @Test(arguments: [
        ("mybot", true), ("MyBot", true), ("mybot/1.0", true), ("mybot 1.0", true), ("mybot-news", false),
        ("mybots", false), ("mybo", false), ("", false), ("my bot", false), ("*", true), ("* # all", true),
        ("*mybot", false),
    ])
    func productTokens(_ name: String, _ isAddressed: Bool) {
        #expect(rules("User-agent: \(name)\nDisallow: /").allows("/x") == !isAddressed)
    }

    @Test func theNamedGroupReplacesTheOneForAll() {
        let text = "User-agent: *\nDisallow: /\nCrawl-delay: 9\nUser-agent: mybot\nAllow: /x\n"
        #expect(rules(text).allows("/y"))
        #expect(rules(text).crawlDelay == nil)
        #expect(!rules(text, for: "other").allows("/y"))
        #expect(!rules(text, for: "").allows("/y"), "a crawler without a name is anyone")
        #expect(
            rules("User-agent: *\nUser-agent: mybot\nDisallow: /a\nUser-agent: *\nDisallow: /b").allows("/b"))
    }

    @Test(
        arguments: [
            ("10", .seconds(10)), ("0", .zero), ("0.5", .milliseconds(500)), ("1.2345", .milliseconds(1234)),
            ("-1", nil),
            ("abc", nil), ("", nil), (".", nil), ("1.2.3", nil), ("5 s", nil), ("1e9", nil),
            (".25", .milliseconds(250)),
            ("99999999999999999999999999", .seconds(1_000_000)), ("5 # slow", .seconds(5)),
        ] as [(String, Duration?)])
    func crawlDelays(_ value: String, _ expected: Duration?) {
        #expect(rules("User-agent: mybot\nCrawl-delay: \(value)").crawlDelay == expected)
    }

    @Test func theLongestOfSeveralDelaysHolds() {
        #expect(
            rules("User-agent: mybot\nCrawl-delay: 3\nCrawl-delay: 7\nCrawl-delay: 1").crawlDelay
                == .seconds(7))
    }

    // MARK: Hostile files

    @Test func whatLiesBeyondTheLimitIsNotRead() {
        let limit = 500 * 1024
        let head = "User-agent: mybot\nDisallow: /early\n#"
        let filler = String(repeating: "x", count: limit - head.utf8.count - 1) + "\n"
        let late = rules(head + filler + "Disallow: /late\n")
        #expect(!late.allows("/early") && late.allows("/late"))
        let cutLine = "Disallow: /secret"
        let room = limit - head.utf8.count - 1 - "Disallow: /".utf8.count
        let cut = rules(head + String(repeating: "x", count: room) + "\n" + cutLine)
        #expect(!cut.allows("/early") && cut.allows("/public"), "a line cut at the limit says nothing")
        let whole = rules(
            head + String(repeating: "x", count: limit - head.utf8.count - 1 - cutLine.utf8.count) + "\n"
                + cutLine)
        #expect(!whole.allows("/secret"))
    }

    @Test(.timeLimit(.minutes(10))) func starsByTheMegabyteEnd() {
        let stars = String(repeating: "*", count: 1 << 20)
        let target = "/" + String(repeating: "a", count: 60_000)
        #expect(rules(stars).allows(target))
        #expect(rules("User-agent: *\nDisallow: " + stars + "\n").allows("/b"), "the line is cut, so void")
        let half = String(repeating: "*", count: 400_000)
        #expect(!rules("User-agent: *\nDisallow: \(half)\n").allows(target))
        let alternating = String(repeating: "*a", count: 30_000)
        #expect(!rules("User-agent: *\nDisallow: /\(alternating)\n").allows(target))
        #expect(rules("User-agent: *\nDisallow: /\(alternating)b\n").allows(target))
        let piece = String(repeating: "a", count: 29_000) + "b"
        #expect(rules("User-agent: *\nDisallow: *\(piece)*\(piece)\n").allows(target))
        let many = String(repeating: "Disallow: *a*b*c*d\n", count: 20_000)
        #expect(rules("User-agent: *\n" + many).allows("/" + String(repeating: "abc", count: 600)))
    }

    @Test func randomBytesNeverTrap() {
        var state: UInt64 = 42
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let pieces = [
            "User-agent:", "*", "mybot", "\n", "\r", "Disallow:", "Allow:", "/", "$", "%", "%4", "%2A", "#",
            ":", " ",
            "Sitemap:", "Crawl-delay:", "9", ".", "\u{FEFF}", "é", "\u{0}",
        ]
        for _ in 0..<5_000 {
            var bytes: [UInt8] = []
            for _ in 0..<(next() % 30) {
                if next() % 4 == 0 {
                    bytes.append(UInt8(next() & 0xFF))
                } else {
                    bytes += Array(pieces[Int(next() % UInt64(pieces.count))].utf8)
                }
            }
            let parsed = RobotsRules.parse(bytes.span, productToken: "mybot")
            _ = parsed.allows(bytes.span)
            #expect(parsed.allows("/robots.txt"))
        }
    }
}
