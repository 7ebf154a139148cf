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
LOOP(yard_tanh, tanhf(x[i]))
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

void yard_parabola(const float *x, float *y, float *dy) {
    *y = *x * *x + 5 * *x + 2;
    *dy = 2 * *x + 5;
}
