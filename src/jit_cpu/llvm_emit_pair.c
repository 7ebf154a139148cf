/* Folds of pairs: ARGMAX and ARGMIN. ir/kernel.h orders all pairs totally, so the result does not depend on the order
 * in which they meet, and the code here is free in it.
 *
 * An accumulator is a value and an index. In general both are compared. Where indices only grow while the fold runs
 * (the index is that of the one axis that is folded) a later pair wins only with a better value, so that values alone
 * are compared; then accumulators begin with the first index that they could meet, which is what they end with if all
 * values equal the identity's.
 *
 * In such a fold that stays in registers the indices are not carried either: lanes of 64 bits would be twice as wide as
 * those of most values. What a lane keeps is the number of the round (of the loop, or the tile) in which its winner
 * came, in lanes as wide as its value; the index follows from it. Rounds are counted in epochs, so that their numbers
 * stay small: at the end of each the lanes that have a new winner compute its index. */
#include "jit_cpu/llvm_emit.h"

#include <math.h>

enum { EPOCH_ROUNDS = 1 << 16 };

/* The accumulators of a fold, n of each kind; behind them the number of the present round, in lanes. A bar is what a
 * value has to be better than, or a NaN, to change the fold's result: not more than the best of all lanes, in one
 * register. Only folds over points in lanes have it. */
enum { VALUES, INDICES, ROUNDS, BARS, KINDS };

typedef struct {
    LLVMValueRef value, index;
} pair;

/* ---- what a fold is ---------------------------------------------------------------------------------------------- */

static sn_dtype value_type(const em *e, const kn_inst *in) { return (sn_dtype)e->k->inst[in->a[0]].type; }

static int is_float(sn_dtype type) { return type == SN_F32 || type == SN_F64; }

/* Is the index that of this axis, which is all that is folded? */
static int is_index_of(const em *e, const kn_inst *in, kn_id axis) {
    const kn_inst *index = &e->k->inst[in->a[1]];
    return axis != KN_NONE && in->fold == em_bit(axis) && index->kind == KI_INDEX && index->bits == axis;
}

static int grows(const em *e, const kn_inst *in) {
    if (kn_is_point_fold(in)) return is_index_of(e, in, e->last_point);
    if (kn_is_loop_fold(e->k, in)) return is_index_of(e, in, e->inner);
    return (in->fold & (in->fold - 1)) == 0 && is_index_of(e, in, (kn_id)__builtin_ctz(in->fold));
}

static int in_registers(const em *e, const kn_inst *in) {
    for (uint32_t a = 0; a < e->k->n_axis; a++)
        if (em_access_axes(e, in->acc) >> a & 1 && e->k->axis[a].role == KN_LOOP) return 0;
    return 1;
}

static int counts_rounds(const em *e, const kn_inst *in) {
    if (in->kind != KI_FOLD || !kn_is_pair((kn_prim)in->prim) || !grows(e, in)) return 0;
    return kn_is_point_fold(in) ? in_registers(e, in) : kn_is_loop_fold(e->k, in);
}

static LLVMTypeRef round_type(em *e, const kn_inst *in) {
    return sn_dtype_size(value_type(e, in)) == 8 ? e->i64 : e->i32;
}

