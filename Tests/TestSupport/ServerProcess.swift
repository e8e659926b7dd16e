// A server program that is told its ports: tries free ones, and waits until each answers.
// It must not know which program it starts.
import Foundation

/// Starts a program with free ports and returns when every port answers. Blocks.
///
/// `start` is called with as many ports as there are addresses, again with others when somebody else took one
/// in between. Errors: a message with what the program wrote.
func startServer(
    _ name: String, addresses: [String], start: ([UInt16]) throws -> RunningProcess
) throws -> (process: RunningProcess, ports: [UInt16]) {
    var attempt = 0
    while true {
        attempt += 1
        let ports = try addresses.map { try FreePort.next(address: $0) }
        let process = try start(ports)
        let isUp = try waitUntil(withinMs: 30_000) {
            guard process.isRunning else { return true }
            return try zip(addresses, ports).allSatisfy { try answers(address: $0, port: $1) }
        }
        if isUp, process.isRunning { return (process, ports) }
        if attempt == 3 {
            throw TestSupportError(
                "\(name) does not answer:\n\(process.standardError)\n\(process.standardOutput)")
        }
    }
}

/// Says which program is missing, and how to get it.
func requireProgram(_ path: String) throws {
    guard FileManager.default.isExecutableFile(atPath: path) else {
        throw TestSupportError("\(path) is missing: run scripts/bootstrap --test")
    }
}
