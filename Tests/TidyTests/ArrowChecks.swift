// Who may know whom: modules imported in Swift, headers included in C, and io_uring's calls.
// Arrows point down only: mocra, mocra-bench → MocraEngine → MocraFastPath → CMocraIO → system libraries.

/// One rule about an import: in the files under `within`, `module` is for the files under `only` alone.
struct ImportRule {
    /// A module's name; with a star at its end, every module whose name starts so.
    let module: String
    let within: [String]
    let only: [String]

    func covers(_ name: String) -> Bool {
        module.hasSuffix("*") ? name.hasPrefix(module.dropLast()) : name == module
    }
}

enum ArrowChecks {
    static let rule = "arrow"

    /// Each module, and the only folders that may import it. `TestSupport` and the tests of a layer may reach
    /// what that layer reaches.
    static let imports: [ImportRule] = [
        ImportRule(
            module: "CMocraIO", within: ["Sources", "Tests"],
            only: ["Sources/MocraFastPath/IO", "Tests/CMocraIOTests"]),
        ImportRule(
            module: "CXXHash", within: ["Sources", "Tests"], only: ["Sources/MocraFastPath/URL"]),
        ImportRule(
            module: "CLibXML2", within: ["Sources", "Tests"], only: ["Sources/MocraEngine/Extraction"]),
        ImportRule(module: "CLibURing", within: ["Sources", "Tests"], only: []),
        ImportRule(module: "CZlib", within: ["Sources", "Tests"], only: []),
        ImportRule(module: "CBrotli", within: ["Sources", "Tests"], only: []),
        ImportRule(module: "CZstd", within: ["Sources", "Tests"], only: []),
        ImportRule(module: "CDeflate", within: ["Sources", "Tests"], only: []),
        ImportRule(module: "COpenSSL", within: ["Sources"], only: []),
        ImportRule(module: "CCares", within: ["Sources", "Tests"], only: []),
        ImportRule(module: "CAllocationCount", within: ["Sources"], only: ["Sources/mocra-bench"]),
        ImportRule(module: "NIO*", within: ["Sources"], only: ["Sources/MocraDemoSite"]),
        ImportRule(
            module: "NIO*", within: ["Tests"],
            only: ["Tests/MocraDemoSiteTests", "Tests/IntegrationTests", "Tests/TestSupport"]),
        ImportRule(
            module: "ArgumentParser", within: ["Sources", "Tests"],
            only: ["Sources/mocra", "Sources/mocra-bench"]),
        ImportRule(
            module: "MocraEngine", within: ["Sources"], only: ["Sources/mocra", "Sources/mocra-bench"]),
        ImportRule(module: "MocraDemoSite", within: ["Sources"], only: ["Sources/mocra"]),
        ImportRule(
            module: "MocraFastPath", within: ["Sources"],
            only: ["Sources/MocraEngine", "Sources/mocra", "Sources/mocra-bench"]),
    ]

    /// Each header of a system library, and the only C files that may include it.
    static let includes: [(header: String, only: [String])] = [
        ("liburing", ["Sources/CMocraIO/ring.c", "Sources/CLibURing/shim.h"]),
        ("linux/io_uring", ["Sources/CMocraIO/ring.c"]),
        (
            "openssl/",
            [
                "Sources/CMocraIO/tls.c", "Sources/CMocraIO/tls_context.c",
                "Sources/CMocraIO/tls_private.h", "Sources/COpenSSL/shim.h", "Tests/CTLSPeer/tls_peer.c",
            ]
        ),
        ("ares", ["Sources/CMocraIO/dns_query.c", "Sources/CCares/shim.h"]),
        ("nghttp2", ["Sources/CMocraIO/http2.h", "Sources/CNghttp2/shim.h"]),
        ("zlib", ["Sources/CMocraIO/decode_zlib.c", "Sources/CZlib/shim.h"]),
        ("brotli/", ["Sources/CMocraIO/decode_brotli.c", "Sources/CBrotli/shim.h"]),
        ("zstd", ["Sources/CMocraIO/decode_zstd.c", "Sources/CZstd/shim.h"]),
        (
            "libdeflate",
            [
                "Sources/CMocraIO/decode_deflate.c", "Sources/CDeflate/shim.h",
                "Tests/Fuzz/decode_fuzzer.c",
            ]
        ),
        ("libxml/", ["Sources/CLibXML2/shim.h"]),
        ("xxhash", ["Sources/CXXHash/shim.h"]),
    ]

    static func check(_ source: SourceText) -> [Violation] {
        switch source.language {
        case .swift: swiftImports(source)
        case .c: cIncludes(source) + ringCalls(source)
        case .script: []
        }
    }

    static func swiftImports(_ source: SourceText) -> [Violation] {
        source.violations(rule, in: source.code) { line in
            guard let module = importedModule(line) else { return nil }
            for rule in imports where rule.covers(module) {
                guard rule.within.contains(where: source.isIn), !rule.only.contains(where: source.isIn) else {
                    continue
                }
                let places = rule.only.isEmpty ? "no Swift file" : rule.only.joined(separator: ", ")
                return "\(module) is for \(places)"
            }
            return nil
        }
    }

    /// The module of an import line, with or without attributes, access level and kind; nil for other lines.
    static func importedModule(_ line: String) -> String? {
        let kinds: Set = [
            "struct", "class", "enum", "protocol", "typealias", "func", "let", "var", "actor", "macro",
        ]
        let names = line.identifiers.map(\.name)
        guard let at = names.firstIndex(of: "import"), at + 1 < names.count else { return nil }
        let prefixes: Set = [
            "public", "package", "internal", "fileprivate", "private", "testable", "preconcurrency",
            "_implementationOnly", "_exported", "_spi", "unsafe", "safe",
        ]
        let isImport = names[..<at].allSatisfy { prefixes.contains($0) } || line.trimmed.hasPrefix("@")
        guard isImport else { return nil }
        let first = names[at + 1]
        return kinds.contains(first) && at + 2 < names.count ? names[at + 2] : first
    }

    static func cIncludes(_ source: SourceText) -> [Violation] {
        source.violations(rule, in: source.lines) { line in
            guard let header = includedHeader(line) else { return nil }
            for (name, only) in includes where header.hasPrefix(name) && !only.contains(source.path) {
                return "<\(header)> is for \(only.joined(separator: ", "))"
            }
            return nil
        }
    }

    static func includedHeader(_ line: String) -> String? {
        let text = line.trimmed
        guard text.hasPrefix("#") else { return nil }
        let rest = String(text.dropFirst()).trimmed
        guard rest.hasPrefix("include"), let open = rest.firstIndex(where: { $0 == "<" || $0 == "\"" }) else {
            return nil
        }
        return String(rest[rest.index(after: open)...].prefix { $0 != ">" && $0 != "\"" })
    }

    static func ringCalls(_ source: SourceText) -> [Violation] {
        guard source.path != "Sources/CMocraIO/ring.c" else { return [] }
        return source.violations(rule, in: source.code) { line in
            line.identifiers.contains { $0.name.hasPrefix("io_uring_") || $0.name.hasPrefix("IORING_") }
                ? "io_uring's calls and constants are for Sources/CMocraIO/ring.c" : nil
        }
    }
}
