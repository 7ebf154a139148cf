/* lower.h: from groups to kernels.
 *
 * A launch collects one part per group that it runs. Lowering a group: find the nodes it computes (items), give each an
 * axis set, a level (longest path, counting results of LOOP folds) and a nest; equal (level, nest) make a phase; choose
 * vector axes, tile and grain (schedule.c); then write the instructions phase by phase. */
#ifndef IR_LOWER_H
#define IR_LOWER_H

#include "ir/fuse.h"
#include "ir/kernel_build.h"
#include "ir/program.h"

/* Where the values of nodes lie, filled by program.c before lowering. */
typedef struct {
    pg_ref ref;    /* of stored nodes, leaves; of exits: their partials */
    pg_ref values; /* of exits that fold pairs: the values' partials; ref has the indices */
    pg_ref stored; /* of exits: the combined value, where it is stored; of RECURRENCE: the running values */
    int32_t step;  /* of exits: the launch .. */
    uint32_t part; /* .. and part that leave the partials */
} lw_place;

/* One launch under construction. */
typedef struct {
    kn_build b;
    BASE_VEC(pg_ref) ref; /* of b.mem */
    BASE_VEC(pg_dim) dim; /* of the kernel's dims */
    BASE_VEC(uint64_t) scalar;
    BASE_VEC(pg_dim) traffic;
    BASE_VEC(uint8_t) traffic_size;
    ir_dim flops;
} lw_launch;

typedef enum { LW_MEMORY, LW_PARTIALS, LW_MEMBER, LW_INLINE } lw_source;

typedef struct {
    uint8_t wanted;    /* computed or read at its own point in this group */
    uint8_t scheduled; /* has a phase of its own; the others are written where they are read */
    uint8_t entry;     /* in an entry phase */
    uint8_t in_tile;   /* a member of a part with points, or made of one: never at entry, whatever it varies over */
    uint8_t absorbed;  /* a product that its only reader takes into an FMA */
    uint8_t row;       /* kept in row scratch */
    uint8_t loop_fold; /* folds a LOOP axis: usable from the next level on */
    uint32_t over;     /* axes the value varies over */
    uint32_t reads;    /* axes its operands vary over, and the folded ones */
    uint32_t level;
    uint32_t phase;
    kn_id value, row_mem;
    uint32_t value_phase;
    uint32_t read_level, read_nest; /* of its readers, while phases are made: see sink */
    uint8_t read, stay;
} lw_item;

typedef struct {
    uint8_t entry;
    uint32_t level, nest; /* nest: set of LOOP axes */
    kn_id loop[KN_MAX_NEST], lanes;
    uint32_t n_loop, width, ilp;
} lw_phase;

typedef struct {
    fu_class cls;
    kn_id axis; /* KN_NONE: collapsed into its neighbour */
    kn_role role;
    ir_dim extent; /* of the axis */
} lw_axis;

typedef struct {
    fu_state *s;
    lw_launch *launch;
    const lw_place *place;    /* per graph node */
    const pg_ref *assign_ref; /* per fu_assign */
    const fu_group *group;
    int32_t gi;
    uint32_t n_axis;
    lw_axis axis[KN_MAX_AXES];
    struct {
        int32_t step;
        uint32_t part;
        kn_id axis;
    } chunks[KN_MAX_AXES]; /* axes over an earlier launch's chunks */
    uint32_t n_chunks;
    uint32_t point_axes, loop_axes, unroll_axes; /* sets */
    lw_item *item;        /* per graph node; the caller's, all zero before and after: one array serves all parts */
    BASE_VEC(ir_id) list; /* of the nodes that are wanted, ascending */
    BASE_VEC(lw_phase) phase;
    uint32_t now; /* phase being written */
    uint32_t tile, team, rounds, grain, max_chunks;
    uint32_t *assign_phase; /* per member of group->assign */
} lw_part;

/* Adds the group's part to the launch. */
void lw_lower(lw_part *p);

/* The type of a node's values in kernels: f32 for f16 and bf16. */
static inline sn_dtype lw_type(const lw_part *p, ir_id v) {
    return base_register_type((sn_dtype)ir_at(p->s->g, v)->dtype);
}

/* lower_access.c */
lw_source lw_source_of(const lw_part *p, ir_id u);
kn_id lw_axis_of(const lw_part *p, fu_class c, ir_id v); /* fails if the class has no axis; KN_NONE: collapsed */
const lw_axis *lw_axis_info(const lw_part *p, fu_class c);
kn_size lw_size(lw_part *p, ir_dim d);
kn_id lw_mem(lw_part *p, pg_ref ref, kn_space space, sn_dtype dtype, ir_dim count, int32_t chunk_step,
             uint32_t chunk_part, const char *name);
kn_id lw_chunk_axis(lw_part *p, int32_t step, uint32_t part);
uint32_t lw_map_axes(const lw_part *p, ir_id reader,
                     uint32_t k); /* axes an operand varies over when read from memory */
uint32_t lw_own_axes(const lw_part *p, ir_id u);
kn_id lw_load_own(lw_part *p, ir_id u);                      /* at its own classes */
kn_id lw_load_operand(lw_part *p, ir_id reader, uint32_t k); /* from memory at the reader's map */
kn_id lw_load_partials(lw_part *p, ir_id u);                 /* folded over the chunks */
kn_id lw_moved(lw_part *p, ir_id v);                         /* SLICE PAD CONCAT GATHER */
void lw_store_own(lw_part *p, ir_id u, pg_ref ref, kn_space space, kn_id value);
kn_access lw_accumulator(lw_part *p, ir_id v);
kn_access lw_value_accumulator(lw_part *p, ir_id v); /* of the values of pairs */
ir_dim lw_count(lw_part *p, ir_id u);
kn_id lw_value(lw_part *p, ir_id u); /* lower.c: the value of an item in the phase being written */

uint32_t lw_folded_axes(const lw_part *p, ir_id v);

/* Starts a walk over nodes that are written where they are read; lw_visit: is this its first visit? Such nodes form a
 * graph in which the number of paths may be exponential. */
void lw_walk(const lw_part *p);
int lw_visit(const lw_part *p, ir_id v);

/* lower_scan.c: parts of one operator that runs through memory in order. */
void lw_scatter(lw_part *p);
void lw_recurrence(lw_part *p);

/* lower_few.c: a product of few rows or columns. */
void lw_few(lw_part *p);

/* lower_phase.c */
void lw_make_phases(lw_part *p); /* level, nest and phase of every item; p->phase */
void lw_find_rows(lw_part *p);   /* item.row */

/* lower_ewise.c */
kn_id lw_ewise(lw_part *p, ir_id v);
kn_id lw_constant(lw_part *p, sn_dtype dtype, uint64_t bits);
kn_prim lw_fold_prim(ir_op op);

/* schedule.c */
void lw_schedule(lw_part *p);

#endif
