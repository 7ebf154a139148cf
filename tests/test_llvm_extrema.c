/* Compiled max and min, argmax and argmin against the kernel interpreter: over loops, unrolled axes and points, in
 * registers and in memory, under many schedules and extents, with NaNs, infinities, both zeros and ties; and over more
 * rounds than an epoch has. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/support_emit.h"

typedef enum { SCALAR, LOOP_LANES, POINT_LANES } form;
typedef struct {
    form form;
    uint32_t width, ilp, tile; /* POINT_LANES: width is the tile */
} schedule;

static const schedule schedules[] = {{SCALAR, 1, 1, 1},     {SCALAR, 1, 4, 2},        {LOOP_LANES, 16, 4, 1},
                                     {LOOP_LANES, 8, 2, 2}, {POINT_LANES, 16, 2, 16}, {POINT_LANES, 64, 1, 64}};
static const sn_dtype types[] = {SN_F32, SN_F64, SN_I64, SN_I32, SN_U8};
enum { N_SCHEDULES = sizeof schedules / sizeof *schedules, N_TYPES = sizeof types / sizeof *types, NEIGHBOURS = 3 };

static kn_access access_of(kn_id mem, uint32_t n, const kn_id *axis, const kn_size *step) {
    kn_access a = kn_access_of(mem);
    for (uint32_t i = 0; i < n; i++) kn_access_step(&a, axis[i], step[i]);
    return a;
}
#define AXES(...)                                                                                                      \
    (const kn_id[]) { __VA_ARGS__ }
#define STEPS(...)                                                                                                     \
    (const kn_size[]) { __VA_ARGS__ }

static void check(support_kernel *k, const schedule *s, const char *what, sn_dtype type, const support_case *cases,
                  size_t n_cases) {
    char text[128];
    snprintf(text, sizeof text, "%s of %s (form %d, width %u, ilp %u, tile %u)", what, sn_dtype_name(type),
             (int)s->form, s->width, s->ilp, s->tile);
    support_emit_check(k, cases, n_cases, text);
    support_kernel_free(k);
}

static void begin_phase(kn_build *b, const schedule *s, kn_id point, uint32_t n_loop, const kn_id *loop) {
    kn_id lanes = s->form == LOOP_LANES && n_loop ? loop[n_loop - 1] : s->form == POINT_LANES ? point : (kn_id)KN_NONE;
    kn_phase_begin(b, 0, n_loop, loop, lanes, lanes == KN_NONE ? 1 : s->width, n_loop ? s->ilp : 1);
}

/* x[rows][columns][3]: along rows (columns the folded loop), along columns into memory, along the unrolled axis, and
 * the winner's row for each neighbour, in registers. */
