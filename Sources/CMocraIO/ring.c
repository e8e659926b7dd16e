// The io_uring driver: the only file that calls liburing.
// Receives are multishot into provided buffers where the kernel has both (6.0). Else, and where the bytes are
// read once (MOCRA_RECEIVE_TRANSIENT), they are a poll and a plain recv into a buffer of our own choice,
// which any kernel since 5.15 can do.
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "driver_base.h"
#include "mocra_assert.h"

#define SUBMISSION_ENTRIES 1024u
#define COMPLETION_ENTRIES 8192u
#define BUFFER_GROUP 1
// The kernel uses the buffers it is offered in turn, so it is offered few: those stay in the caches.
#define WINDOW_MIN 16u
#define WAITS_PER_WINDOW 1024u
// How often the kernel may refuse to take submissions before it counts as broken: with the pauses, a second.
#define REFUSALS_MAX 1000u
#define REFUSAL_PAUSE_NS 1000000

// What a slot reads from when it is readable.
typedef struct {
    int fd;
    bool waits;    // for that; otherwise the kernel receives into a buffer of its choice
    bool refused;  // it was readable, but all buffers were with the kernel
    bool sending;  // a send has not completed
    bool ended;    // its end was read, but not told yet
} polled_socket;

typedef struct ring_driver {
    mocra_driver base;
    struct io_uring uring;
    struct io_uring_buf_ring *buffer_ring;  // NULL without that feature
    size_t buffer_ring_bytes;
    uint32_t buffers_mask;
    uint32_t window;         // how many buffers are offered
    uint32_t window_unused;  // the fewest that were left of them
    uint32_t window_age;     // waits since that was asked
    bool unreaped;           // completions were copied to the queue
    polled_socket *polled;   // by slot
    uint64_t wake_value;
} ring_driver;

static ring_driver *of(mocra_driver *driver) {
    return (ring_driver *)driver;
}

static uint64_t pack(mocra_driver_owner owner, mocra_operation operation) {
    return (uint64_t)operation << 56 | (uint64_t)(owner.generation & DRIVER_GENERATION_MASK) << 32 |
           owner.slot;
}

static void explain(int error, char *reason, size_t size) {
    switch (-error) {
    case EPERM:
    case EACCES:
        snprintf(reason, size,
                 "io_uring is refused (%s): allow it with `sysctl kernel.io_uring_disabled=0`, or in a "
                 "container with a seccomp profile that permits io_uring",
                 strerror(-error));
        return;
    case ENOSYS:
        snprintf(reason, size,
                 "this kernel has no io_uring that can be used: that takes Linux 5.15 or later");
        return;
    case ENOMEM:
        snprintf(reason, size, "out of memory for io_uring: raise `ulimit -l` (locked memory)");
        return;
    default:
        snprintf(reason, size, "io_uring could not be set up: %s", strerror(-error));
    }
}