/* Of lanes that all have the round's number, those of one register. */
static uint32_t piece_lanes(const em *e, const kn_inst *in, uint32_t lanes) {
    uint32_t most = sn_dtype_size(value_type(e, in)) == 8 ? 8 : 16;
    return lanes < most ? lanes : most;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

/* Does the new pair win? later: its index is the greater one. */
static LLVMValueRef wins(em *e, const kn_inst *in, pair new, pair old, int later) {
    LLVMBuilderRef b = e->b;
    sn_dtype type = value_type(e, in);
    int most = in->prim == KP_ARGMAX;
    LLVMValueRef better, same;
    if (is_float(type)) { /* not ordered, or better; and the old one is no NaN */
        better = LLVMBuildFCmp(b, most ? LLVMRealUGT : LLVMRealULT, new.value, old.value, "");
        better = LLVMBuildAnd(b, better, LLVMBuildFCmp(b, LLVMRealORD, old.value, old.value, ""), "");
        if (later) return better;
        LLVMValueRef nans = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealUNO, new.value, new.value, ""),
                                         LLVMBuildFCmp(b, LLVMRealUNO, old.value, old.value, ""), "");
        same = LLVMBuildOr(b, LLVMBuildFCmp(b, LLVMRealOEQ, new.value, old.value, ""), nans, "");
    } else {
        LLVMIntPredicate p = type == SN_U8 ? (most ? LLVMIntUGT : LLVMIntULT) : (most ? LLVMIntSGT : LLVMIntSLT);
        better = LLVMBuildICmp(b, p, new.value, old.value, "");
        if (later) return better;
        same = LLVMBuildICmp(b, LLVMIntEQ, new.value, old.value, "");
    }
    LLVMValueRef first = LLVMBuildICmp(b, LLVMIntSLT, new.index, old.index, "");
    return LLVMBuildOr(b, better, LLVMBuildAnd(b, same, first, ""), "");
}

/* a and b by lanes, where NULL stands for true and one i1 for all lanes. */
static LLVMValueRef both(em *e, LLVMValueRef a, LLVMValueRef b, uint32_t lanes) {
    if (!b) return a;
    if (LLVMGetTypeKind(LLVMTypeOf(b)) != LLVMVectorTypeKind) b = em_splat(e, b, lanes);
    return LLVMBuildAnd(e->b, a, b, "");
}

static pair take(em *e, LLVMValueRef condition, pair new, pair old) {
    return (pair){LLVMBuildSelect(e->b, condition, new.value, old.value, ""),
                  LLVMBuildSelect(e->b, condition, new.index, old.index, "")};
}

static pair winner(em *e, const kn_inst *in, pair a, pair b) { return take(e, wins(e, in, b, a, 0), b, a); }

static pair operand(em *e, const kn_inst *in, const em_at *at, uint32_t lanes) {
    return (pair){em_get(e, in->a[0], at, lanes), em_get(e, in->a[1], at, lanes)};
}

static pair identity(em *e, const kn_inst *in, uint32_t lanes) {
    sn_dtype type = value_type(e, in);
    uint64_t value = kn_identity(kn_pair_value((kn_prim)in->prim), type),
             index = kn_identity((kn_prim)in->prim, SN_I64);
    return (pair){em_splat(e, em_const(e, type, value), lanes), em_splat(e, em_const(e, SN_I64, index), lanes)};
}

/* Lane l with lane l + lanes / 2, and so on until one is left. */
static pair combine_lanes(em *e, const kn_inst *in, pair v, uint32_t lanes) {
    while (lanes > 1) {
        lanes /= 2;
        pair low = {em_lanes_from(e, v.value, 0, lanes), em_lanes_from(e, v.index, 0, lanes)};
        pair high = {em_lanes_from(e, v.value, lanes, lanes), em_lanes_from(e, v.index, lanes, lanes)};
        v = winner(e, in, low, high);
    }
    return v;
}

/* Lanes of the accumulators of folds over loops and over points; indices of the loop in one vector. */
static uint32_t loop_lanes(const em *e, const kn_inst *in) {
    return e->mode == EM_LOOP_LANES ? e->width : em_lanes(e, in->over);
}
static uint32_t point_lanes(const em *e) { return e->mode == EM_POINT_LANES ? e->part->tile : 1; }
static uint32_t lane_steps(const em *e) { return e->mode == EM_LOOP_LANES ? e->width : 1; }

/* ---- accumulators ------------------------------------------------------------------------------------------------ */

