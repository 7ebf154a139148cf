/* The graph core: dims as polynomials, interning, leaves and constants, inference of element-wise operators and
 * reductions, and the checks that are left to each call. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/infer_fixture.h"

/* ---- operator table ---------------------------------------------------------------------------------------------- */

START_TEST(op_table) {
    for (int op = 1; op < IR_OP_COUNT; op++) {
        ck_assert_ptr_nonnull(ir_ops[op].name);
        ck_assert_ptr_nonnull(ir_ops[op].doc);
        for (int other = 1; other < op; other++) ck_assert_str_ne(ir_ops[op].name, ir_ops[other].name);
        if (ir_ops[op].cls == IR_CLASS_EWISE) {
            ck_assert_int_ge(ir_ops[op].n_operands, 1);
            ck_assert_int_ge(ir_ops[op].cost, 1);
            ck_assert_int_ne(ir_ops[op].types, 0);
        }
    }
    ck_assert_int_eq(ir_ops[IR_SELECT].cls, IR_CLASS_EWISE);
    ck_assert_int_eq(ir_ops[IR_SELECT].n_operands, 3);
    ck_assert_int_eq(ir_ops[IR_CAST].cls, IR_CLASS_EWISE);
    ck_assert_int_eq(ir_ops[IR_CONST].cls, IR_CLASS_LEAF);
    ck_assert_int_eq(ir_ops[IR_RMAX].cls, IR_CLASS_REDUCE);
    ck_assert_int_eq(ir_ops[IR_MATMUL].cls, IR_CLASS_OTHER);
    ck_assert_int_eq(ir_ops[IR_LT].to_bool, 1);
    ck_assert_int_eq(ir_ops[IR_ADD].to_bool, 0);
    ck_assert_int_eq(ir_ops[IR_ADD].flags, IR_COMMUTES);
    ck_assert_int_eq(ir_ops[IR_EQ].flags, IR_COMMUTES | IR_NOGRAD);
    ck_assert(ir_type_in(ir_ops[IR_DIV].types, SN_F32) && !ir_type_in(ir_ops[IR_DIV].types, SN_I64));
    ck_assert(ir_type_in(ir_ops[IR_AND].types, SN_BOOL) && !ir_type_in(ir_ops[IR_AND].types, SN_F64));
    ck_assert(ir_type_in(IR_T_F, SN_F16) && ir_type_in(IR_T_F, SN_BF16) && !ir_type_in(7, SN_DTYPE_NONE));
}
END_TEST

/* ---- dims -------------------------------------------------------------------------------------------------------- */

GRAPH_TEST(dims_are_canonical) {
    ir_dim n = named("N"), m = named("M");
    ck_assert_uint_eq(named("N"), n);
    ck_assert_uint_eq(size(3), size(3));
    ck_assert_uint_eq(ir_dim_add(g, n, m), ir_dim_add(g, m, n));
    ck_assert_uint_eq(ir_dim_mul(g, n, m), ir_dim_mul(g, m, n));
    ck_assert_uint_eq(ir_dim_sub(g, n, n), size(0));
    ck_assert_uint_eq(ir_dim_mul(g, n, size(0)), size(0));
    ck_assert_uint_eq(ir_dim_mul(g, n, size(1)), n);
    ck_assert_uint_eq(ir_dim_add(g, n, size(0)), n);
    /* (N + M) * (N - M) = N*N - M*M */
    ir_dim left = ir_dim_mul(g, ir_dim_add(g, n, m), ir_dim_sub(g, n, m));
    ck_assert_uint_eq(left, ir_dim_sub(g, ir_dim_mul(g, n, n), ir_dim_mul(g, m, m)));
    ck_assert_uint_ne(n, m);
    int64_t value;
    ck_assert(ir_dim_is_const(g, size(-7), &value) && value == -7);
    ck_assert(ir_dim_is_const(g, 0, &value) && value == 0);
    ck_assert(!ir_dim_is_const(g, n, &value));
}

