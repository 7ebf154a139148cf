/* Where each instruction of a part runs: once per chunk, at the tile's points before or after the loops of its phase,
 * or inside of them. It is what follows from the axes an instruction varies over (ir/kernel.h); code generators share
 * it. */
#include "ir/kernel.h"

static uint32_t bit(kn_id axis) { return axis == KN_NONE ? 0 : 1u << axis; }

int kn_is_point_fold(const kn_inst *inst) { return inst->kind == KI_FOLD && inst->acc != KN_NONE; }

int kn_is_loop_fold(const kn_kernel *k, const kn_inst *inst) {
    return inst->kind == KI_FOLD && inst->acc == KN_NONE && (inst->fold & kn_axes_with(k, KN_LOOP));
}

int kn_operands(const kn_kernel *k, const kn_inst *inst, kn_id operand[5]) {
    int n = 0;
    for (int i = 0; i < 3; i++)
        if (inst->a[i] != KN_NONE) operand[n++] = inst->a[i];
    if (inst->acc == KN_NONE) return n;
    const kn_access *access = &k->access[inst->acc];
    if (access->ix != KN_NONE) operand[n++] = access->ix;
    if (access->guard != KN_NONE) operand[n++] = access->guard;
    return n;
}

/* The same value for all tiles of a chunk, and no later part of the tile may change it. */
static int is_chunk_level(const kn_kernel *k, const kn_place *place, kn_id id) {
    const kn_inst *in = &k->inst[id];
    if (place[id].axes & ~kn_axes_with(k, KN_UNROLL)) return 0;
    if (in->kind == KI_STORE) return 0;
    if (in->kind == KI_LOAD && k->mem[k->access[in->acc].mem].space != KN_IN) return 0;
    kn_id operand[5];
    for (int n = kn_operands(k, in, operand); n-- > 0;)
        if (place[operand[n]].level != KN_AT_CHUNK && !place[operand[n]].at_entry) return 0;
    return 1;
}

static void place_one(const kn_kernel *k, const kn_phase *phase, kn_place *place, kn_id id) {
    const kn_inst *in = &k->inst[id];
    kn_place *at = &place[id];
    *at = (kn_place){
        .axes = in->over | (in->fold & ~kn_axes_with(k, KN_UNROLL)), .level = KN_AT_POINT, .at_entry = phase->at_entry};
    if (!phase->at_entry && is_chunk_level(k, place, id)) {
        at->level = KN_AT_CHUNK;
        return;
    }
    for (int8_t l = 0; l < phase->n_loop; l++)
        if (at->axes & bit(phase->loop[l])) at->level = (int8_t)(l + 1);
    kn_id operand[5];
    for (int n = kn_operands(k, in, operand); n-- > 0;)
        if (operand[n] >= phase->first && (place[operand[n]].after || kn_is_loop_fold(k, &k->inst[operand[n]])))
            at->after = 1;
}

void kn_place_part(const kn_kernel *k, const kn_part *part, kn_place *place) {
    for (uint32_t p = part->first_phase; p < part->end_phase; p++) {
        const kn_phase *phase = &k->phase[p];
        for (kn_id i = phase->first; i < phase->end; i++) place_one(k, phase, place, i);
    }
}
