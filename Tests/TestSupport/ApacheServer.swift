// A real Apache httpd with a configuration, folders, ports and an access log of its own.
// It must not know what is crawled or why.
import Foundation
import Glibc

/// One port of Apache and what it serves: files, and below `/echo` the body of the request.
public struct ApacheSite: Sendable {
    /// Files below this folder; readable for everybody from then on, since Apache gives up root's rights.
    public var folder: String
    /// The certificate for https; nil means http.
    public var certificate: TestCertificate?
    /// Whether text is compressed by mod_deflate.
    public var deflate: Bool
    /// Requests that a connection may carry after its first one; 0 means any number.
    public var keepAliveRequestsMax: Int
    /// Seconds that a connection may rest.
    public var keepAliveSeconds: Int

    /// Describes a site; its port is chosen when the server starts.
    public init(
        _ folder: String, certificate: TestCertificate? = nil, deflate: Bool = false,
        keepAliveRequestsMax: Int = 0, keepAliveSeconds: Int = 60
    ) {
        self.folder = folder
        self.certificate = certificate
        self.deflate = deflate
        self.keepAliveRequestsMax = keepAliveRequestsMax
        self.keepAliveSeconds = keepAliveSeconds
    }
}

/// One line of Apache's access log.
public struct ApacheLogEntry: Sendable {
    /// The port that the request came to.
    public var port: Int
    /// Requests before this one on its connection.
    public var requestsBefore: Int
    /// The status that was sent.
    public var status: Int
    /// The request line: method, target, version.
    public var request: String
}

/// Apache httpd in the foreground with one worker process; ends with the last reference to it.
public final class ApacheServer: Sendable {
    private static let program = "/usr/sbin/apache2"

    /// Each site's port, in the order of the sites.
    public let ports: [UInt16]
    private let sites: [ApacheSite]
    private let directory: TemporaryDirectory
    private let process: RunningProcess

    /// Starts Apache and returns when every port answers. Blocks.
    public init(_ sites: [ApacheSite]) throws {
        try requireProgram(Self.program)
        self.sites = sites
        let directory = try TemporaryDirectory(prefix: "mocra-apache")
        self.directory = directory
        for folder in sites.map(\.folder) + [directory.path] {
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder)
        }
        (process, ports) = try startServer("Apache", addresses: sites.map { _ in "127.0.0.1" }) { ports in
            let path = try directory.write("apache.conf", configuration(sites, ports, directory.path))
            return try RunningProcess(Self.program, ["-f", path, "-DFOREGROUND"])
        }
    }

    deinit { stop() }

    /// The URL of a site, without a path: `http://127.0.0.1:12345`.
    public func url(_ site: Int = 0) -> String {
        "\(sites[site].certificate == nil ? "http" : "https")://127.0.0.1:\(ports[site])"
    }

    /// Every request so far, in the order in which the responses ended.
    public func accessLog() throws -> [ApacheLogEntry] {
        try readText(directory.file("access.log")).split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 3)
            guard parts.count == 4, let port = Int(parts[0]), let before = Int(parts[1]),
                let status = Int(parts[2])
            else { return nil }
            return ApacheLogEntry(
                port: port, requestsBefore: before, status: status, request: String(parts[3]))
        }
    }

    /// Ends Apache. Blocks until it is gone.
    public func stop() {
        process.terminate()
    }
}

private func configuration(_ sites: [ApacheSite], _ ports: [UInt16], _ directory: String) -> String {
    let modules = [
        "mpm_event", "authz_core", "mime", "dir", "filter", "deflate", "reflector", "socache_shmcb", "ssl",
    ].map { "LoadModule \($0)_module /usr/lib/apache2/modules/mod_\($0).so" }
    // Debian's Apache refuses to serve as root.
    let user = getuid() == 0 ? ["User www-data", "Group www-data"] : []
    let fixed = [
        "ServerRoot \(directory)", "DefaultRuntimeDir \(directory)", "PidFile \(directory)/apache.pid",
        "ServerName localhost", "ErrorLog \(directory)/error.log", "LogLevel error",
        "TypesConfig /etc/mime.types", "DirectoryIndex index.html", "StartServers 1", "ServerLimit 1",
        "ThreadsPerChild 32", "MaxRequestWorkers 32", "MinSpareThreads 1", "MaxSpareThreads 32",
        "LogFormat \"%{local}p %k %>s %r\" short", "CustomLog \(directory)/access.log short",
        "<Directory />", "Require all granted", "</Directory>",
        "<Location /echo>", "SetHandler reflector", "</Location>",
    ]
    let hosts = zip(sites, ports).flatMap(virtualHost)
    return (modules + user + fixed + hosts).map { $0 + "\n" }.joined()
}

private func virtualHost(_ site: ApacheSite, _ port: UInt16) -> [String] {
    var lines = [
        "Listen 127.0.0.1:\(port)", "<VirtualHost 127.0.0.1:\(port)>", "DocumentRoot \(site.folder)",
        "KeepAlive On", "MaxKeepAliveRequests \(site.keepAliveRequestsMax)",
        "KeepAliveTimeout \(site.keepAliveSeconds)",
    ]
    if let certificate = site.certificate {
        lines += [
            "SSLEngine on", "SSLCertificateFile \(certificate.certificatePath)",
            "SSLCertificateKeyFile \(certificate.keyPath)",
        ]
    }
    if site.deflate { lines += ["AddOutputFilterByType DEFLATE text/plain text/html"] }
    return lines + ["</VirtualHost>"]
}
