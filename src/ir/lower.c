/* A group becomes a part: items, axes, levels and nests, phases; then the instructions, phase by phase. See lower.h. */
#include "ir/lower.h"

#include <stdlib.h>

static const ir_node *at(const lw_part *p, ir_id v) { return ir_at(p->s->g, v); }
static const fu_node *fu(const lw_part *p, ir_id v) { return &p->s->node[v]; }

/* ---- items ------------------------------------------------------------------------------------------------------- */

static void want(lw_part *p, ir_id v) {
    if (p->item[v].wanted) return;
    p->item[v].wanted = 1;
    *base_vec_push(&p->list, p->s->arena) = v;
}

static int ascending(const void *a, const void *b) {
    ir_id x = *(const ir_id *)a, y = *(const ir_id *)b;
    return (x > y) - (x < y);
}

static void find_wanted(lw_part *p) {
    const fu_group *g = p->group;
    for (uint32_t i = 0; i < g->member.n; i++) want(p, g->member.at[i]);
    for (uint32_t i = 0; i < g->combined.n; i++) want(p, g->combined.at[i]);
    for (uint32_t i = 0; i < g->assign.n; i++) want(p, p->s->assign.at[g->assign.at[i]].value);
    for (uint32_t i = 0; i < p->list.n; i++) {
        ir_id v = p->list.at[i];
        lw_source source = lw_source_of(p, v);
        if (source == LW_MEMORY || source == LW_PARTIALS) continue;
        for (uint32_t k = 0; k < at(p, v)->n_in; k++)
            if (fu(p, v)->edge[k].pointwise) want(p, at(p, v)->in[k]);
    }
    qsort(p->list.at, p->list.n, sizeof *p->list.at, ascending);
    p->s->work += p->list.n;
}

/* A float product whose only reader here adds it, subtracts it or sums it becomes part of an FMA. */
static void find_absorbed(lw_part *p) {
    for (uint32_t i = 0; i < p->list.n; i++) {
        ir_id v = p->list.at[i];
        const ir_node *n = at(p, v);
        if ((n->op != IR_ADD && n->op != IR_SUB && n->op != IR_SUM) || !base_is_float((sn_dtype)n->dtype)) continue;
        lw_source source = lw_source_of(p, v);
        if (source != LW_MEMBER && source != LW_INLINE) continue;
        for (uint32_t k = 0; k < n->n_in; k++) {
            ir_id m = n->in[k];
            const fu_node *f = fu(p, m);
            if ((at(p, m)->op != IR_MUL && at(p, m)->op != IR_SQUARE) || f->uses != 1 || f->stored || f->in_memory)
                continue;
            if (!fu(p, v)->edge[k].pointwise) continue;
            lw_source from = lw_source_of(p, m);
            int small_reader = source == LW_INLINE;
            if ((from == LW_MEMBER && !small_reader) || (from == LW_INLINE && f->resident == fu(p, v)->resident))
                p->item[m].absorbed = 1;
        }
    }
}

/* ---- axes -------------------------------------------------------------------------------------------------------- */

/* May point class inner take outer into itself? Only if wherever one indexes memory the other stands just before it. */
static int can_collapse(const lw_part *p, fu_class outer, fu_class inner) {
    const fu_state *s = p->s;
    for (uint32_t l = 0; l < p->list.n; l++) {
        ir_id v = p->list.at[l];
        const ir_node *n = at(p, v);
        lw_source source = lw_source_of(p, v);
        int moves = source != LW_MEMORY && (n->op == IR_SLICE || n->op == IR_PAD || n->op == IR_CONCAT ||
                                            n->op == IR_GATHER || n->op == IR_IOTA);
        int stored = 0; /* by an assign, at its own axes */
        for (uint32_t i = 0; i < p->group->assign.n; i++) stored |= s->assign.at[p->group->assign.at[i]].value == v;
        /* -1: its own axes; those of INLINE nodes address nothing */
        int first = source == LW_INLINE && !moves && !stored ? 0 : -1;
        for (int operand = first; operand < (int)n->n_in; operand++) {
            fu_class previous = 0;
            int before = 0, has_outer = 0, has_inner = 0;
            const fu_edge *e = operand < 0 ? NULL : &s->node[v].edge[operand];
            if (e && (e->pointwise || source == LW_MEMORY || source == LW_PARTIALS)) continue;
            uint32_t rank = e ? at(p, n->in[operand])->rank : n->rank;
            for (uint32_t a = 0; a < rank; a++) {
                fu_class c = e ? (e->map[a] < 0 ? 0 : fu_class_of(s, v, (uint32_t)e->map[a])) : fu_class_of(s, v, a);
                if (!c) continue;
                has_outer |= c == outer;
                has_inner |= c == inner;
                before |= c == inner && previous == outer;
                previous = c;
            }
            if ((has_outer || has_inner) && (moves || !before)) return 0;
        }
        for (uint32_t i = s->node[v].n_axis; i < s->node[v].n_slot; i++) {
            fu_class c = fu_class_of(s, v, i);
            if ((c == outer || c == inner) && source != LW_MEMORY && !s->node[v].is_exit) return 0;
        }
    }
    return 1;
}

