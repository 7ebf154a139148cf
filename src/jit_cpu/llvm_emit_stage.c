/* Phases in stages: element-wise work with blocks (llvm_emit_block.c), over a stretch of the loop at a time.
 *
 *     for each stretch of the loop
 *         read blocks of all rows of the tile into buffers        [tile][stretch], rows as the loop has them
 *         for each row: the phase's instructions, with the buffers in place of the blocks
 *         write blocks from buffers
 *
 * The instructions are emitted once and not for each copy, few values are alive, and every row is walked for a
 * kilobyte before the next: lines that a vector covers only in part are still there for the next vector. Rows run one
 * after the other, which is the order of folds over points into memory.
 *
 * Without stages there is no copying, which is better where little is done and few rows are walked: in copies. */
#include "jit_cpu/llvm_emit.h"

#include <string.h>

enum { STRETCH_BYTES = 1024, LEAST_ROWS = 8, MOST_STAGED = 8 };
enum { LITTLE_WORK = 12 }; /* instructions of a phase */

typedef struct {
    uint32_t n;
    kn_id inst[MOST_STAGED];
    uint32_t stretch;           /* elements of the loop */
    LLVMValueRef rows, loop_at; /* present points; first index of the stretch */
} stages;

static int is_across(em *e, const kn_inst *in) {
    const kn_access *a = &e->k->access[in->acc];
    int is_scratch = e->k->mem[a->mem].space == KN_ROW;
    uint32_t lanes = em_lanes(e, in->over);
    if (in->kind != KI_LOAD && in->kind != KI_STORE) return 0;
    return !is_scratch && a->ix == KN_NONE && em_instances(e, in->over) == e->copies &&
           em_is_tile_block(e, in->acc, in->over, lanes);
}

/* Is a value of this phase used in a later one? It would have to be kept for each row. */
static int is_used_later(const em *e) {
    for (uint32_t p = e->part->first_phase; p < e->part->end_phase; p++) {
        const kn_phase *phase = &e->k->phase[p];
        if (phase->first < e->phase->end) continue;
        for (kn_id i = phase->first; i < phase->end; i++) {
            kn_id operand[5];
            for (int n = kn_operands(e->k, &e->k->inst[i], operand); n-- > 0;)
                if (operand[n] >= e->phase->first && operand[n] < e->phase->end &&
                    e->run[operand[n]].place.level != KN_AT_CHUNK)
                    return 1;
        }
    }
    return 0;
}

/* Can the rows of the tile do without each other, and without what is kept for each? */
static int rows_are_alone(em *e) {
    uint32_t over_points = em_bit(e->last_point);
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        const kn_inst *in = &e->k->inst[i];
        kn_id operand[5];
        if (kn_is_loop_fold(e->k, in) || (kn_is_point_fold(in) && !(em_access_axes(e, in->acc) & em_bit(e->inner))))
            return 0;
        if (in->acc != KN_NONE && e->k->mem[e->k->access[in->acc].mem].space == KN_ROW &&
            em_access_axes(e, in->acc) & over_points)
            return 0;
        for (int n = kn_operands(e->k, in, operand); n-- > 0;)
            if (operand[n] < e->phase->first && e->k->inst[operand[n]].over & over_points) return 0;
    }
    return !is_used_later(e);
}

static uint32_t element_bytes(const em *e, const kn_inst *in) {
    return (uint32_t)sn_dtype_size((sn_dtype)e->k->mem[e->k->access[in->acc].mem].store);
}

static int find_stages(em *e, stages *s) {
    *s = (stages){0};
    uint32_t size = 1;
    if (e->phase->at_entry || e->mode != EM_LOOP_LANES || e->phase->n_loop != 1 || e->ilp != 1) return 0;
    if (e->copies < LEAST_ROWS || !rows_are_alone(e)) return 0;
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        const kn_inst *in = &e->k->inst[i];
        if (in->acc == KN_NONE || !is_across(e, in)) continue;
        if (s->n == MOST_STAGED) return 0;
        s->inst[s->n++] = i;
        uint32_t bytes = element_bytes(e, in);
        if (bytes > size) size = bytes;
    }
    s->stretch = STRETCH_BYTES / size;
    kn_size extent = e->k->axis[e->inner].extent;
    return s->n && s->stretch >= 2 * e->width && (extent.dim != KN_NONE || extent.k >= 2 * (int64_t)e->width);
}

