/* Accesses: pointers, loads and stores.
 *
 * The pointer of an access is kept current with the loops around it: em_aim starts from the memory and adds the point
 * axes, em_aim_loop adds one loop axis; what differs between the instances in one round (UNROLL indices, u) are
 * displacements, mostly constants that end up in the addressing mode. So no address is computed further inside than it
 * varies.
 *
 * Along the lane axis an access is contiguous (a vector load), a small power of two apart with an UNROLL axis filling
 * the gaps (wide load and shuffle), or anything else (gather). AVX-512 gathers and scatters natively what has 4 or 8
 * bytes; elsewhere lanes are loaded one by one, those that are masked from a zero on the stack: no branch, no call. */
#include "base/floats.h"
#include "jit_cpu/llvm_emit.h"

#include <string.h>

static kn_role role_of(const em *e, kn_id axis) { return (kn_role)e->k->axis[axis].role; }
static const kn_mem *mem_of(const em *e, const kn_access *a) { return &e->k->mem[a->mem]; }
static LLVMTypeRef type_of(em *e, const kn_access *a) { return em_memory_type(e, (sn_dtype)mem_of(e, a)->store); }
static unsigned align_of(em *e, const kn_access *a) { return (unsigned)sn_dtype_size((sn_dtype)mem_of(e, a)->store); }

uint32_t em_access_axes(const em *e, kn_id access) {
    const kn_access *a = &e->k->access[access];
    uint32_t axes = 0;
    for (uint32_t i = 0; i < a->n; i++) axes |= em_bit(a->axis[i]);
    if (a->ix != KN_NONE) axes |= e->k->inst[a->ix].over;
    if (a->guard != KN_NONE) axes |= e->k->inst[a->guard].over;
    return axes;
}

static LLVMValueRef advance(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef elements) {
    if (LLVMIsAConstantInt(elements) && LLVMConstIntGetSExtValue(elements) == 0) return p;
    return LLVMBuildGEP2(e->b, type_of(e, a), p, &elements, 1, "");
}

static LLVMValueRef times(em *e, kn_size step, LLVMValueRef index) {
    if (LLVMIsAConstantInt(index))
        return em_size(e, (kn_size){em_mul64(step.k, LLVMConstIntGetSExtValue(index)), step.dim});
    return LLVMBuildMul(e->b, em_size(e, step), index, "");
}

/* ---- pointers ---------------------------------------------------------------------------------------------------- */

/* p, advanced by the access's steps on the POINT axes. A ROW memory has the place in the tile for index. */
static LLVMValueRef add_points(em *e, const kn_access *a, LLVMValueRef p, uint32_t r) {
    int is_row = mem_of(e, a)->space == KN_ROW;
    for (uint32_t i = 0; i < a->n; i++) {
        if (role_of(e, a->axis[i]) != KN_POINT) continue;
        if (!is_row) p = advance(e, a, p, times(e, a->step[i], e->index[a->axis[i]]));
        if (a->axis[i] == e->last_point && e->copies > 1) p = advance(e, a, p, times(e, a->step[i], e->tile_offset[r]));
    }
    return p;
}

static void aim_access(em *e, kn_id acc) {
    if (acc == KN_NONE) return;
    const kn_access *a = &e->k->access[acc];
    em_pointer *p = &e->pointer[acc];
    p->nr = 1;
    for (uint32_t i = 0; i < a->n; i++)
        if (a->axis[i] == e->last_point) p->nr = e->copies;
    p->at = ARENA_ARRAY(e->arena, LLVMValueRef, p->nr);
    LLVMValueRef start = advance(e, a, e->mem[a->mem], em_size(e, a->base));
    for (uint32_t r = 0; r < p->nr; r++) p->at[r] = add_points(e, a, start, r);
}

void em_aim(em *e, kn_id first, kn_id end, int level) {
    for (kn_id id = first; id < end; id++) {
        if ((e->run[id].place.level == KN_AT_CHUNK) != (level == KN_AT_CHUNK)) continue;
        for (uint32_t n = 0; n < KN_ACCESSES; n++) aim_access(e, kn_access_at(&e->k->inst[id], n));
    }
}

