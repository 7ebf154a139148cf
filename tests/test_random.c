/* Random graphs on every path. SN_SLOW=1 runs ten times as many. SN_RANDOM=seed runs one seed and reduces what fails;
 * SN_FROM and SN_COUNT choose other seeds; SN_COMPILED=1 compiles all graphs, not one in ten. */
#define _POSIX_C_SOURCE 200809L
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/fuse.h"
#include "runtime/function.h"
#include "support/random_graph.h"
#include "support/reduce_graph.h"

static uint64_t op_count[IR_OP_COUNT][SN_BF16 + 1], reason_count[FU_PROFIT + 1], fused, steps, gemms, shadows,
    functions, with_plans, plan_count[PG_MAX_PLANS];

static void count_coverage(void *arg, sn_function *f) {
    (void)arg;
    const ir_graph *g = &f->given;
    for (ir_id v = 1; v < g->node.n; v++) op_count[ir_at(g, v)->op][ir_at(g, v)->dtype]++;
    const char *why = f->program->why_text;
    for (uint32_t i = 1; i <= FU_PROFIT; i++)
        for (const char *at = why; (at = strstr(at, fu_reason_text((fu_reason)i))); at++) reason_count[i]++;
    for (const char *at = why; (at = strstr(at, "fused into")); at++) fused++;
    steps += f->program->n_step;
    for (uint32_t i = 0; i < f->program->n_step; i++) {
        gemms += f->program->step[i].kind == PG_GEMM;
        shadows += f->program->step[i].kind == PG_COPY;
    }
    functions++;
    with_plans += f->plans.n > 1;
    plan_count[f->last_plan] += f->plans.n > 1;
}

static void print_coverage(void) {
    printf(
        "%llu functions, %llu steps (%llu gemms, %llu copies), %llu values compared of which %llu told nothing, %llu "
        "kernels compiled\n",
        (unsigned long long)functions, (unsigned long long)steps, (unsigned long long)gemms,
        (unsigned long long)shadows, (unsigned long long)support_compared, (unsigned long long)support_skipped,
        (unsigned long long)support_twin.kernels);
    printf("%llu functions with several plans; their plans run: %llu %llu %llu %llu\n", (unsigned long long)with_plans,
           (unsigned long long)plan_count[0], (unsigned long long)plan_count[1], (unsigned long long)plan_count[2],
           (unsigned long long)plan_count[3]);
    printf("%-14s", "");
    for (int t = SN_F64; t <= SN_BF16; t++) printf("%8s", sn_dtype_name((sn_dtype)t));
    printf("\n");
    for (int op = 1; op < IR_OP_COUNT; op++) {
        printf("%-14s", ir_ops[op].name);
        for (int t = SN_F64; t <= SN_BF16; t++) printf("%8llu", (unsigned long long)op_count[op][t]);
        printf("\n");
    }
    printf("%-90s %8llu\n", "fused", (unsigned long long)fused);
    for (uint32_t i = 1; i <= FU_PROFIT; i++)
        printf("%-90s %8llu\n", fu_reason_text((fu_reason)i), (unsigned long long)reason_count[i]);
    fflush(stdout);
}

static const char *run_seed(sn_context *ctx, uint64_t seed, char *text, size_t n) {
    static random_graph r;
    char *problem = NULL;
    int size = 4 + (int)(seed % 5) * 7, reduce = getenv("SN_RANDOM") != NULL;
    random_graph_new(&r, ctx, seed, size);
    int flags = seed % 10 == 3 ? SUPPORT_COMPILED : seed % 20 == 7 ? SUPPORT_COMPILED | SUPPORT_THREADS : 0;
    if (getenv("SN_COMPILED")) flags = SUPPORT_COMPILED | SUPPORT_THREADS;
    void *before[SUPPORT_MAX_VARS] = {NULL};
    for (uint32_t k = 0; k < 2 * r.n_function && !problem;
         k++) { /* all, and all again on the variables they have left */
        r.body.roots = r.function[k % r.n_function];
        char what[900];
        int now = k < r.n_function ? flags : SUPPORT_FUSED_ONLY;
        for (uint32_t i = 0; i < r.n_var; i++) {
            sn_tensor type = sn_var_type(r.var[i]);
            before[i] = realloc(before[i], sn_tensor_bytes(&type) + 1);
            sn_var_get(r.var[i], before[i], sn_tensor_bytes(&type));
        }
        if (support_paths(&r.body, now, count_coverage, NULL, what, sizeof what)) continue;
        snprintf(text, n, "seed %llu, function %u: %s", (unsigned long long)seed, k, what);
        problem = text;
        for (uint32_t i = 0; i < r.n_var; i++) {
            sn_tensor type = sn_var_type(r.var[i]);
            sn_var_set(r.var[i], before[i], sn_tensor_bytes(&type));
        }
        if (reduce) reduce_graph(&r.body, now);
    }
    for (uint32_t i = 0; i < r.n_var; i++) free(before[i]);
    random_graph_free(&r);
    return problem;
}

START_TEST(random_graphs) {
    sn_context *ctx = support_twin_context();
    const char *slow = getenv("SN_SLOW"), *one = getenv("SN_RANDOM"), *from = getenv("SN_FROM"),
               *count = getenv("SN_COUNT");
    uint64_t first = one ? strtoull(one, NULL, 10) : from ? strtoull(from, NULL, 10) : 1;
    uint64_t n = one ? 1 : count ? strtoull(count, NULL, 10) : slow && *slow == '1' ? 20000 : 2000, failed = 0;
    char text[1024], first_text[1024] = "";
    for (uint64_t seed = first; seed < first + n; seed++) {
        if (!run_seed(ctx, seed, text, sizeof text)) continue;
        fprintf(stderr, "%s\n", text);
        if (!failed++) memcpy(first_text, text, sizeof text);
    }
    print_coverage();
    sn_context_free(ctx);
    for (int i = 0; i < 3 && !one && n >= 2000; i++) ck_assert_msg(plan_count[i], "no function ran its plan %d", i);
    ck_assert_msg(!failed, "%llu of %llu; %s", (unsigned long long)failed, (unsigned long long)n, first_text);
    for (int op = 1; op < IR_OP_COUNT && !one && n >= 2000; op++) {
        uint64_t sum = 0;
        for (int t = 0; t <= SN_BF16; t++) sum += op_count[op][t];
        ck_assert_msg(sum, "operator %s was never generated", ir_ops[op].name);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random");
    TCase *tests = tcase_create("random");
    tcase_add_test(tests, random_graphs);
    tcase_set_timeout(tests, 0);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
