// Content-Type fields as servers send them, and the guess for those that send none.
import MocraEngine
import Testing

@Suite struct ExtractionContentTypeTests {
    @Test(
        arguments: [
            ("text/html", "text/html", nil), ("Text/HTML; Charset=UTF-8", "text/html", "UTF-8"),
            (" text/html ;charset=\"iso-8859-1\" ", "text/html", "iso-8859-1"),
            ("text/html;charset=a;charset=b", "text/html", "a"),
            ("text/html; boundary=x; charset = utf-8", "text/html", "utf-8"),
            ("text/html; charset=", "text/html", nil), ("text/html; charset", "text/html", nil),
            ("text/html; charset=\"a;b\"; x", "text/html", "a;b"),
            ("text/html; x=\"; charset=no\"; charset=yes", "text/html", "yes"),
            ("text/html; charset=\"a\\\"b\"", "text/html", "a\"b"),
            ("text/html; charset=\"open", "text/html", "open"),
            ("text/html;;; charset=x;", "text/html", "x"), ("text/html, text/plain", "text/html", nil),
            ("application/xhtml+xml", "application/xhtml+xml", nil), ("image/svg+xml", "image/svg+xml", nil),
            ("text/html;charset=\"\"", "text/html", nil), ("text/html; mycharset=x", "text/html", nil),
        ] as [(String, String, String?)])
    func parses(_ field: String, _ essence: String, _ charset: String?) throws {
        let type = try #require(ContentType.parse(field))
        #expect(type == ContentType(essence: essence, charset: charset))
        #expect(type.isHTML == (essence == "text/html" || essence == "application/xhtml+xml"))
    }

    @Test(arguments: [
        "", " ", ";", "text", "text/", "/html", "text/html/x", "te xt/html", "tëxt/html", "\0", "a/b c",
    ])
    func refuses(_ field: String) {
        #expect(ContentType.parse(field) == nil)
    }

    @Test(arguments: [
        ("<!DOCTYPE html>", true), ("\r\n\t <!doctype HTML PUBLIC>", true), ("<html lang=en>", true),
        ("<HTML>", true), ("<!-- c", true), ("\u{FEFF}<html>", true), ("<body\n>", true), ("<p>", true),
        ("<html", false), ("<htmlx>", false), ("<!doctype htmlx", false), ("<?xml version='1.0'?>", false),
        ("{\"a\":1}", false), ("text <html>", false), ("", false), ("   ", false), ("<pre>", false),
        ("%PDF-1.7", false),
    ])
    func sniffs(_ body: String, _ isHTML: Bool) {
        let bytes = Array(body.utf8)
        unsafe #expect(ContentType.sniffsAsHTML(bytes.span.bytes) == isHTML)
    }
}
