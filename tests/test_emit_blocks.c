/* Blocks of the LLVM code generator against the kernel interpreter: lanes that lie apart in memory while copies, of a
 * tile's points or by unrolling, lie side by side; loads, stores, updates, folds over loops and points; every type of
 * element, odd extents. And random kernels, which permute the axes of their memories. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/random_kernel.h"
#include "support/support_emit.h"

static const sn_dtype types[] = {SN_F32, SN_F64, SN_I64, SN_I32, SN_U8, SN_BOOL};
enum { N_TYPES = sizeof types / sizeof *types };

static kn_access access2(kn_id mem, kn_id axis0, kn_size step0, kn_id axis1, kn_size step1) {
    kn_access a = kn_access_of(mem);
    kn_access_step(&a, axis0, step0);
    kn_access_step(&a, axis1, step1);
    return a;
}

static kn_id mix(kn_build *b, sn_dtype type, kn_id x, kn_id y) {
    return kn_prim2(b, type == SN_BOOL ? KP_XOR : KP_SUB, type, x, y);
}

/* ---- a tile of points and a vector along a loop ------------------------------------------------------------------ */

typedef struct {
    uint32_t tile, width, ilp;
} schedule;
static const schedule schedules[] = {{16, 16, 1}, {8, 16, 1}, {16, 8, 2}, {4, 4, 1}, {32, 4, 1}, {4, 32, 2}};
enum { N_SCHEDULES = sizeof schedules / sizeof *schedules };

/* dims: rows, columns, their product. Two phases, the second of which has row scratch of the first across itself. */
static void across(const schedule *s, sn_dtype type) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(b, KN_IN, type, KN_D(2), "x"), y = kn_add_mem(b, KN_IN, type, KN_D(2), "y");
    kn_id out = kn_add_mem(b, KN_OUT, type, KN_D(2), "out"), flip = kn_add_mem(b, KN_OUT, type, KN_D(2), "flip");
    kn_id var = kn_add_mem(b, KN_INOUT, type, KN_D(2), "var"), row = kn_add_mem(b, KN_OUT, type, KN_D(0), "row");
    kn_id column = kn_add_mem(b, KN_PART, type, KN_D(1), "column");
    kn_id kept = kn_add_mem(b, KN_ROW, type, KN_KD(s->tile, 1), "kept");
    kn_access along = access2(x, n, KN_D(1), c, KN_C(1)), across = access2(y, n, KN_C(1), c, KN_D(0));
    kn_access var_across = access2(var, c, KN_D(0), n, KN_C(1)), row_at = kn_access_of(row),
              column_at = kn_access_of(column);
    kn_access kept_across = access2(kept, n, KN_C(1), c, KN_C(s->tile));
    kn_access_step(&row_at, n, KN_C(1));
    kn_access_step(&column_at, c, KN_C(1));
    kn_prim fold = type == SN_BOOL ? KP_OR : KP_MAX;
    kn_part_begin(b, 1, &n, s->tile, 2, 5);
    for (int phase = 0; phase < 2; phase++) {
        kn_phase_begin(b, 0, 1, &c, c, s->width, s->ilp);
        kn_id vy = kn_load(b, type, across), vx = kn_load(b, type, phase ? kept_across : along);
        kn_id v = mix(b, type, vx, vy);
        if (!phase) {
            kn_store(b, kept_across, v);
            kn_store(b, row_at, kn_fold(b, fold, type, 1u << c, v, KN_NONE));
        } else {
            kn_fold_points(b, fold, type, 1u << n, v, KN_NONE, column_at);
            kn_id old = kn_load(b, type, var_across);
            kn_store(b, access2(out, n, KN_D(1), c, KN_C(1)), v);
            kn_store(b, access2(flip, c, KN_D(0), n, KN_C(1)), vx);
            kn_store(b, var_across, mix(b, type, old, v));
        }
        kn_phase_end(b);
    }
    kn_part_end(b);
    static const int64_t sizes[][2] = {{0, 5},   {5, 0},   {1, 1},   {7, 33},  {15, 17}, {16, 16},
                                       {17, 15}, {33, 31}, {48, 64}, {67, 50}, {130, 19}};
    support_case cases[sizeof sizes / sizeof *sizes] = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cases[i].dim[0] = sizes[i][0];
        cases[i].dim[1] = sizes[i][1];
        cases[i].dim[2] = sizes[i][0] * sizes[i][1];
    }
    char text[128];
    snprintf(text, sizeof text, "across (tile %u, width %u, ilp %u), %s", s->tile, s->width, s->ilp,
             sn_dtype_name(type));
    support_emit_check(&k, cases, sizeof cases / sizeof *cases, text);
    support_kernel_free(&k);
}

