// The life of one page from its lease to its end: fetch, verdict, parse, items, links.

import MocraFastPath

extension CrawlLane {
    /// What a page is done with.
    private enum Work {
        case parse
        case handleStatus
    }

    /// Fetches a leased page and does what its answer asks for.
    func crawl(_ id: RequestID) async {
        let entry = frontier.entry(id)
        guard let startedAt = entry.startedAt else {
            preconditionFailure("a page without a start is fetched")
        }
        counters.requests += 1
        inFlight += 1
        let download: Download
        do throws(FetchError) {
            download = try await lane.fetch(
                fetchRequest(entry.payload, isPaced: frontier.isPaced(id)), requested: departure(of: id))
        } catch {
            inFlight -= 1
            let now = LoopInstant.now()
            // How far it got is not known, so the delay counts from here.
            frontier.fetchEnded(id, sentAt: now)
            pump()
            return await failed(id, FetchFailure(error), fetchMs: startedAt.milliseconds(to: now))
        }
        inFlight -= 1
        let now = LoopInstant.now()
        frontier.fetchEnded(id, sentAt: download.timing.requestLeft(before: now))
        pump()
        let fetchMs = startedAt.milliseconds(to: now)
        countHost(entry.host, fetchMs: fetchMs)
        let response = Response(
            download, pending: entry.payload, depth: entry.depth, fetchMs: fetchMs, fetchedAt: .now(),
            extractors: extractors)
        await answered(id, response, at: now)
    }

    /// What the lane is told when the page's request has left; nil where nobody waits for that.
    private func departure(of id: RequestID) -> (@Sendable () -> Void)? {
        guard frontier.isPaced(id) else { return nil }
        return { [weak self] in
            self?.assumeIsolated { lane in
                lane.frontier.requestLeft(id, at: .now())
                lane.pump()
            }
        }
    }

    /// What a page's answer asks for.
    private func answered(_ id: RequestID, _ response: consuming Response, at now: LoopInstant) async {
        var response = response
        let retryAfterMs = Self.retryAfterMs(response.status, response.header("retry-after"))
        if let retryAfterMs {
            // The host asked for it, whether or not this URL is tried again.
            frontier.block(hostOf: response.url, until: now.advanced(byMs: retryAfterMs))
        }
        let verdict = context.answerPolicy.verdict(
            status: response.status, redirectTarget: response.redirectTarget, retryAfterMs: retryAfterMs,
            progress(id), random: random.next())
        switch verdict {
        case .parse:
            // A page that is fetched again for its module's sake was counted.
            if frontier.entry(id).moduleRetries == 0 { count(response) }
            await process(id, response, .parse, redirect: nil)
        case .status:
            count(response)
            if response.parent == nil, response.status >= 400 {
                note(
                    url: response.url.href, kind: "status",
                    "the server answered with status \(response.status)")
            }
            await process(id, response, .handleStatus, redirect: nil)
        case .redirect(let target):
            count(response)
            let next = Redirects.follow(frontier.entry(id).payload, status: response.status, to: target)
            await process(id, response, .handleStatus, redirect: next)
        case .fail(let failure):
            count(response)
            counters.errors[failure.kind, default: 0] += 1
            if response.parent == nil {
                note(url: response.url.href, kind: failure.kind.rawValue, failure.message)
            }
            response.failure = failure
            await process(id, response, .handleStatus, redirect: nil)
        case .retry(let afterMs, let blocksHost):
            retry(id, at: now, afterMs: afterMs, blocksHost: blocksHost)
        case .retryLocally(let afterMs):
            frontier.retry(id, notBefore: now.advanced(byMs: afterMs), after: .machine)
        case .skip(let reason):
            skip(id, reason)
        }
        pump()
    }

