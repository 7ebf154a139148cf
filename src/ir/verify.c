/* The rules of graph IR. In: a graph, possibly broken in any way; out: NULL or a sentence about the first broken rule.
 *
 * Nothing here trusts a node: every id and count is checked before it is used. Dims are equal when they are one id.
 * Only BROADCAST, RESHAPE and updates may also join dims that the graph's checks, taken together, make equal at each
 * call. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/infer.h"
#include "ir/text.h"

typedef struct {
    const ir_graph *g;
    const ir_node *n;
    ir_id id;
    const uint32_t *cls;
    uint32_t n_cls;
    char *text; /* 256 bytes */
} verifier;

/* Every rule returns NULL or v->text; RULE passes the first sentence on. */
#define RULE(call)                                                                                                     \
    do {                                                                                                               \
        const char *sentence = (call);                                                                                 \
        if (sentence) return sentence;                                                                                 \
    } while (0)

__attribute__((format(printf, 2, 3))) static const char *broken(const verifier *v, const char *format, ...) {
    int used = 0;
    if (v->n && v->n->op < IR_OP_COUNT) used = snprintf(v->text, 256, "node %u, %s: ", v->id, ir_ops[v->n->op].name);
    va_list args;
    va_start(args, format);
    vsnprintf(v->text + used, 256 - (size_t)used, format, args);
    va_end(args);
    return v->text;
}

/* ---- dims -------------------------------------------------------------------------------------------------------- */

static uint32_t find(uint32_t *cls, uint32_t d) {
    while (cls[d] != d) d = cls[d] = cls[cls[d]];
    return d;
}

void ir_dim_classes(const ir_graph *g, uint32_t *cls) {
    for (uint32_t d = 0; d < g->dim.n; d++) cls[d] = d;
    for (uint32_t i = 0; i < g->check.n; i++) {
        const ir_check *c = &g->check.at[i];
        if (!c->at_most && c->a < g->dim.n && c->b < g->dim.n) cls[find(cls, c->a)] = find(cls, c->b);
    }
    for (uint32_t d = 0; d < g->dim.n; d++) cls[d] = find(cls, d);
}

static int is_dim(const ir_graph *g, int64_t d) { return d > 0 && d < (int64_t)g->dim.n; }

/* Equal at each call? */
static int joined_dim(const verifier *v, ir_dim a, ir_dim b) {
    if (a == b) return 1;
    if (ir_dim_is_const(v->g, a, NULL) && ir_dim_is_const(v->g, b, NULL)) return 0;
    return a < v->n_cls && b < v->n_cls && v->cls[a] == v->cls[b];
}

static int is_one(const ir_graph *g, ir_dim d) {
    int64_t n;
    return ir_dim_is_const(g, d, &n) && n == 1;
}

static const char *same_dims(const verifier *v, uint32_t rank, const ir_dim *dims) {
    if (v->n->rank != rank) return broken(v, "has rank %u, not %u", v->n->rank, rank);
    for (uint32_t a = 0; a < rank; a++)
        if (v->n->dim[a] != dims[a])
            return broken(v, "axis %u has size %s, not %s", a, ir_dim_text(v->g, v->n->dim[a]).text,
                          ir_dim_text(v->g, dims[a]).text);
    return NULL;
}

/* ---- the parts of a node ----------------------------------------------------------------------------------------- */

static const ir_node *operand(const verifier *v, uint32_t i) { return ir_at(v->g, v->n->in[i]); }

