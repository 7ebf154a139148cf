/* Initial values: each parameter's description in, its values out. All are made first, then all are set.
 *
 * Random ones come from one small function for each dtype and distribution, whose seed, stream, offset and scale are
 * inputs and whose length is told, so that neither another seed nor another network compiles anything anew. Parameter
 * number i draws from stream i of the seed. */
#include <math.h>
#include <string.h>

#include "nn/nn.h"

/* Values start at multiples of this. */
enum { ALIGN = 64 };

typedef enum { UNIFORM, NORMAL, N_DRAWS } draw_kind;

/* offset + scale * a draw: uniform in [0, 1), or normal. */
typedef struct {
    draw_kind kind;
    double offset, scale;
} drawing;

typedef struct {
    sn_params *params;
    uint64_t seed;
    sn_call *call[SN_BF16 + 1][N_DRAWS]; /* for each dtype; made when first wanted */
    char *values;                        /* of all parameters */
    size_t bytes;
} filling;

static size_t padded(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

/* Uniform numbers of mean 0 and a variance lie within +- sqrt(3 variance). */
static drawing uniform_of(double variance) {
    double bound = sqrt(3 * variance);
    return (drawing){UNIFORM, -bound, 2 * bound};
}

static drawing normal_of(double variance) { return (drawing){NORMAL, 0, sqrt(variance)}; }

static drawing drawing_of(const sn_tensor *type, sn_init init) {
    double in = 1, out = type->rank ? (double)type->size[0] : 1;
    for (int32_t i = 1; i < type->rank; i++) in *= (double)type->size[i];
    switch (init.kind) {
        case SN_INIT_UNIFORM: return (drawing){UNIFORM, init.a, init.b - init.a};
        case SN_INIT_NORMAL: return (drawing){NORMAL, init.a, init.b};
        case SN_INIT_LECUN: return normal_of(1 / in);
        case SN_INIT_XAVIER_UNIFORM: return uniform_of(2 / (in + out));
        case SN_INIT_XAVIER_NORMAL: return normal_of(2 / (in + out));
        case SN_INIT_HE_UNIFORM: return uniform_of(2 / in);
        case SN_INIT_HE_NORMAL: return normal_of(2 / in);
        case SN_INIT_ZEROS:
        case SN_INIT_CONSTANT: break;
    }
    return (drawing){UNIFORM, 0, 0};
}

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

/* f16 and bf16 get the numbers of f32, rounded. */
static sn_dtype drawn_in(sn_dtype dtype) { return dtype == SN_F64 ? SN_F64 : SN_F32; }

/* Inputs seed, stream, offset, scale; output [N] with N told. */
static sn_status make_call(sn_context *ctx, sn_dtype dtype, draw_kind kind, sn_call **out) {
    sn_graph *g = sn_graph_new(ctx, "init");
    if (!g) return SN_ERR_NOMEM;
    sn_dim n = sn_dim_new(g, "N");
    sn_dtype real = drawn_in(dtype);
    const sn_expr in[] = {sn_input(g, "seed", SN_I64, SN_SCALAR), sn_input(g, "stream", SN_I64, SN_SCALAR),
                          sn_input(g, "offset", real, SN_SCALAR), sn_input(g, "scale", real, SN_SCALAR)};
    sn_expr draw = kind == UNIFORM ? sn_random_uniform(in[0], in[1], real, SN_SHAPE(n))
                                   : sn_random_normal(in[0], in[1], real, SN_SHAPE(n));
    sn_expr values = sn_cast(sn_add(in[2], sn_mul(in[3], draw)), dtype);
    sn_function_desc desc = {.inputs = in, .n_inputs = 4, .outputs = &values, .n_outputs = 1, .dims = &n, .n_dims = 1};
    sn_function *f;
    sn_status status = sn_function_new(g, &desc, &f);
    if (status)
        nn_fail(ctx, status, "initial values: %s", sn_graph_error(g));
    else if ((status = sn_call_new(f, out)))
        nn_fail(ctx, status, "initial values: out of memory");
    sn_function_free(f); /* the call keeps it */
    sn_graph_free(g);
    return status;
}

static sn_status draw(filling *k, size_t stream, const sn_tensor *type, drawing d, void *to) {
    sn_context *ctx = k->params->ctx;
    sn_call **call = &k->call[type->dtype][d.kind];
    sn_status status = *call ? SN_OK : make_call(ctx, type->dtype, d.kind, call);
    if (status) return status;
    int64_t seed, number = (int64_t)stream, n = (int64_t)(sn_tensor_bytes(type) / sn_dtype_size(type->dtype));
    memcpy(&seed, &k->seed, sizeof seed);
    sn_dtype real = drawn_in(type->dtype);
    double offset, scale;
    sn_element_put(real, &offset, d.offset);
    sn_element_put(real, &scale, d.scale);
    const sn_tensor in[] = {sn_tensor_of(SN_I64, &seed, 0, NULL), sn_tensor_of(SN_I64, &number, 0, NULL),
                            sn_tensor_of(real, &offset, 0, NULL), sn_tensor_of(real, &scale, 0, NULL)};
    const sn_tensor out = sn_tensor_of(type->dtype, to, 1, &n);
    for (size_t i = 0; i < 4 && !status; i++) status = sn_call_bind_input(*call, i, &in[i]);
    if (!status) status = sn_call_bind_output(*call, 0, &out);
    if (!status) status = sn_call_set_dim(*call, 0, n);
    if (!status) status = sn_call_run(*call);
    return status ? nn_fail(ctx, status, "initial values: %s", sn_call_error(*call)) : SN_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static sn_status fill(filling *k, size_t i, const sn_tensor *type, char *to) {
    sn_init init = k->params->item[i].init;
    size_t bytes = sn_tensor_bytes(type), item = sn_dtype_size(type->dtype);
    if (!bytes) return SN_OK;
    if (init.kind != SN_INIT_ZEROS && init.kind != SN_INIT_CONSTANT)
        return draw(k, i, type, drawing_of(type, init), to);
    for (size_t at = 0; at < bytes; at += item)
        sn_element_put(type->dtype, to + at, init.kind == SN_INIT_CONSTANT ? init.a : 0);
    return SN_OK;
}

static sn_status fill_all(filling *k) {
    const sn_params *params = k->params;
    char *to = k->values;
    for (size_t i = 0; i < params->n; i++) {
        sn_tensor type = sn_var_type(params->item[i].var);
        sn_status status = fill(k, i, &type, to);
        if (status) return status;
        to += padded(sn_tensor_bytes(&type));
    }
    to = k->values;
    for (size_t i = 0; i < params->n; i++) {
        sn_tensor type = sn_var_type(params->item[i].var);
        sn_var_set(params->item[i].var, to, sn_tensor_bytes(&type)); /* of its size exactly: it cannot fail */
        to += padded(sn_tensor_bytes(&type));
    }
    return SN_OK;
}

sn_status sn_params_init(sn_params *params, uint64_t seed) {
    if (!params) return SN_ERR_ARGUMENT;
    sn_context *ctx = params->ctx;
    filling k = {.params = params, .seed = seed};
    for (size_t i = 0; i < params->n; i++) {
        sn_tensor type = sn_var_type(params->item[i].var);
        k.bytes += padded(sn_tensor_bytes(&type));
    }
    if (!k.bytes) return SN_OK;
    k.values = nn_alloc(ctx, k.bytes);
    if (!k.values) return nn_fail(ctx, SN_ERR_NOMEM, "initial values: out of memory: %zu bytes", k.bytes);
    sn_status status = fill_all(&k);
    for (size_t i = 0; i < (SN_BF16 + 1) * N_DRAWS; i++) sn_call_free(k.call[i / N_DRAWS][i % N_DRAWS]);
    nn_free(ctx, k.values, k.bytes);
    return status;
}
