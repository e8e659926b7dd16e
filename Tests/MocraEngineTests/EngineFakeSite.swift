// A web in memory, and a downloader that serves it on threads of its own, so that the engine's tests need no
// ring. Must not know what a test expects of the engine.

import MocraFastPath
import Synchronization

@testable import MocraEngine

/// One answer of the web in memory.
struct FakeAnswer: Sendable {
    var status = 200
    var headers: [HTTPField] = [HTTPField("Content-Type", "text/html")]
    var body: [UInt8] = []
    var failure: FetchError?
    /// How long the answer takes.
    var delayMs = 0
    /// The answer comes when the fetch is cancelled, and not before.
    var hangs = false

    static func page(_ links: [String] = [], title: String = "") -> FakeAnswer {
        let anchors = links.map { "<a href=\"\($0)\">x</a>" }.joined()
        return FakeAnswer(body: Array("<!doctype html><title>\(title)</title>\(anchors)".utf8))
    }

    static func redirect(_ status: Int, _ location: String) -> FakeAnswer {
        FakeAnswer(status: status, headers: [HTTPField("Location", location)])
    }

    static func status(_ status: Int, _ headers: [HTTPField] = []) -> FakeAnswer {
        FakeAnswer(status: status, headers: headers)
    }

    static func text(_ text: String) -> FakeAnswer {
        FakeAnswer(headers: [HTTPField("Content-Type", "text/plain")], body: Array(text.utf8))
    }

    static func failure(_ kind: FetchErrorKind, isRetryable: Bool = false) -> FakeAnswer {
        var answer = FakeAnswer()
        answer.failure = FetchError(
            kind: kind, code: "TEST", message: "the fake \(kind.rawValue)", isRetryable: isRetryable)
        return answer
    }
}

/// A fetch as the web saw it.
struct FakeVisit: Sendable {
    var url: String
    var host: String
    var at: LoopInstant
    var request: FetchRequest
}

/// What is where, and who came for it.
final class FakeSite: Sendable {
    private struct State {
        var answers: [String: [FakeAnswer]] = [:]
        var visits: [FakeVisit] = []
    }

    private let state = Mutex(State())

    init(_ answers: [String: FakeAnswer] = [:]) {
        state.withLock { state in
            for (url, answer) in answers { state.answers[url] = [answer] }
        }
    }

    /// Answers in turn; the last one stays.
    func set(_ url: String, _ answers: FakeAnswer...) {
        state.withLock { $0.answers[url] = answers }
    }

    var visits: [FakeVisit] { state.withLock { $0.visits } }
    var urls: [String] { visits.map(\.url) }

    func count(_ url: String) -> Int { urls.filter { $0 == url }.count }

    fileprivate func visit(_ request: FetchRequest) -> FakeAnswer {
        state.withLock { state in
            let url = request.url.href
            state.visits.append(
                FakeVisit(url: url, host: String(request.url.host), at: .now(), request: request))
            guard var answers = state.answers[url] else { return .status(404) }
            let answer = answers[0]
            if answers.count > 1 {
                answers.removeFirst()
                state.answers[url] = answers
            }
            return answer
        }
    }
}

/// Serves a `FakeSite`.
final class FakeDownloader: Downloader {
    let lanes: [FakeLane]

    init(_ site: FakeSite, lanes count: Int = 1) {
        lanes = (0..<count).map { FakeLane(site, index: $0) }
    }

    func shutdown() async {
        for lane in lanes { lane.thread.stop() }
    }
}

/// A lane on a thread.
final class FakeLane: DownloadLane {
    fileprivate let thread: NamedThread
    private let site: FakeSite

    init(_ site: FakeSite, index: Int) {
        self.site = site
        thread = NamedThread(name: "fake-lane-\(index)")
    }

    var executor: UnownedSerialExecutor { unsafe thread.asUnownedSerialExecutor() }

    func post(_ job: @escaping @Sendable () -> Void) { thread.post(job) }

    func setAlarm(at instant: LoopInstant, _ job: @escaping @Sendable () -> Void) -> Task<Void, Never> {
        Task.detached { [thread] in
            let now = LoopInstant.now()
            do {
                // tidy: allow sleep because this is the alarm clock itself.
                if instant > now { try await Task.sleep(nanoseconds: instant.nanoseconds - now.nanoseconds) }
            } catch {
                return
            }
            thread.post(job)
        }
    }

    func cancelAlarm(_ alarm: Task<Void, Never>) { alarm.cancel() }

    func fetch(
        _ request: FetchRequest, requested: (@Sendable () -> Void)?
    ) async throws(FetchError) -> Download {
        precondition(thread.isIsolatingCurrentContext() == true, "a fetch off its lane's thread")
        let answer = site.visit(request)
        requested?()
        let visitedAt = LoopInstant.now()
        do {
            // tidy: allow sleep because the answer's delay is part of the fake web.
            if answer.hangs { try await Task.sleep(nanoseconds: 60_000_000_000) }
            // tidy: allow sleep because the answer's delay is part of the fake web.
            try await Task.sleep(nanoseconds: UInt64(answer.delayMs) * 1_000_000)
        } catch {
            throw FetchError(kind: .cancelled, code: "CANCELLED", message: "cancelled", isRetryable: false)
        }
        if let failure = answer.failure { throw failure }
        var owned = OwnedAnswer(status: answer.status, headers: answer.headers, body: answer.body)
        // At least a microsecond, since nought stands for a time that nobody took.
        owned.timing.totalUs = max(1, Int((LoopInstant.now().nanoseconds - visitedAt.nanoseconds) / 1_000))
        return Download(owned)
    }
}

/// A sink that keeps the lines.
final class KeepingSink: Sink {
    private let state = Mutex<(lines: [String], isClosed: Bool)>(([], false))
    private let failure: SinkError?

    init(failure: SinkError? = nil) { self.failure = failure }

    func write(_ items: ItemBatch) async throws(SinkError) {
        if let failure { throw failure }
        let lines = String(decoding: items.lines, as: UTF8.self).split(separator: "\n").map(String.init)
        state.withLock { state in
            precondition(!state.isClosed, "a write after close")
            state.lines += lines
        }
    }

    func close() async throws(SinkError) {
        state.withLock { $0.isClosed = true }
        if let failure { throw failure }
    }

    var lines: [String] { state.withLock { $0.lines } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
}
