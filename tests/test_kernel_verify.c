/* The kernel verifier: each rule by a kernel that breaks it and nothing else; and arrays full of noise. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/kernels.h"

static const kernels_schedule schedule = {4, 2, 3, 8, 2, 5};

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

static void expect(kn_kernel *k, const char *part_of_sentence) {
    char text[256];
    const char *error = kn_verify(k, text);
    ck_assert_msg(error != NULL, "accepted, but: %s", part_of_sentence);
    ck_assert_msg(strstr(error, part_of_sentence) != NULL, "said \"%s\", not \"%s\"", error, part_of_sentence);
}

/* The n-th instruction of a kind. */
static kn_inst *nth(kn_kernel *k, kn_kind kind, int n) {
    for (uint32_t i = 0; i < k->n_inst; i++)
        if (k->inst[i].kind == kind && n-- == 0) return &k->inst[i];
    ck_abort_msg("no such instruction");
}

static kn_inst *nth_prim(kn_kernel *k, kn_prim prim, int n) {
    for (uint32_t i = 0; i < k->n_inst; i++)
        if (k->inst[i].kind == KI_PRIM && k->inst[i].prim == prim && n-- == 0) return &k->inst[i];
    ck_abort_msg("no such primitive");
}

static kn_mem *first_mem(kn_kernel *k, kn_space space) {
    for (uint32_t i = 0; i < k->n_mem; i++)
        if (k->mem[i].space == space) return &k->mem[i];
    ck_abort_msg("no such memory");
}

static void derive(kn_kernel *k) {
    for (uint32_t i = 0; i < k->n_inst; i++) k->inst[i].over = kn_derive_over(k, &k->inst[i]);
}

/* A kernel, something wrong with it, and what must be said. */
#define BAD(make, sentence, ...)                                                                                       \
    do {                                                                                                               \
        kn_kernel *k = fresh(make);                                                                                    \
        __VA_ARGS__;                                                                                                   \
        expect(k, sentence);                                                                                           \
    } while (0)

START_TEST(verify_tables) {
    BAD(kernels_softmax, "axes are more than", k->n_axis = 33);
    BAD(kernels_softmax, "role 3 does not exist", k->axis[0].role = 3);
    BAD(kernels_softmax, "dim 9 does not exist", k->axis[0].extent.dim = 9);
    BAD(kernels_softmax, "negative extent", k->axis[0].extent.k = -1);
    BAD(kernels_softmax_short, "constant extent of 1", k->axis[1].extent.k = 33);
    BAD(kernels_softmax_short, "constant extent of 1", k->axis[1].extent.k = 0);
    BAD(kernels_softmax_short, "constant extent of 1", k->axis[1].extent.dim = 0);
    BAD(kernels_softmax, "space 5 does not exist", k->mem[0].space = 5);
    BAD(kernels_softmax, "cannot be stored", k->mem[0].store = 9);
    BAD(kernels_softmax, "cannot be stored", first_mem(k, KN_ROW)->store = SN_F16);
    BAD(kernels_column_sum, "cannot be stored", first_mem(k, KN_PART)->store = SN_BF16);
    BAD(kernels_softmax, "cannot be computed with", nth(k, KI_LOAD, 0)->type = SN_F16);
    BAD(kernels_softmax, "cannot be stored", k->mem[0].store = 0);
    BAD(kernels_softmax, "alignment", k->mem[0].align_log2 = 1);
    BAD(kernels_softmax, "alignment", k->mem[0].align_log2 = 200);
    BAD(kernels_softmax, "bad element count", k->mem[0].count.k = -1);
    BAD(kernels_softmax, "bad element count", k->mem[0].count.dim = 3);
    BAD(kernels_softmax, "memory 7 does not exist", k->access[0].mem = 7);
    BAD(kernels_softmax, "index 500 does not exist", k->access[0].ix = 500);
    BAD(kernels_softmax, "guard 500 does not exist", k->access[0].guard = 500);
    BAD(kernels_softmax, "9 steps are more", k->access[0].n = 9);
    BAD(kernels_softmax, "a dim does not exist", k->access[0].base.dim = 77);
    BAD(kernels_softmax, "index step without an index", k->access[0].ix_step.k = 1);
    BAD(kernels_softmax, "axis 2 does not exist", k->access[0].axis[0] = 2);
    BAD(kernels_softmax, "bad step", k->access[0].step[0].k = 0);
    BAD(kernels_softmax, "bad step", k->access[0].step[0].dim = 100);
    static kn_mem many[KN_MAX_MEMS + 1];
    BAD(kernels_softmax, "memories are more than", k->mem = many; k->n_mem = KN_MAX_MEMS + 1);
}
END_TEST

