/* In: argv. Out: options within their ranges, or a sentence. One table holds every option with its help. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../common/arguments.h"

enum { HIDDEN_MAX = 1000000, EPOCHS_MAX = 1000000, EXAMPLES_MAX = 1 << 30, THREADS_MAX = 1024 };

/* getopt's value, name, argument's name or "", help. */
#define OPTION_MAP(X)                                                                                                  \
    X('d', "data", "DIR", "folder with the four files (default SINTER_MNIST_DIR, else fetch-data's)")                  \
    X('H', "hidden", "N", "units of the hidden layer (default 200)")                                                   \
    X('e', "epochs", "N", "times through the training examples (default 5)")                                           \
    X('b', "batch", "N", "examples a step (default 1)")                                                                \
    X('r', "lr", "RATE", "learning rate (default sgd 0.1, momentum 0.01, adam 0.002)")                                 \
    X('L', "loss", "NAME", "mse: squared error after a sigmoid (default); xent: cross-entropy of softmax")             \
    X('a', "activation", "NAME", "of the hidden layer: sigmoid (default), relu or tanh")                               \
    X('o', "optimizer", "NAME", "sgd (default), momentum or adam")                                                     \
    X('B', "bias", "", "add biases to both layers")                                                                    \
    X('u', "shuffle", "yes|no", "a new order of the examples each epoch (default yes, no with one example a step)")    \
    X('c', "decay", "yes|no",                                                                                          \
      "let the learning rate fall in even steps, to lr / epochs in the last (default as shuffle)")                     \
    X('t', "dtype", "TYPE", "f32 or f64 (default f32)")                                                                \
    X('D', "device", "NAME", "cpu or gpu (default: SINTER_BACKEND, else cpu)")                                         \
    X('j', "threads", "N", "threads (default: SINTER_THREADS, else all processors)")                                   \
    X('s', "seed", "N", "seed of the first weights (default 0)")                                                       \
    X('l', "limit", "N", "only the first N training examples (default all)")                                           \
    X('S', "save", "FILE", "write the weights as safetensors")                                                         \
    X('i', "load", "FILE", "start with the weights of a safetensors file; --epochs 0 only tests them")                 \
    X('n', "show", "N", "print N test digits with their answers")                                                      \
    X('P', "plot", "FILE", "draw wrong answers, confusion and first layer; with --sweep its times")                    \
    X('w', "sweep", "", "seconds per epoch with 200 to 5000 hidden units on each device, and mnist-sweep.png")         \
    X('f', "profile", "", "print where the training step's time went")                                                 \
    X('J', "json", "", "print the results as one JSON object")                                                         \
    X('h', "help", "", "print this and leave")

static const char *const loss_name[] = {"mse", "xent", NULL};
static const char *const activation_name[] = {"sigmoid", "relu", "tanh", NULL};
static const sn_activation activation[] = {SN_ACTIVATION_SIGMOID, SN_ACTIVATION_RELU, SN_ACTIVATION_TANH};
static const char *const optimizer_name[] = {"sgd", "momentum", "adam", NULL};
static const sn_optimizer_kind optimizer[] = {SN_OPTIMIZER_SGD, SN_OPTIMIZER_MOMENTUM, SN_OPTIMIZER_ADAM};
static const double default_rate[] = {0.1, 0.01, 0.002};
static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const device_name[] = {"cpu", "gpu", NULL};

const char *mnist_loss_name(mnist_loss loss) { return loss_name[loss]; }

const char *mnist_optimizer_name(sn_optimizer_kind kind) {
    int i = 0;
    while (optimizer[i] != kind) i++;
    return optimizer_name[i];
}

static void print_help(void) {
    puts("Usage: mnist [OPTION]...\n"
         "Trains a network with one hidden layer to read handwritten digits. Without options: the classic first one,\n"
         "784-200-10, sigmoid, squared error, one example a step, and no biases.\n");
#define OPTION_HELP(value, name, argument, help) printf("  --%-10s %-6s %s\n", name, argument, help);
    OPTION_MAP(OPTION_HELP)
#undef OPTION_HELP
}

