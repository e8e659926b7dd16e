// sources: decode.c decode_zlib.c decode_brotli.c decode_zstd.c
// sources: decode_deflate.c bytes.c error.c
// libraries: brotlidec zstd deflate
// libFuzzer entry for content decoding: each coding and rows of them. Checks the bounds, and that the outcome
// depends neither on how the input was split nor on whether it was decoded in one go. Other than where a bomb
// is noticed: the ratio is looked at between steps. And other than what was decoded before an error, and for
// br and zstd whether an error or the limit comes first: these decode ahead of what they hand out.
//
// An input is four bytes of control, then an encoded body: row of codings, limit, ratio, and the splits'
// seed.
#include <libdeflate.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_decode.h"
#include "mocra_http1.h"

enum {
    CONTROL_BYTES = 4,
    INPUT_BYTES_MAX = 4096,
    STEP_BYTES = 64 * 1024,
    RATIO_BYTES_MIN = 1 << 20,
    WRAPPED_BYTES_MAX = 1 << 16,
    GZIP_HEADER_BYTES = 10,
    GZIP_TRAILER_BYTES = 8,
};

#define REQUIRE(condition) require((condition), #condition, __LINE__)

static void require(bool holds, const char *condition, int line) {
    if (!holds) {
        fprintf(stderr, "decode_fuzzer.c:%d: violated: %s\n", line, condition);
        abort();
    }
}

static mocra_decoders *decoders;

static int decode(const mocra_decoder_options *with, const uint8_t *data, size_t length, size_t step,
                  mocra_bytes *out) {
    mocra_decoder *decoder = NULL;
    REQUIRE(mocra_decoder_create(decoders, with, &decoder) == MOCRA_OK);
    int status = MOCRA_OK;
    for (size_t at = 0; at < length && status == MOCRA_OK; at += step) {
        size_t take = step < length - at ? step : length - at;
        uint8_t *copy = malloc(take);
        REQUIRE(copy != NULL);
        memcpy(copy, data + at, take);
        status = mocra_decoder_feed(decoder, copy, take, out);
        free(copy);
        REQUIRE(out->length <= with->decoded_max && out->length <= out->capacity);
        REQUIRE(status != MOCRA_ERR_TOO_LARGE || out->length == with->decoded_max);
        // Memory stays near what the ratio allows for the bytes given so far.
        size_t allowed = (at + take) * with->ratio_max;
        REQUIRE(out->length <= (allowed > RATIO_BYTES_MIN ? allowed : RATIO_BYTES_MIN) + 2 * STEP_BYTES);
    }
    int finish = mocra_decoder_finish(decoder, true, out);
    REQUIRE(status == MOCRA_OK || finish == status);
    REQUIRE(finish == MOCRA_OK || finish == MOCRA_ERR_DECODE || finish == MOCRA_ERR_BOMB ||
            finish == MOCRA_ERR_TOO_LARGE);
    mocra_decoder_destroy(decoder);
    return finish;
}

// Whether all of the row is zlib's, which hands out all that it has decoded.
static bool is_exact(uint32_t coding) {
    return coding == MOCRA_CODING_GZIP || coding == MOCRA_CODING_DEFLATE;
}

typedef struct outcome {
    int status;
    mocra_bytes bytes;
} outcome;

static void compare(uint32_t coding, const outcome *one, const outcome *other) {
    size_t common = one->bytes.length < other->bytes.length ? one->bytes.length : other->bytes.length;
    REQUIRE(common == 0 || memcmp(one->bytes.data, other->bytes.data, common) == 0);
    if (one->status == MOCRA_ERR_BOMB || other->status == MOCRA_ERR_BOMB) return;
    REQUIRE((one->status == MOCRA_OK) == (other->status == MOCRA_OK));
    REQUIRE(one->status == other->status || !is_exact(coding));
    bool same_length = one->status == MOCRA_OK || is_exact(coding);
    REQUIRE(!same_length || one->bytes.length == other->bytes.length);
}

