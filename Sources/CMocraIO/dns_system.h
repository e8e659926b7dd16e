// What this machine says of names and routes: its hosts file, and which address families it can use.
#ifndef MOCRA_DNS_SYSTEM_H
#define MOCRA_DNS_SYSTEM_H

#include "mocra_address.h"

typedef struct dns_system dns_system;

// `hosts_file` NULL: /etc/hosts, which may be missing. DNS_SETTINGS with a reason, MEMORY.
int dns_system_create(const char *hosts_file, mocra_families families, dns_system **out, char *reason,
                      size_t reason_size);
void dns_system_destroy(dns_system *system);
// The addresses that the hosts file has for a name (as mocra_dns_name writes it), in the order of
// dns_system_order. Reads the file again once it has changed; what cannot be read leaves the names as they
// were.
bool dns_system_find(dns_system *system, const char *name, size_t length, uint64_t now, mocra_addresses *out);
// Whether addresses of the family are worth asking for.
bool dns_system_has(dns_system *system, bool v6, uint64_t now);
// By family as this host prefers them; see mocra_address_set_order.
void dns_system_order(dns_system *system, const mocra_address_set *set, uint64_t now, mocra_addresses *out);

#endif
