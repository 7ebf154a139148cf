/* exp, expm1, tanh and sigmoid: e^x = 2^n e^r with n = rint(x / ln2), |r| <= ln2 / 2 (Cody-Waite reduction in two FMA
 * steps), e^r = 1 + r (1 + r q(r)) with a minimax q.
 *
 * n comes out of adding a large number ("shifter") whose last bits then hold n plus a bias: shifted left they are the
 * exponent field of a power of two, so that neither rounding nor a conversion to integer is an instruction of its own.
 */
#include <math.h>

#include "ir/maths.h"

/* q(r) = (e^r - 1 - r) / r^2; relative error of e^r: 2^-28.2, 2^-61.4. */
static const double q_f32[] = {0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558d2p-5, 0x1.1239c8p-7, 0x1.6a239ep-10};
static const double q_f64[] = {
    0.5,
    0x1.5555555555558p-3,
    0x1.55555555554f2p-5,
    0x1.111111110fd17p-7,
    0x1.6c16c16c53a5bp-10,
    0x1.a01a01ad15343p-13,
    0x1.a01a003743d0bp-16,
    0x1.71ddff9ac1982p-19,
    0x1.27e84188505f6p-22,
    0x1.af522db294cb8p-26,
    0x1.19dd2ec848895p-29,
};

static const double inv_ln2 = 0x1.71547652b82fep+0;

/* ln2 = hi + lo, each rounded to the type. */
static double ln2_hi(const kn_maths *m) { return m->f == SN_F64 ? 0x1.62e42fefa39efp-1 : 0x1.62e430p-1; }
static double ln2_lo(const kn_maths *m) { return m->f == SN_F64 ? 0x1.abc9e3b39803fp-56 : -0x1.05c610p-29; }
static int fraction_bits(const kn_maths *m) { return m->f == SN_F64 ? 52 : 23; }
static int exponent_bias(const kn_maths *m) { return m->f == SN_F64 ? 1023 : 127; }

typedef struct {
    kn_id shifted; /* the shifter's sum: bias + n in its low bits */
    kn_id n, r;
} reduced;

static kn_id shifter_of(const kn_maths *m, int bias) { return m_const(m, ldexp(1.5, fraction_bits(m)) + bias); }

/* n = rint(x * scale / ln2), r = x - n ln2 / scale; one_step leaves out the low part of ln2. */
static reduced reduce(const kn_maths *m, kn_id x, double scale, int bias, int one_step) {
    kn_id shifter = shifter_of(m, bias);
    kn_id t = m_fma(m, x, m_const(m, inv_ln2 * scale), shifter);
    kn_id n = m_sub(m, t, shifter);
    kn_id r = m_fma(m, n, m_const(m, -ln2_hi(m) / scale), x);
    if (!one_step) r = m_fma(m, n, m_const(m, -ln2_lo(m) / scale), r);
    return (reduced){t, n, r};
}

static kn_id q_of(const kn_maths *m, kn_id r) { return m->f == SN_F64 ? M_HORNER(m, r, q_f64) : M_HORNER(m, r, q_f32); }

/* 2^(n + bias - exponent_bias), where that is normal or overflows to infinity. */
static kn_id single_power(const kn_maths *m, kn_id shifted) {
    return m_float(m, m_shl(m, m_bits(m, shifted), fraction_bits(m)));
}

/* x 2^n for a normal x around 1 and a bias that is twice the exponent's. Without an instruction for it 2^n becomes two
 * factors that are normal for every n that matters, so that a subnormal result is rounded once and overflow comes by
 * itself: half of bias + n is the exponent field of one factor and the rest that of the other. */
static kn_id times_power(const kn_maths *m, kn_id x, reduced e) {
    if (m->has & KN_HAS_SCALE) return kn_prim2(m->b, KP_SCALE, m->f, x, e.n);
    int bits = fraction_bits(m);
    kn_id sum = m_bits(m, e.shifted), field = m_int(m, m->f == SN_F64 ? 0x7ff0000000000000 : 0x7f800000);
    kn_id half = m_and(m, m_shl(m, sum, bits - 1), field);
    kn_id rest = m_isub(m, m_shl(m, sum, bits), half);
    x = m_mul(m, x, m_float(m, half));
    return m_mul(m, x, m_float(m, rest));
}

