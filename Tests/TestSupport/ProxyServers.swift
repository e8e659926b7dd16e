// Real proxies from Debian's packages: tinyproxy, squid and microsocks, each with a configuration, a folder
// and a port of its own. It must not know what goes through them.
import Foundation
import Glibc

/// A proxy on loopback; ends with the last reference to it.
public final class ProxyServer: Sendable {
    /// Which program.
    public enum Program: String, Sendable, CaseIterable {
        /// An HTTP proxy.
        case tinyproxy
        /// An HTTP proxy.
        case squid
        /// A SOCKS5 proxy.
        case microsocks

        var path: String {
            switch self {
            case .tinyproxy: "/usr/bin/tinyproxy"
            case .squid: "/usr/sbin/squid"
            case .microsocks: "/usr/bin/microsocks"
            }
        }
    }

    public let program: Program
    /// The port on 127.0.0.1.
    public let port: UInt16
    private let directory: TemporaryDirectory
    private let process: RunningProcess

    /// Whether the program is on this machine.
    public static func isInstalled(_ program: Program) -> Bool {
        FileManager.default.isExecutableFile(atPath: program.path)
    }

    /// Starts a proxy and returns when its port answers. Blocks. With a user name it serves nobody else.
    ///
    /// Errors: a message that says what the proxy wrote; a missing one is named together with
    /// `scripts/bootstrap`.
    public init(_ program: Program, username: String? = nil, password: String = "") throws {
        guard Self.isInstalled(program) else {
            throw TestSupportError("\(program.path) is missing: run scripts/bootstrap --test")
        }
        self.program = program
        directory = try TemporaryDirectory(prefix: "mocra-\(program.rawValue)")
        let credentials = username.map { ($0, password) }
        var attempt = 0
        while true {
            attempt += 1
            let port = try FreePort.next()
            let process = try RunningProcess(
                program.path, try Self.arguments(program, port, credentials, directory))
            let isUp = try waitUntil(withinMs: 30_000) {
                guard process.isRunning else { return true }
                return try answers(address: "127.0.0.1", port: port)
            }
            if isUp, process.isRunning {
                self.port = port
                self.process = process
                return
            }
            // Somebody else may have taken the port in between; other errors come again.
            if attempt == 3 {
                throw TestSupportError(
                    "\(program.rawValue) does not answer:\n\(process.standardError)\(process.standardOutput)")
            }
        }
    }

    deinit { stop() }

    /// Ends the proxy. Blocks until it is gone.
    public func stop() {
        process.terminate()
    }

    private static func arguments(
        _ program: Program, _ port: UInt16, _ credentials: (String, String)?, _ directory: TemporaryDirectory
    ) throws -> [String] {
        switch program {
        case .tinyproxy:
            let user = credentials.map { "BasicAuth \($0.0) \($0.1)\n" } ?? ""
            let path = try directory.write(
                "tinyproxy.conf",
                """
                Port \(port)
                Listen 127.0.0.1
                Timeout 60
                MaxClients 100
                LogFile "\(directory.file("log"))"
                LogLevel Connect
                \(user)
                """)
            return ["-d", "-c", path]
        case .squid:
            // The name keeps the shared memory of several apart.
            return try [
                "-N", "-n", "mocra\(port)", "-f",
                directory.write("squid.conf", squid(port, credentials, directory)),
            ]
        case .microsocks:
            let user = credentials.map { ["-u", $0.0, "-P", $0.1] } ?? []
            return ["-i", "127.0.0.1", "-p", "\(port)"] + user
        }
    }

    private static func squid(
        _ port: UInt16, _ credentials: (String, String)?, _ directory: TemporaryDirectory
    ) throws -> String {
        var access = "http_access allow all"
        if let (name, password) = credentials {
            // The helper takes a file of `name:hash` lines; crypt's oldest form needs no other program.
            let hash = try runBlocking("/usr/bin/openssl", ["passwd", "-apr1", password]).standardOutput
            let path = try directory.write("passwords", "\(name):\(hash)")
            access = """
                auth_param basic program /usr/lib/squid/basic_ncsa_auth \(path)
                auth_param basic children 1 startup=1
                acl known proxy_auth REQUIRED
                http_access allow known
                http_access deny all
                """
        }
        // Squid refuses to stay root, so that its helper must be able to read as somebody else.
        let user = getuid() == 0 ? "cache_effective_user proxy" : ""
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: directory.path)
        return """
            http_port 127.0.0.1:\(port)
            \(user)
            \(access)
            cache deny all
            cache_mem 1 MB
            pid_filename none
            access_log none
            cache_log /dev/null
            coredump_dir none
            shutdown_lifetime 0 seconds
            pinger_enable off
            max_filedescriptors 1024

            """
    }
}
