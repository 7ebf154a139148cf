/* The pipeline, nearly line for line: a description over a graph in, a function out.
 *
 *     what the description needs, givens substituted -> passes -> plans: fusion, lowering, order
 *         -> per kernel: bytes -> cache or backend -> loaded code
 *
 * The function owns its graphs, so the user's may be freed afterwards. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/env.h"
#include "ir/infer.h"
#include "ir/pass.h"
#include "runtime/function.h"
#include "runtime/remote.h"

/* ---- graph -> program (under the trap of the function's graph) --------------------------------------------------- */

/* The checks of the graph as given hold even where passes removed the operators that made them. */
static void keep_checks(sn_function *f) {
    ir_graph *g = &f->graph;
    for (uint32_t i = 0; i < f->given.check.n; i++) {
        const ir_check *check = &f->given.check.at[i];
        ir_check copy = *check;
        copy.a = ir_dim_copy(g, &f->given, check->a);
        copy.b = ir_dim_copy(g, &f->given, check->b);
        copy.text = base_arena_strdup(&g->arena, check->text);
        *base_vec_push(&f->check, &g->arena) = copy;
    }
    for (uint32_t i = 0; i < g->check.n; i++) {
        int known = 0;
        for (uint32_t k = 0; k < f->check.n && !known; k++)
            known = ir_check_is(g, &f->check.at[k], g->check.at[i].a, g->check.at[i].b, g->check.at[i].at_most);
        if (!known) *base_vec_push(&f->check, &g->arena) = g->check.at[i];
    }
}

static void check_dim(sn_function *f, const pg_program *p, const pg_dim *dim, uint32_t before) {
    if (dim->step < 0) return;
    uint32_t step = (uint32_t)dim->step;
    if (step >= before || p->step[step].kind != PG_LAUNCH || dim->part >= p->step[step].kernel->n_part)
        base_fail(&f->graph.trap, SN_ERR_INTERNAL, "program: a size refers to step %u, which is not before it",
                  (unsigned)step);
}

static void check_ref(sn_function *f, const pg_program *p, pg_ref ref) {
    const uint32_t n[] = {[PG_INPUT] = f->n_input,
                          [PG_OUTPUT] = f->roots.n_out,
                          [PG_VAR] = f->graph.var.n,
                          [PG_TEMP] = p->n_temp,
                          [PG_NONE] = UINT32_MAX};
    if (ref.space > PG_NONE || ref.index >= n[ref.space])
        base_fail(&f->graph.trap, SN_ERR_INTERNAL, "program: a memory that is not there: space %u index %u",
                  (unsigned)ref.space, (unsigned)ref.index);
}

/* What a run relies on without looking; and the totals that a call has to keep. */
static void check_program(sn_function *f, rt_plan *plan) {
    const pg_program *p = plan->program;
    for (uint32_t i = 0; i < p->n_step; i++) {
        const pg_step *step = &p->step[i];
        if (step->kind == PG_LAUNCH) {
            for (uint32_t k = 0; k < step->kernel->n_dim; k++) check_dim(f, p, &step->dim[k], i);
            for (uint32_t k = 0; k < step->kernel->n_mem; k++) check_ref(f, p, step->mem[k]);
            for (uint32_t k = 0; k < step->n_traffic; k++) check_dim(f, p, &step->traffic[k], i + 1);
            check_dim(f, p, &step->flops, i + 1);
            plan->n_mem += step->kernel->n_mem;
            plan->n_dim += step->kernel->n_dim;
            plan->n_part += step->kernel->n_part;
            char text[256];
            if (ir_wants_verify() && kn_verify(step->kernel, text))
                base_fail(&f->graph.trap, SN_ERR_INTERNAL, "kernel %s: %s", step->name, text);
        } else {
            check_dim(f, p, &step->m, i);
            check_ref(f, p, step->a);
            check_ref(f, p, step->c);
            if (step->kind == PG_GEMM) {
                check_dim(f, p, &step->n, i);
                check_dim(f, p, &step->k, i);
                check_dim(f, p, &step->batch, i);
                check_ref(f, p, step->b);
                check_ref(f, p, step->row);
            }
        }
    }
    for (uint32_t i = 0; i < p->n_temp; i++) check_dim(f, p, &p->temp[i].count, p->n_step);
}

