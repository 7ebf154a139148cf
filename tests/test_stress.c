/* Graphs that are large, or shared, in ways that ordinary ones are not: compiling them takes time and memory in
 * proportion, the limits of a kernel split them instead of refusing them, and results are those worked out by hand. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinter/sinter.h"
#include "support/support_alloc.h"

enum { MAX_ROOTS = 1024, MAX_IN = 2, MAX_MB = 128 };

static support_alloc memory;
static int64_t most; /* bytes that lived at once */

static void *counted(void *user, void *p, size_t old_size, size_t new_size) {
    void *q = support_realloc(user, p, old_size, new_size);
    int64_t live = atomic_load(&memory.live);
    if (live > most) most = live;
    return q;
}

typedef struct {
    sn_context *ctx;
    sn_graph *g;
    size_t n_in, n_out, n_update;
    sn_expr in[MAX_IN], out[MAX_ROOTS];
    sn_update update[MAX_ROOTS];
    sn_tensor given[MAX_IN], result[MAX_ROOTS];
    sn_function_stats stats;
} stress;

static stress *begin(void) {
    stress *t = calloc(1, sizeof *t);
    ck_assert_ptr_nonnull(t);
    memory = (support_alloc){.fail_at = 0};
    most = 0;
    sn_allocator allocator = {counted, &memory};
    sn_context_options options = {
        .struct_size = sizeof options, .allocator = &allocator, .threads = 1, .backend = "interp"};
    ck_assert_int_eq(sn_context_new(&options, &t->ctx), SN_OK);
    t->g = sn_graph_new(t->ctx, "stress");
    return t;
}

static sn_expr input(stress *t, sn_shape shape, float *data, int64_t first_size) {
    char name[8];
    snprintf(name, sizeof name, "x%zu", t->n_in);
    int64_t sizes[SN_MAX_RANK] = {0};
    for (int32_t i = 0; i < shape.rank; i++) sizes[i] = i ? shape.dim[i].value : first_size;
    t->given[t->n_in] = sn_tensor_of(SN_F32, data, shape.rank, sizes);
    return t->in[t->n_in++] = sn_input(t->g, name, SN_F32, shape);
}

static sn_var *variable(stress *t, size_t i, int32_t rank, const int64_t *sizes, const float *value) {
    char name[16];
    snprintf(name, sizeof name, "v%zu", i);
    sn_var *var;
    ck_assert_int_eq(sn_var_new(t->ctx, name, SN_F32, rank, sizes, &var), SN_OK);
    sn_tensor type = sn_var_type(var);
    if (value) ck_assert_int_eq(sn_var_set(var, value, sn_tensor_bytes(&type)), SN_OK);
    return var;
}

static void output(stress *t, sn_expr e, float *data, int64_t first_size) {
    sn_shape shape = sn_expr_shape(e);
    int64_t sizes[SN_MAX_RANK] = {0};
    for (int32_t i = 0; i < shape.rank; i++) sizes[i] = !i && first_size ? first_size : shape.dim[i].value;
    t->result[t->n_out] = sn_tensor_of(SN_F32, data, shape.rank, sizes);
    t->out[t->n_out++] = e;
}

static void update(stress *t, sn_var *var, sn_expr value) { t->update[t->n_update++] = (sn_update){var, value}; }

/* Compiles and calls. */
static void run(stress *t) {
    sn_function *f;
    sn_function_desc desc = {.inputs = t->in,
                             .n_inputs = t->n_in,
                             .outputs = t->out,
                             .n_outputs = t->n_out,
                             .updates = t->update,
                             .n_updates = t->n_update};
    int64_t before = atomic_load(&memory.live);
    most = before;
    sn_status status = sn_function_new(t->g, &desc, &f);
    ck_assert_msg(!status, "%s: %s", sn_status_name(status), sn_graph_error(t->g));
    ck_assert_msg(most - before < (int64_t)MAX_MB << 20, "compiling took %lld bytes", (long long)(most - before));
    ck_assert_int_eq(sn_function_get_stats(f, &t->stats), SN_OK);
    status = sn_function_call(f, t->given, t->n_in, t->result, t->n_out);
    ck_assert_msg(!status, "%s: %s", sn_status_name(status), sn_function_error(f));
    sn_function_free(f);
}

static void end(stress *t) {
    sn_graph_free(t->g);
    sn_context_free(t->ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
    free(t);
}

static sn_expr number(stress *t, double value) { return sn_const(t->g, value); }

/* ---- size -------------------------------------------------------------------------------------------------------- */

/* One long chain, of vectors or scalars; the latter must not make the compiler recurse without bound. */
START_TEST(long_chains) {
    static const struct { int scalar, length; } chains[] = {{0, 300}, {0, 5000}, {1, 2000}, {1, 20000}};
    stress *t = begin();
    float x[5] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f}, y[5];
    sn_dim N = sn_dim_new(t->g, "N");
    sn_expr e = input(t, chains[_i].scalar ? SN_SCALAR : SN_SHAPE(N), x, 5);
    float want = x[0];
    for (int i = 0; i < chains[_i].length; i++) {
        double c = 1 + (double)i / 65536;
        e = sn_sub(number(t, c), sn_abs(e));
        want = (float)c - fabsf(want);
    }
    output(t, e, y, 5);
    run(t);
    ck_assert_float_eq(y[0], want);
    end(t);
}
END_TEST

