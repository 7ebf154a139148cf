/* Fusion: one deterministic pass over the nodes in id order, which is topological. Each HOME node joins the legal group
 * that saves most bytes, or starts one; nothing here asks the clock, free memory or the number of threads. Every
 * decision is written to s->why. Then variables are written in the group that makes their new value, in place where
 * that is legal. */
#include <string.h>

#include "ir/fuse.h"

/* ---- what a value needs ------------------------------------------------------------------------------------------ */

const char *fu_reason_text(fu_reason reason) {
    static const char *const texts[] = {"ok",
#define TEXT(name, text) text,
                                        FU_REASONS(TEXT)
#undef TEXT
    };
    return texts[reason];
}

/* An exit whose partials readers combine themselves. */
static int is_small_exit(const fu_state *s, ir_id v) {
    return s->node[v].kind == FU_HOME && s->node[v].is_exit && s->node[v].combine < 0;
}

int32_t fu_provider(const fu_state *s, ir_id v) {
    const fu_node *f = &s->node[v];
    if (f->kind != FU_HOME) return -1;
    return f->is_exit && f->combine >= 0 ? f->combine : f->group;
}

static void walk(fu_state *s, ir_id u, int pointwise, fu_visit visit, void *arg) {
    uint32_t mark = 2 * s->now + (uint32_t)pointwise;
    s->work++;
    if (s->stamp[u] == mark) return;
    s->stamp[u] = mark;
    const fu_node *f = &s->node[u];
    const ir_node *n = ir_at(s->g, u);
    if (f->kind == FU_LEAF || f->kind == FU_HOME) {
        visit(arg, u, pointwise);
        return;
    }
    for (uint32_t k = 0; k < n->n_in; k++)
        walk(s, n->in[k], pointwise && f->kind != FU_ALIAS && f->edge[k].pointwise, visit, arg);
}

void fu_sources(fu_state *s, ir_id v, fu_visit visit, void *arg) {
    s->now++;
    const ir_node *n = ir_at(s->g, v);
    for (uint32_t k = 0; k < n->n_in; k++) walk(s, n->in[k], s->node[v].edge[k].pointwise, visit, arg);
}

void fu_value_sources(fu_state *s, ir_id v, fu_visit visit, void *arg) {
    s->now++;
    walk(s, v, 1, visit, arg);
}

typedef struct {
    fu_state *s;
    uint32_t n;
    fu_class *out;
} forced_search;

static void force_axes(forced_search *f, ir_id u) {
    for (uint32_t i = 0; i < f->s->node[u].n_slot; i++) {
        if (i >= f->s->node[u].n_axis && is_small_exit(f->s, u)) break; /* its fold is the partials' business */
        fu_class c = fu_class_of(f->s, u, i);
        int known = !c || f->n == KN_MAX_AXES;
        for (uint32_t k = 0; k < f->n; k++) known |= f->out[k] == c;
        if (!known) f->out[f->n++] = c;
    }
}

static void walk_forced(forced_search *f, ir_id u) {
    fu_state *s = f->s;
    if (s->stamp[u] == 2 * s->now) return;
    s->stamp[u] = 2 * s->now;
    const fu_node *x = &s->node[u];
    if (is_small_exit(s, u) || x->resident) force_axes(f, u);
    if (x->kind != FU_INLINE) return;
    for (uint32_t k = 0; k < ir_at(s->g, u)->n_in; k++)
        if (x->edge[k].pointwise) walk_forced(f, ir_at(s->g, u)->in[k]);
}

uint32_t fu_forced(fu_state *s, ir_id v, int value, fu_class *out) {
    forced_search f = {s, 0, out};
    s->now++;
    if (value) {
        walk_forced(&f, v);
        return f.n;
    }
    for (uint32_t k = 0; k < ir_at(s->g, v)->n_in; k++)
        if (s->node[v].edge[k].pointwise) walk_forced(&f, ir_at(s->g, v)->in[k]);
    return f.n;
}

/* Groups whose partials are combined on the way to one INLINE node. */
typedef struct {
    const fu_state *s;
    uint32_t n;
    int32_t group[FU_CHUNK_AXES + 1];
} exit_groups;

