/* The graph evaluator: the values of some roots, node by node in id order, which is topological. It is the oracle that
 * generated code is compared with, so it does the plain thing: floats are computed in f64 and rounded to the node's
 * dtype after each node, integers are exact and wrap, sums are carried wider than they are stored, every value is kept
 * dense.
 *
 * Where a call's dims break what an operator needs, it fails with SN_ERR_SHAPE and the sentence of the graph's check.
 */
#include "ir/eval.h"

int64_t ir_eval_dim(const eval_state *s, ir_dim dim) {
    int64_t value;
    if (!ir_dim_value(s->g, dim, s->given->names, &value))
        base_fail(s->arena->trap, SN_ERR_SHAPE, "evaluate: a dim overflows 63 bits with these inputs");
    return value;
}

/* The first check of the graph that does not hold with these dims, better one that names the operator; or NULL. */
static const char *broken_check(const eval_state *s, const char *op) {
    const char *first = NULL;
    for (uint32_t i = 0; i < s->g->check.n; i++) {
        const ir_check *check = &s->g->check.at[i];
        int64_t a = ir_eval_dim(s, check->a), b = ir_eval_dim(s, check->b);
        if (check->at_most ? a <= b : a == b) continue;
        if (strstr(check->text, op)) return check->text;
        if (!first) first = check->text;
    }
    return first;
}

void ir_eval_fail_size(const eval_state *s, const ir_node *node, int64_t have, int64_t want) {
    const char *text = broken_check(s, ir_ops[node->op].name);
    if (text) base_fail(s->arena->trap, SN_ERR_SHAPE, "%s", text);
    base_fail(s->arena->trap, SN_ERR_SHAPE, "%s: sizes do not fit with these inputs: %lld and %lld",
              ir_ops[node->op].name, (long long)have, (long long)want);
}

static void make_value(eval_state *s, const ir_node *node, eval_value *v) {
    v->dtype = node->dtype;
    v->rank = node->rank;
    v->n = 1;
    int empty = 0;
    for (int i = 0; i < node->rank; i++) {
        v->size[i] = ir_eval_dim(s, node->dim[i]);
        if (v->size[i] < 0)
            base_fail(s->arena->trap, SN_ERR_SHAPE, "%s: axis %d has the negative size %lld with these inputs",
                      ir_ops[node->op].name, i, (long long)v->size[i]);
        empty |= v->size[i] == 0;
    }
    if (empty) v->n = 0;
    for (int i = 0; i < node->rank && !empty; i++)
        if (__builtin_mul_overflow(v->n, v->size[i], &v->n))
            base_fail(s->arena->trap, SN_ERR_SHAPE, "%s: the number of elements overflows 63 bits with these inputs",
                      ir_ops[node->op].name);
    v->data = base_arena_array(s->arena, (size_t)v->n, sn_dtype_size((sn_dtype)node->dtype));
}

static void eval_given(eval_state *s, const ir_node *node, eval_value *out) {
    const void *const *from = node->op == IR_INPUT ? s->given->input : s->given->var;
    const void *data = from ? from[node->attr[0]] : NULL;
    if (!out->n) return;
    if (!data)
        base_fail(s->arena->trap, SN_ERR_MISSING, "%s %s has no value", node->op == IR_INPUT ? "input" : "variable",
                  node->op == IR_INPUT ? s->g->input_name.at[node->attr[0]] : s->g->var.at[node->attr[0]].name);
    memcpy(out->data, data, (size_t)out->n * sn_dtype_size((sn_dtype)out->dtype));
}

static void eval_const(const ir_node *node, eval_value *out) {
    memcpy(out->data, node->attr, sn_dtype_size((sn_dtype)node->dtype)); /* zero-extended, little-endian */
}

static void eval_iota(eval_value *out) {
    for (int64_t i = 0; i < out->n; i++) {
        if (base_is_float((sn_dtype)out->dtype))
            ir_eval_put_float(out, i, (double)i);
        else
            ir_eval_put_int(out, i, i);
    }
}

