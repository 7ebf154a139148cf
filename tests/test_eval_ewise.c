/* The graph evaluator's element-wise operators against plain C: over every dtype they take, at random and edge values.
 */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "ir/eval.h"
#include "support/support_graph.h"

/* ---- element-wise floats -------------------------------------------------------------------------------------- */

static long double ref_neg(long double a, long double b) { return (void)b, -a; }
static long double ref_abs(long double a, long double b) { return (void)b, fabsl(a); }
static long double ref_floor(long double a, long double b) { return (void)b, floorl(a); }
static long double ref_ceil(long double a, long double b) { return (void)b, ceill(a); }
static long double ref_trunc(long double a, long double b) { return (void)b, truncl(a); }
static long double ref_round(long double a, long double b) { /* ties to even, without the rounding mode */
    (void)b;
    long double low = floorl(a), rest = a - low;
    return rest > 0.5L || (rest == 0.5L && fmodl(low, 2) != 0) ? low + 1 : low;
}
static long double ref_erf(long double a, long double b) { return (void)b, erfl(a); }
static long double ref_square(long double a, long double b) { return (void)b, a * a; }
static long double ref_reciprocal(long double a, long double b) { return (void)b, 1 / a; }
static long double ref_sqrt(long double a, long double b) { return (void)b, sqrtl(a); }
static long double ref_rsqrt(long double a, long double b) { return (void)b, 1 / sqrtl(a); }
static long double ref_exp(long double a, long double b) { return (void)b, expl(a); }
static long double ref_expm1(long double a, long double b) { return (void)b, expm1l(a); }
static long double ref_log(long double a, long double b) { return (void)b, logl(a); }
static long double ref_log1p(long double a, long double b) { return (void)b, log1pl(a); }
static long double ref_sin(long double a, long double b) { return (void)b, sinl(a); }
static long double ref_cos(long double a, long double b) { return (void)b, cosl(a); }
static long double ref_tanh(long double a, long double b) { return (void)b, tanhl(a); }
static long double ref_sigmoid(long double a, long double b) { return (void)b, 1 / (1 + expl(-a)); }
static long double ref_softplus(long double a, long double b) { return (void)b, log1pl(expl(a)); }
static long double ref_relu(long double a, long double b) { return (void)b, a > 0 ? a : 0; }
static long double ref_sign(long double a, long double b) { return (void)b, a > 0 ? 1 : a < 0 ? -1 : 0; }
static long double ref_add(long double a, long double b) { return a + b; }
static long double ref_sub(long double a, long double b) { return a - b; }
static long double ref_mul(long double a, long double b) { return a * b; }
static long double ref_div(long double a, long double b) { return a / b; }
static long double ref_pow(long double a, long double b) { return powl(a, b); }
static long double ref_min(long double a, long double b) { return a < b ? a : b; }
static long double ref_max(long double a, long double b) { return a > b ? a : b; }

static const struct {
    ir_op op;
    long double (*fn)(long double a, long double b);
} references[] = {
    {IR_NEG, ref_neg},
    {IR_ABS, ref_abs},
    {IR_FLOOR, ref_floor},
    {IR_CEIL, ref_ceil},
    {IR_TRUNC, ref_trunc},
    {IR_ROUND, ref_round},
    {IR_ERF, ref_erf},
    {IR_SQUARE, ref_square},
    {IR_SQRT, ref_sqrt},
    {IR_RSQRT, ref_rsqrt},
    {IR_EXP, ref_exp},
    {IR_EXPM1, ref_expm1},
    {IR_LOG, ref_log},
    {IR_LOG1P, ref_log1p},
    {IR_SIN, ref_sin},
    {IR_COS, ref_cos},
    {IR_TANH, ref_tanh},
    {IR_SIGMOID, ref_sigmoid},
    {IR_RELU, ref_relu},
    {IR_SIGN, ref_sign},
    {IR_SOFTPLUS, ref_softplus},
    {IR_ADD, ref_add},
    {IR_SUB, ref_sub},
    {IR_MUL, ref_mul},
    {IR_DIV, ref_div},
    {IR_POW, ref_pow},
    {IR_MIN, ref_min},
    {IR_MAX, ref_max},
    {IR_RECIPROCAL, ref_reciprocal},
};

