/* Runs a planned kernel: chunks, tiles, phases, nests and instructions in the order of ir/kernel.h. An instruction runs
 * over a grid at once, the points of the tile by a block of innermost loop indices; its order within the grid cannot be
 * seen but in folds, which keep theirs. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/interp_state.h"
#include "base/floats.h"

typedef interp_state run;
typedef interp_grid grid;

grid interp_operand(const run *r, const interp_inst *p, uint32_t copy, uint32_t folded, int n) {
    const uint32_t *slots = p->operand + (copy * p->folded + folded) * N_OPERANDS;
    return (grid){r->plan->value + slots[n], p->row_step[n], p->col_step[n]};
}

void interp_next_copy(run *r, uint32_t axes) {
    for (uint32_t a = r->k->n_axis; a-- > 0;) {
        if (!(axes >> a & 1)) continue;
        if (++r->index[a] < r->k->axis[a].extent.k) return;
        r->index[a] = 0;
    }
}

void interp_apply(const run *r, const interp_inst *p, kn_prim prim, sn_dtype type, sn_dtype from, uint64_t *out, grid a,
                  grid b, grid c) {
    uint32_t rows = interp_rows(r, p), cols = interp_cols(r, p);
    if (p->cols == 1) {
        interp_prim(prim, type, from, rows, out, (interp_lanes){a.at, a.row}, (interp_lanes){b.at, b.row},
                    (interp_lanes){c.at, c.row});
        return;
    }
    for (uint32_t row = 0; row < rows; row++)
        interp_prim(prim, type, from, cols, out + (size_t)row * p->cols, interp_row(a, row), interp_row(b, row),
                    interp_row(c, row));
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void report(interp_errors *errors, const char *format, ...) {
    if (errors->n++) return;
    va_list args;
    va_start(args, format);
    vsnprintf(errors->first, sizeof errors->first, format, args);
    va_end(args);
}

void interp_report_element(const run *r, uint32_t inst, kn_id acc, int64_t element) {
    uint32_t mem = r->k->access[acc].mem;
    report(r->errors, "instruction %u: element %lld of memory %u (%s), which has %lld", inst, (long long)element, mem,
           r->k->mem_name && r->k->mem_name[mem] ? r->k->mem_name[mem] : "?", (long long)r->plan->count[mem]);
}

uint64_t interp_read(const unsigned char *at, sn_dtype type) {
    uint32_t low;
    uint64_t bits;
    if (base_is_half(type)) return base_float_bits(SN_F32, base_float_get(type, at));
    switch (sn_dtype_size(type)) {
        case 1: return type == SN_BOOL ? *at != 0 : *at;
        case 4: memcpy(&low, at, 4); return low;
        default: memcpy(&bits, at, 8); return bits;
    }
}

void interp_write(unsigned char *at, sn_dtype type, uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    if (base_is_half(type)) {
        base_float_put(type, at, (long double)base_float_value(SN_F32, bits));
        return;
    }
    switch (sn_dtype_size(type)) {
        case 1: *at = (unsigned char)bits; break;
        case 4: memcpy(at, &low, 4); break;
        default: memcpy(at, &bits, 8); break;
    }
}

interp_places interp_places_of(const run *r, kn_id acc) {
    const kn_access *access = &r->k->access[acc];
    const interp_access *sizes = &r->plan->access[acc];
    int in_row_scratch = r->k->mem[access->mem].space == KN_ROW;
    interp_places p = {.start = (uint64_t)sizes->base};
    for (uint32_t i = 0; i < access->n; i++) {
        uint64_t step = (uint64_t)sizes->step[i];
        int is_point = access->axis[i] == r->last_point;
        if (is_point) p.row += step;
        if (access->axis[i] == r->innermost) p.col += step;
        if (!(is_point && in_row_scratch)) p.start += step * (uint64_t)r->index[access->axis[i]];
    }
    return p;
}

/* Loads into, or stores from, the grid of one copy. */
static void transfer(const run *r, uint32_t id, uint32_t copy, uint64_t *loaded, grid stored) {
    const kn_inst *inst = &r->k->inst[id];
    const kn_access *access = &r->k->access[inst->acc];
    const interp_inst *p = &r->plan->inst[id];
    const interp_places at = interp_places_of(r, inst->acc);
    const grid ix = interp_operand(r, p, copy, 0, OPERAND_IX), guard = interp_operand(r, p, copy, 0, OPERAND_GUARD);
    const uint64_t ix_step = (uint64_t)r->plan->access[inst->acc].ix_step;
    const uint64_t count = (uint64_t)r->plan->count[access->mem];
    const sn_dtype type = (sn_dtype)r->k->mem[access->mem].store;
    const size_t size = sn_dtype_size(type);
    unsigned char *data = r->plan->data[access->mem];
    uint32_t rows = interp_rows(r, p), cols = interp_cols(r, p);
    for (uint32_t row = 0; row < rows; row++) {
        for (uint32_t col = 0; col < cols; col++) {
            uint64_t *value = loaded ? loaded + (size_t)row * p->cols + col : NULL;
            if (access->guard != KN_NONE && !guard.at[row * guard.row + col * guard.col]) {
                if (value) *value = 0;
                continue;
            }
            uint64_t element = at.start + row * at.row + col * at.col;
            if (access->ix != KN_NONE) /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): operand() found it */
                element += ix_step * ix.at[row * ix.row + col * ix.col];
            if (element >= count) {
                interp_report_element(r, id, inst->acc, (int64_t)element);
                if (value) *value = 0;
            } else if (value) {
                *value = interp_read(data + element * size, type);
            } else {
                interp_write(data + element * size, type, stored.at[row * stored.row + col * stored.col]);
            }
        }
    }
}

