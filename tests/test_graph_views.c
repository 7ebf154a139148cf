/* Inference of matmul and of what moves elements; copying every operator to another graph; running out of memory at
 * every allocation. */
#include <stdlib.h>
#include <string.h>

#include "support/infer_fixture.h"

/* ---- matmul and views -------------------------------------------------------------------------------------------- */

GRAPH_TEST(matmul) {
    ir_dim n = named("N"), m = named("M");
    ir_id a = INPUT("a", SN_F32, n, size(2)), b = INPUT("b", SN_F32, size(2), size(5));
    ir_id row = INPUT("row", SN_F32, size(2)), wide = INPUT("wide", SN_F32, n, m),
          tall = INPUT("tall", SN_F32, n, size(7));
    assert_type(ir_matmul(g, a, b), "f32[N,5]");
    assert_type(ir_matmul(g, row, b), "f32[5]");
    assert_type(ir_matmul(g, a, row), "f32[N]");
    assert_type(ir_matmul(g, row, row), "f32[]");
    ir_id many = INPUT("many", SN_F32, named("B"), size(4), size(3), size(2)),
          pair = INPUT("pair", SN_F32, size(4), size(2), size(6));
    assert_type(ir_matmul(g, many, pair), "f32[B,4,3,6]");
    assert_type(ir_matmul(g, many, row), "f32[B,4,3]");
    assert_type(ir_matmul(g, row, pair), "f32[4,6]");
    assert_type(ir_matmul(g, many, b), "f32[B,4,3,5]");
    assert_type(ir_matmul(g, a, pair), "f32[4,N,6]");
    assert_type(ir_matmul_flags(g, many, many, 1), "f32[B,4,2,2]");
    ck_assert_uint_eq(ir_at(g, ir_at(g, ir_matmul(g, many, b))->in[0])->rank, 2); /* one product of all rows */
    assert_type(ir_matmul_flags(g, a, tall, 1), "f32[2,7]");
    assert_type(ir_matmul_flags(g, a, a, 2), "f32[N,N]");
    ck_assert_uint_eq(g->check.n, 0);
    ir_id product = ir_matmul(g, wide, tall);
    assert_type(product, "f32[N,7]");
    ck_assert_uint_eq(g->check.n, 1);
    const ir_node *node = ir_at(g, product);
    ck_assert_uint_eq(ir_at(g, node->in[0])->dim[1], ir_at(g, node->in[1])->dim[0]);
}

FAILING(matmul_inner, ir_matmul(g, INPUT("X", SN_F32, named("N"), size(2)), INPUT("W", SN_F32, size(3), size(1000))))
FAILING(matmul_vector, ir_matmul(g, INPUT("v", SN_F32, size(2)), INPUT("V", SN_F32, size(3), size(4))))
FAILING(matmul_types, ir_matmul(g, INPUT("A", SN_F32, size(2)), INPUT("B", SN_F64, size(2))))
FAILING(matmul_integers, ir_matmul(g, INPUT("C", SN_I32, size(2)), INPUT("D", SN_I32, size(2))))
FAILING(matmul_rank, ir_matmul(g, scalar("E", SN_F32), INPUT("F", SN_F32, size(2))))
FAILING(matmul_batch,
        ir_matmul(g, INPUT("P", SN_F32, size(3), size(2), size(2)), INPUT("Q", SN_F32, size(4), size(2), size(2))))
START_TEST(matmul_errors) {
    must_fail(matmul_batch, SN_ERR_SHAPE, "matmul: batch dimensions differ: P is f32[3,2,2], Q is f32[4,2,2]");
    must_fail(matmul_inner, SN_ERR_SHAPE, "matmul: inner dimensions differ: X is f32[N,2], W is f32[3,1000]");
    must_fail(matmul_vector, SN_ERR_SHAPE, "matmul: inner dimensions differ: v is f32[2], V is f32[3,4]");
    must_fail(matmul_types, SN_ERR_DTYPE,
              "matmul: element types differ: A is f32[2], B is f64[2]; convert one with sn_cast");
    must_fail(matmul_integers, SN_ERR_DTYPE,
              "matmul: takes floating-point operands: C is i32[2]; convert with sn_cast");
    must_fail(matmul_rank, SN_ERR_SHAPE,
              "matmul: takes vectors, matrices and batches of them: E is f32[], F is f32[2]");
}
END_TEST

