/* See support_paths.h. A path is: variables set to their old values, outputs filled with rubbish between guards, the
 * function called, outputs and variables collected. */
#define _POSIX_C_SOURCE 200809L
#include "support_paths.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"

enum { RUNS = 6 /* and one without rounding */, GUARD = 64, RUBBISH = 0xcb };
/* By how much more than their bound operators are off in the runs that find the tolerance. */
static const double FACTOR = 8, MARGIN = 4, LEAST_ULP = 4;

uint64_t support_compared, support_skipped;

size_t support_bytes(const ir_graph *g, ir_id id, const int64_t *names) {
    const ir_node *n = ir_at(g, id);
    size_t bytes = sn_dtype_size((sn_dtype)n->dtype);
    for (uint32_t i = 0; i < n->rank; i++) {
        int64_t size = 0;
        ck_assert_msg(ir_dim_value(g, n->dim[i], names, &size) && size >= 0, "a dim of node %u", id);
        bytes *= (size_t)size;
    }
    return bytes;
}

typedef struct {
    const support_body *body;
    int flags;
    char *text;
    size_t text_n;
    base_alloc alloc;
    base_arena arena;
    uint64_t seed;

    void *base[SUPPORT_MAX_ROOTS], *off[RUNS + 1][SUPPORT_MAX_ROOTS];
    int n_runs;
    void *old_var[SUPPORT_MAX_VARS];

    ir_graph noisy; /* the body with errors put in */
    int64_t noisy_dim[SUPPORT_MAX_DIMS];
    ir_roots noisy_roots;
    ir_graph wide; /* the body without f16 and bf16 */
    ir_roots wide_roots;
    ir_id *map;
    const void **noisy_input;
    uint32_t n_noise;
    int wrong;
    support_look look;
    void *look_arg;
} paths;

static const ir_graph *graph(const paths *p) { return p->body->g; }
static uint32_t n_roots(const paths *p) { return p->body->roots.n_out + p->body->roots.n_update; }
static ir_id root(const paths *p, uint32_t i) {
    const ir_roots *r = &p->body->roots;
    return i < r->n_out ? r->out[i] : r->update[i - r->n_out];
}

__attribute__((format(printf, 2, 3))) static void complain(paths *p, const char *format, ...) {
    if (p->wrong) return;
    p->wrong = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, p->text_n, format, args);
    va_end(args);
}

static double uniform(paths *p) { /* -1 .. 1 */
    p->seed ^= p->seed >> 12;
    p->seed ^= p->seed << 25;
    p->seed ^= p->seed >> 27;
    return (double)((p->seed * 2685821657736338717u) >> 11) * 0x1p-52 - 1;
}

/* ---- the graph with errors -------------------------------------------------------------------------------------- */

static int is_float(const ir_node *n) { return base_is_float((sn_dtype)n->dtype); }

/* A new input of the node's type: middle plus or minus up to size, redrawn by each run. */
typedef struct {
    uint8_t dtype;
    size_t n;
    double middle, size;
    void *at;
} noise;

static ir_id add_noise(paths *p, ir_id like, double middle, double size, noise **all) {
    ir_graph *g = &p->noisy;
    const ir_node n = *ir_at(g, like);
    char name[32];
    snprintf(name, sizeof name, "noise %u", p->n_noise);
    ir_id id = ir_input(g, name, (sn_dtype)n.dtype, n.rank, n.dim);
    noise *x = &(*all)[p->n_noise++];
    size_t bytes = support_bytes(g, id, p->noisy_dim);
    *x = (noise){n.dtype, bytes / sn_dtype_size((sn_dtype)n.dtype), middle, size, base_arena_alloc(&p->arena, bytes)};
    p->noisy_input[g->input.n - 1] = x->at;
    return id;
}

