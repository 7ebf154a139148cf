/* The public builders: types and shapes of every operator and composite, and what becomes of bad calls: the poison
 * expression, and one sentence with the caller's place. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/infer.h"

static base_alloc memory;
static sn_graph graph;
static sn_graph *g;
static sn_dim N, M;

static void setup(void) {
    g = &graph;
    base_alloc_init(&memory, NULL);
    ck_assert_int_eq(ir_graph_init(g, &memory, NULL, "test"), SN_OK);
    N = sn_dim_new(g, "N");
    M = sn_dim_new(g, "M");
}

static void teardown(void) {
    ir_graph_clear(g);
    ck_assert_uint_eq(memory.live_bytes, 0);
}

static void assert_type_at(sn_expr e, const char *text, int line) {
    ck_assert_msg(e.id != 0, "line %d: %s", line, sn_graph_error(g));
    ir_text have = ir_type_text(g, e.id);
    ck_assert_msg(!strcmp(have.text, text), "line %d: %s, expected %s", line, have.text, text);
}
#define assert_type(e, text) assert_type_at((e), (text), __LINE__)

/* The expression is poison and the graph's error is this, without the file. */
static void assert_error_at(sn_expr e, sn_status status, const char *text, int line) {
    ck_assert_uint_eq(e.id, 0);
    ck_assert_ptr_eq(e.graph, g);
    ck_assert_msg(sn_graph_status(g) == status, "line %d: %s", line, sn_graph_error(g));
    const char *at = sn_graph_error(g);
    ck_assert_msg(!strncmp(at, __FILE__ ":", sizeof __FILE__), "line %d: %s", line, at);
    /* The line of a call that spans several may be any of them. */
    char *end;
    long have = strtol(at + sizeof __FILE__, &end, 10);
    ck_assert_msg(have <= line && have >= line - 3, "line %d: %s", line, at);
    ck_assert_int_eq(strncmp(end, ": ", 2), 0);
    ck_assert_str_eq(end + 2, text);
    g->error = SN_OK; /* for the next one */
    g->error_text[0] = 0;
}
#define assert_error(e, status, text) assert_error_at((e), (status), (text), __LINE__)

static sn_expr input(const char *name, sn_dtype dtype, sn_shape shape) { return sn_input(g, name, dtype, shape); }

/* ---- what every operator gives ----------------------------------------------------------------------------------- */

START_TEST(elementwise) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N, SN_DIM(3))), i = input("i", SN_I32, SN_SHAPE(SN_DIM(3)));
    sn_expr p = input("p", SN_BOOL, SN_SCALAR);
