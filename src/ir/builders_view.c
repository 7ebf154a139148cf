/* The public builders that change shapes: they turn the caller's axes, negative positions and sizes to be inferred into
 * what the operators of graph.h take. */
#include "ir/builder.h"

#include "ir/infer.h"

/* ---- reshape, transpose, broadcast ------------------------------------------------------------------------------- */

/* The size that makes the number of elements come out, for the axis that was given as -1. */
static ir_dim inferred_size(ir_build *b, uint32_t rank, const ir_dim *dims, uint32_t axis) {
    const ir_node *n = ir_at(b->g, b->a);
    ir_dim others[SN_MAX_RANK];
    uint32_t n_other = 0;
    for (uint32_t i = 0; i < rank; i++)
        if (i != axis) others[n_other++] = dims[i];
    ir_dim have = ir_dim_product_without(b->g, n->rank, n->dim, n_other, others);
    ir_dim used = ir_dim_product_without(b->g, n_other, others, n->rank, n->dim);
    int64_t divisor;
    ir_dim size = ir_dim_is_const(b->g, used, &divisor) ? ir_dim_divide(b->g, have, divisor) : 0;
    if (!size)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "reshape: no size for axis %u: %s elements of %s, in parts of %s", axis,
                  ir_dim_text(b->g, have).text, ir_describe(b->g, b->a).text, ir_dim_text(b->g, used).text);
    return size;
}

static void reshape(ir_build *b) {
    b->a = ir_typed(b->g, b->a);
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = ir_build_shape(b, dims), unknown = rank;
    for (uint32_t i = 0; i < rank; i++) {
        if (b->shape.dim[i].id || b->shape.dim[i].value != -1) continue;
        if (unknown < rank) base_fail(&b->g->trap, SN_ERR_SHAPE, "reshape: more than one size is -1");
        unknown = i;
    }
    if (unknown < rank) dims[unknown] = inferred_size(b, rank, dims, unknown);
    b->out = ir_reshape(b->g, b->a, rank, dims);
}
sn_expr sn_reshape_at(sn_expr a, sn_shape shape, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "reshape", .in = &a, .n_in = 1, .shape = shape}, reshape, file, line);
}

static void transpose(ir_build *b) {
    int rank = ir_at(b->g, b->a)->rank;
    if (b->axes.n != rank)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "transpose: the list must name all %d axes: %s", rank,
                  ir_describe(b->g, b->a).text);
    uint8_t perm[SN_MAX_RANK];
    for (int i = 0; i < rank; i++) perm[i] = (uint8_t)ir_build_axis(b, b->a, b->axes.axis[i]);
    b->out = ir_transpose(b->g, b->a, perm);
}
sn_expr sn_transpose_at(sn_expr a, sn_axes axes, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "transpose", .in = &a, .n_in = 1, .axes = axes}, transpose, file, line);
}

static void swap(ir_build *b) {
    if (ir_at(b->g, b->a)->rank != 2)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "t: not a matrix: %s; use sn_transpose", ir_describe(b->g, b->a).text);
    b->out = ir_transpose(b->g, b->a, (const uint8_t[]){1, 0});
}
sn_expr sn_t_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "t", .in = &a, .n_in = 1}, swap, file, line);
}

static void broadcast_to(ir_build *b) {
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = ir_build_shape(b, dims);
    b->out = ir_broadcast_to(b->g, b->a, rank, dims);
}
sn_expr sn_broadcast_to_at(sn_expr a, sn_shape shape, const char *file, int line) {
    ir_build call = {.name = "broadcast_to", .in = &a, .n_in = 1, .shape = shape};
    return ir_build_run(&call, broadcast_to, file, line);
}

static void expand(ir_build *b) {
    const ir_node *n = ir_at(b->g, b->a);
    int32_t rank = n->rank + 1;
    if (rank > SN_MAX_RANK || b->axis < -rank || b->axis >= rank)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "expand: no room for an axis at %d: %s", (int)b->axis,
                  ir_describe(b->g, b->a).text);
    int32_t at = b->axis < 0 ? b->axis + rank : b->axis;
    ir_dim dims[SN_MAX_RANK];
    uint8_t map[SN_MAX_RANK];
    for (int32_t i = 0; i < n->rank; i++) {
        map[i] = (uint8_t)(i < at ? i : i + 1);
        dims[map[i]] = n->dim[i];
    }
    dims[at] = ir_dim_const(b->g, 1);
    b->out = ir_broadcast(b->g, b->a, (uint32_t)rank, dims, map);
}
sn_expr sn_expand_at(sn_expr a, int32_t axis, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "expand", .in = &a, .n_in = 1, .axis = axis}, expand, file, line);
}

