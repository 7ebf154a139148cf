/* Random kernels, with tiles, vectors and teams as wide as GPUs want them: the GPU's code against the
 * interpreter, bit for bit; on the stand-in with the threads of a block in forward, reversed and random order.
 * SN_SLOW=1 runs 2000, SN_COUNT=n so many; SN_RANDOM=seed one, with SN_NARROW=1 as the CPU has them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void) {
    Suite *suite = suite_create("gpu kernels");
    TCase *kernels = tcase_create("kernels");
    tcase_add_test(kernels, random_kernels);
    tcase_add_test(kernels, lanes_of_one_point);
    suite_add_tcase(suite, kernels);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
