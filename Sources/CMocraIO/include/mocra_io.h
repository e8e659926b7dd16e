// A fetch loop: one thread's connections, buffers and fetches over io_uring or epoll. The whole public face
// of CMocraIO beside its pure parts (mocra_http1.h, mocra_*_machine.h, …).
//
// One thread creates a loop, uses it and destroys it; only mocra_loop_wake may be called from others, and
// what a mocra_response points to may be read by others until it is released. No callbacks: completions are
// polled.
#ifndef MOCRA_IO_H
#define MOCRA_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_address.h"
#include "mocra_error.h"
#include "mocra_http1.h"
#include "mocra_proxy_machine.h"

#define MOCRA_REASON_BYTES 256

typedef struct mocra_loop mocra_loop;

typedef struct mocra_loop_options {
    uint32_t receive_buffers;             // of 64 KiB each, 1…32768
    uint32_t connections_max;             // open at once
    uint32_t connections_per_origin_max;  // an origin is scheme, host and port
    uint32_t streams_per_connection_max;  // over HTTP/2; the server may allow fewer
    uint32_t fetches_max;                 // begun and not released, at most 2^24
    uint32_t header_bytes_max;
    uint32_t ratio_max;       // decoded ÷ received bytes
    uint64_t body_bytes_max;  // decoded; what is longer is cut and flagged
    uint64_t pool_idle_ns;
    bool verify_tls;
    bool public_addresses_only;
    // Paths of PEM files, read once; NULL for none.
    const char *ca_file;      // NULL: the system's store
    const char *crl_file;     // refuses what its lists revoke; issuers without a list are not checked
    const char *client_cert;  // shown to every server that asks for one; with client_key
    const char *client_key;
    uint16_t tls_version_min;  // 0x0303 (TLS 1.2) or 0x0304
    // Name resolution; the texts are copied.
    const char *dns_servers;      // "address[:port]", separated by commas; NULL: those of /etc/resolv.conf
    const char *dns_given;        // "host:port:address[,address]" a line, wins over everything; or NULL
    const char *hosts_file;       // NULL: /etc/hosts
    uint32_t dns_cache_max;       // names; 0: no cache
    uint32_t dns_timeout_ms;      // for each attempt at a server; 0: 2,000
    uint32_t dns_tries;           // attempts at each server; 0: 2
    mocra_families dns_families;  // which are asked for
    uint64_t pool_max_age_ns;     // an older connection is closed instead of pooled; 0: no limit
    const char *bind_address;     // local address that connections come from; NULL: the system chooses
} mocra_loop_options;

// The proxy of one fetch.
typedef struct mocra_proxy_options {
    uint8_t type;  // mocra_proxy_type
    // The proxy may resolve the origin's name. Else the name is looked up here, checked like every address
    // that is connected to, and the proxy is given the address. FORWARD needs it, or any address allowed.
    bool resolves;
    bool credentials;
    uint16_t port;
    const uint8_t *text;  // host, user name and password in a row, each at most 255 bytes; copied
    uint32_t host_length;
    uint32_t username_length;
    uint32_t password_length;
} mocra_proxy_options;

// What one fetch wants. Durations in ns.
typedef struct mocra_fetch_options {
    const uint8_t *host;  // name, or address (IPv6 in brackets); copied
    uint32_t host_length;
    uint16_t port;
    bool secure;  // https
    bool head;    // the request's method is HEAD
    bool
        repeatable;  // idempotent: may be sent again over another connection when a pooled one turns out dead
    uint64_t tag;    // comes back in the completion
    uint64_t total_ns;
    uint64_t connect_ns;  // for the names, then once more for all of connecting: every address, proxy, TLS
    uint64_t first_byte_ns;
    uint64_t idle_ns;
    bool notify_requested;  // say so when the request has left (MOCRA_REQUESTED)
    bool http2;             // offer HTTP/2 when a connection is made (https)
    bool resends;           // may be sent again at once when an HTTP/2 server turned it away unread
    bool stream_body;       // the body is handed out in pieces while it arrives (MOCRA_HEAD, MOCRA_PIECES)
    bool stream_content;    // the request's content follows by mocra_fetch_push
    bool content_chunked;   // and is framed in chunks over HTTP/1.1
    // How many bytes of the request go before the server said 100 Continue, or a second has passed (RFC 9110
    // §10.1.1); 0: all of them. HTTP/2 does not wait.
    uint32_t expect_bytes;
    uint64_t body_bytes_max;           // decoded; 0: the loop's
    uint64_t min_bytes_per_s;          // averaged over the body; 0: no minimum
    const mocra_proxy_options *proxy;  // NULL: none
} mocra_fetch_options;

