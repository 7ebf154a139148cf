/* interp_state.h: where a run of the interpreter is, shared by what runs instructions (interp_run.c) and folds
 * (interp_fold.c). */
#ifndef BACKEND_INTERP_STATE_H
#define BACKEND_INTERP_STATE_H

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
} interp_state;

/* Values in a grid: the points of the tile by a block of innermost loop indices. */
typedef struct {
    const uint64_t *at;
    size_t row, col;
} interp_grid;

/* Operand n of a copy of an instruction; folded: which of the copies that are folded into one. */
interp_grid interp_operand(const interp_state *s, const interp_inst *p, uint32_t copy, uint32_t folded, int n);
static inline interp_lanes interp_row(interp_grid g, size_t row) { return (interp_lanes){g.at + row * g.row, g.col}; }
static inline uint32_t interp_rows(const interp_state *s, const interp_inst *p) { return p->rows > 1 ? s->rows : 1; }
static inline uint32_t interp_cols(const interp_state *s, const interp_inst *p) { return p->cols > 1 ? s->cols : 1; }
/* To the next copy made by unrolling: the highest axis id fastest. */
void interp_next_copy(interp_state *s, uint32_t axes);
/* out = prim(a, b, c) over the instruction's grid. */
void interp_apply(const interp_state *s, const interp_inst *p, kn_prim prim, sn_dtype type, sn_dtype from,
                  uint64_t *out, interp_grid a, interp_grid b, interp_grid c);

/* Elements of an access over the grid, without the index's share. Wraps like machine code where a size is absurd. */
typedef struct {
    uint64_t start, row, col;
} interp_places;
interp_places interp_places_of(const interp_state *s, kn_id acc);
/* An element in memory as the bits of a value: f16 and bf16 are f32 there. */
uint64_t interp_read(const unsigned char *at, sn_dtype type);
void interp_write(unsigned char *at, sn_dtype type, uint64_t bits);
void interp_report_element(const interp_state *s, uint32_t inst, kn_id acc, int64_t element);

/* ---- interp_fold.c ----------------------------------------------------------------------------------------------- */

void interp_fold_unroll(const interp_state *s, uint32_t id);
void interp_fold_loops_begin(const interp_state *s, uint32_t id); /* at the beginning of the nest */
void interp_fold_loops(const interp_state *s, uint32_t id);
void interp_fold_loops_end(const interp_state *s, uint32_t id);
void interp_fold_points_begin(interp_state *s, uint32_t id); /* of the chunk */
void interp_fold_points(interp_state *s, uint32_t id);
void interp_fold_points_end(interp_state *s, uint32_t id);

#endif