GRAPH_TEST(views_that_change_nothing) {
    ir_dim n = named("N"), dims[] = {n, size(6)};
    ir_id x = ir_input(g, "x", SN_F32, 2, dims);
    ck_assert_uint_eq(ir_reshape(g, x, 2, dims), x);
    ck_assert_uint_eq(ir_transpose(g, x, (const uint8_t[]){0, 1}), x);
    ck_assert_uint_eq(ir_transpose(g, ir_transpose(g, x, (const uint8_t[]){1, 0}), (const uint8_t[]){1, 0}), x);
    ck_assert_uint_eq(ir_broadcast_to(g, x, 2, dims), x);
    ck_assert_uint_eq(ir_cast(g, x, SN_F32), x);
    ck_assert_uint_eq(ir_concat(g, 1, &x, 0), x);
    ir_range range[2] = {{.step = 1, .size = n}, {.step = 1, .size = size(6)}};
    ck_assert_uint_eq(ir_slice(g, x, range), x);
    ck_assert_uint_eq(ir_pad(g, x, range, dims), x);
    ir_id parts = ir_reshape(g, x, 3, (const ir_dim[]){n, size(2), size(3)});
    assert_type(parts, "f32[N,2,3]");
    ck_assert_uint_eq(ir_reshape(g, parts, 2, dims), x);
    ir_id s = ir_stop_gradient(g, x);
    ck_assert_uint_eq(ir_stop_gradient(g, s), s);
    ck_assert_uint_eq(g->check.n, 0);
}

GRAPH_TEST(reshapes) {
    ir_dim n = named("N"), m = named("M");
    ir_id x = INPUT("x", SN_F32, n, m, size(6));
    assert_type(ir_reshape(g, x, 2, (const ir_dim[]){ir_dim_mul(g, n, m), size(6)}), "f32[N*M,6]");
    assert_type(ir_reshape(g, x, 3, (const ir_dim[]){size(3), m, ir_dim_mul(g, size(2), n)}), "f32[3,M,2*N]");
    ck_assert_uint_eq(g->check.n, 0);
    assert_type(ir_reshape(g, x, 1, (const ir_dim[]){size(60)}), "f32[60]");
    ck_assert_uint_eq(g->check.n, 1);
    /* Six named dims, of which products of more than four never arise. */
    ir_dim dims[6], back[6];
    for (int i = 0; i < 6; i++) dims[i] = back[5 - i] = named((char[]){(char)('a' + i), 0});
    ir_reshape(g, ir_input(g, "six", SN_F32, 6, dims), 6, back);
    assert_type(ir_transpose(g, x, (const uint8_t[]){2, 0, 1}), "f32[6,N,M]");
}

GRAPH_TEST(slices) {
    ir_dim n = named("N");
    ir_id x = INPUT("x", SN_F32, n, size(10)), at = scalar("at", SN_I64);
    ir_id part =
        ir_slice(g, x, (const ir_range[]){{.step = 1, .size = n}, {.start = size(2), .step = 3, .size = size(3)}});
    assert_type(part, "f32[N,3]");
    ck_assert_uint_eq(g->check.n, 0);
    ck_assert_int_eq(ir_at(g, part)->attr[1 * IR_SLICE_ATTRS + IR_SLICE_STEP], 3);
    ck_assert_uint_eq((ir_dim)ir_at(g, part)->attr[1 * IR_SLICE_ATTRS + IR_SLICE_START], size(2));
    ir_id moving =
        ir_slice(g, x, (const ir_range[]){{.runtime = at, .step = 1, .size = size(4)}, {.step = 1, .size = size(10)}});
    assert_type(moving, "f32[4,10]");
    ck_assert_uint_eq(ir_at(g, moving)->n_in, 2);
    ck_assert_uint_eq(ir_at(g, moving)->in[ir_at(g, moving)->attr[IR_SLICE_RUNTIME]], at);
    ck_assert_uint_eq(g->check.n, 1); /* 4 <= N */
    ck_assert(g->check.at[0].at_most && g->check.at[0].a == size(4) && g->check.at[0].b == n);
    ir_id padded =
        ir_pad(g, part, (const ir_range[]){{.step = 1, .size = n}, {.start = size(2), .step = 3, .size = size(3)}},
               (const ir_dim[]){n, size(10)});
    assert_type(padded, "f32[N,10]");
    ir_dim less = ir_dim_sub(g, n, size(1));
    assert_type(
        ir_slice(g, x, (const ir_range[]){{.start = size(1), .step = 1, .size = less}, {.step = 1, .size = size(10)}}),
        "f32[N-1,10]");
}

