// A check that cannot fail is a defect: each is shown a planted fault, and its innocent twin.
import Testing

/// A file's text with one rule broken, or nearly broken.
struct Planted: Sendable, CustomTestStringConvertible {
    let path: String
    let text: String
    /// The rules that must be found broken, in order.
    let rules: [String]

    init(_ path: String, _ text: String, _ rules: String...) {
        self.path = path
        self.text = text.hasSuffix("\n") ? text : text + "\n"
        self.rules = rules
    }

    var testDescription: String {
        let start = text.prefix(40).map { $0.isNewline || $0 == "\t" ? " " : $0 }
        return "\(path): \(String(start))"
    }
}

@Suite struct PlantedFaultTests {
    private static let engine = "Sources/MocraEngine/Engine.swift"
    private static let machine = "Sources/MocraFastPath/IO/PoolMachine.swift"
    private static let header = "#ifndef MOCRA_A_H\n#define MOCRA_A_H\n"
    /// A folder of one machine, spelled in two parts so that this file stays tidy.
    private static let home = "/ho" + "me/"

    private func rules(_ planted: Planted) -> [String] {
        Tidy.check(path: planted.path, text: planted.text).map(\.rule)
    }

    @Test(arguments: [
        Planted(engine, "import CMocraIO", "arrow"),
        Planted(engine, "internal import NIOCore", "arrow"),
        Planted(engine, "public import ArgumentParser", "arrow"),
        Planted(engine, "@testable import MocraDemoSite", "arrow"),
        Planted(engine, "import CXXHash", "arrow"),
        Planted(engine, "import CLibXML2", "arrow"),
        Planted(engine, "import struct CMocraIO.mocra_span", "arrow"),
        Planted("Sources/MocraFastPath/URL/Url.swift", "import MocraEngine", "arrow"),
        Planted("Sources/MocraFastPath/URL/Url.swift", "import CMocraIO", "arrow"),
        Planted("Sources/MocraFastPath/IO/RingLoop.swift", "import NIOPosix", "arrow"),
        Planted("Sources/MocraFastPath/IO/RingLoop.swift", "import COpenSSL", "arrow"),
        Planted("Sources/MocraDemoSite/Site.swift", "import MocraEngine", "arrow"),
        Planted("Sources/mocra/Crawl.swift", "import CMocraIO", "arrow"),
        Planted("Tests/MocraEngineTests/A.swift", "import CMocraIO", "arrow"),
        Planted("Tests/MocraEngineTests/A.swift", "import NIOCore", "arrow"),
        Planted(engine, "import MocraFastPath"),
        Planted(engine, "// import CMocraIO"),
        Planted(engine, "let text = \"import CMocraIO\""),
        Planted("Sources/MocraEngine/Extraction/Sax.swift", "import CLibXML2"),
        Planted("Sources/MocraFastPath/IO/RingLoop.swift", "internal import CMocraIO"),
        Planted("Sources/MocraFastPath/URL/Fingerprint.swift", "import CXXHash"),
        Planted("Sources/MocraDemoSite/Site.swift", "import NIOCore"),
        Planted("Tests/CMocraIOTests/A.swift", "import CMocraIO"),
    ])
    func importsPointDown(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted("Sources/CMocraIO/pool.c", "#include <liburing.h>", "arrow"),
        Planted("Sources/CMocraIO/pool.c", "int a = io_uring_submit(ring);", "arrow"),
        Planted("Sources/CMocraIO/pool.c", "int a = IORING_OP_SEND;", "arrow"),
        Planted("Sources/CMocraIO/pool.c", "#  include <openssl/ssl.h>", "arrow"),
        Planted("Sources/CMocraIO/pool.c", "#include <ares.h>", "arrow"),
        Planted("Sources/CMocraIO/pool.c", "#include <zlib.h>", "arrow"),
        Planted("Sources/CMocraIO/pool.c", "// io_uring_submit is the ring's."),
        Planted("Sources/CMocraIO/ring.c", "#include <liburing.h>\nint a = io_uring_submit(ring);"),
        Planted("Sources/CMocraIO/tls.c", "#include <openssl/ssl.h>"),
        Planted("Sources/CMocraIO/dns_query.c", "#include <ares.h>"),
        Planted("Sources/CMocraIO/decode_zlib.c", "#include <zlib.h>"),
        Planted("Sources/CLibURing/shim.h", "#include <liburing.h>"),
    ])
    func systemLibrariesHaveOneFile(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted(engine, "// " + String(repeating: "x", count: 108), "columns"),
        Planted(engine, "// " + String(repeating: "ä", count: 107)),
        Planted(engine, "let a = 1 ", "trailing space"),
        Planted(engine, "let a = 1\r", "trailing space"),
        Planted(engine, "\tlet a = 1", "tab"),
        Planted("Makefile", "all:\n\techo all"),
        Planted("Makefile", "all:\n\techo\tall", "tab"),
        Planted(engine, "let a = 1\n\n", "file end"),
        Planted(engine, String(repeating: "// a\n", count: 601), "file length"),
        Planted(engine, String(repeating: "// a\n", count: 600)),
        Planted(
            engine,
            "// tidy: longer than 600 lines because a table is.\n" + String(repeating: "// a\n", count: 600)),
    ])
    func filesHaveAShape(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test func filesEndWithANewline() {
        #expect(Tidy.check(path: Self.engine, text: "let a = 1").map(\.rule) == ["file end"])
        #expect(Tidy.check(path: Self.engine, text: "").map(\.rule) == ["file end"])
    }

    private static func body(_ lines: Int) -> String {
        String(repeating: "    a += 1\n", count: lines)
    }

    @Test(arguments: [
        Planted(engine, "func f() {\n" + body(69) + "}", "function length"),
        Planted(engine, "func f() {\n" + body(68) + "}"),
        Planted(
            engine, "    @Test(arguments: [1]) func f() async {\n" + body(69) + "    }", "function length"),
        Planted(engine, "public init(\n    a: Int\n) {\n" + body(69) + "}", "function length"),
        Planted(engine, "protocol P {\n    func f()\n    func g()\n}\nstruct S {\n" + body(90) + "}"),
        Planted(engine, "// tidy: longer than 70 lines because a table is.\nfunc f() {\n" + body(80) + "}"),
        Planted("Sources/CMocraIO/a.c", "int f(int a) {\n" + body(69) + "}", "function length"),
        Planted("Sources/CMocraIO/a.c", "int f(int a) {\n" + body(68) + "}\nint g(void) {\n" + body(9) + "}"),
        Planted("Sources/CMocraIO/a.c", "static const int a[] = {\n" + body(90) + "};"),
    ])
    func functionsAreShort(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted(machine, "import Glibc", "machine"),
        Planted(machine, "let now = ContinuousClock.now", "machine"),
        Planted(machine, "let now = Date()", "machine"),
        Planted(machine, "let n = read(file, bytes, 3)", "machine"),
        Planted(machine, "let n = unsafe write(file, bytes, 3)", "machine"),
        Planted(machine, "let n = Int.random(in: 0..<3)", "machine"),
        Planted(machine, "Task { }", "machine"),
        Planted(machine, "mutating func read(_ bytes: Int) -> Action { .none }"),
        Planted(machine, "let n = buffer.read(3)  // read( is a method here"),
        Planted("Sources/MocraFastPath/IO/Pool.swift", "let now = ContinuousClock.now"),
        Planted("Tests/MocraFastPathTests/PoolMachineTests.swift", "let now = ContinuousClock.now"),
        Planted("Sources/CMocraIO/pool_machine.c", "#include <time.h>", "machine"),
        Planted("Sources/CMocraIO/pool_machine.c", "#include <sys/socket.h>", "machine"),
        Planted("Sources/CMocraIO/pool_machine.c", "    clock_gettime(CLOCK_MONOTONIC, &now);", "machine"),
        Planted("Sources/CMocraIO/pool_machine.c", "    int n = socket(1, 2, 3);", "machine"),
        Planted("Sources/CMocraIO/pool_machine.c", "    uint64_t time = input->time; free(malloc(4));"),
    ])
    func machinesArePure(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted(engine, "// TO" + "DO: finish", "unfinished"),
        Planted(engine, "/* a\n FIX" + "ME */", "unfinished"),
        Planted("scripts/test", "echo a # XX" + "X", "unfinished"),
        Planted(engine, "let xxxTodo = 1  // a todo list"),
        Planted("Package.swift", "    .unsafeFlags([\"-O\"])", "unsafe flags"),
        Planted("Package.swift", "// no unsafeFlags"),
        Planted("Tests/MocraEngineTests/A.swift", "    try await Task.sleep(for: .seconds(1))", "sleep"),
        Planted("Tests/MocraEngineTests/A.swift", "    usleep(3)", "sleep"),
        Planted("Tests/MocraEngineTests/A.swift", "    // tidy: allow sleep because slow\n    usleep(3)"),
        Planted("Sources/MocraDemoSite/A.swift", "    usleep(3)"),
        Planted(engine, "let path = \"" + home + "me/file\"", "machine path"),
        Planted("scripts/test", "cd " + home + "me", "machine path"),
        Planted(engine, "let path = \"/etc/ssl\", url = \"http://a" + home + "me\""),
        Planted(engine, "let path = \"" + home + "a\"  // tidy: allow machine path because a URL"),
    ])
    func nothingIsLeftBehind(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted(engine, "final class A: @unchecked Sendable {}", "unchecked Sendable"),
        Planted(engine, "// Fast.\nfinal class A: @unchecked Sendable {}", "unchecked Sendable"),
        Planted(
            engine, "// The lock guards it.\n\nfinal class A: @unchecked Sendable {}", "unchecked Sendable"),
        Planted(engine, "final class A: @unchecked Sendable {}  // guarded by `lock`"),
        Planted(engine, "// Confined to its loop.\n@frozen\nfinal class A: @unchecked Sendable {}"),
    ])
    func promisesNameTheirGuard(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted("Sources/CMocraIO/a.h", "int a;", "include guard"),
        Planted("Sources/CMocraIO/b.h", header + "#endif", "include guard"),
        Planted("Sources/CMocraIO/a.h", header + "int a;", "include guard"),
        Planted("Sources/CMocraIO/a.h", "// What.\n" + header + "int a;\n#endif"),
    ])
    func headersAreGuarded(_ planted: Planted) {
        #expect(rules(planted) == planted.rules)
    }

    @Test(arguments: [
        Planted("mocra_error.h", "    X(1, A, \"dns\", true, \"a\") \\"),
        Planted("mocra_error.h", "    X(1, A, \"weather\", true, \"a\") \\", "error table"),
        Planted(
            "mocra_error.h", "    X(1, A, \"dns\", true, \"a\") \\\n    X(1, B, \"dns\", true, \"b\") \\",
            "error table"),
        Planted("mocra_error.h", "    X(a, A, \"dns\", true, \"a\") \\", "error table"),
        Planted("mocra_error.h", "// no rows", "error table"),
    ])
    func errorsHaveAKind(_ planted: Planted) {
        let source = SourceText(path: planted.path, text: planted.text)
        #expect(HeaderChecks.errorTable(source).map(\.rule).first == planted.rules.first)
    }
}
