// The bridge from any Encodable to JSONRepresentable, through Foundation's encoder.
// Must not be used where a type can write itself: it allocates for every value.
import FoundationEssentials

/// An `Encodable` value as the JSON that it encodes to.
///
/// Encoded when made, so that a value that cannot be encoded fails in the hands of its author and not in a
/// sink. Keys are in alphabetical order and slashes stand as they are, so equal values give equal bytes.
/// Dates are ISO 8601, data is base64.
public struct EncodedJSON: JSONRepresentable, Equatable {
    /// The JSON text, one line.
    public let bytes: [UInt8]

    /// Errors: `JSONEncodingError` for a number that JSON does not have, or what the value's own `encode`
    /// throws.
    public init(_ value: some Encodable) throws(JSONEncodingError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        do {
            bytes = [UInt8](try encoder.encode(value))
        } catch {
            throw JSONEncodingError(type: String(describing: type(of: value)), error)
        }
    }

    /// Writes the text as it is.
    public func writeJSON(to writer: inout JSONWriter) { writer.raw(bytes.span) }
}

/// Why a value has no JSON form.
public struct JSONEncodingError: Error, Equatable, CustomStringConvertible {
    /// The type that was to be encoded.
    public let type: String
    /// The keys that lead to the place, outermost first.
    public let path: [String]
    /// What the encoder says.
    public let reason: String

    init(type: String, _ error: any Error) {
        self.type = type
        if case EncodingError.invalidValue(let value, let context) = error {
            path = context.codingPath.map(\.stringValue)
            reason = "\(value): \(context.debugDescription)"
        } else {
            path = []
            reason = String(describing: error)
        }
    }

    /// One line for a person.
    public var description: String {
        let place = path.isEmpty ? "" : " at \(path.joined(separator: "."))"
        return "an item of type \(type) has no JSON form\(place): \(reason); "
            + "change that value or the type's encode(to:)"
    }
}
