// Response heads and their framing, as in mocra_http1.h. No allocation and no I/O; results are spans in the
// caller's bytes. Knows nothing of sockets, buffers or time.
//
// Where RFC 9112 leaves a choice:
// - A line may end in LF alone (§2.2), as browsers accept; a CR without LF is an error.
// - At most two empty lines before the status line are skipped: some servers send one after a body.
// - A folded line (§5.2) stays part of its value: the span holds the bytes as they came, line end and white
//   space included, and `folded` says so. A reader replaces each CR and LF by a space.
// - White space between a name and its colon (§5.1) is no part of the name, as browsers take it.
// - In the four headers that this parser reads itself a fold, or white space before the colon, is
//   HEADER_SYNTAX, for another reader might see another value or no such header.
// - A minor version above 1 is read as 1.1 (RFC 9110 §2.5).
// - Whatever makes the end of the body a matter of opinion (§6.3) is an error, not a guess, also where no
//   body follows.
// - Transfer-Encoding must be exactly `chunked`. In an HTTP/1.0 response it is an error: §6.1 calls such
//   framing faulty, and a cache or proxy of that age on the way would not have known it.
#include "mocra_http1.h"

#include <string.h>

#include "mocra_http1_scan.h"

enum {
    EMPTY_LINES_MAX = 2,
    // "HTTP/1.1 200": what every status line begins with.
    STATUS_FIXED_BYTES = 12,
    // How much of a head that is not whole yet is looked at for a line that cannot be a status line.
    STATUS_EARLY_BYTES = 256,
};
_Static_assert(MOCRA_HTTP1_HEADERS_MAX <= UINT16_MAX, "header_count holds the number of headers");

// Content-Length beyond this cannot be met, and callers count bytes in signed integers.
static const uint64_t length_max = INT64_MAX;

// The input of one call. `length` bytes may be read; the head ends at `end`, behind an LF.
typedef struct input {
    const uint8_t *data;
    size_t length;
    size_t end;
    mocra_scan_path path;
} input;

// What the headers say, gathered until the last one is read.
typedef struct facts {
    uint64_t length;
    uint32_t lengths;    // values of Content-Length
    uint32_t transfers;  // fields named Transfer-Encoding
    uint16_t coding;
    bool length_bad;
    bool transfer_bad;
    bool close;
    bool keep_alive;
} facts;

// MARK: bytes and lists

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

static bool blank(uint8_t byte) {
    return byte == ' ' || byte == '\t';
}

static bool line_break(uint8_t byte) {
    return byte == '\r' || byte == '\n';
}

static bool equals(const uint8_t *data, mocra_span span, const char *name, size_t name_length) {
    if (span.length != name_length) {
        return false;
    }
    for (size_t i = 0; i < name_length; i++) {
        if (lower(data[span.offset + i]) != (uint8_t)name[i]) {
            return false;
        }
    }
    return true;
}

#define EQUALS(data, span, literal) equals(data, span, literal, sizeof(literal) - 1)

// Takes the next element off a comma-separated list (RFC 9110 §5.6.1), white space around it removed.
// Elements may be empty.
static bool list_next(const uint8_t *data, mocra_span *rest, mocra_span *element) {
    if (rest->length == 0) {
        return false;
    }
    uint32_t from = rest->offset;
    uint32_t end = rest->offset + rest->length;
    uint32_t comma = from;
    while (comma < end && data[comma] != ',') {
        comma++;
    }
    uint32_t to = comma;
    while (from < to && blank(data[from])) {
        from++;
    }
    while (to > from && blank(data[to - 1])) {
        to--;
    }
    *element = (mocra_span){from, to - from};
    uint32_t next = comma < end ? comma + 1 : end;
    *rest = (mocra_span){next, end - next};
    return true;
}

// MARK: status line

// Whether `byte` may be the i-th of a status line (RFC 9112 §4).
static bool status_byte_fits(size_t i, uint8_t byte) {
    static const uint8_t version[] = "HTTP/1.";
    if (i < sizeof(version) - 1) {
        return byte == version[i];
    }
    switch (i) {
    case 8:
        return byte == ' ';
    case 9:
        return byte >= '1' && byte <= '9';
    default:
        return byte >= '0' && byte <= '9';
    }
}

