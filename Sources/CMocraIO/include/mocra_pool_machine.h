// Which connection serves which fetch: limits a loop and an origin, waiting in order, reuse of the connection
// that was used last, eviction of the one idle longest. Pure: identifiers in, decisions out; time is an
// argument.
#ifndef MOCRA_POOL_MACHINE_H
#define MOCRA_POOL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_error.h"
#include "mocra_timers.h"

typedef struct mocra_pool mocra_pool;

typedef enum mocra_pool_action {
    MOCRA_POOL_NOTHING = 0,  // keep what is
    MOCRA_POOL_USE = 1,      // `fetch` goes over `connection`
    MOCRA_POOL_CONNECT = 2,  // open a connection for `fetch`, then call mocra_pool_bind
    MOCRA_POOL_WAIT = 3,     // `fetch` waits; a later decision names it
} mocra_pool_action;

typedef struct mocra_pool_decision {
    uint8_t action;
    uint32_t origin;
    uint32_t connection;
    uint32_t fetch;
    uint32_t evict;  // close this idle connection first (already out of the pool), or MOCRA_NONE
} mocra_pool_decision;

// NULL when out of memory. Both limits at least 1.
mocra_pool *mocra_pool_create(uint32_t connections_max, uint32_t per_origin_max);
void mocra_pool_destroy(mocra_pool *pool);

// The origin with this key (scheme, host, port; any bytes), made when it is new. An origin lives while it has
// connections or waiting fetches. MOCRA_ERR_MEMORY.
int mocra_pool_origin(mocra_pool *pool, const uint8_t *key, size_t key_length, uint32_t *origin);

// How many connections this origin may have; at first it is the pool's limit of an origin.
void mocra_pool_set_limit(mocra_pool *pool, uint32_t origin, uint32_t connections_max);

// Whether the origin with this key has a connection that can take a fetch.
bool mocra_pool_has_open(const mocra_pool *pool, const uint8_t *key, size_t key_length);

// A fetch wants a connection to `origin`; `fresh`: none that was used before, unless it has to wait.
// MOCRA_ERR_MEMORY, or MOCRA_OK with USE, CONNECT or WAIT.
int mocra_pool_acquire(mocra_pool *pool, uint32_t origin, uint32_t fetch, bool fresh,
                       mocra_pool_decision *out);
// After CONNECT: the connection's identifier. MOCRA_ERR_MEMORY: then call mocra_pool_abandon.
int mocra_pool_bind(mocra_pool *pool, uint32_t origin, uint32_t connection);
// After CONNECT: no connection could be opened. Its place may go to another fetch: CONNECT or NOTHING.
void mocra_pool_abandon(mocra_pool *pool, uint32_t origin, mocra_pool_decision *out);
// The connection, which served one fetch when it was bound, serves up to `streams_max` at once from now on
// (HTTP/2). Fewer than it serves, or 0: it takes no other until enough have ended.
void mocra_pool_share(mocra_pool *pool, uint32_t connection, uint32_t streams_max);
// A fetch that waits for the connection's origin and goes over it from now on, or MOCRA_NONE when none waits
// or the connection is full.
uint32_t mocra_pool_take_waiting(mocra_pool *pool, uint32_t connection);
// After CONNECT: there is no descriptor. The fetch waits again, before all others, and the pool opens no more
// than it has until mocra_pool_grow. WAIT, with `evict` when an idle connection can give its descriptor. On
// MEMORY nothing has changed.
int mocra_pool_postpone(mocra_pool *pool, uint32_t origin, uint32_t fetch, mocra_pool_decision *out);
// A descriptor became free, or may have: CONNECT for a fetch that waited for one, or NOTHING.
void mocra_pool_grow(mocra_pool *pool, mocra_pool_decision *out);
// Whether the pool opens fewer connections than it may, for want of descriptors.
bool mocra_pool_is_short(const mocra_pool *pool);
// Whether this fetch (MOCRA_NONE: any) waits because of that.
bool mocra_pool_waits_for_descriptors(const mocra_pool *pool, uint32_t fetch);
// A fetch that the connection served is over: USE (for a fetch that waits for its origin), CONNECT with
// `evict` (another origin waits for a place), or NOTHING (it serves others, is idle from `now` on, or `evict`
// names it).
void mocra_pool_release(mocra_pool *pool, uint32_t connection, uint64_t now, mocra_pool_decision *out);
// A bound connection is gone, idle or not, whatever it served: CONNECT for a fetch that waited for the place,
// or NOTHING.
void mocra_pool_closed(mocra_pool *pool, uint32_t connection, mocra_pool_decision *out);
// A fetch that waits gives up. False when it does not wait.
bool mocra_pool_cancel(mocra_pool *pool, uint32_t fetch);
// The connection idle longest when it is idle since `idle_before` or earlier, else MOCRA_NONE. It stays in
// the pool until mocra_pool_closed.
uint32_t mocra_pool_oldest_idle(const mocra_pool *pool, uint64_t idle_before);
// Since when the connection idle longest is idle; MOCRA_NEVER when none is.
uint64_t mocra_pool_oldest_idle_since(const mocra_pool *pool);

uint32_t mocra_pool_connections(const mocra_pool *pool);
uint32_t mocra_pool_idle(const mocra_pool *pool);
uint32_t mocra_pool_waiting(const mocra_pool *pool);
uint32_t mocra_pool_origins(const mocra_pool *pool);

#endif
