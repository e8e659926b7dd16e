// The built-in module behind `mocra crawl`: follows every link of the hosts in scope, one item a fetched URL.
// An ordinary module: must use nothing that an author's module could not.

public import MocraFastPath

/// Crawls sites: everything that can be reached from the starts on the hosts in scope.
public struct SiteModule: Module {
    public static let name = "site"

    private let starts: [WebURL]
    private let scope: CrawlScope
    public let headers: [HTTPField]

    /// - Parameters:
    ///   - starts: Where to begin. Their hosts are in scope.
    ///   - allowedHosts: More hosts in scope.
    ///   - headers: Header fields for every request. Credentials among them go to the starts' origins alone.
    public init(starts: [WebURL], allowedHosts: [HostPattern] = [], headers: [HTTPField] = []) {
        self.starts = starts
        self.headers = headers
        scope = CrawlScope(starts.map(HostPattern.init(hostOf:)) + allowedHosts)
    }

    public var options: ModuleOptions { ModuleOptions(scope: scope) }
    public var workflow: Workflow { Workflow { SitePage(starts: starts) } }
}

/// The one node of the site module.
struct SitePage: Node {
    static let key: NodeKey = "page"

    let starts: [WebURL]

    func generate(_ input: NoInput, _ context: GenerateContext) async throws -> [Request] {
        starts.map { Request($0) }
    }

    func parse(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
        var output = NodeOutput()
        let page = response.page
        output.emit(SiteItem(response, title: page.title, links: page.links.count))
        output.follow(contentsOf: page.links.lazy.map { Request($0.url) })
        return output
    }

    func handleStatus(_ response: borrowing Response, _ context: ParseContext) async throws -> NodeOutput {
        if let target = response.redirectTarget {
            // A redirect's own page is a line of courtesy that nobody sees.
            return .items([SiteItem(response, title: nil, location: target.href)])
        }
        if (300..<400).contains(response.status), let location = response.header("location") {
            // It leads nowhere that can be fetched; what it said is worth knowing.
            return .items([SiteItem(response, title: nil, location: location)])
        }
        let page = response.page
        return .items([SiteItem(response, title: page.title, links: page.links.count)])
    }

    func handleFailure(
        _ failure: FetchFailure, of request: Request, _ context: ParseContext
    ) async throws -> NodeOutput {
        .items([SiteItem(failure, of: request, context)])
    }
}
