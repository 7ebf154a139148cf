/* maths.h: the mathematical functions as straight-line code over the other primitives (internal to kn_expand).
 *
 * Each kn_maths_* appends instructions to the builder and returns the result's id. All code is executed for every
 * element: no branch, no table, no division where a multiplication will do. Every rounding is one that is written here;
 * FMA is used only where it is spelled out. Methods, sources and measured errors: docs/maths.md. */
#ifndef IR_MATHS_H
#define IR_MATHS_H

#include "ir/kernel_build.h"

/* Where code goes, in which float type, and the integer type of the same width. */
typedef struct {
    kn_build *b;
    sn_dtype f, i;
    uint32_t has; /* of the backend: KN_HAS_* */
} kn_maths;

static inline kn_maths kn_maths_of(kn_build *b, sn_dtype type, uint32_t has) {
    return (kn_maths){b, type, type == SN_F64 ? SN_I64 : SN_I32, has};
}

kn_id kn_maths_exp(const kn_maths *m, kn_id x);
kn_id kn_maths_expm1(const kn_maths *m, kn_id x);
kn_id kn_maths_tanh(const kn_maths *m, kn_id x);
kn_id kn_maths_sigmoid(const kn_maths *m, kn_id x);
kn_id kn_maths_log(const kn_maths *m, kn_id x);
kn_id kn_maths_log1p(const kn_maths *m, kn_id x);
kn_id kn_maths_sin(const kn_maths *m, kn_id x);
kn_id kn_maths_cos(const kn_maths *m, kn_id x);
kn_id kn_maths_erf(const kn_maths *m, kn_id x);
kn_id kn_maths_pow(const kn_maths *m, kn_id x, kn_id y);

/* maths_trig64.c: sin or cos of f64. */
kn_id kn_maths_sin_f64(const kn_maths *m, kn_id x, int cosine);

/* maths_log.c: f64 x = 2^k y with sqrt(1/2) <= y < sqrt(2), for a positive normal x whose bits are given: the exponent
 * field of `shifted` is that of 2^k. k as a number, less 54 where the bool `lowered` is set (KN_NONE: never). */
kn_id kn_maths_shifted_f64(const kn_maths *m, kn_id bits);
kn_id kn_maths_y_f64(const kn_maths *m, kn_id shifted);
kn_id kn_maths_k_f64(const kn_maths *m, kn_id shifted, kn_id lowered);

/* ---- one-letter words of the expansions: float, integer and bool operations -------------------------------------- */

static inline kn_id m_const(const kn_maths *m, double value) { return kn_const_f(m->b, m->f, value); }
static inline kn_id m_int(const kn_maths *m, int64_t value) { return kn_const_i(m->b, m->i, value); }

static inline kn_id m_add(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_ADD, m->f, x, y); }
static inline kn_id m_sub(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_SUB, m->f, x, y); }
static inline kn_id m_mul(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_MUL, m->f, x, y); }
/* In f32 y is in 2^-100 .. 2^126 and x is 0 or in 2^-60 .. 2^100 wherever the quotient's last bits matter, in f64 both
 * are in 2^-400 .. 2^800 or x is 0: backends may divide without a look at the operands. The quotient of -0 may be 0. */
static inline kn_id m_div(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_DIV, m->f, x, y); }
static inline kn_id m_min(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_MIN, m->f, x, y); }
static inline kn_id m_max(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_MAX, m->f, x, y); }
static inline kn_id m_neg(const kn_maths *m, kn_id x) { return kn_prim1(m->b, KP_NEG, m->f, x); }
static inline kn_id m_abs(const kn_maths *m, kn_id x) { return kn_prim1(m->b, KP_ABS, m->f, x); }
static inline kn_id m_rint(const kn_maths *m, kn_id x) { return kn_prim1(m->b, KP_RINT, m->f, x); }
/* x * y + z, rounded once. */
static inline kn_id m_fma(const kn_maths *m, kn_id x, kn_id y, kn_id z) {
    return kn_prim3(m->b, KP_FMA, m->f, x, y, z);
}

