/* Random graphs have the same values after all rewriting rules together, and after each rule by itself.
 *
 * Values stay small integers and their halves, so that every sum is exact in any order; zeros of both signs, infinities
 * and NaN are among them. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/pass.h"
#include "support/support_graph.h"
#include "support/support_text.h"

typedef struct {
    support_graph *t;
    ir_dim n, four, one;
    ir_id pool[200];
    uint32_t count;
} garden;

static ir_id pick(garden *w) { return w->pool[support_below(w->t, w->count)]; }

static ir_id put(garden *w, ir_id id) {
    if (w->count < 200) w->pool[w->count++] = id;
    return id;
}

static ir_id node(garden *w, ir_op op, const ir_node *like, sn_dtype dtype, uint16_t n_in, const ir_id *in,
                  uint16_t n_attr, const int64_t *attr) {
    ir_node n = *like;
    n.op = (uint8_t)op;
    n.dtype = (uint8_t)dtype;
    n.n_in = n_in;
    n.in = in;
    n.n_attr = n_attr;
    n.attr = attr;
    return ir_intern(&w->t->g, &n);
}

static double small_value(garden *w) {
    static const double values[] = {0, 1, -1, 2, 0.5, -0.5, 4, 3, -2, -0.0};
    return values[support_below(w->t, 10)];
}

static ir_id constant(garden *w, const ir_node *like) {
    sn_dtype dtype = (sn_dtype)like->dtype;
    double v = small_value(w);
    if (dtype != SN_F32 && dtype != SN_F64) v = fabs(trunc(v));
    if (dtype == SN_BOOL) v = v > 1;
    ir_id c = ir_const(&w->t->g, dtype, v);
    return like->rank ? node(w, IR_BROADCAST, like, dtype, 1, &c, 0, NULL) : c;
}

/* Another node of the same type: one from the pool, or one made to fit. */
static ir_id partner(garden *w, ir_id a, sn_dtype dtype) {
    ir_graph *g = &w->t->g;
    ir_node like = *ir_at(g, a);
    like.dtype = (uint8_t)dtype;
    int64_t how = support_below(w->t, 4);
    if (how == 0) return constant(w, &like);
    for (int tries = 0; tries < 20; tries++) {
        ir_id b = pick(w);
        const ir_node *n = ir_at(g, b);
        if (n->dtype == dtype && ir_same_dims(n, &like)) return b;
        /* a smaller one, broadcast */
        if (how > 1 || n->dtype != dtype || n->rank > 1 || n->rank >= like.rank) continue;
        for (uint32_t at = 0; at < like.rank; at++)
            if (n->rank == 0 || n->dim[0] == like.dim[at])
                return node(w, IR_BROADCAST, &like, dtype, 1, &b, n->rank, (const int64_t[]){at});
    }
    return constant(w, &like);
}

/* Mostly within -16 .. 16. What cannot grow, and now and then what can, stays as it is, for the rules to see. */
static ir_id clamped(garden *w, ir_id a) {
    ir_graph *g = &w->t->g;
    sn_dtype dtype = (sn_dtype)ir_at(g, a)->dtype;
    ir_op op = (ir_op)ir_at(g, a)->op;
    int grows = op == IR_MUL || op == IR_SQUARE || op == IR_POW || op == IR_ADD || op == IR_SUB || op == IR_SUM ||
                op == IR_MATMUL || op == IR_DIV;
    if (!grows || dtype == SN_BOOL || dtype == SN_U8 || support_below(w->t, 3) == 0) return a;
    ir_id low = ir_make_splat(g, ir_at(g, a), ir_bits_of(dtype, -16)),
          high = ir_make_splat(g, ir_at(g, a), ir_bits_of(dtype, 16));
    return ir_make_binary(g, ir_at(g, a), IR_MIN, ir_make_binary(g, ir_at(g, a), IR_MAX, a, low), high);
}