static LLVMValueRef get(em *e, LLVMValueRef slot) { return LLVMBuildLoad2(e->b, LLVMGetAllocatedType(slot), slot, ""); }

static pair get_pair(em *e, kn_id inst, uint32_t n, uint32_t i) {
    return (pair){get(e, e->acc[inst][VALUES * n + i]), get(e, e->acc[inst][INDICES * n + i])};
}

static void set_pair(em *e, kn_id inst, uint32_t n, uint32_t i, pair p) {
    LLVMBuildStore(e->b, p.value, e->acc[inst][VALUES * n + i]);
    LLVMBuildStore(e->b, p.index, e->acc[inst][INDICES * n + i]);
}

static void begin_rounds(em *e, kn_id inst, uint32_t n) {
    LLVMValueRef count = e->acc[inst][KINDS * n];
    for (uint32_t i = 0; i < n; i++) {
        LLVMValueRef slot = e->acc[inst][ROUNDS * n + i];
        LLVMBuildStore(e->b, LLVMConstAllOnes(LLVMGetAllocatedType(slot)), slot);
    }
    LLVMBuildStore(e->b, LLVMConstNull(LLVMGetAllocatedType(count)), count);
}

static void new_accumulators(em *e, kn_id inst, uint32_t n, uint32_t lanes) {
    const kn_inst *in = &e->k->inst[inst];
    pair start = identity(e, in, lanes);
    uint32_t piece = piece_lanes(e, in, lanes);
    pair least = identity(e, in, piece);
    LLVMTypeRef types[KINDS] = {LLVMTypeOf(start.value), LLVMTypeOf(start.index), em_vector(round_type(e, in), lanes),
                                LLVMTypeOf(least.value)};
    e->acc[inst] = ARENA_ARRAY(e->arena, LLVMValueRef, KINDS * n + 1);
    e->acc[inst][KINDS * n] = em_alloca(e, em_vector(round_type(e, in), piece), "round");
    for (uint32_t i = 0; i < KINDS * n; i++) e->acc[inst][i] = em_alloca(e, types[i / n], "acc");
    for (uint32_t i = 0; i < n; i++) {
        set_pair(e, inst, n, i, start);
        LLVMBuildStore(e->b, least.value, e->acc[inst][BARS * n + i]);
    }
    begin_rounds(e, inst, n);
}

/* first, first + 1 .. in lanes of i64; all of them the identity's where there is nothing to fold. */
static LLVMValueRef first_indices(em *e, const kn_inst *in, LLVMValueRef first, uint32_t step, uint32_t lanes,
                                  LLVMValueRef any) {
    LLVMValueRef lane[EM_MAX_WIDTH];
    for (uint32_t i = 0; i < lanes; i++) lane[i] = em_i64(e, (int64_t)i * step);
    LLVMValueRef index = em_splat(e, first, lanes);
    if (lanes > 1) index = LLVMBuildAdd(e->b, index, LLVMConstVector(lane, lanes), "");
    return LLVMBuildSelect(e->b, any, index, identity(e, in, lanes).index, "");
}

/* An accumulator that meets a pair, under a mask; round: its number, or NULL where the index is kept. */
static void meet(em *e, kn_id inst, uint32_t n, uint32_t i, pair new, LLVMValueRef present, LLVMValueRef round,
                 uint32_t lanes) {
    const kn_inst *in = &e->k->inst[inst];
    pair old = get_pair(e, inst, n, i);
    LLVMValueRef won = both(e, wins(e, in, new, old, grows(e, in)), present, lanes);
    if (round) {
        LLVMValueRef slot = e->acc[inst][ROUNDS * n + i];
        LLVMBuildStore(e->b, LLVMBuildSelect(e->b, won, new.value, old.value, ""), e->acc[inst][VALUES * n + i]);
        LLVMBuildStore(e->b, LLVMBuildSelect(e->b, won, round, get(e, slot), ""), slot);
    } else {
        set_pair(e, inst, n, i, take(e, won, new, old));
    }
}

