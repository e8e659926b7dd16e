// The texts of mocra_error.h.
#include "mocra_error.h"

#include <stdio.h>
#include <stdlib.h>

#include "mocra_assert.h"

const char *mocra_error_text(int error) {
    switch (error) {
#define X(code, name, kind, retryable, text) \
    case -(code):                            \
        return text;
        MOCRA_ERROR_TABLE(X)
#undef X
    default:
        return "unknown error";
    }
}

const char *mocra_error_kind(int error) {
    switch (error) {
#define X(code, name, kind, retryable, text) \
    case -(code):                            \
        return kind;
        MOCRA_ERROR_TABLE(X)
#undef X
    default:
        return "internal";
    }
}

const char *mocra_error_name(int error) {
    switch (error) {
#define X(code, name, kind, retryable, text) \
    case -(code):                            \
        return #name;
        MOCRA_ERROR_TABLE(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

bool mocra_error_retryable(int error) {
    switch (error) {
#define X(code, name, kind, retryable, text) \
    case -(code):                            \
        return retryable;
        MOCRA_ERROR_TABLE(X)
#undef X
    default:
        return false;
    }
}

_Noreturn void mocra_assertion_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "mocra: broken invariant: %s (%s:%d)\n", condition, file, line);
    abort();
}
