// The cache of names; see mocra_dns_cache.h. A hash table of entries that also lie in a list by last use. An
// entry holds its name and its addresses without slack: some 100 bytes for a usual name.
#include "mocra_dns_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 256u
#define BUCKETS_MAX (1u << 20)

typedef struct entry {
    struct entry *next_in_bucket;
    struct entry *newer;
    struct entry *older;
    uint64_t hash;
    uint64_t expires;
    int error;
    uint8_t length;
    uint8_t v4_count;
    uint8_t v6_count;
    uint8_t bytes[];  // IPv6 addresses, IPv4 addresses, the name
} entry;

struct mocra_dns_cache {
    entry **buckets;
    entry *newest;
    entry *oldest;
    uint64_t seed;
    uint32_t buckets_count;  // a power of two
    uint32_t names_max;
    uint32_t count;
};

// Names come from pages, so the order of the buckets must not be theirs to choose: FNV-1a over 64 bits from a
// start that they do not know, stirred after each byte.
static uint64_t hash_name(const mocra_dns_cache *cache, const char *name, size_t length) {
    uint64_t hash = cache->seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash ^ hash >> 32;
}

mocra_dns_cache *mocra_dns_cache_create(uint32_t names_max, uint64_t seed) {
    mocra_dns_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) return NULL;
    cache->buckets_count = BUCKETS_MIN;
    cache->buckets = calloc(BUCKETS_MIN, sizeof(*cache->buckets));
    if (cache->buckets == NULL) {
        free(cache);
        return NULL;
    }
    cache->names_max = names_max;
    cache->seed = seed;
    return cache;
}

void mocra_dns_cache_destroy(mocra_dns_cache *cache) {
    if (cache == NULL) return;
    for (entry *item = cache->newest; item != NULL;) {
        entry *older = item->older;
        free(item);
        item = older;
    }
    free(cache->buckets);
    free(cache);
}

static entry **place(mocra_dns_cache *cache, const char *name, size_t length, uint64_t hash) {
    entry **slot = &cache->buckets[hash & (cache->buckets_count - 1)];
    while (*slot != NULL) {
        const entry *item = *slot;
        const uint8_t *known = item->bytes + item->v6_count * 16 + item->v4_count * 4;
        if (item->hash == hash && item->length == length && memcmp(known, name, length) == 0) break;
        slot = &(*slot)->next_in_bucket;
    }
    return slot;
}

static void list_remove(mocra_dns_cache *cache, entry *item) {
    *(item->newer != NULL ? &item->newer->older : &cache->newest) = item->older;
    *(item->older != NULL ? &item->older->newer : &cache->oldest) = item->newer;
}

static void list_push(mocra_dns_cache *cache, entry *item) {
    item->newer = NULL;
    item->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = item;
    cache->newest = item;
}

static void drop(mocra_dns_cache *cache, entry **slot) {
    entry *item = *slot;
    *slot = item->next_in_bucket;
    list_remove(cache, item);
    free(item);
    cache->count--;
}

static void drop_oldest(mocra_dns_cache *cache) {
    entry **slot = &cache->buckets[cache->oldest->hash & (cache->buckets_count - 1)];
    while (*slot != cache->oldest) slot = &(*slot)->next_in_bucket;
    drop(cache, slot);
}

// More buckets for more names; without the memory for it they only get longer.
static void widen(mocra_dns_cache *cache) {
    if (cache->count < cache->buckets_count || cache->buckets_count >= BUCKETS_MAX) return;
    uint32_t count = cache->buckets_count * 2;
    entry **buckets = calloc(count, sizeof(*buckets));
    if (buckets == NULL) return;
    for (entry *item = cache->newest; item != NULL; item = item->older) {
        entry **bucket = &buckets[item->hash & (count - 1)];
        item->next_in_bucket = *bucket;
        *bucket = item;
    }
    free(cache->buckets);
    cache->buckets = buckets;
    cache->buckets_count = count;
}

int mocra_dns_cache_get(mocra_dns_cache *cache, const char *name, size_t length, uint64_t now,
                        mocra_address_set *out) {
    entry **slot = place(cache, name, length, hash_name(cache, name, length));
    entry *item = *slot;
    if (item == NULL) return MOCRA_MORE;
    if (now >= item->expires) {
        drop(cache, slot);
        return MOCRA_MORE;
    }
    list_remove(cache, item);
    list_push(cache, item);
    if (item->error != MOCRA_OK) return item->error;
    *out = (mocra_address_set){.v4_count = item->v4_count, .v6_count = item->v6_count};
    memcpy(out->v6, item->bytes, item->v6_count * 16u);
    memcpy(out->v4, item->bytes + item->v6_count * 16u, item->v4_count * 4u);
    return MOCRA_OK;
}

void mocra_dns_cache_put(mocra_dns_cache *cache, const char *name, size_t length, int error,
                         const mocra_address_set *addresses, uint64_t expires) {
    uint64_t hash = hash_name(cache, name, length);
    entry **slot = place(cache, name, length, hash);
    if (*slot != NULL) drop(cache, slot);
    if (cache->names_max == 0 || length > UINT8_MAX) return;
    while (cache->count >= cache->names_max) drop_oldest(cache);
    widen(cache);
    size_t v6_size = error == MOCRA_OK ? addresses->v6_count * 16u : 0;
    size_t v4_size = error == MOCRA_OK ? addresses->v4_count * 4u : 0;
    entry *item = malloc(sizeof(*item) + v6_size + v4_size + length);
    if (item == NULL) return;
    item->hash = hash;
    item->expires = expires;
    item->error = error;
    item->length = (uint8_t)length;
    item->v4_count = (uint8_t)(v4_size / 4);
    item->v6_count = (uint8_t)(v6_size / 16);
    if (error == MOCRA_OK) {
        memcpy(item->bytes, addresses->v6, v6_size);
        memcpy(item->bytes + v6_size, addresses->v4, v4_size);
    }
    memcpy(item->bytes + v6_size + v4_size, name, length);
    entry **bucket = &cache->buckets[hash & (cache->buckets_count - 1)];
    item->next_in_bucket = *bucket;
    *bucket = item;
    list_push(cache, item);
    cache->count++;
}

void mocra_dns_cache_add(mocra_dns_cache *cache, const char *name, size_t length, uint64_t now,
                         const mocra_address_set *addresses) {
    entry *item = *place(cache, name, length, hash_name(cache, name, length));
    mocra_address_set known;
    if (item == NULL || mocra_dns_cache_get(cache, name, length, now, &known) != MOCRA_OK) return;
    uint64_t expires = item->expires;
    mocra_addresses list;
    for (int v6 = 0; v6 < 2; v6++) {
        mocra_address_set one = *addresses;
        *(v6 ? &one.v4_count : &one.v6_count) = 0;
        mocra_address_set_order(&one, true, &list);
        for (uint32_t i = 0; i < list.count; i++) mocra_address_set_add(&known, &list.list[i]);
    }
    mocra_dns_cache_put(cache, name, length, MOCRA_OK, &known, expires);
}

uint32_t mocra_dns_cache_count(const mocra_dns_cache *cache) {
    return cache->count;
}
