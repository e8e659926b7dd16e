// Python's http.server with files of a folder, as many small sites and developers run it.
// It must not know what is crawled or why.
import Foundation

/// Python's http.server; ends with the last reference to it.
public final class PythonServer: Sendable {
    /// The version of HTTP that it answers with.
    public enum Version: String, Sendable, CaseIterable {
        /// Every answer ends its connection.
        case http10 = "HTTP/1.0"
        /// Connections are kept.
        case http11 = "HTTP/1.1"
    }

    private static let program = "/usr/bin/python3"

    /// The port on 127.0.0.1.
    public let port: UInt16
    private let process: RunningProcess

    /// Serves the files of a folder, to POST the body of the request, and `/unbounded` without a length.
    /// Returns when the port answers. Blocks.
    public init(_ folder: String, version: Version = .http10) throws {
        try requireProgram(Self.program)
        let (process, ports) = try startServer("http.server", addresses: ["127.0.0.1"]) { ports in
            try RunningProcess(
                Self.program, ["-I", "-c", source, "\(ports[0])", folder, version.rawValue])
        }
        self.process = process
        port = ports[0]
    }

    deinit { stop() }

    /// The URL without a path.
    public var url: String { "http://127.0.0.1:\(port)" }

    /// Ends the server. Blocks until it is gone.
    public func stop() {
        process.terminate()
    }
}

private let source = """
    import functools, http.server, sys

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = sys.argv[3]

        def do_GET(self):
            if self.path != "/unbounded":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Connection", "close")
            self.end_headers()
            for number in range(1000):
                self.wfile.write(b"line %d\\n" % number)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=sys.argv[2])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
    """
