/* The memory plan: no two temporaries that live at one step share a byte; and the plan is tight where tightness is easy
 * to see, never larger than no plan at all, and the same each time. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/program.h"

enum { MAX = 200 };

typedef struct {
    pg_temp temp[MAX];
    size_t size[MAX], offset[MAX];
    uint32_t scratch[4 * MAX];
    pg_program program;
} plan;

static plan *plan_new(uint32_t n) {
    plan *p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    p->program.n_temp = n;
    p->program.temp = p->temp;
    return p;
}

static void put(plan *p, uint32_t i, uint32_t first, uint32_t last, size_t size) {
    p->temp[i].first = first;
    p->temp[i].last = last;
    p->size[i] = size;
}

static size_t run(plan *p) { return pg_plan(&p->program, p->size, p->offset, p->scratch); }

static size_t up(size_t n) { return (n + 63) & ~(size_t)63; }

/* Every rule, whatever the input. */
static void check_rules(plan *p, size_t total) {
    size_t sum = 0, most_live = 0;
    for (uint32_t i = 0; i < p->program.n_temp; i++) {
        ck_assert_uint_eq(p->offset[i] % 64, 0);
        if (p->size[i]) ck_assert_uint_le(p->offset[i] + p->size[i], total);
        sum += up(p->size[i]);
        size_t live = 0; /* at the step where i begins */
        for (uint32_t k = 0; k < p->program.n_temp; k++) {
            if (p->temp[k].first <= p->temp[i].first && p->temp[i].first <= p->temp[k].last) live += up(p->size[k]);
            int meet = p->temp[i].first <= p->temp[k].last && p->temp[k].first <= p->temp[i].last;
            if (k == i || !meet || !p->size[i] || !p->size[k]) continue;
            ck_assert_msg(p->offset[i] + p->size[i] <= p->offset[k] || p->offset[k] + p->size[k] <= p->offset[i],
                          "temporaries %u and %u overlap", i, k);
        }
        if (live > most_live) most_live = live;
    }
    ck_assert_uint_le(total, sum);
    ck_assert_uint_ge(total, most_live);
}

START_TEST(nothing) {
    plan *p = plan_new(0);
    ck_assert_uint_eq(run(p), 0);
    free(p);
}
END_TEST

START_TEST(chain_needs_two_places) {
    plan *p = plan_new(10);
    for (uint32_t i = 0; i < 10; i++) put(p, i, i, i + 1, 1000);
    size_t total = run(p);
    check_rules(p, total);
    ck_assert_uint_eq(total, 2 * up(1000));
    free(p);
}
END_TEST

START_TEST(apart_share_all) {
    plan *p = plan_new(3);
    put(p, 0, 0, 1, 100);
    put(p, 1, 2, 3, 5000);
    put(p, 2, 4, 4, 64);
    size_t total = run(p);
    check_rules(p, total);
    ck_assert_uint_eq(total, up(5000));
    free(p);
}
END_TEST

/* a and c stay, b leaves: of the two holes, the tighter one is taken. */
START_TEST(tightest_gap) {
    plan *p = plan_new(6);
    put(p, 0, 0, 1, 64 * 8); /* big hole from step 2 on */
    put(p, 1, 0, 9, 64 * 7); /* wall */
    put(p, 2, 0, 1, 64 * 4); /* small hole from step 2 on */
    put(p, 3, 0, 9, 64 * 3); /* wall */
    put(p, 4, 2, 3, 64 * 2);
    size_t total = run(p);
    check_rules(p, total);
    ck_assert_uint_eq(total, 64 * (8 + 7 + 4 + 3));
    ck_assert_uint_eq(p->offset[4], 64 * 15);
    free(p);
}
END_TEST

START_TEST(empty_ones_hinder_none) {
    plan *p = plan_new(3);
    put(p, 0, 0, 5, 0);
    put(p, 1, 0, 5, 1);
    put(p, 2, 0, 5, 0);
    ck_assert_uint_eq(run(p), 64);
    check_rules(p, 64);
    free(p);
}
END_TEST

START_TEST(too_large_is_told) {
    plan *p = plan_new(2);
    put(p, 0, 0, 1, SIZE_MAX / 2);
    ck_assert_uint_eq(run(p), SIZE_MAX);
    put(p, 0, 0, 1, SIZE_MAX);
    ck_assert_uint_eq(run(p), SIZE_MAX);
    free(p);
    p = plan_new(4); /* each alone would do */
    for (uint32_t i = 0; i < 4; i++) put(p, i, 0, 1, SIZE_MAX / 5);
    ck_assert_uint_eq(run(p), SIZE_MAX);
    free(p);
}
END_TEST

static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

START_TEST(random_plans) {
    uint64_t seed = 7;
    size_t placed = 0, summed = 0;
    for (int round = 0; round < 1000; round++) {
        uint32_t n = 1 + next(&seed) % (round % 10 ? 20 : MAX);
        plan *p = plan_new(n), *again = plan_new(n);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t first = next(&seed) % 30;
            size_t size = next(&seed) % 8 ? next(&seed) % 5000 : 0;
            put(p, i, first, first + next(&seed) % 8, size);
            again->temp[i] = p->temp[i];
            again->size[i] = size;
            summed += up(size);
        }
        size_t total = run(p);
        check_rules(p, total);
        memset(again->scratch, 0xff, sizeof again->scratch);
        memset(again->offset, 0xff, sizeof again->offset);
        ck_assert_uint_eq(run(again), total);
        ck_assert_mem_eq(again->offset, p->offset, n * sizeof *p->offset);
        placed += total;
        free(p);
        free(again);
    }
    ck_assert_uint_lt(placed, summed * 2 / 3); /* on the whole, sharing pays */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memplan");
    TCase *tests = tcase_create("plan");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, nothing);
    tcase_add_test(tests, chain_needs_two_places);
    tcase_add_test(tests, apart_share_all);
    tcase_add_test(tests, tightest_gap);
    tcase_add_test(tests, empty_ones_hinder_none);
    tcase_add_test(tests, too_large_is_told);
    tcase_add_test(tests, random_plans);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
