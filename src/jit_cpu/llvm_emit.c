/* From a kernel to an LLVM module: one internal function per part, and the exported function that chooses among them.
 *
 * A part's function is: entry phases, what is the same for all tiles; for each of its chunks: accumulators set, the
 * tile loop, accumulators written. A tile is emitted twice if the last point axis may end inside one: full, and ragged
 * with masks. The tile's place on the point axes is found by division once per chunk and counted up from there. */
#include "jit_cpu/llvm_emit.h"

#include <stdio.h>
#include <string.h>

/* ---- small tools ------------------------------------------------------------------------------------------------- */

LLVMValueRef em_i64(em *e, int64_t value) { return LLVMConstInt(e->i64, (uint64_t)value, 1); }
LLVMValueRef em_i32(em *e, uint32_t value) { return LLVMConstInt(e->i32, value, 0); }

LLVMBasicBlockRef em_block(em *e, const char *name) { return LLVMAppendBasicBlockInContext(e->context, e->fn, name); }

LLVMValueRef em_alloca(em *e, LLVMTypeRef type, const char *name) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMPositionBuilderBefore(e->b, e->entry_end);
    LLVMValueRef slot = LLVMBuildAlloca(e->b, type, name);
    LLVMPositionBuilderAtEnd(e->b, here);
    return slot;
}

LLVMValueRef em_intrinsic(em *e, const char *name, LLVMTypeRef *types, size_t n_types, LLVMValueRef *args,
                          uint32_t n_args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(e->module, id, types, n_types);
    return LLVMBuildCall2(e->b, LLVMIntrinsicGetType(e->context, id, types, n_types), fn, args, n_args, "");
}

LLVMValueRef em_and(em *e, LLVMValueRef a, LLVMValueRef b) { return !a ? b : !b ? a : LLVMBuildAnd(e->b, a, b, ""); }

LLVMValueRef em_lanes_below(em *e, uint32_t lanes, LLVMValueRef n) {
    LLVMValueRef lane[EM_MAX_WIDTH];
    for (uint32_t i = 0; i < lanes; i++) lane[i] = em_i32(e, i);
    LLVMValueRef n32 = em_splat(e, LLVMBuildTrunc(e->b, n, e->i32, ""), lanes);
    return LLVMBuildICmp(e->b, LLVMIntSLT, LLVMConstVector(lane, lanes), n32, "mask");
}

LLVMValueRef em_lanes_from(em *e, LLVMValueRef vector, uint32_t first, uint32_t lanes) {
    LLVMValueRef pick[EM_MAX_WIDTH] = {0};
    for (uint32_t i = 0; i < lanes; i++) pick[i] = em_i32(e, first + i);
    if (lanes == 1) return LLVMBuildExtractElement(e->b, vector, pick[0], "");
    return LLVMBuildShuffleVector(e->b, vector, LLVMGetPoison(LLVMTypeOf(vector)), LLVMConstVector(pick, lanes), "");
}

LLVMBasicBlockRef em_if(em *e, LLVMValueRef condition, const char *name) {
    if (!condition) return NULL;
    LLVMBasicBlockRef then = em_block(e, name), join = em_block(e, "join");
    LLVMBuildCondBr(e->b, condition, then, join);
    LLVMPositionBuilderAtEnd(e->b, then);
    return join;
}

void em_end_if(em *e, LLVMBasicBlockRef join) {
    if (!join) return;
    LLVMBuildBr(e->b, join);
    LLVMPositionBuilderAtEnd(e->b, join);
}

/* Tested at the bottom, with a test before the first round: what is computed inside is seen outside only through
 * allocas, which the sroa pass turns into registers. */
em_loop em_loop_begin(em *e, const char *name, LLVMValueRef start, LLVMValueRef end, LLVMValueRef step) {
    char text[48];
    em_loop loop = {.end = end, .step = step};
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b);
    loop.body = em_block(e, name);
    snprintf(text, sizeof text, "%s.end", name);
    loop.exit = em_block(e, text);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, start, end, ""), loop.body, loop.exit);
    LLVMPositionBuilderAtEnd(e->b, loop.body);
    loop.index = LLVMBuildPhi(e->b, e->i64, "i");
    LLVMAddIncoming(loop.index, &start, &before, 1);
    return loop;
}

