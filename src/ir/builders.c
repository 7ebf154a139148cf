/* The public builders that stand for one operator each, and how every builder call runs.
 *
 * In: expressions and arguments of the caller's, right or wrong. Out: an expression; where something is wrong the
 * poison expression, with the first sentence kept by the graph. Composites are in composites.c, shapes in
 * builders_view.c. */
#include "ir/builder.h"

#include <stdio.h>
#include <string.h>

#include "ir/infer.h"

/* ---- running a call ---------------------------------------------------------------------------------------------- */

void ir_build_error(ir_graph *g, sn_status status, const char *text, const char *file, int line) {
    if (g->error != SN_OK) return;
    g->error = status;
    char copy[BASE_TEXT_MAX]; /* text may be the trap's */
    size_t n = strlen(text);
    if (n >= sizeof copy) n = sizeof copy - 1;
    memcpy(copy, text, n);
    copy[n] = 0;
    int written = file && *file ? snprintf(g->error_text, sizeof g->error_text, "%s:%d: %s", file, line, copy)
                                : snprintf(g->error_text, sizeof g->error_text, "%s", copy);
    if (written < 0) g->error_text[0] = 0;
}

typedef struct {
    ir_build *b;
    void (*body)(ir_build *b);
} task;

static void run_task(void *arg) {
    task *t = arg;
    t->body(t->b);
}

/* A sentence where the operands cannot be used, else NULL; *poison: there is a poison operand. */
static const char *check_operands(const ir_build *b, int *poison, char text[192]) {
    *poison = 0;
    for (size_t i = 0; i < b->n_in; i++) {
        const sn_expr *e = &b->in[i];
        const char *wrong = NULL;
        if (!e->graph || !e->id) {
            *poison = 1;
            if (b->g->error == SN_OK) wrong = "is not an expression: it was never made";
        } else if (e->graph != b->g) {
            wrong = "belongs to another graph";
        } else if (e->id >= b->g->node.n) {
            wrong = "is not an expression of its graph";
        }
        if (!wrong) continue;
        snprintf(text, 192, "%s: operand %zu %s", b->name, i + 1, wrong);
        return text;
    }
    return NULL;
}

sn_expr ir_build_run(ir_build *b, void (*body)(ir_build *b), const char *file, int line) {
    for (size_t i = 0; i < b->n_in && !b->g; i++) b->g = b->in[i].graph;
    ir_graph *g = b->g;
    sn_expr e = {g, 0};
    if (!g) return e;
    int poison;
    char text[192];
    const char *wrong = check_operands(b, &poison, text);
    if (wrong) ir_build_error(g, SN_ERR_ARGUMENT, wrong, file, line);
    if (wrong || poison) return e;

    if (b->n_in > 0) b->a = b->in[0].id;
    if (b->n_in > 1) b->b = b->in[1].id;
    if (b->n_in > 2) b->c = b->in[2].id;
    ir_place here = g->here;
    g->here = (ir_place){file ? file : "", line};
    sn_status status = base_protect(&g->trap, run_task, &(task){b, body});
    g->here = here;
    if (status != SN_OK)
        ir_build_error(g, status, g->trap.text, file, line);
    else
        e.id = b->out;
    return e;
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

ir_dim ir_build_dim(ir_build *b, sn_dim dim) {
    if (!dim.id) return ir_dim_const(b->g, dim.value);
    if (dim.id >= b->g->dim.n) base_fail(&b->g->trap, SN_ERR_ARGUMENT, "%s: a dim belongs to another graph", b->name);
    return dim.id;
}

uint32_t ir_build_shape(ir_build *b, ir_dim dims[SN_MAX_RANK]) {
    if (b->shape.rank < 0 || b->shape.rank > SN_MAX_RANK)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "%s: a shape has at most %d axes", b->name, (int)SN_MAX_RANK);
    for (int i = 0; i < b->shape.rank; i++) dims[i] = ir_build_dim(b, b->shape.dim[i]);
    return (uint32_t)b->shape.rank;
}

uint32_t ir_build_axis(ir_build *b, ir_id id, int32_t axis) {
    int32_t rank = ir_at(b->g, id)->rank;
    if (axis < -rank || axis >= rank)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "%s: no axis %d: %s", b->name, (int)axis, ir_describe(b->g, id).text);
    return (uint32_t)(axis < 0 ? axis + rank : axis);
}

