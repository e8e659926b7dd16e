// Content decoding, as in mocra_decode.h: the row of stages, their bounds, and what is kept between bodies.
// The libraries are behind decode_stage.h. Knows nothing of connections.
//
// The last coding that was applied is undone first. Between two stages bytes go through one scratch buffer a
// pair, which is empty again before a feed returns.
#include "mocra_decode.h"

#include <stdlib.h>

#include "decode_stage.h"
#include "mocra_assert.h"
#include "mocra_http1.h"

enum {
    // Below this much decoded the ratio says nothing.
    RATIO_BYTES_MIN = 1024 * 1024,
    // Decoded between two looks at the ratio, hence how far memory may go beyond it.
    STEP_BYTES_MAX = 64 * 1024,
    GROW_BYTES_MIN = 4096,
    SCRATCH_BYTES = 16 * 1024,
    DECODERS_KEPT_MAX = 64,
    GATHERED_KEPT_MAX = 64 * 1024,
};

typedef enum decoder_mode {
    MODE_STREAM,
    MODE_GATHER,  // holds the body encoded
    MODE_DONE,    // decoded in one go; whatever follows is ignored
} decoder_mode;

typedef struct kept_stages {
    decode_stage *first;
    uint32_t count;
} kept_stages;

struct mocra_decoders {
    mocra_decoder *kept;
    uint32_t kept_count;
    uint32_t used;
    kept_stages stages[MOCRA_CODING_COUNT];
    uint8_t *scratch[MOCRA_CODINGS_MAX - 1];
    void *deflate;
};

struct mocra_decoder {
    mocra_decoders *owner;
    mocra_decoder *next;
    mocra_decoder_options options;
    uint64_t received;
    int failure;  // the error that ended decoding, or MOCRA_OK
    decoder_mode mode;
    mocra_bytes gathered;
    uint32_t stage_count;
    decode_stage *stages[MOCRA_CODINGS_MAX];  // in the order that bytes pass them
};

// MARK: what is kept

int mocra_decoders_create(mocra_decoders **out) {
    mocra_decoders *decoders = calloc(1, sizeof(*decoders));
    if (decoders == NULL) return MOCRA_ERR_MEMORY;
    *out = decoders;
    return MOCRA_OK;
}

static void decoder_free(mocra_decoder *decoder) {
    mocra_bytes_free(&decoder->gathered);
    free(decoder);
}

void mocra_decoders_destroy(mocra_decoders *decoders) {
    if (decoders == NULL) return;
    MOCRA_ASSERT(decoders->used == 0);
    while (decoders->kept != NULL) {
        mocra_decoder *decoder = decoders->kept;
        decoders->kept = decoder->next;
        decoder_free(decoder);
    }
    for (int coding = 0; coding < MOCRA_CODING_COUNT; coding++) {
        while (decoders->stages[coding].first != NULL) {
            decode_stage *stage = decoders->stages[coding].first;
            decoders->stages[coding].first = stage->next;
            stage->method->destroy(stage);
        }
    }
    for (int i = 0; i < MOCRA_CODINGS_MAX - 1; i++) free(decoders->scratch[i]);
    if (decoders->deflate != NULL) decode_deflate_free(decoders->deflate);
    free(decoders);
}

static const decode_method *method_of(uint32_t coding) {
    switch ((mocra_coding)coding) {
    case MOCRA_CODING_GZIP:
    case MOCRA_CODING_DEFLATE:
        return &decode_zlib;
    case MOCRA_CODING_BROTLI:
        return &decode_brotli;
    case MOCRA_CODING_ZSTD:
        return &decode_zstd;
    case MOCRA_CODING_IDENTITY:
    case MOCRA_CODING_UNKNOWN:
        return NULL;
    }
    return NULL;
}

// gzip and deflate share their stages.
static kept_stages *kept_of(mocra_decoders *decoders, uint8_t coding) {
    return &decoders->stages[coding == MOCRA_CODING_DEFLATE ? MOCRA_CODING_GZIP : coding];
}

