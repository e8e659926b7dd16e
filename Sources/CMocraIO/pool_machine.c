// The pool's rules; see mocra_pool_machine.h.
#include "mocra_pool_machine.h"

#include <stdlib.h>
#include <string.h>

#include "mocra_assert.h"

// How many releases in a row serve their own origin while others wait for a place.
#define KEPT_TURNS_MAX 16u

// Links of one identifier. A connection that can take a fetch is in its origin's open list (newest first),
// one that serves none is in the idle list of all (oldest first); a fetch is in its origin's waiting list
// (oldest first).
typedef struct link {
    uint32_t previous;
    uint32_t next;
} link;

typedef struct pooled {
    uint64_t idle_since;  // MOCRA_NEVER while not idle
    uint32_t origin;      // MOCRA_NONE while not bound
    uint32_t streams;     // fetches that it serves
    uint32_t streams_max;
    bool is_open;  // in its origin's open list
    link in_origin;
    link in_all;
} pooled;

typedef struct waiter {
    uint32_t origin;  // MOCRA_NONE while not waiting
    link in_origin;
} waiter;

typedef struct origin {
    uint8_t *key;  // NULL while free
    uint32_t key_length;
    uint32_t hash;
    uint32_t next_in_bucket;  // also the free list
    uint32_t connections;     // bound and being opened
    uint32_t connections_max;
    uint32_t open_first;
    uint32_t waiting_first;
    uint32_t waiting_last;
    link starved;  // origins with waiting fetches that only the loop's limit holds back
    bool is_starved;
} origin;

struct mocra_pool {
    pooled *connections;
    waiter *fetches;
    origin *origins;
    uint32_t *buckets;
    uint32_t connections_capacity;
    uint32_t fetches_capacity;
    uint32_t origins_capacity;
    uint32_t origins_used;
    uint32_t origins_free;
    uint32_t origins_count;
    uint32_t buckets_count;  // a power of two
    uint32_t connections_max;
    uint32_t connections_limit;  // lower than connections_max while descriptors are short
    uint32_t per_origin_max;
    uint32_t connections_total;
    uint32_t idle_total;
    uint32_t waiting_total;
    uint32_t idle_oldest;
    uint32_t idle_newest;
    uint32_t starved_first;
    uint32_t starved_last;
    uint32_t kept;  // releases that kept their connection while other origins had none
};

mocra_pool *mocra_pool_create(uint32_t connections_max, uint32_t per_origin_max) {
    MOCRA_ASSERT(connections_max > 0 && per_origin_max > 0);
    mocra_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) return NULL;
    pool->buckets_count = 256;
    pool->buckets = malloc(pool->buckets_count * sizeof(uint32_t));
    if (pool->buckets == NULL) {
        free(pool);
        return NULL;
    }
    memset(pool->buckets, 0xff, pool->buckets_count * sizeof(uint32_t));
    pool->connections_max = pool->connections_limit = connections_max;
    pool->per_origin_max = per_origin_max;
    pool->origins_free = MOCRA_NONE;
    pool->idle_oldest = pool->idle_newest = MOCRA_NONE;
    pool->starved_first = pool->starved_last = MOCRA_NONE;
    return pool;
}

void mocra_pool_destroy(mocra_pool *pool) {
    if (pool == NULL) return;
    for (uint32_t i = 0; i < pool->origins_used; i++) free(pool->origins[i].key);
    free(pool->origins);
    free(pool->connections);
    free(pool->fetches);
    free(pool->buckets);
    free(pool);
}

// Grows an array of `size`-byte elements so that `index` is inside; what is new is filled with 0xff, which
// reads as MOCRA_NONE and MOCRA_NEVER.
static int reserve(void **array, uint32_t *capacity, uint32_t index, size_t size) {
    if (index < *capacity) return MOCRA_OK;
    uint32_t wanted = *capacity == 0 ? 64 : *capacity;
    while (wanted <= index) wanted *= 2;
    uint8_t *grown = realloc(*array, wanted * size);
    if (grown == NULL) return MOCRA_ERR_MEMORY;
    memset(grown + *capacity * size, 0xff, (wanted - *capacity) * size);
    *array = grown;
    *capacity = wanted;
    return MOCRA_OK;
}

// FNV-1a, 32 bit: the keys are short and the table is ours alone.
static uint32_t hash_key(const uint8_t *key, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ key[i]) * 16777619u;
    return hash;
}

