// Questions to DNS servers; see dns_query.h. The only file that calls c-ares, which sends, matches answers to
// questions by number, question and address, and turns to TCP when an answer was cut. It has a channel for
// each server and one try, so that which server is asked next is decided here: one that is dead costs its
// time-out to a few questions, not to all. What answers say is read by dns_message.c.
// Its callbacks may come inside any call, so they only note; dns_client_process acts.
#include "dns_query.h"

#include <ares.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_assert.h"
#include "mocra_timers.h"

#define SOCKETS_MAX (2 * MOCRA_DNS_SERVERS_MAX)

typedef struct query {
    dns_client *client;
    uint32_t next;  // in the free, returned or finished list
    uint32_t tag;
    uint16_t type;
    uint8_t server;
    uint8_t attempts;
    uint8_t length;
    bool abandoned;
    bool spoke;      // the server sent something in the last attempt
    uint32_t tried;  // mask of servers in this round
    int error;
    char name[MOCRA_DNS_NAME_MAX + 1];
    mocra_dns_answer answer;
} query;

typedef struct channel {
    dns_client *client;
    ares_channel handle;
    uint32_t waiting;  // questions under way
} channel;

typedef struct polled {
    int fd;  // -1 while free
    short events;
    bool armed;
    uint32_t generation;
    channel *owner;
} polled;

typedef struct list {
    uint32_t first;
    uint32_t last;
} list;

struct dns_client {
    mocra_driver *driver;
    mocra_dns_servers servers;
    uint32_t attempts_max;
    uint32_t free_first;
    uint32_t free_count;
    list returned;  // an attempt is over
    list finished;  // for dns_client_take
    channel channels[MOCRA_DNS_SERVERS_MAX];
    polled sockets[SOCKETS_MAX];
    query queries[DNS_QUERIES_MAX];
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

// For the whole process: c-ares counts users without a lock.
static void library_init(void) {
    (void)ares_library_init(ARES_LIB_INIT_ALL);
}

static void push(dns_client *client, list *to, uint32_t index) {
    client->queries[index].next = MOCRA_NONE;
    if (to->last != MOCRA_NONE)
        client->queries[to->last].next = index;
    else
        to->first = index;
    to->last = index;
}

static uint32_t pop(dns_client *client, list *from) {
    uint32_t index = from->first;
    if (index == MOCRA_NONE) return MOCRA_NONE;
    from->first = client->queries[index].next;
    if (from->first == MOCRA_NONE) from->last = MOCRA_NONE;
    return index;
}

static void socket_changed(void *context, ares_socket_t fd, int readable, int writable) {
    channel *owner = context;
    dns_client *client = owner->client;
    short events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    uint32_t slot = MOCRA_NONE;
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        if (client->sockets[i].fd == fd) {
            slot = i;
            break;
        }
        if (client->sockets[i].fd < 0 && slot == MOCRA_NONE) slot = i;
    }
    if (slot == MOCRA_NONE) return;  // more sockets than c-ares opens; its own time-out deals with the query
    polled *socket = &client->sockets[slot];
    mocra_driver_owner token = {.slot = slot, .generation = socket->generation};
    if (socket->armed && socket->events != events) {
        mocra_driver_cancel(client->driver, token, MOCRA_OPERATION_POLL);
        socket->armed = false;
        token.generation = ++socket->generation;
    }
    socket->fd = events == 0 ? -1 : fd;
    socket->owner = owner;
    socket->events = events;
    if (events != 0 && !socket->armed) {
        mocra_driver_poll(client->driver, token, fd, events);
        socket->armed = true;
    }
}

// The channel of one server; with `server` NULL, one that knows the system's servers.
static int open_channel(channel *item, const mocra_dns_server *server, uint32_t timeout_ms) {
    char lookups[] = "b";
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
                                   .timeout = (int)timeout_ms,
                                   .tries = 1,
                                   .lookups = lookups,
                                   .sock_state_cb = socket_changed,
                                   .sock_state_cb_data = item};
    int mask =
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&item->handle, &options, mask) != ARES_SUCCESS) return MOCRA_ERR_MEMORY;
    if (server == NULL) return MOCRA_OK;
    bool is_v4 = server->address.any.sa_family == AF_INET;
    int port = ntohs(is_v4 ? server->address.v4.sin_port : server->address.v6.sin6_port);
    struct ares_addr_port_node node = {
        .family = server->address.any.sa_family, .udp_port = port, .tcp_port = port};
    if (is_v4)
        node.addr.addr4 = server->address.v4.sin_addr;
    else
        memcpy(&node.addr.addr6, &server->address.v6.sin6_addr, sizeof(node.addr.addr6));
    return ares_set_servers_ports(item->handle, &node) == ARES_SUCCESS ? MOCRA_OK : MOCRA_ERR_MEMORY;
}

