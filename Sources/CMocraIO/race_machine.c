// The race's rules; see mocra_race_machine.h.
#include "mocra_race_machine.h"

#include "mocra_assert.h"
#include "mocra_timers.h"

void mocra_race_begin(mocra_race *race, uint32_t count) {
    *race = (mocra_race){.count = count};
    for (uint32_t i = 0; i < MOCRA_RACE_PLACES; i++) race->began[i] = MOCRA_NEVER;
}

uint32_t mocra_race_under_way(const mocra_race *race) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < MOCRA_RACE_PLACES; i++) count += race->began[i] != MOCRA_NEVER;
    return count;
}

void mocra_race_failed(mocra_race *race, uint32_t place) {
    MOCRA_ASSERT(place < MOCRA_RACE_PLACES && race->began[place] != MOCRA_NEVER);
    race->began[place] = MOCRA_NEVER;
    race->last_began = 0;
}

mocra_race_decision mocra_race_next(mocra_race *race, uint64_t now) {
    uint32_t under_way = mocra_race_under_way(race);
    if (race->next == race->count)
        return (mocra_race_decision){.action = under_way > 0 ? MOCRA_RACE_WAIT : MOCRA_RACE_OVER,
                                     .when = MOCRA_NEVER};
    // A free place counts as the oldest.
    uint32_t place = 0;
    for (uint32_t i = 0; i < MOCRA_RACE_PLACES; i++) {
        if (race->began[i] == MOCRA_NEVER) {
            place = i;
            break;
        }
        if (race->began[i] < race->began[place]) place = i;
    }
    bool replaces = race->began[place] != MOCRA_NEVER;
    uint64_t when = under_way > 0 && race->last_began > 0 ? race->last_began + MOCRA_RACE_DELAY_NS : 0;
    if (replaces && race->began[place] + MOCRA_RACE_PATIENCE_NS > when)
        when = race->began[place] + MOCRA_RACE_PATIENCE_NS;
    if (when > now) return (mocra_race_decision){.action = MOCRA_RACE_WAIT, .when = when};
    race->began[place] = race->last_began = now;
    return (mocra_race_decision){.action = MOCRA_RACE_ATTEMPT,
                                 .place = (uint8_t)place,
                                 .replaces = replaces,
                                 .address = race->next++,
                                 .when = MOCRA_NEVER};
}
