// Internet addresses: literals, and which of them are public. Pure.
#ifndef MOCRA_ADDRESS_H
#define MOCRA_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "mocra_error.h"

#define MOCRA_ADDRESSES_MAX 8

// An IPv4 or IPv6 address with a port.
typedef struct mocra_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t length;
} mocra_address;

typedef struct mocra_addresses {
    uint32_t count;
    mocra_address list[MOCRA_ADDRESSES_MAX];
} mocra_addresses;

// Addresses of one name by family, in network byte order.
typedef struct mocra_address_set {
    uint8_t v4_count;
    uint8_t v6_count;
    uint8_t v4[MOCRA_ADDRESSES_MAX][4];
    uint8_t v6[MOCRA_ADDRESSES_MAX][16];
} mocra_address_set;

// Which families this host can use, and what is asked for.
typedef enum mocra_families {
    MOCRA_FAMILIES_PROBED = 0,  // those with a usable source address
    MOCRA_FAMILIES_V4,
    MOCRA_FAMILIES_V6,
    MOCRA_FAMILIES_BOTH,
} mocra_families;

// A dotted IPv4 address of four decimal numbers, or an IPv6 address with or without brackets. False when
// `host` is neither: "127.1", "0x7f.1" and "010.0.0.1" are none here, the URL layer has made them addresses.
bool mocra_address_parse(const uint8_t *host, size_t length, mocra_address *out);
void mocra_address_set_port(mocra_address *address, uint16_t port);
// Whether the address may belong to a host on the public Internet: not in a range of the IANA special-purpose
// registries (RFC 6890 and its updates) that is not globally reachable, not multicast. An IPv4 address in
// IPv6 clothing (mapped, 6to4, NAT64) is judged as that IPv4 address; outside of that only 2000::/3 is
// public.
bool mocra_address_is_public(const mocra_address *address);
// "192.0.2.1" or "2001:db8::1"; always terminated.
void mocra_address_print(const mocra_address *address, char *out, size_t size);

// Adds one address; one that is there already, or for which its family has no place left, is dropped.
void mocra_address_set_add(mocra_address_set *set, const mocra_address *address);
// The order of RFC 8305 §4: families in turn, IPv6 first when `v6_first`. When there are more than
// MOCRA_ADDRESSES_MAX, each family keeps half of the places and what the other leaves.
void mocra_address_set_order(const mocra_address_set *set, bool v6_first, mocra_addresses *out);

#endif
