/* The text form of a graph (docs/ir.md) back into a graph. In: any bytes; out: a graph that keeps every rule, or a
 * sentence with line and column.
 *
 * A head, then statements, each a flat list of parts: nothing nests, nothing recurses. A node is built as it is written
 * and checked by the verifier's rules before it is interned; nothing is inferred. Memory grows with the text alone. */
#include <stdio.h>
#include <string.h>

#include "ir/parse.h"
#include "ir/text.h"

enum { MAX_DIM_NAMES = 1000, MAX_SUM = 64, MAX_ATTRS = SN_MAX_RANK * IR_SLICE_ATTRS };

/* ---- dims and types ---------------------------------------------------------------------------------------------- */

static ir_dim parse_term(ir_parser *p, int negative) {
    ir_graph *g = p->g;
    ir_dim term = ir_dim_const(g, negative ? -1 : 1);
    for (int factor = 0; factor == 0 || ir_accept(p, "*"); factor++) {
        ir_skip(p);
        size_t at = p->at;
        if (ir_at_digit(p)) {
            /* The sign belongs to a leading number, so that the least integer can be read. */
            int signed_here = negative && factor == 0;
            if (signed_here) term = ir_dim_const(g, 1);
            term = ir_dim_mul(g, term, ir_dim_const(g, ir_expect_magnitude(p, signed_here)));
            continue;
        }
        const char *name = ir_expect_name(p, "a size");
        ir_dim named = ir_look_up(p, 'd', name);
        if (!named) ir_parse_fail(p, at, "no dim %.60s: declare it behind the graph's name, as in graph f[N]", name);
        term = ir_dim_mul(g, term, named);
    }
    return term;
}

static ir_dim parse_dim(ir_parser *p) {
    ir_dim sum = parse_term(p, ir_accept(p, "-"));
    for (int terms = 1;; terms++) {
        int minus = ir_accept(p, "-");
        if (!minus && !ir_accept(p, "+")) return sum;
        if (terms == MAX_SUM) ir_parse_fail(p, p->at, "a dim is a sum of at most %d terms", (int)MAX_SUM);
        sum = ir_dim_add(p->g, sum, parse_term(p, minus));
    }
}

/* f32[N,2] into dtype, rank and dims of the node. */
static void parse_type(ir_parser *p, ir_node *node) {
    static const sn_dtype dtypes[] = {SN_F64, SN_F32, SN_F16, SN_BF16, SN_I64, SN_I32, SN_U8, SN_BOOL};
    ir_skip(p);
    size_t at = p->at;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && !node->dtype; i++)
        if (ir_accept_word(p, sn_dtype_name(dtypes[i]))) node->dtype = (uint8_t)dtypes[i];
    if (!node->dtype) ir_parse_fail(p, at, "expected an element type: f64, f32, f16, bf16, i64, i32, u8 or bool");
    ir_expect(p, "[");
    while (!ir_accept(p, "]")) {
        if (node->rank) ir_expect(p, ",");
        if (node->rank == SN_MAX_RANK) ir_parse_fail(p, p->at, "more than %d axes", (int)SN_MAX_RANK);
        node->dim[node->rank++] = parse_dim(p);
    }
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

/* Dims that the checks so far make equal. */
static void update_classes(ir_parser *p) {
    if (p->cls && p->cls_checks == p->g->check.n) return;
    if (!p->cls || p->g->dim.n > p->cap_cls) {
        p->cap_cls = p->g->dim.n * 2;
        p->cls = ARENA_ARRAY(&p->g->arena, uint32_t, p->cap_cls);
    }
    p->n_cls = p->g->dim.n;
    p->cls_checks = p->g->check.n;
    ir_dim_classes(p->g, p->cls);
}

/* Interns the node written at `at` if it keeps the rules. */
static ir_id add_node(ir_parser *p, size_t at, const ir_node *node) {
    char text[256];
    update_classes(p);
    const char *broken = ir_verify_node(p->g, node, p->g->node.n, p->cls, p->n_cls, text);
    if (broken) ir_parse_fail(p, at, "%s", broken);
    return ir_intern(p->g, node);
}

