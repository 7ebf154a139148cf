/* Views: broadcasts, transposes, reshapes and slices are merged, dropped, turned into flags of a matmul, or moved
 * behind the arithmetic where that leaves fewer elements to compute.
 *
 * All rules keep every bit, except that merging two sums changes the order of addition, and that a sum over an axis of
 * size 1 keeps the sign of a zero. */
#include <string.h>

#include "ir/pass.h"

/* ---- broadcasts -------------------------------------------------------------------------------------------------- */

static int is_identity(const int64_t *map, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (map[i] != i) return 0;
    return 1;
}

static ir_id broadcast_nothing(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_BROADCAST || !ir_same_dims(n, ir_in(rw, n, 0)) || !is_identity(n->attr, n->n_attr)) return 0;
    return n->in[0];
}

static ir_id broadcast_broadcast(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_BROADCAST || ir_in(rw, n, 0)->op != IR_BROADCAST) return 0;
    const ir_node *inner = ir_in(rw, n, 0);
    int64_t map[SN_MAX_RANK];
    for (uint32_t a = 0; a < inner->n_attr; a++) map[a] = n->attr[inner->attr[a]];
    return ir_make_broadcast(rw->g, n, inner->in[0], map);
}

/* Where the axes of `less` are in `more`, which has axes of size 1 besides. */
static int find_axes(const ir_graph *g, const ir_node *less, const ir_node *more, uint32_t *place) {
    uint32_t a = 0;
    for (uint32_t i = 0; i < more->rank; i++) {
        if (a < less->rank && less->dim[a] == more->dim[i])
            place[a++] = i;
        else if (!ir_is_unit(g, more->dim[i]))
            return 0;
    }
    return a == less->rank;
}

static ir_id broadcast_reshape(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_BROADCAST || ir_in(rw, n, 0)->op != IR_RESHAPE) return 0;
    const ir_node *reshape = ir_in(rw, n, 0), *x = ir_at(rw->g, reshape->in[0]);
    uint32_t place[SN_MAX_RANK];
    int64_t map[SN_MAX_RANK];
    if (!find_axes(rw->g, x, reshape, place)) return 0;
    for (uint32_t a = 0; a < x->rank; a++) map[a] = n->attr[place[a]];
    return ir_make_broadcast(rw->g, n, reshape->in[0], map);
}

/* Repeats nothing, only reorders axes. */
static ir_id broadcast_permutes(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_BROADCAST || n->rank != n->n_attr || is_identity(n->attr, n->n_attr)) return 0;
    int64_t perm[SN_MAX_RANK];
    for (uint32_t a = 0; a < n->n_attr; a++) {
        if (ir_in(rw, n, 0)->dim[a] != n->dim[n->attr[a]]) return 0;
        perm[n->attr[a]] = a;
    }
    ir_node transpose = *n;
    transpose.op = IR_TRANSPOSE;
    transpose.attr = perm;
    return ir_intern(rw->g, &transpose);
}

/* Does the broadcast make more elements than there are? */
static int repeats(const ir_graph *g, const ir_node *n) {
    const ir_node *x = ir_at(g, n->in[0]);
    uint32_t mapped = 0;
    for (uint32_t a = 0; a < x->rank; a++)
        if (!ir_is_unit(g, x->dim[a]) || ir_is_unit(g, n->dim[n->attr[a]])) mapped |= (uint32_t)1 << n->attr[a];
    for (uint32_t i = 0; i < n->rank; i++)
        if (!(mapped >> i & 1) && !ir_is_unit(g, n->dim[i])) return 1;
    return 0;
}

static int same_broadcast(const ir_graph *g, const ir_node *a, const ir_node *b) {
    return ir_same_dims(ir_at(g, a->in[0]), ir_at(g, b->in[0])) &&
           !memcmp(a->attr, b->attr, a->n_attr * sizeof *a->attr);
}

static ir_id ewise_of_broadcasts(const ir_rewrite *rw, const ir_node *n) {
    if (ir_ops[n->op].cls != IR_CLASS_EWISE || !n->rank) return 0;
    const ir_node *main = NULL; /* the broadcast of the most axes; all others repeat a scalar or are like it */
    for (uint32_t i = 0; i < n->n_in; i++) {
        const ir_node *in = ir_in(rw, n, i);
        if (in->op != IR_BROADCAST) return 0;
        if (!main || in->n_attr > main->n_attr) main = in;
    }
    if (!main || !repeats(rw->g, main)) return 0;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (ir_in(rw, n, i)->n_attr && !same_broadcast(rw->g, main, ir_in(rw, n, i))) return 0;

    ir_node shape = *ir_at(rw->g, main->in[0]);
    ir_id in[3];
    for (uint32_t i = 0; i < n->n_in; i++) {
        in[i] = ir_in(rw, n, i)->in[0];
        if (ir_in(rw, n, i)->n_attr == main->n_attr) continue;
        shape.dtype = ir_at(rw->g, in[i])->dtype;
        in[i] = ir_make_broadcast(rw->g, &shape, in[i], NULL);
    }
    ir_node small = *n;
    small.rank = shape.rank;
    memcpy(small.dim, shape.dim, sizeof small.dim);
    small.in = in;
    return ir_make_broadcast(rw->g, n, ir_intern(rw->g, &small), main->attr);
}

