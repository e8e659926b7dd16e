// The face of everything that can write itself as JSON, and the standard types that do.
// Must not know of Foundation: JSONEncoding.swift has the bridge from Encodable.

/// A value that writes itself as exactly one JSON value.
public protocol JSONRepresentable: Sendable {
    /// Writes one value, no more and no less.
    func writeJSON(to writer: inout JSONWriter)
}

extension String: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) { writer.string(self) }
}

extension Int: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) { writer.int(self) }
}

extension UInt64: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) { writer.uint(self) }
}

extension Double: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) { writer.double(self) }
}

extension Bool: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) { writer.bool(self) }
}

extension Optional: JSONRepresentable where Wrapped: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) {
        if let self { self.writeJSON(to: &writer) } else { writer.null() }
    }
}

extension Array: JSONRepresentable where Element: JSONRepresentable {
    /// Writes the value.
    public func writeJSON(to writer: inout JSONWriter) {
        writer.beginArray()
        for element in self { element.writeJSON(to: &writer) }
        writer.endArray()
    }
}
