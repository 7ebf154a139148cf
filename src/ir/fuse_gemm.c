/* Epilogues. In: nodes with their classes, and which of them are matrix products for BLAS. Out: which nodes such a
 * product takes over: its only reader, if that adds the same row of numbers to every row, and then, or without that,
 * relu as the only reader. Reshapes that keep the last axis may lie between. They become members of the product's group
 * (fuse.c), whose last member alone is stored. Only machines whose products have an epilogue take part. On all machines
 * a product whose result is a variable's new value writes it there, where everybody who reads the old one can run
 * first. */
#include "ir/fuse.h"

static const ir_node *at(const fu_state *s, ir_id v) { return ir_at(s->g, v); }

static int is_one(const fu_state *s, ir_dim d) {
    int64_t n;
    return ir_dim_is_const(s->g, d, &n) && n == 1;
}

/* Has the value, in memory, no other axis than this one? */
static int is_row(const fu_state *s, ir_id v, uint32_t axis) {
    for (uint32_t a = 0; a < at(s, v)->rank; a++)
        if (is_one(s, at(s, v)->dim[a]) != (a != axis)) return 0;
    return s->node[v].kind != FU_INLINE;
}

/* The value in memory that v repeats for all but the last of its axes; 0: it is none. Being longer than what registers
 * hold at entry (a product's extents are, too), it is stored because a group other than its own reads it. */
static ir_id row_of(const fu_state *s, ir_id v) {
    uint32_t axis = at(s, v)->rank - 1u;
    while (s->node[v].kind == FU_INLINE) {
        const ir_node *n = at(s, v);
        if (n->op != IR_BROADCAST && n->op != IR_RESHAPE) return 0;
        ir_id x = n->in[0];
        uint32_t found = SN_MAX_RANK;
        for (uint32_t a = 0; a < at(s, x)->rank; a++) {
            if (is_one(s, at(s, x)->dim[a])) continue;
            if (s->node[v].edge[0].map[a] != (int)axis) return 0;
            found = a;
        }
        if (found == SN_MAX_RANK) return 0;
        v = x;
        axis = found;
    }
    return is_row(s, v, axis) ? v : 0;
}

static int keeps_rows(const fu_state *s, ir_id v) {
    const ir_node *n = at(s, v), *x = at(s, n->in[0]);
    return n->op == IR_RESHAPE && n->rank && x->rank && n->dim[n->rank - 1u] == x->dim[x->rank - 1u];
}

/* The one node that reads v, through reshapes of rows; *v becomes the last of these. 0: *why says why there is none. */
static ir_id only_reader(const fu_state *s, const ir_id *reader, ir_id *v, const char **why) {
    for (;;) {
        if (s->node[*v].uses != 1) {
            *why = "more than one reads it";
            return 0;
        }
        ir_id r = reader[*v];
        if (!r) {
            *why = "it is a result";
            return 0;
        }
        if (!keeps_rows(s, r)) return r;
        *v = r;
    }
}

/* Why a product ends at v, having taken over the node after which v comes. */
static const char *extend(fu_state *s, const ir_id *reader, ir_id *v, int may_add) {
    const char *why = NULL;
    ir_id last = *v, seen = last, r = only_reader(s, reader, &seen, &why), row = 0;
    if (!r) return why;
    if (at(s, r)->op == IR_ADD && may_add) {
        row = row_of(s, at(s, r)->in[at(s, r)->in[0] == seen]);
        if (!row) return "what is added to it is no row in memory";
    } else if (at(s, r)->op != IR_RELU) {
        return may_add ? "its reader neither adds a row nor is relu" : "its reader is not relu";
    } else if (s->keep_nan) {
        return "relu is to keep NaNs, which an epilogue makes 0";
    }
    s->node[r].after = last;
    s->node[r].row = row;
    *v = r;
    return NULL;
}

