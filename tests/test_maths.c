/* The expansions of the mathematical functions against the C library in double (f32) and MPFR (f64): every f32 value
 * with SN_SLOW=1, else each 997th of them and those that were worst; arguments of all kinds for f64 and for pow. The
 * bounds are the promise of docs/maths.md, in units in the last place of the exact result. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <mpfr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support_lanes.h"

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static int exact_sigmoid(mpfr_t r, const mpfr_t x, mpfr_rnd_t round) {
    mpfr_neg(r, x, round);
    mpfr_exp(r, r, round);
    mpfr_add_ui(r, r, 1, round);
    return mpfr_ui_div(r, 1, r, round);
}

/* Function, f32 and f64 bounds, reference for f32, exact values, f32 arguments that gave the greatest errors. */
typedef struct {
    kn_prim prim;
    double bound32, bound64;
    double (*reference)(double);
    int (*exact)(mpfr_t, const mpfr_t, mpfr_rnd_t);
    float worst[4];
} function;

static const function functions[] = {
    {KP_EXP, 1, 2, exp, mpfr_exp, {-0x1.765026p+2f, -0x1.5ec8f6p+6f}},
    {KP_LOG, 1, 2, log, mpfr_log, {0x1.58463p+1f}},
    {KP_LOG1P, 2, 2, log1p, mpfr_log1p, {0x1.5583b6p-2f}},
    {KP_EXPM1, 2, 2, expm1, mpfr_expm1, {0x1.8996aap-2f}},
    {KP_TANH, 1, 2, tanh, mpfr_tanh, {0x1.e34856p-1f, 0.9375f, 0x1.f28a7ep-1f}},
    {KP_SIGMOID, 1, 2, sigmoid, exact_sigmoid, {-0x1.da7162p+5f, -0x1.4cbe5cp+2f, -0x1.5edb32p+6f}},
    {KP_SIN, 1, 2, sin, mpfr_sin, {0x1.3c3ecap+13f, 0x1.d6affcp+109f, 12800.0f}},
    {KP_COS, 1, 2, cos, mpfr_cos, {0x1.385e1ap+13f, 0x1.56c2ecp+117f, 12800.0f}},
    {KP_ERF, 2, 2, erf, mpfr_erf, {0x1.e931ecp-1f, 0x1.c45168p-127f}},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };
static const double pow_bound32 = 2, pow_bound64 = 2;

static int slow(void) {
    const char *text = getenv("SN_SLOW");
    return text && text[0] == '1';
}

/* ---- an expansion ready to run ----------------------------------------------------------------------------------- */

static base_alloc memory;
static base_trap trap;
static base_arena arena;
static lanes code;

typedef struct {
    kn_prim prim;
    sn_dtype type;
    kn_kernel *kernel;
} opening;

static void expand(void *arg) {
    opening *o = arg;
    o->kernel = kn_expand(&arena, lanes_kernel(&arena, o->prim, o->type), 0);
}

static void open_code(kn_prim prim, sn_dtype type) {
    opening o = {prim, type, NULL};
    base_alloc_init(&memory, NULL);
    base_arena_init(&arena, &memory, &trap);
    ck_assert_msg(!base_protect(&trap, expand, &o), "%s", trap.text);
    code = lanes_open(o.kernel);
}

static void close_code(void) {
    lanes_close(&code);
    base_arena_free(&arena);
}

static void report(const char *name, const char *type, double error, double at, double with, double bound) {
    if (with == 0)
        printf("%-8s %s  %.4f ulp at %a\n", name, type, error, at);
    else
        printf("%-8s %s  %.4f ulp at %a, %a\n", name, type, error, at, with);
    ck_assert_msg(error <= bound, "%s %s: %.4f ulp at %a, %a", name, type, error, at, with);
}

/* ---- f32 --------------------------------------------------------------------------------------------------------- */

/* Error in ulp against a reference in double; infinite where class or sign are wrong. */
static inline double error32(float got, double want) {
    if (isnan(want)) return isnan(got) ? 0 : (double)INFINITY;
    if (isnan(got) || !signbit(got) != !signbit(want)) return (double)INFINITY;
    if (isinf((float)want)) return isinf(got) ? 0 : isinf(want) || fabsf(got) < FLT_MAX ? (double)INFINITY : 1;
    if (isinf(got)) return (double)INFINITY;
    uint64_t bits;
    memcpy(&bits, &want, 8);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    if (exponent < -126) exponent = -126;
    uint64_t scale_bits = (uint64_t)(1023 + 23 - exponent) << 52;
    double scale;
    memcpy(&scale, &scale_bits, 8);
    return fabs((double)got - want) * scale;
}

