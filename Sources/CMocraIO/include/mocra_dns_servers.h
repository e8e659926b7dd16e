// DNS servers and which of them to ask next. Pure: time is an argument.
#ifndef MOCRA_DNS_SERVERS_H
#define MOCRA_DNS_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

#include "mocra_address.h"

#define MOCRA_DNS_SERVERS_MAX 8
#define MOCRA_DNS_SERVERS_REASON_BYTES 256
// A server that failed twice in a row is asked last for this long, doubled with each failure to the second.
// Then one question tries it; the others wait for its outcome at the servers that answer.
#define MOCRA_DNS_DOWN_MIN_NS 1000000000u
#define MOCRA_DNS_DOWN_MAX_NS 30000000000u

typedef struct mocra_dns_server {
    mocra_address address;  // with its port
    uint32_t failures;      // since it last answered
    uint64_t down_until;    // 0: up
    bool probing;           // one question tries whether it is up again
} mocra_dns_server;

typedef struct mocra_dns_servers {
    uint32_t count;
    mocra_dns_server list[MOCRA_DNS_SERVERS_MAX];
} mocra_dns_servers;

// Reads addresses, each with an optional port (53): "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:5353",
// "2001:db8::53"; between them commas or white space. DNS_SETTINGS with a reason
// (MOCRA_DNS_SERVERS_REASON_BYTES) that names the entry; *out is then untouched.
int mocra_dns_servers_parse(const char *text, mocra_dns_servers *out, char *reason);
// The server to ask next: the first that is up and not in the mask `tried`, else the one not tried that is
// down for the shortest time; MOCRA_DNS_SERVERS_MAX when all were tried.
uint32_t mocra_dns_servers_pick(mocra_dns_servers *servers, uint32_t tried, uint64_t now);
// Whether a server answered (be it "no such name") or not (silence, refusal, garbage).
void mocra_dns_servers_note(mocra_dns_servers *servers, uint32_t index, bool answered, uint64_t now);

#endif
