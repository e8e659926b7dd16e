// Counts the heap allocations of the whole process, for mocra-bench and for gates in tests.
// Knows nothing of what is measured, and never belongs into a library that others embed: it takes malloc's
// place in every program that links it. Works with Swift's library linked dynamically and statically; a fully
// static executable (glibc's own archive) does not link with it, as malloc is then defined twice.
#ifndef MOCRA_ALLOCATION_COUNT_H
#define MOCRA_ALLOCATION_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// Whether allocations are counted in this build: false under a sanitizer, which needs malloc for itself, and
// where the C library is not glibc.
bool mocra_allocation_count_available(void);

// Calls since the process started, in all threads, to malloc, calloc, realloc, aligned_alloc, posix_memalign
// and memalign (so also to Swift's allocations and C++'s operator new). 0 where nothing is counted.
// The difference of two readings is exact once the threads that allocate are at rest.
uint64_t mocra_allocation_count(void);

#endif
