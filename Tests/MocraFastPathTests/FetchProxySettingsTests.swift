// How a proxy is written, what the environment says, and which hosts are excepted. No socket.
import MocraFastPath
import Testing

@Suite("Proxy settings")
struct FetchProxySettingsTests {
    @Test(
        "URLs",
        arguments: [
            ("http://proxy.test:3128", "http://proxy.test:3128", nil, ""),
            ("proxy.test", "http://proxy.test:1080", nil, ""),
            ("proxy.test:80", "http://proxy.test:80", nil, ""),
            ("http://proxy.test:80/", "http://proxy.test:80", nil, ""),
            ("SOCKS5H://Proxy.Test", "socks5h://proxy.test:1080", nil, ""),
            ("socks5://[2001:db8::1]:9050", "socks5://[2001:db8::1]:9050", nil, ""),
            ("http://user:pa%40ss%3a@10.0.0.1:1", "http://10.0.0.1:1", "user", "pa@ss:"),
            ("socks5://u@ser:p@h:1", "socks5://h:1", "u@ser", "p"),
            ("http://user@h", "http://h:1080", "user", ""),
        ] as [(String, String, String?, String)])
    func parses(text: String, url: String, username: String?, password: String) throws {
        let proxy = try FetchProxy(text)
        #expect(proxy.description == url && proxy.username == username && proxy.password == password)
        #expect(!proxy.isTrusted)
    }

    @Test(
        "What is no proxy is refused, without its password",
        arguments: [
            "", "https://h:1", "socks4://h:1", "ftp://h", "http://", "http://h:0", "http://h:99999",
            "http://h:x",
            "http://h/path", "http://h?q", "http://:secret@h", "http://a%zz:secret@h",
            "http://a%3ab:secret@h",
            "http://a b", "http://user:secret@", "http://h\\x", "http://[::1",
            "http://" + String(repeating: "u", count: 256) + ":secret@h",
        ])
    func refuses(text: String) {
        let error = #expect(throws: FetchError.self) { try FetchProxy(text) }
        #expect(error?.kind == .config && error?.message.contains("secret") == false)
    }

    @Test("The environment")
    func environment() throws {
        func rules(_ environment: [String: String]) throws -> FetchProxyRules? {
            try FetchProxy.fromEnvironment { environment[$0] }
        }
        #expect(try rules([:]) == nil)
        #expect(try rules(["NO_PROXY": "a", "http_proxy": ""]) == nil)
        let both = try rules(["HTTP_PROXY": "big:1", "http_proxy": "small:2", "ALL_PROXY": "socks5://all:3"])
        #expect(both?.http?.description == "http://small:2")
        #expect(both?.https?.description == "socks5://all:3")
        // In a CGI program the variable is a header of the request.
        let cgi = try rules(["HTTP_PROXY": "big:1", "REQUEST_METHOD": "GET", "HTTPS_PROXY": "tls:4"])
        #expect(cgi?.http == nil && cgi?.https?.description == "http://tls:4")
        let excepted = try rules(["all_proxy": "p:1", "no_proxy": "one.test", "NO_PROXY": "two.test"])
        #expect(try excepted?.proxy(for: WebURL("http://one.test/")) == nil)
        #expect(try excepted?.proxy(for: WebURL("https://two.test/"))?.host == "p")
        let error = #expect(throws: FetchError.self) { _ = try rules(["https_proxy": "https://x"]) }
        #expect(error?.message.hasPrefix("https_proxy: ") == true)
    }

    @Test(
        "Exceptions",
        arguments: [
            ("example.org", "example.org", 80, true), ("example.org", "www.example.org", 80, true),
            (".example.org", "example.org", 80, true), (".example.org", "www.example.org", 443, true),
            ("example.org", "badexample.org", 80, false), ("example.org", "example.org.evil", 80, false),
            ("EXAMPLE.org.", "example.ORG.", 80, true), ("*", "anything", 1, true),
            ("a, *", "anything", 1, false), ("a,b c", "c", 1, true), ("", "a", 1, false),
            ("host:8080", "host", 8080, true), ("host:8080", "host", 80, false),
            ("127.0.0.1", "127.0.0.1", 80, true), ("127.0.0.1:81", "127.0.0.1", 80, false),
            ("0.0.1", "127.0.0.1", 80, false), ("10.0.0.0/8", "10.200.3.4", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false), ("10.0.0.0/33", "10.0.0.1", 80, false),
            ("192.168.128.0/17", "192.168.127.1", 80, false), ("192.168.128.0/17", "192.168.129.1", 80, true),
            ("::1", "[::1]", 80, true), ("[::1]:81", "[::1]", 81, true), ("fe80::/10", "[febf::1]", 80, true),
            ("fe80::/10", "[fec0::1]", 80, false), ("::/0", "127.0.0.1", 80, false),
            ("host:x", "host", 1, false),
        ] as [(String, String, UInt16, Bool)])
    func exceptions(list: String, host: String, port: UInt16, matches: Bool) {
        #expect(FetchProxyExceptions(list).contains(host: host, port: port) == matches)
    }
}
