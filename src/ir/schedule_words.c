/* How many registers a thread of a GPU would need for a part as it is scheduled: words of 32 bits of what the part
 * keeps while other things happen. In: phases with their loops, lanes and widths, the tile and the team. Out: an
 * estimate that follows what the code generator declares (jit_gpu/cuda_emit.h): accumulators of folds, their results
 * until the part ends, and in each phase the largest value. */
#include "ir/schedule.h"

static kn_id last_point(const lw_part *p) {
    kn_id axis = KN_NONE;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role == KN_POINT && p->axis[i].axis != KN_NONE) axis = p->axis[i].axis;
    return axis;
}

static int varies(uint32_t axes, kn_id axis) { return axis != KN_NONE && axes >> axis & 1; }

/* Elements of a phase's vector that one thread has. */
static double own_lanes(const lw_part *p, const lw_phase *phase) {
    return phase->lanes != KN_NONE && phase->width > p->team ? phase->width / p->team : 1;
}

static int has_point_lanes(const lw_part *p, const lw_phase *phase) {
    return phase->lanes != KN_NONE && p->point_axes >> phase->lanes & 1;
}

static double unrolled(const lw_part *p, uint32_t axes) {
    double n = 1;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role == KN_UNROLL && varies(axes, p->axis[i].axis)) n *= lw_extent(p, p->axis[i].axis);
    return n;
}

/* What varies over these axes, between the loops of a phase: on unrolled axes, for the points of the tile. */
static double outside(const lw_part *p, const lw_phase *phase, uint32_t axes) {
    double n = unrolled(p, axes);
    if (!varies(axes, last_point(p))) return n;
    return n * (has_point_lanes(p, phase) ? own_lanes(p, phase) : p->tile);
}

/* .. inside of them: for lanes along the loop and for iterations that are done together, too. */
static double inside(const lw_part *p, const lw_phase *phase, uint32_t axes) {
    double n = outside(p, phase, axes);
    kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : (kn_id)KN_NONE;
    if (!varies(axes, inner)) return n;
    return n * phase->ilp * (phase->lanes == inner ? own_lanes(p, phase) : 1);
}

/* Of an accumulator: of pairs, the value besides the index. */
static double accumulator_words(const lw_part *p, ir_id v) {
    const ir_node *n = ir_at(p->s->g, v);
    return kn_words(lw_type(p, v)) + (IR_IS_ARG(n->op) ? kn_words(lw_type(p, n->in[0])) : 0u);
}

typedef struct {
    double accumulators, results, value;
} need;

static need need_of(const lw_part *p, uint32_t index) {
    const lw_phase *phase = &p->phase.at[index];
    kn_id inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : (kn_id)KN_NONE;
    need n = {0};
    for (uint32_t i = 0; i < p->list.n; i++) {
        ir_id v = p->list.at[i];
        const lw_item *item = &p->item[v];
        if (!item->scheduled || item->phase != index) continue;
        double words = accumulator_words(p, v);
        int folds = item->loop_fold || (item->reads & ~item->over & p->loop_axes); /* then over points, maybe */
        if (folds) {
            uint32_t along = inner == KN_NONE ? 0 : 1u << inner; /* accumulators are as many as iterations together */
            n.accumulators += words * inside(p, phase, item->over | along);
            n.results += kn_words(lw_type(p, v)) * outside(p, phase, item->over);
        }
        double value = kn_words(lw_type(p, v)) * inside(p, phase, item->over | item->reads);
        if (value > n.value) n.value = value;
    }
    return n;
}

/* Sums over the points that stay in registers while the part runs. */
static double sums(const lw_part *p) {
    double words = 0;
    for (uint32_t i = 0; i < p->group->member.n; i++) {
        ir_id v = p->group->member.at[i];
        const lw_item *item = &p->item[v];
        if (!p->s->node[v].is_exit || item->over & p->loop_axes) continue;
        const lw_phase *phase = &p->phase.at[item->phase];
        double places = has_point_lanes(p, phase) ? own_lanes(p, phase) : p->tile;
        words += accumulator_words(p, v) * unrolled(p, item->over) * places;
    }
    return words;
}

double lw_words(const lw_part *p) {
    double before = sums(p), most = before;
    for (uint32_t i = 0; i < p->phase.n; i++) {
        need n = need_of(p, i);
        double here = before + n.accumulators + n.value;
        if (here > most) most = here;
        before += n.results;
    }
    return most;
}
