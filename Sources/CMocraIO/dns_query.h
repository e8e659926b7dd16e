// Single questions to DNS servers through c-ares: which server, how often, at most how many at once. Knows no
// cache and nobody who waits.
#ifndef MOCRA_DNS_QUERY_H
#define MOCRA_DNS_QUERY_H

#include "mocra_dns_message.h"
#include "mocra_dns_servers.h"
#include "mocra_driver.h"

// Questions under way at once; each server costs at most one UDP and one TCP socket, whatever their number.
#define DNS_QUERIES_MAX 512u
// Times that one question is sent, over all servers.
#define DNS_ATTEMPTS_MAX 8u

typedef struct dns_client dns_client;

typedef struct dns_result {
    uint32_t tag;
    int error;  // MOCRA_OK, DNS_NAME (both with `answer`), DNS_FAILED, DNS_TIMEOUT, MEMORY
    mocra_dns_answer answer;
} dns_result;

// `servers` NULL or without any: those of /etc/resolv.conf. `timeout_ms`: for each attempt; `tries`: attempts
// at each server. MEMORY.
int dns_client_create(mocra_driver *driver, const mocra_dns_servers *servers, uint32_t timeout_ms,
                      uint32_t tries, dns_client **out);
void dns_client_destroy(dns_client *client);
// Questions that can be asked now.
uint32_t dns_client_room(const dns_client *client);
// Asks (there must be room). The result comes with dns_client_take, and bears the tag. Returns a number for
// dns_client_abandon, valid until then.
uint32_t dns_client_ask(dns_client *client, uint32_t tag, const char *name, size_t length, uint16_t type,
                        uint64_t now);
// Nobody waits for the result any more: it is not asked again when an attempt fails. Or, `abandoned` false,
// someone does after all.
void dns_client_abandon(dns_client *client, uint32_t query, bool abandoned);
// A completion of MOCRA_OPERATION_POLL.
void dns_client_event(dns_client *client, const mocra_driver_event *event);
// Lets time-outs happen and asks again what failed.
void dns_client_process(dns_client *client, uint64_t now);
// The next result; false when there is none.
bool dns_client_take(dns_client *client, dns_result *out);
// When dns_client_process wants to be called again; MOCRA_NEVER when nothing is under way.
uint64_t dns_client_next(const dns_client *client, uint64_t now);

#endif
