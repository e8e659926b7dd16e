// System calls that Swift's Glibc module leaves out, because they are not POSIX's. For tests.
#ifndef MOCRA_SYSTEM_CALLS_H
#define MOCRA_SYSTEM_CALLS_H

#include <spawn.h>

// accept4(2): a connection that does not block and that no child inherits, or -1 with errno.
int mocra_accept(int listener);

// posix_spawn_file_actions_addclosefrom_np(3): the child has no descriptor from `first` on, not even one that
// is opened while it starts. 0, or an errno.
int mocra_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

#endif