static const char *head_rule(const verifier *v) {
    const ir_node *n = v->n;
    if (n->op == IR_POISON || n->op >= IR_OP_COUNT) return broken(v, "node %u: %u is no operator", v->id, n->op);
    if (!ir_type_in(IR_T_F | IR_T_I | IR_T_B, (sn_dtype)n->dtype))
        return broken(v, "%u is no element type to compute with", n->dtype);
    if (n->rank > SN_MAX_RANK) return broken(v, "rank %u is above %d", n->rank, (int)SN_MAX_RANK);
    int64_t size, total = 1;
    int empty = 0;
    for (uint32_t a = 0; a < n->rank; a++) {
        if (!is_dim(v->g, n->dim[a])) return broken(v, "axis %u: no dim %u", a, n->dim[a]);
        if (!ir_dim_is_const(v->g, n->dim[a], &size)) continue;
        if (size < 0) return broken(v, "axis %u: negative size %lld", a, (long long)size);
        empty |= size == 0;
        if (size && (__builtin_mul_overflow(total, size, &total) || total > IR_MAX_ELEMENTS)) total = IR_MAX_ELEMENTS;
    }
    if (!empty && total >= IR_MAX_ELEMENTS) return broken(v, "the shape has 2^47 elements or more");
    if ((n->n_in && !n->in) || (n->n_attr && !n->attr)) return broken(v, "operands or attributes are missing");
    for (uint32_t i = 0; i < n->n_in; i++)
        if (!n->in[i] || n->in[i] >= v->id || n->in[i] >= v->g->node.n)
            return broken(v, "operand %u, node %u, is no earlier node", i, n->in[i]);
    return NULL;
}

static const char *count_rule(const verifier *v, uint32_t n_in, uint32_t n_attr) {
    if (v->n->n_in != n_in) return broken(v, "has %u operands, not %u", v->n->n_in, n_in);
    if (v->n->n_attr != n_attr) return broken(v, "has %u attributes, not %u", v->n->n_attr, n_attr);
    return NULL;
}

static const char *dtype_rule(const verifier *v, sn_dtype dtype) {
    if (v->n->dtype == dtype) return NULL;
    return broken(v, "is %s, not %s", sn_dtype_name((sn_dtype)v->n->dtype), sn_dtype_name(dtype));
}

static const char *operand_types(const verifier *v, uint32_t i, uint8_t types) {
    sn_dtype dtype = (sn_dtype)operand(v, i)->dtype;
    return ir_type_in(types, dtype) ? NULL : broken(v, "takes no operand of %s", sn_dtype_name(dtype));
}

/* Operand i has the node's dtype and shape. */
static const char *like_operand(const verifier *v, uint32_t i) {
    RULE(dtype_rule(v, (sn_dtype)operand(v, i)->dtype));
    return same_dims(v, operand(v, i)->rank, operand(v, i)->dim);
}

/* A sample of a dim's value modulo 2^64: equal polynomials have equal samples, others nearly never. */
static uint64_t sample(const verifier *v, ir_dim d, uint64_t seed) {
    const ir_poly *p = &v->g->dim.at[d];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint64_t term = (uint64_t)p->term[i].coef;
        for (uint32_t k = 0; k < p->term[i].n; k++) {
            uint64_t x = (p->term[i].name[k] + seed) * 0x9e3779b97f4a7c15u;
            x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9u;
            term *= x ^ x >> 27;
        }
        sum += term;
    }
    return sum;
}

/* Could two totals, different as polynomials, be made equal by the graph's checks? These are not followed any further.
 */
static int checks_may_decide(const verifier *v) {
    for (uint32_t i = 0; i < v->g->check.n; i++)
        if (!v->g->check.at[i].at_most) return 1;
    return 0;
}

static int same_product(const verifier *v, const ir_node *a, const ir_node *b) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint64_t x = 1, y = 1;
        for (uint32_t i = 0; i < a->rank; i++) x *= sample(v, a->dim[i], seed * 65537);
        for (uint32_t i = 0; i < b->rank; i++) y *= sample(v, b->dim[i], seed * 65537);
        if (x != y) return checks_may_decide(v);
    }
    return 1;
}

/* ---- one rule per form of operator ------------------------------------------------------------------------------- */

