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

/* ---- the first difference of two kernels: 1 and what each has ---------------------------------------------------- */

enum { SIDE = 140 };
typedef char side[SIDE];

static void put_size(kn_size size, char *text, size_t room) {
    if (size.dim == KN_NONE)
        snprintf(text, room, "%lld", (long long)size.k);
    else
        snprintf(text, room, "%lld times a dim", (long long)size.k);
}

static int types_differ(const kn_kernel *const k[2], side text[2]) {
    for (int i = 0; i < 2; i++) {
        memcpy(text[i], "types ", 6);
        put_types(k[i], text[i] + 6, SIDE - 6);
    }
    return strcmp(text[0], text[1]) != 0;
}

static int sizes_differ(const kn_kernel *const k[2], side text[2]) {
    static const char letters[] = {'n', 'j', 'k'};
    for (uint32_t a = 0; a < k[0]->n_axis && a < k[1]->n_axis; a++) {
        const kn_axis *x = &k[0]->axis[a], *y = &k[1]->axis[a];
        char size[2][40];
        if (x->extent.k == y->extent.k && x->extent.dim == y->extent.dim) continue;
        for (int i = 0; i < 2; i++) {
            const kn_axis *axis = i ? y : x;
            put_size(axis->extent, size[i], sizeof size[i]);
            snprintf(text[i], SIDE, "size %s along %c%u", size[i], letters[axis->role], (unsigned)a);
        }
        return 1;
    }
    return 0;
}

static void put_schedule(const kn_part *part, char text[SIDE]) {
    snprintf(text, SIDE, "tiles of %u, at least %u a chunk", (unsigned)part->tile, (unsigned)part->grain);
}

static int schedules_differ(const kn_kernel *const k[2], side text[2]) {
    for (uint32_t p = 0; p < k[0]->n_part && p < k[1]->n_part; p++) {
        const kn_part *x = &k[0]->part[p], *y = &k[1]->part[p];
        if (x->tile == y->tile && x->grain == y->grain) continue;
        put_schedule(x, text[0]);
        put_schedule(y, text[1]);
        return 1;
    }
    for (uint32_t p = 0; p < k[0]->n_phase && p < k[1]->n_phase; p++) {
        const kn_phase *x = &k[0]->phase[p], *y = &k[1]->phase[p];
        if (x->width == y->width && x->ilp == y->ilp) continue;
        snprintf(text[0], SIDE, "%u lanes, %u together", (unsigned)x->width, (unsigned)x->ilp);
        snprintf(text[1], SIDE, "%u lanes, %u together", (unsigned)y->width, (unsigned)y->ilp);
        return 1;
    }
    return 0;
}

static int constants_differ(const kn_kernel *const k[2], side text[2]) {
    for (uint32_t i = 0; i < k[0]->n_inst && i < k[1]->n_inst; i++) {
        const kn_inst *x = &k[0]->inst[i], *y = &k[1]->inst[i];
        if (x->kind != KI_CONST || y->kind != KI_CONST || x->bits == y->bits) continue;
        snprintf(text[0], SIDE, "the constant %%%u of bits %llx", (unsigned)i, (unsigned long long)x->bits);
        snprintf(text[1], SIDE, "bits %llx", (unsigned long long)y->bits);
        return 1;
    }
    return 0;
}

typedef struct {
    base_arena arena;
    const char *bytes[2];
    size_t n[2];
    int related, differ; /* related: of one family */
    side text[2];
} comparison;

static void compare(void *arg) {
    comparison *c = arg;
    const kn_kernel *k[2];
    for (int i = 0; i < 2; i++) k[i] = kn_decode(&c->arena, c->bytes[i], c->n[i]);
    c->related = cache_family(k[0]) == cache_family(k[1]);
    c->differ = types_differ(k, c->text) || sizes_differ(k, c->text) || schedules_differ(k, c->text) ||
                constants_differ(k, c->text);
}

void cache_key_differs(base_alloc *alloc, const cache_key *key, const char *other, size_t n, size_t kernel_bytes,
                       char text[CACHE_WHY_MAX]) {
    if (kernel_bytes == key->kernel_bytes && !memcmp(key->at, other, kernel_bytes)) {
        snprintf(text, CACHE_WHY_MAX, "it is cached for target '%.100s', this is '%.100s'", other + kernel_bytes,
                 cache_key_target(key));
        return;
    }
    base_trap trap = {.armed = 0};
    comparison c = {.bytes = {other, key->at}, .n = {kernel_bytes, key->kernel_bytes}};
    base_arena_init(&c.arena, alloc, &trap);
    sn_status status = base_protect(&trap, compare, &c);
    base_arena_free(&c.arena);
    int same_target = n - kernel_bytes == key->n - key->kernel_bytes &&
                      !memcmp(other + kernel_bytes, cache_key_target(key), n - kernel_bytes);
    const char *and_target = same_target ? "" : " and for another target";
    if (!status && !c.related)
        snprintf(text, CACHE_WHY_MAX, "a kernel that computes something else");
    else if (!status && c.differ)
        snprintf(text, CACHE_WHY_MAX, "a kernel like it is cached for %s%s, this has %s", c.text[0], and_target,
                 c.text[1]);
    else
        snprintf(text, CACHE_WHY_MAX, "a kernel like it is cached that reads its memories in another way%s",
                 and_target);
}
