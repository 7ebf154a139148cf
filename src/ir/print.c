/* The text form of a graph: docs/ir.md. In: a graph and the roots that matter; out: text that ir_parse reads back into
 * an equal graph.
 *
 * Only what the roots need is printed, besides inputs, variables and checks, which are the function's signature.
 * Numbers are given anew: inputs, then variables, then the other nodes in id order, so that equal functions print equal
 * text and a graph without dead nodes keeps its ids when it is parsed again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"

const ir_attr_text ir_attr_texts[] = {
    {IR_SUM, IR_FORM_SET, 0, 1, "axes", 0, 0},
    {IR_PROD, IR_FORM_SET, 0, 1, "axes", 0, 0},
    {IR_RMAX, IR_FORM_SET, 0, 1, "axes", 0, 0},
    {IR_RMIN, IR_FORM_SET, 0, 1, "axes", 0, 0},
    {IR_ARGMAX, IR_FORM_SET, 0, 1, "axes", 0, 0},
    {IR_ARGMIN, IR_FORM_SET, 0, 1, "axes", 0, 0},
    {IR_MATMUL, IR_FORM_SET, 0, 1, "trans", 1, 0},
    {IR_TRANSPOSE, IR_FORM_LIST, 0, 1, "perm", 0, 0},
    {IR_BROADCAST, IR_FORM_LIST, 0, 1, "map", 0, 0},
    {IR_SLICE, IR_FORM_DIMS, IR_SLICE_START, IR_SLICE_ATTRS, "start", 0, 0},
    {IR_SLICE, IR_FORM_LIST, IR_SLICE_STEP, IR_SLICE_ATTRS, "step", 1, 1},
    {IR_SLICE, IR_FORM_LIST, IR_SLICE_RUNTIME, IR_SLICE_ATTRS, "runtime", 1, 0},
    {IR_PAD, IR_FORM_DIMS, IR_SLICE_START, IR_SLICE_ATTRS, "start", 0, 0},
    {IR_PAD, IR_FORM_LIST, IR_SLICE_STEP, IR_SLICE_ATTRS, "step", 1, 1},
    {IR_PAD, IR_FORM_LIST, IR_SLICE_RUNTIME, IR_SLICE_ATTRS, "runtime", 1, 0},
    {IR_CONCAT, IR_FORM_INT, 0, 1, "axis", 0, 0},
    {IR_RECURRENCE, IR_FORM_INT, 0, 1, "axis", 0, 0},
    {IR_RECURRENCE, IR_FORM_INT, 1, 1, "back", 1, 0},
};
const uint32_t ir_n_attr_texts = sizeof ir_attr_texts / sizeof *ir_attr_texts;

/* ---- names ------------------------------------------------------------------------------------------------------- */

int ir_is_plain_name(const char *name, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '.'))) return 0;
    }
    return n > 0;
}

static void print_string(const char *text, base_strbuf *out) {
    base_strbuf_puts(out, "\"");
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            base_strbuf_printf(out, "\\%c", byte);
        else if (byte == '\n')
            base_strbuf_puts(out, "\\n");
        else if (byte < 0x20 || byte == 0x7f)
            base_strbuf_printf(out, "\\x%02x", (unsigned)byte);
        else
            base_strbuf_add(out, c, 1);
    }
    base_strbuf_puts(out, "\"");
}

static void print_name(const char *name, base_strbuf *out) {
    if (ir_is_plain_name(name, strlen(name)))
        base_strbuf_puts(out, name);
    else
        print_string(name, out);
}

/* ---- dims, types and constants ----------------------------------------------------------------------------------- */

static void print_term(const ir_graph *g, const ir_term *t, int first, base_strbuf *out) {
    /* The magnitude as unsigned, so that the least integer prints too. */
    uint64_t k = t->coef < 0 ? 0 - (uint64_t)t->coef : (uint64_t)t->coef;
    if (t->coef < 0)
        base_strbuf_puts(out, "-");
    else if (!first)
        base_strbuf_puts(out, "+");
    if (k != 1 || t->n == 0) base_strbuf_printf(out, "%llu%s", (unsigned long long)k, t->n ? "*" : "");
    for (uint32_t i = 0; i < t->n; i++) {
        if (i) base_strbuf_puts(out, "*");
        print_name(g->dim_name.at[t->name[i]], out);
    }
}