static int grow_buckets(mocra_pool *pool) {
    uint32_t count = pool->buckets_count * 2;
    uint32_t *buckets = malloc(count * sizeof(uint32_t));
    if (buckets == NULL) return MOCRA_ERR_MEMORY;
    memset(buckets, 0xff, count * sizeof(uint32_t));
    for (uint32_t i = 0; i < pool->origins_used; i++) {
        origin *entry = &pool->origins[i];
        if (entry->key == NULL) continue;
        uint32_t bucket = entry->hash & (count - 1);
        entry->next_in_bucket = buckets[bucket];
        buckets[bucket] = i;
    }
    free(pool->buckets);
    pool->buckets = buckets;
    pool->buckets_count = count;
    return MOCRA_OK;
}

static int make_origin(mocra_pool *pool, const uint8_t *key, size_t length, uint32_t hash, uint32_t *out) {
    if (pool->origins_count >= pool->buckets_count) {
        int result = grow_buckets(pool);
        if (result != MOCRA_OK) return result;
    }
    uint32_t index = pool->origins_free;
    if (index == MOCRA_NONE) {
        index = pool->origins_used;
        int result = reserve((void **)&pool->origins, &pool->origins_capacity, index, sizeof(*pool->origins));
        if (result != MOCRA_OK) return result;
    }
    uint8_t *copy = malloc(length > 0 ? length : 1);
    if (copy == NULL) return MOCRA_ERR_MEMORY;
    memcpy(copy, key, length);
    if (index == pool->origins_free)
        pool->origins_free = pool->origins[index].next_in_bucket;
    else
        pool->origins_used++;
    uint32_t bucket = hash & (pool->buckets_count - 1);
    pool->origins[index] = (origin){.key = copy,
                                    .key_length = (uint32_t)length,
                                    .hash = hash,
                                    .connections_max = pool->per_origin_max,
                                    .next_in_bucket = pool->buckets[bucket],
                                    .open_first = MOCRA_NONE,
                                    .waiting_first = MOCRA_NONE,
                                    .waiting_last = MOCRA_NONE,
                                    .starved = {MOCRA_NONE, MOCRA_NONE}};
    pool->buckets[bucket] = index;
    pool->origins_count++;
    *out = index;
    return MOCRA_OK;
}

static uint32_t find_origin(const mocra_pool *pool, const uint8_t *key, size_t key_length, uint32_t hash) {
    uint32_t index = pool->buckets[hash & (pool->buckets_count - 1)];
    while (index != MOCRA_NONE) {
        const origin *entry = &pool->origins[index];
        if (entry->hash == hash && entry->key_length == key_length &&
            memcmp(entry->key, key, key_length) == 0)
            break;
        index = entry->next_in_bucket;
    }
    return index;
}

int mocra_pool_origin(mocra_pool *pool, const uint8_t *key, size_t key_length, uint32_t *out) {
    uint32_t hash = hash_key(key, key_length);
    uint32_t index = find_origin(pool, key, key_length, hash);
    if (index == MOCRA_NONE) return make_origin(pool, key, key_length, hash, out);
    *out = index;
    return MOCRA_OK;
}

void mocra_pool_set_limit(mocra_pool *pool, uint32_t index, uint32_t connections_max) {
    MOCRA_ASSERT(connections_max > 0);
    pool->origins[index].connections_max = connections_max;
}

bool mocra_pool_has_open(const mocra_pool *pool, const uint8_t *key, size_t key_length) {
    uint32_t index = find_origin(pool, key, key_length, hash_key(key, key_length));
    return index != MOCRA_NONE && pool->origins[index].open_first != MOCRA_NONE;
}

static void free_origin_if_empty(mocra_pool *pool, uint32_t index) {
    origin *entry = &pool->origins[index];
    if (entry->connections > 0 || entry->waiting_first != MOCRA_NONE) return;
    uint32_t *slot = &pool->buckets[entry->hash & (pool->buckets_count - 1)];
    while (*slot != index) slot = &pool->origins[*slot].next_in_bucket;
    *slot = entry->next_in_bucket;
    free(entry->key);
    entry->key = NULL;
    entry->next_in_bucket = pool->origins_free;
    pool->origins_free = index;
    pool->origins_count--;
}

