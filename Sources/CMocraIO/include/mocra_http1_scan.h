// Scanning primitives of the HTTP/1 parser, internal to CMocraIO; in this folder so that tests can compare
// every path on the same input. Knows bytes and character classes, not messages.
#ifndef MOCRA_HTTP1_SCAN_H
#define MOCRA_HTTP1_SCAN_H

#include <stddef.h>
#include <stdint.h>

// How to scan. A path is usable when it is not above mocra_scan_best(); elsewhere than on x86-64 every path
// is the scalar one. All paths give the same answers and read only `data[0]` up to `data[length - 1]`.
typedef enum mocra_scan_path {
    MOCRA_SCAN_SCALAR = 0,
    MOCRA_SCAN_SSE2 = 1,
    MOCRA_SCAN_AVX2 = 2,
} mocra_scan_path;

// The fastest path of this machine. Cheap enough to ask for every head.
mocra_scan_path mocra_scan_best(void);

// The index behind the first empty line (LF LF, or LF CR LF), or 0 when there is none. The line before the
// empty one must end within `data` too: an empty line at the very start is not seen.
size_t mocra_scan_head_end(mocra_scan_path path, const uint8_t *data, size_t length);

// The index of the first byte that may not stand in a field value: a control character other than HTAB
// (RFC 9110 §5.5; this includes CR, LF, NUL and DEL). `length` when there is none.
size_t mocra_scan_text(mocra_scan_path path, const uint8_t *data, size_t length);

// The index of the first byte that is not a token character (RFC 9110 §5.6.2), or `length`.
size_t mocra_scan_token(mocra_scan_path path, const uint8_t *data, size_t length);

#endif
