// The cutter that the other checks stand on.
import Testing

@Suite struct SourceTextTests {
    private func cut(_ text: String, _ path: String = "a.swift") -> SourceText {
        SourceText(path: path, text: text)
    }

    @Test func keepsLinesAndColumns() {
        let source = cut("let a = \"b\" // c\nlet d = 1\n")
        #expect(source.code == ["let a =         ", "let d = 1"])
        #expect(source.literals == ["        \"b\"     ", "         "])
        #expect(source.comments == ["            // c", "         "])
        #expect(source.lines.count == 2)
    }

    @Test(arguments: [
        ("\"a // b\"", "\"a // b\"", ""),
        ("\"a \\\" b\" + c", "\"a \\\" b\"", "+ c"),
        ("#\"a \" b\"# + c", "#\"a \" b\"#", "+ c"),
        ("\"a \\(b[\"c\"]) d\" + e", "\"a \\(  \"c\" ) d\"", "b[   ]     + e"),
        ("\"\"\"\na \" b\n\"\"\" + c", "\"\"\"\na \" b\n\"\"\"", "+ c"),
    ])
    func literalsEndWhereTheyEnd(_ text: String, _ literal: String, _ code: String) {
        let source = cut(text)
        #expect(source.literals.map(\.trimmed).joined(separator: "\n") == literal)
        #expect(source.code.joined().trimmed == code)
    }

    @Test func blockCommentsNestInSwiftOnly() {
        #expect(cut("/* a /* b */ c */ d").code.joined().trimmed == "d")
        #expect(cut("/* a /* b */ c", "a.c").code.joined().trimmed == "c")
    }

    @Test func charactersAreLiteralsInC() {
        #expect(cut("a = '\"'; b = '\\''; // c", "a.c").code.joined().trimmed == "a =    ; b =     ;")
    }

    @Test func anOpenStringEndsWithItsLine() {
        #expect(cut("let a = \"b\nlet c = 1").code[1] == "let c = 1")
    }

    @Test func truncationsEnd() {
        let text = "let a = #\"b \\#(c(\"d\")) \"# /* e /* f */ */ // g\n\"\"\"\nh\n\"\"\""
        for length in 0...text.utf8.count {
            let part = String(decoding: text.utf8.prefix(length), as: UTF8.self)
            for path in ["a.swift", "a.c", "a"] {
                let source = cut(part, path)
                #expect(source.code.count == source.lines.count)
            }
        }
    }
}
