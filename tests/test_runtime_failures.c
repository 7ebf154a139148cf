/* All or nothing: on backends that fail or count, what happens before and between launches. */
#define _POSIX_C_SOURCE 200809L
#include "support/support_runtime.h"

static int launches;
static int refuse; /* what the next calls refuse */
enum { REFUSE_NOTHING, REFUSE_COMPILE, REFUSE_ALLOC, REFUSE_RESERVE };

static sn_status odd_compile(be_device *dev, const void *kernel, size_t n, be_blob *out, base_trap *err) {
    if (refuse == REFUSE_COMPILE) return base_set_error(err, SN_ERR_COMPILE, "no code today");
    return be_interp.compile(dev, kernel, n, out, err);
}

static sn_status odd_reserve(be_device *dev, size_t bytes, base_trap *err) {
    if (refuse == REFUSE_RESERVE) return base_set_error(err, SN_ERR_NOMEM, "no room for rows");
    return be_interp.reserve(dev, bytes, err);
}

static void *odd_alloc(be_device *dev, size_t bytes) {
    return refuse == REFUSE_ALLOC ? NULL : be_interp.alloc(dev, bytes);
}

static void odd_launch(be_device *dev, be_exec *exec, const kn_launch *launch, const int64_t *n_chunks, size_t scratch,
                       double ns) {
    ck_assert_int_ge(n_chunks[0], 1);
    ck_assert_double_ge(ns, 0);
    launches++;
    be_interp.launch(dev, exec, launch, n_chunks, scratch, ns);
}

static be_backend odd_backend(void) {
    be_backend odd = be_interp;
    odd.compile = odd_compile;
    odd.reserve = odd_reserve;
    odd.alloc = odd_alloc;
    odd.launch = odd_launch;
    refuse = REFUSE_NOTHING;
    launches = 0;
    return odd;
}

START_TEST(compile_failure_is_told) {
    be_backend odd = odd_backend();
    sn_context *ctx = context_on(&odd);
    sn_graph *g = sn_graph_new(ctx, "g");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SCALAR), y = sn_tanh(x);
    sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1};
    sn_function *f;
    refuse = REFUSE_COMPILE;
    ck_assert_int_eq(sn_function_new(g, &desc, &f), SN_ERR_COMPILE);
    ck_assert_ptr_null(f);
    ck_assert_ptr_nonnull(strstr(sn_graph_error(g), "no code today"));
    refuse = REFUSE_NOTHING;
    sn_function_free(function(g, &desc)); /* neither the graph nor the cache is spoiled */
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

/* A kernel per node, and so temporaries of N elements between them: what fails, fails before the first launch. */
START_TEST(all_or_nothing) {
    be_backend odd = odd_backend();
    sn_context *ctx = context_on(&odd);
    sn_var *w = variable(ctx, "w", 3, (float[]){1, 2, 3});
    sn_graph *g = sn_graph_new(ctx, "g");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N")));
    sn_expr e = sn_exp(x), y = sn_div(e, sn_sum_all(sn_mul(e, x)));
    sn_update up = {w, sn_mul(sn_use(g, w), sn_sum_all(y))};
    sn_function_desc desc = {
        .inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1, .updates = &up, .n_updates = 1};
    setenv("SINTER_FUSE", "0", 1);
    sn_function *f = function(g, &desc);
    unsetenv("SINTER_FUSE");
    enum { N = 3000 };
    static float in[N], out[N], last[N];
    for (int i = 0; i < N; i++) in[i] = (float)(i % 7) / 8;
    sn_tensor ti = VEC(in, 10), to = VEC(out, 10);
    call_ok(f, &ti, 1, &to, 1);
    sn_function_stats stats;
    sn_function_get_stats(f, &stats);
    ck_assert_int_eq(launches, (int)stats.n_kernels);
    ck_assert_int_gt(launches, 3);
    ck_assert_uint_gt(stats.arena_bytes, 0);
    uint64_t small_arena = stats.arena_bytes;

    float before[3], after[3];
    ck_assert_int_eq(sn_var_get(w, before, sizeof before), SN_OK);
    memcpy(last, out, sizeof last);
    launches = 0;
    ti.size[0] = to.size[0] = N;
    refuse = REFUSE_ALLOC;
    ck_assert_int_eq(sn_function_call(f, &ti, 1, &to, 1), SN_ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(sn_function_error(f), "bytes of temporaries"));
    ti.size[0] = N - 1; /* another mistake, found later than the dims are known */
    ck_assert_int_eq(sn_function_call(f, &ti, 1, &to, 1), SN_ERR_SHAPE);
    ck_assert_int_eq(launches, 0);
    ck_assert_int_eq(sn_var_get(w, after, sizeof after), SN_OK);
    ck_assert_mem_eq(before, after, sizeof before);
    ck_assert_mem_eq(last, out, sizeof last);

    ti.size[0] = to.size[0] = 10; /* what there is still serves */
    call_ok(f, &ti, 1, &to, 1);
    ck_assert_mem_eq(last, out, sizeof last);
    refuse = REFUSE_NOTHING;
    ti.size[0] = to.size[0] = N;
    call_ok(f, &ti, 1, &to, 1);
    sn_function_get_stats(f, &stats);
    ck_assert_uint_gt(stats.arena_bytes, small_arena);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(w);
    close_context(ctx);
}
END_TEST

/* Rows of a tile live in scratch, which is asked for before anything runs. */
START_TEST(scratch_is_reserved) {
    be_backend odd = odd_backend();
    sn_context *ctx = context_on(&odd);
    sn_graph *g = sn_graph_new(ctx, "g");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), sn_dim_new(g, "K")));
    sn_expr y = sn_softmax(sn_exp(x), -1);
    sn_function *f = function(g, &(sn_function_desc){.inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1});
    static float in[60], out[60];
    sn_tensor ti = sn_tensor_of(SN_F32, in, 2, (int64_t[]){3, 20}),
              to = sn_tensor_of(SN_F32, out, 2, (int64_t[]){3, 20});
    refuse = REFUSE_RESERVE;
    ck_assert_int_eq(sn_function_call(f, &ti, 1, &to, 1), SN_ERR_NOMEM);
    ck_assert_str_eq(sn_function_error(f), "no room for rows");
    ck_assert_int_eq(launches, 0);
    refuse = REFUSE_NOTHING;
    call_ok(f, &ti, 1, &to, 1);
    for (int i = 0; i < 60; i++) ck_assert_float_eq_tol(out[i], 0.05f, 1e-6f);
    sn_function_free(f);
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime_failures");
    TCase *tests = tcase_create("runtime_failures");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, compile_failure_is_told);
    tcase_add_test(tests, all_or_nothing);
    tcase_add_test(tests, scratch_is_reserved);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
