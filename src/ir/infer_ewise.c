/* Type inference of element-wise operators, casts, broadcasts and reductions.
 *
 * NumPy's broadcasting is made explicit: operands that are smaller get BROADCAST nodes, so the operands of an
 * element-wise node always have one shape. Only a constant size of 1 repeats; dims with different names are taken as
 * equal, which each call checks. Untyped constants take the dtype of the operand that they meet. */
#include <stdio.h>
#include <string.h>

#include "ir/infer.h"

/* ---- texts for messages ------------------------------------------------------------------------------------------ */

static ir_text take(base_strbuf *buf) {
    ir_text t = {""};
    if (buf->at) snprintf(t.text, sizeof t.text, "%s", buf->at);
    if (buf->n >= sizeof t.text) memcpy(t.text + sizeof t.text - 4, "...", 4);
    base_strbuf_free(buf);
    return t;
}

ir_text ir_type_text(const ir_graph *g, ir_id id) {
    base_strbuf buf;
    base_strbuf_init(&buf, g->arena.alloc);
    ir_print_type(g, id, &buf);
    return take(&buf);
}

ir_text ir_describe(const ir_graph *g, ir_id id) {
    base_strbuf buf;
    base_strbuf_init(&buf, g->arena.alloc);
    if (g->label.at[id])
        base_strbuf_printf(&buf, "%.64s is ", g->label.at[id]);
    else
        base_strbuf_printf(&buf, "%%%u is ", id);
    ir_print_type(g, id, &buf);
    return take(&buf);
}

ir_text ir_dim_text(const ir_graph *g, ir_dim d) {
    base_strbuf buf;
    base_strbuf_init(&buf, g->arena.alloc);
    ir_print_dim(g, d, &buf);
    return take(&buf);
}

ir_text ir_dims_text(const ir_graph *g, uint32_t rank, const ir_dim *dims) {
    base_strbuf buf;
    base_strbuf_init(&buf, g->arena.alloc);
    base_strbuf_puts(&buf, "[");
    for (uint32_t i = 0; i < rank; i++) {
        if (i) base_strbuf_puts(&buf, ",");
        ir_print_dim(g, dims[i], &buf);
    }
    base_strbuf_puts(&buf, "]");
    return take(&buf);
}

/* ---- what every node needs --------------------------------------------------------------------------------------- */

void ir_check_dtype(ir_graph *g, const char *what, sn_dtype dtype) {
    if (!ir_type_in(IR_T_F | IR_T_I | IR_T_B, dtype))
        base_fail(&g->trap, SN_ERR_DTYPE, "%s: %d is not an element type", what, (int)dtype);
}

void ir_check_shape(ir_graph *g, const char *what, uint32_t rank, const ir_dim *dims) {
    if (rank > SN_MAX_RANK) base_fail(&g->trap, SN_ERR_SHAPE, "%s: more than %d axes", what, (int)SN_MAX_RANK);
    int64_t total = 1, n;
    int empty = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (!ir_dim_is_const(g, dims[i], &n)) {
            if (ir_dim_nonnegative(g, dims[i])) continue;
            char text[BASE_TEXT_MAX / 2];
            snprintf(text, sizeof text, "%s: size %s must not be negative", what, ir_dim_text(g, dims[i]).text);
            ir_dim_at_most(g, ir_dim_const(g, 0), dims[i], text);
            continue;
        }
        if (n < 0)
            base_fail(&g->trap, SN_ERR_SHAPE, "%s: negative size in shape %s", what, ir_dims_text(g, rank, dims).text);
        if (n == 0)
            empty = 1;
        else if (total >= IR_MAX_ELEMENTS || __builtin_mul_overflow(total, n, &total))
            total = IR_MAX_ELEMENTS;
    }
    if (!empty && total >= IR_MAX_ELEMENTS)
        base_fail(&g->trap, SN_ERR_SHAPE, "%s: shape %s has 2^47 elements or more", what,
                  ir_dims_text(g, rank, dims).text);
}