static void add_axis(lw_part *p, fu_class c, kn_role role, ir_dim extent) {
    if (p->n_axis == KN_MAX_AXES)
        base_fail(&p->s->g->trap, SN_ERR_UNSUPPORTED, "kernel with more than %d axes", KN_MAX_AXES);
    kn_id axis = kn_add_axis(&p->launch->b, role, lw_size(p, extent));
    p->axis[p->n_axis++] = (lw_axis){c, axis, role, extent};
    uint32_t *set = role == KN_POINT ? &p->point_axes : role == KN_LOOP ? &p->loop_axes : &p->unroll_axes;
    *set |= 1u << axis;
}

static void make_axes(lw_part *p) {
    fu_state *s = p->s;
    const fu_group *g = p->group;
    fu_roles roles;
    fu_reason reason = fu_find_roles(s, g, g->n_point, g->point, 0, &roles);
    if (reason && !p->group->alone && s->fuse && reason != FU_NEST)
        base_fail(&s->g->trap, SN_ERR_INTERNAL, "lower: group %d does not hold together: %s", (int)p->gi,
                  fu_reason_text(reason));
    for (uint32_t i = 0; i < g->n_point; i++) {
        ir_dim extent = s->extent[g->point[i]];
        while (i + 1 < g->n_point && can_collapse(p, g->point[i], g->point[i + 1])) {
            p->axis[p->n_axis++] = (lw_axis){g->point[i], KN_NONE, KN_POINT, extent};
            extent = ir_dim_mul(s->g, extent, s->extent[g->point[++i]]);
        }
        add_axis(p, g->point[i], KN_POINT, extent);
    }
    for (uint32_t i = 0; i < roles.n; i++) add_axis(p, roles.cls[i], (kn_role)roles.role[i], s->extent[roles.cls[i]]);
}

/* ---- values kept for later phases -------------------------------------------------------------------------------- */

/* Address in a row memory: [tile][elements] where the points are copies, [elements][tile] where they are lanes. */
static kn_access row_access(lw_part *p, ir_id v) {
    lw_item *item = &p->item[v];
    ir_graph *g = p->s->g;
    ir_dim count = ir_dim_const(g, 1), step[KN_MAX_AXES] = {0};
    int lanes = p->phase.at[item->phase].lanes != KN_NONE && (p->point_axes >> p->phase.at[item->phase].lanes & 1);
    kn_id tile_axis = KN_NONE;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role == KN_POINT && p->axis[i].axis != KN_NONE) tile_axis = p->axis[i].axis;
    int tiled = tile_axis != KN_NONE && (item->over >> tile_axis & 1);
    ir_dim points = ir_dim_const(g, tiled ? p->tile : 1);
    if (lanes) count = points;
    for (uint32_t i = p->n_axis; i-- > 0;) {
        const lw_axis *a = &p->axis[i];
        if (a->role == KN_POINT || a->axis == KN_NONE || !(item->over >> a->axis & 1)) continue;
        step[i] = count;
        if (a->extent != ir_dim_const(g, 0)) count = ir_dim_mul(g, count, a->extent); /* see stride_of */
    }
    ir_dim all = lanes ? count : ir_dim_mul(g, count, points);
    if (item->row_mem == KN_NONE)
        item->row_mem = lw_mem(p, (pg_ref){PG_NONE, 0}, KN_ROW, lw_type(p, v), all, -1, 0,
                               base_arena_printf(p->s->arena, "row%u", v));
    kn_access access = kn_access_of(item->row_mem);
    if (tiled) kn_access_step(&access, tile_axis, lanes ? KN_C(1) : lw_size(p, count));
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role != KN_POINT && p->axis[i].axis != KN_NONE && (item->over >> p->axis[i].axis & 1))
            kn_access_step(&access, p->axis[i].axis, lw_size(p, step[i]));
    return access;
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

