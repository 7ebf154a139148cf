/* Facts about kernels (tiles, chunks, scratch, identities), the builder's derived sets, the printed text of
 * two kernels. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "support/kernels.h"

static const kernels_schedule schedule = {4, 2, 3, 8, 2, 5};

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static kernels_room room;
static void open_room(void) { kernels_room_init(&room); }
static void close_room(void) { kernels_room_free(&room); }

static kn_kernel *fresh(kn_kernel *(*make)(base_arena *, const void *)) {
    kn_kernel *k = kernels_make(&room, make, &schedule);
    char text[256];
    const char *error = kn_verify(k, text);
    ck_assert_msg(!error, "%s", error);
    return k;
}

START_TEST(sizes) {
    const int64_t dims[2] = {10, INT64_MAX / 2};
    ck_assert_int_eq(kn_size_value(KN_C(7), NULL), 7);
    ck_assert_int_eq(kn_size_value(KN_D(0), dims), 10);
    ck_assert_int_eq(kn_size_value(KN_KD(-3, 0), dims), -30);
    ck_assert_int_eq(kn_size_value(KN_KD(3, 1), dims), INT64_MAX);
    ck_assert_int_eq(kn_size_value(KN_KD(-3, 1), dims), INT64_MIN);
}
END_TEST

/* Chunks cover the tiles without gap or overlap, in order, evenly; their number keeps to grain and max_chunks. */
START_TEST(chunks) {
    static const int64_t extents[] = {
        0, 1, 2, 3, 4, 5, 63, 64, 65, 99, 100, 1000, 1000003, INT32_MAX, INT64_C(1) << 40, INT64_MAX};
    static const uint32_t tiles[] = {1, 2, 4, 64}, grains[] = {1, 3, 64}, most[] = {1, 2, 7, 32, 1000};
    kn_kernel *k = fresh(kernels_row_sum);
    kn_part *p = k->part;
    for (size_t e = 0; e < sizeof extents / sizeof *extents; e++)
        for (int t = 0; t < 4; t++)
            for (int g = 0; g < 3; g++)
                for (int c = 0; c < 10; c++) {
                    const int64_t dims[3] = {extents[e], 1, extents[e]};
                    p->team = c < 5 ? 1 : 32;
                    p->tile = (uint16_t)tiles[t];
                    p->grain = grains[g];
                    p->max_chunks = most[c % 5];
                    int64_t n_tiles = kn_tiles(k, 0, dims), n = kn_chunks(k, 0, dims), last = 0, least = INT64_MAX,
                            largest = 0;
                    ck_assert_int_eq(n_tiles, dims[0] / tiles[t] + (dims[0] % tiles[t] != 0));
                    ck_assert_int_ge(n, 1);
                    ck_assert_int_le(n, p->max_chunks);
                    int64_t most_of = n_tiles / grains[g] + (n_tiles % grains[g] != 0);
                    if (most_of > p->max_chunks) most_of = p->max_chunks;
                    if (p->team > 1) ck_assert_int_eq(n, most_of > 1 ? most_of : 1); /* as many as these allow .. */
                    if (p->team == 1) ck_assert_int_eq(n & (n - 1), 0);              /* .. but a power of two */
                    if (p->team == 1) ck_assert_int_gt(2 * n, most_of);
                    ck_assert_int_eq(kn_chunk_tile(n_tiles, n, 0), 0);
                    for (int64_t i = 1; i <= n; i++) {
                        int64_t next = kn_chunk_tile(n_tiles, n, i);
                        if (next - last < least) least = next - last;
                        if (next - last > largest) largest = next - last;
                        last = next;
                    }
                    ck_assert_int_eq(last, n_tiles);
                    ck_assert_int_ge(least, 0);
                    ck_assert_int_le(largest - least, 1);
                }
}
END_TEST

