/* Cases for the tests of single operators: a graph made by a function, run on every path. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"
#include "support_paths.h"

typedef struct {
    support_case *c;
    void (*build)(support_case *c, const void *arg);
    const void *arg;
} build_call;

static void run_build(void *arg) {
    build_call *b = arg;
    b->build(b->c, b->arg);
}

static uint64_t next(support_case *c) { /* splitmix64 */
    uint64_t z = c->seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
uint32_t support_case_below(support_case *c, uint32_t n) { return (uint32_t)(next(c) >> 32) % n; }
double support_case_uniform(support_case *c, double low, double high) {
    return low + (high - low) * ((double)(next(c) >> 11) * 0x1p-53);
}

void support_put(void *at, sn_dtype dtype, int64_t i, double value) {
    switch (dtype) {
        case SN_F64:
        case SN_F32:
        case SN_F16:
        case SN_BF16: base_float_put(dtype, (char *)at + (size_t)i * sn_dtype_size(dtype), (long double)value); break;
        case SN_I64: ((int64_t *)at)[i] = (int64_t)value; break;
        case SN_I32: ((int32_t *)at)[i] = (int32_t)(int64_t)value; break;
        case SN_BOOL: ((uint8_t *)at)[i] = value != 0; break;
        default: ((uint8_t *)at)[i] = (uint8_t)(int64_t)value;
    }
}

ir_dim support_case_dim(support_case *c, const char *name, int64_t value) {
    ir_dim d = ir_dim_named(c->g, name);
    for (uint32_t i = 0; i < c->g->dim_name.n; i++)
        if (!strcmp(c->g->dim_name.at[i], name)) c->body.dim[i] = value;
    return d;
}

ir_id support_case_input(support_case *c, sn_dtype dtype, uint32_t rank, const ir_dim *dims) {
    char name[16];
    uint32_t n = c->g->input.n;
    ck_assert_uint_lt(n, SUPPORT_MAX_INPUTS);
    snprintf(name, sizeof name, "x%u", n);
    ir_id id = ir_input(c->g, name, dtype, rank, dims);
    size_t bytes = support_bytes(c->g, id, c->body.dim);
    c->body.input[n] = c->owned[n] = malloc(bytes + 1);
    ck_assert_ptr_nonnull(c->owned[n]);
    int is_float = base_is_float(dtype);
    for (int64_t i = 0; i < (int64_t)(bytes / sn_dtype_size(dtype)); i++) {
        double whole = (double)support_case_below(c, 12) - (dtype == SN_U8 ? 0 : 3);
        support_put(c->owned[n], dtype, i,
                    is_float           ? support_case_uniform(c, -2, 2)
                    : dtype == SN_BOOL ? fmod(whole, 2)
                                       : whole);
    }
    return id;
}

ir_id support_case_sizes(support_case *c, sn_dtype dtype, uint32_t rank, const int64_t *sizes) {
    ir_dim dims[SN_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++) dims[i] = ir_dim_const(c->g, sizes[i]);
    return support_case_input(c, dtype, rank, dims);
}

void *support_case_data(support_case *c, ir_id input) { return c->owned[ir_at(c->g, input)->attr[0]]; }

void support_case_out(support_case *c, ir_id id, double ulp) {
    ck_assert_uint_lt(c->n_out, SUPPORT_MAX_ROOTS);
    c->ulp[c->n_out] = ulp;
    c->out[c->n_out++] = id;
}

void support_run_case(sn_context *ctx, const char *what, void (*build)(support_case *c, const void *arg),
                      const void *arg, int flags) {
    support_look_case(ctx, what, 1, build, arg, flags, NULL, NULL);
}

void support_look_case(sn_context *ctx, const char *what, uint64_t seed,
                       void (*build)(support_case *c, const void *arg), const void *arg, int flags, support_look look,
                       void *look_arg) {
    char text[1024];
    if (getenv("SN_COMPILED")) flags |= SUPPORT_COMPILED | SUPPORT_THREADS;
    support_case *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    c->what = what;
    c->seed = seed;
    c->g = c->body.g = sn_graph_new(ctx, "case");
    build_call call = {c, build, arg};
    sn_status status = base_protect(&c->g->trap, run_build, &call);
    ck_assert_msg(!status, "%s: %s", what, c->g->trap.text);
    c->body.roots = (ir_roots){.n_out = c->n_out, .out = c->out};
    c->body.ulp = c->ulp;
    if (!support_paths(&c->body, flags, look, look_arg, text, sizeof text)) {
        base_strbuf print;
        base_strbuf_init(&print, &ctx->alloc);
        ir_print(c->g, &c->body.roots, &print);
        fprintf(stderr, "%s\n", print.at ? print.at : "");
        base_strbuf_free(&print);
        ck_abort_msg("%s: %s", what, text);
    }
    for (uint32_t i = 0; i < c->g->input.n; i++) free(c->owned[i]);
    sn_graph_free(c->g);
    free(c);
}
