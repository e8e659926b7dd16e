// A small crawler that obeys robots.txt, follows ten redirects and retries three times, to check the truth of
// the site against what its server really answers.

struct PlainCrawler {
    struct Findings {
        var reachable: Set<String> = []
        var redirects: [String: String] = [:]
        var errors: [String: Int] = [:]
        var heals: [String: Int] = [:]
        var nonHTML: Set<String> = []
        var disallowed: Set<String> = []
        /// What the client said of each.
        var broken: [String: String] = [:]
    }

    private let scope: Set<String>
    private var robots: [String: PlainRobots] = [:]
    private var seen: Set<PlainURL> = []
    private var queue: [(url: PlainURL, redirects: Int)] = []
    private var findings = Findings()

    /// - Parameters:
    ///   - scope: hosts with ports.
    static func crawl(_ starts: [String], scope: Set<String>) throws -> Findings {
        var crawler = PlainCrawler(scope: scope)
        for start in starts {
            guard let url = PlainURL(start, base: nil) else {
                throw ClientError(description: "bad start \(start)")
            }
            try crawler.discover(url, redirects: 0)
        }
        while let (url, redirects) = crawler.queue.popLast() { try crawler.visit(url, redirects) }
        return crawler.findings
    }

    private init(scope: Set<String>) {
        self.scope = scope
    }

    private mutating func discover(_ url: PlainURL, redirects: Int) throws {
        let site = "\(url.host):\(url.port)"
        guard scope.contains(site), seen.insert(url).inserted else { return }
        if robots[site] == nil {
            robots[site] = PlainRobots(try PlainHTTPClient.get(url.host, url.port, "/robots.txt"))
        }
        if robots[site]?.allows(url.target) == true {
            queue.append((url, redirects))
        } else {
            findings.disallowed.insert(url.text)
        }
    }

    private mutating func visit(_ url: PlainURL, _ redirects: Int) throws {
        var failures = 0
        var response: PlainResponse
        do {
            response = try PlainHTTPClient.get(url.host, url.port, url.target)
            while response.status == 429 || response.status >= 500, failures < 3 {
                failures += 1
                response = try PlainHTTPClient.get(url.host, url.port, url.target)
            }
        } catch let error as ClientError {
            findings.broken[url.text] = error.description
            return
        }
        switch response.status {
        case 200:
            if failures > 0 { findings.heals[url.text] = failures }
            guard response.field("content-type")?.hasPrefix("text/html") == true else {
                findings.nonHTML.insert(url.text)
                return
            }
            findings.reachable.insert(url.text)
            for link in PlainPage.links(in: PlainPage.text(response), at: url) {
                try discover(link, redirects: 0)
            }
        case 300..<400:
            guard let target = PlainURL(response.field("location") ?? "http:", base: url) else {
                throw ClientError(description: "\(url.text) redirects nowhere")
            }
            findings.redirects[url.text] = target.text
            if redirects < 10 { try discover(target, redirects: redirects + 1) }
        default:
            findings.errors[url.text] = response.status
        }
    }
}