/* The present round in lanes of the fold, and counts on; NULL where it counts none. A vector that is added to rather
 * than a scalar that is spread: the comparisons keep the machine's one port for that busy. */
static LLVMValueRef next_round(em *e, kn_id inst, uint32_t n, uint32_t lanes) {
    const kn_inst *in = &e->k->inst[inst];
    if (!e->in_epoch[kn_is_point_fold(in)] || !counts_rounds(e, in)) return NULL;
    LLVMValueRef slot = e->acc[inst][KINDS * n], round = get(e, slot), pick[EM_MAX_WIDTH];
    uint32_t piece = piece_lanes(e, in, lanes);
    LLVMValueRef one = em_splat(e, LLVMConstInt(round_type(e, in), 1, 0), piece);
    LLVMBuildStore(e->b, LLVMBuildAdd(e->b, round, one, ""), slot);
    if (piece == lanes) return round;
    for (uint32_t i = 0; i < lanes; i++) pick[i] = em_i32(e, i % piece);
    return LLVMBuildShuffleVector(e->b, round, LLVMGetPoison(LLVMTypeOf(round)), LLVMConstVector(pick, lanes), "");
}

/* The index of the winner, where it came in this epoch: base + its round * step + what the accumulator adds. */
static void settle(em *e, kn_id inst, uint32_t n, uint32_t i, LLVMValueRef base, int64_t step, LLVMValueRef add,
                   uint32_t lanes) {
    LLVMTypeRef wide = em_vector(e->i64, lanes);
    LLVMValueRef round = get(e, e->acc[inst][ROUNDS * n + i]), slot = e->acc[inst][INDICES * n + i];
    LLVMValueRef none = LLVMBuildICmp(e->b, LLVMIntEQ, round, LLVMConstAllOnes(LLVMTypeOf(round)), "");
    if (LLVMTypeOf(round) != wide) round = LLVMBuildZExt(e->b, round, wide, "");
    LLVMValueRef index = LLVMBuildMul(e->b, round, em_splat(e, em_i64(e, step), lanes), "");
    index = LLVMBuildAdd(e->b, index, LLVMBuildAdd(e->b, em_splat(e, base, lanes), add, ""), "");
    LLVMBuildStore(e->b, LLVMBuildSelect(e->b, none, get(e, slot), index, ""), slot);
}

/* ---- epochs ------------------------------------------------------------------------------------------------------ */

static int any_counts(const em *e, kn_id first, kn_id end, int points) {
    for (kn_id i = first; i < end; i++)
        if (counts_rounds(e, &e->k->inst[i]) && kn_is_point_fold(&e->k->inst[i]) == points) return 1;
    return 0;
}

em_loop em_epoch_begin(em *e, kn_id first, kn_id end, int points, LLVMValueRef from, LLVMValueRef *to, int64_t step) {
    em_loop epoch = {.body = NULL};
    if (!any_counts(e, first, end, points)) return epoch;
    LLVMValueRef size = em_i64(e, (int64_t)EPOCH_ROUNDS * step);
    epoch = em_loop_begin(e, points ? "tiles" : "epoch", from, *to, size);
    LLVMValueRef left = LLVMBuildSub(e->b, *to, epoch.index, "");
    LLVMValueRef whole = LLVMBuildICmp(e->b, LLVMIntSGT, left, size, "");
    *to = LLVMBuildAdd(e->b, epoch.index, LLVMBuildSelect(e->b, whole, size, left, ""), "epoch.end");
    e->in_epoch[points] = 1;
    return epoch;
}

