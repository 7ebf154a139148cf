/* Layers and activations: expressions in, expressions out; a layer takes its parameters from a list, or adds them. */
#include <string.h>

#include "nn/nn.h"

/* The parameter of that name with this type: found, or added. NULL after a failure, which the graph has. */
static sn_var *parameter(sn_params *params, const char *name, const sn_tensor *type, sn_init init, sn_graph *g,
                         const char *file, int line) {
    sn_var *var = sn_params_find(params, name);
    if (!var) {
        sn_status status = sn_params_add(params, name, type->dtype, type->rank, type->size, init, &var);
        if (status) nn_graph_fail(g, status, file, line, "layer_linear: %s", sn_context_error(params->ctx));
        return var;
    }
    sn_tensor has = sn_var_type(var);
    if (has.dtype == type->dtype && nn_same_sizes(&has, type)) return var;
    nn_graph_fail(g, has.dtype == type->dtype ? SN_ERR_SHAPE : SN_ERR_DTYPE, file, line,
                  "layer_linear: parameter \"%s\" is %s, and %s is wanted here", name, nn_type(&has).text,
                  nn_type(type).text);
    return NULL;
}

sn_expr sn_layer_linear_at(sn_params *params, sn_expr x, const char *weight, const char *bias, int64_t units,
                           sn_init init, const char *file, int line) {
    sn_graph *g = x.graph;
    if (!g || !x.id)
        return sn_matmul_at(x, x, file, line); /* which says that x was never made, if nothing has before */
    if (!params || sn_graph_context(g) != params->ctx)
        return nn_graph_fail(g, SN_ERR_ARGUMENT, file, line, "layer_linear: the list of parameters %s",
                             params ? "belongs to another context" : "is NULL");
    sn_dtype dtype = sn_expr_dtype(x);
    sn_shape shape = sn_expr_shape(x);
    if (!nn_is_float(dtype))
        return nn_graph_fail(g, SN_ERR_DTYPE, file, line, "layer_linear: x is %s: a float wanted; convert with sn_cast",
                             sn_dtype_name(dtype));
    if (shape.rank < 1 || shape.dim[shape.rank - 1].id)
        return nn_graph_fail(
            g, SN_ERR_SHAPE, file, line,
            "layer_linear: %s, so that the shape of \"%s\" is not known: x wants a last axis of constant "
            "size",
            shape.rank < 1 ? "x is a scalar" : "the last axis of x is a named dim", weight ? weight : "");
    if (units < 1)
        return nn_graph_fail(g, SN_ERR_ARGUMENT, file, line, "layer_linear: %lld units wanted for \"%s\": at least one",
                             (long long)units, weight ? weight : "");
    const int64_t sizes[] = {units, shape.dim[shape.rank - 1].value};
    sn_tensor matrix = sn_tensor_of(dtype, NULL, 2, sizes), vector = sn_tensor_of(dtype, NULL, 1, &units);
    sn_var *w = parameter(params, weight, &matrix, init, g, file, line);
    if (!w) return (sn_expr){g, 0};
    sn_expr y = sn_matmul_at(x, sn_t_at(sn_use_at(g, w, file, line), file, line), file, line);
    if (!bias) return y;
    sn_var *b = parameter(params, bias, &vector, sn_init_zeros(), g, file, line);
    return b ? sn_add_at(y, sn_use_at(g, b, file, line), file, line) : (sn_expr){g, 0};
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

const char *sn_activation_name(sn_activation activation) {
    switch (activation) {
#define NAME_CASE(name, value, text, meaning)                                                                          \
    case SN_ACTIVATION_##name: return text;
        SN_ACTIVATION_MAP(NAME_CASE)
#undef NAME_CASE
    }
    return "?";
}

sn_status sn_activation_find(const char *name, sn_activation *out) {
    if (!name || !out) return SN_ERR_ARGUMENT;
#define FIND_ITEM(upper, value, text, meaning)                                                                         \
    if (!strcmp(name, text)) {                                                                                         \
        *out = SN_ACTIVATION_##upper;                                                                                  \
        return SN_OK;                                                                                                  \
    }
    SN_ACTIVATION_MAP(FIND_ITEM)
#undef FIND_ITEM
    return SN_ERR_MISSING;
}

sn_expr sn_activate_at(sn_expr x, sn_activation activation, const char *file, int line) {
    if (x.graph && x.id && !nn_is_float(sn_expr_dtype(x)))
        return nn_graph_fail(x.graph, SN_ERR_DTYPE, file, line,
                             "activate: x is %s: a float wanted; convert with sn_cast",
                             sn_dtype_name(sn_expr_dtype(x)));
    switch (activation) {
        case SN_ACTIVATION_NONE: return x;
        case SN_ACTIVATION_RELU: return sn_relu_at(x, file, line);
        case SN_ACTIVATION_SIGMOID: return sn_sigmoid_at(x, file, line);
        case SN_ACTIVATION_TANH: return sn_tanh_at(x, file, line);
        case SN_ACTIVATION_GELU: return sn_gelu_at(x, file, line);
        case SN_ACTIVATION_SILU: return sn_mul_at(x, sn_sigmoid_at(x, file, line), file, line);
        case SN_ACTIVATION_SOFTPLUS: return sn_softplus_at(x, file, line);
    }
    return nn_graph_fail(x.graph, SN_ERR_ARGUMENT, file, line, "activate: there is no activation %d", (int)activation);
}
