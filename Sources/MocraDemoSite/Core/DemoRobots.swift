// robots.txt of one site as data: it is written out for crawlers and evaluated here for the truth (RFC 9309).
// It knows targets, not sites or pages.

package struct DemoRobots: Sendable, Equatable {
    package struct Rule: Sendable, Equatable {
        package var isAllow: Bool
        /// As written, raw characters included.
        package var pattern: String

        static func allow(_ pattern: String) -> Rule { Rule(isAllow: true, pattern: pattern) }
        static func disallow(_ pattern: String) -> Rule { Rule(isAllow: false, pattern: pattern) }
    }

    package struct Group: Sendable, Equatable {
        package var agents: [String]
        package var rules: [Rule]
        package var crawlDelaySeconds: Int?

        init(_ agents: [String], _ rules: [Rule], crawlDelaySeconds: Int? = nil) {
            self.agents = agents
            self.rules = rules
            self.crawlDelaySeconds = crawlDelaySeconds
        }
    }

    /// 200, 404 (everything is allowed) or 500 (everything is forbidden): RFC 9309 sections 2.3.1.3 and
    /// 2.3.1.4.
    package var status: Int
    package var groups: [Group]

    package init(status: Int = 200, groups: [Group] = []) {
        self.status = status
        self.groups = groups
    }

    /// The rules for a product token: its own groups combined, else those for `*` (section 2.2.1).
    package func rules(for product: String) -> [Rule] {
        groups(for: product).flatMap(\.rules)
    }

    package func crawlDelaySeconds(for product: String) -> Int? {
        status == 200 ? groups(for: product).compactMap(\.crawlDelaySeconds).first : nil
    }

    /// The longest matching rule wins, allow on a tie; robots.txt itself is always allowed (section 2.2.2).
    package func allows(_ target: String, product: String) -> Bool {
        if target == "/robots.txt" { return true }
        if status >= 500 { return false }
        if status >= 400 { return true }
        var longest = -1
        var isAllowed = true
        for rule in rules(for: product) {
            let pattern = Self.escapedPattern(rule.pattern)
            guard Self.matches(pattern[...], Array(target.utf8)[...]) else { continue }
            if pattern.count > longest || (pattern.count == longest && rule.isAllow) {
                longest = pattern.count
                isAllowed = rule.isAllow
            }
        }
        return isAllowed
    }

    /// The file as a crawler gets it. Names vary in case, as they may (section 2.2.1).
    package func text(sitemap: String) -> String {
        var text = "# The rules of this site.\n"
        for group in groups {
            for agent in group.agents { text += "User-agent: \(agent)\n" }
            for rule in group.rules {
                text += "\(rule.isAllow ? "Allow" : "disallow"): \(rule.pattern)  # rule\n"
            }
            if let delay = group.crawlDelaySeconds { text += "Crawl-delay: \(delay)\n" }
            text += "\n"
        }
        return text + "Sitemap: \(sitemap)\n"
    }

    private func groups(for product: String) -> [Group] {
        let own = groups.filter { $0.agents.contains { $0.lowercased() == product.lowercased() } }
        return own.isEmpty ? groups.filter { $0.agents.contains("*") } : own
    }

    /// Octets outside of ASCII are compared in their escaped form (section 2.2.2).
    private static func escapedPattern(_ pattern: String) -> [UInt8] {
        pattern.utf8.flatMap { byte -> [UInt8] in
            guard byte >= 0x80 else { return [byte] }
            return Array(("%" + String(byte, radix: 16, uppercase: true)).utf8)
        }
    }

    /// `*` matches any octets, `$` at the end anchors there (section 2.2.3). The patterns are our own and
    /// short, so plain backtracking is bounded.
    private static func matches(_ pattern: ArraySlice<UInt8>, _ target: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return true }
        let rest = pattern.dropFirst()
        if first == UInt8(ascii: "$") && rest.isEmpty { return target.isEmpty }
        if first == UInt8(ascii: "*") {
            return target.indices.contains { matches(rest, target[$0...]) } || matches(rest, target.suffix(0))
        }
        return target.first == first && matches(rest, target.dropFirst())
    }
}

extension DemoRobots {
    private static let standardRules: [Rule] = [
        .disallow("/private/"),
        .allow("/private/open"),
        .disallow("/*.secret$"),
        .disallow("/verboten-\u{FC}/"),
    ]

    package static let open = DemoRobots(groups: [Group(["*"], [.allow("/")])])

    package static let standard = DemoRobots(groups: [Group(["*"], standardRules)])

    /// Everybody is shut out but mocra, whose rules are in two groups that must be combined; a longer product
    /// token that starts the same is somebody else.
    package static let ownGroup = DemoRobots(groups: [
        Group(["mocrabot", "othercrawler"], [.disallow("/")]),
        Group(["mocra"], standardRules + [.disallow("/mocra-only/")]),
        Group(["*"], [.disallow("/")]),
        Group(["MOCRA"], [.disallow("/second-group/")]),
    ])

    package static let missing = DemoRobots(status: 404)

    package static let failing = DemoRobots(status: 500)

    package static func crawlDelay(_ seconds: Int) -> DemoRobots {
        DemoRobots(groups: [Group(["*"], standardRules, crawlDelaySeconds: seconds)])
    }

    /// The site on another port of the first host: rules are by port too (section 2.3).
    package static let otherPort = DemoRobots(groups: [Group(["*"], [.disallow("/port-private/")])])
}
