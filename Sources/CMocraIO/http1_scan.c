// The scanning primitives of mocra_http1_scan.h: each SIMD path beside its scalar twin. SSE2 is the baseline
// of x86-64; AVX2 is chosen at run time. Knows bytes and character classes, not messages.
#include "mocra_http1_scan.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define MOCRA_TARGET_AVX2 __attribute__((target("avx2")))
#endif

// Bit h of entry l is set when the character with high nibble h and low nibble l is a token character. No
// byte from 0x80 up is one. The AVX2 path looks up the same table with one shuffle.
static const uint8_t token_rows[16] = {
    0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xf8, 0xf8, 0xf4, 0x54, 0xd0, 0x54, 0xf4, 0x70,
};

static bool token_holds(uint8_t byte) {
    return byte < 0x80 && (token_rows[byte & 0x0f] >> (byte >> 4) & 1) != 0;
}

static bool text_holds(uint8_t byte) {
    return byte >= 0x20 ? byte != 0x7f : byte == '\t';
}

static size_t head_end_scalar(const uint8_t *data, size_t length) {
    for (size_t at = 1; at < length; at++) {
        if (data[at] == '\n') {
            bool empty = data[at - 1] == '\n' || (at >= 2 && data[at - 1] == '\r' && data[at - 2] == '\n');
            if (empty) {
                return at + 1;
            }
        }
    }
    return 0;
}

static size_t text_scalar(const uint8_t *data, size_t at, size_t length) {
    while (at < length && text_holds(data[at])) {
        at++;
    }
    return at;
}

static size_t token_scalar(const uint8_t *data, size_t at, size_t length) {
    while (at < length && token_holds(data[at])) {
        at++;
    }
    return at;
}

#if defined(__x86_64__)

// A block that would reach past the end is moved back so that it ends there: the bytes that are looked at
// twice were found harmless before. Inputs shorter than a block go to the next narrower twin.

// Bits of the bytes at `at`… that are the LF of an empty line: LF after LF, or LF after CR after LF. Needs
// at ≥ 2.
static inline uint32_t head_end_bits_sse2(const uint8_t *data, size_t at) {
    const __m128i lf = _mm_set1_epi8('\n');
    __m128i here = _mm_loadu_si128((const __m128i *)(data + at));
    __m128i before = _mm_loadu_si128((const __m128i *)(data + at - 1));
    __m128i before_that = _mm_loadu_si128((const __m128i *)(data + at - 2));
    __m128i after_crlf =
        _mm_and_si128(_mm_cmpeq_epi8(before, _mm_set1_epi8('\r')), _mm_cmpeq_epi8(before_that, lf));
    __m128i after_line = _mm_or_si128(_mm_cmpeq_epi8(before, lf), after_crlf);
    return (uint32_t)_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(here, lf), after_line));
}

static size_t head_end_sse2(const uint8_t *data, size_t length) {
    enum { WIDTH = 16 };
    if (length < WIDTH + 2) {
        return head_end_scalar(data, length);
    }
    if (data[0] == '\n' && data[1] == '\n') {
        return 2;
    }
    for (size_t at = 2; at < length; at += WIDTH) {
        size_t block = at + WIDTH <= length ? at : length - WIDTH;
        uint32_t bits = head_end_bits_sse2(data, block);
        if (bits != 0) {
            return block + (size_t)__builtin_ctz(bits) + 1;
        }
    }
    return 0;
}

static inline uint32_t control_bits_sse2(const uint8_t *data) {
    __m128i block = _mm_loadu_si128((const __m128i *)data);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    __m128i tab = _mm_cmpeq_epi8(block, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

static size_t text_sse2(const uint8_t *data, size_t length) {
    enum { WIDTH = 16 };
    if (length < WIDTH) {
        return text_scalar(data, 0, length);
    }
    for (size_t at = 0; at < length; at += WIDTH) {
        size_t block = at + WIDTH <= length ? at : length - WIDTH;
        uint32_t bits = control_bits_sse2(data + block);
        if (bits != 0) {
            return block + (size_t)__builtin_ctz(bits);
        }
    }
    return length;
}

MOCRA_TARGET_AVX2 static inline uint32_t head_end_bits_avx2(const uint8_t *data, size_t at) {
    const __m256i lf = _mm256_set1_epi8('\n');
    __m256i here = _mm256_loadu_si256((const __m256i *)(data + at));
    __m256i before = _mm256_loadu_si256((const __m256i *)(data + at - 1));
    __m256i before_that = _mm256_loadu_si256((const __m256i *)(data + at - 2));
    __m256i after_crlf = _mm256_and_si256(_mm256_cmpeq_epi8(before, _mm256_set1_epi8('\r')),
                                          _mm256_cmpeq_epi8(before_that, lf));
    __m256i after_line = _mm256_or_si256(_mm256_cmpeq_epi8(before, lf), after_crlf);
    return (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(_mm256_cmpeq_epi8(here, lf), after_line));
}

MOCRA_TARGET_AVX2 static size_t head_end_avx2(const uint8_t *data, size_t length) {
    enum { WIDTH = 32 };
    if (length < WIDTH + 2) {
        return head_end_sse2(data, length);
    }
    if (data[0] == '\n' && data[1] == '\n') {
        return 2;
    }
    for (size_t at = 2; at < length; at += WIDTH) {
        size_t block = at + WIDTH <= length ? at : length - WIDTH;
        uint32_t bits = head_end_bits_avx2(data, block);
        if (bits != 0) {
            return block + (size_t)__builtin_ctz(bits) + 1;
        }
    }
    return 0;
}

MOCRA_TARGET_AVX2 static inline uint32_t control_bits_avx2(const uint8_t *data) {
    __m256i block = _mm256_loadu_si256((const __m256i *)data);
    __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
    __m256i tab = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\t'));
    __m256i del = _mm256_cmpeq_epi8(block, _mm256_set1_epi8(0x7f));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_andnot_si256(tab, low), del));
}

