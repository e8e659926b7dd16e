// HTTP/1.1 responses (RFC 9110, RFC 9112): a parser without I/O and allocation. Results are offsets into the
// caller's bytes. Knows nothing of sockets, buffers or time.
#ifndef MOCRA_HTTP1_H
#define MOCRA_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mocra_error.h"

#define MOCRA_HTTP1_HEADERS_MAX 128
#define MOCRA_HTTP1_TRAILER_BYTES_MAX 8192
#define MOCRA_HTTP1_CHUNK_LINE_BYTES_MAX 1024
// Of all chunk lines of a body, beyond 32 bytes a line and as many as the chunk has data.
#define MOCRA_HTTP1_CHUNK_EXCESS_BYTES_MAX 65536

// A piece of the caller's bytes.
typedef struct mocra_span {
    uint32_t offset;
    uint32_t length;
} mocra_span;

typedef struct mocra_header {
    mocra_span name;
    mocra_span value;
} mocra_header;

typedef enum mocra_framing {
    MOCRA_FRAMING_NONE = 0,     // no body: HEAD, 1xx, 204, 304, or length 0
    MOCRA_FRAMING_LENGTH = 1,   // Content-Length
    MOCRA_FRAMING_CHUNKED = 2,  // Transfer-Encoding: chunked
    MOCRA_FRAMING_CLOSE = 3,    // until the connection ends
} mocra_framing;

typedef enum mocra_coding {
    MOCRA_CODING_IDENTITY = 0,
    MOCRA_CODING_GZIP = 1,  // gzip and x-gzip
    MOCRA_CODING_DEFLATE = 2,
    MOCRA_CODING_UNKNOWN = 3,  // a coding of another name, or a longer row
    MOCRA_CODING_BROTLI = 4,
    MOCRA_CODING_ZSTD = 5,
} mocra_coding;
#define MOCRA_CODING_COUNT 6

// Several codings in a row are one number: each takes some bits, the one applied first the lowest.
#define MOCRA_CODING_BITS 4
#define MOCRA_CODING_MASK 15u
#define MOCRA_CODINGS_MAX 4

// One parsed response head. Spans are offsets from the first byte given to mocra_http1_parse_head.
typedef struct mocra_http1_head {
    uint64_t content_length;  // valid for MOCRA_FRAMING_LENGTH
    uint32_t head_bytes;      // from the first byte to the end of the empty line
    uint16_t status;          // 100…999
    uint16_t header_count;
    uint16_t coding;        // mocra_coding, or several in a row, from Content-Encoding
    uint8_t minor_version;  // 0, or 1 for 1.1 and above
    uint8_t framing;        // mocra_framing
    bool keep_alive;        // the connection may be used again once the body is read
    bool folded;            // some value holds line ends, each of them white space (RFC 9112 §5.2)
    mocra_span reason;
    mocra_header headers[MOCRA_HTTP1_HEADERS_MAX];
} mocra_http1_head;

// Parses a response head from `data`. `scanned` is how many of these bytes an earlier call has already seen
// without finding the end (0 at first), so that a head that drips in costs linear time. `head_request`: the
// request was HEAD, so no body follows.
// Returns MOCRA_OK with *out filled, MOCRA_MORE when the head is not whole yet (then *out is untouched), or
// NOT_HTTP, HEADER_SYNTAX, HEADER_TOO_MANY, FRAMING_AMBIGUOUS, TRANSFER_ENCODING (*out untouched).
// NOT_HTTP comes as soon as the bytes cannot be a status line, not only once the head is whole.
// The caller bounds the head's size.
int mocra_http1_parse_head(const uint8_t *data, size_t length, size_t scanned, bool head_request,
                           mocra_http1_head *out);

// What `coding` becomes with the codings of one more Content-Encoding line (RFC 9110 §8.4); identity and
// empty elements count for nothing. MOCRA_CODING_UNKNOWN once one is not known or there are more than
// MOCRA_CODINGS_MAX.
uint16_t mocra_coding_add(uint16_t coding, const uint8_t *value, size_t length);

// Index of a header by case-insensitive name (`name` in lower case), or -1.
int mocra_http1_find(const mocra_http1_head *head, const uint8_t *data, const char *name, size_t name_length);

// The header at `index` < header_count; for languages that cannot index a C array inside a struct.
static inline mocra_header mocra_header_at(const mocra_http1_head *head, int index) {
    return head->headers[index];
}

// The state of one body.
typedef struct mocra_http1_body {
    uint64_t remaining;     // bytes left of the body (length) or of the chunk (chunked)
    uint32_t line_bytes;    // bytes of the chunk line or trailer section so far
    uint32_t excess_bytes;  // of chunk lines, beyond what their data makes up for
    uint8_t framing;
    uint8_t state;
} mocra_http1_body;

// One step's result: `payload` bytes at `data + offset` belong to the body; `consumed` bytes are done with.
typedef struct mocra_http1_piece {
    size_t offset;
    size_t length;
    size_t consumed;
} mocra_http1_piece;

// Prepares the body that follows `head`.
void mocra_http1_body_init(mocra_http1_body *body, const mocra_http1_head *head);

// Takes the next bytes of the body. Returns MOCRA_OK when the body is whole (piece.consumed tells where it
// ended; what follows it is not this response's), MOCRA_MORE when more bytes are needed or more steps can be
// taken (call again with what follows `consumed`, unless nothing is left), or CHUNK_SYNTAX,
// TRAILER_TOO_LARGE.
// One call yields at most one piece. With MOCRA_FRAMING_NONE, or a length of 0, it returns MOCRA_OK at once.
int mocra_http1_body_step(mocra_http1_body *body, const uint8_t *data, size_t length,
                          mocra_http1_piece *piece);

// The connection ended. MOCRA_OK when that completes the body (close-delimited), else BODY_SHORT.
int mocra_http1_body_eof(const mocra_http1_body *body);

#endif
