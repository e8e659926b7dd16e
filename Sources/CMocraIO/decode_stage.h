// One coding being undone: what decode.c asks of each library. A stage knows neither limits nor its
// neighbours.
#ifndef MOCRA_DECODE_STAGE_H
#define MOCRA_DECODE_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_bytes.h"

typedef struct decode_stage decode_stage;

// What a step may read and write; it moves both on.
typedef struct decode_io {
    const uint8_t *input;
    size_t input_length;
    uint8_t *output;
    size_t room;
} decode_io;

typedef struct decode_method {
    decode_stage *(*create)(void);
    // Makes the stage ready for a new body. MEMORY.
    int (*begin)(decode_stage *stage);
    // Goes on until the input or the room is used up or the coding has ended. With all room used, more output
    // may follow without input. MOCRA_OK, DECODE or MEMORY.
    int (*step)(decode_stage *stage, decode_io *io);
    // Whether the coding may end where it stands.
    bool (*whole)(const decode_stage *stage);
    // The body is over: lets go of what is too large to keep. Whether the stage is worth keeping.
    bool (*end)(decode_stage *stage);
    void (*destroy)(decode_stage *stage);
    uint32_t kept_max;
} decode_method;

// Each method's stage begins with this.
struct decode_stage {
    const decode_method *method;
    decode_stage *next;  // in the list of kept stages
    uint64_t received;
    uint64_t decoded;
    uint8_t coding;  // mocra_coding
    bool ended;      // whatever follows is ignored
};

extern const decode_method decode_zlib;
extern const decode_method decode_brotli;
extern const decode_method decode_zstd;

// decode_deflate.c: whole bodies by libdeflate. `shared` is NULL at first and ends with decode_deflate_free.
// MOCRA_OK when `out` has got the whole body, of at most `decoded_max` bytes. MOCRA_MORE when only a stage
// can tell what comes of it: corrupt, larger, or of a kind that is left to zlib; nothing was appended then.
// MEMORY.
int decode_deflate_whole(void **shared, uint8_t coding, const uint8_t *data, size_t length,
                         size_t decoded_max, mocra_bytes *out);
void decode_deflate_free(void *shared);

// Whether these two bytes begin a zlib stream (RFC 1950 §2.2) rather than raw deflate.
static inline bool decode_is_zlib(const uint8_t header[2]) {
    return (header[0] & 0x0f) == 8 && header[0] >> 4 <= 7 && (header[0] << 8 | header[1]) % 31 == 0;
}

#endif
