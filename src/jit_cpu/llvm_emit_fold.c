/* Folds, in the order of ir/kernel.h, which decides the bits.
 *
 * Accumulators are allocas that the sroa pass turns into registers: [instance][u] for folds over loops, [instance][r]
 * for folds over points. Lanes and copies that are absent keep their accumulator, which is what combining with the
 * identity would give. Folds over points whose access has LOOP axes accumulate in the chunk's partial memory instead.
 *
 * MIN and MAX of floats let a NaN through, which costs two instructions more and a longer wait in each step. In
 * registers these folds take the plain extremum, which is the same while there is no NaN, and note apart from it
 * whether there was one; the result is then NaN. */
#include "jit_cpu/llvm_emit.h"

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static int is_extremum(const kn_inst *in) {
    return (in->prim == KP_MIN || in->prim == KP_MAX) && (in->type == SN_F32 || in->type == SN_F64);
}

/* a < b ? a : b, or a > b ? a : b: MIN and MAX of numbers, one instruction of the machine. */
static LLVMValueRef plain_extremum(em *e, const kn_inst *in, LLVMValueRef a, LLVMValueRef b) {
    LLVMRealPredicate p = in->prim == KP_MIN ? LLVMRealOLT : LLVMRealOGT;
    return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, p, a, b, ""), a, b, "");
}

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

typedef LLVMValueRef combiner(em *e, const kn_inst *in, LLVMValueRef a, LLVMValueRef b);

/* Lanes first, first + 1 .. of every group of so many. */
static LLVMValueRef lanes_of_groups(em *e, LLVMValueRef v, uint32_t lanes, uint32_t group, uint32_t first, uint32_t n) {
    LLVMValueRef pick[EM_MAX_WIDTH] = {0};
    uint32_t count = 0;
    for (uint32_t at = first; at < lanes; at += group)
        for (uint32_t i = 0; i < n; i++) pick[count++] = em_i32(e, at + i);
    return LLVMBuildShuffleVector(e->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(pick, count), "");
}

/* Neighbours of one thread by halves, where a kernel has teams of threads; then lane l with lane l + lanes / 2, and so
 * on until one is left. */
static LLVMValueRef combine_lanes(em *e, const kn_inst *in, combiner *with, LLVMValueRef v, uint32_t lanes) {
    for (uint32_t group = kn_thread_lanes(e->k, e->part, lanes); group > 1; group /= 2, lanes /= 2)
        v = with(e, in, lanes_of_groups(e, v, lanes, group, 0, group / 2),
                 lanes_of_groups(e, v, lanes, group, group / 2, group / 2));
    for (lanes /= 2; lanes; lanes /= 2)
        v = with(e, in, em_lanes_from(e, v, 0, lanes), em_lanes_from(e, v, lanes, lanes));
    return v;
}

/* The same of n values, into the first. */
static void combine_places(em *e, const kn_inst *in, combiner *with, LLVMValueRef *v, uint32_t n) {
    for (uint32_t group = kn_thread_lanes(e->k, e->part, n); group > 1; group /= 2, n /= 2)
        for (uint32_t i = 0; i < n / 2; i++) {
            uint32_t at = i / (group / 2) * group + i % (group / 2);
            v[i] = with(e, in, v[at], v[at + group / 2]);
        }
    for (; n > 1; n /= 2)
        for (uint32_t i = 0; i < n / 2; i++) v[i] = with(e, in, v[i], v[i + n / 2]);
}

static LLVMValueRef read_acc(em *e, LLVMValueRef acc) {
    return LLVMBuildLoad2(e->b, LLVMGetAllocatedType(acc), acc, "");
}

/* ---- NaNs met by an extremum ------------------------------------------------------------------------------------- */

/* What an instance notes: one piece, a register's worth of lanes, for all of them together where they are combined in
 * the end; a piece for each register where the lanes are results of their own. */
