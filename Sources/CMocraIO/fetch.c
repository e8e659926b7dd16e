// Fetch slots: from the written request to the completion. A fetch resolves its host, waits for a connection,
// is served by it, and holds what it received until the caller releases it.
#include <stdlib.h>
#include <string.h>

#include "loop.h"

// Memory that a slot keeps for its next fetch, so that steady traffic allocates nothing.
#define KEPT_BYTES_MAX (64u << 10)

static uint64_t token_of(const fetch *item) {
    return (uint64_t)item->generation << 32 | item->index;
}

fetch *fetch_at(mocra_loop *loop, uint32_t index) {
    MOCRA_ASSERT(index < loop->fetches_made);
    return &loop->fetch_chunks[index / FETCHES_PER_CHUNK][index % FETCHES_PER_CHUNK];
}

fetch *fetch_of(mocra_loop *loop, uint64_t token) {
    fetch *item = fetch_at(loop, (uint32_t)token);
    MOCRA_ASSERT(item->generation == (uint32_t)(token >> 32) && item->state != FETCH_FREE);
    return item;
}

static int make_chunk(mocra_loop *loop) {
    if (loop->fetches_made + FETCHES_PER_CHUNK > loop->options.fetches_max + FETCHES_PER_CHUNK - 1)
        return MOCRA_ERR_BUSY;
    if (mocra_timers_reserve(&loop->timers, loop->fetches_made + FETCHES_PER_CHUNK) != MOCRA_OK)
        return MOCRA_ERR_MEMORY;
    size_t size = (loop->fetch_chunks_count + 1) * sizeof(fetch *);
    fetch **chunks = realloc(loop->fetch_chunks, size);
    if (chunks == NULL) return MOCRA_ERR_MEMORY;
    loop->fetch_chunks = chunks;
    fetch *chunk = calloc(FETCHES_PER_CHUNK, sizeof(fetch));
    if (chunk == NULL) return MOCRA_ERR_MEMORY;
    chunks[loop->fetch_chunks_count++] = chunk;
    for (uint32_t i = 0; i < FETCHES_PER_CHUNK; i++) {
        uint32_t reversed = FETCHES_PER_CHUNK - 1 - i;
        chunk[reversed].index = loop->fetches_made + reversed;
        chunk[reversed].connection = MOCRA_NONE;
        chunk[reversed].head_buffer = MOCRA_NONE;
        chunk[reversed].next = loop->fetches_free;
        loop->fetches_free = chunk[reversed].index;
    }
    loop->fetches_made += FETCHES_PER_CHUNK;
    return MOCRA_OK;
}

int mocra_fetch_begin(mocra_loop *loop, uint32_t request_capacity, uint64_t *token, uint8_t **request) {
    if (loop->fetches_used >= loop->options.fetches_max) return MOCRA_ERR_BUSY;
    if (loop->fetches_free == MOCRA_NONE) {
        int result = make_chunk(loop);
        if (result != MOCRA_OK) return result;
    }
    fetch *item = fetch_at(loop, loop->fetches_free);
    item->request.length = 0;
    int result = mocra_bytes_reserve(&item->request, request_capacity);
    if (result != MOCRA_OK) return result;
    loop->fetches_free = item->next;
    loop->fetches_used++;
    item->state = FETCH_BEGUN;
    *token = token_of(item);
    *request = item->request.data;
    return MOCRA_OK;
}

void fetch_set_phase(mocra_loop *loop, fetch *item, fetch_phase phase) {
    uint64_t duration = phase == PHASE_CONNECT      ? item->connect_ns
                        : phase == PHASE_CONTINUE   ? CONTINUE_NS
                        : phase == PHASE_FIRST_BYTE ? item->first_byte_ns
                                                    : item->idle_ns;
    item->phase = (uint8_t)phase;
    item->phase_deadline = loop->now + duration;
    item->slow_deadline = MOCRA_NEVER;
    if (phase == PHASE_IDLE && item->min_bytes_per_s > 0) {
        uint64_t earned = (uint64_t)((double)item->response.wire_bytes / (double)item->min_bytes_per_s * 1e9);
        item->slow_deadline = item->response.first_byte_ns + SLOW_GRACE_NS + earned + item->paused_ns;
        if (item->slow_deadline < item->phase_deadline) item->phase_deadline = item->slow_deadline;
    }
    uint64_t deadline =
        item->phase_deadline < item->total_deadline ? item->phase_deadline : item->total_deadline;
    mocra_timers_set(&loop->timers, item->index, deadline);
}