static void matrix(const schedule *s, sn_dtype type, kn_prim prim) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    const kn_size N = KN_D(0), C = KN_D(1), U = KN_C(NEIGHBOURS), CU = KN_KD(NEIGHBOURS, 1);
    kn_id n = kn_add_axis(b, KN_POINT, N), c = kn_add_axis(b, KN_LOOP, C), u = kn_add_axis(b, KN_UNROLL, U);
    kn_id x = kn_add_mem(b, KN_IN, type, KN_KD(NEIGHBOURS, 2), "x");
    kn_id row = kn_add_mem(b, KN_OUT, SN_I64, KN_KD(NEIGHBOURS, 0), "row"),
          any = kn_add_mem(b, KN_OUT, SN_I64, N, "any"), near = kn_add_mem(b, KN_OUT, SN_I64, KN_D(2), "near"),
          column = kn_add_mem(b, KN_PART, SN_I64, CU, "column"), best = kn_add_mem(b, KN_PART, type, CU, "best"),
          last = kn_add_mem(b, KN_PART, SN_I64, U, "last"), last_best = kn_add_mem(b, KN_PART, type, U, "last.best");
    kn_part_begin(b, 1, &n, s->tile, 2, 4);
    begin_phase(b, s, n, 1, &c);
    kn_id v = kn_load(b, type, access_of(x, 3, AXES(n, c, u), STEPS(CU, U, KN_C(1))));
    kn_id at_n = kn_index(b, n), at_c = kn_index(b, c), at_u = kn_index(b, u);
    kn_id along = kn_fold(b, prim, SN_I64, 1u << c, v, at_c);
    /* indices that come in no order: the place in memory, counted down */
    kn_id wide = kn_const_i(b, SN_I64, NEIGHBOURS);
    kn_id place =
        kn_prim1(b, KP_NEG, SN_I64, kn_prim2(b, KP_ADD, SN_I64, kn_prim2(b, KP_MUL, SN_I64, at_c, wide), at_u));
    kn_id of_both = kn_fold(b, prim, SN_I64, 1u << c | 1u << u, v, place);
    kn_store(b, access_of(near, 2, AXES(n, c), STEPS(C, KN_C(1))), kn_fold(b, prim, SN_I64, 1u << u, v, at_u));
    kn_store(b, access_of(row, 2, AXES(n, u), STEPS(U, KN_C(1))), along);
    kn_store(b, access_of(any, 1, AXES(n), STEPS(KN_C(1))), of_both);
    kn_fold_point_pairs(b, prim, 1u << n, v, at_n, access_of(best, 2, AXES(c, u), STEPS(U, KN_C(1))),
                        access_of(column, 2, AXES(c, u), STEPS(U, KN_C(1))));
    kn_phase_end(b);
    begin_phase(b, s, n, 0, NULL);
    kn_id value = kn_prim1(b, KP_CAST, type, along);
    kn_fold_point_pairs(b, prim, 1u << n, value, at_n, access_of(last_best, 1, AXES(u), STEPS(KN_C(1))),
                        access_of(last, 1, AXES(u), STEPS(KN_C(1))));
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {37, 45, 1665}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {32, 64, 2048}},
                                         {.dim = {3, 1, 3}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {16, 17, 272}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {2, 131, 262}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {0, 4, 0}},
                                         {.dim = {4, 0, 0}}};
    check(&k, s, kn_prims[prim].name, type, sizes, sizeof sizes / sizeof *sizes);
}

START_TEST(matrices) {
    const schedule *s = &schedules[_i % N_SCHEDULES];
    for (uint32_t t = 0; t < N_TYPES; t++) {
        if (!getenv("SN_SLOW") && t > 0 && (t + (uint32_t)_i) % 2) continue;
        matrix(s, types[t], (_i + (int)t) % 2 ? KP_ARGMAX : KP_ARGMIN);
    }
}
END_TEST

/* max or min of the same: along rows, of each neighbour's row with the unrolled axis folded, too, and of everything. A
 * NaN has to come out of each, and out of nothing else. */
static void extrema(const schedule *s, sn_dtype type, kn_prim prim) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    const kn_size N = KN_D(0), C = KN_D(1), U = KN_C(NEIGHBOURS), CU = KN_KD(NEIGHBOURS, 1);
    kn_id n = kn_add_axis(b, KN_POINT, N), c = kn_add_axis(b, KN_LOOP, C), u = kn_add_axis(b, KN_UNROLL, U);
    kn_id x = kn_add_mem(b, KN_IN, type, KN_KD(NEIGHBOURS, 2), "x"), w = kn_add_mem(b, KN_IN, type, C, "w");
    kn_id row = kn_add_mem(b, KN_OUT, type, KN_KD(NEIGHBOURS, 0), "row"), any = kn_add_mem(b, KN_OUT, type, N, "any"),
          same = kn_add_mem(b, KN_OUT, type, N, "same"), last = kn_add_mem(b, KN_PART, type, U, "last"),
          all = kn_add_mem(b, KN_PART, type, KN_C(1), "all");
    kn_part_begin(b, 1, &n, s->tile, 2, 4);
    begin_phase(b, s, n, 1, &c);
    kn_id v = kn_load(b, type, access_of(x, 3, AXES(n, c, u), STEPS(CU, U, KN_C(1))));
    kn_id row_of = kn_fold(b, prim, type, 1u << c, v, KN_NONE);
    kn_id any_of = kn_fold(b, prim, type, 1u << c | 1u << u, v, KN_NONE);
    kn_id same_of =
        kn_fold(b, prim, type, 1u << c, kn_load(b, type, access_of(w, 1, AXES(c), STEPS(KN_C(1)))), KN_NONE);
    kn_store(b, access_of(row, 2, AXES(n, u), STEPS(U, KN_C(1))), row_of);
    kn_store(b, access_of(any, 1, AXES(n), STEPS(KN_C(1))), any_of);
    kn_store(b, access_of(same, 1, AXES(n), STEPS(KN_C(1))), same_of);
    kn_phase_end(b);
    begin_phase(b, s, n, 0, NULL);
    kn_fold_points(b, prim, type, 1u << n, row_of, KN_NONE, access_of(last, 1, AXES(u), STEPS(KN_C(1))));
    kn_fold_points(b, prim, type, 1u << n, any_of, KN_NONE, kn_access_of(all));
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {37, 45, 1665}},
                                         {.dim = {70, 2, 140}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {32, 64, 2048}},
                                         {.dim = {129, 1, 129}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {1, 40, 40}, .fill = SUPPORT_SPECIAL},
                                         {.dim = {0, 4, 0}},
                                         {.dim = {4, 0, 0}}};
    check(&k, s, kn_prims[prim].name, type, sizes, sizeof sizes / sizeof *sizes);
}

