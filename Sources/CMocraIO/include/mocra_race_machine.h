// The race of a connection's attempts over a host's addresses (RFC 8305 §5), as a pure machine: it says which
// address is tried when. It knows no socket and no clock; time is an argument, in ns.
//
// Addresses are tried in the order given. While an attempt is under way the next one begins after a delay; a
// failed attempt starts the next at once. At most MOCRA_RACE_PLACES run at a time: when all are taken, the
// oldest gives up its place to an address that was not tried yet, once it has had its patience.
#ifndef MOCRA_RACE_MACHINE_H
#define MOCRA_RACE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define MOCRA_RACE_PLACES 2u
#define MOCRA_RACE_DELAY_NS 250000000u      // Connection Attempt Delay, as RFC 8305 §8 recommends
#define MOCRA_RACE_PATIENCE_NS 1000000000u  // what an attempt is given though others wait for its place

typedef struct mocra_race {
    uint64_t began[MOCRA_RACE_PLACES];  // MOCRA_NEVER while the place is free
    uint64_t last_began;                // 0 when the next attempt need not wait
    uint32_t count;                     // addresses
    uint32_t next;                      // the first that was not tried
} mocra_race;

typedef enum mocra_race_action {
    MOCRA_RACE_WAIT = 0,     // attempts are under way; ask again at `when`, or when one failed
    MOCRA_RACE_ATTEMPT = 1,  // try `address` in `place`, then ask again
    MOCRA_RACE_OVER = 2,     // nothing is under way and nothing is left
} mocra_race_action;

typedef struct mocra_race_decision {
    uint8_t action;
    uint8_t place;
    bool replaces;  // ATTEMPT: first give up the attempt that is in the place
    uint32_t address;
    uint64_t when;  // WAIT: MOCRA_NEVER when no address is left
} mocra_race_decision;

void mocra_race_begin(mocra_race *race, uint32_t count);
// What is to be done at `now`.
mocra_race_decision mocra_race_next(mocra_race *race, uint64_t now);
// The attempt in `place` failed, or never began.
void mocra_race_failed(mocra_race *race, uint32_t place);
// How many attempts are under way.
uint32_t mocra_race_under_way(const mocra_race *race);

#endif
