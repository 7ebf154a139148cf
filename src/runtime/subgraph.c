/* A description over the user's graph in; the function's own graph, holding exactly what is needed, out.
 *
 * Givens are simultaneous: a stand-in is taken as it was written, and is not itself searched for expressions to
 * replace. So a node may be wanted twice, as written and with givens substituted; each way is marked from the roots
 * down and then copied from the leaves up. Ids are topological, so both are plain loops. */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "base/hash.h"
#include "ir/infer.h"
#include "runtime/function.h"

typedef struct {
    sn_function *f;
    ir_graph *to;
    const ir_graph *from;
    const sn_function_desc *desc;
    ir_id *replaced;         /* of a node: the stand-in, or 0 */
    uint8_t *asis, *changed; /* node is wanted as written; with givens substituted */
    ir_id *asis_id, *changed_id;
} state;

#define FAIL(s, status, ...) base_fail(&(s)->to->trap, status, __VA_ARGS__)

static ir_id expr_id(const state *s, sn_expr e, const char *what, size_t i) {
    if (!e.id)
        FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": %s %zu is the poison expression%s", s->to->name, what, i,
             !e.graph             ? " of no graph: no builder has made it"
             : e.graph != s->from ? " of another graph, whose error says why"
                                  : "");
    if (e.graph != s->from || e.id >= s->from->node.n)
        FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": %s %zu is an expression of another graph", s->to->name, what, i);
    return e.id;
}

static int same_shape(const ir_node *a, const ir_node *b) {
    return a->rank == b->rank && !memcmp(a->dim, b->dim, a->rank * sizeof *a->dim);
}

/* An untyped constant may stand where its value is wanted in any dtype. */
static int fits(const state *s, ir_id id, sn_dtype dtype) {
    return ir_at(s->from, id)->dtype == dtype || ir_is_weak(s->from, id);
}

static void check_arrays(const state *s) {
    const sn_function_desc *d = s->desc;
    const struct {
        const void *at;
        size_t n;
        const char *name;
    } arrays[] = {{d->inputs, d->n_inputs, "inputs"},
                  {d->outputs, d->n_outputs, "outputs"},
                  {d->updates, d->n_updates, "updates"},
                  {d->givens, d->n_givens, "givens"},
                  {d->dims, d->n_dims, "dims"}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        if (arrays[i].n && !arrays[i].at)
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": %zu %s, but the array is NULL", s->to->name, arrays[i].n,
                 arrays[i].name);
        if (arrays[i].n > UINT16_MAX)
            FAIL(s, SN_ERR_UNSUPPORTED, "function \"%s\": %zu %s, at most %d are possible", s->to->name, arrays[i].n,
                 arrays[i].name, UINT16_MAX);
    }
    if (!d->n_outputs && !d->n_updates)
        FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": neither outputs nor updates: there is nothing to do", s->to->name);
}

static void take_givens(state *s) {
    for (size_t i = 0; i < s->desc->n_givens; i++) {
        ir_id replace = expr_id(s, s->desc->givens[i].replace, "what is replaced by given", i);
        ir_id with = expr_id(s, s->desc->givens[i].with, "what stands in by given", i);
        const ir_node *a = ir_at(s->from, replace), *b = ir_at(s->from, with);
        if (s->replaced[replace])
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": given %zu replaces what an earlier one replaces: %s",
                 s->to->name, i, ir_describe(s->from, replace).text);
        if (!fits(s, with, (sn_dtype)a->dtype))
            FAIL(s, SN_ERR_DTYPE, "function \"%s\": given %zu: %s, %s", s->to->name, i,
                 ir_describe(s->from, replace).text, ir_describe(s->from, with).text);
        if (!same_shape(a, b))
            FAIL(s, SN_ERR_SHAPE, "function \"%s\": given %zu: %s, %s", s->to->name, i,
                 ir_describe(s->from, replace).text, ir_describe(s->from, with).text);
        s->replaced[replace] = with;
    }
}

/* Inputs become the first nodes of the new graph, in the order of the description, whether they are needed or not. */
static void take_inputs(state *s) {
    for (size_t i = 0; i < s->desc->n_inputs; i++) {
        ir_id id = expr_id(s, s->desc->inputs[i], "input", i);
        if (ir_at(s->from, id)->op != IR_INPUT)
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": input %zu was not made by sn_input: %s", s->to->name, i,
                 ir_describe(s->from, id).text);
        if (s->asis_id[id])
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": input %zu is listed twice: %s", s->to->name, i,
                 ir_describe(s->from, id).text);
        s->asis_id[id] = ir_copy_node(s->to, s->from, id, NULL);
        if (s->to->input.n != i + 1)
            FAIL(s, SN_ERR_INTERNAL, "function \"%s\": input %zu got another place", s->to->name, i);
    }
}

