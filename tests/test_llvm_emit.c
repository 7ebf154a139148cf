/* The LLVM code generator against the kernel interpreter: hand-built kernels under many schedules and extents, and
 * every primitive for every type and lane form. support_emit.h tells what each check covers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/support_emit.h"

/* How the innermost work is laid out. */
typedef enum { SCALAR, LOOP_LANES, POINT_LANES } form;
typedef struct {
    form form;
    uint32_t width, ilp, tile; /* POINT_LANES: width is the tile */
} schedule;

static const schedule schedules[] = {
    {SCALAR, 1, 1, 1},      {SCALAR, 1, 4, 1},        {SCALAR, 1, 2, 4},      {LOOP_LANES, 16, 1, 1},
    {LOOP_LANES, 16, 4, 1}, {LOOP_LANES, 8, 2, 2},    {LOOP_LANES, 16, 1, 4}, {POINT_LANES, 16, 1, 16},
    {POINT_LANES, 8, 4, 8}, {POINT_LANES, 32, 1, 32}, {POINT_LANES, 1, 2, 1},
};
enum { N_SCHEDULES = sizeof schedules / sizeof schedules[0] };

/* The first of n variants under every schedule, the others in turn; all of them with SN_SLOW. Compiling takes ten times
 * as long under AddressSanitizer: half of that there. */
static int is_turn(int variant, int schedule_index, int n) {
    if (getenv("SN_SLOW")) return 1;
#ifdef __SANITIZE_ADDRESS__
    if ((variant == 0) == (schedule_index % 2 == 0)) return 0;
#endif
    return variant == 0 || variant == 1 + schedule_index % (n - 1);
}

static const char *name_of(const schedule *s, const char *what, char text[128]) {
    static const char *const form_name[] = {"scalar", "loop lanes", "point lanes"};
    snprintf(text, 128, "%s (%s, width %u, ilp %u, tile %u)", what, form_name[s->form], s->width, s->ilp, s->tile);
    return text;
}

/* Checks the kernel and frees it. */
static void check(support_kernel *k, const schedule *s, const char *what, const support_case *cases, size_t n_cases) {
    char text[128];
    support_emit_check(k, cases, n_cases, name_of(s, what, text));
    support_kernel_free(k);
}
#define CHECK(k, s, what, cases) check((k), (s), (what), (cases), sizeof(cases) / sizeof *(cases))

/* A phase over one loop under the schedule. */
static void begin_loop(kn_build *b, const schedule *s, kn_id point, kn_id loop) {
    kn_id lanes = s->form == LOOP_LANES ? loop : s->form == POINT_LANES ? point : (kn_id)KN_NONE;
    kn_phase_begin(b, 0, 1, &loop, lanes, s->form == SCALAR ? 1 : s->width, s->ilp);
}

/* A phase without loops: point lanes or scalars. */
static void begin_points(kn_build *b, const schedule *s, kn_id point) {
    int lanes = s->form == POINT_LANES;
    kn_phase_begin(b, 0, 0, NULL, lanes ? point : (kn_id)KN_NONE, lanes ? s->width : 1, 1);
}

static kn_access access1(kn_id mem, kn_id axis, kn_size step) {
    kn_access a = kn_access_of(mem);
    kn_access_step(&a, axis, step);
    return a;
}

static kn_access access2(kn_id mem, kn_id axis0, kn_size step0, kn_id axis1, kn_size step1) {
    kn_access a = access1(mem, axis0, step0);
    kn_access_step(&a, axis1, step1);
    return a;
}

/* dims: 0 rows, 1 columns, 2 their product; or constant extents. */
static kn_size size_of(int is_const, uint32_t dim, int64_t n) { return is_const ? KN_C(n) : KN_D(dim); }

/* ---- folds over loops and points --------------------------------------------------------------------------------- */

