/* log and log1p: x = 2^k (1 + f), log x = k ln2 + log(1 + f), with k and f cut out of the bits of x such that 1 + f
 * lies around 1 and log x = log(1 + f) has no cancellation where x is close to 1.
 *
 * f32: log(1 + f) = f - f^2/2 + f^3 q(f), a minimax q for 2/3 <= 1 + f < 4/3.
 * f64: the series in s = f / (2 + f) (so that its even powers vanish) brought to minimax form:
 *      log(1 + f) = f - (f^2/2 - s (f^2/2 + z p(z))), z = s^2, for sqrt(1/2) <= 1 + f < sqrt(2). */
#include <math.h>

#include "ir/maths.h"

static const double q_f32[] = {0x1.555556p-2,  -0x1.ffff1ap-3, 0x1.99979ep-3,  -0x1.55971ap-3, 0x1.24f30cp-3,
                               -0x1.f3bd3cp-4, 0x1.b89e98p-4,  -0x1.06a5e6p-3, 0x1.eb58a4p-4};
static const double p_f64[] = {0x1.555555555558bp-1, 0x1.9999999981c2ap-2, 0x1.2492494087aaap-2, 0x1.c71c530a2d1cfp-3,
                               0x1.74660f9df028dp-3, 0x1.39a615dc26cc9p-3, 0x1.2edcc008749a5p-3};

enum { LEAST_F32 = 0x3f2aaaab }; /* bits of the least 1 + f */
static const int64_t least_f64 = 0x3fe6a09e667f3bcd;

kn_id kn_maths_shifted_f64(const kn_maths *m, kn_id bits) {
    return m_isub(m, bits, m_int(m, least_f64 - 0x3ff0000000000000));
}

kn_id kn_maths_y_f64(const kn_maths *m, kn_id shifted) {
    return m_float(m, m_iadd(m, m_and(m, shifted, m_int(m, 0xfffffffffffff)), m_int(m, least_f64)));
}

/* The field is put under the exponent of 2^52, which makes 2^52 + field, and its bias is taken off. */
kn_id kn_maths_k_f64(const kn_maths *m, kn_id shifted, kn_id lowered) {
    kn_id field = kn_prim2(m->b, KP_LSHR, m->i, shifted, m_int(m, 52)), bias = m_const(m, 0x1p52 + 1023);
    if (lowered != KN_NONE) bias = m_select(m, lowered, m_const(m, 0x1p52 + 1023 + 54), bias);
    return m_sub(m, m_float(m, m_or(m, field, m_int(m, 0x4330000000000000))), bias);
}

/* A positive normal number split. The exponent field is that of 2^k for f64, and without its bias for f32. */
typedef struct {
    kn_id shifted; /* bits with the least 1 + f taken off */
    kn_id field;
} split;

static split split_of(const kn_maths *m, kn_id bits) {
    split s;
    if (m->f == SN_F64) {
        s.shifted = kn_maths_shifted_f64(m, bits);
        s.field = m_and(m, s.shifted, m_int(m, 0x7ff0000000000000));
    } else {
        s.shifted = m_isub(m, bits, m_int(m, LEAST_F32));
        s.field = m_and(m, s.shifted, m_int(m, (int32_t)0xff800000));
    }
    return s;
}

/* k ln2 + log(1 + f); lowered: whether x had been scaled up (by 2^23 or 2^54), or KN_NONE. */
static kn_id log_of(const kn_maths *m, kn_id f, split s, kn_id lowered) {
    if (m->f == SN_F32) {
        kn_id field = s.field, ff = m_mul(m, f, f);
        if (lowered != KN_NONE) field = m_iselect(m, lowered, m_isub(m, field, m_int(m, 23 << 23)), field);
        kn_id r = m_fma(m, M_HORNER(m, f, q_f32), f, m_const(m, -0.5));
        r = m_fma(m, r, ff, f);
        return m_fma(m, kn_prim1(m->b, KP_CAST, m->f, field), m_const(m, 0x1.62e430p-1 * 0x1p-23), r);
    }
    kn_id k = kn_maths_k_f64(m, s.shifted, lowered);
    kn_id u = m_div(m, f, m_add(m, f, m_const(m, 2))), z = m_mul(m, u, u);
    kn_id half_square = m_mul(m, m_mul(m, f, m_const(m, 0.5)), f);
    kn_id tail = m_fma(m, z, M_HORNER(m, z, p_f64), half_square);
    tail = m_fma(m, u, tail, m_mul(m, k, m_const(m, 0x1.abc9e3b39803fp-56)));
    return m_fma(m, k, m_const(m, 0x1.62e42fefa39efp-1), m_sub(m, f, m_sub(m, half_square, tail)));
}

/* What remains for arguments that are no positive finite numbers above the pole. */
static kn_id special(const kn_maths *m, kn_id x, kn_id pole) {
    kn_id below = m_select(m, m_lt(m, x, pole), m_const(m, NAN), x);
    return m_select(m, m_eq(m, x, pole), m_const(m, -INFINITY), below);
}

kn_id kn_maths_log(const kn_maths *m, kn_id x) {
    int f64 = m->f == SN_F64;
    /* Positive and finite: bits in 1 .. bits(inf) - 1, which one signed comparison can tell after a turn. */
    kn_id turned = m_iadd(m, m_bits(m, x), m_int(m, f64 ? INT64_MAX : INT32_MAX));
    kn_id ordinary = m_lt(m, turned, m_int(m, f64 ? (int64_t)0xffefffffffffffff : (int32_t)0xff7fffff));
    kn_id low = m_lt(m, x, m_const(m, f64 ? 0x1p-1022 : 0x1p-126));
    kn_id scaled = m_select(m, low, m_mul(m, x, m_const(m, f64 ? 0x1p54 : 0x1p23)), x);
    kn_id bits = m_bits(m, scaled);
    split s = split_of(m, bits);
    kn_id y = f64 ? kn_maths_y_f64(m, s.shifted) : m_float(m, m_isub(m, bits, s.field));
    kn_id f = m_sub(m, y, m_const(m, 1));
    return m_select(m, ordinary, log_of(m, f, s, low), special(m, x, m_const(m, 0)));
}

/* k is that of 1 + x rounded, but f = 2^-k x + (2^-k - 1) comes from x itself with one rounding: none for k = 0. The
 * factor 4 keeps 2^-k normal for the largest x; tiny x, where x / 4 may round, are their own result. */
kn_id kn_maths_log1p(const kn_maths *m, kn_id x) {
    int f64 = m->f == SN_F64;
    kn_id pole = m_const(m, -1), quarter = m_const(m, 0.25);
    kn_id ordinary = m_both(m, m_lt(m, pole, x), m_lt(m, x, m_const(m, INFINITY)));
    ordinary = m_both(m, ordinary, m_lt(m, m_const(m, f64 ? 0x1p-60 : 0x1p-30), m_abs(m, x)));
    split s = split_of(m, m_bits(m, m_add(m, x, m_const(m, 1))));
    kn_id four = m_int(m, f64 ? INT64_MIN : (127 + 2) << 23);
    kn_id scale = m_float(m, m_isub(m, four, s.field));
    kn_id f = m_fma(m, m_mul(m, x, quarter), scale, m_fma(m, scale, quarter, pole));
    return m_select(m, ordinary, log_of(m, f, s, KN_NONE), special(m, x, pole));
}
