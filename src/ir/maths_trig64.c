/* sin and cos of f64 for any magnitude. Below 2^19 x - n pi/2 is found in three FMA steps (reduce_near). The others,
 * seldom met, follow Payne and Hanek 1983 (reduce_far): of x 2/pi only the last two integer bits and the
 * fraction are wanted, and the digits of 2/pi that give more than two integer bits can be left out. Arguments exist
 * that lie 2^-61 beside a multiple of pi / 2, so about 120 bits of fraction are needed.
 *
 *   1. Five successive digits of 48 bits are chosen by the exponent, as a barrel shifter does: by 16 or 8 digits, by 4,
 *      2, 1. What was left out gives multiples of 4, and what is taken less than 2^102.
 *   2. Products with the digits are exact (head and tail by FMA); the large ones are taken modulo 4.
 *   3. They are added on two fixed grids, 2^-44 and 2^-92, on which every sum is exact; what falls through is tiny.
 *   4. The nearest integer n tells the quadrant; the rest times pi / 2 goes to the kernels as a pair.
 *   5. The kernels are minimax polynomials for |r| <= pi / 4, that also take the tail of r into account. */
#include <math.h>

#include "ir/maths.h"

enum { DIGITS = 25, DIGIT_BITS = 48, USED = 5 };
static const double two_over_pi[DIGITS] = {
    0xa2f9836e4e44, 0x1529fc2757d1, 0xf534ddc0db62, 0x95993c439041, 0xfe5163abdebb, 0xc561b7246e3a, 0x424dd2e00649,
    0x2eea09d1921c, 0xfe1deb1cb129, 0xa73ee88235f5, 0x2ebb4484e99c, 0x7026b45f7e41, 0x3991d6398353, 0x39f49c845f8b,
    0xbdf9283b1ff8, 0x97ffde05980f, 0xef2f118b5a0a, 0x6d1f6d367ecf, 0x27cb09b74f46, 0x3f669e5fea2d, 0x7527bac7ebe5,
    0xf17b3d0739f7, 0x8a5292ea6bfb, 0x5fb11f8d5d08, 0x56033046fc7b};

/* (sin(r) / r - 1) / z and (cos(r) - 1 + z / 2) / z^2 in z = r^2. */
static const double sin_c[] = {-0x1.5555555555549p-3, 0x1.111111110f897p-7,   -0x1.a01a019c12fbap-13,
                               0x1.71de35779aa84p-19, -0x1.ae5e6560aaeeep-26, 0x1.5d9294de569e2p-33};
static const double cos_c[] = {0x1.555555555554cp-5,   -0x1.6c16c16c151b0p-10, 0x1.a01a019cad9d9p-16,
                               -0x1.27e4f80270a47p-22, 0x1.1ee9e49323016p-29,  -0x1.8fa9ef1831133p-37};

/* Step 1: d[0 .. USED), and a scaled down to match the choice by 16 or 8, so that no digit's weight underflows. */
static kn_id choose_digits(const kn_maths *m, kn_id a, kn_id d[]) {
    enum { FIRST = USED + 7 };
    /* x is a multiple of 2^(e - 52), so a digit of weight 2^-48 is idle from e = 54 + 48 on. */
    kn_id by_16 = m_le(m, m_const(m, ldexp(1, 54 + 16 * DIGIT_BITS)), a);
    kn_id by_8 = m_le(m, m_const(m, ldexp(1, 54 + 8 * DIGIT_BITS)), a);
    for (int j = 0; j < FIRST; j++) {
        int weight = -DIGIT_BITS * (j + 1);
        d[j] =
            m_select(m, by_8, m_const(m, ldexp(two_over_pi[j + 8], weight)), m_const(m, ldexp(two_over_pi[j], weight)));
        if (j + 16 < DIGITS) d[j] = m_select(m, by_16, m_const(m, ldexp(two_over_pi[j + 16], weight)), d[j]);
    }
    kn_id one = m_const(m, 1), scale = m_select(m, by_8, m_const(m, ldexp(1, -8 * DIGIT_BITS)), one);
    a = m_mul(m, a, m_select(m, by_16, m_const(m, ldexp(1, -16 * DIGIT_BITS)), scale));
    kn_id left = a;
    for (int step = 4; step; step /= 2) {
        kn_id further = m_le(m, m_const(m, ldexp(1, 54 + step * DIGIT_BITS)), left);
        for (int j = 0; j < USED + step - 1; j++) d[j] = m_select(m, further, d[j + step], d[j]);
        if (step > 1) left = m_mul(m, left, m_select(m, further, m_const(m, ldexp(1, -step * DIGIT_BITS)), one));
    }
    return a;
}

/* x - 4 rint(x / 4), exact. */
static kn_id modulo_4(const kn_maths *m, kn_id x) {
    return m_fma(m, m_rint(m, m_mul(m, x, m_const(m, 0.25))), m_const(m, -4), x);
}

/* Adds x's multiple of the grid to *sum (KN_NONE: starts it) and returns what remains. */
static kn_id sift(const kn_maths *m, kn_id x, int grid, kn_id *sum) {
    kn_id shifter = m_const(m, ldexp(1.5, 52 + grid)), part = m_sub(m, m_add(m, x, shifter), shifter);
    *sum = *sum == KN_NONE ? part : m_add(m, *sum, part);
    return m_sub(m, x, part);
}

