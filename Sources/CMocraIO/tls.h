// TLS for clients: bytes in, bytes out. Received ciphertext is read where it lies, ciphertext to send is
// appended to an array; no descriptor. Sessions are resumed by host and port; their age is read from the
// wall clock.
#ifndef MOCRA_TLS_H
#define MOCRA_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_decode.h"
#include "mocra_error.h"

// The peer ended the stream with close_notify.
#define MOCRA_TLS_END 2

typedef struct mocra_tls_context mocra_tls_context;
typedef struct mocra_tls mocra_tls;

// Paths of PEM files, or NULL. They are read once, when the context is made.
typedef struct mocra_tls_options {
    bool verify;
    uint16_t min_version;     // 0x0303 for TLS 1.2 (as 0), 0x0304 for TLS 1.3
    const char *ca_file;      // NULL: the system's store, which is loaded once a process
    const char *crl_file;     // revocation lists of any number of issuers
    const char *client_cert;  // with its chain; given to every server that asks for one
    const char *client_key;
} mocra_tls_options;

typedef struct mocra_tls_statistics {
    uint64_t handshakes_full;
    uint64_t handshakes_resumed;
} mocra_tls_statistics;

// What was agreed on; valid after the handshake.
typedef struct mocra_tls_facts {
    uint16_t version;    // 0x0303, 0x0304
    bool resumed;        // with a session of an earlier connection
    const char *cipher;  // its name in IANA's registry; lives as long as the process
} mocra_tls_facts;

// TLS_CA_FILE, TLS_FILE, TLS_CLIENT_CERT or MEMORY; `reason` then says why. Appends the sessions' secrets to
// the file that the environment variable SSLKEYLOGFILE names (made with mode 0600), so that captured traffic
// can be read.
int mocra_tls_context_create(const mocra_tls_options *options, mocra_tls_context **out, char *reason,
                             size_t reason_size);
// Whether making the context reads files that may be wrong.
bool mocra_tls_options_name_files(const mocra_tls_options *options);
// Every connection must be gone.
void mocra_tls_context_destroy(mocra_tls_context *context);
mocra_tls_statistics mocra_tls_context_statistics(const mocra_tls_context *context);

// A connection to `host`: its name goes into SNI unless it is an address, and the certificate must be for it.
// Offers a session of an earlier connection to host and port, and HTTP/2 before HTTP/1.1 when `offer_http2`
// (ALPN, RFC 7301).
int mocra_tls_create(mocra_tls_context *context, const uint8_t *host, size_t length, uint16_t port,
                     bool offer_http2, mocra_tls **out);
void mocra_tls_destroy(mocra_tls *tls);
// Ciphertext to read from; stays valid until mocra_tls_handshake or mocra_tls_read returned MOCRA_MORE.
void mocra_tls_input(mocra_tls *tls, const uint8_t *data, size_t length);
// MOCRA_OK when the handshake is done, MOCRA_MORE when more input is needed, or TLS_…; `reason` then says
// why, and the output holds the alert for the server.
int mocra_tls_handshake(mocra_tls *tls, char *reason, size_t reason_size);
// After the handshake: whether the server chose HTTP/2. One that chose nothing speaks HTTP/1.1.
bool mocra_tls_is_http2(const mocra_tls *tls);
mocra_tls_facts mocra_tls_describe(const mocra_tls *tls);
// Decrypts up to `capacity` bytes: MOCRA_OK with *length > 0, MOCRA_MORE, MOCRA_TLS_END or TLS_PROTOCOL.
int mocra_tls_read(mocra_tls *tls, uint8_t *data, size_t capacity, size_t *length);
// After a failed read: which alert the server sent, if it was one; else leaves `reason` as it is.
void mocra_tls_reason(const mocra_tls *tls, char *reason, size_t reason_size);
// After a read that gave something: whether all input was used, so that another could only say MOCRA_MORE.
bool mocra_tls_is_dry(const mocra_tls *tls);

// Encrypts all of `data` into the output. TLS_PROTOCOL or MEMORY.
int mocra_tls_write(mocra_tls *tls, const uint8_t *data, size_t length);
// Adds close_notify to the output where the stream is sound (RFC 8446 §6.1). Nothing may be written after it.
void mocra_tls_finish(mocra_tls *tls);
// What is to be sent. The caller takes it away (swaps the array for an empty one).
mocra_bytes *mocra_tls_output(mocra_tls *tls);

#endif