static void open_push(mocra_pool *pool, uint32_t connection) {
    pooled *entry = &pool->connections[connection];
    origin *owner = &pool->origins[entry->origin];
    if (entry->is_open || entry->streams >= entry->streams_max) return;
    entry->is_open = true;
    entry->in_origin = (link){.previous = MOCRA_NONE, .next = owner->open_first};
    if (owner->open_first != MOCRA_NONE) pool->connections[owner->open_first].in_origin.previous = connection;
    owner->open_first = connection;
}

static void open_remove(mocra_pool *pool, uint32_t connection) {
    pooled *entry = &pool->connections[connection];
    if (!entry->is_open) return;
    entry->is_open = false;
    if (entry->in_origin.previous != MOCRA_NONE)
        pool->connections[entry->in_origin.previous].in_origin.next = entry->in_origin.next;
    else
        pool->origins[entry->origin].open_first = entry->in_origin.next;
    if (entry->in_origin.next != MOCRA_NONE)
        pool->connections[entry->in_origin.next].in_origin.previous = entry->in_origin.previous;
}

static void idle_push(mocra_pool *pool, uint32_t connection, uint64_t now) {
    pooled *entry = &pool->connections[connection];
    entry->idle_since = now;
    entry->in_all = (link){.previous = pool->idle_newest, .next = MOCRA_NONE};
    if (pool->idle_newest != MOCRA_NONE)
        pool->connections[pool->idle_newest].in_all.next = connection;
    else
        pool->idle_oldest = connection;
    pool->idle_newest = connection;
    pool->idle_total++;
}

static void idle_remove(mocra_pool *pool, uint32_t connection) {
    pooled *entry = &pool->connections[connection];
    if (entry->idle_since == MOCRA_NEVER) return;
    entry->idle_since = MOCRA_NEVER;
    if (entry->in_all.previous != MOCRA_NONE)
        pool->connections[entry->in_all.previous].in_all.next = entry->in_all.next;
    else
        pool->idle_oldest = entry->in_all.next;
    if (entry->in_all.next != MOCRA_NONE)
        pool->connections[entry->in_all.next].in_all.previous = entry->in_all.previous;
    else
        pool->idle_newest = entry->in_all.previous;
    pool->idle_total--;
}

// The connection serves one fetch more.
static void stream_begin(mocra_pool *pool, uint32_t connection) {
    pooled *entry = &pool->connections[connection];
    idle_remove(pool, connection);
    if (++entry->streams >= entry->streams_max) open_remove(pool, connection);
}

// The idle connection of an origin that was used last, or MOCRA_NONE.
static uint32_t newest_idle(const mocra_pool *pool, const origin *owner) {
    uint32_t connection = owner->open_first;
    while (connection != MOCRA_NONE && pool->connections[connection].idle_since == MOCRA_NEVER)
        connection = pool->connections[connection].in_origin.next;
    return connection;
}

static void starved_insert(mocra_pool *pool, uint32_t index, uint32_t previous, uint32_t next) {
    pool->origins[index].is_starved = true;
    pool->origins[index].starved = (link){.previous = previous, .next = next};
    *(previous != MOCRA_NONE ? &pool->origins[previous].starved.next : &pool->starved_first) = index;
    *(next != MOCRA_NONE ? &pool->origins[next].starved.previous : &pool->starved_last) = index;
}

static void starved_push(mocra_pool *pool, uint32_t index) {
    if (!pool->origins[index].is_starved) starved_insert(pool, index, pool->starved_last, MOCRA_NONE);
}

// The origin may have more connections than it has, and the loop may not.
static void starve_if_waiting(mocra_pool *pool, uint32_t index) {
    const origin *entry = &pool->origins[index];
    if (entry->waiting_first != MOCRA_NONE && entry->connections < entry->connections_max)
        starved_push(pool, index);
}

static void starved_remove(mocra_pool *pool, uint32_t index) {
    origin *entry = &pool->origins[index];
    if (!entry->is_starved) return;
    entry->is_starved = false;
    if (entry->starved.previous != MOCRA_NONE)
        pool->origins[entry->starved.previous].starved.next = entry->starved.next;
    else
        pool->starved_first = entry->starved.next;
    if (entry->starved.next != MOCRA_NONE)
        pool->origins[entry->starved.next].starved.previous = entry->starved.previous;
    else
        pool->starved_last = entry->starved.previous;
}

