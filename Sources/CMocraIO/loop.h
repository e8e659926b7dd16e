// What the files of the driver share: the loop, its fetches, connections and buffers.
//   loop.c        the turn: events in, completions out
//   fetch.c       fetch slots: begin, resolve, acquire, finish, release
//   race.c        from a place in the pool to a connected socket: the attempts over a host's addresses
//   proxy.c       what a fetch through a proxy needs beyond that
//   keep.c        how long a connection is kept
//   handshakes.c  how many TLS handshakes are under way at once
//   connection.c  connection slots: runs the actions of the connection machine
//   receive.c     received bytes: TLS, head, body, decoding, deadlines of a response
//   buffers.c     who holds which buffer
#ifndef MOCRA_LOOP_H
#define MOCRA_LOOP_H

#include "dns.h"
#include "mocra_assert.h"
#include "mocra_connection_machine.h"
#include "mocra_decode.h"
#include "mocra_driver.h"
#include "mocra_io.h"
#include "mocra_pool_machine.h"
#include "mocra_proxy_machine.h"
#include "mocra_race_machine.h"
#include "mocra_timers.h"
#include "slabs.h"
#include "tls.h"

#define SEGMENTS_MAX 16
#define FETCHES_PER_CHUNK 64
// Few, since a reap may read sockets: what it read is used while caches still have it.
#define EVENTS_PER_REAP 8
#define EVENTS_PER_TURN_MAX 1024
#define HOST_BYTES_MAX 255
#define INTERIM_RESPONSES_MAX 16
// For so long after its first byte an answer may be as slow as it likes.
#define SLOW_GRACE_NS 1000000000u
// How much of a streamed body may lie with its reader before the server has to wait.
#define STREAM_WINDOW_BYTES (256u << 10)
// Ciphertext that reading one answer may make: key updates and alerts take some 30 bytes each.
#define TLS_CHATTER_BYTES_MAX 16384u
#define PLAINTEXT_BYTES MOCRA_RECEIVE_BUFFER_BYTES
// A buffer number that means: the bytes are gone when the call returns.
#define TRANSIENT MOCRA_NONE

typedef enum fetch_state {
    FETCH_FREE = 0,
    FETCH_BEGUN,       // the caller writes the request
    FETCH_RESOLVING,   // waits for addresses
    FETCH_WAITING,     // waits for a place in the pool
    FETCH_ACTIVE,      // on a connection, or a stream of one
    FETCH_FINISHED,    // completed, held by the caller
    FETCH_CONNECTING,  // has a place in the pool, and attempts under way
} fetch_state;

// How long the content waits for 100 Continue.
#define CONTINUE_NS 1000000000u
// Content that lies here before whoever pushes it has to wait.
#define CONTENT_BYTES_MAX (128u << 10)
#define CONTENT_PUSHED_MAX (1u << 30)

// What is to be told of a streamed fetch.
#define NOTICE_HEAD 1u
#define NOTICE_PIECES 2u
#define NOTICE_ROOM 4u

typedef enum fetch_phase {
    PHASE_CONNECT = 0,  // looking up, or connecting until the request can be sent
    PHASE_CONTINUE,     // the head is out, the server may say whether it wants the content
    PHASE_FIRST_BYTE,
    PHASE_IDLE,
} fetch_phase;

// The proxy of a fetch; it owns the texts that `target` points to.
typedef struct fetch_proxy {
    mocra_proxy_target target;
    bool resolves;   // the proxy may resolve the origin's name
    bool asks_host;  // what is looked up is the proxy's own name, no more the origin's
    uint8_t host_length;
    uint16_t port;
    uint8_t host[MOCRA_PROXY_FIELD_BYTES_MAX + 1];
    uint8_t username[MOCRA_PROXY_FIELD_BYTES_MAX];
    uint8_t password[MOCRA_PROXY_FIELD_BYTES_MAX];
} fetch_proxy;

// What names an origin in the pool: kind, port and host, then the same of the proxy with its credentials.
#define POOL_KEY_BYTES_MAX (4u + HOST_BYTES_MAX + 8u + 3u * MOCRA_PROXY_FIELD_BYTES_MAX)

