/* Reverse-mode differentiation, graph to graph: from a scalar y and some expressions, ordinary nodes that compute the
 * derivatives.
 *
 * A node is live if a wrt reaches it over edges that carry gradients; only live nodes get adjoints. Nodes are visited
 * from y downwards, and ids are topological, so a node's adjoint is complete when its turn comes; contributions are
 * added in that order, which makes the resulting graph a function of the given one alone.
 *
 * An edge from an operand to its user is one of
 *     FLOW   both are floats: the user's rule gives the operand its part (or stops with an error: floor)
 *     ZERO   the user's derivative is zero by definition (stop_gradient, sign): no part, silently
 *     CUT    one end is integer or bool (comparisons, conditions, ids, casts): no part
 * A wrt without any part is zeros, unless CUT edges are the only reason: then asking for the gradient was a mistake. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autodiff/vjp.h"
#include "ir/builder.h"
#include "ir/infer.h"

static const vjp_rule *const rules[IR_OP_COUNT] = {
#define IR_OP(UC, lc, doc) [IR_##UC] = &vjp_of_##lc,
#include "ir/ops.def"
};

typedef enum { EDGE_FLOW, EDGE_ZERO, EDGE_CUT } edge;

static int is_float(const ir_graph *g, ir_id id) { return ir_type_in(IR_T_F, (sn_dtype)ir_at(g, id)->dtype); }

static edge edge_of(const ir_graph *g, ir_id user, ir_id operand) {
    if (rules[ir_at(g, user)->op]->kind == VJP_IS_ZERO) return EDGE_ZERO;
    return is_float(g, user) && is_float(g, operand) ? EDGE_FLOW : EDGE_CUT;
}

/* ---- what rules use ------------------------------------------------------------------------------------------- */

static int same_shape(const ir_node *a, const ir_node *b) {
    return a->rank == b->rank && !memcmp(a->dim, b->dim, a->rank * sizeof *a->dim);
}

ir_id vjp_fit(ir_graph *g, ir_id a, ir_id like) {
    const ir_node *to = ir_at(g, like);
    if (same_shape(ir_at(g, a), to)) return a;
    ir_dim dims[SN_MAX_RANK];
    memcpy(dims, to->dim, sizeof dims);
    return ir_broadcast_to(g, a, to->rank, dims);
}

void vjp_give(vjp_state *v, uint32_t i, ir_id contribution) {
    ir_id operand = v->in[i];
    if (!v->live[operand]) return;
    contribution = vjp_fit(v->g, contribution, operand);
    ir_id *sum = &v->adjoint[operand];
    *sum = *sum ? ir_binary(v->g, IR_ADD, *sum, contribution) : contribution;
}

int vjp_is_const(const ir_graph *g, ir_id id, double *value) {
    const ir_node *n = ir_at(g, id);
    if (n->op == IR_BROADCAST) n = ir_at(g, n->in[0]);
    if (n->op != IR_CONST || !ir_type_in(IR_T_F, (sn_dtype)n->dtype)) return 0;
    *value = base_float_value((sn_dtype)n->dtype, (uint64_t)n->attr[0]);
    return 1;
}

ir_id vjp_mul(vjp_state *v, ir_id a, ir_id b) {
    double value;
    int b_covers = ir_at(v->g, a)->rank == 0 || same_shape(ir_at(v->g, a), ir_at(v->g, b));
    if (b_covers && vjp_is_const(v->g, a, &value) && value == 1) return b;
    return ir_binary(v->g, IR_MUL, a, b);
}

ir_id vjp_const(vjp_state *v, double value) { return ir_const(v->g, (sn_dtype)v->node->dtype, value); }

ir_id vjp_fixed(vjp_state *v, ir_id a) {
    return ir_ops[ir_at(v->g, a)->op].cls == IR_CLASS_LEAF ? a : ir_stop_gradient(v->g, a);
}

ir_id vjp_mask(vjp_state *v, ir_op op, ir_id a, ir_id b) { return vjp_fixed(v, ir_binary(v->g, op, a, b)); }

/* ---- errors --------------------------------------------------------------------------------------------------- */

/* "floor (moons.c:41)" */
static ir_text op_and_place(const ir_graph *g, ir_id id) {
    ir_text t;
    ir_place place = g->place.at[id];
    const char *name = ir_ops[ir_at(g, id)->op].name;
    if (place.file && *place.file)
        snprintf(t.text, sizeof t.text, "%s (%.120s:%d)", name, place.file, place.line);
    else
        snprintf(t.text, sizeof t.text, "%s", name);
    return t;
}

