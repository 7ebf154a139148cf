/* The same node in another graph, or in its own graph with other operands: dims are mapped by name, inference runs
 * again, place and label go along. Checks that arise keep the text that they got where the user wrote the operator. */
#include <string.h>

#include "ir/infer.h"

static ir_id copy_input(ir_graph *g, const ir_graph *from, const ir_node *n) {
    const char *name = from->input_name.at[n->attr[0]];
    for (uint32_t i = 0; i < g->input.n; i++)
        if (!strcmp(g->input_name.at[i], name)) return g->input.at[i];
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) dims[i] = ir_dim_copy(g, from, n->dim[i]);
    return ir_input(g, name, (sn_dtype)n->dtype, n->rank, dims);
}

static ir_id copy_var(ir_graph *g, const ir_graph *from, const ir_node *n) {
    const ir_var *var = &from->var.at[n->attr[0]];
    int64_t sizes[SN_MAX_RANK] = {0};
    for (uint32_t i = 0; i < n->rank; i++) ir_dim_is_const(from, n->dim[i], &sizes[i]);
    return ir_use(g, var->var, var->name, (sn_dtype)n->dtype, n->rank, sizes);
}

static ir_id copy_ranges(ir_graph *g, const ir_graph *from, const ir_node *n, const ir_id *in) {
    const ir_node *operand = ir_at(from, n->in[0]);
    ir_range range[SN_MAX_RANK];
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < n->rank; i++) {
        const int64_t *attr = n->attr + i * IR_SLICE_ATTRS;
        range[i].start = ir_dim_copy(g, from, (ir_dim)attr[IR_SLICE_START]);
        range[i].step = attr[IR_SLICE_STEP];
        range[i].runtime = attr[IR_SLICE_RUNTIME] ? in[attr[IR_SLICE_RUNTIME]] : 0;
        range[i].size = ir_dim_copy(g, from, n->op == IR_SLICE ? n->dim[i] : operand->dim[i]);
        dims[i] = ir_dim_copy(g, from, n->dim[i]);
    }
    return n->op == IR_SLICE ? ir_slice(g, in[0], range) : ir_pad(g, in[0], range, dims);
}

static ir_id copy(ir_graph *g, const ir_graph *from, const ir_node *n, const ir_id *in) {
    ir_dim dims[SN_MAX_RANK] = {0};
    uint8_t axes[SN_MAX_RANK] = {0};
    switch ((ir_op)n->op) {
        case IR_INPUT: return g == from ? from->input.at[n->attr[0]] : copy_input(g, from, n);
        case IR_VAR: return g == from ? from->var.at[n->attr[0]].node : copy_var(g, from, n);
        case IR_CONST: return ir_const_bits(g, (sn_dtype)n->dtype, (uint64_t)n->attr[0]);
        case IR_IOTA: return ir_iota(g, (sn_dtype)n->dtype, ir_dim_copy(g, from, n->dim[0]));
        case IR_DIM_VALUE: return ir_dim_node(g, ir_dim_copy(g, from, (ir_dim)n->attr[0]));
        case IR_CAST: return ir_cast(g, in[0], (sn_dtype)n->dtype);
        case IR_SELECT: return ir_select(g, in[0], in[1], in[2]);
        case IR_SUM:
        case IR_PROD:
        case IR_RMAX:
        case IR_RMIN:
        case IR_ARGMAX:
        case IR_ARGMIN: return ir_reduce(g, (ir_op)n->op, in[0], (uint32_t)n->attr[0], 0);
        case IR_MATMUL: return ir_matmul_flags(g, in[0], in[1], n->attr[0]);
        case IR_RESHAPE:
            for (uint32_t i = 0; i < n->rank; i++) dims[i] = ir_dim_copy(g, from, n->dim[i]);
            return ir_reshape(g, in[0], n->rank, dims);
        case IR_TRANSPOSE:
            for (uint32_t i = 0; i < n->n_attr; i++) axes[i] = (uint8_t)n->attr[i];
            return ir_transpose(g, in[0], axes);
        case IR_BROADCAST:
            for (uint32_t i = 0; i < n->rank; i++) dims[i] = ir_dim_copy(g, from, n->dim[i]);
            for (uint32_t i = 0; i < n->n_attr; i++) axes[i] = (uint8_t)n->attr[i];
            return ir_broadcast(g, in[0], n->rank, dims, axes);
        case IR_SLICE:
        case IR_PAD: return copy_ranges(g, from, n, in);
        case IR_CONCAT: return ir_concat(g, n->n_in, in, (uint32_t)n->attr[0]);
        case IR_GATHER: return ir_gather(g, in[0], in[1]);
        case IR_SCATTER_ADD: return ir_scatter_add(g, in[0], in[1], ir_dim_copy(g, from, n->dim[0]));
        case IR_RECURRENCE: return ir_recurrence(g, in[0], in[1], (uint32_t)n->attr[0], (int)n->attr[1]);
        case IR_STOP_GRADIENT: return ir_stop_gradient(g, in[0]);
        case IR_POISON: return 0;
        default: break;
    }
    if (ir_ops[n->op].cls == IR_CLASS_EWISE && ir_ops[n->op].n_operands == 1) return ir_unary(g, (ir_op)n->op, in[0]);
    if (ir_ops[n->op].cls == IR_CLASS_EWISE && ir_ops[n->op].n_operands == 2)
        return ir_binary(g, (ir_op)n->op, in[0], in[1]);
    base_fail(&g->trap, SN_ERR_INTERNAL, "%s: no rule to copy it", ir_ops[n->op].name);
}

/* Checks added since `first` get the texts that the same checks have in `from`. */
static void keep_texts(ir_graph *g, const ir_graph *from, uint32_t first) {
    if (g == from || first == g->check.n) return;
    for (uint32_t k = 0; k < from->check.n; k++) {
        const ir_check *old = &from->check.at[k];
        ir_dim a = ir_dim_copy(g, from, old->a), b = ir_dim_copy(g, from, old->b);
        for (uint32_t i = first; i < g->check.n; i++) {
            if (ir_check_is(g, &g->check.at[i], a, b, old->at_most))
                g->check.at[i].text = base_arena_strdup(&g->arena, old->text);
        }
    }
}

/* The place with a file name that lives as long as g. Neighbours mostly share theirs. */
static ir_place copy_place(ir_graph *g, ir_place place) {
    const char *newest = g->place.at[g->place.n - 1].file;
    if (!place.file || !*place.file)
        place.file = "";
    else if (newest && !strcmp(newest, place.file))
        place.file = newest;
    else
        place.file = base_arena_strdup(&g->arena, place.file);
    return place;
}

ir_id ir_copy_node(ir_graph *g, const ir_graph *from, ir_id node, const ir_id *in) {
    const ir_node n = *ir_at(from, node); /* by value: g may be from, and grow */
    ir_place here = g->here;
    uint32_t n_check = g->check.n;
    g->here = copy_place(g, from->place.at[node]);
    ir_id id = copy(g, from, &n, in);
    keep_texts(g, from, n_check);
    g->here = here;
    const char *label = from->label.at[node];
    if (label && id && !g->label.at[id]) g->label.at[id] = g == from ? label : base_arena_strdup(&g->arena, label);
    return id;
}
