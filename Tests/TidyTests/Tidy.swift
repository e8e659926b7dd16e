// All checks in one place: a pure function from a file's path and text to what is wrong with it.
// Reads no file itself, so that a test can plant a fault in a string.

enum Tidy {
    /// Every violation in one file, in the order of the checks.
    ///
    /// `path` is relative to the repository's root: it decides which rules apply.
    static func check(path: String, text: String) -> [Violation] {
        let source = SourceText(path: path, text: text)
        return ArrowChecks.check(source)
            + ShapeChecks.check(source, text: text)
            + MachineChecks.check(source)
            + HygieneChecks.check(source)
            + HeaderChecks.check(source)
    }
}
