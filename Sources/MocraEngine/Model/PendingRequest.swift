// A request on its way through the engine: what the frontier keeps for a queued URL beside its place.
// Must not know of hosts and delays.

import MocraFastPath

/// A request with where it comes from.
struct PendingRequest: Sendable {
    var request: Request
    /// The position of its module among those registered.
    var moduleIndex: Int
    /// The position of the node, within the module's workflow, that parses the answer.
    var nodeIndex: Int
    /// The page that had the link; nil for a start.
    var parent: WebURL?
    /// The URLs that redirected to this one, the first one first.
    var redirectChain: [WebURL] = []

    /// Whether a person named this URL, or one that redirected here.
    var isStart: Bool { parent == nil }
}
