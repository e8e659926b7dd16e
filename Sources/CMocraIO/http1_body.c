// Response bodies, as in mocra_http1.h: a state machine that hands out spans of the caller's bytes. No
// allocation and no I/O. Knows nothing of sockets, buffers or time.
//
// Chunk lines and trailers end in CRLF only: RFC 9112 §2.2 allows LF alone for heads, not for chunks, and
// readers that disagree on where a chunk line ends are what response smuggling is made of. Extensions and
// trailers are skipped; their bytes are counted and may not be control characters. Small chunks with long
// extensions carry next to nothing at a thousand times the traffic, so their sum is bounded, too (§7.1.1).
#include "mocra_http1.h"
#include "mocra_http1_scan.h"

// More digits than a 64-bit size has are refused even if they are zeros.
enum { CHUNK_SIZE_DIGITS_MAX = 16, CHUNK_LINE_BYTES_USUAL = 32 };

typedef enum body_state {
    BODY_CHUNK_SIZE = 0,
    BODY_CHUNK_PADDING,    // white space behind the size, which some servers write
    BODY_CHUNK_EXTENSION,  // behind the `;`
    BODY_CHUNK_LINE_LF,
    BODY_DATA,  // of a chunk, of a length, or until the end of the connection
    BODY_DATA_CR,
    BODY_DATA_LF,
    BODY_TRAILER_START,  // at the start of a line
    BODY_TRAILER_LINE,
    BODY_TRAILER_LINE_LF,
    BODY_TRAILER_END_LF,
    BODY_DONE,
    BODY_FAILED_CHUNK,
    BODY_FAILED_TRAILER,
} body_state;

