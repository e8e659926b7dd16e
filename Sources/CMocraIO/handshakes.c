// How many TLS handshakes a loop has under way at once. Each holds 16 KiB until it is done, which the heap
// keeps when thousands begin together, and each takes the loop some 0.4 ms: more of them at once end no
// sooner. Those that wait also get to resume the session of one that was done before.
//
// A server that does not answer must not hold up others, so that a handshake counts for a short time only.
#include "loop.h"

#define HANDSHAKES_MAX 256u
#define COUNTS_NS 500000000u

static void append(handshake_list *list, connection *item) {
    item->handshakes = list;
    item->next_handshake = NULL;
    item->previous_handshake = list->last;
    *(list->last != NULL ? &list->last->next_handshake : &list->first) = item;
    list->last = item;
    list->count++;
}

void handshakes_leave(connection *item) {
    handshake_list *list = item->handshakes;
    if (list == NULL) return;
    connection *next = item->next_handshake;
    connection *previous = item->previous_handshake;
    *(next != NULL ? &next->previous_handshake : &list->last) = previous;
    *(previous != NULL ? &previous->next_handshake : &list->first) = next;
    item->handshakes = NULL;
    list->count--;
}

static void start(mocra_loop *loop, connection *item) {
    item->handshake_ns = loop->now;
    append(&loop->handshakes_young, item);
    connection_handshake(loop, item);
}

void handshakes_begin(mocra_loop *loop, connection *item) {
    if (loop->handshakes_waiting.count == 0 && loop->handshakes_young.count < HANDSHAKES_MAX)
        start(loop, item);
    else
        append(&loop->handshakes_waiting, item);
}

void handshakes_continue(mocra_loop *loop) {
    const connection *oldest;
    while (loop->handshakes_waiting.count > 0 && (oldest = loop->handshakes_young.first) != NULL &&
           oldest->handshake_ns + COUNTS_NS <= loop->now)
        handshakes_leave(loop->handshakes_young.first);
    while (loop->handshakes_waiting.count > 0 && loop->handshakes_young.count < HANDSHAKES_MAX) {
        connection *item = loop->handshakes_waiting.first;
        handshakes_leave(item);
        start(loop, item);
    }
}

uint64_t handshakes_next(const mocra_loop *loop) {
    const connection *oldest = loop->handshakes_young.first;
    if (loop->handshakes_waiting.count == 0 || oldest == NULL) return MOCRA_NEVER;
    return oldest->handshake_ns + COUNTS_NS;
}
