/* The evaluator's element-wise operators: one scalar function per operator and kind of operand, in tables made from the
 * operator table, so that an operator without its function does not compile. Floats are computed in f64. */
#include <math.h>

#include "ir/eval.h"

#define FLOAT(lc, expr)                                                                                                \
    static double float_##lc(double a, double b) {                                                                     \
        (void)a, (void)b;                                                                                              \
        return expr;                                                                                                   \
    }
#define INT(lc, expr)                                                                                                  \
    static int64_t int_##lc(int64_t a, int64_t b) {                                                                    \
        (void)a, (void)b;                                                                                              \
        return expr;                                                                                                   \
    }

static double sigmoid(double a) {
    if (a >= 0) return 1 / (1 + exp(-a));
    double e = exp(a);
    return e / (1 + e);
}

FLOAT(neg, -a)
FLOAT(abs, fabs(a))
FLOAT(sign, a > 0 ? 1 : a < 0 ? -1 : a)
FLOAT(floor, floor(a))
FLOAT(square, a * a)
FLOAT(reciprocal, 1 / a)
FLOAT(sqrt, sqrt(a))
FLOAT(rsqrt, 1 / sqrt(a))
FLOAT(exp, exp(a))
FLOAT(expm1, expm1(a))
FLOAT(log, log(a))
FLOAT(log1p, log1p(a))
FLOAT(sin, sin(a))
FLOAT(cos, cos(a))
FLOAT(tanh, tanh(a))
FLOAT(sigmoid, sigmoid(a))
FLOAT(relu, a > 0 || isnan(a) ? a : 0)
FLOAT(softplus, (a > 0 ? a : 0) + log1p(exp(-fabs(a))))
FLOAT(add, a + b)
FLOAT(sub, a - b)
FLOAT(mul, a * b)
FLOAT(div, a / b)
FLOAT(pow, pow(a, b))
FLOAT(min, a < b || isnan(a) ? a : b)
FLOAT(max, a > b || isnan(a) ? a : b)
FLOAT(lt, a < b)
FLOAT(le, a <= b)
FLOAT(gt, a > b)
FLOAT(ge, a >= b)
FLOAT(eq, a == b)
FLOAT(ne, a != b)

/* u8 arrives as 0 .. 255, so neg and sub wrap when they are stored. */
INT(neg, ir_eval_wrap_sub(0, a))
INT(abs, a < 0 ? ir_eval_wrap_sub(0, a) : a)
INT(sign, (a > 0) - (a < 0))
INT(square, ir_eval_wrap_mul(a, a))
INT(relu, a > 0 ? a : 0)
INT(not, ~a)
INT(add, ir_eval_wrap_add(a, b))
INT(sub, ir_eval_wrap_sub(a, b))
INT(mul, ir_eval_wrap_mul(a, b))
INT(min, a < b ? a : b)
INT(max, a > b ? a : b)
INT(lt, a < b)
INT(le, a <= b)
INT(gt, a > b)
INT(ge, a >= b)
INT(eq, a == b)
INT(ne, a != b)
INT(and, a & b)
INT(or, a | b)
INT(xor, a ^ b)

static const struct {
    double (*float_fn)(double a, double b);
    int64_t (*int_fn)(int64_t a, int64_t b);
} scalar[IR_OP_COUNT] = {
#define FN_F(lc) {float_##lc, NULL}
#define FN_FI(lc) {float_##lc, int_##lc}
#define FN_FIB(lc) {float_##lc, int_##lc}
#define FN_IB(lc) {NULL, int_##lc}
#define IR_EWISE(UC, lc, operands, types, result, cost, domain, ulp, flags, doc) [IR_##UC] = FN_##types(lc),
#include "ir/ops.def"
};

void ir_eval_ewise(eval_state *s, const ir_node *node, eval_value *out, const eval_value *const *in) {
    const eval_value *a = in[0], *b = node->n_in > 1 ? in[1] : in[0];
    ir_eval_want_size(s, node, a->n, out->n);
    ir_eval_want_size(s, node, b->n, out->n);
    if (ir_eval_is_float((sn_dtype)a->dtype)) {
        for (int64_t i = 0; i < out->n; i++) {
            double x = scalar[node->op].float_fn(ir_eval_get_float(a, i), ir_eval_get_float(b, i));
            if (out->dtype == SN_BOOL) ir_eval_put_int(out, i, x != 0);
            else ir_eval_put_float(out, i, x);
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
    if (ir_eval_is_float((sn_dtype)in->dtype)) {
        for (int64_t i = 0; i < out->n; i++) {
            double x = ir_eval_get_float(in, i);
            if (ir_eval_is_float(to)) ir_eval_put_float(out, i, x);
            else ir_eval_put_int(out, i, to == SN_BOOL ? x != 0 : float_to_int(x, to));
        }
        return;
    }
    for (int64_t i = 0; i < out->n; i++) {
        int64_t x = ir_eval_get_int(in, i);
        switch (to) {
        case SN_F64: ((double *)out->data)[i] = (double)x; break;
        case SN_F32: ((float *)out->data)[i] = (float)x; break; /* rounded once: not through double */
        case SN_BOOL: ir_eval_put_int(out, i, x != 0); break;
        default: ir_eval_put_int(out, i, x); break;
        }
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