START_TEST(verify_structure) {
    BAD(kernels_softmax, "a kernel without parts", k->n_part = 0);
    BAD(kernels_softmax, "do not follow the part before", k->part[0].first_phase = 1);
    BAD(kernels_softmax, "do not follow the part before", k->part[0].end_phase = 0);
    BAD(kernels_softmax, "do not follow the part before", k->part[0].end_phase = 9);
    BAD(kernels_softmax, "behind the last part", k->part[0].end_phase = 2);
    BAD(kernels_softmax, "bad list of point axes", k->part[0].n_point = 9);
    BAD(kernels_softmax, "bad list of point axes", k->part[0].point[0] = 1);
    BAD(kernels_softmax, "bad list of point axes", k->part[0].point[0] = KN_NONE);
    BAD(kernels_transpose, "bad list of point axes", k->part[0].point[0] = k->part[0].point[1]);
    BAD(kernels_softmax, "tile 3", k->part[0].tile = 3);
    BAD(kernels_softmax, "tile 4096", k->part[0].tile = 4096);
    BAD(kernels_softmax, "tile 0", k->part[0].tile = 0);
    BAD(kernels_softmax, "team 0", k->part[0].team = 0);
    BAD(kernels_softmax, "team 96", k->part[0].team = 96);
    BAD(kernels_softmax, "33 rounds", k->part[0].rounds = 33);
    BAD(kernels_moons_update, "tile 2", k->part[4].tile = 2);
    BAD(kernels_softmax, "grain and max_chunks", k->part[0].grain = 0);
    BAD(kernels_softmax, "grain and max_chunks", k->part[0].max_chunks = 0);
    BAD(kernels_softmax, "do not follow the phase before", k->phase[1].first++);
    BAD(kernels_softmax, "do not follow the phase before", k->phase[0].end = k->n_inst + 1);
    BAD(kernels_softmax, "behind the last part", k->phase[2].end--);
    BAD(kernels_softmax, "bad list of loop axes", k->phase[0].n_loop = 9);
    BAD(kernels_softmax, "bad list of loop axes", k->phase[0].loop[0] = 0);
    BAD(kernels_softmax, "bad list of loop axes", k->phase[0].n_loop = 2; k->phase[0].loop[1] = 1);
    BAD(kernels_softmax, "at_entry is 2", k->phase[0].at_entry = 2);
    BAD(kernels_softmax, "an entry phase behind others", k->phase[1].at_entry = 1);
    BAD(kernels_softmax, "ilp 3", k->phase[0].ilp = 3);
    BAD(kernels_softmax, "ilp 16", k->phase[0].ilp = 16);
    BAD(kernels_softmax_short, "ilp 2", k->phase[0].ilp = 2);
    BAD(kernels_softmax, "width 3", k->phase[0].width = 3);
    BAD(kernels_softmax, "width 4096", k->phase[0].width = 4096);
    BAD(kernels_softmax, "width 8 without lanes", k->phase[0].lanes = KN_NONE);
    BAD(kernels_softmax_short, "is not the tile", k->phase[0].width = 8);
    BAD(kernels_transpose, "lanes are neither", k->phase[0].lanes = 0);
    BAD(kernels_softmax, "lanes are neither", k->phase[0].at_entry = 1; k->phase[0].lanes = 0; k->phase[0].width = 4);
}
END_TEST

