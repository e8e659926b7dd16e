// The errand for a robots.txt: fetch, follow, try again, and tell the origin's lane what came of it.

import MocraFastPath

extension CrawlLane {
    /// Fetches what a ticket asks for. It took a place of its host, like a page.
    func fetchRobots(_ ticket: RobotsTicket) async {
        counters.requests += 1
        inFlight += 1
        let machine = OriginRobotsMachine(retryPolicy: context.answerPolicy.retryPolicy)
        let step: OriginRobotsMachine.Step
        var rules = RobotsRules.allowAll
        do throws(FetchError) {
            let download = try await lane.fetch(robotsRequest(ticket.url), requested: nil)
            inFlight -= 1
            frontier.robotsFetchEnded(ticket, sentAt: download.timing.requestLeft(before: .now()))
            let answer = answer(download, ticket.url)
            if case .status(_, _, .some(let waitMs)) = answer {
                frontier.block(hostOf: ticket.url, until: LoopInstant.now().advanced(byMs: waitMs))
            }
            step = machine.step(ticket, answer, random: random.next())
            if step == .readRules { rules = readRules(download) }
        } catch {
            inFlight -= 1
            frontier.robotsFetchEnded(ticket, sentAt: .now())
            // The run is being broken off; the origin's pages stay where they are.
            if error.kind == .cancelled { return }
            step = machine.step(ticket, .failed(FetchFailure(error)), random: random.next())
        }
        perform(step, ticket, rules)
        pump()
    }

    private func robotsRequest(_ url: WebURL) -> FetchRequest {
        var request = FetchRequest(url)
        // As for a page: a second request in a row would come without the host's delay.
        request.resendsOverFreshConnection = context.frontierLimits.delayMs == 0
        return request
    }

    private func perform(_ step: OriginRobotsMachine.Step, _ ticket: RobotsTicket, _ rules: RobotsRules) {
        let home = owner(of: ticket.home)
        switch step {
        case .readRules:
            send(.robotsKnown(.rules(rules), home: ticket.home), to: home)
        case .allowAll:
            send(.robotsKnown(.allowAll, home: ticket.home), to: home)
        case .disallowAll:
            send(.robotsKnown(.disallowAll, home: ticket.home), to: home)
        case .failed(let failure):
            send(.robotsKnown(.failed(failure), home: ticket.home), to: home)
        case .fetch(let next, let afterMs, let blocksHost):
            let notBefore = LoopInstant.now().advanced(byMs: afterMs)
            if next.url == ticket.url { counters.retries += 1 }
            if blocksHost { frontier.block(hostOf: ticket.url, until: notBefore) }
            send(.ticket(next, notBefore: notBefore), to: owner(of: next.url))
        }
    }

    private func answer(_ download: borrowing Download, _ url: WebURL) -> OriginRobotsMachine.Answer {
        var location: WebURL?
        if Redirects.statuses.contains(download.status), let field = download.header("location") {
            location = Redirects.target(of: field, from: url)
        }
        return .status(
            download.status, location: location,
            retryAfterMs: Self.retryAfterMs(download.status, download.header("retry-after")))
    }

    private func readRules(_ download: borrowing Download) -> RobotsRules {
        download.withBody { body in
            unsafe body.withUnsafeBytes { bytes in
                unsafe RobotsRules.parse(
                    bytes.bindMemory(to: UInt8.self).span, productToken: context.productToken)
            }
        }
    }
}
