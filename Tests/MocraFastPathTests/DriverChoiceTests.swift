// Which driver a loop gets: io_uring, and epoll where the kernel or the environment refuses it.
import CRingRefusal
import Glibc
import MocraFastPath
import TestSupport
import Testing

@Suite("The driver of a loop", .timeLimit(.minutes(10)))
struct DriverChoiceTests {
    /// The filter is the process's, so each case has a process of its own.
    @Test("is epoll where a seccomp filter refuses io_uring")
    func refusedBySeccomp() async throws {
        await #expect(processExitsWith: .success) {
            try await DriverChoiceTests.fetchRefused(EPERM, "seccomp profile")
        }
        await #expect(processExitsWith: .success) {
            try await DriverChoiceTests.fetchRefused(ENOSYS, "Linux 5.15")
        }
    }

    @Test("is epoll where the environment says so")
    func disabled() async throws {
        await #expect(processExitsWith: .success) {
            unsafe setenv("MOCRA_RING_DISABLE", "multishot,all", 1)
            try await DriverChoiceTests.fetch(reason: "MOCRA_RING_DISABLE")
        }
    }

    static func fetchRefused(_ error: Int32, _ reason: String) async throws {
        unsafe unsetenv("MOCRA_RING_DISABLE")
        try #require(mocra_refuse_ring(error) == 0)
        try await fetch(reason: reason)
    }

    /// Fetches work, and the statistics say which driver made them and why.
    static func fetch(reason: String) async throws {
        let large = String(repeating: "0123456789abcdef", count: 40_000)
        let origin = try ScriptedOrigin { request in
            request.target == "/large" ? .html(large) : .html("small")
        }
        try await withFetcher { fetcher in
            let statistics = try #require(await fetcher.loops[0].statistics())
            try #require(statistics.driver == .epoll)
            try #require(statistics.driverReason?.contains(reason) == true)
            try #require(!statistics.usesMultishotReceive && !statistics.usesDeferredTaskRun)
            for _ in 0..<3 {
                try #require(try await fetcher.get(origin.url("/small")).text == "small")
                try #require(try await fetcher.get(origin.url("/large")).text == large)
            }
        }
    }
}