START_TEST(verify_instructions) {
    BAD(kernels_softmax, "kind 8 does not exist", k->inst[0].kind = 8);
    BAD(kernels_softmax, "cannot be computed with", k->inst[0].type = SN_BF16);
    BAD(kernels_softmax, "a primitive where none belongs", k->inst[0].prim = KP_SUB);
    BAD(kernels_softmax, "folded axes where none belong", k->inst[0].fold = 1);
    BAD(kernels_softmax, "bits where none belong", k->inst[0].bits = 1);
    BAD(kernels_softmax, "an access is missing", k->inst[0].acc = KN_NONE);
    BAD(kernels_softmax, "an access is where none belongs", nth_prim(k, KP_SUB, 0)->acc = 0);
    BAD(kernels_softmax, "access 99 does not exist", k->inst[0].acc = 99);
    BAD(kernels_softmax, "wrong number of operands", k->inst[0].a[0] = 0);
    BAD(kernels_softmax, "wrong number of operands", nth(k, KI_STORE, 0)->a[0] = KN_NONE);
    BAD(kernels_softmax, "operand 60000 does not come before", nth_prim(k, KP_SUB, 0)->a[0] = 60000);
    BAD(kernels_softmax, "does not come before",
        nth_prim(k, KP_SUB, 0)->a[0] = (kn_id)(nth_prim(k, KP_SUB, 0) - k->inst));
    BAD(kernels_softmax, "has no value", nth_prim(k, KP_DIV, 0)->a[1] = (kn_id)(nth(k, KI_STORE, 0) - k->inst));
    BAD(kernels_softmax, "varies over a loop of another phase", nth_prim(k, KP_SUB, 0)->a[0] = 0);
    BAD(kernels_moons_update, "is of another part", nth_prim(k, KP_SUB, 1)->a[0] = 0);
    BAD(kernels_softmax, "bits exceed", nth(k, KI_CONST, 0)->bits = (uint64_t)1 << 32);
    BAD(kernels_update, "scalar does not exist", nth(k, KI_SCALAR, 0)->bits = 1);
    BAD(kernels_moons_step, "bad dim", nth(k, KI_DIM, 0)->bits = 1);
    BAD(kernels_moons_step, "bad axis", nth(k, KI_INDEX, 0)->bits = 4);
    BAD(kernels_moons_step, "bad axis", nth(k, KI_INDEX, 0)->type = SN_I32);
    BAD(kernels_softmax, "must be", k->inst[0].over = 1);
    BAD(kernels_softmax, "a store changes the type", nth(k, KI_STORE, 0)->type = SN_F64);
}
END_TEST

START_TEST(verify_primitives) {
    BAD(kernels_softmax, "does not exist", nth_prim(k, KP_SUB, 0)->prim = KP_COUNT);
    BAD(kernels_softmax, "sub takes 2 operands", nth_prim(k, KP_SUB, 0)->a[1] = KN_NONE);
    BAD(kernels_softmax, "exp takes 1 operands", nth_prim(k, KP_EXP, 0)->a[1] = 0);
    BAD(kernels_softmax, "and does not take f32", nth_prim(k, KP_SUB, 0)->prim = KP_AND);
    BAD(kernels_softmax, "changes the type", nth_prim(k, KP_EXP, 0)->type = SN_F64);
    BAD(kernels_softmax, "gives bool", nth_prim(k, KP_SUB, 0)->prim = KP_LT);
    BAD(kernels_gather, "operands of le differ in type", nth(k, KI_CONST, 0)->type = SN_I32);
    BAD(kernels_moons_step, "select takes a bool", nth_prim(k, KP_SELECT, 0)->type = SN_F64);
    BAD(kernels_moons_step, "bitcast is", nth_prim(k, KP_CAST, 0)->prim = KP_BITCAST);
    BAD(kernels_gather, "an index is not i64",
        k->access[k->inst[nth(k, KI_LOAD, 1) - k->inst].acc].ix = k->access[nth(k, KI_LOAD, 1)->acc].guard);
    BAD(kernels_gather, "a guard is not bool",
        k->access[nth(k, KI_LOAD, 1)->acc].guard = k->access[nth(k, KI_LOAD, 1)->acc].ix);
}
END_TEST

