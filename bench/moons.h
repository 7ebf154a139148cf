/* moons.h: the half-moons step, which two cases measure. */
#ifndef BENCH_MOONS_H
#define BENCH_MOONS_H

#include "bench.h"

/* Compiles the step for any number of points: inputs X, y, rate; variables W1 [2, hidden], b1, W2 [hidden, 2], b2. */
void bench_moons_build(bench_run *run, int64_t hidden, sn_dtype dtype, sn_var *var[4]);
/* Point i and its class. */
void bench_moons_points(int64_t i, double x[2], int64_t *y);

#endif
