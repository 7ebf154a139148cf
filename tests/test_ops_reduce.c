/* Reductions over every set of axes, and matrix products of every shape and orientation, on all paths against the
 * evaluator: extents 0 and 1, odd ones, named dims, sums long enough to be spread over chunks, products for BLAS. */
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "support/support_paths.h"

static const sn_dtype dtypes[] = {SN_F64, SN_F32, SN_F16, SN_BF16, SN_I64, SN_I32, SN_U8};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };
static int is_float(sn_dtype t) { return base_is_float(t); }

static sn_context *ctx;
static void open_context(void) { ctx = support_twin_context(); }
static void close_context(void) { sn_context_free(ctx); }

/* ---- reductions ------------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t rank;
    int64_t size[4];
    uint32_t named; /* set of axes */
    int compiled;
} reduce_shape;

static const reduce_shape shapes[] = {{1, {1}, 0, 0},          {1, {0}, 0, 0},
                                      {1, {7}, 0, 1},          {1, {5003}, 0, 1},
                                      {1, {5003}, 1, 1},       {2, {3, 5}, 0, 1},
                                      {2, {0, 3}, 0, 0},       {2, {3, 0}, 0, 0},
                                      {2, {1, 9}, 0, 0},       {2, {129, 33}, 0, 1},
                                      {2, {33, 129}, 1, 1},    {2, {129, 33}, 2, 1},
                                      {2, {9, 1031}, 0, 0},    {2, {1031, 9}, 3, 0},
                                      {3, {4, 5, 6}, 0, 1},    {3, {17, 3, 40}, 0, 1},
                                      {3, {40, 17, 3}, 4, 0},  {3, {2, 0, 3}, 0, 0},
                                      {3, {1, 33, 1}, 0, 0},   {3, {35, 2, 37}, 5, 1},
                                      {4, {3, 4, 2, 5}, 0, 0}, {4, {33, 2, 34, 3}, 0, 1},
                                      {4, {5, 33, 7, 2}, 3, 0}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    sn_dtype dtype;
    const reduce_shape *shape;
    int special; /* NaN and infinities among the operands */
    uint32_t first_axes;
} reduce_case;

static ir_id make_operand(support_case *c, sn_dtype dtype, const reduce_shape *s) {
    static const char *const names[] = {"N", "M", "K", "L"};
    ir_dim dims[4];
    for (uint32_t a = 0; a < s->rank; a++)
        dims[a] = s->named >> a & 1 ? support_case_dim(c, names[a], s->size[a]) : ir_dim_const(c->g, s->size[a]);
    return support_case_input(c, dtype, s->rank, dims);
}

static void build_reduce(support_case *c, const void *arg) {
    const reduce_case *r = arg;
    ir_id x = make_operand(c, r->dtype, r->shape);
    int64_t n = (int64_t)(support_bytes(c->g, x, c->body.dim) / sn_dtype_size(r->dtype));
    static const double specials[] = {NAN, INFINITY, -INFINITY};
    for (int64_t i = 0; r->special && i < n; i++)
        if (support_case_below(c, 9) == 0)
            support_put(support_case_data(c, x), r->dtype, i, specials[support_case_below(c, 3)]);
    for (uint32_t axes = r->first_axes; axes < 1u << r->shape->rank && axes < r->first_axes + 5; axes++) {
        for (ir_op op = IR_SUM; op <= IR_RMIN; op++) {
            ir_id y = ir_reduce(c->g, op, x, axes, (int)(axes & 1));
            support_case_out(c, y, 0);
            /* And used: by what is repeated along the folded axes, and by what is not. */
            if (op == IR_SUM && (axes & 1))
                support_case_out(c, ir_binary(c->g, IR_SUB, x, y), 0);
            else if (op == IR_RMAX)
                support_case_out(c, ir_binary(c->g, IR_ADD, y, y), 0);
        }
    }
}

START_TEST(reductions) {
    sn_dtype dtype = dtypes[_i / N_SHAPES];
    const reduce_shape *shape = &shapes[_i % N_SHAPES];
    open_context();
    for (int special = 0; special <= is_float(dtype); special++)
        for (uint32_t axes = 1; axes < 1u << shape->rank; axes += 5) {
            reduce_case r = {dtype, shape, special, axes};
            char what[100];
            snprintf(what, sizeof what, "reduce %s, shape %d, axes from %u, special %d", sn_dtype_name(dtype),
                     (int)(_i % N_SHAPES), axes, special);
            int compiled = shape->compiled && !special && (dtype == SN_F32 || dtype == SN_I32 || shape->rank == 2);
            support_run_case(ctx, what, build_reduce, &r, compiled ? SUPPORT_COMPILED | SUPPORT_THREADS : 0);
        }
    close_context();
}
END_TEST