/* Arrays of a plan. */
static void prepare_plan(sn_function *f, rt_plan *plan) {
    base_arena *arena = &f->graph.arena;
    check_program(f, plan);
    uint32_t n_step = plan->program->n_step, n_temp = plan->program->n_temp;
    plan->kernel = ARENA_ARRAY(arena, const cache_kernel *, n_step);
    plan->retired = ARENA_ARRAY(arena, rt_count, n_step);
    plan->last_names = ARENA_ARRAY(arena, int64_t, f->graph.dim_name.n);
    plan->last_bytes = ARENA_ARRAY(arena, size_t, n_temp);
    plan->last_offset = ARENA_ARRAY(arena, size_t, n_temp);
    plan->last_traffic = ARENA_ARRAY(arena, uint64_t, n_step);
    plan->last_flops = ARENA_ARRAY(arena, uint64_t, n_step);
    plan->last_ns = ARENA_ARRAY(arena, double, n_step);
}

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const rt_held *)a)->var, y = (uintptr_t)((const rt_held *)b)->var;
    return (x > y) - (x < y);
}

/* Variables in the order of their addresses, those that are updated exclusively. */
static void hold_variables(sn_function *f) {
    const ir_graph *g = &f->graph;
    f->held = ARENA_ARRAY(&f->graph.arena, rt_held, g->var.n);
    for (uint32_t i = 0; i < g->var.n; i++) f->held[i] = (rt_held){g->var.at[i].var, 0};
    for (uint32_t k = 0; k < f->roots.n_update; k++) f->held[f->roots.update_var[k]].exclusive = 1;
    qsort(f->held, g->var.n, sizeof *f->held, by_address);
    for (; f->n_held < g->var.n; f->n_held++) rt_var_retain(f->held[f->n_held].var);
}

static void to_program(void *arg) {
    sn_function *f = arg;
    ir_graph *g = &f->graph;
    ir_optimise(g, &f->given, &f->given_roots, ir_pass_last(f->ctx->backend->machine), &f->roots);
    if (g->input.n != f->given.input.n || f->roots.n_out != f->given_roots.n_out)
        base_fail(&g->trap, SN_ERR_INTERNAL, "the passes changed the number of inputs or outputs");
    f->n_input = g->input.n;
    keep_checks(f);
    int how = (base_env_int(BASE_ENV_SINTER_FUSE, 1) ? PG_FUSE : 0) | (f->ctx->keep_nan ? PG_KEEP_NAN : 0);
    pg_compile_plans(&f->plans, g, &f->roots, how, f->ctx->backend->machine);
    f->last_plan = f->plans.n - 1;
    f->program = f->plans.at[f->last_plan];
    for (uint32_t i = 0; i < f->plans.n; i++) f->plan[i].program = f->plans.at[i];
    rt_plan_dims(f);
    for (uint32_t i = 0; i < f->plans.n; i++) prepare_plan(f, &f->plan[i]);
    hold_variables(f);
}

/* ---- kernels -> code --------------------------------------------------------------------------------------------- */

/* Steps of all plans are handed out in order to at most two threads. The failure of the first step that fails is
 * reported: all before it were handed out and have been finished. */
typedef struct {
    sn_function *f;
    pthread_mutex_t lock;
    uint32_t next, failed_step; /* counted over the plans; failed_step: UINT32_MAX for none */
    int helped;                 /* there is a second thread, helper */
    pthread_t helper;
    base_trap *err;
} load_job;

/* For an entry of the cache: the graph in which the kernel was first met. Two threads may be here. */
static void put_graph(void *arg, base_strbuf *out) {
    load_job *job = arg;
    pthread_mutex_lock(&job->lock);
    ir_print(&job->f->given, &job->f->given_roots, out);
    pthread_mutex_unlock(&job->lock);
}

static void get_help(void *arg);

/* Step number i over all plans, and its place in the array of kernels; NULL: there are fewer. */
static const pg_step *step_at(sn_function *f, uint32_t i, pg_program **program, const cache_kernel ***kernel) {
    for (uint32_t k = 0; k < f->plans.n; i -= f->plans.at[k++]->n_step) {
        if (i >= f->plans.at[k]->n_step) continue;
        if (program) *program = f->plans.at[k];
        if (kernel) *kernel = &f->plan[k].kernel[i];
        return &f->plans.at[k]->step[i];
    }
    return NULL;
}

