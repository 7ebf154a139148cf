/* erf, odd, in two branches:
 * below the limit   x + x c(x^2)
 * above             1 - erfc(a), erfc(a) = 2^-p(a - limit) with a minimax polynomial p = -log2(erfc): erfc is small
 * there, so that neither p nor the power needs its last bits, and above `end` erf rounds to 1. */
#include <math.h>

#include "ir/maths.h"

static const double small_f32[] = {0x1.06eba8p-3, -0x1.812740p-2,  0x1.ce2d64p-4, -0x1.b80120p-6,
                                   0x1.544aa8p-8, -0x1.a6126ep-11, 0x1.4f8e5ap-14};
static const double minus_p_f32[] = {-0x1.37b4b0p+1, -0x1.d3f45ep+1, -0x1.346ec2p+0, -0x1.03c5ecp-4,
                                     0x1.e67ebap-7,  -0x1.493daap-9, 0x1.a98aecp-13};
static const double minus_exp2_f32[] = {-0x1.000002p+0, -0x1.62e438p-1, -0x1.ebf80cp-3,
                                        -0x1.c6a2d8p-5, -0x1.3d5928p-7, -0x1.655e56p-10};

static const double small_f64[] = {0x1.06eba8214db69p-3,   -0x1.812746b037a25p-2,  0x1.ce2f21a0458d7p-4,
                                   -0x1.b82ce313554cfp-6,  0x1.565bcd2ca3b9bp-8,   -0x1.c02db948fb809p-11,
                                   0x1.f9a3bd0a346c1p-14,  -0x1.f4dd4f9690e26p-17, 0x1.ba6ee1786cb88p-20,
                                   -0x1.63ca69f0d32bdp-23, 0x1.14809a4bf4487p-26,  -0x1.ce27713721814p-30,
                                   0x1.49885f0d2ecb7p-33};
static const double minus_p_f64[] = {
    -0x1.558eada6637f3p+1,  -0x1.e75328fe78c2ep+1,  -0x1.37627e9b5d81ep+0,  -0x1.eb313685f409bp-5,
    0x1.da57641058a9fp-7,   -0x1.7603d9bb9959dp-9,  0x1.6701abc7fa3d2p-12,  0x1.3e3e70c457ae3p-15,
    -0x1.492c0f7e1e848p-15, 0x1.d43aaafd6b447p-17,  -0x1.9d20fbf2c701cp-19, 0x1.3fe5b7730f204p-22,
    0x1.5fa170623ba02p-24,  -0x1.957c62427139bp-25, 0x1.99bb072f50b69p-27,  -0x1.f0e21fae27a48p-30,
    0x1.568069fc7ce77p-33,  -0x1.78a801231a519p-38, -0x1.54fb2377975acp-44};
static const double minus_exp2_f64[] = {-0x1.000000p+0,         -0x1.62e42fefa39f3p-1,  -0x1.ebfbdff82c5a0p-3,
                                        -0x1.c6b08d704969bp-5,  -0x1.3b2ab6fb9f7e4p-7,  -0x1.5d87fe7974b0bp-10,
                                        -0x1.43091313ab650p-13, -0x1.ffcbfca3beb25p-17, -0x1.62bfb43fde3e1p-20,
                                        -0x1.b51db0d9dd625p-24, -0x1.e64763c3ec230p-28, -0x1.fcb7b6e34eb78p-32};

kn_id kn_maths_erf(const kn_maths *m, kn_id x) {
    int f64 = m->f == SN_F64, bits = f64 ? 52 : 23;
    kn_id limit = m_const(m, f64 ? 1 : 0.9375), end = m_const(m, f64 ? 5.95 : 3.93);
    kn_id a = m_abs(m, x), z = m_mul(m, a, a);
    kn_id small = m_fma(m, f64 ? M_HORNER(m, z, small_f64) : M_HORNER(m, z, small_f32), a, a);

    kn_id s = m_sub(m, m_min(m, a, end), limit);
    kn_id minus_p = f64 ? M_HORNER(m, s, minus_p_f64) : M_HORNER(m, s, minus_p_f32);
    kn_id shifter = m_const(m, ldexp(1.5, bits) + (f64 ? 1023 : 127)); /* see maths_exp.c */
    kn_id t = m_add(m, minus_p, shifter), r = m_sub(m, minus_p, m_sub(m, t, shifter));
    kn_id power = m_float(m, m_shl(m, m_bits(m, t), bits));
    kn_id large = m_fma(m, f64 ? M_HORNER(m, r, minus_exp2_f64) : M_HORNER(m, r, minus_exp2_f32), power, m_const(m, 1));
    return m_flip(m, m_select(m, m_lt(m, a, limit), small, large), m_sign(m, x));
}
