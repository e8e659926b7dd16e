// The readiness driver: epoll, for where io_uring is refused. Operations are tried at once; what would block
// waits for its descriptor's edge. A socket is registered once, edge-triggered, so that a request costs a
// send, a recv and its share of a wait. The only file that calls epoll.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "driver_base.h"
#include "mocra_assert.h"

#define NOBODY UINT32_MAX
#define WATCHES (2 * DRIVER_SLOTS_MAX)  // sockets by slot, then polled descriptors by slot
#define WAKE_INDEX WATCHES
#define EDGES_PER_WAIT 512
// epoll cannot wait for several descriptors. Where a batch is wanted a nap lets it gather, which costs less
// than a wake-up for each: with 64 connections on loopback 10 % of a request's CPU time. Linux adds up to 50
// µs.
#define GATHERING_NS 50000u
// One connection's reads in a turn, so that a fast sender does not hold up the others.
#define READS_PER_TURN 4

// A slot's descriptor, and which operations on it have not completed.
typedef struct watch {
    const uint8_t *data;  // SEND
    size_t length;
    int fd;
    uint32_t generation;
    uint32_t next;  // in the list of those to be read
    uint32_t turn;  // the last one in which it was read
    uint8_t armed;  // 1 << mocra_operation
    uint8_t reads;  // in that turn
    bool registered;
    bool listed;
    bool readable;  // may have more to read
    bool ending;  // the end or urgent data is near: only a read that finds nothing says that nothing is there
} watch;

typedef struct index_list {
    uint32_t first;
    uint32_t last;
} index_list;

typedef struct epoll_driver {
    mocra_driver base;
    int fd;
    bool coarse_wait;  // no epoll_pwait2 (before 5.11, or refused): milliseconds
    uint32_t turn;
    watch *watches;
    index_list ready;  // to be read
    index_list later;  // to be read in the next turn
} epoll_driver;

static epoll_driver *of(mocra_driver *driver) {
    return (epoll_driver *)driver;
}

static uint32_t index_of(mocra_driver_owner owner, mocra_operation operation) {
    MOCRA_ASSERT(owner.slot < DRIVER_SLOTS_MAX);
    return operation == MOCRA_OPERATION_POLL ? DRIVER_SLOTS_MAX + owner.slot : owner.slot;
}

static mocra_driver_event event_of(const watch *item, uint32_t index, mocra_operation operation,
                                   int32_t result) {
    return (mocra_driver_event){
        .owner = {.slot = index % DRIVER_SLOTS_MAX, .generation = item->generation},
        .result = result,
        .operation = (uint8_t)operation,
    };
}

static bool is_armed(const watch *item, mocra_operation operation) {
    return (item->armed >> operation & 1) != 0;
}

static void complete(epoll_driver *driver, uint32_t index, mocra_operation operation, int32_t result) {
    watch *item = &driver->watches[index];
    item->armed &= (uint8_t) ~(1u << operation);
    driver_queue_push(&driver->base, event_of(item, index, operation, result));
}

static void append(epoll_driver *driver, index_list *list, uint32_t index) {
    driver->watches[index].next = NOBODY;
    if (list->last != NOBODY)
        driver->watches[list->last].next = index;
    else
        list->first = index;
    list->last = index;
}

static void list_to_read(epoll_driver *driver, uint32_t index) {
    watch *item = &driver->watches[index];
    if (item->listed || !item->readable || !is_armed(item, MOCRA_OPERATION_RECEIVE)) return;
    item->listed = true;
    append(driver, &driver->ready, index);
}