static const char *leaf_rule(const verifier *v) {
    const ir_node *n = v->n;
    const ir_graph *g = v->g;
    RULE(count_rule(v, 0, n->op == IR_IOTA ? 0 : n->op == IR_CONST && n->n_attr == 2 ? 2 : 1));
    int64_t attr = n->n_attr ? n->attr[0] : 0;
    switch (n->op) {
        case IR_INPUT:
            if (attr < 0 || attr >= g->input.n || g->input.at[attr] != v->id)
                return broken(v, "is not the graph's input %lld", (long long)attr);
            return NULL;
        case IR_VAR:
            if (attr < 0 || attr >= g->var.n || g->var.at[attr].node != v->id)
                return broken(v, "is not the graph's variable %lld", (long long)attr);
            for (uint32_t a = 0; a < n->rank; a++)
                if (!ir_dim_is_const(g, n->dim[a], NULL)) return broken(v, "axis %u is not constant", a);
            return NULL;
        case IR_CONST: {
            size_t bytes = sn_dtype_size((sn_dtype)n->dtype);
            if (n->rank) return broken(v, "is no scalar");
            if (bytes < 8 && (uint64_t)attr >> 8 * bytes) return broken(v, "has bits above its element type");
            if (n->dtype == SN_BOOL && (uint64_t)attr > 1) return broken(v, "is a bool other than 0 and 1");
            if (n->n_attr == 2 && (n->dtype != SN_F64 || n->attr[1] != 1)) return broken(v, "is untyped but not f64");
            return NULL;
        }
        case IR_IOTA:
            if (n->rank != 1 || n->dtype == SN_BOOL) return broken(v, "wants one axis and a number type");
            return NULL;
        default:
            if (n->rank || n->dtype != SN_I64 || !is_dim(g, attr)) return broken(v, "wants an i64 scalar of a dim");
            return NULL;
    }
}

static const char *ewise_rule(const verifier *v) {
    const ir_node *n = v->n;
    const ir_op_info *info = &ir_ops[n->op];
    RULE(count_rule(v, info->n_operands, 0));
    for (uint32_t i = 0; i < n->n_in; i++) RULE(same_dims(v, operand(v, i)->rank, operand(v, i)->dim));
    if (n->op == IR_CAST) return NULL;
    if (n->op == IR_SELECT) {
        RULE(operand_types(v, 0, IR_T_B));
        RULE(dtype_rule(v, (sn_dtype)operand(v, 1)->dtype));
        return dtype_rule(v, (sn_dtype)operand(v, 2)->dtype);
    }
    RULE(operand_types(v, 0, info->types));
    if (n->n_in == 2 && operand(v, 0)->dtype != operand(v, 1)->dtype) return broken(v, "operands differ in type");
    return dtype_rule(v, info->to_bool ? SN_BOOL : (sn_dtype)operand(v, 0)->dtype);
}

static const char *reduce_rule(const verifier *v) {
    RULE(count_rule(v, 1, 1));
    RULE(operand_types(v, 0, ir_ops[v->n->op].types));
    RULE(dtype_rule(v, IR_IS_ARG(v->n->op) ? SN_I64 : (sn_dtype)operand(v, 0)->dtype));
    const ir_node *in = operand(v, 0);
    uint64_t axes = (uint64_t)v->n->attr[0];
    if (IR_IS_ARG(v->n->op) && axes & (axes - 1)) return broken(v, "has more than one axis");
    if (!axes || axes >> in->rank) return broken(v, "axes are none or not those of the operand");
    uint32_t rank = 0;
    ir_dim kept[SN_MAX_RANK];
    for (uint32_t a = 0; a < in->rank; a++)
        if (!(axes >> a & 1)) kept[rank++] = in->dim[a];
    return same_dims(v, rank, kept);
}

