/* Merging of groups, after every node has one. Nodes are placed in id order, so a side branch (a mask, a target) may
 * have started a group before its only reader's group could take it. Two groups become one if nothing lies between
 * them, neither reads an exit or another point of the other's, the points of one cover all members of both, and the
 * budgets hold. */
#include <stdlib.h>
#include <string.h>

#include "ir/fuse.h"

/* What a group reads, in and outside of itself. */
typedef struct {
    ir_id u;
    uint32_t visits; /* by members */
    uint8_t shifted; /* some read it at another point */
} source;

/* The other way round: the groups that read a value, in ascending order. */
typedef struct {
    fu_state *s;
    BASE_VEC(source) * of; /* per group */
    fu_groups *reader;     /* per graph node */
    int32_t gi;            /* whose members are walked */
    uint32_t *mark, now;   /* per group: a candidate of this turn */
    fu_groups list;        /* .. all of them */
} links;

static void note_source(void *arg, ir_id u, int pointwise) {
    links *l = arg;
    fu_state *s = l->s;
    if (s->read[u] != s->read_now) { /* stamp[] is the walk's; test[] is free, and tells where u stands */
        s->read[u] = s->read_now;
        s->test[u].level = l->of[l->gi].n;
        *base_vec_push(&l->of[l->gi], s->arena) = (source){u, 0, 0};
        *base_vec_push(&l->reader[u], s->arena) = l->gi;
    }
    source *x = &l->of[l->gi].at[s->test[u].level];
    x->visits++;
    x->shifted |= (uint8_t)!pointwise;
}

static void find_links(links *l) {
    fu_state *s = l->s;
    for (l->gi = 0; l->gi < (int32_t)s->group.n; l->gi++) {
        const fu_group *g = &s->group.at[l->gi];
        s->read_now++;
        for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], note_source, l);
    }
}

/* Where a group stands, or would stand, among the readers of a value. */
static uint32_t place_among(const fu_groups *readers, int32_t gi) {
    uint32_t low = 0, high = readers->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (readers->at[mid] < gi)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void add_reader(links *l, ir_id u, int32_t gi) {
    fu_groups *r = &l->reader[u];
    uint32_t at = place_among(r, gi);
    if (at < r->n && r->at[at] == gi) return;
    *base_vec_push(r, l->s->arena) = gi;
    memmove(r->at + at + 1, r->at + at, (r->n - 1 - at) * sizeof *r->at);
    r->at[at] = gi;
}

/* Group b reads what a read. */
static void merge_links(links *l, int32_t a, int32_t b) {
    fu_state *s = l->s;
    s->read_now++;
    for (uint32_t i = 0; i < l->of[b].n; i++) {
        s->read[l->of[b].at[i].u] = s->read_now;
        s->test[l->of[b].at[i].u].level = i;
    }
    for (uint32_t i = 0; i < l->of[a].n; i++) {
        source x = l->of[a].at[i];
        if (s->read[x.u] != s->read_now) {
            *base_vec_push(&l->of[b], s->arena) = x;
            add_reader(l, x.u, b);
            continue;
        }
        source *y = &l->of[b].at[s->test[x.u].level];
        y->visits += x.visits;
        y->shifted |= x.shifted;
    }
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
            fu_merge_order(s, a, b);
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

/* Bytes that b reads of a's values; less than 0 if it may not do so in one kernel. *reads: does it at all? */
static double read_of(const links *l, int32_t a, int32_t b, int *reads) {
    const fu_state *s = l->s;
    double bytes = 0;
    *reads = 0;
    for (uint32_t i = 0; i < l->of[b].n; i++) {
        const source *x = &l->of[b].at[i];
        const fu_node *f = &s->node[x->u];
        if (fu_provider(s, x->u) != a) continue;
        *reads = 1;
        int combined_there = f->is_exit && f->combine == a;
        if (x->shifted || (f->is_exit && !combined_there)) return -1;
        bytes += x->visits * fu_bytes(s, x->u);
    }
    return bytes;
}

/* Bytes that b reads of what a reads, too. */
static double read_by_both(links *l, int32_t a, int32_t b) {
    fu_state *s = l->s;
    double bytes = 0;
    s->read_now++;
    for (uint32_t i = 0; i < l->of[a].n; i++) s->read[l->of[a].at[i].u] = s->read_now;
    for (uint32_t i = 0; i < l->of[b].n; i++)
        if (s->read[l->of[b].at[i].u] == s->read_now) bytes += l->of[b].at[i].visits * fu_bytes(s, l->of[b].at[i].u);
    return bytes;
}

/* Group a's values are read in b; or both read the same large value, and neither has to give up points for that. */
static int consider(links *l, int32_t a, int32_t b) {
    fu_state *s = l->s;
    const fu_group *ga = &s->group.at[a], *gb = &s->group.at[b];
    double bytes;
    if (fu_is_empty(ga) || fu_is_empty(gb) || ga->alone || gb->alone || fu_before(s, b, a)) return 0;
    s->work += l->of[a].n + l->of[b].n;
    if (fu_before(s, a, b)) {
        int reads;
        bytes = read_of(l, a, b, &reads);
        if (!reads || bytes < 0) return 0;
    } else {
        if (!same_points(ga, gb)) return 0;
        bytes = read_by_both(l, a, b);
        if (bytes < FU_LAUNCH_BYTES) return 0;
    }
    if (fu_before(s, a, b) && fu_has_between(s, a, b)) {
        base_strbuf_printf(&s->why, "g%d with g%d: not merged: %s\n", (int)a, (int)b, fu_reason_text(FU_CYCLE));
        return 0;
    }
    fu_reason reason = try_merge(s, a, b);
    if (reason) {
        base_strbuf_printf(&s->why, "g%d with g%d: not merged: %s\n", (int)a, (int)b, fu_reason_text(reason));
        return 0;
    }
    base_strbuf_printf(&s->why, "g%d merged into g%d, saves %.0f bytes\n", (int)a, (int)b, bytes);
    merge_links(l, a, b);
    return 1;
}

static void add_candidate(links *l, int32_t gi) {
    if (gi < 0 || l->mark[gi] == l->now) return;
    l->mark[gi] = l->now;
    *base_vec_push(&l->list, l->s->arena) = gi;
}

static int descending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x < y) - (x > y);
}

