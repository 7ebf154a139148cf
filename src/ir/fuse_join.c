/* The ordered tests of fusion: may node v join group G? The first failure is the reason that is printed. The tests are
 * those of docs/design.md: (a) no cycle, (b) same point, (c) points left, (d) budgets, (e) in place, (f) profit. */
#include <string.h>

#include "ir/fuse.h"

/* ---- classes of a node ------------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t n_axis, n; /* result classes, then folded classes; without extents of 1 */
    fu_class at[FU_MAX_SLOTS];
} classes;

static classes classes_of(const fu_state *s, ir_id v) {
    classes c = {0};
    const fu_node *f = &s->node[v];
    for (uint32_t i = 0; i < f->n_slot; i++) {
        fu_class x = fu_class_of(s, v, i);
        if (x) c.at[c.n++] = x;
        if (i + 1 == f->n_axis) c.n_axis = c.n;
    }
    if (!f->n_axis) c.n_axis = 0;
    return c;
}

static int has(const fu_class *set, uint32_t n, fu_class c) {
    for (uint32_t i = 0; i < n; i++)
        if (set[i] == c) return 1;
    return 0;
}

static int keeps(const classes *c, fu_class x) { return has(c->at, c->n_axis, x); }
static int folds(const classes *c, fu_class x) { return has(c->at + c->n_axis, c->n - c->n_axis, x); }

/* ---- roles ------------------------------------------------------------------------------------------------------- */

typedef struct {
    fu_state *s;
    uint32_t n_point;
    const fu_class *point;
    fu_roles *roles;
    uint32_t n_forced;
    fu_class forced[KN_MAX_AXES];
    int overflow;
} role_search;

static void add_class(role_search *r, fu_class c) {
    if (has(r->point, r->n_point, c) || has(r->roles->cls, r->roles->n, c)) return;
    if (r->roles->n == KN_MAX_AXES) {
        r->overflow = 1;
        return;
    }
    r->roles->role[r->roles->n] = KN_LOOP;
    r->roles->cls[r->roles->n++] = c;
}

static void add_member_classes(role_search *r, ir_id v, int value) {
    classes c = classes_of(r->s, v);
    for (uint32_t i = 0; i < c.n; i++) add_class(r, c.at[i]);
    fu_class forced[KN_MAX_AXES];
    uint32_t n = fu_forced(r->s, v, value, forced);
    for (uint32_t i = 0; i < n; i++)
        if (!has(r->forced, r->n_forced, forced[i]) && r->n_forced < KN_MAX_AXES) r->forced[r->n_forced++] = forced[i];
}

/* Registers of one element: on a GPU they are all that a thread has, and 8 bytes take two. */
static int64_t words(const fu_state *s, ir_id v) {
    return s->machine == KN_FOR_GPU ? kn_words((sn_dtype)ir_at(s->g, v)->dtype) : 1;
}

/* Unrolled iterations over the first n classes, if class extra (or none) is unrolled besides those that are. */
static int64_t unrolled(const fu_state *s, const fu_roles *roles, const classes *c, uint32_t n, fu_class extra) {
    int64_t all = 1;
    for (uint32_t i = 0; i < n; i++) {
        int is = c->at[i] == extra;
        for (uint32_t k = 0; k < roles->n && !is; k++) is = roles->cls[k] == c->at[i] && roles->role[k] == KN_UNROLL;
        if (is) all *= fu_extent(s, c->at[i], NULL);
    }
    return all;
}

/* Copies of one instruction of v. */
static int64_t copies(const fu_state *s, const fu_roles *roles, ir_id v, fu_class extra) {
    classes c = classes_of(s, v);
    return unrolled(s, roles, &c, c.n, extra);
}

static int folds_in_loop(const fu_state *s, const fu_roles *roles, ir_id v) {
    classes c = classes_of(s, v);
    for (uint32_t i = c.n_axis; i < c.n; i++)
        for (uint32_t k = 0; k < roles->n; k++)
            if (roles->cls[k] == c.at[i] && roles->role[k] == KN_LOOP) return 1;
    return 0;
}

