/* Phases: the loop nest of each, and the instructions, every one at the outermost level that what it varies over
 * allows.
 *
 *     chunk level    needs no point and no loop: weights kept in registers, scalars, constants (em_emit_chunk_level)
 *     point level    before the phase's loops, or after them where a fold over them is needed
 *     inside loops   the innermost loop runs in steps of lanes * ilp, then once more with masks for what is left
 *
 * Values computed in one phase with the points as copies and used in another with the points as lanes (or the other
 * way) are converted when the second phase begins. */
#include "jit_cpu/llvm_emit.h"

#include <stdio.h>
#include <string.h>

/* ---- sets of axes, instances ------------------------------------------------------------------------------------- */

uint32_t em_bit(kn_id axis) { return axis == KN_NONE ? 0 : 1u << axis; }

static uint32_t unroll_extent(const em *e, uint32_t axis) {
    return e->k->axis[axis].role == KN_UNROLL ? (uint32_t)e->k->axis[axis].extent.k : 1;
}

static uint32_t instances_r(const em *e, uint32_t axes) { return axes & em_bit(e->last_point) ? e->copies : 1; }
static uint32_t instances_u(const em *e, uint32_t axes) { return axes & em_bit(e->inner) ? e->ilp : 1; }

uint32_t em_lanes(const em *e, uint32_t axes) { return axes & em_bit(e->lane_axis) ? e->width : 1; }

uint32_t em_instances(const em *e, uint32_t axes) {
    uint32_t n = instances_r(e, axes) * instances_u(e, axes);
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (axes >> a & 1) n *= unroll_extent(e, a);
    return n;
}

int em_next_unroll(const em *e, uint32_t axes, em_at *at) {
    for (uint32_t a = e->k->n_axis; a-- > 0;) {
        if (!(axes >> a & 1) || e->k->axis[a].role != KN_UNROLL) continue;
        if (++at->x[a] < unroll_extent(e, a)) return 1;
        at->x[a] = 0;
    }
    return 0;
}

int em_next(const em *e, uint32_t axes, em_at *at) {
    at->slot++;
    if (em_next_unroll(e, axes, at)) return 1;
    if (++at->u < instances_u(e, axes)) return 1;
    at->u = 0;
    if (++at->r < instances_r(e, axes)) return 1;
    at->r = at->slot = 0;
    return 0;
}

em_value *em_new_value(em *e, kn_id inst, uint32_t axes, uint32_t lanes) {
    em_value *v = &e->value[inst];
    v->nr = instances_r(e, axes);
    v->nu = instances_u(e, axes);
    v->lanes = lanes;
    v->at = ARENA_ARRAY(e->arena, LLVMValueRef, em_instances(e, axes));
    return v;
}

static uint32_t slot_of(const em *e, kn_id inst, const em_at *at) {
    const em_value *v = &e->value[inst];
    uint32_t slot = (v->nr > 1 ? at->r : 0) * v->nu + (v->nu > 1 ? at->u : 0);
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (e->k->inst[inst].over >> a & 1 && e->k->axis[a].role == KN_UNROLL)
            slot = slot * unroll_extent(e, a) + at->x[a];
    return slot;
}

LLVMValueRef em_get(em *e, kn_id inst, const em_at *at, uint32_t lanes) {
    const em_value *v = &e->value[inst];
    LLVMValueRef value = v->at[slot_of(e, inst, at)];
    return v->lanes == lanes ? value : em_splat(e, value, lanes);
}

LLVMValueRef em_lane_mask(em *e, const em_at *at) {
    return e->mode == EM_LOOP_LANES ? e->loop_mask[at->u] : e->mode == EM_POINT_LANES ? e->tile_mask : NULL;
}

LLVMValueRef em_copy_present(em *e, const em_at *at) {
    LLVMValueRef r = e->mode == EM_POINT_LANES ? NULL : e->tile_present[at->r];
    LLVMValueRef u = e->mode == EM_LOOP_LANES ? NULL : e->loop_present[at->u];
    return em_and(e, r, u);
}