static void softmax(const schedule *s, int is_const, int64_t rows, int64_t columns) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_size N = size_of(is_const, 0, rows), C = size_of(is_const, 1, columns);
    kn_size NC = is_const ? KN_C(rows * columns) : KN_D(2);
    kn_id n = kn_add_axis(b, KN_POINT, N), c = kn_add_axis(b, KN_LOOP, C);
    kn_id x = kn_add_mem(b, KN_IN, SN_F32, NC, "x"), y = kn_add_mem(b, KN_OUT, SN_F32, NC, "y");
    kn_id row = kn_add_mem(b, KN_ROW, SN_F32, is_const ? KN_C(columns * s->tile) : KN_KD(s->tile, 1), "E");
    kn_access X = access2(x, n, C, c, KN_C(1)), Y = access2(y, n, C, c, KN_C(1));
    kn_access E = s->form == POINT_LANES ? access2(row, c, KN_C(s->tile), n, KN_C(1)) : access2(row, c, KN_C(1), n, C);
    kn_part_begin(b, 1, &n, s->tile, 2, 5);
    begin_loop(b, s, n, c);
    kn_id m = kn_fold(b, KP_MAX, SN_F32, 1u << c, kn_load(b, SN_F32, X), KN_NONE);
    kn_phase_end(b);
    begin_loop(b, s, n, c);
    kn_id e = kn_prim1(b, KP_EXP, SN_F32, kn_prim2(b, KP_SUB, SN_F32, kn_load(b, SN_F32, X), m));
    kn_store(b, E, e);
    kn_id sum = kn_fold(b, KP_ADD, SN_F32, 1u << c, e, KN_NONE);
    kn_id inverse = kn_prim2(b, KP_DIV, SN_F32, kn_const_f(b, SN_F32, 1), sum); /* after the loop */
    kn_phase_end(b);
    begin_loop(b, s, n, c);
    kn_store(b, Y, kn_prim2(b, KP_MUL, SN_F32, kn_load(b, SN_F32, E), inverse));
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {1, 1, 1}}, {.dim = {7, 37, 259}}, {.dim = {33, 64, 2112}},
                                         {.dim = {0, 5, 0}}, {.dim = {5, 0, 0}},    {.dim = {64, 130, 8320}}};
    if (is_const)
        CHECK(&k, s, "softmax of constant extents", ((support_case[]){{.dim = {0}}}));
    else
        CHECK(&k, s, "softmax", sizes);
}

START_TEST(softmax_is_the_interpreters) {
    const schedule *s = &schedules[_i];
    softmax(s, 0, 0, 0);
    softmax(s, 1, 32, 64);
    softmax(s, 1, 19, 21);
}
END_TEST

/* Kernels for teams of threads, whose folds begin with the neighbours that one thread would have: lanes and copies of
 * as many as there may be here, so that a thread has two. Sums of rows, of columns, of all. */
static const schedule team_schedules[] = {{LOOP_LANES, 64, 2, 1}, {POINT_LANES, 64, 1, 64}, {SCALAR, 1, 1, 64}};

START_TEST(teams_are_the_interpreters) {
    const schedule *s = &team_schedules[_i];
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id x = kn_add_mem(b, KN_IN, SN_F32, KN_D(2), "x"), row = kn_add_mem(b, KN_OUT, SN_F32, KN_D(0), "row");
    kn_id all = kn_add_mem(b, KN_PART, SN_F32, KN_C(1), "all"), col = kn_add_mem(b, KN_PART, SN_F32, KN_D(1), "col");
    kn_part_begin(b, 1, &n, s->tile, 1, 3);
    kn_part_team(b, 32);
    begin_loop(b, s, n, c);
    kn_id v = kn_load(b, SN_F32, access2(x, n, KN_D(1), c, KN_C(1)));
    kn_id sum = kn_fold(b, KP_ADD, SN_F32, 1u << c, v, KN_NONE);
    kn_fold_points(b, KP_ADD, SN_F32, 1u << n, v, KN_NONE, access1(col, c, KN_C(1)));
    kn_phase_end(b);
    begin_points(b, s, n);
    kn_store(b, access1(row, n, KN_C(1)), sum);
    kn_fold_points(b, KP_ADD, SN_F32, 1u << n, sum, KN_NONE, kn_access_of(all));
    kn_phase_end(b);
    kn_part_end(b);
    CHECK(&k, s, "teams", ((support_case[]){{.dim = {1, 1, 1}}, {.dim = {200, 150, 30000}}, {.dim = {64, 64, 4096}}}));
}
END_TEST

