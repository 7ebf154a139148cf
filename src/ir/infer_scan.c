/* Recurrences along an axis: the operator, and running sums and products written in it. One operator serves them all,
 * because its gradient is again a recurrence, in the other direction, without any division. */
#include "ir/infer.h"

ir_id ir_recurrence(ir_graph *g, ir_id a, ir_id b, uint32_t axis, int back) {
    ir_id both = ir_binary(g, IR_ADD, a, b); /* for its types, its shape and its errors */
    const ir_node *n = ir_at(g, both);
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) dims[i] = n->dim[i];
    if (axis >= n->rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "recurrence: no axis %u: %s", axis, ir_describe(g, both).text);
    sn_dtype dtype = (sn_dtype)n->dtype;
    uint32_t rank = n->rank;
    ir_id in[2] = {ir_broadcast_to(g, ir_strong(g, "recurrence", a, dtype), rank, dims),
                   ir_broadcast_to(g, ir_strong(g, "recurrence", b, dtype), rank, dims)};
    const int64_t attr[2] = {axis, back != 0};
    ir_node node = {.op = IR_RECURRENCE, .dtype = (uint8_t)dtype, .rank = (uint8_t)rank, .n_in = 2, .in = in};
    node.n_attr = 2;
    node.attr = attr;
    for (uint32_t i = 0; i < rank; i++) node.dim[i] = dims[i];
    return ir_intern(g, &node);
}

/* One zero more at one end, one element less at the other. */
ir_id ir_shifted(ir_graph *g, ir_id a, uint32_t axis, int back) {
    const ir_node n = *ir_at(g, a);
    ir_range range[SN_MAX_RANK];
    ir_dim dims[SN_MAX_RANK], one = ir_dim_const(g, 1);
    for (uint32_t i = 0; i < n.rank; i++) {
        range[i] = (ir_range){.step = 1, .size = n.dim[i]};
        dims[i] = n.dim[i];
    }
    dims[axis] = ir_dim_add(g, n.dim[axis], one);
    range[axis].start = back ? 0 : one;
    ir_id longer = ir_pad(g, a, range, dims);
    range[axis].start = back ? one : 0;
    return ir_slice(g, longer, range);
}

ir_id ir_cumsum(ir_graph *g, ir_id a, uint32_t axis, int exclusive, int back) {
    a = ir_typed(g, a);
    ir_id one = ir_const(g, (sn_dtype)ir_at(g, a)->dtype, 1);
    return ir_recurrence(g, one, exclusive ? ir_shifted(g, a, axis, back) : a, axis, back);
}

/* The first factor enters as a term, since what comes before it is 0. */
ir_id ir_cumprod(ir_graph *g, ir_id a, uint32_t axis, int exclusive, int back) {
    a = ir_typed(g, a);
    const ir_node n = *ir_at(g, a);
    const uint8_t map = (uint8_t)axis;
    ir_id index = ir_iota(g, SN_I64, n.dim[axis]), zero = ir_const(g, (sn_dtype)n.dtype, 0);
    ir_id end = ir_binary(g, IR_SUB, ir_dim_node(g, n.dim[axis]), ir_const(g, SN_I64, 1)); /* a dim is never -1 */
    ir_id first = ir_binary(g, IR_EQ, index, back ? end : ir_const(g, SN_I64, 0));
    first = ir_broadcast(g, first, n.rank, n.dim, &map);
    ir_id start = exclusive ? ir_const(g, (sn_dtype)n.dtype, 1) : a;
    ir_id factor = exclusive ? ir_shifted(g, a, axis, back) : ir_select(g, first, zero, a);
    return ir_recurrence(g, factor, ir_select(g, first, start, zero), axis, back);
}
