// What is to be fetched and how: the same for mocra itself and for the peers that run beside it.
internal import MocraFastPath

struct FetchPlan: Sendable {
    enum Version: String, Sendable {
        case http1, http2
    }

    var target: WebURL
    var connections: Int
    /// At once on each connection.
    var streams = 1
    /// nil: what the server prefers.
    var version: Version?
    /// Ask for gzip and decode it; otherwise only unpacked answers are asked for.
    var gzip = false
    var caFile: String?

    /// Requests under way at once.
    var inFlight: Int { connections * streams }

    var request: FetchRequest { FetchRequest(target) }

    var configuration: FetchConfiguration {
        var configuration = FetchConfiguration()
        configuration.addressPolicy = .any
        configuration.caFile = caFile
        configuration.acceptEncoding = gzip ? "gzip" : "identity"
        configuration.http2 = version != .http1
        configuration.http2StreamsPerConnection = streams
        configuration.poolSize = connections
        configuration.poolPerHost = connections
        configuration.poolIdleMs = 86_400_000
        configuration.receiveBuffers = min(max(connections, 256), 4096)
        // Thousands of connections at once take their time to stand.
        configuration.timeoutMs = 120_000
        configuration.connectTimeoutMs = 60_000
        configuration.firstByteTimeoutMs = 60_000
        configuration.idleTimeoutMs = 60_000
        return configuration
    }

    /// Opens a fetcher, and fetches once, so that what is wrong is said before a clock starts.
    func open(_ configuration: FetchConfiguration) async throws -> Fetcher {
        let fetcher: Fetcher
        let first: FetchResponse
        do throws(FetchError) {
            fetcher = try Fetcher(configuration)
            first = try await fetcher.fetch(request)
        } catch {
            throw BenchFailure("\(target): \(error.message)", isWrongUse: error.code == "TLS_CA_FILE")
        }
        guard first.status == 200 else {
            throw BenchFailure("\(target) answers with status \(first.status); 200 is expected")
        }
        if version == .http2, !first.isHTTP2 {
            throw BenchFailure("\(target) does not speak HTTP/2, which --http2 asks for")
        }
        if gzip, first.header("content-encoding") != "gzip" {
            throw BenchFailure("\(target) is not sent as gzip, which --gzip asks for")
        }
        return fetcher
    }
}