/* Sums of rows, of columns (partials, in memory and in registers), of all; by add and by fma; over two loops. */
static void sums(const schedule *s, sn_dtype type) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_prim fma = type == SN_F32 || type == SN_F64 ? KP_FMA : KP_MAX;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id u = kn_add_axis(b, KN_UNROLL, KN_C(3));
    kn_id x = kn_add_mem(b, KN_IN, type, KN_KD(3, 2), "x"), w = kn_add_mem(b, KN_IN, type, KN_KD(3, 1), "w");
    kn_id row = kn_add_mem(b, KN_OUT, type, KN_D(0), "row"), dot = kn_add_mem(b, KN_OUT, type, KN_KD(3, 0), "dot");
    kn_id col = kn_add_mem(b, KN_PART, type, KN_KD(3, 1), "col"), col2 = kn_add_mem(b, KN_PART, type, KN_D(1), "col2");
    kn_id all = kn_add_mem(b, KN_PART, type, KN_C(3), "all"), all2 = kn_add_mem(b, KN_PART, type, KN_C(1), "all2");
    kn_part_begin(b, 1, &n, s->tile, 1, 3);
    begin_loop(b, s, n, c);
    kn_access X = access2(x, n, KN_KD(3, 1), c, KN_C(3)), W = access1(w, c, KN_C(1));
    kn_access_step(&X, u, KN_C(1));
    kn_access_step(&W, u, KN_D(1));
    kn_id vx = kn_load(b, type, X), vw = kn_load(b, type, W);
    kn_id r = kn_fold(b, KP_ADD, type, 1u << c | 1u << u, vx, KN_NONE);
    kn_id d = kn_fold(b, fma, type, 1u << c, vx, fma == KP_FMA ? vw : (kn_id)KN_NONE);
    kn_id over_u = kn_fold(b, fma, type, 1u << u, vx, fma == KP_FMA ? vw : (kn_id)KN_NONE);
    kn_store(b, access1(row, n, KN_C(1)), r);
    kn_store(b, access2(dot, n, KN_C(3), u, KN_C(1)), d);
    kn_fold_points(b, fma, type, 1u << n, vx, fma == KP_FMA ? vw : (kn_id)KN_NONE,
                   access2(col, c, KN_C(3), u, KN_C(1)));
    kn_fold_points(b, KP_ADD, type, 1u << n, over_u, KN_NONE, access1(col2, c, KN_C(1)));
    kn_fold_points(b, KP_MIN, type, 1u << n, d, KN_NONE, access1(all, u, KN_C(1)));
    kn_fold_points(b, fma, type, 1u << n, r, fma == KP_FMA ? r : (kn_id)KN_NONE, kn_access_of(all2));
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {37, 45, 1665}},  {.dim = {32, 64, 2048}}, {.dim = {5, 3, 15}},
                                         {.dim = {18, 130, 2340}}, {.dim = {0, 4, 0}},      {.dim = {4, 0, 0}}};
    CHECK(&k, s, "sums", sizes);
}

START_TEST(sums_are_the_interpreters) {
    const schedule *s = &schedules[_i];
    static const sn_dtype types[] = {SN_F32, SN_F64, SN_I64, SN_I32, SN_U8};
    for (int i = 0; i < 5; i++)
        if (is_turn(i, _i, 5)) sums(s, types[i]);
}
END_TEST

/* any and all, argmax as the least index that holds the maximum, over two loops and three point axes. */
static void selects(const schedule *s) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id point[3] = {kn_add_axis(b, KN_POINT, KN_C(3)), kn_add_axis(b, KN_POINT, KN_C(2)),
                      kn_add_axis(b, KN_POINT, KN_D(0))};
    kn_id loop[2] = {kn_add_axis(b, KN_LOOP, KN_C(4)), kn_add_axis(b, KN_LOOP, KN_D(1))};
    kn_id x = kn_add_mem(b, KN_IN, SN_F32, KN_KD(24, 2), "x"), at = kn_add_mem(b, KN_OUT, SN_I64, KN_KD(6, 0), "at");
    kn_id any = kn_add_mem(b, KN_OUT, SN_BOOL, KN_KD(12, 0), "any");
    kn_access X = kn_access_of(x);
    kn_access_step(&X, point[0], KN_KD(8, 2));
    kn_access_step(&X, point[1], KN_KD(4, 2));
    kn_access_step(&X, point[2], KN_KD(4, 1));
    kn_access_step(&X, loop[0], KN_D(1));
    kn_access_step(&X, loop[1], KN_C(1));
    kn_access at_n = kn_access_of(at), any_n = kn_access_of(any);
    kn_access_step(&at_n, point[0], KN_KD(2, 0));
    kn_access_step(&at_n, point[1], KN_KD(1, 0));
    kn_access_step(&at_n, point[2], KN_C(1));
    kn_access_step(&any_n, point[0], KN_KD(4, 0));
    kn_access_step(&any_n, point[1], KN_KD(2, 0));
    kn_access_step(&any_n, point[2], KN_C(2));
    uint32_t loops = 1u << loop[0] | 1u << loop[1];
    kn_id lanes = s->form == LOOP_LANES ? loop[1] : s->form == POINT_LANES ? point[2] : (kn_id)KN_NONE;
    kn_part_begin(b, 3, point, s->tile, 2, 4);
    kn_phase_begin(b, 0, 2, loop, lanes, s->width, s->ilp);
    kn_id m = kn_fold(b, KP_MAX, SN_F32, loops, kn_load(b, SN_F32, X), KN_NONE);
    kn_phase_end(b);
    kn_phase_begin(b, 0, 2, loop, lanes, s->width, s->ilp);
    kn_id v = kn_load(b, SN_F32, X);
    kn_id place = kn_prim2(b, KP_ADD, SN_I64, kn_prim2(b, KP_MUL, SN_I64, kn_index(b, loop[0]), kn_dim_value(b, 1)),
                           kn_index(b, loop[1]));
    kn_id here = kn_prim2(b, KP_EQ, SN_BOOL, v, m);
    kn_id or_far = kn_prim3(b, KP_SELECT, SN_I64, here, place, kn_const_i(b, SN_I64, INT64_MAX));
    kn_store(b, at_n, kn_fold(b, KP_MIN, SN_I64, loops, or_far, KN_NONE));
    kn_id positive = kn_prim2(b, KP_LT, SN_BOOL, kn_scalar(b, SN_F32, 0), v);
    kn_store(b, any_n, kn_fold(b, KP_OR, SN_BOOL, loops, positive, KN_NONE));
    any_n.base = KN_C(1);
    kn_store(b, any_n, kn_fold(b, KP_AND, SN_BOOL, loops, positive, KN_NONE));
    kn_phase_end(b);
    kn_part_end(b);
    const uint64_t above = kn_bits_of(SN_F32, -1.9);
    const support_case sizes[] = {{.dim = {5, 21, 105}, .scalar = {above}},
                                  {.dim = {16, 32, 512}, .scalar = {above}},
                                  {.dim = {33, 3, 99}, .scalar = {above}}};
    CHECK(&k, s, "selects", sizes);
}

