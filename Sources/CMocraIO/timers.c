// Deadlines by identifier; see mocra_timers.h.
#include "mocra_timers.h"

#include <stdlib.h>
#include <string.h>

#include "mocra_assert.h"

typedef struct mocra_timer_entry {
    uint64_t when;
    uint32_t id;
} mocra_timer_entry;

void mocra_timers_init(mocra_timers *timers) {
    memset(timers, 0, sizeof(*timers));
}

void mocra_timers_free(mocra_timers *timers) {
    free(timers->heap);
    free(timers->deadlines);
    free(timers->positions);
    mocra_timers_init(timers);
}

int mocra_timers_reserve(mocra_timers *timers, uint32_t capacity) {
    if (capacity <= timers->capacity) return MOCRA_OK;
    mocra_timer_entry *heap = realloc(timers->heap, capacity * sizeof(*heap));
    if (heap == NULL) return MOCRA_ERR_MEMORY;
    timers->heap = heap;
    uint64_t *deadlines = realloc(timers->deadlines, capacity * sizeof(*deadlines));
    if (deadlines == NULL) return MOCRA_ERR_MEMORY;
    timers->deadlines = deadlines;
    uint32_t *positions = realloc(timers->positions, capacity * sizeof(*positions));
    if (positions == NULL) return MOCRA_ERR_MEMORY;
    timers->positions = positions;
    for (uint32_t id = timers->capacity; id < capacity; id++) {
        deadlines[id] = MOCRA_NEVER;
        positions[id] = MOCRA_NONE;
    }
    timers->capacity = capacity;
    return MOCRA_OK;
}

static void place(mocra_timers *timers, uint32_t position, mocra_timer_entry entry) {
    timers->heap[position] = entry;
    timers->positions[entry.id] = position;
}

static void sift_up(mocra_timers *timers, uint32_t position, mocra_timer_entry entry) {
    while (position > 0) {
        uint32_t parent = (position - 1) / 2;
        if (timers->heap[parent].when <= entry.when) break;
        place(timers, position, timers->heap[parent]);
        position = parent;
    }
    place(timers, position, entry);
}

static void sift_down(mocra_timers *timers, uint32_t position, mocra_timer_entry entry) {
    for (;;) {
        uint32_t child = 2 * position + 1;
        if (child >= timers->count) break;
        if (child + 1 < timers->count && timers->heap[child + 1].when < timers->heap[child].when) child++;
        if (entry.when <= timers->heap[child].when) break;
        place(timers, position, timers->heap[child]);
        position = child;
    }
    place(timers, position, entry);
}

void mocra_timers_set(mocra_timers *timers, uint32_t id, uint64_t deadline) {
    MOCRA_ASSERT(id < timers->capacity);
    timers->deadlines[id] = deadline;
    uint32_t position = timers->positions[id];
    mocra_timer_entry entry = {.when = deadline, .id = id};
    if (position == MOCRA_NONE) {
        if (deadline == MOCRA_NEVER) return;
        sift_up(timers, timers->count++, entry);
    } else if (deadline < timers->heap[position].when) {
        sift_up(timers, position, entry);
    }
}

void mocra_timers_clear(mocra_timers *timers, uint32_t id) {
    MOCRA_ASSERT(id < timers->capacity);
    timers->deadlines[id] = MOCRA_NEVER;
}

// Takes the top out, or puts it back at its identifier's present deadline.
static void settle_top(mocra_timers *timers) {
    mocra_timer_entry top = timers->heap[0];
    uint64_t deadline = timers->deadlines[top.id];
    if (deadline != MOCRA_NEVER) {
        sift_down(timers, 0, (mocra_timer_entry){.when = deadline, .id = top.id});
        return;
    }
    timers->positions[top.id] = MOCRA_NONE;
    timers->count--;
    if (timers->count > 0) sift_down(timers, 0, timers->heap[timers->count]);
}

uint32_t mocra_timers_expire(mocra_timers *timers, uint64_t now) {
    while (timers->count > 0 && timers->heap[0].when <= now) {
        uint32_t id = timers->heap[0].id;
        bool due = timers->deadlines[id] <= now;
        if (due) timers->deadlines[id] = MOCRA_NEVER;
        settle_top(timers);
        if (due) return id;
    }
    return MOCRA_NONE;
}

uint64_t mocra_timers_next(const mocra_timers *timers) {
    return timers->count > 0 ? timers->heap[0].when : MOCRA_NEVER;
}
