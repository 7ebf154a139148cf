/* What rewrite rules share: questions about nodes, and small nodes of a given shape. */
#include <string.h>

#include "ir/pass.h"

int ir_is_only_use(const ir_rewrite *rw, const ir_node *n, uint32_t operand) {
    ir_id before = ir_at(rw->from, rw->at)->in[operand];
    return ir_at(rw->from, before)->op == ir_in(rw, n, operand)->op && rw->uses[before] == 1;
}

int ir_is_unit(const ir_graph *g, ir_dim d) {
    int64_t n;
    return ir_dim_is_const(g, d, &n) && n == 1;
}

int ir_same_dims(const ir_node *a, const ir_node *b) {
    return a->rank == b->rank && !memcmp(a->dim, b->dim, a->rank * sizeof *a->dim);
}

uint64_t ir_bits_of(sn_dtype dtype, double value) {
    if (base_is_float(dtype)) return base_float_bits(dtype, value);
    switch (dtype) {
        case SN_I64: return (uint64_t)(int64_t)value;
        case SN_I32: return (uint32_t)(int32_t)value;
        default: return (uint8_t)value;
    }
}

int ir_splat(const ir_graph *g, ir_id id, uint64_t *bits) {
    const ir_node *n = ir_at(g, id);
    if (n->op == IR_BROADCAST) n = ir_at(g, n->in[0]);
    if (n->op != IR_CONST) return 0;
    *bits = (uint64_t)n->attr[0];
    return 1;
}

int ir_splat_is(const ir_graph *g, ir_id id, double value) {
    uint64_t bits;
    sn_dtype dtype = (sn_dtype)ir_at(g, id)->dtype;
    if (dtype == SN_U8 && value < 0) return 0;
    return ir_splat(g, id, &bits) && bits == ir_bits_of(dtype, value);
}

static ir_id make(ir_graph *g, const ir_node *like, ir_op op, uint16_t n_in, const ir_id *in, uint16_t n_attr,
                  const int64_t *attr) {
    ir_node node = *like;
    node.op = (uint8_t)op;
    node.n_in = n_in;
    node.in = in;
    node.n_attr = n_attr;
    node.attr = attr;
    return ir_intern(g, &node);
}

ir_id ir_make_splat(ir_graph *g, const ir_node *like, uint64_t bits) {
    ir_id scalar = ir_const_bits(g, (sn_dtype)like->dtype, bits);
    return like->rank ? ir_make_broadcast(g, like, scalar, NULL) : scalar;
}

ir_id ir_make_unary(ir_graph *g, const ir_node *like, ir_op op, ir_id a) { return make(g, like, op, 1, &a, 0, NULL); }

ir_id ir_make_binary(ir_graph *g, const ir_node *like, ir_op op, ir_id a, ir_id b) {
    return make(g, like, op, 2, (const ir_id[]){a, b}, 0, NULL);
}

ir_id ir_make_reshape(ir_graph *g, const ir_node *like, ir_id a) { return make(g, like, IR_RESHAPE, 1, &a, 0, NULL); }

ir_id ir_make_broadcast(ir_graph *g, const ir_node *like, ir_id a, const int64_t *map) {
    return make(g, like, IR_BROADCAST, 1, &a, ir_at(g, a)->rank, map);
}
