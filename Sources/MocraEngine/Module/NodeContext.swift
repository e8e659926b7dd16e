// What a node is told beside its input or response.
// Must not give access to the engine's parts.

public import MocraFastPath

/// Where a `generate` runs.
public struct GenerateContext: Sendable {
    /// The run that this is part of.
    public let run: RunIdentifier
    public let module: String
    public let node: NodeKey
    /// The depth that the requests will have.
    public let depth: Int
}

/// Where a `parse` runs.
public struct ParseContext: Sendable {
    /// The run that this is part of.
    public let run: RunIdentifier
    public let module: String
    public let node: NodeKey
    /// The depth of the page.
    public let depth: Int
    /// The page that had the link; nil for a start.
    public let parent: WebURL?
    /// The URLs that redirected to this one, the first one first.
    public let redirectChain: [WebURL]
    /// When the answer, or the failure, was there.
    public let at: WallClockInstant
    /// From the start of the last fetch. 0 when none was made.
    /// Units: milliseconds.
    public let fetchMs: Int
}
