/* The runtime from outside, on the kernel interpreter: variables, functions, calls, lifetimes, threads. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>

#include "support/support_runtime.h"

/* ---- plain facts ------------------------------------------------------------------------------------------------- */

START_TEST(names_and_sizes) {
    ck_assert_str_eq(sn_version(), "0.1.0");
    ck_assert_str_eq(sn_status_name(SN_ERR_SHAPE), "ERR_SHAPE");
    ck_assert_str_eq(sn_status_name((sn_status)99), "?");
    ck_assert_str_eq(sn_dtype_name(SN_BF16), "bf16");
    ck_assert_str_eq(sn_dtype_name((sn_dtype)99), "?");
    ck_assert_uint_eq(sn_dtype_size(SN_I64), 8);
    ck_assert_uint_eq(sn_dtype_size(SN_DTYPE_NONE), 0);
    sn_tensor t = sn_tensor_of(SN_F32, NULL, 2, (int64_t[]){3, 5});
    ck_assert_uint_eq(sn_tensor_bytes(&t), 60);
    t.size[1] = INT64_MAX;
    ck_assert_uint_eq(sn_tensor_bytes(&t), SIZE_MAX);
    t.size[0] = 0;
    ck_assert_uint_eq(sn_tensor_bytes(&t), 0);
    t.size[0] = -1;
    ck_assert_uint_eq(sn_tensor_bytes(&t), SIZE_MAX);
    t = sn_tensor_of(SN_F32, NULL, 7, (int64_t[]){1, 1, 1, 1, 1, 1, 1});
    ck_assert_int_eq(t.rank, -1);
    ck_assert_uint_eq(sn_tensor_bytes(&t), SIZE_MAX);
    ck_assert_int_eq(sn_shape_of(7, NULL).rank, -1);
    ck_assert_int_eq(sn_shape_of_sizes(2, (int64_t[]){4, 6}).dim[1].value, 6);
}
END_TEST

START_TEST(variables) {
    sn_context *ctx = context();
    sn_var *var;
    ck_assert_int_eq(sn_var_new(ctx, "W", SN_I32, 2, (int64_t[]){2, 3}, &var), SN_OK);
    ck_assert_str_eq(sn_var_name(var), "W");
    sn_tensor type = sn_var_type(var);
    ck_assert(type.dtype == SN_I32 && type.rank == 2 && type.size[1] == 3 && !type.data);
    int32_t value[6] = {9, 9, 9, 9, 9, 9};
    ck_assert_int_eq(sn_var_get(var, value, sizeof value), SN_OK);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(value[i], 0);
    value[5] = 7;
    ck_assert_int_eq(sn_var_set(var, value, sizeof value), SN_OK);
    value[5] = 0;
    ck_assert_int_eq(sn_var_get(var, value, sizeof value), SN_OK);
    ck_assert_int_eq(value[5], 7);
    ck_assert_int_eq(sn_var_set(var, value, 20), SN_ERR_SHAPE);
    ck_assert_str_eq(sn_context_error(ctx), "set of variable \"W\": 20 bytes given, its value has 24");
    ck_assert_int_eq(sn_var_get(var, NULL, 24), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_context_error(ctx), "get of variable \"W\": data is NULL");
    sn_var_free(var);
    sn_var_free(NULL);

    ck_assert_int_eq(sn_var_new(ctx, "e", SN_F64, 1, (int64_t[]){0}, &var), SN_OK);
    ck_assert_int_eq(sn_var_set(var, NULL, 0), SN_OK);
    sn_var_free(var);
    ck_assert_int_eq(sn_var_new(ctx, "h", (sn_dtype)9, 0, NULL, &var), SN_ERR_DTYPE);
    ck_assert_ptr_null(var);
    ck_assert_int_eq(sn_var_new(ctx, "r", SN_F32, 7, NULL, &var), SN_ERR_SHAPE);
    ck_assert_int_eq(sn_var_new(ctx, "n", SN_F32, 1, (int64_t[]){-1}, &var), SN_ERR_SHAPE);
    ck_assert_int_eq(sn_var_new(ctx, "b", SN_F32, 2, (int64_t[]){INT64_MAX, 2}, &var), SN_ERR_SHAPE);
    ck_assert_int_eq(sn_var_new(ctx, NULL, SN_F32, 0, NULL, &var), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_var_new(NULL, "x", SN_F32, 0, NULL, &var), SN_ERR_ARGUMENT);
    close_context(ctx);
}
END_TEST

