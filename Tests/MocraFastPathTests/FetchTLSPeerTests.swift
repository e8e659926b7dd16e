// What a TLS server seldom does after the handshake, and what it sees of the client's end: alerts and close.
import CTLSPeer
import Glibc
import MocraFastPath
import TestSupport
import Testing

@Suite("TLS after the handshake", .needsRing, .timeLimit(.minutes(10)))
struct FetchTLSPeerTests {
    /// A server for a number of connections, one after the other, on a thread of its own.
    private struct Peer {
        let url: String
        let report: Task<mocra_tls_peer_report, any Error>

        init(
            keyUpdates: UInt32 = 0, renegotiations: UInt32 = 0, connections: Int = 1,
            endsWithAnswer: Bool = false, notifies: Bool = false, _ certificate: TestCertificate? = nil
        ) throws {
            let served = try certificate ?? TestCertificates.shared().certificate()
            var port: UInt16 = 0
            let listener = unsafe mocra_tls_peer_listen(&port)
            try #require(listener >= 0)
            url = "https://127.0.0.1:\(port)/"
            report = Task {
                try await onThread {
                    defer { close(listener) }
                    return try unsafe served.certificatePath.withCString { certificate in
                        try unsafe served.keyPath.withCString { key in
                            var plan = unsafe mocra_tls_peer_plan(
                                certificate_path: certificate, key_path: key, key_updates: keyUpdates,
                                renegotiations: renegotiations, ends_with_answer: endsWithAnswer,
                                notifies: notifies)
                            var report = mocra_tls_peer_report()
                            for _ in 0..<connections {
                                let works = unsafe mocra_tls_peer_serve(listener, &plan, &report)
                                try #require(works, "the server could not serve")
                            }
                            return report
                        }
                    }
                }
            }
        }
    }

    private func withTrustingFetcher(
        poolPerHost: Int = 8, _ body: (Fetcher) async throws -> Void
    ) async throws {
        let caPath = try await onThread { try TestCertificates.shared().caPath }
        try await withFetcher {
            $0.caFile = caPath
            $0.poolPerHost = poolPerHost
        } _: {
            try await body($0)
        }
    }

    @Test("a connection ends with close_notify (RFC 8446, section 6.1)")
    func closeNotify() async throws {
        let peer = try Peer()
        try await withTrustingFetcher { fetcher in
            let fetched = try await fetcher.get(peer.url)
            #expect(fetched.text == "ok")
        }
        let report = try await peer.report.value
        #expect(report.answered && report.closed_in_order)
    }

    @Test("a connection that ended together with its answer is not used again", arguments: [false, true])
    func endWithAnswer(notifies: Bool) async throws {
        let peer = try Peer(connections: 40, endsWithAnswer: true, notifies: notifies)
        try await withTrustingFetcher(poolPerHost: 1) { fetcher in
            for number in 0..<20 {
                // May not be repeated, so that a dead connection would be an error.
                let (url, body) = (peer.url, [UInt8(number)])
                // The second waits for the place of the first, and gets it as soon as its answer is there.
                async let first = fetcher.get(url, method: "POST", body: body)
                async let second = fetcher.get(url, method: "POST", body: body)
                for fetched in [try await first, try await second] {
                    #expect(fetched.text == "ok" && !fetched.timing.reusedConnection)
                }
            }
        }
        #expect(try await peer.report.value.answered)
    }

