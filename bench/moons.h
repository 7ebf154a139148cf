/* moons.h: the half-moons step, which two cases measure. */
#ifndef BENCH_MOONS_H
#define BENCH_MOONS_H

#include "bench.h"

/* Compiles the step for any number of points: inputs X, y, rate; variables W1 [2, hidden], b1, W2 [hidden, 2], b2. With
 * points: for so many, in variables data[0] and data[1], the rate a constant, and one input that counts steps. */
void bench_moons_build(bench_run *run, int64_t hidden, sn_dtype dtype, sn_var *var[4], int64_t points, sn_var *data[2]);
/* Point i and its class. */
void bench_moons_points(int64_t i, double x[2], int64_t *y);

#endif