static void note_exit_group(void *arg, ir_id u, int pointwise) {
    exit_groups *e = arg;
    (void)pointwise;
    if (!is_small_exit(e->s, u)) return;
    for (uint32_t i = 0; i < e->n; i++)
        if (e->group[i] == e->s->node[u].group) return;
    if (e->n <= FU_CHUNK_AXES) e->group[e->n++] = e->s->node[u].group;
}

/* Small nodes that fold, or use partials, are computed once: see fu_node.resident. Each kernel whose partials they use
 * is an axis of their reader's; a sum of very many of them goes through memory. */
static void settle_resident(fu_state *s, ir_id v) {
    fu_node *f = &s->node[v];
    if (f->kind != FU_INLINE) return;
    const ir_node *n = ir_at(s->g, v);
    exit_groups e = {.s = s};
    if (f->small) fu_sources(s, v, note_exit_group, &e);
    if (e.n > FU_CHUNK_AXES) {
        f->kind = FU_HOME;
        f->small = 0;
        return;
    }
    f->resident = f->small && f->n_slot > f->n_axis;
    for (uint32_t k = 0; k < n->n_in; k++)
        if (s->node[n->in[k]].resident || is_small_exit(s, n->in[k])) f->resident = f->small || f->resident;
}

/* Groups whose partials a group combines. */
typedef struct {
    const fu_state *s;
    int32_t gi;
    uint32_t n;
    int32_t seen[KN_MAX_AXES + 1];
} chunk_count;

static void count_chunks(void *arg, ir_id u, int pointwise) {
    chunk_count *c = arg;
    (void)pointwise;
    const fu_node *f = &c->s->node[u];
    if (!f->is_exit || (f->combine >= 0 && f->combine != c->gi)) return;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->seen[i] == f->group) return;
    if (c->n <= KN_MAX_AXES) c->seen[c->n++] = f->group;
}

uint32_t fu_count_axes(fu_state *s, int32_t gi, uint32_t n_point, const fu_roles *roles, ir_id extra) {
    const fu_group *g = &s->group.at[gi];
    chunk_count c = {.s = s, .gi = gi};
    for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], count_chunks, &c);
    for (uint32_t i = 0; i < g->assign.n; i++)
        fu_value_sources(s, s->assign.at[g->assign.at[i]].value, count_chunks, &c);
    for (uint32_t i = 0; i < g->combined.n; i++) count_chunks(&c, g->combined.at[i], 1);
    if (extra) fu_sources(s, extra, count_chunks, &c);
    return n_point + roles->n + c.n;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

static int32_t new_group(fu_state *s) {
    fu_group *g = base_vec_push(&s->group, s->arena);
    *g = (fu_group){0};
    return (int32_t)s->group.n - 1;
}

typedef struct {
    fu_state *s;
    int32_t gi;
} order_arg;

static void order_source(void *arg, ir_id u, int pointwise) {
    order_arg *o = arg;
    (void)pointwise;
    fu_add_before(o->s, fu_provider(o->s, u), o->gi);
}

/* ---- explaining -------------------------------------------------------------------------------------------------- */

static void why_node(fu_state *s, ir_id v) {
    base_strbuf_printf(&s->why, "%%%u %s ", v, ir_ops[ir_at(s->g, v)->op].name);
    ir_print_type(s->g, v, &s->why);
    if (s->g->label.at[v]) base_strbuf_printf(&s->why, " \"%s\"", s->g->label.at[v]);
}

static void why_refused(fu_state *s, int32_t gi, fu_reason reason) {
    base_strbuf_printf(&s->why, "    not g%d: %s\n", (int)gi, fu_reason_text(reason));
}

/* ---- placing nodes ----------------------------------------------------------------------------------------------- */

typedef struct {
    fu_state *s;
    uint32_t n;
    int32_t at[64];
} candidates;

static void add_candidate(candidates *c, int32_t gi) {
    if (gi < 0 || c->n == 64 || c->s->group.at[gi].alone) return;
    for (uint32_t i = 0; i < c->n; i++)
        if (c->at[i] == gi) return;
    c->at[c->n++] = gi;
}

static void source_candidate(void *arg, ir_id u, int pointwise) {
    candidates *c = arg;
    (void)pointwise;
    add_candidate(c, fu_provider(c->s, u));
}

