/* Warm starts on the real backend: a process that finds its kernels gives the same bits without any compiler, and opens
 * none; compiling again gives the same object. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/nets.h"
#include "support/support_cache.h"
#include "support/support_run.h"

static char dir[SUPPORT_PATH_MAX], text[1 << 14];

static void set_up(void) { support_folder(dir); }
static void tear_down(void) { support_folder_remove(dir); }

static int contains(const char *where, const char *what) { return strstr(where, what) != NULL; }

enum { POINTS = 50 };

/* A training in this process: the loss of each step, and how many kernels were compiled. -1: it failed. */
static int train(sn_cache_mode mode, float loss[5], char *error) {
    sn_context_options o = {.struct_size = sizeof o, .cache_mode = mode, .cache_dir = dir, .log_level = SN_LOG_ERROR};
    sn_context *ctx;
    net n;
    *error = 0;
    ck_assert_int_eq(sn_context_new(&o, &ctx), SN_OK);
    net_moons(&n, ctx, 3, 0);
    net_sgd(&n, 0.1);
    net_output(&n, n.loss);
    sn_function *f = NULL;
    sn_function_desc desc = {.inputs = n.in,
                             .n_inputs = n.n_in,
                             .outputs = n.out,
                             .n_outputs = n.n_out,
                             .updates = n.update,
                             .n_updates = n.n_update};
    int compiled = -1;
    if (sn_function_new(n.g, &desc, &f)) {
        snprintf(error, BASE_TEXT_MAX, "%s", sn_graph_error(n.g));
    } else {
        float x[2 * POINTS];
        int64_t y[POINTS];
        for (int i = 0; i < POINTS; i++) {
            y[i] = i % 2;
            x[2 * i] = (float)(i * 37 % 50) / 25 - 1;
            x[2 * i + 1] = (float)(i * 23 % 50) / 25 - 1 + (float)y[i] / 2;
        }
        float w[6] = {0.3f, -0.2f, 0.1f, 0.5f, 0.7f, -0.6f};
        ck_assert(!sn_var_set(n.var[0], w, sizeof w));
        sn_tensor in[2] = {sn_tensor_of(SN_F32, x, 2, (int64_t[]){POINTS, 2}),
                           sn_tensor_of(SN_I64, y, 1, (int64_t[]){POINTS})};
        for (int i = 0; i < 5; i++) {
            sn_tensor out = sn_tensor_of(SN_F32, &loss[i], 0, NULL);
            ck_assert_msg(!sn_function_call(f, in, 2, &out, 1), "%s", sn_function_error(f));
        }
        sn_function_stats stats;
        sn_function_get_stats(f, &stats);
        compiled = (int)stats.n_compiled;
    }
    sn_function_free(f);
    net_free(&n);
    sn_context_free(ctx);
    return compiled;
}

typedef struct {
    int compiled, llvm; /* llvm: is it in the memory of the process? */
    float loss[5];
    char error[BASE_TEXT_MAX];
} trained;

static trained train_in_child(sn_cache_mode mode, const char *llvm) {
    trained t;
    int to[2];
    ck_assert_int_eq(pipe(to), 0);
    pid_t child = fork();
    if (!child) {
        memset(&t, 0, sizeof t);
        if (llvm) setenv("SINTER_LLVM", llvm, 1);
        t.compiled = train(mode, t.loss, t.error);
        FILE *maps = fopen("/proc/self/maps", "r");
        while (maps && fgets(text, sizeof text, maps))
            t.llvm |= contains(text, "LLVM") || contains(text, "sinter-llvm");
        _exit(write(to[1], &t, sizeof t) != sizeof t);
    }
    close(to[1]);
    ck_assert_int_eq(read(to[0], &t, sizeof t), sizeof t);
    close(to[0]);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    return t;
}

