/* Functions: the public face of the pipeline, their lifetime and what they tell about themselves. */
#define _POSIX_C_SOURCE 200809L
#include "runtime/function.h"

#include <string.h>

#include "runtime/call.h"

/* Keeps the sentence of a failure where sn_graph_error finds it without spoiling the graph. */
static sn_status fail_graph(sn_graph *graph, const base_trap *err, sn_status status) {
    graph->function_error = status;
    memcpy(graph->function_text, err->text, sizeof graph->function_text);
    return status;
}

sn_status sn_function_new(sn_graph *graph, const sn_function_desc *given, sn_function **out) {
    if (out) *out = NULL;
    if (!graph) return SN_ERR_ARGUMENT;
    graph->function_error = SN_OK;
    graph->function_text[0] = 0;
    if (graph->error) return graph->error;
    base_trap err = {.armed = 0};
    sn_function_desc desc;
    if (!out || !given || !graph->context)
        return fail_graph(graph, &err,
                          base_set_error(&err, SN_ERR_ARGUMENT, "function: %s is NULL",
                                         !out     ? "out"
                                         : !given ? "the description"
                                                  : "the graph's context"));
    if (!rt_options_copy(&desc, sizeof desc, sizeof desc, given))
        return fail_graph(graph, &err,
                          base_set_error(&err, SN_ERR_ARGUMENT,
                                         "function: struct_size %zu of the description is not known: use sizeof, or 0",
                                         given->struct_size));
    sn_status status = rt_compile(graph, &desc, &err, out);
    return status ? fail_graph(graph, &err, status) : SN_OK;
}

void rt_function_retain(sn_function *f) { atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed); }

void rt_function_trim(sn_function *f) {
    pthread_mutex_lock(&f->lock);
    sn_call *idle = f->idle;
    f->idle = NULL;
    pthread_mutex_unlock(&f->lock);
    while (idle) {
        sn_call *next = idle->next_idle;
        rt_call_destroy(idle);
        idle = next;
    }
}

void rt_function_release(sn_function *f) {
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1) return;
    sn_context *ctx = f->ctx;
    pthread_mutex_lock(&ctx->functions_lock);
    if (f->link) { /* which its neighbours change: also to be read under the lock */
        *f->link = f->next;
        if (f->next) f->next->link = f->link;
    }
    pthread_mutex_unlock(&ctx->functions_lock);
    rt_function_trim(f);
    for (uint32_t k = 0; k < f->plans.n; k++)
        for (uint32_t i = 0; f->plan[k].kernel && i < f->plans.at[k]->n_step; i++)
            cache_memory_release(ctx->cache, f->plan[k].kernel[i]);
    if (f->count_kernel) cache_memory_release(ctx->cache, f->count_kernel);
    for (uint32_t i = 0; i < f->n_held; i++) rt_var_release(f->held[i].var);
    pg_plans_clear(&f->plans);
    if (f->has_graph) ir_graph_clear(&f->graph);
    if (f->has_given) ir_graph_clear(&f->given);
    pthread_mutex_destroy(&f->lock);
    base_free(&ctx->alloc, f, sizeof *f);
}

void sn_function_free(sn_function *f) { rt_function_release(f); }

const char *sn_function_error(const sn_function *f) { return f ? f->error.text : "no function"; }

sn_status sn_function_get_stats_of(const sn_function *function, sn_function_stats *out, size_t out_bytes) {
    if (!function || !out) return SN_ERR_ARGUMENT;
    sn_function *f = (sn_function *)(uintptr_t)function; /* for its lock */
    sn_function_stats all = {.n_compiled = f->n_compiled, .compile_ms = f->compile_ms, .plan_ms = f->plan_ms};
    pthread_mutex_lock(&f->lock);
    const rt_plan *plan = &f->plan[f->last_plan];
    for (uint32_t i = 0; i < plan->program->n_step; i++) {
        all.n_kernels += plan->program->step[i].kind == PG_LAUNCH;
        all.n_matmuls += plan->program->step[i].kind == PG_GEMM;
        all.bytes_per_call += plan->last_traffic[i];
    }
    all.arena_bytes = plan->last_arena;
    all.n_plans = f->plans.n;
    pthread_mutex_unlock(&f->lock);
    memset(out, 0, out_bytes);
    memcpy(out, &all, out_bytes < sizeof all ? out_bytes : sizeof all);
    return SN_OK;
}

sn_status sn_function_show(sn_function *f, sn_show what, char **out) {
    if (out) *out = NULL;
    if (!f || !out) return SN_ERR_ARGUMENT;
    base_strbuf text;
    base_strbuf_init(&text, &f->ctx->alloc);
    base_trap err = {.armed = 0};
    sn_status status = rt_show(f, what, &text, &err);
    if (!status) {
        base_strbuf_puts(&text, ""); /* so that an empty text is one, too */
        *out = base_strbuf_take(&text, NULL);
        if (!*out) status = base_set_error(&err, SN_ERR_NOMEM, "out of memory for a text");
    }
    base_strbuf_free(&text);
    if (status) {
        pthread_mutex_lock(&f->lock);
        base_set_error(&f->error, status, "%s", err.text);
        pthread_mutex_unlock(&f->lock);
    }
    return status;
}
