/* Random kernels, with tiles, vectors and teams as wide as GPUs want them: the GPU's code against the
 * interpreter, bit for bit; on the stand-in with the threads of a block in forward, reversed and random order.
 * SN_SLOW=1 runs 2000, SN_COUNT=n so many; SN_RANDOM=seed one, with SN_NARROW=1 as the CPU has them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kernel_build.h"
#include "support/random_kernel.h"
#include "support/support_bridge.h"
#include "support/support_standin.h"

static support_standin gpu;
static base_alloc alloc;
static base_log quiet;
static be_device *device;

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static void open_device(void) {
    base_trap err = {.armed = 0};
    support_standin_open(&gpu);
    base_alloc_init(&alloc, NULL);
    base_log_init(&quiet, ignore, NULL, SN_LOG_ERROR);
    const be_options options = {.alloc = &alloc, .log = &quiet};
    ck_assert_msg(!support_bridge.open(&options, &device, &err), "%s", err.text);
}

static void close_device(void) {
    gpu.order(0);
    support_bridge.close(device);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}

typedef struct {
    be_blob blob;
    be_exec *exec;
} code;

static code compile(const kn_kernel *k, const char *what) {
    code c = {{0}, NULL};
    base_trap err = {.armed = 0};
    base_strbuf bytes;
    base_strbuf_init(&bytes, &alloc);
    kn_encode(k, &bytes);
    ck_assert_msg(!support_bridge.compile(device, bytes.at, bytes.n, &c.blob, &err), "%s: %s", what, err.text);
    ck_assert_msg(!support_bridge.load(device, k, c.blob.at, c.blob.n, "kernel", &c.exec, &err), "%s: %s", what,
                  err.text);
    base_strbuf_free(&bytes);
    return c;
}

static void free_code(code *c) {
    support_bridge.unload(device, c->exec);
    base_free(&alloc, c->blob.at, c->blob.n);
}

/* Elements of partials outside of what their access covers are unspecified: those that the interpreter leaves as they
 * were, whatever was there. */
static void forget_uncovered(kernels_launch *want, const kernels_launch *other, kernels_launch *got) {
    const kn_kernel *k = want->kernel;
    for (uint32_t m = 0; m < k->n_mem; m++) {
        if (k->mem[m].space != KN_PART) continue;
        size_t size = sn_dtype_size((sn_dtype)k->mem[m].store);
        for (size_t i = 0; i < want->mem_bytes[m]; i += size) {
            char *a = (char *)want->mem[m] + i, *b = (char *)other->mem[m] + i;
            if (memcmp(a, b, size)) memcpy((char *)got->mem[m] + i, a, size);
        }
    }
}

static void flip_partials(kernels_launch *l) {
    for (uint32_t m = 0; m < l->kernel->n_mem; m++)
        if (l->kernel->mem[m].space == KN_PART)
            for (size_t i = 0; i < l->mem_bytes[m]; i++) ((unsigned char *)l->mem[m])[i] ^= 0x55;
}

static void check_launch(const kn_kernel *expanded, code *c, kernels_launch *start, unsigned in_order,
                         const char *what) {
    char text[256];
    kernels_launch want = kernels_launch_copy(start), flipped = kernels_launch_copy(start),
                   got = kernels_launch_copy(start);
    flip_partials(&flipped);
    kernels_interpret(&want, expanded);
    kernels_interpret(&flipped, expanded);
    gpu.order(in_order);
    support_bridge.launch(device, c->exec, &got.launch, got.n_chunks, 0, 0);
    forget_uncovered(&want, &flipped, &got);
    ck_assert_msg(kernels_launch_same(&want, &got, text), "%s, threads in order %u: %s", what, in_order, text);
    kernels_launch_free(&got);
    kernels_launch_free(&flipped);
    kernels_launch_free(&want);
}

static void check_seed(uint64_t seed, int wide) {
    char what[64];
    kernels_room room;
    kernels_room_init(&room);
    const random_options options = {.seed = seed, .maths = seed % 4 == 0, .wide = wide};
    snprintf(what, sizeof what, "seed %llu", (unsigned long long)seed);
    const kn_kernel *k = kernels_make(&room, random_kernel, &options), *expanded = kernels_expand(&room, k);
    code c = compile(k, what);
    for (unsigned i = 0; i < 3; i++) {
        kernels_launch start = random_launch(expanded, seed * 11 + i);
        check_launch(expanded, &c, &start, i < 2 ? i : (unsigned)seed + 2, what);
        kernels_launch_free(&start);
    }
    free_code(&c);
    kernels_room_free(&room);
}

