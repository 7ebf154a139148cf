/* schedule.h: what the schedules for CPU and GPU share. */
#ifndef IR_SCHEDULE_H
#define IR_SCHEDULE_H

#include "ir/lower.h"

/* Bytes of the elements that are contiguous along an axis; 0: there are none. */
typedef struct {
    uint8_t least, read, written; /* the smallest; the largest that are read, that are written */
} lw_sizes;

/* What a phase does, for the nominal extents. */
typedef struct {
    lw_sizes size[KN_MAX_AXES]; /* per kernel axis */
    double bytes[KN_MAX_AXES];  /* per kernel axis: of accesses for which it is the contiguous one */
    double prims;               /* per innermost iteration */
    int guards;                 /* what it reads depends on where it stands: pieces put together, edges */
    int across;                 /* much is contiguous along the innermost loop and much along the points */
    double by_loops, by_points; /* bytes that neighbours along the innermost loop, along the points, have apart */
} lw_traffic;

double lw_extent(const lw_part *p, kn_id axis);              /* nominal */
double lw_partial_bytes(const lw_part *p);                   /* nominal, that each chunk leaves to be combined */
int lw_sums_rows(const lw_part *p);                          /* keeps sums, over its points, per element of a loop */
int lw_over_chunks(const lw_part *p, const lw_phase *phase); /* does the phase fold partials? */
int lw_has_fold(const lw_part *p, uint32_t phase);           /* does the phase fold a loop? */
double lw_words(const lw_part *p);                           /* schedule_words.c; registers of a GPU's thread */
void lw_schedule_gpu(lw_part *p, const lw_traffic *t, kn_id point); /* schedule_gpu.c; t: of each phase */

#endif
