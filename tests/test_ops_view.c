/* Everything that moves elements, in every dtype, to the bit: slices with constant and runtime starts and steps, pads,
 * concatenations, gathers, scatters, one-hot, transposes, broadcasts, reshapes; each alone, of a value computed in the
 * same function, read by arithmetic, and folded. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/support_paths.h"

static const sn_dtype dtypes[] = {SN_F64, SN_F32, SN_F16, SN_BF16, SN_I64, SN_I32, SN_U8, SN_BOOL};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };
static int is_float(sn_dtype t) { return base_is_float(t); }

typedef struct {
    sn_dtype dtype;
    int variant;
} view_case;

static ir_dim constant(support_case *c, int64_t n) { return ir_dim_const(c->g, n); }

/* A value that is made of x where it is read, without rounding. */
static ir_id made_of(support_case *c, ir_id x) {
    sn_dtype t = (sn_dtype)ir_at(c->g, x)->dtype;
    return ir_unary(c->g, t == SN_BOOL ? IR_NOT : IR_NEG, x);
}

/* A view of both an input and a computed value, alone and used. */
static void out_view(support_case *c, ir_id view) {
    sn_dtype t = (sn_dtype)ir_at(c->g, view)->dtype;
    uint32_t rank = ir_at(c->g, view)->rank;
    support_case_out(c, view, 0);
    if (t == SN_BOOL) {
        support_case_out(c, ir_binary(c->g, IR_XOR, view, ir_unary(c->g, IR_NOT, view)), 0);
        return;
    }
    support_case_out(c, ir_binary(c->g, IR_ADD, view, view), 0); /* exact */
    if (rank) support_case_out(c, ir_reduce(c->g, IR_RMAX, view, 1u << (rank - 1), 0), 0);
}

static ir_id start_input(support_case *c, int64_t value) {
    ir_id start = support_case_sizes(c, SN_I64, 0, NULL);
    *(int64_t *)support_case_data(c, start) = value;
    return start;
}

static void build_slices(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    ir_dim N = support_case_dim(c, "N", 19), dims[2] = {v->variant & 1 ? N : constant(c, 19), constant(c, 37)};
    ir_id x = support_case_input(c, v->dtype, 2, dims), made = made_of(c, x);
    ir_dim end = v->variant & 1 ? ir_dim_sub(g, N, constant(c, 5)) : constant(c, 14);
    static const int64_t starts[] = {3, -7, 1000, 0, INT64_MAX, INT64_MIN};
    const ir_range ranges[][2] = {
        {{constant(c, 2), 0, 1, end}, {0, 0, 1, dims[1]}},
        {{0, 0, 1, dims[0]}, {constant(c, 1), 0, 3, constant(c, 12)}},
        {{constant(c, 4), 0, 2, constant(c, 6)}, {constant(c, 36), 0, 1, constant(c, 1)}},
        {{0, start_input(c, starts[v->variant % 6]), 1, constant(c, 5)}, {0, 0, 1, dims[1]}},
        {{0, 0, 1, dims[0]}, {constant(c, 2), start_input(c, starts[(v->variant + 1) % 6]), 2, constant(c, 9)}},
        {{constant(c, 3), 0, 1, constant(c, 0)}, {0, 0, 1, dims[1]}}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) out_view(c, ir_slice(g, i & 1 ? made : x, ranges[i]));
    support_case_out(c, ir_slice(g, made, ranges[3]), 0);
    if (v->dtype != SN_BOOL)
        support_case_out(c, ir_binary(g, IR_SUB, ir_slice(g, x, ranges[0]), ir_slice(g, made, ranges[0])), 0);
}

