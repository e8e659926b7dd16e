// WebURL's parts, relative resolution, canonical form, errors and fingerprint, by tables of our own.

import Testing

@testable import MocraFastPath

@Suite("WebURL")
struct URLTableTests {
    @Test func showsEveryPart() throws {
        let url = try WebURL(" HTTPS://User:p%40ss@Example.COM:8443/a/./b/../c?x=1&y='#Frag ment\n")
        #expect(url.href == "https://User:p%40ss@example.com:8443/a/c?x=1&y=%27#Frag%20ment")
        #expect(url.description == url.href)
        #expect(url.isSecure)
        #expect(url.scheme == "https")
        #expect(url.username == "User")
        #expect(url.password == "p%40ss")
        #expect(url.host == "example.com")
        #expect(url.port == 8443)
        #expect(url.effectivePort == 8443)
        #expect(url.authority == "example.com:8443")
        #expect(url.origin == "https://example.com:8443")
        #expect(url.path == "/a/c")
        #expect(url.query == "x=1&y=%27")
        #expect(url.fragment == "Frag%20ment")
        #expect(url.requestTarget == "/a/c?x=1&y=%27")
    }

    @Test func showsAbsentParts() throws {
        let url = try WebURL("http://h")
        #expect(url.href == "http://h/")
        #expect(!url.isSecure)
        #expect(url.username == "" && url.password == "")
        #expect(url.port == nil && url.effectivePort == 80)
        #expect(url.path == "/" && url.requestTarget == "/")
        #expect(url.query == nil && url.fragment == nil)
        let empty = try WebURL("https://h?#")
        #expect(empty.query == "" && empty.fragment == "" && empty.requestTarget == "/?")
        #expect(empty.effectivePort == 443)
    }

    @Test(arguments: [
        ("user@h", "user", "", "http://user@h/"),
        ("user:@h", "user", "", "http://user@h/"),
        (":secret@h", "", "secret", "http://:secret@h/"),
        (":@h", "", "", "http://h/"),
        ("@h", "", "", "http://h/"),
        ("a@b:c:d@h", "a%40b", "c%3Ad", "http://a%40b:c%3Ad@h/"),
        ("a@@h", "a%40", "", "http://a%40@h/"),
    ])
    func credentials(_ authority: String, _ username: String, _ password: String, _ href: String) throws {
        let url = try WebURL("http://" + authority)
        #expect(url.href == href)
        #expect(url.username == username && url.password == password && url.host == "h")
    }

    /// RFC 3986 §5.4's reference resolution examples, with the results that the URL Standard gives.
    @Test(
        arguments: [
            ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"), ("g#s", "http://a/b/c/g#s"), ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"), ("g;x", "http://a/b/c/g;x"), ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"), ("../g", "http://a/b/g"), ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"), ("../../../../g", "http://a/g"), ("/./g", "http://a/g"),
            ("/../g", "http://a/g"), ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."), ("..g", "http://a/b/c/..g"), ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"), ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"), ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"), ("g#s/../x", "http://a/b/c/g#s/../x"),
            ("http:g", "http://a/b/c/g"), ("https:g", "https://g/"), ("http:/g", "http://a/g"),
            ("http://g", "http://g/"), ("\\g", "http://a/g"), ("\\\\g\\h", "http://g/h"),
            ("..\\g", "http://a/b/g"),
            ("%2e%2E/g", "http://a/b/g"), (".%2e", "http://a/b/"), ("%2e", "http://a/b/c/"),
            ("?", "http://a/b/c/d;p?"),
            ("#", "http://a/b/c/d;p?q#"), ("///g", "http://g/"), ("g:h/i", nil),
            ("\tg\r\n", "http://a/b/c/g"),
        ] as [(String, String?)])
    func resolvesReferences(_ reference: String, _ expected: String?) throws {
        let base = try WebURL("http://a/b/c/d;p?q#old")
        if let expected {
            #expect(try WebURL(reference, base: base).href == expected)
        } else {
            #expect(throws: URLError.self) { try WebURL(reference, base: base) }
        }
    }

    @Test func aReferenceKeepsCredentialsAndPort() throws {
        let base = try WebURL("https://u:p@h:8443/a/b?q")
        #expect(try WebURL("c", base: base).href == "https://u:p@h:8443/a/c")
        #expect(try WebURL("//i", base: base).href == "https://i/")
        let url = try WebURL("../c?d#e", base: base)
        #expect(url.username == "u" && url.password == "p" && url.port == 8443 && url.host == "h")
        #expect(url.path == "/c" && url.query == "d" && url.fragment == "e")
    }