static kn_id operand(lw_part *p, ir_id v, uint32_t k) {
    return fu(p, v)->edge[k].pointwise ? lw_value(p, at(p, v)->in[k]) : lw_load_operand(p, v, k);
}

static kn_id fold(lw_part *p, ir_id v) {
    const ir_node *n = at(p, v);
    kn_build *b = &p->launch->b;
    sn_dtype type = lw_type(p, v);
    kn_prim prim = lw_fold_prim((ir_op)n->op);
    uint32_t axes = lw_folded_axes(p, v), inside = axes & ~p->point_axes;
    kn_id x, y = KN_NONE;
    if (n->op == IR_MATMUL) {
        x = operand(p, v, 0);
        y = operand(p, v, 1);
        prim = KP_FMA;
    } else if (n->op == IR_SUM && p->item[n->in[0]].absorbed && fu(p, v)->edge[0].pointwise) {
        ir_id m = n->in[0];
        x = operand(p, m, 0);
        y = at(p, m)->op == IR_SQUARE ? x : operand(p, m, 1);
        prim = KP_FMA;
    } else {
        x = operand(p, v, 0);
    }
    if (inside) {
        x = kn_fold(b, prim, type, inside, x, y);
        if (prim == KP_FMA) prim = KP_ADD;
        y = KN_NONE;
    }
    if (fu(p, v)->is_exit) return kn_fold_points(b, prim, type, p->point_axes, x, y, lw_accumulator(p, v));
    return inside || y == KN_NONE ? x : kn_prim2(b, KP_MUL, type, x, y);
}

/* argmax, argmin: each element with its index along the axis. */
static kn_id fold_pairs(lw_part *p, ir_id v) {
    kn_build *b = &p->launch->b;
    kn_prim prim = lw_fold_prim((ir_op)at(p, v)->op);
    uint32_t axes = lw_folded_axes(p, v);
    if (!axes) return kn_const_i(b, SN_I64, 0); /* an axis of extent 1 */
    kn_id x = operand(p, v, 0);
    kn_id index = kn_index(b, lw_axis_of(p, fu_class_of(p->s, v, fu(p, v)->n_axis), v));
    if (!fu(p, v)->is_exit) return kn_fold(b, prim, SN_I64, axes, x, index);
    return kn_fold_point_pairs(b, prim, axes, x, index, lw_value_accumulator(p, v), lw_accumulator(p, v));
}

static kn_id compute(lw_part *p, ir_id v) {
    const ir_node *n = at(p, v);
    kn_build *b = &p->launch->b;
    sn_dtype type = lw_type(p, v);
    lw_source source = lw_source_of(p, v);
    if (source == LW_MEMORY) return lw_load_own(p, v);
    if (source == LW_PARTIALS) return lw_load_partials(p, v);
    switch (n->op) {
        case IR_CONST: return lw_constant(p, (sn_dtype)n->dtype, (uint64_t)n->attr[0]);
        case IR_IOTA: {
            fu_class c = fu_class_of(p->s, v, 0);
            kn_id index = c ? kn_index(b, lw_axis_of(p, c, v)) : kn_const_i(b, SN_I64, 0);
            return type == SN_I64 ? index : kn_round(b, (sn_dtype)n->dtype, kn_prim1(b, KP_CAST, type, index));
        }
        case IR_DIM_VALUE: {
            kn_size size = lw_size(p, (ir_dim)n->attr[0]);
            return size.dim == KN_NONE ? kn_const_i(b, SN_I64, size.k) : kn_dim_value(b, size.dim);
        }
        case IR_BROADCAST:
        case IR_TRANSPOSE:
        case IR_RESHAPE:
        case IR_STOP_GRADIENT: return operand(p, v, 0);
        case IR_SLICE:
        case IR_PAD:
        case IR_CONCAT:
        case IR_GATHER: return lw_moved(p, v);
        case IR_SUM:
        case IR_PROD:
        case IR_RMAX:
        case IR_RMIN:
        case IR_MATMUL: return fold(p, v);
        case IR_ARGMAX:
        case IR_ARGMIN: return fold_pairs(p, v);
        default: return lw_ewise(p, v);
    }
}

