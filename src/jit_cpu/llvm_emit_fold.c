/* Folds, in the order of ir/kernel.h, which decides the bits.
 *
 * Accumulators are allocas that the sroa pass turns into registers: [instance][u] for folds over loops, [instance][r]
 * for folds over points. Lanes and copies that are absent keep their accumulator, which is what combining with the
 * identity would give. Folds over points whose access has LOOP axes accumulate in the chunk's partial memory instead.
 */
#include "jit_cpu/llvm_emit.h"

int em_is_point_fold(const kn_inst *in) { return in->kind == KI_FOLD && in->acc != KN_NONE; }

static uint32_t axes_with(const em *e, kn_role role) {
    uint32_t axes = 0;
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (e->k->axis[a].role == role) axes |= 1u << a;
    return axes;
}

int em_is_loop_fold(const em *e, const kn_inst *in) {
    return in->kind == KI_FOLD && in->acc == KN_NONE && (in->fold & axes_with(e, KN_LOOP));
}

/* ---- steps ---------------------------------------------------------------------------------------------------------
 */

/* op(acc, x), or x * y + acc. */
static LLVMValueRef step(em *e, const kn_inst *in, LLVMValueRef acc, LLVMValueRef x, LLVMValueRef y) {
    if (in->prim != KP_FMA) return em_prim2(e, (kn_prim)in->prim, (sn_dtype)in->type, acc, x);
    LLVMValueRef v[3] = {x, y, acc};
    return em_prim(e, KP_FMA, (sn_dtype)in->type, (sn_dtype)in->type, v, 0);
}

/* op of two accumulators. */
static LLVMValueRef combine(em *e, const kn_inst *in, LLVMValueRef a, LLVMValueRef b) {
    return em_prim2(e, in->prim == KP_FMA ? KP_ADD : (kn_prim)in->prim, (sn_dtype)in->type, a, b);
}

static LLVMValueRef operand(em *e, const kn_inst *in, int i, const em_at *at, uint32_t lanes) {
    return in->a[i] == KN_NONE ? NULL : em_get(e, in->a[i], at, lanes);
}

static LLVMValueRef identity(em *e, const kn_inst *in, uint32_t lanes) {
    uint64_t bits = kn_identity((kn_prim)in->prim, (sn_dtype)in->type);
    return em_splat(e, em_const(e, (sn_dtype)in->type, bits), lanes);
}

/* mask ? yes : no; mask NULL is true, and one i1 may stand for all lanes. */
static LLVMValueRef choose(em *e, LLVMValueRef mask, LLVMValueRef yes, LLVMValueRef no, uint32_t lanes) {
    if (!mask) return yes;
    if (LLVMGetTypeKind(LLVMTypeOf(mask)) != LLVMVectorTypeKind) mask = em_splat(e, mask, lanes);
    return LLVMBuildSelect(e->b, mask, yes, no, "");
}

/* Lane l with lane l + lanes / 2, and so on until one is left. */
static LLVMValueRef combine_lanes(em *e, const kn_inst *in, LLVMValueRef v, uint32_t lanes) {
    for (lanes /= 2; lanes; lanes /= 2)
        v = combine(e, in, em_lanes_from(e, v, 0, lanes), em_lanes_from(e, v, lanes, lanes));
    return v;
}

static LLVMValueRef *new_accumulators(em *e, const kn_inst *in, uint32_t n, uint32_t lanes) {
    LLVMValueRef *acc = ARENA_ARRAY(e->arena, LLVMValueRef, n), start = identity(e, in, lanes);
    for (uint32_t i = 0; i < n; i++) {
        acc[i] = em_alloca(e, LLVMTypeOf(start), "acc");
        LLVMBuildStore(e->b, start, acc[i]);
    }
    return acc;
}

static LLVMValueRef read_acc(em *e, LLVMValueRef acc) {
    return LLVMBuildLoad2(e->b, LLVMGetAllocatedType(acc), acc, "");
}

/* ---- over UNROLL axes ----------------------------------------------------------------------------------------------
 */

