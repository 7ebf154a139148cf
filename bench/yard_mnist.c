/* Steps of 784-h-10 networks by hand. One example: each thread has a range of hidden units and the weights of both
 * layers that belong to them, so that one barrier, for the ten sums, is enough. A batch: the passes between matrix
 * products. */
#include "yard.h"

#include <math.h>
#include <string.h>

static inline float sigmoid(float z) { return 1 / (1 + expf(-z)); }

void yard_digit_step(void *arg, int part, int parts) {
    yard_digit *m = arg;
    const float *restrict x = m->x;
    float *restrict h = m->h, *restrict e = m->e;
    int64_t from, to, hidden = m->hidden;
    yard_range(hidden, 16, part, parts, &from, &to);
    for (int64_t j = from; j < to; j++) {
        const float *w = m->w1 + j * YARD_PIXELS;
        float a = 0;
        for (int k = 0; k < YARD_PIXELS; k++) a += w[k] * x[k];
        h[j] = sigmoid(a);
    }
    for (int o = 0; o < YARD_DIGITS; o++) {
        const float *w = m->w2 + o * hidden;
        float a = 0;
        for (int64_t k = from; k < to; k++) a += w[k] * h[k];
        m->out[part][o] = a;
    }
    team_wait(m->team);
    for (int64_t k = from; k < to; k++) e[k] = 0;
    for (int o = 0; o < YARD_DIGITS; o++) {
        float *restrict w = m->w2 + o * hidden;
        float a = 0;
        for (int p = 0; p < parts; p++) a += m->out[p][o];
        a = sigmoid(a);
        float d = 2 * ((m->label == o ? 0.99f : 0.01f) - a) * a * (1 - a), g = m->rate * d;
        for (int64_t k = from; k < to; k++) {
            e[k] += d * w[k];
            w[k] += g * h[k];
        }
    }
    for (int64_t j = from; j < to; j++) {
        float g = m->rate * e[j] * h[j] * (1 - h[j]);
        float *restrict w = m->w1 + j * YARD_PIXELS;
        for (int k = 0; k < YARD_PIXELS; k++) w[k] += g * x[k];
    }
}

void yard_batch_hidden(void *arg, int part, int parts) {
    yard_batch *m = arg;
    int64_t from, to;
    yard_range(m->batch, 1, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float *restrict h = m->h + i * m->hidden;
        for (int64_t j = 0; j < m->hidden; j++) h[j] = fmaxf(h[j] + m->b1[j], 0);
    }
}

void yard_batch_output(void *arg, int part, int parts) {
    yard_batch *m = arg;
    float *restrict gb = m->gb2 + part * 16;
    int64_t from, to;
    yard_range(m->batch, 1, part, parts, &from, &to);
    memset(gb, 0, 16 * sizeof *gb);
    for (int64_t i = from; i < to; i++) {
        float *restrict z = m->z + i * YARD_DIGITS, most = -INFINITY, sum = 0;
        for (int k = 0; k < YARD_DIGITS; k++) {
            z[k] += m->b2[k];
            most = fmaxf(most, z[k]);
        }
        for (int k = 0; k < YARD_DIGITS; k++) sum += z[k] = expf(z[k] - most);
        for (int k = 0; k < YARD_DIGITS; k++) {
            z[k] = (z[k] / sum - (float)(m->label[i] == k)) / (float)m->batch;
            gb[k] += z[k];
        }
    }
}

void yard_batch_backward(void *arg, int part, int parts) {
    yard_batch *m = arg;
    float *restrict gb = m->gb1 + part * m->hidden;
    int64_t from, to;
    yard_range(m->batch, 1, part, parts, &from, &to);
    memset(gb, 0, (size_t)m->hidden * sizeof *gb);
    for (int64_t i = from; i < to; i++) {
        const float *restrict h = m->h + i * m->hidden;
        float *restrict d = m->dh + i * m->hidden;
        for (int64_t j = 0; j < m->hidden; j++) {
            d[j] = h[j] > 0 ? d[j] : 0;
            gb[j] += d[j];
        }
    }
}

void yard_adam_step(void *arg, int part, int parts) {
    const yard_adam *a = arg;
    float *restrict w = a->w, *restrict m = a->m, *restrict v = a->v;
    int64_t from, to;
    yard_range(a->n, 16, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float g = a->g[0][i];
        for (int k = 1; k < a->n_g; k++) g += a->g[k][i];
        m[i] = 0.9f * m[i] + 0.1f * g;
        v[i] = 0.999f * v[i] + 0.001f * g * g;
        w[i] -= a->rate * m[i] / (sqrtf(v[i]) + 1e-8f);
    }
}
