/* Warm starts on the real backend: a process that finds its kernels gives the same bits without any compiler, and opens
 * none; compiling again gives the same object. */
#define _GNU_SOURCE
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

static char logged[1 << 14];
static void keep_log(void *user, sn_log_level level, const char *message) {
    size_t n = strlen(logged);
    (void)user, (void)level;
    snprintf(logged + n, sizeof logged - n, "%s\n", message);
}

/* The training step of the tutorial network. *f is NULL where it failed. */
static sn_status make_step(net *n, sn_context *ctx, int64_t hidden, sn_function **f) {
    *f = NULL;
    net_moons(n, ctx, hidden, 0);
    net_sgd(n, 0.1);
    net_output(n, n->loss);
    sn_function_desc desc = {.inputs = n->in,
                             .n_inputs = n->n_in,
                             .outputs = n->out,
                             .n_outputs = n->n_out,
                             .updates = n->update,
                             .n_updates = n->n_update};
    return sn_function_new(n->g, &desc, f);
}

/* A training in this process: the loss of each step, and how many kernels were compiled. -1: it failed. */
static int train(sn_cache_mode mode, float loss[5], char *error) {
    sn_context_options o = {
        .struct_size = sizeof o, .cache_mode = mode, .cache_dir = dir, .log = keep_log, .log_level = SN_LOG_INFO};
    sn_context *ctx;
    net n;
    *error = 0;
    ck_assert_int_eq(sn_context_new(&o, &ctx), SN_OK);
    sn_function *f;
    sn_status status = make_step(&n, ctx, 3, &f);
    int compiled = -1;
    if (status) {
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
    char error[BASE_TEXT_MAX], logged[1 << 12];
} trained;

/* llvm, cpu: for SINTER_LLVM and SINTER_CPU; NULL: as they are. */
static trained train_as(sn_cache_mode mode, const char *llvm, const char *cpu) {
    trained t;
    int to[2];
    ck_assert_int_eq(pipe(to), 0);
    pid_t child = fork();
    if (!child) {
        memset(&t, 0, sizeof t);
        if (llvm) setenv("SINTER_LLVM", llvm, 1);
        if (cpu) setenv("SINTER_CPU", cpu, 1);
        t.compiled = train(mode, t.loss, t.error);
        snprintf(t.logged, sizeof t.logged, "%.4000s", logged);
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

static trained train_in_child(sn_cache_mode mode, const char *llvm) { return train_as(mode, llvm, NULL); }

START_TEST(warm_process_needs_no_compiler) {
    trained without = train_in_child(SN_CACHE_RW, "/nonexistent/llvm.so");
    ck_assert_int_eq(without.compiled, -1);
    SUPPORT_HAS(without.error, "tried /nonexistent/llvm.so");
    trained cold = train_in_child(SN_CACHE_RW, NULL), off = train_in_child(SN_CACHE_OFF, NULL);
    ck_assert_msg(cold.compiled > 0, "%s", cold.error);
    ck_assert_int_eq(cold.llvm, 1);
    ck_assert_int_eq(off.compiled, cold.compiled);
    ck_assert(!memcmp(cold.loss, off.loss, sizeof cold.loss));
    double best = 1e9;
    int hits = 0;
    for (int mode = SN_CACHE_RO; mode <= SN_CACHE_ONLY; mode++) {
        if (mode == SN_CACHE_STRICT) continue;
        trained warm = train_in_child((sn_cache_mode)mode, "/nonexistent/llvm.so");
        ck_assert_msg(warm.compiled == 0, "%s", warm.error);
        ck_assert_int_eq(warm.llvm, 0);
        ck_assert(!memcmp(cold.loss, warm.loss, sizeof cold.loss));
        static const char hit[] = ": hit, from disk in ";
        for (const char *at = warm.logged; (at = strstr(at, hit)); hits++) {
            double us = strtod(at += sizeof hit - 1, NULL);
            if (us < best) best = us;
        }
    }
    printf("hit on disk: %.0f us, the best of %d\n", best, hits);
    ck_assert_int_ge(hits, 3 * cold.compiled);
    ck_assert(SUPPORT_SANITIZED || best < 100);
    trained strict = train_in_child(SN_CACHE_STRICT, NULL);
    ck_assert_int_eq(strict.compiled, 0);
    ck_assert(!memcmp(cold.loss, strict.loss, sizeof cold.loss));
    ck_assert(cold.loss[4] < cold.loss[0]);
    /* ORC links the objects that are there, too, and compiles none. */
    setenv("SINTER_LOADER", "orc", 1);
    trained orc = train_in_child(SN_CACHE_ONLY, NULL);
    unsetenv("SINTER_LOADER");
    ck_assert_msg(orc.compiled == 0, "%s", orc.error);
    ck_assert_int_eq(orc.llvm, 1);
    ck_assert(!memcmp(cold.loss, orc.loss, sizeof cold.loss));
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

/* Entries of another processor, here of this one when some of its features are masked: kernels are compiled for what
 * is there, the reason is told, and where nothing may be compiled it is an error and no illegal instruction. */
START_TEST(another_processor_has_kernels_of_its_own) {
    trained best = train_in_child(SN_CACHE_RW, NULL);
    ck_assert_int_gt(best.compiled, 0);
    if (!contains(best.logged, "compiled in")) ck_abort_msg("%s", best.logged);
    trained only = train_as(SN_CACHE_ONLY, NULL, "v3"), v3 = train_as(SN_CACHE_RW, NULL, "v3");
    if (!v3.compiled) return; /* this processor is one of v3 */
    ck_assert_int_eq(only.compiled, -1);
    SUPPORT_HAS(only.error, "it is cached for target 'x86-64-v4;");
    SUPPORT_HAS(only.error, "this is 'x86-64-v3;");
    ck_assert_int_eq(v3.compiled, best.compiled);
    SUPPORT_HAS(v3.logged, "miss: it is cached for target 'x86-64-v4;");
    ck_assert_int_eq(train_as(SN_CACHE_ONLY, "/nonexistent", "v3").compiled, 0);
    trained again = train_as(SN_CACHE_ONLY, "/nonexistent", NULL);
    ck_assert_int_eq(again.compiled, 0);
    ck_assert(!memcmp(best.loss, again.loss, sizeof best.loss));
    ck_assert(!memcmp(best.loss, v3.loss, sizeof best.loss)); /* results do not depend on the machine */
    /* Nor does renaming help: the key inside an entry counts. */
    char path[SUPPORT_PATH_MAX];
    int entries = support_folder_count(dir, ".k1", path);
    ck_assert_int_eq(entries, 2 * best.compiled);
}
END_TEST

/* Passes, fusion and planning of the training step, the best of some. */
START_TEST(planning_takes_less_than_a_millisecond) {
    sn_context_options o = {.struct_size = sizeof o, .cache_mode = SN_CACHE_RW, .cache_dir = dir};
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        sn_context *ctx;
        net n;
        sn_function *f;
        sn_function_stats stats;
        ck_assert_int_eq(sn_context_new(&o, &ctx), SN_OK);
        ck_assert_msg(!make_step(&n, ctx, 1000, &f), "%s", sn_graph_error(n.g));
        sn_function_get_stats(f, &stats);
        ck_assert(stats.plan_ms > 0 && stats.plan_ms <= stats.compile_ms);
        if (stats.plan_ms < best) best = stats.plan_ms;
        sn_function_free(f);
        net_free(&n);
        sn_context_free(ctx);
    }
    printf("moons step: passes, fusion and planning %.2f ms\n", best);
    ck_assert(SUPPORT_SANITIZED || best < 1);
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

typedef struct {
    double ms; /* from main to the end of the first step */
    long peak_kb;
    int llvm, blas; /* were they opened? */
} started;

/* The sample with two passes, its libraries told by the dynamic linker. */
static started start_sample(const char *llvm) {
    started s = {.ms = -1};
    char folder[SUPPORT_PATH_MAX + 16], plot[SUPPORT_PATH_MAX + 16];
    int to[2];
    ck_assert_int_eq(pipe(to), 0);
    snprintf(folder, sizeof folder, "%s/start", dir);
    snprintf(plot, sizeof plot, "%s/start.png", dir);
    pid_t child = fork();
    if (!child) {
        setenv("SINTER_CACHE", "rw", 1);
        setenv("SINTER_CACHE_DIR", folder, 1);
        setenv("LD_DEBUG", "files", 1);
        if (llvm) setenv("SINTER_LLVM", llvm, 1);
        if (dup2(to[1], STDOUT_FILENO) < 0 || dup2(to[1], STDERR_FILENO) < 0) _exit(1);
        close(to[0]);
        execl(SN_BUILD_DIR "/moons", "moons", "--passes", "2", "--plot", plot, (char *)NULL);
        _exit(2);
    }
    close(to[1]);
    FILE *f = fdopen(to[0], "r");
    while (fgets(text, sizeof text, f)) {
        s.llvm |= (contains(text, "LLVM") || contains(text, "sinter-llvm")) && contains(text, "calling init");
        s.blas |= contains(text, "blas") && contains(text, "calling init");
        const char *at = strstr(text, "first step done ");
        if (at) s.ms = strtod(at + strlen("first step done "), NULL);
    }
    fclose(f);
    struct rusage used;
    int status;
    ck_assert_int_eq(wait4(child, &status, 0, &used), child);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "moons ends with %x", (unsigned)status);
    ck_assert_double_ge(s.ms, 0);
    s.peak_kb = used.ru_maxrss;
    return s;
}

static int by_ms(const void *a, const void *b) {
    double x = ((const started *)a)->ms, y = ((const started *)b)->ms;
    return (x > y) - (x < y);
}

START_TEST(sample_starts_at_once_when_warm) {
    enum { RUNS = 15 };
    started cold, warm[RUNS];
    if (access(SN_BUILD_DIR "/moons", X_OK)) return; /* built without samples */
    cold = start_sample(NULL);
    ck_assert(cold.llvm && !cold.blas);
    long peak_kb = 0;
    for (int i = 0; i < RUNS; i++) {
        warm[i] = start_sample("/nonexistent");
        ck_assert(!warm[i].llvm && !warm[i].blas);
        if (warm[i].peak_kb > peak_kb) peak_kb = warm[i].peak_kb;
    }
    qsort(warm, RUNS, sizeof *warm, by_ms);
    printf("moons, from main to the end of the first step: cold %.1f ms, %.1f MB; warm %.2f ms, %.1f MB\n", cold.ms,
           (double)cold.peak_kb / 1024, warm[RUNS / 2].ms, (double)peak_kb / 1024);
    /* The best run: the others tell what else the machine has to do. */
    ck_assert_msg(SUPPORT_SANITIZED || warm[0].ms < 3, "%.2f ms", warm[0].ms);
    ck_assert_msg(SUPPORT_SANITIZED || peak_kb < 25 << 10, "%ld KiB", peak_kb);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("warm start");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, warm_process_needs_no_compiler);
    tcase_add_test(t, another_processor_has_kernels_of_its_own);
    tcase_add_test(t, planning_takes_less_than_a_millisecond);
    tcase_add_test(t, recompiling_gives_the_same_object);
    tcase_add_test(t, sample_starts_at_once_when_warm);
    tcase_add_test(t, sample_gives_the_same_without_compiler);
    suite_add_tcase(s, t);
    return s;
}

int main(void) { return support_main(suite()); }