// Ways to give the same body: whole, in pieces, and gathered with and without its length.
static void check(mocra_decoder_options with, const uint8_t *data, size_t size, size_t step) {
    outcome outcomes[4] = {0};
    size_t all = size > 0 ? size : 1;
    outcomes[0].status = decode(&with, data, size, all, &outcomes[0].bytes);
    outcomes[1].status = decode(&with, data, size, step, &outcomes[1].bytes);
    with.gather = true;
    outcomes[2].status = decode(&with, data, size, step, &outcomes[2].bytes);
    with.expected = size;
    outcomes[3].status = decode(&with, data, size, all, &outcomes[3].bytes);
    for (int i = 1; i < 4; i++) compare(with.coding, &outcomes[0], &outcomes[i]);
    // Gathered or whole it is the same call, so that bombs agree, too.
    REQUIRE(outcomes[0].status == outcomes[3].status);
    REQUIRE(outcomes[2].status == outcomes[3].status || !is_exact(with.coding));
    for (int i = 0; i < 4; i++) mocra_bytes_free(&outcomes[i].bytes);
}

// Takes the input for raw deflate and gives it the checksum and length that it lacks for gzip: so the ways
// are compared where only the deflate codes may differ. zlib refuses some codes that libdeflate takes (an
// incomplete code for the code lengths, symbols of no meaning): then one way may succeed where the other
// fails, but what both made is the same.
static void check_wrapped(mocra_decoder_options with, const uint8_t *data, size_t size) {
    static struct libdeflate_decompressor *decompressor;
    if (decompressor == NULL) decompressor = libdeflate_alloc_decompressor();
    REQUIRE(decompressor != NULL);
    static uint8_t plain[WRAPPED_BYTES_MAX];
    static uint8_t member[INPUT_BYTES_MAX + GZIP_HEADER_BYTES + GZIP_TRAILER_BYTES];
    size_t used = 0;
    size_t made = 0;
    if (libdeflate_deflate_decompress_ex(decompressor, data, size, plain, sizeof(plain), &used, &made) !=
        LIBDEFLATE_SUCCESS)
        return;
    static const uint8_t header[GZIP_HEADER_BYTES] = {0x1f, 0x8b, 8};
    memcpy(member, header, sizeof(header));
    memcpy(member + sizeof(header), data, used);
    uint8_t *trailer = member + sizeof(header) + used;
    uint32_t checksum = libdeflate_crc32(0, plain, made);
    for (int i = 0; i < 4; i++) {
        trailer[i] = (uint8_t)(checksum >> 8 * i);
        trailer[4 + i] = (uint8_t)((uint32_t)made >> 8 * i);
    }
    size_t length = GZIP_HEADER_BYTES + used + GZIP_TRAILER_BYTES;
    with.coding = MOCRA_CODING_GZIP;
    with.decoded_max = WRAPPED_BYTES_MAX;
    mocra_bytes streamed = {0};
    mocra_bytes whole = {0};
    int stream_status = decode(&with, member, length, length, &streamed);
    with.gather = true;
    with.expected = length;
    int whole_status = decode(&with, member, length, length, &whole);
    REQUIRE(whole_status == MOCRA_OK && whole.length == made);
    REQUIRE(stream_status == MOCRA_OK || stream_status == MOCRA_ERR_DECODE);
    REQUIRE(stream_status != MOCRA_OK || streamed.length == made);
    REQUIRE(made == 0 || memcmp(whole.data, plain, made) == 0);
    size_t common = streamed.length < made ? streamed.length : made;
    REQUIRE(common == 0 || memcmp(streamed.data, plain, common) == 0);
    mocra_bytes_free(&streamed);
    mocra_bytes_free(&whole);
}

// Two bits a coding, the last one lowest; the two high bits count those before it.
static uint32_t row_of(uint8_t control) {
    static const uint32_t codings[] = {MOCRA_CODING_DEFLATE, MOCRA_CODING_GZIP, MOCRA_CODING_BROTLI,
                                       MOCRA_CODING_ZSTD};
    uint32_t row = 0;
    uint32_t more = control >> 6;
    for (uint32_t i = 0; i <= more && i < 3; i++)
        row = row << MOCRA_CODING_BITS | codings[control >> 2 * i & 3];
    return row;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < CONTROL_BYTES || size > INPUT_BYTES_MAX) {
        return 0;
    }
    if (decoders == NULL) REQUIRE(mocra_decoders_create(&decoders) == MOCRA_OK);
    mocra_decoder_options with = {
        .coding = row_of(data[0]),
        .decoded_max = data[1] < 0x80 ? (size_t)data[1] : (size_t)data[1] << 13,
        .ratio_max = 1u + data[2],
    };
    size_t step = 1 + data[3] % 64;
    check(with, data + CONTROL_BYTES, size - CONTROL_BYTES, step);
    check_wrapped(with, data + CONTROL_BYTES, size - CONTROL_BYTES);
    return 0;
}