void em_emit_unroll_fold(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_unroll(e, inst);
        return;
    }
    uint32_t lanes = em_lanes(e, in->over);
    em_value *v = em_new_value(e, inst, in->over, lanes);
    em_at at = {0};
    do {
        em_at one = at;
        LLVMValueRef x = operand(e, in, 0, &one, lanes), y = operand(e, in, 1, &one, lanes);
        LLVMValueRef acc = in->prim == KP_FMA ? em_prim2(e, KP_MUL, (sn_dtype)in->type, x, y) : x;
        while (em_next_unroll(e, in->fold, &one))
            acc = step(e, in, acc, operand(e, in, 0, &one, lanes), operand(e, in, 1, &one, lanes));
        v->at[at.slot] = acc;
    } while (em_next(e, in->over, &at));
}

/* ---- over LOOP axes ------------------------------------------------------------------------------------------------
 */

static uint32_t loop_fold_lanes(const em *e, const kn_inst *in) {
    return e->mode == EM_LOOP_LANES ? e->width : em_lanes(e, in->over);
}

void em_loop_fold_begin(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_loop_begin(e, inst);
        return;
    }
    e->acc[inst] = new_accumulators(e, in, em_instances(e, in->over) * e->ilp, loop_fold_lanes(e, in));
}

void em_loop_fold_step(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_loop_step(e, inst);
        return;
    }
    uint32_t lanes = loop_fold_lanes(e, in);
    em_at at = {0};
    do {
        for (uint32_t u = 0; u < e->ilp; u++) {
            em_at one = at;
            one.u = u;
            LLVMValueRef slot = e->acc[inst][at.slot * e->ilp + u], old = read_acc(e, slot), acc = old;
            do acc = step(e, in, acc, operand(e, in, 0, &one, lanes), operand(e, in, 1, &one, lanes));
            while (em_next_unroll(e, in->fold, &one));
            LLVMValueRef present = e->mode == EM_LOOP_LANES ? e->loop_mask[u] : e->loop_present[u];
            LLVMBuildStore(e->b, choose(e, present, acc, old, lanes), slot);
        }
    } while (em_next(e, in->over, &at));
}

void em_loop_fold_end(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_loop_end(e, inst);
        return;
    }
    em_value *v = em_new_value(e, inst, in->over, em_lanes(e, in->over));
    em_at at = {0};
    do {
        LLVMValueRef acc[KN_MAX_ILP] = {0};
        for (uint32_t u = 0; u < e->ilp; u++) acc[u] = read_acc(e, e->acc[inst][at.slot * e->ilp + u]);
        for (uint32_t n = e->ilp; n > 1; n /= 2)
            for (uint32_t u = 0; u < n / 2; u++) acc[u] = combine(e, in, acc[2 * u], acc[2 * u + 1]);
        v->at[at.slot] = e->mode == EM_LOOP_LANES ? combine_lanes(e, in, acc[0], e->width) : acc[0];
    } while (em_next(e, in->over, &at));
}

/* ---- over POINT axes -----------------------------------------------------------------------------------------------
 */

/* Does it accumulate in registers? */
static int in_registers(const em *e, const kn_inst *in) {
    return !(em_access_axes(e, in->acc) & axes_with(e, KN_LOOP));
}

void em_fill_partials(em *e, kn_id access, LLVMValueRef value) {
    const kn_access *a = &e->k->access[access];
    const kn_mem *mem = &e->k->mem[a->mem];
    sn_dtype store = (sn_dtype)mem->store;
    LLVMValueRef n = em_size(e, mem->count), start = em_i64(e, 0);
    LLVMTypeRef type = em_memory_type(e, store);
    if (store == SN_BOOL) value = LLVMBuildZExt(e->b, value, e->i8, "");
    for (uint32_t lanes = 16; lanes; lanes = lanes > 1 ? 1 : 0) { /* vectors, then what is left */
        LLVMValueRef end = LLVMBuildAnd(e->b, n, em_i64(e, -(int64_t)lanes), "");
        em_loop loop = em_loop_begin(e, "fill", start, end, em_i64(e, lanes));
        LLVMValueRef p = LLVMBuildGEP2(e->b, type, e->mem[a->mem], &loop.index, 1, "");
        LLVMSetAlignment(LLVMBuildStore(e->b, em_splat(e, value, lanes), p), (unsigned)sn_dtype_size(store));
        em_loop_end(e, &loop);
        start = end;
    }
}

/* Accumulators in registers: [instance][place in the tile], or one of as many lanes. */
static uint32_t places(const em *e) { return e->mode == EM_POINT_LANES ? 1 : e->part->tile; }
static uint32_t point_lanes(const em *e) { return e->mode == EM_POINT_LANES ? e->part->tile : 1; }