/* ---- where instructions run -------------------------------------------------------------------------------------- */

/* What only the b of one RARE needs, directly or not, in its own phase and level, becomes that RARE's: it is emitted
 * where the RARE is, under its condition. A RARE that belongs to another one is a plain select. */
static void find_seldom(em *e) {
    enum { UNUSED = KN_NONE, SHARED = KN_NONE - 1 };
    kn_id first = e->k->phase[e->part->first_phase].first;
    for (uint32_t p = e->part->end_phase; p-- > e->part->first_phase;) {
        const kn_phase *phase = &e->k->phase[p];
        for (kn_id i = phase->first; i < phase->end; i++) e->run[i].seldom = UNUSED;
    }
    for (uint32_t p = e->part->end_phase; p-- > e->part->first_phase;) {
        const kn_phase *phase = &e->k->phase[p];
        for (kn_id i = phase->end; i-- > phase->first;) {
            const kn_inst *in = &e->k->inst[i];
            em_run *run = &e->run[i];
            if (in->kind != KI_PRIM || run->seldom == UNUSED || run->seldom == SHARED ||
                e->run[run->seldom].place.level != run->place.level ||
                e->run[run->seldom].place.after != run->place.after)
                run->seldom = SHARED;
            kn_id operand[5];
            for (int n = kn_operands(e->k, in, operand); n-- > 0;) {
                int is_b = in->kind == KI_PRIM && in->prim == KP_RARE && n == 1 && run->seldom == SHARED;
                kn_id user = operand[n] < phase->first ? (kn_id)SHARED : is_b ? i : run->seldom;
                if (operand[n] < first) continue;
                kn_id *known = &e->run[operand[n]].seldom;
                *known = *known == UNUSED || *known == user ? user : (kn_id)SHARED;
            }
        }
    }
    for (uint32_t p = e->part->end_phase; p-- > e->part->first_phase;) {
        const kn_phase *phase = &e->k->phase[p];
        for (kn_id i = phase->first; i < phase->end; i++)
            if (e->run[i].seldom == SHARED) e->run[i].seldom = KN_NONE;
    }
}

void em_place_part(em *e) {
    kn_place *place = ARENA_ARRAY(e->arena, kn_place, e->k->n_inst);
    kn_place_part(e->k, e->part, place);
    kn_id first = e->k->phase[e->part->first_phase].first, end = e->k->phase[e->part->end_phase - 1].end;
    for (kn_id i = first; i < end; i++) e->run[i] = (em_run){.place = place[i], .seldom = KN_NONE};
    find_seldom(e);
}

/* ---- instructions ------------------------------------------------------------------------------------------------ */

static LLVMValueRef index_value(em *e, kn_id axis, const em_at *at, uint32_t lanes) {
    LLVMBuilderRef b = e->b;
    if (e->k->axis[axis].role == KN_UNROLL) return em_i64(e, at->x[axis]);
    LLVMValueRef index = e->index[axis];
    if (lanes > 1) {
        LLVMValueRef lane[EM_MAX_WIDTH];
        uint32_t first = axis == e->inner ? at->u * e->width : 0;
        for (uint32_t i = 0; i < lanes; i++) lane[i] = em_i64(e, first + i);
        return LLVMBuildAdd(b, em_splat(e, index, lanes), LLVMConstVector(lane, lanes), "ix");
    }
    if (axis == e->last_point && e->copies > 1) return LLVMBuildAdd(b, index, e->tile_offset[at->r], "ix");
    if (axis == e->inner && e->ilp > 1)
        return LLVMBuildAdd(b, index, e->loop_offset[at->u] ? e->loop_offset[at->u] : em_i64(e, at->u), "ix");
    return index;
}

/* A constant that is neither NaN nor zero. */
static int is_plain_const(const kn_inst *in) {
    if (in->kind != KI_CONST) return 0;
    if (in->type == SN_F32) {
        uint32_t bits = (uint32_t)in->bits & 0x7fffffffu;
        return bits != 0 && bits <= 0x7f800000u;
    }
    uint64_t bits = in->bits & 0x7fffffffffffffffu;
    return in->type == SN_F64 && bits != 0 && bits <= 0x7ff0000000000000u;
}