typedef struct fetch {
    uint32_t index;
    uint32_t generation;
    uint8_t state;
    uint8_t phase;
    bool secure;
    bool head;
    bool repeatable;
    bool retried;  // its connection was stale: the next one is to be fresh, and is the last try
    bool notify_requested;
    bool is_noted;  // in the list of fetches whose request is on its way
    bool copying;   // the body goes to memory of its own
    bool http2;     // may go over HTTP/2
    bool resends;
    bool refused;      // the server refused the stream unread: it may go again, whatever the method
    bool wants_fresh;  // a used connection had ended: it goes over a new one, unless it has to wait
    uint8_t refusals;
    uint8_t interim_responses;
    uint16_t port;
    uint16_t host_length;
    int32_t error;
    uint32_t connection;                   // MOCRA_NONE unless active
    uint32_t origin;                       // in the pool, while connecting
    uint32_t attempts[MOCRA_RACE_PLACES];  // connections, while connecting; else MOCRA_NONE
    int32_t race_error;                    // why the attempts so far failed
    mocra_race race;
    fetch_proxy *proxy;  // NULL: none
    uint32_t next;       // free list, or completion queue
    uint32_t next_noted;
    int32_t stream;        // its number on an HTTP/2 connection
    uint32_t stream_next;  // the connection's streams
    uint32_t stream_previous;
    uint32_t content_sent;  // bytes of the request that went into TLS, or into the stream
    uint32_t out_limit;     // how many bytes of the request may go
    uint32_t expect_bytes;
    bool streams_content;  // some of it comes by push, so that it cannot be sent twice
    bool content_open;     // more content will be pushed
    bool content_chunked;
    bool wants_room;       // whoever pushes waits
    int32_t stream_error;  // why we reset the stream
    bool streams_body;
    bool is_paused;   // its reader holds a window's worth
    uint8_t notices;  // NOTICE_…
    uint32_t next_notice;
    uint32_t segments_taken;
    uint32_t window_debt;  // bytes of an HTTP/2 stream whose window is not opened again yet
    uint64_t held_bytes;   // of a streamed body, arrived and not given back
    uint64_t body_bytes_max;
    uint64_t min_bytes_per_s;
    uint64_t paused_at;
    uint64_t paused_ns;  // in all: the reader's time does not count against the server
    uint64_t
        slow_deadline;  // when the answer is too slow unless more of it comes; MOCRA_NEVER without a minimum
    uint64_t tag;
    uint64_t total_deadline;
    uint64_t phase_deadline;
    uint64_t connect_ns;
    uint64_t first_byte_ns;
    uint64_t idle_ns;
    mocra_bytes request;
    mocra_bytes content;    // pushed and not on its way
    mocra_bytes head_copy;  // the head when it did not lie whole in one buffer
    mocra_bytes body;       // the body when it is decoded or was copied
    mocra_decoder *decoder;
    mocra_http1_body framing;
    uint32_t head_buffer;  // MOCRA_NONE when head_copy holds it
    uint32_t segment_count;
    mocra_slice segments[SEGMENTS_MAX];
    uint32_t segment_buffers[SEGMENTS_MAX];
    mocra_response response;
    mocra_addresses addresses;
    char host[HOST_BYTES_MAX + 1];
    mocra_http1_head parsed;
} fetch;

typedef struct http2_session http2_session;
typedef struct connection connection;

// Connections by the order in which they came.
typedef struct handshake_list {
    connection *first;
    connection *last;
    uint32_t count;
} handshake_list;

struct connection {
    uint32_t index;
    uint32_t generation;
    int fd;
    uint32_t fetch;  // MOCRA_NONE while idle or closing
    uint32_t origin;
    uint32_t next_free;
    uint8_t operations;  // in flight
    uint8_t entered;     // calls under way that use the slot
    bool connecting;
    bool receiving;
    bool sending;
    bool starved;    // a receive found no buffer
    bool is_paused;  // nothing is received until the reader of a streamed body caught up
    bool pooled;     // bound in the pool
    bool asked;      // some of the request is out, so bytes may answer it
    bool was_reset;  // a send was told; the kernel says it once
    bool note_due;   // the fetch is to be noted as requested with the next bytes that go
    bool is_dirty;   // in the list of those whose streams have something to send
    uint32_t next_dirty;
    http2_session *http2;  // NULL unless multiplexed
    uint32_t tls_chatter;  // ciphertext that reading made, not asked for by a request
    uint8_t place;         // in the race of its fetch, while connecting
    uint32_t uses_left;    // answers that it may still bring
    uint64_t opened_ns;
    uint64_t keep_ns;                // how long it may be idle by what the server said
    uint64_t keep_until;             // while idle
    mocra_negotiation *negotiation;  // while a proxy is asked
    uint32_t next_starved;
    uint32_t sent;  // bytes of `outgoing` that are out
    mocra_connection_machine machine;
    mocra_tls *tls;
    mocra_bytes outgoing;      // what the kernel reads
    mocra_bytes head_partial;  // a head that is not whole yet
    size_t head_scanned;
    mocra_address address;
    handshake_list *handshakes;  // where it is listed, or NULL
    connection *next_handshake;
    connection *previous_handshake;
    uint64_t handshake_ns;  // when its handshake began
};

