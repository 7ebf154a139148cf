/* The pass driver: graph -> graph, until nothing changes.
 *
 *     from -> fold -> algebra -> view -+-> to
 *              ^                       |
 *              +--- while rules fire --+
 *
 * Each pass rebuilds the needed part of the graph into an empty one, so dead code drops out, and hash-consing merges
 * what has become equal. Operands of commutative operators are ordered by id, so that a + b and b + a are one node. The
 * signature (inputs, variables, named dims, checks) is carried over whole and in order. */
#include <fenv.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "ir/pass.h"

/* Rounds after which the driver stops although rules still fire. Each round does what can be done from operands to
 * users in one sweep, so real graphs need three or four. */
enum { MAX_ROUNDS = 24 };

/* A number that stands for a named dim from here on. */
typedef struct {
    uint16_t name;
    int64_t value;
} ir_fixed;

typedef struct {
    ir_graph *to;
    const ir_graph *from;
    const ir_roots *roots;
    const ir_pass *pass; /* NULL: copy */
    ir_roots *out;
    uint32_t n_rewrites;
    const ir_fixed *fixed; /* or NULL */

    ir_dim *dim; /* of from's dims, the same in to */
    ir_id *map;  /* of from's needed nodes, what stands for them in to */
    uint32_t *uses;
    const char *file_before, *file_here; /* the last place's file name and its copy */
} sweep;

/* ---- what is carried over ---------------------------------------------------------------------------------------- */

static void count_uses(sweep *s) {
    const ir_graph *g = s->from;
    s->uses = ARENA_ARRAY(&s->to->arena, uint32_t, g->node.n);
    for (uint32_t i = 0; i < s->roots->n_out; i++) s->uses[s->roots->out[i]]++;
    for (uint32_t i = 0; i < s->roots->n_update; i++) s->uses[s->roots->update[i]]++;
    for (ir_id id = g->node.n; id-- > 1;)
        for (uint32_t i = 0; s->uses[id] && i < ir_at(g, id)->n_in; i++) s->uses[ir_at(g, id)->in[i]]++;
}

static void copy_dims(sweep *s) {
    s->dim = ARENA_ARRAY(&s->to->arena, ir_dim, s->from->dim.n);
    for (uint32_t i = 0; i < s->from->dim_name.n; i++) ir_dim_named(s->to, s->from->dim_name.at[i]);
    for (ir_dim d = 1; d < s->from->dim.n; d++) {
        s->dim[d] = ir_dim_copy(s->to, s->from, d);
        if (s->fixed) s->dim[d] = ir_dim_fix(s->to, s->dim[d], s->fixed->name, s->fixed->value);
    }
    for (uint32_t i = 0; i < s->from->check.n; i++) {
        ir_check check = s->from->check.at[i];
        check.a = s->dim[check.a];
        check.b = s->dim[check.b];
        check.text = base_arena_strdup(&s->to->arena, check.text ? check.text : "");
        *base_vec_push(&s->to->check, &s->to->arena) = check;
    }
}

static void set_place(sweep *s, ir_id old) {
    ir_place place = s->from->place.at[old];
    if (place.file && *place.file && place.file != s->file_before) {
        s->file_before = place.file;
        s->file_here = base_arena_strdup(&s->to->arena, place.file);
    }
    s->to->here = place.file && *place.file ? (ir_place){s->file_here, place.line} : (ir_place){"", 0};
}

static void set_label(sweep *s, ir_id old, ir_id id) {
    const char *label = s->from->label.at[old];
    if (label && !s->to->label.at[id]) s->to->label.at[id] = base_arena_strdup(&s->to->arena, label);
}

/* The node with the new graph's dims; its operands and attributes are filled in by the caller. */
static ir_node with_dims(const sweep *s, const ir_node *old) {
    ir_node n = *old;
    for (uint32_t a = 0; a < n.rank; a++) n.dim[a] = s->dim[old->dim[a]];
    return n;
}

static ir_id copy_leaf(sweep *s, ir_id old) {
    ir_node n = with_dims(s, ir_at(s->from, old));
    set_place(s, old);
    ir_id id = s->map[old] = ir_intern(s->to, &n);
    set_label(s, old, id);
    return id;
}

