/* Lists of parameters: variables in the order in which they were added, found by name. In: names, types and initial
 * values of anybody's; out: variables, which the list owns, or a sentence in the context. The words for failing and for
 * memory that the rest of the folder uses are here too. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "nn/nn.h"

/* ---- words ------------------------------------------------------------------------------------------------------- */

sn_status nn_fail(sn_context *ctx, sn_status status, const char *format, ...) {
    char text[NN_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return sn_context_fail(ctx, status, text);
}

sn_expr nn_graph_fail(sn_graph *graph, sn_status status, const char *file, int line, const char *format, ...) {
    char text[NN_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return sn_graph_fail(graph, status, text, file, line);
}

void *nn_alloc(sn_context *ctx, size_t bytes) { return sn_context_realloc(ctx, NULL, 0, bytes); }

void nn_free(sn_context *ctx, void *p, size_t bytes) {
    if (p) sn_context_realloc(ctx, p, bytes, 0);
}

int nn_grow(sn_context *ctx, void **items, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) return 1;
    size_t more = *capacity ? 2 * *capacity : 8;
    if (more > SIZE_MAX / 2 / size) return 0;
    void *p = sn_context_realloc(ctx, *items, *capacity * size, more * size);
    if (!p) return 0;
    *items = p;
    *capacity = more;
    return 1;
}

nn_type_text nn_type(const sn_tensor *type) {
    nn_type_text out;
    size_t n = (size_t)snprintf(out.text, sizeof out.text, "%s[", sn_dtype_name(type->dtype));
    for (int32_t i = 0; i < type->rank && i < SN_MAX_RANK; i++)
        n += (size_t)snprintf(out.text + n, sizeof out.text - n, "%s%lld", i ? "," : "", (long long)type->size[i]);
    snprintf(out.text + n, sizeof out.text - n, "]");
    return out;
}

int nn_same_sizes(const sn_tensor *a, const sn_tensor *b) {
    if (a->rank != b->rank) return 0;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->size[i] != b->size[i]) return 0;
    return 1;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

sn_status sn_params_new(sn_context *ctx, sn_params **out) {
    if (out) *out = NULL;
    if (!ctx) return SN_ERR_ARGUMENT;
    if (!out) return nn_fail(ctx, SN_ERR_ARGUMENT, "parameters: out is NULL");
    sn_params *params = nn_alloc(ctx, sizeof *params);
    if (!params) return nn_fail(ctx, SN_ERR_NOMEM, "out of memory for a list of parameters");
    *params = (sn_params){.ctx = ctx};
    *out = params;
    return SN_OK;
}

void sn_params_free(sn_params *params) {
    if (!params) return;
    for (size_t i = 0; i < params->n; i++) sn_var_free(params->item[i].var);
    nn_free(params->ctx, params->item, params->capacity * sizeof *params->item);
    nn_free(params->ctx, params, sizeof *params);
}

size_t sn_params_count(const sn_params *params) { return params ? params->n : 0; }

sn_var *sn_params_get(const sn_params *params, size_t i) {
    return params && i < params->n ? params->item[i].var : NULL;
}

sn_var *sn_params_find(const sn_params *params, const char *name) {
    for (size_t i = 0; name && i < sn_params_count(params); i++)
        if (!strcmp(sn_var_name(params->item[i].var), name)) return params->item[i].var;
    return NULL;
}

int64_t sn_params_elements(const sn_params *params) {
    int64_t total = 0;
    for (size_t i = 0; i < sn_params_count(params); i++) {
        sn_tensor type = sn_var_type(params->item[i].var);
        total += (int64_t)(sn_tensor_bytes(&type) / sn_dtype_size(type.dtype));
    }
    return total;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

/* Names go into files: as text that JSON can hold, without what would garble a terminal. */
static sn_status check_name(sn_context *ctx, const char *name) {
    if (!name || !*name) return nn_fail(ctx, SN_ERR_ARGUMENT, "parameter: it has no name");
    const char *end = name + strlen(name);
    for (const char *at = name; at < end;) {
        size_t n = nn_utf8(at, end);
        if (!n || (unsigned char)*at < 0x20 || *at == 0x7f)
            return nn_fail(ctx, SN_ERR_ARGUMENT, "parameter: byte %zu of its name is %s", (size_t)(at - name),
                           n ? "a control character" : "no UTF-8");
        at += n;
    }
    return SN_OK;
}

/* Whether the dtype has the value: floats round, integers do not. */
static int has_value(sn_dtype dtype, double value) {
    switch (dtype) {
        case SN_I64: return value == floor(value) && value >= -0x1p63 && value < 0x1p63;
        case SN_I32: return value == floor(value) && value >= -0x1p31 && value < 0x1p31;
        case SN_U8: return value == floor(value) && value >= 0 && value < 0x1p8;
        case SN_BOOL: return value == 0 || value == 1;
        default: return 1;
    }
}

static sn_status check_init(sn_context *ctx, const char *name, sn_dtype dtype, int32_t rank, sn_init init) {
    switch (init.kind) {
        case SN_INIT_ZEROS: return SN_OK;
        case SN_INIT_CONSTANT:
            if (has_value(dtype, init.a)) return SN_OK;
            return nn_fail(ctx, SN_ERR_DTYPE, "parameter \"%s\": %s has no value %g", name, sn_dtype_name(dtype),
                           init.a);
        case SN_INIT_UNIFORM:
            if (!(isfinite(init.a) && isfinite(init.b) && init.a <= init.b))
                return nn_fail(ctx, SN_ERR_ARGUMENT,
                               "parameter \"%s\": no uniform numbers lie between %g and %g: two finite bounds wanted, "
                               "the lower one first",
                               name, init.a, init.b);
            break;
        case SN_INIT_NORMAL:
            if (!(isfinite(init.a) && isfinite(init.b) && init.b >= 0))
                return nn_fail(ctx, SN_ERR_ARGUMENT,
                               "parameter \"%s\": no normal numbers have mean %g and deviation %g: finite ones wanted, "
                               "the deviation 0 or more",
                               name, init.a, init.b);
            break;
        case SN_INIT_LECUN:
        case SN_INIT_XAVIER_UNIFORM:
        case SN_INIT_XAVIER_NORMAL:
        case SN_INIT_HE_UNIFORM:
        case SN_INIT_HE_NORMAL:
            if (rank < 2)
                return nn_fail(ctx, SN_ERR_SHAPE,
                               "parameter \"%s\": its initial values depend on its fans, those of a weight [out, in], "
                               "and it has %d axes: give it zeros, or a deviation",
                               name, (int)rank);
            break;
        default:
            return nn_fail(ctx, SN_ERR_ARGUMENT, "parameter \"%s\": there are no initial values %d", name,
                           (int)init.kind);
    }
    if (nn_is_float(dtype)) return SN_OK;
    return nn_fail(ctx, SN_ERR_DTYPE, "parameter \"%s\": random numbers are floats, not %s", name,
                   sn_dtype_name(dtype));
}

sn_status sn_params_add(sn_params *params, const char *name, sn_dtype dtype, int32_t rank, const int64_t *sizes,
                        sn_init init, sn_var **out) {
    if (out) *out = NULL;
    if (!params) return SN_ERR_ARGUMENT;
    sn_context *ctx = params->ctx;
    sn_status status = check_name(ctx, name);
    if (!status) status = check_init(ctx, name, dtype, rank, init);
    if (status) return status;
    if (sn_params_find(params, name))
        return nn_fail(ctx, SN_ERR_ARGUMENT, "parameter \"%s\": the list has one of that name already", name);
    void *items = params->item;
    int room = nn_grow(ctx, &items, params->n, &params->capacity, sizeof *params->item);
    params->item = items;
    if (!room) return nn_fail(ctx, SN_ERR_NOMEM, "parameter \"%s\": out of memory", name);
    sn_var *var;
    status = sn_var_new(ctx, name, dtype, rank, sizes, &var);
    if (status) return status;
    params->item[params->n++] = (nn_param){var, init};
    if (out) *out = var;
    return SN_OK;
}

/* ---- in graphs --------------------------------------------------------------------------------------------------- */

sn_expr sn_params_use_at(const sn_params *params, sn_graph *graph, const char *name, const char *file, int line) {
    if (!params) return nn_graph_fail(graph, SN_ERR_ARGUMENT, file, line, "use: the list of parameters is NULL");
    sn_var *var = sn_params_find(params, name);
    if (!var)
        return nn_graph_fail(graph, SN_ERR_MISSING, file, line, "use: there is no parameter \"%s\" among the %zu",
                             name ? name : "", params->n);
    return sn_use_at(graph, var, file, line);
}

/* Variables as expressions, and the gradients with respect to them. */
static sn_status grad(const sn_params *params, sn_expr loss, sn_expr *wrt, sn_expr *grads) {
    for (size_t i = 0; i < params->n; i++) {
        sn_tensor type = sn_var_type(params->item[i].var);
        if (!nn_is_float(type.dtype)) {
            nn_graph_fail(loss.graph, SN_ERR_GRADIENT, NULL, 0,
                          "grad: parameter \"%s\" is %s, which has no gradient: keep it in a list of its own",
                          sn_var_name(params->item[i].var), nn_type(&type).text);
            return SN_ERR_GRADIENT;
        }
        wrt[i] = sn_use_at(loss.graph, params->item[i].var, NULL, 0);
    }
    return sn_grad(loss, wrt, params->n, grads);
}

sn_status sn_params_grad(const sn_params *params, sn_expr loss, sn_expr *grads) {
    sn_graph *g = loss.graph;
    size_t n = sn_params_count(params);
    for (size_t i = 0; grads && i < n; i++) grads[i] = (sn_expr){g, 0};
    if (!params || !g || (n && !grads)) {
        nn_graph_fail(g, SN_ERR_ARGUMENT, NULL, 0, "grad: %s is NULL", params ? "grads" : "the list of parameters");
        return SN_ERR_ARGUMENT;
    }
    if (!n) return SN_OK;
    sn_expr *wrt = nn_alloc(params->ctx, n * sizeof *wrt);
    if (!wrt) {
        nn_graph_fail(g, SN_ERR_NOMEM, NULL, 0, "grad: out of memory");
        return SN_ERR_NOMEM;
    }
    sn_status status = grad(params, loss, wrt, grads);
    nn_free(params->ctx, wrt, n * sizeof *wrt);
    return status;
}