/* One option; false after a sentence. */
static bool read_option(int value, const char *text, mnist_options *o) {
    const arguments me = {"mnist"};
    int which = 0;
    int64_t number = 0;
    bool good;
    switch (value) {
        case 'd': return arguments_path(me, "data", text, &o->data);
        case 'H': return arguments_integer(me, "hidden", text, 1, HIDDEN_MAX, &o->hidden);
        case 'e': return arguments_integer(me, "epochs", text, 0, EPOCHS_MAX, &o->epochs);
        case 'b': return arguments_integer(me, "batch", text, 1, EXAMPLES_MAX, &o->batch);
        case 'r': return arguments_number(me, "lr", text, &o->learning_rate);
        case 'L':
            good = arguments_choice(me, "loss", text, loss_name, &which);
            if (good) o->loss = (mnist_loss)which;
            return good;
        case 'a':
            good = arguments_choice(me, "activation", text, activation_name, &which);
            if (good) o->activation = activation[which];
            return good;
        case 'o':
            good = arguments_choice(me, "optimizer", text, optimizer_name, &which);
            if (good) o->optimizer = optimizer[which];
            return good;
        case 'B': o->bias = true; return true;
        case 'u': return arguments_choice(me, "shuffle", text, no_yes, &o->shuffle);
        case 'c': return arguments_choice(me, "decay", text, no_yes, &o->decay);
        case 't': return arguments_float_type(me, "dtype", text, &o->dtype);
        case 'D':
            good = arguments_choice(me, "device", text, device_name, &which);
            if (good) o->device = device_name[which];
            return good;
        case 'j':
            good = arguments_integer(me, "threads", text, 1, THREADS_MAX, &number);
            if (good) o->threads = (int32_t)number;
            return good;
        case 's': return arguments_seed(me, "seed", text, &o->seed);
        case 'l': return arguments_integer(me, "limit", text, 1, EXAMPLES_MAX, &o->limit);
        case 'S': return arguments_path(me, "save", text, &o->save);
        case 'i': return arguments_path(me, "load", text, &o->load);
        case 'n': return arguments_integer(me, "show", text, 0, EXAMPLES_MAX, &o->show);
        case 'P': return arguments_path(me, "plot", text, &o->plot);
        case 'w': o->sweep = true; return true;
        case 'f': o->profile = true; return true;
        case 'J': o->json = true; return true;
        default: return false; /* getopt has said what is wrong */
    }
}

int mnist_options_read(int argc, char **argv, mnist_options *o) {
    static const struct option table[] = {
#define OPTION_ROW(value, name, argument, help) {name, sizeof argument > 1, NULL, value},
        OPTION_MAP(OPTION_ROW)
#undef OPTION_ROW
            {NULL, 0, NULL, 0}};
    *o = (mnist_options){.hidden = 200,
                         .epochs = 5,
                         .batch = 1,
                         .shuffle = -1,
                         .decay = -1,
                         .learning_rate = -1,
                         .loss = MNIST_SQUARED,
                         .activation = SN_ACTIVATION_SIGMOID,
                         .optimizer = SN_OPTIMIZER_SGD,
                         .dtype = SN_F32};
    bool good = true;
    int value;
    while (good && (value = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        if (value == 'h') {
            print_help();
            return 0;
        }
        good = read_option(value, optarg, o);
    }
    if (good && optind < argc) {
        fprintf(stderr, "mnist: unexpected argument \"%s\"\n", argv[optind]);
        good = false;
    }
    if (!good) {
        fprintf(stderr, "Try mnist --help.\n");
        return 2;
    }
    for (int i = 0; o->learning_rate < 0; i++)
        if (optimizer[i] == o->optimizer) o->learning_rate = default_rate[i];
    if (o->shuffle < 0) o->shuffle = o->batch > 1;
    if (o->decay < 0) o->decay = o->batch > 1;
    if (o->sweep && !o->plot) o->plot = "mnist-sweep.png";
    if (o->plot && !strcmp(o->plot, "none")) o->plot = NULL;
    return -1;
}
