// Folders that tests write to, removed with their owner or, for those of the whole process, at its end.
// It must not know what is kept in them.
import Foundation
import Glibc

/// A new, empty folder that is removed, with what it holds, when the last reference goes away.
public final class TemporaryDirectory: Sendable {
    /// The folder's absolute path.
    public let path: String

    /// Makes the folder below the system's temporary folder.
    public init(prefix: String = "mocra-test") throws {
        let template = NSTemporaryDirectory() + "/" + prefix + ".XXXXXX"
        var bytes = Array(template.utf8CString)
        let made = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe mkdtemp(buffer.baseAddress!) != nil
        }
        guard made else {
            throw TestSupportError("no temporary folder at \(template): \(errorText(errno))")
        }
        path = String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        removedAtExit.insert(path)
    }

    deinit {
        removedAtExit.remove(path)
        remove(path)
    }

    /// The path of something in the folder.
    public func file(_ name: String) -> String {
        path + "/" + name
    }

    /// Writes a file in the folder and returns its path.
    @discardableResult
    public func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }

    /// Writes a file in the folder and returns its path.
    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = file(name)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}

/// The whole file as bytes.
///
/// Read by the system's own calls: Foundation's `Data(contentsOf:)` leaks a buffer for each empty file, which
/// leak detection would report as ours.
public func readBytes(_ path: String) throws -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw TestSupportError("cannot read \(path): \(errorText(errno))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = unsafe read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw TestSupportError("cannot read \(path): \(errorText(errno))") }
        if count == 0 { return bytes }
        bytes += buffer[..<count]
    }
}

/// The whole file as text; bytes that are no UTF-8 become replacement characters.
public func readText(_ path: String) throws -> String {
    String(decoding: try readBytes(path), as: UTF8.self)
}

/// The system's text for an error number.
func errorText(_ number: Int32) -> String {
    unsafe String(cString: strerror(number))
}

/// What is left when the process ends by `exit`: static values are never destroyed.
private let removedAtExit = RemovedAtExit()

private final class RemovedAtExit: Sendable {
    private let paths = PlainLock<Set<String>>([])

    init() {
        atexit { removedAtExit.removeAll() }
    }

    func insert(_ path: String) {
        paths.withLock { _ = $0.insert(path) }
    }

    func remove(_ path: String) {
        paths.withLock { _ = $0.remove(path) }
    }

    func removeAll() {
        let left = paths.withLock { paths in
            defer { paths = [] }
            return paths
        }
        for path in left { TestSupport.remove(path) }
    }
}

private func remove(_ path: String) {
    do {
        try FileManager.default.removeItem(atPath: path)
    } catch {
        // A test must not fail for what it leaves behind, yet nobody should have to guess either.
        FileHandle.standardError.write(Data("could not remove \(path): \(error)\n".utf8))
    }
}