typedef struct {
    uint32_t lanes, piece, n; /* of the accumulators; of a piece; pieces */
    LLVMTypeRef type;
} notes;

/* results: lanes of the fold's result. */
static notes notes_of(em *e, const kn_inst *in, uint32_t lanes, uint32_t results) {
    uint32_t most = (uint32_t)(64 / sn_dtype_size((sn_dtype)in->type)), piece = lanes < most ? lanes : most;
    LLVMTypeRef wide = in->type == SN_F32 ? e->i32 : e->i64; /* bits where the machine has registers of them */
    return (notes){.lanes = lanes,
                   .piece = piece,
                   .n = results > 1 ? lanes / piece : 1,
                   .type = em_vector(e->v4 || lanes == 1 ? e->i1 : wide, piece)};
}

/* noted[i] |= is there a NaN among the n values, in a lane of piece i? present: of the values' lanes; NULL: all. */
static void note_nans(em *e, const notes *k, const LLVMValueRef *noted, const LLVMValueRef *value, uint32_t n,
                      LLVMValueRef present) {
    int by_lane = present && LLVMGetTypeKind(LLVMTypeOf(present)) == LLVMVectorTypeKind;
    for (uint32_t piece = 0; piece < k->n; piece++) {
        LLVMValueRef any = NULL, before = NULL;
        uint32_t end = k->n > 1 ? (piece + 1) * k->piece : k->lanes, count = 0,
                 all = n * (end - piece * k->piece) / k->piece;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t first = piece * k->piece; first < end; first += k->piece) {
                LLVMValueRef x = k->piece < k->lanes ? em_lanes_from(e, value[i], first, k->piece) : value[i];
                if (++count < all && !before && !present) { /* one comparison for two */
                    before = x;
                    continue;
                }
                LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, before ? before : x, x, "nan"), here = present;
                if (by_lane && k->piece < k->lanes) here = em_lanes_from(e, present, first, k->piece);
                if (present) nan = LLVMBuildAnd(e->b, nan, by_lane ? here : em_splat(e, here, k->piece), "");
                any = any ? LLVMBuildOr(e->b, any, nan, "") : nan;
                before = NULL;
            }
        if (k->type != LLVMTypeOf(any)) any = LLVMBuildSExt(e->b, any, k->type, "");
        LLVMBuildStore(e->b, LLVMBuildOr(e->b, read_acc(e, noted[piece]), any, ""), noted[piece]);
    }
}

/* Two vectors one after the other. */
static LLVMValueRef joined(em *e, LLVMValueRef low, LLVMValueRef high, uint32_t lanes) {
    LLVMValueRef pick[EM_MAX_WIDTH];
    for (uint32_t i = 0; i < 2 * lanes; i++) pick[i] = em_i32(e, i);
    return LLVMBuildShuffleVector(e->b, low, high, LLVMConstVector(pick, 2 * lanes), "");
}

/* The result x, NaN where one was noted. */
static LLVMValueRef with_nans(em *e, const kn_inst *in, const notes *k, const LLVMValueRef *noted, LLVMValueRef x) {
    LLVMTypeRef result = LLVMTypeOf(x);
    uint32_t results = LLVMGetTypeKind(result) == LLVMVectorTypeKind ? LLVMGetVectorSize(result) : 1;
    LLVMValueRef any[EM_MAX_WIDTH], nan;
    for (uint32_t i = 0; i < k->n; i++) {
        any[i] = read_acc(e, noted[i]);
        if (results == 1 && k->piece > 1)
            any[i] = em_intrinsic(e, "llvm.vector.reduce.or", (LLVMTypeRef[]){k->type}, 1, any, 1);
        if (LLVMTypeOf(any[i]) != em_vector(e->i1, results > 1 ? k->piece : 1))
            any[i] = LLVMBuildICmp(e->b, LLVMIntNE, any[i], LLVMConstNull(LLVMTypeOf(any[i])), "");
    }
    for (uint32_t n = k->n, lanes = k->piece; n > 1; n /= 2, lanes *= 2)
        for (uint32_t i = 0; i < n / 2; i++) any[i] = joined(e, any[2 * i], any[2 * i + 1], lanes);
    nan = em_const(e, (sn_dtype)in->type, in->type == SN_F32 ? 0x7fc00000u : 0x7ff8000000000000u);
    return LLVMBuildSelect(e->b, any[0], em_splat(e, nan, results), x, "");
}

