// sources: http1.c http1_body.c http1_scan.c error.c
// libFuzzer entry for response heads and bodies. Checks what must hold for any bytes: spans inside the head,
// no more consumed than given, *out untouched on failure, the same outcome however the input was split, and
// the framing that a slow reader of RFC 9112 §6.3 decides on.
//
// An input is four bytes of control, then a response. The first byte `H` makes it the answer to HEAD (so
// "HEAD" and "GET " are natural); all four seed the splits.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mocra_http1.h"
#include "mocra_http1_scan.h"

enum { CONTROL_BYTES = 4, INPUT_BYTES_MAX = 4096 };

#define REQUIRE(condition) require((condition), #condition, __LINE__)

static void require(bool holds, const char *condition, int line) {
    if (!holds) {
        fprintf(stderr, "http1_fuzzer.c:%d: violated: %s\n", line, condition);
        abort();
    }
}

// xorshift32; where the splits fall must depend on the input alone.
static size_t split_next(uint32_t *seed, size_t most) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    // Half of the splits are short, so that the states between two bytes are all met.
    size_t bound = (*seed & 0x100) != 0 && most > 4 ? 4 : most;
    return 1 + *seed % bound;
}

// A copy of exactly this size, so that AddressSanitizer sees a read on either side of it.
static uint8_t *exact_copy(const uint8_t *data, size_t length) {
    uint8_t *copy = malloc(length > 0 ? length : 1);
    require(copy != NULL, "memory", __LINE__);
    if (length > 0) {
        memcpy(copy, data, length);
    }
    return copy;
}

static int head_parse(const uint8_t *data, size_t length, size_t scanned, bool head_request,
                      mocra_http1_head *head) {
    uint8_t *copy = exact_copy(data, length);
    mocra_http1_head before;
    memset(&before, 0xa5, sizeof(before));
    memcpy(head, &before, sizeof(before));
    int status = mocra_http1_parse_head(copy, length, scanned, head_request, head);
    if (status != MOCRA_OK) {
        REQUIRE(memcmp(head, &before, sizeof(before)) == 0);
    }
    free(copy);
    return status;
}

static bool same_head(const mocra_http1_head *a, const mocra_http1_head *b) {
    return a->content_length == b->content_length && a->head_bytes == b->head_bytes &&
           a->status == b->status && a->header_count == b->header_count &&
           a->minor_version == b->minor_version && a->framing == b->framing && a->coding == b->coding &&
           a->keep_alive == b->keep_alive && a->folded == b->folded &&
           memcmp(&a->reason, &b->reason, sizeof(a->reason)) == 0 &&
           memcmp(a->headers, b->headers, a->header_count * sizeof(a->headers[0])) == 0;
}

static void head_check(const mocra_http1_head *head, const uint8_t *data, size_t length) {
    REQUIRE(head->head_bytes <= length);
    REQUIRE(head->head_bytes >= 14);
    REQUIRE(data[head->head_bytes - 1] == '\n');
    REQUIRE(head->status >= 100 && head->status <= 999);
    REQUIRE(head->minor_version <= 1);
    REQUIRE(head->framing <= MOCRA_FRAMING_CLOSE);
    bool known = head->coding != MOCRA_CODING_UNKNOWN;
    for (uint32_t row = head->coding; row != 0 && known; row >>= MOCRA_CODING_BITS) {
        uint32_t coding = row & MOCRA_CODING_MASK;
        REQUIRE(coding != MOCRA_CODING_IDENTITY && coding != MOCRA_CODING_UNKNOWN);
        REQUIRE(coding < MOCRA_CODING_COUNT);
    }
    REQUIRE(head->header_count <= MOCRA_HTTP1_HEADERS_MAX);
    REQUIRE(head->framing != MOCRA_FRAMING_CLOSE || !head->keep_alive);
    REQUIRE((head->framing == MOCRA_FRAMING_LENGTH) == (head->content_length > 0));
    REQUIRE((size_t)head->reason.offset + head->reason.length < head->head_bytes);
    size_t at = head->reason.offset + head->reason.length;
    for (int i = 0; i < head->header_count; i++) {
        mocra_span name = head->headers[i].name;
        mocra_span value = head->headers[i].value;
        size_t name_end = (size_t)name.offset + name.length;
        REQUIRE(name.offset > at && name.length > 0);
        REQUIRE(data[name.offset - 1] == '\n');
        REQUIRE(data[name_end + strspn((const char *)data + name_end, " \t")] == ':');
        REQUIRE(memchr(data + name.offset, ':', name.length) == NULL);
        REQUIRE(value.offset > name_end);
        at = (size_t)value.offset + value.length;
        REQUIRE(at < head->head_bytes);
        REQUIRE(memchr(data + value.offset, 0, value.length) == NULL);
        if (value.length > 0) {
            REQUIRE(strchr(" \t\r\n", data[value.offset]) == NULL);
            REQUIRE(strchr(" \t\r\n", data[at - 1]) == NULL);
            // Nothing but white space lies between a value and the end of its line.
            uint8_t behind = data[at];
            REQUIRE(behind == ' ' || behind == '\t' || behind == '\r' || behind == '\n');
        }
    }
}

