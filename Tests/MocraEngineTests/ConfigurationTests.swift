// The table of keys: defaults of the reference, what is accepted, and how a fault reads.

import MocraFastPath
import Testing

@testable import MocraEngine

@Suite("Configuration")
struct ConfigurationTests {
    /// Keys, defaults and units as the reference has them.
    @Test(
        arguments: [
            ("node.io_threads", "0", nil), ("node.parser_threads", "0", nil),
            ("download_config.timeout", "30", "s"),
            ("download_config.connect_timeout_ms", "5000", "ms"),
            ("download_config.first_byte_timeout_ms", "15000", "ms"),
            ("download_config.idle_timeout_ms", "10000", "ms"), ("download_config.pool_size", "1024", nil),
            ("download_config.pool_per_host", "8", nil), ("download_config.pool_idle_ms", "60000", "ms"),
            ("download_config.max_response_size", "10485760", "bytes"),
            ("download_config.max_header_size", "65536", "bytes"),
            ("download_config.max_decompression_ratio", "200", nil),
            ("download_config.max_redirects", "10", nil),
            ("download_config.min_rate_bytes_per_s", "-", "bytes"), ("download_config.http2", "true", nil),
            ("download_config.dns_cache_max", "100000", nil), ("download_config.bind_address", "-", nil),
            ("download_config.accept_encoding", "gzip, deflate, br, zstd", nil),
            ("download_config.user_agent", "-", nil), ("download_config.contact", "-", nil),
            ("download_config.verify_tls", "true", nil), ("download_config.ca_file", "-", nil),
            ("download_config.crl_file", "-", nil), ("download_config.client_cert", "-", nil),
            ("download_config.client_key", "-", nil), ("download_config.tls_min_version", "1.2", nil),
            ("download_config.address_policy", "public", nil), ("politeness.robots", "obey", nil),
            ("politeness.robots_ttl", "86400", "s"), ("politeness.delay_ms", "1000", "ms"),
            ("politeness.per_host_concurrency", "1", nil), ("politeness.crawl_delay_max_ms", "60000", "ms"),
            ("frontier.max_depth", "-", nil), ("frontier.max_pages", "-", nil),
            ("frontier.max_pages_per_host", "-", nil),
            ("frontier.max_url_length", "2048", "bytes"), ("crawler.request_max_retries", "3", nil),
            ("channel_config.capacity", "1024", nil),
        ] as [(String, String, String?)]) func `each key has its default and unit`(
            name: String, text: String, unit: String?
        ) throws
    {
        let key = try #require(EngineConfiguration.keys.first { $0.name == name })
        #expect(key.defaultText == text)
        #expect(key.unit == unit)
        #expect(!key.doc.isEmpty && key.doc.hasSuffix("."))
        #expect(!key.accepted.isEmpty && !key.type.isEmpty)
        // What a key shows, it takes.
        var configuration = EngineConfiguration()
        try configuration.set(name, text)
        #expect(configuration == EngineConfiguration())
    }