static LLVMValueRef emit_instance(em *e, const kn_inst *in, const em_at *at, uint32_t lanes) {
    switch ((kn_kind)in->kind) {
        case KI_CONST: return em_splat(e, em_const(e, (sn_dtype)in->type, in->bits), lanes);
        case KI_SCALAR: {
            LLVMValueRef slot = em_i64(e, (int64_t)in->bits);
            LLVMValueRef place = LLVMBuildGEP2(e->b, e->i64, e->launch_scalar, &slot, 1, "");
            LLVMValueRef value = LLVMBuildLoad2(e->b, em_memory_type(e, (sn_dtype)in->type), place, "scalar");
            return in->type == SN_BOOL ? LLVMBuildICmp(e->b, LLVMIntNE, value, LLVMConstNull(e->i8), "") : value;
        }
        case KI_DIM: return em_size(e, (kn_size){1, (kn_id)in->bits});
        case KI_INDEX: return index_value(e, (kn_id)in->bits, at, lanes);
        default: break; /* KI_PRIM */
    }
    LLVMValueRef operand[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++)
        if (in->a[i] != KN_NONE) operand[i] = em_get(e, in->a[i], at, lanes);
    const kn_inst *last = in->a[1] != KN_NONE ? &e->k->inst[in->a[1]] : &e->k->inst[in->a[0]];
    return em_prim(e, (kn_prim)in->prim, (sn_dtype)last->type, (sn_dtype)in->type, operand, is_plain_const(last));
}

/* %v12. and so on in the text: the instruction of the expanded kernel. */
static LLVMValueRef named(LLVMValueRef value, kn_id id) {
    char name[16];
    size_t n;
    if (!LLVMIsAInstruction(value)) return value;
    LLVMGetValueName2(value, &n);
    int length = snprintf(name, sizeof name, "v%u.", (unsigned)id);
    if (!n) LLVMSetValueName2(value, name, (size_t)length);
    return value;
}

/* Is the condition true in any lane? */
static LLVMValueRef any_lane(em *e, LLVMValueRef condition, uint32_t lanes) {
    if (lanes == 1) return condition;
    LLVMTypeRef mask = LLVMIntTypeInContext(e->context, lanes);
    return LLVMBuildICmp(e->b, LLVMIntNE, LLVMBuildBitCast(e->b, condition, mask, ""), LLVMConstNull(mask), "any");
}

static LLVMValueRef seldom_branch(em *e, LLVMValueRef condition, LLVMBasicBlockRef then, LLVMBasicBlockRef join) {
    LLVMValueRef branch = LLVMBuildCondBr(e->b, condition, then, join);
    LLVMMetadataRef weights[3] = {LLVMMDStringInContext2(e->context, "branch_weights", 14),
                                  LLVMValueAsMetadata(em_i32(e, 1)), LLVMValueAsMetadata(em_i32(e, 4000))};
    LLVMMetadataRef node = LLVMMDNodeInContext2(e->context, weights, 3);
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(e->context, "prof", 4), LLVMMetadataAsValue(e->context, node));
    return branch;
}

/* One instance of a RARE: what belongs to it and the choice stand in a block that is skipped where no lane wants it. */
static LLVMValueRef emit_rare(em *e, kn_id id, const em_at *at, uint32_t lanes) {
    const kn_inst *in = &e->k->inst[id];
    LLVMValueRef condition = em_get(e, in->a[0], at, lanes), usual = em_get(e, in->a[2], at, lanes);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), then = em_block(e, "seldom"), join = em_block(e, "usual");
    seldom_branch(e, any_lane(e, condition, lanes), then, join);
    LLVMPositionBuilderAtEnd(e->b, then);
    for (kn_id i = e->phase->first; i < id; i++) {
        const kn_inst *own = &e->k->inst[i];
        if (e->run[i].seldom != id) continue;
        uint32_t own_lanes = em_lanes(e, own->over);
        if (!e->value[i].at || at->slot == 0) em_new_value(e, i, own->over, own_lanes);
        e->value[i].at[slot_of(e, i, at)] = named(emit_instance(e, own, at, own_lanes), i);
    }
    LLVMValueRef seldom = LLVMBuildSelect(e->b, condition, em_get(e, in->a[1], at, lanes), usual, "");
    LLVMBuildBr(e->b, join);
    LLVMPositionBuilderAtEnd(e->b, join);
    LLVMValueRef result = LLVMBuildPhi(e->b, LLVMTypeOf(usual), "");
    LLVMAddIncoming(result, &usual, &before, 1);
    LLVMAddIncoming(result, &seldom, &then, 1);
    return result;
}

