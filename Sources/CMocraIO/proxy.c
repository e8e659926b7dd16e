// What a fetch through a proxy needs beyond a connection: its own copy of the proxy, which names are looked
// up where, the key in the pool, and the negotiation on the connection.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

static int blocked(fetch *item, const mocra_address *address) {
    mocra_address_print(address, item->response.reason, sizeof(item->response.reason));
    return MOCRA_ERR_ADDRESS_BLOCKED;
}

// Decides whether the proxy is given the origin's name or an address.
static int choose_target(mocra_loop *loop, fetch *item) {
    fetch_proxy *proxy = item->proxy;
    mocra_address *literal = &proxy->target.address;
    bool checks = loop->options.public_addresses_only;
    if (mocra_address_parse((const uint8_t *)item->host, item->host_length, literal)) {
        if (checks && !mocra_address_is_public(literal)) return blocked(item, literal);
        proxy->asks_host = true;
        return MOCRA_OK;
    }
    // The request in absolute form carries the name, and what the proxy finds for it is not checked.
    if (proxy_is_forward(item) && checks && !proxy->resolves) return MOCRA_ERR_ARGUMENT;
    proxy->target.by_name = proxy->resolves || proxy_is_forward(item);
    proxy->asks_host = proxy->target.by_name;
    return MOCRA_OK;
}

int proxy_take(mocra_loop *loop, fetch *item, const mocra_proxy_options *options) {
    uint32_t host = options->host_length;
    uint32_t username = options->username_length;
    uint32_t password = options->password_length;
    if (options->type < MOCRA_PROXY_FORWARD || options->type > MOCRA_PROXY_SOCKS5 || host == 0 ||
        host > MOCRA_PROXY_FIELD_BYTES_MAX || username > MOCRA_PROXY_FIELD_BYTES_MAX ||
        password > MOCRA_PROXY_FIELD_BYTES_MAX)
        return MOCRA_ERR_ARGUMENT;
    fetch_proxy *proxy = calloc(1, sizeof(*proxy));
    if (proxy == NULL) return MOCRA_ERR_MEMORY;
    memcpy(proxy->host, options->text, host);
    memcpy(proxy->username, options->text + host, username);
    memcpy(proxy->password, options->text + host + username, password);
    proxy->host_length = (uint8_t)host;
    proxy->port = options->port;
    proxy->resolves = options->resolves;
    proxy->target = (mocra_proxy_target){.type = options->type,
                                         .credentials = options->credentials,
                                         .host_length = (uint8_t)item->host_length,
                                         .username_length = (uint8_t)username,
                                         .password_length = (uint8_t)password,
                                         .port = item->port,
                                         .host = (const uint8_t *)item->host,
                                         .username = proxy->username,
                                         .password = proxy->password};
    item->proxy = proxy;
    return choose_target(loop, item);
}

void proxy_forget(fetch *item) {
    if (item->proxy == NULL) return;
    explicit_bzero(item->proxy, sizeof(*item->proxy));
    free(item->proxy);
    item->proxy = NULL;
}

static size_t put(uint8_t *key, size_t at, const void *data, size_t length) {
    key[at] = (uint8_t)length;
    memcpy(key + at + 1, data, length);
    return at + 1 + length;
}

size_t proxy_pool_key(const fetch *item, uint8_t key[POOL_KEY_BYTES_MAX]) {
    const fetch_proxy *proxy = item->proxy;
    key[0] = (uint8_t)((item->secure ? 1 : 0) | (item->http2 ? 2 : 0) |
                       (proxy != NULL ? proxy->target.type << 2 : 0));
    size_t length = 1;
    if (!proxy_is_forward(item)) {
        key[1] = (uint8_t)(item->port >> 8);
        key[2] = (uint8_t)item->port;
        length = put(key, 3, item->host, item->host_length);
    }
    if (proxy == NULL) return length;
    key[length++] = (uint8_t)(proxy->port >> 8);
    key[length++] = (uint8_t)proxy->port;
    key[length++] = (uint8_t)((proxy->resolves ? 1 : 0) | (proxy->target.credentials ? 2 : 0));
    length = put(key, length, proxy->host, proxy->host_length);
    length = put(key, length, proxy->username, proxy->target.username_length);
    return put(key, length, proxy->password, proxy->target.password_length);
}