void em_loop_end(em *e, em_loop *loop) {
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, loop->index, loop->step, "next");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, loop->end, ""), loop->body, loop->exit);
    LLVMAddIncoming(loop->index, &next, &last, 1);
    LLVMPositionBuilderAtEnd(e->b, loop->exit);
}

/* ---- what is passed in: memories, dims --------------------------------------------------------------------------- */

static LLVMValueRef load_at(em *e, LLVMTypeRef type, LLVMValueRef base, int64_t byte, const char *name) {
    LLVMValueRef offset = em_i64(e, byte);
    return LLVMBuildLoad2(e->b, type, LLVMBuildGEP2(e->b, e->i8, base, &offset, 1, ""), name);
}

LLVMValueRef em_size(em *e, kn_size size) {
    if (size.dim == KN_NONE || size.k == 0) return em_i64(e, size.k);
    for (uint32_t i = 0; i < e->sizes.n; i++)
        if (e->sizes.at[i].size.k == size.k && e->sizes.at[i].size.dim == size.dim) return e->sizes.at[i].value;
    LLVMValueRef value;
    if (size.k == 1) {
        char name[24];
        snprintf(name, sizeof name, "dim%u", (unsigned)size.dim);
        LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
        LLVMPositionBuilderBefore(e->b, e->entry_end);
        value = load_at(e, e->i64, e->launch_dim, 8 * (int64_t)size.dim, name);
        LLVMPositionBuilderAtEnd(e->b, here);
    } else {
        LLVMValueRef dim = em_size(e, (kn_size){1, size.dim});
        LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
        LLVMPositionBuilderBefore(e->b, e->entry_end);
        value = LLVMBuildNSWMul(e->b, dim, em_i64(e, size.k), "");
        LLVMPositionBuilderAtEnd(e->b, here);
    }
    *base_vec_push(&e->sizes, e->arena) = (em_size_entry){size, value};
    return value;
}

static int uses_mem(const em *e, kn_id mem) {
    const kn_kernel *k = e->k;
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++)
        for (uint32_t i = k->phase[p].first; i < k->phase[p].end; i++)
            for (uint32_t n = 0; n < KN_ACCESSES; n++) {
                kn_id acc = kn_access_at(&k->inst[i], n);
                if (acc != KN_NONE && k->access[acc].mem == mem) return 1;
            }
    return 0;
}

/* Pointers to the memories that the part uses. ROW memories lie one after the other in the scratch, as kn_row_offset
 * has it. */
static void load_memories(em *e, LLVMValueRef table, LLVMValueRef scratch) {
    static const char *const space_name[] = {"in", "out", "inout", "row", "part"};
    LLVMValueRef row = em_i64(e, 0);
    for (kn_id m = 0; m < e->k->n_mem; m++) {
        const kn_mem *mem = &e->k->mem[m];
        char name[16];
        snprintf(name, sizeof name, "%s%u", space_name[mem->space], (unsigned)m);
        e->mem[m] = NULL;
        if (uses_mem(e, m))
            e->mem[m] = mem->space == KN_ROW ? LLVMBuildGEP2(e->b, e->i8, scratch, &row, 1, name)
                                             : load_at(e, e->ptr, table, 8 * (int64_t)m, name);
        if (mem->space != KN_ROW) continue;
        kn_size bytes = {em_mul64(mem->count.k, (int64_t)sn_dtype_size((sn_dtype)mem->store)), mem->count.dim};
        LLVMValueRef padded = LLVMBuildAdd(e->b, em_size(e, bytes), em_i64(e, 63), "");
        row = LLVMBuildAdd(e->b, row, LLVMBuildAnd(e->b, padded, em_i64(e, -64), ""), "");
    }
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

static LLVMValueRef extent_of(em *e, kn_id axis) { return em_size(e, e->k->axis[axis].extent); }

static LLVMValueRef ceil_div(em *e, LLVMValueRef a, int64_t b) {
    return LLVMBuildUDiv(e->b, LLVMBuildAdd(e->b, a, em_i64(e, b - 1), ""), em_i64(e, b), "");
}

/* Tiles along the i-th point axis. */
static LLVMValueRef tiles_along(em *e, uint32_t i) {
    LLVMValueRef n = extent_of(e, e->part->point[i]);
    return i + 1u == e->part->n_point ? ceil_div(e, n, e->part->tile) : n;
}

static int is_tile_ragged(const em *e) {
    if (e->part->tile == 1) return 0;
    kn_size extent = e->k->axis[e->last_point].extent;
    return extent.k % e->part->tile != 0;
}

static void emit_tile_phases(em *e) {
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++)
        if (!e->k->phase[p].at_entry) em_emit_phase(e, &e->k->phase[p]);
    em_line_of_part(e);
}