typedef struct {
    kn_id quadrant; /* integer: n in its two lowest bits */
    kn_id r, r_tail;
} reduced;

static reduced reduce_far(const kn_maths *m, kn_id x) {
    kn_id d[USED + 7], head[USED], tail[USED];
    kn_id a = choose_digits(m, x, d);
    for (int j = 0; j < USED; j++) {
        head[j] = m_mul(m, a, d[j]);
        if (j + 1 < USED) tail[j] = m_fma(m, a, d[j], m_neg(m, head[j]));
    }
    /* At most 2^102, 2^49, 2^54 | 2^1, 2^6 | 2^-42, 2^-47 | 2^-95, 2^-90. */
    const kn_id large[] = {modulo_4(m, head[0]), modulo_4(m, tail[0]), modulo_4(m, head[1]), tail[1], head[2]};
    kn_id coarse = KN_NONE, fine = KN_NONE, rest = m_add(m, tail[3], head[4]), left;
    for (int i = 0; i < 5; i++) {
        left = sift(m, sift(m, large[i], -44, &coarse), -92, &fine);
        rest = m_add(m, rest, left);
    }
    rest = m_add(m, rest, sift(m, head[3], -92, &fine));
    rest = m_add(m, rest, sift(m, tail[2], -92, &fine));

    kn_id shifter = m_const(m, 0x1.8p52), t = m_add(m, coarse, shifter);
    coarse = m_sub(m, coarse, m_sub(m, t, shifter));
    /* coarse + fine = f + f_tail exactly (Knuth), whichever is larger. */
    kn_id f = m_add(m, coarse, fine), back = m_sub(m, f, coarse);
    kn_id f_tail = m_add(m, m_sub(m, coarse, m_sub(m, f, back)), m_sub(m, fine, back));
    f_tail = m_add(m, f_tail, rest);
    kn_id y = m_add(m, f, f_tail), y_tail = m_sub(m, f_tail, m_sub(m, y, f));

    kn_id half_pi = m_const(m, 0x1.921fb54442d18p+0);
    reduced out = {.quadrant = m_bits(m, t), .r = m_mul(m, y, half_pi)};
    kn_id low = m_fma(m, y, half_pi, m_neg(m, out.r));
    low = m_fma(m, y, m_const(m, 0x1.1a62633145c07p-54), low);
    out.r_tail = m_fma(m, y_tail, half_pi, low);
    return out;
}

/* Cody and Waite for n < 2^19: the first FMA is exact and so are products with the second part of pi/2, which has 33
 * bits; the rounding error of r and the third part are its tail. */
static reduced reduce_near(const kn_maths *m, kn_id x) {
    kn_id shifter = m_const(m, 0x1.8p52), t = m_fma(m, x, m_const(m, 0x1.45f306dc9c883p-1), shifter);
    kn_id n = m_sub(m, t, shifter), half_pi_2 = m_const(m, 0x1.1a626331p-54);
    kn_id r1 = m_fma(m, n, m_const(m, -0x1.921fb54442d18p+0), x), r = m_fma(m, n, m_neg(m, half_pi_2), r1);
    kn_id minus_tail = m_fma(m, n, half_pi_2, m_sub(m, r, r1));
    minus_tail = m_fma(m, n, m_const(m, 0x1.1701b839a2520p-88), minus_tail);
    return (reduced){.quadrant = m_bits(m, t), .r = r, .r_tail = m_neg(m, minus_tail)};
}

static kn_id sin_or_cos_of(const kn_maths *m, reduced e, int cosine) {
    kn_id quadrant = cosine ? m_iadd(m, e.quadrant, m_int(m, 1)) : e.quadrant, one = m_const(m, 1);
    kn_id z = m_mul(m, e.r, e.r), half = m_mul(m, z, m_const(m, 0.5));
    /* sin: r + (z r c(z) + t - t z / 2), t the tail of r */
    kn_id tail = m_fma(m, m_neg(m, half), e.r_tail, e.r_tail), zr = m_mul(m, z, e.r);
    kn_id odd = m_fma(m, zr, M_HORNER(m, z, sin_c), tail);
    odd = m_add(m, e.r, odd);
    /* cos: w + ((1 - w - z / 2) + z^2 c(z) - r t), w = 1 - z / 2 rounded */
    kn_id w = m_sub(m, one, half), w_tail = m_sub(m, m_sub(m, one, w), half), zz = m_mul(m, z, z);
    tail = m_fma(m, m_neg(m, e.r), e.r_tail, w_tail);
    kn_id even = m_fma(m, zz, M_HORNER(m, z, cos_c), tail);
    even = m_add(m, w, even);
    kn_id last = m_and(m, quadrant, m_int(m, 1)), sign = m_shl(m, m_and(m, quadrant, m_int(m, 2)), 62);
    return m_flip(m, m_select(m, m_ne(m, last, m_int(m, 0)), even, odd), sign);
}

/* sin x has the sign of x; cos x = sin(|x| + pi / 2). */
kn_id kn_maths_sin_f64(const kn_maths *m, kn_id x, int cosine) {
    kn_id a = m_abs(m, x), usual = sin_or_cos_of(m, reduce_near(m, a), cosine);
    kn_id far = m_not(m, m_lt(m, a, m_const(m, 0x1p19)));
    kn_id y = m_rare(m, far, sin_or_cos_of(m, reduce_far(m, a), cosine), usual);
    return cosine ? y : m_flip(m, y, m_sign(m, x));
}