static int varies_in_loop(const fu_state *s, const fu_roles *roles, ir_id v) {
    classes c = classes_of(s, v);
    for (uint32_t i = 0; i < c.n_axis; i++)
        for (uint32_t k = 0; k < roles->n; k++)
            if (roles->cls[k] == c.at[i] && roles->role[k] == KN_LOOP) return 1;
    return 0;
}

typedef struct {
    const fu_group *group;
    ir_id extra;
} member_list;
static uint32_t n_members(const member_list *m) {
    return m->group->member.n + m->group->assign.n + m->group->combined.n + (m->extra != 0);
}
/* Member i; value is set for what is read rather than computed: the values of assigns, combined exits. */
static ir_id member_at(const fu_state *s, const member_list *m, uint32_t i, int *value) {
    const fu_group *g = m->group;
    *value = 0;
    if (i < g->member.n) return g->member.at[i];
    i -= g->member.n;
    *value = 1;
    if (i < g->assign.n) return s->assign.at[g->assign.at[i]].value;
    i -= g->assign.n;
    if (i < g->combined.n) return g->combined.at[i];
    *value = 0;
    return m->extra;
}

fu_reason fu_find_roles(fu_state *s, const fu_group *group, uint32_t n_point, const fu_class *point, ir_id extra,
                        fu_roles *roles) {
    role_search r = {.s = s, .n_point = n_point, .point = point, .roles = roles};
    member_list members = {group, extra};
    roles->n = 0;
    for (uint32_t i = 0; i < n_members(&members); i++) {
        int value;
        ir_id v = member_at(s, &members, i, &value);
        if (value && s->node[v].kind == FU_HOME && !s->node[v].is_exit &&
            s->node[v].group >= 0) { /* read from memory */
            classes c = classes_of(s, v);
            for (uint32_t k = 0; k < c.n_axis; k++) add_class(&r, c.at[k]);
            continue;
        }
        if (value && s->node[v].is_exit) { /* only its result's axes are looped over here */
            classes c = classes_of(s, v);
            for (uint32_t k = 0; k < c.n_axis; k++) add_class(&r, c.at[k]);
            continue;
        }
        add_member_classes(&r, v, value);
    }
    for (uint32_t i = 0; i < r.n_forced; i++) {
        if (has(point, n_point, r.forced[i])) return FU_BUDGET; /* registers cannot be indexed by a point */
        add_class(&r, r.forced[i]);
    }
    if (r.overflow) return FU_BUDGET;
    /* Short classes first; ties by number: deterministic. */
    for (uint32_t i = 1; i < roles->n; i++)
        for (uint32_t k = i; k > 0; k--) {
            fu_class a = roles->cls[k - 1], b = roles->cls[k];
            int64_t ea = fu_extent(s, a, NULL), eb = fu_extent(s, b, NULL);
            if (ea < eb || (ea == eb && a < b)) break;
            roles->cls[k - 1] = b;
            roles->cls[k] = a;
        }
    for (uint32_t i = 0; i < roles->n; i++)
        if (has(r.forced, r.n_forced, roles->cls[i])) roles->role[i] = KN_UNROLL;
    for (uint32_t i = 0; i < roles->n; i++) {
        int symbolic;
        int64_t extent = fu_extent(s, roles->cls[i], &symbolic);
        if (symbolic || extent > FU_UNROLL_EXTENT || extent < 1 || roles->role[i] == KN_UNROLL) continue;
        int fits = 1;
        for (uint32_t k = 0; k < n_members(&members) && fits; k++) {
            int value;
            ir_id v = member_at(s, &members, k, &value);
            classes c = classes_of(s, v);
            if (has(c.at, c.n, roles->cls[i]))
                fits = words(s, v) * copies(s, roles, v, roles->cls[i]) <= FU_UNROLL_PRODUCT;
        }
        if (fits) roles->role[i] = KN_UNROLL;
    }
    for (uint32_t i = 0; i < n_members(&members); i++) {
        int value;
        ir_id v = member_at(s, &members, i, &value);
        int combines = value && i >= group->member.n + group->assign.n; /* folds over chunks */
        if ((combines || (!value && folds_in_loop(s, roles, v))) && varies_in_loop(s, roles, v)) return FU_NEST;
    }
    return FU_OK;
}

