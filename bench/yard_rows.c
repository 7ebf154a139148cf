/* Rows, folds and column sums by hand. */
#include "yard.h"

#include <math.h>
#include <string.h>

void yard_softmax(void *arg, int part, int parts) {
    const yard_matrix *m = arg;
    int64_t from, to, n = m->columns;
    yard_range(m->rows, 1, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const float *restrict x = m->x + i * n;
        float *restrict out = m->out + i * n;
        float most = x[0], sum = 0;
        for (int64_t j = 0; j < n; j++) most = fmaxf(most, x[j]);
        for (int64_t j = 0; j < n; j++) sum += out[j] = expf(x[j] - most);
        float scale = 1 / sum;
        for (int64_t j = 0; j < n; j++) out[j] *= scale;
    }
}

void yard_layer_norm(void *arg, int part, int parts) {
    const yard_matrix *m = arg;
    int64_t from, to, n = m->columns;
    yard_range(m->rows, 1, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const float *restrict x = m->x + i * n;
        float sum = 0, squares = 0;
        for (int64_t j = 0; j < n; j++) sum += x[j];
        float mean = sum / (float)n;
        for (int64_t j = 0; j < n; j++) squares += (x[j] - mean) * (x[j] - mean);
        m->out[i] = mean;
        m->out2[i] = squares / (float)n;
    }
}

/* One accumulator vector waits for itself; eight independent ranges in turn do not. */
enum { BLOCK = 2048, STREAMS = 8 };

void yard_sum(void *arg, int part, int parts) {
    yard_matrix *m = arg;
    int64_t from, to;
    yard_range(m->rows * m->columns, BLOCK, part, parts, &from, &to);
    float lanes[16 * STREAMS] = {0}, sum = 0;
    int64_t i = from;
    for (; i + 16 * STREAMS <= to; i += 16 * STREAMS)
        for (int k = 0; k < 16 * STREAMS; k++) lanes[k] += m->x[i + k];
    for (; i < to; i++) sum += m->x[i];
    for (int k = 0; k < 16 * STREAMS; k++) sum += lanes[k];
    m->part[part].value = sum;
    team_wait(m->team);
    if (part) return;
    for (int p = 1; p < parts; p++) sum += m->part[p].value;
    m->out[0] = sum;
}

static float block_max(const float *x, int64_t n) {
    float lanes[16 * STREAMS], most;
    for (int k = 0; k < 16 * STREAMS; k++) lanes[k] = x[0];
    int64_t i = 0;
    for (; i + 16 * STREAMS <= n; i += 16 * STREAMS)
        for (int k = 0; k < 16 * STREAMS; k++) lanes[k] = lanes[k] > x[i + k] ? lanes[k] : x[i + k];
    most = lanes[0];
    for (; i < n; i++) most = fmaxf(most, x[i]);
    for (int k = 1; k < 16 * STREAMS; k++) most = fmaxf(most, lanes[k]);
    return most;
}

void yard_max(void *arg, int part, int parts) {
    yard_matrix *m = arg;
    int64_t from, to;
    yard_range(m->rows * m->columns, BLOCK, part, parts, &from, &to);
    m->part[part].value = block_max(m->x + from, to - from);
    team_wait(m->team);
    if (part) return;
    m->out[0] = m->part[0].value;
    for (int p = 1; p < parts; p++) m->out[0] = fmaxf(m->out[0], m->part[p].value);
}

/* The largest block, then its first largest element. */
void yard_argmax(void *arg, int part, int parts) {
    yard_matrix *m = arg;
    int64_t from, to, best = 0;
    yard_range(m->rows * m->columns, BLOCK, part, parts, &from, &to);
    float most = -INFINITY;
    for (int64_t i = from; i < to; i += BLOCK) {
        float here = block_max(m->x + i, to - i < BLOCK ? to - i : BLOCK);
        if (here > most || i == from) {
            most = here;
            best = i;
        }
    }
    while (m->x[best] != most) best++;
    m->part[part].value = most;
    m->part[part].index = best;
    team_wait(m->team);
    if (part) return;
    int winner = 0;
    for (int p = 1; p < parts; p++)
        if (m->part[p].value > m->part[winner].value) winner = p;
    m->index = m->part[winner].index;
}

void yard_column_sums(void *arg, int part, int parts) {
    yard_matrix *m = arg;
    int64_t from, to, n = m->columns;
    yard_range(m->rows, 4, part, parts, &from, &to);
    float *restrict sum = m->part_columns + part * n;
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t i = from; i + 4 <= to; i += 4) {
        const float *restrict x = m->x + i * n;
        for (int64_t j = 0; j < n; j++) sum[j] += x[j] + x[j + n] + (x[j + 2 * n] + x[j + 3 * n]);
    }
    for (int64_t i = to - (to - from) % 4; i < to; i++)
        for (int64_t j = 0; j < n; j++) sum[j] += m->x[i * n + j];
    team_wait(m->team);
    yard_range(n, 64, part, parts, &from, &to);
    for (int64_t j = from; j < to; j++) {
        m->out[j] = m->part_columns[j];
        for (int p = 1; p < parts; p++) m->out[j] += m->part_columns[p * n + j];
    }
}