START_TEST(chunks_of_several_axes) {
    kn_kernel *k = fresh(kernels_transpose);
    const int64_t dims[3] = {3, 17, 51}, none[3] = {INT64_MAX, 0, 0}, huge[3] = {INT64_MAX, INT64_MAX, INT64_MAX};
    ck_assert_int_eq(kn_tiles(k, 0, dims), 3 * 5); /* tiles of 4 along the last axis */
    ck_assert_int_eq(kn_chunks(k, 0, dims), 2);
    ck_assert_int_eq(kn_tiles(k, 0, none), 0);
    ck_assert_int_eq(kn_chunks(k, 0, none), 1);
    ck_assert_int_eq(kn_tiles(k, 0, huge), INT64_MAX);
    kn_kernel *update = fresh(kernels_moons_update);
    const int64_t update_dims[2] = {7, 100};
    ck_assert_int_eq(kn_tiles(update, 4, update_dims), 1); /* no point axis: one point */
    ck_assert_int_eq(kn_chunks(update, 4, update_dims), 1);
}
END_TEST

static kn_kernel *three_rows(base_arena *arena, const void *arg) {
    (void)arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_add_mem(&b, KN_IN, SN_F64, KN_D(0), "in");
    kn_add_mem(&b, KN_ROW, SN_F32, KN_D(0), "r1");
    kn_add_mem(&b, KN_ROW, SN_BOOL, KN_C(1), "r2");
    kn_add_mem(&b, KN_ROW, SN_F64, KN_KD(2, 0), NULL);
    return kn_build_finish(&b);
}

START_TEST(scratch) {
    kn_kernel *k = kernels_make(&room, three_rows, NULL);
    const int64_t dims[1] = {17}, huge[1] = {INT64_MAX};
    ck_assert_int_eq(kn_row_offset(k, 1, dims), 0);
    ck_assert_int_eq(kn_row_offset(k, 2, dims), 128);
    ck_assert_int_eq(kn_row_offset(k, 3, dims), 192);
    ck_assert_int_eq(kn_scratch_bytes(k, dims), 192 + 320);
    ck_assert_int_gt(kn_scratch_bytes(k, huge), INT64_MAX - 256);
    ck_assert_uint_eq(k->mem[0].align_log2, 3);
    ck_assert_uint_eq(k->mem[2].align_log2, 6);
}
END_TEST

START_TEST(identities) {
    static const kn_prim folds[] = {KP_ADD, KP_FMA, KP_MUL, KP_MIN, KP_MAX, KP_AND, KP_OR};
    static const struct {
        sn_dtype type;
        uint64_t bits[7];
    } want[] = {
        {SN_F32, {0, 0, 0x3f800000, 0x7f800000, 0xff800000, 0, 0}},
        {SN_F64, {0, 0, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0, 0}},
        {SN_I64, {0, 0, 1, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX, 0}},
        {SN_I32, {0, 0, 1, INT32_MAX, 0x80000000, UINT32_MAX, 0}},
        {SN_U8, {0, 0, 1, 255, 0, 255, 0}},
        {SN_BOOL, {0, 0, 1, 1, 0, 1, 0}},
    };
    for (int t = 0; t < 6; t++)
        for (int f = 0; f < 7; f++) {
            int is_float = t < 2, is_bool = t == 5, bits = f >= 5;
            if ((is_float && bits) || (!is_float && f == 1) || (is_bool && !bits)) continue; /* not a fold */
            ck_assert_uint_eq(kn_identity(folds[f], want[t].type), want[t].bits[f]);
        }
}
END_TEST

START_TEST(bits_of_numbers) {
    ck_assert_uint_eq(kn_bits_of(SN_F32, 0.1), 0x3dcccccd);
    ck_assert_uint_eq(kn_bits_of(SN_F64, -0.0), 0x8000000000000000);
    ck_assert_uint_eq(kn_bits_of(SN_I32, -1.9), UINT32_MAX);
    ck_assert_uint_eq(kn_bits_of(SN_I32, 1e10), INT32_MAX);
    ck_assert_uint_eq(kn_bits_of(SN_I64, -1e30), (uint64_t)INT64_MIN);
    ck_assert_uint_eq(kn_bits_of(SN_I64, 1e30), INT64_MAX);
    ck_assert_uint_eq(kn_bits_of(SN_U8, 300), 255);
    ck_assert_uint_eq(kn_bits_of(SN_U8, -3), 0);
    ck_assert_uint_eq(kn_bits_of(SN_I64, NAN), 0);
    ck_assert_uint_eq(kn_bits_of(SN_BOOL, 0.25), 1);
}
END_TEST

