/* Type inference of everything that moves elements rather than computing them, and of matmul.
 *
 * Nodes that would change nothing (a transpose by the identity, a reshape to the same shape) are the operand itself.
 * What a named dim decides is checked at each call; once taken as equal, dims are made the same dim by a BROADCAST. */
#include <stdio.h>
#include <string.h>

#include "ir/infer.h"

/* ---- matmul ------------------------------------------------------------------------------------------------------ */

/* The operand with one axis' dim replaced by one that was checked to be equal. */
static ir_id with_dim(ir_graph *g, ir_id a, uint32_t axis, ir_dim dim) {
    ir_dim dims[SN_MAX_RANK];
    memcpy(dims, ir_at(g, a)->dim, sizeof dims);
    if (dims[axis] == dim) return a;
    dims[axis] = dim;
    return ir_broadcast_to(g, a, ir_at(g, a)->rank, dims);
}

static void need_float_pair(ir_graph *g, ir_id a, ir_id b) {
    if (ir_at(g, a)->dtype != ir_at(g, b)->dtype)
        base_fail(&g->trap, SN_ERR_DTYPE, "matmul: element types differ: %s, %s; convert one with sn_cast",
                  ir_describe(g, a).text, ir_describe(g, b).text);
    if (!ir_type_in(IR_T_F, (sn_dtype)ir_at(g, a)->dtype))
        base_fail(&g->trap, SN_ERR_DTYPE, "matmul: takes floating-point operands: %s; convert with sn_cast",
                  ir_describe(g, a).text);
}

static ir_dim same_dim(ir_graph *g, const char *which, ir_id a, uint32_t axis_a, ir_id b, uint32_t axis_b) {
    ir_dim x = ir_at(g, a)->dim[axis_a], y = ir_at(g, b)->dim[axis_b];
    if (x == y) return x;
    char what[BASE_TEXT_MAX / 2];
    snprintf(what, sizeof what, "matmul: %s dimensions differ: %s, %s", which, ir_describe(g, a).text,
             ir_describe(g, b).text);
    return ir_dim_same(g, x, y, what);
}

ir_id ir_matmul_flags(ir_graph *g, ir_id a, ir_id b, int64_t flags) {
    need_float_pair(g, a, b);
    uint32_t rank = ir_at(g, a)->rank, batch = rank - 2;
    if (rank < 2 || ir_at(g, b)->rank != rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "matmul: not matrices: %s, %s", ir_describe(g, a).text,
                  ir_describe(g, b).text);
    uint32_t inner_a = batch + (flags & 1 ? 0 : 1), inner_b = batch + (flags & 2 ? 1 : 0);
    uint32_t outer_a = 2 * batch + 1 - inner_a, outer_b = 2 * batch + 1 - inner_b;
    ir_dim k = same_dim(g, "inner", a, inner_a, b, inner_b);
    ir_node node = {.op = IR_MATMUL, .dtype = ir_at(g, a)->dtype, .rank = (uint8_t)rank, .n_attr = 1, .attr = &flags};
    for (uint32_t i = 0; i < batch; i++) node.dim[i] = same_dim(g, "batch", a, i, b, i);
    node.dim[batch] = ir_at(g, a)->dim[outer_a];
    node.dim[batch + 1] = ir_at(g, b)->dim[outer_b];
    ir_check_shape(g, "matmul", rank, node.dim);
    ir_id in[2] = {with_dim(g, a, inner_a, k), with_dim(g, b, inner_b, k)};
    for (uint32_t i = 0; i < batch; i++)
        for (uint32_t j = 0; j < 2; j++) in[j] = with_dim(g, in[j], i, node.dim[i]);
    node.n_in = 2;
    node.in = in;
    return ir_intern(g, &node);
}

/* The shape of a with one more axis of size 1 put in. */
static ir_id with_unit(ir_graph *g, ir_id a, uint32_t axis) {
    const ir_node *n = ir_at(g, a);
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i <= n->rank; i++) dims[i] = i == axis ? ir_dim_const(g, 1) : n->dim[i < axis ? i : i - 1];
    return ir_reshape(g, a, n->rank + 1u, dims);
}