typedef struct {
    double error;
    double at, with;
} worst;

static void check_block32(const function *f, const float *x, worst *w) {
    float y[LANES];
    lanes_run(&code, x, x, y);
    for (int i = 0; i < LANES; i++) {
        double error = error32(y[i], f->reference((double)x[i]));
        if (!(error <= w->error)) *w = (worst){error, (double)x[i], 0};
    }
}

START_TEST(unary_f32) {
    const function *f = &functions[_i];
    open_code(f->prim, SN_F32);
    worst w = {0};
    float x[LANES];
    static const float special[] = {0.0f, -0.0f, INFINITY,  -INFINITY,  NAN,  FLT_MAX, -FLT_MAX,  FLT_MIN,    -FLT_MIN,
                                    1.0f, -1.0f, 0x1p-149f, -0x1p-149f, 2.0f, -2.0f,   88.72284f, -103.9721f, 0.5f};
    int n = 0;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) x[n++] = special[i];
    for (size_t i = 0; i < 4; i++) x[n++] = f->worst[i];
    for (uint32_t near = 0; n < LANES; near++) { /* the neighbours of those */
        uint32_t bits;
        memcpy(&bits, &x[near], 4);
        bits++;
        memcpy(&x[n++], &bits, 4);
    }
    check_block32(f, x, &w);
    uint64_t stride = slow() ? 1 : 997;
    for (uint64_t first = 0; first < 1ull << 32; first += stride * LANES) {
        for (uint64_t i = 0; i < LANES; i++) {
            uint32_t bits = (uint32_t)(first + i * stride);
            memcpy(&x[i], &bits, 4);
        }
        check_block32(f, x, &w);
    }
    report(kn_prims[f->prim].name, "f32", w.error, w.at, 0, f->bound32);
    close_code();
}
END_TEST

/* ---- f64 --------------------------------------------------------------------------------------------------------- */

static uint64_t state;

static uint64_t random_bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static double unit(void) { return (double)(random_bits() >> 11) * 0x1p-53; }

/* Arguments in six distributions: all bit patterns, small and large ranges, tiny ones, powers; positive and close to 1
 * for log, above -1 for log1p. */
static double argument(kn_prim prim, int kind) {
    uint64_t bits = random_bits();
    double x;
    if (prim == KP_LOG && kind % 2) return 1 + ldexp(unit() - 0.5, -(int)(bits % 24));
    if (prim == KP_LOG1P && kind % 2) return ldexp(unit() - 0.2, -(int)(bits % 8));
    if ((prim == KP_SIN || prim == KP_COS) && kind == 3) /* close to multiples of pi / 2 */
        return ((double)(bits >> 44) * 0x1.921fb54442d18p0) * (1 + ldexp((double)(bits % 5) - 2, -52));
    switch (kind) {
        case 0: memcpy(&x, &bits, 8); return x;
        case 1: return (unit() - 0.5) * 4;
        case 2: return (unit() - 0.5) * 1500;
        case 3: return (unit() - 0.5) * 12;
        case 4: return ldexp(unit() - 0.5, -(int)(bits % 64));
        default: return ldexp(unit() - 0.5, (int)(bits % 12));
    }
}

/* Error in ulp of a result with p bits against an exact value: 53 bits for f64, 24 for f32. */
static double error_exact(double got, const mpfr_t want, int p, mpfr_t scratch) {
    long least = p == 53 ? -1022 : -126;
    double most = p == 53 ? DBL_MAX : (double)FLT_MAX;
    if (mpfr_nan_p(want)) return isnan(got) ? 0 : (double)INFINITY;
    if (isnan(got) || !signbit(got) != !mpfr_signbit(want)) return (double)INFINITY;
    mpfr_set_d(scratch, most, MPFR_RNDN);
    if (mpfr_inf_p(want) || mpfr_cmpabs(want, scratch) > 0)
        return isinf(got) || (!mpfr_inf_p(want) && fabs(got) == most) ? 0 : (double)INFINITY;
    if (mpfr_zero_p(want)) return got == 0 ? 0 : (double)INFINITY;
    if (isinf(got)) return (double)INFINITY;
    long exponent = mpfr_get_exp(want) - 1;
    if (exponent < least) exponent = least;
    mpfr_set_d(scratch, got, MPFR_RNDN);
    mpfr_sub(scratch, scratch, want, MPFR_RNDN);
    mpfr_mul_2si(scratch, scratch, p - 1 - exponent, MPFR_RNDN);
    return fabs(mpfr_get_d(scratch, MPFR_RNDN));
}

