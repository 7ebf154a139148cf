/* The evaluator's sums, extrema, products and recurrences: everything that folds many elements into one. Sums of f32
 * and narrower types are carried in double or wider, those of f64 in long double, and rounded once. */
#include <math.h>

#include "ir/eval.h"

/* The element of the result that each element of the operand goes to, in row-major order. */
typedef struct {
    int64_t index[SN_MAX_RANK], step[SN_MAX_RANK], offset;
} walk;

static void walk_next(walk *w, const eval_value *in) {
    for (int a = in->rank - 1; a >= 0; a--) {
        w->offset += w->step[a];
        if (++w->index[a] < in->size[a]) return;
        w->offset -= w->step[a] * w->index[a];
        w->index[a] = 0;
    }
}

static void reduce_float(ir_op op, eval_value *out, const eval_value *in, walk *w, base_arena *arena) {
    long double *acc = ARENA_ARRAY(arena, long double, (size_t)out->n);
    long double identity = op == IR_SUM ? 0 : op == IR_PROD ? 1 : op == IR_RMAX ? -INFINITY : INFINITY;
    for (int64_t i = 0; i < out->n; i++) acc[i] = identity;
    for (int64_t i = 0; i < in->n; i++, walk_next(w, in)) {
        long double x = ir_eval_get_float(in, i), *y = &acc[w->offset];
        if (op == IR_SUM)
            *y += x;
        else if (op == IR_PROD)
            *y *= x;
        else if (isnan(x) || (op == IR_RMAX ? x > *y : x < *y))
            *y = x; /* nothing compares with a NaN in y */
    }
    for (int64_t i = 0; i < out->n; i++) ir_eval_put_float(out, i, acc[i]);
}

static void reduce_int(ir_op op, eval_value *out, const eval_value *in, walk *w) {
    static const int64_t least[] = {[SN_I64] = INT64_MIN, [SN_I32] = INT32_MIN, [SN_U8] = 0, [SN_BOOL] = 0};
    static const int64_t most[] = {[SN_I64] = INT64_MAX, [SN_I32] = INT32_MAX, [SN_U8] = 255, [SN_BOOL] = 1};
    int64_t identity = op == IR_SUM ? 0 : op == IR_PROD ? 1 : op == IR_RMAX ? least[in->dtype] : most[in->dtype];
    for (int64_t i = 0; i < out->n; i++) ir_eval_put_int(out, i, identity);
    for (int64_t i = 0; i < in->n; i++, walk_next(w, in)) {
        int64_t x = ir_eval_get_int(in, i), y = ir_eval_get_int(out, w->offset);
        if (op == IR_SUM)
            y = ir_eval_wrap_add(y, x);
        else if (op == IR_PROD)
            y = ir_eval_wrap_mul(y, x);
        else if (op == IR_RMAX ? x > y : x < y)
            y = x;
        ir_eval_put_int(out, w->offset, y);
    }
}

/* The first index along the axis where nothing is better; a NaN is better than any number. */
static void reduce_arg(ir_op op, eval_value *out, const eval_value *in, walk *w, uint32_t axis, base_arena *arena) {
    int real = base_is_float((sn_dtype)in->dtype);
    int64_t *best = ARENA_ARRAY(arena, int64_t, (size_t)out->n); /* element of the operand */
    for (int64_t i = 0; i < out->n; i++) ir_eval_put_int(out, i, INT64_MAX);
    for (int64_t i = 0; i < in->n; i++, walk_next(w, in)) {
        int64_t *b = &best[w->offset];
        int better = ir_eval_get_int(out, w->offset) == INT64_MAX;
        if (!better && real) {
            long double x = ir_eval_get_float(in, i), y = ir_eval_get_float(in, *b);
            better = !isnan(y) && (isnan(x) || (op == IR_ARGMAX ? x > y : x < y));
        } else if (!better) {
            int64_t x = ir_eval_get_int(in, i), y = ir_eval_get_int(in, *b);
            better = op == IR_ARGMAX ? x > y : x < y;
        }
        if (!better) continue;
        *b = i;
        ir_eval_put_int(out, w->offset, w->index[axis]);
    }
}

void ir_eval_reduce(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in) {
    uint64_t axes = (uint64_t)node->attr[0];
    walk w = {.offset = 0};
    int64_t step = 1;
    int to = out->rank - 1;
    for (int a = in->rank - 1; a >= 0; a--) {
        if (axes >> a & 1) continue;
        ir_eval_want_size(s, node, in->size[a], out->size[to--]);
        w.step[a] = step;
        step *= in->size[a];
    }
    if (IR_IS_ARG(node->op))
        reduce_arg((ir_op)node->op, out, in, &w, (uint32_t)__builtin_ctzll(axes), s->arena);
    else if (base_is_float((sn_dtype)in->dtype))
        reduce_float((ir_op)node->op, out, in, &w, s->arena);
    else
        reduce_int((ir_op)node->op, out, in, &w);
}