/* NULL: a full tile. */
static void set_tile_masks(em *e, LLVMValueRef present) {
    uint32_t tile = e->part->tile;
    if (present && tile == 2) present = em_i64(e, 1);
    e->tile_n = present;
    e->tile_mask = present && tile > 1 ? em_lanes_below(e, tile, present) : NULL;
    LLVMValueRef last = present ? LLVMBuildSub(e->b, present, em_i64(e, 1), "") : NULL;
    for (uint32_t r = 0; r < tile; r++) {
        e->tile_offset[r] = em_i64(e, r);
        e->tile_present[r] = NULL;
        if (!present || r == 0) continue; /* a tile has at least one point */
        e->tile_present[r] = LLVMBuildICmp(e->b, LLVMIntSLT, em_i64(e, r), present, "");
        e->tile_offset[r] = LLVMBuildSelect(e->b, e->tile_present[r], em_i64(e, r), last, "");
    }
}

static void emit_tile(em *e) {
    if (!is_tile_ragged(e)) {
        set_tile_masks(e, NULL);
        emit_tile_phases(e);
        return;
    }
    LLVMBasicBlockRef full = em_block(e, "tile.full"), ragged = em_block(e, "tile.ragged"),
                      next = em_block(e, "tile.next");
    LLVMValueRef left = LLVMBuildSub(e->b, extent_of(e, e->last_point), e->index[e->last_point], "left");
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSGE, left, em_i64(e, e->part->tile), ""), full, ragged);
    LLVMPositionBuilderAtEnd(e->b, full);
    set_tile_masks(e, NULL);
    emit_tile_phases(e);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, ragged);
    set_tile_masks(e, left);
    emit_tile_phases(e);
    LLVMBuildBr(e->b, next);
    LLVMPositionBuilderAtEnd(e->b, next);
    set_tile_masks(e, NULL);
}

/* Tiles [first, end): their indices on the point axes are counted like digits, the last one in steps of a tile. */
static void emit_tiles(em *e, LLVMValueRef first, LLVMValueRef end) {
    const kn_part *part = e->part;
    LLVMValueRef digit[KN_MAX_NEST], rest = first;
    for (uint32_t i = part->n_point; i-- > 0;) {
        LLVMValueRef n = tiles_along(e, i), here = rest;
        if (i > 0) { /* n may be 0: then there is no tile, but here is a division */
            LLVMValueRef empty = LLVMBuildICmp(e->b, LLVMIntEQ, n, em_i64(e, 0), "");
            LLVMValueRef by = LLVMBuildSelect(e->b, empty, em_i64(e, 1), n, "");
            here = LLVMBuildURem(e->b, rest, by, "");
            rest = LLVMBuildUDiv(e->b, rest, by, "");
        }
        if (i + 1u == part->n_point) here = LLVMBuildMul(e->b, here, em_i64(e, part->tile), "");
        digit[i] = em_alloca(e, e->i64, "point");
        LLVMBuildStore(e->b, here, digit[i]);
    }
    const kn_phase *phase = &e->k->phase[part->first_phase];
    kn_id from = phase->first, to = e->k->phase[part->end_phase - 1].end;
    em_loop epoch = em_epoch_begin(e, from, to, 1, first, &end, 1);
    em_loop loop = em_loop_begin(e, "tile", epoch.body ? epoch.index : first, end, em_i64(e, 1));
    for (uint32_t i = 0; i < part->n_point; i++) e->index[part->point[i]] = LLVMBuildLoad2(e->b, e->i64, digit[i], "p");
    emit_tile(e);
    LLVMValueRef carry = NULL; /* NULL: 1 */
    for (uint32_t i = part->n_point; i-- > 0;) {
        int is_last = i + 1u == part->n_point;
        LLVMValueRef step = em_i64(e, is_last ? part->tile : 1), value = e->index[part->point[i]];
        if (carry) step = LLVMBuildZExt(e->b, carry, e->i64, "");
        value = LLVMBuildAdd(e->b, value, step, "");
        if (i > 0) {
            carry = LLVMBuildICmp(e->b, LLVMIntSGE, value, extent_of(e, part->point[i]), "carry");
            value = LLVMBuildSelect(e->b, carry, em_i64(e, 0), value, "");
        }
        LLVMBuildStore(e->b, value, digit[i]);
    }
    em_loop_end(e, &loop);
    em_epoch_end(e, &epoch, from, to, 1, 1);
}

