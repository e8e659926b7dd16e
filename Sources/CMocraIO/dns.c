// The resolver; see dns.h. A name that is not known is a look-up: two questions, for IPv4 and IPv6 addresses,
// and those who wait for it. Look-ups beyond what may be under way wait in queues by zone (the last two
// labels of the name), which take turns and have a limit each, so that a zone whose servers never answer
// keeps no other from being asked.
#include "dns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dns_query.h"
#include "dns_system.h"
#include "mocra_assert.h"
#include "mocra_dns_cache.h"
#include "mocra_dns_hosts.h"
#include "mocra_timers.h"

#define LOOKUPS_MAX (DNS_QUERIES_MAX / 2)
#define ZONES 64u
#define ZONE_LOOKUPS_MAX (LOOKUPS_MAX / 4)
#define BUCKETS 4096u
#define TIMEOUT_MS 2000u
#define TRIES 2u
// RFC 8305 §3: one family's addresses wait this long for the other's. It is applied to both, since those who
// wait are told once and an address to fall back on is worth the delay.
#define RESOLUTION_DELAY_NS 50000000u
// Failures and time-outs are kept for a moment only: enough that the waiting fetches of one host do not ask
// again one by one (RFC 2308 §7 allows five minutes).
#define FAILURE_TTL_NS 1000000000u
#define SECOND_NS 1000000000u

enum { V4 = 0, V6 = 1 };

typedef enum question {
    QUESTION_NONE = 0,  // not asked
    QUESTION_ASKED,
    QUESTION_ANSWERED,
} question;

typedef struct lookup {
    struct lookup *next_in_bucket;
    struct lookup *next;  // in the queue of its zone, or among the delayed
    struct lookup *previous;
    uint64_t hash;
    uint64_t delay_ends;  // 0: not delayed
    uint32_t waiting_first;
    uint32_t place;  // in `asked`; MOCRA_NONE while queued
    uint32_t queries[2];
    int errors[2];
    uint32_t ttl_s[2];
    uint8_t questions[2];
    bool told;  // those who waited are gone, and new ones start anew: what comes goes into the cache
    bool no_name;
    uint8_t zone;
    uint8_t length;
    mocra_address_set addresses;
    char name[MOCRA_DNS_NAME_MAX + 1];
} lookup;

typedef struct waiting {
    lookup *owner;  // NULL while not waiting
    uint32_t previous;
    uint32_t next;
} waiting;

typedef struct lookup_list {
    lookup *first;
    lookup *last;
} lookup_list;

typedef struct zone {
    lookup_list queue;
    uint32_t under_way;
} zone;

struct mocra_resolver {
    dns_client *client;
    mocra_dns_cache *cache;
    mocra_hosts *given;
    dns_system *system;
    uint64_t seed;
    waiting *waiters;
    uint32_t waiters_capacity;
    uint32_t lookups;  // queued or under way
    uint32_t queued;
    uint32_t zone_next;  // whose turn it is
    uint32_t places_free;
    uint32_t places[LOOKUPS_MAX];
    lookup *asked[LOOKUPS_MAX];
    lookup_list delayed;  // by the end of the delay
    zone zones[ZONES];
    lookup *buckets[BUCKETS];
};

static void list_push(lookup_list *list, lookup *item) {
    item->next = NULL;
    item->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = item;
    list->last = item;
}

static void list_remove(lookup_list *list, lookup *item) {
    *(item->previous != NULL ? &item->previous->next : &list->first) = item->next;
    *(item->next != NULL ? &item->next->previous : &list->last) = item->previous;
    item->next = item->previous = NULL;
}

// Life

