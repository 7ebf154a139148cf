/* The evaluator's operators that only move elements: views, concat, gather. All but reshape and gather are one strided
 * copy from a box of the operand to a box of the result.
 *
 * A runtime start of slice and pad, with the constant added to it, is clamped to [0, full - ((size - 1) * step + 1)]
 * (to [0, full] for an empty part): the part always lies inside the full axis. A constant start must lie there. Ids of
 * gather and scatter_add are clamped to [0, rows - 1]; gather from no rows gives zeros. */
#include "ir/eval.h"

/* A box of elements inside a dense value. */
typedef struct {
    int64_t base, stride[SN_MAX_RANK];
} box;

static void copy_box(int rank, const int64_t *size, eval_value *to, const box *at, const eval_value *from,
                     const box *src) {
    int64_t n = 1, index[SN_MAX_RANK] = {0};
    for (int a = 0; a < rank; a++) {
        if (size[a] == 0) return;
        n *= size[a];
    }
    size_t bytes = sn_dtype_size((sn_dtype)to->dtype);
    int64_t d = at->base, f = src->base;
    for (int64_t i = 0; i < n; i++) {
        memcpy((char *)to->data + (size_t)d * bytes, (const char *)from->data + (size_t)f * bytes, bytes);
        for (int a = rank - 1; a >= 0; a--) {
            d += at->stride[a];
            f += src->stride[a];
            if (++index[a] < size[a]) break;
            d -= at->stride[a] * index[a];
            f -= src->stride[a] * index[a];
            index[a] = 0;
        }
    }
}

void ir_eval_reshape(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in) {
    ir_eval_want_size(s, node, in->n, out->n);
    if (out->n) memcpy(out->data, in->data, (size_t)out->n * sn_dtype_size((sn_dtype)out->dtype));
}

void ir_eval_transpose(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in) {
    int64_t stride[SN_MAX_RANK];
    box to = {0}, from = {0};
    ir_eval_strides(in, stride);
    ir_eval_strides(out, to.stride);
    for (int i = 0; i < out->rank; i++) {
        ir_eval_want_size(s, node, in->size[node->attr[i]], out->size[i]);
        from.stride[i] = stride[node->attr[i]];
    }
    copy_box(out->rank, out->size, out, &to, in, &from);
}

void ir_eval_broadcast(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in) {
    int64_t stride[SN_MAX_RANK];
    box to = {0}, from = {0};
    ir_eval_strides(in, stride);
    ir_eval_strides(out, to.stride);
    for (int a = 0; a < in->rank; a++) {
        int64_t at = node->attr[a], one;
        if (ir_dim_is_const(s->g, ir_at(s->g, node->in[0])->dim[a], &one) && one == 1) continue;
        ir_eval_want_size(s, node, in->size[a], out->size[at]);
        from.stride[at] = stride[a];
    }
    copy_box(out->rank, out->size, out, &to, in, &from);
}

/* The box inside `full` that slice and pad mean; size[] are those of the part. */
static void part_box(eval_state *s, const ir_node *node, const eval_value *const *in, const eval_value *full,
                     const int64_t *size, box *part) {
    int64_t stride[SN_MAX_RANK];
    ir_eval_strides(full, stride);
    part->base = 0;
    for (int a = 0; a < full->rank; a++) {
        const int64_t *attr = node->attr + a * IR_SLICE_ATTRS;
        int64_t start = attr[IR_SLICE_START] ? ir_eval_dim(s, (ir_dim)attr[IR_SLICE_START]) : 0;
        int64_t step = attr[IR_SLICE_STEP], span = 0;
        if (size[a] && (__builtin_mul_overflow(size[a] - 1, step, &span) || __builtin_add_overflow(span, 1, &span)))
            span = INT64_MAX;
        int64_t last = full->size[a] - span;
        if (last < 0) ir_eval_fail_size(s, node, span, full->size[a]);
        if (attr[IR_SLICE_RUNTIME]) {
            int64_t more = ir_eval_get_int(in[attr[IR_SLICE_RUNTIME]], 0);
            if (__builtin_add_overflow(start, more, &start)) start = more > 0 ? INT64_MAX : INT64_MIN;
            start = start < 0 ? 0 : start > last ? last : start;
        } else if (start < 0 || start > last) {
            ir_eval_fail_size(s, node, start, last);
        }
        part->base += start * stride[a];
        part->stride[a] = step * stride[a];
    }
}

void ir_eval_slice(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    box to = {0}, from = {0};
    ir_eval_strides(out, to.stride);
    part_box(s, node, in, in[0], out->size, &from);
    copy_box(out->rank, out->size, out, &to, in[0], &from);
}

void ir_eval_pad(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    box to = {0}, from = {0};
    ir_eval_strides(in[0], from.stride);
    part_box(s, node, in, out, in[0]->size, &to);
    copy_box(out->rank, in[0]->size, out, &to, in[0], &from);
}

void ir_eval_concat(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    int64_t axis = node->attr[0], at = 0;
    box to = {0}, from = {0};
    ir_eval_strides(out, to.stride);
    for (uint32_t k = 0; k < node->n_in; k++) {
        for (int a = 0; a < out->rank; a++)
            if (a != axis) ir_eval_want_size(s, node, in[k]->size[a], out->size[a]);
        ir_eval_strides(in[k], from.stride);
        to.base = at * to.stride[axis];
        at += in[k]->size[axis];
        if (at > out->size[axis]) ir_eval_want_size(s, node, at, out->size[axis]);
        copy_box(out->rank, in[k]->size, out, &to, in[k], &from);
    }
    ir_eval_want_size(s, node, at, out->size[axis]);
}

void ir_eval_gather(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    const eval_value *x = in[0], *ids = in[1];
    int64_t rows = x->size[0], width = 1;
    for (int a = 1; a < x->rank; a++) {
        width *= x->size[a];
        ir_eval_want_size(s, node, x->size[a], out->size[ids->rank + a - 1]);
    }
    for (int a = 0; a < ids->rank; a++) ir_eval_want_size(s, node, ids->size[a], out->size[a]);
    if (!out->n || !rows) return;
    size_t bytes = (size_t)width * sn_dtype_size((sn_dtype)out->dtype);
    for (int64_t i = 0; i < ids->n; i++) {
        int64_t row = ir_eval_get_int(ids, i);
        row = row < 0 ? 0 : row >= rows ? rows - 1 : row;
        memcpy((char *)out->data + (size_t)i * bytes, (const char *)x->data + (size_t)row * bytes, bytes);
    }
}
