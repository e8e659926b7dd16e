// A request as it was written for HTTP/1.1, read again for HTTP/2; see http2.h.
#include <string.h>

#include "http2.h"

static bool is_named(const uint8_t *name, size_t length, const char *expected) {
    return strlen(expected) == length && memcmp(name, expected, length) == 0;
}

// Fields that say something of the connection, which HTTP/2 forbids (RFC 9113 §8.2.2).
static bool is_of_connection(const uint8_t *name, size_t length, const uint8_t *value, size_t value_length) {
    if (is_named(name, length, "te")) return !is_named(value, value_length, "trailers");
    return is_named(name, length, "connection") || is_named(name, length, "keep-alive") ||
           is_named(name, length, "proxy-connection") || is_named(name, length, "transfer-encoding") ||
           is_named(name, length, "upgrade") || is_named(name, length, "expect");
}

static nghttp2_nv field(const uint8_t *name, size_t name_length, const uint8_t *value, size_t value_length) {
    // nghttp2 copies both: the request's memory may go before the frame does.
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = name_length,
                        .valuelen = value_length,
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

static nghttp2_nv pseudo(const char *name, const uint8_t *value, size_t length) {
    return field((const uint8_t *)name, strlen(name), value, length);
}

// One field line: its name in lower case, its value without the space in front.
static int take_line(uint8_t *line, size_t length, nghttp2_nv *fields, size_t *count) {
    uint8_t *colon = memchr(line, ':', length);
    if (colon == NULL || memchr(line, '\n', length) != NULL || memchr(line, '\0', length) != NULL)
        return MOCRA_ERR_ARGUMENT;
    size_t name_length = (size_t)(colon - line);
    for (size_t i = 0; i < name_length; i++)
        if (line[i] >= 'A' && line[i] <= 'Z') line[i] |= 0x20;
    const uint8_t *value = colon + 1;
    size_t value_length = length - name_length - 1;
    while (value_length > 0 && *value == ' ') {
        value++;
        value_length--;
    }
    if (is_of_connection(line, name_length, value, value_length)) return MOCRA_OK;
    if (is_named(line, name_length, "host")) {
        fields[2] = pseudo(":authority", value, value_length);
        return MOCRA_OK;
    }
    if (*count == HTTP2_FIELDS_MAX) return MOCRA_ERR_HEADER_TOO_MANY;
    fields[(*count)++] = field(line, name_length, value, value_length);
    return MOCRA_OK;
}

int http2_request_fields(mocra_bytes *request, bool secure, nghttp2_nv *fields, size_t *count,
                         size_t *content) {
    uint8_t *data = request->data;
    uint8_t *end = data + request->length;
    uint8_t *line_end = memchr(data, '\r', request->length);
    uint8_t *method_end = line_end != NULL ? memchr(data, ' ', (size_t)(line_end - data)) : NULL;
    if (method_end == NULL || line_end - method_end < 10) return MOCRA_ERR_ARGUMENT;
    const uint8_t *target = method_end + 1;
    size_t target_length = (size_t)(line_end - target) - strlen(" HTTP/1.1");
    fields[0] = pseudo(":method", data, (size_t)(method_end - data));
    fields[1] = secure ? pseudo(":scheme", (const uint8_t *)"https", 5)
                       : pseudo(":scheme", (const uint8_t *)"http", 4);
    fields[2] = pseudo(":authority", target, 0);
    fields[3] = pseudo(":path", target, target_length);
    *count = 4;
    uint8_t *line = line_end + 2;
    while (line < end) {
        line_end = memchr(line, '\r', (size_t)(end - line));
        if (line_end == NULL) return MOCRA_ERR_ARGUMENT;
        if (line_end == line) {
            *content = (size_t)(line + 2 - data);
            return MOCRA_OK;
        }
        int result = take_line(line, (size_t)(line_end - line), fields, count);
        if (result != MOCRA_OK) return result;
        line = line_end + 2;
    }
    return MOCRA_ERR_ARGUMENT;
}