static int wait_push(mocra_pool *pool, uint32_t index, uint32_t fetch) {
    int result = reserve((void **)&pool->fetches, &pool->fetches_capacity, fetch, sizeof(*pool->fetches));
    if (result != MOCRA_OK) return result;
    origin *owner = &pool->origins[index];
    MOCRA_ASSERT(pool->fetches[fetch].origin == MOCRA_NONE);
    pool->fetches[fetch] =
        (waiter){.origin = index, .in_origin = {.previous = owner->waiting_last, .next = MOCRA_NONE}};
    if (owner->waiting_last != MOCRA_NONE)
        pool->fetches[owner->waiting_last].in_origin.next = fetch;
    else
        owner->waiting_first = fetch;
    owner->waiting_last = fetch;
    pool->waiting_total++;
    return MOCRA_OK;
}

// The fetch that was put last is to be served first.
static void wait_to_front(mocra_pool *pool, uint32_t fetch) {
    waiter *entry = &pool->fetches[fetch];
    origin *owner = &pool->origins[entry->origin];
    uint32_t previous = entry->in_origin.previous;
    if (previous == MOCRA_NONE) return;
    pool->fetches[previous].in_origin.next = MOCRA_NONE;
    owner->waiting_last = previous;
    entry->in_origin = (link){.previous = MOCRA_NONE, .next = owner->waiting_first};
    pool->fetches[owner->waiting_first].in_origin.previous = fetch;
    owner->waiting_first = fetch;
}

static void wait_remove(mocra_pool *pool, uint32_t fetch) {
    waiter *entry = &pool->fetches[fetch];
    origin *owner = &pool->origins[entry->origin];
    if (entry->in_origin.previous != MOCRA_NONE)
        pool->fetches[entry->in_origin.previous].in_origin.next = entry->in_origin.next;
    else
        owner->waiting_first = entry->in_origin.next;
    if (entry->in_origin.next != MOCRA_NONE)
        pool->fetches[entry->in_origin.next].in_origin.previous = entry->in_origin.previous;
    else
        owner->waiting_last = entry->in_origin.previous;
    if (owner->waiting_first == MOCRA_NONE) starved_remove(pool, entry->origin);
    entry->origin = MOCRA_NONE;
    pool->waiting_total--;
}

// Takes an idle connection out of the pool for good.
static void evict(mocra_pool *pool, uint32_t connection) {
    pooled *entry = &pool->connections[connection];
    uint32_t owner = entry->origin;
    idle_remove(pool, connection);
    open_remove(pool, connection);
    entry->origin = MOCRA_NONE;
    pool->origins[owner].connections--;
    pool->connections_total--;
    free_origin_if_empty(pool, owner);
}

static void decide_connect(mocra_pool *pool, uint32_t index, uint32_t fetch, mocra_pool_decision *out) {
    pool->origins[index].connections++;
    pool->connections_total++;
    out->action = MOCRA_POOL_CONNECT;
    out->origin = index;
    out->fetch = fetch;
}

bool mocra_pool_is_short(const mocra_pool *pool) {
    return pool->connections_limit < pool->connections_max;
}

static mocra_pool_decision decide(mocra_pool_action action, uint32_t origin, uint32_t connection,
                                  uint32_t fetch) {
    return (mocra_pool_decision){action, origin, connection, fetch, .evict = MOCRA_NONE};
}

int mocra_pool_acquire(mocra_pool *pool, uint32_t index, uint32_t fetch, bool fresh,
                       mocra_pool_decision *out) {
    origin *owner = &pool->origins[index];
    mocra_pool_decision decision = decide(MOCRA_POOL_WAIT, index, MOCRA_NONE, fetch);
    bool origin_has_place = owner->connections < owner->connections_max;
    // A fresh connection may take the place of an idle one of its own origin.
    uint32_t replaced = origin_has_place ? pool->idle_oldest : newest_idle(pool, owner);
    if (owner->open_first != MOCRA_NONE && !fresh) {
        decision.action = MOCRA_POOL_USE;
        decision.connection = owner->open_first;
        stream_begin(pool, decision.connection);
    } else if (origin_has_place && pool->connections_total < pool->connections_limit) {
        decide_connect(pool, index, fetch, &decision);
    } else if (replaced != MOCRA_NONE && !mocra_pool_is_short(pool)) {
        // Counted before the other goes, so that the origin is not empty in between.
        decide_connect(pool, index, fetch, &decision);
        decision.evict = replaced;
        evict(pool, replaced);
    } else {
        int result = wait_push(pool, index, fetch);
        if (result != MOCRA_OK) {
            free_origin_if_empty(pool, index);
            return result;
        }
        if (replaced != MOCRA_NONE) {
            // Its descriptor is free only once it is closed: mocra_pool_grow then serves who waits.
            decision.evict = replaced;
            evict(pool, replaced);
            pool->connections_limit = pool->connections_total;
        }
        if (owner->connections < owner->connections_max) starved_push(pool, index);
    }
    *out = decision;
    return MOCRA_OK;
}

