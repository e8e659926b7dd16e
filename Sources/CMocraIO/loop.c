// The turn of a loop: completions are copied out of the driver, then handled, then deadlines, then what
// waits.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loop.h"

// With many connections at work it pays to wait for a batch of completions, for at most this long.
#define BATCH_WAIT_NS 500000u
#define BATCH_CONNECTIONS_MIN 8u
#define BATCH_LEAST_MAX 256u

static _Thread_local const void *thread_current;

void mocra_thread_set_current(const void *current) {
    thread_current = current;
}

const void *mocra_thread_current(void) {
    return thread_current;
}

void mocra_thread_set_name(const char *name) {
    char kept[16];
    snprintf(kept, sizeof(kept), "%s", name);
    pthread_setname_np(pthread_self(), kept);
}

static uint64_t clock_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void loop_read_clock(mocra_loop *loop) {
    loop->now = clock_now();
}

static int create_resolver(mocra_loop *loop, char *reason) {
    mocra_resolver_options options = {
        .servers = loop->options.dns_servers,
        .given = loop->options.dns_given,
        .hosts_file = loop->options.hosts_file,
        .cache_max = loop->options.dns_cache_max,
        .timeout_ms = loop->options.dns_timeout_ms,
        .tries = loop->options.dns_tries,
        .families = loop->options.dns_families,
    };
    // The resolver has copied what it needs; the caller's texts may go.
    loop->options.dns_servers = loop->options.dns_given = loop->options.hosts_file = NULL;
    return mocra_resolver_create(loop->driver, &options, &loop->resolver, reason, MOCRA_REASON_BYTES);
}

static mocra_tls_options tls_options(const mocra_loop *loop) {
    return (mocra_tls_options){
        .verify = loop->options.verify_tls,
        .min_version = loop->options.tls_version_min,
        .ca_file = loop->options.ca_file,
        .crl_file = loop->options.crl_file,
        .client_cert = loop->options.client_cert,
        .client_key = loop->options.client_key,
    };
}

int loop_make_tls(mocra_loop *loop, char *reason) {
    if (loop->tls != NULL) return MOCRA_OK;
    mocra_tls_options options = tls_options(loop);
    return mocra_tls_context_create(&options, &loop->tls, reason, MOCRA_REASON_BYTES);
}

int mocra_loop_create(const mocra_loop_options *options, mocra_loop **out, char *reason) {
    MOCRA_ASSERT(options->receive_buffers > 0 && options->connections_max > 0 && options->fetches_max > 0 &&
                 options->fetches_max <= 1u << 24 && options->connections_per_origin_max > 0);
    snprintf(reason, MOCRA_REASON_BYTES, "out of memory");
    mocra_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) return MOCRA_ERR_MEMORY;
    loop->options = *options;
    loop->fetches_free = loop->connections_free = MOCRA_NONE;
    loop->starved_first = loop->dirty_first = loop->completed_first = loop->completed_last = MOCRA_NONE;
    loop->noted_first = loop->requested_first = MOCRA_NONE;
    loop->notices_first = loop->notices_last = MOCRA_NONE;
    loop->now = clock_now();
    mocra_timers_init(&loop->timers);
    mocra_timers_init(&loop->keeps);
    if (options->bind_address != NULL &&
        !mocra_address_parse((const uint8_t *)options->bind_address, strlen(options->bind_address),
                             &loop->bind_address)) {
        snprintf(reason, MOCRA_REASON_BYTES, "the address to connect from is neither IPv4 nor IPv6");
        free(loop);
        return MOCRA_ERR_ARGUMENT;
    }
    int result = mocra_driver_create(options->receive_buffers, &loop->driver, reason, MOCRA_REASON_BYTES);
    if (result == MOCRA_OK)
        result = buffers_create(&loop->buffers, options->receive_buffers, options->receive_buffers);
    if (result == MOCRA_OK) result = mocra_decoders_create(&loop->decoders);
    if (result == MOCRA_OK) result = create_resolver(loop, reason);
    if (result == MOCRA_OK) {
        loop->pool = mocra_pool_create(options->connections_max, options->connections_per_origin_max);
        loop->scratch = malloc(PLAINTEXT_BYTES);
        if (loop->pool == NULL || loop->scratch == NULL) result = MOCRA_ERR_MEMORY;
    }
    // Given files are read at once, so that a wrong one is told before the first fetch.
    mocra_tls_options tls = tls_options(loop);
    if (result == MOCRA_OK && mocra_tls_options_name_files(&tls)) result = loop_make_tls(loop, reason);
    loop->options.ca_file = loop->options.crl_file = NULL;
    loop->options.client_cert = loop->options.client_key = NULL;
    if (result != MOCRA_OK) {
        mocra_loop_destroy(loop);
        return result;
    }
    descriptors_join(loop);
    *out = loop;
    return MOCRA_OK;
}

