// The two ways to drive a loop, measured the same way: process time, allocations and latencies between two
// points.
internal import CAllocationCount
internal import Glibc
internal import Histogram
internal import MocraFastPath

/// Counts of the measured time. Used on the loop's thread only.
///
/// Guard of `@unchecked Sendable`: every access is on the loop's thread, or after it has nothing left to do.
final class FetchMeter: @unchecked Sendable {
    private enum Phase { case warmup, measuring, over }

    private var phase = Phase.warmup
    private let begins: LoopInstant
    private let ends: LoopInstant
    private var latencies = Histogram<UInt64>(
        highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
    private var requests = 0
    private var errors = 0
    private var bytes = 0
    private var started = Usage()
    private var finished = Usage()
    private(set) var firstError: FetchError?

    init(warmup: Double, seconds: Double) {
        begins = LoopInstant.now().advanced(byMs: Int(warmup * 1000))
        ends = begins.advanced(byMs: Int(seconds * 1000))
    }

    /// Whether another request is to be started.
    var goesOn: Bool { phase != .over }

    /// Moves to the phase that the time asks for; once a turn or a request.
    func tick(_ now: LoopInstant) {
        if phase == .warmup, now >= begins {
            phase = .measuring
            started = Usage.now()
        }
        if phase == .measuring, now >= ends {
            phase = .over
            finished = Usage.now()
        }
    }

    func count(started: LoopInstant, now: LoopInstant, wireBytes: Int) {
        guard phase == .measuring else { return }
        requests += 1
        bytes += wireBytes
        latencies.record(now.nanoseconds - started.nanoseconds)
    }

    /// At any time: one that comes before or after the measured time spoils the figures too.
    func countError(_ error: FetchError) {
        if firstError == nil { firstError = error }
        errors += 1
    }

    var result: FetchResult {
        FetchResult(
            requests: requests, errors: errors, bytes: bytes, used: finished.since(started),
            percentilesUs: [50, 90, 99, 99.9].map {
                Double(latencies.valueAtPercentile($0)) / 1000
            }, firstError: firstError?.message)
    }
}

/// What the process has used up to a point.
struct Usage {
    var at = LoopInstant(nanoseconds: 0)
    var userUs = 0.0
    var systemUs = 0.0
    var allocations: UInt64 = 0

    static func now() -> Usage {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Usage(
            at: LoopInstant.now(),
            userUs: Double(usage.ru_utime.tv_sec) * 1e6 + Double(usage.ru_utime.tv_usec),
            systemUs: Double(usage.ru_stime.tv_sec) * 1e6 + Double(usage.ru_stime.tv_usec),
            allocations: mocra_allocation_count())
    }

    func since(_ earlier: Usage) -> (seconds: Double, userUs: Double, systemUs: Double, allocations: UInt64) {
        (
            Double(at.nanoseconds - earlier.at.nanoseconds) / 1e9, userUs - earlier.userUs,
            systemUs - earlier.systemUs, allocations - earlier.allocations
        )
    }
}

struct FetchBench {
    let loop: RingLoop
    let request: FetchRequest
    /// Requests under way at once.
    let inFlight: Int
    let warmup: Double
    let seconds: Double

    /// The batch interface: a finished fetch is replaced by a new one in the same turn.
    func runBatch() async throws -> FetchResult {
        let prepared = try loop.prepare(request)
        let meter = FetchMeter(warmup: warmup, seconds: seconds)
        let state = BatchState(count: inFlight)
        await loop.runBatch { batch in
            let now = LoopInstant.now()
            meter.tick(now)
            if state.isFirst {
                state.isFirst = false
                for tag in 0..<UInt32(state.starts.count) { state.start(tag, prepared, meter, now, &batch) }
                return
            }
            while let done = batch.next() {
                let tag = done.tag
                if let error = done.error {
                    meter.countError(error)
                } else {
                    meter.count(started: state.starts[Int(tag)], now: now, wireBytes: done.wireBytes)
                }
                _ = consume done
                if meter.goesOn { state.start(tag, prepared, meter, now, &batch) }
            }
        }
        return meter.result
    }

    /// The awaited form: one long-lived task for each request under way.
    func runAsync() async -> FetchResult {
        let meter = FetchMeter(warmup: warmup, seconds: seconds)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<inFlight {
                group.addTask(executorPreference: loop.taskExecutor) { [loop, request] in
                    while meter.goesOn {
                        let started = LoopInstant.now()
                        meter.tick(started)
                        do throws(FetchError) {
                            let response = try await loop.fetch(request)
                            meter.count(
                                started: started, now: LoopInstant.now(), wireBytes: response.wireBytes)
                        } catch {
                            meter.countError(error)
                        }
                    }
                }
            }
        }
        return meter.result
    }
}

/// When each request under way began.
///
/// Guard of `@unchecked Sendable`: used on the loop's thread only.
private final class BatchState: @unchecked Sendable {
    var isFirst = true
    var starts: [LoopInstant]

    init(count: Int) {
        starts = Array(repeating: LoopInstant(nanoseconds: 0), count: count)
    }

    func start(
        _ tag: UInt32, _ prepared: PreparedFetch, _ meter: FetchMeter, _ now: LoopInstant,
        _ batch: inout FetchBatch
    ) {
        starts[Int(tag)] = now
        do throws(FetchError) {
            try batch.submit(prepared, tag: tag)
        } catch {
            meter.countError(error)
        }
    }
}

/// As many fetches at once, each one time.
///
/// Guard of `@unchecked Sendable`: used on the loop's thread only, or when it is done.
final class FetchWave: @unchecked Sendable {
    private var left: Int
    private(set) var failed = 0
    private(set) var firstError: String?

    private init(count: Int) {
        left = count
    }

    static func run(_ count: Int, of prepared: PreparedFetch, on loop: RingLoop) async -> FetchWave {
        let wave = FetchWave(count: count)
        await loop.runBatch { batch in wave.step(prepared, &batch) }
        return wave
    }

    private func step(_ prepared: PreparedFetch, _ batch: inout FetchBatch) {
        while left > 0 {
            left -= 1
            do throws(FetchError) {
                try batch.submit(prepared, tag: 0)
            } catch {
                note(error)
            }
        }
        while let done = batch.next() {
            if let error = done.error { note(error) }
        }
    }

    private func note(_ error: FetchError) {
        failed += 1
        firstError = firstError ?? error.message
    }
}
