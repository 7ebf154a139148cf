/* Runs a planned kernel: chunks, tiles, phases, nests and instructions in the order of ir/kernel.h. An instruction runs
 * over a grid at once, the points of the tile by a block of innermost loop indices; its order within the grid cannot be
 * seen but in folds, which keep theirs. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/interp_plan.h"

typedef struct {
    interp_plan *plan;
    const kn_kernel *k;
    const kn_launch *launch;
    interp_errors *errors;
    unsigned char *scratch;
    const kn_part *part;
    const kn_phase *phase;
    const interp_phase *steps;
    uint32_t last_point, innermost; /* axes, or KN_NONE */
    int64_t chunk;
    int64_t index[KN_MAX_AXES]; /* of the first point of the tile, the first index of the block */
    uint32_t rows, cols;        /* present points, present indices */
} run;

/* Values in a grid. */
typedef struct {
    const uint64_t *at;
    size_t row, col;
} grid;

static grid operand(const run *r, const interp_inst *p, uint32_t copy, uint32_t folded, int n) {
    const uint32_t *slots = p->operand + (copy * p->folded + folded) * N_OPERANDS;
    return (grid){r->plan->value + slots[n], p->row_step[n], p->col_step[n]};
}

static interp_lanes row_of(grid g, size_t row) { return (interp_lanes){g.at + row * g.row, g.col}; }

static uint32_t rows_of(const run *r, const interp_inst *p) { return p->rows > 1 ? r->rows : 1; }
static uint32_t cols_of(const run *r, const interp_inst *p) { return p->cols > 1 ? r->cols : 1; }

/* To the next copy made by unrolling: the highest axis id fastest. */
static void next_copy(run *r, uint32_t axes) {
    for (uint32_t a = r->k->n_axis; a-- > 0;) {
        if (!(axes >> a & 1)) continue;
        if (++r->index[a] < r->k->axis[a].extent.k) return;
        r->index[a] = 0;
    }
}

/* out = prim(a, b, c) over the instruction's grid. */
static void apply(const run *r, const interp_inst *p, kn_prim prim, sn_dtype type, sn_dtype from, uint64_t *out, grid a,
                  grid b, grid c) {
    uint32_t rows = rows_of(r, p), cols = cols_of(r, p);
    if (p->cols == 1) {
        interp_prim(prim, type, from, rows, out, (interp_lanes){a.at, a.row}, (interp_lanes){b.at, b.row},
                    (interp_lanes){c.at, c.row});
        return;
    }
    for (uint32_t row = 0; row < rows; row++)
        interp_prim(prim, type, from, cols, out + (size_t)row * p->cols, row_of(a, row), row_of(b, row),
                    row_of(c, row));
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void report(interp_errors *errors, const char *format, ...) {
    if (errors->n++) return;
    va_list args;
    va_start(args, format);
    vsnprintf(errors->first, sizeof errors->first, format, args);
    va_end(args);
}

static void report_element(const run *r, uint32_t inst, int64_t element) {
    uint32_t mem = r->k->access[r->k->inst[inst].acc].mem;
    report(r->errors, "instruction %u: element %lld of memory %u (%s), which has %lld", inst, (long long)element, mem,
           r->k->mem_name && r->k->mem_name[mem] ? r->k->mem_name[mem] : "?", (long long)r->plan->count[mem]);
}

static uint64_t read_element(const unsigned char *at, sn_dtype type) {
    uint32_t low;
    uint64_t bits;
    switch (sn_dtype_size(type)) {
        case 1: return type == SN_BOOL ? *at != 0 : *at;
        case 4: memcpy(&low, at, 4); return low;
        default: memcpy(&bits, at, 8); return bits;
    }
}

static void write_element(unsigned char *at, sn_dtype type, uint64_t bits) {
    uint32_t low = (uint32_t)bits;
    switch (sn_dtype_size(type)) {
        case 1: *at = (unsigned char)bits; break;
        case 4: memcpy(at, &low, 4); break;
        default: memcpy(at, &bits, 8); break;
    }
}

/* Elements of an access over the grid, without the index's share. Wraps like machine code where a size is absurd. */
typedef struct {
    uint64_t start, row, col;
} places;

static places places_of(const run *r, kn_id acc) {
    const kn_access *access = &r->k->access[acc];
    const interp_access *sizes = &r->plan->access[acc];
    int in_row_scratch = r->k->mem[access->mem].space == KN_ROW;
    places p = {.start = (uint64_t)sizes->base};
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
    const places at = places_of(r, inst->acc);
    const grid ix = operand(r, p, copy, 0, OPERAND_IX), guard = operand(r, p, copy, 0, OPERAND_GUARD);
    const uint64_t ix_step = (uint64_t)r->plan->access[inst->acc].ix_step;
    const uint64_t count = (uint64_t)r->plan->count[access->mem];
    const sn_dtype type = (sn_dtype)inst->type;
    const size_t size = sn_dtype_size(type);
    unsigned char *data = r->plan->data[access->mem];
    uint32_t rows = rows_of(r, p), cols = cols_of(r, p);
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
                report_element(r, id, (int64_t)element);
                if (value) *value = 0;
            } else if (value) {
                *value = read_element(data + element * size, type);
            } else {
                write_element(data + element * size, type, stored.at[row * stored.row + col * stored.col]);
            }
        }
    }
}