/* ---- chunks and parts -------------------------------------------------------------------------------------------- */

/* For each point fold of the part: em_point_fold_begin or _end. */
static void for_point_folds(em *e, void (*f)(em *, kn_id)) {
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        const kn_phase *phase = &e->k->phase[p];
        em_begin_phase(e, phase);
        for (kn_id i = phase->first; i < phase->end; i++)
            if (kn_is_point_fold(&e->k->inst[i])) {
                em_line_of(e, i);
                f(e, i);
            }
    }
}

/* A ROW memory that an entry phase fills and a later phase writes again has to be filled for each chunk. */
static int entry_is_spoilt(const em *e) {
    const kn_kernel *k = e->k;
    for (uint32_t m = 0; m < k->n_mem; m++) {
        int in_entry = 0, in_tiles = 0;
        for (uint32_t p = e->part->first_phase; k->mem[m].space == KN_ROW && p < e->part->end_phase; p++)
            for (uint32_t i = k->phase[p].first; i < k->phase[p].end; i++) {
                if (k->inst[i].kind != KI_STORE || k->access[k->inst[i].acc].mem != m) continue;
                in_entry |= k->phase[p].at_entry;
                in_tiles |= !k->phase[p].at_entry;
            }
        if (in_entry && in_tiles) return 1;
    }
    return 0;
}

static int has_tile_phase(const em *e) {
    return e->part->end_phase > e->part->first_phase && !e->k->phase[e->part->end_phase - 1].at_entry;
}

/* The entry phases, and what is the same for all tiles. */
static void emit_entry(em *e) {
    set_tile_masks(e, NULL);
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++)
        if (e->k->phase[p].at_entry) em_emit_phase(e, &e->k->phase[p]);
    if (has_tile_phase(e)) em_emit_chunk_level(e);
    em_line_of_part(e);
}

static void emit_chunk(em *e, LLVMValueRef tiles, LLVMValueRef chunks, LLVMValueRef *part_start) {
    LLVMBuilderRef b = e->b;
    for (kn_id m = 0; m < e->k->n_mem; m++) {
        if (!part_start[m]) continue;
        const kn_mem *mem = &e->k->mem[m];
        LLVMValueRef own = LLVMBuildMul(b, e->chunk, em_size(e, mem->count), "");
        e->mem[m] = LLVMBuildGEP2(b, em_memory_type(e, (sn_dtype)mem->store), part_start[m], &own, 1, "partial");
    }
    /* [c * T / C, (c + 1) * T / C) without overflow: c * T / C == c * (T / C) + c * (T % C) / C */
    LLVMValueRef bound[2], each = LLVMBuildUDiv(b, tiles, chunks, ""), over = LLVMBuildURem(b, tiles, chunks, "");
    for (int i = 0; i < 2; i++) {
        LLVMValueRef c = i ? LLVMBuildAdd(b, e->chunk, em_i64(e, 1), "") : e->chunk;
        LLVMValueRef extra = LLVMBuildUDiv(b, LLVMBuildMul(b, c, over, ""), chunks, "");
        bound[i] = LLVMBuildAdd(b, LLVMBuildMul(b, c, each, ""), extra, i ? "tile.last" : "tile.first");
    }
    e->tile_first = bound[0];
    e->tile_end = bound[1];
    for_point_folds(e, em_point_fold_begin);
    em_line_of_part(e);
    set_tile_masks(e, NULL);
    if (has_tile_phase(e)) emit_tiles(e, e->tile_first, e->tile_end);
    for_point_folds(e, em_point_fold_end);
    em_line_of_part(e);
}