// Checks as much of the status line as there is, up to `length`. MOCRA_OK and *at at its first byte when it
// is whole up to the status code and the byte behind it, MOCRA_MORE, or NOT_HTTP.
static int status_prefix_check(const uint8_t *data, size_t length, size_t *at) {
    size_t start = 0;
    for (int lines = 0; lines < EMPTY_LINES_MAX && start < length && line_break(data[start]); lines++) {
        if (data[start] == '\r') {
            start++;
            if (start == length) {
                return MOCRA_MORE;
            }
        }
        if (data[start] != '\n') {
            return MOCRA_ERR_NOT_HTTP;
        }
        start++;
    }
    const uint8_t *line = data + start;
    size_t have = length - start;
    for (size_t i = 0; i < STATUS_FIXED_BYTES && i < have; i++) {
        if (!status_byte_fits(i, line[i])) {
            return MOCRA_ERR_NOT_HTTP;
        }
    }
    if (have <= STATUS_FIXED_BYTES) {
        return MOCRA_MORE;
    }
    uint8_t behind = line[STATUS_FIXED_BYTES];
    *at = start;
    return behind == ' ' || line_break(behind) ? MOCRA_OK : MOCRA_ERR_NOT_HTTP;
}

// The same for the reason phrase, which begins at `at`: NOT_HTTP once it holds what no reason phrase can.
static int reason_check(const input *in, size_t at) {
    size_t stop = in->length < STATUS_EARLY_BYTES ? in->length : STATUS_EARLY_BYTES;
    if (at >= stop) {
        return MOCRA_MORE;
    }
    at += mocra_scan_text(in->path, in->data + at, stop - at);
    if (at >= stop || in->data[at] == '\n') {
        return MOCRA_MORE;
    }
    bool crlf = in->data[at] == '\r' && (at + 1 == in->length || in->data[at + 1] == '\n');
    return crlf ? MOCRA_MORE : MOCRA_ERR_NOT_HTTP;
}

// MARK: header fields

// From `at` to the end of the line. False when a control character is in the way.
static bool line_take(const input *in, size_t at, size_t *text_end, size_t *next) {
    at += mocra_scan_text(in->path, in->data + at, in->length - at);
    if (at >= in->end) {
        return false;
    }
    *text_end = at;
    if (in->data[at] == '\r') {
        at++;
    }
    if (at >= in->end || in->data[at] != '\n') {
        return false;
    }
    *next = at + 1;
    return true;
}

// Reads the field line at *at with the lines folded into it. False on malformed syntax. *doubtful when not
// every reader would see this field with this value.
static bool field_take(const input *in, size_t *at, mocra_header *field, bool *folded, bool *doubtful) {
    size_t start = *at;
    size_t name_end = start + mocra_scan_token(in->path, in->data + start, in->length - start);
    size_t colon = name_end;
    while (colon < in->end && blank(in->data[colon])) {
        colon++;
    }
    if (name_end == start || colon >= in->end || in->data[colon] != ':') {
        return false;
    }
    size_t from = colon + 1;
    size_t to = 0;
    size_t next = 0;
    // From the start of the line, not from the colon: so the processor need not wait for the first scan.
    if (!line_take(in, start, &to, &next)) {
        return false;
    }
    *doubtful = colon > name_end;
    while (next < in->end && blank(in->data[next])) {
        *folded = true;
        *doubtful = true;
        if (!line_take(in, next, &to, &next)) {
            return false;
        }
    }
    while (from < to && (blank(in->data[from]) || line_break(in->data[from]))) {
        from++;
    }
    while (to > from && (blank(in->data[to - 1]) || line_break(in->data[to - 1]))) {
        to--;
    }
    field->name = (mocra_span){(uint32_t)start, (uint32_t)(name_end - start)};
    field->value = (mocra_span){(uint32_t)from, (uint32_t)(to - from)};
    *at = next;
    return true;
}

