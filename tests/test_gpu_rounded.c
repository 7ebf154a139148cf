/* The quotients and square roots of generated CUDA C++ (jit_gpu/cuda_rounded.def, here as code), against the host's,
 * for every approximation that a processor may begin with. A quotient's error before its last rounding is 1.25 2^-23
 * units at most, so only those matter that are as near to the middle of two numbers; all of them are found, by solving
 * a 2^k - m b = n for each b and small n. SN_SLOW=1: every b, every f32; else some. */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "support/support_run.h"

static float near; /* the approximation */

static float sn_near_reciprocal(float b) {
    (void)b;
    return near;
}
static double near_f64;
static double sn_near_reciprocal_f64(double b) {
    (void)b;
    return near_f64;
}
static float sn_near_rsqrt(float b) {
    (void)b;
    return near;
}
static float sn_if_normal(float z) { return fabsf(z) < 0x1p-126f ? 0.0f : z - z == 0 ? z : NAN; }
static int32_t __float_as_int(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static uint32_t bits_of(float x) { return (uint32_t)__float_as_int(x); }

#define HEAD(...) __VA_ARGS__
#define LINE(...) __VA_ARGS__
#define LAST()    }
#include "jit_gpu/cuda_rounded.def"

static uint64_t seed = 1;
static uint32_t draw(void) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

/* What rcp.approx.ftz may give: the off-th number beside the nearest, if it is no more than a unit from 1 / y; else the
 * nearest. */
static float reciprocal(float y, int off) {
    if (fabsf(y) < 0x1p-126f) return copysignf(INFINITY, y);
    double exact = 1 / (double)y;
    float r = (float)exact;
    if (r != r || r == 0) return r;
    double unit = ldexp(1, ilogb(exact) - 23);
    float other = of_bits(bits_of(r) + (uint32_t)off);
    /* 2^n / (2 - 2^-23) comes out right from all but 2^-k, to which the compiler's own division owes as much. */
    int allowed = fabs((double)other - exact) <= unit && !((bits_of(y) & 0x7fffff) == 0x7fffff && off < 0);
    if (allowed) r = other;
    return fabsf(r) < 0x1p-126f ? copysignf(0, r) : r;
}

/* ---- quotients --------------------------------------------------------------------------------------------------- */

/* All exponents and signs that a and b of [1, 2) may have; `usual` ones must not be rare. */
static void quotient(float a, float b, int off, int usual) {
    bool rare = false;
    near = reciprocal(fabsf(b) * 0x1p48f, off);
    float z = sn_div_f32(a, b, &rare), want = a / b;
    if (rare ? usual : bits_of(z) != bits_of(want)) ck_abort_msg("%a / %a from %a: %a, want %a", a, b, near, z, want);
}

static void scaled(float a, float b, int off) {
    uint32_t r = draw();
    int i = (int)(r >> 8 & 127) - 48, j = (int)((r >> 16) % 123) - 46; /* a 2^i / b 2^j is normal, both are usual */
    quotient(r & 1 ? -ldexpf(a, i) : ldexpf(a, i), r & 2 ? -ldexpf(b, j) : ldexpf(b, j), off, 1);
    near = reciprocal(b, off);
    if (sn_ratio_f32(a, b) != a / b) ck_abort_msg("ratio of %a and %a from %a", a, b, near);
}

/* The odd number whose product with the odd b is 1 mod 2^32. */
static uint32_t inverse(uint32_t b) {
    uint32_t x = b;
    for (int i = 0; i < 5; i++) x *= 2 - b * x;
    return x;
}

/* The quotients a / b of numbers 2^23 .. 2^24 - 1 that are |n| / (b 2^k) from the middle m / 2^k of two numbers, m odd.
 * k = 24: a >= b; 25: a < b. */
static int hard_cases(uint32_t b, uint32_t k, int32_t n) {
    uint32_t two = (uint32_t)__builtin_ctz(b), step = 1u << (k - two), found = 0;
    if (n % (1 << two)) return 0;
    uint32_t m = (0u - (uint32_t)(n / (1 << two)) * inverse(b >> two)) & (step - 1);
    for (m |= 1u << 24 & ~(step - 1); m < 1u << 25; m += step) {
        int64_t product = (int64_t)m * b + n;
        uint32_t a = (uint32_t)(product >> k);
        if (!(m & 1) || m < 1u << 24 || product & ((1 << k) - 1)) continue;
        if (a < 1u << 23 || a >= 1u << 24 || (a < b) != (k == 25)) continue;
        for (int off = -1; off <= 1; off++) scaled((float)a * 0x1p-23f, (float)b * 0x1p-23f, off);
        found++;
    }
    return (int)found;
}

START_TEST(quotients_near_a_middle) {
    long found = 0;
    for (uint32_t b = 1u << 23; b < 1u << 24; b += support_slow() ? 1 : 61)
        for (int32_t n = -6; n <= 6; n++)
            if (n) found += hard_cases(b, 24, n) + hard_cases(b, 25, n);
    ck_assert_int_gt(found, support_slow() ? 30000000 : 500000);
}
END_TEST

/* The reciprocal is the nearest number after one step, whatever it began with. */
START_TEST(reciprocals_are_rounded_once) {
    for (uint32_t y = 0x3f800000; y < 0x40000000; y += support_slow() ? 1 : 7)
        for (int off = -1; off <= 1; off++) {
            float r = reciprocal(of_bits(y), off);
            if (fmaf(fmaf(of_bits(y), -r, 1.0f), r, r) != 1 / of_bits(y)) ck_abort_msg("1 / %a from %a", of_bits(y), r);
        }
}
END_TEST

/* Where quotients become subnormal, 0 or infinite, and where operands leave what is usual. */
START_TEST(quotients_at_the_ends) {
    static const int ends[] = {-126, -149, -150, -151, 127, 128},
                     exponents[] = {-149, -126, -125, -1, 0, 76, 77, 78, 79, 80, 127};
    for (uint32_t b = 0x3f800000; b < 0x40000000; b += support_slow() ? 127 : 4093)
        for (int off = -1; off <= 1; off++)
            for (int d = -2; d <= 2; d++)
                for (uint32_t e = 0; e < sizeof exponents / sizeof *exponents; e++)
                    for (uint32_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                        float y = ldexpf(of_bits(b), exponents[e]);
                        quotient(ldexpf(of_bits(b + (uint32_t)d), exponents[e] + ends[i]), y, off, 0);
                        quotient(ldexpf(of_bits(0x3fffffff - (uint32_t)(d & 3)), exponents[e] + ends[i]), -y, off, 0);
                    }
}
END_TEST

START_TEST(quotients_of_any_numbers) {
    static const float special[] = {0.0f,           0x1p-149f, 0x1p-126f,       1,        0x1p77f,
                                    0x1.000002p77f, 0x1p80f,   0x1.fffffep127f, INFINITY, NAN};
    enum { N = sizeof special / sizeof *special };
    for (int i = 0; i < 2 * N; i++)
        for (int j = 0; j < 2 * N; j++) {
            float a = i < N ? special[i] : -special[i - N], b = j < N ? special[j] : -special[j - N];
            quotient(a, b, 0, a == 0 && fabsf(b) > 0 && fabsf(b) <= 0x1p77f);
        }
    for (long i = 0; i < (support_slow() ? 300000000 : 4000000); i++) {
        float a = of_bits(draw()), b = of_bits(draw()), z = fabsf(a / b);
        int off = (int)(draw() >> 8) % 2;
        quotient(a, b, off, fabsf(a) < 0x1p80f && fabsf(b) <= 0x1p77f && z > 0x1p-126f && z < 0x1p127f);
    }
}
END_TEST

/* f64 of 53 bits as f32 above, for some b: the same equation mod 2^53 or 2^54. The approximation is off by 2^-20. */
static void ratio_f64(uint64_t b, uint32_t k, int64_t n) {
    uint64_t x = b;
    for (int i = 0; i < 6; i++) x *= 2 - b * x;
    uint64_t m = (0 - (uint64_t)n * x) & ((1ull << k) - 1);
    if (k == 53) m |= 1ull << 53;
    __extension__ unsigned __int128 product = (unsigned __int128)m * b + (unsigned __int128)(__int128)n;
    uint64_t a = (uint64_t)(product >> k);
    if (!(m & 1) || m >> 53 != 1 || a >> 52 != 1 || (a < b) != (k == 54)) return;
    double top = ldexp((double)a, -52), bottom = ldexp((double)b, -52);
    /* Of 2 - 2^-52 the compiler's own division needs an approximation from above. */
    for (int off = b == (1ull << 53) - 1 ? 1 : -1; off <= 1; off++) {
        near_f64 = 1 / bottom * (1 + off * 0x1p-20);
        if (sn_ratio_f64(top, bottom) != top / bottom) ck_abort_msg("%a / %a from %a", top, bottom, near_f64);
    }
}

START_TEST(quotients_of_f64) {
    for (long i = 0; i < (support_slow() ? 20000000 : 300000); i++) {
        uint64_t b = 1ull << 52 | (((uint64_t)draw() << 32 | draw()) & ((1ull << 52) - 1)) | 1;
        if (i % 4 == 0) b |= ((1ull << 52) - 1) << i / 4 % 40; /* near 2, where reciprocals are hardest */
        b &= (1ull << 53) - 1;
        for (int64_t n = -5; n <= 5; n += 2) ratio_f64(b | 1, 53, n), ratio_f64(b | 1, 54, n);
        double x = 1 + (double)draw() * 0x1p-32, y = 1 + (double)draw() * 0x1p-32 + (double)draw() * 0x1p-53;
        near_f64 = 1 / y * (1 + 0x1p-20);
        ck_assert_double_eq(sn_ratio_f64(x, y), x / y);
    }
    near_f64 = 0.33;
    ck_assert(sn_ratio_f64(0, 3) == 0 && isnan(sn_ratio_f64(NAN, 3)));
}
END_TEST

/* ---- roots ------------------------------------------------------------------------------------------------------- */

/* Numbers within 2^-22.9 of the reciprocal root of x, but for the two from which the compiler's own roots would be
 * wrong. */
static int reciprocal_root(float x, int off) {
    double exact = 1 / sqrt((double)x);
    near = of_bits(bits_of((float)exact) + (uint32_t)off);
    if (fabs((double)near - exact) > exact * 1.27e-7) return 0;
    int even;
    float fraction = frexpf(x, &even);
    return !(off == 1 && (fraction == (even % 2 ? 0x1.f82294p-1f : 0x1.dd26e4p-1f)));
}

static void root(float a, float x, int off) {
    bool rare = false;
    if (!reciprocal_root(x, off)) return;
    float z = sn_sqrt_f32(a, &rare), want = sqrtf(a);
    if (rare || bits_of(z) != bits_of(want)) ck_abort_msg("root of %a from %a: %a, want %a", a, near, z, want);
}

START_TEST(roots_are_rounded_once) {
    for (uint32_t a = 0x3f800000; a < 0x40800000; a += support_slow() ? 1 : 11)
        for (int off = -3; off <= 3; off++) root(of_bits(a), of_bits(a) * 0x1p64f, off);
    for (uint32_t a = 0; a < 0x5e800000; a += support_slow() ? 1 : 1021)
        for (int off = -1; off <= 1; off++) root(of_bits(a), fmaf(of_bits(a), 0x1p64f, 0x1p-126f), off);
}
END_TEST

static void is_rare(uint32_t bits) {
    bool rare = false;
    near = 1;
    (void)sn_sqrt_f32(of_bits(bits), &rare);
    ck_assert_msg(rare, "%a", of_bits(bits));
}

START_TEST(other_roots_are_rare) {
    for (uint64_t a = 0x5e800000; a <= UINT32_MAX; a += 65521) is_rare((uint32_t)a);
    is_rare(0x80000000), is_rare(0x7f800000), is_rare(0xffffffff);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("rounded");
    tcase_set_timeout(t, 600);
    tcase_add_test(t, quotients_near_a_middle);
    tcase_add_test(t, reciprocals_are_rounded_once);
    tcase_add_test(t, quotients_at_the_ends);
    tcase_add_test(t, quotients_of_any_numbers);
    tcase_add_test(t, quotients_of_f64);
    tcase_add_test(t, roots_are_rounded_once);
    tcase_add_test(t, other_roots_are_rare);
    Suite *s = suite_create("gpu rounded");
    suite_add_tcase(s, t);
    return support_main(s);
}