    /// What a failed fetch asks for.
    private func failed(_ id: RequestID, _ failure: FetchFailure, fetchMs: Int) async {
        if failure.kind == .cancelled {
            // The run is being broken off: the page stays in the frontier as if it had not been begun.
            return frontier.putBack(id)
        }
        let now = LoopInstant.now()
        switch context.answerPolicy.verdict(failure, progress(id), random: random.next()) {
        case .retry(let afterMs, let blocksHost):
            retry(id, at: now, afterMs: afterMs, blocksHost: blocksHost)
        case .retryLocally(let afterMs):
            frontier.retry(id, notBefore: now.advanced(byMs: afterMs), after: .machine)
        case .fail, .skip, .parse, .status, .redirect:
            await end(id, failure, fetchMs: fetchMs)
        }
        pump()
    }

    private func retry(_ id: RequestID, at now: LoopInstant, afterMs: Int, blocksHost: Bool) {
        let notBefore = now.advanced(byMs: afterMs)
        counters.retries += 1
        if blocksHost { frontier.block(hostOf: frontier.entry(id).url, until: notBefore) }
        frontier.retry(id, notBefore: notBefore)
    }

    /// Refuses a leased page.
    func skip(_ id: RequestID, _ reason: SkipReason) {
        let entry = frontier.entry(id)
        if entry.payload.isStart { note(entry.url, skipped: reason) }
        frontier.refuse(id, reason)
        context.coordinator.removeOutstanding(1)
    }

    // MARK: The module's turn

    /// Lets the node see the response, then delivers what it made of it. The response ends before that, since
    /// its buffers are few and a sink may be slow.
    private func process(
        _ id: RequestID, _ response: consuming Response, _ work: Work, redirect: PendingRequest?
    ) async {
        let pending = frontier.entry(id).payload
        let node = context.modules[pending.moduleIndex].nodes[pending.nodeIndex]
        let parseContext = parseContext(id, at: response.fetchedAt, fetchMs: response.fetchMs)
        let output: NodeOutput
        do {
            output = try await run(node, work, response, parseContext)
        } catch {
            return moduleFailed(id, error)
        }
        await deliver(output, id, redirect: redirect)
    }

    private func run(
        _ node: ErasedNode, _ work: Work, _ response: consuming Response, _ parseContext: ParseContext
    ) async throws -> NodeOutput {
        let body =
            switch work {
            case .parse: node.parse
            case .handleStatus: node.handleStatus
            }
        guard response.bodyBytes < ParserPool.bodyBytesMin else {
            return try await context.parserPool.run(response) { response in
                try await body(response, parseContext)
            }
        }
        return try await body(response, parseContext)
    }

    /// Ends a leased page without an answer; the node hears of it.
    func end(_ id: RequestID, _ failure: FetchFailure, fetchMs: Int) async {
        if failure.kind == .blocked { return skip(id, .blocked) }
        let pending = frontier.entry(id).payload
        counters.errors[failure.kind, default: 0] += 1
        if pending.isStart {
            note(url: pending.request.url.href, kind: failure.kind.rawValue, failure.message)
        }
        let node = context.modules[pending.moduleIndex].nodes[pending.nodeIndex]
        do {
            let output = try await node.handleFailure(
                failure, pending.request, parseContext(id, at: .now(), fetchMs: fetchMs))
            await deliver(output, id, redirect: nil)
        } catch {
            bury(id, error)
        }
        pump()
    }

    /// A module threw: the page is fetched once more, and then given up.
    private func moduleFailed(_ id: RequestID, _ error: any Error) {
        let entry = frontier.entry(id)
        let decision = context.answerPolicy.retryPolicy.decide(
            .parse, retriesSoFar: entry.moduleRetries, requestLimit: entry.payload.request.maxRetries,
            random: random.next())
        guard case .retry(let afterMs) = decision else { return bury(id, error) }
        counters.retries += 1
        frontier.retry(id, notBefore: LoopInstant.now().advanced(byMs: afterMs), after: .module)
    }

    private func bury(_ id: RequestID, _ error: any Error) {
        let pending = frontier.entry(id).payload
        let module = context.modules[pending.moduleIndex]
        counters.errors[.parse, default: 0] += 1
        note(
            url: pending.request.url.href, kind: ErrorKind.parse.rawValue,
            "module \"\(module.name)\", node \"\(module.nodes[pending.nodeIndex].key)\": \(error)")
        frontier.bury(id)
        context.coordinator.removeOutstanding(1)
    }