void ir_print_dim(const ir_graph *g, ir_dim d, base_strbuf *out) {
    const ir_poly *p = &g->dim.at[d];
    if (d == 0 || p->n == 0)
        base_strbuf_puts(out, "0");
    else
        for (uint32_t i = 0; i < p->n; i++) print_term(g, &p->term[i], i == 0, out);
}

void ir_print_type(const ir_graph *g, ir_id id, base_strbuf *out) {
    const ir_node *n = ir_at(g, id);
    base_strbuf_printf(out, "%s[", sn_dtype_name((sn_dtype)n->dtype));
    for (uint32_t a = 0; a < n->rank; a++) {
        if (a) base_strbuf_puts(out, ",");
        ir_print_dim(g, n->dim[a], out);
    }
    base_strbuf_puts(out, "]");
}

/* Shortest decimal digits that read back as the same value. Digits and exponent are taken apart and put together here,
 * because printf and strtod follow the host's locale in what a decimal point is; an integer mantissa has none. */
static void print_float(double v, sn_dtype dtype, base_strbuf *out) {
    char digits[32];
    long exponent = 0;
    size_t n = 0;
    for (int precision = 0; precision < 17; precision++) {
        char text[64], again[64];
        snprintf(text, sizeof text, "%.*e", precision, v);
        n = 0;
        const char *c = text;
        for (; *c && *c != 'e'; c++)
            if (*c >= '0' && *c <= '9') digits[n++] = *c;
        exponent = *c ? strtol(c + 1, NULL, 10) : 0;
        snprintf(again, sizeof again, "%.*se%ld", (int)n, digits, exponent - (long)n + 1);
        if (dtype == SN_F32 ? strtof(again, NULL) == (float)v
                            : base_float_bits(dtype, strtod(again, NULL)) == base_float_bits(dtype, v))
            break;
    }
    if (exponent < -4 || exponent > 9) {
        base_strbuf_printf(out, "%c%s%.*se%ld", digits[0], n > 1 ? "." : "", (int)n - 1, digits + 1, exponent);
        return;
    }
    if (exponent < 0) base_strbuf_puts(out, "0.");
    for (long zeros = exponent + 1; zeros < 0; zeros++) base_strbuf_puts(out, "0");
    for (long i = 0; i < (long)n || i <= exponent; i++) {
        if (exponent >= 0 && i == exponent + 1) base_strbuf_puts(out, ".");
        base_strbuf_add(out, i < (long)n ? &digits[i] : "0", 1);
    }
}

static void print_const(sn_dtype dtype, uint64_t bits, base_strbuf *out) {
    switch (dtype) {
        case SN_BOOL: base_strbuf_puts(out, bits ? "true" : "false"); return;
        case SN_U8: base_strbuf_printf(out, "%u", (unsigned)(uint8_t)bits); return;
        case SN_I32: base_strbuf_printf(out, "%d", (int)(int32_t)(uint32_t)bits); return;
        case SN_I64: base_strbuf_printf(out, "%lld", (long long)(int64_t)bits); return;
        default: break;
    }
    double v = base_float_value(dtype, bits);
    if (isnan(v)) {
        base_strbuf_puts(out, "nan");
        if (bits != base_float_nan(dtype)) base_strbuf_printf(out, "(0x%llx)", (unsigned long long)bits);
        return;
    }
    if (signbit(v)) base_strbuf_puts(out, "-");
    if (isinf(v))
        base_strbuf_puts(out, "inf");
    else
        print_float(fabs(v), dtype, out);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const ir_graph *g;
    base_strbuf *out;
    uint32_t *number; /* of each node; 0: not printed, or an input or variable whose name stands for it */
} printer;

/* An input or variable goes by its name; by its number where it has none or an earlier one has the same. */
static int own_input_name(const ir_graph *g, uint32_t i) {
    const char *name = g->input_name.at[i];
    for (uint32_t k = 0; k < i; k++)
        if (!strcmp(name, g->input_name.at[k])) return 0;
    return *name != 0;
}

