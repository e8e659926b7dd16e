// Internet addresses; see mocra_address.h.
#include "mocra_address.h"

#include <arpa/inet.h>
#include <string.h>

bool mocra_address_parse(const uint8_t *host, size_t length, mocra_address *out) {
    char text[INET6_ADDRSTRLEN];
    bool bracketed = length >= 2 && host[0] == '[' && host[length - 1] == ']';
    if (bracketed) {
        host++;
        length -= 2;
    }
    // inet_pton would stop at a NUL and take what stands before it.
    if (length == 0 || length >= sizeof(text) || memchr(host, '\0', length) != NULL) return false;
    memcpy(text, host, length);
    text[length] = '\0';
    mocra_address address;
    memset(&address, 0, sizeof(address));
    if (!bracketed && inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.length = sizeof(address.v4);
    } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.length = sizeof(address.v6);
    } else {
        return false;
    }
    *out = address;
    return true;
}

void mocra_address_set_port(mocra_address *address, uint16_t port) {
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons(port);
    else
        address->v6.sin6_port = htons(port);
}

// A prefix of an address; the first that fits decides, so exceptions stand before their range.
typedef struct range {
    uint8_t prefix[16];
    uint8_t bits;
    bool is_public;
} range;

// IANA IPv4 Special-Purpose Address Registry, multicast and class E. Ranges that the registry calls globally
// reachable (AS112, AMT) are left out.
static const range special4[] = {
    {{0}, 8, false},              // "this network", RFC 791 §3.2
    {{10}, 8, false},             // private, RFC 1918
    {{100, 64}, 10, false},       // shared by carriers, RFC 6598
    {{127}, 8, false},            // loopback, RFC 1122 §3.2.1.3
    {{169, 254}, 16, false},      // link-local, RFC 3927
    {{172, 16}, 12, false},       // private, RFC 1918
    {{192, 0, 0, 9}, 32, true},   // port control protocol anycast, RFC 7723
    {{192, 0, 0, 10}, 32, true},  // TURN anycast, RFC 8155
    {{192, 0, 0}, 24, false},     // IETF protocol assignments, RFC 6890
    {{192, 0, 2}, 24, false},     // documentation, RFC 5737
    {{192, 88, 99}, 24, false},   // 6to4 relay anycast, RFC 7526
    {{192, 168}, 16, false},      // private, RFC 1918
    {{198, 18}, 15, false},       // benchmarking, RFC 2544
    {{198, 51, 100}, 24, false},  // documentation, RFC 5737
    {{203, 0, 113}, 24, false},   // documentation, RFC 5737
    {{224}, 4, false},            // multicast, RFC 5771
    {{240}, 4, false},            // reserved and limited broadcast, RFC 1112 §4, RFC 8190
};