kn_id lw_value(lw_part *p, ir_id u) {
    lw_item *item = &p->item[u];
    int anywhere = !(item->over & p->loop_axes); /* point-level values cross phases */
    if (item->value != KN_NONE && (item->value_phase == p->now || anywhere)) return item->value;
    uint32_t outer = p->launch->b.now_for; /* the reader, whose instructions come after this one's */
    kn_id value;
    p->launch->b.now_for = u;
    if (item->row && item->phase < p->now)
        value = kn_load(&p->launch->b, (sn_dtype)at(p, u)->dtype, row_access(p, u));
    else
        value = compute(p, u);
    p->launch->b.now_for = outer;
    item->value = value;
    item->value_phase = p->now;
    return value;
}

static void write_item(lw_part *p, ir_id v) {
    const fu_node *f = fu(p, v);
    kn_id value = lw_value(p, v);
    lw_source source = lw_source_of(p, v);
    p->launch->b.now_for = v;
    if (p->item[v].row) kn_store(&p->launch->b, row_access(p, v), value);
    if (source == LW_MEMBER && !f->is_exit && f->stored) lw_store_own(p, v, p->place[v].ref, KN_OUT, value);
    if (source == LW_PARTIALS && f->combine == p->gi && f->stored)
        lw_store_own(p, v, p->place[v].stored, KN_OUT, value);
}

static void write_phase(lw_part *p, uint32_t index) {
    const lw_phase *phase = &p->phase.at[index];
    p->now = index;
    kn_phase_begin(&p->launch->b, phase->entry, phase->n_loop, phase->loop, phase->lanes, phase->width, phase->ilp);
    for (uint32_t i = 0; i < p->list.n; i++) {
        const lw_item *item = &p->item[p->list.at[i]];
        if (item->scheduled && item->phase == index) write_item(p, p->list.at[i]);
    }
    for (uint32_t i = 0; i < p->group->assign.n; i++) {
        const fu_assign *a = &p->s->assign.at[p->group->assign.at[i]];
        if (p->assign_phase[i] != index) continue;
        kn_id value = lw_value(p, a->value);
        p->launch->b.now_for = a->value;
        lw_store_own(p, a->value, p->assign_ref[p->group->assign.at[i]], KN_OUT, value);
    }
    kn_phase_end(&p->launch->b);
}

void lw_lower(lw_part *p) {
    if (p->group->alone) {
        switch (at(p, p->group->member.at[0])->op) {
            case IR_RECURRENCE: lw_recurrence(p); break;
            case IR_MATMUL: lw_few(p); break;
            default: lw_scatter(p);
        }
        return;
    }
    find_wanted(p);
    find_absorbed(p);
    make_axes(p);
    lw_make_phases(p);
    lw_schedule(p);
    lw_find_rows(p);
    kn_id point[KN_MAX_NEST];
    uint32_t n_point = 0;
    for (uint32_t i = 0; i < p->n_axis; i++)
        if (p->axis[i].role == KN_POINT && p->axis[i].axis != KN_NONE) point[n_point++] = p->axis[i].axis;
    kn_part_begin(&p->launch->b, n_point, point, p->tile, p->grain, p->max_chunks);
    kn_part_team(&p->launch->b, p->team);
    kn_part_rounds(&p->launch->b, p->rounds);
    for (uint32_t i = 0; i < p->phase.n; i++) write_phase(p, i);
    kn_part_end(&p->launch->b);
    for (uint32_t i = 0; i < p->list.n; i++) p->item[p->list.at[i]] = (lw_item){0};
}
