/* One lowering rule per element-wise operator, in scalar primitives. A row of ops.def without its rule does not
 * compile. */
#include <string.h>

#include "ir/lower.h"

typedef struct {
    lw_part *p;
    kn_build *b;
    ir_id node;
    sn_dtype type; /* of the operands */
    kn_id x[3];
} rule;

#define LOWER(op) static kn_id lower_##op(const rule *r)

static kn_id one(const rule *r, kn_prim prim) { return kn_prim1(r->b, prim, r->type, r->x[0]); }
static kn_id two(const rule *r, kn_prim prim) { return kn_prim2(r->b, prim, r->type, r->x[0], r->x[1]); }
static kn_id test(const rule *r, kn_prim prim, kn_id x, kn_id y) { return kn_prim2(r->b, prim, SN_BOOL, x, y); }
static kn_id number(const rule *r, double value) { return kn_const_bits(r->b, r->type, kn_bits_of(r->type, value)); }

LOWER(neg) { return one(r, KP_NEG); }
LOWER(abs) { return one(r, KP_ABS); }
LOWER(floor) { return one(r, KP_FLOOR); }
/* -floor(-a): the primitives have one direction. Zeros keep their sign. */
static kn_id ceiling(const rule *r) {
    kn_id below = kn_prim1(r->b, KP_FLOOR, r->type, one(r, KP_NEG));
    return kn_prim1(r->b, KP_NEG, r->type, below);
}
LOWER(ceil) { return ceiling(r); }
LOWER(trunc) {
    kn_id up = ceiling(r), down = one(r, KP_FLOOR), zero = number(r, 0);
    return kn_prim3(r->b, KP_SELECT, r->type, test(r, KP_LT, r->x[0], zero), up, down);
}
LOWER(round) { return one(r, KP_RINT); }
LOWER(square) { return kn_prim2(r->b, KP_MUL, r->type, r->x[0], r->x[0]); }
LOWER(reciprocal) { return kn_prim2(r->b, KP_DIV, r->type, number(r, 1), r->x[0]); }
LOWER(sqrt) { return one(r, KP_SQRT); }
LOWER(rsqrt) {
    kn_id root = one(r, KP_SQRT);
    return kn_prim2(r->b, KP_DIV, r->type, number(r, 1), root);
}
LOWER(exp) { return one(r, KP_EXP); }
LOWER(expm1) { return one(r, KP_EXPM1); }
LOWER(log) { return one(r, KP_LOG); }
LOWER(log1p) { return one(r, KP_LOG1P); }
LOWER(sin) { return one(r, KP_SIN); }
LOWER(cos) { return one(r, KP_COS); }
LOWER(tanh) { return one(r, KP_TANH); }
LOWER(erf) { return one(r, KP_ERF); }
LOWER(sigmoid) { return one(r, KP_SIGMOID); }
LOWER(relu) { return kn_prim2(r->b, KP_MAX, r->type, r->x[0], number(r, 0)); }

/* -1, 0 or 1 by comparisons; a NaN is neither above nor below and passes through. */
LOWER(sign) {
    kn_id zero = number(r, 0), x = r->x[0];
    kn_id unit = number(r, 1), above = kn_prim3(r->b, KP_SELECT, r->type, test(r, KP_LT, zero, x), unit, x);
    if (r->type == SN_U8) return above;
    kn_id minus_one = number(r, -1);
    return kn_prim3(r->b, KP_SELECT, r->type, test(r, KP_LT, x, zero), minus_one, above);
}

/* max(a, 0) + log1p(exp(-|a|)): no overflow for any a. */
LOWER(softplus) {
    kn_id away = kn_prim1(r->b, KP_EXP, r->type, kn_prim1(r->b, KP_NEG, r->type, one(r, KP_ABS)));
    kn_id tail = kn_prim1(r->b, KP_LOG1P, r->type, away);
    return kn_prim2(r->b, KP_ADD, r->type, kn_prim2(r->b, KP_MAX, r->type, r->x[0], number(r, 0)), tail);
}