void em_point_fold_begin(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_point_begin(e, inst);
        return;
    }
    if (in_registers(e, in))
        e->acc[inst] = new_accumulators(e, in, em_instances(e, in->over) * places(e), point_lanes(e));
    else
        em_fill_partials(e, in->acc, identity(e, in, 1));
}

/* Accumulator [r] takes the point in place r. */
static void step_registers(em *e, kn_id inst, const kn_inst *in) {
    uint32_t lanes = point_lanes(e);
    em_at at = {0};
    do {
        for (uint32_t r = 0; r < e->copies; r++) {
            em_at one = at;
            one.r = r;
            LLVMValueRef present = lanes > 1 ? e->tile_mask : e->tile_present[r];
            LLVMValueRef slot = e->acc[inst][at.slot * places(e) + r], acc = read_acc(e, slot);
            LLVMValueRef next = step(e, in, acc, operand(e, in, 0, &one, lanes), operand(e, in, 1, &one, lanes));
            LLVMBuildStore(e->b, choose(e, present, next, acc, lanes), slot);
        }
    } while (em_next(e, in->over, &at));
}

/* Copies: the points of the tile one after the other into the element. Point lanes of one point are a copy here, but
 * multiply before they add, as all point lanes do. */
static LLVMValueRef step_copies(em *e, const kn_inst *in, LLVMValueRef acc, const em_at *at, uint32_t lanes) {
    int first = in->prim == KP_FMA && e->phase->lanes != KN_NONE && e->phase->lanes == e->last_point;
    em_at one = *at;
    for (one.r = 0; one.r < e->copies; one.r++) {
        LLVMValueRef x = operand(e, in, 0, &one, lanes), y = operand(e, in, 1, &one, lanes);
        LLVMValueRef next =
            first ? combine(e, in, acc, em_prim2(e, KP_MUL, (sn_dtype)in->type, x, y)) : step(e, in, acc, x, y);
        acc = choose(e, e->tile_present[one.r], next, acc, lanes);
    }
    return acc;
}

/* Point lanes: the tile's values combined, then into the element. */
static LLVMValueRef step_tile(em *e, const kn_inst *in, LLVMValueRef acc, const em_at *at) {
    uint32_t lanes = e->part->tile;
    LLVMValueRef x = operand(e, in, 0, at, lanes);
    if (in->prim == KP_FMA) x = em_prim2(e, KP_MUL, (sn_dtype)in->type, x, operand(e, in, 1, at, lanes));
    x = choose(e, e->tile_mask, x, identity(e, in, lanes), lanes);
    return combine(e, in, acc, combine_lanes(e, in, x, lanes));
}

void em_point_fold_step(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_point_step(e, inst);
        return;
    }
    if (in_registers(e, in)) {
        step_registers(e, inst, in);
        return;
    }
    uint32_t lanes = e->mode == EM_LOOP_LANES ? em_lanes(e, in->over) : 1;
    int is_tile_lanes = e->last_point != KN_NONE && e->phase->lanes == e->last_point; /* of one lane, too */
    LLVMValueRef *sum = ARENA_ARRAY(e->arena, LLVMValueRef, em_instances(e, in->over));
    em_at at = {0};
    em_load_all(e, in->acc, in->over, lanes, sum);
    do {
        LLVMValueRef acc = sum[at.slot];
        sum[at.slot] = is_tile_lanes ? step_tile(e, in, acc, &at) : step_copies(e, in, acc, &at, lanes);
    } while (em_next(e, in->over, &at));
    em_store_all(e, in->acc, in->over, lanes, sum);
}

void em_point_fold_end(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_point_end(e, inst);
        return;
    }
    if (!in_registers(e, in)) return;
    em_aim(e, inst, (kn_id)(inst + 1), EM_AT_POINT);
    em_at at = {0};
    do {
        LLVMValueRef acc[EM_MAX_WIDTH] = {0};
        for (uint32_t r = 0; r < places(e); r++) acc[r] = read_acc(e, e->acc[inst][at.slot * places(e) + r]);
        for (uint32_t n = places(e); n > 1; n /= 2)
            for (uint32_t r = 0; r < n / 2; r++) acc[r] = combine(e, in, acc[r], acc[r + n / 2]);
        LLVMValueRef value = combine_lanes(e, in, acc[0], point_lanes(e));
        em_store(e, in->acc, &at, 1, value);
    } while (em_next(e, in->over, &at));
}
