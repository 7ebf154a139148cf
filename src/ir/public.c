/* The public functions of a graph that are not operators: its error, its dims, types of expressions, its text. */
#include "ir/builder.h"

/* What a builder got wrong comes before what sn_function_new reported about a healthy graph. */
const char *sn_graph_error(const sn_graph *graph) {
    if (!graph) return "no graph";
    return graph->error ? graph->error_text : graph->function_text;
}

sn_status sn_graph_status(const sn_graph *graph) {
    if (!graph) return SN_ERR_ARGUMENT;
    return graph->error ? graph->error : graph->function_error;
}

/* ---- dims -------------------------------------------------------------------------------------------------------- */

typedef struct {
    sn_graph *g;
    const char *name;
    ir_dim (*op)(ir_graph *g, ir_dim a, ir_dim b);
    sn_dim a, b, out;
} dim_call;

/* What a failed call returns: no shape takes it. */
static sn_dim no_dim(void) { return sn_dim_of(INT64_MIN); }

static sn_dim handle(const ir_graph *g, ir_dim d) {
    sn_dim out = {0, d};
    if (ir_dim_is_const(g, d, &out.value)) out.id = 0;
    return out;
}

static sn_dim run(dim_call *call, void (*body)(void *call)) {
    if (!call->g) return no_dim();
    sn_status status = base_protect(&call->g->trap, body, call);
    if (status == SN_OK) return call->out;
    ir_build_error(call->g, status, call->g->trap.text, NULL, 0);
    return no_dim();
}

static void make(void *arg) {
    dim_call *call = arg;
    if (!call->name || !*call->name) base_fail(&call->g->trap, SN_ERR_ARGUMENT, "dim: has no name");
    call->out = handle(call->g, ir_dim_named(call->g, call->name));
}

static void combine(void *arg) {
    dim_call *call = arg;
    ir_build b = {.name = "dim", .g = call->g};
    ir_dim x = ir_build_dim(&b, call->a), y = ir_build_dim(&b, call->b);
    call->out = handle(call->g, call->op(call->g, x, y));
}

sn_dim sn_dim_new(sn_graph *graph, const char *name) { return run(&(dim_call){.g = graph, .name = name}, make); }

sn_dim sn_dim_add(sn_graph *graph, sn_dim a, sn_dim b) {
    return run(&(dim_call){.g = graph, .op = ir_dim_add, .a = a, .b = b}, combine);
}

sn_dim sn_dim_sub(sn_graph *graph, sn_dim a, sn_dim b) {
    return run(&(dim_call){.g = graph, .op = ir_dim_sub, .a = a, .b = b}, combine);
}

sn_dim sn_dim_mul(sn_graph *graph, sn_dim a, sn_dim b) {
    return run(&(dim_call){.g = graph, .op = ir_dim_mul, .a = a, .b = b}, combine);
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */

static const ir_node *node_of(sn_expr e) {
    return e.graph && e.id && e.id < e.graph->node.n ? ir_at(e.graph, e.id) : NULL;
}

sn_dtype sn_expr_dtype(sn_expr e) {
    const ir_node *n = node_of(e);
    return n ? (sn_dtype)n->dtype : SN_DTYPE_NONE;
}

sn_shape sn_expr_shape(sn_expr e) {
    sn_shape shape = {0};
    const ir_node *n = node_of(e);
    if (!n) return shape;
    shape.rank = n->rank;
    for (int i = 0; i < n->rank; i++) shape.dim[i] = handle(e.graph, n->dim[i]);
    return shape;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

typedef struct {
    sn_graph *g;
    const sn_expr *outputs;
    size_t n;
    base_strbuf *text;
} print_call;

static void print(void *arg) {
    print_call *call = arg;
    ir_id *out = ARENA_ARRAY(&call->g->arena, ir_id, call->n);
    for (size_t i = 0; i < call->n; i++) {
        if (call->outputs[i].graph != call->g || !node_of(call->outputs[i]))
            base_fail(&call->g->trap, SN_ERR_ARGUMENT, "print: output %zu is not an expression of the graph", i + 1);
        out[i] = call->outputs[i].id;
    }
    ir_print(call->g, &(ir_roots){.n_out = (uint32_t)call->n, .out = out}, call->text);
}

sn_status sn_graph_print(sn_graph *graph, const sn_expr *outputs, size_t n_outputs, char **out) {
    if (!out) return SN_ERR_ARGUMENT;
    *out = NULL;
    if (!graph || (n_outputs && !outputs) || n_outputs > UINT32_MAX) return SN_ERR_ARGUMENT;
    base_strbuf text;
    base_strbuf_init(&text, graph->arena.alloc);
    print_call call = {graph, outputs, n_outputs, &text};
    sn_status status = base_protect(&graph->trap, print, &call);
    if (status == SN_OK) {
        *out = base_strbuf_take(&text, NULL);
        if (!*out) status = base_set_error(&graph->trap, SN_ERR_NOMEM, "print: out of memory");
    }
    base_strbuf_free(&text);
    if (status != SN_OK) ir_build_error(graph, status, graph->trap.text, NULL, 0);
    return status;
}
