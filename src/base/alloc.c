/* Host memory through the caller's allocator. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *user, void *p, size_t old_size, size_t new_size) {
    (void)user;
    if (!new_size) {
        free(p);
        return NULL;
    }
    if (new_size > SIZE_MAX - 64) return NULL;
    void *q = aligned_alloc(64, (new_size + 63) & ~(size_t)63);
    if (q && p) {
        memcpy(q, p, old_size < new_size ? old_size : new_size);
        free(p);
    }
    return q;
}

void base_alloc_init(base_alloc *alloc, const sn_allocator *hook) {
    alloc->hook = hook ? *hook : (sn_allocator){libc_realloc, NULL};
    atomic_init(&alloc->fail_at, 0);
    atomic_init(&alloc->live_bytes, 0);
}

/* True when a test asked for this allocation to fail: the fail_at-th and every later one. */
static int must_fail(base_alloc *alloc) {
    int64_t left = atomic_load_explicit(&alloc->fail_at, memory_order_relaxed);
    if (left == 0) return 0;
    if (left < 0) return 1;
    left = atomic_fetch_sub_explicit(&alloc->fail_at, 1, memory_order_relaxed) - 1;
    if (left > 0) return 0;
    atomic_store_explicit(&alloc->fail_at, -1, memory_order_relaxed);
    return 1;
}

void *base_malloc(base_alloc *alloc, size_t size) { return base_realloc(alloc, NULL, 0, size); }

void *base_calloc(base_alloc *alloc, size_t size) {
    void *p = base_malloc(alloc, size);
    if (p) memset(p, 0, size);
    return p;
}

void *base_realloc(base_alloc *alloc, void *p, size_t old_size, size_t new_size) {
    if (!new_size) {
        base_free(alloc, p, old_size);
        return NULL;
    }
    if (must_fail(alloc)) return NULL;
    void *q = alloc->hook.realloc(alloc->hook.user, p, p ? old_size : 0, new_size);
    if (!q) return NULL;
    atomic_fetch_add_explicit(&alloc->live_bytes, new_size - (p ? old_size : 0), memory_order_relaxed);
    return q;
}

void base_free(base_alloc *alloc, void *p, size_t size) {
    if (!p) return;
    alloc->hook.realloc(alloc->hook.user, p, size, 0);
    atomic_fetch_sub_explicit(&alloc->live_bytes, size, memory_order_relaxed);
}