START_TEST(across_is_the_interpreters) {
    for (int i = 0; i < N_TYPES; i++)
        if (getenv("SN_SLOW") || i == _i || (_i == 0 && types[i] == SN_U8)) across(&schedules[_i], types[i]);
}
END_TEST

/* Element-wise phases, which are done in stages: `work` operations, an update across, a fold of the points into memory,
 * a value of each row; rows that begin at lines of 64 bytes and others. */
static void staged(sn_dtype type, uint32_t tile, uint32_t work) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(b, KN_IN, type, KN_D(2), "x"), y = kn_add_mem(b, KN_IN, type, KN_D(2), "y");
    kn_id w = kn_add_mem(b, KN_IN, type, KN_D(0), "w"), out = kn_add_mem(b, KN_OUT, type, KN_D(2), "out");
    kn_id var = kn_add_mem(b, KN_INOUT, type, KN_D(2), "var"), part = kn_add_mem(b, KN_PART, type, KN_D(1), "part");
    kn_access along = access2(x, n, KN_D(1), c, KN_C(1)), w_at = kn_access_of(w), part_at = kn_access_of(part);
    kn_access var_across = access2(var, c, KN_D(0), n, KN_C(1));
    kn_access_step(&w_at, n, KN_C(1));
    kn_access_step(&part_at, c, KN_C(1));
    kn_part_begin(b, 1, &n, tile, 2, 4);
    kn_phase_begin(b, 0, 1, &c, c, 16, 1);
    kn_id vw = kn_load(b, type, w_at), vx = kn_load(b, type, along);
    kn_id v = mix(b, type, vx, kn_load(b, type, access2(y, n, KN_C(1), c, KN_D(0)))),
          old = kn_load(b, type, var_across);
    for (uint32_t i = 0; i < work; i++) v = mix(b, type, i % 2 ? vw : old, v);
    kn_fold_points(b, type == SN_BOOL ? KP_OR : type == SN_U8 ? KP_MAX : KP_ADD, type, 1u << n, v, KN_NONE, part_at);
    kn_store(b, access2(out, n, KN_D(1), c, KN_C(1)), v);
    kn_store(b, var_across, mix(b, type, vx, old));
    kn_phase_end(b);
    kn_part_end(b);
    static const int64_t sizes[][2] = {{0, 5},   {5, 0},   {1, 1},   {7, 33},    {15, 17},  {16, 16},
                                       {17, 15}, {33, 31}, {48, 64}, {20, 1300}, {130, 19}, {16, 640}};
    support_case cases[sizeof sizes / sizeof *sizes] = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cases[i].dim[0] = sizes[i][0];
        cases[i].dim[1] = sizes[i][1];
        cases[i].dim[2] = sizes[i][0] * sizes[i][1];
    }
    char text[128];
    snprintf(text, sizeof text, "stages (tile %u, %u operations), %s", tile, work, sn_dtype_name(type));
    support_emit_check(&k, cases, sizeof cases / sizeof *cases, text);
    support_kernel_free(&k);
}

START_TEST(staged_is_the_interpreters) {
    staged(types[_i], types[_i] == SN_F64 || types[_i] == SN_I64 ? 8 : 16, 8);
    staged(types[_i], 16, 1);
}
END_TEST

/* A runtime index that is the same for the whole block, and one that is not; a guard. None but the first is a block. */
START_TEST(indices_and_guards) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(b, KN_IN, SN_F32, KN_KD(5, 2), "x"), ids = kn_add_mem(b, KN_IN, SN_I64, KN_D(0), "ids");
    kn_id out = kn_add_mem(b, KN_OUT, SN_F32, KN_KD(2, 2), "out");
    kn_part_begin(b, 1, &n, 16, 2, 5);
    kn_phase_begin(b, 0, 1, &c, c, 16, 1);
    kn_access id_at = kn_access_of(ids), at = access2(x, n, KN_C(1), c, KN_D(0)),
              to = access2(out, n, KN_C(1), c, KN_D(0));
    kn_access_step(&id_at, n, KN_C(1));
    at.ix = kn_dim_value(b, 3); /* 0 .. 4 */
    at.ix_step = KN_D(2);
    kn_id one = kn_load(b, SN_F32, at);
    at.ix = kn_load(b, SN_I64, id_at);
    kn_id two = kn_load(b, SN_F32, at);
    at.ix = KN_NONE;
    at.ix_step = KN_C(0);
    at.guard = kn_prim2(b, KP_LT, SN_BOOL, one, two);
    kn_id three = kn_load(b, SN_F32, at);
    kn_store(b, to, kn_prim2(b, KP_SUB, SN_F32, one, three));
    to.guard = at.guard;
    to.base = KN_D(2);
    kn_store(b, to, two);
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {33, 50, 33 * 50, 2}, .index_below = 5},
                                         {.dim = {16, 16, 256, 4}, .index_below = 5},
                                         {.dim = {5, 3, 15, 0}, .index_below = 5}};
    support_emit_check(&k, sizes, 3, "indices and guards");
    support_kernel_free(&k);
}
END_TEST