/* Many results of one input: each a value per point, or a fold. */
START_TEST(wide) {
    enum { N = 1000, MANY = 700 };
    stress *t = begin();
    static float x[N], y[MANY][N];
    for (int i = 0; i < N; i++) x[i] = (float)(i % 5);
    sn_expr e = input(t, SN_SHAPE(sn_dim_new(t->g, "N")), x, N);
    for (int i = 0; i < MANY; i++) {
        sn_expr scaled = sn_mul(e, number(t, i + 3));
        output(t, _i ? sn_sum_all(scaled) : sn_add(sn_abs(scaled), e), y[i], N);
    }
    run(t);
    for (int i = 0; i < MANY; i++)
        ck_assert_float_eq(y[i][_i ? 0 : 7], _i ? 2000 * (float)(i + 3) : 2 * (float)(i + 4));
    end(t);
}
END_TEST

/* The paths through small arithmetic that is written where it is read double with each of these nodes. */
START_TEST(shared_small_arithmetic) {
    enum { N = 100, DEPTH = 60 };
    stress *t = begin();
    static float x[N][2], y[N][2];
    float v[2] = {0.25f, 0.5f}, want[2] = {0.25f, 0.5f};
    for (int i = 0; i < N; i++) x[i][0] = x[i][1] = (float)i;
    sn_expr rows = input(t, SN_SHAPE(sn_dim_new(t->g, "N"), SN_DIM(2)), &x[0][0], N);
    int64_t two = 2;
    sn_var *var = variable(t, 0, 1, &two, v);
    sn_expr e = sn_use(t->g, var);
    for (int i = 0; i < DEPTH; i++) {
        e = sn_sub(sn_mul(e, number(t, 1.25)), sn_square(e));
        for (int k = 0; k < 2; k++) want[k] = want[k] * 1.25f - want[k] * want[k];
    }
    output(t, sn_mul(rows, e), &y[0][0], N);
    if (_i) update(t, var, e);
    run(t);
    for (int k = 0; k < 2; k++) ck_assert_float_eq_tol(y[3][k], 3 * want[k], 1e-4f);
    if (_i) ck_assert_int_eq(sn_var_get(var, v, sizeof v), SN_OK);
    if (_i) ck_assert_float_eq_tol(v[1], want[1], 1e-4f);
    sn_var_free(var);
    end(t);
}
END_TEST

/* ---- limits of a kernel ------------------------------------------------------------------------------------------ */

/* The sum of folds of many variables: each fold's partials would be an axis of the kernel that adds them. */
START_TEST(sum_of_many_folds) {
    enum { MANY = 60, SIZE = 5000 };
    stress *t = begin();
    static float ones[SIZE + MANY];
    sn_var *var[MANY];
    for (int i = 0; i < SIZE + MANY; i++) ones[i] = 1;
    sn_expr total = number(t, 0);
    for (size_t i = 0; i < MANY; i++) {
        var[i] = variable(t, i, 1, (int64_t[]){SIZE + (int64_t)i}, ones);
        total = sn_add(total, sn_sum_all(sn_square(sn_use(t->g, var[i]))));
    }
    float loss;
    output(t, total, &loss, 0);
    for (size_t i = 0; i < MANY; i++) update(t, var[i], sn_mul(sn_use(t->g, var[i]), total));
    run(t);
    float want = MANY * SIZE + MANY * (MANY - 1) / 2, last;
    ck_assert_float_eq(loss, want);
    for (size_t i = 0; i < MANY; i++) {
        static float now[SIZE + MANY];
        ck_assert_int_eq(sn_var_get(var[i], now, (SIZE + i) * sizeof *now), SN_OK);
        last = now[SIZE + i - 1];
        ck_assert_float_eq(last, want);
        sn_var_free(var[i]);
    }
    end(t);
}
END_TEST

/* Many operands, from variables, of which a kernel can address only so many. */
START_TEST(long_concat) {
    static const size_t counts[] = {30, 300, 1100};
    stress *t = begin();
    size_t n = counts[_i];
    static sn_expr part[1100];
    static sn_var *var[1100];
    static float y[1100];
    for (size_t i = 0; i < n; i++) {
        float value = (float)i;
        var[i] = variable(t, i, 1, (int64_t[]){1}, &value);
        part[i] = sn_use(t->g, var[i]);
    }
    output(t, sn_concat(part, n, 0), y, 0);
    run(t);
    for (size_t i = 0; i < n; i++) {
        ck_assert_float_eq(y[i], (float)i);
        sn_var_free(var[i]);
    }
    end(t);
}
END_TEST