static int set_up(mocra_resolver *resolver, mocra_driver *driver, const mocra_resolver_options *options,
                  char *reason, size_t reason_size) {
    char text[MOCRA_HOSTS_REASON_BYTES] = "out of memory";
    mocra_dns_servers servers = {0};
    int result = MOCRA_OK;
    if (options->servers != NULL) result = mocra_dns_servers_parse(options->servers, &servers, text);
    if (result == MOCRA_OK && options->given != NULL && options->given[0] != '\0')
        result = mocra_hosts_parse_given(options->given, &resolver->given, text);
    snprintf(reason, reason_size, "%s", text);
    if (result == MOCRA_OK)
        result =
            dns_system_create(options->hosts_file, options->families, &resolver->system, reason, reason_size);
    if (result == MOCRA_OK) {
        resolver->cache = mocra_dns_cache_create(options->cache_max, resolver->seed);
        if (resolver->cache == NULL) result = MOCRA_ERR_MEMORY;
    }
    if (result == MOCRA_OK)
        result =
            dns_client_create(driver, &servers, options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS,
                              options->tries != 0 ? options->tries : TRIES, &resolver->client);
    return result;
}

int mocra_resolver_create(mocra_driver *driver, const mocra_resolver_options *options, mocra_resolver **out,
                          char *reason, size_t reason_size) {
    snprintf(reason, reason_size, "out of memory");
    mocra_resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL) return MOCRA_ERR_MEMORY;
    if (getrandom(&resolver->seed, sizeof(resolver->seed), GRND_NONBLOCK) != sizeof(resolver->seed))
        resolver->seed = (uint64_t)(uintptr_t)resolver;
    resolver->places_free = LOOKUPS_MAX;
    for (uint32_t i = 0; i < LOOKUPS_MAX; i++) resolver->places[i] = i;
    int result = set_up(resolver, driver, options, reason, reason_size);
    if (result != MOCRA_OK) {
        mocra_resolver_destroy(resolver);
        return result;
    }
    *out = resolver;
    return MOCRA_OK;
}

void mocra_resolver_destroy(mocra_resolver *resolver) {
    if (resolver == NULL) return;
    dns_client_destroy(resolver->client);
    mocra_dns_cache_destroy(resolver->cache);
    mocra_hosts_destroy(resolver->given);
    dns_system_destroy(resolver->system);
    for (uint32_t i = 0; i < LOOKUPS_MAX; i++) free(resolver->asked[i]);
    for (uint32_t i = 0; i < ZONES; i++) {
        for (lookup *item = resolver->zones[i].queue.first; item != NULL;) {
            lookup *next = item->next;
            free(item);
            item = next;
        }
    }
    free(resolver->waiters);
    free(resolver);
}

// Look-ups

static uint64_t hash_name(const mocra_resolver *resolver, const char *name, size_t length) {
    uint64_t hash = resolver->seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash ^ hash >> 32;
}

// By the last two labels.
static uint8_t zone_of(const mocra_resolver *resolver, const char *name, size_t length) {
    size_t start = length;
    unsigned dots = 0;
    while (start > 0 && (name[start - 1] != '.' || ++dots < 2)) start--;
    return (uint8_t)(hash_name(resolver, name + start, length - start) % ZONES);
}

static lookup *find_lookup(mocra_resolver *resolver, const char *name, size_t length, uint64_t hash) {
    lookup *item = resolver->buckets[hash % BUCKETS];
    while (item != NULL &&
           (item->hash != hash || item->length != length || memcmp(item->name, name, length) != 0))
        item = item->next_in_bucket;
    return item;
}

static lookup *add_lookup(mocra_resolver *resolver, const char *name, size_t length, uint64_t hash) {
    lookup *item = calloc(1, sizeof(*item));
    if (item == NULL) return NULL;
    item->hash = hash;
    item->waiting_first = item->place = MOCRA_NONE;
    item->zone = zone_of(resolver, name, length);
    item->length = (uint8_t)length;
    memcpy(item->name, name, length);
    item->next_in_bucket = resolver->buckets[hash % BUCKETS];
    resolver->buckets[hash % BUCKETS] = item;
    list_push(&resolver->zones[item->zone].queue, item);
    resolver->queued++;
    resolver->lookups++;
    return item;
}

// Who asks for the name from now on does not find this look-up.
static void unlink_lookup(mocra_resolver *resolver, lookup *item) {
    lookup **slot = &resolver->buckets[item->hash % BUCKETS];
    while (*slot != item) slot = &(*slot)->next_in_bucket;
    *slot = item->next_in_bucket;
}