static void aim_access_loop(em *e, kn_id acc, kn_id axis) {
    if (acc == KN_NONE || e->aimed[acc] == e->aim_round) return;
    e->aimed[acc] = e->aim_round;
    const kn_access *a = &e->k->access[acc];
    em_pointer *p = &e->pointer[acc];
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->axis[i] != axis) continue;
        LLVMValueRef *old = p->at, elements = times(e, a->step[i], e->index[axis]);
        p->at = ARENA_ARRAY(e->arena, LLVMValueRef, p->nr);
        for (uint32_t r = 0; r < p->nr; r++) p->at[r] = advance(e, a, old[r], elements);
    }
}

em_pointer *em_aim_loop(em *e, kn_id axis, int level) {
    em_pointer *saved = ARENA_ARRAY(e->arena, em_pointer, e->k->n_access);
    memcpy(saved, e->pointer, e->k->n_access * sizeof *saved);
    e->aim_round++;
    for (kn_id id = e->phase->first; id < e->phase->end; id++)
        for (uint32_t n = 0; n < KN_ACCESSES && e->run[id].place.level >= level; n++)
            aim_access_loop(e, kn_access_at(&e->k->inst[id], n), axis);
    for (uint32_t i = 0; i < e->n_ahead; i++) aim_access_loop(e, e->ahead[i], axis);
    return saved;
}

void em_aim_back(em *e, const em_pointer *saved) { memcpy(e->pointer, saved, e->k->n_access * sizeof *saved); }

/* ---- asking ahead --------------------------------------------------------------------------------------------------
 * A phase that only scales a row and stores it waits for the memory that it stores to, while the phase before it, which
 * computes, leaves memory idle. So the last loop before the phase of a store asks for the lines that it will write. */

/* Is the store one element after the other along the loop that both phases run? */
static int is_row_store(const em *e, const kn_phase *phase, const kn_inst *in) {
    if (in->kind != KI_STORE || e->k->mem[e->k->access[in->acc].mem].space != KN_OUT) return 0;
    if (!phase->n_loop || phase->loop[phase->n_loop - 1] != e->inner) return 0;
    const kn_access *a = &e->k->access[in->acc];
    int along = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (e->k->axis[a->axis[i]].role == KN_UNROLL) return 0;
        if (a->axis[i] == e->inner) along = a->step[i].dim == KN_NONE && a->step[i].k == 1;
        if (e->k->axis[a->axis[i]].role == KN_LOOP && a->axis[i] != e->inner) return 0;
    }
    return along && a->ix == KN_NONE && a->guard == KN_NONE;
}

void em_aim_ahead(em *e) {
    e->n_ahead = 0;
    if (e->mode != EM_LOOP_LANES || e->phase->at_entry || e->phase->n_loop != 1) return;
    const kn_phase *next = e->phase + 1, *end = e->k->phase + e->part->end_phase;
    while (next < end && !next->n_loop) next++; /* the next phase with loops */
    if (next >= end) return;
    for (kn_id i = next->first; i < next->end && e->n_ahead < EM_MAX_AHEAD; i++) {
        if (!is_row_store(e, next, &e->k->inst[i])) continue;
        e->ahead[e->n_ahead++] = e->k->inst[i].acc;
        aim_access(e, e->k->inst[i].acc);
    }
}

void em_ask_ahead(em *e) {
    LLVMValueRef how[4] = {NULL, em_i32(e, 1), em_i32(e, 3), em_i32(e, 1)}; /* to write, to stay, data */
    for (uint32_t i = 0; i < e->n_ahead; i++) {
        const kn_access *a = &e->k->access[e->ahead[i]];
        uint32_t size = (uint32_t)sn_dtype_size((sn_dtype)mem_of(e, a)->store), bytes = e->ilp * e->width * size;
        for (uint32_t r = 0; r < e->pointer[e->ahead[i]].nr; r++)
            for (uint32_t byte = 0; byte < bytes; byte += EM_LINE) {
                LLVMValueRef offset = em_i64(e, byte), p = e->pointer[e->ahead[i]].at[r];
                how[0] = LLVMBuildGEP2(e->b, e->i8, p, &offset, 1, "");
                em_intrinsic(e, "llvm.prefetch", &e->ptr, 1, how, 4);
            }
    }
}

