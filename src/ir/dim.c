/* Dims: polynomials with integer coefficients over named dims, in and out as interned ids.
 *
 * Canonical form: no term with coefficient 0, terms of higher degree first, then by names; the names inside a term are
 * sorted. Equal polynomials are therefore equal arrays, and interning makes them equal ids. Id 0 reads as the zero
 * polynomial. What cannot be decided now (N against M, N against 5) becomes a check that each call makes. */
#include <string.h>

#include "base/hash.h"
#include "ir/graph.h"
#include "ir/infer.h"

enum { MAX_TERMS = 64 };

/* A polynomial under construction. */
typedef struct {
    uint32_t n;
    ir_term term[MAX_TERMS];
} poly;

static _Noreturn void overflow(ir_graph *g) { base_fail(&g->trap, SN_ERR_SHAPE, "dim arithmetic overflows 64 bits"); }

/* Order of terms without their coefficients. */
static int compare(const ir_term *a, const ir_term *b) {
    if (a->n != b->n) return a->n > b->n ? -1 : 1;
    for (int i = 0; i < a->n; i++)
        if (a->name[i] != b->name[i]) return a->name[i] < b->name[i] ? -1 : 1;
    return 0;
}

static void add_term(ir_graph *g, poly *p, const ir_term *term) {
    if (!term->coef) return;
    uint32_t i = 0;
    while (i < p->n && compare(&p->term[i], term) < 0) i++;
    if (i < p->n && compare(&p->term[i], term) == 0) {
        if (__builtin_add_overflow(p->term[i].coef, term->coef, &p->term[i].coef)) overflow(g);
        if (p->term[i].coef) return;
        p->n--;
        memmove(&p->term[i], &p->term[i + 1], (p->n - i) * sizeof *p->term);
        return;
    }
    if (p->n == MAX_TERMS)
        base_fail(&g->trap, SN_ERR_UNSUPPORTED, "a dim is a sum of more than %d terms", (int)MAX_TERMS);
    memmove(&p->term[i + 1], &p->term[i], (p->n - i) * sizeof *p->term);
    p->term[i] = *term;
    p->n++;
}

static uint64_t hash_poly(const ir_term *term, uint32_t n) {
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++) {
        int64_t words[2 + IR_DIM_FACTORS] = {term[i].coef, term[i].n};
        for (int k = 0; k < term[i].n; k++) words[2 + k] = term[i].name[k];
        h = base_hash64(words, sizeof words, h);
    }
    return h;
}

static int same_poly(const ir_poly *a, const poly *b) {
    if (a->n != b->n) return 0;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->term[i].coef != b->term[i].coef || compare(&a->term[i], &b->term[i])) return 0;
    return 1;
}

static void insert(uint32_t *bucket, uint32_t n_bucket, uint64_t hash, uint32_t id) {
    uint32_t i = (uint32_t)hash & (n_bucket - 1);
    while (bucket[i]) i = (i + 1) & (n_bucket - 1);
    bucket[i] = id;
}

static void grow(ir_graph *g) {
    uint32_t n = g->n_dim_bucket ? g->n_dim_bucket * 2 : 64;
    uint32_t *bucket = ARENA_ARRAY(&g->arena, uint32_t, n);
    for (uint32_t id = 1; id < g->dim.n; id++) insert(bucket, n, hash_poly(g->dim.at[id].term, g->dim.at[id].n), id);
    g->dim_bucket = bucket;
    g->n_dim_bucket = n;
}

static ir_dim intern(ir_graph *g, const poly *p) {
    if (g->dim.n * 2 >= g->n_dim_bucket) grow(g);
    uint64_t hash = hash_poly(p->term, p->n);
    for (uint32_t i = (uint32_t)hash & (g->n_dim_bucket - 1); g->dim_bucket[i]; i = (i + 1) & (g->n_dim_bucket - 1))
        if (same_poly(&g->dim.at[g->dim_bucket[i]], p)) return g->dim_bucket[i];
    ir_term *term = ARENA_ARRAY(&g->arena, ir_term, p->n);
    if (p->n) memcpy(term, p->term, p->n * sizeof *term);
    ir_dim id = g->dim.n;
    *base_vec_push(&g->dim, &g->arena) = (ir_poly){p->n, term};
    insert(g->dim_bucket, g->n_dim_bucket, hash, id);
    return id;
}