static void eval_node(eval_state *s, ir_id id) {
    const ir_node *node = ir_at(s->g, id);
    eval_value *out = &s->value[id];
    make_value(s, node, out);
    const eval_value **in = ARENA_ARRAY(s->arena, const eval_value *, node->n_in);
    for (uint32_t i = 0; i < node->n_in; i++) in[i] = &s->value[node->in[i]];

    if (ir_ops[node->op].cls == IR_CLASS_EWISE && node->op != IR_CAST && node->op != IR_SELECT) {
        ir_eval_ewise(s, node, out, in);
        return;
    }
    switch ((ir_op)node->op) {
        case IR_INPUT:
        case IR_VAR: eval_given(s, node, out); break;
        case IR_CONST: eval_const(node, out); break;
        case IR_IOTA: eval_iota(out); break;
        case IR_DIM_VALUE: ir_eval_put_int(out, 0, ir_eval_dim(s, (ir_dim)node->attr[0])); break;
        case IR_CAST: ir_eval_want_size(s, node, in[0]->n, out->n), ir_eval_cast(out, in[0]); break;
        case IR_SELECT: ir_eval_select(s, node, out, in); break;
        case IR_SUM:
        case IR_PROD:
        case IR_RMAX:
        case IR_RMIN:
        case IR_ARGMAX:
        case IR_ARGMIN: ir_eval_reduce(s, node, out, in[0]); break;
        case IR_MATMUL: ir_eval_matmul(s, node, out, in[0], in[1]); break;
        case IR_RESHAPE: ir_eval_reshape(s, node, out, in[0]); break;
        case IR_TRANSPOSE: ir_eval_transpose(s, node, out, in[0]); break;
        case IR_BROADCAST: ir_eval_broadcast(s, node, out, in[0]); break;
        case IR_SLICE: ir_eval_slice(s, node, out, in); break;
        case IR_PAD: ir_eval_pad(s, node, out, in); break;
        case IR_CONCAT: ir_eval_concat(s, node, out, in); break;
        case IR_GATHER: ir_eval_gather(s, node, out, in); break;
        case IR_SCATTER_ADD: ir_eval_scatter_add(s, node, out, in); break;
        case IR_RECURRENCE: ir_eval_recurrence(s, node, out, in); break;
        case IR_STOP_GRADIENT: ir_eval_reshape(s, node, out, in[0]); break;
        default:
            base_fail(s->arena->trap, SN_ERR_INTERNAL, "evaluate: no rule for node %u, %s", id, ir_ops[node->op].name);
    }
}

void ir_eval(const ir_graph *g, const ir_roots *roots, const ir_values *values, base_arena *arena, void **out) {
    eval_state s = {.g = g, .given = values, .arena = arena};
    uint8_t *needed = ARENA_ARRAY(arena, uint8_t, g->node.n);
    for (uint32_t i = 0; i < roots->n_out + roots->n_update; i++) {
        ir_id root = i < roots->n_out ? roots->out[i] : roots->update[i - roots->n_out];
        if (!root || root >= g->node.n)
            base_fail(arena->trap, SN_ERR_ARGUMENT, "evaluate: root %u is no expression", i);
        needed[root] = 1;
    }
    for (ir_id id = g->node.n; id-- > 1;) {
        const ir_node *node = ir_at(g, id);
        for (uint32_t i = 0; needed[id] && i < node->n_in; i++) needed[node->in[i]] = 1;
    }
    if (needed[0])
        base_fail(arena->trap, SN_ERR_ARGUMENT, "evaluate: the poison expression is among what the roots need");

    s.value = ARENA_ARRAY(arena, eval_value, g->node.n);
    for (ir_id id = 1; id < g->node.n; id++)
        if (needed[id]) eval_node(&s, id);
    for (uint32_t i = 0; i < roots->n_out; i++) out[i] = s.value[roots->out[i]].data;
    for (uint32_t i = 0; i < roots->n_update; i++) out[roots->n_out + i] = s.value[roots->update[i]].data;
}
