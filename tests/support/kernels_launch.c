/* Rooms, launches and their memory. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp.h"
#include "base/floats.h"
#include "support/kernels.h"

uint64_t kernels_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void kernels_room_init(kernels_room *room) {
    memset(room, 0, sizeof *room);
    base_alloc_init(&room->alloc, NULL);
    base_arena_init(&room->arena, &room->alloc, &room->trap);
}

void kernels_room_free(kernels_room *room) {
    base_arena_free(&room->arena);
    ck_assert_uint_eq(room->alloc.live_bytes, 0);
}

typedef struct {
    base_arena *arena;
    kn_kernel *(*make)(base_arena *arena, const void *arg);
    const void *arg;
    kn_kernel *kernel;
} making;

static void make_body(void *arg) {
    making *m = arg;
    m->kernel = m->make(m->arena, m->arg);
}

kn_kernel *kernels_make(kernels_room *room, kn_kernel *(*make)(base_arena *arena, const void *arg), const void *arg) {
    making m = {&room->arena, make, arg, NULL};
    sn_status status = base_protect(&room->trap, make_body, &m);
    ck_assert_msg(status == SN_OK, "%s", room->trap.text);
    return m.kernel;
}

static kn_kernel *expand_body(base_arena *arena, const void *arg) { return kn_expand(arena, arg, 0); }

kn_kernel *kernels_expand(kernels_room *room, const kn_kernel *k) { return kernels_make(room, expand_body, k); }

/* Never NULL, so that sanitizers watch memories of no element, too. */
static void *must_malloc(size_t bytes) {
    void *p = malloc(bytes ? bytes : 1);
    ck_assert_ptr_nonnull(p);
    return p;
}

static uint64_t random_element(sn_dtype type, uint64_t *state) {
    static const double special[] = {0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, -1e-40, 3e38, 1e-310};
    uint64_t bits = kernels_random(state);
    switch (type) {
        case SN_F32:
        case SN_F64:
        case SN_F16:
        case SN_BF16:
            if (base_is_half(type) && bits % 32 == 3) return bits >> 48; /* any: NaNs, subnormals, both infinities */
            if (bits % 16 == 0) return base_float_bits(type, special[bits / 16 % (sizeof special / sizeof *special)]);
            if (bits % 256 == 1) return base_float_nan(type);
            if (bits % 256 == 2) return base_float_sign(type) | base_float_infinity(type);
            return base_float_bits(type, (double)(bits >> 11) * 0x1p-51 - 2.0);
        case SN_I64: return bits % 4 ? (uint64_t)((int64_t)(bits / 4 % 200) - 100) : kernels_random(state);
        case SN_I32: return bits % 4 ? (uint32_t)((int32_t)(bits / 4 % 200) - 100) : kernels_random(state) & UINT32_MAX;
        case SN_U8: return bits & 255;
        default: return bits & 1;
    }
}

static void fill(void *at, size_t bytes, sn_dtype type, uint64_t *state) {
    size_t size = sn_dtype_size(type);
    for (size_t i = 0; i + size <= bytes; i += size) {
        uint64_t bits = random_element(type, state); /* little-endian: the low bytes come first */
        memcpy((char *)at + i, &bits, size);
    }
}