START_TEST(random_kernels) {
    const char *one = getenv("SN_RANDOM"), *count = getenv("SN_COUNT");
    open_device();
    if (one)
        check_seed(strtoull(one, NULL, 10), !getenv("SN_NARROW"));
    else
        for (uint64_t seed = 1, n = count               ? strtoull(count, NULL, 10)
                                    : getenv("SN_SLOW") ? 2000
                                                        : 150;
             seed <= n; seed++)
            check_seed(seed, seed % 3 != 0);
    close_device();
}
END_TEST

/* Products into partials in memory, with lanes of one point: they multiply first. */
START_TEST(lanes_of_one_point) {
    open_device();
    check_seed(451, 0);
    check_seed(472, 0);
    close_device();
}
END_TEST

/* ---- where threads must meet ------------------------------------------------------------------------------------- */

/* Kernels that go wrong in some order of threads if one of their barriers is left out; names tell which. */
enum { BETWEEN_TILES, AT_ENTRY, IN_A_ROW, AT_A_PLACE, SPREAD, FOLDS, IN_PLACE, MEETINGS };
enum { TILES = 9, LINE = 200, MANY = 17 /* more than a block folds at a time */, D_N = 0, D_C = 1, D_NC = 2 };

typedef struct {
    int which;
    uint32_t team;
} meeting;

static kn_access at(kn_id mem, kn_id axis, kn_size step, kn_id loop) {
    kn_access access = kn_access_of(mem);
    if (axis != KN_NONE) kn_access_step(&access, axis, step);
    if (loop != KN_NONE) kn_access_step(&access, loop, KN_C(1));
    return access;
}

static kn_id add(kn_build *b, kn_id x, kn_id y) { return kn_prim2(b, KP_ADD, SN_F32, x, y); }

