// What is said to a proxy and what its answers mean, whole, in two pieces at every border, and byte by byte.
// No socket.
import CMocraIO
import TestSupport
import Testing

@Suite struct ProxyMachineTests {
    /// A conversation: what we say first, then each answer and what we say to it.
    struct Talk: Sendable, CustomTestStringConvertible {
        var name: String
        var type = MOCRA_PROXY_SOCKS5
        var byName = true
        var address = "192.0.2.7"
        var username: String?
        var password = ""
        /// What is said before each answer.
        var said: [[UInt8]]
        var answers: [[UInt8]]
        var result: Int32 = MOCRA_OK
        var reason = ""

        var testDescription: String { name }
    }

    private static let hello: [UInt8] = [5, 1, 0]
    private static let helloWithPassword: [UInt8] = [5, 2, 0, 2]
    private static let toName: [UInt8] = [5, 1, 0, 3, 11] + Array("example.org".utf8) + [1, 187]
    private static let done: [UInt8] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]

    private static func connect(_ place: String, _ more: String = "") -> [UInt8] {
        Array("CONNECT \(place) HTTP/1.1\r\nHost: \(place)\r\n\(more)\r\n".utf8)
    }

    private static func refusal(_ code: UInt8, _ text: String) -> Talk {
        Talk(
            name: "reply \(code)", said: [hello, toName],
            answers: [[5, 0], [5, code, 0, 1, 0, 0, 0, 0, 0, 0]],
            result: MOCRA_ERR_PROXY_REFUSED.rawValue, reason: text)
    }

    static let socks: [Talk] = [
        Talk(name: "a name", said: [hello, toName], answers: [[5, 0], done]),
        Talk(
            name: "an IPv4 address", byName: false, said: [hello, [5, 1, 0, 1, 192, 0, 2, 7, 1, 187]],
            answers: [[5, 0], done]),
        Talk(
            name: "an IPv6 address", byName: false, address: "2001:db8::1",
            said: [
                hello, [5, 1, 0, 4, 0x20, 1, 0xd, 0xb8] + [UInt8](repeating: 0, count: 11) + [1, 1, 187],
            ],
            answers: [[5, 0], done]),
        Talk(
            name: "bound to an IPv6 address", said: [hello, toName],
            answers: [[5, 0], [5, 0, 0, 4] + [UInt8](repeating: 9, count: 18)]),
        Talk(
            name: "bound to a name", said: [hello, toName],
            answers: [[5, 0], [5, 0, 0, 3, 2, 97, 98, 0, 80]]),
        Talk(
            name: "a password", username: "me", password: "secret",
            said: [helloWithPassword, [1, 2] + "me".utf8 + [6] + "secret".utf8, toName],
            answers: [[5, 2], [1, 0], done]),
        Talk(
            name: "a password that is not wanted", username: "me", password: "secret",
            said: [helloWithPassword, toName], answers: [[5, 0], done]),
        Talk(
            name: "a wrong password", username: "me", password: "no",
            said: [helloWithPassword, [1, 2] + "me".utf8 + [2] + "no".utf8], answers: [[5, 2], [1, 1]],
            result: MOCRA_ERR_PROXY_AUTH.rawValue, reason: "user name or password is wrong"),
        Talk(
            name: "a password that is missing", said: [hello], answers: [[5, 255]],
            result: MOCRA_ERR_PROXY_AUTH.rawValue, reason: "it takes no client without a user name"),
        Talk(
            name: "no method", username: "me", said: [helloWithPassword], answers: [[5, 255]],
            result: MOCRA_ERR_PROXY_AUTH.rawValue, reason: "it takes none of the offered methods"),
        refusal(1, "general failure (reply 1)"), refusal(2, "not allowed by its rules (reply 2)"),
        refusal(3, "network unreachable (reply 3)"), refusal(4, "host unreachable (reply 4)"),
        refusal(5, "connection refused (reply 5)"), refusal(6, "time to live expired (reply 6)"),
        refusal(7, "command not supported (reply 7)"), refusal(8, "address type not supported (reply 8)"),
        refusal(200, "an unknown reply code (reply 200)"),
    ]

    private static func broken(_ name: String, _ said: [[UInt8]], _ answers: [[UInt8]]) -> Talk {
        Talk(name: name, said: said, answers: answers, result: MOCRA_ERR_PROXY_PROTOCOL.rawValue)
    }

    static let brokenSocks: [Talk] = [
        broken("SOCKS4", [hello], [[0, 90]]),
        broken("HTTP", [hello], [Array("HTTP/1.0 400 Bad\r\n\r\n".utf8)]),
        broken("a method that was not offered", [hello], [[5, 2]]),
        broken("GSSAPI", [hello], [[5, 1]]),
        broken("a reply of another version", [hello, toName], [[5, 0], [4, 0, 0, 1, 0, 0, 0, 0, 0, 0]]),
        broken("a reply with a reserved byte", [hello, toName], [[5, 0], [5, 0, 1, 1, 0, 0, 0, 0, 0, 0]]),
        broken("a reply with an unknown type", [hello, toName], [[5, 0], [5, 0, 0, 2, 0, 0, 0, 0, 0, 0]]),
        Talk(
            name: "a status of another version", username: "me",
            said: [helloWithPassword, [1, 2, 109, 101, 0]], answers: [[5, 2], [5, 0]],
            result: MOCRA_ERR_PROXY_PROTOCOL.rawValue),
    ]

    private static func http(_ name: String, _ answer: String, _ result: mocra_error, _ reason: String)
        -> Talk
    {
        Talk(
            name: name, type: MOCRA_PROXY_CONNECT, said: [connect("example.org:443")],
            answers: [Array(answer.utf8)], result: result.rawValue, reason: reason)
    }

    static let connects: [Talk] = [
        Talk(
            name: "CONNECT", type: MOCRA_PROXY_CONNECT, said: [connect("example.org:443")],
            answers: [Array("HTTP/1.1 200 Connection established\r\n\r\n".utf8)]),
        Talk(
            name: "CONNECT, HTTP/1.0", type: MOCRA_PROXY_CONNECT, said: [connect("example.org:443")],
            answers: [Array("HTTP/1.0 200 OK\r\nProxy-agent: x/1\r\n\r\n".utf8)]),
        Talk(
            name: "CONNECT after an interim answer", type: MOCRA_PROXY_CONNECT,
            said: [connect("example.org:443")],
            answers: [Array("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".utf8)]),
        Talk(
            name: "CONNECT, a length that means nothing", type: MOCRA_PROXY_CONNECT,
            said: [connect("example.org:443")],
            answers: [Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".utf8)]),
        Talk(
            name: "CONNECT to an address", type: MOCRA_PROXY_CONNECT, byName: false,
            said: [connect("192.0.2.7:443")], answers: [Array("HTTP/1.1 200 OK\r\n\r\n".utf8)]),
        Talk(
            name: "CONNECT to an IPv6 address", type: MOCRA_PROXY_CONNECT, byName: false,
            address: "2001:db8::1",
            said: [connect("[2001:db8::1]:443")], answers: [Array("HTTP/1.1 200 OK\r\n\r\n".utf8)]),
        // RFC 7617 §2 has this example.
        Talk(
            name: "CONNECT with a password", type: MOCRA_PROXY_CONNECT, username: "Aladdin",
            password: "open sesame",
            said: [
                connect("example.org:443", "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n")
            ],
            answers: [Array("HTTP/1.1 200 OK\r\n\r\n".utf8)]),
        http(
            "CONNECT, 407", "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n", MOCRA_ERR_PROXY_AUTH,
            "it wants a user name and password"),
        http(
            "CONNECT, 401", "HTTP/1.1 401 No\r\n\r\n", MOCRA_ERR_PROXY_AUTH,
            "it wants a user name and password"),
        http(
            "CONNECT, 403 with a body", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n",
            MOCRA_ERR_PROXY_REFUSED,
            "it answered CONNECT with status 403"),
        http(
            "CONNECT, 302", "HTTP/1.1 302 Found\r\nLocation: http://a/\r\n\r\n", MOCRA_ERR_PROXY_REFUSED,
            "it answered CONNECT with status 302"),
        http(
            "CONNECT, 101", "HTTP/1.1 101 Switch\r\n\r\n", MOCRA_ERR_PROXY_PROTOCOL,
            "an interim answer that was not asked for, or too many"),
        http("CONNECT, no HTTP", "SSH-2.0-x\r\n", MOCRA_ERR_PROXY_PROTOCOL, ""),
        http(
            "CONNECT, a field without a colon", "HTTP/1.1 200 OK\r\nx\r\n\r\n", MOCRA_ERR_PROXY_PROTOCOL, ""),
    ]

    @Test(arguments: socks + brokenSocks + connects)
    func whole(_ talk: Talk) {
        play(talk) { [$0[...]] }
    }

    /// What comes in one piece with an answer that ends it.
    static let overlong: [Talk] = [
        broken("a method with more behind it", [hello], [[5, 0, 0]]),
        broken("bytes behind the reply", [hello, toName], [[5, 0], done + [72]]),
        http(
            "CONNECT, bytes behind", "HTTP/1.1 200 OK\r\n\r\nH", MOCRA_ERR_PROXY_PROTOCOL,
            "bytes follow its answer"),
    ]

    @Test(arguments: overlong)
    func bytesBehindAnAnswerAreNobodys(_ talk: Talk) {
        play(talk) { [$0[...]] }
    }

    @Test(arguments: socks + brokenSocks + connects)
    func byteByByte(_ talk: Talk) {
        play(talk) { bytes in bytes.indices.map { bytes[$0...$0] } }
    }

    @Test(arguments: socks + brokenSocks + connects)
    func cutAtEveryByte(_ talk: Talk) {
        for at in 1..<(talk.answers.map(\.count).max() ?? 1) {
            play(talk) { at < $0.count ? [$0[..<at], $0[at...]] : [$0[...]] }
        }
    }

    @Test func anEndlessAnswerEndsAtTheLimit() throws {
        for filler in ["X: 0123456789\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
            let start = filler.hasPrefix("X") ? "HTTP/1.1 200 OK\r\n" : ""
            let negotiation = try Negotiation(Self.connects[0])
            var result = negotiation.step(Array(start.utf8)[...])
            var bytes = 0
            while result == MOCRA_MORE, bytes < 1 << 20 {
                result = negotiation.step(Array(filler.utf8)[...])
                bytes += filler.utf8.count
            }
            #expect(result == MOCRA_ERR_PROXY_PROTOCOL.rawValue)
            #expect(bytes <= Int(MOCRA_PROXY_ANSWER_BYTES_MAX) + filler.utf8.count)
        }
    }

    @Test func randomAnswersEnd() throws {
        var random = SeededRandom(seed: 11)
        for talk in Self.socks + Self.connects {
            for _ in 0..<100 {
                let negotiation = try Negotiation(talk)
                for var answer in talk.answers {
                    for _ in 0..<2 {
                        answer[Int.random(in: 0..<answer.count, using: &random)] = UInt8.random(
                            in: 0...255, using: &random)
                    }
                    guard negotiation.step(answer[...]) == MOCRA_MORE else { break }
                }
                #expect(negotiation.output.count < 1_000)
            }
        }
    }

    /// Plays the answers in the pieces that `cut` makes of each.
    private func play(_ talk: Talk, cut: ([UInt8]) -> [ArraySlice<UInt8>]) {
        guard let negotiation = try? Negotiation(talk) else {
            Issue.record("\(talk.name): no negotiation")
            return
        }
        var said = talk.said[...]
        #expect(negotiation.takeOutput() == said.popFirst())
        var result = MOCRA_MORE
        for answer in talk.answers {
            for piece in cut(answer) where result == MOCRA_MORE {
                result = negotiation.step(piece)
            }
            let next = negotiation.takeOutput()
            #expect(next == said.popFirst() ?? [], "\(talk.name)")
        }
        #expect(result == talk.result, "\(talk.name)")
        if !talk.reason.isEmpty { #expect(negotiation.reason == talk.reason) }
        if result < 0 { #expect(!negotiation.reason.isEmpty) }
    }

    /// The machine with Swift's types around it.
    @safe final class Negotiation {
        private var negotiation = unsafe mocra_negotiation()
        private var bytes = unsafe mocra_bytes()
        private var reasonBytes = [CChar](repeating: 0, count: 256)
        private let texts: UnsafeMutableBufferPointer<UInt8>

        init(_ talk: Talk) throws {
            let host = Array("example.org".utf8)
            let username = Array((talk.username ?? "").utf8)
            let password = Array(talk.password.utf8)
            unsafe texts = .allocate(capacity: 1_024)
            _ = unsafe texts.initialize(from: host + username + password)
            let base = try unsafe #require(unsafe texts.baseAddress)
            var target = unsafe mocra_proxy_target()
            unsafe target.type = UInt8(talk.type.rawValue)
            unsafe target.by_name = talk.byName
            unsafe target.credentials = talk.username != nil
            unsafe target.host_length = UInt8(host.count)
            unsafe target.username_length = UInt8(username.count)
            unsafe target.password_length = UInt8(password.count)
            unsafe target.port = 443
            unsafe target.host = UnsafePointer(base)
            unsafe target.username = UnsafePointer(base + host.count)
            unsafe target.password = UnsafePointer(base + host.count + username.count)
            let address = Array(talk.address.utf8)
            #expect(unsafe mocra_address_parse(address, address.count, &target.address))
            #expect(unsafe mocra_negotiation_begin(&negotiation, &target, &bytes) == MOCRA_OK)
        }

        deinit {
            unsafe mocra_negotiation_free(&negotiation)
            unsafe mocra_bytes_free(&bytes)
            unsafe texts.deallocate()
        }

        func step(_ piece: ArraySlice<UInt8>) -> Int32 {
            let copy = Array(piece)
            return unsafe mocra_negotiation_step(
                &negotiation, copy, copy.count, &bytes, &reasonBytes, reasonBytes.count)
        }

        var output: [UInt8] { unsafe Array(UnsafeBufferPointer(start: bytes.data, count: bytes.length)) }
        var reason: String {
            String(decoding: reasonBytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }

        func takeOutput() -> [UInt8] {
            defer { unsafe bytes.length = 0 }
            return output
        }
    }
}
