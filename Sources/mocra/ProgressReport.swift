// Progress while a crawl runs: a live line on a terminal, plain lines every few seconds elsewhere.
internal import MocraEngine

/// Shows progress until it is ended.
final class ProgressReport: Sendable {
    private let task: Task<Void, Never>
    private let isLive: Bool

    init(_ engine: Engine, isLive: Bool) {
        self.isLive = isLive
        task = Task {
            var previous: RunProgress?
            while !Task.isCancelled {
                do {
                    // The interval of the display, not a wait for anything.
                    try await Task.sleep(for: .milliseconds(isLive ? 200 : 5_000))
                } catch {
                    return
                }
                let progress = await engine.progress()
                if isLive {
                    let line = ProgressLine.terminal(
                        progress, previous: previous, columns: Terminal.columns - 1)
                    Terminal.showLive(line)
                } else {
                    Terminal.printError(ProgressLine.plain(progress, previous: previous))
                }
                previous = progress
            }
        }
    }

    func end() async {
        task.cancel()
        await task.value
        if isLive { Terminal.clearLive() }
    }
}