/* ---- slices ------------------------------------------------------------------------------------------------------ */

/* Ranges that take everything. */
static void whole(const ir_build *b, ir_range range[SN_MAX_RANK]) {
    const ir_node *n = ir_at(b->g, b->a);
    for (int i = 0; i < n->rank; i++) range[i] = (ir_range){.step = 1, .size = n->dim[i]};
}

/* A position on an axis of this size: negative constants count from the end, SN_END is the end. */
static ir_dim position(ir_build *b, sn_dim at, ir_dim size) {
    if (at.id || (at.value >= 0 && at.value != INT64_MAX)) return ir_build_dim(b, at);
    return at.value < 0 ? ir_dim_add(b->g, size, ir_dim_const(b->g, at.value)) : size;
}

static void slice(ir_build *b) {
    uint32_t axis = ir_build_axis(b, b->a, b->axis);
    ir_dim size = ir_at(b->g, b->a)->dim[axis];
    ir_dim start = position(b, b->dim, size), stop = position(b, b->stop, size);
    ir_dim length = ir_dim_sub(b->g, stop, start);
    int64_t n;
    int constant = ir_dim_is_const(b->g, length, &n);
    if (constant && n < 0)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "%s: start %s lies after stop %s: %s", b->name,
                  ir_dim_text(b->g, start).text, ir_dim_text(b->g, stop).text, ir_describe(b->g, b->a).text);
    if (b->step < 1)
        base_fail(&b->g->trap, SN_ERR_ARGUMENT, "%s: step %lld is not positive", b->name, (long long)b->step);
    if (b->step > 1) {
        if (!constant)
            base_fail(&b->g->trap, SN_ERR_SHAPE, "%s: the distance %s of start and stop must be a constant", b->name,
                      ir_dim_text(b->g, length).text);
        length = ir_dim_const(b->g, n / b->step + (n % b->step != 0));
    }
    ir_range range[SN_MAX_RANK];
    whole(b, range);
    range[axis] = (ir_range){.start = start, .step = b->step, .size = length};
    b->out = ir_slice(b->g, b->a, range);
}
sn_expr sn_slice_at(sn_expr a, int32_t axis, sn_dim start, sn_dim stop, const char *file, int line) {
    ir_build call = {.name = "slice", .in = &a, .n_in = 1, .axis = axis, .dim = start, .stop = stop, .step = 1};
    return ir_build_run(&call, slice, file, line);
}
sn_expr sn_slice_step_at(sn_expr a, int32_t axis, sn_dim start, sn_dim stop, int64_t step, const char *file, int line) {
    ir_build call = {.name = "slice_step", .in = &a, .n_in = 1, .axis = axis, .dim = start, .stop = stop, .step = step};
    return ir_build_run(&call, slice, file, line);
}

static void slice_at_index(ir_build *b) {
    uint32_t axis = ir_build_axis(b, b->a, b->axis);
    ir_id start = ir_strong(b->g, b->name, b->b, SN_I64);
    if (ir_at(b->g, start)->rank || !ir_type_in(IR_T_I, (sn_dtype)ir_at(b->g, start)->dtype))
        base_fail(&b->g->trap, SN_ERR_DTYPE, "slice_at_index: the start must be an integer scalar: %s",
                  ir_describe(b->g, start).text);
    ir_range range[SN_MAX_RANK];
    whole(b, range);
    range[axis] = (ir_range){.runtime = ir_cast(b->g, start, SN_I64), .step = 1, .size = ir_build_dim(b, b->dim)};
    b->out = ir_slice(b->g, b->a, range);
}
sn_expr sn_slice_at_index_at(sn_expr a, int32_t axis, sn_expr start, sn_dim size, const char *file, int line) {
    ir_build call = {.name = "slice_at_index", .in = (sn_expr[]){a, start}, .n_in = 2, .axis = axis, .dim = size};
    return ir_build_run(&call, slice_at_index, file, line);
}

/* ---- concat ------------------------------------------------------------------------------------------------------ */

static void concat(ir_build *b) {
    if (b->n_in > UINT16_MAX) base_fail(&b->g->trap, SN_ERR_ARGUMENT, "concat: more than %d operands", UINT16_MAX);
    ir_id *in = ARENA_ARRAY(&b->g->arena, ir_id, b->n_in);
    for (size_t i = 0; i < b->n_in; i++) in[i] = ir_typed(b->g, b->in[i].id);
    b->out = ir_concat(b->g, (uint32_t)b->n_in, in, ir_build_axis(b, in[0], b->axis));
}
sn_expr sn_concat_at(const sn_expr *a, size_t n, int32_t axis, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "concat", .in = a, .n_in = a ? n : 0, .axis = axis}, concat, file, line);
}