static LLVMTypeRef element(em *e, const kn_inst *in) {
    return em_memory_type(e, (sn_dtype)e->k->mem[e->k->access[in->acc].mem].store);
}

/* In a buffer: row r, the vector that begins at the loop's index. */
static LLVMValueRef buffer_at(em *e, const stages *s, const kn_inst *in, LLVMValueRef r, LLVMValueRef index) {
    LLVMValueRef at = LLVMBuildMul(e->b, r, em_i64(e, s->stretch), "");
    at = LLVMBuildAdd(e->b, at, LLVMBuildSub(e->b, index, s->loop_at, ""), "");
    return LLVMBuildGEP2(e->b, element(e, in), e->stage[in->acc].buffer, &at, 1, "");
}

static LLVMValueRef read_vector(em *e, const kn_inst *in, LLVMValueRef p) {
    LLVMValueRef v = LLVMBuildLoad2(e->b, em_vector(element(e, in), e->width), p, "");
    LLVMSetAlignment(v, element_bytes(e, in));
    return em_from_memory(e, &e->k->access[in->acc], v);
}

static void write_vector(em *e, const kn_inst *in, LLVMValueRef p, LLVMValueRef value) {
    value = em_to_memory(e, &e->k->access[in->acc], value, e->width);
    LLVMSetAlignment(LLVMBuildStore(e->b, value, p), element_bytes(e, in));
}

LLVMValueRef em_staged_load(em *e, const kn_inst *in) { return read_vector(e, in, e->stage[in->acc].at); }
void em_staged_store(em *e, const kn_inst *in, LLVMValueRef value) { write_vector(e, in, e->stage[in->acc].at, value); }

/* ---- one round of the loop in each stage ------------------------------------------------------------------------- */

typedef void (*round_fn)(em *e, const stages *s, LLVMValueRef index, LLVMValueRef row);

static void move_blocks(em *e, const stages *s, LLVMValueRef index, kn_kind kind) {
    e->index[e->inner] = index;
    em_pointer *saved = em_aim_loop(e, e->inner, e->phase->n_loop);
    for (uint32_t i = 0; i < s->n; i++) {
        const kn_inst *in = &e->k->inst[s->inst[i]];
        LLVMValueRef value[EM_MAX_WIDTH] = {0};
        if (in->kind != kind) continue;
        if (kind == KI_LOAD) em_load_blocks(e, in->acc, in->over, e->width, value);
        for (uint32_t r = 0; r < e->copies; r++) {
            LLVMValueRef p = buffer_at(e, s, in, em_i64(e, r), index);
            if (kind == KI_LOAD)
                write_vector(e, in, p, value[r]);
            else
                value[r] = read_vector(e, in, p);
        }
        if (kind == KI_STORE) em_store_blocks(e, in->acc, in->over, e->width, value);
    }
    em_aim_back(e, saved);
}

static void read_blocks(em *e, const stages *s, LLVMValueRef index, LLVMValueRef row) {
    (void)row;
    move_blocks(e, s, index, KI_LOAD);
}

static void write_blocks(em *e, const stages *s, LLVMValueRef index, LLVMValueRef row) {
    (void)row;
    move_blocks(e, s, index, KI_STORE);
}

static void do_row(em *e, const stages *s, LLVMValueRef index, LLVMValueRef row) {
    for (uint32_t i = 0; i < s->n; i++) {
        const kn_inst *in = &e->k->inst[s->inst[i]];
        e->stage[in->acc].at = buffer_at(e, s, in, row, index);
    }
    em_emit_round(e, index, 0);
    for (uint32_t i = 0; i < s->n; i++) e->stage[e->k->inst[s->inst[i]].acc].at = NULL;
}

