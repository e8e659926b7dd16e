// Deadlines by identifier: a binary heap that moves lazily. Pure: time is an argument.
// A deadline that moves later (what nearly every deadline of a fetch does) costs one store; the heap learns
// of it when the old time comes.
#ifndef MOCRA_TIMERS_H
#define MOCRA_TIMERS_H

#include <stdint.h>

#include "mocra_error.h"

#define MOCRA_NEVER UINT64_MAX
#define MOCRA_NONE UINT32_MAX

typedef struct mocra_timers {
    struct mocra_timer_entry *heap;  // ordered by `when`, which is at or before the identifier's deadline
    uint64_t *deadlines;             // by identifier; MOCRA_NEVER when unset
    uint32_t *positions;             // by identifier; MOCRA_NONE when not in the heap
    uint32_t count;
    uint32_t capacity;
} mocra_timers;

// Zeroes; no allocation.
void mocra_timers_init(mocra_timers *timers);
void mocra_timers_free(mocra_timers *timers);
// Makes room for identifiers below `capacity`. MOCRA_ERR_MEMORY leaves the timers as they were.
int mocra_timers_reserve(mocra_timers *timers, uint32_t capacity);
// Sets or moves the deadline of `id` (ns). O(1) when it moves later, O(log n) when it moves earlier.
void mocra_timers_set(mocra_timers *timers, uint32_t id, uint64_t deadline);
// Forgets the deadline of `id`. O(1).
void mocra_timers_clear(mocra_timers *timers, uint32_t id);
// The next identifier whose deadline is at or before `now`, its deadline cleared; MOCRA_NONE when there is
// none.
uint32_t mocra_timers_expire(mocra_timers *timers, uint64_t now);
// When to look again, at or before the earliest deadline; MOCRA_NEVER when there is none.
uint64_t mocra_timers_next(const mocra_timers *timers);

#endif