#define IR_EWISE(UC, lc, operands, typeset, result, work, dom, bound, facts, real, whole, text)                        \
    {                                                                                                                  \
        sn_expr in = ir_type_in(ir_ops[IR_##UC].types, SN_F32) ? x : i;                                                \
        sn_expr out = EWISE_##operands(lc);                                                                            \
        ck_assert_msg(out.id != 0, "%s", sn_graph_error(g));                                                           \
        ck_assert_int_eq(ir_at(g, out.id)->op, IR_##UC);                                                               \
        ck_assert_int_eq(sn_expr_dtype(out), ir_ops[IR_##UC].to_bool ? SN_BOOL : sn_expr_dtype(in));                   \
        ck_assert_int_eq(sn_expr_shape(out).rank, sn_expr_shape(in).rank);                                             \
    }
#define EWISE_1(lc) sn_##lc(in)
#define EWISE_2(lc) sn_##lc(in, in)
#include "ir/ops.def"
    assert_type(sn_cast(x, SN_I64), "i64[N,3]");
    assert_type(sn_select(p, x, sn_const(g, 0)), "f32[N,3]");
    assert_type(sn_and(p, sn_gt(i, sn_const(g, 2))), "bool[3]");
    assert_type(sn_stop_gradient(x), "f32[N,3]");
    assert_type(sn_mul(sn_neg(sn_const(g, 2)), i), "i32[3]");
    assert_type(sn_sub(sn_const(g, 1), x), "f32[N,3]");
    assert_type(sn_exp(sn_const(g, 1)), "f64[]");
}
END_TEST

START_TEST(leaves) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N, SN_DIM(3)));
    assert_type(sn_const_of(g, SN_U8, 255), "u8[]");
    assert_type(sn_full(g, SN_F64, 0.5, SN_SHAPE(N, M)), "f64[N,M]");
    assert_type(sn_zeros_like(x), "f32[N,3]");
    assert_type(sn_ones_like(x), "f32[N,3]");
    assert_type(sn_iota(g, SN_F32, M), "f32[M]");
    assert_type(sn_dim_value(g, N), "i64[]");
    sn_shape shape = sn_expr_shape(x);
    ck_assert_int_eq(shape.rank, 2);
    ck_assert_uint_eq(shape.dim[0].id, N.id);
    ck_assert(shape.dim[1].id == 0 && shape.dim[1].value == 3);
    ck_assert_int_eq(sn_expr_dtype(x), SN_F32);
}
END_TEST

START_TEST(dim_arithmetic) {
    sn_dim sum = sn_dim_add(g, N, SN_DIM(2)), twice = sn_dim_mul(g, N, SN_DIM(2));
    ck_assert_uint_eq(sn_dim_new(g, "N").id, N.id);
    assert_type(sn_iota(g, SN_I64, sum), "i64[N+2]");
    assert_type(sn_iota(g, SN_I64, twice), "i64[2*N]");
    ck_assert_uint_eq(sn_dim_sub(g, twice, N).id, N.id);
    sn_dim zero = sn_dim_sub(g, N, N);
    ck_assert(zero.id == 0 && zero.value == 0);
    sn_dim five = sn_dim_add(g, SN_DIM(2), SN_DIM(3));
    ck_assert(five.id == 0 && five.value == 5);
}
END_TEST

START_TEST(reductions) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N, SN_DIM(3), SN_DIM(4))), i = input("i", SN_I32, SN_SHAPE(N, M));
    assert_type(sn_sum(x, SN_AXES(-1), 0), "f32[N,3]");
    assert_type(sn_sum(x, SN_AXES(0, 2), 1), "f32[1,3,1]");
    ck_assert_uint_eq(sn_sum(x, SN_AXES(0, 2), 0).id, sn_sum(x, sn_axes_of(2, (const int32_t[]){-1, -3}), 0).id);
    ck_assert_uint_eq(sn_sum(x, sn_axes_of(0, NULL), 0).id, x.id);
    assert_type(sn_mean(x, SN_AXES(1), 1), "f32[N,1,4]");
    assert_type(sn_variance(x, SN_AXES(1), 0), "f32[N,4]");
    assert_type(sn_variance(x, SN_AXES(1), 1), "f32[N,1,4]");
    assert_type(sn_amax(i, SN_AXES(0), 0), "i32[M]");
    assert_type(sn_amin(i, SN_AXES(1), 1), "i32[N,1]");
    assert_type(sn_sum_all(x), "f32[]");
    assert_type(sn_mean_all(x), "f32[]");
    assert_type(sn_amax_all(i), "i32[]");
    assert_type(sn_amin_all(i), "i32[]");
    ck_assert_uint_eq(g->check.n, 0);
    assert_type(sn_argmax(x, 1, 0), "i64[N,4]");
    assert_type(sn_argmin(x, -1, 1), "i64[N,3,1]");
    ck_assert_uint_eq(g->check.n, 0);
    assert_type(sn_argmax(i, 1, 0), "i64[N]");
    ck_assert_uint_eq(g->check.n, 1); /* 1 <= M */
}
END_TEST

START_TEST(linear_algebra) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N, SN_DIM(2))), w = input("w", SN_F32, SN_SHAPE(SN_DIM(2), SN_DIM(5)));
    sn_expr b = input("b", SN_F32, SN_SHAPE(SN_DIM(5)));
    assert_type(sn_matmul(x, w), "f32[N,5]");
    assert_type(sn_linear(x, w, b), "f32[N,5]");
    assert_type(sn_matmul(b, sn_t(w)), "f32[2]");
}
END_TEST