static void grow_ewise(garden *w, ir_id a) {
    static const ir_op unary[] = {IR_NEG, IR_NEG, IR_ABS, IR_SIGN, IR_FLOOR, IR_SQUARE, IR_RELU, IR_NOT, IR_NOT},
                       binary[] = {IR_ADD, IR_SUB, IR_MUL, IR_MIN, IR_MAX, IR_LT, IR_EQ, IR_NE, IR_AND, IR_OR, IR_XOR};
    ir_graph *g = &w->t->g;
    sn_dtype dtype = (sn_dtype)ir_at(g, a)->dtype;
    ir_op op = support_below(w->t, 2) ? unary[support_below(w->t, 9)] : binary[support_below(w->t, 11)];
    if (!ir_type_in(ir_ops[op].types, dtype)) return;
    ir_id in[2] = {a, support_below(w->t, 6) ? partner(w, a, dtype) : a};
    if (support_below(w->t, 2)) in[0] = in[1], in[1] = a;
    ir_node like = *ir_at(g, in[0]);
    put(w, clamped(w, node(w, op, &like, ir_ops[op].to_bool ? SN_BOOL : dtype, ir_ops[op].n_operands, in, 0, NULL)));
}

static void grow_other_arithmetic(garden *w, ir_id a) {
    ir_graph *g = &w->t->g;
    ir_node like = *ir_at(g, a);
    sn_dtype dtype = (sn_dtype)like.dtype;
    static const sn_dtype types[] = {SN_F32, SN_F64, SN_I32, SN_U8, SN_BOOL, SN_I64};
    static const double divisors[] = {1, 2, -1, 0.5}, powers[] = {0, 1, 2};
    switch (support_below(w->t, 6)) {
        case 0: put(w, node(w, IR_CAST, &like, types[support_below(w->t, 6)], 1, &a, 0, NULL)); break;
        case 1: {
            ir_id in[3] = {partner(w, a, SN_BOOL), a, partner(w, a, dtype)};
            put(w, node(w, IR_SELECT, &like, dtype, 3, in, 0, NULL));
            break;
        }
        case 2:
            if (dtype != SN_F32 && dtype != SN_F64) break;
            put(w, ir_make_binary(g, &like, IR_DIV, a,
                                  ir_make_splat(g, &like, ir_bits_of(dtype, divisors[support_below(w->t, 4)]))));
            break;
        case 3:
            if (dtype != SN_F32 && dtype != SN_F64) break;
            put(w,
                clamped(w, ir_make_binary(g, &like, IR_POW, a,
                                          ir_make_splat(g, &like, ir_bits_of(dtype, powers[support_below(w->t, 3)])))));
            break;
        case 4: { /* the only inexact one: back to whole numbers at once */
            if (dtype != SN_F32 && dtype != SN_F64) break;
            ir_id positive =
                ir_make_binary(g, &like, IR_ADD, a, ir_make_splat(g, &like, 0)); /* -0, which sums may lose */
            ir_id quotient = ir_make_binary(g, &like, IR_DIV, constant(w, &like), positive);
            put(w, ir_make_unary(g, &like, IR_FLOOR, clamped(w, quotient)));
            break;
        }
        default: put(w, node(w, IR_STOP_GRADIENT, &like, dtype, 1, &a, 0, NULL));
    }
}