/* The stretch's rounds, then what is left with masks. */
static void each_round(em *e, const stages *s, LLVMValueRef end, const char *name, round_fn f, LLVMValueRef row) {
    LLVMValueRef n = LLVMBuildSub(e->b, end, s->loop_at, "");
    LLVMValueRef whole = LLVMBuildAdd(e->b, s->loop_at, LLVMBuildAnd(e->b, n, em_i64(e, -(int64_t)e->width), ""), "");
    em_loop loop = em_loop_begin(e, name, s->loop_at, whole, em_i64(e, e->width));
    f(e, s, loop.index, row);
    em_loop_end(e, &loop);
    if (e->k->axis[e->inner].extent.k % e->width == 0) return;
    LLVMValueRef left = LLVMBuildSub(e->b, end, whole, "left");
    LLVMBasicBlockRef join = em_if(e, LLVMBuildICmp(e->b, LLVMIntSGT, left, em_i64(e, 0), ""), "rest");
    e->loop_mask[0] = em_lanes_below(e, e->width, left);
    f(e, s, whole, row);
    e->loop_mask[0] = NULL;
    em_end_if(e, join);
}

static void emit_rows(em *e, const stages *s, LLVMValueRef end) {
    LLVMValueRef first = e->index[e->last_point];
    uint32_t copies = e->copies;
    em_pointer *saved = ARENA_ARRAY(e->arena, em_pointer, e->k->n_access);
    memcpy(saved, e->pointer, e->k->n_access * sizeof *saved);
    em_loop row = em_loop_begin(e, "row", em_i64(e, 0), s->rows, em_i64(e, 1));
    e->index[e->last_point] = LLVMBuildAdd(e->b, first, row.index, "");
    e->copies = 1;
    em_aim(e, e->phase->first, e->phase->end, KN_AT_POINT);
    em_emit_level(e, KN_AT_POINT, 0);
    each_round(e, s, end, "along", do_row, row.index);
    em_loop_end(e, &row);
    e->copies = copies;
    e->index[e->last_point] = first;
    em_aim_back(e, saved);
}

static void emit_stages(em *e, stages *s) {
    int loads = 0, stores = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const kn_inst *in = &e->k->inst[s->inst[i]];
        LLVMTypeRef type = LLVMArrayType2(element(e, in), (uint64_t)e->copies * s->stretch);
        e->stage[in->acc].buffer = em_alloca(e, type, "buffer");
        loads |= in->kind == KI_LOAD;
        stores |= in->kind == KI_STORE;
    }
    s->rows = e->tile_n ? e->tile_n : em_i64(e, e->copies);
    LLVMValueRef n = em_size(e, e->k->axis[e->inner].extent);
    em_aim(e, e->phase->first, e->phase->end, KN_AT_POINT);
    em_loop stretch = em_loop_begin(e, "stretch", em_i64(e, 0), n, em_i64(e, s->stretch));
    s->loop_at = stretch.index;
    LLVMValueRef end = LLVMBuildAdd(e->b, s->loop_at, em_i64(e, s->stretch), "");
    end = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, end, n, ""), end, n, "");
    if (loads) each_round(e, s, end, "read", read_blocks, NULL);
    emit_rows(e, s, end);
    if (stores) each_round(e, s, end, "write", write_blocks, NULL);
    em_loop_end(e, &stretch);
}

/* ---- which way --------------------------------------------------------------------------------------------------- */

/* Number of accesses that walk along rows. */
static uint32_t rows_walked(em *e) {
    uint32_t n = 0, both = em_bit(e->last_point) | em_bit(e->inner);
    for (kn_id i = e->phase->first; i < e->phase->end; i++) {
        const kn_inst *in = &e->k->inst[i];
        n += in->acc != KN_NONE && (em_access_axes(e, in->acc) & both) == both && !is_across(e, in);
    }
    return n;
}

void em_emit_body(em *e, void (*direct)(em *e)) {
    stages s;
    if (find_stages(e, &s) && ((uint32_t)(e->phase->end - e->phase->first) > LITTLE_WORK || rows_walked(e) > 1))
        emit_stages(e, &s);
    else
        direct(e);
}