/* ---- instructions and phases ------------------------------------------------------------------------------------- */

static void run_index(run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    uint32_t axis = (uint32_t)inst->bits, rows = interp_rows(r, p), cols = interp_cols(r, p);
    for (uint32_t copy = 0; copy < p->copies; copy++, interp_next_copy(r, p->axes)) {
        uint64_t *out = r->plan->value + p->slot + copy;
        for (uint32_t row = 0; row < rows; row++)
            for (uint32_t col = 0; col < cols; col++) out[row * p->cols + col] = (uint64_t)(r->index[axis] + row + col);
    }
}

static void run_inst(run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    const size_t grid_slots = (size_t)p->rows * p->cols;
    switch (inst->kind) {
        case KI_INDEX: run_index(r, id); break;
        case KI_LOAD:
            for (uint32_t copy = 0; copy < p->copies; copy++, interp_next_copy(r, p->axes))
                transfer(r, id, copy, r->plan->value + p->slot + copy * grid_slots, (grid){0});
            break;
        case KI_STORE:
            if (r->phase->at_entry && r->chunk > 0 && r->k->mem[r->k->access[inst->acc].mem].space != KN_ROW) break;
            for (uint32_t copy = 0; copy < p->copies; copy++, interp_next_copy(r, p->axes))
                transfer(r, id, copy, NULL, interp_operand(r, p, copy, 0, 0));
            break;
        case KI_PRIM:
            for (uint32_t copy = 0; copy < p->copies; copy++)
                interp_apply(r, p, (kn_prim)inst->prim, (sn_dtype)inst->type, (sn_dtype)p->from,
                             r->plan->value + p->slot + copy * grid_slots, interp_operand(r, p, copy, 0, 0),
                             interp_operand(r, p, copy, 0, 1), interp_operand(r, p, copy, 0, 2));
            break;
        case KI_FOLD:
            if (inst->acc != KN_NONE)
                interp_fold_points(r, id);
            else if (inst->fold & kn_axes_with(r->k, KN_LOOP))
                interp_fold_loops(r, id);
            else
                interp_fold_unroll(r, id);
            break;
        default: break;
    }
}