/* reached[id]: does a path lead from `from` to id; over edges that carry gradients alone, or over all? */
static uint8_t *reached_from(ir_graph *g, ir_id from, ir_id last, int all_edges) {
    uint8_t *reached = ARENA_ARRAY(&g->arena, uint8_t, (size_t)last + 1);
    for (ir_id id = from; id <= last; id++) {
        const ir_node *node = ir_at(g, id);
        reached[id] = id == from;
        for (uint32_t k = 0; k < node->n_in; k++)
            if (reached[node->in[k]] && (all_edges || edge_of(g, id, node->in[k]) == EDGE_FLOW)) reached[id] = 1;
    }
    return reached;
}

static void fail_stopped(ir_graph *g, ir_id id, const ir_id *wrt, uint32_t n) {
    uint32_t i = 0;
    while (i + 1 < n && !reached_from(g, wrt[i], id, 0)[id]) i++;
    base_fail(&g->trap, SN_ERR_GRADIENT,
              "grad: %s has no derivative and lies on a path from the result to what the gradient is asked for (%s); "
              "put stop_gradient around it if nothing is to flow through it",
              op_and_place(g, id).text, ir_describe(g, wrt[i]).text);
}

/* How paths from a node to y look: a set of these. */
enum { PATH_FLOW = 1, PATH_CUT = 2, PATH_ZERO = 4 };

static uint8_t *path_kinds(ir_graph *g, ir_id y) {
    uint8_t *kinds = ARENA_ARRAY(&g->arena, uint8_t, (size_t)y + 1);
    kinds[y] = PATH_FLOW;
    for (ir_id id = y; id > 0; id--) {
        const ir_node *node = ir_at(g, id);
        uint8_t after_cut = (uint8_t)((kinds[id] & PATH_ZERO) | (kinds[id] & (PATH_FLOW | PATH_CUT) ? PATH_CUT : 0));
        for (uint32_t k = 0; kinds[id] && k < node->n_in; k++) {
            edge e = edge_of(g, id, node->in[k]);
            kinds[node->in[k]] |= e == EDGE_FLOW ? kinds[id] : e == EDGE_CUT ? after_cut : PATH_ZERO;
        }
    }
    return kinds;
}

/* Every path from wrt to y goes through integers or bools: name the last operator that leaves the floats. */
static void fail_cut(ir_graph *g, ir_id y, ir_id wrt, const uint8_t *kinds) {
    const uint8_t *reached = reached_from(g, wrt, y, 1);
    ir_id cut = 0;
    for (ir_id id = y; id > 0 && !cut; id--) {
        const ir_node *node = ir_at(g, id);
        for (uint32_t k = 0; kinds[id] && !is_float(g, id) && k < node->n_in; k++)
            if (reached[node->in[k]] && is_float(g, node->in[k])) cut = id;
    }
    base_fail(&g->trap, SN_ERR_GRADIENT,
              "grad: no gradient reaches %s: it acts on the result only through integers or booleans, made by %s; put "
              "stop_gradient around it if zeros are meant",
              ir_describe(g, wrt).text, op_and_place(g, cut).text);
}

static ir_id zeros_like(ir_graph *g, ir_id id) { return vjp_fit(g, ir_const(g, (sn_dtype)ir_at(g, id)->dtype, 0), id); }

/* ---- the sweep ------------------------------------------------------------------------------------------------ */

static void check_arguments(ir_graph *g, ir_id y, const ir_id *wrt, uint32_t n) {
    if (!is_float(g, y) || ir_at(g, y)->rank != 0)
        base_fail(&g->trap, is_float(g, y) ? SN_ERR_SHAPE : SN_ERR_DTYPE,
                  "grad: what is differentiated must be a floating-point scalar: %s; reduce it with sum or mean",
                  ir_describe(g, y).text);
    for (uint32_t i = 0; i < n; i++)
        if (!is_float(g, wrt[i]))
            base_fail(&g->trap, SN_ERR_DTYPE, "grad: only floating-point expressions have a gradient: %s",
                      ir_describe(g, wrt[i]).text);
}

typedef struct {
    ir_graph *g;
    ir_id y;
    const ir_id *wrt;
    uint32_t n;
    ir_id *d;
    base_arena marks; /* freed at the end: a graph may have thousands of gradients taken in it */
} request;

/* Nodes that y needs, from the first wrt on: all others are passed by. */
static uint8_t *needed_for(request *r, ir_id first) {
    uint8_t *needed = ARENA_ARRAY(&r->marks, uint8_t, (size_t)r->y + 1);
    needed[r->y] = 1;
    for (ir_id id = r->y; id >= first; id--) {
        const ir_node *node = ir_at(r->g, id);
        for (uint32_t k = 0; needed[id] && k < node->n_in; k++) needed[node->in[k]] = 1;
    }
    return needed;
}

