// Assertions that stay on in release: a broken invariant ends the process where it broke.
#ifndef MOCRA_ASSERT_H
#define MOCRA_ASSERT_H

#define MOCRA_ASSERT(condition) \
    ((condition) ? (void)0 : mocra_assertion_failed(#condition, __FILE__, __LINE__))

_Noreturn void mocra_assertion_failed(const char *condition, const char *file, int line);

#endif
