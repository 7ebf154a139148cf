/* support_alloc.h: an allocator for tests that counts, and fails when told to. */
#ifndef SUPPORT_ALLOC_H
#define SUPPORT_ALLOC_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sinter/sinter.h"

typedef struct {
    _Atomic int64_t fail_at; /* > 0: the fail_at-th allocation from here on fails; 0: none */
    int fail_once;           /* the later ones succeed again */
    _Atomic int64_t calls;   /* allocations asked for */
    _Atomic int64_t live;    /* bytes */
} support_alloc;

static inline void *support_realloc(void *user, void *p, size_t old_size, size_t new_size) {
    support_alloc *a = user;
    if (!new_size) {
        atomic_fetch_sub(&a->live, p ? (int64_t)old_size : 0);
        free(p);
        return NULL;
    }
    atomic_fetch_add(&a->calls, 1);
    if (atomic_load(&a->fail_at)) {
        int64_t left = atomic_fetch_sub(&a->fail_at, 1) - 1;
        if (left == 0) {
            atomic_store(&a->fail_at, a->fail_once ? 0 : -1);
            return NULL;
        }
        if (left < 0) {
            atomic_store(&a->fail_at, -1);
            return NULL;
        }
    }
    void *q = aligned_alloc(64, (new_size + 63) & ~(size_t)63);
    if (!q) return NULL;
    if (p) memcpy(q, p, old_size < new_size ? old_size : new_size);
    atomic_fetch_add(&a->live, (int64_t)new_size - (p ? (int64_t)old_size : 0));
    free(p);
    return q;
}

static inline sn_allocator support_allocator(support_alloc *a) { return (sn_allocator){support_realloc, a}; }

#endif
