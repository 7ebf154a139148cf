/* Composite operators: means, arg-reductions, softmax and losses, written in the primitives of ops.def.
 *
 * They are numerically stable as written: exponentials are taken after the largest element was subtracted, through
 * which no gradient flows, because the result does not depend on it. Picking one element per row by class id is
 * comparing with an index (iota == id), which fuses and differentiates like any element-wise operator.
 *
 * What takes sums of f16 or bf16 does so in f32 and rounds the result: numbers of elements, sums and their logarithms
 * need not be values of so narrow a type, where the result is. */
#include "ir/builder.h"

#include <math.h>
#include <stdio.h>

#include "ir/infer.h"

/* ---- small words ------------------------------------------------------------------------------------------------- */

static ir_id add(ir_build *b, ir_id x, ir_id y) { return ir_binary(b->g, IR_ADD, x, y); }
static ir_id sub(ir_build *b, ir_id x, ir_id y) { return ir_binary(b->g, IR_SUB, x, y); }
static ir_id mul(ir_build *b, ir_id x, ir_id y) { return ir_binary(b->g, IR_MUL, x, y); }
static ir_id expo(ir_build *b, ir_id x) { return ir_unary(b->g, IR_EXP, x); }
static ir_id logarithm(ir_build *b, ir_id x) { return ir_unary(b->g, IR_LOG, x); }
static ir_id number(ir_build *b, double value) { return ir_const_weak(b->g, value); }
static sn_dtype dtype_of(const ir_build *b, ir_id x) { return (sn_dtype)ir_at(b->g, x)->dtype; }

static ir_id widened(ir_build *b, ir_id x) { return ir_cast(b->g, x, base_register_type(dtype_of(b, x))); }
/* A result, as the operand x has it. */
static ir_id as(ir_build *b, ir_id result, ir_id x) { return ir_cast(b->g, result, dtype_of(b, x)); }

/* ids of a type that the operators take: u8 is widened. */
static ir_id class_ids(ir_build *b, ir_id ids) {
    if (dtype_of(b, ids) == SN_U8) ids = ir_cast(b->g, ids, SN_I32);
    if (dtype_of(b, ids) != SN_I64 && dtype_of(b, ids) != SN_I32)
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: ids must be i64, i32 or u8: %s; convert with sn_cast", b->name,
                  ir_describe(b->g, ids).text);
    return ids;
}

/* The bools "index along a new last axis == id". */
static ir_id hits(ir_build *b, ir_id ids, ir_dim classes) {
    const ir_node *n = ir_at(b->g, ids);
    if (n->rank == SN_MAX_RANK)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "%s: no room for another axis: %s", b->name, ir_describe(b->g, ids).text);
    ir_dim dims[SN_MAX_RANK];
    uint8_t map[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) {
        dims[i] = n->dim[i];
        map[i] = (uint8_t)i;
    }
    dims[n->rank] = classes;
    ir_id index = ir_iota(b->g, (sn_dtype)n->dtype, classes);
    return ir_binary(b->g, IR_EQ, index, ir_broadcast(b->g, ids, n->rank + 1u, dims, map));
}

/* ---- means ------------------------------------------------------------------------------------------------------- */

/* Number of elements in the axes, i64. */
static ir_id count(ir_build *b, ir_id x, uint32_t axes) {
    ir_dim n = ir_dim_const(b->g, 1);
    for (uint32_t i = 0; i < ir_at(b->g, x)->rank; i++)
        if (axes >> i & 1) n = ir_dim_mul(b->g, n, ir_at(b->g, x)->dim[i]);
    return ir_dim_node(b->g, n);
}

/* 1 / that, as a scalar of dtype. */
static ir_id inverse_count(ir_build *b, ir_id x, uint32_t axes) {
    return ir_unary(b->g, IR_RECIPROCAL, ir_cast(b->g, count(b, x, axes), dtype_of(b, x)));
}

static ir_id mean_over(ir_build *b, ir_id x, uint32_t axes, int keep) {
    ir_id wide = widened(b, x), inverse = inverse_count(b, wide, axes);
    return as(b, mul(b, ir_reduce(b->g, IR_SUM, wide, axes, keep), inverse), x);
}

static uint32_t all_axes(const ir_build *b, ir_id x) { return ((uint32_t)1 << ir_at(b->g, x)->rank) - 1; }

static void mean(ir_build *b) {
    b->a = ir_build_float(b, b->a);
    b->out = mean_over(b, b->a, ir_build_axes(b, b->a), b->keep);
}
sn_expr sn_mean_at(sn_expr a, sn_axes axes, int keep, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "mean", .in = &a, .n_in = 1, .axes = axes, .keep = keep}, mean, file, line);
}