void mocra_loop_destroy(mocra_loop *loop) {
    if (loop == NULL) return;
    MOCRA_ASSERT(loop->fetches_used == 0);
    descriptors_part(loop);
    mocra_resolver_destroy(loop->resolver);
    // The driver goes first: what it still has in flight refers to the connections' memory.
    mocra_driver_destroy(loop->driver);
    connection_destroy_all(loop);
    mocra_pool_destroy(loop->pool);
    mocra_tls_context_destroy(loop->tls);
    buffers_destroy(&loop->buffers);
    mocra_decoders_destroy(loop->decoders);
    mocra_timers_free(&loop->timers);
    mocra_timers_free(&loop->keeps);
    for (uint32_t i = 0; i < loop->fetch_chunks_count; i++) {
        for (uint32_t k = 0; k < FETCHES_PER_CHUNK; k++) {
            mocra_bytes_free(&loop->fetch_chunks[i][k].request);
            mocra_bytes_free(&loop->fetch_chunks[i][k].content);
            mocra_bytes_free(&loop->fetch_chunks[i][k].head_copy);
            mocra_bytes_free(&loop->fetch_chunks[i][k].body);
        }
        free(loop->fetch_chunks[i]);
    }
    free(loop->fetch_chunks);
    mocra_slabs_destroy(loop->slabs);
    free(loop->scratch);
    free(loop);
}

void mocra_loop_wake(mocra_loop *loop) {
    mocra_driver_wake(loop->driver);
}

uint64_t mocra_loop_now(const mocra_loop *loop) {
    return loop->now;
}

static uint64_t next_deadline(mocra_loop *loop) {
    uint64_t next = mocra_timers_next(&loop->timers);
    uint64_t resolver = mocra_resolver_next(loop->resolver, loop->now);
    if (resolver < next) next = resolver;
    uint64_t idle_since = mocra_pool_oldest_idle_since(loop->pool);
    uint64_t keep = mocra_timers_next(&loop->keeps);
    if (keep < next) next = keep;
    uint64_t handshake = handshakes_next(loop);
    if (handshake < next) next = handshake;
    uint64_t retry = race_next_retry(loop);
    if (retry < next) next = retry;
    if (idle_since != MOCRA_NEVER && idle_since + loop->options.pool_idle_ns < next)
        next = idle_since + loop->options.pool_idle_ns;
    return next;
}

static uint64_t until(const mocra_loop *loop, uint64_t deadline) {
    if (deadline == MOCRA_NEVER) return UINT64_MAX;
    return deadline > loop->now ? deadline - loop->now : 0;
}

static void wait_for_events(mocra_loop *loop, uint64_t timeout_ns) {
    http2_flush(loop);
    uint64_t limit = until(loop, next_deadline(loop));
    if (timeout_ns < limit) limit = timeout_ns;
    // What was queued up to here is submitted by this wait. Those of an earlier turn are still there only
    // when the caller's array was too small.
    if (loop->requested_first == MOCRA_NONE) {
        loop->requested_first = loop->noted_first;
        loop->noted_first = MOCRA_NONE;
    }
    if (loop->completed_first != MOCRA_NONE || loop->requested_first != MOCRA_NONE ||
        loop->notices_first != MOCRA_NONE)
        limit = 0;
    unsigned least = 1;
    // Fetches that share a connection, or wait for one, complete nothing of their own.
    unsigned busy = loop->connections_used - mocra_pool_idle(loop->pool);
    if (busy > loop->fetches_active) busy = loop->fetches_active;
    if (!loop->eager_wait && busy >= BATCH_CONNECTIONS_MIN && limit > 0) {
        least = busy / 2 < BATCH_LEAST_MAX ? busy / 2 : BATCH_LEAST_MAX;
        if (limit > BATCH_WAIT_NS) limit = BATCH_WAIT_NS;
    }
    mocra_driver_wait(loop->driver, least, limit);
}