START_TEST(phases_of_instructions) {
    kn_kernel *k = fresh(kernels_moons_update);
    for (uint32_t p = 0; p < k->n_phase; p++)
        for (uint32_t i = k->phase[p].first; i < k->phase[p].end; i++) ck_assert_uint_eq(kn_phase_of(k, (kn_id)i), p);
    ck_assert_uint_eq(kn_phase_of(k, k->n_inst), KN_NONE);
}
END_TEST

static kn_kernel *access_steps(base_arena *arena, const void *arg) {
    (void)arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_access a = kn_access_of(0);
    kn_access_step(&a, 0, KN_C(0));
    ck_assert_uint_eq(a.n, 0);
    kn_access_step(&a, 0, KN_C(2));
    kn_access_step(&a, 1, KN_D(0));
    kn_access_step(&a, 0, KN_C(3)); /* the same axis again: the steps add up */
    ck_assert_uint_eq(a.n, 2);
    ck_assert_int_eq(a.step[0].k, 5);
    kn_access_step(&a, 0, KN_C(-5));
    ck_assert_uint_eq(a.n, 1);
    ck_assert_uint_eq(a.axis[0], 1);
    kn_id first = kn_add_access(&b, &a);
    kn_access same = a, other = a;
    other.base = KN_C(1);
    ck_assert_uint_eq(kn_add_access(&b, &same), first);
    ck_assert_uint_ne(kn_add_access(&b, &other), first);
    return kn_build_finish(&b);
}

START_TEST(building_accesses) { kernels_make(&room, access_steps, NULL); }
END_TEST

static void too_many_axes(void *arg) {
    kn_build b;
    kn_build_init(&b, arg);
    for (int i = 0; i < 100; i++) kn_add_axis(&b, KN_LOOP, KN_C(1));
}

static void too_many_steps(void *arg) {
    kn_build b;
    kn_build_init(&b, arg);
    kn_access a = kn_access_of(0);
    for (kn_id i = 0; i < 20; i++) kn_access_step(&a, i, KN_C(1));
    kn_add_access(&b, &a);
}

static void too_many_instructions(void *arg) {
    kn_build b;
    kn_build_init(&b, arg);
    for (int i = 0; i < 100000; i++) kn_const_i(&b, SN_I64, i);
}

START_TEST(building_too_much) {
    ck_assert_int_eq(base_protect(&room.trap, too_many_axes, &room.arena), SN_ERR_UNSUPPORTED);
    ck_assert_str_eq(room.trap.text, "kernel too large: more than 32 axes");
    ck_assert_int_eq(base_protect(&room.trap, too_many_steps, &room.arena), SN_ERR_UNSUPPORTED);
    ck_assert_str_eq(room.trap.text, "kernel too large: an access with more than 8 steps");
    ck_assert_int_eq(base_protect(&room.trap, too_many_instructions, &room.arena), SN_ERR_UNSUPPORTED);
    ck_assert_str_eq(room.trap.text, "kernel too large: more than 65535 instructions");
}
END_TEST

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void expect_text(kn_kernel *(*make)(base_arena *, const void *), const char *want) {
    base_strbuf out;
    base_strbuf_init(&out, &room.alloc);
    kn_print(fresh(make), &out);
    ck_assert_str_eq(out.at, want);
    base_strbuf_free(&out);
}

static const char softmax_text[] = "kernel  dims 3  scalars 0\n"
                                   "axis n0 point D0\n"
                                   "axis j1 loop D1\n"
                                   "in x f32[D2]\n"
                                   "row E f32[4*D1] align 64\n"
                                   "out y f32[D2]\n"
                                   "part 0  points n0  tile 4  grain 2  chunks <= 3\n"
                                   "  phase 0  loops j1  lanes j1 x 8  ilp 2\n"
                                   "    %0 = load f32 x[n0*D1 + j1]                                         ; n0 j1\n"
                                   "    %1 = fold max f32 over j1: %0                                       ; n0\n"
                                   "  phase 1  loops j1  lanes j1 x 8  ilp 2\n"
                                   "    %2 = load f32 x[n0*D1 + j1]                                         ; n0 j1\n"
                                   "    %3 = sub f32 %2, %1                                                 ; n0 j1\n"
                                   "    %4 = exp f32 %3                                                     ; n0 j1\n"
                                   "    store E[n0*D1 + j1] = %4                                            ; n0 j1\n"
                                   "    %6 = fold add f32 over j1: %4                                       ; n0\n"
                                   "    %7 = const f32 1\n"
                                   "    %8 = div f32 %7, %6                                                 ; n0\n"
                                   "  phase 2  loops j1  lanes j1 x 8  ilp 2\n"
                                   "    %9 = load f32 E[n0*D1 + j1]                                         ; n0 j1\n"
                                   "    %10 = mul f32 %9, %8                                                ; n0 j1\n"
                                   "    store y[n0*D1 + j1] = %10                                           ; n0 j1\n";

