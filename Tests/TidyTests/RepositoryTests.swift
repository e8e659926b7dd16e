// Every check over every file of the repository. What the checks can see is shown in PlantedFaultTests.
import Testing

@Suite struct RepositoryTests {
    @Test func findsItsOwnFiles() throws {
        let paths = try Repository.paths()
        #expect(paths.contains("Package.swift"))
        #expect(paths.contains("Makefile"))
        #expect(paths.contains("Tests/TidyTests/RepositoryTests.swift"))
        #expect(paths.contains("Sources/CMocraIO/include/mocra_error.h"))
    }

    @Test func isTidy() throws {
        var violations: [Violation] = []
        for path in try Repository.paths() {
            violations += Tidy.check(path: path, text: try Repository.text(path))
        }
        for violation in violations {
            Issue.record("\(violation)")
        }
    }
}
