/* interp_plan.h: what the interpreter works out about a kernel before it runs (interp_plan.c) and uses while it does
 * (interp_run.c, interp_fold.c). */
#ifndef BACKEND_INTERP_PLAN_H
#define BACKEND_INTERP_PLAN_H

#include "backend/interp.h"

/* Values are kept in slots of 8 bytes. An instruction has [copies][rows][cols] of them: copies by unrolling; rows is
 * the tile where it varies over the last point axis, else 1; cols is the phase's block of innermost loop indices where
 * it varies over that loop, else 1. */
enum { OPERAND_IX = 3, OPERAND_GUARD = 4, N_OPERANDS = 5 };

typedef struct {
    uint32_t slot;
    uint32_t copies, rows, cols;
    uint32_t folded;         /* copies of the operands that go into one: more than 1 for folds over unroll axes */
    uint32_t acc;            /* first accumulator: [copies][rows][ilp * width], or [copies][tile] for points; those of
                                pairs are indices, and behind all of these as many values */
    uint32_t axes;           /* unroll axes of the copies */
    uint8_t from;            /* sn_dtype of the first operand */
    const uint32_t *operand; /* [copies][folded][N_OPERANDS]: slots */
    uint32_t row_step[N_OPERANDS], col_step[N_OPERANDS];
} interp_inst;

typedef struct {
    uint32_t block;     /* innermost loop indices done at a time */
    uint32_t lanes_ilp; /* accumulators of a fold over the loops */
    const kn_id *order; /* instructions by level: before the nest, inside of loop 0, .., after the nest */
    uint32_t level[KN_MAX_NEST + 3];
} interp_phase;

/* An access for the dims of a launch. */
typedef struct {
    int64_t base, ix_step, step[KN_MAX_NEST];
} interp_access;

struct interp_plan {
    const kn_kernel *k;
    uint32_t unroll_axes;
    interp_inst *inst;
    interp_phase *phase;
    uint64_t *value, *acc;
    /* of the launch */
    interp_access *access;
    int64_t *count;       /* elements of each memory */
    unsigned char **data; /* PART: of the present chunk */
    int64_t *extent;      /* of each axis */
};

#endif
