// What a check finds, and the small text tools that the checks share.
// Knows no rule of its own.

/// One place that breaks one rule.
struct Violation: Equatable, CustomStringConvertible {
    let path: String
    /// Counted from 1; 0 for the file as a whole.
    let line: Int
    let rule: String
    let text: String

    var description: String { "\(path):\(line): \(rule): \(text)" }
}

extension SourceText {
    /// A violation at the line with this index (counted from 0).
    func violation(_ index: Int, _ rule: String, _ text: String) -> Violation {
        Violation(path: path, line: index + 1, rule: rule, text: text)
    }

    /// Checks every line of code by `text`, which says what is wrong with it or nil; honours exemptions.
    func violations(_ rule: String, in part: [String], _ text: (String) -> String?) -> [Violation] {
        part.indices.compactMap { index in
            guard let text = text(part[index]), !allows(rule, at: index) else { return nil }
            return violation(index, rule, text)
        }
    }
}

/// One identifier in a line of code, with what stands around it.
struct Identifier: Equatable {
    let name: String
    /// The last byte before it that is not a space, or nil at the start of the line.
    let before: Character?
    /// The word before it, when nothing but spaces stands between.
    let wordBefore: String?
    /// The first byte after it that is not a space, or nil at the end of the line.
    let after: Character?

    /// Whether it is called as a free function: `read(`, neither `file.read(` nor `func read(`.
    var isFreeCall: Bool {
        after == "(" && before != "." && before != ">" && wordBefore != "func"
    }
}

extension String {
    /// The identifiers of a line of code, in order.
    var identifiers: [Identifier] {
        let bytes = Array(utf8)
        var found: [Identifier] = []
        var at = 0
        while at < bytes.count {
            guard bytes[at].isWord else {
                at += 1
                continue
            }
            let start = at
            while at < bytes.count, bytes[at].isWord {
                at += 1
            }
            let before = bytes[..<start].lastIndex { $0 != 32 && $0 != 9 }
            let after = bytes[at...].firstIndex { $0 != 32 && $0 != 9 }
            let touchesWord = before.map { bytes[$0].isWord } ?? false
            found.append(
                Identifier(
                    name: String(decoding: bytes[start..<at], as: UTF8.self),
                    before: before.map { Character(Unicode.Scalar(bytes[$0])) },
                    wordBefore: touchesWord ? found.last?.name : nil,
                    after: after.map { Character(Unicode.Scalar(bytes[$0])) }))
        }
        return found
    }

    /// The line without spaces and tabs at either end.
    var trimmed: String {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}

extension UInt8 {
    /// Whether the byte belongs to an identifier; every byte of a non-ASCII character does.
    var isWord: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 128...255:
            true
        default:
            false
        }
    }
}
