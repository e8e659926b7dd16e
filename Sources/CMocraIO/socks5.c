// SOCKS5 as a client: greeting, name and password, request (RFC 1928, RFC 1929).
#include "socks5.h"

#include <stdio.h>
#include <string.h>

#define VERSION 5
#define AUTHENTICATION_VERSION 1
#define METHOD_NONE 0
#define METHOD_PASSWORD 2
#define METHOD_REFUSED 0xff
#define COMMAND_CONNECT 1
#define TYPE_IPV4 1
#define TYPE_NAME 3
#define TYPE_IPV6 4

enum { AWAITS_METHOD, AWAITS_STATUS, AWAITS_REPLY };

int socks5_begin(mocra_negotiation *negotiation, mocra_bytes *output) {
    static const uint8_t open[] = {VERSION, 1, METHOD_NONE};
    static const uint8_t either[] = {VERSION, 2, METHOD_NONE, METHOD_PASSWORD};
    negotiation->state = AWAITS_METHOD;
    return negotiation->target.credentials ? mocra_bytes_append(output, either, sizeof(either))
                                           : mocra_bytes_append(output, open, sizeof(open));
}

static int write_credentials(const mocra_proxy_target *target, mocra_bytes *output) {
    uint8_t head[] = {AUTHENTICATION_VERSION, target->username_length};
    int result = mocra_bytes_append(output, head, sizeof(head));
    if (result == MOCRA_OK) result = mocra_bytes_append(output, target->username, target->username_length);
    if (result == MOCRA_OK) result = mocra_bytes_append(output, &target->password_length, 1);
    if (result == MOCRA_OK) result = mocra_bytes_append(output, target->password, target->password_length);
    return result;
}

static int write_request(const mocra_proxy_target *target, mocra_bytes *output) {
    uint8_t head[5] = {VERSION, COMMAND_CONNECT, 0, TYPE_NAME, target->host_length};
    const uint8_t *host = target->host;
    size_t head_length = sizeof(head);
    size_t host_length = target->host_length;
    if (!target->by_name) {
        bool is_v4 = target->address.any.sa_family == AF_INET;
        head[3] = is_v4 ? TYPE_IPV4 : TYPE_IPV6;
        head_length = 4;
        host = is_v4 ? (const uint8_t *)&target->address.v4.sin_addr
                     : (const uint8_t *)&target->address.v6.sin6_addr;
        host_length = is_v4 ? 4 : 16;
    }
    uint8_t port[2] = {(uint8_t)(target->port >> 8), (uint8_t)target->port};
    int result = mocra_bytes_append(output, head, head_length);
    if (result == MOCRA_OK) result = mocra_bytes_append(output, host, host_length);
    if (result == MOCRA_OK) result = mocra_bytes_append(output, port, sizeof(port));
    return result;
}

static const char *reply_text(uint8_t code) {
    static const char *const texts[] = {
        "",
        "general failure",
        "not allowed by its rules",
        "network unreachable",
        "host unreachable",
        "connection refused",
        "time to live expired",
        "command not supported",
        "address type not supported",
    };
    return code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : "an unknown reply code";
}

static int broken(const char *what, char *reason, size_t size) {
    snprintf(reason, size, "%s", what);
    return MOCRA_ERR_PROXY_PROTOCOL;
}

// How long the reply is, from its first bytes; 0 while that is not known.
static size_t reply_length(const uint8_t *data, size_t length) {
    if (length < 5) return 0;
    size_t address = data[3] == TYPE_IPV4 ? 4 : data[3] == TYPE_IPV6 ? 16 : 1u + data[4];
    return 4 + address + 2;
}

static int take_method(mocra_negotiation *negotiation, mocra_bytes *output, char *reason, size_t size) {
    const uint8_t *data = negotiation->input.data;
    if (data[0] != VERSION) return broken("the answer is not SOCKS5", reason, size);
    if (negotiation->input.length < 2) return MOCRA_MORE;
    uint8_t method = data[1];
    if (method == METHOD_REFUSED) {
        snprintf(reason, size, "%s",
                 negotiation->target.credentials ? "it takes none of the offered methods"
                                                 : "it takes no client without a user name");
        return MOCRA_ERR_PROXY_AUTH;
    }
    if (method != METHOD_NONE && (method != METHOD_PASSWORD || !negotiation->target.credentials))
        return broken("it chose a method that was not offered", reason, size);
    if (negotiation->input.length > 2) return broken("it said more than was asked", reason, size);
    negotiation->input.length = 0;
    negotiation->state = method == METHOD_PASSWORD ? AWAITS_STATUS : AWAITS_REPLY;
    int result = method == METHOD_PASSWORD ? write_credentials(&negotiation->target, output)
                                           : write_request(&negotiation->target, output);
    return result == MOCRA_OK ? MOCRA_MORE : result;
}

static int take_status(mocra_negotiation *negotiation, mocra_bytes *output, char *reason, size_t size) {
    const uint8_t *data = negotiation->input.data;
    if (data[0] != AUTHENTICATION_VERSION) return broken("its status is malformed", reason, size);
    if (negotiation->input.length < 2) return MOCRA_MORE;
    if (data[1] != 0) {
        snprintf(reason, size, "user name or password is wrong");
        return MOCRA_ERR_PROXY_AUTH;
    }
    if (negotiation->input.length > 2) return broken("it said more than was asked", reason, size);
    negotiation->input.length = 0;
    negotiation->state = AWAITS_REPLY;
    int result = write_request(&negotiation->target, output);
    return result == MOCRA_OK ? MOCRA_MORE : result;
}

static int take_reply(const mocra_negotiation *negotiation, char *reason, size_t size) {
    const uint8_t *data = negotiation->input.data;
    size_t length = negotiation->input.length;
    if (data[0] != VERSION) return broken("its reply is not SOCKS5", reason, size);
    if (length < 2) return MOCRA_MORE;
    // Of a refusal the rest is of no interest, and some servers send none.
    if (data[1] != 0) {
        snprintf(reason, size, "%s (reply %u)", reply_text(data[1]), data[1]);
        return MOCRA_ERR_PROXY_REFUSED;
    }
    if (length > 2 && data[2] != 0) return broken("its reply is malformed", reason, size);
    if (length > 3 && data[3] != TYPE_IPV4 && data[3] != TYPE_NAME && data[3] != TYPE_IPV6)
        return broken("its reply has an unknown type of address", reason, size);
    size_t whole = reply_length(data, length);
    if (whole == 0 || length < whole) return MOCRA_MORE;
    // The origin was not asked anything yet: whatever comes now is not its answer.
    return length == whole ? MOCRA_OK : broken("bytes follow its reply", reason, size);
}

int socks5_step(mocra_negotiation *negotiation, mocra_bytes *output, char *reason, size_t size) {
    if (negotiation->state == AWAITS_METHOD) return take_method(negotiation, output, reason, size);
    if (negotiation->state == AWAITS_STATUS) return take_status(negotiation, output, reason, size);
    return take_reply(negotiation, reason, size);
}
