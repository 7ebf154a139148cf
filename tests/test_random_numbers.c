/* Random numbers: the generator against published vectors, the same numbers on every path, in any shape and at any
 * size, and their distributions: moments and the Kolmogorov-Smirnov distance from the exact ones. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"
#include "ir/infer.h"
#include "runtime/context.h"
#include "support/support_graph.h"
#include "support/support_paths.h"

static sn_expr of(ir_graph *g, ir_id id) { return (sn_expr){g, id}; }
static sn_expr whole(ir_graph *g, int64_t value) { return of(g, ir_const_bits(g, SN_I64, (uint64_t)value)); }
static ir_id made(ir_graph *g, sn_expr e) {
    if (!e.id) base_fail(&g->trap, sn_graph_status(g), "%s", sn_graph_error(g));
    return e.id;
}

/* ---- the generator ----------------------------------------------------------------------------------------------- */

/* Known answers of threefry2x32 with 20 rounds, from the authors' library Random123. */
static const struct {
    uint32_t counter[2], key[2], out[2];
} known[] = {
    {{0, 0}, {0, 0}, {0x6b200159, 0x99ba4efe}},
    {{0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x1cb996fc, 0xbb002be7}},
    {{0x243f6a88, 0x85a308d3}, {0x13198a2e, 0x03707344}, {0xc4923a9c, 0x483df7a0}},
};

static int64_t joined(const uint32_t word[2]) { return (int64_t)((uint64_t)word[1] << 32 | word[0]); }

START_TEST(known_answers) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ck_assert_int_eq(ir_eval_threefry(joined(known[i].counter), joined(known[i].key)), joined(known[i].out));
}
END_TEST

/* Narrower integers are extended by their sign, and get the low bits. */
IR_TEST(narrow_integers) {
    ir_graph *g = &t->g;
    static const int32_t counter[] = {-1, 5}, key[] = {7, -3};
    static const uint8_t small[] = {200, 9};
    ir_id c = support_input(t, "c", SN_I32, SIZES(2), counter), k = support_input(t, "k", SN_I32, SIZES(2), key);
    ir_id s = support_input(t, "s", SN_U8, SIZES(2), small);
    const int32_t *have = support_eval(t, ir_binary(g, IR_RANDOM_BITS, c, k));
    const uint8_t *bytes = support_eval(t, ir_binary(g, IR_RANDOM_BITS, s, s));
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(have[i], (int32_t)(uint32_t)(uint64_t)ir_eval_threefry(counter[i], key[i]));
        ck_assert_uint_eq(bytes[i], (uint8_t)ir_eval_threefry(small[i], small[i]));
    }
}

/* What the builders promise: the element's row-major index under a key made of stream and seed. */
IR_TEST(definition) {
    ir_graph *g = &t->g;
    sn_expr u = sn_random_uniform(whole(g, 42), whole(g, -7), SN_F32, SN_SHAPE(SN_DIM(3), SN_DIM(1), SN_DIM(5)));
    sn_expr d = sn_random_uniform(whole(g, 42), whole(g, -7), SN_F64, SN_SHAPE(SN_DIM(15)));
    const float *f32 = support_eval(t, made(g, u));
    const double *f64 = support_eval(t, made(g, d));
    for (int i = 0; i < 15; i++) {
        uint64_t bits = (uint64_t)ir_eval_threefry(i, ir_eval_threefry(-7, 42));
        ck_assert_float_eq(f32[i], (float)(bits & 0xffffff) * 0x1p-24f);
        ck_assert_double_eq(f64[i], (double)(bits & (((uint64_t)1 << 53) - 1)) * 0x1p-53);
    }
    sn_expr z = sn_random_normal(whole(g, 42), whole(g, -7), SN_F64, SN_SHAPE(SN_DIM(15)));
    f64 = support_eval(t, made(g, z));
    for (int i = 0; i < 15; i++) {
        uint64_t bits = (uint64_t)ir_eval_threefry(i, ir_eval_threefry(-7, 42));
        double radius = ((double)(bits & 0x7fffffff) + 0.5) * 0x1p-31;
        double angle = (double)(int32_t)(uint32_t)(bits >> 32) * 0x1p-31 * 3.14159265358979323846;
        ck_assert_double_eq_tol(f64[i], sqrt(-2 * log(radius)) * cos(angle), 1e-14);
    }
}