    @Test(
        arguments: [
            ("127.1", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("017700000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"), ("1.2.3", "1.2.0.3"), ("0x", "0.0.0.0"), ("1.0X.08x", "1.0x.08x"),
            ("4294967295", "255.255.255.255"), ("4294967296", nil), ("1.2.3.256", nil), ("256.1", nil),
            ("1.2.3.4.5", nil), ("1.2.3.08", nil), ("a.1", nil), ("1..2", nil), ("1.2.3.4.", "1.2.3.4"),
            ("99999999999999999999999999999999999999", nil), ("1.a", "1.a"), ("EXAMPLE.org.", "example.org."),
            ("[::1]", "[::1]"), ("[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]"), ("[0:0:0:0:0:0:0:0]", "[::]"),
            ("[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7:0]"), ("[::1:2:3:4:5:6:7]", "[0:1:2:3:4:5:6:7]"),
            ("[1:2:3:4:5:6:7:8::]", nil), ("[::1:2:3:4:5:6:7:8]", nil),
            ("[::ffff:1.2.3.4]", "[::ffff:102:304]"),
            ("[1:2:3:4:5:6:1.2.3.4]", "[1:2:3:4:5:6:102:304]"), ("[::1.2.3]", nil), ("[::1.2.3.04]", nil),
            ("[ABCD::]", "[abcd::]"), ("[::1", nil), ("[]", nil), ("[:]", nil), ("[1:]", nil),
            ("[1::2::3]", nil),
            ("[12345::]", nil), ("[::1%25eth0]", nil), ("[::g]", nil), ("a b", nil), ("a%20b", nil),
            ("a<b", nil),
            ("a%2Fb", nil), ("%41%62", "ab"), ("a_b.c-d", "a_b.c-d"),
            ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ] as [(String, String?)])
    func hosts(_ text: String, _ expected: String?) throws {
        if let expected {
            #expect(try WebURL("http://\(text)/x").host == expected)
        } else {
            #expect(throws: URLError.invalidHost(text)) { try WebURL("http://\(text)/x") }
        }
    }

    @Test(
        arguments: [
            ("", .empty), (" \t\n ", .empty), ("a/b", .missingScheme), ("//h/", .missingScheme),
            ("#x", .missingScheme),
            ("MailTo:a@b", .unsupportedScheme("mailto")),
            ("javascript:void(0)", .unsupportedScheme("javascript")),
            ("http://", .invalidHost("")), ("http:///", .invalidHost("")), ("http://u@", .invalidHost("")),
            ("http://:80/", .invalidHost("")), ("http://u@/x", .invalidHost("")),
            ("http://?", .invalidHost("")),
            ("http://h:x/", .invalidPort("x")), ("http://h:65536/", .invalidPort("65536")),
            ("http://h:-1/", .invalidPort("-1")), ("http://h:8 0/", .invalidPort("8 0")),
            ("http://h:99999999999999999999/", .invalidPort("99999999999999999999")),
            ("http://münchen.de/", .internationalHost("münchen.de")),
            ("http://m%C3%BCnchen.de/", .internationalHost("m%C3%BCnchen.de")),
            ("http://a%FFb/", .invalidHost("a%FFb")),
        ] as [(String, URLError)])
    func failures(_ text: String, _ expected: URLError) {
        let error = #expect(throws: URLError.self) { try WebURL(text) }
        #expect(error == expected)
        #expect(error.map { "\($0)" }?.contains("URL") == true)
    }

    @Test(
        arguments: [
            ("http://h:80/", nil), ("https://h:443/", nil), ("http://h:443/", 443), ("https://h:80/", 80),
            ("http://h:/", nil), ("http://h:00081/", 81), ("http://h:0/", 0), ("http://h:65535/", 65535),
        ]
            as [(String, UInt16?)])
    func ports(_ text: String, _ expected: UInt16?) throws {
        #expect(try WebURL(text).port == expected)
    }

    @Test func errorsShowHostileTextEscaped() {
        let text = URLError.invalidHost("a\u{1B}[2J\u{202E}\"b").description
        #expect(text.contains("a\\u{1b}[2J\\u{202e}\\\"b"))
        let long = #expect(throws: URLError.self) {
            try WebURL("http://" + String(repeating: "<", count: 9_000))
        }
        #expect(long == .invalidHost(String(repeating: "<", count: 256)))
    }