START_TEST(views) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N, SN_DIM(6))), at = input("at", SN_I32, SN_SCALAR);
    assert_type(sn_reshape(x, SN_SHAPE(SN_DIM(-1), SN_DIM(2), SN_DIM(3))), "f32[N,2,3]");
    assert_type(sn_reshape(x, SN_SHAPE(SN_DIM(-1))), "f32[6*N]");
    assert_type(sn_reshape(x, SN_SHAPE(SN_DIM(2), SN_DIM(-1))), "f32[2,3*N]");
    assert_type(sn_reshape(x, SN_SHAPE(N, SN_DIM(2), SN_DIM(-1))), "f32[N,2,3]");
    assert_type(sn_transpose(x, SN_AXES(1, 0)), "f32[6,N]");
    assert_type(sn_transpose(x, SN_AXES(-1, 0)), "f32[6,N]");
    assert_type(sn_t(x), "f32[6,N]");
    assert_type(sn_broadcast_to(x, SN_SHAPE(M, N, SN_DIM(6))), "f32[M,N,6]");
    assert_type(sn_expand(x, 0), "f32[1,N,6]");
    assert_type(sn_expand(x, 1), "f32[N,1,6]");
    assert_type(sn_expand(x, -1), "f32[N,6,1]");
    assert_type(sn_slice(x, 1, SN_DIM(1), SN_DIM(4)), "f32[N,3]");
    assert_type(sn_slice(x, -1, SN_DIM(-2), SN_END), "f32[N,2]");
    assert_type(sn_slice(x, 1, SN_DIM(0), SN_DIM(-1)), "f32[N,5]");
    ck_assert_uint_eq(sn_slice(x, 1, SN_DIM(0), SN_END).id, x.id);
    ck_assert_uint_eq(g->check.n, 0);
    assert_type(sn_slice(x, 0, SN_DIM(1), SN_END), "f32[N-1,6]");
    assert_type(sn_slice_step(x, 1, SN_DIM(0), SN_END, 4), "f32[N,2]");
    assert_type(sn_slice_at_index(x, 0, at, SN_DIM(2)), "f32[2,6]");
    assert_type(sn_slice_at_index(x, 0, sn_const(g, 3), M), "f32[M,6]");
    assert_type(sn_concat((const sn_expr[]){x, x, x}, 3, -1), "f32[N,18]");
    assert_type(sn_concat((const sn_expr[]){x, x}, 2, 0), "f32[2*N,6]");
    assert_type(sn_gather(x, at), "f32[6]");
    assert_type(sn_gather(x, input("ids", SN_U8, SN_SHAPE(M, N))), "f32[M,N,6]");
    assert_type(sn_one_hot(input("classes", SN_I64, SN_SHAPE(N)), SN_DIM(10), SN_F32), "f32[N,10]");
    assert_type(sn_one_hot(at, M, SN_BOOL), "bool[M]");
}
END_TEST

START_TEST(functions_and_losses) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N, SN_DIM(10))), ids = input("ids", SN_U8, SN_SHAPE(N));
    sn_expr y = input("y", SN_F32, SN_SHAPE(N, SN_DIM(10))), one = input("one", SN_I64, SN_SCALAR);
    assert_type(sn_softmax(x, -1), "f32[N,10]");
    assert_type(sn_log_softmax(x, 0), "f32[N,10]");
    assert_type(sn_logsumexp(x, 1, 0), "f32[N]");
    assert_type(sn_logsumexp(x, 0, 1), "f32[1,10]");
    assert_type(sn_cross_entropy(x, ids), "f32[N]");
    assert_type(sn_cross_entropy(input("row", SN_F64, SN_SHAPE(M)), one), "f64[]");
    assert_type(sn_cross_entropy_probs(x, y), "f32[N]");
    assert_type(sn_mse(x, y), "f32[]");
    assert_type(sn_mse(sn_const(g, 1), y), "f32[]");
    ck_assert_uint_eq(g->check.n, 0);
    assert_type(sn_cross_entropy(x, input("other", SN_I32, SN_SHAPE(M))), "f32[N]");
    ck_assert_uint_eq(g->check.n, 1);
    ck_assert_ptr_nonnull(strstr(g->check.at[0].text, "cross_entropy: ids must have the logits' axes but the last: "
                                                      "x is f32[N,10], other is i32[M]"));
}
END_TEST

/* ---- what bad calls give ----------------------------------------------------------------------------------------- */

