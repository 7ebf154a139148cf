/* Conversions of the floating element types: all values of the 16-bit ones back and forth, and narrowing against the
 * compiler's own types, at every boundary between two values and on both sides of it. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/floats.h"

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint16_t narrow(sn_dtype dtype, double x) { return dtype == SN_F16 ? base_f16_of(x) : base_bf16_of(x); }
static float widen(sn_dtype dtype, uint16_t bits) {
    return dtype == SN_F16 ? base_f32_of_f16(bits) : base_f32_of_bf16(bits);
}
static const sn_dtype halves[] = {SN_F16, SN_BF16};

START_TEST(every_value_comes_back) {
    sn_dtype dtype = halves[_i];
    uint64_t infinity = base_float_infinity(dtype);
    ck_assert_uint_eq(infinity, dtype == SN_F16 ? 0x7c00 : 0x7f80);
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        float x = widen(dtype, (uint16_t)bits);
        int is_nan = (bits & 0x7fff) > infinity;
        ck_assert_int_eq(isnan(x) != 0, is_nan);
        ck_assert_int_eq(signbit(x) != 0, bits >> 15);
        ck_assert_uint_eq(narrow(dtype, (double)x), is_nan ? BASE_HALF_NAN : bits);
        if (is_nan) ck_assert_uint_eq(bits_of(x) >> 22 & 1, 1); /* quiet */
        ck_assert_uint_eq(base_float_bits(dtype, base_float_value(dtype, bits)), is_nan ? BASE_HALF_NAN : bits);
    }
}
END_TEST

/* Between neighbours a < b: just below the middle gives a, just above b, the middle itself the even one. */
START_TEST(rounds_to_nearest_even) {
    sn_dtype dtype = halves[_i];
    uint32_t infinity = (uint32_t)base_float_infinity(dtype);
    for (uint32_t bits = 0; bits < infinity; bits++) {
        double a = (double)widen(dtype, (uint16_t)bits), b = (double)widen(dtype, (uint16_t)(bits + 1));
        if (bits + 1 == infinity) b = 2 * a - (double)widen(dtype, (uint16_t)(bits - 1));
        double middle = (a + b) / 2;
        uint32_t even = bits + (bits & 1);
        for (uint32_t sign = 0; sign < 2; sign++) {
            double s = sign ? -1 : 1;
            ck_assert_uint_eq(narrow(dtype, s * middle), sign << 15 | even);
            ck_assert_uint_eq(narrow(dtype, s * nextafter(middle, 0)), sign << 15 | bits);
            ck_assert_uint_eq(narrow(dtype, s * nextafter(middle, INFINITY)), sign << 15 | (bits + 1));
        }
        /* A long double so close to the middle that a double in between would be the middle. */
        uint16_t half[2];
        base_float_put(dtype, &half[0], nextafterl((long double)middle, 0.0L));
        base_float_put(dtype, &half[1], nextafterl((long double)middle, (long double)INFINITY));
        ck_assert_uint_eq(half[0], bits);
        ck_assert_uint_eq(half[1], bits + 1);
    }
    ck_assert_uint_eq(narrow(dtype, 1e300), infinity);
    ck_assert_uint_eq(narrow(dtype, -INFINITY), infinity | 0x8000);
    ck_assert_uint_eq(narrow(dtype, 0x1p-1070), 0);
    ck_assert_uint_eq(narrow(dtype, -0.0), 0x8000);
    ck_assert_uint_eq(narrow(dtype, -NAN), BASE_HALF_NAN);
}
END_TEST

#ifdef __FLT16_MANT_DIG__
__extension__ typedef _Float16 compilers_f16;

START_TEST(f16_is_the_compilers) {
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        compilers_f16 x;
        uint16_t half = (uint16_t)bits;
        memcpy(&x, &half, sizeof x);
        float ours = base_f32_of_f16(half), theirs = (float)x;
        ck_assert(isnan(ours) ? isnan(theirs) : bits_of(ours) == bits_of(theirs));
    }
    uint64_t state = 1;
    for (uint32_t i = 0; i < 4000000; i++) { /* of all magnitudes, most of them in range */
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t pattern = (uint32_t)(state >> 32);
        if (i & 1) pattern = (pattern & 0x83ffffffu) | (100u + (i >> 1) % 48) << 23;
        float x;
        memcpy(&x, &pattern, sizeof x);
        compilers_f16 rounded = (compilers_f16)x;
        uint16_t theirs;
        memcpy(&theirs, &rounded, sizeof theirs);
        uint16_t ours = base_f16_of((double)x);
        if (isnan(x) ? ours != BASE_HALF_NAN : ours != theirs)
            ck_abort_msg("%a: %04x, not %04x", (double)x, ours, theirs);
    }
}
END_TEST
#endif

