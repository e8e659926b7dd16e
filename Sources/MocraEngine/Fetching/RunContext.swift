// What every lane of a run is given: modules, rules, sinks, and what the lanes share.
// Must not hold anything that changes, beside what guards itself.

import MocraFastPath

/// The parts of a run that all its lanes use.
struct RunContext: Sendable {
    let run: RunIdentifier
    let modules: [CompiledModule]
    let frontierLimits: FrontierLimits
    let answerPolicy: AnswerPolicy
    /// The name by which robots.txt addresses this crawler.
    let productToken: String
    let sinks: [any Sink]
    let coordinator: RunCoordinator
    let parserPool: ParserPool
    /// Workers of a lane, at most: each has one fetch.
    let workersMax: Int
    let seed: UInt64

    /// A worker costs a task of a few hundred bytes; more than this many fetches at a time gain a lane
    /// nothing.
    static let workersLimit = 1_024

    /// The part of a user agent that robots.txt groups name: `mocra` of `mocra/0.1.0 (+https://example.org)`.
    static func productToken(of userAgent: String) -> String {
        let token = userAgent.prefix { $0 != "/" && $0 != " " && $0 != "(" }
        return token.isEmpty ? DownloadConfiguration.productToken : String(token)
    }

    /// The lane of a host: the same in every run, so that a host has one owner.
    ///
    /// Source: FNV-1a, 64 bit.
    static func lane(of url: WebURL, count: Int) -> Int {
        guard count > 1 else { return 0 }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in url.host.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        // The low bits of FNV are its weakest for short names.
        return Int((hash ^ (hash >> 32)) % UInt64(count))
    }
}