static void sort_latest_first(candidates *c) {
    for (uint32_t i = 1; i < c->n; i++)
        for (uint32_t k = i; k > 0 && c->at[k - 1] < c->at[k]; k--) {
            int32_t t = c->at[k];
            c->at[k] = c->at[k - 1];
            c->at[k - 1] = t;
        }
}

static int has_operand(const fu_state *s, const fu_group *g, ir_id u) {
    for (uint32_t i = 0; i < g->member.n; i++) {
        const ir_node *n = ir_at(s->g, g->member.at[i]);
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] == u) return 1;
    }
    return 0;
}

/* Lists the group with those that read v's operands, the latest first. */
static void note_reading(fu_state *s, ir_id v, int32_t gi) {
    const ir_node *n = ir_at(s->g, v);
    for (uint32_t k = 0; k < n->n_in; k++) {
        ir_id u = n->in[k];
        if (has_operand(s, &s->group.at[gi], u) || (s->reader[u] && s->reader[u]->gi == gi)) continue;
        fu_reader *r = ARENA_NEW(s->arena, fu_reader);
        *r = (fu_reader){gi, s->reader[u]};
        s->reader[u] = r;
    }
}

static void insert_member(fu_state *s, ir_id v, int32_t gi, const fu_join *join) {
    fu_group *g = &s->group.at[gi];
    note_reading(s, v, gi);
    g->n_point = join->n_point;
    memcpy(g->point, join->point, sizeof g->point);
    *base_vec_push(&g->member, s->arena) = v;
    s->node[v].group = gi;
    s->node[v].is_exit = join->is_exit;
    order_arg o = {s, gi};
    fu_sources(s, v, order_source, &o);
}

/* Readers of an exit that is too large for registers find it combined, by a group of its own that they may join. */
static void make_combine(fu_state *s, ir_id v) {
    fu_node *f = &s->node[v];
    int64_t elements = 1;
    for (uint32_t i = 0; i < f->n_axis && elements <= FU_SMALL_ELEMENTS; i++) {
        int symbolic;
        elements *= fu_extent(s, fu_class_of(s, v, i), &symbolic);
        if (symbolic) elements = FU_SMALL_ELEMENTS + 1;
    }
    if (elements > 0 && elements <= FU_SMALL_ELEMENTS && !f->in_memory) return;
    int32_t gi = new_group(s);
    fu_group *g = &s->group.at[gi];
    for (uint32_t i = 0; i < f->n_axis; i++) {
        fu_class c = fu_class_of(s, v, i);
        if (c) g->point[g->n_point++] = c;
    }
    *base_vec_push(&g->combined, s->arena) = v;
    fu_add_before(s, f->group, gi);
    f->combine = gi;
    base_strbuf_printf(&s->why, "    its partials are combined in g%d\n", (int)gi);
}

static void try_candidates(fu_state *s, ir_id v, const candidates *c, int sibling, int32_t *best, fu_join *best_join) {
    for (uint32_t i = 0; i < c->n; i++) {
        fu_join join = {0};
        fu_reason reason = fu_try_join(s, v, c->at[i], sibling, &join);
        if (reason) {
            why_refused(s, c->at[i], reason);
        } else if (*best < 0 || join.saved > best_join->saved || (join.saved >= best_join->saved && c->at[i] < *best)) {
            *best = c->at[i];
            *best_join = join;
        }
    }
}

typedef struct {
    fu_state *s;
    candidates *c;
    const candidates *tried;
} sibling_arg;

/* Groups that read the same large value. */
static void sibling_candidate(void *arg, ir_id u, int pointwise) {
    sibling_arg *a = arg;
    (void)pointwise;
    fu_state *s = a->s;
    if (fu_bytes(s, u) < FU_LAUNCH_BYTES) return;
    uint32_t found = 0;
    for (fu_reader **at = &s->reader[u]; *at && found < FU_SIBLINGS; s->work++) {
        const fu_reader *r = *at;
        if (s->group.at[r->gi].full) { /* for good: nobody needs to pass by it again */
            *at = r->earlier;
            continue;
        }
        at = &(*at)->earlier;
        int known = 0;
        for (uint32_t i = 0; i < a->tried->n; i++) known |= a->tried->at[i] == r->gi;
        if (known || s->group.at[r->gi].alone) continue;
        add_candidate(a->c, r->gi);
        found++;
    }
}

