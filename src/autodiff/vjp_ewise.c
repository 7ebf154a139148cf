/* Gradient rules of the element-wise operators. Where the derivative can be had from the result y as exactly as from
 * the operand, y is used: it is computed anyway, and the operand need not be kept for the backward pass. */
#include "autodiff/vjp.h"

static ir_id un(vjp_state *v, ir_op op, ir_id a) { return ir_unary(v->g, op, a); }
static ir_id bin(vjp_state *v, ir_op op, ir_id a, ir_id b) { return ir_binary(v->g, op, a, b); }
static ir_id twice(vjp_state *v, ir_id a) { return bin(v, IR_ADD, a, a); }

/* dy * factor to the only operand. */
static void chain(vjp_state *v, ir_id factor) { vjp_give(v, 0, vjp_mul(v, v->dy, factor)); }

VJP(neg) { vjp_give(v, 0, un(v, IR_NEG, v->dy)); }
VJP(abs) { chain(v, un(v, IR_SIGN, v->in[0])); }
VJP_ZERO(sign)
VJP_NONE(floor)
VJP_NONE(ceil)
VJP_NONE(trunc)
VJP_NONE(round)
VJP(square) { chain(v, twice(v, v->in[0])); }
VJP(reciprocal) { vjp_give(v, 0, un(v, IR_NEG, vjp_mul(v, v->dy, un(v, IR_SQUARE, v->y)))); }
VJP(sqrt) { vjp_give(v, 0, bin(v, IR_DIV, v->dy, twice(v, v->y))); }

VJP(rsqrt) { /* -1/2 y^3 */
    ir_id cube = vjp_mul(v, v->y, un(v, IR_SQUARE, v->y));
    chain(v, vjp_mul(v, vjp_const(v, -0.5), cube));
}

VJP(exp) { chain(v, v->y); }
VJP(expm1) { chain(v, un(v, IR_EXP, v->in[0])); } /* y + 1 has no correct digits left where e^a is tiny */
VJP(log) { vjp_give(v, 0, bin(v, IR_DIV, v->dy, v->in[0])); }
VJP(log1p) { vjp_give(v, 0, bin(v, IR_DIV, v->dy, bin(v, IR_ADD, v->in[0], vjp_const(v, 1)))); }
VJP(sin) { chain(v, un(v, IR_COS, v->in[0])); }
VJP(cos) { vjp_give(v, 0, un(v, IR_NEG, vjp_mul(v, v->dy, un(v, IR_SIN, v->in[0])))); }
VJP(tanh) { chain(v, bin(v, IR_SUB, vjp_const(v, 1), un(v, IR_SQUARE, v->y))); }
VJP(sigmoid) { chain(v, vjp_mul(v, v->y, bin(v, IR_SUB, vjp_const(v, 1), v->y))); }

VJP(erf) { /* 2 / sqrt(pi) e^(-a^2) */
    ir_id bell = un(v, IR_EXP, un(v, IR_NEG, un(v, IR_SQUARE, v->in[0])));
    chain(v, vjp_mul(v, vjp_const(v, 1.12837916709551257390), bell));
}

VJP(softplus) { chain(v, un(v, IR_SIGMOID, v->in[0])); }

VJP(relu) { /* y > 0 just where a > 0 */
    ir_id zero = vjp_const(v, 0);
    vjp_give(v, 0, ir_select(v->g, vjp_mask(v, IR_GT, v->y, zero), v->dy, zero));
}

VJP(add) {
    vjp_give(v, 0, v->dy);
    vjp_give(v, 1, v->dy);
}

VJP(sub) {
    vjp_give(v, 0, v->dy);
    if (vjp_wants(v, 1)) vjp_give(v, 1, un(v, IR_NEG, v->dy));
}

VJP(mul) {
    if (vjp_wants(v, 0)) vjp_give(v, 0, vjp_mul(v, v->dy, v->in[1]));
    if (vjp_wants(v, 1)) vjp_give(v, 1, vjp_mul(v, v->dy, v->in[0]));
}

VJP(div) { /* da = dy / b, db = -da * y */
    ir_id da = bin(v, IR_DIV, v->dy, v->in[1]);
    vjp_give(v, 0, da);
    if (vjp_wants(v, 1)) vjp_give(v, 1, un(v, IR_NEG, vjp_mul(v, da, v->y)));
}

/* da = dy b a^(b-1) and db = dy y log(a). Where a is 0, log gets 1 instead, so that db is 0 and not 0 * infinity; where
 * b is 0 as well, a^(b-1) gets the exponent 0, so that da is 0. The operands are replaced rather than the results,
 * because a derivative of a replaced result would still meet the infinity. */
VJP(pow) {
    ir_id a = v->in[0], b = v->in[1], zero = vjp_const(v, 0);
    double exponent;
    if (vjp_wants(v, 0)) {
        ir_id less;
        if (vjp_is_const(v->g, b, &exponent)) {
            less = vjp_const(v, exponent == 0 ? 0 : exponent - 1);
        } else {
            ir_id origin = bin(v, IR_AND, vjp_mask(v, IR_EQ, a, zero), vjp_mask(v, IR_EQ, b, zero));
            less = ir_select(v->g, origin, zero, bin(v, IR_SUB, b, vjp_const(v, 1)));
        }
        vjp_give(v, 0, vjp_mul(v, v->dy, vjp_mul(v, b, bin(v, IR_POW, a, less))));
    }
    if (vjp_wants(v, 1)) {
        ir_id safe = ir_select(v->g, vjp_mask(v, IR_EQ, a, zero), vjp_const(v, 1), a);
        vjp_give(v, 1, vjp_mul(v, v->dy, vjp_mul(v, v->y, un(v, IR_LOG, safe))));
    }
}

/* All of dy to the operand that was taken, half to each where they tie. */
static void extremum(vjp_state *v, ir_op wins) {
    ir_id zero = vjp_const(v, 0), half = vjp_mul(v, v->dy, vjp_const(v, 0.5));
    ir_id tie = ir_select(v->g, vjp_mask(v, IR_EQ, v->in[0], v->in[1]), half, zero);
    for (uint32_t i = 0; i < 2; i++)
        if (vjp_wants(v, i)) vjp_give(v, i, ir_select(v->g, vjp_mask(v, wins, v->in[i], v->in[1 - i]), v->dy, tie));
}

VJP(min) { extremum(v, IR_LT); }
VJP(max) { extremum(v, IR_GT); }

VJP(select) {
    ir_id zero = vjp_const(v, 0), c = vjp_fixed(v, v->in[0]);
    if (vjp_wants(v, 1)) vjp_give(v, 1, ir_select(v->g, c, v->dy, zero));
    if (vjp_wants(v, 2)) vjp_give(v, 2, ir_select(v->g, c, zero, v->dy));
}

VJP(cast) { vjp_give(v, 0, ir_cast(v->g, v->dy, (sn_dtype)ir_at(v->g, v->in[0])->dtype)); }

/* Results that are bool or integer: an adjoint never arrives. */
/* `not` is a keyword of C++ to the formatter. */
/* clang-format off */
VJP_NONE(not)
/* clang-format on */
VJP_NONE(lt)
VJP_NONE(le)
VJP_NONE(gt)
VJP_NONE(ge)
VJP_NONE(eq)
VJP_NONE(ne)
VJP_NONE(and)
VJP_NONE(or)
VJP_NONE(xor)
VJP_NONE(shl)
VJP_NONE(shr)
VJP_NONE(random_bits)
