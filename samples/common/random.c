/* A counter-based generator: draw i of a stream is the output function of SplitMix64 (Steele, Lea and Flood, 2014) at
 * key + (i + 1) * gamma, which is SplitMix64 itself, started at the key. Normal numbers are Box and Muller's. */
#include "random.h"

#include <math.h>

static const uint64_t gamma64 = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio */

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

random_stream random_open(uint64_t seed, uint64_t stream) {
    return (random_stream){.key = mix(mix(seed + gamma64) + (stream + 1) * gamma64)};
}

uint64_t random_bits(random_stream *r) { return mix(r->key + ++r->position * gamma64); }

/* 52 bits and a half: with 53 the sum below could round to 1. */
double random_uniform(random_stream *r) { return ((double)(random_bits(r) >> 12) + 0.5) * 0x1p-52; }

/* Each pair of uniform numbers would give two normal ones; the second is left out, so that draw i takes the positions
 * 2i and 2i + 1 and no state is carried over. */
double random_normal(random_stream *r) {
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(random_uniform(r)));
    return radius * cos(two_pi * random_uniform(r));
}