kn_id kn_maths_exp(const kn_maths *m, kn_id x) {
    /* Beyond these the result is 0 or infinity whatever the argument; NaN passes through both. */
    x = m_min(m, x, m_const(m, m->f == SN_F64 ? 710 : 89));
    x = m_max(m, x, m_const(m, m->f == SN_F64 ? -746 : -104));
    reduced e = reduce(m, x, 1, 2 * exponent_bias(m), 0);
    kn_id one = m_const(m, 1), p = m_fma(m, q_of(m, e.r), e.r, one);
    return times_power(m, m_fma(m, p, e.r, one), e);
}

/* e^r - 1 */
static kn_id expm1_of(const kn_maths *m, kn_id r) {
    kn_id q = q_of(m, r);
    return m_fma(m, m_mul(m, r, r), q, r);
}

/* e^x - 1 = 2^n (e^r - 1) + (2^n - 1), the second term exact where it matters; computed as half of it, since 2^n alone
 * overflows for the largest arguments. */
kn_id kn_maths_expm1(const kn_maths *m, kn_id x) {
    kn_id v = m_min(m, x, m_const(m, m->f == SN_F64 ? 710 : 89));
    v = m_max(m, v, m_const(m, m->f == SN_F64 ? -50 : -30));
    reduced e = reduce(m, v, 1, exponent_bias(m) - 1, 0);
    kn_id half_power = single_power(m, e.shifted), u = expm1_of(m, e.r);
    kn_id half = m_fma(m, u, half_power, m_sub(m, half_power, m_const(m, 0.5)));
    /* Tiny arguments are their own result; this keeps -0 and subnormal numbers. */
    kn_id tiny = m_lt(m, m_abs(m, x), m_const(m, m->f == SN_F64 ? 0x1p-60 : 0x1p-30));
    return m_select(m, tiny, x, m_add(m, half, half));
}

/* a - a w or 1 - w with one division for both: below the limit w = z / Q(z), z = a^2, which is 1 - tanh(a) / a for a Q
 * that is almost linear; above w = 1 / half, half = (e^2a + 1) / 2 = 2^n / 2 (e^2r - 1) + (2^n + 1) / 2, rounded once.
 * The error of ln2's rounding does not matter there. */
static kn_id tanh_f32(const kn_maths *m, kn_id x) {
    static const double q[] = {0x1.800004p+1, 0x1.3332dap+0, -0x1.754b38p-8, 0x1.e06c30p-13};
    kn_id a = m_abs(m, x), one = m_const(m, 1);
    kn_id below = m_lt(m, a, m_const(m, 0.9375));
    reduced e = reduce(m, m_min(m, a, m_const(m, 10)), 2, exponent_bias(m) - 1, 1);
    double c[sizeof q_f32 / sizeof *q_f32 + 1] = {2}; /* e^2r - 1 = r (2 + 4r q(2r)) */
    for (int k = 0; k < (int)(sizeof q_f32 / sizeof *q_f32); k++) c[k + 1] = ldexp(q_f32[k], k + 2);
    kn_id quotient = M_HORNER(m, e.r, c), half_power = single_power(m, e.shifted);
    kn_id half = m_fma(m, quotient, m_mul(m, e.r, half_power), m_add(m, half_power, m_const(m, 0.5)));
    kn_id top = m_select(m, below, m_mul(m, x, x), one);
    kn_id bottom = m_select(m, below, M_HORNER(m, top, q), half);
    kn_id base = m_select(m, below, a, one), w = m_div(m, top, bottom);
    kn_id y = m_fma(m, m_neg(m, w), base, base);
    return m_flip(m, y, m_sign(m, x));
}

/* u + du with u = n / d rounded and both given as a head and a small tail: one division, one step of correction. */
static kn_id divide(const kn_maths *m, kn_id n, kn_id n_tail, kn_id d, kn_id d_tail) {
    kn_id y = m_div(m, m_const(m, 1), d), u = m_mul(m, n, y), minus_u = m_neg(m, u);
    kn_id rest = m_add(m, m_fma(m, minus_u, d, n), m_fma(m, minus_u, d_tail, n_tail));
    return m_fma(m, rest, y, u);
}