// A descriptor leaves epoll when it is closed. Until then another owner's registration of the same number
// may still be there, or one for a poll that has been used up: both are taken over.
static int put_in_epoll(epoll_driver *driver, uint32_t index, int fd, uint32_t events) {
    const watch *item = &driver->watches[index];
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)item->generation << 32 | index};
    if (epoll_ctl(driver->fd, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
    if (errno == EEXIST && epoll_ctl(driver->fd, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
    return -errno;
}

static int register_socket(epoll_driver *driver, uint32_t index, int fd) {
    watch *item = &driver->watches[index];
    item->fd = fd;
    item->readable = item->ending = false;
    // The registration reports what is there already as an edge.
    int result = put_in_epoll(driver, index, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
    item->registered = result == 0;
    return result;
}

// Marks the operation as begun. A socket that this owner has not used before is registered; a refusal
// completes the operation.
static watch *begin(epoll_driver *driver, mocra_driver_owner owner, mocra_operation operation, int fd) {
    uint32_t index = index_of(owner, operation);
    watch *item = &driver->watches[index];
    uint32_t generation = owner.generation & DRIVER_GENERATION_MASK;
    bool known = item->registered && item->fd == fd && item->generation == generation;
    MOCRA_ASSERT(!is_armed(item, operation) && (known || item->armed == 0));
    item->generation = generation;
    item->armed |= (uint8_t)(1u << operation);
    if (known || operation == MOCRA_OPERATION_POLL || operation == MOCRA_OPERATION_CONNECT) return item;
    int result = register_socket(driver, index, fd);
    if (result == 0) return item;
    complete(driver, index, operation, result);
    return NULL;
}

static void epoll_connect(mocra_driver *base, mocra_driver_owner owner, int fd,
                          const struct sockaddr *address, socklen_t length) {
    epoll_driver *driver = of(base);
    begin(driver, owner, MOCRA_OPERATION_CONNECT, fd);
    int result = connect(fd, address, length) == 0 ? 0 : -errno;
    // Registered afterwards: a socket that is not connecting yet counts as hung up.
    int registered = register_socket(driver, owner.slot, fd);
    if (result == -EINPROGRESS || result == -EINTR) {
        if (registered == 0) return;
        result = registered;
    }
    complete(driver, owner.slot, MOCRA_OPERATION_CONNECT, result);
}

// A turn has few reads of one socket in any case, each into the buffer that came back last.
static void epoll_receive(mocra_driver *base, mocra_driver_owner owner, int fd, mocra_receive_kind kind) {
    (void)kind;
    epoll_driver *driver = of(base);
    if (begin(driver, owner, MOCRA_OPERATION_RECEIVE, fd) != NULL) list_to_read(driver, owner.slot);
}

static void try_send(epoll_driver *driver, uint32_t index) {
    const watch *item = &driver->watches[index];
    ssize_t sent;
    do {
        sent = send(item->fd, item->data, item->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    complete(driver, index, MOCRA_OPERATION_SEND, sent < 0 ? -errno : (int32_t)sent);
}

static void epoll_send(mocra_driver *base, mocra_driver_owner owner, int fd, const uint8_t *data,
                       size_t length) {
    watch *item = begin(of(base), owner, MOCRA_OPERATION_SEND, fd);
    if (item == NULL) return;
    item->data = data;
    item->length = length < INT32_MAX ? length : INT32_MAX;
    try_send(of(base), owner.slot);
}

static void epoll_poll(mocra_driver *base, mocra_driver_owner owner, int fd, short events) {
    epoll_driver *driver = of(base);
    begin(driver, owner, MOCRA_OPERATION_POLL, fd);
    uint32_t index = index_of(owner, MOCRA_OPERATION_POLL);
    int result = put_in_epoll(driver, index, fd, (uint32_t)(uint16_t)events | EPOLLONESHOT);
    if (result != 0) complete(driver, index, MOCRA_OPERATION_POLL, result);
}

static void epoll_cancel(mocra_driver *base, mocra_driver_owner owner, mocra_operation operation) {
    epoll_driver *driver = of(base);
    uint32_t index = index_of(owner, operation);
    const watch *item = &driver->watches[index];
    if (is_armed(item, operation) && item->generation == (owner.generation & DRIVER_GENERATION_MASK))
        complete(driver, index, operation, -ECANCELED);
}

static void on_edge(epoll_driver *driver, struct epoll_event edge) {
    uint32_t index = (uint32_t)edge.data.u64;
    if (index == WAKE_INDEX) {
        driver_queue_push(&driver->base,
                          (mocra_driver_event){.operation = MOCRA_OPERATION_WAKE, .result = 1});
        return;
    }
    watch *item = &driver->watches[index];
    // Of a descriptor that is closed here, but still open in a child that has not called exec yet.
    if (item->generation != edge.data.u64 >> 32) return;
    if (index >= DRIVER_SLOTS_MAX) {
        if (is_armed(item, MOCRA_OPERATION_POLL))
            complete(driver, index, MOCRA_OPERATION_POLL, (int32_t)edge.events);
        return;
    }
    if (edge.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) item->ending = true;
    if (item->ending || (edge.events & EPOLLIN)) item->readable = true;
    if (edge.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        if (is_armed(item, MOCRA_OPERATION_CONNECT)) {
            int error = 0;
            socklen_t length = sizeof(error);
            if (getsockopt(item->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
            complete(driver, index, MOCRA_OPERATION_CONNECT, -error);
        }
        if (is_armed(item, MOCRA_OPERATION_SEND)) try_send(driver, index);
    }
    list_to_read(driver, index);
}

static int wait_for_edges(epoll_driver *driver, struct epoll_event *edges, uint64_t timeout_ns) {
    if (!driver->coarse_wait && timeout_ns != 0 && timeout_ns != UINT64_MAX) {
        struct timespec limit = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
                                 .tv_nsec = (long)(timeout_ns % 1000000000u)};
        int count = epoll_pwait2(driver->fd, edges, EDGES_PER_WAIT, &limit, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        driver->coarse_wait = true;
    }
    uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0);
    int limit = timeout_ns == UINT64_MAX ? -1 : ms < INT32_MAX ? (int)ms : INT32_MAX;
    return epoll_wait(driver->fd, edges, EDGES_PER_WAIT, limit);
}

static void epoll_wait_for(mocra_driver *base, unsigned least, uint64_t timeout_ns) {
    epoll_driver *driver = of(base);
    struct epoll_event edges[EDGES_PER_WAIT];
    driver->turn++;
    if (driver->ready.first == NOBODY) {
        driver->ready = driver->later;
    } else if (driver->later.first != NOBODY) {
        driver->watches[driver->ready.last].next = driver->later.first;
        driver->ready.last = driver->later.last;
    }
    driver->later = (index_list){NOBODY, NOBODY};
    bool pending = driver->ready.first != NOBODY || base->queue_head != base->queue_tail;
    if (least > 1 && !pending && timeout_ns >= 2 * GATHERING_NS) {
        struct timespec nap = {.tv_nsec = GATHERING_NS};
        nanosleep(&nap, NULL);
        timeout_ns -= timeout_ns != UINT64_MAX ? GATHERING_NS : 0;
    }
    int count = wait_for_edges(driver, edges, pending || least == 0 ? 0 : timeout_ns);
    MOCRA_ASSERT(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) on_edge(driver, edges[i]);
}

// One read. Whether there may be more is known from its length: an edge follows once a socket was read dry
// (epoll(7)), except for the end of the stream and for urgent data, at which a read stops.
static mocra_driver_event receive_one(epoll_driver *driver, uint32_t index) {
    mocra_driver *base = &driver->base;
    watch *item = &driver->watches[index];
    mocra_driver_event event = event_of(item, index, MOCRA_OPERATION_RECEIVE, -ENOBUFS);
    if (base->listed > 0) {
        uint16_t buffer = base->free_list[base->listed - 1];
        ssize_t length;
        do {
            length = recv(item->fd, driver_buffer_at(base, buffer), MOCRA_RECEIVE_BUFFER_BYTES, MSG_DONTWAIT);
        } while (length < 0 && errno == EINTR);
        event.result = length < 0 ? -errno : (int32_t)length;
        if (length > 0) {
            base->listed--;
            event.has_buffer = true;
            event.buffer = buffer;
            event.more = true;
            item->readable = item->ending || length == MOCRA_RECEIVE_BUFFER_BYTES;
        }
    }
    if (!event.more && event.result != -EAGAIN) item->armed &= (uint8_t) ~(1u << MOCRA_OPERATION_RECEIVE);
    return event;
}

static unsigned epoll_reap(mocra_driver *base, mocra_driver_event *events, unsigned max) {
    epoll_driver *driver = of(base);
    unsigned count = driver_queue_take(base, events, max);
    while (count < max && driver->ready.first != NOBODY) {
        uint32_t index = driver->ready.first;
        watch *item = &driver->watches[index];
        driver->ready.first = item->next;
        if (driver->ready.first == NOBODY) driver->ready.last = NOBODY;
        item->listed = false;
        if (!item->readable || !is_armed(item, MOCRA_OPERATION_RECEIVE)) continue;
        if (item->turn != driver->turn) item->reads = 0;
        item->turn = driver->turn;
        if (item->reads == READS_PER_TURN) {
            item->listed = true;
            append(driver, &driver->later, index);
            continue;
        }
        item->reads++;
        mocra_driver_event event = receive_one(driver, index);
        if (event.result == -EAGAIN) {
            item->readable = item->ending = false;
            continue;
        }
        events[count++] = event;
        list_to_read(driver, index);
    }
    return count;
}

static void epoll_destroy(mocra_driver *base) {
    epoll_driver *driver = of(base);
    if (driver->fd >= 0) close(driver->fd);
    if (driver->watches != NULL) munmap(driver->watches, WATCHES * sizeof(watch));
    driver_base_close(base);
    free(driver);
}

int mocra_epoll_create(uint32_t buffers, mocra_driver **out) {
    static const driver_functions functions = {
        .destroy = epoll_destroy,
        .connect = epoll_connect,
        .receive = epoll_receive,
        .send = epoll_send,
        .poll = epoll_poll,
        .cancel = epoll_cancel,
        .wait = epoll_wait_for,
        .reap = epoll_reap,
    };
    epoll_driver *driver = calloc(1, sizeof(*driver));
    if (driver == NULL) return -ENOMEM;
    driver->fd = -1;
    driver->ready = driver->later = (index_list){NOBODY, NOBODY};
    int result = driver_base_open(&driver->base, &functions, buffers);
    if (result == 0) {
        driver->fd = epoll_create1(EPOLL_CLOEXEC);
        if (driver->fd < 0) result = -errno;
    }
    if (result == 0) {
        driver->watches = driver_reserve(WATCHES * sizeof(watch));
        if (driver->watches == NULL) result = -ENOMEM;
    }
    // Every write to the eventfd is an edge, so it need not be read.
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE_INDEX};
    if (result == 0 && epoll_ctl(driver->fd, EPOLL_CTL_ADD, driver->base.wake_fd, &wake) != 0)
        result = -errno;
    if (result != 0) {
        epoll_destroy(&driver->base);
        return result;
    }
    *out = &driver->base;
    return 0;
}