// IANA IPv6 Special-Purpose Address Registry inside 2000::/3. ORCHIDv2 (RFC 7343) and drone identifiers (RFC
// 9374) are globally reachable there, yet name no host that IP could route to, so they are not public here.
static const range special6[] = {
    {{0x20, 0x01, 0, 0}, 32, false},                                      // Teredo, RFC 4380
    {{0x20, 0x01, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, true},  // PCP anycast, RFC 7723
    {{0x20, 0x01, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 128, true},  // TURN anycast, RFC 8155
    {{0x20, 0x01, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}, 128, true},  // DNS-SD anycast, RFC 9665
    {{0x20, 0x01, 0, 3}, 32, true},                                       // AMT, RFC 7450
    {{0x20, 0x01, 0, 4, 0x01, 0x12}, 48, true},                           // AS112, RFC 7535
    {{0x20, 0x01, 0}, 23, false},  // IETF protocol assignments, RFC 2928: benchmarking, ORCHID and the rest
    {{0x20, 0x01, 0x0d, 0xb8}, 32, false},  // documentation, RFC 3849
    {{0x3f, 0xff, 0}, 20, false},           // documentation, RFC 9637
};

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits) {
    if (memcmp(address, prefix, bits / 8) != 0) return false;
    if (bits % 8 == 0) return true;
    uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
    return (address[bits / 8] & mask) == (prefix[bits / 8] & mask);
}

static bool decide(const range *ranges, size_t count, const uint8_t *address) {
    for (size_t i = 0; i < count; i++)
        if (has_prefix(address, ranges[i].prefix, ranges[i].bits)) return ranges[i].is_public;
    return true;
}

static bool is_public4(const uint8_t *address) {
    return decide(special4, sizeof(special4) / sizeof(special4[0]), address);
}

static bool is_public6(const uint8_t *address) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};  // RFC 4291 §2.5.5.2
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};                     // RFC 6052 §2.1
    static const uint8_t six_to_four[2] = {0x20, 0x02};                            // RFC 3056 §2
    if (has_prefix(address, mapped, 96) || has_prefix(address, nat64, 96)) return is_public4(address + 12);
    if (has_prefix(address, six_to_four, 16)) return is_public4(address + 2);
    // Global unicast is 2000::/3 alone (IANA IPv6 Address Space): outside of it lie unspecified, loopback and
    // IPv4-compatible ::/96, local NAT64 64:ff9b:1::/48 (RFC 8215), discard 100::/64 (RFC 6666), dummy
    // 100:0:0:1::/64 (RFC 9780), SRv6 SIDs 5f00::/16 (RFC 9602), unique local fc00::/7 (RFC 4193), link-local
    // fe80::/10, site-local fec0::/10 (RFC 3879), multicast ff00::/8, and what is not assigned.
    return (address[0] & 0xe0) == 0x20 && decide(special6, sizeof(special6) / sizeof(special6[0]), address);
}

bool mocra_address_is_public(const mocra_address *address) {
    if (address->any.sa_family == AF_INET) return is_public4((const uint8_t *)&address->v4.sin_addr);
    return address->any.sa_family == AF_INET6 && is_public6(address->v6.sin6_addr.s6_addr);
}

void mocra_address_print(const mocra_address *address, char *out, size_t size) {
    const void *source = address->any.sa_family == AF_INET ? (const void *)&address->v4.sin_addr
                                                           : (const void *)&address->v6.sin6_addr;
    if (size > 0 && inet_ntop(address->any.sa_family, source, out, (socklen_t)size) == NULL) out[0] = '\0';
}

void mocra_address_set_add(mocra_address_set *set, const mocra_address *address) {
    bool is_v4 = address->any.sa_family == AF_INET;
    const uint8_t *bytes = is_v4 ? (const uint8_t *)&address->v4.sin_addr : address->v6.sin6_addr.s6_addr;
    size_t size = is_v4 ? 4 : 16;
    uint8_t *count = is_v4 ? &set->v4_count : &set->v6_count;
    uint8_t *list = is_v4 ? set->v4[0] : set->v6[0];
    for (size_t i = 0; i < *count; i++)
        if (memcmp(list + i * size, bytes, size) == 0) return;
    if (*count < MOCRA_ADDRESSES_MAX) memcpy(list + size * (*count)++, bytes, size);
}

void mocra_address_set_order(const mocra_address_set *set, bool v6_first, mocra_addresses *out) {
    uint32_t v4 = 0;
    uint32_t v6 = 0;
    bool take_v6 = v6_first;
    out->count = 0;
    while (out->count < MOCRA_ADDRESSES_MAX && (v4 < set->v4_count || v6 < set->v6_count)) {
        if (v6 == set->v6_count) take_v6 = false;
        if (v4 == set->v4_count) take_v6 = true;
        mocra_address *address = &out->list[out->count++];
        memset(address, 0, sizeof(*address));
        if (take_v6) {
            address->v6.sin6_family = AF_INET6;
            memcpy(&address->v6.sin6_addr, set->v6[v6++], 16);
            address->length = sizeof(address->v6);
        } else {
            address->v4.sin_family = AF_INET;
            memcpy(&address->v4.sin_addr, set->v4[v4++], 4);
            address->length = sizeof(address->v4);
        }
        take_v6 = !take_v6;
    }
}