/* Why a product's epilogue ends at v, where that is said. */
static void why_epilogue(fu_state *s, ir_id v) {
    if (s->node[v].epilogue_ends)
        base_strbuf_printf(&s->why, "    %s: %s\n", s->node[v].after ? "the epilogue ends here" : "no epilogue",
                           s->node[v].epilogue_ends);
}

static void place(fu_state *s, ir_id v) {
    fu_node *f = &s->node[v];
    fu_join join = {0};
    why_node(s, v);
    int32_t best = fu_product_of(s, v);
    if (best >= 0) {
        base_strbuf_printf(&s->why, ": in the epilogue of g%d\n", (int)best);
        why_epilogue(s, v);
        insert_member(s, v, best, &join);
        return;
    }
    if (f->gemm || f->few || ir_at(s->g, v)->op == IR_SCATTER_ADD || ir_at(s->g, v)->op == IR_RECURRENCE) {
        best = new_group(s);
        s->group.at[best].gemm = f->gemm;
        s->group.at[best].alone = 1;
        base_strbuf_printf(&s->why, ": g%d, alone: %s\n", (int)best,
                           f->gemm  ? "a matrix product for BLAS"
                           : f->few ? "a product of few rows, which reads the large matrix once"
                                    : ir_ops[ir_at(s->g, v)->op].name);
        why_epilogue(s, v);
        insert_member(s, v, best, &join);
        return;
    }
    base_strbuf_puts(&s->why, "\n");
    if (ir_at(s->g, v)->op == IR_MATMUL) {
        base_strbuf_puts(&s->why, "    in loops, not by BLAS: ");
        fu_why_loops(s, v, &s->why);
        base_strbuf_puts(&s->why, "\n");
    }
    if (s->fuse) {
        candidates made = {.s = s}, siblings = {.s = s};
        fu_sources(s, v, source_candidate, &made);
        sort_latest_first(&made);
        try_candidates(s, v, &made, 0, &best, &join);
        if (best < 0) {
            sibling_arg a = {s, &siblings, &made};
            fu_sources(s, v, sibling_candidate, &a);
            sort_latest_first(&siblings);
            try_candidates(s, v, &siblings, 1, &best, &join);
        }
    }
    if (best < 0) {
        best = new_group(s);
        fu_new_points(s, v, &join);
        base_strbuf_printf(&s->why, "    new g%d\n", (int)best);
    } else {
        base_strbuf_printf(&s->why, "    fused into g%d, saves %.0f bytes\n", (int)best, join.saved);
    }
    insert_member(s, v, best, &join);
    if (join.is_exit) {
        base_strbuf_printf(&s->why, "    folds g%d's points: one partial per chunk\n", (int)best);
        make_combine(s, v);
    }
}

/* ---- placing stores ---------------------------------------------------------------------------------------------- */

typedef struct {
    fu_state *s;
    BASE_VEC(ir_id) row; /* sources that are no scalars */
} row_sources;

static void add_row_source(void *arg, ir_id u, int pointwise) {
    row_sources *r = arg;
    (void)pointwise;
    if (r->s->node[u].n_axis) *base_vec_push(&r->row, r->s->arena) = u;
}

/* Does something assigned in the group have one of the sources? */
static int shares_row(fu_state *s, const row_sources *r, const fu_group *g) {
    row_sources own = {.s = s};
    for (uint32_t i = 0; i < g->assign.n; i++)
        fu_value_sources(s, s->assign.at[g->assign.at[i]].value, add_row_source, &own);
    for (uint32_t i = 0; i < own.row.n; i++)
        for (uint32_t k = 0; k < r->row.n; k++)
            if (own.row.at[i] == r->row.at[k]) return 1;
    return 0;
}

/* Small values that are computed at entry have no points. Those of one optimiser's step read each other's old values
 * and the same gradient: one group writes them, each in its place. What they share is more than a scalar, which a step
 * has in common with all others. */
