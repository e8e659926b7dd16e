// The demo site as its users see it: start it, ask for its addresses and its truth, shut it down.
// It wires the pure web to the sockets and knows nothing of crawling.
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A synthetic web on loopback that knows which of its URLs a correct crawl reaches.
///
/// `GET /_truth.json` and `GET /_log.json` on the first host publish the truth and the requests seen so far;
/// `POST /_reset` there sets the counters of tries back, `POST /_reset?log` empties the log, too.
///
/// Ownership: holds its sockets and threads until `shutdown()`.
/// Isolation: safe to use from everywhere.
public final class DemoSite: Sendable {
    private struct Running {
        var group: MultiThreadedEventLoopGroup
        var servers: [any Channel]
        var connections: ConnectionSet
    }

    private let state: SiteState
    private let running: Mutex<Running?>
    /// The port of all hosts.
    public let port: Int
    /// `127.0.0.1` and on, without the extra ports.
    public let hosts: [String]

    private init(state: SiteState, hosts: Int, running: Running) {
        self.state = state
        self.running = Mutex(running)
        port = state.web.authorities[0].port
        self.hosts = state.web.authorities.prefix(hosts).map(\.host)
    }

    /// Plans the web, listens on all hosts and begins to serve.
    ///
    /// Errors: a value out of range, a port that is taken or not permitted, a log file that cannot be
    /// written.
    /// Complexity: O(pages), for the truth.
    public static func start(_ configuration: DemoSiteConfiguration) async throws(DemoSiteError) -> DemoSite {
        if let problem = configuration.problem() { throw .invalidConfiguration(problem) }
        let log = try RequestLog(path: configuration.logPath)
        let listeners: [LoopbackListener]
        do throws(DemoSiteError) {
            listeners = try LoopbackListener.open(configuration)
        } catch {
            log.close()
            throw error
        }
        let web = DemoWeb(
            scenario: configuration.scenario, seed: configuration.seed, pages: configuration.pages,
            authorities: listeners.map { Authority(host: $0.host, port: $0.port) },
            hosts: configuration.hosts,
            timing: configuration.timing)
        let state = SiteState(web: web, log: log)
        let running = try await serve(state, listeners, threads: configuration.threads)
        return DemoSite(state: state, hosts: configuration.hosts, running: running)
    }

    /// The index of the first host. It links to all other sites.
    public var startURL: String { state.truth.startURLs[0] }

    /// What a correct crawl from all of `truth.startURLs` finds.
    public var truth: DemoTruth { state.truth }

    /// The requests seen so far, in the order of their answers; the first million is kept.
    public var requestLog: [DemoRequest] { state.log.snapshot().requests }

    /// Requests that came after the log was full.
    public var requestsDropped: Int { state.log.snapshot().dropped }

    /// Sets the counters of tries back, so that pages which healed fail again.
    public func resetAttempts() {
        state.resetAttempts()
    }

    /// Closes all sockets, ends the threads and completes the log file. A second call does nothing.
    public func shutdown() async {
        let taken = running.withLock { running -> Running? in
            defer { running = nil }
            return running
        }
        guard let taken else { return }
        await Self.stop(taken)
        state.log.close()
    }

    // MARK: - Serving

    private static func serve(
        _ state: SiteState, _ listeners: [LoopbackListener], threads: Int
    ) async throws(DemoSiteError) -> Running {
        var running = Running(
            group: MultiThreadedEventLoopGroup(numberOfThreads: threads), servers: [],
            connections: ConnectionSet())
        for (site, listener) in listeners.enumerated() {
            do {
                let bootstrap = bootstrap(running.group, running.connections, state, site)
                running.servers.append(try await bootstrap.withBoundSocket(listener.descriptor).get())
            } catch {
                // NIO took the descriptor of this listener; those after it are still ours.
                LoopbackListener.closeAll(Array(listeners[(site + 1)...]))
                await stop(running)
                state.log.close()
                throw .system(operation: "serving on \(listener.host):\(listener.port)", reason: "\(error)")
            }
        }
        return running
    }

    private static func bootstrap(
        _ group: MultiThreadedEventLoopGroup, _ connections: ConnectionSet, _ state: SiteState, _ site: Int
    ) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                guard connections.insert(channel) else {
                    return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
                }
                return channel.eventLoop.makeCompletedFuture {
                    let sync = channel.pipeline.syncOperations
                    let socket = try sync.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { $0 }
                    guard let socket, let options = channel.syncOptions else {
                        preconditionFailure("connections of the demo site are sockets")
                    }
                    let arrivals = ArrivalClock(socket)
                    try options.setOption(.recvAllocator, value: arrivals)
                    try sync.addHandler(
                        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
                    try sync.addHandler(DemoConnection(site: site, state: state, arrivals: arrivals))
                }
            }
    }

    private static func stop(_ running: Running) async {
        for channel in running.servers + running.connections.close() {
            // A channel that is closed already has nothing left to release.
            channel.close(promise: nil)
        }
        do {
            try await running.group.shutdownGracefully()
        } catch {
            // Loops that end late still end; there is nobody who could do more about it.
        }
    }
}

/// The open connections, so that a shutdown can end them.
///
/// Isolation: one lock guards all of it.
private final class ConnectionSet: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// False when the site is shutting down.
    func insert(_ channel: any Channel) -> Bool {
        let identifier = ObjectIdentifier(channel)
        let isOpen = state.withLock { state in
            if !state.isClosed { state.channels[identifier] = channel }
            return !state.isClosed
        }
        if isOpen {
            channel.closeFuture.whenComplete { _ in
                self.state.withLock { _ = $0.channels.removeValue(forKey: identifier) }
            }
        }
        return isOpen
    }

    /// Refuses further connections and hands over the open ones.
    func close() -> [any Channel] {
        state.withLock { state in
            state.isClosed = true
            return Array(state.channels.values)
        }
    }
}