/* Raw nodes where the builders would simplify by themselves. */
static void grow_view(garden *w, ir_id a) {
    ir_graph *g = &w->t->g;
    ir_node like = *ir_at(g, a);
    sn_dtype dtype = (sn_dtype)like.dtype;
    int64_t attr[SN_MAX_RANK * IR_SLICE_ATTRS] = {0};
    uint32_t axis = like.rank ? (uint32_t)support_below(w->t, like.rank) : 0;
    switch (support_below(w->t, 9)) {
        case 0: /* a permutation by rotation or swap */
            for (uint32_t i = 0; i < like.rank; i++) {
                attr[i] = (i + axis) % like.rank;
                like.dim[i] = ir_at(g, a)->dim[attr[i]];
            }
            put(w, node(w, IR_TRANSPOSE, &like, dtype, 1, &a, like.rank, attr));
            break;
        case 1: /* an axis more, of size 1 or 4, anywhere */
            if (like.rank == 3) break;
            axis = (uint32_t)support_below(w->t, like.rank + 1);
            for (uint32_t i = 0, from = 0; i <= like.rank; i++) {
                if (i == axis)
                    like.dim[i] = support_below(w->t, 2) ? w->one : w->four;
                else
                    attr[from] = i, like.dim[i] = ir_at(g, a)->dim[from], from++;
            }
            like.rank++;
            put(w, node(w, IR_BROADCAST, &like, dtype, 1, &a, (uint16_t)(like.rank - 1), attr));
            break;
        case 2: /* broadcast along what is there, perhaps in another order, and axes of size 1 stretched */
            for (uint32_t i = 0; i < like.rank; i++) {
                attr[i] = (i + axis) % like.rank;
                ir_dim dim = ir_at(g, a)->dim[i];
                like.dim[attr[i]] = ir_is_unit(g, dim) && support_below(w->t, 2) ? w->n : dim;
            }
            put(w, node(w, IR_BROADCAST, &like, dtype, 1, &a, like.rank, attr));
            break;
        case 3: /* flat, or an axis of 1 added */
            if (support_below(w->t, 2) && like.rank < 3) {
                like.dim[like.rank++] = w->one;
            } else {
                ir_dim total = w->one;
                for (uint32_t i = 0; i < like.rank; i++) total = ir_dim_mul(g, total, like.dim[i]);
                like.rank = 1;
                like.dim[0] = total;
            }
            put(w, node(w, IR_RESHAPE, &like, dtype, 1, &a, 0, NULL));
            break;
        case 4: /* back to a shape of the same size */
            for (int tries = 0; tries < 20; tries++) {
                ir_node other = *ir_at(g, pick(w));
                if (like.rank != 1 || other.rank != 2) continue;
                if (ir_dim_mul(g, other.dim[0], other.dim[1]) != like.dim[0]) continue;
                put(w, node(w, IR_RESHAPE, &other, dtype, 1, &a, 0, NULL));
                break;
            }
            break;
        case 5: /* the whole, or half of an axis of 4, with a start that may be out of range; or padded back */
            for (uint32_t i = 0; i < like.rank; i++) {
                attr[i * 3] = ir_dim_const(g, 0);
                attr[i * 3 + 1] = 1;
            }
            if (like.rank && like.dim[axis] == w->four && support_below(w->t, 2)) {
                like.dim[axis] = ir_dim_const(g, 2);
                attr[axis * 3 + 1] = 1 + support_below(w->t, 2);
                attr[axis * 3] = ir_dim_const(g, support_below(w->t, 2));
            }
            put(w, node(w, IR_SLICE, &like, dtype, 1, &a, (uint16_t)(like.rank * 3), attr));
            break;
        case 6: {
            if (!like.rank) break;
            ir_id in[2] = {a, support_below(w->t, 2) ? partner(w, a, dtype) : 0};
            if (in[1]) like.dim[axis] = ir_dim_add(g, like.dim[axis], like.dim[axis]);
            put(w, node(w, IR_CONCAT, &like, dtype, in[1] ? 2 : 1, in, 1, (const int64_t[]){axis}));
            break;
        }
        case 7: {
            static const ir_op ops[] = {IR_SUM, IR_RMAX, IR_RMIN};
            if (!like.rank || dtype == SN_BOOL) break;
            uint32_t axes = 1 + (uint32_t)support_below(w->t, (1 << like.rank) - 1), rank = 0;
            for (uint32_t i = 0; i < ir_at(g, a)->rank; i++)
                if (!(axes >> i & 1)) like.dim[rank++] = ir_at(g, a)->dim[i];
            like.rank = (uint8_t)rank;
            ir_op op = ops[support_below(w->t, 3)];
            ir_id reduced = put(w, clamped(w, node(w, op, &like, dtype, 1, &a, 1, (const int64_t[]){axes})));
            if (ir_at(g, reduced)->op != op || !rank) break;
            memmove(like.dim, like.dim + 1, --rank * sizeof *like.dim);
            like.rank = (uint8_t)rank;
            put(w, node(w, op, &like, dtype, 1, &reduced, 1, (const int64_t[]){1}));
            break;
        }
        default: { /* a product, perhaps of transposes */
            if (like.rank != 2 || (dtype != SN_F32 && dtype != SN_F64)) break;
            int64_t flags = support_below(w->t, 4);
            for (int tries = 0; tries < 30; tries++) {
                ir_id in[2] = {a, pick(w)};
                const ir_node *b = ir_at(g, in[1]);
                if (b->rank != 2 || b->dtype != dtype) continue;
                int ta = flags & 1, tb = flags >> 1 & 1;
                if (ir_at(g, a)->dim[!ta] != b->dim[tb]) continue;
                like.dim[0] = ir_at(g, a)->dim[ta];
                like.dim[1] = b->dim[!tb];
                ir_id product = put(w, clamped(w, node(w, IR_MATMUL, &like, dtype, 2, in, 1, &flags)));
                like.dim[0] = ir_at(g, product)->dim[1];
                like.dim[1] = ir_at(g, product)->dim[0];
                put(w, node(w, IR_TRANSPOSE, &like, dtype, 1, &product, 2, (const int64_t[]){1, 0}));
                break;
            }
        }
    }
}