int mocra_pool_bind(mocra_pool *pool, uint32_t index, uint32_t connection) {
    int result = reserve((void **)&pool->connections, &pool->connections_capacity, connection,
                         sizeof(*pool->connections));
    if (result != MOCRA_OK) return result;
    MOCRA_ASSERT(pool->connections[connection].origin == MOCRA_NONE);
    pool->connections[connection] =
        (pooled){.idle_since = MOCRA_NEVER, .origin = index, .streams = 1, .streams_max = 1};
    return MOCRA_OK;
}

void mocra_pool_share(mocra_pool *pool, uint32_t connection, uint32_t streams_max) {
    pooled *entry = &pool->connections[connection];
    MOCRA_ASSERT(connection < pool->connections_capacity && entry->origin != MOCRA_NONE);
    entry->streams_max = streams_max;
    if (entry->streams < streams_max)
        open_push(pool, connection);
    else
        open_remove(pool, connection);
}

uint32_t mocra_pool_take_waiting(mocra_pool *pool, uint32_t connection) {
    const pooled *entry = &pool->connections[connection];
    MOCRA_ASSERT(connection < pool->connections_capacity && entry->origin != MOCRA_NONE);
    uint32_t fetch = pool->origins[entry->origin].waiting_first;
    if (fetch == MOCRA_NONE || entry->streams >= entry->streams_max) return MOCRA_NONE;
    wait_remove(pool, fetch);
    stream_begin(pool, connection);
    return fetch;
}

static void connect_first_waiting(mocra_pool *pool, uint32_t index, mocra_pool_decision *out) {
    origin *owner = &pool->origins[index];
    uint32_t fetch = owner->waiting_first;
    starved_remove(pool, index);
    wait_remove(pool, fetch);
    decide_connect(pool, index, fetch, out);
    starve_if_waiting(pool, index);
}

// A place in the loop became free: origins that only the loop's limit holds back come
// first, in the order in which they began to wait for it, then the origin that lost the place.
static void decide_freed(mocra_pool *pool, uint32_t index, mocra_pool_decision *out) {
    *out = decide(MOCRA_POOL_NOTHING, index, MOCRA_NONE, MOCRA_NONE);
    if (mocra_pool_is_short(pool)) {
        pool->connections_limit = pool->connections_total;
        starve_if_waiting(pool, index);
        free_origin_if_empty(pool, index);
        return;
    }
    uint32_t chosen = pool->starved_first;
    if (chosen == MOCRA_NONE && pool->origins[index].waiting_first != MOCRA_NONE) chosen = index;
    if (chosen != MOCRA_NONE) connect_first_waiting(pool, chosen, out);
    // The origin that lost a connection may now be held back by the loop's limit alone.
    if (chosen != index) {
        starve_if_waiting(pool, index);
        free_origin_if_empty(pool, index);
    }
}

void mocra_pool_abandon(mocra_pool *pool, uint32_t index, mocra_pool_decision *out) {
    MOCRA_ASSERT(pool->origins[index].connections > 0);
    pool->origins[index].connections--;
    pool->connections_total--;
    decide_freed(pool, index, out);
}

int mocra_pool_postpone(mocra_pool *pool, uint32_t index, uint32_t fetch, mocra_pool_decision *out) {
    origin *owner = &pool->origins[index];
    MOCRA_ASSERT(owner->connections > 0);
    int result = wait_push(pool, index, fetch);
    if (result != MOCRA_OK) return result;
    wait_to_front(pool, fetch);
    owner->connections--;
    pool->connections_total--;
    starved_remove(pool, index);
    starved_insert(pool, index, MOCRA_NONE, pool->starved_first);
    *out = decide(MOCRA_POOL_WAIT, index, MOCRA_NONE, fetch);
    out->evict = pool->idle_oldest;
    if (pool->idle_oldest != MOCRA_NONE) evict(pool, pool->idle_oldest);
    pool->connections_limit = pool->connections_total;
    return MOCRA_OK;
}

