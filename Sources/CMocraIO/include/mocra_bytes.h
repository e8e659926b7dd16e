// A growing array of bytes on the heap. Knows nothing of what they mean.
#ifndef MOCRA_BYTES_H
#define MOCRA_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "mocra_error.h"

typedef struct mocra_bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
} mocra_bytes;

// Appends, growing geometrically. MOCRA_ERR_MEMORY leaves the array as it was.
int mocra_bytes_append(mocra_bytes *bytes, const uint8_t *data, size_t length);
// Makes room for `extra` more bytes.
int mocra_bytes_reserve(mocra_bytes *bytes, size_t extra);
void mocra_bytes_free(mocra_bytes *bytes);

#endif