/* Is there anything that a RARE could skip? */
static int has_seldom(const em *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    return in->kind == KI_PRIM && in->prim == KP_RARE && in->a[1] >= e->phase->first && e->run[in->a[1]].seldom == id;
}

static void emit_instruction(em *e, kn_id id) {
    const kn_inst *in = &e->k->inst[id];
    em_line_of(e, id);
    if (in->acc != KN_NONE && e->stage[in->acc].at) {
        const em_at first = {0};
        if (in->kind == KI_STORE)
            em_staged_store(e, in, em_get(e, in->a[0], &first, e->width));
        else
            em_new_value(e, id, in->over, e->width)->at[0] = named(em_staged_load(e, in), id);
    } else if (in->kind == KI_STORE) {
        uint32_t lanes = em_lanes(e, in->over);
        LLVMValueRef *value = ARENA_ARRAY(e->arena, LLVMValueRef, em_instances(e, in->over));
        em_at at = {0};
        do value[at.slot] = em_get(e, in->a[0], &at, lanes);
        while (em_next(e, in->over, &at));
        em_store_all(e, in->acc, in->over, lanes, value);
    } else if (in->kind == KI_FOLD) {
        if (kn_is_point_fold(in))
            em_point_fold_step(e, id);
        else if (kn_is_loop_fold(e->k, in))
            em_loop_fold_step(e, id);
        else
            em_emit_unroll_fold(e, id);
    } else {
        uint32_t lanes = em_lanes(e, in->over);
        em_value *v = em_new_value(e, id, in->over, lanes);
        em_at at = {0};
        int rare = has_seldom(e, id);
        if (in->kind == KI_LOAD) em_load_all(e, in->acc, in->over, lanes, v->at);
        do {
            LLVMValueRef value = in->kind == KI_LOAD ? v->at[at.slot]
                                 : rare              ? emit_rare(e, id, &at, lanes)
                                                     : emit_instance(e, in, &at, lanes);
            v->at[at.slot] = named(value, id);
        } while (em_next(e, in->over, &at));
    }
}