int proxy_take_target(mocra_loop *loop, fetch *item, const mocra_addresses *addresses) {
    fetch_proxy *proxy = item->proxy;
    for (uint32_t i = 0; i < addresses->count; i++) {
        const mocra_address *address = &addresses->list[i];
        if (loop->options.public_addresses_only && !mocra_address_is_public(address)) continue;
        proxy->target.address = *address;
        proxy->asks_host = true;
        return MOCRA_OK;
    }
    return addresses->count == 0 ? MOCRA_ERR_DNS_FAILED : blocked(item, &addresses->list[0]);
}

int proxy_error(fetch *item, int error) {
    if (item->proxy == NULL) return error;
    switch (error) {
    case MOCRA_ERR_DNS_TIMEOUT:
    case MOCRA_ERR_CONNECT_TIMEOUT:
        return MOCRA_ERR_PROXY_TIMEOUT;
    case MOCRA_ERR_DNS_NAME:
    case MOCRA_ERR_DNS_FAILED:
    case MOCRA_ERR_CONNECT_REFUSED:
    case MOCRA_ERR_CONNECT_UNREACHABLE:
    case MOCRA_ERR_CONNECT_FAILED:
        snprintf(item->response.reason, sizeof(item->response.reason), "%s", mocra_error_text(error));
        return MOCRA_ERR_PROXY_CONNECT;
    default:
        return error;
    }
}

static void fail(mocra_loop *loop, connection *item, int error) {
    connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = error});
}

void proxy_negotiate(mocra_loop *loop, connection *item) {
    fetch *owner = fetch_at(loop, item->fetch);
    item->negotiation = calloc(1, sizeof(*item->negotiation));
    int result = item->negotiation == NULL
                     ? MOCRA_ERR_MEMORY
                     : mocra_negotiation_begin(item->negotiation, &owner->proxy->target, &item->outgoing);
    if (result != MOCRA_OK) {
        fail(loop, item, result);
        return;
    }
    connection_send_more(loop, item);
}

static void step(mocra_loop *loop, connection *item, const uint8_t *data, size_t length) {
    fetch *owner = fetch_at(loop, item->fetch);
    item->outgoing.length = item->sent = 0;
    int result = mocra_negotiation_step(item->negotiation, data, length, &item->outgoing,
                                        owner->response.reason, sizeof(owner->response.reason));
    if (result < 0) {
        fail(loop, item, result);
    } else if (result == MOCRA_MORE) {
        connection_send_more(loop, item);
    } else {
        mocra_negotiation_free(item->negotiation);
        free(item->negotiation);
        item->negotiation = NULL;
        mocra_bytes_free(&item->outgoing);
        owner->response.proxied_ns = loop->now;
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_NEGOTIATED});
    }
}

void proxy_received(mocra_loop *loop, connection *item, const uint8_t *data, size_t length) {
    if (!item->sending) {
        step(loop, item, data, length);
        return;
    }
    // The kernel still reads what the answer may be appended to; it waits for the end of that.
    size_t room = MOCRA_PROXY_ANSWER_BYTES_MAX + 1 - item->head_partial.length;
    int result = mocra_bytes_append(&item->head_partial, data, length < room ? length : room);
    if (result != MOCRA_OK) fail(loop, item, result);
}

void proxy_sent(mocra_loop *loop, connection *item) {
    if (item->sending || item->head_partial.length == 0) return;
    mocra_bytes held = item->head_partial;
    item->head_partial = (mocra_bytes){0};
    step(loop, item, held.data, held.length);
    mocra_bytes_free(&held);
}