START_TEST(selects_are_the_interpreters) { selects(&schedules[_i]); }
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* A guarded gather of rows, its transposition, an in-place update, each type of element; an entry phase with a scalar.
 */
static void moves(const schedule *s, sn_dtype type) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    enum { TABLE = 11 };
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_size NC = KN_D(2);
    kn_id table = kn_add_mem(b, KN_IN, type, KN_KD(TABLE, 1), "table"),
          ids = kn_add_mem(b, KN_IN, SN_I64, KN_D(0), "ids");
    kn_id ids2 = kn_add_mem(b, KN_IN, SN_I64, NC, "ids2"), list = kn_add_mem(b, KN_IN, type, KN_C(TABLE), "list");
    kn_id out = kn_add_mem(b, KN_OUT, type, NC, "out"), flip = kn_add_mem(b, KN_OUT, type, NC, "flip");
    kn_id var = kn_add_mem(b, KN_INOUT, type, NC, "var"), moved = kn_add_mem(b, KN_OUT, type, NC, "moved");
    kn_id side = kn_add_mem(b, KN_OUT, type, KN_KD(2, 2), "side");
    kn_access N1 = access1(ids, n, KN_C(1)), NC1 = access2(ids2, n, KN_D(1), c, KN_C(1));
    kn_part_begin(b, 1, &n, s->tile, 3, 3);
    begin_loop(b, s, n, c);
    kn_id id = kn_load(b, SN_I64, N1), id2 = kn_load(b, SN_I64, NC1);
    kn_access row = access1(table, c, KN_C(1)), one = kn_access_of(list);
    row.ix = kn_prim2(b, KP_SUB, SN_I64, id, kn_const_i(b, SN_I64, 2)); /* 0 .. TABLE + 3 before, guarded */
    row.ix_step = KN_D(1);
    kn_id low = kn_prim2(b, KP_LE, SN_BOOL, kn_const_i(b, SN_I64, 0), row.ix);
    row.guard = kn_prim2(b, KP_AND, SN_BOOL, low, kn_prim2(b, KP_LT, SN_BOOL, row.ix, kn_const_i(b, SN_I64, TABLE)));
    one.ix = id2;
    one.ix_step = KN_C(1);
    one.guard = kn_prim2(b, KP_LT, SN_BOOL, id2, kn_const_i(b, SN_I64, TABLE));
    kn_id got = kn_load(b, type, row), got1 = kn_load(b, type, one);
    kn_id both = type == SN_BOOL ? kn_prim2(b, KP_XOR, type, got, got1) : kn_prim2(b, KP_ADD, type, got, got1);
    kn_store(b, access2(out, n, KN_D(1), c, KN_C(1)), both);
    kn_store(b, access2(flip, n, KN_C(1), c, KN_D(0)), got);
    kn_access V = access2(var, n, KN_D(1), c, KN_C(1)), M = access2(moved, n, KN_D(1), c, KN_C(1));
    kn_id old = kn_load(b, type, V);
    kn_store(b, V, kn_prim3(b, KP_SELECT, type, low, old, got1));
    M.guard = one.guard; /* what is not stored keeps the bytes it had */
    kn_store(b, M, old);
    kn_access S = access2(side, n, KN_KD(2, 1), c, KN_C(2));
    kn_store(b, S, got1);
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {7, 37, 259}, .index_below = TABLE + 4},
                                         {.dim = {33, 65, 2145}, .index_below = TABLE + 4},
                                         {.dim = {16, 3, 48}, .index_below = TABLE + 4}};
    CHECK(&k, s, "moves", sizes);
}