static void copy_signature(sweep *s) {
    ir_graph *to = s->to;
    for (uint32_t i = 0; i < s->from->input.n; i++) {
        *base_vec_push(&to->input, &to->arena) = copy_leaf(s, s->from->input.at[i]);
        *base_vec_push(&to->input_name, &to->arena) = base_arena_strdup(&to->arena, s->from->input_name.at[i]);
    }
    for (uint32_t i = 0; i < s->from->var.n; i++) {
        ir_var var = s->from->var.at[i];
        var.node = copy_leaf(s, var.node);
        var.name = base_arena_strdup(&to->arena, var.name);
        *base_vec_push(&to->var, &to->arena) = var;
    }
}

/* ---- one sweep --------------------------------------------------------------------------------------------------- */

static int is_dim_attr(const ir_node *n, uint32_t i) {
    if (n->op == IR_DIM_VALUE) return 1;
    return (n->op == IR_SLICE || n->op == IR_PAD) && i % IR_SLICE_ATTRS == IR_SLICE_START;
}

/* What the rules make of a node; 0 where none applies. A rule that changed the type has done nothing. */
static ir_id apply_rules(sweep *s, ir_id old, const ir_node *n) {
    ir_rewrite rw = {.g = s->to, .from = s->from, .at = old, .uses = s->uses};
    for (uint32_t i = 0; s->pass && i < s->pass->n_rules; i++) {
        ir_id id = s->pass->rules[i].apply(&rw, n);
        if (!id || ir_at(s->to, id)->dtype != n->dtype || !ir_same_dims(ir_at(s->to, id), n)) continue;
        s->n_rewrites++;
        return id;
    }
    return 0;
}

static void rebuild(sweep *s, ir_id old) {
    base_arena *arena = &s->to->arena;
    ir_node n = with_dims(s, ir_at(s->from, old));
    ir_id few[4], *in = n.n_in <= 4 ? few : ARENA_ARRAY(arena, ir_id, n.n_in);
    int64_t attr[SN_MAX_RANK * IR_SLICE_ATTRS];
    for (uint32_t i = 0; i < n.n_in; i++) in[i] = s->map[n.in[i]];
    for (uint32_t i = 0; i < n.n_attr; i++) attr[i] = is_dim_attr(&n, i) ? (int64_t)s->dim[n.attr[i]] : n.attr[i];
    if (ir_ops[n.op].flags & IR_COMMUTES && in[0] > in[1]) {
        ir_id larger = in[0];
        in[0] = in[1];
        in[1] = larger;
    }
    n.in = in;
    n.attr = attr;
    if (n.op == IR_CONST) n.n_attr = 1; /* an untyped constant that stayed alone is an f64 */
    set_place(s, old);
    ir_id id = apply_rules(s, old, &n);
    s->map[old] = id ? id : ir_intern(s->to, &n);
    set_label(s, old, s->map[old]);
}

static void run_sweep(void *arg) {
    sweep *s = arg;
    base_arena *arena = &s->to->arena;
    count_uses(s);
    copy_dims(s);
    s->map = ARENA_ARRAY(arena, ir_id, s->from->node.n);
    copy_signature(s);
    for (ir_id id = 1; id < s->from->node.n; id++)
        if (s->uses[id] && !s->map[id]) rebuild(s, id);
    ir_id *out = ARENA_ARRAY(arena, ir_id, s->roots->n_out), *update = ARENA_ARRAY(arena, ir_id, s->roots->n_update);
    uint32_t *update_var = ARENA_ARRAY(arena, uint32_t, s->roots->n_update);
    for (uint32_t i = 0; i < s->roots->n_out; i++) out[i] = s->map[s->roots->out[i]];
    for (uint32_t i = 0; i < s->roots->n_update; i++) {
        update[i] = s->map[s->roots->update[i]];
        update_var[i] = s->roots->update_var[i];
    }
    *s->out = (ir_roots){.n_out = s->roots->n_out,
                         .out = out,
                         .n_update = s->roots->n_update,
                         .update = update,
                         .update_var = update_var};
    s->to->here = (ir_place){"", 0};
}

uint32_t ir_run_pass(ir_graph *to, const ir_graph *from, const ir_roots *roots, const ir_pass *pass, ir_roots *out) {
    sweep s = {.to = to, .from = from, .roots = roots, .pass = pass, .out = out};
    run_sweep(&s);
    return s.n_rewrites;
}

/* ---- the driver -------------------------------------------------------------------------------------------------- */

static const ir_pass *const passes[] = {&ir_pass_fold, &ir_pass_algebra, &ir_pass_view};