static void run_level(run *r, uint32_t level) {
    for (uint32_t i = r->steps->level[level]; i < r->steps->level[level + 1]; i++) run_inst(r, r->steps->order[i]);
}

static void run_nest(run *r, uint32_t depth) {
    run_level(r, depth);
    if (depth == r->phase->n_loop) return;
    uint32_t axis = r->phase->loop[depth];
    int64_t extent = r->plan->extent[axis], block = axis == r->innermost ? r->steps->block : 1;
    for (int64_t i = 0; i < extent; i += block) {
        r->index[axis] = i;
        if (axis == r->innermost) r->cols = (uint32_t)(extent - i < block ? extent - i : block);
        run_nest(r, depth + 1);
    }
    r->index[axis] = 0;
}

static void run_phase(run *r, uint32_t phase) {
    r->phase = &r->k->phase[phase];
    r->steps = &r->plan->phase[phase];
    uint32_t n_loop = r->phase->n_loop;
    const uint32_t *level = &r->steps->level[n_loop]; /* where folds over the loops are */
    uint32_t loops = kn_axes_with(r->k, KN_LOOP);
    r->innermost = n_loop ? r->phase->loop[n_loop - 1] : KN_NONE;
    r->cols = 1;
    for (uint32_t i = level[0]; i < level[1]; i++)
        if (r->k->inst[r->steps->order[i]].fold & loops) interp_fold_loops_begin(r, r->steps->order[i]);
    run_nest(r, 0);
    for (uint32_t i = level[0]; i < level[1]; i++)
        if (r->k->inst[r->steps->order[i]].fold & loops) interp_fold_loops_end(r, r->steps->order[i]);
    r->cols = 1;
    run_level(r, n_loop + 1);
}

/* ---- launch ------------------------------------------------------------------------------------------------------ */

/* Sizes, addresses and the values that no loop and no point changes. */
static void begin_launch(run *r) {
    const kn_kernel *k = r->k;
    const int64_t *dims = r->launch->dim;
    interp_plan *plan = r->plan;
    for (uint32_t a = 0; a < k->n_axis; a++) plan->extent[a] = kn_size_value(k->axis[a].extent, dims);
    for (uint32_t i = 0; i < k->n_access; i++) {
        const kn_access *access = &k->access[i];
        plan->access[i].base = kn_size_value(access->base, dims);
        plan->access[i].ix_step = kn_size_value(access->ix_step, dims);
        for (uint32_t s = 0; s < access->n; s++) plan->access[i].step[s] = kn_size_value(access->step[s], dims);
    }
    for (uint32_t m = 0; m < k->n_mem; m++) {
        int64_t count = kn_size_value(k->mem[m].count, dims);
        plan->count[m] = count < 0 ? 0 : count;
        plan->data[m] = k->mem[m].space == KN_ROW ? r->scratch + kn_row_offset(k, m, dims) : r->launch->mem[m];
    }
    for (uint32_t id = 0; id < k->n_inst; id++) {
        const kn_inst *inst = &k->inst[id];
        uint64_t *value = &plan->value[plan->inst[id].slot];
        if (inst->kind == KI_CONST) *value = inst->bits;
        if (inst->kind == KI_DIM) *value = (uint64_t)dims[inst->bits];
        if (inst->kind != KI_SCALAR) continue;
        size_t size = sn_dtype_size((sn_dtype)inst->type);
        *value = r->launch->scalar[inst->bits];
        if (size < 8) *value &= ((uint64_t)1 << 8 * size) - 1;
        if (inst->type == SN_BOOL) *value = *value != 0;
    }
}