/* Dims that calls are told: their names are there whether an expression has them or not. They are the first names of
 * the new graph, and passes keep names in order. */
static void take_dims(state *s) {
    const sn_function_desc *d = s->desc;
    s->f->told = ARENA_ARRAY(&s->to->arena, uint16_t, d->n_dims);
    for (size_t i = 0; i < d->n_dims; i++) {
        ir_dim dim = d->dims[i].id;
        const ir_poly *poly = dim && dim < s->from->dim.n ? &s->from->dim.at[dim] : NULL;
        if (!poly || poly->n != 1 || poly->term[0].n != 1 || poly->term[0].coef != 1)
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": dim %zu is no named dim of its graph: one that sn_dim_new made",
                 s->to->name, i);
        const char *name = s->from->dim_name.at[poly->term[0].name[0]];
        ir_dim_named(s->to, name);
        if (s->to->dim_name.n != i + 1)
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": dim %zu, %s, is listed twice", s->to->name, i, name);
        s->f->told[i] = (uint16_t)i;
    }
    s->f->n_told = (uint32_t)d->n_dims;
}

static void mark(state *s) {
    for (size_t i = 0; i < s->desc->n_outputs; i++) s->changed[expr_id(s, s->desc->outputs[i], "output", i)] = 1;
    for (size_t i = 0; i < s->desc->n_updates; i++)
        s->changed[expr_id(s, s->desc->updates[i].value, "the value of update", i)] = 1;
    for (ir_id id = s->from->node.n; id-- > 1;) {
        if (!s->changed[id]) continue;
        const ir_node *node = ir_at(s->from, id);
        if (s->replaced[id])
            s->asis[s->replaced[id]] = 1;
        else
            for (uint32_t k = 0; k < node->n_in; k++) s->changed[node->in[k]] = 1;
    }
    for (ir_id id = s->from->node.n; id-- > 1;)
        for (uint32_t k = 0; s->asis[id] && k < ir_at(s->from, id)->n_in; k++) s->asis[ir_at(s->from, id)->in[k]] = 1;
}

static ir_id copy_one(state *s, ir_id id, const ir_id *ids) {
    const ir_node *node = ir_at(s->from, id);
    if (node->op == IR_INPUT) {
        if (s->asis_id[id]) return s->asis_id[id];
        const ir_place *place = &s->from->place.at[id];
        FAIL(s, SN_ERR_MISSING, "function \"%s\": input \"%s\" (%s:%d) is needed, but is not among the inputs",
             s->to->name, s->from->input_name.at[node->attr[0]], place->file ? place->file : "", (int)place->line);
    }
    if (node->op == IR_VAR && !s->from->var.at[node->attr[0]].var)
        FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": variable %s of a parsed graph has no value", s->to->name,
             s->from->var.at[node->attr[0]].name);
    ir_id *in = ARENA_ARRAY(&s->to->arena, ir_id, node->n_in);
    for (uint32_t k = 0; k < node->n_in; k++) in[k] = ids[node->in[k]];
    return ir_copy_node(s->to, s->from, id, in);
}

/* The copy of a root or stand-in where a value of dtype is wanted. */
static ir_id typed(state *s, ir_id id, const ir_id *ids, sn_dtype dtype) {
    if (!ir_is_weak(s->from, id) || dtype == SN_F64) return ids[id];
    double value;
    memcpy(&value, &ir_at(s->from, id)->attr[0], sizeof value);
    return ir_const(s->to, dtype, value);
}

static void copy_nodes(state *s) {
    for (ir_id id = 1; id < s->from->node.n; id++)
        if (s->asis[id]) s->asis_id[id] = copy_one(s, id, s->asis_id);
    for (ir_id id = 1; id < s->from->node.n; id++) {
        if (!s->changed[id]) continue;
        ir_id with = s->replaced[id];
        s->changed_id[id] = with ? typed(s, with, s->asis_id, (sn_dtype)ir_at(s->from, id)->dtype)
                                 : copy_one(s, id, ir_at(s->from, id)->op == IR_INPUT ? s->asis_id : s->changed_id);
    }
}

