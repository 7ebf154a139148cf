/* Random numbers that depend on (seed, stream, position) alone, so that a run can be repeated anywhere. */
#ifndef SAMPLES_RANDOM_H
#define SAMPLES_RANDOM_H

#include <stdint.h>

typedef struct random_stream {
    uint64_t key;
    uint64_t position; /* draws so far */
} random_stream;

/* The numbered stream of a seed. Streams of one seed are unrelated to each other. */
random_stream random_open(uint64_t seed, uint64_t stream);
uint64_t random_bits(random_stream *r);
/* Uniform in the open interval (0, 1). */
double random_uniform(random_stream *r);
/* Normal with mean 0 and deviation 1. */
double random_normal(random_stream *r);

#endif