/* Index of each point axis at a tile; tiles are numbered row-major. */
static void place_tile(run *r, int64_t tile) {
    const kn_part *part = r->part;
    r->rows = 1;
    for (uint32_t i = part->n_point; i-- > 0;) {
        uint32_t axis = part->point[i];
        int64_t extent = r->plan->extent[axis];
        if (axis != r->last_point) {
            r->index[axis] = tile % extent;
            tile /= extent;
            continue;
        }
        int64_t tiles = extent / part->tile + (extent % part->tile != 0);
        r->index[axis] = tile % tiles * part->tile;
        tile /= tiles;
        int64_t left = extent - r->index[axis];
        r->rows = (uint32_t)(left < part->tile ? left : part->tile);
    }
}

static void run_chunk(run *r, int64_t first_tile, int64_t end_tile) {
    const kn_kernel *k = r->k;
    const kn_part *part = r->part;
    uint32_t first = k->phase[part->first_phase].first, end = k->phase[part->end_phase - 1].end;
    for (uint32_t id = first; id < end; id++) {
        for (uint32_t n = 0; n < KN_ACCESSES; n++) {
            kn_id acc = kn_access_at(&k->inst[id], n);
            if (acc == KN_NONE) continue;
            uint32_t mem = k->access[acc].mem;
            if (k->mem[mem].space == KN_PART && r->launch->mem[mem]) /* NULL where there is nothing in it */
                r->plan->data[mem] =
                    (unsigned char *)r->launch->mem[mem] +
                    (size_t)r->chunk * (size_t)r->plan->count[mem] * sn_dtype_size((sn_dtype)k->mem[mem].store);
        }
    }
    memset(r->index, 0, sizeof r->index);
    for (uint32_t id = first; id < end; id++)
        if (k->inst[id].kind == KI_FOLD && k->inst[id].acc != KN_NONE) interp_fold_points_begin(r, id);
    r->rows = 1;
    for (uint32_t p = part->first_phase; p < part->end_phase; p++)
        if (k->phase[p].at_entry) run_phase(r, p);
    for (int64_t tile = first_tile; tile < end_tile; tile++) {
        place_tile(r, tile);
        for (uint32_t p = part->first_phase; p < part->end_phase; p++)
            if (!k->phase[p].at_entry) run_phase(r, p);
    }
    for (uint32_t id = first; id < end; id++)
        if (k->inst[id].kind == KI_FOLD && k->inst[id].acc != KN_NONE) interp_fold_points_end(r, id);
}

void interp_plan_run(interp_plan *plan, const kn_launch *launch, uint32_t part, int64_t chunk0, int64_t chunk1,
                     void *scratch, interp_errors *errors) {
    run r = {.plan = plan,
             .k = plan->k,
             .launch = launch,
             .errors = errors,
             .scratch = scratch,
             .part = &plan->k->part[part],
             .last_point = KN_NONE,
             .innermost = KN_NONE};
    if (r.part->n_point) r.last_point = r.part->point[r.part->n_point - 1];
    begin_launch(&r);
    int64_t tiles = kn_tiles(r.k, part, launch->dim), chunks = kn_chunks(r.k, part, launch->dim);
    for (r.chunk = chunk0; r.chunk < chunk1; r.chunk++)
        run_chunk(&r, kn_chunk_tile(tiles, chunks, r.chunk), kn_chunk_tile(tiles, chunks, r.chunk + 1));
}

typedef struct {
    base_arena *arena;
    const kn_kernel *kernel;
    interp_plan *plan;
} planning;

static void make_plan(void *arg) {
    planning *p = arg;
    p->plan = interp_plan_new(p->arena, p->kernel);
}

void interp_run(const kn_kernel *expanded, const kn_launch *launch, uint32_t part, int64_t chunk0, int64_t chunk1,
                void *scratch, interp_errors *errors) {
    base_alloc alloc;
    base_trap trap = {0};
    base_arena arena;
    base_alloc_init(&alloc, NULL);
    base_arena_init(&arena, &alloc, &trap);
    planning p = {&arena, expanded, NULL};
    if (base_protect(&trap, make_plan, &p))
        report(errors, "%s", trap.text);
    else
        interp_plan_run(p.plan, launch, part, chunk0, chunk1, scratch, errors);
    base_arena_free(&arena);
}
