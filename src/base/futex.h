/* futex.h: sleep until a 32-bit word changes. Waiting may also end early: callers look again in a loop. Unlike a
 * condition variable a futex has no state besides the word, so nothing is left behind in a forked child. Whoever
 * includes this defines _GNU_SOURCE. */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Returns at once unless *word is still `seen`. */
static inline void base_futex_wait(_Atomic uint32_t *word, uint32_t seen) {
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, (void *)0, (void *)0, 0);
}

static inline void base_futex_wake(_Atomic uint32_t *word, int n) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, (void *)0, (void *)0, 0);
}

#endif
