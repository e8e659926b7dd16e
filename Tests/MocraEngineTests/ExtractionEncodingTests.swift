// From bytes in any encoding to links and titles: byte order marks, labels, declarations, decoding.
import Foundation
import Glibc
import MocraEngine
import MocraFastPath
import TestSupport
import Testing

@Suite struct ExtractionEncodingTests {
    /// "é" in the title and in a link, in an encoding's bytes around ASCII markup.
    private func page(_ accent: [UInt8], head: String = "") -> [UInt8] {
        Array("\(head)<title>caf".utf8) + accent + Array("</title><a href=caf".utf8) + accent
            + Array(">".utf8)
    }

    private func utf16(_ text: String, bigEndian: Bool) -> [UInt8] {
        text.utf16.flatMap { unit in
            let high = UInt8(unit >> 8), low = UInt8(unit & 0xFF)
            return bigEndian ? [high, low] : [low, high]
        }
    }

    @Test(
        arguments: [
            ("iso-8859-1", "", [0xE9]), ("Latin1", "", [0xE9]), ("\"", "<meta charset=windows-1252>", [0xE9]),
            (nil, "<meta charset='ISO-8859-1'>", [0xE9]),
            (nil, "<meta http-equiv=content-type content='text/html; charset=iso-8859-15'>", [0xE9]),
            (nil, "<?xml version='1.0' encoding='iso-8859-1'?>", [0xE9]),
            ("utf-8", "<meta charset=iso-8859-1>", [0xC3, 0xA9]), (nil, "", [0xC3, 0xA9]),
            ("no-such-encoding", "", [0xC3, 0xA9]), (nil, "<meta charset=utf-16>", [0xC3, 0xA9]),
            ("gb18030", "", [0xA8, 0xA6]), ("macintosh", "", [0x8E]), ("ibm866", "<meta charset=utf-8>", []),
        ] as [(String?, String, [UInt8])])
    func decodes(_ charset: String?, _ head: String, _ accent: [UInt8]) throws {
        let facts = try Extraction.facts(page(accent, head: head), charset: charset)
        #expect(facts.title == (accent.isEmpty ? "caf" : "café"))
        let link = accent.isEmpty ? "caf" : "caf%C3%A9"
        #expect(facts.links.map(\.url.href) == ["https://site.example/dir/\(link)"])
    }

    @Test func byteOrderMarksBeatEverything() throws {
        let html = "<meta charset=koi8-r><title>日本 é 𝄞</title><a href='é'>"
        for bytes in [
            [0xEF, 0xBB, 0xBF] + Array(html.utf8), [0xFF, 0xFE] + utf16(html, bigEndian: false),
            [0xFE, 0xFF] + utf16(html, bigEndian: true),
        ] {
            let facts = try Extraction.facts(bytes, charset: "iso-8859-1")
            #expect(facts.title == "日本 é 𝄞")
            #expect(facts.links.map(\.url.href) == ["https://site.example/dir/%C3%A9"])
        }
    }

    @Test func labelsOfUTF16NeedNoMark() throws {
        let html = "<title>é</title>"
        let little = try Extraction.facts(utf16(html, bigEndian: false), charset: "utf-16")
        let big = try Extraction.facts(utf16(html, bigEndian: true), charset: "UTF-16BE")
        #expect(little.title == "é")
        #expect(big.title == "é")
        #expect(try Extraction.facts(utf16(html, bigEndian: true) + [0x00], charset: "utf-16be").title == "é")
    }

