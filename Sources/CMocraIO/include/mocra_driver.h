// The driver below the machines: submits socket operations, hands back completions in batches, owns the
// receive buffers. This header is all that the rest knows of it: io_uring stands behind it (ring.c), or epoll
// where io_uring is refused (epoll.c).
#ifndef MOCRA_DRIVER_H
#define MOCRA_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "mocra_error.h"

#define MOCRA_RECEIVE_BUFFER_BYTES 65536u

typedef struct mocra_driver mocra_driver;

typedef enum mocra_operation {
    MOCRA_OPERATION_WAKE = 1,
    MOCRA_OPERATION_CONNECT = 2,
    MOCRA_OPERATION_RECEIVE = 3,
    MOCRA_OPERATION_SEND = 4,
    MOCRA_OPERATION_POLL = 5,
    MOCRA_OPERATION_CANCEL = 6,
} mocra_operation;

// Who an operation belongs to: a slot of the caller and the slot's generation (24 bits of it travel).
typedef struct mocra_driver_owner {
    uint32_t slot;
    uint32_t generation;
} mocra_driver_owner;

typedef struct mocra_driver_event {
    mocra_driver_owner owner;
    int32_t result;     // ≥ 0, or a negative errno; for RECEIVE 0 is the end of the stream
    uint8_t operation;  // mocra_operation
    bool more;          // the operation stays armed
    bool has_buffer;  // RECEIVE: `buffer` holds `result` bytes; give it back with mocra_driver_return_buffer
    uint16_t buffer;
} mocra_driver_event;

// What becomes of the bytes that are received, which is what the buffers are chosen by.
typedef enum mocra_receive_kind {
    // They are used where they lie: one buffer after the other, as the kernel picks them.
    MOCRA_RECEIVE_STEADY,
    // They may not be wanted: a few buffers at most until it is armed again.
    MOCRA_RECEIVE_SPARING,
    // They are read once and the buffer comes back, as with TLS: the one that came back last, which caches
    // know, and one only until it is armed again.
    MOCRA_RECEIVE_TRANSIENT,
} mocra_receive_kind;

typedef enum mocra_driver_kind {
    MOCRA_DRIVER_RING = 1,
    MOCRA_DRIVER_EPOLL = 2,
} mocra_driver_kind;

typedef struct mocra_driver_features {
    bool buffer_ring;        // provided buffers (5.19)
    bool multishot_receive;  // 6.0
    bool defer_taskrun;      // 6.1
} mocra_driver_features;

// Opens a driver for the calling thread, which alone may use it (mocra_driver_wake excepted). `buffers`:
// receive buffers, 1…32768. io_uring is taken where the kernel permits it, else epoll. The environment
// variable MOCRA_RING_DISABLE leaves things unused, so that the fallbacks are tested (comma separated):
//   buffer_ring    no provided buffers, and so no multishot: a poll, then recv into a buffer of our choice
//   multishot      the same
//   defer_taskrun  completions are made whenever the kernel likes, not only inside the wait
//   all            no io_uring: epoll
// RING_UNAVAILABLE, MEMORY or DESCRIPTORS; `reason` then says why, for a person.
int mocra_driver_create(uint32_t buffers, mocra_driver **out, char *reason, size_t reason_size);
// The same with that list as an argument, NULL for none.
int mocra_driver_create_without(const char *disabled, uint32_t buffers, mocra_driver **out, char *reason,
                                size_t reason_size);
void mocra_driver_destroy(mocra_driver *driver);
mocra_driver_features mocra_driver_used_features(const mocra_driver *driver);
mocra_driver_kind mocra_driver_used_kind(const mocra_driver *driver);
// Why it is not io_uring, for a person; empty when it is. Lives as long as the driver.
const char *mocra_driver_reason(const mocra_driver *driver);

// Each begins one operation; it reaches the kernel with the next mocra_driver_wait at the latest. Sockets are
// non-blocking, have no second descriptor and no second owner, and are closed by the caller once all their
// operations completed. Addresses and bytes stay valid until the completion. Slots are below 2^20.
void mocra_driver_connect(mocra_driver *driver, mocra_driver_owner owner, int fd,
                          const struct sockaddr *address, socklen_t length);
// Receives until the stream ends or it is cancelled; every completion without `more` wants it to be armed
// again. -ENOBUFS: no buffer was free; -EAGAIN: to be armed again, nothing is wrong.
void mocra_driver_receive(mocra_driver *driver, mocra_driver_owner owner, int fd, mocra_receive_kind kind);
void mocra_driver_send(mocra_driver *driver, mocra_driver_owner owner, int fd, const uint8_t *data,
                       size_t length);
// One completion once `events` (poll(2)) are there; result holds what is.
void mocra_driver_poll(mocra_driver *driver, mocra_driver_owner owner, int fd, short events);
// Asks for an earlier end of an operation; its completion then carries -ECANCELED, or its result if it was
// faster. The cancelling itself may complete, as MOCRA_OPERATION_CANCEL.
void mocra_driver_cancel(mocra_driver *driver, mocra_driver_owner owner, mocra_operation operation);

// Submits what is queued and waits until `least` completions are there or `timeout_ns` passed (0: does not
// wait, UINT64_MAX: no limit); returns earlier when a signal came. epoll waits for one, after a nap for more.
void mocra_driver_wait(mocra_driver *driver, unsigned least, uint64_t timeout_ns);
// Copies completions out, at most `max`; their places are free again at once.
unsigned mocra_driver_reap(mocra_driver *driver, mocra_driver_event *events, unsigned max);
// Makes mocra_driver_wait return. Any thread.
void mocra_driver_wake(mocra_driver *driver);

const uint8_t *mocra_driver_buffer(const mocra_driver *driver, uint16_t buffer);
void mocra_driver_return_buffer(mocra_driver *driver, uint16_t buffer);
// Buffers that are still to be filled.
uint32_t mocra_driver_buffers_free(const mocra_driver *driver);

#endif