MOCRA_TARGET_AVX2 static size_t text_avx2(const uint8_t *data, size_t length) {
    enum { WIDTH = 32 };
    if (length < WIDTH) {
        return text_sse2(data, length);
    }
    for (size_t at = 0; at < length; at += WIDTH) {
        size_t block = at + WIDTH <= length ? at : length - WIDTH;
        uint32_t bits = control_bits_avx2(data + block);
        if (bits != 0) {
            return block + (size_t)__builtin_ctz(bits);
        }
    }
    return length;
}

// Field names are short, so 16 bytes at once are enough. The shuffle needs SSSE3, which SSE2 machines may
// lack.
MOCRA_TARGET_AVX2 static size_t token_avx2(const uint8_t *data, size_t length) {
    enum { WIDTH = 16 };
    const __m128i rows = _mm_loadu_si128((const __m128i *)token_rows);
    const __m128i columns = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0);
    size_t at = 0;
    for (; at + WIDTH <= length; at += WIDTH) {
        __m128i block = _mm_loadu_si128((const __m128i *)(data + at));
        // A byte from 0x80 up shuffles to 0, which is what it should be.
        __m128i row = _mm_shuffle_epi8(rows, block);
        __m128i high = _mm_and_si128(_mm_srli_epi16(block, 4), _mm_set1_epi8(0x0f));
        __m128i column = _mm_shuffle_epi8(columns, high);
        __m128i other = _mm_cmpeq_epi8(_mm_and_si128(row, column), _mm_setzero_si128());
        uint32_t bits = (uint32_t)_mm_movemask_epi8(other);
        if (bits != 0) {
            return at + (size_t)__builtin_ctz(bits);
        }
    }
    return token_scalar(data, at, length);
}

mocra_scan_path mocra_scan_best(void) {
    return __builtin_cpu_supports("avx2") ? MOCRA_SCAN_AVX2 : MOCRA_SCAN_SSE2;
}

size_t mocra_scan_head_end(mocra_scan_path path, const uint8_t *data, size_t length) {
    switch (path) {
    case MOCRA_SCAN_AVX2:
        return head_end_avx2(data, length);
    case MOCRA_SCAN_SSE2:
        return head_end_sse2(data, length);
    case MOCRA_SCAN_SCALAR:
        break;
    }
    return head_end_scalar(data, length);
}

size_t mocra_scan_text(mocra_scan_path path, const uint8_t *data, size_t length) {
    switch (path) {
    case MOCRA_SCAN_AVX2:
        return text_avx2(data, length);
    case MOCRA_SCAN_SSE2:
        return text_sse2(data, length);
    case MOCRA_SCAN_SCALAR:
        break;
    }
    return text_scalar(data, 0, length);
}

size_t mocra_scan_token(mocra_scan_path path, const uint8_t *data, size_t length) {
    return path == MOCRA_SCAN_AVX2 ? token_avx2(data, length) : token_scalar(data, 0, length);
}

#else

mocra_scan_path mocra_scan_best(void) {
    return MOCRA_SCAN_SCALAR;
}

size_t mocra_scan_head_end(mocra_scan_path path, const uint8_t *data, size_t length) {
    (void)path;
    return head_end_scalar(data, length);
}

size_t mocra_scan_text(mocra_scan_path path, const uint8_t *data, size_t length) {
    (void)path;
    return text_scalar(data, 0, length);
}

size_t mocra_scan_token(mocra_scan_path path, const uint8_t *data, size_t length) {
    (void)path;
    return token_scalar(data, 0, length);
}

#endif
