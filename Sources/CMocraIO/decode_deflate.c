// Whole gzip and zlib bodies by libdeflate, which is nearly twice as fast as a stream. What it makes counts
// only when it is sound, complete and within the bounds: everything else is done again by zlib, so that each
// kind of failure is decided in one place.
//
// Left to zlib: raw deflate, since without a checksum the two might differ on codes that RFC 1951 forbids;
// header checksums (RFC 1952 §2.3.1), which libdeflate skips.
#include <libdeflate.h>

#include "decode_stage.h"
#include "mocra_http1.h"

enum {
    // 10 bytes of header, 8 behind, and at least an empty block.
    GZIP_BYTES_MIN = 18,
    GZIP_FLAGS_AT = 3,
    GZIP_HEADER_CHECKSUM = 0x02,
    GUESS_BYTES_MIN = 1024,
    GUESS_RATIO = 4,
    GROWTH = 4,
    TRIES_MAX = 3,
    // libdeflate copies in words as long as there is room behind.
    SLACK_BYTES = 320,
};

typedef struct whole_body {
    struct libdeflate_decompressor *decompressor;
    const uint8_t *data;
    size_t length;
    size_t decoded_max;  // left
    bool gzip;
} whole_body;

static uint32_t little_endian(const uint8_t *data) {
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

// How large one stream may be when decoded: a gzip member tells at its end (RFC 1952 §2.3.1), modulo 2^32.
// Where more members or garbage follow, this reads something else, which costs another try.
static size_t guess(const whole_body *body) {
    size_t size = body->length * GUESS_RATIO;
    if (body->gzip) size = little_endian(body->data + body->length - sizeof(uint32_t));
    return size < GUESS_BYTES_MIN ? GUESS_BYTES_MIN : size;
}

// Decodes one stream to `out` and takes it off the body.
static int stream_decode(whole_body *body, mocra_bytes *out) {
    size_t size = guess(body);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        // Larger than what may be: a lie, a bomb or a body to be cut.
        if (size > body->decoded_max && (tries > 0 || body->gzip)) return MOCRA_MORE;
        size_t room = size < body->decoded_max ? size : body->decoded_max;
        int status = mocra_bytes_reserve(out, room + SLACK_BYTES);
        if (status != MOCRA_OK) return status;
        room = out->capacity - out->length;
        size_t used = 0;
        size_t made = 0;
        enum libdeflate_result result =
            body->gzip ? libdeflate_gzip_decompress_ex(body->decompressor, body->data, body->length,
                                                       out->data + out->length, room, &used, &made)
                       : libdeflate_zlib_decompress_ex(body->decompressor, body->data, body->length,
                                                       out->data + out->length, room, &used, &made);
        if (result == LIBDEFLATE_SUCCESS && made <= body->decoded_max) {
            out->length += made;
            body->decoded_max -= made;
            body->data += used;
            body->length -= used;
            return MOCRA_OK;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE) return MOCRA_MORE;
        size = room * GROWTH;
    }
    return MOCRA_MORE;
}

static int members_decode(whole_body *body, mocra_bytes *out) {
    do {
        bool fits = body->length >= GZIP_BYTES_MIN && (body->data[GZIP_FLAGS_AT] & GZIP_HEADER_CHECKSUM) == 0;
        int status = fits ? stream_decode(body, out) : MOCRA_MORE;
        if (status != MOCRA_OK) return status;
    } while (body->length >= 2 && body->data[0] == 0x1f && body->data[1] == 0x8b);
    return MOCRA_OK;
}

int decode_deflate_whole(void **shared, uint8_t coding, const uint8_t *data, size_t length,
                         size_t decoded_max, mocra_bytes *out) {
    bool gzip = coding == MOCRA_CODING_GZIP;
    if (!gzip && (coding != MOCRA_CODING_DEFLATE || length < 2 || !decode_is_zlib(data))) return MOCRA_MORE;
    if (*shared == NULL) *shared = libdeflate_alloc_decompressor();
    if (*shared == NULL) return MOCRA_ERR_MEMORY;
    whole_body body = {*shared, data, length, decoded_max, gzip};
    size_t before = out->length;
    int status = gzip ? members_decode(&body, out) : stream_decode(&body, out);
    if (status != MOCRA_OK) out->length = before;
    return status;
}

void decode_deflate_free(void *shared) {
    libdeflate_free_decompressor(shared);
}
