// A crawl over every hostile answer of TestSupport's table: an item each, everything else goes on, and the
// process holds no more descriptors afterwards than before.
import Foundation
import Glibc
import TestSupport
import Testing

@Suite("A crawl of hostile origins", .sharesMachine)
struct HostileCrawlTests {
    /// One origin with a page that links to every behaviour, and a slow one that keeps the crawl going until
    /// it is let go.
    private final class Origins: Sendable {
        let behaviours: [HostileBehaviour]
        let hostile: ScriptedOrigin
        let slow: ScriptedOrigin
        let isReleased = Locked(false)

        init() throws {
            // What needs a port of its own, another method or a short deadline is not for a page of links.
            // Nor is an answer that nobody asked for: on one origin it may be taken for the next one's.
            let usable = HostileTables.all.filter { behaviour in
                !behaviour.isSecure && !behaviour.isTimed && behaviour.start == nil
                    && behaviour.method == "GET" && behaviour.totalMs == nil && !behaviour.poisonsNext
            }
            // Resets are tried again, each time later: a few of them are enough.
            let resets = usable.filter { $0.isReset }
            let behaviours = usable.filter { !$0.isReset } + resets.prefix(1) + resets.suffix(2)
            self.behaviours = behaviours
            let links = behaviours.indices.map { "<a href=\"/b/\($0)\">\($0)</a>\n" }.joined()
            hostile = try ScriptedOrigin { request in
                if let index = Int(request.target.dropFirst(3)), request.target.hasPrefix("/b/") {
                    return behaviours[index].answer
                }
                return request.target == "/" ? .html(links) : .html("", status: 404)
            }
            slow = try ScriptedOrigin(address: "127.0.0.3") { [isReleased] request in
                guard request.target != "/robots.txt" else { return .html("", status: 404) }
                let next = isReleased.value ? "" : "<a href=\"/\(request.index)\">next</a>"
                return [.pause(ms: 100)] + .html(next)
            }
        }
    }

    @Test("gives an item each, and leaves no descriptor behind")
    func itemsAndDescriptors() async throws {
        let origins = try await onThread { try Origins() }
        let directory = try TemporaryDirectory()
        let file = directory.file("items.jsonl")
        let crawl = try Mocra.start([
            "crawl", origins.hostile.url(), origins.slow.url(), "-o", file, "--allow-private", "--delay", "0",
            "--concurrency", "8", "--loops", "1", "--quiet",
        ])
        #expect(try await eventually { origins.slow.requests.count >= 2 })
        let before = try descriptorCount(of: crawl.pid)
        let areAsked = try await eventually(withinMs: 120_000) {
            Set(origins.hostile.requests.map(\.target)).count >= origins.behaviours.count + 2
        }
        #expect(areAsked, "\(crawl.standardError)")
        // Eight at a time, each with a pooled connection at most.
        #expect(try await eventually { try descriptorCount(of: crawl.pid) <= before + 8 })
        #expect(crawl.isRunning)
        origins.isReleased.set(true)
        #expect(try await crawl.ended(withinMs: 60_000) == .exited(ExitCode.done), "\(crawl.standardError)")
        let items = try Mocra.items(try readText(file))
        for (index, behaviour) in origins.behaviours.enumerated() {
            check(items.filter { $0.url == origins.hostile.url("/b/\(index)") }, behaviour)
        }
    }

    private func check(_ items: [CrawlItem], _ behaviour: HostileBehaviour) {
        #expect(items.count == 1, "\(behaviour)")
        guard let item = items.first else { return }
        switch behaviour.outcome {
        case .error("bomb", _):
            // It is cut at the limit when that comes before the ratio.
            #expect(item.error == "bomb" || item.status == 200, "\(behaviour): \(item)")
        case .error(let kind, _):
            #expect(item.error == kind && item.message?.isEmpty == false, "\(behaviour): \(item)")
        case .errorOfKinds(let kinds): #expect(kinds.contains(item.error ?? ""), "\(behaviour): \(item)")
        case .body(let body, _):
            #expect(item.status == 200 && item.bytes == body.utf8.count, "\(behaviour): \(item)")
        case .empty(let status, _): #expect(item.status == status, "\(behaviour): \(item)")
        case .cut: #expect(item.status == 200 && item.error == nil, "\(behaviour): \(item)")
        case .bodyOrError: break
        }
    }
}

extension HostileBehaviour {
    fileprivate var isReset: Bool {
        if case .error("reset", _) = outcome { true } else { false }
    }
}
