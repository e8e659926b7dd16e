// Everything that can go wrong when items leave the process, as a person reads it.
// Must not know of the sinks that throw it.

/// Why a sink does not take any more.
public enum SinkError: Error, Sendable, Equatable {
    /// The output could not be opened; the reason is the system's.
    case cannotOpen(path: String, reason: String)
    /// The reader of a pipe or of standard output has gone.
    case closedPipe(path: String)
    /// No room, or no quota, or the file has reached the size that its system or a limit allows.
    case diskFull(path: String)
    /// The reader of a pipe took nothing for this long.
    case stalled(path: String, timeoutMs: Int)
    /// Any other failure to write, to make durable or to close; the reason is the system's.
    case cannotWrite(path: String, reason: String)
    /// It was closed before this write.
    case closed(path: String)
}

extension SinkError: CustomStringConvertible {
    /// One line: what, where, what to do.
    public var description: String {
        switch self {
        case .cannotOpen(let path, let reason):
            "cannot write items to \(Self.name(path)): \(reason); "
                + "check the path and its permissions, or write to - (standard output)"
        case .closedPipe(let path):
            "the reader of \(Self.name(path)) has gone: items after that are not written; "
                + "keep it reading to the end"
        case .diskFull(let path):
            "no room to write items to \(Self.name(path)): free space there, or write to another disk"
        case .stalled(let path, let timeoutMs):
            "the reader of \(Self.name(path)) took nothing for \(timeoutMs) ms: "
                + "let it read on, or write to a file"
        case .cannotWrite(let path, let reason):
            "cannot write items to \(Self.name(path)): \(reason); check the disk, or write to another place"
        case .closed(let path):
            "the output \(Self.name(path)) is closed already: write every item before closing it"
        }
    }

    /// The path in quotes, control characters escaped; standard output by its name.
    private static func name(_ path: String) -> String {
        path == "-" ? "standard output" : path.debugDescription
    }
}