/* ---- folds ------------------------------------------------------------------------------------------------------- */

/* A fold by FMA adds up where two accumulators meet. */
static kn_prim combining(const kn_inst *inst) { return inst->prim == KP_FMA ? KP_ADD : (kn_prim)inst->prim; }

static void fill_identity(const kn_inst *inst, uint64_t *at, size_t n) {
    uint64_t identity = kn_identity((kn_prim)inst->prim, (sn_dtype)inst->type);
    for (size_t i = 0; i < n; i++) at[i] = identity;
}

/* acc = op(acc, x), or acc + x * y. */
static void fold_into(const kn_inst *inst, size_t n, uint64_t *acc, interp_lanes x, interp_lanes y) {
    sn_dtype type = (sn_dtype)inst->type;
    interp_lanes old = {acc, 1};
    if (inst->prim == KP_FMA)
        interp_prim(KP_FMA, type, type, n, acc, x, y, old);
    else
        interp_prim((kn_prim)inst->prim, type, type, n, acc, old, x, x);
}

/* n lanes (a power of two) into the first: lane l with lane l + n/2, .. */
static void fold_halves(const kn_inst *inst, uint64_t *lanes, uint32_t n) {
    sn_dtype type = (sn_dtype)inst->type;
    for (uint32_t half = n / 2; half; half /= 2) {
        interp_lanes low = {lanes, 1}, high = {lanes + half, 1};
        interp_prim(combining(inst), type, type, half, lanes, low, high, low);
    }
}

static void fold_unroll(const run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    sn_dtype type = (sn_dtype)inst->type;
    int fma = inst->prim == KP_FMA;
    for (uint32_t copy = 0; copy < p->copies; copy++) {
        uint64_t *out = r->plan->value + p->slot + (size_t)copy * p->rows * p->cols;
        grid acc = {out, p->cols, 1};
        for (uint32_t f = 0; f < p->folded; f++) {
            grid x = operand(r, p, copy, f, 0), y = operand(r, p, copy, f, 1);
            if (f == 0)
                apply(r, p, fma ? KP_MUL : KP_CAST, type, type, out, x, y, x);
            else if (fma)
                apply(r, p, KP_FMA, type, type, out, x, y, acc);
            else
                apply(r, p, (kn_prim)inst->prim, type, type, out, acc, x, x);
        }
    }
}

/* Accumulators of a fold over loops, at the beginning of the nest. */
static void fold_loops_begin(const run *r, uint32_t id) {
    const interp_inst *p = &r->plan->inst[id];
    fill_identity(&r->k->inst[id], r->plan->acc + p->acc, (size_t)p->copies * p->rows * r->steps->lanes_ilp);
}

/* The block's indices, in runs that meet no accumulator twice: index i belongs to accumulator i % (ilp * width). */
static void fold_loops(const run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    uint32_t n_acc = r->steps->lanes_ilp, rows = rows_of(r, p);
    for (uint32_t copy = 0; copy < p->copies; copy++) {
        for (uint32_t row = 0; row < rows; row++) {
            uint64_t *accs = r->plan->acc + p->acc + ((size_t)copy * p->rows + row) * n_acc;
            for (uint32_t col = 0, n; col < r->cols; col += n) {
                uint32_t first = (uint32_t)((r->index[r->innermost] + col) % n_acc);
                n = n_acc - first < r->cols - col ? n_acc - first : r->cols - col;
                for (uint32_t f = 0; f < p->folded; f++) {
                    interp_lanes x = row_of(operand(r, p, copy, f, 0), row), y = row_of(operand(r, p, copy, f, 1), row);
                    x.at += col * x.step;
                    y.at += col * y.step;
                    fold_into(inst, n, accs + first, x, y);
                }
            }
        }
    }
}

