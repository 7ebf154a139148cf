/* A training step of a 784-h-10 network on a few examples by hand: relu, softmax cross-entropy, SGD. Each thread has a
 * range of hidden units and the columns of the first, the rows of the second layer's weights that belong to them, so
 * that one barrier, for the logits, is enough. The weights are read once forward, and read and written once backward.
 */
#include "yard.h"

#include <math.h>
#include <string.h>

/* h[b] = relu(x[b] w1 + b1) for columns [from, to) of w1. */
static void forward(yard_few *m, int64_t from, int64_t to) {
    int64_t H = m->hidden;
    for (int64_t b = 0; b < m->batch; b++)
        memcpy(m->h + b * H + from, m->b1 + from, (size_t)(to - from) * sizeof *m->h);
    for (int64_t k = 0; k < YARD_PIXELS; k += 4) {
        const float *restrict w = m->w1 + k * H;
        for (int64_t b = 0; b < m->batch; b++) {
            const float *x = m->x + b * YARD_PIXELS + k;
            float *restrict h = m->h + b * H;
            for (int64_t j = from; j < to; j++)
                h[j] += x[0] * w[j] + x[1] * w[H + j] + x[2] * w[2 * H + j] + x[3] * w[3 * H + j];
        }
    }
    for (int64_t b = 0; b < m->batch; b++) {
        float *restrict h = m->h + b * H;
        for (int64_t j = from; j < to; j++) h[j] = fmaxf(h[j], 0);
    }
}

static void logits(yard_few *m, int part, int64_t from, int64_t to) {
    float(*out)[16] = m->out[part];
    memset(out, 0, sizeof m->out[part]);
    for (int64_t b = 0; b < m->batch; b++)
        for (int64_t j = from; j < to; j++)
            for (int o = 0; o < YARD_DIGITS; o++) out[b][o] += m->h[b * m->hidden + j] * m->w2[j * YARD_DIGITS + o];
}

/* d = (softmax(z) - one hot) / batch; every thread computes it anew. */
static void output(const yard_few *m, int parts, float (*d)[16]) {
    for (int64_t b = 0; b < m->batch; b++) {
        float z[YARD_DIGITS], most = -INFINITY, sum = 0;
        for (int o = 0; o < YARD_DIGITS; o++) {
            z[o] = m->b2[o];
            for (int p = 0; p < parts; p++) z[o] += m->out[p][b][o];
            most = fmaxf(most, z[o]);
        }
        for (int o = 0; o < YARD_DIGITS; o++) sum += z[o] = expf(z[o] - most);
        for (int o = 0; o < YARD_DIGITS; o++) d[b][o] = (z[o] / sum - (float)(m->label[b] == o)) / (float)m->batch;
    }
}

static void second_layer(yard_few *m, float (*d)[16], int64_t from, int64_t to) {
    int64_t H = m->hidden;
    for (int64_t j = from; j < to; j++) {
        float *w = m->w2 + j * YARD_DIGITS, g[YARD_DIGITS] = {0}, bias = 0;
        for (int64_t b = 0; b < m->batch; b++) {
            float h = m->h[b * H + j], e = 0;
            for (int o = 0; o < YARD_DIGITS; o++) {
                e += d[b][o] * w[o];
                g[o] += h * d[b][o];
            }
            m->e[b * H + j] = e = h > 0 ? e : 0;
            bias += e;
        }
        m->b1[j] -= m->rate * bias;
        for (int o = 0; o < YARD_DIGITS; o++) w[o] -= m->rate * g[o];
    }
}

static void first_layer(yard_few *m, int64_t from, int64_t to) {
    int64_t H = m->hidden;
    for (int64_t k = 0; k < YARD_PIXELS; k++) {
        float *restrict w = m->w1 + k * H;
        int64_t b = 0;
        for (; b + 4 <= m->batch; b += 4) {
            const float *restrict e = m->e + b * H;
            float x[4];
            for (int i = 0; i < 4; i++) x[i] = m->rate * m->x[(b + i) * YARD_PIXELS + k];
            for (int64_t j = from; j < to; j++)
                w[j] -= x[0] * e[j] + x[1] * e[H + j] + x[2] * e[2 * H + j] + x[3] * e[3 * H + j];
        }
        for (; b < m->batch; b++) {
            const float *restrict e = m->e + b * H;
            float x = m->rate * m->x[b * YARD_PIXELS + k];
            for (int64_t j = from; j < to; j++) w[j] -= x * e[j];
        }
    }
}

void yard_few_step(void *arg, int part, int parts) {
    yard_few *m = arg;
    int64_t from, to;
    float d[YARD_FEW][16];
    yard_range(m->hidden, 16, part, parts, &from, &to);
    forward(m, from, to);
    logits(m, part, from, to);
    team_wait(m->team);
    output(m, parts, d);
    team_wait(m->team); /* b2 is read by all before it is written */
    second_layer(m, d, from, to);
    first_layer(m, from, to);
    for (int o = 0; part == 0 && o < YARD_DIGITS; o++)
        for (int64_t b = 0; b < m->batch; b++) m->b2[o] -= m->rate * d[b][o];
}