IR_TEST(shapes_and_sizes) {
    ir_graph *g = &t->g;
    sn_dim n = {0, support_named(t, "N", 6)}, three = SN_DIM(3);
    sn_expr seed = whole(g, 1), stream = whole(g, 2);
    const float *flat = support_eval(t, made(g, sn_random_uniform(seed, stream, SN_F32, SN_SHAPE(SN_DIM(40)))));
    sn_shape shapes[] = {SN_SHAPE(n, three),
                         SN_SHAPE(three, n),
                         SN_SHAPE(SN_DIM(1), n, SN_DIM(1), SN_DIM(2)),
                         SN_SHAPE(SN_DIM(2), SN_DIM(5), SN_DIM(4)),
                         SN_SCALAR,
                         SN_SHAPE(SN_DIM(1)),
                         SN_SHAPE(n, SN_DIM(0))};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        ir_id id = made(g, sn_random_uniform(seed, stream, SN_F32, shapes[k]));
        ck_assert_int_eq(memcmp(support_eval(t, id), flat, (size_t)support_count(t, id) * 4), 0);
    }
    /* Another seed, another stream, and the two exchanged: other numbers. */
    sn_expr others[] = {sn_random_uniform(whole(g, 2), stream, SN_F32, SN_SHAPE(SN_DIM(40))),
                        sn_random_uniform(seed, whole(g, 3), SN_F32, SN_SHAPE(SN_DIM(40))),
                        sn_random_uniform(stream, seed, SN_F32, SN_SHAPE(SN_DIM(40)))};
    for (size_t k = 0; k < 3; k++) {
        const float *x = support_eval(t, made(g, others[k]));
        for (int i = 0; i < 40; i++) ck_assert_float_ne(x[i], flat[i]);
    }
}

/* ---- distributions ----------------------------------------------------------------------------------------------- */

enum { SAMPLES = 1 << 17 };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance of the empirical distribution from the exact one, times sqrt(n): above 1.95 once in a thousand. */
static double kolmogorov(double *x, int n, double (*cdf)(double)) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    double most = 0;
    for (int i = 0; i < n; i++) {
        double p = cdf(x[i]);
        most = fmax(most, fmax(p - (double)i / n, (double)(i + 1) / n - p));
    }
    return most * sqrt(n);
}

static double uniform_cdf(double x) { return x; }
static double normal_cdf(double x) { return 0.5 * erfc(-x * sqrt(0.5)); }

static double *samples(support_graph *t, sn_expr e, sn_dtype dtype) {
    ir_id id = made(&t->g, e);
    const void *data = support_eval(t, id);
    double *x = ARENA_ARRAY(&t->g.arena, double, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) x[i] = support_float(data, dtype, i);
    return x;
}

/* The mean of f over the samples lies within 4.5 of its standard deviations of the expectation. */
static void check_mean(const char *what, const double *x, double (*f)(double), double mean, double variance) {
    double sum = 0;
    for (int i = 0; i < SAMPLES; i++) sum += f(x[i]);
    double off = (sum / SAMPLES - mean) / sqrt(variance / SAMPLES);
    ck_assert_msg(fabs(off) < 4.5, "%s: %g standard deviations off", what, off);
}
static double power1(double x) { return x; }
static double power2(double x) { return x * x; }
static double power3(double x) { return x * x * x; }
static double power4(double x) { return x * x * x * x; }
static double tail2(double x) { return fabs(x) > 2; }
static double tail4(double x) { return fabs(x) > 4; }
static double upper3(double x) { return x > 3; }

/* Neighbours, and elements with the same index of two streams, are uncorrelated. */
static void check_correlation(const char *what, const double *x, const double *y, int n, double mean, double variance) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (x[i] - mean) * (y[i] - mean);
    double off = sum / (variance * sqrt(n));
    ck_assert_msg(fabs(off) < 4.5, "%s: correlation %g standard deviations off", what, off);
}

static const sn_dtype reals[] = {SN_F32, SN_F64};
static const int64_t seeds[][2] = {{0, 0}, {1, 0}, {0, 1}, {-1, 1ll << 40}, {123456789012345, -1}};
enum { SEEDS = sizeof seeds / sizeof *seeds };