kernels_launch kernels_launch_new(const kn_kernel *k, const int64_t *dims, const uint64_t *scalars, uint64_t seed) {
    kernels_launch l = {.kernel = k};
    l.dim = must_malloc(k->n_dim * sizeof *l.dim);
    l.scalar = must_malloc(k->n_scalar * sizeof *l.scalar);
    l.mem = must_malloc(k->n_mem * sizeof *l.mem);
    l.mem_bytes = must_malloc(k->n_mem * sizeof *l.mem_bytes);
    l.n_chunks = must_malloc(k->n_part * sizeof *l.n_chunks);
    if (k->n_dim) memcpy(l.dim, dims, k->n_dim * sizeof *l.dim);
    if (k->n_scalar) memcpy(l.scalar, scalars, k->n_scalar * sizeof *l.scalar);
    for (uint32_t p = 0; p < k->n_part; p++) l.n_chunks[p] = kn_chunks(k, p, dims);
    for (uint32_t m = 0; m < k->n_mem; m++) {
        size_t count = (size_t)kn_size_value(k->mem[m].count, dims);
        if (k->mem[m].space == KN_ROW) count = 0;
        for (uint32_t i = 0; i < k->n_inst; i++) /* partials: as many as its fold's part has chunks */
            for (uint32_t n = 0; n < KN_ACCESSES; n++) {
                kn_id acc = kn_access_at(&k->inst[i], n);
                if (k->inst[i].kind != KI_FOLD || acc == KN_NONE || k->access[acc].mem != m) continue;
                for (uint32_t p = 0; p < k->n_part; p++)
                    if (kn_phase_of(k, (kn_id)i) >= k->part[p].first_phase &&
                        kn_phase_of(k, (kn_id)i) < k->part[p].end_phase)
                        count *= (size_t)l.n_chunks[p];
            }
        l.mem_bytes[m] = count * sn_dtype_size((sn_dtype)k->mem[m].store);
        l.mem[m] = must_malloc(l.mem_bytes[m]);
        uint64_t state = seed + m * 1000003u;
        fill(l.mem[m], l.mem_bytes[m], (sn_dtype)k->mem[m].store, &state);
    }
    size_t scratch = ((size_t)kn_scratch_bytes(k, dims) + 63) & ~(size_t)63;
    l.scratch = aligned_alloc(64, scratch ? scratch : 64);
    ck_assert_ptr_nonnull(l.scratch);
    memset(l.scratch, 0xff, scratch); /* NaN: reading what was not written shows */
    l.launch = (kn_launch){l.mem, l.dim, l.scalar};
    return l;
}

kernels_launch kernels_launch_copy(const kernels_launch *from) {
    kernels_launch l = kernels_launch_new(from->kernel, from->dim, from->scalar, 0);
    for (uint32_t m = 0; m < from->kernel->n_mem; m++)
        if (l.mem_bytes[m]) memcpy(l.mem[m], from->mem[m], l.mem_bytes[m]);
    return l;
}

void kernels_launch_free(kernels_launch *l) {
    for (uint32_t m = 0; m < l->kernel->n_mem; m++) free(l->mem[m]);
    free(l->dim);
    free(l->scalar);
    free(l->mem);
    free(l->mem_bytes);
    free(l->n_chunks);
    free(l->scratch);
}

void kernels_interpret(kernels_launch *l, const kn_kernel *expanded) {
    interp_errors errors = {0};
    for (uint32_t p = 0; p < expanded->n_part; p++)
        interp_run(expanded, &l->launch, p, 0, l->n_chunks[p], l->scratch, &errors);
    ck_assert_msg(errors.n == 0, "%s", errors.first);
}

static int same_element(sn_dtype type, const void *a, const void *b) {
    if (!memcmp(a, b, sn_dtype_size(type))) return 1;
    if (type != SN_F32 && type != SN_F64) return 0; /* there is one NaN of f16, of bf16 */
    double x = base_float_get(type, a), y = base_float_get(type, b);
    return x != x && y != y;
}

int kernels_launch_same(const kernels_launch *a, const kernels_launch *b, char text[256]) {
    const kn_kernel *k = a->kernel;
    for (uint32_t m = 0; m < k->n_mem; m++) {
        sn_dtype type = (sn_dtype)k->mem[m].store;
        size_t size = sn_dtype_size(type);
        for (size_t i = 0; i < a->mem_bytes[m]; i += size) {
            const char *x = (char *)a->mem[m] + i, *y = (char *)b->mem[m] + i;
            if (same_element(type, x, y)) continue;
            uint64_t xb = 0, yb = 0;
            memcpy(&xb, x, size);
            memcpy(&yb, y, size);
            snprintf(text, 256, "memory %u (%s, %s) element %zu: %#llx and %#llx", m,
                     k->mem_name && k->mem_name[m] ? k->mem_name[m] : "?", sn_dtype_name(type), i / size,
                     (unsigned long long)xb, (unsigned long long)yb);
            return 0;
        }
    }
    return 1;
}