    /// Items to the sinks, then requests and inputs to their lanes, then the page is done: what a page led to
    /// is counted as outstanding before the page itself is not.
    private func deliver(_ output: NodeOutput, _ id: RequestID, redirect: PendingRequest?) async {
        if !output.items.isEmpty {
            do throws(SinkError) {
                for sink in context.sinks { try await sink.write(output.items) }
            } catch {
                frontier.putBack(id)
                return context.coordinator.end(.failed(.sink(error)))
            }
            counters.items += output.items.count
        }
        let entry = frontier.entry(id)
        let pending = entry.payload
        // Before the links, so that none of them is begun here.
        if output.stopsRun { stopRun() }
        if let redirect { route(redirect, depth: entry.depth) }
        if !output.isFinished {
            route(
                output.requests, module: pending.moduleIndex, node: pending.nodeIndex, depth: entry.depth + 1,
                parent: pending.request.url)
            for dispatch in output.dispatches { start(dispatch, of: entry) }
        }
        frontier.finish(id)
        context.coordinator.removeOutstanding(1)
    }

    private func start(_ dispatch: NodeOutput.Dispatch, of entry: RequestEntry<PendingRequest>) {
        let pending = entry.payload
        let module = context.modules[pending.moduleIndex]
        let index = dispatch.node.map { module.nodeIndex($0) } ?? pending.nodeIndex + 1
        guard let index, index < module.nodes.count else {
            let wanted = dispatch.node.map { "no node \"\($0)\"" } ?? "no node after its last one"
            counters.errors[.generate, default: 0] += 1
            return note(
                url: pending.request.url.href, kind: ErrorKind.generate.rawValue,
                "module \"\(module.name)\" has \(wanted), to which next(…) leads")
        }
        context.coordinator.addOutstanding(1)
        start(
            Generation(
                moduleIndex: pending.moduleIndex, nodeIndex: index, input: dispatch.input,
                depth: entry.depth + 1, parent: pending.request.url))
    }

    // MARK: Helpers

    private func progress(_ id: RequestID) -> AnswerPolicy.Progress {
        let entry = frontier.entry(id)
        return AnswerPolicy.Progress(
            redirects: entry.payload.redirectChain.count, retries: entry.retries,
            localRetries: entry.localRetries, retriesMax: entry.payload.request.maxRetries)
    }

    private func parseContext(_ id: RequestID, at moment: WallClockInstant, fetchMs: Int) -> ParseContext {
        let entry = frontier.entry(id)
        let module = context.modules[entry.payload.moduleIndex]
        return ParseContext(
            run: context.run, module: module.name, node: module.nodes[entry.payload.nodeIndex].key,
            depth: entry.depth, parent: entry.payload.parent, redirectChain: entry.payload.redirectChain,
            at: moment, fetchMs: fetchMs)
    }

    /// The request as the downloader gets it: the module's header fields below the request's own.
    private func fetchRequest(_ pending: PendingRequest, isPaced: Bool) -> FetchRequest {
        let request = pending.request
        let module = context.modules[pending.moduleIndex]
        var headers = request.headers
        for field in module.headers {
            let name = field.name.lowercased()
            if request.headers.contains(where: { $0.name.lowercased() == name }) { continue }
            if Redirects.isBoundToOrigin(name),
                !context.coordinator.isStartOrigin(request.url.origin, module: pending.moduleIndex)
            {
                continue
            }
            headers.append(field)
        }
        var fetch = FetchRequest(request.url, method: request.method, headers: headers, body: request.body)
        fetch.timeoutMs = request.timeoutMs ?? module.timeoutMs
        // A request that is sent twice in a row would come without the host's delay; the frontier tries
        // again.
        fetch.resendsOverFreshConnection = !isPaced
        return fetch
    }

    /// Retry-After counts with 429 and 503 alone.
    static func retryAfterMs(_ status: Int, _ field: String?) -> Int? {
        guard status == 429 || status == 503, let field else { return nil }
        return RetryAfter.waitMs(field, now: .now())
    }
}
