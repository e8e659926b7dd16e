// The connection machine as an event table: for every state, what each event does. No socket, no clock.
import CMocraIO
import Testing

@Suite struct ConnectionMachineTests {
    /// One step that the table decides.
    struct Step: Sendable, CustomTestStringConvertible {
        var state: mocra_connection_state
        var event: mocra_connection_event_type
        var keepAlive = false
        var bodyWhole = false
        var secure = false
        var proxied = false
        var reused = false
        var repeatable = false
        var multiplexed = false
        var next: mocra_connection_state
        var actions: UInt32
        var error: mocra_error?

        var testDescription: String { "state \(state.rawValue), event \(event.rawValue)" }
    }

    private static let failedWith = MOCRA_ERR_RESET

    static let connecting: [Step] = [
        Step(
            state: MOCRA_CONNECTION_FREE, event: MOCRA_EVENT_OPEN, next: MOCRA_CONNECTION_CONNECTING,
            actions: MOCRA_ACTION_CONNECT),
        Step(
            state: MOCRA_CONNECTION_CONNECTING, event: MOCRA_EVENT_CONNECTED,
            next: MOCRA_CONNECTION_REQUESTING,
            actions: MOCRA_ACTION_RECEIVE | MOCRA_ACTION_SEND),
        Step(
            state: MOCRA_CONNECTION_CONNECTING, event: MOCRA_EVENT_CONNECTED, secure: true,
            next: MOCRA_CONNECTION_HANDSHAKING, actions: MOCRA_ACTION_RECEIVE | MOCRA_ACTION_HANDSHAKE),
        Step(
            state: MOCRA_CONNECTION_CONNECTING, event: MOCRA_EVENT_FAILED, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_NEXT_ADDRESS | MOCRA_ACTION_CLOSE, error: failedWith),
        Step(
            state: MOCRA_CONNECTION_CONNECTING, event: MOCRA_EVENT_EVICT, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_CONNECTING, event: MOCRA_EVENT_CONNECTED, proxied: true,
            next: MOCRA_CONNECTION_NEGOTIATING, actions: MOCRA_ACTION_RECEIVE | MOCRA_ACTION_NEGOTIATE),
        Step(
            state: MOCRA_CONNECTION_CONNECTING, event: MOCRA_EVENT_CONNECTED, secure: true, proxied: true,
            next: MOCRA_CONNECTION_NEGOTIATING, actions: MOCRA_ACTION_RECEIVE | MOCRA_ACTION_NEGOTIATE),
        Step(
            state: MOCRA_CONNECTION_HANDSHAKING, event: MOCRA_EVENT_HANDSHAKEN, secure: true,
            next: MOCRA_CONNECTION_REQUESTING, actions: MOCRA_ACTION_SEND),
        Step(
            state: MOCRA_CONNECTION_HANDSHAKING, event: MOCRA_EVENT_END, secure: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE,
            error: MOCRA_ERR_TLS_PROTOCOL),
        Step(
            state: MOCRA_CONNECTION_HANDSHAKING, event: MOCRA_EVENT_FAILED, secure: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: failedWith
        ),
        Step(
            state: MOCRA_CONNECTION_HANDSHAKING, event: MOCRA_EVENT_CANCEL, secure: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE,
            error: MOCRA_ERR_CANCELLED),
    ]