    @Test func lengthsAreBounded() throws {
        let room = WebURL.lengthBytesMax - "http://h/".utf8.count
        let fitting = "http://h/" + String(repeating: "a", count: room)
        #expect(try WebURL(fitting).href == fitting)
        #expect(throws: URLError.tooLong) { try WebURL(fitting + "a") }
        // Short enough as given, too long when encoded.
        #expect(throws: URLError.tooLong) {
            try WebURL("http://h/" + String(repeating: "{", count: room / 2))
        }
        let base = try WebURL("http://h/" + String(repeating: "a", count: 40_000) + "/")
        #expect(throws: URLError.tooLong) { try WebURL(String(repeating: "b", count: 40_000), base: base) }
        let many = String(repeating: "/..", count: 20_000)
        #expect(try WebURL("http://h" + many).href == "http://h/")
    }

    @Test func brokenUTF8BecomesReplacementCharacters() throws {
        let bytes: [UInt8] =
            Array("http://h/a".utf8) + [0xE9, 0x2F, 0xC3, 0x09, 0xA9] + Array("?".utf8) + [0xFF]
        let url = try WebURL(utf8: bytes.span)
        #expect(url.href == "http://h/a%EF%BF%BD/%EF%BF%BD%EF%BF%BD?%EF%BF%BD")
        #expect(throws: URLError.self) { try WebURL(utf8: [0x68, 0xFF].span) }
    }

    @Test func percentEncodeSetsAreTheStandards() {
        let c0 = (0...0x1F).map { UInt8($0) } + [0x7F]
        func members(_ set: ASCIISet) -> [UInt8] { (UInt8(0)...0xFF).filter { set.contains($0) } }
        func expected(_ text: String) -> [UInt8] { (c0 + Array(text.utf8)).sorted() }
        #expect(members(.control) == expected(""))
        #expect(members(.fragment) == expected(" \"<>`"))
        #expect(members(.specialQuery) == expected(" \"#<>'"))
        #expect(members(.path) == expected(" \"#<>?^`{}"))
        #expect(members(.userinfo) == expected(" \"#<>?^`{}/:;=@[\\]|"))
        #expect(members(.forbiddenDomain) == expected(" #/:<>?@[\\]^|%"))
        #expect((UInt8(0x80)...0xFF).allSatisfy { ASCIISet.path.containsOrIsNotASCII($0) })
    }
}

@Suite("URL canonicalisation and fingerprint")
struct URLIdentityTests {
    @Test(arguments: [
        ("http://h/a%2fb%c3%A9?x=%e9#f%aa", "http://h/a%2Fb%C3%A9?x=%E9"),
        ("http://h/a?", "http://h/a"), ("http://h/a?#", "http://h/a"), ("http://h/a?#x", "http://h/a"),
        ("http://h/a#", "http://h/a"), ("http://h/a%zz%2", "http://h/a%zz%2"),
        ("http://h/%%2f", "http://h/%%2F"),
        ("http://h:80/./a/../b", "http://h/b"), ("http://u%3a@h/", "http://u%3A@h/"),
        ("http://h/a?b", "http://h/a?b"),
    ])
    func byDefault(_ text: String, _ expected: String) throws {
        let url = try WebURL(text).canonicalized()
        #expect(url.href == expected)
        let parsed = try WebURL(expected)
        #expect(url == parsed && url.hashValue == parsed.hashValue)
        #expect(url.path == parsed.path && url.query == parsed.query && url.fragment == parsed.fragment)
        #expect(url.username == parsed.username && url.host == parsed.host)
    }

    @Test func byRule() throws {
        let url = try WebURL("http://h/%2f?#%2f")
        #expect(url.canonicalized([]).href == "http://h/%2f?#%2f")
        #expect(url.canonicalized(.fragment).href == "http://h/%2f?")
        #expect(url.canonicalized(.percentCase).href == "http://h/%2F?#%2F")
        #expect(url.canonicalized(.defaultPort) == url && url.canonicalized(.dotSegments) == url)
        let noQuery = url.canonicalized(.emptyQuery)
        #expect(noQuery.href == "http://h/%2f#%2f")
        #expect(noQuery.query == nil && noQuery.fragment == "%2f" && noQuery.path == "/%2f")
        #expect(try WebURL("http://h/?%2f").canonicalized(.emptyQuery).href == "http://h/?%2f")
    }

    /// The empty input's hash is the one that xxHash's own documentation and tools give.
    @Test func fingerprintIsXXH3() throws {
        let empty = URLFingerprint([UInt8]().span)
        #expect(empty.description == "99aa06d3014798d86001c324468d497f")
        let url = try WebURL("http://example.org/a")
        #expect(url.fingerprint == URLFingerprint(Array(url.href.utf8).span))
        #expect(url.fingerprint == URLFingerprint(high: url.fingerprint.high, low: url.fingerprint.low))
        #expect(url.fingerprint != (try WebURL("http://example.org/b").fingerprint))
        #expect(URLFingerprint(high: 1, low: 0xAB).description == "000000000000000100000000000000ab")
    }
}
