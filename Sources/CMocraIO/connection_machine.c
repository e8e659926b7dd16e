// The connection's rules; see mocra_connection_machine.h.
#include "mocra_connection_machine.h"

#include "mocra_assert.h"

typedef mocra_connection_machine machine_t;
typedef mocra_connection_event event_t;
typedef mocra_connection_update update_t;

static void move(machine_t *machine, uint8_t state, update_t *update, uint32_t actions) {
    machine->state = state;
    update->actions = actions;
}

static void fail(machine_t *machine, update_t *update, uint32_t how, int error) {
    update->error = error;
    move(machine, MOCRA_CONNECTION_CLOSING, update, how | MOCRA_ACTION_CLOSE);
}

// The way to the origin stands.
static void go_on(machine_t *machine, update_t *update, uint32_t actions) {
    if (machine->secure)
        move(machine, MOCRA_CONNECTION_HANDSHAKING, update, actions | MOCRA_ACTION_HANDSHAKE);
    else
        move(machine, MOCRA_CONNECTION_REQUESTING, update, actions | MOCRA_ACTION_SEND);
}

static void on_connecting(machine_t *machine, event_t event, update_t *update) {
    switch (event.type) {
    case MOCRA_EVENT_CONNECTED:
        if (machine->proxied)
            move(machine, MOCRA_CONNECTION_NEGOTIATING, update,
                 MOCRA_ACTION_RECEIVE | MOCRA_ACTION_NEGOTIATE);
        else
            go_on(machine, update, MOCRA_ACTION_RECEIVE);
        return;
    case MOCRA_EVENT_FAILED:
        fail(machine, update, MOCRA_ACTION_NEXT_ADDRESS, event.error);
        return;
    case MOCRA_EVENT_EVICT:
        move(machine, MOCRA_CONNECTION_CLOSING, update, MOCRA_ACTION_CLOSE);
        return;
    default:
        MOCRA_ASSERT(!"an event that a connecting connection cannot have");
    }
}

static void on_negotiating(machine_t *machine, event_t event, update_t *update) {
    bool broken = event.error == MOCRA_ERR_RESET || event.error == MOCRA_ERR_SEND_FAILED;
    switch (event.type) {
    case MOCRA_EVENT_NEGOTIATED:
        go_on(machine, update, 0);
        return;
    case MOCRA_EVENT_END:
        fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_PROXY_PROTOCOL);
        return;
    case MOCRA_EVENT_FAILED:
        fail(machine, update, MOCRA_ACTION_FAIL, broken ? MOCRA_ERR_PROXY_PROTOCOL : event.error);
        return;
    case MOCRA_EVENT_DEADLINE:
        fail(machine, update, MOCRA_ACTION_FAIL, event.error);
        return;
    case MOCRA_EVENT_CANCEL:
        fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_CANCELLED);
        return;
    default:
        MOCRA_ASSERT(!"an event that a negotiating connection cannot have");
    }
}

static void on_handshaking(machine_t *machine, event_t event, update_t *update) {
    switch (event.type) {
    case MOCRA_EVENT_HANDSHAKEN:
        if (event.multiplexed)
            move(machine, MOCRA_CONNECTION_MULTIPLEXED, update, MOCRA_ACTION_MULTIPLEX);
        else
            move(machine, MOCRA_CONNECTION_REQUESTING, update, MOCRA_ACTION_SEND);
        return;
    case MOCRA_EVENT_END:
        fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_TLS_PROTOCOL);
        return;
    case MOCRA_EVENT_FAILED:
    case MOCRA_EVENT_DEADLINE:
        fail(machine, update, MOCRA_ACTION_FAIL, event.error);
        return;
    case MOCRA_EVENT_CANCEL:
        fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_CANCELLED);
        return;
    default:
        MOCRA_ASSERT(!"an event that a handshaking connection cannot have");
    }
}

// A pooled connection that the server closed while the request was under way: the request was not answered,
// so one that may be repeated goes over another connection (RFC 9112 §9.3.1).
static bool is_stale(const machine_t *machine) {
    return machine->reused && machine->repeatable;
}

static void on_requesting(machine_t *machine, event_t event, update_t *update) {
    switch (event.type) {
    case MOCRA_EVENT_BYTES:
        move(machine, MOCRA_CONNECTION_RESPONDING, update, 0);
        return;
    case MOCRA_EVENT_END:
        fail(machine, update, is_stale(machine) ? MOCRA_ACTION_RETRY : MOCRA_ACTION_FAIL,
             MOCRA_ERR_CLOSED_EARLY);
        return;
    case MOCRA_EVENT_FAILED:
        fail(machine, update, is_stale(machine) ? MOCRA_ACTION_RETRY : MOCRA_ACTION_FAIL, event.error);
        return;
    case MOCRA_EVENT_DEADLINE:
        fail(machine, update, MOCRA_ACTION_FAIL, event.error);
        return;
    case MOCRA_EVENT_CANCEL:
        fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_CANCELLED);
        return;
    default:
        MOCRA_ASSERT(!"an event that a requesting connection cannot have");
    }
}

