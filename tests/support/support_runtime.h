/* A context on the kernel interpreter whose allocations are counted, and short words for what tests of the runtime do
 * all the time. Every function is static: a program of tests includes this once. */
#ifndef SUPPORT_RUNTIME_H
#define SUPPORT_RUNTIME_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/call.h"
#include "support/support_alloc.h"

static support_alloc memory;
static char last_log[1024];

static void keep_log(void *user, sn_log_level level, const char *message) {
    (void)user;
    (void)level;
    snprintf(last_log, sizeof last_log, "%s", message);
}

static sn_context *context_on(const be_backend *backend) {
    memory = (support_alloc){.fail_at = 0};
    last_log[0] = 0;
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {
        .struct_size = sizeof options, .allocator = &allocator, .log = keep_log, .threads = 1, .backend = "interp"};
    sn_context *ctx;
    ck_assert_int_eq(rt_context_open(&options, backend, &ctx), SN_OK);
    return ctx;
}

__attribute__((unused)) static sn_context *context(void) { return context_on(NULL); }

__attribute__((unused)) static void close_context(sn_context *ctx) {
    sn_context_free(ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}

__attribute__((unused)) static sn_function *function(sn_graph *g, const sn_function_desc *desc) {
    sn_function *f;
    sn_status status = sn_function_new(g, desc, &f);
    ck_assert_msg(status == SN_OK, "%s: %s", sn_status_name(status), sn_graph_error(g));
    return f;
}

__attribute__((unused)) static sn_var *variable(sn_context *ctx, const char *name, int64_t n, const float *values) {
    sn_var *var;
    ck_assert_int_eq(sn_var_new(ctx, name, SN_F32, 1, &n, &var), SN_OK);
    if (values) ck_assert_int_eq(sn_var_set(var, values, (size_t)n * sizeof *values), SN_OK);
    return var;
}

#define VEC(data, n) sn_tensor_of(SN_F32, (data), 1, (int64_t[]){(n)})
#define SCALAR(data) sn_tensor_of(SN_F32, (data), 0, NULL)

__attribute__((unused)) static void call_ok(sn_function *f, const sn_tensor *in, size_t n_in, const sn_tensor *out,
                                            size_t n_out) {
    sn_status status = sn_function_call(f, in, n_in, out, n_out);
    ck_assert_msg(status == SN_OK, "%s: %s", sn_status_name(status), sn_function_error(f));
}

#endif