static void *random_data(garden *w, sn_dtype dtype, size_t n) {
    double *f64 = ARENA_ARRAY(&w->t->g.arena, double, n + 1);
    float *f32 = (float *)f64;
    for (size_t i = 0; i < n; i++) {
        double v = small_value(w);
        int64_t r = support_below(w->t, 60);
        if (r == 0) v = NAN;
        if (r == 1) v = INFINITY;
        if (dtype == SN_F64)
            f64[i] = v;
        else if (dtype == SN_F32)
            f32[i] = (float)v;
        else if (dtype == SN_I32)
            ((int32_t *)f64)[i] = (int32_t)support_below(w->t, 33) - 16;
        else if (dtype == SN_I64)
            ((int64_t *)f64)[i] = support_below(w->t, 33) - 16;
        else
            ((uint8_t *)f64)[i] = (uint8_t)support_below(w->t, dtype == SN_BOOL ? 2 : 20);
    }
    return f64;
}

/* Equal elements; -0 equals 0, any NaN any other. */
static int same_data(const void *a, const void *b, sn_dtype dtype, int64_t n, int64_t *at) {
    for (*at = 0; *at < n; ++*at) {
        if (dtype != SN_F32 && dtype != SN_F64) {
            size_t bytes = sn_dtype_size(dtype);
            if (memcmp((const char *)a + (size_t)*at * bytes, (const char *)b + (size_t)*at * bytes, bytes)) return 0;
            continue;
        }
        double x = support_float(a, dtype, *at), y = support_float(b, dtype, *at);
        if (x != y && !(isnan(x) && isnan(y))) return 0;
    }
    return 1;
}

static void same_values(garden *w, const ir_roots *roots, const text_rewriting *r, const char *what) {
    support_graph *t = w->t;
    ir_values values = {t->input, t->var, t->dim};
    void *have[8], *want[8];
    ir_eval(&t->g, roots, &values, &t->g.arena, want);
    ir_eval(&r->result.g, &r->result.roots, &values, &t->g.arena, have);
    for (uint32_t i = 0; i < roots->n_out; i++) {
        int64_t at;
        if (same_data(have[i], want[i], (sn_dtype)ir_at(&t->g, roots->out[i])->dtype, support_count(t, roots->out[i]),
                      &at))
            continue;
        char *before = text_print(&t->g, roots), *after = text_print(&r->result.g, &r->result.roots);
        ck_abort_msg("%s: output %u differs at %lld\n%s\n%s", what, i, (long long)at, before, after);
    }
}

