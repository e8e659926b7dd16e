// gzip and deflate by zlib, as a stage of decode.c.
//
// Where the RFCs leave a choice:
// - `deflate` means zlib-wrapped (RFC 9110 §8.4.1.2), but some servers send raw deflate. Two bytes tell: a
//   zlib header as a raw stream would be a stored block with padding bits that no encoder sets (RFC 1950
//   §2.2).
// - Behind a gzip member, 1f 8b begins another one (RFC 1952 §2.2), which must be sound. Anything else is
//   ignored with all that follows.
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "decode_stage.h"
#include "mocra_http1.h"

enum { GZIP_WINDOW_BITS = 16 + MAX_WBITS, STAGES_KEPT_MAX = 64, HEADER_BYTES = 2 };

typedef enum zlib_phase {
    PHASE_HEADER,  // deflate: two bytes tell which kind; gzip: two bytes tell whether another member follows
    PHASE_STREAM,
} zlib_phase;

typedef struct zlib_stage {
    decode_stage stage;
    z_stream stream;
    zlib_phase phase;
    uint8_t header[HEADER_BYTES];
    uint8_t header_bytes;
    uint8_t header_given;  // of header_bytes, what zlib has taken
} zlib_stage;

static decode_stage *create(void) {
    zlib_stage *self = calloc(1, sizeof(*self));
    if (self != NULL && inflateInit2(&self->stream, GZIP_WINDOW_BITS) != Z_OK) {
        free(self);
        return NULL;
    }
    return self != NULL ? &self->stage : NULL;
}

static int begin(decode_stage *stage) {
    zlib_stage *self = (zlib_stage *)stage;
    self->header_bytes = 0;
    self->header_given = 0;
    self->phase = stage->coding == MOCRA_CODING_GZIP ? PHASE_STREAM : PHASE_HEADER;
    return inflateReset2(&self->stream, GZIP_WINDOW_BITS) == Z_OK ? MOCRA_OK : MOCRA_ERR_MEMORY;
}

// Takes one byte of a header; when both are there, decides and begins the stream.
static int header_take(zlib_stage *self, uint8_t byte) {
    bool gzip = self->stage.coding == MOCRA_CODING_GZIP;
    if (gzip && byte != (self->header_bytes == 0 ? 0x1f : 0x8b)) {
        self->stage.ended = true;
        return MOCRA_OK;
    }
    self->header[self->header_bytes++] = byte;
    if (self->header_bytes < HEADER_BYTES) {
        return MOCRA_OK;
    }
    int window_bits = gzip ? GZIP_WINDOW_BITS : decode_is_zlib(self->header) ? MAX_WBITS : -MAX_WBITS;
    if (inflateReset2(&self->stream, window_bits) != Z_OK) {
        return MOCRA_ERR_MEMORY;
    }
    self->header_given = 0;
    self->phase = PHASE_STREAM;
    return MOCRA_OK;
}

static int stream_step(zlib_stage *self, const uint8_t **input, size_t *length, decode_io *io) {
    z_stream *stream = &self->stream;
    uInt given = *length < UINT_MAX ? (uInt)*length : UINT_MAX;
    uInt room = io->room < UINT_MAX ? (uInt)io->room : UINT_MAX;
    stream->next_in = (z_const Bytef *)(uintptr_t)*input;
    stream->avail_in = given;
    stream->next_out = io->output;
    stream->avail_out = room;
    int result = inflate(stream, Z_NO_FLUSH);
    *input += given - stream->avail_in;
    *length -= given - stream->avail_in;
    io->output += room - stream->avail_out;
    io->room -= room - stream->avail_out;
    bool starved = stream->avail_in == 0 || stream->avail_out == 0;
    stream->next_in = NULL;
    stream->next_out = NULL;
    switch (result) {
    case Z_OK:
        return MOCRA_OK;
    case Z_BUF_ERROR:
        // No progress was possible, as should only be for want of input or room.
        return starved ? MOCRA_OK : MOCRA_ERR_DECODE;
    case Z_STREAM_END:
        self->phase = PHASE_HEADER;
        self->header_bytes = 0;
        self->stage.ended = self->stage.coding != MOCRA_CODING_GZIP;
        return MOCRA_OK;
    case Z_MEM_ERROR:
        return MOCRA_ERR_MEMORY;
    default:
        return MOCRA_ERR_DECODE;
    }
}

static int step(decode_stage *stage, decode_io *io) {
    zlib_stage *self = (zlib_stage *)stage;
    int result = MOCRA_OK;
    bool again = true;
    while (result == MOCRA_OK && !stage->ended && again) {
        if (self->phase == PHASE_HEADER) {
            if (io->input_length == 0) {
                return MOCRA_OK;
            }
            result = header_take(self, *io->input++);
            io->input_length--;
        } else if (self->header_given < self->header_bytes) {
            const uint8_t *header = self->header + self->header_given;
            size_t length = (size_t)(self->header_bytes - self->header_given);
            result = stream_step(self, &header, &length, io);
            self->header_given = (uint8_t)(header - self->header);
            again = io->room > 0;
        } else {
            result = stream_step(self, &io->input, &io->input_length, io);
            again = io->room > 0 && io->input_length > 0;
        }
    }
    return result;
}

static bool whole(const decode_stage *stage) {
    // One byte that could begin another gzip member is a byte behind the last one; of a deflate header it is
    // not.
    const zlib_stage *self = (const zlib_stage *)stage;
    return stage->ended || (stage->coding == MOCRA_CODING_GZIP && self->phase == PHASE_HEADER);
}

static bool end(decode_stage *stage) {
    (void)stage;  // zlib takes some 40 KiB, always.
    return true;
}

static void destroy(decode_stage *stage) {
    zlib_stage *self = (zlib_stage *)stage;
    inflateEnd(&self->stream);
    free(self);
}

const decode_method decode_zlib = {create, begin, step, whole, end, destroy, STAGES_KEPT_MAX};
