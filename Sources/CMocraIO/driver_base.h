// What the two drivers share: the table of functions through which a call reaches one of them, receive
// buffers, the wake-up descriptor, and completions that wait to be handed out.
#ifndef MOCRA_DRIVER_BASE_H
#define MOCRA_DRIVER_BASE_H

#include "mocra_driver.h"

#define DRIVER_REASON_BYTES 256
#define DRIVER_GENERATION_MASK 0xffffffu
// Slots that a driver has room for: as many as Linux lets a process have descriptors (fs.nr_open).
#define DRIVER_SLOTS_MAX (1u << 20)
// Completions that wait to be handed out, and room before it is made anew.
#define DRIVER_QUEUE_MAX (1u << 20)

typedef struct driver_functions {
    void (*destroy)(mocra_driver *driver);
    void (*connect)(mocra_driver *driver, mocra_driver_owner owner, int fd, const struct sockaddr *address,
                    socklen_t length);
    void (*receive)(mocra_driver *driver, mocra_driver_owner owner, int fd, mocra_receive_kind kind);
    void (*send)(mocra_driver *driver, mocra_driver_owner owner, int fd, const uint8_t *data, size_t length);
    void (*poll)(mocra_driver *driver, mocra_driver_owner owner, int fd, short events);
    void (*cancel)(mocra_driver *driver, mocra_driver_owner owner, mocra_operation operation);
    void (*wait)(mocra_driver *driver, unsigned least, uint64_t timeout_ns);
    unsigned (*reap)(mocra_driver *driver, mocra_driver_event *events, unsigned max);
} driver_functions;

// The first member of each driver.
struct mocra_driver {
    const driver_functions *functions;
    uint8_t *memory;      // the receive buffers
    uint16_t *free_list;  // numbers; the last one given back is the first one taken, while caches know it
    uint32_t buffers;
    uint32_t listed;   // on the free list
    uint32_t offered;  // left to the kernel to choose from (io_uring)
    int wake_fd;
    uint32_t queue_head;
    uint32_t queue_tail;
    mocra_driver_event *queue;
    mocra_driver_features features;
    char reason[DRIVER_REASON_BYTES];
};

// 0, or a negative errno; driver_base_close is right after either.
int driver_base_open(mocra_driver *driver, const driver_functions *functions, uint32_t buffers);
void driver_base_close(mocra_driver *driver);
// Address space that becomes memory where it is touched; NULL when there is none.
void *driver_reserve(size_t bytes);
bool driver_is_disabled(const char *list, const char *feature);
void driver_queue_push(mocra_driver *driver, mocra_driver_event event);
unsigned driver_queue_take(mocra_driver *driver, mocra_driver_event *events, unsigned max);

static inline uint8_t *driver_buffer_at(const mocra_driver *driver, uint16_t buffer) {
    return driver->memory + (size_t)buffer * MOCRA_RECEIVE_BUFFER_BYTES;
}

// 0, or a negative errno with `reason`.
int mocra_ring_create(const char *disabled, uint32_t buffers, mocra_driver **out, char *reason, size_t size);
int mocra_epoll_create(uint32_t buffers, mocra_driver **out);

#endif
