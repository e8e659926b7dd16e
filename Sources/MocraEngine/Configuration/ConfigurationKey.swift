// The declaration of one key: what a reference page, a schema and an error message say about it.
// Must not know any particular key: ConfigurationKeys.swift has them.

/// A key of the configuration.
public struct ConfigurationKey: Sendable {
    typealias Path<Value> = any WritableKeyPath<EngineConfiguration, Value> & Sendable

    /// What kind of value a key takes.
    enum Kind: Sendable {
        /// A number; with a unit of time also "250ms", "2s", "5m", "1h", "1d", and with bytes "64MB", "64Mi".
        case number(Path<Int>, ClosedRange<Int>, NumberUnit)
        /// The same, or unset.
        case optionalNumber(Path<Int?>, ClosedRange<Int>, NumberUnit)
        case boolean(Path<Bool>)
        /// Printable text of at most so many bytes; the empty text stands for unset.
        case text(Path<String>, lengthMax: Int)
        case optionalText(Path<String?>, lengthMax: Int)
        /// One of a list of names.
        case choice(
            [String], read: @Sendable (EngineConfiguration) -> String,
            write: @Sendable (inout EngineConfiguration, String) -> Void)
    }

    /// `section.key`.
    public let name: String
    /// One sentence.
    public let doc: String
    let kind: Kind

    init(_ name: String, _ kind: Kind, _ doc: String) {
        self.name = name
        self.kind = kind
        self.doc = doc
    }

    /// The default as a person writes it; `-` for unset.
    public var defaultText: String { text(in: EngineConfiguration()) }

    /// `integer`, `boolean`, `string` or `choice`.
    public var type: String {
        switch kind {
        case .number, .optionalNumber: "integer"
        case .boolean: "boolean"
        case .text, .optionalText: "string"
        case .choice: "choice"
        }
    }

    /// The unit of the bare number; nil where there is none.
    public var unit: String? {
        switch kind {
        case .number(_, _, let unit), .optionalNumber(_, _, let unit): unit.name
        case .boolean, .text, .optionalText, .choice: nil
        }
    }

    /// What the key takes, as an error says it.
    public var accepted: String {
        switch kind {
        case .number(_, let range, let unit):
            Self.describe(range, unit)
        case .optionalNumber(_, let range, let unit):
            Self.describe(range, unit) + ", or - for none"
        case .boolean:
            "true or false"
        case .text(_, let lengthMax), .optionalText(_, let lengthMax):
            "at most \(lengthMax) bytes of printable text"
        case .choice(let names, _, _):
            names.map(\.debugDescription).joined(separator: " or ")
        }
    }

    private static func describe(_ range: ClosedRange<Int>, _ unit: NumberUnit) -> String {
        let unitText = unit.name.map { " " + $0 } ?? ""
        return "\(range.lowerBound / unit.storedPerOne) to \(range.upperBound / unit.storedPerOne)\(unitText)"
    }
}

/// What a bare number of a key counts, and how the value is kept.
enum NumberUnit: Sendable {
    case count
    case bytes
    case milliseconds
    /// Counted in seconds, kept in milliseconds.
    case seconds

    var name: String? {
        switch self {
        case .count: nil
        case .bytes: "bytes"
        case .milliseconds: "ms"
        case .seconds: "s"
        }
    }

    /// How much of what is kept makes one of what is counted.
    var storedPerOne: Int {
        switch self {
        case .count, .bytes, .milliseconds: 1
        case .seconds: 1_000
        }
    }

    /// Suffixes that a value may have, with what they stand for in what is kept.
    var suffixes: [(String, Int)] {
        switch self {
        case .count: []
        case .bytes:
            [
                ("kB", 1_000), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000),
                ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30),
            ]
        case .milliseconds, .seconds:
            [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        }
    }
}
