/* Memory runs out at the n-th allocation, for every n, anywhere in a network's life: parameters, layers, an optimiser,
 * initial values, a step, files. Each function says so, no list or file is half done, nothing leaks; and where only
 * that one allocation fails, the rest works. */
#include <unistd.h>

#include "support/support_nn.h"

typedef struct {
    sn_status first; /* the first failure */
    int n_failed;
} outcome;

static int ok(outcome *o, sn_status status) {
    if (!status) return 1;
    if (!o->n_failed++) o->first = status;
    return 0;
}

/* The same, and the context says what it was. */
static int said(outcome *o, sn_context *ctx, sn_status status) {
    if (status) ck_assert_str_ne(sn_context_error(ctx), "");
    return ok(o, status);
}

static char path[64];

static void train(outcome *o, sn_context *ctx, sn_params *net, sn_optimizer *adam) {
    sn_graph *g = sn_graph_new(ctx, "oom");
    if (!g) {
        ok(o, SN_ERR_NOMEM);
        return;
    }
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(3)));
    sn_expr h = sn_activate(sn_layer_linear(net, x, "W1", "b1", 4, sn_init_he_normal()), SN_ACTIVATION_RELU);
    sn_expr y = sn_layer_linear(net, h, "W2", NULL, 1, sn_init_lecun());
    sn_expr loss = sn_loss_squared(y, sn_const(g, 1), SN_REDUCE_SUM);
    sn_function_desc desc = {.inputs = &x, .n_inputs = 1, .outputs = &loss, .n_outputs = 1};
    desc.updates = sn_optimizer_updates(adam, loss, sn_const(g, 0.1), &desc.n_updates);
    if (!desc.updates) ck_assert_str_ne(sn_graph_error(g), "");
    sn_function *f;
    /* Where there are no updates the graph knows why, and so there is no function. */
    if (ok(o, sn_function_new(g, &desc, &f))) {
        ck_assert_ptr_nonnull(desc.updates);
        ck_assert_uint_eq(desc.n_updates, 10);
        float at[6] = {1, 2, 3, 4, 5, 6}, value;
        sn_tensor in = sn_tensor_of(SN_F32, at, 2, (int64_t[]){2, 3}), out = sn_tensor_of(SN_F32, &value, 0, NULL);
        if (said(o, ctx, sn_params_init(net, 1))) ok(o, sn_function_call(f, &in, 1, &out, 1));
        sn_function_free(f);
    } else {
        ck_assert_str_ne(sn_graph_error(g), "");
    }
    sn_graph_free(g);
}

static void store(outcome *o, sn_context *ctx, sn_params *list) {
    remove(path);
    if (said(o, ctx, sn_params_save(list, path)))
        said(o, ctx, sn_params_load(list, path, SN_LOAD_ALL));
    else
        ck_assert_int_ne(access(path, F_OK), 0);
    float values[3] = {1, 2, 3};
    sn_tensor t = sn_tensor_of(SN_F32, values, 1, (int64_t[]){3}), back;
    remove(path);
    if (said(o, ctx, sn_npy_write(ctx, path, &t)) && said(o, ctx, sn_npy_read(ctx, path, &back)))
        sn_npy_free(ctx, &back);
    said(o, ctx, sn_params_save_npy(list, "/tmp"));
    said(o, ctx, sn_params_load_npy(list, "/tmp"));
}

static outcome scenario(void) {
    outcome o = {SN_OK, 0};
    sn_context *ctx;
    if (!ok(&o, context_of("interp", 1, &ctx))) return o;
    sn_params *net, *own;
    sn_optimizer *adam = NULL;
    if (said(&o, ctx, sn_params_new(ctx, &net))) {
        if (said(&o, ctx, sn_optimizer_new(net, &(sn_optimizer_options){.kind = SN_OPTIMIZER_ADAM}, &adam)))
            train(&o, ctx, net, adam);
        sn_optimizer_free(adam);
    }
    sn_params_free(net);
    if (said(&o, ctx, sn_params_new(ctx, &own))) {
        said(&o, ctx, sn_params_add(own, "test_nn_oom", SN_F32, 1, (int64_t[]){3}, sn_init_zeros(), NULL));
        store(&o, ctx, own);
    }
    sn_params_free(own);
    sn_context_free(ctx);
    return o;
}

static void sweep(int fail_once) {
    snprintf(path, sizeof path, "/tmp/test_nn_oom.%ld", (long)getpid());
    memory = (support_alloc){.fail_at = 0};
    outcome o = scenario();
    ck_assert_msg(!o.n_failed, "%s with all the memory there is", sn_status_name(o.first));
    int64_t total = atomic_load(&memory.calls), failures = 0;
    ck_assert_int_gt(total, 100);
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
    remove(path);
    remove("/tmp/test_nn_oom.npy");
}

START_TEST(all_later_ones_fail) { sweep(0); }
END_TEST

START_TEST(only_that_one_fails) { sweep(1); }
END_TEST

int main(void) {
    Suite *suite = suite_create("nn_oom");
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
