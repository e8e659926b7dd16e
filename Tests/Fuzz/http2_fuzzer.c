// sources: all but tls.c tls_context.c tls_sessions.c
// libraries: nghttp2 cares uring brotlidec zstd deflate
// libFuzzer entry for what an HTTP/2 server sends. A loop's connection is made by hand, without a socket and
// with TLS that passes bytes through; the first byte says how many fetches are its streams and of which kind,
// the second in which pieces the rest arrives. Checks that every fetch ends once, that no buffer stays held
// and that the session's memory is all given back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http2.h"

#define STREAMS_MAX 4u
#define LOOP_LIFE 500u

struct mocra_tls {
    mocra_bytes output;
};

// What a connection asks of TLS: here it is not there.
int mocra_tls_context_create(const mocra_tls_options *options, mocra_tls_context **out, char *reason,
                             size_t reason_size) {
    (void)options;
    (void)reason;
    (void)reason_size;
    *out = NULL;
    return MOCRA_OK;
}
bool mocra_tls_options_name_files(const mocra_tls_options *options) {
    (void)options;
    return false;
}
void mocra_tls_context_destroy(mocra_tls_context *context) {
    (void)context;
}
mocra_tls_statistics mocra_tls_context_statistics(const mocra_tls_context *context) {
    (void)context;
    return (mocra_tls_statistics){0};
}
int mocra_tls_create(mocra_tls_context *context, const uint8_t *host, size_t length, uint16_t port,
                     bool offer_http2, mocra_tls **out) {
    (void)context;
    (void)host;
    (void)length;
    (void)port;
    (void)offer_http2;
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? MOCRA_OK : MOCRA_ERR_MEMORY;
}
void mocra_tls_destroy(mocra_tls *tls) {
    if (tls == NULL) return;
    mocra_bytes_free(&tls->output);
    free(tls);
}
void mocra_tls_input(mocra_tls *tls, const uint8_t *data, size_t length) {
    (void)tls;
    (void)data;
    (void)length;
}
int mocra_tls_handshake(mocra_tls *tls, char *reason, size_t reason_size) {
    (void)tls;
    (void)reason;
    (void)reason_size;
    return MOCRA_OK;
}
bool mocra_tls_is_http2(const mocra_tls *tls) {
    (void)tls;
    return true;
}
mocra_tls_facts mocra_tls_describe(const mocra_tls *tls) {
    (void)tls;
    return (mocra_tls_facts){0};
}
int mocra_tls_read(mocra_tls *tls, uint8_t *data, size_t capacity, size_t *length) {
    (void)tls;
    (void)data;
    (void)capacity;
    (void)length;
    return MOCRA_MORE;
}
bool mocra_tls_is_dry(const mocra_tls *tls) {
    (void)tls;
    return true;
}
void mocra_tls_reason(const mocra_tls *tls, char *reason, size_t reason_size) {
    (void)tls;
    (void)reason;
    (void)reason_size;
}
int mocra_tls_write(mocra_tls *tls, const uint8_t *data, size_t length) {
    (void)data;
    (void)length;
    tls->output.length = 0;
    return MOCRA_OK;
}
void mocra_tls_finish(mocra_tls *tls) {
    (void)tls;
}
mocra_bytes *mocra_tls_output(mocra_tls *tls) {
    return &tls->output;
}

#define REQUIRE(condition) require((condition), #condition, __LINE__)

static void require(bool holds, const char *condition, int line) {
    if (!holds) {
        fprintf(stderr, "http2_fuzzer.c:%d: violated: %s\n", line, condition);
        abort();
    }
}

static mocra_loop *loop;
static unsigned loop_age;

static void make_loop(void) {
    setenv("MOCRA_RING_DISABLE", "all", 1);
    mocra_loop_options options = {.receive_buffers = 8,
                                  .connections_max = 4,
                                  .connections_per_origin_max = 4,
                                  .streams_per_connection_max = STREAMS_MAX,
                                  .fetches_max = 64,
                                  .header_bytes_max = 4096,
                                  .ratio_max = 20,
                                  .body_bytes_max = 1u << 20,
                                  .pool_idle_ns = 1000000000u};
    char reason[MOCRA_REASON_BYTES];
    REQUIRE(mocra_loop_create(&options, &loop, reason) == MOCRA_OK);
}

