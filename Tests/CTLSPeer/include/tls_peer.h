// A TLS server for one connection, which does after the handshake what servers seldom do and tells how the
// client behaved. For tests.
#ifndef MOCRA_TLS_PEER_H
#define MOCRA_TLS_PEER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *certificate_path;  // PEM, like the key
    const char *key_path;
    // Once it has the request's head it does one of these so often before it answers.
    uint32_t key_updates;     // RFC 8446 §4.6.3, each asking for one in return
    uint32_t renegotiations;  // RFC 5246 §7.4.1.1; the connection is TLS 1.2 if this is not 0
    bool ends_with_answer;    // in one segment with it
    bool notifies;            // and says so before: close_notify (RFC 8446 §6.1)
} mocra_tls_peer_plan;

typedef struct {
    bool handshaken;
    bool answered;
    bool closed_in_order;  // close_notify came (RFC 8446 §6.1)
    uint32_t done;         // how many key updates or renegotiations it was rid of
    int alert;             // the last alert that came, other than close_notify; -1: none
} mocra_tls_peer_report;

// A socket that listens on a free port of 127.0.0.1, or -1.
int mocra_tls_peer_listen(uint16_t *port);

// Serves the next connection of `listener` to its end, with a 200 and the body "ok". Blocks; a step that
// takes 20 s ends it. False if there was no connection, or the plan's files cannot be used.
bool mocra_tls_peer_serve(int listener, const mocra_tls_peer_plan *plan, mocra_tls_peer_report *report);

#endif
