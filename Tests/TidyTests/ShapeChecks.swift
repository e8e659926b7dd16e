// The size and shape of files: line length, file length, function length, tabs, ends of lines and of files.
// Function lengths are found by counting braces: best effort, good enough to find a function that grew.

enum ShapeChecks {
    static let columnsMax = 110
    static let fileLinesMax = 600
    static let functionLinesMax = 70

    static func check(_ source: SourceText, text: String) -> [Violation] {
        lines(source) + fileLength(source) + fileEnd(source, text: text) + functionLengths(source)
    }

    static func lines(_ source: SourceText) -> [Violation] {
        let isMakefile = source.name == "Makefile"
        return source.lines.indices.flatMap { index -> [Violation] in
            let line = source.lines[index]
            var found: [Violation] = []
            let columns = line.unicodeScalars.count
            if columns > columnsMax, !source.allows("columns", at: index) {
                found.append(source.violation(index, "columns", "\(columns) columns, \(columnsMax) at most"))
            }
            // A recipe in a Makefile must start with a tab.
            let tabbed = isMakefile ? line.utf8.drop { $0 == 9 }.contains(9) : line.utf8.contains(9)
            if tabbed, !source.allows("tab", at: index) {
                found.append(source.violation(index, "tab", "indent with spaces; in a literal write \\t"))
            }
            if let last = line.utf8.last, last == 32 || last == 9 || last == 13 {
                found.append(source.violation(index, "trailing space", "the line ends in white space"))
            }
            return found
        }
    }

    static func fileLength(_ source: SourceText) -> [Violation] {
        guard source.lines.count > fileLinesMax,
            !source.comments.contains(where: {
                $0.contains("tidy: longer than \(fileLinesMax) lines because ")
            })
        else { return [] }
        let text =
            "\(source.lines.count) lines, \(fileLinesMax) at most: split it by aspect, or say in the file "
            + "\"tidy: longer than \(fileLinesMax) lines because …\""
        return [Violation(path: source.path, line: 0, rule: "file length", text: text)]
    }

    static func fileEnd(_ source: SourceText, text: String) -> [Violation] {
        if text.isEmpty {
            return [Violation(path: source.path, line: 0, rule: "file end", text: "the file is empty")]
        }
        if !text.utf8.elementsEqual(text.utf8.reversed().drop { $0 == 10 }.reversed() + [10]) {
            return [source.violation(source.lines.count - 1, "file end", "end the file with one newline")]
        }
        return []
    }

    static func functionLengths(_ source: SourceText) -> [Violation] {
        let functions =
            switch source.language {
            case .swift: swiftFunctions(source)
            case .c: cFunctions(source)
            case .script: [ClosedRange<Int>]()
            }
        return functions.compactMap { lines in
            guard lines.count > functionLinesMax else { return nil }
            let mark = "tidy: longer than \(functionLinesMax) lines because "
            let near = max(0, lines.lowerBound - 3)...min(lines.lowerBound + 3, lines.upperBound)
            guard !near.contains(where: { source.comments[$0].contains(mark) }) else { return nil }
            return source.violation(
                lines.lowerBound, "function length",
                "\(lines.count) lines, \(functionLinesMax) at most: split it, or say above it \"\(mark)…\"")
        }
    }

    /// The lines of each `func`, `init`, `deinit` and `subscript` that has a body.
    static func swiftFunctions(_ source: SourceText) -> [ClosedRange<Int>] {
        source.code.indices.compactMap { line in
            guard startsFunction(source.code[line]), let end = bodyEnd(source.code, from: line) else {
                return nil
            }
            return line...end
        }
    }

    private static func startsFunction(_ line: String) -> Bool {
        let identifiers = line.identifiers
        if identifiers.contains(where: { $0.name == "func" }) {
            return true
        }
        // `self.init(…)` and `init(…)` as a value are no declarations: only modifiers stand before one.
        let other: Set = ["init", "deinit", "subscript"]
        guard let at = identifiers.firstIndex(where: { other.contains($0.name) && $0.before != "." }) else {
            return false
        }
        return line.trimmed.hasPrefix("@") || identifiers[..<at].allSatisfy { modifiers.contains($0.name) }
    }

    /// The lines of each function: a brace at depth 0 after a closing parenthesis opens one.
    static func cFunctions(_ source: SourceText) -> [ClosedRange<Int>] {
        var found: [ClosedRange<Int>] = []
        var depth = 0
        var last: UInt8 = 0
        var start = 0
        var isDirective = false
        for (index, line) in source.code.enumerated() {
            let continued = isDirective && index > 0 && source.code[index - 1].trimmed.hasSuffix("\\")
            isDirective = line.trimmed.hasPrefix("#") || continued
            if isDirective { continue }
            for byte in line.utf8 where byte != 32 && byte != 9 {
                if byte == UInt8(ascii: "{") {
                    if depth == 0, last == UInt8(ascii: ")") { start = index + 1 }
                    depth += 1
                } else if byte == UInt8(ascii: "}") {
                    depth = max(0, depth - 1)
                    if depth == 0, start > 0 {
                        found.append((start - 1)...index)
                        start = 0
                    }
                }
                last = byte
            }
        }
        return found
    }

    private static let modifiers: Set = [
        "public", "package", "internal", "fileprivate", "private", "open", "static", "class", "final",
        "mutating",
        "override", "convenience", "required", "nonisolated", "indirect",
    ]
    private static let declarations: Set = [
        "func", "init", "deinit", "subscript", "var", "let", "case", "struct", "class", "enum", "extension",
        "protocol", "associatedtype", "typealias", "actor",
    ]

    /// The line where the body that follows `line` ends; nil when a declaration (in a protocol) has none.
    private static func bodyEnd(_ code: [String], from line: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in line..<code.count {
            if index > line, braces == 0, parentheses <= 0 {
                // The next declaration starts before a brace came: this one has no body.
                let text = code[index].trimmed
                let word = String(text.prefix { $0.isLetter })
                if text.hasPrefix("@") || declarations.contains(word) || modifiers.contains(word) {
                    return nil
                }
            }
            for byte in code[index].utf8 {
                switch byte {
                case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
                case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
                case UInt8(ascii: "{") where parentheses <= 0 || braces > 0: braces += 1
                case UInt8(ascii: "}") where braces == 0 && parentheses <= 0: return nil
                case UInt8(ascii: "}") where braces > 0:
                    braces -= 1
                    if braces == 0 { return index }
                default: break
                }
            }
        }
        return nil
    }
}
