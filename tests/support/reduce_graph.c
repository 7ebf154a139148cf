/* Greedy: outputs and updates are left out one by one, then nodes, last first, become inputs that hold what the
 * evaluator says they are. Whatever still fails is kept. */
#include "reduce_graph.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"

typedef struct {
    const support_body *body;
    int flags;
    base_alloc alloc;
    base_trap trap;
    base_arena arena;
    uint8_t *cut;
    void **value; /* of nodes */
    uint32_t n_out, n_update;
    ir_id out[SUPPORT_MAX_ROOTS], update[SUPPORT_MAX_ROOTS];
    uint32_t update_var[SUPPORT_MAX_ROOTS];
    void *var[SUPPORT_MAX_VARS];
    support_body small; /* the body as it would be now */
    char text[1024];
} reduction;

static const ir_graph *graph(const reduction *r) { return r->body->g; }

static void set_vars(const reduction *r) {
    const ir_graph *g = graph(r);
    for (uint32_t i = 0; i < g->var.n; i++)
        ck_assert_int_eq(sn_var_set(g->var.at[i].var, r->var[i], support_bytes(g, g->var.at[i].node, r->body->dim)),
                         SN_OK);
}

static void mark(const reduction *r, uint8_t *needed) {
    for (uint32_t i = 0; i < r->n_out; i++) needed[r->out[i]] = 1;
    for (uint32_t i = 0; i < r->n_update; i++) needed[r->update[i]] = 1;
    for (ir_id v = graph(r)->node.n; v-- > 1;)
        for (uint32_t k = 0; needed[v] && !r->cut[v] && k < ir_at(graph(r), v)->n_in; k++)
            needed[ir_at(graph(r), v)->in[k]] = 1;
}

static void build(void *arg) {
    reduction *r = arg;
    const ir_graph *from = graph(r);
    ir_graph *g = r->small.g;
    uint8_t *needed = ARENA_ARRAY(&r->arena, uint8_t, from->node.n);
    ir_id *map = ARENA_ARRAY(&r->arena, ir_id, from->node.n);
    mark(r, needed);
    for (uint32_t i = 0; i < from->dim_name.n; i++)
        r->small.dim[i] = r->body->dim[i], ir_dim_named(g, from->dim_name.at[i]);
    for (ir_id v = 1; v < from->node.n; v++) {
        const ir_node *n = ir_at(from, v);
        if (!needed[v] && n->op != IR_INPUT) continue;
        if (r->cut[v]) {
            char name[16];
            ir_dim dims[SN_MAX_RANK];
            for (uint32_t a = 0; a < n->rank; a++) dims[a] = ir_dim_copy(g, from, n->dim[a]);
            snprintf(name, sizeof name, "cut%u", v);
            map[v] = ir_input(g, name, (sn_dtype)n->dtype, n->rank, dims);
            r->small.input[g->input.n - 1] = r->value[v];
            continue;
        }
        ir_id *in = ARENA_ARRAY(&r->arena, ir_id, n->n_in);
        for (uint32_t k = 0; k < n->n_in; k++) in[k] = map[n->in[k]];
        if (n->op == IR_VAR)
            map[v] = sn_use((sn_graph *)g, from->var.at[n->attr[0]].var).id;
        else
            map[v] = ir_copy_node(g, from, v, in);
        if (n->op == IR_INPUT) r->small.input[g->input.n - 1] = r->body->input[n->attr[0]];
    }
    ir_id *out = ARENA_ARRAY(&g->arena, ir_id, r->n_out), *update = ARENA_ARRAY(&g->arena, ir_id, r->n_update);
    uint32_t *var = ARENA_ARRAY(&g->arena, uint32_t, r->n_update);
    for (uint32_t i = 0; i < r->n_out; i++) out[i] = map[r->out[i]];
    for (uint32_t i = 0; i < r->n_update; i++) {
        update[i] = map[r->update[i]];
        ir_id node = sn_use((sn_graph *)g, from->var.at[r->update_var[i]].var).id;
        var[i] = (uint32_t)ir_at(g, node)->attr[0];
    }
    r->small.roots =
        (ir_roots){.n_out = r->n_out, .out = out, .n_update = r->n_update, .update = update, .update_var = var};
}

