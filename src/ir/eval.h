/* eval.h: what the files of the graph evaluator share. Everything here runs under the arena's trap. */
#ifndef IR_EVAL_H
#define IR_EVAL_H

#include <string.h>

#include "ir/graph.h"

/* The value of a node: dense, row-major. bool is one byte, 0 or 1. */
typedef struct {
    void *data;
    uint8_t dtype, rank;
    int64_t n; /* elements */
    int64_t size[SN_MAX_RANK];
} eval_value;

typedef struct {
    const ir_graph *g;
    const ir_values *given;
    base_arena *arena;
    eval_value *value; /* by node id */
} eval_state;

/* Evaluators of one node: out has its type and cleared memory, in[] are the operands. */
void ir_eval_ewise(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_cast(eval_value *out, const eval_value *in);
void ir_eval_select(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_reduce(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in);
void ir_eval_matmul(eval_state *s, const ir_node *node, eval_value *out, const eval_value *a, const eval_value *b);
void ir_eval_recurrence(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_scatter_add(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_gather(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_reshape(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in);
void ir_eval_transpose(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in);
void ir_eval_broadcast(eval_state *s, const ir_node *node, eval_value *out, const eval_value *in);
void ir_eval_slice(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_pad(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);
void ir_eval_concat(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in);

int64_t ir_eval_dim(const eval_state *s, ir_dim dim);

/* Fails with SN_ERR_SHAPE: the graph's check that does not hold with these dims, or a sentence about two sizes. */
__attribute__((noreturn)) void ir_eval_fail_size(const eval_state *s, const ir_node *node, int64_t have, int64_t want);
static inline void ir_eval_want_size(const eval_state *s, const ir_node *node, int64_t have, int64_t want) {
    if (have != want) ir_eval_fail_size(s, node, have, want);
}

/* Row-major strides of v, in elements. */
static inline void ir_eval_strides(const eval_value *v, int64_t stride[SN_MAX_RANK]) {
    int64_t step = 1;
    for (int i = v->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= v->size[i];
    }
}

static inline double ir_eval_get_float(const eval_value *v, int64_t i) {
    if (v->dtype == SN_F32) return (double)((const float *)v->data)[i];
    if (v->dtype == SN_F64) return ((const double *)v->data)[i];
    return base_float_get((sn_dtype)v->dtype, (const char *)v->data + (size_t)i * sn_dtype_size((sn_dtype)v->dtype));
}

/* Rounded once. */
static inline void ir_eval_put_float(eval_value *v, int64_t i, long double x) {
    base_float_put((sn_dtype)v->dtype, (char *)v->data + (size_t)i * sn_dtype_size((sn_dtype)v->dtype), x);
}

static inline int64_t ir_eval_get_int(const eval_value *v, int64_t i) {
    switch ((sn_dtype)v->dtype) {
        case SN_I64: return ((const int64_t *)v->data)[i];
        case SN_I32: return ((const int32_t *)v->data)[i];
        default: return ((const uint8_t *)v->data)[i];
    }
}

/* Keeps the low bits: integers wrap, bool keeps the lowest. */
static inline void ir_eval_put_int(eval_value *v, int64_t i, int64_t x) {
    switch ((sn_dtype)v->dtype) {
        case SN_I64: ((int64_t *)v->data)[i] = x; break;
        case SN_I32: ((int32_t *)v->data)[i] = (int32_t)(uint32_t)(uint64_t)x; break;
        case SN_BOOL: ((uint8_t *)v->data)[i] = (uint8_t)(x & 1); break;
        default: ((uint8_t *)v->data)[i] = (uint8_t)x; break;
    }
}

/* 64 random bits; tests hold it against the vectors that the authors of the generator published. */
int64_t ir_eval_threefry(int64_t counter, int64_t key);

/* Arithmetic modulo 2^64. */
static inline int64_t ir_eval_wrap_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static inline int64_t ir_eval_wrap_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static inline int64_t ir_eval_wrap_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

#endif