START_TEST(moves_are_the_interpreters) {
    static const sn_dtype types[] = {SN_F32, SN_F64, SN_I64, SN_I32, SN_U8, SN_BOOL};
    for (int i = 0; i < 6; i++)
        if (is_turn(i, _i, 6)) moves(&schedules[_i], types[i]);
}
END_TEST

/* Neighbours on an unrolled axis of 2, 3 or 4, lanes across them: wide loads and stores. */
static void interleaved(const schedule *s, uint32_t neighbours, sn_dtype type) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), u = kn_add_axis(b, KN_UNROLL, KN_C(neighbours));
    kn_id x = kn_add_mem(b, KN_IN, type, KN_KD(neighbours, 0), "x"),
          y = kn_add_mem(b, KN_OUT, type, KN_KD(neighbours, 0), "y");
    kn_id w = kn_add_mem(b, KN_IN, type, KN_C(neighbours), "w");
    kn_part_begin(b, 1, &n, s->tile, 2, 4);
    begin_points(b, s, n);
    kn_id v = kn_load(b, type, access2(x, n, KN_C(neighbours), u, KN_C(1)));
    kn_id sum = kn_fold(b, KP_ADD, type, 1u << u, v, KN_NONE);
    kn_id weighted = kn_prim2(b, KP_MUL, type, v, kn_load(b, type, access1(w, u, KN_C(1))));
    kn_store(b, access2(y, n, KN_C(neighbours), u, KN_C(1)), kn_prim2(b, KP_SUB, type, sum, weighted));
    kn_phase_end(b);
    kn_part_end(b);
    static const support_case sizes[] = {{.dim = {71}}, {.dim = {64}}, {.dim = {3}}};
    CHECK(&k, s, "interleaved", sizes);
}

START_TEST(interleaved_is_the_interpreters) {
    for (uint32_t neighbours = 2; neighbours <= 4; neighbours++) {
        interleaved(&schedules[_i], neighbours, SN_F32);
        interleaved(&schedules[_i], neighbours, SN_F64);
        interleaved(&schedules[_i], neighbours, SN_U8);
    }
}
END_TEST

/* ---- a training step: two layers, softmax, all gradients in partials, then the updates --------------------------- */

/* n points, j hidden units (loop), 2 inputs and 2 classes (unroll). The middle phase has points as lanes where tile
 * > 1. */