/* Is ix or guard different from lane to lane? */
static int varies(const em *e, kn_id inst, uint32_t lanes) {
    return lanes > 1 && inst != KN_NONE && (e->k->inst[inst].over & em_bit(e->lane_axis));
}

/* Address of the instance; of its first lane. A vector ix is left out. */
LLVMValueRef em_place(em *e, kn_id acc, const em_at *at, uint32_t lanes) {
    const kn_access *a = &e->k->access[acc];
    const em_pointer *pointer = &e->pointer[acc];
    LLVMValueRef p = pointer->at[pointer->nr > 1 ? at->r : 0];
    int64_t constant = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        LLVMValueRef n;
        if (role_of(e, a->axis[i]) == KN_UNROLL)
            n = em_i64(e, at->x[a->axis[i]]);
        else if (a->axis[i] != e->inner)
            continue;
        else if (e->mode == EM_LOOP_LANES)
            n = em_i64(e, (int64_t)at->u * e->width);
        else
            n = e->loop_offset[at->u] ? e->loop_offset[at->u] : em_i64(e, at->u);
        if (a->step[i].dim == KN_NONE && LLVMIsAConstantInt(n))
            constant = em_add64(constant, em_mul64(a->step[i].k, LLVMConstIntGetSExtValue(n)));
        else
            p = advance(e, a, p, times(e, a->step[i], n));
    }
    if (a->ix != KN_NONE && !varies(e, a->ix, lanes))
        p = advance(e, a, p, times(e, a->ix_step, em_get(e, a->ix, at, 1)));
    return advance(e, a, p, em_i64(e, constant));
}

/* Elements from one lane to the next: 1 and the constant, or 0 if it takes a dim. */
static int const_lane_step(const em *e, const kn_access *a, int64_t *step) {
    *step = 0;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->axis[i] != e->lane_axis) continue;
        if (a->step[i].dim != KN_NONE) return 0;
        *step = em_add64(*step, a->step[i].k);
    }
    return 1;
}

static int is_contiguous(const em *e, const kn_access *a, uint32_t lanes) {
    int64_t step;
    return !varies(e, a->ix, lanes) && const_lane_step(e, a, &step) && step == 1;
}

/* If the lanes are 2 or 4 elements apart and an UNROLL axis of that extent fills the gaps, that axis. Then the lanes of
 * all its indices together are one stretch of memory. */
kn_id em_filling_axis(const em *e, const kn_access *a) {
    int64_t step;
    if (a->ix != KN_NONE || a->guard != KN_NONE || !const_lane_step(e, a, &step) || (step != 2 && step != 4))
        return KN_NONE;
    for (uint32_t i = 0; i < a->n; i++) {
        if (role_of(e, a->axis[i]) != KN_UNROLL || a->step[i].dim != KN_NONE || a->step[i].k != 1) continue;
        if (e->k->axis[a->axis[i]].extent.k == step) return a->axis[i];
    }
    return KN_NONE;
}

/* Element offsets of the lanes from the address of the first. */
static LLVMValueRef lane_offsets(em *e, const kn_access *a, const em_at *at, uint32_t lanes) {
    LLVMValueRef lane[EM_MAX_WIDTH], offsets;
    int64_t step;
    if (const_lane_step(e, a, &step)) {
        int narrow = a->ix == KN_NONE && step > INT32_MIN / EM_MAX_WIDTH && step < INT32_MAX / EM_MAX_WIDTH;
        for (uint32_t l = 0; l < lanes; l++) /* 32 bits take half the registers in a gather */
            lane[l] = LLVMConstInt(narrow ? e->i32 : e->i64, (uint64_t)em_mul64(step, (int64_t)l), 1);
        offsets = LLVMConstVector(lane, lanes);
    } else {
        for (uint32_t l = 0; l < lanes; l++) lane[l] = em_i64(e, l);
        LLVMValueRef iota = LLVMConstVector(lane, lanes), each = em_i64(e, 0);
        for (uint32_t i = 0; i < a->n; i++)
            if (a->axis[i] == e->lane_axis) each = LLVMBuildAdd(e->b, each, em_size(e, a->step[i]), "");
        offsets = LLVMBuildMul(e->b, em_splat(e, each, lanes), iota, "");
    }
    if (!varies(e, a->ix, lanes)) return offsets;
    LLVMValueRef ix = em_get(e, a->ix, at, lanes);
    ix = LLVMBuildMul(e->b, ix, em_splat(e, em_size(e, a->ix_step), lanes), "");
    return LLVMBuildAdd(e->b, offsets, ix, "");
}