    @Test(
        arguments: [
            (nil, [0xE9]), (nil, [0xC3]), (nil, [0xED, 0xA0, 0x80]), (nil, [0xFF, 0xFE]), (nil, [0xF5]),
            (nil, [0x00]),
            ("windows-1252", [0x81]), ("windows-1252", [0x00]), ("shift_jis", [0xFD]), ("shift_jis", [0x81]),
            ("gbk", [0xFF]), ("euc-jp", [0xFF]), ("big5", [0xFF]), ("euc-kr", [0xFF]),
            ("windows-1251", [0x98]),
            ("iso-2022-jp", [0x1B, 0x24]), ("windows-1255", [0xFF]), ("utf-8", [0x80, 0x80, 0x80]),
        ] as [(String?, [UInt8])])
    func keepsGoingAfterBadBytes(_ charset: String?, _ bad: [UInt8]) throws {
        // The bytes stand in the title, in text and in a link; a link follows each time.
        var html: [UInt8] = Array("<title>T".utf8) + bad + Array("</title><a href=1>".utf8)
        html += bad + Array("<a href=2><a href='x".utf8) + bad + Array("'><a href=3>".utf8)
        let facts = try Extraction.facts(html, charset: charset)
        let links = facts.links.map(\.url.href)
        for name in ["1", "2", "3"] { #expect(links.contains("https://site.example/dir/\(name)")) }
        #expect(facts.title?.hasPrefix("T") == true)
    }

    @Test func decodesWindows1252AsBrowsersDo() throws {
        let bytes = Array("<title>".utf8) + Array(0x80...0xFF) + Array("</title>".utf8)
        let title = try Extraction.facts(bytes, charset: "us-ascii").title ?? ""
        #expect(title.unicodeScalars.count == 128)
        #expect(title.hasPrefix("€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8D}Ž\u{8F}\u{90}‘’“”•–—˜™š›œ\u{9D}žŸ\u{A0}¡¢£"))
        #expect(title.hasSuffix("øùúûüýþÿ"))
    }

    @Test(
        arguments: [
            ("shift_jis", [0x93, 0xFA, 0x96, 0x7B], "日本"), ("euc-jp", [0xC6, 0xFC, 0xCB, 0xDC], "日本"),
            ("gb2312", [0xC8, 0xD5, 0xB1, 0xBE], "日本"), ("big5", [0xA4, 0xE9, 0xA5, 0xBB], "日本"),
            ("iso-2022-jp", [0x1B, 0x24, 0x42, 0x46, 0x7C, 0x4B, 0x5C, 0x1B, 0x28, 0x42], "日本"),
            ("euc-kr", [0xC7, 0xD1, 0xB1, 0xDB], "한글"), ("koi8-r", [0xED, 0xC9, 0xD2], "Мир"),
            ("windows-1251", [0xCC, 0xE8, 0xF0], "Мир"), ("iso-8859-5", [0xBC, 0xD8, 0xE0], "Мир"),
            ("windows-1250", [0xBE], "ľ"), ("iso-8859-2", [0xB5], "ľ"), ("windows-874", [0xA1], "ก"),
            ("iso-8859-9", [0xFD], "ı"), ("iso-8859-7", [0xE1], "α"), ("windows-1256", [0xC8], "ب"),
        ] as [(String, [UInt8], String)])
    func decodesLegacyEncodings(_ charset: String, _ bytes: [UInt8], _ title: String) throws {
        let html = Array("<title>".utf8) + bytes + Array("</title>".utf8)
        #expect(try Extraction.facts(html, charset: charset).title == title)
        let declared = Array("<meta charset=\(charset)>".utf8) + html
        #expect(try Extraction.facts(declared).title == title)
    }

    /// The encodings that a page declares, against html5lib's cases; they assume windows-1252 where a page
    /// says nothing, which here is nil.
    @Test(.enabled(if: TestData.directory("html/encoding") != nil, "the html5lib test data is not there"))
    func prescanAgreesWithHTML5Lib() throws {
        let directory = try #require(TestData.directory("html/encoding"))
        var cases = 0
        var beyond = 0
        for file in ["tests1.dat", "tests2.dat", "test-yahoo-jp.dat"] {
            for (data, label) in try EncodingCases.read("\(directory)/\(file)") {
                cases += 1
                let head = data.span.extracting(first: EncodingPrescan.bytesMax)
                let found =
                    CharacterEncoding.byteOrderMark(of: head)?.encoding ?? EncodingPrescan.encoding(of: head)
                let agrees = found ?? .windows1252 == CharacterEncoding(label: label)
                if !agrees, found == nil, data.count > EncodingPrescan.bytesMax {
                    beyond += 1
                    continue
                }
                #expect(agrees, "\(file): \(String(decoding: data.prefix(300), as: UTF8.self))")
            }
        }
        // html5lib's own parser looks on after the first bytes; these three declare their encoding after 8
        // KiB.
        #expect(beyond == 3)
        #expect(cases > 60)
    }

    @Test func knowsEveryLabelOfTheTable() {
        #expect(CharacterEncoding(label: " UTF8\n") == .utf8)
        #expect(CharacterEncoding(label: "x-sjis") == CharacterEncoding(label: "Windows-31J"))
        for unknown in [
            "", " ", "utf-7", "utf 8", "é", "UTF-8//TRANSLIT", String(repeating: "u", count: 9_999),
        ] {
            #expect(CharacterEncoding(label: unknown) == nil)
        }
    }

    @Test func everyEncodingIsThere() throws {
        #expect(CharacterEncoding.iconvNames.count == 32)
        for name in CharacterEncoding.iconvNames {
            let descriptor = unsafe iconv_open("UTF-8", name)
            let isKnown = Int(bitPattern: descriptor) != -1
            #expect(isKnown, "\(name)")
            if isKnown, let descriptor = unsafe descriptor { _ = unsafe iconv_close(descriptor) }
        }
    }

    @Test func prescanEndsOnEveryTruncation() {
        let text =
            "<?xml version=1 encoding='x'?><!-- c --><p a='b' c=d/><meta http-equiv=content-type "
            + "content=\"text/html; charset = 'koi8-r'\" x=y></p>"
        let bytes = Array(text.utf8)
        var found = 0
        for length in 0...bytes.count
        where EncodingPrescan.encoding(of: bytes.span.extracting(first: length)) != nil {
            found += 1
        }
        #expect(found > 0)
    }
}

/// html5lib's encoding cases: `#data`, lines, `#encoding`, one line.
enum EncodingCases {
    static func read(_ path: String) throws -> [(data: [UInt8], label: String)] {
        var result: [(data: [UInt8], label: String)] = []
        var data: [UInt8] = []
        var section = ""
        for line in try Data(contentsOf: URL(fileURLWithPath: path)).split(
            separator: 0x0A, omittingEmptySubsequences: false)
        {
            let text = String(decoding: line, as: UTF8.self)
            if text == "#data" || text == "#encoding" {
                section = text
            } else if section == "#data" {
                data += Array(line) + [0x0A]
            } else if section == "#encoding" {
                result.append((data, text))
                data = []
                section = ""
            }
        }
        return result
    }
}