/* ---- (d) budgets ------------------------------------------------------------------------------------------------- */

typedef struct {
    fu_state *s;
    const fu_roles *roles;
    int32_t gi;
    uint32_t reader_level, n_mem;
    double row; /* bytes of row scratch */
    int settle; /* second walk: the reader's level is known */
} budget;

static fu_test *test_of(const fu_state *s, ir_id u) {
    fu_test *t = &s->test[u];
    if (t->now != s->test_now) *t = (fu_test){.now = s->test_now};
    return t;
}

static int in_group(const fu_state *s, ir_id v, int32_t gi) {
    return s->node[v].kind == FU_HOME && s->node[v].group == gi && !s->node[v].is_exit;
}

static double constant_elements(const fu_state *s, const fu_roles *roles, ir_id v, int *symbolic) {
    classes c = classes_of(s, v);
    double n = 1;
    *symbolic = 0;
    for (uint32_t i = 0; i < c.n_axis; i++) {
        int unknown;
        if (roles && !has(roles->cls, roles->n, c.at[i])) continue; /* a point */
        int64_t e = fu_extent(s, c.at[i], &unknown);
        if (unknown)
            *symbolic = 1;
        else
            n *= (double)e;
    }
    return n * (double)sn_dtype_size((sn_dtype)ir_at(s->g, v)->dtype);
}

static void budget_source(void *arg, ir_id u, int pointwise) {
    budget *b = arg;
    fu_test *t = test_of(b->s, u);
    (void)pointwise;
    if (!in_group(b->s, u, b->gi)) {
        b->n_mem += !t->seen;
        t->seen = 1;
        return;
    }
    uint32_t needs = t->level + (uint32_t)folds_in_loop(b->s, b->roles, u);
    if (!b->settle) {
        if (needs > b->reader_level) b->reader_level = needs;
    } else if (!t->row && t->level < b->reader_level && varies_in_loop(b->s, b->roles, u)) {
        int symbolic;
        b->row += constant_elements(b->s, b->roles, u, &symbolic); /* symbolic: as large as the call has it */
        t->row = 1;
    }
}

/* Registers in which v, if it is a fold, accumulates at the least: one for each of its results on unrolled axes, over
 * loops and over points. Sums over points that vary over loops lie in memory. */
static double accumulator_words(const fu_state *s, const fu_roles *roles, ir_id v, int is_exit) {
    int times = folds_in_loop(s, roles, v) + (is_exit && !varies_in_loop(s, roles, v));
    const ir_node *n = ir_at(s->g, v);
    classes c = classes_of(s, v);
    int64_t element = words(s, v) + (IR_IS_ARG(n->op) ? words(s, n->in[0]) : 0);
    return times ? (double)(times * element * unrolled(s, roles, &c, c.n_axis, 0)) : 0;
}