IR_TEST(uniform_distribution) {
    ir_graph *g = &t->g;
    for (int k = 0; k < 2 * SEEDS; k++) {
        sn_dtype dtype = reals[k & 1];
        sn_shape shape = SN_SHAPE(SN_DIM(SAMPLES));
        double *x =
            samples(t, sn_random_uniform(whole(g, seeds[k / 2][0]), whole(g, seeds[k / 2][1]), dtype, shape), dtype);
        double *y = samples(
            t, sn_random_uniform(whole(g, seeds[k / 2][0]), whole(g, seeds[k / 2][1] + 1), dtype, shape), dtype);
        check_mean("mean", x, power1, 0.5, 1.0 / 12);
        check_mean("square", x, power2, 1.0 / 3, 4.0 / 45);
        check_correlation("neighbours", x, x + 1, SAMPLES - 1, 0.5, 1.0 / 12);
        check_correlation("streams", x, y, SAMPLES, 0.5, 1.0 / 12);
        for (int i = 0; i < SAMPLES; i++) {
            ck_assert(x[i] >= 0 && x[i] < 1);
            double grid = x[i] * (dtype == SN_F32 ? 0x1p24 : 0x1p53);
            ck_assert_double_eq(grid, floor(grid));
        }
        double distance = kolmogorov(x, SAMPLES, uniform_cdf);
        ck_assert_msg(distance < 1.95, "seed %d: Kolmogorov-Smirnov %g", k, distance);
    }
}

IR_TEST(normal_distribution) {
    ir_graph *g = &t->g;
    for (int k = 0; k < 2 * SEEDS; k++) {
        sn_dtype dtype = reals[k & 1];
        sn_shape shape = SN_SHAPE(SN_DIM(SAMPLES));
        double *x =
            samples(t, sn_random_normal(whole(g, seeds[k / 2][0]), whole(g, seeds[k / 2][1]), dtype, shape), dtype);
        double *y =
            samples(t, sn_random_normal(whole(g, seeds[k / 2][0]), whole(g, seeds[k / 2][1] + 1), dtype, shape), dtype);
        check_mean("mean", x, power1, 0, 1);
        check_mean("variance", x, power2, 1, 2);
        check_mean("skewness", x, power3, 0, 15);
        check_mean("kurtosis", x, power4, 3, 96);
        double beyond2 = 2 * normal_cdf(-2), beyond4 = 2 * normal_cdf(-4), beyond3 = normal_cdf(-3);
        check_mean("|z| > 2", x, tail2, beyond2, beyond2 * (1 - beyond2));
        check_mean("|z| > 4", x, tail4, beyond4, beyond4);
        check_mean("z > 3", x, upper3, beyond3, beyond3);
        check_correlation("neighbours", x, x + 1, SAMPLES - 1, 0, 1);
        check_correlation("streams", x, y, SAMPLES, 0, 1);
        double distance = kolmogorov(x, SAMPLES, normal_cdf);
        ck_assert_msg(distance < 1.95, "seed %d: Kolmogorov-Smirnov %g", k, distance);
    }
}

/* Each bit of the 64 is 1 half the time, whatever single bit of counter or key is flipped: 128 * 64 counts. */
START_TEST(every_bit_depends_on_every_bit) {
    enum { TRIES = 1024 };
    for (int flip = 0; flip < 128; flip++) {
        int count[64] = {0};
        for (int64_t i = 0; i < TRIES; i++) {
            uint64_t counter = (uint64_t)i * 3, key = (uint64_t)i * 5 + 1, mask = (uint64_t)1 << (flip & 63);
            int64_t a = ir_eval_threefry((int64_t)counter, (int64_t)key);
            if (flip < 64)
                counter ^= mask;
            else
                key ^= mask;
            uint64_t differs = (uint64_t)(a ^ ir_eval_threefry((int64_t)counter, (int64_t)key));
            for (int bit = 0; bit < 64; bit++) count[bit] += (int)(differs >> bit & 1);
        }
        for (int bit = 0; bit < 64; bit++) /* 16 is a standard deviation; among 8192 counts none reaches 6 */
            ck_assert_msg(abs(count[bit] - TRIES / 2) < 96, "bit %d of %d: %d", bit, flip, count[bit]);
    }
}
END_TEST

/* ---- on every path ----------------------------------------------------------------------------------------------- */

static sn_context *ctx;
static void open_context(void) { ctx = support_twin_context(); }
static void close_context(void) { sn_context_free(ctx); }

