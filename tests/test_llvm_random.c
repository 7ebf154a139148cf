/* Random kernels, compiled and run by the CPU backend on one thread and on three, against the kernel interpreter, bit
 * for bit. */
#include <check.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "support/kernels.h"
#include "support/random_kernel.h"

enum { BATCH = 10, BATCHES = 4, SLOW_BATCH = 500 };

static void run_compiled(be_device *dev, be_exec *exec, kernels_launch *l) {
    base_trap err = {0};
    size_t scratch = (size_t)kn_scratch_bytes(l->kernel, l->dim);
    ck_assert_msg(!be_cpu.reserve(dev, scratch, &err), "%s", err.text);
    be_cpu.launch(dev, exec, &l->launch, l->n_chunks, scratch, 1e9);
}

static void check_kernel(be_device *const dev[2], uint64_t seed) {
    kernels_room room;
    kernels_room_init(&room);
    /* Many kernels with few lanes rather than few with many: those take seconds to compile. */
    random_options options = {
        .seed = seed, .maths = seed % 8 == 0, .most_lanes = seed % 16 && !getenv("SN_SLOW") ? 4 : 0};
    const kn_kernel *k = kernels_make(&room, random_kernel, &options), *expanded = kernels_expand(&room, k);
    base_strbuf bytes;
    base_strbuf_init(&bytes, &room.alloc);
    kn_encode(k, &bytes);
    base_trap err = {0};
    be_blob blob = {0};
    ck_assert_msg(!be_cpu.compile(dev[0], bytes.at, bytes.n, &blob, &err), "seed %d: %s", (int)seed, err.text);
    for (int d = 0; d < 2; d++) {
        be_exec *exec = NULL;
        ck_assert_msg(!be_cpu.load(dev[d], k, blob.at, blob.n, "random", &exec, &err), "seed %d: %s", (int)seed,
                      err.text);
        for (uint64_t launch = 0; launch < 4; launch++) {
            kernels_launch a = random_launch(k, seed * 10 + launch), b = kernels_launch_copy(&a);
            char text[256];
            kernels_interpret(&a, expanded);
            run_compiled(dev[d], exec, &b);
            ck_assert_msg(kernels_launch_same(&a, &b, text), "seed %d, launch %d, device %d: %s", (int)seed,
                          (int)launch, d, text);
            kernels_launch_free(&a);
            kernels_launch_free(&b);
        }
        be_cpu.unload(dev[d], exec);
    }
    free(blob.at);
    base_strbuf_free(&bytes);
    kernels_room_free(&room);
}

/* A failure names the seed; SN_RANDOM=seed runs it alone. */
START_TEST(compiled_are_the_interpreters) {
    base_alloc alloc;
    base_trap err = {0};
    be_device *dev[2];
    base_log log;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, NULL, NULL, SN_LOG_ERROR);
    for (int d = 0; d < 2; d++) {
        be_options options = {.alloc = &alloc, .log = &log, .threads = d ? 3 : 1};
        ck_assert_msg(!be_cpu.open(&options, &dev[d], &err), "%s", err.text);
    }
    const char *only = getenv("SN_RANDOM");
    uint64_t batch = getenv("SN_SLOW") ? SLOW_BATCH : BATCH, first = 1 + (uint64_t)_i * batch;
    for (uint64_t seed = first; seed < first + batch && !only; seed++) check_kernel(dev, seed);
    if (only && _i == 0) check_kernel(dev, strtoull(only, NULL, 10));
    for (int d = 0; d < 2; d++) be_cpu.close(dev[d]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llvm_random");
    TCase *tc = tcase_create("llvm_random");
    tcase_set_timeout(tc, 1200);
    tcase_add_loop_test(tc, compiled_are_the_interpreters, 0, BATCHES);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
