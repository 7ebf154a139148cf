/* Kernels as bytes: they decode to the same kernel; what is cut, lengthened or damaged is refused, or is a valid kernel
 * that encodes to the very bytes it came from. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "support/random_kernel.h"

typedef struct {
    base_arena arena;
    const void *bytes;
    size_t n;
    const kn_kernel *kernel;
} decoding;

static void decode(void *arg) {
    decoding *d = arg;
    d->kernel = kn_decode(&d->arena, d->bytes, d->n);
}

static base_strbuf encoded(kernels_room *room, const kn_kernel *k) {
    base_strbuf bytes;
    base_strbuf_init(&bytes, &room->alloc);
    kn_encode(k, &bytes);
    ck_assert(!bytes.failed);
    return bytes;
}

/* Bytes from elsewhere, in a block of exactly that size so that sanitizers see a read beyond. */
static int accepts(const void *at, size_t n) {
    kernels_room room;
    kernels_room_init(&room);
    void *exact = malloc(n ? n : 1);
    ck_assert_ptr_nonnull(exact);
    if (n) memcpy(exact, at, n);
    decoding d = {.bytes = exact, .n = n};
    base_arena_init(&d.arena, &room.alloc, &room.trap);
    sn_status status = base_protect(&room.trap, decode, &d);
    if (status) {
        ck_assert_int_eq(status, SN_ERR_PARSE);
        ck_assert_uint_gt(strlen(room.trap.text), 10);
    } else {
        char text[256];
        ck_assert_ptr_null(kn_verify(d.kernel, text));
        base_strbuf again = encoded(&room, d.kernel);
        ck_assert_uint_eq(again.n, n);
        ck_assert(!memcmp(again.at, exact, n));
        base_strbuf_free(&again);
        base_strbuf printed;
        base_strbuf_init(&printed, &room.alloc);
        kn_print(d.kernel, &printed);
        base_strbuf_free(&printed);
    }
    free(exact);
    base_arena_free(&d.arena);
    kernels_room_free(&room);
    return !status;
}

static const kernels_schedule schedule = {4, 2, 3, 8, 2, 5};
static kn_kernel *(*const makes[])(base_arena *, const void *) = {
    kernels_softmax,     kernels_softmax_short, kernels_row_sum, kernels_column_sum, kernels_transpose,
    kernels_scatter_add, kernels_update,        kernels_gather,  kernels_moons_step, kernels_moons_update,
};
enum { N_MAKES = sizeof makes / sizeof *makes };

static void same_arrays(const void *a, const void *b, size_t n) { ck_assert(!n || !memcmp(a, b, n)); }

START_TEST(round_trip) {
    for (int i = 0; i < N_MAKES; i++) {
        kernels_room room;
        kernels_room_init(&room);
        kn_kernel *k = kernels_make(&room, makes[i], &schedule);
        base_strbuf bytes = encoded(&room, k), again = encoded(&room, kernels_make(&room, makes[i], &schedule));
        ck_assert_uint_eq(bytes.n, again.n);
        same_arrays(bytes.at, again.at, bytes.n);
        decoding d = {.bytes = bytes.at, .n = bytes.n};
        base_arena_init(&d.arena, &room.alloc, &room.trap);
        ck_assert_msg(!base_protect(&room.trap, decode, &d), "%s", room.trap.text);
        const kn_kernel *q = d.kernel;
        ck_assert(k->n_axis == q->n_axis && k->n_mem == q->n_mem && k->n_access == q->n_access);
        ck_assert(k->n_inst == q->n_inst && k->n_phase == q->n_phase && k->n_part == q->n_part);
        ck_assert(k->n_dim == q->n_dim && k->n_scalar == q->n_scalar);
        for (uint32_t n = 0; n < k->n_inst; n++) {
            const kn_inst *a = &k->inst[n], *b = &q->inst[n];
            ck_assert(a->kind == b->kind && a->prim == b->prim && a->type == b->type && a->acc == b->acc);
            ck_assert(a->over == b->over && a->fold == b->fold && a->bits == b->bits);
            same_arrays(a->a, b->a, sizeof a->a);
        }
        for (uint32_t n = 0; n < k->n_access; n++) {
            const kn_access *a = &k->access[n], *b = &q->access[n];
            ck_assert(a->mem == b->mem && a->ix == b->ix && a->guard == b->guard && a->n == b->n);
            for (uint32_t s = 0; s < a->n; s++)
                ck_assert(a->axis[s] == b->axis[s] && a->step[s].k == b->step[s].k && a->step[s].dim == b->step[s].dim);
            ck_assert(a->base.k == b->base.k && a->ix_step.k == b->ix_step.k && a->ix_step.dim == b->ix_step.dim);
        }
        for (uint32_t n = 0; n < k->n_part; n++) {
            ck_assert_uint_eq(k->part[n].grain, q->part[n].grain);
            ck_assert_uint_eq(k->part[n].max_chunks, q->part[n].max_chunks);
            ck_assert_uint_eq(k->part[n].tile, q->part[n].tile);
        }
        base_strbuf_free(&bytes);
        base_strbuf_free(&again);
        base_arena_free(&d.arena);
        kernels_room_free(&room);
    }
}
END_TEST

