// The repository's own files, as the checks see them. Reads only what a person wrote: no build products, no
// fetched packages, no test data.
import Foundation

enum Repository {
    /// The folder that holds Package.swift, from the place of this file.
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Paths relative to the root of every source file, script and manifest, in order.
    static func paths() throws -> [String] {
        var found = ["Package.swift", "Makefile", ".ci/run"]
        for folder in ["Sources", "Tests", "scripts", "perf"] {
            found += try files(in: folder)
        }
        return try found.filter(isChecked).sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private static func files(in folder: String) throws -> [String] {
        let top = root.appending(path: folder)
        // A folder that does not exist yet holds no file; one that cannot be read is an error.
        guard FileManager.default.fileExists(atPath: top.path) else { return [] }
        return try FileManager.default.subpathsOfDirectory(atPath: top.path).map { folder + "/" + $0 }
    }

    private static func isChecked(_ path: String) throws -> Bool {
        let attributes = try FileManager.default.attributesOfItem(atPath: root.appending(path: path).path)
        guard attributes[.type] as? FileAttributeType == .typeRegular else { return false }
        let parts = path.split(separator: "/")
        if parts.contains(where: { $0 == "testdata" || $0 == "corpus" || $0 == "__pycache__" }) {
            return false
        }
        let known = [".swift", ".c", ".h", ".py", ".sh", ".modulemap"]
        let isScript = parts[0] == "scripts" || path == "Makefile" || path == ".ci/run"
        return isScript || known.contains(where: path.hasSuffix)
    }
}