// A value as a string; long ones say nothing about framing.
static void value_text(const uint8_t *data, mocra_span value, char *out, size_t capacity) {
    size_t length = value.length < capacity - 1 ? value.length : capacity - 1;
    memcpy(out, data + value.offset, length);
    out[length] = 0;
}

// What a reader that trusts nothing makes of all values of Content-Length: -1 without one, -2 for nonsense.
static int64_t lengths_read(const mocra_http1_head *head, const uint8_t *data) {
    int64_t found = -1;
    for (int i = 0; i < head->header_count; i++) {
        mocra_span name = head->headers[i].name;
        if (name.length != 14 || strncasecmp((const char *)data + name.offset, "content-length", 14) != 0) {
            continue;
        }
        char text[INPUT_BYTES_MAX];
        value_text(data, head->headers[i].value, text, sizeof(text));
        char *next = text;
        for (char *part = strsep(&next, ","); part != NULL; part = strsep(&next, ",")) {
            part += strspn(part, " \t");
            size_t digits = strspn(part, "0123456789");
            size_t zeros = strspn(part, "0");
            if (digits == 0 || part[digits + strspn(part + digits, " \t")] != 0 || digits - zeros > 19) {
                return -2;
            }
            unsigned long long length = strtoull(part, NULL, 10);
            if (length > INT64_MAX || (found >= 0 && (uint64_t)found != length)) {
                return -2;
            }
            found = (int64_t)length;
        }
    }
    return found;
}

static int transfers_count(const mocra_http1_head *head, const uint8_t *data) {
    int count = 0;
    for (int i = 0; i < head->header_count; i++) {
        mocra_span name = head->headers[i].name;
        bool named =
            name.length == 17 && strncasecmp((const char *)data + name.offset, "transfer-encoding", 17) == 0;
        mocra_span value = head->headers[i].value;
        // Nothing else is accepted.
        REQUIRE(!named ||
                (value.length == 7 && strncasecmp((const char *)data + value.offset, "chunked", 7) == 0));
        count += named ? 1 : 0;
    }
    return count;
}

// A head that was accepted must say one thing only about its body.
static void framing_check(const mocra_http1_head *head, const uint8_t *data, bool head_request) {
    int64_t length = lengths_read(head, data);
    int transfers = transfers_count(head, data);
    REQUIRE(length != -2);
    REQUIRE(transfers <= 1 && (transfers == 0 || (length == -1 && head->minor_version == 1)));
    bool bodiless = head_request || head->status < 200 || head->status == 204 || head->status == 304;
    mocra_framing expected = bodiless || length == 0 ? MOCRA_FRAMING_NONE
                             : transfers == 1        ? MOCRA_FRAMING_CHUNKED
                             : length > 0            ? MOCRA_FRAMING_LENGTH
                                                     : MOCRA_FRAMING_CLOSE;
    REQUIRE(head->framing == expected);
    REQUIRE(expected != MOCRA_FRAMING_LENGTH || head->content_length == (uint64_t)length);
}

// What came of a whole input.
typedef struct outcome {
    int head_status;
    int body_status;
    int eof_status;
    size_t consumed;
    size_t payload_bytes;
    uint8_t payload[INPUT_BYTES_MAX];
    mocra_http1_head head;
} outcome;

