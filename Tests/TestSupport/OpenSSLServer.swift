// The openssl command as a TLS server: for versions, tickets, client certificates and alerts that nginx does
// not offer. It must not know what is fetched.
import Foundation

/// `openssl s_server -www`: answers each connection's request with a page and closes it. Ends with the last
/// reference to it.
public final class OpenSSLServer: Sendable {
    /// The port on 127.0.0.1.
    public let port: UInt16
    private let process: RunningProcess

    /// The URL of the page.
    public var url: String { "https://127.0.0.1:\(port)/" }

    /// Starts it and returns when it answers. Blocks.
    public init(_ certificate: TestCertificate, _ options: [String] = [], port wanted: UInt16? = nil) throws {
        var attempt = 0
        while true {
            attempt += 1
            let port = try wanted ?? FreePort.next()
            let process = try RunningProcess(
                "/usr/bin/openssl",
                [
                    "s_server", "-accept", "127.0.0.1:\(port)", "-www", "-cert", certificate.certificatePath,
                    "-cert_chain", certificate.certificatePath, "-key", certificate.keyPath,
                ] + options)
            let isUp = waitUntil(withinMs: 20_000) {
                !process.isRunning || process.standardOutput.contains("ACCEPT")
            }
            if isUp, process.isRunning {
                self.port = port
                self.process = process
                return
            }
            if attempt == 3 {
                throw TestSupportError("openssl s_server does not answer:\n\(process.standardError)")
            }
        }
    }

    deinit { process.kill(SIGKILL) }

    /// Ends it. Blocks until it is gone.
    public func stop() { process.terminate() }
}
