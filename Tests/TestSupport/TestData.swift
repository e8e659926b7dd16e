// Where tests find third-party data and the package's own files.
// It must not know any module of mocra, and never writes.
import Foundation

/// Finds the folders that tests read from.
public enum TestData {
    /// The folder that holds `Package.swift`.
    ///
    /// Source: derived from this file's own path, so that the current folder of a test does not matter.
    public static let packageRoot: String = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// The folder of the third-party data called `name`; nil when it is not on this machine.
    ///
    /// The environment variable `MOCRA_TEST_DATA` names the folder above it; without it, that is
    /// `../shared/data` beside the package's root.
    public static func directory(_ name: String) -> String? {
        let environment = ProcessInfo.processInfo.environment
        let base = environment["MOCRA_TEST_DATA"] ?? packageRoot + "/../shared/data"
        let path = URL(fileURLWithPath: base).appendingPathComponent(name).standardizedFileURL.path
        var isDirectory: ObjCBool = false
        let exists = unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
        return exists && isDirectory.boolValue ? path : nil
    }
}
