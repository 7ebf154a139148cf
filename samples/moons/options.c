/* In: argv. Out: options within their ranges, or a sentence. One table holds every option with its help. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS_MAX = 10000000, HIDDEN_MAX = 1000000, PASSES_MAX = 1000000000 };

/* getopt's value, name, argument's name or "", help. */
#define OPTION_MAP(X)                                                                                                  \
    X('n', "points", "N", "points of the two moons together (default 200)")                                            \
    X('H', "hidden", "N", "units of the hidden layer (default 3)")                                                     \
    X('p', "passes", "N", "gradient descent steps over all points (default 20000)")                                    \
    X('l', "lr", "RATE", "learning rate (default 0.01)")                                                               \
    X('r', "reg", "LAMBDA", "strength of the penalty on large weights (default 0.01)")                                 \
    X('t', "dtype", "TYPE", "f32 or f64 (default f32)")                                                                \
    X('s', "seed", "N", "seed of the points and of the first weights (default 0)")                                     \
    X('P', "plot", "FILE", "picture to write, or none (default moons.png)")                                            \
    X('g', "show-graph", "", "print the training step's graph, as given and optimised, and its program")               \
    X('D', "dot", "FILE", "write the training step's graph and kernels for Graphviz")                                  \
    X('f', "profile", "", "print where the training step's time went")                                                 \
    X('d', "dump", "DIR", "write points and weights, before and after, as .npy files")                                 \
    X('h', "help", "", "print this and leave")

static void print_help(void) {
    puts("Usage: moons [OPTION]...\n"
         "Trains a small network to tell two half-moons apart, and draws where it sees which.\n");
#define OPTION_HELP(value, name, argument, help) printf("  --%-11s %-7s %s\n", name, argument, help);
    OPTION_MAP(OPTION_HELP)
#undef OPTION_HELP
}

static bool read_integer(const char *name, const char *text, int64_t least, int64_t most, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most) {
        fprintf(stderr, "moons: --%s takes an integer from %" PRId64 " to %" PRId64 ", not \"%s\"\n", name, least, most,
                text);
        return false;
    }
    *out = value;
    return true;
}

static bool read_seed(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* strtoull takes "-1" for its largest value. */
    if (end == text || *end || errno || strchr(text, '-')) {
        fprintf(stderr, "moons: --seed takes an integer from 0 to %" PRIu64 ", not \"%s\"\n", UINT64_MAX, text);
        return false;
    }
    *out = value;
    return true;
}

static bool read_number(const char *name, const char *text, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < 0) {
        fprintf(stderr, "moons: --%s takes a number that is 0 or more, not \"%s\"\n", name, text);
        return false;
    }
    *out = value;
    return true;
}

static bool read_dtype(const char *text, sn_dtype *out) {
    if (!strcmp(text, "f32"))
        *out = SN_F32;
    else if (!strcmp(text, "f64"))
        *out = SN_F64;
    else {
        fprintf(stderr, "moons: --dtype takes f32 or f64, not \"%s\"\n", text);
        return false;
    }
    return true;
}

static bool read_path(const char *name, const char *text, const char **out) {
    if (!*text) {
        fprintf(stderr, "moons: --%s takes the name of a file or folder, not \"\"\n", name);
        return false;
    }
    *out = text;
    return true;
}

int moons_options_read(int argc, char **argv, moons_options *o) {
    static const struct option table[] = {
#define OPTION_ROW(value, name, argument, help) {name, sizeof argument > 1, NULL, value},
        OPTION_MAP(OPTION_ROW)
#undef OPTION_ROW
            {NULL, 0, NULL, 0}};
    *o = (moons_options){.points = 200,
                         .hidden = 3,
                         .passes = 20000,
                         .learning_rate = 0.01,
                         .regularisation = 0.01,
                         .dtype = SN_F32,
                         .plot = "moons.png"};
    bool good = true;
    int value;
    while (good && (value = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        switch (value) {
            case 'n': good = read_integer("points", optarg, 1, POINTS_MAX, &o->points); break;
            case 'H': good = read_integer("hidden", optarg, 1, HIDDEN_MAX, &o->hidden); break;
            case 'p': good = read_integer("passes", optarg, 0, PASSES_MAX, &o->passes); break;
            case 'l': good = read_number("lr", optarg, &o->learning_rate); break;
            case 'r': good = read_number("reg", optarg, &o->regularisation); break;
            case 't': good = read_dtype(optarg, &o->dtype); break;
            case 's': good = read_seed(optarg, &o->seed); break;
            case 'P': good = read_path("plot", optarg, &o->plot); break;
            case 'D': good = read_path("dot", optarg, &o->dot); break;
            case 'd': good = read_path("dump", optarg, &o->dump); break;
            case 'g': o->show_graph = true; break;
            case 'f': o->profile = true; break;
            case 'h': print_help(); return 0;
            default: good = false; /* getopt has said what is wrong */
        }
    }
    if (good && optind < argc) {
        fprintf(stderr, "moons: unexpected argument \"%s\"\n", argv[optind]);
        good = false;
    }
    if (!good) {
        fprintf(stderr, "Try moons --help.\n");
        return 2;
    }
    if (!strcmp(o->plot, "none")) o->plot = NULL;
    return -1;
}