static void stage_give(mocra_decoders *decoders, decode_stage *stage) {
    kept_stages *kept = kept_of(decoders, stage->coding);
    if (stage->method->end(stage) && kept->count < stage->method->kept_max) {
        stage->next = kept->first;
        kept->first = stage;
        kept->count++;
        return;
    }
    stage->method->destroy(stage);
}

static decode_stage *stage_take(mocra_decoders *decoders, uint8_t coding) {
    kept_stages *kept = kept_of(decoders, coding);
    decode_stage *stage = kept->first;
    if (stage != NULL) {
        kept->first = stage->next;
        kept->count--;
    } else {
        const decode_method *method = method_of(coding);
        stage = method->create();
        if (stage == NULL) return NULL;
        stage->method = method;
    }
    stage->coding = coding;
    stage->received = 0;
    stage->decoded = 0;
    stage->ended = false;
    if (stage->method->begin(stage) != MOCRA_OK) {
        stage->method->destroy(stage);
        return NULL;
    }
    return stage;
}

// MARK: the row of stages

static uint32_t coding_count(uint32_t coding) {
    uint32_t count = 0;
    for (; coding != 0; coding >>= MOCRA_CODING_BITS) count++;
    return count;
}

// Whether the length of the row and each coding in it are known.
static bool codings_fit(uint32_t coding) {
    if (coding == MOCRA_CODING_IDENTITY || coding_count(coding) > MOCRA_CODINGS_MAX) return false;
    for (; coding != 0; coding >>= MOCRA_CODING_BITS)
        if (method_of(coding & MOCRA_CODING_MASK) == NULL) return false;
    return true;
}

// Takes the stages of the row. MEMORY leaves those that were taken to mocra_decoder_destroy.
static int stages_begin(mocra_decoder *decoder) {
    decoder->mode = MODE_STREAM;
    for (uint32_t at = coding_count(decoder->options.coding); at-- > 0;) {
        uint8_t coding = decoder->options.coding >> at * MOCRA_CODING_BITS & MOCRA_CODING_MASK;
        decode_stage *stage = stage_take(decoder->owner, coding);
        if (stage == NULL) return MOCRA_ERR_MEMORY;
        if (decoder->stage_count > 0) {
            uint8_t **scratch = &decoder->owner->scratch[decoder->stage_count - 1];
            if (*scratch == NULL) *scratch = malloc(SCRATCH_BYTES);
            if (*scratch == NULL) {
                stage_give(decoder->owner, stage);
                return MOCRA_ERR_MEMORY;
            }
        }
        decoder->stages[decoder->stage_count++] = stage;
    }
    return MOCRA_OK;
}

static bool ratio_exceeded(const mocra_decoder *decoder, uint64_t decoded, uint64_t received) {
    uint64_t allowed = 0;
    bool unbounded = __builtin_mul_overflow(received, (uint64_t)decoder->options.ratio_max, &allowed);
    return decoded >= RATIO_BYTES_MIN && !unbounded && decoded > allowed;
}

static bool too_much_between(const mocra_decoder *decoder, uint64_t decoded) {
    return decoded > RATIO_BYTES_MIN && (decoded - RATIO_BYTES_MIN) / 2 > decoder->options.decoded_max;
}

// Room for the next step of the last stage, at most up to decoded_max. MORE at the limit, where one byte of
// room tells whether there is more.
static int last_room(mocra_decoder *decoder, const decode_stage *stage, decode_io *io, mocra_bytes *out) {
    size_t left = decoder->options.decoded_max - (size_t)stage->decoded;
    if (left == 0) return MOCRA_MORE;
    if (out->capacity == out->length) {
        size_t want = io->input_length < STEP_BYTES_MAX / 4 ? io->input_length * 4 : STEP_BYTES_MAX;
        want = want < GROW_BYTES_MIN ? GROW_BYTES_MIN : want;
        int status = mocra_bytes_reserve(out, want < left ? want : left);
        if (status != MOCRA_OK) return status;
    }
    size_t room = out->capacity - out->length;
    room = room < left ? room : left;
    io->output = out->data + out->length;
    io->room = room < STEP_BYTES_MAX ? room : STEP_BYTES_MAX;
    return MOCRA_OK;
}