FAILING(slice_beyond,
        ir_slice(g, INPUT("x", SN_F32, size(5)), &(ir_range){.start = size(3), .step = 1, .size = size(3)}))
FAILING(slice_runtime_beyond, ir_slice(g, INPUT("y", SN_F32, size(5)),
                                       &(ir_range){.runtime = scalar("i", SN_I64), .step = 1, .size = size(6)}))
FAILING(slice_start_type, ir_slice(g, INPUT("z", SN_F32, size(5)),
                                   &(ir_range){.runtime = scalar("j", SN_I32), .step = 1, .size = size(2)}))
FAILING(slice_step_zero, ir_slice(g, INPUT("a", SN_F32, size(5)), &(ir_range){.size = size(2)}))
FAILING(reshape_count, ir_reshape(g, INPUT("b", SN_F32, named("N"), size(4)), 2, (const ir_dim[]){named("N"), size(5)}))
FAILING(transpose_twice, ir_transpose(g, INPUT("c", SN_F32, size(2), size(2)), (const uint8_t[]){1, 1}))
FAILING(broadcast_rank, ir_broadcast_to(g, INPUT("d", SN_F32, size(2), size(2)), 1, (const ir_dim[]){size(2)}))
FAILING(concat_shapes,
        ir_concat(g, 2, (const ir_id[]){INPUT("e", SN_F32, size(2), size(3)), INPUT("f", SN_F32, size(1), size(3))}, 1))
FAILING(concat_types, ir_concat(g, 2, (const ir_id[]){INPUT("h", SN_F32, size(2)), INPUT("i2", SN_F64, size(2))}, 0))
FAILING(gather_scalar, ir_gather(g, scalar("k", SN_F32), scalar("l", SN_I64)))
FAILING(gather_float_ids, ir_gather(g, INPUT("m", SN_F32, size(3)), scalar("n", SN_F32)))
FAILING(gather_empty, ir_gather(g, INPUT("o", SN_F32, size(0)), scalar("p", SN_I64)))
FAILING(scatter_shapes, ir_scatter_add(g, INPUT("q", SN_I64, size(3)), INPUT("r", SN_F32, size(2), size(4)), size(10)))
START_TEST(view_errors) {
    must_fail(slice_beyond, SN_ERR_SHAPE, "slice: axis 0: size 3 from 3 reaches outside of size 5");
    must_fail(slice_runtime_beyond, SN_ERR_SHAPE, "slice: axis 0: size 6 from 0 reaches outside of size 5");
    must_fail(slice_start_type, SN_ERR_DTYPE, "slice: a start must be an i64 scalar: j is i32[]");
    must_fail(slice_step_zero, SN_ERR_ARGUMENT, "slice: step 0 of axis 0 is not positive");
    must_fail(reshape_count, SN_ERR_SHAPE, "reshape: number of elements differs: b is f32[N,4] to [N,5]");
    must_fail(transpose_twice, SN_ERR_ARGUMENT, "transpose: not a permutation of the axes of c is f32[2,2]");
    must_fail(broadcast_rank, SN_ERR_SHAPE, "broadcast: d is f32[2,2] has more axes than [2]");
    must_fail(concat_shapes, SN_ERR_SHAPE, "concat: shapes do not fit along axis 1: e is f32[2,3], f is f32[1,3]");
    must_fail(concat_types, SN_ERR_DTYPE,
              "concat: element types differ: h is f32[2], i2 is f64[2]; convert one with sn_cast");
    must_fail(gather_scalar, SN_ERR_SHAPE, "gather: a scalar has no rows: k is f32[]");
    must_fail(gather_float_ids, SN_ERR_DTYPE, "gather: ids must be i64 or i32: n is f32[]; convert with sn_cast");
    must_fail(gather_empty, SN_ERR_SHAPE, "gather: needs at least one row, the number of rows is 0");
    must_fail(scatter_shapes, SN_ERR_SHAPE,
              "scatter_add: values do not have the ids' axes first: q is i64[3], r is f32[2,4]");
}
END_TEST