/* [..,M,K] x [K,N] is one product of [..*M,K]. */
static ir_id matmul_of_rows(ir_graph *g, ir_id a, ir_id b) {
    const ir_node n = *ir_at(g, a);
    ir_dim rows = ir_dim_const(g, 1), dims[SN_MAX_RANK];
    for (uint32_t i = 0; i + 1 < n.rank; i++) {
        rows = ir_dim_mul(g, rows, n.dim[i]);
        dims[i] = n.dim[i];
    }
    ir_id product = ir_matmul_flags(g, ir_reshape(g, a, 2, (const ir_dim[]){rows, n.dim[n.rank - 1u]}), b, 0);
    dims[n.rank - 1u] = ir_at(g, product)->dim[1];
    return ir_reshape(g, product, n.rank, dims);
}

/* Both operands with the batch axes that NumPy's rule gives them together. */
static void broadcast_batches(ir_graph *g, ir_id in[2]) {
    uint32_t rank[2] = {ir_at(g, in[0])->rank, ir_at(g, in[1])->rank}, most = rank[0] > rank[1] ? rank[0] : rank[1];
    ir_dim dims[2][SN_MAX_RANK], one = ir_dim_const(g, 1);
    for (uint32_t i = 0; i < most; i++) {
        ir_dim x[2];
        for (uint32_t j = 0; j < 2; j++)
            dims[j][i] = x[j] = i + rank[j] < most ? one : ir_at(g, in[j])->dim[i + rank[j] - most];
        if (i + 2 >= most || x[0] == x[1]) continue;
        if (x[0] == one || x[1] == one)
            dims[0][i] = dims[1][i] = x[0] == one ? x[1] : x[0];
        else
            dims[0][i] = dims[1][i] = same_dim(g, "batch", in[0], i + rank[0] - most, in[1], i + rank[1] - most);
    }
    for (uint32_t j = 0; j < 2; j++) in[j] = ir_broadcast_to(g, in[j], most, dims[j]);
}

ir_id ir_matmul(ir_graph *g, ir_id a, ir_id b) {
    uint32_t rank_a = ir_at(g, a)->rank, rank_b = ir_at(g, b)->rank;
    if (!rank_a || !rank_b)
        base_fail(&g->trap, SN_ERR_SHAPE, "matmul: takes vectors, matrices and batches of them: %s, %s",
                  ir_describe(g, a).text, ir_describe(g, b).text);
    need_float_pair(g, a, b);
    /* here, so that the message shows the operands as they were given */
    same_dim(g, "inner", a, rank_a - 1, b, rank_b == 1 ? 0 : rank_b - 2);
    ir_id in[2] = {rank_a == 1 ? with_unit(g, a, 0) : a, rank_b == 1 ? with_unit(g, b, 1) : b}, product;
    if (rank_a > 2 && rank_b <= 2) {
        product = matmul_of_rows(g, in[0], in[1]);
    } else {
        if (rank_a > 2 || rank_b > 2) broadcast_batches(g, in);
        product = ir_matmul_flags(g, in[0], in[1], 0);
    }
    if (rank_a >= 2 && rank_b >= 2) return product;
    const ir_node n = *ir_at(g, product);
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t i = 0; i < n.rank; i++)
        if (i + 2 < n.rank || (i + 2 == n.rank ? rank_a : rank_b) >= 2) dims[rank++] = n.dim[i];
    return ir_reshape(g, product, rank, dims);
}

/* ---- reshape and transpose --------------------------------------------------------------------------------------- */

