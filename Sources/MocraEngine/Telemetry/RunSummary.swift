// What a run came to, for a person and for a program.
// Pure functions of numbers; must not know a terminal or a file.

/// The end of a run in numbers.
public struct RunSummary: Sendable, Equatable {
    public var run: RunIdentifier
    public var outcome: RunOutcome
    /// The last state: counters, ledger, skips, slowest hosts, notices.
    public var progress: RunProgress

    public init(run: RunIdentifier, outcome: RunOutcome, progress: RunProgress) {
        self.run = run
        self.outcome = outcome
        self.progress = progress
    }
}

extension RunSummary {
    public var ledger: LedgerCounts { progress.ledger }
    public var durationMs: Int { progress.elapsedMs }
    public var pages: Int { progress.counters.pages }
    public var requests: Int { progress.counters.requests }
    public var retries: Int { progress.counters.retries }
    public var items: Int { progress.counters.items }
    public var bytes: Int { progress.counters.bytes }
    public var wireBytes: Int { progress.counters.wireBytes }
    public var statusClasses: StatusClasses { progress.counters.statusClasses }
    public var errors: [ErrorKind: Int] { progress.counters.errors }
    public var skips: [SkipReason: Int] { progress.skips }
    public var slowestHosts: [HostTiming] { progress.slowestHosts }
    public var notices: [RunNotice] { progress.notices }

    /// The summary for a person: several lines, the last one without a line feed.
    public func text() -> String {
        var lines: [String] = []
        let rate = HumanText.decimal(progress.pagesPerSecond)
        lines.append(
            "\(outcome): \(HumanText.count(pages)) pages, \(HumanText.bytes(bytes)) in"
                + " \(HumanText.duration(ms: durationMs)), \(rate) pages/s")
        let classes = statusClasses.named.map { "\($0.name) \(HumanText.count($0.count))" }
        if !classes.isEmpty { lines.append("status   " + classes.joined(separator: ", ")) }
        lines.append(
            "fetches  \(HumanText.count(requests)) (\(HumanText.count(retries)) retries),"
                + " \(HumanText.bytes(wireBytes)) received, \(HumanText.count(items)) items")
        if !slowestHosts.isEmpty {
            let hosts = slowestHosts.map { "\($0.host) \($0.meanMs) ms (most \($0.maxMs))" }
            lines.append("slowest  " + hosts.joined(separator: ", "))
        }
        if !errors.isEmpty { lines.append("errors   " + Self.list(sortedErrors)) }
        if !sortedSkips.isEmpty { lines.append("skipped  " + Self.list(sortedSkips)) }
        lines.append("ledger   \(ledger), duplicates \(ledger.duplicates)")
        for notice in notices {
            let place = notice.url.isEmpty ? "" : "\(HumanText.printable(notice.url)): "
            lines.append("note     \(place)\(notice.kind): \(HumanText.printable(notice.message))")
        }
        if progress.noticesLeftOut > 0 {
            lines.append(
                "note     and \(HumanText.count(progress.noticesLeftOut)) more: see the items"
            )
        }
        return lines.joined(separator: "\n")
    }

    /// The summary for a program: one JSON object on one line.
    public func json() -> String {
        var writer = JSONWriter(capacity: 1_024)
        writeJSON(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Most frequent first, names that occur equally often in alphabetical order.
    private var sortedErrors: [(String, Int)] {
        Self.sorted(errors.map { ($0.key.rawValue, $0.value) })
    }

    private var sortedSkips: [(String, Int)] {
        Self.sorted(skips.map { ($0.key.rawValue, $0.value) })
    }

    private static func sorted(_ counts: [(String, Int)]) -> [(String, Int)] {
        counts.filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }

    private static func list(_ counts: [(String, Int)]) -> String {
        counts.map { "\($0.0) \(HumanText.count($0.1))" }.joined(separator: ", ")
    }
}

extension RunSummary: JSONRepresentable {
    /// Writes the object of `json()`.
    public func writeJSON(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.field("run", run.description)
        writer.field("outcome", outcomeName)
        if case .limited(let limit) = outcome { writer.field("limit", limit.rawValue) }
        writer.field("duration_ms", durationMs)
        writer.field("pages", pages)
        writer.field("pages_per_second", progress.pagesPerSecond)
        writer.field("requests", requests)
        writer.field("retries", retries)
        writer.field("items", items)
        writer.field("bytes", bytes)
        writer.field("wire_bytes", wireBytes)
        Self.write("status_classes", statusClasses.named.map { ($0.name, $0.count) }, to: &writer)
        Self.write("errors", sortedErrors, to: &writer)
        Self.write("skipped", sortedSkips, to: &writer)
        writeLedger(to: &writer)
        writer.key("slowest_hosts")
        writer.beginArray()
        for host in slowestHosts {
            writer.beginObject()
            writer.field("host", host.host)
            writer.field("fetches", host.fetches)
            writer.field("mean_ms", host.meanMs)
            writer.field("max_ms", host.maxMs)
            writer.endObject()
        }
        writer.endArray()
        writer.field("notices_left_out", progress.noticesLeftOut)
        writer.key("notices")
        writer.beginArray()
        for notice in notices {
            writer.beginObject()
            writer.field("url", notice.url)
            writer.field("kind", notice.kind)
            writer.field("message", notice.message)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
    }

    private var outcomeName: String {
        switch outcome {
        case .limited: "limited"
        case .completed, .stopped, .cancelled: outcome.description
        }
    }

    private func writeLedger(to writer: inout JSONWriter) {
        Self.write(
            "ledger",
            [
                ("discovered", ledger.discovered), ("done", ledger.done), ("queued", ledger.queued),
                ("leased", ledger.leased), ("filtered", ledger.filtered), ("dead", ledger.dead),
                ("duplicates", ledger.duplicates),
            ], to: &writer)
    }

    private static func write(_ name: String, _ members: [(String, Int)], to writer: inout JSONWriter) {
        writer.key(name)
        writer.beginObject()
        for (member, count) in members { writer.field(member, count) }
        writer.endObject()
    }
}
