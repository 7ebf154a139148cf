/* Memory runs out at the n-th allocation, for every n, everywhere between sn_context_new and the last call: each
 * function says so, nothing is half done, nothing leaks; and where only that one allocation fails, all works again
 * afterwards. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "sinter/sinter.h"
#include "support/support_alloc.h"

static support_alloc memory;

static void quiet(void *user, sn_log_level level, const char *message) {
    (void)user;
    (void)level;
    (void)message;
}

typedef struct {
    sn_status first; /* the first failure */
    int n_failed;
} outcome;

static int ok(outcome *o, sn_status status) {
    if (!status) return 1;
    if (!o->n_failed++) o->first = status;
    return 0;
}

enum { BATCH = 40 };
static float in[BATCH * 3], out[BATCH * 2], loss;

/* Runs the function at two batch sizes; what it writes must be there after success. */
static void call_twice(outcome *o, sn_function *f) {
    for (int64_t n = BATCH / 2; n <= BATCH; n *= 2) {
        sn_tensor x = sn_tensor_of(SN_F32, in, 2, (int64_t[]){n, 3});
        sn_tensor y[] = {sn_tensor_of(SN_F32, out, 2, (int64_t[]){n, 2}), sn_tensor_of(SN_F32, &loss, 0, NULL)};
        loss = -1;
        if (ok(o, sn_function_call(f, &x, 1, y, 2)))
            ck_assert_float_gt(loss, 0);
        else
            ck_assert_float_eq(loss, -1);
    }
}

/* A function of several plans, called so that each is laid out. */
static void with_plans(outcome *o, sn_context *ctx) {
    enum { WIDE = 40, MOST = 9 };
    static float x[MOST * WIDE], w[WIDE * WIDE], y[MOST * WIDE];
    sn_graph *g = sn_graph_new(ctx, "plans");
    if (!g) {
        ok(o, SN_ERR_NOMEM);
        return;
    }
    sn_expr given[] = {sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(WIDE))),
                       sn_input(g, "w", SN_F32, SN_SHAPE(SN_DIM(WIDE), SN_DIM(WIDE)))};
    sn_expr product = sn_tanh(sn_matmul(given[0], given[1]));
    sn_function_desc desc = {.inputs = given, .n_inputs = 2, .outputs = &product, .n_outputs = 1};
    sn_function *f = NULL;
    if (ok(o, sn_function_new(g, &desc, &f))) {
        sn_function_stats stats;
        ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
        ck_assert_uint_eq(stats.n_plans, 3);
        for (int64_t n = 1; n <= MOST; n += 4) {
            sn_tensor inputs[] = {sn_tensor_of(SN_F32, x, 2, (int64_t[]){n, WIDE}),
                                  sn_tensor_of(SN_F32, w, 2, (int64_t[]){WIDE, WIDE})};
            sn_tensor output = sn_tensor_of(SN_F32, y, 2, (int64_t[]){n, WIDE});
            ok(o, sn_function_call(f, inputs, 2, &output, 1));
        }
        char *text;
        for (int i = SN_SHOW_OPT; i <= SN_SHOW_PROFILE_JSON; i++)
            if (i != SN_SHOW_CODE && ok(o, sn_function_show(f, (sn_show)i, &text))) sn_string_free(ctx, text);
    }
    sn_function_free(f);
    sn_graph_free(g);
}

static void with_graph(outcome *o, sn_context *ctx, sn_var *w) {
    sn_graph *g = sn_graph_new(ctx, "oom");
    if (!g) {
        ok(o, SN_ERR_NOMEM);
        return;
    }
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(3)));
    sn_expr W = sn_use(g, w), y = sn_softmax(sn_tanh(sn_matmul(x, W)), -1), e = sn_mean_all(sn_square(y)), d;
    sn_status status = sn_grad(e, &W, 1, &d);
    sn_update up = {w, sn_sub(W, sn_mul(d, sn_const(g, 0.1)))};
    sn_expr outs[] = {y, e};
    sn_function_desc desc = {
        .inputs = &x, .n_inputs = 1, .outputs = outs, .n_outputs = 2, .updates = &up, .n_updates = 1};
    sn_function *f;
    if (!status) status = sn_function_new(g, &desc, &f);
    if (!ok(o, status)) {
        ck_assert_str_ne(sn_graph_error(g), "");
        /* If it was the compile and memory is back, the same graph compiles. */
        if (!memory.fail_once || strstr(sn_graph_error(g), ".c:")) {
            sn_graph_free(g);
            return;
        }
        status = sn_function_new(g, &desc, &f);
        ck_assert_msg(!status || sn_graph_status(g), "%s", sn_graph_error(g));
        if (status) {
            sn_graph_free(g);
            return;
        }
    }
    call_twice(o, f);
    char *text;
    for (int i = SN_SHOW_GRAPH; i <= SN_SHOW_PROFILE_JSON; i++) {
        if (i == SN_SHOW_CODE) continue;
        if (ok(o, sn_function_show(f, (sn_show)i, &text))) sn_string_free(ctx, text);
    }
    sn_function_free(f);
    sn_graph_free(g);
}

static outcome scenario(void) {
    outcome o = {SN_OK, 0};
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.allocator = &allocator, .log = quiet, .threads = 1, .backend = "interp"};
    sn_context *ctx;
    if (!ok(&o, sn_context_new(&options, &ctx))) {
        ck_assert_ptr_null(ctx);
        return o;
    }
    sn_var *w;
    if (ok(&o, sn_var_new(ctx, "w", SN_F32, 2, (int64_t[]){3, 2}, &w))) {
        ck_assert_int_eq(sn_var_set(w, (float[]){1, -1, 0.5f, 0.25f, 2, -2}, 6 * sizeof(float)), SN_OK);
        with_graph(&o, ctx, w);
    } else {
        ck_assert_ptr_null(w);
        ck_assert_str_ne(sn_context_error(ctx), "");
    }
    sn_var_free(w);
    with_plans(&o, ctx);
    sn_context_free(ctx);
    return o;
}

static void sweep(int fail_once) {
    for (int i = 0; i < BATCH * 3; i++) in[i] = (float)(i % 11) / 8 - 0.5f;
    memory = (support_alloc){.fail_at = 0};
    outcome o = scenario();
    ck_assert_msg(!o.n_failed, "%s with all the memory there is", sn_status_name(o.first));
    int64_t total = atomic_load(&memory.calls), failures = 0;
    ck_assert_int_gt(total, 30);
    /* The number of allocations may vary a little with the timing of the compiling threads. */
    for (int64_t n = 1; n <= total + 4; n++) {
        memory = (support_alloc){.fail_at = n, .fail_once = fail_once};
        o = scenario();
        ck_assert_msg(atomic_load(&memory.live) == 0, "%lld bytes leak where allocation %lld fails",
                      (long long)atomic_load(&memory.live), (long long)n);
        ck_assert_msg(!o.n_failed || o.first == SN_ERR_NOMEM, "%s where allocation %lld fails", sn_status_name(o.first),
                      (long long)n);
        failures += o.n_failed != 0;
    }
    ck_assert_int_gt(failures, total / 2);
}

START_TEST(all_later_ones_fail) { sweep(0); }
END_TEST

START_TEST(only_that_one_fails) { sweep(1); }
END_TEST

int main(void) {
    Suite *suite = suite_create("oom");
    TCase *tests = tcase_create("sweep");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, all_later_ones_fail);
    tcase_add_test(tests, only_that_one_fails);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
