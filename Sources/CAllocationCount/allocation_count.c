// malloc and its siblings, counted and then passed on to glibc's own under their second names. free and
// malloc_usable_size stay glibc's: the memory is glibc's in any case.
// Must not allocate, lock or call anything that may do so: it runs before main and in every thread.
#include "mocra_allocation_count.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
// stdlib.h also defines __GLIBC__, which decides below.
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer) || __has_feature(hwaddress_sanitizer) || __has_feature(leak_sanitizer)
#define MOCRA_UNDER_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOCRA_UNDER_SANITIZER 1
#endif

#if defined(__GLIBC__) && !defined(MOCRA_UNDER_SANITIZER)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

// Alone on its cache line: it is written by every thread that allocates.
static struct { _Alignas(64) atomic_uint_fast64_t calls; } counter;

// Relaxed: the number orders nothing, and a reader takes differences of it at rest.
static inline void count_call(void) {
    atomic_fetch_add_explicit(&counter.calls, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    count_call();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    count_call();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    count_call();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    count_call();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count_call();
    return __libc_memalign(alignment, size);
}

// posix_memalign(3): the error is returned and errno left alone; the alignment is a power of two and a
// multiple of a pointer's size.
int posix_memalign(void **out, size_t alignment, size_t size) {
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment % sizeof(void *) != 0) {
        return EINVAL;
    }
    int saved = errno;
    count_call();
    void *memory = __libc_memalign(alignment, size);
    errno = saved;
    if (memory == NULL) {
        return ENOMEM;
    }
    *out = memory;
    return 0;
}

bool mocra_allocation_count_available(void) {
    return true;
}

uint64_t mocra_allocation_count(void) {
    return atomic_load_explicit(&counter.calls, memory_order_relaxed);
}

#else

bool mocra_allocation_count_available(void) {
    return false;
}

uint64_t mocra_allocation_count(void) {
    return 0;
}

#endif
