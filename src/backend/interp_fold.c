/* Folds of the interpreter, in the order of ir/kernel.h.
 *
 * Accumulators are runs of values. A fold of pairs has two runs, the indices and, `values` further on, the values; both
 * take part in each step, so every function here is told how far that is. */
#include "backend/interp_state.h"

typedef interp_state run;
typedef interp_grid grid;

typedef struct {
    const kn_inst *inst;
    const interp_inst *p;
    sn_dtype type;   /* of the accumulators */
    sn_dtype from;   /* of the first operand: of a pair's values */
    kn_prim combine; /* of two accumulators: a fold by FMA adds */
    int is_pair;
} folding;

static folding folding_of(const run *r, uint32_t id) {
    const kn_inst *inst = &r->k->inst[id];
    return (folding){.inst = inst,
                     .p = &r->plan->inst[id],
                     .type = (sn_dtype)inst->type,
                     .from = (sn_dtype)r->plan->inst[id].from,
                     .combine = inst->prim == KP_FMA ? KP_ADD : (kn_prim)inst->prim,
                     .is_pair = kn_is_pair((kn_prim)inst->prim)};
}

static uint64_t value_identity(const folding *f) { return kn_identity(kn_pair_value((kn_prim)f->inst->prim), f->from); }

static void fill_identity(const folding *f, uint64_t *at, size_t n, size_t values) {
    uint64_t identity = kn_identity((kn_prim)f->inst->prim, f->type);
    for (size_t i = 0; i < n; i++) at[i] = identity;
    if (!f->is_pair) return;
    for (size_t i = 0; i < n; i++) at[values + i] = value_identity(f);
}

/* acc = op(acc, x), or acc + x * y, or the winner of acc and the pair (x, y). */
static void fold_into(const folding *f, size_t n, uint64_t *acc, size_t values, interp_lanes x, interp_lanes y) {
    interp_lanes old = {acc, 1};
    if (f->is_pair)
        interp_pair((kn_prim)f->inst->prim, f->from, n, acc + values, acc, x, y);
    else if (f->inst->prim == KP_FMA)
        interp_prim(KP_FMA, f->type, f->type, n, acc, x, y, old);
    else
        interp_prim((kn_prim)f->inst->prim, f->type, f->type, n, acc, old, x, x);
}

/* out = op(a, b), of accumulators. */
static void combine(const folding *f, size_t n, uint64_t *out, const uint64_t *a, const uint64_t *b, size_t values) {
    interp_lanes x = {a, 1}, y = {b, 1};
    if (!f->is_pair) {
        interp_prim(f->combine, f->type, f->type, n, out, x, y, x);
        return;
    }
    for (size_t i = 0; i < n && out != a; i++) {
        out[i] = a[i];
        out[values + i] = a[values + i];
    }
    interp_pair(f->combine, f->from, n, out + values, out, (interp_lanes){b + values, 1}, y);
}

/* n lanes (a power of two) into the first: lane l with lane l + n/2, .. */
static void fold_halves(const folding *f, uint64_t *lanes, uint32_t n, size_t values) {
    for (uint32_t half = n / 2; half; half /= 2) combine(f, half, lanes, lanes, lanes + half, values);
}

/* The lanes of a part: neighbours of one thread first. */
static void fold_lanes(const run *r, const folding *f, uint64_t *lanes, uint32_t n, size_t values) {
    uint32_t own = kn_thread_lanes(r->k, r->part, n);
    for (uint32_t t = 0; own > 1 && t < n / own; t++) {
        fold_halves(f, lanes + (size_t)t * own, own, values);
        lanes[t] = lanes[(size_t)t * own];
        if (f->is_pair) lanes[values + t] = lanes[values + (size_t)t * own];
    }
    fold_halves(f, lanes, n / own, values);
}

/* ---- over UNROLL axes -------------------------------------------------------------------------------------------- */

static void unroll_pairs(const run *r, const folding *f, uint32_t copy, uint64_t *out) {
    uint32_t rows = interp_rows(r, f->p), cols = interp_cols(r, f->p);
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t *indices = out + (size_t)row * f->p->cols, *values = r->plan->acc + f->p->acc;
        for (uint32_t col = 0; col < cols; col++) {
            indices[col] = kn_identity(f->combine, f->type);
            values[col] = value_identity(f);
        }
        for (uint32_t i = 0; i < f->p->folded; i++)
            interp_pair(f->combine, f->from, cols, values, indices,
                        interp_row(interp_operand(r, f->p, copy, i, 0), row),
                        interp_row(interp_operand(r, f->p, copy, i, 1), row));
    }
}

