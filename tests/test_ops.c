/* Every element-wise operator of the table in every dtype that it takes, and casts between all dtypes: forward,
 * compiled and interpreted, against the graph evaluator within the bound of its row; on odd sizes, broadcasts, extents
 * 0 and 1, NaN, infinities, zeros of both signs and subnormals, and where different shapes of kernels compute it:
 * vectors along points, vectors along a loop, registers at entry, operands read across. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/support_paths.h"

static const sn_dtype dtypes[] = {SN_F64, SN_F32, SN_F16, SN_BF16, SN_I64, SN_I32, SN_U8, SN_BOOL};
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

typedef enum { VECTOR, BROADCAST, NAMED, EMPTY, ONE, SCALAR, SMALL, ROWS, ACROSS, N_SHAPES } shape;
static const char *const shape_names[] = {"vector", "broadcast", "named", "empty", "one",
                                          "scalar", "small",     "rows",  "across"};

typedef struct {
    sn_dtype dtype;
    shape shape;
    int operands;
    uint32_t first, n; /* which of the operators that fit */
} ops_case;

static int is_float(sn_dtype t) { return base_is_float(t); }

/* ---- values ----------------------------------------------------------------------------------------------------- */

static const double special_floats[] = {0.0,      -0.0,     1.0,       -1.0, NAN,     INFINITY, -INFINITY, 0.5,
                                        -0.5,     2.0,      -2.0,      3.0,  -3.0,    1e-45,    1e-40,     -1e-40,
                                        1e30,     -1e30,    88.0,      -88., 1.0e-20, 100.5,    1e5,       -1e5,
                                        0.999999, 1.000001, -0.999999, 6.0,  7.5,     1e10,     -2.5,      0.25};
enum { N_SPECIAL = sizeof special_floats / sizeof *special_floats };

static int64_t special_int(sn_dtype dtype, uint32_t i) {
    const int64_t least = dtype == SN_I64 ? INT64_MIN : dtype == SN_I32 ? INT32_MIN : 0;
    const int64_t most = dtype == SN_I64 ? INT64_MAX : dtype == SN_I32 ? INT32_MAX : 255;
    const int64_t values[] = {0, 1, -1, 2, 3, -3, least, most, least + 1, most - 1, 7, 100, 200, -100};
    int64_t x = values[i % (sizeof values / sizeof *values)];
    return dtype == SN_U8 ? x & 255 : x;
}

/* Pairs of special values first, then random ones of all magnitudes. */
static void fill(support_case *c, ir_id input, int operand) {
    const ir_node *n = ir_at(c->g, input);
    sn_dtype dtype = (sn_dtype)n->dtype;
    void *at = support_case_data(c, input);
    int64_t count = (int64_t)(support_bytes(c->g, input, c->body.dim) / sn_dtype_size(dtype));
    for (int64_t i = 0; i < count; i++) {
        uint32_t k = (uint32_t)(operand ? i / N_SPECIAL + i : i);
        if (is_float(dtype)) {
            double x = support_case_below(c, 2) ? support_case_uniform(c, -9, 9) : exp(support_case_uniform(c, -7, 7));
            support_put(at, dtype, i,
                        i < N_SPECIAL * N_SPECIAL  ? special_floats[k % N_SPECIAL]
                        : support_case_below(c, 3) ? x
                                                   : -x);
        } else if (dtype == SN_BOOL) {
            support_put(at, dtype, i, support_case_below(c, 2));
        } else {
            int64_t x = special_int(dtype, operand ? k : (uint32_t)(i / 14));
            if (dtype == SN_I64)
                ((int64_t *)at)[i] = x;
            else if (dtype == SN_I32)
                ((int32_t *)at)[i] = (int32_t)x;
            else
                ((uint8_t *)at)[i] = (uint8_t)x;
        }
    }
}