static fu_reason test_budgets(fu_state *s, ir_id v, int is_exit, int32_t gi, const fu_roles *roles) {
    const fu_group *g = &s->group.at[gi];
    member_list members = {g, v};
    budget b = {.s = s, .roles = roles, .gi = gi};
    s->test_now++;
    double acc = 0, insts = 0, kept = 0;
    int several = 0; /* folds that accumulate in registers */
    int symbolic;
    for (uint32_t i = 0; i < n_members(&members); i++) {
        int value;
        ir_id m = member_at(s, &members, i, &value);
        if (value) continue;
        if (v && m == v) s->group.at[gi].full = b.n_mem + g->member.n > 4 * FU_MAX_MEMS; /* whatever v is */
        b.reader_level = 0;
        b.settle = 0;
        fu_sources(s, m, budget_source, &b);
        test_of(s, m)->level = b.reader_level;
        b.settle = 1;
        fu_sources(s, m, budget_source, &b);
        insts += (double)copies(s, roles, m, 0) * (ir_ops[ir_at(s->g, m)->op].cost + 1);
        int exit = m == v ? is_exit : s->node[m].is_exit;
        double more = accumulator_words(s, roles, m, exit);
        several |= kept > 0 && more > 0;
        kept += more;
        if (exit) {
            acc += constant_elements(s, NULL, m, &symbolic) * (IR_IS_ARG(ir_at(s->g, m)->op) ? 2 : 1); /* pairs */
            if (symbolic) return FU_ACCUMULATORS;
        }
    }
    if (b.row > FU_ROW_BYTES) return FU_ROW;
    if (s->machine == KN_FOR_GPU && several && kept > FU_GPU_WORDS) return FU_REGISTERS;
    if (acc > FU_ACC_BYTES) return FU_ACCUMULATORS;
    if (insts > FU_MAX_INSTS || b.n_mem + g->member.n > 4 * FU_MAX_MEMS || b.n_mem > FU_MAX_MEMS) return FU_BUDGET;
    return FU_OK;
}

/* ---- (c) points -------------------------------------------------------------------------------------------------- */

/* Do these points leave enough to do in parallel? */
static int enough_points(const fu_state *s, uint32_t n, const fu_class *point) {
    double total = 1;
    for (uint32_t i = 0; i < n; i++) {
        int symbolic;
        int64_t e = fu_extent(s, point[i], &symbolic);
        if (symbolic && e >= FU_NOMINAL) return 1;
        total *= (double)e;
    }
    return n && total >= FU_MIN_POINTS;
}

/* Is all that the group does, with v (0: nothing more), so little that it need not be spread? */
static int is_tiny(const fu_state *s, const fu_group *g, ir_id v) {
    for (uint32_t i = 0; i < g->member.n + (v != 0); i++) {
        classes c = classes_of(s, i < g->member.n ? g->member.at[i] : v);
        double elements = 1;
        for (uint32_t k = 0; k < c.n; k++) {
            int symbolic;
            int64_t e = fu_extent(s, c.at[k], &symbolic);
            elements *= (double)e;
            if ((symbolic && e >= FU_NOMINAL) || elements > FU_TINY) return 0;
        }
    }
    return 1;
}

/* Class that varies slowest in v's largest operand. */
static fu_class outermost(const fu_state *s, ir_id v) {
    const ir_node *n = ir_at(s->g, v);
    const fu_edge *edge = s->node[v].edge;
    fu_class best = 0;
    double most = -1;
    for (uint32_t k = 0; k < n->n_in; k++) {
        const ir_node *x = ir_at(s->g, n->in[k]);
        double bytes = fu_bytes(s, n->in[k]);
        for (uint32_t a = 0; a < x->rank; a++) {
            fu_class c = edge[k].map[a] < 0 ? 0 : fu_class_of(s, v, (uint32_t)edge[k].map[a]);
            if (!c) continue;
            if (bytes > most) {
                most = bytes;
                best = c;
            }
            break;
        }
    }
    return best;
}

static fu_reason as_demotion(const fu_state *s, const fu_group *g, ir_id v, const classes *c, fu_join *join) {
    join->is_exit = 0;
    join->n_point = 0;
    for (uint32_t i = 0; i < g->n_point; i++)
        if (!folds(c, g->point[i])) join->point[join->n_point++] = g->point[i];
    if (enough_points(s, join->n_point, join->point)) return FU_OK;
    return join->n_point && is_tiny(s, g, v) ? FU_OK : FU_FEW_POINTS;
}

static fu_reason as_exit(const fu_state *s, const fu_group *g, const classes *c, fu_join *join) {
    join->is_exit = 1;
    join->n_point = 0;
    for (uint32_t i = 0; i < g->n_point; i++)
        if (folds(c, g->point[i])) join->point[join->n_point++] = g->point[i];
    if (join->n_point == g->n_point) return FU_OK;
    return enough_points(s, join->n_point, join->point) ? FU_OK : FU_FEW_POINTS;
}