uint32_t ir_build_axes(ir_build *b, ir_id id) {
    if (b->axes.n < 0 || b->axes.n > SN_MAX_RANK)
        base_fail(&b->g->trap, SN_ERR_SHAPE, "%s: a list has at most %d axes", b->name, (int)SN_MAX_RANK);
    uint32_t set = 0;
    for (int i = 0; i < b->axes.n; i++) {
        uint32_t bit = (uint32_t)1 << ir_build_axis(b, id, b->axes.axis[i]);
        if (set & bit)
            base_fail(&b->g->trap, SN_ERR_ARGUMENT, "%s: axis %d is named twice", b->name, (int)b->axes.axis[i]);
        set |= bit;
    }
    return set;
}

ir_id ir_build_float(ir_build *b, ir_id id) {
    id = ir_typed(b->g, id);
    if (!ir_type_in(IR_T_F, (sn_dtype)ir_at(b->g, id)->dtype))
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: takes floating-point operands: %s; convert with sn_cast", b->name,
                  ir_describe(b->g, id).text);
    return id;
}

sn_axes sn_axes_of(int32_t n, const int32_t *axes) {
    sn_axes a = {n, {0}};
    if (n < 0 || n > SN_MAX_RANK || (n && !axes))
        a.n = -1;
    else
        for (int i = 0; i < n; i++) a.axis[i] = axes[i];
    return a;
}

/* ---- element-wise ------------------------------------------------------------------------------------------------ */

static void unary(ir_build *b) { b->out = ir_unary(b->g, b->op, b->a); }
static void binary(ir_build *b) { b->out = ir_binary(b->g, b->op, b->a, b->b); }

#define EWISE_1(UC, lc)                                                                                                \
    sn_expr sn_##lc##_at(sn_expr a, const char *file, int line) {                                                      \
        return ir_build_run(&(ir_build){.name = #lc, .op = IR_##UC, .in = &a, .n_in = 1}, unary, file, line);          \
    }
#define EWISE_2(UC, lc)                                                                                                \
    sn_expr sn_##lc##_at(sn_expr a, sn_expr b, const char *file, int line) {                                           \
        return ir_build_run(&(ir_build){.name = #lc, .op = IR_##UC, .in = (sn_expr[]){a, b}, .n_in = 2}, binary, file, \
                            line);                                                                                     \
    }
#define IR_EWISE(UC, lc, operands, types, result, cost, domain, ulp, flags, real, whole, doc) EWISE_##operands(UC, lc)
#include "ir/ops.def"

static void cast(ir_build *b) { b->out = ir_cast(b->g, b->a, b->dtype); }
sn_expr sn_cast_at(sn_expr a, sn_dtype dtype, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "cast", .in = &a, .n_in = 1, .dtype = dtype}, cast, file, line);
}

static void choose(ir_build *b) { b->out = ir_select(b->g, b->a, b->b, b->c); }
sn_expr sn_select_at(sn_expr condition, sn_expr a, sn_expr b, const char *file, int line) {
    ir_build call = {.name = "select", .in = (sn_expr[]){condition, a, b}, .n_in = 3};
    return ir_build_run(&call, choose, file, line);
}

static void stop_gradient(ir_build *b) { b->out = ir_stop_gradient(b->g, b->a); }
sn_expr sn_stop_gradient_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "stop_gradient", .in = &a, .n_in = 1}, stop_gradient, file, line);
}

static void label(ir_build *b) {
    if (!b->text || !*b->text) base_fail(&b->g->trap, SN_ERR_ARGUMENT, "name: no label");
    b->g->label.at[b->a] = base_arena_strdup(&b->g->arena, b->text);
    b->out = b->a;
}
sn_expr sn_name_at(sn_expr a, const char *text, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "name", .in = &a, .n_in = 1, .text = text}, label, file, line);
}

/* ---- leaves ------------------------------------------------------------------------------------------------------ */

static void input(ir_build *b) {
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = ir_build_shape(b, dims);
    b->out = ir_input(b->g, b->text, b->dtype, rank, dims);
}
sn_expr sn_input_at(sn_graph *graph, const char *name, sn_dtype dtype, sn_shape shape, const char *file, int line) {
    ir_build call = {.name = "input", .g = graph, .text = name, .dtype = dtype, .shape = shape};
    return ir_build_run(&call, input, file, line);
}

static void untyped(ir_build *b) { b->out = ir_const_weak(b->g, b->value); }
sn_expr sn_const_at(sn_graph *graph, double value, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "const", .g = graph, .value = value}, untyped, file, line);
}

