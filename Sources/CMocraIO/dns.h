// Host names to addresses without blocking: given addresses, literals, the hosts file, a cache by TTL, then
// DNS through c-ares whose sockets the driver polls. One look-up serves all who wait for the same name.
#ifndef MOCRA_DNS_H
#define MOCRA_DNS_H

#include "mocra_address.h"
#include "mocra_driver.h"

typedef struct mocra_resolver mocra_resolver;

typedef struct mocra_resolver_options {
    const char *servers;     // as mocra_dns_servers_parse reads them; NULL or empty: /etc/resolv.conf
    const char *given;       // as mocra_hosts_parse_given reads it, or NULL
    const char *hosts_file;  // NULL: /etc/hosts, which may be missing
    uint32_t cache_max;      // names
    uint32_t timeout_ms;     // for each attempt at a server; 0: 2,000
    uint32_t tries;          // attempts at each server; 0: 2
    mocra_families families;
} mocra_resolver_options;

// `error` is MOCRA_OK with addresses, or why there are none.
typedef void (*mocra_resolved)(void *context, uint32_t waiter, int error, const mocra_addresses *addresses);

// DNS_SETTINGS, MEMORY; `reason` (`reason_size` bytes) then says why, for a person.
int mocra_resolver_create(mocra_driver *driver, const mocra_resolver_options *options, mocra_resolver **out,
                          char *reason, size_t reason_size);
void mocra_resolver_destroy(mocra_resolver *resolver);
// MOCRA_OK with *out filled when the answer is known, in the order in which addresses should be tried;
// MOCRA_MORE when `waiter` will be told by mocra_resolver_dispatch; or DNS_NAME, DNS_FAILED, DNS_TIMEOUT,
// MEMORY. `port` only chooses among given addresses: those that come out have none.
int mocra_resolver_resolve(mocra_resolver *resolver, const uint8_t *host, size_t length, uint16_t port,
                           uint32_t waiter, uint64_t now, mocra_addresses *out);
// `waiter` does not want to be told any more. No effect when it does not wait.
void mocra_resolver_cancel(mocra_resolver *resolver, uint32_t waiter);
// A completion of MOCRA_OPERATION_POLL.
void mocra_resolver_event(mocra_resolver *resolver, const mocra_driver_event *event);
// Lets time-outs happen and tells everyone whose answer is there.
void mocra_resolver_dispatch(mocra_resolver *resolver, uint64_t now, mocra_resolved resolved, void *context);
// When dispatch wants to be called again; MOCRA_NEVER when nothing is looked up.
uint64_t mocra_resolver_next(mocra_resolver *resolver, uint64_t now);

#endif