/* The chunk loop. What entry phases compute is the same for all chunks: done once for those of a call. */
static void emit_chunks(em *e, LLVMValueRef tiles, LLVMValueRef chunks) {
    LLVMValueRef *part_start = ARENA_ARRAY(e->arena, LLVMValueRef, e->k->n_mem);
    for (kn_id m = 0; m < e->k->n_mem; m++) part_start[m] = e->k->mem[m].space == KN_PART ? e->mem[m] : NULL;
    LLVMValueRef first = LLVMGetParam(e->fn, 1), end = LLVMGetParam(e->fn, 2);
    LLVMBasicBlockRef join = em_if(e, LLVMBuildICmp(e->b, LLVMIntSLT, first, end, ""), "chunks");
    int once = !entry_is_spoilt(e);
    e->chunk = first;
    if (once) emit_entry(e);
    em_loop loop = em_loop_begin(e, "chunk", first, end, em_i64(e, 1));
    e->chunk = loop.index;
    if (!once) emit_entry(e);
    emit_chunk(e, tiles, chunks, part_start);
    em_loop_end(e, &loop);
    em_end_if(e, join);
}

static void emit_part(em *e) {
    LLVMBuilderRef b = e->b;
    LLVMBasicBlockRef entry = em_block(e, "entry"), start = em_block(e, "start");
    LLVMPositionBuilderAtEnd(b, entry);
    em_line_of_part(e);
    e->entry_end = LLVMBuildBr(b, start);
    LLVMPositionBuilderBefore(b, e->entry_end);
    LLVMValueRef launch = LLVMGetParam(e->fn, 0);
    LLVMValueRef table = load_at(e, e->ptr, launch, (int64_t)offsetof(kn_launch, mem), "mem");
    e->launch_dim = load_at(e, e->ptr, launch, (int64_t)offsetof(kn_launch, dim), "dim");
    e->launch_scalar = load_at(e, e->ptr, launch, (int64_t)offsetof(kn_launch, scalar), "scalar");
    e->zero = LLVMBuildAlloca(b, e->i64, "zero");
    LLVMBuildStore(b, em_i64(e, 0), e->zero);
    LLVMPositionBuilderAtEnd(b, start);
    load_memories(e, table, LLVMGetParam(e->fn, 3));
    em_place_part(e);

    const kn_part *part = e->part;
    LLVMValueRef tiles = em_i64(e, 1);
    for (uint32_t i = 0; i < part->n_point; i++) tiles = LLVMBuildMul(b, tiles, tiles_along(e, i), "tiles");
    LLVMValueRef most = em_i64(e, part->max_chunks), chunks = ceil_div(e, tiles, part->grain);
    chunks = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGT, chunks, most, ""), most, chunks, "");
    if (part->team == 1) { /* the greatest power of two */
        LLVMValueRef zeros[2] = {LLVMBuildOr(b, chunks, em_i64(e, 1), ""), LLVMConstInt(e->i1, 1, 0)};
        LLVMValueRef top = em_intrinsic(e, "llvm.ctlz", &e->i64, 1, zeros, 2);
        chunks = LLVMBuildLShr(b, LLVMConstInt(e->i64, (uint64_t)1 << 63, 0), top, "chunks");
    } else {
        LLVMValueRef none = LLVMBuildICmp(b, LLVMIntEQ, chunks, em_i64(e, 0), "");
        chunks = LLVMBuildSelect(b, none, em_i64(e, 1), chunks, "chunks");
    }
    emit_chunks(e, tiles, chunks);
    LLVMBuildRetVoid(b);
}

/* No unwind tables, no library calls made up by the optimiser, no tables of addresses (they need relocations), and
 * stack frames that touch each page. */
static void add_attributes(em *e, LLVMValueRef fn) {
    static const char *const text[][2] = {
        {"no-builtins", ""}, {"no-jump-tables", "true"}, {"probe-stack", "inline-asm"}, {"prefer-vector-width", "512"}};
    const LLVMAttributeIndex whole = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(fn, whole, LLVMCreateEnumAttribute(e->context, nounwind, 0));
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        const char *key = text[i][0], *value = text[i][1];
        LLVMAttributeRef a =
            LLVMCreateStringAttribute(e->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
        LLVMAddAttributeAtIndex(fn, whole, a);
    }
}

static LLVMValueRef new_function(em *e, const char *name, LLVMTypeRef *types, unsigned n_types,
                                 const char *const *args) {
    LLVMValueRef fn = LLVMAddFunction(e->module, name, LLVMFunctionType(e->void_type, types, n_types, 0));
    for (unsigned i = 0; i < n_types; i++) LLVMSetValueName2(LLVMGetParam(fn, i), args[i], strlen(args[i]));
    add_attributes(e, fn);
    return fn;
}

