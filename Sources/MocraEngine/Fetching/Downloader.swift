// What the engine asks of whatever fetches: lanes, each a thread with its own connections and timers.
// Must not know of the frontier: a lane fetches what it is told, when it is told.

public import MocraFastPath

/// Fetches for a run. The built-in one is `RingDownloader`; tests and authors bring their own.
public protocol Downloader: Sendable {
    associatedtype Lane: DownloadLane

    /// The lanes, at least one. Hosts are spread over them, so that each host has one lane.
    var lanes: [Lane] { get }

    /// What a person should know of how it fetches, nil when there is nothing. Asked before the shutdown.
    func notice() async -> RunNotice?

    /// Ends what still runs and waits until nothing of it is left.
    func shutdown() async
}

extension Downloader {
    public func notice() async -> RunNotice? { nil }
}

/// One thread that fetches, and that runs the engine's work for the hosts it has.
public protocol DownloadLane: AnyObject, Sendable {
    /// Names an alarm that was set.
    associatedtype Alarm: Sendable

    /// The executor of this lane's thread.
    var executor: UnownedSerialExecutor { get }

    /// Runs `job` on the lane's thread, soon. From any thread; never waits.
    func post(_ job: @escaping @Sendable () -> Void)

    /// Runs `job` on the lane's thread at `instant` or later. On the lane's thread only.
    func setAlarm(at instant: LoopInstant, _ job: @escaping @Sendable () -> Void) -> Alarm

    /// Forgets an alarm; one that has rung already is no error. On the lane's thread only.
    func cancelAlarm(_ alarm: Alarm)

    /// One fetch, without redirects or retries. On the lane's thread only.
    ///
    /// `requested` is called on the lane's thread when the request has left; a downloader that cannot tell
    /// does not call it, and the host's next fetch then waits for the end of this one.
    ///
    /// Errors: `FetchError`; kind `cancelled` when the task was cancelled.
    func fetch(
        _ request: FetchRequest, requested: (@Sendable () -> Void)?
    ) async throws(FetchError) -> Download
}