GRAPH_TEST(dims_have_values) {
    ir_dim n = named("N"), m = named("M");
    ir_dim d = ir_dim_add(g, ir_dim_mul(g, size(3), ir_dim_mul(g, n, m)), ir_dim_sub(g, n, size(5)));
    int64_t value;
    ck_assert(ir_dim_value(g, d, (const int64_t[]){4, 10}, &value));
    ck_assert_int_eq(value, 3 * 4 * 10 + 4 - 5);
    ck_assert(!ir_dim_value(g, d, (const int64_t[]){INT64_MAX / 2, 10}, &value));
    ck_assert(ir_dim_value(g, size(9), NULL, &value) && value == 9);
    ck_assert_uint_eq(ir_dim_divide(g, ir_dim_mul(g, size(6), n), 3), ir_dim_mul(g, size(2), n));
    ck_assert_uint_eq(ir_dim_divide(g, ir_dim_add(g, ir_dim_mul(g, size(6), n), size(1)), 3), 0);
}

GRAPH_TEST(many_dims) {
    ir_dim first[500], n = named("N");
    for (int i = 0; i < 500; i++) first[i] = ir_dim_add(g, ir_dim_mul(g, n, size(i + 1)), size(i));
    for (int i = 0; i < 500; i++) {
        ck_assert_uint_eq(ir_dim_add(g, size(i), ir_dim_mul(g, size(i + 1), n)), first[i]);
        for (int k = 0; k < i; k++) ck_assert_uint_ne(first[i], first[k]);
    }
}

static void dim_overflow(void *arg) {
    (void)arg;
    ir_dim_mul(g, ir_dim_mul(g, named("N"), size(INT64_MAX)), size(2));
}
static void dim_overflow_sum(void *arg) {
    (void)arg;
    ir_dim_add(g, size(INT64_MAX), size(1));
}
static void dim_overflow_negation(void *arg) {
    (void)arg;
    ir_dim_sub(g, named("N"), size(INT64_MIN));
}
static void dim_degree(void *arg) {
    (void)arg;
    ir_dim p = size(1);
    for (int i = 0; i < 5; i++) p = ir_dim_mul(g, p, named("N"));
}
static void dim_terms(void *arg) {
    (void)arg;
    ir_dim sum = size(0);
    for (int i = 0; i < 100; i++)
        sum = ir_dim_add(g, sum, named((char[]){(char)('A' + i / 10), (char)('0' + i % 10), 0}));
}
START_TEST(dim_errors) {
    must_fail(dim_overflow, SN_ERR_SHAPE, "dim arithmetic overflows 64 bits");
    must_fail(dim_overflow_sum, SN_ERR_SHAPE, "dim arithmetic overflows 64 bits");
    must_fail(dim_overflow_negation, SN_ERR_SHAPE, "dim arithmetic overflows 64 bits");
    must_fail(dim_degree, SN_ERR_UNSUPPORTED, "a product of more than 4 named dims");
    must_fail(dim_terms, SN_ERR_UNSUPPORTED, "a dim is a sum of more than 64 terms");
}
END_TEST

static void never_equal(void *arg) {
    (void)arg;
    ir_dim_same(g, named("N"), ir_dim_add(g, named("N"), size(1)), "op: sizes differ");
}
static void never_at_most(void *arg) {
    (void)arg;
    ir_dim_at_most(g, ir_dim_add(g, named("N"), size(1)), named("N"), "op: too large");
}
START_TEST(impossible_checks) {
    must_fail(never_equal, SN_ERR_SHAPE, "op: sizes differ");
    must_fail(never_at_most, SN_ERR_SHAPE, "op: too large");
    ck_assert_uint_eq(g->check.n, 0);
}
END_TEST

