// HTML extractors at rest, so that a page finds one with warm working memory.
// Must not know what is extracted.

import Synchronization

/// Lends extractors, one caller at a time each.
///
/// A lane has one pool and, since a page is parsed without interruption there, one extractor in it. A module
/// that leaves the lane's thread with a response makes a second one for as long as both are at work.
final class ExtractorPool: Sendable {
    /// Guard: a box is either in `idle` or in the hands of the one call of `use` that took it out.
    private final class Box: @unchecked Sendable {
        let extractor = LibXMLExtractor()
    }

    private let idle = Mutex<[Box]>([])
    /// More than this many are not kept.
    private let idleMax = 4

    func use<Result>(_ body: (LibXMLExtractor) -> Result) -> Result {
        let box = idle.withLock { $0.popLast() } ?? Box()
        defer {
            idle.withLock { boxes in
                if boxes.count < idleMax { boxes.append(box) }
            }
        }
        return body(box.extractor)
    }
}