/* Elements folded into one of node v, at the body's dims. */
static double folded(const paths *p, ir_id v) {
    const ir_graph *g = graph(p);
    const ir_node *n = ir_at(g, v);
    size_t in = support_bytes(g, n->in[n->op == IR_SCATTER_ADD ? 1 : 0], p->body->dim),
           out = support_bytes(g, v, p->body->dim);
    if (n->op == IR_MATMUL) {
        int64_t k = 1;
        ir_dim_value(g, ir_at(g, n->in[0])->dim[n->rank - 2 + !(n->attr[0] & 1)], p->body->dim, &k);
        return (double)k;
    }
    if (n->op == IR_RECURRENCE) {
        int64_t count = 1;
        ir_dim_value(g, n->dim[n->attr[0]], p->body->dim, &count);
        return (double)count;
    }
    if (n->op == IR_SCATTER_ADD) { /* all ids may be one */
        int64_t rows = 1;
        ir_dim_value(g, n->dim[0], p->body->dim, &rows);
        return out ? (double)in * (double)rows / (double)out : 1;
    }
    return out ? (double)in / (double)out : 1;
}

/* Whether numbers are equal that are so close is for rounding to decide: in one run of each pair they are. */
static ir_id nearly_equal(paths *p, ir_op op, ir_id id, const ir_id *in, noise **all) {
    ir_graph *g = &p->noisy;
    double size = FACTOR * FACTOR * base_float_epsilon((sn_dtype)ir_at(g, in[0])->dtype);
    ir_id apart = ir_unary(g, IR_ABS, ir_binary(g, IR_SUB, in[0], in[1])), scale = ir_unary(g, IR_ABS, in[0]);
    ir_id near = ir_binary(g, IR_LE, apart, ir_binary(g, IR_MUL, scale, add_noise(p, scale, size, size, all)));
    if (op == IR_EQ) return ir_binary(g, IR_OR, id, near);
    return ir_binary(g, IR_AND, id, ir_unary(g, IR_NOT, near));
}

static ir_id with_errors(paths *p, ir_id v, ir_id id, const ir_id *in, noise **all) {
    ir_graph *g = &p->noisy;
    const ir_node *n = ir_at(graph(p), v);
    if ((n->op == IR_EQ || n->op == IR_NE) && is_float(ir_at(g, in[0])))
        return nearly_equal(p, (ir_op)n->op, id, in, all);
    if (!is_float(n)) return id;
    /* In f16 and bf16 what an operator does is as exact as in f32; then its result is rounded. */
    double ulp = base_float_epsilon(base_register_type((sn_dtype)n->dtype));
    double rounding = base_is_half((sn_dtype)n->dtype) ? base_float_epsilon((sn_dtype)n->dtype) * FACTOR / 2 : 0;
    if (n->op == IR_PROD) /* each factor may add half an ulp of the product */
        return ir_binary(g, IR_MUL, id, add_noise(p, id, 1, ulp * (FACTOR + folded(p, v) / 2) + rounding, all));
    if (n->op == IR_SUM || n->op == IR_MATMUL || n->op == IR_SCATTER_ADD || n->op == IR_RECURRENCE) {
        ir_id sizes[2] = {in[0], n->n_in > 1 ? in[1] : in[0]};
        for (uint32_t k = 0; k < 2; k++)
            if (is_float(ir_at(g, sizes[k]))) sizes[k] = ir_unary(g, IR_ABS, sizes[k]);
        ir_id most = ir_copy_node(g, graph(p), v, sizes);
        double size = ulp * (FACTOR + folded(p, v) / 4) + rounding;
        return ir_binary(g, IR_ADD, id, ir_binary(g, IR_MUL, most, add_noise(p, most, 0, size, all)));
    }
    if (ir_ops[n->op].cls != IR_CLASS_EWISE || n->op == IR_SELECT || !(ir_ops[n->op].ulp > 0)) return id;
    if (n->op == IR_CAST && !(rounding > 0)) return id;
    return ir_binary(g, IR_MUL, id, add_noise(p, id, 1, ulp * FACTOR * (double)ir_ops[n->op].ulp + rounding, all));
}