/* One element: k products, elements a_step and b_step apart. A product of two f32 is exact in double. */
static float dot_f32(const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t n) {
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += (double)a[k * a_step] * (double)b[k * b_step];
    return (float)sum;
}

static double dot_f64(const double *a, int64_t a_step, const double *b, int64_t b_step, int64_t n) {
    long double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += (long double)a[k * a_step] * (long double)b[k * b_step];
    return (double)sum;
}

static double dot_half(const eval_value *a, int64_t at_a, int64_t a_step, const eval_value *b, int64_t at_b,
                       int64_t b_step, int64_t n) {
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += ir_eval_get_float(a, at_a + k * a_step) * ir_eval_get_float(b, at_b + k * b_step);
    return sum;
}

void ir_eval_matmul(eval_state *s, const ir_node *node, eval_value *out, const eval_value *a, const eval_value *b) {
    int ta = node->attr[0] & 1, tb = node->attr[0] >> 1 & 1;
    int64_t first = out->rank - 2, batch = 1;
    int64_t m = a->size[first + ta], k = a->size[first + !ta], n = b->size[first + !tb];
    for (int64_t i = 0; i < first; i++) {
        ir_eval_want_size(s, node, a->size[i], out->size[i]);
        ir_eval_want_size(s, node, b->size[i], out->size[i]);
        batch *= out->size[i];
    }
    ir_eval_want_size(s, node, m, out->size[first]);
    ir_eval_want_size(s, node, n, out->size[first + 1]);
    ir_eval_want_size(s, node, k, b->size[first + tb]);
    int64_t a_row = ta ? 1 : k, a_step = ta ? m : 1, b_col = tb ? k : 1, b_step = tb ? 1 : n;
    for (int64_t row = 0; row < batch * m; row++) {
        int64_t from_a = row / m * m * k + row % m * a_row, from_b = row / m * k * n;
        for (int64_t j = 0; j < n; j++) {
            if (base_is_half((sn_dtype)out->dtype))
                ir_eval_put_float(out, row * n + j, dot_half(a, from_a, a_step, b, from_b + j * b_col, b_step, k));
            else if (out->dtype == SN_F64)
                ((double *)out->data)[row * n + j] = dot_f64((const double *)a->data + from_a, a_step,
                                                             (const double *)b->data + from_b + j * b_col, b_step, k);
            else
                ((float *)out->data)[row * n + j] = dot_f32((const float *)a->data + from_a, a_step,
                                                            (const float *)b->data + from_b + j * b_col, b_step, k);
        }
    }
}

void ir_eval_scatter_add(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    const eval_value *ids = in[0], *values = in[1];
    int64_t rows = out->size[0], width = 1;
    for (int a = 1; a < out->rank; a++) width *= out->size[a];
    ir_eval_want_size(s, node, values->n, ids->n * width);
    if (!out->n || !values->n) return;
    int is_float = base_is_float((sn_dtype)out->dtype);
    long double *acc = ARENA_ARRAY(s->arena, long double, is_float ? (size_t)out->n : 0);
    for (int64_t i = 0; i < ids->n; i++) {
        int64_t row = ir_eval_get_int(ids, i);
        row = row < 0 ? 0 : row >= rows ? rows - 1 : row;
        for (int64_t j = 0; j < width; j++) {
            int64_t to = row * width + j, from = i * width + j;
            if (is_float)
                acc[to] += ir_eval_get_float(values, from);
            else
                ir_eval_put_int(out, to, ir_eval_wrap_add(ir_eval_get_int(out, to), ir_eval_get_int(values, from)));
        }
    }
    for (int64_t i = 0; is_float && i < out->n; i++) ir_eval_put_float(out, i, acc[i]);
}

void ir_eval_recurrence(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    int64_t n = out->size[node->attr[0]], inner = 1;
    for (int a = (int)node->attr[0] + 1; a < out->rank; a++) inner *= out->size[a];
    for (int k = 0; k < 2; k++) ir_eval_want_size(s, node, in[k]->n, out->n);
    for (int64_t line = 0; n && line < out->n / n; line++) {
        int64_t at = line / inner * n * inner + line % inner, step = inner, whole = 0;
        if (node->attr[1]) at += (n - 1) * inner, step = -inner;
        long double y = 0; /* carried wider than it is stored */
        for (int64_t k = 0; k < n; k++, at += step) {
            if (base_is_float((sn_dtype)out->dtype)) {
                y = (long double)ir_eval_get_float(in[0], at) * y + (long double)ir_eval_get_float(in[1], at);
                ir_eval_put_float(out, at, y);
            } else {
                whole =
                    ir_eval_wrap_add(ir_eval_wrap_mul(ir_eval_get_int(in[0], at), whole), ir_eval_get_int(in[1], at));
                ir_eval_put_int(out, at, whole);
            }
        }
    }
}
