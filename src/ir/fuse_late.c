/* Late placement between groups. A node joins the group of its operands, but it may be read in one later group alone
 * (the derivative of an activation). Then it moves there, with the nodes that only it needs, if that group can read
 * their operands for less traffic than storing and reading the node itself. Nothing is computed twice. */
#include <string.h>

#include "ir/fuse.h"

enum { NOBODY = -1, SEVERAL = -2 };

typedef struct {
    fu_state *s;
    int32_t *reader;      /* per graph node: the group that reads it, NOBODY or SEVERAL (or a root) */
    uint8_t *read_there;  /* per graph node: read by group `to` as it is */
    uint8_t *moving;      /* per graph node */
    BASE_VEC(ir_id) list; /* of those that move */
    int32_t group;        /* whose members are walked */
    int32_t from, to;
    double cost;
    int refused;
} late;

static void note_reader(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    (void)pointwise;
    if (l->reader[u] == NOBODY)
        l->reader[u] = l->group;
    else if (l->reader[u] != l->group)
        l->reader[u] = SEVERAL;
}

static void find_readers(late *l) {
    fu_state *s = l->s;
    for (ir_id v = 0; v < s->g->node.n; v++) l->reader[v] = NOBODY;
    for (l->group = 0; l->group < (int32_t)s->group.n; l->group++) {
        const fu_group *g = &s->group.at[l->group];
        for (uint32_t i = 0; i < g->member.n; i++) fu_sources(s, g->member.at[i], note_reader, l);
    }
    l->group = SEVERAL; /* a reader that no node can follow */
    for (uint32_t i = 0; i < s->roots->n_out; i++) fu_value_sources(s, s->roots->out[i], note_reader, l);
    for (uint32_t i = 0; i < s->roots->n_update; i++) fu_value_sources(s, s->roots->update[i], note_reader, l);
}

static int may_move(const fu_state *s, ir_id v) {
    const fu_node *f = &s->node[v];
    return f->kind == FU_HOME && f->needed && !f->is_exit && !f->in_memory && !s->group.at[f->group].alone &&
           ir_ops[ir_at(s->g, v)->op].cls == IR_CLASS_EWISE;
}

static void mark(void *arg, ir_id u, int pointwise) {
    (void)pointwise;
    ((uint8_t *)arg)[u] = 1;
}

static int is_updated(const fu_state *s, ir_id v) {
    const ir_node *n = ir_at(s->g, v);
    for (uint32_t i = 0; n->op == IR_VAR && i < s->roots->n_update; i++)
        if (s->roots->update_var[i] == (uint32_t)n->attr[0]) return 1;
    return 0;
}

/* A source of a node that moves: moves along if only such nodes read it, else it is read from memory. */
static void follow(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    const fu_node *f = &l->s->node[u];
    (void)pointwise;
    if (l->moving[u] || l->read_there[u]) return;
    if (f->kind == FU_HOME && f->group == l->from && l->reader[u] == l->from) {
        if (!may_move(l->s, u)) l->refused = 1;
        l->moving[u] = 1;
        *base_vec_push(&l->list, l->s->arena) = u;
        return;
    }
    /* Partials would be combined once more, and a variable's old value might have to wait for this reader. */
    if (f->is_exit || is_updated(l->s, u)) l->refused = 1;
    l->cost += fu_bytes(l->s, u);
}

static void stay(void *arg, ir_id u, int pointwise) {
    late *l = arg;
    (void)pointwise;
    if (l->moving[u]) l->refused = 1;
}

/* Moves the list's nodes, if the group that they come to still passes the tests. */
static int move(late *l) {
    fu_state *s = l->s;
    fu_group from = s->group.at[l->from], to = s->group.at[l->to];
    fu_group *new_from = &s->group.at[l->from], *new_to = &s->group.at[l->to];
    new_from->member.n = new_from->member.cap = new_to->member.n = new_to->member.cap = 0;
    new_from->member.at = new_to->member.at = NULL;
    for (ir_id v = 1; v < s->g->node.n; v++) {
        int32_t gi = s->node[v].kind == FU_HOME && s->node[v].needed ? s->node[v].group : -1;
        if (gi == l->to || (gi == l->from && l->moving[v]))
            *base_vec_push(&new_to->member, s->arena) = v;
        else if (gi == l->from)
            *base_vec_push(&new_from->member, s->arena) = v;
    }
    for (uint32_t i = 0; i < l->list.n; i++) s->node[l->list.at[i]].group = l->to;
    if (!fu_test_group(s, l->to, 0)) {
        int emptied = !new_from->member.n && !new_from->combined.n;
        for (int32_t x = 0; emptied && x < (int32_t)s->group.n; x++) /* nobody waits for it any more */
            s->group.at[x].before[l->from / 64] &= ~((uint64_t)1 << (l->from % 64));
        return 1;
    }
    for (uint32_t i = 0; i < l->list.n; i++) s->node[l->list.at[i]].group = l->from;
    s->group.at[l->from] = from;
    s->group.at[l->to] = to;
    return 0;
}

static void consider(late *l, ir_id v) {
    fu_state *s = l->s;
    uint32_t n = s->g->node.n;
    l->from = s->node[v].group;
    l->to = l->reader[v];
    if (l->to < 0 || l->to == l->from || s->group.at[l->to].alone) return;
    memset(l->read_there, 0, n);
    memset(l->moving, 0, n);
    const fu_group *to = &s->group.at[l->to], *from = &s->group.at[l->from];
    for (uint32_t i = 0; i < to->member.n; i++) fu_sources(s, to->member.at[i], mark, l->read_there);
    l->cost = 0;
    l->refused = 0;
    l->list.n = 0;
    l->moving[v] = 1;
    *base_vec_push(&l->list, s->arena) = v;
    for (uint32_t i = 0; i < l->list.n && !l->refused; i++) fu_sources(s, l->list.at[i], follow, l);
    for (uint32_t i = 0; i < from->member.n && !l->refused; i++)
        if (!l->moving[from->member.at[i]]) fu_sources(s, from->member.at[i], stay, l);
    double saved = 2 * fu_bytes(s, v) - l->cost;
    if (l->refused || saved <= 0) return;
    int32_t old = l->from;
    if (!move(l)) return;
    base_strbuf_printf(&s->why, "%%%u moved from g%d to g%d, which alone reads it, saves %.0f bytes\n", v, (int)old,
                       (int)l->to, saved);
    find_readers(l);
}

void fu_place_late(fu_state *s) {
    uint32_t n = s->g->node.n;
    late l = {.s = s,
              .reader = ARENA_ARRAY(s->arena, int32_t, n),
              .read_there = ARENA_ARRAY(s->arena, uint8_t, n),
              .moving = ARENA_ARRAY(s->arena, uint8_t, n)};
    find_readers(&l);
    for (ir_id v = n; v-- > 1;)
        if (may_move(s, v)) consider(&l, v);
}