/* Does it still fail? print: and how does it look? */
static int fails(reduction *r, int print) {
    if (!r->n_out && !r->n_update) return 0;
    r->small = (support_body){.g = sn_graph_new(graph(r)->context, "reduced")};
    sn_graph *g = r->small.g;
    base_arena_init(&r->arena, &r->alloc, &g->trap);
    int bad = 0;
    if (!base_protect(&g->trap, build, r) && g->input.n <= SUPPORT_MAX_INPUTS) {
        set_vars(r);
        bad = !support_paths(&r->small, r->flags, NULL, NULL, r->text, sizeof r->text);
    }
    if (print) {
        base_strbuf text;
        base_strbuf_init(&text, &r->alloc);
        ir_print(g, &r->small.roots, &text);
        fprintf(stderr, "reduced: %s\n%s", r->text, text.at ? text.at : "");
        for (uint32_t i = 0; i < g->dim_name.n; i++)
            fprintf(stderr, "%s = %lld\n", g->dim_name.at[i], (long long)r->small.dim[i]);
        base_strbuf_free(&text);
    }
    base_arena_free(&r->arena);
    sn_graph_free(g);
    return bad;
}

static void drop_roots(reduction *r) {
    for (uint32_t i = r->n_out; i-- > 0;) {
        reduction old = *r;
        memmove(&r->out[i], &r->out[i + 1], (--r->n_out - i) * sizeof *r->out);
        if (fails(r, 0)) continue;
        memcpy(r->out, old.out, sizeof r->out);
        r->n_out = old.n_out;
    }
    for (uint32_t i = r->n_update; i-- > 0;) {
        reduction old = *r;
        r->n_update--;
        memmove(&r->update[i], &r->update[i + 1], (r->n_update - i) * sizeof *r->update);
        memmove(&r->update_var[i], &r->update_var[i + 1], (r->n_update - i) * sizeof *r->update_var);
        if (fails(r, 0)) continue;
        memcpy(r->update, old.update, sizeof r->update);
        memcpy(r->update_var, old.update_var, sizeof r->update_var);
        r->n_update = old.n_update;
    }
}

typedef struct {
    reduction *r;
    base_arena arena;
} evaluation;

static void evaluate(void *arg) {
    evaluation *e = arg;
    reduction *r = e->r;
    const ir_graph *g = graph(r);
    uint8_t *needed = ARENA_ARRAY(&e->arena, uint8_t, g->node.n);
    ir_id *ids = ARENA_ARRAY(&e->arena, ir_id, g->node.n);
    void **values = ARENA_ARRAY(&e->arena, void *, g->node.n);
    mark(r, needed);
    uint32_t n = 0;
    for (ir_id v = 1; v < g->node.n; v++)
        if (needed[v]) ids[n++] = v;
    ir_roots roots = {.n_out = n, .out = ids};
    ir_values given = {r->body->input, (const void *const *)r->var, r->body->dim};
    ir_eval(g, &roots, &given, &e->arena, values);
    for (uint32_t i = 0; i < n; i++) r->value[ids[i]] = values[i];
}

void reduce_graph(const support_body *body, int flags) {
    const ir_graph *g = body->g;
    reduction *r = calloc(1, sizeof *r);
    r->body = body;
    r->flags = flags;
    r->cut = calloc(g->node.n, 1);
    r->value = calloc(g->node.n, sizeof *r->value);
    base_alloc_init(&r->alloc, NULL);
    r->n_out = body->roots.n_out;
    r->n_update = body->roots.n_update;
    memcpy(r->out, body->roots.out, r->n_out * sizeof *r->out);
    memcpy(r->update, body->roots.update, r->n_update * sizeof *r->update);
    memcpy(r->update_var, body->roots.update_var, r->n_update * sizeof *r->update_var);
    for (uint32_t i = 0; i < g->var.n; i++) {
        size_t bytes = support_bytes(g, g->var.at[i].node, body->dim);
        r->var[i] = malloc(bytes + 1);
        sn_var_get(g->var.at[i].var, r->var[i], bytes);
    }
    evaluation e = {.r = r};
    base_arena_init(&e.arena, &r->alloc, &r->trap);
    if (base_protect(&r->trap, evaluate, &e)) {
        fprintf(stderr, "not reduced: evaluating: %s\n", r->trap.text);
    } else if (!fails(r, 0)) {
        fprintf(stderr, "not reduced: does not fail when it is copied\n");
    } else {
        drop_roots(r);
        for (int again = 1; again;) {
            again = 0;
            uint8_t *needed = calloc(g->node.n, 1);
            for (ir_id v = g->node.n; v-- > 1;) {
                memset(needed, 0, g->node.n);
                mark(r, needed);
                ir_op op = (ir_op)ir_at(g, v)->op;
                if (!needed[v] || r->cut[v] || op == IR_INPUT || op == IR_CONST) continue;
                r->cut[v] = 1;
                if (fails(r, 0))
                    again = 1;
                else
                    r->cut[v] = 0;
            }
            free(needed);
        }
        drop_roots(r);
        fails(r, 1);
    }
    set_vars(r);
    for (uint32_t i = 0; i < g->var.n; i++) free(r->var[i]);
    base_arena_free(&e.arena);
    free(r->cut);
    free(r->value);
    free(r);
}
