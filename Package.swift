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
    ],
    dependencies: [
    ],
    targets: [
        // System libraries, each imported by one folder.
        // The networking core: io_uring, TCP, TLS, HTTP/1.1 and 2, DNS, pool, buffers.
        // What a service embeds: fetch client, URLs, bounded queues.
        // Everything that knows about crawling.
        // A synthetic web on loopback that knows its own truth. Not part of any library.
        // Tests, a target a module.
        .target(
            name: "TestSupport", path: "Tests/TestSupport", exclude: ["http2_origin.py"],
            swiftSettings: swiftSettings),
        .testTarget(name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c17
)
