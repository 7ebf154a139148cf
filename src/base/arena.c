/* Bump allocation in blocks that double up to 1 MiB; freed all at once. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

struct base_block {
    base_block *next;
    size_t size; /* of the whole block with this head */
};

enum { HEAD = 64, FIRST_BLOCK = 8192, LARGEST_STEP = 1 << 20 };

void base_arena_init(base_arena *arena, base_alloc *alloc, base_trap *trap) {
    *arena = (base_arena){.alloc = alloc, .trap = trap};
}

void base_arena_free(base_arena *arena) {
    while (arena->blocks) {
        base_block *next = arena->blocks->next;
        base_free(arena->alloc, arena->blocks, arena->blocks->size);
        arena->blocks = next;
    }
    arena->used = arena->cap = 0;
}

static void add_block(base_arena *arena, size_t need) {
    size_t step = arena->blocks ? arena->cap * 2 : FIRST_BLOCK;
    if (step > LARGEST_STEP) step = LARGEST_STEP;
    if (step < FIRST_BLOCK) step = FIRST_BLOCK;
    if (need > step - HEAD) step = need + HEAD;
    base_block *block = base_malloc(arena->alloc, step);
    if (!block) base_fail(arena->trap, SN_ERR_NOMEM, "out of memory: %zu bytes asked for", step);
    block->next = arena->blocks;
    block->size = step;
    arena->blocks = block;
    arena->used = HEAD;
    arena->cap = step;
}

void *base_arena_alloc(base_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) base_fail(arena->trap, SN_ERR_NOMEM, "out of memory: %zu bytes asked for", size);
    size = (size + 15) & ~(size_t)15;
    if (!arena->blocks || size > arena->cap - arena->used) add_block(arena, size);
    void *p = (char *)arena->blocks + arena->used;
    arena->used += size;
    return memset(p, 0, size);
}

void *base_arena_array(base_arena *arena, size_t n, size_t size) {
    if (size && n > SIZE_MAX / 4 / size) base_fail(arena->trap, SN_ERR_NOMEM, "out of memory: %zu items asked for", n);
    return base_arena_alloc(arena, n * size);
}

char *base_arena_strdup(base_arena *arena, const char *text) {
    size_t n = strlen(text) + 1;
    return memcpy(base_arena_alloc(arena, n), text, n);
}

char *base_arena_printf(base_arena *arena, const char *format, ...) {
    char text[BASE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return base_arena_strdup(arena, text);
}

void *base_vec_grow(base_arena *arena, void *at, size_t item, uint32_t n, uint32_t *cap) {
    uint32_t larger = *cap ? *cap * 2 : 8;
    if (larger < *cap) base_fail(arena->trap, SN_ERR_NOMEM, "out of memory: array of %u items", *cap);
    void *q = base_arena_array(arena, larger, item);
    if (n) memcpy(q, at, n * item);
    *cap = larger;
    return q;
}
