// A chain of certificates with revocation lists: a root, an authority below it, and what either signs, made
// by the openssl command. It must not know who serves them.
import Foundation

/// A root authority and one below it. Blocks while openssl runs (about 20 ms a certificate).
public final class TestAuthority: Sendable {
    /// Who signs.
    public enum Issuer: String, Sendable {
        case root, intermediate
    }

    private static let openssl = "/usr/bin/openssl"
    private let directory: TemporaryDirectory
    private let serial = PlainLock(100)

    /// The root's certificate, for `caFile`.
    public var rootPath: String { directory.file("root.pem") }

    /// Makes both authorities.
    public init() throws {
        directory = try TemporaryDirectory(prefix: "mocra-authority")
        for issuer in ["root", "intermediate"] {
            try directory.write(
                "\(issuer).cnf",
                """
                [ca]
                default_ca = authority
                [authority]
                database = \(directory.path)/\(issuer).index
                default_md = sha256
                [req]
                distinguished_name = empty
                prompt = no
                [empty]

                """)
        }
        let authority = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
        _ = try make("root", issuer: nil, serial: 1, extensions: authority)
        _ = try make("intermediate", issuer: .root, serial: 2, extensions: authority)
    }

    /// A certificate for the names of a subjectAltName such as `DNS:a.test,IP:127.0.0.1`; nil means none.
    /// Served with the certificate of the authority below the root when `withChain`.
    public func certificate(
        _ name: String, names: String?, issuer: Issuer = .root, serial: Int? = nil, withChain: Bool = true,
        options: [String] = []
    ) throws -> TestCertificate {
        let number =
            serial
            ?? self.serial.withLock {
                $0 += 1
                return $0
            }
        var extensions = ["basicConstraints=critical,CA:FALSE"]
        if let names { extensions.append("subjectAltName=\(names)") }
        let made = try make(name, issuer: issuer, serial: number, extensions: extensions, options: options)
        if issuer == .intermediate && withChain {
            let chain = try readText(made.certificatePath) + readText(directory.file("intermediate.pem"))
            try directory.write("\(name).pem", chain)
        }
        return made
    }

    /// A file with an authority's list of revoked serial numbers.
    public func revocationList(_ name: String, issuer: Issuer, revoked: [Int], isOutdated: Bool = false)
        throws -> String
    {
        let entries = revoked.map {
            "R\t400101000000Z\t250101000000Z\t\(String(format: "%04X", $0))\tunknown\t/CN=revoked\n"
        }
        try directory.write("\(issuer.rawValue).index", entries.joined())
        let validity =
            isOutdated
            ? ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"]
            : ["-crldays", "30"]
        let path = directory.file("\(name).crl")
        try openssl(
            [
                "ca", "-config", directory.file("\(issuer.rawValue).cnf"), "-gencrl", "-keyfile",
                directory.file("\(issuer.rawValue).key"), "-cert", directory.file("\(issuer.rawValue).pem"),
                "-out", path,
            ] + validity)
        return path
    }

    /// A file with the contents of others, in order.
    public func join(_ name: String, _ paths: [String]) throws -> String {
        try directory.write(name, try paths.map(readText).joined())
    }

    private func make(
        _ name: String, issuer: Issuer?, serial: Int, extensions: [String], options: [String] = []
    ) throws -> TestCertificate {
        let files = TestCertificate(
            certificatePath: directory.file("\(name).pem"), keyPath: directory.file("\(name).key"))
        var arguments = [
            "req", "-x509", "-config", directory.file("root.cnf"), "-nodes", "-keyout", files.keyPath,
            "-out", files.certificatePath, "-subj", "/CN=\(name)", "-days", "30", "-set_serial", "\(serial)",
        ]
        if let issuer {
            arguments += [
                "-CA", directory.file("\(issuer.rawValue).pem"), "-CAkey",
                directory.file("\(issuer.rawValue).key"),
            ]
        }
        let hasKind = options.contains("-newkey")
        arguments += hasKind ? options : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] + options
        try openssl(arguments + extensions.flatMap { ["-addext", $0] })
        return files
    }

    private func openssl(_ arguments: [String]) throws {
        let result = try runBlocking(Self.openssl, arguments)
        guard result.exitCode == 0 else {
            throw TestSupportError(
                "openssl \(arguments.joined(separator: " ")) failed:\n\(result.standardError)")
        }
    }
}
