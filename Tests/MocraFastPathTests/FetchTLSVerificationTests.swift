// Which certificates are accepted: names, chains, revocation, strength; against a real nginx.
import MocraFastPath
import TestSupport
import Testing

@Suite("TLS verification", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchTLSVerificationTests {
    private struct Row: Sendable {
        var name: String
        var certificate: TestCertificate
        var host: String
        var code: String?
    }

    private static func rows(_ authority: TestAuthority) throws -> [Row] {
        func row(
            _ name: String, _ names: String?, host: String, _ code: String?,
            issuer: TestAuthority.Issuer = .root, withChain: Bool = true, options: [String] = []
        ) throws -> Row {
            let made = try authority.certificate(
                name, names: names, issuer: issuer, withChain: withChain, options: options)
            return Row(name: name, certificate: made, host: host, code: code)
        }
        return [
            try row("address", "IP:127.0.0.1", host: "127.0.0.1", nil),
            try row("address-as-name", "DNS:127.0.0.1", host: "127.0.0.1", "TLS_NAME"),
            try row("other-address", "IP:127.0.0.2", host: "127.0.0.1", "TLS_NAME"),
            try row("name", "DNS:localhost", host: "localhost", nil),
            try row("name-in-capitals", "DNS:LocalHost", host: "localhost", nil),
            try row("localhost", nil, host: "localhost", "TLS_NAME"),
            try row("wildcard", "DNS:*.site.localhost", host: "a.site.localhost", nil),
            try row("wildcard-two-labels", "DNS:*.site.localhost", host: "b.a.site.localhost", "TLS_NAME"),
            try row("wildcard-no-label", "DNS:*.site.localhost", host: "site.localhost", "TLS_NAME"),
            try row("wildcard-part", "DNS:a*.site.localhost", host: "ab.site.localhost", "TLS_NAME"),
            try row("wildcard-top", "DNS:*.localhost", host: "a.localhost", "TLS_NAME"),
            try row("wildcard-alone", "DNS:*", host: "localhost", "TLS_NAME"),
            try row("trailing-dot", "DNS:localhost", host: "localhost.", nil),
            try row("chain", "IP:127.0.0.1", host: "127.0.0.1", nil, issuer: .intermediate),
            try row(
                "chain-missing", "IP:127.0.0.1", host: "127.0.0.1", "TLS_UNTRUSTED", issuer: .intermediate,
                withChain: false),
            try row(
                "weak-key", "IP:127.0.0.1", host: "127.0.0.1", "TLS_VERIFY",
                options: ["-newkey", "rsa:1024"]),
            try row(
                "sha1", "IP:127.0.0.1", host: "127.0.0.1", "TLS_VERIFY", options: ["-sha1"]),
        ]
    }

    @Test("names, chains and strength")
    func table() async throws {
        let (authority, rows, nginx) = try await onThread {
            let authority = try TestAuthority()
            let rows = try Self.rows(authority)
            let sites = rows.map {
                // What the server itself holds to be weak it would not load.
                NginxSite(
                    .directives("ssl_ciphers DEFAULT:@SECLEVEL=0; location / { return 200 welcome; }"),
                    certificate: $0.certificate)
            }
            return (authority, rows, try NginxServer(sites))
        }
        try await withFetcher { configuration in
            configuration.caFile = authority.rootPath
        } _: { fetcher in
            for (index, row) in rows.enumerated() {
                let url = nginx.url(index, host: row.host) + "/"
                guard let code = row.code else {
                    let fetched = try await fetcher.get(url)
                    #expect(fetched.text == "welcome", "\(row.name)")
                    continue
                }
                let error = try await fetcher.failure(url)
                #expect(error?.code == code, "\(row.name): \(String(describing: error))")
                #expect(error?.kind == .tls && error?.isRetryable == false, "\(row.name)")
            }
        }
    }

    @Test("Revoked certificates, leaf and intermediate; issuers without a list are not checked")
    func revocation() async throws {
        let authority = try await onThread { try TestAuthority() }
        let servers = try await onThread {
            try [
                ("good", TestAuthority.Issuer.root, 20), ("revoked", .root, 21), ("below", .intermediate, 22),
                ("revoked-below", .intermediate, 23),
            ].map { name, issuer, serial in
                NginxSite(
                    .directives("location / { return 200 welcome; }"),
                    certificate: try authority.certificate(
                        name, names: "IP:127.0.0.1", issuer: issuer, serial: serial))
            }
        }
        let nginx = try await onThread { try NginxServer(servers) }
        let (leaf, intermediate, all, outdated) = try await onThread {
            let root = try authority.revocationList("root", issuer: .root, revoked: [21])
            let below = try authority.revocationList("below", issuer: .intermediate, revoked: [23])
            return (
                root, try authority.revocationList("both", issuer: .root, revoked: [2, 21]),
                try authority.join("all.crl", [root, below]),
                try authority.revocationList("old", issuer: .root, revoked: [], isOutdated: true)
            )
        }
        let revoked = "TLS_REVOKED"
        for (file, codes) in [
            (leaf, [nil, revoked, nil, nil]), (all, [nil, revoked, nil, revoked]),
            (intermediate, [nil, revoked, revoked, revoked]),
            (outdated, ["TLS_VERIFY", "TLS_VERIFY", "TLS_VERIFY", "TLS_VERIFY"]),
        ] {
            try await withFetcher { configuration in
                configuration.caFile = authority.rootPath
                configuration.crlFile = file
            } _: { fetcher in
                for (index, code) in codes.enumerated() {
                    guard let code else {
                        let fetched = try await fetcher.get(nginx.url(index) + "/")
                        #expect(fetched.text == "welcome")
                        continue
                    }
                    let error = try await fetcher.failure(nginx.url(index) + "/")
                    #expect(error?.code == code, "\(file) \(index): \(String(describing: error))")
                    #expect(error?.kind == .tls && error?.isRetryable == false)
                }
            }
        }
    }

    @Test("Files that are missing, wrong or do not belong together are refused at the start")
    func wrongFiles() async throws {
        let directory = try TemporaryDirectory()
        let (authority, one, other) = try await onThread {
            let authority = try TestAuthority()
            return (
                authority, try authority.certificate("one", names: "DNS:one"),
                try authority.certificate("other", names: "DNS:other", options: ["-newkey", "rsa:2048"])
            )
        }
        let text = try directory.write("text.pem", "nothing of use\n")
        let missing = directory.file("missing.pem")
        var starts: [(String, String, FetchConfiguration)] = []
        func start(_ code: String, _ part: String, _ change: (inout FetchConfiguration) -> Void) {
            var configuration = FetchConfiguration()
            change(&configuration)
            starts.append((code, part, configuration))
        }
        for path in [text, missing, authority.rootPath, directory.path] {
            start("TLS_FILE", path) { $0.crlFile = path }
        }
        for path in [text, missing] {
            start("TLS_CLIENT_CERT", path) { ($0.clientCert, $0.clientKey) = (path, one.keyPath) }
            start("TLS_CLIENT_CERT", path) { ($0.clientCert, $0.clientKey) = (one.certificatePath, path) }
        }
        start("TLS_CLIENT_CERT", other.keyPath) {
            ($0.clientCert, $0.clientKey) = (one.certificatePath, other.keyPath)
        }
        start("ARGUMENT", "clientKey") { $0.clientCert = one.certificatePath }
        start("ARGUMENT", "clientCert") { $0.clientKey = one.keyPath }
        start("ARGUMENT", "crlFile") { $0.crlFile = "" }
        for (code, part, configuration) in starts {
            let error = #expect(throws: FetchError.self) { _ = try Fetcher(configuration) }
            #expect(error?.kind == .config && error?.code == code, "\(String(describing: error))")
            #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
        }
    }
}