static void check_widths(const em *e) {
    uint32_t widest = 1;
    for (uint32_t p = 0; p < e->k->n_part; p++)
        if (e->k->part[p].tile > widest) widest = e->k->part[p].tile;
    for (uint32_t p = 0; p < e->k->n_phase; p++)
        if (e->k->phase[p].width > widest) widest = e->k->phase[p].width;
    if (widest > EM_MAX_WIDTH)
        base_fail(e->arena->trap, SN_ERR_UNSUPPORTED,
                  "a kernel scheduled for another processor: vectors or tiles of %u, at most %d here", widest,
                  EM_MAX_WIDTH);
}

void em_kernel(em *e, const char *symbol) {
    const kn_kernel *k = e->k;
    check_widths(e);
    e->void_type = LLVMVoidTypeInContext(e->context);
    e->ptr = LLVMPointerTypeInContext(e->context, 0);
    e->i1 = LLVMInt1TypeInContext(e->context);
    e->i8 = LLVMInt8TypeInContext(e->context);
    e->i32 = LLVMInt32TypeInContext(e->context);
    e->i64 = LLVMInt64TypeInContext(e->context);
    e->mem = ARENA_ARRAY(e->arena, LLVMValueRef, k->n_mem);
    e->run = ARENA_ARRAY(e->arena, em_run, k->n_inst);
    e->value = ARENA_ARRAY(e->arena, em_value, k->n_inst);
    e->acc = ARENA_ARRAY(e->arena, LLVMValueRef *, k->n_inst);
    e->pointer = ARENA_ARRAY(e->arena, em_pointer, k->n_access);
    e->stage = ARENA_ARRAY(e->arena, em_stage, k->n_access);
    e->aimed = ARENA_ARRAY(e->arena, uint32_t, k->n_access);

    em_lines_begin(e, symbol);

    LLVMTypeRef part_types[4] = {e->ptr, e->i64, e->i64, e->ptr}, types[5] = {e->ptr, e->i32, e->i64, e->i64, e->ptr};
    static const char *const part_args[] = {"launch", "chunk0", "chunk1", "scratch"};
    static const char *const args[] = {"launch", "part", "chunk0", "chunk1", "scratch"};
    LLVMValueRef *part_fn = ARENA_ARRAY(e->arena, LLVMValueRef, k->n_part);
    for (uint32_t p = 0; p < k->n_part; p++) {
        e->part = &k->part[p];
        e->part_id = p;
        e->last_point = e->part->n_point ? e->part->point[e->part->n_point - 1] : (kn_id)KN_NONE;
        e->sizes.n = 0;
        e->fn = part_fn[p] =
            new_function(e, base_arena_printf(e->arena, "%s.part%u", symbol, p), part_types, 4, part_args);
        LLVMSetLinkage(e->fn, LLVMInternalLinkage);
        em_lines_function(e, e->fn, LLVMGetValueName2(e->fn, &(size_t){0}), e->lines ? e->lines->part[p] : 0);
        emit_part(e);
    }

    e->fn = new_function(e, symbol, types, 5, args);
    em_lines_function(e, e->fn, symbol, 1);
    LLVMPositionBuilderAtEnd(e->b, em_block(e, "entry"));
    LLVMBasicBlockRef done = em_block(e, "done");
    LLVMValueRef choose = LLVMBuildSwitch(e->b, LLVMGetParam(e->fn, 1), done, k->n_part);
    for (uint32_t p = 0; p < k->n_part; p++) {
        LLVMBasicBlockRef block = em_block(e, base_arena_printf(e->arena, "call%u", p));
        LLVMAddCase(choose, em_i32(e, p), block);
        LLVMPositionBuilderAtEnd(e->b, block);
        LLVMValueRef pass[4] = {LLVMGetParam(e->fn, 0), LLVMGetParam(e->fn, 2), LLVMGetParam(e->fn, 3),
                                LLVMGetParam(e->fn, 4)};
        LLVMValueRef call =
            LLVMBuildCall2(e->b, LLVMFunctionType(e->void_type, part_types, 4, 0), part_fn[p], pass, 4, "");
        LLVMSetTailCall(call, 1);
        LLVMBuildBr(e->b, done);
    }
    LLVMPositionBuilderAtEnd(e->b, done);
    LLVMBuildRetVoid(e->b);
    em_lines_end(e);
}
