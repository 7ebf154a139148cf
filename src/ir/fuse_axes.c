/* Slots, axis classes and kinds of the nodes that roots need. Classes come from a union-find over slots in three
 * rounds: arithmetic first, then views, then what lies in memory anyway; a union that would put two axes of one node
 * into one class (x + transpose(x)) is refused, and that operand is read from memory instead. Earlier rounds win such
 * conflicts. */
#include <string.h>

#include "ir/fuse.h"

static const ir_node *at(const fu_state *s, ir_id v) { return ir_at(s->g, v); }

static int is_one(const fu_state *s, ir_dim d) {
    int64_t n;
    return ir_dim_is_const(s->g, d, &n) && n == 1;
}

static fu_class find(const fu_state *s, uint32_t slot) {
    while (s->parent[slot] != slot) slot = s->parent[slot] = s->parent[s->parent[slot]];
    return slot;
}

fu_class fu_class_of(const fu_state *s, ir_id v, uint32_t i) {
    uint32_t slot = s->node[v].slot + i;
    if (s->cls) return s->cls[slot];
    return is_one(s, s->extent[slot]) ? 0 : find(s, slot);
}

/* The dim's value if it is made of the assumed name alone, which has this value. */
static int value_at(const fu_state *s, ir_dim d, int64_t name_is, int64_t *value) {
    const ir_poly *poly = &s->g->dim.at[d];
    *value = 0;
    for (uint32_t t = 0; t < poly->n; t++) {
        int64_t term = poly->term[t].coef;
        for (uint32_t f = 0; f < poly->term[t].n; f++)
            if (!s->assume || poly->term[t].name[f] != s->assume->name || __builtin_mul_overflow(term, name_is, &term))
                return 0;
        if (__builtin_add_overflow(*value, term, value)) return 0;
    }
    return 1;
}

int fu_range(const fu_state *s, ir_dim d, int64_t *least, int64_t *most) {
    int64_t n, first = s->assume ? s->assume->least : 0, last = s->assume ? s->assume->most : 0;
    *least = INT64_MAX;
    *most = INT64_MIN;
    for (int64_t at = first; at <= last; at++) {
        if (!value_at(s, d, at, &n)) return 0;
        *least = n < *least ? n : *least;
        *most = n > *most ? n : *most;
    }
    return 1;
}

int64_t fu_nominal(const fu_state *s, ir_dim d, int *symbolic) {
    int64_t n;
    int known = ir_dim_is_const(s->g, d, &n);
    if (symbolic) *symbolic = !known;
    if (known) return n;
    return s->assume && value_at(s, d, s->assume->most, &n) && n >= 0 ? n : FU_NOMINAL;
}

int64_t fu_extent(const fu_state *s, fu_class c, int *symbolic) {
    if (symbolic) *symbolic = 0;
    return c ? fu_nominal(s, s->extent[c], symbolic) : 1;
}

/* Puts two slots into one class unless a node has axes in both. */
static void unite(fu_state *s, uint32_t x, uint32_t y) {
    if (is_one(s, s->extent[x]) || is_one(s, s->extent[y])) return;
    uint32_t a = find(s, x), b = find(s, y);
    if (a == b) return;
    uint32_t few = s->class_size[a] < s->class_size[b] ? a : b, many = few == a ? b : a;
    for (uint32_t m = few, first = 1; m != few || first; m = s->next_in_class[m], first = 0) {
        const fu_node *o = &s->node[s->owner[m]];
        for (uint32_t i = 0; i < o->n_slot; i++)
            if (find(s, o->slot + i) == many) return;
    }
    uint32_t root = a < b ? a : b, child = a < b ? b : a; /* the lowest slot represents: deterministic */
    int64_t n;
    if (ir_dim_is_const(s->g, s->extent[child], &n)) s->extent[root] = s->extent[child];
    s->parent[child] = root;
    s->class_size[root] += s->class_size[child];
    uint32_t next = s->next_in_class[root];
    s->next_in_class[root] = s->next_in_class[child];
    s->next_in_class[child] = next;
}

/* A reshape that only adds or drops axes of extent 1: fills the operand's map. */
static int is_squeeze(const fu_state *s, ir_id v, int8_t *map) {
    const ir_node *n = at(s, v), *x = at(s, n->in[0]);
    uint32_t i = 0;
    for (uint32_t a = 0; a < x->rank; a++) {
        map[a] = -1;
        if (is_one(s, x->dim[a])) continue;
        while (i < n->rank && is_one(s, n->dim[i])) i++;
        if (i == n->rank || n->dim[i] != x->dim[a]) return 0;
        map[a] = (int8_t)i++;
    }
    while (i < n->rank && is_one(s, n->dim[i])) i++;
    return i == n->rank;
}