/* ---- functions --------------------------------------------------------------------------------------------------- */

/* x * w + 1 over a named dim, with w doubled by each call. */
static sn_function *scale(sn_context *ctx, sn_var *w) {
    sn_graph *g = sn_graph_new(ctx, "scale");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(sn_dim_new(g, "N"), SN_DIM(2)));
    sn_expr W = sn_use(g, w), y = sn_add(sn_mul(x, W), sn_const(g, 1));
    sn_update up = {w, sn_mul(W, sn_const(g, 2))};
    sn_function_desc desc = {
        .inputs = &x, .n_inputs = 1, .outputs = &y, .n_outputs = 1, .updates = &up, .n_updates = 1};
    sn_function *f = function(g, &desc);
    sn_graph_free(g);
    return f;
}

START_TEST(function_outlives_graph_and_variable) {
    sn_context *ctx = context();
    sn_var *w = variable(ctx, "w", 2, (float[]){1, 10});
    sn_function *f = scale(ctx, w);
    sn_var_free(w);
    float x[] = {1, 2, 3, 4}, y[4];
    sn_tensor in = sn_tensor_of(SN_F32, x, 2, (int64_t[]){2, 2}), out = sn_tensor_of(SN_F32, y, 2, (int64_t[]){2, 2});
    call_ok(f, &in, 1, &out, 1);
    ck_assert_mem_eq(y, ((float[]){2, 21, 4, 41}), sizeof y);
    call_ok(f, &in, 1, &out, 1); /* the update was seen */
    ck_assert_mem_eq(y, ((float[]){3, 41, 7, 81}), sizeof y);
    in.size[0] = out.size[0] = 1; /* other dims, same code */
    call_ok(f, &in, 1, &out, 1);
    ck_assert_mem_eq(y, ((float[]){5, 81}), 2 * sizeof *y);
    in.size[0] = out.size[0] = 0;
    in.data = out.data = NULL;
    call_ok(f, &in, 1, &out, 1);
    sn_call *call;
    ck_assert_int_eq(sn_call_new(f, &call), SN_OK);
    sn_function_free(f); /* the call keeps it */
    ck_assert_int_eq(sn_call_run(call), SN_ERR_MISSING);
    ck_assert_str_eq(sn_call_error(call), "input \"x\" is not bound");
    in = sn_tensor_of(SN_F32, x, 2, (int64_t[]){1, 2});
    out = sn_tensor_of(SN_F32, y, 2, (int64_t[]){1, 2});
    ck_assert_int_eq(sn_call_bind_input(call, 0, &in), SN_OK);
    ck_assert_int_eq(sn_call_run(call), SN_ERR_MISSING);
    ck_assert_str_eq(sn_call_error(call), "output 0 is not bound");
    ck_assert_int_eq(sn_call_bind_output(call, 0, &out), SN_OK);
    ck_assert_int_eq(sn_call_run(call), SN_OK);
    ck_assert_mem_eq(y, ((float[]){17, 321}), 2 * sizeof *y);
    sn_call_free(call);
    sn_call_free(NULL);
    sn_function_free(NULL);
    close_context(ctx);
}
END_TEST

START_TEST(graph_keeps_its_variables) {
    sn_context *ctx = context();
    sn_var *w = variable(ctx, "w", 2, (float[]){3, 4});
    sn_graph *g = sn_graph_new(ctx, "g");
    sn_expr e = sn_square(sn_use(g, w));
    sn_var_free(w);
    sn_function *f = function(g, &(sn_function_desc){.outputs = &e, .n_outputs = 1});
    sn_graph_free(g);
    float r[2];
    sn_tensor out = VEC(r, 2);
    call_ok(f, NULL, 0, &out, 1);
    ck_assert_mem_eq(r, ((float[]){9, 16}), sizeof r);
    sn_function_free(f);
    close_context(ctx);
}
END_TEST