static int stage_run(mocra_decoder *decoder, uint32_t at, const uint8_t *data, size_t length,
                     mocra_bytes *out);

// One step of the stage at `at`, and what it makes all the way down. *full: all the room was used.
static int stage_step(mocra_decoder *decoder, uint32_t at, decode_io *io, bool *full, mocra_bytes *out) {
    decode_stage *stage = decoder->stages[at];
    bool last = at + 1 == decoder->stage_count;
    uint8_t beyond = 0;
    bool at_limit = false;
    if (last) {
        int status = last_room(decoder, stage, io, out);
        if (status < 0) return status;
        at_limit = status == MOCRA_MORE;
        if (at_limit) {
            io->output = &beyond;
            io->room = sizeof(beyond);
        }
    } else {
        io->output = decoder->owner->scratch[at];
        io->room = SCRATCH_BYTES;
    }
    size_t room = io->room;
    int result = stage->method->step(stage, io);
    size_t made = room - io->room;
    *full = io->room == 0;
    if (at_limit) return made > 0 ? MOCRA_ERR_TOO_LARGE : result;
    stage->decoded += made;
    if (last) out->length += made;
    if (ratio_exceeded(decoder, stage->decoded, stage->received) ||
        ratio_exceeded(decoder, stage->decoded, decoder->received) ||
        (!last && too_much_between(decoder, stage->decoded)))
        return MOCRA_ERR_BOMB;
    int further = last ? MOCRA_OK : stage_run(decoder, at + 1, decoder->owner->scratch[at], made, out);
    return further != MOCRA_OK ? further : result;
}

// Gives `data` to the stage at `at` and those behind it.
static int stage_run(mocra_decoder *decoder, uint32_t at, const uint8_t *data, size_t length,
                     mocra_bytes *out) {
    decode_stage *stage = decoder->stages[at];
    stage->received += length;
    decode_io io = {.input = data, .input_length = length};
    bool full = false;
    int status = MOCRA_OK;
    while (status == MOCRA_OK && !stage->ended && (io.input_length > 0 || full))
        status = stage_step(decoder, at, &io, &full, out);
    return status;
}

// MARK: whole bodies

// Decodes the whole body at once where that is possible, else through the stages.
static int whole_decode(mocra_decoder *decoder, const uint8_t *data, size_t length, mocra_bytes *out) {
    const mocra_decoder_options *options = &decoder->options;
    // What stays within this cannot be a bomb.
    size_t limit = 0;
    if (__builtin_mul_overflow(length, (size_t)options->ratio_max, &limit)) limit = SIZE_MAX;
    if (limit < RATIO_BYTES_MIN) limit = RATIO_BYTES_MIN - 1;
    if (limit > options->decoded_max) limit = options->decoded_max;
    int status =
        decode_deflate_whole(&decoder->owner->deflate, (uint8_t)options->coding, data, length, limit, out);
    if (status != MOCRA_MORE) {
        decoder->mode = MODE_DONE;
        return status;
    }
    status = stages_begin(decoder);
    return status == MOCRA_OK ? stage_run(decoder, 0, data, length, out) : status;
}

