/* The value of one expression: a function of it, called once and freed. */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "runtime/function.h"

sn_status sn_eval(sn_expr e, const sn_expr *inputs, const sn_tensor *values, size_t n_inputs, sn_tensor *out) {
    if (!e.graph) return SN_ERR_ARGUMENT;
    sn_function *function;
    sn_function_desc desc = {.name = "eval", .inputs = inputs, .n_inputs = n_inputs, .outputs = &e, .n_outputs = 1};
    sn_status status = sn_function_new(e.graph, &desc, &function);
    if (status) return status;
    status = sn_function_call(function, values, n_inputs, out, 1);
    if (status) {
        e.graph->function_error = status;
        memcpy(e.graph->function_text, function->error.text, sizeof e.graph->function_text);
    }
    sn_function_free(function);
    return status;
}