static void load(const ir_graph *g, ir_dim d, poly *p) {
    const ir_poly *from = &g->dim.at[d];
    p->n = from->n;
    if (from->n) memcpy(p->term, from->term, from->n * sizeof *p->term);
}

ir_dim ir_dim_const(ir_graph *g, int64_t n) {
    poly p = {.n = n != 0, .term = {{.coef = n}}};
    return intern(g, &p);
}

ir_dim ir_dim_named(ir_graph *g, const char *name) {
    uint32_t i = 0;
    while (i < g->dim_name.n && strcmp(g->dim_name.at[i], name)) i++;
    if (i > UINT16_MAX) base_fail(&g->trap, SN_ERR_UNSUPPORTED, "more than %d named dims", UINT16_MAX + 1);
    if (i == g->dim_name.n) {
        const char *copy = base_arena_strdup(&g->arena, name);
        *base_vec_push(&g->dim_name, &g->arena) = copy;
    }
    poly p = {.n = 1, .term = {{.coef = 1, .n = 1, .name = {(uint16_t)i}}}};
    return intern(g, &p);
}

ir_dim ir_dim_add(ir_graph *g, ir_dim a, ir_dim b) {
    poly p;
    load(g, a, &p);
    const ir_poly *q = &g->dim.at[b];
    for (uint32_t i = 0; i < q->n; i++) add_term(g, &p, &q->term[i]);
    return intern(g, &p);
}

ir_dim ir_dim_sub(ir_graph *g, ir_dim a, ir_dim b) {
    poly p;
    load(g, a, &p);
    const ir_poly *q = &g->dim.at[b];
    for (uint32_t i = 0; i < q->n; i++) {
        ir_term term = q->term[i];
        if (__builtin_sub_overflow((int64_t)0, term.coef, &term.coef)) overflow(g);
        add_term(g, &p, &term);
    }
    return intern(g, &p);
}

static ir_term product(ir_graph *g, const ir_term *a, const ir_term *b) {
    ir_term term = {0};
    if (__builtin_mul_overflow(a->coef, b->coef, &term.coef)) overflow(g);
    if (a->n + b->n > IR_DIM_FACTORS)
        base_fail(&g->trap, SN_ERR_UNSUPPORTED, "a product of more than %d named dims", (int)IR_DIM_FACTORS);
    int i = 0, k = 0;
    while (i < a->n || k < b->n) {
        int from_a = k == b->n || (i < a->n && a->name[i] <= b->name[k]);
        term.name[term.n++] = from_a ? a->name[i++] : b->name[k++];
    }
    return term;
}

ir_dim ir_dim_mul(ir_graph *g, ir_dim a, ir_dim b) {
    poly p = {.n = 0};
    const ir_poly *x = &g->dim.at[a], *y = &g->dim.at[b];
    for (uint32_t i = 0; i < x->n; i++)
        for (uint32_t k = 0; k < y->n; k++) {
            ir_term term = product(g, &x->term[i], &y->term[k]);
            add_term(g, &p, &term);
        }
    return intern(g, &p);
}

ir_dim ir_dim_divide(ir_graph *g, ir_dim d, int64_t divisor) {
    poly p;
    load(g, d, &p);
    if (divisor < 1) return 0;
    for (uint32_t i = 0; i < p.n; i++) {
        if (p.term[i].coef % divisor) return 0;
        p.term[i].coef /= divisor;
    }
    return intern(g, &p);
}

int ir_dim_is_const(const ir_graph *g, ir_dim d, int64_t *n) {
    const ir_poly *p = &g->dim.at[d];
    if (p->n > 1 || (p->n && p->term[0].n)) return 0;
    if (n) *n = p->n ? p->term[0].coef : 0;
    return 1;
}

