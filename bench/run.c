/* A run of one case: its context, and everything its setup makes, freed together. A failure jumps back to bench_begin
 * (in setup) or to the one who measures, with a sentence in the run. */
#define _GNU_SOURCE
#include "bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_fail(bench_run *run, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(run->message, sizeof run->message, format, args);
    va_end(args);
    longjmp(run->failed, 1);
}

int bench_begin(bench_run *run, const bench_case *c, const bench_settings *how) {
    memset(run, 0, sizeof *run);
    run->threads = how->threads;
    run->scale = how->scale;
    if (setjmp(run->failed)) return 0;
    sn_context_options options = {
        .struct_size = sizeof options, .threads = how->threads, .backend = how->backend, .tf32 = c->tf32};
    if (sn_context_new(&options, &run->ctx)) bench_fail(run, "no context could be made");
    if (!(run->team = team_new(how->threads))) bench_fail(run, "no threads for the yardstick");
    if (!strcmp(sn_context_backend(run->ctx), "gpu")) {
        char why[sizeof run->message];
        if (!(run->device = device_open(why, sizeof why))) bench_fail(run, "%s", why);
    }
    c->setup(run, c);
    return 1;
}

void bench_end(bench_run *run) {
    if (run->leave) run->leave(run->state);
    sn_call_free(run->call);
    sn_function_free(run->function);
    sn_graph_free(run->graph);
    for (size_t i = 0; i < run->n_var; i++) sn_var_free(run->var[i]);
    sn_array_free(run->array);
    device_close(run->device);
    sn_context_free(run->ctx);
    team_free(run->team);
    for (size_t i = 0; i < run->n_memory; i++) free(run->memory[i]);
}

void *bench_alloc(bench_run *run, size_t bytes) {
    if (run->n_memory == BENCH_MAX_OWNED) bench_fail(run, "more than %d buffers", BENCH_MAX_OWNED);
    void *p = NULL;
    if (posix_memalign(&p, 4096, bytes + 64)) bench_fail(run, "no memory for %zu bytes", bytes);
    run->memory[run->n_memory++] = p;
    return memset(p, 0, bytes + 64); /* the pages exist before anything is timed */
}

float *bench_floats(bench_run *run, int64_t n) { return bench_alloc(run, (size_t)n * sizeof(float)); }

double bench_uniform_at(int64_t i, uint32_t seed, double low, double high) {
    uint32_t x = (uint32_t)i + seed * 0x9E3779B9u;
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    x ^= x >> 16;
    return low + (high - low) * (double)(x >> 8) / 16777216;
}

float *bench_uniform(bench_run *run, int64_t n, uint32_t seed, double low, double high) {
    float *p = bench_floats(run, n);
    for (int64_t i = 0; i < n; i++) p[i] = (float)bench_uniform_at(i, seed, low, high);
    return p;
}

void bench_fill(float *to, int64_t n, uint32_t seed, double low, double high) {
    for (int64_t i = 0; i < n && i < BENCH_PERIOD; i++) to[i] = (float)bench_uniform_at(i, seed, low, high);
    for (int64_t i = BENCH_PERIOD; i < n; i += BENCH_PERIOD)
        memcpy(to + i, to, (size_t)(n - i < BENCH_PERIOD ? n - i : BENCH_PERIOD) * sizeof *to);
}

int64_t bench_scaled(bench_run *run, int64_t n, int64_t step, double bytes_each) {
    double left = run->device ? 0.8 * (double)device_free_bytes(run->device) : 1e30, wanted = run->scale * (double)n;
    if (wanted * bytes_each > left) wanted = left / bytes_each;
    int64_t m = (int64_t)wanted / step * step;
    if (m < step) m = step;
    run->size = m < n ? m : n;
    if (m >= n) return n;
    run->smaller = 1;
    snprintf(run->note, sizeof run->note, "%lld instead of %lld, by %s", (long long)m, (long long)n,
             run->scale * (double)n * bytes_each > left ? "the memory that is free" : "--scale");
    return m;
}