/* ---- reshapes ---------------------------------------------------------------------------------------------------- */

static ir_id reshape_nothing(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_RESHAPE && ir_same_dims(n, ir_in(rw, n, 0)) ? n->in[0] : 0;
}

static ir_id reshape_reshape(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_RESHAPE || ir_in(rw, n, 0)->op != IR_RESHAPE) return 0;
    return ir_make_reshape(rw->g, n, ir_in(rw, n, 0)->in[0]);
}

/* Any move of a repeated scalar is the scalar repeated to the new shape. */
static ir_id move_of_scalar(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_RESHAPE && n->op != IR_SLICE) return 0;
    const ir_node *in = ir_in(rw, n, 0);
    if (in->op != IR_BROADCAST || in->n_attr) return 0;
    return n->rank ? ir_make_broadcast(rw->g, n, in->in[0], NULL) : in->in[0];
}

/* The broadcast only adds axes of size 1. */
static ir_id reshape_broadcast(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_RESHAPE || ir_in(rw, n, 0)->op != IR_BROADCAST) return 0;
    const ir_node *in = ir_in(rw, n, 0), *x = ir_at(rw->g, in->in[0]);
    uint32_t place[SN_MAX_RANK];
    if (!find_axes(rw->g, x, in, place)) return 0;
    for (uint32_t a = 0; a < x->rank; a++)
        if (in->dim[in->attr[a]] != x->dim[a] || (a && in->attr[a] < in->attr[a - 1])) return 0;
    return ir_make_reshape(rw->g, n, in->in[0]);
}

/* ---- transposes and matmul --------------------------------------------------------------------------------------- */

static ir_id transpose_nothing(const ir_rewrite *rw, const ir_node *n) {
    (void)rw;
    return n->op == IR_TRANSPOSE && is_identity(n->attr, n->n_attr) ? n->in[0] : 0;
}

static ir_id transpose_transpose(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_TRANSPOSE || ir_in(rw, n, 0)->op != IR_TRANSPOSE) return 0;
    const ir_node *inner = ir_in(rw, n, 0);
    int64_t perm[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) perm[i] = inner->attr[n->attr[i]];
    ir_node merged = *n;
    merged.in = inner->in;
    merged.attr = perm;
    return ir_intern(rw->g, &merged);
}

static ir_id transpose_broadcast(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_TRANSPOSE || ir_in(rw, n, 0)->op != IR_BROADCAST) return 0;
    const ir_node *in = ir_in(rw, n, 0);
    int64_t map[SN_MAX_RANK], to[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) to[n->attr[i]] = i;
    for (uint32_t a = 0; a < in->n_attr; a++) map[a] = to[in->attr[a]];
    return ir_make_broadcast(rw->g, n, in->in[0], map);
}

/* The axes longer than 1 keep their order. */
static ir_id transpose_of_units(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_TRANSPOSE || is_identity(n->attr, n->n_attr)) return 0;
    int64_t last = -1;
    for (uint32_t i = 0; i < n->rank; i++) {
        if (ir_is_unit(rw->g, n->dim[i])) continue;
        if (n->attr[i] < last) return 0;
        last = n->attr[i];
    }
    return ir_make_reshape(rw->g, n, n->in[0]);
}

/* Does a transpose exchange the last two axes and nothing else? */
static int swaps_matrices(const ir_node *n) {
    if (n->op != IR_TRANSPOSE || n->rank < 2) return 0;
    uint32_t batch = n->rank - 2u;
    return is_identity(n->attr, batch) && n->attr[batch] == batch + 1 && n->attr[batch + 1] == batch;
}

static ir_id matmul_of_transpose(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_MATMUL) return 0;
    ir_id in[2] = {n->in[0], n->in[1]};
    int64_t flags = n->attr[0];
    for (uint32_t i = 0; i < 2; i++)
        if (swaps_matrices(ir_in(rw, n, i))) {
            in[i] = ir_in(rw, n, i)->in[0];
            flags ^= (int64_t)1 << i;
        }
    if (flags == n->attr[0]) return 0;
    ir_node matmul = *n;
    matmul.in = in;
    matmul.attr = &flags;
    return ir_intern(rw->g, &matmul);
}

/* (AB)' = B'A', where nothing else needs AB. */
static ir_id transpose_of_matmul(const ir_rewrite *rw, const ir_node *n) {
    if (!swaps_matrices(n) || ir_in(rw, n, 0)->op != IR_MATMUL || !ir_is_only_use(rw, n, 0)) return 0;
    const ir_node *old = ir_in(rw, n, 0);
    int64_t flags = (old->attr[0] & 2 ? 0 : 1) | (old->attr[0] & 1 ? 0 : 2);
    ir_node matmul = *n;
    matmul.op = IR_MATMUL;
    matmul.n_in = 2;
    matmul.in = (const ir_id[]){old->in[1], old->in[0]};
    matmul.n_attr = 1;
    matmul.attr = &flags;
    return ir_intern(rw->g, &matmul);
}