static void settle_fold(em *e, kn_id inst, LLVMValueRef base, int64_t step) {
    const kn_inst *in = &e->k->inst[inst];
    int points = kn_is_point_fold(in);
    if (points) em_begin_phase(e, &e->k->phase[kn_phase_of(e->k, inst)]);
    uint32_t lanes = points ? point_lanes(e) : loop_lanes(e, in), each = points ? em_places(e) : e->ilp;
    uint32_t n = em_instances(e, in->over) * each;
    LLVMValueRef yes = LLVMConstInt(e->i1, 1, 0);
    for (uint32_t i = 0; i < n; i++) {
        LLVMValueRef place = em_i64(e, points ? i % each : i % each * lane_steps(e));
        uint32_t apart = points || e->mode == EM_LOOP_LANES;
        settle(e, inst, n, i, base, step, first_indices(e, in, place, apart, lanes, yes), lanes);
    }
    begin_rounds(e, inst, n);
}

void em_epoch_end(em *e, em_loop *epoch, kn_id first, kn_id end, int points, int64_t step) {
    if (!epoch->body) return;
    LLVMValueRef base = epoch->index;
    if (points) base = LLVMBuildMul(e->b, base, em_i64(e, e->part->tile), "");
    for (kn_id i = first; i < end; i++)
        if (counts_rounds(e, &e->k->inst[i]) && kn_is_point_fold(&e->k->inst[i]) == points)
            settle_fold(e, i, base, points ? e->part->tile : step);
    em_loop_end(e, epoch);
    e->in_epoch[points] = 0;
}

/* ---- over UNROLL axes -------------------------------------------------------------------------------------------- */

void em_pair_unroll(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t lanes = em_lanes(e, in->over);
    em_value *v = em_new_value(e, inst, in->over, lanes);
    em_at at = {0};
    do {
        em_at one = at;
        pair acc = operand(e, in, &one, lanes);
        while (em_next_unroll(e, in->fold, &one)) {
            pair new = operand(e, in, &one, lanes);
            acc = take(e, wins(e, in, new, acc, grows(e, in)), new, acc);
        }
        v->at[at.slot] = acc.index;
    } while (em_next(e, in->over, &at));
}

/* ---- over LOOP axes ---------------------------------------------------------------------------------------------- */

void em_pair_loop_begin(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t lanes = loop_lanes(e, in), n = em_instances(e, in->over) * e->ilp;
    new_accumulators(e, inst, n, lanes);
    if (!counts_rounds(e, in)) return;
    LLVMValueRef extent = em_size(e, e->k->axis[e->inner].extent);
    LLVMValueRef any = LLVMBuildICmp(e->b, LLVMIntSGT, extent, em_i64(e, 0), "");
    for (uint32_t i = 0; i < n; i++) {
        LLVMValueRef first = em_i64(e, i % e->ilp * lane_steps(e));
        LLVMBuildStore(e->b, first_indices(e, in, first, e->mode == EM_LOOP_LANES, lanes, any),
                       e->acc[inst][INDICES * n + i]);
    }
}

void em_pair_loop_step(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t lanes = loop_lanes(e, in), n = em_instances(e, in->over) * e->ilp;
    LLVMValueRef round = next_round(e, inst, n, lanes);
    em_at at = {0};
    do {
        for (uint32_t u = 0; u < e->ilp; u++) {
            em_at one = at;
            one.u = u;
            LLVMValueRef present = e->mode == EM_LOOP_LANES ? e->loop_mask[u] : e->loop_present[u];
            do meet(e, inst, n, at.slot * e->ilp + u, operand(e, in, &one, lanes), present, round, lanes);
            while (em_next_unroll(e, in->fold, &one));
        }
    } while (em_next(e, in->over, &at));
}

void em_pair_loop_end(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t n = em_instances(e, in->over) * e->ilp;
    em_value *v = em_new_value(e, inst, in->over, em_lanes(e, in->over));
    em_at at = {0};
    do {
        pair acc[KN_MAX_ILP];
        for (uint32_t u = 0; u < e->ilp; u++) acc[u] = get_pair(e, inst, n, at.slot * e->ilp + u);
        for (uint32_t left = e->ilp; left > 1; left /= 2)
            for (uint32_t u = 0; u < left / 2; u++) acc[u] = winner(e, in, acc[2 * u], acc[2 * u + 1]);
        if (e->mode == EM_LOOP_LANES) acc[0] = combine_lanes(e, in, acc[0], e->width);
        v->at[at.slot] = acc[0].index;
    } while (em_next(e, in->over, &at));
}