void fu_find_epilogues(fu_state *s) {
    ir_id *reader = ARENA_ARRAY(s->arena, ir_id, s->g->node.n);
    if (!s->fuse || s->machine != KN_FOR_GPU) return;
    for (ir_id v = 1; v < s->g->node.n; v++)
        for (uint32_t k = 0; s->node[v].needed && k < at(s, v)->n_in; k++) reader[at(s, v)->in[k]] = v;
    for (ir_id v = 1; v < s->g->node.n; v++) {
        if (!s->node[v].needed || !s->node[v].gemm) continue;
        ir_id last = v;
        const char *why = NULL;
        for (int may_add = 1; !why && at(s, last)->op != IR_RELU; may_add = 0) why = extend(s, reader, &last, may_add);
        s->node[last].epilogue_ends = why;
    }
}

typedef struct {
    const fu_state *s;
    int32_t gi;
    int refused;
} cycle_arg;

static void find_cycle(void *arg, ir_id u, int pointwise) {
    cycle_arg *c = arg;
    int32_t p = fu_provider(c->s, u);
    (void)pointwise;
    if (p >= 0 && p != c->gi && fu_before(c->s, c->gi, p)) c->refused = 1;
}

int32_t fu_product_of(fu_state *s, ir_id v) {
    ir_id after = s->node[v].after;
    if (!after) return -1;
    cycle_arg c = {s, s->node[after].group, 0};
    const fu_group *g = &s->group.at[c.gi];
    if (!g->gemm || g->member.at[g->member.n - 1] != after) return -1;
    fu_sources(s, v, find_cycle, &c);
    if (c.refused) base_strbuf_printf(&s->why, "    not g%d: %s\n", (int)c.gi, fu_reason_text(FU_CYCLE));
    return c.refused ? -1 : c.gi;
}

/* ---- into variables ---------------------------------------------------------------------------------------------- */

int fu_is_cheap_copy(const fu_state *s, ir_id v) { return 2 * fu_bytes(s, v) <= FU_LAUNCH_BYTES; }

/* The group of the product whose result this is; -1: of none. */
static int32_t product_of(const fu_state *s, ir_id v) {
    const fu_node *f = &s->node[v];
    if (f->kind != FU_HOME || f->group < 0) return -1;
    const fu_group *g = &s->group.at[f->group];
    return g->gemm && g->member.at[g->member.n - 1] == v ? f->group : -1;
}

static int has_place(const fu_state *s, ir_id v) {
    for (uint32_t i = 0; i < s->assign.n; i++)
        if (s->assign.at[i].direct && fu_home(s, s->assign.at[i].value) == v) return 1;
    return s->output[v] >= 0;
}

void fu_write_directly(fu_state *s, uint32_t index) {
    fu_assign *a = &s->assign.at[index];
    ir_id v = fu_home(s, a->value), var = a->is_var ? s->g->var.at[a->var].node : 0;
    int32_t product = a->is_var ? product_of(s, v) : -1;
    if (product < 0 || has_place(s, v)) return;
    const int32_t *reader = s->var_reader[a->var].at;
    uint32_t n = var && s->node[var].needed ? s->var_reader[a->var].n : 0;
    for (uint32_t i = 0; i < n; i++) {
        int waits = !fu_before(s, reader[i], product);
        if (reader[i] == product || fu_before(s, product, reader[i]) || (waits && fu_is_cheap_copy(s, var))) return;
    }
    fu_group *was = &s->group.at[a->group], *g = &s->group.at[product];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < was->assign.n; i++)
        if (was->assign.at[i] != index) was->assign.at[kept++] = was->assign.at[i];
    was->assign.n = kept;
    a->group = product;
    a->direct = 1;
    *base_vec_push(&g->assign, s->arena) = index;
    for (uint32_t i = 0; i < n; i++) fu_add_before(s, reader[i], product);
    base_strbuf_printf(&s->why, "@%s is written by the product %%%u itself\n", s->g->var.at[a->var].name, v);
}
