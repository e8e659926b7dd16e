// What is wrong with a configuration, as a person reads it.
// Must not know of files and flags: whoever read those adds the place.

/// One fault of a configuration.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Fault: Sendable, Equatable {
        /// No such key; the nearest one, if any is near.
        case unknownKey(nearest: String?)
        /// Not a value of the key's type, or out of its range.
        case notAccepted
    }

    /// `section.key`.
    public var key: String
    public var fault: Fault
    /// The value as it was given.
    public var found: String
    /// What the key takes; empty for an unknown key.
    public var accepted: String

    public init(key: String, fault: Fault, found: String, accepted: String) {
        self.key = key
        self.fault = fault
        self.found = found
        self.accepted = accepted
    }

    /// One line: key, found, accepted.
    public var description: String {
        switch fault {
        case .unknownKey(.some(let nearest)): "\(key): no such key; did you mean \(nearest)?"
        case .unknownKey(nil): "\(key): no such key"
        case .notAccepted: "\(key): found \(found.debugDescription), accepted: \(accepted)"
        }
    }
}
