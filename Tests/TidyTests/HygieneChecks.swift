// What must not be left in the tree: unfinished marks, unsafe flags, waits by the clock in tests, paths of
// one machine, and a promise of thread safety without the name of what guards it.

enum HygieneChecks {
    static func check(_ source: SourceText) -> [Violation] {
        marks(source) + unsafeFlags(source) + sleeps(source) + machinePaths(source)
            + uncheckedSendable(source)
    }

    static func marks(_ source: SourceText) -> [Violation] {
        let marks: Set = ["TODO", "FIXME", "XXX", "HACK"]
        // In a script, a comment may also stand behind code, so all of it is looked at.
        let part = source.language == .script ? source.lines : source.comments
        return source.violations("unfinished", in: part) { line in
            line.identifiers.first { marks.contains($0.name) }.map {
                "\($0.name): finish it, or open an issue"
            }
        }
    }

    static func unsafeFlags(_ source: SourceText) -> [Violation] {
        guard source.name == "Package.swift" else { return [] }
        return source.violations("unsafe flags", in: source.code) { line in
            line.identifiers.contains { $0.name == "unsafeFlags" }
                ? "SwiftPM refuses such a package as a dependency" : nil
        }
    }

    /// A test waits for a condition. An origin that is slow on purpose says so:
    /// `// tidy: allow sleep because …`.
    static func sleeps(_ source: SourceText) -> [Violation] {
        guard source.isIn("Tests"), source.language != .script else { return [] }
        let names: Set = ["sleep", "usleep", "nanosleep", "clock_nanosleep"]
        return source.violations("sleep", in: source.code) { line in
            line.identifiers.contains {
                names.contains($0.name) && $0.after == "(" && $0.wordBefore != "func"
            }
                ? "wait for the condition itself, or say \"tidy: allow sleep because …\"" : nil
        }
    }

    /// Folders of one machine or one person. System paths (/etc, /usr, /proc, /dev, /tmp, /var) are the same
    /// everywhere. A URL's path that looks like one says `// tidy: allow machine path because …`.
    static let machineFolders = ["home", "root", "Users", "work", "opt", "farm", "mnt", "srv", "workspace"]

    static func machinePaths(_ source: SourceText) -> [Violation] {
        source.violations("machine path", in: source.lines) { line in
            let bytes = Array(line.utf8)
            for index in bytes.indices where bytes[index] == UInt8(ascii: "/") {
                // Something before the slash makes it a part of a URL, of a relative path or of a sentence.
                let before = index == 0 ? 32 : bytes[index - 1]
                let starts: [UInt8] = [32, 34, 39, 40, 58, 61, 96, 9, 44, 123]
                guard starts.contains(before) else { continue }
                let rest = bytes[(index + 1)...]
                let folder = String(decoding: rest.prefix { $0.isWord }, as: UTF8.self)
                let after = rest.dropFirst(folder.utf8.count).first
                if machineFolders.contains(folder), after == UInt8(ascii: "/") {
                    return "/\(folder)/… is a path of one machine"
                }
            }
            return nil
        }
    }

    /// The guard is named in a comment on the line or directly above the declaration.
    static func uncheckedSendable(_ source: SourceText) -> [Violation] {
        guard source.language == .swift else { return [] }
        let guards = [
            "guard", "lock", "mutex", "atomic", "immutable", "constant", "confined", "isolat", "loop",
            "thread",
            "serial", "queue", "executor", "owned", "owner", "owns", "only touched", "only used",
            "never changes",
        ]
        return source.code.indices.compactMap { index in
            let identifiers = source.code[index].identifiers.map(\.name)
            let isPromise = zip(identifiers, identifiers.dropFirst()).contains {
                $0 == "unchecked" && $1 == "Sendable"
            }
            guard isPromise else { return nil }
            let comment = commentAround(source, index).lowercased()
            guard !guards.contains(where: comment.contains) else { return nil }
            return source.violation(
                index, "unchecked Sendable", "name the guard in a comment on this line or above it")
        }
    }

    /// The comment on a line and the whole comment that ends above it; attributes may stand between.
    static func commentAround(_ source: SourceText, _ index: Int) -> String {
        var text = source.comments[index].trimmed
        var above = index - 1
        while above >= 0 {
            let isAttribute = source.code[above].trimmed.hasPrefix("@")
            guard source.isCommentOnly(above) || isAttribute else { break }
            text = source.comments[above].trimmed + " " + text
            above -= 1
        }
        return text
    }
}