static void typed(ir_build *b) { b->out = ir_const(b->g, b->dtype, b->value); }
sn_expr sn_const_of_at(sn_graph *graph, sn_dtype dtype, double value, const char *file, int line) {
    ir_build call = {.name = "const", .g = graph, .dtype = dtype, .value = value};
    return ir_build_run(&call, typed, file, line);
}

static void full(ir_build *b) {
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = ir_build_shape(b, dims);
    b->out = ir_broadcast_to(b->g, ir_const(b->g, b->dtype, b->value), rank, dims);
}
sn_expr sn_full_at(sn_graph *graph, sn_dtype dtype, double value, sn_shape shape, const char *file, int line) {
    ir_build call = {.name = "full", .g = graph, .dtype = dtype, .value = value, .shape = shape};
    return ir_build_run(&call, full, file, line);
}

static void full_like(ir_build *b) {
    const ir_node *n = ir_at(b->g, b->a);
    b->out = ir_broadcast_to(b->g, ir_const(b->g, (sn_dtype)n->dtype, b->value), n->rank, n->dim);
}
sn_expr sn_zeros_like_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "zeros_like", .in = &a, .n_in = 1, .value = 0}, full_like, file, line);
}
sn_expr sn_ones_like_at(sn_expr a, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "ones_like", .in = &a, .n_in = 1, .value = 1}, full_like, file, line);
}

static void iota(ir_build *b) { b->out = ir_iota(b->g, b->dtype, ir_build_dim(b, b->dim)); }
sn_expr sn_iota_at(sn_graph *graph, sn_dtype dtype, sn_dim dim, const char *file, int line) {
    ir_build call = {.name = "iota", .g = graph, .dtype = dtype, .dim = dim};
    return ir_build_run(&call, iota, file, line);
}

static void dim_value(ir_build *b) { b->out = ir_dim_node(b->g, ir_build_dim(b, b->dim)); }
sn_expr sn_dim_value_at(sn_graph *graph, sn_dim dim, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "dim_value", .g = graph, .dim = dim}, dim_value, file, line);
}

/* ---- reductions, matmul, rows ------------------------------------------------------------------------------------ */

static void reduce(ir_build *b) {
    b->a = ir_typed(b->g, b->a);
    if (!ir_type_in(ir_ops[b->op].types, (sn_dtype)ir_at(b->g, b->a)->dtype))
        base_fail(&b->g->trap, SN_ERR_DTYPE, "%s: not for bool: %s; convert with sn_cast", b->name,
                  ir_describe(b->g, b->a).text);
    b->out = ir_reduce(b->g, b->op, b->a, ir_build_axes(b, b->a), b->keep);
}
static void reduce_all(ir_build *b) {
    b->axes.n = ir_at(b->g, b->a)->rank;
    for (int i = 0; i < b->axes.n; i++) b->axes.axis[i] = i;
    reduce(b);
}

#define REDUCTION(UC, lc)                                                                                              \
    sn_expr sn_##lc##_at(sn_expr a, sn_axes axes, int keep, const char *file, int line) {                              \
        ir_build call = {.name = #lc, .op = IR_##UC, .in = &a, .n_in = 1, .axes = axes, .keep = keep};                 \
        return ir_build_run(&call, reduce, file, line);                                                                \
    }                                                                                                                  \
    sn_expr sn_##lc##_all_at(sn_expr a, const char *file, int line) {                                                  \
        return ir_build_run(&(ir_build){.name = #lc "_all", .op = IR_##UC, .in = &a, .n_in = 1}, reduce_all, file,     \
                            line);                                                                                     \
    }
REDUCTION(SUM, sum)
REDUCTION(PROD, prod)
REDUCTION(RMAX, amax)
REDUCTION(RMIN, amin)

static void matmul(ir_build *b) { b->out = ir_matmul(b->g, b->a, b->b); }
sn_expr sn_matmul_at(sn_expr a, sn_expr b, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "matmul", .in = (sn_expr[]){a, b}, .n_in = 2}, matmul, file, line);
}

static void gather(ir_build *b) {
    if (ir_at(b->g, b->b)->dtype == SN_U8) b->b = ir_cast(b->g, b->b, SN_I32);
    b->out = ir_gather(b->g, ir_typed(b->g, b->a), b->b);
}
sn_expr sn_gather_at(sn_expr a, sn_expr ids, const char *file, int line) {
    return ir_build_run(&(ir_build){.name = "gather", .in = (sn_expr[]){a, ids}, .n_in = 2}, gather, file, line);
}