ir_id ir_strong(ir_graph *g, const char *op, ir_id id, sn_dtype dtype) {
    if (!ir_is_weak(g, id)) return id;
    double value;
    memcpy(&value, ir_at(g, id)->attr, sizeof value);
    int64_t integer = value >= -0x1p53 && value <= 0x1p53 ? (int64_t)value : 0;
    int is_integer = (double)integer == value;
    if ((ir_type_in(IR_T_I, dtype) && !is_integer) || (dtype == SN_BOOL && value != 0 && value != 1))
        base_fail(&g->trap, SN_ERR_DTYPE, "%s: constant %.17g has no value in %s, the other operand's element type", op,
                  value, sn_dtype_name(dtype));
    return ir_const(g, dtype, value);
}

static void need_types(ir_graph *g, ir_op op, ir_id id) {
    uint8_t types = ir_ops[op].types;
    if (ir_type_in(types, (sn_dtype)ir_at(g, id)->dtype)) return;
    static const char *const words[8] = {
        "no",   "floating-point",       "integer",          "floating-point and integer",
        "bool", "floating-point, bool", "integer and bool", "all"};
    base_fail(&g->trap, SN_ERR_DTYPE, "%s: takes %s operands: %s; convert with sn_cast", ir_ops[op].name,
              words[types & 7], ir_describe(g, id).text);
}

/* Gives untyped constants the dtype of the others (f64 where there is none) and wants one dtype. */
static void unify_types(ir_graph *g, const char *op, ir_id *a, ir_id *b) {
    if (ir_is_weak(g, *a) && ir_is_weak(g, *b)) {
        *a = ir_typed(g, *a);
        *b = ir_typed(g, *b);
    }
    *a = ir_strong(g, op, *a, (sn_dtype)ir_at(g, *b)->dtype);
    *b = ir_strong(g, op, *b, (sn_dtype)ir_at(g, *a)->dtype);
    if (ir_at(g, *a)->dtype != ir_at(g, *b)->dtype)
        base_fail(&g->trap, SN_ERR_DTYPE, "%s: element types differ: %s, %s; convert one with sn_cast", op,
                  ir_describe(g, *a).text, ir_describe(g, *b).text);
}

/* ---- broadcasting ------------------------------------------------------------------------------------------------ */

typedef struct {
    uint32_t rank;
    ir_dim dim[SN_MAX_RANK];
} shape;

static int is_one(const ir_graph *g, ir_dim d) {
    int64_t n;
    return ir_dim_is_const(g, d, &n) && n == 1;
}

/* The common shape of n operands under NumPy's rule. */
static shape common_shape(ir_graph *g, const char *op, uint32_t n, const ir_id *in) {
    shape s = {0};
    for (uint32_t k = 0; k < n; k++)
        if (ir_at(g, in[k])->rank > s.rank) s.rank = ir_at(g, in[k])->rank;
    ir_id owner[SN_MAX_RANK] = {0}; /* the operand that decided an axis */
    for (uint32_t k = 0; k < n; k++) {
        uint32_t rank = ir_at(g, in[k])->rank;
        for (uint32_t a = 0; a < rank; a++) {
            uint32_t axis = s.rank - rank + a;
            ir_dim have = s.dim[axis], dim = ir_at(g, in[k])->dim[a];
            if (have == dim || (owner[axis] && is_one(g, dim))) continue;
            if (!owner[axis] || is_one(g, have)) {
                s.dim[axis] = dim;
            } else {
                char what[BASE_TEXT_MAX / 2];
                snprintf(what, sizeof what, "%s: shapes do not fit: %s, %s", op, ir_describe(g, owner[axis]).text,
                         ir_describe(g, in[k]).text);
                s.dim[axis] = ir_dim_same(g, have, dim, what);
                if (s.dim[axis] == have) continue;
            }
            owner[axis] = in[k];
        }
    }
    ir_check_shape(g, op, s.rank, s.dim);
    return s;
}

