// A real HAProxy between a client and servers on loopback, in http mode.
// It must not know what is crawled or why.
import Foundation

/// One port of HAProxy and where its requests go.
public struct HAProxySite: Sendable {
    /// The server behind it, on 127.0.0.1.
    public var server: UInt16
    /// Directives of the frontend, such as `http-request reject if …`.
    public var directives: [String]

    /// Describes a site; its port is chosen when HAProxy starts.
    public init(server: UInt16, directives: [String] = []) {
        self.server = server
        self.directives = directives
    }
}

/// HAProxy in the foreground with one thread; ends with the last reference to it.
public final class HAProxyServer: Sendable {
    private static let program = "/usr/sbin/haproxy"

    /// Each site's port, in the order of the sites.
    public let ports: [UInt16]
    private let directory: TemporaryDirectory
    private let process: RunningProcess

    /// Starts HAProxy and returns when every port answers. Blocks.
    public init(_ sites: [HAProxySite]) throws {
        try requireProgram(Self.program)
        let directory = try TemporaryDirectory(prefix: "mocra-haproxy")
        self.directory = directory
        (process, ports) = try startServer("HAProxy", addresses: sites.map { _ in "127.0.0.1" }) { ports in
            let path = try directory.write("haproxy.cfg", configuration(sites, ports))
            return try RunningProcess(Self.program, ["-db", "-q", "-f", path])
        }
    }

    deinit { stop() }

    /// The URL of a site, without a path.
    public func url(_ site: Int = 0) -> String { "http://127.0.0.1:\(ports[site])" }

    /// Ends HAProxy. Blocks until it is gone.
    public func stop() {
        process.terminate()
    }
}

private func configuration(_ sites: [HAProxySite], _ ports: [UInt16]) -> String {
    let fixed = [
        "global", "nbthread 1", "maxconn 500", "defaults", "mode http", "timeout connect 2s",
        "timeout client 60s", "timeout server 60s", "timeout http-request 30s", "retries 0",
    ]
    let blocks = sites.indices.flatMap { index in
        ["frontend f\(index)", "bind 127.0.0.1:\(ports[index])"] + sites[index].directives
            + ["default_backend b\(index)", "backend b\(index)", "http-reuse always"]
            + ["server s 127.0.0.1:\(sites[index].server)"]
    }
    return (fixed + blocks).map { $0 + "\n" }.joined()
}
