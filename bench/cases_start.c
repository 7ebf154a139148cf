/* What is not throughput: the cost of a call that computes next to nothing, and the time until the first step of a
 * training is done, in a process of its own that has compiled nothing before. */
#define _GNU_SOURCE
#include "bench.h"
#include "moons.h"
#include "yard.h"

#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- scalar ------------------------------------------------------------------------------------------------------ */

typedef struct {
    bench_run *run;
    float x[2], y[2], dy[2]; /* ours, the yardstick's */
    volatile float sum;      /* results are read */
} scalar;

static void scalar_ours(void *arg) {
    scalar *s = arg;
    s->x[0] += 0.001f;
    bench_call(s->run);
    s->sum = s->y[0] + s->dy[0];
}

static void scalar_yard(void *arg) {
    scalar *s = arg;
    s->x[1] += 0.001f;
    yard_parabola(&s->x[1], &s->y[1], &s->dy[1]);
    s->sum = s->y[1] + s->dy[1];
}

static double scalar_error(void *arg) {
    const scalar *s = arg;
    return fmax(bench_difference(&s->y[0], &s->y[1], 1, 1), bench_difference(&s->dy[0], &s->dy[1], 1, 1));
}

static void setup_scalar(bench_run *run, const bench_case *c) {
    scalar *s = run->state = bench_alloc(run, sizeof *s);
    *s = (scalar){.run = run};
    sn_graph *g = bench_graph(run);
    sn_expr x = sn_input(g, "x", c->dtype, SN_SCALAR), out[2];
    out[0] = sn_add(sn_add(sn_square(x), sn_mul(sn_const(g, 5), x)), sn_const(g, 2));
    if (sn_grad(out[0], &x, 1, &out[1])) bench_fail(run, "%s", sn_graph_error(g));
    bench_compile(run, &x, 1, out, 2, NULL, 0);
    sn_tensor at_x = sn_tensor_of(c->dtype, &s->x[0], 0, NULL), y = sn_tensor_of(c->dtype, &s->y[0], 0, NULL);
    sn_tensor dy = sn_tensor_of(c->dtype, &s->dy[0], 0, NULL);
    bench_bind_in(run, 0, &at_x);
    bench_bind_out(run, 0, &y);
    bench_bind_out(run, 1, &dy);
    run->ours = scalar_ours;
    run->yard = scalar_yard;
    run->error = scalar_error;
}

/* ---- cold start -------------------------------------------------------------------------------------------------- */

/* In the child: seconds from sn_function_new to the end of the first step. */
static void child_setup(bench_run *run, const bench_case *c) {
    (void)c;
    int64_t n = 5000, h = YARD_MOONS_HIDDEN, *y = bench_alloc(run, (size_t)n * sizeof *y);
    float *x = bench_floats(run, 2 * n), rate = 0.01f;
    for (int64_t i = 0; i < n; i++) {
        double at[2];
        bench_moons_points(i, at, &y[i]);
        x[2 * i] = (float)at[0];
        x[2 * i + 1] = (float)at[1];
    }
    sn_var *var[4];
    double start = bench_now(); /* the graph's few microseconds are in it */
    bench_moons_build(run, h, SN_F32, var, 0, NULL);
    sn_tensor X = sn_tensor_of(SN_F32, x, 2, (int64_t[]){n, 2}), Y = sn_tensor_of(SN_I64, y, 1, &n);
    sn_tensor at_rate = sn_tensor_of(SN_F32, &rate, 0, NULL);
    bench_bind_in(run, 0, &X);
    bench_bind_in(run, 1, &Y);
    bench_bind_in(run, 2, &at_rate);
    bench_call(run);
    printf("%.9f\n", bench_now() - start);
}

/* The yardstick's child: loads the code generator, and with it LLVM. */
static int child_load(void) {
    Dl_info info;
    void *here = dlsym(RTLD_DEFAULT, "sn_version");
    char path[PATH_MAX] = "libsinter-llvm.so";
    const char *chosen = getenv("SINTER_LLVM");
    if (chosen)
        snprintf(path, sizeof path, "%s", chosen);
    else if (here && dladdr(here, &info) && strrchr(info.dli_fname, '/'))
        snprintf(path, sizeof path, "%.*s/libsinter-llvm.so", (int)(strrchr(info.dli_fname, '/') - info.dli_fname),
                 info.dli_fname);
    double start = bench_now();
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        fprintf(stderr, "bench: %s\n", dlerror());
    else
        printf("%.9f\n", bench_now() - start);
    return !so;
}