START_TEST(facts) {
    static const struct {
        sn_dtype dtype;
        double epsilon, least, greatest;
        uint64_t nan;
    } of[] = {{SN_F64, 0x1p-52, 0x1p-1074, 0x1.fffffffffffffp1023, 0x7ff8000000000000u},
              {SN_F32, 0x1p-23, 0x1p-149, 0x1.fffffep127, 0x7fc00000u},
              {SN_F16, 0x1p-10, 0x1p-24, 65504, 0x7fff},
              {SN_BF16, 0x1p-7, 0x1p-133, 0x1.fep127, 0x7fff}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sn_dtype dtype = of[i].dtype;
        ck_assert(base_is_float(dtype));
        ck_assert_int_eq(base_is_half(dtype), i >= 2);
        ck_assert_int_eq(base_register_type(dtype), i ? SN_F32 : SN_F64);
        ck_assert_double_eq(base_float_epsilon(dtype), of[i].epsilon);
        ck_assert_double_eq(base_float_least(dtype), of[i].least);
        ck_assert_double_eq(base_float_greatest(dtype), of[i].greatest);
        ck_assert_uint_eq(base_float_nan(dtype), of[i].nan);
        ck_assert_uint_eq(base_float_sign(dtype), base_float_bits(dtype, -0.0));
        ck_assert(isinf(base_float_value(dtype, base_float_infinity(dtype))));
        ck_assert_double_eq(base_float_value(dtype, base_float_bits(dtype, -1.5)), -1.5);
    }
    ck_assert(!base_is_float(SN_I64) && !base_is_float(SN_BOOL));
}
END_TEST

START_TEST(elements) {
    union {
        int64_t i64;
        int32_t i32;
        uint8_t u8;
        uint16_t half;
        float f32;
    } at;
    sn_element_put(SN_F16, &at, 0.1);
    ck_assert_uint_eq(at.half, 0x2e66);
    ck_assert_double_eq(sn_element_get(SN_F16, &at), 0x1.998p-4);
    sn_element_put(SN_BF16, &at, -1e39);
    ck_assert_uint_eq(at.half, 0xff80);
    sn_element_put(SN_F32, &at, 0.1);
    ck_assert(at.f32 == 0.1f && sn_element_get(SN_F32, &at) == (double)0.1f);
    sn_element_put(SN_I64, &at, 1e30);
    ck_assert_int_eq(at.i64, INT64_MAX);
    sn_element_put(SN_I64, &at, -0x1p63);
    ck_assert_int_eq(at.i64, INT64_MIN);
    sn_element_put(SN_I32, &at, -2.9);
    ck_assert_int_eq(at.i32, -2);
    ck_assert_double_eq(sn_element_get(SN_I32, &at), -2);
    sn_element_put(SN_I32, &at, 3e9);
    ck_assert_int_eq(at.i32, INT32_MAX);
    sn_element_put(SN_U8, &at, 300);
    ck_assert_uint_eq(at.u8, 255);
    sn_element_put(SN_U8, &at, NAN);
    ck_assert_uint_eq(at.u8, 0);
    sn_element_put(SN_BOOL, &at, NAN);
    ck_assert_double_eq(sn_element_get(SN_BOOL, &at), 1);
    ck_assert_double_eq(sn_element_get(SN_DTYPE_NONE, &at), 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("floats");
    TCase *c = tcase_create("conversions");
    tcase_add_loop_test(c, every_value_comes_back, 0, 2);
    tcase_add_loop_test(c, rounds_to_nearest_even, 0, 2);
#ifdef __FLT16_MANT_DIG__
    tcase_add_test(c, f16_is_the_compilers);
#endif
    tcase_add_test(c, facts);
    tcase_add_test(c, elements);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