/* Sums of products, of differences and of squares, whose multiplications become part of the sum. */
static void build_sums(support_case *c, const void *arg) {
    const reduce_case *r = arg;
    ir_graph *g = c->g;
    ir_id x = make_operand(c, r->dtype, r->shape), y = make_operand(c, r->dtype, r->shape);
    uint32_t all = (1u << r->shape->rank) - 1, last = 1u << (r->shape->rank - 1);
    for (uint32_t axes = 1; axes <= all; axes = axes == all ? all + 1 : axes == last || last == all ? all : last) {
        support_case_out(c, ir_reduce(g, IR_SUM, ir_binary(g, IR_MUL, x, y), axes, 0), 0);
        support_case_out(c, ir_reduce(g, IR_SUM, ir_unary(g, IR_SQUARE, ir_binary(g, IR_SUB, x, y)), axes, 0), 0);
        ir_id most = ir_reduce(g, IR_RMAX, x, axes, 1), e = ir_unary(g, IR_EXP, ir_binary(g, IR_SUB, x, most));
        support_case_out(c, ir_binary(g, IR_DIV, e, ir_reduce(g, IR_SUM, e, axes, 1)), 0);
    }
}

START_TEST(fused_sums) {
    sn_dtype dtype = dtypes[_i % 2];
    reduce_case r = {.dtype = dtype, .shape = &shapes[_i / 2]};
    char what[64];
    open_context();
    snprintf(what, sizeof what, "sums %s, shape %d", sn_dtype_name(dtype), (int)(_i / 2));
    support_run_case(ctx, what, build_sums, &r, r.shape->compiled ? SUPPORT_COMPILED | SUPPORT_THREADS : 0);
    close_context();
}
END_TEST

/* ---- matrix products -------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t m, n, k;
    uint32_t named; /* set of m, n, k */
    int compiled;
} product_shape;

static const product_shape products[] = {
    {1, 1, 1, 0, 0},     {1, 1, 0, 0, 0},   {0, 3, 2, 0, 0},       {3, 0, 2, 0, 0},    {3, 2, 0, 0, 1},
    {3, 5, 2, 0, 1},     {7, 33, 5, 0, 1},  {33, 2, 64, 0, 1},     {64, 3, 17, 1, 1},  {5, 1, 40, 0, 0},
    {1, 40, 5, 0, 0},    {40, 1, 1, 0, 0},  {32, 33, 34, 0, 1},    {33, 34, 35, 0, 1}, {70, 65, 64, 0, 1},
    {200, 3, 100, 1, 1}, {2, 3, 500, 4, 1}, {100, 101, 102, 7, 1}, {0, 40, 40, 1, 0},  {40, 40, 0, 4, 1},
    {1, 50, 50, 7, 1},   {300, 40, 2, 1, 1}};
enum { N_PRODUCTS = sizeof products / sizeof *products };

typedef struct {
    sn_dtype dtype;
    const product_shape *shape;
} product_case;

static void build_products(support_case *c, const void *arg) {
    const product_case *p = arg;
    const product_shape *s = p->shape;
    static const uint8_t swap[] = {1, 0};
    ir_graph *g = c->g;
    ir_dim m = s->named & 1 ? support_case_dim(c, "M", s->m) : ir_dim_const(g, s->m);
    ir_dim n = s->named & 2 ? support_case_dim(c, "N", s->n) : ir_dim_const(g, s->n);
    ir_dim k = s->named & 4 ? support_case_dim(c, "K", s->k) : ir_dim_const(g, s->k);
    ir_id bias = support_case_input(c, p->dtype, 1, &n), column = support_case_input(c, p->dtype, 1, &k);
    for (int flags = 0; flags < 4; flags++) {
        ir_dim da[2] = {flags & 1 ? k : m, flags & 1 ? m : k}, db[2] = {flags & 2 ? n : k, flags & 2 ? k : n};
        ir_id a = support_case_input(c, p->dtype, 2, da), b = support_case_input(c, p->dtype, 2, db);
        if (flags & 1) a = ir_transpose(g, a, swap);
        if (flags & 2) b = ir_transpose(g, b, swap);
        ir_id y = ir_matmul(g, a, b);
        if (flags != 3) support_case_out(c, y, 0);
        support_case_out(c, ir_unary(g, IR_RELU, ir_binary(g, IR_ADD, y, bias)), 0);
        if (flags == 0) support_case_out(c, ir_reduce(g, IR_SUM, ir_unary(g, IR_TANH, y), 3, 0), 0);
        if (flags == 1) support_case_out(c, ir_matmul(g, a, column), 0);
        if (flags == 2) support_case_out(c, ir_matmul(g, column, b), 0);
        if (flags == 3) support_case_out(c, ir_matmul(g, column, column), 0);
        if (flags == 3) support_case_out(c, ir_transpose(g, ir_matmul(g, ir_binary(g, IR_MUL, a, column), b), swap), 0);
    }
}

START_TEST(matrix_products) {
    product_case p = {dtypes[_i % 2], &products[_i / 2]};
    char what[64];
    open_context();
    snprintf(what, sizeof what, "product %s, shape %d", sn_dtype_name(p.dtype), (int)(_i / 2));
    support_run_case(ctx, what, build_products, &p, p.shape->compiled ? SUPPORT_COMPILED | SUPPORT_THREADS : 0);
    close_context();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_reduce");
    TCase *tests = tcase_create("reduce");
    tcase_add_loop_test(tests, reductions, 0, N_DTYPES * N_SHAPES);
    tcase_add_loop_test(tests, fused_sums, 0, 2 * N_SHAPES);
    tcase_add_loop_test(tests, matrix_products, 0, 2 * N_PRODUCTS);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
