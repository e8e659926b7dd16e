// Memory for many small things of one thread: freed blocks are kept by size and handed out again, so that
// steady traffic asks the heap for nothing.
#ifndef MOCRA_SLABS_H
#define MOCRA_SLABS_H

#include <stddef.h>

typedef struct mocra_slabs mocra_slabs;

// NULL when out of memory.
mocra_slabs *mocra_slabs_create(void);
// Every block must have been freed.
void mocra_slabs_destroy(mocra_slabs *slabs);

// As malloc, free and realloc; blocks are aligned to 16 bytes.
void *mocra_slabs_take(mocra_slabs *slabs, size_t size);
void mocra_slabs_give(mocra_slabs *slabs, void *block);
void *mocra_slabs_resize(mocra_slabs *slabs, void *block, size_t size);

#endif