static const char moons_text[] = "kernel  dims 1  scalars 0\n"
                                 "axis n0 point D0\n"
                                 "axis j1 loop 5\n"
                                 "axis k2 unroll 2\n"
                                 "axis k3 unroll 2\n"
                                 "in X f32[2*D0]\n"
                                 "in y i64[D0]\n"
                                 "in W1 f32[10]\n"
                                 "in b1 f32[5]\n"
                                 "in W2 f32[10]\n"
                                 "in b2 f32[2]\n"
                                 "row A f32[20] align 64\n"
                                 "part L f32[1]\n"
                                 "part G4 f32[2]\n"
                                 "part G3 f32[10]\n"
                                 "part G1 f32[10]\n"
                                 "part G2 f32[5]\n"
                                 "part 0  points n0  tile 4  grain 2  chunks <= 3\n"
                                 "  phase 0  loops j1  lanes j1 x 8  ilp 2\n"
                                 "    %0 = load f32 X[n0*2 + k2]                                          ; n0 k2\n"
                                 "    %1 = load f32 W1[k2*5 + j1]                                         ; j1 k2\n"
                                 "    %2 = load f32 b1[j1]                                                ; j1\n"
                                 "    %3 = fold fma f32 over k2: %0, %1                                   ; n0 j1\n"
                                 "    %4 = add f32 %2, %3                                                 ; n0 j1\n"
                                 "    %5 = tanh f32 %4                                                    ; n0 j1\n"
                                 "    store A[n0*5 + j1] = %5                                             ; n0 j1\n"
                                 "    %7 = load f32 W2[j1*2 + k3]                                         ; j1 k3\n"
                                 "    %8 = fold fma f32 over j1: %5, %7                                   ; n0 k3\n"
                                 "  phase 1  lanes n0 x 4\n"
                                 "    %9 = load f32 b2[k3]                                                ; k3\n"
                                 "    %10 = add f32 %8, %9                                                ; n0 k3\n"
                                 "    %11 = fold max f32 over k3: %10                                     ; n0\n"
                                 "    %12 = sub f32 %10, %11                                              ; n0 k3\n"
                                 "    %13 = exp f32 %12                                                   ; n0 k3\n"
                                 "    %14 = fold add f32 over k3: %13                                     ; n0\n"
                                 "    %15 = load i64 y[n0]                                                ; n0\n"
                                 "    %16 = index k3                                                      ; k3\n"
                                 "    %17 = eq bool %16, %15                                              ; n0 k3\n"
                                 "    %18 = const f32 1\n"
                                 "    %19 = const f32 0\n"
                                 "    %20 = select f32 %17, %18, %19                                      ; n0 k3\n"
                                 "    %21 = div f32 %13, %14                                              ; n0 k3\n"
                                 "    %22 = sub f32 %21, %20                                              ; n0 k3\n"
                                 "    %23 = const f32 1\n"
                                 "    %24 = dim D0\n"
                                 "    %25 = cast f32 %24\n"
                                 "    %26 = div f32 %23, %25\n"
                                 "    %27 = mul f32 %22, %26                                              ; n0 k3\n"
                                 "    %28 = select f32 %17, %10, %19                                      ; n0 k3\n"
                                 "    %29 = fold add f32 over k3: %28                                     ; n0\n"
                                 "    %30 = log f32 %14                                                   ; n0\n"
                                 "    %31 = add f32 %11, %30                                              ; n0\n"
                                 "    %32 = sub f32 %31, %29                                              ; n0\n"
                                 "    part L[0] = fold add f32 over n0: %32\n"
                                 "    part G4[k3] = fold add f32 over n0: %27                             ; k3\n"
                                 "  phase 2  loops j1  lanes j1 x 8  ilp 2\n"
                                 "    %35 = load f32 A[n0*5 + j1]                                         ; n0 j1\n"
                                 "    part G3[j1*2 + k3] = fold fma f32 over n0: %35, %27                 ; j1 k3\n"
                                 "    %37 = const f32 1\n"
                                 "    %38 = mul f32 %35, %35                                              ; n0 j1\n"
                                 "    %39 = sub f32 %37, %38                                              ; n0 j1\n"
                                 "    %40 = load f32 W2[j1*2 + k3]                                        ; j1 k3\n"
                                 "    %41 = fold fma f32 over k3: %27, %40                                ; n0 j1\n"
                                 "    %42 = mul f32 %41, %39                                              ; n0 j1\n"
                                 "    %43 = load f32 X[n0*2 + k2]                                         ; n0 k2\n"
                                 "    part G1[k2*5 + j1] = fold fma f32 over n0: %43, %42                 ; j1 k2\n"
                                 "    part G2[j1] = fold add f32 over n0: %42                             ; j1\n";