int ir_dim_value(const ir_graph *g, ir_dim d, const int64_t *names, int64_t *value) {
    const ir_poly *p = &g->dim.at[d];
    int64_t sum = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        int64_t term = p->term[i].coef;
        for (int k = 0; k < p->term[i].n; k++)
            if (__builtin_mul_overflow(term, names[p->term[i].name[k]], &term)) return 0;
        if (__builtin_add_overflow(sum, term, &sum)) return 0;
    }
    *value = sum;
    return 1;
}

ir_dim ir_dim_fix(ir_graph *g, ir_dim d, uint16_t name, int64_t value) {
    poly p = {.n = 0};
    for (uint32_t i = 0; i < g->dim.at[d].n; i++) {
        const ir_term *old = &g->dim.at[d].term[i];
        ir_term term = {.coef = old->coef};
        for (int k = 0; k < old->n; k++) {
            if (old->name[k] != name)
                term.name[term.n++] = old->name[k];
            else if (__builtin_mul_overflow(term.coef, value, &term.coef))
                overflow(g);
        }
        add_term(g, &p, &term);
    }
    return intern(g, &p);
}

int ir_check_is(ir_graph *g, const ir_check *c, ir_dim a, ir_dim b, int at_most) {
    if (c->at_most != at_most) return 0;
    if (at_most) return ir_dim_sub(g, c->b, c->a) == ir_dim_sub(g, b, a); /* 2 <= N is 0 <= N - 2 */
    return (c->a == a && c->b == b) || (c->a == b && c->b == a);
}

/* Adds a check unless it is known already. */
static void check(ir_graph *g, ir_dim a, ir_dim b, int at_most, const char *what) {
    for (uint32_t i = 0; i < g->check.n; i++)
        if (ir_check_is(g, &g->check.at[i], a, b, at_most)) return;
    const char *text = g->here.file && *g->here.file
                           ? base_arena_printf(&g->arena, "%s:%d: %s", g->here.file, (int)g->here.line, what)
                           : base_arena_strdup(&g->arena, what);
    *base_vec_push(&g->check, &g->arena) = (ir_check){.a = a, .b = b, .at_most = (uint8_t)at_most, .text = text};
}

ir_dim ir_dim_same(ir_graph *g, ir_dim a, ir_dim b, const char *what) {
    if (a == b) return a;
    int64_t n;
    if (ir_dim_is_const(g, ir_dim_sub(g, a, b), &n)) base_fail(&g->trap, SN_ERR_SHAPE, "%s", what);
    check(g, a, b, 0, what);
    return !ir_dim_is_const(g, a, NULL) && ir_dim_is_const(g, b, NULL) ? b : a;
}

void ir_dim_at_most(ir_graph *g, ir_dim a, ir_dim b, const char *what) {
    if (a == b) return;
    /* Named dims are never negative, so a difference without negative terms holds at every call. */
    ir_dim difference = ir_dim_sub(g, b, a);
    int64_t n;
    if (ir_dim_is_const(g, difference, &n) && n < 0) base_fail(&g->trap, SN_ERR_SHAPE, "%s", what);
    if (!ir_dim_nonnegative(g, difference)) check(g, a, b, 1, what);
}

int ir_dim_nonnegative(const ir_graph *g, ir_dim d) {
    const ir_poly *p = &g->dim.at[d];
    for (uint32_t i = 0; i < p->n; i++)
        if (p->term[i].coef < 0) return 0;
    return 1;
}

ir_dim ir_dim_copy(ir_graph *g, const ir_graph *from, ir_dim d) {
    if (g == from) return d;
    poly p = {.n = 0};
    for (uint32_t i = 0; i < from->dim.at[d].n; i++) {
        /* The names may be in another order in g: rebuild the product factor by factor. */
        const ir_term *old = &from->dim.at[d].term[i];
        ir_term term = {.coef = old->coef};
        for (int k = 0; k < old->n; k++) {
            ir_dim named = ir_dim_named(g, from->dim_name.at[old->name[k]]);
            term = product(g, &term, &g->dim.at[named].term[0]);
        }
        add_term(g, &p, &term);
    }
    return intern(g, &p);
}