static void mean_all(ir_build *b) {
    b->a = ir_build_float(b, b->a);
    b->out = mean_over(b, b->a, all_axes(b, b->a), 0);
}
sn_expr sn_mean_all_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "mean_all", .in = &a, .n_in = 1}, mean_all, file, line);
}

static ir_id squared_distance(ir_build *b, uint32_t axes) {
    b->a = ir_build_float(b, b->a);
    ir_id x = widened(b, b->a);
    return ir_unary(b->g, IR_SQUARE, sub(b, x, mean_over(b, x, axes, 1)));
}

static void variance(ir_build *b) {
    uint32_t axes = ir_build_axes(b, b->a);
    b->out = as(b, mean_over(b, squared_distance(b, axes), axes, b->keep), b->a);
}
sn_expr sn_variance_at(sn_expr a, sn_axes axes, int keep, const char *file, int line) {
    ir_build call = {.name = "variance", .in = &a, .n_in = 1, .axes = axes, .keep = keep};
    return ir_build_run(&call, variance, file, line);
}

/* b->step: what is taken from the number of elements. */
static void variance_ddof(ir_build *b) {
    uint32_t axes = ir_build_axes(b, b->a);
    ir_id squares = squared_distance(b, axes), n = count(b, b->a, axes);
    if (b->step) n = sub(b, n, ir_const(b->g, SN_I64, (double)b->step));
    ir_id total = ir_reduce(b->g, IR_SUM, squares, axes, b->keep);
    b->out = ir_binary(b->g, IR_DIV, total, ir_cast(b->g, n, dtype_of(b, total)));
}

static void variance_of(ir_build *b) {
    variance_ddof(b);
    b->out = as(b, b->out, b->a);
}
sn_expr sn_variance_ddof_at(sn_expr a, sn_axes axes, int ddof, int keep, const char *file, int line) {
    ir_build call = {.name = "variance_ddof", .in = &a, .n_in = 1, .axes = axes, .step = ddof, .keep = keep};
    return ir_build_run(&call, variance_of, file, line);
}

static void deviation(ir_build *b) {
    variance_ddof(b);
    b->out = as(b, ir_unary(b->g, IR_SQRT, b->out), b->a);
}
sn_expr sn_std_at(sn_expr a, sn_axes axes, int ddof, int keep, const char *file, int line) {
    ir_build call = {.name = "std", .in = &a, .n_in = 1, .axes = axes, .step = ddof, .keep = keep};
    return ir_build_run(&call, deviation, file, line);
}

/* Losses do not broadcast anything but scalars: [N] against [N,1] would silently compare all pairs. */
static void same_shapes(ir_build *b, ir_id x, ir_id y) {
    const ir_node *n = ir_at(b->g, x), *m = ir_at(b->g, y);
    if (!n->rank || !m->rank) return;
    char what[BASE_TEXT_MAX / 2];
    snprintf(what, sizeof what, "%s: shapes differ: %s, %s", b->name, ir_describe(b->g, x).text,
             ir_describe(b->g, y).text);
    if (n->rank != m->rank) base_fail(&b->g->trap, SN_ERR_SHAPE, "%s", what);
    for (uint32_t i = 0; i < n->rank; i++) ir_dim_same(b->g, n->dim[i], m->dim[i], what);
}

static void mse(ir_build *b) {
    b->a = ir_build_float(b, ir_strong(b->g, b->name, b->a, dtype_of(b, b->b)));
    same_shapes(b, b->a, b->b);
    ir_id difference = sub(b, b->a, b->b), squares = ir_unary(b->g, IR_SQUARE, widened(b, difference));
    b->out = as(b, mean_over(b, squares, all_axes(b, squares), 0), difference);
}
sn_expr sn_mse_at(sn_expr a, sn_expr b, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "mse", .in = (sn_expr[]){a, b}, .n_in = 2}, mse, file, line);
}

/* ---- index of the largest ---------------------------------------------------------------------------------------- */