/* key=value with the form of the attribute. */
static void parse_attr(ir_parser *p, const ir_attr_text *t, ir_node *node, int64_t attr[MAX_ATTRS]) {
    size_t at = p->at;
    if (t->form == IR_FORM_INT) {
        attr[t->first] = ir_expect_integer(p);
        node->n_attr = (uint16_t)(t->first + 1);
        return;
    }
    ir_expect(p, "[");
    uint32_t n = 0;
    if (t->form == IR_FORM_SET) node->n_attr = 1;
    while (!ir_accept(p, "]")) {
        if (n) ir_expect(p, ",");
        if (n++ == SN_MAX_RANK) ir_parse_fail(p, at, "%s: more than %d entries", t->key, (int)SN_MAX_RANK);
        int64_t value = t->form == IR_FORM_DIMS ? (int64_t)parse_dim(p) : ir_expect_integer(p);
        if (t->form != IR_FORM_SET)
            attr[(n - 1) * t->stride + t->first] = value;
        else if (value < 0 || value > 31)
            ir_parse_fail(p, at, "%s: %lld is no axis", t->key, (long long)value);
        else
            attr[0] |= (int64_t)1 << value;
    }
    if (t->form == IR_FORM_SET) return;
    /* The lists of one operator are as long as each other; the first, which is always there, decides. */
    if (!t->optional)
        node->n_attr = (uint16_t)(n * t->stride);
    else if (node->n_attr != n * t->stride)
        ir_parse_fail(p, at, "%s: not as long as the list before it", t->key);
}

static void parse_attrs(ir_parser *p, ir_node *node, int64_t attr[MAX_ATTRS]) {
    for (uint32_t i = 0; i < ir_n_attr_texts; i++) {
        const ir_attr_text *t = &ir_attr_texts[i];
        if (t->op != node->op) continue;
        if (ir_accept_word(p, t->key)) {
            ir_expect(p, "=");
            parse_attr(p, t, node, attr);
        } else if (t->form == IR_FORM_INT && t->optional && node->n_attr == t->first) {
            attr[node->n_attr++] = t->absent;
        } else if (t->form == IR_FORM_SET && t->optional) {
            node->n_attr = 1;
        } else if (t->optional) {
            for (uint32_t k = t->first; k < node->n_attr; k += t->stride) attr[k] = t->absent;
        }
    }
}

static ir_op parse_op(ir_parser *p) {
    ir_skip(p);
    size_t at = p->at;
    for (int op = IR_CONST; op < IR_OP_COUNT; op++)
        if (ir_accept_word(p, ir_ops[op].name)) return (ir_op)op;
    ir_parse_fail(p, at, "expected an operator");
}

static void parse_operands(ir_parser *p, ir_node *node) {
    p->in.n = 0;
    if (ir_ops[node->op].cls == IR_CLASS_LEAF) return;
    do {
        if (p->in.n == UINT16_MAX) ir_parse_fail(p, p->at, "more than %d operands", UINT16_MAX);
        ir_id operand = ir_expect_ref(p);
        *base_vec_push(&p->in, &p->g->arena) = operand;
    } while (ir_accept(p, ","));
    node->n_in = (uint16_t)p->in.n;
    node->in = p->in.at;
}

/* %7 = matmul %X, @W trans=[1] : f32[N,10] "label" */
static void parse_assignment(ir_parser *p, size_t at) {
    ir_graph *g = p->g;
    char kind, word[IR_MAX_NUMBER];
    int64_t attr[MAX_ATTRS] = {0};
    const char *name = ir_expect_symbol(p, '%', &kind);
    ir_expect(p, "=");
    ir_node node = {.op = (uint8_t)parse_op(p), .attr = attr};
    ir_skip(p);
    size_t value_at = p->at;
    if (node.op == IR_CONST) {
        ir_expect_constant(p, word);
        node.n_attr = ir_accept_word(p, "untyped") ? 2 : 1;
        attr[1] = 1;
    } else if (node.op == IR_DIM_VALUE) {
        attr[0] = parse_dim(p);
        node.n_attr = 1;
    }
    parse_operands(p, &node);
    parse_attrs(p, &node, attr);
    ir_expect(p, ":");
    parse_type(p, &node);
    if (node.op == IR_CONST) attr[0] = (int64_t)ir_constant_bits(p, value_at, word, (sn_dtype)node.dtype);
    ir_id id = add_node(p, at, &node);
    const char *label = ir_accept_string(p);
    if (!label && kind == '%') label = name; /* a result that was given a name instead of a number */
    if (label && !g->label.at[id]) g->label.at[id] = label;
    ir_define(p, at, kind, name, id);
}

static void parse_check(ir_parser *p) {
    ir_check check = {.a = parse_dim(p)};
    check.at_most = (uint8_t)ir_accept(p, "<=");
    if (!check.at_most) ir_expect(p, "==");
    check.b = parse_dim(p);
    check.text = ir_accept_string(p);
    if (!check.text) check.text = "";
    *base_vec_push(&p->g->check, &p->g->arena) = check;
}

static void parse_return(ir_parser *p) {
    do {
        ir_id out = ir_expect_ref(p);
        *base_vec_push(&p->out, &p->g->arena) = out;
    } while (ir_accept(p, ","));
}

