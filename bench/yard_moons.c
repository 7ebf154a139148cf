/* One step of 2-h-2 networks by hand. Large: a row of activations at a time, forward and, while it is in the cache,
 * backward; gradients per thread. Small: everything in registers, rows as vector lanes. */
#include "yard.h"

#include <math.h>
#include <string.h>

enum { H = YARD_MOONS_HIDDEN };

/* A rational approximation on [-7.9, 7.9], within about 4 ulp: a numerator of degree 13, a denominator of degree 6. */
static inline float tanh_rational(float x) {
    x = fminf(fmaxf(x, -7.9f), 7.9f);
    float s = x * x;
    float p = -2.76076847742355e-16f;
    p = p * s + 2.00018790482477e-13f;
    p = p * s - 8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    float q = 1.19825839466702e-06f;
    q = q * s + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return x * p / q;
}

static void row_step(const yard_moons *m, const yard_moons_weights *w, yard_moons_weights *g, int64_t i) {
    float *restrict a = __builtin_assume_aligned(m->a + i * 1024, 64);
    float x0 = m->x[2 * i], x1 = m->x[2 * i + 1], s0 = w->b2[0], s1 = w->b2[1];
    for (int j = 0; j < H; j++) {
        float t = tanh_rational(x0 * w->w1[0][j] + x1 * w->w1[1][j] + w->b1[j]);
        a[j] = t;
        s0 += t * w->w2[0][j];
        s1 += t * w->w2[1][j];
    }
    float p0 = 1 / (1 + expf(s1 - s0));
    float d0 = (p0 - (float)(m->y[i] == 0)) / (float)m->n, d1 = -d0;
    g->b2[0] += d0;
    g->b2[1] += d1;
    for (int j = 0; j < H; j++) {
        float t = a[j];
        g->w2[0][j] += t * d0;
        g->w2[1][j] += t * d1;
        float d = (d0 * w->w2[0][j] + d1 * w->w2[1][j]) * (1 - t * t);
        g->w1[0][j] += x0 * d;
        g->w1[1][j] += x1 * d;
        g->b1[j] += d;
    }
}

static void update(const yard_moons *m, int parts) {
    yard_moons_weights *restrict w = m->weights, *restrict g = m->gradient;
    for (int p = 1; p < parts; p++) {
        const float *restrict from = (const float *)&m->gradient[p];
        float *restrict to = (float *)g;
        for (size_t i = 0; i < sizeof *g / sizeof *to; i++) to[i] += from[i];
    }
    float l2 = m->l2 / (float)m->n;
    for (int k = 0; k < 2; k++) {
        for (int j = 0; j < H; j++) {
            w->w1[k][j] -= m->rate * (g->w1[k][j] + l2 * w->w1[k][j]);
            w->w2[k][j] -= m->rate * (g->w2[k][j] + l2 * w->w2[k][j]);
        }
        w->b2[k] -= m->rate * g->b2[k];
    }
    for (int j = 0; j < H; j++) w->b1[j] -= m->rate * g->b1[j];
}

void yard_moons_large(void *arg, int part, int parts) {
    const yard_moons *m = arg;
    int64_t from, to;
    yard_range(m->n, 1, part, parts, &from, &to);
    memset(&m->gradient[part], 0, sizeof m->gradient[part]);
    for (int64_t i = from; i < to; i++) row_step(m, m->weights, &m->gradient[part], i);
    team_wait(m->team);
    if (part == 0) update(m, parts);
}

/* The same text for both types. */
#define SMALL_STEP(name, type, real, exp_, tanh_)                                                                      \
    void name(type *m) {                                                                                               \
        real g1[6] = {0}, gb1[3] = {0}, g2[6] = {0}, gb2[2] = {0};                                                     \
        const real *restrict w1 = m->w1, *restrict b1 = m->b1, *restrict w2 = m->w2, *restrict b2 = m->b2;             \
        const real *restrict x = m->x;                                                                                 \
        const int64_t *restrict y = m->y;                                                                              \
        for (int64_t i = 0; i < m->n; i++) {                                                                           \
            real x0 = x[2 * i], x1 = x[2 * i + 1];                                                                     \
            real a0 = tanh_(x0 * w1[0] + x1 * w1[3] + b1[0]);                                                          \
            real a1 = tanh_(x0 * w1[1] + x1 * w1[4] + b1[1]);                                                          \
            real a2 = tanh_(x0 * w1[2] + x1 * w1[5] + b1[2]);                                                          \
            real s0 = a0 * w2[0] + a1 * w2[2] + a2 * w2[4] + b2[0];                                                    \
            real s1 = a0 * w2[1] + a1 * w2[3] + a2 * w2[5] + b2[1];                                                    \
            real d0 = 1 / (1 + exp_(s1 - s0)) - (y[i] == 0 ? (real)1 : (real)0), d1 = -d0;                             \
            real e0 = (d0 * w2[0] + d1 * w2[1]) * (1 - a0 * a0);                                                       \
            real e1 = (d0 * w2[2] + d1 * w2[3]) * (1 - a1 * a1);                                                       \
            real e2 = (d0 * w2[4] + d1 * w2[5]) * (1 - a2 * a2);                                                       \
            gb2[0] += d0, gb2[1] += d1;                                                                                \
            g2[0] += a0 * d0, g2[1] += a0 * d1, g2[2] += a1 * d0, g2[3] += a1 * d1, g2[4] += a2 * d0,                  \
                g2[5] += a2 * d1;                                                                                      \
            gb1[0] += e0, gb1[1] += e1, gb1[2] += e2;                                                                  \
            g1[0] += x0 * e0, g1[1] += x0 * e1, g1[2] += x0 * e2;                                                      \
            g1[3] += x1 * e0, g1[4] += x1 * e1, g1[5] += x1 * e2;                                                      \
        }                                                                                                              \
        real each = m->rate / (real)m->n;                                                                              \
        for (int k = 0; k < 6; k++) m->w1[k] -= each * (g1[k] + m->l2 * m->w1[k]);                                     \
        for (int k = 0; k < 6; k++) m->w2[k] -= each * (g2[k] + m->l2 * m->w2[k]);                                     \
        for (int k = 0; k < 3; k++) m->b1[k] -= each * gb1[k];                                                         \
        for (int k = 0; k < 2; k++) m->b2[k] -= each * gb2[k];                                                         \
    }
SMALL_STEP(yard_moons_small_f32, yard_moons_f32, float, expf, tanhf)
SMALL_STEP(yard_moons_small_f64, yard_moons_f64, double, exp, tanh)
