/* A graph for Graphviz (`dot -Tsvg`): what the roots need, one cluster and colour per kernel, inputs and variables as
 * boxes, outputs and updates as double circles. */
#include <string.h>

#include "ir/graph.h"

static const char *const colours[] = {"#cfe2f3", "#d9ead3", "#fff2cc", "#f4cccc",
                                      "#d9d2e9", "#d0e0e3", "#fce5cd", "#ead1dc"};

/* Escapes what a quoted dot string may not hold; other control characters become blanks. */
static void put_text(base_strbuf *out, const char *text) {
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') base_strbuf_puts(out, "\\");
        base_strbuf_add(out, (unsigned char)*c < 0x20 ? " " : c, 1);
    }
}

static void put_type(const ir_graph *g, ir_id id, base_strbuf *out) {
    base_strbuf type;
    base_strbuf_init(&type, out->alloc);
    ir_print_type(g, id, &type);
    put_text(out, type.at ? type.at : "");
    if (type.failed) out->failed = 1;
    base_strbuf_free(&type);
}

static void put_node(const ir_graph *g, ir_id id, int32_t group, base_strbuf *out) {
    const ir_node *n = ir_at(g, id);
    int leaf = n->op == IR_INPUT || n->op == IR_VAR;
    base_strbuf_printf(out, "  n%u [label=\"", id);
    if (n->op == IR_INPUT)
        put_text(out, g->input_name.at[n->attr[0]]);
    else if (n->op == IR_VAR)
        put_text(out, g->var.at[n->attr[0]].name);
    else
        base_strbuf_printf(out, "%%%u %s", id, ir_ops[n->op].name);
    if (!leaf && g->label.at[id]) {
        base_strbuf_puts(out, "\\n");
        put_text(out, g->label.at[id]);
    }
    base_strbuf_puts(out, "\\n");
    put_type(g, id, out);
    base_strbuf_printf(out, "\", shape=%s", leaf ? "box" : "ellipse");
    if (n->op == IR_VAR)
        base_strbuf_puts(out, ", style=\"bold\"");
    else if (group >= 0)
        base_strbuf_printf(out, ", style=filled, fillcolor=\"%s\"",
                           colours[(uint32_t)group % (sizeof colours / sizeof *colours)]);
    base_strbuf_puts(out, "];\n");
}

static void put_nodes(const ir_graph *g, const uint8_t *needed, const int32_t *group, base_strbuf *out) {
    int32_t last = -1;
    for (ir_id id = 1; id < g->node.n; id++) {
        if (!needed[id]) continue;
        if (group && group[id] > last) last = group[id];
        if (!group || group[id] < 0) put_node(g, id, -1, out);
    }
    for (int32_t k = 0; k <= last; k++) {
        int any = 0;
        for (ir_id id = 1; id < g->node.n; id++) {
            if (!needed[id] || group[id] != k) continue;
            if (!any++) base_strbuf_printf(out, "  subgraph cluster_%d {\n  label=\"kernel %d\";\n", k, k);
            put_node(g, id, k, out);
        }
        if (any) base_strbuf_puts(out, "  }\n");
    }
}

static void put_roots(const ir_graph *g, const ir_roots *roots, base_strbuf *out) {
    for (uint32_t i = 0; i < roots->n_out; i++) {
        base_strbuf_printf(out, "  out%u [label=\"output %u\", shape=doublecircle];\n", i, i);
        base_strbuf_printf(out, "  n%u -> out%u;\n", roots->out[i], i);
    }
    for (uint32_t i = 0; i < roots->n_update; i++) {
        base_strbuf_printf(out, "  up%u [label=\"new ", i);
        put_text(out, g->var.at[roots->update_var[i]].name);
        base_strbuf_printf(out, "\", shape=doublecircle];\n  n%u -> up%u;\n", roots->update[i], i);
    }
}

void ir_print_dot(const ir_graph *g, const ir_roots *roots, const int32_t *group, base_strbuf *out) {
    uint8_t *needed = base_calloc(out->alloc, g->node.n);
    if (!needed) {
        out->failed = 1;
        return;
    }
    for (uint32_t i = 0; i < roots->n_out; i++) needed[roots->out[i]] = 1;
    for (uint32_t i = 0; i < roots->n_update; i++) needed[roots->update[i]] = 1;
    for (ir_id id = g->node.n; id-- > 1;)
        for (uint32_t i = 0; needed[id] && i < ir_at(g, id)->n_in; i++) needed[ir_at(g, id)->in[i]] = 1;

    base_strbuf_puts(out, "digraph \"");
    put_text(out, g->name ? g->name : "");
    base_strbuf_puts(out, "\" {\n  node [fontname=\"Helvetica\", fontsize=10];\n");
    put_nodes(g, needed, group, out);
    for (ir_id id = 1; id < g->node.n; id++)
        for (uint32_t i = 0; needed[id] && i < ir_at(g, id)->n_in; i++)
            base_strbuf_printf(out, "  n%u -> n%u;\n", ir_at(g, id)->in[i], id);
    put_roots(g, roots, out);
    base_strbuf_puts(out, "}\n");
    base_free(out->alloc, needed, g->node.n);
}