enum { SAMPLES = 500 };

IR_TEST(floats) {
    ir_graph *g = &t->g;
    char name[32];
    for (int64_t r = 0; r < COUNT(references); r++) {
        ir_op op = references[r].op;
        double *a = support_domain(t, (ir_domain)ir_ops[op].domain, 0, SAMPLES);
        double *b = support_domain(t, (ir_domain)ir_ops[op].domain, 1, SAMPLES);
        float fa[SAMPLES], fb[SAMPLES];
        for (int i = 0; i < SAMPLES; i++) fa[i] = (float)a[i], fb[i] = (float)b[i];
        ir_id in[4];
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "%s%d", ir_ops[op].name, k);
            in[k] = support_input(t, name, k < 2 ? SN_F64 : SN_F32, SIZES(SAMPLES),
                                  k == 0   ? (const void *)a
                                  : k == 1 ? (const void *)b
                                  : k == 2 ? (const void *)fa
                                           : fb);
        }
        ir_id wide = support_apply(t, (int)op, in[0], in[1]), single = support_apply(t, (int)op, in[2], in[3]);
        ck_assert_uint_eq(ir_at(g, single)->dtype, SN_F32);
        const double *x = support_eval(t, wide);
        const float *y = support_eval(t, single);
        for (int i = 0; i < SAMPLES; i++) {
            double want = (double)references[r].fn((long double)a[i], (long double)b[i]);
            ck_assert_msg(fabs(x[i] - want) <= 4 * DBL_EPSILON * fabs(want), "%s(%.17g, %.17g) is %.17g, not %.17g",
                          ir_ops[op].name, a[i], b[i], x[i], want);
            /* Rounded from f64: correct but for the rare double rounding. */
            float near = (float)references[r].fn((long double)fa[i], (long double)fb[i]);
            ck_assert_msg(y[i] == near || y[i] == nextafterf(near, y[i]), "%s(%.9g, %.9g) is %.9g, not %.9g in f32",
                          ir_ops[op].name, (double)fa[i], (double)fb[i], (double)y[i], (double)near);
        }
    }
}

IR_TEST(special_floats) {
    ir_graph *g = &t->g;
    static const double in[] = {0.0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, 1000, -1000};
    static const float in32[] = {0.0f, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 1000, -1000};
    for (int single = 0; single < 2; single++) {
        ir_id x = single ? support_input(t, "f", SN_F32, SIZES(9), in32) : support_input(t, "d", SN_F64, SIZES(9), in);
        CHECK_FLOATS(t, ir_unary(g, IR_NEG, x), -0.0, 0, -1, 1, -INFINITY, INFINITY, NAN, -1000, 1000);
        CHECK_FLOATS(t, ir_unary(g, IR_ABS, x), 0, 0, 1, 1, INFINITY, INFINITY, NAN, 1000, 1000);
        CHECK_FLOATS(t, ir_unary(g, IR_RELU, x), 0, 0, 1, 0, INFINITY, 0, NAN, 1000, 0);
        CHECK_FLOATS(t, ir_unary(g, IR_SIGN, x), 0, -0.0, 1, -1, 1, -1, NAN, 1, -1);
        CHECK_FLOATS(t, ir_unary(g, IR_RECIPROCAL, x), INFINITY, -INFINITY, 1, -1, 0, -0.0, NAN,
                     single ? (double)0.001f : 0.001, single ? (double)-0.001f : -0.001);
        double one_e = 1 / (1 + exp(-1)), less = exp(-1) / (1 + exp(-1));
        CHECK_FLOATS(t, ir_unary(g, IR_SIGMOID, x), 0.5, 0.5, single ? (double)(float)one_e : one_e,
                     single ? (double)(float)less : less, 1, 0, NAN, 1, 0);
        ir_id soft = ir_unary(g, IR_SOFTPLUS, x);
        const void *have = support_eval(t, soft);
        double ends[] = {INFINITY, 0, NAN, 1000, 0};
        support_check_floats("softplus", (const char *)have + 4 * sn_dtype_size((sn_dtype)ir_at(g, soft)->dtype),
                             (sn_dtype)ir_at(g, soft)->dtype, ends, 5);
        ir_id nan = ir_const(g, single ? SN_F32 : SN_F64, NAN);
        CHECK_FLOATS(t, ir_binary(g, IR_MIN, x, nan), NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN);
        CHECK_FLOATS(t, ir_binary(g, IR_MAX, nan, x), NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN);
        CHECK_INTS(t, ir_binary(g, IR_EQ, x, x), 1, 1, 1, 1, 1, 1, 0, 1, 1);
        CHECK_INTS(t, ir_binary(g, IR_NE, x, nan), 1, 1, 1, 1, 1, 1, 1, 1, 1);
        ir_id zero = ir_const(g, single ? SN_F32 : SN_F64, 0);
        CHECK_INTS(t, ir_binary(g, IR_LT, x, zero), 0, 0, 0, 1, 0, 1, 0, 0, 1);
        CHECK_INTS(t, ir_binary(g, IR_LE, x, zero), 1, 1, 0, 1, 0, 1, 0, 0, 1);
        CHECK_INTS(t, ir_binary(g, IR_GT, x, zero), 0, 0, 1, 0, 1, 0, 0, 1, 0);
        CHECK_INTS(t, ir_binary(g, IR_GE, x, zero), 1, 1, 1, 0, 1, 0, 0, 1, 0);
    }
}