typedef struct mocra_slice {
    const uint8_t *data;
    uint64_t length;
} mocra_slice;

// A finished fetch. Times are points on CLOCK_MONOTONIC in ns, 0 when the phase did not happen.
typedef struct mocra_response {
    const uint8_t *head_data;  // what the spans of `head` count from; NULL when the fetch failed
    const mocra_http1_head *head;
    const mocra_slice *segments;  // the body, decoded, in order
    uint32_t segment_count;
    uint32_t flags;  // MOCRA_RESPONSE_…
    uint64_t body_bytes;
    uint64_t wire_bytes;  // head and body as they came over HTTP, chunk framing included
    uint64_t started_ns;
    uint64_t resolved_ns;
    uint64_t connected_ns;
    uint64_t proxied_ns;  // the tunnel through a proxy stood
    uint64_t secured_ns;
    uint64_t requested_ns;
    uint64_t first_byte_ns;
    uint64_t finished_ns;
    uint16_t tls_version;             // 0x0303, 0x0304; 0 without TLS
    const char *tls_cipher;           // its name in IANA's registry, or NULL; lives as long as the process
    char reason[MOCRA_REASON_BYTES];  // more on an error, or empty
} mocra_response;

#define MOCRA_RESPONSE_TRUNCATED \
    1u  // the body was cut at body_bytes_max, or its end was not authenticated by TLS
#define MOCRA_RESPONSE_REUSED 2u        // came over a pooled connection
#define MOCRA_RESPONSE_HTTP2 4u         // came over HTTP/2; the head is written as HTTP/1.1 would have it
#define MOCRA_RESPONSE_TLS_RESUMED 64u  // its connection resumed the TLS session of an earlier one

// Not errors, and not the fetch's end: with stream_body, the head is there (mocra_fetch_response has it), and
// there is something for mocra_fetch_take_piece. Both come before the fetch's completion.
#define MOCRA_HEAD 2
#define MOCRA_PIECES 3
// The same, with stream_content: there is room for more after MOCRA_MORE.
#define MOCRA_ROOM 4

// A piece of a streamed body, which whoever took it holds until mocra_piece_release. It outlives the fetch's
// slot, but not the loop.
typedef struct mocra_piece {
    const uint8_t *data;
    uint64_t length;
    uint64_t token;   // of the fetch
    uint32_t buffer;  // the loop's own
} mocra_piece;

// Not an error: the request of this fetch was handed to the kernel during this turn. Comes before the fetch's
// completion, again when the request is sent again, and never for a pending fetch that fails before.
#define MOCRA_REQUESTED 1

typedef struct mocra_completion {
    uint64_t token;
    uint64_t tag;
    int32_t error;  // MOCRA_OK or a code of mocra_error.h; no completion: MOCRA_REQUESTED, _HEAD, …
    uint16_t status;
} mocra_completion;