/* One chunk of TILES points, a line of LINE elements for each. */
static kn_kernel *make_meeting(base_arena *arena, const void *arg) {
    const meeting *m = arg;
    const kn_id none = (kn_id)KN_NONE;
    kn_build b;
    kn_build_init(&b, arena);
    b.n_dim = 3;
    kn_id n = kn_add_axis(&b, KN_POINT, KN_D(D_N)), c = kn_add_axis(&b, KN_LOOP, KN_D(D_C));
    const kn_access x = at(kn_add_mem(&b, KN_IN, SN_F32, KN_D(D_N), "x"), n, KN_C(1), none),
                    line = at(kn_add_mem(&b, KN_IN, SN_F32, KN_D(D_C), "line"), none, KN_C(0), c),
                    y = at(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(D_NC), "y"), n, KN_D(D_C), c),
                    z = at(kn_add_mem(&b, KN_OUT, SN_F32, KN_D(D_NC), "z"), n, KN_D(D_C), c);
    /* Of the tile's one point; at entry there is none. */
    const kn_access place = at(kn_add_mem(&b, KN_ROW, SN_F32, KN_C(1), "place"), m->which == AT_ENTRY ? none : n,
                               KN_C(1), none),
                    row = at(kn_add_mem(&b, KN_ROW, SN_F32, KN_D(D_C), "row"), none, KN_C(0), c);
    kn_access was = at(kn_add_mem(&b, KN_INOUT, SN_F32, KN_D(D_N), "was"), n, KN_C(1), none);
    const uint32_t tile = m->which == SPREAD ? 4 : 1;
    kn_part_begin(&b, 1, &n, tile, 1, 1);
    kn_part_team(&b, m->team);
    kn_id from = KN_NONE;
    switch (m->which) {
        case BETWEEN_TILES: /* one thread stores what all read, in each tile anew */
            kn_phase_begin(&b, 0, 0, NULL, none, 1, 1);
            kn_store(&b, place, kn_load(&b, SN_F32, x));
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            from = kn_load(&b, SN_F32, place);
            break;
        case AT_ENTRY: /* one thread stores what all read at entry; what they store there, others read in tiles */
            kn_phase_begin(&b, 1, 0, NULL, none, 1, 1);
            kn_store(&b, place, kn_const_f(&b, SN_F32, 3));
            kn_phase_end(&b);
            kn_phase_begin(&b, 1, 1, &c, c, m->team, 1);
            kn_store(&b, row, add(&b, kn_load(&b, SN_F32, place), kn_load(&b, SN_F32, line)));
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, none, 1, 1);
            from = kn_fold(&b, KP_MAX, SN_F32, 1u << c, kn_load(&b, SN_F32, row), none);
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            break;
        case IN_A_ROW: { /* one thread stores what all have read and read again */
            kn_phase_begin(&b, 0, 0, NULL, none, 1, 1);
            kn_store(&b, place, kn_load(&b, SN_F32, x));
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            kn_id before = kn_load(&b, SN_F32, place);
            kn_store(&b, place, add(&b, before, kn_const_f(&b, SN_F32, 1)));
            kn_store(&b, z, add(&b, before, kn_load(&b, SN_F32, line)));
            from = kn_load(&b, SN_F32, place);
            break;
        }
        case AT_A_PLACE: { /* one place, which a loop reads and one thread writes in each of its iterations */
            kn_phase_begin(&b, 0, 1, &c, none, 1, 1);
            was.ix = kn_prim2(&b, KP_SUB, SN_I64, kn_index(&b, c), kn_index(&b, c));
            was.ix_step = KN_C(1);
            kn_id before = kn_load(&b, SN_F32, was);
            kn_store(&b, was, add(&b, before, kn_load(&b, SN_F32, line)));
            from = kn_fold(&b, KP_ADD, SN_F32, 1u << c, before, none);
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            break;
        }
        case SPREAD: /* points are lanes, then copies: threads tell each other, in each tile */
            kn_phase_begin(&b, 0, 0, NULL, n, tile, 1);
            from = add(&b, kn_load(&b, SN_F32, x), kn_const_f(&b, SN_F32, 1));
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            break;
        case FOLDS: { /* sums of all threads, one batch after the other */
            kn_id k = kn_add_axis(&b, KN_UNROLL, KN_C(MANY));
            const kn_access w = at(kn_add_mem(&b, KN_IN, SN_F32, KN_C(MANY), "w"), k, KN_C(1), none);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            kn_id each = add(&b, kn_load(&b, SN_F32, line), kn_load(&b, SN_F32, w));
            from = kn_fold(&b, KP_ADD, SN_F32, 1u << k, kn_fold(&b, KP_ADD, SN_F32, 1u << c, each, none), none);
            kn_phase_end(&b);
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            break;
        }
        default: /* one thread stores over what all read */
            kn_phase_begin(&b, 0, 1, &c, c, m->team, 1);
            from = kn_load(&b, SN_F32, was);
            kn_store(&b, was, add(&b, from, kn_load(&b, SN_F32, x)));
    }
    kn_store(&b, y, add(&b, from, kn_load(&b, SN_F32, line)));
    kn_phase_end(&b);
    kn_part_end(&b);
    return kn_build_finish(&b);
}

START_TEST(threads_meet) {
    char what[64];
    const meeting m = {_i / 2, _i % 2 ? 128 : 32};
    const int64_t dims[] = {TILES, LINE, TILES * LINE};
    snprintf(what, sizeof what, "meeting %d of %u threads", m.which, (unsigned)m.team);
    open_device();
    kernels_room room;
    kernels_room_init(&room);
    const kn_kernel *k = kernels_make(&room, make_meeting, &m), *expanded = kernels_expand(&room, k);
    code c = compile(k, what);
    for (unsigned order = 0; order < 4; order++) {
        kernels_launch start = kernels_launch_new(expanded, dims, NULL, 5);
        check_launch(expanded, &c, &start, order, what);
        kernels_launch_free(&start);
    }
    free_code(&c);
    kernels_room_free(&room);
    close_device();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gpu kernels");
    TCase *kernels = tcase_create("kernels");
    tcase_add_test(kernels, random_kernels);
    tcase_add_test(kernels, lanes_of_one_point);
    tcase_add_loop_test(kernels, threads_meet, 0, 2 * MEETINGS);
    suite_add_tcase(suite, kernels);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
