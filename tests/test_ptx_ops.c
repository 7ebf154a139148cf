/* What the stand-in makes of PTX instructions where that is delicate: wrapping, clamping, saturating, rounding, NaN.
 * Expected values are written down, or those of base/floats.h for every f16. */
#include <math.h>

#include "base/floats.h"
#include "support/support_ptx.h"
#include "support/support_run.h"

/* Operands a, b and c as %r4.., %rd6.., %rs4.., %f4.., %fd4..; the result is in %r7, %rd9, %rs7, %f7, %fd7 or %p2. */
static const char load[] = "ld.global.u64 %rd6, [%rd1]; ld.global.u64 %rd7, [%rd1+8]; ld.global.u64 %rd8, [%rd1+16];\n"
                           "cvt.u32.u64 %r4, %rd6; cvt.u32.u64 %r5, %rd7; cvt.u32.u64 %r6, %rd8;\n"
                           "cvt.u16.u64 %rs4, %rd6; cvt.u16.u64 %rs5, %rd7; cvt.u16.u64 %rs6, %rd8;\n"
                           "mov.b32 %f4, %r4; mov.b32 %f5, %r5; mov.b32 %f6, %r6;\n"
                           "mov.b64 %fd4, %rd6; mov.b64 %fd5, %rd7; mov.b64 %fd6, %rd8; setp.ne.s64 %p3, %rd8, 0;\n";

/* to: the kind of result. */
static uint64_t compute(const char *insn, char to, uint64_t a, uint64_t b, uint64_t c) {
    static const struct {
        char kind;
        const char *store;
    } stores[] = {{'h', "st.global.u16 [%rd1+24], %rs7;"},
                  {'w', "st.global.u32 [%rd1+24], %r7;"},
                  {'l', "st.global.u64 [%rd1+24], %rd9;"},
                  {'f', "st.global.f32 [%rd1+24], %f7;"},
                  {'d', "st.global.f64 [%rd1+24], %fd7;"},
                  {'p', "selp.u32 %r7, 1, 0, %p2; st.global.u32 [%rd1+24], %r7;"},
                  {'v', "st.global.v2.u32 [%rd1+24], {%r7, %r8};"}};
    uint64_t data[4] = {a, b, c, 0};
    char body[2048];
    const char *store = NULL;
    for (size_t i = 0; i < sizeof stores / sizeof *stores; i++)
        if (stores[i].kind == to) store = stores[i].store;
    snprintf(body, sizeof body, "%s%s\n%s", load, insn, store);
    const char *complaint = ptx_try(body, 1, 1, 0, data, sizeof data);
    ck_assert_msg(!complaint[0], "%s: %s", insn, complaint);
    return data[3];
}

static uint64_t bits(float f) {
    uint32_t b;
    memcpy(&b, &f, sizeof b);
    return b;
}
static uint64_t wide_bits(double d) {
    uint64_t b;
    memcpy(&b, &d, sizeof b);
    return b;
}

enum { LEAST32 = INT32_MIN };
#define MOST64  ((uint64_t)INT64_MAX)
#define LEAST64 ((uint64_t)1 << 63)
#define ONES    (~(uint64_t)0)
#define NAN32   0x7fffffffu
#define F(x)    bits((float)(x))
#define G(x)    wide_bits(x)