/* w / (w + 2) with w = e^2a - 1, all with tails. */
static kn_id tanh_f64(const kn_maths *m, kn_id x) {
    kn_id a = m_abs(m, x), two = m_const(m, 2);
    reduced e = reduce(m, m_min(m, m_add(m, a, a), m_const(m, 44)), 1, exponent_bias(m), 0);
    kn_id q = q_of(m, e.r), rr = m_mul(m, e.r, e.r);
    kn_id u = m_fma(m, rr, q, e.r), u_tail = m_fma(m, rr, q, m_sub(m, e.r, u));
    kn_id s = single_power(m, e.shifted), s1 = m_sub(m, s, m_const(m, 1));
    kn_id w = m_fma(m, u, s, s1), w_tail = m_fma(m, u_tail, s, m_fma(m, u, s, m_sub(m, s1, w)));
    kn_id d = m_add(m, w, two), d_tail = m_add(m, m_sub(m, w, m_sub(m, d, two)), w_tail);
    return m_flip(m, divide(m, w, w_tail, d, d_tail), m_sign(m, x));
}

kn_id kn_maths_tanh(const kn_maths *m, kn_id x) { return m->f == SN_F64 ? tanh_f64(m, x) : tanh_f32(m, x); }

/* e^-x = 2^n (1 + u): n = rint(-x / ln2), -r = x + n ln2, u = e^r - 1 = (-r)^2 q(r) - (-r). */
typedef struct {
    kn_id shifted, u;
} negative_exp;

static negative_exp exp_minus(const kn_maths *m, kn_id x) {
    reduced e = reduce(m, x, -1, exponent_bias(m), 0);
    kn_id minus_r = e.r;
    double c[sizeof q_f64 / sizeof *q_f64];
    int terms = m->f == SN_F64 ? (int)(sizeof q_f64 / sizeof *q_f64) : (int)(sizeof q_f32 / sizeof *q_f32);
    for (int k = 0; k < terms; k++) c[k] = (m->f == SN_F64 ? q_f64[k] : q_f32[k]) * (k % 2 ? -1 : 1);
    kn_id rr = m_mul(m, minus_r, minus_r), q = m_estrin(m, minus_r, rr, c, terms);
    return (negative_exp){e.shifted, m_fma(m, rr, q, m_neg(m, minus_r))};
}

/* 1 / h, h = 1 + 2^n (1 + u) rounded once; its rounding error and that of the division are put right afterwards. */
static kn_id logistic(const kn_maths *m, kn_id u, kn_id power) {
    kn_id one = m_const(m, 1), h = m_fma(m, u, power, m_add(m, power, one));
    kn_id larger = m_max(m, power, one), smaller = m_min(m, power, one);
    kn_id tail = m_fma(m, u, power, m_add(m, m_sub(m, larger, h), smaller));
    kn_id s = m_div(m, one, h), minus_s = m_neg(m, s);
    kn_id rest = m_fma(m, minus_s, tail, m_fma(m, minus_s, h, one));
    return m_fma(m, s, rest, s);
}

/* Where 2^n would be too large it is kept at 2^most, and what is left of n scales the result. */
static kn_id far_sigmoid(const kn_maths *m, kn_id x) {
    int f64 = m->f == SN_F64, bias = exponent_bias(m), most = f64 ? 1000 : 100;
    x = m_max(m, x, m_const(m, f64 ? -746 : -104));
    x = m_min(m, x, m_const(m, f64 ? 700 : 80));
    negative_exp e = exp_minus(m, x);
    kn_id kept = m_min(m, e.shifted, shifter_of(m, bias + most));
    kn_id left = m_add(m, m_sub(m, kept, e.shifted), shifter_of(m, bias));
    kn_id near = logistic(m, e.u, single_power(m, kept));
    return m_mul(m, near, single_power(m, left));
}

kn_id kn_maths_sigmoid(const kn_maths *m, kn_id x) {
    negative_exp e = exp_minus(m, x);
    kn_id usual = logistic(m, e.u, single_power(m, e.shifted));
    kn_id far = m_not(m, m_lt(m, m_abs(m, x), m_const(m, m->f == SN_F64 ? 708 : 87)));
    return m_rare(m, far, far_sigmoid(m, x), usual);
}