ir_dim ir_dim_product_without(ir_graph *g, uint32_t rank, const ir_dim *dims, uint32_t n_other, const ir_dim *other) {
    ir_dim total = ir_dim_const(g, 1);
    uint32_t used = 0;
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t k = n_other;
        if (!ir_dim_is_const(g, dims[i], NULL))
            for (k = 0; k < n_other && (used >> k & 1 || other[k] != dims[i]);) k++;
        if (k < n_other)
            used |= (uint32_t)1 << k;
        else
            total = ir_dim_mul(g, total, dims[i]);
    }
    return total;
}

ir_id ir_reshape(ir_graph *g, ir_id a, uint32_t rank, const ir_dim *dims) {
    a = ir_typed(g, a);
    ir_check_shape(g, "reshape", rank, dims);
    while (ir_at(g, a)->op == IR_RESHAPE) a = ir_at(g, a)->in[0];
    const ir_node *n = ir_at(g, a);
    if (rank == n->rank && !memcmp(dims, n->dim, rank * sizeof *dims)) return a;
    ir_dim before = ir_dim_product_without(g, n->rank, n->dim, rank, dims);
    ir_dim after = ir_dim_product_without(g, rank, dims, n->rank, n->dim);
    if (before != after) {
        char what[BASE_TEXT_MAX / 2];
        snprintf(what, sizeof what, "reshape: number of elements differs: %s to %s", ir_describe(g, a).text,
                 ir_dims_text(g, rank, dims).text);
        ir_dim_same(g, before, after, what);
    }
    ir_node node = {.op = IR_RESHAPE, .dtype = n->dtype, .rank = (uint8_t)rank, .n_in = 1, .in = &a};
    for (uint32_t i = 0; i < rank; i++) node.dim[i] = dims[i];
    return ir_intern(g, &node);
}

ir_id ir_transpose(ir_graph *g, ir_id a, const uint8_t *perm) {
    a = ir_typed(g, a);
    const ir_node *n = ir_at(g, a);
    int64_t attr[SN_MAX_RANK];
    uint32_t seen = 0;
    for (uint32_t i = 0; i < n->rank; i++) {
        if (perm[i] >= n->rank || seen >> perm[i] & 1)
            base_fail(&g->trap, SN_ERR_ARGUMENT, "transpose: not a permutation of the axes of %s",
                      ir_describe(g, a).text);
        seen |= (uint32_t)1 << perm[i];
        attr[i] = perm[i];
    }
    /* A transpose of a transpose is one. */
    if (n->op == IR_TRANSPOSE) {
        for (uint32_t i = 0; i < n->rank; i++) attr[i] = n->attr[perm[i]];
        a = n->in[0];
        n = ir_at(g, a);
    }
    ir_node node = {.op = IR_TRANSPOSE, .dtype = n->dtype, .rank = n->rank, .n_in = 1, .in = &a};
    int identity = 1;
    for (uint32_t i = 0; i < n->rank; i++) {
        node.dim[i] = n->dim[attr[i]];
        identity = identity && attr[i] == i;
    }
    if (identity) return a;
    node.n_attr = n->rank;
    node.attr = attr;
    return ir_intern(g, &node);
}

/* ---- slice, pad, concat ------------------------------------------------------------------------------------------ */

/* Fills operands and attributes of a SLICE or PAD node, and checks that the part [start, start + extent) of each axis
 * lies in `whole`, where extent = (size - 1) * step + 1 elements are spanned. */
