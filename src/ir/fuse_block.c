/* Groups whose values lie across each other in memory, as in A + transpose(B): some accesses are contiguous along one
 * class, others along another. One of the two becomes a loop, the other the last point class, so that a tile of points
 * and a vector along the loop are a block that is read and written as whole lines of memory and transposed in
 * registers. Runs on finished groups: what is fused does not depend on it. */
#include <math.h>
#include <string.h>

#include "ir/fuse.h"

enum { MAX_ACCESSES = 64 };

typedef struct {
    fu_class along; /* contiguous */
    uint32_t n;     /* .. and all classes that it varies over */
    fu_class over[SN_MAX_RANK];
    double bytes; /* stores twice: their lines are read and written */
} access;

typedef struct {
    fu_state *s;
    int32_t gi;
    uint32_t n;
    access at[MAX_ACCESSES];
} search;

/* ---- accesses ---------------------------------------------------------------------------------------------------- */

/* Of a tensor at its own classes, or at those that edge gives it in reader. */
static void note(search *t, ir_id tensor, const fu_edge *edge, ir_id reader, double weight) {
    const fu_state *s = t->s;
    const ir_node *n = ir_at(s->g, tensor);
    access a = {.bytes = weight * fu_bytes(s, tensor)};
    int64_t one;
    for (uint32_t i = n->rank; i-- > 0;) {
        fu_class c = !edge               ? fu_class_of(s, tensor, i)
                     : edge->map[i] >= 0 ? fu_class_of(s, reader, (uint32_t)edge->map[i])
                                         : 0;
        if (!c && ir_dim_is_const(s->g, n->dim[i], &one) && one == 1) continue;
        if (!c && !a.n) return; /* the contiguous axis is not walked */
        if (c && !a.n) a.along = c;
        if (c) a.over[a.n++] = c;
    }
    if (a.n > 1 && t->n < MAX_ACCESSES) t->at[t->n++] = a;
}

static void walk_operands(search *t, ir_id v);

static void walk(search *t, ir_id u) {
    const fu_node *f = &t->s->node[u];
    if (t->s->stamp[u] == 2 * t->s->now || (f->kind == FU_HOME && f->group == t->gi)) return;
    t->s->stamp[u] = 2 * t->s->now;
    if (f->kind == FU_INLINE)
        walk_operands(t, u);
    else
        note(t, u, NULL, u, 1);
}

static void walk_operands(search *t, ir_id v) {
    const ir_node *n = ir_at(t->s->g, v);
    for (uint32_t k = 0; k < n->n_in; k++) {
        const fu_edge *edge = &t->s->node[v].edge[k];
        if (edge->pointwise)
            walk(t, n->in[k]);
        else
            note(t, n->in[k], edge, v, 1);
    }
}

static void find_accesses(search *t, const fu_group *g) {
    fu_state *s = t->s;
    s->now++;
    for (uint32_t i = 0; i < g->member.n; i++) {
        ir_id v = g->member.at[i];
        walk_operands(t, v);
        if (s->node[v].stored && !s->node[v].is_exit) note(t, v, NULL, v, 2);
    }
    for (uint32_t i = 0; i < g->assign.n; i++) {
        ir_id v = s->assign.at[g->assign.at[i]].value;
        walk(t, v);
        note(t, v, NULL, v, 2);
    }
}

static int varies(const access *a, fu_class c) {
    for (uint32_t i = 0; i < a->n; i++)
        if (a->over[i] == c) return 1;
    return 0;
}

/* Bytes of the accesses that are contiguous along c and vary over other, too. */
static double bytes_along(const search *t, fu_class c, fu_class other) {
    double bytes = 0;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->at[i].along == c && varies(&t->at[i], other)) bytes += t->at[i].bytes;
    return bytes;
}

/* ---- which class becomes the loop -------------------------------------------------------------------------------- */

static int place_of(const fu_group *g, fu_class c) {
    for (int i = 0; i < g->n_point; i++)
        if (g->point[i] == c) return i;
    return -1;
}

/* The class that stands just before c in every access that has either; 0: none. Lowering makes one axis of the two. */
static fu_class outer_of(const search *t, fu_class c) {
    fu_class outer = 0;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < t->n; i++) {
            const access *a = &t->at[i];
            for (uint32_t k = 0; k < a->n; k++) { /* innermost first */
                fu_class next = k + 1 < a->n ? a->over[k + 1] : 0;
                if (a->over[k] == c && (!next || (outer && next != outer))) return 0;
                if (a->over[k] == c) outer = next;
                if (a->over[k] == outer && (k == 0 || a->over[k - 1] != c) && pass) return 0;
            }
        }
    return outer;
}

static double extent_of_last(const search *t, const fu_group *g, fu_class last, fu_class loop) {
    double extent = (double)fu_extent(t->s, last, NULL);
    for (fu_class c = outer_of(t, last); c && c != loop && place_of(g, c) >= 0; c = outer_of(t, c))
        extent *= (double)fu_extent(t->s, c, NULL);
    return extent;
}

