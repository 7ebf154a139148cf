/* For tests of nn.h: contexts whose allocations are counted, and what tests/data/make_nn.py computed. Every function is
 * static: a program of tests includes this once. */
#ifndef SUPPORT_NN_H
#define SUPPORT_NN_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinter/nn.h"
#include "support/support_alloc.h"

#define DATA_DIR SN_SOURCE_DIR "/tests/data/"

static support_alloc memory;

static void quiet(void *user, sn_log_level level, const char *message) {
    (void)user;
    (void)level;
    (void)message;
}

static sn_status context_of(const char *backend, int threads, sn_context **out) {
    sn_allocator allocator = support_allocator(&memory);
    sn_context_options options = {.allocator = &allocator, .log = quiet, .threads = threads, .backend = backend};
    return sn_context_new(&options, out);
}

__attribute__((unused)) static sn_context *context_on(const char *backend, int threads) {
    sn_context *ctx;
    memory = (support_alloc){.fail_at = 0};
    ck_assert_int_eq(context_of(backend, threads, &ctx), SN_OK);
    return ctx;
}

__attribute__((unused)) static void close_context(sn_context *ctx) {
    sn_context_free(ctx);
    ck_assert_int_eq(atomic_load(&memory.live), 0);
}

/* The call succeeded, or the sentence of its object says why not. */
__attribute__((unused)) static void good(sn_status status, const char *sentence) {
    ck_assert_msg(!status, "%s: %s", sn_status_name(status), sentence);
}

/* The f64 (or i64) array of that name in nn.safetensors. n values into to. */
__attribute__((unused)) static void reference_into(sn_context *ctx, const char *name, sn_dtype dtype, int32_t rank,
                                                   const int64_t *sizes, void *to) {
    sn_params *one;
    good(sn_params_new(ctx, &one), sn_context_error(ctx));
    good(sn_params_add(one, name, dtype, rank, sizes, sn_init_zeros(), NULL), sn_context_error(ctx));
    good(sn_params_load(one, DATA_DIR "nn.safetensors", SN_LOAD_SKIP_UNKNOWN), sn_context_error(ctx));
    sn_tensor type = sn_var_type(sn_params_get(one, 0));
    good(sn_var_get(sn_params_get(one, 0), to, sn_tensor_bytes(&type)), sn_context_error(ctx));
    sn_params_free(one);
}

#endif
