// A certificate authority of this process's own, and server certificates good and bad, made by the openssl
// command. It must not know who serves them.
import Foundation

/// A server's certificate and key, as paths of PEM files.
public struct TestCertificate: Sendable, Hashable {
    /// The certificate, without its chain.
    public var certificatePath: String
    /// The private key.
    public var keyPath: String
}

/// Makes certificates; the authority is made once a process.
///
/// Isolation: blocks while openssl runs (about 20 ms a certificate), safe from any thread.
public final class TestCertificates: Sendable {
    /// When a certificate is good.
    public enum Validity: Sendable, Hashable {
        /// Since yesterday, for years.
        case valid
        /// Until yesterday.
        case expired
        /// From next year on.
        case notYetValid
    }

    private struct Wanted: Hashable {
        let names: [String]
        let validity: Validity
        let isSelfSigned: Bool
    }

    private static let openssl = "/usr/bin/openssl"
    private static let instance = Result { try TestCertificates() }

    /// The authority of this process.
    public static func shared() throws -> TestCertificates { try instance.get() }

    /// The authority's certificate, for `--ca-file`.
    public var caPath: String { directory.file("ca.pem") }

    private let directory: TemporaryDirectory
    private let made = PlainLock<[Wanted: TestCertificate]>([:])

    private init() throws {
        directory = try TemporaryDirectory(prefix: "mocra-certificates")
        try directory.write(
            "ca.cnf",
            """
            [ca]
            default_ca = authority
            [authority]
            dir = \(directory.path)
            database = $dir/index.txt
            new_certs_dir = $dir
            certificate = $dir/ca.pem
            private_key = $dir/ca.key
            default_md = sha256
            rand_serial = yes
            unique_subject = no
            policy = any
            copy_extensions = copy
            email_in_dn = no
            [any]
            commonName = supplied
            [req]
            distinguished_name = empty
            prompt = no
            [empty]

            """)
        try directory.write("index.txt", "")
        try openssl([
            "req", "-x509", "-config", directory.file("ca.cnf"), "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", directory.file("ca.key"), "-out", caPath, "-days",
            "3650", "-subj", "/CN=mocra test authority", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        ])
    }

    /// A server certificate for the given names and IPv4 addresses, signed by the authority.
    ///
    /// The same wishes give the same files again.
    public func certificate(
        for names: [String] = ["localhost", "127.0.0.1"], _ validity: Validity = .valid
    ) throws -> TestCertificate {
        try certificate(Wanted(names: names, validity: validity, isSelfSigned: false))
    }

    /// A server certificate that is its own authority, so that nobody trusts it.
    public func selfSigned(for names: [String] = ["localhost", "127.0.0.1"]) throws -> TestCertificate {
        try certificate(Wanted(names: names, validity: .valid, isSelfSigned: true))
    }

    private func certificate(_ wanted: Wanted) throws -> TestCertificate {
        try made.withLock { made in
            if let known = made[wanted] { return known }
            let new = try make(wanted, number: made.count)
            made[wanted] = new
            return new
        }
    }

    private func make(_ wanted: Wanted, number: Int) throws -> TestCertificate {
        let files = TestCertificate(
            certificatePath: directory.file("server\(number).pem"),
            keyPath: directory.file("server\(number).key"))
        let names = wanted.names.map { name in
            name.allSatisfy { $0.isNumber || $0 == "." } ? "IP:\(name)" : "DNS:\(name)"
        }
        let request = [
            "req", "-new", "-config", directory.file("ca.cnf"), "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", files.keyPath, "-subj", "/CN=\(wanted.names[0])",
            "-addext", "subjectAltName=\(names.joined(separator: ","))", "-addext",
            "extendedKeyUsage=serverAuth",
        ]
        if wanted.isSelfSigned {
            try openssl(request + ["-x509", "-days", "30", "-out", files.certificatePath])
            return files
        }
        let requestPath = directory.file("server\(number).csr")
        try openssl(request + ["-out", requestPath])
        let days: (from: Double, to: Double) =
            switch wanted.validity {
            case .valid: (-1, 1_000)
            case .expired: (-30, -1)
            case .notYetValid: (365, 1_000)
            }
        try openssl([
            "ca", "-config", directory.file("ca.cnf"), "-batch", "-notext", "-startdate",
            asn1Time(inDays: days.from), "-enddate", asn1Time(inDays: days.to), "-in", requestPath, "-out",
            files.certificatePath,
        ])
        return files
    }

    private func openssl(_ arguments: [String]) throws {
        let result = try runBlocking(Self.openssl, arguments)
        guard result.exitCode == 0 else {
            throw TestSupportError(
                "openssl \(arguments.joined(separator: " ")) failed:\n\(result.standardError)")
        }
    }

    private func asn1Time(inDays days: Double) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyyMMddHHmmss'Z'"
        return formatter.string(from: Date(timeIntervalSinceNow: days * 86_400))
    }
}
