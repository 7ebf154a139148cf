/* Initial values: each parameter's description in, one function that updates all of them out, run once and forgotten.
 * Parameter number i draws from stream i of the seed, which is an input, so that another seed compiles nothing anew. */
#include <math.h>

#include "nn/nn.h"

/* A seed's bits as the i64 that an input takes. */
typedef union {
    uint64_t bits;
    int64_t value;
} seed_word;

typedef struct {
    sn_graph *g;
    sn_expr seed, stream;
    sn_dtype dtype;
    sn_shape shape;
} drawing;

/* Uniform in [low, high). */
static sn_expr uniform(const drawing *d, double low, double high) {
    sn_expr u = sn_random_uniform(d->seed, d->stream, d->dtype, d->shape);
    return sn_add(sn_const(d->g, low), sn_mul(sn_const(d->g, high - low), u));
}

static sn_expr normal(const drawing *d, double mean, double deviation) {
    sn_expr x = sn_random_normal(d->seed, d->stream, d->dtype, d->shape);
    return sn_add(sn_const(d->g, mean), sn_mul(sn_const(d->g, deviation), x));
}

/* Uniform numbers of mean 0 and a variance lie within +- sqrt(3 variance). */
static sn_expr uniform_of_variance(const drawing *d, double variance) {
    double bound = sqrt(3 * variance);
    return uniform(d, -bound, bound);
}

static sn_expr initial(sn_graph *g, sn_expr seed, size_t stream, const sn_tensor *type, sn_init init) {
    drawing d = {g, seed, sn_const_of(g, SN_I64, (double)stream), type->dtype,
                 sn_shape_of_sizes(type->rank, type->size)};
    double in = 1, out = 1;
    for (int32_t i = 0; i + 1 < type->rank; i++) in *= (double)type->size[i];
    if (type->rank) out = (double)type->size[type->rank - 1];
    if (in + out == 0) in = out = 1; /* there are no elements: any finite variance will do */
    switch (init.kind) {
        case SN_INIT_ZEROS: break;
        case SN_INIT_CONSTANT: return sn_full(g, d.dtype, init.a, d.shape);
        case SN_INIT_UNIFORM: return uniform(&d, init.a, init.b);
        case SN_INIT_NORMAL: return normal(&d, init.a, init.b);
        case SN_INIT_LECUN: return normal(&d, 0, sqrt(1 / fmax(in, 1)));
        case SN_INIT_XAVIER_UNIFORM: return uniform_of_variance(&d, 2 / (in + out));
        case SN_INIT_XAVIER_NORMAL: return normal(&d, 0, sqrt(2 / (in + out)));
        case SN_INIT_HE_UNIFORM: return uniform_of_variance(&d, 2 / fmax(in, 1));
        case SN_INIT_HE_NORMAL: return normal(&d, 0, sqrt(2 / fmax(in, 1)));
    }
    return sn_full(g, d.dtype, 0, d.shape);
}

/* Failures of the graph and of the function become the context's, which is where lists keep theirs. */
static sn_status run(const sn_params *params, sn_graph *g, sn_update *updates, uint64_t seed) {
    sn_expr word = sn_input(g, "seed", SN_I64, SN_SCALAR);
    for (size_t i = 0; i < params->n; i++) {
        sn_tensor type = sn_var_type(params->item[i].var);
        updates[i] = (sn_update){params->item[i].var, initial(g, word, i, &type, params->item[i].init)};
    }
    sn_function_desc desc = {.inputs = &word, .n_inputs = 1, .updates = updates, .n_updates = params->n};
    sn_function *f;
    sn_status status = sn_function_new(g, &desc, &f);
    if (status) return nn_fail(params->ctx, status, "initial values: %s", sn_graph_error(g));
    seed_word at = {.bits = seed};
    sn_tensor in = sn_tensor_of(SN_I64, &at.value, 0, NULL);
    status = sn_function_call(f, &in, 1, NULL, 0);
    if (status) nn_fail(params->ctx, status, "initial values: %s", sn_function_error(f));
    sn_function_free(f);
    return status;
}

sn_status sn_params_init(sn_params *params, uint64_t seed) {
    if (!params) return SN_ERR_ARGUMENT;
    if (!params->n) return SN_OK;
    sn_context *ctx = params->ctx;
    sn_graph *g = sn_graph_new(ctx, "init");
    if (!g) return SN_ERR_NOMEM;
    sn_update *updates = nn_alloc(ctx, params->n * sizeof *updates);
    sn_status status =
        updates ? run(params, g, updates, seed) : nn_fail(ctx, SN_ERR_NOMEM, "initial values: out of memory");
    nn_free(ctx, updates, params->n * sizeof *updates);
    sn_graph_free(g);
    return status;
}
