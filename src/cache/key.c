/* In: keys. Out: the family of one, and a sentence about what differs between two. */
#include "cache/key.h"

#include <stdio.h>
#include <string.h>

uint32_t cache_family(const kn_kernel *k) {
    uint64_t h = k->n_part;
    for (uint32_t i = 0; i < k->n_mem; i++) h = base_hash64(&k->mem[i].space, 1, h);
    for (uint32_t i = 0; i < k->n_inst; i++) {
        const kn_inst *in = &k->inst[i];
        const uint16_t what[5] = {in->kind, in->prim, in->a[0], in->a[1], in->a[2]};
        h = base_hash64(what, sizeof what, h);
    }
    return (uint32_t)(h ^ h >> 32);
}

/* The element types of a kernel's memories, as "f32 f32 i64". */
static void put_types(const kn_kernel *k, char *text, size_t size) {
    size_t n = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < k->n_mem && n + 8 < size; i++) {
        if (k->mem[i].space == KN_ROW) continue;
        int m = snprintf(text + n, size - n, "%s%s", n ? " " : "", sn_dtype_name((sn_dtype)k->mem[i].store));
        n += m > 0 ? (size_t)m : 0;
    }
}

typedef struct {
    base_arena arena;
    const char *kernel[2];
    size_t n[2];
    char types[2][120];
} comparison;

static void compare(void *arg) {
    comparison *c = arg;
    for (int i = 0; i < 2; i++) put_types(kn_decode(&c->arena, c->kernel[i], c->n[i]), c->types[i], sizeof c->types[i]);
}

void cache_key_differs(base_alloc *alloc, const cache_key *key, const char *other, size_t n, size_t kernel_bytes,
                       char text[CACHE_WHY_MAX]) {
    if (kernel_bytes == key->kernel_bytes && !memcmp(key->at, other, kernel_bytes)) {
        snprintf(text, CACHE_WHY_MAX, "it is cached for target '%.100s', this is '%.100s'", other + kernel_bytes,
                 cache_key_target(key));
        return;
    }
    base_trap trap = {.armed = 0};
    comparison c = {.kernel = {key->at, other}, .n = {key->kernel_bytes, kernel_bytes}};
    base_arena_init(&c.arena, alloc, &trap);
    sn_status status = base_protect(&trap, compare, &c);
    base_arena_free(&c.arena);
    int same_target = n - kernel_bytes == key->n - key->kernel_bytes &&
                      !memcmp(other + kernel_bytes, cache_key_target(key), n - kernel_bytes);
    const char *and_target = same_target ? "" : " and for another target";
    if (!status && strcmp(c.types[0], c.types[1]))
        snprintf(text, CACHE_WHY_MAX, "a kernel like it is cached for types %s%s, this has %s", c.types[1], and_target,
                 c.types[0]);
    else
        snprintf(text, CACHE_WHY_MAX, "a kernel like it is cached for other sizes or in another schedule%s",
                 and_target);
}