static void expire_idle(mocra_loop *loop) {
    while (loop->now >= loop->options.pool_idle_ns) {
        uint32_t index = mocra_pool_oldest_idle(loop->pool, loop->now - loop->options.pool_idle_ns);
        if (index == MOCRA_NONE) return;
        connection_event(loop, connection_at(loop, index),
                         (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
    }
}

static unsigned handle_events(mocra_loop *loop) {
    mocra_driver_event events[EVENTS_PER_REAP];
    unsigned handled = 0;
    unsigned count;
    do {
        count = mocra_driver_reap(loop->driver, events, EVENTS_PER_REAP);
        for (unsigned i = 0; i < count; i++) {
            switch ((mocra_operation)events[i].operation) {
            case MOCRA_OPERATION_CONNECT:
            case MOCRA_OPERATION_RECEIVE:
            case MOCRA_OPERATION_SEND:
                connection_driver_event(loop, &events[i]);
                break;
            case MOCRA_OPERATION_POLL:
                mocra_resolver_event(loop->resolver, &events[i]);
                break;
            case MOCRA_OPERATION_WAKE:
            case MOCRA_OPERATION_CANCEL:
                break;
            }
        }
        handled += count;
    } while (count == EVENTS_PER_REAP && handled < EVENTS_PER_TURN_MAX);
    return handled;
}

static unsigned hand_out(mocra_loop *loop, mocra_completion *completions, unsigned max) {
    unsigned count = 0;
    while (count < max && loop->requested_first != MOCRA_NONE) {
        fetch *item = fetch_at(loop, loop->requested_first);
        loop->requested_first = item->next_noted;
        item->is_noted = false;
        // One that failed meanwhile has its completion behind this.
        completions[count++] = (mocra_completion){.token = (uint64_t)item->generation << 32 | item->index,
                                                  .tag = item->tag,
                                                  .error = MOCRA_REQUESTED};
    }
    uint32_t told;
    int notice;
    while (count < max && (notice = stream_next_notice(loop, &told)) != 0) {
        fetch *item = fetch_at(loop, told);
        completions[count++] =
            (mocra_completion){.token = (uint64_t)item->generation << 32 | told,
                               .tag = item->tag,
                               .error = notice,
                               .status = item->response.head != NULL ? item->parsed.status : 0};
    }
    while (count < max && loop->completed_first != MOCRA_NONE) {
        fetch *item = fetch_at(loop, loop->completed_first);
        // It ended in the turn that sent its request: a slot must not be released while it is still to be
        // named.
        if (item->is_noted || item->notices != 0) break;
        loop->completed_first = item->next;
        if (loop->completed_first == MOCRA_NONE) loop->completed_last = MOCRA_NONE;
        completions[count++] = (mocra_completion){
            .token = (uint64_t)item->generation << 32 | item->index,
            .tag = item->tag,
            .error = item->error,
            .status = item->error == MOCRA_OK ? item->parsed.status : 0,
        };
    }
    return count;
}

unsigned mocra_loop_turn(mocra_loop *loop, uint64_t timeout_ns, mocra_completion *completions, unsigned max) {
    // Buffers may have come back since the last turn.
    if (mocra_driver_buffers_free(loop->driver) > 0) connection_rearm_starved(loop);
    wait_for_events(loop, timeout_ns);
    loop_read_clock(loop);
    unsigned handled = handle_events(loop);
    // After a wait for a batch that brought nothing the next wait is for a single event.
    loop->eager_wait = handled == 0;
    mocra_resolver_dispatch(loop->resolver, loop->now, fetch_resolved, loop);
    for (;;) {
        uint32_t expired = mocra_timers_expire(&loop->timers, loop->now);
        if (expired == MOCRA_NONE) break;
        fetch_deadline(loop, fetch_at(loop, expired));
    }
    expire_idle(loop);
    descriptors_give(loop);
    keep_expire(loop);
    race_retry_descriptors(loop);
    handshakes_continue(loop);
    connection_rearm_starved(loop);
    return hand_out(loop, completions, max);
}

void mocra_loop_read_statistics(const mocra_loop *loop, mocra_loop_statistics *out) {
    mocra_driver_features features = mocra_driver_used_features(loop->driver);
    mocra_tls_statistics tls = {0};
    if (loop->tls != NULL) tls = mocra_tls_context_statistics(loop->tls);
    *out = (mocra_loop_statistics){
        .fetches = loop->fetches_used,
        .connections = loop->connections_used,
        .connections_idle = mocra_pool_idle(loop->pool),
        .buffers_total = loop->buffers.receive_count,
        .buffers_leased = loop->buffers.leased,
        .stream_bytes = stream_bytes_held(loop),
        .body_copies = loop->body_copies,
        .buffer_shortages = loop->buffer_shortages,
        .io_uring = mocra_driver_used_kind(loop->driver) == MOCRA_DRIVER_RING,
        .tls_handshakes_full = tls.handshakes_full,
        .tls_handshakes_resumed = tls.handshakes_resumed,
        .buffer_ring = features.buffer_ring,
        .multishot_receive = features.multishot_receive,
        .defer_taskrun = features.defer_taskrun,
    };
}

const char *mocra_loop_driver_reason(const mocra_loop *loop) {
    return mocra_driver_reason(loop->driver);
}
