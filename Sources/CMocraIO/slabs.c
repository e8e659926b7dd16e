// Lists of free blocks by power of two; see slabs.h. A block carries its class in front of it.
#include "slabs.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_assert.h"

// Classes of 32 bytes to 32 KiB; larger blocks go to the heap.
#define CLASSES 11u
#define SMALLEST_BITS 5u
#define SMALLEST_BYTES (1u << SMALLEST_BITS)
#define LARGEST_BYTES (SMALLEST_BYTES << (CLASSES - 1))
#define HUGE_CLASS CLASSES
// What a class keeps at most; the rest goes back to the heap.
#define KEPT_BYTES_MAX (256u << 10)

typedef struct block {
    union {
        struct block *next;  // while free
        uint32_t class;      // while in use
    };
    size_t size;  // what the caller may use
} block;

struct mocra_slabs {
    block *free[CLASSES];
    uint32_t kept[CLASSES];
    size_t in_use;
};

_Static_assert(sizeof(block) == 16, "blocks are aligned to 16 bytes");

mocra_slabs *mocra_slabs_create(void) {
    return calloc(1, sizeof(mocra_slabs));
}

void mocra_slabs_destroy(mocra_slabs *slabs) {
    if (slabs == NULL) return;
    MOCRA_ASSERT(slabs->in_use == 0);
    for (uint32_t i = 0; i < CLASSES; i++) {
        while (slabs->free[i] != NULL) {
            block *next = slabs->free[i]->next;
            free(slabs->free[i]);
            slabs->free[i] = next;
        }
    }
    free(slabs);
}

// The class whose blocks have room for `size` bytes: some four are taken for every stream.
static uint32_t class_of(size_t size) {
    if (size <= SMALLEST_BYTES) return 0;
    if (size > LARGEST_BYTES) return HUGE_CLASS;
    return (uint32_t)(64 - __builtin_clzll((unsigned long long)(size - 1))) - SMALLEST_BITS;
}

void *mocra_slabs_take(mocra_slabs *slabs, size_t size) {
    uint32_t class = class_of(size);
    size_t room = class < CLASSES ? (size_t)SMALLEST_BYTES << class : size;
    block *taken = class < CLASSES ? slabs->free[class] : NULL;
    if (taken != NULL) {
        slabs->free[class] = taken->next;
        slabs->kept[class]--;
    } else {
        if (room > SIZE_MAX - sizeof(block)) return NULL;
        taken = malloc(sizeof(block) + room);
        if (taken == NULL) return NULL;
    }
    taken->class = class;
    taken->size = room;
    slabs->in_use++;
    return taken + 1;
}

void mocra_slabs_give(mocra_slabs *slabs, void *memory) {
    if (memory == NULL) return;
    block *given = (block *)memory - 1;
    uint32_t class = given->class;
    MOCRA_ASSERT(slabs->in_use > 0 && class <= HUGE_CLASS);
    slabs->in_use--;
    if (class == HUGE_CLASS || (slabs->kept[class] + 1) * given->size > KEPT_BYTES_MAX) {
        free(given);
        return;
    }
    given->next = slabs->free[class];
    slabs->free[class] = given;
    slabs->kept[class]++;
}

void *mocra_slabs_resize(mocra_slabs *slabs, void *memory, size_t size) {
    if (memory == NULL) return mocra_slabs_take(slabs, size);
    const block *old = (const block *)memory - 1;
    if (size <= old->size) return memory;
    void *grown = mocra_slabs_take(slabs, size);
    if (grown == NULL) return NULL;
    memcpy(grown, memory, old->size);
    mocra_slabs_give(slabs, memory);
    return grown;
}