/* ---- over POINT axes --------------------------------------------------------------------------------------------- */

void em_pair_point_begin(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t lanes = point_lanes(e), n = em_instances(e, in->over) * em_places(e);
    pair start = identity(e, in, 1);
    LLVMValueRef first = LLVMBuildMul(e->b, e->tile_first, em_i64(e, e->part->tile), "");
    LLVMValueRef any = LLVMBuildICmp(e->b, LLVMIntSLT, e->tile_first, e->tile_end, "");
    if (!in_registers(e, in)) {
        if (grows(e, in)) start.index = first_indices(e, in, first, 1, 1, any);
        em_fill_partials(e, kn_access_at(in, 1), start.value);
        em_fill_partials(e, in->acc, start.index);
        return;
    }
    new_accumulators(e, inst, n, lanes);
    for (uint32_t i = 0; i < n && counts_rounds(e, in); i++) {
        LLVMValueRef at = LLVMBuildAdd(e->b, first, em_i64(e, i % em_places(e)), "");
        LLVMBuildStore(e->b, first_indices(e, in, at, 1, lanes, any), e->acc[inst][INDICES * n + i]);
    }
}

/* Is any lane's value over the bar, or a NaN? Register by register. */
static LLVMValueRef any_over(em *e, const kn_inst *in, LLVMValueRef new, LLVMValueRef bar, uint32_t lanes) {
    LLVMRealPredicate better = in->prim == KP_ARGMAX ? LLVMRealUGT : LLVMRealULT;
    LLVMValueRef any = NULL;
    uint32_t piece = piece_lanes(e, in, lanes);
    for (uint32_t i = 0; i < lanes; i += piece) {
        LLVMValueRef here = LLVMBuildFCmp(e->b, better, em_lanes_from(e, new, i, piece), bar, "");
        any = any ? LLVMBuildOr(e->b, any, here, "") : here;
    }
    LLVMTypeRef bits = LLVMIntTypeInContext(e->context, piece);
    return LLVMBuildICmp(e->b, LLVMIntNE, LLVMBuildBitCast(e->b, any, bits, ""), LLVMConstNull(bits), "");
}

/* The best of all lanes is the bar. Once a NaN has come nothing matters but an earlier one, and none is: then it is
 * what no number is over. */
static void raise_bar(em *e, const kn_inst *in, LLVMValueRef values, LLVMValueRef slot, uint32_t lanes) {
    LLVMRealPredicate better = in->prim == KP_ARGMAX ? LLVMRealOGT : LLVMRealOLT;
    LLVMValueRef top =
        LLVMConstReal(LLVMGetElementType(LLVMTypeOf(values)), in->prim == KP_ARGMAX ? INFINITY : -INFINITY);
    LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, values, values, "");
    values = LLVMBuildSelect(e->b, nan, em_splat(e, top, lanes), values, "");
    uint32_t piece = piece_lanes(e, in, lanes);
    for (uint32_t half = lanes / 2; half; half /= 2) {
        LLVMValueRef low = em_lanes_from(e, values, 0, half), high = em_lanes_from(e, values, half, half);
        values = LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, better, low, high, ""), low, high, "");
    }
    LLVMBuildStore(e->b, em_splat(e, values, piece), slot);
}

/* Among many values one that is over the bar is rare: whole tiles only ask for it, and go the long way if there is one.
 */