/* Fills the map of operand k of v. Returns 0 where the operand is read at other places than v's point. */
static int fill_map(const fu_state *s, ir_id v, uint32_t k, int8_t *map) {
    const ir_node *n = at(s, v), *x = at(s, n->in[k]);
    for (uint32_t a = 0; a < SN_MAX_RANK; a++) map[a] = -1;
    switch (n->op) {
        case IR_BROADCAST:
            for (uint32_t a = 0; a < x->rank; a++) map[a] = (int8_t)n->attr[a];
            break;
        case IR_TRANSPOSE:
            for (uint32_t i = 0; i < n->rank; i++) map[n->attr[i]] = (int8_t)i;
            break;
        case IR_RESHAPE: return is_squeeze(s, v, map);
        case IR_SUM:
        case IR_PROD:
        case IR_RMAX:
        case IR_RMIN:
        case IR_ARGMAX:
        case IR_ARGMIN:
            for (uint32_t a = 0, kept = 0, folded = n->rank; a < x->rank; a++)
                map[a] = (int8_t)((n->attr[0] >> a & 1) ? folded++ : kept++);
            break;
        case IR_MATMUL: {
            uint32_t batch = n->rank - 2u, own = k ^ (uint32_t)(n->attr[0] >> k & 1);
            for (uint32_t a = 0; a < batch; a++) map[a] = (int8_t)a;
            map[batch + own] = (int8_t)(batch + k); /* m or n */
            map[batch + !own] = (int8_t)n->rank;    /* k */
            break;
        }
        case IR_GATHER:
            if (k == 0) {
                uint32_t ids = at(s, n->in[1])->rank;
                for (uint32_t a = 1; a < x->rank; a++) map[a] = (int8_t)(ids + a - 1);
                return 0;
            }
            for (uint32_t a = 0; a < x->rank; a++) map[a] = (int8_t)a;
            break;
        case IR_SLICE:
        case IR_PAD:
        case IR_CONCAT:
            if (x->rank != n->rank) break; /* a runtime start */
            for (uint32_t a = 0; a < x->rank; a++) map[a] = (int8_t)a;
            return n->op != IR_CONCAT && k > 0;
        case IR_SCATTER_ADD: return 0;
        case IR_RECURRENCE: /* a repeated constant is no memory */
            if (!ir_splat_of(s->g, n->in[k])) return 0;
            break;
        default:
            for (uint32_t a = 0; a < x->rank; a++) map[a] = (int8_t)a;
    }
    for (uint32_t a = 0; a < x->rank; a++)
        if (is_one(s, x->dim[a])) map[a] = -1;
    return 1;
}

/* At most. */
static uint32_t count_slots(const fu_state *s, ir_id v) {
    const ir_node *n = at(s, v);
    uint32_t folded = n->op == IR_MATMUL ? 1 : ir_ops[n->op].cls == IR_CLASS_REDUCE ? at(s, n->in[0])->rank : 0;
    return n->rank + folded;
}

static void add_slots(fu_state *s, ir_id v) {
    const ir_node *n = at(s, v);
    fu_node *f = &s->node[v];
    f->n_axis = n->rank;
    f->slot = s->n_slot;
    uint32_t i = s->n_slot;
    for (uint32_t a = 0; a < n->rank; a++) s->extent[i++] = n->dim[a];
    if (n->op == IR_MATMUL) s->extent[i++] = at(s, n->in[0])->dim[n->rank - 2 + !(n->attr[0] & 1)];
    if (ir_ops[n->op].cls == IR_CLASS_REDUCE)
        for (uint32_t a = 0; a < at(s, n->in[0])->rank; a++)
            if (n->attr[0] >> a & 1) s->extent[i++] = at(s, n->in[0])->dim[a];
    f->n_slot = (uint8_t)(i - s->n_slot);
    for (uint32_t slot = s->n_slot; slot < i; slot++) {
        s->parent[slot] = s->next_in_class[slot] = slot;
        s->class_size[slot] = 1;
        s->owner[slot] = v;
    }
    s->n_slot = i;
}

static ir_dim product_dim(const fu_state *s, const ir_node *n, uint32_t i) {
    return i < 2 ? n->dim[n->rank - 2u + i] : at(s, n->in[0])->dim[n->rank - 2 + !(n->attr[0] & 1)];
}