static void parse_update(ir_parser *p) {
    ir_skip(p);
    size_t at = p->at;
    const ir_node *var = ir_at(p->g, ir_expect_ref(p));
    if (var->op != IR_VAR) ir_parse_fail(p, at, "only a variable can be updated");
    ir_expect(p, "=");
    ir_id value = ir_expect_ref(p);
    *base_vec_push(&p->update, &p->g->arena) = value;
    *base_vec_push(&p->update_var, &p->g->arena) = (uint32_t)var->attr[0];
}

/* One statement; 0 at the closing brace. */
static int parse_statement(ir_parser *p) {
    ir_skip(p);
    size_t at = p->at;
    if (ir_accept(p, "}")) return 0;
    if (ir_accept(p, "%"))
        parse_assignment(p, at);
    else if (ir_accept_word(p, "check"))
        parse_check(p);
    else if (ir_accept_word(p, "return"))
        parse_return(p);
    else if (ir_accept_word(p, "update"))
        parse_update(p);
    else
        ir_parse_fail(p, at, "expected %%.. = .., check, return, update or }");
    return 1;
}

/* ---- the head ---------------------------------------------------------------------------------------------------- */

static void parse_dim_names(ir_parser *p) {
    do {
        ir_skip(p);
        size_t at = p->at;
        if (p->g->dim_name.n == MAX_DIM_NAMES) ir_parse_fail(p, at, "more than %d named dims", (int)MAX_DIM_NAMES);
        const char *name = ir_expect_name(p, "the name of a dim");
        ir_define(p, at, 'd', name, ir_dim_named(p->g, name));
    } while (ir_accept(p, ","));
    ir_expect(p, "]");
}

/* %X: f32[N,2] or %1 "name": f32[N,2]; with @ for variables. */
static void parse_declared(ir_parser *p, char sigil) {
    ir_graph *g = p->g;
    ir_skip(p);
    size_t at = p->at;
    char kind;
    ir_expect(p, sigil == '%' ? "%" : "@");
    const char *symbol = ir_expect_symbol(p, sigil, &kind), *name = kind == sigil ? symbol : ir_accept_string(p);
    if (!name) name = "";
    ir_expect(p, ":");
    int64_t position = sigil == '%' ? g->input.n : g->var.n;
    ir_node node = {.op = sigil == '%' ? IR_INPUT : IR_VAR, .n_attr = 1, .attr = &position};
    parse_type(p, &node);
    /* The node's rules ask the tables about it, so they come first. */
    ir_id id = g->node.n;
    if (sigil == '%') {
        *base_vec_push(&g->input, &g->arena) = id;
        *base_vec_push(&g->input_name, &g->arena) = name;
    } else {
        *base_vec_push(&g->var, &g->arena) = (ir_var){.name = name, .node = id};
    }
    add_node(p, at, &node);
    if (*name) g->label.at[id] = name;
    ir_define(p, at, kind, symbol, id);
}

static void parse_list(ir_parser *p, char sigil) {
    ir_expect(p, "(");
    if (ir_accept(p, ")")) return;
    do parse_declared(p, sigil);
    while (ir_accept(p, ","));
    ir_expect(p, ")");
}

static void parse_graph(void *arg) {
    ir_parser *p = arg;
    if (!ir_accept_word(p, "graph")) ir_parse_fail(p, p->at, "expected 'graph'");
    p->g->name = ir_expect_name(p, "the graph's name");
    if (ir_accept(p, "[")) parse_dim_names(p);
    parse_list(p, '%');
    if (ir_accept_word(p, "vars")) parse_list(p, '@');
    ir_expect(p, "{");
    while (parse_statement(p)) continue;
    ir_skip(p);
    if (p->at < p->n) ir_parse_fail(p, p->at, "there is more after the graph");

    *p->roots = (ir_roots){.n_out = p->out.n,
                           .out = p->out.at,
                           .n_update = p->update.n,
                           .update = p->update.at,
                           .update_var = p->update_var.at};
    char text[256];
    const char *broken = ir_verify(p->g, p->roots, text);
    if (broken == ir_no_memory) base_fail(&p->g->trap, SN_ERR_NOMEM, "%s", broken);
    if (broken) ir_parse_fail(p, p->n, "%s", broken);
}

void ir_parse(ir_graph *g, const char *text, size_t n, ir_roots *roots) {
    ir_parser p = {.g = g, .text = text, .n = n, .roots = roots};
    /* Arithmetic on dims fails with a status and without a place of its own. */
    sn_status status = base_protect(&g->trap, parse_graph, &p);
    if (status == SN_OK) return;
    if (p.located || status == SN_ERR_NOMEM) base_fail(&g->trap, status, "%s", g->trap.text);
    ir_parse_fail(&p, p.at, "%s", g->trap.text);
}