// A fetch that has resolved and connected, as far as it knows. It is not to be tried again: there is no net.
static fetch *begin(unsigned kind) {
    static const char text[] = "POST /a HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n\r\ncontent";
    uint64_t token;
    uint8_t *request;
    REQUIRE(mocra_fetch_begin(loop, sizeof(text), &token, &request) == MOCRA_OK);
    fetch *item = fetch_of(loop, token);
    memcpy(request, text, sizeof(text) - 1);
    item->request.length = sizeof(text) - 1 - (kind & 1 ? strlen("content") : 0);
    item->tag = token;
    item->secure = item->http2 = item->retried = true;
    item->refusals = HTTP2_REFUSALS_MAX;
    item->head = (kind & 2) != 0;
    item->streams_body = (kind & 4) != 0;
    item->content_open = item->streams_content = false;
    item->content_chunked = false;
    item->body_bytes_max = loop->options.body_bytes_max;
    item->min_bytes_per_s = 0;
    item->held_bytes = 0;
    item->notify_requested = false;
    item->connect_ns = item->first_byte_ns = item->idle_ns = 1000000000000u;
    item->total_deadline = loop->now + 1000000000000u;
    memset(&item->response, 0, sizeof(item->response));
    loop->fetches_active++;
    return item;
}

static connection *join(unsigned kind, unsigned streams) {
    if (loop->connections_made == 0) {
        loop->connections = calloc(1, sizeof(connection *));
        loop->connections[0] = calloc(1, sizeof(connection));
        loop->connections_made = loop->connections_capacity = 1;
    }
    connection *item = loop->connections[0];
    uint32_t generation = item->generation;
    memset(item, 0, sizeof(*item));
    item->generation = generation;
    item->fd = -1;
    item->fetch = MOCRA_NONE;
    item->machine.state = MOCRA_CONNECTION_MULTIPLEXED;
    loop->connections_free = MOCRA_NONE;
    loop->connections_used = 1;
    // Nothing is sent by the driver; frames are pulled here.
    item->sending = true;
    REQUIRE(mocra_tls_create(NULL, NULL, 0, 0, true, &item->tls) == MOCRA_OK);
    REQUIRE(http2_start(loop, item, begin(kind)) == MOCRA_OK);
    for (unsigned i = 1; i < streams; i++) http2_submit(loop, item, begin(kind >> i));
    return item;
}

static void collect(unsigned *ended) {
    mocra_completion completions[32];
    unsigned count;
    while ((count = mocra_loop_turn(loop, 0, completions, 32)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            fetch *item = fetch_of(loop, completions[i].token);
            mocra_piece piece;
            while (item->streams_body && mocra_fetch_take_piece(loop, completions[i].token, &piece))
                mocra_piece_release(loop, &piece);
            if (completions[i].error > 0) continue;
            (*ended)++;
            mocra_fetch_release(loop, completions[i].token);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    if (loop == NULL) make_loop();
    unsigned streams = 1 + data[0] % STREAMS_MAX;
    size_t piece = data[1] == 0 ? size : data[1];
    unsigned ended = 0;
    connection *item = join(data[0] >> 2, streams);
    uint32_t generation = item->generation;
    item->entered++;
    for (size_t at = 2; at < size && item->machine.state == MOCRA_CONNECTION_MULTIPLEXED; at += piece) {
        int error = http2_pull(loop, item);
        if (error != MOCRA_OK) {
            item->sending = false;
            connection_event(loop, item,
                             (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = error});
            break;
        }
        size_t length = size - at < piece ? size - at : piece;
        // A copy of its own, so that a read beside it is seen.
        uint8_t *bytes = malloc(length);
        REQUIRE(bytes != NULL);
        memcpy(bytes, data + at, length);
        http2_receive(loop, item, bytes, length, TRANSIENT);
        free(bytes);
        collect(&ended);
    }
    item->sending = false;
    if (item->machine.state == MOCRA_CONNECTION_MULTIPLEXED)
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_END});
    item->entered--;
    connection_settle(loop, item);
    REQUIRE(item->generation != generation && item->http2 == NULL);
    collect(&ended);
    REQUIRE(ended == streams && loop->fetches_used == 0 && loop->buffers.leased == 0);
    if (++loop_age % LOOP_LIFE == 0) {
        mocra_loop_destroy(loop);
        loop = NULL;
    }
    return 0;
}
