/* arena.h: memory that is freed all at once. One arena per graph and one per compile. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/alloc.h"
#include "base/trap.h"

typedef struct base_block base_block;

typedef struct base_arena {
    base_alloc *alloc; /* borrowed */
    base_trap *trap;   /* borrowed; where a failed allocation jumps to */
    base_block *blocks;
    size_t used, cap; /* of the newest block */
} base_arena;

void base_arena_init(base_arena *arena, base_alloc *alloc, base_trap *trap);
void base_arena_free(base_arena *arena);

/* Never returns NULL: jumps to the trap with SN_ERR_NOMEM. Cleared to zero, aligned to 16. size 0 gives a valid
 * pointer. Must be called under base_protect(arena->trap). */
void *base_arena_alloc(base_arena *arena, size_t size);
void *base_arena_array(base_arena *arena, size_t n, size_t size); /* checks the product */
char *base_arena_strdup(base_arena *arena, const char *text);
__attribute__((format(printf, 2, 3))) char *base_arena_printf(base_arena *arena, const char *format, ...);

#define ARENA_NEW(arena, type)      ((type *)base_arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, n) ((type *)base_arena_array((arena), (n), sizeof(type)))

/* A growing array in an arena: declare `BASE_VEC(int) v;`, zero it, `*base_vec_push(&v, arena) = 3`. Old storage is
 * left to the arena, so pointers into it stay readable but stale. */
#define BASE_VEC(type)                                                                                                 \
    struct {                                                                                                           \
        type *at;                                                                                                      \
        uint32_t n, cap;                                                                                               \
    }
#define base_vec_push(v, arena)                                                                                        \
    ((v)->n == (v)->cap ? (void)((v)->at = base_vec_grow((arena), (v)->at, sizeof *(v)->at, (v)->n, &(v)->cap))        \
                        : (void)0,                                                                                     \
     &(v)->at[(v)->n++])
void *base_vec_grow(base_arena *arena, void *at, size_t item, uint32_t n, uint32_t *cap);

#endif
