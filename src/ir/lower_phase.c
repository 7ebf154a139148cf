/* Levels, nests and phases of a part's items. A level counts the results of LOOP folds on the longest path; items of
 * equal level and nest share a phase. Values that loops of different phases share are repeated if that is cheap, else
 * kept in row scratch. */
#include "ir/lower.h"

static const ir_node *at(const lw_part *p, ir_id v) { return ir_at(p->s->g, v); }
static const fu_node *fu(const lw_part *p, ir_id v) { return &p->s->node[v]; }

/* ---- levels and nests -------------------------------------------------------------------------------------------- */

/* After this phase the item's value can be used; levels count only what is in the same half (entry or tile). */
static void raise_level(const lw_part *p, lw_item *item, const lw_item *operand) {
    (void)p;
    if (operand->entry && !item->entry) return;
    uint32_t level = operand->level + operand->loop_fold;
    if (level > item->level) item->level = level;
}

static void analyse(lw_part *p, ir_id v) {
    lw_item *item = &p->item[v];
    const ir_node *n = at(p, v);
    lw_source source = lw_source_of(p, v);
    int member = source == LW_MEMBER && !item->absorbed;
    if (source == LW_MEMORY) {
        item->over = item->reads = lw_own_axes(p, v);
    } else if (source == LW_PARTIALS) {
        kn_id q = lw_chunk_axis(p, p->place[v].step, p->place[v].part);
        item->over = lw_own_axes(p, v);
        item->reads = item->over | 1u << q;
        item->loop_fold = 1;
    } else {
        uint32_t folded = ir_ops[n->op].cls == IR_CLASS_REDUCE || n->op == IR_MATMUL ? lw_folded_axes(p, v) : 0;
        int moved =
            n->op == IR_SLICE || n->op == IR_PAD || n->op == IR_CONCAT || n->op == IR_GATHER || n->op == IR_IOTA;
        if (moved) item->reads = lw_own_axes(p, v);
        for (uint32_t k = 0; k < n->n_in; k++)
            item->reads |= fu(p, v)->edge[k].pointwise ? p->item[n->in[k]].over : lw_map_axes(p, v, k);
        item->reads |= folded;
        item->over = item->reads & ~folded;
        item->loop_fold = (folded & p->loop_axes) != 0;
        if (fu(p, v)->is_exit) item->loop_fold = 0;
    }
    item->in_tile = member && p->point_axes;
    for (uint32_t k = 0; source != LW_MEMORY && source != LW_PARTIALS && k < n->n_in; k++)
        item->in_tile |= fu(p, v)->edge[k].pointwise && p->item[n->in[k]].in_tile;
    item->entry = !(item->reads & p->point_axes) && !(item->over & p->loop_axes) && !item->in_tile;
    if (!p->point_axes) item->entry = 1;
    item->scheduled = !item->absorbed && (member || source == LW_PARTIALS || fu(p, v)->resident ||
                                          (item->entry && !(item->over & p->loop_axes)));
    if (source != LW_MEMORY && source != LW_PARTIALS)
        for (uint32_t k = 0; k < n->n_in; k++)
            if (fu(p, v)->edge[k].pointwise) raise_level(p, item, &p->item[n->in[k]]);
}

static uint32_t nest_of(const lw_part *p, ir_id v) {
    uint32_t axes = p->item[v].reads;
    if (lw_source_of(p, v) == LW_MEMBER) axes |= lw_own_axes(p, v);
    return axes & p->loop_axes;
}

static int phase_less(const lw_phase *a, const lw_phase *b) {
    if (a->entry != b->entry) return a->entry;
    if (a->level != b->level) return a->level < b->level;
    int na = __builtin_popcount(a->nest), nb = __builtin_popcount(b->nest);
    return na != nb ? na < nb : a->nest < b->nest;
}

static void add_phase(lw_part *p, int entry, uint32_t level, uint32_t nest) {
    lw_phase phase = {.entry = (uint8_t)entry, .level = level, .nest = nest, .lanes = KN_NONE, .width = 1, .ilp = 1};
    for (uint32_t i = 0; i < p->phase.n; i++)
        if (!phase_less(&p->phase.at[i], &phase) && !phase_less(&phase, &p->phase.at[i])) return;
    uint32_t i = p->phase.n;
    *base_vec_push(&p->phase, p->s->arena) = phase;
    for (; i > 0 && phase_less(&phase, &p->phase.at[i - 1]); i--) p->phase.at[i] = p->phase.at[i - 1];
    p->phase.at[i] = phase;
}

