// DNS servers and their state; see mocra_dns_servers.h.
#include "mocra_dns_servers.h"

#include <stdio.h>
#include <string.h>

#define PORT_DNS 53

// Splits "[v6]:port", "v4:port" or a bare address.
static bool parse_one(const char *text, size_t length, mocra_address *out) {
    size_t host = length;
    if (text[0] == '[') {
        const char *end = memchr(text, ']', length);
        if (end == NULL) return false;
        host = (size_t)(end - text) + 1;
    } else {
        const char *colon = memchr(text, ':', length);
        // Two colons are an IPv6 address without a port.
        if (colon != NULL && memchr(colon + 1, ':', length - (size_t)(colon + 1 - text)) == NULL)
            host = (size_t)(colon - text);
    }
    uint32_t port = PORT_DNS;
    if (host < length) {
        size_t digits = length - host - 1;
        if (text[host] != ':' || digits == 0 || digits > 5) return false;
        port = 0;
        for (size_t i = host + 1; i < length; i++) {
            if (text[i] < '0' || text[i] > '9') return false;
            port = port * 10 + (uint32_t)(text[i] - '0');
        }
        if (port == 0 || port > 65535) return false;
    }
    if (!mocra_address_parse((const uint8_t *)text, host, out)) return false;
    mocra_address_set_port(out, (uint16_t)port);
    return true;
}

int mocra_dns_servers_parse(const char *text, mocra_dns_servers *out, char *reason) {
    static const char between[] = ", \t\r\n";
    mocra_dns_servers servers;
    memset(&servers, 0, sizeof(servers));
    for (const char *at = text + strspn(text, between); *at != '\0'; at += strspn(at, between)) {
        size_t length = strcspn(at, between);
        int shown = length < 100 ? (int)length : 100;
        if (servers.count == MOCRA_DNS_SERVERS_MAX) {
            snprintf(reason, MOCRA_DNS_SERVERS_REASON_BYTES,
                     "the DNS server \"%.*s\" is one too many: %d can be given", shown, at,
                     MOCRA_DNS_SERVERS_MAX);
            return MOCRA_ERR_DNS_SETTINGS;
        }
        if (!parse_one(at, length, &servers.list[servers.count].address)) {
            snprintf(reason, MOCRA_DNS_SERVERS_REASON_BYTES,
                     "the DNS server \"%.*s\" is no address with an optional port: write 192.0.2.53, "
                     "192.0.2.53:5353 or [2001:db8::53]:5353",
                     shown, at);
            return MOCRA_ERR_DNS_SETTINGS;
        }
        servers.count++;
        at += length;
    }
    *out = servers;
    return MOCRA_OK;
}

uint32_t mocra_dns_servers_pick(mocra_dns_servers *servers, uint32_t tried, uint64_t now) {
    uint32_t best = MOCRA_DNS_SERVERS_MAX;
    for (uint32_t i = 0; i < servers->count; i++) {
        if ((tried & 1u << i) != 0) continue;
        mocra_dns_server *server = &servers->list[i];
        if (server->down_until == 0) return i;
        if (now >= server->down_until && !server->probing) {
            server->probing = true;
            return i;
        }
        if (best == MOCRA_DNS_SERVERS_MAX || server->down_until < servers->list[best].down_until) best = i;
    }
    return best;
}

void mocra_dns_servers_note(mocra_dns_servers *servers, uint32_t index, bool answered, uint64_t now) {
    mocra_dns_server *server = &servers->list[index];
    if (answered) {
        server->failures = 0;
        server->down_until = 0;
        server->probing = false;
        return;
    }
    // Questions that were under way when it went down fail after it: they say nothing new.
    if (server->down_until > now) return;
    server->probing = false;
    server->failures++;
    if (server->failures < 2) return;
    uint32_t doublings = server->failures - 2 < 5 ? server->failures - 2 : 5;
    uint64_t down = (uint64_t)MOCRA_DNS_DOWN_MIN_NS << doublings;
    if (down > MOCRA_DNS_DOWN_MAX_NS) down = MOCRA_DNS_DOWN_MAX_NS;
    server->down_until = now + down;
}