/* Extents m, n and k of a product. */
static void product_extents(const fu_state *s, const ir_node *n, double *e) {
    for (uint32_t i = 0; i < 3; i++) e[i] = (double)fu_nominal(s, product_dim(s, n, i), NULL);
}

/* What an extent must exceed for BLAS. */
static int least_for_blas(const fu_state *s, const ir_node *n, uint32_t i) {
    if (s->machine == KN_FOR_GPU) {
        /* Few rows of a number that is not known stay with the library: nothing here shares what they read. */
        return i == 2 || ir_dim_is_const(s->g, product_dim(s, n, i), NULL) ? FU_GPU_EXTENT : 0;
    }
    static const int least[] = {FU_FEW_ROWS, FU_FEW_COLUMNS, FU_FEW_SUMMED};
    return least[i];
}

/* Enough arithmetic for BLAS? */
static int is_worth_a_call(const fu_state *s, const ir_node *n, const double *e, base_strbuf *why) {
    double products = e[0] * e[1] * e[2];
    if (s->machine != KN_FOR_GPU) {
        int yes = products >= FU_BLAS_PRODUCTS;
        if (why && !yes) base_strbuf_printf(why, "m n k is %.0f, less than %d", products, FU_BLAS_PRODUCTS);
        return yes;
    }
    if (e[0] <= FU_GPU_EXTENT || e[1] <= FU_GPU_EXTENT) return 1; /* few rows left to the library */
    double size = (double)sn_dtype_size(base_register_type((sn_dtype)n->dtype));
    double intensity = 2 * products / ((e[0] * e[2] + e[2] * e[1] + e[0] * e[1]) * size);
    int yes = intensity > FU_GPU_INTENSITY;
    if (why && !yes) base_strbuf_printf(why, "%.1f flops per byte, not more than %d", intensity, FU_GPU_INTENSITY);
    return yes;
}

/* A matrix product for BLAS? why, unless NULL, gets the reason of a no. */
static int use_blas(const fu_state *s, const ir_node *n, base_strbuf *why) {
    if (n->op != IR_MATMUL) return 0;
    static const char *const names[] = {"m", "n", "k"};
    double e[3];
    product_extents(s, n, e);
    for (uint32_t i = 0; i < 3; i++) {
        int least = least_for_blas(s, n, i);
        if (e[i] > least) continue;
        if (why) base_strbuf_printf(why, "%s is %.0f, not more than %d", names[i], e[i], least);
        return 0;
    }
    return is_worth_a_call(s, n, e, why);
}

int fu_uses_blas(const ir_graph *g, const ir_node *n, base_strbuf *why) {
    fu_state s = {.g = (ir_graph *)(uintptr_t)g};
    return use_blas(&s, n, why);
}

void fu_why_loops(const fu_state *s, ir_id v, base_strbuf *out) { (void)use_blas(s, at(s, v), out); }

/* Few rows (or columns) times a matrix that lies in memory anyway, so that there is nothing to fuse with the reading of
 * it. A constant number of columns is unrolled in a sweep over the rows, which what comes after fuses with. */
static int has_few(const fu_state *s, ir_id v) {
    const ir_node *n = at(s, v);
    if (n->op != IR_MATMUL || s->machine == KN_FOR_GPU || base_is_half((sn_dtype)n->dtype)) return 0;
    double e[3];
    product_extents(s, n, e);
    for (uint32_t few = 0; few < 2; few++) {
        ir_dim rows = s->extent[s->node[v].slot + n->rank - 2u + few];
        int64_t least, most;
        if (!fu_range(s, rows, &least, &most) || least < 1 || most < 2 || most > FU_FEW_ROWS) continue;
        if (e[!few] <= FU_FEW_MATRIX || e[2] <= FU_FEW_MATRIX) continue;
        if (!ir_dim_is_const(s->g, rows, NULL) || (few == 0 && s->node[n->in[1]].kind == FU_LEAF)) return 1;
    }
    return 0;
}

/* Number of elements of all slots if constant and few, else 0. */
static int64_t small_elements(const fu_state *s, ir_id v) {
    int64_t total = 1;
    for (uint32_t i = 0; i < s->node[v].n_slot; i++) {
        int64_t n;
        if (!ir_dim_is_const(s->g, s->extent[s->node[v].slot + i], &n) || n > FU_SMALL_ELEMENTS) return 0;
        total *= n;
        if (total > FU_SMALL_ELEMENTS) return 0;
    }
    return total;
}