void interp_fold_unroll(const run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    const interp_inst *p = f.p;
    int fma = f.inst->prim == KP_FMA;
    for (uint32_t copy = 0; copy < p->copies; copy++) {
        uint64_t *out = r->plan->value + p->slot + (size_t)copy * p->rows * p->cols;
        grid acc = {out, p->cols, 1};
        if (f.is_pair) {
            unroll_pairs(r, &f, copy, out);
            continue;
        }
        for (uint32_t i = 0; i < p->folded; i++) {
            grid x = interp_operand(r, p, copy, i, 0), y = interp_operand(r, p, copy, i, 1);
            if (i == 0)
                interp_apply(r, p, fma ? KP_MUL : KP_CAST, f.type, f.type, out, x, y, x);
            else if (fma)
                interp_apply(r, p, KP_FMA, f.type, f.type, out, x, y, acc);
            else
                interp_apply(r, p, (kn_prim)f.inst->prim, f.type, f.type, out, acc, x, x);
        }
    }
}

/* ---- over LOOP axes ---------------------------------------------------------------------------------------------- */

void interp_fold_loops_begin(const run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    size_t n = (size_t)f.p->copies * f.p->rows * r->steps->lanes_ilp;
    fill_identity(&f, r->plan->acc + f.p->acc, n, n);
}

/* The block's indices, in runs that meet no accumulator twice: index i belongs to accumulator i % (ilp * width). */
void interp_fold_loops(const run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    const interp_inst *p = f.p;
    uint32_t n_acc = r->steps->lanes_ilp, rows = interp_rows(r, p);
    size_t values = (size_t)p->copies * p->rows * n_acc;
    for (uint32_t copy = 0; copy < p->copies; copy++) {
        for (uint32_t row = 0; row < rows; row++) {
            uint64_t *accs = r->plan->acc + p->acc + ((size_t)copy * p->rows + row) * n_acc;
            for (uint32_t col = 0, n; col < r->cols; col += n) {
                uint32_t first = (uint32_t)((r->index[r->innermost] + col) % n_acc);
                n = n_acc - first < r->cols - col ? n_acc - first : r->cols - col;
                for (uint32_t i = 0; i < p->folded; i++) {
                    interp_lanes x = interp_row(interp_operand(r, p, copy, i, 0), row);
                    interp_lanes y = interp_row(interp_operand(r, p, copy, i, 1), row);
                    x.at += col * x.step;
                    y.at += col * y.step;
                    fold_into(&f, n, accs + first, values, x, y);
                }
            }
        }
    }
}

/* After the nest: the ilp accumulators as a tree of neighbours, then the lanes by halves. */
void interp_fold_loops_end(const run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    const interp_inst *p = f.p;
    uint32_t rows = interp_rows(r, p), width = r->steps->lanes_ilp / r->phase->ilp;
    size_t values = (size_t)p->copies * p->rows * r->steps->lanes_ilp;
    for (uint32_t copy = 0; copy < p->copies; copy++) {
        for (uint32_t row = 0; row < rows; row++) {
            uint64_t *accs = r->plan->acc + p->acc + ((size_t)copy * p->rows + row) * r->steps->lanes_ilp;
            for (uint32_t n = r->phase->ilp / 2u; n; n /= 2)
                for (uint32_t i = 0; i < n; i++) {
                    uint64_t *low = accs + (size_t)2 * i * width;
                    combine(&f, width, accs + (size_t)i * width, low, low + width, values);
                }
            fold_lanes(r, &f, accs, width, values);
            r->plan->value[p->slot + (size_t)copy * p->rows + row] = accs[0];
        }
    }
}

/* ---- over POINT axes --------------------------------------------------------------------------------------------- */

static int is_in_memory(const run *r, const kn_inst *inst) { return (inst->over & kn_axes_with(r->k, KN_LOOP)) != 0; }

/* An element of partials: of the fold's own access, and of the values' for pairs. NULL, and a report, outside. */
static unsigned char *partial(const run *r, const folding *f, uint32_t which, uint32_t col) {
    kn_id acc = kn_access_at(f->inst, which);
    uint32_t mem = r->k->access[acc].mem;
    interp_places at = interp_places_of(r, acc);
    uint64_t element = at.start + col * at.col;
    if (element < (uint64_t)r->plan->count[mem])
        return r->plan->data[mem] + element * sn_dtype_size((sn_dtype)r->k->mem[mem].store);
    interp_report_element(r, (uint32_t)(f->inst - r->k->inst), acc, (int64_t)element);
    return NULL;
}

