/* Waiting for a reader/writer lock, and waking those who wait. Invariant: a word with LOCK_WAITING and no holder is
 * seen only between the last holder's leaving and its clearing the word; nobody enters in between. */
#define _GNU_SOURCE
#include "runtime/lock.h"

#include <limits.h>

#include "base/futex.h"

void rt_lock_wait(rt_lock *lock, uint32_t taken_by, uint32_t enter) {
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    for (;;) {
        if (!(word & taken_by)) {
            if (atomic_compare_exchange_weak_explicit(&lock->word, &word, word + enter, memory_order_acquire,
                                                      memory_order_relaxed))
                return;
            continue;
        }
        if (!(word & LOCK_WAITING) &&
            !atomic_compare_exchange_weak_explicit(&lock->word, &word, word | LOCK_WAITING, memory_order_relaxed,
                                                   memory_order_relaxed))
            continue;
        base_futex_wait(&lock->word, word | LOCK_WAITING);
        word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    }
}

/* By a read-modify-write, so that whoever enters next is ordered after all readers that left, not only after the last.
 */
void rt_lock_wake(rt_lock *lock) {
    atomic_fetch_and_explicit(&lock->word, ~LOCK_WAITING, memory_order_release);
    base_futex_wake(&lock->word, INT_MAX);
}
