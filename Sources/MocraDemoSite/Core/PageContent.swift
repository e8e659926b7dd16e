// What an HTML page of the demo web says, before it is bytes: title, links, decoys, size, encoding.
// It knows neither the site's plan nor HTTP; PageRenderer turns it into bytes.

package struct PageContent: Sendable {
    package enum Charset: Sendable {
        case utf8
        /// ISO-8859-1, said by the Content-Type field.
        case latin1Header
        /// ISO-8859-1, said by a `meta` element only.
        case latin1Meta
    }

    package enum Layout: Sendable {
        case body
        /// `frame` elements inside a `frameset` instead of a body.
        case frameset
        /// No byte at all.
        case empty
    }

    package var title: String
    package var links: [Link]
    /// Markup that must lead nowhere: comments, scripts, images, addresses of other schemes.
    package var decoys: [String]
    /// Markup of the same kind for the head.
    package var headDecoys: [String]
    /// Filler text of about this size is added before and between the links.
    package var fillerBytes: Int
    /// The path that a `base` element names.
    package var base: String?
    package var charset: Charset
    package var layout: Layout

    package init(
        title: String, links: [Link] = [], decoys: [String] = [], headDecoys: [String] = [],
        fillerBytes: Int = 1024,
        base: String? = nil, charset: Charset = .utf8, layout: Layout = .body
    ) {
        self.title = title
        self.links = links
        self.decoys = decoys
        self.headDecoys = headDecoys
        self.fillerBytes = fillerBytes
        self.base = base
        self.charset = charset
        self.layout = layout
    }
}

/// Markup that looks like a link and must not be followed.
package enum Decoy {
    package static let commentPrefix = "/forbidden-by-comment/"
    package static let scriptPrefix = "/forbidden-by-script/"
    package static let typePrefix = "/forbidden-by-type/"
    package static let assetPrefix = "/assets/"
    /// Every request below one of these is a crawler's mistake.
    package static let forbiddenPrefixes = [commentPrefix, scriptPrefix, typePrefix, assetPrefix]

    package static func comment(_ name: String) -> String {
        "<!-- retired: <a href=\"\(commentPrefix)\(name).html\">old page</a>\n"
            + "<a href=\"\(commentPrefix)\(name)-2.html\">older page</a> -->"
    }

    package static func script(_ name: String) -> String {
        "<script>var page = '<a href=\"\(scriptPrefix)\(name).html\">next<\\/a>';</script>"
    }

    package static func image(_ name: String) -> String {
        "<img src=\"\(assetPrefix)\(name).png\" alt=\"a picture\">"
    }

    package static func styleSheet(_ name: String) -> String {
        "<link rel=\"stylesheet\" href=\"\(assetPrefix)\(name).css\">"
    }

    /// Schemes that a crawl does not speak, and a host outside of every scope.
    package static let otherSchemes = [
        "<a href=\"mailto:someone@example.invalid\">write to us</a>",
        "<a href=\"javascript:void(0)\">do nothing</a>",
        "<a href=\"tel:+10000000\">call us</a>",
        "<a href=\"data:text/html,%3Cp%3Ehello%3C/p%3E\">a page in a link</a>",
        "<a href=\"https://outside.invalid/page.html\">another site</a>",
    ]

    /// Links that are no links: no address, an address that cannot be parsed, the page itself.
    package static let malformed = [
        "<a name=\"part-2\">a name only</a>",
        "<a href=\"\">this page</a>",
        "<a href=\"#part-2\">this page, lower</a>",
        "<a href=\"http://[::bad/\">an address that is none</a>",
        "<a href=\"http://127.0.0.1:99999/\">a port that is none</a>",
    ]
}