static fu_reason settle(fu_state *s, ir_id v, int32_t gi, fu_join *join) {
    fu_roles roles;
    fu_reason reason = fu_find_roles(s, &s->group.at[gi], join->n_point, join->point, v, &roles);
    if (!reason && fu_count_axes(s, gi, join->n_point, &roles, v) > KN_MAX_AXES) reason = FU_BUDGET;
    return reason ? reason : test_budgets(s, v, join->is_exit, gi, &roles);
}

/* Every member must still cover the points, and exits fold all of them. */
static int members_cover(const fu_state *s, const fu_group *g, const fu_join *join) {
    for (uint32_t i = 0; i < g->member.n; i++) {
        classes c = classes_of(s, g->member.at[i]);
        int exit = s->node[g->member.at[i]].is_exit;
        if (exit && !join->n_point) return 0; /* no chunks to leave partials of */
        for (uint32_t k = 0; k < join->n_point; k++) {
            if (exit ? !folds(&c, join->point[k]) : !keeps(&c, join->point[k])) return 0;
        }
    }
    return 1;
}

fu_reason fu_test_group(fu_state *s, int32_t gi, int fewer) {
    const fu_group *g = &s->group.at[gi];
    fu_join join = {.n_point = g->n_point};
    memcpy(join.point, g->point, sizeof join.point);
    if (!members_cover(s, g, &join)) return FU_POINTS;
    for (uint32_t i = 0; i < g->combined.n; i++) {
        classes c = classes_of(s, g->combined.at[i]);
        for (uint32_t k = 0; k < g->n_point; k++)
            if (!keeps(&c, g->point[k])) return FU_POINTS;
    }
    if (fewer && !enough_points(s, g->n_point, g->point) && !is_tiny(s, g, 0)) return FU_FEW_POINTS;
    fu_roles roles;
    fu_reason reason = fu_find_roles(s, g, g->n_point, g->point, 0, &roles);
    if (!reason && fu_count_axes(s, gi, g->n_point, &roles, 0) > KN_MAX_AXES) reason = FU_BUDGET;
    return reason ? reason : test_budgets(s, 0, 0, gi, &roles);
}

static fu_reason test_points(fu_state *s, ir_id v, int32_t gi, fu_join *join) {
    const fu_group *g = &s->group.at[gi];
    classes c = classes_of(s, v);
    uint32_t folded = 0, kept = 0;
    fu_class first_folded = 0;
    for (uint32_t i = 0; i < g->n_point; i++) {
        kept += (uint32_t)keeps(&c, g->point[i]);
        if (folds(&c, g->point[i])) {
            if (!folded) first_folded = g->point[i];
            folded++;
        }
    }
    if (kept + folded < g->n_point) return FU_POINTS;
    if (g->full) return FU_BUDGET;
    if (!folded) {
        fu_class forced[KN_MAX_AXES];
        uint32_t n_forced = fu_forced(s, v, 0, forced);
        join->is_exit = 0;
        join->n_point = 0;
        for (uint32_t i = 0; i < g->n_point; i++) /* registers cannot be indexed by a point */
            if (!has(forced, n_forced, g->point[i])) join->point[join->n_point++] = g->point[i];
        if (join->n_point < g->n_point && !enough_points(s, join->n_point, join->point) &&
            !(join->n_point && is_tiny(s, g, v)))
            return FU_FEW_POINTS;
        return members_cover(s, g, join) ? settle(s, v, gi, join) : FU_POINTS;
    }
    /* Outermost in the largest operand: partials per chunk; else the folded axis becomes a loop inside the points. */
    int exit_first = outermost(s, v) == first_folded;
    fu_reason first = FU_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        int exit = (attempt == 0) == exit_first;
        fu_reason reason = exit ? as_exit(s, g, &c, join) : as_demotion(s, g, v, &c, join);
        if (!reason && !members_cover(s, g, join)) reason = FU_POINTS;
        if (!reason) reason = settle(s, v, gi, join);
        if (!reason) return FU_OK;
        if (attempt == 0) first = reason;
    }
    return first;
}

