// Given names; see mocra_dns_hosts.h. Entries lie in one array in the order of the text; a bucket links those
// whose names share a hash, so that a long list costs no more to ask than a short one.
#include "mocra_dns_hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_dns_message.h"

#define NONE UINT32_MAX

typedef struct entry {
    uint32_t hash;
    uint32_t next;
    uint32_t name;  // where it starts in `names`
    uint16_t port;  // 0: any
    uint8_t length;
    bool is_v4;
    uint8_t address[16];
} entry;

struct mocra_hosts {
    entry *entries;
    char *names;
    uint32_t *buckets;
    uint32_t buckets_count;  // a power of two
    uint32_t count;
    uint32_t capacity;
    uint32_t names_size;
    uint32_t names_capacity;
};

static uint32_t hash_name(const char *name, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static bool grow(void **memory, uint32_t *capacity, uint32_t needed, size_t element) {
    if (needed <= *capacity) return true;
    uint32_t wanted = *capacity == 0 ? 64 : *capacity;
    while (wanted < needed) wanted *= 2;
    void *grown = realloc(*memory, wanted * element);
    if (grown == NULL) return false;
    *memory = grown;
    *capacity = wanted;
    return true;
}

static int add(mocra_hosts *hosts, const char *name, size_t length, uint16_t port,
               const mocra_address *address) {
    if (!grow((void **)&hosts->entries, &hosts->capacity, hosts->count + 1, sizeof(entry)) ||
        !grow((void **)&hosts->names, &hosts->names_capacity, hosts->names_size + (uint32_t)length, 1))
        return MOCRA_ERR_MEMORY;
    entry *item = &hosts->entries[hosts->count++];
    *item = (entry){.hash = hash_name(name, length),
                    .next = NONE,
                    .name = hosts->names_size,
                    .port = port,
                    .length = (uint8_t)length,
                    .is_v4 = address->any.sa_family == AF_INET};
    if (item->is_v4)
        memcpy(item->address, &address->v4.sin_addr, 4);
    else
        memcpy(item->address, &address->v6.sin6_addr, 16);
    memcpy(hosts->names + hosts->names_size, name, length);
    hosts->names_size += (uint32_t)length;
    return MOCRA_OK;
}

// Links the entries, the first of the text first.
static int finish(mocra_hosts *hosts) {
    hosts->buckets_count = 16;
    while (hosts->buckets_count < hosts->count) hosts->buckets_count *= 2;
    hosts->buckets = malloc(hosts->buckets_count * sizeof(*hosts->buckets));
    if (hosts->buckets == NULL) return MOCRA_ERR_MEMORY;
    for (uint32_t i = 0; i < hosts->buckets_count; i++) hosts->buckets[i] = NONE;
    for (uint32_t i = hosts->count; i-- > 0;) {
        uint32_t *bucket = &hosts->buckets[hosts->entries[i].hash & (hosts->buckets_count - 1)];
        hosts->entries[i].next = *bucket;
        *bucket = i;
    }
    return MOCRA_OK;
}

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\v' || byte == '\f';
}

// The next word of a line, from *at; false at its end.
static bool next_word(const uint8_t *line, size_t size, size_t *at, const uint8_t **word, size_t *length) {
    while (*at < size && is_blank(line[*at])) (*at)++;
    size_t start = *at;
    while (*at < size && !is_blank(line[*at])) (*at)++;
    *word = line + start;
    *length = *at - start;
    return *length > 0;
}

static int parse_line(mocra_hosts *hosts, const uint8_t *line, size_t size) {
    const uint8_t *comment = memchr(line, '#', size);
    if (comment != NULL) size = (size_t)(comment - line);
    size_t at = 0;
    const uint8_t *word;
    size_t length;
    mocra_address address;
    if (!next_word(line, size, &at, &word, &length) || !mocra_address_parse(word, length, &address))
        return MOCRA_OK;
    while (next_word(line, size, &at, &word, &length)) {
        char name[MOCRA_DNS_NAME_MAX + 1];
        size_t name_length = mocra_dns_name(word, length, name);
        if (name_length == 0) continue;
        if (hosts->count >= MOCRA_HOSTS_NAMES_MAX) return MOCRA_ERR_TOO_LARGE;
        int result = add(hosts, name, name_length, 0, &address);
        if (result != MOCRA_OK) return result;
    }
    return MOCRA_OK;
}

int mocra_hosts_parse(const uint8_t *text, size_t size, mocra_hosts **out) {
    if (size > MOCRA_HOSTS_BYTES_MAX) return MOCRA_ERR_TOO_LARGE;
    mocra_hosts *hosts = calloc(1, sizeof(*hosts));
    if (hosts == NULL) return MOCRA_ERR_MEMORY;
    int result = MOCRA_OK;
    for (size_t at = 0; at < size && result == MOCRA_OK;) {
        const uint8_t *end = memchr(text + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - text) - at : size - at;
        result = parse_line(hosts, text + at, length);
        at += length + 1;
    }
    if (result == MOCRA_OK) result = finish(hosts);
    if (result != MOCRA_OK) {
        mocra_hosts_destroy(hosts);
        return result;
    }
    *out = hosts;
    return MOCRA_OK;
}