START_TEST(updates_read_old_values) {
    sn_context *ctx = context();
    sn_var *a = variable(ctx, "a", 3, (float[]){1, 2, 3}), *b = variable(ctx, "b", 3, (float[]){4, 5, 6});
    sn_graph *g = sn_graph_new(ctx, "swap");
    sn_expr old = sn_sub(sn_use(g, a), sn_use(g, b));
    sn_update ups[] = {{a, sn_use(g, b)}, {b, sn_use(g, a)}};
    sn_function_desc desc = {.outputs = &old, .n_outputs = 1, .updates = ups, .n_updates = 2};
    sn_function *f = function(g, &desc);
    float out[3], va[3], vb[3];
    sn_tensor t = VEC(out, 3);
    for (int i = 0; i < 3; i++) {
        call_ok(f, NULL, 0, &t, 1);
        ck_assert_int_eq(sn_var_get(a, va, sizeof va), SN_OK);
        ck_assert_int_eq(sn_var_get(b, vb, sizeof vb), SN_OK);
        const float *one = i % 2 ? (float[]){1, 2, 3} : (float[]){4, 5, 6};
        const float *two = i % 2 ? (float[]){4, 5, 6} : (float[]){1, 2, 3};
        ck_assert_mem_eq(va, one, sizeof va);
        ck_assert_mem_eq(vb, two, sizeof vb);
        for (int k = 0; k < 3; k++) ck_assert_float_eq(out[k], two[k] - one[k]);
    }
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(a);
    sn_var_free(b);
    close_context(ctx);
}
END_TEST

START_TEST(givens_are_simultaneous) {
    sn_context *ctx = context();
    sn_graph *g = sn_graph_new(ctx, "givens");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SCALAR), y = sn_input(g, "y", SN_F32, SN_SCALAR);
    sn_expr e = sn_sub(x, sn_mul(y, sn_const(g, 10)));
    /* x and y change places, and x grows on its way */
    sn_given givens[] = {{x, sn_add(y, sn_const(g, 100))}, {y, x}};
    sn_expr in[] = {x, y}, outs[] = {e, x};
    sn_function_desc desc = {
        .inputs = in, .n_inputs = 2, .outputs = outs, .n_outputs = 2, .givens = givens, .n_givens = 2};
    sn_function *f = function(g, &desc);
    float vx = 1, vy = 2, r[2];
    call_ok(f, (sn_tensor[]){SCALAR(&vx), SCALAR(&vy)}, 2, (sn_tensor[]){SCALAR(&r[0]), SCALAR(&r[1])}, 2);
    ck_assert_float_eq(r[0], 102 - 10);
    ck_assert_float_eq(r[1], 102);
    sn_function_free(f);

    /* A replaced input need not be listed; an untyped constant may stand in. */
    sn_given five = {y, sn_const(g, 5)};
    desc =
        (sn_function_desc){.inputs = &x, .n_inputs = 1, .outputs = &e, .n_outputs = 1, .givens = &five, .n_givens = 1};
    f = function(g, &desc);
    call_ok(f, (sn_tensor[]){SCALAR(&vx)}, 1, (sn_tensor[]){SCALAR(&r[0])}, 1);
    ck_assert_float_eq(r[0], 1 - 50);
    sn_function_free(f);
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

START_TEST(eval_one_expression) {
    sn_context *ctx = context();
    sn_var *w = variable(ctx, "w", 3, (float[]){1, 2, 3});
    sn_graph *g = sn_graph_new(ctx, "eval");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SCALAR), e = sn_mul(sn_use(g, w), x);
    float v = 4, r[3];
    sn_tensor in = SCALAR(&v), out = VEC(r, 3);
    ck_assert_int_eq(sn_eval(e, &x, &in, 1, &out), SN_OK);
    ck_assert_mem_eq(r, ((float[]){4, 8, 12}), sizeof r);
    out.size[0] = 2;
    ck_assert_int_eq(sn_eval(e, &x, &in, 1, &out), SN_ERR_SHAPE);
    ck_assert_str_eq(sn_graph_error(g), "output 0: f32[2] given, f32[3] wanted");
    ck_assert_int_eq(sn_graph_status(g), SN_ERR_SHAPE);
    out.size[0] = 3;
    ck_assert_int_eq(sn_eval(e, &x, &in, 1, &out), SN_OK); /* the graph is not spoiled */
    ck_assert_str_eq(sn_graph_error(g), "");
    ck_assert_int_eq(sn_eval((sn_expr){NULL, 0}, NULL, NULL, 0, &out), SN_ERR_ARGUMENT);
    sn_graph_free(g);
    sn_var_free(w);
    close_context(ctx);
}
END_TEST