// Holds `data`, or begins to decode when the body is whole or turns out too large to be held.
static int gather(mocra_decoder *decoder, const uint8_t *data, size_t length, mocra_bytes *out) {
    mocra_bytes *gathered = &decoder->gathered;
    uint64_t expected = decoder->options.expected;
    if (gathered->length == 0 && expected > 0 && length >= expected)
        return whole_decode(decoder, data, length, out);
    if (length > MOCRA_DECODE_GATHER_BYTES_MAX - gathered->length) {
        int status = stages_begin(decoder);
        if (status == MOCRA_OK && gathered->length > 0)
            status = stage_run(decoder, 0, gathered->data, gathered->length, out);
        gathered->length = 0;
        return status == MOCRA_OK ? stage_run(decoder, 0, data, length, out) : status;
    }
    int status = MOCRA_OK;
    if (gathered->length == 0 && expected > gathered->capacity)
        status = mocra_bytes_reserve(gathered, (size_t)expected);
    if (status == MOCRA_OK) status = mocra_bytes_append(gathered, data, length);
    if (status == MOCRA_OK && expected > 0 && gathered->length >= expected)
        status = whole_decode(decoder, gathered->data, gathered->length, out);
    return status;
}

// MARK: decoder

int mocra_decoder_create(mocra_decoders *decoders, const mocra_decoder_options *options,
                         mocra_decoder **out) {
    if (!codings_fit(options->coding)) return MOCRA_ERR_ARGUMENT;
    mocra_decoder *decoder = decoders->kept;
    if (decoder != NULL) {
        decoders->kept = decoder->next;
        decoders->kept_count--;
    } else {
        decoder = calloc(1, sizeof(*decoder));
        if (decoder == NULL) return MOCRA_ERR_MEMORY;
        decoder->owner = decoders;
    }
    decoders->used++;
    decoder->options = *options;
    decoder->received = 0;
    decoder->failure = MOCRA_OK;
    decoder->stage_count = 0;
    bool gathers = options->gather && options->expected <= MOCRA_DECODE_GATHER_BYTES_MAX &&
                   (options->coding == MOCRA_CODING_GZIP || options->coding == MOCRA_CODING_DEFLATE);
    decoder->mode = MODE_GATHER;
    int status = gathers ? MOCRA_OK : stages_begin(decoder);
    if (status != MOCRA_OK) {
        mocra_decoder_destroy(decoder);
        return status;
    }
    *out = decoder;
    return MOCRA_OK;
}

int mocra_decoder_feed(mocra_decoder *decoder, const uint8_t *data, size_t length, mocra_bytes *out) {
    if (decoder->failure != MOCRA_OK || length == 0) return decoder->failure;
    decoder->received += length;
    switch (decoder->mode) {
    case MODE_STREAM:
        decoder->failure = stage_run(decoder, 0, data, length, out);
        break;
    case MODE_GATHER:
        decoder->failure = gather(decoder, data, length, out);
        break;
    case MODE_DONE:
        break;
    }
    return decoder->failure;
}

int mocra_decoder_finish(mocra_decoder *decoder, bool whole, mocra_bytes *out) {
    if (decoder->failure != MOCRA_OK) return decoder->failure;
    const mocra_bytes *gathered = &decoder->gathered;
    if (decoder->mode == MODE_GATHER && gathered->length > 0)
        decoder->failure = whole_decode(decoder, gathered->data, gathered->length, out);
    for (uint32_t i = 0; whole && i < decoder->stage_count && decoder->failure == MOCRA_OK; i++) {
        const decode_stage *stage = decoder->stages[i];
        if (stage->received > 0 && !stage->method->whole(stage)) decoder->failure = MOCRA_ERR_DECODE;
    }
    return decoder->failure;
}

void mocra_decoder_destroy(mocra_decoder *decoder) {
    if (decoder == NULL) return;
    mocra_decoders *decoders = decoder->owner;
    MOCRA_ASSERT(decoders->used > 0);
    decoders->used--;
    for (uint32_t i = 0; i < decoder->stage_count; i++) stage_give(decoders, decoder->stages[i]);
    if (decoders->kept_count == DECODERS_KEPT_MAX) {
        decoder_free(decoder);
        return;
    }
    decoder->gathered.length = 0;
    if (decoder->gathered.capacity > GATHERED_KEPT_MAX) mocra_bytes_free(&decoder->gathered);
    decoder->next = decoders->kept;
    decoders->kept = decoder;
    decoders->kept_count++;
}
