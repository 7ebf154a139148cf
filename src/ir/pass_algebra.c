/* Algebraic simplification of single operators. In: a node; out: an operand, or a cheaper node.
 *
 * Floats keep every bit under IEEE 754 (which NaN comes out is left open), including the sign of zeros: x + 0 stays,
 * because -0 + 0 is 0, and x * 0 stays, because of infinities and NaN. Two rules make a result more accurate instead:
 * pow(x, 2) and pow(x, -1) become correctly rounded. Integers wrap, so the rules of a ring hold for them without limit.
 */
#include <math.h>
#include <string.h>

#include "ir/pass.h"

/* The other operand of a commutative node if one is the value repeated; the operand -0 of an integer is 0. */
static ir_id beside(const ir_rewrite *rw, const ir_node *n, double value) {
    if (ir_splat_is(rw->g, n->in[1], value)) return n->in[0];
    if (ir_splat_is(rw->g, n->in[0], value)) return n->in[1];
    return 0;
}

/* x of an operand op(x), else 0. */
static ir_id under(const ir_rewrite *rw, const ir_node *n, uint32_t operand, ir_op op) {
    return ir_in(rw, n, operand)->op == op ? ir_in(rw, n, operand)->in[0] : 0;
}

/* ---- sums and differences ---------------------------------------------------------------------------------------- */

static ir_id add_zero(const ir_rewrite *rw, const ir_node *n) { return n->op == IR_ADD ? beside(rw, n, -0.0) : 0; }

static ir_id add_neg(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_ADD) return 0;
    for (uint32_t i = 0; i < 2; i++)
        if (under(rw, n, i, IR_NEG)) return ir_make_binary(rw->g, n, IR_SUB, n->in[1 - i], under(rw, n, i, IR_NEG));
    return 0;
}

static ir_id sub_zero(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_SUB && ir_splat_is(rw->g, n->in[1], 0.0) ? n->in[0] : 0;
}

static ir_id sub_from_zero(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_SUB || !ir_splat_is(rw->g, n->in[0], -0.0)) return 0;
    return ir_make_unary(rw->g, n, IR_NEG, n->in[1]);
}

static ir_id sub_neg(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_SUB || !under(rw, n, 1, IR_NEG)) return 0;
    return ir_make_binary(rw->g, n, IR_ADD, n->in[0], under(rw, n, 1, IR_NEG));
}

/* Floats may be infinite. */
static ir_id sub_self(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_SUB || n->in[0] != n->in[1] || ir_is_float(n)) return 0;
    return ir_make_splat(rw->g, n, 0);
}

/* ---- products and quotients -------------------------------------------------------------------------------------- */

static ir_id mul_one(const ir_rewrite *rw, const ir_node *n) { return n->op == IR_MUL ? beside(rw, n, 1.0) : 0; }

static ir_id mul_minus_one(const ir_rewrite *rw, const ir_node *n) {
    ir_id x = n->op == IR_MUL ? beside(rw, n, -1.0) : 0;
    return x ? ir_make_unary(rw->g, n, IR_NEG, x) : 0;
}

static ir_id mul_zero(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_MUL || ir_is_float(n) || !beside(rw, n, 0.0)) return 0;
    return ir_make_splat(rw->g, n, 0);
}

static ir_id mul_neg_neg(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_MUL && n->op != IR_DIV) return 0;
    ir_id a = under(rw, n, 0, IR_NEG), b = under(rw, n, 1, IR_NEG);
    return a && b ? ir_make_binary(rw->g, n, (ir_op)n->op, a, b) : 0;
}

/* -x times a constant is x times the opposite constant. */
static ir_id mul_neg_const(const ir_rewrite *rw, const ir_node *n) {
    uint64_t bits;
    if (n->op != IR_MUL || !ir_is_float(n)) return 0;
    for (uint32_t i = 0; i < 2; i++) {
        ir_id x = under(rw, n, i, IR_NEG);
        if (!x || !ir_splat(rw->g, n->in[1 - i], &bits)) continue;
        bits ^= base_float_sign((sn_dtype)n->dtype);
        return ir_make_binary(rw->g, n, IR_MUL, x, ir_make_splat(rw->g, n, bits));
    }
    return 0;
}

static ir_id mul_self(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_MUL && n->in[0] == n->in[1] ? ir_make_unary(rw->g, n, IR_SQUARE, n->in[0]) : 0;
}

static ir_id div_one(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_DIV && ir_splat_is(rw->g, n->in[1], 1.0) ? n->in[0] : 0;
}

