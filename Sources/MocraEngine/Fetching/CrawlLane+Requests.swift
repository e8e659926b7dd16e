// From what a module asks for to the frontier: generations, links, and their way to the lane of their host.

import MocraFastPath

extension CrawlLane {
    /// Turns an input into requests.
    func generate(_ generation: Generation) async {
        let module = context.modules[generation.moduleIndex]
        let node = module.nodes[generation.nodeIndex]
        do {
            let requests = try await node.generate(
                generation.input,
                GenerateContext(
                    run: context.run, module: module.name, node: node.key, depth: generation.depth))
            if generation.parent == nil, generation.nodeIndex == 0 {
                context.coordinator.addStartOrigins(
                    Set(requests.map(\.url.origin)), module: generation.moduleIndex)
            }
            route(
                requests, module: generation.moduleIndex, node: generation.nodeIndex, depth: generation.depth,
                parent: generation.parent)
        } catch {
            let decision = context.answerPolicy.retryPolicy.decide(
                .generate, retriesSoFar: generation.retries, random: random.next())
            if case .retry(let afterMs) = decision {
                var again = generation
                again.retries += 1
                counters.retries += 1
                return retry(again, afterMs: afterMs)
            }
            counters.errors[.generate, default: 0] += 1
            note(
                url: generation.parent?.href ?? "", kind: ErrorKind.generate.rawValue,
                "module \"\(module.name)\", node \"\(node.key)\": generate failed: \(error)")
        }
        context.coordinator.removeOutstanding(1)
    }

    /// Sends each request to the lane of its host, as one message a lane.
    func route(
        _ requests: [Request], module moduleIndex: Int, node nodeIndex: Int, depth: Int, parent: WebURL?
    ) {
        guard !requests.isEmpty else { return }
        let module = context.modules[moduleIndex]
        var batches: [[FrontierCandidate<PendingRequest>]] = Array(repeating: [], count: peers.count)
        for var request in requests {
            var target = nodeIndex
            if let key = request.node {
                guard let index = module.nodeIndex(key) else {
                    noteUnknownNode(key, module, request.url)
                    continue
                }
                target = index
            }
            // What stands before an @ is not sent, and would make two URLs of one.
            request.url = request.url.withoutCredentials.canonicalized()
            let pending = PendingRequest(
                request: request, moduleIndex: moduleIndex, nodeIndex: target, parent: parent)
            batches[RunContext.lane(of: request.url, count: peers.count)].append(
                candidate(pending, depth: depth))
        }
        for (lane, batch) in batches.enumerated() where !batch.isEmpty { dispatch(batch, to: peers[lane]) }
    }

    /// Sends the target of a redirect to its lane.
    func route(_ pending: PendingRequest, depth: Int) {
        dispatch([candidate(pending, depth: depth)], to: owner(of: pending.request.url))
    }

    private func dispatch(_ batch: [FrontierCandidate<PendingRequest>], to peer: CrawlLane) {
        context.coordinator.addOutstanding(batch.count)
        send(.candidates(batch), to: peer)
    }

    private func candidate(_ pending: PendingRequest, depth: Int) -> FrontierCandidate<PendingRequest> {
        let module = context.modules[pending.moduleIndex]
        let request = pending.request
        return FrontierCandidate(
            url: request.url,
            identity: request.dontFilter ? nil : request.identity(namespace: pending.moduleIndex),
            depth: depth, priority: Self.sum(request.priority, module.priority), scope: module.scope,
            payload: pending)
    }

    /// Puts candidates into the frontier, and says how many of them are queued now.
    func admit(_ candidates: [FrontierCandidate<PendingRequest>]) -> Int {
        var queued = 0
        for candidate in candidates {
            switch frontier.discover(candidate) {
            case .queued: queued += 1
            case .duplicate: break
            case .filtered(let reason):
                if candidate.payload.isStart { note(candidate, filtered: reason) }
            }
        }
        return queued
    }

    private func noteUnknownNode(_ key: NodeKey, _ module: CompiledModule, _ url: WebURL) {
        counters.errors[.generate, default: 0] += 1
        note(
            url: url.href, kind: ErrorKind.generate.rawValue,
            "module \"\(module.name)\" has no node \"\(key)\": name one of its workflow in the request")
    }

    /// Priorities come from modules, so their sum may not trap.
    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, overflows) = left.addingReportingOverflow(right)
        return overflows ? (left < 0 ? .min : .max) : sum
    }
}