static void random_graph(garden *w) {
    static const sn_dtype types[] = {SN_F32, SN_F64, SN_I32, SN_U8, SN_BOOL};
    static const int64_t extents[] = {3, 1, 0, 5};
    support_graph *t = w->t;
    w->n = support_named(t, "N", extents[support_below(t, 4)]);
    w->four = support_size(t, 4);
    w->one = support_size(t, 1);
    const ir_dim shapes[][2] = {{0, 0}, {w->n, 0}, {w->four, 0}, {w->n, w->four}, {w->four, w->n}, {w->n, w->one}};
    for (int i = 0; i < 12; i++) {
        const ir_dim *dims = shapes[i % 6];
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        sn_dtype dtype = i < 6 ? SN_F32 : types[support_below(t, 5)];
        uint32_t rank = dims[0] == 0 ? 0 : dims[1] == 0 ? 1 : 2;
        put(w, support_input_dims(t, name, dtype, rank, dims, random_data(w, dtype, 20)));
    }
    put(w, node(w, IR_DIM_VALUE, &(ir_node){0}, SN_I64, 0, NULL, 1, (const int64_t[]){w->four}));
    for (int i = 0; i < 60; i++) {
        ir_id a = w->pool[w->count - 1 - (uint32_t)support_below(t, w->count < 16 ? w->count : 16)];
        int64_t kind = support_below(t, 5);
        if (kind < 2)
            grow_ewise(w, a);
        else if (kind == 2)
            grow_other_arithmetic(w, a);
        else
            grow_view(w, a);
    }
}

typedef struct {
    uint32_t fired[TEXT_MAX_RULES];
    uint64_t seed;
} tally;
static tally total; /* of this test process */

static void one_random_graph(support_graph *t) {
    garden w = {.t = t};
    t->seed ^= total.seed * 0x9e3779b97f4a7c15u;
    random_graph(&w);
    ir_id out[5];
    for (int i = 0; i < 5; i++) out[i] = w.pool[w.count - 1 - (uint32_t)support_below(t, w.count / 2)];
    ir_roots roots = {.n_out = 5, .out = out};
    char text[256];
    const char *broken = ir_verify(&t->g, &roots, text);
    ck_assert_msg(!broken, "the random graph itself: %s", broken);
    text_rewriting r;
    text_rewrite(&r, &t->g, &roots, NULL);
    same_values(&w, &roots, &r, "all rules");
    text_clear(&r.result);
    const ir_rule *rule[TEXT_MAX_RULES];
    uint32_t n = text_all_rules(rule);
    for (uint32_t i = 0; i < n; i++) {
        const ir_pass alone = {rule[i]->name, 1, rule[i]};
        text_rewrite(&r, &t->g, &roots, &alone);
        if (r.n_rewrites) same_values(&w, &roots, &r, rule[i]->name);
        total.fired[i] += r.n_rewrites;
        text_clear(&r.result);
    }
}

START_TEST(random_graphs) {
    memset(&total, 0, sizeof total);
    int n = getenv("SN_SLOW") ? 40000 : 2000;
    for (int i = 0; i < n; i++) {
        total.seed = (uint64_t)i;
        support_run(one_random_graph);
    }
    const ir_rule *rule[TEXT_MAX_RULES];
    uint32_t silent = 0, n_rules = text_all_rules(rule);
    for (uint32_t i = 0; i < n_rules; i++) {
        silent += !total.fired[i];
        if (getenv("SN_VERBOSE")) fprintf(stderr, "%-22s %u\n", rule[i]->name, total.fired[i]);
    }
    ck_assert_uint_eq(silent, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("passes_random");
    TCase *tests = tcase_create("rewriting");
    tcase_set_timeout(tests, 1200);
    tcase_add_test(tests, random_graphs);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