START_TEST(outputs_may_be_leaves_and_repeated) {
    sn_context *ctx = context();
    sn_var *w = variable(ctx, "w", 2, (float[]){5, 6});
    sn_graph *g = sn_graph_new(ctx, "leaves");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(SN_DIM(2))), unused = sn_input(g, "unused", SN_I64, SN_SCALAR);
    sn_expr in[] = {unused, x}, outs[] = {x, sn_use(g, w), x, sn_const_of(g, SN_F32, 7)};
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = outs, .n_outputs = 4};
    sn_function *f = function(g, &desc);
    float vx[] = {1, 2}, r[3][2], c;
    int64_t ignored = 3;
    call_ok(f, (sn_tensor[]){sn_tensor_of(SN_I64, &ignored, 0, NULL), VEC(vx, 2)}, 2,
            (sn_tensor[]){VEC(r[0], 2), VEC(r[1], 2), VEC(r[2], 2), SCALAR(&c)}, 4);
    ck_assert_mem_eq(r[0], vx, sizeof vx);
    ck_assert_mem_eq(r[1], ((float[]){5, 6}), sizeof vx);
    ck_assert_mem_eq(r[2], vx, sizeof vx);
    ck_assert_float_eq(c, 7);
    sn_function_free(f);
    sn_graph_free(g);
    sn_var_free(w);
    close_context(ctx);
}
END_TEST

/* Dims by arithmetic: 2N+1 tells N, N*M tells M. */
START_TEST(dims_from_arithmetic) {
    sn_context *ctx = context();
    sn_graph *g = sn_graph_new(ctx, "dims");
    sn_dim N = sn_dim_new(g, "N"), M = sn_dim_new(g, "M");
    sn_expr a = sn_input(g, "a", SN_F32, SN_SHAPE(sn_dim_mul(g, N, M)));
    sn_expr b = sn_input(g, "b", SN_F32, SN_SHAPE(sn_dim_add(g, sn_dim_mul(g, N, SN_DIM(2)), SN_DIM(1))));
    sn_expr in[] = {a, b}, outs[] = {sn_dim_value(g, N), sn_dim_value(g, M)};
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = outs, .n_outputs = 2};
    sn_function *f = function(g, &desc);
    float va[12] = {0}, vb[9] = {0};
    int64_t n = 0, m = 0;
    sn_tensor ts[] = {VEC(va, 12), VEC(vb, 9)};
    sn_tensor out[] = {sn_tensor_of(SN_I64, &n, 0, NULL), sn_tensor_of(SN_I64, &m, 0, NULL)};
    call_ok(f, ts, 2, out, 2);
    ck_assert_int_eq(n, 4);
    ck_assert_int_eq(m, 3);
    ts[1].size[0] = 8;
    ck_assert_int_eq(sn_function_call(f, ts, 2, out, 2), SN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(sn_function_error(f), "input \"b\": f32[8] given"));
    ts[1].size[0] = 1; /* N = 0: M could be anything */
    ck_assert_int_eq(sn_function_call(f, ts, 2, out, 2), SN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(sn_function_error(f), "input \"a\": f32[12] given"));
    sn_function_free(f);
    sn_graph_free(g);
    close_context(ctx);
}
END_TEST

START_TEST(ready_calls_allocate_nothing) {
    sn_context *ctx = context();
    sn_var *w = variable(ctx, "w", 2, (float[]){1, 1});
    sn_function *f = scale(ctx, w);
    float x[6] = {1, 2, 3, 4, 5, 6}, y[6];
    sn_tensor in = sn_tensor_of(SN_F32, x, 2, (int64_t[]){3, 2}), out = sn_tensor_of(SN_F32, y, 2, (int64_t[]){3, 2});
    call_ok(f, &in, 1, &out, 1);
    int64_t before = atomic_load(&memory.calls);
    for (int i = 0; i < 10; i++) call_ok(f, &in, 1, &out, 1);
    sn_tensor other = out;
    float z[6];
    other.data = z;
    for (int i = 0; i < 10; i++) call_ok(f, &in, 1, i % 2 ? &out : &other, 1); /* other memory, same sizes */
    ck_assert_int_eq(atomic_load(&memory.calls), before);
    ck_assert_float_eq(z[0], 1 + 524288.0f); /* 19 calls have doubled w before the last into z */
    sn_function_free(f);
    sn_var_free(w);
    close_context(ctx);
}
END_TEST

