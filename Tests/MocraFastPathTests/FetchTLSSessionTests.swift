// Resumption, versions, client certificates, alerts and endings, against openssl's own server and scripts.
import MocraFastPath
import TestSupport
import Testing

@Suite("TLS sessions", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchTLSSessionTests {
    private func server(_ options: [String]) async throws -> OpenSSLServer {
        try await onThread { try OpenSSLServer(try TestCertificates.shared().certificate(), options) }
    }

    @Test(
        "A new connection resumes the session of an earlier one",
        arguments: [
            (["-tls1_3"], "1.3", 2), (["-tls1_2"], "1.2", 2), (["-tls1_2", "-no_ticket"], "1.2", 2),
            (["-tls1_3", "-num_tickets", "0"], "1.3", 0),
        ])
    func resumption(options: [String], version: String, resumed: Int) async throws {
        let server = try await server(options)
        let caPath = try TestCertificates.shared().caPath
        try await withFetcher { configuration in
            configuration.caFile = caPath
        } _: { fetcher in
            for round in 0..<3 {
                let fetched = try await fetcher.get(server.url)
                #expect(fetched.status == 200 && fetched.tls?.version == version)
                #expect(fetched.tls?.cipher.hasPrefix("TLS_") == true)
                #expect(fetched.tls?.isResumed == (round > 0 && resumed > 0), "round \(round)")
            }
            let statistics = await fetcher.loops[0].statistics()
            #expect(statistics?.tlsHandshakesResumed == resumed)
            #expect(statistics?.tlsHandshakesFull == 3 - resumed)
            // The same server under another name is another host.
            let other = try await fetcher.get("https://localhost:\(server.port)/")
            #expect(other.tls?.isResumed == false)
        }
    }

    @Test("A server that knows the session no more makes a full handshake")
    func forgotten() async throws {
        let certificate = try await onThread { try TestCertificates.shared().certificate() }
        let caPath = try TestCertificates.shared().caPath
        let port = try FreePort.next()
        try await withFetcher { configuration in
            configuration.caFile = caPath
        } _: { fetcher in
            for _ in 0..<2 {
                // Another process on the same port has other keys for its tickets.
                let server = try await onThread { try OpenSSLServer(certificate, port: port) }
                let first = try await fetcher.get(server.url)
                #expect(first.tls?.isResumed == false)
                let second = try await fetcher.get(server.url)
                #expect(second.tls?.isResumed == true)
                try await onThread { server.stop() }
            }
        }
    }

    @Test("The oldest version is held to")
    func versions() async throws {
        let old = try await server(["-tls1_2"])
        let new = try await server(["-tls1_3"])
        let ancient = try await server(["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"])
        let caPath = try TestCertificates.shared().caPath
        for minimum in [TLSVersion.v12, .v13] {
            try await withFetcher { configuration in
                configuration.caFile = caPath
                configuration.tlsMinVersion = minimum
            } _: { fetcher in
                let modern = try await fetcher.get(new.url)
                #expect(modern.tls?.version == "1.3")
                let error = try await fetcher.failure(ancient.url)
                #expect(error?.kind == .tls && error?.code == "TLS_PROTOCOL")
                #expect(error?.message.contains("protocol_version") == true, "\(error?.message ?? "")")
                if minimum == .v12 {
                    let older = try await fetcher.get(old.url)
                    #expect(older.tls?.version == "1.2")
                } else {
                    let error = try await fetcher.failure(old.url)
                    #expect(error?.code == "TLS_PROTOCOL", "\(String(describing: error))")
                }
            }
        }
    }

    @Test("A server that asks for a certificate gets ours, or the error says so", arguments: ["1_2", "1_3"])
    func clientCertificate(version: String) async throws {
        let authority = try await onThread { try TestAuthority() }
        let own = try await onThread { try authority.certificate("client", names: nil) }
        let server = try await server([
            "-tls\(version)", "-Verify", "1", "-verify_return_error", "-CAfile", authority.rootPath,
        ])
        let caPath = try TestCertificates.shared().caPath
        try await withFetcher { configuration in
            configuration.caFile = caPath
            configuration.clientCert = own.certificatePath
            configuration.clientKey = own.keyPath
        } _: { fetcher in
            let welcome = try await fetcher.get(server.url)
            #expect(welcome.status == 200)
        }
        try await withFetcher { configuration in
            configuration.caFile = caPath
        } _: { fetcher in
            let error = try await fetcher.failure(server.url)
            #expect(error?.code == "TLS_PROTOCOL", "\(String(describing: error))")
            let message = error?.message ?? ""
            #expect(message.contains("the server sent the alert"), "\(message)")
            #expect(message.contains("client_cert"), "\(message)")
        }
    }

    @Test("Starts that are no handshake end with a typed error, soon")
    func garbage() async throws {
        let hello: [UInt8] = [0x16, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff]
        let warning: [UInt8] = [0x15, 3, 3, 0, 2, 1, 90]
        // Handshake records that belong to one message of 65,535 bytes, and more of them.
        let part: [UInt8] = [0x16, 3, 3, 0x10, 0] + [UInt8](repeating: 0, count: 4_096)
        let starts: [Script] = [
            [.send([0x16, 3, 3]), .close],
            [.send([0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]), .hold],
            [.send([0x16, 3, 3, 0xff, 0xff]), .sendRepeatedly([1], bytesMax: 1 << 20), .hold],
            [.send(hello), .hold],
            [.sendRepeatedly(part, bytesMax: 8 << 20), .hold],
            [.sendRepeatedly([0x16, 3, 3, 0, 1, 2], bytesMax: 8 << 20), .hold],
            [.sendRepeatedly(warning, bytesMax: 8 << 20), .hold],
            [.sendRepeatedly([0x14, 3, 3, 0, 1, 1], bytesMax: 8 << 20), .hold],
            [.send([0x15, 3, 3, 0, 2, 2, 40]), .hold],
            [.text("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), .hold],
        ]
        let origins = try starts.map { start in
            try ScriptedOrigin(onConnect: { _ in start }, answer: { _ in [.close] })
        }
        try await withFetcher { fetcher in
            for (index, origin) in origins.enumerated() {
                let error = try await fetcher.failure("https://127.0.0.1:\(origin.port)/")
                #expect(
                    error?.kind == .tls || error?.kind == .reset, "\(index): \(String(describing: error))")
                if index == 8 {
                    #expect(error?.message.contains("the alert handshake_failure") == true)
                }
            }
            let statistics = await fetcher.loops[0].statistics()
            #expect(statistics?.buffersLeased == 0 && statistics?.fetches == 0)
        }
    }
}