void fu_new_points(fu_state *s, ir_id v, fu_join *join) {
    classes c = classes_of(s, v);
    fu_class forced[KN_MAX_AXES];
    uint32_t n_forced = fu_forced(s, v, 0, forced);
    *join = (fu_join){0};
    double points = 1, folded = 1, longest = 0;
    int symbolic, any_symbolic = 0;
    for (uint32_t i = 0; i < c.n_axis; i++) {
        if (has(forced, n_forced, c.at[i])) continue;
        join->point[join->n_point++] = c.at[i];
        points *= (double)fu_extent(s, c.at[i], &symbolic);
        any_symbolic |= symbolic;
    }
    fu_class spread = 0;
    for (uint32_t i = c.n_axis; i < c.n; i++) {
        double e = (double)fu_extent(s, c.at[i], &symbolic);
        folded *= e;
        if (symbolic && e >= FU_NOMINAL) folded *= 8; /* nobody knows: better in parallel */
        if (has(forced, n_forced, c.at[i]) || e <= longest) continue;
        longest = e;
        spread = c.at[i];
    }
    int acc_symbolic;
    if (any_symbolic || !spread || folded <= FU_FOLD_POINTS) return;
    /* With enough results the folded axis is a loop, unless memory would be walked across: rows are summed as they lie.
     */
    if (points >= FU_MIN_POINTS && outermost(s, v) != spread) return;
    if (constant_elements(s, NULL, v, &acc_symbolic) > FU_ACC_BYTES || acc_symbolic) return;
    join->is_exit = 1;
    join->n_point = 1;
    join->point[0] = spread;
    fu_group alone = {0};
    fu_roles roles;
    if (fu_find_roles(s, &alone, 1, join->point, v, &roles) != FU_NEST) return;
    join->n_point = 0; /* the other folded axes cannot be loops inside of those that are kept: points, too */
    for (uint32_t i = c.n_axis; i < c.n; i++)
        if (!has(forced, n_forced, c.at[i])) join->point[join->n_point++] = c.at[i];
}

/* ---- the tests in order ------------------------------------------------------------------------------------------ */

typedef struct {
    fu_state *s;
    int32_t gi;
    fu_reason reason;
    double shared, outside;
    int sibling; /* what the group reads is marked in s->read */
} source_test;

static void test_source(void *arg, ir_id u, int pointwise) {
    source_test *t = arg;
    const fu_node *f = &t->s->node[u];
    int32_t provider = fu_provider(t->s, u);
    if (t->reason) return;
    if (in_group(t->s, u, t->gi) || (f->is_exit && f->combine == t->gi)) {
        if (!pointwise) t->reason = FU_SHIFTED;
        t->shared += fu_bytes(t->s, u);
        return;
    }
    if (provider >= 0 && (provider == t->gi || fu_before(t->s, t->gi, provider))) t->reason = FU_CYCLE;
    t->outside += fu_bytes(t->s, u);
    if (t->sibling && t->s->read[u] == t->s->read_now) t->shared += fu_bytes(t->s, u);
}

static void mark_read(void *arg, ir_id u, int pointwise) {
    fu_state *s = arg;
    (void)pointwise;
    s->read[u] = s->read_now;
}

/* Marks in s->read the values that the group's members read. */
static void mark_reads(fu_state *s, const fu_group *g) {
    s->read_now++;
    for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], mark_read, s);
}

fu_reason fu_try_join(fu_state *s, ir_id v, int32_t gi, int sibling, fu_join *join) {
    source_test t = {.s = s, .gi = gi, .sibling = sibling};
    if (sibling && !s->group.at[gi].full) mark_reads(s, &s->group.at[gi]);
    fu_sources(s, v, test_source, &t);
    if (t.reason) return t.reason;
    fu_reason reason = test_points(s, v, gi, join);
    if (reason) return reason;
    if (sibling && (t.shared < FU_LAUNCH_BYTES || 4 * t.shared < t.outside)) return FU_PROFIT;
    join->saved = t.shared + FU_LAUNCH_BYTES;
    return FU_OK;
}