/* Halves go to the even side, zeros keep their sign, what has no fraction stays. */
IR_TEST(roundings) {
    ir_graph *g = &t->g;
    static const double in[] = {0.5, 1.5, 2.5, -0.5, -1.5, 0.3, -0.3, -0.0, 0x1p60, -INFINITY, NAN, 2.9999};
    ir_id x = support_input(t, "x", SN_F64, SIZES(12), in), y = ir_cast(g, x, SN_F32);
    ir_id both[] = {x, y};
    for (int k = 0; k < 2; k++) {
        ir_id v = both[k];
        CHECK_FLOATS(t, ir_unary(g, IR_ROUND, v), 0, 2, 2, -0.0, -2, 0, -0.0, -0.0, 0x1p60, -INFINITY, NAN, 3);
        CHECK_FLOATS(t, ir_unary(g, IR_CEIL, v), 1, 2, 3, -0.0, -1, 1, -0.0, -0.0, 0x1p60, -INFINITY, NAN, 3);
        CHECK_FLOATS(t, ir_unary(g, IR_TRUNC, v), 0, 1, 2, -0.0, -1, 0, -0.0, -0.0, 0x1p60, -INFINITY, NAN, 2);
        CHECK_FLOATS(t, ir_unary(g, IR_FLOOR, v), 0, 1, 2, -1, -2, 0, -1, -0.0, 0x1p60, -INFINITY, NAN, 2);
    }
}

/* Each node is rounded to its dtype, not only the last. */
IR_TEST(rounds_after_each_node) {
    ir_graph *g = &t->g;
    static const float big = 1e8f;
    static const double wide = 1e8;
    ir_id x = support_input(t, "x", SN_F32, 0, NULL, &big), y = support_input(t, "y", SN_F64, 0, NULL, &wide);
    ir_id one = ir_const_weak(g, 1);
    CHECK_FLOATS(t, ir_binary(g, IR_SUB, ir_binary(g, IR_ADD, x, one), x), 0);
    CHECK_FLOATS(t, ir_binary(g, IR_SUB, ir_binary(g, IR_ADD, y, one), y), 1);
}

/* ---- integers and bools --------------------------------------------------------------------------------------- */