static void build_noisy(paths *p, noise **all) {
    const ir_graph *from = graph(p);
    ir_graph *g = &p->noisy;
    uint8_t *needed = ARENA_ARRAY(&p->arena, uint8_t, from->node.n);
    p->map = ARENA_ARRAY(&p->arena, ir_id, from->node.n);
    p->noisy_input = ARENA_ARRAY(&p->arena, const void *, from->node.n + SUPPORT_MAX_INPUTS);
    *all = ARENA_ARRAY(&p->arena, noise, from->node.n);
    for (uint32_t i = 0; i < from->dim_name.n; i++) ir_dim_named(g, from->dim_name.at[i]);
    memcpy(p->noisy_dim, p->body->dim, sizeof p->noisy_dim);
    for (uint32_t i = 0; i < from->input.n; i++) {
        p->map[from->input.at[i]] = ir_copy_node(g, from, from->input.at[i], NULL);
        p->noisy_input[i] = p->body->input[i];
    }
    for (uint32_t i = 0; i < from->var.n; i++)
        p->map[from->var.at[i].node] = ir_copy_node(g, from, from->var.at[i].node, NULL);
    for (uint32_t i = 0; i < n_roots(p); i++) needed[root(p, i)] = 1;
    for (ir_id v = from->node.n; v-- > 1;)
        for (uint32_t k = 0; needed[v] && k < ir_at(from, v)->n_in; k++) needed[ir_at(from, v)->in[k]] = 1;
    for (ir_id v = 1; v < from->node.n; v++) {
        const ir_node *n = ir_at(from, v);
        if (!needed[v] || p->map[v]) continue;
        ir_id *in = ARENA_ARRAY(&p->arena, ir_id, n->n_in);
        for (uint32_t k = 0; k < n->n_in; k++) in[k] = p->map[n->in[k]];
        ir_id copy = ir_copy_node(g, from, v, in);
        p->map[v] = with_errors(p, v, copy, in, all);
    }
    ir_id *out = ARENA_ARRAY(&p->arena, ir_id, n_roots(p));
    for (uint32_t i = 0; i < n_roots(p); i++) out[i] = p->map[root(p, i)];
    p->noisy_roots = (ir_roots){.n_out = n_roots(p), .out = out};
}

/* Runs come in pairs of opposite noise, so that where two values tie, each is the larger one in one of them. */
static void draw(paths *p, const noise *x, int opposite) {
    for (size_t i = 0; i < x->n; i++) {
        sn_dtype dtype = (sn_dtype)x->dtype;
        char *at = (char *)x->at + i * sn_dtype_size(dtype);
        double now = base_float_get(dtype, at);
        double off = uniform(p); /* -1 .. -0.5 or 0.5 .. 1 times size: never next to nothing */
        double value = opposite ? 2 * x->middle - now : x->middle + x->size * (off + (off < 0 ? -1 : 1)) / 2;
        base_float_put(dtype, at, (long double)value);
    }
}

/* ---- the graph without rounding ---------------------------------------------------------------------------------- */

static ir_id widened(ir_graph *g, ir_id id) {
    return ir_cast(g, id, base_register_type((sn_dtype)ir_at(g, id)->dtype));
}

/* The body with f32 in the place of f16 and bf16, but for casts to them: kernels lie between rounding everywhere and
 * nowhere else. Roots have their own types again. */
