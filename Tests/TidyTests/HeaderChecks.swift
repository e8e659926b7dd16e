// C headers: include guards, and the table of errors, whose kinds are the one list that metrics, policy, dead
// letters and logs share.

enum HeaderChecks {
    /// The error kinds of the project, in the order of the list; `cancelled` is the caller's own doing and
    /// never becomes an item, so it stands beside them.
    static let kinds: Set = [
        "dns", "connect", "reset", "timeout_connect", "timeout_first_byte", "timeout_idle", "timeout_total",
        "slow", "tls", "protocol", "decode", "too_large", "bomb", "http_429", "http_503", "http_5xx",
        "http_4xx",
        "redirect_loop", "proxy", "blocked", "robots", "scope", "budget", "trap", "duplicate", "parse",
        "generate", "middleware", "poison", "hang", "sink", "store", "queue", "raft", "disk_full", "config",
        "rate_limited", "internal", "cancelled",
    ]

    static func check(_ source: SourceText) -> [Violation] {
        guard source.name.hasSuffix(".h") else { return [] }
        var found = source.name == "shim.h" ? [] : includeGuard(source)
        if source.name == "mocra_error.h" {
            found += errorTable(source)
        }
        return found
    }

    /// `#ifndef NAME`, `#define NAME` at the start, `#endif` at the end; NAME is the file's name in capitals,
    /// with the prefix of all macros.
    static func includeGuard(_ source: SourceText) -> [Violation] {
        let code = source.code.map(\.trimmed).filter { !$0.isEmpty }
        let file = String(source.name.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" })
        let name = file.hasPrefix("MOCRA_") ? file : "MOCRA_" + file
        let expected = ["#ifndef \(name)", "#define \(name)"]
        if code.count >= 3, Array(code[..<2]) == expected, code.last == "#endif" {
            return []
        }
        let text = "expected \(expected.joined(separator: ", ")) … #endif"
        return [Violation(path: source.path, line: 0, rule: "include guard", text: text)]
    }

    /// Every row `X(code, NAME, "kind", …)` has a kind of the list; codes and names are there once.
    static func errorTable(_ source: SourceText) -> [Violation] {
        var found: [Violation] = []
        var codes: Set<String> = []
        var names: Set<String> = []
        for (index, line) in source.lines.enumerated() {
            let text = line.trimmed
            guard text.hasPrefix("X(") else { continue }
            let fields = text.dropFirst(2).split(separator: ",", maxSplits: 3).map { String($0).trimmed }
            guard fields.count == 4, Int(fields[0]) != nil else {
                found.append(source.violation(index, "error table", "expected X(code, NAME, \"kind\", …"))
                continue
            }
            let kind = fields[2].filter { $0 != "\"" }
            if !kinds.contains(kind) {
                found.append(source.violation(index, "error table", "\(kind) is not a kind of the list"))
            }
            if !codes.insert(fields[0]).inserted || !names.insert(fields[1]).inserted {
                found.append(source.violation(index, "error table", "the code or the name is there twice"))
            }
        }
        if codes.isEmpty {
            found.append(Violation(path: source.path, line: 0, rule: "error table", text: "no row found"))
        }
        return found
    }
}