static ir_id one_div(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_DIV || !ir_splat_is(rw->g, n->in[0], 1.0)) return 0;
    return ir_make_unary(rw->g, n, IR_RECIPROCAL, n->in[1]);
}

/* Division by a power of two whose reciprocal is a normal number is the same real number as the product with it. */
static ir_id div_power_of_two(const ir_rewrite *rw, const ir_node *n) {
    uint64_t bits;
    if (n->op != IR_DIV || !ir_splat(rw->g, n->in[1], &bits)) return 0;
    sn_dtype dtype = (sn_dtype)n->dtype;
    double divisor = base_float_value(dtype, bits), normal = base_float_least(dtype) / base_float_epsilon(dtype);
    int exponent;
    if (!isfinite(divisor) || fabs(frexp(divisor, &exponent)) != 0.5) return 0;
    double reciprocal = 1 / divisor;
    if (fabs(divisor) < normal || fabs(reciprocal) < normal || fabs(reciprocal) > base_float_greatest(dtype)) return 0;
    return ir_make_binary(rw->g, n, IR_MUL, n->in[0], ir_make_splat(rw->g, n, ir_bits_of(dtype, reciprocal)));
}

/* C's pow gives 1 for an exponent of 0, whatever the base. */
static ir_id pow_const(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_POW) return 0;
    if (ir_splat_is(rw->g, n->in[1], 0.0)) return ir_make_splat(rw->g, n, ir_bits_of((sn_dtype)n->dtype, 1.0));
    if (ir_splat_is(rw->g, n->in[1], 1.0)) return n->in[0];
    if (ir_splat_is(rw->g, n->in[1], 2.0)) return ir_make_unary(rw->g, n, IR_SQUARE, n->in[0]);
    if (ir_splat_is(rw->g, n->in[1], -1.0)) return ir_make_unary(rw->g, n, IR_RECIPROCAL, n->in[0]);
    return 0;
}

/* ---- functions of one operand ------------------------------------------------------------------------------------ */

static ir_id neg_neg(const ir_rewrite *rw, const ir_node *n) { return n->op == IR_NEG ? under(rw, n, 0, IR_NEG) : 0; }

/* An unsigned -x is another number. */
static ir_id abs_neg(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_ABS || n->dtype == SN_U8 || !under(rw, n, 0, IR_NEG)) return 0;
    return ir_make_unary(rw->g, n, IR_ABS, under(rw, n, 0, IR_NEG));
}

static ir_id square_of_sign(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_SQUARE) return 0;
    ir_id x = under(rw, n, 0, IR_NEG) ? under(rw, n, 0, IR_NEG) : under(rw, n, 0, IR_ABS);
    return x ? ir_make_unary(rw->g, n, IR_SQUARE, x) : 0;
}

static ir_id same_again(const ir_rewrite *rw, const ir_node *n) {
    int once = n->op == IR_ABS || n->op == IR_RELU || n->op == IR_FLOOR || n->op == IR_SIGN;
    return once && ir_in(rw, n, 0)->op == n->op ? n->in[0] : 0;
}

static ir_id stop_gradient(const ir_rewrite *rw, const ir_node *n) {
    (void)rw;
    return n->op == IR_STOP_GRADIENT ? n->in[0] : 0;
}

/* ---- truth ------------------------------------------------------------------------------------------------------- */

static ir_id not_not(const ir_rewrite *rw, const ir_node *n) { return n->op == IR_NOT ? under(rw, n, 0, IR_NOT) : 0; }

/* Only these two: with a NaN, a < b and a >= b are both false. */
static ir_id not_equal(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_NOT) return 0;
    const ir_node *in = ir_in(rw, n, 0);
    if (in->op != IR_EQ && in->op != IR_NE) return 0;
    return ir_make_binary(rw->g, n, in->op == IR_EQ ? IR_NE : IR_EQ, in->in[0], in->in[1]);
}

static ir_id logic_const(const ir_rewrite *rw, const ir_node *n) {
    if ((n->op != IR_AND && n->op != IR_OR) || n->dtype != SN_BOOL) return 0;
    double neutral = n->op == IR_AND ? 1.0 : 0.0;
    if (beside(rw, n, neutral)) return beside(rw, n, neutral);
    return beside(rw, n, 1.0 - neutral) ? ir_make_splat(rw->g, n, (uint64_t)(1.0 - neutral)) : 0;
}

static ir_id same_twice(const ir_rewrite *rw, const ir_node *n) {
    (void)rw;
    int idempotent = n->op == IR_AND || n->op == IR_OR || n->op == IR_MIN || n->op == IR_MAX;
    return idempotent && n->in[0] == n->in[1] ? n->in[0] : 0;
}