// Opens the ring with the best flags that the kernel takes.
static int open_uring(ring_driver *ring, const char *disabled) {
    static const unsigned choices[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    int result = -EINVAL;
    size_t first = driver_is_disabled(disabled, "defer_taskrun") ? 1 : 0;
    for (size_t i = first; i < sizeof(choices) / sizeof(choices[0]); i++) {
        struct io_uring_params parameters = {.flags = choices[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                             .cq_entries = COMPLETION_ENTRIES};
        result = io_uring_queue_init_params(SUBMISSION_ENTRIES, &ring->uring, &parameters);
        if (result == 0) {
            ring->base.features.defer_taskrun = (choices[i] & IORING_SETUP_DEFER_TASKRUN) != 0;
            // Waits with a limit (5.11), and completions that wait where the ring has no room (5.5).
            unsigned needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
            if ((parameters.features & needed) == needed) return 0;
            io_uring_queue_exit(&ring->uring);
            return -ENOSYS;
        }
        if (result != -EINVAL) return result;
    }
    return result;
}

// Offers the buffers that were given back last, until `window` are offered.
static void fill_window(ring_driver *ring) {
    mocra_driver *base = &ring->base;
    unsigned count = 0;
    while (base->offered < ring->window && base->listed > 0) {
        uint16_t buffer = base->free_list[--base->listed];
        io_uring_buf_ring_add(ring->buffer_ring, driver_buffer_at(base, buffer), MOCRA_RECEIVE_BUFFER_BYTES,
                              buffer, (int)ring->buffers_mask, (int)count++);
        base->offered++;
    }
    if (count > 0) io_uring_buf_ring_advance(ring->buffer_ring, (int)count);
}

// Half of what was never used for a while leaves the window, unless that is little.
static void adjust_window(ring_driver *ring) {
    if (ring->base.offered < ring->window_unused) ring->window_unused = ring->base.offered;
    if (++ring->window_age < WAITS_PER_WINDOW) return;
    if (ring->window_unused > ring->window / 4) ring->window -= ring->window_unused / 2;
    if (ring->window < WINDOW_MIN) ring->window = WINDOW_MIN;
    ring->window_unused = ring->window;
    ring->window_age = 0;
}

static void grow_window(ring_driver *ring) {
    // Several receives may tell of one shortage; only the first of them finds the window empty.
    if (ring->base.offered > 0) return;
    ring->window = ring->window * 2 < ring->base.buffers ? ring->window * 2 : ring->base.buffers;
    ring->window_unused = ring->window;
    ring->window_age = 0;
    fill_window(ring);
}

static int open_buffers(ring_driver *ring) {
    uint32_t entries = 1;
    while (entries < ring->base.buffers) entries *= 2;
    ring->buffers_mask = entries - 1;
    ring->buffer_ring_bytes = entries * sizeof(struct io_uring_buf);
    void *memory =
        mmap(NULL, ring->buffer_ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -ENOMEM;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)memory, .ring_entries = entries, .bgid = BUFFER_GROUP};
    if (io_uring_register_buf_ring(&ring->uring, &registration, 0) != 0) {
        munmap(memory, ring->buffer_ring_bytes);
        return 0;
    }
    ring->buffer_ring = memory;
    io_uring_buf_ring_init(ring->buffer_ring);
    ring->window = ring->window_unused = WINDOW_MIN;
    fill_window(ring);
    ring->base.features.buffer_ring = true;
    return 0;
}

// Without multishot the provided buffers are of no use: none was taken, and all are listed again.
static void close_buffers(ring_driver *ring) {
    if (ring->buffer_ring == NULL) return;
    io_uring_unregister_buf_ring(&ring->uring, BUFFER_GROUP);
    munmap(ring->buffer_ring, ring->buffer_ring_bytes);
    ring->buffer_ring = NULL;
    ring->base.features.buffer_ring = false;
    ring->base.listed = ring->base.buffers;
    ring->base.offered = 0;
    for (uint32_t i = 0; i < ring->base.buffers; i++) ring->base.free_list[i] = (uint16_t)i;
}

static mocra_driver_event take_event(ring_driver *ring, const struct io_uring_cqe *completion) {
    uint64_t data = completion->user_data;
    mocra_driver_event event = {
        .owner = {.slot = (uint32_t)data, .generation = (uint32_t)(data >> 32) & DRIVER_GENERATION_MASK},
        .result = completion->res,
        .operation = (uint8_t)(data >> 56),
        .more = (completion->flags & IORING_CQE_F_MORE) != 0,
    };
    if (completion->flags & IORING_CQE_F_BUFFER) {
        event.has_buffer = true;
        event.buffer = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        ring->base.offered--;
    }
    return event;
}

// Copies what completed out of the ring, so that the kernel has room for more.
static unsigned copy_out(ring_driver *ring, mocra_driver_event *events, unsigned max) {
    unsigned head;
    unsigned count = 0;
    struct io_uring_cqe *completion;
    io_uring_for_each_cqe(&ring->uring, head, completion) {
        if (count == max) break;
        mocra_driver_event event = take_event(ring, completion);
        if (events != NULL)
            events[count] = event;
        else
            driver_queue_push(&ring->base, event);
        count++;
    }
    io_uring_cq_advance(&ring->uring, count);
    return count;
}

// The submission queue is full: hands it to the kernel. Kernels before 5.19 take nothing (-EBUSY) while
// completions wait for room, and none does (-EAGAIN) while it is out of memory.
static struct io_uring_sqe *make_room(ring_driver *ring) {
    for (unsigned refusals = 0; refusals < REFUSALS_MAX; refusals++) {
        int result = io_uring_submit(&ring->uring);
        MOCRA_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
        if (copy_out(ring, NULL, UINT32_MAX) > 0) ring->unreaped = true;
        struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
        if (entry != NULL) return entry;
        if (result == -EBUSY) (void)io_uring_get_events(&ring->uring);
        if (result != -EAGAIN) continue;
        struct timespec pause = {.tv_nsec = REFUSAL_PAUSE_NS};
        nanosleep(&pause, NULL);
    }
    MOCRA_ASSERT(!"the kernel takes no submissions");
    return NULL;
}

static struct io_uring_sqe *next_entry(ring_driver *ring) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
    return entry != NULL ? entry : make_room(ring);
}

static void arm_wake(ring_driver *ring) {
    mocra_driver_owner owner = {0, 0};
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_read(entry, ring->base.wake_fd, &ring->wake_value, sizeof(ring->wake_value), 0);
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_WAKE));
}

