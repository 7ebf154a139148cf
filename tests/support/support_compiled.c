/* A graph of support_graph.h copied, as far as its results need it, into a graph of the twin context, and run on every
 * path there. */
#include "support/support_compiled.h"

#include <check.h>
#include <stdlib.h>

#include "support/support_paths.h"

static sn_context *ctx; /* one for all graphs of a process: devices take their time to open */

static void close_context(void) { sn_context_free(ctx); }

typedef struct {
    const support_graph *from;
    const ir_id *out;
    uint32_t n;
    support_body body;
    ir_id copied[SUPPORT_MAX_ROOTS];
} copying;

/* A function wants an input for every size that it uses. */
static void tell_size(copying *c, ir_dim dim, uint32_t name) {
    static const uint8_t zeros[4096];
    ir_graph *g = c->body.g;
    for (uint32_t i = 0; i < g->input.n; i++) {
        const ir_node *in = ir_at(g, g->input.at[i]);
        for (uint32_t a = 0; a < in->rank; a++)
            if (in->dim[a] == dim) return;
    }
    ck_assert_int_le(c->body.dim[name], (int64_t)sizeof zeros);
    ck_assert_uint_lt(g->input.n, SUPPORT_MAX_INPUTS);
    ir_input(g, g->dim_name.at[name], SN_U8, 1, &dim);
    c->body.input[g->input.n - 1] = zeros;
}

static void copy(void *arg) {
    copying *c = arg;
    const ir_graph *from = &c->from->g;
    ir_graph *g = c->body.g;
    uint8_t *needed = ARENA_ARRAY(&g->arena, uint8_t, from->node.n);
    ir_id *map = ARENA_ARRAY(&g->arena, ir_id, from->node.n);
    for (uint32_t i = 0; i < c->n; i++) needed[c->out[i]] = 1;
    for (ir_id v = from->node.n; v-- > 1;)
        for (uint32_t k = 0; needed[v] && k < ir_at(from, v)->n_in; k++) needed[ir_at(from, v)->in[k]] = 1;
    ck_assert_uint_le(from->dim_name.n, SUPPORT_MAX_DIMS);
    for (uint32_t i = 0; i < from->dim_name.n; i++) {
        ir_dim_named(g, from->dim_name.at[i]);
        c->body.dim[i] = c->from->dim[i];
    }
    for (uint32_t i = 0; i < from->input.n; i++) {
        if (!needed[from->input.at[i]]) continue;
        ck_assert_uint_lt(g->input.n, SUPPORT_MAX_INPUTS);
        map[from->input.at[i]] = ir_copy_node(g, from, from->input.at[i], NULL);
        c->body.input[g->input.n - 1] = c->from->input[i];
    }
    for (uint32_t i = 0; i < from->dim_name.n; i++) tell_size(c, ir_dim_named(g, from->dim_name.at[i]), i);
    for (ir_id v = 1; v < from->node.n; v++) {
        const ir_node *n = ir_at(from, v);
        if (!needed[v] || map[v]) continue;
        ir_id *in = ARENA_ARRAY(&g->arena, ir_id, n->n_in);
        for (uint32_t k = 0; k < n->n_in; k++) in[k] = map[n->in[k]];
        map[v] = ir_copy_node(g, from, v, in);
    }
    for (uint32_t i = 0; i < c->n; i++) c->copied[i] = map[c->out[i]];
}

void support_check_compiled(support_graph *t, const char *what, const ir_id *out, uint32_t n) {
    char text[1024];
    if (!getenv("SN_TWIN")) return;
    if (!ctx) {
        ctx = support_twin_context();
        atexit(close_context);
    }
    ck_assert_uint_le(n, SUPPORT_MAX_ROOTS);
    copying *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    *c = (copying){.from = t, .out = out, .n = n};
    c->body.g = sn_graph_new(ctx, "copy");
    ck_assert_ptr_nonnull(c->body.g);
    ck_assert_msg(!base_protect(&c->body.g->trap, copy, c), "%s: %s", what, c->body.g->trap.text);
    c->body.roots = (ir_roots){.n_out = n, .out = c->copied};
    ck_assert_msg(support_paths(&c->body, SUPPORT_COMPILED | SUPPORT_FUSED_ONLY, NULL, NULL, text, sizeof text),
                  "%s: %s", what, text);
    sn_graph_free(c->body.g);
    free(c);
}
