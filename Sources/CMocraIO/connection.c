// Connection slots: the driver of the connection machine. It owns sockets, TLS state and what is being sent,
// and runs the machine's actions in their order.
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"

connection *connection_at(mocra_loop *loop, uint32_t index) {
    MOCRA_ASSERT(index < loop->connections_made);
    return loop->connections[index];
}

static mocra_driver_owner owner_of(const connection *item) {
    return (mocra_driver_owner){.slot = item->index, .generation = item->generation};
}

static connection *take_slot(mocra_loop *loop) {
    if (loop->connections_free != MOCRA_NONE) {
        connection *item = loop->connections[loop->connections_free];
        loop->connections_free = item->next_free;
        return item;
    }
    if (loop->connections_made == loop->connections_capacity) {
        uint32_t capacity = loop->connections_capacity == 0 ? 64 : loop->connections_capacity * 2;
        connection **grown = realloc(loop->connections, capacity * sizeof(*grown));
        if (grown == NULL) return NULL;
        loop->connections = grown;
        loop->connections_capacity = capacity;
    }
    connection *item = calloc(1, sizeof(*item));
    if (item == NULL) return NULL;
    item->index = loop->connections_made;
    item->fd = -1;
    item->fetch = MOCRA_NONE;
    loop->connections[loop->connections_made++] = item;
    return item;
}

static void give_slot(mocra_loop *loop, connection *item) {
    item->next_free = loop->connections_free;
    loop->connections_free = item->index;
}

// Connections come from the address that the options name, where there is one.
static int bind_socket(const mocra_loop *loop, int fd, const mocra_address *address) {
    const mocra_address *from = &loop->bind_address;
    if (from->length == 0) return MOCRA_OK;
    if (from->any.sa_family != address->any.sa_family) return MOCRA_ERR_CONNECT_UNREACHABLE;
    int on = 1;
    // The port is chosen when it is known where to, so that one is not taken from all destinations.
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    return bind(fd, &from->any, from->length) == 0 ? MOCRA_OK : MOCRA_ERR_CONNECT_FAILED;
}

static int open_socket(const mocra_loop *loop, const mocra_address *address, int *out) {
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS) return MOCRA_ERR_DESCRIPTORS;
        return errno == ENOMEM ? MOCRA_ERR_MEMORY : MOCRA_ERR_CONNECT_FAILED;
    }
    int on = 1;
    // A refusal leaves Nagle's algorithm on: slower, and still right.
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int result = bind_socket(loop, fd, address);
    if (result != MOCRA_OK) {
        close(fd);
        return result;
    }
    *out = fd;
    return MOCRA_OK;
}

int connection_open(mocra_loop *loop, fetch *owner, const mocra_address *address, uint32_t place) {
    int fd = -1;
    int result = open_socket(loop, address, &fd);
    if (result != MOCRA_OK) return result;
    connection *item = take_slot(loop);
    if (item == NULL) {
        close(fd);
        return MOCRA_ERR_MEMORY;
    }
    loop->connections_used++;
    item->fd = fd;
    item->address = *address;
    item->pooled = false;
    item->fetch = owner->index;
    item->place = (uint8_t)place;
    item->opened_ns = loop->now;
    item->machine.secure = owner->secure;
    item->machine.proxied = owner->proxy != NULL && !proxy_is_forward(owner);
    item->machine.repeatable = owner->repeatable;
    item->sent = 0;
    item->outgoing.length = 0;
    item->head_partial.length = 0;
    item->head_scanned = 0;
    item->was_reset = false;
    owner->attempts[place] = item->index;
    connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_OPEN});
    return MOCRA_OK;
}

static void describe_tls(const connection *item, mocra_response *response) {
    if (item->tls == NULL) return;
    mocra_tls_facts facts = mocra_tls_describe(item->tls);
    response->tls_version = facts.version;
    response->tls_cipher = facts.cipher;
    if (facts.resumed) response->flags |= MOCRA_RESPONSE_TLS_RESUMED;
}

