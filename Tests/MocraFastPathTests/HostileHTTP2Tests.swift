// A server that breaks the rules of HTTP/2, in each way that there is. Each behaviour has its outcome; beside
// it a good server is fetched from, and at the end nothing is held any more.
import MocraFastPath
import TestSupport
import Testing

@Suite("Hostile HTTP/2", .needsRing, .timeLimit(.minutes(10)))
struct HostileHTTP2Tests {
    struct Case: Sendable, CustomTestStringConvertible {
        var behaviour: String
        /// A code of the error table, or several (how many continuations it takes depends on the version of
        /// nghttp2); nil for a whole answer.
        var code: String?
        var testDescription: String { behaviour }

        init(_ behaviour: String, _ code: String? = nil) {
            self.behaviour = behaviour
            self.code = code
        }
    }

    static let cases: [Case] = [
        Case("ok"), Case("trailers"), Case("interim"), Case("drip"), Case("mid-goaway"),
        // Over HTTP/1.1, as the server wants it.
        Case("needs-http1"),
        // No more streams than this one, which it answers.
        Case("zero-streams"),
        Case("settings-flood", "FLOOD"), Case("ping-flood", "FLOOD"), Case("priority-flood", "FLOOD"),
        Case("window-flood", "FLOOD"), Case("unknown-flood", "FLOOD"), Case("empty-data-flood", "FLOOD"),
        Case("reset-flood", "STREAM_RESET"), Case("continuation-flood", "FLOOD|HTTP2_PROTOCOL"),
        Case("interim-flood", "HTTP2_PROTOCOL"), Case("endless-headers", "HEADER_TOO_LARGE|HTTP2_PROTOCOL"),
        Case("header-bomb", "FLOOD|HEADER_TOO_LARGE|HTTP2_PROTOCOL"), Case("reset", "STREAM_RESET"),
        Case("reset-mid-body", "STREAM_RESET"), Case("refused", "STREAM_RESET"),

        // A server that closes with our frames unread resets the connection.
        Case("goaway-first", "STREAM_RESET|RESET"), Case("goaway-error", "STREAM_RESET|RESET"),
        Case("close-first", "CLOSED_EARLY|RESET"), Case("close-mid-body", "BODY_SHORT|RESET"),
        Case("close-mid-head", "CLOSED_EARLY|RESET"), Case("data-first", "HTTP2_PROTOCOL"),
        Case("other-stream", "HTTP2_PROTOCOL"), Case("large-frame", "HTTP2_PROTOCOL"),
        Case("bad-hpack", "HTTP2_PROTOCOL"), Case("push", "HTTP2_PROTOCOL"),
        Case("length-long", "HTTP2_PROTOCOL"), Case("length-short", "HTTP2_PROTOCOL"),
        Case("no-status", "HTTP2_PROTOCOL"), Case("upper-case", "HTTP2_PROTOCOL"),
        Case("connection-field", "HTTP2_PROTOCOL"), Case("line-break", "HTTP2_PROTOCOL"),
        Case("window-overflow", "HTTP2_PROTOCOL"), Case("garbage", "HTTP2_PROTOCOL"),
        Case("stall", "FIRST_BYTE_TIMEOUT"), Case("stall-mid-body", "IDLE_TIMEOUT"),
    ]

    private static let origin = Task {
        try await onThread {
            let names = cases.map { "\($0.behaviour).localhost" } + ["good.localhost", "127.0.0.1"]
            let certificates = try TestCertificates.shared()
            let certificate = try certificates.certificate(for: names)
            return (
                origin: try HTTP2Origin(certificate: certificate), caPath: certificates.caPath,
                good: try NginxServer([
                    NginxSite(
                        .directives("location / { return 200 good; }"), certificate: certificate, http2: true)
                ])
            )
        }
    }

    @Test("each behaviour has its outcome and disturbs nobody", arguments: cases)
    func outcome(_ one: Case) async throws {
        let (origin, caPath, good) = try await Self.origin.value
        try await withFetcher {
            $0.caFile = caPath
            $0.firstByteTimeoutMs = one.code == "FIRST_BYTE_TIMEOUT" ? 500 : 15_000
            $0.idleTimeoutMs = one.code == "IDLE_TIMEOUT" ? 500 : 15_000
        } _: { fetcher in
            let hostile = Task { () -> String? in
                do {
                    let fetched = try await fetcher.get(origin.url(one.behaviour))
                    #expect(fetched.status == 200 && fetched.text == "hello")
                    #expect(fetched.isHTTP2 == (one.behaviour != "needs-http1"))
                    return nil
                } catch let error as FetchError {
                    return error.code
                }
            }
            for _ in 0..<5 {
                #expect(try await fetcher.get(good.url(0) + "/").text == "good")
            }
            let code = try await hostile.value
            if let expected = one.code {
                #expect(expected.split(separator: "|").contains(Substring(code ?? "")), "\(code ?? "whole")")
            } else {
                #expect(code == nil)
            }
            let isClean = try await eventually {
                let statistics = await fetcher.loops[0].statistics()
                // The good connection is idle, and no other one is left but a hostile one that behaved.
                return statistics?.fetches == 0 && statistics?.buffersLeased == 0
                    && statistics.map { $0.connections == $0.connectionsIdle } ?? false
            }
            #expect(isClean)
        }
    }

    @Test("a server that says goodbye and keeps the connection does not keep its place")
    func goodbye() async throws {
        let (origin, caPath, _) = try await Self.origin.value
        try await withFetcher {
            $0.caFile = caPath
            $0.poolPerHost = 1
        } _: { fetcher in
            for _ in 0..<4 {
                let fetched = try await fetcher.get(origin.url("mid-goaway"), timeoutMs: 10_000)
                #expect(fetched.text == "hello")
            }
        }
    }
}