static const int64_t edges[] = {0,   1,   -1,   2,         5,         100,       127,      128,
                                200, 255, -128, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
enum { EDGES = sizeof edges / sizeof *edges };

static int64_t wrap_to(sn_dtype dtype, uint64_t x) {
    return dtype == SN_I64 ? (int64_t)x : dtype == SN_I32 ? (int64_t)(int32_t)(uint32_t)x : (int64_t)(uint8_t)x;
}

static int64_t int_reference(ir_op op, int64_t a, int64_t b) {
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    switch (op) {
        case IR_NEG: return (int64_t)(0 - x);
        case IR_ABS: return a < 0 ? (int64_t)(0 - x) : a;
        case IR_SIGN: return a > 0 ? 1 : a < 0 ? -1 : 0;
        case IR_SQUARE: return (int64_t)(x * x);
        case IR_RELU: return a > 0 ? a : 0;
        case IR_NOT: return (int64_t)~x;
        case IR_ADD: return (int64_t)(x + y);
        case IR_SUB: return (int64_t)(x - y);
        case IR_MUL: return (int64_t)(x * y);
        case IR_MIN: return a < b ? a : b;
        case IR_MAX: return a > b ? a : b;
        case IR_LT: return a < b;
        case IR_LE: return a <= b;
        case IR_GT: return a > b;
        case IR_GE: return a >= b;
        case IR_EQ: return a == b;
        case IR_NE: return a != b;
        case IR_AND: return (int64_t)(x & y);
        case IR_OR: return (int64_t)(x | y);
        case IR_XOR: return (int64_t)(x ^ y);
        case IR_SHL:
            for (uint64_t i = 0; i < y && x; i++) x += x;
            return (int64_t)x;
        case IR_SHR:
            for (uint64_t i = 0; i < y && i < 64; i++) a = (a - (a & 1)) / 2;
            return a;
        case IR_RANDOM_BITS: return ir_eval_threefry(a, b); /* held by published vectors */
        default: ck_abort_msg("%s has no integer reference", ir_ops[op].name);
    }
}

IR_TEST(integers) {
    static const sn_dtype dtypes[] = {SN_I64, SN_I32, SN_U8};
    for (int k = 0; k < 3; k++) {
        sn_dtype dtype = dtypes[k];
        int64_t a64[EDGES * EDGES], b64[EDGES * EDGES];
        int32_t a32[EDGES * EDGES], b32[EDGES * EDGES];
        uint8_t a8[EDGES * EDGES], b8[EDGES * EDGES];
        for (int i = 0; i < EDGES * EDGES; i++) {
            a64[i] = wrap_to(dtype, (uint64_t)edges[i / EDGES]), b64[i] = wrap_to(dtype, (uint64_t)edges[i % EDGES]);
            a32[i] = (int32_t)wrap_to(SN_I32, (uint64_t)a64[i]), b32[i] = (int32_t)wrap_to(SN_I32, (uint64_t)b64[i]);
            a8[i] = (uint8_t)a64[i], b8[i] = (uint8_t)b64[i];
        }
        const void *data[3][2] = {{a64, b64}, {a32, b32}, {a8, b8}};
        char names[2][16];
        for (int j = 0; j < 2; j++) snprintf(names[j], sizeof names[j], "%c%d", 'a' + j, k);
        ir_id a = support_input(t, names[0], dtype, SIZES(EDGES * EDGES), data[k][0]);
        ir_id b = support_input(t, names[1], dtype, SIZES(EDGES * EDGES), data[k][1]);
        for (int op = 1; op < IR_OP_COUNT; op++) {
            if (ir_ops[op].cls != IR_CLASS_EWISE || !(ir_ops[op].types & IR_T_I) || op == IR_CAST || op == IR_SELECT)
                continue;
            int64_t want[EDGES * EDGES];
            for (int i = 0; i < EDGES * EDGES; i++) {
                int64_t exact = int_reference((ir_op)op, a64[i], b64[i]);
                want[i] = ir_ops[op].to_bool ? exact : wrap_to(dtype, (uint64_t)exact);
            }
            support_check_node_ints(t, ir_ops[op].name, support_apply(t, (int)op, a, b), want, EDGES * EDGES);
        }
    }
}

IR_TEST(bools) {
    ir_graph *g = &t->g;
    static const uint8_t a[] = {0, 0, 1, 1}, b[] = {0, 1, 0, 1};
    ir_id x = support_input(t, "a", SN_BOOL, SIZES(4), a), y = support_input(t, "b", SN_BOOL, SIZES(4), b);
    CHECK_INTS(t, ir_binary(g, IR_AND, x, y), 0, 0, 0, 1);
    CHECK_INTS(t, ir_binary(g, IR_OR, x, y), 0, 1, 1, 1);
    CHECK_INTS(t, ir_binary(g, IR_XOR, x, y), 0, 1, 1, 0);
    CHECK_INTS(t, ir_unary(g, IR_NOT, x), 1, 1, 0, 0);
    CHECK_INTS(t, ir_binary(g, IR_EQ, x, y), 1, 0, 0, 1);
    CHECK_INTS(t, ir_binary(g, IR_NE, x, y), 0, 1, 1, 0);
    ir_id p = support_input(t, "p", SN_I32, SIZES(4), (const int32_t[]){1, 2, 3, 4});
    CHECK_INTS(t, ir_select(g, x, p, ir_const_weak(g, 9)), 9, 9, 3, 4);
    CHECK_INTS(t, ir_select(g, x, y, ir_unary(g, IR_NOT, y)), 1, 0, 0, 1);
}

IR_TEST(casts) {
    ir_graph *g = &t->g;
    static const double f[] = {0,   -0.0, 0.9,  -0.9,  1.5,      -1.5,      255.9, 256,
                               3e9, -3e9, 1e19, -1e19, INFINITY, -INFINITY, NAN};
    static const int64_t l[] = {0,
                                1,
                                -1,
                                255,
                                256,
                                257,
                                1ll << 31,
                                (1ll << 32) + 7,
                                INT64_MAX,
                                INT64_MIN,
                                (1ll << 24) + 1,
                                (1ll << 40) + (1ll << 16) + 1};
    ir_id x = support_input(t, "f", SN_F64, SIZES(COUNT(f)), f), n = support_input(t, "l", SN_I64, SIZES(COUNT(l)), l);
    CHECK_INTS(t, ir_cast(g, x, SN_I64), 0, 0, 0, 0, 1, -1, 255, 256, 3000000000, -3000000000, INT64_MAX, INT64_MIN,
               INT64_MAX, INT64_MIN, 0);
    CHECK_INTS(t, ir_cast(g, x, SN_I32), 0, 0, 0, 0, 1, -1, 255, 256, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN,
               INT32_MAX, INT32_MIN, 0);
    CHECK_INTS(t, ir_cast(g, x, SN_U8), 0, 0, 0, 0, 1, 0, 255, 255, 255, 0, 255, 0, 255, 0, 0);
    CHECK_INTS(t, ir_cast(g, x, SN_BOOL), 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    CHECK_FLOATS(t, ir_cast(g, x, SN_F32), 0, -0.0, (double)0.9f, (double)-0.9f, 1.5, -1.5, (double)255.9f, 256, 3e9,
                 -3e9, (double)1e19f, (double)-1e19f, INFINITY, -INFINITY, NAN);
    CHECK_INTS(t, ir_cast(g, ir_cast(g, x, SN_F32), SN_I32), 0, 0, 0, 0, 1, -1, 255, 256, INT32_MAX, INT32_MIN,
               INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 0);
    CHECK_INTS(t, ir_cast(g, n, SN_I32), 0, 1, -1, 255, 256, 257, INT32_MIN, 7, -1, 0, (1 << 24) + 1, (1 << 16) + 1);
    CHECK_INTS(t, ir_cast(g, n, SN_U8), 0, 1, 255, 255, 0, 1, 0, 7, 255, 0, 1, 1);
    CHECK_INTS(t, ir_cast(g, n, SN_BOOL), 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    /* The last one rounds differently by way of double only if it is rounded twice. */
    static const int64_t twice = (1ll << 54) + (1ll << 30) + 1;
    ir_id between = support_input(t, "t", SN_I64, 0, NULL, &twice);
    CHECK_FLOATS(t, ir_cast(g, between, SN_F32), (double)(float)twice);
    CHECK_FLOATS(t, ir_cast(g, n, SN_F32), 0, 1, -1, 255, 256, 257, 0x1p31, 0x1p32, 0x1p63, -0x1p63, 0x1p24,
                 (double)(float)l[11]);
    CHECK_FLOATS(t, ir_cast(g, ir_cast(g, n, SN_BOOL), SN_F64), 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
}

int main(void) {
    Suite *suite = suite_create("eval_ewise");
    TCase *tests = tcase_create("evaluator");
    tcase_add_test(tests, floats);
    tcase_add_test(tests, special_floats);
    tcase_add_test(tests, roundings);
    tcase_add_test(tests, rounds_after_each_node);
    tcase_add_test(tests, integers);
    tcase_add_test(tests, bools);
    tcase_add_test(tests, casts);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
