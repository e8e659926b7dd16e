// Much at once: connections, loops, fetchers, bytes, and the batch interface.
import Glibc
import MocraFastPath
import Synchronization
import TestSupport
import Testing

@Suite("Fetches in numbers", .needsRing, .serialized, .timeLimit(.minutes(10)))
struct FetchLoadTests {
    @Test("1,000 fetches are under way at once on one loop")
    func thousandAtOnce() async throws {
        // Nobody gets an answer before all have asked.
        let origin = try ScriptedOrigin { request in [.awaitRequests(1_000)] + .html(request.target) }
        try await withFetcher { configuration in
            configuration.poolPerHost = 1_000
            configuration.poolSize = 1_000
            configuration.firstByteTimeoutMs = 60_000
            configuration.timeoutMs = 60_000
        } _: { fetcher in
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<1_000 {
                    group.addTask { try await fetcher.get(origin.url("/\(number)")).text }
                }
                var texts: Set<String> = []
                for try await text in group { texts.insert(text) }
                #expect(texts.count == 1_000)
            }
        }
        #expect(origin.counts.openMax == 1_000)
    }

    @Test("2,000 fetches from nginx through two loops, 100 at a time")
    func manyThroughLoops() async throws {
        let directory = try TemporaryDirectory()
        let files = 20
        for number in 0..<files {
            try directory.write("\(number).html", String(repeating: "\(number) ", count: number * 200))
        }
        let nginx = try await onThread { try NginxServer([NginxSite(.folder(directory.path), gzip: true)]) }
        try await withFetcher(loops: 2) { configuration in
            configuration.poolPerHost = 50
            configuration.maxDecompressionRatio = 1_000
        } _: { fetcher in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<100 {
                    // Half of the workers live on a loop, half come from outside.
                    let loop = fetcher.loops[worker % 2]
                    group.addTask(executorPreference: worker < 50 ? loop.taskExecutor : nil) {
                        for step in 0..<20 {
                            let number = (worker + step) % files
                            let fetched = try await fetcher.get(nginx.url() + "/\(number).html")
                            #expect(fetched.status == 200)
                            #expect(fetched.text == String(repeating: "\(number) ", count: number * 200))
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
        #expect(try await settled(2_000) { try nginx.accessLog() }.count == 2_000)
    }

    @Test("Two fetchers live beside each other")
    func twoFetchers() async throws {
        let origin = try ScriptedOrigin { .html($0.header("user-agent") ?? "") }
        try await withFetcher { configuration in
            configuration.userAgent = "first"
        } _: { first in
            try await withFetcher { configuration in
                configuration.userAgent = "second"
            } _: { second in
                for _ in 0..<50 {
                    async let one = first.get(origin.url("/"))
                    async let two = second.get(origin.url("/"))
                    let texts = try await [one.text, two.text]
                    #expect(texts == ["first", "second"])
                }
            }
            // The first one lives on when the second one is gone.
            let fetched = try await first.get(origin.url("/"))
            #expect(fetched.text == "first")
        }
    }

    @Test("50 MB come whole under a raised limit", arguments: [false, true])
    func largeBody(isChunked: Bool) async throws {
        let length = 50_000_000
        // A pattern whose period fits no buffer's length.
        let pattern = (0..<10_007).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8) }
        let chunk =
            Array("186a0\r\n".utf8) + (0..<100_000).map { pattern[$0 % pattern.count] } + Array("\r\n".utf8)
        let script: Script =
            isChunked
            ? [
                .send(Script.head(200, [("Transfer-Encoding", "chunked")])),
                .sendRepeatedly(chunk, bytesMax: chunk.count * (length / 100_000)), .text("0\r\n\r\n"),
            ]
            : [
                .send(Script.head(200, [("Content-Length", "\(length)")])),
                .sendRepeatedly(pattern, bytesMax: length),
            ]
        let origin = try ScriptedOrigin(["/": script])
        try await withFetcher { configuration in
            configuration.maxResponseSizeBytes = 64 << 20
            configuration.timeoutMs = 60_000
        } _: { fetcher in
            let response = try await fetcher.fetch(FetchRequest(try WebURL(origin.url("/"))))
            #expect(response.bodyBytes == length && !response.isTruncated)
            let wrong = response.withBody { bytes in
                unsafe bytes.withUnsafeBytes {
                    unsafe firstDifference($0, pattern, isChunked ? 100_000 : length)
                }
            }
            #expect(wrong == nil)
        }
    }

    @Test("A batch gives every tag once, whatever comes of it")
    func batch() async throws {
        let refused = try RefusedPort()
        let origin = try ScriptedOrigin { request in
            request.target == "/reset" ? [.reset] : .html("0123456789")
        }
        try await withFetcher { configuration in
            configuration.poolPerHost = 16
        } _: { fetcher in
            let loop = fetcher.loops[0]
            let urls = [origin.url("/"), origin.url("/reset"), "http://127.0.0.1:\(refused.port)/"]
            let prepared = try urls.map { try loop.prepare(FetchRequest(try WebURL($0))) }
            let seen = PlainLock<[UInt32: String]>([:])
            let submitted = Atomic<UInt32>(0)
            await loop.runBatch { batch in
                while let completion = batch.next() {
                    var completion = completion
                    let tag = completion.tag
                    var outcome = completion.error?.kind.rawValue ?? "status \(completion.status)"
                    if let response = completion.takeResponse(), response.bodyBytes != 10 { outcome = "body" }
                    seen.withLock { seen in
                        #expect(seen[tag] == nil, "tag \(tag) came twice")
                        seen[tag] = outcome
                    }
                }
                while batch.inFlight < 32, submitted.load(ordering: .relaxed) < 1_500 {
                    let tag = submitted.load(ordering: .relaxed)
                    submitted.store(tag + 1, ordering: .relaxed)
                    do throws(FetchError) {
                        try batch.submit(prepared[Int(tag) % 3], tag: tag)
                    } catch {
                        Issue.record("\(error)")
                        return
                    }
                }
            }
            let outcomes = seen.withLock { $0 }
            #expect(outcomes.count == 1_500)
            for (tag, outcome) in outcomes {
                #expect(outcome == ["status 200", "reset", "connect"][Int(tag) % 3], "\(tag)")
            }
        }
    }

    @Test("Timers and posted work run on the loop, in order")
    func loopWork() async throws {
        try await withFetcher { fetcher in
            let loop = fetcher.loops[0]
            #expect(!loop.isCurrent)
            let order = Locked<[Int]>([])
            for number in 0..<1_000 {
                loop.post { order.update { $0.append(loop.isCurrent ? number : -1) } }
            }
            let isDone = try await eventually { order.value.count == 1_000 }
            #expect(isDone)
            #expect(order.value == Array(0..<1_000))

            let start = LoopInstant.now()
            let fired = Locked<[Int]>([])
            loop.post {
                for ms in [30, 10, 20] {
                    _ = loop.schedule(at: start.advanced(byMs: ms)) {
                        let isEarly = LoopInstant.now() < start.advanced(byMs: ms)
                        fired.update { $0.append(isEarly ? -1 : ms) }
                    }
                }
                let never = loop.schedule(at: start.advanced(byMs: 15)) { fired.update { $0.append(15) } }
                loop.cancel(never)
            }
            let haveFired = try await eventually { fired.value.count >= 3 }
            #expect(haveFired)
            #expect(fired.value == [10, 20, 30])
        }
    }
}

/// Where bytes stop being the pattern, which starts again after each `run` bytes. Compares whole patterns at
/// a time, since a loop over 50 million bytes takes seconds without optimization.
private func firstDifference(_ bytes: UnsafeRawBufferPointer, _ pattern: [UInt8], _ run: Int) -> Int? {
    var at = 0
    while at < bytes.count {
        let inRun = at % run
        let length = min(pattern.count - inRun % pattern.count, run - inRun, bytes.count - at)
        let isEqual = unsafe pattern.withUnsafeBytes { wanted in
            unsafe memcmp(bytes.baseAddress! + at, wanted.baseAddress! + inRun % pattern.count, length) == 0
        }
        guard isEqual else { return at }
        at += length
    }
    return nil
}
