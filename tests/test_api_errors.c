/* What is wrong with a description or a call, and the sentence that says so. Each case is one mistake; after all of
 * them graph and function still work, and nothing has leaked. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinter/sinter.h"
#include "support/support_alloc.h"

static support_alloc memory;
static sn_context *ctx, *other_ctx;

static void quiet(void *user, sn_log_level level, const char *message) {
    (void)user;
    (void)level;
    (void)message;
}

static sn_context *open_context(void) {
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.allocator = &allocator, .log = quiet, .threads = 1, .backend = "interp"};
    sn_context *out;
    ck_assert_int_eq(sn_context_new(&options, &out), SN_OK);
    return out;
}

static void setup(void) {
    memory = (support_alloc){.fail_at = 0};
    ctx = open_context();
    other_ctx = open_context();
}

static void teardown(void) {
    sn_context_free(ctx);
    sn_context_free(other_ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}

/* ---- descriptions ------------------------------------------------------------------------------------------------ */

static sn_graph *graph;

/* Makes the function, which has to fail with this status and this in its sentence. */
static void refused(const sn_function_desc *desc, sn_status status, const char *sentence) {
    sn_function *f = (sn_function *)&f;
    sn_status got = sn_function_new(graph, desc, &f);
    ck_assert_msg(got == status, "%s instead of %s: %s", sn_status_name(got), sn_status_name(status),
                  sn_graph_error(graph));
    ck_assert_ptr_null(f);
    ck_assert_int_eq(sn_graph_status(graph), status);
    ck_assert_msg(strstr(sn_graph_error(graph), sentence) != NULL, "wanted \"%s\", got \"%s\"", sentence,
                  sn_graph_error(graph));
}