/* After the nest: the ilp accumulators as a tree of neighbours, then the lanes by halves. */
static void fold_loops_end(const run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    sn_dtype type = (sn_dtype)inst->type;
    uint32_t rows = rows_of(r, p), width = r->steps->lanes_ilp / r->phase->ilp;
    for (uint32_t copy = 0; copy < p->copies; copy++) {
        for (uint32_t row = 0; row < rows; row++) {
            uint64_t *accs = r->plan->acc + p->acc + ((size_t)copy * p->rows + row) * r->steps->lanes_ilp;
            for (uint32_t n = r->phase->ilp / 2u; n; n /= 2) {
                for (uint32_t i = 0; i < n; i++) {
                    interp_lanes low = {accs + (size_t)2 * i * width, 1}, high = {low.at + width, 1};
                    interp_prim(combining(inst), type, type, width, accs + (size_t)i * width, low, high, low);
                }
            }
            fold_halves(inst, accs, width);
            r->plan->value[p->slot + (size_t)copy * p->rows + row] = accs[0];
        }
    }
}

static int is_in_memory(const run *r, const kn_inst *inst) { return (inst->over & kn_axes_with(r->k, KN_LOOP)) != 0; }

/* One element of a fold over points kept in memory: the present points' values at column col. */
static void fold_point_column(const run *r, const kn_inst *inst, uint32_t col, grid x, grid y, unsigned char *at) {
    sn_dtype type = (sn_dtype)inst->type;
    uint64_t acc = read_element(at, type);
    interp_lanes xs = {x.at + col * x.col, x.row}, ys = {y.at + col * y.col, y.row};
    if (r->phase->lanes != KN_NONE && r->phase->lanes == r->last_point) {
        uint64_t lanes[KN_MAX_WIDTH];
        fill_identity(inst, lanes, r->part->tile);
        interp_prim(inst->prim == KP_FMA ? KP_MUL : KP_CAST, type, type, r->rows, lanes, xs, ys, xs);
        fold_halves(inst, lanes, r->part->tile);
        interp_lanes sum = {lanes, 1}, old = {&acc, 1};
        interp_prim(combining(inst), type, type, 1, &acc, old, sum, sum);
    } else {
        for (uint32_t row = 0; row < r->rows; row++)
            fold_into(inst, 1, &acc, (interp_lanes){xs.at + row * xs.step, 0},
                      (interp_lanes){ys.at + row * ys.step, 0});
    }
    write_element(at, type, acc);
}

static void fold_points(run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    const uint32_t mem = r->k->access[inst->acc].mem, tile = r->part->tile;
    const size_t size = sn_dtype_size((sn_dtype)inst->type);
    uint32_t cols = cols_of(r, p);
    for (uint32_t copy = 0; copy < p->copies; copy++, next_copy(r, p->axes)) {
        grid x = operand(r, p, copy, 0, 0), y = operand(r, p, copy, 0, 1);
        if (!is_in_memory(r, inst)) {
            fold_into(inst, r->rows, r->plan->acc + p->acc + (size_t)copy * tile, (interp_lanes){x.at, x.row},
                      (interp_lanes){y.at, y.row});
            continue;
        }
        places at = places_of(r, inst->acc);
        for (uint32_t col = 0; col < cols; col++) {
            uint64_t element = at.start + col * at.col;
            if (element < (uint64_t)r->plan->count[mem])
                fold_point_column(r, inst, col, x, y, r->plan->data[mem] + element * size);
            else
                report_element(r, id, (int64_t)element);
        }
    }
}

static void write_accumulator(const run *r, uint32_t id, uint64_t bits) {
    const kn_inst *inst = &r->k->inst[id];
    uint32_t mem = r->k->access[inst->acc].mem;
    uint64_t element = places_of(r, inst->acc).start;
    if (element < (uint64_t)r->plan->count[mem])
        write_element(r->plan->data[mem] + element * sn_dtype_size((sn_dtype)inst->type), (sn_dtype)inst->type, bits);
    else
        report_element(r, id, (int64_t)element);
}

