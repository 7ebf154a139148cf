/* Timing. A sample is as many steps as take SAMPLE_SECONDS; samples of ours and of the yardstick alternate, so that a
 * change of the machine's speed meets both. Before, each runs until WARM_SECONDS are over, and their results are
 * compared. */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SAMPLES = 2000, MIN_SAMPLES = 7 };
static const double SAMPLE_SECONDS = 0.002, WARM_SECONDS = 0.1;

double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    void (*step)(void *state);
    double (*timed)(void *state);
    void *state;
    int64_t reps;
} subject;

static double sample(const subject *s) {
    if (s->timed) return s->timed(s->state);
    double start = bench_now();
    for (int64_t i = 0; i < s->reps; i++) s->step(s->state);
    return (bench_now() - start) / (double)s->reps;
}

/* Warms up, and finds how many steps a sample needs. */
static void calibrate(subject *s) {
    s->reps = 1;
    if (s->timed) return;
    double end = bench_now() + WARM_SECONDS, least = 1e9;
    do {
        double t = sample(s);
        if (t < least) least = t;
        if (least * (double)s->reps < SAMPLE_SECONDS / 4) s->reps *= 2;
    } while (bench_now() < end);
    double reps = SAMPLE_SECONDS / least;
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
    subject ours = {run->ours, run->ours_timed, run->state, 1}, yard = {run->yard, run->yard_timed, run->state, 1};
    calibrate(&ours);
    calibrate(&yard);
    double end = bench_now() + seconds;
    int n = 0;
    while (n < MAX_SAMPLES && (n < MIN_SAMPLES || bench_now() < end)) {
        times[0][n] = sample(&ours);
        times[1][n++] = sample(&yard);
    }
    r->samples = n;
    r->ours = stats_of(times[0], n, ours.reps);
    r->yard = stats_of(times[1], n, yard.reps);
    judge(r);
}

void bench_measure_case(const bench_case *c, int threads, double seconds, bench_result *out) {
    *out = (bench_result){.c = c, .threads = threads};
    bench_run *run = malloc(sizeof *run);
    double(*times)[MAX_SAMPLES] = malloc(2 * sizeof *times);
    if (!run || !times) {
        snprintf(out->failure, sizeof out->failure, "no memory");
    } else {
        if (!bench_begin(run, c, threads) || setjmp(run->failed)) {
            snprintf(out->failure, sizeof out->failure, "%s", run->message);
        } else {
            out->bytes = run->bytes;
            if (run->error) {
                run->ours(run->state);
                run->yard(run->state);
                out->error = run->error(run->state);
                if (!(out->error <= c->tolerance))
                    bench_fail(run, "results differ from the yardstick's by %.3g (at most %.3g)", out->error,
                               c->tolerance);
            }
            time_both(run, seconds, times, out);
        }
        bench_end(run);
    }
    free(run);
    free(times);
}