/* ---- (e) in place ------------------------------------------------------------------------------------------------ */

typedef struct {
    fu_state *s;
    ir_id var;
    int found;
} var_search;

static void find_var(void *arg, ir_id u, int pointwise) {
    var_search *f = arg;
    (void)pointwise;
    if (u == f->var) f->found = 1;
}

/* Does a member's value, or an inline node below it, read the variable at another element than the store's? The store
 * is at the classes of the variable's own axes; a pointwise path keeps the classes. */
static void find_other_element(void *arg, ir_id u, int pointwise) {
    var_search *f = arg;
    if (u == f->var && !pointwise) f->found = 1;
}

/* Each assign may bring loops and partials of its own. */
static fu_reason test_axes(fu_state *s, const fu_assign *a, int32_t gi) {
    fu_group *g = &s->group.at[gi];
    fu_roles roles;
    int is_new = a->group != gi;
    if (is_new) *base_vec_push(&g->assign, s->arena) = (uint32_t)(a - s->assign.at);
    fu_reason reason = fu_find_roles(s, g, g->n_point, g->point, 0, &roles);
    if (!reason && fu_count_axes(s, gi, g->n_point, &roles, 0) > KN_MAX_AXES) reason = FU_BUDGET;
    g->assign.n -= (uint32_t)is_new;
    return reason;
}

fu_reason fu_try_assign(fu_state *s, const fu_assign *a, int32_t gi) {
    const fu_group *g = &s->group.at[gi];
    source_test t = {.s = s, .gi = gi};
    fu_value_sources(s, a->value, test_source, &t);
    if (t.reason) return t.reason;
    classes c = classes_of(s, a->value);
    c.n = c.n_axis;
    for (uint32_t i = 0; i < g->n_point; i++)
        if (!keeps(&c, g->point[i])) return FU_POINTS;
    fu_class forced[KN_MAX_AXES];
    uint32_t n_forced = fu_forced(s, a->value, 1, forced);
    for (uint32_t i = 0; i < n_forced; i++)
        if (has(g->point, g->n_point, forced[i])) return FU_BUDGET;
    fu_reason reason = test_axes(s, a, gi);
    if (reason || !a->is_var) return reason;
    ir_id var = s->g->var.at[a->var].node;
    /* One that nobody reads has axes that nothing is tied to. */
    for (uint32_t i = 0; var && s->node[var].needed && i < s->node[var].n_axis; i++)
        if (fu_class_of(s, var, i) != fu_class_of(s, a->value, i)) return FU_IN_PLACE;
    /* A part without all of the variable's axes as axes of the tile reads it at chunk entry, while other chunks store.
     */
    for (uint32_t i = 0; i < g->member.n + g->assign.n; i++) {
        var_search f = {s, var, 0}, any = {s, var, 0};
        if (i < g->member.n) {
            fu_sources(s, g->member.at[i], find_other_element, &f);
            fu_sources(s, g->member.at[i], find_var, &any);
        } else {
            fu_value_sources(s, s->assign.at[g->assign.at[i - g->member.n]].value, find_other_element, &f);
        }
        if (f.found) return FU_IN_PLACE;
        if (any.found && g->n_point)
            for (uint32_t k = 0; k < g->n_point; k++) {
                int covered = 0;
                for (uint32_t x = 0; x < s->node[var].n_axis; x++) covered |= fu_class_of(s, var, x) == g->point[k];
                if (!covered) return FU_IN_PLACE;
            }
    }
    for (uint32_t i = 0; i < s->var_reader[a->var].n; i++) {
        int32_t r = s->var_reader[a->var].at[i];
        if (r != gi && fu_before(s, gi, r)) return FU_IN_PLACE;
    }
    return FU_OK;
}
