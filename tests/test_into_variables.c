/* A product for BLAS whose result is a variable's new value: written there by the product itself where everybody who
 * reads the old value can run first, else copied; the right numbers on every path in either case. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/function.h"
#include "support/support_paths.h"

enum { SIZE = 160, N_VARS = 3 };

typedef struct {
    sn_graph *g;
    sn_expr a, b, var[N_VARS]; /* inputs [SIZE, SIZE], and variables like them; the last of [SIZE * SIZE] */
    sn_expr out[4], update[N_VARS];
    uint32_t n_out, update_var[N_VARS], n_update;
} made;

static void out(made *m, sn_expr e) { m->out[m->n_out++] = e; }
static void update(made *m, uint32_t var, sn_expr e) {
    m->update_var[m->n_update] = var;
    m->update[m->n_update++] = e;
}

static void alone(made *m) { update(m, 0, sn_matmul(m->a, m->b)); }
static void read_after(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 0, p);
    out(m, sn_sum_all(p));
    out(m, sn_mul(p, m->a));
}
static void read_before(made *m) {
    update(m, 0, sn_matmul(m->a, m->b));
    out(m, sn_add(m->var[0], m->a));
    update(m, 1, sn_mul(m->var[0], m->b));
}
static void read_by_a_product_before(made *m) {
    update(m, 0, sn_matmul(m->a, m->b));
    out(m, sn_matmul(m->var[0], m->a));
}
static void another_shape(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 2, sn_reshape(p, SN_SHAPE(SN_DIM(SIZE * SIZE))));
    out(m, sn_tanh(p));
}
static void two_products(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 0, p);
    update(m, 1, sn_matmul(p, m->b));
}
static void layer(made *m) { update(m, 0, sn_relu(sn_matmul(m->a, m->b))); }
/* Not directly: */
static void reads_itself(made *m) { update(m, 0, sn_matmul(m->var[0], m->b)); }
static void read_with_the_new(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 0, p);
    out(m, sn_sub(p, m->var[0]));
}
static void shown(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 0, p);
    out(m, p);
}
static void change_places(made *m) {
    update(m, 0, sn_matmul(m->var[1], m->b));
    update(m, 1, sn_matmul(m->var[0], m->b));
}
static void old_one_shown_late(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 0, p);
    out(m, sn_mul(m->var[0], sn_sum_all(p)));
}
/* One of them: */
static void two_variables(made *m) {
    sn_expr p = sn_matmul(m->a, m->b);
    update(m, 0, p);
    update(m, 1, p);
}

static const struct {
    const char *name;
    void (*build)(made *);
    int cpu, gpu; /* products that write a variable */
} cases[] = {{"alone", alone, 1, 1},
             {"read after", read_after, 1, 1},
             {"read before", read_before, 1, 1},
             {"read by a product before", read_by_a_product_before, 1, 1},
             {"another shape", another_shape, 1, 1},
             {"two products", two_products, 2, 2},
             {"layer", layer, 0, 1},
             {"reads itself", reads_itself, 0, 0},
             {"read with the new", read_with_the_new, 0, 0},
             {"shown", shown, 0, 0},
             {"change places", change_places, 1, 1},
             {"old one shown late", old_one_shown_late, 0, 0},
             {"two variables", two_variables, 1, 1}};
enum { N_CASES = sizeof cases / sizeof *cases };

static void look(void *arg, sn_function *f) {
    int direct = 0, wanted = support_twin_on_gpu() ? cases[*(int *)arg].gpu : cases[*(int *)arg].cpu;
    for (uint32_t i = 0; i < f->program->n_step; i++) {
        const pg_step *s = &f->program->step[i];
        direct += s->kind == PG_GEMM && s->c.space == PG_VAR;
    }
    ck_assert_msg(direct == wanted, "%s: %d products write variables, not %d\n%s%s", cases[*(int *)arg].name, direct,
                  wanted, f->program->fuse_text, f->program->why_text);
}

START_TEST(written_there_or_copied) {
    sn_context *ctx = support_twin_context();
    sn_var *var[N_VARS];
    made m = {.g = sn_graph_new(ctx, "into")};
    static float data[2][SIZE * SIZE], values[SIZE * SIZE];
    uint32_t seed = 3;
    for (int i = 0; i < 2 * SIZE * SIZE; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i % 2][i / 2] = (float)(seed >> 20) / 2048 - 1;
    }
    const sn_shape shape = SN_SHAPE(SN_DIM(SIZE), SN_DIM(SIZE));
    m.a = sn_input(m.g, "a", SN_F32, shape);
    m.b = sn_input(m.g, "b", SN_F32, shape);
    for (int i = 0; i < N_VARS; i++) {
        char name[8];
        snprintf(name, sizeof name, "v%d", i);
        const int64_t sizes[] = {i < 2 ? SIZE : SIZE * SIZE, SIZE};
        ck_assert_int_eq(sn_var_new(ctx, name, SN_F32, i < 2 ? 2 : 1, sizes, &var[i]), SN_OK);
        for (int k = 0; k < SIZE * SIZE; k++) values[k] = data[i % 2][SIZE * SIZE - 1 - k];
        ck_assert_int_eq(sn_var_set(var[i], values, sizeof values), SN_OK);
        m.var[i] = sn_use(m.g, var[i]);
    }
    cases[_i].build(&m);
    ir_id outs[4], updates[N_VARS];
    ir_graph *g = (ir_graph *)m.g;
    for (uint32_t i = 0; i < m.n_out; i++) outs[i] = m.out[i].id;
    uint32_t vars[N_VARS];
    for (uint32_t i = 0; i < m.n_update; i++) {
        updates[i] = m.update[i].id;
        vars[i] = (uint32_t)ir_at(g, m.var[m.update_var[i]].id)->attr[0];
    }
    const support_body body = {
        .g = m.g,
        .input = {data[0], data[1]},
        .roots = {.n_out = m.n_out, .out = outs, .n_update = m.n_update, .update = updates, .update_var = vars}};
    char text[4096];
    int which = _i;
    ck_assert_msg(support_paths(&body, SUPPORT_COMPILED | SUPPORT_FUSED_ONLY, look, &which, text, sizeof text),
                  "%s: %s", cases[_i].name, text);
    sn_graph_free(m.g);
    for (int i = 0; i < N_VARS; i++) sn_var_free(var[i]);
    sn_context_free(ctx);
}
END_TEST

int main(void) {
    Suite *s = suite_create("into_variables");
    TCase *t = tcase_create("into_variables");
    tcase_add_loop_test(t, written_there_or_copied, 0, N_CASES);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