static void sweep(void *arg) {
    request *r = arg;
    ir_graph *g = r->g;
    const ir_id *wrt = r->wrt, y = r->y;
    ir_id *d = r->d, first = y;
    uint32_t n = r->n;
    check_arguments(g, y, wrt, n);
    uint8_t *live = ARENA_ARRAY(&r->marks, uint8_t, (size_t)y + 1);
    uint8_t *through = ARENA_ARRAY(&r->marks, uint8_t, (size_t)y + 1); /* live because of an operand */
    ir_id *adjoint = ARENA_ARRAY(&r->marks, ir_id, (size_t)y + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (wrt[i] <= y) live[wrt[i]] = 1;
        if (wrt[i] < first) first = wrt[i];
    }
    const uint8_t *needed = needed_for(r, first);
    for (ir_id id = first; id <= y; id++) {
        const ir_node *node = ir_at(g, id);
        for (uint32_t k = 0; needed[id] && k < node->n_in; k++)
            if (live[node->in[k]] && edge_of(g, id, node->in[k]) == EDGE_FLOW) live[id] = through[id] = 1;
    }

    ir_place here = g->here;
    if (live[y]) adjoint[y] = ir_const(g, (sn_dtype)ir_at(g, y)->dtype, 1);
    for (ir_id id = y; id >= first; id--) {
        if (!through[id] || !adjoint[id]) continue;
        const ir_node node = *ir_at(g, id);
        const vjp_rule *rule = rules[node.op];
        if (rule->kind == VJP_STOPS) fail_stopped(g, id, wrt, n);
        g->here = g->place.at[id];
        vjp_state v = {
            .g = g, .node = &node, .in = node.in, .y = id, .dy = adjoint[id], .live = live, .adjoint = adjoint};
        rule->rule(&v);
    }
    g->here = here;

    uint8_t *kinds = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (wrt[i] <= y && adjoint[wrt[i]]) {
            d[i] = adjoint[wrt[i]];
            continue;
        }
        if (wrt[i] <= y) {
            if (!kinds) kinds = path_kinds(g, y);
            if (kinds[wrt[i]] == PATH_CUT) fail_cut(g, y, wrt[i], kinds);
        }
        d[i] = zeros_like(g, wrt[i]);
    }
}

void ir_grad(ir_graph *g, ir_id y, const ir_id *wrt, uint32_t n, ir_id *d) {
    request r = {.g = g, .y = y, .wrt = wrt, .n = n, .d = d};
    base_arena_init(&r.marks, g->arena.alloc, &g->trap);
    sn_status status = base_protect(&g->trap, sweep, &r);
    base_arena_free(&r.marks);
    if (!status) return;
    char text[BASE_TEXT_MAX];
    memcpy(text, g->trap.text, sizeof text);
    base_fail(&g->trap, status, "%s", text);
}

/* ---- the public function -------------------------------------------------------------------------------------- */

typedef struct {
    ir_graph *g;
    sn_expr y;
    const sn_expr *wrt;
    size_t n;
    sn_expr *d;
} public_request;

static void differentiate(void *arg) {
    public_request *r = arg;
    ir_id *wrt = ARENA_ARRAY(&r->g->arena, ir_id, r->n), *d = ARENA_ARRAY(&r->g->arena, ir_id, r->n);
    if (r->n > UINT32_MAX) base_fail(&r->g->trap, SN_ERR_ARGUMENT, "grad: %zu expressions are too many", r->n);
    for (size_t i = 0; i < r->n; i++) {
        if (r->wrt[i].graph != r->g)
            base_fail(&r->g->trap, SN_ERR_ARGUMENT, "grad: wrt[%zu] belongs to another graph than the result", i);
        wrt[i] = r->wrt[i].id;
        if (!wrt[i] || wrt[i] >= r->g->node.n)
            base_fail(&r->g->trap, SN_ERR_ARGUMENT, "grad: wrt[%zu] is not a valid expression", i);
    }
    if (!r->y.id || r->y.id >= r->g->node.n)
        base_fail(&r->g->trap, SN_ERR_ARGUMENT, "grad: the result is not a valid expression");
    ir_grad(r->g, r->y.id, wrt, (uint32_t)r->n, d);
    for (size_t i = 0; i < r->n; i++) r->d[i] = (sn_expr){r->g, d[i]};
}

sn_status sn_grad(sn_expr y, const sn_expr *wrt, size_t n, sn_expr *d) {
    ir_graph *g = y.graph;
    for (size_t i = 0; d && i < n; i++) d[i] = (sn_expr){g, 0};
    if (!g) return SN_ERR_ARGUMENT;

    ir_place here = g->here;
    g->here = (ir_place){"", 0};
    public_request r = {g, y, wrt, n, d};
    sn_status status = SN_ERR_ARGUMENT;
    if (n && (!wrt || !d))
        base_set_error(&g->trap, status, "grad: wrt or d is NULL");
    else
        status = base_protect(&g->trap, differentiate, &r);
    g->here = here;
    if (status) ir_build_error(g, status, g->trap.text, NULL, 0);
    return status;
}