    @Test func `no key is declared twice, and none but those above`() {
        let names = EngineConfiguration.keys.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.count == 38)
    }

    @Test func `the defaults are valid`() {
        #expect(EngineConfiguration().validate().isEmpty)
    }

    @Test func `values take the unit of the key or their own`() throws {
        var configuration = EngineConfiguration()
        try configuration.set("politeness.delay_ms", "250")
        #expect(configuration.politeness.delayMs == 250)
        try configuration.set("politeness.delay_ms", "2s")
        #expect(configuration.politeness.delayMs == 2_000)
        try configuration.set("download_config.timeout", "45")
        #expect(configuration.download.fetch.timeoutMs == 45_000)
        try configuration.set("download_config.timeout", "1500ms")
        #expect(configuration.download.fetch.timeoutMs == 1_500)
        #expect(configuration.text(of: "download_config.timeout") == "1500ms")
        try configuration.set("politeness.robots_ttl", "1h")
        #expect(configuration.politeness.robotsTtlMs == 3_600_000)
        try configuration.set("download_config.max_response_size", "64Mi")
        #expect(configuration.download.fetch.maxResponseSizeBytes == 64 << 20)
        try configuration.set("download_config.max_response_size", "1MB")
        #expect(configuration.download.fetch.maxResponseSizeBytes == 1_000_000)
        try configuration.set("frontier.max_depth", "3")
        #expect(configuration.frontier.maxDepth == 3)
        try configuration.set("frontier.max_depth", "-")
        #expect(configuration.frontier.maxDepth == nil)
        try configuration.set("politeness.robots", "ignore")
        #expect(configuration.politeness.robots == .ignore)
        try configuration.set("download_config.address_policy", "any")
        #expect(configuration.download.fetch.addressPolicy == .any)
        try configuration.set("download_config.verify_tls", "false")
        #expect(!configuration.download.fetch.verifyTLS)
        try configuration.set("download_config.ca_file", "ca.pem")
        #expect(configuration.download.fetch.caFile == "ca.pem")
        #expect(configuration.validate().isEmpty)
    }

    @Test(arguments: [
        ("politeness.delay_ms", "fast"), ("politeness.delay_ms", "-1"), ("politeness.delay_ms", ""),
        ("politeness.delay_ms", "3600001"), ("politeness.delay_ms", "1.5s"), ("politeness.delay_ms", "5 s"),
        ("politeness.delay_ms", "99999999999999999999"), ("politeness.delay_ms", "9223372036854775807d"),
        ("politeness.delay_ms", "-"), ("politeness.delay_ms", "2MB"),
        ("politeness.per_host_concurrency", "0"),
        ("politeness.robots", "maybe"), ("download_config.verify_tls", "yes"), ("frontier.max_pages", "0"),
        ("download_config.timeout", "0"), ("download_config.timeout", "999ms"),
        ("download_config.pool_size", "1s"),
        ("download_config.user_agent", "a\r\nX-Evil: 1"),
        ("download_config.accept_encoding", "gzip\r\nX-Evil: 1"), ("frontier.max_depth", "none"),
    ]) func `a value that is not accepted changes nothing and says what is`(key: String, value: String) throws
    {
        var configuration = EngineConfiguration()
        let error = try #require(throws: ConfigurationError.self) { try configuration.set(key, value) }
        #expect(configuration == EngineConfiguration())
        #expect(
            error.key == key && error.found == value && error.fault == .notAccepted && !error.accepted.isEmpty
        )
        #expect(error.description.hasPrefix(key + ": found \"") && !error.description.contains("\n"))
    }

    @Test func `an unknown key names the nearest one, if any is near`() throws {
        var configuration = EngineConfiguration()
        let typo = try #require(throws: ConfigurationError.self) {
            try configuration.set("politeness.dealy_ms", "1")
        }
        #expect(typo.fault == .unknownKey(nearest: "politeness.delay_ms"))
        #expect(typo.description == "politeness.dealy_ms: no such key; did you mean politeness.delay_ms?")
        let far = try #require(throws: ConfigurationError.self) { try configuration.set("redis", "1") }
        #expect(far.fault == .unknownKey(nearest: nil))
    }

    @Test func `all faults are reported at once`() throws {
        var configuration = EngineConfiguration()
        configuration.politeness.delayMs = -5
        configuration.frontier.maxDepth = -1
        configuration.download.fetch.timeoutMs = 0
        configuration.channel.capacity = 0
        let errors = configuration.validate()
        #expect(
            errors.map(\.key) == [
                "download_config.timeout", "politeness.delay_ms", "frontier.max_depth",
                "channel_config.capacity",
            ])
        #expect(errors[1].description == "politeness.delay_ms: found \"-5\", accepted: 0 to 3600000 ms")
        #expect(throws: EngineError.configuration(errors)) { try Engine(configuration: configuration) }
        #expect(EngineError.configuration(errors).description.split(separator: "\n").count == 4)
    }

    @Test func `the user agent names the contact unless it is set`() throws {
        var configuration = EngineConfiguration()
        #expect(configuration.download.effectiveUserAgent == "mocra/\(Engine.version)")
        try configuration.set("download_config.contact", "https://example.org/bot")
        #expect(
            configuration.download.effectiveUserAgent == "mocra/\(Engine.version) (+https://example.org/bot)")
        try configuration.set("download_config.user_agent", "Other/2.0 x")
        #expect(configuration.download.effectiveUserAgent == "Other/2.0 x")
        #expect(RunContext.productToken(of: "Other/2.0 x") == "Other")
        #expect(RunContext.productToken(of: "(none)") == "mocra")
    }
}