static const char *matmul_rule(const verifier *v) {
    RULE(count_rule(v, 2, 1));
    int64_t flags = v->n->attr[0];
    if (flags < 0 || flags > 3) return broken(v, "flags are %lld, not 0 .. 3", (long long)flags);
    const ir_node *a = operand(v, 0), *b = operand(v, 1);
    if (a->rank < 2 || b->rank != a->rank) return broken(v, "operands are no matrices");
    RULE(operand_types(v, 0, IR_T_F));
    RULE(dtype_rule(v, (sn_dtype)a->dtype));
    RULE(dtype_rule(v, (sn_dtype)b->dtype));
    uint32_t batch = a->rank - 2u, ta = flags & 1, tb = flags >> 1 & 1;
    ir_dim dims[SN_MAX_RANK];
    memcpy(dims, a->dim, sizeof dims);
    for (uint32_t i = 0; i < batch; i++)
        if (a->dim[i] != b->dim[i]) return broken(v, "batch sizes differ in axis %u", i);
    if (a->dim[batch + !ta] != b->dim[batch + tb])
        return broken(v, "inner sizes %s and %s differ", ir_dim_text(v->g, a->dim[batch + !ta]).text,
                      ir_dim_text(v->g, b->dim[batch + tb]).text);
    dims[batch] = a->dim[batch + ta];
    dims[batch + 1] = b->dim[batch + !tb];
    return same_dims(v, a->rank, dims);
}

static const char *transpose_rule(const verifier *v) {
    const ir_node *in = operand(v, 0);
    RULE(count_rule(v, 1, in->rank));
    ir_dim dims[SN_MAX_RANK];
    uint32_t seen = 0;
    for (uint32_t i = 0; i < in->rank; i++) {
        int64_t from = v->n->attr[i];
        if (from < 0 || from >= in->rank || seen >> from & 1) return broken(v, "perm is no permutation");
        seen |= (uint32_t)1 << from;
        dims[i] = in->dim[from];
    }
    RULE(dtype_rule(v, (sn_dtype)in->dtype));
    return same_dims(v, in->rank, dims);
}

static const char *broadcast_rule(const verifier *v) {
    const ir_node *in = operand(v, 0);
    RULE(count_rule(v, 1, in->rank));
    uint32_t seen = 0;
    for (uint32_t a = 0; a < in->rank; a++) {
        int64_t to = v->n->attr[a];
        if (to < 0 || to >= v->n->rank || seen >> to & 1) return broken(v, "map sends axis %u nowhere or twice", a);
        seen |= (uint32_t)1 << to;
        if (!is_one(v->g, in->dim[a]) && !joined_dim(v, in->dim[a], v->n->dim[to]))
            return broken(v, "axis %u of the operand does not fit axis %lld", a, (long long)to);
    }
    return dtype_rule(v, (sn_dtype)in->dtype);
}

static const char *slice_rule(const verifier *v) {
    const ir_node *in = operand(v, 0);
    RULE(count_rule(v, v->n->n_in, (uint32_t)in->rank * IR_SLICE_ATTRS));
    if (v->n->rank != in->rank) return broken(v, "changes the rank");
    for (uint32_t a = 0; a < in->rank; a++) {
        const int64_t *attr = &v->n->attr[a * IR_SLICE_ATTRS];
        if (attr[IR_SLICE_START] && !is_dim(v->g, attr[IR_SLICE_START])) return broken(v, "start %u is no dim", a);
        if (attr[IR_SLICE_STEP] < 1) return broken(v, "step %u is below 1", a);
        if (attr[IR_SLICE_RUNTIME] < 0 || attr[IR_SLICE_RUNTIME] >= v->n->n_in)
            return broken(v, "runtime start %u is no operand", a);
    }
    for (uint32_t i = 1; i < v->n->n_in; i++)
        if (operand(v, i)->dtype != SN_I64 || operand(v, i)->rank) return broken(v, "a runtime start is no i64 scalar");
    return dtype_rule(v, (sn_dtype)in->dtype);
}

static const char *concat_rule(const verifier *v) {
    RULE(count_rule(v, v->n->n_in, 1));
    int64_t axis = v->n->attr[0];
    if (axis < 0 || axis >= v->n->rank) return broken(v, "has no axis %lld", (long long)axis);
    uint64_t total[3] = {0};
    for (uint32_t i = 0; i < v->n->n_in; i++) {
        ir_dim dims[SN_MAX_RANK];
        memcpy(dims, operand(v, i)->dim, sizeof dims);
        for (uint64_t seed = 0; seed < 3 && axis < operand(v, i)->rank; seed++)
            total[seed] += sample(v, dims[axis], seed);
        dims[axis] = v->n->dim[axis];
        RULE(same_dims(v, operand(v, i)->rank, dims));
        RULE(dtype_rule(v, (sn_dtype)operand(v, i)->dtype));
    }
    for (uint64_t seed = 0; seed < 3; seed++)
        if (total[seed] != sample(v, v->n->dim[axis], seed))
            return broken(v, "axis %lld is not the sum of the operands' sizes", (long long)axis);
    return NULL;
}

