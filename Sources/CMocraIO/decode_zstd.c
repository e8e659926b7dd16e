// zstd (RFC 8878) by libzstd, as a stage of decode.c. Windows beyond 8 MiB are refused, as RFC 9659 says for
// this coding. Frames in a row are one body (RFC 8878 §3); behind a frame anything but the magic number of
// another one is ignored with all that follows.
//
// A frame's header is given byte by byte: libzstd decodes a frame that it sees whole in one pass, without a
// look at its window, and then what comes of a body would depend on how it was split.
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "decode_stage.h"

enum {
    STAGES_KEPT_MAX = 16,
    CONTEXT_KEPT_BYTES_MAX = 1024 * 1024,
    WINDOW_LOG_MAX = 23,
    MAGIC_BYTES = 4,
    HEADER_BYTES_MAX = 18,  // RFC 8878 §3.1.1.1, with the magic number
};

typedef struct zstd_stage {
    decode_stage stage;
    ZSTD_DStream *stream;
    bool between;  // behind a frame
    uint8_t magic[MAGIC_BYTES];
    uint8_t magic_bytes;
    uint8_t magic_given;  // of magic_bytes, what libzstd has taken
    uint8_t header_left;  // bytes that may belong to a header
} zstd_stage;

static decode_stage *create(void) {
    zstd_stage *self = calloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->stream = ZSTD_createDStream();
    if (self->stream == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(self->stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        ZSTD_freeDStream(self->stream);
        free(self);
        return NULL;
    }
    return &self->stage;
}

static int begin(decode_stage *stage) {
    zstd_stage *self = (zstd_stage *)stage;
    self->between = false;
    self->magic_bytes = 0;
    self->magic_given = 0;
    self->header_left = HEADER_BYTES_MAX;
    return ZSTD_isError(ZSTD_DCtx_reset(self->stream, ZSTD_reset_session_only)) ? MOCRA_ERR_MEMORY : MOCRA_OK;
}

// Whether `byte` may be the one at `at` of a frame's magic number (RFC 8878 §3.1.1, §3.1.2), behind those
// that were taken.
static bool magic_fits(const zstd_stage *self, uint8_t at, uint8_t byte) {
    static const uint8_t frame[MAGIC_BYTES] = {0x28, 0xb5, 0x2f, 0xfd};
    static const uint8_t skippable[MAGIC_BYTES] = {0x50, 0x2a, 0x4d, 0x18};
    if (at == 0) {
        return byte == frame[0] || (byte & 0xf0) == skippable[0];
    }
    return byte == (self->magic[0] == frame[0] ? frame : skippable)[at];
}

static void magic_take(zstd_stage *self, uint8_t byte) {
    if (!magic_fits(self, self->magic_bytes, byte)) {
        self->stage.ended = true;
        return;
    }
    self->magic[self->magic_bytes++] = byte;
    self->between = self->magic_bytes < MAGIC_BYTES;
}

static int stream_step(zstd_stage *self, const uint8_t *data, size_t length, size_t *used, decode_io *io) {
    ZSTD_inBuffer in = {data, length, 0};
    ZSTD_outBuffer out = {io->output, io->room, 0};
    size_t result = ZSTD_decompressStream(self->stream, &out, &in);
    *used = in.pos;
    io->output += out.pos;
    io->room -= out.pos;
    if (ZSTD_isError(result)) {
        return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? MOCRA_ERR_MEMORY
                                                                         : MOCRA_ERR_DECODE;
    }
    if (result == 0) {
        self->between = true;
        self->magic_bytes = 0;
        self->magic_given = 0;
        self->header_left = HEADER_BYTES_MAX;
    }
    return MOCRA_OK;
}

static int step(decode_stage *stage, decode_io *io) {
    zstd_stage *self = (zstd_stage *)stage;
    int result = MOCRA_OK;
    bool again = true;
    while (result == MOCRA_OK && !stage->ended && again) {
        size_t used = 0;
        if (self->between) {
            if (io->input_length == 0) {
                return MOCRA_OK;
            }
            magic_take(self, *io->input);
            used = 1;
        } else if (self->magic_given < self->magic_bytes) {
            size_t taken = 0;
            result = stream_step(self, self->magic + self->magic_given,
                                 (size_t)(self->magic_bytes - self->magic_given), &taken, io);
            self->magic_given += (uint8_t)taken;
            again = io->room > 0;
        } else {
            size_t length = self->header_left > 0 && io->input_length > 0 ? 1 : io->input_length;
            uint8_t left = self->header_left > 0 ? self->header_left - 1 : 0;
            result = stream_step(self, io->input, length, &used, io);
            if (used > 0 && !self->between) self->header_left = left;
            again = io->room > 0 && used < io->input_length;
        }
        io->input += used;
        io->input_length -= used;
    }
    return result;
}

static bool whole(const decode_stage *stage) {
    return stage->ended || ((const zstd_stage *)stage)->between;
}

static bool end(decode_stage *stage) {
    return ZSTD_sizeof_DStream(((zstd_stage *)stage)->stream) <= CONTEXT_KEPT_BYTES_MAX;
}

static void destroy(decode_stage *stage) {
    zstd_stage *self = (zstd_stage *)stage;
    ZSTD_freeDStream(self->stream);
    free(self);
}

const decode_method decode_zstd = {create, begin, step, whole, end, destroy, STAGES_KEPT_MAX};
