/* Element-wise kernels over blocks: in, a kernel of constants, loads, primitives and a store; out, its values. */
#include "support/support_lanes.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

kn_kernel *lanes_kernel(base_arena *arena, kn_prim prim, sn_dtype type) {
    kn_build b;
    kn_build_init(&b, arena);
    kn_id axis = kn_add_axis(&b, KN_POINT, KN_D(0));
    kn_access access[3];
    for (int i = 0; i < 3; i++) {
        access[i] = kn_access_of(kn_add_mem(&b, i < 2 ? KN_IN : KN_OUT, type, KN_D(0), "xyo"));
        kn_access_step(&access[i], axis, KN_C(1));
    }
    kn_part_begin(&b, 1, &axis, 8, 1, 64);
    kn_phase_begin(&b, 0, 0, NULL, axis, 8, 1);
    kn_id x = kn_load(&b, type, access[0]), y = kn_load(&b, type, access[1]);
    kn_store(&b, access[2],
             kn_prims[prim].n_operands == 2 ? kn_prim2(&b, prim, type, x, y) : kn_prim1(&b, prim, type, x));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

static unsigned char *value_of(const lanes *l, kn_id id) { return l->values + (size_t)id * LANES * 8; }

lanes lanes_open(const kn_kernel *kernel) {
    lanes l = {.kernel = kernel, .values = aligned_alloc(64, (size_t)kernel->n_inst * LANES * 8)};
    ck_assert_ptr_nonnull(l.values);
#if defined(__x86_64__)
    l.fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    for (kn_id i = 0; i < kernel->n_inst; i++) {
        const kn_inst *in = &kernel->inst[i];
        size_t size = sn_dtype_size((sn_dtype)in->type);
        if (in->kind != KI_CONST) continue;
        for (size_t k = 0; k < LANES; k++) memcpy(value_of(&l, i) + k * size, &in->bits, size);
    }
    return l;
}

void lanes_close(lanes *l) {
    free(l->values);
    l->values = NULL;
}

/* One loop for each primitive and type. The types of the operands are T, A, B, C. */
#define LOOP3(T, A, B, C, value)                                                                                       \
    do {                                                                                                               \
        T *restrict o = out;                                                                                           \
        const A *a = p[0];                                                                                             \
        const B *b = p[1];                                                                                             \
        const C *c = p[2];                                                                                             \
        (void)a, (void)b, (void)c;                                                                                     \
        for (int i = 0; i < LANES; i++) o[i] = (T)(value);                                                             \
        return;                                                                                                        \
    } while (0)
#define LOOP(T, A, value) LOOP3(T, A, A, A, value)

#define FLOATS(value32, value64)                                                                                       \
    do {                                                                                                               \
        if (type == SN_F32) LOOP(float, float, value32);                                                               \
        if (type == SN_F64) LOOP(double, double, value64);                                                             \
    } while (0)
#define INTS(value)                                                                                                    \
    do {                                                                                                               \
        if (type == SN_I32) LOOP(uint32_t, uint32_t, value);                                                           \
        if (type == SN_I64) LOOP(uint64_t, uint64_t, value);                                                           \
    } while (0)
#define BOOLS(value)                                                                                                   \
    do {                                                                                                               \
        if (type == SN_BOOL) LOOP(uint8_t, uint8_t, value);                                                            \
    } while (0)
#define COMPARE(value)                                                                                                 \
    do {                                                                                                               \
        if (of == SN_F32) LOOP(uint8_t, float, value);                                                                 \
        if (of == SN_F64) LOOP(uint8_t, double, value);                                                                \
        if (of == SN_I32) LOOP(uint8_t, int32_t, value);                                                               \
        if (of == SN_I64) LOOP(uint8_t, int64_t, value);                                                               \
    } while (0)

/* of: the type of the first operand. */
static inline __attribute__((always_inline)) void run_prim(kn_prim prim, sn_dtype type, sn_dtype of, void *out,
                                                           const void *const p[3]) {
    switch (prim) {
        case KP_ADD:
            FLOATS(a[i] + b[i], a[i] + b[i]);
            INTS(a[i] + b[i]);
            break;
        case KP_SUB:
            FLOATS(a[i] - b[i], a[i] - b[i]);
            INTS(a[i] - b[i]);
            break;
        case KP_MUL:
            FLOATS(a[i] * b[i], a[i] * b[i]);
            INTS(a[i] * b[i]);
            break;
        case KP_DIV: FLOATS(a[i] / b[i], a[i] / b[i]); break;
        case KP_NEG:
            FLOATS(-a[i], -a[i]);
            INTS(0 - a[i]);
            break;
        case KP_ABS: FLOATS(fabsf(a[i]), fabs(a[i])); break;
        case KP_FMA: FLOATS(__builtin_fmaf(a[i], b[i], c[i]), __builtin_fma(a[i], b[i], c[i])); break;
        case KP_SQRT: FLOATS(sqrtf(a[i]), sqrt(a[i])); break;
        case KP_FLOOR: FLOATS(floorf(a[i]), floor(a[i])); break;
        case KP_SCALE: FLOATS(scalbnf(a[i], (int)b[i]), scalbn(a[i], (int)b[i])); break;
        case KP_RINT: FLOATS(rintf(a[i]), rint(a[i])); break;
        case KP_MIN: FLOATS(!(a[i] >= b[i]) ? a[i] : b[i], !(a[i] >= b[i]) ? a[i] : b[i]); break;
        case KP_MAX: FLOATS(!(a[i] <= b[i]) ? a[i] : b[i], !(a[i] <= b[i]) ? a[i] : b[i]); break;
        case KP_LT: COMPARE(a[i] < b[i]); break;
        case KP_LE: COMPARE(a[i] <= b[i]); break;
        case KP_EQ: COMPARE(a[i] == b[i]); break;
        case KP_NE: COMPARE(a[i] != b[i]); break;
        case KP_AND:
            INTS(a[i] & b[i]);
            BOOLS(a[i] & b[i]);
            break;
        case KP_OR:
            INTS(a[i] | b[i]);
            BOOLS(a[i] | b[i]);
            break;
        case KP_XOR:
            INTS(a[i] ^ b[i]);
            BOOLS(a[i] ^ b[i]);
            break;
        case KP_NOT:
            INTS(~a[i]);
            BOOLS(a[i] ^ 1);
            break;
        case KP_SHL:
            if (type == SN_I32) LOOP(uint32_t, uint32_t, a[i] << (b[i] & 31));
            if (type == SN_I64) LOOP(uint64_t, uint64_t, a[i] << (b[i] & 63));
            break;
        case KP_SHR:
            if (type == SN_I32) LOOP(int32_t, int32_t, a[i] >> (b[i] & 31));
            if (type == SN_I64) LOOP(int64_t, int64_t, a[i] >> (b[i] & 63));
            break;
        case KP_LSHR:
            if (type == SN_I32) LOOP(uint32_t, uint32_t, a[i] >> (b[i] & 31));
            if (type == SN_I64) LOOP(uint64_t, uint64_t, a[i] >> (b[i] & 63));
            break;
        case KP_SELECT:
        case KP_RARE:
            if (type == SN_F32) LOOP3(float, uint8_t, float, float, a[i] ? b[i] : c[i]);
            if (type == SN_F64) LOOP3(double, uint8_t, double, double, a[i] ? b[i] : c[i]);
            if (type == SN_I32) LOOP3(int32_t, uint8_t, int32_t, int32_t, a[i] ? b[i] : c[i]);
            if (type == SN_I64) LOOP3(int64_t, uint8_t, int64_t, int64_t, a[i] ? b[i] : c[i]);
            break;
        case KP_CAST:
            if (type == SN_F32 && of == SN_F64) LOOP(float, double, a[i]);
            if (type == SN_F64 && of == SN_F32) LOOP(double, float, a[i]);
            if (type == SN_F32 && of == SN_I32) LOOP(float, int32_t, a[i]);
            break;
        case KP_BITCAST: memcpy(out, p[0], LANES * sn_dtype_size(type)); return;
        default: break;
    }
    ck_abort_msg("no loop for %s giving %s", kn_prims[prim].name, sn_dtype_name(type));
}

static void run_plain(kn_prim prim, sn_dtype type, sn_dtype of, void *out, const void *const p[3]) {
    run_prim(prim, type, of, out, p);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void run_fused(kn_prim prim, sn_dtype type, sn_dtype of, void *out,
                                                          const void *const p[3]) {
    run_prim(prim, type, of, out, p);
}
#else
#define run_fused run_plain
#endif

void lanes_run(lanes *l, const void *x, const void *y, void *out) {
    const kn_kernel *k = l->kernel;
    for (kn_id i = 0; i < k->n_inst; i++) {
        const kn_inst *in = &k->inst[i];
        size_t bytes = LANES * sn_dtype_size((sn_dtype)in->type);
        const void *p[3] = {NULL, NULL, NULL};
        for (int j = 0; j < 3; j++)
            if (in->a[j] != KN_NONE) p[j] = value_of(l, in->a[j]);
        switch ((kn_kind)in->kind) {
            case KI_CONST: break;
            case KI_LOAD: memcpy(value_of(l, i), k->access[in->acc].mem ? y : x, bytes); break;
            case KI_STORE: memcpy(out, value_of(l, in->a[0]), bytes); break;
            case KI_PRIM:
                (l->fused ? run_fused : run_plain)((kn_prim)in->prim, (sn_dtype)in->type,
                                                   (sn_dtype)k->inst[in->a[0]].type, value_of(l, i), p);
                break;
            default: ck_abort_msg("instruction kind %d is not element-wise code", in->kind);
        }
    }
}
