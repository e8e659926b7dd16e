// Listening sockets on loopback addresses, made before the server runs: the ports must be known before the
// web is planned, and a port that is taken must be a clear error. It knows nothing of HTTP.
import Glibc

/// A listening socket that nothing accepts from yet; the kernel queues connections meanwhile.
struct LoopbackListener {
    let host: String
    let port: Int
    let descriptor: CInt

    private static let backlog: CInt = 1024
    private static let freePortTriesMax = 64

    /// Opens one listener a host, all on one port, then the extra ones on the first host.
    ///
    /// Ownership: the caller closes every descriptor, or hands it on. On an error none stays open.
    static func open(_ configuration: DemoSiteConfiguration) throws(DemoSiteError) -> [LoopbackListener] {
        let hosts = (1...configuration.hosts).map { "127.0.0.\($0)" }
        var listeners = try openHosts(hosts, configuration.port)
        let first = listeners[0].port
        for offset in 0..<configuration.extraPorts {
            do throws(DemoSiteError) {
                listeners.append(try openNear(hosts[0], first + 1 + offset))
            } catch {
                closeAll(listeners)
                throw error
            }
        }
        return listeners
    }

    static func closeAll(_ listeners: [LoopbackListener]) {
        for listener in listeners {
            // Nothing was accepted from it, so nothing can be lost by a failing close.
            _ = close(listener.descriptor)
        }
    }

    private static func openHosts(_ hosts: [String], _ port: Int) throws(DemoSiteError) -> [LoopbackListener]
    {
        if port != 0 { return try openAll(hosts, port) }
        for _ in 0..<freePortTriesMax {
            // The kernel picks a port for the first host; the others may have it taken, then it picks again.
            let first = try open(hosts[0], 0)
            do throws(DemoSiteError) {
                return [first] + (try openAll(Array(hosts.dropFirst()), first.port))
            } catch {
                closeAll([first])
                guard case .portTaken = error else { throw error }
            }
        }
        throw .noFreePort(hosts: hosts.count)
    }

    private static func openAll(_ hosts: [String], _ port: Int) throws(DemoSiteError) -> [LoopbackListener] {
        var listeners: [LoopbackListener] = []
        for host in hosts {
            do throws(DemoSiteError) {
                listeners.append(try open(host, port))
            } catch {
                closeAll(listeners)
                throw error
            }
        }
        return listeners
    }

    /// The wished port, or any that is free when it is taken or past the last one.
    private static func openNear(_ host: String, _ port: Int) throws(DemoSiteError) -> LoopbackListener {
        if port <= 65_535 {
            do throws(DemoSiteError) {
                return try open(host, port)
            } catch {
                guard case .portTaken = error else { throw error }
            }
        }
        return try open(host, 0)
    }

    private static func open(_ host: String, _ port: Int) throws(DemoSiteError) -> LoopbackListener {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("opening a socket", host, port) }
        do throws(DemoSiteError) {
            let bound = try bindAndListen(descriptor, host, port)
            return LoopbackListener(host: host, port: bound, descriptor: descriptor)
        } catch {
            // The first error is the one to report.
            _ = close(descriptor)
            throw error
        }
    }

    private static func bindAndListen(
        _ descriptor: CInt, _ host: String, _ port: Int
    ) throws(DemoSiteError) -> Int {
        var one: CInt = 1
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        // A port whose last connections are in TIME_WAIT is free (socket(7), SO_REUSEADDR).
        let reused = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        guard reused == 0, unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw failure("preparing a socket", host, port)
        }
        ArrivalClock.stampArrivals(descriptor)
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                // Two sockets with SO_REUSEADDR may bind to one port; only listening decides between them.
                guard unsafe bind(descriptor, generic, length) == 0, listen(descriptor, backlog) == 0 else {
                    return false
                }
                return unsafe getsockname(descriptor, generic, &length) == 0
            }
        }
        guard bound else { throw failure("listening", host, port) }
        return Int(in_port_t(bigEndian: address.sin_port))
    }

    /// Reads `errno`, so it must come right after the call that failed.
    private static func failure(_ operation: String, _ host: String, _ port: Int) -> DemoSiteError {
        switch errno {
        case EADDRINUSE: .portTaken(host: host, port: port)
        case EACCES, EPERM: .noPermission(host: host, port: port)
        case EADDRNOTAVAIL: .addressUnavailable(host: host)
        default: .system(operation: "\(operation) on \(host):\(port)", reason: errorText(errno))
        }
    }

    static func errorText(_ code: CInt) -> String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }
}