typedef struct buffer_table {
    uint16_t *references;  // receive buffers, then plaintext buffers
    uint8_t **plaintext;   // by number - receive_count; made when first needed
    uint32_t *plaintext_free;
    uint32_t plaintext_free_count;
    uint32_t plaintext_made;
    uint32_t receive_count;
    uint32_t plaintext_max;
    uint32_t leased;
} buffer_table;

struct mocra_loop {
    mocra_loop_options options;
    mocra_address bind_address;  // its length is 0 when there is none
    mocra_driver *driver;
    mocra_resolver *resolver;
    mocra_pool *pool;
    mocra_tls_context *tls;             // made when first needed
    handshake_list handshakes_young;    // under way, and counting
    handshake_list handshakes_waiting;  // connected; to begin when others are done
    buffer_table buffers;
    mocra_decoders *decoders;
    mocra_timers timers;         // by fetch
    mocra_timers keeps;          // by connection: when an idle one that may not be kept for pool_idle_ns goes
    uint32_t descriptors_freed;  // sockets closed while descriptors were short
    uint64_t descriptors_retry;  // when to try whether there are some again
    uint32_t descriptors_seen;   // how often a loop of the process had asked for some, when last looked at
    mocra_loop *next_loop;       // of the process
    fetch **fetch_chunks;
    uint32_t fetch_chunks_count;
    uint32_t fetches_made;
    uint32_t fetches_free;  // first of the free list
    uint32_t fetches_used;
    uint32_t fetches_active;  // on a connection or waiting for the network
    connection **connections;
    uint32_t connections_made;
    uint32_t connections_capacity;
    uint32_t connections_free;
    uint32_t connections_used;
    uint32_t starved_first;
    uint32_t dirty_first;
    mocra_slabs *slabs;  // memory of HTTP/2 sessions; made when first needed
    uint32_t completed_first;
    uint32_t completed_last;
    uint32_t noted_first;      // requests that reach the kernel with the next wait
    uint32_t requested_first;  // requests that reached it
    uint32_t notices_first;    // streamed fetches with something to tell, in their order
    uint32_t notices_last;
    uint64_t now;
    bool eager_wait;   // the last wait for a batch brought nothing
    uint8_t *scratch;  // plaintext when no plaintext buffer is left
    uint64_t body_copies;
    uint64_t buffer_shortages;
};

// loop.c
// Reads the clock into loop->now.
void loop_read_clock(mocra_loop *loop);
// Makes loop->tls when there is none yet. `reason` (MOCRA_REASON_BYTES) says why not.
int loop_make_tls(mocra_loop *loop, char *reason);

// buffers.c
int buffers_create(buffer_table *table, uint32_t receive_count, uint32_t plaintext_max);
void buffers_destroy(buffer_table *table);
void buffer_retain(mocra_loop *loop, uint32_t buffer);
// Gives the buffer back once nobody holds it.
void buffer_release(mocra_loop *loop, uint32_t buffer);
// A plaintext buffer with one reference, or TRANSIENT and the loop's scratch memory when none is left.
uint32_t buffer_take_plaintext(mocra_loop *loop, uint8_t **data);
// Whether so few receive buffers are left that what arrives is copied.
bool buffers_are_short(const mocra_loop *loop);

