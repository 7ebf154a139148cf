/* In: nodes of a graph. Out: what the user calls them, for people who look at code and profiles. Names of the user's
 * own are short and few, so a node without one is told by its operands' names, one level deep. */
#include <string.h>

#include "ir/program.h"

/* Of the node itself or of what it moves from one place to another; NULL where the user gave none. */
static const char *own_name(const ir_graph *g, ir_id v) {
    for (;;) {
        const ir_node *n = ir_at(g, v);
        const char *label = g->label.at[v];
        if (n->op == IR_INPUT) label = g->input_name.at[n->attr[0]];
        if (n->op == IR_VAR) label = g->var.at[n->attr[0]].name;
        if (label && *label) return label;
        switch (n->op) {
            case IR_BROADCAST:
            case IR_TRANSPOSE:
            case IR_RESHAPE:
            case IR_CAST:
            case IR_STOP_GRADIENT: v = n->in[0]; break;
            default: return NULL;
        }
    }
}

/* The user's name of a node: its label, the name of an input or variable, that of what it only moves; else, where
 * operands have a name, the operator over them: "tanh(z1)". Nothing where there is none. */
static void name_node(const ir_graph *g, ir_id v, base_strbuf *out) {
    if (!v || v >= g->node.n) return;
    const char *own = own_name(g, v);
    if (own) {
        base_strbuf_puts(out, own);
        return;
    }
    const ir_node *n = ir_at(g, v);
    uint32_t named = 0;
    for (uint32_t k = 0; k < n->n_in; k++) named += own_name(g, n->in[k]) != NULL;
    if (!named) return;
    base_strbuf_puts(out, ir_ops[n->op].name);
    for (uint32_t k = 0; k < n->n_in; k++) {
        const char *name = own_name(g, n->in[k]);
        base_strbuf_printf(out, "%c%s", k ? ',' : '(', name ? name : "..");
    }
    base_strbuf_puts(out, ")");
}

void pg_name_instruction(void *arg, uint32_t inst, base_strbuf *out) {
    const pg_namer *namer = arg;
    if (namer->kernel->made_for) name_node(namer->graph, namer->kernel->made_for[inst], out);
}
