/* What is rare. Functions that have two texts, one for usual arguments, which has no branch and notes in a variable
 * whether there was another one, and one for all: in goes a run of instructions of one place, out come their texts. The
 * usual ones come first, of several functions and of whatever stands between them; behind the last function and what
 * does not need it (loads that follow, so that they are not held up) is one branch to the other texts, of the functions
 * and of what hangs on them. So a thread asks once for all of its elements, and all before that moves freely. Sums that
 * go on from round to round, stores and threads that tell each other cannot be done again: there a run is cut. */
#include <string.h>

#include "jit_gpu/cuda_emit.h"

enum {
    SPAN = 24, /* instructions from the first function to the last: what they need is kept until the branch .. */
    MOST = 16  /* .. in registers, each for so many elements at most */
};

/* For many elements the compiler's quotients and roots, one after the other, need fewer registers. */
static int has_two(ce *e, kn_id i) {
    const kn_inst *in = &e->k->inst[i];
    if (in->kind != KI_PRIM || ce_is_shared(e, i) || !ce_has_rare(e, (kn_prim)in->prim, (sn_dtype)in->type)) return 0;
    return kn_prims[in->prim].is_maths || ce_elements(e, in->over) <= MOST;
}

/* May the text of the instruction stand twice? */
static int is_pure(const ce *e, kn_id i) {
    const kn_inst *in = &e->k->inst[i];
    if (in->kind == KI_FOLD) return !kn_is_point_fold(in) && !kn_is_loop_fold(e->k, in);
    return in->kind != KI_LOAD && in->kind != KI_STORE && !ce_is_shared(e, i);
}

static int hangs_on_rare(const ce *e, kn_id i) {
    kn_id operand[5];
    for (int n = kn_operands(e->k, &e->k->inst[i], operand); n-- > 0;)
        if (e->again[operand[n]]) return 1;
    return 0;
}

/* The compiler's own division or root is as short for one value alone. */
static int is_alone(ce *e, kn_id i) {
    const kn_inst *in = &e->k->inst[i];
    return !kn_prims[in->prim].is_maths && !*ce_dims(e, in->over, 1);
}

/* Marks what is done again, from a function on; returns how many instructions come before the branch. 0: none is worth
 * one. */
static uint32_t find_again(ce *e, const kn_id *ids, uint32_t n) {
    uint32_t last = 0, end = 1;
    int several = 0;
    for (uint32_t j = 0; j < n && j < SPAN; j++) {
        int hangs = hangs_on_rare(e, ids[j]), two = has_two(e, ids[j]);
        if (!is_pure(e, ids[j]) && (hangs || e->k->inst[ids[j]].kind != KI_LOAD)) break;
        e->again[ids[j]] = (uint8_t)(hangs || two);
        if (two) last = j, several |= j > 0;
        end = j + 1;
    }
    while (end > last + 1) e->again[ids[--end]] = 0;
    if (!several && is_alone(e, ids[0])) {
        e->again[ids[0]] = 0;
        return 0;
    }
    while (end < n && !hangs_on_rare(e, ids[end]) &&
           (e->k->inst[ids[end]].kind == KI_LOAD || (is_pure(e, ids[end]) && !has_two(e, ids[end]))))
        end++;
    return end;
}

/* The condition that this thread's lanes are there: those that are not may hold zeros, and 0 / 0 is rare. */
static const char *of_present(ce *e) {
    if (!e->even || e->lane_axis == KN_NONE || (e->mode == CE_LOOP_LANES && e->ilp > 1)) return "";
    const char *present = ce_present(e, ce_bit(e->lane_axis), 0);
    return present ? ce_text(e, " && %s", present) : "";
}

void ce_run(ce *e, const kn_id *ids, uint32_t n) {
    for (uint32_t i = 0, end; i < n; i = end) {
        end = i + 1;
        uint32_t together = has_two(e, ids[i]) ? find_again(e, ids + i, n - i) : 0;
        if (!together) {
            ce_instruction(e, ids[i], 0);
            continue;
        }
        end = i + together;
        e->rare = ce_text(e, "rare%u", ids[i]);
        ce_line(e, "bool %s = false;", e->rare);
        int lanes = 0;
        for (uint32_t j = i; j < end; j++) {
            ce_instruction(e, ids[j], 0);
            if (e->again[ids[j]]) lanes |= e->lane_axis != KN_NONE && e->k->inst[ids[j]].over & ce_bit(e->lane_axis);
        }
        ce_line(e, "if (%s%s) {", e->rare, lanes ? of_present(e) : "");
        e->rare = NULL;
        e->depth++;
        for (uint32_t j = i; j < end; j++)
            if (e->again[ids[j]]) ce_instruction(e, ids[j], 1);
        ce_close(e);
        for (uint32_t j = i; j < end; j++) e->again[ids[j]] = 0;
    }
}