/* n accumulators for each instance; behind all of them, for extrema, what each instance notes of NaNs. */
static LLVMValueRef *new_accumulators(em *e, const kn_inst *in, uint32_t instances, uint32_t n, uint32_t lanes,
                                      uint32_t results) {
    const notes k = is_extremum(in) ? notes_of(e, in, lanes, results) : (notes){0};
    uint32_t all = instances * n, noted = instances * k.n;
    LLVMValueRef *acc = ARENA_ARRAY(e->arena, LLVMValueRef, all + noted), start = identity(e, in, lanes);
    for (uint32_t i = 0; i < all + noted; i++) {
        acc[i] = em_alloca(e, i < all ? LLVMTypeOf(start) : k.type, i < all ? "acc" : "nans");
        LLVMBuildStore(e->b, i < all ? start : LLVMConstNull(k.type), acc[i]);
    }
    return acc;
}

/* ---- over UNROLL axes -------------------------------------------------------------------------------------------- */

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

/* ---- over LOOP axes ---------------------------------------------------------------------------------------------- */

static uint32_t loop_fold_lanes(const em *e, const kn_inst *in) {
    return e->mode == EM_LOOP_LANES ? e->width : em_lanes(e, in->over);
}

void em_loop_fold_begin(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_loop_begin(e, inst);
        return;
    }
    e->acc[inst] =
        new_accumulators(e, in, em_instances(e, in->over), e->ilp, loop_fold_lanes(e, in), em_lanes(e, in->over));
}

/* An extremum's accumulators of an instance, which meet one value each, or several along UNROLL axes. */
static void step_extremum(em *e, kn_id inst, const em_at *at) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t lanes = loop_fold_lanes(e, in);
    const notes k = notes_of(e, in, lanes, em_lanes(e, in->over));
    const LLVMValueRef *noted = &e->acc[inst][em_instances(e, in->over) * e->ilp + at->slot * k.n];
    em_at one = *at;
    do {
        LLVMValueRef x[KN_MAX_ILP], ragged = NULL;
        for (one.u = 0; one.u < e->ilp; one.u++) {
            uint32_t u = one.u;
            LLVMValueRef slot = e->acc[inst][at->slot * e->ilp + u], acc = read_acc(e, slot);
            LLVMValueRef present = e->mode == EM_LOOP_LANES ? e->loop_mask[u] : e->loop_present[u];
            x[u] = operand(e, in, 0, &one, lanes);
            LLVMBuildStore(e->b, choose(e, present, plain_extremum(e, in, acc, x[u]), acc, lanes), slot);
            if (present) note_nans(e, &k, noted, &x[u], 1, ragged = present);
        }
        /* of a ragged round in copies the first is there always, and has no mask */
        if (!ragged)
            note_nans(e, &k, noted, x, e->ilp, NULL);
        else if (e->mode != EM_LOOP_LANES)
            note_nans(e, &k, noted, x, 1, NULL);
        one.u = at->u;
    } while (em_next_unroll(e, in->fold, &one));
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
        if (is_extremum(in)) {
            step_extremum(e, inst, &at);
            continue;
        }
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
    uint32_t instances = em_instances(e, in->over), lanes = em_lanes(e, in->over);
    combiner *with = is_extremum(in) ? plain_extremum : combine;
    em_value *v = em_new_value(e, inst, in->over, lanes);
    em_at at = {0};
    do {
        LLVMValueRef acc[KN_MAX_ILP] = {0};
        for (uint32_t u = 0; u < e->ilp; u++) acc[u] = read_acc(e, e->acc[inst][at.slot * e->ilp + u]);
        for (uint32_t n = e->ilp; n > 1; n /= 2)
            for (uint32_t u = 0; u < n / 2; u++) acc[u] = with(e, in, acc[2 * u], acc[2 * u + 1]);
        LLVMValueRef result = e->mode == EM_LOOP_LANES ? combine_lanes(e, in, with, acc[0], e->width) : acc[0];
        if (is_extremum(in)) {
            const notes k = notes_of(e, in, loop_fold_lanes(e, in), lanes);
            result = with_nans(e, in, &k, &e->acc[inst][instances * e->ilp + at.slot * k.n], result);
        }
        v->at[at.slot] = result;
    } while (em_next(e, in->over, &at));
}

