// What is known of names, for as long as it may be believed. Pure but for memory: time is an argument.
#ifndef MOCRA_DNS_CACHE_H
#define MOCRA_DNS_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "mocra_address.h"

typedef struct mocra_dns_cache mocra_dns_cache;

// Holds at most `names_max` names (0: none); the one that was asked for longest ago goes first. `seed` makes
// it unknown which names share a bucket. NULL when out of memory.
mocra_dns_cache *mocra_dns_cache_create(uint32_t names_max, uint64_t seed);
void mocra_dns_cache_destroy(mocra_dns_cache *cache);
// MOCRA_MORE when nothing is known at `now`; else the error that was kept, or MOCRA_OK with the addresses.
int mocra_dns_cache_get(mocra_dns_cache *cache, const char *name, size_t length, uint64_t now,
                        mocra_address_set *out);
// Keeps an answer until `expires` (ns): MOCRA_OK with addresses, or an error. Takes the place of what was
// known. Out of memory, it is not kept.
void mocra_dns_cache_put(mocra_dns_cache *cache, const char *name, size_t length, int error,
                         const mocra_address_set *addresses, uint64_t expires);
// Adds addresses to what is known and has not expired, without letting it live longer. No effect otherwise.
void mocra_dns_cache_add(mocra_dns_cache *cache, const char *name, size_t length, uint64_t now,
                         const mocra_address_set *addresses);
uint32_t mocra_dns_cache_count(const mocra_dns_cache *cache);

#endif