GRAPH_TEST(rows_and_concat) {
    ir_dim n = named("N"), m = named("M");
    ir_id table = INPUT("table", SN_F32, size(100), size(8)), ids = INPUT("ids", SN_I64, n, size(3));
    ir_id rows = ir_gather(g, table, ids);
    assert_type(rows, "f32[N,3,8]");
    assert_type(ir_scatter_add(g, ids, rows, size(100)), "f32[100,8]");
    ir_id a = INPUT("a", SN_F32, n, size(2)), b = INPUT("b", SN_F32, m, size(2)), c = INPUT("c", SN_F32, n, size(5));
    assert_type(ir_concat(g, 2, (const ir_id[]){a, b}, 0), "f32[N+M,2]");
    assert_type(ir_concat(g, 2, (const ir_id[]){a, c}, 1), "f32[N,7]");
    ck_assert_uint_eq(g->check.n, 0);
    assert_type(ir_concat(g, 2, (const ir_id[]){c, b}, 1), "f32[N,7]");
    ck_assert_uint_eq(g->check.n, 1);
    ir_gather(g, a, ids);
    ck_assert_uint_eq(g->check.n, 2); /* 1 <= N */
}

/* ---- copying and running out of memory --------------------------------------------------------------------------- */

/* One node of every operator, named dims and checks; returns the last node. */
static ir_id everything(ir_graph *graph_) {
    ir_graph *h = graph_;
    ir_dim n = ir_dim_named(h, "N"), m = ir_dim_named(h, "M"), two = ir_dim_const(h, 2);
    h->here = (ir_place){"every.c", 7};
    ir_id x = ir_input(h, "x", SN_F32, 2, (const ir_dim[]){n, two}),
          y = ir_input(h, "y", SN_F32, 2, (const ir_dim[]){m, two});
    ir_id at = ir_input(h, "at", SN_I64, 0, NULL);
    ir_id w = ir_use(h, NULL, "w", SN_F32, 2, (const int64_t[]){2, 2});
    ir_id z = ir_binary(h, IR_ADD, ir_matmul(h, x, w), y);
    for (int op = 1; op < IR_OP_COUNT; op++) {
        if (ir_ops[op].cls != IR_CLASS_EWISE || op == IR_CAST || op == IR_SELECT) continue;
        ir_id in = ir_type_in(ir_ops[op].types, SN_F32) ? z : ir_cast(h, z, SN_I32);
        ir_id out = ir_ops[op].n_operands == 1 ? ir_unary(h, (ir_op)op, in) : ir_binary(h, (ir_op)op, in, in);
        z = ir_select(h, ir_cast(h, out, SN_BOOL), z, x);
    }
    z = ir_binary(h, IR_SUB, z, ir_reduce(h, IR_RMAX, z, 2, 1));
    z = ir_binary(h, IR_SUB, z, ir_reduce(h, IR_RMIN, z, 2, 1));
    z = ir_binary(h, IR_SUB, z, ir_reduce(h, IR_PROD, z, 2, 1));
    z = ir_recurrence(h, z, z, 1, 1);
    for (ir_op op = IR_ARGMAX; op <= IR_ARGMIN; op++)
        z = ir_binary(h, IR_ADD, z, ir_cast(h, ir_reduce(h, op, z, 2, 1), SN_F32));
    ir_id flat = ir_reshape(h, z, 1, (const ir_dim[]){ir_dim_mul(h, two, n)});
    ir_id ids = ir_iota(h, SN_I32, m);
    ir_id rows = ir_gather(h, flat, ids);
    ir_id sums = ir_scatter_add(h, ids, rows, n);
    ir_id part = ir_slice(h, sums, &(ir_range){.runtime = at, .step = 2, .size = two});
    ir_id whole = ir_pad(h, part, &(ir_range){.start = ir_dim_const(h, 1), .step = 2, .size = two}, &m);
    ir_id both = ir_concat(h, 2, (const ir_id[]){whole, sums}, 0);
    ir_id t = ir_transpose(h, ir_matmul_flags(h, x, x, 1), (const uint8_t[]){1, 0});
    ir_id total = ir_binary(h, IR_ADD, ir_reduce(h, IR_SUM, both, 1, 0), ir_reduce(h, IR_SUM, t, 3, 0));
    total = ir_binary(h, IR_MUL, ir_stop_gradient(h, total), ir_const_weak(h, 3));
    ir_id out = ir_binary(h, IR_MUL, total, ir_cast(h, ir_dim_node(h, ir_dim_add(h, n, m)), SN_F32));
    h->label.at[out] = base_arena_strdup(&h->arena, "out");
    return out;
}

