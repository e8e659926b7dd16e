// Descriptors belong to the process, connections to their loops: a loop that finds no descriptor asks the
// others to give up connections that rest.
#include <pthread.h>
#include <stdatomic.h>

#include "loop.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mocra_loop *first;
// How often a loop has asked.
static _Atomic uint32_t asked;

void descriptors_join(mocra_loop *loop) {
    loop->descriptors_seen = atomic_load_explicit(&asked, memory_order_relaxed);
    pthread_mutex_lock(&lock);
    loop->next_loop = first;
    first = loop;
    pthread_mutex_unlock(&lock);
}

void descriptors_part(mocra_loop *loop) {
    pthread_mutex_lock(&lock);
    for (mocra_loop **link = &first; *link != NULL; link = &(*link)->next_loop) {
        if (*link != loop) continue;
        *link = loop->next_loop;
        break;
    }
    pthread_mutex_unlock(&lock);
}

void descriptors_ask(mocra_loop *loop) {
    // What this loop itself has at rest was given up before it asks.
    loop->descriptors_seen = atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed) + 1;
    pthread_mutex_lock(&lock);
    for (mocra_loop *other = first; other != NULL; other = other->next_loop)
        if (other != loop) mocra_driver_wake(other->driver);
    pthread_mutex_unlock(&lock);
}

void descriptors_give(mocra_loop *loop) {
    uint32_t now = atomic_load_explicit(&asked, memory_order_relaxed);
    if (now == loop->descriptors_seen) return;
    loop->descriptors_seen = now;
    // Half of them: enough for those that wait, and the rest may be of use here.
    for (uint32_t count = (mocra_pool_idle(loop->pool) + 1) / 2; count > 0; count--) {
        uint32_t index = mocra_pool_oldest_idle(loop->pool, loop->now);
        if (index == MOCRA_NONE) return;
        connection_event(loop, connection_at(loop, index),
                         (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
    }
}