// fetch.c
fetch *fetch_at(mocra_loop *loop, uint32_t index);
// The fetch with this token, which must be in use.
fetch *fetch_of(mocra_loop *loop, uint64_t token);
void fetch_set_phase(mocra_loop *loop, fetch *item, fetch_phase phase);
// The fetch is over: MOCRA_OK, or why not.
void fetch_finish(mocra_loop *loop, fetch *item, int error);
// The request is queued; it reaches the kernel with the next wait.
void fetch_note_requested(mocra_loop *loop, fetch *item);
void fetch_deadline(mocra_loop *loop, fetch *item);
// Ends a fetch that has not finished, for a fault of ours.
void fetch_fail(mocra_loop *loop, fetch *item, int error);
void fetch_resolved(void *loop, uint32_t index, int error, const mocra_addresses *addresses);
// Looks up what the fetch has to connect to.
void fetch_resolve(mocra_loop *loop, fetch *item);
// Goes to the pool for a connection.
void fetch_acquire(mocra_loop *loop, fetch *item);
void fetch_run_decision(mocra_loop *loop, const mocra_pool_decision *decision);
// Forgets what has been received, for another try.
void fetch_reset_response(mocra_loop *loop, fetch *item);
// The connection failed in a way that another one may not.
void fetch_try_again(mocra_loop *loop, fetch *item);

// connection.c
connection *connection_at(mocra_loop *loop, uint32_t index);
// Begins an attempt to connect for the fetch, in a place of its race. DESCRIPTORS, MEMORY, CONNECT_….
int connection_open(mocra_loop *loop, fetch *owner, const mocra_address *address, uint32_t place);
void connection_assign(mocra_loop *loop, connection *item, fetch *owner);
void connection_event(mocra_loop *loop, connection *item, mocra_connection_event event);
void connection_driver_event(mocra_loop *loop, const mocra_driver_event *event);
// Recycles a closing connection once nothing refers to it.
void connection_settle(mocra_loop *loop, connection *item);
void connection_send_more(mocra_loop *loop, connection *item);
// Begins the TLS handshake.
void connection_handshake(mocra_loop *loop, connection *item);
void connection_rearm_starved(mocra_loop *loop);
void connection_destroy_all(mocra_loop *loop);

// http2.c
// Makes the connection an HTTP/2 one, with the fetch as its first stream. MEMORY or HTTP2_PROTOCOL: then the
// fetch has failed.
int http2_start(mocra_loop *loop, connection *item, fetch *owner);
void http2_destroy(connection *item);
// The fetch becomes a stream. It may end at once.
void http2_submit(mocra_loop *loop, connection *item, fetch *owner);
// Bytes of the stream of bytes below the streams; the buffer's reference stays the caller's.
void http2_receive(mocra_loop *loop, connection *item, const uint8_t *data, size_t length, uint32_t buffer);
// Moves frames that wait into the TLS stream.
int http2_pull(mocra_loop *loop, connection *item);
// Sends what the streams of all connections have to send; before the loop waits.
void http2_flush(mocra_loop *loop);
// Content was pushed.
void http2_resume(mocra_loop *loop, connection *item, fetch *owner);
// The stream's window opens again by what was kept shut.
void http2_open_window(mocra_loop *loop, connection *item, fetch *owner);
// Ends one stream: a deadline or a cancellation.
void http2_end(mocra_loop *loop, connection *item, fetch *owner, int error);
// The connection is gone, and its streams with it. Its place in the pool is already given back.
void http2_fail_all(mocra_loop *loop, connection *item, int error);

// stream.c
// Tells the caller of the head, or of pieces.
void stream_notify(mocra_loop *loop, fetch *item, uint8_t notice);
// Of a streamed body `length` decoded bytes arrived: tells of them, and lets the server wait when it is
// enough.
void stream_arrived(mocra_loop *loop, fetch *item, uint64_t length);
// What the readers of all streamed bodies hold or have not taken yet.
uint64_t stream_bytes_held(const mocra_loop *loop);
// The next notice, or 0 when there is none.
int stream_next_notice(mocra_loop *loop, uint32_t *index);

// descriptors.c
// The loop may be asked from now on, and no more.
void descriptors_join(mocra_loop *loop);
void descriptors_part(mocra_loop *loop);
// Asks the other loops of the process for descriptors.
void descriptors_ask(mocra_loop *loop);
// Gives up connections that rest when another loop has asked.
void descriptors_give(mocra_loop *loop);

// content.c
// Prepares the sending of the fetch's request over HTTP/1.1.
void content_begin(mocra_loop *loop, fetch *item);
// All that was on its way is out: moves what may go next into the request (plain) or into TLS.
int content_next(mocra_loop *loop, connection *item, fetch *owner);
// The server wants the content, or has let it wait long enough.
void content_continue(mocra_loop *loop, fetch *item);
// Whether all of the request is with the kernel.
bool content_is_out(const connection *item, const fetch *owner);
// More content went: whoever pushes may go on.
void content_tell_room(mocra_loop *loop, fetch *item);