START_TEST(printed) {
    expect_text(kernels_softmax, softmax_text);
    expect_text(kernels_moons_step, moons_text);
}
END_TEST

/* Where kn_lines_of has them: the numbers of the line table of compiled code. */
static void expect_lines(kn_kernel *(*make)(base_arena *, const void *)) {
    kn_kernel *k = fresh(make);
    base_strbuf out;
    base_strbuf_init(&out, &room.alloc);
    kn_print(k, &out);
    const kn_lines lines = kn_lines_of(&room.arena, k);
    uint32_t line = 0, parts = 0, phases = 0, insts = 0;
    char want[32];
    for (char *at = strtok(out.at, "\n"); at; at = strtok(NULL, "\n")) {
        line++;
        if (!strncmp(at, "part ", 5) && at[5] >= '0' && at[5] <= '9') ck_assert_uint_eq(lines.part[parts++], line);
        if (!strncmp(at, "  phase ", 8)) ck_assert_uint_eq(lines.phase[phases++], line);
        if (strncmp(at, "    ", 4)) continue;
        snprintf(want, sizeof want, "%%%u = ", insts);
        ck_assert(at[4] == '%' ? !strncmp(at + 4, want, strlen(want)) : at[4] == 's' || at[4] == 'p');
        ck_assert_uint_eq(lines.inst[insts++], line);
    }
    ck_assert(parts == k->n_part && phases == k->n_phase && insts == k->n_inst);
    base_strbuf_free(&out);
}

START_TEST(lines) {
    static kn_kernel *(*const makers[])(base_arena *, const void *) = {
        kernels_softmax, kernels_total, kernels_gather, kernels_scatter_add, kernels_moons_step, kernels_moons_update};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) expect_lines(makers[i]);
}
END_TEST

static void name_odd(void *arg, uint32_t inst, base_strbuf *out) {
    (void)arg;
    if (inst % 2) base_strbuf_printf(out, "name%u", inst);
}

START_TEST(named_values) {
    base_strbuf out;
    base_strbuf_init(&out, &room.alloc);
    kn_print_named(fresh(kernels_softmax), name_odd, NULL, &out);
    ck_assert_ptr_nonnull(strstr(out.at, " ; n0 j1\n    %1 = fold max f32 over j1: %0  "));
    ck_assert_ptr_nonnull(strstr(out.at, " ; n0  name1\n"));
    ck_assert_ptr_nonnull(
        strstr(out.at, "    %7 = const f32 1                                                    ;  name7\n"));
    base_strbuf_free(&out);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernel");
    TCase *tc = tcase_create("kernel");
    tcase_add_checked_fixture(tc, open_room, close_room);
    tcase_add_test(tc, sizes);
    tcase_add_test(tc, chunks);
    tcase_add_test(tc, chunks_of_several_axes);
    tcase_add_test(tc, scratch);
    tcase_add_test(tc, identities);
    tcase_add_test(tc, bits_of_numbers);
    tcase_add_test(tc, phases_of_instructions);
    tcase_add_test(tc, building_accesses);
    tcase_add_test(tc, building_too_much);
    tcase_add_test(tc, printed);
    tcase_add_test(tc, lines);
    tcase_add_test(tc, named_values);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