static int32_t group_of_small(fu_state *s, const fu_assign *a) {
    fu_class forced[KN_MAX_AXES];
    if (!s->fuse || fu_forced(s, a->value, 1, forced) < s->node[a->value].n_axis) return -1;
    row_sources r = {.s = s};
    fu_value_sources(s, a->value, add_row_source, &r);
    for (int32_t gi = (int32_t)s->group.n, left = FU_SMALL_GROUPS; gi-- > 0 && left-- > 0;) {
        const fu_group *g = &s->group.at[gi];
        if (!g->n_point && !g->member.n && shares_row(s, &r, g) && !fu_try_assign(s, a, gi)) return gi;
    }
    return -1;
}

static void place_assign(fu_state *s, uint32_t index) {
    fu_assign *a = &s->assign.at[index];
    int32_t best = -1;
    if (a->is_var)
        base_strbuf_printf(&s->why, "@%s = %%%u", s->g->var.at[a->var].name, a->value);
    else
        base_strbuf_printf(&s->why, "store %%%u", a->value);
    base_strbuf_puts(&s->why, "\n");
    candidates made = {.s = s};
    if (s->fuse) fu_value_sources(s, a->value, source_candidate, &made);
    sort_latest_first(&made);
    for (uint32_t i = 0; i < made.n && best < 0; i++) {
        fu_reason reason = fu_try_assign(s, a, made.at[i]);
        if (reason)
            why_refused(s, made.at[i], reason);
        else
            best = made.at[i];
    }
    if (best < 0) best = group_of_small(s, a);
    if (best < 0) {
        best = new_group(s);
        fu_group *g = &s->group.at[best];
        fu_class forced[KN_MAX_AXES];
        uint32_t n_forced = fu_forced(s, a->value, 1, forced);
        for (uint32_t i = 0; i < s->node[a->value].n_axis; i++) {
            fu_class c = fu_class_of(s, a->value, i);
            int skip = !c;
            for (uint32_t k = 0; k < n_forced; k++) skip |= forced[k] == c;
            if (!skip) g->point[g->n_point++] = c;
        }
        base_strbuf_printf(&s->why, "    new g%d\n", (int)best);
    } else {
        base_strbuf_printf(&s->why, "    fused into g%d\n", (int)best);
    }
    a->group = best;
    *base_vec_push(&s->group.at[best].assign, s->arena) = index;
    order_arg o = {s, best};
    fu_value_sources(s, a->value, order_source, &o);
}

static void note_var(void *arg, ir_id u, int pointwise) {
    order_arg *o = arg;
    fu_state *s = o->s;
    (void)pointwise;
    if (ir_at(s->g, u)->op != IR_VAR) return;
    uint32_t var = (uint32_t)ir_at(s->g, u)->attr[0];
    if (s->var_reader[var].n && s->var_reader[var].at[s->var_reader[var].n - 1] == o->gi) return;
    *base_vec_push(&s->var_reader[var], s->arena) = o->gi;
}

/* Which groups read which variable: in members, and later in what is assigned, too. */
static void find_var_readers(fu_state *s) {
    for (uint32_t i = 0; i < s->g->var.n; i++) s->var_reader[i].n = 0;
    for (int32_t gi = 0; gi < (int32_t)s->group.n; gi++) {
        const fu_group *g = &s->group.at[gi];
        order_arg o = {s, gi};
        for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], note_var, &o);
        for (uint32_t i = 0; i < g->assign.n; i++)
            fu_value_sources(s, s->assign.at[g->assign.at[i]].value, note_var, &o);
    }
}

/* In place where every other reader of the old value can run first; else through a temporary that is copied at the end.
 * So are values that are cheaper to copy than to wait for, which may take another launch. */
static void settle_in_place(fu_state *s, fu_assign *a) {
    if (!a->is_var) return;
    ir_id var = s->g->var.at[a->var].node;
    if (!var || !s->node[var].needed) return;
    int cheap = fu_is_cheap_copy(s, var);
    const int32_t *reader = s->var_reader[a->var].at;
    uint32_t n = s->var_reader[a->var].n;
    for (uint32_t i = 0; i < n && !a->shadow; i++) {
        int32_t gi = reader[i];
        /* In its own group only the accesses that fu_try_assign accepts; a new group of its own reads at the same
         * point. */
        if (gi == a->group)
            a->shadow = (uint8_t)(fu_try_assign(s, a, gi) != FU_OK);
        else
            a->shadow = (uint8_t)(fu_before(s, a->group, gi) || (cheap && !fu_before(s, gi, a->group)));
    }
    if (a->shadow) {
        base_strbuf_printf(&s->why, "@%s is written to a temporary and copied at the end: %s\n",
                           s->g->var.at[a->var].name, fu_reason_text(FU_IN_PLACE));
        return;
    }
    for (uint32_t i = 0; i < n; i++) fu_add_before(s, reader[i], a->group);
}