static void build_pads(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    ir_dim N = support_case_dim(c, "N", v->variant & 2 ? 1 : 9),
           dims[2] = {v->variant & 1 ? N : constant(c, 9), constant(c, 5)};
    ir_id x = support_case_input(c, v->dtype, 2, dims), made = made_of(c, x);
    ir_dim more = ir_dim_add(g, dims[0], constant(c, 6));
    const ir_range ranges[][2] = {{{constant(c, 2), 0, 1, dims[0]}, {0, 0, 1, dims[1]}},
                                  {{0, 0, 1, dims[0]}, {constant(c, 3), 0, 4, dims[1]}},
                                  {{0, start_input(c, 4), 1, dims[0]}, {constant(c, 1), 0, 1, dims[1]}},
                                  {{0, start_input(c, 400), 1, dims[0]}, {0, start_input(c, -3), 2, dims[1]}}};
    const ir_dim full[][2] = {
        {more, dims[1]}, {dims[0], constant(c, 23)}, {more, constant(c, 6)}, {more, constant(c, 11)}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        out_view(c, ir_pad(g, i & 1 ? x : made, ranges[i], full[i]));
}

static void build_concats(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    ir_dim N = support_case_dim(c, "N", 3), first = v->variant & 1 ? N : constant(c, 3);
    ir_dim a[2] = {first, constant(c, 7)}, b[2] = {constant(c, v->variant & 2 ? 1 : 40), constant(c, 7)},
           empty[2] = {constant(c, 0), constant(c, 7)};
    ir_id x = support_case_input(c, v->dtype, 2, a), y = support_case_input(c, v->dtype, 2, b),
          none = support_case_input(c, v->dtype, 2, empty);
    out_view(c, ir_concat(g, 2, (ir_id[]){x, made_of(c, y)}, 0));
    out_view(c, ir_concat(g, 4, (ir_id[]){y, x, none, x}, 0));
    out_view(c, ir_concat(g, 3, (ir_id[]){x, made_of(c, x), x}, 1));
    out_view(c, ir_concat(g, 2, (ir_id[]){none, made_of(c, none)}, 0));
    ir_id vector = support_case_input(c, v->dtype, 1, &first);
    out_view(c, ir_concat(g, 2, (ir_id[]){made_of(c, vector), vector}, 0));
}

static void build_gathers(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    ir_dim N = support_case_dim(c, "N", v->variant & 2 ? 1 : 6),
           rows[3] = {v->variant & 1 ? N : constant(c, 6), constant(c, 5), constant(c, 3)};
    ir_dim count = v->variant & 1 ? support_case_dim(c, "M", 37) : constant(c, v->variant & 2 ? 0 : 37);
    ir_dim two[2] = {constant(c, 4), constant(c, 9)};
    sn_dtype id_type = v->variant & 1 ? SN_I32 : SN_I64;
    ir_id x = support_case_input(c, v->dtype, 3, rows), row = support_case_input(c, v->dtype, 1, rows);
    ir_id ids = support_case_input(c, id_type, 1, &count),
          table = support_case_input(c, id_type, 2, two); /* -3 .. 8: clamped */
    ir_id scalar = support_case_input(c, id_type, 0, NULL);
    out_view(c, ir_gather(g, x, ids));
    out_view(c, ir_gather(g, made_of(c, x), table));
    out_view(c, ir_gather(g, row, ir_unary(g, IR_NEG, ids)));
    out_view(c, ir_gather(g, made_of(c, row), table));
    out_view(c, ir_gather(g, x, scalar));
    if (is_float(v->dtype)) support_case_out(c, sn_one_hot(((sn_expr){g, ids}), (SN_DIM(5)), v->dtype).id, 0);
}

/* Small whole numbers, so that sums are exact in any dtype. */
static void whole(support_case *c, ir_id x) {
    const ir_node *n = ir_at(c->g, x);
    int64_t count = (int64_t)(support_bytes(c->g, x, c->body.dim) / sn_dtype_size((sn_dtype)n->dtype));
    for (int64_t i = 0; i < count; i++)
        support_put(support_case_data(c, x), (sn_dtype)n->dtype, i, support_case_below(c, 4));
}

static void build_scatters(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    if (v->dtype == SN_BOOL) {
        support_case_out(c, support_case_sizes(c, SN_BOOL, 1, (const int64_t[]){3}), 0);
        return;
    }
    ir_dim count = support_case_dim(c, "N", v->variant & 2 ? 0 : 37),
           rows = v->variant & 1 ? support_case_dim(c, "R", 5) : constant(c, 40);
    ir_dim shape[3] = {v->variant & 1 ? count : constant(c, 37), constant(c, v->variant & 2 ? 33 : 3), constant(c, 2)};
    sn_dtype id_type = v->variant & 1 ? SN_I32 : SN_I64;
    if (v->variant & 1) {
        ir_dim known[1] = {rows}; /* an input from which R follows */
        support_case_input(c, v->dtype, 1, known);
    }
    ir_id ids = support_case_input(c, id_type, 1, shape), pairs = support_case_input(c, id_type, 2, shape);
    ir_id values = support_case_input(c, v->dtype, 3, shape), line = support_case_input(c, v->dtype, 1, shape);
    whole(c, values);
    whole(c, line);
    support_case_input(c, v->dtype, 1, &count);
    out_view(c, ir_scatter_add(g, ids, values, rows));
    out_view(c, ir_scatter_add(g, ids, line, rows));
    out_view(c, ir_scatter_add(g, pairs, made_of(c, values), rows));
    out_view(c, ir_scatter_add(g, ir_binary(g, IR_ADD, ids, ids), made_of(c, line), rows));
    ir_dim no_columns[2] = {shape[0], constant(c, 0)};
    support_case_out(c, ir_scatter_add(g, ids, support_case_input(c, v->dtype, 2, no_columns), rows), 0);
}

static void build_transposes(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    static const uint8_t perms[][4] = {{1, 0, 2, 3}, {0, 1, 3, 2}, {3, 2, 1, 0},
                                       {2, 3, 0, 1}, {1, 2, 3, 0}, {3, 0, 1, 2}};
    ir_dim dims[4] = {constant(c, 3), v->variant & 1 ? support_case_dim(c, "N", 17) : constant(c, 17),
                      constant(c, v->variant & 2 ? 1 : 5), constant(c, 8)};
    ir_id x = support_case_input(c, v->dtype, 4, dims);
    for (size_t i = 0; i < sizeof perms / sizeof *perms; i++)
        out_view(c, ir_transpose(g, i & 1 ? made_of(c, x) : x, perms[i]));
    ir_dim square[2] = {constant(c, 35), constant(c, 35)};
    ir_id s = support_case_input(c, v->dtype, 2, square), t = ir_transpose(g, s, perms[0]);
    support_case_out(c, ir_binary(g, IR_EQ, s, t), 0);
    support_case_out(c, ir_binary(g, IR_NE, made_of(c, s), ir_transpose(g, made_of(c, s), perms[0])), 0);
}

static void build_shapes(support_case *c, const void *arg) {
    const view_case *v = arg;
    ir_graph *g = c->g;
    ir_dim N = support_case_dim(c, "N", v->variant & 2 ? 0 : 11),
           dims[3] = {v->variant & 1 ? N : constant(c, 11), constant(c, 1), constant(c, 12)};
    ir_id x = support_case_input(c, v->dtype, 3, dims), made = made_of(c, x);
    ir_dim joined[1] = {ir_dim_mul(g, dims[0], dims[2])}, cut[3] = {dims[0], constant(c, 4), constant(c, 3)},
           flat[2] = {dims[0], dims[2]};
    ir_dim large[4] = {constant(c, 2), dims[0], constant(c, 5), dims[2]};
    out_view(c, ir_reshape(g, x, 1, joined));
    out_view(c, ir_reshape(g, made, 3, cut));
    out_view(c, ir_reshape(g, made, 2, flat));
    out_view(c, ir_broadcast(g, x, 4, large, (const uint8_t[]){1, 2, 3}));
    out_view(c, ir_broadcast(g, ir_reshape(g, made, 2, flat), 4, large, (const uint8_t[]){1, 3}));
    ir_id one = support_case_sizes(c, v->dtype, 2, (const int64_t[]){1, 1});
    out_view(c, ir_broadcast_to(g, one, 4, large));
    out_view(c,
             ir_binary(g, v->dtype == SN_BOOL ? IR_EQ : IR_MIN, ir_reshape(g, x, 3, cut), ir_reshape(g, made, 3, cut)));
    if (v->dtype != SN_BOOL)
        out_view(c, ir_binary(g, IR_MAX, ir_reshape(g, x, 2, flat),
                              ir_iota(g, v->dtype == SN_U8 ? SN_U8 : v->dtype, dims[2])));
}

typedef void (*build_fn)(support_case *c, const void *arg);
static const struct {
    const char *name;
    build_fn build;
} views[] = {{"slices", build_slices},   {"pads", build_pads},         {"concats", build_concats},
             {"gathers", build_gathers}, {"scatters", build_scatters}, {"transposes", build_transposes},
             {"shapes", build_shapes}};
enum { N_VIEWS = sizeof views / sizeof *views };

START_TEST(moves) {
    sn_context *ctx = support_twin_context();
    for (int variant = 0; variant < (_i % N_VIEWS ? 4 : 6); variant++) {
        view_case v = {dtypes[_i / N_VIEWS], variant};
        char what[64];
        snprintf(what, sizeof what, "%s of %s, variant %d", views[_i % N_VIEWS].name, sn_dtype_name(v.dtype), variant);
        support_run_case(ctx, what, views[_i % N_VIEWS].build, &v, SUPPORT_ULP | (variant < 2 ? SUPPORT_COMPILED : 0));
    }
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_view");
    TCase *tests = tcase_create("view");
    tcase_add_loop_test(tests, moves, 0, N_DTYPES * N_VIEWS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