START_TEST(verify_folds) {
    BAD(kernels_row_sum, "does not fold", nth(k, KI_FOLD, 0)->prim = KP_SUB);
    BAD(kernels_row_sum, "and does not fold f32", nth(k, KI_FOLD, 0)->prim = KP_AND);
    BAD(kernels_row_sum, "another number of operands", nth(k, KI_FOLD, 0)->prim = KP_FMA);
    BAD(kernels_row_sum, "another number of operands", nth(k, KI_FOLD, 0)->a[1] = 0);
    BAD(kernels_row_sum, "a fold changes the type", nth(k, KI_FOLD, 0)->type = SN_F64);
    BAD(kernels_row_sum, "a fold over no axis", nth(k, KI_FOLD, 0)->fold = 0);
    BAD(kernels_row_sum, "a fold over no axis", nth(k, KI_FOLD, 0)->fold = 1u << 20);
    BAD(kernels_row_sum, "over all point axes of its part and no other", nth(k, KI_FOLD, 0)->fold = 3);
    BAD(kernels_row_sum, "without an accumulator", nth(k, KI_FOLD, 0)->fold = 1);
    BAD(kernels_total, "an accumulator without", nth(k, KI_FOLD, 0)->fold = 2; k->n_axis = 2;
        k->axis = memcpy(base_arena_alloc(&room.arena, 2 * sizeof *k->axis),
                         ((kn_axis[]){k->axis[0], {KN_UNROLL, KN_C(2)}}), 2 * sizeof *k->axis));
    BAD(kernels_column_sum, "memory that is not for partials", k->mem[1].space = KN_OUT);
    BAD(kernels_column_sum, "indexed by a point axis", k->access[nth(k, KI_FOLD, 0)->acc].axis[0] = 0; derive(k));
    BAD(kernels_column_sum, "axes that its accumulator lacks", k->access[nth(k, KI_FOLD, 0)->acc].n = 0; derive(k));
    BAD(kernels_moons_step, "inside of the loops it needs a fold over them",
        k->phase[1].end = k->phase[0].end = k->phase[2].end;
        k->phase[0].end = k->phase[1].first = k->phase[1].end; k->phase[2].first = k->phase[2].end);
    BAD(kernels_moons_step, "partials of two folds in one memory",
        k->access[nth(k, KI_FOLD, 7)->acc].mem = k->access[nth(k, KI_FOLD, 9)->acc].mem;
        k->access[nth(k, KI_FOLD, 10)->acc].mem = k->access[nth(k, KI_FOLD, 9)->acc].mem);
}
END_TEST

START_TEST(verify_memory) {
    BAD(kernels_softmax, "f32 at a memory of i32", k->mem[0].store = SN_I32);
    BAD(kernels_softmax, "a load from memory that is only written", k->mem[0].space = KN_OUT);
    BAD(kernels_softmax, "a store to memory that is not written", k->mem[2].space = KN_IN);
    BAD(kernels_softmax, "axes that its place lacks", k->access[nth(k, KI_STORE, 0)->acc].n = 1; derive(k));
    BAD(kernels_transpose, "not all point axes", nth(k, KI_STORE, 0)->a[0] = 0; k->access[0].n = k->access[1].n = 1;
        k->access[0].axis[0] = k->access[1].axis[0]; derive(k));
    BAD(kernels_transpose, "a point axis other than the last", k->mem[1].space = KN_ROW);
    BAD(kernels_update, "without a store at the same access", k->access[nth(k, KI_LOAD, 0)->acc].base.k = 1;
        k->access[nth(k, KI_STORE, 0)->acc] = k->access[nth(k, KI_LOAD, 0)->acc]; k->access[k->inst[0].acc].mem = 0;
        k->mem[1].space = KN_INOUT);
    BAD(kernels_scatter_add, "not run one by one", k->phase[0].ilp = 2);
    BAD(kernels_scatter_add, "not run one by one", k->phase[0].lanes = k->phase[0].loop[0]);
    BAD(kernels_softmax, "loaded before it is stored", nth(k, KI_STORE, 0)->acc = nth(k, KI_STORE, 1)->acc; derive(k));
    BAD(kernels_moons_update, "in-out memory of two parts",
        for (uint32_t i = 0; i < k->n_access; i++) if (k->access[i].mem == 1) k->access[i].mem = 0);
}
END_TEST

