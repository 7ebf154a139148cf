/* The scalar primitives of prims.def over runs of values. Floats are computed in their own precision without
 * contraction; integers in 64 bits, cut to their type, so that they wrap without overflow. */
#include <math.h>
#include <string.h>

#include "backend/interp.h"
#include "base/floats.h"

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF /* gcc does not contract under -std=c17 */
#endif

static float f32_of(uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, sizeof x);
    return x;
}

static uint64_t of_f32(float x) {
    uint32_t low;
    memcpy(&low, &x, sizeof low);
    return low;
}

static double f64_of(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t of_f64(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* All bits of a value of an integer type or bool. */
static uint64_t mask_of(sn_dtype type) {
    return type == SN_I64 ? UINT64_MAX : type == SN_I32 ? UINT32_MAX : type == SN_U8 ? UINT8_MAX : 1;
}

/* The number that an integer's or bool's bits stand for. */
static int64_t int_of(sn_dtype type, uint64_t bits) {
    return type == SN_I32 ? (int64_t)(int32_t)(uint32_t)bits : (int64_t)bits;
}

#define A (a.at[i * a.step])
#define B (b.at[i * b.step])
#define C (c.at[i * c.step])
#define EACH(value)                                                                                                    \
    for (size_t i = 0; i < n; i++) out[i] = (value);                                                                   \
    return

/* Exponents of this size give 0 or infinity whatever they scale. */
static int exponent_of(double b) { return b > 5000 ? 5000 : b < -5000 ? -5000 : (int)floor(b); }

static float scale_f32(float a, float b) {
    if (isnan(b) || isinf(b)) return isnan(b) ? b : a * (b > 0 ? b : 0);
    return scalbnf(a, exponent_of((double)b));
}

static double scale_f64(double a, double b) {
    if (isnan(b) || isinf(b)) return isnan(b) ? b : a * (b > 0 ? b : 0);
    return scalbn(a, exponent_of(b));
}

#define FLOAT_PRIMS(OF, TO, FMA, SQRT, FLOOR, RINT, SCALE, SIGN)                                                       \
    switch (prim) {                                                                                                    \
        case KP_ADD: EACH(TO(OF(A) + OF(B)));                                                                          \
        case KP_SUB: EACH(TO(OF(A) - OF(B)));                                                                          \
        case KP_MUL: EACH(TO(OF(A) * OF(B)));                                                                          \
        case KP_DIV: EACH(TO(OF(A) / OF(B)));                                                                          \
        case KP_NEG: EACH(A ^ (SIGN));                                                                                 \
        case KP_ABS: EACH(A & ~(SIGN));                                                                                \
        case KP_FMA: EACH(TO(FMA(OF(A), OF(B), OF(C))));                                                               \
        case KP_SQRT: EACH(TO(SQRT(OF(A))));                                                                           \
        case KP_FLOOR: EACH(TO(FLOOR(OF(A))));                                                                         \
        case KP_RINT: EACH(TO(RINT(OF(A))));                                                                           \
        case KP_ROUND_F16: EACH(base_float_bits(SN_F32, base_float_value(SN_F16, base_f16_of((double)OF(A)))));        \
        case KP_ROUND_BF16: EACH(base_float_bits(SN_F32, base_float_value(SN_BF16, base_bf16_of((double)OF(A)))));     \
        case KP_SCALE: EACH(TO(SCALE(OF(A), OF(B))));                                                                  \
        case KP_MIN: EACH(OF(A) < OF(B) || OF(A) != OF(A) ? A : B);                                                    \
        case KP_MAX: EACH(OF(A) > OF(B) || OF(A) != OF(A) ? A : B);                                                    \
        case KP_LT: EACH(OF(A) < OF(B));                                                                               \
        case KP_LE: EACH(OF(A) <= OF(B));                                                                              \
        case KP_EQ: EACH(OF(A) == OF(B));                                                                              \
        case KP_NE: EACH(OF(A) != OF(B));                                                                              \
        default: EACH(0);                                                                                              \
    }

static void prim_f32(kn_prim prim, size_t n, uint64_t *out, interp_lanes a, interp_lanes b, interp_lanes c) {
    FLOAT_PRIMS(f32_of, of_f32, fmaf, sqrtf, floorf, rintf, scale_f32, (uint64_t)1 << 31)
}

static void prim_f64(kn_prim prim, size_t n, uint64_t *out, interp_lanes a, interp_lanes b, interp_lanes c) {
    FLOAT_PRIMS(f64_of, of_f64, fma, sqrt, floor, rint, scale_f64, (uint64_t)1 << 63)
}

static uint64_t abs_int(sn_dtype type, uint64_t bits) { return int_of(type, bits) < 0 ? 0 - bits : bits; }

static void prim_int(kn_prim prim, sn_dtype type, size_t n, uint64_t *out, interp_lanes a, interp_lanes b) {
    const uint64_t mask = mask_of(type), modulus = 8 * sn_dtype_size(type) - 1;
    switch (prim) {
        case KP_ADD: EACH((A + B) & mask);
        case KP_SUB: EACH((A - B) & mask);
        case KP_MUL: EACH((A * B) & mask);
        case KP_NEG: EACH((0 - A) & mask);
        case KP_ABS: EACH((type == SN_U8 ? A : abs_int(type, A)) & mask);
        case KP_MIN: EACH(int_of(type, A) < int_of(type, B) ? A : B);
        case KP_MAX: EACH(int_of(type, A) > int_of(type, B) ? A : B);
        case KP_LT: EACH(int_of(type, A) < int_of(type, B));
        case KP_LE: EACH(int_of(type, A) <= int_of(type, B));
        case KP_EQ: EACH(A == B);
        case KP_NE: EACH(A != B);
        case KP_AND: EACH(A & B);
        case KP_OR: EACH(A | B);
        case KP_XOR: EACH(A ^ B);
        case KP_NOT: EACH(~A & mask);
        case KP_SHL: EACH((A << (B & modulus)) & mask);
        case KP_SHR: EACH((uint64_t)(int_of(type, A) >> (B & modulus)) & mask);
        case KP_LSHR: EACH(A >> (B & modulus));
        default: EACH(0);
    }
}

/* Truncated towards zero, saturating, NaN gives 0. Every f32 is a double, so one function serves both. */
static uint64_t int_from(sn_dtype type, double x) {
    if (x != x) return 0;
    switch (type) {
        case SN_I64:
            return x >= 0x1p63 ? (uint64_t)INT64_MAX : x <= -0x1p63 ? (uint64_t)INT64_MIN : (uint64_t)(int64_t)x;
        case SN_I32:
            return x >= 0x1p31 ? (uint64_t)INT32_MAX : x <= -0x1p31 ? (uint32_t)INT32_MIN : (uint32_t)(int32_t)x;
        default: return x >= 255 ? 255 : x <= 0 ? 0 : (uint64_t)x;
    }
}

static uint64_t cast(sn_dtype type, sn_dtype from, uint64_t bits) {
    if (from == type) return bits;
    if (from == SN_F32 || from == SN_F64) {
        double x = from == SN_F32 ? (double)f32_of(bits) : f64_of(bits);
        if (type == SN_F64) return of_f64(x);
        if (type == SN_F32) return of_f32((float)x);
        return type == SN_BOOL ? x != 0 : int_from(type, x);
    }
    int64_t x = int_of(from, bits);
    if (type == SN_F64) return of_f64((double)x);
    if (type == SN_F32) return of_f32((float)x);
    return type == SN_BOOL ? x != 0 : (uint64_t)x & mask_of(type);
}

void interp_prim(kn_prim prim, sn_dtype type, sn_dtype from, size_t n, uint64_t *out, interp_lanes a, interp_lanes b,
                 interp_lanes c) {
    switch (prim) {
        case KP_SELECT:
        case KP_RARE: EACH(A ? B : C);
        case KP_CAST: EACH(cast(type, from, A));
        case KP_BITCAST: EACH(A);
        default: break;
    }
    if (from == SN_F32)
        prim_f32(prim, n, out, a, b, c);
    else if (from == SN_F64)
        prim_f64(prim, n, out, a, b, c);
    else
        prim_int(prim, from, n, out, a, b);
}

/* Does x win against y, do the two tie? */
static void compare_pair(kn_prim prim, sn_dtype type, uint64_t x, uint64_t y, int *wins, int *ties) {
    if (type == SN_F32 || type == SN_F64) {
        double a = type == SN_F32 ? (double)f32_of(x) : f64_of(x), b = type == SN_F32 ? (double)f32_of(y) : f64_of(y);
        int a_nan = a != a, b_nan = b != b;
        *wins = !b_nan && (a_nan || (prim == KP_ARGMAX ? a > b : a < b));
        *ties = a == b || (a_nan && b_nan);
        return;
    }
    int64_t a = int_of(type, x), b = int_of(type, y);
    *wins = prim == KP_ARGMAX ? a > b : a < b;
    *ties = a == b;
}

void interp_pair(kn_prim prim, sn_dtype type, size_t n, uint64_t *value, uint64_t *index, interp_lanes x,
                 interp_lanes ix) {
    for (size_t i = 0; i < n; i++) {
        uint64_t new_value = x.at[i * x.step], new_index = ix.at[i * ix.step];
        int wins, ties;
        compare_pair(prim, type, new_value, value[i], &wins, &ties);
        if (!wins && !(ties && (int64_t)new_index < (int64_t)index[i])) continue;
        value[i] = new_value;
        index[i] = new_index;
    }
}
