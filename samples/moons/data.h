/* The data of the sample: two half-moons that reach into each other. */
#ifndef MOONS_DATA_H
#define MOONS_DATA_H

#include <stdint.h>

#include <sinter/sinter.h>

/* Fills X, [N, 2], and y, i64[N], with N points: even ones lie on the upper moon (class 0), odd ones on the lower
 * (class 1), each with Gaussian noise of the given deviation in both directions. The same seed gives the same points.
 */
void moons_points(uint64_t seed, double noise, sn_tensor *X, sn_tensor *y);

/* Fills weights, [fan_in, fan_out], with normal numbers divided by sqrt(fan_in). layer picks numbers of its own. */
void moons_weights(uint64_t seed, uint64_t layer, sn_tensor *weights);

#endif
