/* alloc.h: host memory through the caller's allocator, and the hook by which tests make the n-th allocation fail. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "sinter/sinter.h"

/* Everything that allocates holds one of these (owned by the context). Thread-safe. */
typedef struct base_alloc {
    sn_allocator hook;       /* never NULL inside */
    _Atomic int64_t fail_at; /* > 0: counts down with each allocation; the one that reaches 0 fails, and all later ones;
                                0: none fails. Set by tests. */
    _Atomic size_t live_bytes; /* for tests: 0 when everything has been freed */
} base_alloc;

/* hook NULL: the C library's memory. */
void base_alloc_init(base_alloc *alloc, const sn_allocator *hook);

/* 64-byte aligned, not cleared. NULL on failure or size 0. */
void *base_malloc(base_alloc *alloc, size_t size);
void *base_calloc(base_alloc *alloc, size_t size);
void *base_realloc(base_alloc *alloc, void *p, size_t old_size, size_t new_size);
/* size must be what was asked for. p may be NULL. */
void base_free(base_alloc *alloc, void *p, size_t size);

#endif