static const char *gather_rule(const verifier *v) {
    RULE(count_rule(v, 2, 0));
    const ir_node *x = operand(v, 0), *ids = operand(v, 1);
    RULE(operand_types(v, 1, IR_T_I));
    RULE(dtype_rule(v, (sn_dtype)x->dtype));
    if (x->rank == 0 || ids->rank + x->rank - 1 > SN_MAX_RANK) return broken(v, "has no rows or too many axes");
    ir_dim dims[SN_MAX_RANK];
    memcpy(dims, ids->dim, ids->rank * sizeof *dims);
    memcpy(dims + ids->rank, x->dim + 1, (x->rank - 1u) * sizeof *dims);
    return same_dims(v, ids->rank + x->rank - 1u, dims);
}

static const char *scatter_rule(const verifier *v) {
    RULE(count_rule(v, 2, 0));
    const ir_node *ids = operand(v, 0), *values = operand(v, 1);
    RULE(operand_types(v, 0, IR_T_I));
    RULE(operand_types(v, 1, IR_T_F | IR_T_I));
    RULE(dtype_rule(v, (sn_dtype)values->dtype));
    if (v->n->rank == 0 || values->rank < ids->rank) return broken(v, "has no rows or fewer values than ids");
    for (uint32_t a = 0; a < ids->rank; a++)
        if (ids->dim[a] != values->dim[a]) return broken(v, "ids and values differ in axis %u", a);
    ir_dim dims[SN_MAX_RANK + 1] = {v->n->dim[0]};
    uint32_t rest = (uint32_t)(values->rank - ids->rank);
    memcpy(dims + 1, values->dim + ids->rank, rest * sizeof *dims);
    return same_dims(v, rest + 1, dims);
}