static void training_step(const schedule *s) {
    support_kernel sk;
    support_kernel_init(&sk);
    kn_build *b = &sk.b;
    const sn_dtype F = SN_F32;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), j = kn_add_axis(b, KN_LOOP, KN_D(1));
    kn_id k = kn_add_axis(b, KN_UNROLL, KN_C(2)), c = kn_add_axis(b, KN_UNROLL, KN_C(2));
    uint32_t over_n = 1u << n, over_c = 1u << c, over_k = 1u << k, over_j = 1u << j;
    kn_id X = kn_add_mem(b, KN_IN, F, KN_KD(2, 0), "X"), y = kn_add_mem(b, KN_IN, SN_I64, KN_D(0), "y");
    kn_id W1 = kn_add_mem(b, KN_IN, F, KN_KD(2, 1), "W1"), b1 = kn_add_mem(b, KN_IN, F, KN_D(1), "b1");
    kn_id W2 = kn_add_mem(b, KN_IN, F, KN_KD(2, 1), "W2"), b2 = kn_add_mem(b, KN_IN, F, KN_C(2), "b2");
    kn_id A = kn_add_mem(b, KN_ROW, F, KN_KD(s->tile, 1), "A");
    kn_id G1 = kn_add_mem(b, KN_PART, F, KN_KD(2, 1), "G1"), G2 = kn_add_mem(b, KN_PART, F, KN_D(1), "G2");
    kn_id G3 = kn_add_mem(b, KN_PART, F, KN_KD(2, 1), "G3"), G4 = kn_add_mem(b, KN_PART, F, KN_C(2), "G4");
    kn_id L = kn_add_mem(b, KN_PART, F, KN_C(1), "L");
    kn_access Xa = access2(X, n, KN_C(2), k, KN_C(1)), W1a = access2(W1, k, KN_D(1), j, KN_C(1));
    kn_access W2a = access2(W2, j, KN_C(2), c, KN_C(1));
    kn_access Aa =
        s->form == POINT_LANES ? access2(A, j, KN_C(s->tile), n, KN_C(1)) : access2(A, j, KN_C(1), n, KN_D(1));
    kn_part_begin(b, 1, &n, s->tile, 2, 6);

    begin_loop(b, s, n, j);
    kn_id z = kn_fold(b, KP_FMA, F, over_k, kn_load(b, F, Xa), kn_load(b, F, W1a));
    z = kn_prim2(b, KP_ADD, F, z, kn_load(b, F, access1(b1, j, KN_C(1))));
    kn_id a = kn_prim1(b, KP_TANH, F, z);
    kn_store(b, Aa, a);
    kn_id z2 = kn_fold(b, KP_FMA, F, over_j, a, kn_load(b, F, W2a));
    kn_phase_end(b);

    kn_phase_begin(b, 0, 0, NULL, s->tile > 1 ? n : (kn_id)KN_NONE, s->tile, 1);
    z2 = kn_prim2(b, KP_ADD, F, z2, kn_load(b, F, access1(b2, c, KN_C(1))));
    kn_id m = kn_fold(b, KP_MAX, F, over_c, z2, KN_NONE);
    kn_id e = kn_prim1(b, KP_EXP, F, kn_prim2(b, KP_SUB, F, z2, m));
    kn_id t = kn_fold(b, KP_ADD, F, over_c, e, KN_NONE);
    kn_id is_class = kn_prim2(b, KP_EQ, SN_BOOL, kn_index(b, c), kn_load(b, SN_I64, access1(y, n, KN_C(1))));
    kn_id p = kn_prim2(b, KP_SUB, F, kn_prim2(b, KP_DIV, F, e, t), kn_prim1(b, KP_CAST, F, is_class));
    kn_id d = kn_prim2(b, KP_MUL, F, p, kn_scalar(b, F, 0));
    kn_id picked = kn_fold(b, KP_ADD, F, over_c, kn_prim3(b, KP_SELECT, F, is_class, z2, kn_const_f(b, F, 0)), KN_NONE);
    kn_id loss = kn_prim2(b, KP_SUB, F, kn_prim2(b, KP_ADD, F, m, kn_prim1(b, KP_LOG, F, t)), picked);
    kn_fold_points(b, KP_ADD, F, over_n, loss, KN_NONE, kn_access_of(L));
    kn_fold_points(b, KP_ADD, F, over_n, d, KN_NONE, access1(G4, c, KN_C(1)));
    kn_phase_end(b);

    begin_loop(b, s, n, j);
    a = kn_load(b, F, Aa);
    kn_fold_points(b, KP_FMA, F, over_n, a, d, access2(G3, j, KN_C(2), c, KN_C(1)));
    kn_id back = kn_fold(b, KP_FMA, F, over_c, d, kn_load(b, F, W2a));
    kn_id slope = kn_prim3(b, KP_FMA, F, kn_prim1(b, KP_NEG, F, a), a, kn_const_f(b, F, 1));
    kn_id g = kn_prim2(b, KP_MUL, F, back, slope);
    kn_fold_points(b, KP_FMA, F, over_n, kn_load(b, F, Xa), g, access2(G1, k, KN_D(1), j, KN_C(1)));
    kn_fold_points(b, KP_ADD, F, over_n, g, KN_NONE, access1(G2, j, KN_C(1)));
    kn_phase_end(b);
    kn_part_end(b);
    const uint64_t scale = kn_bits_of(F, 1.0 / 7);
    const support_case sizes[] = {{.dim = {37, 50}, .scalar = {scale}, .index_below = 2},
                                  {.dim = {64, 64}, .scalar = {scale}, .index_below = 2},
                                  {.dim = {3, 1}, .scalar = {scale}, .index_below = 2}};
    CHECK(&sk, s, "training step", sizes);
}

START_TEST(training_step_is_the_interpreters) { training_step(&schedules[_i]); }
END_TEST