/* The groups that make what b reads, and the nearest of those that read it, too; the last first. */
static void find_candidates(links *l, int32_t b) {
    l->now++;
    l->list.n = 0;
    for (uint32_t i = 0; i < l->of[b].n; i++) {
        ir_id u = l->of[b].at[i].u;
        add_candidate(l, fu_provider(l->s, u));
        const fu_groups *r = &l->reader[u];
        uint32_t at = place_among(r, b), first = at, end = at;
        for (uint32_t n = 0; first > 0 && n < FU_SIBLINGS; n += !fu_is_empty(&l->s->group.at[r->at[first]])) first--;
        for (uint32_t n = 0; end < r->n && n < FU_SIBLINGS; end++) n += !fu_is_empty(&l->s->group.at[r->at[end]]);
        for (uint32_t k = first; k < end; k++) add_candidate(l, r->at[k]);
        l->s->work += end - first;
    }
    if (l->list.n) qsort(l->list.at, l->list.n, sizeof *l->list.at, descending);
}

void fu_merge(fu_state *s) {
    uint32_t n = s->group.n;
    links l = {.s = s,
               .of = base_arena_array(s->arena, n, sizeof *l.of),
               .reader = ARENA_ARRAY(s->arena, fu_groups, s->g->node.n),
               .mark = ARENA_ARRAY(s->arena, uint32_t, n)};
    find_links(&l);
    for (int changed = 1; changed;) {
        changed = 0;
        for (int32_t b = 0; b < (int32_t)n; b++) {
            if (fu_is_empty(&s->group.at[b])) continue;
            find_candidates(&l, b);
            for (uint32_t i = 0; i < l.list.n; i++) {
                int32_t a = l.list.at[i];
                if (a == b || !consider(&l, a, b)) continue;
                changed = 1;
                find_candidates(&l, b); /* b reads more now: go on below a */
                for (i = 0; i < l.list.n && l.list.at[i] > a;) i++;
                i--;
            }
        }
    }
}
