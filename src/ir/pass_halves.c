/* What kernels and libraries do not do in f16 and bf16 becomes f32 between casts. In: operators whose results are of
 * such a type; out: the same in f32, rounded where it is read.
 *
 * Sums by id accumulate in memory and would round each time. Large matrix products are calls of a library, which on the
 * CPU has none for these types, and on a GPU has; the casts of operands and result become part of the kernels around
 * them. Small products and all other folds accumulate in registers, which are f32 anyway, and recurrences in a memory
 * of their own. */
#include "ir/fuse.h"
#include "ir/pass.h"

static ir_id cast(const ir_rewrite *rw, ir_id id, sn_dtype dtype) {
    ir_node like = *ir_at(rw->g, id);
    like.dtype = (uint8_t)dtype;
    return ir_make_unary(rw->g, &like, IR_CAST, id);
}

/* The same operator in f32, its first operand cast if `first` says so. */
static ir_id in_f32(const ir_rewrite *rw, const ir_node *n, int first) {
    ir_node wide = *n;
    ir_id in[2] = {n->in[0], n->in[1]};
    for (int i = !first; i < 2; i++) in[i] = cast(rw, in[i], SN_F32);
    wide.dtype = SN_F32;
    wide.in = in;
    return cast(rw, ir_intern(rw->g, &wide), (sn_dtype)n->dtype);
}

static ir_id scatter_in_f32(const ir_rewrite *rw, const ir_node *n) {
    return n->op == IR_SCATTER_ADD && base_is_half((sn_dtype)n->dtype) ? in_f32(rw, n, 0) : 0;
}

static ir_id product_in_f32(const ir_rewrite *rw, const ir_node *n) {
    if (n->op != IR_MATMUL || !base_is_half((sn_dtype)n->dtype) || !fu_uses_blas(rw->g, n, NULL)) return 0;
    return in_f32(rw, n, 1);
}

static const ir_rule rules[] = {
    {"scatter_in_f32", scatter_in_f32, "scatter_add of f16 and bf16 adds in f32"},
    {"product_in_f32", product_in_f32, "a large matmul of f16 or bf16 is one of f32, on the CPU"},
};

static const ir_pass halves = {"halves", sizeof rules / sizeof *rules, rules};
static const ir_pass sums_of_halves = {"halves", 1, rules}; /* the first rule alone */

const ir_pass *ir_pass_last(kn_machine machine) { return machine == KN_FOR_GPU ? &sums_of_halves : &halves; }
