// Start URLs from arguments and lists, with the place of whatever is wrong.
internal import Glibc
internal import MocraFastPath

enum StartList {
    /// The largest list that is read, in bytes.
    private static let listBytesMax = 1 << 30

    /// The URLs in their order, each once.
    static func read(urls: [String], from path: String?) throws -> [WebURL] {
        var seen: Set<WebURL> = []
        var starts: [WebURL] = []
        func add(_ text: String, place: String) throws(Ending) {
            let url: WebURL
            do throws(URLError) {
                url = try WebURL(text)
            } catch {
                throw Ending(Ending.wrongUse, "\(place)\(text.debugDescription): \(error)")
            }
            guard !url.hasCredentials else {
                throw Ending(
                    Ending.wrongUse,
                    "\(place)\(url.withoutCredentials.href): a name and password in a URL are not sent;"
                        + " give --header 'Authorization: …'")
            }
            if seen.insert(url).inserted { starts.append(url) }
        }
        for url in urls { try add(url, place: "") }
        guard let path else { return starts }
        let name = path == "-" ? "standard input" : path
        var faults: [Ending] = []
        for (index, line) in try lines(path, name).enumerated() {
            // A byte order mark is no part of the first line.
            let text = (index == 0 && line.first == "\u{feff}" ? line.dropFirst() : line).trimmingWhitespace()
            if text.isEmpty { continue }
            do throws(Ending) {
                try add(String(text), place: "\(name), line \(index + 1): ")
            } catch {
                faults.append(error)
            }
        }
        // One bad line of many must not cost the others; a list of nothing else is wrong use.
        if starts.isEmpty, let first = faults.first { throw first }
        for fault in faults { Terminal.printError("mocra: \(fault.message ?? ""); left out") }
        return starts
    }

    private static func lines(_ path: String, _ name: String) throws -> [Substring] {
        let descriptor = path == "-" ? STDIN_FILENO : unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Ending(Ending.wrongUse, "--from \(name): \(systemMessage())") }
        defer { if path != "-" { close(descriptor) } }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw Ending(Ending.wrongUse, "--from \(name): \(systemMessage())") }
            if count == 0 { break }
            bytes += buffer[..<count]
            guard bytes.count <= listBytesMax else {
                throw Ending(Ending.wrongUse, "--from \(name): larger than 1 GiB; split the list")
            }
        }
        return String(decoding: bytes, as: UTF8.self).split(omittingEmptySubsequences: false) { $0.isNewline }
    }

    private static func systemMessage() -> String {
        unsafe String(cString: strerror(errno))
    }
}

extension Substring {
    fileprivate func trimmingWhitespace() -> Substring {
        let start = drop { $0.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return start[...last]
    }
}