START_TEST(warm_process_needs_no_compiler) {
    trained without = train_in_child(SN_CACHE_RW, "/nonexistent/llvm.so");
    ck_assert_int_eq(without.compiled, -1);
    SUPPORT_HAS(without.error, "tried /nonexistent/llvm.so");
    trained cold = train_in_child(SN_CACHE_RW, NULL), off = train_in_child(SN_CACHE_OFF, NULL);
    ck_assert_msg(cold.compiled > 0, "%s", cold.error);
    ck_assert_int_eq(cold.llvm, 1);
    ck_assert_int_eq(off.compiled, cold.compiled);
    ck_assert(!memcmp(cold.loss, off.loss, sizeof cold.loss));
    for (int mode = SN_CACHE_RO; mode <= SN_CACHE_ONLY; mode++) {
        if (mode == SN_CACHE_STRICT) continue;
        trained warm = train_in_child((sn_cache_mode)mode, "/nonexistent/llvm.so");
        ck_assert_msg(warm.compiled == 0, "%s", warm.error);
        ck_assert_int_eq(warm.llvm, 0);
        ck_assert(!memcmp(cold.loss, warm.loss, sizeof cold.loss));
    }
    trained strict = train_in_child(SN_CACHE_STRICT, NULL);
    ck_assert_int_eq(strict.compiled, 0);
    ck_assert(!memcmp(cold.loss, strict.loss, sizeof cold.loss));
    ck_assert(cold.loss[4] < cold.loss[0]);
}
END_TEST

START_TEST(recompiling_gives_the_same_object) {
    char other[SUPPORT_PATH_MAX], path[SUPPORT_PATH_MAX];
    trained one = train_in_child(SN_CACHE_RW, NULL);
    snprintf(other, sizeof other, "%s", dir);
    support_folder(dir);
    trained two = train_in_child(SN_CACHE_RW, NULL);
    ck_assert(!memcmp(one.loss, two.loss, sizeof one.loss));
    int n = support_folder_count(other, ".k1", NULL);
    ck_assert_int_ge(n, 2);
    ck_assert_int_eq(support_folder_count(dir, ".k1", NULL), n);
    support_folder_count(dir, ".k1", path);
    snprintf(text, sizeof text, "%s/%s", other, strrchr(path, '/') + 1);
    size_t na, nb;
    char *a = support_file(path, &na), *b = support_file(text, &nb);
    cache_entry ea, eb;
    ck_assert(!cache_entry_open(&ea, a, na) && !cache_entry_open(&eb, b, nb));
    ck_assert_uint_eq(ea.payload_bytes, eb.payload_bytes);
    ck_assert(!memcmp(ea.payload, eb.payload, ea.payload_bytes));
    ck_assert(!memcmp(ea.payload, "\177ELF", 4));
    free(a);
    free(b);
    support_folder_remove(other);
}
END_TEST

/* Runs a command; what it prints, without the lines that tell times, into out. */
static void run(char *out, size_t size, const char *command) {
    FILE *f = popen(command, "r");
    size_t n = 0;
    ck_assert_ptr_nonnull(f);
    while (fgets(text, sizeof text, f)) {
        size_t len = strlen(text);
        if (contains(text, " ms") || contains(text, "us per step")) continue;
        ck_assert_uint_lt(n + len, size);
        memcpy(out + n, text, len + 1);
        n += len;
    }
    ck_assert_msg(!pclose(f), "%s: %s", command, out);
}

START_TEST(sample_gives_the_same_without_compiler) {
    static char out[2][1 << 14];
    char command[1024];
    if (access(SN_BUILD_DIR "/moons", X_OK)) return; /* built without samples */
    for (int warm = 0; warm < 2; warm++) {
        snprintf(command, sizeof command,
                 "cd %s && SINTER_CACHE=%s SINTER_CACHE_DIR=%s/cache %s " SN_BUILD_DIR
                 "/moons --passes 2000 --dump out%d --plot plot%d.png 2>&1 | sed s/plot%d/plot/",
                 dir, warm ? "only" : "rw", dir, warm ? "SINTER_LLVM=/nonexistent" : "", warm, warm, warm);
        run(out[warm], sizeof out[warm], command);
    }
    ck_assert_str_eq(out[0], out[1]);
    ck_assert(contains(out[0], "accuracy"));
    snprintf(command, sizeof command, "cd %s && diff -r out0 out1 && cmp plot0.png plot1.png && ls out1 | wc -l", dir);
    run(out[0], sizeof out[0], command);
    ck_assert_int_ge(atoi(out[0]), 8);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("warm start");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, warm_process_needs_no_compiler);
    tcase_add_test(t, recompiling_gives_the_same_object);
    tcase_add_test(t, sample_gives_the_same_without_compiler);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
