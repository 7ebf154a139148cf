/* The plans of a function. A product that is right for BLAS at large sizes of a named dim is best done otherwise where
 * the dim is small (see FU_FEW_ROWS), and where it is 1, axes vanish. So such a dim gets two plans more: with 1 in its
 * place, and with a bound. Nothing else makes plans: a function whose products none of its named dims makes small has
 * one. Of several such dims the one whose products have most arithmetic gets both, the next a bound. */
#include <string.h>

#include "ir/fuse.h"

typedef struct {
    uint16_t name;
    double flops; /* of the products for BLAS that it makes small */
} candidate;

/* Does this dim, made of one name alone, become small with it? */
static int becomes_small(const pg_program *p, ir_dim d, const pg_assume *assume) {
    fu_state s = {.g = p->graph, .assume = assume};
    int64_t least, most;
    return !ir_dim_is_const(p->graph, d, NULL) && fu_range(&s, d, &least, &most) && most <= FU_FEW_ROWS;
}

static double flops_of(const pg_program *p, const pg_step *step) {
    fu_state s = {.g = p->graph};
    const pg_dim *extent[] = {&step->m, &step->n, &step->k, &step->batch};
    double flops = 2;
    for (uint32_t i = 0; i < 4; i++) flops *= (double)fu_nominal(&s, extent[i]->poly, NULL);
    return flops;
}

static double flops_saved(const pg_program *p, uint16_t name) {
    pg_assume assume = {name, 1, FU_FEW_ROWS};
    double flops = 0;
    for (uint32_t i = 0; i < p->n_step; i++) {
        const pg_step *step = &p->step[i];
        if (step->kind != PG_GEMM) continue;
        if (becomes_small(p, step->m.poly, &assume) || becomes_small(p, step->n.poly, &assume) ||
            becomes_small(p, step->k.poly, &assume))
            flops += flops_of(p, step);
    }
    return flops;
}

/* The two best, best first. Returns their number. */
static uint32_t find_candidates(const pg_program *p, candidate best[2]) {
    uint32_t n = 0;
    for (uint32_t name = 0; name < p->graph->dim_name.n; name++) {
        candidate c = {(uint16_t)name, flops_saved(p, (uint16_t)name)};
        if (!(c.flops > 0)) continue;
        uint32_t at = n < 2 ? n++ : 2;
        for (; at > 0 && c.flops > best[at - 1].flops; at--)
            if (at < 2) best[at] = best[at - 1];
        if (at < 2) best[at] = c;
    }
    return n;
}

/* Does no call with this size of the dim get as far as a plan? What is known of its dims would contradict itself. */
static int is_impossible(ir_graph *g, const pg_assume *assume) {
    fu_state s = {.g = g, .assume = assume};
    int64_t least, most;
    for (uint32_t i = 0; i < g->check.n; i++) {
        const ir_check *check = &g->check.at[i];
        if (!fu_range(&s, ir_dim_sub(g, check->b, check->a), &least, &most)) continue;
        if (most < 0 || (!check->at_most && least > 0)) return 1;
    }
    for (ir_id id = 1; id < g->node.n; id++)
        for (uint32_t a = 0; a < ir_at(g, id)->rank; a++)
            if (fu_range(&s, ir_at(g, id)->dim[a], &least, &most) && most < 0) return 1;
    return 0;
}

typedef struct {
    pg_plans *plans;
    const pg_program *general;
    int how;
    kn_machine machine;
    const pg_assume *assume;
    pg_program *result;
} one_arg;

static void compile_one(void *arg) {
    one_arg *a = arg;
    ir_roots roots;
    ir_optimise_fixed(&a->plans->one, a->general->graph, &a->general->roots, a->assume->name, 1, &roots);
    a->result = pg_compile(&a->plans->one, &roots, a->how, a->machine, NULL);
    a->result->assume = a->assume;
}

/* The plan for a dim of 1, from a graph of its own. Sizes that do not fit 63 bits there make no call either. */
static pg_program *plan_for_one(one_arg *a) {
    ir_graph *g = a->general->graph;
    a->plans->has_one = 1;
    sn_status status = ir_graph_init(&a->plans->one, g->arena.alloc, &g->log, g->name);
    if (!status) status = base_protect(&a->plans->one.trap, compile_one, a);
    if (status == SN_ERR_NOMEM || status == SN_ERR_INTERNAL) base_fail(&g->trap, status, "%s", a->plans->one.trap.text);
    return status ? NULL : a->result;
}

static const pg_assume *assume(ir_graph *g, uint16_t name, int64_t most) {
    pg_assume *a = ARENA_NEW(&g->arena, pg_assume);
    *a = (pg_assume){name, 1, most};
    return a;
}

void pg_compile_plans(pg_plans *plans, ir_graph *g, const ir_roots *roots, int how, kn_machine machine) {
    pg_program *general = pg_compile(g, roots, how, machine, NULL);
    candidate best[2];
    uint32_t n = find_candidates(general, best);
    for (uint32_t i = 0; i < n; i++) {
        one_arg a = {plans, general, how, machine, assume(g, best[i].name, 1), NULL};
        if (i == 0 && !is_impossible(g, a.assume)) {
            pg_program *one = plan_for_one(&a);
            if (one) plans->at[plans->n++] = one;
        }
        plans->at[plans->n++] = pg_compile(g, roots, how, machine, assume(g, best[i].name, FU_FEW_ROWS));
    }
    plans->at[plans->n++] = general;
}

void pg_plans_clear(pg_plans *plans) {
    if (plans->has_one) ir_graph_clear(&plans->one);
    plans->has_one = 0;
}

uint32_t pg_plan_for(const pg_plans *plans, const int64_t *names) {
    uint32_t i = 0;
    for (; i + 1 < plans->n; i++) {
        const pg_assume *a = plans->at[i]->assume;
        if (names[a->name] >= a->least && names[a->name] <= a->most) break;
    }
    return i;
}

void pg_print_assumption(const pg_program *p, base_strbuf *out) {
    const pg_assume *a = p->assume;
    if (!a)
        base_strbuf_puts(out, "all other sizes");
    else if (a->least == a->most)
        base_strbuf_printf(out, "%s = %lld", p->graph->dim_name.at[a->name], (long long)a->most);
    else
        base_strbuf_printf(out, "%lld <= %s <= %lld", (long long)a->least, p->graph->dim_name.at[a->name],
                           (long long)a->most);
}
