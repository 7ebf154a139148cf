/* Gradient rules of operators that move elements, and of the leaves. Slice and pad undo each other with the same
 * attributes, gather and scatter_add with the same ids. */
#include "autodiff/vjp.h"

VJP_NONE(input)
VJP_NONE(var)
VJP_NONE(const)
VJP_NONE(iota)
VJP_NONE(dim_value)
VJP_ZERO(stop_gradient)

VJP(reshape) {
    const ir_node x = *ir_at(v->g, v->in[0]);
    vjp_give(v, 0, ir_reshape(v->g, v->dy, x.rank, x.dim));
}

VJP(transpose) {
    uint8_t inverse[SN_MAX_RANK];
    for (uint32_t i = 0; i < v->node->rank; i++) inverse[v->node->attr[i]] = (uint8_t)i;
    vjp_give(v, 0, ir_transpose(v->g, v->dy, inverse));
}

/* The ranges that a slice or pad was made with; part: the node whose dims are the sizes. */
static void ranges_of(vjp_state *v, const ir_node *part, ir_range range[SN_MAX_RANK]) {
    for (uint32_t i = 0; i < part->rank; i++) {
        const int64_t *attr = v->node->attr + i * IR_SLICE_ATTRS;
        range[i] = (ir_range){
            .start = (ir_dim)attr[IR_SLICE_START],
            .step = attr[IR_SLICE_STEP],
            .runtime = attr[IR_SLICE_RUNTIME] ? vjp_fixed(v, v->in[attr[IR_SLICE_RUNTIME]]) : 0,
            .size = part->dim[i],
        };
    }
}

VJP(slice) {
    const ir_node x = *ir_at(v->g, v->in[0]);
    ir_range range[SN_MAX_RANK];
    ranges_of(v, v->node, range);
    vjp_give(v, 0, ir_pad(v->g, v->dy, range, x.dim));
}

VJP(pad) {
    const ir_node x = *ir_at(v->g, v->in[0]);
    ir_range range[SN_MAX_RANK];
    ranges_of(v, &x, range);
    vjp_give(v, 0, ir_slice(v->g, v->dy, range));
}

VJP(concat) {
    uint32_t axis = (uint32_t)v->node->attr[0];
    ir_dim start = ir_dim_const(v->g, 0);
    for (uint32_t k = 0; k < v->node->n_in; k++) {
        const ir_node x = *ir_at(v->g, v->in[k]);
        ir_range range[SN_MAX_RANK];
        for (uint32_t i = 0; i < x.rank; i++) range[i] = (ir_range){.step = 1, .size = v->node->dim[i]};
        range[axis].start = start;
        range[axis].size = x.dim[axis];
        if (vjp_wants(v, k)) vjp_give(v, k, ir_slice(v->g, v->dy, range));
        start = ir_dim_add(v->g, start, x.dim[axis]);
    }
}

/* Rows that several ids named get the sum of their adjoints, in the order of the ids. */
VJP(gather) { vjp_give(v, 0, ir_scatter_add(v->g, vjp_fixed(v, v->in[1]), v->dy, ir_at(v->g, v->in[0])->dim[0])); }
VJP(scatter_add) { vjp_give(v, 1, ir_gather(v->g, v->dy, vjp_fixed(v, v->in[0]))); }