static ir_id fit(ir_graph *g, ir_id a, const shape *s) { return ir_broadcast_to(g, a, s->rank, s->dim); }

ir_id ir_broadcast(ir_graph *g, ir_id a, uint32_t rank, const ir_dim *dims, const uint8_t *map) {
    a = ir_typed(g, a);
    ir_check_shape(g, "broadcast", rank, dims);
    const ir_node *n = ir_at(g, a);
    ir_node node = {.op = IR_BROADCAST, .dtype = n->dtype, .rank = (uint8_t)rank};
    for (uint32_t i = 0; i < rank; i++) node.dim[i] = dims[i];
    int identity = rank == n->rank;
    uint32_t used = 0;
    for (uint32_t i = 0; i < n->rank; i++) {
        if (map[i] >= rank || used >> map[i] & 1)
            base_fail(&g->trap, SN_ERR_ARGUMENT, "broadcast: axis %u goes to axis %u, which does not exist or is taken",
                      i, map[i]);
        used |= (uint32_t)1 << map[i];
        ir_dim from = ir_at(g, a)->dim[i], to = dims[map[i]];
        identity = identity && map[i] == i && from == to;
        if (from == to || is_one(g, from)) continue;
        char what[BASE_TEXT_MAX / 2];
        snprintf(what, sizeof what, "broadcast: %s does not fit %s", ir_describe(g, a).text,
                 ir_dims_text(g, rank, dims).text);
        ir_dim_same(g, from, to, what);
    }
    if (identity) return a;

    /* A broadcast of a broadcast is one, unless a size that is not 1 by itself was checked to be 1 in between. */
    int composes = n->op == IR_BROADCAST;
    for (uint32_t i = 0; composes && i < n->n_attr; i++)
        composes = is_one(g, ir_at(g, n->in[0])->dim[i]) || !is_one(g, n->dim[n->attr[i]]);
    if (composes) {
        uint8_t composed[SN_MAX_RANK];
        for (uint32_t i = 0; i < n->n_attr; i++) composed[i] = map[n->attr[i]];
        return ir_broadcast(g, n->in[0], rank, dims, composed);
    }
    int64_t attr[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) attr[i] = map[i];
    node.n_in = 1;
    node.in = &a;
    node.n_attr = n->rank;
    node.attr = attr;
    return ir_intern(g, &node);
}

ir_id ir_broadcast_to(ir_graph *g, ir_id a, uint32_t rank, const ir_dim *dims) {
    uint32_t own = ir_at(g, a)->rank;
    if (own > rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "broadcast: %s has more axes than %s", ir_describe(g, a).text,
                  ir_dims_text(g, rank, dims).text);
    uint8_t map[SN_MAX_RANK];
    for (uint32_t i = 0; i < own; i++) map[i] = (uint8_t)(rank - own + i);
    return ir_broadcast(g, a, rank, dims, map);
}

/* ---- element-wise ------------------------------------------------------------------------------------------------ */

static ir_id ewise(ir_graph *g, ir_op op, sn_dtype dtype, uint32_t n, ir_id *in) {
    if (n > 1) {
        shape s = common_shape(g, ir_ops[op].name, n, in);
        for (uint32_t i = 0; i < n; i++) in[i] = fit(g, in[i], &s);
    }
    ir_node node = {.op = (uint8_t)op, .dtype = (uint8_t)dtype, .n_in = (uint16_t)n, .in = in};
    node.rank = ir_at(g, in[0])->rank;
    memcpy(node.dim, ir_at(g, in[0])->dim, sizeof node.dim);
    return ir_intern(g, &node);
}

static double weak_value(const ir_graph *g, ir_id id) {
    double value;
    memcpy(&value, ir_at(g, id)->attr, sizeof value);
    return value;
}