// The servers of /etc/resolv.conf, as c-ares reads it.
static int read_system_servers(mocra_dns_servers *out) {
    channel reading = {0};
    int result = open_channel(&reading, NULL, 1000);
    if (result != MOCRA_OK) return result;
    struct ares_addr_port_node *nodes = NULL;
    if (ares_get_servers_ports(reading.handle, &nodes) != ARES_SUCCESS) result = MOCRA_ERR_MEMORY;
    memset(out, 0, sizeof(*out));
    for (struct ares_addr_port_node *node = nodes; node != NULL && out->count < MOCRA_DNS_SERVERS_MAX;
         node = node->next) {
        mocra_address *address = &out->list[out->count++].address;
        address->any.sa_family = (sa_family_t)node->family;
        if (node->family == AF_INET)
            address->v4.sin_addr = node->addr.addr4;
        else
            memcpy(&address->v6.sin6_addr, &node->addr.addr6, sizeof(address->v6.sin6_addr));
        mocra_address_set_port(address, node->udp_port != 0 ? (uint16_t)node->udp_port : 53);
    }
    if (nodes != NULL) ares_free_data(nodes);
    ares_destroy(reading.handle);
    return result;
}

int dns_client_create(mocra_driver *driver, const mocra_dns_servers *servers, uint32_t timeout_ms,
                      uint32_t tries, dns_client **out) {
    pthread_once(&library_once, library_init);
    dns_client *client = calloc(1, sizeof(*client));
    if (client == NULL) return MOCRA_ERR_MEMORY;
    client->driver = driver;
    client->returned = client->finished = (list){.first = MOCRA_NONE, .last = MOCRA_NONE};
    for (size_t i = 0; i < SOCKETS_MAX; i++) client->sockets[i].fd = -1;
    client->free_first = MOCRA_NONE;
    for (uint32_t i = DNS_QUERIES_MAX; i-- > 0;) {
        client->queries[i].client = client;
        client->queries[i].next = client->free_first;
        client->free_first = i;
    }
    client->free_count = DNS_QUERIES_MAX;
    int result = MOCRA_OK;
    if (servers != NULL && servers->count > 0)
        client->servers = *servers;
    else
        result = read_system_servers(&client->servers);
    client->attempts_max = tries * client->servers.count;
    if (client->attempts_max > DNS_ATTEMPTS_MAX) client->attempts_max = DNS_ATTEMPTS_MAX;
    for (uint32_t i = 0; i < client->servers.count && result == MOCRA_OK; i++) {
        client->channels[i].client = client;
        result = open_channel(&client->channels[i], &client->servers.list[i], timeout_ms);
    }
    if (result != MOCRA_OK) {
        dns_client_destroy(client);
        return result;
    }
    *out = client;
    return MOCRA_OK;
}

void dns_client_destroy(dns_client *client) {
    if (client == NULL) return;
    for (uint32_t i = 0; i < MOCRA_DNS_SERVERS_MAX; i++)
        if (client->channels[i].handle != NULL) ares_destroy(client->channels[i].handle);
    free(client);
}

uint32_t dns_client_room(const dns_client *client) {
    return client->free_count;
}

static int translate(int status) {
    switch (status) {
    case ARES_ETIMEOUT:
        return MOCRA_ERR_DNS_TIMEOUT;
    case ARES_ENOMEM:
        return MOCRA_ERR_MEMORY;
    default:
        return MOCRA_ERR_DNS_FAILED;
    }
}

static void on_answer(void *context, int status, int timeouts, unsigned char *data, int size) {
    (void)timeouts;
    query *item = context;
    dns_client *client = item->client;
    client->channels[item->server].waiting--;
    if (status == ARES_EDESTRUCTION) return;
    // c-ares's own verdict counts only where there is no message to read.
    item->error = data != NULL && size > 0 ? mocra_dns_answer_parse(data, (size_t)size, item->name,
                                                                    item->length, item->type, &item->answer)
                                           : translate(status);
    // A server that reports a failure is alive: another one may know more, but this one is not down.
    item->spoke = data != NULL && status != ARES_EREFUSED;
    push(client, &client->returned, (uint32_t)(item - client->queries));
}