static void free_lookup(mocra_resolver *resolver, lookup *item) {
    if (item->place != MOCRA_NONE) {
        resolver->asked[item->place] = NULL;
        resolver->places[resolver->places_free++] = item->place;
        resolver->zones[item->zone].under_way--;
    }
    resolver->lookups--;
    free(item);
}

static void ask(mocra_resolver *resolver, lookup *item, int family, uint64_t now) {
    item->questions[family] = QUESTION_ASKED;
    uint16_t type = family == V4 ? MOCRA_DNS_TYPE_A : MOCRA_DNS_TYPE_AAAA;
    item->queries[family] = dns_client_ask(resolver->client, item->place * 2 + (uint32_t)family, item->name,
                                           item->length, type, now);
}

// Starts what waits, zone by zone in turn, as far as places and limits allow.
static void start_queued(mocra_resolver *resolver, uint64_t now) {
    uint32_t without = 0;  // zones in a row from which nothing could be taken
    while (resolver->queued > 0 && without < ZONES && resolver->places_free > 0 &&
           dns_client_room(resolver->client) >= 2) {
        zone *from = &resolver->zones[resolver->zone_next++ % ZONES];
        lookup *item = from->queue.first;
        if (item == NULL || from->under_way >= ZONE_LOOKUPS_MAX) {
            without++;
            continue;
        }
        without = 0;
        list_remove(&from->queue, item);
        resolver->queued--;
        from->under_way++;
        item->place = resolver->places[--resolver->places_free];
        resolver->asked[item->place] = item;
        if (dns_system_has(resolver->system, true, now)) ask(resolver, item, V6, now);
        if (dns_system_has(resolver->system, false, now)) ask(resolver, item, V4, now);
    }
}

static int wait_for(mocra_resolver *resolver, lookup *item, uint32_t waiter) {
    if (waiter >= resolver->waiters_capacity) {
        uint32_t capacity = resolver->waiters_capacity == 0 ? 64 : resolver->waiters_capacity;
        while (capacity <= waiter) capacity *= 2;
        waiting *grown = realloc(resolver->waiters, capacity * sizeof(*grown));
        if (grown == NULL) return MOCRA_ERR_MEMORY;
        memset(grown + resolver->waiters_capacity, 0,
               (capacity - resolver->waiters_capacity) * sizeof(*grown));
        resolver->waiters = grown;
        resolver->waiters_capacity = capacity;
    }
    MOCRA_ASSERT(resolver->waiters[waiter].owner == NULL);
    resolver->waiters[waiter] = (waiting){.owner = item, .previous = MOCRA_NONE, .next = item->waiting_first};
    if (item->waiting_first != MOCRA_NONE) resolver->waiters[item->waiting_first].previous = waiter;
    item->waiting_first = waiter;
    return MOCRA_MORE;
}

static void set_abandoned(mocra_resolver *resolver, lookup *item, bool abandoned) {
    for (int family = V4; family <= V6; family++)
        if (item->questions[family] == QUESTION_ASKED)
            dns_client_abandon(resolver->client, item->queries[family], abandoned);
}

static void unlink_waiter(mocra_resolver *resolver, uint32_t waiter) {
    waiting *links = &resolver->waiters[waiter];
    if (links->previous != MOCRA_NONE)
        resolver->waiters[links->previous].next = links->next;
    else
        links->owner->waiting_first = links->next;
    if (links->next != MOCRA_NONE) resolver->waiters[links->next].previous = links->previous;
    links->owner = NULL;
}

// A look-up that nobody waits for is dropped if it has not begun, else not tried again.
static void leave(mocra_resolver *resolver, lookup *item) {
    if (item->waiting_first != MOCRA_NONE || item->told) return;
    if (item->place != MOCRA_NONE) {
        set_abandoned(resolver, item, true);
        return;
    }
    list_remove(&resolver->zones[item->zone].queue, item);
    resolver->queued--;
    unlink_lookup(resolver, item);
    free_lookup(resolver, item);
}

