/* pow: |x|^y = 2^(y log2|x|), then C's special cases. y log2|x| may be as large as 1075, so the logarithm must carry
 * that many more bits than the result: f32 computes in f64, f64 in pairs of a head and a tail (Dekker 1971, with FMA
 * for the exact products).
 *
 * log2|x| = k + (2 / ln2) atanh(s), s = (v - 1) / (v + 1), |x| = 2^k v with sqrt(1/2) <= v < sqrt(2). */
#include <math.h>

#include "ir/maths.h"

/* (2 / ln2) atanh(s) / s in z = s^2, error 2^-37.8; 2^r, error 2^-28. */
static const double log2_c[] = {0x1.71547652bee7bp+1, 0x1.ec709d123de6fp-1, 0x1.2777804982528p-1, 0x1.a58d5f76c1285p-2,
                                0x1.5ceb143517f2bp-2};
static const double exp2_c_f32[] = {1,
                                    0x1.62e431713b79ep-1,
                                    0x1.ebfbe3a13dfa6p-3,
                                    0x1.c6ae0a3af06aap-5,
                                    0x1.3b2654259d66bp-7,
                                    0x1.5f9eb94b61aaep-10,
                                    0x1.47593031e7904p-13};

/* q(z) in atanh(s) / s = 1 + z (1/3 + z q), error of the whole 2^-73; 2^r, error 2^-54.5 (that of rounding ln2). */
static const double q_f64[] = {0x1.9999999999996p-3, 0x1.2492492492f51p-3, 0x1.c71c71c5968bdp-4, 0x1.745d18295a642p-4,
                               0x1.3b1364c7bcef9p-4, 0x1.11206f7b269a6p-4, 0x1.de3d61f1f41e9p-5, 0x1.eac6498b2abe0p-5};
static const double exp2_c_f64[] = {1,
                                    0x1.62e42fefa39efp-1,
                                    0x1.ebfbdff82c58ep-3,
                                    0x1.c6b08d704a1a6p-5,
                                    0x1.3b2ab6fba51fbp-7,
                                    0x1.5d87fe7883347p-10,
                                    0x1.430912f728678p-13,
                                    0x1.ffcbfcd8fe343p-17,
                                    0x1.62c023c283c52p-20,
                                    0x1.b5248cf6acba4p-24,
                                    0x1.e4eacc07682a7p-28,
                                    0x1.e9a9dd6a7851dp-32,
                                    0x1.5d3b31a22966ep-36};

typedef struct {
    kn_id head, tail;
} pair;

/* a b with tails. */
static pair product(const kn_maths *m, pair a, pair b) {
    kn_id head = m_mul(m, a.head, b.head);
    kn_id tail = m_fma(m, a.head, b.head, m_neg(m, head));
    tail = m_fma(m, a.head, b.tail, tail);
    return (pair){head, m_fma(m, a.tail, b.head, tail)};
}

/* a + b with tails, where |a| >= |b| or a is 0. */
static pair sum(const kn_maths *m, kn_id a, pair b) {
    kn_id head = m_add(m, a, b.head);
    return (pair){head, m_add(m, m_add(m, m_sub(m, a, head), b.head), b.tail)};
}

/* The logarithm at 0, at infinity and of NaN, which the bits would not give. */
static kn_id log_special(const kn_maths *m, kn_id x, kn_id log) {
    log = m_select(m, m_lt(m, x, m_const(m, INFINITY)), log, x);
    return m_select(m, m_eq(m, x, m_const(m, 0)), m_const(m, -INFINITY), log);
}

/* C's rules on top of |x|^y: 1 for x = 1 or y = 0 whatever the other; an odd integer y keeps the sign of x; a negative
 * finite x with a y that is no integer gives NaN. */
static kn_id with_sign(const kn_maths *m, kn_id power, kn_id x, kn_id y) {
    kn_id zero = m_const(m, 0), one = m_const(m, 1), half = m_mul(m, y, m_const(m, 0.5));
    kn_id fraction = m_ne(m, m_rint(m, y), y);
    kn_id odd = m_both(m, m_ne(m, m_rint(m, half), half), kn_prim1(m->b, KP_NOT, SN_BOOL, fraction));
    power = m_flip(m, power, m_iselect(m, odd, m_sign(m, x), m_int(m, 0)));
    kn_id negative = m_both(m, m_lt(m, x, zero), m_lt(m, m_const(m, -INFINITY), x));
    power = m_select(m, m_both(m, negative, fraction), m_const(m, NAN), power);
    return m_select(m, m_either(m, m_eq(m, x, one), m_eq(m, y, zero)), one, power);
}

