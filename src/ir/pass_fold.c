/* Constant folding. In: a node whose operands are constants; out: the constant it computes.
 *
 * The evaluator's own functions do the arithmetic, so a folded constant is what the oracle would have computed: floats
 * in f64, rounded to the node's dtype (for f32 the four operations and sqrt are thereby rounded as if done in f32),
 * integers wrapping. A NaN that comes out is always the same NaN, because the bits of constants are part of cache keys.
 * Constants repeated to a shape are scalars once pass_view has moved the broadcast outwards. */
#include <math.h>
#include <string.h>

#include "ir/eval.h"
#include "ir/pass.h"

static eval_value scalar_at(uint64_t *bits, uint8_t dtype) {
    return (eval_value){.data = bits, .dtype = dtype, .n = 1};
}

static uint64_t usual_nan(const ir_node *n, uint64_t bits) {
    sn_dtype dtype = (sn_dtype)n->dtype;
    return base_is_float(dtype) && isnan(base_float_value(dtype, bits)) ? base_float_nan(dtype) : bits;
}

static ir_id constant_operands(const ir_rewrite *rw, const ir_node *n) {
    if (ir_ops[n->op].cls != IR_CLASS_EWISE || n->rank) return 0;
    uint64_t bits[3] = {0}, result = 0;
    eval_value in[3];
    const eval_value *operands[3] = {&in[0], &in[1], &in[2]};
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (ir_in(rw, n, i)->op != IR_CONST) return 0;
        bits[i] = (uint64_t)ir_in(rw, n, i)->attr[0];
        in[i] = scalar_at(&bits[i], ir_in(rw, n, i)->dtype);
    }
    eval_value out = scalar_at(&result, n->dtype);
    eval_state state = {.g = rw->g, .arena = &rw->g->arena};
    if (n->op == IR_CAST)
        ir_eval_cast(&out, &in[0]);
    else if (n->op == IR_SELECT)
        ir_eval_select(&state, n, &out, operands);
    else
        ir_eval_ewise(&state, n, &out, operands);
    return ir_const_bits(rw->g, (sn_dtype)n->dtype, usual_nan(n, result));
}

static ir_id constant_condition(const ir_rewrite *rw, const ir_node *n) {
    uint64_t condition;
    if (n->op != IR_SELECT || !ir_splat(rw->g, n->in[0], &condition)) return 0;
    return condition ? n->in[1] : n->in[2];
}

static ir_id constant_dim(const ir_rewrite *rw, const ir_node *n) {
    int64_t size;
    if (n->op != IR_DIM_VALUE || !ir_dim_is_const(rw->g, (ir_dim)n->attr[0], &size)) return 0;
    return ir_const_bits(rw->g, SN_I64, (uint64_t)size);
}

static const ir_rule rules[] = {
    {"constant_operands", constant_operands, "an element-wise node of constants is their result"},
    {"constant_condition", constant_condition, "select(true, a, b) is a, select(false, a, b) is b"},
    {"constant_dim", constant_dim, "the value of a constant dim is a constant"},
};

const ir_pass ir_pass_fold = {"fold", sizeof rules / sizeof *rules, rules};
