// What a loop says of itself and of its fetches: notices, statistics, the end of batches, kernels that can
// less.
import Foundation
import Glibc
import MocraFastPath
import TestSupport
import Testing

@Suite("A ring loop", .needsRing)
struct FetchLoopTests {
    @Test("says when a request has left, before its answer, and says nothing of one that never does")
    func requestedIsTold() async throws {
        let origin = try ScriptedOrigin { request in
            request.target == "/hold" ? [.hold] : .html("ok")
        }
        try await withFetcher { fetcher in
            let loop = fetcher.loops[0]
            let told = Locked(0)
            // The second one goes over the connection of the first.
            for count in 1...2 {
                let request = FetchRequest(try WebURL(origin.url("/")))
                let response = try await loop.fetch(request) { told.set(told.value + 1) }
                #expect(response.status == 200)
                #expect(told.value == count)
            }
            let held = FetchRequest(try WebURL(origin.url("/hold")))
            let task = Task { try await loop.fetch(held) { told.set(told.value + 1) }.status }
            #expect(try await eventually { told.value == 3 })
            task.cancel()
            await #expect(throws: FetchError.self) { try await task.value }
            let refused = try RefusedPort()
            let nobody = FetchRequest(try WebURL("http://127.0.0.1:\(refused.port)/"))
            await #expect(throws: FetchError.self) {
                try await loop.fetch(nobody) { told.set(told.value + 1) }.status
            }
            #expect(told.value == 3)
        }
    }

    @Test("holds nothing after a storm of fetches that end in every way")
    func nothingIsHeld() async throws {
        let origin = try ScriptedOrigin { request in
            switch request.target {
            case "/hold": [.hold]
            case "/reset": [.reset]
            case "/short": .truncated("short", promised: 5_000)
            default: .html(String(repeating: "x", count: 3_000))
            }
        }
        let few = { (configuration: inout FetchConfiguration) in
            configuration.poolPerHost = 16
            configuration.receiveBuffers = 8
        }
        try await withFetcher(few) { fetcher in
            await withTaskGroup(of: Void.self) { group in
                for index in 0..<400 {
                    let path = ["/", "/reset", "/short", "/hold"][index % 4]
                    group.addTask {
                        // How each of them ends is other tests' matter.
                        _ = try? await fetcher.get(origin.url(path), timeoutMs: 300)
                    }
                }
            }
            let statistics = try #require(await fetcher.loops[0].statistics())
            #expect(statistics.fetches == 0)
            #expect(statistics.buffersLeased == 0)
            #expect(statistics.buffersTotal == 8)
        }
    }

    @Test("ends a batch at a shutdown, whatever its fetches wait for")
    func shutdownEndsBatch() async throws {
        let origin = try ScriptedOrigin { _ in [.hold] }
        let fetcher = try Fetcher(anyAddress())
        let loop = fetcher.loops[0]
        let prepared = try loop.prepare(FetchRequest(try WebURL(origin.url("/"))))
        let isFirst = Locked(true)
        let kinds = Locked<[String]>([])
        let batch = Task {
            await loop.runBatch { batch in
                if isFirst.value {
                    isFirst.set(false)
                    for tag in 0..<4 as Range<UInt32> {
                        do throws(FetchError) {
                            try batch.submit(prepared, tag: tag)
                        } catch {
                            kinds.set(kinds.value + ["not submitted"])
                        }
                    }
                }
                while let done = batch.next() {
                    kinds.set(kinds.value + [done.error?.kind.rawValue ?? "none"])
                }
            }
        }
        #expect(try await eventually { origin.requests.count == 4 })
        let ms = await elapsedMs { await fetcher.shutdown() }
        await batch.value
        #expect(kinds.value == Array(repeating: "cancelled", count: 4))
        #expect(ms < 14_000)
        #expect(await loop.statistics() == nil)
    }

    @Test(
        "works without the kernel features that it can do without",
        arguments: ["multishot", "buffer_ring", "defer_taskrun", "all"])
    func olderKernels(disabled: String) async throws {
        // The variable is the process's, so each case has a process of its own.
        switch disabled {
        case "multishot":
            await #expect(processExitsWith: .success) { try await FetchLoopTests.crawlWithout("multishot") }
        case "buffer_ring":
            await #expect(processExitsWith: .success) { try await FetchLoopTests.crawlWithout("buffer_ring") }
        case "defer_taskrun":
            await #expect(processExitsWith: .success) {
                try await FetchLoopTests.crawlWithout("defer_taskrun")
            }
        default:
            await #expect(processExitsWith: .success) { try await FetchLoopTests.crawlWithout("all") }
        }
    }

    /// Small and large bodies, few buffers, many fetches at a time, with a feature switched off.
    static func crawlWithout(_ feature: String) async throws {
        unsafe setenv("MOCRA_RING_DISABLE", feature, 1)
        let large = String(repeating: "0123456789abcdef", count: 40_000)
        let origin = try ScriptedOrigin { request in
            request.target == "/large" ? .html(large) : .html("small")
        }
        let few = { (configuration: inout FetchConfiguration) in
            configuration.receiveBuffers = 4
            configuration.poolPerHost = 8
        }
        try await withFetcher(few) { fetcher in
            let statistics = try #require(await fetcher.loops[0].statistics())
            let isMultishot = feature == "defer_taskrun"
            // A kernel that lacks a feature anyway may do without it here, too.
            try #require(!statistics.usesMultishotReceive || isMultishot)
            try #require(!statistics.usesDeferredTaskRun || (feature != "defer_taskrun" && feature != "all"))
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<60 {
                    group.addTask {
                        try await fetcher.get(origin.url(index % 3 == 0 ? "/large" : "/small")).body.count
                    }
                }
                var bytes = 0
                for try await count in group { bytes += count }
                try #require(bytes == 20 * large.utf8.count + 40 * 5)
            }
        }
    }
}
