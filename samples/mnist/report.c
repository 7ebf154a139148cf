/* In: events of a run. Out: text for people, or JSON for programs, never both; pictures and files at the end. */
#define _POSIX_C_SOURCE 200809L
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/array.h"
#include "../common/canvas.h"
#include "../common/progress.h"
#include "picture.h"
#include "show.h"

report_time report_now(void) {
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (report_time){clock_seconds(), (double)cpu.tv_sec + 1e-9 * (double)cpu.tv_nsec};
}

static bool no_memory(const char *what) {
    fprintf(stderr, "mnist: not enough memory for %s\n", what);
    return false;
}

static const char *s_of(int64_t n) { return n == 1 ? "" : "s"; }

static double accuracy(const report *r) { return 100 * (double)r->right / (double)r->data->test.n; }

bool report_open(report *r, const mnist_options *options, const mnist_data *data, report_time start) {
    *r = (report){.options = options, .data = data, .start = start};
    r->answer = malloc((size_t)data->test.n);
    r->epoch = malloc((size_t)(options->epochs + 1) * sizeof *r->epoch);
    if (!r->answer || !r->epoch) return no_memory("the answers");
    if (options->plot && !canvas_writable(options->plot)) return false;
    if (!options->json)
        printf("%s: %" PRId64 " pictures for training and %" PRId64 " for the test\n", data->name, data->train.n,
               data->test.n);
    return true;
}

static bool save(const report *r, const network *net) {
    return !r->options->save || network_good(sn_params_save(net->params, r->options->save), "saving the weights",
                                             sn_context_error(net->ctx));
}

bool report_start(report *r, const network *net) {
    const mnist_options *o = r->options;
    if (!save(r, net)) return false; /* the first weights: a folder that is not there is not found out in an hour */
    if (o->json) return true;
    printf("784-%" PRId64 "-10%s, %s, %s, %s at %g%s, %" PRId64 " example%s a step%s, %s, seed %" PRIu64
           ", backend %s\n",
           o->hidden, o->bias ? " with biases" : "", sn_activation_name(o->activation), mnist_loss_name(o->loss),
           mnist_optimizer_name(o->optimizer), o->learning_rate, o->decay ? " falling" : "", o->batch, s_of(o->batch),
           o->shuffle ? " in random order" : "", sn_dtype_name(o->dtype), o->seed, sn_context_backend(net->ctx));
    sn_function_stats stats = {0};
    if (!network_good(sn_function_get_stats(net->step, &stats), "asking", sn_function_error(net->step))) return false;
    printf("a step is %u kernel%s and %u matrix product%s, compiled in %.0f ms\n\n", stats.n_kernels,
           s_of(stats.n_kernels), stats.n_matmuls, s_of(stats.n_matmuls), stats.compile_ms);
    fflush(stdout);
    return true;
}

void report_training(report *r) {
    r->before = r->training;
    r->mark = report_now();
}

void report_trained(report *r) {
    report_time now = report_now();
    r->training.wall += now.wall - r->mark.wall;
    r->training.cpu += now.cpu - r->mark.cpu;
}

