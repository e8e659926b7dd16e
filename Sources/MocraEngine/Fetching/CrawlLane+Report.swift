// What a lane tells of itself: counters, ledger, hosts, and what a person should hear of by name.

import MocraFastPath

/// What is kept about the answers of one host.
struct HostFetches: Sendable {
    var count = 0
    var totalMs = 0
    var maxMs = 0
}

extension CrawlLane {
    /// The lane's part of the run's progress. Complexity: O(hosts).
    func report() -> RunProgress {
        var progress = RunProgress()
        progress.counters = counters
        progress.ledger = frontier.ledger
        progress.skips = frontier.skips
        progress.inFlight = inFlight
        progress.hosts = frontier.hosts.count
        progress.notices = notices
        progress.noticesLeftOut = noticesLeftOut
        for (host, fetches) in hostFetches.enumerated() where fetches.count > 0 {
            let timing = HostTiming(
                host: frontier.hosts[host].name, fetches: fetches.count,
                meanMs: fetches.totalMs / fetches.count, maxMs: fetches.maxMs)
            progress.slowestHosts.append(timing)
            // Cut now and then, so that the list stays short whatever the number of hosts.
            if progress.slowestHosts.count > 64 {
                progress.slowestHosts = RunProgress.slowest(progress.slowestHosts)
            }
        }
        progress.slowestHosts = RunProgress.slowest(progress.slowestHosts)
        return progress
    }

    /// Whether the ledger balances, and agrees with what the frontier holds.
    func isLedgerRight() -> Bool {
        let ledger = frontier.ledger
        return ledger.isBalanced && ledger.queued + ledger.leased == frontier.requestsHeld
            && frontier.skips.values.reduce(0, +) == ledger.filtered
    }

    func countHost(_ host: Int, fetchMs: Int) {
        while hostFetches.count <= host { hostFetches.append(HostFetches()) }
        hostFetches[host].count += 1
        hostFetches[host].totalMs += fetchMs
        hostFetches[host].maxMs = max(hostFetches[host].maxMs, fetchMs)
    }

    /// A page was answered for good.
    func count(_ response: borrowing Response) {
        counters.pages += 1
        counters.bytes += response.bodyBytes
        counters.wireBytes += response.wireBytes
        counters.statusClasses.count(status: response.status)
    }

    // MARK: Notices

    func note(url: String, kind: String, _ message: String) {
        guard notices.count < RunNotice.countMax else {
            noticesLeftOut += 1
            return
        }
        notices.append(RunNotice(url: url, kind: kind, message: message))
    }

    /// A URL that a person named was refused before it was fetched.
    func note(_ url: WebURL, skipped reason: SkipReason) {
        note(url: url.href, kind: reason.rawValue, Self.explanation(reason))
    }

    /// A URL that a person named, or that one redirects to, was refused when it was found.
    func note(_ candidate: FrontierCandidate<PendingRequest>, filtered reason: SkipReason) {
        guard reason == .scope, let from = candidate.payload.redirectChain.last else {
            return note(candidate.url, skipped: reason)
        }
        note(
            url: from.href, kind: reason.rawValue,
            "it redirects to \(candidate.url.href), whose host is not in the scope: start there, or allow the"
                + " host \(candidate.url.host)")
    }

    private static func explanation(_ reason: SkipReason) -> String {
        switch reason {
        case .scope: "the host is not in the scope of the crawl"
        case .robots: "the host's robots.txt disallows it, or could not be read because the server failed"
        case .depth: "it is deeper than frontier.max_depth"
        case .budget: "the page budget is used up (frontier.max_pages, frontier.max_pages_per_host)"
        case .trap: "the URL is longer than frontier.max_url_length"
        case .blocked: "the address is not public, and download_config.address_policy is \"public\""
        }
    }
}