typedef struct mocra_loop_statistics {
    uint32_t fetches;      // slots in use: begun and not released
    uint32_t connections;  // open, opening or closing
    uint32_t connections_idle;
    uint32_t buffers_total;
    uint32_t buffers_leased;    // receive and plaintext buffers held by responses
    uint64_t stream_bytes;      // of streamed bodies under way: arrived, and not given back by their readers
    uint64_t body_copies;       // bodies that were copied beyond kernel, TLS and decoder
    uint64_t buffer_shortages;  // receives that found no buffer
    bool io_uring;              // else epoll
    uint64_t tls_handshakes_full;
    uint64_t tls_handshakes_resumed;
    bool buffer_ring;
    bool multishot_receive;
    bool defer_taskrun;
} mocra_loop_statistics;

// Opens a loop for the calling thread. RING_UNAVAILABLE, DESCRIPTORS, MEMORY, TLS_CA_FILE, TLS_FILE,
// TLS_CLIENT_CERT, DNS_SETTINGS; `reason` (MOCRA_REASON_BYTES) then says why, for a person.
int mocra_loop_create(const mocra_loop_options *options, mocra_loop **out, char *reason);
// Every fetch must have been released. Closes every descriptor.
void mocra_loop_destroy(mocra_loop *loop);

// One turn: submits, waits up to `timeout_ns` (UINT64_MAX: no limit) for something to happen, handles it, and
// hands out up to `max` finished fetches. Returns how many. Returns early when woken.
unsigned mocra_loop_turn(mocra_loop *loop, uint64_t timeout_ns, mocra_completion *completions, unsigned max);
// Makes a turn return. Any thread.
void mocra_loop_wake(mocra_loop *loop);
// The time at the last turn, ns on CLOCK_MONOTONIC.
uint64_t mocra_loop_now(const mocra_loop *loop);
void mocra_loop_read_statistics(const mocra_loop *loop, mocra_loop_statistics *out);
// Why it is not io_uring that drives the loop, for a person; empty when it is. Lives as long as the loop.
const char *mocra_loop_driver_reason(const mocra_loop *loop);

// Takes a fetch slot with room for a request of `request_capacity` bytes, which the caller writes at *request
// (owned by the loop). BUSY when fetches_max are taken, MEMORY.
int mocra_fetch_begin(mocra_loop *loop, uint32_t request_capacity, uint64_t *token, uint8_t **request);
// Sends the request that was written. Whatever comes of it comes as one completion.
void mocra_fetch_start(mocra_loop *loop, uint64_t token, uint32_t request_length,
                       const mocra_fetch_options *options);
// Hands over the next content of a started request with stream_content; `last`: there is no more. Copied.
// MOCRA_OK; MOCRA_MORE: taken, but wait for MOCRA_ROOM with the next; MEMORY: then the fetch fails. A fetch
// that has finished takes nothing, and says MOCRA_OK.
int mocra_fetch_push(mocra_loop *loop, uint64_t token, const uint8_t *data, size_t length, bool last);
// Ends a started fetch at once; its completion carries CANCELLED unless it was already finished.
void mocra_fetch_cancel(mocra_loop *loop, uint64_t token);
// Cancels every fetch that was started and has not finished.
void mocra_loop_cancel_all(mocra_loop *loop);
// The next piece of a streamed body that has arrived; false when there is none. Until it is given back it
// counts against the window within which the server may send on. Before the fetch is released.
bool mocra_fetch_take_piece(mocra_loop *loop, uint64_t token, mocra_piece *out);
void mocra_piece_release(mocra_loop *loop, const mocra_piece *piece);
// The response of a completed fetch, or of a streamed one after MOCRA_HEAD; valid until it is released.
const mocra_response *mocra_fetch_response(mocra_loop *loop, uint64_t token);
// Gives the slot and all its buffers back. Every begun fetch is released once: when its completion was
// polled, or before it was started. A token of an earlier generation ends the process.
void mocra_fetch_release(mocra_loop *loop, uint64_t token);

// A pointer of the calling thread, NULL at first: how code finds out that it runs on a loop's thread.
void mocra_thread_set_current(const void *current);
const void *mocra_thread_current(void);
// Names the calling thread for tools such as top and gdb; Linux keeps 15 bytes.
void mocra_thread_set_name(const char *name);

#endif