/* Updates: two parts of one launch that fold partials, in place; an entry phase that stages a value for all tiles. */
static void updates(const schedule *s) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    const sn_dtype F = SN_F32;
    for (int part = 0; part < 2; part++) {
        kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), q = kn_add_axis(b, KN_LOOP, KN_D(1)),
              q0 = kn_add_axis(b, KN_LOOP, KN_D(1));
        kn_id G = kn_add_mem(b, KN_IN, F, KN_D(2), "G"), W = kn_add_mem(b, KN_INOUT, F, KN_D(0), "W");
        kn_id L = kn_add_mem(b, KN_IN, F, KN_D(1), "L"), loss = kn_add_mem(b, KN_OUT, F, KN_C(1), "loss");
        kn_part_begin(b, 1, &n, s->tile, 2, 3);
        kn_phase_begin(b, 1, 1, &q0, s->form == LOOP_LANES ? q0 : (kn_id)KN_NONE, s->form == LOOP_LANES ? s->width : 1,
                       s->ilp);
        kn_id total = kn_fold(b, KP_ADD, F, 1u << q0, kn_load(b, F, access1(L, q0, KN_C(1))), KN_NONE);
        kn_id scaled = kn_prim2(b, KP_MUL, F, total, kn_scalar(b, F, 1));
        kn_store(b, kn_access_of(loss), scaled);
        kn_phase_end(b);
        kn_phase_begin(b, 0, 1, &q, s->form == POINT_LANES ? n : (kn_id)KN_NONE, s->form == POINT_LANES ? s->width : 1,
                       1);
        kn_id g = kn_fold(b, KP_ADD, F, 1u << q, kn_load(b, F, access2(G, q, KN_D(0), n, KN_C(1))), KN_NONE);
        kn_access Wa = access1(W, n, KN_C(1));
        kn_id w = kn_load(b, F, Wa), lr = kn_scalar(b, F, 0);
        g = kn_prim3(b, KP_FMA, F, scaled, w, g);
        kn_store(b, Wa, kn_prim2(b, KP_SUB, F, w, kn_prim2(b, KP_MUL, F, lr, g)));
        kn_phase_end(b);
        kn_part_end(b);
    }
    const uint64_t lr = kn_bits_of(F, 0.1), scale = kn_bits_of(F, 0.01);
    const support_case sizes[] = {{.dim = {100, 5, 500}, .scalar = {lr, scale}},
                                  {.dim = {33, 37, 1221}, .scalar = {lr, scale}}};
    CHECK(&k, s, "updates", sizes);
}

START_TEST(updates_are_the_interpreters) { updates(&schedules[_i]); }
END_TEST

/* Scratch that an entry phase fills and the tiles of the chunk then use up: every chunk starts with it anew. */
static void used_up(const schedule *s) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    const sn_dtype F = SN_F32;
    kn_id n = kn_add_axis(b, KN_POINT, KN_D(0)), c = kn_add_axis(b, KN_LOOP, KN_D(1)), lanes = KN_NONE;
    kn_id w = kn_add_mem(b, KN_IN, F, KN_D(1), "w"), y = kn_add_mem(b, KN_OUT, F, KN_D(2), "y");
    kn_id row = kn_add_mem(b, KN_ROW, F, KN_D(1), "row");
    if (s->form == LOOP_LANES) lanes = c;
    kn_part_begin(b, 1, &n, s->tile, 1, 4);
    kn_phase_begin(b, 1, 1, &c, lanes, lanes == KN_NONE ? 1 : s->width, 1);
    kn_store(b, access1(row, c, KN_C(1)), kn_load(b, F, access1(w, c, KN_C(1))));
    kn_phase_end(b);
    kn_phase_begin(b, 0, 1, &c, lanes, lanes == KN_NONE ? 1 : s->width, 1);
    kn_id left = kn_load(b, F, access1(row, c, KN_C(1)));
    kn_store(b, access2(y, n, KN_D(1), c, KN_C(1)), left);
    kn_store(b, access1(row, c, KN_C(1)), kn_prim2(b, KP_ADD, F, left, left));
    kn_phase_end(b);
    kn_part_end(b);
    const support_case sizes[] = {{.dim = {37, 19, 703}}, {.dim = {8, 32, 256}}, {.dim = {1, 1, 1}}};
    CHECK(&k, s, "used up", sizes);
}

START_TEST(used_up_rows_are_the_interpreters) { used_up(&schedules[_i]); }
END_TEST

/* ---- primitives -------------------------------------------------------------------------------------------------- */

static int takes(const kn_prim_info *info, sn_dtype type) {
    int is_class = type == SN_F32 || type == SN_F64 ? KN_T_F : type == SN_BOOL ? KN_T_B : KN_T_I;
    int rounds = info == &kn_prims[KP_ROUND_F16] || info == &kn_prims[KP_ROUND_BF16];
    return (info->types & is_class) != 0 && (!rounds || type == SN_F32);
}

static uint32_t add_results(kn_build *b, kn_prim prim, sn_dtype type, const kn_id v[3], kn_id yes, kn_id result[8]) {
    const kn_prim_info *info = &kn_prims[prim];
    static const sn_dtype all[] = {SN_F64, SN_F32, SN_I64, SN_I32, SN_U8, SN_BOOL};
    uint32_t n = 0;
    kn_id o[3] = {v[0], info->n_operands > 1 ? v[1] : (kn_id)KN_NONE, info->n_operands > 2 ? v[2] : (kn_id)KN_NONE};
    if (prim == KP_SELECT || prim == KP_RARE) {
        kn_id other = prim == KP_RARE && type != SN_BOOL ? kn_prim2(b, KP_MAX, type, v[0], v[2]) : v[0];
        result[n++] = kn_prim3(b, prim, type, yes, other, v[1]);
    } else if (prim == KP_CAST) {
        for (uint32_t i = 0; i < 6; i++) result[n++] = kn_prim1(b, prim, all[i], v[0]);
    } else if (prim == KP_BITCAST) {
        if (type == SN_U8) return 0;
        sn_dtype to = type == SN_F32 ? SN_I32 : type == SN_I32 ? SN_F32 : type == SN_F64 ? SN_I64 : SN_F64;
        result[n++] = kn_prim1(b, prim, to, v[0]);
    } else {
        result[n++] = kn_prim3(b, prim, info->result == KN_R_BOOL ? SN_BOOL : type, o[0], o[1], o[2]);
    }
    return n;
}