/* Outputs that repeat one value along axes of many different lengths: each wants a loop of its own. */
START_TEST(many_loops) {
    enum { N = 80, MANY = 60 };
    stress *t = begin();
    static float x[N], y[MANY][N * (MANY + 2)];
    for (int i = 0; i < N; i++) x[i] = (float)i;
    sn_expr e = sn_expand(sn_abs(input(t, SN_SHAPE(SN_DIM(N)), x, N)), 1);
    for (int i = 0; i < MANY; i++) output(t, sn_broadcast_to(e, SN_SHAPE(SN_DIM(N), SN_DIM(i + 2))), y[i], 0);
    run(t);
    for (int i = 0; i < MANY; i++)
        for (int k = 0; k < N * (i + 2); k++) ck_assert_float_eq(y[i][k], (float)(k / (i + 2)));
    end(t);
}
END_TEST

/* Variables of one fold, small and large, all updated at once; each pair swaps besides. */
START_TEST(many_updates) {
    enum { MANY = 60, LARGE = 3000 };
    stress *t = begin();
    static float x[100], value[LARGE], now[LARGE];
    for (int i = 0; i < 100; i++) x[i] = 1;
    sn_expr sum = sn_sum_all(sn_abs(input(t, SN_SHAPE(SN_DIM(100)), x, 100)));
    sn_var *var[MANY];
    int64_t size = _i ? LARGE : 3;
    for (size_t i = 0; i < MANY; i++) {
        for (int k = 0; k < LARGE; k++) value[k] = (float)i;
        var[i] = variable(t, i, 1, &size, value);
    }
    for (size_t i = 0; i < MANY; i++) update(t, var[i], sn_add(sn_use(t->g, var[i ^ 1]), sum));
    run(t);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(sn_var_get(var[i], now, (size_t)size * sizeof *now), SN_OK);
        ck_assert_float_eq(now[0], 100 + (float)(i ^ 1));
        ck_assert_float_eq(now[size - 1], 100 + (float)(i ^ 1));
        sn_var_free(var[i]);
    }
    end(t);
}
END_TEST

/* ---- updates that read other elements than they write ------------------------------------------------------------ */

enum { SIDE = 200 };
static sn_expr plus_transposed(sn_expr x) { return sn_add(x, sn_t(x)); }
static float plus_transposed_at(const float *x, int i, int k) { return x[i * SIDE + k] + x[k * SIDE + i]; }
static sn_expr plus_first(sn_expr x) {
    sn_expr row = sn_slice(x, 0, SN_DIM(0), SN_DIM(1));
    return sn_add(x, sn_slice(row, 1, SN_DIM(0), SN_DIM(1)));
}
static float plus_first_at(const float *x, int i, int k) { return x[i * SIDE + k] + x[0]; }
static sn_expr turned(sn_expr x) {
    sn_expr part[] = {sn_slice(x, 0, SN_DIM(1), SN_DIM(SIDE)), sn_slice(x, 0, SN_DIM(0), SN_DIM(1))};
    return sn_concat(part, 2, 0);
}
static float turned_at(const float *x, int i, int k) { return x[(i + 1) % SIDE * SIDE + k]; }
static sn_expr minus_largest(sn_expr x) {
    return sn_sub(sn_sub(x, sn_amax(x, SN_AXES(1), 1)), sn_amax(x, SN_AXES(0), 0));
}
static float minus_largest_at(const float *x, int i, int k) {
    float row = x[i * SIDE], column = x[k];
    for (int j = 0; j < SIDE; j++) {
        row = fmaxf(row, x[i * SIDE + j]);
        column = fmaxf(column, x[j * SIDE + k]);
    }
    return x[i * SIDE + k] - row - column;
}

static const struct {
    sn_expr (*make)(sn_expr x);
    float (*at)(const float *x, int i, int k);
} places[] = {{plus_transposed, plus_transposed_at},
              {plus_first, plus_first_at},
              {turned, turned_at},
              {minus_largest, minus_largest_at}};

START_TEST(updates_in_place) {
    stress *t = begin();
    static float x[SIDE * SIDE], now[SIDE * SIDE], old[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) x[i] = (float)(i * 37 % 101) - 40;
    sn_var *var = variable(t, 0, 2, (int64_t[]){SIDE, SIDE}, x);
    sn_expr e = sn_use(t->g, var);
    update(t, var, places[_i].make(e));
    output(t, sn_neg(e), old, 0); /* the old value, whatever runs first */
    run(t);
    ck_assert_int_eq(sn_var_get(var, now, sizeof now), SN_OK);
    for (int i = 0; i < SIDE; i++)
        for (int k = 0; k < SIDE; k++) {
            ck_assert_float_eq(now[i * SIDE + k], places[_i].at(x, i, k));
            ck_assert_float_eq(old[i * SIDE + k], -x[i * SIDE + k]);
        }
    sn_var_free(var);
    end(t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stress");
    TCase *tests = tcase_create("stress");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, long_chains, 0, 4);
    tcase_add_loop_test(tests, wide, 0, 2);
    tcase_add_loop_test(tests, shared_small_arithmetic, 0, 2);
    tcase_add_test(tests, sum_of_many_folds);
    tcase_add_loop_test(tests, long_concat, 0, 3);
    tcase_add_test(tests, many_loops);
    tcase_add_loop_test(tests, many_updates, 0, 2);
    tcase_add_loop_test(tests, updates_in_place, 0, 4);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
