/* Gradient rules of sums and extrema over axes, and of broadcasting, which is what a sum undoes. */
#include "autodiff/vjp.h"

/* A value of the reduced shape, repeated along the reduced axes. */
static ir_id spread(vjp_state *v, ir_id a) {
    const ir_node *x = ir_at(v->g, v->in[0]);
    uint64_t axes = (uint64_t)v->node->attr[0];
    ir_dim dims[SN_MAX_RANK];
    uint8_t map[SN_MAX_RANK];
    uint32_t rank = x->rank, n = 0;
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = x->dim[i];
        if (!(axes >> i & 1)) map[n++] = (uint8_t)i;
    }
    return ir_broadcast(v->g, a, rank, dims, map);
}

VJP(sum) { vjp_give(v, 0, spread(v, v->dy)); }

/* Elements equal to the extremum share its adjoint equally. */
static void extremum(vjp_state *v) {
    sn_dtype dtype = (sn_dtype)v->node->dtype;
    ir_id mask = vjp_mask(v, IR_EQ, v->in[0], spread(v, v->y));
    ir_id count = ir_reduce(v->g, IR_SUM, ir_cast(v->g, mask, dtype), (uint32_t)v->node->attr[0], 0);
    ir_id share = ir_binary(v->g, IR_DIV, v->dy, count);
    vjp_give(v, 0, ir_select(v->g, mask, spread(v, share), vjp_const(v, 0)));
}

/* What each element is multiplied with: along one axis the product of those before it and of those behind it, without a
 * division, so that zeros are right, and the derivatives of this as well. Several axes are taken one after the other.
 */
VJP(prod) {
    uint32_t axes = (uint32_t)v->node->attr[0], rank = ir_at(v->g, v->in[0])->rank, n = 0;
    ir_id partial[SN_MAX_RANK + 1] = {v->in[0]};
    uint32_t axis[SN_MAX_RANK];
    for (uint32_t a = rank; a-- > 0;) {
        if (!(axes >> a & 1)) continue;
        axis[n] = a;
        partial[n + 1] = ir_reduce(v->g, IR_PROD, partial[n], (uint32_t)1 << a, 1);
        n++;
    }
    ir_id d = vjp_fit(v->g, spread(v, v->dy), v->in[0]);
    for (uint32_t i = 0; i < n; i++) {
        ir_id before = ir_cumprod(v->g, partial[i], axis[i], 1, 0),
              behind = ir_cumprod(v->g, partial[i], axis[i], 1, 1);
        d = vjp_mul(v, d, ir_binary(v->g, IR_MUL, before, behind));
    }
    vjp_give(v, 0, d);
}

/* y[k] = a[k] y[k-1] + b[k]: what arrives at y[k], db[k] = dy[k] + a[k+1] db[k+1], is a recurrence in the other
 * direction, and da[k] = db[k] y[k-1]. */
VJP(recurrence) {
    uint32_t axis = (uint32_t)v->node->attr[0];
    int back = (int)v->node->attr[1];
    double value;
    /* The last factor meets a 0, so that a constant need not be moved. */
    ir_id next = vjp_is_const(v->g, v->in[0], &value) ? v->in[0] : ir_shifted(v->g, v->in[0], axis, !back);
    ir_id db = ir_recurrence(v->g, next, v->dy, axis, !back);
    if (vjp_wants(v, 0)) vjp_give(v, 0, vjp_mul(v, db, ir_shifted(v->g, v->y, axis, back)));
    vjp_give(v, 1, db);
}

VJP(reduce_max) { extremum(v); }
VJP(reduce_min) { extremum(v); }

VJP_NONE(argmax)
VJP_NONE(argmin)

/* The sum over the axes along which the operand was repeated; then its own axes, in its own order. */
VJP(broadcast) {
    const ir_node x = *ir_at(v->g, v->in[0]);
    const ir_node *y = v->node;
    uint32_t summed = (1u << y->rank) - 1;
    for (uint32_t a = 0; a < x.rank; a++) {
        int64_t at = y->attr[a], one;
        int repeated = x.dim[a] != y->dim[at] && ir_dim_is_const(v->g, x.dim[a], &one) && one == 1;
        if (!repeated) summed &= ~(1u << at);
    }
    ir_id d = summed ? ir_reduce(v->g, IR_SUM, v->dy, summed, 0) : v->dy;

    /* The operand's axes that are left, numbered as d has them; perm[i]: the axis of d for the i-th of them. */
    uint8_t perm[SN_MAX_RANK];
    uint32_t n = 0;
    int ordered = 1;
    for (uint32_t a = 0; a < x.rank; a++) {
        uint32_t at = (uint32_t)y->attr[a];
        if (summed >> at & 1) continue;
        perm[n] = (uint8_t)((uint32_t)__builtin_popcount(~summed & ((1u << at) - 1)));
        ordered &= perm[n] == n;
        n++;
    }
    if (!ordered) d = ir_transpose(v->g, d, perm);
    vjp_give(v, 0, n < x.rank ? ir_reshape(v->g, d, x.rank, x.dim) : d);
}