void mocra_pool_grow(mocra_pool *pool, mocra_pool_decision *out) {
    *out = decide(MOCRA_POOL_NOTHING, MOCRA_NONE, MOCRA_NONE, MOCRA_NONE);
    if (!mocra_pool_is_short(pool)) return;
    pool->connections_limit++;
    if (pool->starved_first != MOCRA_NONE && pool->connections_total < pool->connections_limit)
        connect_first_waiting(pool, pool->starved_first, out);
}

bool mocra_pool_waits_for_descriptors(const mocra_pool *pool, uint32_t fetch) {
    if (!mocra_pool_is_short(pool)) return false;
    if (fetch == MOCRA_NONE) return pool->starved_first != MOCRA_NONE;
    return fetch < pool->fetches_capacity && pool->fetches[fetch].origin != MOCRA_NONE &&
           pool->origins[pool->fetches[fetch].origin].is_starved;
}

void mocra_pool_release(mocra_pool *pool, uint32_t connection, uint64_t now, mocra_pool_decision *out) {
    MOCRA_ASSERT(connection < pool->connections_capacity);
    pooled *entry = &pool->connections[connection];
    uint32_t index = entry->origin;
    MOCRA_ASSERT(index != MOCRA_NONE && entry->streams > 0);
    origin *owner = &pool->origins[index];
    *out = decide(MOCRA_POOL_NOTHING, index, connection, MOCRA_NONE);
    entry->streams--;
    bool is_idle = entry->streams == 0;
    // A busy origin keeps its connections for some turns, but not for ever, while others have none.
    bool keeps = !is_idle || pool->starved_first == MOCRA_NONE || ++pool->kept < KEPT_TURNS_MAX;
    if (!keeps) pool->kept = 0;
    if (owner->waiting_first != MOCRA_NONE && keeps && entry->streams < entry->streams_max) {
        out->action = MOCRA_POOL_USE;
        out->fetch = owner->waiting_first;
        wait_remove(pool, out->fetch);
        stream_begin(pool, connection);
    } else if (is_idle && pool->starved_first != MOCRA_NONE) {
        open_remove(pool, connection);
        entry->origin = MOCRA_NONE;
        owner->connections--;
        pool->connections_total--;
        decide_freed(pool, index, out);
        out->evict = connection;
    } else {
        if (is_idle) idle_push(pool, connection, now);
        open_push(pool, connection);
    }
}

void mocra_pool_closed(mocra_pool *pool, uint32_t connection, mocra_pool_decision *out) {
    MOCRA_ASSERT(connection < pool->connections_capacity);
    pooled *entry = &pool->connections[connection];
    uint32_t index = entry->origin;
    MOCRA_ASSERT(index != MOCRA_NONE);
    idle_remove(pool, connection);
    open_remove(pool, connection);
    entry->origin = MOCRA_NONE;
    pool->origins[index].connections--;
    pool->connections_total--;
    decide_freed(pool, index, out);
}

bool mocra_pool_cancel(mocra_pool *pool, uint32_t fetch) {
    if (fetch >= pool->fetches_capacity || pool->fetches[fetch].origin == MOCRA_NONE) return false;
    uint32_t index = pool->fetches[fetch].origin;
    wait_remove(pool, fetch);
    free_origin_if_empty(pool, index);
    return true;
}

uint32_t mocra_pool_oldest_idle(const mocra_pool *pool, uint64_t idle_before) {
    uint32_t oldest = pool->idle_oldest;
    if (oldest == MOCRA_NONE || pool->connections[oldest].idle_since > idle_before) return MOCRA_NONE;
    return oldest;
}

uint64_t mocra_pool_oldest_idle_since(const mocra_pool *pool) {
    return pool->idle_oldest == MOCRA_NONE ? MOCRA_NEVER : pool->connections[pool->idle_oldest].idle_since;
}

uint32_t mocra_pool_connections(const mocra_pool *pool) {
    return pool->connections_total;
}

uint32_t mocra_pool_idle(const mocra_pool *pool) {
    return pool->idle_total;
}

uint32_t mocra_pool_waiting(const mocra_pool *pool) {
    return pool->waiting_total;
}

uint32_t mocra_pool_origins(const mocra_pool *pool) {
    return pool->origins_count;
}