START_TEST(descriptions) {
    sn_graph *g = graph = sn_graph_new(ctx, "g"), *other = sn_graph_new(ctx, "other");
    sn_dim N = sn_dim_new(g, "N"), M = sn_dim_new(g, "M");
    sn_expr x = sn_input(g, "x", SN_F32, SN_SHAPE(N)), s = sn_input(g, "s", SN_F32, SN_SCALAR), e = sn_mul(x, s);
    sn_expr z = sn_input(other, "z", SN_F32, SN_SCALAR), poison = {g, 0}, d = sn_input(g, "d", SN_F64, SN_SCALAR);
    sn_expr xs[] = {x, s}, m = sn_full(g, SN_F32, 1, SN_SHAPE(M));
    sn_var *v, *foreign, *twin;
    ck_assert_int_eq(sn_var_new(ctx, "v", SN_F32, 1, (int64_t[]){3}, &v), SN_OK);
    ck_assert_int_eq(sn_var_new(ctx, "v", SN_F32, 1, (int64_t[]){3}, &twin), SN_OK);
    ck_assert_int_eq(sn_var_new(other_ctx, "far", SN_F32, 1, (int64_t[]){3}, &foreign), SN_OK);
    sn_expr v2 = sn_add(sn_use(g, v), s), v3 = sn_add(sn_use(g, v), sn_use(g, twin));

#define DESC(...)          (&(sn_function_desc){__VA_ARGS__})
#define IN                 .inputs = xs, .n_inputs = 2
#define OUT                .outputs = &e, .n_outputs = 1
#define UPDATE(var, value) .updates = &(sn_update){(var), (value)}, .n_updates = 1
#define GIVEN(a, b)        .givens = &(sn_given){(a), (b)}, .n_givens = 1
    refused(NULL, SN_ERR_ARGUMENT, "the description is NULL");
    refused(DESC(.struct_size = 3, IN, OUT), SN_ERR_ARGUMENT, "struct_size 3");
    refused(DESC(IN), SN_ERR_ARGUMENT, "neither outputs nor updates");
    refused(DESC(IN, .n_outputs = 2), SN_ERR_ARGUMENT, "2 outputs, but the array is NULL");
    refused(DESC(.n_inputs = 1, OUT), SN_ERR_ARGUMENT, "1 inputs, but the array is NULL");
    refused(DESC(IN, OUT, .n_updates = 1), SN_ERR_ARGUMENT, "1 updates, but the array is NULL");
    refused(DESC(IN, OUT, .n_givens = 1), SN_ERR_ARGUMENT, "1 givens, but the array is NULL");
    refused(DESC(.inputs = xs, .n_inputs = 1, OUT), SN_ERR_MISSING, "input \"s\" (");
    refused(DESC(.name = "step", .inputs = &s, .n_inputs = 1, OUT), SN_ERR_MISSING, "function \"step\": input \"x\" (");
    refused(DESC(.inputs = &e, .n_inputs = 1, OUT), SN_ERR_ARGUMENT, "input 0 was not made by sn_input");
    refused(DESC(.inputs = (sn_expr[]){x, s, x}, .n_inputs = 3, OUT), SN_ERR_ARGUMENT, "input 2 is listed twice");
    refused(DESC(.inputs = &z, .n_inputs = 1, OUT), SN_ERR_ARGUMENT, "input 0 is an expression of another graph");
    refused(DESC(IN, .outputs = &z, .n_outputs = 1), SN_ERR_ARGUMENT, "output 0 is an expression of another graph");
    refused(DESC(IN, .outputs = &poison, .n_outputs = 1), SN_ERR_ARGUMENT, "output 0 is the poison expression");
    refused(DESC(IN, .outputs = &(sn_expr){NULL, 0}, .n_outputs = 1), SN_ERR_ARGUMENT,
            "output 0 is the poison expression of no graph: no builder has made it");
    refused(DESC(IN, .outputs = &(sn_expr){other, 0}, .n_outputs = 1), SN_ERR_ARGUMENT,
            "output 0 is the poison expression of another graph, whose error says why");
    refused(DESC(IN, OUT, UPDATE(NULL, e)), SN_ERR_ARGUMENT, "the variable of update 0 is NULL");
    refused(DESC(IN, OUT, UPDATE(foreign, v2)), SN_ERR_ARGUMENT, "variable \"far\" belongs to another context");
    refused(DESC(IN, OUT, UPDATE(v, poison)), SN_ERR_ARGUMENT, "the value of update 0 is the poison expression");
    refused(DESC(IN, OUT, UPDATE(v, s)), SN_ERR_SHAPE, "update 0: variable v is f32[3], its new value s is f32[]");
    refused(DESC(IN, OUT, UPDATE(v, e)), SN_ERR_SHAPE, "f32[N]");
    refused(DESC(IN, OUT, UPDATE(v, sn_full(g, SN_F64, 0, SN_SHAPE(SN_DIM(3))))), SN_ERR_DTYPE, "f64[3]");
    refused(DESC(IN, OUT, .updates = (sn_update[]){{v, v2}, {v, v2}}, .n_updates = 2), SN_ERR_ARGUMENT,
            "updates 0 and 1 are both of variable \"v\"");
    refused(DESC(IN, .outputs = &v3, .n_outputs = 1), SN_ERR_ARGUMENT, "two of its variables are called \"v\"");
    refused(DESC(IN, OUT, GIVEN(z, s)), SN_ERR_ARGUMENT,
            "what is replaced by given 0 is an expression of another graph");
    refused(DESC(IN, OUT, GIVEN(s, z)), SN_ERR_ARGUMENT, "what stands in by given 0 is an expression of another graph");
    refused(DESC(IN, OUT, GIVEN(s, d)), SN_ERR_DTYPE, "given 0: s is f32[], d is f64[]");
    refused(DESC(IN, OUT, GIVEN(s, x)), SN_ERR_SHAPE, "given 0: s is f32[], x is f32[N]");
    refused(DESC(IN, OUT, .givens = (sn_given[]){{s, s}, {s, s}}, .n_givens = 2), SN_ERR_ARGUMENT,
            "given 1 replaces what an earlier one replaces");
    refused(DESC(IN, .outputs = &m, .n_outputs = 1), SN_ERR_MISSING, "dim M is used, but no input tells its size");

    sn_function *f;
    ck_assert_int_eq(sn_function_new(NULL, DESC(IN, OUT), &f), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_function_new(g, DESC(IN, OUT), NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_function_new(g, DESC(IN, OUT), &f), SN_OK); /* the graph is as good as ever */
    ck_assert_str_eq(sn_graph_error(g), "");
    sn_function_free(f);

    sn_expr wrong = sn_add(x, d); /* but a builder's error stays */
    ck_assert_uint_eq(wrong.id, 0);
    refused(DESC(IN, OUT), SN_ERR_DTYPE, "test_api_errors.c:");
    ck_assert_uint_eq(sn_use(other, foreign).id, 0);
    ck_assert_ptr_nonnull(strstr(sn_graph_error(other), "use: variable far belongs to another context"));
    sn_graph_free(g);
    sn_graph_free(other);
    sn_graph_free(NULL);
    sn_var_free(v);
    sn_var_free(twin);
    sn_var_free(foreign);
}
END_TEST

/* ---- calls ------------------------------------------------------------------------------------------------------- */

enum { N_IN = 3, N_OUT = 2 };

typedef struct {
    sn_function *f;
    sn_tensor in[N_IN], out[N_OUT];
} calling;

static void call_refused(const calling *c, sn_status status, const char *sentence) {
    sn_status got = sn_function_call(c->f, c->in, N_IN, c->out, N_OUT);
    ck_assert_msg(got == status, "%s instead of %s: %s", sn_status_name(got), sn_status_name(status),
                  sn_function_error(c->f));
    ck_assert_msg(strstr(sn_function_error(c->f), sentence) != NULL, "wanted \"%s\", got \"%s\"", sentence,
                  sn_function_error(c->f));
}

START_TEST(calls) {
    sn_graph *g = sn_graph_new(ctx, "g");
    sn_dim N = sn_dim_new(g, "N"), K = sn_dim_new(g, "K");
    sn_expr in[N_IN] = {sn_input(g, "X", SN_F32, SN_SHAPE(N, SN_DIM(2))), sn_input(g, "y", SN_F32, SN_SHAPE(N)),
                        sn_input(g, "k", SN_F32, SN_SHAPE(K))};
    sn_expr out[N_OUT] = {sn_mul(in[0], sn_const(g, 2)), sn_add(in[1], in[2])};
    sn_function_desc desc = {.inputs = in, .n_inputs = N_IN, .outputs = out, .n_outputs = N_OUT};
    calling good;
    ck_assert_msg(sn_function_new(g, &desc, &good.f) == SN_OK, "%s", sn_graph_error(g));
    sn_graph_free(g);
    static float X[8], y[5], k[5], o0[8], o1[5];
    good.in[0] = sn_tensor_of(SN_F32, X, 2, (int64_t[]){3, 2});
    good.in[1] = sn_tensor_of(SN_F32, y, 1, (int64_t[]){3});
    good.in[2] = sn_tensor_of(SN_F32, k, 1, (int64_t[]){3});
    good.out[0] = sn_tensor_of(SN_F32, o0, 2, (int64_t[]){3, 2});
    good.out[1] = sn_tensor_of(SN_F32, o1, 1, (int64_t[]){3});
    ck_assert_int_eq(sn_function_call(good.f, good.in, N_IN, good.out, N_OUT), SN_OK);

    calling c;
#define WRONG(change, status, sentence)                                                                                \
    do {                                                                                                               \
        c = good;                                                                                                      \
        change;                                                                                                        \
        call_refused(&c, status, sentence);                                                                            \
    } while (0)
    WRONG(c.in[0].rank = 1, SN_ERR_SHAPE, "input \"X\": f32[3] given, f32[N,2] wanted");
    WRONG(c.in[0].rank = -1, SN_ERR_SHAPE, "input \"X\": f32 of rank -1 (0 to 6 are possible) given, f32[N,2] wanted");
    WRONG(c.in[0].rank = 77, SN_ERR_SHAPE, "input \"X\": f32 of rank 77 (0 to 6 are possible) given, f32[N,2] wanted");
    WRONG(c.in[0].dtype = SN_I32, SN_ERR_DTYPE, "input \"X\": i32[3,2] given, f32[N,2] wanted");
    WRONG(c.in[0].dtype = (sn_dtype)77, SN_ERR_DTYPE,
          "input \"X\": the tensor's dtype is 77, which is none; f32[N,2] wanted");
    WRONG(c.in[0].size[1] = 3, SN_ERR_SHAPE, "input \"X\": f32[3,3] given, f32[N,2] wanted");
    WRONG(c.in[0].size[0] = -3, SN_ERR_SHAPE, "input \"X\": f32[-3,2] given, f32[N,2] wanted");
    WRONG(c.in[1].size[0] = 5, SN_ERR_SHAPE, "N is 3 from \"X\" and 5 from \"y\"");
    WRONG(c.in[2].size[0] = 4, SN_ERR_SHAPE, "add");
    WRONG(c.in[0].size[0] = INT64_MAX / 4, SN_ERR_SHAPE, "input \"X\": its bytes do not fit 63 bits");
    WRONG(c.in[1].data = NULL, SN_ERR_ARGUMENT, "input \"y\": data is NULL, 12 bytes wanted");
    WRONG(c.in[1].data = (char *)y + 2, SN_ERR_ARGUMENT, "is not aligned to 4 bytes, as f32 has to be");
    WRONG(c.out[1].dtype = SN_F64, SN_ERR_DTYPE, "output 1: f64[3] given, f32[N] wanted");
    WRONG(c.out[1].size[0] = 2, SN_ERR_SHAPE, "output 1: f32[2] given, f32[N] wanted with N = 3");
    WRONG(c.out[0].rank = 0, SN_ERR_SHAPE, "output 0: f32[] given, f32[N,2] wanted");
    WRONG(c.out[0].data = NULL, SN_ERR_ARGUMENT, "output 0: data is NULL, 24 bytes wanted");
    WRONG(c.out[0].data = (char *)o0 + 1, SN_ERR_ARGUMENT, "output 0: data at");
    WRONG(c.out[0].data = X, SN_ERR_ARGUMENT, "output 0 shares memory with input \"X\"");
    WRONG(c.out[1].data = &X[5], SN_ERR_ARGUMENT, "output 1 shares memory with input \"X\"");
    WRONG(c.out[1].data = &o0[5], SN_ERR_ARGUMENT, "output 1 shares memory with output 0");
    c = good; /* side by side is fine */
    c.out[1].data = &X[6];
    c.in[1].data = c.in[2].data = k;
    c.out[1].size[0] = c.in[1].size[0] = c.in[2].size[0] = 2;
    c.in[0].size[0] = c.out[0].size[0] = 2;
    ck_assert_int_eq(sn_function_call(c.f, c.in, N_IN, c.out, N_OUT), SN_OK);

    ck_assert_int_eq(sn_function_call(good.f, good.in, 2, good.out, N_OUT), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_function_error(good.f), "function \"g\": 2 inputs and 2 outputs given, 3 and 2 wanted");
    ck_assert_int_eq(sn_function_call(good.f, NULL, N_IN, good.out, N_OUT), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_function_call(NULL, NULL, 0, NULL, 0), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_function_call(good.f, good.in, N_IN, good.out, N_OUT), SN_OK);

    sn_call *call;
    ck_assert_int_eq(sn_call_new(NULL, &call), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_new(good.f, NULL), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_call_new(good.f, &call), SN_OK);
    ck_assert_int_eq(sn_call_bind_input(call, 3, &good.in[0]), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_call_error(call), "function \"g\" has no input 3: it has 3");
    ck_assert_int_eq(sn_call_bind_output(call, 2, &good.out[0]), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_call_error(call), "function \"g\" has no output 2: it has 2");
    ck_assert_int_eq(sn_call_bind_input(call, 0, NULL), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_call_error(call), "input \"X\": the tensor is NULL");
    for (size_t i = 0; i < N_IN; i++) ck_assert_int_eq(sn_call_bind_input(call, i, &good.in[i]), SN_OK);
    for (size_t i = 0; i < N_OUT; i++) ck_assert_int_eq(sn_call_bind_output(call, i, &good.out[i]), SN_OK);
    ck_assert_int_eq(sn_call_run(call), SN_OK);
    sn_tensor wrong = good.in[1];
    wrong.dtype = SN_U8;
    ck_assert_int_eq(sn_call_bind_input(call, 1, &wrong), SN_ERR_DTYPE);
    ck_assert_int_eq(sn_call_run(call), SN_ERR_MISSING); /* a refused tensor does not leave the old one bound */
    ck_assert_str_eq(sn_call_error(call), "input \"y\" is not bound");
    ck_assert_int_eq(sn_call_bind_input(call, 1, &good.in[1]), SN_OK);
    ck_assert_int_eq(sn_call_run(call), SN_OK);
    sn_call_free(call);
    sn_function_free(good.f);
}
END_TEST

/* ---- what depends on the sizes of a call ------------------------------------------------------------------------- */

/* The expression over x[N] and ids[I], called with n and i. */
static void sized(sn_expr (*make)(sn_graph *g, sn_expr x, sn_expr ids, sn_dim N), int64_t n, int64_t i, sn_dtype dtype,
                  int64_t n_out, sn_status status, const char *sentence) {
    sn_graph *g = sn_graph_new(ctx, "sized");
    sn_dim N = sn_dim_new(g, "N");
    sn_expr in[] = {sn_input(g, "x", SN_F32, SN_SHAPE(N)), sn_input(g, "ids", SN_I64, SN_SHAPE(sn_dim_new(g, "I")))};
    sn_expr out = make(g, in[0], in[1], N);
    sn_function_desc desc = {.inputs = in, .n_inputs = 2, .outputs = &out, .n_outputs = 1};
    sn_function *f;
    ck_assert_msg(sn_function_new(g, &desc, &f) == SN_OK, "%s", sn_graph_error(g));
    float x[16] = {0}, r[16];
    int64_t ids[16] = {0};
    sn_tensor ts[] = {sn_tensor_of(SN_F32, x, 1, &n), sn_tensor_of(SN_I64, ids, 1, &i)};
    sn_tensor to = sn_tensor_of(dtype, r, 1, &n_out);
    sn_status got = sn_function_call(f, ts, 2, &to, 1);
    ck_assert_msg(got == status, "%s instead of %s: %s", sn_status_name(got), sn_status_name(status),
                  sn_function_error(f));
    ck_assert_msg(strstr(sn_function_error(f), sentence) != NULL, "wanted \"%s\", got \"%s\"", sentence,
                  sn_function_error(f));
    sn_function_free(f);
    sn_graph_free(g);
}

static sn_expr part(sn_graph *g, sn_expr x, sn_expr ids, sn_dim N) {
    (void)g;
    (void)ids;
    (void)N;
    return sn_neg(sn_slice(x, 0, SN_DIM(2), SN_DIM(5)));
}

static sn_expr tail(sn_graph *g, sn_expr x, sn_expr ids, sn_dim N) {
    (void)ids;
    return sn_neg(sn_slice(x, 0, sn_dim_sub(g, N, SN_DIM(4)), N));
}

static sn_expr window(sn_graph *g, sn_expr x, sn_expr ids, sn_dim N) {
    (void)g;
    (void)N;
    return sn_neg(sn_slice_at_index(x, 0, sn_sum_all(ids), SN_DIM(3)));
}

static sn_expr rows(sn_graph *g, sn_expr x, sn_expr ids, sn_dim N) {
    (void)g;
    (void)N;
    return sn_neg(sn_gather(x, ids));
}

START_TEST(sizes) {
    sized(part, 5, 1, SN_F32, 3, SN_OK, "");
    sized(part, 4, 1, SN_F32, 3, SN_ERR_SHAPE, "slice");
    sized(part, 0, 1, SN_F32, 3, SN_ERR_SHAPE, "slice");
    sized(tail, 9, 1, SN_F32, 4, SN_OK, "");
    sized(tail, 3, 1, SN_F32, 4, SN_ERR_SHAPE, "N");
    sized(window, 3, 1, SN_F32, 3, SN_OK, "");
    sized(window, 2, 1, SN_F32, 3, SN_ERR_SHAPE, "N");
    sized(rows, 2, 4, SN_F32, 4, SN_OK, "");
    sized(rows, 2, 0, SN_F32, 0, SN_OK, "");
    sized(rows, 0, 4, SN_F32, 4, SN_ERR_SHAPE, "gather: needs at least one row");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("api_errors");
    TCase *tests = tcase_create("errors");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, descriptions);
    tcase_add_test(tests, calls);
    tcase_add_test(tests, sizes);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