static sn_status get_kernel(const sn_function *f, const kn_kernel *k, const cache_about *about,
                            const cache_kernel **out, int *compiled, base_trap *err) {
    base_strbuf bytes;
    base_strbuf_init(&bytes, &f->ctx->alloc);
    kn_encode(k, &bytes);
    sn_status status = bytes.failed ? base_set_error(err, SN_ERR_NOMEM, "kernel %s: out of memory", about->name)
                                    : cache_memory_get(f->ctx->cache, bytes.at, bytes.n, about, out, compiled, err);
    /* Code lies in the device's memory, too. */
    if (status == SN_ERR_NOMEM && !bytes.failed && rt_make_room(f->ctx))
        status = cache_memory_get(f->ctx->cache, bytes.at, bytes.n, about, out, compiled, err);
    base_strbuf_free(&bytes);
    return status;
}

static sn_status load_one(load_job *job, uint32_t i, int *compiled, base_trap *err) {
    pg_program *program = NULL;
    const cache_kernel **kernel = NULL;
    const pg_step *step = step_at(job->f, i, &program, &kernel);
    pg_namer namer = {program->graph, step->kernel};
    const cache_about about = {step->name, job->f->name, step->kernel,        put_graph,
                               get_help,   job,          pg_name_instruction, &namer};
    return get_kernel(job->f, step->kernel, &about, kernel, compiled, err);
}

/* Under the lock: does job->next have to be loaded? */
static int more_to_load(load_job *job) {
    const pg_step *step;
    while ((step = step_at(job->f, job->next, NULL, NULL)) && step->kind != PG_LAUNCH) job->next++;
    return job->failed_step == UINT32_MAX && step;
}

static void *load_some(void *arg) {
    load_job *job = arg;
    base_trap err = {.armed = 0};
    for (;;) {
        pthread_mutex_lock(&job->lock);
        uint32_t i = more_to_load(job) ? job->next++ : UINT32_MAX;
        pthread_mutex_unlock(&job->lock);
        if (i == UINT32_MAX) return NULL;

        int compiled = 0;
        sn_status status = load_one(job, i, &compiled, &err);
        pthread_mutex_lock(&job->lock);
        if (compiled) job->f->n_compiled++;
        if (status && i < job->failed_step) {
            job->failed_step = i;
            base_set_error(job->err, status, "kernel %s: %s", step_at(job->f, i, NULL, NULL)->name, err.text);
        }
        pthread_mutex_unlock(&job->lock);
    }
}

/* Something has to be compiled: a second thread, which takes no signals of the host's, sees to the kernels that are
 * left meanwhile. Where there is none the caller does all. A program that finds its kernels starts no thread. */
static void get_help(void *arg) {
    load_job *job = arg;
    sigset_t all, before;
    pthread_mutex_lock(&job->lock);
    if (!job->helped && more_to_load(job)) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        job->helped = !pthread_create(&job->helper, NULL, load_some, job);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_mutex_unlock(&job->lock);
}

/* On a device with memory of its own, a function that has an input to count brings what counts it. */
static void make_count_kernel(void *arg) {
    load_job *job = arg;
    sn_function *f = job->f;
    const kn_kernel *k = rt_count_kernel(&f->graph.arena);
    const cache_about about = {.name = "count", .function = f->name, .kernel = k, .graph = put_graph, .arg = job};
    int compiled = 0;
    if (get_kernel(f, k, &about, &f->count_kernel, &compiled, job->err)) job->failed_step = 0;
    f->n_compiled += (uint32_t)compiled;
}

static int has_counter(const sn_function *f) {
    for (uint32_t i = 0; i < f->n_input; i++) {
        const ir_node *node = ir_at(&f->graph, f->graph.input.at[i]);
        if (node->dtype == SN_I64 && !node->rank) return 1;
    }
    return 0;
}

static sn_status load_kernels(sn_function *f, base_trap *err) {
    uint32_t n_gemm = 0;
    const pg_step *step;
    for (uint32_t i = 0; (step = step_at(f, i, NULL, NULL)); i++) n_gemm += step->kind == PG_GEMM;
    load_job job = {.f = f, .failed_step = UINT32_MAX, .err = err};
    if (pthread_mutex_init(&job.lock, NULL)) return base_set_error(err, SN_ERR_NOMEM, "no lock could be made");
    load_some(&job);
    if (job.helped) pthread_join(job.helper, NULL);
    if (job.failed_step == UINT32_MAX && f->ctx->backend->remote && has_counter(f) &&
        base_protect(&f->graph.trap, make_count_kernel, &job))
        base_set_error(err, f->graph.trap.status, "%s", f->graph.trap.text), job.failed_step = 0;
    pthread_mutex_destroy(&job.lock);
    if (job.failed_step != UINT32_MAX) return err->status;
    if (!n_gemm) return SN_OK;
    sn_status status = f->ctx->backend->reserve_gemm(f->ctx->device, err);
    if (status == SN_ERR_NOMEM && rt_make_room(f->ctx)) status = f->ctx->backend->reserve_gemm(f->ctx->device, err);
    return status;
}

