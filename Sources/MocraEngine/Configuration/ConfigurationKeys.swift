// The one table of keys: name, type, unit, range, what it does. Defaults are those of EngineConfiguration.
// Must not know how values are read: ConfigurationValues.swift does that.

import MocraFastPath

extension EngineConfiguration {
    /// Every key of this version, in the order of the reference.
    public static let keys: [ConfigurationKey] =
        nodeKeys + downloadKeys + politenessKeys + frontierKeys + otherKeys

    private static let timeoutRange = 1...3_600_000

    private static let nodeKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "node.io_threads", .number(\.node.ioThreads, 0...256, .count),
            "Ring loops, each a thread with its own connections; 0 for one a core."),
        ConfigurationKey(
            "node.parser_threads", .number(\.node.parserThreads, 0...256, .count),
            "Threads that parse pages too large for a loop; 0 for one a core."),
    ]

    private static let downloadKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "download_config.timeout", .number(\.download.fetch.timeoutMs, 1_000...3_600_000, .seconds),
            "From the start of a fetch to the last byte of its answer."),
        ConfigurationKey(
            "download_config.connect_timeout_ms",
            .number(\.download.fetch.connectTimeoutMs, timeoutRange, .milliseconds),
            "To resolve, connect and shake hands."),
        ConfigurationKey(
            "download_config.first_byte_timeout_ms",
            .number(\.download.fetch.firstByteTimeoutMs, timeoutRange, .milliseconds),
            "From the request to the first byte of the answer."),
        ConfigurationKey(
            "download_config.idle_timeout_ms",
            .number(\.download.fetch.idleTimeoutMs, timeoutRange, .milliseconds),
            "Between two pieces of an answer."),
        ConfigurationKey(
            "download_config.pool_size", .number(\.download.fetch.poolSize, 1...100_000, .count),
            "Connections of a loop."),
        ConfigurationKey(
            "download_config.pool_per_host", .number(\.download.fetch.poolPerHost, 1...100_000, .count),
            "Connections of a loop to one host."),
        ConfigurationKey(
            "download_config.pool_idle_ms",
            .number(\.download.fetch.poolIdleMs, 0...3_600_000, .milliseconds),
            "How long an unused connection is kept open."),
        ConfigurationKey(
            "download_config.max_response_size",
            .number(\.download.fetch.maxResponseSizeBytes, 1_024...(1 << 30), .bytes),
            "A longer body, decoded, is cut here and marked as cut."),
        ConfigurationKey(
            "download_config.max_header_size",
            .number(\.download.fetch.maxHeaderSizeBytes, 1_024...(16 << 20), .bytes),
            "Longer header fields end the fetch with an error."),
        ConfigurationKey(
            "download_config.max_decompression_ratio",
            .number(\.download.fetch.maxDecompressionRatio, 1...100_000, .count),
            "A body that expands more than so many times is taken for a bomb."),
        ConfigurationKey(
            "download_config.max_redirects", .number(\.download.maxRedirects, 0...100, .count),
            "Redirects in a row before a URL ends with redirect_loop."),
        ConfigurationKey(
            "download_config.min_rate_bytes_per_s",
            .optionalNumber(\.download.fetch.minRateBytesPerS, 1...(1 << 40), .bytes),
            "A slower answer, averaged over the body after a second of grace, is given up."),
        ConfigurationKey(
            "download_config.http2", .boolean(\.download.fetch.http2),
            "Whether HTTP/2 is offered to https servers."),
        ConfigurationKey(
            "download_config.dns_cache_max",
            .number(\.download.fetch.dnsCacheMax, 0...10_000_000, .count),
            "Names a loop whose addresses are kept for their lifetime."),
        ConfigurationKey(
            "download_config.bind_address", .optionalText(\.download.fetch.bindAddress, lengthMax: 64),
            "The local address that connections come from."),
        ConfigurationKey(
            "download_config.accept_encoding", .text(\.download.fetch.acceptEncoding, lengthMax: 256),
            "The Accept-Encoding field; - sends none."),
        ConfigurationKey(
            "download_config.user_agent", .text(\.download.fetch.userAgent, lengthMax: 512),
            "The User-Agent field; unset for mocra/VERSION (+contact)."),
        ConfigurationKey(
            "download_config.contact", .optionalText(\.download.contact, lengthMax: 256),
            "A URL or mail address of whoever runs the crawl, for the default user agent."),
        ConfigurationKey(
            "download_config.verify_tls", .boolean(\.download.fetch.verifyTLS),
            "Whether certificates are verified."),
        ConfigurationKey(
            "download_config.ca_file", .optionalText(\.download.fetch.caFile, lengthMax: 4_096),
            "A PEM file with the authorities to trust instead of the system's."),
        ConfigurationKey(
            "download_config.crl_file", .optionalText(\.download.fetch.crlFile, lengthMax: 4_096),
            "A PEM file with revocation lists; authorities without a list in it are not checked."),
        ConfigurationKey(
            "download_config.client_cert", .optionalText(\.download.fetch.clientCert, lengthMax: 4_096),
            "A PEM file with the certificate for servers that ask for one; with client_key."),
        ConfigurationKey(
            "download_config.client_key", .optionalText(\.download.fetch.clientKey, lengthMax: 4_096),
            "A PEM file with its key, without a password."),
        ConfigurationKey(
            "download_config.tls_min_version",
            .choice(["1.2", "1.3"]) { configuration in
                configuration.download.fetch.tlsMinVersion.rawValue
            } write: { configuration, name in
                configuration.download.fetch.tlsMinVersion = name == "1.3" ? .v13 : .v12
            },
            "The oldest version of TLS that is spoken."),
        ConfigurationKey(
            "download_config.address_policy",
            .choice(["public", "any"]) { configuration in
                configuration.download.fetch.addressPolicy == .publicOnly ? "public" : "any"
            } write: { configuration, name in
                configuration.download.fetch.addressPolicy = name == "public" ? .publicOnly : .any
            },
            "\"public\" refuses loopback, private, link-local and other special addresses."),
    ]

    private static let politenessKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "politeness.robots",
            .choice(RobotsMode.allCases.map(\.rawValue)) {
                $0.politeness.robots.rawValue
            } write: {
                $0.politeness.robots = $1 == RobotsMode.ignore.rawValue ? .ignore : .obey
            },
            "Whether robots.txt counts."),
        ConfigurationKey(
            "politeness.robots_ttl", .number(\.politeness.robotsTtlMs, 1_000...(7 * 86_400_000), .seconds),
            "How long a robots.txt is believed."),
        ConfigurationKey(
            "politeness.delay_ms", .number(\.politeness.delayMs, 0...3_600_000, .milliseconds),
            "Between two requests to a host."),
        ConfigurationKey(
            "politeness.per_host_concurrency", .number(\.politeness.perHostConcurrency, 1...1_024, .count),
            "Fetches of a host at a time."),
        ConfigurationKey(
            "politeness.crawl_delay_max_ms",
            .number(\.politeness.crawlDelayMaxMs, 0...3_600_000, .milliseconds),
            "A longer Crawl-delay of a robots.txt counts as this one."),
    ]

    private static let frontierKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "frontier.max_depth", .optionalNumber(\.frontier.maxDepth, 0...1_000_000, .count),
            "Steps from a start."),
        ConfigurationKey(
            "frontier.max_pages", .optionalNumber(\.frontier.maxPages, 1...1_000_000_000_000, .count),
            "URLs fetched in a run."),
        ConfigurationKey(
            "frontier.max_pages_per_host",
            .optionalNumber(\.frontier.maxPagesPerHost, 1...1_000_000_000_000, .count),
            "URLs fetched of one host in a run."),
        ConfigurationKey(
            "frontier.max_url_length", .number(\.frontier.maxURLLength, 16...65_536, .bytes),
            "A longer URL is refused."),
    ]

    private static let otherKeys: [ConfigurationKey] = [
        ConfigurationKey(
            "crawler.request_max_retries", .number(\.crawler.requestMaxRetries, 0...100, .count),
            "Bounds the retries that the table of error kinds allows."),
        ConfigurationKey(
            "channel_config.capacity", .number(\.channel.capacity, 1...1_000_000, .count),
            "Messages a queue holds before whoever fills it has to wait."),
    ]
}