START_TEST(messages) {
    sn_expr X = input("X", SN_F32, SN_SHAPE(N, SN_DIM(2))), W = input("W", SN_F32, SN_SHAPE(SN_DIM(3), SN_DIM(1000)));
    sn_expr y = input("y", SN_I64, SN_SHAPE(N)), p = input("p", SN_BOOL, SN_SHAPE(N));
    assert_error(sn_matmul(X, W), SN_ERR_SHAPE, "matmul: inner dimensions differ: X is f32[N,2], W is f32[3,1000]");
    assert_error(sn_add(X, y), SN_ERR_DTYPE,
                 "add: element types differ: X is f32[N,2], y is i64[N]; convert one with sn_cast");
    assert_error(sn_add(sn_name(sn_mul(X, X), "squares"), W), SN_ERR_SHAPE,
                 "add: shapes do not fit: squares is f32[N,2], W is f32[3,1000]");
    assert_error(sn_sum(X, SN_AXES(2), 0), SN_ERR_SHAPE, "sum: no axis 2: X is f32[N,2]");
    assert_error(sn_sum(X, SN_AXES(1, -1), 0), SN_ERR_ARGUMENT, "sum: axis -1 is named twice");
    assert_error(sn_sum(X, SN_AXES(0, 1, 2, 3, 4, 5, 6), 0), SN_ERR_SHAPE, "sum: a list has at most 6 axes");
    assert_error(sn_amax_all(p), SN_ERR_DTYPE, "amax_all: not for bool: p is bool[N]; convert with sn_cast");
    assert_error(sn_mean(y, SN_AXES(0), 0), SN_ERR_DTYPE,
                 "mean: takes floating-point operands: y is i64[N]; convert with sn_cast");
    assert_error(sn_softmax(y, 0), SN_ERR_DTYPE,
                 "softmax: takes floating-point operands: y is i64[N]; convert with sn_cast");
    assert_error(sn_softmax(X, -3), SN_ERR_SHAPE, "softmax: no axis -3: X is f32[N,2]");
    assert_error(sn_argmax(p, 0, 0), SN_ERR_DTYPE, "argmax: not for bool: p is bool[N]; convert with sn_cast");
    assert_error(sn_argmax(sn_full(g, SN_F32, 0, SN_SHAPE(SN_DIM(0))), 0, 0), SN_ERR_SHAPE,
                 "argmax: axis 0 must not be empty: %7 is f32[0]");
    assert_error(sn_cross_entropy(X, X), SN_ERR_DTYPE,
                 "cross_entropy: ids must be i64, i32 or u8: X is f32[N,2]; convert with sn_cast");
    assert_error(sn_cross_entropy(y, y), SN_ERR_DTYPE,
                 "cross_entropy: takes floating-point operands: y is i64[N]; convert with sn_cast");
    assert_error(sn_mse(X, W), SN_ERR_SHAPE, "mse: shapes differ: X is f32[N,2], W is f32[3,1000]");
    assert_error(sn_transpose(X, SN_AXES(0)), SN_ERR_SHAPE, "transpose: the list must name all 2 axes: X is f32[N,2]");
    assert_error(sn_t(y), SN_ERR_SHAPE, "t: not a matrix: y is i64[N]; use sn_transpose");
    assert_error(sn_reshape(X, SN_SHAPE(SN_DIM(-1), SN_DIM(-1))), SN_ERR_SHAPE, "reshape: more than one size is -1");
    assert_error(sn_reshape(X, SN_SHAPE(SN_DIM(-1), SN_DIM(5))), SN_ERR_SHAPE,
                 "reshape: no size for axis 0: 2*N elements of X is f32[N,2], in parts of 5");
    assert_error(sn_reshape(W, SN_SHAPE(SN_DIM(7))), SN_ERR_SHAPE,
                 "reshape: number of elements differs: W is f32[3,1000] to [7]");
    assert_error(sn_expand(X, 4), SN_ERR_SHAPE, "expand: no room for an axis at 4: X is f32[N,2]");
    assert_error(sn_slice(W, 0, SN_DIM(2), SN_DIM(1)), SN_ERR_SHAPE,
                 "slice: start 2 lies after stop 1: W is f32[3,1000]");
    assert_error(sn_slice_step(X, 0, SN_DIM(0), SN_END, 2), SN_ERR_SHAPE,
                 "slice_step: the distance N of start and stop must be a constant");
    assert_error(sn_slice_at_index(X, 0, X, SN_DIM(1)), SN_ERR_DTYPE,
                 "slice_at_index: the start must be an integer scalar: X is f32[N,2]");
    assert_error(sn_const_of(g, SN_F16, 1e5), SN_ERR_ARGUMENT, "const: 100000 is out of range of f16");
    assert_error(sn_input(g, "X", SN_F32, SN_SCALAR), SN_ERR_ARGUMENT, "input: the graph already has an input named X");
    assert_error(sn_input(g, "big", SN_F32,
                          SN_SHAPE(SN_DIM(1), SN_DIM(1), SN_DIM(1), SN_DIM(1), SN_DIM(1), SN_DIM(1), SN_DIM(1))),
                 SN_ERR_SHAPE, "input: a shape has at most 6 axes");
    assert_error(sn_iota(g, SN_I64, (sn_dim){0, 999}), SN_ERR_ARGUMENT, "iota: a dim belongs to another graph");
    assert_error(sn_name(X, ""), SN_ERR_ARGUMENT, "name: no label");
}
END_TEST

