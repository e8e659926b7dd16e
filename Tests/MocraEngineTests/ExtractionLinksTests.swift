// Which links, title and base URL an extractor finds, element by element.
// Goes through the HTMLExtractor protocol, so that a second parser can be held against the same tables.
import MocraEngine
import MocraFastPath
import Testing

/// What the extraction tests share.
enum Extraction {
    /// The facts of a page at `https://site.example/dir/page.html`.
    static func facts(
        _ bytes: [UInt8], at url: String = "https://site.example/dir/page.html", charset: String? = nil,
        limits: ExtractionLimits = ExtractionLimits(), with extractor: LibXMLExtractor = LibXMLExtractor()
    ) throws -> PageFacts {
        let documentURL = try WebURL(url, base: nil)
        return unsafe extractor.extract(
            bytes.span.bytes, documentURL: documentURL, charset: charset, limits: limits)
    }

    static func facts(_ html: String) throws -> PageFacts { try facts(Array(html.utf8)) }

    /// The links as `kind href`, with ` nofollow` where that is set.
    static func links(_ html: String) throws -> [String] {
        try facts(html).links.map { "\($0.kind) \($0.url.href)\($0.nofollow ? " nofollow" : "")" }
    }
}

@Suite struct ExtractionLinksTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var html: String
        var links: [String]
        init(_ html: String, _ links: String...) {
            self.html = html
            self.links = links
        }
        var testDescription: String { html }
    }

    static let elements = [
        Row("<a href=x>", "a https://site.example/dir/x"),
        Row("<a href='x'>text</a>", "a https://site.example/dir/x"),
        Row("<a href=\"/x?a=1#f\">", "a https://site.example/x?a=1#f"),
        Row("<a href=''>", "a https://site.example/dir/page.html"),
        Row("<a href>", "a https://site.example/dir/page.html"),
        Row("<a href='#top'>", "a https://site.example/dir/page.html#top"),
        Row("<a href='../up'>", "a https://site.example/up"),
        Row("<a href='//other.example/p'>", "a https://other.example/p"),
        Row("<a href='http://other.example'>", "a http://other.example/"),
        Row("<a name=x>"),
        Row("<A HREF=X>", "a https://site.example/dir/X"),
        Row("<a href=x rel=nofollow>", "a https://site.example/dir/x nofollow"),
        Row("<a href=x rel='external NoFollow ugc'>", "a https://site.example/dir/x nofollow"),
        Row("<a href=x rel=nofollowing>", "a https://site.example/dir/x"),
        Row("<map><area href=x><area></map>", "area https://site.example/dir/x"),
        Row("<iframe src=x></iframe>", "iframe https://site.example/dir/x"),
        Row("<iframe src=''></iframe><iframe href=x></iframe>"),
        Row(
            "<frameset><frame src=x><frame src=y></frameset>", "frame https://site.example/dir/x",
            "frame https://site.example/dir/y"),
        Row("<link rel=next href=x>", "link https://site.example/dir/x"),
        Row("<link rel='alternate PREV' href=x>", "link https://site.example/dir/x"),
        Row("<link rel=previous href=x>", "link https://site.example/dir/x"),
        Row("<link rel=stylesheet href=x><link href=x><link rel=next><link rel=next href=''>"),
        Row("<link rel='next\tnofollow' href=x>", "link https://site.example/dir/x nofollow"),
        Row("<img src=x><script src=x></script><form action=x></form><object data=x></object>"),
        Row("<p href=x><abbr href=x><article href=x><areas href=x><textareax href=x>"),
    ]

    static let attributes = [
        Row("<a href='x?a=1&amp;b=2'>", "a https://site.example/dir/x?a=1&b=2"),
        Row("<a href='x?a=1&b=2&copy=3'>", "a https://site.example/dir/x?a=1&b=2&copy=3"),
        Row("<a href='&#47;x&#x2F;y'>", "a https://site.example/x/y"),
        Row("<a href='&eacute;'>", "a https://site.example/dir/%C3%A9"),
        Row("<a href='\n\t x \r\n'>", "a https://site.example/dir/x"),
        Row("<a href='x\ny'>", "a https://site.example/dir/xy"),
        Row("<a href='a b'>", "a https://site.example/dir/a%20b"),
        Row("<a href='é/ü?ö'>", "a https://site.example/dir/%C3%A9/%C3%BC?%C3%B6"),
        Row("<a class=c href=x href=y>", "a https://site.example/dir/x"),
        Row("<a href = x >", "a https://site.example/dir/x"),
        Row("<a\nhref\n=\n'x'\n>", "a https://site.example/dir/x"),
        Row("<a data-href=y href=x>", "a https://site.example/dir/x"),
        Row("<a title='>' href=x>", "a https://site.example/dir/x"),
    ]

    static let broken = [
        Row("<!-- <a href=x> -->"),
        Row("<!-- <a href=x> --><a href=y>", "a https://site.example/dir/y"),
        Row("<!----><a href=y>", "a https://site.example/dir/y"),
        Row("<script>document.write('<a href=x></a>')</script>"),
        Row("<script>'<a href=x>'</script><a href=y>", "a https://site.example/dir/y"),
        Row("<style>/* <a href=x> */</style>"),
        Row("<textarea><a href=x></textarea><a href=y>", "a https://site.example/dir/y"),
        Row("<xmp><a href=x></xmp><a href=y>", "a https://site.example/dir/y"),
        Row("<noscript><a href=x></noscript>", "a https://site.example/dir/x"),
        Row("<a href=x", "a https://site.example/dir/x"),
        Row("<a href=x><a href=y>", "a https://site.example/dir/x", "a https://site.example/dir/y"),
        Row("</a></p></html><a href=x>", "a https://site.example/dir/x"),
        Row("</body></html><a href=x>", "a https://site.example/dir/x"),
        Row("<table><tr><a href=x>y</table>", "a https://site.example/dir/x"),
        Row("< a href=x>"),
        Row("<b><i><a href=x></b></i>", "a https://site.example/dir/x"),
        Row("<custom-element><a href=x></custom-element>", "a https://site.example/dir/x"),
        Row("<?php echo ?><a href=x>", "a https://site.example/dir/x"),
        Row("<![CDATA[ x ]]><a href=x>", "a https://site.example/dir/x"),
        Row("\0<a href=x>", "a https://site.example/dir/x"),
        Row("text\0text<p\0><a href=x>", "a https://site.example/dir/x"),
        Row("\u{0}\u{1}\u{7F}\u{85}<a href=x>", "a https://site.example/dir/x"),
        Row(""),
        Row("no markup at all"),
    ]

    static let bases = [
        Row("<base href=/other/><a href=x>", "a https://site.example/other/x"),
        Row("<a href=x><base href=/other/>", "a https://site.example/other/x"),
        Row("<base href=/1/><base href=/2/><a href=x>", "a https://site.example/1/x"),
        Row("<base target=_blank><base href=/2/><a href=x>", "a https://site.example/2/x"),
        Row("<base href='http://cdn.example/d/e'><a href=x>", "a http://cdn.example/d/x"),
        Row("<base href='up/'><a href=x>", "a https://site.example/dir/up/x"),
        Row("<base href='http://[bad/'><base href=/2/><a href=x>", "a https://site.example/dir/x"),
        Row("<base href='data:text/html,x'><a href=x>", "a https://site.example/dir/x"),
        Row("<base href=''><a href=x>", "a https://site.example/dir/x"),
        Row("<svg><base href=/no/></svg><a href=x>", "a https://site.example/dir/x"),
        Row(
            "<base href=/o/><meta http-equiv=refresh content='0;r'><iframe src=i></iframe>",
            "metaRefresh https://site.example/o/r", "iframe https://site.example/o/i"),
    ]

    static let refreshes = [
        Row("<meta http-equiv=refresh content='5; url=x'>", "metaRefresh https://site.example/dir/x"),
        Row("<META HTTP-EQUIV=Refresh CONTENT='0;URL=x'>", "metaRefresh https://site.example/dir/x"),
        Row("<meta content='0,url=x' http-equiv=REFRESH>", "metaRefresh https://site.example/dir/x"),
        Row(
            "<meta http-equiv=refresh content=\"5; url='x y'z\">",
            "metaRefresh https://site.example/dir/x%20y"),
        Row("<meta http-equiv=refresh content='5; url=\"x\"'>", "metaRefresh https://site.example/dir/x"),
        Row("<meta http-equiv=refresh content=\"5; url='x\">", "metaRefresh https://site.example/dir/x"),
        Row("<meta http-equiv=refresh content=\"5; 'x'\">", "metaRefresh https://site.example/dir/x"),
        Row("<meta http-equiv=refresh content='5; x'>", "metaRefresh https://site.example/dir/x"),
        Row("<meta http-equiv=refresh content='5 x'>", "metaRefresh https://site.example/dir/x"),
        Row(
            "<meta http-equiv=refresh content=' 0.5 ; url = x '>", "metaRefresh https://site.example/dir/x"),
        Row("<meta http-equiv=refresh content='.5;url=x'>", "metaRefresh https://site.example/dir/x"),
        Row("<meta http-equiv=refresh content='5;url'>", "metaRefresh https://site.example/dir/url"),
        Row("<meta http-equiv=refresh content='5;urls'>", "metaRefresh https://site.example/dir/urls"),
        Row("<meta http-equiv=refresh content='5;u=x'>", "metaRefresh https://site.example/dir/u=x"),
        Row("<meta http-equiv=refresh content='5'>"),
        Row("<meta http-equiv=refresh content='5;'>"),
        Row("<meta http-equiv=refresh content='5;url='>"),
        Row("<meta http-equiv=refresh content=\"5;url=''\">"),
        Row("<meta http-equiv=refresh content='x'>"),
        Row("<meta http-equiv=refresh content='url=x'>"),
        Row("<meta http-equiv=refresh content='5url=x'>"),
        Row("<meta http-equiv=refresh content=''>"),
        Row("<meta http-equiv=refresh>"),
        Row("<meta name=refresh content='5;url=x'>"),
    ]

    @Test(arguments: elements + attributes + broken + bases + refreshes)
    func finds(_ row: Row) throws {
        #expect(try Extraction.links(row.html) == row.links)
        let document = "<!DOCTYPE html><html lang=en><head></head><body>" + row.html
        #expect(try Extraction.links(document) == row.links || row.html.contains("frameset"))
    }

    @Test func countsWhatItSkips() throws {
        let facts = try Extraction.facts(
            """
            <a href="mailto:a@b.example"><a href="javascript:void(0)"><a href="ftp://f.example/">
            <a href="http://[bad"><a href="http://h.example:99999/"><iframe src="about:blank"></iframe>
            <a href="tel:1"><a href="ok"><a href="data:text/plain,\(String(repeating: "x", count: 100_000))">
            """)
        #expect(facts.links.map(\.url.href) == ["https://site.example/dir/ok"])
        #expect(facts.skippedLinks == 8)
        #expect(!facts.isTruncated)
    }

    @Test func keepsOrderAndRepeats() throws {
        #expect(
            try Extraction.links("<a href=b><iframe src=a></iframe><a href=b>") == [
                "a https://site.example/dir/b", "iframe https://site.example/dir/a",
                "a https://site.example/dir/b",
            ])
    }

    @Test(arguments: [
        ("<link rel=canonical href=/c>", "https://site.example/c"),
        ("<link rel='Canonical' href='https://c.example'>", "https://c.example/"),
        ("<link rel=canonical href=1><link rel=canonical href=2>", "https://site.example/dir/1"),
        ("<link rel=canonical href='mailto:x'><link rel=canonical href=2>", "https://site.example/dir/2"),
        ("<link rel=canonical href=1><base href=/b/>", "https://site.example/b/1"),
        ("<link rel=canonical href=''>", nil), ("<link rel=alternate href=1>", nil), ("", nil),
    ])
    func findsCanonical(_ html: String, _ canonical: String?) throws {
        let facts = try Extraction.facts(html)
        #expect(facts.canonical == canonical)
        #expect(facts.links.isEmpty)
    }

    @Test(arguments: [
        ("<title>Plain</title>", "Plain"),
        ("<TITLE> \n Two\t  words \r\n</TITLE>", "Two words"),
        ("<title>A &amp; B &lt;b&gt; &#233;</title>", "A & B <b> é"),
        ("<title>1</title><title>2</title>", "1"),
        ("<svg><title>no</title></svg><title>yes</title>", "yes"),
        ("<title>a<!-- -->b</title>", "ab"),
        ("<title>unclosed", "unclosed"),
        ("<title>a\0b</title>", "a\u{FFFD}b"),
        ("<title>日本語</title>", "日本語"),
        ("<title></title>", nil), ("<title> \n </title><p>x", nil), ("<p>x", nil),
        ("<title>x</title><body>text", "x"), ("<p>text <title>late</title>", "late"),
        ("<title>\u{A0}x</title>", "\u{A0}x"),
    ])
    func findsTitle(_ html: String, _ title: String?) throws {
        #expect(try Extraction.facts(html).title == title)
        #expect(try Extraction.facts("<!doctype html><html><head>" + html).title == title)
    }

    @Test(arguments: [0, 1, 2, 3, 4, 5, 6, 7, 1_024])
    func boundsTitle(_ bytesMax: Int) throws {
        let limits = ExtractionLimits(titleBytesMax: bytesMax)
        let text = String(repeating: "日é ", count: 300)
        let facts = try Extraction.facts(Array("<title>\(text)</title>".utf8), limits: limits)
        let title = facts.title ?? ""
        #expect(title.utf8.count <= bytesMax)
        #expect(title.utf8.count + 4 > bytesMax)
        #expect(text.hasPrefix(title))
    }

    @Test func reportsBase() throws {
        #expect(try Extraction.facts("<base href='/b/?q#f'>").baseURL.href == "https://site.example/b/?q#f")
        #expect(try Extraction.facts("<a>").baseURL.href == "https://site.example/dir/page.html")
    }

    @Test func isolatesDocuments() throws {
        let extractor = LibXMLExtractor()
        func links(_ html: String) throws -> Int {
            try Extraction.facts(Array(html.utf8), with: extractor).links.count
        }
        // Whatever a page leaves open or pending must not reach the next one.
        for html in [
            "<base href='http://evil.example/'>", "<title>open", "<svg><title>x", "<textarea>", "<xmp>",
            "<!-- open", "<script>", "<a href='", "<b><b><b><b>", "<frameset><frame src=x>", "\u{FEFF}",
            "&am",
        ] {
            _ = try links(html)
            let facts = try Extraction.facts(
                Array("<title>T</title><a href=x>".utf8), with: extractor)
            #expect(facts.links.map(\.url.href) == ["https://site.example/dir/x"])
            #expect(facts.title == "T")
            #expect(facts.baseURL.href == "https://site.example/dir/page.html")
        }
    }
}