    @Test(
        "whoever waits for a connection that ended with its answer keeps its turn",
        arguments: ["POST", "GET"])
    func endWithAnswerInTurn(method: String) async throws {
        let count: UInt32 = 40
        let peer = try Peer(connections: Int(count), endsWithAnswer: true)
        try await withTrustingFetcher(poolPerHost: 1) { fetcher in
            let loop = fetcher.loops[0]
            let prepared = try loop.prepare(FetchRequest(try WebURL(peer.url), method: method))
            let submitted = Locked<UInt32>(0)
            let ended = Locked<[String]>([])
            await loop.runBatch { batch in
                while let done = batch.next() {
                    ended.update { $0.append("\(done.tag) \(done.error?.code ?? "\(done.status)")") }
                }
                // One has the connection, four wait; each that is done makes room for another.
                while batch.inFlight < 5, submitted.value < count {
                    guard (try? batch.submit(prepared, tag: submitted.value)) != nil else { return }
                    submitted.update { $0 += 1 }
                }
            }
            #expect(ended.value == (0..<count).map { "\($0) 200" })
        }
        #expect(try await peer.report.value.answered)
    }

    @Test("keys that are updated often are kept up with (RFC 8446, section 4.6.3)")
    func keyUpdates() async throws {
        let peer = try Peer(keyUpdates: 100)
        try await withTrustingFetcher { fetcher in
            let fetched = try await fetcher.get(peer.url)
            #expect(fetched.text == "ok")
        }
        let report = try await peer.report.value
        #expect(report.done == 100 && report.answered)
    }

    @Test("keys that are updated without end end the connection")
    func keyUpdateFlood() async throws {
        let peer = try Peer(keyUpdates: .max)
        try await withTrustingFetcher { fetcher in
            let error = try await fetcher.failure(peer.url)
            #expect(error?.code == "TLS_PROTOCOL", "\(String(describing: error))")
            try await expectAtRest(fetcher)
        }
        let report = try await peer.report.value
        #expect(report.done > 100 && report.done < .max && !report.answered)
    }

    @Test("a wish to renegotiate is refused and changes nothing (RFC 5246, section 7.4.1.1)")
    func renegotiation() async throws {
        // One: behind it the server does not read before it answers, and so does not take offence.
        let peer = try Peer(renegotiations: 1)
        try await withTrustingFetcher { fetcher in
            let fetched = try await fetcher.get(peer.url)
            #expect(fetched.text == "ok")
        }
        let report = try await peer.report.value
        // no_renegotiation, RFC 5246, section 7.2.2.
        #expect(report.done == 1 && report.answered && report.alert == 100)
    }

    @Test("wishes to renegotiate without end end the connection")
    func renegotiationFlood() async throws {
        let peer = try Peer(renegotiations: .max)
        try await withTrustingFetcher { fetcher in
            let error = try await fetcher.failure(peer.url)
            #expect(error?.code == "TLS_PROTOCOL", "\(String(describing: error))")
            try await expectAtRest(fetcher)
        }
        let report = try await peer.report.value
        #expect(report.done > 100 && report.done < .max && !report.answered)
    }

    @Test("a certificate that is refused is told why (RFC 8446, section 6.2)")
    func alerts() async throws {
        let certificates = try await onThread { try TestCertificates.shared() }
        let cases: [(certificate: TestCertificate, code: String, alert: Int32)] = try await onThread {
            [
                // unknown_ca, certificate_expired, bad_certificate
                (try certificates.selfSigned(), "TLS_UNTRUSTED", 48),
                (try certificates.certificate(for: ["127.0.0.1"], .expired), "TLS_EXPIRED", 45),
                (try certificates.certificate(for: ["other.test"]), "TLS_NAME", 42),
            ]
        }
        for (certificate, code, alert) in cases {
            let peer = try Peer(certificate)
            try await withTrustingFetcher { fetcher in
                let error = try await fetcher.failure(peer.url)
                #expect(error?.code == code, "\(String(describing: error))")
            }
            let report = try await peer.report.value
            #expect(report.alert == alert, "\(code): \(report.alert)")
        }
    }

    private func expectAtRest(_ fetcher: Fetcher) async throws {
        let isAtRest = try await eventually(withinMs: 20_000) {
            guard let now = await fetcher.loops[0].statistics() else { return false }
            return now.fetches == 0 && now.buffersLeased == 0 && now.connections == 0
        }
        #expect(isAtRest)
    }
}