static int own_var_name(const ir_graph *g, uint32_t i) {
    const char *name = g->var.at[i].name;
    for (uint32_t k = 0; k < i; k++)
        if (!strcmp(name, g->var.at[k].name)) return 0;
    return *name != 0;
}

static void print_symbol(printer *p, char sigil, const char *name, uint32_t number) {
    base_strbuf_printf(p->out, "%c", sigil);
    if (number)
        base_strbuf_printf(p->out, "%u", number);
    else
        print_name(name, p->out);
}

static void print_input(printer *p, uint32_t i) {
    print_symbol(p, '%', p->g->input_name.at[i], p->number[p->g->input.at[i]]);
}

static void print_var(printer *p, uint32_t i) {
    print_symbol(p, '@', p->g->var.at[i].name, p->number[p->g->var.at[i].node]);
}

static void print_ref(printer *p, ir_id id) {
    const ir_graph *g = p->g;
    const ir_node *n = id && id < g->node.n ? ir_at(g, id) : NULL;
    if (!n)
        base_strbuf_puts(p->out, "%poison");
    else if (n->op == IR_INPUT)
        print_input(p, (uint32_t)n->attr[0]);
    else if (n->op == IR_VAR)
        print_var(p, (uint32_t)n->attr[0]);
    else
        base_strbuf_printf(p->out, "%%%u", p->number[id]);
}

/* In the head: the symbol, its name where that is not the symbol, the type. */
static void print_declared(printer *p, ir_id id, const char *name) {
    print_ref(p, id);
    if (p->number[id]) {
        base_strbuf_puts(p->out, " ");
        print_string(name, p->out);
    }
    base_strbuf_puts(p->out, ": ");
    ir_print_type(p->g, id, p->out);
}

static void print_refs(printer *p, uint32_t n, const ir_id *ids) {
    for (uint32_t i = 0; i < n; i++) {
        base_strbuf_puts(p->out, i ? ", " : " ");
        print_ref(p, ids[i]);
    }
}

static void print_attr(printer *p, const ir_node *n, const ir_attr_text *t) {
    int absent = t->optional;
    for (uint32_t i = t->first; i < n->n_attr; i += t->stride) absent &= n->attr[i] == t->absent;
    if (absent) return;
    base_strbuf_printf(p->out, " %s=", t->key);
    if (t->form == IR_FORM_INT) {
        base_strbuf_printf(p->out, "%lld", (long long)n->attr[t->first]);
        return;
    }
    base_strbuf_puts(p->out, "[");
    const char *comma = "";
    for (uint32_t i = t->first; t->form != IR_FORM_SET && i < n->n_attr; i += t->stride, comma = ",") {
        base_strbuf_puts(p->out, comma);
        if (t->form == IR_FORM_DIMS)
            ir_print_dim(p->g, (ir_dim)n->attr[i], p->out);
        else
            base_strbuf_printf(p->out, "%lld", (long long)n->attr[i]);
    }
    for (uint32_t i = 0; t->form == IR_FORM_SET && i < 32; i++)
        if ((uint64_t)n->attr[0] >> i & 1) {
            base_strbuf_printf(p->out, "%s%u", comma, i);
            comma = ",";
        }
    base_strbuf_puts(p->out, "]");
}

