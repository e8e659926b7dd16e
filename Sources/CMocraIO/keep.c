// How long a connection is kept: its maximum age, and what the server says in Keep-Alive (RFC 2068 §19.7.1.1,
// which servers still send: `timeout` in seconds, `max` in requests).
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop.h"

// A connection is given up this long before the server may close it.
#define MARGIN_NS 500000000u
#define SECONDS_MAX 86400u

// The number behind `name=` in a list of parameters, at most `max`, or UINT32_MAX when there is none.
static uint32_t parameter(const uint8_t *value, size_t length, const char *name, uint32_t max) {
    size_t size = strlen(name);
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && value[end] != ',') end++;
        while (at < end && (value[at] == ' ' || value[at] == '\t')) at++;
        if (end - at > size && value[at + size] == '=' &&
            strncasecmp((const char *)value + at, name, size) == 0) {
            uint32_t number = 0;
            size_t digit = at + size + 1;
            for (; digit < end && value[digit] >= '0' && value[digit] <= '9'; digit++)
                number = number >= max ? max : number * 10 + (uint32_t)(value[digit] - '0');
            if (digit > at + size + 1) return number < max ? number : max;
        }
        at = end + 1;
    }
    return UINT32_MAX;
}

// Servers say the same with every answer, so that the first one tells all.
static void read_hint(mocra_loop *loop, connection *item) {
    item->keep_ns = UINT64_MAX;
    item->uses_left = UINT32_MAX;
    const mocra_response *response = &fetch_at(loop, item->fetch)->response;
    if (response->head == NULL) return;
    int index = mocra_http1_find(response->head, response->head_data, "keep-alive", 10);
    if (index < 0) return;
    mocra_span span = response->head->headers[index].value;
    const uint8_t *value = response->head_data + span.offset;
    uint32_t seconds = parameter(value, span.length, "timeout", SECONDS_MAX);
    if (seconds != UINT32_MAX) item->keep_ns = seconds > 0 ? seconds * 1000000000ull - MARGIN_NS : 0;
    uint32_t uses = parameter(value, span.length, "max", UINT32_MAX - 1);
    // It counts what may come after this answer.
    if (uses < UINT32_MAX - 1) item->uses_left = uses + 1;
}

bool keep_allows(mocra_loop *loop, connection *item) {
    if (!item->machine.reused) read_hint(loop, item);
    if (item->uses_left != UINT32_MAX) item->uses_left--;
    uint64_t age_max = loop->options.pool_max_age_ns;
    return item->uses_left > 0 && item->keep_ns > 0 &&
           (age_max == 0 || loop->now - item->opened_ns < age_max);
}

void keep_begin(mocra_loop *loop, connection *item) {
    uint64_t left = item->keep_ns;
    uint64_t age_max = loop->options.pool_max_age_ns;
    uint64_t age = loop->now - item->opened_ns;
    if (age_max > 0 && (age < age_max ? age_max - age : 0) < left) left = age < age_max ? age_max - age : 0;
    // The pool watches over its own limit, the same for all.
    item->keep_until = left < loop->options.pool_idle_ns ? loop->now + left : MOCRA_NEVER;
    if (item->keep_until == MOCRA_NEVER) return;
    // Out of memory leaves it to the pool's limit.
    if (mocra_timers_reserve(&loop->keeps, loop->connections_capacity) == MOCRA_OK)
        mocra_timers_set(&loop->keeps, item->index, item->keep_until);
}

void keep_expire(mocra_loop *loop) {
    for (;;) {
        uint32_t index = mocra_timers_expire(&loop->keeps, loop->now);
        if (index == MOCRA_NONE) return;
        // One that works again has another time, or none.
        connection *item = connection_at(loop, index);
        if (item->machine.state == MOCRA_CONNECTION_IDLE && item->keep_until <= loop->now)
            connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_EVICT});
    }
}