GRAPH_TEST(checks) {
    ir_dim n = named("N"), m = named("M");
    g->here = (ir_place){"user.c", 12};
    ck_assert_uint_eq(ir_dim_same(g, n, n, "op"), n);
    ck_assert_uint_eq(g->check.n, 0);
    ck_assert_uint_eq(ir_dim_same(g, n, m, "op: first"), n);
    ck_assert_uint_eq(ir_dim_same(g, m, n, "op: second"), m);
    ck_assert_uint_eq(g->check.n, 1);
    ck_assert_str_eq(g->check.at[0].text, "user.c:12: op: first");
    ck_assert_uint_eq(ir_dim_same(g, n, size(5), "op"), size(5));
    ck_assert_uint_eq(ir_dim_same(g, size(5), n, "op"), size(5));
    ck_assert_uint_eq(g->check.n, 2);
    ir_dim_at_most(g, n, ir_dim_add(g, n, m), "always true");
    ir_dim_at_most(g, size(2), size(3), "always true");
    ck_assert_uint_eq(g->check.n, 2);
    ir_dim_at_most(g, n, m, "op");
    ir_dim_at_most(g, m, n, "op");
    ck_assert_uint_eq(g->check.n, 4);
    ir_dim_at_most(g, size(0), ir_dim_sub(g, m, n), "n <= m again");
    ck_assert_uint_eq(g->check.n, 4);
    ck_assert(g->check.at[2].at_most && g->check.at[2].a == n && g->check.at[2].b == m);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

GRAPH_TEST(equal_nodes_are_one) {
    ir_id x = INPUT("x", SN_F32, named("N")), y = INPUT("y", SN_F32, named("N"));
    ir_id sum = ir_binary(g, IR_ADD, x, y);
    ck_assert_uint_eq(ir_binary(g, IR_ADD, x, y), sum);
    ck_assert_uint_ne(ir_binary(g, IR_ADD, y, x), sum); /* as given: order is the optimiser's */
    ck_assert_uint_ne(ir_binary(g, IR_MUL, x, y), sum);
    ck_assert_uint_ne(x, y);
    ck_assert_uint_eq(ir_const(g, SN_F32, 2.5), ir_const(g, SN_F32, 2.5));
    ck_assert_uint_ne(ir_const(g, SN_F32, 0.0), ir_const(g, SN_F32, -0.0));
    ck_assert_uint_ne(ir_const(g, SN_F32, 1), ir_const(g, SN_I32, 1));
    ir_id ids[4000];
    for (int i = 0; i < 4000; i++) ids[i] = ir_binary(g, IR_MUL, sum, ir_const(g, SN_F32, i));
    for (int i = 0; i < 4000; i++) ck_assert_uint_eq(ir_binary(g, IR_MUL, sum, ir_const(g, SN_F32, i)), ids[i]);
    for (ir_id id = 1; id < g->node.n; id++)
        for (int k = 0; k < ir_at(g, id)->n_in; k++) ck_assert_uint_lt(ir_at(g, id)->in[k], id);
}

GRAPH_TEST(leaves) {
    ir_id x = INPUT("x", SN_F32, named("N"), size(2));
    assert_type(x, "f32[N,2]");
    ck_assert_int_eq(ir_at(g, x)->attr[0], 0);
    ck_assert_int_eq(ir_at(g, scalar("s", SN_I64))->attr[0], 1);
    int a, b; /* variables are known by address alone */
    ir_id v = ir_use(g, (sn_var *)&a, "w", SN_F64, 2, (const int64_t[]){3, 4});
    assert_type(v, "f64[3,4]");
    ck_assert_uint_eq(ir_use(g, (sn_var *)&a, "w", SN_F64, 2, (const int64_t[]){3, 4}), v);
    ck_assert_uint_ne(ir_use(g, (sn_var *)&b, "w", SN_F64, 2, (const int64_t[]){3, 4}), v);
    ck_assert_uint_eq(g->var.n, 2);
    assert_type(ir_iota(g, SN_I32, named("N")), "i32[N]");
    assert_type(ir_dim_node(g, named("N")), "i64[]");
    ck_assert_int_eq(ir_at(g, ir_dim_node(g, named("N")))->op, IR_DIM_VALUE);
    ck_assert_uint_eq(ir_dim_node(g, size(7)), ir_const(g, SN_I64, 7));
}

GRAPH_TEST(constants) {
    ck_assert_int_eq(ir_at(g, ir_const(g, SN_I32, -1))->attr[0], 0xffffffff);
    ck_assert_int_eq(ir_at(g, ir_const(g, SN_I64, -1))->attr[0], -1);
    ck_assert_int_eq(ir_at(g, ir_const(g, SN_F32, 1))->attr[0], 0x3f800000);
    ck_assert_int_eq(ir_at(g, ir_const(g, SN_F32, INFINITY))->attr[0], 0x7f800000);
    ck_assert_int_eq(ir_at(g, ir_const(g, SN_BOOL, 1))->attr[0], 1);
    ck_assert_int_eq(ir_at(g, ir_const(g, SN_I64, -0x1p63))->attr[0], INT64_MIN);
    ck_assert_uint_eq(ir_const_bits(g, SN_U8, 0x1ff), ir_const(g, SN_U8, 255));
}

FAILING(const_fraction, ir_const(g, SN_I32, 2.5))
FAILING(const_range, ir_const(g, SN_U8, 256))
FAILING(const_i64_range, ir_const(g, SN_I64, 0x1p63))
FAILING(const_nan, ir_const(g, SN_I64, NAN))
FAILING(const_bool, ir_const(g, SN_BOOL, 2))
FAILING(const_f32_range, ir_const(g, SN_F32, 1e300))
FAILING(const_f16_range, ir_const(g, SN_F16, 65520))
FAILING(const_bf16_range, ir_const(g, SN_BF16, 3.4e38))
FAILING(const_none, ir_const(g, (sn_dtype)99, 1))
FAILING(iota_bool, ir_iota(g, SN_BOOL, size(3)))
START_TEST(constant_errors) {
    must_fail(const_fraction, SN_ERR_ARGUMENT, "const: 2.5 is not a value of i32");
    must_fail(const_range, SN_ERR_ARGUMENT, "const: 256 is not a value of u8");
    must_fail(const_i64_range, SN_ERR_ARGUMENT, "const: 9.2233720368547758e+18 is not a value of i64");
    must_fail(const_nan, SN_ERR_ARGUMENT, "const: nan is not a value of i64");
    must_fail(const_bool, SN_ERR_ARGUMENT, "const: 2 is not a value of bool");
    must_fail(const_f32_range, SN_ERR_ARGUMENT, "const: 1.0000000000000001e+300 is out of range of f32");
    must_fail(const_f16_range, SN_ERR_ARGUMENT, "const: 65520 is out of range of f16");
    must_fail(const_bf16_range, SN_ERR_ARGUMENT, "const: 3.4e+38 is out of range of bf16");
    must_fail(const_none, SN_ERR_DTYPE, "const: 99 is not an element type");
    must_fail(iota_bool, SN_ERR_DTYPE, "iota: bool does not count; make it i64 and compare");
}
END_TEST

FAILING(input_negative, INPUT("x", SN_F32, size(3), size(-2)))
FAILING(input_large, INPUT("x", SN_F32, size((int64_t)1 << 24), size((int64_t)1 << 23)))
FAILING(input_overflow, INPUT("x", SN_F32, size((int64_t)1 << 40), size((int64_t)1 << 40), named("N")))
FAILING(input_rank, INPUT("x", SN_F32, size(1), size(1), size(1), size(1), size(1), size(1), size(1)))
FAILING(input_twice, (INPUT("x", SN_F32, size(1)), INPUT("x", SN_F32, size(1))))
FAILING(input_nameless, ir_input(g, "", SN_F32, 0, NULL))
START_TEST(input_errors) {
    must_fail(input_negative, SN_ERR_SHAPE, "input: negative size in shape [3,-2]");
    must_fail(input_large, SN_ERR_SHAPE, "input: shape [16777216,8388608] has 2^47 elements or more");
    must_fail(input_overflow, SN_ERR_SHAPE, "input: shape [1099511627776,1099511627776,N] has 2^47 elements or more");
    must_fail(input_rank, SN_ERR_SHAPE, "input: more than 6 axes");
    must_fail(input_twice, SN_ERR_ARGUMENT, "input: the graph already has an input named x");
    must_fail(input_nameless, SN_ERR_ARGUMENT, "input: has no name");
}
END_TEST
GRAPH_TEST(large_and_empty_shapes) {
    assert_type(INPUT("a", SN_U8, size(((int64_t)1 << 47) - 1)), "u8[140737488355327]");
    assert_type(INPUT("b", SN_U8, size((int64_t)1 << 40), size(0), size((int64_t)1 << 40)),
                "u8[1099511627776,0,1099511627776]");
    INPUT("c", SN_F32, ir_dim_sub(g, named("N"), size(1)));
    ck_assert_uint_eq(g->check.n, 1);
    ck_assert(g->check.at[0].at_most);
    ck_assert_str_eq(g->check.at[0].text, "input: size N-1 must not be negative");
}

/* ---- element-wise ------------------------------------------------------------------------------------------------ */

GRAPH_TEST(broadcasting) {
    ir_dim n = named("N");
    ir_id x = INPUT("x", SN_F32, n, size(3)), row = INPUT("row", SN_F32, size(3)),
          column = INPUT("column", SN_F32, n, size(1));
    ir_id s = scalar("s", SN_F32);
    ir_id sum = ir_binary(g, IR_ADD, x, row);
    assert_type(sum, "f32[N,3]");
    ck_assert_int_eq(ir_at(g, ir_at(g, sum)->in[1])->op, IR_BROADCAST);
    ck_assert_int_eq(ir_at(g, ir_at(g, sum)->in[1])->attr[0], 1);
    assert_type(ir_binary(g, IR_MUL, row, column), "f32[N,3]");
    assert_type(ir_binary(g, IR_SUB, s, x), "f32[N,3]");
    assert_type(ir_binary(g, IR_LT, s, x), "bool[N,3]");
    assert_type(ir_select(g, ir_binary(g, IR_LT, row, s), column, s), "f32[N,3]");
    assert_type(ir_binary(g, IR_ADD, INPUT("e", SN_F32, size(0)), INPUT("one", SN_F32, size(1))), "f32[0]");
    ck_assert_uint_eq(g->check.n, 0);
    for (ir_id id = 1; id < g->node.n; id++) {
        const ir_node *node = ir_at(g, id);
        for (int k = 0; ir_ops[node->op].cls == IR_CLASS_EWISE && k < node->n_in; k++)
            ck_assert_mem_eq(ir_at(g, node->in[k])->dim, node->dim, sizeof node->dim);
    }
}

GRAPH_TEST(checked_dims_become_one) {
    ir_dim n = named("N"), m = named("M");
    ir_id x = INPUT("x", SN_F32, n), y = INPUT("y", SN_F32, m), z = INPUT("z", SN_F32, size(5));
    g->here = (ir_place){"u.c", 3};
    ir_id sum = ir_binary(g, IR_ADD, x, y);
    assert_type(sum, "f32[N]");
    ck_assert_int_eq(ir_at(g, ir_at(g, sum)->in[1])->op, IR_BROADCAST);
    ck_assert_uint_eq(g->check.n, 1);
    ck_assert_str_eq(g->check.at[0].text, "u.c:3: add: shapes do not fit: x is f32[N], y is f32[M]");
    assert_type(ir_binary(g, IR_ADD, sum, z), "f32[5]");
    assert_type(ir_binary(g, IR_ADD, z, x), "f32[5]");
    ck_assert_uint_eq(g->check.n, 2);
    /* A named dim never repeats, not even where it was checked to be 1. */
    ir_id one = ir_broadcast_to(g, x, 1, (const ir_dim[]){size(1)});
    ir_id many = ir_broadcast_to(g, one, 1, (const ir_dim[]){size(7)});
    ck_assert_uint_eq(ir_at(g, many)->in[0], one);
}

FAILING(add_shapes, ir_binary(g, IR_ADD, INPUT("x", SN_F32, named("N"), size(2)), INPUT("y", SN_F32, size(3))))
FAILING(add_types, ir_binary(g, IR_ADD, scalar("a", SN_F32), scalar("b", SN_F64)))
FAILING(div_integers, ir_binary(g, IR_DIV, scalar("c", SN_I32), ir_const_weak(g, 2)))
FAILING(exp_integers, ir_unary(g, IR_EXP, scalar("d", SN_I64)))
FAILING(neg_bool, ir_unary(g, IR_NEG, scalar("e", SN_BOOL)))
FAILING(and_float, ir_binary(g, IR_AND, scalar("h", SN_F32), ir_const_weak(g, 1)))
FAILING(select_float, ir_select(g, scalar("i", SN_F32), ir_const_weak(g, 1), ir_const_weak(g, 1)))
FAILING(mix_halves, ir_binary(g, IR_MUL, scalar("j", SN_F16), scalar("o", SN_BF16)))
FAILING(sum_bool, ir_reduce(g, IR_SUM, INPUT("k", SN_BOOL, size(3)), 1, 0))
FAILING(sum_axis, ir_reduce(g, IR_SUM, INPUT("l", SN_F32, size(3)), 2, 0))
FAILING(weak_fraction, ir_binary(g, IR_ADD, scalar("m", SN_I32), ir_const_weak(g, 0.5)))
FAILING(weak_bool, ir_binary(g, IR_EQ, scalar("n", SN_BOOL), ir_const_weak(g, 2)))
START_TEST(ewise_errors) {
    must_fail(add_shapes, SN_ERR_SHAPE, "add: shapes do not fit: x is f32[N,2], y is f32[3]");
    must_fail(add_types, SN_ERR_DTYPE, "add: element types differ: a is f32[], b is f64[]; convert one with sn_cast");
    must_fail(div_integers, SN_ERR_DTYPE, "div: takes floating-point operands: c is i32[]; convert with sn_cast");
    must_fail(exp_integers, SN_ERR_DTYPE, "exp: takes floating-point operands: d is i64[]; convert with sn_cast");
    must_fail(neg_bool, SN_ERR_DTYPE,
              "neg: takes floating-point and integer operands: e is bool[]; convert with sn_cast");
    must_fail(and_float, SN_ERR_DTYPE, "and: takes integer and bool operands: h is f32[]; convert with sn_cast");
    must_fail(select_float, SN_ERR_DTYPE, "select: the condition must be bool: i is f32[]; compare it with something");
    must_fail(mix_halves, SN_ERR_DTYPE, "mul: element types differ: j is f16[], o is bf16[]; convert one with sn_cast");
    must_fail(sum_bool, SN_ERR_DTYPE,
              "sum: takes floating-point and integer operands: k is bool[3]; convert with sn_cast");
    must_fail(sum_axis, SN_ERR_SHAPE, "sum: no such axis: l is f32[3]");
    must_fail(weak_fraction, SN_ERR_DTYPE, "add: constant 0.5 has no value in i32, the other operand's element type");
    must_fail(weak_bool, SN_ERR_DTYPE, "eq: constant 2 has no value in bool, the other operand's element type");
}
END_TEST

GRAPH_TEST(untyped_constants) {
    ir_id x = INPUT("x", SN_F32, size(2)), i = scalar("i", SN_I32), two = ir_const_weak(g, 2);
    ck_assert_uint_eq(ir_binary(g, IR_MUL, two, x), ir_binary(g, IR_MUL, ir_const(g, SN_F32, 2), x));
    ck_assert_uint_eq(ir_binary(g, IR_MUL, i, two), ir_binary(g, IR_MUL, i, ir_const(g, SN_I32, 2)));
    ir_id half = ir_binary(g, IR_DIV, ir_const_weak(g, 1), two);
    ck_assert_int_eq(ir_is_weak(g, half), 1);
    assert_type(ir_binary(g, IR_ADD, x, ir_unary(g, IR_NEG, half)), "f32[2]");
    ir_id e = ir_unary(g, IR_EXP, two);
    assert_type(e, "f64[]");
    ck_assert_int_eq(ir_is_weak(g, ir_at(g, e)->in[0]), 0);
    assert_type(ir_binary(g, IR_POW, two, two), "f64[]");
    assert_type(ir_select(g, ir_binary(g, IR_LT, x, two), x, two), "f32[2]");
    for (ir_id id = 1; id < g->node.n; id++)
        for (int k = 0; k < ir_at(g, id)->n_in; k++) ck_assert_int_eq(ir_is_weak(g, ir_at(g, id)->in[k]), 0);
}

GRAPH_TEST(reductions) {
    ir_id x = INPUT("x", SN_F32, named("N"), size(3), size(4));
    assert_type(ir_reduce(g, IR_SUM, x, 2, 0), "f32[N,4]");
    assert_type(ir_reduce(g, IR_RMAX, x, 5, 0), "f32[3]");
    assert_type(ir_reduce(g, IR_SUM, x, 7, 0), "f32[]");
    assert_type(ir_reduce(g, IR_SUM, x, 5, 1), "f32[1,3,1]");
    ck_assert_uint_eq(ir_reduce(g, IR_SUM, x, 0, 0), x);
    /* Broadcasting a kept reduction back is one broadcast. */
    ir_id centred = ir_binary(g, IR_SUB, x, ir_reduce(g, IR_RMAX, x, 4, 1));
    const ir_node *max = ir_at(g, ir_at(g, centred)->in[1]);
    ck_assert_int_eq(max->op, IR_BROADCAST);
    ck_assert_int_eq(ir_at(g, max->in[0])->op, IR_RMAX);
}

int main(void) {
    Suite *suite = suite_create("graph");
    TCase *tests = tcase_create("graph");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, op_table);
    tcase_add_test(tests, dims_are_canonical);
    tcase_add_test(tests, dims_have_values);
    tcase_add_test(tests, many_dims);
    tcase_add_test(tests, dim_errors);
    tcase_add_test(tests, impossible_checks);
    tcase_add_test(tests, checks);
    tcase_add_test(tests, equal_nodes_are_one);
    tcase_add_test(tests, leaves);
    tcase_add_test(tests, constants);
    tcase_add_test(tests, constant_errors);
    tcase_add_test(tests, input_errors);
    tcase_add_test(tests, large_and_empty_shapes);
    tcase_add_test(tests, broadcasting);
    tcase_add_test(tests, checked_dims_become_one);
    tcase_add_test(tests, ewise_errors);
    tcase_add_test(tests, untyped_constants);
    tcase_add_test(tests, reductions);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