void mocra_fetch_start(mocra_loop *loop, uint64_t token, uint32_t request_length,
                       const mocra_fetch_options *options) {
    fetch *item = fetch_of(loop, token);
    MOCRA_ASSERT(item->state == FETCH_BEGUN && request_length <= item->request.capacity);
    // The caller may have been busy since the turn began.
    loop_read_clock(loop);
    item->request.length = request_length;
    item->tag = options->tag;
    item->secure = options->secure;
    item->head = options->head;
    item->repeatable = options->repeatable && !options->stream_content;
    item->notify_requested = options->notify_requested;
    item->retried = item->refused = item->wants_fresh = false;
    item->refusals = 0;
    item->http2 = options->http2 && options->secure;
    item->resends = options->resends;
    item->port = options->port;
    item->streams_body = options->stream_body;
    item->content_open = item->streams_content = options->stream_content;
    item->content_chunked = options->content_chunked;
    item->expect_bytes = options->expect_bytes;
    item->wants_room = false;
    item->body_bytes_max =
        options->body_bytes_max > 0 ? options->body_bytes_max : loop->options.body_bytes_max;
    item->min_bytes_per_s = options->min_bytes_per_s;
    item->held_bytes = item->paused_ns = 0;
    item->connect_ns = options->connect_ns;
    item->first_byte_ns = options->first_byte_ns;
    item->idle_ns = options->idle_ns;
    item->total_deadline = loop->now + options->total_ns;
    item->addresses.count = 0;
    memset(&item->response, 0, offsetof(mocra_response, reason) + 1);
    item->response.started_ns = loop->now;
    loop->fetches_active++;
    if (options->total_ns == 0) {
        // There is no time left: what could still be quick enough is not tried.
        fetch_finish(loop, item, MOCRA_ERR_TOTAL_TIMEOUT);
        return;
    }
    if (options->host_length == 0 || options->host_length > HOST_BYTES_MAX) {
        fetch_finish(loop, item, MOCRA_ERR_DNS_NAME);
        return;
    }
    item->host_length = (uint16_t)options->host_length;
    memcpy(item->host, options->host, options->host_length);
    item->host[options->host_length] = '\0';
    int result = options->proxy != NULL ? proxy_take(loop, item, options->proxy) : MOCRA_OK;
    if (result != MOCRA_OK) {
        fetch_finish(loop, item, result);
        return;
    }
    // With a connection at hand no address is needed.
    uint8_t key[POOL_KEY_BYTES_MAX];
    if (mocra_pool_has_open(loop->pool, key, proxy_pool_key(item, key)))
        fetch_acquire(loop, item);
    else
        fetch_resolve(loop, item);
}

void fetch_resolve(mocra_loop *loop, fetch *item) {
    const uint8_t *name = (const uint8_t *)item->host;
    size_t length = item->host_length;
    uint16_t port = item->port;
    if (item->proxy != NULL && item->proxy->asks_host) {
        port = item->proxy->port;
        name = item->proxy->host;
        length = item->proxy->host_length;
    }
    item->state = FETCH_RESOLVING;
    fetch_set_phase(loop, item, PHASE_CONNECT);
    int result =
        mocra_resolver_resolve(loop->resolver, name, length, port, item->index, loop->now, &item->addresses);
    if (result != MOCRA_MORE) fetch_resolved(loop, item->index, result, &item->addresses);
}

void fetch_resolved(void *context, uint32_t index, int error, const mocra_addresses *addresses) {
    mocra_loop *loop = context;
    fetch *item = fetch_at(loop, index);
    MOCRA_ASSERT(item->state == FETCH_RESOLVING);
    if (item->proxy != NULL && item->proxy->asks_host) {
        error = proxy_error(item, error);
    } else if (item->proxy != NULL && error == MOCRA_OK) {
        error = proxy_take_target(loop, item, addresses);
        if (error == MOCRA_OK) {
            fetch_resolve(loop, item);
            return;
        }
    }
    if (error != MOCRA_OK) {
        fetch_finish(loop, item, error);
        return;
    }
    if (addresses != &item->addresses) item->addresses = *addresses;
    item->response.resolved_ns = loop->now;
    fetch_acquire(loop, item);
}