typedef struct {
    ir_graph *to;
    ir_graph graph[2]; /* taking turns: the graph between two passes, and the next */
    int live[2];
    int dump, verify;
    const ir_fixed *fixed; /* put in by the first sweep */
} driver;

int ir_wants_verify(void) {
#ifndef NDEBUG
    return 1;
#else
    return base_env_int(BASE_ENV_SINTER_VERIFY, 0) != 0;
#endif
}

static void clear(driver *d, int which) {
    if (d->live[which]) ir_graph_clear(&d->graph[which]);
    d->live[which] = 0;
}

static void dump(const driver *d, const ir_graph *g, const ir_roots *roots, const char *title) {
    if (!d->dump) return;
    base_strbuf text;
    base_strbuf_init(&text, d->to->arena.alloc);
    ir_print(g, roots, &text);
    base_log_text(&d->to->log, title, text.at ? text.at : (char[]){""});
    base_strbuf_free(&text);
}

/* Runs s into a graph and checks what came out; the error is the graph's. */
static sn_status run_checked(const driver *d, sweep *s) {
    const char *name = s->pass ? s->pass->name : "copy";
    sn_status status = base_protect(&s->to->trap, run_sweep, s);
    if (status) return status;
    char sentence[256], title[64];
    const char *broken = d->verify ? ir_verify(s->to, s->out, sentence) : NULL;
    if (broken)
        return base_set_error(&s->to->trap, broken == ir_no_memory ? SN_ERR_NOMEM : SN_ERR_INTERNAL, "pass %s: %s",
                              name, broken);
    snprintf(title, sizeof title, "opt: after %s, %u rewrites", name, s->n_rewrites);
    if (s->n_rewrites) dump(d, s->to, s->out, title);
    return SN_OK;
}

/* Sweeps until no rule fires. On success *last and *roots are the result, a graph of d or `from` itself. */
static sn_status run_rounds(driver *d, const ir_graph *from, const ir_graph **last, ir_roots *roots) {
    *last = from;
    uint32_t n_passes = sizeof passes / sizeof *passes, quiet = 0;
    for (uint32_t i = 0; i < MAX_ROUNDS * n_passes && quiet < n_passes; i++) {
        int next = *last == &d->graph[0];
        clear(d, next);
        d->live[next] = 1;
        ir_graph *g = &d->graph[next];
        sn_status status = ir_graph_init(g, d->to->arena.alloc, &d->to->log, from->name);
        ir_roots before = *roots;
        sweep s = {.to = g,
                   .from = *last,
                   .roots = &before,
                   .pass = passes[i % n_passes],
                   .out = roots,
                   .fixed = i ? NULL : d->fixed};
        if (!status) status = run_checked(d, &s);
        if (status) return base_set_error(&d->to->trap, status, "%s", g->trap.text);
        quiet = s.n_rewrites ? 0 : quiet + 1;
        *last = g;
    }
    return SN_OK;
}

static void optimise(ir_graph *to, const ir_graph *from, const ir_roots *roots, const ir_pass *last_pass,
                     const ir_fixed *fixed, ir_roots *out) {
    driver d = {
        .to = to, .fixed = fixed, .dump = base_env_has(BASE_ENV_SINTER_DUMP, "opt"), .verify = ir_wants_verify()};
    ir_roots current = *roots;
    const ir_graph *last;
    /* Folding must not depend on the rounding mode or on flushing of subnormals that the host has set. */
    fenv_t host;
    fegetenv(&host);
    fesetenv(FE_DFL_ENV);
    dump(&d, from, roots, "opt: before");
    sn_status status = run_rounds(&d, from, &last, &current);
    fesetenv(&host);
    sweep copy = {.to = to, .from = last, .roots = &current, .pass = last_pass, .out = out};
    if (!status) status = run_checked(&d, &copy);
    clear(&d, 0);
    clear(&d, 1);
    if (status) base_fail(&to->trap, status, "%s", to->trap.text);
}

void ir_optimise(ir_graph *to, const ir_graph *from, const ir_roots *roots, const struct ir_pass *last, ir_roots *out) {
    optimise(to, from, roots, last, NULL, out);
}

void ir_optimise_fixed(ir_graph *to, const ir_graph *from, const ir_roots *roots, uint16_t name, int64_t value,
                       ir_roots *out) {
    const ir_fixed fixed = {name, value};
    optimise(to, from, roots, NULL, &fixed, out);
}