void mocra_http1_body_init(mocra_http1_body *body, const mocra_http1_head *head) {
    *body = (mocra_http1_body){.framing = head->framing, .state = BODY_DONE};
    switch ((mocra_framing)head->framing) {
    case MOCRA_FRAMING_NONE:
        break;
    case MOCRA_FRAMING_LENGTH:
        body->remaining = head->content_length;
        body->state = body->remaining > 0 ? BODY_DATA : BODY_DONE;
        break;
    case MOCRA_FRAMING_CHUNKED:
        body->state = BODY_CHUNK_SIZE;
        break;
    case MOCRA_FRAMING_CLOSE:
        body->state = BODY_DATA;
        break;
    }
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    int letter = byte | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

// The states of a chunk line behind its size share what may come next: white space, an extension, the line's
// end.
static body_state after_size(uint8_t byte) {
    return byte == ' ' || byte == '\t' ? BODY_CHUNK_PADDING
           : byte == ';'               ? BODY_CHUNK_EXTENSION
           : byte == '\r'              ? BODY_CHUNK_LINE_LF
                                       : BODY_FAILED_CHUNK;
}

static body_state size_step(mocra_http1_body *body, uint8_t byte) {
    int digit = hex_digit(byte);
    // Nothing but digits was before, and line_bytes counts this byte too.
    if (digit < 0) {
        return body->line_bytes > 1 ? after_size(byte) : BODY_FAILED_CHUNK;
    }
    if (body->line_bytes > CHUNK_SIZE_DIGITS_MAX) {
        return BODY_FAILED_CHUNK;
    }
    body->remaining = body->remaining << 4 | (uint64_t)digit;
    return BODY_CHUNK_SIZE;
}

// A chunk line ended in CR; `byte` must be its LF.
static body_state chunk_begin(mocra_http1_body *body, uint8_t byte) {
    uint64_t paid = body->remaining < MOCRA_HTTP1_CHUNK_LINE_BYTES_MAX
                        ? body->remaining + CHUNK_LINE_BYTES_USUAL
                        : MOCRA_HTTP1_CHUNK_LINE_BYTES_MAX;
    body->excess_bytes += body->line_bytes > paid ? body->line_bytes - (uint32_t)paid : 0;
    body->line_bytes = 0;
    if (byte != '\n' || body->excess_bytes > MOCRA_HTTP1_CHUNK_EXCESS_BYTES_MAX) {
        return BODY_FAILED_CHUNK;
    }
    return body->remaining > 0 ? BODY_DATA : BODY_TRAILER_START;
}

// The state after one byte outside of chunk data (RFC 9112 §7.1).
static body_state byte_step(mocra_http1_body *body, uint8_t byte) {
    switch ((body_state)body->state) {
    case BODY_CHUNK_SIZE:
        return size_step(body, byte);
    case BODY_CHUNK_PADDING:
        return after_size(byte);
    case BODY_CHUNK_EXTENSION:
        // Text was skipped before, so this is a control character.
        return byte == '\r' ? BODY_CHUNK_LINE_LF : BODY_FAILED_CHUNK;
    case BODY_CHUNK_LINE_LF:
        return chunk_begin(body, byte);
    case BODY_DATA_CR:
        return byte == '\r' ? BODY_DATA_LF : BODY_FAILED_CHUNK;
    case BODY_DATA_LF:
        body->line_bytes = 0;
        return byte == '\n' ? BODY_CHUNK_SIZE : BODY_FAILED_CHUNK;
    case BODY_TRAILER_START:
        // An empty line ends the body. Other text was skipped before.
        return byte == '\r' ? BODY_TRAILER_END_LF : BODY_FAILED_CHUNK;
    case BODY_TRAILER_LINE:
        return byte == '\r' ? BODY_TRAILER_LINE_LF : BODY_FAILED_CHUNK;
    case BODY_TRAILER_LINE_LF:
        return byte == '\n' ? BODY_TRAILER_START : BODY_FAILED_CHUNK;
    case BODY_TRAILER_END_LF:
        return byte == '\n' ? BODY_DONE : BODY_FAILED_CHUNK;
    case BODY_DATA:
    case BODY_DONE:
    case BODY_FAILED_CHUNK:
    case BODY_FAILED_TRAILER:
        break;
    }
    return BODY_FAILED_CHUNK;
}

// Takes bytes outside of chunk data: text that is of no interest as a whole, else one byte. Returns how
// many; the state tells of failure.
static size_t framing_take(mocra_http1_body *body, const uint8_t *data, size_t length) {
    bool trailers = body->state >= BODY_TRAILER_START && body->state <= BODY_TRAILER_END_LF;
    bool skip = body->state == BODY_CHUNK_EXTENSION || body->state == BODY_TRAILER_START ||
                body->state == BODY_TRAILER_LINE;
    size_t text = skip ? mocra_scan_text(mocra_scan_best(), data, length) : 0;
    size_t taken = text > 0 ? text : 1;

    uint32_t bound = trailers ? MOCRA_HTTP1_TRAILER_BYTES_MAX : MOCRA_HTTP1_CHUNK_LINE_BYTES_MAX;
    if (taken > bound - body->line_bytes) {
        body->state = trailers ? BODY_FAILED_TRAILER : BODY_FAILED_CHUNK;
        return taken;
    }
    body->line_bytes += (uint32_t)taken;
    body_state next = trailers ? BODY_TRAILER_LINE : BODY_CHUNK_EXTENSION;
    body->state = (uint8_t)(text > 0 ? next : byte_step(body, data[0]));
    return taken;
}

// Hands out body bytes from data[at]….
static int data_take(mocra_http1_body *body, size_t at, size_t length, mocra_http1_piece *piece) {
    size_t have = length - at;
    if (body->framing == MOCRA_FRAMING_CLOSE) {
        *piece = (mocra_http1_piece){at, have, length};
        return MOCRA_MORE;
    }
    size_t take = body->remaining < have ? (size_t)body->remaining : have;
    body->remaining -= take;
    if (body->remaining == 0) {
        body->state = body->framing == MOCRA_FRAMING_LENGTH ? BODY_DONE : BODY_DATA_CR;
    }
    *piece = (mocra_http1_piece){at, take, at + take};
    return body->state == BODY_DONE ? MOCRA_OK : MOCRA_MORE;
}

int mocra_http1_body_step(mocra_http1_body *body, const uint8_t *data, size_t length,
                          mocra_http1_piece *piece) {
    size_t at = 0;
    for (;;) {
        if (body->state == BODY_FAILED_CHUNK) {
            return MOCRA_ERR_CHUNK_SYNTAX;
        }
        if (body->state == BODY_FAILED_TRAILER) {
            return MOCRA_ERR_TRAILER_TOO_LARGE;
        }
        if (body->state == BODY_DONE) {
            *piece = (mocra_http1_piece){at, 0, at};
            return MOCRA_OK;
        }
        if (at == length) {
            *piece = (mocra_http1_piece){at, 0, at};
            return MOCRA_MORE;
        }
        if (body->state == BODY_DATA) {
            return data_take(body, at, length, piece);
        }
        at += framing_take(body, data + at, length - at);
    }
}

int mocra_http1_body_eof(const mocra_http1_body *body) {
    bool whole = body->framing == MOCRA_FRAMING_CLOSE || body->state == BODY_DONE;
    return whole ? MOCRA_OK : MOCRA_ERR_BODY_SHORT;
}
