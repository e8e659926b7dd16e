// Growing arrays of bytes, as in mocra_bytes.h.
#include "mocra_bytes.h"

#include <stdlib.h>
#include <string.h>

enum { BYTES_CAPACITY_MIN = 256 };

int mocra_bytes_reserve(mocra_bytes *bytes, size_t extra) {
    if (extra <= bytes->capacity - bytes->length) {
        return MOCRA_OK;
    }
    if (extra > SIZE_MAX / 2 - bytes->length) {
        return MOCRA_ERR_MEMORY;
    }
    size_t needed = bytes->length + extra;
    size_t capacity = bytes->capacity < BYTES_CAPACITY_MIN ? BYTES_CAPACITY_MIN : bytes->capacity * 2;
    capacity = capacity < needed ? needed : capacity;
    // Without content there is nothing to copy.
    uint8_t *data = bytes->length > 0 ? realloc(bytes->data, capacity) : malloc(capacity);
    if (data == NULL) {
        return MOCRA_ERR_MEMORY;
    }
    if (bytes->length == 0) {
        free(bytes->data);
    }
    bytes->data = data;
    bytes->capacity = capacity;
    return MOCRA_OK;
}

int mocra_bytes_append(mocra_bytes *bytes, const uint8_t *data, size_t length) {
    if (length == 0) {
        return MOCRA_OK;
    }
    int status = mocra_bytes_reserve(bytes, length);
    if (status == MOCRA_OK) {
        memcpy(bytes->data + bytes->length, data, length);
        bytes->length += length;
    }
    return status;
}

void mocra_bytes_free(mocra_bytes *bytes) {
    free(bytes->data);
    *bytes = (mocra_bytes){0};
}
