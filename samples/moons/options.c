/* In: argv. Out: options within their ranges, or a sentence. One table holds every option with its help. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../common/arguments.h"

enum { POINTS_MAX = 10000000, HIDDEN_MAX = 1000000, PASSES_MAX = 1000000000 };

/* getopt's value, name, argument's name or "", help. */
#define OPTION_MAP(X)                                                                                                  \
    X('n', "points", "N", "points of the two moons together (default 200)")                                            \
    X('H', "hidden", "N", "units of the hidden layer (default 3)")                                                     \
    X('p', "passes", "N", "gradient descent steps over all points (default 20000)")                                    \
    X('l', "lr", "RATE", "learning rate (default 0.01)")                                                               \
    X('r', "reg", "LAMBDA", "strength of the penalty on large weights (default 0.01)")                                 \
    X('t', "dtype", "TYPE", "f32 or f64 (default f32)")                                                                \
    X('v', "device", "NAME", "cpu or gpu (default: SINTER_BACKEND, else cpu)")                                         \
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
    const arguments me = {"moons"};
    bool good = true;
    static const char *const device_name[] = {"cpu", "gpu", NULL};
    int value, which = 0;
    while (good && (value = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        switch (value) {
            case 'n': good = arguments_integer(me, "points", optarg, 1, POINTS_MAX, &o->points); break;
            case 'H': good = arguments_integer(me, "hidden", optarg, 1, HIDDEN_MAX, &o->hidden); break;
            case 'p': good = arguments_integer(me, "passes", optarg, 0, PASSES_MAX, &o->passes); break;
            case 'l': good = arguments_number(me, "lr", optarg, &o->learning_rate); break;
            case 'r': good = arguments_number(me, "reg", optarg, &o->regularisation); break;
            case 't': good = arguments_float_type(me, "dtype", optarg, &o->dtype); break;
            case 'v':
                good = arguments_choice(me, "device", optarg, device_name, &which);
                if (good) o->device = device_name[which];
                break;
            case 's': good = arguments_seed(me, "seed", optarg, &o->seed); break;
            case 'P': good = arguments_path(me, "plot", optarg, &o->plot); break;
            case 'D': good = arguments_path(me, "dot", optarg, &o->dot); break;
            case 'd': good = arguments_path(me, "dump", optarg, &o->dump); break;
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
