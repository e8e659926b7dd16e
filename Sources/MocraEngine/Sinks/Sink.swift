// What takes the items of a run.
// Must not know where they come from.

/// A place for items.
///
/// Isolation: called from every loop at once.
public protocol Sink: Sendable {
    /// Takes the items. Waits while the sink has no room, which slows the crawl down to the sink's pace.
    ///
    /// Errors: `SinkError`, which ends the run. A sink that failed once fails for good.
    func write(_ items: ItemBatch) async throws(SinkError)

    /// Writes out what it still holds, and ends. Nothing is lost once this returned without an error.
    func close() async throws(SinkError)
}
