// sources: http1_body.c http1_scan.c error.c
// libFuzzer entry for response bodies, chunked ones above all: the machine against a slow reader that knows
// the whole input, in pieces that the input chooses. The same payload, the same end, the same kind of error.
//
// An input is four bytes of control, then a body: the framing (by its two low bits), the length, and the
// splits' seed.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mocra_http1.h"

enum { CONTROL_BYTES = 4, INPUT_BYTES_MAX = 1 << 17, DIGITS_MAX = 16, LINE_BYTES_USUAL = 32 };

#define REQUIRE(condition) require((condition), #condition, __LINE__)

static void require(bool holds, const char *condition, int line) {
    if (!holds) {
        fprintf(stderr, "http1_body_fuzzer.c:%d: violated: %s\n", line, condition);
        abort();
    }
}

// What came of a whole body.
typedef struct outcome {
    int status;
    size_t consumed;  // valid for MOCRA_OK
    size_t payload_bytes;
    uint8_t payload[INPUT_BYTES_MAX];
} outcome;

// The payload is large, and what lies behind payload_bytes is never looked at.
static void outcome_reset(outcome *result, int status) {
    result->status = status;
    result->consumed = 0;
    result->payload_bytes = 0;
}

// A line that should end in CRLF: its length without that, or SIZE_MAX with *status set. A control character
// before the end, or a line beyond `bound` bytes with its end, is `error`.
static size_t line_length(const uint8_t *data, size_t length, size_t bound, int error, int *status) {
    for (size_t i = 0; i < length; i++) {
        bool whole = data[i] == '\r' && i + 1 < length && data[i + 1] == '\n';
        bool text = data[i] == '\t' || (data[i] >= 0x20 && data[i] != 0x7f);
        bool half = data[i] == '\r' && i + 1 == length;
        // What follows a CR is judged by the bound first, whatever it is.
        bool pair = data[i] == '\r' && i + 1 < length;
        if (i + (pair ? 2 : 1) > bound) {
            *status = error;
            return SIZE_MAX;
        }
        if (whole) {
            return i;
        }
        if (!text && !half) {
            *status = MOCRA_ERR_CHUNK_SYNTAX;
            return SIZE_MAX;
        }
    }
    *status = MOCRA_MORE;
    return SIZE_MAX;
}

// The size at the start of a chunk line. `whole`: the line's end is known. CHUNK_SYNTAX, or MOCRA_OK.
static int size_read(const uint8_t *line, size_t length, bool whole, uint64_t *size) {
    size_t digits = 0;
    *size = 0;
    while (digits < length && line[digits] != 0 && strchr("0123456789abcdefABCDEF", line[digits]) != NULL) {
        char digit[2] = {(char)line[digits], 0};
        *size = *size * 16 + strtoul(digit, NULL, 16);
        digits++;
    }
    if (digits > DIGITS_MAX || (digits == 0 && (length > 0 || whole))) {
        return MOCRA_ERR_CHUNK_SYNTAX;
    }
    size_t at = digits;
    while (at < length && (line[at] == ' ' || line[at] == '\t')) {
        at++;
    }
    return at == length || line[at] == ';' ? MOCRA_OK : MOCRA_ERR_CHUNK_SYNTAX;
}

// What may still become a chunk line: text, perhaps its CR.
static int partial_check(const uint8_t *line, size_t length) {
    size_t text = length > 0 && line[length - 1] == '\r' ? length - 1 : length;
    uint64_t size;
    return size_read(line, text, text < length, &size) == MOCRA_OK ? MOCRA_MORE : MOCRA_ERR_CHUNK_SYNTAX;
}

static int trailers_read(const uint8_t *data, size_t length, size_t *taken) {
    size_t at = 0;
    for (;;) {
        int status = MOCRA_OK;
        size_t line = line_length(data + at, length - at, MOCRA_HTTP1_TRAILER_BYTES_MAX - at,
                                  MOCRA_ERR_TRAILER_TOO_LARGE, &status);
        if (line == SIZE_MAX) {
            return status;
        }
        at += line + 2;
        if (line == 0) {
            *taken = at;
            return MOCRA_OK;
        }
    }
}

// The reference: RFC 9112 §7.1 with the bounds of mocra_http1.h, on the whole input.
static void chunks_read(const uint8_t *data, size_t length, outcome *result) {
    size_t at = 0;
    size_t excess = 0;
    for (;;) {
        int status = MOCRA_OK;
        size_t line = line_length(data + at, length - at, MOCRA_HTTP1_CHUNK_LINE_BYTES_MAX,
                                  MOCRA_ERR_CHUNK_SYNTAX, &status);
        uint64_t size = 0;
        if (line == SIZE_MAX) {
            result->status = status == MOCRA_MORE ? partial_check(data + at, length - at) : status;
            return;
        }
        result->status = size_read(data + at, line, true, &size);
        if (result->status != MOCRA_OK) {
            return;
        }
        size_t paid = LINE_BYTES_USUAL + (size < INPUT_BYTES_MAX ? (size_t)size : INPUT_BYTES_MAX);
        excess += line + 2 > paid ? line + 2 - paid : 0;
        at += line + 2;
        if (excess > MOCRA_HTTP1_CHUNK_EXCESS_BYTES_MAX) {
            result->status = MOCRA_ERR_CHUNK_SYNTAX;
            return;
        }
        if (size == 0) {
            size_t taken = 0;
            result->status = trailers_read(data + at, length - at, &taken);
            result->consumed = at + taken;
            return;
        }
        size_t have = length - at < size ? length - at : (size_t)size;
        memcpy(result->payload + result->payload_bytes, data + at, have);
        result->payload_bytes += have;
        at += have;
        size_t end = length - at < 2 ? length - at : 2;
        if (have == size && memcmp(data + at, "\r\n", end) != 0) {
            result->status = MOCRA_ERR_CHUNK_SYNTAX;
            return;
        }
        if (have < size || end < 2) {
            result->status = MOCRA_MORE;
            return;
        }
        at += 2;
    }
}