    static let negotiating: [Step] = [
        Step(
            state: MOCRA_CONNECTION_NEGOTIATING, event: MOCRA_EVENT_NEGOTIATED, proxied: true,
            next: MOCRA_CONNECTION_REQUESTING, actions: MOCRA_ACTION_SEND),
        Step(
            state: MOCRA_CONNECTION_NEGOTIATING, event: MOCRA_EVENT_NEGOTIATED, secure: true, proxied: true,
            next: MOCRA_CONNECTION_HANDSHAKING, actions: MOCRA_ACTION_HANDSHAKE),
        Step(
            state: MOCRA_CONNECTION_NEGOTIATING, event: MOCRA_EVENT_END, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: MOCRA_ERR_PROXY_PROTOCOL),
        // The connection that broke is the proxy's.
        Step(
            state: MOCRA_CONNECTION_NEGOTIATING, event: MOCRA_EVENT_FAILED, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: MOCRA_ERR_PROXY_PROTOCOL),
        Step(
            state: MOCRA_CONNECTION_NEGOTIATING, event: MOCRA_EVENT_DEADLINE, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: failedWith),
        Step(
            state: MOCRA_CONNECTION_NEGOTIATING, event: MOCRA_EVENT_CANCEL, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: MOCRA_ERR_CANCELLED),
    ]