/* The bytes are a format: this is the whole encoding of a small kernel. */
static kn_kernel *copy_one(base_arena *arena, const void *arg) {
    (void)arg;
    kn_build b;
    kn_build_init(&b, arena);
    kn_access x = kn_access_of(kn_add_mem(&b, KN_IN, SN_F32, KN_C(1), "x")),
              y = kn_access_of(kn_add_mem(&b, KN_OUT, SN_F32, KN_C(1), "y"));
    kn_part_begin(&b, 0, NULL, 1, 1, 1);
    kn_phase_begin(&b, 0, 0, NULL, KN_NONE, 1, 1);
    kn_store(&b, y, kn_load(&b, SN_F32, x));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

START_TEST(format) {
#define NONE   0xff, 0xff
#define ZERO_8 0, 0, 0, 0, 0, 0, 0, 0
    /* clang-format off */
    static const unsigned char want[] = {
        'S', 'N', 'K', 'N', 3, 0,                                                     /* version */
        0, 0, 2, 0, 2, 0, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0,                               /* counts */
        0, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, NONE,                                        /* x */
        1, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, NONE,                                        /* y */
        0, 0, NONE, NONE, 0, ZERO_8, NONE, ZERO_8, NONE,                              /* x[0] */
        1, 0, NONE, NONE, 0, ZERO_8, NONE, ZERO_8, NONE,                              /* y[0] */
        4, 0, 2, NONE, NONE, NONE, 0, 0, ZERO_8, ZERO_8,                              /* load */
        5, 0, 2, 0, 0, NONE, NONE, 1, 0, ZERO_8, ZERO_8,                              /* store */
        0, 0, 2, 0, 0, 0, NONE, 1, 0, 1,                                              /* phase */
        0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,                      /* part */
    };
    /* clang-format on */
    kernels_room room;
    kernels_room_init(&room);
    base_strbuf bytes = encoded(&room, kernels_make(&room, copy_one, NULL));
    ck_assert_uint_eq(bytes.n, sizeof want);
    ck_assert_mem_eq(bytes.at, want, sizeof want);
    base_strbuf_free(&bytes);
    kernels_room_free(&room);
}
END_TEST

START_TEST(cut_off) {
    for (int i = 0; i < N_MAKES; i++) {
        kernels_room room;
        kernels_room_init(&room);
        base_strbuf bytes = encoded(&room, kernels_make(&room, makes[i], &schedule));
        ck_assert(accepts(bytes.at, bytes.n));
        for (size_t n = 0; n < bytes.n; n++) ck_assert(!accepts(bytes.at, n));
        base_strbuf_add(&bytes, "", 1);
        ck_assert(!accepts(bytes.at, bytes.n));
        base_strbuf_free(&bytes);
        kernels_room_free(&room);
    }
}
END_TEST

/* Every byte of every kernel, in several ways. */
START_TEST(damaged) {
    size_t accepted = 0, refused = 0;
    for (int i = 0; i < N_MAKES; i++) {
        kernels_room room;
        kernels_room_init(&room);
        base_strbuf bytes = encoded(&room, kernels_make(&room, makes[i], &schedule));
        for (size_t n = 0; n < bytes.n; n++) {
            static const unsigned char flips[] = {0x01, 0x02, 0x10, 0x80, 0xff};
            for (size_t f = 0; f < sizeof flips; f++) {
                bytes.at[n] = (char)(bytes.at[n] ^ flips[f]);
                if (accepts(bytes.at, bytes.n))
                    accepted++;
                else
                    refused++;
                bytes.at[n] = (char)(bytes.at[n] ^ flips[f]);
            }
        }
        base_strbuf_free(&bytes);
        kernels_room_free(&room);
    }
    ck_assert_uint_gt(refused, accepted); /* most of a kernel is structure */
    ck_assert_uint_gt(accepted, 0);       /* another constant is another kernel */
}
END_TEST

START_TEST(random_round_trips) {
    uint64_t n = getenv("SN_SLOW") ? 5000 : 200, state = 7;
    for (uint64_t seed = 1; seed <= n; seed++) {
        kernels_room room;
        kernels_room_init(&room);
        random_options options = {.seed = seed, .maths = 1};
        base_strbuf bytes = encoded(&room, kernels_make(&room, random_kernel, &options));
        ck_assert(accepts(bytes.at, bytes.n));
        for (int damage = 0; damage < 20; damage++) {
            uint64_t bits = kernels_random(&state);
            size_t at = (size_t)(bits >> 16) % bytes.n;
            char old = bytes.at[at];
            bytes.at[at] = (char)(bits & 255);
            (void)accepts(bytes.at, bytes.n);
            bytes.at[at] = old;
        }
        base_strbuf_free(&bytes);
        kernels_room_free(&room);
    }
}
END_TEST

/* Counts that promise the most for the fewest bytes take no memory. */
START_TEST(promises) {
    static const unsigned char bytes[] = {'S',  'N',  'K',  'N',  3,    0,    0xff, 0xff, 0xff, 0xff, 0xff,
                                          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    kernels_room room;
    kernels_room_init(&room);
    decoding d = {.bytes = bytes, .n = sizeof bytes};
    base_arena_init(&d.arena, &room.alloc, &room.trap);
    ck_assert_int_eq(base_protect(&room.trap, decode, &d), SN_ERR_PARSE);
    ck_assert_str_eq(room.trap.text, "a kernel is cut off: 22 bytes");
    ck_assert_uint_lt(room.alloc.live_bytes, 100000);
    base_arena_free(&d.arena);
    ck_assert(!accepts("SNKN\3\0", 6));
    ck_assert(!accepts("ELF0\1\0", 6));
    ck_assert(!accepts("", 0));
    kernels_room_free(&room);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("encode");
    TCase *tc = tcase_create("encode");
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, format);
    tcase_add_test(tc, cut_off);
    tcase_add_test(tc, damaged);
    tcase_add_test(tc, random_round_trips);
    tcase_add_test(tc, promises);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