/* ---- what must be stored ----------------------------------------------------------------------------------------- */

static void store_for(void *arg, ir_id u, int pointwise) {
    order_arg *o = arg;
    fu_state *s = o->s;
    (void)pointwise;
    if (s->node[u].kind != FU_HOME || is_small_exit(s, u)) return;
    if (fu_provider(s, u) != o->gi) s->node[u].stored = 1;
}

/* Does only the epilogue of its product see it? */
static int is_passed_on(const fu_state *s, ir_id v) {
    const fu_group *g = &s->group.at[s->node[v].group];
    return g->gemm && g->member.at[g->member.n - 1] != v;
}

static void find_stored(fu_state *s) {
    for (int32_t gi = 0; gi < (int32_t)s->group.n; gi++) {
        const fu_group *g = &s->group.at[gi];
        order_arg o = {s, gi};
        for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], store_for, &o);
        for (uint32_t i = 0; i < g->assign.n; i++)
            fu_value_sources(s, s->assign.at[g->assign.at[i]].value, store_for, &o);
        if (g->alone) s->node[g->member.at[g->member.n - 1]].stored = 1;
    }
    for (ir_id v = 1; v < s->g->node.n; v++)
        if (s->node[v].kind == FU_HOME && s->node[v].needed && s->node[v].in_memory && !is_passed_on(s, v))
            s->node[v].stored = 1;
}

static void add_assign(fu_state *s, ir_id value, int is_var, uint32_t var) {
    *base_vec_push(&s->assign, s->arena) =
        (fu_assign){.value = value, .is_var = (uint8_t)is_var, .var = var, .group = -1};
    place_assign(s, s->assign.n - 1);
}

void fu_fuse(fu_state *s) {
    s->stamp = ARENA_ARRAY(s->arena, uint32_t, s->g->node.n);
    s->read = ARENA_ARRAY(s->arena, uint32_t, s->g->node.n);
    s->test = ARENA_ARRAY(s->arena, fu_test, s->g->node.n);
    s->reader = ARENA_ARRAY(s->arena, fu_reader *, s->g->node.n);
    s->var_reader = base_arena_array(s->arena, s->g->var.n, sizeof *s->var_reader);
    s->output = ARENA_ARRAY(s->arena, int32_t, s->g->node.n);
    for (ir_id v = 0; v < s->g->node.n; v++) s->output[v] = -1;
    for (uint32_t i = s->roots->n_out; i-- > 0;) s->output[s->roots->out[i]] = (int32_t)i;
    for (ir_id v = 1; v < s->g->node.n; v++) {
        if (!s->node[v].needed) continue;
        settle_resident(s, v);
        if (s->node[v].kind == FU_HOME) place(s, v);
    }
    if (s->fuse) {
        fu_merge(s);
        fu_place_late(s);
    }
    find_var_readers(s);
    for (uint32_t i = 0; i < s->roots->n_out; i++) {
        ir_id v = s->roots->out[i];
        int done = s->node[v].kind == FU_HOME && !is_small_exit(s, v);
        done |= s->output[v] != (int32_t)i; /* a copy of the first */
        if (done)
            s->node[v].stored = s->node[v].kind == FU_HOME && !is_small_exit(s, v);
        else
            add_assign(s, v, 0, 0);
    }
    for (uint32_t i = 0; i < s->roots->n_update; i++) add_assign(s, s->roots->update[i], 1, s->roots->update_var[i]);
    find_var_readers(s);
    for (uint32_t i = 0; i < s->assign.n; i++) fu_write_directly(s, i);
    for (uint32_t i = 0; i < s->assign.n; i++)
        if (!s->assign.at[i].direct) settle_in_place(s, &s->assign.at[i]);
    find_stored(s);
    fu_find_blocks(s);
}