int bench_child(const char *what, const char *folder) {
    if (!strcmp(what, "load")) return child_load();
    if (strncmp(what, "moons-", 6) || !folder || setenv("SINTER_CACHE", "rw", 1) ||
        setenv("SINTER_CACHE_DIR", folder, 1))
        return 2;
    bench_case c = {.name = "moons", .setup = child_setup};
    bench_run *run = malloc(sizeof *run);
    if (!run) return 1;
    int good = bench_begin(run, &c, &(bench_settings){.threads = atoi(what + 6), .scale = 1});
    if (!good) fprintf(stderr, "bench: %s\n", run->message);
    bench_end(run);
    free(run);
    return !good;
}

typedef struct {
    bench_run *run;
    char folder[PATH_MAX]; /* the kernel cache of the children */
    int keep;              /* each child finds what the first one left */
} cold;

/* Removes what a child left: folders of files, two deep. */
static void empty(const char *folder, int depth) {
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_MAX];
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path) continue;
        if (!unlink(path) || depth == 0) continue;
        empty(path, depth - 1);
        rmdir(path);
    }
    if (d) closedir(d);
}

/* Starts this program again; the number it prints. */
static double child_seconds(cold *s, const char *what) {
    int ends[2], status;
    if (pipe(ends)) bench_fail(s->run, "pipe: %s", strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    char child[] = "--child", argument[32], program[] = "/proc/self/exe";
    snprintf(argument, sizeof argument, "%s", what);
    char *argv[] = {program, child, argument, s->folder, NULL};
    pid_t pid;
    int error = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    char text[64] = "";
    ssize_t n = error ? 0 : read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    if (error) bench_fail(s->run, "starting %s: %s", program, strerror(error));
    waitpid(pid, &status, 0);
    if (n <= 0 || status) bench_fail(s->run, "the child that should do %s failed", what);
    return strtod(text, NULL);
}

static double cold_ours(void *arg) {
    cold *s = arg;
    char what[32];
    snprintf(what, sizeof what, "moons-%d", s->run->threads);
    if (!s->keep) empty(s->folder, 2);
    double seconds = child_seconds(s, what);
    if (!s->keep) empty(s->folder, 2);
    return seconds;
}

static double cold_yard(void *arg) { return child_seconds(arg, "load"); }

static void leave(void *arg) {
    cold *s = arg;
    empty(s->folder, 2);
    rmdir(s->folder);
}

enum { COLD, WARM };

static void setup_cold(bench_run *run, const bench_case *c) {
    cold *s = run->state = bench_alloc(run, sizeof *s);
    s->run = run;
    s->keep = c->variant == WARM;
    const char *temporary = getenv("TMPDIR");
    snprintf(s->folder, sizeof s->folder, "%s/sinter-bench-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(s->folder)) bench_fail(run, "%s: %s", s->folder, strerror(errno));
    run->leave = leave;
    cold_ours(s); /* the page cache is warm from here on */
    run->ours_timed = cold_ours;
    run->yard_timed = cold_yard;
}

static const bench_case cases[] = {
    {.name = "scalar",
     .what = "x^2 + 5x + 2 and its derivative through sn_call_run, each time another x",
     .yardstick = "a C function",
     .measure = BENCH_SECONDS,
     .limit = 200e-9,
     .tolerance = 1e-5,
     .setup = setup_scalar,
     .dtype = SN_F32,
     .one_count = 1},
    {.name = "cold",
     .what = "moons-large in a new process with an empty cache: from the graph to the end of the first step",
     .yardstick = "loading libsinter-llvm.so and LLVM",
     .measure = BENCH_SECONDS,
     .limit = 60e-3,
     .setup = setup_cold,
     .dtype = SN_F32,
     .variant = COLD,
     .one_count = 1},
    {.name = "warm",
     .what = "the same in a new process that finds the kernels of an earlier one in the cache",
     .yardstick = "loading libsinter-llvm.so and LLVM, which it need not do",
     .measure = BENCH_SECONDS,
     .setup = setup_cold,
     .dtype = SN_F32,
     .variant = WARM,
     .one_count = 1},
};
const bench_list bench_start = {cases, sizeof cases / sizeof *cases};