static void copy_all(void *arg) {
    const ir_graph *from = arg;
    ir_dim_named(g, "M"); /* names in another order */
    ir_id *map = ARENA_ARRAY(&g->arena, ir_id, from->node.n);
    for (ir_id id = 1; id < from->node.n; id++) {
        const ir_node *n = ir_at(from, id);
        ir_id in[8];
        for (int i = 0; i < n->n_in; i++) in[i] = map[n->in[i]];
        map[id] = ir_copy_node(g, from, id, in);
        ir_text a = ir_type_text(from, id), b = ir_type_text(g, map[id]);
        /* Terms may print in another order: compare values. */
        ck_assert_int_eq(ir_at(g, map[id])->op, n->op);
        ck_assert_int_eq(ir_at(g, map[id])->rank, n->rank);
        for (int i = 0; i < n->rank; i++) {
            int64_t x, y;
            ck_assert(ir_dim_value(from, n->dim[i], (const int64_t[]){17, 29}, &x));
            ck_assert(ir_dim_value(g, ir_at(g, map[id])->dim[i], (const int64_t[]){29, 17}, &y));
            ck_assert_msg(x == y, "%s and %s", a.text, b.text);
        }
        ck_assert_int_eq(g->place.at[map[id]].line, from->place.at[id].line);
    }
    ck_assert_uint_eq(g->input.n, from->input.n);
    ck_assert_uint_eq(g->var.n, from->var.n);
    ck_assert_str_eq(g->label.at[map[from->node.n - 1]], "out");
    ck_assert_uint_eq(g->check.n, from->check.n);
    for (uint32_t i = 0; i < g->check.n; i++) {
        int found = 0;
        for (uint32_t k = 0; k < from->check.n; k++) found += !strcmp(g->check.at[i].text, from->check.at[k].text);
        ck_assert_msg(found == 1, "%s", g->check.at[i].text);
    }
}

typedef struct {
    ir_graph *g;
    ir_id out;
} build;
static void build_everything(void *arg) {
    build *b = arg;
    b->out = everything(b->g);
}

START_TEST(copies) {
    ir_graph other;
    ck_assert_int_eq(ir_graph_init(&other, &memory, NULL, "other"), SN_OK);
    build b = {&other, 0};
    sn_status status = base_protect(&other.trap, build_everything, &b);
    ck_assert_msg(status == SN_OK, "%s", other.trap.text);
    int seen[IR_OP_COUNT] = {0};
    for (ir_id id = 1; id < other.node.n; id++) seen[other.node.at[id].op] = 1;
    for (int op = 1; op < IR_OP_COUNT; op++) ck_assert_msg(seen[op], "%s is not covered", ir_ops[op].name);
    must(copy_all, &other);
    ir_graph_clear(&other);
}
END_TEST

/* Copying a node onto its own operands gives the same node. */
GRAPH_TEST(copies_onto_itself) {
    everything(g);
    uint32_t n = g->node.n, checks = g->check.n;
    for (ir_id id = 1; id < n; id++) {
        if (ir_is_weak(g, id)) continue;
        ck_assert_uint_eq(ir_copy_node(g, g, id, ir_at(g, id)->in), id);
    }
    ck_assert_uint_eq(g->node.n, n);
    ck_assert_uint_eq(g->check.n, checks);
}

START_TEST(out_of_memory) {
    int failures = 0;
    for (int64_t at = 1;; at++) {
        base_alloc scarce;
        base_alloc_init(&scarce, NULL);
        scarce.fail_at = at;
        ir_graph h;
        sn_status status = ir_graph_init(&h, &scarce, NULL, "scarce");
        build b = {&h, 0};
        if (status == SN_OK) status = base_protect(&h.trap, build_everything, &b);
        if (status != SN_OK) {
            failures++;
            ck_assert_int_eq(status, SN_ERR_NOMEM);
            ck_assert_int_eq(strncmp(h.trap.text, "out of memory", 13), 0);
            /* The tables stay in step. */
            ck_assert_uint_eq(h.node.n, h.place.n);
            ck_assert_uint_eq(h.node.n, h.label.n);
            ck_assert_uint_eq(h.input.n, h.input_name.n);
        }
        ir_graph_clear(&h);
        ck_assert_uint_eq(scarce.live_bytes, 0);
        if (status == SN_OK) break;
    }
    ck_assert_int_ge(failures, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph_views");
    TCase *tests = tcase_create("graph_views");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, matmul);
    tcase_add_test(tests, matmul_errors);
    tcase_add_test(tests, views_that_change_nothing);
    tcase_add_test(tests, reshapes);
    tcase_add_test(tests, slices);
    tcase_add_test(tests, view_errors);
    tcase_add_test(tests, rows_and_concat);
    tcase_add_test(tests, copies);
    tcase_add_test(tests, copies_onto_itself);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