/* ---- slices, concats, reductions --------------------------------------------------------------------------------- */

/* A slice or pad from 0 in steps of 1 that keeps every size. */
static ir_id whole_part(const ir_rewrite *rw, const ir_node *n) {
    if ((n->op != IR_SLICE && n->op != IR_PAD) || !ir_same_dims(n, ir_in(rw, n, 0))) return 0;
    for (uint32_t a = 0; a < n->rank; a++) {
        const int64_t *attr = &n->attr[a * IR_SLICE_ATTRS];
        int64_t start;
        if (!ir_dim_is_const(rw->g, (ir_dim)attr[IR_SLICE_START], &start) || start) return 0;
        if (attr[IR_SLICE_STEP] != 1 || attr[IR_SLICE_RUNTIME]) return 0;
    }
    return n->in[0];
}

static ir_id concat_of_one(const ir_rewrite *rw, const ir_node *n) {
    (void)rw;
    return n->op == IR_CONCAT && n->n_in == 1 ? n->in[0] : 0;
}

static ir_id reduce_units(const ir_rewrite *rw, const ir_node *n) {
    if (ir_ops[n->op].cls != IR_CLASS_REDUCE) return 0;
    for (uint32_t a = 0; a < ir_in(rw, n, 0)->rank; a++)
        if (n->attr[0] >> a & 1 && !ir_is_unit(rw->g, ir_in(rw, n, 0)->dim[a])) return 0;
    if (IR_IS_ARG(n->op)) return ir_broadcast_to(rw->g, ir_const(rw->g, SN_I64, 0), n->rank, n->dim);
    return ir_make_reshape(rw->g, n, n->in[0]);
}

static ir_id reduce_reduce(const ir_rewrite *rw, const ir_node *n) {
    if (ir_ops[n->op].cls != IR_CLASS_REDUCE || IR_IS_ARG(n->op) || ir_in(rw, n, 0)->op != n->op ||
        !ir_is_only_use(rw, n, 0))
        return 0;
    const ir_node *inner = ir_in(rw, n, 0);
    int64_t axes = inner->attr[0];
    for (uint32_t a = 0, left = 0; a < ir_at(rw->g, inner->in[0])->rank; a++) {
        if (inner->attr[0] >> a & 1) continue;
        if (n->attr[0] >> left++ & 1) axes |= (int64_t)1 << a;
    }
    ir_node both = *n;
    both.in = inner->in;
    both.attr = &axes;
    return ir_intern(rw->g, &both);
}

static const ir_rule rules[] = {
    {"broadcast_nothing", broadcast_nothing, "a broadcast to the operand's own shape is the operand"},
    {"broadcast_broadcast", broadcast_broadcast, "a broadcast of a broadcast is one"},
    {"broadcast_reshape", broadcast_reshape, "a broadcast skips a reshape that only adds axes of size 1"},
    {"broadcast_permutes", broadcast_permutes, "a broadcast that repeats nothing is a transpose"},
    {"ewise_of_broadcasts", ewise_of_broadcasts, "f(broadcast a, broadcast b) is broadcast f(a, b)"},
    {"reshape_nothing", reshape_nothing, "a reshape to the operand's own shape is the operand"},
    {"reshape_reshape", reshape_reshape, "a reshape of a reshape is one"},
    {"move_of_scalar", move_of_scalar, "a reshape or slice of a repeated scalar repeats it to the new shape"},
    {"reshape_broadcast", reshape_broadcast, "a reshape skips a broadcast that only adds axes of size 1"},
    {"transpose_nothing", transpose_nothing, "a transpose that moves no axis is the operand"},
    {"transpose_transpose", transpose_transpose, "a transpose of a transpose is one"},
    {"transpose_broadcast", transpose_broadcast, "a transpose of a broadcast is a broadcast to other axes"},
    {"transpose_of_units", transpose_of_units, "a transpose that only moves axes of size 1 is a reshape"},
    {"matmul_of_transpose", matmul_of_transpose, "a transposed operand of a matmul becomes a flag"},
    {"transpose_of_matmul", transpose_of_matmul, "a transposed product is the product of the transposes, swapped"},
    {"whole_part", whole_part, "a slice of everything and a pad by nothing are the operand"},
    {"concat_of_one", concat_of_one, "a concat of one operand is the operand"},
    {"reduce_units", reduce_units, "a reduction over axes of size 1 is a reshape, of argmax and argmin zeros"},
    {"reduce_reduce", reduce_reduce, "a sum of a sum is one sum, if nothing else needs the inner; also max and min"},
};

const ir_pass ir_pass_view = {"view", sizeof rules / sizeof *rules, rules};