void fetch_acquire(mocra_loop *loop, fetch *item) {
    uint8_t key[POOL_KEY_BYTES_MAX];
    uint32_t origin;
    mocra_pool_decision decision;
    int result = mocra_pool_origin(loop->pool, key, proxy_pool_key(item, key), &origin);
    // What one origin may have says nothing about a proxy that serves them all.
    if (result == MOCRA_OK && proxy_is_forward(item))
        mocra_pool_set_limit(loop->pool, origin, loop->options.connections_max);
    if (result == MOCRA_OK)
        result = mocra_pool_acquire(loop->pool, origin, item->index,
                                    item->retried || item->refused || item->wants_fresh, &decision);
    if (result != MOCRA_OK) {
        fetch_finish(loop, item, result);
        return;
    }
    // While it waits for a place only the total time counts.
    item->state = FETCH_WAITING;
    item->phase_deadline = MOCRA_NEVER;
    mocra_timers_set(&loop->timers, item->index, item->total_deadline);
    fetch_run_decision(loop, &decision);
}

void fetch_run_decision(mocra_loop *loop, const mocra_pool_decision *first) {
    mocra_pool_decision decision = *first;
    for (;;) {
        if (decision.evict != MOCRA_NONE) {
            connection *evicted = connection_at(loop, decision.evict);
            evicted->pooled = false;
            connection_event(loop, evicted, (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
        }
        if (decision.action == MOCRA_POOL_USE)
            connection_assign(loop, connection_at(loop, decision.connection), fetch_at(loop, decision.fetch));
        if (decision.action != MOCRA_POOL_CONNECT) return;
        fetch *item = fetch_at(loop, decision.fetch);
        int result = race_start(loop, decision.origin, item);
        if (result == MOCRA_OK) return;
        race_give_back(loop, decision.origin, item, result, &decision);
    }
}

void fetch_try_again(mocra_loop *loop, fetch *item) {
    if (item->request.length == 0) {
        fetch_finish(loop, item, MOCRA_ERR_MEMORY);
        return;
    }
    // One that came over a pooled connection never had an address.
    if (item->addresses.count > 0)
        fetch_acquire(loop, item);
    else
        fetch_resolve(loop, item);
}

static void keep_small(mocra_bytes *bytes) {
    bytes->length = 0;
    if (bytes->capacity > KEPT_BYTES_MAX) mocra_bytes_free(bytes);
}

void fetch_reset_response(mocra_loop *loop, fetch *item) {
    if (item->head_buffer != MOCRA_NONE) buffer_release(loop, item->head_buffer);
    item->head_buffer = MOCRA_NONE;
    for (uint32_t i = item->segments_taken; i < item->segment_count; i++)
        if (item->segment_buffers[i] != MOCRA_NONE) buffer_release(loop, item->segment_buffers[i]);
    item->segment_count = item->segments_taken = 0;
    item->window_debt = 0;
    item->is_paused = false;
    item->interim_responses = 0;
    item->copying = false;
    keep_small(&item->head_copy);
    keep_small(&item->body);
    mocra_decoder_destroy(item->decoder);
    item->decoder = NULL;
    item->response.head = NULL;
    item->response.head_data = NULL;
    item->response.segments = NULL;
    item->response.segment_count = 0;
    item->response.body_bytes = 0;
    item->response.wire_bytes = 0;
    item->response.flags = 0;
}

void fetch_finish(mocra_loop *loop, fetch *item, int error) {
    MOCRA_ASSERT(item->state != FETCH_FREE && item->state != FETCH_FINISHED &&
                 item->connection == MOCRA_NONE);
    mocra_timers_clear(&loop->timers, item->index);
    if (error != MOCRA_OK) fetch_reset_response(loop, item);
    item->state = FETCH_FINISHED;
    item->error = error;
    item->response.finished_ns = loop->now;
    loop->fetches_active--;
    item->next = MOCRA_NONE;
    if (loop->completed_last != MOCRA_NONE)
        fetch_at(loop, loop->completed_last)->next = item->index;
    else
        loop->completed_first = item->index;
    loop->completed_last = item->index;
}

void fetch_note_requested(mocra_loop *loop, fetch *item) {
    if (!item->notify_requested || item->is_noted) return;
    item->is_noted = true;
    item->next_noted = loop->noted_first;
    loop->noted_first = item->index;
}

// Ends a fetch that has not finished, for whatever reason comes from outside its connection.
static void end(mocra_loop *loop, fetch *item, uint8_t event, int error) {
    switch ((fetch_state)item->state) {
    case FETCH_RESOLVING:
        mocra_resolver_cancel(loop->resolver, item->index);
        fetch_finish(loop, item, error);
        return;
    case FETCH_WAITING:
        mocra_pool_cancel(loop->pool, item->index);
        fetch_finish(loop, item, error);
        return;
    case FETCH_CONNECTING:
        race_stop(loop, item, error);
        return;
    case FETCH_ACTIVE:
        if (connection_at(loop, item->connection)->http2 != NULL)
            http2_end(loop, connection_at(loop, item->connection), item, error);
        else
            connection_event(loop, connection_at(loop, item->connection),
                             (mocra_connection_event){.type = event, .error = error});
        return;
    case FETCH_FREE:
    case FETCH_BEGUN:
    case FETCH_FINISHED:
        return;
    }
}

void fetch_fail(mocra_loop *loop, fetch *item, int error) {
    end(loop, item, MOCRA_EVENT_FAILED, error);
}

static int phase_error(mocra_loop *loop, fetch *item) {
    if (item->phase == PHASE_FIRST_BYTE) return MOCRA_ERR_FIRST_BYTE_TIMEOUT;
    if (item->phase == PHASE_IDLE)
        return item->slow_deadline <= loop->now ? MOCRA_ERR_SLOW : MOCRA_ERR_IDLE_TIMEOUT;
    if (item->state == FETCH_RESOLVING) {
        bool is_proxy = item->proxy != NULL && item->proxy->asks_host;
        return is_proxy ? MOCRA_ERR_PROXY_TIMEOUT : MOCRA_ERR_DNS_TIMEOUT;
    }
    if (item->state == FETCH_ACTIVE) {
        uint8_t state = connection_at(loop, item->connection)->machine.state;
        if (state == MOCRA_CONNECTION_HANDSHAKING) return MOCRA_ERR_TLS_TIMEOUT;
    }
    return proxy_error(item, MOCRA_ERR_CONNECT_TIMEOUT);
}

void fetch_deadline(mocra_loop *loop, fetch *item) {
    // A stream that never became one; see http2_submit.
    if (item->state == FETCH_ACTIVE && item->stream == 0 && item->stream_error != MOCRA_OK &&
        connection_at(loop, item->connection)->http2 != NULL) {
        end(loop, item, MOCRA_EVENT_FAILED, item->stream_error);
        return;
    }
    if (item->phase == PHASE_CONTINUE && item->phase_deadline <= loop->now &&
        loop->now < item->total_deadline) {
        content_continue(loop, item);
        return;
    }
    bool phase_over = item->phase_deadline <= loop->now && item->phase_deadline <= item->total_deadline;
    if (item->state == FETCH_CONNECTING && !phase_over && loop->now < item->total_deadline) {
        race_tick(loop, item);
        return;
    }
    int error = phase_over ? phase_error(loop, item) : MOCRA_ERR_TOTAL_TIMEOUT;
    if (item->state == FETCH_WAITING && mocra_pool_waits_for_descriptors(loop->pool, item->index))
        error = MOCRA_ERR_DESCRIPTORS;
    end(loop, item, MOCRA_EVENT_DEADLINE, error);
}

void mocra_fetch_cancel(mocra_loop *loop, uint64_t token) {
    fetch *item = fetch_of(loop, token);
    MOCRA_ASSERT(item->state != FETCH_BEGUN);
    end(loop, item, MOCRA_EVENT_CANCEL, MOCRA_ERR_CANCELLED);
}

void mocra_loop_cancel_all(mocra_loop *loop) {
    for (uint32_t i = 0; i < loop->fetches_made; i++)
        end(loop, fetch_at(loop, i), MOCRA_EVENT_CANCEL, MOCRA_ERR_CANCELLED);
}

const mocra_response *mocra_fetch_response(mocra_loop *loop, uint64_t token) {
    fetch *item = fetch_of(loop, token);
    MOCRA_ASSERT(item->state == FETCH_FINISHED || (item->streams_body && item->response.head != NULL));
    return &item->response;
}

void mocra_fetch_release(mocra_loop *loop, uint64_t token) {
    fetch *item = fetch_of(loop, token);
    MOCRA_ASSERT((item->state == FETCH_FINISHED && item->notices == 0) || item->state == FETCH_BEGUN);
    fetch_reset_response(loop, item);
    proxy_forget(item);
    keep_small(&item->request);
    keep_small(&item->content);
    item->state = FETCH_FREE;
    item->generation++;
    item->next = loop->fetches_free;
    loop->fetches_free = item->index;
    loop->fetches_used--;
}
