/* bench: Sinter next to C written by hand, case by case. `bench --help` tells the options. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const bench_list *const lists[] = {&bench_moons, &bench_mnist, &bench_few,  &bench_elementwise,
                                          &bench_rows,  &bench_folds, &bench_start};
enum { N_LISTS = sizeof lists / sizeof *lists, MAX_GLOBS = 16, MAX_COUNTS = 8, MAX_RESULTS = 512 };

typedef struct {
    const char *glob[MAX_GLOBS], *json;
    size_t n_glob;
    int threads[MAX_COUNTS];
    size_t n_threads;
    double seconds;
    int list;
    const char *show;
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

static int show(const bench_case *c, const options *o) {
    for (size_t i = 0; i < N_SHOWS; i++)
        if (!strcmp(shows[i].name, o->show))
            return bench_show_case(c, o->threads[o->n_threads - 1], shows[i].what, o->seconds);
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
        o->threads[o->n_threads++] = 1;
        if (n > 1) o->threads[o->n_threads++] = n;
    }
    return -1;
}

static int wanted(const options *o, const char *name) {
    for (size_t i = 0; i < o->n_glob; i++)
        if (!fnmatch(o->glob[i], name, 0)) return 1;
    return !o->n_glob;
}

int main(int argc, char **argv) {
    if (argc >= 3 && !strcmp(argv[1], "--child")) return bench_child(argv[2], argc > 3 ? argv[3] : NULL);
    setenv("SINTER_CACHE", "off", 0); /* what is measured is the code of this build, not what an earlier one kept */
    options o = {.seconds = 2};
    int status = read_options(argc, argv, &o);
    if (status >= 0) return status;
    bench_result *results = calloc(MAX_RESULTS, sizeof *results);
    if (!results) return 1;
    size_t n = 0;
    int failed = 0, shown = 0, quiet = o.json && !strcmp(o.json, "-");
    if (!o.list && !o.show && !quiet) bench_print_head();
    for (size_t i = 0; i < N_LISTS; i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            const bench_case *c = &lists[i]->at[k];
            if (!wanted(&o, c->name)) continue;
            if (o.list) {
                printf("%-18s %s\n%-18s   against %s\n", c->name, c->what, "", c->yardstick);
                continue;
            }
            if (o.show) {
                failed |= !show(c, &o);
                shown = 1;
                continue;
            }
            size_t first = c->one_count ? o.n_threads - 1 : 0;
            for (size_t t = first; t < o.n_threads && n < MAX_RESULTS; t++) {
                bench_measure_case(c, o.threads[t], o.seconds, &results[n]);
                failed |= *results[n].failure != 0;
                if (!quiet) bench_print_row(&results[n]);
                n++;
            }
        }
    if (!n && !shown && !o.list) {
        fprintf(stderr, "bench: no case has such a name (see --list)\n");
        failed = 1;
    }
    if (o.json && n && !bench_write_json(o.json, results, n)) {
        fprintf(stderr, "bench: %s: %s\n", o.json, strerror(errno));
        failed = 1;
    }
    free(results);
    return failed;
}