/* `not` is a keyword of C++ to the formatter. */
/* clang-format off */
LOWER(not) { return one(r, KP_NOT); }
/* clang-format on */
LOWER(add) { return two(r, KP_ADD); }
LOWER(sub) { return two(r, KP_SUB); }
LOWER(mul) { return two(r, KP_MUL); }
LOWER(div) { return two(r, KP_DIV); }
LOWER(pow) { return two(r, KP_POW); }
LOWER(min) { return two(r, KP_MIN); }
LOWER(max) { return two(r, KP_MAX); }
LOWER(lt) { return test(r, KP_LT, r->x[0], r->x[1]); }
LOWER(le) { return test(r, KP_LE, r->x[0], r->x[1]); }
LOWER(gt) { return test(r, KP_LT, r->x[1], r->x[0]); }
LOWER(ge) { return test(r, KP_LE, r->x[1], r->x[0]); }
LOWER(eq) { return test(r, KP_EQ, r->x[0], r->x[1]); }
LOWER(ne) { return test(r, KP_NE, r->x[0], r->x[1]); }
LOWER(and) { return two(r, KP_AND); }
LOWER(or) { return two(r, KP_OR); }
LOWER(xor) { return two(r, KP_XOR); }

static kn_id whole(const rule *r, sn_dtype type, int64_t value) { return kn_const_i(r->b, type, value); }

/* Is 0 <= b < bits? The primitives shift by b mod bits. */
static kn_id shift_in_range(const rule *r) {
    int64_t most = (int64_t)(8 * sn_dtype_size(r->type)) - 1;
    kn_id beyond = kn_prim2(r->b, KP_AND, r->type, r->x[1], whole(r, r->type, ~most));
    return test(r, KP_EQ, beyond, whole(r, r->type, 0));
}

LOWER(shl) {
    kn_id shifted = two(r, KP_SHL), zero = whole(r, r->type, 0);
    return kn_prim3(r->b, KP_SELECT, r->type, shift_in_range(r), shifted, zero);
}

LOWER(shr) {
    kn_id shifted = two(r, KP_SHR), rest = whole(r, r->type, r->type == SN_I64 ? 63 : 31);
    rest = r->type == SN_U8 ? whole(r, r->type, 0) : kn_prim2(r->b, KP_SHR, r->type, r->x[0], rest);
    return kn_prim3(r->b, KP_SELECT, r->type, shift_in_range(r), shifted, rest);
}

/* The two 32-bit words of a value, the low one first. */
static void words(const rule *r, kn_id x, kn_id word[2]) {
    if (r->type != SN_I64) x = kn_prim1(r->b, KP_CAST, SN_I64, x);
    kn_id high = kn_prim2(r->b, KP_LSHR, SN_I64, x, whole(r, SN_I64, 32));
    word[0] = kn_prim1(r->b, KP_CAST, SN_I32, x);
    word[1] = kn_prim1(r->b, KP_CAST, SN_I32, high);
}

/* Threefry-2x32-20: additions, rotations and exclusive ors of 32-bit words, which fill the lanes of a vector and need
 * no wide product. The key's words do not vary over what the counter varies over, so that backends compute them once.
 */
LOWER(random_bits) {
    static const int rotation[8] = {13, 15, 26, 6, 17, 29, 16, 24};
    kn_build *b = r->b;
    kn_id x[2], k[3];
    words(r, r->x[0], x);
    words(r, r->x[1], k);
    k[2] = kn_prim2(b, KP_XOR, SN_I32, kn_prim2(b, KP_XOR, SN_I32, k[0], k[1]), whole(r, SN_I32, 0x1bd11bda));
    for (int i = 0; i < 2; i++) x[i] = kn_prim2(b, KP_ADD, SN_I32, x[i], k[i]);
    for (int i = 0; i < 20; i++) {
        x[0] = kn_prim2(b, KP_ADD, SN_I32, x[0], x[1]);
        kn_id left = kn_prim2(b, KP_SHL, SN_I32, x[1], whole(r, SN_I32, rotation[i % 8]));
        kn_id right = kn_prim2(b, KP_LSHR, SN_I32, x[1], whole(r, SN_I32, 32 - rotation[i % 8]));
        x[1] = kn_prim2(b, KP_XOR, SN_I32, kn_prim2(b, KP_OR, SN_I32, left, right), x[0]);
        if (i % 4 != 3) continue;
        int s = i / 4 + 1;
        kn_id next = kn_prim2(b, KP_ADD, SN_I32, k[(s + 1) % 3], whole(r, SN_I32, s));
        x[0] = kn_prim2(b, KP_ADD, SN_I32, x[0], k[s % 3]);
        x[1] = kn_prim2(b, KP_ADD, SN_I32, x[1], next);
    }
    if (r->type != SN_I64) return r->type == SN_I32 ? x[0] : kn_prim1(b, KP_CAST, r->type, x[0]);
    kn_id low = kn_prim2(b, KP_AND, SN_I64, kn_prim1(b, KP_CAST, SN_I64, x[0]), whole(r, SN_I64, UINT32_MAX));
    kn_id high = kn_prim2(b, KP_SHL, SN_I64, kn_prim1(b, KP_CAST, SN_I64, x[1]), whole(r, SN_I64, 32));
    return kn_prim2(b, KP_OR, SN_I64, high, low);
}