// Whether nothing came that has not been read yet: the end of the stream may have come together with the last
// answer. Asked before a request that may not be repeated, and where one waits; others find out, and go
// again. What the kernel has received for us already is not seen, the end behind it is.
static bool is_quiet(const connection *item) {
    if (item->tls != NULL && !mocra_tls_is_dry(item->tls)) return false;
    uint8_t byte;
    return recv(item->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void connection_assign(mocra_loop *loop, connection *item, fetch *owner) {
    if (item->http2 != NULL) {
        owner->response.flags |= MOCRA_RESPONSE_REUSED;
        describe_tls(item, &owner->response);
        http2_submit(loop, item, owner);
        return;
    }
    MOCRA_ASSERT(item->fetch == MOCRA_NONE && item->machine.state == MOCRA_CONNECTION_IDLE);
    bool repeatable = owner->repeatable && !owner->retried;
    if (!repeatable && !is_quiet(item)) {
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_END});
        owner->wants_fresh = true;
        fetch_try_again(loop, owner);
        return;
    }
    item->fetch = owner->index;
    item->machine.repeatable = repeatable;
    owner->connection = item->index;
    owner->state = FETCH_ACTIVE;
    connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_ASSIGN});
}

// The fetch leaves the connection. If the kernel still reads its request, that memory stays with the
// connection.
static fetch *detach(mocra_loop *loop, connection *item, bool request_needed) {
    fetch *owner = fetch_at(loop, item->fetch);
    if (item->sending && item->tls == NULL && item->negotiation == NULL) {
        mocra_bytes moved = owner->request;
        mocra_bytes_free(&item->outgoing);
        item->outgoing = moved;
        owner->request = (mocra_bytes){0};
        // Out of memory leaves an empty request, which the caller sees by its length.
        if (request_needed) (void)mocra_bytes_append(&owner->request, moved.data, moved.length);
    }
    item->fetch = MOCRA_NONE;
    item->is_paused = false;
    item->note_due = false;
    owner->connection = MOCRA_NONE;
    return owner;
}

static void start_connect(mocra_loop *loop, connection *item) {
    item->connecting = true;
    item->operations++;
    mocra_driver_connect(loop->driver, owner_of(item), item->fd, &item->address.any, item->address.length);
}

static void start_receive(mocra_loop *loop, connection *item) {
    item->receiving = true;
    item->operations++;
    bool spares = item->fetch != MOCRA_NONE && fetch_at(loop, item->fetch)->streams_body;
    mocra_receive_kind kind = item->machine.secure ? MOCRA_RECEIVE_TRANSIENT
                              : spares             ? MOCRA_RECEIVE_SPARING
                                                   : MOCRA_RECEIVE_STEADY;
    mocra_driver_receive(loop->driver, owner_of(item), item->fd, kind);
}

static int make_tls(mocra_loop *loop, connection *item) {
    fetch *owner = fetch_at(loop, item->fetch);
    int result = loop_make_tls(loop, owner->response.reason);
    if (result != MOCRA_OK) return result;
    return mocra_tls_create(loop->tls, (const uint8_t *)owner->host, owner->host_length, owner->port,
                            owner->http2, &item->tls);
}

void connection_handshake(mocra_loop *loop, connection *item) {
    int result = make_tls(loop, item);
    if (result != MOCRA_OK) {
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = result});
        return;
    }
    receive_handshake(loop, item);
}

static void start_request(mocra_loop *loop, connection *item) {
    fetch *owner = fetch_at(loop, item->fetch);
    if (item->machine.reused)
        owner->response.flags |= MOCRA_RESPONSE_REUSED;
    else if (item->tls != NULL)
        owner->response.secured_ns = loop->now;
    describe_tls(item, &owner->response);
    owner->response.requested_ns = loop->now;
    item->asked = false;
    item->tls_chatter = 0;
    // A streamed body is received so that it can be stopped; what is armed was armed before.
    if (owner->streams_body && item->receiving && item->machine.reused && item->tls == NULL)
        mocra_driver_cancel(loop->driver, owner_of(item), MOCRA_OPERATION_RECEIVE);
    content_begin(loop, owner);
    // Of a TLS stream the end of the handshake may still be on its way; the request goes with it.
    if (item->tls == NULL) item->sent = 0;
    int result = item->tls != NULL ? content_next(loop, item, owner) : MOCRA_OK;
    if (result != MOCRA_OK) {
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = result});
        return;
    }
    // Said once the bytes of the request go, which may have to wait for the end of the handshake.
    item->note_due = true;
    connection_send_more(loop, item);
}