static void fill_ranges(ir_graph *g, ir_node *node, ir_id *in, int64_t *attr, uint32_t rank, const ir_range *range,
                        const ir_dim *whole) {
    const char *op = ir_ops[node->op].name;
    ir_dim zero = ir_dim_const(g, 0), one = ir_dim_const(g, 1);
    for (uint32_t i = 0; i < rank; i++) {
        ir_dim start = range[i].start ? range[i].start : zero;
        if (range[i].step < 1)
            base_fail(&g->trap, SN_ERR_ARGUMENT, "%s: step %lld of axis %u is not positive", op,
                      (long long)range[i].step, i);
        ir_dim extent = range[i].size;
        if (range[i].step > 1 && extent != zero) {
            ir_dim step = ir_dim_const(g, range[i].step);
            extent = ir_dim_add(g, ir_dim_mul(g, ir_dim_sub(g, extent, one), step), one);
        }
        char what[BASE_TEXT_MAX];
        char steps[40] = "";
        if (range[i].step > 1) snprintf(steps, sizeof steps, " in steps of %lld", (long long)range[i].step);
        snprintf(what, sizeof what, "%s: axis %u: size %s from %s%s reaches outside of size %s", op, i,
                 ir_dim_text(g, range[i].size).text, ir_dim_text(g, start).text, steps, ir_dim_text(g, whole[i]).text);
        if (range[i].runtime) {
            const ir_node *r = ir_at(g, range[i].runtime);
            if (r->dtype != SN_I64 || r->rank)
                base_fail(&g->trap, SN_ERR_DTYPE, "%s: a start must be an i64 scalar: %s", op,
                          ir_describe(g, range[i].runtime).text);
            ir_dim_at_most(g, extent, whole[i], what); /* the start is clamped */
            attr[i * IR_SLICE_ATTRS + IR_SLICE_RUNTIME] = node->n_in;
            in[node->n_in++] = range[i].runtime;
        } else {
            ir_dim_at_most(g, zero, start, what);
            ir_dim_at_most(g, ir_dim_add(g, start, extent), whole[i], what);
            attr[i * IR_SLICE_ATTRS + IR_SLICE_RUNTIME] = 0;
        }
        attr[i * IR_SLICE_ATTRS + IR_SLICE_START] = start;
        attr[i * IR_SLICE_ATTRS + IR_SLICE_STEP] = range[i].step;
    }
    node->in = in;
    node->attr = attr;
    node->n_attr = (uint16_t)(rank * IR_SLICE_ATTRS);
}

/* Does every axis keep its whole size? */
static int whole_ranges(const ir_graph *g, uint32_t rank, const ir_range *range, const ir_dim *a, const ir_dim *b) {
    for (uint32_t i = 0; i < rank; i++) {
        int64_t start;
        int from_0 = !range[i].start || (ir_dim_is_const(g, range[i].start, &start) && start == 0);
        if (a[i] != b[i] || !from_0 || range[i].step != 1 || range[i].runtime) return 0;
    }
    return 1;
}

ir_id ir_slice(ir_graph *g, ir_id a, const ir_range *range) {
    a = ir_typed(g, a);
    const ir_node *n = ir_at(g, a);
    ir_node node = {.op = IR_SLICE, .dtype = n->dtype, .rank = n->rank, .n_in = 1};
    for (uint32_t i = 0; i < n->rank; i++) node.dim[i] = range[i].size;
    ir_check_shape(g, "slice", node.rank, node.dim);
    if (whole_ranges(g, n->rank, range, node.dim, n->dim)) return a;
    ir_id in[1 + SN_MAX_RANK] = {a};
    int64_t attr[SN_MAX_RANK * IR_SLICE_ATTRS];
    fill_ranges(g, &node, in, attr, n->rank, range, n->dim);
    return ir_intern(g, &node);
}

ir_id ir_pad(ir_graph *g, ir_id a, const ir_range *range, const ir_dim *full_dims) {
    a = ir_typed(g, a);
    uint32_t rank = ir_at(g, a)->rank;
    ir_check_shape(g, "pad", rank, full_dims);
    for (uint32_t i = 0; i < rank; i++) {
        char what[BASE_TEXT_MAX / 2];
        snprintf(what, sizeof what, "pad: axis %u of %s is not of size %s", i, ir_describe(g, a).text,
                 ir_dim_text(g, range[i].size).text);
        ir_dim_same(g, range[i].size, ir_at(g, a)->dim[i], what);
    }
    for (uint32_t i = 0; i < rank; i++) a = with_dim(g, a, i, range[i].size);
    if (whole_ranges(g, rank, range, ir_at(g, a)->dim, full_dims)) return a;
    ir_node node = {.op = IR_PAD, .dtype = ir_at(g, a)->dtype, .rank = (uint8_t)rank, .n_in = 1};
    for (uint32_t i = 0; i < rank; i++) node.dim[i] = full_dims[i];
    ir_id in[1 + SN_MAX_RANK] = {a};
    int64_t attr[SN_MAX_RANK * IR_SLICE_ATTRS];
    fill_ranges(g, &node, in, attr, rank, range, full_dims);
    return ir_intern(g, &node);
}

