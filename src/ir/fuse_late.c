/* Late placement between groups. A node joins the group of its operands, but it may be read in one later group alone
 * (the derivative of an activation). Then it moves there, with the nodes that only it needs, if that group can read
 * their operands for less traffic than storing and reading the node itself. Nothing is computed twice. */
#include <string.h>

#include "ir/fuse.h"

enum { NOBODY = -1, SEVERAL = -2 };

/* One that reads a value: a member, or 0 for a root. */
typedef struct reading {
    ir_id by;
    struct reading *next;
} reading;

typedef struct {
    fu_state *s;
    reading **readings;    /* per graph node */
    uint32_t *read_there;  /* per graph node: read by group `to` as it is, if it is now */
    uint32_t *moving, now; /* per graph node */
    uint8_t *updated;      /* per variable of the graph */
    BASE_VEC(ir_id) list;  /* of those that move */
    ir_id reader;          /* whose operands are walked, or 0 */
    int32_t from, to;
    double cost;
    int refused;
} late;

static void note_reading(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    (void)pointwise;
    reading *r = ARENA_NEW(l->s->arena, reading);
    *r = (reading){l->reader, l->readings[u]};
    l->readings[u] = r;
}

static void find_readers(late *l) {
    fu_state *s = l->s;
    for (uint32_t gi = 0; gi < s->group.n; gi++)
        for (uint32_t i = 0; i < s->group.at[gi].member.n; i++) {
            l->reader = s->group.at[gi].member.at[i];
            fu_sources(s, l->reader, note_reading, l);
        }
    l->reader = 0; /* one that no node can follow */
    for (uint32_t i = 0; i < s->roots->n_out; i++) fu_value_sources(s, s->roots->out[i], note_reading, l);
    for (uint32_t i = 0; i < s->roots->n_update; i++) fu_value_sources(s, s->roots->update[i], note_reading, l);
}

/* The group that reads the value, NOBODY or SEVERAL (or a root). */
static int32_t reader_of(const late *l, ir_id u) {
    int32_t found = NOBODY;
    for (const reading *r = l->readings[u]; r; r = r->next) {
        int32_t gi = r->by ? l->s->node[r->by].group : SEVERAL;
        if (gi == SEVERAL || (found != NOBODY && gi != found)) return SEVERAL;
        found = gi;
    }
    return found;
}

static int may_move(const fu_state *s, ir_id v) {
    const fu_node *f = &s->node[v];
    return f->kind == FU_HOME && f->needed && !f->is_exit && !f->in_memory && !s->group.at[f->group].alone &&
           ir_ops[ir_at(s->g, v)->op].cls == IR_CLASS_EWISE;
}

static void mark(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    (void)pointwise;
    l->read_there[u] = l->now;
}

static int is_updated(const late *l, ir_id v) {
    const ir_node *n = ir_at(l->s->g, v);
    return n->op == IR_VAR && l->updated[n->attr[0]];
}

/* A source of a node that moves: moves along if only such nodes read it, else it is read from memory. */
static void follow(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    const fu_node *f = &l->s->node[u];
    (void)pointwise;
    if (l->moving[u] == l->now || l->read_there[u] == l->now) return;
    if (f->kind == FU_HOME && f->group == l->from && reader_of(l, u) == l->from) {
        if (!may_move(l->s, u)) l->refused = 1;
        l->moving[u] = l->now;
        *base_vec_push(&l->list, l->s->arena) = u;
        return;
    }
    /* Partials would be combined once more, and a variable's old value might have to wait for this reader. */
    if (f->is_exit || is_updated(l, u)) l->refused = 1;
    l->cost += fu_bytes(l->s, u);
}

static void stay(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    (void)pointwise;
    if (l->moving[u] == l->now) l->refused = 1;
}

/* Moves the list's nodes, if the group that they come to still passes the tests. */
static int move(late *l) {
    fu_state *s = l->s;
    fu_group from = s->group.at[l->from], to = s->group.at[l->to];
    fu_group *new_from = &s->group.at[l->from], *new_to = &s->group.at[l->to];
    new_from->member.n = new_from->member.cap = new_to->member.n = new_to->member.cap = 0;
    new_from->member.at = new_to->member.at = NULL;
    for (uint32_t i = 0, k = 0; i < from.member.n || k < to.member.n;) { /* both are in id order, and stay so */
        int first = k == to.member.n || (i < from.member.n && from.member.at[i] < to.member.at[k]);
        ir_id v = first ? from.member.at[i++] : to.member.at[k++];
        if (first && l->moving[v] != l->now)
            *base_vec_push(&new_from->member, s->arena) = v;
        else
            *base_vec_push(&new_to->member, s->arena) = v;
    }
    for (uint32_t i = 0; i < l->list.n; i++) s->node[l->list.at[i]].group = l->to;
    if (!fu_test_group(s, l->to, 0)) return 1;
    for (uint32_t i = 0; i < l->list.n; i++) s->node[l->list.at[i]].group = l->from;
    s->group.at[l->from] = from;
    s->group.at[l->to] = to;
    return 0;
}

static void consider(late *l, ir_id v) {
    fu_state *s = l->s;
    l->from = s->node[v].group;
    l->to = reader_of(l, v);
    if (l->to < 0 || l->to == l->from || s->group.at[l->to].alone) return;
    const fu_group *to = &s->group.at[l->to], *from = &s->group.at[l->from];
    l->now++;
    for (uint32_t i = 0; i < to->member.n; i++) fu_sources(s, to->member.at[i], mark, l);
    l->cost = 0;
    l->refused = 0;
    l->list.n = 0;
    l->moving[v] = l->now;
    *base_vec_push(&l->list, s->arena) = v;
    for (uint32_t i = 0; i < l->list.n && !l->refused; i++) fu_sources(s, l->list.at[i], follow, l);
    for (uint32_t i = 0; i < from->member.n && !l->refused; i++)
        if (l->moving[from->member.at[i]] != l->now) fu_sources(s, from->member.at[i], stay, l);
    double saved = 2 * fu_bytes(s, v) - l->cost;
    if (l->refused || saved <= 0) return;
    int32_t old = l->from;
    if (!move(l)) return;
    base_strbuf_printf(&s->why, "%%%u moved from g%d to g%d, which alone reads it, saves %.0f bytes\n", v, (int)old,
                       (int)l->to, saved);
}

void fu_place_late(fu_state *s) {
    uint32_t n = s->g->node.n;
    late l = {.s = s,
              .readings = ARENA_ARRAY(s->arena, reading *, n),
              .read_there = ARENA_ARRAY(s->arena, uint32_t, n),
              .moving = ARENA_ARRAY(s->arena, uint32_t, n),
              .updated = ARENA_ARRAY(s->arena, uint8_t, s->g->var.n)};
    for (uint32_t i = 0; i < s->roots->n_update; i++) l.updated[s->roots->update_var[i]] = 1;
    find_readers(&l);
    for (ir_id v = n; v-- > 1;)
        if (may_move(s, v)) consider(&l, v);
}
