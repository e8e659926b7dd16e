// The face that every HTML parser of this engine shows for links and title.
// Must not know which parser stands behind it.
package import MocraFastPath

/// Finds the facts of a page in its bytes.
///
/// Isolation: an extractor may keep working memory between pages, so one extractor serves one thread at a
/// time; nothing of one page is visible in the facts of another.
///
/// Errors: none. Any bytes give facts, at worst without links.
package protocol HTMLExtractor {
    /// Finds title, links, canonical URL and base URL.
    ///
    /// - Parameters:
    ///   - bytes: The decoded body (no content coding left), borrowed for the call.
    ///   - documentURL: The URL that the body came from, after redirects.
    ///   - charset: The `charset` parameter of Content-Type, if there was one. A byte order mark beats it, an
    ///     unknown one is ignored; without either the page's own `meta` counts, and then UTF-8.
    ///   - limits: Bounds on links, memory and time.
    func extract(
        _ bytes: RawSpan, documentURL: WebURL, charset: String?, limits: ExtractionLimits
    ) -> PageFacts
}