enum { CONCAT_MAX = 256 }; /* operands of one node: a kernel has one memory for each */

/* Neighbours first, then what they make. */
static ir_id concat_of_concats(ir_graph *g, uint32_t n, const ir_id *in, uint32_t axis) {
    uint32_t n_part = (n + CONCAT_MAX - 1) / CONCAT_MAX;
    ir_id *part = ARENA_ARRAY(&g->arena, ir_id, n_part);
    for (uint32_t i = 0; i < n_part; i++) {
        uint32_t first = i * CONCAT_MAX;
        part[i] = ir_concat(g, n - first < CONCAT_MAX ? n - first : CONCAT_MAX, in + first, axis);
    }
    return ir_concat(g, n_part, part, axis);
}

ir_id ir_concat(ir_graph *g, uint32_t n, const ir_id *in, uint32_t axis) {
    if (!n || n > UINT16_MAX) base_fail(&g->trap, SN_ERR_ARGUMENT, "concat: %u operands", n);
    if (n > CONCAT_MAX) return concat_of_concats(g, n, in, axis);
    const ir_node *first = ir_at(g, in[0]);
    if (axis >= first->rank)
        base_fail(&g->trap, SN_ERR_SHAPE, "concat: no axis %u: %s", axis, ir_describe(g, in[0]).text);
    int64_t attr = axis;
    ir_node node = {
        .op = IR_CONCAT, .dtype = first->dtype, .rank = first->rank, .n_in = (uint16_t)n, .n_attr = 1, .attr = &attr};
    memcpy(node.dim, first->dim, sizeof node.dim);
    for (uint32_t k = 1; k < n; k++) {
        const ir_node *other = ir_at(g, in[k]);
        if (other->dtype != first->dtype)
            base_fail(&g->trap, SN_ERR_DTYPE, "concat: element types differ: %s, %s; convert one with sn_cast",
                      ir_describe(g, in[0]).text, ir_describe(g, in[k]).text);
        char what[BASE_TEXT_MAX / 2];
        snprintf(what, sizeof what, "concat: shapes do not fit along axis %u: %s, %s", axis, ir_describe(g, in[0]).text,
                 ir_describe(g, in[k]).text);
        if (other->rank != first->rank) base_fail(&g->trap, SN_ERR_SHAPE, "%s", what);
        for (uint32_t i = 0; i < first->rank; i++) {
            if (i == axis)
                node.dim[i] = ir_dim_add(g, node.dim[i], other->dim[i]);
            else
                node.dim[i] = ir_dim_same(g, node.dim[i], other->dim[i], what);
        }
    }
    ir_check_shape(g, "concat", node.rank, node.dim);
    if (n == 1) return in[0];
    ir_id *fitted = ARENA_ARRAY(&g->arena, ir_id, n);
    for (uint32_t k = 0; k < n; k++) {
        ir_dim dims[SN_MAX_RANK];
        memcpy(dims, node.dim, sizeof dims);
        dims[axis] = ir_at(g, in[k])->dim[axis];
        fitted[k] = ir_broadcast_to(g, in[k], node.rank, dims);
    }
    node.in = fitted;
    return ir_intern(g, &node);
}

/* ---- rows by id -------------------------------------------------------------------------------------------------- */

/* Ids are clamped to the rows, so there must be one. */
static void need_rows(ir_graph *g, const char *op, ir_dim rows) {
    char what[BASE_TEXT_MAX / 2];
    snprintf(what, sizeof what, "%s: needs at least one row, the number of rows is %s", op, ir_dim_text(g, rows).text);
    ir_dim_at_most(g, ir_dim_const(g, 1), rows, what);
}