START_TEST(unary_f64) {
    const function *f = &functions[_i];
    open_code(f->prim, SN_F64);
    state = 88172645463325252u;
    mpfr_t arg, want, scratch;
    mpfr_inits2(53, arg, (mpfr_ptr)0);
    mpfr_inits2(200, want, scratch, (mpfr_ptr)0);
    worst w = {0};
    static const double special[] = {0.0,
                                     -0.0,
                                     INFINITY,
                                     -INFINITY,
                                     NAN,
                                     DBL_MAX,
                                     -DBL_MAX,
                                     DBL_MIN,
                                     -DBL_MIN,
                                     0x1p-1074,
                                     -0x1p-1074,
                                     0x1.8p-1073,
                                     1,
                                     -1,
                                     709.78271289338397,
                                     -745.13321910194111,
                                     -745.13321910194122,
                                     -708.4,
                                     -0x1.fffffffffffffp-1,
                                     -0x1.0000000000001p0,
                                     0x1.fffffffffffffp-1,
                                     0x1.0000000000001p0,
                                     0x1.8p1023,
                                     0x1p-54,
                                     -0x1p-60,
                                     22,
                                     36.8,
                                     0x1.921fb54442d18p0,
                                     0x1.921fb54442d18p1,
                                     0x1.6ac5b262ca1ffp849, /* the double closest to a multiple of pi / 2 */
                                     0x1.62e42fefa39efp-1};
    double x[LANES], y[LANES];
    int blocks = slow() ? 2000 : 18;
    for (int block = 0; block < blocks; block++) {
        for (int i = 0; i < LANES; i++) x[i] = argument(f->prim, block % 6);
        if (!block) memcpy(x, special, sizeof special);
        lanes_run(&code, x, x, y);
        for (int i = 0; i < LANES; i++) {
            mpfr_set_d(arg, x[i], MPFR_RNDN);
            f->exact(want, arg, MPFR_RNDN);
            double error = error_exact(y[i], want, 53, scratch);
            if (!(error <= w.error)) w = (worst){error, x[i], 0};
        }
    }
    report(kn_prims[f->prim].name, "f64", w.error, w.at, 0, f->bound64);
    mpfr_clears(arg, want, scratch, (mpfr_ptr)0);
    close_code();
}
END_TEST

/* ---- pow --------------------------------------------------------------------------------------------------------- */

/* Arguments whose power is an ordinary number as often as not: x over all exponents or close to 1 and y just large
 * enough to come near the ends, moderate ones, small integer powers of numbers of either sign. */
static void pow_arguments(int kind, int bits, int exponents, double *x, double *y) {
    double a = unit(), b = unit();
    int any = (int)(random_bits() % 4096);
    switch (kind) {
        case 0: *x = ldexp(1 + a, any % (2 * exponents) - exponents); break;
        case 1: *x = 1 + ldexp(a - 0.5, -(any % bits)); break;
        case 2: *x = a * 10, *y = (b - 0.5) * 20; return;
        default: *x = (a - 0.5) * 20, *y = any % 40 - 20; return;
    }
    double log = log2(*x);
    *y = (b * 2 - 1) * exponents * 1.1 / (log != 0 ? log : 1);
}