// A host as it is asked for: a name as mocra_dns_name writes it, or the usual text of an address.
static size_t given_host(const uint8_t *text, size_t length, char out[MOCRA_DNS_NAME_MAX + 1]) {
    mocra_address address;
    if (!mocra_address_parse(text, length, &address)) return mocra_dns_name(text, length, out);
    mocra_address_print(&address, out, MOCRA_DNS_NAME_MAX + 1);
    return strlen(out);
}

static bool given_port(const uint8_t *text, size_t length, uint16_t *out) {
    *out = 0;
    if (length == 1 && text[0] == '*') return true;
    uint32_t port = 0;
    if (length == 0 || length > 5) return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        port = port * 10 + (text[i] - '0');
    }
    *out = (uint16_t)port;
    return port >= 1 && port <= 65535;
}

// One entry without blanks around it. On an error *fault says what is wrong with it.
static int parse_given(mocra_hosts *hosts, const uint8_t *line, size_t size, const char **fault) {
    const uint8_t *end = line + size;
    const uint8_t *from = line[0] == '[' ? memchr(line, ']', size) : line;
    const uint8_t *host_end = from != NULL ? memchr(from, ':', (size_t)(end - from)) : NULL;
    const uint8_t *port_end =
        host_end != NULL ? memchr(host_end + 1, ':', (size_t)(end - (host_end + 1))) : NULL;
    *fault = "is not of the form host:port:address[,address]";
    if (port_end == NULL) return MOCRA_ERR_DNS_SETTINGS;
    char name[MOCRA_DNS_NAME_MAX + 1];
    size_t length = given_host(line, (size_t)(host_end - line), name);
    uint16_t port;
    *fault = "has no valid host name before its first colon";
    if (length == 0) return MOCRA_ERR_DNS_SETTINGS;
    *fault = "has no port of 1 to 65535, or * for any, behind its host";
    if (!given_port(host_end + 1, (size_t)(port_end - host_end - 1), &port)) return MOCRA_ERR_DNS_SETTINGS;
    const uint8_t *at = port_end + 1;
    for (;;) {
        const uint8_t *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        const uint8_t *stop = comma != NULL ? comma : end;
        mocra_address address;
        *fault = "has something else than an IPv4 or IPv6 address behind its port";
        if (!mocra_address_parse(at, (size_t)(stop - at), &address)) return MOCRA_ERR_DNS_SETTINGS;
        *fault = "is one too many: 4,096 addresses can be given";
        if (hosts->count >= MOCRA_HOSTS_GIVEN_MAX) return MOCRA_ERR_DNS_SETTINGS;
        int result = add(hosts, name, length, port, &address);
        if (result != MOCRA_OK) return result;
        if (comma == NULL) return MOCRA_OK;
        at = comma + 1;
    }
}

int mocra_hosts_parse_given(const char *text, mocra_hosts **out, char *reason) {
    mocra_hosts *hosts = calloc(1, sizeof(*hosts));
    if (hosts == NULL) return MOCRA_ERR_MEMORY;
    int result = MOCRA_OK;
    const char *fault = "";
    for (const char *at = text; *at != '\0' && result == MOCRA_OK;) {
        size_t length = strcspn(at, "\n");
        size_t end = length;
        size_t start = 0;
        while (start < end && is_blank((uint8_t)at[start])) start++;
        while (end > start && is_blank((uint8_t)at[end - 1])) end--;
        if (end > start) result = parse_given(hosts, (const uint8_t *)at + start, end - start, &fault);
        if (result == MOCRA_ERR_DNS_SETTINGS) {
            int shown = end - start < 100 ? (int)(end - start) : 100;
            snprintf(reason, MOCRA_HOSTS_REASON_BYTES, "the given address \"%.*s\" %s", shown, at + start,
                     fault);
        }
        at += length + (at[length] == '\n');
    }
    if (result == MOCRA_OK) result = finish(hosts);
    if (result != MOCRA_OK) {
        mocra_hosts_destroy(hosts);
        return result;
    }
    *out = hosts;
    return MOCRA_OK;
}

void mocra_hosts_destroy(mocra_hosts *hosts) {
    if (hosts == NULL) return;
    free(hosts->entries);
    free(hosts->names);
    free(hosts->buckets);
    free(hosts);
}

bool mocra_hosts_find(const mocra_hosts *hosts, const char *name, size_t length, uint16_t port,
                      mocra_addresses *out) {
    uint32_t hash = hash_name(name, length);
    uint32_t found = 0;
    uint32_t at = hosts->buckets[hash & (hosts->buckets_count - 1)];
    while (at != NONE && found < MOCRA_ADDRESSES_MAX) {
        const entry *item = &hosts->entries[at];
        at = item->next;
        if (item->hash != hash || item->length != length || (item->port != 0 && item->port != port) ||
            memcmp(hosts->names + item->name, name, length) != 0)
            continue;
        mocra_address *address = &out->list[found++];
        memset(address, 0, sizeof(*address));
        address->any.sa_family = item->is_v4 ? AF_INET : AF_INET6;
        address->length = item->is_v4 ? sizeof(address->v4) : sizeof(address->v6);
        if (item->is_v4)
            memcpy(&address->v4.sin_addr, item->address, 4);
        else
            memcpy(&address->v6.sin6_addr, item->address, 16);
    }
    if (found > 0) out->count = found;
    return found > 0;
}

uint32_t mocra_hosts_count(const mocra_hosts *hosts) {
    return hosts->count;
}