void em_emit_level(em *e, int level, int after) {
    for (kn_id i = e->phase->first; i < e->phase->end; i++)
        if (e->run[i].place.level == level && e->run[i].place.after == after && e->run[i].seldom == KN_NONE)
            emit_instruction(e, i);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

static void name_of(const em *e, char text[40], kn_id axis, const char *suffix) {
    snprintf(text, 40, "ph%u.a%u%s", (unsigned)(e->phase - e->k->phase), (unsigned)axis, suffix);
}

/* One round of the innermost loop, at index i. in_loop: one of many. */
void em_emit_round(em *e, LLVMValueRef i, int in_loop) {
    int level = e->phase->n_loop;
    e->index[e->inner] = i;
    em_pointer *saved = em_aim_loop(e, e->inner, level);
    em_emit_level(e, level, 0);
    em_line_of_phase(e);
    if (in_loop) em_ask_ahead(e);
    em_aim_back(e, saved);
}

/* `left` indices are left: at most as many as a round takes, at least one. */
static void emit_ragged_round(em *e, LLVMValueRef i, LLVMValueRef left) {
    LLVMValueRef last = LLVMBuildSub(e->b, left, em_i64(e, 1), "");
    for (uint32_t u = 0; u < e->ilp; u++) {
        if (e->mode == EM_LOOP_LANES) {
            LLVMValueRef n = LLVMBuildSub(e->b, left, em_i64(e, (int64_t)u * e->width), "");
            e->loop_mask[u] = em_lanes_below(e, e->width, n);
        } else if (u > 0) {
            e->loop_present[u] = LLVMBuildICmp(e->b, LLVMIntSLT, em_i64(e, u), left, "");
            e->loop_offset[u] = LLVMBuildSelect(e->b, e->loop_present[u], em_i64(e, u), last, "");
        }
    }
    em_emit_round(e, i, 0);
    memset(e->loop_mask, 0, sizeof e->loop_mask);
    memset(e->loop_present, 0, sizeof e->loop_present);
    memset(e->loop_offset, 0, sizeof e->loop_offset);
}

/* In a ragged tile, which is the last of its axis, a phase with more instructions than this runs all rounds with masks:
 * most of what compiling costs is in proportion to the number of bodies. */
enum { ONE_BODY = 24 };

static void emit_inner_loop(em *e) {
    char name[40];
    kn_size extent = e->k->axis[e->inner].extent;
    int64_t step = (int64_t)e->ilp * (e->mode == EM_LOOP_LANES ? e->width : 1);
    LLVMValueRef n = em_size(e, extent), zero = em_i64(e, 0);
    int is_const = extent.dim == KN_NONE;
    if (is_const && extent.k == step) {
        em_emit_round(e, zero, 0);
        return;
    }
    if (e->tile_n && extent.k % step != 0 && e->phase->end - e->phase->first > ONE_BODY) {
        name_of(e, name, e->inner, ".masked");
        em_loop loop = em_loop_begin(e, name, zero, n, em_i64(e, step));
        LLVMValueRef left = LLVMBuildSub(e->b, n, loop.index, "left");
        LLVMValueRef is_last = LLVMBuildICmp(e->b, LLVMIntSLT, left, em_i64(e, step), "");
        emit_ragged_round(e, loop.index, LLVMBuildSelect(e->b, is_last, left, em_i64(e, step), ""));
        em_loop_end(e, &loop);
        return;
    }
    LLVMValueRef whole = LLVMBuildAnd(e->b, n, em_i64(e, -step), "whole");
    if (!is_const || extent.k > step) {
        name_of(e, name, e->inner, "");
        LLVMValueRef end = whole;
        em_loop epoch = em_epoch_begin(e, e->phase->first, e->phase->end, 0, zero, &end, step);
        em_loop loop = em_loop_begin(e, name, epoch.body ? epoch.index : zero, end, em_i64(e, step));
        em_emit_round(e, loop.index, 1);
        em_loop_end(e, &loop);
        em_epoch_end(e, &epoch, e->phase->first, e->phase->end, 0, step);
    }
    if (extent.k % step == 0) return;
    name_of(e, name, e->inner, ".rest");
    LLVMValueRef left = LLVMBuildSub(e->b, n, whole, "left");
    LLVMBasicBlockRef join = em_if(e, LLVMBuildICmp(e->b, LLVMIntSGT, left, zero, ""), name);
    emit_ragged_round(e, whole, left);
    em_end_if(e, join);
}

static void emit_nest(em *e, int level) {
    if (level + 1 == e->phase->n_loop) {
        emit_inner_loop(e);
        return;
    }
    kn_id axis = e->phase->loop[level];
    char name[40];
    name_of(e, name, axis, "");
    em_loop loop = em_loop_begin(e, name, em_i64(e, 0), em_size(e, e->k->axis[axis].extent), em_i64(e, 1));
    e->index[axis] = loop.index;
    em_pointer *saved = em_aim_loop(e, axis, level + 1);
    em_emit_level(e, level + 1, 0);
    em_line_of_phase(e);
    emit_nest(e, level + 1);
    em_aim_back(e, saved);
    em_loop_end(e, &loop);
}

/* ---- phases ------------------------------------------------------------------------------------------------------ */

/* Brings a value of an earlier phase that varies over the last point axis into this phase's form. Copies of absent
 * points repeat the last one that is present, here as everywhere. */
static void convert_value(em *e, kn_id id) {
    em_value *v = &e->value[id];
    uint32_t over = e->k->inst[id].over, tile = e->part->tile;
    if (!(over & em_bit(e->last_point)) || tile == 1) return;
    uint32_t lanes = e->mode == EM_POINT_LANES ? tile : 1;
    if (v->lanes == lanes) return;
    const em_value old = *v;
    em_new_value(e, id, over, lanes);
    uint32_t n = em_instances(e, over) / v->nr; /* of one point: UNROLL indices */
    LLVMTypeRef type = em_scalar_type(e, (sn_dtype)e->k->inst[id].type);
    for (uint32_t x = 0; x < n; x++) {
        LLVMValueRef vector = lanes > 1 ? LLVMGetPoison(em_vector(type, lanes)) : old.at[x], point = NULL;
        for (uint32_t r = 0; r < (lanes > 1 ? tile : e->copies); r++) {
            LLVMValueRef place = em_i32(e, r);
            if (lanes > 1) {
                vector = LLVMBuildInsertElement(e->b, vector, old.at[(r < old.nr ? r : 0) * n + x], place, "");
            } else {
                LLVMValueRef here = LLVMBuildExtractElement(e->b, vector, place, "");
                point = e->tile_present[r] ? LLVMBuildSelect(e->b, e->tile_present[r], here, point, "") : here;
                v->at[r * n + x] = point;
            }
        }
        if (lanes > 1) v->at[x] = vector;
    }
}

void em_begin_phase(em *e, const kn_phase *phase) {
    e->phase = phase;
    e->inner = phase->n_loop ? phase->loop[phase->n_loop - 1] : (kn_id)KN_NONE;
    e->mode = phase->width <= 1 || phase->lanes == KN_NONE ? EM_COPIES
              : phase->lanes == e->inner                   ? EM_LOOP_LANES
                                                           : EM_POINT_LANES;
    e->width = e->mode == EM_COPIES ? 1 : phase->width;
    e->lane_axis = e->mode == EM_COPIES ? (kn_id)KN_NONE : phase->lanes;
    e->copies = e->mode == EM_POINT_LANES || (e->tile_n && e->part->tile == 2) ? 1 : e->part->tile;
    e->ilp = phase->ilp;
}

static void emit_body(em *e) {
    const kn_phase *phase = e->phase;
    em_aim(e, phase->first, phase->end, KN_AT_POINT);
    em_aim_ahead(e);
    em_emit_level(e, KN_AT_POINT, 0);
    if (phase->n_loop) {
        for (kn_id i = phase->first; i < phase->end; i++)
            if (kn_is_loop_fold(e->k, &e->k->inst[i])) {
                em_line_of(e, i);
                em_loop_fold_begin(e, i);
            }
        em_line_of_phase(e);
        emit_nest(e, 0);
        for (kn_id i = phase->first; i < phase->end; i++)
            if (kn_is_loop_fold(e->k, &e->k->inst[i])) {
                em_line_of(e, i);
                em_loop_fold_end(e, i);
            }
    }
    em_emit_level(e, KN_AT_POINT, 1);
}

void em_emit_phase(em *e, const kn_phase *phase) {
    em_begin_phase(e, phase);
    em_line_of_phase(e);
    if (!phase->at_entry)
        for (kn_id i = phase->first; i < phase->end; i++) {
            kn_id operand[5];
            for (int n = kn_operands(e->k, &e->k->inst[i], operand); n-- > 0;)
                if (operand[n] < phase->first) convert_value(e, operand[n]);
        }
    em_emit_body(e, emit_body);
}

void em_emit_chunk_level(em *e) {
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        const kn_phase *phase = &e->k->phase[p];
        if (phase->at_entry) continue;
        em_begin_phase(e, phase);
        em_line_of_phase(e);
        em_aim(e, phase->first, phase->end, KN_AT_CHUNK);
        em_emit_level(e, KN_AT_CHUNK, 0);
    }
}