static void arg_extreme(ir_build *b) {
    ir_graph *g = b->g;
    ir_id x = ir_typed(g, b->a);
    uint32_t axis = ir_build_axis(b, x, b->axis);
    if (!ir_type_in(ir_ops[b->op].types, dtype_of(b, x)))
        base_fail(&g->trap, SN_ERR_DTYPE, "%s: not for bool: %s; convert with sn_cast", b->name,
                  ir_describe(g, x).text);
    char what[BASE_TEXT_MAX / 2];
    snprintf(what, sizeof what, "%s: axis %u must not be empty: %s", b->name, axis, ir_describe(g, x).text);
    ir_dim_at_most(g, ir_dim_const(g, 1), ir_at(g, x)->dim[axis], what);
    b->out = ir_reduce(g, b->op, x, (uint32_t)1 << axis, b->keep);
}
sn_expr sn_argmax_at(sn_expr a, int32_t axis, int keep, const char *file, int line) {
    ir_build call = {.name = "argmax", .op = IR_ARGMAX, .in = &a, .n_in = 1, .axis = axis, .keep = keep};
    return ir_build_run(&call, arg_extreme, file, line);
}
sn_expr sn_argmin_at(sn_expr a, int32_t axis, int keep, const char *file, int line) {
    ir_build call = {.name = "argmin", .op = IR_ARGMIN, .in = &a, .n_in = 1, .axis = axis, .keep = keep};
    return ir_build_run(&call, arg_extreme, file, line);
}

/* ---- softmax ----------------------------------------------------------------------------------------------------- */

/* x with an axis of size 1 put in. */
static ir_id with_axis(ir_build *b, ir_id x, uint32_t axis) {
    const ir_node *n = ir_at(b->g, x);
    ir_dim dims[SN_MAX_RANK];
    uint8_t map[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) {
        map[i] = (uint8_t)(i < axis ? i : i + 1);
        dims[map[i]] = n->dim[i];
    }
    dims[axis] = ir_dim_const(b->g, 1);
    return ir_broadcast(b->g, x, n->rank + 1u, dims, map);
}

/* The largest along an axis, which stays with size 1; a constant to gradients. */
static ir_id largest(ir_build *b, ir_id x, uint32_t axis) {
    return with_axis(b, ir_stop_gradient(b->g, ir_reduce(b->g, IR_RMAX, x, (uint32_t)1 << axis, 0)), axis);
}

static void softmax(ir_build *b) {
    ir_id x = ir_build_float(b, b->a);
    uint32_t axis = ir_build_axis(b, x, b->axis);
    ir_id e = expo(b, widened(b, sub(b, x, largest(b, x, axis))));
    /* One division a row. */
    ir_id scale = ir_unary(b->g, IR_RECIPROCAL, ir_reduce(b->g, IR_SUM, e, (uint32_t)1 << axis, 1));
    b->out = as(b, ir_binary(b->g, IR_MUL, e, scale), x);
}
sn_expr sn_softmax_at(sn_expr a, int32_t axis, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "softmax", .in = &a, .n_in = 1, .axis = axis}, softmax, file, line);
}

static ir_id log_softmax_over(ir_build *b, ir_id x, uint32_t axis) {
    ir_id z = widened(b, sub(b, x, largest(b, x, axis)));
    return sub(b, z, logarithm(b, ir_reduce(b->g, IR_SUM, expo(b, z), (uint32_t)1 << axis, 1)));
}

static void log_softmax(ir_build *b) {
    ir_id x = ir_build_float(b, b->a);
    b->out = as(b, log_softmax_over(b, x, ir_build_axis(b, x, b->axis)), x);
}
sn_expr sn_log_softmax_at(sn_expr a, int32_t axis, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "log_softmax", .in = &a, .n_in = 1, .axis = axis}, log_softmax, file, line);
}

static void logsumexp(ir_build *b) {
    ir_graph *g = b->g;
    ir_id x = ir_build_float(b, b->a);
    uint32_t axis = ir_build_axis(b, x, b->axis), axes = (uint32_t)1 << axis;
    /* Infinite rows: nothing may be subtracted, since infinity - infinity is NaN where the result is infinite. */
    ir_id m = ir_reduce(g, IR_RMAX, x, axes, 0);
    ir_id infinity = number(b, INFINITY), finite = ir_binary(g, IR_LT, ir_unary(g, IR_ABS, m), infinity);
    m = ir_stop_gradient(g, ir_select(g, finite, m, number(b, 0)));
    ir_id sum = ir_reduce(g, IR_SUM, expo(b, widened(b, sub(b, x, with_axis(b, m, axis)))), axes, 0);
    b->out = as(b, add(b, logarithm(b, sum), widened(b, m)), x);
    if (b->keep) b->out = with_axis(b, b->out, axis);
}
sn_expr sn_logsumexp_at(sn_expr a, int32_t axis, int keep, const char *file, int line) {
    ir_build call = {.name = "logsumexp", .in = &a, .n_in = 1, .axis = axis, .keep = keep};
    return ir_build_run(&call, logsumexp, file, line);
}