static const char *node_rule(const verifier *v) {
    RULE(head_rule(v));
    switch (ir_ops[v->n->op].cls) {
        case IR_CLASS_LEAF: return leaf_rule(v);
        case IR_CLASS_EWISE: return ewise_rule(v);
        case IR_CLASS_REDUCE:
            if (v->n->n_in != 1) return broken(v, "wants one operand");
            return reduce_rule(v);
        default: break;
    }
    if (v->n->n_in == 0) return broken(v, "wants an operand");
    switch (v->n->op) {
        case IR_MATMUL: return matmul_rule(v);
        case IR_RESHAPE:
            RULE(count_rule(v, 1, 0));
            if (!same_product(v, v->n, operand(v, 0))) return broken(v, "changes the number of elements");
            return dtype_rule(v, (sn_dtype)operand(v, 0)->dtype);
        case IR_TRANSPOSE: return transpose_rule(v);
        case IR_BROADCAST: return broadcast_rule(v);
        case IR_SLICE:
        case IR_PAD: return slice_rule(v);
        case IR_CONCAT: return concat_rule(v);
        case IR_GATHER: return gather_rule(v);
        case IR_SCATTER_ADD: return scatter_rule(v);
        case IR_RECURRENCE:
            RULE(count_rule(v, 2, 2));
            RULE(operand_types(v, 0, IR_T_F | IR_T_I));
            RULE(like_operand(v, 0));
            RULE(like_operand(v, 1));
            if (v->n->attr[0] < 0 || v->n->attr[0] >= v->n->rank)
                return broken(v, "has no axis %lld", (long long)v->n->attr[0]);
            return (uint64_t)v->n->attr[1] > 1 ? broken(v, "back is neither 0 nor 1") : NULL;
        case IR_STOP_GRADIENT: RULE(count_rule(v, 1, 0)); return like_operand(v, 0);
        default: return broken(v, "is an operator without rules");
    }
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

const char *ir_verify_node(const ir_graph *g, const ir_node *node, ir_id id, const uint32_t *cls, uint32_t n_cls,
                           char text[256]) {
    verifier v = {.g = g, .n = node, .id = id, .cls = cls, .n_cls = n_cls, .text = text};
    return node_rule(&v);
}

static const char *tables_rule(const verifier *v) {
    const ir_graph *g = v->g;
    if (g->node.n == 0 || g->node.at[0].op != IR_POISON) return broken(v, "node 0 is not the poison expression");
    if (g->place.n != g->node.n || g->label.n != g->node.n || g->input_name.n != g->input.n)
        return broken(v, "places, labels or names are not as many as what they belong to");
    for (uint32_t d = 1; d < g->dim.n; d++)
        for (uint32_t i = 0; i < g->dim.at[d].n; i++) {
            const ir_term *t = &g->dim.at[d].term[i];
            int bad = t->n > IR_DIM_FACTORS;
            for (uint32_t k = 0; !bad && k < t->n; k++) bad = t->name[k] >= g->dim_name.n;
            if (bad) return broken(v, "dim %u has a name that does not exist", d);
        }
    for (uint32_t i = 0; i < g->input.n; i++)
        if (g->input.at[i] >= g->node.n || ir_at(g, g->input.at[i])->op != IR_INPUT || !g->input_name.at[i])
            return broken(v, "input %u is no input node or has no name", i);
    for (uint32_t i = 0; i < g->var.n; i++)
        if (g->var.at[i].node >= g->node.n || ir_at(g, g->var.at[i].node)->op != IR_VAR || !g->var.at[i].name)
            return broken(v, "variable %u is no variable node or has no name", i);
    for (uint32_t i = 0; i < g->check.n; i++)
        if (!is_dim(g, g->check.at[i].a) || !is_dim(g, g->check.at[i].b)) return broken(v, "check %u has no dims", i);
    return NULL;
}

static const char *roots_rule(const verifier *v, const ir_roots *roots) {
    const ir_graph *g = v->g;
    for (uint32_t i = 0; i < roots->n_out; i++)
        if (!roots->out[i] || roots->out[i] >= g->node.n) return broken(v, "output %u is no node", i);
    for (uint32_t i = 0; i < roots->n_update; i++) {
        if (!roots->update[i] || roots->update[i] >= g->node.n) return broken(v, "update %u is no node", i);
        if (roots->update_var[i] >= g->var.n) return broken(v, "update %u is of no variable", i);
        for (uint32_t k = 0; k < i; k++)
            if (roots->update_var[k] == roots->update_var[i])
                return broken(v, "variable %u is updated twice", roots->update_var[i]);
        const ir_node *var = ir_at(g, g->var.at[roots->update_var[i]].node), *value = ir_at(g, roots->update[i]);
        int same = var->dtype == value->dtype && var->rank == value->rank;
        for (uint32_t a = 0; same && a < var->rank; a++) same = joined_dim(v, var->dim[a], value->dim[a]);
        if (!same) return broken(v, "update %u has another type than its variable", i);
    }
    return NULL;
}

static const char *graph_rule(verifier *v, const ir_roots *roots) {
    for (ir_id id = 1; id < v->g->node.n; id++) {
        v->n = ir_at(v->g, id);
        v->id = id;
        RULE(node_rule(v));
    }
    v->n = NULL;
    return roots ? roots_rule(v, roots) : NULL;
}

const char ir_no_memory[] = "out of memory while verifying";

const char *ir_verify(const ir_graph *g, const ir_roots *roots, char text[256]) {
    verifier v = {.g = g, .text = text};
    RULE(tables_rule(&v));
    size_t bytes = g->dim.n * sizeof(uint32_t);
    uint32_t *cls = base_malloc(g->arena.alloc, bytes);
    if (!cls) return ir_no_memory;
    ir_dim_classes(g, cls);
    v.cls = cls;
    v.n_cls = g->dim.n;
    const char *sentence = graph_rule(&v, roots);
    base_free(g->arena.alloc, cls, bytes);
    return sentence;
}