START_TEST(only_the_first_error_is_kept) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(SN_DIM(2))), i = input("i", SN_I32, SN_SCALAR);
    sn_expr bad = sn_sqrt(i);
    ck_assert_str_eq(strstr(sn_graph_error(g), "sqrt"),
                     "sqrt: takes floating-point operands: i is i32[]; convert with sn_cast");
    sn_expr more = sn_add(bad, x);
    ck_assert_uint_eq(more.id, 0);
    ck_assert_uint_eq(sn_sum(more, SN_AXES(7), 0).id, 0);
    ck_assert_uint_eq(sn_concat((const sn_expr[]){x, bad}, 2, 0).id, 0);
    ck_assert_uint_eq(sn_matmul(x, i).id, 0);
    ck_assert_ptr_nonnull(strstr(sn_graph_error(g), "sqrt"));
    ck_assert_int_eq(sn_graph_status(g), SN_ERR_DTYPE);
    ck_assert_int_eq(sn_expr_dtype(bad), SN_DTYPE_NONE);
    ck_assert_int_eq(sn_expr_shape(bad).rank, 0);
    assert_type(sn_exp(x), "f32[2]"); /* the graph stays usable */
}
END_TEST

START_TEST(foreign_and_missing_expressions) {
    sn_graph other;
    ck_assert_int_eq(ir_graph_init(&other, &memory, NULL, "other"), SN_OK);
    sn_expr x = input("x", SN_F32, SN_SCALAR), y = sn_input(&other, "y", SN_F32, SN_SCALAR), none = {NULL, 0};
    assert_error(sn_add(x, y), SN_ERR_ARGUMENT, "add: operand 2 belongs to another graph");
    assert_error(sn_add(none, x), SN_ERR_ARGUMENT, "add: operand 1 is not an expression: it was never made");
    assert_error(sn_exp((sn_expr){g, 12345}), SN_ERR_ARGUMENT, "exp: operand 1 is not an expression of its graph");
    ck_assert_ptr_null(sn_exp(none).graph);
    ck_assert_ptr_null(sn_input(NULL, "x", SN_F32, SN_SCALAR).graph);
    ck_assert_ptr_null(sn_const(NULL, 1).graph);
    ck_assert_ptr_null(sn_concat(NULL, 3, 0).graph);
    ck_assert_uint_eq(sn_select(none, none, none).id, 0);
    ck_assert_int_eq(sn_graph_status(NULL), SN_ERR_ARGUMENT);
    ck_assert_str_eq(sn_graph_error(NULL), "no graph");
    ck_assert_int_eq(sn_dim_new(NULL, "N").value, INT64_MIN);
    ck_assert_int_eq(sn_expr_dtype(none), SN_DTYPE_NONE);
    ck_assert_int_eq(sn_graph_status(g), SN_OK);
    ck_assert_str_eq(sn_graph_error(g), "");
    ir_graph_clear(&other);
}
END_TEST

START_TEST(dim_errors) {
    sn_dim bad = sn_dim_mul(g, sn_dim_mul(g, N, SN_DIM(INT64_MAX)), SN_DIM(3));
    ck_assert_str_eq(sn_graph_error(g), "dim arithmetic overflows 64 bits");
    sn_expr e = sn_iota(g, SN_I64, bad);
    ck_assert_uint_eq(e.id, 0);
    g->error = SN_OK;
    sn_dim_new(g, "");
    ck_assert_str_eq(sn_graph_error(g), "dim: has no name");
    g->error = SN_OK;
    sn_dim_add(g, (sn_dim){0, 4242}, N);
    ck_assert_str_eq(sn_graph_error(g), "dim: a dim belongs to another graph");
}
END_TEST

