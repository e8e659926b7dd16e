// What a hostile or broken server does, as a script, and what must come of a fetch from it.
// It must not know any client: errors are named by kind and code, as in mocra_error.h.

/// One behaviour of an origin, and its outcome.
public struct HostileBehaviour: Sendable, CustomStringConvertible {
    /// What a fetch must come to.
    public enum Outcome: Sendable, Equatable {
        /// An error of this kind, and of this code unless the system decides between two.
        case error(kind: String, code: String?)
        /// An error of one of these kinds: what the origin does races with the connecting.
        case errorOfKinds([String])
        /// Status 200 with this body; whether the connection is used again.
        case body(String, reused: Bool)
        /// Another status with an empty body; whether the connection is used again.
        case empty(Int, reused: Bool)
        /// A body cut at the limit of ``HostileBehaviour/bodyBytesMax``.
        case cut
        /// This body or an error of this kind: the answer races with the request that it came before.
        case bodyOrError(String, kind: String)
    }

    /// The limit of a body's size that clients of these behaviours must set.
    public static let bodyBytesMax = 4 << 20

    /// What the origin does, in words.
    public var name: String
    /// The request's method.
    public var method = "GET"
    /// The size of the request's body.
    public var requestBytes = 0
    /// Whether the client comes by https.
    public var isSecure = false
    /// What is done on a new connection before a request is read.
    public var start: Script?
    /// What is answered.
    public var answer: Script
    /// What must come of it.
    public var outcome: Outcome
    /// What must come of it when the body is read in pieces; nil: the same.
    public var outcomeInPieces: Outcome?
    /// Whether it ends by a deadline only: the client should set short ones.
    public var isTimed = false
    /// The deadline for the whole fetch, where that is what ends it.
    public var totalMs: Int?

    /// Whether another fetch from the same origin may get what was meant for nobody.
    public var poisonsNext = false

    /// The name.
    public var description: String { name }

    /// An origin that behaves so.
    public func origin(address: String = "127.0.0.1") throws -> ScriptedOrigin {
        try ScriptedOrigin(address: address, onConnect: { _ in start }, answer: { _ in answer })
    }

    /// Answers that end in an error.
    static func fails(_ name: String, _ kind: String, _ code: String?, _ answer: Script) -> HostileBehaviour {
        HostileBehaviour(name: name, answer: answer, outcome: .error(kind: kind, code: code))
    }

    /// Answers that never end by themselves.
    static func stalls(_ name: String, _ kind: String, _ code: String, _ answer: Script) -> HostileBehaviour {
        HostileBehaviour(
            name: name, answer: answer + [.hold], outcome: .error(kind: kind, code: code), isTimed: true)
    }

    /// A text that is sent as it is, and the error that it is; the connection stays open.
    static func refused(_ name: String, _ code: String, _ text: String) -> HostileBehaviour {
        .fails(name, "protocol", code, [.text(text), .hold])
    }

    /// Answers that are taken.
    static func taken(_ name: String, _ body: String, reused: Bool, _ answer: Script) -> HostileBehaviour {
        HostileBehaviour(name: name, answer: answer, outcome: .body(body, reused: reused))
    }

    /// Servers that fail before there is a secure connection.
    static func secure(
        _ name: String, _ kind: String, _ code: String?, isTimed: Bool = false, _ start: Script
    )
        -> HostileBehaviour
    {
        HostileBehaviour(
            name: name, isSecure: true, start: start, answer: [.close],
            outcome: .error(kind: kind, code: code),
            isTimed: isTimed)
    }
}