ir_id ir_unary(ir_graph *g, ir_op op, ir_id a) {
    if (op == IR_NEG && ir_is_weak(g, a)) return ir_const_weak(g, -weak_value(g, a));
    a = ir_typed(g, a);
    need_types(g, op, a);
    return ewise(g, op, ir_ops[op].to_bool ? SN_BOOL : (sn_dtype)ir_at(g, a)->dtype, 1, &a);
}

/* Arithmetic of untyped constants stays untyped. */
static ir_id fold_weak(ir_graph *g, ir_op op, double a, double b) {
    switch (op) {
        case IR_ADD: return ir_const_weak(g, a + b);
        case IR_SUB: return ir_const_weak(g, a - b);
        case IR_MUL: return ir_const_weak(g, a * b);
        case IR_DIV: return ir_const_weak(g, a / b);
        default: return 0;
    }
}

ir_id ir_binary(ir_graph *g, ir_op op, ir_id a, ir_id b) {
    if (ir_is_weak(g, a) && ir_is_weak(g, b)) {
        ir_id folded = fold_weak(g, op, weak_value(g, a), weak_value(g, b));
        if (folded) return folded;
    }
    ir_id in[2] = {a, b};
    unify_types(g, ir_ops[op].name, &in[0], &in[1]);
    need_types(g, op, in[0]);
    return ewise(g, op, ir_ops[op].to_bool ? SN_BOOL : (sn_dtype)ir_at(g, in[0])->dtype, 2, in);
}

ir_id ir_select(ir_graph *g, ir_id c, ir_id a, ir_id b) {
    ir_id in[3] = {ir_strong(g, "select", c, SN_BOOL), a, b};
    if (ir_at(g, in[0])->dtype != SN_BOOL)
        base_fail(&g->trap, SN_ERR_DTYPE, "select: the condition must be bool: %s; compare it with something",
                  ir_describe(g, in[0]).text);
    unify_types(g, "select", &in[1], &in[2]);
    return ewise(g, IR_SELECT, (sn_dtype)ir_at(g, in[1])->dtype, 3, in);
}

ir_id ir_cast(ir_graph *g, ir_id a, sn_dtype dtype) {
    ir_check_dtype(g, "cast", dtype);
    a = ir_typed(g, a);
    if (ir_at(g, a)->dtype == dtype) return a;
    return ewise(g, IR_CAST, dtype, 1, &a);
}

/* ---- reductions -------------------------------------------------------------------------------------------------- */

ir_id ir_reduce(ir_graph *g, ir_op op, ir_id a, uint32_t axes, int keep) {
    a = ir_typed(g, a);
    need_types(g, op, a);
    const ir_node *n = ir_at(g, a);
    uint32_t rank = n->rank;
    if (axes >> rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "%s: no such axis: %s", ir_ops[op].name, ir_describe(g, a).text);
    if (IR_IS_ARG(op) && (!axes || axes & (axes - 1)))
        base_fail(&g->trap, SN_ERR_SHAPE, "%s: one axis: %s", ir_ops[op].name, ir_describe(g, a).text);
    if (!axes) return a;
    int64_t attr = axes;
    uint8_t dtype = IR_IS_ARG(op) ? SN_I64 : n->dtype;
    ir_node node = {.op = (uint8_t)op, .dtype = dtype, .n_in = 1, .in = &a, .n_attr = 1, .attr = &attr};
    ir_dim kept[SN_MAX_RANK];
    uint8_t map[SN_MAX_RANK];
    memcpy(kept, n->dim, sizeof kept);
    for (uint32_t i = 0; i < rank; i++) {
        if (axes >> i & 1) {
            kept[i] = ir_dim_const(g, 1);
        } else {
            map[node.rank] = (uint8_t)i;
            node.dim[node.rank++] = kept[i];
        }
    }
    ir_id reduced = ir_intern(g, &node);
    return keep ? ir_broadcast(g, reduced, rank, kept, map) : reduced;
}
