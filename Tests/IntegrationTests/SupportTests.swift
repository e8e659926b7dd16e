// The helpers of the tests themselves: what they promise, other tests build on.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Test support", .sharesMachine)
struct SupportTests {
    @Test("A process gets its input and environment, and gives back output, errors and its code")
    func processes() async throws {
        let result = try await run(
            "/bin/sh", ["-c", "cat; echo \"$PROBE\" >&2; exit 7"], environment: ["PROBE": "value"],
            input: .text("text"))
        #expect(result.ending == .exited(7))
        #expect(result.standardOutput == "text")
        #expect(result.standardError == "value\n")
    }

    @Test("A process that takes too long is killed, and the error says what it wrote")
    func processDeadline() async throws {
        let error = await #expect(throws: TestSupportError.self) {
            try await run("/bin/sh", ["-c", "echo started; exec sleep 100"], withinMs: 200)
        }
        #expect(error?.description.contains("started") == true)
    }

    @Test("A program that is not there is named")
    func missingProgram() throws {
        let error = #expect(throws: TestSupportError.self) { try RunningProcess("/nonexistent/program") }
        #expect(error?.description.contains("/nonexistent/program") == true)
    }

    @Test("A process that ignores TERM is killed; one that is let go of ends")
    func termination() async throws {
        let stubborn = try RunningProcess(
            "/bin/sh", ["-c", "trap '' TERM; echo ready; while :; do read x; done"])
        #expect(try await eventually { stubborn.standardOutput == "ready\n" })
        #expect(try await onThread { stubborn.terminate(graceMs: 100) } == .signalled(SIGKILL))

        var forgotten: RunningProcess? = try RunningProcess("/bin/sleep", ["100"])
        let pid = try #require(forgotten?.pid)
        #expect(Glibc.kill(pid, 0) == 0)
        forgotten = nil
        #expect(Glibc.kill(pid, 0) == -1)
    }

    @Test("A process inherits no descriptor, blocks no signal and dies of SIGPIPE like any other")
    func processSurroundings() async throws {
        let held = try RefusedPort()
        let result = try await run("/bin/ls", ["/proc/self/fd"])
        #expect(result.standardOutput.split(separator: "\n").count == 4, "0, 1, 2 and the listing itself")
        withExtendedLifetime(held) {}
        let status = try await run("/bin/grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        for line in status.standardOutput.split(separator: "\n") {
            let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
            // 32 and 33 belong to the C library itself.
            #expect(mask.map { $0 & 0x7fff_ffff } == 0, "\(line)")
        }
    }

    @Test("Ports are given once; a refused one refuses, a full one hangs")
    func ports() async throws {
        let ports = try (0..<50).map { _ in try FreePort.next() }
        #expect(Set(ports).count == 50)
        let refused = try RefusedPort()
        let full = try FullBacklogPort()
        let connect = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 0.3)"
        let first = try await run("/usr/bin/python3", ["-I", "-c", connect, "\(refused.port)"])
        #expect(first.standardError.contains("ConnectionRefusedError"))
        let second = try await run("/usr/bin/python3", ["-I", "-c", connect, "\(full.port)"])
        #expect(second.standardError.contains("timed out"))
    }

    @Test("An origin keeps to its script, records requests with their arrival, and stops")
    func scriptedOrigin() async throws {
        let origin = try ScriptedOrigin([
            "/page": .html("text"),
            "/slow": .dripping(
                Script.head(200, [("Content-Length", "9")]) + Array("dripping!".utf8), pieceBytes: 5,
                pauseMs: 5),
        ])
        let program = """
            import http.client, sys
            c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
            for method, path in (("GET", "/page"), ("POST", "/slow"), ("GET", "/none")):
                c.request(method, path, body=b"sent" if method == "POST" else None)
                r = c.getresponse()
                print(r.status, r.read().decode())
            """
        let before = Date().timeIntervalSince1970 * 1e9
        let result = try await run("/usr/bin/python3", ["-I", "-c", program, "\(origin.port)"])
        #expect(
            result.standardOutput == "200 text\n200 dripping!\n404 no script for /none\n",
            "\(result.standardError)")
        let requests = origin.requests
        #expect(requests.map(\.target) == ["/page", "/slow", "/none"])
        #expect(requests.map(\.indexOnConnection) == [0, 1, 2])
        #expect(requests[1].body == Array("sent".utf8))
        #expect(requests.allSatisfy { Double($0.arrivedAtNanoseconds) >= before })
        #expect(try await eventually { origin.counts.open == 0 })
        let counts = origin.counts
        #expect(counts.accepted == 1 && counts.openMax == 1 && counts.abandoned == 0, "\(counts)")
        origin.stop()
        origin.stop()
        let late = try await run("/usr/bin/python3", ["-I", "-c", program, "\(origin.port)"])
        #expect(late.standardError.contains("ConnectionRefusedError"))
    }

    @Test("nginx serves, logs and ends")
    func nginxServes() async throws {
        let directory = try TemporaryDirectory()
        try directory.write("page.html", "a page")
        let (server, caPath) = try await onThread {
            let certificates = try TestCertificates.shared()
            let sites = [
                NginxSite(.folder(directory.path)),
                NginxSite(.folder(directory.path), certificate: try certificates.certificate()),
            ]
            return (try NginxServer(sites), certificates.caPath)
        }
        let program = """
            import ssl, sys, urllib.request as r
            context = ssl.create_default_context(cafile=sys.argv[1])
            for url in sys.argv[2:]:
                request = r.Request(url, headers={"User-Agent": 'a "b" \\\\ c'})
                print(r.urlopen(request, context=context).read())
            """
        let urls = [server.url(0) + "/page.html?x=1", server.url(1) + "/page.html"]
        let result = try await run("/usr/bin/python3", ["-I", "-c", program, caPath] + urls)
        #expect(result.standardOutput == "b'a page'\nb'a page'\n", "\(result.standardError)")
        let log = try server.accessLog()
        #expect(log.map(\.target) == ["/page.html?x=1", "/page.html"])
        #expect(log.map(\.port) == server.ports.map(Int.init))
        #expect(log.allSatisfy { $0.status == 200 && $0.userAgent == "a \"b\" \\ c" })
        try await onThread { server.stop() }
        #expect(try await run("/usr/bin/python3", ["-I", "-c", program, caPath] + urls).exitCode == 1)
    }

    @Test("A folder goes away with its owner")
    func temporaryDirectories() throws {
        var directory: TemporaryDirectory? = try TemporaryDirectory()
        let path = try #require(directory?.path)
        try directory?.write("file", "text")
        #expect(FileManager.default.fileExists(atPath: path))
        directory = nil
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}