/* y kept finite, so that y log2(1) is 0: beyond these every other power is 0 or infinite anyway. */
static kn_id bounded(const kn_maths *m, kn_id y, double bound) {
    return m_max(m, m_min(m, y, m_const(m, bound)), m_const(m, -bound));
}

static kn_id pow_f32(const kn_maths *narrow, kn_id x, kn_id y) {
    const kn_maths wide = kn_maths_of(narrow->b, SN_F64, narrow->has), *m = &wide;
    kn_id ax = kn_prim1(m->b, KP_CAST, SN_F64, m_abs(narrow, x)), one = m_const(m, 1);
    kn_id shifted = kn_maths_shifted_f64(m, m_bits(m, ax));
    kn_id k = kn_maths_k_f64(m, shifted, KN_NONE), v = kn_maths_y_f64(m, shifted);
    kn_id s = m_div(m, m_sub(m, v, one), m_add(m, v, one)), z = m_mul(m, s, s);
    kn_id log = log_special(m, ax, m_fma(m, s, M_HORNER(m, z, log2_c), k));
    kn_id w = m_mul(m, log, kn_prim1(m->b, KP_CAST, SN_F64, bounded(narrow, y, 0x1p100)));
    w = bounded(m, w, 160); /* 2^160 and 2^-160 are infinity and 0 in f32 */
    kn_id shifter = m_const(m, 0x1.8p52 + 1023), t = m_add(m, w, shifter); /* see maths_exp.c */
    kn_id r = m_sub(m, w, m_sub(m, t, shifter));
    kn_id power = m_mul(m, M_HORNER(m, r, exp2_c_f32), m_float(m, m_shl(m, m_bits(m, t), 52)));
    return with_sign(narrow, kn_prim1(m->b, KP_CAST, SN_F32, power), x, y);
}

/* k + log2 v as a pair, relative error about 2^-66. */
static pair log2_pair(const kn_maths *m, kn_id v, kn_id k) {
    kn_id one = m_const(m, 1);
    kn_id f = m_sub(m, v, one), d = m_add(m, v, one), d_tail = m_sub(m, v, m_sub(m, d, one));
    kn_id inverse = m_div(m, one, d), s_head = m_mul(m, f, inverse), minus_s = m_neg(m, s_head);
    kn_id rest = m_fma(m, minus_s, d_tail, m_fma(m, minus_s, d, f));
    pair s = {s_head, m_mul(m, rest, inverse)}, z = product(m, s, s);
    kn_id third = m_const(m, 0x1.5555555555555p-2), third_tail = m_const(m, 0x1.5555555555555p-56);
    pair p = sum(m, third, (pair){m_mul(m, z.head, M_HORNER(m, z.head, q_f64)), third_tail});
    p = product(m, s, sum(m, one, product(m, z, p)));
    p = product(m, p, (pair){m_const(m, 0x1.71547652b82fep+1), m_const(m, 0x1.777d0ffda0d24p-55)});
    return sum(m, k, p);
}

static kn_id pow_f64(const kn_maths *m, kn_id x, kn_id y) {
    kn_id ax = m_abs(m, x), zero = m_const(m, 0);
    kn_id low = m_lt(m, ax, m_const(m, 0x1p-1022));
    kn_id scaled = m_select(m, low, m_mul(m, ax, m_const(m, 0x1p54)), ax);
    kn_id shifted = kn_maths_shifted_f64(m, m_bits(m, scaled));
    pair log = log2_pair(m, kn_maths_y_f64(m, shifted), kn_maths_k_f64(m, shifted, low));
    pair w = product(m, (pair){log_special(m, ax, log.head), log.tail}, (pair){bounded(m, y, 0x1p70), zero});
    kn_id limit = m_const(m, 1100); /* beyond it, 0 or infinity; the tail may be NaN there */
    kn_id tail = m_select(m, m_lt(m, m_abs(m, w.head), limit), w.tail, zero);
    kn_id head = bounded(m, w.head, 1100);
    kn_id shifter = m_const(m, 0x1.8p52 + 2046), t = m_add(m, head, shifter); /* see maths_exp.c */
    kn_id r = m_add(m, m_sub(m, head, m_sub(m, t, shifter)), tail);
    kn_id bits = m_bits(m, t), a = m_and(m, m_shl(m, bits, 51), m_int(m, 0x7ff0000000000000));
    kn_id b = m_isub(m, m_shl(m, bits, 52), a);
    kn_id power = m_mul(m, m_mul(m, M_HORNER(m, r, exp2_c_f64), m_float(m, a)), m_float(m, b));
    return with_sign(m, power, x, y);
}

kn_id kn_maths_pow(const kn_maths *m, kn_id x, kn_id y) { return m->f == SN_F64 ? pow_f64(m, x, y) : pow_f32(m, x, y); }