/* Rules that need a kernel of their own. */
enum { ENTRY_POINT, ENTRY_UPDATE, INNER_STORE, ROW_TWICE, LATE_READ, COPIES, ENTRY_FOLD, LOAD_AFTER_STORE, N_BROKEN };

static kn_kernel *broken(base_arena *arena, const void *arg) {
    int what = *(const int *)arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(0)), i = kn_add_axis(&b, KN_LOOP, KN_D(1)),
          j = kn_add_axis(&b, KN_LOOP, KN_D(2));
    kn_id x = kn_add_mem(&b, KN_IN, SN_F32, KN_D(0), "x");
    kn_access of_n = kn_access_of(x), of_j = kn_access_of(x), one = kn_access_of(x);
    kn_access_step(&of_n, n, KN_C(1));
    kn_access_step(&of_j, j, KN_C(1));
    kn_part_begin(&b, 1, &n, 4, 1, 1);
    switch (what) {
        case ENTRY_POINT:
            kn_phase_begin(&b, 1, 0, NULL, KN_NONE, 1, 1);
            kn_load(&b, SN_F32, of_n);
            break;
        case ENTRY_UPDATE:
            one.mem = kn_add_mem(&b, KN_INOUT, SN_F32, KN_C(1), "w");
            kn_phase_begin(&b, 1, 0, NULL, KN_NONE, 1, 1);
            kn_store(&b, one, kn_const_f(&b, SN_F32, 1));
            break;
        case INNER_STORE: /* in the nest i, j: over j alone */
            of_j.mem = kn_add_mem(&b, KN_OUT, SN_F32, KN_D(2), "y");
            kn_access_step(&of_j, n, KN_D(2));
            kn_phase_begin(&b, 0, 2, (kn_id[]){i, j}, KN_NONE, 1, 1);
            kn_store(&b, of_j, kn_const_f(&b, SN_F32, 1));
            break;
        case ROW_TWICE: {
            kn_access other = one;
            one.mem = other.mem = kn_add_mem(&b, KN_ROW, SN_F32, KN_C(2), "r");
            other.base = KN_C(1);
            kn_phase_begin(&b, 0, 0, NULL, KN_NONE, 1, 1);
            kn_store(&b, one, kn_const_f(&b, SN_F32, 1));
            kn_store(&b, other, kn_const_f(&b, SN_F32, 2));
            kn_load(&b, SN_F32, one);
            break;
        }
        case LATE_READ:
            one.mem = kn_add_mem(&b, KN_ROW, SN_F32, KN_C(1), "r");
            kn_phase_begin(&b, 0, 1, &j, KN_NONE, 1, 1);
            kn_store(&b, one, kn_fold(&b, KP_ADD, SN_F32, 1u << j, kn_load(&b, SN_F32, of_j), KN_NONE));
            kn_load(&b, SN_F32, one);
            break;
        case COPIES: {
            kn_id all = kn_index(&b, kn_add_axis(&b, KN_UNROLL, KN_C(32)));
            kn_phase_begin(&b, 0, 0, NULL, KN_NONE, 1, 1);
            b.phase.at[0].first = 0;
            for (int u = 0; u < 5; u++)
                all = kn_prim2(&b, KP_ADD, SN_I64, all, kn_index(&b, kn_add_axis(&b, KN_UNROLL, KN_C(32))));
            break;
        }
        case ENTRY_FOLD: {
            kn_access p = kn_access_of(kn_add_mem(&b, KN_PART, SN_F32, KN_C(1), "p"));
            kn_phase_begin(&b, 1, 0, NULL, KN_NONE, 1, 1);
            kn_fold_points(&b, KP_ADD, SN_F32, 1u << n, kn_const_f(&b, SN_F32, 1), KN_NONE, p);
            break;
        }
        default: { /* LOAD_AFTER_STORE */
            kn_access w = of_n;
            w.mem = kn_add_mem(&b, KN_INOUT, SN_F32, KN_D(0), "w");
            kn_phase_begin(&b, 0, 0, NULL, KN_NONE, 1, 1);
            kn_store(&b, w, kn_const_f(&b, SN_F32, 1));
            kn_load(&b, SN_F32, w);
            break;
        }
    }
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

