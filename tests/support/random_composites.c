/* Composites in random graphs: functions over an axis, the rest of the composite operators, random numbers, and what
 * runs along an axis in order. */
#include <check.h>

#include "random_graph.h"

static int chance(random_graph *r, uint32_t percent) { return random_below(r, 100) < percent; }

/* Of whatever there is: integers, which tie, and values just computed. */
static void add_arg(random_graph *r) {
    random_node x = random_pick(r, IR_T_F | IR_T_I);
    uint32_t rank = ir_at(r->g, x.id)->rank;
    if (!rank || !random_elements(r, x.id)) return;
    uint32_t axis = 1u << random_below(r, rank);
    ir_id arg = ir_reduce(r->g, chance(r, 50) ? IR_ARGMAX : IR_ARGMIN, x.id, axis, (int)random_below(r, 2));
    random_push(r, chance(r, 50) ? arg : ir_cast(r->g, arg, r->real), 100);
}

static void add_row_function(random_graph *r) {
    random_node x = random_pick_real(r);
    sn_expr e = {r->g, x.id}, made;
    int32_t rank = ir_at(r->g, x.id)->rank, axis = rank ? (int32_t)random_below(r, (uint32_t)rank) : 0;
    if (!rank || !random_elements(r, x.id)) return;
    double most = x.most + 10;
    switch (random_below(r, 9)) {
        case 0: made = sn_softmax(e, axis), most = 1; break;
        case 1: made = sn_log_softmax(e, axis); break;
        case 2: made = sn_logsumexp(e, axis, (int)random_below(r, 2)); break;
        case 3: made = sn_variance(e, SN_AXES(axis), (int)random_below(r, 2)), most = 4 * x.most * x.most; break;
        case 4: made = sn_mean(e, SN_AXES(axis), (int)random_below(r, 2)); break;
        case 5: made = sn_argmax(e, axis, (int)random_below(r, 2)), most = 100; break;
        case 6: made = sn_argmin(e, axis, (int)random_below(r, 2)), most = 100; break;
        case 7: add_arg(r); return;
        default: {
            ir_id ids = random_input(r, SN_I64, (uint32_t)rank - 1, ir_at(r->g, x.id)->dim);
            made = sn_cross_entropy(e, ((sn_expr){r->g, ids}));
        }
    }
    random_push(r, made.id, most);
}

/* Composites that no other step makes. */
static void add_other_composite(random_graph *r) {
    random_node x = random_pick_real(r);
    sn_expr e = {r->g, x.id}, made, b;
    int32_t rank = ir_at(r->g, x.id)->rank, axis = rank ? (int32_t)random_below(r, (uint32_t)rank) : 0;
    sn_shape low = {.rank = rank}, high = {.rank = rank};
    double most = x.most + 1;
    int keep = (int)random_below(r, 2);
    switch (random_below(r, 7)) {
        case 0: made = sn_clamp(e, sn_const(r->g, -0.75), sn_const(r->g, 0.5)), most = 1; break;
        case 1: made = sn_gelu(e); break;
        case 2: made = sn_gelu_tanh(e); break;
        case 3:
        case 4:
            if (!rank) return;
            b = (sn_expr){r->g, ir_binary(r->g, IR_GT, x.id, ir_const_weak(r->g, 0.3))};
            made = chance(r, 50) ? sn_any(b, SN_AXES(axis), keep) : sn_all(b, SN_AXES(axis), keep);
            most = 1;
            break;
        case 5:
            for (int32_t i = 0; i < rank; i++) low.dim[i].value = random_below(r, 3);
            for (int32_t i = 0; i < rank; i++) high.dim[i].value = random_below(r, 3);
            made = sn_pad(e, low, high, sn_const(r->g, chance(r, 50) ? 0 : 1.5));
            break;
        default:
            if (!rank || random_size(r, ir_at(r->g, x.id)->dim[axis]) < 2) return;
            made = sn_variance_ddof(e, SN_AXES(axis), 1, keep), most = 8 * x.most * x.most;
    }
    random_push(r, made.id, most);
}

/* Random numbers of the public builders, in a shape of the graph's. */
static void add_random_numbers(random_graph *r) {
    ir_dim dims[SN_MAX_RANK];
    uint32_t rank = random_shape(r, dims, 0);
    sn_shape shape = {.rank = (int32_t)rank};
    for (uint32_t i = 0; i < rank; i++) {
        int64_t n;
        if (ir_dim_is_const(r->g, dims[i], &n))
            shape.dim[i].value = n;
        else
            shape.dim[i].id = dims[i];
    }
    sn_expr seed = {r->g, ir_const(r->g, SN_I64, (double)random_below(r, 3))}, stream = seed, y;
    random_node whole = random_pick(r, IR_T_I), picked;
    if (chance(r, 50) && ir_at(r->g, whole.id)->rank == 0) stream.id = whole.id;
    switch (random_below(r, 3)) {
        case 0: y = sn_random_uniform(seed, stream, r->real, shape); break;
        case 1: y = sn_random_normal(seed, stream, r->real, shape); break;
        default:
            picked = random_pick_real(r);
            y = sn_dropout((sn_expr){r->g, picked.id}, sn_const(r->g, 0.25), seed, stream);
            random_push(r, y.id, picked.most * 4 / 3);
            return;
    }
    random_push(r, y.id, 7);
}

/* Sums, products and recurrences along an axis, of what does not grow. */
static void add_scan(random_graph *r) {
    random_node x = random_pick(r, IR_T_F | IR_T_I), y = random_pick_real(r);
    const ir_node *n = ir_at(r->g, x.id);
    if (!n->rank) return;
    uint32_t axis = random_below(r, n->rank);
    int back = chance(r, 50), exclusive = chance(r, 50), real = ir_type_in(IR_T_F, (sn_dtype)n->dtype);
    double length = (double)random_size(r, n->dim[axis]) + 1;
    switch (random_below(r, 4)) {
        case 0: random_push(r, ir_cumsum(r->g, x.id, axis, exclusive, back), x.most * length); break;
        case 1: random_push(r, ir_cumprod(r->g, real ? random_tame(r, x, 1) : x.id, axis, exclusive, back), 1); break;
        case 2: {
            ir_id factor = ir_const(r->g, (sn_dtype)n->dtype, real ? -0.5 : 2);
            random_push(r, ir_recurrence(r->g, factor, x.id, axis, back), 2 * x.most);
            break;
        }
        default: {
            const ir_node *m = ir_at(r->g, y.id);
            if (!m->rank) return;
            ir_id factor = ir_unary(r->g, IR_TANH, y.id);
            random_push(r, ir_recurrence(r->g, factor, y.id, m->rank - 1u, back), y.most * 100);
        }
    }
}

void random_add_composite(random_graph *r) {
    switch (random_below(r, 8)) {
        case 0:
        case 1:
        case 2: add_row_function(r); break;
        case 3:
        case 4: add_other_composite(r); break;
        case 5: add_random_numbers(r); break;
        default: add_scan(r);
    }
}
