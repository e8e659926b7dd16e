// Has the kernel refuse io_uring to the calling process, as Docker's default seccomp profile does. For tests,
// in a process of their own: there is no way back.
#ifndef MOCRA_RING_REFUSAL_H
#define MOCRA_RING_REFUSAL_H

// io_uring_setup fails with `error` from now on, in all threads. 0, or errno where seccomp is not to be had.
int mocra_refuse_ring(int error);

#endif