static void build_wide(paths *p) {
    const ir_graph *from = graph(p);
    ir_graph *g = &p->wide;
    ir_id *map = ARENA_ARRAY(&p->arena, ir_id, from->node.n), *out = ARENA_ARRAY(&p->arena, ir_id, n_roots(p));
    for (uint32_t i = 0; i < from->dim_name.n; i++) ir_dim_named(g, from->dim_name.at[i]);
    for (uint32_t i = 0; i < from->input.n; i++) ir_copy_node(g, from, from->input.at[i], NULL);
    for (uint32_t i = 0; i < from->var.n; i++) ir_copy_node(g, from, from->var.at[i].node, NULL);
    for (uint32_t i = 0; i < from->input.n; i++) map[from->input.at[i]] = widened(g, g->input.at[i]);
    for (uint32_t i = 0; i < from->var.n; i++) map[from->var.at[i].node] = widened(g, g->var.at[i].node);
    for (ir_id v = 1; v < from->node.n; v++) {
        const ir_node *n = ir_at(from, v);
        ir_id *in = ARENA_ARRAY(&p->arena, ir_id, n->n_in);
        for (uint32_t k = 0; k < n->n_in; k++) in[k] = map[n->in[k]];
        if (!map[v]) map[v] = widened(g, ir_copy_node(g, from, v, in));
    }
    for (uint32_t i = 0; i < n_roots(p); i++)
        out[i] = ir_cast(g, map[root(p, i)], (sn_dtype)ir_at(from, root(p, i))->dtype);
    p->wide_roots = (ir_roots){.n_out = n_roots(p), .out = out};
}

static int has_halves(const ir_graph *g) {
    for (ir_id v = 1; v < g->node.n; v++)
        if (base_is_half((sn_dtype)ir_at(g, v)->dtype)) return 1;
    return 0;
}

