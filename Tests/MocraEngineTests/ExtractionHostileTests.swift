// Pages made to crash, to hang or to exhaust an extractor, and its bounds.
import Foundation
import MocraEngine
import MocraFastPath
import Testing

@Suite struct ExtractionHostileTests {
    /// What a page may cost here, far above what its limits allow and far below a hang.
    private static let secondsMax = 20.0

    private func timed(
        _ bytes: [UInt8], limits: ExtractionLimits = ExtractionLimits(), with extractor: LibXMLExtractor
    ) throws -> PageFacts {
        let start = ContinuousClock.now
        let facts = try Extraction.facts(bytes, limits: limits, with: extractor)
        let seconds = start.duration(to: .now) / .seconds(1)
        #expect(seconds < Self.secondsMax)
        return facts
    }

    private func repeated(_ text: String, _ count: Int) -> [UInt8] {
        let unit = Array(text.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(unit.count * count)
        for _ in 0..<count { bytes += unit }
        return bytes
    }

    @Test func nestedElements() throws {
        let facts = try timed(
            Array("<a href=x>".utf8) + repeated("<div>", 2 << 20) + Array("<a href=y>".utf8),
            with: LibXMLExtractor())
        #expect(facts.links.map(\.url.href) == ["https://site.example/dir/x"])
        #expect(facts.isTruncated)
    }

    @Test func deepButHonestPagesKeepTheirLinks() throws {
        // Unclosed elements in each row of an old table come to thousands of levels.
        let rows = repeated("<b><i><font><a href=x>", 2_000)
        let facts = try timed(rows, with: LibXMLExtractor())
        #expect(facts.links.count == 2_000)
        #expect(!facts.isTruncated)
    }

    @Test func aMillionLinks() throws {
        let facts = try timed(repeated("<a href=x>t</a>", 1_000_000), with: LibXMLExtractor())
        #expect(facts.links.count == 100_000)
        #expect(facts.isTruncated)
        let few = try Extraction.facts(repeated("<a href=x>", 11), limits: ExtractionLimits(linksMax: 10))
        #expect(few.links.count == 10 && few.isTruncated)
        let enough = try Extraction.facts(repeated("<a href=x>", 10), limits: ExtractionLimits(linksMax: 10))
        #expect(enough.links.count == 10 && !enough.isTruncated)
    }

    @Test func aLongBaseDoesNotMultiply() throws {
        let base = "<base href='http://h.example/\(String(repeating: "b", count: 60_000))/'>"
        let limits = ExtractionLimits()
        let facts = try timed(Array(base.utf8) + repeated("<a href=x>", 90_000), with: LibXMLExtractor())
        let bytes = facts.links.reduce(0) { $0 + $1.url.href.utf8.count }
        #expect(bytes <= limits.linkBytesMax && bytes > limits.linkBytesMax - 70_000)
        #expect(facts.isTruncated)
    }

    @Test func manyAttributesInOneTag() throws {
        // Each attribute is compared with all before it, so this is quadratic inside the parser.
        var tag = "<a href=x "
        for index in 0..<600_000 { tag += "a\(index) " }
        let limits = ExtractionLimits(cpuTimeMs: 500)
        let facts = try timed(
            Array("<a href=first>\(tag)><a href=last>".utf8), limits: limits, with: LibXMLExtractor())
        #expect(facts.links.first?.url.href == "https://site.example/dir/first")
        #expect(facts.isTruncated)
    }

    @Test func endTagsUnderManyOpenElements() throws {
        // Each end tag searches all open elements.
        let facts = try timed(
            repeated("<i>", 9_000) + repeated("</b>", 1_500_000) + Array("<a href=x>".utf8),
            limits: ExtractionLimits(cpuTimeMs: 500), with: LibXMLExtractor())
        #expect(facts.isTruncated || facts.links.count == 1)
    }

    @Test(arguments: [
        "<", "</", "<!", "<!-", "<!--", "<!-->", "<?", "<a", "<a ", "<a href='", "<a href=\"&", "&", "&#",
        "&#x", "&a;",
        "<![CDATA[", "<script>", "<script", "<title>", "<table><tr><td>", "<p>", "<svg><title>", "<frameset>",
        "<meta http-equiv=refresh content='0;", "<base href=", "\"", "'", "=", "<a href='x' ", "<form>",
        "<select>",
        "<option>", "</p>", "</body>", "<body a=b>", "<html a=b>", "<head>", "</>", "<b/>", "<textarea>",
        "\0", "\u{FEFF}",
        "<dd><dt>", "<a\0", "&lt", "<!DOCTYPE ", "<!DOCTYPE a PUBLIC '", "<style>", "]]>", "<plaintext>",
    ])
    func repetition(_ unit: String) throws {
        let count = 1 << 20 / unit.utf8.count
        _ = try timed(
            repeated(unit, count), limits: ExtractionLimits(cpuTimeMs: 1_000), with: LibXMLExtractor())
    }

    @Test func everyTruncation() throws {
        let extractor = LibXMLExtractor()
        let page = Array(Self.page.utf8)
        #expect(page.count > 2_000)
        var counts: Set<Int> = []
        for length in 0...page.count {
            counts.insert(try Extraction.facts(Array(page[..<length]), with: extractor).links.count)
        }
        #expect(counts.count > 10)
        for length in stride(from: 0, through: page.count, by: 7) {
            _ = try Extraction.facts(Array(page[length...]), with: extractor)
        }
    }

    /// A character, a tag and an attribute value at every position against the parser's input blocks.
    @Test func blocksEndAnywhere() throws {
        let extractor = LibXMLExtractor()
        let tail = "<title>日本語𝄞é</title><a title='日本語𝄞é' href='日本語𝄞é'>日本語𝄞é</a><!-- 𝄞é --><a href=z>"
        let expected = try Extraction.facts(Array(tail.utf8), with: extractor)
        #expect(expected.links.count == 2)
        for padding in (3_800...4_050).map({ $0 }) + (7_850...8_050) {
            for filler in [
                "<!--\(String(repeating: " ", count: padding))-->", String(repeating: "x", count: padding),
            ] {
                let facts = try Extraction.facts(Array((filler + tail).utf8), with: extractor)
                #expect(facts.links == expected.links && facts.title == expected.title)
            }
        }
    }

    @Test(arguments: 0..<8)
    func randomBytes(_ seed: UInt64) throws {
        var random = SeededBytes(seed: seed)
        let extractor = LibXMLExtractor()
        let tokens = [
            "<a href=", "<", ">", "\"", "'", "&", ";", "=", "<!--", "-->", "<title>", "</title>",
            "<base href=", "\0",
            "<svg>", "</svg>", "<script>", "</script>", "<meta charset=", "utf-16",
            "<meta http-equiv=refresh content=",
            "0;url=", "http://", " ", "/", "#", "é", "\u{2028}", "<textarea>", "</textarea>",
            "<link rel=next href=",
        ]
        let charsets: [String?] = [nil, "utf-16", "iso-8859-1", "shift_jis", "iso-2022-jp", "gb18030", "x"]
        for round in 0..<300 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<400, using: &random) {
                if Bool.random(using: &random) {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                } else if let token = tokens.randomElement(using: &random) {
                    bytes += Array(token.utf8)
                }
            }
            let charset = charsets[round % charsets.count]
            let facts = try Extraction.facts(bytes, charset: charset, with: extractor)
            #expect(facts.links.allSatisfy { $0.url.href.hasPrefix("http") })
        }
    }

    @Test func manyThreadsEachWithItsExtractor() async throws {
        let page = Array(Self.page.utf8)
        let expected = try Extraction.facts(page).links
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let extractor = LibXMLExtractor()
                    return try (0..<200).allSatisfy { _ in
                        try Extraction.facts(page, with: extractor).links == expected
                    }
                }
            }
            for try await isEqual in group { #expect(isEqual) }
        }
    }

    private static let rows = (0..<30)
        .map { "<p class=row id=r\($0)>Row <b>\($0)</b>: <a href=\"row/\($0)?q=&eacute;\">link</a>" }
        .joined(separator: "\n")

    /// A page of every construct, a little over 2 KB.
    static let page = """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><title>A page &amp; its title – 日本語</title>
        <base href="https://site.example/base/"><link rel="canonical" href="/canonical">
        <link rel=next href=next><link rel="prev" href='prev?a=1&amp;b=2'>
        <meta http-equiv="refresh" content="300; url='refreshed'">
        <style>a::after { content: "<a href=no>" }</style>
        <script>if (a < b && c > d) { document.write("<a href='no'>" + '</scr' + 'ipt>'); }</script></head>
        <body><!-- <a href="no"> --><svg viewBox="0 0 1 1"><title>not this</title><path d="M0 0L1 1"/></svg>
        \(rows)
        <map name=m><area href="area" shape=rect></map><iframe src="frame"></iframe>
        <textarea><a href=no></textarea>
        <table><tr><td><a href="in-table" rel="nofollow">x</a><td>&nbsp;&#x41;&bogus;</table></body></html>
        """
}

/// SplitMix64: small, seeded, the same everywhere.
struct SeededBytes: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