static uint32_t find_phase(const lw_part *p, int entry, uint32_t level, uint32_t nest) {
    lw_phase phase = {.entry = (uint8_t)entry, .level = level, .nest = nest};
    uint32_t i = 0;
    while (phase_less(&p->phase.at[i], &phase)) i++;
    return i;
}

void lw_walk(const lw_part *p) { p->s->now++; }

int lw_visit(const lw_part *p, ir_id v) {
    int first = p->s->stamp[v] != 2 * p->s->now;
    p->s->work++;
    p->s->stamp[v] = 2 * p->s->now;
    return first;
}

/* Does evaluating v in its phase read variable memory directly? Follows what is written where it is read. */
static int reads_var(const lw_part *p, ir_id v, ir_id var, int top) {
    if (v == var) return 1;
    if (!lw_visit(p, v)) return 0;
    lw_source source = lw_source_of(p, v);
    if (source == LW_MEMORY || source == LW_PARTIALS || (!top && p->item[v].scheduled)) return 0;
    for (uint32_t k = 0; k < at(p, v)->n_in; k++)
        if (reads_var(p, at(p, v)->in[k], var, 0)) return 1;
    return 0;
}

/* A variable is stored after the last phase that reads it. */
static void assign_key(const lw_part *p, const fu_assign *a, int *entry, uint32_t *level, uint32_t *nest) {
    const lw_item *value = &p->item[a->value];
    *entry = !p->point_axes;
    *nest = (value->over | lw_own_axes(p, a->value)) & p->loop_axes;
    *level = value->entry && !*entry ? 0 : value->level + value->loop_fold;
    ir_id var = a->is_var ? p->s->g->var.at[a->var].node : 0;
    for (uint32_t i = 0; var && i < p->list.n; i++) {
        ir_id v = p->list.at[i];
        const lw_item *item = &p->item[v];
        if (!item->scheduled || item->entry != *entry) continue;
        lw_walk(p);
        if (!reads_var(p, v, var, 1)) continue;
        uint32_t least = item->level + (nest_of(p, v) != *nest || item->loop_fold);
        if (least > *level) *level = least;
    }
}

/* Nodes are placed as late as their readers allow where that keeps no more values between phases: one operand that
 * varies in the loop is carried instead of the result. Folds stay: their operands are at hand where they are. */
static void note_reader(lw_part *p, ir_id v, uint32_t level, uint32_t nest, int entry, int top) {
    lw_item *item = &p->item[v];
    if (!lw_visit(p, v)) return;
    if (!top && (item->scheduled || lw_source_of(p, v) == LW_MEMORY)) {
        if (!item->scheduled || item->entry != entry) return;
        if (!item->read || level < item->read_level) item->read_level = level; /* the least that needs it */
        if (item->read && item->read_nest != nest) item->stay = 1;
        item->read_nest = nest;
        item->read = 1;
        return;
    }
    if (lw_source_of(p, v) == LW_MEMORY || lw_source_of(p, v) == LW_PARTIALS) return;
    for (uint32_t k = 0; k < at(p, v)->n_in; k++)
        if (fu(p, v)->edge[k].pointwise) note_reader(p, at(p, v)->in[k], level, nest, entry, 0);
}

static uint32_t carried_operands(const lw_part *p, ir_id v, int top) {
    if (!lw_visit(p, v)) return 0;
    if (!top && p->item[v].scheduled) return (p->item[v].over & p->loop_axes) != 0;
    if (lw_source_of(p, v) == LW_MEMORY || lw_source_of(p, v) == LW_PARTIALS) return 0;
    uint32_t n = 0;
    for (uint32_t k = 0; k < at(p, v)->n_in; k++)
        if (fu(p, v)->edge[k].pointwise) n += carried_operands(p, at(p, v)->in[k], 0);
    return n;
}