/* All primitives of one operand type in one kernel, on ordinary and on special values. */
static void primitives(const schedule *s, sn_dtype type) {
    support_kernel k;
    support_kernel_init(&k);
    kn_build *b = &k.b;
    kn_id n, x[3];
    int loop = s->form == LOOP_LANES;
    n = kn_add_axis(b, loop ? KN_LOOP : KN_POINT, KN_D(0));
    for (int i = 0; i < 3; i++) x[i] = kn_add_mem(b, KN_IN, type, KN_D(0), "x");
    kn_id flag = kn_add_mem(b, KN_IN, SN_BOOL, KN_D(0), "flag");
    kn_part_begin(b, loop ? 0 : 1, loop ? NULL : &n, loop ? 1 : s->tile, 1, 3);
    if (loop)
        begin_loop(b, s, KN_NONE, n);
    else
        begin_points(b, s, n);
    kn_id v[3], yes = kn_load(b, SN_BOOL, access1(flag, n, KN_C(1)));
    for (int i = 0; i < 3; i++) v[i] = kn_load(b, type, access1(x[i], n, KN_C(1)));
    for (kn_prim p = 0; p < KP_COUNT; p++) {
        kn_id result[8];
        if (!takes(&kn_prims[p], type)) continue;
        for (uint32_t i = 0, m = add_results(b, p, type, v, yes, result); i < m; i++) {
            sn_dtype to = (sn_dtype)b->inst.at[result[i]].type;
            kn_store(b, access1(kn_add_mem(b, KN_OUT, to, KN_D(0), kn_prims[p].name), n, KN_C(1)), result[i]);
        }
        if (p == KP_MIN || p == KP_MAX) { /* constants have a shorter form */
            kn_id constant[2] = {kn_const_bits(b, type, kn_bits_of(type, 1)), kn_const_bits(b, type, 0)};
            for (int i = 0; i < 2; i++)
                kn_store(b, access1(kn_add_mem(b, KN_OUT, type, KN_D(0), "bound"), n, KN_C(1)),
                         kn_prim2(b, p, type, v[0], constant[i]));
        }
    }
    kn_phase_end(b);
    kn_part_end(b);
    char what[48];
    snprintf(what, sizeof what, "primitives of %s", sn_dtype_name(type));
    CHECK(&k, s, what,
          ((support_case[]){{.dim = {1003}, .fill = SUPPORT_SPECIAL}, {.dim = {5}, .fill = SUPPORT_PLAIN}}));
}

static const schedule prim_schedules[] = {{SCALAR, 1, 1, 1}, {LOOP_LANES, 16, 1, 1}, {POINT_LANES, 16, 1, 16}};

START_TEST(primitives_are_the_interpreters) {
    static const sn_dtype all[] = {SN_F64, SN_F32, SN_I64, SN_I32, SN_U8, SN_BOOL};
    primitives(&prim_schedules[_i / 6], all[_i % 6]);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test, int n) {
    TCase *tc = tcase_create(name);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, test, 0, n);
    suite_add_tcase(suite, tc);
}

int main(void) {
    Suite *suite = suite_create("llvm_emit");
    add(suite, "softmax", softmax_is_the_interpreters, N_SCHEDULES);
    add(suite, "teams", teams_are_the_interpreters, sizeof team_schedules / sizeof *team_schedules);
    add(suite, "sums", sums_are_the_interpreters, N_SCHEDULES);
    add(suite, "selects", selects_are_the_interpreters, N_SCHEDULES);
    add(suite, "moves", moves_are_the_interpreters, N_SCHEDULES);
    add(suite, "interleaved", interleaved_is_the_interpreters, N_SCHEDULES);
    add(suite, "training step", training_step_is_the_interpreters, N_SCHEDULES);
    add(suite, "updates", updates_are_the_interpreters, N_SCHEDULES);
    add(suite, "used up", used_up_rows_are_the_interpreters, N_SCHEDULES);
    add(suite, "primitives", primitives_are_the_interpreters, 18);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