// Into buffers that the kernel picks: again and again, or once.
static void prepare_receive(ring_driver *ring, mocra_driver_owner owner, int fd, bool multishot) {
    struct io_uring_sqe *entry = next_entry(ring);
    if (multishot)
        io_uring_prep_recv_multishot(entry, fd, NULL, 0, 0);
    else
        io_uring_prep_recv(entry, fd, NULL, MOCRA_RECEIVE_BUFFER_BYTES, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_RECEIVE));
}

// Whether a multishot receive works is known only by trying it: one byte over a socket pair.
static bool probe_multishot(ring_driver *ring) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    bool works = false;
    bool ended = write(pair[1], "x", 1) != 1;
    mocra_driver_owner owner = {0, 0};
    if (!ended) prepare_receive(ring, owner, pair[0], true);
    close(pair[1]);
    while (!ended) {
        struct io_uring_cqe *completion;
        struct __kernel_timespec second = {.tv_sec = 1};
        int result = io_uring_submit_and_wait_timeout(&ring->uring, &completion, 1, &second, NULL);
        if (result == -EINTR) continue;
        if (result < 0 || io_uring_peek_cqe(&ring->uring, &completion) != 0) break;
        mocra_driver_event event = take_event(ring, completion);
        if (event.has_buffer) mocra_driver_return_buffer(&ring->base, event.buffer);
        works = works || (event.result > 0 && event.has_buffer);
        ended = !event.more;
        io_uring_cqe_seen(&ring->uring, completion);
    }
    close(pair[0]);
    return works;
}

static void ring_connect(mocra_driver *base, mocra_driver_owner owner, int fd, const struct sockaddr *address,
                         socklen_t length) {
    ring_driver *ring = of(base);
    MOCRA_ASSERT(owner.slot < DRIVER_SLOTS_MAX);
    ring->polled[owner.slot] = (polled_socket){.fd = fd};
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_connect(entry, fd, address, length);
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_CONNECT));
}

static void ring_receive(mocra_driver *base, mocra_driver_owner owner, int fd, mocra_receive_kind kind) {
    ring_driver *ring = of(base);
    MOCRA_ASSERT(owner.slot < DRIVER_SLOTS_MAX);
    polled_socket *item = &ring->polled[owner.slot];
    if (item->fd != fd) *item = (polled_socket){.fd = fd};
    // Every buffer may be with the kernel, which then has to receive.
    bool may_wait = kind == MOCRA_RECEIVE_TRANSIENT && base->listed > 0 && !item->refused;
    item->waits = !base->features.multishot_receive || may_wait;
    item->refused = false;
    if (!item->waits) {
        prepare_receive(ring, owner, fd, kind == MOCRA_RECEIVE_STEADY);
        return;
    }
    struct io_uring_sqe *entry = next_entry(ring);
    io_uring_prep_poll_add(entry, fd, POLLIN);
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_RECEIVE));
}

static void ring_send(mocra_driver *base, mocra_driver_owner owner, int fd, const uint8_t *data,
                      size_t length) {
    MOCRA_ASSERT(owner.slot < DRIVER_SLOTS_MAX);
    of(base)->polled[owner.slot].sending = true;
    struct io_uring_sqe *entry = next_entry(of(base));
    io_uring_prep_send(entry, fd, data, length, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_SEND));
}

static void ring_poll(mocra_driver *base, mocra_driver_owner owner, int fd, short events) {
    struct io_uring_sqe *entry = next_entry(of(base));
    io_uring_prep_poll_add(entry, fd, (unsigned)events);
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_POLL));
}

static void ring_cancel(mocra_driver *base, mocra_driver_owner owner, mocra_operation operation) {
    struct io_uring_sqe *entry = next_entry(of(base));
    io_uring_prep_cancel64(entry, pack(owner, operation), 0);
    io_uring_sqe_set_data64(entry, pack(owner, MOCRA_OPERATION_CANCEL));
}

// Completions that found no room in the completion queue are kept by the kernel (IORING_FEAT_NODROP) and come
// into it with a later wait, since every wait asks for events.
static void ring_wait(mocra_driver *base, unsigned least, uint64_t timeout_ns) {
    ring_driver *ring = of(base);
    if (ring->buffer_ring != NULL) {
        adjust_window(ring);
        fill_window(ring);
    }
    if (timeout_ns == 0 || least == 0 || ring->unreaped) {
        int result = io_uring_submit_and_get_events(&ring->uring);
        MOCRA_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
        return;
    }
    struct io_uring_cqe *completion;
    struct __kernel_timespec limit = {.tv_sec = (long long)(timeout_ns / 1000000000u),
                                      .tv_nsec = (long long)(timeout_ns % 1000000000u)};
    int result = io_uring_submit_and_wait_timeout(&ring->uring, &completion, least,
                                                  timeout_ns == UINT64_MAX ? NULL : &limit, NULL);
    MOCRA_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
                 result == -EBUSY);
}