static LLVMValueRef all_lanes(em *e, uint32_t lanes) { return em_splat(e, LLVMConstInt(e->i1, 1, 0), lanes); }

/* ---- loads ------------------------------------------------------------------------------------------------------- */

static LLVMValueRef load_plain(em *e, const kn_access *a, LLVMTypeRef type, LLVMValueRef p) {
    LLVMValueRef value = LLVMBuildLoad2(e->b, type, p, "");
    LLVMSetAlignment(value, align_of(e, a));
    return value;
}

static LLVMValueRef load_wide(em *e, kn_id acc, const em_at *at, uint32_t lanes, kn_id filling) {
    const kn_access *a = &e->k->access[acc];
    uint32_t step = (uint32_t)e->k->axis[filling].extent.k;
    em_at first = *at;
    first.x[filling] = 0;
    LLVMTypeRef wide = em_vector(type_of(e, a), lanes * step);
    LLVMValueRef all = load_plain(e, a, wide, em_place(e, acc, &first, lanes)), pick[EM_MAX_WIDTH];
    for (uint32_t l = 0; l < lanes; l++) pick[l] = em_i32(e, l * step + at->x[filling]);
    return LLVMBuildShuffleVector(e->b, all, LLVMGetPoison(wide), LLVMConstVector(pick, lanes), "");
}

LLVMValueRef em_load_masked(em *e, const kn_access *a, LLVMTypeRef type, LLVMValueRef p, LLVMValueRef mask) {
    LLVMTypeRef types[2] = {type, e->ptr};
    LLVMValueRef args[4] = {p, em_i32(e, align_of(e, a)), mask, LLVMConstNull(type)};
    return em_intrinsic(e, "llvm.masked.load", types, 2, args, 4);
}

/* mask NULL: all lanes. */
static LLVMValueRef load_lanes(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef offsets, LLVMValueRef mask,
                               uint32_t lanes) {
    LLVMTypeRef type = em_vector(type_of(e, a), lanes), ptrs = em_vector(e->ptr, lanes);
    LLVMValueRef at = LLVMBuildGEP2(e->b, type_of(e, a), p, &offsets, 1, "");
    if (e->v4 && align_of(e, a) >= 4) {
        LLVMTypeRef types[2] = {type, ptrs};
        LLVMValueRef every = mask ? mask : all_lanes(e, lanes);
        LLVMValueRef args[4] = {at, em_i32(e, align_of(e, a)), every, LLVMConstNull(type)};
        return em_intrinsic(e, "llvm.masked.gather", types, 2, args, 4);
    }
    if (mask) at = LLVMBuildSelect(e->b, mask, at, em_splat(e, e->zero, lanes), "");
    LLVMValueRef value = LLVMGetPoison(type);
    for (uint32_t l = 0; l < lanes; l++) {
        LLVMValueRef one = load_plain(e, a, type_of(e, a), LLVMBuildExtractElement(e->b, at, em_i32(e, l), ""));
        value = LLVMBuildInsertElement(e->b, value, one, em_i32(e, l), "");
    }
    return value;
}