static void evaluate(void *arg) {
    paths *p = arg;
    ir_values values = {p->body->input, (const void *const *)p->old_var, p->body->dim};
    ir_eval(graph(p), &p->body->roots, &values, &p->arena, p->base);
    if (p->flags & SUPPORT_ULP) return;
    noise *all;
    build_noisy(p, &all);
    for (int run = 0; run < RUNS; run++) {
        for (uint32_t i = 0; i < p->n_noise; i++) draw(p, &all[i], run & 1);
        ir_values noisy = {p->noisy_input, (const void *const *)p->old_var, p->noisy_dim};
        ir_eval(&p->noisy, &p->noisy_roots, &noisy, &p->arena, p->off[run]);
    }
    p->n_runs = RUNS;
    if (!has_halves(graph(p))) return;
    build_wide(p);
    ir_eval(&p->wide, &p->wide_roots, &values, &p->arena, p->off[p->n_runs++]);
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

static double as_double(const void *at, sn_dtype dtype, size_t i) {
    switch (dtype) {
        case SN_F64:
        case SN_F32:
        case SN_F16:
        case SN_BF16: return base_float_get(dtype, (const char *)at + i * sn_dtype_size(dtype));
        case SN_I64: return (double)((const int64_t *)at)[i];
        case SN_I32: return (double)((const int32_t *)at)[i];
        default: return (double)((const uint8_t *)at)[i];
    }
}

static int class_of(double x) { return isnan(x) ? 3 : isinf(x) ? (x > 0 ? 2 : 1) : 0; }

/* Distance to the next number. */
static double spacing(double x, sn_dtype dtype) {
    int exponent;
    frexp(x, &exponent);
    return fmax(ldexp(base_float_epsilon(dtype), exponent - 1), base_float_least(dtype));
}

static const char *root_name(const paths *p, uint32_t i, char name[64]) {
    if (i < p->body->roots.n_out)
        snprintf(name, 64, "output %u", i);
    else
        snprintf(name, 64, "new value of %.40s",
                 graph(p)->var.at[p->body->roots.update_var[i - p->body->roots.n_out]].name);
    return name;
}

static void compare_root(paths *p, const char *path, uint32_t i, const void *have) {
    const ir_node *n = ir_at(graph(p), root(p, i));
    sn_dtype dtype = (sn_dtype)n->dtype;
    size_t size = sn_dtype_size(dtype), count = support_bytes(graph(p), root(p, i), p->body->dim) / size;
    double ulp = base_float_epsilon(dtype);
    char name[64];
    for (size_t e = 0; e < count && !p->wrong; e++) {
        double want = as_double(p->base[i], dtype, e), x = as_double(have, dtype, e), tolerance = 0;
        int told = 1;
        support_compared++;
        if (p->flags & SUPPORT_ULP) {
            double off = p->body->ulp[i];
            int same = isnan(want) ? isnan(x)
                                   : !memcmp((const char *)p->base[i] + e * size, (const char *)have + e * size, size);
            if (!same && !(off > 0 && !class_of(want) && !class_of(x) && fabs(x - want) <= off * spacing(want, dtype)))
                complain(p, "%s: %s[%zu] is %.17g, evaluated %.17g, allowed %g ulp", path, root_name(p, i, name), e, x,
                         want, p->body->ulp[i]);
            continue;
        }
        for (int run = 0; run < p->n_runs && told; run++) {
            double off = as_double(p->off[run][i], dtype, e);
            if (class_of(off) != class_of(want))
                told = 0;
            else if (is_float(n) && !class_of(want))
                tolerance = fmax(tolerance, MARGIN * fabs(off - want));
            else if (!is_float(n) &&
                     memcmp((const char *)p->base[i] + e * size, (const char *)p->off[run][i] + e * size, size))
                told = 0;
        }
        if (!told) {
            support_skipped++;
            continue;
        }
        if (p->n_noise) /* few runs may all come near the middle */
            tolerance += LEAST_ULP * ulp * fabs(want) + LEAST_ULP * LEAST_ULP * base_float_least(dtype);
        int ok = class_of(want) ? class_of(x) == class_of(want)
                 : is_float(n)  ? fabs(x - want) <= tolerance
                                : !memcmp((const char *)p->base[i] + e * size, (const char *)have + e * size, size);
        if (!ok)
            complain(p, "%s: %s[%zu] is %.17g, evaluated %.17g, tolerance %.3g", path, root_name(p, i, name), e, x,
                     want, tolerance);
    }
}

/* To the bit, except which NaN: of f16, of bf16 there is one. */
static void compare_bits(paths *p, const char *path, uint32_t i, ir_id id, const void *a, const void *b) {
    sn_dtype dtype = (sn_dtype)ir_at(graph(p), id)->dtype;
    size_t size = sn_dtype_size(dtype), bytes = support_bytes(graph(p), id, p->body->dim);
    for (size_t e = 0; e < bytes / size; e++) {
        if (!memcmp((const char *)a + e * size, (const char *)b + e * size, size)) continue;
        double x = as_double(a, dtype, e), y = as_double(b, dtype, e);
        if (is_float(ir_at(graph(p), id)) && !base_is_half(dtype) && isnan(x) && isnan(y)) continue;
        char name[64];
        complain(p, "%s: %s[%zu] is %.17g, before it was %.17g", path,
                 i < n_roots(p) ? root_name(p, i, name) : "a variable", e, y, x);
        return;
    }
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

typedef struct {
    void *value[SUPPORT_MAX_ROOTS + SUPPORT_MAX_VARS]; /* roots, then variables */
} results;

static sn_tensor tensor_of(const paths *p, ir_id id, void *data) {
    const ir_node *n = ir_at(graph(p), id);
    int64_t size[SN_MAX_RANK] = {0};
    for (uint32_t a = 0; a < n->rank; a++) ir_dim_value(graph(p), n->dim[a], p->body->dim, &size[a]);
    return sn_tensor_of((sn_dtype)n->dtype, data, n->rank, size);
}

static void run_once(paths *p, const char *path, sn_function *f, results *r) {
    const ir_graph *g = graph(p);
    const ir_roots *roots = &p->body->roots;
    sn_tensor in[SUPPORT_MAX_INPUTS], out[SUPPORT_MAX_ROOTS];
    unsigned char *block[SUPPORT_MAX_ROOTS];
    for (uint32_t i = 0; i < g->var.n; i++)
        ck_assert_int_eq(sn_var_set(g->var.at[i].var, p->old_var[i], support_bytes(g, g->var.at[i].node, p->body->dim)),
                         SN_OK);
    for (uint32_t i = 0; i < g->input.n; i++)
        in[i] = tensor_of(p, g->input.at[i], (void *)(uintptr_t)p->body->input[i]);
    for (uint32_t i = 0; i < roots->n_out; i++) {
        size_t bytes = support_bytes(g, roots->out[i], p->body->dim);
        block[i] = base_arena_alloc(&p->arena, bytes + 2 * GUARD);
        memset(block[i], RUBBISH, bytes + 2 * GUARD);
        out[i] = tensor_of(p, roots->out[i], block[i] + GUARD);
    }
    sn_status status = sn_function_call(f, in, g->input.n, out, roots->n_out);
    if (status) complain(p, "%s: call: %s: %s", path, sn_status_name(status), sn_function_error(f));
    if (support_twin.error[0]) complain(p, "%s: %s", path, support_twin.error);
    support_twin.error[0] = 0;
    for (uint32_t i = 0; i < roots->n_out; i++) {
        size_t bytes = support_bytes(g, roots->out[i], p->body->dim);
        for (size_t k = 0; k < GUARD; k++)
            if (block[i][k] != RUBBISH || block[i][GUARD + bytes + k] != RUBBISH)
                complain(p, "%s: writes outside of output %u", path, i);
        r->value[i] = block[i] + GUARD;
    }
    for (uint32_t i = 0; i < g->var.n; i++) {
        size_t bytes = support_bytes(g, g->var.at[i].node, p->body->dim);
        void *now = base_arena_alloc(&p->arena, bytes);
        ck_assert_int_eq(sn_var_get(g->var.at[i].var, now, bytes), SN_OK);
        r->value[n_roots(p) + i] = now;
        int updated = 0;
        for (uint32_t k = 0; k < roots->n_update; k++)
            if (roots->update_var[k] == i) {
                r->value[roots->n_out + k] = now;
                updated = 1;
            }
        if (!updated && bytes && memcmp(now, p->old_var[i], bytes))
            complain(p, "%s: variable %s has changed", path, g->var.at[i].name);
    }
}

static void compare_evaluated(paths *p, const char *path, const results *r) {
    for (uint32_t i = 0; i < n_roots(p) && !p->wrong; i++) compare_root(p, path, i, r->value[i]);
}

static void compare_results(paths *p, const char *path, const results *a, const results *b) {
    for (uint32_t i = 0; i < n_roots(p) && !p->wrong; i++)
        compare_bits(p, path, i, root(p, i), a->value[i], b->value[i]);
}

static void run_compiled(paths *p, const char *path, sn_function *f, const results *interpreted) {
    char name[128];
    sn_function_stats stats;
    results first;
    support_twin.compiled = 1;
    support_twin.device = support_twin.split = 0;
    snprintf(name, sizeof name, "%s, compiled", path);
    run_once(p, name, f, &first);
    sn_function_get_stats(f, &stats);
    if (stats.n_matmuls)
        compare_evaluated(p, name, &first);
    else
        compare_results(p, name, interpreted, &first);
    /* On the GPU the first device is the one that has run. */
    int gpu = support_twin_on_gpu(), again_on = gpu || p->flags & SUPPORT_THREADS ? support_twin_devices() : 0;
    for (int d = gpu; d < again_on && !p->wrong; d++) {
        results again;
        support_twin.split = 1;
        support_twin.device = d;
        if (gpu)
            snprintf(name, sizeof name, "%s, on the GPU, %s order of threads", path, d == 1 ? "reversed" : "random");
        else
            snprintf(name, sizeof name, "%s, compiled, %d threads", path, support_twin_threads[d]);
        run_once(p, name, f, &again);
        compare_results(p, name, &first, &again);
    }
    support_twin.compiled = 0;
}

static void run_function(paths *p, int fuse) {
    const char *path = fuse ? "fused" : "unfused";
    const ir_roots *roots = &p->body->roots;
    sn_graph *g = p->body->g;
    sn_expr in[SUPPORT_MAX_INPUTS], out[SUPPORT_MAX_ROOTS];
    sn_update update[SUPPORT_MAX_ROOTS];
    for (uint32_t i = 0; i < g->input.n; i++) in[i] = (sn_expr){g, g->input.at[i]};
    for (uint32_t i = 0; i < roots->n_out; i++) out[i] = (sn_expr){g, roots->out[i]};
    for (uint32_t i = 0; i < roots->n_update; i++)
        update[i] = (sn_update){g->var.at[roots->update_var[i]].var, {g, roots->update[i]}};
    sn_function_desc desc = {.inputs = in,
                             .n_inputs = g->input.n,
                             .outputs = out,
                             .n_outputs = roots->n_out,
                             .updates = update,
                             .n_updates = roots->n_update};
    sn_function *f;
    setenv("SINTER_FUSE", fuse ? "1" : "0", 1);
    sn_status status = sn_function_new(g, &desc, &f);
    if (status) {
        complain(p, "%s: function: %s: %s", path, sn_status_name(status), sn_graph_error(g));
        return;
    }
    if (!support_twin_runs()) {
        sn_function_free(f);
        return;
    }
    results r;
    support_twin.compiled = 0;
    run_once(p, path, f, &r);
    compare_evaluated(p, path, &r);
    if ((p->flags & SUPPORT_COMPILED) && fuse && !p->wrong) run_compiled(p, path, f, &r);
    if (p->look && !p->wrong) p->look(p->look_arg, f);
    sn_function_free(f);
}

static void run_functions(void *arg) {
    paths *p = arg;
    run_function(p, 1);
    if (!p->wrong && !(p->flags & SUPPORT_FUSED_ONLY)) run_function(p, 0);
    unsetenv("SINTER_FUSE");
}

int support_paths(const support_body *body, int flags, support_look look, void *arg, char *text, size_t n) {
    paths *p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    p->body = body;
    p->flags = flags;
    p->text = text;
    p->text_n = n;
    p->seed = 0x9e3779b97f4a7c15u;
    base_alloc_init(&p->alloc, NULL);
    ck_assert_int_eq(ir_graph_init(&p->noisy, &p->alloc, NULL, "noisy"), SN_OK);
    ck_assert_int_eq(ir_graph_init(&p->wide, &p->alloc, NULL, "wide"), SN_OK);
    base_trap *trap = &p->noisy.trap; /* one for both: evaluating fails into the same place */
    base_arena_init(&p->arena, &p->alloc, trap);
    const ir_graph *g = body->g;
    ck_assert_uint_le(g->input.n, SUPPORT_MAX_INPUTS);
    ck_assert_uint_le(n_roots(p), SUPPORT_MAX_ROOTS);
    for (uint32_t i = 0; i < g->var.n; i++) {
        size_t bytes = support_bytes(g, g->var.at[i].node, body->dim);
        p->old_var[i] = malloc(bytes + 1);
        ck_assert_int_eq(sn_var_get(g->var.at[i].var, p->old_var[i], bytes), SN_OK);
    }
    if (support_twin_runs() && base_protect(trap, evaluate, p)) complain(p, "evaluating: %s", trap->text);
    p->look = look;
    p->look_arg = arg;
    if (base_protect(trap, run_functions, p)) complain(p, "%s", trap->text);
    for (uint32_t i = 0; i < g->var.n; i++) free(p->old_var[i]);
    int ok = !p->wrong;
    base_arena_free(&p->arena);
    ir_graph_clear(&p->noisy);
    ir_graph_clear(&p->wide);
    free(p);
    return ok;
}