/* ---- lanes and an UNROLL axis ------------------------------------------------------------------------------------ */

/* x[n][gap * extent], of which extent neighbours are read: a gap of 1 makes the rows one stretch. Lanes along the
 * points or along a loop, and an accumulator of partials in memory whose lanes lie apart. */
static void unrolled(sn_dtype type, uint32_t extent, uint32_t gap, int loop_lanes) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    uint32_t line = extent * gap;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id u = kn_add_axis(b, KN_UNROLL, KN_C(extent));
    kn_id lane = loop_lanes ? c : n;
    kn_size many = loop_lanes ? KN_KD(line, 1) : KN_KD(line, 0);
    kn_id x = kn_add_mem(b, KN_IN, type, many, "x"), w = kn_add_mem(b, KN_IN, type, KN_D(2), "w");
    kn_id out = kn_add_mem(b, KN_OUT, type, KN_KD(line, 2), "out");
    kn_id part = kn_add_mem(b, KN_PART, type, KN_KD(extent, 1), "part");
    kn_access at = access2(x, lane, KN_C(line), u, KN_C(1)), to = access2(out, n, KN_KD(line, 1), c, KN_C(line));
    kn_access_step(&to, u, KN_C(1));
    kn_prim fold = type == SN_BOOL ? KP_OR : KP_MAX;
    kn_part_begin(b, 1, &n, 16, 1, 4);
    kn_phase_begin(b, 0, 1, &c, lane, 16, 1);
    kn_id v = mix(b, type, kn_load(b, type, at), kn_load(b, type, access2(w, n, KN_D(1), c, KN_C(1))));
    kn_store(b, to, v);
    kn_fold_points(b, fold, type, 1u << n, v, KN_NONE, access2(part, c, KN_C(extent), u, KN_C(1)));
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {
        {.dim = {33, 18, 33 * 18}}, {.dim = {16, 16, 256}}, {.dim = {7, 40, 280}}, {.dim = {1, 1, 1}}, {.dim = {0}}};
    char text[128];
    snprintf(text, sizeof text, "%u neighbours in lines of %u, %s", extent, line, sn_dtype_name(type));
    support_emit_check(&k, sizes, sizeof sizes / sizeof *sizes, text);
    support_kernel_free(&k);
}

START_TEST(unrolled_is_the_interpreters) {
    static const uint32_t extents[] = {3, 10, 4, 16, 5, 20};
    for (int i = 0; i < N_TYPES; i++)
        if (getenv("SN_SLOW") || i == _i) unrolled(types[i], extents[_i], 1 + (uint32_t)_i % 2, _i / 2 % 2);
}
END_TEST

/* ---- random kernels ---------------------------------------------------------------------------------------------- */

static void check_random(uint64_t seed) {
    int quick = 1;
    support_kernel s;
    support_kernel_init(&s);
    kernels_room room;
    kernels_room_init(&room);
    random_options options = {.seed = seed, .maths = 0};
    const kn_kernel *k = kernels_make(&room, random_kernel, &options);
    enum { LAUNCHES = 6 };
    support_case cases[LAUNCHES] = {0};
    for (uint32_t p = 0; p < k->n_part; p++) quick &= k->part[p].tile <= 16; /* others may compile for half a minute */
    for (uint64_t i = 0; i < LAUNCHES; i++) {
        kernels_launch launch = random_launch(k, seed * 10 + i);
        for (uint32_t d = 0; d < k->n_dim; d++) cases[i].dim[d] = launch.dim[d];
        for (uint32_t d = 0; d < k->n_scalar; d++) cases[i].scalar[d] = launch.scalar[d];
        kernels_launch_free(&launch);
    }
    char text[64];
    snprintf(text, sizeof text, "random kernel %llu", (unsigned long long)seed);
    if (quick || getenv("SN_SLOW")) support_emit_check_kernel(&s, k, cases, LAUNCHES, text);
    kernels_room_free(&room);
    support_kernel_free(&s);
}

START_TEST(random_kernels) {
    uint64_t n = getenv("SN_SLOW") ? 60 : 3, first = 1000 + n * (uint64_t)_i;
    for (uint64_t seed = first; seed < first + n; seed++) check_random(seed);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("emit_blocks");
    TCase *tc = tcase_create("emit_blocks");
    tcase_add_loop_test(tc, across_is_the_interpreters, 0, N_SCHEDULES);
    tcase_add_loop_test(tc, staged_is_the_interpreters, 0, N_TYPES);
    tcase_add_test(tc, indices_and_guards);
    tcase_add_loop_test(tc, unrolled_is_the_interpreters, 0, N_TYPES);
    tcase_add_loop_test(tc, random_kernels, 0, 5);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