static LLVMValueRef load_raw(em *e, kn_id acc, const em_at *at, uint32_t lanes) {
    const kn_access *a = &e->k->access[acc];
    LLVMTypeRef type = em_vector(type_of(e, a), lanes);
    if (lanes == 1) { /* absent copies are clamped: always a valid address */
        LLVMValueRef p = em_place(e, acc, at, 1);
        if (a->guard != KN_NONE) p = LLVMBuildSelect(e->b, em_get(e, a->guard, at, 1), p, e->zero, "");
        return load_plain(e, a, type, p);
    }
    LLVMValueRef mask = em_lane_mask(e, at);
    kn_id filling = mask ? (kn_id)KN_NONE : em_filling_axis(e, a);
    if (filling != KN_NONE) return load_wide(e, acc, at, lanes, filling);
    if (a->guard != KN_NONE) mask = em_and(e, mask, em_get(e, a->guard, at, lanes));
    LLVMValueRef p = em_place(e, acc, at, lanes);
    if (is_contiguous(e, a, lanes)) {
        if (!mask) return load_plain(e, a, type, p);
        if (e->v4 || align_of(e, a) >= 4) return em_load_masked(e, a, type, p, mask);
    }
    return load_lanes(e, a, p, lane_offsets(e, a, at, lanes), mask, lanes);
}

LLVMValueRef em_load(em *e, kn_id access, const em_at *at, uint32_t lanes) {
    return em_from_memory(e, &e->k->access[access], load_raw(e, access, at, lanes));
}

void em_load_all(em *e, kn_id access, uint32_t over, uint32_t lanes, LLVMValueRef *value) {
    em_at at = {0};
    if (em_load_blocks(e, access, over, lanes, value)) return;
    do value[at.slot] = em_load(e, access, &at, lanes);
    while (em_next(e, over, &at));
}

/* ---- stores ------------------------------------------------------------------------------------------------------ */

static void store_plain(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef value) {
    LLVMSetAlignment(LLVMBuildStore(e->b, value, p), align_of(e, a));
}

void em_store_masked(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef value, LLVMValueRef mask) {
    LLVMTypeRef types[2] = {LLVMTypeOf(value), e->ptr};
    LLVMValueRef args[4] = {value, p, em_i32(e, align_of(e, a)), mask};
    em_intrinsic(e, "llvm.masked.store", types, 2, args, 4);
}

/* Where lanes meet in one element, the last one stays, as in the interpreter. */
static void store_lanes(em *e, const kn_access *a, LLVMValueRef p, LLVMValueRef offsets, LLVMValueRef mask,
                        LLVMValueRef value, uint32_t lanes) {
    LLVMValueRef at = LLVMBuildGEP2(e->b, type_of(e, a), p, &offsets, 1, "");
    if (mask || (e->v4 && align_of(e, a) >= 4)) {
        LLVMTypeRef types[2] = {LLVMTypeOf(value), em_vector(e->ptr, lanes)};
        LLVMValueRef args[4] = {value, at, em_i32(e, align_of(e, a)), mask ? mask : all_lanes(e, lanes)};
        em_intrinsic(e, "llvm.masked.scatter", types, 2, args, 4);
        return;
    }
    for (uint32_t l = 0; l < lanes; l++)
        store_plain(e, a, LLVMBuildExtractElement(e->b, at, em_i32(e, l), ""),
                    LLVMBuildExtractElement(e->b, value, em_i32(e, l), ""));
}

/* NULL: always. Entry phases run in every chunk, but what they store outside of scratch is stored by the first alone.
 */
LLVMValueRef em_store_condition(em *e, const kn_access *a, const em_at *at, uint32_t lanes) {
    LLVMValueRef yes = em_copy_present(e, at);
    if (e->phase->at_entry && mem_of(e, a)->space != KN_ROW)
        yes = em_and(e, yes, LLVMBuildICmp(e->b, LLVMIntEQ, e->chunk, em_i64(e, 0), ""));
    if (a->guard != KN_NONE && !varies(e, a->guard, lanes)) yes = em_and(e, yes, em_get(e, a->guard, at, 1));
    return yes;
}

LLVMValueRef em_to_memory(em *e, const kn_access *a, LLVMValueRef value, uint32_t lanes) {
    sn_dtype store = (sn_dtype)mem_of(e, a)->store;
    if (base_is_half(store)) return em_half_bits(e, store, value);
    return store == SN_BOOL ? LLVMBuildZExt(e->b, value, em_vector(e->i8, lanes), "") : value;
}