static void check_pow(sn_dtype type, double bound) {
    open_code(KP_POW, type);
    int p = type == SN_F64 ? 53 : 24;
    mpfr_t base, exponent, want, scratch;
    mpfr_inits2(53, base, exponent, (mpfr_ptr)0);
    mpfr_inits2(160, want, scratch, (mpfr_ptr)0);
    state = 88172645463325252u;
    worst w = {0};
    double x[LANES], y[LANES], z[LANES];
    float x32[LANES], y32[LANES], z32[LANES];
    int blocks = slow() ? 2000 : 24;
    for (int block = 0; block < blocks; block++) {
        for (int i = 0; i < LANES; i++) {
            pow_arguments(block % 4, p, type == SN_F64 ? 1024 : 128, &x[i], &y[i]);
            if (type == SN_F32) x[i] = (double)(x32[i] = (float)x[i]), y[i] = (double)(y32[i] = (float)y[i]);
        }
        lanes_run(&code, type == SN_F64 ? (void *)x : x32, type == SN_F64 ? (void *)y : y32,
                  type == SN_F64 ? (void *)z : z32);
        for (int i = 0; i < LANES; i++) {
            mpfr_set_d(base, x[i], MPFR_RNDN);
            mpfr_set_d(exponent, y[i], MPFR_RNDN);
            mpfr_pow(want, base, exponent, MPFR_RNDN);
            double error = error_exact(type == SN_F64 ? z[i] : (double)z32[i], want, p, scratch);
            if (!(error <= w.error)) w = (worst){error, x[i], y[i]};
        }
    }
    report("pow", sn_dtype_name(type), w.error, w.at, w.with, bound);
    mpfr_clears(base, exponent, want, scratch, (mpfr_ptr)0);
    close_code();
}

START_TEST(pow_f32) { check_pow(SN_F32, pow_bound32); }
END_TEST
START_TEST(pow_f64) { check_pow(SN_F64, pow_bound64); }
END_TEST

/* Every pair of these has the class, sign and, where it is exact, the value that the C library gives. */
START_TEST(pow_special) {
    static const double value[] = {0.0,          -0.0,     INFINITY,
                                   -INFINITY,    NAN,      1,
                                   -1,           2,        -2,
                                   0.5,          -0.5,     3,
                                   -3,           1e30,     -1e30,
                                   1.5,          -1.5,     1e-40,
                                   1e-20,        0.25,     16777215,
                                   -16777215,    16777216, 0x1p-149,
                                   -4,           4,        33,
                                   -33,          64,       0x1.fffffep-1,
                                   0x1.000002p0, FLT_MAX,  -(double)FLT_MAX,
                                   1e-38};
    enum { N = sizeof value / sizeof *value };
    sn_dtype type = _i ? SN_F64 : SN_F32;
    open_code(KP_POW, type);
    for (int i = 0; i < N; i++) {
        double x[LANES] = {0}, y[LANES] = {0}, z[LANES];
        float x32[LANES] = {0}, y32[LANES] = {0}, z32[LANES];
        for (int j = 0; j < N; j++) x[j] = value[i], y[j] = value[j];
        for (int j = 0; j < N; j++) x32[j] = (float)value[i], y32[j] = (float)value[j];
        lanes_run(&code, _i ? (void *)x : x32, _i ? (void *)y : y32, _i ? (void *)z : z32);
        for (int j = 0; j < N; j++) {
            double got = _i ? z[j] : (double)z32[j];
            double want = _i ? pow(x[j], y[j]) : (double)powf(x32[j], y32[j]);
            double tolerance = isfinite(want) ? fabs(want) * (_i ? 0x1p-51 : 0x1p-22) + (_i ? 0x1p-1073 : 0x1p-148) : 0;
            int same = isnan(want)   ? isnan(got)
                       : isinf(want) ? got == want
                                     : !signbit(got) == !signbit(want) && fabs(got - want) <= tolerance;
            ck_assert_msg(same, "%s pow(%a, %a) gave %a instead of %a", sn_dtype_name(type), x[j], y[j], got, want);
        }
    }
    close_code();
}
END_TEST

/* ---- kn_expand --------------------------------------------------------------------------------------------------- */