static int is_arithmetic(const ir_node *n) {
    return ir_ops[n->op].cls == IR_CLASS_EWISE || ir_ops[n->op].cls == IR_CLASS_REDUCE || n->op == IR_MATMUL;
}

static fu_kind kind_of(const fu_state *s, ir_id v) {
    const ir_node *n = at(s, v);
    int8_t map[SN_MAX_RANK];
    switch (n->op) {
        case IR_INPUT:
        case IR_VAR: return FU_LEAF;
        case IR_SCATTER_ADD:
        case IR_RECURRENCE: return FU_HOME;
        case IR_RESHAPE: return is_squeeze(s, v, map) ? FU_INLINE : FU_ALIAS;
        default: return is_arithmetic(n) && !s->node[v].small ? FU_HOME : FU_INLINE;
    }
}

static void find_needed(fu_state *s) {
    for (uint32_t i = 0; i < s->roots->n_out; i++) s->node[s->roots->out[i]].needed = 1;
    for (uint32_t i = 0; i < s->roots->n_update; i++) s->node[s->roots->update[i]].needed = 1;
    for (ir_id v = s->g->node.n; v-- > 1;)
        for (uint32_t k = 0; s->node[v].needed && k < at(s, v)->n_in; k++) s->node[at(s, v)->in[k]].needed = 1;
    for (ir_id v = 1; v < s->g->node.n; v++)
        for (uint32_t k = 0; s->node[v].needed && k < at(s, v)->n_in; k++) s->node[at(s, v)->in[k]].uses++;
    for (uint32_t i = 0; i < s->roots->n_out; i++) s->node[s->roots->out[i]].uses++;
    for (uint32_t i = 0; i < s->roots->n_update; i++) s->node[s->roots->update[i]].uses++;
}

static void find_small(fu_state *s) {
    double total = 0, scalars = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (ir_id v = 1; v < s->g->node.n; v++) {
            fu_node *f = &s->node[v];
            int64_t n = f->needed && is_arithmetic(at(s, v)) ? small_elements(s, v) : 0;
            double cost = (double)n * (ir_ops[at(s, v)->op].cost + 1);
            total += pass ? 0 : cost;
            scalars += pass || n != 1 ? 0 : cost;
            /* Above the budget, only scalars stay, unless they are a program of their own: they must not become
             * launches. */
            if (pass) f->small = n > 0 && (total <= FU_SMALL_TOTAL || (n == 1 && scalars <= FU_SCALAR_TOTAL));
        }
    }
}

/* Axes along which an INLINE node only repeats: a zero broadcast to two layers' shapes is one node, whose axes must tie
 * nothing together. */
static uint8_t free_axes(const fu_state *s, ir_id v) {
    const ir_node *n = at(s, v);
    if (s->node[v].kind != FU_INLINE) return 0;
    if (n->op != IR_BROADCAST && n->op != IR_TRANSPOSE && n->op != IR_RESHAPE && n->op != IR_STOP_GRADIENT) return 0;
    const fu_node *x = &s->node[n->in[0]];
    uint32_t set = (1u << n->rank) - 1;
    for (uint32_t a = 0; a < x->n_axis; a++) {
        int slot = s->node[v].edge[0].map[a];
        if (slot >= 0 && !(x->free_axes >> a & 1)) set &= ~(1u << slot);
    }
    return (uint8_t)set;
}

/* Must operand axis a of node x have the class of the slot it is read by? */
static int is_tied(const fu_node *x, uint32_t a) { return x->kind != FU_INLINE || !(x->free_axes >> a & 1); }

/* The round in which operand k of v is united with it; 0: never, it is read elsewhere. */
static int round_of(const fu_state *s, ir_id v, uint32_t k) {
    const fu_edge *e = &s->node[v].edge[k];
    if (!e->pointwise || s->node[v].kind == FU_ALIAS) return 0;
    if (s->node[at(s, v)->in[k]].kind == FU_LEAF) return 3;
    return is_arithmetic(at(s, v)) ? 1 : 2;
}

static void unite_all(fu_state *s) {
    for (int round = 1; round <= 3; round++)
        for (ir_id v = 1; v < s->g->node.n; v++)
            for (uint32_t k = 0; s->node[v].needed && k < at(s, v)->n_in; k++) {
                const fu_node *x = &s->node[at(s, v)->in[k]];
                if (round_of(s, v, k) != round) continue;
                for (uint32_t a = 0; a < x->n_axis; a++) {
                    int slot = s->node[v].edge[k].map[a];
                    if (slot >= 0 && is_tied(x, a)) unite(s, x->slot + a, s->node[v].slot + (uint32_t)slot);
                }
            }
    for (uint32_t i = 0; i < s->roots->n_update; i++) { /* old and new value of a variable */
        const fu_node *x = &s->node[s->roots->update[i]];
        ir_id var = s->g->var.at[s->roots->update_var[i]].node;
        for (uint32_t a = 0; s->node[var].needed && a < x->n_axis; a++) unite(s, s->node[var].slot + a, x->slot + a);
    }
}