// connection.c
// Whether its fetch is being sent or answered, over HTTP/1.1.
bool connection_is_exchanging(const connection *item);
// Receives again, or no more.
void connection_pause(mocra_loop *loop, connection *item, bool pauses);
// race.c
// Begins to connect, in the place that the pool gave. On an error nothing is under way, and the place in the
// pool is still taken.
int race_start(mocra_loop *loop, uint32_t origin, fetch *item);
// The time came for another attempt.
void race_tick(mocra_loop *loop, fetch *item);
void race_failed(mocra_loop *loop, connection *attempt, int error);
// The attempt connected: it becomes the fetch's connection, the others end. MEMORY.
int race_won(mocra_loop *loop, connection *attempt);
// Ends every attempt and the fetch.
void race_stop(mocra_loop *loop, fetch *item, int error);
// A place in the pool could not be used: finishes the fetch, or lets it wait for a descriptor. What is to be
// done with the place is in *out.
void race_give_back(mocra_loop *loop, uint32_t origin, fetch *item, int error, mocra_pool_decision *out);
// Lets those try again who wait for descriptors.
void race_retry_descriptors(mocra_loop *loop);
// When that is to be called; MOCRA_NEVER when nobody waits.
uint64_t race_next_retry(const mocra_loop *loop);

// proxy.c
// Copies the proxy of a fetch that is being started. ARGUMENT, MEMORY, ADDRESS_BLOCKED.
int proxy_take(mocra_loop *loop, fetch *item, const mocra_proxy_options *options);
void proxy_forget(fetch *item);
// The key of the fetch in the pool; returns its length.
size_t proxy_pool_key(const fetch *item, uint8_t key[POOL_KEY_BYTES_MAX]);
// Whether the connections of this fetch may serve every origin.
static inline bool proxy_is_forward(const fetch *item) {
    return item->proxy != NULL && item->proxy->target.type == MOCRA_PROXY_FORWARD;
}
// The origin's name is looked up: takes its address. MOCRA_OK when the proxy's name comes next.
int proxy_take_target(mocra_loop *loop, fetch *item, const mocra_addresses *addresses);
// The error that a fetch with a proxy reports for one of looking it up or connecting to it.
int proxy_error(fetch *item, int error);
// Asks the proxy for a tunnel.
void proxy_negotiate(mocra_loop *loop, connection *item);
void proxy_received(mocra_loop *loop, connection *item, const uint8_t *data, size_t length);
// What was to be sent to the proxy is out.
void proxy_sent(mocra_loop *loop, connection *item);

// keep.c
// Whether the connection may serve another request after the response that has just ended.
bool keep_allows(mocra_loop *loop, connection *item);
// The connection is idle from now on.
void keep_begin(mocra_loop *loop, connection *item);
// Closes idle connections whose time is over.
void keep_expire(mocra_loop *loop);

// receive.c
// The head is parsed: decides how the body will be taken.
int receive_begin_body(mocra_loop *loop, fetch *owner);
// Takes a piece of the body. Sets *cut when the body ends here because it reached its limit.
int receive_payload(mocra_loop *loop, fetch *item, const uint8_t *data, size_t length, uint32_t buffer,
                    bool *cut);
// The body is whole, or `cut`: checks its encoding and lays it out in the response.
int receive_finish_body(fetch *owner, bool cut);
// Bytes as they came from the socket; the buffer's reference stays the caller's.
void receive_bytes(mocra_loop *loop, connection *item, const uint8_t *data, size_t length, uint32_t buffer);
// The stream ended.
void receive_end(mocra_loop *loop, connection *item, bool authenticated);
void receive_handshake(mocra_loop *loop, connection *item);
// Copies what a response still holds in buffers to memory of its own.
int receive_flatten(mocra_loop *loop, fetch *item);

// handshakes.c
// Begins the handshake of a connected socket, now or when others are done.
void handshakes_begin(mocra_loop *loop, connection *item);
// It is over, or the connection is.
void handshakes_leave(connection *item);
// Begins what may begin.
void handshakes_continue(mocra_loop *loop);
// When there may be more to begin, MOCRA_NEVER if that is not a matter of time.
uint64_t handshakes_next(const mocra_loop *loop);

#endif
