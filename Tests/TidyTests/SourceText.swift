// Cuts a source file into code, comments and string literals, so that a check can look at the one it means.
// Best effort, not a compiler: it knows Swift's and C's comments and literals, and nothing of their grammar.

/// The languages that the checks tell apart.
enum SourceLanguage: Equatable {
    case swift
    case c
    /// Shell, Python, Make, manifests: lines starting with `#` are comments, the rest is code.
    case script

    init(path: String) {
        if path.hasSuffix(".swift") {
            self = .swift
        } else if path.hasSuffix(".c") || path.hasSuffix(".h") {
            self = .c
        } else {
            self = .script
        }
    }
}

/// One file, cut up.
///
/// Shape: `lines`, `code`, `comments` and `literals` have one entry a line and agree in number; in the last
/// three, every byte that belongs to another kind is a space, so columns agree as well.
struct SourceText {
    let path: String
    let language: SourceLanguage
    let lines: [String]
    let code: [String]
    let comments: [String]
    let literals: [String]

    init(path: String, text: String) {
        self.path = path
        language = SourceLanguage(path: path)
        var cutter = SourceCutter(bytes: Array(text.utf8), language: language)
        cutter.cut()
        lines = SourceText.split(Array(text.utf8))
        code = SourceText.split(cutter.code)
        comments = SourceText.split(cutter.comments)
        literals = SourceText.split(cutter.literals)
    }

    /// The file's name without its folders.
    var name: String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    /// Whether the file lies in `folder` (for example `Sources/MocraEngine`).
    func isIn(_ folder: String) -> Bool {
        path.hasPrefix(folder + "/")
    }

    /// Whether the line at `index`, or a comment directly above it, excuses it from `rule` with a reason:
    /// `// tidy: allow <rule> because …`.
    func allows(_ rule: String, at index: Int) -> Bool {
        let mark = "tidy: allow \(rule) because "
        if comments[index].contains(mark) {
            return true
        }
        var above = index - 1
        while above >= 0, isCommentOnly(above) {
            if comments[above].contains(mark) {
                return true
            }
            above -= 1
        }
        return false
    }

    /// Whether a line holds a comment and nothing else.
    func isCommentOnly(_ index: Int) -> Bool {
        !comments[index].isBlank && code[index].isBlank && literals[index].isBlank
    }

    private static func split(_ bytes: [UInt8]) -> [String] {
        var parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if parts.last?.isEmpty == true {
            parts.removeLast()
        }
        return parts.map { String(decoding: $0, as: UTF8.self) }
    }
}

extension String {
    /// Whether there is nothing but spaces and tabs.
    var isBlank: Bool {
        utf8.allSatisfy { $0 == 32 || $0 == 9 || $0 == 13 }
    }
}

/// The pass over the bytes that `SourceText` is made from.
struct SourceCutter {
    private enum Kind {
        case code
        case comment
        case literal
    }

    private let bytes: [UInt8]
    private let language: SourceLanguage
    private var at = 0
    private(set) var code: [UInt8] = []
    private(set) var comments: [UInt8] = []
    private(set) var literals: [UInt8] = []

    init(bytes: [UInt8], language: SourceLanguage) {
        self.bytes = bytes
        self.language = language
    }

    mutating func cut() {
        switch language {
        case .script: cutScript()
        case .swift, .c: cutCode(untilParenthesis: false)
        }
    }

    private mutating func cutScript() {
        var comment = false
        var lineIsBlank = true
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\n") {
                comment = false
                lineIsBlank = true
            } else if byte == UInt8(ascii: "#"), lineIsBlank {
                comment = true
            } else if byte != UInt8(ascii: " "), byte != UInt8(ascii: "\t") {
                lineIsBlank = false
            }
            take(1, as: comment ? .comment : .code)
        }
    }

    /// Code up to the end, or up to the parenthesis that closes a string interpolation.
    private mutating func cutCode(untilParenthesis: Bool) {
        var depth = 0
        while at < bytes.count {
            let byte = bytes[at]
            if starts("//") {
                cutLineComment()
            } else if starts("/*") {
                cutBlockComment()
            } else if byte == UInt8(ascii: "\"") || (byte == UInt8(ascii: "#") && hashesBeforeQuote > 0) {
                cutString(hashes: hashesBeforeQuote)
            } else if language == .c, byte == UInt8(ascii: "'") {
                cutCharacter()
            } else {
                if untilParenthesis, byte == UInt8(ascii: "(") { depth += 1 }
                if untilParenthesis, byte == UInt8(ascii: ")") {
                    if depth == 0 { return }
                    depth -= 1
                }
                take(1, as: .code)
            }
        }
    }

    private mutating func cutLineComment() {
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") {
            take(1, as: .comment)
        }
    }

    /// Swift's block comments nest, C's do not.
    private mutating func cutBlockComment() {
        var depth = 0
        repeat {
            if starts("/*"), depth == 0 || language == .swift {
                depth += 1
                take(2, as: .comment)
            } else if starts("*/") {
                depth -= 1
                take(2, as: .comment)
            } else {
                take(1, as: .comment)
            }
        } while depth > 0 && at < bytes.count
    }

    /// A string with `hashes` number signs (Swift), of one line or of several.
    private mutating func cutString(hashes: Int) {
        take(hashes, as: .literal)
        let long = language == .swift && starts("\"\"\"")
        let quotes = long ? "\"\"\"" : "\""
        let closing = quotes + String(repeating: "#", count: hashes)
        let escape = "\\" + String(repeating: "#", count: hashes)
        take(quotes.utf8.count, as: .literal)
        while at < bytes.count {
            if starts(closing) {
                take(closing.utf8.count, as: .literal)
                return
            }
            if !long, bytes[at] == UInt8(ascii: "\n") {
                return  // Unterminated, or not a string at all: go on with the next line.
            }
            if starts(escape) {
                take(escape.utf8.count, as: .literal)
                if language == .swift, at < bytes.count, bytes[at] == UInt8(ascii: "(") {
                    take(1, as: .literal)
                    cutCode(untilParenthesis: true)
                }
            }
            take(1, as: .literal)
        }
    }

    private mutating func cutCharacter() {
        take(1, as: .literal)
        while at < bytes.count, bytes[at] != UInt8(ascii: "'"), bytes[at] != UInt8(ascii: "\n") {
            take(bytes[at] == UInt8(ascii: "\\") ? 2 : 1, as: .literal)
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: "'") {
            take(1, as: .literal)
        }
    }

    /// How many number signs stand here before a quotation mark; 0 when there is no mark after them.
    private var hashesBeforeQuote: Int {
        guard language == .swift else { return 0 }
        var end = at
        while end < bytes.count, bytes[end] == UInt8(ascii: "#") {
            end += 1
        }
        return end < bytes.count && bytes[end] == UInt8(ascii: "\"") ? end - at : 0
    }

    private func starts(_ text: String) -> Bool {
        at + text.utf8.count <= bytes.count && bytes[at..<(at + text.utf8.count)].elementsEqual(text.utf8)
    }

    private mutating func take(_ count: Int, as kind: Kind) {
        for _ in 0..<count where at < bytes.count {
            let byte = bytes[at]
            at += 1
            let isBreak = byte == UInt8(ascii: "\n")
            code.append(isBreak || kind == .code ? byte : 32)
            comments.append(isBreak || kind == .comment ? byte : 32)
            literals.append(isBreak || kind == .literal ? byte : 32)
        }
    }
}
