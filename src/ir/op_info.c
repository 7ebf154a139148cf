/* The facts of ops.def as a table indexed by operator. */
#include "ir/graph.h"

/* What the bare words in the rows stand for. */
enum { SAME = 0, BOOL = 1 };
enum { COMMUTES = IR_COMMUTES, NOGRAD = IR_NOGRAD };
enum {
    TYPES_F = IR_T_F,
    TYPES_I = IR_T_I,
    TYPES_FI = IR_T_F | IR_T_I,
    TYPES_IB = IR_T_I | IR_T_B,
    TYPES_FIB = IR_T_F | IR_T_I | IR_T_B,
};

/* Class and operand count of the rows that are neither IR_EWISE nor IR_REDUCE. */
#define IS_LEAF(op)  ((op) == IR_INPUT || (op) == IR_VAR || (op) == IR_CONST || (op) == IR_IOTA || (op) == IR_DIM_VALUE)
#define IS_EWISE(op) ((op) == IR_CAST || (op) == IR_SELECT)

const ir_op_info ir_ops[IR_OP_COUNT] = {
    [IR_POISON] = {.name = "poison", .cls = IR_CLASS_LEAF, .doc = "stands for an expression that could not be built"},
#define IR_OP(UC, lc, text)                                                                                            \
    [IR_##UC] = {                                                                                                      \
        .name = #lc,                                                                                                   \
        .cls = IS_LEAF(IR_##UC)    ? IR_CLASS_LEAF                                                                     \
               : IS_EWISE(IR_##UC) ? IR_CLASS_EWISE                                                                    \
                                   : IR_CLASS_OTHER,                                                                   \
        .n_operands = IR_##UC == IR_SELECT ? 3                                                                         \
                      : IR_##UC == IR_CAST ? 1                                                                         \
                                           : 0,                                                                        \
        .types = IS_EWISE(IR_##UC) ? TYPES_FIB : 0,                                                                    \
        .cost = IS_EWISE(IR_##UC) ? 1 : 0,                                                                             \
        .domain = IR_DOM_ANY,                                                                                          \
        .ulp = IR_##UC == IR_CAST ? 0.5f : 0,                                                                          \
        .doc = text,                                                                                                   \
    },
#define IR_EWISE(UC, lc, operands, typeset, result, work, dom, bound, facts, real, whole, text)                        \
    [IR_##UC] = {                                                                                                      \
        .name = #lc,                                                                                                   \
        .cls = IR_CLASS_EWISE,                                                                                         \
        .n_operands = operands,                                                                                        \
        .types = TYPES_##typeset,                                                                                      \
        .to_bool = result,                                                                                             \
        .cost = work,                                                                                                  \
        .domain = IR_DOM_##dom,                                                                                        \
        .flags = facts,                                                                                                \
        .ulp = (float)(bound),                                                                                         \
        .doc = text,                                                                                                   \
    },
#define IR_REDUCE(UC, lc, typeset, text)                                                                               \
    [IR_##UC] = {                                                                                                      \
        .name = #lc,                                                                                                   \
        .cls = IR_CLASS_REDUCE,                                                                                        \
        .n_operands = 1,                                                                                               \
        .types = TYPES_##typeset,                                                                                      \
        .cost = 1,                                                                                                     \
        .domain = IR_DOM_ANY,                                                                                          \
        .doc = text,                                                                                                   \
    },
#include "ir/ops.def"
};

int ir_type_in(uint8_t types, sn_dtype dtype) {
    switch (dtype) {
        case SN_F64:
        case SN_F32:
        case SN_F16:
        case SN_BF16: return (types & IR_T_F) != 0;
        case SN_I64:
        case SN_I32:
        case SN_U8: return (types & IR_T_I) != 0;
        case SN_BOOL: return (types & IR_T_B) != 0;
        default: return 0;
    }
}
