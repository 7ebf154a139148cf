/* In: a seed. Out: the points of two half circles of radius 1, spaced evenly along each, with noise; and weights to
 * start from. Points draw from stream 0 of the seed and layers from streams of their own, so neither depends on how
 * many numbers the other takes. */
#include "data.h"

#include <math.h>

#include "../common/array.h"
#include "../common/random.h"

void moons_points(uint64_t seed, double noise, sn_tensor *X, sn_tensor *y) {
    const double pi = 3.141592653589793;
    random_stream r = random_open(seed, 0);
    int64_t n = y->size[0];
    for (int64_t i = 0; i < n; i++) {
        int64_t lower = i % 2;
        int64_t on_moon = lower ? n / 2 : n - n / 2;
        double angle = on_moon > 1 ? pi * (double)(i / 2) / (double)(on_moon - 1) : 0;
        double x0 = lower ? 1 - cos(angle) : cos(angle);
        double x1 = lower ? 0.5 - sin(angle) : sin(angle);
        array_put(X, 2 * i, x0 + noise * random_normal(&r));
        array_put(X, 2 * i + 1, x1 + noise * random_normal(&r));
        array_put(y, i, (double)lower);
    }
}

void moons_weights(uint64_t seed, uint64_t layer, sn_tensor *weights) {
    random_stream r = random_open(seed, 1 + layer);
    double scale = 1 / sqrt((double)weights->size[0]);
    for (int64_t i = 0; i < array_count(weights); i++) array_put(weights, i, scale * random_normal(&r));
}
