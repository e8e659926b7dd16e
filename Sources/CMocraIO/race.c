// From a place in the pool to a connected socket: runs what the race machine says (RFC 8305). Each attempt is
// a connection slot of its own; the first that connects takes the place in the pool and the fetch.
#include <string.h>

#include "loop.h"

// When to look whether other parts of the process have closed descriptors.
#define DESCRIPTORS_RETRY_NS 50000000u

static void set_timer(mocra_loop *loop, fetch *item, uint64_t when) {
    uint64_t deadline =
        item->phase_deadline < item->total_deadline ? item->phase_deadline : item->total_deadline;
    mocra_timers_set(&loop->timers, item->index, when < deadline ? when : deadline);
}

// Of several errors the fetch reports one of connecting rather than that an address was passed over.
static void note(fetch *item, int error) {
    if (error == MOCRA_ERR_ADDRESS_BLOCKED && item->race_error != MOCRA_ERR_DNS_FAILED) return;
    item->race_error = error;
    if (error != MOCRA_ERR_ADDRESS_BLOCKED) item->response.reason[0] = '\0';
}

static int attempt(mocra_loop *loop, fetch *item, const mocra_race_decision *decision) {
    mocra_address address = item->addresses.list[decision->address];
    // The proxy is the user's own choice; what it leads to was checked before.
    if (item->proxy == NULL && loop->options.public_addresses_only && !mocra_address_is_public(&address)) {
        if (item->race_error == MOCRA_ERR_DNS_FAILED)
            mocra_address_print(&address, item->response.reason, sizeof(item->response.reason));
        return MOCRA_ERR_ADDRESS_BLOCKED;
    }
    mocra_address_set_port(&address, item->proxy != NULL ? item->proxy->port : item->port);
    return connection_open(loop, item, &address, decision->place);
}

static void drop(mocra_loop *loop, fetch *item, uint32_t place) {
    if (item->attempts[place] == MOCRA_NONE) return;
    connection *dropped = connection_at(loop, item->attempts[place]);
    item->attempts[place] = MOCRA_NONE;
    dropped->fetch = MOCRA_NONE;
    connection_event(loop, dropped, (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
}

// MOCRA_OK while attempts are under way.
static int go_on(mocra_loop *loop, fetch *item) {
    for (;;) {
        mocra_race_decision decision = mocra_race_next(&item->race, loop->now);
        if (decision.action == MOCRA_RACE_OVER) return item->race_error;
        if (decision.action == MOCRA_RACE_WAIT) {
            set_timer(loop, item, decision.when);
            return MOCRA_OK;
        }
        if (decision.replaces) {
            note(item, MOCRA_ERR_CONNECT_TIMEOUT);
            drop(loop, item, decision.place);
        }
        int result = attempt(loop, item, &decision);
        if (result == MOCRA_OK) continue;
        note(item, result);
        mocra_race_failed(&item->race, decision.place);
        // Without a descriptor, or memory, another address fares no better.
        bool local = result == MOCRA_ERR_DESCRIPTORS || result == MOCRA_ERR_MEMORY;
        if (local && mocra_race_under_way(&item->race) == 0) return result;
    }
}

int race_start(mocra_loop *loop, uint32_t origin, fetch *item) {
    item->state = FETCH_CONNECTING;
    item->origin = origin;
    item->race_error = MOCRA_ERR_DNS_FAILED;
    for (uint32_t i = 0; i < MOCRA_RACE_PLACES; i++) item->attempts[i] = MOCRA_NONE;
    mocra_race_begin(&item->race, item->addresses.count);
    fetch_set_phase(loop, item, PHASE_CONNECT);
    return go_on(loop, item);
}

static void lost(mocra_loop *loop, fetch *item, int error) {
    mocra_pool_decision decision;
    race_give_back(loop, item->origin, item, error, &decision);
    fetch_run_decision(loop, &decision);
}

void race_tick(mocra_loop *loop, fetch *item) {
    int result = go_on(loop, item);
    if (result != MOCRA_OK) lost(loop, item, result);
}

void race_failed(mocra_loop *loop, connection *failed, int error) {
    fetch *item = fetch_at(loop, failed->fetch);
    failed->fetch = MOCRA_NONE;
    item->attempts[failed->place] = MOCRA_NONE;
    mocra_race_failed(&item->race, failed->place);
    note(item, error);
    race_tick(loop, item);
}

int race_won(mocra_loop *loop, connection *winner) {
    fetch *item = fetch_at(loop, winner->fetch);
    int result = mocra_pool_bind(loop->pool, item->origin, winner->index);
    if (result != MOCRA_OK) return result;
    item->attempts[winner->place] = MOCRA_NONE;
    for (uint32_t place = 0; place < MOCRA_RACE_PLACES; place++) drop(loop, item, place);
    winner->pooled = true;
    item->state = FETCH_ACTIVE;
    item->connection = winner->index;
    item->response.connected_ns = loop->now;
    item->response.reason[0] = '\0';
    set_timer(loop, item, MOCRA_NEVER);
    return MOCRA_OK;
}

void race_stop(mocra_loop *loop, fetch *item, int error) {
    for (uint32_t place = 0; place < MOCRA_RACE_PLACES; place++) drop(loop, item, place);
    mocra_pool_decision decision;
    uint32_t origin = item->origin;
    fetch_finish(loop, item, error);
    mocra_pool_abandon(loop->pool, origin, &decision);
    fetch_run_decision(loop, &decision);
}

void race_give_back(mocra_loop *loop, uint32_t origin, fetch *item, int error, mocra_pool_decision *out) {
    if (error == MOCRA_ERR_DESCRIPTORS) {
        error = mocra_pool_postpone(loop->pool, origin, item->index, out);
        if (error == MOCRA_OK) {
            item->state = FETCH_WAITING;
            item->phase_deadline = MOCRA_NEVER;
            mocra_timers_set(&loop->timers, item->index, item->total_deadline);
            loop->descriptors_retry = loop->now + DESCRIPTORS_RETRY_NS;
            descriptors_ask(loop);
            return;
        }
    }
    fetch_finish(loop, item, proxy_error(item, error));
    mocra_pool_abandon(loop->pool, origin, out);
}

void race_retry_descriptors(mocra_loop *loop) {
    if (!mocra_pool_is_short(loop->pool)) {
        loop->descriptors_freed = 0;
        return;
    }
    mocra_pool_decision decision;
    for (; loop->descriptors_freed > 0; loop->descriptors_freed--) {
        mocra_pool_grow(loop->pool, &decision);
        fetch_run_decision(loop, &decision);
    }
    if (!mocra_pool_waits_for_descriptors(loop->pool, MOCRA_NONE) || loop->now < loop->descriptors_retry)
        return;
    // One that finds no descriptor sets the next try, which ends this one.
    loop->descriptors_retry = 0;
    while (loop->descriptors_retry == 0 && mocra_pool_waits_for_descriptors(loop->pool, MOCRA_NONE)) {
        mocra_pool_grow(loop->pool, &decision);
        fetch_run_decision(loop, &decision);
    }
    if (loop->descriptors_retry == 0) loop->descriptors_retry = loop->now + DESCRIPTORS_RETRY_NS;
}

uint64_t race_next_retry(const mocra_loop *loop) {
    if (!mocra_pool_waits_for_descriptors(loop->pool, MOCRA_NONE)) return MOCRA_NEVER;
    return loop->descriptors_freed > 0 ? loop->now : loop->descriptors_retry;
}