START_TEST(views_and_statistics) {
    sn_context *ctx = context();
    sn_var *w = variable(ctx, "w", 2, (float[]){1, 1});
    sn_function *f = scale(ctx, w);
    float x[6] = {0}, y[6];
    sn_tensor in = sn_tensor_of(SN_F32, x, 2, (int64_t[]){3, 2}), out = sn_tensor_of(SN_F32, y, 2, (int64_t[]){3, 2});
    for (int i = 0; i < 5; i++) call_ok(f, &in, 1, &out, 1);
    static const char *const words[] = {[SN_SHOW_GRAPH] = "mul",
                                        [SN_SHOW_OPT] = "mul",
                                        [SN_SHOW_KERNEL] = "kernel",
                                        [SN_SHOW_PROGRAM] = "launch",
                                        [SN_SHOW_DOT] = "digraph",
                                        [SN_SHOW_PROFILE] = "5 calls",
                                        [SN_SHOW_PROFILE_JSON] = "\"calls\": 5",
                                        [SN_SHOW_FUSE] = "",
                                        [SN_SHOW_WHY] = "",
                                        [SN_SHOW_CODE] = NULL};
    for (int i = SN_SHOW_GRAPH; i <= SN_SHOW_PROFILE_JSON; i++) {
        char *text;
        sn_status status = sn_function_show(f, (sn_show)i, &text);
        if (!words[i]) { /* the interpreter has no code */
            ck_assert_int_ne(status, SN_OK);
            ck_assert_ptr_null(text);
            ck_assert_str_ne(sn_function_error(f), "");
            continue;
        }
        ck_assert_msg(status == SN_OK && text, "view %d: %s", i, sn_function_error(f));
        ck_assert_msg(strstr(text, words[i]) != NULL, "view %d lacks %s:\n%s", i, words[i], text);
        sn_string_free(ctx, text);
    }
    char *text;
    ck_assert_int_eq(sn_function_show(f, (sn_show)99, &text), SN_ERR_ARGUMENT);
    sn_function_stats stats;
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_ge(stats.n_kernels, 1);
    ck_assert_uint_eq(stats.n_compiled, stats.n_kernels);
    ck_assert_uint_gt(stats.bytes_per_call, 0);
    ck_assert_double_gt(stats.compile_ms, 0);
    /* A program of another version has a struct of another size. */
    struct {
        sn_function_stats known;
        unsigned char more[16];
    } other;
    memset(&other, 0xff, sizeof other);
    ck_assert_int_eq(sn_function_get_stats_of(f, &other.known, sizeof other), SN_OK);
    ck_assert_uint_eq(other.known.n_kernels, stats.n_kernels);
    for (size_t i = 0; i < sizeof other.more; i++) ck_assert_uint_eq(other.more[i], 0);
    memset(&other, 0xff, sizeof other);
    ck_assert_int_eq(sn_function_get_stats_of(f, &other.known, offsetof(sn_function_stats, n_plans)), SN_OK);
    ck_assert_uint_eq(other.known.bytes_per_call, stats.bytes_per_call);
    ck_assert_uint_eq(other.known.n_plans, UINT32_MAX);
    memset(&other, 0xff, sizeof other);
    ck_assert_int_eq(sn_function_get_stats_of(f, &other.known, 0), SN_OK);
    ck_assert_uint_eq(other.known.n_plans, UINT32_MAX);
    ck_assert_int_eq(sn_function_get_stats_of(f, NULL, sizeof stats), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_function_get_stats_of(NULL, &stats, sizeof stats), SN_ERR_ARGUMENT);
    sn_function_free(f);
    sn_var_free(w);

    w = variable(ctx, "w", 2, NULL); /* the same again: nothing to compile */
    f = scale(ctx, w);
    ck_assert_int_eq(sn_function_get_stats(f, &stats), SN_OK);
    ck_assert_uint_eq(stats.n_compiled, 0);
    sn_function_free(f);
    sn_var_free(w);
    close_context(ctx);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 200 };

typedef struct {
    sn_function *add, *read;
    int failures;
} worker;

