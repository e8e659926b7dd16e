// The life of one connection as a pure machine: an event in, a set of actions out. It knows no socket, no
// clock and no driver; the driver runs the actions in the order of their bits and owns every resource.
//
//   FREE → CONNECTING → (NEGOTIATING) → (HANDSHAKING) → REQUESTING → RESPONDING → IDLE → REQUESTING …
//                        HANDSHAKING  → MULTIPLEXED (HTTP/2: its fetches are streams, which end by
//                        themselves)
//   every state but FREE → CLOSING → FREE
#ifndef MOCRA_CONNECTION_MACHINE_H
#define MOCRA_CONNECTION_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "mocra_error.h"

typedef enum mocra_connection_state {
    MOCRA_CONNECTION_FREE = 0,
    MOCRA_CONNECTION_CONNECTING = 1,   // one attempt of a race; exits: CONNECTED, FAILED, EVICT
    MOCRA_CONNECTION_HANDSHAKING = 2,  // exits: HANDSHAKEN, FAILED, END, DEADLINE, CANCEL
    MOCRA_CONNECTION_REQUESTING =
        3,  // sent or being sent, no byte of the answer yet; exits: BYTES, FAILED, END, …
    MOCRA_CONNECTION_RESPONDING = 4,   // exits: COMPLETE, FAILED, END, DEADLINE, CANCEL
    MOCRA_CONNECTION_IDLE = 5,         // in the pool; exits: ASSIGN, BYTES, FAILED, END, EVICT
    MOCRA_CONNECTION_CLOSING = 6,      // operations are being cancelled; exits: DRAINED
    MOCRA_CONNECTION_MULTIPLEXED = 7,  // serves any number of fetches; exits: FAILED, END, EVICT
    MOCRA_CONNECTION_NEGOTIATING = 8,  // with a proxy; exits: NEGOTIATED, FAILED, END, DEADLINE, CANCEL
} mocra_connection_state;

typedef enum mocra_connection_event_type {
    MOCRA_EVENT_OPEN = 0,  // a socket and an address are there, for a fetch
    MOCRA_EVENT_CONNECTED = 1,
    MOCRA_EVENT_HANDSHAKEN = 2,
    MOCRA_EVENT_ASSIGN = 3,    // the pool gives this idle connection to a fetch
    MOCRA_EVENT_BYTES = 4,     // plaintext arrived, before it is parsed
    MOCRA_EVENT_COMPLETE = 5,  // the response is whole; keep_alive: the connection may go on
    MOCRA_EVENT_END = 6,       // orderly end of the stream; body_whole: that completes the response
    MOCRA_EVENT_FAILED = 7,    // connect, handshake, send, receive, parse or decode failed with `error`
    MOCRA_EVENT_DEADLINE = 8,  // a deadline of the fetch passed, with `error`
    MOCRA_EVENT_CANCEL = 9,    // the fetch is not wanted any more
    // The pool wants the place, or the connection was idle too long; while connecting: the attempt is not
    // wanted any more.
    MOCRA_EVENT_EVICT = 10,
    MOCRA_EVENT_DRAINED = 11,     // no operation is in flight any more
    MOCRA_EVENT_NEGOTIATED = 12,  // the proxy's tunnel stands
} mocra_connection_event_type;

typedef struct mocra_connection_event {
    uint8_t type;
    bool keep_alive;
    bool body_whole;
    bool multiplexed;  // HANDSHAKEN: the protocol that was agreed on is HTTP/2
    int error;
} mocra_connection_event;

// Actions, run in this order.
#define MOCRA_ACTION_CONNECT 0x001u       // start to connect
#define MOCRA_ACTION_RECEIVE 0x002u       // begin to receive
#define MOCRA_ACTION_HANDSHAKE 0x004u     // start TLS
#define MOCRA_ACTION_SEND 0x008u          // send the fetch's request
#define MOCRA_ACTION_FINISH 0x010u        // the fetch is done, its response whole
#define MOCRA_ACTION_NEXT_ADDRESS 0x020u  // this attempt failed with `error`; the race goes on without it
#define MOCRA_ACTION_RETRY 0x040u         // the fetch goes back to the pool for another connection
#define MOCRA_ACTION_FAIL 0x080u          // the fetch fails with `error`
#define MOCRA_ACTION_RELEASE 0x100u       // give the connection back to the pool
#define MOCRA_ACTION_CLOSE 0x200u         // tell the pool, cancel operations, close once they are drained
#define MOCRA_ACTION_RECYCLE 0x400u       // nothing refers to the slot any more
#define MOCRA_ACTION_MULTIPLEX 0x800u     // the fetch and those that wait for its origin become streams
#define MOCRA_ACTION_NEGOTIATE 0x1000u    // ask the proxy for a tunnel (the order does not matter)

typedef struct mocra_connection_machine {
    uint8_t state;
    bool secure;      // set by the driver before OPEN
    bool proxied;     // set by the driver before OPEN: a proxy is to be asked for a tunnel
    bool reused;      // at least one exchange is behind it
    bool repeatable;  // set by the driver with OPEN and ASSIGN: the request may be sent twice (RFC 9110
                      // §9.2.2)
} mocra_connection_machine;

typedef struct mocra_connection_update {
    uint32_t actions;
    int error;
} mocra_connection_update;

// Every (state, event) pair is decided; a late event after CLOSING changes nothing.
void mocra_connection_step(mocra_connection_machine *machine, mocra_connection_event event,
                           mocra_connection_update *update);

#endif