static void on_responding(machine_t *machine, event_t event, update_t *update) {
    switch (event.type) {
    case MOCRA_EVENT_BYTES:
        return;
    case MOCRA_EVENT_COMPLETE:
        machine->reused = true;
        if (event.keep_alive)
            move(machine, MOCRA_CONNECTION_IDLE, update, MOCRA_ACTION_FINISH | MOCRA_ACTION_RELEASE);
        else
            move(machine, MOCRA_CONNECTION_CLOSING, update, MOCRA_ACTION_FINISH | MOCRA_ACTION_CLOSE);
        return;
    case MOCRA_EVENT_END:
        if (event.body_whole)
            move(machine, MOCRA_CONNECTION_CLOSING, update, MOCRA_ACTION_FINISH | MOCRA_ACTION_CLOSE);
        else
            fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_BODY_SHORT);
        return;
    case MOCRA_EVENT_FAILED:
    case MOCRA_EVENT_DEADLINE:
        fail(machine, update, MOCRA_ACTION_FAIL, event.error);
        return;
    case MOCRA_EVENT_CANCEL:
        fail(machine, update, MOCRA_ACTION_FAIL, MOCRA_ERR_CANCELLED);
        return;
    default:
        MOCRA_ASSERT(!"an event that a responding connection cannot have");
    }
}

static void on_idle(machine_t *machine, event_t event, update_t *update) {
    switch (event.type) {
    case MOCRA_EVENT_ASSIGN:
        move(machine, MOCRA_CONNECTION_REQUESTING, update, MOCRA_ACTION_SEND);
        return;
    case MOCRA_EVENT_BYTES:  // bytes that nobody asked for: what they answer is unknown
    case MOCRA_EVENT_END:
    case MOCRA_EVENT_FAILED:
    case MOCRA_EVENT_EVICT:
        move(machine, MOCRA_CONNECTION_CLOSING, update, MOCRA_ACTION_CLOSE);
        return;
    default:
        MOCRA_ASSERT(!"an event that an idle connection cannot have");
    }
}

static void on_multiplexed(machine_t *machine, event_t event, update_t *update) {
    switch (event.type) {
    case MOCRA_EVENT_END:
        update->error = MOCRA_ERR_CLOSED_EARLY;
        break;
    case MOCRA_EVENT_FAILED:
        update->error = event.error;
        break;
    case MOCRA_EVENT_EVICT:
        break;
    default:
        MOCRA_ASSERT(!"an event that a multiplexed connection cannot have");
    }
    move(machine, MOCRA_CONNECTION_CLOSING, update, MOCRA_ACTION_CLOSE);
}

void mocra_connection_step(machine_t *machine, event_t event, update_t *update) {
    update->actions = 0;
    update->error = MOCRA_OK;
    switch (machine->state) {
    case MOCRA_CONNECTION_FREE:
        MOCRA_ASSERT(event.type == MOCRA_EVENT_OPEN);
        machine->reused = false;
        move(machine, MOCRA_CONNECTION_CONNECTING, update, MOCRA_ACTION_CONNECT);
        return;
    case MOCRA_CONNECTION_CONNECTING:
        on_connecting(machine, event, update);
        return;
    case MOCRA_CONNECTION_NEGOTIATING:
        on_negotiating(machine, event, update);
        return;
    case MOCRA_CONNECTION_HANDSHAKING:
        on_handshaking(machine, event, update);
        return;
    case MOCRA_CONNECTION_REQUESTING:
        on_requesting(machine, event, update);
        return;
    case MOCRA_CONNECTION_RESPONDING:
        on_responding(machine, event, update);
        return;
    case MOCRA_CONNECTION_IDLE:
        on_idle(machine, event, update);
        return;
    case MOCRA_CONNECTION_MULTIPLEXED:
        on_multiplexed(machine, event, update);
        return;
    case MOCRA_CONNECTION_CLOSING:
        // Completions of cancelled operations and deadlines that crossed the close arrive late; only the last
        // of them matters.
        if (event.type == MOCRA_EVENT_DRAINED)
            move(machine, MOCRA_CONNECTION_FREE, update, MOCRA_ACTION_RECYCLE);
        return;
    default:
        MOCRA_ASSERT(!"a state that does not exist");
    }
}