static double blocks_along(double extent) { return ceil(extent / FU_BLOCK_EXTENT); }

/* What is computed, in blocks, to what is kept. */
static double waste(const search *t, const fu_group *g, fu_class last, fu_class loop) {
    int symbolic;
    double points = extent_of_last(t, g, last, loop), n = (double)fu_extent(t->s, loop, &symbolic);
    double of_points = blocks_along(points) * FU_BLOCK_EXTENT / points;
    return symbolic || n > FU_UNROLL_EXTENT ? of_points * blocks_along(n) * FU_BLOCK_EXTENT / n : of_points;
}

/* Tiles of the group if the class is last among the points and loop is none of them. */
static double tiles_with(const search *t, const fu_group *g, fu_class last, fu_class loop) {
    double points = 1, extent = extent_of_last(t, g, last, loop);
    for (uint32_t i = 0; i < g->n_point; i++)
        if (g->point[i] != loop) points *= (double)fu_extent(t->s, g->point[i], NULL);
    return points / extent * blocks_along(extent);
}

static int is_large(const search *t) {
    const fu_state *s = t->s;
    for (uint32_t i = 0; i < t->n; i++) {
        int symbolic, any = 0;
        for (uint32_t k = 0; k < t->at[i].n; k++) {
            fu_extent(s, t->at[i].over[k], &symbolic);
            any |= symbolic;
        }
        if (any || t->at[i].bytes > FU_BLOCK_ALONE) return 1;
    }
    return 0;
}

static int is_worth(const search *t, const fu_group *g, fu_class last, fu_class loop) {
    if (place_of(g, last) < 0) return 0;
    if (place_of(g, loop) < 0) return 1; /* it is a loop anyway */
    if (fu_extent(t->s, loop, NULL) <= 2 || extent_of_last(t, g, last, loop) < FU_BLOCK_EXTENT) return 0;
    if (waste(t, g, last, loop) > FU_BLOCK_WASTE) return 0;
    return !is_large(t) || tiles_with(t, g, last, loop) >= FU_BLOCK_TILES;
}

/* Rearranges the points if the group still passes the tests. */
static int arrange(fu_state *s, int32_t gi, fu_class last, fu_class loop) {
    fu_group *g = &s->group.at[gi];
    const fu_group old = *g;
    g->n_point = 0;
    for (uint32_t i = 0; i < old.n_point; i++)
        if (old.point[i] != last && old.point[i] != loop) g->point[g->n_point++] = old.point[i];
    g->point[g->n_point++] = last;
    if (fu_test_group(s, gi, 0) == FU_OK) return 1;
    memcpy(g->point, old.point, sizeof g->point);
    g->n_point = old.n_point;
    return 0;
}

static void explain(fu_state *s, int32_t gi, fu_class last, fu_class loop) {
    base_strbuf_printf(&s->why, "g%d reads or writes memory across itself: in blocks, points along ", (int)gi);
    ir_print_dim(s->g, s->extent[last], &s->why);
    base_strbuf_puts(&s->why, ", a loop along ");
    ir_print_dim(s->g, s->extent[loop], &s->why);
    base_strbuf_puts(&s->why, "\n");
}

static void consider(fu_state *s, int32_t gi) {
    const fu_group *g = &s->group.at[gi];
    search t = {.s = s, .gi = gi};
    fu_class best[2] = {0, 0};
    double most = 0;
    if (!g->n_point || g->alone || g->gemm) return;
    find_accesses(&t, g);
    for (uint32_t i = 0; i < t.n; i++)
        for (uint32_t k = 0; k < t.n; k++) {
            fu_class x = t.at[i].along, y = t.at[k].along;
            double along_x = bytes_along(&t, x, y), along_y = bytes_along(&t, y, x);
            double least = along_x < along_y ? along_x : along_y;
            if (x == y || along_x < along_y || least < FU_BLOCK_BYTES || least <= most) continue;
            if (place_of(g, x) < 0 && place_of(g, y) < 0) continue;
            most = least;
            best[0] = x; /* most of the bytes lie along this one: it needs no transposing as the loop */
            best[1] = y;
        }
    if (most <= 0) return;
    int first = is_worth(&t, g, best[0], best[1]) && is_worth(&t, g, best[1], best[0]) &&
                waste(&t, g, best[1], best[0]) > FU_BLOCK_MORE * waste(&t, g, best[0], best[1]);
    for (int i = 0; i < 2; i++) {
        fu_class loop = best[first ^ i], last = best[!(first ^ i)];
        if (!is_worth(&t, g, last, loop)) continue;
        if (place_of(g, loop) < 0 && place_of(g, last) == g->n_point - 1) return; /* so it is */
        if (!arrange(s, gi, last, loop)) continue;
        explain(s, gi, last, loop);
        return;
    }
}

void fu_find_blocks(fu_state *s) {
    for (int32_t gi = 0; gi < (int32_t)s->group.n; gi++) consider(s, gi);
}