static void make_operands(support_case *c, sn_dtype dtype, shape form, ir_id out[2]) {
    static const struct {
        uint32_t rank[2];
        int64_t size[2][3];
    } sizes[N_SHAPES] = {[VECTOR] = {{1, 1}, {{1061}, {1061}}},   [BROADCAST] = {{3, 1}, {{5, 1, 7}, {7}}},
                         [EMPTY] = {{2, 2}, {{3, 0}, {3, 0}}},    [ONE] = {{1, 2}, {{1}, {1, 1}}},
                         [SCALAR] = {{0, 0}, {{0}, {0}}},         [SMALL] = {{1, 0}, {{3}, {0}}},
                         [ROWS] = {{2, 2}, {{33, 35}, {33, 35}}}, [ACROSS] = {{2, 2}, {{70, 19}, {19, 70}}}};
    for (int k = 0; k < 2; k++) {
        if (form == NAMED) {
            ir_dim dims[2] = {support_case_dim(c, "N", 37), ir_dim_const(c->g, 29)};
            out[k] = support_case_input(c, dtype, 2, dims);
        } else {
            out[k] = support_case_sizes(c, dtype, sizes[form].rank[k], sizes[form].size[k]);
        }
        fill(c, out[k], k);
    }
    if (form == ACROSS) out[0] = ir_transpose(c->g, out[0], (const uint8_t[]){1, 0});
}

/* ---- operators -------------------------------------------------------------------------------------------------- */

static int fits(int op, sn_dtype dtype, int operands) {
    return ir_ops[op].cls == IR_CLASS_EWISE && ir_ops[op].n_operands == operands && op != IR_CAST && op != IR_SELECT &&
           ir_type_in(ir_ops[op].types, dtype);
}

/* The evaluator computes in double: exact enough for f32, within an ulp for f64. Errors of f32 may tip the rounding to
 * f16 and bf16, but what is correctly rounded to f32 is correct after that, too: f32 has more than twice their digits.
 */
static double bound(int op, sn_dtype dtype) {
    if (!is_float(dtype) || ir_ops[op].to_bool || !(ir_ops[op].ulp > 0)) return 0;
    if (ir_ops[op].ulp <= 0.5f) return 0; /* correctly rounded by both */
    if (base_is_half(dtype)) return 1;
    return (double)ir_ops[op].ulp + (dtype == SN_F64 ? 1.5 : 0.5);
}

static void build_ops(support_case *c, const void *arg) {
    const ops_case *o = arg;
    ir_id in[2];
    uint32_t at = 0;
    make_operands(c, o->dtype, o->shape, in);
    for (int op = 1; op < IR_OP_COUNT; op++) {
        if (!fits(op, o->dtype, o->operands)) continue;
        if (at++ < o->first || at > o->first + o->n) continue;
        ir_id y = o->operands == 1 ? ir_unary(c->g, (ir_op)op, in[0]) : ir_binary(c->g, (ir_op)op, in[0], in[1]);
        sn_dtype result = (sn_dtype)ir_at(c->g, y)->dtype;
        /* Rows: a vector loop that ends in a fold which keeps the bound. Zeros of both signs make its bits depend on
         * order. */
        if (o->shape == ROWS && result != SN_BOOL)
            y = ir_reduce(c->g, IR_RMAX,
                          is_float(result) ? ir_binary(c->g, IR_MAX, y, ir_const(c->g, result, -60000)) : y, 2, 0);
        support_case_out(c, y, bound(op, o->dtype) + (o->shape == ROWS && is_float(result) ? 1e-9 : 0));
    }
}

static sn_context *ctx;

static void run_ops(sn_dtype dtype, shape form, int operands) {
    uint32_t fitting = 0;
    for (int op = 1; op < IR_OP_COUNT; op++) fitting += (uint32_t)fits(op, dtype, operands);
    int compiled = form == VECTOR || form == BROADCAST || form == ROWS || form == NAMED;
    for (uint32_t first = 0; first < fitting; first += 8) {
        ops_case o = {dtype, form, operands, first, 8};
        char what[128];
        snprintf(what, sizeof what, "%s, %s, %d operands, from operator %u", sn_dtype_name(dtype), shape_names[form],
                 operands, first);
        support_run_case(ctx, what, build_ops, &o, SUPPORT_ULP | (compiled ? SUPPORT_COMPILED : 0));
    }
}

