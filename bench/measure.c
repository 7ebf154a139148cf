/* Timing. A sample is as many steps as take SAMPLE_SECONDS; samples of ours and of the yardstick alternate, so that a
 * change of the machine's speed meets both. Before, each runs until WARM_SECONDS are over, and their results are
 * compared. On the GPU a sample ends when the device is done with all its steps; it is longer, so that waiting once
 * counts for nothing. */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SAMPLES = 2000, MIN_SAMPLES = 7 };
static const double SAMPLE_SECONDS = 0.002, SAMPLE_SECONDS_GPU = 0.03, WARM_SECONDS = 0.1;

double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    void (*step)(void *state);
    double (*timed)(void *state);
    void (*wait)(bench_run *run); /* NULL: steps are done when they return */
    bench_run *run;
    int64_t per_call, reps; /* steps of one call; calls of one sample */
} subject;

static void wait_ours(bench_run *run) {
    if (sn_context_sync(run->ctx)) bench_fail(run, "%s", sn_context_error(run->ctx));
}

static void wait_yard(bench_run *run) {
    if (!device_sync(run->device)) bench_fail(run, "%s", device_error(run->device));
}

static double sample(const subject *s) {
    if (s->timed) return s->timed(s->run->state);
    double start = bench_now();
    for (int64_t i = 0; i < s->reps; i++) s->step(s->run->state);
    if (s->wait) s->wait(s->run);
    return (bench_now() - start) / (double)(s->reps * s->per_call);
}

/* Warms up, and finds how many steps a sample needs. */
static void calibrate(subject *s) {
    s->reps = 1;
    if (s->timed) return;
    double end = bench_now() + WARM_SECONDS, least = 1e9, wanted = s->wait ? SAMPLE_SECONDS_GPU : SAMPLE_SECONDS;
    do {
        double t = sample(s) * (double)s->per_call;
        if (t < least) least = t;
        if (least * (double)s->reps < wanted / 4) s->reps *= 2;
    } while (bench_now() < end);
    double reps = wanted / least;
    s->reps = reps < 1 ? 1 : (int64_t)reps;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bench_stats stats_of(double *t, int n, int64_t reps) {
    bench_stats s = {.steps = n * reps};
    for (int i = 0; i < n; i++) s.mean += t[i] / n;
    qsort(t, (size_t)n, sizeof *t, ascending);
    s.least = t[0];
    s.median = n % 2 ? t[n / 2] : (t[n / 2 - 1] + t[n / 2]) / 2;
    return s;
}

static double ratio_of(bench_measure measure, double ours, double yard) {
    return measure == BENCH_TIME ? ours / yard : measure == BENCH_SPEED ? yard / ours : ours;
}

static void judge(bench_result *r) {
    const bench_case *c = r->c;
    r->ratio = c->by_mean ? ratio_of(c->measure, r->ours.mean, r->yard.mean)
                          : ratio_of(c->measure, r->ours.median, r->yard.median);
    r->best = ratio_of(c->measure, r->ours.least, r->yard.least);
    r->met = c->measure == BENCH_SPEED ? r->ratio >= c->limit : r->ratio <= c->limit;
}

static void time_both(bench_run *run, double seconds, double (*times)[MAX_SAMPLES], bench_result *r) {
    int64_t steps = run->steps ? run->steps : 1;
    subject ours = {run->ours, run->ours_timed, run->device ? wait_ours : NULL, run, steps, 1};
    subject yard = {run->yard, run->yard_timed, run->device ? wait_yard : NULL, run, 1, 1};
    int compared = run->yard || run->yard_timed;
    calibrate(&ours);
    if (compared) calibrate(&yard);
    double end = bench_now() + seconds;
    int n = 0;
    while (n < MAX_SAMPLES && (n < MIN_SAMPLES || bench_now() < end)) {
        times[0][n] = sample(&ours);
        if (compared) times[1][n] = sample(&yard);
        n++;
    }
    r->samples = n;
    r->ours = stats_of(times[0], n, ours.reps * steps);
    if (compared) r->yard = stats_of(times[1], n, yard.reps);
    judge(r);
}

void bench_measure_case(const bench_case *c, const bench_settings *how, double seconds, bench_result *out) {
    *out = (bench_result){.c = c, .threads = how->threads};
    bench_run *run = malloc(sizeof *run);
    double(*times)[MAX_SAMPLES] = malloc(2 * sizeof *times);
    if (!run || !times) {
        snprintf(out->failure, sizeof out->failure, "no memory");
    } else {
        if (!bench_begin(run, c, how) || setjmp(run->failed)) {
            snprintf(out->failure, sizeof out->failure, "%s", run->message);
        } else {
            out->bytes = run->bytes;
            if (run->error) {
                if (run->yard) {
                    run->ours(run->state);
                    run->yard(run->state);
                }
                out->error = run->error(run->state);
                if (!(out->error <= c->tolerance))
                    bench_fail(run, "results differ from the yardstick's by %.3g (at most %.3g)", out->error,
                               c->tolerance);
            }
            memcpy(out->note, run->note, sizeof out->note);
            out->smaller = run->smaller;
            out->size = run->size;
            time_both(run, seconds, times, out);
        }
        bench_end(run);
    }
    free(run);
    free(times);
}