static void attempt(dns_client *client, query *item, uint64_t now) {
    uint32_t server = mocra_dns_servers_pick(&client->servers, item->tried, now);
    if (server == MOCRA_DNS_SERVERS_MAX) {
        // All were asked: the next round.
        item->tried = 0;
        server = mocra_dns_servers_pick(&client->servers, 0, now);
    }
    item->attempts++;
    item->error = MOCRA_ERR_DNS_FAILED;
    if (server == MOCRA_DNS_SERVERS_MAX) {
        push(client, &client->finished, (uint32_t)(item - client->queries));  // there are no servers at all
        return;
    }
    item->tried |= 1u << server;
    item->server = (uint8_t)server;
    item->spoke = false;
    client->channels[server].waiting++;
    ares_query(client->channels[server].handle, item->name, 1, item->type, on_answer, item);
}

uint32_t dns_client_ask(dns_client *client, uint32_t tag, const char *name, size_t length, uint16_t type,
                        uint64_t now) {
    MOCRA_ASSERT(client->free_first != MOCRA_NONE && length <= MOCRA_DNS_NAME_MAX);
    uint32_t index = client->free_first;
    query *item = &client->queries[index];
    client->free_first = item->next;
    client->free_count--;
    item->tag = tag;
    item->type = type;
    item->attempts = 0;
    item->tried = 0;
    item->abandoned = false;
    item->length = (uint8_t)length;
    memcpy(item->name, name, length);
    item->name[length] = '\0';
    attempt(client, item, now);
    return index;
}

void dns_client_abandon(dns_client *client, uint32_t index, bool abandoned) {
    client->queries[index].abandoned = abandoned;
}

void dns_client_event(dns_client *client, const mocra_driver_event *event) {
    if (event->owner.slot >= SOCKETS_MAX) return;
    polled *socket = &client->sockets[event->owner.slot];
    if (!socket->armed || (socket->generation & 0xffffff) != event->owner.generation) return;
    socket->armed = false;
    int fd = socket->fd;
    short ready = event->result > 0 ? (short)event->result : 0;
    bool failed = (ready & (POLLERR | POLLHUP | POLLNVAL)) != 0 || event->result < 0;
    bool readable = (ready & POLLIN) != 0 || failed;
    bool writable = (ready & POLLOUT) != 0 || (failed && (socket->events & POLLOUT));
    ares_process_fd(socket->owner->handle, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    if (socket->fd == fd && !socket->armed && socket->events != 0) {
        mocra_driver_owner token = {.slot = event->owner.slot, .generation = socket->generation};
        mocra_driver_poll(client->driver, token, fd, socket->events);
        socket->armed = true;
    }
}

void dns_client_process(dns_client *client, uint64_t now) {
    for (uint32_t i = 0; i < client->servers.count; i++)
        if (client->channels[i].waiting > 0)
            ares_process_fd(client->channels[i].handle, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    uint32_t index;
    // An attempt that fails at once comes back to this list; their number is bounded.
    while ((index = pop(client, &client->returned)) != MOCRA_NONE) {
        query *item = &client->queries[index];
        mocra_dns_servers_note(&client->servers, item->server, item->spoke, now);
        bool settled = item->error == MOCRA_OK || item->error == MOCRA_ERR_DNS_NAME;
        if (settled || item->abandoned || item->attempts >= client->attempts_max)
            push(client, &client->finished, index);
        else
            attempt(client, item, now);
    }
}

bool dns_client_take(dns_client *client, dns_result *out) {
    uint32_t index = pop(client, &client->finished);
    if (index == MOCRA_NONE) return false;
    query *item = &client->queries[index];
    out->tag = item->tag;
    out->error = item->error;
    out->answer = item->answer;
    item->next = client->free_first;
    client->free_first = index;
    client->free_count++;
    return true;
}

uint64_t dns_client_next(const dns_client *client, uint64_t now) {
    if (client->returned.first != MOCRA_NONE || client->finished.first != MOCRA_NONE) return now;
    uint64_t next = MOCRA_NEVER;
    for (uint32_t i = 0; i < client->servers.count; i++) {
        if (client->channels[i].waiting == 0) continue;
        struct timeval interval;
        struct timeval *due = ares_timeout(client->channels[i].handle, NULL, &interval);
        if (due == NULL) continue;
        uint64_t at = now + (uint64_t)due->tv_sec * 1000000000u + (uint64_t)due->tv_usec * 1000u;
        if (at < next) next = at;
    }
    return next;
}