static void paths_bits(support_case *c, const void *arg) {
    (void)arg;
    static const sn_dtype types[] = {SN_I64, SN_I32, SN_U8};
    for (int k = 0; k < 3; k++) {
        ir_id a = support_case_sizes(c, types[k], 2, (const int64_t[]){37, 11});
        ir_id b = support_case_sizes(c, types[k], 1, (const int64_t[]){11});
        if (k < 2) { /* all bits of the words */
            a = ir_binary(c->g, IR_MUL, a, ir_const(c->g, types[k], 0x5bd1e995));
            a = ir_binary(c->g, IR_MUL, a, a);
        }
        support_case_out(c, ir_binary(c->g, IR_RANDOM_BITS, a, b), 0);
        support_case_out(c, ir_binary(c->g, IR_SHL, a, b), 0);
        support_case_out(c, ir_binary(c->g, IR_SHR, a, b), 0);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ir_id counter = support_case_sizes(c, SN_I64, 1, (const int64_t[]){1});
        ir_id key = support_case_sizes(c, SN_I64, 0, NULL);
        *(int64_t *)support_case_data(c, counter) = joined(known[i].counter);
        *(int64_t *)support_case_data(c, key) = joined(known[i].key);
        support_case_out(c, ir_binary(c->g, IR_RANDOM_BITS, counter, key), 0);
    }
}

static void paths_distributions(support_case *c, const void *arg) {
    (void)arg;
    ir_graph *g = c->g;
    ir_dim n = support_case_dim(c, "N", 173);
    sn_expr seed = of(g, support_case_sizes(c, SN_I64, 0, NULL)),
            stream = of(g, support_case_sizes(c, SN_I32, 0, NULL));
    sn_shape shape = SN_SHAPE(((sn_dim){0, n}), SN_DIM(19));
    support_case_input(c, SN_F32, 1, &n); /* binds N */
    for (int k = 0; k < 2; k++) {
        support_case_out(c, made(g, sn_random_uniform(seed, stream, reals[k], shape)), 0);
        ir_id x = support_case_input(c, reals[k], 2, (const ir_dim[]){n, ir_dim_const(g, 19)});
        sn_expr dropped = sn_dropout(of(g, x), sn_const(g, 0.25), seed, stream), d;
        support_case_out(c, made(g, dropped), 0);
        sn_expr wrt = of(g, x);
        if (sn_grad(sn_sum_all(dropped), &wrt, 1, &d)) base_fail(&g->trap, SN_ERR_GRADIENT, "%s", sn_graph_error(g));
        support_case_out(c, d.id, 0);
    }
}

static void paths_normal(support_case *c, const void *arg) {
    (void)arg;
    sn_expr seed = of(c->g, support_case_sizes(c, SN_I64, 0, NULL));
    sn_shape shape = SN_SHAPE(SN_DIM(41), SN_DIM(100));
    for (int k = 0; k < 2; k++)
        support_case_out(c, made(c->g, sn_random_normal(seed, sn_const(c->g, 3), reals[k], shape)), 0);
}

START_TEST(paths) {
    int flags = SUPPORT_COMPILED | SUPPORT_THREADS;
    support_run_case(ctx, "bits", paths_bits, NULL, flags | SUPPORT_ULP);
    support_run_case(ctx, "uniform and dropout", paths_distributions, NULL, flags | SUPPORT_ULP);
    support_run_case(ctx, "normal", paths_normal, NULL, flags);
}
END_TEST

/* ---- dropout, errors --------------------------------------------------------------------------------------------- */

