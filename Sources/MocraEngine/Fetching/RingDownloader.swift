// The built-in downloader: the ring loops of MocraFastPath.
// Must not know of the frontier or of modules.

public import MocraFastPath

/// Fetches through io_uring, or epoll where that is refused: one ring loop a lane.
public final class RingDownloader: Downloader {
    public let lanes: [RingLane]
    private let fetcher: Fetcher

    /// Starts `loops` ring loops.
    ///
    /// Errors: `FetchError` with kind `config` when the CA file cannot be read.
    public init(_ configuration: FetchConfiguration, loops: Int) throws(FetchError) {
        fetcher = try Fetcher(configuration, loops: loops)
        lanes = fetcher.loops.map(RingLane.init)
    }

    /// Tells of a driver that is not io_uring.
    public func notice() async -> RunNotice? {
        let statistics = await fetcher.loops.first?.statistics()
        guard let statistics, let reason = statistics.driverReason else { return nil }
        return RunNotice(url: "", kind: "driver", message: "\(statistics.driver.rawValue) is used: \(reason)")
    }

    public func shutdown() async {
        await fetcher.shutdown()
    }
}

/// A ring loop as a lane.
public final class RingLane: DownloadLane {
    private let loop: RingLoop

    init(_ loop: RingLoop) {
        self.loop = loop
    }

    public var executor: UnownedSerialExecutor {
        unsafe loop.serialExecutor.asUnownedSerialExecutor()
    }

    public func post(_ job: @escaping @Sendable () -> Void) {
        loop.post(job)
    }

    public func setAlarm(at instant: LoopInstant, _ job: @escaping @Sendable () -> Void) -> LoopTimer {
        loop.schedule(at: instant, job)
    }

    public func cancelAlarm(_ alarm: LoopTimer) {
        loop.cancel(alarm)
    }

    public func fetch(
        _ request: FetchRequest, requested: (@Sendable () -> Void)?
    ) async throws(FetchError) -> Download {
        Download(try await loop.fetch(request, requested: requested))
    }
}
