// swift-tools-version: 6.2
// The house of mocra: one target a layer, arrows point down only (Tests/TidyTests checks them).
// No unsafeFlags: SwiftPM refuses such a package as a dependency, and MocraFastPath is made to be embedded.
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

let cSettings: [CSetting] = [
    .define("_GNU_SOURCE"),
    .enableWarning("all"),
    .enableWarning("extra"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "mocra",
    products: [
        .library(name: "MocraFastPath", targets: ["MocraFastPath"]),
        .library(name: "MocraEngine", targets: ["MocraEngine"]),
        .executable(name: "mocra", targets: ["mocra"]),
        .executable(name: "mocra-bench", targets: ["mocra-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // System libraries, each imported by one folder.
        .systemLibrary(name: "CLibURing", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCares", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CBrotli", pkgConfig: "libbrotlidec", providers: [.apt(["libbrotli-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CDeflate", pkgConfig: "libdeflate", providers: [.apt(["libdeflate-dev"])]),
        .systemLibrary(name: "CLibXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),

        // The networking core: io_uring, TCP, TLS, HTTP/1.1 and 2, DNS, pool, buffers.
        .target(
            name: "CMocraIO",
            dependencies: [
                "CLibURing", "COpenSSL", "CCares", "CNghttp2", "CZlib", "CBrotli", "CZstd", "CDeflate",
            ],
            cSettings: cSettings
        ),

        // What a service embeds: fetch client, URLs, bounded queues.
        .target(name: "MocraFastPath", dependencies: ["CMocraIO", "CXXHash"], swiftSettings: swiftSettings),

        // Everything that knows about crawling.
        .target(
            name: "MocraEngine", dependencies: ["MocraFastPath", "CLibXML2"], swiftSettings: swiftSettings),

        // A synthetic web on loopback that knows its own truth. Not part of any library.
        .target(
            name: "MocraDemoSite",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: swiftSettings),

        .executableTarget(
            name: "mocra",
            dependencies: [
                "MocraEngine", "MocraFastPath", "MocraDemoSite",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),

        .target(name: "CAllocationCount", cSettings: cSettings),
        .executableTarget(
            name: "mocra-bench",
            dependencies: [
                "MocraFastPath", "CAllocationCount",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: swiftSettings),

        // Tests, a target a module.
        .target(name: "CSystemCalls", path: "Tests/CSystemCalls", cSettings: cSettings),
        .target(
            name: "TestSupport", dependencies: ["CSystemCalls"], path: "Tests/TestSupport",
            exclude: ["http2_origin.py"], swiftSettings: swiftSettings),
        .testTarget(
            name: "CMocraIOTests", dependencies: ["CMocraIO", "CSystemCalls", "TestSupport"],
            swiftSettings: swiftSettings),
        .target(name: "CRingRefusal", path: "Tests/CRingRefusal", cSettings: cSettings),
        .target(
            name: "CTLSPeer", dependencies: ["COpenSSL"], path: "Tests/CTLSPeer", cSettings: cSettings),
        .testTarget(
            name: "MocraFastPathTests",
            dependencies: ["MocraFastPath", "TestSupport", "CRingRefusal", "CTLSPeer"],
            exclude: ["support"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "MocraEngineTests", dependencies: ["MocraEngine", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(
            name: "MocraDemoSiteTests", dependencies: ["MocraDemoSite", "TestSupport"],
            swiftSettings: swiftSettings),
        .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: swiftSettings),
        .testTarget(
            name: "IntegrationTests", dependencies: ["TestSupport", "mocra", "mocra-bench"],
            exclude: ["support"],
            swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)