/* Two parts, an entry phase, a reduction, a guarded gather whose index comes after an expansion. */
static kn_kernel *larger_kernel(void) {
    kn_build b;
    kn_build_init(&b, &arena);
    kn_id rows = kn_add_axis(&b, KN_POINT, KN_D(0)), columns = kn_add_axis(&b, KN_LOOP, KN_D(1));
    kn_id other = kn_add_axis(&b, KN_POINT, KN_D(0));
    kn_id in = kn_add_mem(&b, KN_IN, SN_F32, KN_D(1), "in"), out = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(0), "out");
    kn_id out2 = kn_add_mem(&b, KN_OUT, SN_F64, KN_D(0), "out2");
    kn_part_begin(&b, 1, &rows, 1, 1, 16);
    kn_phase_begin(&b, 0, 1, &columns, columns, 8, 2);
    kn_access load = kn_access_of(in);
    kn_access_step(&load, columns, KN_C(1));
    kn_id e = kn_prim1(&b, KP_EXP, SN_F32, kn_load(&b, SN_F32, load));
    kn_id sum = kn_fold(&b, KP_ADD, SN_F32, 1u << columns, e, KN_NONE);
    kn_access store = kn_access_of(out);
    kn_access_step(&store, rows, KN_C(1));
    kn_store(&b, store, kn_prim1(&b, KP_LOG, SN_F32, sum));
    kn_phase_end(&b);
    kn_part_end(&b);
    kn_part_begin(&b, 1, &other, 4, 1, 16);
    kn_phase_begin(&b, 0, 0, NULL, other, 4, 1);
    kn_id index = kn_index(&b, other), wide = kn_prim1(&b, KP_CAST, SN_F64, index);
    kn_access gather = kn_access_of(in);
    gather.ix = kn_prim1(&b, KP_CAST, SN_I64, kn_prim1(&b, KP_SIN, SN_F64, wide));
    gather.ix_step = KN_C(1);
    gather.guard = kn_prim2(&b, KP_LT, SN_BOOL, index, kn_const_i(&b, SN_I64, 3));
    kn_id taken = kn_prim1(&b, KP_CAST, SN_F64, kn_load(&b, SN_F32, gather));
    kn_access store2 = kn_access_of(out2);
    kn_access_step(&store2, other, KN_C(1));
    kn_store(&b, store2, kn_prim2(&b, KP_POW, SN_F64, wide, taken));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

static void expand_larger(void *arg) {
    (void)arg;
    char text[256];
    const kn_kernel *before = larger_kernel();
    ck_assert_msg(!kn_verify(before, text), "before: %s", text);
    const kn_kernel *after = kn_expand(&arena, before, 0);
    ck_assert_msg(!kn_verify(after, text), "after: %s", text);
    ck_assert_int_eq(after->n_part, before->n_part);
    ck_assert_int_eq(after->n_phase, before->n_phase);
    ck_assert_int_eq(after->n_mem, before->n_mem);
    ck_assert_int_eq(after->n_access, before->n_access);
    ck_assert_int_eq(after->n_dim, before->n_dim);
    int maths[2] = {0}, kinds[2][KI_FOLD + 1] = {{0}};
    for (int a = 0; a < 2; a++) {
        const kn_kernel *k = a ? after : before;
        for (kn_id i = 0; i < k->n_inst; i++) {
            kinds[a][k->inst[i].kind]++;
            maths[a] += k->inst[i].kind == KI_PRIM && kn_prims[k->inst[i].prim].is_maths;
        }
    }
    ck_assert_int_eq(maths[0], 4);
    ck_assert_int_eq(maths[1], 0);
    for (int kind = KI_SCALAR; kind <= KI_STORE; kind++) ck_assert_int_eq(kinds[0][kind], kinds[1][kind]);
    ck_assert_int_eq(kinds[1][KI_FOLD], 1);
    ck_assert_int_eq(after->phase[0].end, after->phase[1].first);
    ck_assert_int_eq(after->phase[1].end, after->n_inst);
    /* A kernel without such functions comes back as it was. */
    const kn_kernel *again = kn_expand(&arena, after, 0);
    base_strbuf one, two;
    base_strbuf_init(&one, &memory);
    base_strbuf_init(&two, &memory);
    kn_encode(after, &one);
    kn_encode(again, &two);
    ck_assert_uint_eq(one.n, two.n);
    ck_assert_mem_eq(one.at, two.at, one.n);
    base_strbuf_free(&one);
    base_strbuf_free(&two);
}

START_TEST(expand_keeps_structure) {
    base_alloc_init(&memory, NULL);
    base_arena_init(&arena, &memory, &trap);
    ck_assert_msg(!base_protect(&trap, expand_larger, NULL), "%s", trap.text);
    base_arena_free(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("maths");
    TCase *tests = tcase_create("maths");
    if (slow()) tcase_set_timeout(tests, 0);
    tcase_add_loop_test(tests, unary_f32, 0, FUNCTIONS);
    tcase_add_loop_test(tests, unary_f64, 0, FUNCTIONS);
    tcase_add_test(tests, pow_f32);
    tcase_add_test(tests, pow_f64);
    tcase_add_loop_test(tests, pow_special, 0, 2);
    tcase_add_test(tests, expand_keeps_structure);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