/* Arrays instead of macros, as C++ and generated code call it. */
START_TEST(plain_forms) {
    sn_dim dims[] = {N, {3, 0}};
    sn_expr x = sn_input_at(g, "x", SN_F32, sn_shape_of(2, dims), NULL, 0);
    assert_type(x, "f32[N,3]");
    assert_type(sn_sum_at(x, sn_axes_of(1, (const int32_t[]){1}), 0, NULL, 0), "f32[N]");
    sn_t_at(sn_sum_at(x, sn_axes_of(1, (const int32_t[]){1}), 0, NULL, 0), NULL, 0);
    ck_assert_int_eq(strncmp(sn_graph_error(g), "t: not a matrix: %", 18), 0);
    ck_assert_int_eq(sn_axes_of(7, (const int32_t[]){0, 1, 2, 3, 4, 5, 6}).n, -1);
    ck_assert_int_eq(sn_axes_of(1, NULL).n, -1);
}
END_TEST

START_TEST(printing) {
    sn_expr x = input("x", SN_F32, SN_SHAPE(N)), y = sn_add(x, x);
    char *text;
    ck_assert_int_eq(sn_graph_print(g, &y, 1, &text), SN_OK);
    ck_assert_ptr_nonnull(strstr(text, "add"));
    ck_assert_ptr_nonnull(strstr(text, "f32[N]"));
    base_free(&memory, text, strlen(text) + 1);
    sn_expr none = {NULL, 0};
    ck_assert_int_eq(sn_graph_print(g, &none, 1, &text), SN_ERR_ARGUMENT);
    ck_assert_ptr_null(text);
    ck_assert_str_eq(sn_graph_error(g), "print: output 1 is not an expression of the graph");
    ck_assert_int_eq(sn_graph_print(NULL, &y, 1, &text), SN_ERR_ARGUMENT);
    ck_assert_int_eq(sn_graph_print(g, &y, 1, NULL), SN_ERR_ARGUMENT);
}
END_TEST

/* A whole training loss, built while the n-th allocation fails. */
static sn_expr loss_of(sn_graph *h) {
    sn_dim n = sn_dim_new(h, "n");
    sn_expr x = sn_input(h, "x", SN_F32, SN_SHAPE(n, SN_DIM(2))), y = sn_input(h, "y", SN_I64, SN_SHAPE(n));
    sn_expr w = sn_input(h, "w", SN_F32, SN_SHAPE(SN_DIM(2), SN_DIM(7))),
            b = sn_input(h, "b", SN_F32, SN_SHAPE(SN_DIM(7)));
    sn_expr z = x;
    for (int i = 0; i < 40; i++) z = sn_add(z, sn_mul(sn_const(h, i), sn_tanh(z)));
    sn_expr logits = sn_linear(z, w, b);
    sn_expr accuracy = sn_mean_all(sn_cast(sn_eq(sn_argmax(logits, 1, 0), y), SN_F32));
    return sn_add(sn_mean_all(sn_cross_entropy(logits, y)), sn_add(accuracy, sn_logsumexp(sn_softmax(z, 0), 0, 0)));
}
START_TEST(out_of_memory) {
    int failures = 0;
    for (int64_t at = 1;; at++) {
        base_alloc scarce;
        base_alloc_init(&scarce, NULL);
        scarce.fail_at = at;
        sn_graph h;
        int failed = ir_graph_init(&h, &scarce, NULL, "scarce") != SN_OK;
        if (!failed) {
            sn_expr loss = loss_of(&h);
            failed = loss.id == 0;
            ck_assert_int_eq(sn_graph_status(&h), failed ? SN_ERR_NOMEM : SN_OK);
        }
        failures += failed;
        ir_graph_clear(&h);
        ck_assert_uint_eq(scarce.live_bytes, 0);
        if (!failed) break;
    }
    ck_assert_int_ge(failures, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("composites");
    TCase *tests = tcase_create("composites");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, elementwise);
    tcase_add_test(tests, leaves);
    tcase_add_test(tests, dim_arithmetic);
    tcase_add_test(tests, reductions);
    tcase_add_test(tests, linear_algebra);
    tcase_add_test(tests, views);
    tcase_add_test(tests, functions_and_losses);
    tcase_add_test(tests, messages);
    tcase_add_test(tests, only_the_first_error_is_kept);
    tcase_add_test(tests, foreign_and_missing_expressions);
    tcase_add_test(tests, dim_errors);
    tcase_add_test(tests, plain_forms);
    tcase_add_test(tests, printing);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
