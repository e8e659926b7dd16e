// What the system says about a process: open descriptors, threads, sockets by their peer.
// It must not know who opened them.
import Foundation
public import Glibc

/// The numbers of this process's open descriptors.
public func openDescriptors() throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap(Int32.init)
}

/// What this process's open descriptors are, as the system names them, sorted: `socket:[123]`, a path, and so
/// on.
public func openFiles() throws -> [String] {
    try openDescriptors().compactMap { descriptor in
        do {
            return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        } catch {
            // It was closed between the two looks: the listing itself is one.
            return nil
        }
    }.sorted()
}

/// The names of this process's threads, sorted.
public func threadNames() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").compactMap { identifier in
        do {
            return try readText("/proc/self/task/\(identifier)/comm").trimmingCharacters(in: .newlines)
        } catch {
            // It ended between the two looks.
            return nil
        }
    }.sorted()
}

/// The number of a process's threads.
public func threadCount(of pid: Int32 = getpid()) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").count
}

/// The number of a process's open descriptors.
public func descriptorCount(of pid: Int32 = getpid()) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
}

/// The number of this process's TCP sockets that are connected to a port on an IPv4 address.
///
/// Other tests run beside this one in the same process, so the count of all descriptors says nothing; the
/// count of those towards one test's own origin does.
public func connectionCount(toPort port: UInt16) throws -> Int {
    try openDescriptors().count { descriptor in
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getpeername(descriptor, $0, &length)
            }
        }
        return result == 0 && address.sin_family == UInt16(AF_INET) && address.sin_port == port.bigEndian
    }
}