/* ---- looking inside ---------------------------------------------------------------------------------------------- */

static void dump(sn_function *f) {
    static const struct {
        const char *word;
        sn_show what;
    } dumps[] = {{"graph", SN_SHOW_GRAPH},
                 {"fuse", SN_SHOW_FUSE},
                 {"fuse", SN_SHOW_WHY},
                 {"kernel", SN_SHOW_KERNEL},
                 {"program", SN_SHOW_PROGRAM}};
    static const size_t n_dumps = sizeof dumps / sizeof *dumps;
    const char *const *texts = f->ctx->backend->texts;
    for (size_t i = 0; i < n_dumps || (texts && texts[i - n_dumps]); i++) {
        const char *word = i < n_dumps ? dumps[i].word : texts[i - n_dumps];
        if (!base_env_has(BASE_ENV_SINTER_DUMP, word)) continue;
        base_strbuf text;
        base_strbuf_init(&text, &f->ctx->alloc);
        base_trap err = {.armed = 0};
        sn_status status = i < n_dumps ? rt_show(f, dumps[i].what, &text, &err) : rt_show_code(f, word, &text, &err);
        char title[256];
        snprintf(title, sizeof title, "%s of function \"%.100s\"%s%s", word, f->name, status ? ": " : "",
                 status ? sn_status_name(status) : "");
        base_log_text(&f->ctx->log, title, text.at && !text.failed ? text.at : err.text);
        base_strbuf_free(&text);
    }
}

/* ---- the pipeline ------------------------------------------------------------------------------------------------ */

static sn_status pipeline(sn_function *f, sn_graph *graph, const sn_function_desc *desc, double start, base_trap *err) {
    sn_context *ctx = f->ctx;
    f->has_given = 1;
    sn_status status = ir_graph_init(&f->given, &ctx->alloc, &ctx->log, desc->name ? desc->name : graph->name);
    if (!status) status = rt_copy_described(f, graph, desc);
    if (status) return base_set_error(err, status, "%s", f->given.trap.text);
    f->name = f->given.name;
    char text[256];
    const char *broken = ir_wants_verify() ? ir_verify(&f->given, &f->given_roots, text) : NULL;
    if (broken)
        return base_set_error(err, broken == ir_no_memory ? SN_ERR_NOMEM : SN_ERR_INTERNAL, "function \"%s\": %s",
                              f->name, broken);

    f->has_graph = 1;
    status = ir_graph_init(&f->graph, &ctx->alloc, &ctx->log, f->name);
    if (!status) status = base_protect(&f->graph.trap, to_program, f);
    if (status) return base_set_error(err, status, "%s", f->graph.trap.text);

    f->plan_ms = base_now_ms() - start;
    return load_kernels(f, err);
}

sn_status rt_compile(sn_graph *graph, const sn_function_desc *desc, base_trap *err, sn_function **out) {
    double start = base_now_ms();
    sn_context *ctx = graph->context;
    sn_function *f = base_calloc(&ctx->alloc, sizeof *f);
    if (!f) return base_set_error(err, SN_ERR_NOMEM, "out of memory for a function");
    f->ctx = ctx;
    atomic_init(&f->refs, 1);
    if (pthread_mutex_init(&f->lock, NULL)) {
        base_free(&ctx->alloc, f, sizeof *f);
        return base_set_error(err, SN_ERR_NOMEM, "no lock could be made");
    }
    sn_status status = pipeline(f, graph, desc, start, err);
    if (status) {
        rt_function_release(f);
        return status;
    }
    f->compile_ms = base_now_ms() - start;
    pthread_mutex_lock(&ctx->functions_lock);
    f->next = ctx->functions;
    if (f->next) f->next->link = &f->next;
    f->link = &ctx->functions;
    ctx->functions = f;
    pthread_mutex_unlock(&ctx->functions_lock);
    base_logf(&ctx->log, SN_LOG_INFO,
              "function \"%s\": %u step%s, %u kernel%s compiled, %.2f ms, of it %.2f for the plan%s", f->name,
              (unsigned)f->program->n_step, base_s(f->program->n_step), (unsigned)f->n_compiled, base_s(f->n_compiled),
              f->compile_ms, f->plan_ms, base_s(f->plans.n));
    dump(f);
    *out = f;
    return SN_OK;
}
