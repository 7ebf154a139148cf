/* Writes first inputs for the fuzzers: random kernels, the objects they are compiled to, random graphs as text. */
#define _POSIX_C_SOURCE 200809L
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/backend.h"
#include "support/random_graph.h"
#include "support/random_kernel.h"

enum { N_KERNELS = 60, N_OBJECTS = 12, N_GRAPHS = 120 };

static const char *folder;

static void write_file(const char *kind, uint64_t number, const void *bytes, size_t n) {
    char path[512];
    mkdir(folder, 0755);
    snprintf(path, sizeof path, "%s/%s", folder, kind);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/%s/seed%llu", folder, kind, (unsigned long long)number);
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file && fwrite(bytes, 1, n, file) == n && !fclose(file), "%s cannot be written", path);
}

START_TEST(kernels_and_objects) {
    base_trap err;
    base_alloc alloc;
    base_log log;
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, NULL, NULL, SN_LOG_ERROR);
    be_device *dev = NULL;
    be_cpu.open(&(be_options){.alloc = &alloc, .log = &log, .threads = 1}, &dev, &err);
    for (uint64_t seed = 1; seed <= N_KERNELS; seed++) {
        kernels_room room;
        kernels_room_init(&room);
        random_options options = {.seed = seed, .maths = seed % 4 == 0};
        kn_kernel *k = kernels_make(&room, random_kernel, &options);
        base_strbuf bytes;
        be_blob blob;
        base_strbuf_init(&bytes, &alloc);
        kn_encode(k, &bytes);
        write_file("kernel", seed, bytes.at, bytes.n);
        if (dev && seed <= N_OBJECTS && !be_cpu.compile(dev, bytes.at, bytes.n, &blob, &err)) {
            write_file("elf", seed, blob.at, blob.n);
            base_free(&alloc, blob.at, blob.n);
        }
        base_strbuf_free(&bytes);
        kernels_room_free(&room);
    }
    be_cpu.close(dev);
}
END_TEST

START_TEST(graphs) {
    static random_graph r;
    base_alloc alloc;
    base_alloc_init(&alloc, NULL);
    sn_context *ctx = support_twin_context();
    for (uint64_t seed = 1; seed <= N_GRAPHS; seed++) {
        base_strbuf text;
        base_strbuf_init(&text, &alloc);
        random_graph_new(&r, ctx, seed, 2 + (int)(seed % 12));
        ir_print(r.g, &r.function[0], &text);
        write_file("graph", seed, text.at, text.n);
        base_strbuf_free(&text);
        random_graph_free(&r);
    }
    sn_context_free(ctx);
}
END_TEST

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds DIR\n");
        return 2;
    }
    folder = argv[1];
    Suite *suite = suite_create("seeds");
    TCase *tests = tcase_create("seeds");
    tcase_set_timeout(tests, 600);
    tcase_add_test(tests, kernels_and_objects);
    tcase_add_test(tests, graphs);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
