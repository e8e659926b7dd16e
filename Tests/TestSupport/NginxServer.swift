// A real nginx with a configuration, folders, ports and an access log of its own.
// It must not know what is crawled or why.
import Foundation

/// One port of nginx and what it serves.
public struct NginxSite: Sendable {
    /// Where the answers come from.
    public enum Source: Sendable {
        /// Files below this folder.
        case folder(String)
        /// Another server on loopback, passed through as it sends.
        case proxy(port: UInt16)
        /// Directives of a `server` block, such as a `location` with `return`.
        case directives(String)
    }

    /// Where the answers come from.
    public var source: Source
    /// The certificate for https; nil means http.
    public var certificate: TestCertificate?
    /// Whether text is sent compressed.
    public var gzip: Bool
    /// Whether HTTP/2 is spoken with those who offer it.
    public var http2: Bool
    /// The IPv4 address that is listened on.
    public var address: String

    /// Describes a site; its port is chosen when the server starts.
    public init(
        _ source: Source, certificate: TestCertificate? = nil, gzip: Bool = false, http2: Bool = false,
        address: String = "127.0.0.1"
    ) {
        self.source = source
        self.certificate = certificate
        self.gzip = gzip
        self.http2 = http2
        self.address = address
    }
}

/// One line of nginx's access log.
public struct NginxLogEntry: Sendable, Decodable {
    /// When the response was finished, in seconds since 1970 with milliseconds.
    public var msec: Double
    /// Seconds between the request's first byte and the response's last one.
    public var requestTime: Double
    /// The `Host` field as sent.
    public var host: String
    /// The request line: method, target, version.
    public var request: String
    /// The status that was sent.
    public var status: Int
    /// The `User-Agent` field as sent.
    public var userAgent: String
    /// The connection's serial number in this server.
    public var connection: Int
    /// The request's place on its connection, from 1.
    public var connectionRequests: Int
    /// Bytes sent to the client, head and body.
    public var bytesSent: Int
    /// The port that the request came to.
    public var port: Int

    /// The request target: path and query.
    public var target: String {
        let parts = request.split(separator: " ")
        return parts.count == 3 ? String(parts[1]) : ""
    }
}

/// nginx in the foreground with one worker; ends with the last reference to it.
public final class NginxServer: Sendable {
    private static let program = "/usr/sbin/nginx"

    /// Each site's port, in the order of the sites.
    public let ports: [UInt16]
    private let sites: [NginxSite]
    private let directory: TemporaryDirectory
    private let process: RunningProcess

    /// Whether nginx is on this machine.
    public static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    /// Starts nginx and returns when every port answers. Blocks.
    ///
    /// Errors: a message that says what nginx wrote; missing nginx is named together with
    /// `scripts/bootstrap`.
    public init(_ sites: [NginxSite], workerConnections: Int = 4_096) throws {
        guard Self.isInstalled else {
            throw TestSupportError("\(Self.program) is missing: run scripts/bootstrap --test")
        }
        self.sites = sites
        directory = try TemporaryDirectory(prefix: "mocra-nginx")
        var attempt = 0
        while true {
            attempt += 1
            let ports = try sites.map { try FreePort.next(address: $0.address) }
            let path = try directory.write(
                "nginx.conf",
                configuration(sites, ports, directory, workerConnections: workerConnections))
            let process = try RunningProcess(
                Self.program, ["-p", directory.path, "-e", "error.log", "-c", path])
            let isUp = try waitUntil(withinMs: 10_000) {
                guard process.isRunning else { return true }
                return try zip(sites, ports).allSatisfy { try answers(address: $0.address, port: $1) }
            }
            if isUp, process.isRunning {
                self.ports = ports
                self.process = process
                return
            }
            // Somebody else may have taken a port in between; other errors come again and end the attempts.
            if attempt == 3 {
                throw TestSupportError("nginx does not answer:\n\(process.standardError)")
            }
        }
    }

    deinit { stop() }

    /// The URL of a site, without a path: `http://127.0.0.1:12345`.
    public func url(_ site: Int = 0, host: String? = nil) -> String {
        let scheme = sites[site].certificate == nil ? "http" : "https"
        return "\(scheme)://\(host ?? sites[site].address):\(ports[site])"
    }

    /// Every request so far, in the order in which the responses ended.
    public func accessLog() throws -> [NginxLogEntry] {
        let decoder = JSONDecoder()
        return try readBytes(directory.file("access.log")).split(separator: UInt8(ascii: "\n")).map {
            try decoder.decode(NginxLogEntry.self, from: Data($0))
        }
    }

    /// What nginx complained about.
    public func errorLog() throws -> String {
        try readText(directory.file("error.log"))
    }

    /// Ends nginx. Blocks until it is gone.
    public func stop() {
        process.terminate()
    }
}

private func configuration(
    _ sites: [NginxSite], _ ports: [UInt16], _ directory: TemporaryDirectory, workerConnections: Int
) -> String {
    let servers = zip(sites, ports).map(serverBlock).joined(separator: "\n")
    // Folders made by root for root: a worker with another user could not read them.
    let user = getuid() == 0 ? "user root;" : ""
    return """
        \(user)
        daemon off;
        worker_processes 1;
        worker_rlimit_nofile \(workerConnections + 512);
        pid nginx.pid;
        error_log error.log warn;
        events { worker_connections \(workerConnections); }
        http {
            include /etc/nginx/mime.types;
            default_type application/octet-stream;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            log_format json escape=json '{"msec":$msec,"requestTime":$request_time,"host":"$http_host",'
                '"request":"$request","status":$status,"userAgent":"$http_user_agent",'
                '"connection":$connection,"connectionRequests":$connection_requests,'
                '"bytesSent":$bytes_sent,"port":$server_port}';
            access_log access.log json;
            keepalive_requests 1000000;
            types_hash_max_size 4096;
        \(servers)
        }

        """
}

private func serverBlock(_ site: NginxSite, _ port: UInt16) -> String {
    var lines: [String] = []
    if let certificate = site.certificate {
        lines = [
            "listen \(site.address):\(port) ssl\(site.http2 ? " http2" : "") backlog=4096;",
            "ssl_certificate \(certificate.certificatePath);",
            "ssl_certificate_key \(certificate.keyPath);",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_cache shared:port\(port):1m;",
        ]
    } else {
        lines = ["listen \(site.address):\(port) backlog=4096;"]
    }
    if site.gzip {
        lines += ["gzip on;", "gzip_min_length 1;", "gzip_types text/plain text/css application/json;"]
    }
    switch site.source {
    case .folder(let folder):
        lines += ["root \(folder);", "index index.html;"]
    case .proxy(let origin):
        let to = "proxy_pass http://127.0.0.1:\(origin); proxy_buffering off; proxy_http_version 1.1;"
        lines += ["location / { \(to) }"]
    case .directives(let text):
        lines += [text]
    }
    return "    server {\n" + lines.map { "        \($0)\n" }.joined() + "    }"
}