static void step_registers(em *e, kn_id inst, const kn_inst *in) {
    uint32_t lanes = point_lanes(e), n = em_instances(e, in->over) * em_places(e);
    LLVMValueRef round = next_round(e, inst, n, lanes);
    int ask = round && !e->tile_mask && lanes >= piece_lanes(e, in, EM_MAX_WIDTH) && is_float(value_type(e, in));
    em_at at = {0};
    do {
        for (uint32_t r = 0; r < e->copies; r++) {
            em_at one = at;
            one.r = r;
            LLVMValueRef present = lanes > 1 ? e->tile_mask : e->tile_present[r];
            uint32_t i = at.slot * em_places(e) + r;
            pair new = operand(e, in, &one, lanes);
            LLVMValueRef bar = e->acc[inst][BARS * n + i];
            LLVMBasicBlockRef join = NULL;
            if (ask) join = em_if(e, any_over(e, in, new.value, get(e, bar), lanes), "over");
            meet(e, inst, n, i, new, present, round, lanes);
            if (ask) raise_bar(e, in, get_pair(e, inst, n, i).value, bar, lanes);
            em_end_if(e, join);
        }
    } while (em_next(e, in->over, &at));
}

/* The points of a tile, one after the other or combined before, into the element. */
static pair step_element(em *e, const kn_inst *in, pair acc, const em_at *at, uint32_t lanes) {
    int later = grows(e, in);
    em_at one = *at;
    if (e->mode == EM_POINT_LANES) {
        uint32_t tile = e->part->tile;
        pair new = operand(e, in, at, tile), none = identity(e, in, tile);
        if (e->tile_mask) new = take(e, e->tile_mask, new, none);
        new = combine_lanes(e, in, new, tile);
        return take(e, wins(e, in, new, acc, later), new, acc);
    }
    for (one.r = 0; one.r < e->copies; one.r++) {
        pair new = operand(e, in, &one, lanes);
        acc = take(e, both(e, wins(e, in, new, acc, later), e->tile_present[one.r], lanes), new, acc);
    }
    return acc;
}

void em_pair_point_step(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    if (in_registers(e, in)) {
        step_registers(e, inst, in);
        return;
    }
    uint32_t lanes = e->mode == EM_LOOP_LANES ? em_lanes(e, in->over) : 1, n = em_instances(e, in->over);
    LLVMValueRef *value = ARENA_ARRAY(e->arena, LLVMValueRef, n), *index = ARENA_ARRAY(e->arena, LLVMValueRef, n);
    kn_id value_acc = kn_access_at(in, 1);
    em_at at = {0};
    do {
        pair acc = {em_load(e, value_acc, &at, lanes), em_load(e, in->acc, &at, lanes)};
        acc = step_element(e, in, acc, &at, lanes);
        value[at.slot] = acc.value;
        index[at.slot] = acc.index;
    } while (em_next(e, in->over, &at));
    em_store_all(e, value_acc, in->over, lanes, value);
    em_store_all(e, in->acc, in->over, lanes, index);
}

void em_pair_point_end(em *e, kn_id inst) {
    const kn_inst *in = &e->k->inst[inst];
    uint32_t n = em_instances(e, in->over) * em_places(e);
    if (!in_registers(e, in)) return;
    em_aim(e, inst, (kn_id)(inst + 1), KN_AT_POINT);
    em_at at = {0};
    do {
        pair acc[EM_MAX_WIDTH];
        for (uint32_t r = 0; r < em_places(e); r++) acc[r] = get_pair(e, inst, n, at.slot * em_places(e) + r);
        for (uint32_t left = em_places(e); left > 1; left /= 2)
            for (uint32_t r = 0; r < left / 2; r++) acc[r] = winner(e, in, acc[r], acc[r + left / 2]);
        pair last = combine_lanes(e, in, acc[0], point_lanes(e));
        em_store(e, kn_access_at(in, 1), &at, 1, last.value);
        em_store(e, in->acc, &at, 1, last.index);
    } while (em_next(e, in->over, &at));
}