IR_TEST(dropouts) {
    ir_graph *g = &t->g;
    double ones[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) ones[i] = 1;
    sn_expr x = of(g, support_input(t, "x", SN_F64, SIZES(SAMPLES), ones)), seed = whole(g, 9), d;
    static const double p[] = {0, 0.1, 0.5, 0.9};
    for (size_t k = 0; k < 4; k++) {
        sn_expr y = sn_dropout(x, sn_const(g, p[k]), seed, sn_const(g, 4));
        double *have = samples(t, y, SN_F64), kept = 0;
        for (int i = 0; i < SAMPLES; i++) {
            ck_assert(have[i] == 0 || have[i] == 1 / (1 - p[k]));
            kept += have[i] != 0;
        }
        ck_assert_double_le(fabs(kept / SAMPLES - (1 - p[k])), 4.5 * sqrt(p[k] * (1 - p[k]) / SAMPLES));
        /* The gradient goes through the elements that were kept, and the second one through theirs. */
        ck_assert_int_eq(sn_grad(sn_sum_all(sn_square(y)), &x, 1, &d), SN_OK);
        const double *slope = support_eval(t, d.id);
        for (int i = 0; i < SAMPLES; i++) ck_assert_double_eq_tol(slope[i], 2 * have[i] / (1 - p[k]), 1e-12);
        ck_assert_int_eq(sn_grad(sn_sum_all(d), &x, 1, &d), SN_OK);
    }
    /* A probability that is computed. */
    double half = 0.5;
    sn_expr rate = of(g, support_input(t, "p", SN_F64, 0, NULL, &half));
    sn_expr a = sn_dropout(x, rate, seed, sn_const(g, 4)), b = sn_dropout(x, sn_const(g, 0.5), seed, sn_const(g, 4));
    ck_assert_int_eq(memcmp(support_eval(t, made(g, a)), support_eval(t, made(g, b)), SAMPLES * sizeof(double)), 0);
}

static void expect(ir_graph *g, sn_expr e, sn_status status, const char *words) {
    ck_assert_uint_eq(e.id, 0);
    ck_assert_int_eq(sn_graph_status(g), status);
    ck_assert_msg(strstr(sn_graph_error(g), words) != NULL, "%s: %s", words, sn_graph_error(g));
    g->error = SN_OK;
    g->error_text[0] = 0;
}

IR_TEST(errors) {
    ir_graph *g = &t->g;
    sn_expr x = of(g, support_random(t, "x", SIZES(3))), k = sn_const(g, 1), half = sn_const(g, 0.5);
    sn_shape shape = SN_SHAPE(SN_DIM(3));
    expect(g, sn_random_uniform(x, k, SN_F32, shape), SN_ERR_DTYPE, "the seed must be an integer scalar: x is f64[3]");
    expect(g, sn_random_normal(k, half, SN_F32, shape), SN_ERR_DTYPE, "0.5");
    expect(g, sn_random_uniform(k, sn_iota(g, SN_I64, SN_DIM(2)), SN_F32, shape), SN_ERR_DTYPE, "the stream must be");
    expect(g, sn_random_uniform(k, k, SN_I32, shape), SN_ERR_DTYPE, "floating-point numbers, not i32");
    expect(g, sn_random_normal(k, k, SN_F32, SN_SHAPE(SN_DIM(-1))), SN_ERR_SHAPE, "negative");
    expect(g, sn_dropout(x, sn_const(g, 1), k, k), SN_ERR_ARGUMENT, "the probability 1 is not in [0, 1)");
    expect(g, sn_dropout(x, sn_const(g, -0.1), k, k), SN_ERR_ARGUMENT, "is not in [0, 1)");
    expect(g, sn_dropout(x, sn_const(g, NAN), k, k), SN_ERR_ARGUMENT, "is not in [0, 1)");
    expect(g, sn_dropout(x, x, k, k), SN_ERR_SHAPE, "must be a scalar: x is f64[3]");
    expect(g, sn_dropout(k, half, x, k), SN_ERR_DTYPE, "the seed");
    /* A seed made of floats carries no gradient, and says so. */
    sn_expr d, seed = sn_cast(sn_sum_all(x), SN_I64), y = sn_random_uniform(seed, k, SN_F64, shape);
    ck_assert_int_eq(sn_grad(sn_sum_all(y), &x, 1, &d), SN_ERR_GRADIENT);
    g->error = SN_OK;
}

int main(void) {
    Suite *suite = suite_create("random numbers");
    TCase *tests = tcase_create("graph");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, known_answers);
    tcase_add_test(tests, narrow_integers);
    tcase_add_test(tests, definition);
    tcase_add_test(tests, shapes_and_sizes);
    tcase_add_test(tests, uniform_distribution);
    tcase_add_test(tests, normal_distribution);
    tcase_add_test(tests, every_bit_depends_on_every_bit);
    tcase_add_test(tests, dropouts);
    tcase_add_test(tests, errors);
    suite_add_tcase(suite, tests);
    TCase *runs = tcase_create("paths");
    tcase_set_timeout(runs, 120);
    tcase_add_checked_fixture(runs, open_context, close_context);
    tcase_add_test(runs, paths);
    suite_add_tcase(suite, runs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