static kn_id (*const rules[IR_OP_COUNT])(const rule *) = {
#define IR_EWISE(UC, lc, operands, types, result, cost, domain, ulp, flags, real, whole, doc) [IR_##UC] = lower_##lc,
#define IR_OP(UC, lc, doc)
#include "ir/ops.def"
};

kn_prim lw_fold_prim(ir_op op) {
    if (op == IR_PROD) return KP_MUL;
    if (op == IR_RMAX) return KP_MAX;
    if (op == IR_RMIN) return KP_MIN;
    if (op == IR_ARGMAX) return KP_ARGMAX;
    if (op == IR_ARGMIN) return KP_ARGMIN;
    return KP_ADD; /* SUM, MATMUL */
}

/* Floating constants of the user's are launch scalars, so that a changed learning rate is no other kernel; the few that
 * rules and gradients bring along are part of the code. */
kn_id lw_constant(lw_part *p, sn_dtype dtype, uint64_t bits) {
    static const double baked[] = {0, 1, -1, 2, 0.5};
    kn_build *b = &p->launch->b;
    if (base_is_half(dtype)) bits = base_float_bits(SN_F32, base_float_value(dtype, bits));
    dtype = base_register_type(dtype);
    int bake = !base_is_float(dtype);
    for (size_t i = 0; i < sizeof baked / sizeof *baked; i++) bake |= bits == kn_bits_of(dtype, baked[i]);
    if (bake) return kn_const_bits(b, dtype, bits);
    lw_launch *l = p->launch;
    uint32_t slot = 0;
    while (slot < l->scalar.n && l->scalar.at[slot] != bits) slot++;
    if (slot == l->scalar.n) *base_vec_push(&l->scalar, p->s->arena) = bits;
    b->n_scalar = (uint16_t)l->scalar.n;
    return kn_scalar(b, dtype, slot);
}

static kn_id operand(lw_part *p, ir_id v, uint32_t k) {
    if (!p->s->node[v].edge[k].pointwise) return lw_load_operand(p, v, k);
    return lw_value(p, ir_at(p->s->g, v)->in[k]);
}

/* a product taken into an FMA: x * y + z with one rounding. sign: of the product. */
static kn_id fused(lw_part *p, ir_id product, kn_id z, int negate) {
    kn_build *b = &p->launch->b;
    const ir_node *n = ir_at(p->s->g, product);
    sn_dtype type = lw_type(p, product);
    kn_id x = operand(p, product, 0), y = n->op == IR_SQUARE ? x : operand(p, product, 1);
    if (negate) x = kn_prim1(b, KP_NEG, type, x);
    return kn_prim3(b, KP_FMA, type, x, y, z);
}

/* An f64 as the f32 from which rounding to fewer digits gives what rounding once would: towards zero, and odd where
 * something was lost. */
static kn_id to_odd(kn_build *b, kn_id x) {
    kn_id near = kn_prim1(b, KP_CAST, SN_F32, x), back = kn_prim1(b, KP_CAST, SN_F64, near);
    kn_id size = kn_prim1(b, KP_ABS, SN_F64, x), beyond = kn_prim1(b, KP_ABS, SN_F64, back);
    beyond = kn_prim2(b, KP_LT, SN_BOOL, size, beyond);
    kn_id lost = kn_prim2(b, KP_NE, SN_BOOL, back, x), bits = kn_prim1(b, KP_BITCAST, SN_I32, near);
    bits = kn_prim2(b, KP_SUB, SN_I32, bits, kn_prim1(b, KP_CAST, SN_I32, beyond));
    bits = kn_prim2(b, KP_OR, SN_I32, bits, kn_prim1(b, KP_CAST, SN_I32, lost));
    return kn_prim1(b, KP_BITCAST, SN_F32, bits);
}

