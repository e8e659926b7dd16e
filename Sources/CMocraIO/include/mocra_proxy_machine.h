// What is said to a proxy before a connection through it stands: CONNECT (RFC 9110 §9.3.6) or SOCKS5 (RFC
// 1928, with RFC 1929 for name and password). Pure: bytes in, bytes out; no socket, no clock. What it keeps
// is bounded by MOCRA_PROXY_ANSWER_BYTES_MAX.
#ifndef MOCRA_PROXY_MACHINE_H
#define MOCRA_PROXY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_address.h"
#include "mocra_decode.h"
#include "mocra_error.h"

#define MOCRA_PROXY_ANSWER_BYTES_MAX 16384u
#define MOCRA_PROXY_FIELD_BYTES_MAX 255u  // of a host, a user name, a password

typedef enum mocra_proxy_type {
    MOCRA_PROXY_FORWARD = 1,  // the request itself names the origin (absolute form); nothing is negotiated
    MOCRA_PROXY_CONNECT = 2,
    MOCRA_PROXY_SOCKS5 = 3,
} mocra_proxy_type;

// Where a tunnel leads, and as whom it is asked for. The texts are the caller's and outlive the negotiation.
typedef struct mocra_proxy_target {
    uint8_t type;      // CONNECT or SOCKS5
    bool by_name;      // ask for `host`; else for `address`
    bool credentials;  // offer user name and password, which may be empty
    uint8_t host_length;
    uint8_t username_length;
    uint8_t password_length;
    uint16_t port;
    const uint8_t *host;
    const uint8_t *username;
    const uint8_t *password;
    mocra_address address;
} mocra_proxy_target;

typedef struct mocra_negotiation {
    mocra_proxy_target target;
    uint8_t state;
    uint8_t interim;    // interim answers that were passed over
    size_t scanned;     // bytes of `input` that hold no whole head
    mocra_bytes input;  // the answer so far
} mocra_negotiation;

// Starts: appends the first message to `output`. MEMORY.
int mocra_negotiation_begin(mocra_negotiation *negotiation, const mocra_proxy_target *target,
                            mocra_bytes *output);
// Takes what the proxy said and appends what is to be answered. MOCRA_OK: the tunnel stands, and its first
// byte is the next that comes. MOCRA_MORE, or PROXY_AUTH, PROXY_REFUSED, PROXY_PROTOCOL, MEMORY with
// `reason`. Not to be called again after anything but MOCRA_MORE.
int mocra_negotiation_step(mocra_negotiation *negotiation, const uint8_t *data, size_t length,
                           mocra_bytes *output, char *reason, size_t reason_size);
void mocra_negotiation_free(mocra_negotiation *negotiation);

#endif
