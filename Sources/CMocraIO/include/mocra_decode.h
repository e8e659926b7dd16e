// Content decoding (RFC 9110 §8.4.1): gzip, deflate, br and zstd, several in a row, bounded in size, ratio
// and memory. Knows nothing of connections.
#ifndef MOCRA_DECODE_H
#define MOCRA_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_bytes.h"
#include "mocra_error.h"

// The largest encoded body that is gathered to be decoded in one go.
#define MOCRA_DECODE_GATHER_BYTES_MAX (256u << 10)

// What one thread's decoders share and keep for the next body, so that steady traffic allocates nothing.
typedef struct mocra_decoders mocra_decoders;

typedef struct mocra_decoder mocra_decoder;

typedef struct mocra_decoder_options {
    // Codings in the order they were applied, as in mocra_http1_head.coding.
    uint32_t coding;
    // decoded ÷ received bytes above which decoding stops with BOMB, counted once 1 MiB were decoded. It
    // holds for each coding of a row by itself and for all of them together.
    uint32_t ratio_max;
    // Bytes after which decoding stops with TOO_LARGE; what was decoded up to there is kept. What lies
    // between two codings is never held whole, and is BOMB beyond twice this and 1 MiB.
    size_t decoded_max;
    // Length of the encoded body, 0 when it is not known.
    uint64_t expected;
    // Output may wait for the end of the body: a body of one coding up to MOCRA_DECODE_GATHER_BYTES_MAX is
    // then held encoded and decoded in one go, which is faster.
    bool gather;
} mocra_decoder_options;

int mocra_decoders_create(mocra_decoders **out);
// Every decoder must have been destroyed.
void mocra_decoders_destroy(mocra_decoders *decoders);

// MEMORY, or ARGUMENT for a coding that is not known and for none.
int mocra_decoder_create(mocra_decoders *decoders, const mocra_decoder_options *options, mocra_decoder **out);
// Decodes `data` and appends to `out`. MOCRA_OK, DECODE, BOMB, TOO_LARGE or MEMORY, which then stays. Several
// gzip members or zstd frames in a row are one body; bytes after the end are ignored, as browsers do.
int mocra_decoder_feed(mocra_decoder *decoder, const uint8_t *data, size_t length, mocra_bytes *out);
// No more comes. `whole`: the received body is whole, so that its codings must be, too, or it is DECODE; an
// empty body is. Otherwise what came is decoded as far as it goes. Errors as for mocra_decoder_feed.
int mocra_decoder_finish(mocra_decoder *decoder, bool whole, mocra_bytes *out);
void mocra_decoder_destroy(mocra_decoder *decoder);

#endif