void mocra_resolver_cancel(mocra_resolver *resolver, uint32_t waiter) {
    if (waiter >= resolver->waiters_capacity || resolver->waiters[waiter].owner == NULL) return;
    lookup *item = resolver->waiters[waiter].owner;
    unlink_waiter(resolver, waiter);
    leave(resolver, item);
}

// "localhost" and names below it are this machine whatever files and servers say (RFC 6761 §6.3).
static void fill_local(mocra_addresses *out) {
    mocra_address_set set = {.v4_count = 1, .v6_count = 1, .v4 = {{127, 0, 0, 1}}};
    set.v6[0][15] = 1;
    mocra_address_set_order(&set, false, out);
}

static bool find_given(const mocra_resolver *resolver, const uint8_t *host, size_t length, uint16_t port,
                       mocra_addresses *out) {
    if (resolver->given == NULL) return false;
    char name[MOCRA_DNS_NAME_MAX + 1];
    mocra_address address;
    if (mocra_address_parse(host, length, &address))
        mocra_address_print(&address, name, sizeof(name));
    else if (mocra_dns_name(host, length, name) == 0)
        return false;
    return mocra_hosts_find(resolver->given, name, strlen(name), port, out);
}

int mocra_resolver_resolve(mocra_resolver *resolver, const uint8_t *host, size_t length, uint16_t port,
                           uint32_t waiter, uint64_t now, mocra_addresses *out) {
    if (find_given(resolver, host, length, port, out)) return MOCRA_OK;
    if (mocra_address_parse(host, length, &out->list[0])) {
        out->count = 1;
        return MOCRA_OK;
    }
    char name[MOCRA_DNS_NAME_MAX + 1];
    size_t name_length = mocra_dns_name(host, length, name);
    if (name_length == 0) return MOCRA_ERR_DNS_NAME;
    if (mocra_dns_name_is_local(name, name_length)) {
        fill_local(out);
        return MOCRA_OK;
    }
    if (dns_system_find(resolver->system, name, name_length, now, out)) return MOCRA_OK;
    mocra_address_set set;
    int known = mocra_dns_cache_get(resolver->cache, name, name_length, now, &set);
    if (known == MOCRA_OK) dns_system_order(resolver->system, &set, now, out);
    if (known != MOCRA_MORE) return known;
    uint64_t hash = hash_name(resolver, name, name_length);
    lookup *item = find_lookup(resolver, name, name_length, hash);
    if (item == NULL) item = add_lookup(resolver, name, name_length, hash);
    if (item == NULL) return MOCRA_ERR_MEMORY;
    bool forsaken = item->place != MOCRA_NONE && item->waiting_first == MOCRA_NONE;
    int result = wait_for(resolver, item, waiter);
    if (result != MOCRA_MORE) {
        leave(resolver, item);
        return result;
    }
    if (forsaken) set_abandoned(resolver, item, false);
    start_queued(resolver, now);
    return MOCRA_MORE;
}

void mocra_resolver_event(mocra_resolver *resolver, const mocra_driver_event *event) {
    dns_client_event(resolver->client, event);
}

// Answers

// What a look-up came to, and for how long it may be believed.
static int conclude(const lookup *item, uint64_t *lifetime_ns) {
    bool has[2] = {item->addresses.v4_count > 0, item->addresses.v6_count > 0};
    uint32_t ttl_s = MOCRA_DNS_TTL_MAX_S;
    int worst = MOCRA_ERR_DNS_NAME;
    for (int family = V4; family <= V6; family++) {
        if (item->questions[family] != QUESTION_ANSWERED) continue;
        int error = item->errors[family];
        if (error != MOCRA_OK && error != MOCRA_ERR_DNS_NAME) worst = error;
        // Addresses live as long as addresses say; that the other family has none does not shorten that.
        bool counts = has[V4] || has[V6] ? has[family] : error == MOCRA_ERR_DNS_NAME;
        if (counts && item->ttl_s[family] < ttl_s) ttl_s = item->ttl_s[family];
    }
    *lifetime_ns = (uint64_t)ttl_s * SECOND_NS;
    if (has[V4] || has[V6]) return MOCRA_OK;
    if (item->no_name) return MOCRA_ERR_DNS_NAME;
    if (worst != MOCRA_ERR_DNS_NAME) *lifetime_ns = FAILURE_TTL_NS;
    return worst;
}