START_TEST(plain) {
    const schedule *s = &schedules[_i];
    extrema(s, SN_F32, _i % 2 ? KP_MAX : KP_MIN);
    extrema(s, SN_F64, _i % 2 ? KP_MIN : KP_MAX);
    if (getenv("SN_SLOW")) extrema(s, SN_U8, KP_MAX);
}
END_TEST

/* One long loop, and as many points in few chunks: rounds of more than an epoch. Values repeat, so that the winner of a
 * lane stays where it came first. */
static void long_folds(const schedule *s, sn_dtype type, kn_prim prim) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), j = kn_add_axis(b, KN_LOOP, KN_D(0));
    kn_id x = kn_add_mem(b, KN_IN, type, KN_D(0), "x"), at = kn_add_mem(b, KN_OUT, SN_I64, KN_C(1), "at"),
          part = kn_add_mem(b, KN_PART, SN_I64, KN_C(1), "part"), best = kn_add_mem(b, KN_PART, type, KN_C(1), "best");
    kn_part_begin(b, 0, NULL, 1, 1, 1);
    kn_phase_begin(b, 0, 1, &j, s->form == LOOP_LANES ? j : (kn_id)KN_NONE, s->form == LOOP_LANES ? s->width : 1,
                   s->ilp);
    kn_id v = kn_load(b, type, access_of(x, 1, AXES(j), STEPS(KN_C(1))));
    kn_store(b, kn_access_of(at), kn_fold(b, prim, SN_I64, 1u << j, v, kn_index(b, j)));
    kn_phase_end(b);
    kn_part_end(b);
    kn_part_begin(b, 1, &n, s->tile, 1, 2);
    begin_phase(b, s, n, 0, NULL);
    v = kn_load(b, type, access_of(x, 1, AXES(n), STEPS(KN_C(1))));
    kn_fold_point_pairs(b, prim, 1u << n, v, kn_index(b, n), kn_access_of(best), kn_access_of(part));
    kn_phase_end(b);
    kn_part_end(b);
    const int64_t rounds = (1 << 16) + 5, step = s->form == LOOP_LANES ? s->width * s->ilp : s->ilp,
                  tile = 2 * (int64_t)s->tile;
    const support_case sizes[] = {{.dim = {rounds * (step > tile ? step : tile) + 3}}, {.dim = {17}}, {.dim = {0}}};
    check(&k, s, "a long fold", type, sizes, 3);
}

START_TEST(long_ones) {
    static const sn_dtype some[] = {SN_F32, SN_U8, SN_F64};
    long_folds(&schedules[_i], some[_i % 3], _i % 2 ? KP_ARGMAX : KP_ARGMIN);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_extrema");
    TCase *tc = tcase_create("llvm_extrema");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, matrices, 0, 2 * N_SCHEDULES);
    tcase_add_loop_test(tc, plain, 0, N_SCHEDULES);
    tcase_add_loop_test(tc, long_ones, 0, N_SCHEDULES);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