// The server agreed on HTTP/2: the fetch becomes the first stream, those that wait for the origin the next.
static void start_multiplex(mocra_loop *loop, connection *item) {
    fetch *owner = detach(loop, item, false);
    owner->response.secured_ns = loop->now;
    describe_tls(item, &owner->response);
    int result = http2_start(loop, item, owner);
    if (result != MOCRA_OK) {
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = result});
        return;
    }
    // The first stream may be over already, and its place with another origin.
    if (item->pooled) mocra_pool_share(loop->pool, item->index, loop->options.streams_per_connection_max);
    while (item->pooled) {
        uint32_t waiting = mocra_pool_take_waiting(loop->pool, item->index);
        if (waiting == MOCRA_NONE) break;
        connection_assign(loop, item, fetch_at(loop, waiting));
    }
}

bool connection_is_exchanging(const connection *item) {
    return item->machine.state == MOCRA_CONNECTION_REQUESTING ||
           item->machine.state == MOCRA_CONNECTION_RESPONDING;
}

void connection_send_more(mocra_loop *loop, connection *item) {
    if (item->sending || item->machine.state == MOCRA_CONNECTION_CLOSING) return;
    fetch *owner = item->fetch != MOCRA_NONE ? fetch_at(loop, item->fetch) : NULL;
    int result = MOCRA_OK;
    if (item->http2 != NULL && item->sent == item->outgoing.length)
        result = http2_pull(loop, item);
    else if (owner != NULL && connection_is_exchanging(item))
        result = content_next(loop, item, owner);
    if (result != MOCRA_OK) {
        // The slot may be free after this.
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = result});
        return;
    }
    if (item->machine.state == MOCRA_CONNECTION_CLOSING) return;
    const uint8_t *data;
    size_t length;
    bool is_new = item->tls == NULL;
    if (item->tls != NULL) {
        if (item->sent == item->outgoing.length) {
            mocra_bytes *pending = mocra_tls_output(item->tls);
            mocra_bytes empty = item->outgoing;
            empty.length = 0;
            item->outgoing = *pending;
            *pending = empty;
            item->sent = 0;
            is_new = true;
        }
        data = item->outgoing.data;
        length = item->outgoing.length;
    } else if (item->negotiation != NULL) {
        data = item->outgoing.data;
        length = item->outgoing.length;
    } else {
        if (owner == NULL) return;
        data = owner->request.data;
        length = owner->out_limit;
    }
    if (item->sent >= length) return;
    if (item->note_due && is_new && owner != NULL) {
        item->note_due = false;
        fetch_note_requested(loop, owner);
    }
    item->sending = true;
    item->operations++;
    mocra_driver_send(loop->driver, owner_of(item), item->fd, data + item->sent, length - item->sent);
}

static void start_close(mocra_loop *loop, connection *item, int error) {
    if (item->connecting) mocra_driver_cancel(loop->driver, owner_of(item), MOCRA_OPERATION_CONNECT);
    if (item->receiving) mocra_driver_cancel(loop->driver, owner_of(item), MOCRA_OPERATION_RECEIVE);
    if (item->sending) mocra_driver_cancel(loop->driver, owner_of(item), MOCRA_OPERATION_SEND);
    if (item->pooled) {
        mocra_pool_decision decision;
        item->pooled = false;
        mocra_pool_closed(loop->pool, item->index, &decision);
        fetch_run_decision(loop, &decision);
    }
    if (item->http2 != NULL) http2_fail_all(loop, item, error);
}