static void write_partial(const run *r, const folding *f, uint32_t col, const uint64_t *acc, size_t values) {
    unsigned char *at = partial(r, f, 0, col), *value = f->is_pair ? partial(r, f, 1, col) : NULL;
    if (at) interp_write(at, f->type, *acc);
    if (value) interp_write(value, f->from, acc[values]);
}

/* One element of a fold over points kept in memory: the present points' values at column col. */
static void fold_column(const run *r, const folding *f, uint32_t col, grid x, grid y) {
    enum { VALUES = KN_MAX_WIDTH };
    const unsigned char *at = partial(r, f, 0, col), *value = f->is_pair ? partial(r, f, 1, col) : NULL;
    if (!at || (f->is_pair && !value)) return;
    uint64_t acc[2] = {interp_read(at, f->type), value ? interp_read(value, f->from) : 0};
    interp_lanes xs = {x.at + col * x.col, x.row}, ys = {y.at + col * y.col, y.row};
    if (r->phase->lanes != KN_NONE && r->phase->lanes == r->last_point) {
        uint64_t lanes[2 * VALUES];
        fill_identity(f, lanes, r->part->tile, VALUES);
        if (f->is_pair)
            fold_into(f, r->rows, lanes, VALUES, xs, ys);
        else
            interp_prim(f->inst->prim == KP_FMA ? KP_MUL : KP_CAST, f->type, f->type, r->rows, lanes, xs, ys, xs);
        fold_lanes(r, f, lanes, r->part->tile, VALUES);
        const uint64_t tile[2] = {lanes[0], f->is_pair ? lanes[VALUES] : 0};
        combine(f, 1, acc, acc, tile, 1);
    } else {
        for (uint32_t row = 0; row < r->rows; row++)
            fold_into(f, 1, acc, 1, (interp_lanes){xs.at + row * xs.step, 0}, (interp_lanes){ys.at + row * ys.step, 0});
    }
    write_partial(r, f, col, acc, 1);
}

void interp_fold_points(run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    const interp_inst *p = f.p;
    const uint32_t tile = r->part->tile, cols = interp_cols(r, p);
    for (uint32_t copy = 0; copy < p->copies; copy++, interp_next_copy(r, p->axes)) {
        grid x = interp_operand(r, p, copy, 0, 0), y = interp_operand(r, p, copy, 0, 1);
        if (!is_in_memory(r, f.inst)) {
            fold_into(&f, r->rows, r->plan->acc + p->acc + (size_t)copy * tile, (size_t)p->copies * tile,
                      (interp_lanes){x.at, x.row}, (interp_lanes){y.at, y.row});
            continue;
        }
        for (uint32_t col = 0; col < cols; col++) fold_column(r, &f, col, x, y);
    }
}

/* Every element of an accumulator in memory := identity. */
static void clear_elements(run *r, const folding *f, uint32_t loops) {
    uint64_t identity[2];
    uint32_t axis = 0;
    fill_identity(f, identity, 1, 1);
    if (!loops) {
        for (uint32_t copy = 0; copy < f->p->copies; copy++, interp_next_copy(r, f->p->axes))
            write_partial(r, f, 0, identity, 1);
        return;
    }
    while (!(loops >> axis & 1)) axis++;
    for (r->index[axis] = 0; r->index[axis] < r->plan->extent[axis]; r->index[axis]++)
        clear_elements(r, f, loops & (loops - 1));
    r->index[axis] = 0;
}

void interp_fold_points_begin(run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    size_t n = (size_t)f.p->copies * r->part->tile;
    if (is_in_memory(r, f.inst))
        clear_elements(r, &f, f.inst->over & kn_axes_with(r->k, KN_LOOP));
    else
        fill_identity(&f, r->plan->acc + f.p->acc, n, n);
}

void interp_fold_points_end(run *r, uint32_t id) {
    const folding f = folding_of(r, id);
    size_t values = (size_t)f.p->copies * r->part->tile;
    if (is_in_memory(r, f.inst)) return;
    for (uint32_t copy = 0; copy < f.p->copies; copy++, interp_next_copy(r, f.p->axes)) {
        uint64_t *lanes = r->plan->acc + f.p->acc + (size_t)copy * r->part->tile;
        fold_lanes(r, &f, lanes, r->part->tile, values);
        write_partial(r, &f, 0, lanes, values);
    }
}