static void *work(void *arg) {
    worker *w = arg;
    for (int i = 0; i < ROUNDS; i++) {
        float one = 1, two[2];
        sn_tensor in = SCALAR(&one), out = VEC(two, 2);
        w->failures += sn_function_call(w->add, &in, 1, NULL, 0) != SN_OK;
        w->failures += sn_function_call(w->read, NULL, 0, &out, 1) != SN_OK;
        w->failures += two[0] != two[1]; /* never a half-done update */
        out.size[0] = 3;
        w->failures += sn_function_call(w->read, NULL, 0, &out, 1) != SN_ERR_SHAPE;
    }
    return NULL;
}

START_TEST(threads_share_functions) {
    sn_context *ctx = context();
    sn_var *v = variable(ctx, "v", 2, NULL), *u = variable(ctx, "u", 2, NULL);
    sn_graph *g = sn_graph_new(ctx, "count");
    sn_expr by = sn_input(g, "by", SN_F32, SN_SCALAR), e = sn_add(sn_use(g, v), sn_mul(sn_use(g, u), sn_const(g, 0)));
    sn_update ups[] = {{u, sn_add(sn_use(g, v), by)}, {v, sn_add(sn_use(g, v), by)}};
    worker w[THREADS] = {{.failures = 0}};
    w[0].add = function(g, &(sn_function_desc){.inputs = &by, .n_inputs = 1, .updates = ups, .n_updates = 2});
    w[0].read = function(g, &(sn_function_desc){.outputs = &e, .n_outputs = 1});
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i].add = w[0].add;
        w[i].read = w[0].read;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(w[i].failures, 0);
    }
    float sum[2];
    ck_assert_int_eq(sn_var_get(u, sum, sizeof sum), SN_OK);
    ck_assert_float_eq(sum[0], THREADS * ROUNDS);
    ck_assert_float_eq(sum[1], THREADS * ROUNDS);
    char *text, wanted[64];
    snprintf(wanted, sizeof wanted, "\"calls\": %d,", THREADS * ROUNDS);
    ck_assert_int_eq(sn_function_show(w[0].read, SN_SHOW_PROFILE_JSON, &text), SN_OK);
    ck_assert_msg(strstr(text, wanted) != NULL, "%s", text);
    sn_string_free(ctx, text);
    sn_function_free(w[0].add);
    sn_function_free(w[0].read);
    sn_graph_free(g);
    sn_var_free(v);
    sn_var_free(u);
    close_context(ctx);
}
END_TEST

/* The lock by itself, by many more threads than processors: readers never see a writer at work. */
enum { LOCK_THREADS = 8, LOCK_ROUNDS = 20000 };
static rt_lock lock;
static int64_t guarded[2];
static _Atomic int torn;

static void *contend(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < LOCK_ROUNDS; i++) {
        seed = seed * 1103515245u + 12345u;
        if ((seed >> 16) % 3) {
            rt_lock_shared(&lock);
            if (guarded[0] != guarded[1]) torn++;
            rt_unlock_shared(&lock);
        } else {
            rt_lock_exclusive(&lock);
            guarded[0]++;
            if ((seed >> 20) % 64 == 0) sched_yield();
            guarded[1]++;
            rt_unlock_exclusive(&lock);
        }
    }
    return NULL;
}

START_TEST(lock_keeps_writers_alone) {
    pthread_t thread[LOCK_THREADS];
    for (uintptr_t i = 0; i < LOCK_THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, contend, (void *)(i + 1)), 0);
    for (int i = 0; i < LOCK_THREADS; i++) pthread_join(thread[i], NULL);
    ck_assert_int_eq(torn, 0);
    ck_assert_int_gt(guarded[0], LOCK_ROUNDS);
    ck_assert_int_eq(guarded[0], guarded[1]);
    ck_assert_uint_eq(atomic_load(&lock.word), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("runtime");
    TCase *tests = tcase_create("runtime");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, names_and_sizes);
    tcase_add_test(tests, variables);
    tcase_add_test(tests, function_outlives_graph_and_variable);
    tcase_add_test(tests, graph_keeps_its_variables);
    tcase_add_test(tests, updates_read_old_values);
    tcase_add_test(tests, givens_are_simultaneous);
    tcase_add_test(tests, eval_one_expression);
    tcase_add_test(tests, outputs_may_be_leaves_and_repeated);
    tcase_add_test(tests, dims_from_arithmetic);
    tcase_add_test(tests, ready_calls_allocate_nothing);
    tcase_add_test(tests, views_and_statistics);
    tcase_add_test(tests, lock_keeps_writers_alone);
    tcase_add_test(tests, threads_share_functions);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
