/* bench: Sinter next to C written by hand, case by case. `bench --help` tells the options. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GLOBS = 16, MAX_COUNTS = 8, MAX_RESULTS = 512 };
static const bench_list *const on_cpu[] = {&bench_moons, &bench_mnist, &bench_few,   &bench_elementwise,
                                           &bench_rows,  &bench_folds, &bench_start, NULL};
static const bench_list *const on_gpu[] = {&bench_moons_gpu, &bench_mnist_gpu, &bench_memory_gpu, &bench_products_gpu,
                                           NULL};

typedef struct {
    const char *glob[MAX_GLOBS], *json, *markdown;
    size_t n_glob;
    int threads[MAX_COUNTS];
    size_t n_threads;
    double seconds, scale;
    int list, gpu;
    const char *show;
    char device[256]; /* the GPU */
} options;

/* What --show takes. */
static const struct {
    const char *name;
    sn_show what;
} shows[] = {{"graph", SN_SHOW_OPT},      {"fuse", SN_SHOW_FUSE},       {"why", SN_SHOW_WHY},
             {"kernel", SN_SHOW_KERNEL},  {"program", SN_SHOW_PROGRAM}, {"code", SN_SHOW_CODE},
             {"profile", SN_SHOW_PROFILE}};
enum { N_SHOWS = sizeof shows / sizeof *shows };

static const char *show_name(const char *name) {
    for (size_t i = 0; i < N_SHOWS; i++)
        if (!strcmp(shows[i].name, name)) return shows[i].name;
    return NULL;
}

static bench_settings settings_of(const options *o, size_t t) {
    return (bench_settings){.backend = o->gpu ? "gpu" : NULL, .threads = o->threads[t], .scale = o->scale};
}

static int show(const bench_case *c, const options *o) {
    const bench_settings how = settings_of(o, o->n_threads - 1);
    for (size_t i = 0; i < N_SHOWS; i++)
        if (!strcmp(shows[i].name, o->show)) return bench_show_case(c, &how, shows[i].what, o->seconds);
    return 0;
}

static void usage(FILE *f) {
    fprintf(
        f,
        "usage: bench [OPTIONS]\n"
        "  --list          names of the cases, what they do, what they are compared with\n"
        "  --case GLOB     only cases whose name matches (may be repeated)\n"
        "  --threads N     with N threads (may be repeated; default: 1 and all processors)\n"
        "  --seconds S     measure each case for S seconds (default 2)\n"
        "  --show WHAT     instead of measuring, print each case's graph, fuse, why, kernel, program, code or profile\n"
        "  --json FILE     results as JSON too; - is standard output, without the table\n"
        "  --markdown FILE results as a table for docs/performance.md too\n"
        "  --device gpu    the cases of the GPU, whose data lies there; one row each, for the processor is not "
        "measured\n"
        "  --scale F       on the GPU: F of each case's size (default 1); sizes that do not fit its memory shrink, "
        "too\n"
        "A row is the median and mean of ours and of the yardstick, which run in turn; ratios count, times are\n"
        "the machine's. Exit status 1 where a case could not run or its results were wrong.\n");
}

static int bad_option(const char *option, const char *value) {
    fprintf(stderr, "bench: %s%s%s: unknown, or a value is missing or out of range\n", option, value ? " " : "",
            value ? value : "");
    usage(stderr);
    return 2;
}

/* -1 to go on, else the exit status. */
static int read_options(int argc, char **argv, options *o) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--help")) {
            usage(stdout);
            return 0;
        }
        if (!strcmp(argv[i], "--list")) {
            o->list = 1;
            continue;
        }
        char *end = NULL;
        double number = value ? strtod(value, &end) : 0;
        int is_number = value && end != value && !*end;
        if (!strcmp(argv[i], "--case") && value && o->n_glob < MAX_GLOBS)
            o->glob[o->n_glob++] = value;
        else if (!strcmp(argv[i], "--show") && value && show_name(value))
            o->show = show_name(value);
        else if (!strcmp(argv[i], "--json") && value)
            o->json = value;
        else if (!strcmp(argv[i], "--markdown") && value)
            o->markdown = value;
        else if (!strcmp(argv[i], "--device") && value && (!strcmp(value, "gpu") || !strcmp(value, "cpu")))
            o->gpu = !strcmp(value, "gpu");
        else if (!strcmp(argv[i], "--scale") && is_number && number > 0 && number <= 1)
            o->scale = number;
        else if (!strcmp(argv[i], "--seconds") && is_number && number > 0)
            o->seconds = number;
        else if (!strcmp(argv[i], "--threads") && is_number && number >= 1 && number <= 256 &&
                 o->n_threads < MAX_COUNTS)
            o->threads[o->n_threads++] = (int)number;
        else
            return bad_option(argv[i], value);
        i++;
    }
    if (!o->n_threads) {
        cpu_set_t set;
        int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
        if (!o->gpu) o->threads[o->n_threads++] = 1;
        if (n > 1 || o->gpu) o->threads[o->n_threads++] = n;
    }
    return -1;
}