static bool length_parse(const uint8_t *data, mocra_span digits, uint64_t *out) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < digits.length; i++) {
        uint8_t byte = data[digits.offset + i];
        if (byte < '0' || byte > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(byte - '0');
        if (value > (length_max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return digits.length > 0;
}

static void content_length_read(const uint8_t *data, mocra_span value, facts *facts) {
    mocra_span element;
    bool any = false;
    while (list_next(data, &value, &element)) {
        uint64_t length = 0;
        any = true;
        if (!length_parse(data, element, &length) || (facts->lengths > 0 && length != facts->length)) {
            facts->length_bad = true;
            return;
        }
        facts->length = length;
        facts->lengths++;
    }
    // An empty value, or a comma that nothing follows.
    bool comma_last = any && data[value.offset - 1] == ',';
    facts->length_bad = facts->length_bad || !any || comma_last;
}

static void connection_read(const uint8_t *data, mocra_span value, facts *facts) {
    mocra_span element;
    while (list_next(data, &value, &element)) {
        facts->close = facts->close || EQUALS(data, element, "close");
        facts->keep_alive = facts->keep_alive || EQUALS(data, element, "keep-alive");
    }
}

static mocra_coding coding_named(const uint8_t *data, mocra_span name) {
    if (EQUALS(data, name, "gzip") || EQUALS(data, name, "x-gzip")) {
        return MOCRA_CODING_GZIP;
    }
    if (EQUALS(data, name, "br")) {
        return MOCRA_CODING_BROTLI;
    }
    if (EQUALS(data, name, "zstd")) {
        return MOCRA_CODING_ZSTD;
    }
    return EQUALS(data, name, "deflate") ? MOCRA_CODING_DEFLATE : MOCRA_CODING_UNKNOWN;
}

uint16_t mocra_coding_add(uint16_t coding, const uint8_t *value, size_t length) {
    mocra_span rest = {0, length < UINT32_MAX ? (uint32_t)length : UINT32_MAX};
    mocra_span element;
    while (coding != MOCRA_CODING_UNKNOWN && list_next(value, &rest, &element)) {
        if (element.length == 0 || EQUALS(value, element, "identity")) {
            continue;
        }
        mocra_coding next = coding_named(value, element);
        uint32_t shift = 0;
        while (coding >> shift != 0) {
            shift += MOCRA_CODING_BITS;
        }
        if (next == MOCRA_CODING_UNKNOWN || shift == MOCRA_CODING_BITS * MOCRA_CODINGS_MAX) {
            return MOCRA_CODING_UNKNOWN;
        }
        coding = (uint16_t)(coding | (uint32_t)next << shift);
    }
    return coding;
}

// Reads the headers that decide on framing, connection and coding. False when one of them is
// doubtful.
static bool field_read(const uint8_t *data, const mocra_header *field, bool doubtful, facts *facts) {
    switch (field->name.length) {
    case sizeof("connection") - 1:
        if (EQUALS(data, field->name, "connection")) {
            connection_read(data, field->value, facts);
            return !doubtful;
        }
        return true;
    case sizeof("content-length") - 1:
        if (EQUALS(data, field->name, "content-length")) {
            content_length_read(data, field->value, facts);
            return !doubtful;
        }
        return true;
    case sizeof("content-encoding") - 1:
        if (EQUALS(data, field->name, "content-encoding")) {
            facts->coding = mocra_coding_add(facts->coding, data + field->value.offset, field->value.length);
            return !doubtful;
        }
        return true;
    case sizeof("transfer-encoding") - 1:
        if (EQUALS(data, field->name, "transfer-encoding")) {
            facts->transfers++;
            facts->transfer_bad = facts->transfers > 1 || !EQUALS(data, field->value, "chunked");
            return !doubtful;
        }
        return true;
    default:
        return true;
    }
}

// MARK: framing

// RFC 9112 §6.3, with the choices at the top of this file.
static int framing_decide(const facts *facts, bool head_request, mocra_http1_head *head) {
    if (facts->length_bad || (facts->transfers > 0 && facts->lengths > 0)) {
        return MOCRA_ERR_FRAMING_AMBIGUOUS;
    }
    bool chunked = facts->transfers > 0;
    if (facts->transfer_bad || (chunked && head->minor_version == 0)) {
        return MOCRA_ERR_TRANSFER_ENCODING;
    }
    bool never_body = head->status < 200 || head->status == 204;
    bool persistent = !facts->close && (head->minor_version == 1 || facts->keep_alive);
    head->content_length = 0;
    if (head_request || never_body || head->status == 304) {
        head->framing = MOCRA_FRAMING_NONE;
        // A server that announces a body where none may be (RFC 9110 §8.6, RFC 9112 §6.1) may well send it,
        // and it would be taken for the next answer. After 101 the connection is no longer HTTP.
        bool announced = never_body && (chunked || facts->length > 0);
        head->keep_alive = persistent && !announced && head->status != 101;
    } else if (chunked) {
        head->framing = MOCRA_FRAMING_CHUNKED;
        head->keep_alive = persistent;
    } else if (facts->lengths > 0) {
        head->framing = facts->length > 0 ? MOCRA_FRAMING_LENGTH : MOCRA_FRAMING_NONE;
        head->content_length = facts->length;
        head->keep_alive = persistent;
    } else {
        head->framing = MOCRA_FRAMING_CLOSE;
        head->keep_alive = false;
    }
    head->coding = facts->coding;
    return MOCRA_OK;
}

// MARK: head

// Copies what is filled; the unused headers of *out are left alone.
static void head_copy(const mocra_http1_head *from, mocra_http1_head *out) {
    memcpy(out, from, offsetof(mocra_http1_head, headers));
    memcpy(out->headers, from->headers, from->header_count * sizeof(from->headers[0]));
}

// Parses the whole head whose status line begins at `start`.
static int head_parse(const input *in, size_t start, bool head_request, mocra_http1_head *out) {
    const uint8_t *line = in->data + start;
    size_t text_end = 0;
    size_t at = 0;
    if (!line_take(in, start + STATUS_FIXED_BYTES, &text_end, &at)) {
        return MOCRA_ERR_NOT_HTTP;
    }
    mocra_http1_head head;
    head.minor_version = line[7] == '0' ? 0 : 1;
    head.status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    size_t reason = start + STATUS_FIXED_BYTES + (text_end > start + STATUS_FIXED_BYTES ? 1 : 0);
    head.reason = (mocra_span){(uint32_t)reason, (uint32_t)(text_end - reason)};
    head.header_count = 0;
    head.folded = false;

    facts facts = {0};
    while (at < in->end && !line_break(in->data[at])) {
        if (head.header_count == MOCRA_HTTP1_HEADERS_MAX) {
            return MOCRA_ERR_HEADER_TOO_MANY;
        }
        mocra_header *field = &head.headers[head.header_count];
        bool doubtful = false;
        if (!field_take(in, &at, field, &head.folded, &doubtful) ||
            !field_read(in->data, field, doubtful, &facts)) {
            return MOCRA_ERR_HEADER_SYNTAX;
        }
        head.header_count++;
    }
    if (!line_take(in, at, &text_end, &at)) {
        return MOCRA_ERR_HEADER_SYNTAX;
    }
    head.head_bytes = (uint32_t)at;
    int status = framing_decide(&facts, head_request, &head);
    if (status == MOCRA_OK) {
        head_copy(&head, out);
    }
    return status;
}

int mocra_http1_parse_head(const uint8_t *data, size_t length, size_t scanned, bool head_request,
                           mocra_http1_head *out) {
    if (length > UINT32_MAX) {
        length = UINT32_MAX;  // Spans are 32 bits wide, and a caller bounds a head far below that.
    }
    if (length == 0) {
        return MOCRA_MORE;
    }
    size_t start = 0;
    int status = status_prefix_check(data, length, &start);
    if (status != MOCRA_OK) {
        return status;
    }
    // The empty line may have begun in the last two bytes that an earlier call saw.
    size_t from = scanned > 3 ? scanned - 3 : 0;
    from = from < start ? start : from;
    from = from > length ? length : from;
    input in = {data, length, 0, mocra_scan_best()};
    size_t found = mocra_scan_head_end(in.path, data + from, length - from);
    if (found == 0) {
        return scanned < STATUS_EARLY_BYTES ? reason_check(&in, start + STATUS_FIXED_BYTES) : MOCRA_MORE;
    }
    in.end = from + found;
    return head_parse(&in, start, head_request, out);
}

int mocra_http1_find(const mocra_http1_head *head, const uint8_t *data, const char *name,
                     size_t name_length) {
    for (int i = 0; i < head->header_count; i++) {
        if (equals(data, head->headers[i].name, name, name_length)) {
            return i;
        }
    }
    return -1;
}
