// A TLS server that speaks HTTP/2 in frames written by hand, well or badly. What it does is the first label
// of the host that it is asked for, such as `ping-flood.localhost`; the list is in http2_origin.py.
import Foundation

/// The server; ends with the last reference to it.
public final class HTTP2Origin: Sendable {
    /// Where it listens, on 127.0.0.1.
    public let port: UInt16
    private let process: RunningProcess

    /// Starts it and returns when it listens. Blocks.
    public init(certificate: TestCertificate) throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("http2_origin.py").path
        let process = try RunningProcess(
            "/usr/bin/python3", [script, certificate.certificatePath, certificate.keyPath])
        let isUp = waitUntil(withinMs: 30_000) {
            !process.isRunning || process.standardOutput.hasSuffix("\n")
        }
        guard isUp, let port = UInt16(process.standardOutput.trimmingCharacters(in: .newlines)) else {
            throw TestSupportError("the HTTP/2 origin does not start: \(process.standardError)")
        }
        self.process = process
        self.port = port
    }

    deinit { process.terminate(graceMs: 100) }

    /// The URL at which it behaves so.
    public func url(_ behaviour: String) -> String { "https://\(behaviour).localhost:\(port)/" }
}
