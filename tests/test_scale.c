/* Large graphs: what a function of four times as many nodes takes to plan, counted in steps of fusion and lowering and
 * in bytes of memory, is not much more than four times as much. No clock is asked. Groups have bounds of their own, so
 * what grows is the number of groups, and nothing may go through all of them for each. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/support_paths.h"

typedef struct {
    sn_context *ctx;
    sn_graph *g;
    sn_dim N;
    uint32_t n_update;
    sn_update *update;
    sn_var **var; /* of the updates, and more */
    uint32_t n_var;
    sn_expr in, out;
} large;

static sn_expr number(large *l, double value) { return sn_const(l->g, value); }

static sn_expr variable(large *l, int32_t rank, int64_t a, int64_t b) {
    char name[32];
    snprintf(name, sizeof name, "W%u", l->n_var);
    ck_assert_int_eq(sn_var_new(l->ctx, name, SN_F32, rank, (const int64_t[]){a, b}, &l->var[l->n_var]), SN_OK);
    return sn_use(l->g, l->var[l->n_var++]);
}

/* Of the variables from number `first` on, along the gradients of the loss. */
static void descend(large *l, sn_expr loss, const sn_expr *w, uint32_t n) {
    sn_expr d[64];
    ck_assert_int_eq(sn_grad(loss, w, n, d), SN_OK);
    for (uint32_t i = 0; i < n; i++)
        l->update[l->n_update++] = (sn_update){l->var[l->n_var - n + i], sn_sub(w[i], sn_mul(d[i], number(l, 0.01)))};
}

/* ---- graphs of about n nodes ------------------------------------------------------------------------------------- */

static void chain(large *l, uint32_t n) {
    l->out = l->in;
    for (uint32_t i = 0; i < n / 3; i++) l->out = sn_mul(sn_tanh(l->out), number(l, 1 + 0.001 * i));
}

static void chain_with_gradient(large *l, uint32_t n) {
    chain(l, n / 3);
    ck_assert_int_eq(sn_grad(sn_sum_all(l->out), &l->in, 1, &l->out), SN_OK);
}

/* All leaves read the one input. */
static void tree(large *l, uint32_t n) {
    uint32_t w = n / 4;
    sn_expr *e = calloc(w, sizeof *e);
    ck_assert_ptr_nonnull(e);
    for (uint32_t i = 0; i < w; i++) e[i] = sn_sin(sn_mul(l->in, number(l, 1 + 0.001 * i)));
    for (; w > 1; w = (w + 1) / 2) {
        for (uint32_t i = 0; i < w / 2; i++) e[i] = sn_add(e[2 * i], e[2 * i + 1]);
        if (w % 2) e[w / 2] = e[w - 1];
    }
    l->out = e[0];
    free(e);
}

/* Many networks on one input, each with a loss, gradients and updates of its own. */
static void networks(large *l, uint32_t n) {
    l->out = number(l, 0);
    for (uint32_t i = 0; i < n / 40; i++) {
        sn_expr w[2] = {variable(l, 2, 4, 8), variable(l, 1, 8, 0)};
        sn_expr loss = sn_mean_all(sn_square(sn_matmul(sn_tanh(sn_matmul(l->in, w[0])), w[1])));
        descend(l, loss, w, 2);
        l->out = sn_add(l->out, loss);
    }
}

/* One network of many layers, whose products are for BLAS. */
static void layers(large *l, uint32_t n) {
    sn_expr w = variable(l, 2, 64, 64), h = l->in;
    for (uint32_t i = 0; i < n / 25; i++) h = sn_add(h, sn_tanh(sn_add(sn_matmul(h, w), number(l, 0.001 * i))));
    descend(l, sn_mean_all(sn_square(h)), &w, 1);
    l->out = sn_sum_all(h);
}

static void updates(large *l, uint32_t n) {
    l->out = sn_sum_all(l->in);
    for (uint32_t i = 0; i < n / 10; i++) {
        sn_expr w = variable(l, 1, 1000, 0);
        l->update[l->n_update++] = (sn_update){l->var[l->n_var - 1], sn_sub(w, sn_mul(l->out, sn_tanh(w)))};
    }
}