static void tell(mocra_resolver *resolver, lookup *item, uint64_t now, mocra_resolved resolved,
                 void *context) {
    if (item->delay_ends != 0) list_remove(&resolver->delayed, item);
    item->delay_ends = 0;
    unlink_lookup(resolver, item);
    item->told = true;
    set_abandoned(resolver, item, true);
    uint64_t lifetime_ns;
    int error = conclude(item, &lifetime_ns);
    // A TTL of 0 is for those who wait alone.
    if (lifetime_ns > 0)
        mocra_dns_cache_put(resolver->cache, item->name, item->length, error, &item->addresses,
                            now + lifetime_ns);
    mocra_addresses addresses = {0};
    if (error == MOCRA_OK) dns_system_order(resolver->system, &item->addresses, now, &addresses);
    // What `resolved` does may cancel others who wait here, or ask for the same name again.
    while (item->waiting_first != MOCRA_NONE) {
        uint32_t waiter = item->waiting_first;
        unlink_waiter(resolver, waiter);
        resolved(context, waiter, error, &addresses);
    }
}

static bool is_open(const lookup *item) {
    return item->questions[V4] == QUESTION_ASKED || item->questions[V6] == QUESTION_ASKED;
}

// Takes one result into its look-up; the look-up may be gone afterwards.
static void take(mocra_resolver *resolver, const dns_result *result, uint64_t now, mocra_resolved resolved,
                 void *context) {
    lookup *item = resolver->asked[result->tag / 2];
    int family = (int)(result->tag % 2);
    MOCRA_ASSERT(item != NULL && item->questions[family] == QUESTION_ASKED);
    item->questions[family] = QUESTION_ANSWERED;
    item->errors[family] = result->error;
    item->ttl_s[family] = result->answer.ttl_s;
    if (result->error == MOCRA_ERR_DNS_NAME && result->answer.no_name) item->no_name = true;
    if (result->error == MOCRA_OK) {
        const mocra_address_set *from = &result->answer.addresses;
        if (family == V4) {
            item->addresses.v4_count = from->v4_count;
            memcpy(item->addresses.v4, from->v4, sizeof(from->v4));
        } else {
            item->addresses.v6_count = from->v6_count;
            memcpy(item->addresses.v6, from->v6, sizeof(from->v6));
        }
        // Too late for those who waited, not for those who come.
        if (item->told && result->answer.ttl_s > 0)
            mocra_dns_cache_add(resolver->cache, item->name, item->length, now, from);
    }
    if (!item->told) {
        // A name that does not exist has no addresses of the other family either (RFC 8020).
        if (!is_open(item) || item->no_name) {
            tell(resolver, item, now, resolved, context);
        } else if (result->error == MOCRA_OK) {
            item->delay_ends = now + RESOLUTION_DELAY_NS;
            list_push(&resolver->delayed, item);
        }
    }
    if (item->told && !is_open(item)) free_lookup(resolver, item);
}

void mocra_resolver_dispatch(mocra_resolver *resolver, uint64_t now, mocra_resolved resolved, void *context) {
    if (resolver->lookups == 0) return;
    dns_result result;
    dns_client_process(resolver->client, now);
    while (dns_client_take(resolver->client, &result)) take(resolver, &result, now, resolved, context);
    while (resolver->delayed.first != NULL && resolver->delayed.first->delay_ends <= now)
        tell(resolver, resolver->delayed.first, now, resolved, context);
    start_queued(resolver, now);
}

uint64_t mocra_resolver_next(mocra_resolver *resolver, uint64_t now) {
    if (resolver->lookups == 0) return MOCRA_NEVER;
    uint64_t next = dns_client_next(resolver->client, now);
    if (resolver->delayed.first != NULL && resolver->delayed.first->delay_ends < next)
        next = resolver->delayed.first->delay_ends;
    return next;
}
