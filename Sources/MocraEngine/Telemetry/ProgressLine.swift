// A line about a run that goes on, for a terminal and for everything else.
// Pure functions of snapshots; must not know a terminal beyond its width.

/// Formats progress.
public enum ProgressLine {
    /// For a terminal, at most `columns` wide, without a line feed. The caller overwrites the line before it.
    ///
    /// - Parameter previous: The snapshot of the line before, for the current rate; nil for the first.
    public static func terminal(_ progress: RunProgress, previous: RunProgress?, columns: Int) -> String {
        let parts = parts(progress, previous)
        var line = ""
        // Whole parts only, so that a narrow terminal shows no half a number.
        for part in parts {
            let longer = line.isEmpty ? part : line + "  " + part
            if longer.count > columns { break }
            line = longer
        }
        return line
    }

    /// For a file or a pipe: everything, without a line feed.
    public static func plain(_ progress: RunProgress, previous: RunProgress?) -> String {
        parts(progress, previous).joined(separator: ", ")
    }

    /// In the order of importance.
    private static func parts(_ progress: RunProgress, _ previous: RunProgress?) -> [String] {
        let counters = progress.counters
        var parts = [
            HumanText.duration(ms: progress.elapsedMs),
            "\(HumanText.count(counters.pages)) pages",
            "\(HumanText.decimal(rate(progress, previous)))/s",
            "\(HumanText.count(progress.ledger.queued)) queued",
            "\(HumanText.count(progress.inFlight)) in flight",
            HumanText.bytes(counters.bytes),
        ]
        let classes = counters.statusClasses.named.map { "\($0.name) \(HumanText.count($0.count))" }
        if !classes.isEmpty { parts.append(classes.joined(separator: " ")) }
        let errors = counters.errors.values.reduce(0, +)
        if errors > 0 { parts.append("\(HumanText.count(errors)) errors") }
        if progress.ledger.filtered > 0 {
            parts.append("\(HumanText.count(progress.ledger.filtered)) skipped")
        }
        if counters.retries > 0 { parts.append("\(HumanText.count(counters.retries)) retries") }
        return parts
    }

    /// Pages a second since the previous snapshot.
    private static func rate(_ progress: RunProgress, _ previous: RunProgress?) -> Double {
        guard let previous, progress.elapsedMs > previous.elapsedMs else { return progress.pagesPerSecond }
        let pages = progress.counters.pages - previous.counters.pages
        return Double(pages) * 1_000 / Double(progress.elapsedMs - previous.elapsedMs)
    }
}