static void print_node(printer *p, ir_id id) {
    const ir_node *n = ir_at(p->g, id);
    base_strbuf_printf(p->out, "  %%%u = %s", p->number[id], ir_ops[n->op].name);
    if (n->op == IR_CONST || n->op == IR_DIM_VALUE) base_strbuf_puts(p->out, " ");
    if (n->op == IR_CONST) print_const((sn_dtype)n->dtype, (uint64_t)n->attr[0], p->out);
    if (n->op == IR_CONST && n->n_attr == 2) base_strbuf_puts(p->out, " untyped");
    if (n->op == IR_DIM_VALUE) ir_print_dim(p->g, (ir_dim)n->attr[0], p->out);
    print_refs(p, n->n_in, n->in);
    for (uint32_t i = 0; i < ir_n_attr_texts; i++)
        if (ir_attr_texts[i].op == n->op) print_attr(p, n, &ir_attr_texts[i]);
    base_strbuf_puts(p->out, " : ");
    ir_print_type(p->g, id, p->out);
    if (p->g->label.at[id]) {
        base_strbuf_puts(p->out, " ");
        print_string(p->g->label.at[id], p->out);
    }
    base_strbuf_puts(p->out, "\n");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void need(printer *p, ir_id id) {
    if (id && id < p->g->node.n) p->number[id] = 1;
}

/* Marks what the roots (NULL: all nodes) need, then numbers it. */
static void number_nodes(printer *p, const ir_roots *roots) {
    const ir_graph *g = p->g;
    for (ir_id id = 1; id < g->node.n && !roots; id++) need(p, id);
    for (uint32_t i = 0; roots && i < roots->n_out; i++) need(p, roots->out[i]);
    for (uint32_t i = 0; roots && i < roots->n_update; i++) need(p, roots->update[i]);
    for (ir_id id = g->node.n; id-- > 1;)
        for (uint32_t i = 0; p->number[id] && i < ir_at(g, id)->n_in; i++) need(p, ir_at(g, id)->in[i]);
    uint32_t last = g->input.n + g->var.n;
    for (ir_id id = 1; id < g->node.n; id++) {
        uint8_t op = ir_at(g, id)->op;
        if (p->number[id] && op != IR_INPUT && op != IR_VAR) p->number[id] = ++last;
    }
    for (uint32_t i = 0; i < g->input.n; i++) p->number[g->input.at[i]] = own_input_name(g, i) ? 0 : i + 1;
    for (uint32_t i = 0; i < g->var.n; i++) p->number[g->var.at[i].node] = own_var_name(g, i) ? 0 : g->input.n + i + 1;
}

static void print_head(printer *p) {
    const ir_graph *g = p->g;
    base_strbuf *out = p->out;
    base_strbuf_puts(out, "graph ");
    print_name(g->name ? g->name : "", out);
    for (uint32_t i = 0; i < g->dim_name.n; i++) {
        base_strbuf_puts(out, i ? ", " : "[");
        print_name(g->dim_name.at[i], out);
    }
    base_strbuf_puts(out, g->dim_name.n ? "](" : "(");
    for (uint32_t i = 0; i < g->input.n; i++) {
        if (i) base_strbuf_puts(out, ", ");
        print_declared(p, g->input.at[i], g->input_name.at[i]);
    }
    base_strbuf_puts(out, ")");
    for (uint32_t i = 0; i < g->var.n; i++) {
        base_strbuf_puts(out, i ? ", " : " vars(");
        print_declared(p, g->var.at[i].node, g->var.at[i].name);
    }
    base_strbuf_puts(out, g->var.n ? ") {\n" : " {\n");
    for (uint32_t i = 0; i < g->check.n; i++) {
        base_strbuf_puts(out, "  check ");
        ir_print_dim(g, g->check.at[i].a, out);
        base_strbuf_puts(out, g->check.at[i].at_most ? " <= " : " == ");
        ir_print_dim(g, g->check.at[i].b, out);
        if (g->check.at[i].text) {
            base_strbuf_puts(out, " ");
            print_string(g->check.at[i].text, out);
        }
        base_strbuf_puts(out, "\n");
    }
}

void ir_print(const ir_graph *g, const ir_roots *roots, base_strbuf *out) {
    printer p = {.g = g, .out = out, .number = base_calloc(out->alloc, g->node.n * sizeof(uint32_t))};
    if (!p.number) {
        out->failed = 1;
        return;
    }
    number_nodes(&p, roots);
    print_head(&p);
    for (ir_id id = 1; id < g->node.n; id++)
        if (p.number[id] && ir_at(g, id)->op != IR_INPUT && ir_at(g, id)->op != IR_VAR) print_node(&p, id);
    if (roots && roots->n_out) {
        base_strbuf_puts(out, "  return");
        print_refs(&p, roots->n_out, roots->out);
        base_strbuf_puts(out, "\n");
    }
    for (uint32_t i = 0; roots && i < roots->n_update; i++) {
        base_strbuf_puts(out, "  update ");
        print_var(&p, roots->update_var[i]);
        base_strbuf_puts(out, " =");
        print_refs(&p, 1, &roots->update[i]);
        base_strbuf_puts(out, "\n");
    }
    base_strbuf_puts(out, "}\n");
    base_free(out->alloc, p.number, g->node.n * sizeof(uint32_t));
}