/* An i64 as one that an f64 holds and that rounds to bf16 alike: where there are more than 53 bits, the lowest eleven
 * become the highest of them, set if any is. (f16 has no numbers so large.) */
static kn_id to_53_bits(kn_build *b, kn_id x) {
    enum { LOST = 11 };
    const int64_t mask = ((int64_t)1 << LOST) - 1;
    kn_id rest = kn_prim2(b, KP_AND, SN_I64, x, kn_const_i(b, SN_I64, mask));
    rest = kn_prim2(b, KP_NE, SN_BOOL, rest, kn_const_i(b, SN_I64, 0));
    rest = kn_prim2(b, KP_SHL, SN_I64, kn_prim1(b, KP_CAST, SN_I64, rest), kn_const_i(b, SN_I64, LOST - 1));
    kn_id cut = kn_prim2(b, KP_OR, SN_I64, kn_prim2(b, KP_AND, SN_I64, x, kn_const_i(b, SN_I64, ~mask)), rest);
    kn_id sign = kn_prim2(b, KP_SHR, SN_I64, x, kn_const_i(b, SN_I64, 63));
    kn_id high = kn_prim2(b, KP_SHR, SN_I64, x, kn_const_i(b, SN_I64, 53));
    return kn_prim3(b, KP_SELECT, SN_I64, kn_prim2(b, KP_EQ, SN_BOOL, high, sign), x, cut);
}

/* Values of f16 and bf16 are rounded by casts alone, and where they are stored; of u8 and bool they have all. */
static kn_id cast(lw_part *p, ir_id v, kn_id x) {
    kn_build *b = &p->launch->b;
    const ir_node *n = ir_at(p->s->g, v), *from = ir_at(p->s->g, n->in[0]);
    sn_dtype type = lw_type(p, v), wide = lw_type(p, n->in[0]);
    if (n->dtype == SN_BF16 && wide == SN_I64) x = to_53_bits(b, x);
    if (base_is_half((sn_dtype)n->dtype) && (wide == SN_I32 || wide == SN_I64))
        x = kn_prim1(b, KP_CAST, wide = SN_F64, x);
    if (base_is_half((sn_dtype)n->dtype) && wide == SN_F64)
        x = to_odd(b, x);
    else if (wide != type)
        x = kn_prim1(b, KP_CAST, type, x);
    int has_all = from->dtype == n->dtype || from->dtype == SN_U8 || from->dtype == SN_BOOL;
    return has_all ? x : kn_round(b, (sn_dtype)n->dtype, x);
}

kn_id lw_ewise(lw_part *p, ir_id v) {
    const ir_node *n = ir_at(p->s->g, v);
    kn_build *b = &p->launch->b;
    sn_dtype type = lw_type(p, v);
    if (n->op == IR_ADD || n->op == IR_SUB) {
        int right = p->item[n->in[1]].absorbed && p->s->node[v].edge[1].pointwise;
        int left = !right && p->item[n->in[0]].absorbed && p->s->node[v].edge[0].pointwise;
        if (right) return fused(p, n->in[1], operand(p, v, 0), n->op == IR_SUB);
        if (left) {
            kn_id z = operand(p, v, 1);
            if (n->op == IR_SUB) z = kn_prim1(b, KP_NEG, type, z);
            return fused(p, n->in[0], z, 0);
        }
    }
    rule r = {.p = p, .b = b, .node = v};
    for (uint32_t k = 0; k < n->n_in; k++) r.x[k] = operand(p, v, k);
    r.type = lw_type(p, n->in[0]);
    if (n->op == IR_CAST) return cast(p, v, r.x[0]);
    if (n->op == IR_SELECT) return kn_prim3(b, KP_SELECT, type, r.x[0], r.x[1], r.x[2]);
    return rules[n->op](&r);
}