LLVMValueRef em_from_memory(em *e, const kn_access *a, LLVMValueRef stored) {
    sn_dtype store = (sn_dtype)mem_of(e, a)->store;
    if (base_is_half(store)) return em_half_value(e, store, stored);
    return store == SN_BOOL ? LLVMBuildICmp(e->b, LLVMIntNE, stored, LLVMConstNull(LLVMTypeOf(stored)), "") : stored;
}

void em_store(em *e, kn_id access, const em_at *at, uint32_t lanes, LLVMValueRef value) {
    const kn_access *a = &e->k->access[access];
    value = em_to_memory(e, a, value, lanes);
    LLVMBasicBlockRef join = em_if(e, em_store_condition(e, a, at, lanes), "store");
    LLVMValueRef p = em_place(e, access, at, lanes);
    if (lanes == 1) {
        store_plain(e, a, p, value);
    } else {
        LLVMValueRef mask = em_lane_mask(e, at);
        if (varies(e, a->guard, lanes)) mask = em_and(e, mask, em_get(e, a->guard, at, lanes));
        if (!is_contiguous(e, a, lanes)) {
            store_lanes(e, a, p, lane_offsets(e, a, at, lanes), mask, value, lanes);
        } else if (mask) {
            em_store_masked(e, a, p, value, mask);
        } else {
            store_plain(e, a, p, value);
        }
    }
    em_end_if(e, join);
}

/* x0 y0 x1 y1 .. of two vectors. */
static LLVMValueRef interleave(em *e, LLVMValueRef x, LLVMValueRef y) {
    LLVMValueRef pick[4 * EM_MAX_WIDTH];
    uint32_t n = LLVMGetVectorSize(LLVMTypeOf(x));
    for (uint32_t i = 0; i < 2 * n; i++) pick[i] = em_i32(e, i / 2 + (i % 2 ? n : 0));
    return LLVMBuildShuffleVector(e->b, x, y, LLVMConstVector(pick, 2 * n), "");
}

/* Instance `at` and its neighbours on the UNROLL axis `filling`, as one stretch. */
static void store_wide(em *e, kn_id access, const em_at *at, uint32_t lanes, kn_id filling, uint32_t stride,
                       const LLVMValueRef *value) {
    const kn_access *a = &e->k->access[access];
    LLVMValueRef v[4] = {0};
    uint32_t n = (uint32_t)e->k->axis[filling].extent.k;
    for (uint32_t i = 0; i < n; i++) v[i] = em_to_memory(e, a, value[at->slot + i * stride], lanes);
    LLVMValueRef all =
        n == 2 ? interleave(e, v[0], v[1]) : interleave(e, interleave(e, v[0], v[2]), interleave(e, v[1], v[3]));
    store_plain(e, a, em_place(e, access, at, lanes), all);
}

void em_store_all(em *e, kn_id access, uint32_t over, uint32_t lanes, const LLVMValueRef *value) {
    em_at at = {0};
    if (em_store_blocks(e, access, over, lanes, value)) return;
    const kn_access *a = &e->k->access[access];
    kn_id filling = lanes > 1 ? em_filling_axis(e, a) : (kn_id)KN_NONE;
    uint32_t stride = 1; /* in slots, from one index on the filling axis to the next */
    for (uint32_t axis = filling == KN_NONE ? e->k->n_axis : filling + 1u; axis < e->k->n_axis; axis++)
        if (over >> axis & 1 && role_of(e, (kn_id)axis) == KN_UNROLL) stride *= (uint32_t)e->k->axis[axis].extent.k;
    do {
        if (filling == KN_NONE || em_lane_mask(e, &at) || em_store_condition(e, a, &at, lanes))
            em_store(e, access, &at, lanes, value[at.slot]);
        else if (at.x[filling] == 0)
            store_wide(e, access, &at, lanes, filling, stride, value);
    } while (em_next(e, over, &at));
}