static void take_update(state *s, size_t i, ir_id *value, uint32_t *index) {
    const sn_update *update = &s->desc->updates[i];
    const sn_var *var = update->var;
    if (!var) FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": the variable of update %zu is NULL", s->to->name, i);
    if (var->ctx != s->f->ctx)
        FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": variable \"%s\" belongs to another context", s->to->name, var->name);
    ir_id use = ir_use(s->to, update->var, var->name, var->type.dtype, (uint32_t)var->type.rank, var->type.size);
    *index = (uint32_t)ir_at(s->to, use)->attr[0];
    ir_id id = update->value.id;
    if (!fits(s, id, var->type.dtype))
        FAIL(s, SN_ERR_DTYPE, "function \"%s\": update %zu: variable %s, its new value %s", s->to->name, i,
             ir_describe(s->to, use).text, ir_describe(s->from, id).text);
    *value = typed(s, id, s->changed_id, var->type.dtype);
    if (!same_shape(ir_at(s->to, use), ir_at(s->to, *value)))
        FAIL(s, SN_ERR_SHAPE, "function \"%s\": update %zu: variable %s, its new value %s", s->to->name, i,
             ir_describe(s->to, use).text, ir_describe(s->from, id).text);
}

/* Of all variables, since inputs of calls and dumps know them by name. */
static void check_names(const state *s) {
    const ir_graph *g = s->to;
    uint32_t n = 16;
    while (n < 2 * g->var.n) n *= 2;
    uint32_t *table = ARENA_ARRAY(&s->to->arena, uint32_t, n);
    for (uint32_t i = 0; i < g->var.n; i++) {
        const char *name = g->var.at[i].name;
        uint32_t at = (uint32_t)base_hash64(name, strlen(name), 0) & (n - 1);
        for (; table[at]; at = (at + 1) & (n - 1))
            if (!strcmp(g->var.at[table[at] - 1].name, name))
                FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": two of its variables are called \"%s\"", g->name, name);
        table[at] = i + 1;
    }
}

static void take_roots(state *s) {
    base_arena *arena = &s->to->arena;
    const sn_function_desc *d = s->desc;
    ir_id *out = ARENA_ARRAY(arena, ir_id, d->n_outputs), *value = ARENA_ARRAY(arena, ir_id, d->n_updates);
    uint32_t *var = ARENA_ARRAY(arena, uint32_t, d->n_updates);
    for (size_t i = 0; i < d->n_outputs; i++) out[i] = s->changed_id[d->outputs[i].id];
    for (size_t i = 0; i < d->n_updates; i++) take_update(s, i, &value[i], &var[i]);
    size_t *first = ARENA_ARRAY(arena, size_t, s->to->var.n); /* update of each variable, + 1 */
    for (size_t i = 0; i < d->n_updates; i++) {
        if (first[var[i]])
            FAIL(s, SN_ERR_ARGUMENT, "function \"%s\": updates %zu and %zu are both of variable \"%s\"", s->to->name,
                 first[var[i]] - 1, i, s->to->var.at[var[i]].name);
        first[var[i]] = i + 1;
    }
    check_names(s);
    s->f->given_roots = (ir_roots){.n_out = (uint32_t)d->n_outputs,
                                   .n_update = (uint32_t)d->n_updates,
                                   .out = out,
                                   .update = value,
                                   .update_var = var};
}

static void copy_described(void *arg) {
    state *s = arg;
    base_arena *arena = &s->to->arena;
    uint32_t n = s->from->node.n;
    s->replaced = ARENA_ARRAY(arena, ir_id, n);
    s->asis_id = ARENA_ARRAY(arena, ir_id, n);
    s->changed_id = ARENA_ARRAY(arena, ir_id, n);
    s->asis = ARENA_ARRAY(arena, uint8_t, n);
    s->changed = ARENA_ARRAY(arena, uint8_t, n);
    check_arrays(s);
    take_dims(s);
    take_givens(s);
    take_inputs(s);
    mark(s);
    copy_nodes(s);
    take_roots(s);
}

sn_status rt_copy_described(sn_function *f, const sn_graph *graph, const sn_function_desc *desc) {
    state s = {.f = f, .to = &f->given, .from = graph, .desc = desc};
    return base_protect(&f->given.trap, copy_described, &s);
}