sn_graph *bench_graph(bench_run *run) {
    if (!run->graph && !(run->graph = sn_graph_new(run->ctx, "bench"))) bench_fail(run, "no memory for a graph");
    return run->graph;
}

sn_var *bench_var(bench_run *run, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes) {
    if (run->n_var == BENCH_MAX_OWNED) bench_fail(run, "more than %d variables", BENCH_MAX_OWNED);
    sn_var *var;
    if (sn_var_new(run->ctx, name, dtype, rank, sizes, &var)) bench_fail(run, "%s", sn_context_error(run->ctx));
    return run->var[run->n_var++] = var;
}

static size_t bytes_of(const sn_var *var) {
    sn_tensor type = sn_var_type(var);
    return sn_tensor_bytes(&type);
}

void bench_var_set(bench_run *run, sn_var *var, const void *data) {
    if (sn_var_set(var, data, bytes_of(var))) bench_fail(run, "%s", sn_context_error(run->ctx));
}

void bench_var_get(bench_run *run, sn_var *var, void *data) {
    if (sn_var_get(var, data, bytes_of(var))) bench_fail(run, "%s", sn_context_error(run->ctx));
}

void bench_compile(bench_run *run, const sn_expr *in, size_t n_in, const sn_expr *out, size_t n_out,
                   const sn_update *updates, size_t n_updates) {
    sn_function_desc desc = {.struct_size = sizeof desc,
                             .inputs = in,
                             .n_inputs = n_in,
                             .outputs = out,
                             .n_outputs = n_out,
                             .updates = updates,
                             .n_updates = n_updates};
    if (sn_function_new(bench_graph(run), &desc, &run->function)) bench_fail(run, "%s", sn_graph_error(run->graph));
    if (sn_call_new(run->function, &run->call)) bench_fail(run, "%s", sn_function_error(run->function));
}

void bench_bind_in(bench_run *run, size_t index, const sn_tensor *tensor) {
    if (sn_call_bind_input(run->call, index, tensor)) bench_fail(run, "%s", sn_call_error(run->call));
}

void bench_bind_out(bench_run *run, size_t index, const sn_tensor *tensor) {
    if (sn_call_bind_output(run->call, index, tensor)) bench_fail(run, "%s", sn_call_error(run->call));
}

void bench_keep_out(bench_run *run, sn_dtype dtype, int32_t rank, const int64_t *sizes) {
    if (sn_array_new(run->ctx, dtype, rank, sizes, &run->array)) bench_fail(run, "%s", sn_context_error(run->ctx));
    if (sn_call_bind_output_array(run->call, 0, run->array)) bench_fail(run, "%s", sn_call_error(run->call));
}

void bench_kept_out(bench_run *run, void *data) {
    sn_tensor type = sn_array_type(run->array);
    if (sn_array_get(run->array, data, sn_tensor_bytes(&type))) bench_fail(run, "%s", sn_context_error(run->ctx));
}

double bench_difference(const float *a, const float *b, int64_t n, double scale) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]) / (scale + fabs((double)b[i]));
        if (!(d <= worst)) worst = d; /* a NaN is the worst */
    }
    return worst;
}

int bench_show_case(const bench_case *c, const bench_settings *how, sn_show what, double seconds) {
    bench_run *run = malloc(sizeof *run);
    if (!run) return 0;
    char *text;
    int good = bench_begin(run, c, how);
    if (!good) fprintf(stderr, "bench: %s: %s\n", c->name, run->message);
    if (good && run->function) {
        double end = bench_now() + (what == SN_SHOW_PROFILE ? seconds : 0);
        while (bench_now() < end) run->ours(run->state);
        good = !sn_function_show(run->function, what, &text);
        if (good) {
            printf("---- %s\n%s\n", c->name, text);
            sn_string_free(run->ctx, text);
        } else {
            fprintf(stderr, "bench: %s: %s\n", c->name, sn_function_error(run->function));
        }
    }
    bench_end(run);
    free(run);
    return good;
}
