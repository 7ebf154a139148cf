/* Merging of groups, after every node has one. Nodes are placed in id order, so a side branch (a mask, a target) may
 * have started a group before its only reader's group could take it. Two groups become one if nothing lies between
 * them, neither reads an exit or another point of the other's, the points of one cover all members of both, and the
 * budgets hold. */
#include <string.h>

#include "ir/fuse.h"

static int is_empty(const fu_group *g) { return !g->member.n && !g->combined.n && !g->assign.n; }

typedef struct {
    fu_state *s;
    int32_t from, to; /* groups: does `to` read values of `from`? */
    int reads, refused;
    double bytes;
    int siblings; /* what `from` reads is marked in s->read */
} link;

static void find_link(void *arg, ir_id u, int pointwise) {
    link *l = arg;
    const fu_node *f = &l->s->node[u];
    if (l->siblings && l->s->read[u] == l->s->read_now) l->bytes += fu_bytes(l->s, u);
    if (fu_provider(l->s, u) != l->from) return;
    l->reads = 1;
    l->bytes += fu_bytes(l->s, u);
    int combined_there = f->is_exit && f->combine == l->from;
    if (!pointwise || (f->is_exit && !combined_there)) l->refused = 1;
}

static void each_source(fu_state *s, const fu_group *g, fu_visit visit, void *arg) {
    for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], visit, arg);
}

/* Is there a group between the two? Then one of them would have to run both before and after it. */
static int has_between(const fu_state *s, int32_t a, int32_t b) {
    for (int32_t x = 0; x < (int32_t)s->group.n; x++) {
        if (x == a || x == b || is_empty(&s->group.at[x])) continue;
        if ((fu_before(s, a, x) && fu_before(s, x, b)) || (fu_before(s, b, x) && fu_before(s, x, a))) return 1;
    }
    return 0;
}

static void sorted_union(fu_state *s, fu_group *out, const fu_group *a, const fu_group *b) {
    out->member.n = out->member.cap = 0;
    out->member.at = NULL;
    uint32_t i = 0, k = 0;
    while (i < a->member.n || k < b->member.n) {
        int first = k == b->member.n || (i < a->member.n && a->member.at[i] < b->member.at[k]);
        *base_vec_push(&out->member, s->arena) = first ? a->member.at[i++] : b->member.at[k++];
    }
    out->combined.n = out->combined.cap = 0;
    out->combined.at = NULL;
    for (i = 0; i < a->combined.n; i++) *base_vec_push(&out->combined, s->arena) = a->combined.at[i];
    for (i = 0; i < b->combined.n; i++) *base_vec_push(&out->combined, s->arena) = b->combined.at[i];
}

static void set_home(fu_state *s, const fu_group *g, int32_t gi) {
    for (uint32_t i = 0; i < g->member.n; i++) s->node[g->member.at[i]].group = gi;
    for (uint32_t i = 0; i < g->combined.n; i++) s->node[g->combined.at[i]].combine = gi;
}

static int same_points(const fu_group *a, const fu_group *b) {
    if (a->n_point != b->n_point) return 0;
    for (uint32_t i = 0; i < a->n_point; i++) {
        int found = 0;
        for (uint32_t k = 0; k < b->n_point; k++) found |= a->point[i] == b->point[k];
        if (!found) return 0;
    }
    return 1;
}

/* Tries the points of either group for both; on success the union is group b and a is empty. */
static fu_reason try_merge(fu_state *s, int32_t a, int32_t b) {
    fu_group old_a = s->group.at[a], old_b = s->group.at[b], both = old_b;
    fu_reason reason = FU_POINTS;
    sorted_union(s, &both, &old_a, &old_b);
    for (int attempt = 0; attempt < 2; attempt++) {
        const fu_group *points = (attempt == 0) == (old_a.n_point < old_b.n_point) ? &old_a : &old_b;
        both.n_point = points->n_point;
        memcpy(both.point, points->point, sizeof both.point);
        s->group.at[b] = both;
        s->group.at[a].member.n = s->group.at[a].combined.n = 0;
        set_home(s, &both, b);
        reason = fu_test_group(s, b, both.n_point < old_a.n_point || both.n_point < old_b.n_point);
        if (!reason) {
            for (int32_t x = 0; x < (int32_t)s->group.n; x++) /* what had to wait for a, and for what a waits, is b's */
                if (fu_before(s, a, x)) fu_add_before(s, b, x);
            for (int32_t x = 0; x < (int32_t)s->group.n; x++)
                if (x != b && (s->group.at[a].before[x / 64] >> (x % 64) & 1)) fu_add_before(s, x, b);
            memset(s->group.at[a].before, 0, s->words * sizeof(uint64_t));
            for (int32_t x = 0; x < (int32_t)s->group.n; x++)
                s->group.at[x].before[a / 64] &= ~((uint64_t)1 << (a % 64));
            return FU_OK;
        }
        s->group.at[a] = old_a;
        s->group.at[b] = old_b;
        set_home(s, &old_a, a);
        set_home(s, &old_b, b);
        if (old_a.n_point == old_b.n_point) break;
    }
    return reason;
}

/* Group a's values are read in b; or both read the same large value, and neither has to give up points for that. */
static int consider(fu_state *s, int32_t a, int32_t b) {
    const fu_group *ga = &s->group.at[a], *gb = &s->group.at[b];
    if (is_empty(ga) || is_empty(gb) || ga->alone || gb->alone || fu_before(s, b, a)) return 0;
    link l = {.s = s, .from = a, .to = b};
    if (fu_before(s, a, b)) {
        each_source(s, gb, find_link, &l);
        if (!l.reads || l.refused) return 0;
    } else {
        if (!same_points(ga, gb)) return 0;
        fu_mark_reads(s, ga);
        l.siblings = 1;
        each_source(s, gb, find_link, &l);
        if (l.bytes < FU_LAUNCH_BYTES) return 0;
    }
    if (has_between(s, a, b)) {
        base_strbuf_printf(&s->why, "g%d with g%d: not merged: %s\n", (int)a, (int)b, fu_reason_text(FU_CYCLE));
        return 0;
    }
    fu_reason reason = try_merge(s, a, b);
    if (reason)
        base_strbuf_printf(&s->why, "g%d with g%d: not merged: %s\n", (int)a, (int)b, fu_reason_text(reason));
    else
        base_strbuf_printf(&s->why, "g%d merged into g%d, saves %.0f bytes\n", (int)a, (int)b, l.bytes);
    return !reason;
}

void fu_merge(fu_state *s) {
    for (int changed = 1; changed;) {
        changed = 0;
        for (int32_t b = 0; b < (int32_t)s->group.n; b++)
            for (int32_t a = (int32_t)s->group.n - 1; a >= 0; a--)
                if (a != b && consider(s, a, b)) changed = 1;
    }
}
