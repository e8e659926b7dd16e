// br (RFC 7932) by Brotli's decoder, as a stage of decode.c. Its window is at most 16 MiB (§9.1): the larger
// ones of no RFC stay off. What follows the end of the stream is ignored.
//
// A Brotli decoder serves one stream, so its memory comes from blocks that outlive it.
#include <brotli/decode.h>
#include <stdlib.h>

#include "decode_stage.h"

enum {
    STAGES_KEPT_MAX = 16,
    BLOCKS_MAX = 8,
    BLOCK_KEPT_BYTES_MAX = 128 * 1024,
    // Input is given in slices: on an error Brotli keeps what it had decoded since it was last asked.
    SLICE_BYTES = 4096,
};

// In front of what Brotli gets, and as aligned.
typedef union block {
    struct {
        size_t size;
    } head;
    max_align_t alignment;
} block;

typedef struct brotli_stage {
    decode_stage stage;
    BrotliDecoderState *decoder;
    block *kept[BLOCKS_MAX];
} brotli_stage;

static void *block_take(void *context, size_t size) {
    brotli_stage *self = context;
    for (int i = 0; i < BLOCKS_MAX; i++) {
        block *held = self->kept[i];
        if (held != NULL && held->head.size >= size && held->head.size / 2 <= size) {
            self->kept[i] = NULL;
            return held + 1;
        }
    }
    if (size > SIZE_MAX - sizeof(block)) {
        return NULL;
    }
    block *made = malloc(sizeof(block) + size);
    if (made == NULL) {
        return NULL;
    }
    made->head.size = size;
    return made + 1;
}

static void block_give(void *context, void *address) {
    brotli_stage *self = context;
    if (address == NULL) {
        return;
    }
    block *given = (block *)address - 1;
    for (int i = 0; i < BLOCKS_MAX && given->head.size <= BLOCK_KEPT_BYTES_MAX; i++) {
        if (self->kept[i] == NULL) {
            self->kept[i] = given;
            return;
        }
    }
    free(given);
}

static decode_stage *create(void) {
    brotli_stage *self = calloc(1, sizeof(*self));
    return self != NULL ? &self->stage : NULL;
}

static void decoder_end(brotli_stage *self) {
    if (self->decoder != NULL) {
        BrotliDecoderDestroyInstance(self->decoder);
        self->decoder = NULL;
    }
}

static int begin(decode_stage *stage) {
    brotli_stage *self = (brotli_stage *)stage;
    decoder_end(self);
    self->decoder = BrotliDecoderCreateInstance(block_take, block_give, self);
    return self->decoder != NULL ? MOCRA_OK : MOCRA_ERR_MEMORY;
}

static int step(decode_stage *stage, decode_io *io) {
    brotli_stage *self = (brotli_stage *)stage;
    for (;;) {
        size_t given = io->input_length < SLICE_BYTES ? io->input_length : SLICE_BYTES;
        size_t left = given;
        BrotliDecoderResult result =
            BrotliDecoderDecompressStream(self->decoder, &left, &io->input, &io->room, &io->output, NULL);
        io->input_length -= given - left;
        switch (result) {
        case BROTLI_DECODER_RESULT_SUCCESS:
            stage->ended = true;
            return MOCRA_OK;
        case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
            if (io->input_length == 0) {
                return MOCRA_OK;
            }
            break;
        case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
            return MOCRA_OK;
        case BROTLI_DECODER_RESULT_ERROR: {
            BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(self->decoder);
            bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                          code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
            return memory ? MOCRA_ERR_MEMORY : MOCRA_ERR_DECODE;
        }
        }
    }
}

static bool whole(const decode_stage *stage) {
    return stage->ended;
}

static bool end(decode_stage *stage) {
    decoder_end((brotli_stage *)stage);
    return true;
}

static void destroy(decode_stage *stage) {
    brotli_stage *self = (brotli_stage *)stage;
    decoder_end(self);
    for (int i = 0; i < BLOCKS_MAX; i++) {
        free(self->kept[i]);
    }
    free(self);
}

const decode_method decode_brotli = {create, begin, step, whole, end, destroy, STAGES_KEPT_MAX};