START_TEST(operators) {
    sn_dtype dtype = dtypes[_i / N_SHAPES];
    ctx = support_twin_context();
    for (int operands = 1; operands <= 2; operands++) run_ops(dtype, (shape)(_i % N_SHAPES), operands);
    sn_context_free(ctx);
}
END_TEST

/* ---- casts and select ------------------------------------------------------------------------------------------- */

static void build_casts(support_case *c, const void *arg) {
    const ops_case *o = arg;
    ir_id in[2];
    make_operands(c, o->dtype, o->shape, in);
    for (int t = 0; t < N_DTYPES; t++) {
        if (dtypes[t] == o->dtype) continue;
        ir_id y = ir_cast(c->g, in[0], dtypes[t]);
        support_case_out(c, y, 0);
        support_case_out(c, ir_cast(c->g, y, o->dtype), 0);
    }
}

static void build_selects(support_case *c, const void *arg) {
    const ops_case *o = arg;
    ir_id in[2];
    make_operands(c, o->dtype, o->shape, in);
    ir_id all = ir_binary(c->g, IR_EQ, in[0], in[1]), some = ir_binary(c->g, IR_NE, in[1], in[1]);
    support_case_out(c, ir_select(c->g, all, in[0], in[1]), 0);
    support_case_out(c, ir_select(c->g, some, in[0], in[1]), 0);
    support_case_out(c, ir_select(c->g, ir_unary(c->g, IR_NOT, all), in[1], in[1]), 0);
}

START_TEST(casts_and_selects) {
    static const shape shapes[] = {VECTOR, BROADCAST, NAMED, EMPTY, ONE, SCALAR, SMALL, ACROSS};
    ctx = support_twin_context();
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        ops_case o = {.dtype = dtypes[_i], .shape = shapes[s]};
        int flags = SUPPORT_ULP | (s < 2 ? SUPPORT_COMPILED : 0);
        support_run_case(ctx, "casts", build_casts, &o, flags);
        support_run_case(ctx, "selects", build_selects, &o, flags);
    }
    sn_context_free(ctx);
}
END_TEST

/* Bounds that LLVM's passes once broke: the larger of |x| and zero; and their like. */
static void build_pairs(support_case *c, const void *arg) {
    sn_dtype dtype = *(const sn_dtype *)arg;
    ir_graph *g = c->g;
    ir_id x = support_case_sizes(c, dtype, 1, (const int64_t[]){61}), size = ir_unary(g, IR_ABS, x),
          minus = ir_unary(g, IR_NEG, size);
    fill(c, x, 0);
    const double constants[] = {0.0, -0.0, 1.0, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        ir_id k = ir_const_bits(g, dtype, base_float_bits(dtype, constants[i]));
        support_case_out(c, ir_binary(g, IR_MAX, size, k), 0);
        support_case_out(c, ir_binary(g, IR_MIN, minus, k), 0);
        support_case_out(c, ir_binary(g, IR_MAX, k, minus), 0);
        support_case_out(c, ir_binary(g, IR_MIN, k, size), 0);
    }
}

START_TEST(extremes_of_absolutes) {
    ctx = support_twin_context();
    support_run_case(ctx, "extremes", build_pairs, &dtypes[_i], SUPPORT_ULP | SUPPORT_COMPILED);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops");
    TCase *tests = tcase_create("ops");
    tcase_add_loop_test(tests, operators, 0, N_DTYPES * N_SHAPES);
    tcase_add_loop_test(tests, casts_and_selects, 0, N_DTYPES);
    tcase_add_loop_test(tests, extremes_of_absolutes, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