// The socket is readable; read it into a buffer of ours. This runs after all that the
// kernel did in the same turn, so a send whose completion is still to come may have been told of a reset
// already, and the read then sees a plain end (the kernel tells an error once). The end then waits for
// another turn.
static void receive_now(ring_driver *ring, mocra_driver_event *event) {
    mocra_driver *base = &ring->base;
    polled_socket *item = &ring->polled[event->owner.slot];
    if (event->result < 0) return;
    if (base->listed == 0) {
        item->refused = base->offered > 0;
        event->result = item->refused ? -EAGAIN : -ENOBUFS;
        return;
    }
    uint16_t buffer = base->free_list[base->listed - 1];
    ssize_t length;
    do {
        length = recv(item->fd, driver_buffer_at(base, buffer), MOCRA_RECEIVE_BUFFER_BYTES, MSG_DONTWAIT);
    } while (length < 0 && errno == EINTR);
    if (length > 0) {
        base->listed--;
        event->has_buffer = true;
        event->buffer = buffer;
    }
    event->result = length < 0 ? -errno : (int32_t)length;
    item->ended = length == 0 && item->sending && !item->ended;
    if (item->ended) event->result = -EAGAIN;
}

static void finish_receive(ring_driver *ring, mocra_driver_event *event) {
    if (ring->polled[event->owner.slot].waits) {
        receive_now(ring, event);
    } else if (event->result == -ENOBUFS && ring->base.listed + ring->base.offered > 0) {
        // Only the window was empty.
        grow_window(ring);
        event->result = -EAGAIN;
    }
}

static unsigned ring_reap(mocra_driver *base, mocra_driver_event *events, unsigned max) {
    ring_driver *ring = of(base);
    unsigned count = 0;
    if (ring->unreaped) {
        count = driver_queue_take(base, events, max);
        ring->unreaped = base->queue_head != base->queue_tail;
    }
    if (!ring->unreaped) count += copy_out(ring, events + count, max - count);
    for (unsigned i = 0; i < count; i++) {
        if (events[i].operation == MOCRA_OPERATION_RECEIVE)
            finish_receive(ring, &events[i]);
        else if (events[i].operation == MOCRA_OPERATION_SEND)
            ring->polled[events[i].owner.slot].sending = false;
        else if (events[i].operation == MOCRA_OPERATION_WAKE)
            arm_wake(ring);
    }
    return count;
}

static void close_ring(ring_driver *ring) {
    if (ring->buffer_ring != NULL) munmap(ring->buffer_ring, ring->buffer_ring_bytes);
    if (ring->polled != NULL) munmap(ring->polled, DRIVER_SLOTS_MAX * sizeof(polled_socket));
    driver_base_close(&ring->base);
    free(ring);
}

static void ring_destroy(mocra_driver *base) {
    io_uring_queue_exit(&of(base)->uring);
    close_ring(of(base));
}

int mocra_ring_create(const char *disabled, uint32_t buffers, mocra_driver **out, char *reason, size_t size) {
    static const driver_functions functions = {
        .destroy = ring_destroy,
        .connect = ring_connect,
        .receive = ring_receive,
        .send = ring_send,
        .poll = ring_poll,
        .cancel = ring_cancel,
        .wait = ring_wait,
        .reap = ring_reap,
    };
    ring_driver *ring = calloc(1, sizeof(*ring));
    if (ring == NULL) {
        explain(-ENOMEM, reason, size);
        return -ENOMEM;
    }
    int result = driver_base_open(&ring->base, &functions, buffers);
    if (result == 0) result = open_uring(ring, disabled);
    if (result != 0) {
        explain(result, reason, size);
        close_ring(ring);
        return result;
    }
    bool provides =
        !driver_is_disabled(disabled, "buffer_ring") && !driver_is_disabled(disabled, "multishot");
    if (provides) result = open_buffers(ring);
    if (result == 0 && ring->buffer_ring != NULL) {
        ring->base.features.multishot_receive = probe_multishot(ring);
        if (!ring->base.features.multishot_receive) close_buffers(ring);
    }
    if (result == 0) {
        ring->polled = driver_reserve(DRIVER_SLOTS_MAX * sizeof(polled_socket));
        if (ring->polled == NULL) result = -ENOMEM;
    }
    if (result != 0) {
        explain(result, reason, size);
        ring_destroy(&ring->base);
        return result;
    }
    arm_wake(ring);
    *out = &ring->base;
    return 0;
}