// close_notify, or the alert of a failed handshake: as far as the kernel takes it now.
static void say_goodbye(connection *item) {
    if (item->tls == NULL || item->sending || item->sent < item->outgoing.length) return;
    mocra_tls_finish(item->tls);
    const mocra_bytes *last = mocra_tls_output(item->tls);
    if (last->length > 0) (void)send(item->fd, last->data, last->length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void free_buffers(connection *item) {
    if (item->negotiation != NULL) mocra_negotiation_free(item->negotiation);
    free(item->negotiation);
    item->negotiation = NULL;
    mocra_bytes_free(&item->outgoing);
    mocra_bytes_free(&item->head_partial);
}

static void recycle(mocra_loop *loop, connection *item) {
    say_goodbye(item);
    close(item->fd);
    item->fd = -1;
    mocra_tls_destroy(item->tls);
    item->tls = NULL;
    http2_destroy(item);
    free_buffers(item);
    if (mocra_pool_is_short(loop->pool)) loop->descriptors_freed++;
    item->generation = (item->generation + 1) & 0xffffff;
    loop->connections_used--;
    give_slot(loop, item);
}

static void release(mocra_loop *loop, connection *item) {
    // Whoever waits gets the connection, or its place if there is no more to be had from it.
    if (mocra_pool_waiting(loop->pool) > 0 && !is_quiet(item)) {
        connection_event(loop, item, (mocra_connection_event){.type = MOCRA_EVENT_END});
        return;
    }
    mocra_pool_decision decision;
    keep_begin(loop, item);
    mocra_pool_release(loop->pool, item->index, loop->now, &decision);
    fetch_run_decision(loop, &decision);
}

static void run_actions(mocra_loop *loop, connection *item, mocra_connection_update update) {
    uint32_t actions = update.actions;
    fetch *again = NULL;
    if (actions & MOCRA_ACTION_CONNECT) start_connect(loop, item);
    if (actions & MOCRA_ACTION_RECEIVE) start_receive(loop, item);
    if (actions & MOCRA_ACTION_NEGOTIATE) proxy_negotiate(loop, item);
    if (actions & MOCRA_ACTION_HANDSHAKE) handshakes_begin(loop, item);
    if (actions & MOCRA_ACTION_SEND) start_request(loop, item);
    if (actions & MOCRA_ACTION_MULTIPLEX) start_multiplex(loop, item);
    if (actions & MOCRA_ACTION_FINISH) fetch_finish(loop, detach(loop, item, false), MOCRA_OK);
    if (actions & MOCRA_ACTION_NEXT_ADDRESS) race_failed(loop, item, update.error);
    if (actions & MOCRA_ACTION_RETRY) {
        again = detach(loop, item, true);
        again->retried = true;
        fetch_reset_response(loop, again);
    }
    if (actions & MOCRA_ACTION_FAIL) fetch_finish(loop, detach(loop, item, false), update.error);
    if (actions & MOCRA_ACTION_RELEASE) release(loop, item);
    if (actions & MOCRA_ACTION_CLOSE) start_close(loop, item, update.error);
    if (actions & MOCRA_ACTION_RECYCLE) recycle(loop, item);
    if (again != NULL) fetch_try_again(loop, again);
}

void connection_event(mocra_loop *loop, connection *item, mocra_connection_event event) {
    mocra_connection_update update;
    item->entered++;
    if (event.type == MOCRA_EVENT_COMPLETE && event.keep_alive) event.keep_alive = keep_allows(loop, item);
    mocra_connection_step(&item->machine, event, &update);
    if (item->machine.state != MOCRA_CONNECTION_HANDSHAKING) handshakes_leave(item);
    run_actions(loop, item, update);
    item->entered--;
    connection_settle(loop, item);
}

void connection_settle(mocra_loop *loop, connection *item) {
    // Only once no caller further up still uses the slot.
    if (item->entered > 0 || item->operations > 0 || item->starved) return;
    if (item->machine.state != MOCRA_CONNECTION_CLOSING) return;
    mocra_connection_update update;
    mocra_connection_step(&item->machine, (mocra_connection_event){.type = MOCRA_EVENT_DRAINED}, &update);
    run_actions(loop, item, update);
}

static int connect_error(int error) {
    switch (-error) {
    case ECONNREFUSED:
        return MOCRA_ERR_CONNECT_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EACCES:
    case EPERM:
        return MOCRA_ERR_CONNECT_UNREACHABLE;
    case ETIMEDOUT:
        return MOCRA_ERR_CONNECT_TIMEOUT;
    default:
        return MOCRA_ERR_CONNECT_FAILED;
    }
}

static void on_connected(mocra_loop *loop, connection *item, int result) {
    item->connecting = false;
    if (item->machine.state != MOCRA_CONNECTION_CONNECTING) return;
    mocra_connection_event event = {.type = MOCRA_EVENT_CONNECTED};
    int error = result < 0 ? connect_error(result) : race_won(loop, item);
    if (error != MOCRA_OK) event = (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = error};
    connection_event(loop, item, event);
}

static void on_sent(mocra_loop *loop, connection *item, int result) {
    item->sending = false;
    if (item->machine.state == MOCRA_CONNECTION_CLOSING) return;
    if (result >= 0) {
        item->sent += (uint32_t)result;
        item->asked = true;
        connection_send_more(loop, item);
        if (item->machine.state == MOCRA_CONNECTION_NEGOTIATING) proxy_sent(loop, item);
    } else if (result == -ECONNRESET) {
        item->was_reset = true;
    } else if (result != -EPIPE) {
        connection_event(
            loop, item, (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = MOCRA_ERR_SEND_FAILED});
    }
    // A server that answers early and closes breaks the send; what it said is still to be received, and so is
    // the reset if it said nothing.
}

static void on_received(mocra_loop *loop, connection *item, const mocra_driver_event *event) {
    bool closing = item->machine.state == MOCRA_CONNECTION_CLOSING;
    if (!event->more) item->receiving = false;
    if (event->has_buffer) {
        buffer_retain(loop, event->buffer);
        if (!closing)
            receive_bytes(loop, item, mocra_driver_buffer(loop->driver, event->buffer), (size_t)event->result,
                          event->buffer);
        buffer_release(loop, event->buffer);
    } else if (closing) {
        return;
    } else if (event->result == 0 && item->was_reset) {
        connection_event(loop, item,
                         (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = MOCRA_ERR_RESET});
    } else if (event->result == 0) {
        receive_end(loop, item, item->tls == NULL);
    } else if (event->result == -ENOBUFS) {
        loop->buffer_shortages++;
        item->starved = true;
        item->next_starved = loop->starved_first;
        loop->starved_first = item->index;
        return;
    } else if (event->result != -EAGAIN && event->result != -EINTR && event->result != -ECANCELED) {
        connection_event(loop, item,
                         (mocra_connection_event){.type = MOCRA_EVENT_FAILED, .error = MOCRA_ERR_RESET});
    }
    if (!item->receiving && !item->is_paused && item->machine.state != MOCRA_CONNECTION_CLOSING)
        start_receive(loop, item);
}

void connection_pause(mocra_loop *loop, connection *item, bool pauses) {
    item->is_paused = pauses;
    if (item->machine.state == MOCRA_CONNECTION_CLOSING) return;
    // Cancelled or not, the end of this receive finds out whether another is wanted.
    if (pauses && item->receiving)
        mocra_driver_cancel(loop->driver, owner_of(item), MOCRA_OPERATION_RECEIVE);
    else if (!pauses && !item->receiving && !item->starved)
        start_receive(loop, item);
}

void connection_driver_event(mocra_loop *loop, const mocra_driver_event *event) {
    MOCRA_ASSERT(event->owner.slot < loop->connections_made);
    connection *item = loop->connections[event->owner.slot];
    // A slot is recycled only when nothing is in flight, so nothing can come for an earlier generation.
    MOCRA_ASSERT(item->generation == event->owner.generation);
    item->entered++;
    if (!event->more) item->operations--;
    if (event->operation == MOCRA_OPERATION_CONNECT)
        on_connected(loop, item, event->result);
    else if (event->operation == MOCRA_OPERATION_SEND)
        on_sent(loop, item, event->result);
    else
        on_received(loop, item, event);
    item->entered--;
    connection_settle(loop, item);
}

void connection_rearm_starved(mocra_loop *loop) {
    if (loop->starved_first == MOCRA_NONE) return;
    // Responses under way must not wait for each other's buffers: what they hold moves to memory of their
    // own.
    if (mocra_driver_buffers_free(loop->driver) == 0) {
        for (uint32_t i = 0; i < loop->fetches_made; i++) {
            fetch *item = fetch_at(loop, i);
            if (item->state != FETCH_ACTIVE || receive_flatten(loop, item) == MOCRA_OK) continue;
            fetch_fail(loop, item, MOCRA_ERR_MEMORY);
        }
    }
    if (mocra_driver_buffers_free(loop->driver) == 0) return;
    while (loop->starved_first != MOCRA_NONE) {
        connection *item = loop->connections[loop->starved_first];
        loop->starved_first = item->next_starved;
        item->starved = false;
        if (item->machine.state != MOCRA_CONNECTION_CLOSING && !item->is_paused) start_receive(loop, item);
        connection_settle(loop, item);
    }
}

void connection_destroy_all(mocra_loop *loop) {
    for (uint32_t i = 0; i < loop->connections_made; i++) {
        connection *item = loop->connections[i];
        if (item->fd >= 0) {
            say_goodbye(item);
            close(item->fd);
        }
        mocra_tls_destroy(item->tls);
        http2_destroy(item);
        free_buffers(item);
        free(item);
    }
    free(loop->connections);
}