static int wanted(const options *o, const char *name) {
    for (size_t i = 0; i < o->n_glob; i++)
        if (!fnmatch(o->glob[i], name, 0)) return 1;
    return !o->n_glob;
}

/* Says which GPU it is; 0 where there is none. Times of the stand-in device of the tests are nobody's. */
static int find_gpu(options *o, int quiet) {
    if (sn_device_available("gpu", o->device, sizeof o->device)) {
        fprintf(stderr, "bench: %s\n", o->device);
        return 0;
    }
    int standin = !strncmp(o->device, "stand-in", 8);
    if (!quiet) printf("%s%s\n\n", o->device, standin ? ": no GPU. Code runs; times mean nothing." : "");
    if (standin && o->markdown) {
        fprintf(stderr, "bench: %s is not written: this is no GPU\n", o->markdown);
        o->markdown = NULL;
    }
    return 1;
}

static int write_files(const options *o, const bench_result *results, size_t n) {
    const char *gpu = o->gpu ? o->device : NULL, *wrong = NULL;
    if (o->json && !bench_write_json(o->json, gpu, results, n)) wrong = o->json;
    if (o->markdown && !bench_write_markdown(o->markdown, gpu, results, n)) wrong = o->markdown;
    if (wrong) fprintf(stderr, "bench: %s: %s\n", wrong, strerror(errno));
    return !wrong;
}

int main(int argc, char **argv) {
    if (argc >= 3 && !strcmp(argv[1], "--child")) return bench_child(argv[2], argc > 3 ? argv[3] : NULL);
    setenv("SINTER_CACHE", "off", 0); /* what is measured is the code of this build, not what an earlier one kept */
    options o = {.seconds = 2, .scale = 1};
    int status = read_options(argc, argv, &o);
    if (status >= 0) return status;
    bench_result *results = calloc(MAX_RESULTS, sizeof *results);
    if (!results) return 1;
    size_t n = 0;
    int failed = 0, shown = 0, quiet = o.json && !strcmp(o.json, "-");
    const bench_list *const *lists = o.gpu ? on_gpu : on_cpu;
    if (o.gpu && !o.list && !find_gpu(&o, quiet)) {
        free(results);
        return 1;
    }
    if (!o.list && !o.show && !quiet) bench_print_head();
    for (size_t i = 0; lists[i]; i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            const bench_case *c = &lists[i]->at[k];
            if (!wanted(&o, c->name)) continue;
            if (o.list) {
                printf("%-18s %s\n", c->name, c->what);
                if (c->yardstick) printf("%-18s   against %s\n", "", c->yardstick);
                continue;
            }
            if (o.show) {
                failed |= !show(c, &o);
                shown = 1;
                continue;
            }
            size_t first = c->one_count ? o.n_threads - 1 : 0;
            for (size_t t = first; t < o.n_threads && n < MAX_RESULTS; t++) {
                const bench_settings how = settings_of(&o, t);
                bench_measure_case(c, &how, o.seconds, &results[n]);
                failed |= *results[n].failure != 0;
                if (!quiet) bench_print_row(&results[n]);
                n++;
                failed |= !quiet && !write_files(&o, results, n); /* so far: whoever is stopped has these */
            }
        }
    if (!n && !shown && !o.list) {
        fprintf(stderr, "bench: no case has such a name (see --list)\n");
        failed = 1;
    }
    failed |= n && !write_files(&o, results, n);
    free(results);
    return failed;
}
