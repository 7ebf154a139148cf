/* Composite operators of one element, of bools and of shapes: clamps, tests, gelu, any and all, eye, pad. Means,
 * softmax and losses are in composites.c, random numbers in composites_random.c. */
#include "ir/builder.h"

#include <math.h>
#include <stdio.h>

#include "ir/infer.h"

static ir_id number(ir_build *b, double value) { return ir_const_weak(b->g, value); }
static ir_id unary(ir_build *b, ir_op op, ir_id x) { return ir_unary(b->g, op, x); }
static ir_id binary(ir_build *b, ir_op op, ir_id x, ir_id y) { return ir_binary(b->g, op, x, y); }
static sn_dtype dtype_of(const ir_build *b, ir_id x) { return (sn_dtype)ir_at(b->g, x)->dtype; }

/* ---- of each element --------------------------------------------------------------------------------------------- */

/* Comparisons that a NaN does not pass leave it alone. */
static void clamp(ir_build *b) {
    if (dtype_of(b, b->a) == SN_BOOL)
        base_fail(&b->g->trap, SN_ERR_DTYPE, "clamp: not for bool: %s; convert with sn_cast",
                  ir_describe(b->g, b->a).text);
    ir_id x = ir_select(b->g, binary(b, IR_LT, b->a, b->b), b->b, b->a);
    b->out = ir_select(b->g, binary(b, IR_GT, x, b->c), b->c, x);
}
sn_expr sn_clamp_at(sn_expr a, sn_expr low, sn_expr high, const char *file, int line) {
    ir_build call = {.name = "clamp", .in = (sn_expr[]){a, low, high}, .n_in = 3};
    return ir_build_run(&call, clamp, file, line);
}

static void isnan_of(ir_build *b) {
    ir_id x = ir_build_float(b, b->a);
    b->out = binary(b, IR_NE, x, x);
}
sn_expr sn_isnan_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "isnan", .in = &a, .n_in = 1}, isnan_of, file, line);
}

static void isfinite_of(ir_build *b) {
    ir_id size = unary(b, IR_ABS, ir_build_float(b, b->a));
    b->out = binary(b, IR_LT, size, number(b, INFINITY));
}
sn_expr sn_isfinite_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "isfinite", .in = &a, .n_in = 1}, isfinite_of, file, line);
}

static void gelu(ir_build *b) {
    ir_id x = ir_build_float(b, b->a);
    ir_id e = unary(b, IR_ERF, binary(b, IR_MUL, x, number(b, 0.70710678118654752440)));
    ir_id half = binary(b, IR_MUL, x, number(b, 0.5));
    b->out = binary(b, IR_MUL, half, binary(b, IR_ADD, e, number(b, 1)));
}
sn_expr sn_gelu_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "gelu", .in = &a, .n_in = 1}, gelu, file, line);
}

/* (1 + tanh u) / 2 is sigmoid(2 u), which loses no digits where tanh is close to -1. */
static void gelu_tanh(ir_build *b) {
    ir_id x = ir_build_float(b, b->a);
    ir_id cubic = binary(b, IR_MUL, unary(b, IR_SQUARE, x), number(b, 0.044715));
    ir_id bent = binary(b, IR_MUL, x, binary(b, IR_ADD, cubic, number(b, 1)));
    ir_id slope = number(b, 2 * 0.79788456080286535588);
    b->out = binary(b, IR_MUL, x, unary(b, IR_SIGMOID, binary(b, IR_MUL, bent, slope)));
}
sn_expr sn_gelu_tanh_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "gelu_tanh", .in = &a, .n_in = 1}, gelu_tanh, file, line);
}

/* ---- bools over axes --------------------------------------------------------------------------------------------- */

/* Extrema of the bytes 0 and 1. Those of nothing are the least and the greatest u8, which are false and true. */
static void bools(ir_build *b) {
    ir_id x = ir_strong(b->g, b->name, b->a, SN_BOOL);
    if (dtype_of(b, x) != SN_BOOL)
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: takes bools: %s; compare it with something", b->name,
                  ir_describe(b->g, x).text);
    ir_id extreme = ir_reduce(b->g, b->op, ir_cast(b->g, x, SN_U8), ir_build_axes(b, x), b->keep);
    b->out = ir_cast(b->g, extreme, SN_BOOL);
}
sn_expr sn_any_at(sn_expr a, sn_axes axes, int keep, const char *file, int line) {
    ir_build call = {.name = "any", .op = IR_RMAX, .in = &a, .n_in = 1, .axes = axes, .keep = keep};
    return ir_build_run(&call, bools, file, line);
}
sn_expr sn_all_at(sn_expr a, sn_axes axes, int keep, const char *file, int line) {
    ir_build call = {.name = "all", .op = IR_RMIN, .in = &a, .n_in = 1, .axes = axes, .keep = keep};
    return ir_build_run(&call, bools, file, line);
}

/* ---- along an axis ----------------------------------------------------------------------------------------------- */

static void recurrence(ir_build *b) {
    ir_id like = binary(b, IR_ADD, b->a, b->b);
    b->out = ir_recurrence(b->g, b->a, b->b, ir_build_axis(b, like, b->axis), b->keep);
}
sn_expr sn_recurrence_at(sn_expr a, sn_expr b, int32_t axis, int back, const char *file, int line) {
    ir_build call = {.name = "recurrence", .in = (sn_expr[]){a, b}, .n_in = 2, .axis = axis, .keep = back};
    return ir_build_run(&call, recurrence, file, line);
}