/* ---- losses ------------------------------------------------------------------------------------------------------ */

/* log(sum(exp(z))) - z[id] with z = logits - max; NaN where there is no such class. */
static void cross_entropy(ir_build *b) {
    ir_graph *g = b->g;
    ir_id x = ir_build_float(b, b->a), ids = class_ids(b, b->b);
    const ir_node *n = ir_at(g, x);
    char what[BASE_TEXT_MAX / 2];
    snprintf(what, sizeof what, "cross_entropy: ids must have the logits' axes but the last: %s, %s",
             ir_describe(g, x).text, ir_describe(g, ids).text);
    if (n->rank != ir_at(g, ids)->rank + 1) base_fail(&g->trap, SN_ERR_SHAPE, "%s", what);
    uint32_t last = n->rank - 1u, axes = (uint32_t)1 << last;
    ir_dim rows[SN_MAX_RANK];
    for (uint32_t i = 0; i < last; i++) rows[i] = ir_dim_same(g, n->dim[i], ir_at(g, ids)->dim[i], what);
    ids = ir_broadcast_to(g, ids, last, rows);
    rows[last] = n->dim[last];
    x = ir_broadcast_to(g, x, n->rank, rows);

    ir_id z = widened(b, sub(b, x, largest(b, x, last)));
    ir_id norm = logarithm(b, ir_reduce(g, IR_SUM, expo(b, z), axes, 0));
    ir_id zero = number(b, 0);
    ir_id picked = ir_reduce(g, IR_SUM, ir_select(g, hits(b, ids, rows[last]), z, zero), axes, 0);
    ir_id classes = ir_cast(g, ir_dim_node(g, rows[last]), dtype_of(b, ids));
    ir_id below = ir_binary(g, IR_LT, ids, classes);
    ir_id valid = ir_binary(g, IR_AND, ir_binary(g, IR_GE, ids, zero), below), none = number(b, NAN);
    b->out = ir_select(g, valid, as(b, sub(b, norm, picked), x), none);
}
sn_expr sn_cross_entropy_at(sn_expr logits, sn_expr ids, const char *file, int line) {
    ir_build call = {.name = "cross_entropy", .in = (sn_expr[]){logits, ids}, .n_in = 2};
    return ir_build_run(&call, cross_entropy, file, line);
}

static void cross_entropy_probs(ir_build *b) {
    ir_graph *g = b->g;
    ir_id x = ir_build_float(b, b->a), p = ir_build_float(b, b->b);
    const ir_node *n = ir_at(g, x);
    if (!n->rank || !ir_at(g, p)->rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "cross_entropy_probs: a scalar has no classes: %s, %s",
                  ir_describe(g, x).text, ir_describe(g, p).text);
    same_shapes(b, x, p);
    uint32_t last = n->rank - 1u;
    if (dtype_of(b, p) != dtype_of(b, x)) mul(b, p, x); /* fails, with the sentence of every operator */
    ir_id losses = mul(b, widened(b, p), log_softmax_over(b, x, last));
    b->out = as(b, ir_unary(g, IR_NEG, ir_reduce(g, IR_SUM, losses, (uint32_t)1 << last, 0)), x);
}
sn_expr sn_cross_entropy_probs_at(sn_expr logits, sn_expr probs, const char *file, int line) {
    ir_build call = {.name = "cross_entropy_probs", .in = (sn_expr[]){logits, probs}, .n_in = 2};
    return ir_build_run(&call, cross_entropy_probs, file, line);
}

static void one_hot(ir_build *b) {
    ir_dim classes = ir_build_dim(b, b->dim);
    ir_id hit = hits(b, class_ids(b, b->a), classes);
    b->out = ir_cast(b->g, hit, b->dtype);
}
sn_expr sn_one_hot_at(sn_expr ids, sn_dim classes, sn_dtype dtype, const char *file, int line) {
    ir_build call = {.name = "one_hot", .in = &ids, .n_in = 1, .dim = classes, .dtype = dtype};
    return ir_build_run(&call, one_hot, file, line);
}

static void linear(ir_build *b) { b->out = add(b, ir_matmul(b->g, b->a, b->b), b->c); }
sn_expr sn_linear_at(sn_expr x, sn_expr weight, sn_expr bias, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "linear", .in = (sn_expr[]){x, weight, bias}, .n_in = 3}, linear, file,
                        line);
}
