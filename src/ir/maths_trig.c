/* sin and cos of f32 for any magnitude; f64 is in maths_trig64.c.
 *
 * The usual way, for |x| < 12800: r = x - n pi/2 in three FMA steps (Cody and Waite; pi/2 as three numbers). The first
 * is exact, the rounding error of the second and the third go into a tail of r; then one of two short polynomials.
 *
 * The others, seldom met, are computed in f64: x = N1 K1 + N2 K2 + n pi + r. K1 and K2 are doubles that differ from
 * multiples m 2 pi by only d, about 2^-54 (best approximations found by continued fractions). Each remainder x - N K is
 * exact, as N is the rounded quotient, and what was taken away wrongly, N d, is added at the end. Three such steps
 * bring 2^128 below pi / 2, and sin r is one odd polynomial, whose sign is the parity of n. cos is the same with n +
 * 1/2 in place of n. */
#include "ir/maths.h"

/* r (1 + z c(z)), z = r^2 <= (pi / 2)^2: relative error 2^-27. */
static const double far_c[] = {1, -0x1.55554db1a1f98p-3, 0x1.110f0c8ea778cp-7, -0x1.9f782b8f1e82dp-13,
                               0x1.5e1c295fc6b0ep-19};

static const double shifter = 0x1.8p52; /* the last bits of x + shifter are those of rint(x) */

/* N = rint(x / K), *x = x - N K. K is negated, so that -0 stays -0. */
static kn_id step(const kn_maths *m, kn_id *x, double inverse, double minus_k) {
    kn_id large = m_const(m, shifter);
    kn_id n = m_sub(m, m_fma(m, *x, m_const(m, inverse), large), large);
    *x = m_fma(m, n, m_const(m, minus_k), *x);
    return n;
}

static kn_id in_f64(const kn_maths *narrow, kn_id x32, int cosine) {
    const kn_maths wide = kn_maths_of(narrow->b, SN_F64, narrow->has), *m = &wide;
    kn_id x = kn_prim1(m->b, KP_CAST, SN_F64, x32), large = m_const(m, shifter);
    kn_id n = step(m, &x, 0x1.0766049469a91p-88, -0x1.f19e5d71b26bap+87);
    kn_id wrong = m_mul(m, n, m_const(m, -0x1.230f73631c67dp-54));
    n = step(m, &x, 0x1.f395f3821c216p-42, -0x1.065c829d68730p+41);
    wrong = m_fma(m, n, m_const(m, -0x1.14e87fd83e16cp-54), wrong);
    kn_id inverse_pi = m_const(m, 0x1.45f306dc9c883p-2);
    kn_id t = cosine ? m_add(m, m_fma(m, x, inverse_pi, m_const(m, -0.5)), large) : m_fma(m, x, inverse_pi, large);
    kn_id parity = m_shl(m, m_bits(m, t), 63);
    n = m_sub(m, t, large);
    if (cosine) {
        n = m_add(m, n, m_const(m, 0.5));
        parity = m_xor(m, parity, m_int(m, INT64_MIN));
    }
    wrong = m_fma(m, n, m_const(m, -0x1.1a62633145c07p-53), wrong);
    kn_id r = m_fma(m, n, m_const(m, -0x1.921fb54442d18p+1), x);
    r = m_add(m, r, wrong);
    kn_id z = m_mul(m, r, r), y = m_mul(m, r, M_HORNER(m, z, far_c));
    return kn_prim1(m->b, KP_CAST, SN_F32, m_flip(m, y, parity));
}

/* -(sin(r) / r - 1) / z and (cos(r) - 1) / z in z = r^2, |r| <= pi / 4 and a little more: errors 2^-27.9, 2^-32.3. */
static const double minus_sin_c[] = {0x1.555546p-3, -0x1.110772p-7, 0x1.9950ccp-13};
static const double cos_c[] = {-0x1.000000p-1, 0x1.55554ep-5, -0x1.6c0e2ap-10, 0x1.9a656ep-16};

static kn_id sin_or_cos_f32(const kn_maths *m, kn_id x, int cosine) {
    /* cos x = sin(x + pi/2): its quadrant is one more, which the last bits of t have already. */
    kn_id large = m_const(m, 0x1.8p23 + cosine), t = m_fma(m, x, m_const(m, 0x1.45f306p-1), large);
    kn_id n = m_sub(m, t, large), half_pi_2 = m_const(m, 0x1.444p-24); /* with 11 bits: its products are exact */
    kn_id r1 = m_fma(m, n, m_const(m, -0x1.921fb4p+0), x), r = m_fma(m, n, m_neg(m, half_pi_2), r1);
    /* The tail is negated: so -0 stays -0. */
    kn_id minus_tail = m_fma(m, n, half_pi_2, m_sub(m, r, r1));
    minus_tail = m_fma(m, n, m_const(m, 0x1.68c234p-39), minus_tail);
    kn_id z = m_mul(m, r, r), rz = m_mul(m, r, z);
    kn_id odd = m_fma(m, rz, M_HORNER(m, z, minus_sin_c), minus_tail);
    odd = m_sub(m, r, odd);
    kn_id even = m_fma(m, r, M_HORNER(m, z, cos_c), minus_tail);
    even = m_fma(m, r, even, m_const(m, 1));
    kn_id quadrant = m_bits(m, t), last = m_and(m, quadrant, m_int(m, 1));
    kn_id sign = m_and(m, m_shl(m, quadrant, 30), m_int(m, INT32_MIN));
    kn_id usual = m_flip(m, m_select(m, m_ne(m, last, m_int(m, 0)), even, odd), sign);
    kn_id far = m_not(m, m_lt(m, m_abs(m, x), m_const(m, 12800)));
    return m_rare(m, far, in_f64(m, x, cosine), usual);
}

kn_id kn_maths_sin(const kn_maths *m, kn_id x) {
    return m->f == SN_F64 ? kn_maths_sin_f64(m, x, 0) : sin_or_cos_f32(m, x, 0);
}
kn_id kn_maths_cos(const kn_maths *m, kn_id x) {
    return m->f == SN_F64 ? kn_maths_sin_f64(m, x, 1) : sin_or_cos_f32(m, x, 1);
}
