// Chooses the driver and hands calls on to it; buffers, wake-ups and waiting completions are the same for
// both. See mocra_driver.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver_base.h"
#include "mocra_assert.h"

void *driver_reserve(size_t bytes) {
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

bool driver_is_disabled(const char *list, const char *feature) {
    size_t length = strlen(feature);
    while (list != NULL && *list != '\0') {
        size_t item = strcspn(list, ",");
        if (item == length && memcmp(list, feature, length) == 0) return true;
        list += item + (list[item] == ',' ? 1 : 0);
    }
    return false;
}

int driver_base_open(mocra_driver *driver, const driver_functions *functions, uint32_t buffers) {
    driver->functions = functions;
    driver->buffers = buffers;
    driver->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (driver->wake_fd < 0) return -errno;
    driver->memory = driver_reserve((size_t)buffers * MOCRA_RECEIVE_BUFFER_BYTES);
    driver->free_list = malloc(buffers * sizeof(uint16_t));
    driver->queue = driver_reserve(DRIVER_QUEUE_MAX * sizeof(mocra_driver_event));
    if (driver->memory == NULL || driver->free_list == NULL || driver->queue == NULL) return -ENOMEM;
    driver->listed = buffers;
    for (uint32_t i = 0; i < buffers; i++) driver->free_list[i] = (uint16_t)(buffers - 1 - i);
    return 0;
}

void driver_base_close(mocra_driver *driver) {
    if (driver->wake_fd >= 0) close(driver->wake_fd);
    if (driver->memory != NULL) munmap(driver->memory, (size_t)driver->buffers * MOCRA_RECEIVE_BUFFER_BYTES);
    if (driver->queue != NULL) munmap(driver->queue, DRIVER_QUEUE_MAX * sizeof(mocra_driver_event));
    free(driver->free_list);
}

void driver_queue_push(mocra_driver *driver, mocra_driver_event event) {
    if (driver->queue_tail == DRIVER_QUEUE_MAX) {
        // Under load the queue may never be empty, which is when it starts anew by itself.
        driver->queue_tail -= driver->queue_head;
        memmove(driver->queue, driver->queue + driver->queue_head, driver->queue_tail * sizeof(event));
        driver->queue_head = 0;
    }
    MOCRA_ASSERT(driver->queue_tail < DRIVER_QUEUE_MAX);
    driver->queue[driver->queue_tail++] = event;
}

unsigned driver_queue_take(mocra_driver *driver, mocra_driver_event *events, unsigned max) {
    unsigned count = driver->queue_tail - driver->queue_head;
    if (count > max) count = max;
    if (count > 0) memcpy(events, driver->queue + driver->queue_head, count * sizeof(*events));
    driver->queue_head += count;
    // From the start again, where memory is warm.
    if (driver->queue_head == driver->queue_tail) driver->queue_head = driver->queue_tail = 0;
    return count;
}

static int explain(int error, char *reason, size_t size) {
    switch (-error) {
    case EMFILE:
    case ENFILE:
        snprintf(reason, size, "out of file descriptors: raise `ulimit -n`");
        return MOCRA_ERR_DESCRIPTORS;
    case ENOMEM:
        snprintf(reason, size, "out of memory");
        return MOCRA_ERR_MEMORY;
    default:
        snprintf(reason, size, "neither io_uring nor epoll could be set up: %s", strerror(-error));
        return MOCRA_ERR_RING_UNAVAILABLE;
    }
}

int mocra_driver_create_without(const char *disabled, uint32_t buffers, mocra_driver **out, char *reason,
                                size_t reason_size) {
    MOCRA_ASSERT(buffers > 0 && buffers <= 32768);
    char refused[DRIVER_REASON_BYTES] = "MOCRA_RING_DISABLE names all";
    if (!driver_is_disabled(disabled, "all")) {
        int result = mocra_ring_create(disabled, buffers, out, refused, sizeof(refused));
        if (result == 0) return MOCRA_OK;
        if (result == -EMFILE || result == -ENFILE) return explain(result, reason, reason_size);
    }
    int result = mocra_epoll_create(buffers, out);
    if (result != 0) return explain(result, reason, reason_size);
    memcpy((*out)->reason, refused, sizeof(refused));
    return MOCRA_OK;
}

// A misspelt name would leave on what was to be off.
static bool is_known(const char *list) {
    static const char *const known[] = {"all", "buffer_ring", "multishot", "defer_taskrun"};
    while (list != NULL && *list != '\0') {
        size_t item = strcspn(list, ",");
        bool found = item == 0;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            found = found || (item == strlen(known[i]) && memcmp(list, known[i], item) == 0);
        if (!found) return false;
        list += item + (list[item] == ',' ? 1 : 0);
    }
    return true;
}

int mocra_driver_create(uint32_t buffers, mocra_driver **out, char *reason, size_t reason_size) {
    if (!is_known(getenv("MOCRA_RING_DISABLE"))) {
        snprintf(
            reason, reason_size,
            "MOCRA_RING_DISABLE takes all, buffer_ring, multishot and defer_taskrun, with commas between");
        return MOCRA_ERR_RING_UNAVAILABLE;
    }
    return mocra_driver_create_without(getenv("MOCRA_RING_DISABLE"), buffers, out, reason, reason_size);
}

void mocra_driver_destroy(mocra_driver *driver) {
    if (driver != NULL) driver->functions->destroy(driver);
}

mocra_driver_features mocra_driver_used_features(const mocra_driver *driver) {
    return driver->features;
}

mocra_driver_kind mocra_driver_used_kind(const mocra_driver *driver) {
    return driver->reason[0] == '\0' ? MOCRA_DRIVER_RING : MOCRA_DRIVER_EPOLL;
}

const char *mocra_driver_reason(const mocra_driver *driver) {
    return driver->reason;
}

void mocra_driver_connect(mocra_driver *driver, mocra_driver_owner owner, int fd,
                          const struct sockaddr *address, socklen_t length) {
    driver->functions->connect(driver, owner, fd, address, length);
}

void mocra_driver_receive(mocra_driver *driver, mocra_driver_owner owner, int fd, mocra_receive_kind kind) {
    driver->functions->receive(driver, owner, fd, kind);
}

void mocra_driver_send(mocra_driver *driver, mocra_driver_owner owner, int fd, const uint8_t *data,
                       size_t length) {
    driver->functions->send(driver, owner, fd, data, length);
}

void mocra_driver_poll(mocra_driver *driver, mocra_driver_owner owner, int fd, short events) {
    driver->functions->poll(driver, owner, fd, events);
}

void mocra_driver_cancel(mocra_driver *driver, mocra_driver_owner owner, mocra_operation operation) {
    driver->functions->cancel(driver, owner, operation);
}

void mocra_driver_wait(mocra_driver *driver, unsigned least, uint64_t timeout_ns) {
    driver->functions->wait(driver, least, timeout_ns);
}

unsigned mocra_driver_reap(mocra_driver *driver, mocra_driver_event *events, unsigned max) {
    return driver->functions->reap(driver, events, max);
}

void mocra_driver_wake(mocra_driver *driver) {
    uint64_t one = 1;
    // The counter cannot overflow in practice, and a full one has already woken the driver.
    ssize_t written = write(driver->wake_fd, &one, sizeof(one));
    (void)written;
}

const uint8_t *mocra_driver_buffer(const mocra_driver *driver, uint16_t buffer) {
    MOCRA_ASSERT(buffer < driver->buffers);
    return driver_buffer_at(driver, buffer);
}

void mocra_driver_return_buffer(mocra_driver *driver, uint16_t buffer) {
    MOCRA_ASSERT(buffer < driver->buffers && driver->listed + driver->offered < driver->buffers);
    driver->free_list[driver->listed++] = buffer;
}

uint32_t mocra_driver_buffers_free(const mocra_driver *driver) {
    return driver->listed + driver->offered;
}