    static let exchanging: [Step] = [
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_BYTES, next: MOCRA_CONNECTION_RESPONDING,
            actions: 0),
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_END, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: MOCRA_ERR_CLOSED_EARLY),
        // A fresh connection that dies is no stale one, and a request that may not be repeated is not.
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_END, repeatable: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE,
            error: MOCRA_ERR_CLOSED_EARLY),
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_END, reused: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE,
            error: MOCRA_ERR_CLOSED_EARLY),
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_END, reused: true, repeatable: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_RETRY | MOCRA_ACTION_CLOSE,
            error: MOCRA_ERR_CLOSED_EARLY),
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_FAILED, reused: true, repeatable: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_RETRY | MOCRA_ACTION_CLOSE,
            error: failedWith),
        Step(
            state: MOCRA_CONNECTION_REQUESTING, event: MOCRA_EVENT_DEADLINE, reused: true, repeatable: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: failedWith
        ),
        Step(
            state: MOCRA_CONNECTION_RESPONDING, event: MOCRA_EVENT_BYTES, next: MOCRA_CONNECTION_RESPONDING,
            actions: 0),
        Step(
            state: MOCRA_CONNECTION_RESPONDING, event: MOCRA_EVENT_COMPLETE, keepAlive: true,
            next: MOCRA_CONNECTION_IDLE, actions: MOCRA_ACTION_FINISH | MOCRA_ACTION_RELEASE),
        Step(
            state: MOCRA_CONNECTION_RESPONDING, event: MOCRA_EVENT_COMPLETE, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_FINISH | MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_RESPONDING, event: MOCRA_EVENT_END, bodyWhole: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FINISH | MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_RESPONDING, event: MOCRA_EVENT_END, reused: true, repeatable: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE,
            error: MOCRA_ERR_BODY_SHORT),
        Step(
            state: MOCRA_CONNECTION_RESPONDING, event: MOCRA_EVENT_FAILED, reused: true, repeatable: true,
            next: MOCRA_CONNECTION_CLOSING, actions: MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE, error: failedWith
        ),
        Step(
            state: MOCRA_CONNECTION_IDLE, event: MOCRA_EVENT_ASSIGN, next: MOCRA_CONNECTION_REQUESTING,
            actions: MOCRA_ACTION_SEND),
        Step(
            state: MOCRA_CONNECTION_IDLE, event: MOCRA_EVENT_BYTES, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_IDLE, event: MOCRA_EVENT_END, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_IDLE, event: MOCRA_EVENT_EVICT, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_CLOSING, event: MOCRA_EVENT_DRAINED, next: MOCRA_CONNECTION_FREE,
            actions: MOCRA_ACTION_RECYCLE),
    ]

    static let multiplexed: [Step] = [
        Step(
            state: MOCRA_CONNECTION_HANDSHAKING, event: MOCRA_EVENT_HANDSHAKEN, secure: true,
            multiplexed: true, next: MOCRA_CONNECTION_MULTIPLEXED, actions: MOCRA_ACTION_MULTIPLEX),
        Step(
            state: MOCRA_CONNECTION_MULTIPLEXED, event: MOCRA_EVENT_EVICT, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE),
        Step(
            state: MOCRA_CONNECTION_MULTIPLEXED, event: MOCRA_EVENT_END, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE, error: MOCRA_ERR_CLOSED_EARLY),
        Step(
            state: MOCRA_CONNECTION_MULTIPLEXED, event: MOCRA_EVENT_FAILED, next: MOCRA_CONNECTION_CLOSING,
            actions: MOCRA_ACTION_CLOSE, error: failedWith),
    ]

    @Test(arguments: connecting + negotiating + exchanging + multiplexed)
    func decides(_ step: Step) {
        var machine = mocra_connection_machine()
        machine.state = UInt8(step.state.rawValue)
        machine.secure = step.secure
        machine.proxied = step.proxied
        machine.reused = step.reused
        machine.repeatable = step.repeatable
        let update = take(
            &machine, step.event, keepAlive: step.keepAlive, bodyWhole: step.bodyWhole,
            multiplexed: step.multiplexed, error: Self.failedWith)
        #expect(machine.state == UInt8(step.next.rawValue))
        #expect(update.actions == step.actions)
        if let error = step.error { #expect(update.error == error.rawValue) }
    }

    @Test(arguments: UInt8(MOCRA_EVENT_OPEN.rawValue)...UInt8(MOCRA_EVENT_EVICT.rawValue))
    func nothingMattersWhileClosing(_ event: UInt8) {
        var machine = mocra_connection_machine()
        machine.state = UInt8(MOCRA_CONNECTION_CLOSING.rawValue)
        let update = take(
            &machine, mocra_connection_event_type(rawValue: UInt32(event)), error: Self.failedWith)
        #expect(machine.state == UInt8(MOCRA_CONNECTION_CLOSING.rawValue))
        #expect(update.actions == 0)
    }

    @Test func aProxyRefusalIsReportedAsItIs() {
        var machine = mocra_connection_machine()
        machine.proxied = true
        _ = take(&machine, MOCRA_EVENT_OPEN)
        _ = take(&machine, MOCRA_EVENT_CONNECTED)
        let update = take(&machine, MOCRA_EVENT_FAILED, error: MOCRA_ERR_PROXY_AUTH)
        #expect(update.actions == MOCRA_ACTION_FAIL | MOCRA_ACTION_CLOSE)
        #expect(update.error == MOCRA_ERR_PROXY_AUTH.rawValue)
    }

    @Test func aWholeLifeIsCountedAsReuse() {
        var machine = mocra_connection_machine()
        machine.repeatable = true
        _ = take(&machine, MOCRA_EVENT_OPEN)
        _ = take(&machine, MOCRA_EVENT_CONNECTED)
        #expect(!machine.reused)
        _ = take(&machine, MOCRA_EVENT_BYTES)
        _ = take(&machine, MOCRA_EVENT_COMPLETE, keepAlive: true)
        #expect(machine.reused)
        _ = take(&machine, MOCRA_EVENT_ASSIGN)
        let stale = take(&machine, MOCRA_EVENT_END)
        #expect(stale.actions == MOCRA_ACTION_RETRY | MOCRA_ACTION_CLOSE)
        _ = take(&machine, MOCRA_EVENT_DRAINED)
        _ = take(&machine, MOCRA_EVENT_OPEN)
        #expect(!machine.reused)
    }

    private func take(
        _ machine: inout mocra_connection_machine, _ type: mocra_connection_event_type,
        keepAlive: Bool = false,
        bodyWhole: Bool = false, multiplexed: Bool = false, error: mocra_error = MOCRA_ERR_RESET
    ) -> mocra_connection_update {
        let event = mocra_connection_event(
            type: UInt8(type.rawValue), keep_alive: keepAlive, body_whole: bodyWhole,
            multiplexed: multiplexed,
            error: error.rawValue)
        var update = mocra_connection_update()
        unsafe mocra_connection_step(&machine, event, &update)
        return update
    }
}