// Feeds the body in pieces of split_next(seed), or whole when seed is 0.
static void body_run(const uint8_t *data, size_t length, uint32_t seed, outcome *result) {
    mocra_http1_body body;
    mocra_http1_body_init(&body, &result->head);
    size_t at = 0;
    size_t given = 0;
    result->body_status = MOCRA_MORE;
    while (result->body_status == MOCRA_MORE) {
        given = seed == 0 ? length : given + (given < length ? split_next(&seed, length - given) : 0);
        uint8_t *copy = exact_copy(data + at, given - at);
        size_t copy_at = 0;
        while (result->body_status == MOCRA_MORE) {
            mocra_http1_piece piece = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
            size_t left = given - at;
            result->body_status = mocra_http1_body_step(&body, copy + copy_at, left, &piece);
            if (result->body_status < 0) {
                REQUIRE(piece.offset == SIZE_MAX && piece.consumed == SIZE_MAX);
                REQUIRE(mocra_http1_body_step(&body, copy, 0, &piece) == result->body_status);
                break;
            }
            REQUIRE(piece.consumed <= left);
            REQUIRE(piece.offset <= piece.consumed && piece.length <= piece.consumed - piece.offset);
            REQUIRE(result->payload_bytes + piece.length <= INPUT_BYTES_MAX);
            memcpy(result->payload + result->payload_bytes, copy + copy_at + piece.offset, piece.length);
            result->payload_bytes += piece.length;
            at += piece.consumed;
            copy_at += piece.consumed;
            if (at == given) {
                break;
            }
            REQUIRE(piece.consumed > 0 || result->body_status == MOCRA_OK);
        }
        free(copy);
        if (given == length) {
            break;
        }
    }
    result->consumed = result->body_status >= 0 ? at : 0;
    result->eof_status = mocra_http1_body_eof(&body);
    REQUIRE(result->eof_status == MOCRA_OK || result->eof_status == MOCRA_ERR_BODY_SHORT);
}

static void run(const uint8_t *data, size_t length, bool head_request, uint32_t seed, outcome *result) {
    memset(result, 0, sizeof(*result));
    size_t given = 0;
    size_t scanned = 0;
    result->head_status = MOCRA_MORE;
    while (result->head_status == MOCRA_MORE) {
        given = seed == 0 ? length : given + (given < length ? split_next(&seed, length - given) : 0);
        result->head_status = head_parse(data, given, scanned, head_request, &result->head);
        scanned = given;
        if (given == length) {
            break;
        }
    }
    if (result->head_status == MOCRA_OK) {
        head_check(&result->head, data, length);
        framing_check(&result->head, data, head_request);
        size_t from = result->head.head_bytes;
        body_run(data + from, length - from, seed, result);
    }
}

static void scans_check(const uint8_t *data, size_t length) {
    uint8_t *copy = exact_copy(data, length);
    for (int path = MOCRA_SCAN_SSE2; path <= (int)mocra_scan_best(); path++) {
        mocra_scan_path other = (mocra_scan_path)path;
        for (size_t at = 0; at <= length; at += 1 + at / 4) {
            const uint8_t *from = copy + at;
            size_t left = length - at;
            REQUIRE(mocra_scan_head_end(MOCRA_SCAN_SCALAR, from, left) ==
                    mocra_scan_head_end(other, from, left));
            REQUIRE(mocra_scan_text(MOCRA_SCAN_SCALAR, from, left) == mocra_scan_text(other, from, left));
            REQUIRE(mocra_scan_token(MOCRA_SCAN_SCALAR, from, left) == mocra_scan_token(other, from, left));
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < CONTROL_BYTES || size > INPUT_BYTES_MAX) {
        return 0;
    }
    uint32_t seed = 0;
    memcpy(&seed, data, sizeof(seed));
    bool head_request = data[0] == 'H';
    data += CONTROL_BYTES;
    size -= CONTROL_BYTES;

    static outcome whole;
    static outcome split;
    run(data, size, head_request, 0, &whole);
    run(data, size, head_request, seed | 1, &split);
    REQUIRE(whole.head_status == split.head_status);
    if (whole.head_status == MOCRA_OK) {
        REQUIRE(same_head(&whole.head, &split.head));
        REQUIRE(whole.body_status == split.body_status);
        REQUIRE(whole.eof_status == split.eof_status);
        REQUIRE(whole.consumed == split.consumed);
        REQUIRE(whole.payload_bytes == split.payload_bytes);
        REQUIRE(memcmp(whole.payload, split.payload, whole.payload_bytes) == 0);
    }
    scans_check(data, size);
    return 0;
}
