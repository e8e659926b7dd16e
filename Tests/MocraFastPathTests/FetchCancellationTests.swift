// Fetches that are given up: cancelled at any point, or shut down under way. Nothing may be left behind.
import Glibc
import MocraFastPath
import TestSupport
import Testing

@Suite("Fetches given up", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchCancellationTests {
    /// Answers in many pieces over a few milliseconds, so that a cancellation can come between any two.
    private func slowOrigin() throws -> ScriptedOrigin {
        try ScriptedOrigin { request in
            if request.target == "/hold" { return [.hold] }
            let body = String(repeating: "0123456789", count: 40)
            let whole = Script.head(200, [("Content-Length", "\(body.utf8.count)")]) + Array(body.utf8)
            return request.target == "/quick" ? [.send(whole)] : .dripping(whole, pieceBytes: 60, pauseMs: 1)
        }
    }

    @Test("1,000 cancellations at random points leave no slot, buffer or connection behind")
    func cancelledAtRandomPoints() async throws {
        let origin = try slowOrigin()
        let cancelled = Locked(0)
        let finished = Locked(0)
        try await withFetcher { configuration in
            // Small enough that a leak of one in a hundred would be felt.
            configuration.poolSize = 8
            configuration.poolPerHost = 8
            configuration.receiveBuffers = 16
        } _: { fetcher in
            // Any point from before the start to after the end of a fetch, however fast build and machine
            // are.
            var microsecondsMax: UInt64 = 12_000
            for _ in 0..<40 {
                let (span, finishedBefore) = (microsecondsMax, finished.value)
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<25 {
                        group.addTask {
                            let task = Task {
                                do {
                                    let path = number % 5 == 0 ? "/quick" : "/slow"
                                    let fetched = try await fetcher.get(origin.url(path))
                                    #expect(fetched.body.count == 400)
                                    finished.update { $0 += 1 }
                                } catch let error as FetchError {
                                    #expect(error.kind == .cancelled, "\(error.code)")
                                    cancelled.update { $0 += 1 }
                                } catch {
                                    Issue.record("\(error)")
                                }
                            }
                            let microseconds = UInt64.random(in: 0..<span)
                            // tidy: allow sleep because the moment of a cancellation has to be random.
                            try? await Task.sleep(nanoseconds: microseconds * 1_000)
                            task.cancel()
                            await task.value
                        }
                    }
                }
                let finishedNow = finished.value - finishedBefore
                if finishedNow > 18 { microsecondsMax = max(500, span / 2) }
                if finishedNow < 3 { microsecondsMax = min(1_000_000, span * 2) }
            }
            #expect(cancelled.value + finished.value == 1_000)
            #expect(cancelled.value > 100 && finished.value > 10, "\(cancelled.value) were cancelled")
            // Whatever leaked is missing now: eight connections, sixteen buffers, all slots.
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<200 { group.addTask { try await fetcher.get(origin.url("/quick")).body.count } }
                for try await count in group { #expect(count == 400) }
            }
            #expect(try connectionCount(toPort: origin.port) <= 8)
        }
        #expect(try connectionCount(toPort: origin.port) == 0)
        #expect(try await eventually { origin.counts.open == 0 })
    }

    @Test("A task that is cancelled before it fetches sends nothing")
    func cancelledBefore() async throws {
        let origin = try slowOrigin()
        try await withFetcher { fetcher in
            let gate = Locked(false)
            let task = Task { () -> FetchErrorKind? in
                _ = try await eventually { gate.value || Task.isCancelled }
                do {
                    _ = try await fetcher.get(origin.url("/quick"))
                    return nil
                } catch let error as FetchError {
                    return error.kind
                }
            }
            task.cancel()
            gate.set(true)
            let kind = await task.result
            // The wait for the gate may itself end by the cancellation.
            if case .success(let kind) = kind { #expect(kind == .cancelled) }
            #expect(origin.requests.isEmpty)
        }
    }

    @Test("A cancelled fetch closes its connection at once")
    func cancelledConnectionIsClosed() async throws {
        let origin = try slowOrigin()
        try await withFetcher { fetcher in
            let task = Task { try await fetcher.failure(origin.url("/hold")) }
            #expect(try await eventually { origin.requests.count == 1 })
            task.cancel()
            let error = try await task.value
            #expect(error?.kind == .cancelled)
            #expect(try await eventually(withinMs: 2_000) { origin.counts.open == 0 })
            #expect(origin.counts.abandoned == 1)
        }
    }

    @Test("While connecting, in the handshake and in the queue for a connection, too")
    func cancelledInEveryPhase() async throws {
        let backlog = try FullBacklogPort()
        let silent = try ScriptedOrigin(onConnect: { _ in [.hold] }, answer: { _ in [.hold] })
        let origin = try slowOrigin()
        try await withFetcher { configuration in
            configuration.poolPerHost = 1
        } _: { fetcher in
            // The only connection to this origin is taken, so a second fetch waits.
            let holder = Task { try await fetcher.failure(origin.url("/hold")) }
            #expect(try await eventually { origin.requests.count == 1 })
            for url in [
                "http://127.0.0.1:\(backlog.port)/", "https://127.0.0.1:\(silent.port)/",
                origin.url("/quick"),
            ] {
                let task = Task { try await fetcher.failure(url) }
                // tidy: allow sleep because nothing can be seen from outside of a fetch that waits.
                try await Task.sleep(nanoseconds: 30_000_000)
                let took = try await elapsedMs {
                    task.cancel()
                    let error = try await task.value
                    #expect(error?.kind == .cancelled, "\(url)")
                }
                #expect(took < 10_000, "\(url)")
            }
            holder.cancel()
            _ = try await holder.value
            let after = try await fetcher.get(origin.url("/quick"))
            #expect(after.body.count == 400)
        }
    }

    @Test("A shutdown ends what runs, what waits and what comes later")
    func shutdownUnderWay() async throws {
        let origin = try slowOrigin()
        var configuration = FetchConfiguration()
        configuration.addressPolicy = .any
        configuration.poolPerHost = 10
        let fetcher = try Fetcher(configuration, loops: 2)
        let tasks = (0..<50).map { _ in Task { try await fetcher.failure(origin.url("/hold")) } }
        #expect(try await eventually { origin.requests.count >= 10 })
        let took = await elapsedMs { await fetcher.shutdown() }
        #expect(took < 14_000)
        for task in tasks {
            let error = try await task.value
            #expect(error?.kind == .cancelled || error?.code == "CLOSED", "\(String(describing: error))")
        }
        let late = try await fetcher.failure(origin.url("/quick"))
        #expect(late?.code == "CLOSED")
        await fetcher.shutdown()
        #expect(try connectionCount(toPort: origin.port) == 0)
    }

    @Test("A shutdown waits for a response that is held")
    func shutdownWithHeldResponse() async throws {
        let origin = try slowOrigin()
        let fetcher = try Fetcher(anyAddress())
        let mayRelease = Locked(false)
        let hasResponse = Locked(false)
        let holder = Task {
            let response = try await fetcher.fetch(FetchRequest(try WebURL(origin.url("/quick"))))
            hasResponse.set(true)
            _ = try await eventually { mayRelease.value }
            // The bytes are still there, though the fetcher is being shut down.
            return Fetched(response).body.count
        }
        #expect(try await eventually { hasResponse.value })
        let isDown = Locked(false)
        let shutdown = Task {
            await fetcher.shutdown()
            isDown.set(true)
        }
        #expect(try await !eventually(withinMs: 100) { isDown.value })
        mayRelease.set(true)
        #expect(try await holder.value == 400)
        await shutdown.value
    }

    @Test("Fetchers leave no descriptor and no thread behind, in a process of their own")
    func nothingIsLeft() async throws {
        await #expect(processExitsWith: .success) {
            let origin = try ScriptedOrigin { request in
                request.target == "/hold" ? [.hold] : .html("ok")
            }
            func once() async throws {
                let fetcher = try Fetcher(anyAddress(), loops: 2)
                let held = Task { try await fetcher.failure(origin.url("/hold")) }
                for _ in 0..<20 { _ = try await fetcher.get(origin.url("/")) }
                held.cancel()
                _ = try await held.value
                await fetcher.shutdown()
            }
            // The first time opens what stays for good: the process's own pools and stores.
            try await once()
            let before = try await settled(whatAFetcherOpens)
            for _ in 0..<5 { try await once() }
            let isClean = try await eventually { try whatAFetcherOpens().count <= before.count }
            guard isClean else {
                print("before: \(before)\nafter: \(try whatAFetcherOpens())\nthreads: \(try threadNames())")
                fflush(nil)
                exit(1)
            }
        }
    }
}

/// A configuration that may reach loopback.
func anyAddress() -> FetchConfiguration {
    var configuration = FetchConfiguration()
    configuration.addressPolicy = .any
    return configuration
}

/// Rings, sockets, events and loop threads of this process. Other descriptors and threads belong to the
/// libraries below, which may open more of them at any time.
@Sendable private func whatAFetcherOpens() throws -> [String] {
    try openFiles().filter { $0.contains("io_uring") || $0.hasPrefix("socket:") || $0.contains("eventfd") }
        + threadNames().filter { $0.hasPrefix("mocra-loop") }
}

/// A list once it has stopped shrinking: what was closed a moment ago may take the system a moment to drop.
private func settled(_ list: @Sendable () throws -> [String]) async throws -> [String] {
    let shortest = Locked(try list())
    // Half a second without a shorter list ends the wait.
    while try await eventually(
        withinMs: 500,
        {
            let now = try list()
            let isShorter = now.count < shortest.value.count
            if isShorter { shortest.set(now) }
            return isShorter
        })
    {}
    return shortest.value
}