START_TEST(verify_order) {
    static const char *const sentences[N_BROKEN] = {
        [ENTRY_POINT] = "it varies over a point axis in an entry phase",
        [ENTRY_UPDATE] = "a store to in-out memory in an entry phase",
        [INNER_STORE] = "it varies over an inner loop but not over one outside of it",
        [ROW_TWICE] = "row scratch is loaded and stored in a phase at different accesses",
        [LATE_READ] = "it reads before the loops what is stored after them",
        [COPIES] = "unrolling makes more than 65536 instructions",
        [ENTRY_FOLD] = "a fold over points in an entry phase",
        [LOAD_AFTER_STORE] = "a load of in-out memory without a store at the same access behind it",
    };
    for (int what = 0; what < N_BROKEN; what++) expect(kernels_make(&room, broken, &what), sentences[what]);
}
END_TEST

/* Arrays full of noise: an answer, whatever it is. */
START_TEST(verify_noise) {
    uint64_t state = 5;
    for (int round = 0; round < 6000; round++) {
        static kn_kernel *(*const makes[])(base_arena *, const void *) = {kernels_moons_step, kernels_scatter_add,
                                                                          kernels_moons_update};
        static const kn_kernel *base[3];
        int which = round % 3;
        if (!base[which]) base[which] = kernels_make(&room, makes[which], &schedule);
        kn_kernel k = *base[which];
        struct {
            void **at;
            size_t bytes;
        } arrays[] = {
            {(void **)&k.axis, k.n_axis * sizeof *k.axis},       {(void **)&k.mem, k.n_mem * sizeof *k.mem},
            {(void **)&k.access, k.n_access * sizeof *k.access}, {(void **)&k.inst, k.n_inst * sizeof *k.inst},
            {(void **)&k.phase, k.n_phase * sizeof *k.phase},    {(void **)&k.part, k.n_part * sizeof *k.part}};
        unsigned char *copies[6];
        for (int a = 0; a < 6; a++) {
            copies[a] = malloc(arrays[a].bytes);
            ck_assert_ptr_nonnull(copies[a]);
            memcpy(copies[a], *arrays[a].at, arrays[a].bytes);
            *arrays[a].at = copies[a];
        }
        int changes = 1 + (int)(kernels_random(&state) % 4);
        for (int c = 0; c < changes; c++) {
            uint64_t bits = kernels_random(&state);
            int a = (int)(bits % 6);
            copies[a][(bits >> 8) % arrays[a].bytes] = (unsigned char)(bits >> 56);
        }
        char text[256];
        if (!kn_verify(&k, text)) { /* still a kernel: it can be printed */
            base_strbuf out;
            base_strbuf_init(&out, &room.alloc);
            kn_print(&k, &out);
            ck_assert_uint_gt(out.n, 0);
            base_strbuf_free(&out);
        }
        for (int a = 0; a < 6; a++) free(copies[a]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kernel_verify");
    TCase *tc = tcase_create("kernel_verify");
    tcase_add_checked_fixture(tc, open_room, close_room);
    tcase_add_test(tc, verify_tables);
    tcase_add_test(tc, verify_structure);
    tcase_add_test(tc, verify_instructions);
    tcase_add_test(tc, verify_primitives);
    tcase_add_test(tc, verify_folds);
    tcase_add_test(tc, verify_memory);
    tcase_add_test(tc, verify_order);
    tcase_add_test(tc, verify_noise);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
