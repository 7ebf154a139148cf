/* Compiling is a function of the kernel's bytes: several processes compile the hand-built kernels, each in an order of
 * its own, at other addresses and over memory filled with other bytes, and get the same objects.
 *
 * The program runs itself with the words --compile FILE NUMBER: then it writes the objects to that file. */
#define _GNU_SOURCE
#include <check.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "support/kernels.h"
#include "support/support_cache.h"

extern char **environ;

static kn_kernel *(*const makers[])(base_arena *, const void *) = {
    kernels_softmax, kernels_softmax_short, kernels_row_sum,     kernels_row_sum_short, kernels_column_sum,
    kernels_total,   kernels_fold_partials, kernels_transpose,   kernels_gather,        kernels_scatter_add,
    kernels_update,  kernels_moons_step,    kernels_moons_short, kernels_moons_update};
static const kernels_schedule schedules[] = {{4, 2, 3, 8, 2, 5}, {16, 1, 64, 16, 1, 3}};
enum { N_MAKERS = sizeof makers / sizeof *makers, N_KERNELS = 2 * N_MAKERS };

/* ---- a process that compiles ------------------------------------------------------------------------------------- */

static void ignore(void *user, sn_log_level level, const char *message) { (void)user, (void)level, (void)message; }

static void compile_one(be_device *dev, int i, be_blob *out) {
    kernels_room room;
    base_trap err;
    base_strbuf bytes;
    kernels_room_init(&room);
    base_strbuf_init(&bytes, &room.alloc);
    kn_encode(kernels_make(&room, makers[i / 2], &schedules[i % 2]), &bytes);
    ck_assert(!bytes.failed);
    ck_assert_msg(!be_cpu.compile(dev, bytes.at, bytes.n, out, &err), "kernel %d: %s", i, err.text);
    base_strbuf_free(&bytes);
    kernels_room_free(&room);
}

static const char *to;
static int number;

/* The file: of each kernel, in their order, the size of its object and the object. */
START_TEST(compile_all) {
    base_alloc alloc;
    base_log log;
    base_trap err;
    be_device *dev;
    be_blob blob[N_KERNELS];
    base_alloc_init(&alloc, NULL);
    base_log_init(&log, ignore, NULL, SN_LOG_ERROR);
    be_options options = {.alloc = &alloc, .log = &log, .threads = 1};
    ck_assert_msg(!be_cpu.open(&options, &dev, &err), "%s", err.text);
    /* Forwards or backwards from a start that the number decides. */
    for (int k = 0; k < N_KERNELS; k++) {
        int i = (number * 5 + (number % 2 ? N_KERNELS - k : k)) % N_KERNELS;
        compile_one(dev, i, &blob[i]);
    }
    FILE *f = fopen(to, "wb");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < N_KERNELS; i++) {
        ck_assert_uint_eq(fwrite(&blob[i].n, sizeof blob[i].n, 1, f), 1);
        ck_assert_uint_eq(fwrite(blob[i].at, 1, blob[i].n, f), blob[i].n);
        base_free(&alloc, blob[i].at, blob[i].n);
    }
    ck_assert_int_eq(fclose(f), 0);
    be_cpu.close(dev);
    ck_assert_uint_eq(alloc.live_bytes, 0);
}
END_TEST

/* ---- the test ---------------------------------------------------------------------------------------------------- */

static pid_t start(const char *path, int which) {
    char self[] = "/proc/self/exe", word[] = "--compile", file[SUPPORT_PATH_MAX + 16], digits[16], perturb[8];
    snprintf(file, sizeof file, "%s", path);
    snprintf(digits, sizeof digits, "%d", which);
    snprintf(perturb, sizeof perturb, "%d", which * 37 % 256);
    setenv("MALLOC_PERTURB_", perturb, 1);
    char *const argv[] = {self, word, file, digits, NULL};
    pid_t child;
    ck_assert_int_eq(posix_spawn(&child, self, NULL, NULL, argv, environ), 0);
    unsetenv("MALLOC_PERTURB_");
    return child;
}

static void compare(const char *one, size_t n, const char *other, size_t m, int which) {
    size_t at = 0;
    for (int i = 0; i < N_KERNELS; i++) {
        size_t size, other_size;
        ck_assert_uint_le(at + sizeof size, n);
        ck_assert_uint_le(at + sizeof size, m);
        memcpy(&size, one + at, sizeof size);
        memcpy(&other_size, other + at, sizeof size);
        at += sizeof size;
        ck_assert_msg(size == other_size, "process %d, kernel %d: %zu bytes and %zu", which, i, size, other_size);
        ck_assert_uint_gt(size, 64);
        ck_assert(size <= n - at && size <= m - at);
        ck_assert(!memcmp(one + at, "\177ELF", 4));
        ck_assert_msg(!memcmp(one + at, other + at, size), "process %d, kernel %d: other bytes", which, i);
        at += size;
    }
    ck_assert(at == n && at == m);
}

START_TEST(processes_compile_the_same_objects) {
    const char *slow = getenv("SN_SLOW");
    char dir[SUPPORT_PATH_MAX], path[SUPPORT_PATH_MAX + 16], *first = NULL;
    int processes = slow ? 16 : 4, at_once = 2;
    size_t n_first = 0, n;
    support_folder(dir);
    pid_t running[16];
    for (int p = 0; p < processes + at_once; p++) {
        if (p >= at_once) {
            int q = p - at_once, status;
            ck_assert_int_eq(waitpid(running[q], &status, 0), running[q]);
            ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "process %d ends with %d", q, status);
            snprintf(path, sizeof path, "%s/%d", dir, q);
            char *bytes = support_file(path, &n);
            if (q) {
                compare(first, n_first, bytes, n, q);
                free(bytes);
            } else {
                first = bytes;
                n_first = n;
            }
        }
        if (p < processes) {
            snprintf(path, sizeof path, "%s/%d", dir, p);
            running[p] = start(path, p);
        }
    }
    printf("%d kernels, %zu bytes of objects, equal in %d processes\n", N_KERNELS, n_first, processes);
    free(first);
    support_folder_remove(dir);
}
END_TEST

static int run(const TTest *test, enum fork_status forks) {
    Suite *s = suite_create("recompile");
    TCase *t = tcase_create("all");
    tcase_add_test(t, test);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, forks);
    srunner_run_all(r, forks == CK_NOFORK ? CK_MINIMAL : CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

int main(int argc, char **argv) {
    if (argc != 4 || strcmp(argv[1], "--compile")) return run(processes_compile_the_same_objects, CK_FORK);
    to = argv[2];
    number = atoi(argv[3]);
    return run(compile_all, CK_NOFORK);
}