START_TEST(delicate_results) {
    const struct {
        const char *insn;
        char to;
        uint64_t a, b, c, want;
    } rows[] = {
        /* integers wrap, and keep their width */
        {"add.s32 %r7, %r4, %r5;", 'w', 0x7fffffff, 1, 0, 0x80000000},
        {"sub.s16 %rs7, %rs4, %rs5;", 'h', 0, 1, 0, 0xffff},
        {"mul.lo.s32 %r7, %r4, %r5;", 'w', 0x10001, 0x10001, 0, 0x20001},
        {"mul.lo.s16 %rs7, %rs4, %rs5;", 'h', 0x101, 0x101, 0, 0x201},
        {"mad.lo.s32 %r7, %r4, -3, %r6;", 'w', 5, 0, 1, 0xfffffff2},
        {"neg.s64 %rd9, %rd6;", 'l', LEAST64, 0, 0, LEAST64},
        {"abs.s32 %r7, %r4;", 'w', 0x80000000, 0, 0, 0x80000000},
        {"abs.s64 %rd9, %rd6;", 'l', ONES, 0, 0, 1},
        {"not.b16 %rs7, %rs4;", 'h', 0x00ff, 0, 0, 0xff00},
        {"mul.wide.s32 %rd9, %r4, %r5;", 'l', 0xffffffff, 3, 0, ONES - 2},
        {"mul.wide.u32 %rd9, %r4, %r5;", 'l', 0xffffffff, 0xffffffff, 0, 0xfffffffe00000001},
        {"mul.hi.s64 %rd9, %rd6, %rd7;", 'l', ONES, 5, 0, ONES},
        {"mul.hi.u64 %rd9, %rd6, %rd7;", 'l', ONES, ONES, 0, ONES - 1},
        {"div.s64 %rd9, %rd6, %rd7;", 'l', ONES - 6, 2, 0, ONES - 2},
        {"div.s64 %rd9, %rd6, %rd7;", 'l', LEAST64, ONES, 0, LEAST64},
        {"div.u32 %r7, %r4, %r5;", 'w', 0xffffffff, 2, 0, 0x7fffffff},
        {"rem.s64 %rd9, %rd6, %rd7;", 'l', ONES - 6, 2, 0, ONES},
        {"min.s64 %rd9, %rd6, %rd7;", 'l', ONES, 3, 0, ONES},
        {"min.u64 %rd9, %rd6, %rd7;", 'l', ONES, 3, 0, 3},
        {"max.u16 %rs7, %rs4, %rs5;", 'h', 0xffff, 3, 0, 0xffff},
        {"min.s32 %r7, %r4, 278;", 'w', 0xffffffff, 0, 0, 0xffffffff},
        {"setp.lt.s32 %p2, %r4, %r5;", 'p', 0xffffffff, 0, 0, 1},
        {"setp.lt.u32 %p2, %r4, %r5;", 'p', 0xffffffff, 0, 0, 0},
        {"setp.ge.u16 %p2, %rs4, %rs5;", 'p', 0xffff, 1, 0, 1},
        {"setp.eq.s16 %p2, %rs4, -1;", 'p', 0xffff, 0, 0, 1},
        {"setp.gt.u64 %p2, %rd6, 6;", 'p', ONES, 0, 0, 1},
        /* amounts of shifts clamp */
        {"shl.b32 %r7, %r4, %r5;", 'w', 1, 31, 0, 0x80000000},
        {"shl.b32 %r7, %r4, %r5;", 'w', 1, 32, 0, 0},
        {"shl.b16 %rs7, %rs4, %r5;", 'h', 3, 15, 0, 0x8000},
        {"shl.b64 %rd9, %rd6, %r5;", 'l', 1, 64, 0, 0},
        {"shr.u32 %r7, %r4, %r5;", 'w', 0x80000000, 0xffffffff, 0, 0},
        {"shr.s32 %r7, %r4, %r5;", 'w', 0x80000000, 40, 0, 0xffffffff},
        {"shr.s64 %rd9, %rd6, %r5;", 'l', LEAST64, 3, 0, 0xf000000000000000},
        {"shr.u64 %rd9, %rd6, 32;", 'l', ONES, 0, 0, 0xffffffff},
        {"shf.l.wrap.b32 %r7, %r4, %r5, 8;", 'w', 0x11223344, 0x55667788, 0, 0x66778811},
        {"shf.l.wrap.b32 %r7, %r4, %r4, 37;", 'w', 0x80000001, 0, 0, 0x30},
        {"prmt.b32 %r7, %r4, %r5, %r6;", 'w', 0x33221100, 0x77665544, 0x7610, 0x77661100},
        {"prmt.b32 %r7, %r4, %r5, %r6;", 'w', 0x33228100, 0x77665544, 0x9930, 0xffff3300},
        {"bfi.b64 %rd9, %rd6, %rd7, 32, 32;", 'l', 0xaabbccdd, 0x1122334455667788, 0, 0xaabbccdd55667788},
        {"bfi.b64 %rd9, %rd6, %rd7, 60, 32;", 'l', 0xf, 0, 0, 0xf000000000000000},
        {"bfi.b32 %r7, %r4, %r5, 8, 8;", 'w', 0xabcd, 0x11223344, 0, 0x1122cd44},
        {"bfi.b32 %r7, %r4, %r5, 28, 8;", 'w', 0xff, 0x11223344, 0, 0xf1223344},
        {"bfi.b32 %r7, %r4, %r5, 32, 8;", 'w', 0xff, 0x11223344, 0, 0x11223344},
        {"bfe.u32 %r7, %r4, 8, 16;", 'w', 0x11223344, 0, 0, 0x2233},
        {"bfe.u32 %r7, %r4, %r5, %r6;", 'w', 0x91223344, 28, 32, 9},
        {"bfe.u32 %r7, %r4, %r5, %r6;", 'w', 0x91223344, 32, 8, 0},
        {"bfe.u32 %r7, %r4, %r5, %r6;", 'w', 0x91223344, 4, 0, 0},
        /* moves */
        {"mov.b64 %rd9, {%r4, %r5};", 'l', 0x11111111, 0x22222222, 0, 0x2222222211111111},
        {"mov.b64 {%r7, %r8}, %rd6;", 'v', 0x2222222211111111, 0, 0, 0x2222222211111111},
        {"mov.b32 {%rs7, %rs8}, %r4;", 'h', 0x22221111, 0, 0, 0x1111},
        {"mov.b32 {%rs8, %rs7}, %r4;", 'h', 0x22221111, 0, 0, 0x2222},
        {"selp.b64 %rd9, %rd6, %rd7, %p3;", 'l', 1, 2, 0, 2},
        {"selp.f32 %f7, %f4, 0f3F800000, %p3;", 'f', F(2), 0, 1, F(2)},
        {"not.pred %p2, %p3;", 'p', 0, 0, 0, 1},
        {"xor.pred %p2, %p3, %p3;", 'p', 0, 0, 1, 0},
        /* floats: rounding to the nearest, subnormals kept, one NaN */
        {"add.rn.f32 %f7, %f4, %f5;", 'f', F(16777216), F(1), 0, F(16777216)},
        {"add.rn.f32 %f7, %f4, %f5;", 'f', F(16777216), F(3), 0, F(16777220)},
        {"mul.rn.f32 %f7, %f4, %f5;", 'f', 1, F(0.5), 0, 0},
        {"mul.rn.f32 %f7, %f4, %f5;", 'f', 3, F(0.5), 0, 2},
        {"mul.rn.f32 %f7, %f4, %f5;", 'f', F(INFINITY), 0, 0, NAN32},
        {"add.rn.f32 %f7, %f4, %f5;", 'f', 0xffc12345, F(1), 0, NAN32},
        {"fma.rn.f32 %f7, %f4, %f5, %f6;", 'f', F(1 + 0x1p-12f), F(1 + 0x1p-12f), F(-1 - 0x1p-11f), F(0x1p-24f)},
        {"fma.rn.f64 %fd7, %fd4, %fd5, %fd6;", 'd', G(1 + 0x1p-30), G(1 - 0x1p-30), G(-1), G(-0x1p-60)},
        {"div.rn.f32 %f7, %f4, %f5;", 'f', F(1), F(3), 0, 0x3eaaaaab},
        {"div.rn.f32 %f7, %f4, %f5;", 'f', F(-1), 0, 0, F(-INFINITY)},
        {"div.rn.f64 %fd7, %fd4, %fd5;", 'd', G(1), G(3), 0, 0x3fd5555555555555},
        {"rcp.approx.ftz.f32 %f7, %f4;", 'f', F(0x1p-127), 0, 0, F(INFINITY)},
        {"rcp.approx.ftz.f32 %f7, %f4;", 'f', F(-INFINITY), 0, 0, F(-0.0)},
        {"rcp.approx.ftz.f64 %fd7, %fd4;", 'd', G(0x1p-1030), 0, 0, G(INFINITY)},
        {"rcp.approx.ftz.f64 %fd7, %fd4;", 'd', G(-INFINITY), 0, 0, G(-0.0)},
        {"rcp.approx.ftz.f64 %fd7, %fd4;", 'd', G(3), 0, 0, 0x3fd5555500000000},
        {"rsqrt.approx.ftz.f32 %f7, %f4;", 'f', F(0x1p-127), 0, 0, F(INFINITY)},
        {"rsqrt.approx.ftz.f32 %f7, %f4;", 'f', F(INFINITY), 0, 0, 0},
        {"rsqrt.approx.ftz.f32 %f7, %f4;", 'f', F(-1), 0, 0, NAN32},
        {"fma.rn.ftz.f32 %f7, %f4, %f5, %f6;", 'f', F(0x1p-127), F(2), F(-0x1p-127), 0},
        {"fma.rn.ftz.f32 %f7, %f4, %f5, %f6;", 'f', F(0x1p-126), F(2), F(-0x1p-126), F(0x1p-126)},
        {"fma.rn.ftz.f32 %f7, %f4, %f5, %f6;", 'f', F(0x1p-126), F(-0.5), F(-0.0), F(-0.0)},
        {"copysign.f32 %f7, %f4, %f5;", 'f', F(-3), F(2), 0, F(-2)},
        {"copysign.f32 %f7, %f4, %f5;", 'f', F(3), F(-0.0), 0, 0},
        {"rcp.rn.f32 %f7, %f4;", 'f', F(49), 0, 0, F(1.0f / 49)},
        {"sqrt.rn.f32 %f7, %f4;", 'f', F(2), 0, 0, 0x3fb504f3},
        {"sqrt.rn.f32 %f7, %f4;", 'f', F(-1), 0, 0, NAN32},
        {"neg.f32 %f7, %f4;", 'f', F(0), 0, 0, F(-0.0)},
        {"abs.f64 %fd7, %fd4;", 'd', G(-0.0), 0, 0, 0},
        {"max.f32 %f7, %f4, %f5;", 'f', NAN32, F(3), 0, F(3)},
        {"max.f32 %f7, %f4, %f5;", 'f', F(-0.0), 0, 0, 0},
        {"max.f32 %f7, %f4, %f5;", 'f', NAN32, NAN32, 0, NAN32},
        {"min.f64 %fd7, %fd4, %fd5;", 'd', G(0.0), G(-0.0), 0, G(-0.0)},
        {"min.f64 %fd7, %fd4, %fd5;", 'd', G(2), G(1), 0, G(1)},
        {"setp.eq.f32 %p2, %f4, %f5;", 'p', F(-0.0), 0, 0, 1},
        {"setp.gt.f32 %p2, %f4, %f5;", 'p', NAN32, 0, 0, 0},
        {"setp.leu.f32 %p2, %f4, %f5;", 'p', NAN32, 0, 0, 1},
        {"setp.leu.f32 %p2, %f4, %f5;", 'p', F(1), 0, 0, 0},
        {"setp.neu.f64 %p2, %fd4, %fd5;", 'p', G(NAN), G(NAN), 0, 1},
        {"setp.nan.f64 %p2, %fd4, %fd5;", 'p', G(1), G(NAN), 0, 1},
        {"setp.num.f32 %p2, %f4, %f5;", 'p', F(1), F(2), 0, 1},
        {"setp.num.f32 %p2, %f4, %f5;", 'p', F(1), NAN32, 0, 0},
        /* conversions */
        {"cvt.rmi.f32.f32 %f7, %f4;", 'f', F(-0.5), 0, 0, F(-1)},
        {"cvt.rni.f32.f32 %f7, %f4;", 'f', F(2.5), 0, 0, F(2)},
        {"cvt.rni.f64.f64 %fd7, %fd4;", 'd', G(-0.5), 0, 0, G(-0.0)},
        {"cvt.rzi.s32.f32 %r7, %f4;", 'w', F(-1.9), 0, 0, 0xffffffff},
        {"cvt.rzi.s32.f32 %r7, %f4;", 'w', F(3e9), 0, 0, 0x7fffffff},
        {"cvt.rzi.s32.f32 %r7, %f4;", 'w', F(-3e9), 0, 0, 0x80000000},
        {"cvt.rzi.s32.f32 %r7, %f4;", 'w', NAN32, 0, 0, 0},
        {"cvt.rzi.s32.f64 %r7, %fd4;", 'w', G(NAN), 0, 0, 0x80000000},
        {"cvt.rzi.s32.f64 %r7, %fd4;", 'w', G(2147483647.9), 0, 0, 0x7fffffff},
        {"cvt.rzi.s32.f64 %r7, %fd4;", 'w', G(-2147483648.9), 0, 0, 0x80000000},
        {"cvt.rzi.s64.f32 %rd9, %f4;", 'l', NAN32, 0, 0, LEAST64},
        {"cvt.rzi.s64.f64 %rd9, %fd4;", 'l', G(1e300), 0, 0, MOST64},
        {"cvt.rzi.s64.f64 %rd9, %fd4;", 'l', G(-1e300), 0, 0, LEAST64},
        {"cvt.rn.f32.s64 %f7, %rd6;", 'f', ((uint64_t)1 << 53) + 1, 0, 0, F(9007199254740992.0)},
        {"cvt.rn.f32.s64 %f7, %rd6;", 'f', ((uint64_t)1 << 40) + ((uint64_t)1 << 16) + 1, 0, 0, F(1099511758848.0)},
        {"cvt.rn.f32.u16 %f7, %rs4;", 'f', 0xffff, 0, 0, F(65535)},
        {"cvt.rn.f32.s16 %f7, %rs4;", 'f', 0xffff, 0, 0, F(-1)},
        {"cvt.rn.f64.s32 %fd7, %r4;", 'd', 0x80000000, 0, 0, G(-2147483648.0)},
        {"cvt.rn.f32.f64 %f7, %fd4;", 'f', G(1 + 0x1p-24), 0, 0, F(1)},
        {"cvt.rn.f32.f64 %f7, %fd4;", 'f', G(NAN), 0, 0, NAN32},
        {"cvt.f64.f32 %fd7, %f4;", 'd', 1, 0, 0, G(0x1p-149)},
        {"cvt.s64.s32 %rd9, %r4;", 'l', 0x80000000, 0, 0, 0xffffffff80000000},
        {"cvt.s64.s32 %rd9, %rd6;", 'l', 0x7780000000, 0, 0, 0xffffffff80000000},
        {"cvt.s32.s8 %r7, %r4;", 'w', 0x1280, 0, 0, 0xffffff80},
        {"cvt.u64.u32 %rd9, %r4;", 'l', 0xffffffff, 0, 0, 0xffffffff},
        /* memory */
        {"ld.global.s8 %r7, [%rd1];", 'w', 0x80, 0, 0, 0xffffff80},
        {"ld.global.u8 %rs7, [%rd1+1];", 'h', 0x8011, 0, 0, 0x80},
        {"ld.global.v2.u32 {%r8, %r7}, [%rd1];", 'w', 0x1111111122222222, 0, 0, 0x11111111},
        {"st.global.v4.u16 [%rd1+8], {%rs4, 5, %rs4, %rs4}; ld.global.u64 %rd9, [%rd1+8];", 'l', 7, 0, 0,
         0x0007000700050007},
    };
    if (!ptx_open("delicate_results")) return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t got = compute(rows[i].insn, rows[i].to, rows[i].a, rows[i].b, rows[i].c);
        ck_assert_msg(got == rows[i].want, "%s of %#llx, %#llx, %#llx is %#llx, not %#llx", rows[i].insn,
                      (unsigned long long)rows[i].a, (unsigned long long)rows[i].b, (unsigned long long)rows[i].c,
                      (unsigned long long)got, (unsigned long long)rows[i].want);
    }
    ptx_close();
}
END_TEST

