/* The evaluator's element-wise operators: the meanings that the rows of the operator table give. Floats are computed in
 * f64. */
#include <math.h>

#include "ir/eval.h"

#define wrap_add ir_eval_wrap_add
#define wrap_sub ir_eval_wrap_sub
#define wrap_mul ir_eval_wrap_mul
#define threefry ir_eval_threefry
#define NONE     0

/* Threefry-2x32-20 (Salmon et al. 2011), word by word as the paper has it. */
int64_t ir_eval_threefry(int64_t counter, int64_t key) {
    static const int rotation[8] = {13, 15, 26, 6, 17, 29, 16, 24};
    uint32_t k[3] = {(uint32_t)(uint64_t)key, (uint32_t)((uint64_t)key >> 32), 0};
    k[2] = k[0] ^ k[1] ^ 0x1bd11bdau;
    uint32_t x = (uint32_t)(uint64_t)counter + k[0], y = (uint32_t)((uint64_t)counter >> 32) + k[1];
    for (uint32_t i = 0; i < 20; i++) {
        x += y;
        y = (y << rotation[i % 8] | y >> (32 - rotation[i % 8])) ^ x;
        if (i % 4 != 3) continue;
        uint32_t s = i / 4 + 1;
        x += k[s % 3];
        y += k[(s + 1) % 3] + s;
    }
    return (int64_t)((uint64_t)y << 32 | x);
}

/* A function of each kind for each row; those of kinds that the row does not allow are never called. */
#define IR_EWISE(UC, lc, operands, types, result, cost, domain, ulp, flags, real, whole, doc)                          \
    static double float_##lc(double a, double b) {                                                                     \
        (void)a, (void)b;                                                                                              \
        return real;                                                                                                   \
    }                                                                                                                  \
    static int64_t int_##lc(int64_t a, int64_t b) {                                                                    \
        (void)a, (void)b;                                                                                              \
        return whole;                                                                                                  \
    }
#define IR_OP(UC, lc, doc)
#include "ir/ops.def"

static const struct {
    double (*float_fn)(double a, double b);
    int64_t (*int_fn)(int64_t a, int64_t b); /* u8 arrives as 0 .. 255 and wraps when it is stored */
} scalar[IR_OP_COUNT] = {
#define IR_EWISE(UC, lc, operands, types, result, cost, domain, ulp, flags, real, whole, doc)                          \
    [IR_##UC] = {float_##lc, int_##lc},
#define IR_OP(UC, lc, doc)
#include "ir/ops.def"
};

void ir_eval_ewise(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    const eval_value *a = in[0], *b = node->n_in > 1 ? in[1] : in[0];
    ir_eval_want_size(s, node, a->n, out->n);
    ir_eval_want_size(s, node, b->n, out->n);
    if (base_is_float((sn_dtype)a->dtype)) {
        for (int64_t i = 0; i < out->n; i++) {
            double x = scalar[node->op].float_fn(ir_eval_get_float(a, i), ir_eval_get_float(b, i));
            if (out->dtype == SN_BOOL)
                ir_eval_put_int(out, i, x != 0);
            else
                ir_eval_put_float(out, i, x);
        }
    } else {
        for (int64_t i = 0; i < out->n; i++)
            ir_eval_put_int(out, i, scalar[node->op].int_fn(ir_eval_get_int(a, i), ir_eval_get_int(b, i)));
    }
}

/* Truncates and saturates to the type's range, whose bounds as doubles are low and high (high + 1 for i64); NaN: 0. */
static int64_t float_to_int(double x, sn_dtype to) {
    if (isnan(x)) return 0;
    switch (to) {
        case SN_I64: return x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : (int64_t)x;
        case SN_I32: return x >= 0x1p31 ? INT32_MAX : x <= -0x1p31 ? INT32_MIN : (int64_t)x;
        default: return x >= 255 ? 255 : x <= 0 ? 0 : (int64_t)x;
    }
}

void ir_eval_cast(eval_value *out, const eval_value *in) {
    sn_dtype to = (sn_dtype)out->dtype;
    if (base_is_float((sn_dtype)in->dtype)) {
        for (int64_t i = 0; i < out->n; i++) {
            double x = ir_eval_get_float(in, i);
            if (base_is_float(to))
                ir_eval_put_float(out, i, x);
            else
                ir_eval_put_int(out, i, to == SN_BOOL ? x != 0 : float_to_int(x, to));
        }
        return;
    }
    for (int64_t i = 0; i < out->n; i++) {
        int64_t x = ir_eval_get_int(in, i);
        if (base_is_float(to))
            ir_eval_put_float(out, i, (long double)x);
        else
            ir_eval_put_int(out, i, to == SN_BOOL ? x != 0 : x);
    }
}

void ir_eval_select(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    for (int k = 0; k < 3; k++) ir_eval_want_size(s, node, in[k]->n, out->n);
    size_t bytes = sn_dtype_size((sn_dtype)out->dtype);
    for (int64_t i = 0; i < out->n; i++) {
        const eval_value *from = ir_eval_get_int(in[0], i) ? in[1] : in[2];
        memcpy((char *)out->data + (size_t)i * bytes, (const char *)from->data + (size_t)i * bytes, bytes);
    }
}