/* b->step: without the element itself. */
static void running(ir_build *b) {
    ir_id x = ir_typed(b->g, b->a);
    uint32_t axis = ir_build_axis(b, x, b->axis);
    if (dtype_of(b, x) == SN_BOOL)
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: not for bool: %s; convert with sn_cast", b->name,
                  ir_describe(b->g, x).text);
    if (b->op == IR_SUM)
        b->out = ir_cumsum(b->g, x, axis, b->step != 0, b->keep);
    else
        b->out = ir_cumprod(b->g, x, axis, b->step != 0, b->keep);
}
sn_expr sn_cumsum_at(sn_expr a, int32_t axis, int exclusive, int back, const char *file, int line) {
    ir_build call = {
        .name = "cumsum", .op = IR_SUM, .in = &a, .n_in = 1, .axis = axis, .step = exclusive, .keep = back};
    return ir_build_run(&call, running, file, line);
}
sn_expr sn_cumprod_at(sn_expr a, int32_t axis, int exclusive, int back, const char *file, int line) {
    ir_build call = {
        .name = "cumprod", .op = IR_PROD, .in = &a, .n_in = 1, .axis = axis, .step = exclusive, .keep = back};
    return ir_build_run(&call, running, file, line);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static void eye(ir_build *b) {
    ir_dim dims[2] = {ir_build_dim(b, b->dim), ir_build_dim(b, b->stop)};
    const uint8_t down[] = {0}, across[] = {1};
    ir_check_shape(b->g, b->name, 2, dims);
    ir_id row = ir_broadcast(b->g, ir_iota(b->g, SN_I64, dims[0]), 2, dims, down);
    ir_id column = ir_broadcast(b->g, ir_iota(b->g, SN_I64, dims[1]), 2, dims, across);
    b->out = ir_cast(b->g, binary(b, IR_EQ, row, column), b->dtype);
}
sn_expr sn_eye_at(sn_graph *graph, sn_dtype dtype, sn_dim rows, sn_dim columns, const char *file, int line) {
    ir_build call = {.name = "eye", .g = graph, .dtype = dtype, .dim = rows, .stop = columns};
    return ir_build_run(&call, eye, file, line);
}

static int is_zero(const ir_graph *g, ir_dim d) {
    int64_t n;
    return ir_dim_is_const(g, d, &n) && n == 0;
}

/* Zeros around a; then the value, where the index along some axis lies outside of a. */
static void pad(ir_build *b) {
    ir_graph *g = b->g;
    b->a = ir_typed(g, b->a);
    ir_id value = ir_strong(g, b->name, b->b, dtype_of(b, b->a)), inside = 0;
    const ir_node n = *ir_at(g, b->a);
    const sn_shape *amount = b->arg;
    if (ir_at(g, value)->rank || dtype_of(b, value) != dtype_of(b, b->a))
        base_fail(&g->trap, SN_ERR_DTYPE, "pad: the value must be a scalar of the operand's element type: %s, %s",
                  ir_describe(g, value).text, ir_describe(g, b->a).text);
    if (amount[0].rank != n.rank || amount[1].rank != n.rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "pad: %d and %d amounts for %s; one of each for every axis",
                  (int)amount[0].rank, (int)amount[1].rank, ir_describe(g, b->a).text);
    ir_range range[SN_MAX_RANK];
    ir_dim dims[SN_MAX_RANK], zero = ir_dim_const(g, 0);
    for (uint32_t i = 0; i < n.rank; i++) {
        ir_dim low = ir_build_dim(b, amount[0].dim[i]), high = ir_build_dim(b, amount[1].dim[i]);
        char what[BASE_TEXT_MAX / 2];
        snprintf(what, sizeof what, "pad: axis %u: the amounts %s and %s must not be negative", i,
                 ir_dim_text(g, low).text, ir_dim_text(g, high).text);
        ir_dim_at_most(g, zero, low, what);
        ir_dim_at_most(g, zero, high, what);
        range[i] = (ir_range){.start = low, .step = 1, .size = n.dim[i]};
        dims[i] = ir_dim_add(g, ir_dim_add(g, low, n.dim[i]), high);
    }
    b->out = ir_pad(g, b->a, range, dims);
    for (uint32_t i = 0; i < n.rank; i++) {
        const uint8_t map = (uint8_t)i;
        ir_id index = ir_broadcast(g, ir_iota(g, SN_I64, dims[i]), n.rank, dims, &map);
        ir_dim end = ir_dim_add(g, range[i].start, n.dim[i]);
        ir_id bound[2] = {0, 0};
        if (!is_zero(g, range[i].start)) bound[0] = binary(b, IR_GE, index, ir_dim_node(g, range[i].start));
        if (end != dims[i]) bound[1] = binary(b, IR_LT, index, ir_dim_node(g, end));
        for (int k = 0; k < 2; k++)
            if (bound[k]) inside = inside ? binary(b, IR_AND, inside, bound[k]) : bound[k];
    }
    const ir_node *v = ir_at(g, value);
    int is_zeros = v->op == IR_CONST && v->attr[0] == 0;
    if (inside && !is_zeros) b->out = ir_select(g, inside, b->out, value);
}
sn_expr sn_pad_at(sn_expr a, sn_shape low, sn_shape high, sn_expr value, const char *file, int line) {
    sn_shape amount[2] = {low, high};
    ir_build call = {.name = "pad", .in = (sn_expr[]){a, value}, .n_in = 2, .arg = amount};
    return ir_build_run(&call, pad, file, line);
}