/* A value of as many operands. */
static void joined(large *l, uint32_t n) {
    sn_expr *e = calloc(n / 4, sizeof *e);
    ck_assert_ptr_nonnull(e);
    for (uint32_t i = 0; i < n / 4; i++) e[i] = sn_tanh(sn_mul(l->in, number(l, i)));
    l->out = sn_concat(e, n / 4, 0);
    free(e);
}

/* ---- what they take ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*make)(large *l, uint32_t n);
    int64_t columns; /* of the input; 0: none */
} kinds[] = {{"chain", chain, 0},         {"chain with gradient", chain_with_gradient, 0},
             {"tree", tree, 0},           {"networks", networks, 4},
             {"layers", layers, 64},      {"updates", updates, 0},
             {"joined values", joined, 0}};

typedef struct {
    atomic_size_t now, most;
} count;

static void *counted(void *user, void *p, size_t old_size, size_t new_size) {
    count *c = user;
    void *q = new_size ? aligned_alloc(64, (new_size + 63) / 64 * 64) : NULL;
    if (p && q) memcpy(q, p, old_size < new_size ? old_size : new_size);
    if (!q && new_size) return NULL;
    free(p);
    size_t now = atomic_fetch_add(&c->now, new_size - old_size) + new_size - old_size;
    size_t most = atomic_load(&c->most);
    while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now)) continue;
    return q;
}

typedef struct {
    uint64_t steps;
    size_t bytes;
} cost;

static cost plan(uint32_t kind, uint32_t n) {
    count c;
    atomic_init(&c.now, 0);
    atomic_init(&c.most, 0);
    large l = {.var = calloc(n, sizeof *l.var), .update = calloc(n, sizeof *l.update)};
    ck_assert(l.var && l.update);
    sn_allocator alloc = {counted, &c};
    sn_context_options options = {.struct_size = sizeof options, .backend = "interp", .allocator = &alloc};
    ck_assert_int_eq(sn_context_new(&options, &l.ctx), SN_OK);
    l.g = sn_graph_new(l.ctx, "large");
    l.N = sn_dim_new(l.g, "N");
    l.in = sn_input(l.g, "x", SN_F32, kinds[kind].columns ? SN_SHAPE(l.N, SN_DIM(kinds[kind].columns)) : SN_SHAPE(l.N));
    kinds[kind].make(&l, n);
    sn_function_desc desc = {.inputs = &l.in,
                             .n_inputs = 1,
                             .outputs = &l.out,
                             .n_outputs = 1,
                             .updates = l.update,
                             .n_updates = l.n_update};
    sn_function *f;
    ck_assert_msg(sn_function_new(l.g, &desc, &f) == SN_OK, "%s: %s", kinds[kind].name, sn_graph_error(l.g));
    cost result = {f->program->work, atomic_load(&c.most)};
    sn_function_free(f);
    sn_graph_free(l.g);
    for (uint32_t i = 0; i < l.n_var; i++) sn_var_free(l.var[i]);
    sn_context_free(l.ctx);
    free(l.var);
    free(l.update);
    return result;
}

START_TEST(grows_with_the_graph) {
    cost small = plan((uint32_t)_i, 4000), big = plan((uint32_t)_i, 16000);
    double steps = (double)big.steps / (double)small.steps, bytes = (double)big.bytes / (double)small.bytes;
    ck_assert_uint_gt(small.steps, 4000);
    ck_assert_msg(steps < 5, "%s: four times the nodes take %.1f times the steps", kinds[_i].name, steps);
    ck_assert_msg(bytes < 6, "%s: four times the nodes take %.1f times the memory", kinds[_i].name, bytes);
}
END_TEST

int main(void) {
    Suite *s = suite_create("scale");
    TCase *c = tcase_create("large graphs");
    tcase_add_loop_test(c, grows_with_the_graph, 0, (int)(sizeof kinds / sizeof *kinds));
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