/* ---- over POINT axes --------------------------------------------------------------------------------------------- */

/* Does it accumulate in registers? */
static int in_registers(const em *e, const kn_inst *in) {
    return !(em_access_axes(e, in->acc) & kn_axes_with(e->k, KN_LOOP));
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

static uint32_t point_lanes(const em *e) { return e->mode == EM_POINT_LANES ? e->part->tile : 1; }

void em_point_fold_begin(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (kn_is_pair((kn_prim)in->prim)) {
        em_pair_point_begin(e, inst);
        return;
    }
    if (in_registers(e, in))
        e->acc[inst] = new_accumulators(e, in, em_instances(e, in->over), em_places(e), point_lanes(e), 1);
    else
        em_fill_partials(e, in->acc, identity(e, in, 1));
}

/* Accumulator [r] takes the point in place r. */
static void step_registers(em *e, kn_id inst, const kn_inst *in) {
    uint32_t lanes = point_lanes(e), instances = em_instances(e, in->over);
    const notes k = is_extremum(in) ? notes_of(e, in, lanes, 1) : (notes){0};
    em_at at = {0};
    do {
        for (uint32_t r = 0; r < e->copies; r++) {
            em_at one = at;
            one.r = r;
            LLVMValueRef present = lanes > 1 ? e->tile_mask : e->tile_present[r];
            LLVMValueRef slot = e->acc[inst][at.slot * em_places(e) + r], acc = read_acc(e, slot);
            LLVMValueRef x = operand(e, in, 0, &one, lanes), y = operand(e, in, 1, &one, lanes);
            LLVMValueRef next = k.n ? plain_extremum(e, in, acc, x) : step(e, in, acc, x, y);
            LLVMBuildStore(e->b, choose(e, present, next, acc, lanes), slot);
            if (k.n) note_nans(e, &k, &e->acc[inst][instances * em_places(e) + at.slot], &x, 1, present);
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
    return combine(e, in, acc, combine_lanes(e, in, combine, x, lanes));
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
    em_aim(e, inst, (kn_id)(inst + 1), KN_AT_POINT);
    combiner *with = is_extremum(in) ? plain_extremum : combine;
    em_at at = {0};
    do {
        LLVMValueRef acc[EM_MAX_WIDTH] = {0};
        for (uint32_t r = 0; r < em_places(e); r++) acc[r] = read_acc(e, e->acc[inst][at.slot * em_places(e) + r]);
        combine_places(e, in, with, acc, em_places(e));
        LLVMValueRef value = combine_lanes(e, in, with, acc[0], point_lanes(e));
        if (is_extremum(in)) {
            const notes k = notes_of(e, in, point_lanes(e), 1);
            value = with_nans(e, in, &k, &e->acc[inst][em_instances(e, in->over) * em_places(e) + at.slot], value);
        }
        em_store(e, in->acc, &at, 1, value);
    } while (em_next(e, in->over, &at));
}
