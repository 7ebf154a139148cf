/* yard.h: the yardsticks, plain C by hand, compiled with -O3 -march=native -ffast-math in files of their own.
 *
 * A body is for team_run: it does its part of the work. Loops are left to the compiler's vectoriser; maths functions in
 * them become libmvec's. */
#ifndef BENCH_YARD_H
#define BENCH_YARD_H

#include <stdint.h>

#include "team.h"

enum { YARD_MOONS_HIDDEN = 1000, YARD_PIXELS = 784, YARD_DIGITS = 10, YARD_MAX_PARTS = 64 };

/* [from, to) of n for a part, in multiples of step but for the end. */
static inline void yard_range(int64_t n, int64_t step, int part, int parts, int64_t *from, int64_t *to) {
    int64_t blocks = (n + step - 1) / step;
    *from = blocks * part / parts * step;
    *to = blocks * (part + 1) / parts * step;
    if (*to > n) *to = n;
}

/* ---- yard_moons.c: networks 2-h-2, tanh, softmax, cross-entropy, L2 term; one full-batch step -------------------- */

typedef struct {
    float w1[2][YARD_MOONS_HIDDEN], b1[YARD_MOONS_HIDDEN], w2[2][YARD_MOONS_HIDDEN]; /* w2: [class][hidden] */
    float b2[16];
} yard_moons_weights;

typedef struct {
    team *team;
    int64_t n;
    const float *x;   /* [n, 2] */
    const int64_t *y; /* [n] */
    float *a;         /* [n, YARD_MOONS_HIDDEN]: activations */
    float rate, l2;   /* the loss has l2 / 2 / n of the sum of squared weights */
    yard_moons_weights *weights;
    yard_moons_weights *gradient; /* one per part */
} yard_moons;
void yard_moons_large(void *arg, int part, int parts);

/* Three hidden units; one thread. Layouts as a program has them: w1 [2, 3], w2 [3, 2]. */
typedef struct {
    int64_t n;
    const float *x;
    const int64_t *y;
    float rate, l2, w1[6], b1[3], w2[6], b2[2];
} yard_moons_f32;
typedef struct {
    int64_t n;
    const double *x;
    const int64_t *y;
    double rate, l2, w1[6], b1[3], w2[6], b2[2];
} yard_moons_f64;
void yard_moons_small_f32(yard_moons_f32 *m);
void yard_moons_small_f64(yard_moons_f64 *m);

/* ---- yard_mnist.c ------------------------------------------------------------------------------------------------ */

/* 784-h-10, sigmoids, squared error, one example a step, SGD. w1 [h, 784], w2 [10, h]. */
typedef struct {
    team *team;
    int64_t hidden;
    const float *x; /* the example */
    int64_t label;
    float rate;
    float *w1, *w2, *h, *e; /* h, e: [hidden] */
    float out[YARD_MAX_PARTS][16];
} yard_digit;
void yard_digit_step(void *arg, int part, int parts);

/* The passes of a network 784-h-10 with relu, softmax cross-entropy and Adam that are no matrix product. The caller
 * runs the products between them. All [rows, columns], row-major. */
typedef struct {
    int64_t batch, hidden;
    const int64_t *label;
    float *h;  /* [batch, hidden]: x w1, then relu(x w1 + b1), afterwards the gradient where relu lets it through */
    float *dh; /* [batch, hidden] */
    float *z;  /* [batch, 10]: h w2, then the gradient */
    const float *b1, *b2;
    float *gb1, *gb2; /* one per part: [hidden], [16] */
} yard_batch;
void yard_batch_hidden(void *arg, int part, int parts);   /* h = relu(h + b1) */
void yard_batch_output(void *arg, int part, int parts);   /* z = (softmax(z + b2) - one hot) / batch; gb2 */
void yard_batch_backward(void *arg, int part, int parts); /* dh where h > 0, else 0; gb1 */

typedef struct {
    int64_t n;
    float *w, *m, *v;
    const float *g[YARD_MAX_PARTS]; /* added up */
    int n_g;
    float rate; /* with the correction for the first steps */
} yard_adam;
void yard_adam_step(void *arg, int part, int parts);

/* ---- yard_few.c -------------------------------------------------------------------------------------------------- */

enum { YARD_FEW = 8 };
/* 784-h-10, relu, softmax cross-entropy, SGD, a few examples a step. w1 [784, h], w2 [h, 10]. */
typedef struct {
    team *team;
    int64_t batch, hidden; /* batch: at most YARD_FEW */
    const float *x;        /* [batch, 784] */
    const int64_t *label;
    float rate;
    float *w1, *b1, *w2, *b2, *h, *e; /* h, e: [batch, hidden] */
    float out[YARD_MAX_PARTS][YARD_FEW][16];
} yard_few;
void yard_few_step(void *arg, int part, int parts);

/* ---- yard_ewise.c ------------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t n;
    const float *x, *y, *z;
    float *out;
    int64_t rows, columns; /* of matrices one after the other, where it matters */
} yard_vector;
void yard_chain(void *arg, int part, int parts); /* eight operations */
typedef struct {
    int64_t n;
    const uint16_t *x, *y, *z; /* f16 or bf16 */
    uint16_t *out;
} yard_halves;
void yard_chain_f16(void *arg, int part, int parts); /* the same, computed as floats */
void yard_chain_bf16(void *arg, int part, int parts);
void yard_exp(void *arg, int part, int parts);
void yard_log(void *arg, int part, int parts);
void yard_sin(void *arg, int part, int parts);
void yard_cos(void *arg, int part, int parts);
void yard_tanh(void *arg, int part, int parts);
void yard_erf(void *arg, int part, int parts);
void yard_sigmoid(void *arg, int part, int parts);
void yard_copy(void *arg, int part, int parts);      /* out = x, memcpy */
void yard_transpose(void *arg, int part, int parts); /* each matrix, block by block */

/* y = x^2 + 5x + 2 and dy/dx. */
void yard_parabola(const float *x, float *y, float *dy);

/* ---- yard_rows.c ------------------------------------------------------------------------------------------------- */

typedef struct {
    team *team;
    int64_t rows, columns;
    const float *x;
    float *out, *out2;
    struct {
        _Alignas(64) float value;
        int64_t index;
    } part[YARD_MAX_PARTS];
    float *part_columns; /* [parts, columns] */
    int64_t index;
} yard_matrix;
void yard_softmax(void *arg, int part, int parts);
void yard_layer_norm(void *arg, int part, int parts); /* out: means of rows, out2: variances */
void yard_sum(void *arg, int part, int parts);        /* of rows * columns elements, to out[0] */
void yard_max(void *arg, int part, int parts);
void yard_argmax(void *arg, int part, int parts); /* to index */
void yard_column_sums(void *arg, int part, int parts);

#endif
