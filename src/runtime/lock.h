/* lock.h: a reader/writer lock of one word: two atomic operations where nobody competes, which is half of what the C
 * library's costs. Whoever finds it taken sets LOCK_WAITING and sleeps; while that is set nobody enters, so a stream of
 * readers does not keep a writer out; whoever leaves last clears the word and wakes all. */
#ifndef RUNTIME_LOCK_H
#define RUNTIME_LOCK_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    _Atomic uint32_t word; /* number of readers, or LOCK_WRITER; and LOCK_WAITING */
} rt_lock;

#define LOCK_WRITER  ((uint32_t)1 << 31)
#define LOCK_WAITING ((uint32_t)1 << 30)

/* lock.c: the slow ways. */
void rt_lock_wait(rt_lock *lock, uint32_t taken_by, uint32_t enter);
void rt_lock_wake(rt_lock *lock);

static inline void rt_lock_shared(rt_lock *lock) {
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    if ((word & (LOCK_WRITER | LOCK_WAITING)) ||
        !atomic_compare_exchange_weak_explicit(&lock->word, &word, word + 1, memory_order_acquire,
                                               memory_order_relaxed))
        rt_lock_wait(lock, LOCK_WRITER | LOCK_WAITING, 1);
}

static inline void rt_lock_exclusive(rt_lock *lock) {
    uint32_t word = 0;
    if (!atomic_compare_exchange_weak_explicit(&lock->word, &word, LOCK_WRITER, memory_order_acquire,
                                               memory_order_relaxed))
        rt_lock_wait(lock, UINT32_MAX, LOCK_WRITER);
}

static inline void rt_unlock_shared(rt_lock *lock) {
    uint32_t before = atomic_fetch_sub_explicit(&lock->word, 1, memory_order_release);
    if (before == (LOCK_WAITING | 1)) rt_lock_wake(lock);
}

static inline void rt_unlock_exclusive(rt_lock *lock) {
    if (atomic_fetch_sub_explicit(&lock->word, LOCK_WRITER, memory_order_release) & LOCK_WAITING) rt_lock_wake(lock);
}

#endif