/* Every element of an accumulator in memory := identity. */
static void clear_elements(run *r, uint32_t id, uint32_t loops) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    uint64_t identity = kn_identity((kn_prim)inst->prim, (sn_dtype)inst->type);
    uint32_t axis = 0;
    if (!loops) {
        for (uint32_t copy = 0; copy < p->copies; copy++, next_copy(r, p->axes)) write_accumulator(r, id, identity);
        return;
    }
    while (!(loops >> axis & 1)) axis++;
    for (r->index[axis] = 0; r->index[axis] < r->plan->extent[axis]; r->index[axis]++)
        clear_elements(r, id, loops & (loops - 1));
    r->index[axis] = 0;
}

static void fold_points_begin(run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    if (is_in_memory(r, inst))
        clear_elements(r, id, inst->over & kn_axes_with(r->k, KN_LOOP));
    else
        fill_identity(inst, r->plan->acc + p->acc, (size_t)p->copies * r->part->tile);
}

static void fold_points_end(run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    if (is_in_memory(r, inst)) return;
    for (uint32_t copy = 0; copy < p->copies; copy++, next_copy(r, p->axes)) {
        uint64_t *lanes = r->plan->acc + p->acc + (size_t)copy * r->part->tile;
        fold_halves(inst, lanes, r->part->tile);
        write_accumulator(r, id, lanes[0]);
    }
}

/* ---- instructions and phases ------------------------------------------------------------------------------------- */

static void run_index(run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    const interp_inst *p = &r->plan->inst[id];
    uint32_t axis = (uint32_t)inst->bits, rows = rows_of(r, p), cols = cols_of(r, p);
    for (uint32_t copy = 0; copy < p->copies; copy++, next_copy(r, p->axes)) {
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
            for (uint32_t copy = 0; copy < p->copies; copy++, next_copy(r, p->axes))
                transfer(r, id, copy, r->plan->value + p->slot + copy * grid_slots, (grid){0});
            break;
        case KI_STORE:
            if (r->phase->at_entry && r->chunk > 0 && r->k->mem[r->k->access[inst->acc].mem].space != KN_ROW) break;
            for (uint32_t copy = 0; copy < p->copies; copy++, next_copy(r, p->axes))
                transfer(r, id, copy, NULL, operand(r, p, copy, 0, 0));
            break;
        case KI_PRIM:
            for (uint32_t copy = 0; copy < p->copies; copy++)
                apply(r, p, (kn_prim)inst->prim, (sn_dtype)inst->type, (sn_dtype)p->from,
                      r->plan->value + p->slot + copy * grid_slots, operand(r, p, copy, 0, 0),
                      operand(r, p, copy, 0, 1), operand(r, p, copy, 0, 2));
            break;
        case KI_FOLD:
            if (inst->acc != KN_NONE)
                fold_points(r, id);
            else if (inst->fold & kn_axes_with(r->k, KN_LOOP))
                fold_loops(r, id);
            else
                fold_unroll(r, id);
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
        if (r->k->inst[r->steps->order[i]].fold & loops) fold_loops_begin(r, r->steps->order[i]);
    run_nest(r, 0);
    for (uint32_t i = level[0]; i < level[1]; i++)
        if (r->k->inst[r->steps->order[i]].fold & loops) fold_loops_end(r, r->steps->order[i]);
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
        if (k->inst[id].acc == KN_NONE) continue;
        uint32_t mem = k->access[k->inst[id].acc].mem;
        if (k->mem[mem].space == KN_PART && r->launch->mem[mem]) /* NULL where there is nothing in it */
            r->plan->data[mem] = (unsigned char *)r->launch->mem[mem] + (size_t)r->chunk * (size_t)r->plan->count[mem] *
                                                                            sn_dtype_size((sn_dtype)k->mem[mem].store);
    }
    memset(r->index, 0, sizeof r->index);
    for (uint32_t id = first; id < end; id++)
        if (k->inst[id].kind == KI_FOLD && k->inst[id].acc != KN_NONE) fold_points_begin(r, id);
    r->rows = 1;
    for (uint32_t p = part->first_phase; p < part->end_phase; p++)
        if (k->phase[p].at_entry) run_phase(r, p);
    for (int64_t tile = first_tile; tile < end_tile; tile++) {
        place_tile(r, tile);
        for (uint32_t p = part->first_phase; p < part->end_phase; p++)
            if (!k->phase[p].at_entry) run_phase(r, p);
    }
    for (uint32_t id = first; id < end; id++)
        if (k->inst[id].kind == KI_FOLD && k->inst[id].acc != KN_NONE) fold_points_end(r, id);
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
