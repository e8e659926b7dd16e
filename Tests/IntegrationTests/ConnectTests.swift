// How connections come to be, seen from outside: names with several addresses, proxies under the address
// policy, and a process that has too few descriptors.
import Foundation
import Glibc
import TestSupport
import Testing

/// Runs mocra where other names stand in /etc/hosts: in a mount namespace of its own.
private enum OtherHosts {
    static let isAvailable: Bool = {
        do {
            return try RunningProcess("/usr/bin/unshare", ["--mount", "--map-root-user", "/bin/true"])
                .wait(withinMs: 10_000) == .exited(0)
        } catch {
            return false
        }
    }()

    static func run(_ hosts: String, _ arguments: [String]) async throws -> ProcessResult {
        let directory = try TemporaryDirectory()
        let path = try directory.write("hosts", hosts)
        return try await TestSupport.run(
            "/usr/bin/unshare",
            [
                "--mount", "--map-root-user", "/bin/sh", "-c",
                "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"", "sh", path,
                try Mocra.binary(),
            ] + arguments)
    }
}

@Suite(
    "Names with several addresses", .sharesMachine, .enabled(if: OtherHosts.isAvailable, "no namespaces here")
)
struct SeveralAddressesTests {
    /// Microseconds of a phase, from `--show timing`.
    private func phase(_ name: String, _ result: ProcessResult) -> Int? {
        let line = result.standardOutput.split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { Int($0.split(separator: " ").dropLast().last ?? "") }
    }

    @Test("the next address is tried while one that swallows packets is under way")
    func blackhole() async throws {
        let full = try FullBacklogPort()
        let good = try ScriptedOrigin(address: "127.0.0.2", port: full.port) { _ in .html("here") }
        let result = try await OtherHosts.run(
            "127.0.0.1 two.test\n127.0.0.2 two.test\n",
            [
                "fetch", "http://two.test:\(full.port)/", "--allow-private", "--show", "body", "--show",
                "timing",
            ])
        expectEnded(result, ExitCode.done)
        #expect(result.standardOutput.hasPrefix("here"))
        let connect = try #require(phase("connect", result))
        // The second attempt begins after 250 ms; the connect time-out would be 5 s.
        #expect(connect >= 250_000 && connect < 4_500_000)
        #expect(good.requests.count == 1)
    }

    @Test("one that refuses costs no time, and all together have one time-out")
    func refusedAndSilent() async throws {
        let full = try FullBacklogPort()
        let good = try ScriptedOrigin(address: "127.0.0.9", port: full.port) { _ in .html("here") }
        let refused = (2...8).map { "127.0.0.\($0) many.test\n" }.joined()
        let result = try await OtherHosts.run(
            refused + "127.0.0.9 many.test\n",
            ["fetch", "http://many.test:\(full.port)/", "--allow-private"])
        expectEnded(result, ExitCode.done)
        #expect(result.standardOutput == "here" && good.requests.count == 1)
        let silent = try await OtherHosts.run(
            "127.0.0.1 none.test\n127.0.0.2 none.test\n127.0.0.1 none.test\n",
            ["fetch", "http://none.test:\(full.port)/", "--allow-private"])
        expectEnded(silent, ExitCode.failed)
        #expect(silent.durationMs >= 5_000 && silent.durationMs < 9_500)
        #expect(silent.standardError.contains("timeout_connect"))
    }

    @Test("only addresses that the policy allows are connected to")
    func policy() async throws {
        let origin = try ScriptedOrigin { _ in .html("secret") }
        let result = try await OtherHosts.run(
            "127.0.0.1 inside.test\n::1 inside.test\n", ["fetch", "http://inside.test:\(origin.port)/"])
        expectEnded(result, ExitCode.failed)
        #expect(result.standardError.contains("blocked") && result.standardError.contains("127.0.0.1"))
        #expect(origin.counts.accepted == 0)
    }

    @Test("a proxy is given an address that was checked, not the name")
    func checkedForProxy() async throws {
        let proxy = try ScriptedOrigin { request in
            request.method == "CONNECT" ? [.text("HTTP/1.1 200 OK\r\n\r\n")] : .html("through")
        }
        let place = "127.0.0.1:\(proxy.port)"
        let mixed = try await OtherHosts.run(
            "10.1.2.3 mixed.test\n8.8.4.4 mixed.test\n", ["fetch", "http://mixed.test/", "--proxy", place])
        expectEnded(mixed, ExitCode.done)
        #expect(mixed.standardOutput == "through")
        #expect(proxy.requests.map(\.target) == ["8.8.4.4:80", "/"])
        #expect(proxy.requests.last?.header("host") == "mixed.test")
        let inside = try await OtherHosts.run(
            "10.1.2.3 inside.test\n", ["fetch", "http://inside.test/", "--proxy", place])
        expectEnded(inside, ExitCode.failed)
        #expect(inside.standardError.contains("10.1.2.3") && proxy.counts.accepted == 1)
    }
}

@Suite("Few descriptors", .sharesMachine)
struct FewDescriptorsTests {
    @Test("fetches wait for one instead of failing")
    func crawl() async throws {
        // Forty hosts that answer slowly, so that there are more fetches than descriptors.
        let hosts = (1...40).map { "127.0.1.\($0)" }
        let origins = try hosts.map { host in
            try ScriptedOrigin(address: host) { request in
                [.pause(ms: 20)] + .html(request.target == "/robots.txt" ? "" : "<title>\(host)</title>")
            }
        }
        let result = try await TestSupport.run(
            "/usr/bin/prlimit",
            ["--nofile=32:32", try Mocra.binary(), "crawl"] + origins.map { $0.url() } + [
                "--allow-private", "--delay", "0", "--robots", "ignore", "--concurrency", "4", "--loops", "2",
                "--quiet", "-o", "-",
            ])
        expectEnded(result, ExitCode.done)
        let lines = result.standardOutput.split(separator: "\n")
        #expect(lines.count == hosts.count && lines.allSatisfy { $0.contains("\"status\":200") })
        #expect(origins.allSatisfy { $0.requests.count == 1 })
    }
}

@Suite("mocra fetch --proxy", .sharesMachine)
struct FetchProxyOptionTests {
    @Test("goes through it, or through the environment's")
    func option() async throws {
        let proxy = try ScriptedOrigin { .html("proxied \($0.target)") }
        let place = "127.0.0.1:\(proxy.port)"
        let given = try await Mocra.run(["fetch", "http://8.8.4.4/x", "--proxy", place])
        expectEnded(given, ExitCode.done)
        #expect(given.standardOutput == "proxied http://8.8.4.4/x")
        let environment: [String: String?] = ["http_proxy": place, "no_proxy": "127.0.0.0/8"]
        let found = try await Mocra.run(["fetch", "http://8.8.4.4/y"], environment: environment)
        #expect(found.standardOutput == "proxied http://8.8.4.4/y")
        let origin = try ScriptedOrigin { _ in .html("direct") }
        let excepted = try await Mocra.run(
            ["fetch", origin.url("/"), "--allow-private"], environment: environment)
        #expect(excepted.standardOutput == "direct")
    }

    @Test("that is wrong is wrong use", arguments: ["https://proxy.test", "socks4://proxy.test", "a b", ""])
    func wrong(proxy: String) async throws {
        let result = try await Mocra.run(["fetch", "http://127.0.0.1/", "--proxy", proxy])
        expectEnded(result, ExitCode.wrongUse)
        #expect(result.standardError.contains("--proxy"))
    }
}
