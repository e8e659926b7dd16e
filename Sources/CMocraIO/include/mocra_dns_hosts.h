// Names whose addresses are given: the hosts file (hosts(5)), and a caller's own list. Pure but for memory.
#ifndef MOCRA_DNS_HOSTS_H
#define MOCRA_DNS_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_address.h"

// Bounds of a hosts file: lists of blocked hosts have some 100,000 names.
#define MOCRA_HOSTS_BYTES_MAX (16u << 20)
#define MOCRA_HOSTS_NAMES_MAX 262144u
// Addresses in a caller's list.
#define MOCRA_HOSTS_GIVEN_MAX 4096u
#define MOCRA_HOSTS_REASON_BYTES 256

typedef struct mocra_hosts mocra_hosts;

// Reads a hosts file's text. Lines that are none (no address, a name that DNS would not take) are passed
// over, as resolvers do. MEMORY; TOO_LARGE beyond the bounds.
int mocra_hosts_parse(const uint8_t *text, size_t size, mocra_hosts **out);
// Reads "host:port:address[,address…]" entries, one a line; port `*` is any; IPv6 addresses may stand in
// brackets, and an IPv6 host must. MEMORY; DNS_SETTINGS with a reason (MOCRA_HOSTS_REASON_BYTES) that names
// the entry.
int mocra_hosts_parse_given(const char *text, mocra_hosts **out, char *reason);
void mocra_hosts_destroy(mocra_hosts *hosts);
// The addresses for a host (a name as mocra_dns_name writes it, or a literal) and port, in the order of the
// text, at most MOCRA_ADDRESSES_MAX. False when there are none.
bool mocra_hosts_find(const mocra_hosts *hosts, const char *name, size_t length, uint16_t port,
                      mocra_addresses *out);
uint32_t mocra_hosts_count(const mocra_hosts *hosts);

#endif
