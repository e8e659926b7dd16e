// sources: dns_message.c dns_hosts.c dns_servers.c address.c
// libFuzzer entry for what DNS servers and hosts files say. The first byte chooses: an answer (even: for
// IPv4, odd: for IPv6 addresses), a hosts file, given addresses, servers, a host name. Checks what must hold
// for any bytes: no read beside the input, *out untouched on failure, counts and lifetimes within their
// bounds.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_dns_hosts.h"
#include "mocra_dns_message.h"
#include "mocra_dns_servers.h"

#define REQUIRE(condition) require((condition), #condition, __LINE__)

static void require(bool holds, const char *condition, int line) {
    if (!holds) {
        fprintf(stderr, "dns_fuzzer.c:%d: violated: %s\n", line, condition);
        abort();
    }
}

static void fuzz_answer(const uint8_t *data, size_t size, uint16_t type) {
    mocra_dns_answer answer;
    memset(&answer, 0xa5, sizeof(answer));
    mocra_dns_answer before = answer;
    int result = mocra_dns_answer_parse(data, size, "a.test", 6, type, &answer);
    if (result == MOCRA_OK || result == MOCRA_ERR_DNS_NAME) {
        unsigned count = answer.addresses.v4_count + answer.addresses.v6_count;
        REQUIRE(answer.ttl_s <= MOCRA_DNS_TTL_MAX_S && count <= MOCRA_ADDRESSES_MAX);
        REQUIRE((count > 0) == (result == MOCRA_OK));
        REQUIRE(type == MOCRA_DNS_TYPE_A ? answer.addresses.v6_count == 0 : answer.addresses.v4_count == 0);
    } else {
        REQUIRE(result == MOCRA_ERR_DNS_FAILED && memcmp(&answer, &before, sizeof(answer)) == 0);
    }
}

static void fuzz_name(const uint8_t *data, size_t size) {
    char name[MOCRA_DNS_NAME_MAX + 1];
    char again[MOCRA_DNS_NAME_MAX + 1];
    size_t length = mocra_dns_name(data, size, name);
    if (length == 0) return;
    REQUIRE(length <= MOCRA_DNS_NAME_MAX && strlen(name) == length);
    REQUIRE(mocra_dns_name((const uint8_t *)name, length, again) == length && strcmp(name, again) == 0);
    mocra_address address;
    REQUIRE(!mocra_address_parse((const uint8_t *)name, length, &address));
    (void)mocra_dns_name_is_local(name, length);
}

static void fuzz_texts(const uint8_t *data, size_t size, unsigned kind) {
    mocra_hosts *hosts = NULL;
    mocra_addresses found;
    char *text = malloc(size + 1);
    REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    char reason[MOCRA_HOSTS_REASON_BYTES] = "";
    if (kind == 2 && mocra_hosts_parse(data, size, &hosts) == MOCRA_OK) {
        REQUIRE(mocra_hosts_count(hosts) <= MOCRA_HOSTS_NAMES_MAX);
        if (mocra_hosts_find(hosts, "a.test", 6, 80, &found)) REQUIRE(found.count <= MOCRA_ADDRESSES_MAX);
    }
    if (kind == 3) {
        int result = mocra_hosts_parse_given(text, &hosts, reason);
        REQUIRE(result == MOCRA_OK || (result == MOCRA_ERR_DNS_SETTINGS && reason[0] != '\0'));
        if (result == MOCRA_OK && mocra_hosts_find(hosts, "a.test", 6, 80, &found)) REQUIRE(found.count > 0);
    }
    if (kind == 4) {
        mocra_dns_servers servers = {0};
        int result = mocra_dns_servers_parse(text, &servers, reason);
        REQUIRE(result == MOCRA_OK || (result == MOCRA_ERR_DNS_SETTINGS && reason[0] != '\0'));
        REQUIRE(servers.count <= MOCRA_DNS_SERVERS_MAX);
    }
    mocra_hosts_destroy(hosts);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 65536) return 0;
    // Of exactly this size, so that AddressSanitizer sees a read behind it.
    uint8_t *copy = malloc(size > 1 ? size - 1 : 1);
    REQUIRE(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    unsigned kind = data[0] % 6;
    if (kind < 2) fuzz_answer(copy, size - 1, kind == 0 ? MOCRA_DNS_TYPE_A : MOCRA_DNS_TYPE_AAAA);
    if (kind >= 2 && kind < 5) fuzz_texts(copy, size - 1, kind);
    if (kind == 5) fuzz_name(copy, size - 1);
    free(copy);
    return 0;
}
