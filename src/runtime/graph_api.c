/* Graphs as users hold them: made with the context's allocator, holding the variables they name, telling their error.
 * What goes into a graph is in src/ir/builders.c. */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "ir/builder.h"
#include "runtime/variable.h"

sn_graph *sn_graph_new(sn_context *ctx, const char *name) {
    if (!ctx) return NULL;
    sn_graph *g = base_calloc(&ctx->alloc, sizeof *g);
    if (!g) {
        rt_context_fail(ctx, SN_ERR_NOMEM, "out of memory for a graph");
        return NULL;
    }
    sn_status status = ir_graph_init(g, &ctx->alloc, &ctx->log, name);
    g->context = ctx;
    if (!status) return g;
    rt_context_fail(ctx, status, "graph: %s", g->trap.text);
    sn_graph_free(g);
    return NULL;
}

void sn_graph_free(sn_graph *g) {
    if (!g) return;
    sn_context *ctx = g->context;
    for (uint32_t i = 0; i < g->var.n; i++) rt_var_release(g->var.at[i].var);
    ir_graph_clear(g);
    base_free(&ctx->alloc, g, sizeof *g);
}

sn_expr sn_graph_fail(sn_graph *g, sn_status status, const char *sentence, const char *file, int line) {
    if (g) ir_build_error(g, status ? status : SN_ERR_ARGUMENT, sentence ? sentence : "", file, line);
    return (sn_expr){g, 0};
}

sn_context *sn_graph_context(const sn_graph *g) { return g ? g->context : NULL; }

void sn_string_free(sn_context *ctx, char *text) {
    if (ctx && text) base_free(&ctx->alloc, text, strlen(text) + 1);
}

static void use_var(ir_build *b) {
    sn_graph *g = b->g;
    sn_var *var = b->arg;
    if (!var) base_fail(&g->trap, SN_ERR_ARGUMENT, "use: the variable is NULL");
    if (var->ctx != g->context)
        base_fail(&g->trap, SN_ERR_ARGUMENT, "use: variable %s belongs to another context", var->name);
    uint32_t n_var = g->var.n;
    b->out = ir_use(g, var, var->name, var->type.dtype, (uint32_t)var->type.rank, var->type.size);
    if (g->var.n > n_var) rt_var_retain(var); /* until sn_graph_free */
}

sn_expr sn_use_at(sn_graph *graph, sn_var *var, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "use", .g = graph, .arg = var}, use_var, file, line);
}