/* Edges whose union was refused are not pointwise after all. */
static void settle_edges(fu_state *s) {
    for (ir_id v = 1; v < s->g->node.n; v++) {
        const fu_node *f = &s->node[v];
        for (uint32_t k = 0; f->needed && k < at(s, v)->n_in; k++) {
            fu_edge *e = (fu_edge *)&f->edge[k];
            ir_id x = at(s, v)->in[k];
            for (uint32_t a = 0; a < s->node[x].n_axis; a++) {
                fu_class c = is_tied(&s->node[x], a) ? fu_class_of(s, x, a) : 0;
                if (c && (e->map[a] < 0 || c != fu_class_of(s, v, (uint32_t)e->map[a]))) e->pointwise = 0;
            }
        }
    }
}

/* What must lie in memory whoever computes it; an INLINE node that must is given a home. Returns whether one was. */
static int find_in_memory(fu_state *s) {
    int changed = 0;
    for (ir_id v = s->g->node.n; v-- > 1;) {
        fu_node *f = &s->node[v];
        if (!f->needed) continue;
        if (f->in_memory && f->kind == FU_INLINE) {
            f->kind = FU_HOME;
            changed = 1;
        }
        for (uint32_t k = 0; k < at(s, v)->n_in; k++)
            if (!f->edge[k].pointwise || f->gemm || f->few || f->kind == FU_ALIAS)
                s->node[at(s, v)->in[k]].in_memory = 1;
    }
    return changed;
}

void fu_axes(fu_state *s) {
    ir_graph *g = s->g;
    uint32_t n = g->node.n, slots = 1;
    s->node = ARENA_ARRAY(s->arena, fu_node, n);
    for (ir_id v = 1; v < n; v++) slots += count_slots(s, v);
    s->parent = ARENA_ARRAY(s->arena, uint32_t, slots);
    s->owner = ARENA_ARRAY(s->arena, uint32_t, slots);
    s->extent = ARENA_ARRAY(s->arena, ir_dim, slots);
    s->next_in_class = ARENA_ARRAY(s->arena, uint32_t, slots);
    s->class_size = ARENA_ARRAY(s->arena, uint32_t, slots);
    s->n_slot = 1;
    s->extent[0] = ir_dim_const(g, 1);
    find_needed(s);
    for (ir_id v = 1; v < n; v++) add_slots(s, v);
    find_small(s);
    for (ir_id v = 1; v < n; v++) {
        fu_node *f = &s->node[v];
        f->group = f->combine = -1;
        f->kind = (uint8_t)kind_of(s, v);
        f->gemm = (uint8_t)use_blas(s, at(s, v), NULL);
        f->few = (uint8_t)(!f->gemm && has_few(s, v));
        fu_edge *edge = ARENA_ARRAY(s->arena, fu_edge, at(s, v)->n_in);
        for (uint32_t k = 0; k < at(s, v)->n_in; k++) edge[k].pointwise = (uint8_t)fill_map(s, v, k, edge[k].map);
        f->edge = edge;
        f->free_axes = free_axes(s, v);
    }
    unite_all(s);
    fu_find_epilogues(s);
    /* What gets a home has its axes tied after all, and so has what is made of it: its readers load it from memory. */
    for (int changed = 1; changed;) {
        settle_edges(s);
        changed = find_in_memory(s);
        for (ir_id v = 1; changed && v < n; v++) s->node[v].free_axes = free_axes(s, v);
    }
    fu_class *cls = ARENA_ARRAY(s->arena, fu_class, s->n_slot);
    for (ir_id v = 1; v < n; v++)
        for (uint32_t i = 0; i < s->node[v].n_slot; i++) cls[s->node[v].slot + i] = fu_class_of(s, v, i);
    s->cls = cls;
    for (ir_id v = 1; v < n; v++) {
        s->node[v].bytes = (double)sn_dtype_size((sn_dtype)at(s, v)->dtype);
        for (uint32_t i = 0; i < s->node[v].n_axis; i++)
            s->node[v].bytes *= (double)fu_extent(s, fu_class_of(s, v, i), NULL);
    }
}