static void sink(lw_part *p) {
    for (uint32_t i = 0; i < p->group->assign.n; i++) p->item[p->s->assign.at[p->group->assign.at[i]].value].stay = 1;
    for (uint32_t i = p->list.n; i-- > 0;) {
        ir_id v = p->list.at[i];
        lw_item *item = &p->item[v];
        if (!item->scheduled) continue;
        uint32_t nest = nest_of(p, v);
        int folds = (item->reads & ~item->over) != 0 || fu(p, v)->is_exit;
        lw_walk(p);
        if (item->read && !item->stay && !folds && !fu(p, v)->stored && item->read_nest == nest &&
            item->read_level > item->level && carried_operands(p, v, 1) <= 1)
            item->level = item->read_level;
        lw_walk(p);
        note_reader(p, v, item->level, nest, item->entry, 1);
    }
}

void lw_make_phases(lw_part *p) {
    for (uint32_t i = 0; i < p->list.n; i++) {
        lw_item *item = &p->item[p->list.at[i]];
        item->value = item->row_mem = KN_NONE;
        analyse(p, p->list.at[i]);
    }
    sink(p);
    for (uint32_t i = 0; i < p->list.n; i++) {
        const lw_item *item = &p->item[p->list.at[i]];
        if (item->scheduled) add_phase(p, item->entry, item->level, nest_of(p, p->list.at[i]));
    }
    p->assign_phase = ARENA_ARRAY(p->s->arena, uint32_t, p->group->assign.n);
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < p->group->assign.n; i++) {
            int entry;
            uint32_t level, nest;
            assign_key(p, &p->s->assign.at[p->group->assign.at[i]], &entry, &level, &nest);
            if (pass == 0)
                add_phase(p, entry, level, nest);
            else
                p->assign_phase[i] = find_phase(p, entry, level, nest);
        }
    for (uint32_t i = 0; i < p->list.n; i++) {
        lw_item *item = &p->item[p->list.at[i]];
        if (item->scheduled) item->phase = find_phase(p, item->entry, item->level, nest_of(p, p->list.at[i]));
    }
}

/* ---- values that loops of different phases share ----------------------------------------------------------------- */

static int is_scheduled_in_loop(const lw_part *p, ir_id v) {
    return p->item[v].scheduled && (p->item[v].over & p->loop_axes);
}

/* A variable that this part updates: its old value may be gone in a later phase. */
static int is_overwritten(const lw_part *p, ir_id v) {
    for (uint32_t i = 0; i < p->group->assign.n; i++) {
        const fu_assign *a = &p->s->assign.at[p->group->assign.at[i]];
        if (a->is_var && p->s->g->var.at[a->var].node == v) return 1;
    }
    return 0;
}

/* Cheap on operands that are loaded anyway: worth doing again. */
static int is_repeatable(const lw_part *p, ir_id v, int depth) {
    const ir_node *n = at(p, v);
    if (depth > 4) return 0;
    if (lw_source_of(p, v) == LW_MEMBER && (ir_ops[n->op].cls != IR_CLASS_EWISE || ir_ops[n->op].cost > 2)) return 0;
    if (lw_source_of(p, v) == LW_PARTIALS) return 0;
    if (lw_source_of(p, v) == LW_MEMORY) return !is_overwritten(p, v);
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (!fu(p, v)->edge[k].pointwise) continue;
        if (is_scheduled_in_loop(p, n->in[k]) || !is_repeatable(p, n->in[k], depth + 1)) return 0;
    }
    return 1;
}

static void cross_into(lw_part *p, ir_id reader, uint32_t phase, int top) {
    if (!lw_visit(p, reader)) return;
    if (!top) {
        if (is_scheduled_in_loop(p, reader)) {
            lw_item *item = &p->item[reader];
            if (item->phase != phase && !is_repeatable(p, reader, 0)) item->row = 1;
            return;
        }
        if (p->item[reader].scheduled) return;
    }
    lw_source source = lw_source_of(p, reader);
    if (source == LW_MEMORY || source == LW_PARTIALS) return;
    for (uint32_t k = 0; k < at(p, reader)->n_in; k++)
        if (fu(p, reader)->edge[k].pointwise) cross_into(p, at(p, reader)->in[k], phase, 0);
}

void lw_find_rows(lw_part *p) {
    for (uint32_t i = 0; i < p->list.n; i++) {
        ir_id v = p->list.at[i];
        if (!p->item[v].scheduled) continue;
        lw_walk(p);
        cross_into(p, v, p->item[v].phase, 1);
    }
    for (uint32_t i = 0; i < p->group->assign.n; i++) {
        lw_walk(p);
        cross_into(p, p->s->assign.at[p->group->assign.at[i]].value, p->assign_phase[i], 0);
    }
}