static inline kn_id m_iadd(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_ADD, m->i, x, y); }
static inline kn_id m_isub(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_SUB, m->i, x, y); }
static inline kn_id m_and(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_AND, m->i, x, y); }
static inline kn_id m_or(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_OR, m->i, x, y); }
static inline kn_id m_xor(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_XOR, m->i, x, y); }
static inline kn_id m_shl(const kn_maths *m, kn_id x, int n) { return kn_prim2(m->b, KP_SHL, m->i, x, m_int(m, n)); }
static inline kn_id m_shr(const kn_maths *m, kn_id x, int n) { return kn_prim2(m->b, KP_SHR, m->i, x, m_int(m, n)); }

/* Comparisons work on either type: their operands decide. */
static inline kn_id m_lt(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_LT, SN_BOOL, x, y); }
static inline kn_id m_le(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_LE, SN_BOOL, x, y); }
static inline kn_id m_eq(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_EQ, SN_BOOL, x, y); }
static inline kn_id m_ne(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_NE, SN_BOOL, x, y); }
static inline kn_id m_both(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_AND, SN_BOOL, x, y); }
static inline kn_id m_either(const kn_maths *m, kn_id x, kn_id y) { return kn_prim2(m->b, KP_OR, SN_BOOL, x, y); }
static inline kn_id m_select(const kn_maths *m, kn_id c, kn_id x, kn_id y) {
    return kn_prim3(m->b, KP_SELECT, m->f, c, x, y);
}
/* c ? x : y, where c is seldom true and x is dear. */
static inline kn_id m_rare(const kn_maths *m, kn_id c, kn_id x, kn_id y) {
    return kn_prim3(m->b, KP_RARE, m->f, c, x, y);
}
static inline kn_id m_not(const kn_maths *m, kn_id c) { return kn_prim1(m->b, KP_NOT, SN_BOOL, c); }
static inline kn_id m_iselect(const kn_maths *m, kn_id c, kn_id x, kn_id y) {
    return kn_prim3(m->b, KP_SELECT, m->i, c, x, y);
}

static inline kn_id m_bits(const kn_maths *m, kn_id x) { return kn_prim1(m->b, KP_BITCAST, m->i, x); }
static inline kn_id m_float(const kn_maths *m, kn_id bits) { return kn_prim1(m->b, KP_BITCAST, m->f, bits); }

/* c[0] + x * (c[1] + x * (c[2] + ..)), all FMA. */
static inline kn_id m_horner(const kn_maths *m, kn_id x, const double *c, int n) {
    kn_id p = m_const(m, c[n - 1]);
    for (int k = n - 2; k >= 0; k--) p = m_fma(m, p, x, m_const(m, c[k]));
    return p;
}
/* The same by pairs, c[k] + x c[k + 1], over xx = x * x: as many instructions, half the latency. */
static inline kn_id m_estrin(const kn_maths *m, kn_id x, kn_id xx, const double *c, int n) {
    kn_id p = KN_NONE;
    for (int k = (n - 1) & ~1; k >= 0; k -= 2) {
        kn_id pair = m_const(m, c[k]);
        if (k + 1 < n) pair = m_fma(m, x, m_const(m, c[k + 1]), pair);
        p = p == KN_NONE ? pair : m_fma(m, p, xx, pair);
    }
    return p;
}
#define M_HORNER(m, x, c) m_horner((m), (x), (c), (int)(sizeof(c) / sizeof *(c)))

/* The sign bit of x as an integer, and y with such a bit flipped in. */
static inline kn_id m_sign(const kn_maths *m, kn_id x) {
    return m_and(m, m_bits(m, x), m_int(m, m->f == SN_F64 ? INT64_MIN : INT32_MIN));
}
static inline kn_id m_flip(const kn_maths *m, kn_id y, kn_id sign) { return m_float(m, m_xor(m, m_bits(m, y), sign)); }

#endif