static void reference_run(const mocra_http1_head *head, const uint8_t *data, size_t length, outcome *result) {
    outcome_reset(result, MOCRA_OK);
    if (head->framing == MOCRA_FRAMING_CHUNKED) {
        chunks_read(data, length, result);
    } else if (head->framing != MOCRA_FRAMING_NONE) {
        bool by_length = head->framing == MOCRA_FRAMING_LENGTH;
        size_t take = by_length && head->content_length < length ? (size_t)head->content_length : length;
        memcpy(result->payload, data, take);
        result->payload_bytes = take;
        result->consumed = take;
        result->status = by_length && head->content_length == take ? MOCRA_OK : MOCRA_MORE;
    }
}

// xorshift32.
static size_t split_next(uint32_t *seed, size_t most) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    size_t bound = (*seed & 0x100) != 0 && most > 4 ? 4 : most;
    return 1 + *seed % bound;
}

// Feeds one copied piece until it is used up or the body ends.
static void piece_feed(mocra_http1_body *body, const uint8_t *data, size_t length, size_t offset,
                       outcome *result) {
    uint8_t *copy = malloc(length > 0 ? length : 1);
    require(copy != NULL, "memory", __LINE__);
    memcpy(copy, data + offset, length);
    size_t at = 0;
    do {
        mocra_http1_piece piece = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
        result->status = mocra_http1_body_step(body, copy + at, length - at, &piece);
        if (result->status < 0) {
            REQUIRE(piece.offset == SIZE_MAX && piece.consumed == SIZE_MAX);
            break;
        }
        REQUIRE(piece.consumed <= length - at);
        REQUIRE(piece.offset <= piece.consumed && piece.length <= piece.consumed - piece.offset);
        memcpy(result->payload + result->payload_bytes, copy + at + piece.offset, piece.length);
        result->payload_bytes += piece.length;
        at += piece.consumed;
        REQUIRE(piece.consumed > 0 || at == length || result->status == MOCRA_OK);
    } while (result->status == MOCRA_MORE && at < length);
    result->consumed = offset + at;
    free(copy);
}

static void machine_run(const mocra_http1_head *head, const uint8_t *data, size_t length, uint32_t seed,
                        outcome *result) {
    outcome_reset(result, MOCRA_MORE);
    mocra_http1_body body;
    mocra_http1_body_init(&body, head);
    size_t at = 0;
    do {
        size_t take = length - at;
        if (seed != 0 && take > 0) {
            take = split_next(&seed, take);
        }
        piece_feed(&body, data, take, at, result);
        at += take;
    } while (result->status == MOCRA_MORE && at < length);
    int end = mocra_http1_body_eof(&body);
    bool whole = result->status == MOCRA_OK || head->framing == MOCRA_FRAMING_CLOSE;
    REQUIRE(end == (whole ? MOCRA_OK : MOCRA_ERR_BODY_SHORT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < CONTROL_BYTES || size > INPUT_BYTES_MAX) {
        return 0;
    }
    // Three of four inputs are chunked.
    static const mocra_framing framings[] = {MOCRA_FRAMING_LENGTH, MOCRA_FRAMING_NONE, MOCRA_FRAMING_CLOSE};
    mocra_http1_head head = {.framing = MOCRA_FRAMING_CHUNKED};
    if ((data[0] & 3) == 3) {
        head.framing = (uint8_t)framings[data[0] / 4 % 3];
        head.content_length = head.framing == MOCRA_FRAMING_LENGTH ? data[1] : 0;
    }
    uint32_t seed = (uint32_t)data[2] << 8 | data[3] | 0x10000;
    data += CONTROL_BYTES;
    size -= CONTROL_BYTES;

    static outcome expected;
    static outcome found;
    reference_run(&head, data, size, &expected);
    for (int way = 0; way < 2; way++) {
        machine_run(&head, data, size, way == 0 ? 0 : seed, &found);
        REQUIRE(found.status == expected.status);
        REQUIRE(found.status != MOCRA_OK || found.consumed == expected.consumed);
        REQUIRE(found.payload_bytes == expected.payload_bytes);
        REQUIRE(memcmp(found.payload, expected.payload, expected.payload_bytes) == 0);
    }
    return 0;
}
