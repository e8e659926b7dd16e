// Host names as DNS takes them, and the answers of DNS servers (RFC 1035), read without trust. Pure.
#ifndef MOCRA_DNS_MESSAGE_H
#define MOCRA_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_address.h"

#define MOCRA_DNS_NAME_MAX 253
#define MOCRA_DNS_TYPE_A 1
#define MOCRA_DNS_TYPE_AAAA 28
// Aliases that are followed for one name, and records that are looked at in one answer.
#define MOCRA_DNS_ALIASES_MAX 16
#define MOCRA_DNS_RECORDS_MAX 512
// How long an answer counts at most, whatever its TTL says.
#define MOCRA_DNS_TTL_MAX_S 86400u
// For "no such name" and "no such record": by the SOA record (RFC 2308 §5) within the first bound, or, where
// the answer brings none, the second.
#define MOCRA_DNS_NEGATIVE_TTL_MAX_S 900u
#define MOCRA_DNS_NEGATIVE_TTL_S 30u

typedef struct mocra_dns_answer {
    uint32_t ttl_s;  // the smallest on the way to the addresses, or of the negative answer
    bool no_name;    // the name does not exist, for no type (NXDOMAIN)
    mocra_address_set addresses;
} mocra_dns_answer;

// Writes `host` in lower case, without the dot that marks it as complete, and returns its length; 0 when it
// is no host name: an empty or overlong label, other bytes than letters, digits, '-' and '_', or a last label
// that is a number, as in "127.1" or "0x7f.1" (URL Standard §3.5: such a host is an IPv4 address or nothing).
size_t mocra_dns_name(const uint8_t *host, size_t length, char out[MOCRA_DNS_NAME_MAX + 1]);
// "localhost" and names below it; `name` as mocra_dns_name wrote it (RFC 6761 §6.3).
bool mocra_dns_name_is_local(const char *name, size_t length);
// Reads a whole answer to the question for `name` and `type`. MOCRA_OK with addresses; DNS_NAME when there
// are none and the server says so (`ttl_s` and `no_name` are set); DNS_FAILED when it is malformed, answers
// another question, reports a failure or has aliases in a circle.
int mocra_dns_answer_parse(const uint8_t *message, size_t size, const char *name, size_t length,
                           uint16_t type, mocra_dns_answer *out);

#endif