/* An approximation is one, in both directions. */
static void off_by_a_unit(const char *instruction, double (*exact)(double)) {
    int below = 0, above = 0;
    for (int i = 0; i < 50; i++) {
        float x = 1 + (float)i * 0.019f, got;
        uint32_t b = (uint32_t)compute(instruction, 'f', F(x), 0, 0);
        double want = exact((double)x);
        memcpy(&got, &b, sizeof got);
        ck_assert_double_le(fabs((double)got - want), 0x1p-23);
        below += got < (float)want;
        above += got > (float)want;
    }
    ck_assert_int_gt(below, 5);
    ck_assert_int_gt(above, 5);
}

static double reciprocal(double x) { return 1 / x; }
static double reciprocal_root(double x) { return 1 / sqrt(x); }

START_TEST(approximations_are_off_by_a_unit) {
    if (!ptx_open("approximations_are_off_by_a_unit")) return;
    off_by_a_unit("rcp.approx.ftz.f32 %f7, %f4;", reciprocal);
    off_by_a_unit("rsqrt.approx.ftz.f32 %f7, %f4;", reciprocal_root);
    ptx_close();
}
END_TEST

/* All f16, and around each the floats where rounding turns. */
START_TEST(every_half) {
    enum { N = 65536, THREADS = 64 };
    static uint32_t data[4 * N];
    static const char body[] =
        "mad.lo.s32 %r4, %r3, 64, %r2; mul.wide.u32 %rd6, %r4, 16; add.s64 %rd7, %rd1, %rd6;\n"
        "ld.global.v4.u32 {%r5, %r6, %r7, %r8}, [%rd7]; cvt.u16.u32 %rs1, %r5;\n"
        "cvt.f32.f16 %f1, %rs1; mov.b32 %f2, %r6; cvt.rn.f16.f32 %rs2, %f2;\n"
        "mov.b32 %f3, %r7; cvt.rn.f16.f32 %rs3, %f3; cvt.rn.bf16.f32 %rs4, %f3;\n"
        "mov.b32 %r5, %f1; cvt.u32.u16 %r6, %rs2; cvt.u32.u16 %r7, %rs3; cvt.u32.u16 %r8, %rs4;\n"
        "st.global.v4.u32 [%rd7], {%r5, %r6, %r7, %r8};";
    if (!ptx_open("every_half")) return;
    for (int step = -1; step <= 1; step++) {
        for (uint32_t h = 0; h < N; h++) {
            /* the half and the next one meet in the middle: a bit behind the last */
            float value = base_f32_of_f16((uint16_t)h);
            uint32_t exact = (uint32_t)bits(value), middle = (exact | 0x1000) + (uint32_t)step;
            data[4 * h] = h;
            data[4 * h + 1] = exact;
            data[4 * h + 2] = middle;
            data[4 * h + 3] = 0;
        }
        static uint32_t before[4 * N];
        memcpy(before, data, sizeof data);
        ck_assert_str_eq(ptx_try(body, N / THREADS, THREADS, 0, data, sizeof data), "");
        for (uint32_t h = 0; h < N; h++) {
            float value, middle;
            memcpy(&value, &before[4 * h + 1], sizeof value);
            memcpy(&middle, &before[4 * h + 2], sizeof middle);
            int nan = value != value, nan_middle = middle != middle;
            ck_assert_uint_eq(data[4 * h], nan ? NAN32 : before[4 * h + 1]);
            ck_assert_uint_eq(data[4 * h + 1], nan ? 0x7fff : h);
            ck_assert_uint_eq(data[4 * h + 2], nan_middle ? 0x7fff : base_f16_of((double)middle));
            ck_assert_uint_eq(data[4 * h + 3], nan_middle ? 0x7fff : base_bf16_of((double)middle));
        }
    }
    ptx_close();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ptx ops");
    TCase *t = tcase_create("ops");
    tcase_add_test(t, delicate_results);
    tcase_add_test(t, approximations_are_off_by_a_unit);
    tcase_add_test(t, every_half);
    suite_add_tcase(suite, t);
    return support_main(suite);
}
