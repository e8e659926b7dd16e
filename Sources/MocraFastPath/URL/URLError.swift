// Why a text is not a URL that this library can fetch.
// Knows nothing of the parser's states, of sockets or of crawling.

/// What kept a text from becoming a `WebURL`.
///
/// Associated strings are excerpts of at most 256 bytes of the input: they come from the network, so whoever
/// shows them elsewhere escapes them as that place needs. `description` already does.
public enum URLError: Error, Sendable, Equatable {
    /// Nothing is left after trimming, and there is no base to stand for it.
    case empty
    /// A URL of another kind than http and https (`mailto`, `javascript`, `ftp`, …), in lower case.
    case unsupportedScheme(String)
    /// A relative reference without a base to resolve it against.
    case missingScheme
    /// No host, or one with forbidden characters, a broken IPv6 literal or an impossible IPv4 number.
    case invalidHost(String)
    /// A port that is not a number between 0 and 65535.
    case invalidPort(String)
    /// The text, or the URL it serialises to, is over `WebURL.lengthBytesMax`.
    case tooLong
    /// A host with characters outside ASCII, whose mapping to ASCII (UTS #46) is not supported.
    case internationalHost(String)
}

extension URLError: CustomStringConvertible {
    /// One line for a person: what is wrong, where, and what to do.
    public var description: String {
        switch self {
        case .empty:
            "the URL is empty: give an address such as https://example.org/"
        case .unsupportedScheme(let scheme):
            "the URL scheme \(Self.quoted(scheme)) is not supported: only http and https can be fetched"
        case .missingScheme:
            "the URL has no scheme and no page to be relative to: start it with https:// or http://"
        case .invalidHost(let host):
            host.isEmpty
                ? "the URL has no host: write one after the scheme, such as https://example.org/"
                : "the URL's host \(Self.quoted(host)) is not a valid name or address: check its spelling"
        case .invalidPort(let port):
            "the URL's port \(Self.quoted(port)) is not a number between 0 and 65535"
        case .tooLong:
            "the URL is longer than \(WebURL.lengthBytesMax) bytes: shorten it"
        case .internationalHost(let host):
            "the URL's host \(Self.quoted(host)) has characters outside ASCII: write its xn-- form"
        }
    }

    /// The text in double quotes with everything that could move a terminal's cursor escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .unassigned, .privateUse, .lineSeparator, .paragraphSeparator:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default:
                if scalar == "\"" || scalar == "\\" { result += "\\" }
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