static ir_id select_same(const ir_rewrite *rw, const ir_node *n) {
    (void)rw;
    return n->op == IR_SELECT && n->in[1] == n->in[2] ? n->in[1] : 0;
}

static ir_id select_not(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_SELECT || !under(rw, n, 0, IR_NOT)) return 0;
    ir_node swapped = *n;
    swapped.in = (const ir_id[]){under(rw, n, 0, IR_NOT), n->in[2], n->in[1]};
    return ir_intern(rw->g, &swapped);
}

/* ---- casts ------------------------------------------------------------------------------------------------------- */

static ir_id cast_nothing(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_CAST && ir_in(rw, n, 0)->dtype == n->dtype ? n->in[0] : 0;
}

/* Is every value of a one of b? */
static int holds(sn_dtype b, sn_dtype a) {
    switch (a) {
        case SN_BOOL: return 1;
        case SN_U8: return b != SN_BOOL;
        case SN_F16:
        case SN_BF16: return a == b || b == SN_F32 || b == SN_F64;
        case SN_I32: return b == SN_I32 || b == SN_I64 || b == SN_F64;
        case SN_F32: return b == SN_F32 || b == SN_F64;
        default: return a == b;
    }
}

/* x -> middle -> n is x -> n if the middle holds every value of x: the second cast then sees the same number. But an
 * integer that became a float saturates where the integer itself would wrap. */
static ir_id cast_cast(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_CAST || ir_in(rw, n, 0)->op != IR_CAST) return 0;
    const ir_node *middle = ir_in(rw, n, 0), *x = ir_at(rw->g, middle->in[0]);
    sn_dtype first = (sn_dtype)x->dtype, last = (sn_dtype)n->dtype;
    if (!holds((sn_dtype)middle->dtype, first)) return 0;
    int saturates = ir_is_float(middle) && ir_type_in(IR_T_I, first) && ir_type_in(IR_T_I, last);
    if (saturates && !holds(last, first)) return 0;
    return first == last ? middle->in[0] : ir_make_unary(rw->g, n, IR_CAST, middle->in[0]);
}

static const ir_rule rules[] = {
    {"add_zero", add_zero, "x + -0 is x; integers: x + 0"},
    {"add_neg", add_neg, "x + -y is x - y"},
    {"sub_zero", sub_zero, "x - 0 is x"},
    {"sub_from_zero", sub_from_zero, "-0 - x is -x; integers: 0 - x"},
    {"sub_neg", sub_neg, "x - -y is x + y"},
    {"sub_self", sub_self, "x - x is 0, of integers"},
    {"mul_one", mul_one, "x * 1 is x"},
    {"mul_minus_one", mul_minus_one, "x * -1 is -x"},
    {"mul_zero", mul_zero, "x * 0 is 0, of integers"},
    {"mul_neg_neg", mul_neg_neg, "-x * -y is x * y, -x / -y is x / y"},
    {"mul_neg_const", mul_neg_const, "-x * c is x * -c, of floats"},
    {"mul_self", mul_self, "x * x is square x"},
    {"div_one", div_one, "x / 1 is x"},
    {"one_div", one_div, "1 / x is reciprocal x"},
    {"div_power_of_two", div_power_of_two, "x / 2^k is x * 2^-k"},
    {"pow_const", pow_const, "pow(x, 0), pow(x, 1), pow(x, 2) and pow(x, -1) are 1, x, square x and reciprocal x"},
    {"neg_neg", neg_neg, "-(-x) is x"},
    {"abs_neg", abs_neg, "|-x| is |x|, of signed types"},
    {"square_of_sign", square_of_sign, "square(-x) and square|x| are square x"},
    {"same_again", same_again, "abs, relu, floor and sign done twice are done once"},
    {"stop_gradient", stop_gradient, "gradients are taken: stop_gradient x is x"},
    {"not_not", not_not, "not not x is x"},
    {"not_equal", not_equal, "not a == b is a != b, not a != b is a == b"},
    {"logic_const", logic_const, "and, or of bool with a constant"},
    {"same_twice", same_twice, "and, or, min and max of x and x are x"},
    {"select_same", select_same, "select(c, x, x) is x"},
    {"select_not", select_not, "select(not c, a, b) is select(c, b, a)"},
    {"cast_nothing", cast_nothing, "a cast to the operand's own dtype is the operand"},
    {"cast_cast", cast_cast, "two casts are one if the middle type holds every value of the first"},
};

const ir_pass ir_pass_algebra = {"algebra", sizeof rules / sizeof *rules, rules};