bool report_epoch(report *r, double loss) {
    report_epoch_result *e = &r->epoch[r->n_epoch++];
    *e = (report_epoch_result){loss, accuracy(r), r->training.wall - r->before.wall};
    if (r->options->json) return true;
    printf("epoch %2" PRId64 "   loss %-10.6g  test %6.2f %%   %.2f s\n", r->n_epoch, e->loss, e->accuracy, e->seconds);
    return !fflush(stdout);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void print_times(const report *r, report_time all, int64_t steps) {
    printf("\naccuracy %.2f %%: %" PRId64 " of %" PRId64 " test pictures\n", accuracy(r), r->right, r->data->test.n);
    if (steps)
        printf("training %8.2f s %8.2f s CPU, %.2f us a step\n", r->training.wall, r->training.cpu,
               r->training.wall * 1e6 / (double)steps);
    printf("program  %8.2f s %8.2f s CPU\n", all.wall, all.cpu);
}

/* A number, or null for what JSON has no word for. */
static void json_number(const char *name, double value) {
    if (isfinite(value))
        printf("\"%s\": %.15g", name, value);
    else
        printf("\"%s\": null", name);
}

static bool print_json(const report *r, network *net, report_time all) {
    const mnist_options *o = r->options;
    sn_function_stats stats = {0};
    if (!network_good(sn_function_get_stats(net->step, &stats), "asking", sn_function_error(net->step))) return false;
    printf("{\"data\": \"%s\", \"train\": %" PRId64 ", \"test\": %" PRId64 ", \"layers\": [784, %" PRId64 ", 10],\n",
           r->data->name, net->train.n, net->test.n, o->hidden);
    printf(" \"bias\": %s, \"activation\": \"%s\", \"loss\": \"%s\", \"optimizer\": \"%s\", ",
           o->bias ? "true" : "false", sn_activation_name(o->activation), mnist_loss_name(o->loss),
           mnist_optimizer_name(o->optimizer));
    json_number("lr", o->learning_rate);
    printf(",\n \"batch\": %" PRId64 ", \"shuffle\": %s, \"decay\": %s, \"dtype\": \"%s\", \"seed\": %" PRIu64
           ", \"backend\": \"%s\",\n",
           o->batch, o->shuffle ? "true" : "false", o->decay ? "true" : "false", sn_dtype_name(o->dtype), o->seed,
           sn_context_backend(net->ctx));
    printf(" \"kernels\": %u, \"matmuls\": %u, \"compiled\": %u, ", stats.n_kernels, stats.n_matmuls, stats.n_compiled);
    json_number("compile_ms", stats.compile_ms);
    printf(",\n \"epochs\": [");
    for (int64_t i = 0; i < r->n_epoch; i++) {
        printf("%s{", i ? ",\n            " : "");
        json_number("loss", r->epoch[i].loss);
        printf(", ");
        json_number("accuracy", r->epoch[i].accuracy);
        printf(", ");
        json_number("seconds", r->epoch[i].seconds);
        printf("}");
    }
    printf("],\n \"accuracy\": %.9g, \"right\": %" PRId64 ", \"steps\": %" PRId64 ",\n", accuracy(r), r->right,
           r->n_epoch * network_steps(net));
    const double time[] = {r->training.wall, r->training.cpu, all.wall, all.cpu};
    static const char *const name[] = {"training_seconds", "training_cpu_seconds", "program_seconds",
                                       "program_cpu_seconds"};
    for (size_t i = 0; i < sizeof time / sizeof *time; i++) {
        printf("%s", i ? ", " : " ");
        json_number(name[i], time[i]);
    }
    return true;
}

/* Where the step's time went, behind what there is already. */
static bool print_profile(const report *r, network *net) {
    char *text;
    sn_show what = r->options->json ? SN_SHOW_PROFILE_JSON : SN_SHOW_PROFILE;
    if (!network_good(sn_function_show(net->step, what, &text), "showing", sn_function_error(net->step))) return false;
    printf(r->options->json ? ",\n \"profile\": %s" : "\n%s", text);
    sn_string_free(net->ctx, text);
    return true;
}

static bool draw(const report *r, network *net) {
    sn_var *var = sn_params_find(net->params, "W1");
    sn_tensor type = sn_var_type(var), weights;
    if (!array_new(type.dtype, type.rank, type.size, &weights)) return no_memory("the picture");
    char title[160];
    snprintf(title, sizeof title,
             "%s, 784-%" PRId64 "-10 after %" PRId64 " epoch%s: %.2f %% of %" PRId64 " test pictures right",
             r->data->name, r->options->hidden, r->n_epoch, s_of(r->n_epoch), accuracy(r), r->data->test.n);
    bool done = network_good(sn_var_get(var, weights.data, sn_tensor_bytes(&weights)), "reading the weights",
                             sn_context_error(net->ctx)) &&
                picture_save(r->options->plot, &r->data->test, r->data->of, r->answer, &weights, title);
    array_free(&weights);
    if (done && !r->options->json) printf("picture %s\n", r->options->plot);
    return done;
}

bool report_end(report *r, network *net) {
    const mnist_options *o = r->options;
    report_time now = report_now(), all = {now.wall - r->start.wall, now.cpu};
    if (!o->json) {
        print_times(r, all, r->n_epoch * network_steps(net));
        show_digits(&r->data->test, r->data->of, r->answer, o->show);
    } else if (!print_json(r, net, all))
        return false;
    bool done = (!o->profile || print_profile(r, net)) && save(r, net) && (!o->plot || draw(r, net));
    if (!o->json && o->save) printf("weights %s\n", o->save);
    if (o->json) printf("}\n");
    return done;
}

void report_free(report *r) {
    free(r->answer);
    free(r->epoch);
}
