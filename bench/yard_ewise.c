/* Element-wise loops, as one writes them for a vectorising compiler. */
#include "yard.h"

#include <math.h>
#include <string.h>

#define LOOP(name, expression)                                                                                         \
    void name(void *arg, int part, int parts) {                                                                        \
        const yard_vector *v = arg;                                                                                    \
        const float *restrict x = v->x;                                                                                \
        float *restrict out = v->out;                                                                                  \
        int64_t from, to;                                                                                              \
        yard_range(v->n, 1024, part, parts, &from, &to);                                                               \
        for (int64_t i = from; i < to; i++) out[i] = (expression);                                                     \
    }
LOOP(yard_exp, expf(x[i]))
LOOP(yard_log, logf(x[i]))
LOOP(yard_sin, sinf(x[i]))
LOOP(yard_cos, cosf(x[i]))
LOOP(yard_tanh, tanhf(x[i]))
LOOP(yard_erf, erff(x[i]))
LOOP(yard_sigmoid, 1 / (1 + expf(-x[i])))

void yard_chain(void *arg, int part, int parts) {
    const yard_vector *v = arg;
    const float *restrict x = v->x, *restrict y = v->y, *restrict z = v->z;
    float *restrict out = v->out;
    int64_t from, to;
    yard_range(v->n, 1024, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float a = x[i] * y[i] + z[i];
        float b = fmaxf(a - x[i], y[i]) * z[i];
        out[i] = fabsf(b - 0.5f) * a;
    }
}

void yard_copy(void *arg, int part, int parts) {
    const yard_vector *v = arg;
    int64_t from, to;
    yard_range(v->n, 1024, part, parts, &from, &to);
    if (to > from) memcpy(v->out + from, v->x + from, (size_t)(to - from) * sizeof *v->out);
}

enum { BLOCK = 16 };

/* A whole block, through a copy of it, which the compiler keeps in registers or next to them. */
static void transpose_block(const float *restrict x, int64_t columns, float *restrict out, int64_t rows) {
    float block[BLOCK][BLOCK];
    for (int i = 0; i < BLOCK; i++)
        for (int j = 0; j < BLOCK; j++) block[i][j] = x[i * columns + j];
    for (int j = 0; j < BLOCK; j++)
        for (int i = 0; i < BLOCK; i++) out[j * rows + i] = block[i][j];
}

void yard_transpose(void *arg, int part, int parts) {
    const yard_vector *v = arg;
    int64_t size = v->rows * v->columns, bands = (v->columns + BLOCK - 1) / BLOCK, from, to;
    yard_range(v->n / size * bands, 1, part, parts, &from, &to);
    for (int64_t band = from; band < to; band++) { /* rows of the result */
        const float *x = v->x + band / bands * size;
        float *out = v->out + band / bands * size;
        int64_t j = band % bands * BLOCK, last = j + BLOCK < v->columns ? j + BLOCK : v->columns;
        for (int64_t i = 0; i < v->rows; i += BLOCK) {
            if (i + BLOCK <= v->rows && last == j + BLOCK) {
                transpose_block(x + i * v->columns + j, v->columns, out + j * v->rows + i, v->rows);
                continue;
            }
            for (int64_t a = j; a < last; a++)
                for (int64_t b = i; b < i + BLOCK && b < v->rows; b++) out[a * v->rows + b] = x[b * v->columns + a];
        }
    }
}

void yard_parabola(const float *x, float *y, float *dy) {
    *y = *x * *x + 5 * *x + 2;
    *dy = 2 * *x + 5;
}