static void need_ids(ir_graph *g, const char *op, ir_id ids) {
    sn_dtype dtype = (sn_dtype)ir_at(g, ids)->dtype;
    if (dtype != SN_I64 && dtype != SN_I32)
        base_fail(&g->trap, SN_ERR_DTYPE, "%s: ids must be i64 or i32: %s; convert with sn_cast", op,
                  ir_describe(g, ids).text);
}

ir_id ir_gather(ir_graph *g, ir_id x, ir_id ids) {
    need_ids(g, "gather", ids);
    const ir_node *rows = ir_at(g, x), *n = ir_at(g, ids);
    if (!rows->rank) base_fail(&g->trap, SN_ERR_SHAPE, "gather: a scalar has no rows: %s", ir_describe(g, x).text);
    ir_node node = {.op = IR_GATHER, .dtype = rows->dtype, .n_in = 2, .in = (const ir_id[]){x, ids}};
    uint32_t rank = (uint32_t)n->rank + rows->rank - 1;
    if (rank > SN_MAX_RANK)
        base_fail(&g->trap, SN_ERR_SHAPE, "gather: the result has more than %d axes: %s, %s", (int)SN_MAX_RANK,
                  ir_describe(g, x).text, ir_describe(g, ids).text);
    need_rows(g, "gather", rows->dim[0]);
    for (uint32_t i = 0; i < n->rank; i++) node.dim[node.rank++] = n->dim[i];
    for (uint32_t i = 1; i < rows->rank; i++) node.dim[node.rank++] = rows->dim[i];
    ir_check_shape(g, "gather", node.rank, node.dim);
    return ir_intern(g, &node);
}

ir_id ir_scatter_add(ir_graph *g, ir_id ids, ir_id values, ir_dim rows) {
    need_ids(g, "scatter_add", ids);
    values = ir_typed(g, values);
    const ir_node *n = ir_at(g, ids), *v = ir_at(g, values);
    if (v->dtype == SN_BOOL)
        base_fail(&g->trap, SN_ERR_DTYPE, "scatter_add: bool cannot be added: %s; convert with sn_cast",
                  ir_describe(g, values).text);
    char what[BASE_TEXT_MAX / 2];
    snprintf(what, sizeof what, "scatter_add: values do not have the ids' axes first: %s, %s", ir_describe(g, ids).text,
             ir_describe(g, values).text);
    if (v->rank < n->rank || (v->rank - n->rank) + 1 > SN_MAX_RANK) base_fail(&g->trap, SN_ERR_SHAPE, "%s", what);
    ir_dim common[SN_MAX_RANK];
    memcpy(common, v->dim, sizeof common);
    for (uint32_t i = 0; i < n->rank; i++) common[i] = ir_dim_same(g, n->dim[i], v->dim[i], what);
    ir_id in[2] = {ir_broadcast_to(g, ids, n->rank, common), ir_broadcast_to(g, values, v->rank, common)};
    ir_node node = {.op = IR_SCATTER_ADD, .dtype = v->dtype, .n_in = 2, .in = in};
    need_rows(g, "scatter_add", rows);
    node.dim[node.rank++] = rows;
    for (uint32_t i = n->rank; i < v->rank; i++) node.dim[node.rank++] = v->dim[i];
    ir_check_shape(g, "scatter_add", node.rank, node.dim);
    return ir_intern(g, &node);
}

ir_id ir_stop_gradient(ir_graph *g, ir_id a) {
    const ir_node *n = ir_at(g, a);
    if (ir_is_weak(g, a) || n->op == IR_STOP_GRADIENT) return a;
    ir_node node = {.op = IR_STOP_GRADIENT, .dtype = n->dtype, .rank = n->rank, .n_in = 1, .in = &a};
    memcpy(node.dim, n->dim, sizeof node.dim);
    return ir_intern(g, &node);
}
